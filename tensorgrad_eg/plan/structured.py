"""Structured results: sums of products of small tensors and deltas, never multiplied out.

>>> import numpy as np
>>> import tensorgrad_eg as tg
>>> from tensorgrad_eg import functions as F
>>> X, W, Y = tg.Variable("X", ["b", "p"]), tg.Variable("W", ["p", "h"]), tg.Variable("Y", ["b", "h"])
>>> plan = tg.optimize(tg.hessian(F.frobenius2(X @ W - Y), W), {"b": 9, "p": 3, "h": 4}, structured=True)
>>> hessian = plan(X=np.ones((9, 3)))
>>> print(hessian)
2 δ[h,h_] XX[p,p_]
>>> hessian.tensors["XX"].shape, hessian.dense().shape
((3, 3), (3, 4, 3, 4))
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import lru_cache
from importlib import import_module
from typing import Any

from tensorgrad_eg.plan.arrays import kind
from tensorgrad_eg.plan.forms import Form, Term, assembly
from tensorgrad_eg.plan.notation import indexed
from tensorgrad_eg.plan.plan import Plan, Source
from tensorgrad_eg.plan.program import Output, Program, Structure


@dataclass(frozen=True, repr=False)
class Structured:
    """A tensor as a sum of terms: each a coefficient, deltas, and factors that name `tensors`.

    >>> import numpy as np
    >>> from tensorgrad_eg.plan.forms import Factor
    >>> form = Form(("i", "j"), (2, 2), (Term(Fraction(3), (("i", "j"),), (Factor("d", ("i",)),)),))
    >>> result = Structured(form, {"d": np.array([1.0, 2.0])})
    >>> result
    <Structured: 3 δ[i,j] d[i]; shape (2, 2), 2 of 4 entries stored>
    >>> result.dense().tolist()
    [[3.0, 0.0], [0.0, 6.0]]
    """

    form: Form
    tensors: Mapping[str, Any]
    like: Any = field(default=None, compare=False)

    @property
    def edges(self) -> tuple[str, ...]:
        """The edges of the tensor, in the order of the axes of `dense()`."""
        return self.form.edges

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of the edges."""
        return self.form.shape

    @property
    def terms(self) -> tuple[Term, ...]:
        """The terms: `coefficient`, `deltas` (pairs of edges) and `factors` (a `name` and its `edges`)."""
        return self.form.terms

    def dense(self) -> Any:
        """The tensor itself, an array of the same library as the arrays it was computed from."""
        function = assembler(self.form)
        names = [given.name for given in function.inputs]
        like = self.tensors[names[0]] if names else self.like
        backend = kind(like)
        if names:
            return function.function(backend)(*(self.tensors[name] for name in names))
        options = (like.dtype, like.device) if backend == "torch" else () if like is None else (like.dtype,)
        return function.function(backend)(*options)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """The dense tensor for NumPy."""
        import numpy as np

        return np.asarray(self.dense(), dtype=dtype)

    def __str__(self) -> str:
        """As on the blackboard, such as `2 δ[i,j] T[a,b]`."""
        return str(self.form)

    def __repr__(self) -> str:
        """The terms and what they save."""
        stored = f"{self.form.entries:,} of {self.form.size:,} entries stored"
        return f"<Structured: {self}; shape {self.shape}, {stored}>"


@lru_cache(maxsize=256)
def assembler(form: Form) -> Plan:
    """The plan that multiplies a form out.

    >>> assembler(Form(("i",), (2,), ()))().tolist()
    [0.0, 0.0]
    """
    return Plan(assembly([form]), "tensor", 0)


class StructuredPlan(Plan):
    """A plan for the pieces of structured results. Calling it gives `Structured` objects.

    Its outputs, its cost and its table are those of the pieces; `forms` says how results are made of them.
    """

    def __init__(
        self,
        program: Program,
        structure: Structure,
        baseline: int | Callable[[], int],
        report: object = None,
        source: Source | None = None,
        certificate: object = None,
        *,
        forms: Sequence[Form],
        arranged: bool = False,
        assumptions: Iterable[str] = (),
    ) -> None:
        """Take a program for the pieces. Factors name them by place, `"0"`, `"1"`; if `arranged`, by name."""
        about = (structure, baseline, report, source, certificate)
        super().__init__(program, *about, arranged=arranged, assumptions=assumptions)
        names = {} if arranged else {str(n): name for n, name in enumerate(self.names)}
        self.forms = tuple(form.renamed(names) for form in forms)

    @property
    def names(self) -> list[str]:
        """What each piece is called: the step or the variable that it is."""
        found: list[str] = []
        for out in self.outputs:
            name = out.operand.tensor
            if len(set(out.operand.edges)) < len(out.operand.edges):
                name = f"{name}_diagonal"
            while name in found:
                name += "_"
            found.append(name)
        return found

    @property
    def results(self) -> list[str]:
        """What each result is called: the keys of a dict, or numbers."""
        if isinstance(self.structure, tuple):
            return list(self.structure)
        return (
            ["result"]
            if self.structure == "tensor"
            else [f"result{n}" for n in range(1, len(self.forms) + 1)]
        )

    def __call__(self, /, **arrays: Any) -> Any:
        """Run the plan on arrays given by variable name."""
        tensors = dict(zip(self.names, super().__call__(**arrays), strict=True))
        like = None if tensors else next(iter(self._signature.bind(arrays)[1].values()), None)
        results = [
            Structured(form, {name: tensors[name] for name in form.factors}, like) for form in self.forms
        ]
        if self.structure == "tensor":
            return results[0]
        return (
            dict(zip(self.structure, results, strict=True)) if isinstance(self.structure, tuple) else results
        )

    def code(self, backend: str = "torch") -> str:
        """Source of two functions: `plan` returns the pieces, `dense` makes the full results of them."""
        source = str(import_module("tensorgrad_eg.emit").emit(self.program, backend, "list"))
        imports, _, body = (
            Plan(assembly(self.forms), self.structure, 0).code(backend).partition("\n\n\ndef plan(")
        )
        missing = [line for line in imports.splitlines() if line not in source.splitlines()]
        return self._premise() + "\n".join([*missing, source, *self._comments(), f"def dense({body}"])

    def _comments(self) -> list[str]:
        plain = import_module("tensorgrad_eg.emit.identifiers").plain
        formulas = [f"# {plain(text)}" for text in self._formulas()]
        pieces = ", ".join(self.names)
        returned = (
            f"plan returns [{pieces}], and dense(*plan(...)) is" if pieces else "nothing is left to compute:"
        )
        return ["", f"# {returned}", *formulas]

    def _formulas(self) -> list[str]:
        pairs = zip(self.results, self.forms, strict=True)
        return [f"{indexed(name, form.edges)} = {form}" for name, form in pairs]

    def __str__(self) -> str:
        """The forms of the results, then the cost table of the pieces."""
        lines = [f"{'Form' if n == 0 else '':10} {text}" for n, text in enumerate(self._formulas())]
        return "\n".join([*lines, super().__str__()])


def settled(program: Program, forms: Sequence[Form]) -> tuple[Program, list[Form]]:
    """Pieces with their axes as they are computed, less those they do not depend on; numbers as coefficients.

    >>> from tensorgrad_eg.plan.forms import Factor
    >>> from tensorgrad_eg.plan.program import Operand, Step
    >>> half = Step("c", "constant", (), (), value=0.5)
    >>> program = Program((), (half,), (Output(Operand("c", ()), ("i",), ("i",)),), {"i": 3})
    >>> form = Form(("i",), (3,), (Term(Fraction(3), (), (Factor("0", ("i",)),)),))
    >>> print(settled(program, [form])[1][0])
    1.5
    """
    constants = {step.name: step.value for step in program.steps if step.kind == "constant"}
    outputs: list[Output] = []
    orders: dict[str, list[int]] = {}
    places: dict[str, str] = {}
    values: dict[str, float] = {}
    for n, out in enumerate(program.outputs):
        value = constants.get(out.operand.tensor)
        if value is not None:
            values[str(n)] = value
            continue
        orders[str(n)] = order = [out.edges.index(edge) for edge in dict.fromkeys(out.operand.edges)]
        places[str(n)] = str(len(outputs))
        edges, names = (tuple(axes[k] for k in order) for axes in (out.edges, out.names))
        outputs.append(replace(out, edges=edges, names=names))
    moved = [replace(f, terms=tuple(_moved(term, values, orders, places) for term in f.terms)) for f in forms]
    return replace(program, outputs=tuple(outputs)), moved


def _moved(
    term: Term, values: Mapping[str, float], orders: Mapping[str, Sequence[int]], places: Mapping[str, str]
) -> Term:
    coefficient = term.coefficient
    factors = []
    for factor in term.factors:
        if factor.name in values:
            value = values[factor.name]
            coefficient *= Fraction(value) if value.is_integer() else value
        else:
            edges = tuple(factor.edges[k] for k in orders[factor.name])
            factors.append(replace(factor, name=places[factor.name], edges=edges))
    return replace(term, coefficient=coefficient, factors=tuple(factors))

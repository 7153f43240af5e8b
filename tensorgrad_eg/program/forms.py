"""Forms: a tensor as a sum of products of named tensors and deltas, and the program that multiplies it out.

>>> term = Term(Fraction(2), (("i", "j"),), (Factor("T", ("a", "b")),))
>>> form = Form(("i", "a", "j", "b"), (3, 2, 3, 2), (term,))
>>> print(form)
2 δ[i,j] T[a,b]
>>> form.entries, form.size
(4, 36)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import isfinite, prod

from tensorgrad_eg.expr.printing import indexed, number_text
from tensorgrad_eg.program import Input, Operand, Output, Program, Step


@dataclass(frozen=True)
class Factor:
    """A named tensor and the result's edges that its axes are.

    >>> print(Factor("T", ("a", "b")))
    T[a,b]
    """

    name: str
    edges: tuple[str, ...]

    def __str__(self) -> str:
        """As on the blackboard."""
        return indexed(self.name, self.edges)


@dataclass(frozen=True)
class Term:
    """A coefficient times deltas (pairs of edges) times factors; constant along edges that none of them has.

    >>> print(Term(Fraction(-1, 2), (), (Factor("u", ("i",)), Factor("v", ("j",)))))
    -1/2 u[i] v[j]
    >>> print(Term(0.25, (("i", "j"),), ()))
    0.25 δ[i,j]
    """

    coefficient: Fraction | float
    deltas: tuple[tuple[str, str], ...]
    factors: tuple[Factor, ...]

    def __str__(self) -> str:
        """As on the blackboard."""
        parts = [*(indexed("δ", pair) for pair in self.deltas), *map(str, self.factors)]
        number = self.coefficient
        text = number_text(number) if isinstance(number, Fraction) else repr(number)
        if parts and abs(number) == 1:
            return ("-" if number < 0 else "") + " ".join(parts)
        return " ".join([text, *parts])


@dataclass(frozen=True)
class Form:
    """A tensor with these edges and sizes, as a sum of terms.

    >>> print(Form(("i",), (3,), ()))
    0
    """

    edges: tuple[str, ...]
    shape: tuple[int, ...]
    terms: tuple[Term, ...]

    def __str__(self) -> str:
        """The terms with their signs."""
        text = ""
        for term in self.terms:
            if not text:
                text = str(term)
            elif term.coefficient < 0:
                text += f" - {replace(term, coefficient=-term.coefficient)}"
            else:
                text += f" + {term}"
        return text or "0"

    @property
    def sizes(self) -> dict[str, int]:
        """The size of every edge.

        >>> Form(("i", "j"), (3, 4), ()).sizes
        {'i': 3, 'j': 4}
        """
        return dict(zip(self.edges, self.shape, strict=True))

    @property
    def size(self) -> int:
        """How many entries the tensor has, multiplied out.

        >>> Form(("i", "j"), (3, 4), ()).size
        12
        """
        return prod(self.shape)

    @property
    def factors(self) -> dict[str, Factor]:
        """Every named tensor once, by name, as it is read first.

        >>> square = Term(Fraction(1), (), (Factor("x", ("i",)), Factor("x", ("j",))))
        >>> Form(("i", "j"), (3, 3), (square,)).factors
        {'x': Factor(name='x', edges=('i',))}
        """
        found: dict[str, Factor] = {}
        for term in self.terms:
            for factor in term.factors:
                found.setdefault(factor.name, factor)
        return found

    @property
    def entries(self) -> int:
        """How many entries the named tensors have together.

        >>> outer = Term(Fraction(1), (), (Factor("u", ("i",)), Factor("v", ("j",))))
        >>> Form(("i", "j"), (3, 4), (outer,)).entries
        7
        """
        return sum(prod(self.sizes[edge] for edge in factor.edges) for factor in self.factors.values())

    def renamed(self, names: Mapping[str, str]) -> Form:
        """The form with its tensors called otherwise.

        >>> print(Form(("i",), (3,), (Term(Fraction(1), (), (Factor("t", ("i",)),)),)).renamed({"t": "x"}))
        x[i]
        """
        terms = [
            replace(term, factors=tuple(replace(f, name=names.get(f.name, f.name)) for f in term.factors))
            for term in self.terms
        ]
        return replace(self, terms=tuple(terms))


def assembly(forms: Sequence[Form]) -> Program:
    """The program that multiplies forms out: from their named tensors to the full tensors.

    >>> form = Form(("i", "j"), (3, 3), (Term(Fraction(2), (("i", "j"),), (Factor("d", ("i",)),)),))
    >>> [step.kind for step in assembly([form]).steps]
    ['delta', 'scale', 'contract']
    """
    work = _Assembly()
    outputs = [work.output(form) for form in forms]
    return Program(tuple(work.inputs.values()), tuple(work.steps), tuple(outputs), work.sizes)


class _Assembly:
    """The steps so far. A label is an edge, with primes where edges of one name have different sizes."""

    def __init__(self) -> None:
        self.inputs: dict[str, Input] = {}
        self.steps: list[Step] = []
        self.sizes: dict[str, int] = {}

    def output(self, form: Form) -> Output:
        labels = {edge: self.label(edge, size) for edge, size in form.sizes.items()}
        for factor in form.factors.values():
            axes = tuple(form.sizes[edge] for edge in factor.edges)
            self.inputs.setdefault(factor.name, Input(factor.name, factor.edges, axes))
        alone = len(form.terms) == 1
        terms = [self.term(term, labels, alone) for term in form.terms] or [self.step("constant", value=0.0)]
        result = terms[0] if len(terms) == 1 else self.step("add", *terms)
        return Output(result, tuple(labels.values()), form.edges)

    def label(self, edge: str, size: int) -> str:
        while self.sizes.setdefault(edge, size) != size:
            edge += "'"
        return edge

    def term(self, term: Term, labels: Mapping[str, str], alone: bool) -> Operand:
        factors = [Operand(f.name, tuple(labels[edge] for edge in f.edges)) for f in term.factors]
        if isfinite(term.coefficient):
            number = Fraction(term.coefficient)
        else:  # no fraction: a root of a negative number, or one over a size of zero
            number = Fraction(1)
            factors.append(self.step("constant", value=float(term.coefficient)))
        if len(factors) == 1 and not term.deltas and not alone:
            return replace(factors[0], factor=number)
        factors.sort(key=lambda f: prod(self.sizes[edge] for edge in f.edges))
        # The smallest tensor takes the coefficient; deltas stand outermost and put it on their diagonals.
        parts = [*factors, *(self.delta(labels[i], labels[j]) for i, j in reversed(term.deltas))]
        if not parts:
            return self.step("constant", value=float(number))
        result = parts[0] if number == 1 else self.step("scale", parts[0], number=number)
        for part in parts[1:]:
            result = self.step("contract", result, part)
        return result

    def delta(self, i: str, j: str) -> Operand:
        return self.step("delta", edges=(i, j))

    def step(
        self,
        kind: str,
        *operands: Operand,
        edges: tuple[str, ...] = (),
        number: Fraction | None = None,
        value: float | None = None,
    ) -> Operand:
        """Adds a step that sums nothing."""
        edges = edges or tuple(dict.fromkeys(edge for operand in operands for edge in operand.edges))
        name = f"step {len(self.steps)}"
        self.steps.append(Step(name, kind, operands, edges, number=number, value=value))
        return Operand(name, edges)


def settled(program: Program, forms: Sequence[Form]) -> tuple[Program, list[Form]]:
    """Pieces with their axes as they are computed, less those they do not depend on; numbers as coefficients.

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

"""Plan: the cheapest program found, what it costs, its source, and how to run it.

>>> import numpy as np
>>> from tensorgrad_eg.plan.program import Input, Operand, Output, Program, Step
>>> inputs = (Input("A", ("i", "k"), ("i", "k")), Input("x", ("k",), ("k",)))
>>> step = Step("s", "contract", (Operand("A", ("i", "k")), Operand("x", ("k",))), ("i",), ("k",))
>>> result = Output(Operand("s", ("i",)), ("i",), ("i",))
>>> plan = Plan(Program(inputs, (step,), (result,), {"i": 2, "k": 3}), "tensor", 12)
>>> plan(A=np.ones((2, 3)), x=np.ones(3))
array([3., 3.])
>>> plan
<Plan: result[i] from A, x; 1 step, 12 flops, 1 x baseline>
"""

from __future__ import annotations

import linecache
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from importlib import import_module
from os import PathLike
from typing import Any, Protocol, Self

from tensorgrad_eg.errors import MissingExtraError, TensorgradError
from tensorgrad_eg.expr.sizes import by_symbol
from tensorgrad_eg.plan.arrays import Signature
from tensorgrad_eg.plan.cost import total_flops
from tensorgrad_eg.plan.diagonals import nested
from tensorgrad_eg.plan.folding import fold
from tensorgrad_eg.plan.layout import arrange
from tensorgrad_eg.plan.liveness import peak_elements
from tensorgrad_eg.plan.naming import rename
from tensorgrad_eg.plan.notation import indexed
from tensorgrad_eg.plan.program import Input, Output, Program, Step, Structure
from tensorgrad_eg.plan.table import table


class DetachedPlanError(TensorgradError, RuntimeError):
    """A plan from a file was asked for what only the expressions it was made from can tell.

    >>> print(DetachedPlanError.of("resize"))
    this plan was loaded from a file, which does not hold the expressions that resize() needs. Make the plan
    again with optimize().
    """

    @classmethod
    def of(cls, method: str) -> Self:
        """Say which method needs the expressions."""
        return cls(
            f"this plan was loaded from a file, which does not hold the expressions that {method}() needs. "
            "Make the plan again with optimize()."
        )


class Baseline(int):
    """The cost of the best ordinary way, in flops; `modes` has the cost of each way that was considered.

    >>> Baseline(60, {"forward": 90, "reverse": 60}).modes["forward"]
    90
    """

    modes: dict[str, int]

    def __new__(cls, value: int, modes: Mapping[str, int] | None = None) -> Self:
        """Make an integer that knows where it comes from."""
        self = super().__new__(cls, value)
        self.modes = dict(modes or {})
        return self

    def __reduce__(self) -> tuple[type[Baseline], tuple[int, dict[str, int]]]:
        """Let copies keep the modes."""
        return Baseline, (int(self), self.modes)


class Source(Protocol):
    """What a plan was made from: it checks the plan, prices it for other sizes, and explains it."""

    expressions: Any

    def check(self, plan: Plan) -> Any:
        """Evaluate the plan against the expressions."""

    def resize(self, plan: Plan, sizes: Mapping[str, int]) -> Plan:
        """The plan for other sizes, from the same e-graph."""

    def explain(self, plan: Plan) -> Any:
        """The derivation."""


def result_names(structure: Structure, count: int) -> list[str]:
    """What the results of a plan are called: the keys of a dict, or numbers.

    >>> result_names(("f", "g"), 2), result_names("tensor", 1), result_names("list", 2)
    (['f', 'g'], ['result'], ['result1', 'result2'])
    """
    if isinstance(structure, tuple):
        return list(structure)
    return ["result"] if structure == "tensor" else [f"result{n}" for n in range(1, count + 1)]


class Plan:
    """A program and what goes with it. Calling it runs `code(...)` of the library that the arrays are of.

    Results may share memory with one another, never with an argument; a result that does not depend on one of
    its edges is broadcast without a copy, and NumPy lets nobody write into such an array.

    >>> from tensorgrad_eg.plan.program import Program
    >>> Plan(Program((), (), (), {}), "list", 0)()
    []
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
        arranged: bool = False,
        assumptions: Iterable[str] = (),
    ) -> None:
        """Take a program; unless it is that of another plan (`arranged`), order its axes and name its steps.

        It is right for arrays of which the assumptions are true. A baseline that takes work is given as a
        function, and worked out when somebody asks.
        """
        program.validate()
        self.program = program if arranged else rename(arrange(fold(nested(program))))
        self.structure: Structure = structure
        self._baseline = baseline
        self.report = report
        self.source = source
        self.certificate = certificate
        self.assumptions = tuple(assumptions)
        self._functions: dict[str, Callable[..., Any]] = {}

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps in the order in which they run."""
        return self.program.steps

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The variables; those that no step reads may be left out of a call."""
        return self.program.inputs

    @property
    def outputs(self) -> tuple[Output, ...]:
        """The results, in the order in which they were asked for."""
        return self.program.outputs

    @property
    def sizes(self) -> dict[str, int]:
        """The sizes the plan was made for, by symbol."""
        return dict(self.program.symbols or self.program.sizes)

    @cached_property
    def baseline(self) -> Baseline:
        """What ordinary automatic differentiation pays for the same results, in the same unit."""
        value = self._baseline() if callable(self._baseline) else self._baseline
        return value if isinstance(value, Baseline) else Baseline(value)

    @cached_property
    def flops(self) -> int:
        """The cost of all steps, in opt_einsum's unit."""
        return total_flops(self.program)

    @cached_property
    def peak_elements(self) -> int:
        """The most elements that intermediates and results hold at one moment; arguments are not counted."""
        return peak_elements(self.program)

    @cached_property
    def _signature(self) -> Signature:
        return Signature(self.program)

    @property
    def ratio(self) -> float:
        """The cost over that of the baseline."""
        return self.flops / self.baseline if self.baseline else float("nan") if self.flops else 1.0

    @property
    def names(self) -> list[str]:
        """What each result is called: the keys of a dict, or numbers."""
        return result_names(self.structure, len(self.outputs))

    @property
    def results(self) -> list[str]:
        """What each tensor asked for is called; a structured plan returns pieces of these."""
        return self.names

    def __call__(self, /, **arrays: Any) -> Any:
        """Run the plan on arrays given by variable name, their axes in the order of the variable's edges."""
        backend, bound = self._signature.bind(arrays)
        function = self.function(backend)
        if self._signature.read or not bound:
            return function(*(bound[name] for name in self._signature.read))
        like = next(iter(bound.values()))
        return function(like.dtype, like.device) if backend == "torch" else function(like.dtype)

    def code(self, backend: str = "torch") -> str:
        """Source that runs when it is pasted into an empty file, for torch, numpy, jax or opt_einsum.

        Where it reads no array it takes a `dtype` (and for torch a `device`): the library's own unless given.
        """
        source = str(import_module("tensorgrad_eg.emit").emit(self.program, backend, self.structure))
        return self._premise() + source

    def _premise(self) -> str:
        """A comment with the assumptions, if there are any."""
        if not self.assumptions:
            return ""
        plain = import_module("tensorgrad_eg.emit.identifiers").plain
        return f"# Right for arrays of which this is true: {plain('; '.join(self.assumptions))}\n\n"

    def function(self, backend: str) -> Callable[..., Any]:
        """The function that `code(backend)` defines."""
        if backend not in self._functions:
            self._functions[backend] = _executed(self.code(backend), backend)
        return self._functions[backend]

    def check(self, *arguments: Any, **options: Any) -> Any:
        """Evaluate the plan against the expressions it was made from; an error is raised if they differ."""
        return self._source("check").check(self, *arguments, **options)

    def resize(self, sizes: Mapping[str, int]) -> Plan:
        """The plan for other sizes, given as for `optimize`; those that are not given stay."""
        source = self._source("resize")
        found = by_symbol(source.expressions, sizes, self.sizes)
        plan: Plan = source.resize(self, {**self.sizes, **found})
        return plan

    def explain(self, *arguments: Any, **options: Any) -> Any:
        """The derivation, step by step."""
        return self._source("explain").explain(self, *arguments, **options)

    def draw(self, *arguments: Any, **options: Any) -> Any:
        """A picture of the program."""
        return import_module("tensorgrad_eg.diagram").draw(self, *arguments, **options)

    def _source(self, method: str) -> Any:
        if self.source is None:
            raise DetachedPlanError.of(method)
        return self.source

    def __getstate__(self) -> dict[str, Any]:
        """Everything but compiled functions, which are made again where they are needed."""
        return {**self.__dict__, "_functions": {}}

    def to_json(self) -> str:
        """The plan as text, for `from_json`."""
        return str(import_module("tensorgrad_eg.plan.store").to_json(self))

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """The plan that `to_json` wrote."""
        plan: Plan = import_module("tensorgrad_eg.plan.store").from_json(text)
        return plan

    def save(self, path: str | PathLike[str]) -> None:
        """Write the plan to a file, for `load`."""
        import_module("tensorgrad_eg.plan.store").save(self, path)

    def __str__(self) -> str:
        """The cost table."""
        text = table(self.program, self.names, self.baseline, self.baseline.modes, self.peak_elements)
        lines = [f"Proof      {self.certificate}"] if self.certificate is not None else []
        lines += [f"Assumes    {'; '.join(self.assumptions)}"] if self.assumptions else []
        return text.replace("\nBaseline", "\n".join(["", *lines, "Baseline"]), 1)

    def __repr__(self) -> str:
        """One line: results, variables, steps and cost."""
        results = [indexed(name, out.names) for name, out in zip(self.names, self.outputs, strict=True)]
        shown = ", ".join(results[:3]) + (f" and {len(results) - 3} more" if len(results) > 3 else "")
        read = self._signature.read
        source = ", ".join(read[:6]) + (f" and {len(read) - 6} more" if len(read) > 6 else "")
        count = len(self.steps)
        cost = f"{count} step{'' if count == 1 else 's'}, {self.flops:,} flops, {self.ratio:.3g} x baseline"
        return f"<Plan: {shown or 'nothing'} from {source or 'nothing'}; {cost}>"


def _executed(source: str, backend: str) -> Callable[..., Any]:
    """The function `plan` of a source; tracebacks show its lines."""
    name = f"<plan {backend} {abs(hash(source)):x}>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    namespace: dict[str, Any] = {"__name__": name}
    try:
        exec(compile(source, name, "exec"), namespace)
    except ModuleNotFoundError as error:
        package = (error.name or backend).split(".")[0]
        raise MissingExtraError.of(package, package, f"plan.function({backend!r}) runs") from error
    function: Callable[..., Any] = namespace["plan"]
    return function

"""Symmetries of single tensors of a program, proven by the rules in an e-graph of their own.

The search grows terms for the sake of cost, and need not have made those that show a symmetry: that a square
of A - Aᵀ is symmetric is seen once A - Aᵀ is minus Aᵀ - A. So the tensor is put into an e-graph together with
what it is under exchanged names, and the rules are run for a while.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from fractions import Fraction
from math import isfinite

from tensorgrad_eg.deadline import Deadline
from tensorgrad_eg.egraph.engine import Engine
from tensorgrad_eg.egraph.engines import Engines
from tensorgrad_eg.egraph.renaming import Symbols, renamed
from tensorgrad_eg.egraph.saturate import Budget, Report, saturate
from tensorgrad_eg.egraph.term import Dag
from tensorgrad_eg.errors import TimeLimitError
from tensorgrad_eg.extract.alias import class_symmetries
from tensorgrad_eg.program.program import Operand, Program, Step
from tensorgrad_eg.rules.phases import SEARCH

Axes = tuple[int, int]
#: A tensor made of more nodes is not looked at, nor are more than so many tensors of a program.
_LARGEST, _TENSORS = 60, 8
_BUDGET = Budget(rounds=4, nodes=400, matches=6_000, seconds=1.0, slacks=(1.0,))
_MINUS = Fraction(-1)


class Proofs:
    """Looks for proofs.

    Example:
        >>> from tensorgrad_eg.program.program import Input
        >>> A, (i, j) = Input("A", ("i", "j"), (3, 3)), ("i", "j")
        >>> terms = Operand("A", (i, j)), Operand("A", (j, i), Fraction(-1))
        >>> difference = Step("s", "add", terms, (i, j))
        >>> square = Step("t", "power", (Operand("s", (i, j)),), (i, j), number=Fraction(2))
        >>> program = Program((A,), (difference, square), (), {i: 3, j: 3})
        >>> proofs = Proofs(program)
        >>> proofs.symmetric("t", [(0, 1)]), proofs.symmetric("s", [(0, 1)])
        ([(0, 1)], [])
    """

    def __init__(self, program: Program, deadline: Deadline | None = None) -> None:
        """Nothing has been looked for yet."""
        self.deadline = deadline or Deadline()
        self.steps = {step.name: step for step in program.steps}
        self.sizes = program.sizes
        self.engines = Engines(deadline=self.deadline, rulesets=SEARCH)
        self.left = _TENSORS

    def symmetric(self, name: str, pairs: Sequence[Axes]) -> list[Axes]:
        """Those of the pairs of axes of a step in which the rules show it to be symmetric."""
        term = _Term(self.steps, self.sizes)
        root = term.step(name)
        edges = self.steps[name].edges
        if (
            self.deadline.over
            or self.left <= 0
            or len(term.dag.nodes) > _LARGEST
            or set(edges) != term.dag.free[root]
        ):
            return []
        self.left -= 1
        for n, (a, b) in enumerate(pairs):
            one, two = edges[a], edges[b]
            term.dag.roots[f"exchanged {n}"] = renamed(term.dag, root, {one: two, two: one}, term.symbols)
        term.dag.roots["tensor"] = root
        found: frozenset[tuple[str, str]] = frozenset()
        with suppress(TimeLimitError, KeyboardInterrupt), self.engines.lend(SEARCH) as engine:
            found = _symmetries(engine, term)
        return [(a, b) for a, b in pairs if (min(edges[a], edges[b]), max(edges[a], edges[b])) in found]


def _symmetries(engine: Engine, term: _Term) -> frozenset[tuple[str, str]]:
    """The pairs of edges in which the root is symmetric after the rules have run."""
    engine.load(term.dag, term.symbols)
    engine.normalise(descend=True)
    saturate(engine, {}, _BUDGET, Report())
    snapshot = engine.snapshot(["tensor"])
    return class_symmetries(snapshot).get(snapshot.roots["tensor"], frozenset())


class _Term:
    """A step as a term of what it is made of; what no term says is a variable."""

    def __init__(self, steps: Mapping[str, Step], sizes: Mapping[str, int]) -> None:
        self.dag = Dag()
        self.steps = steps
        self.symbols: Symbols = dict(sizes)
        self.done: dict[str, int] = {}

    def step(self, root: str) -> int:
        """The node of a step."""
        stack = [root]
        while stack:
            step = self.steps[stack[-1]]
            missing = [
                o.tensor for o in step.operands if o.tensor in self.steps and o.tensor not in self.done
            ]
            if missing and step.name not in self.done:
                stack.extend(missing)
                continue
            stack.pop()
            if step.name not in self.done:
                self.done[step.name] = self._node(step)
        return self.done[root]

    def _node(self, step: Step) -> int:
        """The node of a step whose operands are there."""
        labels = {edge for operand in step.operands for edge in operand.edges}
        twice = any(len(set(operand.edges)) < len(operand.edges) for operand in step.operands)
        known = step.kind in ("constant", "delta") or (not twice and labels == {*step.edges, *step.over})
        if step.kind in ("pack", "unpack") or not known or not isfinite(step.value or 0.0):
            return self.dag.put("variable", (f"step {step.name}", step.edges))
        reads = [self._read(operand) for operand in step.operands]
        match step.kind:
            case "constant":
                return self.dag.put("number", Fraction(step.value or 0.0))
            case "delta":
                return self.dag.put("delta", step.edges)
            case "contract":
                return self._product(reads, frozenset(step.over))
            case "add":
                return self._sum(step, reads)
            case "apply":
                return self.dag.put("apply", step.function, *reads)
            case "scale" | "power":
                return self.dag.put(step.kind, step.number, *reads)
        return self.dag.put(step.kind, frozenset(step.over), *reads)

    def _product(self, reads: Sequence[int], over: frozenset[str]) -> int:
        if len(reads) == 1:
            return self.dag.put("reduce", over, *reads) if over else reads[0]
        at = reads[0]
        for n, other in enumerate(reads[1:], 2):
            at = self.dag.put("contract", over if n == len(reads) else frozenset(), at, other)
        return at

    def _sum(self, step: Step, reads: Sequence[int]) -> int:
        """A sum; one with differences is there with the other sign as well, for the rules to find."""
        factors = [operand.factor for operand in step.operands]
        terms = [
            at if factor == 1 else self.dag.put("scale", factor, at)
            for at, factor in zip(reads, factors, strict=True)
        ]
        total = self.dag.put("add", None, *terms)
        if min(factors) < 0:
            self.dag.roots[f"minus {step.name}"] = self.dag.put("scale", _MINUS, total)
        return total

    def _read(self, operand: Operand) -> int:
        if operand.tensor not in self.steps:
            return self.dag.put("variable", (operand.tensor, operand.edges))
        own = self.steps[operand.tensor].edges
        names = dict(zip(own, operand.edges, strict=True))
        return renamed(self.dag, self.done[operand.tensor], names, self.symbols)

"""Which tensors of a program are symmetric in two of their axes, proven by its steps.

A step that reads the same tensors under exchanged labels is symmetric in these labels, and so may be what
reads it. What an e-graph holds equal (a product in every order of its factors) is known beforehand; what
looks symmetric beyond that is so only if the rules prove it, in an e-graph of its own.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from fractions import Fraction
from itertools import count

from tensorgrad_eg.deadline import Deadline
from tensorgrad_eg.extract.canonical import Order, Read
from tensorgrad_eg.extract.closure import LEAF, Closure, Node, kind
from tensorgrad_eg.extract.likely import likely
from tensorgrad_eg.extract.proofs import Axes, Proofs
from tensorgrad_eg.program.program import Operand, Program, Step

Orders = Mapping[str, Iterable[Order]]


def symmetries(
    program: Program,
    known: Iterable[tuple[str, Axes]] = (),
    given: Orders | None = None,
    deadline: Deadline | None = None,
) -> dict[str, list[Axes]]:
    """For every tensor of a program the pairs of axes in which it is symmetric, whatever the arrays are.

    `known` are pairs of axes of inputs in which they are symmetric; `given` are orders in which the axes of
    a step may be read, as far as they are known otherwise. At the deadline no more proofs are looked for.

    Example:
        >>> from tensorgrad_eg.program.program import Input, Output
        >>> square = Step("s", "contract", (Operand("x", ("i",)), Operand("x", ("j",))), ("i", "j"))
        >>> x = Input("x", ("i",), ("i",))
        >>> result = Output(Operand("s", ("i", "j")), ("i", "j"), ("i", "j"))
        >>> symmetries(Program((x,), (square,), (result,), {"i": 5, "j": 5}))["s"]
        [(0, 1)]
    """
    work = _Statement(program)
    for name, (a, b) in known:
        if name in work.tensors:
            work.closure.same(work.tensors[name], (a, b), work.tensors[name], (b, a))
    for name, orders in (given or {}).items():
        for order in orders:
            work.closure.same(work.tensors[name], order, work.tensors[name], range(len(order)))
    work.closure.run()
    if not any(step.kind in ("pack", "unpack") for step in program.steps):
        _look_further(work, likely(program, known), deadline or Deadline())
    found = {}
    for name, at in work.tensors.items():
        shape = program.shape(name)
        found[name] = [(a, b) for a, b in work.closure.pairs(at) if shape[a] == shape[b] > 1]
    return found


def _look_further(work: _Statement, candidates: Mapping[str, Iterable[Axes]], deadline: Deadline) -> None:
    """Looks for proofs by the rules of what may be symmetric, and is not known to be."""
    proofs = Proofs(work.program, deadline)
    for name in proofs.steps:
        at = work.tensors[name]
        missing = sorted(set(candidates[name]) - set(work.closure.pairs(at)))
        for a, b in proofs.symmetric(name, missing) if missing else ():
            work.closure.same(at, (a, b), at, (b, a))
            work.closure.run()


class _Statement:
    """States the steps of a program."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.closure = Closure()
        self.tensors: dict[str, int] = {}
        self._numbers = count()
        self._multiples: dict[tuple[str, Fraction], int] = {}
        for given in program.inputs:
            if program.readers(given.name):
                self._tensor(given.name, len(given.edges))
        for step in program.steps:
            self._tensor(step.name, len(step.edges))
            self._state(step)

    def _tensor(self, name: str, axes: int) -> None:
        self.tensors[name] = next(self._numbers)
        self.closure.tensor(self.tensors[name], axes)

    def _state(self, step: Step) -> None:
        at = self.tensors[step.name]
        reads = tuple(self._read(operand) for operand in step.operands)
        if step.kind == "delta":
            reads = tuple((LEAF, (edge,)) for edge in step.edges)
        elif step.kind in ("pack", "unpack"):
            reads = ()  # which entry goes where is not said
        what = step.name if step.kind in ("pack", "unpack") else ""
        tag: Hashable = (step.kind, step.function, step.number, step.value, what)
        kinds = {
            label: kind(label in step.over, label in step.edges, self.program.sizes[label])
            for label in (step.labels if reads else step.edges)
        }
        if what:
            kinds = {label: f"{size} {label}" for label, size in kinds.items()}
        self.closure.add(Node(at, step.edges, tag, reads, kinds))

    def _read(self, operand: Operand) -> Read:
        """What an operand reads: a term of a sum may be a multiple, which is a tensor of its own."""
        key = operand.tensor, operand.factor
        if operand.factor == 1:
            return self.tensors[operand.tensor], operand.edges
        if key not in self._multiples:
            at = self._multiples[key] = next(self._numbers)
            shape = self.program.shape(operand.tensor)
            names = tuple(map(str, range(len(shape))))
            kinds = {name: kind(False, True, size) for name, size in zip(names, shape, strict=True)}
            tag = ("scale", "", operand.factor, None, "")
            self.closure.add(Node(at, names, tag, ((self.tensors[operand.tensor], names),), kinds))
        return self._multiples[key], operand.edges

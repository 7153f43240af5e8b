"""Which tensors of a program are symmetric in two of their axes, proven by its steps.

A step that reads the same tensors under exchanged labels is symmetric in these labels, and so may be what
reads it. What an e-graph holds equal (a product in every order of its factors) is known beforehand; what
looks symmetric beyond that is so only if the rules prove it, in an e-graph of its own.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from fractions import Fraction
from itertools import combinations, count, permutations
from math import isfinite, prod

import numpy as np
from numpy.typing import NDArray

from tensorgrad_eg.egraph import Dag, Symbols, renamed
from tensorgrad_eg.egraph.engine import Engine, Engines
from tensorgrad_eg.egraph.saturate import Budget, Report, saturate
from tensorgrad_eg.errors import TimeLimitError
from tensorgrad_eg.expr.arrays import Labelled, Numpy, aligned, drawn, read
from tensorgrad_eg.expr.operations import OPERATIONS
from tensorgrad_eg.extract.alias import class_symmetries
from tensorgrad_eg.extract.closure import LEAF, Closure, Node, Order, Read, kind
from tensorgrad_eg.program import Operand, Program, Step
from tensorgrad_eg.rules.forms import SEARCH
from tensorgrad_eg.running import Deadline

Axes = tuple[int, int]
Array = NDArray[np.float64]
#: A program is evaluated twice: what has another size has another one here too, and another the second time.
_TURNS = 2
#: A step with more entries than this is not evaluated, nor what reads it: nothing is said about these.
_LARGEST = 1 << 18
#: What is the same but for rounding, relative to the largest entry.
_SAME = 1e-9
_NUMPY = Numpy(np.float64)


def likely(program: Program, known: Iterable[tuple[str, Axes]] = ()) -> dict[str, list[Axes]]:
    """For every tensor of a program the pairs of axes in which it may be symmetric: in no others is it.

    `known` are pairs of axes of inputs in which they are symmetric. Entries of inputs are random numbers. Of
    tensors that are too large to be evaluated nothing is said.

    Example:
        >>> from tensorgrad_eg.program import Input, Output
        >>> square = Step("s", "contract", (Operand("x", ("i",)), Operand("x", ("j",))), ("i", "j"))
        >>> x = Input("x", ("i",), ("i",))
        >>> result = Output(Operand("s", ("i", "j")), ("i", "j"), ("i", "j"))
        >>> likely(Program((x,), (square,), (result,), {"i": 5, "j": 5}))["s"]
        [(0, 1)]
    """
    turns = [_Values(program, _small(program, turn), known).values for turn in range(_TURNS)]
    found: dict[str, list[Axes]] = {}
    for name in [*(given.name for given in program.inputs if program.readers(given.name)), *_names(program)]:
        shape = program.shape(name)
        pairs = [(a, b) for a, b in combinations(range(len(shape)), 2) if shape[a] == shape[b] > 1]
        found[name] = [pair for pair in pairs if all(_unchanged(values.get(name), pair) for values in turns)]
    return found


def _names(program: Program) -> list[str]:
    return [step.name for step in program.steps]


def _small(program: Program, turn: int) -> dict[int, int]:
    """A small size for each size, another for another."""
    sizes = sorted({*program.sizes.values(), *(n for given in program.inputs if program.readers(given.name)
                                               for n in program.shape(given.name))})  # fmt: skip
    sizes = sizes[::-1] if turn % 2 else sizes
    return {size: 2 + turn + n if size > 1 else 1 for n, size in enumerate(sizes)}


def _unchanged(value: Array | None, pair: Axes) -> bool:
    """Whether a tensor is the same with two axes exchanged; what has not been evaluated is not."""
    if value is None:
        return False
    scale = np.max(np.abs(value), initial=0.0, where=np.isfinite(value))
    return np.allclose(value, value.swapaxes(*pair), rtol=0.0, atol=_SAME * scale, equal_nan=True)


class _Values:
    """Every tensor of a program, its axes in their own order."""

    def __init__(self, program: Program, small: Mapping[int, int], known: Iterable[tuple[str, Axes]]) -> None:
        self.sizes = {label: small[size] for label, size in program.sizes.items()}
        self.values: dict[str, Array] = {}
        for given in program.inputs:
            if program.readers(given.name):
                shape = tuple(small[size] for size in program.shape(given.name))
                if prod(shape) <= _LARGEST:
                    self.values[given.name] = drawn(given.name, shape)
        for name, axes in sorted(_joined(known)):
            if name in self.values:
                self.values[name] = _symmetric(self.values[name], axes)
        with np.errstate(all="ignore"):
            for step in program.steps:
                entries = prod(self.sizes[label] for label in step.labels)
                if entries <= _LARGEST and all(operand.tensor in self.values for operand in step.operands):
                    self.values[step.name] = self._step(step)

    def _step(self, step: Step) -> Array:
        if step.kind == "constant":
            return np.asarray(step.value or 0.0)
        args = [self._read(operand) for operand in step.operands]
        if step.kind == "contract":
            return self._product(step, args)
        found = OPERATIONS[step.kind].value(_NUMPY, step.node, args, self.sizes)
        return np.asarray(aligned(_NUMPY, found, step.edges, self.sizes))

    def _read(self, operand: Operand) -> Labelled:
        array = self.values[operand.tensor]
        return read(_NUMPY, array if operand.factor == 1 else array * float(operand.factor), operand.edges)

    def _product(self, step: Step, args: Sequence[Labelled]) -> Array:
        """A product of any number of factors."""
        number = {label: n for n, label in enumerate(step.labels)}
        axes = [[number[edge] for edge in arg.edges] for arg in args]
        found = _NUMPY.einsum([arg.array for arg in args], axes, [number[edge] for edge in step.edges])
        return np.asarray(found)


def _joined(known: Iterable[tuple[str, Axes]]) -> list[tuple[str, tuple[int, ...]]]:
    """The sets of axes that pairs connect: a tensor is symmetric in all of a set together."""
    sets: list[tuple[str, tuple[int, ...]]] = []
    for name, pair in known:
        touched = [s for s in sets if s[0] == name and set(s[1]) & set(pair)]
        sets = [s for s in sets if s not in touched]
        sets.append((name, tuple(sorted({*pair, *(axis for s in touched for axis in s[1])}))))
    return sets


def _symmetric(value: Array, axes: Sequence[int]) -> Array:
    """The sum over all orders of these axes."""
    total = np.zeros_like(value)
    for order in permutations(axes):
        moved = dict(zip(axes, order, strict=True))
        places = (moved.get(axis, axis) for axis in range(value.ndim))
        total = total + value.transpose(*places)
    return total


#: A tensor made of more nodes is not looked at, nor are more than so many tensors of a program.
_NODES, _TENSORS = 60, 8
_BUDGET = Budget(rounds=4, nodes=400, matches=6_000, seconds=1.0, slacks=(1.0,))
_MINUS = Fraction(-1)


class _Proofs:
    """Looks for proofs."""

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
            or len(term.dag.nodes) > _NODES
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
        return self.dag.put(step.kind, step.node.payload, *reads)

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
        >>> from tensorgrad_eg.program import Input, Output
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
    proofs = _Proofs(work.program, deadline)
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
        ordered = not what and OPERATIONS[step.kind].ordered
        self.closure.add(Node(at, step.edges, tag, reads, kinds, ordered=ordered))

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

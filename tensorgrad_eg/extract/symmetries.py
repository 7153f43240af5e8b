"""Which tensors of a program are symmetric in two of their axes, proven by evaluation in a finite field."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import combinations, permutations
from math import isfinite

import numpy as np

from tensorgrad_eg.egraph.snapshot import Snapshot
from tensorgrad_eg.extract.alias import fingerprints
from tensorgrad_eg.extract.field import LANES, Field, P, mix, number, power, variable
from tensorgrad_eg.plan.program import Operand, Program, Step

Axes = tuple[int, int]
#: The size of every axis; in steps of more labels than `_WIDE` two, or they would take long.
_SIZE, _WIDE = 3, 10


def symmetries(program: Program, known: Iterable[tuple[str, Axes]] = ()) -> dict[str, list[Axes]]:
    """For every tensor of a program the pairs of axes in which it is symmetric, whatever the arrays are.

    `known` are pairs of axes of inputs in which they are symmetric. Entries of inputs are random numbers and
    functions are random functions: a tensor that is symmetric there is always so, but for a chance of 2^-60.

    Example:
        >>> from tensorgrad_eg.plan.program import Input, Output
        >>> square = Step("s", "contract", (Operand("x", ("i",)), Operand("x", ("j",))), ("i", "j"))
        >>> x = Input("x", ("i",), ("i",))
        >>> result = Output(Operand("s", ("i", "j")), ("i", "j"), ("i", "j"))
        >>> symmetries(Program((x,), (square,), (result,), {"i": 5, "j": 5}))["s"]
        [(0, 1)]
    """
    widest = max((len(step.labels) for step in program.steps), default=0)
    values = _Values(program, _SIZE if widest <= _WIDE else 2, known).values
    found = {}
    for name, value in values.items():
        shape = program.shape(name)
        pairs = [(a, b) for a, b in combinations(range(len(shape)), 2) if shape[a] == shape[b] > 1]
        found[name] = [(a, b) for a, b in pairs if np.array_equal(value, value.swapaxes(a + 1, b + 1))]
    return found


def class_symmetries(snapshot: Snapshot) -> dict[int, frozenset[tuple[str, str]]]:
    """For every class of an e-graph the pairs of edges in which it is symmetric.

    Example:
        >>> from tensorgrad_eg.egraph.term import ENode
        >>> leaves = [[ENode("variable", ("x", (edge,)))] for edge in "ij"]
        >>> nodes = dict(enumerate([*leaves, [ENode("contract", frozenset(), (0, 1))]]))
        >>> free = {0: frozenset("i"), 1: frozenset("j"), 2: frozenset("ij")}
        >>> class_symmetries(Snapshot(nodes, free, {}, {"i": "n", "j": "n"}))
        {2: frozenset({('i', 'j')})}
    """
    found = {}
    for at, value in fingerprints(snapshot).items():
        edges = list(enumerate(sorted(snapshot.free[at]), 1))
        same = [
            (i, j)
            for (a, i), (b, j) in combinations(edges, 2)
            if snapshot.symbols.get(i, i) == snapshot.symbols.get(j, j)
            and np.array_equal(value, value.swapaxes(a, b))
        ]
        if same:
            found[at] = frozenset(same)
    return found


class _Values:
    """Every tensor of a program in the field, its axes in their own order behind the lanes."""

    def __init__(self, program: Program, size: int, known: Iterable[tuple[str, Axes]]) -> None:
        self.size = size
        self.values: dict[str, Field] = {}
        for given in program.inputs:
            if program.readers(given.name):
                self.values[given.name] = variable(given.name, (size,) * len(given.edges))
        for name, axes in sorted(_joined(known)):
            if name in self.values:
                self.values[name] = _symmetric(self.values[name], axes)
        for step in program.steps:
            self.values[step.name] = np.ascontiguousarray(self._step(step))

    def _step(self, step: Step) -> Field:
        if step.kind == "constant":
            return _constant(step.value or 0.0)
        if step.kind == "delta":
            return np.stack([np.eye(self.size, dtype=np.uint64)] * LANES)
        if step.kind in ("contract", "reduce"):
            return self._product(step)
        if step.kind == "add":
            return self._sum(step)
        value = self._read(step.operands[0], step.labels)
        if step.kind in ("softmax", "logsumexp"):
            return self._normalised(step, value)
        value = self._ordered(value, step.labels, step.edges)
        if step.kind == "scale":
            return value * number(step.number or Fraction(0)).reshape(-1, *[1] * len(step.edges)) % P
        if step.kind == "power":
            return power(value, step.number or Fraction(0))
        return mix(value, f"apply {step.function}")

    def _read(self, operand: Operand, labels: Sequence[str]) -> Field:
        """What an operand reads, with an axis for each label, of length one where it has none."""
        letters = {label: n + 1 for n, label in enumerate(labels)}
        own = [label for label in labels if label in operand.edges]
        axes = [0, *(letters[edge] for edge in operand.edges)]
        value: Field = np.einsum(self.values[operand.tensor], axes, [0, *(letters[label] for label in own)])
        return value.reshape((LANES, *(self.size if label in own else 1 for label in labels)))

    def _ordered(self, value: Field, labels: Sequence[str], edges: Sequence[str]) -> Field:
        kept = [label for label in labels if label in edges]
        value = value.reshape((LANES, *[self.size] * len(kept)))
        return value.transpose(0, *(kept.index(edge) + 1 for edge in edges))

    def _product(self, step: Step) -> Field:
        value: Field = np.ones((LANES, *[1] * len(step.labels)), np.uint64)
        for operand in step.operands:
            value = value * self._read(operand, step.labels) % P
        value = np.broadcast_to(value, (LANES, *[self.size] * len(step.labels)))
        drop = tuple(n + 1 for n, label in enumerate(step.labels) if label in step.over)
        summed = value.sum(axis=drop, dtype=np.uint64) % P if drop else value
        return self._ordered(summed, step.labels, step.edges)

    def _sum(self, step: Step) -> Field:
        total: Field = np.zeros((LANES, *[self.size] * len(step.labels)), np.uint64)
        for operand in step.operands:
            factor = number(operand.factor).reshape(-1, *[1] * len(step.labels))
            total = (total + self._read(operand, step.labels) * factor) % P
        return self._ordered(total, step.labels, step.edges)

    def _normalised(self, step: Step, value: Field) -> Field:
        drop = tuple(n + 1 for n, label in enumerate(step.labels) if label in step.over)
        exponentials = mix(value, "exp")
        total = exponentials.sum(axis=drop, keepdims=True, dtype=np.uint64) % P
        if step.kind == "logsumexp":
            return self._ordered(mix(total, "log"), step.labels, step.edges)
        return self._ordered(exponentials * mix(total, "over") % P, step.labels, step.edges)


def _joined(known: Iterable[tuple[str, Axes]]) -> list[tuple[str, tuple[int, ...]]]:
    """The sets of axes that pairs connect: a tensor is symmetric in all of a set together."""
    sets: list[tuple[str, tuple[int, ...]]] = []
    for name, pair in known:
        touched = [s for s in sets if s[0] == name and set(s[1]) & set(pair)]
        sets = [s for s in sets if s not in touched]
        sets.append((name, tuple(sorted({*pair, *(axis for s in touched for axis in s[1])}))))
    return sets


def _symmetric(value: Field, axes: Sequence[int]) -> Field:
    """The sum over all orders of these axes."""
    total = np.zeros_like(value)
    for order in permutations(axes):
        moved = dict(zip(axes, order, strict=True))
        places = (moved.get(axis, axis) + 1 for axis in range(value.ndim - 1))
        total = (total + value.transpose(0, *places)) % P
    return total


def _constant(value: float) -> Field:
    if isfinite(value):
        return number(Fraction(value))
    return mix(np.arange(1, LANES + 1, dtype=np.uint64), f"constant {value}")

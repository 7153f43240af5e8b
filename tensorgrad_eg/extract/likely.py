"""Which tensors of a program look symmetric in two of their axes, by evaluation in a finite field.

This proves nothing: it says where a proof is worth looking for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import combinations, permutations
from math import isfinite, prod

import numpy as np

from tensorgrad_eg.extract.field import LANES, Field, P, mix, number, power, variable
from tensorgrad_eg.program.program import Operand, Program, Step

Axes = tuple[int, int]
#: A program is evaluated twice: what has another size has another one here too, and another the second time.
_TURNS = 2
#: A step with more entries than this is not evaluated, nor what reads it: nothing is said about these.
_LARGEST = 1 << 18


def likely(program: Program, known: Iterable[tuple[str, Axes]] = ()) -> dict[str, list[Axes]]:
    """For every tensor of a program the pairs of axes in which it may be symmetric: in no others is it.

    `known` are pairs of axes of inputs in which they are symmetric. Entries of inputs are random numbers and
    functions are random functions. Of tensors that are too large to be evaluated nothing is said.

    Example:
        >>> from tensorgrad_eg.program.program import Input, Output
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


def _unchanged(value: Field | None, pair: Axes) -> bool:
    """Whether a tensor is the same with two axes exchanged; what has not been evaluated is not."""
    return value is not None and np.array_equal(value, value.swapaxes(pair[0] + 1, pair[1] + 1))


class _Values:
    """Every tensor of a program in the field, its axes in their own order behind the lanes."""

    def __init__(self, program: Program, small: Mapping[int, int], known: Iterable[tuple[str, Axes]]) -> None:
        self.sizes = {label: small[size] for label, size in program.sizes.items()}
        self.values: dict[str, Field] = {}
        for given in program.inputs:
            if program.readers(given.name):
                shape = tuple(small[size] for size in program.shape(given.name))
                if prod(shape) <= _LARGEST:
                    self.values[given.name] = variable(given.name, shape)
        for name, axes in sorted(_joined(known)):
            if name in self.values:
                self.values[name] = _symmetric(self.values[name], axes)
        for step in program.steps:
            entries = prod(self._shape(step.labels))
            if entries <= _LARGEST and all(operand.tensor in self.values for operand in step.operands):
                self.values[step.name] = np.ascontiguousarray(self._step(step))

    def _shape(self, labels: Sequence[str]) -> tuple[int, ...]:
        return tuple(self.sizes[label] for label in labels)

    def _step(self, step: Step) -> Field:
        if step.kind == "constant":
            return _constant(step.value or 0.0)
        if step.kind == "delta":
            return np.stack([np.eye(self.sizes[step.edges[0]], dtype=np.uint64)] * LANES)
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
        return value.reshape((LANES, *(self.sizes[label] if label in own else 1 for label in labels)))

    def _ordered(self, value: Field, labels: Sequence[str], edges: Sequence[str]) -> Field:
        kept = [label for label in labels if label in edges]
        value = value.reshape((LANES, *self._shape(kept)))
        return value.transpose(0, *(kept.index(edge) + 1 for edge in edges))

    def _product(self, step: Step) -> Field:
        value: Field = np.ones((LANES, *[1] * len(step.labels)), np.uint64)
        for operand in step.operands:
            value = value * self._read(operand, step.labels) % P
        value = np.broadcast_to(value, (LANES, *self._shape(step.labels)))
        drop = tuple(n + 1 for n, label in enumerate(step.labels) if label in step.over)
        summed = value.sum(axis=drop, dtype=np.uint64) % P if drop else value
        return self._ordered(summed, step.labels, step.edges)

    def _sum(self, step: Step) -> Field:
        total: Field = np.zeros((LANES, *self._shape(step.labels)), np.uint64)
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

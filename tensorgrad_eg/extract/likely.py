"""Which tensors of a program look symmetric in two of their axes, by their values on random data.

This proves nothing: it says where a proof is worth looking for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations, permutations
from math import prod

import numpy as np
from numpy.typing import NDArray

from tensorgrad_eg.expr.arrays import Labelled, Numpy, aligned, drawn, read
from tensorgrad_eg.expr.operations import OPERATIONS
from tensorgrad_eg.program.program import Operand, Program, Step

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

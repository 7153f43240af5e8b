"""What results should be at one point, and by how much rounding may move each entry.

>>> from tensorgrad_eg.expr import Variable
>>> x = Variable("x", ["k"])
>>> point = Point([x - x + 1], {"k": 2}, {"x": np.array([1.0, 2.0])})
>>> point.differs(0, np.array([1.0, 1.0])), point.differs(0, np.array([1.0, 1.5]))
(0.0, 0.5)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tensorgrad_eg.expr import Tensor
from tensorgrad_eg.verify.meaning import Meaning
from tensorgrad_eg.verify.tape import NOISE

Array = NDArray[Any]
#: What right programs differ by, relative to the largest entry; where it is more, rounding is measured.
CLOSE = 1e-9
#: … and where a derivative is measured by differences.
_MEASURED = 1e-5
#: How many roundings a program may have for each that the definition has; how often noise is drawn.
_ROUNDINGS, _DRAWS = 1e4, 3


class Point:
    """Expressions at arrays: their values, by definition."""

    def __init__(
        self, expressions: Sequence[Tensor], sizes: Mapping[str, int], arrays: Mapping[str, Array]
    ) -> None:
        """Record what the expressions mean; nothing is computed yet."""
        self.meaning = Meaning(sizes, arrays)
        self.nodes = [self.meaning.node(e) for e in expressions]

    @property
    def work(self) -> float:
        """About how many multiplications the values take."""
        return self.meaning.tape.work(self.nodes)

    @cached_property
    def values(self) -> list[Array]:
        """The value of each expression."""
        computed = self._computed
        return [computed[n.number].reshape(tuple(n.shape.values())) for n in self.nodes]

    @cached_property
    def _computed(self) -> dict[int, Array]:
        return self.meaning.tape.computed(self.nodes)

    @cached_property
    def inside(self) -> bool:
        """Whether everything on the way is finite: the data are in the domain of every function."""
        return all(bool(np.isfinite(value).all()) for value in self._computed.values())

    @cached_property
    def rounding(self) -> list[Array]:
        """How far each entry moves under noise on all intermediate results, scaled to that of rounding."""
        most = [np.zeros(value.shape) for value in self.values]
        factor = _ROUNDINGS * float(np.finfo(float).eps) / NOISE
        for seed in range(_DRAWS):
            noisy = self.meaning.tape.values(self.nodes, np.random.default_rng([7, seed]))
            with np.errstate(all="ignore"):
                for n, (value, other) in enumerate(zip(self.values, noisy, strict=True)):
                    moved = np.abs(other - value)
                    most[n] = np.maximum(most[n], np.where(np.isfinite(moved), factor * moved, math.inf))
        return most

    @cached_property
    def measured(self) -> bool:
        """Whether a derivative was taken by differences, of a function whose slope is not known here."""
        return any(node.op == "slope" for node in self.meaning.tape.below(self.nodes))

    def comparable(self, output: int) -> bool:
        """Whether an expression has a finite value anywhere, or no entry at all."""
        value = self.values[output]
        return not value.size or bool(np.isfinite(value).any())

    def differs(self, output: int, found: Array, close: float = CLOSE) -> float:
        """By how much a result is wrong, relative to the largest entry: by nothing, if rounding explains it.

        Entries count where the definition is finite; outside the domain of a function, where both are.
        """
        wanted = self.values[output]
        close = max(close, _MEASURED) if self.measured else close
        if found.shape != wanted.shape:
            return math.inf
        counts = np.isfinite(wanted) if self.inside else np.isfinite(wanted) & np.isfinite(found)
        if not counts.any():
            return 0.0
        with np.errstate(all="ignore"):
            gap = np.abs(found - wanted)
        gap = np.where(np.isnan(gap), math.inf, gap)[counts]
        unit = float(np.abs(wanted[counts]).max())
        if float(gap.max()) <= close * unit:
            return 0.0
        beyond = gap > close * unit + self.rounding[output][counts]
        return float(gap[beyond].max()) / unit if unit and beyond.any() else math.inf if beyond.any() else 0.0

"""What a result should be, and whether what a plan returns is that."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import tensorgrad_eg
from tensorgrad_eg import Tensor

from .jets import Array
from .problems import RANGES, Problem
from .reference import Expected, expected

#: Where the right value is infinite, a program that is not exactly at the pole returns at least this.
_POLE = 1e6


@dataclass(frozen=True)
class Failure:
    """What went wrong: its kind, where, the message, what failures of one cause share, and how to see it."""

    kind: str
    stage: str
    message: str
    cause: str = ""

    @property
    def signature(self) -> tuple[str, str, str]:
        """What failures of one cause have in common."""
        return self.kind, self.stage, self.cause


@dataclass(frozen=True)
class Point:
    """Data, and the right values there."""

    arrays: dict[str, Array]
    expected: Expected

    @property
    def clean(self) -> bool:
        """Whether every right value is a number that does not hang on the order of operations."""
        return self.expected.finite and not self.expected.kink and not self.expected.huge

    @property
    def silent(self) -> bool:
        """Whether no library has anything to warn of. On the way to a result without entries it may."""
        return self.clean and all(value.size for value in self.expected.values)


def point(problem: Problem, sizes: Mapping[str, int], wanted: Sequence[Tensor] = ()) -> Point:
    """The first data at which every result is a number and nothing jumps, or else the best there is."""
    tried = []
    for attempt in range(len(RANGES)):
        arrays = problem.arrays(attempt, sizes)
        found = Point(arrays, expected(wanted or problem.wanted, arrays, sizes))
        if found.clean:
            return found
        tried.append(found)
    return min(tried, key=lambda p: (p.expected.kink, _undefined(p), p.expected.huge))


def _undefined(found: Point) -> int:
    return sum(int((~np.isfinite(value)).sum()) for value in found.expected.values)


def wrong(found: Sequence[Any], right: Expected) -> str:
    """How results differ from what they should be, in a sentence; nothing if they do not.

    Near a kink only shapes are compared. Where the right value is undefined any value will do; where it is
    infinite, any that is not of ordinary size.
    """
    if len(found) != len(right.values):
        return f"{len(found)} results instead of {len(right.values)}"
    for number, (result, value, tolerance) in enumerate(
        zip(found, right.values, right.tolerances, strict=True)
    ):
        array = np.asarray(result)
        if array.shape != value.shape:
            return f"result {number} has shape {array.shape}, right: {value.shape}"
        if right.kink or not array.size:
            continue
        bad = ~_right(array.astype(float), value, tolerance, right.huge)
        if bad.any():
            where = tuple(int(n) for n in np.argwhere(bad)[0])
            at = f"result {number}" + (f" at {where}" if where else "")
            return (
                f"{at}: {array[where]:.17g}, right: {value[where]:.17g} ± {tolerance[where]:.1g}"
                f" ({int(bad.sum())} of {bad.size} entries)"
            )
    return ""


def _right(found: Array, value: Array, tolerance: Array, huge: bool) -> NDArray[np.bool_]:
    with np.errstate(all="ignore"):
        close = np.abs(found - value) <= tolerance
        close |= ~np.isfinite(tolerance) & np.isfinite(value)
        pole = huge | ~(np.abs(found) < _POLE)
        return np.asarray(np.where(np.isnan(value), True, np.where(np.isinf(value), pole, close)))


def cause(error: BaseException) -> str:
    """The type of an error, and the innermost function of the package that it passed through."""
    package = str(Path(tensorgrad_eg.__file__).parent)
    inside = [
        frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(package)
    ]
    if not inside:
        return type(error).__name__
    last = inside[-1]
    return f"{type(error).__name__} in {Path(last.filename).relative_to(package)}:{last.name}"

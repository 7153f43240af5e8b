"""Whether a plan keeps its promise, asked before it is returned: at small sizes, all different.

>>> import tensorgrad_eg as tg
>>> x = tg.Variable("x", ["k"])
>>> promise = kept([x @ x], lambda sizes: tg.optimize(x @ x, sizes), {"k": 1000})
>>> promise.points, promise.broken
(2, None)
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tensorgrad_eg.assume import Fact
from tensorgrad_eg.emit.compiled import Compiled
from tensorgrad_eg.errors import CheckError, ProgramError
from tensorgrad_eg.expr import Derivative, Tensor, postorder, variables
from tensorgrad_eg.verify.facts import conform
from tensorgrad_eg.verify.plans import draws, flat
from tensorgrad_eg.verify.points import Point

Array = NDArray[Any]
#: How many points a plan is compared at, and at most how many are tried.
_POINTS, _TRIED = 2, 4
#: Sizes to be given to symbols in turn, where different ones for all of them make tensors too large.
_PALETTES = ((2, 3, 4, 5), (2, 3), (2, 1), (1,))
#: An array has no more axes than this.
_AXES = 64
#: More multiplications than this at one point are too many.
_WORK = 3e6


@dataclass(frozen=True)
class Broken:
    """An output that is wrong: by how much, relative to its largest entry, and at which sizes."""

    output: int
    error: float
    sizes: Mapping[str, int]
    #: What the program raised instead of a result.
    raised: str = ""

    @classmethod
    def contradiction(cls, error: Exception) -> Broken:
        """No program at all: of an e-graph where tensors of different edges are one, there may be none.

        >>> Broken.contradiction(KeyError(3)).raised
        'a contradiction: tensors of different edges were made one'
        """
        more = f" ({error})" if isinstance(error, ProgramError) else ""
        return cls(0, math.inf, {}, f"a contradiction: tensors of different edges were made one{more}")


@dataclass(frozen=True)
class Promise:
    """At how many points a plan was compared with what it stands for, and what is wrong, if anything is."""

    points: int
    broken: Broken | None = None

    def __str__(self) -> str:
        """One phrase for a report."""
        if self.broken is not None:
            return f"wrong at {_shown(self.broken.sizes)}"
        if not self.points:
            return (
                "not compared: too large, with the sizes that are numbers, too many edges, or nowhere finite"
            )
        return f"agrees with its expressions at {self.points} random point{'s' if self.points > 1 else ''}"


def kept(
    expressions: Sequence[Tensor],
    plan: Callable[[Mapping[str, int]], Compiled],
    sizes: Mapping[str, int],
    facts: Sequence[Fact] = (),
    seconds: float = 1.0,
) -> Promise:
    """Compares a plan, made anew for small sizes, with its expressions, evaluated by definition.

    After `seconds` of work no further point is begun.
    """
    begun = time.thread_time()
    points, useful = 0, [False] * len(expressions)
    for number in range(_TRIED):
        if (points >= _POINTS and all(useful)) or (points and time.thread_time() - begun > seconds):
            break
        found = _point(expressions, sizes, facts, number)
        if found is None:
            break
        point, small, arrays = found
        broken = _compared(point, plan, small, arrays)
        if broken is not None:
            return Promise(points, broken)
        useful = [known or point.comparable(n) for n, known in enumerate(useful)]
        points += 1
    return Promise(points if any(useful) or not expressions else 0)


def _point(
    expressions: Sequence[Tensor], sizes: Mapping[str, int], facts: Sequence[Fact], number: int
) -> tuple[Point, dict[str, int], dict[str, Array]] | None:
    """The point of this number, at the largest of the small sizes that are cheap enough; or none is."""
    if max((len(e.edges) for e in postorder(expressions)), default=0) > _AXES:
        return None  # there is no array to compare
    for small in small_sizes(sizes, number):
        given = variables(expressions).values()
        if sum(_elements(v, small) for v in given) > _WORK or _largest(expressions, small) > _WORK:
            continue
        free = next(islice(draws(given, small, number), number, None))
        try:
            arrays = {name: conform(name, array, facts) for name, array in free.items()}
        except CheckError:
            return None  # facts that contradict each other: there is no such array
        point = Point(expressions, small, arrays)
        if point.work <= _WORK:
            return point, small, arrays
    return None


def _largest(expressions: Sequence[Tensor], small: Mapping[str, int]) -> float:
    """How many numbers the largest array on the way has: for a Jacobian that is an identity."""
    most = 0.0
    for e in postorder(expressions):
        most = max(most, _elements(e, small))
        if isinstance(e, Derivative) and e.arg.edges:
            most = max(most, _elements(e.wrt, small) ** 2)
    return most


def _elements(v: Tensor, sizes: Mapping[str, int]) -> float:
    total = 1.0
    for size in v.shape.values():
        total *= size if isinstance(size, int) else sizes[size]
    return total


def small_sizes(sizes: Mapping[str, int], number: int = 0) -> Iterator[dict[str, int]]:
    """Small sizes in the place of these: first different ones for all; what is zero stays zero.

    From one number to the next every symbol has another size.

    >>> next(small_sizes({"b": 64, "i": 32, "k": 0})), next(small_sizes({"b": 64, "i": 32}, 1))
    ({'b': 2, 'i': 3, 'k': 0}, {'b': 3, 'i': 4})
    """
    free = [symbol for symbol, size in sizes.items() if size]
    for palette in (tuple(range(2, 3 + len(free))), *_PALETTES):
        found = dict(zip(free, islice(cycle(palette), number % 2, None), strict=False))
        yield {symbol: found.get(symbol, 0) for symbol in sizes}


def _compared(
    point: Point,
    plan: Callable[[Mapping[str, int]], Compiled],
    sizes: dict[str, int],
    arrays: Mapping[str, Array],
) -> Broken | None:
    try:
        with np.errstate(all="ignore"):
            small = plan(sizes)
            small.function("numpy", comments=False)  # nobody reads its source
            results = flat(small, small(**arrays))
    except Exception as error:
        return Broken(0, float("inf"), sizes, f"{type(error).__name__}: {error}")
    for n, found in enumerate(results):
        error_ = point.differs(n, found)
        if error_:
            return Broken(n, error_, sizes)
    return None


def _shown(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{symbol}={size}" for symbol, size in sizes.items()) or "any sizes"

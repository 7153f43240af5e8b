"""Random data of which declared facts are true.

>>> from tensorgrad_eg.assume import symmetric
>>> from tensorgrad_eg.expr import Variable
>>> conform("A", np.array([[1.0, 2.0], [4.0, 3.0]]), [symmetric(Variable("A", i="n", j="n"))])
array([[1., 3.],
       [3., 3.]])
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tensorgrad_eg.assume import Fact
from tensorgrad_eg.errors import CheckError
from tensorgrad_eg.expr import Variable
from tensorgrad_eg.expr.arrays import drawn

Array = NDArray[Any]
#: How far from true a fact may be, and how often an array is moved towards all of them in turn.
_EXACT, _ROUNDS = 1e-13, 300
#: Facts about what stands along an edge, of which nothing is true where nothing stands.
_ALONG = ("one_hot", "sums_to_one")
#: Numbers of both signs, then positive ones, at which logarithms and roots exist, smaller ones, larger ones.
RANGES = ((-1.7, 1.7), (0.3, 1.3), (0.05, 0.4), (1.05, 1.9))
#: Sizes to be given to symbols in turn, where different ones for all of them make tensors too large.
_PALETTES = ((2, 3, 4, 5), (2, 3), (2, 1), (1,))


@dataclass(frozen=True)
class Draw:
    """How data are drawn: from which of the `RANGES`, and with which facts.

    A tensor of several edges is scaled so that products with it keep their size.

    >>> Draw(seed=3, kind=1).array("x", (2,)).min() > 0
    np.True_
    """

    seed: int
    kind: int = 0
    facts: tuple[Fact, ...] = ()

    def array(self, name: str, shape: tuple[int, ...]) -> Array:
        """The array of a variable; it depends on nothing but the draw, the name and the shape."""
        scaled = len(shape) > 1 and self.kind < 3
        unit = 1 / math.sqrt(max(1.0, max(shape) / 4)) if scaled else 1.0
        array = drawn(name, shape, (self.seed, self.kind), *RANGES[self.kind])
        return conform(name, array * unit, self.facts)

    def arrays(self, given: Iterable[Variable], sizes: Mapping[str, int]) -> dict[str, Array]:
        """The arrays of variables, by name.

        Raises:
            CheckError: if the facts contradict each other.
        """
        shapes = {v.name: [s if isinstance(s, int) else sizes[s] for s in v.shape.values()] for v in given}
        return {name: self.array(name, tuple(shape)) for name, shape in shapes.items()}


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


def edge_sizes(
    symbols: Mapping[str, str | int],
    tensors: Iterable[frozenset[str]],
    room: float,
    number: int = 0,
    most: float = math.inf,
) -> dict[str, int]:
    """A small size for every edge, different for different symbols where tensors have room for it.

    Integers are the sizes that they are, up to `most`.

    >>> edge_sizes({"i": "n", "j": "n", "k": "m", "l": 7}, [frozenset("ik")], 100)
    {'i': 3, 'j': 3, 'k': 2, 'l': 7}
    """
    free = sorted({str(size) for size in symbols.values() if isinstance(size, str) or size > most})
    widest, sizes = set(tensors), dict[str, int]()
    for found in small_sizes(dict.fromkeys(free, 1), number):
        own = {symbol: max(2, size) for symbol, size in found.items()}
        sizes = {edge: own[str(s)] if str(s) in own else int(s) for edge, s in sorted(symbols.items())}
        if all(math.prod(sizes.get(edge, 2) for edge in edges) <= room for edges in widest):
            break
    return sizes


def conform(name: str, array: Array, facts: Iterable[Fact]) -> Array:
    """An array near the given one that has every fact about the variable of this name.

    It is moved to the nearest array that has the first fact, then the second, and so on, until it has all.

    Raises:
        CheckError: if none is found.

    >>> from tensorgrad_eg.assume import diagonal, orthogonal
    >>> from tensorgrad_eg.expr import Variable
    >>> D = Variable("D", i="n", j="n")
    >>> conform("D", np.array([[0.5, 2.0], [1.0, -0.1]]), [diagonal(D), orthogonal(D)])
    array([[ 1.,  0.],
           [ 0., -1.]])
    """
    own = [fact for fact in facts if fact.variable.name == name]
    empty = any(fact.kind in _ALONG and not array.shape[fact.axes[0]] for fact in own)
    for start in () if empty else _starts(array, own) if own else (array,):
        found = start
        for _ in range(_ROUNDS):
            if all(holds(fact, found) for fact in own):
                return found
            for fact in own:
                found = _NEAREST[fact.kind](found, fact.axes)
    raise CheckError(f"no array was found of which all of this is true: {', '.join(map(str, own))}.")


def holds(fact: Fact, array: Array) -> bool:
    """Whether a fact is true of an array, up to rounding.

    >>> from tensorgrad_eg.assume import positive
    >>> from tensorgrad_eg.expr import Variable
    >>> holds(positive(Variable("x", ["k"])), np.array([1.0, 0.0]))
    False
    """
    if fact.kind == "positive":
        return bool((array > 0).all())
    nearest = _NEAREST[fact.kind](array, fact.axes)
    return bool(np.abs(nearest - array).max(initial=0.0) <= _EXACT)


def _starts(array: Array, facts: Sequence[Fact]) -> Iterator[Array]:
    """The array, and identity matrices: they have every fact about two edges, and are one-hot."""
    yield array
    for axes in dict.fromkeys(fact.axes for fact in facts if len(fact.axes) == 2):
        matrices = np.moveaxis(np.zeros_like(array), axes, (-2, -1))
        yield np.moveaxis(matrices + np.eye(array.shape[axes[0]]), (-2, -1), axes)


def _symmetric(array: Array, axes: Sequence[int]) -> Array:
    mirrored: Array = (array + array.swapaxes(*axes)) / 2
    return mirrored


def _diagonal(array: Array, axes: Sequence[int]) -> Array:
    matrices = np.moveaxis(array, axes, (-2, -1))
    return np.moveaxis(np.asarray(matrices * np.eye(matrices.shape[-1])), (-2, -1), axes)


def _orthogonal(array: Array, axes: Sequence[int]) -> Array:
    left, _, right = np.linalg.svd(np.moveaxis(array, axes, (-2, -1)))
    return np.moveaxis(np.asarray(left @ right), (-2, -1), axes)


def _positive(array: Array, axes: Sequence[int]) -> Array:
    return np.where(array == 0, 1.0, np.abs(array))


def _one_hot(array: Array, axes: Sequence[int]) -> Array:
    top = np.argmax(array, axis=axes[0], keepdims=True)
    place = np.arange(array.shape[axes[0]]).reshape([-1 if n == axes[0] else 1 for n in range(array.ndim)])
    return np.asarray(place == top, dtype=float)


def _sums_to_one(array: Array, axes: Sequence[int]) -> Array:
    """Positive entries are scaled, others are shifted."""
    total = array.sum(axis=axes[0], keepdims=True)
    scaled: Array = array / total if (array > 0).all() else array + (1 - total) / array.shape[axes[0]]
    return scaled


#: The nearest array that has a fact.
_NEAREST: dict[str, Callable[[Array, Sequence[int]], Array]] = {
    "symmetric": _symmetric,
    "diagonal": _diagonal,
    "orthogonal": _orthogonal,
    "positive": _positive,
    "one_hot": _one_hot,
    "sums_to_one": _sums_to_one,
}

"""Arrays with named axes, and what operations do to them, for any array library.

This is what plans are compared with, so it shares nothing with how they are made: no rules, no layout, no
emitted source. The same operations run on NumPy and, to be differentiated, on torch.

>>> x = Labelled(("k",), np.array([1.0, 2.0]))
>>> contract(Numpy(np.float64), frozenset("k"), x, x, {"k": 2}).array
array(5.)
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib import import_module
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tensorgrad_eg.expr.pointwise import POINTWISE as POINTWISE
from tensorgrad_eg.expr.pointwise import Pointwise as Pointwise

Edges = tuple[str, ...]
Sizes = Mapping[str, int]


@dataclass(frozen=True)
class Labelled:
    """An array and the edge of each of its axes; along an edge that it lacks it is constant.

    >>> Labelled(("i",), np.zeros(3)).edges
    ('i',)
    """

    edges: Edges
    array: Any


class Library(Protocol):
    """What the operations need of an array library."""

    def number(self, value: Fraction | float) -> Any:
        """A number as an array without axes."""

    def eye(self, size: int) -> Any:
        """The identity matrix."""

    def einsum(self, arrays: Sequence[Any], axes: Sequence[Sequence[int]], out: Sequence[int]) -> Any:
        """Multiply and sum, axes given by numbers."""

    def apply(self, function: str, array: Any) -> Any:
        """A pointwise function."""

    def power(self, array: Any, exponent: Fraction) -> Any:
        """A power of every entry."""

    def logsumexp(self, array: Any, axes: tuple[int, ...]) -> Any:
        """The logarithm of the sum of exponentials, the axes kept with length one."""

    def amax(self, array: Any, axes: tuple[int, ...]) -> Any:
        """The largest entry, the axes kept with length one."""

    def prod(self, array: Any, axes: tuple[int, ...]) -> Any:
        """The product of the entries, the axes kept with length one."""

    def exp(self, array: Any) -> Any:
        """The exponential of every entry."""

    def entry(self, function: Callable[..., Any], arrays: Sequence[Any]) -> Any:
        """A function of an array module and of several arrays, entry by entry."""

    def matrix(self, function: str, array: Any) -> Any:
        """The inverse, det or logdet of matrices, which are the last two axes."""

    def transpose(self, array: Any, order: Sequence[int]) -> Any:
        """The axes in this order."""

    def expand(self, array: Any, shape: Sequence[int]) -> Any:
        """Axes of length one repeated."""


class Numpy:
    """NumPy, with one floating type.

    >>> Numpy(np.float32).number(Fraction(1, 3)).dtype
    dtype('float32')
    """

    def __init__(self, dtype: Any) -> None:
        """Compute with this type."""
        self.dtype = np.dtype(dtype)

    def array(self, given: Any) -> Any:
        """An array of this type."""
        return np.asarray(given, self.dtype)

    def plain(self, array: Any) -> Any:
        """The array for NumPy."""
        return array

    def number(self, value: Fraction | float) -> Any:
        """A number as an array without axes; a fraction is rounded once."""
        if isinstance(value, Fraction):
            return np.asarray(self.dtype.type(value.numerator) / self.dtype.type(value.denominator))
        return np.asarray(value, self.dtype)

    def eye(self, size: int) -> Any:
        """The identity matrix."""
        return np.eye(size, dtype=self.dtype)

    def einsum(self, arrays: Sequence[Any], axes: Sequence[Sequence[int]], out: Sequence[int]) -> Any:
        """Multiply and sum, axes given by numbers."""
        paired = [part for pair in zip(arrays, map(list, axes), strict=True) for part in pair]
        return np.asarray(np.einsum(*paired, list(out)))

    def apply(self, function: str, array: Any) -> Any:
        """A pointwise function, by the table that defines it."""
        return np.asarray(POINTWISE[function].evaluate(array))

    def power(self, array: Any, exponent: Fraction) -> Any:
        """A power of every entry."""
        if exponent == Fraction(1, 2):
            return np.sqrt(array)
        return np.power(array, self.number(exponent))

    def logsumexp(self, array: Any, axes: tuple[int, ...]) -> Any:
        """The logarithm of the sum of exponentials, none of which overflows."""
        top = np.max(array, axis=axes, keepdims=True, initial=-np.inf)
        return top + np.log(np.sum(np.exp(array - top), axis=axes, keepdims=True))

    def amax(self, array: Any, axes: tuple[int, ...]) -> Any:
        """The largest entry, the axes kept with length one."""
        return np.max(array, axis=axes, keepdims=True, initial=-np.inf)

    def prod(self, array: Any, axes: tuple[int, ...]) -> Any:
        """The product of the entries, the axes kept with length one."""
        return np.prod(array, axis=axes, keepdims=True)

    def exp(self, array: Any) -> Any:
        """The exponential of every entry."""
        return np.exp(array)

    def entry(self, function: Callable[..., Any], arrays: Sequence[Any]) -> Any:
        """A function of several arrays, entry by entry."""
        return function(np, *arrays)

    def matrix(self, function: str, array: Any) -> Any:
        """A function of matrices; the inverse of a singular one is no number."""
        given = array.astype(float) if self.dtype.itemsize > 8 else array  # LAPACK knows none that is longer
        if function == "logdet":
            sign, found = np.linalg.slogdet(given)
            return np.where(sign < 0, np.nan, found).astype(self.dtype)
        try:
            found = np.linalg.inv(given) if function == "inverse" else np.linalg.det(given)
        except np.linalg.LinAlgError:
            found = np.full(given.shape, np.nan)
        return np.asarray(found, self.dtype)

    def transpose(self, array: Any, order: Sequence[int]) -> Any:
        """The axes in this order."""
        return np.transpose(array, order)

    def expand(self, array: Any, shape: Sequence[int]) -> Any:
        """Axes of length one repeated."""
        return np.broadcast_to(array, tuple(shape))


class Torch:
    """Torch in float64, with functions of its own: derivatives of what is computed with it are autograd's.

    >>> Torch().number(Fraction(1, 4)).item()  # doctest: +SKIP
    0.25
    """

    def __init__(self) -> None:
        """Import torch, which takes a second the first time."""
        self.torch: Any = import_module("torch")
        torch = self.torch
        self.functions = {
            "abs": torch.abs, "cos": torch.cos, "erf": torch.erf, "exp": torch.exp,
            "log": torch.log, "relu": torch.relu, "sigmoid": torch.sigmoid, "sign": torch.sign,
            "sin": torch.sin, "tanh": torch.tanh, "tan": torch.tan, "sinh": torch.sinh, "cosh": torch.cosh,
            "arcsin": torch.arcsin, "arccos": torch.arccos, "arctan": torch.arctan, "expm1": torch.expm1,
            "nonzero": lambda x: (x != 0).to(x.dtype),
            "log1p": torch.log1p, "lgamma": torch.lgamma, "digamma": torch.digamma,
            "softplus": lambda x: torch.logaddexp(x, torch.zeros_like(x)),
            "step": lambda x: (x > 0).to(x.dtype),
        }  # fmt: skip

    def array(self, given: Any) -> Any:
        """An array in float64."""
        return self.torch.as_tensor(np.asarray(given, np.float64))

    def plain(self, array: Any) -> Any:
        """The array for NumPy; zeros that autograd knows of without storing them are stored."""
        return array.numpy(force=True)

    def number(self, value: Fraction | float) -> Any:
        """A number as an array without axes."""
        return self.torch.tensor(float(value), dtype=self.torch.float64)

    def eye(self, size: int) -> Any:
        """The identity matrix."""
        return self.torch.eye(size, dtype=self.torch.float64)

    def einsum(self, arrays: Sequence[Any], axes: Sequence[Sequence[int]], out: Sequence[int]) -> Any:
        """Multiply and sum, axes given by numbers."""
        paired = [part for pair in zip(arrays, map(list, axes), strict=True) for part in pair]
        return self.torch.einsum(*paired, list(out))

    def apply(self, function: str, array: Any) -> Any:
        """A pointwise function."""
        return self.functions[function](array)

    def power(self, array: Any, exponent: Fraction) -> Any:
        """A power of every entry."""
        return self.torch.pow(array, float(exponent))

    def logsumexp(self, array: Any, axes: tuple[int, ...]) -> Any:
        """The logarithm of the sum of exponentials, none of which overflows."""
        return self.torch.logsumexp(array, axes, keepdim=True)

    def amax(self, array: Any, axes: tuple[int, ...]) -> Any:
        """The largest entry, the axes kept with length one."""
        return self.torch.amax(array, axes, keepdim=True)

    def prod(self, array: Any, axes: tuple[int, ...]) -> Any:
        """The product of the entries, the axes kept with length one."""
        for axis in axes:
            array = self.torch.prod(array, axis, keepdim=True)
        return array

    def exp(self, array: Any) -> Any:
        """The exponential of every entry."""
        return self.torch.exp(array)

    def entry(self, function: Callable[..., Any], arrays: Sequence[Any]) -> Any:
        """A function of several arrays, entry by entry."""
        return function(self.torch, *arrays)

    def matrix(self, function: str, array: Any) -> Any:
        """A function of matrices."""
        linalg = self.torch.linalg
        return {"inverse": linalg.inv, "det": linalg.det, "logdet": self.torch.logdet}[function](array)

    def transpose(self, array: Any, order: Sequence[int]) -> Any:
        """The axes in this order."""
        return array.permute(tuple(order))

    def expand(self, array: Any, shape: Sequence[int]) -> Any:
        """Axes of length one repeated."""
        return array.expand(tuple(shape))


def drawn(
    name: str, shape: tuple[int, ...], seed: Sequence[int] = (0,), low: float = -1.7, high: float = 1.7
) -> NDArray[np.float64]:
    """Random entries between two numbers: the same each time for a name, a shape and a seed.

    >>> drawn("x", (2,), low=0.3).min() > 0
    np.True_
    """
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    random = np.random.default_rng([*seed, int.from_bytes(digest, "little")])
    return random.uniform(low, high, shape)


def read(library: Library, array: Any, axes: Edges) -> Labelled:
    """An array read at these edges; an edge that repeats reads a diagonal.

    >>> read(Numpy(np.float64), np.array([[1.0, 2.0], [3.0, 4.0]]), ("i", "i")).array
    array([1., 4.])
    """
    own = tuple(dict.fromkeys(axes))
    if own == axes:
        return Labelled(own, array)
    return Labelled(own, library.einsum([array], [[own.index(edge) for edge in axes]], range(len(own))))


def contract(library: Library, over: frozenset[str], a: Labelled, b: Labelled, sizes: Sizes) -> Labelled:
    """The product summed over some edges; an edge that neither factor has multiplies by its size."""
    union = tuple(dict.fromkeys((*a.edges, *b.edges)))
    number = {edge: n for n, edge in enumerate(union)}
    kept = tuple(edge for edge in union if edge not in over)
    axes = [[number[edge] for edge in factor.edges] for factor in (a, b)]
    array = library.einsum([a.array, b.array], axes, [number[edge] for edge in kept])
    return Labelled(kept, _counted(library, array, over.difference(union), sizes))


def reduce(library: Library, over: frozenset[str], a: Labelled, sizes: Sizes) -> Labelled:
    """The sum over some edges."""
    kept = tuple(edge for edge in a.edges if edge not in over)
    array = library.einsum([a.array], [range(len(a.edges))], [a.edges.index(edge) for edge in kept])
    return Labelled(kept, _counted(library, array, over.difference(a.edges), sizes))


def add(library: Library, terms: Iterable[Labelled]) -> Labelled:
    """The sum of tensors, broadcast to the union of their edges."""
    listed = list(terms)
    union = tuple(dict.fromkeys(edge for term in listed for edge in term.edges))
    total = library.number(0.0)
    for term in listed:
        total = total + spread(library, term, union)
    return Labelled(union, total)


def softmax(library: Library, over: frozenset[str], a: Labelled, sizes: Sizes) -> Labelled:
    """Exponentials divided by their sum over some edges."""
    full = having(library, over, a, sizes)
    axes = tuple(full.edges.index(edge) for edge in sorted(over))
    return Labelled(full.edges, library.exp(full.array - library.logsumexp(full.array, axes)))


def logsumexp(library: Library, over: frozenset[str], a: Labelled, sizes: Sizes) -> Labelled:
    """The logarithm of the sum of exponentials over some edges."""
    return fibre(library, library.logsumexp, over, a, sizes)


def fibre(
    library: Library,
    function: Callable[[Any, tuple[int, ...]], Any],
    over: frozenset[str],
    a: Labelled,
    sizes: Sizes,
) -> Labelled:
    """A function of a library that ends some axes, which it keeps with length one."""
    full = having(library, over, a, sizes)
    axes = tuple(full.edges.index(edge) for edge in sorted(over))
    kept = tuple(edge for edge in full.edges if edge not in over)
    index = tuple(0 if edge in over else slice(None) for edge in full.edges)
    return Labelled(kept, function(full.array, axes)[index])


def others(library: Library, over: frozenset[str], a: Labelled, sizes: Sizes) -> Labelled:
    """For every entry the product of all others along an edge: of the entries with a one in its place."""
    full = having(library, over, a, sizes)
    (edge,) = over
    axis, length = full.edges.index(edge), full.array.shape[full.edges.index(edge)]
    shape = [1] * (full.array.ndim + 1)
    shape[axis] = shape[axis + 1] = length
    eye = library.eye(length).reshape(shape)
    apart = full.array[(*(slice(None),) * (axis + 1), None)] * (1 - eye) + eye
    return Labelled(full.edges, library.prod(apart, (axis,))[(*(slice(None),) * axis, 0)])


def matrix(library: Library, function: str, over: frozenset[str], a: Labelled, sizes: Sizes) -> Labelled:
    """A function of the matrices that two edges hold; an inverse has them both, with the same meaning.

    Rows and columns may change their parts: the inverse of a transposed matrix is the inverse, transposed.

    >>> a = Labelled(("i", "j"), np.array([[2.0, 1.0], [0.0, 1.0]]))
    >>> matrix(Numpy(np.float64), "inverse", frozenset("ij"), a, {}).array.tolist()
    [[0.5, -0.5], [0.0, 1.0]]
    """
    full = having(library, over, a, sizes)
    batch = tuple(edge for edge in full.edges if edge not in over)
    rows = tuple(edge for edge in full.edges if edge in over)
    array = library.matrix(function, spread(library, full, (*batch, *rows)))
    return Labelled((*batch, *rows) if function == "inverse" else batch, array)


def spread(library: Library, a: Labelled, edges: Edges) -> Any:
    """The array with an axis for each of these edges, of length one where the tensor has none.

    >>> spread(Numpy(np.float64), Labelled(("k",), np.ones(3)), ("i", "k")).shape
    (1, 3)
    """
    order = [a.edges.index(edge) for edge in edges if edge in a.edges]
    index = tuple(slice(None) if edge in a.edges else None for edge in edges)
    return library.transpose(a.array, order)[index]


def aligned(library: Library, a: Labelled, edges: Edges, sizes: Sizes) -> Any:
    """The array with exactly these axes, repeated along those that the tensor lacks.

    >>> aligned(Numpy(np.float64), Labelled((), np.array(1.0)), ("i",), {"i": 2})
    array([1., 1.])
    """
    return library.expand(spread(library, a, edges), [sizes[edge] for edge in edges])


def having(library: Library, over: frozenset[str], a: Labelled, sizes: Sizes) -> Labelled:
    """The tensor with an axis for each of these edges, along which it may be constant.

    >>> having(Numpy(np.float64), frozenset("k"), Labelled((), np.array(1.0)), {"k": 2}).array
    array([1., 1.])
    """
    edges = (*a.edges, *sorted(over.difference(a.edges)))
    if edges == a.edges:
        return a
    own = {edge: length for edge, length in zip(a.edges, a.array.shape, strict=True)}
    return Labelled(edges, aligned(library, a, edges, {**sizes, **own}))


def _counted(library: Library, array: Any, idle: Iterable[str], sizes: Sizes) -> Any:
    count = math.prod(sizes[edge] for edge in sorted(idle))
    return array if count == 1 else array * library.number(float(count))

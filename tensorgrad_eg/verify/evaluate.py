"""The value of an expression, by its definition: what every plan and every rule is compared with.

Derivatives are torch's (`torch.func`, in float64) where torch is installed, at any order; else those of the
operations that the expression is made of, recorded on a tape, which are as exact. Arrays are random data of
which declared facts are true.

>>> from tensorgrad_eg.expr import Derivative, Variable
>>> A, x = Variable("A", ["i", "k"]), Variable("x", ["k"])
>>> evaluate(Derivative(A @ x, x), {"A": np.eye(2), "x": np.ones(2)})
array([[1., 0.],
       [0., 1.]])
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import cycle, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tensorgrad_eg.assume import EXCHANGES, Fact
from tensorgrad_eg.errors import ArrayNameError, ArrayShapeError, CheckError, MissingSizeError, SizeError
from tensorgrad_eg.expr import (
    Derivative,
    Extent,
    Rename,
    Size,
    Tangent,
    Tensor,
    Variable,
    children,
    operation,
    postorder,
    variables,
)
from tensorgrad_eg.expr.arrays import Labelled, Torch, aligned, drawn
from tensorgrad_eg.expr.operations import OPERATIONS, ENode
from tensorgrad_eg.expr.walk import parts_first, symbols
from tensorgrad_eg.verify.slopes import Point

Array = NDArray[Any]
#: The names of references, as reports and errors call them.
AUTOGRAD, EXACT, DIRECT = "torch autograd", "exact derivatives", "the expression itself"
#: How far from true a fact may be, and how often an array is moved towards all of them in turn.
_EXACT, _ROUNDS = 1e-13, 300
#: Facts about what stands along an edge, of which nothing is true where nothing stands.
_ALONG = ("one_hot", "sums_to_one")
#: Numbers of both signs, then positive ones, at which logarithms and roots exist, smaller ones, larger ones.
RANGES = ((-1.7, 1.7), (0.3, 1.3), (0.05, 0.4), (1.05, 1.9))
#: Sizes to be given to symbols in turn, where different ones for all of them make tensors too large.
_PALETTES = ((2, 3, 4, 5), (2, 3), (2, 1), (1,))


def evaluate(
    e: Tensor, arrays: Mapping[str, Any], dtype: Any = np.float64, sizes: Mapping[str, int] | None = None
) -> Array:
    """The value of one expression at arrays by variable name, axes in the order of `e.edges`.

    Sizes are those of the arrays; `sizes` gives those that no array has.

    Raises:
        ArrayNameError: if an array is missing.
        ArrayShapeError: if an array does not fit its variable.
        MissingSizeError: if a size follows from no array.

    >>> from tensorgrad_eg.expr import Variable
    >>> x = Variable("x", ["k"])
    >>> evaluate(x @ x, {"x": [3.0, 4.0]})
    array(25.)
    """
    return evaluate_all([e], arrays, dtype, sizes)[0]


def evaluate_all(
    roots: Sequence[Tensor],
    arrays: Mapping[str, Any],
    dtype: Any = np.float64,
    sizes: Mapping[str, int] | None = None,
    autograd: bool | None = None,
) -> list[Array]:
    """The values of several expressions, what they share computed once.

    `autograd` False does without torch even where it is installed.

    >>> from tensorgrad_eg.expr import Variable
    >>> x = Variable("x")
    >>> evaluate_all([(x * x * x).grad(x)], {"x": 2.0}, autograd=False)[0].round(12).item()
    12.0
    """
    given = {name: np.asarray(array) for name, array in arrays.items()}
    known = _sizes_of(roots, given, sizes)
    if reference(roots, autograd) != AUTOGRAD:
        return [np.array(value, dtype=dtype) for value in Point(roots, known, given).values]
    library = Torch()
    bound = {v.name: Labelled(v.edges, library.array(given[v.name])) for v in variables(roots).values()}
    found = _Evaluation(library, known, bound).values(roots)
    return [np.array(library.plain(value), dtype=dtype) for value in found]


def reference(roots: Iterable[Tensor], autograd: bool | None = None) -> str:
    """What the values of these expressions will come from."""
    if not any(isinstance(e, Derivative | Tangent) for e in postorder(roots)):
        return DIRECT
    return AUTOGRAD if autograd is not False and find_spec("torch") else EXACT


def _sizes_of(
    roots: Sequence[Tensor], arrays: Mapping[str, Array], sizes: Mapping[str, int] | None = None
) -> dict[str, int]:
    """The number of every size symbol, from the shapes of the arrays."""
    known = dict(sizes or {})
    owner = dict.fromkeys(known, "sizes")
    read = variables(roots)
    missing = [name for name in read if name not in arrays]
    if missing:
        raise ArrayNameError.missing(missing, read)
    for name, variable in read.items():
        _match(variable, arrays[name].shape, known, owner)
    unknown = [symbol for symbol in symbols(roots) if symbol not in known]
    if unknown:
        raise MissingSizeError.of(unknown, known)
    return known


def _match(variable: Variable, shape: tuple[int, ...], known: dict[str, int], owner: dict[str, str]) -> None:
    """Learns sizes from the shape of an array, which must agree with what is known."""
    expected = tuple(s if isinstance(s, int) else known.get(s, 0) for s in variable.shape.values())
    if len(shape) != len(expected):
        raise ArrayShapeError.of(variable.name, variable.edges, expected, shape)
    for (edge, symbol), length in zip(variable.shape.items(), shape, strict=True):
        if isinstance(symbol, int):
            if symbol != length:
                raise ArrayShapeError.of(variable.name, variable.edges, expected, shape)
        elif known.setdefault(symbol, length) != length:
            raise SizeError.of(edge, owner[symbol], known[symbol], variable.name, length)
        else:
            owner.setdefault(symbol, variable.name)


class _Evaluation:
    """Expressions at one assignment of tensors of torch to variables; what is computed is kept."""

    def __init__(self, library: Torch, sizes: Mapping[str, int], bound: Mapping[str, Labelled]) -> None:
        self.library, self.sizes, self.bound = library, sizes, bound
        self.known: dict[Tensor, Labelled] = {}
        self.together: dict[Tensor, list[Derivative]] = {}

    def values(self, roots: Sequence[Tensor]) -> list[Any]:
        """The values of expressions, with their edges in their order."""
        order = parts_first(roots, _parts, self.known)
        for e in order:
            if isinstance(e, Derivative) and not e.arg.edges:
                self.together.setdefault(e.arg, []).append(e)
        for e in order:
            if e not in self.known:
                self.known[e] = self._value(e)
        return [aligned(self.library, self.known[e], e.edges, self._edge_sizes(e)) for e in roots]

    def _value(self, e: Tensor) -> Labelled:
        match e:
            case Variable(name):
                return self.bound[name]
            case Extent(size):
                return Labelled((), self.library.number(float(self._number(size))))
            case Rename(arg, mapping):
                new = dict(mapping)
                inner = self.known[arg]
                return Labelled(tuple(new.get(edge, edge) for edge in inner.edges), inner.array)
            case Derivative():
                return self._derivative(e)
            case Tangent():
                return self._tangent(e)
        parts = children(e)
        sizes = {edge: n for part in (e, *parts) for edge, n in self._edge_sizes(part).items()}
        node = ENode(*operation(e))
        return OPERATIONS[node.op].value(self.library, node, [self.known[part] for part in parts], sizes)

    def _number(self, size: Size) -> int:
        return size if isinstance(size, int) else self.sizes[size]

    def _edge_sizes(self, e: Tensor) -> dict[str, int]:
        return {edge: self._number(size) for edge, size in e.shape.items()}

    def _derivative(self, e: Derivative) -> Labelled:
        """The Jacobian, worked out along with those of the same number by other variables."""
        torch, siblings = self.library.torch, self.together.get(e.arg, [e])
        read = set(variables([e.arg]).values())
        wrt = list(dict.fromkeys(s.wrt for s in siblings if s.wrt in read))
        jacobian = torch.func.jacrev(self._function(e.arg, wrt), argnums=tuple(range(len(wrt))))
        found = dict(zip(wrt, jacobian(*(self.bound[v.name].array for v in wrt)) if wrt else (), strict=True))
        for s in siblings:
            zeros = torch.zeros(tuple(self._edge_sizes(s).values()), dtype=torch.float64)
            self.known[s] = Labelled(s.edges, found.get(s.wrt, zeros))
        return self.known[e]

    def _function(self, arg: Tensor, wrt: Sequence[Variable]) -> Callable[..., Any]:
        """The expression as a function of the arrays of variables."""

        def value(*arrays: Any) -> Any:
            moved = {v.name: Labelled(v.edges, array) for v, array in zip(wrt, arrays, strict=True)}
            (found,) = _Evaluation(self.library, self.sizes, {**self.bound, **moved}).values([arg])
            return found

        return value

    def _tangent(self, e: Tangent) -> Labelled:
        along = aligned(self.library, self.known[e.direction], e.wrt.edges, self._edge_sizes(e.wrt))
        # The pullback is linear: its own pullback is the tangent. Torch's forward mode lacks some functions.
        func, at = self.library.torch.func, self.bound[e.wrt.name].array
        out, pull = func.vjp(self._function(e.arg, [e.wrt]), at)
        _, push = func.vjp(lambda cotangent: pull(cotangent)[0], self.library.torch.zeros_like(out))
        return Labelled(e.arg.edges, push(along)[0])


def _parts(e: Tensor) -> tuple[Tensor, ...]:
    """What is evaluated at the same arrays: not what stands below a derivative."""
    match e:
        case Derivative():
            return ()
        case Tangent(_, _, direction):
            return (direction,)
    return children(e)


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
    """
    own = [fact for fact in facts if fact.variable.name == name]
    empty = any(fact.kind in _ALONG and not array.shape[fact.axes[0]] for fact in own)
    for start in () if empty else _starts(array, own) if own else (array,):
        found = start
        for _ in range(_ROUNDS):
            if all(holds(fact, found) for fact in own):
                return _exact(found, [fact for fact in own if fact.kind in EXCHANGES])
            for fact in own:
                found = _NEAREST[fact.kind](found, fact.axes)
    raise CheckError(f"no array was found of which all of this is true: {', '.join(map(str, own))}.")


def _exact(array: Array, exchanges: Sequence[Fact]) -> Array:
    """An array that has several exchanges but for rounding, without that: what is zero then is a zero."""
    if len(exchanges) < 2:
        return array
    places = np.arange(array.size).reshape(array.shape)
    signs = np.ones(array.shape)
    for _ in range(array.ndim**2):
        before = places
        for fact in exchanges:
            other, sign = _exchanged(places, fact.axes), 1 if fact.kind == "symmetric" else -1
            signs = np.where(other < places, sign * _exchanged(signs, fact.axes), signs)
            places = np.minimum(places, other)
        if np.array_equal(before, places):
            break
    zero = np.zeros(array.size, dtype=bool)
    for fact in exchanges:
        sign = 1 if fact.kind == "symmetric" else -1
        zero[places[signs != sign * _exchanged(signs, fact.axes)]] = True
    return np.where(zero[places], 0.0, signs * array.reshape(-1)[places])


def holds(fact: Fact, array: Array) -> bool:
    """Whether a fact is true of an array, up to rounding."""
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


def _exchanged(array: Array, axes: Sequence[int]) -> Array:
    """An array in which the first half of these axes and the second have changed places."""
    half = len(axes) // 2
    places = dict(zip([*axes[:half], *axes[half:]], [*axes[half:], *axes[:half]], strict=True))
    return array.transpose([places.get(axis, axis) for axis in range(array.ndim)])


def _symmetric(array: Array, axes: Sequence[int]) -> Array:
    mirrored: Array = (array + _exchanged(array, axes)) / 2
    return mirrored


def _antisymmetric(array: Array, axes: Sequence[int]) -> Array:
    mirrored: Array = (array - _exchanged(array, axes)) / 2
    return mirrored


def _definite(array: Array, axes: Sequence[int]) -> Array:
    """A symmetric matrix whose eigenvalues are at least a third: those below are raised."""
    matrices = np.moveaxis(_symmetric(array, axes), axes, (-2, -1))
    values, vectors = np.linalg.eigh(matrices)
    raised = (vectors * np.maximum(values, 1 / 3)[..., None, :]) @ vectors.mT
    low = np.asarray((values < 1 / 3 - _EXACT).any(-1))
    found = np.where(low[..., None, None], raised, matrices)
    return np.moveaxis(np.asarray(found), (-2, -1), axes)


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
    "antisymmetric": _antisymmetric,
    "diagonal": _diagonal,
    "orthogonal": _orthogonal,
    "positive": _positive,
    "positive_definite": _definite,
    "one_hot": _one_hot,
    "sums_to_one": _sums_to_one,
}

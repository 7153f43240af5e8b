"""The value of an expression by its definition, derivatives by infinitesimals: no autograd, rule or plan.

To differentiate by W is to evaluate at W + ε, with an infinitesimal of its own for every entry of W, and to
read off what stands with ε; derivatives of derivatives need nothing else.

How far a result may be off is measured, not guessed: everything is evaluated again with noise of 1e-10 on
every intermediate, and a result may move by as much as noise at the level of rounding would move it. A sum
over edges has noise relative to its terms: they are added in any order. What libraries work out from a value,
tanh' = 1 - tanh², is there worked out from the value with its noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import count

import numpy as np

from tensorgrad_eg.expr import (
    Add,
    Apply,
    Constant,
    Contract,
    Delta,
    Derivative,
    Entrywise,
    Extent,
    Fibre,
    LogSumExp,
    Number,
    Polygamma,
    Power,
    Reduce,
    Rename,
    Scale,
    Softmax,
    Tangent,
    Tensor,
    Variable,
)

from . import jets
from .jets import Array, Jet, Label, Part
from .pointwise import derivatives, from_tanh

#: Relative noise, and how many roundings a program may have for each that the definition has.
NOISE, ROUNDINGS = 1e-10, 1e4
#: What noise at the level of rounding is of the noise that there is.
_UNIT = float(np.finfo(float).eps) * ROUNDINGS / NOISE
#: Closer than this to a kink, relative to the data, a function with kinks is not compared.
_NEAR = 1e-6
#: Beyond this, what overflows and what does not is a matter of order.
_HUGE = 1e100


@dataclass(frozen=True)
class Expected:
    """What results should be, how far off each entry may be, and whether this point says anything.

    `kink` is a point near which a function such as sign jumps, or where a logarithm or a power is taken of
    what is zero but for rounding; `huge` is one at which numbers may overflow.
    """

    values: list[Array]
    tolerances: list[Array]
    kink: bool
    huge: bool

    @property
    def finite(self) -> bool:
        """Whether every result is a number at every entry."""
        return all(bool(np.isfinite(array).all()) for array in (*self.values, *self.tolerances))


def expected(roots: Sequence[Tensor], arrays: Mapping[str, Array], sizes: Mapping[str, int]) -> Expected:
    """The values of expressions at these arrays, with what their rounding may amount to."""
    runs = [_Run(arrays, sizes, random) for random in (None, *map(np.random.default_rng, (1, 2)))]
    with np.errstate(all="ignore"):
        values, *moved = ([run.value(root) for root in roots] for run in runs)
        tolerances = [_tolerance(v, [m[k] for m in moved]) for k, v in enumerate(values)]
        kink = any(run.kink for run in runs) or any(_at_pole(runs[0], run) for run in runs[1:])
    return Expected(values, tolerances, kink, any(run.huge for run in runs))


def _at_pole(run: _Run, moved: _Run) -> bool:
    """Whether a logarithm or a power was taken of what is zero but for rounding, so that it is anything.

    A power of what is zero exactly is a pole, or a zero, however it is worked out.
    """
    for (log, value), (_, other) in zip(run.poles, moved.poles, strict=True):
        rounding = _UNIT * np.abs(other - value)
        if bool(((np.abs(value) <= rounding) & (rounding > 0) & (log | (value != 0))).any()):
            return True
    return False


def _tolerance(value: Array, moved: Sequence[Array]) -> Array:
    """What noise at the level of rounding does; no entry counts as a thousand times quieter than another."""
    shift = np.max([np.abs(m - value) for m in moved], axis=0)
    loudest = float(shift[np.isfinite(shift)].max(initial=0.0))
    size = np.where(np.isfinite(value), np.abs(value), 0.0)
    return np.asarray(_UNIT * np.maximum(shift, 1e-3 * loudest) + 1e-13 * size + 1e-290)


def _from_pole(x: Array) -> Array:
    """How far numbers are from the nearest pole of the gamma function: 0, -1, -2, …"""
    return np.asarray(x - np.minimum(np.round(x), 0.0))


#: How far an argument is from where the function has a pole.
_POLES: Mapping[str, Callable[[Array], Array]] = {
    "log": lambda x: x,
    "log1p": lambda x: 1 + x,
    "lgamma": _from_pole,
    "digamma": _from_pole,
}


class _Run:
    """One evaluation, with noise or without."""

    def __init__(
        self, arrays: Mapping[str, Array], sizes: Mapping[str, int], random: np.random.Generator | None
    ) -> None:
        self.arrays, self.sizes, self.random = arrays, sizes, random
        self.kink = self.huge = False
        self.fresh = count()
        #: What logarithms (then it is true) and powers with a pole were taken of, in their order.
        self.poles: list[tuple[bool, Array]] = []

    def value(self, root: Tensor) -> Array:
        """The value of an expression, its axes in the order of the edges."""
        return self._jet(root, {})[()].array

    def _shape(self, node: Tensor) -> dict[Label, int]:
        return {edge: self._size(size) for edge, size in node.shape.items()}

    def _size(self, size: int | str) -> int:
        return size if isinstance(size, int) else self.sizes[size]

    def _jet(self, root: Tensor, at: Mapping[str, Jet]) -> Jet:
        """The value with infinitesimals, where some variables stand for more than their arrays."""
        known: dict[Tensor, Jet] = {}
        stack = [root]
        while stack:
            node = stack.pop()
            missing = [part for part in _parts(node) if part not in known]
            if missing:
                stack += [node, *missing]
            elif node not in known:
                parts = [known[part] for part in _parts(node)]
                found = self._whole(node, self._node(node, parts, at))
                known[node] = self._noisy(found, self._terms(node, parts) or found)
        return known[root]

    def _whole(self, node: Tensor, jet: Jet) -> Jet:
        """Every coefficient with all edges of a node, in their order, then the axes of infinitesimals."""
        shape = self._shape(node)
        jet = {(): Part((), np.zeros(())), **jet}
        return {tags: jets.full(part, shape | _inner(part)) for tags, part in jet.items()}

    def _terms(self, node: Tensor, parts: Sequence[Jet]) -> Jet | None:
        """The sizes of the terms of a sum over edges, added up, where there is noise."""
        if self.random is None or not (isinstance(node, Contract | Reduce) and node.over):
            return None
        sizes = [{t: Part(p.labels, np.abs(p.array)) for t, p in part.items()} for part in parts]
        return self._whole(node, _operation(node, sizes))

    def _noisy(self, jet: Jet, loud: Jet) -> Jet:
        sizes = [np.abs(part.array) for part in jet.values()]
        self.huge |= any(bool(((size > _HUGE) & (size < np.inf)).any()) for size in sizes)
        if self.random is None:
            return jet
        return {
            tags: Part(
                p.labels,
                p.array + NOISE * loud[tags].array * self.random.uniform(-1, 1, p.array.shape),
            )
            for tags, p in jet.items()
        }

    def _node(self, node: Tensor, parts: Sequence[Jet], at: Mapping[str, Jet]) -> Jet:
        match node:
            case Variable(name):
                return at[name] if name in at else {(): Part(node.edges, self.arrays[name])}
            case Number(value):
                return jets.number(float(value))
            case Constant():
                return jets.number(math.pi)
            case Extent(size):
                return jets.number(float(self._size(size)))
            case Delta(i, j, size):
                return {(): Part((i, j), np.eye(self._size(size)))}
            case Derivative():
                return self._derivative(node, at)
            case Tangent():
                return self._tangent(node, parts[0], at)
            case Power(_, exponent) if exponent < 0 or exponent.denominator > 1:
                self.poles.append((False, parts[0][()].array))
            case Polygamma():
                self.poles.append((True, _from_pole(parts[0][()].array)))
            case Apply(function):
                if function in _POLES:
                    self.poles.append((True, _POLES[function](parts[0][()].array)))
                self._watch(function, parts[0])
                if function == "tanh" and self.random is not None:
                    return jets.composed(parts[0], self._rounded_tanh)
            case Entrywise(name):
                self._compare(name, parts)
            case Fibre("amax", over):
                self._ties(parts[0], over)
        return _operation(node, parts)

    def _watch(self, function: str, jet: Jet) -> None:
        """Notes a point too close to a kink, where a zero that is exact is meant, or to an overflow."""
        self.huge |= function == "exp" and bool((jet[()].array > math.log(_HUGE)).any())
        if function in ("relu", "step", "sign", "abs"):
            size = np.abs(jet[()].array)
            near = (size > 0) & (size < _NEAR * max(1.0, float(size.max(initial=0.0))))
            self.kink |= bool(near.any())

    def _compare(self, name: str, parts: Sequence[Jet]) -> None:
        """Notes a point where two tensors are all but equal, so that rounding decides which is larger."""
        # Which of two is larger, or which is taken, hides that one of them is no number.
        self.huge |= not all(bool(np.isfinite(part[()].array).all()) for part in parts)
        one, other = parts[-2:]
        if name == "huber":
            one = jets.composed(one, lambda x, order: derivatives("abs", x, order))
        if name == "raised":
            self.poles.append((True, one[()].array))
        elif name == "where":
            self._watch("sign", parts[0])
        else:
            self._watch("sign", jets.added([one, jets.scaled(other, -1.0)]))

    def _ties(self, jet: Jet, over: Collection[str]) -> None:
        """Notes where the largest entries are all but equal."""
        part = jet[()]
        axes = tuple(n for n, label in enumerate(part.labels) if label in over)
        gap = part.array.max(axis=axes, keepdims=True, initial=-np.inf) - part.array
        self._watch("sign", {(): Part(part.labels, gap)})

    def _rounded_tanh(self, x: Array, order: int) -> Array:
        """tanh with noise, and derivatives made of that: in saturation these have an error of their own."""
        assert self.random is not None
        t = np.tanh(x) * (1 + NOISE * self.random.uniform(-1, 1, x.shape))
        return t if order == 0 else from_tanh(t, order)

    def _derivative(self, node: Derivative, at: Mapping[str, Jet]) -> Jet:
        tag, wrt = next(self.fresh), node.wrt
        labels: list[Label] = [(tag, axis) for axis in range(len(wrt.edges))]
        shape = list(self._shape(wrt).values())
        unit = np.eye(math.prod(shape)).reshape(shape + shape)
        moved = jets.added([self._node(wrt, (), at), {(tag,): Part((*wrt.edges, *labels), unit)}])
        found = jets.coefficient(self._jet(node.arg, {**at, wrt.name: moved}), tag)
        return jets.renamed(found, dict(zip(labels, node.names, strict=True)))

    def _tangent(self, node: Tangent, direction: Jet, at: Mapping[str, Jet]) -> Jet:
        tag, wrt = next(self.fresh), node.wrt
        along = {(*tags, tag): part for tags, part in self._whole(wrt, direction).items()}
        moved = jets.added([self._node(wrt, (), at), along])
        return jets.coefficient(self._jet(node.arg, {**at, wrt.name: moved}), tag)


def _operation(node: Tensor, parts: Sequence[Jet]) -> Jet:
    """The value of an operation from those of its parts."""
    match node:
        case Contract(over):
            return jets.product(parts[0], parts[1], over)
        case Add():
            return jets.added(parts)
        case Reduce(over):
            return {tags: jets.reduced(part, over) for tags, part in parts[0].items()}
        case Scale(factor):
            return jets.product(jets.number(float(factor)), parts[0], ())
        case Rename(_, mapping):
            names: dict[Label, str] = dict(mapping)
            return jets.renamed(parts[0], names)
        case Apply(function):
            return jets.composed(parts[0], lambda x, order: derivatives(function, x, order))
        case Polygamma(n):
            return jets.composed(parts[0], lambda x, order: derivatives("digamma", x, order + int(n)))
        case Power(_, exponent):
            return jets.power(parts[0], exponent)
        case Entrywise(name):
            return _several(name, parts)
        case Fibre(name, over):
            return _along(name, over, parts[0])
        case Softmax(over) | LogSumExp(over):
            return jets.fibre(parts[0], over, isinstance(node, Softmax))
    raise TypeError(type(node).__name__)


def _several(name: str, parts: Sequence[Jet]) -> Jet:
    """The value of an operation on several tensors, piece by piece."""
    difference = jets.added([parts[-2], jets.scaled(parts[-1], -1.0)])[()]
    if name in ("greater", "greater_equal", "equal"):
        compare = {"greater": np.greater, "greater_equal": np.greater_equal, "equal": np.equal}[name]
        return {(): Part(difference.labels, compare(difference.array, 0).astype(float))}
    if name == "where":
        condition = parts[0][()]
        return jets.chosen(Part(condition.labels, condition.array != 0), parts[1], parts[2])
    a, b = parts
    if name in ("maximum", "minimum"):
        sign = 1.0 if name == "maximum" else -1.0
        ahead = Part(difference.labels, sign * difference.array > 0)
        tied = Part(difference.labels, difference.array == 0)
        return jets.chosen(tied, jets.scaled(jets.added([a, b]), 0.5), jets.chosen(ahead, a, b))
    if name == "huber":
        size = jets.composed(a, lambda x, order: derivatives("abs", x, order))
        line = jets.product(b, jets.added([size, jets.scaled(b, -0.5)]), ())
        gap = jets.added([size, jets.scaled(b, -1.0)])[()]
        return jets.chosen(
            Part(gap.labels, gap.array <= 0), jets.scaled(jets.power(a, Fraction(2)), 0.5), line
        )
    assert name == "raised", name
    logs = jets.composed(a, lambda x, order: derivatives("log", x, order))
    return jets.composed(jets.product(logs, b, ()), lambda x, order: np.exp(x))


def _along(name: str, over: Collection[str], jet: Jet) -> Jet:
    """The largest entry along edges, the products of all or of all others."""
    if name == "amax":
        top = jet[()]
        axes = tuple(n for n, label in enumerate(top.labels) if label in over)
        largest = top.array == top.array.max(axis=axes, keepdims=True, initial=-np.inf)
        mask = {(): Part(top.labels, largest / largest.sum(axis=axes, keepdims=True))}
        return jets.product(mask, jet, over)
    (edge,) = over
    entries = jets.slices(jet, edge)
    if name == "prod":
        return _product(entries)
    return jets.stacked([_product([*entries[:n], *entries[n + 1 :]]) for n in range(len(entries))], edge)


def _product(entries: Sequence[Jet]) -> Jet:
    total = jets.number(1.0)
    for entry in entries:
        total = jets.product(total, entry, ())
    return total


def _parts(node: Tensor) -> tuple[Tensor, ...]:
    """What is evaluated at the same point as a node, before it."""
    match node:
        case Contract(_, left, right):
            return left, right
        case Add(terms) | Entrywise(_, terms):
            return terms
        case Fibre(_, _, arg):
            return (arg,)
        case Reduce(_, arg) | Scale(_, arg) | Softmax(_, arg) | LogSumExp(_, arg) | Apply(_, arg):
            return (arg,)
        case Rename(arg) | Power(arg) | Polygamma(_, arg) | Tangent(_, _, arg):
            return (arg,)
    return ()


def _inner(part: Part) -> dict[Label, int]:
    """The axes of infinitesimals, in their order."""
    found = [
        (label, n)
        for label, n in zip(part.labels, part.array.shape, strict=True)
        if not isinstance(label, str)
    ]
    return dict(sorted(found))

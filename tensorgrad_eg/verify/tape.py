"""A record of what is computed: operations on arrays with named axes, to be evaluated or differentiated.

What a derivative is made of are operations again, so derivatives of derivatives need nothing else. Edges of
size one have no axis: a tensor may have more edges than an array has axes.

>>> tape = Tape()
>>> x = tape.array({"k": 2}, np.array([1.0, 2.0]))
>>> (value,) = tape.values([tape.contract(["k"], x, x)])
>>> value.item()
5.0
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tensorgrad_eg.expr.arrays import Labelled, Numpy
from tensorgrad_eg.expr.operations import OPERATIONS, ENode, Payload
from tensorgrad_eg.expr.walk import parts_first

Array = NDArray[Any]
Extended = NDArray[np.longdouble]
#: Up to this order derivatives are measured by narrow differences, and by how much two measures may differ.
_SHARP, _KINK = 2, 1e-4
#: Relative noise on intermediate results: what it moves a result by tells how far rounding may move it.
NOISE = 1e-12
#: How many roundings a program may have for each that the definition has; how often noise is drawn.
_ROUNDINGS, _DRAWS = 1e4, 3
#: Central differences of eighth order.
_WEIGHTS = (4 / 5, -1 / 5, 4 / 105, -1 / 280)


@dataclass(frozen=True, eq=False)
class Node:
    """One operation on nodes: the sizes of its edges, the variables it depends on, the numbers of an array.

    With `orders` it is the derivative of the operation, so often by each argument, entry by entry.
    """

    number: int
    made: ENode
    args: tuple[Node, ...]
    shape: Mapping[str, int]
    leaves: frozenset[str] = frozenset()
    value: Array | None = None
    orders: tuple[int, ...] = ()

    @property
    def op(self) -> str:
        """What it does: the name of its operation, or "slope" if it is a derivative of it."""
        return "slope" if self.orders else self.made.op

    @property
    def axes(self) -> list[str]:
        """The edges that have an axis."""
        return [edge for edge, size in self.shape.items() if size != 1]

    @property
    def volume(self) -> float:
        """How many products of entries of what it reads it is made of."""
        edges = dict(self.shape)
        for a in self.args:
            edges |= a.shape
        return float(math.prod(edges.values()))


@dataclass
class Tape:
    """Nodes in the order in which they can be computed; equal ones are one."""

    nodes: list[Node] = field(default_factory=list)
    _known: dict[tuple[object, ...], Node] = field(default_factory=dict)
    _values: dict[int, Array] = field(default_factory=dict)

    def array(self, shape: Mapping[str, int], value: Array, leaf: str = "") -> Node:
        """Numbers that are given; `leaf` is the variable they belong to."""
        axes = tuple(size for size in shape.values() if size != 1)
        leaves = frozenset({leaf}) if leaf else frozenset[str]()
        return self._put(ENode("array"), (), shape, leaves, np.asarray(value, float).reshape(axes))

    def contract(self, over: Iterable[str], a: Node, b: Node) -> Node:
        """The product, summed over edges that one of the two has."""
        gone = frozenset(over)
        shape = {edge: size for edge, size in {**a.shape, **b.shape}.items() if edge not in gone}
        return self._put(ENode("contract", gone), (a, b), shape)

    def reduce(self, over: Iterable[str], a: Node) -> Node:
        """The sum over edges."""
        gone = frozenset(over)
        shape = {edge: size for edge, size in a.shape.items() if edge not in gone}
        return self._put(ENode("reduce", gone), (a,), shape) if gone else a

    def spread(self, a: Node, shape: Mapping[str, int]) -> Node:
        """The same along edges that it lacks, and all edges in this order."""
        return a if list(shape) == list(a.shape) else self._put(ENode("spread"), (a,), dict(shape))

    def add(self, terms: Sequence[Node]) -> Node:
        """The sum of tensors that may have different edges."""
        if len(terms) == 1:
            return terms[0]
        shape = {edge: size for term in terms for edge, size in term.shape.items()}
        return self._put(ENode("add"), tuple(terms), shape)

    def relabel(self, names: Mapping[str, str], a: Node) -> Node:
        """The same with other names for edges."""
        return self._put(ENode("relabel"), (a,), {names.get(e, e): size for e, size in a.shape.items()})

    def apply(self, op: str, payload: Payload, *args: Node) -> Node:
        """Any operation of the table, of tensors that have all edges of its payload."""
        shape = {edge: size for a in args for edge, size in a.shape.items()}
        free = OPERATIONS[op].free(payload, [frozenset(a.shape) for a in args])
        kept = {edge: size for edge, size in shape.items() if edge in free}
        return self._put(ENode(op, payload), args, kept)

    def operation(self, node: ENode, args: Sequence[Node], sizes: Mapping[str, int]) -> Node:
        """Any operation of the table but variables, sizes and renames; `sizes` are those of its edges.

        >>> tape = Tape()
        >>> one = tape.operation(ENode("number", Fraction(1)), [], {})
        >>> tape.values([tape.operation(ENode("reduce", frozenset("k")), [one], {"k": 3})])
        [array(3.)]
        """
        if not args:
            value = OPERATIONS[node.op].value(_DOUBLE, node, [], sizes)
            return self.array({edge: sizes[edge] for edge in value.edges}, value.array)
        idle = {edge: sizes[edge] for edge in sorted(node.over) if all(edge not in a.shape for a in args)}
        last = self.spread(args[-1], {**args[-1].shape, **idle}) if idle else args[-1]
        return self.apply(node.op, node.payload, *args[:-1], last)

    def scale(self, factor: Fraction | int | float, a: Node) -> Node:
        """A multiple."""
        return self.apply("scale", Fraction(factor), a)

    def slope(self, of: Node, place: int) -> Node:
        """The derivative of an operation that works entry by entry, or of its slope, by one argument."""
        orders = of.orders or (0,) * len(of.args)
        raised = tuple(order + (n == place) for n, order in enumerate(orders))
        return self._put(of.made, of.args, dict(of.shape), orders=raised)

    def _put(
        self,
        made: ENode,
        args: tuple[Node, ...],
        shape: Mapping[str, int],
        leaves: frozenset[str] = frozenset(),
        value: Array | None = None,
        orders: tuple[int, ...] = (),
    ) -> Node:
        key = (made, orders, *(a.number for a in args), *shape.items())
        if value is None and key in self._known:
            return self._known[key]
        leaves = leaves.union(*(a.leaves for a in args))
        node = self._known[key] = Node(len(self.nodes), made, args, shape, leaves, value, orders)
        self.nodes.append(node)
        return node

    def below(self, roots: Iterable[Node], known: Container[int] = ()) -> list[Node]:
        """The roots and all that they are made of, parts first; not what is `known`, and what that reads."""

        def parts(number: int) -> list[int]:
            return [node.number for node in self.nodes[number].args]

        found = parts_first([root.number for root in roots], parts, known)
        return [self.nodes[number] for number in sorted(found)]

    def work(self, roots: Iterable[Node]) -> float:
        """About how many multiplications the roots take."""
        return sum(node.volume for node in self.below(roots))

    def largest(self, roots: Iterable[Node]) -> float:
        """The most multiplications that one of the values takes that are not computed yet."""
        return max((node.volume for node in self.below(roots, self._values)), default=0.0)

    def values(self, roots: Sequence[Node], noise: np.random.Generator | None = None) -> list[Array]:
        """The values of the roots, with an axis for every edge; `noise` may fall on all on the way."""
        known = self.computed(roots, noise)
        return [known[root.number].reshape(tuple(root.shape.values())) for root in roots]

    def computed(self, roots: Iterable[Node], noise: np.random.Generator | None = None) -> dict[int, Array]:
        """The value of every node below the roots; those without noise are kept."""
        known: dict[int, Array] = self._values if noise is None else {}
        with np.errstate(all="ignore"):
            for node in self.below(roots, known):
                value = _OPERATIONS.get(node.op, _table)(node, [known[a.number] for a in node.args])
                if noise is not None and node.op not in ("spread", "relabel"):
                    value = value * (1 + NOISE * noise.uniform(-1, 1, value.shape))
                known[node.number] = value
        return known

    def rounding(self, roots: Sequence[Node]) -> list[Array]:
        """How far rounding may move each entry: as far as noise on all intermediate results, scaled to it."""
        values = self.values(roots)
        most = [np.zeros(value.shape) for value in values]
        factor = _ROUNDINGS * float(np.finfo(float).eps) / NOISE
        for seed in range(_DRAWS):
            noisy = self.values(roots, np.random.default_rng([7, seed]))
            with np.errstate(all="ignore"):
                for n, (value, other) in enumerate(zip(values, noisy, strict=True)):
                    moved = np.abs(other - value)
                    most[n] = np.maximum(most[n], np.where(np.isfinite(moved), factor * moved, math.inf))
        return most


def _fitted(a: Node, value: Array, axes: Sequence[str]) -> Array:
    """The value with axes in this order, of length one where it has none."""
    own = a.axes
    ordered = value.transpose([own.index(edge) for edge in axes if edge in own])
    return ordered[tuple(slice(None) if edge in own else None for edge in axes)]


def _spread(node: Node, values: Sequence[Array]) -> Array:
    shape = tuple(node.shape[edge] for edge in node.axes)
    return np.broadcast_to(_fitted(node.args[0], values[0], node.axes), shape)


def _slope(node: Node, values: Sequence[Array]) -> Array:
    """A derivative of a function by differences; where it has a kink close by, it is not known."""
    # Wide differences keep more digits of high derivatives, narrow ones meet fewer kinks.
    weights, offsets = _stencil(smooth=sum(node.orders) > _SHARP)
    wide, narrow = (_differences(node, values, weights * part, offsets / part) for part in (1, 2))
    apart = np.abs(wide - narrow) > _KINK * np.maximum(np.abs(wide), np.abs(narrow)) + _KINK
    return np.asarray(np.where(apart, np.nan, wide), float)


def _differences(node: Node, values: Sequence[Array], weights: Extended, offsets: Extended) -> Array:
    steps = [list(product(range(len(weights)), repeat=order)) for order in node.orders]
    total: Array = np.zeros([node.shape[edge] for edge in node.axes], np.longdouble)
    for places in product(*steps):
        moved = [
            Labelled(tuple(a.axes), value.astype(np.longdouble) + offsets[list(own)].sum())
            for a, value, own in zip(node.args, values, places, strict=True)
        ]
        weight = weights[[place for own in places for place in own]].prod()
        total = total + weight * _ordered(node, _evaluated(_LONG, node.made, moved))
    return total


def _table(node: Node, values: Sequence[Array]) -> Array:
    """An operation of the table."""
    args = [Labelled(tuple(a.axes), value) for a, value in zip(node.args, values, strict=True)]
    return _ordered(node, _evaluated(_DOUBLE, node.made, args))


def _evaluated(library: Numpy, node: ENode, args: Sequence[Labelled]) -> Labelled:
    # An edge without an axis has size one, for whatever counts it.
    return OPERATIONS[node.op].value(library, node, args, dict.fromkeys(node.over, 1))


def _ordered(node: Node, value: Labelled) -> Array:
    # A softmax has the edge that it normalises over, though that has no axis here if it has size one.
    kept = [edge for edge in value.edges if edge in node.axes]
    array = np.asarray(value.array)[tuple(slice(None) if edge in kept else 0 for edge in value.edges)]
    return np.asarray(array).transpose([kept.index(edge) for edge in node.axes])


_DOUBLE, _LONG = Numpy(np.float64), Numpy(np.longdouble)
#: What a tape does beside the operations of the table.
_OPERATIONS: dict[str, Callable[[Node, Sequence[Array]], Array]] = {
    "array": lambda node, _: np.asarray(node.value),
    "spread": _spread,
    "relabel": lambda _, values: values[0],
    "slope": _slope,
}


def _stencil(smooth: bool) -> tuple[Extended, Extended]:
    """Weights and offsets: f'(x) is about Σ weight·f(x + offset), with an error of eighth order."""
    width = np.longdouble(4e-3 if smooth else 2e-4)
    half = np.array([np.longdouble(round(w * 840)) / 840 for w in _WEIGHTS])
    steps = np.arange(1, 5).astype(np.longdouble) * width
    return np.concatenate([half, -half]) / width, np.concatenate([steps, -steps])

"""What terms are worth on random data, derivatives by central differences: no rule has a say in it.

>>> from fractions import Fraction
>>> world = World({"i": "n"})
>>> x = world.put("variable", ("x", ("i",)))
>>> values = Values(world)
>>> values.differ(world.put("contract", frozenset(), x, x), world.put("power", Fraction(2), x)) < 1e-15
True
>>> values.differ(world.put("scale", Fraction(3), x), x) > 0.1
True
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tensorgrad_eg.assume import Fact
from tensorgrad_eg.explain.symbols import SYMBOLS, Direction, direction_name
from tensorgrad_eg.explain.terms import renaming
from tensorgrad_eg.explain.world import World
from tensorgrad_eg.expr import arrays as op
from tensorgrad_eg.expr.arrays import Labelled, Numpy
from tensorgrad_eg.expr.operations import OPERATIONS, ENode
from tensorgrad_eg.verify.classes import Draw
from tensorgrad_eg.verify.differences import one_sided, stencil

#: Points with numbers of both signs, and with positive ones.
_SIGNED, _POSITIVE = (0, 1), (2, 3)
#: Two terms are equal if they differ by less than this, relative to the larger.
TOLERANCE = 1e-6
#: The axis of the offsets at which a difference is taken.
_OFFSETS = "*"
#: The least part of the usual offsets that is taken.
_SHORTEST = 1e-2
#: Sizes of edges differ from symbol to symbol, as long as a tensor of all edges that meet in a term has at
#: most so many elements.
_ROOM = 2000
#: Integers up to this are the sizes that they are: what counts such an edge has been worked out.
_SMALL = 8
#: What two terms may differ by, in units of what rounding and differences change in one of them: a result
#: that is zero by cancellation has no digits that could agree.
_DOUBT = 100
#: A tensor with more elements than this is not computed.
_LARGEST = 1 << 21


class Values:
    """The values of terms at some points, and how far two terms are apart."""

    def __init__(self, world: World, seed: int = 0, facts: tuple[Fact, ...] = ()) -> None:
        """Points of a world, at which the facts are true; each is drawn when it is needed."""
        self.world = world
        self.seed, self.facts = seed, facts
        self.points: dict[tuple[int, bool, int], Point] = {}
        self._symbols: dict[int, bool] = {}

    def differ(self, one: int, other: int) -> float:
        """The relative difference of two terms; NaN if they have no values that could be compared.

        It is infinite where only one of them is finite. It is the largest at two points with numbers of both
        signs or, where no logarithm exists there, with positive numbers. What is evaluated by differences may
        be at a kink, as relu(δ·x) is wherever δ is 0: of that it is the least, slopes of one side included.
        """
        if one == other:
            return 0.0
        derived = self._derived(one) or self._derived(other)
        apart = math.nan
        for points in (_SIGNED, _POSITIVE):
            finite: list[float] = []
            for n in points:
                gap = self._differ(n, one, other)
                if derived and TOLERANCE <= gap < math.inf:
                    gap = min(gap, self._differ(n, one, other, -1), self._differ(n, one, other, 1))
                apart = gap if gap == math.inf else apart
                finite += [gap] if math.isfinite(gap) else []
                if derived and gap < TOLERANCE:
                    break
            if finite:
                return min(finite) if derived else max(finite)
        return apart

    def _differ(self, n: int, one: int, other: int, side: int = 0) -> float:
        gap, size = self._point(n, side=side).differ(one, other)
        if not gap > TOLERANCE * size or gap == math.inf:
            return gap / size if gap and size else gap
        near, rough = self._point(n, side=side), self._point(n, rough=True, side=side)
        with np.errstate(all="ignore"):
            pairs = [(near.value(at), rough.value(at)) for at in (one, other)]
            doubt = max((_gap(near.library, *pair)[0] for pair in pairs), default=0.0)
        return gap / max(size, _DOUBT * doubt / TOLERANCE if math.isfinite(doubt) else 0.0)

    def _point(self, n: int, rough: bool = False, side: int = 0) -> Point:
        """The n-th point; `rough` with fewer digits and other differences, to see what is no digit.

        With a side, differences are taken on that side alone.
        """
        key = n, rough, side
        if key not in self.points:
            draw = Draw(self.seed + n, n in _POSITIVE, self.facts)
            self.points[key] = Point(self.world, draw, turn=n, rough=rough, side=side)
        return self.points[key]

    def _derived(self, at: int) -> bool:
        """Whether differences are taken to evaluate a term."""
        for one in () if at in self._symbols else self.world.dag.reachable([at]):
            if one not in self._symbols:
                node = self.world.node(one)
                below = any(self._symbols[c] for c in node.children)
                self._symbols[one] = node.op in SYMBOLS or below
        return self._symbols[at]

    def equal(self, one: int, other: int) -> bool:
        """Whether two terms are worth the same."""
        return self.differ(one, other) < TOLERANCE


class Point:
    """The values of terms for one draw of data."""

    def __init__(self, world: World, draw: Draw, turn: int = 0, rough: bool = False, side: int = 0) -> None:
        """No values yet; points of different turns have different sizes."""
        self.world, self.draw = world, draw
        self.library = Numpy(np.float64 if rough else np.longdouble)
        self.values: dict[int, Labelled | None] = {}
        self._sizes: dict[str, int] = {}
        self._lengths = _lengths(world, turn)
        # Narrow: a norm close to zero bends as sharply as a kink.
        weights, offsets = one_sided(side) if side else stencil(smooth=False)
        narrower = 2 if rough else 1
        self.weights, self.offsets = weights * narrower, offsets / narrower

    @property
    def sizes(self) -> Mapping[str, int]:
        """A small size for every label; labels of one symbol have one size."""
        if len(self._sizes) != len(self.world.symbols):
            self._sizes = {label: self._length(symbol) for label, symbol in self.world.symbols.items()}
        return self._sizes

    def _length(self, symbol: str | int) -> int:
        return self._lengths.get(str(symbol), 2)

    def differ(self, one: int, other: int) -> tuple[float, float]:
        """The largest difference of two terms, and the larger of the two."""
        with np.errstate(all="ignore"):
            return _gap(self.library, self.value(one), self.value(other))

    def value(self, at: int) -> Labelled | None:
        """The value of a term; nothing where it is too large to compute."""
        if at not in self.values:
            for one in self._missing(at):
                node = self.world.node(one)
                if node.op in _DERIVATIVES:
                    self.values[one] = _DERIVATIVES[node.op](self, node)
                else:
                    self.values[one] = self._operation(node, [self.values[c] for c in node.children])
        return self.values[at]

    def _missing(self, root: int) -> list[int]:
        """What has to be evaluated for a term, parts first; derivatives find their parts themselves."""
        seen: set[int] = set()
        stack = [root]
        while stack:
            at = stack.pop()
            if at not in seen and at not in self.values:
                seen.add(at)
                if self.world.node(at).op not in _DERIVATIVES:
                    stack.extend(self.world.node(at).children)
        return sorted(seen)

    def _operation(self, node: ENode, given: Iterable[Labelled | None]) -> Labelled | None:
        kids = [kid for kid in given if kid is not None]
        if len(kids) < len(node.children) or self._elements(kids) > _LARGEST:
            return None
        if node.op == "variable":
            shape = tuple(self.sizes[axis] for axis in node.axes)
            if math.prod(shape) > _LARGEST:
                return None
            array = self.library.array(self.draw.array(node.name, shape))
            return op.read(self.library, array, node.axes)
        if node.op == "extent":
            return Labelled((), self.library.number(float(self._extent(node.name))))
        if node.op == "rename":
            new = renaming(node.payload)
            return op.read(self.library, kids[0].array, tuple(new.get(edge, edge) for edge in kids[0].edges))
        return OPERATIONS[node.op].value(self.library, node, kids, self.sizes)

    def _elements(self, kids: list[Labelled]) -> int:
        shape = {edge: n for kid in kids for edge, n in zip(kid.edges, kid.array.shape, strict=True)}
        return math.prod(shape.values())

    def _extent(self, symbol: str) -> int:
        found = (self.sizes[e] for e, s in sorted(self.world.symbols.items()) if str(s) == symbol)
        return next(found, int(symbol) if symbol.isdigit() else 1)

    # -- derivatives
    def varied(self, root: int, moves: Mapping[int, Labelled]) -> Labelled | None:
        """How a term changes when others do: its derivative along these moves."""
        step = self.step(moves)
        changed: dict[int, Labelled | None] = {at: self.moved(at, move, step) for at, move in moves.items()}
        for at in self.world.dag.reachable([root]):
            node = self.world.node(at)
            if at not in changed and any(c in changed for c in node.children):
                self.value(at)
                changed[at] = self._operation(
                    node, [changed.get(c, self.values.get(c)) for c in node.children]
                )
        return self.difference(changed.get(root, self.value(root)), step)

    def step(self, terms: Iterable[int]) -> float:
        """How far terms are moved, as a part of the usual: less where they have small entries."""
        values = [value.array for value in map(self.value, terms) if value is not None]
        smallest = min((float(np.abs(array).min()) for array in values if array.size), default=1.0)
        return min(max(smallest, _SHORTEST), 1.0) if math.isfinite(smallest) else 1.0

    def moved(self, at: int, move: Labelled, step: float) -> Labelled | None:
        """A term moved by every offset."""
        value = self.value(at)
        along = Labelled((_OFFSETS, *move.edges), np.multiply.outer(step * self.offsets, move.array))
        return None if value is None else op.add(self.library, [value, along])

    def difference(self, value: Labelled | None, step: float) -> Labelled | None:
        """The weighted sum over the offsets; nothing of what is nowhere a number, such as 0/0."""
        if value is None or (value.array.size and not np.isfinite(value.array).any()):
            return None
        if _OFFSETS not in value.edges:
            return Labelled((), self.library.number(0.0))
        axis = value.edges.index(_OFFSETS)
        rest = value.edges[:axis] + value.edges[axis + 1 :]
        return Labelled(rest, np.tensordot(self.weights / step, value.array, axes=(0, axis)))

    def entries(self, edges: Iterable[str]) -> Labelled:
        """Every entry of a tensor by itself: δ of each edge and a new one, which is marked."""
        total = Labelled((), self.library.number(1.0))
        for edge in sorted(edges):
            one = Labelled((edge, _tip(edge)), self.library.eye(self.sizes[edge]))
            total = op.contract(self.library, frozenset(), total, one, {})
        return total

    def by_entries(self, root: int, at: int) -> Labelled | None:
        """∂root/∂at, with the new edges marked."""
        return self.varied(root, {at: self.entries(self.world.free(at))})

    def direction(self, node: ENode) -> Direction:
        """What the direction of a symbol means."""
        return self.world.directions[direction_name(node.payload)]


def _gap(library: Numpy, left: Labelled | None, right: Labelled | None) -> tuple[float, float]:
    """The largest difference of entries that are finite in both, and the largest of these."""
    if left is None or right is None:
        return math.nan, 1.0
    union = tuple(dict.fromkeys((*left.edges, *right.edges)))
    a, b = np.broadcast_arrays(*(op.spread(library, side, union) for side in (left, right)))
    both = np.isfinite(a) & np.isfinite(b)
    if not both.any():
        return (math.inf if (np.isfinite(a) != np.isfinite(b)).any() else math.nan), 1.0
    a, b = a[both], b[both]
    return float(np.abs(a - b).max()), float(max(np.abs(a).max(), np.abs(b).max()))


def _lengths(world: World, turn: int) -> dict[str, int]:
    """A small size for every symbol: another one for each, as long as tensors stay small."""
    symbols = sorted(set(map(str, world.symbols.values())))
    meet = {
        frozenset().union(*(world.free(c) for c in node.children)) | free
        for node, free in zip(world.dag.nodes, world.dag.free, strict=True)
    }
    for count in (len(symbols), 3, 2, 1):
        found = {s: 2 + (n + turn) % max(count, 1) for n, s in enumerate(symbols)}
        found |= {s: int(s) for s in symbols if s.isdigit() and int(s) <= _SMALL}
        sizes = {edge: found[str(symbol)] for edge, symbol in world.symbols.items()}
        if max((math.prod(sizes.get(e, 2) for e in edges) for edges in meet), default=1) <= _ROOM:
            break
    return found


def _tip(edge: str) -> str:
    return f"*{edge}"


def _unmarked(value: Labelled | None) -> Labelled | None:
    """The value with marked edges under the names of the edges themselves."""
    return (
        None
        if value is None
        else Labelled(tuple(edge.removeprefix("*") for edge in value.edges), value.array)
    )


def _cotangent(point: Point, node: ENode) -> Labelled | None:
    return _unmarked(point.by_entries(point.direction(node).root, node.children[0]))


def _tangent(point: Point, node: ENode) -> Labelled | None:
    moves = {source: point.value(seed) for source, seed in point.direction(node).seeds}
    known = {source: move for source, move in moves.items() if move is not None}
    return point.varied(node.children[0], known) if len(known) == len(moves) else None


def _pullback(point: Point, node: ENode) -> Labelled | None:
    """Σ_e ∂root/∂e ∂e/∂a, where e is the one operation alone and the other parts of it stay."""
    direction = point.direction(node)
    at, reader = node.children
    outer = point.by_entries(direction.root, reader)
    point.value(at)
    step = point.step([at])
    inner = point.moved(at, point.entries(point.world.free(at)), step)
    operation = point.world.node(reader)
    kids = [inner if c == at else point.value(c) for c in operation.children]
    local = point.difference(point._operation(operation, kids), step)
    if outer is None or local is None:
        return None
    # The edges of e stand for themselves in `local` and are marked in `outer`; both marked ones of a stay.
    aside = {edge: f"+{edge}" for edge in point.world.free(reader)}
    local = Labelled(tuple(aside.get(edge, edge) for edge in local.edges), local.array)
    outer = Labelled(tuple(aside[edge[1:]] for edge in outer.edges), outer.array)
    sizes = {name: point.sizes[edge] for edge, name in aside.items()}
    product = op.contract(point.library, frozenset(aside.values()), outer, local, sizes)
    return _unmarked(product)


def _gradient(point: Point, node: ENode) -> Labelled | None:
    payload: Any = node.payload
    moves = {}
    for read in node.children:
        own: Any = point.world.node(read).payload
        move = Labelled((), point.library.number(1.0))
        for edge, axis in zip(own[1], payload[1], strict=True):
            one = Labelled((edge, _tip(axis)), point.library.eye(point.sizes[edge]))
            move = op.contract(point.library, frozenset(), move, one, {})
        moves[read] = move
    return _unmarked(point.varied(point.direction(node).root, moves))


def _slope(point: Point, node: ENode) -> Labelled | None:
    value = point.value(node.children[0])
    if value is None:
        return None
    step = point.step(node.children)
    moved = point.moved(node.children[0], Labelled((), point.library.number(1.0)), step)
    return point.difference(point._operation(ENode("apply", node.payload, node.children), [moved]), step)


def _partial(point: Point, node: ENode) -> Labelled | None:
    """∂e/∂a of what an operation reads in one place, entry by entry: the others stay."""
    operation = point.world.node(node.children[0])
    place = int(node.name) - 1
    values = [point.value(c) for c in operation.children]
    step = point.step([operation.children[place]])
    one = Labelled((), point.library.number(1.0))
    moved = point.moved(operation.children[place], one, step)
    return point.difference(point._operation(operation, [*values[:place], moved, *values[place + 1 :]]), step)


_DERIVATIVES = {
    "cotangent": _cotangent,
    "tangent": _tangent,
    "pullback": _pullback,
    "gradient": _gradient,
    "read-gradient": _gradient,
    "slope": _slope,
    "partial": _partial,
}

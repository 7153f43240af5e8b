"""What terms are worth on random data, derivatives by definition: no rule has a say in it.

>>> from fractions import Fraction
>>> terms = Terms({"i": "n"})
>>> x = terms.put("variable", ("x", ("i",)))
>>> values = Values(terms)
>>> values.differ(terms.put("contract", frozenset(), x, x), terms.put("power", Fraction(2), x)) < 1e-15
True
>>> values.differ(terms.put("scale", Fraction(3), x), x) > 0.1
True
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from tensorgrad_eg.assume import Fact
from tensorgrad_eg.explain.terms import Direction, Terms, renaming
from tensorgrad_eg.expr import arrays
from tensorgrad_eg.expr.arrays import Numpy
from tensorgrad_eg.expr.operations import ENode
from tensorgrad_eg.expr.walk import parts_first
from tensorgrad_eg.verify.evaluate import Draw, edge_sizes
from tensorgrad_eg.verify.slopes import jacobian, slope, tangent
from tensorgrad_eg.verify.tape import Node, Tape

#: Points with numbers of both signs, and with positive ones.
_SIGNED, _POSITIVE = (0, 1), (2, 3)
#: Two terms are equal if they differ by less than this, relative to the larger.
TOLERANCE = 1e-6
#: Sizes of edges differ from symbol to symbol, as long as a tensor of all edges that meet in a term has at
#: most so many elements.
_ROOM = 2000
#: Integers up to this are the sizes that they are: what counts such an edge has been worked out.
_SMALL = 8
#: A tensor with more elements than this is not computed.
_LARGEST = 1 << 21


class Values:
    """The values of terms at some points, and how far two terms are apart."""

    def __init__(self, terms: Terms, seed: int = 0, facts: tuple[Fact, ...] = ()) -> None:
        """Points at which the facts are true; each is drawn when it is needed."""
        self.terms, self.seed, self.facts = terms, seed, facts
        self.points: dict[int, Point] = {}

    def differ(self, one: int, other: int) -> float:
        """The relative difference of two terms; NaN if they have no values that could be compared.

        It is infinite where only one of them is finite. It is the largest at two points with numbers of both
        signs or, where no logarithm exists there, with positive numbers. Where a divisor is always zero,
        as in Σ_ij (x_i - x_j)/(x_i - x_j), it is the difference for any other divisor in its place.
        """
        if one == other:
            return 0.0
        apart = math.nan
        for points in (_SIGNED, _POSITIVE):
            found = [self._point(n).differ(one, other) for n in points]
            finite = [gap for gap in found if math.isfinite(gap)]
            if finite:
                return max(finite)
            apart = math.inf if math.inf in found else apart
        return self._elsewhere(one, other) if apart == math.inf else apart

    def _elsewhere(self, one: int, other: int) -> float:
        """How far terms are apart if what is zero, and divides, is replaced by something that is not."""
        zeros = self._point(_SIGNED[0]).zero_divisors(one, other)
        if not zeros:
            return math.inf
        point = Point(self.terms, Draw(self.seed, 0, self.facts))
        point.replace(zeros)
        return point.differ(one, other)

    def equal(self, one: int, other: int) -> bool:
        """Whether two terms are worth the same."""
        return self.differ(one, other) < TOLERANCE

    def _point(self, n: int) -> Point:
        if n not in self.points:
            self.points[n] = Point(self.terms, Draw(self.seed + n, int(n in _POSITIVE), self.facts), turn=n)
        return self.points[n]


class Point:
    """Terms on a tape, for one draw of data."""

    def __init__(self, terms: Terms, draw: Draw, turn: int = 0) -> None:
        """No values yet; points of different turns have different sizes."""
        self.terms, self.draw, self.turn = terms, draw, turn
        self.tape = Tape()
        self.nodes: dict[int, Node] = {}
        self._sizes: dict[str, int] = {}
        self._numbers = _numbers(terms, turn)

    @property
    def sizes(self) -> Mapping[str, int]:
        """A small size for every label; labels of one symbol have one size."""
        if len(self._sizes) != len(self.terms.symbols):
            self._sizes = {edge: self._numbers.get(str(s), 2) for edge, s in self.terms.symbols.items()}
        return self._sizes

    def differ(self, one: int, other: int) -> float:
        """The largest difference of entries that are finite in both, relative to the largest of these.

        There is none where rounding explains it: a result that is zero by cancellation has no digits that
        could agree.
        """
        try:
            left, right = self.node(one), self.node(other)
            nodes = [self.tape.spread(side, {**left.shape, **right.shape}) for side in (left, right)]
            if self.tape.largest(nodes) > _LARGEST:
                return math.nan
        except OverflowError:
            return math.nan
        a, b = self.tape.values(nodes)
        both = np.isfinite(a) & np.isfinite(b)
        if not both.any():
            return math.inf if (np.isfinite(a) != np.isfinite(b)).any() else math.nan
        gap, size = np.abs(a[both] - b[both]), max(float(np.abs(side[both]).max()) for side in (a, b))
        apart = float(gap.max()) / size if size else 0.0
        if apart > TOLERANCE:
            doubt = np.sum(self.tape.rounding(nodes), axis=0)[both]
            return apart if (gap > doubt).any() else 0.0
        return apart

    def zero_divisors(self, *roots: int) -> list[int]:
        """The parts of terms that something is divided by, and that have entries which are zero."""
        powers = [self.terms.node(at) for at in self._within(roots)]
        bases = {node.children[0] for node in powers if node.op == "power" and node.number < 0}
        return sorted(base for base in bases if not self.tape.values([self.node(base)])[0].all())

    def _within(self, roots: Iterable[int]) -> set[int]:
        """Terms and all their parts, those of what is differentiated too."""
        found, stack = set[int](), list(roots)
        while stack:
            at = stack.pop()
            if at not in found:
                found.add(at)
                node = self.terms.node(at)
                stack.extend(node.children)
                if node.op in ("cotangent", "pullback", "gradient", "read-gradient"):
                    stack.append(self.direction(node).root)
        return found

    def replace(self, parts: Iterable[int]) -> None:
        """Lets parts of terms be independent tensors of random numbers."""
        for at in parts:
            shape = {edge: self.sizes[edge] for edge in sorted(self.terms.free(at))}
            self.nodes[at] = self.tape.array(shape, self.draw.array(f"+{at}", tuple(shape.values())))

    def node(self, at: int) -> Node:
        """A term on the tape.

        Raises:
            OverflowError: if it is too large to compute.
        """
        for one in sorted(parts_first([at], self._parts, self.nodes)):
            self.nodes[one] = self._recorded(one)
        return self.nodes[at]

    def _parts(self, at: int) -> Sequence[int]:
        """What has to be on the tape for a term; derivatives find their parts themselves."""
        node = self.terms.node(at)
        return () if node.op in _DERIVATIVES else node.children

    def _recorded(self, at: int) -> Node:
        node = self.terms.node(at)
        shape = {edge: self.sizes[edge] for edge in sorted(self.terms.free(at))}
        if math.prod(shape.values()) > _LARGEST:
            raise OverflowError
        if node.op in _DERIVATIVES:
            found = _DERIVATIVES[node.op](self, node) or self.tape.array({}, np.array(0.0))
        else:
            found = self.operation(node, [self.nodes[c] for c in node.children])
        return self.tape.spread(found, {**shape, **found.shape, **shape})

    def operation(self, node: ENode, kids: Sequence[Node]) -> Node:
        """An operation on other tensors than it reads."""
        match node.op:
            case "variable":
                array = self.draw.array(node.name, tuple(self.sizes[axis] for axis in node.axes))
                value = arrays.read(Numpy(np.float64), array, node.axes)
                return self.tape.array({edge: self.sizes[edge] for edge in value.edges}, value.array)
            case "extent":
                return self.tape.array({}, np.array(self._extent(node.name), float))
            case "rename":
                return self._read(kids[0], renaming(node.payload))
        return self.tape.operation(node, kids, self.sizes)

    def _extent(self, symbol: str) -> int:
        found = (self.sizes[e] for e, s in sorted(self.terms.symbols.items()) if str(s) == symbol)
        return next(found, int(symbol) if symbol.isdigit() else 1)

    def _read(self, tensor: Node, names: Mapping[str, str]) -> Node:
        """The tensor under other names; where two edges get one name, its diagonal."""
        new: dict[str, str] = {}
        diagonals: list[tuple[str, str]] = []
        for edge in tensor.shape:
            name = names.get(edge, edge)
            new[edge] = f"{name}+{edge}" if name in new.values() else name
            if new[edge] != name:
                diagonals.append((new[edge], name))
        tensor = self.tape.relabel(new, tensor)
        for aside, name in diagonals:
            tensor = self.tape.contract([aside], tensor, self.identity([(aside, name)], tensor.shape))
        return tensor

    def identity(self, pairs: Iterable[tuple[str, str]], sizes: Mapping[str, int]) -> Node:
        """The product of δ over pairs of edges, of which `sizes` has the first."""
        found = self.tape.array({}, np.array(1.0))
        for edge, other in pairs:
            eye = self.tape.array({edge: sizes[edge], other: sizes[edge]}, np.eye(sizes[edge]))
            found = self.tape.contract([], found, eye)
        return found

    def direction(self, node: ENode) -> Direction:
        """What the direction of a symbol means."""
        return self.terms.directions[node.name]

    def varied(self, root: int, moves: Mapping[int, Node]) -> Node | None:
        """How a term changes when others move; nothing, if it does not."""
        whole = {at: {**self.node(at).shape, **move.shape} for at, move in moves.items()}
        spread = {self.node(at).number: self.tape.spread(move, whole[at]) for at, move in moves.items()}
        return tangent(self.tape, self.node(root), spread)


def _cotangent(point: Point, node: ENode) -> Node | None:
    by = point.node(node.children[0])
    return jacobian(point.tape, point.node(point.direction(node).root), by, by.shape)


def _tangent(point: Point, node: ENode) -> Node | None:
    moves = {source: point.node(seed) for source, seed in point.direction(node).seeds}
    return point.varied(node.children[0], moves)


def _pullback(point: Point, node: ENode) -> Node | None:
    """Σ_e ∂root/∂e ∂e/∂a, where e is the one operation alone and the other parts of it stay."""
    by, reader = map(point.node, node.children)
    kids = [point.node(c) for c in point.terms.node(node.children[1]).children]
    aside = [f"+{edge}" for edge in reader.shape]
    outer = jacobian(point.tape, point.node(point.direction(node).root), reader, aside)
    local = jacobian(point.tape, reader, by, [f"*{edge}" for edge in by.shape], {kid.number for kid in kids})
    if outer is None or local is None:
        return None
    local = point.tape.relabel(dict(zip(reader.shape, aside, strict=True)), local)
    product = point.tape.contract(aside, outer, local)
    return point.tape.relabel({f"*{edge}": edge for edge in by.shape}, product)


def _gradient(point: Point, node: ENode) -> Node | None:
    axes, moves = node.axes, {}
    for read in node.children:
        pairs = zip(point.terms.node(read).axes, [f"*{axis}" for axis in axes], strict=True)
        moves[read] = point.identity(pairs, point.sizes)
    found = point.varied(point.direction(node).root, moves)
    return found and point.tape.relabel({f"*{axis}": axis for axis in axes}, found)


def _slope(point: Point, node: ENode) -> Node | None:
    """f'(a), entry by entry."""
    return slope(point.tape, point.tape.apply("apply", node.name, point.node(node.children[0])), 0)


def _partial(point: Point, node: ENode) -> Node | None:
    """∂e/∂a of what an operation reads in one place, entry by entry."""
    operation = point.terms.node(node.children[0])
    e = point.operation(operation, [point.node(c) for c in operation.children])
    return slope(point.tape, e, int(node.name) - 1)


_DERIVATIVES: Mapping[str, Callable[[Point, ENode], Node | None]] = {
    "cotangent": _cotangent,
    "tangent": _tangent,
    "pullback": _pullback,
    "gradient": _gradient,
    "read-gradient": _gradient,
    "slope": _slope,
    "partial": _partial,
}


def _numbers(terms: Terms, turn: int) -> dict[str, int]:
    """A small size for every symbol."""
    meet = {
        frozenset().union(*(terms.free(c) for c in node.children)) | free
        for node, free in zip(terms.dag.nodes, terms.dag.free, strict=True)
    }
    sizes = edge_sizes(terms.symbols, meet, _ROOM, turn, _SMALL)
    return {str(symbol): sizes[edge] for edge, symbol in terms.symbols.items()}

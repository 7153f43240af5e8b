"""The e-graph with prices: groups of classes that are one tensor, and what each way to compute them costs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from heapq import heappop, heappush
from operator import itemgetter

from tensorgrad_eg.egraph import Snapshot
from tensorgrad_eg.errors import LostTermError
from tensorgrad_eg.expr.operations import ENode
from tensorgrad_eg.extract.alias import Alias, aliases
from tensorgrad_eg.extract.readings import Reading, Readings
from tensorgrad_eg.program.cost import flops


def prune(priced: Priced, roots: Sequence[int], upper: int) -> dict[int, list[int]]:
    """The ways that may still be in a program cheaper than `upper`, by group; only what the roots can need.

    A way is dominated if another of its group costs no more and reads a subset of what it reads. It is over
    bound if what it costs at the very least, with the dearest single chain below it, is more than the whole
    program known.

    Example:
        >>> from tensorgrad_eg.egraph import Snapshot
        >>> from tensorgrad_eg.expr.operations import ENode
        >>> from tensorgrad_eg.extract import price
        >>> s = Snapshot({0: [ENode("variable", ("x", ("i",)))]}, {0: frozenset("i")}, {"e": 0}, {"i": "n"})
        >>> prune(price(s, {"n": 7}), [0], 1)
        {0: [0]}
    """
    kept = {group: _undominated(own) for group, own in priced.options.items()}
    least = _least(priced, kept)
    below: dict[int, list[int]] = {}
    stack = list(roots)
    while stack:
        at = stack.pop()
        if at in below:
            continue
        below[at] = [w for w in kept[at] if _bound(priced, w, least) <= upper]
        stack.extend(c for w in below[at] for c in priced.ways[w].children)
    return dict(sorted(below.items()))


def _undominated(own: Sequence[Option]) -> list[int]:
    kept: list[tuple[int, frozenset[int]]] = []
    for _, way, children in sorted(own, key=lambda one: (one[0], len(one[2]), one[1])):
        reads = frozenset(children)
        if not any(fewer <= reads for _, fewer in kept):
            kept.append((way, reads))
    return sorted(way for way, _ in kept)


def _least(priced: Priced, kept: dict[int, list[int]]) -> dict[int, int]:
    """A lower bound of what each group costs: its cheapest way with the dearest of its children.

    Groups are settled once, the cheapest first (Knuth 1977): a way is as dear as the last child it waits for.
    """
    owner: dict[int, int] = {}
    missing: dict[int, int] = {}
    waiting: dict[int, list[int]] = {}
    queue: list[tuple[int, int]] = []
    for group, ways in kept.items():
        for way in ways:
            owner[way], missing[way] = group, len(priced.reads[way])
            if not missing[way]:
                heappush(queue, (priced.units[way], way))
            for child in priced.reads[way]:
                waiting.setdefault(child, []).append(way)
    least: dict[int, int] = {}
    while queue:
        bound, way = heappop(queue)
        if owner[way] in least:
            continue
        least[owner[way]] = bound
        for reader in waiting.get(owner[way], ()):
            missing[reader] -= 1
            if not missing[reader]:
                heappush(queue, (priced.units[reader] + bound, reader))
    return least


def _bound(priced: Priced, way: int, least: dict[int, int]) -> float:
    return priced.units[way] + max((least.get(child, math.inf) for child in priced.reads[way]), default=0)


#: Prices are counted in thousandths of a flop, and each node counts one: of equal programs the shorter one
#: is taken, and choices have no cycles.
UNIT = 1000
#: A way of a group: its price, its number, and the groups it reads.
Option = tuple[int, int, tuple[int, ...]]
_FREE = frozenset({"variable", "delta", "number", "constant", "extent"})


@dataclass(frozen=True)
class Way:
    """One way to compute a group: a node of one of its classes, and how that reads its children."""

    at: int
    node: ENode
    children: tuple[int, ...]
    readings: tuple[Reading, ...]


@dataclass
class Priced:
    """The ways of every group and what each costs by itself, sorted by group.

    `group` has the group of each way, `units` its price in thousandths of a flop: whole numbers, so that
    sums are exact however large they are, and the price of a step is never lost in them.
    """

    snapshot: Snapshot
    alias: dict[int, Alias]
    sizes: dict[str, int]
    ways: list[Way] = field(default_factory=list)
    group: list[int] = field(default_factory=list)
    units: list[int] = field(default_factory=list)
    constant: frozenset[int] = frozenset()
    #: Prices of nodes by what they do and the edges they read and have: many nodes have the same.
    known: dict[tuple[object, ...], int] = field(default_factory=dict)

    @cached_property
    def terms(self) -> Readings:
        """How sums may read their terms."""
        return Readings(self.snapshot, self.alias)

    @cached_property
    def reads(self) -> list[tuple[int, ...]]:
        """What each way reads, each group once."""
        return [tuple(dict.fromkeys(way.children)) for way in self.ways]

    @cached_property
    def options(self) -> dict[int, list[Option]]:
        """The ways of each group, the cheapest first: price, number, what it reads."""
        found: dict[int, list[Option]] = {}
        for number, (group, units, reads) in enumerate(zip(self.group, self.units, self.reads, strict=True)):
            found.setdefault(group, []).append((units, number, reads))
        for own in found.values():
            own.sort(key=itemgetter(0, 1))
        return found

    @property
    def settled(self) -> bool:
        """Whether there is one way to compute each group, and nothing to choose."""
        return len(self.options) == len(self.ways)

    def flops(self, ways: Iterable[int]) -> int:
        """What ways cost together."""
        return sum(self.units[way] // UNIT for way in ways)

    def root(self, name: str) -> int:
        """The group of a named class."""
        found = self.alias.get(self.snapshot.roots[name])
        if found is None:
            raise LostTermError.of()
        return found.group


def price(snapshot: Snapshot, sizes: Mapping[str, int], alias: dict[int, Alias] | None = None) -> Priced:
    """Prices an e-graph for these sizes of its size symbols.

    Example:
        >>> from tensorgrad_eg.expr.operations import ENode
        >>> x = [ENode("variable", ("x", ("i",)))]
        >>> free = {0: frozenset("i"), 1: frozenset("i")}
        >>> exp = [ENode("apply", "exp", (0,))]
        >>> s = Snapshot({0: x, 1: exp}, free, {"e": 1}, {"i": "n"})
        >>> [units // UNIT for units in price(s, {"n": 7}).units]
        [0, 7]
    """
    alias = aliases(snapshot) if alias is None else alias
    priced = Priced(snapshot, alias, edge_sizes(snapshot, sizes))
    priced.constant = _constants(snapshot, alias)
    rows: dict[tuple[int, tuple[int, ...]], tuple[int, Way]] = {}
    for at, nodes in snapshot.nodes.items():
        if at not in alias:
            continue
        for node in nodes:
            for way, cost in _ways(priced, at, node):
                key = (alias[at].group, tuple(sorted(way.children)))
                if alias[at].group in way.children or (key in rows and rows[key][0] <= cost):
                    continue
                rows[key] = (cost, way)
    ordered = sorted(rows.items(), key=lambda row: (row[0][0], row[1][0], row[0][1]))
    priced.ways = [way for _, (_, way) in ordered]
    priced.group = [group for (group, _), _ in ordered]
    priced.units = [cost for _, (cost, _) in ordered]
    return priced


def edge_sizes(snapshot: Snapshot, sizes: Mapping[str, int]) -> dict[str, int]:
    """The number of every edge of an e-graph.

    Example:
        >>> edge_sizes(Snapshot({}, {}, {}, {"i": "n", "k": 5}), {"n": 3})
        {'i': 3, 'k': 5}
    """
    return {
        edge: symbol if isinstance(symbol, int) else sizes.get(symbol, 1)
        for edge, symbol in snapshot.symbols.items()
    }


def _constants(snapshot: Snapshot, alias: dict[int, Alias]) -> frozenset[int]:
    """Classes without edges that are built from numbers alone: folded when the program is written."""
    found: set[int] = set()
    grown = True
    while grown:
        grown = False
        for at, nodes in snapshot.nodes.items():
            if at in found or at not in alias or snapshot.free[at]:
                continue
            if any(n.op in ("number", "constant", "extent") or _folds(n, found) for n in nodes):
                found.add(at)
                grown = True
    return frozenset(found)


def _folds(node: ENode, constants: set[int]) -> bool:
    arithmetic = node.op in ("scale", "power", "add", "apply") or (node.op == "contract" and not node.payload)
    return arithmetic and all(c in constants for c in node.children)


def _ways(priced: Priced, at: int, node: ENode) -> list[tuple[Way, int]]:
    snapshot, alias = priced.snapshot, priced.alias
    if any(c not in alias for c in node.children) or not snapshot.exact(at, node):
        return []
    if (
        at in priced.constant
        and node.op not in _FREE
        and not all(c in priced.constant for c in node.children)
    ):
        return []
    plain = Way(at, node, tuple(alias[c].group for c in node.children), tuple(map(Reading, node.children)))
    twice = node.op == "add" and len(set(plain.children)) < len(plain.children)  # rather 2 t than t + t
    price = UNIT * _node_price(priced, at, node) + 1
    ways = [(plain, price + twice)]
    if node.op == "add" and at not in priced.constant:
        for read in priced.terms.of(node):
            kids = tuple([alias[one.at].group for one in read if one.at is not None])
            placed = any(one.pairs for one in read)
            cost = UNIT * _sum_price(priced, at, read) + 1 if placed else price
            ways.append((Way(at, node, kids, read), cost))
    return ways


def _sum_price(priced: Priced, at: int, read: Sequence[Reading]) -> int:
    """The flops of a sum with terms on diagonals."""
    free = priced.snapshot.free
    edges = [free[at] if one.at is None else free[one.at] for one in read]
    factors = [Fraction(1) if one.at is None else one.factor for one in read]
    return flops("add", edges, free[at], (), priced.sizes, factors, [one.pairs for one in read])


def _node_price(priced: Priced, at: int, node: ENode) -> int:
    """The flops of one node, in opt_einsum's unit."""
    if node.op in _FREE or node.op == "rename" or at in priced.constant:
        return 0
    if node.op == "contract" and priced.terms.identity(at, node):
        return 0
    snapshot = priced.snapshot
    over = node.over
    reads = [snapshot.free[c] for c in node.children]
    key = (node.op, snapshot.free[at], over, *reads)
    found = priced.known.get(key)
    if found is None:
        found = flops(node.op, reads, snapshot.free[at], over, priced.sizes, (1,) * len(reads))
        priced.known[key] = found
    return found

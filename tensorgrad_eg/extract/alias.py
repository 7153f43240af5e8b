"""Tensors that are one tensor read under other edge names.

Two classes whose terms differ by the names of edges and the order of terms alone (a layer's activations read
at b,i and at b,j; the left and the right environment of a norm) need to be computed once. The rules have
made equal whatever is in one class; so two classes are one tensor as soon as any node of one is any node of
the other, up to names and up to what is one tensor below. No rule is stated here, and nothing is evaluated.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from tensorgrad_eg.egraph import Snapshot, smallest
from tensorgrad_eg.expr.operations import ENode
from tensorgrad_eg.extract.closure import LEAF, Closure, Node, Read, kind
from tensorgrad_eg.running import Deadline

#: How many classes are stated between two looks at the clock.
_STATED = 50


@dataclass(frozen=True)
class Alias:
    """A class as a reading of its group's tensor: `axes[n]` is this class's name of the n-th axis."""

    group: int
    axes: tuple[str, ...]


def aliases(snapshot: Snapshot, closure: Closure | None = None) -> dict[int, Alias]:
    """For every class that stands for something, its group and the names it gives to the group's axes.

    Example:
        >>> x = [[ENode("variable", ("x", (edge,)))] for edge in "ij"]
        >>> free = {0: frozenset("i"), 1: frozenset("j")}
        >>> s = Snapshot({0: x[0], 1: x[1]}, free, {}, {"i": "n", "j": "n"})
        >>> aliases(s)
        {0: Alias(group=0, axes=('i',)), 1: Alias(group=0, axes=('j',))}
    """
    closure = closure or closed(snapshot)
    first: dict[int, tuple[int, dict[int, int]]] = {}
    found: dict[int, Alias] = {}
    for at in sorted(closure.place):
        group, order = closure.place[at]
        if group not in first:
            first[group] = at, {axis: n for n, axis in enumerate(order)}
        one, places = first[group]
        names = sorted(snapshot.free[at])
        readings = (
            tuple([names[order[turn[places[n]]]] for n in range(len(names))])
            for turn in closure.symmetries.get(group, [tuple(range(len(names)))])
        )
        found[at] = Alias(one, min(readings))
    return found


def class_symmetries(snapshot: Snapshot) -> dict[int, frozenset[tuple[str, str]]]:
    """For every class of an e-graph the pairs of edges in which it is symmetric.

    Example:
        >>> leaves = [[ENode("variable", ("x", (edge,)))] for edge in "ij"]
        >>> nodes = dict(enumerate([*leaves, [ENode("contract", frozenset(), (0, 1))]]))
        >>> free = {0: frozenset("i"), 1: frozenset("j"), 2: frozenset("ij")}
        >>> class_symmetries(Snapshot(nodes, free, {}, {"i": "n", "j": "n"}))
        {2: frozenset({('i', 'j')})}
    """
    closure = closed(snapshot)
    found = {}
    for at in sorted(closure.place):
        names = sorted(snapshot.free[at])
        same = [(names[a], names[b]) for a, b in closure.pairs(at)]
        if same:
            found[at] = frozenset(same)
    return found


def class_orders(snapshot: Snapshot, closure: Closure | None = None) -> dict[int, list[tuple[str, ...]]]:
    """For every symmetric class the orders in which its edges, sorted, may be read.

    Example:
        >>> leaves = [[ENode("variable", ("x", (edge,)))] for edge in "ij"]
        >>> nodes = dict(enumerate([*leaves, [ENode("contract", frozenset(), (0, 1))]]))
        >>> free = {0: frozenset("i"), 1: frozenset("j"), 2: frozenset("ij")}
        >>> class_orders(Snapshot(nodes, free, {}, {"i": "n", "j": "n"}))
        {2: [('i', 'j'), ('j', 'i')]}
    """
    closure = closure or closed(snapshot)
    found = {}
    for at in sorted(closure.place):
        names = sorted(snapshot.free[at])
        orders = closure.orders(at)
        if orders:
            found[at] = [tuple([names[n] for n in order]) for order in orders]
    return found


def closed(snapshot: Snapshot, deadline: Deadline | None = None) -> Closure:
    """The classes that stand for something, put together where they are one tensor.

    When the time is up, what has not been looked at stays apart.

    Example:
        >>> closed(Snapshot({0: [ENode("extent", "n")]}, {0: frozenset()}, {"e": 0})).place
        {0: (0, ())}
    """
    work = _Statement(snapshot)
    choice = smallest(snapshot)
    for at in choice:
        work.closure.tensor(at, len(work.names[at]))
    for number, at in enumerate(choice):  # those with small terms come first
        if deadline and number % _STATED == 0 and deadline.over:
            break
        for node in _different(snapshot.nodes[at]):
            if all([c in choice for c in node.children]):
                work.state(at, node)
    work.closure.run(deadline)
    return work.closure


def _different(nodes: Iterable[ENode]) -> list[ENode]:
    """The nodes without those that differ from another by the order of what they read."""
    found: dict[tuple[object, ...], ENode] = {}
    for node in nodes:
        found.setdefault((node.op, node.payload, tuple(sorted(node.children))), node)
    return list(found.values())


class _Statement:
    """States the nodes of an e-graph."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.closure = Closure()
        self.symbols = snapshot.symbols
        self.names = {at: tuple(sorted(free)) for at, free in snapshot.free.items()}
        self.kinds: dict[tuple[bool, bool, str], str] = {}

    def state(self, at: int, node: ENode) -> None:
        """States one node of a class."""
        names = self.names[at]
        over = node.payload if isinstance(node.payload, frozenset) else frozenset[str]()
        tag, reads = self._parts(node)
        edges = over.union(*[own for _, own in reads])
        if not edges.issuperset(names):
            return  # a bound that is loose: which axis of the node a name stands for is not known
        if node.op == "rename" and tuple(sorted(reads[0][1])) == names:
            child, own = reads[0]
            self.closure.same(at, range(len(names)), child, [own.index(name) for name in names])
            return
        kinds = {edge: self._kind(edge in over, edge in names, edge) for edge in sorted(edges)}
        self.closure.add(Node(at, names, tag, reads, kinds))

    def _kind(self, over: bool, free: bool, edge: str) -> str:
        key = over, free, edge
        if key not in self.kinds:
            self.kinds[key] = kind(over, free, self.symbols.get(edge, edge))
        return self.kinds[key]

    def _parts(self, node: ENode) -> tuple[Hashable, tuple[Read, ...]]:
        """What a node does but for its edges, and what it reads under which names."""
        payload = node.payload
        reads = tuple([(child, self.names[child]) for child in node.children])
        if isinstance(payload, frozenset):
            return node.op, reads
        if node.op == "variable" and isinstance(payload, tuple):
            return (node.op, payload[0]), ((LEAF, tuple(payload[1])),)
        if node.op == "delta" and isinstance(payload, tuple):
            return node.op, tuple([(LEAF, (str(edge),)) for edge in payload])
        if node.op == "rename" and isinstance(payload, tuple):
            child, names = reads[0]
            new = str(payload[1])
            return node.op, ((child, tuple([new if name == payload[0] else name for name in names])),)
        return (node.op, payload), reads

"""Tensors that are one tensor read under other edge names.

Two classes whose terms differ by the names of edges and the order of terms alone (a layer's activations read
at b,i and at b,j; the left and the right environment of a norm) need to be computed once. The rules have
made equal whatever is in one class; so two classes are one tensor as soon as any node of one is any node of
the other, up to names and up to what is one tensor below. No rule is stated here, and nothing is evaluated.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from tensorgrad_eg.egraph import Snapshot, smallest
from tensorgrad_eg.expr.operations import OPERATIONS, ENode
from tensorgrad_eg.extract.closure import FUNCTION, LEAF, PRODUCT, SUM, Closure, Node, Read, kind
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


def signed(snapshot: Snapshot, closure: Closure) -> dict[int, tuple[Alias, int]]:
    """For every class its alias, and the sign with which it is one; 0 for what is its own negative.

    Example:
        >>> x = [[ENode("variable", ("x", ("i",)))], [ENode("scale", Fraction(-1), (0,))]]
        >>> s = Snapshot(dict(enumerate(x)), dict.fromkeys((0, 1), frozenset("i")), {}, {"i": "n"})
        >>> signed(s, closed(s, signed=True))
        {0: (Alias(group=0, axes=('i',)), 1), 1: (Alias(group=0, axes=('i',)), -1)}
    """
    found = {}
    for at in sorted(closure.place):
        group, order = closure.place[at]
        names = [sorted(snapshot.free[at])[n] for n in order]
        turns = closure.turns.get(group, {tuple(range(len(names))): 1})
        axes, sign = min((tuple([names[n] for n in turn]), sign) for turn, sign in turns.items())
        whole = 0 if group in closure.zeros else sign * closure.signs.get(at, 1)
        found[at] = Alias(group, axes), whole
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


#: What an operation does with the signs of what it reads, if it does not keep them.
_SIGNS = {"contract": PRODUCT, "reduce": PRODUCT, "rename": PRODUCT, "scale": PRODUCT, "add": SUM}


def closed(snapshot: Snapshot, deadline: Deadline | None = None, signed: bool = False) -> Closure:
    """The classes that stand for something, put together where they are one tensor.

    When the time is up, what has not been looked at stays apart. If it is `signed`, what differs by its sign
    is put together as well.

    Example:
        >>> closed(Snapshot({0: [ENode("extent", "n")]}, {0: frozenset()}, {"e": 0})).place
        {0: (0, ())}
    """
    work = _Statement(snapshot, signed)
    choice = smallest(snapshot)
    for at in choice:
        work.closure.tensor(at, len(work.names[at]))
    for number, at in enumerate(choice):  # those with small terms come first
        if deadline and number % _STATED == 0 and deadline.over:
            break
        for node in _different(snapshot.nodes[at]):
            if all([c in choice for c in node.children]):
                work.state(at, node)
        if signed:
            work.product(at, choice)
    work.closure.run(deadline)
    return work.closure


def _different(nodes: Iterable[ENode]) -> list[ENode]:
    """The nodes without those that differ from another by the order of what they read."""
    found: dict[tuple[object, ...], ENode] = {}
    for node in nodes:
        found.setdefault((node.op, node.payload, tuple(sorted(node.children))), node)
    return list(found.values())


#: Longer products are only compared as they are multiplied.
_FACTORS = 8


def flat(
    at: int, nodes: Mapping[int, ENode], names: Mapping[int, tuple[str, ...]]
) -> tuple[list[Read], dict[str, str], Fraction]:
    """The factors of a product, its bound edges, each with another name, and the number before it.

    Example:
        >>> nodes = dict(enumerate([ENode("number", 2), ENode("scale", Fraction(3), (0,))]))
        >>> flat(1, nodes, {0: (), 1: ()})
        ([(0, ())], {}, Fraction(3, 1))
    """
    reads: list[Read] = []
    bound: dict[str, str] = {}
    number = Fraction(1)
    stack: list[tuple[int, Mapping[str, str]]] = [(at, {})]
    while stack:
        here, called = stack.pop()
        node = nodes[here]
        if (
            node.op == "rename"
            and isinstance(node.payload, tuple)
            and node.payload[1] not in names[node.children[0]]
        ):
            old, new = map(str, node.payload)
            stack.append((node.children[0], {**called, old: called.get(new, new)}))
        elif node.op in ("contract", "reduce") and len(reads) <= _FACTORS:
            inside = dict(called)
            for edge in sorted(node.over):
                inside[edge] = f"{edge} {len(bound)}"
                bound[inside[edge]] = edge
            stack.extend((child, inside) for child in reversed(node.children))
        elif node.op == "scale" and node.number:
            number *= node.number
            stack.append((node.children[0], called))
        else:
            reads.append((here, tuple([called.get(edge, edge) for edge in names[here]])))
    return reads, bound, number


def exchanges(snapshot: Snapshot, closure: Closure) -> dict[str, dict[tuple[int, ...], int]]:
    """For variables in which axes may be exchanged the orders of their axes, each with the sign it gives.

    Example:
        >>> nodes = {0: [ENode("variable", ("x", (i, j))) for i, j in ("ij", "ji")]}
        >>> s = Snapshot(nodes, {0: frozenset("ij")}, {}, {"i": "n", "j": "n"})
        >>> exchanges(s, closed(s))
        {'x': {(0, 1): 1, (1, 0): 1}}
    """
    found: dict[str, dict[tuple[int, ...], int]] = {}
    for at in sorted(closure.place):
        group, order = closure.place[at]
        turns = closure.turns.get(group, {})
        for node in snapshot.nodes[at] if turns else ():
            if node.op == "variable" and len(set(node.axes)) == len(node.axes) == len(order):
                names = sorted(snapshot.free[at])
                back = [order.index(names.index(axis)) for axis in node.axes]
                orders = {
                    tuple([node.axes.index(names[order[turn[n]]]) for n in back]): sign
                    for turn, sign in turns.items()
                }
                found.setdefault(node.name, {}).update(sorted(orders.items()))
    return found


class _Statement:
    """States the nodes of an e-graph."""

    def __init__(self, snapshot: Snapshot, signed: bool = False) -> None:
        self.closure, self.signed = Closure(), signed
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
        sign, how = 1, FUNCTION
        if self.signed:
            how = _SIGNS.get(node.op, FUNCTION)
            if node.op == "scale" and node.number < 0:
                sign, tag = -1, ("scale", -node.number)
            if node.op == "scale" and node.number == -1:
                self.closure.same(at, range(len(names)), node.children[0], range(len(names)), -1)
                return
        ordered = OPERATIONS[node.op].ordered
        self.closure.add(Node(at, names, tag, reads, kinds, sign, how, ordered))

    def product(self, at: int, choice: Mapping[int, ENode]) -> None:
        """States a class as a product of any number of factors, in whatever order they are multiplied."""
        reads, bound, number = flat(at, choice, self.names)
        names = self.names[at]
        edges = set(bound).union(*[own for _, own in reads])
        if 2 < len(reads) <= _FACTORS and edges.issuperset(names):
            kinds = {e: self._kind(e in bound, e in names, bound.get(e, e)) for e in sorted(edges)}
            tag, sign = ("product", abs(number)), 1 if number > 0 else -1
            self.closure.add(Node(at, names, tag, tuple(reads), kinds, sign, PRODUCT))

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
        if node.op == "solve":
            return node.op, (*reads, (LEAF, node.pair))
        return (node.op, payload), reads

"""Terms: programs as directed acyclic graphs of e-nodes, each stored once, and e-graphs as plain Python."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np

from tensorgrad_eg.errors import LostTermError
from tensorgrad_eg.expr.arrays import POINTWISE, Labelled, Numpy
from tensorgrad_eg.expr.operations import OPERATIONS, ENode, Payload

#: Powers up to this one are worked out exactly.
_EXACT = 64


class Dag:
    """A program of e-nodes in which equal nodes are one; children come before parents.

    Example:
        >>> dag = Dag()
        >>> x = dag.put("variable", ("x", ("i",)))
        >>> dag.put("variable", ("x", ("i",))) == x, dag.free[x]
        (True, frozenset({'i'}))
    """

    def __init__(self) -> None:
        """An empty program."""
        self.nodes: list[ENode] = []
        self.free: list[frozenset[str]] = []
        self.roots: dict[str, int] = {}
        self._ids: dict[ENode, int] = {}

    def put(
        self, op: str, payload: Payload = None, *children: int, free: frozenset[str] | None = None
    ) -> int:
        """The number of the node, new or known.

        `free` may tighten the bound on the edges it depends on.

        Example:
            >>> from fractions import Fraction
            >>> Dag().put("number", Fraction(1))
            0
        """
        node = ENode(op, payload, tuple(sorted(children)) if op == "add" else children)
        if node not in self._ids:
            self._ids[node] = len(self.nodes)
            self.nodes.append(node)
            self.free.append(
                free_edges(node, [self.free[c] for c in node.children]) if free is None else free
            )
        return self._ids[node]

    def copy(self) -> Dag:
        """The same program, which may grow and have other roots.

        Example:
            >>> dag = Dag()
            >>> dag.copy().put("extent", "n"), dag.nodes
            (0, [])
        """
        other = Dag()
        other.nodes, other.free = list(self.nodes), list(self.free)
        other.roots, other._ids = dict(self.roots), dict(self._ids)
        return other

    def reachable(self, roots: Iterable[int]) -> list[int]:
        """The nodes that the roots read, in order (children first).

        Example:
            >>> from fractions import Fraction
            >>> dag = Dag()
            >>> one = dag.put("number", Fraction(1))
            >>> dag.reachable([dag.put("scale", Fraction(2), one)])
            [0, 1]
        """
        seen: set[int] = set()
        stack = list(roots)
        while stack:
            at = stack.pop()
            if at not in seen:
                seen.add(at)
                stack.extend(self.nodes[at].children)
        return sorted(seen)

    def part(self, roots: Mapping[str, int]) -> Dag:
        """The program of these roots alone.

        Example:
            >>> from fractions import Fraction
            >>> dag = Dag()
            >>> one, two = (dag.put("number", Fraction(n)) for n in (1, 2))
            >>> dag.part({"e": two}).nodes
            [ENode(op='number', payload=Fraction(2, 1), children=())]
        """
        found = Dag()
        moved = found.include(self, roots.values())
        found.roots = {name: moved[at] for name, at in roots.items()}
        return found

    def include(self, other: Dag, roots: Iterable[int]) -> dict[int, int]:
        """Takes over what these nodes of another program read, and them; the new number of each node.

        Example:
            >>> from fractions import Fraction
            >>> dag, other = Dag(), Dag()
            >>> dag.include(other, [other.put("number", Fraction(1))])
            {0: 0}
        """
        moved: dict[int, int] = {}
        for at in other.reachable(roots):
            node = other.nodes[at]
            kids = (moved[c] for c in node.children)
            moved[at] = self.put(node.op, node.payload, *kids, free=other.free[at])
        return moved


def _extent(size: str, sizes: Mapping[str, int]) -> int:
    """The number of a size that an e-node has as text: a symbol, or the number itself."""
    return int(size) if size.isdigit() else sizes[size]


def constant_value(
    node: ENode, parts: Sequence[Fraction | float], sizes: Mapping[str, int]
) -> Fraction | float:
    """The value of an e-node of numbers, given those that it reads: exact as long as it can be.

    Example:
        >>> constant_value(ENode("power", Fraction(-1), (0,)), [Fraction(4)], {})
        Fraction(1, 4)
    """
    match node.op:
        case "number":
            return node.number
        case "constant":
            return math.pi
        case "extent":
            return Fraction(_extent(node.name, sizes))
        case "power" if node.number.denominator == 1 and parts[0] and abs(node.number) <= _EXACT:
            return parts[0] ** int(node.number)
        case "power":
            with np.errstate(all="ignore"):
                return float(np.float64(parts[0]) ** float(node.number))
        case "apply":
            with np.errstate(all="ignore"):
                return float(POINTWISE[node.name].evaluate(np.float64(parts[0])))
        case "add":
            return sum(parts, start=Fraction(0))
        case op if OPERATIONS[op].rare:
            given = [Labelled((), np.asarray(float(part))) for part in parts]
            with np.errstate(all="ignore"):
                return float(OPERATIONS[op].value(Numpy(np.float64), node, given, {}).array)
        case _:
            return math.prod(parts, start=node.number if node.op == "scale" else Fraction(1))


def free_edges(node: ENode, children: list[frozenset[str]]) -> frozenset[str]:
    """The free edges of a node whose children have these.

    Example:
        >>> node = ENode("contract", frozenset("k"), (0, 1))
        >>> sorted(free_edges(node, [frozenset("ik"), frozenset("kj")]))
        ['i', 'j']
    """
    return OPERATIONS[node.op].free(node.payload, children)


#: The size of every edge: a symbol or a number.
Symbols = dict[str, str | int]


def renamed(dag: Dag, at: int, names: Mapping[str, str], symbols: Symbols) -> int:
    """The node under other names, exchanged all at once; those in the way step aside first.

    >>> dag = Dag()
    >>> a = dag.put("variable", ("A", ("i", "j")))
    >>> end = renamed(dag, a, {"i": "j", "j": "i"}, {"i": "n", "j": "n"})
    >>> [node.payload for node in dag.nodes[1:]]
    [('i', "i'"), ('j', "j'"), ("i'", 'j'), ("j'", 'i')]
    """
    pairs = {old: new for old, new in sorted(names.items()) if old != new}
    for old in sorted(set(pairs) & set(pairs.values())):
        aside = old + "'"
        while aside in symbols or aside in pairs or aside in pairs.values():
            aside += "'"
        symbols[aside] = symbols[old]
        at = dag.put("rename", (old, aside), at)
        pairs[aside] = pairs.pop(old)
    for old, new in pairs.items():
        at = dag.put("rename", (old, new), at)
    return at


@dataclass
class Snapshot:
    """The classes of an e-graph, the e-nodes of each, their free edges, and the classes asked for.

    Classes are numbered in the order of their age, e-nodes are sorted: two snapshots of the same run are
    the same.

    Example:
        >>> Snapshot({0: [ENode("extent", "n")]}, {0: frozenset()}, {"e": 0}).size
        1
    """

    nodes: dict[int, list[ENode]]
    free: dict[int, frozenset[str]]
    roots: dict[str, int]
    symbols: dict[str, str | int] = field(default_factory=dict)
    loaded: dict[int, int] = field(
        default_factory=dict
    )  #: the class of each node of the program that was loaded

    @property
    def size(self) -> int:
        """How many e-nodes there are."""
        return sum(map(len, self.nodes.values()))

    @classmethod
    def of(cls, dag: Dag, symbols: Mapping[str, str | int]) -> Snapshot:
        """A program as it is: each node a class of its own.

        Example:
            >>> dag = Dag()
            >>> dag.roots["e"] = dag.put("extent", "n")
            >>> Snapshot.of(dag, {}).nodes
            {0: [ENode(op='extent', payload='n', children=())]}
        """
        nodes = {
            at: [replace(node, children=tuple(sorted(node.children))) if node.op == "add" else node]
            for at, node in enumerate(dag.nodes)
        }
        free = tightened(nodes, dict(enumerate(dag.free)))
        return cls(nodes, free, dict(dag.roots), dict(symbols), {at: at for at in nodes})

    def exact(self, at: int, node: ENode) -> bool:
        """Whether the node's own free edges are the class's: no constant axis, nothing to drop."""
        return free_edges(node, [self.free[c] for c in node.children]) == self.free[at]


def tightened(nodes: dict[int, list[ENode]], free: dict[int, frozenset[str]]) -> dict[int, frozenset[str]]:
    """The bounds on free edges, intersected with what follows from every node of a class.

    A sum of terms is made with a bound that its terms may lose later; rules cannot look at all terms at
    once.

    Example:
        >>> nodes = {0: [ENode("extent", "n")], 1: [ENode("add", None, (0, 0))]}
        >>> tightened(nodes, {0: frozenset(), 1: frozenset("i")})[1]
        frozenset()
    """
    bounds = dict(free)
    readers = _readers(nodes)
    queue = sorted(nodes)
    while queue:
        again: set[int] = set()
        for at in queue:
            before = bound = bounds.get(at)
            for node in nodes[at]:
                if all([c in bounds for c in node.children]):
                    own = free_edges(node, [bounds[c] for c in node.children])
                    bound = own if bound is None else bound & own
            if bound is not None and bound != before:
                bounds[at] = bound
                again.update(readers.get(at, ()))
        queue = sorted(again)
    return {at: bounds.get(at, frozenset()) for at in nodes}


def _readers(nodes: Mapping[int, Sequence[ENode]]) -> dict[int, list[int]]:
    """For every class, the classes with a node that reads it."""
    readers: dict[int, list[int]] = {}
    for at, own in nodes.items():
        for child in {c for node in own for c in node.children}:
            readers.setdefault(child, []).append(at)
    return readers


def dag_of(snapshot: Snapshot, choice: dict[int, ENode], roots: dict[str, int]) -> Dag:
    """The program that a choice of one node a class stands for.

    Raises:
        LostTermError: if there is no node for a class that is needed.

    Example:
        >>> s = Snapshot({3: [ENode("extent", "n")]}, {3: frozenset()}, {"e": 3})
        >>> dag_of(s, {3: ENode("extent", "n")}, {"e": 3}).roots
        {'e': 0}
    """
    dag = Dag()
    ids: dict[int, int] = {}
    stack = list(reversed(roots.values()))
    while stack:
        at = stack[-1]
        node = choice.get(at)
        if node is None:
            raise LostTermError.of()
        missing = [c for c in node.children if c not in ids]
        if at in ids or not missing:
            stack.pop()
            if at not in ids:
                ids[at] = dag.put(
                    node.op, node.payload, *(ids[c] for c in node.children), free=snapshot.free[at]
                )
        else:
            stack.extend(reversed(missing))
    dag.roots = {name: ids[at] for name, at in roots.items()}
    return dag


def smallest(snapshot: Snapshot) -> dict[int, ENode]:
    """For every class that stands for something, the node of its smallest term.

    After a directed phase classes have one node each, and this merely reads them.

    Example:
        >>> two = [ENode("scale", 1, (0,)), ENode("extent", "n")]
        >>> smallest(Snapshot({0: [ENode("extent", "m")], 1: two}, {0: frozenset(), 1: frozenset()}, {}))[1]
        ENode(op='extent', payload='n', children=())
    """
    return lightest(snapshot.nodes)


def lightest(nodes: Mapping[int, Sequence[ENode]], given: Collection[int] = ()) -> dict[int, ENode]:
    """For every class the node of its smallest term, those that are given counting as one node.

    Example:
        >>> lightest({1: [ENode("apply", "exp", (0,))]}, given=[0])
        {1: ENode(op='apply', payload='exp', children=(0,))}
    """
    weight, own = dict.fromkeys(given, 1), dict[int, int]()
    choice: dict[int, ENode] = {}
    readers = _readers(nodes)
    queue = sorted(nodes)
    while queue:
        again: set[int] = set()
        for at in queue:
            for node in nodes.get(at, ()):
                below = [weight.get(c, 0) for c in node.children]
                if 0 in below or at in node.children or own.get(at, math.inf) <= 1 + sum(below):
                    continue
                own[at], choice[at] = 1 + sum(below), node
                if at not in given:
                    weight[at] = own[at]
                    again.update(readers.get(at, ()))
        queue = sorted(again)
    return choice

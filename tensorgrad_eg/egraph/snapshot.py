"""A frozen e-graph as plain Python: what extraction, explanation and verification read."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tensorgrad_eg.egraph.term import Dag, free_edges
from tensorgrad_eg.errors import LostTermError
from tensorgrad_eg.expr.operations import ENode


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

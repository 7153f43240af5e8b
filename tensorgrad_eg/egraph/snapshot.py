"""A frozen e-graph as plain Python: what extraction, explanation and verification read."""

from __future__ import annotations

from dataclasses import dataclass, field

from tensorgrad_eg.egraph.term import Dag, ENode, free_edges


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
    again = True
    while again:
        again = False
        for at in sorted(nodes):
            for node in nodes[at]:
                if all(c in bounds for c in node.children):
                    bound = free_edges(node, [bounds[c] for c in node.children])
                    bound &= bounds.get(at, bound)
                    if bounds.get(at) != bound:
                        bounds[at], again = bound, True
    return {at: bounds.get(at, frozenset()) for at in nodes}


def dag_of(snapshot: Snapshot, choice: dict[int, ENode], roots: dict[str, int]) -> Dag:
    """The program that a choice of one node a class stands for.

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
        node = choice[at]
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
    weight: dict[int, int] = {}
    choice: dict[int, ENode] = {}
    waiting = dict(snapshot.nodes)
    readers: dict[int, set[int]] = {}
    for at, nodes in waiting.items():
        for node in nodes:
            for child in node.children:
                readers.setdefault(child, set()).add(at)
    queue = sorted(waiting)
    while queue:
        again: set[int] = set()
        for at in queue:
            for node in snapshot.nodes[at]:
                if any(c not in weight for c in node.children):
                    continue
                total = 1 + sum(weight[c] for c in node.children)
                if at not in weight or total < weight[at]:
                    weight[at], choice[at] = total, node
                    again |= readers.get(at, set())
        queue = sorted(again)
    return choice

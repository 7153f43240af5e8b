"""Dominators: the tensors that every path from what is varied to a result passes through."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tensorgrad_eg.egraph.term import Dag


@dataclass
class Flow:
    """The part of a program that depends on the sources, with immediate dominators.

    Example:
        >>> dag = Dag()
        >>> x = dag.put("variable", ("x", ("i",)))
        >>> y = dag.put("apply", "exp", x)
        >>> square = dag.put("contract", frozenset("i"), y, y)
        >>> Flow.of(dag, [x]).chain(square)
        [1, 0]
    """

    dag: Dag
    sources: frozenset[int]
    idom: dict[int, int]

    @classmethod
    def of(cls, dag: Dag, sources: Iterable[int]) -> Flow:
        """Nodes in order are children first, so one pass finds every immediate dominator."""
        starts = frozenset(sources)
        idom: dict[int, int] = dict.fromkeys(starts, -1)
        depth: dict[int, int] = {-1: 0} | dict.fromkeys(starts, 1)
        for at, node in enumerate(dag.nodes):
            moving = [c for c in node.children if c in idom]
            if at in starts or not moving:
                continue
            meet = moving[0]
            for other in moving[1:]:
                while meet != other:
                    if depth[meet] >= depth[other]:
                        meet = idom[meet]
                    else:
                        other = idom[other]
            idom[at] = meet
            depth[at] = depth[meet] + 1
        return cls(dag, starts, idom)

    def moves(self, at: int) -> bool:
        """Whether the node depends on a source."""
        return at in self.idom

    def chain(self, at: int) -> list[int]:
        """The strict dominators of a node, the closest first."""
        found = []
        while (at := self.idom.get(at, -1)) >= 0:
            found.append(at)
        return found


def between(dag: Dag, low: int, high: int) -> list[int]:
    """The nodes on paths from `low` to `high`, without `low`.

    Example:
        >>> dag = Dag()
        >>> x = dag.put("variable", ("x", ("i",)))
        >>> between(dag, x, dag.put("apply", "exp", x))
        [1]
    """
    above = {low}
    inside = []
    for at in [n for n in dag.reachable([high]) if n > low]:
        if any(c in above for c in dag.nodes[at].children):
            above.add(at)
            inside.append(at)
    return inside


def batch_edges(dag: Dag, low: int, high: int) -> frozenset[str]:
    """The edges in which the Jacobian of `high` by `low` is diagonal: free and not mixed in between.

    Example:
        >>> dag = Dag()
        >>> x = dag.put("variable", ("x", ("b", "i")))
        >>> batch_edges(dag, x, dag.put("reduce", frozenset("i"), x))
        frozenset({'b'})
        >>> batch_edges(dag, x, dag.put("softmax", frozenset("i"), x))
        frozenset({'b'})
    """
    batch = dag.free[low]
    for at in between(dag, low, high):
        batch &= dag.free[at]
        node = dag.nodes[at]
        if node.op == "softmax" and isinstance(node.payload, frozenset):
            batch -= node.payload
    return batch


def dense_volume(dag: Dag, low: int, high: int, sizes: Mapping[str, int]) -> int:
    """How many entries of `low` one entry of `high` depends on, batch edges apart.

    Example:
        >>> dag = Dag()
        >>> x = dag.put("variable", ("x", ("b", "i")))
        >>> dense_volume(dag, x, dag.put("reduce", frozenset("i"), x), {"b": 5, "i": 3})
        3
    """
    return math.prod(sizes.get(edge, 2) for edge in dag.free[low] - batch_edges(dag, low, high))

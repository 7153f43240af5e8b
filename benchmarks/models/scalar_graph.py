"""Jacobian accumulation: a function of scalars as its graph, and what eliminating the graph's vertices costs.

Every operation is a vertex and every argument an edge with a local derivative. A Jacobian entry is the sum
over all paths of the product along the path; eliminating a vertex multiplies each edge into it with each
edge out of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

#: The classical orders of elimination.
ORDERS = ("forward", "reverse", "Markowitz")


@dataclass
class Graph:
    """The predecessors of every vertex; inputs have none.

    >>> graph = Graph()
    >>> x, y = graph.inputs(2)
    >>> graph.outputs([(x * y).through()])
    >>> graph.predecessors, graph.multiplications("reverse")
    ([(), (), (0, 1), (2,)], 2)
    """

    predecessors: list[tuple[int, ...]] = field(default_factory=list)
    results: list[int] = field(default_factory=list)

    def inputs(self, count: int) -> list[Vertex]:
        """New inputs."""
        return [self.vertex() for _ in range(count)]

    def outputs(self, vertices: Iterable[Vertex]) -> None:
        """Say which vertices are the results."""
        self.results = [vertex.number for vertex in vertices]

    def vertex(self, *arguments: Vertex) -> Vertex:
        """An operation on these arguments."""
        self.predecessors.append(tuple(dict.fromkeys(a.number for a in arguments)))
        return Vertex(self, len(self.predecessors) - 1)

    @property
    def sources(self) -> list[int]:
        """The inputs."""
        return [n for n, before in enumerate(self.predecessors) if not before]

    def reached_from(self, vertex: int) -> list[int]:
        """The inputs that a vertex depends on."""
        found, waiting = {vertex}, [vertex]
        while waiting:
            new = set(self.predecessors[waiting.pop()]) - found
            found |= new
            waiting += sorted(new)
        return [u for u in self.sources if u in found]

    def multiplications(self, order: str) -> int:
        """What elimination costs in the order "forward", "reverse" or "Markowitz" (least cost next)."""
        before = [set(p) for p in self.predecessors]
        after = [{v for v, p in enumerate(before) if u in p} for u in range(len(before))]

        def price(v: int) -> int:
            return len(before[v]) * len(after[v])

        rest = [v for v in range(len(before)) if before[v] and v not in self.results]
        rest = rest[::-1] if order == "reverse" else rest
        cost = 0
        while rest:
            vertex = min(rest, key=price) if order == "Markowitz" else rest[0]
            rest.remove(vertex)
            cost += price(vertex)
            for u in before[vertex]:
                after[u] = (after[u] - {vertex}) | after[vertex]
            for w in after[vertex]:
                before[w] = (before[w] - {vertex}) | before[vertex]
        return cost


@dataclass(frozen=True)
class Vertex:
    """A scalar in a graph; arithmetic makes new vertices, and numbers are no vertices."""

    graph: Graph
    number: int

    def through(self, *others: object) -> Vertex:
        """Any operation on this vertex and others."""
        return self.graph.vertex(self, *(other for other in others if isinstance(other, Vertex)))

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = through


def robot_arm() -> Graph:
    """Position and Tait–Bryan angles of a robot arm with six joints (Taş, dergipark 2289226), 114 operations.

    The graph is the one that published counts are for: nothing that is written twice is shared, squares and
    changes of sign are operations of one argument, and the angle of a point is one of two.
    """
    graph = Graph()
    joints = graph.inputs(6)
    (c1, c2, c4, c5, c6), (s1, s2, s4, s5, s6) = [
        [joints[n].through() for n in (0, 1, 3, 4, 5)] for _ in ("cosines", "sines")
    ]
    second, third = joints[1], joints[2]

    def of_sum() -> Vertex:
        """The sine or cosine of the sum of two joints, by the addition theorem."""
        return second.through() * third.through() + second.through() * third.through()

    c23, s23 = of_sum(), of_sum()

    def approach(along: Vertex, across: Vertex) -> Vertex:
        return s5 * (along * c23 * c4 + across * s4) + along * s23 * c5

    def reach() -> Vertex:
        return 175.0 + 890.0 * c2 + 50.0 * c23 + 1035.0 * s23

    def wrist() -> Vertex:
        return c23 * s5 + s23 * c4 * c5

    def height() -> Vertex:
        return s23 * c4 * s5 - c23 * c5

    ax, ay, az = approach(c1, s1), approach(s1, c1), height()
    normal = c6 * wrist() - s23 * s4 * s6
    orientation = s6.through() * wrist() - s23 * s4 * c6
    angles = [
        ay.through(ax),
        (1.0 - az.through()).through().through(az),
        orientation.through(normal.through()),
    ]
    positions = [185.0 * approach(along, across) + along * reach() for along, across in ((c1, s1), (s1, c1))]
    positions.append(890.0 * s2 + 575.0 + 50.0 * s23 - 1035.0 * c23 + 185.0 * height())
    graph.outputs([*positions, *angles])
    return graph


def edges(graph: Graph) -> Sequence[tuple[int, int]]:
    """Every edge, as the pair of its ends."""
    return [(u, v) for v, before in enumerate(graph.predecessors) for u in before]

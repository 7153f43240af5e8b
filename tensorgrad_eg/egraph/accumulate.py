"""Jacobians of several results by several inputs, accumulated in orders that cost less than reverse mode.

Which order is cheapest is bookkeeping about the program, done in ``elimination``; here orders become facts.
What it means to eliminate a tensor stands in ``rules/52_elimination.egg``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from tensorgrad_eg.egraph.differentiate import Differentiation, Fact, leaves
from tensorgrad_eg.egraph.dominators import Flow
from tensorgrad_eg.egraph.elimination import Linear, Order, bits
from tensorgrad_eg.egraph.term import Dag
from tensorgrad_eg.egraph.text import quote

_MINUS = Fraction(-1)


@dataclass
class Accumulation:
    """Scalars that depend on several inputs, as a linearised program, and the facts that name its orders.

    A result that others read is two vertices, since it is eliminated and stays: `vertices` has the node of
    each, and whether it is such a second one.

    Example: see `tensorgrad_eg.egraph.modes`.
    """

    dag: Dag
    wanted: list[tuple[str, int, int]]
    vertices: list[tuple[int, bool]] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)

    @classmethod
    def of(cls, work: Differentiation) -> Accumulation | None:
        """What was asked for, if it is derivatives of several scalars by several scalars."""
        dag, wanted = work.dag, []
        for request in work.requests:
            reads = leaves(dag, request.of, request.variable)
            if request.of in reads:
                return None
            wanted += [(request.name, leaf, request.of) for leaf in reads]
        if min(len({leaf for _, leaf, _ in wanted}), len({of for *_, of in wanted})) < 2:
            return None
        found = cls(dag, wanted)
        moving = Flow.of(dag, {leaf for _, leaf, _ in wanted})
        nodes = [at for at in dag.reachable(of for *_, of in wanted) if moving.moves(at)]
        if any(dag.free[at] for at in nodes):
            return None
        results = {of for *_, of in wanted}
        read = {c for at in nodes for c in dag.nodes[at].children}
        for at in nodes:
            found.vertices += [(at, False), (at, True)] if at in results & read else [(at, False)]
        return found

    def linear(self) -> Linear:
        """The linearised program."""
        number = {vertex: n for n, vertex in enumerate(self.vertices)}
        edges, ones = [], []
        for (at, again), n in number.items():
            sources = (at,) if again else dict.fromkeys(self.dag.nodes[at].children)
            for child in sources:
                if (child, False) in number:
                    edges.append((number[child, False], n))
                    if again or self._passed_on(child, at):
                        ones.append(edges[-1])
        wanted: dict[int, list[int]] = {}
        for _, leaf, of in self.wanted:
            wanted.setdefault(number[leaf, False], []).append(self._end(number, of))
        return Linear.of(len(number), edges, wanted, ones)

    @staticmethod
    def _end(number: dict[tuple[int, bool], int], of: int) -> int:
        return number.get((of, True), number[of, False])

    def _passed_on(self, child: int, at: int) -> bool:
        """Whether a node passes a child on as it is; a sign costs nothing."""
        node = self.dag.nodes[at]
        plain = node.op == "add" and node.children.count(child) == 1
        return plain or (node.op == "scale" and node.payload == _MINUS)

    def state(self, name: str, order: Order, linear: Linear) -> None:
        """States the facts that name an order: for every edge, what was eliminated between its ends."""
        between: dict[tuple[int, int], list[int]] = {}
        for u, after in enumerate(linear.after):
            between |= {(u, w): [w] for w in bits(after)}
        work = linear.copy()
        for v in order:
            into, old = list(bits(work.before[v])), work.after[v]
            work.eliminate(v)
            for u in into:
                for w in bits(old & work.after[u]):
                    between.setdefault((u, w), []).append(v)
        for (u, w), stations in between.items():
            self._edge(name, u, w, stations)

    def _edge(self, name: str, u: int, w: int, stations: list[int]) -> None:
        a, (e, again) = self.vertices[u][0], self.vertices[w]
        if a == e:
            return
        passed = [self.vertices[v][0] for v in stations]
        listed = " ".join(f"t{at}" for at in passed)
        end = self._result(name, e) if again else name
        text = f"(stations {quote(name)} {quote(end)} t{a} t{e} (multiset-of {listed}))"
        self.facts.append((text, (a, e, *passed)))

    def derivative(self, name: str, leaf: int, of: int) -> str:
        """The term of a result's derivative, accumulated in the order of this name."""
        return f"(along {quote(self._result(name, of))} t{leaf} t{of})"

    def _result(self, name: str, e: int) -> str:
        """The name of the edges into a node as a result."""
        return f"{name} result" if (e, True) in self.vertices else name

    def operations(self, linear: Linear) -> None:
        """States where one operation reads another: its derivative by that is a tangent."""
        for u, after in enumerate(linear.after):
            for w in bits(after):
                (a, _), (e, again) = self.vertices[u], self.vertices[w]
                if not again:
                    self._operation(a, e)

    def _operation(self, a: int, e: int) -> None:
        name = quote(f"read{a}by{e}")
        still = dict.fromkeys(c for c in self.dag.nodes[e].children if c != a)
        text = f"(set (tips {name}) (set-empty)) (seed {name} t{a} (number $1)) (opens {name} t{e})"
        text += f" (reads {name} t{a} t{e})" + "".join(f" (still {name} t{c})" for c in still)
        self.facts.append((text, (a, e, *still)))

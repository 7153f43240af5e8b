"""Jacobians of several results by several inputs, accumulated in orders that cost less than reverse mode.

Which order is cheapest is bookkeeping about the program, done in ``elimination``; here orders become facts.
What it means to eliminate a tensor stands in ``rules/52_elimination.egg``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from tensorgrad_eg.egraph.differentiate import Differentiation, Fact, Request, leaves
from tensorgrad_eg.egraph.dominators import Flow
from tensorgrad_eg.egraph.elimination import Linear, Order, bits
from tensorgrad_eg.egraph.term import Dag
from tensorgrad_eg.egraph.text import axes, quote

_MINUS = Fraction(-1)
#: Operations that compute each entry from the same entry of what they read; so does a product without a sum.
_ENTRYWISE = frozenset({"add", "scale", "apply", "power"})


@dataclass
class Accumulation:
    """Scalars that depend on several inputs, as a linearised program, and the facts that name its orders.

    Tensors that are computed entry by entry count as scalars. `wanted` has the derivatives, each with the
    place where its variable is read. A result that others read is two vertices, since it is eliminated and
    stays: `vertices` has the node of each, and whether it is such a second one.

    Example: see `tensorgrad_eg.egraph.modes`.
    """

    dag: Dag
    wanted: list[tuple[Request, int]]
    vertices: list[tuple[int, bool]] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)

    @classmethod
    def of(cls, work: Differentiation) -> Accumulation | None:
        """What was asked for, if it is derivatives of several scalars by several scalars."""
        if len({request.of for request in work.requests}) < 2:
            return None
        dag, wanted = work.dag, []
        for request in work.requests:
            reads = leaves(dag, request.of, request.variable)
            if request.of in reads or len(reads) > 1:
                return None
            wanted += [(request, leaf) for leaf in reads]
        sources, results = {leaf for _, leaf in wanted}, {request.of for request, _ in wanted}
        if min(len(sources), len(results)) < 2:
            return None
        moving = Flow.of(dag, sources)
        nodes = [at for at in dag.reachable(results) if moving.moves(at)]
        if not _entrywise(dag, nodes):
            return None
        found = cls(dag, wanted)
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
        for request, leaf in self.wanted:
            end = (request.of, (request.of, True) in number)
            wanted.setdefault(number[leaf, False], []).append(number[end])
        return Linear.of(len(number), edges, wanted, ones)

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

    @property
    def apart(self) -> bool:
        """Whether there are tensors with entries: then Jacobians are diagonal."""
        return any(self.dag.free[request.of] for request, _ in self.wanted)

    def terms(self, name: str) -> Iterator[tuple[str, str, tuple[int, int]]]:
        """The derivatives, accumulated in the order of this name, and the nodes each term mentions."""
        for request, leaf in self.wanted:
            term = f"(along {quote(self._result(name, request.of))} t{leaf} t{request.of})"
            if request.axes:
                pairs = f"{axes(_axes(self.dag, leaf))} {axes(request.axes)}"
                term = f"(contract $none (deltas {pairs}) {term})"
            yield request.name, term, (leaf, request.of)

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


def _entrywise(dag: Dag, nodes: list[int]) -> bool:
    """Whether each of these nodes is a scalar, or each entry of each is made of the same entry of others."""
    return not any(dag.free[at] for at in nodes) or all(_keeps(dag, at) for at in nodes)


def _keeps(dag: Dag, at: int) -> bool:
    """Whether a node is a variable with its edges, each once, or keeps entries apart."""
    node = dag.nodes[at]
    if node.op == "variable":
        return len(_axes(dag, at)) == len(dag.free[at])
    return node.op in _ENTRYWISE or (node.op == "contract" and not node.payload)


def _axes(dag: Dag, at: int) -> tuple[str, ...]:
    payload = dag.nodes[at].payload
    return tuple(payload[1]) if isinstance(payload, tuple) else ()

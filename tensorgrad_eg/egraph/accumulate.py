"""Jacobians of several results by several inputs, accumulated in orders that cost less than reverse mode.

Which order is cheapest is bookkeeping about the program, done here and in ``elimination``. What it means to
eliminate a tensor stands in ``rules/52_elimination.egg``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from tensorgrad_eg.egraph.derive import DERIVE, Derived, Stage
from tensorgrad_eg.egraph.differentiate import Differentiation, Fact, Labels, leaves, tell
from tensorgrad_eg.egraph.dominators import Flow
from tensorgrad_eg.egraph.elimination import Linear, Order, bits, orders
from tensorgrad_eg.egraph.encode import Encoded, Encoder
from tensorgrad_eg.egraph.engine import Engine
from tensorgrad_eg.egraph.snapshot import dag_of, smallest
from tensorgrad_eg.egraph.term import Dag
from tensorgrad_eg.egraph.text import quote
from tensorgrad_eg.expr import Derivative, Tangent, Tensor, children

_MINUS = Fraction(-1)


@dataclass
class Accumulation:
    """Scalars that depend on several inputs, as a linearised program, and the facts that name its orders.

    A result that others read is two vertices, since it is eliminated and stays: `vertices` has the node of
    each, and whether it is such a second one.
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
            if request.direction or request.of in reads:
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
        end = self.end(name, e)[1] if again else name
        text = f"(stations {quote(name)} {quote(end)} t{a} t{e} (multiset-of {listed}))"
        self.facts.append((text, (a, e, *passed)))

    def end(self, name: str, e: int) -> tuple[str, str]:
        """The names of the edges into a node, and of those into it as a result."""
        return name, f"{name} result" if (e, True) in self.vertices else name

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


def accumulated(
    derived: Derived, expressions: Sequence[Tensor], files: tuple[Path, ...] | None = None
) -> tuple[Dag, ...]:
    """Programs for the same outputs, whose last derivatives are accumulated in cheaper orders than reverse.

    Example:
        >>> from tensorgrad_eg.egraph.derive import derive
        >>> from tensorgrad_eg.expr import Apply, Variable
        >>> x, y = Variable("x", []), Variable("y", [])
        >>> e = Apply("exp", Apply("sin", x * y))
        >>> jacobian = [f.grad(v) for f in (Apply("tanh", e), Apply("cos", e)) for v in (x, y)]
        >>> len(accumulated(derive(jacobian, {}), jacobian))
        1
    """
    stage = next((stage for stage in reversed(derived.stages) if stage.work), None)
    work = stage.work if stage else None
    found = Accumulation.of(work) if work else None
    if stage is None or found is None:
        return ()
    linear = found.linear()
    chosen = {f"order{n}": order for n, order in enumerate(orders(linear))}
    if not chosen:
        return ()
    found.operations(linear)
    for name, order in chosen.items():
        found.state(name, order, linear)
    return tuple(_programs(derived, expressions, stage, found, list(chosen), files))


def _programs(
    derived: Derived,
    expressions: Sequence[Tensor],
    stage: Stage,
    found: Accumulation,
    names: list[str],
    files: tuple[Path, ...] | None,
) -> list[Dag]:
    engine = Engine(files, DERIVE)
    engine.load(stage.before, derived.symbols)
    tell(engine, found.facts)
    for name in names:
        for request, leaf, of in found.wanted:
            text = f"(along {quote(found.end(name, of)[1])} t{leaf} t{of})"
            engine.bind(f"{request} {name}", text, (leaf, of))
    engine.normalise("differentiate")
    if engine.merged():
        return []  # the names of edges belong to tensors: two that turned out to be one would share theirs
    own = {request for request, *_ in found.wanted}
    snapshot = engine.snapshot([*stage.before.roots, *(f"{r} {name}" for name in names for r in sorted(own))])
    choice = smallest(snapshot)
    if any(at not in choice for at in snapshot.roots.values()):
        return []
    dag = dag_of(snapshot, choice, snapshot.roots)
    programs = []
    for name in names:
        roots = {r: dag.roots[f"{r} {name}"] for r in own} | {r: dag.roots[r] for r in stage.before.roots}
        programs.append(_whole(derived, expressions, stage, dag.part(roots)))
    return [program for program in programs if program is not None]


def _whole(derived: Derived, expressions: Sequence[Tensor], stage: Stage, dag: Dag) -> Dag | None:
    """The program of all outputs, given that of the last derivatives; None if labels would be others."""
    encoder = Encoder(dag, Labels(dict(derived.symbols)))
    for root, (e, labels) in stage.subjects.items():
        node = dag.roots[root] if root in dag.roots else dag.put("number", Fraction(0))
        encoder.done[e] = Encoded(node, labels)
    if not all(_put(encoder, e) for e in expressions):
        return None
    outputs = [encoder.done[e] for e in expressions]
    if [out.labels for out in outputs] != [out.labels for out in derived.outputs]:
        return None
    return encoder.dag.part({f"out{n}": out.node for n, out in enumerate(outputs)})


def _put(encoder: Encoder, root: Tensor) -> bool:
    """Encodes an expression of parts that are known; false if it has a derivative that is not."""
    stack = [root]
    while stack:
        e = stack[-1]
        missing = [part for part in children(e) if part not in encoder.done]
        if e in encoder.done or not missing:
            stack.pop()
            if e not in encoder.done:
                if isinstance(e, Derivative | Tangent):
                    return False
                encoder.put(e)
        else:
            stack.extend(missing)
    return True

"""Orders in which the tensors between inputs and results are eliminated, and what each of them costs.

An entry of a Jacobian is the sum over all paths of the product along the path. To eliminate a vertex is to
multiply each edge into it with each edge out of it; forward and reverse mode are two of the orders. The best
one is hard to find (Naumann, Optimal Jacobian accumulation is NP-complete, 2008), so a few are tried: the
classical ones, Markowitz's, and what annealing makes of that. All this is bookkeeping; orders then become
facts, and what it means to eliminate a tensor stands in ``rules/52_elimination.egg``.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from tensorgrad_eg.egraph import Dag
from tensorgrad_eg.egraph.differentiate import Differentiation, Fact, Flow, Request, leaves
from tensorgrad_eg.egraph.text import axes, quote

Order = tuple[int, ...]
#: Moves that annealing tries: enough for some hundred vertices, …
_MOVES = 12_000
#: … fewer where each takes longer (this is moves times edges), …
_WORK = 4_000_000
#: … and none in programs with more vertices than this.
_LARGEST = 600
#: Orders are of use if they cost no more than this times the cheapest.
_NEAR = 1.15
#: A dearer order is accepted with probability exp(-Δ / temperature); it falls from the first to the second.
_HOT, _COLD = 4.0, 0.1


def bits(mask: int) -> Iterator[int]:
    """The members of a set that is written as a number.

    >>> list(bits(0b1010))
    [1, 3]
    """
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


@dataclass
class Linear:
    """A linearised program: its vertices in order, and as sets in bits who reads whom.

    `one` has the edges whose derivative is one: a product with it costs nothing. `wanted` has, for every
    input, the results whose derivative by it is asked for; what serves none of them is not computed.

    >>> chain = Linear.of(3, [(0, 1), (1, 2)], {0: [2]})
    >>> chain.inner, chain.cost([1])
    ([1], 1)
    """

    before: list[int]
    after: list[int]
    one: list[int]
    wanted: dict[int, int]
    _use: list[int] = field(default_factory=list)
    _used: list[int] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        count: int,
        edges: Iterable[tuple[int, int]],
        wanted: dict[int, list[int]],
        ones: Iterable[tuple[int, int]] = (),
    ) -> Linear:
        """The program with these edges, each from an earlier to a later vertex."""
        before, after, one = [0] * count, [0] * count, [0] * count
        for u, v in edges:
            before[v] |= 1 << u
            after[u] |= 1 << v
        for u, v in ones:
            one[u] |= 1 << v
        asked = {u: sum(1 << v for v in set(results)) for u, results in wanted.items()}
        linear = cls(before, after, one, asked)
        linear._mark()
        return linear

    def _mark(self) -> None:
        """For every vertex u the vertices w for which the derivative of w by u serves a wanted one."""
        count = len(self.before)
        serves, leads = [self.wanted.get(u, 0) for u in range(count)], [1 << v for v in range(count)]
        for v in range(count):
            for u in bits(self.before[v]):
                serves[v] |= serves[u]
        for u in reversed(range(count)):
            for v in bits(self.after[u]):
                leads[u] |= leads[v]
        self._use, self._used = _meeting(serves, leads), _meeting(leads, serves)
        for u in range(count):
            self.after[u] &= self._use[u]
            self.before[u] &= self._used[u]

    @property
    def inner(self) -> list[int]:
        """The vertices to be eliminated: those between an input and a result."""
        return [v for v, into in enumerate(self.before) if into and self.after[v]]

    def copy(self) -> Linear:
        """The same program, to be eliminated."""
        return Linear(self.before[:], self.after[:], self.one[:], self.wanted, self._use, self._used)

    def eliminate(self, v: int) -> int:
        """Joins the edges into a vertex with those out of it; the products and sums that this takes."""
        before, after, one = self.before, self.after, self.one
        into, out, ones, bit = before[v], after[v], one[v], 1 << v
        cost, rest = 0, into
        while rest:  # written out: this is most of the time that annealing takes
            low = rest & -rest
            rest ^= low
            u = low.bit_length() - 1
            reach = out & self._use[u]
            met = reach & after[u]
            cost += met.bit_count()
            after[u] = (after[u] ^ bit) | reach
            if one[u] & bit:
                one[u] = ((one[u] ^ bit) & ~met) | (reach & ~met & ones)
            else:
                cost += (reach & ~ones).bit_count()
                one[u] &= ~met
        while out:
            low = out & -out
            out ^= low
            w = low.bit_length() - 1
            before[w] = (before[w] ^ bit) | (into & self._used[w])
        before[v] = after[v] = one[v] = 0
        return cost

    def cost(self, order: Iterable[int]) -> int:
        """What an order costs, in flops."""
        work = self.copy()
        return sum(work.eliminate(v) for v in order)

    def degree(self, v: int) -> int:
        """Edges in times edges out: Markowitz's measure."""
        return self.before[v].bit_count() * self.after[v].bit_count()


def _meeting(sets: list[int], others: list[int]) -> list[int]:
    """For every set those of the others that have a member in common with it."""
    met = {s: sum(1 << n for n, other in enumerate(others) if s & other) for s in set(sets)}
    return [met[s] for s in sets]


def orders(program: Linear, known: str = "reverse") -> list[Order]:
    """Orders that cost less than the known mode, the cheapest first, and none that is much dearer than that.

    >>> edges = [(0, 2), (1, 2), (2, 3), (2, 4), (3, 5), (4, 5), (5, 6), (5, 7)]
    >>> orders(Linear.of(8, edges, {0: [6, 7], 1: [6, 7]}))
    [(3, 4, 2, 5)]
    """
    modes = {"forward": tuple(program.inner), "reverse": tuple(reversed(program.inner))}
    first, rest = _simple(program)
    markowitz = _greedy(rest, rest.inner)
    start = min((tuple(rest.inner), tuple(reversed(rest.inner)), markowitz), key=rest.cost)
    found = [*modes.values(), (*first, *markowitz), (*first, *_annealed(rest, start))]
    best: dict[int, Order] = {}
    for order in found:
        best.setdefault(program.cost(order), order)
    enough = min(program.cost(modes[known]) - 1, min(best) * _NEAR)
    return [order for cost, order in sorted(best.items()) if cost <= enough]


def _simple(program: Linear) -> tuple[Order, Linear]:
    """Eliminates what lies on a single path: first is as good as last. The order, and what is left."""
    work = program.copy()
    order: list[int] = []
    again = True
    while again:
        simple = [v for v in work.inner if work.degree(v) == 1 or _passed_on(work, v)]
        again = bool(simple)
        for v in simple:
            if work.degree(v) == 1 or _passed_on(work, v):
                work.eliminate(v)
                order.append(v)
    return tuple(order), work


def _passed_on(work: Linear, v: int) -> bool:
    """Whether a vertex hands everything on to a single other one as it is, or is just that one again."""
    (u, *others), (w, *more) = bits(work.before[v]), bits(work.after[v])
    return (not more and bool(work.one[v] >> w & 1)) or (not others and bool(work.one[u] >> v & 1))


def _annealed(program: Linear, start: Order) -> Order:
    """What moving single vertices to other places makes of an order."""
    work = sum(mask.bit_count() for mask in program.after) + len(program.after)
    moves = min(_MOVES, _WORK // work) if 1 < len(start) <= _LARGEST else 0
    return _Annealing(program, start).best(moves) if moves else start


def _greedy(program: Linear, inner: Sequence[int]) -> Order:
    """The vertex that costs least next (Markowitz 1957)."""
    work, rest, order = program.copy(), list(inner), []
    while rest:
        v = min(rest, key=work.degree)
        rest.remove(v)
        work.eliminate(v)
        order.append(v)
    return tuple(order)


class _Annealing:
    """An order in which single vertices are moved to other places, the same way on every machine.

    What is left of a program depends on what was eliminated, not in which order. So a move changes costs
    only between the two places, and starts from what was left before the first of them.
    """

    def __init__(self, program: Linear, order: Order) -> None:
        self.order, self.dice = list(order), random.Random(0).random
        self.left = [program.copy() for _ in range(len(order) + 1)]
        self.costs = [0] * len(order)
        self._fill(0, len(order))

    def _fill(self, low: int, high: int) -> None:
        for place in range(low, high):
            work = self.left[place].copy()
            self.costs[place] = work.eliminate(self.order[place])
            self.left[place + 1] = work

    def best(self, moves: int) -> Order:
        """The cheapest order that was met."""
        best, gain, most = tuple(self.order), 0, 0
        for move in range(moves):
            gain += self._move(_HOT * (_COLD / _HOT) ** (move / moves))
            if gain > most:
                best, most = tuple(self.order), gain
        return best

    def _move(self, heat: float) -> int:
        """Moves a vertex, most often not far, unless that is too dear; what it saves."""
        count = len(self.order)
        place = int(self.dice() * count)
        span = 1 + int(self.dice() ** 4 * count)
        other = min(place + span, count - 1) if self.dice() < 0.5 else max(place - span, 0)
        low, high = min(place, other), max(place, other) + 1
        part = self.order[low:high]
        part.insert(other - low, part.pop(place - low))
        before = sum(self.costs[low:high])
        limit = before - heat * math.log(1 - self.dice())
        work, found = self.left[low].copy(), 0
        for v in part:
            found += work.eliminate(v)
            if found > limit:
                return 0
        self.order[low:high] = part
        self._fill(low, high)
        return before - found


_MINUS = Fraction(-1)
#: Operations that compute each entry from the same entry of what they read; so does a product without a sum.
_ENTRYWISE = frozenset({"add", "scale", "apply", "power"})


@dataclass
class Accumulation:
    """Scalars that depend on several inputs, as a linearised program, and the facts that name its orders.

    Tensors that are computed entry by entry count as scalars. `wanted` has the derivatives, each with the
    place where its variable is read. A result that others read is two vertices, since it is eliminated and
    stays: `vertices` has the node of each, and whether it is such a second one.

    Example: see `tensorgrad_eg.egraph.derive`.
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

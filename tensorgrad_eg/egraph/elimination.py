"""Orders in which the tensors between inputs and results are eliminated, and what each of them costs.

An entry of a Jacobian is the sum over all paths of the product along the path. To eliminate a vertex is to
multiply each edge into it with each edge out of it; forward and reverse mode are two of the orders. The best
one is hard to find (Naumann, Optimal Jacobian accumulation is NP-complete, 2008), so a few are tried: the
classical ones, Markowitz's, and what annealing makes of that.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

Order = tuple[int, ...]
#: Moves that annealing tries: enough for some hundred vertices, …
_MOVES = 8_000
#: … and fewer where each takes longer: moves times edges.
_WORK = 1_000_000
#: A dearer order is accepted with probability exp(-Δ / temperature); it falls from the first to the second.
_HOT, _COLD = 4.0, 0.05


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
        self._use = [sum(1 << w for w in range(count) if serves[u] & leads[w]) for u in range(count)]
        self._used = [sum(1 << u for u in range(count) if self._use[u] >> w & 1) for w in range(count)]
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
        into, out, stays = self.before[v], self.after[v], ~(1 << v)
        cost = 0
        for u in bits(into):
            reach = out & self._use[u]
            met = reach & self.after[u]
            free = self.one[u] >> v & 1
            cost += met.bit_count() + (0 if free else (reach & ~self.one[v]).bit_count())
            self.after[u] = self.after[u] & stays | reach
            self.one[u] = self.one[u] & stays & ~met | (reach & ~met & self.one[v] if free else 0)
        for w in bits(out):
            self.before[w] = self.before[w] & stays | into & self._used[w]
        self.before[v] = self.after[v] = self.one[v] = 0
        return cost

    def cost(self, order: Iterable[int], limit: float = math.inf) -> int:
        """What an order costs, in flops; if it is more than the limit, some number above that."""
        work, total = self.copy(), 0
        for v in order:
            total += work.eliminate(v)
            if total > limit:
                break
        return total

    def degree(self, v: int) -> int:
        """Edges in times edges out: Markowitz's measure."""
        return self.before[v].bit_count() * self.after[v].bit_count()


def orders(program: Linear) -> list[Order]:
    """Orders that cost less than reverse mode, the cheapest first: at most three.

    >>> edges = [(0, 2), (1, 2), (2, 3), (2, 4), (3, 5), (4, 5), (5, 6), (5, 7)]
    >>> orders(Linear.of(8, edges, {0: [6, 7], 1: [6, 7]}))
    [(3, 4, 2, 5)]
    """
    forward = program.inner
    reverse = program.cost(reversed(forward))
    first, rest = _simple(program)
    markowitz = (*first, *_greedy(rest, rest.inner))
    found = [tuple(forward), markowitz, (*first, *_annealed(rest, markowitz[len(first) :]))]
    best: dict[int, Order] = {}
    for order in found:
        best.setdefault(program.cost(order), order)
    return [order for cost, order in sorted(best.items()) if cost < reverse]


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


def _greedy(program: Linear, inner: Sequence[int]) -> Order:
    """The vertex that costs least next (Markowitz 1957)."""
    work, rest, order = program.copy(), list(inner), []
    while rest:
        v = min(rest, key=work.degree)
        rest.remove(v)
        work.eliminate(v)
        order.append(v)
    return tuple(order)


def _annealed(program: Linear, start: Order) -> Order:
    """Moves single vertices to other places, the same way on every machine."""
    dice = random.Random(0).random
    edges = sum(mask.bit_count() for mask in program.after)
    moves = min(_MOVES, _WORK // (1 + edges)) if len(start) > 1 else 0
    now = best = start
    cost = least = program.cost(start)
    for move in range(moves):
        other = _moved(now, dice)
        heat = _HOT * (1 - move / moves) + _COLD
        limit = cost - heat * math.log(1 - dice())
        found = program.cost(other, limit)
        if found <= limit:
            now, cost = other, found
        if cost < least:
            best, least = now, cost
    return best


def _moved(order: Order, dice: Callable[[], float]) -> Order:
    """The order with one vertex in another place."""
    places = list(order)
    vertex = places.pop(int(dice() * len(places)))
    places.insert(int(dice() * len(order)), vertex)
    return tuple(places)

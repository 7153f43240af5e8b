"""Long products get a good order before anything else happens to them.

The rules find the best order of products of up to about eight factors, together with all that shares them.
Longer ones start from the path of an existing optimiser (opt_einsum), if that is cheaper than the order
they were written in.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import reduce
from operator import or_

from tensorgrad_eg.egraph.term import Dag

#: Products of up to so many factors are left to the rules.
_SHORT = 8
#: The optimiser is greedy, and again with some luck as long as it has not put in place so many factors, …
_TRIED = 640
#: … and then exact (dynamic programming), where it looks at no more than so many pairs of parts for that.
_PAIRS = 20_000_000
#: Where derivatives follow, what is greedy without luck may cost so many times the best: it goes through a
#: network from its ends, and its derivatives share more than those of an order a little cheaper itself.
_SWEEP = 1.1


def ordered(dag: Dag, sizes: Mapping[str, int], varied: bool = False) -> tuple[Dag, list[int]]:
    """The program with its long products reordered, and the new number of every node.

    Of what is to be `varied`, derivatives follow.

    Example:
        >>> dag = Dag()
        >>> x = dag.put("variable", ("x", ("i",)))
        >>> ordered(dag, {"i": 3})[1]
        [0]
    """
    work = _Ordering(dag, sizes, varied)
    moved: list[int] = []
    new = work.new
    for at, node in enumerate(dag.nodes):
        product = work.product(at)
        if product is not None:
            moved.append(work.build(at, [moved[f] for f in product[0]], product[1]))
        else:
            kids = (moved[c] for c in node.children)
            moved.append(new.put(node.op, node.payload, *kids, free=dag.free[at]))
    new.roots = {name: moved[at] for name, at in dag.roots.items()}
    return new, moved


class _Ordering:
    def __init__(self, dag: Dag, sizes: Mapping[str, int], varied: bool) -> None:
        self.dag, self.sizes, self.new, self.varied = dag, sizes, Dag(), varied
        self.readers: dict[int, list[int]] = {}
        for at, node in enumerate(dag.nodes):
            for child in node.children:
                self.readers.setdefault(child, []).append(at)
        self.wanted = set(dag.roots.values())

    def product(self, at: int) -> tuple[list[int], frozenset[str]] | None:
        """The factors and summed edges of a long product that ends here, if it is worth reordering."""
        if not self._contract(at) or self._inside(at):
            return None
        factors, over = self._flat(at)
        return (factors, over) if len(factors) > _SHORT else None

    def build(self, at: int, factors: list[int], over: frozenset[str]) -> int:
        """The product along the optimiser's path, or as it was written."""
        written, _ = self._flat(at)
        inputs = [self.dag.free[f] for f in written]
        out = self.dag.free[at]
        path = _path(inputs, out, self.sizes, self.varied)
        if self._cost(inputs, out, path) >= self._written_cost(at):
            return self._as_written(at, dict(zip(written, factors, strict=True)))
        open_ = list(factors)
        for pair in path:
            one, two = (open_.pop(n) for n in sorted(pair, reverse=True))
            rest = out.union(*(self.new.free[f] for f in open_))
            summed = (self.new.free[one] | self.new.free[two]) & over - rest
            open_.append(self.new.put("contract", frozenset(summed), two, one))
        return open_[0]

    def _contract(self, at: int) -> bool:
        return self.dag.nodes[at].op == "contract"

    def _inside(self, at: int) -> bool:
        """Whether the node is an inner one of a longer product."""
        readers = self.readers.get(at, [])
        if at in self.wanted or len(readers) != 1 or not self._contract(readers[0]):
            return False
        return at in self._opened(readers[0])

    def _opened(self, at: int) -> list[int]:
        """Children of a product that belong to it: they and their summed edges are used nowhere else."""
        found = []
        one, two = self.dag.nodes[at].children
        for child, other in ((one, two), (two, one)):
            bound = self.dag.nodes[child].payload
            alone = child not in self.wanted and len(self.readers[child]) == 1 and child != other
            if alone and self._contract(child) and isinstance(bound, frozenset):
                outside = self.dag.free[other] | frozenset(self._bound(at)) | self._bound_below(other)
                if not bound & outside:
                    found.append(child)
        return found

    def _bound(self, at: int) -> frozenset[str]:
        payload = self.dag.nodes[at].payload
        return payload if isinstance(payload, frozenset) else frozenset()

    def _bound_below(self, at: int) -> frozenset[str]:
        """Edges summed in the products below a node: two of one name cannot be in one product."""
        found: set[str] = set()
        stack = [at]
        while stack:
            here = stack.pop()
            if self._contract(here):
                found |= self._bound(here)
                stack.extend(self.dag.nodes[here].children)
        return frozenset(found)

    def _flat(self, at: int) -> tuple[list[int], frozenset[str]]:
        factors: list[int] = []
        over: set[str] = set()
        stack = [at]
        while stack:
            here = stack.pop()
            over |= self._bound(here)
            opened = self._opened(here)
            for child in self.dag.nodes[here].children:
                (stack if child in opened else factors).append(child)
        return factors, frozenset(over)

    def _volume(self, edges: frozenset[str]) -> int:
        return math.prod(self.sizes.get(edge, 16) for edge in edges)

    def _written_cost(self, at: int) -> int:
        total = 0
        stack = [at]
        while stack:
            here = stack.pop()
            one, two = self.dag.nodes[here].children
            total += self._volume(self.dag.free[one] | self.dag.free[two]) * (2 if self._bound(here) else 1)
            stack.extend(self._opened(here))
        return total

    def _cost(self, inputs: list[frozenset[str]], out: frozenset[str], path: list[tuple[int, ...]]) -> int:
        open_ = list(inputs)
        total = 0
        for pair in path:
            one, two = (open_.pop(n) for n in sorted(pair, reverse=True))
            left = (one | two) & out.union(*open_)
            total += self._volume(one | two) * (1 if left == one | two else 2)
            open_.append(left)
        return total

    def _as_written(self, at: int, moved: dict[int, int]) -> int:
        inner = {at}
        order = [at]
        for here in order:
            for child in self._opened(here):
                inner.add(child)
                order.append(child)
        for here in sorted(inner):
            node = self.dag.nodes[here]
            moved[here] = self.new.put(
                "contract", node.payload, *(moved[c] for c in node.children), free=self.dag.free[here]
            )
        return moved[at]


def _path(
    inputs: list[frozenset[str]], out: frozenset[str], sizes: Mapping[str, int], varied: bool = False
) -> list[tuple[int, ...]]:
    from opt_einsum.path_random import RandomGreedy
    from opt_einsum.paths import DynamicProgramming, greedy

    # Edges are numbers, since the optimisers walk through sets of them, and hashes of texts are random.
    number = {edge: n for n, edge in enumerate(sorted(frozenset().union(*inputs)))}
    size = {n: sizes.get(edge, 16) for edge, n in number.items()}
    factors = [{number[edge] for edge in sorted(factor)} for factor in inputs]
    kept = {number[edge] for edge in sorted(out)}
    lucky = RandomGreedy(max_repeats=max(1, _TRIED // len(inputs)), minimize="flops")
    state = random.getstate()  # each of its trials sets the seed of Python's own generator
    try:
        path = lucky(factors, kept, size, None)
    finally:
        random.setstate(state)
    most = sum(_volumes(factors, kept, size, path))
    if pairs(factors, kept, size, most) <= _PAIRS:
        path = DynamicProgramming("flops", cost_cap=most)(factors, kept, size, None)
        most = sum(_volumes(factors, kept, size, path))
    sweep = greedy(factors, kept, size, None)
    if varied and sum(_volumes(factors, kept, size, sweep)) <= _SWEEP * most:
        path = sweep
    return [tuple(pair) for pair in path if len(pair) == 2]


def _volumes(
    inputs: Sequence[AbstractSet[int]],
    out: AbstractSet[int],
    size: Mapping[int, int],
    path: Sequence[Sequence[int]],
) -> Iterator[int]:
    """How many products of entries each step of a path is."""
    open_ = [frozenset(one) for one in inputs]
    for pair in path:
        met = frozenset[int]().union(*[open_.pop(n) for n in sorted(pair, reverse=True)])
        yield math.prod([size[edge] for edge in met])
        open_.append(met & frozenset(out).union(*open_))


def pairs(
    inputs: Sequence[AbstractSet[int]], out: AbstractSet[int], size: Mapping[int, int], most: int
) -> int:
    """How many pairs of connected parts the cheapest path is looked for among; above _PAIRS not to the end.

    A part counts if twice its entries are no more than `most` products of entries, which some path takes: to
    make it and to read it is as much work.

    Example:
        >>> matrices, sizes = [{0, 1}, {1, 2}, {2, 3}], dict.fromkeys(range(4), 5)
        >>> pairs(matrices, {0, 3}, sizes, 250), pairs(matrices, {0, 3}, sizes, 40)
        (15, 9)
    """
    parts, counts = _Parts(inputs, out, size), [0] * (len(inputs) + 1)
    for count, part in enumerate(parts.below(most // 2)):
        counts[part.bit_count()] += 1
        if count**2 > 8 * _PAIRS:
            return _PAIRS + 1
    halves = ((m, total - m) for total in range(2, len(inputs) + 1) for m in range(1, total // 2 + 1))
    return sum(counts[m] * counts[n] for m, n in halves)


class _Parts:
    """Parts of a product, as numbers that have a bit for every factor."""

    def __init__(
        self, inputs: Sequence[AbstractSet[int]], out: AbstractSet[int], size: Mapping[int, int]
    ) -> None:
        self.inputs, self.out, self.size = [sorted(one) for one in inputs], out, size
        self.all = (1 << len(inputs)) - 1
        self.holders = {e: sum(1 << n for n, one in enumerate(inputs) if e in one) for e in size}
        self.near = [reduce(or_, [self.holders[e] for e in one if e not in out], 0) for one in self.inputs]

    def below(self, most: int) -> Iterator[int]:
        """Connected parts of so many entries at most, and all of them, which is what is wanted."""
        found = [(0, self.all, 1)]
        seen = {0}
        for part, around, entries in found:  # grows while it is read
            if part.bit_count() > 1 and part != self.all and entries > most:
                continue
            if part:
                yield part
            for n in _bits(around & ~part):
                if part | 1 << n not in seen:
                    seen.add(part | 1 << n)
                    close = self.near[n] | (around if part else 0)
                    found.append((part | 1 << n, close, self._entries(part, n, entries)))

    def _entries(self, part: int, n: int, entries: int) -> int:
        """How many entries a part has with one factor more."""
        for edge in self.inputs[n]:
            inside = self.holders[edge] & part
            open_ = edge in self.out or bool(self.holders[edge] & ~(part | 1 << n))
            if open_ and not inside:
                entries *= max(1, self.size[edge])
            elif inside and not open_:
                entries //= max(1, self.size[edge])
        return entries


def _bits(number: int) -> list[int]:
    return [n for n in range(number.bit_length()) if number >> n & 1]

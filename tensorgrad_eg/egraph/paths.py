"""Paths: in which order a product is best taken two factors at a time, with what is wanted of it besides.

What costs is every different step, once. Two steps are one if they differ by the names of edges alone: the
norm of a tensor network has its tensors twice, and each half is the other under other names. If the product
is differentiated, the steps of reverse mode count, too.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import reduce
from importlib.util import find_spec
from operator import or_

#: An optimiser is greedy, and again with some luck as long as it has not put in place so many factors, …
_TRIED = 640
#: … and then exact (dynamic programming), where it looks at no more than so many pairs of parts for that.
_PAIRS = 20_000_000
#: Of so few factors it is exact at once.
_FEW = 8
#: Of what luck finds, this part of the best is looked at with all that is wanted besides.
_CLOSE = 1.5
#: What is greedy without luck may cost so many times the best where it is differentiated: it goes through a
#: network from its ends, and its derivatives come to share more than those of an order a little cheaper.
_SWEEP = 1.1
#: So many of them are improved by cotengra, which looks for the best order of parts of so many factors.
_BETTERED, _SUBTREE = 3, 6
#: … of products of so many factors at most.
_WIDE = 500
#: In how many orders of its edges a symmetric tensor is looked at.
_ORDERS = 4

Path = Sequence[tuple[int, ...]]


@dataclass(frozen=True)
class Factor:
    """A factor of a product: which tensor it is, its edges in the order of axes, and whether it varies."""

    tensor: object
    axes: tuple[str, ...]
    varied: bool = False


def best(factors: Sequence[Factor], out: AbstractSet[str], sizes: Mapping[str, int]) -> tuple[Path, int]:
    """The cheapest path found, and its cost in flops.

    Example:
        >>> A, B, x = Factor("A", ("i", "j")), Factor("B", ("j", "k")), Factor("x", ("k",))
        >>> best([A, B, x], {"i"}, dict.fromkeys("ijk", 10))
        ([(1, 2), (0, 1)], 400)
    """
    found = [(cost(factors, out, sizes, path), n, path) for n, path in enumerate(_paths(factors, out, sizes))]
    least, first = min(found), found[0]
    varied = any(factor.varied for factor in factors)
    price, _, path = first if varied and first[0] <= _SWEEP * least[0] else least
    return path, price


def cost(factors: Sequence[Factor], out: AbstractSet[str], sizes: Mapping[str, int], path: Path) -> int:
    """What the steps of a path cost, with those of reverse mode for what varies; equal ones once.

    Example:
        >>> A, B = Factor("A", ("i", "j")), Factor("A", ("k", "l"))
        >>> x, y = Factor("x", ("j",)), Factor("x", ("l",))
        >>> sizes = dict.fromkeys("ijkl", 10)
        >>> cost([A, x, B, y], {"i", "k"}, sizes, [(0, 1), (0, 1), (0, 1)])
        300
    """
    steps = Steps(sizes.__getitem__)
    steps.take(factors, out, path)
    return steps.total


@dataclass(frozen=True, eq=False)
class _Tensor:
    """A tensor on the way: what it is up to names, and its edges in the orders in which it is just that.

    There are several where it is symmetric.
    """

    key: int
    orders: tuple[tuple[str, ...], ...]
    varied: bool

    @property
    def edges(self) -> frozenset[str]:
        return frozenset(self.orders[0])


@dataclass
class Steps:
    """The different steps of some products, each with its cost.

    Example:
        >>> steps = Steps({"i": 3, "k": 5}.__getitem__)
        >>> steps.take([Factor("A", ("i", "k")), Factor("x", ("k",))], {"i"}, [(0, 1)])
        >>> steps.take([Factor("x", ("k",)), Factor("A", ("i", "k"))], {"i"}, [(0, 1)])
        >>> steps.total
        30
    """

    size: Callable[[str], int]
    keys: dict[object, int] = field(default_factory=dict)
    costs: dict[int, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """What all of them cost."""
        return sum(self.costs.values())

    def take(self, factors: Sequence[Factor], out: AbstractSet[str], path: Path) -> None:
        """Adds the steps of a product, and those of reverse mode for what varies."""
        open_ = [self._leaf(factor) for factor in factors]
        holders = Counter(edge for tensor in open_ for edge in tensor.edges)  # a union would be quadratic
        holders.update(out)
        tree: list[tuple[_Tensor, _Tensor, _Tensor]] = []
        for pair in path:
            one, two = (open_.pop(n) for n in sorted(pair, reverse=True))
            for part in (one, two):
                holders.subtract(part.edges)
            made = self._product(
                one, two, frozenset([edge for edge in one.edges | two.edges if holders[edge]])
            )
            tree.append((made, one, two))
            open_.append(made)
            holders.update(made.edges)
        self._back(tree)

    def _leaf(self, factor: Factor) -> _Tensor:
        return _Tensor(self._key((factor.tensor, _pattern(factor.axes))), (factor.axes,), factor.varied)

    def _product(self, one: _Tensor, two: _Tensor, kept: frozenset[str]) -> _Tensor:
        """A step, summed over the edges that are not kept."""
        pairs = [(one, two), (two, one)] if one.key == two.key else [(one, two)]
        if one.key > two.key:
            pairs = [(two, one)]
        joined = [a + b for x, y in pairs for a in x.orders for b in y.orders]
        forms = [(_pattern(axes), tuple(edge in kept for edge in axes)) for axes in joined]
        form = min(forms)
        orders = {
            tuple(dict.fromkeys(edge for edge in axes if edge in kept)): None
            for axes, own in zip(joined, forms, strict=True)
            if own == form
        }
        key = self._key((pairs[0][0].key, pairs[0][1].key, form))
        many = math.prod(self.size(edge) for edge in one.edges | two.edges)
        self.costs[key] = many * (1 if all(form[1]) else 2)
        return _Tensor(key, tuple(orders)[:_ORDERS], one.varied or two.varied)

    def _back(self, tree: Sequence[tuple[_Tensor, _Tensor, _Tensor]]) -> None:
        """The steps of reverse mode: what a part is multiplied with, by what that of the whole is."""
        if not tree or not tree[-1][0].varied:
            return
        root = tree[-1][0]
        around: dict[_Tensor, _Tensor | None] = {root: None}
        if root.edges:
            around[root] = _Tensor(self._key("cotangent"), root.orders, False)
        for made, one, two in reversed(tree):
            for part, other in ((one, two), (two, one)):
                if part.varied:
                    given = around[made]
                    around[part] = other if given is None else self._product(given, other, part.edges)

    def _key(self, what: object) -> int:
        return self.keys.setdefault(what, len(self.keys))


def _pattern(axes: Sequence[str]) -> tuple[int, ...]:
    """Which axes are the same edge."""
    first: dict[str, int] = {}
    return tuple(first.setdefault(edge, len(first)) for edge in axes)


def _paths(factors: Sequence[Factor], out: AbstractSet[str], sizes: Mapping[str, int]) -> Iterator[Path]:
    """Some paths: what optimisers find, and the same for one half where both halves are one, if they are."""
    yield from _found(factors, out, sizes)
    half = _half(factors)
    if half:
        own = {edge for n, _ in half for edge in factors[n].axes}
        rest = {edge for _, n in half for edge in factors[n].axes}
        for path in _found([factors[n] for n, _ in half], own & (rest | out), sizes):
            yield _doubled(path, half)


def _found(factors: Sequence[Factor], out: AbstractSet[str], sizes: Mapping[str, int]) -> Iterator[Path]:
    """Paths that are good by themselves: greedy, with luck, and exact where that is possible."""
    from opt_einsum.path_random import RandomGreedy
    from opt_einsum.paths import DynamicProgramming, greedy, ssa_to_linear

    # Edges are numbers, since the optimisers walk through sets of them, and hashes of texts are random.
    number = {edge: n for n, edge in enumerate(sorted({e for f in factors for e in f.axes}))}
    # Where nothing costs anything they would find no path.
    size = {n: max(1, sizes[edge]) for edge, n in number.items()}
    inputs = [{number[edge] for edge in factor.axes} for factor in factors]
    kept = {number[edge] for edge in out}
    if len(inputs) <= _FEW:
        yield _pairwise(DynamicProgramming("flops")(inputs, kept, size, None))
        return
    yield _pairwise(greedy(inputs, kept, size, None))
    trial, given = RandomGreedy(minimize="flops").setup(inputs, kept, size)
    state = random.getstate()  # each trial sets the seed of Python's own generator
    try:
        tried = [trial(n, *given)[:2] for n in range(max(2, _TRIED // len(inputs)))]
    finally:
        random.setstate(state)
    least = min(flops for _, flops in tried)
    lucky = {
        tuple(map(tuple, ssa_to_linear(path))): flops for path, flops in tried if flops <= _CLOSE * least
    }
    found = [_pairwise(path) for path in sorted(lucky, key=lambda path: lucky[path])]
    found += [_pairwise(path) for path in _reconfigured(inputs, kept, size, found[:_BETTERED])]
    most = min(sum(_volumes(inputs, kept, size, path)) for path in found)
    if pairs(inputs, kept, size, most) <= _PAIRS:
        yield _pairwise(DynamicProgramming("flops", cost_cap=most)(inputs, kept, size, None))
    yield from found


def _reconfigured(
    inputs: Sequence[AbstractSet[int]], out: AbstractSet[int], size: Mapping[int, int], found: Sequence[Path]
) -> Iterator[Path]:
    """The same paths with every small part put into its best order, if cotengra is there to do it."""
    if len(inputs) > _WIDE or find_spec("cotengra") is None:
        return
    from cotengra import ContractionTree

    terms = [tuple(sorted(one)) for one in inputs]
    for path in found:
        tree = ContractionTree.from_path(terms, tuple(sorted(out)), dict(size), path=path)
        tree.subtree_reconfigure_(subtree_size=_SUBTREE, minimize="flops", seed=0)
        yield tree.get_path()


def _half(factors: Sequence[Factor]) -> list[tuple[int, int]]:
    """The factors of one half, each with its twin, if a product is a half times that under other names.

    Each tensor is there twice. What is an edge of one factor of two is another edge of the other, and goes on
    in the same half, or it is the same edge, and joins the halves.
    """
    places: dict[object, list[int]] = {}
    for n, factor in enumerate(factors):
        places.setdefault(factor.tensor, []).append(n)
    if len(factors) < 4 or any(len(two) != 2 for two in places.values()):
        return []
    mirror: dict[str, str] = {}
    for one, two in places.values():
        for pair in zip(factors[one].axes, factors[two].axes, strict=True):
            for edge, other in (pair, pair[::-1]):
                if mirror.setdefault(edge, other) != other:
                    return []
    twin = {one: two for pair in places.values() for one, two in (pair, pair[::-1])}
    half = [0]
    for n in half:  # grows while it is read
        inner = {edge for edge in factors[n].axes if mirror[edge] != edge}
        half += [m for m, other in enumerate(factors) if m not in half and inner & {*other.axes}]
    apart = 2 * len(half) == len(factors) and not {twin[n] for n in half} & {*half}
    return [(n, twin[n]) for n in half] if apart else []


def _doubled(path: Path, half: Sequence[tuple[int, int]]) -> Path:
    """A path for all factors, given that of one half: the same for each, then both."""
    from opt_einsum.paths import ssa_to_linear

    steps: list[tuple[int, ...]] = []
    ends = []
    for side in (0, 1):
        open_ = [pair[side] for pair in half]
        for pair in path:
            steps.append(tuple(open_.pop(n) for n in sorted(pair, reverse=True)))
            open_.append(2 * len(half) + len(steps) - 1)
        ends += open_
    return _pairwise(ssa_to_linear([*steps, tuple(ends)]))


def _pairwise(path: Sequence[Sequence[int]]) -> Path:
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

"""Which terms of a sum are put into brackets: those that share a factor, where that saves most.

Saving is what the terms cost alone, each in its best order, less what they cost once the factor is out. Where
a sum keeps its value, but for the sign, when edges are exchanged, any image of a term may be taken; and terms
may join a bracket in which other factors stand in the place of the one that is shared: a·r + a·s is joined by
b·c·r + b·c·s, for the rules to find (a + b·c)·(r + s).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, permutations
from typing import Protocol

from tensorgrad_eg.extract.closure import Closure
from tensorgrad_eg.extract.spelling import Reading, Term

#: The order of a product: the number of a factor, or what is multiplied last.
Order = int | tuple["Order", "Order"]
#: A tensor, and what its axes are: an edge by its name, or by a number and its size.
Key = tuple[int, tuple[tuple[str, int, str], ...]]
Edges = frozenset[str]


class Work(Protocol):
    """What is known of a program: sizes, tensors under their names, and the best orders of products."""

    symbols: dict[str, str | int]

    def readings(self, at: int, names: Mapping[str, str] | None = None) -> list[Reading]:
        """The tensor that a node is, and the names it gives to its axes; all that are the same."""

    def volume(self, edges: Edges) -> float:
        """How many entries a tensor with these edges has."""

    def best(self, sets: Sequence[Edges], kept: Edges) -> tuple[float, Order]:
        """What a product costs in its best order, and that order."""


@dataclass(frozen=True)
class Member:
    """A term of a long sum: `outer` times the node `at`, which is `number` times a product.

    `sets` are the edges of its factors, as the product calls them. What no node is yet is at -1.
    """

    term: Term
    at: int
    outer: Fraction
    number: Fraction
    sets: list[Edges]
    #: What each factor calls its own edges, sorted.
    names: Sequence[tuple[str, ...]] = ()

    @property
    def bound(self) -> Edges:
        """The edges that it sums."""
        return frozenset(self.term.bound)


#: Terms that share a factor: each with the number of the factor.
Group = list[tuple[Member, int]]


def called(edges: Edges, names: Mapping[str, str]) -> Edges:
    """Edges under other names."""
    return frozenset([names.get(edge, edge) for edge in edges])


def cheapest(sets: Sequence[Edges], kept: Edges, volume: Callable[[Edges], float]) -> tuple[float, Order]:
    """The cheapest order of a product, by dynamic programming over its parts."""
    whole = (1 << len(sets)) - 1
    best: dict[int, tuple[float, Order]] = {1 << n: (0.0, n) for n in range(len(sets))}
    open_ = {1 << n: own for n, own in enumerate(sets)}
    for part in range(1, whole + 1):
        if part in best:
            continue
        inside = Edges().union(*[own for n, own in enumerate(sets) if part >> n & 1])
        open_[part] = inside & kept.union(*[own for n, own in enumerate(sets) if not part >> n & 1])
        found = []
        one = (part - 1) & part
        while one > part ^ one:
            two = part ^ one
            met = open_[one] | open_[two]
            cost = volume(met) * (1 if met == open_[part] else 2)
            found.append((cost + best[one][0] + best[two][0], one))
            one = (one - 1) & part
        cost, one = min(found)
        best[part] = cost, (best[one][1], best[part ^ one][1])
    return best[whole]


class Groups:
    """Which terms of a sum are put together."""

    def __init__(self, work: Work, members: Sequence[Member]) -> None:
        self.work, self.members = work, members
        self.out = Edges().union(*[member.term.free for member in members])

    def found(self) -> tuple[list[Group], list[Member]]:
        """The groups that save most, one after another, and the terms that are left."""
        left = list(range(len(self.members)))
        kinds = self._kinds()
        groups: list[dict[int, int]] = []
        rated: dict[Key, tuple[list[int], list[dict[int, int]], float]] = {}
        while True:
            for kind, places in kinds.items():
                here = [n for n in left if n in places]
                if kind not in rated or rated[kind][0] != here:
                    rated[kind] = here, *self._rated({n: places[n] for n in here})
            best = max(rated, key=lambda kind: rated[kind][2], default=None)
            if best is None or rated[best][2] <= 0:
                found = [[(self.members[n], j) for n, j in group.items()] for group in groups]
                return found, [self.members[n] for n in left]
            groups += rated[best][1]
            left = [n for n in left if not any(n in group for group in rated[best][1])]

    def _rated(self, places: Mapping[int, int]) -> tuple[list[dict[int, int]], float]:
        """Terms with one kind of factor, by the factor itself, where that saves something; and how much.

        What groups save that differ by the names of free edges is counted once: so are they computed.
        """
        by: dict[Key, dict[int, int]] = {}
        for n, j in places.items():
            by.setdefault(self.key(self.members[n], j), {})[n] = j
        saving = [
            (self.saving([(self.members[n], j) for n, j in group.items()]), group)
            for group in by.values()
            if len(group) > 1
        ]
        worth = [group for saved, group in saving if saved > 0]
        return worth, max([saved for saved, _ in saving], default=0)

    def _kinds(self) -> dict[Key, dict[int, int]]:
        """Factors up to the names of all edges, with the terms that have them, and where.

        Terms that are one tensor under other names have it in the same place: else what could be computed
        once for all of them would not be one tensor any more. What is multiplied entry by entry is left to
        the rules: they take it out of any sum, whatever stands before and after it.
        """
        found: dict[Key, dict[int, int]] = {}
        for n, member in enumerate(self.members):
            if len(member.sets) > 1:
                for j in [j for j, own in enumerate(member.sets) if own & member.bound]:
                    found.setdefault(self.key(member, j, named=False), {}).setdefault(n, j)
        return found

    def key(self, member: Member, j: int, named: bool = True) -> Key:
        """A factor up to the names of the edges that the term sums, or up to those of all."""
        term = member.term

        def pattern(names: Sequence[str]) -> tuple[tuple[str, int, str], ...]:
            number: dict[str, int] = {}
            found = []
            for name in names:
                if named and name not in term.bound:
                    found.append((name, 0, ""))
                else:
                    kind = "summed" if name in term.bound else ""
                    size = str(self.work.symbols[name])
                    found.append((kind, number.setdefault(name, len(number)), size))
            return tuple(found)

        factor = term.factors[j]
        return min((group, pattern(names)) for group, names in self.work.readings(factor.at, factor.names))

    def saving(self, group: Group) -> float:
        """What the terms cost alone, less what they cost with the shared factor taken out."""
        work, total, last = self.work, 0.0, 0.0
        for member, j in group:
            kept = member.term.free | (member.sets[j] & member.bound)
            rest = [own for m, own in enumerate(member.sets) if m != j]
            left = kept.intersection(Edges().union(*rest))
            met = work.volume(member.sets[j] | left)
            last = max(last, met * (2 if member.sets[j] & member.bound else 1) - work.volume(left))
            total += work.best(member.sets, member.term.free)[0] - work.best(rest, kept)[0]
            total += work.volume(self.out) - work.volume(left)
        return total - last - work.volume(self.out)


@dataclass(frozen=True)
class Join:
    """A term in which some factors, `which`, have the edges of the factor that other terms share.

    `places` says which of the shared factor's bound edges their own are, `kind` what they are but for names.
    """

    member: Member
    which: tuple[int, ...]
    places: Mapping[str, int]
    kind: object


#: What stands beside some factors: their free edges, the sizes of those that are summed, and the rest.
Beside = tuple[Edges, tuple[str, ...], tuple[object, ...]]


def shared_edges(signed: Closure, member: Member, n: int) -> list[str]:
    """The edges of a factor that the term sums, in the order of the axes of what it is one reading of."""
    factor = member.term.factors[n]
    _, order = signed.place[factor.at]
    own = [factor.names.get(edge, edge) for edge in member.names[n]]
    return [own[k] for k in order if own[k] in member.bound]


class Images:
    """Which terms are put together, where any image of a term may be taken."""

    def __init__(self, work: Work, signed: Closure, images: Sequence[Sequence[Member]]) -> None:
        self.images, self.work, self.signed = images, work, signed
        self.groups = Groups(work, [one for one, *_ in images])
        self.keys = [
            [
                (self.groups.key(member, j), member, j)
                for member in own
                for j, edges in enumerate(member.sets)
                if len(member.sets) > 1 and edges & member.bound
            ]
            for own in images
        ]
        self.joins: dict[Beside, list[tuple[int, Join]]] = {}
        for n, own in enumerate(images):
            for member in own:
                for join, beside in self._joins(member):
                    self.joins.setdefault(beside, []).append((n, join))

    def found(self) -> tuple[list[Group], list[Member], list[list[Join]]]:
        """The groups that save most, one after another, the terms that are left, and what joins each."""
        left, groups, joined = list(range(len(self.images))), list[Group](), list[list[Join]]()
        while True:
            by: dict[Key, dict[int, tuple[Member, int]]] = {}
            for n in left:
                for key, member, j in self.keys[n]:
                    by.setdefault(key, {}).setdefault(n, (member, j))
            rated = [(self.groups.saving(list(own.values())), own) for own in by.values() if len(own) > 1]
            more = [(saved, own, self._joining(own, left)) for saved, own in rated if saved > 0]
            if not more:
                return groups, [self.images[n][0] for n in left], joined
            _, best, joins = max(more, key=lambda one: one[0] + self._gain(one[2]))
            groups.append(list(best.values()))
            joined.append(list(joins.values()))
            left = [n for n in left if n not in best and n not in joins]

    def _joining(self, group: Mapping[int, tuple[Member, int]], left: Sequence[int]) -> dict[int, Join]:
        """The terms left that join a group: what takes the factor's place stands beside all that it does."""
        rows: list[dict[object, tuple[int, Join]]] = []
        for member, j in group.values():
            beside = self._beside(member, (j,), shared_edges(self.signed, member, j))
            rows.append({})
            for n, join in self.joins.get(beside, ()):
                if n in left and n not in group:
                    rows[-1].setdefault(join.kind, (n, join))
        kinds = [kind for kind in rows[0] if all(kind in row for row in rows)]
        whole = [dict(row[kind] for row in rows) for kind in kinds]
        return max([row for row in whole if len(row) == len(group)], key=self._gain, default={})

    def _gain(self, joins: Mapping[int, Join]) -> float:
        """What terms save that join others: their price alone, less that of the product of some factors."""
        total = 0.0
        for join in joins.values():
            own = Edges().union(*[join.member.sets[n] for n in join.which])
            total += self.work.best(join.member.sets, join.member.term.free)[0] - 2 * self.work.volume(own)
        return total

    def _joins(self, member: Member) -> Iterator[tuple[Join, Beside]]:
        """The ways to take some factors of a term together, without a sum, and what stands beside them."""
        every = range(len(member.sets))
        for size in range(2, len(member.sets)):
            for which in combinations(every, size):
                own = Edges().union(*[member.sets[n] for n in which])
                rest = Edges().union(*[member.sets[n] for n in every if n not in which])
                if own & member.bound <= rest and own & member.bound:
                    for shared in permutations(sorted(own & member.bound)):
                        others = [n for n in every if n not in which]
                        kind = self._beside(member, others, shared)[-1]
                        join = Join(member, which, {edge: n for n, edge in enumerate(shared)}, kind)
                        yield join, self._beside(member, which, shared)

    def _beside(self, member: Member, which: Sequence[int], shared: Sequence[str]) -> Beside:
        """What stands beside some factors that share these edges with it, up to names and signs."""
        label = {edge: (1, str(n)) for n, edge in enumerate(shared)}
        label |= {edge: (2, "") for edge in member.bound if edge not in label}
        rest = []
        for n, factor in enumerate(member.term.factors):
            if n not in which:
                own = [factor.names.get(edge, edge) for edge in member.names[n]]
                views = self.signed.readings(factor.at, own)
                view = min([label.get(name, (0, name)) for name in names] for names, _ in views)
                rest.append((self.signed.place[factor.at][0], tuple(view)))
        sizes = tuple([str(self.work.symbols[edge]) for edge in shared])
        free = Edges().union(*[member.sets[n] for n in which]) - member.bound
        return free, sizes, tuple(sorted(rest))

"""Long sums are bracketed into sums of terms that share a factor, as long products are put into an order.

The rules take common factors out of a sum one after another: k groups that exclude each other are 2^k sums
on the way. Here a sum is written once more with brackets around the terms that share a factor: associativity
of + and no more. Each bracket is a sum of its own, in which the shared factor stands outermost and has its
bound edges under one name; the rules find the rest. Which brackets: those that save most, one after another,
where saving is what the terms cost alone, each in its best order, less what they cost once the factor is out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from tensorgrad_eg.egraph import Snapshot, renamed
from tensorgrad_eg.egraph.derive import Derived
from tensorgrad_eg.extract.closure import Closure
from tensorgrad_eg.extract.groups import (
    Edges,
    Group,
    Groups,
    Images,
    Join,
    Member,
    Order,
    called,
    cheapest,
    shared_edges,
)
from tensorgrad_eg.extract.orbits import Exchange, Orbits, stated
from tensorgrad_eg.extract.spelling import Factor, Pool, Spelling, Term, after
from tensorgrad_eg.running import Deadline

#: Products of more factors than this are not taken apart; nor are sums of more terms.
_FACTORS, _TERMS = 8, 200
#: Sums of so few terms are left to the rules, unless a shared factor is called differently in them.
_SHORT = 3
#: Longer sums than this are there in brackets only: their subsets would fill the e-graph.
_LONG = 8
#: The part of the time left that brackets may take.
_TIME = 0.2
#: Products of so few factors have one order.
_EASY = 2


def bracketed(derived: Derived, sizes: Mapping[str, int], deadline: Deadline | None = None) -> Derived:
    """The program with its sums written once more, in brackets of terms that share a factor.

    When the part of the time is up that it may take, sums are left as they are.

    Example:
        >>> from tensorgrad_eg.egraph import Dag
        >>> bracketed(Derived(Dag(), [], {}), {}).wide is None
        True
    """
    dag = derived.dag
    sums = [at for at in dag.reachable(dag.roots.values()) if dag.nodes[at].op == "add"]
    if not sums:
        return derived
    limit = (deadline or Deadline()).part(_TIME)
    work = _Bracketing(derived, sizes, limit)
    for at in reversed(sums):  # before the sums that are terms of it
        if limit.over:
            break
        work.sum(at)
    if not work.facts:
        return derived
    return replace(derived, wide=work.new, spellings=tuple(work.facts), symbols=work.symbols)


class _Bracketing(Spelling):
    def __init__(self, derived: Derived, sizes: Mapping[str, int], limit: Deadline) -> None:
        super().__init__(derived.dag, dict(derived.symbols), limit)
        self.sizes, self.new = sizes, derived.dag.copy()
        self.exchanges = derived.exchanges
        self.signed = Closure()
        self.moved = {at: at for at in range(len(derived.dag.nodes))}
        for at in self.moved:
            self.known.setdefault(self.readings(at)[0], at)
        self.facts: list[tuple[str, tuple[int, ...]]] = []
        self.done: set[int] = set()
        self.orders: dict[object, tuple[float, Order]] = {}

    def sum(self, at: int) -> None:
        """Writes a sum once more, if there are brackets that save something."""
        members = [] if at in self.done else self._members(at)
        if not 2 <= len(members) <= _TERMS:
            return
        if self.exchanges and len(members) > _LONG and (half := self._halved(members)) is not None:
            self._state("bracketed", at, half)
            return
        groups, alone = Groups(self, members).found()
        if groups and (len(members) > _SHORT or any(map(self._unlike, groups))):
            made = self._added(groups, alone)
            self._state("bracketed" if len(members) > _LONG else "respelt", at, made)

    def _halved(self, members: Sequence[Member]) -> int | None:
        """A sum that is the same, or its negative, when edges are exchanged, made of one term an orbit."""
        if not self.signed.place:
            self.signed = stated(Snapshot.of(self.dag, self.symbols), self.exchanges)
        orbits = Orbits(self.signed, self.names, self.symbols)
        orbits.add([(member.term, member.outer * member.number) for member in members])
        exchanges = orbits.exchanges(sorted(Edges().union(*[member.term.free for member in members])))
        if len(exchanges) == 1:
            return None
        images = [
            [self._image(members[orbit.term], one, orbit.number) for one in exchanges]
            for orbit in orbits.orbits(exchanges)
        ]
        half = self._added(*Images(self, self.signed, images).found())
        parts = [
            self._scaled(Fraction(one.sign), renamed(self.new, half, one.names, self.symbols))
            for one in exchanges
        ]
        return self._plus(parts)

    def _image(self, member: Member, exchange: Exchange, number: Fraction) -> Member:
        """What a term becomes when edges are exchanged."""
        old, names = member.term, exchange.names
        factors, sign = [], exchange.sign
        for factor in old.factors:
            moved, turned = self._turned(Factor(factor.at, after(factor.names, names)), old)
            factors.append(moved)
            sign *= turned
        term = replace(old, free=called(old.free, names), factors=factors, fixed=False)
        sets = [called(own, names) for own in member.sets]
        names_ = [self.names[factor.at] for factor in factors]
        return Member(term, -1, number * sign, Fraction(1), sets, names_)

    def _turned(self, factor: Factor, term: Term) -> tuple[Factor, int]:
        """A factor read such that what is not summed comes first, by name; and the sign that this gives."""
        own = self.names[factor.at]
        if factor.at not in self.signed.place:
            return factor, 1
        found = self.signed.readings(factor.at, [factor.names.get(edge, edge) for edge in own])
        names, turned = min(
            found,
            key=lambda one: [(name in term.bound, "" if name in term.bound else name) for name in one[0]],
        )
        _, order = self.signed.place[factor.at]
        return Factor(factor.at, {own[k]: name for k, name in zip(order, names, strict=True)}), turned

    def _state(self, relation: str, one: int, other: int) -> None:
        if one != other:
            self.facts.append((relation, (one, other)))

    def _members(self, at: int) -> list[Member]:
        """The terms of a sum, those of sums that nobody else reads among them."""
        found: list[Member] = []
        stack: list[tuple[int, Fraction, Mapping[str, str]]] = [(at, Fraction(1), {})]
        while stack:
            top, outer, above = stack.pop()
            here, number, names = top, outer, above
            while self.dag.nodes[here].op != "add":
                below = self.below(self.dag.nodes[here], names)
                if below is None and self.dag.nodes[here].op != "scale":
                    break
                number *= self.dag.nodes[here].number if below is None else 1
                names = names if below is None else below
                here = self.dag.nodes[here].children[0]
            if self.dag.nodes[here].op == "add" and (here == at or self.readers[here] == 1):
                self.done.add(here)
                stack.extend((child, number, names) for child in reversed(self.dag.nodes[here].children))
            else:
                found.append(self._member(top, outer, above))
        return found

    def _member(self, top: int, outer: Fraction, above: Mapping[str, str]) -> Member:
        term = self.top(top, above)
        outside = list(term.multiples)
        self._factors(term.whole.at, term.whole.names, term, set(term.free))
        if len(term.factors) > _FACTORS:
            term.factors, term.bound, term.multiples = [term.whole], {}, outside
        term.factors = sorted(term.factors, key=lambda factor: self._place(factor, term))
        number = math.prod([multiple.number for multiple in term.multiples], start=Fraction(1))
        term.fixed = False  # what others read as well is there as it was written
        sets = [frozenset([f.names.get(edge, edge) for edge in self.free[f.at]]) for f in term.factors]
        return Member(term, self.read(top, above), outer, number, sets)

    def _place(self, factor: Factor, term: Term) -> tuple[int, list[list[tuple[int, int]]]]:
        """What tells a factor from others in any order: the tensor, and what its edges meet."""
        group, own = self.readings(factor.at, factor.names)[0]
        meets: dict[str, list[tuple[int, int]]] = {edge: [] for edge in own}
        for other in term.factors:
            read, names = self.readings(other.at, other.names)[0]
            for n, edge in enumerate(names):
                if edge in meets and edge in term.bound and other is not factor:
                    meets[edge].append((read, n))
        return group, [sorted(meets[edge]) for edge in own]

    def _factors(self, at: int, names: Mapping[str, str], term: Term, taken: set[str]) -> None:
        """The factors of a product, those of products that others read as well among them."""
        node = self.dag.nodes[at]
        moved = self.below(node, names)
        if moved is not None:
            self._factors(node.children[0], moved, term, taken)
        elif node.op == "scale":
            term.multiples.append(node)
            self._factors(node.children[0], names, term, taken)
        elif node.op != "contract" or len(term.factors) > _FACTORS:
            term.factors.append(Factor(at, names))
        else:
            here = self.bind(node, names, term, taken)
            for child in node.children:
                self._factors(child, here, term, taken)

    def _unlike(self, group: Group) -> bool:
        """Whether the factor that is shared has other names in one term than in another."""
        factors = [member.term.factors[n] for member, n in group]
        return len({self.readings(factor.at, factor.names)[0] for factor in factors}) > 1

    def _added(
        self, groups: Sequence[Group], alone: Sequence[Member], joined: Sequence[Sequence[Join]] = ()
    ) -> int:
        """The sum of these groups, each in brackets with what joins it, and of what is left."""
        joined = joined or [()] * len(groups)
        terms = [self._bracket(group, joins) for group, joins in zip(groups, joined, strict=True)]
        for member in alone:
            if member.at < 0:
                made = self._ordered(member, range(len(member.sets)), member.term.free, {})
                terms.append(self._scaled(member.outer * member.number, made))
                continue
            terms.append(self._scaled(member.outer, member.at))
            if len(member.sets) > _EASY:
                made = self._ordered(member, range(len(member.sets)), member.term.free, {})
                self._state("respelt", member.at, self._scaled(member.number, made))
        return self._plus(terms)

    def _bracket(self, group: Group, joins: Sequence[Join] = ()) -> int:
        """The sum of the terms that share a factor, which is outermost in each, under one name.

        What it is multiplied with is a sum, which may have brackets in turn. In terms that join others some
        factors stand in the place of the one that is shared.
        """
        pool, terms, rests = Pool(self), [], []
        for member, n in group:
            names = pool.names(member.term, first=n)
            pool.read(member.term, names)
            over = called(member.sets[n] & member.bound, names)
            rest, shared = self._rest(member, n, names, over), self._read(member, n, names)
            made = self.new.put("contract", over, shared, rest.at)
            if member.at >= 0:
                self._state("respelt", member.at, self._scaled(rest.outer / member.outer, made))
            terms.append(self._scaled(rest.outer, made))
            rests.append(rest)
        terms += [self._row(pool, group[0], joins)] if joins else []
        found = self._plus(terms)
        groups, alone = Groups(self, rests).found()
        flat = self._plus([self._scaled(rest.outer, rest.at) for rest in rests])
        self._state("respelt", flat, self._added(groups, alone) if groups else flat)
        return found

    def _row(self, pool: Pool, first: tuple[Member, int], joins: Sequence[Join]) -> int:
        """The terms that join a bracket, in which one `first` has the factor whose place others take."""
        member, n = first
        names = pool.names(member.term, first=n)
        edges = [names.get(edge, edge) for edge in shared_edges(self.signed, member, n)]
        found = []
        for join in joins:
            given = {edge: edges[place] for edge, place in join.places.items()}
            found.append(self._joined(join, pool.names(join.member.term, given=given), frozenset(edges)))
        return self._plus(found)

    def _joined(self, join: Join, names: Mapping[str, str], over: Edges) -> int:
        """A term that joins others: what takes the place of the factor that they share, times the rest."""
        member, back = join.member, {new: old for old, new in names.items()}
        kept = called(called(member.term.free, names) | over, back)
        rest = [n for n in range(len(member.sets)) if n not in join.which]
        parts = [self._ordered(member, which, kept, names) for which in (join.which, rest)]
        return self._scaled(member.outer * member.number, self.new.put("contract", over, *parts))

    def _plus(self, terms: Sequence[int]) -> int:
        return terms[0] if len(terms) == 1 else self.new.put("add", None, *terms)

    def _rest(self, member: Member, n: int, names: Mapping[str, str], over: Edges) -> Member:
        """What a factor is multiplied with, under the names that were chosen for the whole."""
        old = member.term
        bound = {names[edge]: size for edge, size in old.bound.items() if names[edge] not in over}
        term = replace(old, free=old.free | over, bound=bound, fixed=False)
        moved = [Factor(f.at, after(f.names, names)) for m, f in enumerate(old.factors) if m != n]
        turned = [self._turned(factor, term) for factor in moved]
        term.factors = [factor for factor, _ in turned]
        number = member.outer * member.number * math.prod([sign for _, sign in turned])
        sets = [called(own, names) for m, own in enumerate(member.sets) if m != n]
        rest = Member(term, 0, number, Fraction(1), sets)
        return replace(rest, at=self._ordered(rest, range(len(sets)), term.free, {}))

    def _read(self, member: Member, n: int, names: Mapping[str, str]) -> int:
        factor = member.term.factors[n]
        return self.read(factor.at, after(factor.names, names))

    def _ordered(self, member: Member, which: Sequence[int], kept: Edges, names: Mapping[str, str]) -> int:
        """The product of some of its factors, in their best order, with these edges kept."""
        sets = [member.sets[n] for n in which]

        def build(part: Order) -> tuple[int, Edges, frozenset[int]]:
            if isinstance(part, int):
                return self._read(member, which[part], names), sets[part], frozenset([part])
            (one, left, some), (two, right, more) = map(build, part)
            outside = kept.union(*[s for n, s in enumerate(sets) if n not in some | more])
            over = (left | right) - outside
            return (
                self.new.put("contract", called(over, names), one, two),
                (left | right) - over,
                some | more,
            )

        at, have, _ = build(self.best(sets, kept)[1])
        lone = have - kept
        return self.new.put("reduce", called(lone, names), at) if lone else at

    def _scaled(self, number: Fraction, at: int) -> int:
        node = self.new.nodes[at]
        if node.op == "scale":
            number, at = number * node.number, node.children[0]
        return at if number == 1 else self.new.put("scale", number, at)

    def volume(self, edges: Edges) -> float:
        """How many entries a tensor with these edges has."""
        return math.prod([self._size(self.symbols[edge]) for edge in edges])

    def _size(self, size: str | int) -> int:
        return size if isinstance(size, int) else self.sizes.get(size, 16)

    def best(self, sets: Sequence[Edges], kept: Edges) -> tuple[float, Order]:
        """What a product costs in its best order, and that order."""
        edges = list(dict.fromkeys(edge for own in sets for edge in sorted(own)))
        number = {edge: n for n, edge in enumerate(edges)}
        entries = {edge: self._size(self.symbols[edge]) for edge in edges}
        key = (
            tuple([frozenset([number[edge] for edge in own]) for own in sets]),
            tuple([(entries[edge], edge in kept) for edge in edges]),
        )
        if key not in self.orders:
            self.orders[key] = cheapest(sets, kept, lambda own: math.prod([entries[edge] for edge in own]))
        return self.orders[key]

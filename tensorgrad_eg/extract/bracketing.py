"""Long sums are bracketed into sums of terms that share a factor, as long products are put into an order.

The rules take common factors out of a sum one after another: k groups that exclude each other are 2^k sums
on the way. Here a sum is written once more with brackets around the terms that share a factor: associativity
of + and no more. Each bracket is a sum of its own, in which the shared factor stands outermost and has its
bound edges under one name; the rules find the rest. Which brackets: those that save most, one after another,
where saving is what the terms cost alone, each in its best order, less what they cost once the factor is out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from tensorgrad_eg.egraph.derive import Derived
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
#: The order of a product: the number of a factor, or what is multiplied last.
_Order = int | tuple["_Order", "_Order"]
#: A tensor, and what its axes are: an edge by its name, or by a number and its size.
_Key = tuple[int, tuple[tuple[str, int, str], ...]]
_Edges = frozenset[str]


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


@dataclass(frozen=True)
class _Member:
    """A term of a long sum: `outer` times the node `at`, which is `number` times a product.

    `sets` are the edges of its factors, as the product calls them.
    """

    term: Term
    at: int
    outer: Fraction
    number: Fraction
    sets: list[_Edges]

    @property
    def bound(self) -> _Edges:
        """The edges that it sums."""
        return frozenset(self.term.bound)


#: Terms that share a factor: each with the number of the factor.
_Group = list[tuple[_Member, int]]


class _Bracketing(Spelling):
    def __init__(self, derived: Derived, sizes: Mapping[str, int], limit: Deadline) -> None:
        super().__init__(derived.dag, dict(derived.symbols), limit)
        self.sizes, self.new = sizes, derived.dag.copy()
        self.moved = {at: at for at in range(len(derived.dag.nodes))}
        for at in self.moved:
            self.known.setdefault(self.readings(at)[0], at)
        self.facts: list[tuple[str, tuple[int, ...]]] = []
        self.done: set[int] = set()
        self.orders: dict[object, tuple[float, _Order]] = {}

    def sum(self, at: int) -> None:
        """Writes a sum once more, if there are brackets that save something."""
        members = [] if at in self.done else self._members(at)
        if not 2 <= len(members) <= _TERMS:
            return
        groups, alone = _Groups(self, members).found()
        if groups and (len(members) > _SHORT or any(map(self._unlike, groups))):
            made = self._added(groups, alone)
            self._state("bracketed" if len(members) > _LONG else "respelt", at, made)

    def _state(self, relation: str, one: int, other: int) -> None:
        if one != other:
            self.facts.append((f"({relation} t{one} t{other})", (one, other)))

    def _members(self, at: int) -> list[_Member]:
        """The terms of a sum, those of sums that nobody else reads among them."""
        found: list[_Member] = []
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

    def _member(self, top: int, outer: Fraction, above: Mapping[str, str]) -> _Member:
        term = self.top(top, above)
        outside = list(term.multiples)
        self._factors(term.whole.at, term.whole.names, term, set(term.free))
        if len(term.factors) > _FACTORS:
            term.factors, term.bound, term.multiples = [term.whole], {}, outside
        term.factors = sorted(term.factors, key=lambda factor: self._place(factor, term))
        number = math.prod([multiple.number for multiple in term.multiples], start=Fraction(1))
        term.fixed = False  # what others read as well is there as it was written
        sets = [frozenset([f.names.get(edge, edge) for edge in self.free[f.at]]) for f in term.factors]
        return _Member(term, self.read(top, above), outer, number, sets)

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

    def _unlike(self, group: _Group) -> bool:
        """Whether the factor that is shared has other names in one term than in another."""
        factors = [member.term.factors[n] for member, n in group]
        return len({self.readings(factor.at, factor.names)[0] for factor in factors}) > 1

    def _added(self, groups: Sequence[_Group], alone: Sequence[_Member]) -> int:
        """The sum of these groups, each in brackets, and of what is left."""
        terms = [self._bracket(group) for group in groups]
        for member in alone:
            terms.append(self._scaled(member.outer, member.at))
            if len(member.sets) > _EASY:
                made = self._ordered(member, range(len(member.sets)), member.term.free, {})
                self._state("respelt", member.at, self._scaled(member.number, made))
        return self._plus(terms)

    def _bracket(self, group: _Group) -> int:
        """The sum of the terms that share a factor, which is outermost in each, under one name.

        What it is multiplied with is a sum, which may have brackets in turn.
        """
        pool, terms, rests = Pool(self), [], []
        for member, n in group:
            names = pool.names(member.term, first=n)
            pool.read(member.term, names)
            over = _called(member.sets[n] & member.bound, names)
            rest, shared = self._rest(member, n, names, over), self._read(member, n, names)
            made = self.new.put("contract", over, shared, rest.at)
            self._state("respelt", member.at, self._scaled(member.number, made))
            terms.append(self._scaled(rest.outer, made))
            rests.append(rest)
        found = self._plus(terms)
        groups, alone = _Groups(self, rests).found()
        flat = self._plus([self._scaled(rest.outer, rest.at) for rest in rests])
        self._state("respelt", flat, self._added(groups, alone) if groups else flat)
        return found

    def _plus(self, terms: Sequence[int]) -> int:
        return terms[0] if len(terms) == 1 else self.new.put("add", None, *terms)

    def _rest(self, member: _Member, n: int, names: Mapping[str, str], over: _Edges) -> _Member:
        """What a factor is multiplied with, under the names that were chosen for the whole."""
        old = member.term
        bound = {names[edge]: size for edge, size in old.bound.items() if names[edge] not in over}
        factors = [Factor(f.at, after(f.names, names)) for m, f in enumerate(old.factors) if m != n]
        term = replace(old, free=old.free | over, bound=bound, factors=factors, fixed=False)
        sets = [_called(own, names) for m, own in enumerate(member.sets) if m != n]
        rest = _Member(term, 0, member.outer * member.number, Fraction(1), sets)
        return replace(rest, at=self._ordered(rest, range(len(sets)), term.free, {}))

    def _read(self, member: _Member, n: int, names: Mapping[str, str]) -> int:
        factor = member.term.factors[n]
        return self.read(factor.at, after(factor.names, names))

    def _ordered(self, member: _Member, which: Sequence[int], kept: _Edges, names: Mapping[str, str]) -> int:
        """The product of some of its factors, in their best order, with these edges kept."""
        sets = [member.sets[n] for n in which]

        def build(part: _Order) -> tuple[int, _Edges, frozenset[int]]:
            if isinstance(part, int):
                return self._read(member, which[part], names), sets[part], frozenset([part])
            (one, left, some), (two, right, more) = map(build, part)
            outside = kept.union(*[s for n, s in enumerate(sets) if n not in some | more])
            over = (left | right) - outside
            return (
                self.new.put("contract", _called(over, names), one, two),
                (left | right) - over,
                some | more,
            )

        at, have, _ = build(self.best(sets, kept)[1])
        lone = have - kept
        return self.new.put("reduce", _called(lone, names), at) if lone else at

    def _scaled(self, number: Fraction, at: int) -> int:
        node = self.new.nodes[at]
        if node.op == "scale":
            number, at = number * node.number, node.children[0]
        return at if number == 1 else self.new.put("scale", number, at)

    def volume(self, edges: _Edges) -> float:
        """How many entries a tensor with these edges has."""
        return math.prod([self._size(self.symbols[edge]) for edge in edges])

    def _size(self, size: str | int) -> int:
        return size if isinstance(size, int) else self.sizes.get(size, 16)

    def best(self, sets: Sequence[_Edges], kept: _Edges) -> tuple[float, _Order]:
        """What a product costs in its best order, and that order."""
        edges = list(dict.fromkeys(edge for own in sets for edge in sorted(own)))
        number = {edge: n for n, edge in enumerate(edges)}
        entries = {edge: self._size(self.symbols[edge]) for edge in edges}
        key = (
            tuple([frozenset([number[edge] for edge in own]) for own in sets]),
            tuple([(entries[edge], edge in kept) for edge in edges]),
        )
        if key not in self.orders:
            self.orders[key] = _cheapest(sets, kept, lambda own: math.prod([entries[edge] for edge in own]))
        return self.orders[key]


def _called(edges: _Edges, names: Mapping[str, str]) -> _Edges:
    return frozenset([names.get(edge, edge) for edge in edges])


def _cheapest(
    sets: Sequence[_Edges], kept: _Edges, volume: Callable[[_Edges], float]
) -> tuple[float, _Order]:
    """The cheapest order of a product, by dynamic programming over its parts."""
    whole = (1 << len(sets)) - 1
    best: dict[int, tuple[float, _Order]] = {1 << n: (0.0, n) for n in range(len(sets))}
    open_ = {1 << n: own for n, own in enumerate(sets)}
    for part in range(1, whole + 1):
        if part in best:
            continue
        inside = _Edges().union(*[own for n, own in enumerate(sets) if part >> n & 1])
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


class _Groups:
    """Which terms of a sum are put together."""

    def __init__(self, work: _Bracketing, members: Sequence[_Member]) -> None:
        self.work, self.members = work, members
        self.out = _Edges().union(*[member.term.free for member in members])

    def found(self) -> tuple[list[_Group], list[_Member]]:
        """The groups that save most, one after another, and the terms that are left."""
        left = list(range(len(self.members)))
        kinds = self._kinds()
        groups: list[dict[int, int]] = []
        rated: dict[_Key, tuple[list[int], list[dict[int, int]], float]] = {}
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
        by: dict[_Key, dict[int, int]] = {}
        for n, j in places.items():
            by.setdefault(self._key(n, j), {})[n] = j
        saving = [(self._saving(group), group) for group in by.values() if len(group) > 1]
        worth = [group for saved, group in saving if saved > 0]
        return worth, max([saved for saved, _ in saving], default=0)

    def _kinds(self) -> dict[_Key, dict[int, int]]:
        """Factors up to the names of all edges, with the terms that have them, and where.

        Terms that are one tensor under other names have it in the same place: else what could be computed
        once for all of them would not be one tensor any more. What is multiplied entry by entry is left to
        the rules: they take it out of any sum, whatever stands before and after it.
        """
        found: dict[_Key, dict[int, int]] = {}
        for n, member in enumerate(self.members):
            if len(member.sets) > 1:
                for j in [j for j, own in enumerate(member.sets) if own & member.bound]:
                    found.setdefault(self._key(n, j, named=False), {}).setdefault(n, j)
        return found

    def _key(self, n: int, j: int, named: bool = True) -> _Key:
        """A factor up to the names of the edges that the term sums, or up to those of all."""
        term = self.members[n].term

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

    def _saving(self, group: Mapping[int, int]) -> float:
        """What the terms cost alone, less what they cost with the shared factor taken out."""
        work, total, last = self.work, 0.0, 0.0
        for n, j in group.items():
            member = self.members[n]
            kept = member.term.free | (member.sets[j] & member.bound)
            rest = [own for m, own in enumerate(member.sets) if m != j]
            left = kept.intersection(_Edges().union(*rest))
            met = work.volume(member.sets[j] | left)
            last = max(last, met * (2 if member.sets[j] & member.bound else 1) - work.volume(left))
            total += work.best(member.sets, member.term.free)[0] - work.best(rest, kept)[0]
            total += work.volume(self.out) - work.volume(left)
        return total - last - work.volume(self.out)

"""Long sums are bracketed into sums of terms that share a factor, as long products are put into an order.

The rules take common factors out of a sum one after another: k groups that exclude each other are 2^k sums on the
way. Here a sum is written once more with brackets around the terms that share a factor: associativity of + and no
more. Each bracket is a sum of its own, in which the shared factor stands outermost and has its bound edges under
one name; the rules find the rest. Which brackets: those that save most, one after another, where saving is what the
terms cost alone, each in its best order, less what they cost once the factor is taken out.

Both forms are put into the e-graph, and prices decide.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from tensorgrad_eg.egraph.derive import Derived
from tensorgrad_eg.egraph.term import Dag
from tensorgrad_eg.extract.spelling import Factor, Pool, Spelling, Term, after, renaming_first

#: Products of more factors than this are not taken apart; nor are sums of more terms.
_FACTORS, _TERMS = 8, 200
#: Sums of so few terms are left to the rules, unless a shared factor is called differently.
_SHORT = 3
#: Longer sums than this are there in brackets only: their subsets would fill the e-graph.
_LONG = 8
#: A tensor, and what its axes are: an edge by its name, or one of a number and a size.
_Key = tuple[int, tuple[tuple[str, int, str], ...]]


def bracketed(derived: Derived, sizes: Mapping[str, int]) -> Derived:
    """The program with its sums written once more, in brackets of terms that share a factor.

    Example:
        >>> bracketed(Derived(Dag(), [], {}), {}).wide is None
        True
    """
    if not any(node.op == "add" for node in derived.dag.nodes):
        return derived
    work = _Bracketing(derived, sizes)
    for at in reversed(derived.dag.reachable(derived.dag.roots.values())):
        if derived.dag.nodes[at].op == "add":
            work.sum(at)
    if not work.pairs:
        return derived
    return replace(derived, wide=work.new, pairs=tuple(work.pairs), symbols=work.symbols)


@dataclass(frozen=True)
class _Member:
    """A term of a long sum, `outer` times the node `term.top`, which is `number` times a product of factors."""

    term: Term
    outer: Fraction
    number: Fraction
    sets: list[frozenset[str]]


class _Bracketing(Spelling):
    def __init__(self, derived: Derived, sizes: Mapping[str, int]) -> None:
        super().__init__(derived.dag, dict(derived.symbols))
        self.sizes = sizes
        self.new = derived.dag.copy()
        self.moved = {at: at for at in range(len(derived.dag.nodes))}
        for at in self.moved:
            self.known.setdefault(self.readings(at)[0], at)
        self.pairs: list[tuple[str, int, int]] = []
        self.done: set[int] = set()
        self.orders: dict[object, tuple[float, _Order]] = {}

    def sum(self, at: int) -> None:
        """Writes a sum once more, if there are brackets that save something."""
        if at in self.done:
            return
        members = self._members(at)
        if not 2 <= len(members) <= _TERMS:
            return
        out = self.free[at]
        groups, alone = _Groups(self, members, out).found()
        if not groups or (len(members) <= _SHORT and not any(map(self._odd, groups))):
            return
        terms = [self._bracket(group) for group in groups]
        terms += [self._scaled(member.outer, member.term.top) for member in alone]
        relation = "bracketed" if len(members) > _LONG else "accumulates"
        self.pairs.append((relation, at, terms[0] if len(terms) == 1 else self.new.put("add", None, *terms)))

    def _members(self, at: int) -> list[_Member]:
        """The terms of a sum, those of sums that nobody else reads among them."""
        found: list[_Member] = []
        stack = [(child, Fraction(1)) for child in reversed(self.dag.nodes[at].children)]
        while stack:
            here, number = stack.pop()
            inner, times = here, number
            while self.dag.nodes[inner].op == "scale":
                times, inner = times * self.dag.nodes[inner].number, self.dag.nodes[inner].children[0]
            if self.dag.nodes[inner].op == "add" and self.readers[inner] == 1:
                self.done.add(inner)
                stack.extend((child, times) for child in reversed(self.dag.nodes[inner].children))
            else:
                found.append(self._member(here, number))
        return found

    def _member(self, top: int, outer: Fraction) -> _Member:
        at, names, number = top, dict[str, str](), Fraction(1)
        while True:
            node = self.dag.nodes[at]
            moves = self.renaming(node)
            if moves:
                names = renaming_first(moves, names)
            elif node.op == "scale":
                number *= node.number
            else:
                break
            at = node.children[0]
        term = Term(at, top, self.free[top], [], Factor(at, names))
        self._factors(at, names, term, set(self.free[top]))
        if len(term.factors) > _FACTORS:
            term.factors, term.bound = [Factor(at, names)], {}
        return _Member(term, outer, number, [self.edges(factor) for factor in term.factors])

    def edges(self, factor: Factor) -> frozenset[str]:
        """The edges of a factor, as the product calls them."""
        return frozenset([factor.names.get(edge, edge) for edge in self.free[factor.at]])

    def _factors(self, at: int, names: Mapping[str, str], term: Term, taken: set[str]) -> None:
        """The factors of a product, those of products that others read as well among them."""
        node = self.dag.nodes[at]
        moves = self.renaming(node)
        if moves:
            return self._factors(node.children[0], renaming_first(moves, names), term, taken)
        if node.op != "contract" or len(term.factors) > _FACTORS:
            term.factors.append(Factor(at, names))
            return None
        here = self.bind(node, names, term, taken)
        for child in node.children:
            self._factors(child, here, term, taken)
        return None

    def _odd(self, group: _Group) -> bool:
        """Whether the factor that is shared has other names in one term than in another, or stands deep."""
        read = {self.readings(m.term.factors[n].at, m.term.factors[n].names)[0] for m, n in group.members}
        return len(read) > 1

    def _bracket(self, group: _Group) -> int:
        """The sum of the terms that share a factor, which is outermost in each, under one name."""
        pool = Pool(self)
        made = []
        for member, n in group.members:
            names = pool.names(member.term, first=n)
            pool.read(member.term, names)
            at = self._scaled(member.number, self._outermost(member, n, names))
            self.pairs.append(("accumulates", member.term.top, at))
            made.append(self._scaled(member.outer, at))
        return self.new.put("add", None, *made)

    def _outermost(self, member: _Member, n: int, names: Mapping[str, str]) -> int:
        """A product with its n-th factor outermost, the others in their best order."""
        shared = member.sets[n]
        others = [m for m in range(len(member.sets)) if m != n]
        kept = member.term.free | (shared & set(member.term.bound))
        rest = self._ordered(member, others, kept, names)
        over = frozenset(names[edge] for edge in shared & set(member.term.bound))
        return self.new.put("contract", over, self._read(member, n, names), rest)

    def _read(self, member: _Member, n: int, names: Mapping[str, str]) -> int:
        factor = member.term.factors[n]
        return self.read(factor.at, after(factor.names, names))

    def _ordered(
        self, member: _Member, which: Sequence[int], kept: frozenset[str], names: Mapping[str, str]
    ) -> int:
        """The product of some of its factors, in their best order, with these edges kept."""
        sets = [member.sets[n] for n in which]
        _, order = self.best(sets, kept)

        def build(part: _Order) -> tuple[int, frozenset[int]]:
            if isinstance(part, int):
                return self._read(member, which[part], names), frozenset([part])
            (one, left), (two, right) = map(build, part)
            inside = left | right
            open_ = kept.union(*[s for n, s in enumerate(sets) if n not in inside])
            have = frozenset().union(*[sets[n] for n in left]) | frozenset().union(*[sets[n] for n in right])
            before = {e for side in (left, right) for e in self._open(sets, side, kept)}
            over = frozenset(names.get(e, e) for e in (have & before) - open_)
            return self.new.put("contract", over, one, two), inside

        at, _ = build(order)
        lone = {e for e in sets[0] - kept} if len(sets) == 1 else set()
        return self.new.put("reduce", frozenset(names.get(e, e) for e in lone), at) if lone else at

    def _open(self, sets: Sequence[frozenset[str]], side: frozenset[int], kept: frozenset[str]) -> set[str]:
        """The edges of a part of a product that are not summed in it: a single factor has all of its own."""
        own = frozenset[str]().union(*[sets[n] for n in side])
        if len(side) == 1:
            return set(own)
        return set(own & kept.union(*[s for n, s in enumerate(sets) if n not in side]))

    def _scaled(self, number: Fraction, at: int) -> int:
        node = self.new.nodes[at]
        if node.op == "scale":
            number, at = number * node.number, node.children[0]
        return at if number == 1 else self.new.put("scale", number, at)

    def volume(self, edges: frozenset[str] | set[str]) -> float:
        """How many entries a tensor with these edges has."""
        return math.prod([self.extent(edge) for edge in edges])

    def extent(self, edge: str) -> int:
        """The size of an edge."""
        size = self.symbols.get(edge.rstrip("'"), 16) if edge not in self.symbols else self.symbols[edge]
        return size if isinstance(size, int) else self.sizes.get(size, 16)

    def best(self, sets: Sequence[frozenset[str]], kept: frozenset[str]) -> tuple[float, _Order]:
        """What a product costs in its best order, and that order."""
        edges = sorted(frozenset[str]().union(*sets))
        number = {edge: n for n, edge in enumerate(dict.fromkeys(e for s in sets for e in sorted(s)))}
        key = (
            tuple(tuple(sorted(number[e] for e in s)) for s in sets),
            tuple((number[e], self.extent(e), e in kept) for e in edges),
        )
        if key not in self.orders:
            self.orders[key] = _cheapest(sets, kept, self.volume)
        return self.orders[key]


_Order = int | tuple["_Order", "_Order"]


def _cheapest(sets, kept, volume) -> tuple[float, _Order]:
    count = len(sets)
    whole = (1 << count) - 1
    free: dict[int, frozenset[str]] = {}
    for part in range(1, whole + 1):
        inside = frozenset[str]().union(*[s for n, s in enumerate(sets) if part >> n & 1])
        outside = kept.union(*[s for n, s in enumerate(sets) if not part >> n & 1])
        free[part] = inside & outside if part & (part - 1) else inside
    best: dict[int, tuple[float, _Order]] = {1 << n: (0.0, n) for n in range(count)}
    for part in range(1, whole + 1):
        if part in best:
            continue
        least: tuple[float, _Order] | None = None
        one = (part - 1) & part
        while one:
            two = part ^ one
            if one > two:
                met = free[one] | free[two]
                cost = volume(met) * (1 if met == free[part] else 2) + best[one][0] + best[two][0]
                if least is None or cost < least[0]:
                    least = cost, (best[one][1], best[two][1])
            one = (one - 1) & part
        assert least is not None
        best[part] = least
    return best[whole]


@dataclass
class _Group:
    """Terms that share a factor: each with the number of the factor."""

    members: list[tuple[_Member, int]]


class _Groups:
    """Which terms of a sum are put together."""

    def __init__(self, work: _Bracketing, members: Sequence[_Member], out: frozenset[str]) -> None:
        self.work, self.members, self.out = work, members, out

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
                return [self._group(group) for group in groups], [self.members[n] for n in left]
            groups += rated[best][1]
            left = [n for n in left if not any(n in group for group in rated[best][1])]

    def _group(self, places: Mapping[int, int]) -> _Group:
        return _Group([(self.members[n], j) for n, j in places.items()])

    def _rated(self, places: Mapping[int, int]) -> tuple[list[dict[int, int]], float]:
        """Terms with one kind of factor, by the factor itself, where that saves something; and how much.

        What groups save that differ by the names of free edges is counted once: so are they computed.
        """
        by: dict[_Key, dict[int, int]] = {}
        for n, j in places.items():
            by.setdefault(self._key(n, j), {})[n] = j
        saving = [(self._saving(group), group) for group in by.values() if len(group) > 1]
        return [group for saved, group in saving if saved > 0], max([saved for saved, _ in saving], default=0)

    def _kinds(self) -> dict[_Key, dict[int, int]]:
        """Factors up to the names of all edges, with the terms that have them, and where.

        Of terms that are one tensor under other names each has it in the same place: else what could be
        computed once for all of them would not be one tensor any more.
        """
        found: dict[_Key, dict[int, int]] = {}
        for n, member in enumerate(self.members):
            if len(member.sets) > 1:
                for j in range(len(member.sets)):
                    found.setdefault(self._key(n, j, named=False), {}).setdefault(n, j)
        return found

    def _key(self, n: int, j: int, named: bool = True) -> _Key:
        """A factor up to the names of the edges that the term sums, or of all."""
        term = self.members[n].term
        factor = term.factors[j]

        def pattern(names: Sequence[str]) -> tuple[tuple[str, int, str], ...]:
            number: dict[str, int] = {}
            return tuple(
                (name, 0, "")
                if named and name not in term.bound
                else (
                    "summed" if name in term.bound else "",
                    number.setdefault(name, len(number)),
                    str(self.work.symbols[name.rstrip("'")] if name not in self.work.symbols else self.work.symbols[name]),
                )
                for name in names
            )

        return min((group, pattern(names)) for group, names in self.work.readings(factor.at, factor.names))

    def _saving(self, group: Mapping[int, int]) -> float:
        """What the terms cost alone, less what they cost with the shared factor taken out."""
        work = self.work
        total = 0.0
        inner: set[str] = set()
        for n, j in group.items():
            member = self.members[n]
            shared = member.sets[j]
            rest = [s for m, s in enumerate(member.sets) if m != j]
            bound = shared & set(member.term.bound)
            total += work.best(member.sets, member.term.free)[0]
            total -= work.best(rest, member.term.free | bound)[0]
            left = frozenset[str]().union(*rest) & (member.term.free | bound)
            if not inner:
                met, first = shared | left, bound
            inner = inner | left if not inner else inner
            total -= work.volume(left)
        last = work.volume(met) * (2 if first else 1)
        return total - last + work.volume(self.out) * (len(group) - 1) + work.volume(inner)

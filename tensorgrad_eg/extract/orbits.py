"""Sums that are the same, or their negative, when edges are exchanged: one term of each orbit will do.

S = X - X_ab where S changes its sign when a and b are exchanged: of each term and what it becomes X has one,
and of a term that is its own image one half. X is shorter, and of a term any image may be chosen: so terms
share factors that did not share any. That a term is another one's image follows from the orders in which the
axes of tensors may be read, which the rules have found; nothing is stated here but names and signs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import combinations

from tensorgrad_eg.egraph import Snapshot
from tensorgrad_eg.extract.alias import closed
from tensorgrad_eg.extract.closure import PRODUCT, Closure, Node, kind
from tensorgrad_eg.extract.spelling import Term

#: Larger groups of exchanges are not looked at.
_EXCHANGES = 24
#: A term as a tensor: which it is, and the names of its axes.
_Key = tuple[int, tuple[str, ...]]
_Names = Mapping[str, str]


@dataclass(frozen=True)
class Exchange:
    """Edges that are called after each other, and the sign that this gives to a sum."""

    names: Mapping[str, str]
    sign: int


@dataclass(frozen=True)
class Orbit:
    """A term that stands for all its images: its number in the sum, and what it is multiplied with."""

    term: int
    number: Fraction


def stated(snapshot: Snapshot, exchanges: Mapping[str, Mapping[tuple[int, ...], int]]) -> Closure:
    """The tensors of a program up to names and signs, given the orders in which variables may be read.

    Example:
        >>> from tensorgrad_eg.expr.operations import ENode
        >>> nodes = {0: [ENode("variable", ("x", ("i", "j")))]}
        >>> s = Snapshot(nodes, {0: frozenset("ij")}, {}, {"i": "n", "j": "n"})
        >>> stated(s, {"x": {(0, 1): 1, (1, 0): -1}}).turns
        {0: {(0, 1): 1, (1, 0): -1}}
    """
    closure = closed(snapshot, signed=True)
    for at, (node, *_) in snapshot.nodes.items():
        if node.op == "variable" and at in closure.place and len(set(node.axes)) == len(node.axes):
            names = sorted(snapshot.free[at])
            axes = [names.index(axis) for axis in node.axes]
            for order, sign in exchanges.get(node.name, {}).items():
                closure.same(at, axes, at, [axes[n] for n in order], sign)
    closure.run()
    return closure


@dataclass
class Orbits:
    """The terms of a sum with their numbers, and what they become when edges are exchanged."""

    closure: Closure
    free: Mapping[int, Sequence[str]]
    symbols: Mapping[str, str | int]
    keys: list[tuple[int, Sequence[str]]] = field(default_factory=list)
    terms: dict[_Key, list[tuple[int, Fraction]]] = field(default_factory=dict)
    _numbers: list[Fraction] = field(default_factory=list)

    def add(self, terms: Iterable[tuple[Term, Fraction]]) -> None:
        """Takes note of terms."""
        for at, (term, number) in enumerate(terms, 1 + max(self.closure.place, default=0)):
            names = tuple(sorted(term.free))
            reads = tuple([(f.at, tuple([f.names.get(e, e) for e in self.free[f.at]])) for f in term.factors])
            edges = {edge for _, own in reads for edge in own}
            kinds = {e: kind(e in term.bound, e in names, self.symbols[e]) for e in sorted(edges)}
            self.closure.add(Node(at, names, "term", reads, kinds, 1, PRODUCT))
            self.keys.append((at, names))
            self._numbers.append(number)
        self.closure.run()
        for n in range(len(self.keys)):
            key, sign = self._read(n, {})
            if sign:
                self.terms.setdefault(key, []).append((n, sign * self._numbers[n]))

    def _read(self, n: int, names: _Names) -> tuple[_Key, int]:
        """Which tensor a term is with its edges renamed, and with which sign; 0 for what is zero."""
        at, own = self.keys[n]
        group, _ = self.closure.place[at]
        if group in self.closure.zeros:
            return (group, ()), 0
        axes, sign = min(self.closure.readings(at, [names.get(name, name) for name in own]))
        return (group, axes), sign * self.closure.signs.get(at, 1)

    def _number(self, key: _Key) -> Fraction:
        return sum([number for _, number in self.terms.get(key, ())], start=Fraction(0))

    def exchanges(self, edges: Sequence[str]) -> list[Exchange]:
        """The exchanges of these edges that the sum has, and what comes of one after another."""
        pairs = [pair for pair in combinations(edges, 2) if self.symbols[pair[0]] == self.symbols[pair[1]]]
        swaps = [_swap(pair) for pair in pairs]
        swaps += [{**a, **b} for a, b in combinations(swaps, 2) if not set(a) & set(b)]
        found = [Exchange({}, 1)]
        for names in swaps:
            if any(_alike(names, one.names, edges) for one in found):
                continue
            sign = next((sign for sign in (1, -1) if self._kept(names, sign)), 0)
            if sign:
                found = _closed([*found, Exchange(names, sign)], edges) or found
        return found

    def _kept(self, names: _Names, sign: int) -> bool:
        """Whether this exchange gives the sum this sign."""
        for key, known in self.terms.items():
            other, turned = self._read(known[0][0], names)
            own = self._read(known[0][0], {})[1]
            if self._number(other) * turned * own != sign * self._number(key):
                return False
        return True

    def orbits(self, exchanges: Sequence[Exchange]) -> list[Orbit]:
        """One term of each orbit, with the number that makes the sum over all exchanges the whole."""
        found, done = [], set[_Key]()
        for key, known in self.terms.items():
            number = self._number(key)
            if key in done or not number:
                continue
            first = known[0][0]
            sign = self._read(first, {})[1]
            images = [self._read(first, one.names)[0] for one in exchanges]
            done.update(images)
            found.append(Orbit(first, sign * number / images.count(key)))
        return found


def _swap(pair: Sequence[str]) -> dict[str, str]:
    return {pair[0]: pair[1], pair[1]: pair[0]}


def _alike(one: _Names, other: _Names, edges: Sequence[str]) -> bool:
    return all(one.get(e, e) == other.get(e, e) for e in edges)


def _closed(exchanges: Sequence[Exchange], edges: Sequence[str]) -> list[Exchange]:
    """All that comes of exchanges one after another; nothing if that is too much."""
    found = list(exchanges)
    for one in found:
        for other in exchanges:
            names = {e: other.names.get(one.names.get(e, e), one.names.get(e, e)) for e in edges}
            if not any(_alike(names, known.names, edges) for known in found):
                if len(found) == _EXCHANGES:
                    return []
                found.append(Exchange(names, one.sign * other.sign))
    return found

"""How a sum reads its terms: as they are, as what they are minus of, or by what they have on their diagonals.

A class that is minus another need not be computed, nor one that puts another on a diagonal: the sum subtracts
the other, or adds it there. Each way to read all terms is a way to compute the sum.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from fractions import Fraction
from itertools import islice, product
from math import prod
from typing import NamedTuple

from tensorgrad_eg.egraph import Snapshot
from tensorgrad_eg.expr.operations import ENode
from tensorgrad_eg.program.diagonals import Pair, larger

_ONE, _MINUS = Fraction(1), Fraction(-1)
#: A term has so many readings on diagonals at most.
_FEW = 3
#: A sum has all combinations of its terms' readings if they are so many at most.
_SOME = 8


class Reading(NamedTuple):
    """A term of a sum: `factor · δ[pair] ··· class`, the class at `at`; where that is None, 1.

    >>> Reading(3).plain, Reading(3, Fraction(-1)).plain
    (True, False)
    """

    at: int | None
    factor: Fraction = _ONE
    pairs: tuple[Pair, ...] = ()

    @property
    def plain(self) -> bool:
        """Whether it is the class as it is."""
        return self.factor == 1 and not self.pairs


class Readings:
    """The ways to read the terms of sums in an e-graph; `known` says which classes can be computed.

    >>> nodes = {0: [ENode("variable", ("x", ("i",)))], 1: [ENode("delta", ("i", "j"))]}
    >>> nodes |= {2: [ENode("contract", frozenset(), (1, 0))], 3: [ENode("variable", ("R", ("i", "j")))]}
    >>> s = Snapshot(nodes, {0: frozenset("i"), **dict.fromkeys((1, 2, 3), frozenset("ij"))}, {})
    >>> for found in Readings(s, nodes).of(ENode("add", frozenset("ij"), (2, 3))):
    ...     print(found[0].at, found[0].pairs, found[1].at)
    0 (('i', 'j'),) 3
    """

    def __init__(self, snapshot: Snapshot, known: Container[int]) -> None:
        self.snapshot, self.known = snapshot, known
        self._signs: dict[int, list[Reading]] = {}
        self._diagonals: dict[int, list[Reading]] = {}
        self._deltas: dict[int, list[tuple[Pair, ...]]] = {}

    def of(self, node: ENode) -> Iterator[tuple[Reading, ...]]:
        """The ways to read the terms of a sum, but for the plain one.

        Where all terms are on diagonals, one is an array to which the others are added.
        """
        signed = [self._signed(child) for child in node.children]
        placed = [self._placed(child) for child in node.children]
        if any(placed):
            for base in range(len(placed)) if all(placed) else [len(placed)]:
                pairs = enumerate(zip(placed, signed, strict=True))
                yield from product(*_bounded([p if p and n != base else s for n, (p, s) in pairs]))
        yield from (kids for kids in product(*_bounded(signed)) if not all(one.plain for one in kids))

    def _signed(self, at: int) -> list[Reading]:
        """A term as it is, or as what it is minus of.

        Of x and -x one may be all there is, or each may be computed in a way of its own: then both are
        offered.
        """
        if at not in self._signs:
            nodes = self.snapshot.nodes[at]
            minus = next((node.children[0] for node in nodes if _negates(node)), None)
            negated = [Reading(minus, _MINUS)] if minus is not None and minus in self.known else []
            stands = not negated or any(not _negates(node) for node in nodes)
            self._signs[at] = [Reading(at)] * stands + negated
        return self._signs[at]

    def _placed(self, at: int) -> list[Reading]:
        """What a class has on its diagonals, behind as many deltas as are found."""
        if at not in self._diagonals:
            self._diagonals[at] = []  # a class may be a multiple of itself
            found = (reading for node in self.snapshot.nodes[at] for reading in self._by(at, node))
            self._diagonals[at] = list(islice(dict.fromkeys(found), _FEW))
        return self._diagonals[at]

    def _by(self, at: int, node: ENode) -> Iterator[Reading]:
        if node.op == "delta":
            yield Reading(None, _ONE, (node.pair,))
        elif node.op == "scale" and isinstance(node.payload, Fraction):
            for inner in self._placed(node.children[0]):
                yield Reading(inner.at, inner.factor * node.payload, inner.pairs)
        elif node.op == "contract" and not node.payload and self.snapshot.exact(at, node):
            for one, other in (node.children, node.children[::-1]):
                for pairs in self._identity(one):
                    if larger(pairs, self.snapshot.free[other]):
                        yield from self._behind(other, pairs)

    def _behind(self, at: int, pairs: tuple[Pair, ...]) -> Iterator[Reading]:
        """What deltas put on diagonals: a class, or what that has on its own."""
        inner = self._placed(at) or (self._signed(at) if at in self.known else [])
        return (Reading(one.at, one.factor, pairs + one.pairs) for one in inner)

    def _identity(self, at: int) -> list[tuple[Pair, ...]]:
        """The deltas that a class is a product of, if it is one of nothing else."""
        if at not in self._deltas:
            self._deltas[at] = []
            found = (pairs for node in self.snapshot.nodes[at] for pairs in self.identity(at, node))
            self._deltas[at] = list(dict.fromkeys(found))[:_FEW]
        return self._deltas[at]

    def identity(self, at: int, node: ENode) -> list[tuple[Pair, ...]]:
        """The deltas that a node of a class is a product of, if it is written down as one, without a mask."""
        if node.op == "delta":
            return [(node.pair,)]
        if node.op != "contract" or node.payload or not self.snapshot.exact(at, node):
            return []
        return [
            outer + inner
            for one, other in (node.children, node.children[::-1])
            for outer, inner in product(self._identity(one), self._identity(other))
            if larger(outer, self.snapshot.free[other])
        ]


def _bounded(options: Sequence[Sequence[Reading]]) -> list[Sequence[Reading]]:
    """All readings of each term, or the last one, where all are too many."""
    count = prod(map(len, options))
    return [own if count <= _SOME else own[-1:] for own in options]


def _negates(node: ENode) -> bool:
    return node.op == "scale" and node.payload == _MINUS

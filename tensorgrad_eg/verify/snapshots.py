"""Whether every e-node of an e-graph equals its class: what an unsound rule breaks.

>>> from fractions import Fraction
>>> x, two = ENode("variable", ("x", ("i",))), ENode("scale", Fraction(2), (0,))
>>> free = {0: frozenset("i"), 1: frozenset("i")}
>>> check_snapshot(Snapshot({0: [x], 1: [two]}, free, {}, {"i": "n"}))
[]
>>> print(check_snapshot(Snapshot({0: [x, ENode("scale", Fraction(3), (0,))]}, free, {}, {"i": "n"}))[0])
x[i] = 3 x[i] is wrong: 0.193019 and 0.579058 at i=0, where i has size 2
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tensorgrad_eg.assume import Fact
from tensorgrad_eg.egraph.snapshot import Snapshot
from tensorgrad_eg.expr.arrays import Labelled, spread
from tensorgrad_eg.expr.operations import ENode
from tensorgrad_eg.verify.classes import ClassValues, Draw
from tensorgrad_eg.verify.terms import show

#: What two forms may differ by: rules that are wrong are wrong by more.
_RELATIVE, _ABSOLUTE = 1e-6, 1e-10


@dataclass(frozen=True)
class Mismatch:
    """An e-node that does not equal its class, with a point where it differs.

    >>> Mismatch(0, ENode("extent", "n"), "2", "|n|", 2.0, 3.0, {}, {"i": 3}).found
    3.0
    """

    at: int
    node: ENode
    expected_term: str
    found_term: str
    expected: float
    found: float
    where: Mapping[str, int]
    sizes: Mapping[str, int]

    def __str__(self) -> str:
        """The two forms, and what each is worth where they differ most."""
        point = ", ".join(f"{edge}={index}" for edge, index in self.where.items())
        sizes = ", ".join(f"{edge} has size {size}" for edge, size in self.sizes.items())
        context = f" at {point}" * bool(point) + f", where {sizes}" * bool(sizes)
        return (
            f"{self.expected_term} = {self.found_term} is wrong: "
            f"{self.expected:.6g} and {self.found:.6g}{context}"
        )


@dataclass
class SnapshotCheck:
    """What was found: e-nodes that differ, those without a finite value, and how many were compared.

    What is `skipped` is too large to compute at the smallest sizes.

    >>> SnapshotCheck().ok
    True
    """

    mismatches: list[Mismatch] = field(default_factory=list)
    not_finite: list[str] = field(default_factory=list)
    compared: int = 0
    skipped: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing differs."""
        return not self.mismatches


def check_snapshot(snapshot: Snapshot, seed: int = 0, facts: tuple[Fact, ...] = ()) -> list[Mismatch]:
    """Every e-node that does not equal its class, on data of which the facts are true.

    >>> check_snapshot(Snapshot({}, {}, {}))
    []
    """
    return inspect_snapshot(snapshot, seed, facts).mismatches


def inspect_snapshot(snapshot: Snapshot, seed: int = 0, facts: tuple[Fact, ...] = ()) -> SnapshotCheck:
    """Compares every e-node with its class, on data of both signs and on positive data.

    >>> inspect_snapshot(Snapshot({}, {}, {})).compared
    0
    """
    check = SnapshotCheck()
    draws = [ClassValues(snapshot, Draw(seed, positive, facts)) for positive in (False, True)]
    for at, nodes in sorted(snapshot.nodes.items()):
        for node in nodes:
            # Some classes have lost all of their terms to simpler ones: no program can contain those.
            if draws[0].choice.keys() >= {at, *node.children}:
                _compare(check, draws, at, node)
    return check


def _compare(check: SnapshotCheck, draws: list[ClassValues], at: int, node: ENode) -> None:
    finite = False
    known = False
    for values in draws:
        found = values.node(node) if at in values.values else None
        if found is None:
            continue
        known = True
        different, some = _differ(values, at, node, found)
        finite |= some
        if different is not None:
            check.mismatches.append(different)
            break
    check.compared += known
    check.skipped += not known
    if known and not finite:
        check.not_finite.append(show(draws[0].snapshot, draws[0].choice, node))


def _differ(values: ClassValues, at: int, node: ENode, found: Labelled) -> tuple[Mismatch | None, bool]:
    """Where the e-node differs most from its class, if it does; and whether any entry could be compared."""
    expected = values[at]
    union = tuple(dict.fromkeys((*expected.edges, *found.edges)))
    left, right = (spread(values.library, one, union) for one in (expected, found))
    left, right = np.broadcast_arrays(left, right)
    finite = np.isfinite(left) & np.isfinite(right)
    if not finite.any():
        return None, False
    with np.errstate(all="ignore"):
        gap = np.where(finite, np.abs(left - right), 0.0)
        size = max(float(np.abs(side[finite]).max()) for side in (left, right))
    if gap.max() > _RELATIVE * size + _ABSOLUTE * max(1.0, _magnitude(values, node)):
        return _mismatch(values, at, node, union, (left, right), gap), True
    return _unbounded(values, at, node, found), True


def _unbounded(values: ClassValues, at: int, node: ENode, found: Labelled) -> Mismatch | None:
    """A class may not depend on an edge that is not among its free edges."""
    for axis, edge in enumerate(found.edges):
        if edge not in values.snapshot.free[at]:
            first = np.broadcast_to(np.take(found.array, [0], axis), found.array.shape)
            gap = np.nan_to_num(np.abs(found.array - first))
            size = np.nan_to_num(np.abs(found.array)).max()
            if gap.max() > _RELATIVE * size + _ABSOLUTE * max(1.0, _magnitude(values, node)):
                return _mismatch(values, at, node, found.edges, (first, found.array), gap)
    return None


def _magnitude(values: ClassValues, node: ENode) -> float:
    arrays = [values[c].array for c in node.children]
    tops = [float(np.nan_to_num(np.abs(a), posinf=0.0).max(initial=0.0)) for a in arrays]
    return float(np.prod(tops)) if node.op == "contract" else max(tops, default=1.0)


def _mismatch(
    values: ClassValues,
    at: int,
    node: ENode,
    edges: tuple[str, ...],
    sides: Iterable[NDArray[Any]],
    gap: NDArray[Any],
) -> Mismatch:
    place = np.unravel_index(int(gap.argmax()), gap.shape)
    where = {edge: int(index) for edge, index in zip(edges, place, strict=True)}
    expected, found = (float(side[place]) for side in sides)
    snapshot, choice = values.snapshot, values.choice
    terms = show(snapshot, choice, choice[at]), show(snapshot, choice, node)
    return Mismatch(at, node, *terms, expected, found, where, {edge: values.sizes[edge] for edge in edges})

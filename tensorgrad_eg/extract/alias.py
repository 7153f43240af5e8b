"""Tensors that are one tensor read under other edge names.

Two classes whose terms differ by the names of edges alone (a layer's activations read at b,i and at b,j;
the left and the right environment of a norm) need to be computed once. They are found by evaluating one
term of every class at random points of a finite field, functions as random functions: equal fingerprints
mean equal polynomials of equal function values (Schwartz, J. ACM 27, 1980), with a chance of error below
the number of classes squared / 2^60.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice, permutations, product
from typing import Any

import numpy as np

from tensorgrad_eg.egraph.snapshot import Snapshot, smallest
from tensorgrad_eg.egraph.term import ENode
from tensorgrad_eg.extract.field import LANES, Field, P, mix, number, power, variable

_TRIES = 120


@dataclass(frozen=True)
class Alias:
    """A class as a reading of its group's tensor: `axes[n]` is this class's name of the n-th axis."""

    group: int
    axes: tuple[str, ...]


def aliases(snapshot: Snapshot) -> dict[int, Alias]:
    """For every class that stands for something, its group and the names it gives to the group's axes.

    Example:
        >>> x = [[ENode("variable", ("x", (edge,)))] for edge in "ij"]
        >>> free = {0: frozenset("i"), 1: frozenset("j")}
        >>> s = Snapshot({0: x[0], 1: x[1]}, free, {}, {"i": "n", "j": "n"})
        >>> aliases(s)
        {0: Alias(group=0, axes=('i',)), 1: Alias(group=0, axes=('j',))}
    """
    values = fingerprints(snapshot)
    found: dict[int, Alias] = {}
    marks = _Marks(snapshot, values)
    known: dict[tuple[object, ...], list[int]] = {}
    for at in sorted(values):
        own = sorted(snapshot.free[at])
        key = (
            tuple(sorted(str(snapshot.symbols.get(e, e)) for e in own)),
            _digest(np.sort(values[at], axis=None)),
        )
        for other in known.setdefault(key, []):
            names = _matching(snapshot, values, marks, other, at)
            if names is not None:
                found[at] = Alias(other, names)
                break
        else:
            known[key].append(at)
            found[at] = Alias(at, tuple(own))
    return found


def fingerprints(snapshot: Snapshot) -> dict[int, Field]:
    """The values of every class that stands for something; axes are the lanes, then its edges sorted.

    Example:
        >>> s = Snapshot({0: [ENode("variable", ("A", ("k", "i")))]}, {0: frozenset("ik")}, {})
        >>> fingerprints(s)[0].shape
        (2, 3, 3)
    """
    return _Fingerprints(snapshot, smallest(snapshot)).values


def _matching(
    snapshot: Snapshot, values: dict[int, Field], marks: _Marks, one: int, two: int
) -> tuple[str, ...] | None:
    """The names that class two gives to the axes of class one, if the two are one tensor."""
    first, second = sorted(snapshot.free[one]), sorted(snapshot.free[two])
    if first == second and np.array_equal(values[one], values[two]):
        return tuple(first)
    left, right = marks.of(one), marks.of(two)
    options = [[n for n, mark in enumerate(right) if mark == wanted] for wanted in left]
    if not all(options):
        return None
    orders = permutations(range(len(second))) if len({len(o) for o in options} - {1}) else product(*options)
    for order in islice(orders, _TRIES):
        if len(set(order)) < len(order) or any(n not in o for n, o in zip(order, options, strict=True)):
            continue
        if np.array_equal(values[one], values[two].transpose((0, *(n + 1 for n in order)))):
            return tuple(second[n] for n in order)
    return None


class _Marks:
    """What tells the axes of a class apart whatever they are called: size, and sums over all others."""

    def __init__(self, snapshot: Snapshot, values: dict[int, Field]) -> None:
        self.snapshot, self.values = snapshot, values
        self.known: dict[int, list[tuple[object, ...]]] = {}

    def of(self, at: int) -> list[tuple[object, ...]]:
        """A mark for each axis, found once."""
        if at not in self.known:
            self.known[at] = self._marks(self.values[at], sorted(self.snapshot.free[at]))
        return self.known[at]

    def _marks(self, value: Field, names: list[str]) -> list[tuple[object, ...]]:
        marks: list[tuple[object, ...]] = []
        for n, name in enumerate(names):
            others = tuple(axis for axis in range(1, value.ndim) if axis != n + 1)
            size = str(self.snapshot.symbols.get(name, name))
            marks.append((size, tuple((value % P).sum(axis=others).ravel().tolist())))
        return marks


def _symmetries(snapshot: Snapshot) -> dict[str, list[tuple[int, ...]]]:
    """The orders of axes in which symmetric variables may be read: their readings are in one class."""
    found: dict[str, set[tuple[int, ...]]] = {}
    for nodes in snapshot.nodes.values():
        reads: list[Any] = [node.payload for node in nodes if node.op == "variable"]
        for name, axes in reads[1:]:
            if name == reads[0][0] and len(set(axes)) == len(axes) and set(axes) == set(reads[0][1]):
                found.setdefault(name, set()).add(tuple(reads[0][1].index(axis) for axis in axes))
    return {name: _group(sorted(orders)) for name, orders in sorted(found.items())}


def _group(orders: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """All orders that come about by one of these after another; each has its inverse among them."""
    known = [tuple(range(len(orders[0])))]
    for one in known:
        for order in orders:
            both = tuple(one[n] for n in order)
            if both not in known:
                known.append(both)
    return known


class _Fingerprints:
    """Evaluates the chosen terms over a finite field."""

    def __init__(self, snapshot: Snapshot, choice: dict[int, ENode]) -> None:
        self.snapshot, self.choice = snapshot, choice
        widest = max((len(snapshot.free[c]) for c in choice), default=0)
        self.size = 3 if widest <= 5 else 2
        self.symmetries = _symmetries(snapshot)
        self.values: dict[int, Field] = {}
        for root in sorted(choice):
            self._evaluate(root)

    def _evaluate(self, root: int) -> None:
        stack = [root]
        while stack:
            at = stack[-1]
            missing = [c for c in self.choice[at].children if c not in self.values]
            if at in self.values or not missing:
                stack.pop()
                if at not in self.values:
                    self.values[at] = self._node(at, self.choice[at])
            else:
                stack.extend(missing)

    def _node(self, at: int, node: ENode) -> Field:
        names = sorted(self.snapshot.free[at])
        payload: Any = node.payload
        kids = node.children
        match node.op:
            case "variable":
                return self._variable(payload, names)
            case "delta":
                return np.stack([np.eye(self.size, dtype=np.uint64)] * LANES)
            case "number":
                return number(payload)
            case "constant" | "extent":
                return mix(np.arange(1, LANES + 1, dtype=np.uint64), f"{node.op} {payload}")
            case "contract":
                return self._sum(self._times(kids, payload, names), payload, names, kids)
            case "reduce":
                return self._sum(
                    self._spread(kids[0], sorted(self._names(kids) | payload)), payload, names, kids
                )
            case "add":
                total = np.zeros((LANES, *[self.size] * len(names)), dtype=np.uint64)
                for child in kids:
                    total = (total + self._cut(child, names)) % P
                return total
            case "scale":
                return self._cut(kids[0], names) * number(payload).reshape(-1, *[1] * len(names)) % P
            case "power":
                return power(self._cut(kids[0], names), payload)
            case "apply":
                return mix(self._cut(kids[0], names), f"apply {payload}")
            case "softmax" | "logsumexp":
                return self._softmax(node, names)
            case _:
                return self._rename(payload, kids[0], names)

    def _names(self, kids: tuple[int, ...]) -> frozenset[str]:
        return frozenset[str]().union(*(self.snapshot.free[c] for c in kids))

    def _variable(self, payload: Any, names: list[str]) -> Field:
        name, axes = payload
        full = variable(name, (self.size,) * len(axes))
        if name in self.symmetries:
            mirrored = [full.transpose(0, *(n + 1 for n in order)) for order in self.symmetries[name]]
            full = np.stack(mirrored).sum(axis=0, dtype=np.uint64) % P
        letters = {edge: n + 1 for n, edge in enumerate(names)}
        picked: Field = np.einsum(full, [0, *(letters[a] for a in axes)], [0, *(letters[n] for n in names)])
        return picked

    def _spread(self, child: int, names: list[str]) -> Field:
        """The child's value with an axis for each name, of length one where it has none."""
        own = sorted(self.snapshot.free[child])
        value = self.values[child]
        shape = (LANES, *(self.size if n in own else 1 for n in names))
        return value.reshape(shape) if set(own) <= set(names) else self._cut(child, names)

    def _cut(self, child: int, names: list[str]) -> Field:
        """The child over exactly these names: an axis it is constant along is cut at its first entry."""
        own = sorted(self.snapshot.free[child])
        index = (slice(None), *(slice(None) if n in names else 0 for n in own))
        value = self.values[child][index]
        return value.reshape((LANES, *(self.size if n in own else 1 for n in names)))

    def _times(self, kids: tuple[int, ...], over: frozenset[str], names: list[str]) -> Field:
        union = sorted(set(names) | over | self._names(kids))
        return self._spread(kids[0], union) * self._spread(kids[1], union) % P

    def _sum(self, value: Field, over: frozenset[str], names: list[str], kids: tuple[int, ...]) -> Field:
        union = sorted(set(names) | over | self._names(kids))
        value = np.broadcast_to(value, (LANES, *[self.size] * len(union)))
        drop = tuple(n + 1 for n, edge in enumerate(union) if edge in over)
        summed = value.sum(axis=drop, dtype=np.uint64) % P if drop else value
        left = [edge for edge in union if edge not in over]
        index = (slice(None), *(slice(None) if edge in names else 0 for edge in left))
        return np.ascontiguousarray(summed[index])

    def _softmax(self, node: ENode, names: list[str]) -> Field:
        over: Any = node.payload
        child = node.children[0]
        union = sorted(self.snapshot.free[child] | over)
        value = self._spread(child, union)
        drop = tuple(n + 1 for n, edge in enumerate(union) if edge in over)
        total = mix(value, "exp").sum(axis=drop, keepdims=True, dtype=np.uint64) % P
        if node.op == "softmax":
            full = np.broadcast_to(
                mix(value, "exp") * power(total, Fraction(-1)) % P, (LANES, *[self.size] * len(union))
            )
            return np.ascontiguousarray(full)
        return mix(total, "log").reshape(LANES, *[self.size] * len(names))

    def _rename(self, payload: Any, child: int, names: list[str]) -> Field:
        renamed = [payload[1] if n == payload[0] else n for n in sorted(self.snapshot.free[child])]
        letters = {edge: n + 1 for n, edge in enumerate(sorted({*renamed, *names}))}
        result: Field = np.einsum(
            self.values[child], [0, *(letters[n] for n in renamed)], [0, *(letters[n] for n in names)]
        )
        return result


def _digest(value: Field) -> bytes:
    return hashlib.blake2b(value.tobytes(), digest_size=16).digest()

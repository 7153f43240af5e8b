"""Arrays with infinitesimals in them: a mapping from sets of these to coefficients of their products.

Each infinitesimal squares to zero, so a function of such a value is a finite sum, exact in every order.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .pointwise import derivatives, falling

Array = NDArray[np.float64]
#: An axis is an edge, or an axis of an infinitesimal: its number, and which axis of the variable.
Label = str | tuple[int, int]
Tags = tuple[int, ...]


@dataclass(frozen=True)
class Part:
    """An array with a label for each axis."""

    labels: tuple[Label, ...]
    array: Array


Jet = dict[Tags, Part]


def number(value: float) -> Jet:
    """A number, without axes or infinitesimals."""
    return {(): Part((), np.asarray(value))}


def full(part: Part, axes: Mapping[Label, int]) -> Part:
    """The array with these axes in this order, repeated along those that it lacks."""
    own = [label for label in axes if label in part.labels]
    array = part.array.transpose([part.labels.index(label) for label in own])
    shape = [n if label in own else 1 for label, n in axes.items()]
    return Part(tuple(axes), np.broadcast_to(array.reshape(shape), list(axes.values())))


def added(jets: Iterable[Jet]) -> Jet:
    """The sum of values, axes matched by their labels."""
    total: Jet = {}
    for jet in jets:
        for tags, part in jet.items():
            if tags not in total:
                total[tags] = part
                continue
            axes = _axes(total[tags], part)
            array = full(total[tags], axes).array + full(part, axes).array
            total[tags] = Part(tuple(axes), array)
    return total


def product(left: Jet, right: Jet, over: Container[str]) -> Jet:
    """The product of two values, summed over these edges."""
    return added(
        {tuple(sorted((*s, *t))): _times(a, b, over)}
        for s, a in left.items()
        for t, b in right.items()
        if not set(s) & set(t)
    )


def reduced(part: Part, over: Iterable[str]) -> Part:
    """The sum over edges, all of which the array has."""
    names = set(over)
    axes = tuple(n for n, label in enumerate(part.labels) if label in names)
    return Part(tuple(x for x in part.labels if x not in names), np.asarray(part.array.sum(axis=axes)))


def renamed(jet: Jet, names: Mapping[Label, str]) -> Jet:
    """The value with other labels."""
    return {
        tags: Part(tuple(names.get(label, label) for label in part.labels), part.array)
        for tags, part in jet.items()
    }


def coefficient(jet: Jet, tag: int) -> Jet:
    """What stands with one infinitesimal."""
    return {tuple(other for other in tags if other != tag): part for tags, part in jet.items() if tag in tags}


def composed(jet: Jet, derivative: Callable[[Array, int], Array]) -> Jet:
    """f of a value: for each set, the sum over its partitions of f⁽ⁿ⁾ times the coefficients of the n blocks.

    Where a coefficient is zero nothing depends on the infinitesimal, whatever the derivative of f is there;
    but what is infinite, as 1/relu(x) is for x < 0, has no derivative.
    """
    base = jet[()]
    tags = sorted({tag for known in jet for tag in known})
    slopes = [Part(base.labels, derivative(base.array, n)) for n in range(len(tags) + 1)]
    known = np.isfinite(slopes[0].array)
    terms: list[Jet] = []
    for found, partition in _partitions(tags):
        if all(block in jet for block in partition):
            term = slopes[len(partition)]
            for block in partition:
                term = _weighed(term, jet[block], Part(base.labels, known))
            terms.append({found: term})
    return added(terms)


def chosen(mask: Part, one: Jet, other: Jet) -> Jet:
    """One value where a mask holds, another elsewhere, coefficient by coefficient."""
    found: Jet = {}
    for tags in sorted({*one, *other}):
        zero = Part((), np.zeros(()))
        left, right = one.get(tags, zero), other.get(tags, zero)
        axes = _axes(mask, left, right)
        where = full(mask, axes).array
        found[tags] = Part(tuple(axes), np.where(where, full(left, axes).array, full(right, axes).array))
    return found


def scaled(jet: Jet, factor: float) -> Jet:
    """A multiple."""
    return {tags: Part(part.labels, factor * part.array) for tags, part in jet.items()}


def slices(jet: Jet, edge: str) -> list[Jet]:
    """The entries along an edge that the value has."""
    length = next(p.array.shape[p.labels.index(edge)] for p in jet.values() if edge in p.labels)
    return [
        {
            tags: Part(tuple(x for x in p.labels if x != edge), p.array.take(n, p.labels.index(edge)))
            if edge in p.labels
            else p
            for tags, p in jet.items()
        }
        for n in range(length)
    ]


def stacked(jets: Sequence[Jet], edge: str) -> Jet:
    """Values side by side along a new edge."""
    found: Jet = {}
    for tags in sorted({tags for jet in jets for tags in jet}):
        parts = [jet.get(tags, Part((), np.zeros(()))) for jet in jets]
        axes = _axes(*parts)
        rows = np.stack([full(part, axes).array for part in parts], -1)
        found[tags] = Part((*axes, edge), rows)
    return found


def power(jet: Jet, exponent: Fraction) -> Jet:
    """Every entry to a power."""
    return composed(jet, lambda x, n: falling(x, exponent, n))


def fibre(jet: Jet, over: Iterable[str], softmax: bool) -> Jet:
    """Softmax or log-sum-exp by exponentials of what is left after the largest is taken away."""
    base, names = jet[()], frozenset(over)
    axes = tuple(n for n, label in enumerate(base.labels) if label in names)
    top = base.array.max(axis=axes, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0.0)
    powers = composed({**jet, (): Part(base.labels, base.array - top)}, lambda x, n: np.exp(x))
    totals = {tags: reduced(part, names) for tags, part in powers.items()}
    if softmax:
        return product(powers, power(totals, Fraction(-1)), {})
    shift = Part(tuple(label for label in base.labels if label not in names), top.squeeze(axes))
    return added([composed(totals, lambda x, n: derivatives("log", x, n)), {(): shift}])


def _partitions(tags: Iterable[int]) -> Iterator[tuple[Tags, list[Tags]]]:
    """Every set of these infinitesimals with every way to split it into blocks."""
    known: dict[Tags, list[list[Tags]]] = {(): [[]]}
    for tag in tags:
        for found, partitions in list(known.items()):
            grown = [[*partition, (tag,)] for partition in partitions]
            for partition in partitions:
                for n, block in enumerate(partition):
                    grown.append([*partition[:n], (*block, tag), *partition[n + 1 :]])
            known[(*found, tag)] = grown
    for found, partitions in known.items():
        for partition in partitions:
            yield found, partition


def _axes(*parts: Part) -> dict[Label, int]:
    return {label: n for part in parts for label, n in zip(part.labels, part.array.shape, strict=True)}


def _times(a: Part, b: Part, over: Container[str]) -> Part:
    axes = _axes(a, b)
    place = {label: n for n, label in enumerate(axes)}
    kept = [label for label in axes if label not in over]
    operands: list[Any] = []
    for part in (a, b):
        operands += [part.array, [place[label] for label in part.labels]]
    array = np.einsum(*operands, [place[label] for label in kept])
    return Part(tuple(kept), np.asarray(array))


def _weighed(slope: Part, coefficient: Part, known: Part) -> Part:
    axes = _axes(slope, coefficient)
    factor = full(coefficient, axes).array
    still = (factor == 0) & full(known, axes).array.astype(bool)
    return Part(tuple(axes), np.where(still, 0.0, full(slope, axes).array * factor))

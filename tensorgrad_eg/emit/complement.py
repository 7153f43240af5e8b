"""`p - δ` for a softmax p in a sum of terms, with all digits where p is nearly one.

A softmax has entries that sum to one, so that 1 - p is what the others sum to: 5e-7 with seven digits, of
which 1 - p has one.

>>> from fractions import Fraction
>>> p = Step("p", "softmax", (Operand("z", ("b", "k")),), ("b", "k"), ("k",))
>>> eye = Step("eye", "delta", (), ("i", "j"))
>>> terms = (Operand("p", ("b", "k")), Operand("eye", ("i", "k"), Fraction(-1)))
>>> complement({"p": p, "eye": eye}, Step("r", "add", terms, ("b", "i", "k")))
Complement(places=(0, 1), along='k', across='i')
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tensorgrad_eg.emit.library import Library
from tensorgrad_eg.emit.tensors import Value, permuted
from tensorgrad_eg.program.diagonals import multiple
from tensorgrad_eg.program.program import Operand, Step


@dataclass(frozen=True)
class Complement:
    """Where among the terms of a sum p and -δ stand, and the edges of δ.

    p sums to one along the first of them, and does not have the second.

    >>> Complement((0, 1), "k", "i").across
    'i'
    """

    places: tuple[int, int]
    along: str
    across: str


def complement(steps: Mapping[str, Step], step: Step) -> Complement | None:
    """The first two terms of a sum that are a multiple of a softmax and minus that multiple of an identity.

    >>> complement({}, Step("r", "add", (Operand("x", ("b",)), Operand("y", ("b",))), ("b",)))
    """
    if step.kind != "add":
        return None
    for place, one in enumerate(step.operands):
        number = multiple(steps, one)
        for other, p in enumerate(step.operands):
            if number is not None and number * one.factor == -p.factor:
                along = [edge for edge in _along(steps, p) if edge in one.edges]
                across = [edge for edge in one.edges if edge not in p.edges]
                if along and across:
                    return Complement((other, place), along[0], across[0])
    return None


def _along(steps: Mapping[str, Step], operand: Operand) -> list[str]:
    """The label of the one edge along which a softmax sums to one, as it is read here."""
    unit = steps.get(operand.tensor)
    if unit is None or unit.kind != "softmax" or len(unit.over) != 1:
        return []
    if len(set(operand.edges)) < len(operand.edges):
        return []
    return [read for edge, read in zip(unit.edges, operand.edges, strict=True) if edge in unit.over]


def with_complement(
    library: Library, steps: Mapping[str, Step], step: Step, values: Sequence[Value]
) -> tuple[Step, list[Value]]:
    """A step and the values that it reads, with p - δ as one of them.

    >>> plain = Step("r", "scale", (Operand("x", ()),), ())
    >>> with_complement(Library(), {}, plain, [])[0] is plain
    True
    """
    found = complement(steps, step)
    if found is None:
        return step, list(values)
    first, second = found.places
    p = values[first]
    rest = tuple(edge for edge in p.edges if edge != found.along)
    edges = (*rest, found.across, found.along)
    code = library.minus_identity(permuted(library, p, (*rest, found.along)).code)
    operands, read = list(step.operands), list(values)
    operands[first] = replace(operands[first], edges=edges)
    read[first] = Value(code, edges, fresh=True)
    del operands[second], read[second]
    return replace(step, operands=tuple(operands)), read

"""`z - logsumexp(z)` in a sum of terms, written as the one function that a library has for it.

The difference of the two loses the digits that z and its log-sum-exp have in common:
at z + 1e6 in float32 all but one.

>>> from fractions import Fraction
>>> lse = Step("l", "logsumexp", (Operand("z", ("i", "k")),), ("i",), ("k",))
>>> terms = (Operand("z", ("b", "c")), Operand("l", ("b",), Fraction(-1)))
>>> found = difference({"l": lse}, Step("r", "add", terms, ("b", "c")))
>>> found.places, found.over
((0, 1), ('c',))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from tensorgrad_eg.emit.library import Library
from tensorgrad_eg.emit.tensors import Value
from tensorgrad_eg.program.products import Edges
from tensorgrad_eg.program.program import Operand, Step


@dataclass(frozen=True)
class Difference:
    """Where among the terms of a sum z and its log-sum-exp stand, and the edges of z it is taken over.

    >>> Difference((0, 1), ("k",)).over
    ('k',)
    """

    places: tuple[int, int]
    over: Edges


def difference(steps: Mapping[str, Step], step: Step) -> Difference | None:
    """The first two terms that are a multiple of z and minus that multiple of its log-sum-exp.

    >>> difference({}, Step("r", "add", (Operand("z", ("b",)), Operand("y", ("b",))), ("b",)))
    """
    for place, term in enumerate(step.operands):
        unit = steps.get(term.tensor)
        if unit is None or unit.kind != "logsumexp":
            continue
        for other, z in enumerate(step.operands):
            if z.tensor == unit.operands[0].tensor and z.factor == -term.factor:
                over = _over(unit, term, z)
                if over:
                    return Difference((other, place), over)
    return None


def _over(unit: Step, term: Operand, z: Operand) -> Edges:
    """The edges of z that the term has summed, if it is the log-sum-exp of just this reading of z."""
    names = dict(zip(unit.edges, term.edges, strict=True))
    read = unit.operands[0].edges
    if any(edge not in unit.over and names[edge] != at for edge, at in zip(read, z.edges, strict=True)):
        return ()
    over = tuple(at for edge, at in zip(read, z.edges, strict=True) if edge in unit.over)
    whole = len(set(z.edges)) == len(z.edges) and len(set(read)) == len(read)
    return over if whole and not set(over) & set(term.edges) else ()


def with_log_softmax(
    library: Library, steps: Mapping[str, Step], step: Step, read: Callable[[Operand], Value]
) -> tuple[Step, list[Value]]:
    """A step and the values that it reads; two terms become one where a library has a function for them.

    >>> from tensorgrad_eg.emit.code import Code
    >>> plain = Step("r", "scale", (Operand("x", ()),), ())
    >>> with_log_softmax(Library(), {}, plain, lambda operand: Value(Code("x"), ()))[0] is plain
    True
    """
    values = [read(operand) for operand in step.operands]
    found = difference(steps, step) if step.kind == "add" else None
    if found is None:
        return step, values
    first, second = found.places
    z = values[first]
    axes = [place for place, edge in enumerate(z.edges) if edge in found.over]
    code = library.log_softmax(z.code, axes, len(z.edges))
    values[first] = Value(code, z.edges, fresh=True)
    operands = [operand for place, operand in enumerate(step.operands) if place != second]
    return replace(step, operands=tuple(operands)), values[:second] + values[second + 1 :]

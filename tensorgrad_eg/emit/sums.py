"""Terms of sums that are written in another way than one after the other.

Two of them may be what a library has one function for: `z - logsumexp(z)`, whose difference loses the digits
that the two have in common (at z + 1e6 in float32 all but one), and `p - δ` for a softmax p, where 1 - p is
what the others sum to: 5e-7 with seven digits, of which 1 - p has one. Others stand on a diagonal,
`δ[i,j] T[…]`, and are written there without multiplying by zeros.

>>> from tensorgrad_eg.emit.code import Code
>>> lse = Step("l", "logsumexp", (Operand("z", ("i", "k")),), ("i",), ("k",))
>>> sum_ = Step("r", "add", (Operand("z", ("b", "c")), Operand("l", ("b",), Fraction(-1))), ("b", "c"))
>>> values = [Value(Code("z"), ("b", "c")), Value(Code("l"), ("b",))]
>>> [value.code.text for value in joined(Library(), {"l": lse}, sum_, values)[1]]
['log_softmax(z, 1)']
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple

from tensorgrad_eg.emit.code import call, literal
from tensorgrad_eg.emit.library import Library
from tensorgrad_eg.emit.tensors import Value, aligned, permuted, without_repeats
from tensorgrad_eg.program.cost import elements
from tensorgrad_eg.program.diagonals import Diagonal, multiple, on_diagonal
from tensorgrad_eg.program.products import Edges
from tensorgrad_eg.program.program import Operand, Program, Step

# Below this many elements nothing is gained by a line of its own for a diagonal.
SMALL = 2**12

Steps = Mapping[str, Step]


def joined(library: Library, steps: Steps, step: Step, values: list[Value]) -> tuple[Step, list[Value]]:
    """A step and the values that it reads; two terms become one where a library has a function for them."""
    if step.kind == "add" and (difference := _difference(steps, step)):
        z, unit, over = difference
        axes = [place for place, edge in enumerate(values[z].edges) if edge in over]
        code = library.unit("log_softmax", values[z].code, axes)
        step, values = _one(step, values, z, unit, Value(code, values[z].edges, fresh=True))
    if step.kind == "add" and (complement := _complement(steps, step)):
        p, eye, along, across = complement
        rest = tuple(edge for edge in values[p].edges if edge != along)
        code = call("minus_identity", permuted(library, values[p], (*rest, along)).code.text)
        step, values = _one(step, values, p, eye, Value(code, (*rest, across, along), fresh=True))
    return step, values


def _one(step: Step, values: Sequence[Value], kept: int, gone: int, value: Value) -> tuple[Step, list[Value]]:
    """A sum in which one value stands for two of its terms."""
    operands, read = list(step.operands), list(values)
    operands[kept], read[kept] = replace(operands[kept], edges=value.edges), value
    del operands[gone], read[gone]
    return replace(step, operands=tuple(operands)), read


def _difference(steps: Steps, step: Step) -> tuple[int, int, Edges] | None:
    """The first terms that are a multiple of z and minus that multiple of its log-sum-exp.

    Their places, and the edges of z that it is taken over.
    """
    for place, term in enumerate(step.operands):
        unit = steps.get(term.tensor)
        if unit is None or unit.kind != "logsumexp":
            continue
        for other, z in enumerate(step.operands):
            if z.tensor == unit.operands[0].tensor and z.factor == -term.factor:
                over = _over(unit, term, z)
                if over:
                    return other, place, over
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


def _complement(steps: Steps, step: Step) -> tuple[int, int, str, str] | None:
    """The first terms of a sum that are a multiple of a softmax and minus that multiple of an identity.

    Their places, the edge along which the softmax sums to one, and the other edge of the identity.
    """
    for place, one in enumerate(step.operands):
        number = multiple(steps, one)
        for other, p in enumerate(step.operands):
            if number is not None and number * one.factor == -p.factor:
                along = [edge for edge in _along(steps, p) if edge in one.edges]
                across = [edge for edge in one.edges if edge not in p.edges]
                if along and across:
                    return other, place, along[0], across[0]
    return None


def _along(steps: Steps, operand: Operand) -> list[str]:
    """The label of the one edge along which a softmax sums to one, as it is read here."""
    unit = steps.get(operand.tensor)
    if unit is None or unit.kind != "softmax" or len(unit.over) != 1:
        return []
    if len(set(operand.edges)) < len(operand.edges):
        return []
    return [read for edge, read in zip(unit.edges, operand.edges, strict=True) if edge in unit.over]


class Accumulation(NamedTuple):
    """A sum as terms that are on diagonals, each with what it has there, and the others."""

    rest: tuple[Operand, ...]
    diagonals: tuple[tuple[Operand, Diagonal], ...]


def accumulations(program: Program, readers: Mapping[str, int]) -> dict[str, Accumulation]:
    """The sums that can be written as an addition to diagonals, by name, as far as the program tells."""
    steps = {step.name: step for step in program.steps}
    found: dict[str, Accumulation] = {}
    for step in program.steps:
        if step.kind != "add" or elements(step.edges, program.sizes) < SMALL or _complement(steps, step):
            continue
        terms = [(operand, on_diagonal(steps, operand)) for operand in step.operands]
        diagonals = [
            (operand, diagonal)
            for operand, diagonal in terms
            if diagonal and (readers[operand.tensor] == 1 or diagonal.tensor is None)
        ]
        if len(diagonals) == len(terms):
            diagonals.pop(0)  # the first is what the others are added to
        rest = tuple(operand for operand in step.operands if operand not in [one for one, _ in diagonals])
        if diagonals and _whole(steps, step, rest, readers):
            found[step.name] = Accumulation(rest, tuple(diagonals))
    return found


def _whole(steps: Steps, step: Step, rest: tuple[Operand, ...], readers: Mapping[str, int]) -> bool:
    """Whether terms sum to a tensor with all axes, that may be written to.

    A function's value may not: torch keeps it for its derivative.
    """
    if not set(step.edges) <= {edge for operand in rest for edge in operand.edges}:
        return False
    (first, *others) = rest
    source = steps.get(first.tensor)
    plain = first.factor == 1 and len(set(first.edges)) == len(first.edges)
    alone = source is not None and plain and readers[first.tensor] == 1
    return bool(others) or (alone and source is not None and source.kind in ("contract", "add", "scale"))


def added_on_diagonal(
    library: Library, name: str, edges: Edges, diagonal: Diagonal, value: Value | None
) -> str:
    """The statement that adds to a diagonal of a named tensor with these axes."""
    if value is None:
        return library.add_on_diagonal(name, edges, diagonal.pair, literal(diagonal.number), Fraction(1))
    value = without_repeats(library, value)
    last = diagonal.pair[1] if diagonal.pair[1] in value.edges else diagonal.pair[0]
    rest = tuple(edge for edge in edges if edge not in diagonal.pair)
    code = aligned(library, value, (*rest, last))
    return library.add_on_diagonal(name, edges, diagonal.pair, code, diagonal.number)


def embed(library: Library, delta: Edges, value: Value, out: Edges, sizes: Mapping[str, int]) -> Value | None:
    """`δ` times a tensor that has one of its labels, or none; None where it has both, which is a mask.

    What is beside the diagonal is written as 0: a product with zeros would be NaN where the tensor is.
    """
    if len(set(delta)) < 2 or set(delta) <= set(value.edges):
        return None
    value = without_repeats(library, value)
    rest = tuple(edge for edge in out if edge not in delta)
    if shared := tuple(edge for edge in delta if edge in value.edges):
        code = permuted(library, value, (*rest, *shared)).code
    else:
        shape = [sizes[edge] for edge in (*rest, delta[0])]
        # A leading new axis is left to broadcasting: it is the only one of a scalar.
        code = library.insert(permuted(library, value, rest).code, [*(False for _ in rest), True])
        code = library.expand(code, shape)
    first, second = sorted(out.index(edge) for edge in delta)
    return Value(library.embed(code, first, second, len(out)), out, fresh=True)

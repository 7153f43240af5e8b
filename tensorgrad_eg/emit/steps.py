"""Steps of a program as expressions of the library, and sums with terms on diagonals as statements.

>>> step = Step("r", "add", (Operand("a", ("i",)), Operand("b", ("i",), Fraction(-2))), ("i",))
>>> build(Library(), step, [Value(Code("a"), ("i",)), Value(Code("b"), ("i",))], {"i": 3}).code.text
'a - 2 * b'
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from tensorgrad_eg.emit.code import Code, added, call, literal, parsed, quotient, scaled
from tensorgrad_eg.emit.library import Library
from tensorgrad_eg.emit.tensors import (
    Value,
    aligned,
    contract,
    packed,
    permuted,
    summed,
    unpacked,
    without_repeats,
    writable,
)
from tensorgrad_eg.errors import UnknownFunctionError
from tensorgrad_eg.expr.arrays import POINTWISE
from tensorgrad_eg.expr.operations import OPERATIONS
from tensorgrad_eg.program import Operand, Program, Step
from tensorgrad_eg.program.cost import Edges, elements
from tensorgrad_eg.program.passes import Diagonal, multiple, on_diagonal

# Below this many elements nothing is gained by a line of its own for a diagonal.
SMALL = 2**12
_ARGUMENT = re.compile(r"\{0?\}")

Steps = Mapping[str, Step]


def build(library: Library, step: Step, operands: Sequence[Value], sizes: Mapping[str, int]) -> Value:
    """The value of a step; its axes may come in an order other than the step's."""
    if step.kind == "contract" and len(operands) == 2:
        return contract(library, operands[0], operands[1], step.over, step.edges, sizes)
    values = [without_repeats(library, value) for value in operands]
    number = step.number or Fraction(0)
    match step.kind:
        case "constant":
            return Value(literal(step.value or 0.0), (), constant=step.value or 0.0)
        case "delta":
            return Value(library.eye(sizes[step.edges[0]]), step.edges, fresh=True)
        case "contract" | "reduce":
            return summed(library, values[0], step.over)
        case "add":
            return _add(library, step, values, sizes)
        case "scale":
            return _scale(library, number, values[0], sizes)
        case "power":
            # Only a reciprocal is written as a division: y·x^-2 may be a number where x² is none.
            below = values[0].code if number == -1 else None
            code = library.power(values[0].code, number)
            return Value(code, values[0].edges, fresh=number != 1, below=below)
        case "pack":
            return packed(library, step, values[0], sizes)
        case "unpack":
            return unpacked(library, step, values[0], sizes)
        case "apply":
            return Value(_apply(library, step.function, values[0].code), values[0].edges, fresh=True)
        case "lu":
            return values[0]
        case kind if OPERATIONS[kind].matrix:
            return _matrix(library, step, values[0])
        case kind if library.name in OPERATIONS[kind].code:
            codes = [aligned(library, value, step.edges).text for value in values]
            return Value(parsed(OPERATIONS[kind].code[library.name].format(*codes)), step.edges, fresh=True)
    axes = [place for place, edge in enumerate(values[0].edges) if edge in step.over]
    gone = step.over if OPERATIONS[step.kind].binds else ()
    kept = tuple(edge for edge in values[0].edges if edge not in gone)
    return Value(library.unit(step.kind, values[0].code, axes), kept, fresh=True)


def _matrix(library: Library, step: Step, value: Value) -> Value:
    """A function of matrices, whose rows and columns are the last two axes."""
    batch = tuple(edge for edge in value.edges if edge not in step.over)
    rows = tuple(edge for edge in value.edges if edge in step.over)
    code = permuted(library, value, (*batch, *rows)).code
    edges = (*batch, *rows) if OPERATIONS[step.kind].spans else batch
    return Value(parsed(OPERATIONS[step.kind].code[library.name].format(code.text)), edges, fresh=True)


def _template(library: Library, function: str) -> str:
    """How a library writes a pointwise function: source with `{}` for the argument."""
    if function not in POINTWISE:
        raise UnknownFunctionError.of(function, POINTWISE)
    text: str = getattr(POINTWISE[function], library.name)
    return text


def reads(library: Library, function: str) -> int:
    """How often a function's source reads its argument: if more than once, that should have a name."""
    return len(_ARGUMENT.findall(_template(library, function)))


def _apply(library: Library, function: str, code: Code) -> Code:
    """A pointwise function of an expression."""
    text = _template(library, function)
    # An argument between parentheses or commas needs none of its own.
    alone = re.search(r"[(,] ?\{0?\}[),]", text) is not None and reads(library, function) == 1
    return Code(text.format(code.text if alone else code.atom), _level(text))


@lru_cache(maxsize=256)
def _level(text: str) -> int:
    """How tightly what a template makes binds: what stands in it is bound more tightly."""
    return parsed(text.format("x")).level


def _scale(library: Library, number: Fraction, value: Value, sizes: Mapping[str, int]) -> Value:
    if writable(library, value, value.edges, sizes):
        return Value(_scaled_in_place(value.code, number), value.edges, fresh=True)
    if value.below and (number.numerator != 1 or number == 1):
        return Value(quotient(literal(number), value.below), value.edges, fresh=True)
    alias = value.alias and number == 1
    return Value(scaled(value.code, number), value.edges, fresh=number != 1, alias=alias)


def _scaled_in_place(code: Code, number: Fraction) -> Code:
    if number == -1:
        return Code(f"{code.atom}.neg_()")
    shown = scaled(Code("x"), number).text
    if shown.startswith("x / "):
        return Code(f"{code.atom}.div_({shown.removeprefix('x / ')})")
    return Code(f"{code.atom}.mul_({literal(number).text})")


def _add(library: Library, step: Step, values: Sequence[Value], sizes: Mapping[str, int]) -> Value:
    """Terms from left to right, a positive one first; a large temporary gathers the others."""
    terms = [(operand.factor, value) for operand, value in zip(step.operands, values, strict=True)]
    terms.sort(key=lambda term: term[0] < 0)
    for place, (factor, value) in enumerate(terms):
        if factor == 1 and writable(library, value, step.edges, sizes):
            terms.insert(0, terms.pop(place))
            return _gathered(library, terms, step.edges)
    large = writable(library, Value(Code(""), step.edges, fresh=True), step.edges, sizes)
    total: Code | None = None
    for factor, value in terms:
        code = aligned(library, value, step.edges)
        if large and total is not None and abs(factor) != 1 and value.constant is None:
            total = call("torch.add", total.text, code.text, f"alpha={literal(factor).text}")
        else:
            total = added(total, scaled(code, abs(factor)), negative=factor < 0)
    assert total is not None
    return Value(total, step.edges, fresh=True)


def _gathered(library: Library, terms: Sequence[tuple[Fraction, Value]], edges: Edges) -> Value:
    if len(terms) == 1:
        return replace(terms[0][1], fresh=True)
    text = terms[0][1].code.atom
    for factor, value in terms[1:]:
        verb = "sub_" if factor < 0 else "add_"
        alpha = f", alpha={literal(abs(factor)).text}" if abs(factor) != 1 else ""
        text += f".{verb}({aligned(library, value, edges).text}{alpha})"
    return Value(Code(text), edges, fresh=True)


def joined(library: Library, steps: Steps, step: Step, values: list[Value]) -> tuple[Step, list[Value]]:
    """A step and the values that it reads; two terms become one where a library has a function for them.

    These are `z - logsumexp(z)`, whose difference loses the digits that the two have in common (at z + 1e6 in
    float32 all but one), and `p - δ` for a softmax p, where 1 - p is what the others sum to: 5e-7 with seven
    digits, of which 1 - p has one.
    """
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

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

from tensorgrad_eg.emit.code import Code, added, call, literal, parsed, product, quotient, scaled
from tensorgrad_eg.emit.library import Library
from tensorgrad_eg.emit.matrices import matrix
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
from tensorgrad_eg.expr import fresh
from tensorgrad_eg.expr.arrays import POINTWISE
from tensorgrad_eg.expr.operations import OPERATIONS
from tensorgrad_eg.program import Operand, Program, Step
from tensorgrad_eg.program.diagonals import Diagonal, Edges, Readings, merged, on_diagonal

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
        case kind if OPERATIONS[kind].matrix:
            return matrix(library, step, values, sizes)
        case kind if library.name in OPERATIONS[kind].code:
            codes = [_operand(library, kind, values, place, step.edges) for place in range(len(values))]
            text = OPERATIONS[kind].code[library.name].format(*codes, number=number, dtype=library.dtype)
            return Value(parsed(text), step.edges, fresh=True)
    axes = [place for place, edge in enumerate(values[0].edges) if edge in step.over]
    gone = step.over if OPERATIONS[step.kind].binds else ()
    kept = tuple(edge for edge in values[0].edges if edge not in gone)
    return Value(library.unit(step.kind, values[0].code, axes), kept, fresh=True)


def _operand(library: Library, kind: str, values: Sequence[Value], place: int, edges: Edges) -> str:
    """What stands in a place of an operation on several tensors: a number beside a tensor may stay one."""
    value = values[place]
    beside = values[1:] if kind == "where" else values
    plain = library.name != "torch" or OPERATIONS[kind].scalars
    if value.constant is not None and not (plain and any(other.constant is None for other in beside)):
        return library.full((), value.constant).text
    code = aligned(library, value, edges)
    return code.atom if OPERATIONS[kind].scalars else code.text


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
    float32 all but one).
    """
    if step.kind == "add" and (difference := _difference(steps, step)):
        z, unit, over = difference
        axes = [place for place, edge in enumerate(values[z].edges) if edge in over]
        code = library.unit("log_softmax", values[z].code, axes)
        step, values = _one(step, values, z, unit, Value(code, values[z].edges, fresh=True))
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


class Complement(NamedTuple):
    """A multiple of `δ w - w p` for a softmax p: where it sums to one `w (1 - p)` stands on the diagonal.

    `p` is the softmax as the sum reads it, `over` what it sums to one over.
    """

    p: Operand
    over: Edges


def complement(steps: Steps, dense: Operand, diagonal: Diagonal) -> Complement | None:
    """The softmax in two terms of a sum, if they are a multiple of `-w p` and the same multiple of `δ w`."""
    step = steps.get(dense.tensor)
    if step is None or len(set(dense.edges)) < len(dense.edges) or diagonal.number != -dense.factor:
        return None
    names = dict(zip(step.edges, dense.edges, strict=True))
    product = step.kind == "contract" and not step.over and len(step.operands) == 2
    ways = [step.operands, step.operands[::-1]] if product else [(Operand(step.name, step.edges),)]
    for p, *rest in ways:
        unit = steps.get(p.tensor)
        if unit is None or unit.kind != "softmax" or len(set(p.edges)) < len(p.edges):
            continue
        inner = dict(zip(unit.edges, p.edges, strict=True))
        over = tuple(names[inner[edge]] for edge in unit.over)
        read = [Operand(o.tensor, tuple(names[edge] for edge in o.edges)) for o in (p, *rest)]
        if _same_beside(read, over, diagonal):
            return Complement(read[0], over)
    return None


def _same_beside(read: Sequence[Operand], over: Edges, diagonal: Diagonal) -> bool:
    """Whether a softmax, the first, has as factor just what stands on the diagonal, and sums to one along it.

    Each edge that it is taken over is equal to one that it lacks.
    """
    across = {}
    for pair in diagonal.pairs:
        along = [edge for edge in pair if edge in over]
        beside = [edge for edge in pair if edge not in read[0].edges]
        if len(along) != 1 or len(beside) != 1:
            return False
        across[along[0]] = beside[0]
    if sorted(across) != sorted(over) or len(set(across.values())) < len(over):
        return False
    if diagonal.tensor is None or len(read) == 1:
        return diagonal.tensor is None and len(read) == 1
    own = tuple(across.get(edge, edge) for edge in diagonal.tensor.edges)
    return (diagonal.tensor.tensor, own) == (read[1].tensor, read[1].edges)


def complements(program: Program, sums: Mapping[str, Readings]) -> dict[str, Complement]:
    """The sums of two terms that have a complement, as `complemented` leaves them."""
    steps = {step.name: step for step in program.steps}
    found: dict[str, Complement] = {}
    for name, readings in sums.items():
        terms = list(zip(steps[name].operands, readings, strict=True))
        dense = [operand for operand, diagonal in terms if diagonal is None]
        diagonals = [diagonal for _, diagonal in terms if diagonal]
        if len(dense) == len(diagonals) == 1 and (one := complement(steps, dense[0], diagonals[0])):
            found[name] = one
    return found


def complemented(program: Program) -> Program:
    """The program in which two terms with the complement of a softmax are a sum of their own.

    So it is written there: next to p = 1, 1 - p has one digit of seven where p has all of them.
    """
    steps = {step.name: step for step in program.steps}
    taken = {given.name for given in program.inputs} | set(steps)
    found: list[Step] = []
    for step in program.steps:
        pair = _pair(steps, step) if step.kind == "add" and len(step.operands) > 2 else None
        if pair is not None:
            edges = tuple(edge for edge in step.edges if any(edge in operand.edges for operand in pair))
            inner = Step(fresh(step.name, taken), "add", pair, edges)
            rest = [operand for operand in step.operands if operand not in pair]
            found.append(inner)
            taken.add(inner.name)
            step = replace(step, operands=(Operand(inner.name, edges), *rest))
        found.append(step)
    return replace(program, steps=tuple(found))


def _pair(steps: Steps, step: Step) -> tuple[Operand, Operand] | None:
    """The terms of a sum that have a complement, if two do."""
    for term in step.operands:
        diagonal = on_diagonal(steps, term)
        for other in step.operands if diagonal else ():
            if diagonal and other is not term and complement(steps, other, diagonal):
                return other, term
    return None


def on_view(library: Library, value: Value, edges: Edges, diagonal: Diagonal, axes: Edges) -> Code:
    """A value as it stands against the view of a diagonal that has these axes."""
    names = merged(edges, diagonal.pairs)
    value = without_repeats(library, replace(value, edges=tuple(names[edge] for edge in value.edges)))
    return aligned(library, value, axes)


def embed(library: Library, delta: Edges, value: Value, out: Edges, sizes: Mapping[str, int]) -> Value:
    """`δ` times a tensor that has one of its labels, or none.

    What is beside the diagonal is written as 0: a product with zeros would be NaN where the tensor is.
    """
    if value.constant is not None:
        return Value(product(value.code, library.eye(sizes[delta[0]])), out, fresh=True)
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


def contraction_path(
    group: Sequence[str], reading: Mapping[str, Sequence[Operand]]
) -> tuple[list[Operand], list[tuple[int, int]]]:
    """The leaves from left to right, and the path: two positions go out, their product joins at the end."""
    leaves: dict[str, Operand] = {}
    stack = [(group[-1], Operand(group[-1], ()))]
    while stack:
        key, operand = stack.pop()
        if operand.tensor in reading:
            parts = enumerate(reading[operand.tensor])
            stack += reversed([(f"{operand.tensor} {place}", part) for place, part in parts])
        else:
            leaves[key] = operand
    present = list(leaves)
    path = []
    for name in group:
        keys = [
            o.tensor if o.tensor in reading else f"{name} {place}" for place, o in enumerate(reading[name])
        ]
        first, second = sorted(present.index(key) for key in keys)
        path.append((first, second))
        del present[second], present[first]
        present.append(name)
    return list(leaves.values()), path

"""One step of a program as an expression of the library.

>>> from tensorgrad_eg.program.program import Operand, Step
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

from tensorgrad_eg.emit.code import Code, added, call, literal, parsed, quotient, scaled
from tensorgrad_eg.emit.library import Library
from tensorgrad_eg.emit.tensors import (
    Value,
    aligned,
    contract,
    packed,
    summed,
    unpacked,
    without_repeats,
    writable,
)
from tensorgrad_eg.errors import UnknownFunctionError
from tensorgrad_eg.expr.operations import OPERATIONS
from tensorgrad_eg.expr.pointwise import POINTWISE
from tensorgrad_eg.program.products import Edges
from tensorgrad_eg.program.program import Step

_ARGUMENT = re.compile(r"\{0?\}")


def build(library: Library, step: Step, operands: Sequence[Value], sizes: Mapping[str, int]) -> Value:
    """The value of a step; its axes may come in an order other than the step's.

    >>> step = Step("p", "softmax", (), ("i", "k"), ("k",))
    >>> build(Library(), step, [Value(Code("z"), ("i", "k"))], {}).code.text
    'softmax(z, 1)'
    """
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
        case kind if library.name in OPERATIONS[kind].code:
            codes = [aligned(library, value, step.edges).text for value in values]
            return Value(parsed(OPERATIONS[kind].code[library.name].format(*codes)), step.edges, fresh=True)
    axes = [place for place, edge in enumerate(values[0].edges) if edge in step.over]
    gone = step.over if OPERATIONS[step.kind].binds else ()
    kept = tuple(edge for edge in values[0].edges if edge not in gone)
    return Value(library.unit(step.kind, values[0].code, axes), kept, fresh=True)


def _template(library: Library, function: str) -> str:
    """How a library writes a pointwise function: source with `{}` for the argument."""
    if function not in POINTWISE:
        raise UnknownFunctionError.of(function, POINTWISE)
    text: str = getattr(POINTWISE[function], library.name)
    return text


def reads(library: Library, function: str) -> int:
    """How often a function's source reads its argument: if more than once, the argument should have a name.

    >>> reads(Library(), "exp")
    1
    """
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

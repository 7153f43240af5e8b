"""Pieces of Python source that know how tightly they bind, and names that are safe to put into them.

>>> total = Code("a + b", SUM)
>>> product(Code("2"), total).text, matmul(Code("A @ B", MATMUL), Code("x")).text
('2 * (a + b)', '(A @ B) @ x')
>>> identifiers(["A", "W 1", "lambda", "np", "a-b", "a_b"])
{'A': 'A', 'W 1': 'W_1', 'lambda': 'lambda_', 'np': 'np_', 'a-b': 'a_b_1', 'a_b': 'a_b'}
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from keyword import iskeyword
from string import ascii_letters, ascii_lowercase
from unicodedata import normalize

from tensorgrad_eg.program.passes import RESERVED

# No line of the source is longer, its comment aside, unless an expression has no place to break.
LINE = 88
SUM, PRODUCT, MATMUL, UNARY, POWER, ATOM = range(6)
_LEVELS = {ast.Mult: PRODUCT, ast.Div: PRODUCT, ast.MatMult: MATMUL, ast.Pow: POWER}


@dataclass(frozen=True)
class Code:
    """An expression and its binding strength."""

    text: str
    level: int = ATOM

    def at(self, level: int) -> str:
        """The text, in parentheses where the surroundings bind tighter."""
        return self.text if self.level >= level else f"({self.text})"

    @property
    def atom(self) -> str:
        """The text as something that can be called, indexed or raised to a power."""
        return self.at(ATOM)


def parsed(text: str) -> Code:
    """An expression with the strength that Python gives it."""
    body = ast.parse(text, mode="eval").body
    if isinstance(body, ast.BinOp):
        return Code(text, _LEVELS.get(type(body.op), SUM))
    return Code(
        text, UNARY if isinstance(body, ast.UnaryOp) else SUM if isinstance(body, ast.IfExp) else ATOM
    )


def literal(number: Fraction | float) -> Code:
    """A number as Python source, never with more digits than a float has."""
    if isinstance(number, float):
        return _float_literal(number)
    decimal = _float_literal(_as_float(number))
    if number.denominator == 1 or (len(decimal.text) <= 10 and Fraction(decimal.text) == number):
        return decimal
    if max(abs(number.numerator), number.denominator) < 10**6:
        return Code(f"{number.numerator} / {number.denominator}", PRODUCT)
    return decimal


def _as_float(number: Fraction) -> float:
    try:
        return float(number)
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")


def _float_literal(number: float) -> Code:
    text = repr(number)
    if not text.lstrip("-")[0].isdigit():
        return Code(f'float("{text}")')
    if number.is_integer() and abs(number) < 10**15:
        text = str(int(number))
    return Code(text, UNARY if text.startswith("-") else ATOM)


def product(left: Code, right: Code) -> Code:
    """`left * right`; matrix products inside are set in parentheses, though Python would not need them."""
    first = left.text if left.level == PRODUCT else left.at(UNARY)
    return Code(f"{first} * {right.at(UNARY)}", PRODUCT)


def quotient(above: Code, below: Code) -> Code:
    """`above / below`."""
    first = above.text if above.level == PRODUCT else above.at(UNARY)
    return Code(f"{first} / {below.at(UNARY)}", PRODUCT)


def matmul(left: Code, right: Code) -> Code:
    """`left @ right`, the order of evaluation always explicit."""
    return Code(f"{left.at(UNARY)} @ {right.at(UNARY)}", MATMUL)


def scaled(code: Code, number: Fraction) -> Code:
    """A number times an expression, written with as little as possible."""
    if abs(number) == 1:
        return code if number == 1 else Code(f"-{code.at(UNARY)}", UNARY)
    value = literal(number)
    if number.numerator == 1 and number.denominator < 10**6 and len(value.text) > 5:
        return quotient(code, literal(Fraction(number.denominator)))
    return product(value, code)


def added(left: Code | None, right: Code, negative: bool) -> Code:
    """`left + right` or `left - right`; without `left`, the first term of a sum."""
    if left is None:
        return scaled(right, Fraction(-1 if negative else 1))
    # A product needs no parentheses as a term; a sum does, so that the order of evaluation shows.
    first = left.text if left.level == SUM else left.at(PRODUCT)
    return Code(f"{first} {'-' if negative else '+'} {right.at(PRODUCT)}", SUM)


def bracketed(opening: str, items: Sequence[str], closing: str, indent: int, before: int = 0) -> str:
    """Items between brackets, on one line if it fits behind `before` characters, else on lines indented
    below."""
    joined = f"{opening}{', '.join(items)}{closing}"
    if before + len(joined) <= LINE or len(items) < 2:
        return joined
    lines: list[str] = []
    for item in items:
        if lines and indent + 4 + len(lines[-1]) + len(item) + 2 <= LINE:
            lines[-1] += f" {item},"
        else:
            lines.append(f"{item},")
    inside = "".join(f"\n{' ' * (indent + 4)}{line}" for line in lines)
    return f"{opening}{inside}\n{' ' * indent}{closing}"


def call(function: str, *arguments: str) -> Code:
    """A function call."""
    return Code(f"{function}({', '.join(arguments)})")


def identifiers(names: Iterable[str]) -> dict[str, str]:
    """A distinct identifier for every name, the name itself where it is one."""
    wanted = list(dict.fromkeys(names))
    used = {name for name in wanted if _usable(name)}
    found: dict[str, str] = {}
    for name in wanted:
        found[name] = name if _usable(name) else _invented(name, used)
        used.add(found[name])
    return found


def _usable(name: str) -> bool:
    return (
        name.isidentifier()
        and normalize("NFKC", name) == name
        and not iskeyword(name)
        and name not in RESERVED
    )


def _invented(name: str, used: set[str]) -> str:
    stem = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in name) or "v"
    stem = f"v{stem}" if stem[0].isdigit() else f"{stem}_" if iskeyword(stem) or stem in RESERVED else stem
    choices = (stem if number == 0 else f"{stem}_{number}" for number in range(len(used) + 2))
    return next(choice for choice in choices if choice not in used and _usable(choice))


def plain(text: str) -> str:
    r"""A text that can stand in a comment or in a docstring: printable, without backslashes and double
    quotes.
    """
    shown = "".join(letter if letter.isprintable() else "?" for letter in text)
    return shown.replace("\\", "/").replace('"', "'")


def letters(labels: Sequence[str], ascending: Sequence[str] = ()) -> dict[str, str]:
    """A letter for every label, as einsum wants them: its own if it is one letter, else one of its letters,
    else any.

    The labels `ascending` get letters in alphabetical order: torch sums in that order, and copies when the
    memory is in another.
    """
    found: dict[str, str] = {}
    single = [label for label in labels if len(label) == 1 and label in ascii_letters]
    for label in [*single, *labels]:
        if label not in found:
            found[label] = _letter(label, set(found.values()))
    present = [found[label] for label in ascending]
    if present != sorted(present):
        taken = set(found.values()) - set(present)
        free = [letter for letter in ascii_lowercase if letter not in taken]
        found.update(zip(ascending, free, strict=False))
    return found


def _letter(label: str, used: set[str]) -> str:
    own = [letter for letter in label if letter in ascii_letters]
    choices: list[str] = [
        *own,
        *(letter.swapcase() for letter in own),
        *ascii_letters,
        *map(chr, range(192, 1000)),
    ]
    return next(letter for letter in choices if letter not in used)

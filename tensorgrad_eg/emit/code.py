"""Pieces of Python source that know how tightly they bind, so that parentheses stand where they are needed.

>>> total = Code("a + b", SUM)
>>> product(Code("2"), total).text
'2 * (a + b)'
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

# No line of the source is longer, its comment aside, unless an expression has no place to break.
LINE = 88
SUM, PRODUCT, MATMUL, UNARY, POWER, ATOM = range(6)
_LEVELS = {
    ast.Add: SUM,
    ast.Sub: SUM,
    ast.Mult: PRODUCT,
    ast.Div: PRODUCT,
    ast.MatMult: MATMUL,
    ast.Pow: POWER,
}


@dataclass(frozen=True)
class Code:
    """An expression and its binding strength.

    >>> Code("a + b", SUM).at(ATOM)
    '(a + b)'
    """

    text: str
    level: int = ATOM

    def at(self, level: int) -> str:
        """The text, in parentheses where the surroundings bind tighter."""
        return self.text if self.level >= level else f"({self.text})"

    @property
    def atom(self) -> str:
        """The text as something that can be called, indexed or raised to a power.

        >>> Code("a @ b", MATMUL).atom + ".sum()"
        '(a @ b).sum()'
        """
        return self.at(ATOM)


def parsed(text: str) -> Code:
    """An expression with the strength that Python gives it.

    >>> parsed("1 / (1 + x)").level == PRODUCT, parsed("np.exp(x)").level == ATOM
    (True, True)
    """
    body = ast.parse(text, mode="eval").body
    if isinstance(body, ast.BinOp):
        return Code(text, _LEVELS.get(type(body.op), SUM))
    return Code(
        text, UNARY if isinstance(body, ast.UnaryOp) else SUM if isinstance(body, ast.IfExp) else ATOM
    )


def literal(number: Fraction | float) -> Code:
    """A number as Python source, never with more digits than a float has.

    >>> [literal(number).text for number in (Fraction(1, 2), Fraction(-3), Fraction(2, 3), 2.0)]
    ['0.5', '-3', '2 / 3', '2']
    """
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
    """`left * right`; matrix products inside are set in parentheses, though Python would not need them.

    >>> product(Code("2"), Code("A @ x", MATMUL)).text
    '2 * (A @ x)'
    >>> product(Code("a / b", PRODUCT), Code("c * d", PRODUCT)).text
    'a / b * (c * d)'
    """
    first = left.text if left.level == PRODUCT else left.at(UNARY)
    return Code(f"{first} * {right.at(UNARY)}", PRODUCT)


def quotient(above: Code, below: Code) -> Code:
    """`above / below`.

    >>> quotient(Code("a"), Code("b * c", PRODUCT)).text
    'a / (b * c)'
    """
    first = above.text if above.level == PRODUCT else above.at(UNARY)
    return Code(f"{first} / {below.at(UNARY)}", PRODUCT)


def matmul(left: Code, right: Code) -> Code:
    """`left @ right`, the order of evaluation always explicit.

    >>> matmul(Code("A @ B", MATMUL), Code("x")).text
    '(A @ B) @ x'
    """
    return Code(f"{left.at(UNARY)} @ {right.at(UNARY)}", MATMUL)


def scaled(code: Code, number: Fraction) -> Code:
    """A number times an expression, written with as little as possible.

    >>> [scaled(Code("t"), Fraction(n)).text for n in ("1", "-1", "2", "1/2", "1/48", "2/3")]
    ['t', '-t', '2 * t', '0.5 * t', 't / 48', '2 / 3 * t']
    """
    if abs(number) == 1:
        return code if number == 1 else Code(f"-{code.at(UNARY)}", UNARY)
    value = literal(number)
    if number.numerator == 1 and number.denominator < 10**6 and len(value.text) > 5:
        return quotient(code, literal(Fraction(number.denominator)))
    return product(value, code)


def added(left: Code | None, right: Code, negative: bool) -> Code:
    """`left + right` or `left - right`; without `left`, the first term of a sum.

    >>> added(Code("a"), Code("b + c", SUM), negative=True).text, added(None, Code("b"), negative=True).text
    ('a - (b + c)', '-b')
    """
    if left is None:
        return scaled(right, Fraction(-1 if negative else 1))
    # A product needs no parentheses as a term; a sum does, so that the order of evaluation shows.
    first = left.text if left.level == SUM else left.at(PRODUCT)
    return Code(f"{first} {'-' if negative else '+'} {right.at(PRODUCT)}", SUM)


def bracketed(opening: str, items: Sequence[str], closing: str, indent: int, before: int = 0) -> str:
    """Items between brackets, on one line if it fits behind `before` characters, else on lines indented
    below.

    >>> bracketed("[", ["a", "b"], "]", 0)
    '[a, b]'
    >>> print(bracketed("[", ["x" * 50, "y" * 50], "]", 0).replace("x" * 48, "…").replace("y" * 48, "…"))
    [
        …xx,
        …yy,
    ]
    """
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
    """A function call.

    >>> call("np.exp", "x").text
    'np.exp(x)'
    """
    return Code(f"{function}({', '.join(arguments)})")

"""Steps as formulas on a blackboard: `t1[i] = Σ_k A[i,k] x[k] - y[i]`.

>>> from tensorgrad_eg.program.program import Input, Operand, Program, Step
>>> step = Step("t1", "contract", (Operand("A", ("i", "k")), Operand("x", ("k",))), ("i",), ("k",))
>>> step_text(step)
't1[i] = Σ_k A[i,k] x[k]'
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from tensorgrad_eg.program.program import Operand, Step

SUM, SIGMA, PRODUCT, ATOM = range(4)


@dataclass(frozen=True)
class Formula:
    """A piece of notation and how tightly it binds.

    >>> Formula("a + b", SUM).within(PRODUCT)
    '(a + b)'
    """

    text: str
    level: int = ATOM

    def within(self, level: int) -> str:
        """The text, in parentheses where the surroundings bind tighter."""
        return self.text if self.level >= level else f"({self.text})"


def indexed(name: str, edges: Sequence[str]) -> str:
    """A tensor with its labels.

    >>> indexed("A", ("i", "k")), indexed("loss", ())
    ('A[i,k]', 'loss')
    """
    return f"{name}[{','.join(edges)}]" if edges else name


def number_text(number: Fraction) -> str:
    """A rational as one writes it: whole, short decimal, or a fraction.

    >>> number_text(Fraction(2)), number_text(Fraction(-1, 2)), number_text(Fraction(1, 3))
    ('2', '-0.5', '1/3')
    """
    decimal = repr(float(number)) if abs(number) < 10**15 else str(number)
    if number.denominator != 1 and (len(decimal) > 8 or Fraction(decimal) != number):
        return str(number)
    return decimal.removesuffix(".0")


def step_text(step: Step) -> str:
    """A step as `name[labels] = formula`.

    >>> step_text(Step("t2", "power", (Operand("t1", ("i",)),), ("i",), number=Fraction(-1, 2)))
    't2[i] = t1[i]^(-1/2)'
    """
    return f"{indexed(step.name, step.edges)} = {formula(step).text}"


def formula(
    step: Step, operands: Sequence[Formula] | None = None, labels: Mapping[str, str] | None = None
) -> Formula:
    """The right-hand side of a step, its labels replaced by `labels`; `operands` are the texts to use for
    what it reads.

    >>> step = Step("t", "add", (Operand("a", ("i",)), Operand("b", ("i",), Fraction(-2))), ("i",))
    >>> formula(step, labels={"i": "row"}).text
    'a[row] - 2 b[row]'
    """
    new = labels or {}
    texts = operands or [
        Formula(indexed(o.tensor, [new.get(edge, edge) for edge in o.edges])) for o in step.operands
    ]
    sums = subscript([new.get(edge, edge) for edge in step.over])
    match step.kind:
        case "constant":
            return Formula(
                step.label or repr(step.value).removesuffix(".0"), SUM if (step.value or 0) < 0 else PRODUCT
            )
        case "delta":
            return Formula(indexed("δ", [new.get(edge, edge) for edge in step.edges]))
        case "contract" | "reduce":
            product = " ".join(_factor(text, place) for place, text in enumerate(texts))
            return Formula(f"Σ_{sums} {product}", SIGMA) if sums else Formula(product, PRODUCT)
        case "add":
            return Formula(_sum_text(step.operands, texts), SUM)
        case "scale":
            return _scaled(step.number or Fraction(0), texts[0])
        case "power":
            return Formula(f"{_base(texts[0])}^{_exponent(step.number or Fraction(0))}")
        case "apply":
            return Formula(f"{step.function}({texts[0].text})")
        case _:
            below = f"_{sums}" if sums else ""
            return Formula(f"{step.kind}{below}({', '.join(text.text for text in texts)})")


def subscript(labels: Sequence[str]) -> str:
    """Labels below a sum sign: braces where there are several.

    >>> subscript(["i"]), subscript(["i", "k"])
    ('i', '{i,k}')
    """
    return f"{{{','.join(labels)}}}" if len(labels) > 1 else "".join(labels)


def _factor(text: Formula, place: int) -> str:
    """A factor of a product; a number, or a sum sign, may only stand first."""
    return text.within(PRODUCT if place == 0 or text.text[0].isalpha() else ATOM)


def _scaled(number: Fraction, text: Formula) -> Formula:
    if abs(number) == 1:
        return Formula(f"-{text.within(PRODUCT)}", SUM) if number < 0 else text
    return Formula(f"{number_text(number)} {_factor(text, 1)}", SUM if number < 0 else PRODUCT)


def _sum_text(operands: Sequence[Operand], texts: Sequence[Formula]) -> str:
    parts: list[str] = []
    for operand, text in zip(operands, texts, strict=True):
        body = _scaled(abs(operand.factor), text).within(SIGMA)
        sign = ("-" if operand.factor < 0 else "") if not parts else (" - " if operand.factor < 0 else " + ")
        parts.append(sign + body)
    return "".join(parts)


def _base(text: Formula) -> str:
    """What is raised to a power: only a plain tensor needs no parentheses."""
    return text.text if re.fullmatch(r"\w+(\[[^\[\]]*\])?", text.text) else f"({text.text})"


def _exponent(number: Fraction) -> str:
    whole = number.denominator == 1 and number >= 0
    return str(number) if whole else f"({number})"

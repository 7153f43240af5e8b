"""Terms of sums that stand on a diagonal, `2 δ[i,j] T[…]`: the zeros beside it need not be added.

>>> from tensorgrad_eg.plan.program import Input, Output, Program
>>> delta = Step("eye", "delta", (), ("i", "j"))
>>> steps = {"eye": delta}
>>> on_diagonal(steps, Operand("eye", ("a", "b"), Fraction(3)))
Diagonal(pair=('a', 'b'), number=Fraction(3, 1), tensor=None)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from tensorgrad_eg.plan.program import Operand, Step


@dataclass(frozen=True)
class Diagonal:
    """`number · δ[pair] · tensor`; the tensor has at most one of the pair, and without one it is a number.

    >>> Diagonal(("i", "j"), Fraction(1), None).tensor is None
    True
    """

    pair: tuple[str, str]
    number: Fraction
    tensor: Operand | None


def multiple(steps: Mapping[str, Step], operand: Operand) -> Fraction | None:
    """The number on the diagonal, if the operand is a multiple of the identity.

    >>> steps = {"eye": Step("eye", "delta", (), ("i", "j"))}
    >>> multiple(steps, Operand("eye", ("a", "b"))), multiple(steps, Operand("x", ("a", "b")))
    (Fraction(1, 1), None)
    """
    step = steps.get(operand.tensor)
    if step is None or len(set(operand.edges)) < 2:
        return None
    if step.kind == "scale" and step.number:
        inner = multiple(steps, step.operands[0])
        return None if inner is None else inner * step.number
    return Fraction(1) if step.kind == "delta" else None


def on_diagonal(steps: Mapping[str, Step], operand: Operand) -> Diagonal | None:
    """What an operand has on its diagonal, under the operand's labels; None if it is no such tensor.

    >>> steps = {"eye": Step("eye", "delta", (), ("i", "j"))}
    >>> steps["t"] = Step("t", "contract", (Operand("eye", ("i", "j")), Operand("x", ("i",))), ("i", "j"))
    >>> found = on_diagonal(steps, Operand("t", ("a", "b"), Fraction(-1)))
    >>> found.pair, found.number, found.tensor.edges
    (('a', 'b'), Fraction(-1, 1), ('a',))
    """
    step = steps.get(operand.tensor)
    if step is None or len(set(operand.edges)) < len(operand.edges):
        return None
    number = multiple(steps, operand)
    if number is not None:
        first, second = operand.edges
        return Diagonal((first, second), number * operand.factor, None)
    if step.kind != "contract" or len(step.operands) != 2 or step.over:
        return None
    outer = dict(zip(step.edges, operand.edges, strict=True))
    for one, other in (step.operands, step.operands[::-1]):
        number = multiple(steps, one)
        if number is not None and not set(one.edges) <= set(other.edges):
            first, second = (outer[edge] for edge in one.edges)
            tensor = replace(other, edges=tuple(outer[edge] for edge in other.edges))
            return Diagonal((first, second), number * operand.factor, tensor)
    return None

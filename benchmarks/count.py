"""The cost of a form written by hand: a list of steps in words, priced by the function that prices our own
plans.

A step is a kind and labels, one letter an edge: what it reads, an arrow, what it writes. What is not written
is summed. A number before an operand of an addition is its factor.

>>> sizes = {"b": 64, "p": 32, "i": 16}
>>> price("contract bp,pi->bi", sizes), price("apply bi->bi", sizes), price("add bi,-2bi->bi", sizes)
(65536, 1024, 2048)
>>> total(["contract bp,pi->bi", "apply bi->bi"], sizes)
66560
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fractions import Fraction

from tensorgrad_eg.program.cost import flops

_OPERAND = re.compile(r"(?P<factor>-?\d*)(?P<edges>[A-Za-z]*)")


def price(step: str, sizes: Mapping[str, int]) -> int:
    """The flops of one step.

    >>> price("reduce ij->i", {"i": 3, "j": 4})
    12
    """
    kind, _, formula = step.partition(" ")
    read, arrow, written = formula.partition("->")
    if not arrow:
        raise ValueError(
            f"a step is written 'kind labels,labels->labels', but this one has no arrow: {step!r}"
        )
    operands = [_operand(text, step) for text in read.split(",")]
    edges = [e for _, e in operands]
    over = sorted({label for e in edges for label in e} - set(written))
    return flops(kind, edges, written, over, sizes, [factor for factor, _ in operands])


def total(steps: Iterable[str], sizes: Mapping[str, int]) -> int:
    """The flops of all steps together.

    >>> total(["contract ij,j->i", "scale i->i"], {"i": 3, "j": 4})
    27
    """
    return sum(price(step, sizes) for step in steps)


def _operand(text: str, step: str) -> tuple[Fraction, str]:
    found = _OPERAND.fullmatch(text.strip())
    if found is None:
        raise ValueError(
            f"{text!r} in {step!r} is no operand: write labels of one letter, with a factor before"
        )
    factor = found["factor"]
    return Fraction(-1 if factor == "-" else int(factor or 1)), found["edges"]

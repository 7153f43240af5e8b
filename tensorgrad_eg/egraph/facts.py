"""Declared facts as the rule files read them."""

from __future__ import annotations

from collections.abc import Iterable

from tensorgrad_eg.assume import Fact
from tensorgrad_eg.egraph.text import quote


def statements(facts: Iterable[Fact]) -> str:
    """The facts by the name of the variable and the positions of its axes.

    Example:
        >>> from tensorgrad_eg.assume import one_hot
        >>> from tensorgrad_eg.expr import Variable
        >>> statements([one_hot(Variable("Y", ["b", "c"]), "c")])
        '(one-hot "Y" 1)'
    """
    return " ".join(map(_statement, facts))


def _statement(fact: Fact) -> str:
    axes = "".join(f" {axis}" for axis in fact.axes)
    return f"({fact.kind.replace('_', '-')} {quote(fact.variable.name)}{axes})"

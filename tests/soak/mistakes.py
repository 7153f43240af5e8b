"""Mistakes that nobody can mean: each must be refused by a named error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import tensorgrad_eg as tg
from tensorgrad_eg import Plan

from .jets import Array
from .problems import Problem


@dataclass(frozen=True)
class Mistake:
    """Code that makes a mistake, and what there must be for it: a size symbol, or an array that is read."""

    name: str
    source: str
    needs: str = ""

    def made(self, problem: Problem, plan: Plan, arrays: dict[str, Array]) -> bool:
        """Make the mistake, if it can be made with this problem, and return whether it was."""
        read = [name for name in arrays if plan.program.readers(name)]
        if not {"": True, "size": problem.sizes, "array": read}[self.needs]:
            return False
        names: dict[str, Any] = {"tg": tg, "np": np, "plan": plan, "wanted": problem.question}
        sizes = dict(problem.sizes)
        names |= {"sizes": sizes, "symbol": min(sizes, default=""), "arrays": arrays, "read": read}
        eval(self.source, names)
        return True


def _sized(number: str) -> str:
    return f"tg.optimize(wanted, {{**sizes, symbol: {number}}}, effort=0)"


MISTAKES = (
    Mistake("no size", "tg.optimize(wanted, {})", "size"),
    Mistake("an unknown size", "tg.optimize(wanted, {**sizes, 'nosuch': 3})"),
    Mistake("a negative size", _sized("-1"), "size"),
    Mistake("a fractional size", _sized("1.5"), "size"),
    Mistake("a text as a size", _sized("'3'"), "size"),
    Mistake("a truth value as a size", _sized("True"), "size"),
    Mistake("an infinite size", _sized("float('inf')"), "size"),
    Mistake("no number as a size", _sized("None"), "size"),
    Mistake("an array of another shape", "plan(**{k: a[None] for k, a in arrays.items()})", "array"),
    Mistake("no array", "plan(**{k: a for k, a in arrays.items() if k not in read})", "array"),
    Mistake("an unknown array", "plan(**arrays, nosuch=np.ones(2))"),
    Mistake("a complex array", "plan(**{k: a + 1j for k, a in arrays.items()})", "array"),
    Mistake("an unknown option", "tg.optimize(wanted, sizes, extract='best')"),
    Mistake("an infinite effort", "tg.optimize(wanted, sizes, effort=float('inf'))"),
    Mistake("a text for seconds", "tg.optimize(wanted, sizes, seconds='2')"),
    Mistake("an unknown back end", "plan.code('fortran')"),
    Mistake("no folder for a file", "plan.save('/nonexistent/plan.json')"),
    Mistake("a file that ends early", "tg.Plan.from_json(plan.to_json()[:-40])"),
)


def mistake(problem: Problem) -> Mistake:
    """The mistake that is made with a problem."""
    return MISTAKES[problem.number % len(MISTAKES)]

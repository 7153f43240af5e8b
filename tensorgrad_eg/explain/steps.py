"""What derivations are made of: phases of steps, each with rule, places, costs, and what a check found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tensorgrad_eg.expr import Tensor
from tensorgrad_eg.expr.printing import blackboard

#: A last step that no single rule accounts for.
JOINT = "joint search"


@dataclass(frozen=True)
class Equation:
    """Two terms that are equal. With `order`, brackets show in which order products are taken.

    >>> from tensorgrad_eg.expr import Variable
    >>> x, y = Variable("x", ["i"]), Variable("y", ["i"])
    >>> print(Equation(x * (x * y), x**2 * y, order=True))
    x[i] (x[i] y[i]) = x[i]^2 y[i]
    """

    left: Tensor
    right: Tensor
    order: bool = False

    @property
    def sides(self) -> tuple[str, str]:
        """Both sides as text."""
        return blackboard(self.left, self.order), blackboard(self.right, self.order)

    def __str__(self) -> str:
        """The equation as text."""
        return " = ".join(self.sides)


@dataclass(frozen=True)
class Place(Equation):
    """One place where a rule applied, and the relative difference between the values of the two sides.

    >>> from tensorgrad_eg.expr import Variable
    >>> x = Variable("x", ["i"])
    >>> print(Place(x * x, x**2, error=1e-16))
    x[i] x[i] = x[i]^2
    """

    error: float | None = None


@dataclass(frozen=True)
class Step:
    """What one rule did, in one round, wherever it applied.

    `equation` is the rule in general, as its file states it. `also` are rules that were needed along with it.
    Costs are flops of the whole program, of all outputs together; they are known once every derivative is
    worked out.

    >>> from tensorgrad_eg.expr import Variable
    >>> x = Variable("x", ["i"])
    >>> place = Place(x * x, x**2)
    >>> step = Step("square", "search", "search", "rules/60_associate.egg", 22, "", "result", (place,))
    >>> print(step.before, "→", step.after)
    x[i] x[i] → x[i]^2
    """

    rule: str
    phase: str
    ruleset: str
    file: str
    line: int
    equation: str
    output: str
    places: tuple[Place, ...]
    cost_before: int | None = None
    cost_after: int | None = None
    also: tuple[str, ...] = ()

    @property
    def before(self) -> Tensor:
        """The part that changed, in the first place."""
        return self.places[0].left

    @property
    def after(self) -> Tensor:
        """What it has become."""
        return self.places[0].right

    @property
    def count(self) -> int:
        """In how many places the rule applied; equal ones count once."""
        return len(self.places)

    @property
    def error(self) -> float | None:
        """The largest relative difference of the two sides of a place; nothing if none was compared."""
        errors = [place.error for place in self.places if place.error is not None]
        return max(errors) if errors else None


@dataclass(frozen=True)
class Phase:
    """A part of a derivation: the tensors it names, its steps, and what it ends with.

    `silent` are the rules that did what one does not write down, such as renaming edges, in their order.

    >>> Phase("search", "Search", (), (), ()).steps
    ()
    """

    name: str
    title: str
    definitions: tuple[Equation, ...]
    steps: tuple[Step, ...]
    results: tuple[Equation, ...]
    silent: tuple[str, ...] = ()


def as_data(step: Step) -> dict[str, Any]:
    """A step as JSON has it, every term as text."""
    return {
        "rule": step.rule,
        "also": list(step.also),
        "phase": step.phase,
        "ruleset": step.ruleset,
        "file": step.file,
        "line": step.line,
        "equation": step.equation,
        "output": step.output,
        "before": step.places[0].sides[0],
        "after": step.places[0].sides[1],
        "count": step.count,
        "places": [{"before": p.sides[0], "after": p.sides[1], "error": p.error} for p in step.places],
        "cost_before": step.cost_before,
        "cost_after": step.cost_after,
        "error": step.error,
    }

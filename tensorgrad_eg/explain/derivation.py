"""Derivations as data: phases of steps, each with its rule, places, costs, and what checking found."""

from __future__ import annotations

import json
from collections.abc import Iterator
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


@dataclass(frozen=True)
class Derivation:
    """How a plan comes about, from the expression that was given to the program that is run.

    `start` is what the program costs that differentiation writes down, each of its terms computed once;
    `flops` is what the plan costs. The steps that have costs lead from one to the other: each begins with
    what the one before ends with. `detail` is "phases", "steps" or "all": how much `str` shows. The data are
    always complete.

    >>> print(Derivation((), 12, "phases"))
    Nothing had to be done.
    """

    phases: tuple[Phase, ...]
    flops: int
    detail: str = "steps"
    start: int = 0

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps in their order."""
        return tuple(step for phase in self.phases for step in phase.steps)

    @property
    def error(self) -> float | None:
        """The largest relative difference found in any step."""
        errors = [step.error for step in self.steps if step.error is not None]
        return max(errors) if errors else None

    def __iter__(self) -> Iterator[Step]:
        """The steps in their order."""
        return iter(self.steps)

    def __len__(self) -> int:
        """How many steps there are."""
        return len(self.steps)

    def __str__(self) -> str:
        """The derivation as a mathematician would write it."""
        from tensorgrad_eg.explain.text import text

        return text(self)

    def to_json(self) -> str:
        """The derivation as JSON, every term as text."""
        phases = [
            {
                "name": phase.name,
                "title": phase.title,
                "definitions": [str(equation) for equation in phase.definitions],
                "steps": [_step(step) for step in phase.steps],
                "results": [str(equation) for equation in phase.results],
            }
            for phase in self.phases
        ]
        costs = {"start": self.start, "flops": self.flops}
        return json.dumps({**costs, "error": self.error, "phases": phases}, ensure_ascii=False, indent=1)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """What a notebook shows."""
        from tensorgrad_eg.explain.html import html

        bundle = {"text/plain": str(self), "text/html": html(self)}
        return {
            kind: shown
            for kind, shown in bundle.items()
            if (not include or kind in include) and kind not in (exclude or ())
        }


def _step(step: Step) -> dict[str, Any]:
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

"""Derivations: how a plan comes about, as data, as text, and as a page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tensorgrad_eg.explain.steps import Phase, Step, as_data
from tensorgrad_eg.explain.text import html, text


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
        return text(self.phases, self.detail)

    def to_json(self) -> str:
        """The derivation as JSON, every term as text."""
        phases = [
            {
                "name": phase.name,
                "title": phase.title,
                "definitions": [str(equation) for equation in phase.definitions],
                "steps": [as_data(step) for step in phase.steps],
                "results": [str(equation) for equation in phase.results],
            }
            for phase in self.phases
        ]
        costs = {"start": self.start, "flops": self.flops}
        return json.dumps({**costs, "error": self.error, "phases": phases}, ensure_ascii=False, indent=1)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """What a notebook shows."""
        bundle = {"text/plain": str(self), "text/html": html(self.phases)}
        return {
            kind: shown
            for kind, shown in bundle.items()
            if (not include or kind in include) and kind not in (exclude or ())
        }

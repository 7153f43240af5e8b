"""Derivations: how a plan comes about, phases of steps with rules and costs, as data, text, and a page."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any

from tensorgrad_eg.explain.values import TOLERANCE
from tensorgrad_eg.expr import Tensor
from tensorgrad_eg.expr.printing import blackboard

#: A last step that no single rule accounts for.
JOINT = "joint search"
#: Places of a step that are written out, definitions of a phase, steps that are not put together by rule, and
#: rules that are named where several were needed.
PLACES, DEFINITIONS, STEPS, RULES = 4, 24, 24, 3
_WIDTH = 100
#: A side with more characters than this is cut.
_LONGEST = 600
_INDENT = "       "
_STYLE = "border-left:3px solid currentColor;margin:.4em 0;padding:.1em .8em"


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


def _as_data(step: Step) -> dict[str, Any]:
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
                "steps": [_as_data(step) for step in phase.steps],
                "results": [str(equation) for equation in phase.results],
            }
            for phase in self.phases
        ]
        costs = {"start": self.start, "flops": self.flops}
        return json.dumps({**costs, "error": self.error, "phases": phases}, ensure_ascii=False, indent=1)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """What a notebook shows."""
        bundle = {"text/plain": str(self), "text/html": _html(self.phases)}
        return {
            kind: shown
            for kind, shown in bundle.items()
            if (not include or kind in include) and kind not in (exclude or ())
        }


def text(phases: Sequence[Phase], detail: str = "steps") -> str:
    """The derivation, every phase with its steps."""
    if not phases:
        return "Nothing had to be done."
    lines = [_summary([step for phase in phases for step in phase.steps])]
    number = 1
    for phase in phases:
        lines += ["", phase.title, *_definitions(phase, detail)]
        if detail != "phases":
            for step in _together(phase.steps, detail):
                lines += _step(number, step, detail)
                number += 1
        lines += _results(phase)
        if detail == "all" and phase.silent:
            lines.append(f"    not written down: {_counted(phase.silent)}")
    return "\n".join(lines)


def _together(steps: Sequence[Step], detail: str = "steps") -> list[Step]:
    """The steps as they are shown: in a phase with very many, those of one rule are put together."""
    if len(steps) <= STEPS or detail == "all":
        return list(steps)
    merged: dict[str, Step] = {}
    for step in steps:
        known = merged.get(step.rule)
        merged[step.rule] = (
            replace(known, places=known.places + step.places, cost_after=step.cost_after) if known else step
        )
    return list(merged.values())


def _summary(steps: Sequence[Step]) -> str:
    count = f"{len(steps)} step{'s' * (len(steps) != 1)}"
    errors = [step.error for step in steps if step.error is not None]
    if not errors:
        return f"{count}, not checked"
    if max(errors) < TOLERANCE:
        return f"{count}, checked on numbers: largest difference {max(errors):.0e}".replace("0e+00", "0")
    wrong = [step.rule for step in steps if step.error is not None and step.error >= TOLERANCE]
    return f"{count}; NOT CONFIRMED on numbers: {', '.join(dict.fromkeys(wrong))}"


def _definitions(phase: Phase, detail: str) -> list[str]:
    rows = [str(equation) for equation in phase.definitions]
    shown = rows if detail == "all" else rows[:DEFINITIONS]
    hidden = len(rows) - len(shown)
    shown += [f"… and {hidden} more"] if hidden else []
    return [
        line for n, row in enumerate(shown) for line in _lines(row, "    where " if n == 0 else "          ")
    ]


def _results(phase: Phase) -> list[str]:
    """What a phase ends with, where that is short enough to read."""
    rows = [str(equation) for equation in phase.results]
    shown = [row for row in rows if len(row) <= _WIDTH + 20 and "\n" not in row][:PLACES]
    lines = [line for row in shown for line in _lines(row, "    ⇒ ")]
    hidden = len(rows) - len(shown)
    return lines + ([f"    ⇒ … and {hidden} more"] if shown and hidden else [])


def _step(number: int, step: Step, detail: str) -> list[str]:
    rule = step.rule if not step.equation else f"{step.rule}: {step.equation}"
    parts = [f"{rule} ×{step.count}" if step.count > 1 else rule]
    if step.file:
        parts.append(f"{step.file}:{step.line}")
    if step.also:
        more = f" and {len(step.also) - RULES} more" if len(step.also) > RULES else ""
        parts.append(f"with {', '.join(step.also[:RULES])}{more}")
    if step.cost_before is not None and step.cost_after is not None:
        parts.append(f"{step.cost_before:,} → {step.cost_after:,} flops")
    parts += _checked(step)
    shown = step.places if detail == "all" else step.places[:PLACES]
    lines = [f"{number:>3}. {'   '.join(parts)}"]
    lines += [line for place in shown for line in equation(place)]
    hidden = len(step.places) - len(shown)
    return lines + ([f"{_INDENT}… and {hidden} more"] if hidden else [])


def _checked(step: Step) -> list[str]:
    if step.error is None:
        return []
    return ["✓"] if step.error < TOLERANCE else [f"✗ the sides differ by {step.error:.1g}"]


def equation(place: Place) -> list[str]:
    """The two sides of a place, in one line if they fit."""
    before, after = map(_cut, place.sides)
    if "\n" not in before + after and len(before) + len(after) < _WIDTH:
        return [f"{_INDENT}{before} = {after}"]
    return _lines(before, _INDENT) + _lines(after, f"{_INDENT}  = ")


def _lines(shown: str, first: str) -> list[str]:
    rows = shown.split("\n")
    return [first + rows[0], *(" " * len(first) + row for row in rows[1:])]


def _cut(shown: str) -> str:
    return (
        shown
        if len(shown) <= _LONGEST
        else shown[:_LONGEST] + f" … ({len(shown) - _LONGEST} characters more)"
    )


def _counted(names: Iterable[str]) -> str:
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return ", ".join(name if n == 1 else f"{name} ×{n}" for name, n in counts.items())


def _html(phases: Sequence[Phase]) -> str:
    """The derivation as HTML: a card for each step, folded phases."""
    parts: list[str] = []
    number = 1
    for phase in phases:
        steps = _together(phase.steps)
        cards = "".join(_card(number + n, step) for n, step in enumerate(steps))
        number += len(steps)
        parts.append(
            f"<details open><summary><b>{escape(phase.title)}</b></summary>{_head(phase)}{cards}</details>"
        )
    return f'<div class="tensorgrad-eg-derivation">{"".join(parts)}</div>'


def _head(phase: Phase) -> str:
    rows = "\n".join(map(str, phase.definitions))
    return f"<pre>where {escape(rows)}</pre>" if rows else ""


def _card(number: int, step: Step) -> str:
    equations = "\n".join(line.strip() for place in step.places[:PLACES] for line in equation(place))
    hidden = len(step.places) - PLACES
    more = f"\n… and {hidden} more" if hidden > 0 else ""
    notes = [f"×{step.count}"] if step.count > 1 else []
    notes += [escape(step.equation)] if step.equation else []
    notes += [f"<small>{escape(step.file)}:{step.line}</small>"] if step.file else []
    if step.cost_before is not None and step.cost_after is not None:
        notes.append(f"{step.cost_before:,} → {step.cost_after:,} flops")
    if step.error is not None:
        notes.append("✓ checked" if step.error < TOLERANCE else f"✗ differs by {step.error:.1g}")
    title = f"{number}. <b>{escape(step.rule)}</b> {' · '.join(notes)}"
    return f'<div style="{_STYLE}">{title}<pre>{escape(equations + more)}</pre></div>'

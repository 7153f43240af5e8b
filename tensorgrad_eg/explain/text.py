"""Derivations as text: a line for each step, equations below it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from tensorgrad_eg.explain.derivation import Derivation, Phase, Place, Step
from tensorgrad_eg.explain.values import TOLERANCE

#: Places of a step that are written out, definitions of a phase, steps that are not put together by rule, and
#: rules that are named where several were needed.
PLACES, DEFINITIONS, STEPS, RULES = 4, 24, 24, 3
_WIDTH = 100
#: A side with more characters than this is cut.
_LONGEST = 600
_INDENT = "       "


def text(derivation: Derivation) -> str:
    """The derivation, every phase with its steps.

    >>> from tensorgrad_eg.expr import Variable
    >>> x = Variable("x", ["i"])
    >>> place = Place(x * x, x**2, error=0.0)
    >>> step = Step("square", "search", "search", "rules/a.egg", 3, "a·a = a²", "y", (place,))
    >>> print(text(Derivation((Phase("search", "Search", (), (step,), ()),), 7)))
    1 step, checked on numbers: largest difference 0
    <BLANKLINE>
    Search
      1. square: a·a = a²   rules/a.egg:3   ✓
           x[i] x[i] = x[i]^2
    """
    if not derivation.phases:
        return "Nothing had to be done."
    lines = [_summary(derivation)]
    number = 1
    for phase in derivation.phases:
        lines += ["", phase.title, *_definitions(phase, derivation.detail)]
        if derivation.detail != "phases":
            for step in together(phase.steps, derivation.detail):
                lines += _step(number, step, derivation.detail)
                number += 1
        lines += _results(phase)
        if derivation.detail == "all" and phase.silent:
            lines.append(f"    not written down: {_counted(phase.silent)}")
    return "\n".join(lines)


def together(steps: Sequence[Step], detail: str = "steps") -> list[Step]:
    """The steps as they are shown: in a phase with very many, those of one rule are put together.

    >>> together([])
    []
    """
    if len(steps) <= STEPS or detail == "all":
        return list(steps)
    merged: dict[str, Step] = {}
    for step in steps:
        known = merged.get(step.rule)
        merged[step.rule] = (
            replace(known, places=known.places + step.places, cost_after=step.cost_after) if known else step
        )
    return list(merged.values())


def _summary(derivation: Derivation) -> str:
    count = f"{len(derivation)} step{'s' * (len(derivation) != 1)}"
    error = derivation.error
    if error is None:
        return f"{count}, not checked"
    if error < TOLERANCE:
        return f"{count}, checked on numbers: largest difference {error:.0e}".replace("0e+00", "0")
    wrong = [step.rule for step in derivation if step.error is not None and step.error >= TOLERANCE]
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
    """The two sides of a place, in one line if they fit.

    >>> from tensorgrad_eg.expr import Variable
    >>> x = Variable("x", ["i"])
    >>> equation(Place(x * x, x**2))
    ['       x[i] x[i] = x[i]^2']
    """
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

"""Derivations as a page of cards, for notebooks: it needs nothing from elsewhere."""

from __future__ import annotations

from html import escape

from tensorgrad_eg.explain.derivation import Derivation, Phase, Step
from tensorgrad_eg.explain.text import PLACES, equation, together
from tensorgrad_eg.explain.values import TOLERANCE

_STYLE = "border-left:3px solid currentColor;margin:.4em 0;padding:.1em .8em"


def html(derivation: Derivation) -> str:
    """The derivation as HTML: a card for each step, folded phases.

    >>> html(Derivation((), 0))
    '<div class="tensorgrad-eg-derivation"></div>'
    """
    parts: list[str] = []
    number = 1
    for phase in derivation.phases:
        steps = together(phase.steps)
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

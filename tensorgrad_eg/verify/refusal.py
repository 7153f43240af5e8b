"""Why a plan is refused: where it begins to be wrong, and which rules are involved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tensorgrad_eg.deadline import Deadline
from tensorgrad_eg.errors import TensorgradError, WrongPlanError
from tensorgrad_eg.expr import Tensor, brief, children, postorder, variables
from tensorgrad_eg.expr.sizes import symbols
from tensorgrad_eg.plan.plan import Plan
from tensorgrad_eg.rules.catalogue import Rule, rules_of
from tensorgrad_eg.rules.files import rule_files
from tensorgrad_eg.verify.promise import Broken
from tensorgrad_eg.verify.suspects import SILENT, offending_rules

#: How long to look for the rules, in seconds, and how many of those that took part to name.
_SECONDS, _NAMED = 3.0, 8


def refused(
    expressions: Sequence[Tensor],
    again: partial[Plan],
    plan: Plan,
    broken: Broken,
    fallback: Plan | None,
) -> WrongPlanError:
    """The error for a wrong plan; `again` plans what it is given with the options of that plan.

    Example: see `tests/test_promise.py`, where rules are unsound on purpose.
    """
    seconds = min(_SECONDS, float(again.keywords["seconds"]) / 2)
    e = expressions[broken.output]
    part, wrong = _smallest(e, again, plan.sizes, Deadline(seconds)) or (e, plan)
    names = _rules(part, wrong, again.keywords["rules"], Deadline(seconds))
    at = "".join(f", {symbol}={size}" for symbol, size in broken.sizes.items())[2:]
    how = f"fails with {broken.raised}" if broken.raised else f"differs by {broken.error:.3g} (relative)"
    where = f" at {at}" if at else ""
    return WrongPlanError.refused(plan.results[broken.output], how + where, brief(part, 120), names, fallback)


def _rules(
    part: Tensor, plan: Plan, files: str | Path | Sequence[str | Path], deadline: Deadline
) -> list[str]:
    """The rules that are found to be unsound; else those that took part, the caller's own ones first."""
    offences = offending_rules([part], plan.sizes, files, deadline=deadline)
    if offences:
        return [_named(o.rule) for o in offences]
    report: Any = plan.report
    every = rule_files(files)
    own = {file.name for file in every} - {file.name for file in rule_files()}
    fired = [r for r in rules_of(every) if r.ruleset not in SILENT and report.matches[r.name]]
    ordered = sorted(fired, key=lambda r: (r.file not in own, -report.matches[r.name]))
    return [_named(rule) for rule in ordered[:_NAMED]]


def _named(rule: Rule) -> str:
    return f'{rule.file}:{rule.line} "{rule.name}"'


def _smallest(
    e: Tensor, again: partial[Plan], sizes: Mapping[str, int], deadline: Deadline
) -> tuple[Tensor, Plan] | None:
    """The smallest part of an expression whose plan is wrong by itself, and that plan."""
    for part in _parts(e):
        if deadline.over:
            break
        facts = [f for f in again.keywords["assume"] if f.variable.name in variables([part])]
        options = {**again.keywords, "assume": facts, "verify": False, "extract": "greedy"}
        own = {symbol: sizes[symbol] for symbol in symbols([part])}
        try:
            plan = again.func(part, own, **options)
        except TensorgradError:
            continue
        problem: Any = plan.source
        if problem.promise(problem.extracted(plan.sizes), plan.sizes).broken is not None:
            return part, plan
    return None


def _parts(e: Tensor) -> Iterator[Tensor]:
    """The parts of an expression that are computed, the smaller ones first."""
    size: dict[Tensor, int] = {}
    order = postorder([e])
    for part in order:
        size[part] = len(postorder([part]))
    yield from sorted((p for p in order if children(p)), key=lambda p: size[p])

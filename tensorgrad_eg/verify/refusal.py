"""Why a plan is refused: where it begins to be wrong, and which rules are involved."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tensorgrad_eg.deadline import Deadline
from tensorgrad_eg.egraph.saturate import Report
from tensorgrad_eg.emit.compiled import Compiled
from tensorgrad_eg.errors import WrongPlanError
from tensorgrad_eg.expr import Tensor, brief, children, postorder
from tensorgrad_eg.expr.sizes import symbols
from tensorgrad_eg.rules.catalogue import Rule, rules_of
from tensorgrad_eg.rules.files import rule_files
from tensorgrad_eg.rules.phases import GATHERING
from tensorgrad_eg.verify.promise import Broken
from tensorgrad_eg.verify.suspects import offending_rules

#: How long to look for the smallest part that is wrong, and then for the rules: so many seconds, or half of
#: what is left; but half of this share of the plan's seconds even if nothing is. How many rules to name.
_SECONDS, _SHARE, _NAMED = 3.0, 0.2, 8


@dataclass(frozen=True)
class Refusal:
    """What was to be planned, with its report, and how much time there is to find out why it is wrong.

    `trial` plans a part alone, and has the report of that if it is wrong as well. Unless `closely`, all rules
    that took part are named.

    Example: see `tests/test_promise.py`, where rules are unsound on purpose.
    """

    expressions: Sequence[Tensor]
    names: Sequence[str]
    sizes: Mapping[str, int]
    files: Sequence[str | Path]
    report: Report
    deadline: Deadline
    trial: Callable[[Tensor, Mapping[str, int], float], Report | None]
    closely: bool = True

    def error(self, broken: Broken, fallback: Compiled | None) -> WrongPlanError:
        """The error for a plan that is wrong, or that there cannot be.

        Example: see `tests/test_promise.py`.
        """
        e = self.expressions[broken.output]
        part, report = (self._smallest(e) if self.closely else None) or (e, self.report)
        names = (self._rules(part) if self.closely else []) or fired(self.files, report)
        at = "".join(f", {symbol}={size}" for symbol, size in broken.sizes.items())[2:]
        how = f"fails with {broken.raised}" if broken.raised else f"differs by {broken.error:.3g} (relative)"
        where = f" at {at}" if at else ""
        return WrongPlanError.refused(
            self.names[broken.output], how + where, brief(part, 120), names, fallback
        )

    def _time(self) -> Deadline:
        return self.deadline.at_least(_SHARE).part(0.5, _SECONDS)

    def _smallest(self, e: Tensor) -> tuple[Tensor, Report] | None:
        """The smallest part of an expression whose plan is wrong by itself, and the report of that."""
        deadline = self._time()
        for part in _parts(e):
            if deadline.over:
                break
            own = {symbol: self.sizes[symbol] for symbol in symbols([part])}
            report = self.trial(part, own, deadline.left)
            if report is not None:
                return part, report
        return None

    def _rules(self, part: Tensor) -> list[str]:
        """The rules that are found to be unsound."""
        offences = offending_rules([part], self.sizes, self.files, deadline=self._time())
        return [_named(o.rule) for o in offences]


def fired(files: str | Path | Sequence[str | Path], report: Report) -> list[str]:
    """The rules that took part in a plan: the caller's own ones first, then those with most matches.

    >>> fired([], Report())
    []
    """
    every = rule_files(files)
    own = {file.name for file in every} - {file.name for file in rule_files()}
    took = [r for r in rules_of(every) if r.ruleset not in GATHERING and report.matches[r.name]]
    ordered = sorted(took, key=lambda r: (r.file not in own, -report.matches[r.name]))
    return [_named(rule) for rule in ordered[:_NAMED]]


def _named(rule: Rule) -> str:
    return f'{rule.file}:{rule.line} "{rule.name}"'


def _parts(e: Tensor) -> Iterator[Tensor]:
    """The parts of an expression that are computed, the smaller ones first."""
    size: dict[Tensor, int] = {}
    order = postorder([e])
    for part in order:
        size[part] = len(postorder([part]))
    yield from sorted((p for p in order if children(p)), key=lambda p: size[p])

"""Why a plan is refused: where it begins to be wrong, and which rule is unsound.

Each rule is left out once, then tried alone on the e-graphs that are sound without it.

A rule that merely prepares the ground for an unsound one is acquitted: alone it makes nothing worse. Rules of
differentiation are tried on one operation at a time, against the reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tensorgrad_eg.egraph.derive import Derived, derive
from tensorgrad_eg.egraph.differentiate import differentiate
from tensorgrad_eg.egraph.engine import Engine, Engines
from tensorgrad_eg.egraph.saturate import Budget, Report, saturate
from tensorgrad_eg.emit import Compiled
from tensorgrad_eg.errors import TensorgradError, TimeLimitError, WrongPlanError
from tensorgrad_eg.expr import (
    Contract,
    Derivative,
    Rename,
    Tangent,
    Tensor,
    Variable,
    brief,
    children,
    made,
    operation,
    postorder,
)
from tensorgrad_eg.expr.walk import symbols
from tensorgrad_eg.rules import Rule, RuleFile, in_ruleset, named, rule_files, rules_of
from tensorgrad_eg.rules.forms import GATHERING, NORMAL, Form, head
from tensorgrad_eg.running import Deadline
from tensorgrad_eg.verify.plans import Broken, shown
from tensorgrad_eg.verify.snapshots import Mismatch, check_snapshot, normal_forms, snapshots

#: The ruleset of the rule that is tried.
_SUSPECT = "suspect"
#: How long to look for the smallest part that is wrong, and then for the rules: so many seconds, or half of
#: what is left; but half of this share of the plan's seconds even if nothing is. How many rules to name.
_SECONDS, _SHARE, _NAMED = 3.0, 0.2, 8


@dataclass(frozen=True)
class Offence:
    """An unsound rule, and what gave it away.

    >>> print(Offence(Rule("halve", "search", "mine.egg", 3, Form(["rewrite"])), "x[i] = 1/2 x[i] is wrong"))
    mine.egg:3: the rule "halve" is unsound: x[i] = 1/2 x[i] is wrong
    """

    rule: Rule
    evidence: Mismatch | str

    def __str__(self) -> str:
        """Where the rule stands, and a counterexample."""
        return f'{self.rule.file}:{self.rule.line}: the rule "{self.rule.name}" is unsound: {self.evidence}'


def offending_rules(
    expressions: Sequence[Tensor],
    sizes: Mapping[str, int],
    rules: str | Path | Iterable[str | Path] = (),
    among: Iterable[str] | None = None,
    deadline: Deadline | None = None,
) -> list[Offence]:
    """The unsound rules that show on these expressions, with counterexamples; `rules` are further files.

    Tried are the rules of the further files or, if there are none, all that matched; `among` names others.
    Once a deadline is over no further rule is tried, and what runs is ended.

    >>> from tensorgrad_eg.expr import Variable
    >>> x = Variable("x", ["k"])
    >>> offending_rules([x @ x], {"k": 3})
    []
    """
    trial = _Trial(expressions, sizes, rule_files(rules), deadline or Deadline())
    first = trial.run()
    if first is None or not first.wrong:
        return []  # nothing is, or there is no e-graph to look at, or no time
    every = {rule.name: rule for rule in rules_of(trial.files) if rule.ruleset not in GATHERING}
    further = {file.name for file in trial.files} - {file.name for file in rule_files()}
    own = [name for name, rule in every.items() if rule.file in further]
    fired = [name for name in every if first.matches[name]]
    caught, freed = [], []
    for name in dict.fromkeys(among or own or fired):
        if trial.deadline.over:
            break
        found = trial.run(every[name]) if name in every else None
        if found is not None and found.evidence is not None:
            caught.append(Offence(every[name], found.evidence))
        elif found is not None and not found.wrong and first.evidence is not None:
            freed.append(Offence(every[name], first.evidence))
    if caught or freed or trial.deadline.over:
        return caught or freed
    with suppress(TimeLimitError):
        return trial.wrong_derivatives(every)
    return []


class _Findings(NamedTuple):
    """Whether anything is wrong, the evidence for it or against the suspect, and what each rule did."""

    wrong: bool
    evidence: Mismatch | None
    matches: Mapping[str, int]


@dataclass(frozen=True)
class _Trial:
    """Expressions that are derived and searched, and every e-graph checked."""

    expressions: Sequence[Tensor]
    sizes: Mapping[str, int]
    files: tuple[RuleFile, ...]
    deadline: Deadline

    def run(self, suspect: Rule | None = None) -> _Findings | None:
        """What is wrong; of a suspect, without it, and what it does alone to e-graphs that were sound then.

        Nothing, if there is no plan: without a rule that is needed no derivative gets done.
        """
        report = Report()
        found: list[Mismatch] = []
        added: list[Mismatch] = []
        try:
            files = self.files if suspect is None else _set_apart(self.files, suspect)
            derived = derive(self.expressions, self.sizes, Engines(files, report.matches, self.deadline))
            found += [m for _, snapshot in snapshots(derived) for m in check_snapshot(snapshot)]
            for engine, roots in self._engines(derived, files, report):
                found += check_snapshot(engine.snapshot(roots))
                if suspect and not found:
                    engine.run(_SUSPECT)
                    engine.run("analysis", saturate=True)
                    added += check_snapshot(engine.snapshot(roots))
            right = all(np.allclose(*pair, rtol=1e-6) for pair in normal_forms(derived, self.expressions))
        except TensorgradError:
            return None
        return _Findings(
            not right or bool(found), next(iter(added if suspect else found), None), report.matches
        )

    def _engines(
        self, derived: Derived, files: tuple[RuleFile, ...], report: Report
    ) -> Iterator[tuple[Engine, list[str]]]:
        """The e-graph of every phase and of the search, run to its end."""
        for stage in derived.stages:
            rulesets = NORMAL | {"differentiate", _SUSPECT}
            engine = Engine(files, rulesets, report.matches, deadline=self.deadline)
            engine.load(stage.before, derived.symbols)
            if stage.work is None:
                engine.normalise()
            else:
                differentiate(engine, stage.work)
            yield engine, list(stage.before.roots)
        engine = Engine(files, None, report.matches, deadline=self.deadline)
        engine.load(derived.dag, derived.symbols)
        engine.normalise()
        saturate(engine, self.sizes, Budget(), report)
        yield engine, list(derived.dag.roots)

    def wrong_derivatives(self, rules: Mapping[str, Rule]) -> list[Offence]:
        """Rules that take part in a wrong derivative of a single operation, and in no right one."""
        suspected: dict[str, str] = {}
        trusted: set[str] = set()
        for wanted in _single_operations(self.expressions):
            report = Report()
            derived = derive([wanted], self.sizes, Engines(self.files, report.matches, self.deadline))
            fired = [name for name in rules if report.matches[name]]
            ((found, right),) = normal_forms(derived, [wanted])
            if np.allclose(found, right, rtol=1e-6):
                trusted.update(fired)
            else:
                suspected |= {name: f"{wanted} comes out wrong" for name in fired if name not in suspected}
        return [
            Offence(rule, suspected[name])
            for name, rule in rules.items()
            if name in suspected.keys() - trusted
        ]


def _set_apart(files: tuple[RuleFile, ...], rule: Rule) -> tuple[RuleFile, ...]:
    """The rule files, the one rule in a ruleset of its own that deletes nothing."""
    own = _undeleting(in_ruleset(rule.form, _SUSPECT))
    found = []
    for file in files:
        suspect = next(named(file.forms, rule.name), None)
        kept = [form for form in file.forms if form is not suspect]
        found.append(file.having([Form(["ruleset", _SUSPECT]), *kept, own]) if suspect else file)
    return tuple(found)


def _undeleting(form: Form) -> Form:
    """A rule without its deletions: it adds what it says, and the rest is there to be compared with."""
    return form.having(
        _undeleting(item) if isinstance(item, Form) else item for item in form if head(item) != "delete"
    )


def _single_operations(expressions: Iterable[Tensor]) -> Iterator[Tensor]:
    """Derivatives of every operation: in reverse mode (of a weighted sum) and in forward (the Jacobian)."""
    seen: dict[Tensor, None] = {}
    for e in postorder(expressions):
        if isinstance(e, Derivative | Tangent) or not children(e):
            continue
        parts = dict.fromkeys(children(e))
        own = {part: Variable(f"a{n}", dict(part.shape)) for n, part in enumerate(parts, 1)}
        args = [own[part] for part in children(e)]
        alone = Rename(args[0], e.mapping, e.edges) if isinstance(e, Rename) else made(*operation(e), args)
        if alone in seen:
            continue
        seen[alone] = None
        weighted = Contract(alone.edges, alone, Variable("g", dict(alone.shape)))
        for variable in own.values():
            yield weighted.grad(variable)
            yield alone.grad(variable)


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
        how = f"fails with {broken.raised}" if broken.raised else f"differs by {broken.error:.3g} (relative)"
        where = f" at {shown(broken.sizes)}" if broken.sizes else ""
        return WrongPlanError.refused(
            self.names[broken.output], how + where, brief(part, 120), names, fallback
        )

    def _time(self) -> Deadline:
        return self.deadline.at_least(_SHARE).part(0.5, _SECONDS)

    def _smallest(self, e: Tensor) -> tuple[Tensor, Report] | None:
        """The smallest part of an expression whose plan is wrong by itself, and the report of that."""
        deadline = self._time()
        parts = [part for part in postorder([e]) if children(part)]
        for part in sorted(parts, key=lambda part: len(postorder([part]))):
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
    """The rules that took part in a plan: the caller's own ones first, then those with most matches."""
    every = rule_files(files)
    own = {file.name for file in every} - {file.name for file in rule_files()}
    took = [r for r in rules_of(every) if r.ruleset not in GATHERING and report.matches[r.name]]
    ordered = sorted(took, key=lambda r: (r.file not in own, -report.matches[r.name]))
    return [_named(rule) for rule in ordered[:_NAMED]]


def _named(rule: Rule) -> str:
    return f'{rule.file}:{rule.line} "{rule.name}"'

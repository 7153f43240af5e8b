"""Which rule is unsound: each is left out once, then tried alone on the e-graphs that are sound without it.

A rule that merely prepares the ground for an unsound one is acquitted: alone it makes nothing worse. Rules of
differentiation are tried on one operation at a time, against the reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tensorgrad_eg.deadline import Deadline
from tensorgrad_eg.egraph.derive import Derived, derive
from tensorgrad_eg.egraph.differentiate import differentiate
from tensorgrad_eg.egraph.engine import Engine
from tensorgrad_eg.egraph.engines import Engines
from tensorgrad_eg.egraph.saturate import Budget, Report, saturate
from tensorgrad_eg.errors import TensorgradError, TimeLimitError
from tensorgrad_eg.expr import Tensor
from tensorgrad_eg.rules.catalogue import Rule, in_ruleset, named, rules_of
from tensorgrad_eg.rules.files import RuleFile, rule_files
from tensorgrad_eg.rules.forms import Form, head
from tensorgrad_eg.rules.phases import GATHERING, NORMAL
from tensorgrad_eg.verify.operations import single_operations
from tensorgrad_eg.verify.snapshots import Mismatch, check_snapshot
from tensorgrad_eg.verify.stages import normal_forms, snapshots

_SUSPECT = "suspect"


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
    files = rule_files(rules)
    limit = deadline or Deadline()
    report = Report()
    try:
        first = _Run(expressions, sizes, files, report, limit)
    except TensorgradError:
        return []  # no e-graph to look at, or no time
    if not first.wrong:
        return []
    every = {rule.name: rule for rule in rules_of(files) if rule.ruleset not in GATHERING}
    further = {file.name for file in files} - {file.name for file in rule_files()}
    own = [name for name, rule in every.items() if rule.file in further]
    fired = [name for name in every if report.matches[name]]
    tried = [name for name in dict.fromkeys(among or own or fired) if name in every]
    caught, freed = [], []
    for name in tried:
        if limit.over:
            break
        trial = _on_trial(expressions, sizes, files, every[name], limit)
        if trial is not None and trial.evidence is not None:
            caught.append(Offence(every[name], trial.evidence))
        elif trial is not None and not trial.wrong and first.evidence is not None:
            freed.append(Offence(every[name], first.evidence))
    if caught or freed or limit.over:
        return caught or freed
    with suppress(TimeLimitError):
        return _wrong_derivatives(expressions, sizes, files, every, limit)
    return []


class _Run:
    """The derivation and the search once, every e-graph checked: what is wrong, and with what evidence.

    With `suspect`, everything else is expected to be sound, and the evidence is against the suspect.
    """

    def __init__(
        self,
        expressions: Sequence[Tensor],
        sizes: Mapping[str, int],
        files: tuple[RuleFile, ...],
        report: Report,
        deadline: Deadline,
        suspect: bool = False,
    ) -> None:
        derived = derive(expressions, sizes, Engines(files, report.matches, deadline))
        found = [m for _, snapshot in snapshots(derived) for m in check_snapshot(snapshot)]
        added: list[Mismatch] = []
        for engine, roots in _engines(derived, sizes, files, report, deadline):
            found += check_snapshot(engine.snapshot(roots))
            if suspect and not found:
                engine.run(_SUSPECT)
                engine.run("analysis", saturate=True)
                added += check_snapshot(engine.snapshot(roots))
        values = normal_forms(derived, expressions)
        self.wrong = bool(found) or any(not np.allclose(*pair, rtol=1e-6) for pair in values)
        self.evidence = next(iter(added if suspect else found), None)


def _engines(
    derived: Derived,
    sizes: Mapping[str, int],
    files: tuple[RuleFile, ...],
    report: Report,
    deadline: Deadline,
) -> Iterator[tuple[Engine, list[str]]]:
    """The e-graph of every phase and of the search, run to its end."""
    for stage in derived.stages:
        engine = Engine(files, NORMAL | {"differentiate", _SUSPECT}, report.matches, deadline=deadline)
        engine.load(stage.before, derived.symbols)
        if stage.work is None:
            engine.normalise()
        else:
            differentiate(engine, stage.work)
        yield engine, list(stage.before.roots)
    engine = Engine(files, None, report.matches, deadline=deadline)
    engine.load(derived.dag, derived.symbols)
    engine.normalise()
    saturate(engine, sizes, Budget(), report)
    yield engine, list(derived.dag.roots)


def _on_trial(
    expressions: Sequence[Tensor],
    sizes: Mapping[str, int],
    files: tuple[RuleFile, ...],
    rule: Rule,
    deadline: Deadline,
) -> _Run | None:
    """The run without the rule, and what the rule alone does to e-graphs that were sound without it."""
    try:
        return _Run(expressions, sizes, _set_apart(files, rule), Report(), deadline, suspect=True)
    except TensorgradError:
        return None  # a rule that is needed: without it no derivative gets done


def _set_apart(files: tuple[RuleFile, ...], rule: Rule) -> tuple[RuleFile, ...]:
    """The rule files, the one rule in a ruleset of its own that deletes nothing."""
    own = undeleting(in_ruleset(rule.form, _SUSPECT))
    found = []
    for file in files:
        suspect = next(named(file.forms, rule.name), None)
        kept = [form for form in file.forms if form is not suspect]
        found.append(file.having([Form(["ruleset", _SUSPECT]), *kept, own]) if suspect else file)
    return tuple(found)


def undeleting(form: Form) -> Form:
    """A rule without its deletions: it adds what it says and keeps the rest, so that the two can be compared.

    >>> union, delete = Form(["union", "e", "a"]), Form(["delete", Form(["f", "a"])])
    >>> undeleting(Form(["rule", Form(), Form([union, delete]), ":name", '"once"']))
    ('rule', (), (('union', 'e', 'a'),), ':name', '"once"')
    """
    return form.having(
        undeleting(item) if isinstance(item, Form) else item for item in form if head(item) != "delete"
    )


def _wrong_derivatives(
    expressions: Sequence[Tensor],
    sizes: Mapping[str, int],
    files: tuple[RuleFile, ...],
    rules: Mapping[str, Rule],
    deadline: Deadline,
) -> list[Offence]:
    """Rules that take part in a wrong derivative of a single operation, and in no right one."""
    suspected: dict[str, str] = {}
    trusted: set[str] = set()
    for wanted in single_operations(expressions):
        report = Report()
        derived = derive([wanted], sizes, Engines(files, report.matches, deadline))
        fired = [name for name in rules if report.matches[name]]
        ((found, right),) = normal_forms(derived, [wanted])
        if np.allclose(found, right, rtol=1e-6):
            trusted.update(fired)
        else:
            suspected |= {name: f"{wanted} comes out wrong" for name in fired if name not in suspected}
    return [Offence(rules[name], text) for name, text in suspected.items() if name not in trusted]

"""Directed phases once more, one rule at a time: what each rule did to which equation."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tensorgrad_eg.egraph.derive import Stage
from tensorgrad_eg.egraph.differentiate import state
from tensorgrad_eg.egraph.engine import Engine
from tensorgrad_eg.explain.expansion import Expansion
from tensorgrad_eg.explain.reading import Reading
from tensorgrad_eg.explain.world import World
from tensorgrad_eg.expr import Derivative, Tangent
from tensorgrad_eg.rules.catalogue import Rule
from tensorgrad_eg.rules.vocabulary import alone

#: Directed rulesets in the order in which a round runs them; renames are not seen on the blackboard.
_DIRECTED = ("recognise", "facts", "differentiate", "normalise")
#: The rule that lets tensors be one that differ by the order of the axes of what they read.
_SYMMETRY = "symmetry"
_QUOTED = re.compile(r'"([^"]*)"')
#: Rounds after which a phase is taken to run in circles.
_ROUNDS = 400


@dataclass
class Change:
    """What a rule did in one place: the right-hand side of an equation before and after."""

    left: int
    before: int
    after: int


@dataclass
class Application:
    """One rule at work in one round: at no place, if what it did is not seen on the blackboard."""

    rule: Rule
    changes: list[Change] = field(default_factory=list)
    times: int = 1


@dataclass
class Replayed:
    """A phase: what was applied, the equations at its end, and the left-hand side of each root."""

    applications: list[Application]
    equations: dict[int, int]
    roots: dict[str, int]


def replay(
    engine: Engine,
    stage: Stage,
    number: int,
    world: World,
    rules: Collection[Rule],
    matches: Mapping[str, int],
) -> Replayed:
    """What the rules did in a phase, in its own order. The engine is empty, with rules that can be run alone.

    Rules that did not match when the phase ran are tried when the others are through: alone, a rule may meet
    terms that it never sees in company.
    """
    engine.load(stage.before, world.symbols)
    if stage.work:
        state(engine, stage.work)
    absent = {"differentiate"} if not stage.work else set()
    absent |= {"facts"} if stage.phase != "facts" else set()
    rulesets = [ruleset for ruleset in _DIRECTED if ruleset not in absent]
    directed = [rule for ruleset in rulesets for rule in rules if rule.ruleset == ruleset]
    program = tuple(world.add(stage.before)) if stage.work else ()
    reading = Reading(engine, world, f"{number}:", program)
    for name, direction in _asked(stage).items():
        known = world.directions[reading.prefix + name]
        world.directions[reading.prefix + name] = replace(known, **direction)
    roots = dict.fromkeys(_wanted(stage))
    first = [rule for rule in directed if matches.get(rule.name)]
    deep = stage.phase == "facts" or (stage.work and stage.work.tips)
    renames = ("substitute", "descend") if deep else ("substitute",)
    work = _Replay(engine, reading, roots, renames)
    done = work.run(first, [rule for rule in directed if rule not in first])
    if stage.phase == "facts":
        work.mirror(stage, [rule for rule in first if rule.name == _SYMMETRY])
    return Replayed(done, work.now, reading.lefts)


def _asked(stage: Stage) -> dict[str, dict[str, Any]]:
    """The variable and the new labels of each direction that a result was asked for in."""
    found: dict[str, dict[str, Any]] = {}
    for name, term, _ in stage.work.terms if stage.work else ():
        e, labels = stage.subjects[name]
        direction = _QUOTED.search(term)
        if direction and isinstance(e, Derivative | Tangent):
            how: dict[str, Any] = {"along": e.direction} if isinstance(e, Tangent) else {}
            if isinstance(e, Derivative):
                how = {"axes": tuple(dict(labels)[edge] for edge in e.names)}
            found[direction.group(1)] = {"variable": e.wrt.name, **how}
    return found


def _wanted(stage: Stage) -> list[str]:
    return [term for term, _, _ in stage.work.terms] if stage.work else list(stage.subjects)


@dataclass
class _Replay:
    engine: Engine
    reading: Reading
    roots: Mapping[str, int | None]
    renames: tuple[str, ...]
    done: list[Application] = field(default_factory=list)
    now: dict[int, int] = field(default_factory=dict)

    def run(self, rules: list[Rule], rest: list[Rule]) -> list[Application]:
        self.engine.run("analysis", saturate=True)
        self.now = self.reading.equations(self.roots)
        for _ in range(_ROUNDS):
            if any([self._apply(rule) for rule in rules]) or self._substitute():
                continue
            late = [rule for rule in rest if self._apply(rule)]
            if not late:
                break
            rules, rest = rules + late, [rule for rule in rest if rule not in late]
        return self.done

    def _apply(self, rule: Rule) -> bool:
        if not self.engine.run(alone(rule.name)):
            return False
        self.engine.run("analysis", saturate=True)
        self._note(Application(rule, self._changes()))
        return True

    def _changes(self) -> list[Change]:
        """The equations that are other ones now; putting in what another equation says is no change."""
        new = self.reading.equations(self.roots)
        expansion = Expansion(self.reading.world, new)
        found = []
        for left, right in new.items():
            before = self.now.get(left, left)
            if before != right and (before == left or not expansion.same(before, right)):
                found.append(Change(left, before, right))
        self.now = new
        return found

    def _note(self, application: Application) -> None:
        """Joins what one rule does in rounds that follow each other."""
        last = self.done[-1] if self.done else None
        if last is None or last.rule != application.rule or bool(last.changes) != bool(application.changes):
            self.done.append(application)
            return
        last.times += 1
        known = {change.left: change for change in last.changes}
        for change in application.changes:
            if change.left in known:
                known[change.left].after = change.after
            else:
                last.changes.append(change)

    def mirror(self, stage: Stage, symmetry: Sequence[Rule]) -> None:
        """What comes of tensors that are one by symmetry: the rule itself changes no term."""
        terms = self.reading.world.add(stage.after)
        changes = []
        for root, left in self.reading.lefts.items():
            before, after = self.now.get(left, left), terms[stage.after.roots[root]]
            if not Expansion(self.reading.world, {}).same(before, after):
                self.now[left] = after
                changes.append(Change(left, before, after))
        for rule in symmetry if changes else ():
            self.done.append(Application(rule, changes))

    def _substitute(self) -> bool:
        """Renames go to the variables; on the blackboard they are there already."""
        moved = False
        for _ in range(_ROUNDS):
            self.engine.run("analysis", saturate=True)
            if not any([self.engine.run(ruleset) for ruleset in self.renames]):
                break
            moved = True
        return moved

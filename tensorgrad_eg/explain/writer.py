"""Writes steps: terms become expressions, both sides are compared, and names are introduced."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tensorgrad_eg.assume import Fact
from tensorgrad_eg.explain.naming import Naming
from tensorgrad_eg.explain.notation import Notation
from tensorgrad_eg.explain.steps import JOINT, Equation, Place, Step
from tensorgrad_eg.explain.values import Values
from tensorgrad_eg.explain.world import World
from tensorgrad_eg.expr import Tensor, Variable
from tensorgrad_eg.rules.catalogue import Rule
from tensorgrad_eg.rules.files import rule_folder

Pair = tuple[int, int]


@dataclass
class Writer:
    """What all phases of a derivation share."""

    world: World
    given: Mapping[str, Variable]
    check: bool
    facts: tuple[Fact, ...] = ()
    naming: Naming = field(init=False)
    values: Values = field(init=False)
    _told: set[str] = field(default_factory=set)
    _results: dict[int, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """No names but those of the variables."""
        self.naming = Naming(self.world, set(self.given))
        self.values = Values(self.world, facts=self.facts)

    @property
    def notation(self) -> Notation:
        """The notation with the names given so far."""
        return Notation(self.world, self.given, self.naming.names, self.naming.reads)

    def shorten(self, steps: Iterable[Sequence[Pair]]) -> None:
        """Names parts of long equations."""
        for pairs in steps:
            for before, after in pairs:
                self.naming.shorten(before, after)

    def step(
        self, rule: Rule | None, phase: str, pairs: Sequence[Pair], notation: Notation, output: str
    ) -> Step:
        """What a rule did at these places; without a rule, what no single one accounts for."""
        order = phase == "search"
        made = tuple(self._place(before, after, notation, order) for before, after in pairs)
        if rule is None:
            return Step(JOINT, phase, "", "", 0, "", output, made)
        own = (rule_folder() / rule.file).exists()
        file = f"rules/{rule.file}" if own else rule.file
        return Step(rule.name, phase, rule.ruleset, file, rule.line, rule.comment, output, made)

    def _place(self, before: int, after: int, notation: Notation, order: bool) -> Place:
        error = self.values.differ(before, after) if self.check else math.nan
        known = None if math.isnan(error) else error
        return Place(notation.expression(before), notation.expression(after), order, known)

    def visible(self, steps: Sequence[Sequence[Pair]]) -> list[list[Pair]]:
        """The places whose sides do not look the same on the blackboard."""
        trial = Naming(self.world, set(self.naming.taken), dict(self.naming.names), dict(self.naming.reads))
        trial.derivatives(at for pairs in steps for pair in pairs for at in pair)
        notation = Notation(self.world, self.given, trial.names, trial.reads)
        shown = notation.expression
        return [[(b, a) for b, a in pairs if str(shown(b)) != str(shown(a))] for pairs in steps]

    def results(self, ends: Iterable[Pair], notation: Notation) -> tuple[Equation, ...]:
        """What derivatives have become; when one of them is used later, it is called by what it is."""
        found = []
        for left, right in ends:
            found.append(Equation(notation.expression(left), notation.expression(right)))
            self._results[self.world.form(right)] = found[-1].left
        return tuple(found)

    def definitions(
        self, mentioned: Iterable[int], notation: Notation, order: bool = False
    ) -> tuple[Equation, ...]:
        """What the names that are used stand for, as far as it was not told before."""
        found = []
        for at in self.naming.used(mentioned):
            name = notation.variable(at)
            if name.name not in self._told:
                self._told.add(name.name)
                known = self._results.get(self.world.form(at))
                found += [Equation(name, known)] if known is not None else []
                found.append(Equation(name, notation.definition(at), order))
        return tuple(found)

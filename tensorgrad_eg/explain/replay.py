"""Directed phases once more, one rule at a time: what each rule did to which equation."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tensorgrad_eg.egraph.derive import Stage
from tensorgrad_eg.egraph.differentiate import state
from tensorgrad_eg.egraph.engine import Engine
from tensorgrad_eg.explain.equations import Expansion, Reading
from tensorgrad_eg.explain.naming import Pair, Writer
from tensorgrad_eg.explain.steps import Phase
from tensorgrad_eg.explain.terms import SYMBOLS, Terms
from tensorgrad_eg.explain.values import Values
from tensorgrad_eg.expr import Derivative, Number, Tangent, Tensor
from tensorgrad_eg.rules.files import Rule
from tensorgrad_eg.rules.vocabulary import alone

#: Directed rulesets in the order in which a round runs them; renames are not seen on the blackboard.
_DIRECTED = ("recognise", "facts", "differentiate", "normalise")
#: The rule that lets tensors be one that differ by the order of the axes of what they read.
_SYMMETRY = "symmetry"
_QUOTED = re.compile(r'"([^"]*)"')
#: Rounds after which a phase is taken to run in circles.
_ROUNDS = 400
#: Derivatives that a title names.
_SHOWN = 3


@dataclass
class Application:
    """One rule at work in rounds that follow each other: by their left sides the equations that it changed.

    Of each it has the right side before and after. There are none, if this is not seen on the blackboard.
    """

    rule: Rule
    changes: dict[int, Pair] = field(default_factory=dict)

    def join(self, later: Application) -> None:
        """Takes in what the same rule did afterwards."""
        for left, (before, after) in later.changes.items():
            self.changes[left] = self.changes.get(left, (before, after))[0], after


@dataclass
class Replay:
    """A phase once more, in its own order. The engine is empty, with rules that can be run alone.

    `done` has what was applied, `now` the equations there are.
    """

    engine: Engine
    stage: Stage
    reading: Reading
    done: list[Application] = field(default_factory=list)
    now: dict[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, engine: Engine, stage: Stage, number: int, terms: Terms) -> Replay:
        """Puts the program of a phase into the engine, and what is to be done with it."""
        engine.load(stage.before, terms.symbols)
        if stage.work:
            state(engine, stage.work)
        program = tuple(terms.add(stage.before)) if stage.work else ()
        reading = Reading(engine, terms, f"{number}:", program)
        for name, e, axes in _asked(stage):
            known, along = terms.directions[reading.prefix + name], getattr(e, "direction", None)
            direction = replace(known, variable=e.wrt.name, axes=axes, along=along)
            terms.directions[reading.prefix + name] = direction
        return cls(engine, stage, reading)

    @property
    def roots(self) -> list[int]:
        """The left side of each result."""
        return list(dict.fromkeys(self.reading.lefts.values()))

    def run(self, rules: Collection[Rule], matches: Mapping[str, int]) -> None:
        """Applies the rules until nothing changes.

        Those that did not match when the phase ran are tried when the others are through: alone, a rule may
        meet terms that it never sees in company.
        """
        absent = {"differentiate"} if not self.stage.work else set()
        absent |= {"facts"} if self.stage.phase != "facts" else set()
        rulesets = [ruleset for ruleset in _DIRECTED if ruleset not in absent]
        directed = [rule for ruleset in rulesets for rule in rules if rule.ruleset == ruleset]
        first = [rule for rule in directed if matches.get(rule.name)]
        rest = [rule for rule in directed if rule not in first]
        self.engine.run("analysis", saturate=True)
        self.now = self._equations()
        for _ in range(_ROUNDS):
            if any([self._apply(rule) for rule in first]) or self._substitute():
                continue
            late = [rule for rule in rest if self._apply(rule)]
            if not late:
                break
            first, rest = first + late, [rule for rule in rest if rule not in late]
        if self.stage.phase == "facts":
            self._mirror([rule for rule in first if rule.name == _SYMMETRY])

    def _equations(self) -> dict[int, int]:
        work = self.stage.work
        return self.reading.equations([term for term, _, _ in work.terms] if work else self.stage.subjects)

    def _apply(self, rule: Rule) -> bool:
        if not self.engine.run(alone(rule.name)):
            return False
        self.engine.run("analysis", saturate=True)
        found = Application(rule, self._changes())
        last = self.done[-1] if self.done else None
        if last is None or last.rule != rule or bool(last.changes) != bool(found.changes):
            self.done.append(found)
        else:
            last.join(found)
        return True

    def _changes(self) -> dict[int, Pair]:
        """The equations that are other ones now; putting in what another equation says is no change."""
        old, self.now = self.now, self._equations()
        expansion = Expansion(self.reading.terms, self.now)
        found = {}
        for left, right in self.now.items():
            before = old.get(left, left)
            if before != right and (before == left or not expansion.same(before, right)):
                found[left] = before, right
        return found

    def _mirror(self, symmetry: Sequence[Rule]) -> None:
        """What comes of tensors that are one by symmetry: the rule itself changes no term."""
        ids, changes = self.reading.terms.add(self.stage.after), dict[int, Pair]()
        for root, left in self.reading.lefts.items():
            before, after = self.now.get(left, left), ids[self.stage.after.roots[root]]
            if not Expansion(self.reading.terms, {}).same(before, after):
                self.now[left] = after
                changes[left] = before, after
        self.done += [Application(rule, changes) for rule in symmetry if changes]

    def _substitute(self) -> bool:
        """Renames go to the variables; on the blackboard they are there already."""
        deep = self.stage.phase == "facts" or (self.stage.work and self.stage.work.tips)
        for rounds in range(_ROUNDS):
            self.engine.run("analysis", saturate=True)
            if not any([self.engine.run(ruleset) for ruleset in ("substitute", "descend")[: 1 + bool(deep)]]):
                return rounds > 0
        return True


def _asked(stage: Stage) -> Iterator[tuple[str, Derivative | Tangent, tuple[str, ...]]]:
    """The direction of each derivative that was asked for, and the labels of its new edges."""
    for name, term, _ in stage.work.terms if stage.work else ():
        e, labels = stage.subjects[name]
        direction = _QUOTED.search(term)
        if direction and isinstance(e, Derivative | Tangent):
            names = e.names if isinstance(e, Derivative) else ()
            yield direction.group(1), e, tuple(dict(labels)[edge] for edge in names)


def directed_phase(writer: Writer, replay: Replay, outputs: Mapping[Tensor, str]) -> Phase:
    """What the rules of a phase did; `outputs` are the names of the results, by expression."""
    stage = replay.stage
    found = writer.visible([_places(writer, stage, one) for one in replay.done])
    expansion = Expansion(writer.terms, replay.now)
    # What every derivative that was asked for has become.
    ends = [(at, writer.terms.usual(expansion.of(at))) for at in replay.roots if stage.work]
    mentioned = [at for pairs in [*found, ends] for pair in pairs for at in pair]
    if stage.work:
        writer.naming.derivatives(mentioned)
    writer.shorten(found)
    notation = writer.notation
    output = next((outputs[e] for e, _ in stage.subjects.values() if e in outputs), "")
    told = list(zip([one.rule for one in replay.done], found, strict=True))
    steps = tuple(writer.step(rule, stage.phase, at, notation, output) for rule, at in told if at)
    title = _title(stage, [notation.expression(at) for at, _ in ends])
    definitions = writer.definitions(mentioned, notation) if steps else ()
    silent = tuple(rule.name for rule, at in told if not at)
    return Phase(stage.phase, title, definitions, steps, writer.results(ends, notation), silent)


def _places(writer: Writer, stage: Stage, one: Application) -> list[Pair]:
    """Where a rule applied, equal places once: what changed in an equation, or all of it when it is new."""
    form = writer.terms.form
    found: dict[Pair, Pair] = {}
    for left, pair in one.changes.items():
        new = stage.work and pair[0] == left
        for before, after in [pair] if new else places(writer.terms, writer.values, *pair):
            found.setdefault((form(before), form(after)), (before, after))
    return list(found.values())


def _title(stage: Stage, asked: Sequence[Tensor]) -> str:
    if not stage.work:
        return "Use what is assumed" if stage.phase == "facts" else "Simplify"
    wanted = [str(e) for e in asked if not isinstance(e, Number)]
    more = f" and {len(wanted) - _SHOWN} more" if len(wanted) > _SHOWN else ""
    return f"Differentiate: {', '.join(wanted[:_SHOWN])}{more}"


def places(terms: Terms, values: Values, before: int, after: int) -> list[Pair]:
    """Pairs of parts, before and after, each pair once; between them the terms are the same.

    >>> from fractions import Fraction
    >>> terms = Terms({"i": "n"})
    >>> x = terms.put("variable", ("x", ("i",)))
    >>> square, product = terms.put("power", Fraction(2), x), terms.put("contract", frozenset(), x, x)
    >>> one, other = (terms.put("apply", "exp", part) for part in (square, product))
    >>> places(terms, Values(terms), one, other) == [(square, product)]
    True
    """
    found: dict[tuple[int, int], Pair] = {}
    seen: set[Pair] = set()
    stack = [(before, after)]
    while stack:
        one, other = stack.pop()
        if (one, other) in seen or terms.form(one) == terms.form(other):
            continue
        seen.add((one, other))
        pairs = _pairs(terms, values, one, other)
        if pairs:
            stack.extend(reversed(pairs))
        else:
            found.setdefault((terms.form(one), terms.form(other)), (one, other))
    return list(found.values())


def _pairs(terms: Terms, values: Values, one: int, other: int) -> list[Pair]:
    """The parts that correspond and differ; none, if the two differ themselves."""
    left, right = terms.node(one), terms.node(other)
    if (left.op, left.payload) != (right.op, right.payload) or left.op in SYMBOLS or left.op == "rename":
        return []
    mine, theirs = list(left.children), list(right.children)
    for part in left.children:
        same = next((p for p in theirs if terms.form(p) == terms.form(part)), None)
        if same is not None:
            mine.remove(part)
            theirs.remove(same)
    pairs: list[Pair] = []
    for part in mine:
        equal = next((p for p in theirs if values.equal(part, p)), None)
        if equal is None:
            return []
        theirs.remove(equal)
        pairs.append((part, equal))
    return [] if theirs else pairs

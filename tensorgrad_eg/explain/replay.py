"""Directed phases once more, one rule at a time: what each rule did to which equation, all with names."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from tensorgrad_eg.assume import Fact
from tensorgrad_eg.egraph.derive import Stage
from tensorgrad_eg.egraph.differentiate import state
from tensorgrad_eg.egraph.engine import Engine
from tensorgrad_eg.explain.derivation import JOINT, Equation, Phase, Place, Step
from tensorgrad_eg.explain.equations import Expansion, Reading
from tensorgrad_eg.explain.expressions import Notation
from tensorgrad_eg.explain.terms import ENTRYWISE, PLAIN, SYMBOLS, Terms
from tensorgrad_eg.explain.values import Values
from tensorgrad_eg.expr import Derivative, Number, Tangent, Tensor, Variable, fresh
from tensorgrad_eg.rules import Rule, rule_folder
from tensorgrad_eg.rules.forms import alone

#: Terms that are written with more symbols are long; parts of them that have at least so many get a name.
_LONG, _WORTH = 14, 6
#: A term before and after.
Pair = tuple[int, int]
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
class Naming:
    """Names given so far. `names` are those of tensors, `reads` those of single readings of a variable."""

    terms: Terms
    taken: set[str]
    names: dict[int, str] = field(default_factory=dict)
    reads: dict[int, str] = field(default_factory=dict)
    _weights: dict[int, int] = field(default_factory=dict)

    def name(self, at: int) -> str:
        """The name of a term, a new one if it has none."""
        if at not in self.names:
            self.names[at] = self._take(next(t for n in count(1) if (t := f"t{n}") not in self.taken))
        return self.names[at]

    def _take(self, name: str) -> str:
        """A name that nothing else has now."""
        name = fresh(name, self.taken)
        self.taken.add(name)
        return name

    def derivatives(self, roots: Iterable[int]) -> None:
        """Names what the derivatives in these terms are of, or by."""
        terms = self.terms
        symbols = [terms.node(at) for at in terms.reach(roots) if terms.node(at).op in SYMBOLS]
        directed = [node for node in symbols if node.op not in ENTRYWISE]
        directions = sorted({node.name for node in directed})
        for name in directions:
            self._direction(name)
        parts = {c for node in directed for c in node.children}
        sources = {s for name in directions for s, _ in terms.directions[name].seeds}
        for at in sorted(parts | sources):
            if terms.node(at).op not in PLAIN:
                self.name(at)

    def _direction(self, name: str) -> None:
        """Names the root, and the places where one variable is read."""
        terms, meaning = self.terms, self.terms.directions[name]
        if meaning.consumers and meaning.root not in self.names and terms.node(meaning.root).op != "variable":
            self.names[meaning.root] = self._take("L")
        reads: dict[str, list[int]] = {}
        for at, _ in meaning.consumers:
            if terms.node(at).op == "variable":
                reads.setdefault(terms.node(at).name, []).append(at)
        for variable, places in sorted(reads.items()):
            axes = terms.node(places[0]).axes
            several = len(places) > 1 or len(set(axes)) < len(axes)
            for number, at in enumerate(sorted(places) if several else (), 1):
                if at not in self.reads:
                    self.reads[at] = self._take(f"{variable}{number}")

    def adopt(self) -> None:
        """Lets terms go by the names of those that differ from them in bound edges and order alone."""
        for at, name in list(self.names.items()):
            self.names.setdefault(self.terms.usual(at), name)

    def shorten(self, before: int, after: int) -> None:
        """Names what both sides of a long equation have, and parts of what is still long then."""
        if max(self.weight(before), self.weight(after)) <= _LONG:
            return
        shared = self.terms.reach([before], self.names) & self.terms.reach([after], self.names)
        inner = {c for at in shared if at not in self.names for c in self.terms.node(at).children}
        for at in sorted(shared - inner):
            if self.weight(at) >= _WORTH and at not in self.names and self.terms.node(at).op not in SYMBOLS:
                self.name(at)
                self._split(at)
        for side in (before, after):
            self._split(side)

    def _split(self, at: int) -> None:
        """Names parts of a term, the innermost first, until what is left can be read."""
        terms = self.terms
        for one in sorted(terms.reach([at], self.names, top=at)):
            if one == at or self._light(one):
                continue
            for part in sorted(terms.node(one).children, key=lambda c: (-self.weight(c), c)):
                if self._light(one):
                    break
                if self.weight(part) >= _WORTH and part not in self.names:
                    self.name(part)
        while 1 + sum(self.weight(c) for c in terms.node(at).children) > _LONG:
            parts = terms.reach(terms.node(at).children, self.names) - set(self.names)
            heavy = [
                p for p in parts if _WORTH <= self.weight(p) <= _LONG and terms.node(p).op not in SYMBOLS
            ]
            if not heavy:
                break
            self.name(max(heavy, key=lambda p: (self.weight(p), -p)))

    def _light(self, at: int) -> bool:
        return self.weight(at) <= _LONG

    def _written(self, at: int) -> Sequence[int]:
        """The parts that a term is written with."""
        return () if at in self.names or self.terms.node(at).op in SYMBOLS else self.terms.node(at).children

    def weight(self, at: int) -> int:
        """How many symbols a term is written with; a name counts as one."""
        for one in sorted(self.terms.reach([at], self.names)):
            self._weights[one] = 1 + sum(self._weights[c] for c in self._written(one))
        return self._weights[at]

    def used(self, roots: Iterable[int]) -> list[int]:
        """The named terms that these mention, and those that the definitions of these mention."""
        found: set[int] = set()
        stack = list(roots)
        while stack:
            seen = self.terms.reach(stack, self.names, symbols=True)
            stack = []
            for at in sorted(seen):
                if (at in self.names or at in self.reads) and at not in found:
                    found.add(at)
                    stack.extend(self.terms.node(at).children)
        return sorted(found)


@dataclass
class Writer:
    """What all phases of a derivation share."""

    terms: Terms
    given: Mapping[str, Variable]
    check: bool
    facts: tuple[Fact, ...] = ()
    naming: Naming = field(init=False)
    values: Values = field(init=False)
    _told: set[str] = field(default_factory=set)
    _results: dict[int, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """No names but those of the variables."""
        self.naming = Naming(self.terms, set(self.given))
        self.values = Values(self.terms, facts=self.facts)

    @property
    def notation(self) -> Notation:
        """The notation with the names given so far."""
        return Notation(self.terms, self.given, self.naming.names, self.naming.reads)

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
        trial = Naming(self.terms, set(self.naming.taken), dict(self.naming.names), dict(self.naming.reads))
        trial.derivatives(at for pairs in steps for pair in pairs for at in pair)
        notation = Notation(self.terms, self.given, trial.names, trial.reads)
        shown = notation.expression
        return [[(b, a) for b, a in pairs if str(shown(b)) != str(shown(a))] for pairs in steps]

    def results(self, ends: Iterable[Pair], notation: Notation) -> tuple[Equation, ...]:
        """What derivatives have become; when one of them is used later, it is called by what it is."""
        found = []
        for left, right in ends:
            found.append(Equation(notation.expression(left), notation.expression(right)))
            self._results[self.terms.form(right)] = found[-1].left
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
                known = self._results.get(self.terms.form(at))
                found += [Equation(name, known)] if known is not None else []
                found.append(Equation(name, notation.definition(at), order))
        return tuple(found)


@dataclass
class _Application:
    """One rule at work in rounds that follow each other: by their left sides the equations that it changed.

    Of each it has the right side before and after. There are none, if this is not seen on the blackboard.
    """

    rule: Rule
    changes: dict[int, Pair] = field(default_factory=dict)

    def join(self, later: _Application) -> None:
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
    done: list[_Application] = field(default_factory=list)
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
        found = _Application(rule, self._changes())
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
        self.done += [_Application(rule, changes) for rule in symmetry if changes]

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


def _places(writer: Writer, stage: Stage, one: _Application) -> list[Pair]:
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
    """Pairs of parts, before and after, each pair once; between them the terms are the same."""
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

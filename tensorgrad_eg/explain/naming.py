"""Names for the tensors of a derivation: L for what is differentiated, t1, t2, … for what it is made of."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from tensorgrad_eg.assume import Fact
from tensorgrad_eg.explain.expressions import Notation
from tensorgrad_eg.explain.steps import JOINT, Equation, Place, Step
from tensorgrad_eg.explain.terms import ENTRYWISE, PLAIN, SYMBOLS, Terms
from tensorgrad_eg.explain.values import Values
from tensorgrad_eg.expr import Tensor, Variable, fresh
from tensorgrad_eg.rules.files import Rule, rule_folder

#: Terms that are written with more symbols are long; parts of them that have at least so many get a name.
_LONG, _WORTH = 14, 6


@dataclass
class Naming:
    """Names given so far. `names` are those of tensors, `reads` those of single readings of a variable.

    >>> terms = Terms({"i": "n"})
    >>> x = terms.put("variable", ("x", ("i",)))
    >>> naming = Naming(terms, {"t1"})
    >>> naming.name(terms.put("apply", "exp", x))
    't2'
    """

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


#: A term before and after.
Pair = tuple[int, int]


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

"""The search once more, as a descent in cost: one rule at a time, while one makes the program cheaper."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tensorgrad_eg.egraph.engine import Engine
from tensorgrad_eg.egraph.saturate import state_sizes
from tensorgrad_eg.egraph.term import Dag
from tensorgrad_eg.explain.bench import Bench
from tensorgrad_eg.explain.solution import program_of
from tensorgrad_eg.extract.alias import aliases
from tensorgrad_eg.extract.extract import Extracted, Searched, extract
from tensorgrad_eg.rules.catalogue import Rule
from tensorgrad_eg.rules.forms import words_in
from tensorgrad_eg.rules.phases import DIRECTED, GATHERING
from tensorgrad_eg.rules.vocabulary import alone

#: How much dearer a detour may be than what it replaces.
SLACK = 32.0
#: Programs of a descent that are priced: enough for small problems to be explained to the end.
_TRIES = 60
#: Programs with more nodes than this are not searched rule by rule, …
_LARGEST = 400
#: … and not by two rules at once.
_PAIRS = 80
#: A rule that changes the order of factors and no cost; it helps the others.
_HELPER = "commutativity"


@dataclass(frozen=True)
class Move:
    """The rules of one step in their order, and the program they led to."""

    rules: tuple[Rule, ...]
    program: Dag
    cost: int
    symbols: Mapping[str, str | int]


def descend(
    bench: Bench,
    start: Dag,
    symbols: Mapping[str, str | int],
    sizes: Mapping[str, int],
    goal: int,
    cost: int,
    matches: Mapping[str, int],
) -> list[Move]:
    """Moves from a program, which has a cost, towards one that costs `goal`.

    Each is the best that one rule can do or, where none can do anything, two of them.

    Example: see `tensorgrad_eg.explain.searching`.
    """
    moves: list[Move] = []
    program = start
    acting = [r for r in bench.rules if r.ruleset not in DIRECTED | GATHERING and acts(r)]
    rules = [r for r in acting if matches.get(r.name) and r.name != _HELPER]
    tries = _TRIES
    while cost > goal and tries > 0 and len(program.nodes) <= _LARGEST:
        round_ = _Round(bench, program, symbols, sizes, goal, cost, tries)
        found = round_.best(rules)
        tries = round_.tries
        if found is None:
            break
        moves.append(found)
        program, cost, symbols = found.program, found.cost, found.symbols
    return moves


def load(engine: Engine, program: Dag, symbols: Mapping[str, str | int], sizes: Mapping[str, int]) -> None:
    """Puts a program into an empty e-graph, and what judging rules by cost needs.

    >>> with Bench().fresh() as engine:
    ...     load(engine, Dag(), {}, {})
    ...     engine.count()
    0
    """
    engine.load(program, dict(symbols))
    state_sizes(engine, sizes)
    engine.command(f"(set (slack) {SLACK})")


def judge(engine: Engine, rules: Iterable[Rule]) -> None:
    """Lists and judges what could be done: some rules ask for it.

    >>> with Bench().fresh() as engine:
    ...     judge(engine, ())
    """
    engine.run("analysis", saturate=True)
    engine.run("prospect", saturate=True)
    engine.run("orders", saturate=True)
    for rule in rules:
        if rule.ruleset not in DIRECTED | GATHERING and not acts(rule):
            engine.run(alone(rule.name))
    engine.run("volumes", saturate=True)
    engine.run("judge")


def acted(bench: Bench, before: Mapping[str, int]) -> list[Rule]:
    """The directed rules that have matched since there were so many matches `before`.

    >>> acted(Bench(), {})
    []
    """
    matches = bench.engine.matches
    directed = [rule for rule in bench.rules if rule.ruleset in DIRECTED]
    return [rule for rule in directed if matches[rule.name] > before.get(rule.name, 0)]


def acts(rule: Rule) -> bool:
    """Whether a rule equates terms; others list and judge.

    >>> from tensorgrad_eg.rules.forms import Form
    >>> acts(Rule("same", "search", "a.egg", 1, Form(["rewrite", "a", "b"])))
    True
    """
    return rule.form[0] == "rewrite" or "union" in words_in(rule.form)


@dataclass
class _Round:
    """Looks for the next program of a descent."""

    bench: Bench
    program: Dag
    symbols: Mapping[str, str | int]
    sizes: Mapping[str, int]
    goal: int
    cost: int
    tries: int
    found: Move | None = None

    def best(self, rules: Sequence[Rule]) -> Move | None:
        """The cheapest program after one rule or, if there is none, after two."""
        self.roots = list(self.program.roots)
        with self.bench.fresh() as self.engine:
            before = dict(self.engine.matches)
            load(self.engine, self.program, self.symbols, self.sizes)
            self.engine.normalise()
            self.before = self.engine.snapshot(self.roots)
            self.alias = aliases(self.before)
            self._price(acted(self.bench, before))
            self._prepare()
            if self.found is None:
                self._price(acted(self.bench, before))
            if self.found is not None:
                return self.found
            useful = [rule for rule in rules if self._try([rule])]
            if self.found is None and len(self.program.nodes) <= _PAIRS:
                for first in useful:
                    self._pairs(first, rules)
        return self.found

    def _pairs(self, first: Rule, rules: Sequence[Rule]) -> None:
        self.engine.command("(push)")
        self.engine.run(alone(first.name))
        self.engine.normalise()
        self._prepare()
        for second in rules:
            if self.tries > 0:
                self._try([first, second])
        self.engine.command("(pop)")

    def _prepare(self) -> None:
        """Renames one level deeper, and the other order of factors, before what could be done is judged."""
        if self.engine.run("descend"):
            self.engine.normalise()
        self.engine.run(alone(_HELPER))
        judge(self.engine, self.bench.rules)

    def _try(self, rules: Sequence[Rule]) -> bool:
        """Runs the last of the rules, and notes the program that is then there if it is the best so far."""
        self.engine.command("(push)")
        changed = self.engine.run(alone(rules[-1].name))
        if changed:
            self.engine.normalise()
            self._price(rules)
        self.engine.command("(pop)")
        return changed

    def _price(self, rules: Sequence[Rule]) -> None:
        self.tries -= 1
        known = {id(self.before): self.alias}
        searched = Searched(self.program, self.before, self.engine.snapshot(self.roots), known)
        extracted = extract(searched, self.roots, self.sizes, steps=0)
        cost = _flops(extracted)
        if self.goal <= cost < (self.found.cost if self.found else self.cost):
            program, symbols = program_of(extracted, self.roots)
            self.found = Move(tuple(dict.fromkeys(rules)), program, cost, symbols)


def _flops(found: Extracted) -> int:
    return found.priced.flops(found.solution.choice.values())

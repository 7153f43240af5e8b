"""The search once more, as a descent in cost: one rule at a time, while one makes the program cheaper.

Where no one or two rules lead on, the rules are looked for that make the two programs equal.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction

from tensorgrad_eg.egraph import Dag, Snapshot, Symbols, renamed
from tensorgrad_eg.egraph.engine import Engine
from tensorgrad_eg.egraph.saturate import state_sizes
from tensorgrad_eg.errors import RuleError
from tensorgrad_eg.explain.terms import Terms, renaming
from tensorgrad_eg.expr.walk import parts_first
from tensorgrad_eg.extract import Way
from tensorgrad_eg.extract.alias import aliases
from tensorgrad_eg.extract.extract import Extracted, Searched, extract
from tensorgrad_eg.extract.readings import Reading
from tensorgrad_eg.rules import Rule, RuleFile, rule_files, rules_of
from tensorgrad_eg.rules.forms import DIRECTED, GATHERING, alone, words_in

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
#: Rounds of rules, e-nodes, and nodes of two programs, up to which rules are looked for that connect them.
_ROUNDS, _NODES, _CONNECTED = 12, 2000, 120
#: Runs of the rules in all, those included that tell which rules can be done without.
_RUNS = 60
_MINUS = Fraction(-1)


class Runner:
    """Runs rules one at a time, in an e-graph that is empty each time it is asked for.

    To load the rules takes longer than most of what is done with them. `matches` says how often each rule has
    matched when the plan was made; `sizes` are those of the plan.
    """

    def __init__(
        self,
        files: tuple[RuleFile, ...] | None = None,
        facts: str = "",
        sizes: Mapping[str, int] | None = None,
        matches: Mapping[str, int] | None = None,
        numerics: str = "",
    ) -> None:
        """Load the rules of these files, those about facts only if there are any."""
        self.numerics = numerics
        self.rules = rules_of(files or rule_files())
        self.facts, self.sizes, self.matches = facts, sizes or {}, matches or {}
        rulesets = frozenset(rule.ruleset for rule in self.rules) - (set() if facts else {"facts"})
        self.engine = Engine(files, rulesets, apart=rulesets - GATHERING - {""})

    def matched(self, *but: frozenset[str]) -> list[Rule]:
        """The rules of other rulesets than these that have matched when the plan was made."""
        return [r for r in self.rules if r.ruleset not in GATHERING.union(*but) and self.matches.get(r.name)]

    @contextmanager
    def fresh(self, facts: bool = True) -> Iterator[Engine]:
        """The engine, which knows the facts or not; what is put into it is forgotten afterwards."""
        symbols, known = dict(self.engine.symbols), self.engine.assumed
        with self.trial():
            self.engine.assume(self.facts if facts else "")
            self.engine.command(self.numerics)
            yield self.engine
        self.engine.symbols, self.engine.assumed = symbols, known

    @contextmanager
    def trial(self) -> Iterator[None]:
        """Whatever is done is undone afterwards."""
        self.engine.command("(push)")
        try:
            yield
        finally:
            self.engine.command("(pop)")

    def load(self, program: Dag, symbols: Mapping[str, str | int]) -> None:
        """Puts a program into the e-graph, and what judging rules by cost needs."""
        self.engine.load(program, dict(symbols))
        state_sizes(self.engine, self.sizes)
        self.engine.command(f"(set (slack) {SLACK})")

    def judge(self) -> None:
        """Lists and judges what could be done: some rules ask for it."""
        self.engine.run("analysis", saturate=True)
        self.engine.run("prospect", saturate=True)
        self.engine.run("orders", saturate=True)
        for rule in self.rules:
            if rule.ruleset not in DIRECTED | GATHERING and not _acts(rule):
                self.engine.run(alone(rule.name))
        for ruleset in ("pairs", "volumes", "pairs"):
            self.engine.run(ruleset, saturate=True)
        self.engine.run("judge")

    def acted(self, before: Mapping[str, int]) -> tuple[Rule, ...]:
        """The directed rules that have matched since there were so many matches `before`."""
        matches = self.engine.matches
        directed = [rule for rule in self.rules if rule.ruleset in DIRECTED]
        return tuple(rule for rule in directed if matches[rule.name] > before.get(rule.name, 0))

    def normal(self, program: Dag, symbols: Mapping[str, str | int], facts: bool = True) -> Snapshot:
        """The normal form of a program, where every class has one term."""
        with self.fresh(facts) as engine:
            engine.load(program, dict(symbols))
            engine.normalise()
            return engine.snapshot(list(program.roots))


@dataclass(frozen=True)
class _Move:
    """The rules of one step in their order, and the program they led to."""

    rules: tuple[Rule, ...]
    program: Dag
    cost: int
    symbols: Mapping[str, str | int]


def descend(
    runner: Runner, start: Dag, symbols: Mapping[str, str | int], goal: int, cost: int
) -> Iterator[_Move]:
    """Moves from a program, which has a cost, towards one that costs `goal`.

    Each is the best that one rule can do or, where none can do anything, two of them.

    Example: see `tensorgrad_eg.explain`.
    """
    begun, tries = _Move((), start, cost, symbols), _TRIES
    while begun.cost > goal and tries > 0 and len(begun.program.nodes) <= _LARGEST:
        turn = _Turn(runner, begun, goal, tries)
        found, tries = turn.best(), turn.tries
        if found is None:
            break
        yield found
        begun = found


def _acts(rule: Rule) -> bool:
    """Whether a rule equates terms; others list and judge."""
    return rule.form[0] == "rewrite" or "union" in words_in(rule.form)


@dataclass
class _Turn:
    """Looks for the next program of a descent."""

    runner: Runner
    begun: _Move
    goal: int
    tries: int
    found: _Move | None = None

    def best(self) -> _Move | None:
        """The cheapest program after one rule or, if there is none, after two."""
        runner, program = self.runner, self.begun.program
        rules = [r for r in runner.matched(DIRECTED) if _acts(r) and r.name != _HELPER]
        with runner.fresh() as engine:
            before = dict(engine.matches)
            runner.load(program, self.begun.symbols)
            engine.normalise()
            self.before = engine.snapshot(list(program.roots))
            self.alias = aliases(self.before)
            self._price(runner.acted(before))
            self._prepare()
            if self.found is None:
                self._price(runner.acted(before))
            if self.found is not None:
                return self.found
            useful = [rule for rule in rules if self._try(rule)]
            for first in useful if self.found is None and len(program.nodes) <= _PAIRS else ():
                with runner.trial():
                    engine.run(alone(first.name))
                    engine.normalise()
                    self._prepare()
                    for second in rules:
                        if self.tries > 0:
                            self._try(first, second)
        return self.found

    def _prepare(self) -> None:
        """Renames one level deeper, and the other order of factors, before what could be done is judged."""
        if self.runner.engine.run("descend"):
            self.runner.engine.normalise()
        self.runner.engine.run(alone(_HELPER))
        self.runner.judge()

    def _try(self, *rules: Rule) -> bool:
        """Runs the last of the rules, and notes the program that is then there if it is the best so far."""
        with self.runner.trial():
            changed = self.runner.engine.run(alone(rules[-1].name))
            if changed:
                self.runner.engine.normalise()
                self._price(rules)
        return changed

    def _price(self, rules: Sequence[Rule]) -> None:
        self.tries -= 1
        roots = list(self.begun.program.roots)
        known = {id(self.before): self.alias}
        searched = Searched(self.begun.program, self.before, self.runner.engine.snapshot(roots), known)
        extracted = extract(searched, roots, self.runner.sizes, steps=0)
        cost = flops(extracted)
        if self.goal <= cost < (self.found or self.begun).cost:
            program, symbols = program_of(extracted, roots)
            self.found = _Move(tuple(dict.fromkeys(rules)), program, cost, symbols)


def flops(found: Extracted) -> int:
    """What the program costs that an extraction chose.

    Example: see `tensorgrad_eg.explain`.
    """
    return found.priced.flops(found.solution.choice.values())


@dataclass
class Connecting:
    """Looks for the rules of a last step, which no one or two of them account for."""

    runner: Runner
    terms: Terms
    runs: int = field(default=_RUNS, init=False)

    def rules(self, pairs: Iterable[tuple[int, int]]) -> tuple[Rule, ...] | None:
        """The rules that lead from one side to the other of every pair; nothing if they are not found.

        Without any, both sides are one tensor under several names.
        """
        found: dict[Rule, None] = {}
        for one, other in pairs:
            needed = self._needed(self._program(one, other), list(filter(_acts, self.runner.matched())))
            if needed is None:
                return None
            found |= dict.fromkeys(needed)
        return tuple(found)

    def _needed(self, program: Dag, rules: Collection[Rule]) -> list[Rule] | None:
        """Rules that make the roots equal, none of which can be left out."""
        found = self._reached(program, rules) if len(program.nodes) <= _CONNECTED else None
        for rule in reversed(found or []):
            fewer = [other for other in found or [] if other != rule]
            if self.runs > 0 and (reached := self._reached(program, fewer)) is not None:
                found = reached
        return found

    def _reached(self, program: Dag, rules: Collection[Rule]) -> list[Rule] | None:
        """The rules that acted until the roots were equal, in their order; nothing if they stay apart."""
        self.runs -= 1
        used: dict[Rule, None] = {}
        with self.runner.fresh() as engine:
            self.runner.load(program, self.terms.symbols)
            for _ in range(_ROUNDS):
                self.runner.judge()
                if _equal(engine):
                    return list(used)
                before = engine.changes
                for rule in rules:
                    if engine.run(alone(rule.name)):
                        used[rule] = None
                        engine.run("analysis", saturate=True)
                        if _equal(engine):
                            return list(used)
                if engine.changes == before or engine.count() > _NODES or self.runs <= 0:
                    break
        return None

    def _program(self, one: int, other: int) -> Dag:
        """The two terms as a program with two roots."""
        dag, ids = Dag(), dict[int, int]()
        for at in self.terms.dag.reachable([one, other]):
            node = self.terms.node(at)
            kids = [ids[c] for c in node.children]
            if node.op == "rename":
                ids[at] = renamed(dag, kids[0], renaming(node.payload), self.terms.symbols)
            else:
                ids[at] = dag.put(node.op, node.payload, *kids)
        dag.roots = {"one": ids[one], "other": ids[other]}
        return dag


def _equal(engine: Engine) -> bool:
    """Whether the two roots are in one class."""
    try:
        engine.command('(check (= (root "one") (root "other")))')
    except RuleError:
        return False
    return True


def program_of(found: Extracted, roots: Sequence[str]) -> tuple[Dag, Symbols]:
    """The program that an extraction chose, and the size symbols of its labels.

    A tensor read under other names is a rename of what it was computed as.

    Example: see `tensorgrad_eg.explain`.
    """
    priced, choice = found.priced, found.solution.choice
    symbols: Symbols = dict(priced.snapshot.symbols)
    dag, done = Dag(), dict[int, int]()

    def way(at: int) -> Way:
        return priced.ways[choice[priced.alias[at].group]]

    def parts(at: int) -> list[int]:
        """What computes a class, with what is subtracted as it is; or what a class is another reading of."""
        if way(at).at != at:
            return [way(at).at]
        return [one.at for one in way(at).readings if one.at is not None]

    wanted = {root: priced.snapshot.roots[root] for root in roots}
    for at in parts_first(wanted.values(), parts):
        chosen = way(at)
        if chosen.at != at:
            names = dict(zip(priced.alias[chosen.at].axes, priced.alias[at].axes, strict=True))
            done[at] = renamed(dag, done[chosen.at], names, symbols)
        else:
            terms = [_term(dag, one, None if one.at is None else done[one.at]) for one in chosen.readings]
            node = chosen.node
            done[at] = dag.put(node.op, node.payload, *terms, free=priced.snapshot.free[at])
    dag.roots = {root: done[at] for root, at in wanted.items()}
    return dag, symbols


def _term(dag: Dag, reading: Reading, at: int | None) -> int:
    """A term as it is read."""
    for pair in reversed(reading.pairs):
        delta = dag.put("delta", pair)
        at = delta if at is None else dag.put("contract", frozenset(), delta, at)
    assert at is not None
    return at if reading.factor == 1 else dag.put("scale", reading.factor, at)

"""The e-graph engine: loads rules and programs, runs rulesets, counts what each rule did."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from tensorgrad_eg.egraph import Dag, Snapshot, tightened
from tensorgrad_eg.egraph.failures import check_made, ranks, refuse_if_forked, translated
from tensorgrad_eg.egraph.text import Reader, builders, in_parts, quote, rule
from tensorgrad_eg.errors import EndlessRuleError, TimeLimitError
from tensorgrad_eg.expr.operations import OPERATIONS, ENode, on_several
from tensorgrad_eg.rules import RuleFile, Written, programs, rule_files, rules_of
from tensorgrad_eg.rules.forms import DIRECTED, UNCOUNTED
from tensorgrad_eg.running import Deadline

#: Texts that every engine runs, parsed.
_PARSED: dict[str, list[Any]] = {}
#: How many names are stated at a time.
_CHUNK = 100
#: After so many terms it is clear how long it takes to load the rest.
_PACED = 200
#: What helps where there is too little time.
_FEWER = "ask for fewer results at once"
#: Rounds after which rules are taken to run in circles, …
_ROUNDS = 400
#: … more of them for each node of the program: what is known of a tower is known one storey a round, …
_DEPTH = 4
#: … and matches.
_MATCHES = 1_000_000


class SpentError(Exception):
    """The matches that a search may make have been made; its message is the ruleset that was to run."""


class Engine:
    """One egglog e-graph with the project's rules.

    Example:
        >>> from fractions import Fraction
        >>> dag = Dag()
        >>> dag.roots["e"] = dag.put("scale", Fraction(3), dag.put("number", Fraction(2)))
        >>> engine = Engine()
        >>> engine.load(dag)
        >>> engine.normalise()
        >>> snapshot = engine.snapshot(["e"])
        >>> snapshot.nodes[snapshot.roots["e"]]
        [ENode(op='number', payload=Fraction(6, 1), children=())]
    """

    def __init__(
        self,
        files: tuple[RuleFile, ...] | None = None,
        rulesets: frozenset[str] | None = None,
        matches: Counter[str] | None = None,
        apart: frozenset[str] = frozenset(),
        directed: frozenset[str] = DIRECTED,
        deadline: Deadline | None = None,
        words: frozenset[str] | None = None,
    ) -> None:
        """An empty e-graph with the rules of these files (and of these rulesets only, if they are given).

        Rules of the rulesets in `apart` are run one by one, as `run(alone(name))`. `words` are the functions
        and operations of the problem, if it is known what it will be.

        Raises:
            ForkedProcessError: if this process was forked after a plan was made.
        """
        refuse_if_forked()
        from egglog.bindings import EGraph  # slow to import, and not needed before the first plan

        self.egraph = EGraph()
        self.matches: Counter[str] = Counter() if matches is None else matches
        self.symbols: dict[str, str | int] = {}
        #: How many runs of rules have changed the terms, and not just gathered facts about them.
        self.changes = 0
        self._chunks = self._marks = 0
        self.assumed: tuple[str, ...] = ()
        self.deadline = deadline or Deadline()
        #: How many matches the rules of this engine have had, and how many they may have.
        self.done = 0
        self.ceiling: int | None = None
        #: How many nodes the program had that was loaded.
        self.loaded = 0
        #: What the engine is used for, as an error would call it.
        self.phase = "the normal form"
        self.rulesets: frozenset[str] = frozenset() if rulesets is None else rulesets
        every = files or rule_files()
        #: Rule files of users: what their rules make is looked at.
        self.foreign = tuple(file for file in every if file not in rule_files())
        #: How many axes each variable has.
        self.variables: dict[str, int] = {}
        for form in programs(every, rulesets, apart, directed, words):
            self._take(form)  # one by one: a long program is parsed in quadratic time
        self.command("(function node (i64) Tensor :no-merge)")
        self.command("(function root (String) Tensor :merge old)")
        self.command("(function pile (i64 i64) Terms :no-merge)")

    def forget(self) -> None:
        """Forgets all that came after `(push)`, but the rules."""
        self.command(f"(pop {1 + self._marks})")
        self.symbols, self.assumed, self.changes, self._chunks = {}, (), 0, 0
        self._marks = 0
        self.done, self.ceiling, self.loaded, self.phase = 0, None, 0, "the normal form"

    def mark(self) -> None:
        """Keeps the terms as they are, for `undo`."""
        self.command("(push)")
        self._marks += 1

    def undo(self) -> None:
        """Goes back to the terms as they were at the last `mark`."""
        self.command("(pop)")
        self._marks -= 1

    def unsloped(self) -> list[str]:
        """The pointwise functions whose slope is wanted, and stated by no rule."""
        reader = Reader(self.egraph)
        tables = self.egraph.freeze().functions
        rows = tables["slope"].rows if "slope" in tables else []
        return sorted({reader.string(row.inputs[0]) for row in rows})

    def unopened(self) -> list[str]:
        """The operations whose derivative by one of several tensors is wanted, and stated by no rule."""
        tables = self.egraph.freeze().functions
        wanted = {row.inputs[1] for row in tables["partial"].rows} if "partial" in tables else set()
        known = [name for name in on_several() if name in tables]
        return [name for name in known if wanted & {row.output for row in tables[name].rows}]

    def command(self, text: str) -> list[Any]:
        """Runs egglog text."""
        with translated("a rule", text):
            return list(self.egraph.run_program(*self.egraph.parse_program(text)))

    def _take(self, form: Written) -> None:
        with translated(form.where, form.text):
            self._parsed(form.text)

    def _repeated(self, text: str) -> list[Any]:
        """Runs egglog text that is run often, by this engine or by others: it is parsed once."""
        with translated("a rule", text):
            return self._parsed(text)

    def _parsed(self, text: str) -> list[Any]:
        if text not in _PARSED:
            _PARSED[text] = self.egraph.parse_program(text)
        return list(self.egraph.run_program(*_PARSED[text]))

    def load(
        self, dag: Dag, symbols: Mapping[str, str | int] | None = None, within: Deadline | None = None
    ) -> None:
        """Puts a program in; its node i becomes `(node i)`.

        Terms are built by rules with many actions: a command of its own for each costs a millisecond.

        Raises:
            TimeLimitError: if the time is up, or once it is clear that not all of it can be there `within` a
                shorter one.
        """
        self.loaded = len(dag.nodes)
        self.variables.update(ranks(dag.nodes))
        self._name(symbols or {})
        begun = within.left if within else math.inf
        for needed, actions, made in builders(dag):
            self._once(needed, actions)
            if made < self.loaded:
                self.deadline.check(self.phase, f"{made} of its {self.loaded} terms are there", _FEWER)
            if within and made >= _PACED and (begun - within.left) * self.loaded > begun * made:
                raise TimeLimitError.of("loading", within.seconds)
        for name, at in dag.roots.items():
            self.bind(name, f"t{at}", [at])

    def _name(self, symbols: Mapping[str, str | int]) -> None:
        """Tells the rules the size symbol of every edge."""
        self.symbols.update(symbols)
        names = [f"(set (symbol {quote(e)}) {quote(str(s))})" for e, s in sorted(self.symbols.items())]
        counts = sorted({size for size in self.symbols.values() if isinstance(size, int) and size})
        lengths = "".join(f'(set (length "{n}") (bigrat (bigint {n}) (bigint 1)))' for n in counts)
        self.command(f"(set (hollow) (set-empty)) {lengths}")
        for start in range(0, len(names), _CHUNK):  # a long text is parsed in quadratic time
            self.command(" ".join(names[start : start + _CHUNK]))

    def more(self, dag: Dag, first: int, symbols: Mapping[str, str | int]) -> None:
        """Puts in the nodes of a program from the `first` on; those before are there under their numbers."""
        self._name(symbols)
        for needed, actions, _ in builders(dag, first):
            self._once(needed, actions)

    def bind(self, name: str, text: str, nodes: Iterable[int]) -> None:
        """Gives a term over loaded nodes (written t0, t1, …) a name under which a snapshot finds it."""
        self._once(nodes, f"(set (root {quote(name)}) {text})")

    def facts(self, text: str, nodes: Iterable[int]) -> None:
        """States facts about loaded nodes (written t0, t1, …)."""
        self._once(nodes, text)

    def assume(self, statements: str) -> None:
        """States what is declared about variables; rules about it run whenever terms are normalised."""
        if statements:
            self.command(statements)
            self.assumed = ("facts",)

    def _once(self, nodes: Iterable[int], actions: str) -> None:
        actions, parts = in_parts(actions, self._chunks)
        for needed, made in [*parts, (set(nodes), actions)]:
            self._chunks += 1
            self.command(rule(f"load-{self._chunks}", needed, made))

    def run(self, ruleset: str, saturate: bool = False) -> bool:
        """Runs a ruleset once, or until nothing changes; whether anything changed.

        A run cannot be ended while it lasts, so nothing runs for more than one round at a time.

        Raises:
            TimeLimitError: if the time is up.
            EndlessRuleError: if the rules go on and on.
            SpentError: if there have been as many matches as `ceiling` allows.
        """
        before, rounds = self.done, 0
        while self._round(ruleset):
            rounds += 1
            if not saturate:
                break
            if self.done - before > _MATCHES or rounds > _ROUNDS + _DEPTH * self.loaded:
                raise self._endless(ruleset)
        self.changes += rounds > 0 and ruleset != "analysis"
        return rounds > 0

    def _round(self, ruleset: str) -> bool:
        if self.deadline.over:
            self.deadline.check(self.phase, self._progress(), _FEWER)
        if self.ceiling is not None and self.done >= self.ceiling:
            raise SpentError(ruleset)
        report = self._repeated(f"(run-schedule (run {ruleset}))")[0].report
        for name, count in report.num_matches_per_rule.items():
            if count:
                self.matches[name.strip('"')] += count
                self.done += count * (ruleset not in UNCOUNTED)
        return bool(report.updated)

    def _endless(self, ruleset: str) -> EndlessRuleError:
        """Who it was: one of the caller's own rules, if any has matched."""
        return EndlessRuleError.of(ruleset, self.own() or self.matches)

    def own(self) -> Counter[str]:
        """How often the caller's own rules have matched."""
        names = [rule.name for rule in rules_of(self.foreign)]
        return Counter({name: self.matches[name] for name in names if self.matches[name]})

    def _progress(self) -> str:
        most, own = (
            ", ".join(f"{name} ×{count}" for name, count in matches.most_common(2))
            for matches in (self.matches, self.own())
        )
        yours = f", and of your own rules {own}" if own else ""
        return (
            f"{self.count()} terms are there, {self.done} matches were made, most often of "
            f"{most or 'none'}{yours}"
        )

    def normalise(self, *also: str, descend: bool = False) -> None:
        """Brings every term to its normal form, running the rulesets in `also` along.

        Renames wait until what they rename is in normal form: pushed into terms that still change, they
        would copy every stage of them. Into composite terms they go only if they are to `descend`.

        Raises:
            TimeLimitError: if the time is up.
            EndlessRuleError: if the rules go on and on.
        """
        renames = ("substitute", "descend") if descend else ("substitute",)
        for _ in range(_ROUNDS):
            self._settle(*self.assumed, *also, "normalise")
            if not self._settle(*renames):
                return

    def _settle(self, *rulesets: str) -> bool:
        """Runs rulesets side by side until nothing changes; whether anything did.

        Rules that go round in a circle, and make nothing new, are left after so many rounds: all the forms on
        it are equal.
        """
        before, limit = self.done, _ROUNDS + self.loaded
        sizes: list[int] = []  # from half-way on: on a circle there may be more terms now, and fewer then
        for rounds in range(limit):
            self.run("analysis", saturate=True)
            if self.run("recognise", saturate=True):
                self.run("analysis", saturate=True)
            changed = [self.run(ruleset) for ruleset in rulesets]
            if not any(changed):
                return rounds > 0
            if rounds >= limit // 2:
                sizes.append(self.count())
            if self.done - before > _MATCHES:
                raise self._endless(rulesets[-1])
        if max(sizes[len(sizes) // 2 :]) > max(sizes[: len(sizes) // 2]):
            raise self._endless(rulesets[-1])
        return False

    def merged(self) -> bool:
        """Whether two nodes of the program that was loaded are in one class now."""
        rows = self.egraph.freeze().functions["node"].rows
        return len({row.output for row in rows}) < len(rows)

    def count(self) -> int:
        """How many e-nodes there are of operations a program may contain."""
        sizes = dict(self._repeated("(print-size)")[0].sizes)
        return sum(sizes.get(op, 0) for op in OPERATIONS)

    def snapshot(self, roots: Iterable[str]) -> Snapshot:
        """The e-graph as plain Python, classes numbered by age."""
        reader = Reader(self.egraph)
        tables = self.egraph.freeze().functions
        found = [
            (row.output, op, *reader.row(op, list(row.inputs)))
            for op in OPERATIONS
            for row in tables[op].rows
            if not row.subsumed
        ]
        named = {reader.string(row.inputs[0]): row.output for row in tables["root"].rows}
        free = {row.inputs[0]: reader.set(row.output) for row in tables["free"].rows}
        values = {v for v, *_ in found} | {c for *_, kids in found for c in kids} | set(named.values())
        ids = {value: n for n, value in enumerate(sorted(values))}
        nodes: dict[int, list[ENode]] = {n: [] for n in ids.values()}
        rank = {op: n for n, op in enumerate(OPERATIONS)}
        for value, op, payload, kids in found:
            numbers = tuple(ids[c] for c in kids)
            nodes[ids[value]].append(ENode(op, payload, tuple(sorted(numbers)) if op == "add" else numbers))
        for own in nodes.values():
            own.sort(key=lambda node: (rank[node.op], *_order(node)))
        for row in tables["symbol"].rows:
            name = reader.string(row.inputs[0])
            text = reader.string(row.output)
            self.symbols.setdefault(name, int(text) if text.isdigit() else text)
        bounds = tightened(nodes, {n: free[value] for value, n in ids.items() if value in free})
        rows = {self.egraph.value_to_i64(row.inputs[0]): row.output for row in tables["node"].rows}
        loaded = {at: ids[value] for at, value in sorted(rows.items()) if value in ids}
        wanted = {name: ids[named[name]] for name in roots}
        snapshot = Snapshot(nodes, bounds, wanted, dict(self.symbols), loaded)
        if self.foreign:
            check_made(snapshot, self.variables, self.fired())
        return snapshot

    def fired(self) -> list[str]:
        """The rules of users that have matched."""
        fired = [own for own in rules_of(self.foreign) if self.matches[own.name]]
        return [f'{own.file}:{own.line} "{own.name}"' for own in fired]


def _order(node: ENode) -> tuple[tuple[int, ...], str]:
    payload = node.payload
    text = ",".join(sorted(payload)) if isinstance(payload, frozenset) else str(payload)
    return node.children, text


@dataclass
class Engines:
    """The engines of one job: its rule files, its time, what its rules did, and engines that are free.

    `words` are the functions and operations of the job, if they are known.

    An engine is lent empty, to one phase at a time, and forgets afterwards. What it does not forget is in
    which order it has met names and numbers, and on that the order of terms depends: therefore a job has
    engines of its own, which have met the same ones whenever it is done again.

    Example:
        >>> from tensorgrad_eg.egraph import Dag
        >>> dag = Dag()
        >>> dag.roots["e"] = dag.put("constant", "pi")
        >>> engines = Engines()
        >>> for _ in range(2):
        ...     with engines.lend(frozenset({"analysis"})) as engine:
        ...         engine.load(dag)
        ...         print(engine.count())
        1
        1
    """

    files: tuple[RuleFile, ...] | None = None
    matches: Counter[str] = field(default_factory=Counter)
    deadline: Deadline = field(default_factory=Deadline)
    rulesets: frozenset[str] = frozenset()
    directed: frozenset[str] = DIRECTED
    words: frozenset[str] | None = None
    _free: list[Engine] = field(default_factory=list)

    def aside(self, deadline: Deadline) -> Engines:
        """The same engines for something beside the job: what its rules do is not counted as what they did.

        Example:
            >>> engines = Engines()
            >>> engines.aside(Deadline()).matches is engines.matches
            False
        """
        return replace(self, matches=Counter(), deadline=deadline)

    @contextmanager
    def lend(self, rulesets: frozenset[str]) -> Iterator[Engine]:
        """An engine with the rules of these rulesets; one in which anything failed is not used again.

        Engines are made with the rules of `self.rulesets` as well, so that later phases find them loaded.
        """
        engine = next((free for free in self._free if free.rulesets >= rulesets), None)
        if engine is None:
            every = rulesets | self.rulesets
            engine = Engine(
                self.files,
                every,
                self.matches,
                directed=self.directed,
                deadline=self.deadline,
                words=self.words,
            )
        else:
            self._free.remove(engine)
            engine.matches, engine.deadline = self.matches, self.deadline
        engine.command("(push)")
        yield engine
        engine.forget()
        self._free.append(engine)

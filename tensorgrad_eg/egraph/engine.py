"""The e-graph engine: loads rules and programs, runs rulesets, counts what each rule did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from tensorgrad_eg.deadline import Deadline
from tensorgrad_eg.egraph.failures import translated
from tensorgrad_eg.egraph.snapshot import Snapshot, tightened
from tensorgrad_eg.egraph.term import Dag, ENode
from tensorgrad_eg.egraph.text import OPERATIONS, Reader, quote, term
from tensorgrad_eg.rules.catalogue import Written, programs
from tensorgrad_eg.rules.files import RuleFile, rule_files
from tensorgrad_eg.rules.vocabulary import DIRECTED

#: Texts that every engine runs, parsed.
_PARSED: dict[str, list[Any]] = {}
#: How many terms one loading rule builds: its compilation is quadratic in their number.
_CHUNK = 40
#: Rounds after which a directed phase is taken to run in circles.
_ROUNDS = 400
#: … and matches: what is equal stays equal, so a phase may end before it is through.
_MATCHES = 1_000_000


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
    ) -> None:
        """An empty e-graph with the rules of these files (and of these rulesets only, if they are given).

        Rules of the rulesets in `apart` are run one by one, as `run(alone(name))`.
        """
        from egglog.bindings import EGraph  # slow to import, and not needed before the first plan

        self.egraph = EGraph()
        self.matches: Counter[str] = Counter() if matches is None else matches
        self.symbols: dict[str, str | int] = {}
        #: How many runs of rules have changed the terms, and not just gathered facts about them.
        self.changes = 0
        self._chunks = 0
        self.assumed: tuple[str, ...] = ()
        self.deadline = deadline or Deadline()
        self.rulesets: frozenset[str] = frozenset() if rulesets is None else rulesets
        for form in programs(files or rule_files(), rulesets, apart, directed):
            self._take(form)  # one by one: a long program is parsed in quadratic time
        self.command("(function node (i64) Tensor :no-merge)")
        self.command("(function root (String) Tensor :merge old)")

    def forget(self) -> None:
        """Forgets all that came after `(push)`, but the rules."""
        self.command("(pop)")
        self.symbols, self.assumed, self.changes, self._chunks = {}, (), 0, 0

    def unsloped(self) -> list[str]:
        """The pointwise functions whose slope is wanted, and stated by no rule."""
        reader = Reader(self.egraph)
        tables = self.egraph.freeze().functions
        return (
            sorted({reader.string(row.inputs[0]) for row in tables["slope"].rows})
            if "slope" in tables
            else []
        )

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

    def load(self, dag: Dag, symbols: Mapping[str, str | int] | None = None) -> None:
        """Puts a program in; its node i becomes `(node i)`.

        Terms are built by rules with many actions: a command of its own for each costs a millisecond.
        """
        self.symbols.update(symbols or {})
        names = "".join(f"(set (symbol {quote(e)}) {quote(str(s))})" for e, s in sorted(self.symbols.items()))
        counts = sorted({size for size in self.symbols.values() if isinstance(size, int) and size})
        lengths = "".join(f'(set (length "{n}") (bigrat (bigint {n}) (bigint 1)))' for n in counts)
        self.command(f"(set (hollow) (set-empty)) {names} {lengths}")
        for chunk in _chunks(range(len(dag.nodes)), _CHUNK):
            inside = set(chunk)
            needed = sorted({c for at in chunk for c in dag.nodes[at].children} - inside)
            query = " ".join(f"(= t{c} (node {c}))" for c in needed)
            actions = " ".join(
                f"(let t{at} {term(dag.nodes[at], dag.free[at], 't{}'.format)}) (set (node {at}) t{at})"
                + (f" (set (free t{at}) {_set(dag.free[at])})" if dag.nodes[at].op == "variable" else "")
                for at in chunk
            )
            self._once(query, actions)
        for name, at in dag.roots.items():
            self.bind(name, f"t{at}", [at])

    def bind(self, name: str, text: str, nodes: Iterable[int]) -> None:
        """Gives a term over loaded nodes (written t0, t1, …) a name under which a snapshot finds it."""
        query = " ".join(f"(= t{at} (node {at}))" for at in sorted(set(nodes)))
        self._once(query, f"(set (root {quote(name)}) {text})")

    def facts(self, text: str, nodes: Iterable[int]) -> None:
        """States facts about loaded nodes (written t0, t1, …)."""
        query = " ".join(f"(= t{at} (node {at}))" for at in sorted(set(nodes)))
        self._once(query, text)

    def assume(self, statements: str) -> None:
        """States what is declared about variables; rules about it run whenever terms are normalised."""
        if statements:
            self.command(statements)
            self.assumed = ("facts",)

    def _once(self, query: str, actions: str) -> None:
        self._chunks += 1
        name = f"load-{self._chunks}"
        self.command(
            f"(ruleset {name}) (rule ({query}) ({actions}) :ruleset {name} :name {quote(name)})"
            f" (run-schedule (run {name}))"
        )

    def run(self, ruleset: str, saturate: bool = False) -> bool:
        """Runs a ruleset once, or until nothing changes; whether anything changed."""
        what = f"(saturate (run {ruleset}))" if saturate else f"(run {ruleset})"
        report = self._repeated(f"(run-schedule {what})")[0].report
        self.matches.update({k.strip('"'): n for k, n in report.num_matches_per_rule.items() if n})
        self.changes += report.updated and ruleset != "analysis"
        return bool(report.updated)

    def normalise(self, *also: str, descend: bool = False) -> None:
        """Brings every term to its normal form, running the rulesets in `also` along.

        Renames wait until what they rename is in normal form: pushed into terms that still change, they
        would copy every stage of them. Into composite terms they go only if they are to `descend`.
        """
        renames = ("substitute", "descend") if descend else ("substitute",)
        for _ in range(_ROUNDS):
            self._settle(*self.assumed, *also, "normalise")
            if not self._settle(*renames):
                return

    def _settle(self, *rulesets: str) -> bool:
        """Runs rulesets side by side until nothing changes; whether anything did."""
        before = self.matches.total()
        for rounds in range(_ROUNDS):
            if self.matches.total() - before > _MATCHES:
                return False
            self.run("analysis", saturate=True)
            if self.run("recognise", saturate=True):
                self.run("analysis", saturate=True)
            changed = [self.run(ruleset) for ruleset in rulesets]
            if not any(changed):
                return rounds > 0
        return False

    def merged(self) -> bool:
        """Whether two nodes of the program that was loaded are in one class now."""
        rows = self.egraph.freeze().functions["node"].rows
        return len({row.output for row in rows}) < len(rows)

    def count(self) -> int:
        """How many e-nodes there are of operations a program may contain."""
        tables = self.egraph.freeze().functions
        return sum(len(tables[op].rows) for op in OPERATIONS if op in tables)

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
        for value, op, payload, kids in found:
            numbers = tuple(ids[c] for c in kids)
            nodes[ids[value]].append(ENode(op, payload, tuple(sorted(numbers)) if op == "add" else numbers))
        for own in nodes.values():
            own.sort(key=_order)
        for row in tables["symbol"].rows:
            name = reader.string(row.inputs[0])
            text = reader.string(row.output)
            self.symbols.setdefault(name, int(text) if text.isdigit() else text)
        bounds = tightened(nodes, {n: free[value] for value, n in ids.items() if value in free})
        rows = {self.egraph.value_to_i64(row.inputs[0]): row.output for row in tables["node"].rows}
        loaded = {at: ids[value] for at, value in sorted(rows.items()) if value in ids}
        return Snapshot(nodes, bounds, {name: ids[named[name]] for name in roots}, dict(self.symbols), loaded)


def _order(node: ENode) -> tuple[int, tuple[int, ...], str]:
    payload = node.payload
    text = ",".join(sorted(payload)) if isinstance(payload, frozenset) else str(payload)
    return _RANK[node.op], node.children, text


_RANK = {op: n for n, op in enumerate(OPERATIONS)}


def _set(names: frozenset[str]) -> str:
    from tensorgrad_eg.egraph.text import edges

    return edges(names)


def _chunks(items: Iterable[int], size: int) -> Iterator[list[int]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk

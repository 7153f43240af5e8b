"""Which rules make two terms equal that an e-graph holds to be one: found by running them, one at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from tensorgrad_eg.egraph.engine import Engine
from tensorgrad_eg.egraph.term import Dag, renamed
from tensorgrad_eg.errors import RuleError
from tensorgrad_eg.explain.bench import Bench
from tensorgrad_eg.explain.descent import acts, judge, load
from tensorgrad_eg.explain.terms import renaming
from tensorgrad_eg.explain.world import World
from tensorgrad_eg.rules.catalogue import Rule
from tensorgrad_eg.rules.phases import GATHERING
from tensorgrad_eg.rules.vocabulary import alone

#: Rounds of rules, e-nodes, and nodes of the two terms, up to which the rules are looked for.
_ROUNDS, _NODES, _LARGEST = 12, 2000, 120
#: Runs of the rules in all, those included that tell which rules can be done without.
_RUNS = 60


@dataclass
class Connecting:
    """Looks for the rules of a last step, which no one or two of them account for."""

    bench: Bench
    world: World
    sizes: Mapping[str, int]
    matches: Mapping[str, int]
    runs: int = field(default=_RUNS, init=False)

    def rules(self, pairs: Iterable[tuple[int, int]]) -> tuple[Rule, ...] | None:
        """The rules that lead from one side to the other of every pair; nothing if they are not found.

        Without any, both sides are one tensor under several names.
        """
        useful = [r for r in self.bench.rules if r.ruleset not in GATHERING and self.matches.get(r.name)]
        found: dict[Rule, None] = {}
        for one, other in pairs:
            needed = self._needed(self._program(one, other), [rule for rule in useful if acts(rule)])
            if needed is None:
                return None
            found |= dict.fromkeys(needed)
        return tuple(found)

    def _needed(self, program: Dag, rules: Collection[Rule]) -> list[Rule] | None:
        """Rules that make the roots equal, none of which can be left out."""
        found = self._reached(program, rules) if len(program.nodes) <= _LARGEST else None
        for rule in reversed(found or []):
            fewer = [other for other in found or [] if other != rule]
            if self.runs > 0 and (reached := self._reached(program, fewer)) is not None:
                found = reached
        return found

    def _reached(self, program: Dag, rules: Collection[Rule]) -> list[Rule] | None:
        """The rules that acted until the roots were equal, in their order; nothing if they stay apart."""
        self.runs -= 1
        used: dict[Rule, None] = {}
        with self.bench.fresh() as engine:
            load(engine, program, self.world.symbols, self.sizes)
            for _ in range(_ROUNDS):
                judge(engine, self.bench.rules)
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
        for at in self.world.dag.reachable([one, other]):
            node = self.world.node(at)
            kids = [ids[c] for c in node.children]
            if node.op == "rename":
                ids[at] = renamed(dag, kids[0], renaming(node.payload), self.world.symbols)
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

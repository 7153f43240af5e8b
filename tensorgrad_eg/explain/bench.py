"""One engine for a whole derivation: loading the rules takes longer than most of what is done with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tensorgrad_eg.egraph.engine import Engine
from tensorgrad_eg.rules.catalogue import rules_of
from tensorgrad_eg.rules.files import RuleFile, rule_files
from tensorgrad_eg.rules.phases import GATHERING


class Bench:
    """An engine that is empty each time it is asked for.

    >>> from tensorgrad_eg.egraph.term import Dag
    >>> dag = Dag()
    >>> dag.roots["e"] = dag.put("constant", "pi")
    >>> bench = Bench()
    >>> for _ in range(2):
    ...     with bench.fresh() as engine:
    ...         engine.load(dag)
    ...         print(engine.count())
    1
    1
    """

    def __init__(self, files: tuple[RuleFile, ...] | None = None, facts: str = "") -> None:
        """Load the rules of these files, those about facts only if there are any."""
        self.rules = rules_of(files or rule_files())
        self.facts = facts
        rulesets = frozenset(rule.ruleset for rule in self.rules) - (set() if facts else {"facts"})
        self.engine = Engine(files, rulesets, apart=rulesets - GATHERING - {""})

    @contextmanager
    def fresh(self, facts: bool = True) -> Iterator[Engine]:
        """The engine, which knows the facts or not; what is put into it is forgotten afterwards."""
        symbols, known = dict(self.engine.symbols), self.engine.assumed
        self.engine.command("(push)")
        self.engine.assume(self.facts if facts else "")
        try:
            yield self.engine
        finally:
            self.engine.command("(pop)")
            self.engine.symbols, self.engine.assumed = symbols, known

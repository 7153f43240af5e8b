"""One engine for a whole derivation: loading the rules takes longer than most of what is done with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tensorgrad_eg.egraph.engine import Engine
from tensorgrad_eg.egraph.rules import rule_files, rules_of

#: Rulesets that only list and judge: their rules are run together, and are no steps.
LISTING = frozenset({"analysis", "prospect", "volumes", "judge"})


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

    def __init__(self, files: tuple[Path, ...] | None = None) -> None:
        """Load the rules of these files."""
        self.rules = rules_of(files or rule_files())
        self.engine = Engine(files, apart=frozenset(rule.ruleset for rule in self.rules) - LISTING - {""})

    @contextmanager
    def fresh(self) -> Iterator[Engine]:
        """The engine; what is put into it is forgotten afterwards."""
        symbols = dict(self.engine.symbols)
        self.engine.command("(push)")
        try:
            yield self.engine
        finally:
            self.engine.command("(pop)")
            self.engine.symbols = symbols

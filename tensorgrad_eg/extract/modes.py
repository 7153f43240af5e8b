"""Programs that were differentiated in different orders: the best of them joins the first in the search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from tensorgrad_eg.egraph.derive import Derived
from tensorgrad_eg.egraph.engine import Engine
from tensorgrad_eg.egraph.engines import Engines
from tensorgrad_eg.egraph.snapshot import Snapshot
from tensorgrad_eg.egraph.term import Dag
from tensorgrad_eg.errors import TimeLimitError
from tensorgrad_eg.extract.priced import price
from tensorgrad_eg.extract.search import Extractor
from tensorgrad_eg.rules.phases import NORMAL


@dataclass(frozen=True)
class Mode:
    """A program for all outputs, as part of one that begins with the program of reverse mode.

    `start` is its normal form, `cost` what it costs; `roots` are its outputs in `dag`.
    """

    program: Dag
    start: Snapshot
    cost: float
    dag: Dag
    roots: Mapping[str, int]

    @classmethod
    def best(
        cls, derived: Derived, start: Snapshot, sizes: Mapping[str, int], engines: Engines
    ) -> Mode | None:
        """The cheapest of the programs that were differentiated in another order, if it beats the first.

        Example:
            >>> Mode.best(Derived(Dag(), [], {}), Snapshot({}, {}, {}), {}, Engines()) is None
            True
        """
        if not derived.modes:
            return None
        try:
            found = [cls._of(derived, program, sizes, engines) for program in derived.modes]
        except (TimeLimitError, KeyboardInterrupt):
            return None  # there was no time for another
        best = min(found, key=lambda mode: mode.cost)
        return best if best.cost < _cost(start, sizes) else None

    @classmethod
    def _of(cls, derived: Derived, program: Dag, sizes: Mapping[str, int], engines: Engines) -> Mode:
        start = normal(replace(derived, dag=program), engines)
        dag = derived.dag.part(derived.dag.roots)
        moved = dag.include(program, program.roots.values())
        roots = {name: moved[at] for name, at in program.roots.items()}
        return cls(program, start, _cost(start, sizes), dag, roots)

    def joins(self, engine: Engine) -> bool:
        """Brings both programs to normal form, and says that outputs are one; whether there was time."""
        try:
            engine.normalise()
            self._join(engine)
        except (TimeLimitError, KeyboardInterrupt):
            return False
        return True

    def _join(self, engine: Engine) -> None:
        for name, at in self.roots.items():
            first = self.dag.roots[name]
            engine.facts(f"(accumulates t{first} t{at})", (first, at))
        engine.run("accumulate")
        engine.normalise()


def normal(derived: Derived, engines: Engines) -> Snapshot:
    """The normal form of a program, in an e-graph of its own.

    Example:
        >>> normal(Derived(Dag(), [], {}), Engines()).size
        0
    """
    with derived.engine(engines, NORMAL) as engine:
        engine.normalise()
        return engine.snapshot(list(derived.dag.roots))


def _cost(start: Snapshot, sizes: Mapping[str, int]) -> float:
    priced = price(start, sizes)
    return Extractor(priced, [priced.root(r) for r in start.roots]).tree_choice().cost

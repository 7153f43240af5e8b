"""Programs that were differentiated in different orders, in one e-graph: what the search starts from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tensorgrad_eg.egraph.derive import Derived
from tensorgrad_eg.egraph.engine import Engine
from tensorgrad_eg.egraph.snapshot import Snapshot
from tensorgrad_eg.egraph.term import Dag


@dataclass(frozen=True)
class Modes:
    """A program with the results of several: `dag.roots` has all, `roots` those of each but the first.

    Example:
        >>> Modes(Dag()).roots
        ()
    """

    dag: Dag
    roots: tuple[Mapping[str, str], ...] = ()

    @classmethod
    def of(cls, derived: Derived) -> Modes:
        """All programs in one, in which the nodes of the first keep their numbers."""
        if not derived.modes:
            return cls(derived.dag)
        dag = Dag()
        dag.include(derived.dag, range(len(derived.dag.nodes)))
        dag.roots = dict(derived.dag.roots)
        named = []
        for number, mode in enumerate(derived.modes):
            moved = dag.include(mode, mode.roots.values())
            names = {name: f"{name} in order {number}" for name in mode.roots}
            dag.roots |= {names[name]: moved[at] for name, at in mode.roots.items()}
            named.append(names)
        return cls(dag, tuple(named))

    def join(self, engine: Engine) -> None:
        """Says that the results are equal."""
        for names in self.roots:
            for name, other in names.items():
                one, two = self.dag.roots[name], self.dag.roots[other]
                engine.facts(f"(accumulates t{one} t{two})", (one, two))
        if self.roots:
            engine.run("accumulate")
            engine.normalise()

    def started(self, start: Snapshot, number: int) -> Snapshot:
        """What the search started from, with the results of another program."""
        names = self.roots[number]
        return replace(start, roots={name: start.roots[other] for name, other in names.items()})

    def programs(self) -> Iterator[tuple[Dag, Sequence[int]]]:
        """The nodes of each program but the first, children first."""
        for names in self.roots:
            yield self.dag, self.dag.reachable(self.dag.roots[name] for name in names.values())

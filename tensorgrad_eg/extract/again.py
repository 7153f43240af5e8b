"""What a search has found is spelt once more, and is where the search goes on.

Bound edges are called alike before the search, as far as terms are alike then. What the search opens, centres
or takes out makes terms that were not there: in the best program so far their bound edges may have other
names, though they share a factor. It is written down as a program, its sums get their brackets, in which the
shared factor has one name, and both are said to be one tensor: a renaming of what is bound, and no more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tensorgrad_eg.egraph import Dag, renamed
from tensorgrad_eg.egraph.derive import Derived
from tensorgrad_eg.egraph.engine import Engine
from tensorgrad_eg.extract import Priced, Way
from tensorgrad_eg.extract.bracketing import bracketed
from tensorgrad_eg.extract.readings import Reading
from tensorgrad_eg.extract.search import Extractor
from tensorgrad_eg.extract.starts import join
from tensorgrad_eg.running import Deadline


def respell(engine: Engine, loaded: Dag, priced: Priced, sizes: Mapping[str, int], limit: Deadline) -> bool:
    """Adds other spellings of the best program in an e-graph that began with the one that was `loaded`.

    Whether there are any. The best is the one that is found quickly.

    Example: see `tensorgrad_eg.extract.extract`.
    """
    snapshot = priced.snapshot
    extractor = Extractor(priced, [priced.root(name) for name in snapshot.roots], deadline=limit)
    work = _Writing(priced, extractor.polish(extractor.tree_choice()).choice)
    found = work.dag.part({name: work.read(at) for name, at in snapshot.roots.items()})
    other = bracketed(Derived(found, [], dict(snapshot.symbols)), sizes, limit)
    if limit.over or not (other.spellings or _repeats(found)):
        return False
    wide, more = other.wide or found, loaded.copy()
    moved = more.include(wide, range(len(wide.nodes)))
    engine.more(more, len(loaded.nodes), other.symbols)
    facts = [(relation, tuple([moved[at] for at in nodes])) for relation, nodes in other.spellings]
    join(
        engine, [*facts, *(("respelt", (loaded.roots[name], moved[at])) for name, at in found.roots.items())]
    )
    return True


def _repeats(dag: Dag) -> bool:
    """Whether a sum has a term twice, perhaps with another multiple: two that are one tensor up to names."""
    for node in dag.nodes:
        if node.op == "add":
            terms = [dag.nodes[c].children[0] if dag.nodes[c].op == "scale" else c for c in node.children]
            if len(set(terms)) < len(terms):
                return True
    return False


@dataclass
class _Writing:
    """A choice of ways as a program, in which a tensor that is read under other names is renamed."""

    priced: Priced
    choice: Mapping[int, int]
    dag: Dag = field(default_factory=Dag)
    known: dict[int, int] = field(default_factory=dict)

    def read(self, at: int) -> int:
        """A class, its edges called as they are there."""
        alias = self.priced.alias[at]
        self._need(alias.group)
        own = self.priced.alias[self._way(alias.group).at].axes
        names = dict(zip(own, alias.axes, strict=True))
        return renamed(self.dag, self.known[alias.group], names, self.priced.snapshot.symbols)

    def _way(self, group: int) -> Way:
        return self.priced.ways[self.choice[group]]

    def _need(self, root: int) -> None:
        stack = [root]
        while stack:
            at = stack[-1]
            missing = [c for c in self._way(at).children if c not in self.known]
            if at not in self.known and missing:
                stack.extend(reversed(missing))
                continue
            stack.pop()
            if at not in self.known:
                self.known[at] = self._made(self._way(at))

    def _made(self, way: Way) -> int:
        kids = [self._term(reading) for reading in way.readings]
        return self.dag.put(way.node.op, way.node.payload, *kids, free=self.priced.snapshot.free[way.at])

    def _term(self, reading: Reading) -> int:
        """What is read: a class, or what it is a multiple of, or has on its diagonals."""
        found = None if reading.at is None else self.read(reading.at)
        for pair in reversed(reading.pairs):
            delta = self.dag.put("delta", pair)
            found = delta if found is None else self.dag.put("contract", frozenset(), delta, found)
        assert found is not None
        return found if reading.factor == 1 else self.dag.put("scale", reading.factor, found)

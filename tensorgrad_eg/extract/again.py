"""What a search has found is spelt once more, and is where the search goes on.

Bound edges are called alike before the search, as far as terms are alike then. What the search opens, centres
or takes out makes terms that were not there: in the best program so far their bound edges may have other
names, though they share a factor. It is written down as a program, its sums get their brackets, in which the
shared factor has one name, and both are said to be one tensor: a renaming of what is bound, and no more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from tensorgrad_eg.egraph import Dag, renamed
from tensorgrad_eg.egraph.derive import Derived
from tensorgrad_eg.egraph.engine import Engine
from tensorgrad_eg.extract import Priced, Way
from tensorgrad_eg.extract.bracketing import bracketed
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
    if other.wide is None or limit.over:
        return False
    more = loaded.copy()
    moved = more.include(other.wide, range(len(other.wide.nodes)))
    engine.more(more, len(loaded.nodes), other.symbols)
    join(engine, [(relation, tuple([moved[at] for at in nodes])) for relation, nodes in other.spellings])
    return True


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
        node, snapshot = way.node, self.priced.snapshot
        kids = [
            self._child(c, sign)
            for c, sign in zip(node.children, way.signs or (1,) * len(node.children), strict=True)
        ]
        return self.dag.put(node.op, node.payload, *kids, free=snapshot.free[way.at])

    def _child(self, at: int, sign: int) -> int:
        """What a sum reads: a class, or what it is the negative of."""
        if sign == 1:
            return self.read(at)
        nodes = self.priced.snapshot.nodes[at]
        inner = next(n for n in nodes if n.op == "scale" and n.payload == Fraction(-1)).children[0]
        return self.dag.put("scale", Fraction(-1), self.read(inner))

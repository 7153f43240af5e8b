"""From what an extraction chose to a program of terms."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from tensorgrad_eg.egraph.term import Dag, Symbols, renamed
from tensorgrad_eg.extract.extract import Extracted
from tensorgrad_eg.extract.priced import Way

_MINUS = Fraction(-1)


def program_of(found: Extracted, roots: Sequence[str]) -> tuple[Dag, Symbols]:
    """The program that was chosen, and the size symbols of its labels.

    A tensor read under other names is a rename of what it was computed as.

    Example: see `tensorgrad_eg.explain.descent`.
    """
    work = _Writing(found)
    classes = {root: found.priced.snapshot.roots[root] for root in roots}
    work.dag.roots = {root: work.write(at) for root, at in classes.items()}
    return work.dag, work.symbols


class _Writing:
    def __init__(self, found: Extracted) -> None:
        self.priced, self.choice = found.priced, found.solution.choice
        self.symbols: Symbols = dict(found.priced.snapshot.symbols)
        self.dag = Dag()
        self.done: dict[int, int] = {}

    def write(self, root: int) -> int:
        stack = [root]
        while stack:
            at = stack[-1]
            missing = [part for part in self._parts(at) if part not in self.done]
            if missing and at not in self.done:
                stack.extend(missing)
                continue
            stack.pop()
            if at not in self.done:
                self.done[at] = self._node(at)
        return self.done[root]

    def _way(self, at: int) -> Way:
        return self.priced.ways[self.choice[self.priced.alias[at].group]]

    def _parts(self, at: int) -> list[int]:
        """What has to be written before a class: what computes it, or what it is another reading of."""
        way = self._way(at)
        if way.at != at:
            return [way.at]
        signed = zip(way.node.children, way.signs, strict=True)
        return [child if sign == 1 else self._negated(child) for child, sign in signed]

    def _negated(self, at: int) -> int:
        """The class that this one is minus of."""
        nodes = self.priced.snapshot.nodes[at]
        return next(n.children[0] for n in nodes if n.op == "scale" and n.payload == _MINUS)

    def _node(self, at: int) -> int:
        way, priced = self._way(at), self.priced
        kids = [self.done[part] for part in self._parts(at)]
        if way.at != at:
            names = dict(zip(priced.alias[way.at].axes, priced.alias[at].axes, strict=True))
            return renamed(self.dag, kids[0], names, self.symbols)
        signed = zip(kids, way.signs, strict=True)
        terms = [kid if sign == 1 else self.dag.put("scale", _MINUS, kid) for kid, sign in signed]
        return self.dag.put(way.node.op, way.node.payload, *terms, free=priced.snapshot.free[at])

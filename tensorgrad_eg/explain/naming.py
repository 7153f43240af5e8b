"""Names for the tensors of a derivation: L for what is differentiated, t1, t2, … for what it is made of."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from tensorgrad_eg.explain.symbols import PLAIN, SYMBOLS, direction_name
from tensorgrad_eg.explain.world import World
from tensorgrad_eg.expr import fresh

#: Terms that are written with more symbols are long; parts of them that have at least so many get a name.
_LONG, _WORTH = 14, 6


@dataclass
class Naming:
    """Names given so far. `names` are those of tensors, `reads` those of single readings of a variable.

    >>> world = World({"i": "n"})
    >>> x = world.put("variable", ("x", ("i",)))
    >>> naming = Naming(world, {"t1"})
    >>> naming.name(world.put("apply", "exp", x))
    't2'
    """

    world: World
    taken: set[str]
    names: dict[int, str] = field(default_factory=dict)
    reads: dict[int, str] = field(default_factory=dict)
    _weights: dict[int, int] = field(default_factory=dict)

    def name(self, at: int) -> str:
        """The name of a term, a new one if it has none."""
        if at not in self.names:
            number = 1
            while f"t{number}" in self.taken:
                number += 1
            self.names[at] = f"t{number}"
            self.taken.add(self.names[at])
        return self.names[at]

    def derivatives(self, terms: Iterable[int]) -> None:
        """Names what the derivatives in these terms are of, or by."""
        world = self.world
        symbols = [world.node(at) for at in reach(world, terms) if world.node(at).op in SYMBOLS]
        directed = [node for node in symbols if node.op not in ("slope", "partial")]
        directions = sorted({direction_name(node.payload) for node in directed})
        for name in directions:
            self._direction(name)
        parts = {c for node in directed for c in node.children}
        sources = {s for name in directions for s, _ in world.directions[name].seeds}
        for at in sorted(parts | sources):
            if world.node(at).op not in PLAIN:
                self.name(at)

    def _direction(self, name: str) -> None:
        """Names the root, and the places where one variable is read."""
        world, meaning = self.world, self.world.directions[name]
        if meaning.consumers and meaning.root not in self.names and world.node(meaning.root).op != "variable":
            self.names[meaning.root] = fresh("L", self.taken)
            self.taken.add(self.names[meaning.root])
        reads: dict[str, list[int]] = {}
        for at, _ in meaning.consumers:
            if world.node(at).op == "variable":
                reads.setdefault(self._variable(at)[0], []).append(at)
        for variable, places in sorted(reads.items()):
            if len(places) > 1 or len(set(self._variable(places[0])[1])) < len(self._variable(places[0])[1]):
                for number, at in enumerate(sorted(places), 1):
                    if at not in self.reads:
                        self.reads[at] = fresh(f"{variable}{number}", self.taken)
                        self.taken.add(self.reads[at])

    def _variable(self, at: int) -> tuple[str, tuple[str, ...]]:
        payload = self.world.node(at).payload
        assert isinstance(payload, tuple)
        assert isinstance(payload[1], tuple)
        return payload[0], payload[1]

    def adopt(self) -> None:
        """Lets terms go by the names of those that differ from them in bound edges and order alone."""
        for at, name in list(self.names.items()):
            self.names.setdefault(self.world.usual(at), name)

    def shorten(self, before: int, after: int) -> None:
        """Names what both sides of a long equation have, and parts of what is still long then."""
        if max(self.weight(before), self.weight(after)) <= _LONG:
            return
        shared = reach(self.world, [before], self.names) & reach(self.world, [after], self.names)
        inner = {c for at in shared if at not in self.names for c in self.world.node(at).children}
        for at in sorted(shared - inner):
            if self.weight(at) >= _WORTH:
                self._part(at)
        for side in (before, after):
            self._split(side)

    def _part(self, at: int) -> None:
        if at not in self.names and self.world.node(at).op not in SYMBOLS:
            self.name(at)
            self._split(at)

    def _split(self, at: int) -> None:
        """Names parts of a term, the innermost first, until what is left can be read."""
        world = self.world
        for one in sorted(reach(world, [at], self.names, top=at)):
            if one == at or self._light(one):
                continue
            for part in sorted(world.node(one).children, key=lambda c: (-self.weight(c), c)):
                if self._light(one):
                    break
                if self.weight(part) >= _WORTH and part not in self.names:
                    self.name(part)
        while self._definition(at) > _LONG:
            parts = reach(world, world.node(at).children, self.names) - set(self.names)
            heavy = [
                p for p in parts if _WORTH <= self.weight(p) <= _LONG and world.node(p).op not in SYMBOLS
            ]
            if not heavy:
                break
            self.name(max(heavy, key=lambda p: (self.weight(p), -p)))

    def _light(self, at: int) -> bool:
        return self.weight(at) <= _LONG

    def _definition(self, at: int) -> int:
        """How many symbols the definition of a term is written with."""
        return 1 + sum(self.weight(c) for c in self.world.node(at).children)

    def weight(self, at: int) -> int:
        """How many symbols a term is written with; a name counts as one."""
        for one in sorted(reach(self.world, [at], self.names)):
            parts = (
                ()
                if one in self.names or self.world.node(one).op in SYMBOLS
                else self.world.node(one).children
            )
            self._weights[one] = 1 + sum(self._weights[c] for c in parts)
        return self._weights[at]

    def used(self, terms: Iterable[int]) -> list[int]:
        """The named terms that these mention, and those that the definitions of these mention."""
        found: set[int] = set()
        stack = list(terms)
        while stack:
            seen = reach(self.world, stack, self.names, symbols=True)
            stack = []
            for at in sorted(seen):
                if (at in self.names or at in self.reads) and at not in found:
                    found.add(at)
                    stack.extend(self.world.node(at).children)
        return sorted(found)


def reach(
    world: World,
    terms: Iterable[int],
    stop: Mapping[int, str] | Collection[int] = (),
    symbols: bool = False,
    top: int = -1,
) -> set[int]:
    """The parts of terms, down to what has a name (but `top`); with `symbols`, also what derivatives are of.

    >>> world = World({"i": "n"})
    >>> x = world.put("variable", ("x", ("i",)))
    >>> sorted(reach(world, [world.put("slope", "exp", x)]))
    [0, 1]
    """
    seen: set[int] = set()
    stack = list(terms)
    while stack:
        at = stack.pop()
        if at in seen:
            continue
        seen.add(at)
        if at in stop and at != top:
            continue
        node = world.node(at)
        if node.op not in SYMBOLS or node.op in ("slope", "partial"):
            stack.extend(node.children)
        elif symbols:
            stack.extend(node.children)
            meaning = world.directions[direction_name(node.payload)]
            stack.extend([meaning.root] if node.op != "tangent" else [s for s, _ in meaning.seeds[:1]])
    return seen

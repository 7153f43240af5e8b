"""An e-graph in the middle of a phase, read as equations: one for each derivative, one for each result.

While a phase runs, a class has one term beside the names it goes by. ∂L/∂t is the name of a class; what the
class has become is the right-hand side of its equation, in which other derivatives stand by their names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tensorgrad_eg.egraph.engine import Engine
from tensorgrad_eg.egraph.text import Reader
from tensorgrad_eg.explain.moment import Moment, rows
from tensorgrad_eg.explain.naming import reach
from tensorgrad_eg.explain.symbols import Direction
from tensorgrad_eg.explain.terms import renaming
from tensorgrad_eg.explain.world import World

Consumers = tuple[tuple[int, tuple[int, ...]], ...]


@dataclass
class Reading:
    """Reads one e-graph again and again into a world; `prefix` keeps directions of different phases apart.

    `program` are the terms of the loaded program. `lefts` has the left-hand side of every root: what it was
    when it was first read.
    """

    engine: Engine
    world: World
    prefix: str = ""
    program: tuple[int, ...] = ()
    lefts: dict[str, int] = field(default_factory=dict)
    _reader: Reader = field(init=False)

    def __post_init__(self) -> None:
        """Note what the directions mean; the rules use some of these facts up."""
        self._reader = Reader(self.engine.egraph)
        self._directions(self._moment())

    def equations(self, roots: Iterable[str]) -> dict[int, int]:
        """Left and right-hand side of every equation."""
        moment = self._moment()
        found = moment.equations()
        for root in roots:
            right = moment.root(root)
            if right is not None:
                found.setdefault(self.lefts.setdefault(root, right), right)
        return self._solved(found)

    def _moment(self) -> Moment:
        return Moment(self._reader, self.world, self.prefix, self.program)

    def _solved(self, equations: Mapping[int, int]) -> dict[int, int]:
        """The equations for the derivatives under their own names.

        One that says what it is by itself, as a name does before it is opened, is left out.
        """
        found: dict[int, int] = {}
        for left, right in equations.items():
            node = self.world.node(left)
            if node.op == "rename" and len(self.world.free(left)) == len(self.world.free(node.children[0])):
                back = {new: old for old, new in renaming(node.payload).items()}
                left, right = node.children[0], self.world.rename(right, back)
            if left not in reach(self.world, [right]):
                found.setdefault(left, right)
        return found

    def _directions(self, moment: Moment) -> None:
        tables, string = moment.tables, self._reader.string
        seeds: dict[str, list[tuple[int, int]]] = {}
        for row in rows(tables, "seed"):
            source, along = moment.known.get(row.inputs[1]), moment.stands(row.inputs[2])
            if source is not None and along is not None:
                seeds.setdefault(string(row.inputs[0]), []).append((source, along))
        consumers = self._consumers(moment)
        for row in rows(tables, "tips"):
            name = string(row.inputs[0])
            own = tuple(sorted(seeds.get(name, ())))
            root = own[0][0] if own else -1
            direction = Direction(root, consumers.get(name, ()), own, self._reader.set(row.output))
            self.world.directions[self.prefix + name] = direction

    def _consumers(self, moment: Moment) -> dict[str, Consumers]:
        found: dict[str, Consumers] = {}
        for row in rows(moment.tables, "consumers"):
            name = self._reader.string(row.inputs[0])
            listed = self.engine.egraph.value_to_multiset(row.inputs[2])
            readers = tuple(sorted(moment.known[value] for value in listed))
            found[name] = tuple(sorted((*found.get(name, ()), (moment.known[row.inputs[1]], readers))))
        return found

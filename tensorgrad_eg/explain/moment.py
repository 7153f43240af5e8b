"""The tables of an e-graph at one moment, and the terms that they say its classes are."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from tensorgrad_eg.egraph.text import Reader
from tensorgrad_eg.explain.symbols import PLAIN, SYMBOLS
from tensorgrad_eg.explain.terms import renaming
from tensorgrad_eg.explain.world import World
from tensorgrad_eg.expr.operations import OPERATIONS

if TYPE_CHECKING:
    from egglog.bindings import Value

    Node = tuple[str, Any, tuple[Value, ...]]

#: Derivatives that stay the names of their classes when they are worked out.
_NAMES = ("cotangent", "tangent")
_UNFINISHED = (*sorted(SYMBOLS.difference(_NAMES)), "renames", "deltas")


class Moment:
    """Classes as terms: those of the program as they were loaded, those with a name by that name."""

    def __init__(self, reader: Reader, world: World, prefix: str, program: tuple[int, ...]) -> None:
        """Reads all tables; `program` are the terms of the loaded nodes."""
        self.reader, self.world, self.prefix = reader, world, prefix
        self.tables: Any = reader.egraph.freeze().functions
        self.known: dict[Value, int] = {}
        for row in rows(self.tables, "node"):
            at = reader.egraph.value_to_i64(row.inputs[0])
            if at < len(program):
                self.known.setdefault(row.output, program[at])
        self.roots = {reader.string(row.inputs[0]): row.output for row in rows(self.tables, "root")}
        self._learn()
        self.names = self._named()
        self.choice = _smallest(self._nodes(), self.known, self.names)
        self.ids: dict[Value, int] = {}

    def equations(self) -> dict[int, int]:
        """What every derivative that has a name is; further names of a class are the first."""
        found: dict[int, int] = {}
        for value, (first, *others) in self.names.items():
            right = self._term(value)
            if right is not None:
                found[first] = right
            short = right if right is not None and self._plain(value) else first
            found |= dict.fromkeys(others, short)
        return found

    def root(self, name: str) -> int | None:
        """How a named class stands in an equation; nothing while it is no term."""
        return self.stands(self.roots[name]) if name in self.roots else None

    def stands(self, value: Value) -> int | None:
        """How a class stands in an equation; nothing while it is no term."""
        if value in self.known or value in self.names:
            return self._part(value)
        return self._term(value)

    # -- reading tables
    def _learn(self) -> None:
        for row in rows(self.tables, "symbol"):
            text = self.reader.string(row.output)
            label = self.reader.string(row.inputs[0])
            self.world.learn({label: int(text) if text.isdigit() else text})

    def _named(self) -> dict[Value, list[int]]:
        """The derivatives that each class is: of cotangents the one closest to the root first, of tangents
        the one closest to the source.
        """
        found: dict[Value, list[int]] = {}
        for op in _NAMES:
            for row in rows(self.tables, op):
                name, at = self.prefix + self.reader.string(row.inputs[0]), self.known.get(row.inputs[1])
                if at is not None and name in self.world.directions:
                    found.setdefault(row.output, []).append(self._symbol(op, name, at))
        return {value: sorted(symbols, key=self._distance) for value, symbols in found.items()}

    def _distance(self, symbol: int) -> tuple[bool, int]:
        node = self.world.node(symbol)
        if node.op == "rename":
            node = self.world.node(node.children[0])
        forward = node.op == "tangent"
        return forward, node.children[0] if forward else -node.children[0]

    def _nodes(self) -> dict[Value, list[Node]]:
        found: dict[Value, list[Node]] = {}
        for op in (*OPERATIONS, *_UNFINISHED):
            for row in rows(self.tables, op):
                if row.output not in self.known:
                    payload, kids = self._row(op, list(row.inputs))
                    found.setdefault(row.output, []).append((op, payload, tuple(kids)))
        return found

    def _row(self, op: str, inputs: list[Value]) -> tuple[Any, list[Value]]:
        reader = self.reader
        match op:
            case "pullback":
                return self.prefix + reader.string(inputs[0]), inputs[1:]
            case "slope":
                return reader.string(inputs[0]), inputs[1:]
            case "partial":
                return str(reader.egraph.value_to_i64(inputs[0])), inputs[1:]
            case "gradient":
                kids = list(reader.egraph.value_to_multiset(inputs[2]))
                return (self.prefix + reader.string(inputs[0]), reader.names(inputs[1])), kids
            case "read-gradient":
                return (self.prefix + reader.string(inputs[0]), reader.names(inputs[1])), inputs[2:]
            case "renames" | "deltas":
                return (reader.names(inputs[0]), reader.names(inputs[1])), inputs[2:]
        return reader.row(op, inputs)

    # -- writing terms
    def _plain(self, value: Value) -> bool:
        return value in self.known or (value in self.choice and self.choice[value][0] in PLAIN)

    def _term(self, root: Value) -> int | None:
        """The term of a class; parts with a name stand by it."""
        if root in self.known:
            return self.known[root]
        if root not in self.choice:
            return None
        stack = [root]
        while stack:
            value = stack[-1]
            op, payload, kids = self.choice[value]
            parts = [self._part(kid) for kid in kids]
            missing = [kid for kid, part in zip(kids, parts, strict=True) if part is None]
            if missing and value not in self.ids:
                stack.extend(missing)
                continue
            stack.pop()
            if value not in self.ids:
                self.ids[value] = self._put(op, payload, [part for part in parts if part is not None])
        return self.ids[root]

    def _part(self, value: Value) -> int | None:
        """A class as part of a term, as far as it is written yet."""
        if value in self.known:
            return self.known[value]
        if value in self.names:
            if not self._plain(value):
                return self.names[value][0]
            op, payload, _ = self.choice[value]
            return self.world.put(op, payload)
        return self.ids.get(value)

    def _put(self, op: str, payload: Any, kids: list[int]) -> int:
        """The term; a cotangent with one consumer is what that consumer hands back."""
        world = self.world
        match op:
            case "pullback":
                times = world.directions[payload].readers(kids[0]).count(kids[1])
                share = world.put("scale", Fraction(1, max(times, 1)), world.put("pullback", payload, *kids))
                return self._whole(share)
            case "contract" if len(payload) == 1:
                (edge,) = payload
                return self._read_at(edge, kids) or world.put(op, payload, *kids)
            case "add" | "scale":
                return self._whole(world.put(op, payload, *kids))
            case "gradient" | "read-gradient" if len(kids) == 1:
                return self._single(op, payload, kids[0])
        return world.put(op, payload, *kids)

    def _symbol(self, op: str, direction: str, at: int) -> int:
        """The derivative of a tensor, or by it. A tensor that only stands for another one under other names
        has the derivative of that one under these names.
        """
        world, node = self.world, self.world.node(at)
        if node.op == "rename":
            part, meaning = node.children[0], world.directions[direction]
            diagonal = len(world.free(at)) < len(world.free(part))
            alone = set(meaning.readers(part)) == {at} and not diagonal
            if alone if op == "cotangent" else at not in dict(meaning.seeds):
                return world.rename(self._symbol(op, direction, part), renaming(node.payload))
        return world.put(op, direction, at)

    def _single(self, op: str, payload: Any, read: int) -> int:
        """The gradient of a variable that is read in one place is the cotangent of that place."""
        node: Any = self.world.node(read)
        axes = node.payload[1]
        if len(set(axes)) < len(axes):
            return self.world.put(op, payload, read)
        names = dict(zip(axes, payload[1], strict=True))
        return self.world.rename(self.world.put("cotangent", payload[0], read), names)

    def _read_at(self, edge: str, kids: list[int]) -> int | None:
        """Σ_i δ_ij ∂L/∂t[i] is ∂L/∂t read at j."""
        world = self.world
        for delta, symbol in (kids, kids[::-1]):
            pair: Any = world.node(delta).payload
            free = world.free(symbol)
            if world.node(delta).op == "delta" and edge in pair and edge in free and world.atomic(symbol):
                other = pair[0] if pair[1] == edge else pair[1]
                return None if other in free else world.rename(symbol, {edge: other})
        return None

    def _whole(self, at: int) -> int:
        """The cotangent itself, if there is only this consumer to hand something back."""
        node = self.world.node(at)
        if node.op != "pullback" or not isinstance(node.payload, str):
            return at
        part, reader = node.children
        alone = set(self.world.directions[node.payload].readers(part)) <= {reader}
        return self._symbol("cotangent", node.payload, part) if alone else at


def _smallest(
    nodes: dict[Value, list[Node]], known: dict[Value, int], names: dict[Value, list[int]]
) -> dict[Value, Node]:
    """For every class the node of its smallest term; what is known or has a name counts as small."""
    weight: dict[Value, int] = dict.fromkeys(known, 1) | dict.fromkeys(names, 1)
    own: dict[Value, int] = {}
    choice: dict[Value, Node] = {}
    readers: dict[Value, set[Value]] = {}
    for value, listed in nodes.items():
        for kid in {kid for _, _, kids in listed for kid in kids}:
            readers.setdefault(kid, set()).add(value)
    queue = sorted(nodes)
    while queue:
        again: set[Value] = set()
        for value in queue:
            for node in nodes.get(value, ()):
                if value in node[2] or any(kid not in weight for kid in node[2]):
                    continue
                total = 1 + sum(weight[kid] for kid in node[2])
                if value not in own or total < own[value]:
                    own[value], choice[value] = total, node
                    if value not in names:
                        weight[value] = total
                        again |= readers.get(value, set())
        queue = sorted(again)
    return choice


def rows(tables: Any, name: str) -> list[Any]:
    """The rows of a table, if there is one.

    >>> rows({}, "seed")
    []
    """
    return [row for row in tables[name].rows if not row.subsumed] if name in tables else []

"""An e-graph in the middle of a phase, read as equations: one for each derivative, one for each result.

While a phase runs, a class has one term beside the names it goes by. ∂L/∂t is the name of a class; what the
class has become is the right-hand side of its equation, in which other derivatives stand by their names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

from tensorgrad_eg.egraph import lightest
from tensorgrad_eg.egraph.engine import Engine
from tensorgrad_eg.egraph.text import Reader
from tensorgrad_eg.explain.terms import PLAIN, SYMBOLS, Direction, Terms, renaming
from tensorgrad_eg.expr.operations import OPERATIONS, ENode, Payload
from tensorgrad_eg.expr.walk import parts_first

if TYPE_CHECKING:
    from egglog.bindings import Value

#: Derivatives that stay the names of their classes when they are worked out.
_NAMES = ("cotangent", "tangent")
_UNFINISHED = (*sorted(SYMBOLS.difference(_NAMES)), "renames", "deltas")


@dataclass
class Reading:
    """Reads one e-graph again and again as terms; `prefix` keeps directions of different phases apart.

    `program` are the terms of the loaded program. `lefts` has the left-hand side of every root: what it was
    when it was first read.
    """

    engine: Engine
    terms: Terms
    prefix: str = ""
    program: tuple[int, ...] = ()
    lefts: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Note what the directions mean; the rules use some of these facts up."""
        self.reader = Reader(self.engine.egraph)
        for name, direction in _Tables(self).directions():
            self.terms.directions[self.prefix + name] = direction

    def equations(self, roots: Iterable[str]) -> dict[int, int]:
        """Left and right-hand side of every equation."""
        tables = _Tables(self)
        found = tables.equations()
        for root in roots:
            right = tables.stands(tables.roots[root]) if root in tables.roots else None
            if right is not None:
                found.setdefault(self.lefts.setdefault(root, right), right)
        return self._solved(found)

    def _solved(self, equations: Mapping[int, int]) -> dict[int, int]:
        """The equations for the derivatives under their own names.

        One that says what it is by itself, as a name does before it is opened, is left out.
        """
        found: dict[int, int] = {}
        for left, right in equations.items():
            node = self.terms.node(left)
            if node.op == "rename" and len(self.terms.free(left)) == len(self.terms.free(node.children[0])):
                back = {new: old for old, new in renaming(node.payload).items()}
                left, right = node.children[0], self.terms.rename(right, back)
            if left not in self.terms.reach([right]):
                found.setdefault(left, right)
        return found


class _Tables:
    """The tables at one moment, and classes as terms: those of the loaded program as what they were."""

    def __init__(self, reading: Reading) -> None:
        self.reader, self.terms, self.prefix = reading.reader, reading.terms, reading.prefix
        self.tables = self.reader.egraph.freeze().functions
        for label, size in self.rows("symbol"):
            text = self.reader.string(size)
            self.terms.learn({self.reader.string(label): int(text) if text.isdigit() else text})
        found = [
            (value, op, *self._row(op, list(inputs)))
            for op in (*OPERATIONS, *_UNFINISHED)
            for *inputs, value in self.rows(op)
        ]
        loaded = [(self.reader.egraph.value_to_i64(number), value) for number, value in self.rows("node")]
        roots = {self.reader.string(name): value for name, value in self.rows("root")}
        names = [(op, self.reader.string(name), of, at) for op in _NAMES for name, of, at in self.rows(op)]
        values = {value for value, *_ in found} | {c for *_, kids in found for c in kids} | {*roots.values()}
        values |= {value for _, value in loaded} | {value for _, _, of, at in names for value in (of, at)}
        #: Classes are numbered by their age.
        self.ids = {value: n for n, value in enumerate(sorted(values))}
        self.roots = {name: self.ids[value] for name, value in roots.items()}
        self.known: dict[int, int] = {}
        for number, value in loaded:
            if number < len(reading.program):
                self.known.setdefault(self.ids[value], reading.program[number])
        self.names = self._named([(op, name, self.ids[of], self.ids[at]) for op, name, of, at in names])
        nodes: dict[int, list[ENode]] = {}
        for value, op, payload, kids in found:
            if self.ids[value] not in self.known:
                node = ENode(op, payload, tuple(self.ids[c] for c in kids))
                nodes.setdefault(self.ids[value], []).append(node)
        self.choice = lightest(nodes, {*self.known, *self.names})
        self.done: dict[int, int] = {}

    def rows(self, name: str) -> Iterator[Sequence[Value]]:
        """The rows of a table, if there is one: what goes in, and what it gives."""
        for row in self.tables[name].rows if name in self.tables else ():
            if not row.subsumed:
                yield [*row.inputs, row.output]

    def _row(self, op: str, inputs: list[Value]) -> tuple[Payload, list[Value]]:
        reader = self.reader
        match op:
            case "slope":
                return reader.string(inputs[0]), inputs[1:]
            case "partial":
                return str(reader.egraph.value_to_i64(inputs[0])), inputs[1:]
            case "renames" | "deltas":
                both = zip(reader.names(inputs[0]), reader.names(inputs[1]), strict=True)
                return tuple(name for pair in both for name in pair), inputs[2:]
            case "pullback":
                return self.prefix + reader.string(inputs[0]), inputs[1:]
            case "gradient" | "read-gradient":
                kids = list(reader.egraph.value_to_multiset(inputs[2])) if op == "gradient" else inputs[2:]
                return (self.prefix + reader.string(inputs[0]), reader.names(inputs[1])), kids
        return reader.row(op, inputs)

    def directions(self) -> Iterator[tuple[str, Direction]]:
        """What each name of a direction means."""
        string, ids, known = self.reader.string, self.ids, self.known
        seeds: dict[str, list[tuple[int, int]]] = {}
        for name, of, along, *_ in self.rows("seed"):
            source, seed = known.get(ids.get(of, -1)), self.stands(ids.get(along, -1))
            if source is not None and seed is not None:
                seeds.setdefault(string(name), []).append((source, seed))
        consumers: dict[str, list[tuple[int, tuple[int, ...]]]] = {}
        for name, of, readers, *_ in self.rows("consumers"):
            listed = sorted(known[ids[value]] for value in self.reader.egraph.value_to_multiset(readers))
            consumers.setdefault(string(name), []).append((known[ids[of]], tuple(listed)))
        for name, tips in self.rows("tips"):
            own, read = sorted(seeds.get(string(name), [])), sorted(consumers.get(string(name), []))
            yield (
                string(name),
                Direction(own[0][0] if own else -1, tuple(read), tuple(own), self.reader.set(tips)),
            )

    def _named(self, rows: Iterable[tuple[str, str, int, int]]) -> dict[int, list[int]]:
        """The derivatives that each class is: of cotangents the one closest to the root first, of tangents
        the one closest to the source.
        """
        found: dict[int, list[int]] = {}
        for op, name, of, at in rows:
            if of in self.known and self.prefix + name in self.terms.directions:
                found.setdefault(at, []).append(self._symbol(op, self.prefix + name, self.known[of]))
        return {at: sorted(symbols, key=self._distance) for at, symbols in found.items()}

    def _distance(self, symbol: int) -> tuple[bool, int]:
        node = self.terms.node(symbol)
        if node.op == "rename":
            node = self.terms.node(node.children[0])
        forward = node.op == "tangent"
        return forward, node.children[0] if forward else -node.children[0]

    # -- classes as terms
    def equations(self) -> dict[int, int]:
        """What every derivative that has a name is; further names of a class are the first."""
        found: dict[int, int] = {}
        for at, (first, *others) in self.names.items():
            right = self._term(at)
            if right is not None:
                found[first] = right
            short = right if right is not None and self._plain(at) else first
            found |= dict.fromkeys(others, short)
        return found

    def stands(self, at: int) -> int | None:
        """How a class stands in an equation; nothing while it is no term."""
        if at in self.names and at not in self.known and not self._plain(at):
            return self.names[at][0]
        return self._term(at)

    def _plain(self, at: int) -> bool:
        return at in self.known or (at in self.choice and self.choice[at].op in PLAIN)

    def _term(self, root: int) -> int | None:
        """The term of a class; parts with a name stand by it."""
        for at in parts_first([root], self._unnamed, self.done):
            if at in self.known:
                self.done[at] = self.known[at]
            elif at in self.choice:
                node = self.choice[at]
                kids = [self.stands(c) if c in self.names else self.done.get(c) for c in node.children]
                self.done[at] = self._put(node, [kid for kid in kids if kid is not None])
        return self.done.get(root)

    def _unnamed(self, at: int) -> list[int]:
        """The classes that the term of a class has as parts."""
        if at in self.known or at not in self.choice:
            return []
        return [c for c in self.choice[at].children if c not in self.names]

    def _put(self, node: ENode, kids: list[int]) -> int:
        """The term; a cotangent with one consumer is what that consumer hands back."""
        terms = self.terms
        match node.op:
            case "pullback":
                times = terms.directions[node.name].readers(kids[0]).count(kids[1])
                handed = terms.put("pullback", node.payload, *kids)
                return self._whole(terms.put("scale", Fraction(1, max(times, 1)), handed))
            case "contract" if len(node.over) == 1:
                (edge,) = node.over
                return self._read_at(edge, kids) or terms.put(node.op, node.payload, *kids)
            case "add" | "scale":
                return self._whole(terms.put(node.op, node.payload, *kids))
            case "gradient" | "read-gradient" if len(kids) == 1:
                return self._single(node, kids[0])
        return terms.put(node.op, node.payload, *kids)

    def _symbol(self, op: str, direction: str, at: int) -> int:
        """The derivative of a tensor, or by it. A tensor that only stands for another one under other names
        has the derivative of that one under these names.
        """
        terms, node = self.terms, self.terms.node(at)
        if node.op == "rename":
            part, meaning = node.children[0], terms.directions[direction]
            diagonal = len(terms.free(at)) < len(terms.free(part))
            alone = set(meaning.readers(part)) == {at} and not diagonal
            if alone if op == "cotangent" else at not in dict(meaning.seeds):
                return terms.rename(self._symbol(op, direction, part), renaming(node.payload))
        return terms.put(op, direction, at)

    def _single(self, node: ENode, read: int) -> int:
        """The gradient of a variable that is read in one place is the cotangent of that place."""
        axes = self.terms.node(read).axes
        if len(set(axes)) < len(axes):
            return self.terms.put(node.op, node.payload, read)
        names = dict(zip(axes, node.axes, strict=True))
        return self.terms.rename(self.terms.put("cotangent", node.name, read), names)

    def _read_at(self, edge: str, kids: list[int]) -> int | None:
        """Σ_i δ_ij ∂L/∂t[i] is ∂L/∂t read at j."""
        for delta, symbol in (kids, kids[::-1]):
            node, free = self.terms.node(delta), self.terms.free(symbol)
            if node.op == "delta" and edge in node.pair and edge in free and self.terms.atomic(symbol):
                other = node.pair[node.pair[0] == edge]
                return None if other in free else self.terms.rename(symbol, {edge: other})
        return None

    def _whole(self, at: int) -> int:
        """The cotangent itself, if there is only this consumer to hand something back."""
        node = self.terms.node(at)
        if node.op != "pullback":
            return at
        part, reader = node.children
        alone = set(self.terms.directions[node.name].readers(part)) <= {reader}
        return self._symbol("cotangent", node.name, part) if alone else at


class Expansion:
    """Terms with all equations put in."""

    def __init__(self, terms: Terms, equations: Mapping[int, int]) -> None:
        """Of these equations, left-hand sides to right-hand sides."""
        self.terms, self.equations = terms, equations
        self.done: dict[int, int] = {}

    def of(self, root: int) -> int:
        """The term with the equations put in, again and again."""
        for at in parts_first([root], self._parts, self.done):
            node, parts = self.terms.node(at), [self.done.get(p, p) for p in self._parts(at)]
            if at in self.equations:
                self.done[at] = parts[0]
            else:
                same = not parts or parts == list(node.children)
                self.done[at] = at if same else self.terms.put(node.op, node.payload, *parts)
        return self.done[root]

    def same(self, one: int, other: int) -> bool:
        """Whether two terms are one when the equations are put in; the order of factors does not count."""
        return self.terms.form(self.of(one)) == self.terms.form(self.of(other))

    def _parts(self, at: int) -> Sequence[int]:
        if at in self.equations:
            return [self.equations[at]]
        node = self.terms.node(at)
        return () if node.op in SYMBOLS else node.children

"""The terms of a derivation: equal ones have one number, and edges are renamed where the variables are.

All steps of a derivation share them: whether a rule changed a term is a comparison of numbers, and what is
evaluated or printed once is known for all steps. Derivatives that are not worked out are operations, too:

============= ======================= ===============================================================
op            payload                 stands for
============= ======================= ===============================================================
cotangent     direction               ∂root/∂a; its child is a
tangent       direction               ∂a along the direction; its child is a
pullback      direction               ∂root/∂e ∂e/∂a of a consumer e of a; children a, e
gradient      direction, axes         ∂root/∂W; children are the places where W is read
read-gradient direction, axes         what one of these places contributes
slope         function                f'(a), entry by entry
partial       place                   ∂e/∂a of the a that e reads in a place, entry by entry; its child is e
rename        old, new, old, new, …   a symbol, or a tensor of a program, read under other names
============= ======================= ===============================================================
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from tensorgrad_eg.egraph import Dag
from tensorgrad_eg.expr import Tensor
from tensorgrad_eg.expr.operations import OPERATIONS, ENode, Payload
from tensorgrad_eg.expr.walk import parts_first

#: Derivatives of a tensor entry by entry, and all that are not worked out.
ENTRYWISE = frozenset({"slope", "partial"})
SYMBOLS = ENTRYWISE | {"cotangent", "tangent", "pullback", "gradient", "read-gradient"}
#: What is written as it is, without a name.
PLAIN = frozenset(name for name, entry in OPERATIONS.items() if entry.arity == 0)
_BOUNDED = SYMBOLS | {"rename"}

#: A term, and pairs of an old and a new name of its edges.
_Read = tuple[int, tuple[tuple[str, str], ...]]


@dataclass(frozen=True)
class Direction:
    """What a derivative is of, or along: the facts that one name stands for in a differentiation.

    In reverse mode `root` is differentiated, and `consumers` lists who reads each term. In forward mode each
    source is varied along its seed, and `tips` are the new edges. What was asked for, and is no step on the
    way, also has its `variable`, and the labels of its new edges or what the variable moves `along`.
    """

    root: int = -1
    consumers: tuple[tuple[int, tuple[int, ...]], ...] = ()
    seeds: tuple[tuple[int, int], ...] = ()
    tips: frozenset[str] = frozenset()
    variable: str = ""
    axes: tuple[str, ...] = ()
    along: Tensor | None = None

    def readers(self, at: int) -> tuple[int, ...]:
        """Who reads a term, once for each time it does."""
        return dict(self.consumers).get(at, ())


class Terms:
    """Terms, with the size symbol of every label and the meaning of every direction.

    Two that differ in bound names and in the order of factors alone have one `form`.
    """

    def __init__(self, symbols: Mapping[str, str | int] | None = None) -> None:
        """No terms yet."""
        self.dag = Dag()
        self.symbols: dict[str, str | int] = dict(symbols or {})
        self.directions: dict[str, Direction] = {}
        self._renamed: dict[_Read, int] = {}
        self._plain: dict[int, int] = {}
        self._forms: dict[int, int] = {}
        self._keys: dict[tuple[object, ...], int] = {}
        self._usual: dict[int, int] = {}

    def learn(self, symbols: Mapping[str, str | int]) -> None:
        """Takes in the size symbols of labels that are new."""
        for label, symbol in symbols.items():
            self.symbols.setdefault(label, symbol)

    def node(self, at: int) -> ENode:
        """The operation of a term."""
        return self.dag.nodes[at]

    def free(self, at: int) -> frozenset[str]:
        """The edges of a term."""
        return self.dag.free[at]

    def number(self, at: int) -> Fraction | None:
        """The number that a term is, if it is one."""
        return self.node(at).number if self.node(at).op == "number" else None

    def atomic(self, at: int) -> bool:
        """Whether a term is a derivative that is not worked out, perhaps under other names."""
        node = self.node(at)
        return node.op in SYMBOLS or (node.op == "rename" and self.atomic(node.children[0]))

    def put(self, op: str, payload: Payload = None, *children: int) -> int:
        """The number of a term; numbers are worked out: 1·a is a, a + a is 2a."""
        match op, payload:
            case "rename", _:
                return self.rename(children[0], renaming(payload))
            case "renames", _:  # one after the other, the last one first
                at = children[0]
                for old, new in reversed(pairs(payload)):
                    at = self.rename(at, {old: new})
                return at
            case "deltas", _:
                return self.product([self.put("delta", pair) for pair in pairs(payload)])
            case "delta", (i, j) if i == j:
                return self._put("number", Fraction(1))
            case "scale", Fraction():
                return self._scale(payload, children[0])
            case "reduce", _ if not payload or self.number(children[0]) == 0:
                return children[0]
            case "contract", _:
                return self._contract(payload, *children)
            case "add", _:
                return self._add(children)
            case "power", _ if payload == 1:
                return children[0]
        return self._put(op, payload, *children)

    def product(self, factors: Iterable[int]) -> int:
        """The product of terms, entry by entry."""
        at = self._put("number", Fraction(1))
        for factor in factors:
            at = self.put("contract", frozenset(), at, factor)
        return at

    def add(self, dag: Dag) -> list[int]:
        """Every node of a program as a term; a tensor read under other names stays a reading of it."""
        ids: list[int] = []
        for node in dag.nodes:
            kids = [ids[c] for c in node.children]
            reads = node.op == "rename"
            ids.append(
                self.read_as(kids[0], renaming(node.payload))
                if reads
                else self.put(node.op, node.payload, *kids)
            )
        return ids

    def _put(self, op: str, payload: Payload, *children: int) -> int:
        free = self._bound(ENode(op, payload, children)) if op in _BOUNDED else None
        return self.dag.put(op, payload, *children, free=free)

    def _bound(self, node: ENode) -> frozenset[str]:
        """The edges of a symbol."""
        own = self.free(node.children[0])
        match node.op:
            case "slope" | "partial":
                return own
            case "rename":
                new = renaming(node.payload)
                return frozenset(new.get(edge, edge) for edge in own)
            case "gradient" | "read-gradient":
                return frozenset(node.axes)
        return own | self.directions[node.name].tips

    def _contract(self, over: Payload, left: int, right: int) -> int:
        for one, other in ((left, right), (right, left)):
            number = self.number(one)
            if number is not None:
                return self._scale(number, self.put("reduce", over, other))
        return self._put("contract", over, left, right)

    def _scale(self, factor: Fraction, at: int) -> int:
        node, number = self.node(at), self.number(at)
        if number is not None or factor == 0:
            return self._put("number", factor * (number or 0))
        if node.op == "scale":
            return self._scale(factor * node.number, node.children[0])
        return at if factor == 1 else self._put("scale", factor, at)

    def _add(self, terms: tuple[int, ...]) -> int:
        total = sum((self.number(term) or Fraction(0) for term in terms), Fraction(0))
        times = Counter(term for term in terms if self.number(term) is None)
        rest = [self._scale(Fraction(n), term) for term, n in times.items()]
        if total or not rest:
            rest.append(self._put("number", total))
        return rest[0] if len(rest) == 1 else self._put("add", None, *rest)

    # -- other names for edges
    def rename(self, at: int, names: Mapping[str, str]) -> int:
        """The term with other names for its edges, exchanged all at once, written at the variables."""
        root = self._read(at, names)
        for one in parts_first([root], self._inner, self._renamed):
            kids = [self._renamed[part] for part in self._inner(one)]
            self._renamed[one] = self._under(one[0], dict(one[1]), kids)
        return self._renamed[root]

    def read_as(self, at: int, names: Mapping[str, str]) -> int:
        """The term read under other names, which are noted but not written down at the variables."""
        _, found = self._read(at, names)
        return self._put("rename", tuple(name for pair in found for name in pair), at) if found else at

    def _read(self, at: int, names: Mapping[str, str]) -> _Read:
        free = self.free(at)
        return at, tuple(sorted((old, new) for old, new in names.items() if old in free and old != new))

    def _inner(self, read: _Read) -> list[_Read]:
        """What the parts of a term are to be renamed to, its own bound edges stepping aside."""
        at, names = read[0], dict(read[1])
        if not names or self.node(at).op in _BOUNDED or self._stays(at, names):
            return []
        names |= self._aside(at, names)
        return [self._read(c, names) for c in self.node(at).children]

    def _stays(self, at: int, names: Mapping[str, str]) -> bool:
        """Whether names cannot go into a term: a diagonal of a softmax is no softmax of a diagonal."""
        node = self.node(at)
        now = [names.get(edge, edge) for edge in self.free(at)]
        over = [] if _binds(node) else [names.get(edge, edge) for edge in node.over]
        return any(now.count(edge) > 1 for edge in over)

    def _aside(self, at: int, names: Mapping[str, str]) -> dict[str, str]:
        """New names for bound edges that would capture one of the names."""
        node = self.node(at)
        taken = self.free(at) | set(names.values()) | node.over
        aside: dict[str, str] = {}
        for edge in sorted(node.over & set(names.values())) if _binds(node) else ():
            aside[edge] = edge + "'"
            while aside[edge] in taken:
                aside[edge] += "'"
            taken |= {aside[edge]}
            self.learn({aside[edge]: self.symbols.get(edge, edge)})
        return aside

    def _under(self, at: int, names: Mapping[str, str], kids: Sequence[int]) -> int:
        """One operation under other names, its parts being renamed already."""
        node = self.node(at)
        if not names:
            return at
        if node.op in SYMBOLS or self._stays(at, names):
            return self.read_as(at, names)
        if node.over:
            new = self._aside(at, names) if _binds(node) else names
            return self.put(node.op, _named(node, {**names, **new}), *kids)
        match node.op:
            case "variable":
                return self.put("variable", (node.name, tuple(names.get(axis, axis) for axis in node.axes)))
            case "delta":
                return self.put("delta", tuple(names.get(edge, edge) for edge in node.pair))
            case "rename":
                inner, read = node.children[0], renaming(node.payload)
                now = {edge: read.get(edge, edge) for edge in self.free(inner)}
                return self.read_as(inner, {edge: names.get(name, name) for edge, name in now.items()})
        return self.put(node.op, node.payload, *kids)

    # -- what counts as the same
    def plain(self, root: int) -> int:
        """The term with the shortest names for bound edges: terms that differ in these alone are one."""
        for at in parts_first([root], self._open, self._plain):
            kids = [self._plain[part] for part in self._open(at)]
            self._plain[at] = self._rebound(self.node(at), kids) if kids else at
            self._plain.setdefault(self._plain[at], self._plain[at])
        return self._plain[root]

    def _open(self, at: int) -> Sequence[int]:
        return () if self.atomic(at) else self.node(at).children

    def _rebound(self, node: ENode, kids: list[int]) -> int:
        """An operation with the shortest names for the edges it sums over."""
        if node.op == "rename":
            inner = self.rename(kids[0], renaming(node.payload))
            return inner if self.node(inner).op == "rename" else self.plain(inner)
        over = node.over if _binds(node) else ()
        taken = frozenset[str]().union(*map(self.free, kids)).difference(over)
        names: dict[str, str] = {}
        for label in sorted(over):
            names[label] = self._shortest(label, taken | frozenset(names.values()))
        if all(old == new for old, new in names.items()):
            return self.put(node.op, node.payload, *kids)
        renamed = [self.plain(self.rename(kid, names)) for kid in kids]
        return self.put(node.op, _named(node, names), *renamed)

    def _shortest(self, label: str, taken: frozenset[str]) -> str:
        """The label without apostrophes, or with as few as it takes to be of its size and not taken."""
        size, name = self.symbols.get(label, label), label.rstrip("'")
        while name in taken or self.symbols.setdefault(name, size) != size:
            name += "'"
        return name

    def form(self, root: int) -> int:
        """A number that is the same for terms that differ only in bound names and in the order of factors."""
        at = self.plain(root)
        for one in self.dag.reachable([at]) if at not in self._forms else ():
            if one not in self._forms:
                node = self.node(one)
                kids = [self._forms[c] for c in node.children]
                if node.op in OPERATIONS and OPERATIONS[node.op].commutes:
                    kids.sort()
                self._forms[one] = self._keys.setdefault((node.op, node.payload, *kids), len(self._keys))
        return self._forms[at]

    def usual(self, root: int) -> int:
        """The plain term with factors and terms in the order in which they were first written."""
        done: dict[int, int] = {}
        top = self.plain(root)
        for at in self.dag.reachable([top]):
            node, kids = self.node(at), self._open(at)
            term = self.put(node.op, node.payload, *(done[c] for c in kids)) if kids else at
            done[at] = self._usual.setdefault(self.form(term), term)
        return done[top]

    def reach(
        self,
        roots: Iterable[int],
        stop: Collection[int] = (),
        symbols: bool = False,
        top: int = -1,
    ) -> set[int]:
        """The parts of terms, down to where to stop (but at `top`); by `symbols` also what these are of."""

        def parts(at: int) -> Sequence[int]:
            node = self.node(at)
            inner = node.op in ENTRYWISE or node.op not in SYMBOLS
            if (at in stop and at != top) or not (inner or symbols):
                return ()
            if inner:
                return node.children
            meaning = self.directions[node.name]
            of = [source for source, _ in meaning.seeds[:1]] if node.op == "tangent" else [meaning.root]
            return *node.children, *of

        return {*parts_first(roots, parts)}


def _binds(node: ENode) -> bool:
    """Whether an operation sums over the edges of its payload."""
    return node.op in OPERATIONS and OPERATIONS[node.op].binds


def _named(node: ENode, names: Mapping[str, str]) -> Payload:
    """The edges of a payload under other names; of a solution they are in order."""
    if node.op == "solve":
        return tuple(names.get(edge, edge) for edge in node.pair)
    return frozenset(names.get(edge, edge) for edge in node.over)


def pairs(payload: Payload) -> list[tuple[str, str]]:
    """The names in a payload, two by two."""
    names = [str(name) for name in payload] if isinstance(payload, tuple) else []
    return list(zip(names[::2], names[1::2], strict=True))


def renaming(payload: Payload) -> dict[str, str]:
    """Which edges a rename reads under which names: one pair in a program, any number in a term."""
    return dict(pairs(payload))

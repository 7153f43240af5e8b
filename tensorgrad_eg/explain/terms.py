"""Terms as numbers: equal terms have one number, and edges are renamed where the variables are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from tensorgrad_eg.egraph.term import Dag
from tensorgrad_eg.explain.symbols import SYMBOLS, Direction, direction_name
from tensorgrad_eg.expr.operations import OPERATIONS, ENode

_BOUNDED = SYMBOLS | {"rename"}
_ONE = Fraction(1)

Pairs = tuple[tuple[str, str], ...]


class Terms:
    """Terms, with the size symbol of every label and the meaning of every direction.

    >>> terms = Terms({"i": "n"})
    >>> x = terms.put("variable", ("x", ("i",)))
    >>> terms.put("scale", Fraction(1), x) == x
    True
    """

    def __init__(self, symbols: Mapping[str, str | int] | None = None) -> None:
        """No terms yet."""
        self.dag = Dag()
        self.symbols: dict[str, str | int] = dict(symbols or {})
        self.directions: dict[str, Direction] = {}
        self._renamed: dict[tuple[int, Pairs], int] = {}

    def learn(self, symbols: Mapping[str, str | int]) -> None:
        """Takes in the size symbols of labels that are new.

        >>> terms = Terms({"i": "n"})
        >>> terms.learn({"i": "m", "j": "m"})
        >>> terms.symbols
        {'i': 'n', 'j': 'm'}
        """
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
        node = self.node(at)
        return node.payload if node.op == "number" and isinstance(node.payload, Fraction) else None

    def put(self, op: str, payload: Any = None, *children: int) -> int:
        """The number of a term; numbers are worked out: 1·a is a, a + a is 2a.

        >>> terms = Terms({"i": "n", "j": "n"})
        >>> x = terms.put("variable", ("x", ("i",)))
        >>> terms.node(terms.put("rename", ("i", "j"), x))
        ENode(op='variable', payload=('x', ('j',)), children=())
        """
        match op, payload:
            case "rename", _:
                return self.rename(children[0], renaming(payload))
            case "renames", (old, new):
                return self._renames(list(zip(old, new, strict=True)), children[0])
            case "deltas", (own, tips):
                return self._deltas(list(zip(own, tips, strict=True)))
            case "delta", (i, j) if i == j:
                return self._put("number", _ONE)
            case "scale", _:
                return self._scale(payload, children[0])
            case "reduce", _ if not payload or self.number(children[0]) == 0:
                return children[0]
            case "contract", _:
                return self._contract(payload, *children)
            case "add", _:
                return self._add(children)
            case "power", _ if payload == _ONE:
                return children[0]
        return self._put(op, payload, *children)

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

    def _put(self, op: str, payload: Any, *children: int) -> int:
        free = self._bound(op, payload, children) if op in _BOUNDED else None
        return self.dag.put(op, payload, *children, free=free)

    def _bound(self, op: str, payload: Any, children: tuple[int, ...]) -> frozenset[str]:
        """The edges of a symbol."""
        own = self.free(children[0])
        match op:
            case "slope" | "partial":
                return own
            case "rename":
                new = renaming(payload)
                return frozenset(new.get(edge, edge) for edge in own)
            case "gradient" | "read-gradient":
                return frozenset(payload[1])
        return own | self.directions[direction_name(payload)].tips

    def _contract(self, over: frozenset[str], left: int, right: int) -> int:
        for one, other in ((left, right), (right, left)):
            number = self.number(one)
            if number is not None:
                return self.put("scale", number, self.put("reduce", over, other))
        return self._put("contract", over, left, right)

    def _scale(self, factor: Fraction, at: int) -> int:
        node, number = self.node(at), self.number(at)
        if number is not None or factor == 0:
            return self._put("number", factor * (number or 0))
        if node.op == "scale" and isinstance(node.payload, Fraction):
            return self._scale(factor * node.payload, node.children[0])
        return at if factor == 1 else self._put("scale", factor, at)

    def _add(self, terms: tuple[int, ...]) -> int:
        total = sum((self.number(term) or Fraction(0) for term in terms), Fraction(0))
        times = Counter(term for term in terms if self.number(term) is None)
        rest = [self.put("scale", Fraction(n), term) for term, n in times.items()]
        if total or not rest:
            rest.append(self._put("number", total))
        return rest[0] if len(rest) == 1 else self._put("add", None, *rest)

    def _renames(self, pairs: list[tuple[str, str]], at: int) -> int:
        for old, new in reversed(pairs):
            at = self.rename(at, {old: new})
        return at

    def _deltas(self, pairs: list[tuple[str, str]]) -> int:
        at = self._put("number", _ONE)
        for i, j in pairs:
            at = self.put("contract", frozenset(), at, self.put("delta", (i, j)))
        return at

    # -- other names for edges
    def rename(self, at: int, names: Mapping[str, str]) -> int:
        """The term with other names for its edges, exchanged all at once and written down at the variables.

        >>> terms = Terms({"i": "n", "j": "n"})
        >>> a = terms.put("variable", ("A", ("i", "j")))
        >>> terms.node(terms.rename(a, {"i": "j", "j": "i"})).payload
        ('A', ('j', 'i'))
        """
        root = self._pairs(at, names)
        stack = [(at, root)]
        while stack:
            one, pairs = stack[-1]
            if (one, pairs) in self._renamed or not pairs:
                stack.pop()
                continue
            inner = self._inner(one, dict(pairs))
            missing = [(c, p) for c, p in inner if p and (c, p) not in self._renamed]
            if missing:
                stack.extend(missing)
            else:
                stack.pop()
                kids = [self._renamed[c, p] if p else c for c, p in inner]
                self._renamed[one, pairs] = self._under(one, dict(pairs), kids)
        return self._renamed[at, root] if root else at

    def read_as(self, at: int, names: Mapping[str, str]) -> int:
        """The term read under other names, which are noted but not written down at the variables."""
        pairs = self._pairs(at, names)
        return self._put("rename", pairs, at) if pairs else at

    def _pairs(self, at: int, names: Mapping[str, str]) -> Pairs:
        free = self.free(at)
        return tuple(sorted((old, new) for old, new in names.items() if old in free and old != new))

    def _inner(self, at: int, names: dict[str, str]) -> list[tuple[int, Pairs]]:
        """What the parts of a term are to be renamed to, its own bound edges stepping aside."""
        node = self.node(at)
        if node.op in _BOUNDED or self._stays(at, names):
            return []
        names = names | self._aside(at, names)
        return [(c, self._pairs(c, names)) for c in node.children]

    def _stays(self, at: int, names: Mapping[str, str]) -> bool:
        """Whether names cannot go into a term: a diagonal of a softmax is no softmax of a diagonal."""
        node = self.node(at)
        if node.op != "softmax" or not isinstance(node.payload, frozenset):
            return False
        now = [names.get(edge, edge) for edge in self.free(at)]
        return any(now.count(names.get(edge, edge)) > 1 for edge in node.payload)

    def _aside(self, at: int, names: dict[str, str]) -> dict[str, str]:
        """New names for bound edges that would capture one of the names."""
        node = self.node(at)
        if not binds(node):
            return {}
        taken = self.free(at) | set(names.values()) | node.over
        aside: dict[str, str] = {}
        for edge in sorted(node.over & set(names.values())):
            aside[edge] = edge + "'"
            while aside[edge] in taken:
                aside[edge] += "'"
            taken |= {aside[edge]}
            self.learn({aside[edge]: self.symbols.get(edge, edge)})
        return aside

    def _under(self, at: int, names: dict[str, str], kids: list[int]) -> int:
        """One operation under other names, its parts being renamed already."""
        node = self.node(at)
        payload: Any = node.payload
        match node.op:
            case "variable":
                return self.put("variable", (payload[0], tuple(names.get(a, a) for a in payload[1])))
            case "delta":
                return self.put("delta", tuple(names.get(e, e) for e in payload))
            case "softmax" if self._stays(at, names):
                return self.read_as(at, names)
            case "softmax":
                return self.put("softmax", frozenset(names.get(e, e) for e in payload), *kids)
            case op if binds(node):
                aside = self._aside(at, names)
                return self.put(op, frozenset(aside.get(e, e) for e in payload), *kids)
            case "rename":
                inner, read = node.children[0], renaming(payload)
                now = {edge: read.get(edge, edge) for edge in self.free(inner)}
                return self.read_as(inner, {edge: names.get(name, name) for edge, name in now.items()})
            case op if op in SYMBOLS:
                return self.read_as(at, names)
        return self.put(node.op, payload, *kids)


def binds(node: ENode) -> bool:
    """Whether an operation sums over the edges of its payload.

    >>> binds(ENode("logsumexp", frozenset("k"), (0,))), binds(ENode("softmax", frozenset("k"), (0,)))
    (True, False)
    """
    return node.op in OPERATIONS and OPERATIONS[node.op].binds


def renaming(payload: Any) -> dict[str, str]:
    """Which edges a rename reads under which names: one pair in a program, any number in a term.

    >>> renaming(("i", "j")), renaming((("i", "j"), ("k", "l")))
    ({'i': 'j'}, {'i': 'j', 'k': 'l'})
    """
    return {payload[0]: payload[1]} if isinstance(payload[0], str) else dict(payload)

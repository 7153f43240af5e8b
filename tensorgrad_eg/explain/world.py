"""The terms of a derivation, and which of them count as the same.

All steps of a derivation share one world: whether a rule changed a term is a comparison of numbers, and what
is evaluated or printed once is known for all steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tensorgrad_eg.explain.symbols import SYMBOLS
from tensorgrad_eg.explain.terms import Terms, binds, renaming
from tensorgrad_eg.expr.operations import ENode


class World(Terms):
    """Terms that can be told apart by what they say alone.

    >>> world = World({"i": "n"})
    >>> x, y = (world.put("variable", (name, ("i",))) for name in "xy")
    >>> first, other = (world.put("contract", frozenset(), *pair) for pair in ((x, y), (y, x)))
    >>> first == other, world.form(first) == world.form(other)
    (False, True)
    """

    def __init__(self, symbols: Mapping[str, str | int] | None = None) -> None:
        """No terms yet."""
        super().__init__(symbols)
        self._forms: dict[int, int] = {}
        self._keys: dict[tuple[object, ...], int] = {}
        self._usual: dict[int, int] = {}
        self._plain: dict[int, int] = {}

    def atomic(self, at: int) -> bool:
        """Whether a term is a derivative that is not worked out, perhaps under other names.

        >>> world = World({"i": "n"})
        >>> world.atomic(world.put("slope", "exp", world.put("variable", ("x", ("i",)))))
        True
        """
        node = self.node(at)
        return node.op in SYMBOLS or (node.op == "rename" and self.atomic(node.children[0]))

    def plain(self, root: int) -> int:
        """The term with the shortest names for bound edges: terms that differ in these alone are one.

        >>> world = World({"i": "n", "i'": "n"})
        >>> reads = {edge: world.put("variable", ("x", (edge,))) for edge in ("i", "i'")}
        >>> one, other = (world.put("reduce", frozenset([edge]), x) for edge, x in reads.items())
        >>> world.plain(one) == world.plain(other) == one
        True
        """
        stack = [root]
        while stack:
            at = stack[-1]
            parts = () if self.atomic(at) else self.node(at).children
            missing = [part for part in parts if part not in self._plain]
            if missing and at not in self._plain:
                stack.extend(missing)
                continue
            stack.pop()
            if at not in self._plain:
                kids = [self._plain[part] for part in parts]
                self._plain[at] = self._rebound(self.node(at), kids) if kids else at
                self._plain.setdefault(self._plain[at], self._plain[at])
        return self._plain[root]

    def _rebound(self, node: ENode, kids: list[int]) -> int:
        """An operation with the shortest names for the edges it sums over."""
        payload: Any = node.payload
        if node.op == "rename":
            inner = self.rename(kids[0], renaming(payload))
            return inner if self.node(inner).op == "rename" else self.plain(inner)
        if not binds(node):
            return self.put(node.op, payload, *kids)
        taken = frozenset[str]().union(*map(self.free, kids)) - payload
        names: dict[str, str] = {}
        for label in sorted(payload):
            names[label] = self._shortest(label, taken | frozenset(names.values()))
        if all(old == new for old, new in names.items()):
            return self.put(node.op, payload, *kids)
        renamed = [self.plain(self.rename(kid, names)) for kid in kids]
        return self.put(node.op, frozenset(names.values()), *renamed)

    def _shortest(self, label: str, taken: frozenset[str]) -> str:
        """The label without apostrophes, or with as few as it takes to be of its size and not taken."""
        size, name = self.symbols.get(label, label), label.rstrip("'")
        while name in taken or self.symbols.setdefault(name, size) != size:
            name += "'"
        return name

    def form(self, root: int) -> int:
        """A number that is the same for terms that differ only in bound names and in the order of factors.

        >>> world = World({"i": "n"})
        >>> world.form(world.put("variable", ("x", ("i",))))
        0
        """
        at = self.plain(root)
        if at not in self._forms:
            for one in self.dag.reachable([at]):
                if one not in self._forms:
                    node = self.node(one)
                    kids = [self._forms[c] for c in node.children]
                    if node.op in ("contract", "add"):
                        kids.sort()
                    key = (node.op, node.payload, tuple(kids))
                    self._forms[one] = self._keys.setdefault(key, len(self._keys))
        return self._forms[at]

    def usual(self, root: int) -> int:
        """The plain term with factors and terms in the order in which they were first written.

        >>> world = World({"i": "n"})
        >>> x, y = (world.put("variable", (name, ("i",))) for name in "xy")
        >>> first, other = (world.put("contract", frozenset(), *pair) for pair in ((x, y), (y, x)))
        >>> world.usual(first) == world.usual(other) == first
        True
        """
        done: dict[int, int] = {}
        top = self.plain(root)
        for at in self.dag.reachable([top]):
            node, term = self.node(at), at
            if not self.atomic(at):
                term = self.put(node.op, node.payload, *(done[c] for c in node.children))
            done[at] = self._usual.setdefault(self.form(term), term)
        return done[top]

"""What a system of equations says of a term when every symbol is replaced by its right-hand side."""

from __future__ import annotations

from collections.abc import Mapping

from tensorgrad_eg.explain.symbols import SYMBOLS
from tensorgrad_eg.explain.world import World


class Expansion:
    """Terms with all equations put in.

    >>> world = World({"i": "n"})
    >>> x = world.put("variable", ("x", ("i",)))
    >>> d = world.put("slope", "exp", x)
    >>> expansion = Expansion(world, {d: world.put("apply", "exp", x)})
    >>> expansion.of(world.put("scale", 2, d)) == world.put("scale", 2, world.put("apply", "exp", x))
    True
    """

    def __init__(self, world: World, equations: Mapping[int, int]) -> None:
        """Of these equations, left-hand sides to right-hand sides."""
        self.world, self.equations = world, equations
        self.done: dict[int, int] = {}

    def of(self, root: int) -> int:
        """The term with the equations put in, again and again."""
        stack, open_ = [root], set[int]()
        while stack:
            at = stack[-1]
            parts = self._parts(at)
            missing = [] if at in open_ else [p for p in parts if p not in self.done]
            open_.add(at)
            if missing and at not in self.done:
                stack.extend(missing)
                continue
            stack.pop()
            if at not in self.done:
                self.done[at] = self._expanded(at, [self.done.get(p, p) for p in parts])
        return self.done[root]

    def same(self, one: int, other: int) -> bool:
        """Whether two terms are one when the equations are put in; the order of factors does not count."""
        return self.world.form(self.of(one)) == self.world.form(self.of(other))

    def _parts(self, at: int) -> list[int]:
        if at in self.equations:
            return [self.equations[at]]
        node = self.world.node(at)
        return [] if node.op in SYMBOLS else list(node.children)

    def _expanded(self, at: int, parts: list[int]) -> int:
        node = self.world.node(at)
        if at in self.equations:
            return parts[0]
        return (
            at if not parts or parts == list(node.children) else self.world.put(node.op, node.payload, *parts)
        )

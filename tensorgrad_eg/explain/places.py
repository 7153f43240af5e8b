"""Where two terms that are worth the same differ: the smallest parts that do."""

from __future__ import annotations

from tensorgrad_eg.explain.symbols import SYMBOLS
from tensorgrad_eg.explain.values import Values
from tensorgrad_eg.explain.world import World

Place = tuple[int, int]


def places(world: World, values: Values, before: int, after: int) -> list[Place]:
    """Pairs of parts, before and after, each pair once; between them the terms are the same.

    >>> from fractions import Fraction
    >>> world = World({"i": "n"})
    >>> x = world.put("variable", ("x", ("i",)))
    >>> square, product = world.put("power", Fraction(2), x), world.put("contract", frozenset(), x, x)
    >>> one, other = (world.put("apply", "exp", part) for part in (square, product))
    >>> places(world, Values(world), one, other) == [(square, product)]
    True
    """
    found: dict[tuple[int, int], Place] = {}
    seen: set[Place] = set()
    stack = [(before, after)]
    while stack:
        one, other = stack.pop()
        if (one, other) in seen or world.form(one) == world.form(other):
            continue
        seen.add((one, other))
        pairs = _pairs(world, values, one, other)
        if pairs:
            stack.extend(reversed(pairs))
        else:
            found.setdefault((world.form(one), world.form(other)), (one, other))
    return list(found.values())


def _pairs(world: World, values: Values, one: int, other: int) -> list[Place]:
    """The parts that correspond and differ; none, if the two differ themselves."""
    left, right = world.node(one), world.node(other)
    if (left.op, left.payload) != (right.op, right.payload) or left.op in SYMBOLS or left.op == "rename":
        return []
    mine, theirs = _without_common(world, left.children, right.children)
    if len(mine) != len(theirs):
        return []
    if left.op not in ("contract", "add"):
        return [(mine[0], theirs[0])] if values.equal(mine[0], theirs[0]) else []
    pairs: list[Place] = []
    for part in mine:
        match = next((p for p in theirs if values.equal(part, p)), None)
        if match is None:
            return []
        theirs.remove(match)
        pairs.append((part, match))
    return pairs


def _without_common(
    world: World, left: tuple[int, ...], right: tuple[int, ...]
) -> tuple[list[int], list[int]]:
    mine, theirs = list(left), list(right)
    for part in left:
        match = next((p for p in theirs if world.form(p) == world.form(part)), None)
        if match is not None:
            mine.remove(part)
            theirs.remove(match)
    return mine, theirs

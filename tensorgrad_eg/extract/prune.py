"""What an optimal program cannot contain: unreachable, dominated and over-bound ways."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tensorgrad_eg.extract.priced import Priced


def prune(priced: Priced, roots: Sequence[int], upper: float) -> dict[int, list[int]]:
    """The ways that may still be in a program cheaper than `upper`, by group; only what the roots can need.

    A way is dominated if another of its group costs no more and reads a subset of what it reads. It is over
    bound if what it costs at the very least, with the dearest single chain below it, is more than the whole
    program known.

    Example:
        >>> from tensorgrad_eg.egraph.snapshot import Snapshot
        >>> from tensorgrad_eg.egraph.term import ENode
        >>> from tensorgrad_eg.extract.priced import price
        >>> s = Snapshot({0: [ENode("variable", ("x", ("i",)))]}, {0: frozenset("i")}, {"e": 0}, {"i": "n"})
        >>> prune(price(s, {"n": 7}), [0], 1.0)
        {0: [0]}
    """
    kept = {g: _undominated(priced, range(*priced.span(g))) for g in priced.owner.tolist()}
    least = _least(priced, kept)
    below: dict[int, list[int]] = {}
    stack = list(roots)
    while stack:
        at = stack.pop()
        if at in below:
            continue
        below[at] = [w for w in kept[at] if _bound(priced, w, least) <= upper + 1e-6]
        stack.extend(c for w in below[at] for c in priced.ways[w].children)
    return dict(sorted(below.items()))


def _undominated(priced: Priced, ways: range) -> list[int]:
    kept: list[int] = []
    for way in sorted(ways, key=lambda w: (priced.prices[w], len(priced.ways[w].children), w)):
        kids = set(priced.ways[way].children)
        if not any(set(priced.ways[k].children) <= kids for k in kept):
            kept.append(way)
    return sorted(kept)


def _least(priced: Priced, kept: dict[int, list[int]]) -> dict[int, float]:
    """A lower bound of what each group costs: its cheapest way with the dearest of its children."""
    least = dict.fromkeys(kept, 0.0)
    changed = True
    for _ in range(len(kept)):
        if not changed:
            break
        changed = False
        for group, ways in kept.items():
            bound = min((_bound(priced, w, least) for w in ways), default=math.inf)
            if bound > least[group] + 1e-9:
                least[group], changed = bound, True
    return least


def _bound(priced: Priced, way: int, least: dict[int, float]) -> float:
    return priced.prices[way] + max((least.get(c, math.inf) for c in priced.ways[way].children), default=0.0)

"""What an optimal program cannot contain: unreachable, dominated and over-bound ways."""

from __future__ import annotations

import math
from collections.abc import Sequence
from heapq import heappop, heappush

from tensorgrad_eg.extract.priced import Option, Priced


def prune(priced: Priced, roots: Sequence[int], upper: int) -> dict[int, list[int]]:
    """The ways that may still be in a program cheaper than `upper`, by group; only what the roots can need.

    A way is dominated if another of its group costs no more and reads a subset of what it reads. It is over
    bound if what it costs at the very least, with the dearest single chain below it, is more than the whole
    program known.

    Example:
        >>> from tensorgrad_eg.egraph.snapshot import Snapshot
        >>> from tensorgrad_eg.expr.operations import ENode
        >>> from tensorgrad_eg.extract.priced import price
        >>> s = Snapshot({0: [ENode("variable", ("x", ("i",)))]}, {0: frozenset("i")}, {"e": 0}, {"i": "n"})
        >>> prune(price(s, {"n": 7}), [0], 1)
        {0: [0]}
    """
    kept = {group: _undominated(own) for group, own in priced.options.items()}
    least = _least(priced, kept)
    below: dict[int, list[int]] = {}
    stack = list(roots)
    while stack:
        at = stack.pop()
        if at in below:
            continue
        below[at] = [w for w in kept[at] if _bound(priced, w, least) <= upper]
        stack.extend(c for w in below[at] for c in priced.ways[w].children)
    return dict(sorted(below.items()))


def _undominated(own: Sequence[Option]) -> list[int]:
    kept: list[tuple[int, frozenset[int]]] = []
    for _, way, children in sorted(own, key=lambda one: (one[0], len(one[2]), one[1])):
        reads = frozenset(children)
        if not any(fewer <= reads for _, fewer in kept):
            kept.append((way, reads))
    return sorted(way for way, _ in kept)


def _least(priced: Priced, kept: dict[int, list[int]]) -> dict[int, int]:
    """A lower bound of what each group costs: its cheapest way with the dearest of its children.

    Groups are settled once, the cheapest first (Knuth 1977): a way is as dear as the last child it waits for.
    """
    owner: dict[int, int] = {}
    missing: dict[int, int] = {}
    waiting: dict[int, list[int]] = {}
    queue: list[tuple[int, int]] = []
    for group, ways in kept.items():
        for way in ways:
            owner[way], missing[way] = group, len(priced.reads[way])
            if not missing[way]:
                heappush(queue, (priced.units[way], way))
            for child in priced.reads[way]:
                waiting.setdefault(child, []).append(way)
    least: dict[int, int] = {}
    while queue:
        bound, way = heappop(queue)
        if owner[way] in least:
            continue
        least[owner[way]] = bound
        for reader in waiting.get(owner[way], ()):
            missing[reader] -= 1
            if not missing[reader]:
                heappush(queue, (priced.units[reader] + bound, reader))
    return least


def _bound(priced: Priced, way: int, least: dict[int, int]) -> float:
    return priced.units[way] + max((least.get(child, math.inf) for child in priced.reads[way]), default=0)

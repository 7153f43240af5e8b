"""Shortest hyperpaths: the cheapest way to some groups, where others are free (Knuth 1977).

A region is looked at twice. From the top down, by the prices on the way: what can only be reached for more
than the limit is left out, and so is all that stands below it. Then from the bottom up, each group once, the
nearest first, until the groups wanted are reached.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from heapq import heappop, heappush

from tensorgrad_eg.errors import LostTermError
from tensorgrad_eg.extract.priced import Option

#: What a group costs a route, if that is known; else it is routed itself, or may not be used.
FREE, OPEN, BARRED = 0, -1, -2


@dataclass(slots=True)
class _Waiting:
    """A way that waits for groups below it: how many still, and what it costs with those that are known."""

    missing: int
    cost: int
    group: int
    way: int


class Routes:
    """Shortest hyperpaths to the groups wanted, found one by one.

    `kind` says what a group costs, or that it is open or barred. Ways of `without` are not taken, nor what
    costs `limit` or more on its own; after `reach` groups no more are looked at.
    """

    def __init__(
        self,
        options: dict[int, list[Option]],
        wanted: Iterable[int],
        kind: Callable[[int], int],
        *,
        limit: int | None = None,
        reach: int | None = None,
        without: Collection[int] = (),
    ) -> None:
        """Looks at what stands below, and begins at its leaves."""
        self.kinds: dict[int, int] = dict.fromkeys(wanted, OPEN)
        self.way: dict[int, int] = {}
        self._options, self._kind, self._limit, self._reach = options, kind, limit, reach
        self._without = without
        self._dist: dict[int, int] = {}
        self._waiting: dict[int, list[_Waiting]] = {}
        self._queue: list[tuple[int, int, int]] = []
        self._explore()

    def _explore(self) -> None:
        """Finds the ways that may be part of a route, groups with the least above them first."""
        queue = [(0, group) for group in sorted(self.kinds)]
        seen: set[int] = set()
        while queue and (self._reach is None or len(seen) < self._reach):
            above, group = heappop(queue)
            if group not in seen:
                seen.add(group)
                self._open(group, above, queue, seen)

    def _open(self, group: int, above: int, queue: list[tuple[int, int]], seen: set[int]) -> None:
        kinds = self.kinds
        for price, way, children in self._options.get(group, ()):
            if self._limit is not None and above + price >= self._limit:
                break  # the cheapest come first
            if way in self._without:
                continue
            below: list[int] = []
            known = price
            for child in children:
                found = kinds.get(child)
                if found is None:
                    found = kinds[child] = self._kind(child)
                if found == BARRED:
                    break
                if found == OPEN:
                    below.append(child)
                else:
                    known += found
            else:
                if not below:
                    heappush(self._queue, (known, way, group))
                    continue
                entry = _Waiting(len(below), known, group, way)
                for child in below:
                    self._waiting.setdefault(child, []).append(entry)
                    if child not in seen:
                        heappush(queue, (above + price, child))

    def next(self, wanted: Collection[int]) -> int:
        """The next of these groups that is reached.

        Raises:
            LostTermError: if none can be: rules of a user have left nothing that computes them.
        """
        found = self.nearest(wanted)
        if found is None:
            raise LostTermError.of()
        return found

    def nearest(self, wanted: Collection[int]) -> int | None:
        """The next of these groups that is reached; None if there is none."""
        dist, way = self._dist, self.way
        while self._queue:
            cost, number, group = heappop(self._queue)
            before = dist.get(group)
            if before is not None and before <= cost:
                continue
            dist[group], way[group] = cost, number
            for entry in self._waiting.get(group, ()):
                if before is None:
                    entry.missing -= 1
                    entry.cost += cost
                else:
                    entry.cost += cost - before
                if not entry.missing:
                    known = dist.get(entry.group)
                    if known is None or entry.cost < known:
                        heappush(self._queue, (entry.cost, entry.way, entry.group))
            if group in wanted:
                return group
        return None

    def take(self, group: int, ways: list[tuple[int, ...]]) -> dict[int, int]:
        """The ways on which a group was reached, children first; from now on they cost nothing.

        `ways` has what every way reads.
        """
        chosen: dict[int, int] = {}
        stack = [group]
        while stack:
            at = stack.pop()
            if at in chosen or self.kinds.get(at) != OPEN:
                continue
            chosen[at] = self.way[at]
            stack.extend(ways[chosen[at]])
        ordered = sorted(chosen.items(), key=lambda one: self._dist[one[0]])
        for at, way in ordered:
            self.kinds[at] = FREE
            heappush(self._queue, (0, way, at))
        return dict(ordered)

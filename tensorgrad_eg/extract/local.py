"""Routing one tensor anew while everything else stays: a shortest hyperpath nearby."""

from __future__ import annotations

import math

from tensorgrad_eg.extract.priced import Priced

#: How many groups one reroute looks at.
_REACH = 400


class Local:
    """Shortest hyperpaths to one group where `paid` groups are free and `barred` ones cannot be used."""

    def __init__(self, priced: Priced, paid: set[int], barred: set[int]) -> None:
        """Sets what is free, and what is barred: what depends on the group would close a cycle."""
        self.priced, self.paid, self.barred = priced, paid, barred

    def route(self, group: int) -> dict[int, int] | None:
        """The ways to choose, the group's own first; None if there is none."""
        inside = self._reachable(group)
        dist = self._settle(inside)
        if group not in dist:
            return None
        choice: dict[int, int] = {}
        stack = [group]
        while stack:
            at = stack.pop()
            if at not in choice and at not in self.paid:
                choice[at] = min(self._span(at), key=lambda way: (self._reach(way, dist), way))
                stack.extend(self.priced.ways[choice[at]].children)
        return choice

    def _span(self, group: int) -> range:
        return range(*self.priced.span(group)) if group in self.priced._spans else range(0)

    def _reachable(self, group: int) -> list[int]:
        """Groups below, down to paid ones; the nearest first."""
        order, seen = [group], {group}
        for at in order:
            for way in self._span(at):
                for child in self.priced.ways[way].children:
                    if child not in seen and child not in self.paid and child not in self.barred:
                        seen.add(child)
                        order.append(child)
            if len(order) > _REACH:
                break
        return order

    def _settle(self, inside: list[int]) -> dict[int, float]:
        dist: dict[int, float] = {}
        changed = True
        while changed:
            changed = False
            for at in reversed(inside):
                best = min((self._reach(way, dist) for way in self._span(at)), default=math.inf)
                if best < dist.get(at, math.inf) * (1 - 1e-12) - 1e-9 if at in dist else best < math.inf:
                    dist[at] = best
                    changed = True
        return dist

    def _reach(self, way: int, dist: dict[int, float]) -> float:
        total = self.priced.prices[way]
        for child in self.priced.ways[way].children:
            if child in self.paid:
                continue
            if child in self.barred or child not in dist:
                return math.inf
            total += dist[child]
        return total

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
        ways = self._settle(self._reachable(group))
        if group not in ways:
            return None
        choice: dict[int, int] = {}
        stack = [group]
        while stack:
            at = stack.pop()
            if at not in choice and at not in self.paid:
                choice[at] = ways[at]
                stack.extend(self.priced.ways[choice[at]].children)
        return choice

    def _reachable(self, group: int) -> list[int]:
        """Groups below, down to paid ones; the nearest first."""
        order, seen = [group], {group} | self.paid | self.barred
        below = self.priced.below
        for at in order:
            for child in below.get(at, ()):
                if child not in seen:
                    seen.add(child)
                    order.append(child)
            if len(order) > _REACH:
                break
        return order

    def _settle(self, inside: list[int]) -> dict[int, int]:
        """The way on which each group came closest: sweeps from far to near over what may have changed."""
        dist = dict.fromkeys(self.paid, 0.0)
        ways: dict[int, int] = {}
        options, above = self.priced.options, self.priced.above
        stale = set(inside)
        while True:
            changed = False
            for at in reversed(inside):
                if at not in stale:
                    continue
                stale.discard(at)
                best, last = math.inf, 0
                for number, (total, children) in enumerate(options.get(at, ())):
                    for child in children:
                        total += dist.get(child, math.inf)
                    if total < best:
                        best, last = total, number
                if best < dist[at] * (1 - 1e-12) - 1e-9 if at in dist else best < math.inf:
                    dist[at], ways[at] = best, self.priced.span(at)[0] + last
                    changed = True
                    stale.update(above.get(at, ()))
            if not changed:
                return ways

"""Joint extraction: the cheapest program for all outputs, each shared tensor paid once.

Optimal extraction of shared programs is NP-hard (Stepp 2011; Goharshady et al. 2024). A program known to be good is the start;
then parts of it are ripped up and routed anew along shortest hyperpaths (Knuth 1977) on which what stands is free.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tensorgrad_eg.extract.priced import Priced

Dist = NDArray[np.float64]
#: Worse programs are accepted with probability exp(-Δ / (this · cost)), to leave local minima.
_TEMPERATURE = 3e-3


@dataclass
class Solution:
    """A choice of one way for every group that the outputs need."""

    choice: dict[int, int]
    cost: float


class Extractor:
    """Extraction on one priced e-graph."""

    def __init__(self, priced: Priced, roots: Iterable[int], seed: int = 0) -> None:
        """Prepares the prices; `roots` are the groups wanted."""
        self.priced = priced
        self.roots = list(dict.fromkeys(roots))
        self.random = random.Random(seed)
        self._far = np.full(priced.groups + 1, math.inf)
        self._far[priced.groups] = 0.0
        self._base = self.distances(())

    def distances(self, paid: Iterable[int], start: Dist | None = None) -> Dist:
        """Shortest hyperpath to every group, with the paid groups free."""
        priced = self.priced
        dist = (self._far if start is None else start).copy()
        free = list(paid)
        if free:
            dist[free] = 0.0
        if not len(priced.start):
            return dist
        while True:
            reach = priced.price + dist[priced.child].sum(axis=1)
            best = np.minimum.reduceat(reach, priced.start)
            better = best < dist[priced.owner] - 1e-9
            if not better.any():
                return dist
            dist[priced.owner[better]] = best[better]

    def route(self, root: int, choice: dict[int, int], dist: Dist) -> None:
        """Adds the shortest way to a root to the choice; what is chosen already stays."""
        priced = self.priced
        stack = [root]
        while stack:
            at = stack.pop()
            if at in choice:
                continue
            first = int(np.searchsorted(priced.owner, at))
            low = int(priced.start[first])
            high = int(priced.start[first + 1]) if first + 1 < len(priced.start) else len(priced.group)
            reach = priced.price[low:high] + dist[priced.child[low:high]].sum(axis=1)
            choice[at] = low + int(np.argmin(reach))
            stack.extend(c for c in priced.ways[choice[at]].children if c not in choice)

    def complete(self, choice: dict[int, int]) -> Solution:
        """Routes every root that is missing, the nearest first, and drops what nothing needs."""
        choice = dict(choice)
        missing = [r for r in self.roots if r not in choice]
        dist = self.distances(choice, self._base) if missing else self._base
        while missing:
            root = min(missing, key=lambda r: (dist[r], r))
            self.route(root, choice, dist)
            missing = [r for r in missing if r not in choice]
            if missing:
                dist = self.distances(choice, dist)
        return self.trimmed(choice)

    def trimmed(self, choice: dict[int, int]) -> Solution:
        """Keeps what the roots need, and adds up."""
        needed: dict[int, int] = {}
        stack = list(self.roots)
        while stack:
            at = stack.pop()
            if at not in needed:
                needed[at] = choice[at]
                stack.extend(self.priced.ways[choice[at]].children)
        return Solution(needed, float(self.priced.price[list(needed.values())].sum()) if needed else 0.0)

    def tree_choice(self) -> Solution:
        """Every group by its own shortest way, as if nothing were shared."""
        choice: dict[int, int] = {}
        for root in self.roots:
            self.route(root, choice, self._base)
        return self.trimmed(choice)

    def amortised(self, rounds: int = 6) -> Solution:
        """Prices divided among users: what many read looks cheap to each of them."""
        best = self.complete({})
        current = best
        for _ in range(rounds):
            users = np.ones(self.priced.groups + 1)
            for way in current.choice.values():
                for child in set(self.priced.ways[way].children):
                    users[child] += 1
            saved = self.priced.price
            self.priced.price = saved / np.maximum(users[self.priced.group] - 1, 1)
            choice: dict[int, int] = {}
            dist = self.distances(())
            self.priced.price, shared = saved, self.priced.price
            for root in self.roots:
                self.priced.price = shared
                self.route(root, choice, dist)
                self.priced.price = saved
            found = self.trimmed(choice)
            if found.cost >= best.cost - 1e-9 and found.choice == current.choice:
                break
            current = found
            best = min(best, found, key=lambda s: s.cost)
        return best

    def rip_up(self, solution: Solution, drop: Iterable[int]) -> Solution:
        """Takes some groups out with everything that used them, and completes again."""
        users: dict[int, list[int]] = {}
        for at, way in solution.choice.items():
            for child in self.priced.ways[way].children:
                users.setdefault(child, []).append(at)
        gone: set[int] = set()
        stack = list(drop)
        while stack:
            at = stack.pop()
            if at not in gone:
                gone.add(at)
                stack.extend(users.get(at, []))
        return self.complete({at: way for at, way in solution.choice.items() if at not in gone})

    def improve(self, solution: Solution, steps: int, stop: Callable[[float], bool] = lambda cost: False) -> Solution:
        """Rip-up and reroute, a fixed number of steps (so that the result does not depend on the clock)."""
        best = current = solution
        quiet = 0
        for _ in range(steps):
            if stop(best.cost) or not current.choice:
                break
            dear = sorted(current.choice, key=lambda g: (-self.priced.price[current.choice[g]], g))
            if self.random.random() < 0.5:
                pool = dear[: max(4, len(dear) // 4)]
            else:
                pool = dear
            count = self.random.randint(1, min(5, len(pool)))
            found = self.rip_up(current, self.random.sample(pool, count))
            gain = current.cost - found.cost
            if gain >= 0 or self.random.random() < math.exp(gain / (_TEMPERATURE * max(current.cost, 1.0))):
                current = found
            quiet = 0 if found.cost < best.cost - 1e-6 else quiet + 1
            if found.cost < best.cost - 1e-6:
                best = found
            if quiet and quiet % 25 == 0:
                current = best
        return best

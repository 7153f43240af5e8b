"""Joint extraction: the cheapest program for all outputs, each shared tensor paid once.

Optimal extraction of shared programs is NP-hard (Stepp 2011; Goharshady et al. 2024). A program known to be
good is the start; then parts of it are ripped up and routed anew along shortest hyperpaths (Knuth 1977) on
which what stands is free.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tensorgrad_eg.deadline import Deadline
from tensorgrad_eg.extract.local import Local
from tensorgrad_eg.extract.priced import Priced

Dist = NDArray[np.float64]
#: Worse programs are accepted with probability exp(-Δ / (this · cost)), to leave local minima.
_TEMPERATURE = 3e-3
#: How many of the moves are detours.
_DETOURS = 0.5


@dataclass
class Routes:
    """The length of the shortest hyperpath found to every group, and the way on which it ends.

    Ways are those by which a group came closer last. To follow these has an end, also where lengths are so
    great that the price of a step is lost in them: what is read by every second layer counts twice a layer.
    """

    dist: Dist
    way: NDArray[np.intp]


@dataclass
class Solution:
    """A choice of one way for every group that the outputs need."""

    choice: dict[int, int]
    cost: float


class Extractor:
    """Extraction on one priced e-graph."""

    def __init__(
        self, priced: Priced, roots: Iterable[int], seed: int = 0, deadline: Deadline | None = None
    ) -> None:
        """Prepares the prices; `roots` are the groups wanted. At the deadline a search ends."""
        self.deadline = deadline or Deadline()
        self.priced = priced
        self.roots = list(dict.fromkeys(roots))
        self.random = random.Random(seed)
        dist = np.full(priced.groups + 1, math.inf)
        dist[priced.groups] = 0.0
        self._far = Routes(dist, np.full(priced.groups + 1, -1))
        counts = np.diff([*priced.start.tolist(), len(priced.ways)])
        self._place = np.repeat(np.arange(len(counts)), counts)
        self._base = self.routes(())

    def routes(self, paid: Iterable[int], start: Routes | None = None, price: Dist | None = None) -> Routes:
        """Shortest hyperpaths to every group, with the paid groups free, at these prices of the ways."""
        priced = self.priced
        price = priced.price if price is None else price
        start = self._far if start is None else start
        dist, way = start.dist.copy(), start.way.copy()
        free = list(paid)
        if free:
            dist[free] = 0.0
        while len(priced.start):
            reach = price + dist[priced.child].sum(axis=1)
            best = np.minimum.reduceat(reach, priced.start)
            better = best < dist[priced.owner] * (1 - 1e-12) - 1e-9
            if not better.any():
                break
            dist[priced.owner[better]] = best[better]
            last = np.flatnonzero(better[self._place] & (reach == best[self._place]))[::-1]
            way[priced.owner[self._place[last]]] = last  # of equal ways the first
        return Routes(dist, way)

    def route(self, root: int, choice: dict[int, int], routes: Routes) -> None:
        """Adds the shortest way to a root to the choice; what is chosen already stays."""
        stack = [root]
        while stack:
            at = stack.pop()
            if at not in choice:
                choice[at] = int(routes.way[at])
                stack.extend(c for c in self.priced.ways[choice[at]].children if c not in choice)

    def complete(self, choice: dict[int, int]) -> Solution:
        """Routes every root that is missing, the nearest first, and drops what nothing needs."""
        choice = dict(choice)
        missing = [r for r in self.roots if r not in choice]
        routes = self.routes(choice, self._base) if missing else self._base
        while missing:
            dist = routes.dist
            root = min(missing, key=lambda r: (dist[r], r))
            self.route(root, choice, routes)
            missing = [r for r in missing if r not in choice]
            if missing:
                routes = self.routes(choice, routes)
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

    def seeded(self, known: Mapping[int, int]) -> Solution:
        """The program that is known already; what the e-graph has lost of it is routed anew."""
        choice: dict[int, int] = {}
        for at, way in known.items():  # children come first
            if all(c in choice for c in self.priced.ways[way].children):
                choice[at] = way
        return self.complete(choice)

    def tree_choice(self) -> Solution:
        """Every group by its own shortest way, as if nothing were shared."""
        choice: dict[int, int] = {}
        for root in self.roots:
            self.route(root, choice, self._base)
        return self.trimmed(choice)

    def rip_up(self, solution: Solution, drop: Iterable[int]) -> Solution:
        """Takes some groups out with everything that used them, and completes again."""
        gone = self._above(solution.choice, drop)
        return self.complete({at: way for at, way in solution.choice.items() if at not in gone})

    def detour(self, solution: Solution, drop: Iterable[int]) -> Solution:
        """The same, but these groups may not take the ways they had: what is a little dearer for one of
        them may be shared by others later.
        """
        drop = list(drop)
        gone = self._above(solution.choice, drop)
        choice = {at: way for at, way in solution.choice.items() if at not in gone}
        price = self.priced.price.copy()
        price[[solution.choice[at] for at in drop]] = math.inf
        for root in [r for r in self.roots if r not in choice]:
            routes = self.routes(choice, price=price)
            if math.isinf(routes.dist[root]):
                return solution
            self.route(root, choice, routes)
        return self.trimmed(choice)

    def _above(self, choice: Mapping[int, int], groups: Iterable[int]) -> set[int]:
        """These groups and all that depend on them."""
        users = self._users(choice)
        gone: set[int] = set()
        stack = list(groups)
        while stack:
            at = stack.pop()
            if at not in gone:
                gone.add(at)
                stack.extend(users.get(at, ()))
        return gone

    def _users(self, choice: Mapping[int, int]) -> dict[int, list[int]]:
        users: dict[int, list[int]] = {}
        for at, way in choice.items():
            for child in set(self.priced.ways[way].children):
                users.setdefault(child, []).append(at)
        return users

    def polish(self, solution: Solution, passes: int = 4) -> Solution:
        """Gives every group in turn its best way while all else stays, until nothing gains."""
        for _ in range(passes):
            gained = False
            by_price = sorted(solution.choice, key=lambda g: (-self.priced.price[solution.choice[g]], g))
            for group in by_price:
                if self.deadline.over:
                    return solution
                low, high = self.priced.span(group)
                if high - low < 2 or group not in solution.choice:
                    continue
                better = self._switched(solution, group)
                if better is not None:
                    solution, gained = better, True
            if not gained:
                break
        return solution

    def _switched(self, solution: Solution, group: int) -> Solution | None:
        """The solution with another way for one group, if that is cheaper."""
        above = self._above(solution.choice, [group])
        stays = self._stays(solution.choice, group)
        routed = Local(self.priced, stays - above, above - {group}).route(group)
        if routed is None:
            return None
        found = self.trimmed(solution.choice | {at: way for at, way in routed.items() if at not in stays})
        return found if found.cost < solution.cost - 1e-6 else None

    def _stays(self, choice: Mapping[int, int], group: int) -> set[int]:
        """What is needed still when one group is given for free."""
        seen: set[int] = set()
        stack = [r for r in self.roots if r != group]
        while stack:
            at = stack.pop()
            if at not in seen and at != group:
                seen.add(at)
                stack.extend(self.priced.ways[choice[at]].children)
        return seen

    def improve(
        self, solution: Solution, steps: int, progress: Callable[[float], None] = lambda cost: None
    ) -> Solution:
        """Rip-up and reroute, a fixed number of steps (so that the result does not depend on the clock)."""
        best = current = solution
        for step in range(steps):
            progress(best.cost)
            if not current.choice or self.deadline.over:
                break
            dear = sorted(current.choice, key=lambda g: (-self.priced.price[current.choice[g]], g))
            pool = dear[: max(4, len(dear) // 4)] if self.random.random() < 0.5 else dear
            move = self.detour if self.random.random() < _DETOURS else self.rip_up
            found = move(current, self.random.sample(pool, self.random.randint(1, min(5, len(pool)))))
            gain = current.cost - found.cost
            if gain >= 0 or self.random.random() < math.exp(gain / (_TEMPERATURE * max(current.cost, 1.0))):
                current = found
            if found.cost < best.cost - 1e-6:
                best = found
            if step % 25 == 24:
                current = best
        return best

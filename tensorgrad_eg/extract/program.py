"""A program that can be changed in place: a way for every group that the outputs need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tensorgrad_eg.extract.priced import Priced

#: Ranks of neighbours differ by so much at first: there is room for new groups between them.
_GAP = 1 << 20


class Program:
    """What is chosen, who reads it and what all of it costs, kept up to date by every change.

    `rank` is an order: what a group reads has a lower one. So only what has a higher rank can depend on it.
    """

    def __init__(self, priced: Priced, roots: Iterable[int], choice: Mapping[int, int]) -> None:
        """Keeps of a choice what the roots need."""
        self.reads = priced.reads
        self._units = priced.units
        self.roots = dict.fromkeys(roots)
        self.choice: dict[int, int] = {}
        self.readers: dict[int, dict[int, None]] = {}
        self.rank: dict[int, int] = {}
        self.cost = 0
        self._fill(choice)

    def _fill(self, choice: Mapping[int, int]) -> None:
        stack = list(self.roots)
        while stack:
            at = stack[-1]
            missing = [child for child in self.reads[choice[at]] if child not in self.choice]
            if at in self.choice or not missing:
                stack.pop()
                if at not in self.choice:
                    self._put(at, choice[at])
            else:
                stack.extend(missing)

    def _put(self, at: int, way: int) -> None:
        self.choice[at] = way
        self.cost += self._units[way]
        self.rank[at] = _GAP + max((self.rank[child] for child in self.reads[way]), default=0)
        self._join(at, way)

    def _join(self, at: int, way: int) -> None:
        for child in self.reads[way]:
            self.readers.setdefault(child, {})[at] = None

    @property
    def depth(self) -> int:
        """How many groups, one read by the next, lead to the highest."""
        return max(self.rank.values(), default=0) // _GAP

    def dearest(self, groups: Iterable[int]) -> list[int]:
        """Those of the groups that are chosen, the most expensive first."""
        return sorted(
            (group for group in groups if group in self.choice),
            key=lambda group: (-self._units[self.choice[group]], group),
        )

    def above(self, groups: Iterable[int]) -> set[int]:
        """These groups and all that depend on them."""
        found: set[int] = set()
        stack = list(groups)
        while stack:
            at = stack.pop()
            if at not in found:
                found.add(at)
                stack.extend(self.readers.get(at, ()))
        return found

    def cone(self, group: int, most: int) -> dict[int, int]:
        """A group and what only it needs, readers first, with what each costs, all below it counted.

        At most about so many: what stands further below is taken to stay.
        """
        order, left = [group], {}
        for at in order:
            for child in self.reads[self.choice[at]]:
                if child not in left:
                    left[child] = len(self.readers[child]) + (child in self.roots)
                left[child] -= 1
                if not left[child] and len(order) < most:
                    order.append(child)
        costs: dict[int, int] = {}
        for at in reversed(order):
            way = self.choice[at]
            costs[at] = self._units[way] + sum([costs.get(child, 0) for child in self.reads[way]])
        return dict(reversed(costs.items()))

    def assign(self, ways: Mapping[int, int]) -> dict[int, int | None]:
        """Computes groups by these ways, and drops what nobody reads any more.

        Returns what the groups that changed were computed by, None for new ones: what is there can be
        assigned to go back.
        """
        before = {at: self.choice.get(at) for at, way in ways.items() if self.choice.get(at) != way}
        self.choice.update(ways)  # first: whenever this is interrupted, the choice is a complete program
        for at in before:
            self.cost += self._units[ways[at]]
            self._join(at, ways[at])
        self._sweep([child for at, way in list(before.items()) for child in self._left(at, way)], before)
        self._raise([at for at in before if at in self.choice])
        return before

    def _left(self, at: int, way: int | None) -> list[int]:
        """What a group read by an old way and reads no more."""
        if way is None:
            return []
        self.cost -= self._units[way]
        kept = self.reads[self.choice[at]]
        left = [child for child in self.reads[way] if child not in kept]
        for child in left:
            del self.readers[child][at]
        return left

    def _sweep(self, left: list[int], before: dict[int, int | None]) -> None:
        """Drops what nobody reads, and what only that had read."""
        while left:
            at = left.pop()
            if at not in self.choice or self.readers[at] or at in self.roots:
                continue
            way = self.choice.pop(at)
            before.setdefault(at, way)
            self.cost -= self._units[way]
            del self.rank[at]
            for child in self.reads[way]:
                del self.readers[child][at]
            left.extend(self.reads[way])

    def _raise(self, groups: list[int]) -> None:
        """Restores the order above groups that read others now."""
        while groups:
            at = groups.pop()
            ranks = [self.rank.get(child, 0) for child in self.reads[self.choice[at]]]
            least = 1 + max(ranks, default=0)
            if self.rank.get(at, 0) < least:
                self.rank[at] = least
                groups.extend(self.readers.get(at, ()))

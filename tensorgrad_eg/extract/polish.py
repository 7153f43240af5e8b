"""Programs that can be changed in place, and made cheaper: one group after the other takes its best way.

Routes are shortest hyperpaths (Knuth 1977): the cheapest way to some groups, where others are free.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from heapq import heappop, heappush

from tensorgrad_eg.errors import LostTermError
from tensorgrad_eg.extract import Option, Priced
from tensorgrad_eg.running import Deadline

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


#: How many groups a route looks at.
_REACH = 200
#: How many groups that only it needs are looked at below a group.
_CONE = 200
#: How many groups are looked at while groups are made to take other ways.
_KICKED = 20_000


class Polish:
    """A program that is made cheaper, group by group, until nothing gains or the time is up."""

    def __init__(self, priced: Priced, program: Program, deadline: Deadline) -> None:
        """Begins with a program, which changes."""
        self.program, self._deadline = program, deadline
        self._options, self._units = priced.options, priced.units
        self._watchers: dict[int, set[int]] = {}
        self._looked = 0

    def run(self, groups: Iterable[int]) -> None:
        """Looks for better ways of these groups, and of those for which something has changed then."""
        now = set(groups)
        while now:
            later: set[int] = set()
            for group in self.program.dearest(now):
                if self._deadline.over:
                    return
                if group in self.program.choice:
                    later |= self._switch(group)
            now = later

    def kick(self, most: int) -> None:
        """Makes groups take another way, the dearest first, and looks for what gains then: this finds changes
        that pay only together. Where nothing is gained all is as before. After so many tries it ends, or when
        as many groups were looked at as a few tries in a large program look at.
        """
        idle: set[int] = set()
        looked = self._looked
        for _ in range(most):
            group = next((at for at in self.program.dearest(self.program.choice) if at not in idle), None)
            if group is None or self._deadline.over or self._looked - looked > _KICKED:
                return
            idle = set() if self._kicked(group) else {*idle, group}

    def _kicked(self, group: int) -> bool:
        program = self.program
        cost, before = program.cost, dict(program.choice)
        other = next((way for _, way, _ in self._options[group] if way != before[group]), None)
        ways = None if other is None else self._forced(group, other)
        if not ways:
            return False
        later = self._concerned(program.assign(ways)) - {group}
        self.run(later)
        self.run({*later, group})
        if program.cost >= cost:
            program.assign(before)
        return program.cost < cost

    def _forced(self, group: int, way: int) -> dict[int, int]:
        """One way for a group, and the ways to what is new on it; none if that closes a cycle."""
        program = self.program
        above = program.above([group])

        def kind(one: int) -> int:
            return BARRED if one in above else FREE if one in program.choice else OPEN

        without = {other for _, other, _ in self._options[group]} - {way}
        routes = Routes(self._options, [group], kind, reach=_REACH, without=without)
        return {} if routes.nearest([group]) is None else routes.take(group, program.reads)

    def _switch(self, group: int) -> set[int]:
        """Takes another way for one group, if that is cheaper; the groups that may gain by it then."""
        if len(self._options[group]) < 2:
            return set()
        program = self.program
        cone = program.cone(group, _CONE)
        limit = self._price(cone)
        ways = self._route(group, cone, limit)
        if not ways or sum(self._units[way] for way in ways.values()) + self._kept(cone, ways) >= limit:
            return set()
        return self._concerned(program.assign(ways))

    def _route(self, group: int, cone: Mapping[int, int], limit: int) -> dict[int, int]:
        """The shortest other way to a group, and the ways to what is new on it; none if there is none."""
        program = self.program
        rank = program.rank[group]
        above: set[int] = set()

        def kind(one: int) -> int:
            if one not in program.choice:
                return OPEN
            if one in cone:
                return cone[one]
            if program.rank[one] < rank:
                return FREE
            if not above:  # what depends on the group would close a cycle
                above.update(program.above([group]))
            return BARRED if one in above else FREE

        own = program.choice[group]
        routes = Routes(self._options, [group], kind, limit=limit, reach=_REACH, without=(own,))
        found = routes.nearest([group])
        self._looked += len(routes.kinds)
        for one in (*cone, *routes.kinds):
            self._watchers.setdefault(one, set()).add(group)
        return {} if found is None else routes.take(group, program.reads)

    def _price(self, groups: Iterable[int]) -> int:
        return sum([self._units[self.program.choice[at]] for at in groups])

    def _kept(self, cone: Mapping[int, int], ways: Mapping[int, int]) -> int:
        """What stays of a cone costs, if these ways are taken."""
        program = self.program
        kept: set[int] = set()
        stack = [child for way in ways.values() for child in program.reads[way]]
        while stack:
            at = stack.pop()
            if at in cone and at not in kept:
                kept.add(at)
                stack.extend(program.reads[program.choice[at]])
        return self._price(kept)

    def _concerned(self, change: Mapping[int, int | None]) -> set[int]:
        """Who may gain by a change: who could use what is new, and who alone is left to need something."""
        program = self.program
        found = set(change)
        for at, way in change.items():
            if way is None:
                found |= self._watchers.get(at, set())
                continue
            for child in program.reads[way]:
                if child in program.choice and len(program.readers[child]) == 1:
                    found.update(program.readers[child])
        return found

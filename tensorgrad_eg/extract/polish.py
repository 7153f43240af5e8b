"""Making a program cheaper in place: one group after the other takes its best way while all else stays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tensorgrad_eg.deadline import Deadline
from tensorgrad_eg.extract.priced import Priced
from tensorgrad_eg.extract.program import Program
from tensorgrad_eg.extract.routes import BARRED, FREE, OPEN, Routes

#: How many groups a route looks at.
_REACH = 200
#: How many groups that only it needs are looked at below a group.
_CONE = 200


class Polish:
    """A program that is made cheaper, group by group, until nothing gains or the time is up."""

    def __init__(self, priced: Priced, program: Program, deadline: Deadline) -> None:
        """Begins with a program, which changes."""
        self.program, self._deadline = program, deadline
        self._options, self._units = priced.options, priced.units
        self._watchers: dict[int, set[int]] = {}

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
        that pay only together. Where nothing is gained all is as before. After so many tries it ends.
        """
        idle: set[int] = set()
        for _ in range(most):
            group = next((at for at in self.program.dearest(self.program.choice) if at not in idle), None)
            if group is None or self._deadline.over:
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

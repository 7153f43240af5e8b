"""What problems and their rewritings cost, and where they differ."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

import tensorgrad_eg as tg

from .problems import Problem, find
from .rewriting import kinds, rewritten

#: What costs may differ by, as a part of them.
EQUAL = 0.001
#: So many seconds for the search: nothing is to depend on how busy the machine is.
SECONDS = 120.0


@dataclass(frozen=True)
class Cost:
    """What a plan costs, and what its search looked at."""

    flops: int
    nodes: int = 0
    stopped: str = ""
    seconds: float = 0.0


@dataclass
class Compared:
    """A problem as it is written, and in other ways, each with what was changed."""

    name: str
    plain: Cost
    others: list[tuple[int, frozenset[str], Cost]] = field(default_factory=list)
    error: str = ""

    @property
    def best(self) -> int:
        """The least that was found."""
        return min([self.plain.flops, *(cost.flops for _, _, cost in self.others)])

    def ratio(self, cost: Cost) -> float:
        """A cost over the least that was found."""
        return 1.0 if cost.flops == self.best else cost.flops / self.best if self.best else float("inf")

    @property
    def worst(self) -> float:
        """The largest ratio."""
        return max(self.ratio(cost) for cost in [self.plain, *(cost for _, _, cost in self.others)])


def planned(problem: Problem) -> Cost:
    """What the plan of a problem costs."""
    started = time.process_time()
    plan = tg.optimize(
        list(problem.wanted),
        dict(problem.sizes),
        assume=list(problem.facts),
        seconds=SECONDS,
        verify=False,
    )
    report = plan.report
    assert report is not None
    return Cost(int(plan.flops), report.nodes, report.stopped, time.process_time() - started)


def compared(name: str, rewritings: Sequence[int], seed: int) -> Compared:
    """A problem planned as it is, and in these rewritings."""
    problem = find(name)
    found = Compared(name, planned(problem))
    for number in rewritings:
        what = kinds(number)
        other = rewritten(problem, what, Random(f"{seed}:{name}:{number}")).problem
        found.others.append((number, what, planned(other)))
    return found


def table(found: Sequence[Compared]) -> str:
    """What differs, the worst first, and how many do not."""
    lines = []
    for one in sorted(found, key=lambda one: -one.worst):
        costs = [("as written", one.plain)]
        costs += [(f"{number}: {', '.join(sorted(what))}", cost) for number, what, cost in one.others]
        for what, cost in costs:
            if one.ratio(cost) > 1 + EQUAL:
                lines.append(
                    f"{one.name:44} {what:56} {cost.flops:>16,} {one.best:>16,} {one.ratio(cost):8.4f}"
                    f" {cost.stopped}"
                )
    differ = [one for one in found if one.worst > 1 + EQUAL]
    rewritings = sum(1 + len(one.others) for one in found)
    head = f"{'problem':44} {'rewriting':56} {'flops':>16} {'least':>16} {'ratio':>8}"
    end = (
        f"{len(found)} problems written in {rewritings} ways: {len(differ)} problems and {len(lines)} ways "
        f"cost more than another by {EQUAL:.1%}"
    )
    return "\n".join([head, *lines, end] if lines else [end])

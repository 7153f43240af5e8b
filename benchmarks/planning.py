"""Planning time: how long it takes to find a plan, split into its phases.

The engine is started once before anything is measured: its import is paid once a process, whatever is
planned.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from statistics import median

import tensorgrad_eg as tg
from benchmarks.case import Problem, Sizes
from tensorgrad_eg import Plan, Variable

#: The time a plan may take: so much that no plan, and no cost, depends on how loaded the machine is.
_SECONDS = 120.0


@dataclass(frozen=True)
class Planned:
    """A plan and what planning took: medians in seconds, in all and by phase."""

    plan: Plan
    seconds: float
    phases: dict[str, float]
    nodes: int


@cache
def warm_up() -> None:
    """Plan something small, so that no import is part of what is measured."""
    x = Variable("x", ["k"])
    tg.optimize((x @ x).grad(x), {"k": 2})


def planned(build: Callable[[Sizes], Problem], sizes: Sizes, plan_sizes: Sizes, repeats: int) -> Planned:
    """Plan a problem several times; the expression is built before the clock starts."""
    warm_up()
    plans, seconds = [], []
    for _ in range(repeats):
        problem = build(sizes)
        gc.collect()
        started = time.perf_counter()
        plans.append(tg.optimize(problem.wanted, plan_sizes, assume=problem.assume, seconds=_SECONDS))
        seconds.append(time.perf_counter() - started)
    phases = [plan.report.phases for plan in plans]  # type: ignore[attr-defined]
    middle = {name: median(p[name] for p in phases) for name in phases[0]}
    return Planned(plans[-1], median(seconds), middle, plans[-1].report.nodes)  # type: ignore[attr-defined]

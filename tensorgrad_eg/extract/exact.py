"""Exact extraction: the cheapest program of an e-graph with a proof, by constraint programming.

One Boolean for every way and every group: a group that is needed takes one of its ways, a way needs its
children, and levels forbid cycles where the e-graph has any. The heuristic solution is the hint, so the
answer is never worse.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tensorgrad_eg.errors import MissingExtraError
from tensorgrad_eg.extract.priced import UNIT, Priced, prune
from tensorgrad_eg.extract.search import Extractor, Solution

if TYPE_CHECKING:
    from ortools.sat.python.cp_model import CpModel, IntVar


@dataclass(frozen=True)
class Certificate:
    """What is proven about a plan: no program in this e-graph costs less than `bound`.

    Example:
        >>> print(Certificate(cost=100, bound=100, optimal=True))
        optimal in this e-graph
        >>> print(Certificate(cost=100, bound=80, optimal=False))
        within 25.0 % of the optimum of this e-graph (proven lower bound 80 flops)
    """

    cost: int
    bound: int
    optimal: bool

    @property
    def gap(self) -> float:
        """The cost above the bound, relative to the bound."""
        return 0.0 if self.optimal else (self.cost - self.bound) / max(self.bound, 1)

    def __str__(self) -> str:
        """One line for the cost table."""
        if self.optimal:
            return "optimal in this e-graph"
        share = f"{100 * self.gap:.1f} %"
        return f"within {share} of the optimum of this e-graph (proven lower bound {self.bound:,} flops)"


def solve_exactly(
    extractor: Extractor,
    start: Solution,
    seconds: float = 10.0,
    progress: Callable[[float, float], None] = lambda cost, bound: None,
) -> tuple[Solution, Certificate]:
    """The best solution found in the time and what is proven about it.

    One worker, a fixed seed and deterministic time: the same input gives the same answer on every machine,
    in about `seconds` seconds. Ctrl-C stops the solver, which then returns what it has.

    Raises:
        MissingExtraError: if ortools is not installed.
    """
    try:
        from ortools.sat.python import cp_model
    except ImportError as error:
        raise MissingExtraError.of("ortools", "exact", 'extract="exact" runs') from error
    priced = extractor.priced
    ways = prune(priced, extractor.roots, start.cost)
    model = cp_model.CpModel()
    active, used = _variables(model, priced, ways)
    for root in extractor.roots:
        model.add(active[root] == 1)
    _forbid_cycles(model, priced, ways, used)
    model.minimize(sum(priced.units[w] * used[w] for w in used))
    for group, variable in active.items():
        model.add_hint(variable, group in start.choice)
    for way, variable in used.items():
        model.add_hint(variable, way in set(start.choice.values()))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 0
    solver.parameters.max_deterministic_time = seconds
    solver.parameters.max_time_in_seconds = 3 * seconds
    status = solver.solve(model, _Progress.of(cp_model, progress))
    bound = solver.best_objective_bound / UNIT
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return start, _certificate(priced, start, max(bound, 0.0), False)
    choice = {priced.group[w]: w for w, variable in used.items() if solver.value(variable)}
    found = extractor.trimmed(choice)
    best = found if found.cost < start.cost else start
    return best, _certificate(priced, best, bound, status == cp_model.OPTIMAL)


def _certificate(priced: Priced, best: Solution, bound: float, optimal: bool) -> Certificate:
    cost = priced.flops(best.choice.values())
    return Certificate(cost, cost if optimal else min(cost, int(bound)), optimal)


def _variables(
    model: CpModel, priced: Priced, ways: dict[int, list[int]]
) -> tuple[dict[int, IntVar], dict[int, IntVar]]:
    active = {group: model.new_bool_var(f"g{group}") for group in ways}
    used: dict[int, IntVar] = {}
    for group, own in ways.items():
        for way in own:
            used[way] = model.new_bool_var(f"w{way}")
            for child in set(priced.ways[way].children):
                model.add_implication(used[way], active[child])
        model.add(sum(used[w] for w in own) == active[group])
    return active, used


def _forbid_cycles(
    model: CpModel, priced: Priced, ways: dict[int, list[int]], used: dict[int, IntVar]
) -> None:
    """Within a strongly connected component, a way's children stand on lower levels."""
    for component in _components(priced, ways):
        inside = set(component)
        level = {g: model.new_int_var(0, len(component) - 1, f"l{g}") for g in component}
        for group in component:
            for way in ways[group]:
                for child in sorted(set(priced.ways[way].children) & inside):
                    model.add(level[group] >= level[child] + 1).only_enforce_if(used[way])


def _components(priced: Priced, ways: dict[int, list[int]]) -> list[list[int]]:
    """Strongly connected components of more than one group (Tarjan 1972, without recursion)."""
    children = {g: sorted({c for w in own for c in priced.ways[w].children}) for g, own in ways.items()}
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    open_: list[int] = []
    place: dict[int, int] = {}  # of what is open
    found: list[list[int]] = []
    for start in children:
        stack = [(start, iter(children[start]))] if start not in index else []
        while stack:
            at, rest = stack[-1]
            if at not in index:
                index[at] = low[at] = len(index)
                place[at] = len(open_)
                open_.append(at)
            child = next(rest, None)
            if child is None:
                stack.pop()
                if stack:
                    low[stack[-1][0]] = min(low[stack[-1][0]], low[at])
                if low[at] == index[at]:
                    component = open_[place[at] :]
                    del open_[place[at] :]
                    for member in component:
                        del place[member]
                    if len(component) > 1:
                        found.append(sorted(component))
            elif child not in index:
                stack.append((child, iter(children[child])))
            elif child in place:
                low[at] = min(low[at], index[child])
    return found


class _Progress:
    """Hands each better solution to the caller."""

    @staticmethod
    def of(cp_model: Any, report: Callable[[float, float], None]) -> Any:
        """A callback of the solver."""

        class Callback(cp_model.CpSolverSolutionCallback):  # type: ignore[misc]
            def on_solution_callback(self) -> None:
                report(self.objective_value / UNIT, self.best_objective_bound / UNIT)

        return Callback()

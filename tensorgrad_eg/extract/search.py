"""Joint extraction: the cheapest program for all outputs, each shared tensor paid once.

Optimal extraction of shared programs is NP-hard (Stepp 2011; Goharshady et al. 2024). Programs known to be
good are the start; they are made cheaper group by group, and small ones by taking parts out and routing them
anew along shortest hyperpaths (Knuth 1977) on which what stands is free. With `extract="exact"` an integer
program proves that nothing is cheaper, or says how far away that may be.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tensorgrad_eg.errors import MissingExtraError
from tensorgrad_eg.extract import UNIT, Priced, prune
from tensorgrad_eg.extract.polish import FREE, OPEN, Polish, Program, Routes
from tensorgrad_eg.running import Deadline

if TYPE_CHECKING:
    from ortools.sat.python.cp_model import CpModel, IntVar

Prices = NDArray[np.float64]
#: Worse programs are accepted with probability exp(-Δ / (this · cost)), to leave local minima.
_TEMPERATURE = 3e-3
#: How many of the moves are detours.
_DETOURS = 0.9
#: The best program is where it goes on after so many moves.
_RETURN = 25


@dataclass
class _Lengths:
    """The length of the shortest hyperpath found to every group, and the way on which it ends.

    Ways are those by which a group came closer last: to follow these has an end.
    """

    dist: Prices
    way: NDArray[np.intp]


class _Annealing:
    """Rip-up and reroute on one priced e-graph, for some roots."""

    def __init__(self, priced: Priced, roots: Iterable[int], seed: int, deadline: Deadline) -> None:
        """Lays the ways out as arrays, in the order of their groups."""
        self.priced, self.roots, self.deadline = priced, list(dict.fromkeys(roots)), deadline
        self.random = random.Random(seed)
        groups = np.array(priced.group, np.int64)
        self._start = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]])
        self._owner = groups[self._start]
        self._place = np.repeat(np.arange(len(self._start)), np.diff(np.r_[self._start, len(groups)]))
        self._price = np.array(priced.units, np.float64) / UNIT
        nothing = int(groups.max()) + 1
        self._child = np.full((_cells(priced) // len(groups), len(groups)), nothing, np.int64)
        for number, way in enumerate(priced.ways):
            self._child[: len(way.children), number] = way.children
        dist = np.full(nothing + 1, math.inf)
        dist[nothing] = 0.0
        self._far = _Lengths(dist, np.full(nothing + 1, -1))
        self._base = self._lengths((), self._far, self._price)

    def _lengths(self, paid: Iterable[int], start: _Lengths, price: Prices) -> _Lengths:
        """Shortest hyperpaths to every group, with the paid groups free, at these prices of the ways."""
        dist, way = start.dist.copy(), start.way.copy()
        dist[list(paid)] = 0.0
        while True:
            reach = price + dist[self._child].sum(axis=0)
            best = np.minimum.reduceat(reach, self._start)
            better = best < dist[self._owner] * (1 - 1e-12) - 1e-9
            if not better.any():
                return _Lengths(dist, way)
            dist[self._owner[better]] = best[better]
            last = np.flatnonzero(better[self._place] & (reach == best[self._place]))[::-1]
            way[self._owner[self._place[last]]] = last  # of equal ways the first

    def improve(self, start: Program, steps: int, progress: Callable[[float], None]) -> Program:
        """So many moves from a program; the best that was met."""
        best = current = start
        for step in range(steps):
            progress(best.cost / UNIT)
            if self.deadline.over:
                break
            found = self._moved(current) or current
            gain = current.cost - found.cost
            if gain >= 0 or self.random.random() < math.exp(gain / (_TEMPERATURE * current.cost)):
                current = found
            if found.cost < best.cost:
                best = found
            if step % _RETURN == _RETURN - 1:
                current = best
        return best

    def _moved(self, program: Program) -> Program | None:
        """Takes some groups out with everything that used them, and completes again."""
        dear = program.dearest(program.choice)
        pool = dear[: max(4, len(dear) // 4)] if self.random.random() < 0.5 else dear
        detour = self.random.random() < _DETOURS
        drop = self.random.sample(pool, self.random.randint(1, min(5, len(pool))))
        gone = program.above(drop)
        kept = {at: way for at, way in program.choice.items() if at not in gone}
        if not detour:
            return self._completed(kept, self._base, self._price)
        price = self._price.copy()
        price[[program.choice[at] for at in drop]] = math.inf
        return self._completed(kept, self._far, price)

    def _completed(self, choice: dict[int, int], start: _Lengths, price: Prices) -> Program | None:
        """Routes every root that is missing, the nearest first; None if one cannot be reached.

        On a detour groups may not take the ways they had: what is a little dearer for one of them may be
        shared by others later.
        """
        missing = [root for root in self.roots if root not in choice]
        lengths = start
        while missing:
            lengths = self._lengths(choice, lengths, price)
            root = min(missing, key=lambda r: (lengths.dist[r], r))
            if math.isinf(lengths.dist[root]):
                return None
            self._route(root, choice, lengths)
            missing = [r for r in missing if r not in choice]
        return Program(self.priced, self.roots, choice)

    def _route(self, root: int, choice: dict[int, int], lengths: _Lengths) -> None:
        stack = [root]
        while stack:
            at = stack.pop()
            if at not in choice:
                choice[at] = int(lengths.way[at])
                stack.extend(c for c in self.priced.reads[choice[at]] if c not in choice)


def _cells(priced: Priced) -> int:
    """How many numbers it takes to lay out what the ways read: as many a way as the widest has."""
    return len(priced.ways) * max((len(way.children) for way in priced.ways), default=0)


#: Rip-up and reroute lays out the e-graph in so many numbers at most.
_CELLS = 1_000_000
#: … and looks at them as often as the program is deep: so many numbers at most for a move.
_LAID = 10_000_000


@dataclass
class Solution:
    """A choice of one way for every group that the outputs need, and its cost in thousandths of a flop."""

    choice: dict[int, int]
    cost: int


class Extractor:
    """Extraction on one priced e-graph."""

    def __init__(
        self, priced: Priced, roots: Iterable[int], seed: int = 0, deadline: Deadline | None = None
    ) -> None:
        """Prepares the prices; `roots` are the groups wanted. At the deadline a search ends."""
        self.priced, self.deadline = priced, deadline or Deadline()
        self._seed = seed
        self.roots = list(dict.fromkeys(roots))

    def trimmed(self, choice: Mapping[int, int]) -> Solution:
        """Keeps what the roots need, and adds up."""
        program = Program(self.priced, self.roots, choice)
        return Solution(program.choice, program.cost)

    def seeded(self, known: Mapping[int, int]) -> Solution:
        """The program that is known already; what the e-graph has lost of it is routed anew."""
        choice: dict[int, int] = {}
        for at, way in known.items():  # children come first
            if all(child in choice for child in self.priced.reads[way]):
                choice[at] = way
        missing = {root for root in self.roots if root not in choice}
        paid = frozenset(choice)
        routes = Routes(self.priced.options, missing, lambda group: FREE if group in paid else OPEN)
        while missing:
            choice.update(routes.take(routes.next(missing), self.priced.reads))
            missing.difference_update(choice)
        return self.trimmed(choice)

    def tree_choice(self) -> Solution:
        """Every group by its own shortest way, as if nothing were shared."""
        routes = Routes(self.priced.options, self.roots, lambda group: OPEN)
        missing = set(self.roots)
        while missing:
            missing.discard(routes.next(missing))
        return self.trimmed(routes.way)

    @cached_property
    def _annealing(self) -> _Annealing:
        return _Annealing(self.priced, self.roots, self._seed, self.deadline)

    def polish(self, solution: Solution) -> Solution:
        """Gives every group in turn its best way while all else stays, until nothing gains."""
        program = Program(self.priced, self.roots, solution.choice)
        Polish(self.priced, program, self.deadline).run(program.choice)
        return Solution(program.choice, program.cost)

    def kick(self, solution: Solution, most: int) -> Solution:
        """Makes up to so many groups take another way, and polishes what follows; never a dearer program."""
        program = Program(self.priced, self.roots, solution.choice)
        polish = Polish(self.priced, program, self.deadline)
        polish.run(program.choice)
        polish.kick(most)
        return min(solution, Solution(program.choice, program.cost), key=lambda s: s.cost)

    def improve(
        self, solution: Solution, steps: int, progress: Callable[[float], None] = lambda cost: None
    ) -> Solution:
        """Rip-up and reroute, a fixed number of steps (so that the result does not depend on the clock).

        E-graphs that are too large or too deep for it stay as they are.
        """
        if not steps or not solution.choice or _cells(self.priced) > _CELLS:
            return solution
        start = Program(self.priced, self.roots, solution.choice)
        if _cells(self.priced) * start.depth > _LAID:
            return solution
        found = self._annealing.improve(start, steps, progress)
        return Solution(found.choice, found.cost)


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

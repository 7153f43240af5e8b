"""Joint extraction: the cheapest program for all outputs, each shared tensor paid once.

Optimal extraction of shared programs is NP-hard (Stepp 2011; Goharshady et al. 2024). Programs known to be
good are the start; they are made cheaper group by group, and small ones by taking parts out and routing them
anew along shortest hyperpaths (Knuth 1977) on which what stands is free.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from tensorgrad_eg.deadline import Deadline
from tensorgrad_eg.extract.anneal import Annealing, cells
from tensorgrad_eg.extract.polish import Polish
from tensorgrad_eg.extract.priced import Priced
from tensorgrad_eg.extract.program import Program
from tensorgrad_eg.extract.routes import FREE, OPEN, Routes

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
    def _annealing(self) -> Annealing:
        return Annealing(self.priced, self.roots, self._seed, self.deadline)

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
        if not steps or not solution.choice or cells(self.priced) > _CELLS:
            return solution
        start = Program(self.priced, self.roots, solution.choice)
        if cells(self.priced) * start.depth > _LAID:
            return solution
        found = self._annealing.improve(start, steps, progress)
        return Solution(found.choice, found.cost)

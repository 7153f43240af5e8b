"""What a plan is found in: expressions in normal form, the e-graph that grew from them, and how to price it.

`Search` is what `plan.search` holds. It is frozen: its e-graph is priced for other sizes without a change.

>>> import tensorgrad_eg as tg
>>> x = tg.Variable("x", ["k"])
>>> search = tg.optimize((x @ x).grad(x), {"k": 3}).search
>>> search.egraph.size >= search.start.size > 0
True
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from tensorgrad_eg.assume import Fact, checked
from tensorgrad_eg.egraph import Snapshot
from tensorgrad_eg.egraph.derive import Derived, derive, with_modes
from tensorgrad_eg.egraph.engine import Engines
from tensorgrad_eg.egraph.saturate import Budget, Report
from tensorgrad_eg.errors import TensorgradError
from tensorgrad_eg.expr import Tensor, variables
from tensorgrad_eg.expr.walk import words
from tensorgrad_eg.extract.baseline import Modes, least
from tensorgrad_eg.extract.bracketing import bracketed
from tensorgrad_eg.extract.extract import Extracted, Searched, timed
from tensorgrad_eg.extract.extract import extract as extract_best
from tensorgrad_eg.extract.extract import search as saturated
from tensorgrad_eg.extract.extract import started as first_program
from tensorgrad_eg.extract.halves import discounted, halved, orders_of
from tensorgrad_eg.extract.lower import with_classes
from tensorgrad_eg.extract.pieces import Pieces, pieces
from tensorgrad_eg.extract.search import Solution
from tensorgrad_eg.extract.spelling import spelt
from tensorgrad_eg.extract.starts import again, assumed
from tensorgrad_eg.program import Input, Program, Structure
from tensorgrad_eg.program.cost import Baseline, total_flops
from tensorgrad_eg.program.forms import Form, settled
from tensorgrad_eg.program.passes import fold
from tensorgrad_eg.rules import RuleFile, rule_files
from tensorgrad_eg.rules.forms import DERIVE, SEARCH
from tensorgrad_eg.running import Deadline, Progress

#: The part of the time left in which modes of differentiation are worked out that may cost less.
_MODES = 0.5
#: What tells the rules that sums may be opened which may cancel.
_FAST = "(set (opening) 1)"


@dataclass(frozen=True)
class Options:
    """How to search: the options of `optimize`."""

    rules: Sequence[str | Path] = ()
    assume: Sequence[Fact] = ()
    seconds: float = 10.0
    extract: str = "greedy"
    effort: float = 1.0
    seed: int = 0
    structured: bool = False
    symmetric: bool = False
    numerics: str = "safe"
    verify: bool = True


@dataclass(frozen=True)
class Search:
    """What a plan was found in.

    `expressions` are what was asked for, `derived` their normal form with every stage on the way to it,
    `searched` the search; `report` says what ended it. With structured results `pieces` has their parts.
    """

    expressions: tuple[Tensor, ...]
    structure: Structure
    options: Options
    derived: Derived
    searched: Searched
    report: Report
    files: tuple[RuleFile, ...]
    facts: tuple[Fact, ...] = ()
    pieces: Pieces | None = None
    sizes: Mapping[str, int] = field(default_factory=dict)
    _extracted: dict[tuple[tuple[str, int], ...], Extracted] = field(default_factory=dict, compare=False)
    #: Programs with halves, each with the solution whose number it is filed under, and the program before.
    _halves: dict[tuple[int, tuple[tuple[str, int], ...]], tuple[Solution, Program, Program]] = field(
        default_factory=dict, compare=False
    )
    _found_modes: list[Modes] = field(default_factory=list, compare=False)

    @property
    def start(self) -> Snapshot:
        """The e-graph that the search began with: the normal form."""
        return self.searched.start

    @property
    def egraph(self) -> Snapshot:
        """The e-graph in which the plan was found."""
        return self.searched.final

    def extracted(
        self,
        sizes: Mapping[str, int],
        progress: Callable[[float], None] = lambda cost: None,
        deadline: Deadline | None = None,
        engines: Engines | None = None,
    ) -> Extracted:
        """The cheapest program in the e-graph for these sizes, found once; never dearer than a mode.

        Modes are worked out where they might cost less, in `engines` if there are any.
        """
        key = tuple(sorted(sizes.items()))
        if key not in self._extracted:
            roots = list(self.searched.dag.roots)
            exact = self.options.seconds if self.options.extract == "exact" else None
            best = extract_best(
                self.searched, roots, dict(sizes), self.options.seed, exact=exact, progress=progress,
                deadline=deadline,
            )  # fmt: skip
            best = self._with_halves(best, sizes, deadline) if self.options.symmetric else best
            self._extracted[key] = self._at_most_modes(best, sizes, deadline, engines)
        return self._extracted[key]

    def _at_most_modes(
        self, best: Extracted, sizes: Mapping[str, int], deadline: Deadline | None, engines: Engines | None
    ) -> Extracted:
        """The program found, or that of a mode of differentiation if it costs less, and there is time."""
        if self.pieces is not None or not any(map(again, self.expressions)):
            return best
        cost = self._cost(best, sizes, deadline)
        if cost <= least(self.expressions, self.derived, sizes):
            return best
        with suppress(TensorgradError):
            modes = self._modes((deadline or Deadline()).part(_MODES), engines)
            other = modes.at(sizes)[1] if modes else best
            if self._cost(other, sizes, deadline) < cost:
                return replace(other, start_cost=best.start_cost)
        return best

    def _cost(self, found: Extracted, sizes: Mapping[str, int], deadline: Deadline | None) -> int:
        if self.options.symmetric:
            return total_flops(self._halved(found, sizes, deadline))
        return found.priced.flops(found.solution.choice.values())

    def _modes(self, deadline: Deadline, engines: Engines | None = None) -> Modes | None:
        """The modes of automatic differentiation, worked out once; none without a choice of them."""
        if not self._found_modes and any(map(again, self.expressions)):
            own = (engines or Engines(self.files, rulesets=DERIVE)).aside(deadline)
            about = (self.expressions, self.derived, self.searched.final.symbols, self.sizes)
            self._found_modes.append(Modes.of(*about, own))
        return self._found_modes[0] if self._found_modes else None

    def _with_halves(self, best: Extracted, sizes: Mapping[str, int], deadline: Deadline | None) -> Extracted:
        """The program found, or another that costs less once symmetric tensors are computed by halves."""
        roots = list(self.searched.dag.roots)
        other = extract_best(
            self.searched, roots, sizes, self.options.seed, deadline=deadline,
            reprice=lambda priced: discounted(priced, self.searched.orders(priced.snapshot)),
        )  # fmt: skip
        costs = [total_flops(self._halved(found, sizes, deadline)) for found in (best, other)]
        return best if costs[0] <= costs[1] else replace(other, certificate=best.certificate)

    def first(self, sizes: Mapping[str, int]) -> Extracted:
        """The program that the search began with."""
        return first_program(self.searched, list(self.searched.dag.roots), sizes)

    def program(
        self, best: Extracted, sizes: Mapping[str, int], deadline: Deadline | None = None
    ) -> tuple[Program, list[Form] | None]:
        """The straight-line program of what was extracted, and the forms of structured results."""
        halves = self.options.symmetric
        lowered = self._halved(best, sizes, deadline) if halves else self._lowered(best, sizes)[0]
        if self.pieces is None:
            return lowered, None
        return settled(lowered, self.pieces.forms(self.derived, self.expressions, dict(sizes)))

    def passes(self, sizes: Mapping[str, int]) -> Iterator[Program]:
        """The program that was found, then without arithmetic on constants, then with symmetric halves."""
        best = self.extracted(sizes)
        program = self._lowered(best, sizes)[0]
        yield program
        yield fold(program)
        yield fold(self._halved(best, sizes)) if self.options.symmetric else fold(program)

    def _lowered(self, best: Extracted, sizes: Mapping[str, int]) -> tuple[Program, dict[str, int]]:
        given = [
            Input(v.name, v.edges, tuple(v.shape.values())) for v in variables(self.expressions).values()
        ]
        return with_classes(best.priced, best.solution, given, self._outputs(), dict(sizes))

    def _halved(self, best: Extracted, sizes: Mapping[str, int], deadline: Deadline | None = None) -> Program:
        """A program with symmetric halves; proofs of symmetry take long, and are looked for once."""
        key = id(best.solution), tuple(sorted(sizes.items()))
        if key not in self._halves:
            program, classes = self._lowered(best, sizes)
            same = (found for _, before, found in self._halves.values() if before == program)
            if done := next(same, None):
                self._halves[key] = best.solution, program, done
                return done
            given = orders_of(program, classes, self.searched.orders(best.priced.snapshot))
            kinds = ("symmetric", "diagonal", "positive_definite")
            facts = [f for f in self.facts if f.kind in kinds and len(f.axes) == 2]
            known = [(f.variable.name, (min(f.axes), max(f.axes))) for f in facts]
            self._halves[key] = best.solution, program, halved(program, known, given, deadline)
        return self._halves[key][2]

    def _outputs(self) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
        """The roots to be planned, their labels in the wanted order, and the user's names of these."""
        if self.pieces is not None:
            return self.pieces.roots(self.derived)
        return [
            (f"out{n}", tuple(label for _, label in encoded.labels), e.edges)
            for n, (e, encoded) in enumerate(zip(self.expressions, self.derived.outputs, strict=True))
        ]

    def baseline(self, sizes: Mapping[str, int], deadline: Deadline | None = None) -> Baseline:
        """What automatic differentiation pays: the program the search started from, or the cheapest mode."""
        modes = self._modes(deadline or Deadline())
        if modes is not None:
            return modes.at(sizes)[0]
        cost = self.extracted(sizes).start_cost
        return Baseline(cost, {"reverse": cost})


def engines(options: Options, deadline: Deadline, expressions: Sequence[Tensor]) -> Engines:
    """The engines for a search of these expressions with these options."""
    facts = {"facts"} if options.assume else set()
    rulesets = DERIVE | SEARCH | facts
    return Engines(rule_files(options.rules), deadline=deadline, rulesets=rulesets, words=words(expressions))


def search(
    expressions: Sequence[Tensor],
    structure: Structure,
    sizes: Mapping[str, int],
    options: Options,
    engines: Engines,
    progress: Progress | None = None,
) -> Search:
    """Bring expressions to their normal form, use what is assumed, and let the e-graph grow.

    Raises:
        TimeLimitError: if the derivatives are not worked out when the time is up.

    Example: see `tensorgrad_eg.api`, which is where all the parts meet.
    """
    files = engines.files or rule_files()
    facts = checked(options.assume, variables(expressions))
    report = Report(matches=engines.matches)
    started = time.monotonic()
    derived = derive(expressions, sizes, engines)
    derived = assumed(derived, expressions, facts, engines)
    if options.effort and not options.structured:
        derived = with_modes(derived, expressions, sizes, engines)
    derived = spelt(derived, engines.deadline)
    if options.numerics == "fast":
        derived = replace(derived, numerics=_FAST)
    started = timed(report, "differentiate", started)
    parts = pieces(derived) if options.structured else None
    start = derived if parts is None else replace(derived, dag=parts.dag, plain=None)
    start = bracketed(start, sizes, engines.deadline) if options.effort else start
    budget = Budget.of(options.effort, options.seconds)
    searched = saturated(start, sizes, budget, report, engines, (progress or Progress()).round)
    timed(report, "search", started)
    return Search(
        tuple(expressions), structure, options, derived, searched, report, files, facts, parts, dict(sizes)
    )

"""The main job: from expressions to a plan.

Expressions are brought to a normal form in which every derivative is worked out, an e-graph of equal
programs grows from it, and the cheapest of them is extracted for all outputs together.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from tensorgrad_eg.assume import Fact, checked
from tensorgrad_eg.deadline import Deadline
from tensorgrad_eg.egraph.decode import decode
from tensorgrad_eg.egraph.derive import DERIVE, Derived, derive, for_print, tidied
from tensorgrad_eg.egraph.engines import Engines
from tensorgrad_eg.egraph.modes import with_modes
from tensorgrad_eg.egraph.processes import import_engine
from tensorgrad_eg.egraph.saturate import Budget, Report
from tensorgrad_eg.errors import LostTermError, OperandError, TimeLimitError, WrongPlanError
from tensorgrad_eg.expr import Number, Tensor, as_tensor, variables
from tensorgrad_eg.expr.sizes import empty
from tensorgrad_eg.expr.sizes import numbers as checked_numbers
from tensorgrad_eg.extract.assumed import assumed
from tensorgrad_eg.extract.baseline import modes
from tensorgrad_eg.extract.extract import SEARCH, Extracted, Searched, search, timed
from tensorgrad_eg.extract.extract import extract as extract_best
from tensorgrad_eg.extract.extract import started as first_program
from tensorgrad_eg.extract.halves import discounted, halved, orders_of
from tensorgrad_eg.extract.lower import with_classes
from tensorgrad_eg.extract.pieces import Pieces, pieces
from tensorgrad_eg.extract.search import Solution
from tensorgrad_eg.options import check_options
from tensorgrad_eg.plan.cost import total_flops
from tensorgrad_eg.plan.folding import fold
from tensorgrad_eg.plan.plan import Baseline, Plan, result_names
from tensorgrad_eg.plan.program import Input, Program, ProgramError
from tensorgrad_eg.plan.structured import StructuredPlan, settled
from tensorgrad_eg.progress import shown
from tensorgrad_eg.rules.files import RuleFile, rule_files
from tensorgrad_eg.verify.promise import Broken, Promise, kept
from tensorgrad_eg.verify.refusal import Refusal

#: How long a plan may be checked before it is returned: so many seconds, or this share of what planning took.
_CHECK_SECONDS, _CHECK_SHARE = 0.05, 0.1

#: The effort of a plan that was to have none, and would cost more than automatic differentiation.
_LITTLE = 0.1

#: So much of its time a plan has even where the first import of the engine took longer than the rest.
_AFTER_IMPORT = 0.5

Wanted = Tensor | Sequence[Tensor] | Mapping[str, Tensor]


@dataclass
class Problem:
    """What a plan was made from."""

    expressions: list[Tensor]
    structure: Any
    #: Plans the same for other sizes from the beginning.
    again: partial[Plan]
    derived: Derived
    searched: Searched
    report: Report
    seed: int
    exact: float | None = None
    files: tuple[RuleFile, ...] | None = None
    pieces: Pieces | None = None
    facts: tuple[Fact, ...] = ()
    symmetric: bool = False
    verify: bool = True
    _extracted: dict[tuple[tuple[str, int], ...], Extracted] = field(default_factory=dict)
    #: Programs with halves, each with the solution whose number it is filed under.
    _halves: dict[tuple[int, tuple[tuple[str, int], ...]], tuple[Solution, Program]] = field(
        default_factory=dict
    )
    _baselines: dict[tuple[tuple[str, int], ...], Baseline] = field(default_factory=dict)

    def extracted(
        self,
        sizes: Mapping[str, int],
        progress: Callable[[float], None] = lambda cost: None,
        deadline: Deadline | None = None,
    ) -> Extracted:
        """The cheapest program in the e-graph for these sizes, found once."""
        key = tuple(sorted(sizes.items()))
        if key not in self._extracted:
            roots = list(self.searched.dag.roots)
            best = extract_best(
                self.searched, roots, dict(sizes), self.seed, exact=self.exact, progress=progress,
                deadline=deadline,
            )  # fmt: skip
            self._extracted[key] = self._with_halves(best, sizes, deadline) if self.symmetric else best
        return self._extracted[key]

    def _with_halves(self, best: Extracted, sizes: Mapping[str, int], deadline: Deadline | None) -> Extracted:
        """The program found, or another that costs less once symmetric tensors are computed by halves."""
        roots = list(self.searched.dag.roots)
        other = extract_best(
            self.searched, roots, sizes, self.seed, deadline=deadline,
            reprice=lambda priced: discounted(priced, self.searched.orders(priced.snapshot)),
        )  # fmt: skip
        costs = [total_flops(self._halved(found, sizes, deadline)) for found in (best, other)]
        return best if costs[0] <= costs[1] else replace(other, certificate=best.certificate)

    def _lowered(self, best: Extracted, sizes: Mapping[str, int]) -> Program:
        return self._with_classes(best, sizes)[0]

    def _with_classes(self, best: Extracted, sizes: Mapping[str, int]) -> tuple[Program, dict[str, int]]:
        given = [
            Input(v.name, v.edges, tuple(v.shape.values())) for v in variables(self.expressions).values()
        ]
        return with_classes(best.priced, best.solution, given, self._outputs(), dict(sizes))

    def _halved(self, best: Extracted, sizes: Mapping[str, int], deadline: Deadline | None = None) -> Program:
        """A program with symmetric halves; proofs of symmetry take long, and are looked for once."""
        key = id(best.solution), tuple(sorted(sizes.items()))
        if key not in self._halves:
            program, classes = self._with_classes(best, sizes)
            given = orders_of(program, classes, self.searched.orders(best.priced.snapshot))
            facts = [fact for fact in self.facts if fact.kind in ("symmetric", "diagonal")]
            known = [(f.variable.name, (min(f.axes), max(f.axes))) for f in facts]
            self._halves[key] = best.solution, halved(program, known, given, deadline)
        return self._halves[key][1]

    def plan(
        self,
        sizes: Mapping[str, int],
        progress: Callable[[float], None] = lambda cost: None,
        deadline: Deadline | None = None,
    ) -> Plan:
        """The plan for these sizes, from the e-graph as it is."""
        started = time.monotonic()
        numbers = dict(sizes)
        limit = deadline or Deadline.of(self.again.keywords["seconds"])
        try:
            best = self.extracted(numbers, progress, deadline)
            plan = self._assembled(best, numbers, limit)
        except (LookupError, ProgramError, LostTermError) as error:
            if not self.again.keywords["rules"]:
                raise
            raise self._refused(Broken.contradiction(error), numbers, limit) from error
        started = timed(self.report, "extract", started)
        if self.verify:
            self._verified(plan, best, limit)
            timed(self.report, "verify", started)
        return plan if self.again.keywords["effort"] else self._affordable(plan, limit)

    def _affordable(self, plan: Plan, limit: Deadline) -> Plan:
        """A plan without a search, unless another mode of differentiation costs less: then with a search."""
        with suppress(TimeLimitError):
            if plan.flops > self.baseline(plan.sizes, limit) and not limit.over:
                found = self.again(plan.sizes, effort=_LITTLE, seconds=limit.left)
                return found if found.flops < plan.flops else plan
        return plan

    def _assembled(
        self,
        best: Extracted,
        numbers: dict[str, int],
        deadline: Deadline | None = None,
        plainly: bool = False,
    ) -> Plan:
        """The plan of a program that was found; `plainly` leaves the order of its axes as it is."""
        halves = self.symmetric
        program = self._halved(best, numbers, deadline) if halves else self._lowered(best, numbers)
        about = (self.structure, lambda: self.baseline(numbers), self.report, self, best.certificate)
        if self.pieces is None:
            program = fold(program) if plainly else program
            return Plan(program, *about, arranged=plainly, assumptions=map(str, self.facts))
        program, forms = settled(program, self.pieces.forms(self.derived, self.expressions, numbers))
        return StructuredPlan(program, *about, forms=forms, assumptions=map(str, self.facts))

    def promise(self, best: Extracted, sizes: Mapping[str, int]) -> Promise:
        """Whether a program that was found for these sizes is what the expressions are."""
        seconds = max(_CHECK_SECONDS, _CHECK_SHARE * sum(self.report.phases.values()))
        return kept(
            self.expressions,
            # No proofs for sizes at which nobody would pack anything.
            lambda small: self._assembled(best.at(small), dict(small), Deadline(0.0), plainly=True),
            sizes,
            self.facts,
            seconds,
        )

    def _verified(self, plan: Plan, best: Extracted, deadline: Deadline) -> None:
        """Refuses a plan that is not what the expressions are."""
        promise = self.promise(best, plan.sizes)
        self.report.verified = str(promise)
        if promise.broken is not None:
            raise self._refused(promise.broken, plan.sizes, deadline)

    def _refused(self, broken: Broken, sizes: Mapping[str, int], deadline: Deadline) -> WrongPlanError:
        """Which rules are involved in what is wrong, with what the search began with, if that is right."""
        fallback = None
        with suppress(LookupError, ProgramError, LostTermError):
            begun = first_program(self.searched, list(self.searched.dag.roots), sizes)
            if self.promise(begun, sizes).broken is None:
                fallback = self._assembled(begun, dict(sizes))
        names = result_names(self.structure, len(self.expressions))
        refusal = Refusal(self.expressions, names, sizes, self.again, self.report, deadline, self.verify)
        return refusal.error(broken, fallback)

    def passes(self, sizes: Mapping[str, int]) -> Iterator[Program]:
        """The program that was found, then without arithmetic on constants, then with symmetric halves."""
        best = self.extracted(sizes)
        program = self._lowered(best, sizes)
        yield program
        yield fold(program)
        yield fold(self._halved(best, sizes)) if self.symmetric else fold(program)

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
        key = tuple(sorted(sizes.items()))
        if key not in self._baselines:
            start = self.extracted(sizes).start_cost
            engines = Engines(self.files, deadline=deadline or Deadline(), rulesets=DERIVE)
            cost, costs = modes(self.expressions, sizes, engines)
            found = Baseline(cost, costs) if costs else Baseline(start, {"reverse": start})
            self._baselines[key] = found
        return self._baselines[key]

    def resize(self, plan: Plan, sizes: Mapping[str, int]) -> Plan:
        """The same e-graph, priced for other sizes; where others are zero than before, another e-graph."""
        return self.plan(sizes) if empty(sizes) == empty(plan.sizes) else self.again(sizes)

    def check(self, plan: Plan, **options: Any) -> Any:
        """Compares the plan with the expressions."""
        from tensorgrad_eg.verify import check_plan

        return check_plan(plan, self.expressions, facts=self.facts, **options)

    def explain(self, plan: Plan, **options: Any) -> Any:
        """The derivation of the plan."""
        from tensorgrad_eg.explain import explain

        return explain(self, plan, **options)


def optimize(
    wanted: Wanted,
    sizes: Mapping[str, int] | None = None,
    *,
    rules: Sequence[str | Path] = (),
    assume: Sequence[Fact] = (),
    seconds: float = 10.0,
    extract: str = "greedy",
    effort: float = 1.0,
    seed: int = 0,
    structured: bool = False,
    symmetric: bool = False,
    verify: bool = True,
) -> Plan:
    """The cheapest program found for one tensor, or for a list or a dict of them together.

    `sizes` gives a number for every size symbol. `rules` are further rule files. `seconds` bounds all of it,
    from the call to the plan. The search for better programs never fails for lack of time: with the time up,
    or Ctrl-C, it returns the best so far. Only until there is a first program both are errors. With
    `extract="exact"` a solver (the extra `exact`) takes as long again to prove the plan optimal in its
    e-graph, or to bound what is left: see `plan.certificate`. `effort` scales how far the search goes:
    2 looks at about twice as many terms, 0 takes the program that differentiation gives (and searches a
    little only where that costs more than the baseline).

    `assume` has facts about variables, such as `tg.assume.symmetric(A)`, that are true of every array the
    plan will be called with. Derivatives are worked out without them.

    With `structured=True` results are `Structured` objects: sums of products of small tensors and deltas,
    multiplied out by `.dense()` only, so that no identity and no outer product is ever made.

    With `symmetric=True` tensors that are symmetric in two edges are computed for one half of their entries
    where that saves more than packing and unpacking them costs: in a Hessian, half or three quarters of the
    last product.

    Before it is returned the plan is compared with the expressions, evaluated by their definition at small
    random arrays; `verify=False` leaves that out.

    Raises:
        MissingSizeError: if a size symbol has no number.
        NumberError: if a size, the effort or the seed is none.
        WrongPlanError: if the plan does not compute what it should, as an unsound rule would have it;
            `error.fallback` then is the program that the search started from, if that is right.
        VariableClashError: if two different variables have one name.
        RuleFileNotFoundError: if a rule file does not exist.
        AssumptionError: if a fact is about a variable that no expression contains.
        TimeLimitError: if the derivatives are not worked out when the time is up.
        EndlessRuleError: if rules of the caller's go on and on.

    Example:
        >>> from tensorgrad_eg import Variable, Derivative
        >>> A, x = Variable("A", i="n", j="n"), Variable("x", ["n"])
        >>> plan = optimize(Derivative(Derivative(x.rename(n="i") @ A @ x.rename(n="j"), x), x), {"n": 4})
        >>> [v.name for v in plan.inputs if plan.program.readers(v.name)]
        ['A']
    """
    check_options(extract=extract, effort=effort, seed=seed)
    again = partial(
        optimize, wanted, rules=rules, assume=assume, seconds=seconds, extract=extract, effort=effort,
        seed=seed, structured=structured, symmetric=symmetric, verify=verify,
    )  # fmt: skip
    deadline = Deadline.of(seconds)
    expressions, structure = _flat(wanted)
    numbers = checked_numbers(expressions, {} if sizes is None else sizes)
    files = rule_files(rules)
    facts = checked(assume, variables(expressions))
    report = Report()
    import_engine()
    deadline = deadline.at_least(_AFTER_IMPORT)
    rulesets = DERIVE | SEARCH | ({"facts"} if facts else set())
    engines = Engines(files, report.matches, deadline, rulesets)
    started = time.monotonic()
    with deadline.heard(), shown() as progress:
        derived = derive(expressions, numbers, engines)
        derived = assumed(derived, expressions, facts, engines)
        if effort and not structured:
            derived = with_modes(derived, expressions, numbers, engines)
        started = timed(report, "differentiate", started)
        parts = pieces(derived) if structured else None
        start = derived if parts is None else replace(derived, dag=parts.dag, plain=None)
        searched = search(start, numbers, Budget.of(effort, seconds), report, engines, progress.round)
        timed(report, "search", started)
        exact = seconds if extract == "exact" else None
        problem = Problem(
            expressions, structure, again, derived, searched, report, seed, exact, files, parts, facts,
            symmetric, verify,
        )  # fmt: skip
        return problem.plan(numbers, progress.cost, deadline)


def simplify(e: Tensor, *, assume: Sequence[Fact] = ()) -> Tensor:
    """The normal form of an expression, every derivative worked out, facts about variables used after that.

    Example:
        >>> from tensorgrad_eg import Variable, Derivative
        >>> x = Variable("x", ["k"])
        >>> print(simplify(Derivative(x @ x, x)))
        2 x[k]
    """
    facts = checked(assume, variables([e]))
    engines = for_print()
    derived = tidied(assumed(derive([e], {}, engines), [e], facts, engines), engines)
    return decode(derived, 0, e)


def _flat(wanted: Wanted) -> tuple[list[Tensor], Any]:
    if isinstance(wanted, Tensor):
        return [wanted], "tensor"
    if isinstance(wanted, Mapping):
        return [_tensor(e) for e in wanted.values()], tuple(wanted)
    if isinstance(wanted, list | tuple):
        return [_tensor(e) for e in wanted], "list"
    raise OperandError.of(type(wanted).__name__)


def _tensor(e: Tensor | float) -> Tensor:
    return as_tensor(e)


__all__ = ["Number", "Problem", "optimize", "simplify"]

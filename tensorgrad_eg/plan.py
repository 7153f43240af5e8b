"""Plan: the cheapest program that was found, and all that one does with it.

>>> import numpy as np
>>> import tensorgrad_eg as tg
>>> A, x = tg.Variable("A", ["i", "k"]), tg.Variable("x", ["k"])
>>> plan = tg.optimize(A @ x, {"i": 2, "k": 3})
>>> plan(A=np.ones((2, 3)), x=np.ones(3))
array([3., 3.])
>>> plan
<Plan: result[i] from A, x; 1 step, 12 flops, 1 x baseline>
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property, partial
from os import PathLike

from tensorgrad_eg.diagram import draw
from tensorgrad_eg.diagram.display import Diagram
from tensorgrad_eg.egraph.engine import Engines
from tensorgrad_eg.egraph.failures import import_engine
from tensorgrad_eg.egraph.saturate import Report
from tensorgrad_eg.emit import Compiled, result_names
from tensorgrad_eg.errors import (
    DetachedPlanError,
    LostTermError,
    PlanFileError,
    ProgramError,
    TensorgradError,
    TimeLimitError,
    WrongPlanError,
)
from tensorgrad_eg.explain import Detail, explain
from tensorgrad_eg.explain.derivation import Derivation
from tensorgrad_eg.expr import Tensor, variables
from tensorgrad_eg.expr.printing import indexed
from tensorgrad_eg.expr.walk import by_symbol, empty
from tensorgrad_eg.extract.extract import Extracted, timed
from tensorgrad_eg.extract.search import Certificate
from tensorgrad_eg.program import Program, Structure, store
from tensorgrad_eg.program.cost import Baseline
from tensorgrad_eg.program.forms import Form
from tensorgrad_eg.program.passes import fold
from tensorgrad_eg.program.table import table
from tensorgrad_eg.running import Deadline, Progress, patient, shown, write_file
from tensorgrad_eg.search import Options, Search, engines, search
from tensorgrad_eg.verify.plans import Broken, PlanCheck, Promise, check_plan, kept
from tensorgrad_eg.verify.suspects import Refusal

#: How long a plan may be checked before it is returned: so many seconds, or this share of what planning took.
_CHECK_SECONDS, _CHECK_SHARE = 0.05, 0.1
#: The effort of a plan that was to have none, and would cost more than automatic differentiation.
_LITTLE = 0.1
#: So much of its time a plan has even where the first import of the engine took longer than the rest.
_AFTER_IMPORT = 0.5


class Plan(Compiled):
    """A program, what it costs, and what it was made from. Calling it runs it on the arrays that are given.

    `search` is what it was found in: the e-graph, what this grew from, and the report. A plan that was loaded
    from a file has none.

    >>> Plan(Program((), (), (), {}), "list", 0)()
    []
    """

    def __init__(
        self,
        program: Program,
        structure: Structure,
        baseline: int | Callable[[], int],
        report: Report | str | None = None,
        search: Search | None = None,
        certificate: Certificate | str | None = None,
        *,
        forms: Sequence[Form] | None = None,
        arranged: bool = False,
        assumptions: Iterable[str] = (),
    ) -> None:
        """Take a program. A baseline that takes work is a function, and worked out when somebody asks."""
        super().__init__(program, structure, forms=forms, arranged=arranged, assumptions=assumptions)
        self._baseline = baseline
        self.report = report
        self.search = search
        self.certificate = certificate

    @cached_property
    def baseline(self) -> Baseline:
        """What ordinary automatic differentiation pays for the same results, in the same unit.

        >>> import tensorgrad_eg as tg
        >>> x = tg.Variable("x", ["k"])
        >>> plan = tg.optimize((x @ x).grad(x), {"k": 3})
        >>> int(plan.baseline)
        3
        """
        value = self._baseline() if callable(self._baseline) else self._baseline
        return value if isinstance(value, Baseline) else Baseline(value)

    @property
    def ratio(self) -> float:
        """The cost over that of the baseline.

        >>> import tensorgrad_eg as tg
        >>> x = tg.Variable("x", ["k"])
        >>> plan = tg.optimize((x @ x).grad(x), {"k": 3})
        >>> plan.ratio
        1.0
        """
        return self.flops / self.baseline if self.baseline else float("nan") if self.flops else 1.0

    def check(
        self,
        rtol: float = 1e-9,
        seed: int = 0,
        backend: str = "numpy",
        autograd: bool | None = None,
    ) -> PlanCheck:
        """Evaluate the plan against the expressions it was made from, on random data.

        Derivatives are compared with torch's where torch is installed, else with exact ones of our own
        (`autograd` False takes these in any case). At sizes that would take long, the plan is resized.

        Raises:
            CheckError: if an output differs by more than `rtol` times its largest entry.
            DetachedPlanError: if the plan was loaded from a file.

        >>> import tensorgrad_eg as tg
        >>> x = tg.Variable("x", ["k"])
        >>> plan = tg.optimize((x @ x).grad(x), {"k": 3})
        >>> print(plan.check(autograd=False).error)
        0.0
        """
        found = self._found("check")
        return check_plan(
            self, found.expressions, rtol, seed, backend, autograd, found.facts, smaller=self.resize
        )

    def resize(self, sizes: Mapping[str, int]) -> Plan:
        """The plan for other sizes, given as for `optimize`; those that are not given stay.

        The same e-graph is priced anew; where other sizes are zero than before, another one is made.

        Raises:
            DetachedPlanError: if the plan was loaded from a file.

        >>> import tensorgrad_eg as tg
        >>> x = tg.Variable("x", ["k"])
        >>> plan = tg.optimize((x @ x).grad(x), {"k": 3})
        >>> plan.resize({"k": 100}).flops
        100
        """
        found = self._found("resize")
        wanted = {**self.sizes, **by_symbol(found.expressions, sizes, self.sizes)}
        if empty(wanted) == empty(self.sizes):
            return _planned(found, wanted, deadline=Deadline.of(found.options.seconds))
        return plan_for(found.expressions, found.structure, wanted, found.options)

    def explain(self, check: bool = True, detail: Detail = "steps") -> Derivation:
        """The derivation, step by step; with `check` both sides of every step are compared on random data.

        Raises:
            DetailError: if `detail` is not "phases", "steps" or "all".
            DetachedPlanError: if the plan was loaded from a file.

        >>> import tensorgrad_eg as tg
        >>> x = tg.Variable("x", ["k"])
        >>> plan = tg.optimize((x @ x).grad(x), {"k": 3})
        >>> for step in plan.explain().steps:
        ...     print(f"{step.before} = {step.after}  ({step.rule})")
        ∂L/∂x[k] = 2 ∂L/∂L x[k]  (pullback of a contraction, left)
        ∂L/∂L = 1  (the root's own cotangent)
        """
        return explain(self._found("explain"), self, check, detail)

    def draw(self) -> Diagram:
        """A picture of the program.

        >>> import tensorgrad_eg as tg
        >>> x = tg.Variable("x", ["k"])
        >>> plan = tg.optimize((x @ x).grad(x), {"k": 3})
        >>> "graph" in plan.draw().dot
        True
        """
        return draw(self)

    def _found(self, method: str) -> Search:
        if self.search is None:
            raise DetachedPlanError.of(method)
        return self.search

    def to_json(self) -> str:
        """The plan as text, for `from_json`; the same plan gives the same text.

        >>> import tensorgrad_eg as tg
        >>> x = tg.Variable("x", ["k"])
        >>> plan = tg.optimize((x @ x).grad(x), {"k": 3})
        >>> Plan.from_json(plan.to_json()).flops
        3
        """
        report, certificate = (None if it is None else str(it) for it in (self.report, self.certificate))
        about = (self.structure, self.baseline, report, certificate, self.assumptions, self.forms)
        return store.written(store.Document(self.program, *about))

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """The plan that `to_json` wrote.

        Raises:
            PlanFileError: if it is no plan, or does not hold a program that runs.

        >>> Plan.from_json('{"format": "tensorgrad_eg plan", "version": 99}')
        Traceback (most recent call last):
        tensorgrad_eg.errors.PlanFileError: this plan has version 99; this release reads version 1. Make the
        plan again, or update tensorgrad_eg.
        """
        return _stored(store.parsed(text.encode("utf-8", "surrogatepass")))

    def save(self, path: str | PathLike[str]) -> None:
        """Write the plan to a file, for `load`. A file that was there is replaced in one step.

        Raises:
            WriteError: if there is no such folder, if the path is one, or if writing is not permitted.

        >>> import tensorgrad_eg as tg
        >>> x = tg.Variable("x", ["k"])
        >>> plan = tg.optimize((x @ x).grad(x), {"k": 3})
        >>> plan.save("no such folder/plan.json")
        Traceback (most recent call last):
        tensorgrad_eg.errors.WriteError: 'no such folder/plan.json' cannot be written: there is no folder
        'no such folder'. Make it first.
        """
        write_file(path, self.to_json())

    def __str__(self) -> str:
        """The forms of structured results, then the cost table."""
        text = table(self.program, self.names, self.baseline, self.baseline.modes, self.peak_elements)
        lines = [f"Proof      {self.certificate}"] if self.certificate is not None else []
        lines += [f"Assumes    {'; '.join(self.assumptions)}"] if self.assumptions else []
        forms = [f"{'Form' if n == 0 else '':10} {text}" for n, text in enumerate(self.formulas())]
        return "\n".join([*forms, text.replace("\nBaseline", "\n".join(["", *lines, "Baseline"]), 1)])

    def __repr__(self) -> str:
        """One line: results, variables, steps and cost."""
        results = [indexed(name, out.names) for name, out in zip(self.names, self.outputs, strict=True)]
        shown = ", ".join(results[:3]) + (f" and {len(results) - 3} more" if len(results) > 3 else "")
        read = self._signature.read
        source = ", ".join(read[:6]) + (f" and {len(read) - 6} more" if len(read) > 6 else "")
        count = len(self.steps)
        cost = f"{count} step{'' if count == 1 else 's'}, {self.flops:,} flops, {self.ratio:.3g} x baseline"
        return f"<Plan: {shown or 'nothing'} from {source or 'nothing'}; {cost}>"


def load(path: str | PathLike[str]) -> Plan:
    """Read a plan from a file. It runs and emits; what needs its expressions says that it was loaded.

    Raises:
        PlanFileNotFoundError: if there is no such file.
        PlanFileError: if it cannot be read, is no plan, or does not hold a program that runs.

    Example:
        >>> load("no such file")
        Traceback (most recent call last):
        tensorgrad_eg.errors.PlanFileNotFoundError: there is no plan file 'no such file'.
    """
    data = store.content(path)
    try:
        return _stored(store.parsed(data))
    except PlanFileError as error:
        raise PlanFileError(f"{str(path)!r}: {error}") from None


def _stored(data: store.Document) -> Plan:
    about = (data.structure, data.baseline, data.report, None, data.certificate)
    plan = Plan(data.program, *about, forms=data.forms, arranged=True, assumptions=data.assumptions)
    if data.forms is not None:
        store.check_pieces(data.program, plan.names, data.forms)
    return plan


def plan_for(
    expressions: Sequence[Tensor], structure: Structure, sizes: Mapping[str, int], options: Options
) -> Plan:
    """Search, price, assemble, verify: the plan for these expressions.

    Raises:
        TimeLimitError: if the derivatives are not worked out when the time is up.
        WrongPlanError: if the plan does not compute what it should.

    Example: see `tensorgrad_eg.optimize`.
    """
    deadline = Deadline.of(options.seconds)
    import_engine()
    deadline = deadline.at_least(_AFTER_IMPORT)
    with patient(), deadline.heard(), shown() as progress:
        own = engines(options, deadline, expressions)
        found = search(expressions, structure, sizes, options, own, progress)
        return _planned(found, sizes, deadline, progress, own)


def _affordable(plan: Plan, found: Search, limit: Deadline) -> Plan:
    """A plan without a search, unless another mode of differentiation costs less: then with a search."""
    with suppress(TimeLimitError):
        if plan.flops > found.baseline(plan.sizes, limit) and not limit.over:
            options = replace(found.options, effort=_LITTLE, seconds=limit.left)
            other = plan_for(found.expressions, found.structure, plan.sizes, options)
            return other if other.flops < plan.flops else plan
    return plan


def _planned(
    found: Search,
    sizes: Mapping[str, int],
    deadline: Deadline,
    progress: Progress | None = None,
    own: Engines | None = None,
) -> Plan:
    """The plan for these sizes, from the e-graph as it is; its engines, if they are still there, are used.

    Example: see `Plan.resize`.
    """
    started = time.monotonic()
    try:
        best = found.extracted(sizes, (progress or Progress()).cost, deadline, own)
        plan = _assembled(found, best, sizes, deadline)
    except (LookupError, ProgramError, LostTermError) as error:
        if not found.options.rules:
            raise
        raise _refused(found, Broken.contradiction(error), sizes, deadline) from error
    started = timed(found.report, "extract", started)
    if found.options.verify:
        promise = _promise(found, best, sizes, deadline)
        found.report.verified = str(promise)
        if promise.broken is not None:
            raise _refused(found, promise.broken, sizes, deadline)
        timed(found.report, "verify", started)
    return plan if found.options.effort else _affordable(plan, found, deadline)


def _assembled(
    found: Search, best: Extracted, sizes: Mapping[str, int], deadline: Deadline | None = None
) -> Plan:
    program, forms = found.program(best, sizes, deadline)
    about = (partial(found.baseline, dict(sizes)), found.report, found, best.certificate)
    return Plan(program, found.structure, *about, forms=forms, assumptions=map(str, found.facts))


def _promise(found: Search, best: Extracted, sizes: Mapping[str, int], deadline: Deadline) -> Promise:
    """Whether a program that was found for these sizes is what the expressions are."""
    share = _CHECK_SHARE * sum(found.report.phases.values())
    seconds = max(_CHECK_SECONDS, min(share, deadline.left))

    def small(own: Mapping[str, int]) -> Compiled:
        # No proofs for sizes at which nobody would pack anything.
        program, forms = found.program(best.at(own), own, Deadline(0.0))
        plain = fold(program) if forms is None else program
        return Compiled(plain, found.structure, forms=forms, arranged=forms is None)

    return kept(found.expressions, small, sizes, found.facts, seconds)


def _refused(found: Search, broken: Broken, sizes: Mapping[str, int], deadline: Deadline) -> WrongPlanError:
    """Which rules are involved in what is wrong, with what the search began with, if that is right."""
    fallback = None
    with suppress(LookupError, ProgramError, LostTermError):
        begun = found.first(sizes)
        if _promise(found, begun, sizes, deadline).broken is None:
            fallback = _assembled(found, begun, sizes)
    names = result_names(found.structure, len(found.expressions))
    options, trial = found.options, partial(_trial, found.options)
    about = (found.expressions, names, sizes, options.rules, found.report, deadline, trial, options.verify)
    return Refusal(*about).error(broken, fallback)


def _trial(options: Options, part: Tensor, sizes: Mapping[str, int], seconds: float) -> Report | None:
    """The report of a plan for a part alone, if that is wrong as well."""
    facts = [fact for fact in options.assume if fact.variable.name in variables([part])]
    own = replace(options, assume=facts, verify=False, extract="greedy", seconds=seconds)
    try:
        limit = Deadline.of(seconds)
        found = search([part], "tensor", sizes, own, engines(own, limit, [part]))
    except TensorgradError:
        return None
    try:
        wrong = _promise(found, found.extracted(sizes), sizes, limit).broken is not None
    except (LookupError, ProgramError, LostTermError):
        wrong = True
    return found.report if wrong else None

"""From a problem and its plan to the derivation: phases are replayed, the search is walked down in cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from tensorgrad_eg.emit.compiled import Compiled
from tensorgrad_eg.errors import DetailError
from tensorgrad_eg.explain.derivation import Derivation
from tensorgrad_eg.explain.descent import Runner
from tensorgrad_eg.explain.ledger import Ledger
from tensorgrad_eg.explain.replay import Replay, Writer, directed_phase
from tensorgrad_eg.explain.terms import Terms
from tensorgrad_eg.expr import Tensor, Variable, variables
from tensorgrad_eg.expr.walk import empty
from tensorgrad_eg.search import Search

Detail = Literal["phases", "steps", "all"]
_DETAILS = ("phases", "steps", "all")


def explain(problem: Search, plan: Compiled, check: bool = True, detail: Detail = "steps") -> Derivation:
    """How the plan comes about: every rule that was used, what it did and where, and what that saved.

    With `check`, the two sides of every step are compared on random data. `detail` is what `str` shows: only
    where each phase ends, or its steps, or also the rules that do what is usually not written down.

    Raises:
        DetailError: if there is no such level of detail.

    Example:
        >>> import tensorgrad_eg as tg
        >>> x = tg.Variable("x", ["k"])
        >>> plan = tg.optimize(tg.Derivative((x * x).sum(), x), {"k": 3})
        >>> [step.rule for step in plan.explain()][-1]
        "the root's own cotangent"
    """
    if detail not in _DETAILS:
        raise DetailError.of(detail, _DETAILS)
    terms = Terms(problem.derived.symbols)
    runner = Runner(problem.files, problem.derived.facts, plan.sizes, problem.report.matches)
    writer = Writer(terms, _given(problem.expressions, plan.sizes), check, problem.facts)
    replays = []
    for number, stage in enumerate(problem.derived.stages):
        with runner.fresh(facts=stage.phase == "facts") as engine:
            replays.append(Replay.of(engine, stage, number, terms))
            replays[-1].run(runner.rules, runner.matches)
    ledger = Ledger(problem, plan, runner, writer)
    outputs = dict(zip(problem.expressions, plan.results, strict=True))
    phases = ledger.phases([directed_phase(writer, replay, outputs) for replay in replays])
    start = ledger.found[0].cost
    return Derivation(tuple(phase for phase in phases if phase.steps), plan.flops, detail, start)


def _given(expressions: Sequence[Tensor], sizes: Mapping[str, int]) -> dict[str, Variable]:
    """The variables; where a size is zero it is a number in every term, and so it is in these."""
    zero = empty(sizes)
    return {
        name: Variable(name, {edge: 0 if size in zero else size for edge, size in v.shape.items()})
        for name, v in variables(expressions).items()
    }

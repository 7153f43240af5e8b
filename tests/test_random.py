"""Random expressions: gradient, Jacobian and Hessian equal autograd's, and every e-node equals its class.

TENSORGRAD_EG_EXAMPLES=20 makes it a quick check for developers, 5000 a night of searching; the number is
shared among the tests. Continuous integration takes 200 expressions, the same ones each time.
"""

from __future__ import annotations

import math
import os

from hypothesis import given, settings
from hypothesis import seed as seeded
from strategies import SIZES, Case, cases

import tensorgrad_eg as tg
from tensorgrad_eg.expr.walk import symbols
from tensorgrad_eg.verify import inspect_snapshot, snapshots

EXAMPLES = int(os.environ.get("TENSORGRAD_EG_EXAMPLES", "200"))


def entries(plan: tg.Plan) -> int:
    """How many entries the results have: what a plan may pay to write out identities.

    Passes of automatic differentiation write the rows of a dense Jacobian without arithmetic; a plan puts a
    tensor on a diagonal at a flop for each entry.
    """
    return sum(math.prod(plan.program.sizes[edge] for edge in out.edges) for out in plan.outputs)


def check(case: Case) -> None:
    """Plans three derivatives together, compares each with autograd, and every e-node with its class."""
    wanted = [
        case.loss.grad(case.first),
        case.tensor.grad(case.first),
        tg.hessian(case.loss, case.first, case.second),
    ]
    plan = tg.optimize(wanted, {s: n for s, n in SIZES.items() if s in symbols(wanted)}, seconds=60)
    assert plan.check(rtol=1e-9).outputs == 3
    assert plan.flops <= plan.baseline + entries(plan)
    source = plan.search
    for name, snapshot in snapshots(source.derived, source.searched):  # type: ignore[union-attr]
        found = inspect_snapshot(snapshot)
        assert found.ok, f"{name}: {found.mismatches[0]}"
        assert not found.skipped
        assert found.not_finite == []


@seeded(1)
@settings(max_examples=EXAMPLES // 4)
@given(cases(steps=3))
def test_short_expressions(case: Case) -> None:
    """Short expressions, which show every rule by itself; their gradients cost no more than reverse mode."""
    check(case)
    gradient = case.loss.grad(case.first)
    plan = tg.optimize(gradient, {s: n for s, n in SIZES.items() if s in symbols([gradient])})
    assert plan.flops <= plan.baseline


@seeded(2)
@settings(max_examples=EXAMPLES // 4)
@given(cases(steps=5))
def test_expressions(case: Case) -> None:
    """Expressions of a few steps."""
    check(case)


@seeded(3)
@settings(max_examples=EXAMPLES // 4)
@given(cases(steps=5))
def test_more_expressions(case: Case) -> None:
    """As many again, so that two cores share the work."""
    check(case)


@seeded(4)
@settings(max_examples=EXAMPLES // 4)
@given(cases(steps=7))
def test_long_expressions(case: Case) -> None:
    """Longer expressions, in which parts are shared and names are reused."""
    check(case)

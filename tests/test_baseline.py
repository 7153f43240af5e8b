"""A plan never costs more than automatic differentiation, and identities are written, not computed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tensorgrad_eg as tg
from tensorgrad_eg import functions as F
from tensorgrad_eg.program import Operand, Program, Step
from tensorgrad_eg.program.cost import costs

A, x, v = tg.Variable("A", i="n", j="n"), tg.Variable("x", j="n"), tg.Variable("v", k="n")
B, D = tg.Variable("B", i="m", j="n"), tg.Variable("D", i="n", j="m", k="n")
C, z, u = tg.Variable("C", i="n", j="n", k=3), tg.Variable("z"), tg.Variable("u", ["m"])
_TRACE = F.dot(A, tg.delta("i", "j", size="n"), "i", "j")


@pytest.mark.parametrize(
    ("e", "entries"),
    [
        (A.grad(A), 0),
        (C.grad(C), 0),
        ((v * tg.delta("k", "m", size="n")).grad(v), 0),
        ((A + A.rename(i="j", j="i")).grad(A), 3**-2),
        ((A * 2).grad(A), 1),
        ((A * x).grad(A), 1),
        (F.exp(A).grad(A), 1 + 3**-2),
        (tg.hessian(F.sum(C * C) / 3, C), 1),
    ],
)
def test_products_of_identities_are_free(e: tg.Tensor, entries: float) -> None:
    """The derivative of a matrix by itself costs nothing; what is done to it costs a flop for each entry."""
    plan = tg.optimize(e, {"n": 3})
    assert plan.flops == round(entries * 3 ** len(e.edges))
    assert plan.flops <= plan.baseline


@pytest.mark.parametrize(
    ("e", "sizes"),
    [
        (tg.hessian(F.sum(C * C) / 3, C), {"n": 3}),
        (F.sum(F.sin(F.sum(-2 * A * (z + _TRACE) * _TRACE).grad(A))).grad(z), {"n": 1}),
        (F.dot(F.softplus(tg.delta("i", "j", size="n")), tg.delta("i", "j", size="n"), "j"), {"n": 2}),
        (F.dot(tg.einsum("ni,nj->ij", A, A), tg.delta("i", "j", size="n"), "j"), {"n": 3}),
        (F.dot(C, tg.delta("i", "j", size="n"), "j").grad(C), {"n": 1}),
        ((A * x).grad(A), {"n": 4}),
        ((A * x + A.rename(i="j", j="i")).grad(A), {"n": 3}),
        (F.exp((A + A) / F.sqrt(F.frobenius2(A + A) + 1)).grad(A), {"n": 3}),
        ((u * F.sum(F.softmax(A, "i") * A)).grad(A), {"n": 2, "m": 2}),
        (F.exp(A).grad(A), {"n": 2}),
        (F.exp(C).grad(C), {"n": 2}),
        (tg.hessian(F.sum(F.tanh(A)), A), {"n": 1}),
        (F.exp(F.tanh(F.log_softmax(F.softplus(A), "i", "j"))).grad(A), {"n": 1}),
        ((F.exp(v / 2) * F.sum(F.exp(v / 2))).grad(v), {"n": 2}),
        (tg.hessian(F.sum(C) / 3, C), {"n": 1}),
        ((F.logsumexp(B, "j") ** 2).grad(B), {"n": 3, "m": 1}),
        (F.sum(F.softmax(A, "i", "j"), "j").grad(A), {"n": 2}),
        (F.sum(F.softmax(D, *"ijk"), "k").grad(D), {"n": 2, "m": 2}),
    ],
)
@pytest.mark.parametrize("effort", [0, 1])
def test_plans_are_not_above_the_baseline(e: tg.Tensor, sizes: dict[str, int], effort: int) -> None:
    """Products of identities, diagonals that are read, edges of size one: no flop more than the best mode."""
    plan = tg.optimize(e, sizes, effort=effort)
    assert plan.flops <= plan.baseline
    plan.check()


@pytest.mark.parametrize("sizes", [{"n": 3, "b": 0}, {"n": 1, "b": 1}, {"n": 0, "b": 2}])
def test_a_plan_of_other_sizes_is_not_above_its_baseline(sizes: dict[str, int]) -> None:
    """The modes are priced anew for other sizes, zero and one included, and stay the most that is paid."""
    M, N = tg.Variable("M", i="n", b="b"), tg.Variable("N", i="n", k="n")
    both = F.sum(M + N, "k")
    plan = tg.optimize(F.sum(both * both, "b").grad(N), {"n": 2, "b": 2})
    for other in (plan.resize(sizes), tg.optimize(plan.search.expressions[0], sizes)):  # type: ignore[union-attr]
        assert other.flops <= other.baseline
        other.check()


def test_all_passes_at_once_are_a_step() -> None:
    """Where a mode costs less than all that the rules find, it is the plan, and the last step says so."""
    plan = tg.optimize((F.logsumexp(B, "j") ** 2).grad(B), {"m": 1, "n": 3})
    derivation = plan.explain()
    last = list(derivation)[-1]
    assert (last.rule, last.cost_after) == ("all passes of forward or reverse mode at once", plan.flops)
    assert plan.flops < list(derivation)[-1].cost_before
    assert "NOT CONFIRMED" not in str(derivation)


def test_passes_share_what_does_not_depend_on_the_direction() -> None:
    """A reverse pass is a row of the Jacobian; what all rows read, a softmax here, is paid once."""
    plan = tg.optimize(F.logsumexp(B, "j").grad(B), {"m": 5, "n": 4})
    functions = sum(cost for name, cost in costs(plan.program).items() if name != plan.program.steps[-1].name)
    assert plan.baseline.modes["reverse"] == (2 * 20 + 5) + 3 * 20 + 5 * 20
    assert functions < plan.flops <= plan.baseline


def test_what_is_free_is_not_computed() -> None:
    """A product of identities that costs nothing is written without a product; one with a mask has a cost."""
    one, other = Operand("eye", ("i", "j")), Operand("eye", ("k", "l"))
    pair = Step("pair", "contract", (one, other), ("i", "j", "k", "l"))
    mask = Step("mask", "contract", (one, Operand("pair", ("i", "j", "k", "l"))), ("i", "j", "k", "l"))
    steps = (Step("eye", "delta", (), ("i", "j")), pair, mask)
    program = Program((), steps, (), dict.fromkeys("ijkl", 3))
    assert costs(program) == {"eye": 0, "pair": 0, "mask": 81}
    for backend in ("numpy", "torch"):
        for e in (A.grad(A), C.grad(C), tg.delta("a", "b", size="n") * A.grad(A)):
            plan = tg.optimize(e, {"n": 3})
            returned = plan.code(backend).split("def plan")[1]
            code = "\n".join(line.split("#")[0] for line in returned.splitlines())
            assert plan.flops == 0
            assert ("[...] = 1" if backend == "numpy" else ".fill_(1)") in code
            assert "*" not in code.split('"""')[2]


def test_reading_a_diagonal_is_free() -> None:
    """A diagonal is a view: what costs is the matrix, and the sum over its diagonal."""
    B = tg.Variable("B", j="n", k="n")
    diagonal = F.dot(F.exp(A @ B), tg.delta("i", "k", size="n"), "k")
    arrays: dict[str, Any] = {"A": np.eye(3), "B": np.arange(9.0).reshape(3, 3)}
    plan = tg.optimize(diagonal, {"n": 3}, effort=0)
    np.testing.assert_allclose(plan(**arrays), np.exp(np.diag(arrays["B"])))
    assert plan.flops <= 2 * 27 + 9


@pytest.mark.parametrize("effort", [0, 1])
def test_what_is_written_on_diagonals_is_not_multiplied_by_their_zeros(effort: int) -> None:
    """The Jacobian of exp is infinite where exp is, and 0 beside the diagonals, not NaN."""
    plan = tg.optimize(F.exp(A).grad(A), {"n": 2}, effort=effort)
    with np.errstate(over="ignore"):
        found = plan(A=np.array([[1e3, 0.0], [1.0, 1e3]]))
    right = np.zeros((4, 4))
    np.fill_diagonal(right, [np.inf, 1.0, np.e, np.inf])
    np.testing.assert_allclose(found.reshape(4, 4), right)


def test_no_pass_costs_less_than_nothing() -> None:
    """A gradient that its own derivative shows to be constant makes no baseline negative."""
    B, step = tg.Variable("B", i="n", l="n"), tg.Variable("step", q="n", l="n")
    inner = tg.einsum("il,ql,li,qp->", B, step, tg.delta("l", "i", size="n"), tg.delta("q", "p", size="n"))
    for effort in (0, 1):
        plan = tg.optimize(tg.hessian(inner, step), {"n": 3}, effort=effort)
        assert 0 == plan.flops <= plan.baseline
        assert min(plan.baseline.modes.values()) >= 0

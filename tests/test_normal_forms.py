"""Normal forms: rules on identities, sums and facts that could undo each other end, with the right value."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

import tensorgrad_eg as tg
from tensorgrad_eg import functions as F
from tensorgrad_eg.egraph.derive import _Derivation, derive

N, U = 3, 2
x, y, s = (tg.Variable(name, i="n") for name in "xys")
w, B, A = tg.Variable("w", []), tg.Variable("B", l="n", j="n"), tg.Variable("A", k="n", p="u")
ij = tg.delta("i", "j", size="n")
RANDOM = np.random.default_rng(0)
DATA = {
    v.name: RANDOM.standard_normal([{"n": N, "u": U}[n] for n in v.shape.values()]) for v in (x, y, w, B, A)
}
DATA["s"] = np.eye(N)[1]
#: Where no rule undoes another such problems need a tenth of it.
MATCHES = 20_000


def ends(plan: tg.Plan) -> bool:
    """Whether the rules have come to an end of their own, and soon."""
    report = plan.report
    assert report is not None
    return report.stopped == "saturated" and sum(report.matches.values()) < MATCHES


def value(plan: tg.Plan) -> np.ndarray:
    """What a plan gives for the data."""
    return np.asarray(plan(**{read.name: DATA[read.name] for read in plan.inputs}))


identity = ij - (ij - ij)
flipped = ij.rename(i="j", j="i")
SUMS = {
    "a square that is taken away": (
        F.dot(identity, identity, "i", "j") - F.dot(identity, identity, "i", "j") + x,
        DATA["x"],
    ),
    "a product of sums that are nothing": (F.sum((ij * x - (ij * x - ij)) * (ij - ij)) + x, DATA["x"]),
    "a sum over one edge first": (F.sum(F.sum(-ij + (-ij + flipped) + y, "i")), N * DATA["y"].sum() - N),
}


@pytest.mark.parametrize("name", SUMS)
def test_sums_of_deltas_that_cancel(name: str) -> None:
    """What was a sum once, and is one term or nothing now, is not taken apart again as that sum."""
    wanted, right = SUMS[name]
    plan = tg.optimize(wanted, {"n": N})
    assert ends(plan)
    np.testing.assert_allclose(value(plan), right, rtol=1e-12)


def test_a_tensor_that_is_also_a_sum_of_itself_over_nothing_is_not_lost() -> None:
    """A Hessian in which a size divides out of two sums, one of them over nothing, is that of torch."""
    read = B.rename(l="j", j="l")
    gate = F.sigmoid(read)
    rows = F.dot(gate + A + read, F.sum(gate), "j", "p")
    plan = tg.optimize(tg.hessian(F.sum(rows * rows), B), {"n": N, "u": U})
    a = torch.tensor(DATA["A"])

    def loss(b: torch.Tensor) -> torch.Tensor:
        g = torch.sigmoid(b.T)
        return ((U * (g + b.T).sum(1)[:, None] + N * a.sum(1)[None, :]) ** 2).sum() * g.sum() ** 2

    right = torch.autograd.functional.hessian(loss, torch.tensor(DATA["B"]))
    np.testing.assert_allclose(value(plan), right, rtol=1e-9)


def test_a_one_hot_vector_that_sums_to_one_is_not_put_before_its_own_sum_for_ever() -> None:
    """Σ_ij s_i s_j δ_ij w = w for a one-hot s, also where a search finds w = Σ_i s_i w in it."""
    wanted = F.dot(s, s.rename(i="j") * ij * w, "i", "j")
    plan = tg.optimize(wanted, {"n": N}, assume=[tg.assume.one_hot(s, "i")])
    assert ends(plan)
    np.testing.assert_allclose(value(plan), DATA["w"], rtol=1e-12)


def test_of_the_roots_of_a_quotient_one_is_taken() -> None:
    """∂/∂x_j Σ_i p_i^-3 = 3 p_j Σ_i p_i^-3 - 3 p_j^-3 for a softmax p, whose powers are squares."""
    root = F.softmax(x, "i") ** Fraction(-3, 2)
    plan = tg.optimize(F.sum(root * root).grad(x), {"n": N})
    assert plan.report is not None
    assert plan.report.matches["quotient of squares"] < MATCHES
    p = np.exp(DATA["x"]) / np.exp(DATA["x"]).sum()
    np.testing.assert_allclose(value(plan), 3 * p * (p**-3).sum() - 3 * p**-3, rtol=1e-9)


def test_edges_that_get_a_fresh_name_between_two_attempts_keep_their_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where normal forms change twice before derivatives are asked for, both sets of names are known."""
    attempt, normalise, calls = _Derivation._attempt, _Derivation._normalise, []

    def twice_too_early(work: _Derivation, *arguments: Any, **options: Any) -> bool | None:
        calls.append(len(work.encoder.labels.symbols))
        return False if len(calls) < 3 else attempt(work, *arguments, **options)

    def with_a_name(work: _Derivation, *arguments: Any, **options: Any) -> None:
        normalise(work, *arguments, **options)
        if len(calls) == 1:
            work.encoder.labels.symbols["fresh"] = "n"

    monkeypatch.setattr(_Derivation, "_attempt", twice_too_early)
    monkeypatch.setattr(_Derivation, "_normalise", with_a_name)
    assert derive([F.sum(x * x).grad(x)], {"n": N}).symbols["fresh"] == "n"
    assert len(calls) == 3


def test_what_is_zero_is_not_lost_before_it_is_known_to_be() -> None:
    """The Hessian of a sum of products with δ_jl δ_jk (x_l - x_j) is zero."""
    W = tg.Variable("W", i="n", j="n", l="n")
    xj, xk, xl = (x.rename(i=name) for name in "jkl")
    difference = tg.delta("l", "j", size="n") * tg.delta("k", "j", size="n") * (xl - xj)
    inner = F.sum(difference * F.sum(xl + xl, "l"), "l")
    whole = F.sum(inner * (F.sum(xk, "k") * (xj + xk) + tg.delta("k", "l", size="n")) * W)
    plan = tg.optimize(tg.hessian(whole, x), {"n": N})
    np.testing.assert_array_equal(plan(W=np.ones((N, N, N)), x=DATA["x"]), np.zeros((N, N)))


def test_the_orders_of_several_deltas_are_not_tried_out() -> None:
    """Two edges more add as many e-nodes to the Jacobian of C·C, whether it has eight or ten."""
    nodes = []
    for edges in (6, 8, 10):
        cube = tg.Variable("C", dict.fromkeys((f"e{n}" for n in range(edges)), "d"))
        plan = tg.optimize((cube * cube).grad(cube), {"d": 1})
        np.testing.assert_allclose(plan(C=np.full((1,) * edges, 3.0)).ravel(), [6.0])
        nodes.append(plan.report.nodes)  # type: ignore[union-attr]
    assert nodes[2] - nodes[1] <= nodes[1] - nodes[0]

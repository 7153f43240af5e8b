"""Sums over pairs are opened where that costs less and loses no digits, or where the caller says so."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import pytest
from numpy.typing import NDArray

import tensorgrad_eg as tg
from tensorgrad_eg import Tensor, Variable
from tensorgrad_eg import functions as F
from tensorgrad_eg.errors import OptionError
from tensorgrad_eg.expr.walk import symbols

Array = NDArray[np.floating]

N, K, D = 60, 50, 5
SIZES = {"n": N, "k": K, "d": D}
X, Y, Z = Variable("X", a="n", i="d"), Variable("Y", b="k", i="d"), Variable("Z", a="n", j="d")
W, U, L = Variable("W", a="n", b="k"), Variable("U", a="n", b="n"), Variable("L", i="d", j="d")
x, y = Variable("x", a="n"), Variable("y", b="k")


def between(t: Tensor) -> Tensor:
    """The differences of all pairs of entries of one tensor."""
    return t - t.rename(a="b")


def pairs(t: Array, u: Array) -> Array:
    """The same in arrays."""
    return t[:, None] - u[None]


hidden = F.tanh(F.dot(X, L, "i"))
#: What is asked for, what it may cost, and how one would compute it pair by pair.
PROBLEMS = {
    "mean shift": (
        F.dot(U, between(X), "b"),
        2 * N * N * D + N * N + 8 * N * D,
        lambda t: np.einsum("ab,abi->ai", t["U"], pairs(t["X"], t["X"])),
    ),
    "springs": (
        F.sum(W * F.sum((X - Y) ** 2, "i")).grad(X),
        2 * N * K * D + 2 * N * K + 8 * (N + K) * D,
        lambda t: 2 * np.einsum("ab,abi->ai", t["W"], pairs(t["X"], t["Y"])),
    ),
    "covariance": (
        F.sum(between(X) * between(Z), "a", "b"),
        2 * N * D * D + 8 * N * D,
        lambda t: np.einsum("abi,abj->ij", pairs(t["X"], t["X"]), pairs(t["Z"], t["Z"])),
    ),
    "two sets": (
        F.sum((X - Y) ** 2),
        10 * (N + K) * D,
        lambda t: (pairs(t["X"], t["Y"]) ** 2).sum(),
    ),
    "a learned map": (
        F.frobenius2(F.dot(between(X), L, "i")).grad(L),
        4 * N * D * D + 8 * N * D,
        lambda t: 2 * np.einsum(
            "abi,abj->ij", pairs(t["X"], t["X"]), np.einsum("abi,ij->abj", pairs(t["X"], t["X"]), t["L"])
        ),
    ),
    "ranking": (
        F.sum(F.exp(y - x)),
        5 * (N + K),
        lambda t: np.exp(t["y"][None] - t["x"][:, None]).sum(),
    ),
    "hidden layers": (
        F.sum(between(hidden) ** 2),
        2 * N * D * D + 8 * N * D,
        lambda t: (pairs(np.tanh(t["X"] @ t["L"]), np.tanh(t["X"] @ t["L"])) ** 2).sum(),
    ),
}  # fmt: skip


@lru_cache
def planned(name: str) -> tg.Plan:
    """The plan for a problem."""
    wanted = PROBLEMS[name][0]
    return tg.optimize(wanted, {s: n for s, n in SIZES.items() if s in symbols([wanted])})


def drawn(plan: tg.Plan, shift: float) -> dict[str, Array]:
    """Arrays around a number for the points, and around zero for the rest."""
    random = np.random.default_rng(3)
    return {
        v.name: random.standard_normal([plan.sizes[s] for s in v.sizes]) * 0.5 + shift * (v.name in "XYZxy")
        for v in plan.inputs
    }


@pytest.mark.parametrize("name", PROBLEMS)
def test_costs(name: str) -> None:
    """A sum over pairs costs products of matrices; no tensor has an entry for each pair and coordinate."""
    plan = planned(name)
    assert plan.flops <= PROBLEMS[name][1]
    assert plan.peak_elements < N * K * D
    assert plan.check().error < 1e-9


def error(found: Array, right: Array) -> float:
    """The largest error, in units of the largest entry."""
    return float(np.abs(found - right).max() / np.abs(right).max())


@pytest.mark.parametrize("shift", [0.0, 3.0, 100.0])
@pytest.mark.parametrize("name", PROBLEMS)
def test_digits(name: str, shift: float) -> None:
    """In float32 a sum over pairs that is opened is as close to the exact value as pair by pair."""
    plan, by_pairs = planned(name), PROBLEMS[name][2]
    exact = {k: v.astype(np.float32).astype(np.float64) for k, v in drawn(plan, shift).items()}
    single = {k: v.astype(np.float32) for k, v in exact.items()}
    right = by_pairs(exact)
    assert error(plan(**single), right) <= error(by_pairs(single), right) + 4e-7


def squares(weights: Tensor) -> Tensor:
    """Weighted squared distances of all pairs."""
    return F.sum(weights * F.sum(between(X) ** 2, "i"))


def close_points() -> Mapping[str, Array]:
    """Points in pairs far from each other, with weights for what is close only."""
    random = np.random.default_rng(1)
    centres = np.repeat(100 * random.standard_normal((N // 2, D)), 2, axis=0)
    points = centres + 1e-3 * random.standard_normal((N, D))
    return {"X": points.astype(np.float32), "U": np.kron(np.eye(N // 2), np.ones((2, 2))).astype(np.float32)}


def test_what_cancels_stays_whole() -> None:
    """Weighted squared distances keep their digits by default; `fast` opens them, and says so."""
    safe, fast = (tg.optimize(squares(U), {"n": N, "d": D}, numerics=how) for how in ("safe", "fast"))
    data = close_points()
    gaps = pairs(data["X"].astype(np.float64), data["X"].astype(np.float64))
    exact = np.einsum("ab,abi->", data["U"], gaps**2)
    assert error(safe(**data), exact) < 1e-4 < 1e-1 < error(fast(**data), exact)
    assert fast.flops < 0.75 * safe.flops
    assert fast.peak_elements < N * N * D <= safe.peak_elements
    assert "though they may cancel" in str(fast.explain())
    assert "though" not in str(safe.explain())
    assert fast.check().error < 1e-9


def test_sums_that_do_not_cancel_are_opened() -> None:
    """Sums of different vectors, and their squares, are computed from sums of each of them."""
    u, v = Variable("u", a="n"), Variable("v", b="k")
    n, k = 200, 100
    for e, cost in (
        (F.sum(u * v * (x + y)), 3 * (n + k)),
        (F.sum((x + y) ** 2), 3 * (n + k)),
        (F.sum((x * y + 1) ** 2), 3 * (n + k)),
        (F.sum(F.exp(x + y)), 2 * (n + k)),
    ):
        assert tg.optimize(e, {"n": n, "k": k}).flops <= 1.01 * cost


def test_softmax_of_a_sum() -> None:
    """What is constant along the edge of a softmax is not computed at all."""
    plan = tg.optimize(F.softmax(x + y, "b"), {"n": N, "k": K})
    assert plan.flops == tg.optimize(F.softmax(y, "b"), {"k": K}).flops


def test_unknown_numerics() -> None:
    """An option that there is not is named, with those that there are."""
    with pytest.raises(OptionError, match="numerics='exact' is no option; it can be: fast, safe"):
        tg.optimize(x, {"n": N}, numerics="exact")

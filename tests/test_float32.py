"""Numbers in float32: a sample of `python -m tests.float32`, and what is infinite or no number."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import tensorgrad_eg as tg
from tensorgrad_eg import functions as F
from tests.float32.compare import compared
from tests.float32.formulas import POINTWISE, POSITIVE, VECTORS

SAMPLE = [
    *("x/|x|", "x/(1+x^2)", "sqrt(exp(x))", "gelu(x)", "exp(-x^2)", "sin(x)/x", "x sqrt(x)"),
    *("(exp(x)-exp(-x))/(exp(x)+exp(-x))", "exp(x)/(exp(x)+exp(2x))", "exp(x)^(-3/2) exp(2x)"),
    *("(x^2)^(-3/2) x^2", "x/x^2", "sin(x)^2/x^2", "x/sqrt(1+x^2)", "(exp(x)-1)/(exp(x)+1)", "exp(-exp(x))"),
    *("cross entropy", "focal loss", "x over its norm", "cosine", "norm"),
    *("cross entropy from logsumexp", "squares over their sum", "pseudo-Huber", "entropy"),
]


@pytest.mark.parametrize("name", SAMPLE)
def test_no_digits_are_lost_that_eager_torch_has(name: str) -> None:
    """Value, gradient and second derivative from one plan: none has ten times the error of eager torch."""
    found = list(compared(name, plans=("together",)))
    assert len(found) > 100
    assert [str(one) for one in found if one.worse] == []


def test_the_suite_is_large() -> None:
    """The suite has about sixty formulas of numbers and forty of vectors or more, no name twice."""
    assert len({**POINTWISE, **POSITIVE}) == len(POINTWISE) + len(POSITIVE) > 60
    assert len(VECTORS) > 40


def test_the_suite_tells_bad_from_good() -> None:
    """1 - tanh² as it is written is found wrong at 30: the suite can fail."""
    from tests.float32.compare import Comparison

    exact = 4 * np.exp(-60.0)
    ours = float(abs(1 - np.tanh(np.float32(30)) ** 2 - exact) / exact)
    one = Comparison("1-tanh(x)^2", "value", "30", "alone", "numpy", ours, 1e-7, 1e-4, "")
    assert one.worse
    assert not one.better


x = tg.Variable("x", ["n"])
X = tg.Variable("X", ["b", "n"])


@pytest.mark.parametrize("backend", ["numpy", "torch", "jax", "opt_einsum"])
def test_what_is_no_number_stays_on_the_diagonal(backend: str) -> None:
    """The Jacobian of √x at -1 is NaN in one entry, and 0 beside the diagonal, in every library."""
    if backend == "jax":
        pytest.importorskip("jax")
    given = np.array([-1.0, 0.0, 4.0])
    scope: dict[str, object] = {}
    exec(tg.optimize(F.sqrt(x).grad(x), {"n": 3}).code(backend), scope)
    with np.errstate(all="ignore"):
        found = np.asarray(scope["plan"](torch.tensor(given) if backend == "torch" else given))  # type: ignore[operator]
    np.testing.assert_array_equal(found, np.diag([np.nan, np.inf, 0.25]))


def test_a_block_without_numbers_stays_where_it_is() -> None:
    """The Hessian of Σ_b √(Σ_n X²) at X with one row of zeros has NaN or inf in that row's block only."""
    e = tg.hessian(F.sum(F.sqrt(F.sum(X**2, "n"))), X)
    plan = tg.optimize(e, {"b": 2, "n": 3})
    given = np.array([[0.0, 0.0, 0.0], [1.0, 2.0, 2.0]])
    with np.errstate(all="ignore"):
        found = plan(X=given), plan(X=torch.tensor(given)).numpy()
    u = given[1] / 3
    for one in found:
        assert not np.isfinite(one[0, :, 0]).any()
        np.testing.assert_allclose(one[1, :, 1], (np.eye(3) - np.outer(u, u)) / 3)
        np.testing.assert_array_equal(one[0, :, 1], 0)
        np.testing.assert_array_equal(one[1, :, 0], 0)


@pytest.mark.parametrize("size", [4, 100])
@pytest.mark.parametrize("backend", ["numpy", "torch", "jax", "opt_einsum"])
def test_what_a_softmax_leaves_of_one_keeps_its_digits(backend: str, size: int) -> None:
    """p - δ to five digits of what float64 gives, also where p is 1 - 1e-6, in every library."""
    if backend == "jax":
        pytest.importorskip("jax")
    e = F.softmax(X, "n").rename(n="m") - tg.delta("m", "n", size="n")
    scope: dict[str, object] = {}
    exec(tg.optimize(e, {"b": 2, "n": size}).code(backend), scope)
    logits = np.random.default_rng(0).standard_normal((2, size)).astype(np.float32)
    logits[0, 1] = logits[1, 2] = 15
    given = torch.tensor(logits) if backend == "torch" else logits
    found = np.asarray(scope["plan"](given))  # type: ignore[operator]
    p = np.exp(logits.astype(float) - 15)
    p /= p.sum(1, keepdims=True)
    exact = (p[:, :, None] - np.eye(size)).transpose([("b", "m", "n").index(axis) for axis in e.edges])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, exact, rtol=1e-5)


def test_the_slope_of_a_softmax_is_summed_whole() -> None:
    """Where p is 0 or 1 for one c, and g large, Σ_c p (g - Σ p g) keeps the digits of the others."""
    W = tg.Variable("W", c="b", i="n", l="n")
    v, y = tg.Variable("v", W.shape), tg.Variable("y", q="u", j="n")
    p = F.sum(F.softmax((W + 1) ** -2, "i"), "c")
    e = F.dot(p, F.sum(F.sigmoid(y * W.rename(l="j")), "c"), "i")
    plan = tg.optimize(tg.jvp(e, W, 2 * F.sin(v)), {"b": 4, "n": 3, "u": 4})
    random = np.random.default_rng(0)
    given = {name: random.standard_normal(shape) for name, shape in (("v", (4, 3, 3)), ("y", (4, 3)))}
    given["W"] = random.uniform(1, 2, (4, 3, 3))
    given["W"][0, 0] = -0.97  # where p is 1, and g is large
    w, exact = (
        given["W"] + np.longdouble(1),
        {name: array.astype(np.longdouble) for name, array in given.items()},
    )
    q = np.exp(w**-2 - (w**-2).max(1, keepdims=True))
    q /= q.sum(1, keepdims=True)
    move = 2 * np.sin(exact["v"])
    bent = -2 * w**-3 * move
    slope = (q * (bent - (q * bent).sum(1, keepdims=True))).sum(0)
    sigmoid = 1 / (1 + np.exp(-np.einsum("qj,cij->cqij", exact["y"], exact["W"])))
    moved = np.einsum("cqij,qj,cij->qij", sigmoid * (1 - sigmoid), exact["y"], move)
    right = np.einsum("il,qij->lqj", slope, sigmoid.sum(0)) + np.einsum("il,qij->lqj", q.sum(0), moved)
    order = [("l", "q", "j").index(axis) for axis in e.edges]
    np.testing.assert_allclose(plan(**given), right.transpose(order).astype(float), rtol=1e-13)


def test_a_log_softmax_keeps_its_digits() -> None:
    """Logits of 1e6: log-softmax, and what is weighted by it, to six digits of what float64 gives."""
    t = tg.Variable("t", ["b", "n"])
    random = np.random.default_rng(0)
    logits = np.float32(random.standard_normal((3, 4)) + 1e6)
    weights = np.float32(random.uniform(size=(3, 4)))
    wanted = {"logs": F.log_softmax(X, "n"), "loss": F.sum(t * F.log_softmax(X, "n"))}
    plan = tg.optimize(wanted, {"b": 3, "n": 4})
    exact = logits.astype(float) - 1e6
    exact -= np.log(np.exp(exact).sum(1, keepdims=True))
    for given in ({"X": logits, "t": weights}, {"X": torch.tensor(logits), "t": torch.tensor(weights)}):
        found = plan(**given)
        np.testing.assert_allclose(found["logs"], exact, rtol=1e-6)
        np.testing.assert_allclose(found["loss"], np.sum(weights * exact), rtol=1e-6)

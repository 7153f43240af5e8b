"""Networks people train: all weight gradients together equal autograd's, at reverse mode's cost or less."""

from __future__ import annotations

import time
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

import tensorgrad_eg as tg
from tensorgrad_eg import Plan, Tensor, Variable
from tensorgrad_eg import functions as F
from tensorgrad_eg.verify import evaluate_all

torch = pytest.importorskip("torch")

Network = tuple[Tensor, list[Variable], dict[str, int]]


def l2() -> Network:
    """A linear map fitted to targets."""
    X, W, Y = Variable("X", ["b", "x"]), Variable("W", ["x", "y"]), Variable("Y", ["b", "y"])
    return F.l2_loss(X @ W, Y), [W, X], {"b": 8, "x": 5, "y": 4}


def logistic() -> Network:
    """Logistic regression with a bias and a penalty."""
    X, w, t = Variable("X", ["b", "x"]), Variable("w", ["x"]), Variable("t", ["b"])
    z = X @ w + Variable("c")
    return F.mean(F.softplus(z) - t * z) + Fraction(1, 10) * (w @ w), [w, Variable("c")], {"b": 8, "x": 5}


def mlp(depth: int, residual: bool = False) -> Network:
    """Layers of one width; every layer uses the same two edge names."""
    h: Tensor = Variable("X", b="b", i="n")
    weights = [Variable(f"W{n}", i="n", j="n") for n in range(depth)]
    for W in weights:
        step = F.tanh(F.dot(h, W, "i")).rename(j="i")
        h = h + step if residual else step
    return F.l2_loss(h, Variable("Y", b="b", i="n")), [*weights], {"b": 7, "n": 5}


def softmax_cross_entropy() -> Network:
    """Two layers, softmax cross-entropy averaged over the batch."""
    X, W, V = Variable("X", ["b", "x"]), Variable("W", ["x", "y"]), Variable("V", ["y", "c"])
    loss = F.cross_entropy(F.tanh(X @ W) @ V, Variable("T", ["b", "c"]), "c", mean=True)
    return loss, [W, V], {"b": 8, "x": 5, "y": 6, "c": 4}


def attention() -> Network:
    """Multi-head attention with a residual connection and layer_norm."""
    X = Variable("X", t="t", d="d")
    names = {"Q": ["h", "d", "k"], "K": ["h", "d", "k"], "V": ["h", "d", "k"], "P": ["h", "k", "d"]}
    Q, K, V, P = (Variable(name, edges) for name, edges in names.items())
    g, c = Variable("g", ["d"]), Variable("c", ["d"])
    normed = F.layer_norm(X, "d", weight=g, bias=c)
    read = normed.rename(t="s")
    query, keys, values = F.dot(normed, Q, "d"), F.dot(read, K, "d"), F.dot(read, V, "d")
    scores = F.softmax(Fraction(1, 2) * F.dot(query, keys, "k"), "s")
    mixed = F.dot(F.dot(scores, values, "s"), P, ["h", "k"])
    loss = F.l2_loss(X + mixed, Variable("Y", t="t", d="d"))
    return loss, [Q, K, V, P, g, c], {"t": 5, "d": 6, "h": 2, "k": 3}


def check_gradients(network: Network) -> Plan:
    """Plans all gradients together and compares them with autograd's, on NumPy and on torch arrays."""
    loss, weights, sizes = network
    wanted = tg.gradients(loss, weights)
    plan = tg.optimize(wanted, sizes)
    check = plan.check(rtol=1e-10)
    assert check.reference == "torch autograd"
    assert not check.resized
    plan.check(rtol=1e-10, seed=1, backend="torch")
    assert plan.flops <= plan.baseline
    return plan


SMALL: dict[str, Callable[[], Network]] = {
    "l2": l2,
    "logistic": logistic,
    "mlp 2": lambda: mlp(2),
    "mlp 8": lambda: mlp(8),
    "mlp 16": lambda: mlp(16),
    "residual 4": lambda: mlp(4, residual=True),
    "residual 16": lambda: mlp(16, residual=True),
    "attention": attention,
    "softmax cross-entropy": softmax_cross_entropy,
}


@pytest.mark.parametrize("name", SMALL)
def test_all_weight_gradients(name: str) -> None:
    """All weight gradients, planned together, equal autograd to 1e-10 and cost no more than reverse mode."""
    check_gradients(SMALL[name]())


@pytest.mark.parametrize("residual", [False, True])
def test_depth_48(residual: bool) -> None:
    """So they do for networks of depth 48, within a minute."""
    started = time.monotonic()
    plan = check_gradients(mlp(48, residual))
    assert len(plan.outputs) == 48
    assert time.monotonic() - started < 60


def test_cost_grows_linearly_with_depth() -> None:
    """A layer more costs what the layer before it cost: nothing is computed twice."""
    costs = [tg.optimize(tg.gradients(*mlp(depth)[:2]), mlp(depth)[2]).flops for depth in (6, 7, 8)]
    assert costs[2] - costs[1] == costs[1] - costs[0]


def test_gradients_in_the_seed_example() -> None:
    """‖Ax - y‖²: the gradient is two matrix-vector products, a subtraction and a scaling."""
    A, x, y = Variable("A", ["x", "y"]), Variable("x", ["x"]), Variable("y", ["y"])
    plan = tg.optimize(tg.Derivative(F.frobenius2(A @ x - y), x), {"x": 30, "y": 40})
    assert plan.flops <= 2 * (2 * 30 * 40) + 40 + 30
    arrays = {"A": np.ones((30, 40)), "x": np.arange(30.0), "y": np.arange(40.0)}
    residual = arrays["A"].T @ arrays["x"] - arrays["y"]
    np.testing.assert_allclose(plan(**arrays), 2 * arrays["A"] @ residual, rtol=1e-12)


def test_hessian_of_a_quadratic_form_is_its_matrix() -> None:
    """The Hessian of xᵀAx prints as A + Aᵀ, and its plan does not read x."""
    A, x = Variable("A", i="n", j="n"), Variable("x", ["n"])
    hessian = tg.hessian(x.rename(n="i") @ A @ x.rename(n="j"), x, names=(["i"], ["j"]))
    assert str(hessian.simplify()) in {"A[i,j] + A[j,i]", "A[j,i] + A[i,j]"}
    plan = tg.optimize(hessian, {"n": 6})
    assert [given.name for given in plan.inputs if plan.program.readers(given.name)] == ["A"]
    a = np.random.default_rng(0).normal(size=(6, 6))
    np.testing.assert_array_equal(plan(A=a), a + a.T)


def test_hessian_of_a_residual_network() -> None:
    """Second derivatives of a residual network, whose layers use the same edge names, equal autograd's."""
    loss, weights, sizes = mlp(3, residual=True)
    small = dict.fromkeys(sizes, 3)
    plan = tg.optimize([tg.hessian(loss, weights[0]), tg.hessian(loss, weights[0], weights[2])], small)
    assert plan.check().error < 1e-10


def test_hessian_vector_product_of_softmax_cross_entropy() -> None:
    """A Hessian-vector product costs a few gradients, not a Hessian."""
    loss, (W, _), sizes = softmax_cross_entropy()
    direction = Variable("D", dict(W.shape))
    product = tg.optimize(tg.hvp(loss, W, direction), sizes)
    gradient = tg.optimize(loss.grad(W), sizes)
    assert product.check().error < 1e-10
    assert product.flops < 4 * gradient.flops


def test_float32_logits_of_ten_thousand() -> None:
    """Softmax cross-entropy and its derivatives do not overflow at logits of ±1e4 in float32."""
    z, t = Variable("z", ["b", "k"]), Variable("t", ["b", "k"])
    loss = F.cross_entropy(z, t, "k")
    plan = tg.optimize([loss, loss.grad(z), tg.hessian(loss, z)], {"b": 2, "k": 3})
    logits = np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4]], np.float32)
    targets = np.array([[0, 1, 0], [0, 0, 1]], np.float32)
    found = plan(z=logits, t=targets)
    exact = evaluate_all([loss, loss.grad(z), tg.hessian(loss, z)], {"z": logits, "t": targets})
    for one, other in zip(found, exact, strict=True):
        assert one.dtype == np.float32
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)

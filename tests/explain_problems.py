"""Problems whose derivations the tests look at: expressions and sizes by name."""

from __future__ import annotations

from collections.abc import Callable

import tensorgrad_eg as tg
from tensorgrad_eg import functions as F

Problem = tuple[tg.Tensor | list[tg.Tensor], dict[str, int]]


def l2() -> Problem:
    """The gradient of a squared error."""
    X, W, Y = tg.Variable("X", ["b", "x"]), tg.Variable("W", ["x", "y"]), tg.Variable("Y", ["b", "y"])
    return ((X @ W - Y) ** 2).sum().grad(W), {"b": 128, "x": 100, "y": 50}


def mlp(depth: int = 3) -> Problem:
    """All gradients of a network."""
    h: tg.Tensor = tg.Variable("X", ["b", "i"])
    weights = [tg.Variable(f"W{n + 1}", i="i", j="i") for n in range(depth)]
    for n, W in enumerate(weights):
        h = (h @ W).rename(j="i")
        h = F.tanh(h) if n < depth - 1 else h
    return tg.gradients(((h - tg.Variable("Y", ["b", "i"])) ** 2).sum(), weights), {"b": 32, "i": 8}


def residual(depth: int = 3) -> Problem:
    """All gradients of a residual network, in which every layer is read twice."""
    h: tg.Tensor = tg.Variable("X", ["b", "i"])
    weights = [tg.Variable(f"W{n + 1}", i="i", j="i") for n in range(depth)]
    for W in weights:
        h = h + F.tanh((h @ W).rename(j="i"))
    return tg.gradients((h * h).sum(), weights), {"b": 16, "i": 8}


def quadratic() -> Problem:
    """The Hessian of a quadratic form, whose variable is read twice."""
    A, x = tg.Variable("A", i="n", j="n"), tg.Variable("x", ["n"])
    return tg.hessian(x.rename(n="i") @ A @ x.rename(n="j"), x), {"n": 50}


def cross_entropy() -> Problem:
    """The Hessian of softmax and cross-entropy."""
    X, W, T = tg.Variable("X", ["b", "x"]), tg.Variable("W", ["x", "y"]), tg.Variable("T", ["b", "y"])
    return tg.hessian(F.cross_entropy(X @ W, T, "y"), W), {"b": 128, "x": 10, "y": 5}


def ridge() -> Problem:
    """A gradient and a Hessian together, with a mean."""
    X, w, y = tg.Variable("X", ["n", "d"]), tg.Variable("w", ["d"]), tg.Variable("y", ["n"])
    loss = ((X @ w - y) ** 2).mean() + 0.1 * F.frobenius2(w)
    return [loss.grad(w), tg.hessian(loss, w)], {"n": 1000, "d": 30}


def logistic() -> Problem:
    """A product of a Hessian with a vector, and the Hessian itself."""
    X, w, t, v = (
        tg.Variable("X", ["b", "x"]),
        tg.Variable("w", ["x"]),
        tg.Variable("t", ["b"]),
        tg.Variable("v", ["x"]),
    )
    z = X @ w
    loss = (F.softplus(z) - t * z).sum()
    return [tg.hvp(loss, w, v), tg.hessian(loss, w)], {"b": 100, "x": 10}


def layer_norm() -> Problem:
    """Gradients through a normalisation."""
    X, g, c = tg.Variable("X", ["b", "x"]), tg.Variable("g", ["x"]), tg.Variable("c", ["x"])
    y = F.layer_norm(X, "x", weight=g, bias=c)
    return tg.gradients((y**2).sum(), [X, g]), {"b": 8, "x": 16}


def diagonal() -> Problem:
    """A gradient through a trace, where a diagonal is read."""
    A = tg.Variable("A", i="n", j="n")
    return [F.log(F.trace(A)).grad(A), (A * A).sum().grad(A)], {"n": 9}


def network_hessian() -> Problem:
    """A Hessian in which the chain rule is used at dominators that share the batch edge."""
    W1, W2, x = tg.Variable("W1", ["h", "x"]), tg.Variable("W2", ["y", "h"]), tg.Variable("x", ["b", "x"])
    return tg.hessian(F.sigmoid(W2 @ F.tanh(W1 @ x)).sum(), W1), {"h": 6, "x": 5, "y": 4, "b": 7}


def chain() -> Problem:
    """A product that is given in the dearest order."""
    A, B, C = (tg.Variable(name, i="n", j="n") for name in "ABC")
    v = tg.Variable("v", i="n")
    product = A.rename(j="k") @ B.rename(i="k", j="l") @ C.rename(i="l", j="m")
    return product @ v.rename(i="m"), {"n": 100}


def attention() -> Problem:
    """All gradients of an attention head."""
    X = tg.Variable("X", ["b", "s", "d"])
    Wq, Wk, Wv = (tg.Variable(name, ["d", "e"]) for name in ("Wq", "Wk", "Wv"))
    keys, values = (X @ Wk).rename(s="t"), (X @ Wv).rename(s="t")
    out = F.dot(F.softmax(F.dot(X @ Wq, keys, "e"), "t"), values, "t")
    return tg.gradients((out * out).sum(), [Wq, Wk, Wv]), {"b": 4, "s": 16, "d": 32, "e": 8}


def kinks() -> Problem:
    """A gradient through functions with kinks."""
    X, w = tg.Variable("X", ["b", "x"]), tg.Variable("w", ["x"])
    return (F.relu(X @ w) * F.abs(X @ w)).sum().grad(w), {"b": 9, "x": 4}


PROBLEMS: dict[str, Callable[[], Problem]] = {
    one.__name__: one
    for one in (
        l2,
        mlp,
        residual,
        quadratic,
        cross_entropy,
        ridge,
        logistic,
        layer_norm,
        diagonal,
        network_hessian,
        chain,
        attention,
        kinks,
    )
}

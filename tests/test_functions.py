"""Functions: what each computes, and what it says about edges that do not fit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from expr_reference import evaluate

import tensorgrad_eg.functions as F
from tensorgrad_eg.errors import NumberError, SizeError, SumEdgeError, UnknownEdgeError, UnknownFunctionError
from tensorgrad_eg.expr import (
    Apply,
    Constant,
    Contract,
    LogSumExp,
    Reduce,
    Softmax,
    Tensor,
    Variable,
    variables,
)

SIZES = {"b": 3, "k": 4, "n": 3}
RNG = np.random.default_rng(1)
Z, T = Variable("Z", ["b", "k"]), Variable("T", ["b", "k"])
w, S = Variable("w", ["k"]), Variable("S", i="n", j="n")
ARRAYS = {
    "Z": RNG.normal(size=(3, 4)),
    "T": RNG.uniform(size=(3, 4)),
    "w": RNG.uniform(0.1, 2, size=4),
    "S": RNG.normal(size=(3, 3)),
}
z, t, vw, s = (ARRAYS[name] for name in "ZTwS")
ERF = np.vectorize(math.erf)
SOFT = np.exp(z) / np.exp(z).sum(1, keepdims=True)
NORMAL = (z - z.mean(1, keepdims=True)) / np.sqrt(z.var(1, keepdims=True) + 1e-5)


@pytest.mark.parametrize(
    ("e", "edges", "expected"),
    [
        (F.exp(Z), "bk", np.exp(z)),
        (F.log(w), "k", np.log(vw)),
        (F.power(w, 1.5), "k", vw**1.5),
        (F.sqrt(w), "k", np.sqrt(vw)),
        (F.tanh(Z), "bk", np.tanh(z)),
        (F.sigmoid(Z), "bk", 1 / (1 + np.exp(-z))),
        (F.relu(Z), "bk", np.maximum(z, 0)),
        (F.step(Z), "bk", (z > 0) * 1.0),
        (F.softplus(Z), "bk", np.log1p(np.exp(z))),
        (F.sin(Z), "bk", np.sin(z)),
        (F.cos(Z), "bk", np.cos(z)),
        (F.erf(Z), "bk", ERF(z)),
        (F.abs(Z), "bk", np.abs(z)),
        (F.sign(Z), "bk", np.sign(z)),
        (F.sum(Z), "", z.sum()),
        (F.sum(Z, "k"), "b", z.sum(1)),
        (F.sum(Z, "b", "k"), "", z.sum()),
        (F.sum(Z, ["b", "k"]), "", z.sum()),
        (F.mean(Z), "", z.mean()),
        (F.mean(Z, "k"), "b", z.mean(1)),
        (F.mean(Z, ("k",)), "b", z.mean(1)),
        (F.dot(Z, T, "k"), "b", (z * t).sum(1)),
        (F.dot(Z, T, ["b", "k"]), "", (z * t).sum()),
        (F.dot(Z, T), "", (z * t).sum()),
        (F.dot(Z, w, "k"), "b", z @ vw),
        (F.dot(Z, w, "b"), "k", (z * vw).sum(0)),
        (F.trace(S), "", np.trace(s)),
        (F.trace(S, "j", "i"), "", np.trace(s)),
        (F.trace(S * w, "i", "j"), "k", np.trace(s) * vw),
        (F.frobenius2(Z), "", (z**2).sum()),
        (F.frobenius2(Z.sum()), "", z.sum() ** 2),
        (F.l2_loss(Z, w), "", ((z - vw) ** 2).sum()),
        (F.softmax(Z, "k"), "bk", SOFT),
        (F.softmax(Z, "b", "k"), "bk", np.exp(z) / np.exp(z).sum()),
        (F.softmax(Z, ["b", "k"]), "bk", np.exp(z) / np.exp(z).sum()),
        (F.logsumexp(Z, "k"), "b", np.log(np.exp(z).sum(1))),
        (F.log_softmax(Z, "k"), "bk", np.log(SOFT)),
        (F.cross_entropy(Z, T, "k"), "", -(t * np.log(SOFT)).sum()),
        (F.cross_entropy(Z, T, "k", mean=True), "", -(t * np.log(SOFT)).sum() / 3),
        (F.gelu(Z), "bk", z * (1 + ERF(z / math.sqrt(2))) / 2),
        (F.layer_norm(Z, "k"), "bk", NORMAL),
        (F.layer_norm(Z, "k", weight=w, bias=w + 1), "bk", NORMAL * vw + vw + 1),
        (F.layer_norm(Z, ["b", "k"], eps=1), "bk", (z - z.mean()) / np.sqrt(z.var() + 1)),
        (F.pi * w, "k", math.pi * vw),
    ],
    ids=lambda value: str(value)[:60] if isinstance(value, Tensor) else "",
)
def test_function(e: Tensor, edges: str, expected: Any) -> None:
    """Each function computes its textbook formula, with its edges in the documented order."""
    assert e.edges == tuple(edges)
    np.testing.assert_allclose(evaluate(e, ARRAYS, SIZES), expected, rtol=1e-12)


def test_both_ways_to_import() -> None:
    """The functions are a module, and an attribute of the package."""
    import tensorgrad_eg
    from tensorgrad_eg import functions

    assert functions is F is tensorgrad_eg.functions


def test_primitives_are_single_nodes() -> None:
    """Pointwise functions, softmax and logsumexp are nodes of their own: rules see them as units."""
    assert F.tanh(Z) is Apply("tanh", Z)
    assert F.softmax(Z, "k") is Softmax({"k"}, Z)
    assert F.logsumexp(Z, "k") is LogSumExp({"k"}, Z)
    assert F.sum(Z, "k") is Reduce({"k"}, Z)
    assert F.dot(Z, T, "k") is Contract({"k"}, Z, T)


def test_sizes_known_as_numbers_are_numbers() -> None:
    """A mean over an edge of known size divides by that number."""
    five = Variable("x", k=5)
    assert F.mean(five) is F.sum(five) / 5
    assert (
        str(F.cross_entropy(Variable("z", b=2, k=3), Variable("t", b=2, k=3), "k", mean=True))[:6] == "-1/2 Σ"
    )


def test_cross_entropy_over_classes_only() -> None:
    """Targets may have a batch that the logits lack: the mean is over all edges but the classes."""
    logits, target = Variable("z", ["k"]), Variable("t", ["b", "k"])
    arrays = {"z": z[0], "t": t}
    logs = np.log(SOFT[0])
    found = evaluate(F.cross_entropy(logits, target, "k", mean=True), arrays, SIZES)
    np.testing.assert_allclose(found, -(t * logs).sum(1).mean(), rtol=1e-12)


def test_seed_example() -> None:
    """The example of the original library builds the loss and its gradient, whose edge is named x."""
    from tensorgrad_eg import Derivative, Variable

    x = Variable("x", ["x"])
    y = Variable("y", ["y"])
    A = Variable("A", ["x", "y"])
    Axmy = A @ x - y
    frob = F.frobenius2(Axmy)
    grad = Derivative(frob, x)
    assert Axmy.edges == ("y",)
    assert frob.edges == ()
    assert grad.edges == ("x",)
    assert list(variables([grad])) == ["A", "x", "y"]


def test_trace_of_something_not_square() -> None:
    """A trace over edges of different sizes names both edges, both sizes, and how to give them one."""
    with pytest.raises(SizeError) as caught:
        F.trace(Z)
    message = str(caught.value)
    assert "in Z[b,k] edge 'b' has size b and edge 'k' has size k" in message
    assert "Give both edges one size where the variable is made: b='n', k='n'." in message


def test_trace_needs_two_edges() -> None:
    """A trace of a tensor with other than two edges asks for their names."""
    for build in (lambda: F.trace(w), lambda: F.trace(S * w), lambda: F.trace(S, "i")):
        with pytest.raises(UnknownEdgeError, match=r"a trace takes two edges.*F\.trace\(a, 'i', 'j'\)"):
            build()
    with pytest.raises(SumEdgeError, match="cannot sum over edge 'q'"):
        F.trace(S, "i", "q")


def test_softmax_needs_an_edge() -> None:
    """Softmax and logsumexp over no edge are refused, with an example that fits."""
    with pytest.raises(NumberError, match=r"softmax of Z\[b,k\] needs an edge: softmax\(…, 'k'\)"):
        F.softmax(Z)
    with pytest.raises(NumberError, match="logsumexp of"):
        F.logsumexp(Z)
    with pytest.raises(UnknownEdgeError, match=r"has no edge 'kk'.*Did you mean 'k'"):
        F.log_softmax(Z, "kk")


def test_unknown_pointwise_function() -> None:
    """A function that is not in the table is refused with the nearest name."""
    with pytest.raises(UnknownFunctionError, match=r"there is no function 'sigmiod'.*Did you mean 'sigmoid'"):
        Apply("sigmiod", Z)
    with pytest.raises(UnknownFunctionError, match="there is no constant 'tau'; the constants are: pi"):
        Constant("tau")

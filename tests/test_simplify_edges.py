"""What simplify returns has the edges, sizes and values of what it was given, also where it is constant."""

from __future__ import annotations

import numpy as np
import pytest

import tensorgrad_eg as tg
from tensorgrad_eg import functions as F
from tensorgrad_eg.expr.build import ones, spread
from tensorgrad_eg.verify import evaluate

x, y, X = tg.Variable("x", ["i"]), tg.Variable("y", ["o"]), tg.Variable("X", ["n", "i"])
W, C = tg.Variable("W", ["i", "o"]), tg.Variable("C", i="m", j="m", k=3)
SIZES = {"i": 2, "n": 4, "o": 5, "m": 3}
CASES = [
    F.sum(x).grad(x),
    F.sum(X @ W + y).grad(W),
    (x - x) * y,
    F.sum(F.sum(C)).grad(C),
    tg.jacobian(F.sum(X, "n"), X),
    tg.jacobian(x.sum() * X, X),
    tg.hessian(F.sum(x), x),
    F.softmax(x * 0 + F.sum(y), "i"),
    F.logsumexp(X * 0, "n") * y,
    F.tanh(X - X) + 1,
    (3 * F.sum(X)).grad(X) / 7,
    F.mean(x, "i").grad(x),
    (x / x) * F.exp(y),
    C - C.rename(i="j", j="i") * 0 - C,
    tg.jvp(F.sum(X, "n"), X, ones(X.shape)),
]


@pytest.mark.parametrize("e", CASES, ids=str)
def test_simplify_keeps_edges_sizes_and_values(e: tg.Tensor) -> None:
    """Edges in their order, sizes and values are those of the expression; text and code give it again."""
    random = np.random.default_rng(1)
    arrays = {
        v.name: random.uniform(0.5, 1.5, [s if isinstance(s, int) else SIZES[s] for s in v.shape.values()])
        for v in (x, y, X, W, C)
    }
    found = e.simplify()
    assert list(found.shape.items()) == list(e.shape.items())
    right = evaluate(e, arrays, sizes=SIZES)
    np.testing.assert_allclose(evaluate(found, arrays, sizes=SIZES), right, rtol=1e-12, atol=1e-14)
    again = tg.parse(str(found).replace("m", "i"))
    assert set(again.edges) == set(e.edges)
    assert str(again.transpose(*found.edges)) == str(found).replace("m", "i")
    namespace = {name: getattr(tg.expr, name) for name in dir(tg.expr)}
    assert eval(repr(found), namespace) is found


def test_what_is_computed_from_a_simplified_gradient() -> None:
    """A sum over an edge along which a gradient is constant counts that edge: 5, not 1; 96, not 48."""
    g = F.sum(X @ W + y).grad(W)
    assert float(tg.optimize(F.sum(x).grad(x).simplify().sum(), {"i": 5})()) == 5.0
    plan = tg.optimize(F.frobenius2(g.simplify()), {"n": 4, "i": 3, "o": 2})
    assert float(plan(X=np.ones((4, 3)))) == 96.0


def test_ones_cost_nothing() -> None:
    """A tensor of ones is broadcast: a plan does not compute it, nor does a product with it."""
    assert tg.optimize(ones({"i": "i", "o": "o"}), {"i": 3, "o": 4}).flops == 0
    assert tg.optimize(spread(x, {"i": "i", "o": "o"}), {"i": 3, "o": 4}).flops == 0


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("1[i]", "1[i]"),
        ("0[k,i]", "0[k,i]"),
        ("2[i] x[i]", "2[i] x[i]"),
        ("1.5[i]", "3/2 1[i]"),
        ("-1[i]", "-1[i]"),
    ],
)
def test_a_number_with_edges(text: str, shown: str) -> None:
    """A number with edges in brackets is the same along them, where text is read and where it is written."""
    assert str(tg.parse(text)) == shown
    assert tg.parse(shown).edges == tg.parse(text).edges
    with pytest.raises(tg.TensorgradError, match=r"1\[i,i\] would have two edges named 'i'"):
        tg.parse("1[i,i]")


def test_a_softmax_is_read_on_its_diagonal() -> None:
    """A softmax cannot be renamed to its diagonal, which is a sum with δ instead."""
    D = tg.Variable("D", i="n", j="n")
    data = np.random.default_rng(0).normal(size=(3, 3))
    for e in (F.trace(F.softmax(D, "i"), "i", "j"), F.softmax(D, "i", "j") * tg.delta("i", "j", size="n")):
        np.testing.assert_allclose(evaluate(e.simplify(), {"D": data}), evaluate(e, {"D": data}), rtol=1e-12)

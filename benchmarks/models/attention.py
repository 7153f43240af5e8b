"""One attention head with a quadratic loss."""

from __future__ import annotations

from benchmarks.case import Array, Sizes, standard_normal
from tensorgrad_eg import Tensor, Variable
from tensorgrad_eg import functions as F
from tensorgrad_eg.expr import extent


def attention_expression(sizes: Sizes) -> tuple[Tensor, dict[str, Variable], dict[str, Array]]:
    """½‖softmax(XWq(XWk)ᵀ/√k) XWv − Y‖² with n rows, d columns and heads of width k: loss, weights, data."""
    X, Y = Variable("X", i="n", p="d"), Variable("Y", i="n", v="k")
    weights = {
        name: Variable(name, {"p": "d", edge: "k"}) for name, edge in (("Wq", "a"), ("Wk", "a"), ("Wv", "v"))
    }
    rows = X.rename(i="j")
    scores = F.dot(X @ weights["Wq"], rows @ weights["Wk"], "a") / F.sqrt(extent(weights["Wq"], "a"))
    out = F.softmax(scores, "j") @ (rows @ weights["Wv"])
    n, d, k = sizes["n"], sizes["d"], sizes["k"]
    shapes = {"X": [n, d], "Wq": [d, k], "Wk": [d, k], "Wv": [d, k], "Y": [n, k]}
    return F.frobenius2(out - Y) / 2, weights, standard_normal(shapes)

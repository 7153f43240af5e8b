"""H1 to H5: Hessians whose closed form is known."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.case import Array, Hand, Problem, Sizes, Tensors, case, standard_normal
from benchmarks.hand.attention import attention_hessian_q, attention_loss, attention_sizes, attention_steps_q
from benchmarks.hand.reference import hessian_of
from benchmarks.models.attention import attention_expression
from tensorgrad_eg import Variable, hessian
from tensorgrad_eg import functions as F


@case("H", "H1", [{"n": 500}, {"n": 2000}], smoke={"n": 50}, target=0.5)
def quadratic_form(sizes: Sizes) -> Problem:
    """The Hessian of xᵀAx is A + Aᵀ; x is never read."""
    A, x = Variable("A", i="n", j="n"), Variable("x", ["n"])
    e = hessian(x.rename(n="i") @ A @ x.rename(n="j"), x)
    n = sizes["n"]
    return Problem(
        e,
        standard_normal({"A": [n, n], "x": [n]}),
        hessian_of(lambda t: t["x"] @ t["A"] @ t["x"], "x"),
        Hand(lambda t: t["A"] + t["A"].T, ["add ij,ij->ij"], {"i": n, "j": n}),
    )


@case("H", "H2", [{"i": 1000, "k": 200}, {"i": 2048, "k": 256}], smoke={"i": 100, "k": 20}, target=0.5)
def logistic(sizes: Sizes) -> Problem:
    """The Hessian of Σ softplus(−y·Xw) is Xᵀ diag(s(1−s)) X: it holds for y = ±1 and never reads y."""
    X, w, y = Variable("X", ["i", "k"]), Variable("w", ["k"]), Variable("y", ["i"])
    steps = [
        "contract ik,k->i",
        "apply i->i",
        "add ,i->i",
        "contract i,i->i",
        "contract ik,i->ik",
        "contract ik,iK->kK",
    ]
    return Problem(
        hessian(F.sum(F.softplus(-(y * (X @ w)))), w),
        _margins(sizes),
        hessian_of(lambda t: torch.nn.functional.softplus(-t["y"] * (t["X"] @ t["w"])).sum(), "w"),
        Hand(_logistic_hessian, steps, {**sizes, "K": sizes["k"]}),
    )


def _margins(sizes: Sizes) -> dict[str, Array]:
    i, k = sizes["i"], sizes["k"]
    data = standard_normal({"X": [i, k], "w": [k], "y": [i]})
    return {"X": data["X"], "w": 0.05 * data["w"], "y": np.sign(data["y"])}


def _logistic_hessian(t: Tensors) -> torch.Tensor:
    s = torch.sigmoid(t["X"] @ t["w"])
    return t["X"].T @ (t["X"] * (s * (1 - s))[:, None])


@case(
    "H",
    "H3",
    [{"m": 50, "n": 50, "k": 5}, {"m": 200, "n": 200, "k": 5}],
    smoke={"m": 9, "n": 8, "k": 3},
    target=0.5,
)
def matrix_factorisation(sizes: Sizes) -> Problem:
    """The Hessian of ‖T − UVᵀ‖² by U is 2 δᵢⱼ (VᵀV)ₐᵦ; here it is dense, and the identity's zeros are
    written too.
    """
    T, U, V = Variable("T", i="m", j="n"), Variable("U", i="m", a="k"), Variable("V", j="n", a="k")
    m, n, k = sizes["m"], sizes["n"], sizes["k"]
    return Problem(
        hessian(F.frobenius2(T - F.dot(U, V, "a")), U),
        standard_normal({"T": [m, n], "U": [m, k], "V": [n, k]}),
        hessian_of(lambda t: ((t["T"] - t["U"] @ t["V"].T) ** 2).sum(), "U"),
        Hand(
            _factorisation_hessian,
            ["contract ja,jb->ab", "scale ab->ab", "contract iI,ab->iaIb"],
            {"i": m, "I": m, "j": n, "a": k, "b": k},
        ),
    )


def _factorisation_hessian(t: Tensors) -> torch.Tensor:
    V, m = t["V"], t["U"].shape[0]
    block = 2 * (V.T @ V)
    result = torch.zeros(m, V.shape[1], m, V.shape[1], dtype=V.dtype)
    result.diagonal(dim1=0, dim2=2).copy_(block[:, :, None])
    return result


@case("H", "H5", [{"n": 32, "d": 32, "k": 16}], smoke={"n": 6, "d": 5, "k": 4}, target=2.0)
def attention(sizes: Sizes) -> Problem:
    """The Hessian of ½‖softmax(XWq(XWk)ᵀ/√k) XWv − Y‖² by Wq."""
    loss, weights, data = attention_expression(sizes)
    return Problem(
        hessian(loss, weights["Wq"]),
        data,
        hessian_of(attention_loss, "Wq"),
        Hand(attention_hessian_q, attention_steps_q(), attention_sizes(sizes)),
    )

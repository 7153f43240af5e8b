"""Expressions and facts that, between them, use every rule about facts."""

from __future__ import annotations

from dataclasses import dataclass

from tensorgrad_eg import Tensor, Variable, delta
from tensorgrad_eg import functions as F
from tensorgrad_eg.assume import (
    Fact,
    antisymmetric,
    diagonal,
    one_hot,
    orthogonal,
    positive,
    positive_definite,
    sums_to_one,
    symmetric,
)
from tensorgrad_eg.expr import Constant, hessian

A, D, Q = (Variable(name, i="n", j="n") for name in "ADQ")
B = Variable("B", b="b", i="n", j="n")
S = Variable("S", i="n", j="n", k="n")
W, G = Variable("W", i="n", j="n"), Variable("G", i="n", j="n", k="n", l="n")
Wt, Gt = W.rename(i="j", j="i"), G.rename(i="k", j="l", k="i", l="j")
x, y = Variable("x", ["n"]), Variable("y", ["n"])
Y, z = Variable("Y", ["b", "c"]), Variable("z", ["b", "c"])
SIZES = {"n": 5, "b": 3, "c": 4}

xi, xj, yi = x.rename(n="i"), x.rename(n="j"), y.rename(n="i")
ENERGY = xi @ A @ xj
CUBIC = F.dot(F.dot(F.dot(S, xi, "i"), xj, "j"), x.rename(n="k"), "k")
LOSS = F.cross_entropy(z, Y, "c")
SYMMETRIC, DIAGONAL, ORTHOGONAL = symmetric(A), diagonal(D), orthogonal(Q)
ONE_HOT, TOTAL, POSITIVE = one_hot(Y, "c"), sums_to_one(Y, "c"), positive(x)
TURNED, GROUPS = antisymmetric(W), symmetric(G, ("i", "j"), ("k", "l"))
K, rows, ones = Variable("K", i="n", j="n"), Variable("rows", i="n", c="c"), delta("i", "j", size="n")
GRAM = F.dot(rows, rows.rename(i="j"), "c")
DEFINITE = positive_definite(K)
FULLY = (symmetric(S, "i", "j"), symmetric(S, "j", "k"))


@dataclass(frozen=True)
class Case:
    """An expression, what is assumed, and the normal form in which that is used."""

    expression: Tensor
    facts: tuple[Fact, ...]
    normal: str


def _case(expression: Tensor, normal: str, *facts: Fact) -> Case:
    return Case(expression, facts, normal)


CORPUS = [
    _case(ENERGY.grad(x), "2 Σ_j x[j] A[j,n]", SYMMETRIC),
    _case(hessian(ENERGY, x), "2 A[n,n_]", SYMMETRIC),
    _case(A @ xj + A.rename(i="j", j="i") @ xj, "2 Σ_j A[i,j] x[j]", SYMMETRIC),
    _case(F.dot(S, xi * yi.rename(i="j"), "i", "j"), "Σ_i x[i] Σ_j y[j] S[i,j,k]", *FULLY),
    _case(CUBIC.grad(x), "3 Σ_k x[k] Σ_j x[j] S[n,j,k]", *FULLY),
    _case(hessian(CUBIC, x), "6 Σ_j x[j] S[n,j,n_]", *FULLY),
    _case(W - Wt, "2 W[i,j]", TURNED),
    _case(W - 3 * Wt, "4 W[i,j]", TURNED),
    _case(W @ xj + Wt @ xj, "0[i]", TURNED),
    _case(W @ xj - xj @ Wt, "2 Σ_j W[i,j] x[j]", TURNED),
    _case(Wt.sum("i") + W.sum("i"), "0[j]", TURNED),
    _case(W * A + Wt * A, "0[i,j]", TURNED),
    _case(A * W + A * Wt, "0[i,j]", TURNED),
    _case(B.sum("b") + B.rename(i="j", j="i").sum("b"), "0[i,j]", antisymmetric(B, "i", "j")),
    _case(W**2 + Wt**2, "2 W[i,j]^2", TURNED),
    _case(xi @ W @ xj, "0", TURNED),
    _case(F.dot(W, A, "i", "j"), "0", TURNED, SYMMETRIC),
    _case(F.trace(W), "0", TURNED),
    _case(G + Gt, "2 G[i,j,k,l]", GROUPS),
    _case(
        G + G.rename(i="j", j="i", k="l", l="k"),
        "2 G[i,j,k,l]",
        *(antisymmetric(G, *p) for p in ("ij", "kl")),
    ),
    _case(G + Gt, "0[i,j,k,l]", antisymmetric(G, ("i", "j"), ("k", "l"))),
    _case((D @ xj).sum(), "Σ_j D[j,j] x[j]", DIAGONAL),
    _case((D**2).sum(), "Σ_i D[i,i]^2", DIAGONAL),
    _case(F.trace(D @ D.rename(i="j", j="k")), "Σ_i D[i,i] D[i,i]", DIAGONAL),
    _case(LOSS.grad(z), "softmax(z[b,c], c) - Y[b,c]", TOTAL),
    _case(
        hessian(LOSS, z),
        "δ[b,b_] (δ[c,c_] softmax(z[b,c], c) - softmax(z[b,c], c) softmax(z[b,c_], c_))",
        TOTAL,
    ),
    _case((2 * Y).sum("c"), "2[b]", ONE_HOT),
    _case(Q.rename(j="k") @ Q, "δ[k,j]", ORTHOGONAL),
    _case(Q.rename(j="k") @ Q @ x.rename(n="k"), "x[j]", ORTHOGONAL),
    _case(Q.rename(j="k") @ (Q @ xj), "x[k]", ORTHOGONAL),
    _case(Q.rename(i="k") @ (Q @ xi), "x[k]", ORTHOGONAL),
    _case(F.frobenius2(Q), "|n|", ORTHOGONAL),
    _case((Q**2).sum("i"), "1[j]", ORTHOGONAL),
    _case(F.frobenius2(Q @ xj), "Σ_j x[j] x[j]", ORTHOGONAL),
    _case(((Q @ xj) ** 2).sum(), "Σ_j x[j]^2", ORTHOGONAL),
    _case((Q @ xj) @ (Q.rename(j="k") @ y.rename(n="k")), "Σ_j x[j] y[j]", ORTHOGONAL),
    _case(F.frobenius2(yi - Q @ xj).grad(x), "2 (x[n] - Σ_i Q[i,n] y[i])", ORTHOGONAL),
    _case(hessian(F.frobenius2(Q @ xj - yi), x), "2 δ[n,n_]", ORTHOGONAL),
    _case(F.dot(B, F.dot(B.rename(i="k"), x.rename(n="k"), "k"), "j"), "1[b] x[i]", orthogonal(B, "i", "j")),
    _case(F.frobenius2(Y), "|b|", ONE_HOT),
    _case(F.sqrt(F.frobenius2(Y)), "sqrt(|b|)", ONE_HOT),
    _case(Y * (Y * z), "Y[b,c] z[b,c]", ONE_HOT),
    _case(Y * Y.rename(c="d"), "δ[c,d] Y[b,c]", ONE_HOT),
    _case(Y * (Y.rename(c="d") * z.rename(c="d")), "δ[c,d] Y[b,c] z[b,c]", ONE_HOT),
    _case(F.abs(Y) + F.sign(Y) + F.step(Y) + F.relu(Y) + F.sqrt(Y), "5 Y[b,c]", ONE_HOT),
    _case(F.abs(x) + F.sqrt(x**2) + F.relu(x), "3 x[n]", POSITIVE),
    _case(F.sign(x) * F.step(1 / x), "1[n]", POSITIVE),
    _case(F.sqrt(x**3), "x[n]^(3/2)", POSITIVE),
    _case(F.sign(F.exp(y) * F.sigmoid(y) * F.softplus(y) * F.softmax(y, "n") * x), "1[n]", POSITIVE),
    _case(
        F.abs(3 * x + y**2 + F.abs(y) + F.relu(y) + F.step(y) + 1),
        "1 + 3 x[n] + abs(y[n]) + relu(y[n]) + step(y[n]) + y[n]^2",
        POSITIVE,
    ),
    _case(F.sign(Constant("pi") * F.mean(x)), "1", POSITIVE),
    _case(F.relu(F.sqrt(F.abs(y)) * (y * y)) + x, "x[n] + y[n]^2 sqrt(abs(y[n]))", POSITIVE),
    _case(
        xj @ F.inverse(K) + (xi @ F.inverse(K)).rename(j="i"), "2 Σ_n x[n] inverse(K[i,n], i, n)", DEFINITE
    ),
    _case(
        F.logdet(2 * K + GRAM + 3 * ones),
        "logdet(3 δ[i,j] + 2 K[i,j] + Σ_c rows[i,c] rows[j,c], i, j)",
        DEFINITE,
    ),
    _case(
        F.logdet(GRAM + x.sum() * ones), "logdet(Σ_c rows[i,c] rows[j,c] + δ[i,j] Σ_n x[n], i, j)", POSITIVE
    ),
    _case(
        F.logdet(GRAM + F.inverse(K * K)),
        "logdet(Σ_c rows[i,c] rows[j,c] + inverse(K[i,j]^2, i, j), i, j)",
        DEFINITE,
    ),
    _case(
        F.logdet(GRAM + x.sum() * K),
        "logdet(Σ_c rows[i,c] rows[j,c] + K[i,j] Σ_n x[n], i, j)",
        DEFINITE,
        POSITIVE,
    ),
    _case(F.abs(delta("i", "j", size="n") * xi), "δ[i,j] x[i]", POSITIVE),
]

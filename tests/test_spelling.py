"""What a plan costs depends neither on names of bound edges, nor on where multiples and brackets stand."""

from __future__ import annotations

import numpy as np
import pytest

import tensorgrad_eg as tg
from benchmarks.case import standard_normal
from benchmarks.models.coupled_cluster import residual, terms
from tensorgrad_eg import Tensor, Variable
from tensorgrad_eg import functions as F
from tensorgrad_eg.expr import variables

N = 40
T, X, Y, Z = (Variable(name, i="n", j="n") for name in "TXYZ")
A, C, B = Variable("A", i="n", k="n"), Variable("C", i="n", k="n"), Variable("B", k="n", j="n")
#: A product of two matrices, and a sum of two of them.
PRODUCT, SUM = 2 * N**3, N**2


def turned(e: Tensor) -> Tensor:
    """The transpose."""
    return e.rename(i="j", j="i")


def flops(wanted: Tensor | list[Tensor], **sizes: int) -> int:
    """What the plan costs, which is compared with its expressions when it is made."""
    plan = tg.optimize(wanted, sizes or {"n": N})
    assert "agrees" in plan.report.verified
    return plan.flops


def shared_factor() -> Tensor:
    """XT + YZT, where the two sums run over edges of different names."""
    return tg.einsum("ij,jk->ik", X, T) + tg.einsum("ij,jk,kl->il", Y, Z, T).rename(l="k")


@pytest.mark.parametrize(
    ("wanted", "right"),
    [
        (shared_factor(), 2 * PRODUCT + SUM),
        (A @ B - turned(A @ B) + C @ B - turned(C @ B), PRODUCT + 2 * SUM),
        ([A @ B + C @ B, A.rename(k="j") - A @ B - C @ B], PRODUCT + 2 * SUM),
        ([2 * (A @ B) + C @ B, -6 * (A @ B) - 3 * (C @ B)], PRODUCT + 3 * SUM),
    ],
    ids=["names of bound edges", "signs", "a sum and its negative", "a sum and its multiple"],
)
def test_a_shared_factor_is_found(wanted: Tensor | list[Tensor], right: int) -> None:
    """One product where two would be needed without the common factor, whatever edges and multiples."""
    assert flops(wanted) <= right


def test_quadratic_form() -> None:
    """The gradient of tr(XᵀAX) is (A + Aᵀ)X: one product, since the factor X is read under two names."""
    M, V = Variable("A", i="n", j="n"), Variable("X", i="n", k="k")
    loss = F.sum(F.dot(F.dot(M, V.rename(i="j"), "j"), V, "i", "k"))
    for k in (1, 4, 60, 200):
        assert flops(loss.grad(V), n=60, k=k) == 60 * 60 + 2 * 60 * 60 * k


def test_gram_loss() -> None:
    """The gradient of ‖FFᵀ − G‖² needs two products, for FFᵀ and with what is symmetrised."""
    V, G = Variable("F", i="c", j="n"), Variable("G", i="c", l="c")
    c, n = 20, 100
    found = flops(F.frobenius2(F.dot(V, V.rename(i="l"), "j") - G).grad(V), c=c, n=n)
    assert found <= 2 * (2 * c * c * n) + 4 * c * c


def test_both_gradients_of_a_long_product() -> None:
    """θᵀη₁((M + Mᵀ)∘U), opt_einsum's issue 248: a factor that is shared by products of seven tensors."""
    eta, eta1 = Variable("eta", i="o", P="P"), Variable("eta1", s="s", P="P")
    M, theta = Variable("M", P="P", Q="P"), Variable("theta", t="s", i="o")
    energy = tg.einsum("iP,sP,PQ,jQ,tQ,ti,sj->", eta, eta1, M, eta, eta1, theta, theta)
    o, s, P = 300, 50, 2000
    right = 4 * o * s * P + 4 * s * P * P + 3 * P * P  # θη, η₁ᵀ(θη), its transpose by M, M + Mᵀ, and back
    assert flops([energy.grad(eta), energy.grad(M)], o=o, s=s, P=P) <= right


def test_a_shared_tensor_keeps_its_names() -> None:
    """What is used elsewhere as well is computed once, not once more under other names."""
    P = A @ B
    assert flops([P + turned(P), P]) <= PRODUCT + SUM


@pytest.mark.parametrize("singles", [False, True], ids=["CCD", "CCSD"])
def test_coupled_cluster(singles: bool) -> None:
    """Residuals of coupled cluster equal the sum of their terms, below the form factorised by hand.

    That costs 1.206 GFLOP with single excitations (1.652 GFLOP of pdaggerq is 1.37 times as much).
    """
    names = ("energy", "singles", "doubles") if singles else ("doubles",)
    wanted = {name: residual(name, singles) for name in names}
    plan = tg.optimize(wanted, {"o": 10, "v": 40})
    assert plan.flops <= (1.206e9 if singles else 0.9e9)
    small = plan.resize({"o": 2, "v": 3})
    arrays = variables(wanted.values())
    data = standard_normal({n: [{"o": 2, "v": 3}[edge[0]] for edge in v.edges] for n, v in arrays.items()})
    found = small(**data)
    for name in names:
        right = direct(name, data, singles)
        assert np.abs(found[name] - right).max() <= 1e-12 * np.abs(right).max()


def direct(equation: str, data: dict[str, np.ndarray], singles: bool) -> np.ndarray:
    """The terms of an equation added up by NumPy."""
    out = {"energy": "", "singles": "ai", "doubles": "abij"}[equation]
    kind = str.maketrans("ijklabcd", "oooovvvv")
    total = np.zeros(())
    for number, factors in terms(equation, singles):
        arrays = [data[f"{letter}_{edges.translate(kind)}"] for letter, edges in factors]
        subscripts = ",".join(edges for _, edges in factors)
        total = total + float(number) * np.einsum(f"{subscripts}->{out}", *arrays)
    return total


def test_what_the_search_opens_shares_factors() -> None:
    """The gradient of Σ w_ab ‖y_a − y_b‖² is degrees times y and one product by W + Wᵀ, once it is opened."""
    W, Y = Variable("W", a="n", b="n"), Variable("Y", a="n", d="d")
    r = Y - Y.rename(a="b")
    n, d = 200, 10
    right = 3 * n * n + 2 * n * n * d + 3 * n * d + n  # W + Wᵀ, its rows added up, the product; what is n d
    assert flops(F.sum(W * F.sum(r * r, "d")).grad(Y), n=n, d=d) <= 1.01 * right


def test_terms_that_are_equal_in_another_order_of_factors() -> None:
    """(AB)C − A(BC) is nothing, and (AB)C + A(BC) is twice one of them: never t − t, nor t + t."""
    left = tg.einsum("ij,jk->ik", tg.einsum("ij,jk->ik", X, Y), Z)
    other = tg.einsum("ij,jk->ik", X, tg.einsum("ij,jk->ik", Y, Z))
    assert flops(left - other) == 0
    assert "2 *" in tg.optimize(left + other, {"n": N}).code("numpy")

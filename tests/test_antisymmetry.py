"""Facts about exchanges: tensors that are the same, or their negative, with two edges or groups exchanged."""

from __future__ import annotations

from functools import cache
from itertools import permutations

import numpy as np
import pytest
import torch

import tensorgrad_eg as tg
from benchmarks.count import total
from benchmarks.hand.coupled_cluster import PRINTED, STEPS, energy_and_residuals
from benchmarks.models.coupled_cluster import known, residual, summed
from tensorgrad_eg import Tensor, Variable, assume
from tensorgrad_eg import functions as F
from tensorgrad_eg.assume import antisymmetric, symmetric
from tensorgrad_eg.errors import AssumptionError, SizeError
from tensorgrad_eg.expr import variables
from tensorgrad_eg.verify.evaluate import conform, holds

T, S, R = (Variable(name, i="n", j="n") for name in "TSR")
E = Variable("E", i="n", j="n", k="n")
G = Variable("G", a="n", b="n", c="n", d="n")
B, x = Variable("B", i="n", k="m"), Variable("x", ["n"])
xi, xj = x.rename(n="i"), x.rename(n="j")
TURNED = antisymmetric(T)
FULLY = [antisymmetric(E, "i", "j"), antisymmetric(E, "j", "k")]
INTEGRAL = [antisymmetric(G, "a", "b"), antisymmetric(G, "c", "d"), symmetric(G, ("a", "b"), ("c", "d"))]


def turned(tensor: Tensor, *pairs: str) -> Tensor:
    """A tensor with edges exchanged, each pair being two letters."""
    names = {edge: other for pair in pairs for edge, other in (pair, pair[::-1])}
    return tensor.rename(names)


# ---- what is written


def test_facts_about_groups_are_read_as_they_are_printed() -> None:
    """Groups are separated by commas, their edges by spaces; repr makes the fact again."""
    for fact in (*INTEGRAL, antisymmetric(G, ("a", "b"), ("d", "c"))):
        assert assume.read(str(fact), {"G": G}) == fact
        assert eval(repr(fact), {**vars(assume), "Variable": Variable}) == fact
    assert str(INTEGRAL[2]) == "symmetric(G, a b, c d)"


def test_groups_that_do_not_match_are_refused() -> None:
    """Groups have as many edges, each once, and edges that are exchanged have one size."""
    with pytest.raises(AssumptionError, match=r"two edges, but of G\[a,b,c,d\] it was given a, b, c\. Name"):
        symmetric(G, ("a", "b"), "c")
    with pytest.raises(AssumptionError, match=r"it was given a, b, b, c\. Name them"):
        antisymmetric(G, ("a", "b"), ("b", "c"))
    with pytest.raises(SizeError) as error:
        symmetric(Variable("H", a="o", b="v", c="o", d="v"), ("a", "b"), ("d", "c"))
    assert str(error.value) == (
        "symmetric(H, a b, d c): edge 'a' of H has size o but edge 'd' size v, and both need the same one. "
        "Give them one size: Variable('H', a='o', b='v', c='o', d='o')."
    )


def test_data_have_every_exchange() -> None:
    """Random arrays are moved to where all facts are true, compared with the definition on every entry."""
    random = np.random.default_rng(0)
    found = conform("G", random.standard_normal((3, 3, 3, 3)), INTEGRAL)
    np.testing.assert_allclose(found, -found.transpose(1, 0, 2, 3), atol=1e-13)
    np.testing.assert_allclose(found, found.transpose(2, 3, 0, 1), atol=1e-13)
    assert np.abs(found).max() > 0.1
    full = conform("E", random.standard_normal((4, 4, 4)), FULLY)
    for order in permutations(range(3)):
        sign = np.linalg.det(np.eye(3)[list(order)])
        np.testing.assert_allclose(full.transpose(order), sign * full, atol=1e-13)
    assert not holds(TURNED, np.eye(3))


# ---- what becomes of it

ZERO = {
    "a sum with itself": (T + turned(T, "ij"), [TURNED]),
    "a trace": (F.trace(T), [TURNED]),
    "a quadratic form": (xi @ T @ xj, [TURNED]),
    "its gradient": ((xi @ T @ xj).grad(x), [TURNED]),
    "with a symmetric matrix": (F.dot(T, S, "i", "j"), [TURNED, symmetric(S)]),
    "with a square": (F.dot(T, B @ B.rename(i="j"), "i", "j"), [TURNED]),
    "two of three edges with a symmetric matrix": (F.dot(E, S, "i", "j"), [*FULLY, symmetric(S)]),
    "three edges turned round": (E - E.rename(i="j", j="k", k="i"), FULLY),
    "three edges, the outer ones exchanged": (E + turned(E, "ik"), FULLY),
    "groups exchanged": (G - turned(G, "ac", "bd"), INTEGRAL),
    "groups exchanged, and a pair": (G + turned(turned(G, "ac", "bd"), "ab"), INTEGRAL),
    "an antisymmetric exchange of groups": (
        G + turned(G, "ac", "bd"),
        [antisymmetric(G, ("a", "b"), ("c", "d"))],
    ),
}


@pytest.mark.parametrize("case", ZERO, ids=str)
def test_what_vanishes(case: str) -> None:
    """What is zero by an exchange of names is found to be zero, and costs nothing."""
    e, facts = ZERO[case]
    assert str(tg.simplify(e, assume=facts)).partition("[")[0] == "0"
    plan = tg.optimize(e, {s: 4 for s in ("n", "m") if s in _symbols(e)}, assume=facts)
    assert plan.flops == 0
    plan.check()


def _symbols(e: Tensor) -> set[object]:
    return {size for v in variables([e]).values() for size in v.shape.values()}


def test_nothing_vanishes_without_the_fact() -> None:
    """The same sums are written out where nothing is declared."""
    for e, _ in ZERO.values():
        assert str(tg.simplify(e)).partition("[")[0] != "0"


@pytest.mark.parametrize(
    ("e", "text"),
    [
        (T - turned(T, "ij"), "2 T[i,j]"),
        (T**2 - turned(T, "ij") ** 2, "0[i,j]"),
        (T @ xj - turned(T, "ij") @ xj, "2 Σ_j T[i,j] x[j]"),
        (T * S - turned(T, "ij") * S, "2 S[i,j] T[i,j]"),
    ],
    ids=str,
)
def test_terms_that_differ_by_sign_meet(e: Tensor, text: str) -> None:
    """Like terms are collected whatever the order of edges, with the sign that it gives."""
    assert str(tg.simplify(e, assume=[TURNED])) == text


def test_a_product_is_computed_once_for_both_orders() -> None:
    """TB + TᵀC costs one product, as T(B - C) does."""
    C = Variable("C", i="n", k="m")
    e = F.dot(T, B.rename(i="j"), "j") + F.dot(turned(T, "ij"), C.rename(i="j"), "j")
    sizes = {"n": 30, "m": 20}
    plan = tg.optimize(e, sizes, assume=[TURNED])
    plan.check()
    assert plan.flops == 2 * 30 * 30 * 20 + 30 * 20


def test_a_tensor_that_is_only_read_with_two_pairs_exchanged_is_known() -> None:
    """Its exchanges are used whatever the order of its edges: G[b,a,d,c] S[a,b] over a and b is zero."""
    once = turned(G, "ab", "cd")
    facts = [antisymmetric(G, "a", "b"), antisymmetric(G, "c", "d"), symmetric(S)]
    assert str(tg.simplify(F.dot(once, S.rename(i="a", j="b"), "a", "b"), assume=facts)) == "0[d,c]"


def test_derivatives_are_those_of_independent_entries() -> None:
    """Facts are used after differentiation: the gradient of xᵀTx by T is xxᵀ, although xᵀTx is zero."""
    assert str(tg.simplify((xi @ T @ xj).grad(T), assume=[TURNED])) == "x[j] x[i]"


def test_halves_of_what_is_symmetric_keep_their_values() -> None:
    """With symmetric=True a plan with antisymmetric inputs, or with groups, computes the same."""
    P = Variable("P", b="b", i="n", j="n")
    Q = Variable("Q", b="b", i="n", j="n")
    both = [antisymmetric(P, "i", "j"), antisymmetric(Q, "i", "j")]
    group = Variable("H", b="n", c="n", i="n", j="n")
    for e, facts in (
        (F.dot(P, Q, "b"), both),
        (F.dot(P, Q.rename(i="j", j="k"), "b", "j"), both),
        (F.dot(group, T.rename(i="b", j="c"), "b", "c"), [symmetric(group, ("b", "c"), ("i", "j")), TURNED]),
    ):
        sizes = {size: n for size, n in (("b", 20), ("n", 12)) if size in _symbols(e)}
        plan = tg.optimize(e, sizes, assume=facts, symmetric=True)
        assert plan.check().error < 1e-12


def test_a_derivation_uses_the_fact() -> None:
    """The steps of a plan name a rule about facts, and hold on antisymmetric data."""
    derivation = tg.optimize(xi @ T @ xj + x.sum(), {"n": 4}, assume=[TURNED]).explain()
    assert "Use what is assumed" in str(derivation)
    assert all((place.error or 0) < 1e-6 for step in derivation for place in step.places)


# ---- coupled cluster

WANTED = ("energy", "singles", "doubles")
LARGE = {"o": 20, "v": 100}


@cache
def ccsd() -> tg.Plan:
    """The plan of CCSD for integrals and amplitudes of electrons, each term written out."""
    wanted = {name: residual(name) for name in WANTED}
    facts = [fact for name in variables(wanted.values()) for fact in known(name)]
    return tg.optimize(wanted, LARGE, assume=facts, verify=False)


def _prices(o: int, v: int) -> tuple[int, int]:
    sizes = {**dict.fromkeys("ijmn", o), **dict.fromkeys("abef", v)}
    return total(STEPS, sizes), total([*STEPS, *PRINTED], sizes)


def test_coupled_cluster_costs_no_more_than_the_form_of_stanton_and_gauss() -> None:
    """93 terms cost at most what the form derived by hand does, which uses antisymmetry, at its best."""
    best, printed = _prices(**LARGE)
    assert ccsd().flops <= best < printed
    assert ccsd().resize({"o": 10, "v": 40}).flops <= _prices(10, 40)[0]


def test_coupled_cluster_computes_the_sum_of_its_terms() -> None:
    """On antisymmetric data the plan, the form by hand and the sum over all terms are equal to 1e-12."""
    sizes, random = {"o": 4, "v": 5}, np.random.default_rng(0)
    plan = ccsd().resize(sizes)
    facts = [fact for v in plan.inputs for fact in known(v.name)]
    data = {
        v.name: conform(v.name, random.standard_normal([sizes[e[0]] for e in v.edges]), facts)
        for v in plan.inputs
    }
    found, tensors = plan(**data), {name: torch.from_numpy(array) for name, array in data.items()}
    by_hand = energy_and_residuals(tensors)
    for name in WANTED:
        expected = summed(name, tensors).numpy()
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found[name], expected, rtol=0, atol=1e-12 * scale)
        np.testing.assert_allclose(by_hand[name], expected, rtol=0, atol=1e-12 * scale)

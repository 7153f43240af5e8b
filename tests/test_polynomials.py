"""`simplify` writes equal polynomials of equal tensors in one way, and as textbooks do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tensorgrad_eg as tg
from tensorgrad_eg import Tensor
from tensorgrad_eg import functions as F

x, y, A = tg.Variable("x", i="n"), tg.Variable("y", i="n"), tg.Variable("A", i="n", j="n")
Ax = F.dot(A, x.rename(i="j"), "j")
ATOMS = (x, y, F.tanh(x), F.exp(y), Ax, F.sum(x * y))
RANDOM = np.random.default_rng(0)
DATA = {"x": RANDOM.standard_normal(3), "y": RANDOM.standard_normal(3), "A": RANDOM.standard_normal((3, 3))}
VALUES = (
    *(DATA["x"], DATA["y"], np.tanh(DATA["x"]), np.exp(DATA["y"])),
    *(DATA["A"] @ DATA["x"], DATA["x"] @ DATA["y"]),
)
D = tg.delta("i", "j", size="n")

#: A polynomial: multiples of products of atoms. Then two ways to write it.
Term = tuple[Fraction, tuple[int, ...]]
numbers = st.fractions(-3, 3, max_denominator=4).filter(bool)
terms = st.lists(
    st.tuples(numbers, st.lists(st.integers(0, len(ATOMS) - 1), min_size=1, max_size=3).map(tuple)),
    max_size=4,
)


@st.composite
def spelt(draw: st.DrawFn, polynomial: Sequence[Term]) -> Tensor:
    """The terms in any order, some in two parts or with what is taken away again, bracketed anyhow."""
    parts = list(polynomial)
    for number, atoms in draw(terms):
        parts += [(number, atoms), (-number, atoms)]
    written = [_product(draw, term) for term in draw(st.permutations(parts))]
    while len(written) > 1:
        at = draw(st.integers(0, len(written) - 2))
        one, other = written[at : at + 2]
        q = draw(numbers)
        written[at : at + 2] = [draw(st.sampled_from([one + other, q * (one / q + other / q), one - -other]))]
    return written[0] if written else 0 * x


def _product(draw: st.DrawFn, term: Term) -> Tensor:
    number, atoms = term
    factors = [ATOMS[at] for at in draw(st.permutations(atoms))]
    while len(factors) > 1:
        at = draw(st.integers(0, len(factors) - 2))
        factors[at : at + 2] = [factors[at] * factors[at + 1]]
    return number * factors[0]


@settings(max_examples=15, deadline=None)
@given(st.data(), terms)
def test_equal_polynomials_are_written_in_one_way(data: st.DataObject, polynomial: list[Term]) -> None:
    """However terms are ordered, bracketed, multiplied and taken apart: one text, of the right value."""
    one, other = (data.draw(spelt(polynomial)) for _ in range(2))
    simple = tg.simplify(one)
    assert str(simple) == str(tg.simplify(other))
    right = np.zeros(3)
    for number, atoms in polynomial:
        right = right + float(number) * math.prod((VALUES[at] for at in atoms), start=np.ones(3))
    plan = tg.optimize(simple, {"n": 3}, effort=0, verify=False)
    found = plan(**{read.name: DATA[read.name] for read in plan.inputs})
    np.testing.assert_allclose(np.broadcast_to(found, 3), right, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("e", "text"),
    [
        ((x - y) + (y - x), "0[i]"),
        ((F.frobenius2(x - y) + 2 * F.dot(x, y) - F.frobenius2(x) - F.frobenius2(y)).grad(x), "0[i]"),
        (F.dot(x, -D, "i"), "-x[j]"),
        (F.dot(-D, x, "i"), "-x[j]"),
        (F.dot(x * y, 1 - D, "i"), "Σ_i x[i] y[i] - x[j] y[j]"),
        (x * y * x + F.tanh(y) * 2 - x * x * y, "2 tanh(y[i])"),
        (2 * ((x - 1) / 2) * y, "y[i] (x[i] - 1)"),
        (-(x * (y - F.exp(x))), "x[i] (exp(x[i]) - y[i])"),
    ],
)
def test_like_terms_meet_wherever_they_stand(e: Tensor, text: str) -> None:
    """Under multiples, in brackets, on diagonals and with factors in another order."""
    assert str(tg.simplify(e)) == text


def test_symmetric_terms_meet_in_any_order() -> None:
    """A x + Aᵀ x = 2 A x, whichever term stands between."""
    swapped = F.dot(A.rename(i="j", j="i"), x.rename(i="j"), "j")
    known = [tg.assume.symmetric(A)]
    for e in (Ax + swapped + y, y + Ax + swapped, Ax + y + swapped):
        assert str(tg.simplify(e, assume=known)) == "y[i] + 2 Σ_j A[i,j] x[j]"


def test_the_hessian_of_a_cross_entropy_is_that_of_the_textbook() -> None:
    """Σ y (diag p - p pᵀ), with no sign within."""
    found = tg.simplify(tg.hessian(-F.sum(y * F.log_softmax(-x, "i")), x))
    p, q = "softmax(-x[i], i)", "softmax(-x[i_], i_)"
    assert str(found) == f"(Σ_i__ y[i__]) (δ[i,i_] {p} - {p} {q})"

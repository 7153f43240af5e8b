"""str: blackboard notation that can be read again."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from expr_reference import EXPRESSIONS, SIZES, evaluate, random_arrays
from hypothesis import assume, given, settings

from tensorgrad_eg import functions as F
from tensorgrad_eg.expr import (
    Contract,
    Derivative,
    Extent,
    Number,
    Power,
    Scale,
    Tangent,
    Tensor,
    Variable,
    brief,
    delta,
    parse,
)

A, B = Variable("A", ["i", "k"]), Variable("B", ["k", "j"])
x, y, s = Variable("x", ["k"]), Variable("y", ["i"]), Variable("s")
v = Variable("v", ["k"])


@settings(max_examples=300)
@given(EXPRESSIONS)
def test_what_is_printed_means_what_was_built(e: Tensor) -> None:
    """Reading the text of an expression again gives an expression of the same value, edge for edge."""
    assume("\n" not in str(e))
    again = parse(str(e))
    assert sorted(again.edges) == sorted(e.edges)
    arrays = random_arrays(e, SIZES)
    # A bound edge that had to be called differently, such as k_, has the size of the one it stands for.
    sizes = SIZES | {size: SIZES[str(size).rstrip("_")] for size in _symbols(again)}
    expected = evaluate(e, arrays, SIZES)
    found = evaluate(again.transpose(*e.edges), arrays, sizes)
    np.testing.assert_allclose(found, np.broadcast_to(expected, found.shape), rtol=1e-9)


def _symbols(e: Tensor) -> set[str]:
    from tensorgrad_eg.expr import Delta, postorder

    found = {str(size) for node in postorder([e]) for size in node.shape.values()}
    return found | {str(node.size) for node in postorder([e]) if isinstance(node, Extent | Delta)}


@pytest.mark.parametrize(
    ("e", "text"),
    [
        (A @ x - y, "Σ_k A[i,k] x[k] - y[i]"),
        (A @ (B @ Variable("z", ["j"])), "Σ_k A[i,k] Σ_j B[k,j] z[j]"),
        ((A @ B) @ Variable("z", ["j"]), "Σ_j (Σ_k A[i,k] B[k,j]) z[j]"),
        (F.dot(A, x), "Σ_k A[i,k] x[k]"),
        (A * x, "A[i,k] x[k]"),
        ((A @ x) * (A @ x), "(Σ_k A[i,k] x[k]) Σ_k A[i,k] x[k]"),
        (s * (x + v), "s (x[k] + v[k])"),
        ((x + v) * s, "(x[k] + v[k]) s"),
        (x - (v - x), "x[k] - (v[k] - x[k])"),
        (x + (v - x), "x[k] + v[k] - x[k]"),
        (-x, "-x[k]"),
        (-(x + v), "-(x[k] + v[k])"),
        (x * -v, "x[k] (-v[k])"),
        (-x * v, "-x[k] v[k]"),
        (x / v, "x[k] / v[k]"),
        (x / (v * s), "x[k] / (v[k] s)"),
        (x / v * s, "(x[k] / v[k]) s"),
        (s * (x / v), "s x[k] / v[k]"),
        (x / v**2, "x[k] / v[k]^2"),
        (x / F.sqrt(v), "x[k] / sqrt(v[k])"),
        (1 / x, "1 / x[k]"),
        (x.sum() / Extent("k"), "(Σ_k x[k]) / |k|"),
        (x * (v.sum()), "x[k] Σ_k_ v[k_]"),
        (x**2, "x[k]^2"),
        ((x + 1) ** 3, "(x[k] + 1)^3"),
        ((x**2) ** 3, "(x[k]^2)^3"),
        (x ** Fraction(2, 3), "x[k]^(2/3)"),
        (x**-2, "1 / x[k]^2"),
        (0.5 * x, "1/2 x[k]"),
        (0.1 * x, "0.1 x[k]"),
        (x + 1e-5, "x[k] + 1e-05"),
        (x * 2.5 - 1, "5/2 x[k] - 1"),
        (1 - x, "1 - x[k]"),
        (A.sum(), "Σ_{i,k} A[i,k]"),
        (Contract({"i", "k"}, A, A), "Σ_{i,k} A[i,k] A[i,k]"),
        ((-x).sum(), "Σ_k (-x[k])"),
        ((x + 1).sum(), "Σ_k (x[k] + 1)"),
        (A.rename(i="p") @ x, "Σ_k A[p,k] x[k]"),
        ((A @ x).rename(i="k"), "Σ_k_ A[k,k_] x[k_]"),
        (F.softmax(A, "k", "i"), "softmax(A[i,k], i, k)"),
        (F.logsumexp(A, "k").rename(i="k"), "logsumexp(A[k,k_], k_)"),
        (F.log_softmax(x, "k"), "x[k] - logsumexp(x[k], k)"),
        (F.pi * x, "π x[k]"),
        (delta("i", "j") @ A, "Σ_i δ[i,j] A[i,k]"),
        (Derivative(A @ x, x), "∂(Σ_k_ A[i,k_] x[k_])/∂x[k]"),
        (Derivative(s * s, s), "∂(s s)/∂s"),
        (Derivative(s, s), "∂s/∂s"),
        (parse("A[i,i] x[i]"), "A[i,i] x[i]"),
        (Contract("j", Variable("M", i="n", j="n"), delta("i", "j", size="n")), "M[i,i]"),
        (Tangent(x * x, x, v + 1), "∂(x[k] x[k])/∂x · (v[k] + 1)"),
        (2 * Derivative(x * s, s), "2 ∂(x[k] s)/∂s"),
        (Power(Number(2), "1/2"), "sqrt(2)"),
        (Power(Number(-2), 2), "(-2)^2"),
        (Scale(2, Number(3)), "2 3"),
    ],
)
def test_text(e: Tensor, text: str) -> None:
    """Expressions are written as one would on the blackboard, with no more brackets than needed."""
    assert str(e) == text


def test_names_of_parts_are_not_names_of_variables() -> None:
    """The names given to shared parts differ from those of variables."""
    e: Tensor = Variable("t1", ["k"])
    for _ in range(8):
        e = F.tanh(e * e + 1)
    lines = str(e).splitlines()
    assert lines[1].startswith("  where t1_[k] = ")
    assert lines[2].startswith("        t2[k] = ")


def test_brief_shortens_in_the_middle() -> None:
    """In messages a long expression is shortened to one line with both ends."""
    e = sum(Variable(f"x{n}", ["k"]) for n in range(40))
    assert brief(e).startswith("x0[k] + x1[k]")
    assert brief(e).endswith("x39[k]")
    assert len(brief(e)) <= 61

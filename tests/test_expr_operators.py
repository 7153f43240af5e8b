"""Operators: what they compute, which edges they give, and what they say when the operands do not fit."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from expr_reference import evaluate

from tensorgrad_eg import functions as F
from tensorgrad_eg.errors import (
    DuplicateEdgeError,
    NumberError,
    OperandError,
    SizeError,
    SumEdgeError,
    UnknownEdgeError,
)
from tensorgrad_eg.expr import Add, Contract, Number, Reduce, Rename, Scale, Tensor, Variable

A, B = Variable("A", ["i", "k"]), Variable("B", ["k", "j"])
x, y, s = Variable("x", ["k"]), Variable("y", ["i"]), Variable("s")
SIZES = {"i": 2, "j": 3, "k": 4}
RNG = np.random.default_rng(0)
ARRAYS = {
    "A": RNG.random((2, 4)),
    "B": RNG.random((4, 3)),
    "x": RNG.random(4),
    "y": RNG.random(2),
    "s": RNG.random(()),
}
a, b, vx, vy, vs = (ARRAYS[name] for name in "ABxys")


@pytest.mark.parametrize(
    ("e", "edges", "expected"),
    [
        (A @ x, "i", a @ vx),
        (x @ A, "i", a @ vx),
        (A @ B, "ij", a @ b),
        (B @ A, "ji", (a @ b).T),
        (x @ x, "", vx @ vx),
        (x @ y, "ki", np.outer(vx, vy)),
        (A * x, "ik", a * vx),
        (x * A, "ki", (a * vx).T),
        (A * y, "ik", a * vy[:, None]),
        (A + x, "ik", a + vx),
        (x + y, "ki", vx[:, None] + vy),
        (A - y, "ik", a - vy[:, None]),
        (-A, "ik", -a),
        (+A, "ik", a),
        (2 * A, "ik", 2 * a),
        (A * 2, "ik", 2 * a),
        (A @ 2, "ik", 2 * a),
        (2 @ A, "ik", 2 * a),
        (A + 1, "ik", a + 1),
        (1 + A, "ik", a + 1),
        (A - 1, "ik", a - 1),
        (1 - A, "ik", 1 - a),
        (A / 4, "ik", a / 4),
        (1 / A, "ik", 1 / a),
        (A / x, "ik", a / vx),
        (A / s, "ik", a / vs),
        (A**2, "ik", a**2),
        (A**0.5, "ik", a**0.5),
        (A ** Fraction(-1, 2), "ik", a**-0.5),
        (A * s, "ik", a * vs),
        (A.sum(), "", a.sum()),
        (A.sum("k"), "i", a.sum(1)),
        (A.sum("k", "i"), "", a.sum()),
        (A.sum(["i"]), "k", a.sum(0)),
        (A.mean(), "", a.mean()),
        (A.mean("i"), "k", a.mean(0)),
        (A.rename(i="j"), "jk", a),
        (A.rename({"i": "k", "k": "i"}), "ki", a),
        (A.transpose("k", "i"), "ki", a.T),
        (A.rename(i="p").rename(p="i").transpose("k", "i"), "ki", a.T),
        (sum([x, x, x]), "k", 3 * vx),
        (np.float64(2) * A, "ik", 2 * a),
        (A + np.float32(0.5), "ik", a + 0.5),
        (A - A, "ik", 0 * a),
    ],
    ids=str,
)
def test_operator(e: Tensor, edges: str, expected: Any) -> None:
    """Each operator computes what NumPy computes, with its edges in the documented order."""
    assert e.edges == tuple(edges)
    np.testing.assert_allclose(evaluate(e, ARRAYS, SIZES), expected)


def test_trivial_simplifications() -> None:
    """Zeros, ones, multiples of multiples and renamings of renamings disappear; nothing else does."""
    assert x + 0 is x
    assert 0 + x is x
    assert x * 1 is x
    assert x / 1 is x
    assert x**1 is x
    assert -1 * -x is x
    assert 2 * (3 * x) is Scale(6, x)
    assert Number(2) * Number(3) + 1 is Number(7)
    assert 2 / Number(4) is Number("1/2")
    assert x.rename(k="p").rename(p="q") is Rename(x, {"k": "q"})
    assert x.rename(k="p").rename(p="k") is x
    assert A.transpose("k", "i").transpose("i", "k") is A
    assert A.rename(i="p").transpose("k", "p").rename(p="i") is A.transpose("k", "i")
    assert Reduce((), x) is not x
    assert F.sum(s) is s


def test_sums_are_left_as_they_are_shared() -> None:
    """A sum that is used again stays a part of the larger sum: a residual chain keeps its n additions."""
    first = x + F.tanh(x)
    second = first + F.sin(first)
    assert second is Add((first, F.sin(first)))


@pytest.mark.parametrize(
    ("build", "left", "left_size", "right", "right_size"),
    [
        (lambda: A @ Variable("v", k=5), "A[i,k]", "k", "v[k]", 5),
        (lambda: A + Variable("v", k="n"), "A[i,k]", "k", "v[k]", "n"),
        (lambda: Variable("M", k=4) * Variable("v", k=5), "M[k]", 4, "v[k]", 5),
        (lambda: A - y.rename(i="k"), "A[i,k]", "k", "y[k]", "i"),
        (lambda: F.dot(A, Variable("v", k=5), "k"), "A[i,k]", "k", "v[k]", 5),
        (lambda: (A @ x).rename(i="k") / x, "Σ_k_ A[k,k_] x[k_]", "i", "1 / x[k]", "k"),
    ],
)
def test_one_edge_with_two_sizes(
    build: Callable[[], Tensor], left: str, left_size: object, right: str, right_size: object
) -> None:
    """An edge with two sizes is refused; the message has the edge, both tensors, both sizes and the fix."""
    with pytest.raises(SizeError) as caught:
        build()
    message = str(caught.value)
    assert message.startswith(f"edge 'k' has size {left_size} in {left} but size {right_size} in ")
    assert "Rename one of the two, or give both one size: k=" in message
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("bad", [[1, 2], "x", None, 1j, np.ones(3), {}, object()])
def test_operand_that_is_no_tensor(bad: Any) -> None:
    """Whatever is no number is refused by every operator, from both sides, with the fix."""
    for operate in (
        lambda: x + bad,
        lambda: bad + x,
        lambda: x * bad,
        lambda: bad * x,
        lambda: x - bad,
        lambda: bad - x,
        lambda: x @ bad,
        lambda: bad @ x,
        lambda: x / bad,
        lambda: bad / x,
        lambda: x**bad,
    ):
        with pytest.raises(
            OperandError, match="make a Variable for it, and pass the array when you call the plan"
        ):
            operate()


def test_function_of_a_number_is_refused() -> None:
    """A function of a bare number says how to write a number as an expression."""
    with pytest.raises(OperandError, match=r"not a value of type int; a number is one as Number"):
        F.exp(2)  # type: ignore[arg-type]


def test_torch_tensor_is_refused() -> None:
    """A torch tensor is refused as an array is, from both sides."""
    torch = pytest.importorskip("torch")
    for operate in (lambda: x * torch.ones(3), lambda: torch.ones(3) * x, lambda: torch.ones(3) + x):
        with pytest.raises(TypeError):
            operate()


def test_sum_over_an_edge_that_is_not_there() -> None:
    """A sum over a missing edge names it, the tensor and its edges, and the nearest name."""
    weights = Variable("W", ["feature", "hidden"])
    for build in (lambda: weights.sum("features"), lambda: F.dot(weights, weights, "features")):
        with pytest.raises(SumEdgeError, match="cannot sum over edge 'features'") as caught:
            build()
        assert "Did you mean 'feature'?" in str(caught.value)
        assert isinstance(caught.value, KeyError)
    with pytest.raises(
        SumEdgeError, match=r"the product of A\[i,k\] and x\[k\] does not have it; .* are: i, k\."
    ):
        Contract({"q"}, A, x)
    with pytest.raises(SumEdgeError):
        A.mean("q")


def test_unknown_edges() -> None:
    """Renaming, ordering and softmax name the edge that is not there."""
    for build in (lambda: A.rename(q="p"), lambda: F.softmax(A, "q"), lambda: A.transpose("i", "q")):
        with pytest.raises(UnknownEdgeError, match=r"A\[i,k\] has no edge 'q'; its edges are: i, k\."):
            build()
    with pytest.raises(UnknownEdgeError, match="misses edge 'k'; name all of them: i, k"):
        A.transpose("i")


def test_renaming_into_a_taken_name() -> None:
    """Renaming an edge to the name of another one is refused; swapping the two is fine."""
    with pytest.raises(DuplicateEdgeError, match=r"renamed to \(k, k\) would have two edges named 'k'"):
        A.rename(i="k")
    assert A.rename(i="k", k="i").edges == ("k", "i")


def test_exponents() -> None:
    """An exponent is a number or a tensor, and so is a base; dividing by zero is refused."""
    assert str(x**x) == "x[k]^x[k]"
    assert str(2**x) == "2^x[k]"
    assert x ** Number(2) is x**2
    with pytest.raises(NumberError, match="division by the number zero"):
        x / 0

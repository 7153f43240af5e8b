"""Derivatives as expressions: their edges, and what they refuse."""

from __future__ import annotations

import pytest

from tensorgrad_eg import functions as F
from tensorgrad_eg.errors import (
    DuplicateEdgeError,
    NotAVariableError,
    SizeError,
    SubscriptsError,
    SumEdgeError,
    UnknownEdgeError,
)
from tensorgrad_eg.expr import (
    Derivative,
    Tangent,
    Variable,
    gradients,
    hessian,
    hvp,
    jacobian,
    jvp,
    vjp,
)

A, x, y = Variable("A", ["i", "k"]), Variable("x", ["k"]), Variable("y", ["i"])
W = Variable("W", i="n", j="n")
loss = F.frobenius2(A @ x - y)


def test_edges_are_those_of_the_tensor_then_of_the_variable() -> None:
    """An edge of the variable keeps its name where it can."""
    assert Derivative(A @ x, x).edges == ("i", "k")
    assert Derivative(loss, A).edges == ("i", "k")
    assert (A @ x).grad(A).edges == ("i", "i_", "k")


def test_a_taken_name_gets_underscores_until_it_is_free() -> None:
    """Names are found in order, and no edge that could keep its name loses it to another."""
    assert Derivative(Derivative(Derivative(loss, x), x), x).edges == ("k", "k_", "k__")
    odd = Variable("odd", ["i", "i_"])
    assert Derivative(y, odd).edges == ("i", "i__", "i_")
    assert hessian(loss, A).edges == ("i", "k", "i_", "k_")


def test_given_names() -> None:
    """Names are given as a mapping, for some edges or all, or as a list."""
    assert (A @ x).grad(A, {"i": "p"}).edges == ("i", "p", "k")
    assert (A @ x).grad(A, {"i": "p", "k": "q"}).edges == ("i", "p", "q")
    assert (A @ x).grad(A, ["p", "q"]).edges == ("i", "p", "q")
    assert (A @ x).grad(x, "q").edges == ("i", "q")
    assert Derivative(A @ x, x, {"k": "k"}) is Derivative(A @ x, x)


def test_sizes_are_those_of_the_variable() -> None:
    """A new edge has the size of the edge of the variable, whatever its name."""
    assert dict(hessian(F.frobenius2(W), W).shape) == {"i": "n", "j": "n", "i_": "n", "j_": "n"}


def test_gradients_jacobian_hessian() -> None:
    """The helpers build derivatives, derivatives of derivatives, and mixed ones."""
    assert gradients(loss, [A, x]) == [Derivative(loss, A), Derivative(loss, x)]
    assert jacobian(A @ x, x) is Derivative(A @ x, x)
    assert hessian(loss, x) is Derivative(Derivative(loss, x), x)
    assert hessian(loss, x, A) is Derivative(Derivative(loss, x), A)
    assert hessian(loss, x, names=({"k": "p"}, ["q"])).edges == ("p", "q")


def test_products_with_vectors() -> None:
    """jvp has the edges of the tensor, vjp and hvp those of the variable, in its order."""
    v, g = Variable("v", ["k"]), Variable("g", ["i"])
    assert jvp(A @ x, x, v) is Tangent(A @ x, x, v)
    assert vjp(A @ x, x, g).edges == ("k",)
    assert vjp(A @ x, A, g).edges == ("i", "k")
    assert hvp(loss, x, v).edges == ("k",)
    assert hvp(loss, A, A).edges == ("i", "k")
    # A direction that lacks an edge is the same along it.
    assert jvp(A @ x, A, v).edges == ("i",)


@pytest.mark.parametrize(
    ("wrt", "shown"), [(A @ x, r"Σ_k A\[i,k\] x\[k\]"), ("x", "'x'"), (x.rename(k="p"), r"x\[p\]"), (2, "2")]
)
def test_only_by_variables(wrt: object, shown: str) -> None:
    """A derivative by anything but a variable is refused, with what to do instead."""
    for build in (
        lambda: Derivative(loss, wrt),  # type: ignore[arg-type]
        lambda: loss.grad(wrt),  # type: ignore[arg-type]
        lambda: Tangent(loss, wrt, x),  # type: ignore[arg-type]
        lambda: vjp(A @ x, wrt, y),  # type: ignore[arg-type]
    ):
        with pytest.raises(
            NotAVariableError, match=rf"with respect to {shown}: it is not a Variable"
        ) as caught:
            build()
        assert "Put a Variable in its place" in str(caught.value)
        assert isinstance(caught.value, TypeError)


def test_names_that_do_not_fit() -> None:
    """Names for other edges, too few names, and names that are taken are refused."""
    with pytest.raises(UnknownEdgeError, match=r"x\[k\] has no edge 'j'"):
        Derivative(A @ x, x, {"j": "p"})
    with pytest.raises(SubscriptsError, match=r"A\[i,k\] has 2 edges, but 1 new names: p"):
        Derivative(A @ x, A, ["p"])
    with pytest.raises(DuplicateEdgeError, match="would have two edges named 'i'"):
        Derivative(A @ x, x, {"k": "i"})
    with pytest.raises(DuplicateEdgeError, match="would have two edges named 'p'"):
        Derivative(A @ x, A, ["p", "p"])


def test_directions_that_do_not_fit() -> None:
    """A direction has edges of the variable, a cotangent those of the tensor, each of the right size."""
    with pytest.raises(UnknownEdgeError, match=r"x\[k\] has no edge 'i'"):
        jvp(A @ x, x, y)
    with pytest.raises(SizeError, match="edge 'k' has size k in"):
        jvp(A @ x, x, Variable("v", k=3))
    with pytest.raises(SumEdgeError, match="cannot sum over edge 'k'"):
        vjp(A @ x, x, x)
    with pytest.raises(SizeError, match="edge 'i' has size i in"):
        vjp(A @ x, x, Variable("g", i=3))
    with pytest.raises(SumEdgeError, match="a Hessian-vector product is that of a number"):
        hvp(A @ x, x, x)

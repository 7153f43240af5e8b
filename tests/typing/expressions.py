"""What a type checker knows about expressions: this file is checked by mypy, and run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_type

from tensorgrad_eg import functions as F
from tensorgrad_eg.expr import (
    Add,
    Contract,
    Derivative,
    Scale,
    Tangent,
    Tensor,
    Variable,
    gradients,
    hessian,
    parse,
    postorder,
    variables,
)

A, x = Variable("A", ["i", "k"]), Variable("x", k=5, i="i")
assert_type(A, Variable)
assert_type(A.edges, tuple[str, ...])
assert_type(A.shape, Mapping[str, int | str])

B = Variable("B", ["i", "k"])
assert_type(A @ B, Tensor)
assert_type(2 * A - B / 3 + 1.5, Tensor)
assert_type(A**2, Tensor)
assert_type(A.sum("k").mean(), Tensor)
assert_type(F.softmax(A, "k"), Tensor)
assert_type(parse("x[i]"), Tensor)

loss = F.frobenius2(A - B)
assert_type(loss.grad(A), Derivative)
assert_type(Derivative(loss, A, {"i": "p"}), Derivative)
assert_type(Tangent(loss, A, B), Tangent)
assert_type(gradients(loss, [A, B]), list[Tensor])
assert_type(hessian(loss, A), Tensor)
assert_type(variables([loss]), dict[str, Variable])


def describe(node: Tensor) -> str:
    """Dispatch on the class of a node: the fields have types."""
    match node:
        case Contract(over, left, right):
            assert_type(over, frozenset[str])
            assert_type(left, Tensor)
            return f"{sorted(over)} {left} {right}"
        case Add(terms):
            assert_type(terms, tuple[Tensor, ...])
            return f"{len(terms)} terms"
        case Scale(factor, arg):
            return f"{factor.numerator} {arg.edges}"
        case Variable(name, edges):
            assert_type(name, str)
            return name + ",".join(edges)
    return type(node).__name__


for part in postorder([loss]):
    assert describe(part)

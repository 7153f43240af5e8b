"""Derivatives of every kind, as expressions: gradients, Jacobians, Hessians, and their products with vectors.

>>> from tensorgrad_eg.expr.leaves import Variable
>>> A, x, v, g = Variable("A", ["i", "k"]), Variable("x", ["k"]), Variable("v", ["k"]), Variable("g", ["i"])
>>> jacobian(A @ x, x).edges, jvp(A @ x, x, v).edges, vjp(A @ x, x, g).edges
(('i', 'k'), ('i',), ('k',))
"""

from __future__ import annotations

from collections.abc import Iterable

from tensorgrad_eg.errors import SumEdgeError
from tensorgrad_eg.expr.compound import Contract, Derivative, Names, Tangent, check_variable
from tensorgrad_eg.expr.leaves import Variable, brief, merge, require
from tensorgrad_eg.expr.names import derivative_names
from tensorgrad_eg.expr.tensor import Tensor
from tensorgrad_eg.expr.walk import postorder


def gradients(loss: Tensor, variables: Iterable[Variable]) -> list[Tensor]:
    """Return the derivative of one tensor with respect to each of these variables.

    >>> A, x = Variable("A", ["k"]), Variable("x", ["k"])
    >>> [gradient.edges for gradient in gradients(A @ x, [A, x])]
    [('k',), ('k',)]
    """
    return [Derivative(loss, variable) for variable in variables]


def jacobian(e: Tensor, x: Variable, names: Names | None = None) -> Tensor:
    """Return all partial derivatives: the edges of e, then those of x.

    >>> x = Variable("x", ["k"])
    >>> jacobian(x * x, x).edges
    ('k', 'k_')
    """
    return Derivative(e, x, names)


def hessian(
    loss: Tensor,
    x: Variable,
    y: Variable | None = None,
    names: tuple[Names | None, Names | None] = (None, None),
) -> Tensor:
    """Return the second derivatives by x, then by x again or by y; `names` has names for each of the two.

    >>> A, x = Variable("A", i="n", j="n"), Variable("x", ["n"])
    >>> quadratic = x.rename(n="i") @ A @ x.rename(n="j")
    >>> hessian(quadratic, x).edges, hessian(quadratic, x, names=(["p"], ["q"])).edges
    (('n', 'n_'), ('p', 'q'))
    """
    return Derivative(Derivative(loss, x, names[0]), x if y is None else y, names[1])


def jvp(e: Tensor, x: Variable, v: Tensor) -> Tensor:
    """Return how e moves when x moves along v: forward mode.

    >>> x, v = Variable("x", ["k"]), Variable("v", ["k"])
    >>> print(jvp(x * x, x, v))
    ∂(x[k] x[k])/∂x · (v[k])
    """
    return Tangent(e, x, v)


def vjp(e: Tensor, x: Variable, g: Tensor) -> Tensor:
    """Return what a cotangent g of e contributes to the gradient by x: reverse mode. It has the edges of x.

    >>> A, x, g = Variable("A", ["i", "k"]), Variable("x", ["k"]), Variable("g", ["i"])
    >>> vjp(A @ x, x, g).edges
    ('k',)
    """
    require(e, merge((g,)), SumEdgeError)
    merge((e, g))
    if x not in postorder([g]):
        return Derivative(Contract(e.edges, e, g), check_variable(x))  # one reverse pass, and no Jacobian
    names = derivative_names(e.edges, check_variable(x).edges)
    product = Contract(e.edges, Derivative(e, x, names), g)
    return product.rename(dict(zip(names, x.edges, strict=True)))


def hvp(loss: Tensor, x: Variable, v: Tensor) -> Tensor:
    """Return the Hessian of a scalar times v, without the Hessian. It has the edges of x.

    >>> x, v = Variable("x", ["k"]), Variable("v", ["k"])
    >>> hvp(x @ x, x, v).edges
    ('k',)
    """
    if loss.edges:
        raise SumEdgeError(
            f"a Hessian-vector product is that of a number, but {brief(loss)} has edges: "
            f"{', '.join(loss.edges)}. Sum it first, as in F.sum(e), or use jvp(jacobian(e, x), x, v)."
        )
    return Tangent(Derivative(loss, x), x, v)

"""What the operators build. Only the trivial is simplified here, such as x + 0 and 1·x: rules do the rest.

>>> from tensorgrad_eg.expr.leaves import Variable
>>> x = Variable("x", ["k"])
>>> add(x, Number(0)) is x, scale(1, x) is x
(True, True)
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from tensorgrad_eg.errors import NumberError, OperandError
from tensorgrad_eg.expr.leaves import Number
from tensorgrad_eg.expr.linear import Add, Contract, Reduce, Rename, Scale
from tensorgrad_eg.expr.names import Edges, Numeric, flatten, rational
from tensorgrad_eg.expr.nonlinear import Power
from tensorgrad_eg.expr.shapes import brief
from tensorgrad_eg.expr.tensor import Tensor


def as_tensor(value: Tensor | Numeric) -> Tensor:
    """Return a tensor as it is, and a number as a tensor without edges.

    >>> as_tensor(0.5)
    Number('1/2')
    """
    return value if isinstance(value, Tensor) else Number(rational(value))


def add(*terms: Tensor) -> Tensor:
    """Add tensors, leaving out zeros.

    A sum within the sum stays as it is: others may use it, and then to merge the two would undo the sharing.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> print(add(Variable("a"), Number(0), Variable("b"), Number(2)))
    a + b + 2
    """
    kept = [term for term in terms if not (isinstance(term, Number) and term.value == 0)]
    if len(kept) <= 1:
        return kept[0] if kept else Number(0)
    if all(isinstance(term, Number) for term in kept):
        return Number(sum((term.value for term in kept if isinstance(term, Number)), Fraction(0)))
    return Add(kept)


def scale(factor: Numeric, arg: Tensor) -> Tensor:
    """Multiply by a number, merging it with one that is there already.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> print(scale(2, scale(3, Variable("x", ["k"]))))
    6 x[k]
    """
    number = rational(factor)
    match arg:
        case Number(value):
            return Number(number * value)
        case Scale(inner, below):
            return scale(number * inner, below)
    return arg if number == 1 else Scale(number, arg)


def multiply(left: Tensor, right: Tensor) -> Tensor:
    """Multiply pointwise; a number is a factor.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> print(multiply(Variable("A", ["i", "k"]), Variable("x", ["k"])))
    A[i,k] x[k]
    """
    if isinstance(left, Number):
        return scale(left.value, right)
    if isinstance(right, Number):
        return scale(right.value, left)
    return Contract((), left, right)


def matmul(left: Tensor, right: Tensor) -> Tensor:
    """Multiply and sum over every edge the two share.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> print(matmul(Variable("x", ["k"]), Variable("y", ["k"])))
    Σ_k x[k] y[k]
    """
    shared = [edge for edge in left.edges if edge in right.shape]
    return Contract(shared, left, right) if shared else multiply(left, right)


def divide(left: Tensor, right: Tensor) -> Tensor:
    """Divide pointwise.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> print(divide(Number(1), Variable("x", ["k"])))
    1 / x[k]
    """
    return multiply(left, power(right, -1))


def power(arg: Tensor, exponent: Numeric | Tensor) -> Tensor:
    """Raise every entry to a rational power.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> power(Variable("x"), 1) is Variable("x")
    True
    """
    if isinstance(exponent, Tensor):
        raise OperandError(
            f"the exponent of {brief(arg)} is a tensor, {brief(exponent)}; exponents are numbers. "
            "For a tensor write F.exp(exponent * F.log(base))."
        )
    number = rational(exponent)
    if number == 1:
        return arg
    if isinstance(arg, Number) and number.denominator == 1:
        if arg.value == 0 and number < 0:
            raise NumberError("division by the number zero.")
        return Number(arg.value ** int(number))
    return Power(arg, number)


def reduce(arg: Tensor, *edges: Edges) -> Tensor:
    """Sum over these edges; over none it is the tensor itself.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> reduce(Variable("x", ["k"])) is Variable("x", ["k"])
    True
    """
    names = flatten(edges)
    return Reduce(names, arg) if names else arg


def rename(arg: Tensor, mapping: Mapping[str, str]) -> Tensor:
    """Give edges other names, merging this with a renaming that is there already.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> x = Variable("x", ["k"])
    >>> rename(rename(x, {"k": "p"}), {"p": "k"}) is x
    True
    """
    return relabel(Rename(arg, mapping))


def transpose(arg: Tensor, *edges: Edges) -> Tensor:
    """Put all edges in this order.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> A = Variable("A", ["i", "k"])
    >>> transpose(A, "i", "k") is A
    True
    """
    return relabel(Rename(arg, {}, edges=flatten(edges)))


def relabel(outer: Rename) -> Tensor:
    """Return a renaming merged with one below it, or the tensor itself if nothing is renamed.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> relabel(Rename(Variable("x", ["k"]), {})) is Variable("x", ["k"])
    True
    """
    inner = outer.arg
    if isinstance(inner, Rename):
        first, second = dict(inner.mapping), dict(outer.mapping)
        names = {edge: second.get(first.get(edge, edge), first.get(edge, edge)) for edge in inner.arg.edges}
        return relabel(Rename(inner.arg, names, outer.edges))
    return inner if not outer.mapping and outer.edges == inner.edges else outer

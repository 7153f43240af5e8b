"""Tensors of ones: sums over one edge of the identity, which cost nothing when they are planned.

>>> print(ones({"i": "n", "k": 3}))
1[i,k]
>>> ones({"i": "n"}).shape == {"i": "n"}
True
"""

from __future__ import annotations

from collections.abc import Mapping

from tensorgrad_eg.expr import build
from tensorgrad_eg.expr.leaves import Delta, Number
from tensorgrad_eg.expr.linear import Contract, Reduce, Scale
from tensorgrad_eg.expr.names import Size, fresh
from tensorgrad_eg.expr.tensor import Tensor


def ones(shape: Mapping[str, Size]) -> Tensor:
    """Return the tensor with these edges, of these sizes, that is 1 everywhere; without edges the number.

    >>> ones({})
    Number(1)
    """
    result: Tensor = Number(1)
    for edge, size in shape.items():
        other = fresh(edge, shape)
        one = Reduce([other], Delta(edge, other, size))
        result = one if isinstance(result, Number) else Contract([], result, one)
    return result


def spread(tensor: Tensor, shape: Mapping[str, Size]) -> Tensor:
    """Return a tensor with all of these edges: along those that it lacks it does not change.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> print(spread(Variable("x", ["k"]), {"i": "n", "k": "k"}), spread(Number(0), {"i": "n"}))
    1[i] x[k] 0[i]
    """
    missing = ones({edge: size for edge, size in shape.items() if edge not in tensor.shape})
    if isinstance(missing, Number):
        return tensor
    match tensor:
        case Number(value):
            return build.scale(value, missing)
        case Scale(factor, arg):
            return Scale(factor, Contract([], missing, arg))
    return Contract([], missing, tensor)


def edges_of_ones(tensor: Tensor) -> tuple[str, ...] | None:
    """Return the edges of a tensor that `ones` has made, or nothing for any other.

    >>> edges_of_ones(ones({"i": "n"})), edges_of_ones(Number(1))
    (('i',), None)
    """
    match tensor:
        case Reduce(over, Delta(i, j)) if over in ({i}, {j}):
            return tensor.edges
        case Contract(over, left, right) if not over:
            first, last = edges_of_ones(left), edges_of_ones(right)
            distinct = first is not None and last is not None and not {*first} & {*last}
            return tensor.edges if distinct else None
    return None

"""Comparisons, choices, and the largest and smallest: of two tensors, and along edges.

A comparison is 1 where it holds, else 0, and can be multiplied with: it is a mask. Its derivative is 0.

>>> from tensorgrad_eg import functions as F
>>> from tensorgrad_eg.expr import Variable
>>> x, y = Variable("x", ["k"]), Variable("y", ["k"])
>>> print(F.where(x > y, x, 0))
where(greater(x[k], y[k]), x[k], 0)
"""

from __future__ import annotations

from collections.abc import Iterable

from tensorgrad_eg.errors import NumberError, OperandError
from tensorgrad_eg.expr import build
from tensorgrad_eg.expr.compound import Entrywise, Fibre
from tensorgrad_eg.expr.elementary import expm1, relu
from tensorgrad_eg.expr.leaves import check_tensor
from tensorgrad_eg.expr.tensor import Edges, Numeric, Tensor, flatten, rational

__all__ = [
    "amax",
    "amin",
    "clip",
    "elu",
    "equal",
    "greater",
    "greater_equal",
    "huber",
    "less",
    "less_equal",
    "max",
    "maximum",
    "min",
    "minimum",
    "not_equal",
    "prod",
    "prod_others",
    "where",
]


def _of(operation: str, *args: Tensor | Numeric) -> Tensor:
    return Entrywise(operation, [build.as_tensor(arg) for arg in args])


def greater(a: Tensor | Numeric, b: Tensor | Numeric) -> Tensor:
    """Return 1 where a > b, else 0; also written a > b.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(greater(Variable("x", ["k"]), 0))
    greater(x[k], 0)
    """
    return _of("greater", a, b)


def greater_equal(a: Tensor | Numeric, b: Tensor | Numeric) -> Tensor:
    """Return 1 where a ≥ b, else 0; also written a >= b.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(greater_equal(Variable("x", ["k"]), 0))
    greater_equal(x[k], 0)
    """
    return _of("greater_equal", a, b)


def less(a: Tensor | Numeric, b: Tensor | Numeric) -> Tensor:
    """Return 1 where a < b, else 0; also written a < b.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(less(Variable("x", ["k"]), 0))
    greater(0, x[k])
    """
    return _of("greater", b, a)


def less_equal(a: Tensor | Numeric, b: Tensor | Numeric) -> Tensor:
    """Return 1 where a ≤ b, else 0; also written a <= b.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(less_equal(Variable("x", ["k"]), 0))
    greater_equal(0, x[k])
    """
    return _of("greater_equal", b, a)


def equal(a: Tensor | Numeric, b: Tensor | Numeric) -> Tensor:
    """Return 1 where a = b, else 0.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(equal(Variable("x", ["k"]), 0))
    equal(x[k], 0)
    """
    return _of("equal", a, b)


def not_equal(a: Tensor | Numeric, b: Tensor | Numeric) -> Tensor:
    """Return 1 where a ≠ b, else 0.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(not_equal(Variable("x", ["k"]), 0))
    1 - equal(x[k], 0)
    """
    return 1 - _of("equal", a, b)


def where(condition: Tensor, a: Tensor | Numeric, b: Tensor | Numeric) -> Tensor:
    """Return a where the condition is not 0, else b: a comparison, or a mask of zeros and ones.

    >>> from tensorgrad_eg.expr import Variable
    >>> x, mask = Variable("x", ["k"]), Variable("mask", ["k"])
    >>> print(where(mask, x, -x))
    where(mask[k], x[k], -x[k])

    Raises:
        OperandError: if the condition is no tensor: then there is nothing to choose.
    """
    if not isinstance(condition, Tensor):
        raise OperandError(
            f"the condition of where is {condition!r}, of type {type(condition).__name__}. Compare tensors, "
            "as in F.where(x > 0, x, 0). == and != compare expressions; for entries write F.equal(x, y)."
        )
    return _of("where", condition, a, b)


def maximum(a: Tensor | Numeric, b: Tensor | Numeric) -> Tensor:
    """Return the larger of two, entry by entry; where they are equal each has half of the derivative.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(maximum(Variable("x", ["k"]), 0))
    maximum(x[k], 0)
    """
    return _of("maximum", a, b)


def minimum(a: Tensor | Numeric, b: Tensor | Numeric) -> Tensor:
    """Return the smaller of two, entry by entry; where they are equal each has half of the derivative.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(minimum(Variable("x", ["k"]), 0))
    minimum(x[k], 0)
    """
    return _of("minimum", a, b)


def amax(a: Tensor, *edges: Edges) -> Tensor:
    """Return the largest entry along these edges, or of all; equal ones share the derivative evenly.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(amax(Variable("A", ["i", "k"]), "k"))
    amax(A[i,k], k)
    """
    names = flatten(edges or check_tensor(a).edges)
    return Fibre("amax", names, a) if names else a


def amin(a: Tensor, *edges: Edges) -> Tensor:
    """Return the smallest entry along these edges, or of all; equal ones share the derivative evenly.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(amin(Variable("A", ["i", "k"]), "k"))
    -amax(-A[i,k], k)
    """
    return -amax(-check_tensor(a), *edges)


def max(a: Tensor, *others: Tensor | Numeric | Edges) -> Tensor:
    """Return the largest entry along edges, as `amax`, or the larger of two tensors, as `maximum`.

    >>> from tensorgrad_eg.expr import Variable
    >>> x = Variable("x", ["k"])
    >>> print(max(x, "k"), "and", max(x, 0))
    amax(x[k], k) and maximum(x[k], 0)
    """
    edges, two = _edges_or_two("max", others)
    return amax(a, *edges) if two is None else maximum(a, two)


def min(a: Tensor, *others: Tensor | Numeric | Edges) -> Tensor:
    """Return the smallest entry along edges, as `amin`, or the smaller of two tensors, as `minimum`.

    >>> from tensorgrad_eg.expr import Variable
    >>> x = Variable("x", ["k"])
    >>> print(min(x, "k"), "and", min(x, 0))
    -amax(-x[k], k) and minimum(x[k], 0)
    """
    edges, two = _edges_or_two("min", others)
    return amin(a, *edges) if two is None else minimum(a, two)


def _edges_or_two(
    name: str, others: tuple[Tensor | Numeric | Edges, ...]
) -> tuple[list[Edges], Tensor | None]:
    """Edges, or what a tensor is compared with."""
    edges: list[Edges] = []
    tensors: list[Tensor] = []
    for each in others:
        if isinstance(each, Tensor):
            tensors.append(each)
        elif isinstance(each, str | Iterable):
            edges.append(each)
        else:
            tensors.append(build.as_tensor(each))
    if len(tensors) > 1 or (tensors and edges):
        raise NumberError(
            f"{name} takes a tensor and edges, or two tensors, not {len(others) + 1} of them: "
            f"write F.{name}(F.{name}(a, b), c)."
        )
    return edges, tensors[0] if tensors else None


def prod(a: Tensor, *edges: Edges) -> Tensor:
    """Return the product of the entries along these edges, or of all.

    Its derivative is the product of the other entries: a number where an entry is 0.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(prod(Variable("A", ["i", "k"]), "k"))
    prod(A[i,k], k)
    """
    for edge in flatten(edges or check_tensor(a).edges):
        a = Fibre("prod", (edge,), a)
    return a


def prod_others(a: Tensor, edge: str) -> Tensor:
    """Return for every entry the product of all others along an edge.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(prod_others(Variable("x", ["k"]), "k"))
    prod_others(x[k], k)
    """
    return Fibre("prod_others", (edge,), a)


def clip(a: Tensor, low: Tensor | Numeric | None = None, high: Tensor | Numeric | None = None) -> Tensor:
    """Return every entry, but `low` where it is lower and `high` where it is higher.

    As in torch the derivative is 1 at the bounds, and `high` counts where `low` is larger.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(clip(Variable("x", ["k"]), 0))
    where(greater(0, x[k]), 0, x[k])
    """
    if low is None and high is None:
        raise NumberError("clip needs a bound: F.clip(x, 0), F.clip(x, -1, 1) or F.clip(x, high=1).")
    above = check_tensor(a) if low is None else where(less(a, low), low, a)
    if high is None:
        return above
    if low is None or isinstance(low, Tensor) or isinstance(high, Tensor) or rational(low) > rational(high):
        return where(greater(above, high), high, above)
    return where(less(a, low), low, where(greater(a, high), high, a))


def elu(a: Tensor, alpha: Numeric = 1) -> Tensor:
    """Return every entry, or alpha·(exp(x) - 1) where it is negative.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(elu(Variable("x", ["k"])))
    relu(x[k]) + expm1(where(greater(x[k], 0), 0, x[k]))
    """
    below = expm1(where(greater(a, 0), 0, a))
    return relu(a) + (below if rational(alpha) == 1 else rational(alpha) * below)


def huber(a: Tensor, delta: Tensor | Numeric = 1) -> Tensor:
    """Return x²/2 up to |x| = delta, and beyond that the line that goes on, delta·(|x| - delta/2).

    >>> from tensorgrad_eg.expr import Variable
    >>> print(huber(Variable("x", ["k"])))
    huber(x[k], 1)
    """
    return _of("huber", a, delta)

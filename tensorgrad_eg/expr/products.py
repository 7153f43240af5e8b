"""What index notation is built from: products of several factors, and tensors labelled axis by axis.

>>> from tensorgrad_eg.expr.leaves import Variable
>>> A, B, x = Variable("A", ["i", "j"]), Variable("B", ["j", "k"]), Variable("x", ["k"])
>>> print(product([A, B, x], ["j", "k"]))
Σ_k (Σ_j A[i,j] B[j,k]) x[k]
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

from tensorgrad_eg.errors import SumEdgeError
from tensorgrad_eg.expr import build
from tensorgrad_eg.expr.leaves import Delta, Number
from tensorgrad_eg.expr.linear import Contract, Rename
from tensorgrad_eg.expr.names import fresh
from tensorgrad_eg.expr.shapes import brief, merge
from tensorgrad_eg.expr.tensor import Tensor


def product(factors: Iterable[Tensor], over: Sequence[str] = ()) -> Tensor:
    """Multiply from left to right, and sum over each edge as soon as its last factor is in.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> x = Variable("x", ["k"])
    >>> print(product([Number(2), x, x], ["k"]))
    2 Σ_k x[k] x[k]
    """
    number, tensors = Fraction(1), []
    for factor in factors:
        if isinstance(factor, Number):
            number *= factor.value
        else:
            tensors.append(factor)
    shape = merge(tensors)
    for edge in over:
        if edge not in shape:
            what = " ".join(map(brief, tensors)) or str(number)
            raise SumEdgeError.of(edge, what, shape)
    return build.scale(number, _fold(tensors, over))


def labelled(tensor: Tensor, labels: Sequence[str]) -> Tensor:
    """Name the axes of a tensor, in order; a label that repeats takes the diagonal.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> A = Variable("A", i="n", k="n")
    >>> print(labelled(A, ["p", "q"]), "and", labelled(A, ["p", "p"]))
    A[p,q] and A[p,p]
    """
    names: list[str] = []
    for label in labels:
        names.append(fresh(label, [*labels, *names]) if label in names else label)
    # All at once: the new name of one axis may be the old name of another.
    result = build.relabel(Rename(tensor, dict(zip(tensor.edges, names, strict=True))))
    for label, name in zip(labels, names, strict=True):
        if name != label:
            result = Contract([name], result, Delta(name, label, result.shape[name]))
    return result


def _fold(tensors: Sequence[Tensor], over: Sequence[str]) -> Tensor:
    if not tensors:
        return Number(1)
    if len(tensors) == 1:
        return build.reduce(tensors[0], over)
    last = {edge: place for place, tensor in enumerate(tensors) for edge in tensor.edges}
    result = tensors[0]
    for place, tensor in enumerate(tensors[1:], start=1):
        result = Contract([edge for edge in over if max(last[edge], 1) == place], result, tensor)
    return result

"""The edges of several tensors together: the union of their shapes, and what to say when they do not fit.

>>> from tensorgrad_eg.expr.leaves import Variable
>>> merge([Variable("A", ["i", "k"]), Variable("x", ["k"])])
{'i': 'i', 'k': 'k'}
"""

from __future__ import annotations

from collections.abc import Iterable

from tensorgrad_eg.errors import OperandError, SizeError, UnknownEdgeError
from tensorgrad_eg.expr.names import Size
from tensorgrad_eg.expr.tensor import Tensor


def check_tensor(value: object) -> Tensor:
    """Return a tensor, or say that what was given is none.

    >>> from tensorgrad_eg.expr.leaves import Number
    >>> check_tensor(Number(2))
    Number(2)
    """
    if not isinstance(value, Tensor):
        raise OperandError.tensor(type(value).__name__)
    return value


def merge(tensors: Iterable[Tensor]) -> dict[str, Size]:
    """Return the union of the edges of tensors, in order of appearance, or name the edge whose sizes differ.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> merge([Variable("A", ["i", "k"]), Variable("x", ["k"])])
    {'i': 'i', 'k': 'k'}
    """
    shape: dict[str, Size] = {}
    owner: dict[str, Tensor] = {}
    for tensor in tensors:
        check_tensor(tensor)
        for edge, size in tensor.shape.items():
            if shape.setdefault(edge, size) != size:
                first = owner[edge]
                raise SizeError.of(edge, brief(first), shape[edge], brief(tensor), size)
            owner.setdefault(edge, tensor)
    return shape


def require(tensor: Tensor, edges: Iterable[str], error: type[UnknownEdgeError] = UnknownEdgeError) -> None:
    """Raise the error for the first of these edges that the tensor does not have.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> require(Variable("x", ["i"]), ["i"])
    """
    for edge in edges:
        if edge not in tensor.shape:
            raise error.of(edge, brief(tensor), tensor.edges)


def brief(tensor: object, limit: int = 60) -> str:
    """Return a tensor as it is named in messages: as it prints, shortened in the middle.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> brief(Variable("A", ["i", "k"]))
    'A[i,k]'
    """
    text = str(tensor).split("\n")[0]
    half = limit // 2 - 1
    return text if len(text) <= limit else f"{text[:half]} … {text[-half:]}"

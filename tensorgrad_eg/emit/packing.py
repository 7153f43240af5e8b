"""Symmetric pairs of axes as one axis, and back.

>>> from tensorgrad_eg.program.program import Operand
>>> step = Step("t", "pack", (Operand("A", ("b", "i", "j")),), ("b", "i≤j"))
>>> packed(Library(), step, Value(Code("A"), ("b", "i", "j")), {"b": 2, "i": 3, "j": 3, "i≤j": 6}).code.text
'A.reshape(2, 9).take(upper(3), 1)'
"""

from __future__ import annotations

from collections.abc import Mapping

from tensorgrad_eg.emit.code import Code
from tensorgrad_eg.emit.contraction import joined
from tensorgrad_eg.emit.library import Library
from tensorgrad_eg.emit.tensors import Value, permuted
from tensorgrad_eg.program.program import Step


def packed(library: Library, step: Step, value: Value, sizes: Mapping[str, int]) -> Value:
    """The entries i <= j of a pair of axes, along one axis, which stands where the pair stood.

    >>> from tensorgrad_eg.program.program import Operand
    >>> step = Step("t", "pack", (Operand("A", ("i", "b", "j")),), ("b", "i≤j"))
    >>> packed(Library(), step, Value(Code("A"), ("i", "b", "j")), {"b": 2, "i": 3, "j": 3}).code.text
    'A.transpose(1, 0, 2).reshape(2, 9).take(upper(3), 1)'
    """
    (i, j), (label,) = step.packing
    if (j, i) == _neighbours(value, i, j):
        i, j = j, i  # the tensor is symmetric in the two
    elif (i, j) != _neighbours(value, i, j):
        rest = (edge for edge in value.edges if edge not in (i, j))
        value = permuted(library, value, (*rest, i, j))
    axis = value.edges.index(i)
    code = joined(library, value, [(i, j)], sizes).code
    edges = (*value.edges[:axis], label, *value.edges[axis + 2 :])
    shape = [sizes[i] ** 2 if edge == label else sizes[edge] for edge in edges]
    return Value(library.take(code, "upper", sizes[i], axis, shape), edges, fresh=True)


def _neighbours(value: Value, i: str, j: str) -> tuple[str, ...]:
    first = min(value.edges.index(i), value.edges.index(j))
    return value.edges[first : first + 2]


def unpacked(library: Library, step: Step, value: Value, sizes: Mapping[str, int]) -> Value:
    """A packed axis as the two axes that it stands for.

    >>> from tensorgrad_eg.program.program import Operand
    >>> step = Step("t", "unpack", (Operand("T", ("i≤j", "b")),), ("i", "j", "b"))
    >>> sizes = {"b": 2, "i": 3, "j": 3, "i≤j": 6}
    >>> unpacked(Library(), step, Value(Code("T"), ("i≤j", "b")), sizes).code.text
    'T.take(mirrored(3), 0).reshape(3, 3, 2)'
    """
    (i, j), (label,) = step.packing
    axis = value.edges.index(label)
    shape = [sizes[edge] for edge in value.edges]
    code: Code = library.take(value.code, "mirrored", sizes[i], axis, shape)
    edges = (*value.edges[:axis], i, j, *value.edges[axis + 1 :])
    return Value(library.split(code, axis, shape, sizes[i]), edges, fresh=True)

"""Values in the source: an expression whose axes have labels, and the views that bring axes into another
order.

>>> from tensorgrad_eg.emit.library import Library
>>> aligned(Library(), Value(Code("x"), ("b",)), ("b", "i")).text
'x[:, None]'
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tensorgrad_eg.emit.code import Code
from tensorgrad_eg.emit.library import Library
from tensorgrad_eg.program.products import Edges


@dataclass(frozen=True)
class Value:
    """An expression and the labels of its axes.

    `fresh`: its memory is read by nobody else, so it may be written over. `alias`: its memory is an
    argument's. `constant`: it is a Python number. `below`: it is one over this expression, so that a product
    with it can be written as a division.

    >>> Value(Code("2"), (), constant=2.0).alias
    False
    """

    code: Code
    edges: Edges
    fresh: bool = False
    alias: bool = False
    constant: float | None = None
    below: Code | None = None


def permuted(library: Library, value: Value, edges: Edges) -> Value:
    """The value with its axes in this order.

    >>> permuted(Library(), Value(Code("A"), ("i", "k")), ("k", "i")).code.text
    'A.T'
    """
    if value.edges == edges:
        return value
    order = [value.edges.index(edge) for edge in edges]
    below = library.permute(value.below, order) if value.below else None
    return replace(value, code=library.permute(value.code, order), edges=edges, below=below)


def aligned(library: Library, value: Value, edges: Edges) -> Code:
    """The value as it broadcasts against a tensor with these axes.

    >>> aligned(Library(), Value(Code("A"), ("k", "i")), ("i", "j", "k")).text
    'A.T[:, None, :]'
    """
    kept = permuted(library, value, tuple(edge for edge in edges if edge in value.edges))
    return library.insert(kept.code, [edge not in value.edges for edge in edges])


def divisor(library: Library, value: Value, edges: Edges) -> Code | None:
    """What the value is one over, as it broadcasts.

    >>> divisor(Library(), Value(Code("1 / a"), ("i",), below=Code("a")), ("i", "j")).text
    'a[:, None]'
    """
    return aligned(library, replace(value, code=value.below, below=None), edges) if value.below else None


def without_repeats(library: Library, value: Value) -> Value:
    """The value with a diagonal taken for every label that repeats.

    >>> without_repeats(Library(), Value(Code("A"), ("i", "j", "i"))).code.text
    'A.diagonal(0, 0, 2)'
    """
    for label in dict.fromkeys(value.edges):
        while value.edges.count(label) > 1:
            first = value.edges.index(label)
            second = value.edges.index(label, first + 1)
            rest = tuple(edge for place, edge in enumerate(value.edges) if place not in (first, second))
            code = library.diagonal(value.code, first, second)
            value = replace(value, code=code, edges=(*rest, label), fresh=False, below=None)
    return value


def summed(library: Library, value: Value, over: tuple[str, ...]) -> Value:
    """The value summed over some of its labels.

    >>> summed(Library(), Value(Code("A"), ("i", "k")), ("i",)).code.text
    'A.sum(0)'
    """
    if not over:
        return value
    axes = [place for place, edge in enumerate(value.edges) if edge in over]
    kept = tuple(edge for edge in value.edges if edge not in over)
    return Value(library.sum(value.code, axes, len(value.edges)), kept, fresh=True)

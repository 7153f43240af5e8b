"""Products, sums and renamed edges: what is linear in each of its parts.

>>> from tensorgrad_eg.expr.leaves import Variable
>>> A, x = Variable("A", ["i", "k"]), Variable("x", ["k"])
>>> print(Contract({"k"}, A, x))
Σ_k A[i,k] x[k]
>>> print(Contract({}, A, x))
A[i,k] x[k]
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction

from tensorgrad_eg.errors import NumberError, SumEdgeError, UnknownEdgeError
from tensorgrad_eg.expr.names import Edges, Numeric, check_name, distinct, flatten, rational
from tensorgrad_eg.expr.shapes import brief, merge, require
from tensorgrad_eg.expr.tensor import Tensor, intern


class Contract(Tensor):
    """The product of two tensors, summed over the edges `over`; with none it is the pointwise product.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> Contract({"k"}, Variable("A", ["i", "k"]), Variable("B", ["k", "j"])).edges
    ('i', 'j')
    """

    __slots__ = ("left", "over", "right")
    __match_args__ = ("over", "left", "right")
    over: frozenset[str]
    left: Tensor
    right: Tensor

    def __new__(cls, over: Edges, left: Tensor, right: Tensor) -> Contract:
        """Make the product; every edge of `over` must be in one of the two."""
        shape = merge((left, right))
        names = flatten((over,))
        for edge in names:
            if edge not in shape:
                raise SumEdgeError.of(edge, f"the product of {brief(left)} and {brief(right)}", shape)
        kept = {edge: size for edge, size in shape.items() if edge not in names}
        return intern(cls, kept, {"over": frozenset(names), "left": left, "right": right})


class Reduce(Tensor):
    """The sum of a tensor over the edges `over`.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> Reduce({"k"}, Variable("A", ["i", "k"])).edges
    ('i',)
    """

    __slots__ = ("arg", "over")
    __match_args__ = ("over", "arg")
    over: frozenset[str]
    arg: Tensor

    def __new__(cls, over: Edges, arg: Tensor) -> Reduce:
        """Make the sum; the tensor must have every edge of `over`."""
        shape = merge((arg,))
        names = flatten((over,))
        require(arg, names, SumEdgeError)
        kept = {edge: size for edge, size in shape.items() if edge not in names}
        return intern(cls, kept, {"over": frozenset(names), "arg": arg})


class Add(Tensor):
    """The sum of several tensors; edges are matched by name, missing ones broadcast.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> Add((Variable("X", ["b", "i"]), Variable("bias", ["i"]))).edges
    ('b', 'i')
    """

    __slots__ = ("terms",)
    __match_args__ = ("terms",)
    terms: tuple[Tensor, ...]

    def __new__(cls, terms: Iterable[Tensor]) -> Add:
        """Make the sum of at least one term."""
        terms = tuple(terms)
        if not terms:
            raise NumberError("a sum needs at least one term; the empty sum is Number(0).")
        return intern(cls, merge(terms), {"terms": terms})


class Scale(Tensor):
    """A tensor times an exact number.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> print(Scale(0.5, Variable("x", ["k"])))
    1/2 x[k]
    """

    __slots__ = ("arg", "factor")
    __match_args__ = ("factor", "arg")
    factor: Fraction
    arg: Tensor

    def __new__(cls, factor: Numeric | str, arg: Tensor) -> Scale:
        """Make the multiple."""
        number = Fraction(factor) if isinstance(factor, str) else rational(factor)
        return intern(cls, merge((arg,)), {"factor": number, "arg": arg})


class Rename(Tensor):
    """A tensor with other names for its edges, and perhaps another order of them.

    `mapping` has a pair (old, new) for every edge whose name changes, in the order of the edges of `arg`.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> A = Variable("A", ["i", "k"])
    >>> Rename(A, {"i": "j"}).edges, Rename(A, {"i": "j"}).mapping
    (('j', 'k'), (('i', 'j'),))
    >>> Rename(A, {}, ["k", "i"]).edges
    ('k', 'i')
    """

    __slots__ = ("arg", "mapping")
    __match_args__ = ("arg", "mapping", "edges")
    arg: Tensor
    mapping: tuple[tuple[str, str], ...]

    def __new__(
        cls,
        arg: Tensor,
        mapping: Mapping[str, str] | Iterable[tuple[str, str]],
        edges: Edges | None = None,
    ) -> Rename:
        """Make the tensor with these new names, in the order `edges` of new names if it is given."""
        shape = merge((arg,))
        new = dict(mapping)
        require(arg, new)
        named = {edge: check_name("edge", new.get(edge, edge)) for edge in shape}
        distinct(named.values(), f"{brief(arg)} with edges renamed to ({', '.join(named.values())})")
        sizes = {named[edge]: size for edge, size in shape.items()}
        order = tuple(sizes) if edges is None else flatten((edges,))
        _check_order(arg, order, sizes)
        pairs = tuple((old, name) for old, name in named.items() if old != name)
        return intern(cls, {edge: sizes[edge] for edge in order}, {"arg": arg, "mapping": pairs})


def _check_order(arg: Tensor, order: tuple[str, ...], edges: Iterable[str]) -> None:
    known = list(edges)
    for edge in order:
        if edge not in known:
            raise UnknownEdgeError.of(edge, brief(arg), known)
    for edge in known:
        if edge not in order:
            raise UnknownEdgeError(
                f"the new order ({', '.join(order)}) of the edges of {brief(arg)} misses edge '{edge}'; "
                f"name all of them: {', '.join(known)}."
            )

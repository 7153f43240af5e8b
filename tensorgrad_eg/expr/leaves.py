"""The leaves of expressions: variables, numbers, constants, the sizes of edges, the identity; their edges.

>>> Variable("A", ["i", "k"]).shape == {"i": "i", "k": "k"}
True
>>> delta("i", "j", size="n").edges
('i', 'j')
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from keyword import iskeyword

from tensorgrad_eg.errors import (
    DuplicateEdgeError,
    NameFormatError,
    OperandError,
    SizeError,
    UnknownEdgeError,
    UnknownFunctionError,
)
from tensorgrad_eg.expr.tensor import (
    Edges,
    Numeric,
    Size,
    Tensor,
    check_name,
    check_size,
    distinct,
    intern,
    rational,
)


def check_tensor(value: object) -> Tensor:
    """Return a tensor, or say that what was given is none."""
    if not isinstance(value, Tensor):
        raise OperandError.tensor(type(value).__name__)
    return value


def merge(tensors: Iterable[Tensor]) -> dict[str, Size]:
    """Return the union of the edges of tensors, in order, or name the edge whose sizes differ."""
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
    """Raise the error for the first of these edges that the tensor does not have."""
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


class Variable(Tensor):
    """A tensor that is given when the plan is called. The size symbol of an edge is its name, unless given.

    >>> Variable("A", ["i", "k"]).edges
    ('i', 'k')
    >>> Variable("C", i="n", j="n", k=5)
    Variable('C', i='n', j='n', k=5)
    >>> Variable("A", ["i", "k"], k=5)
    Variable('A', i='i', k=5)
    """

    __slots__ = ("name",)
    __match_args__ = ("name", "edges", "shape")
    name: str

    def __new__(cls, name: str, edges: Edges | Mapping[str, Size] = (), /, **sizes: Size) -> Variable:
        """Make the variable from its name, and its edges as a list, as edge=size, or as a mapping."""
        if iskeyword(check_name("variable", name)):
            raise NameFormatError.of("variable", name)
        if not isinstance(edges, Mapping):
            names = [edges] if isinstance(edges, str) else list(edges)
            distinct(names, f"{name}[{','.join(map(str, names))}]")
            edges = {edge: edge for edge in names}
        shape = {check_name("edge", edge): check_size(size) for edge, size in {**edges, **sizes}.items()}
        return intern(cls, shape, {"name": name})


class Number(Tensor):
    """An exact number; a float counts as the decimal it prints as.

    >>> Number(0.1)
    Number('1/10')
    """

    __slots__ = ("value",)
    __match_args__ = ("value",)
    value: Fraction

    def __new__(cls, value: Numeric | str) -> Number:
        """Make the number from anything that is one."""
        return intern(cls, {}, {"value": Fraction(value) if isinstance(value, str) else rational(value)})


class Constant(Tensor):
    """A number that is no fraction: pi.

    >>> print(Constant("pi"))
    π
    """

    __slots__ = ("name",)
    __match_args__ = ("name",)
    name: str
    known = ("pi",)

    def __new__(cls, name: str) -> Constant:
        """Make the constant of this name."""
        if name not in cls.known:
            raise UnknownFunctionError.of(name, cls.known, "constant")
        return intern(cls, {}, {"name": name})


class Extent(Tensor):
    """The size of an edge, as a number: what a mean divides by.

    >>> print(Extent("n"))
    |n|
    """

    __slots__ = ("size",)
    __match_args__ = ("size",)
    size: Size

    def __new__(cls, size: Size) -> Extent:
        """Make the number that this size stands for."""
        return intern(cls, {}, {"size": check_size(size)})


class Delta(Tensor):
    """The identity: 1 where its two edges have the same value, else 0.

    >>> Delta("i", "j", "n").edges
    ('i', 'j')
    """

    __slots__ = ("i", "j", "size")
    __match_args__ = ("i", "j", "size")
    i: str
    j: str
    size: Size

    def __new__(cls, i: str, j: str, size: Size) -> Delta:
        """Make the identity with edges i and j, both of this size."""
        i, j, size = check_name("edge", i), check_name("edge", j), check_size(size)
        if i == j:
            raise DuplicateEdgeError.of(i, f"δ[{i},{j}]")
        return intern(cls, {i: size, j: size}, {"i": i, "j": j, "size": size})


def delta(i: str, j: str, size: Size | None = None) -> Delta:
    """Return the identity with edges i and j; its size symbol is i, unless given.

    >>> print(delta("i", "j", size="n"))
    δ[i,j]
    """
    return Delta(i, j, i if size is None else size)


def extent(tensor: Tensor, edge: str) -> Number | Extent:
    """Return the size of one edge of a tensor as a number.

    >>> extent(Variable("x", i=5), "i")
    Number(5)
    >>> extent(Variable("x", ["i"]), "i")
    Extent('i')
    """
    require(tensor, [edge])
    size = tensor.shape[edge]
    return Number(size) if isinstance(size, int) else Extent(size)

"""The base of all expressions: immutable, made once for each structure, with named edges and operators.

Two expressions of the same structure are the same object, so that `==` is structural equality at the
price of a pointer comparison, and shared work is shared in the expression already. Names of edges, sizes and
numbers are checked before a node exists.

>>> from tensorgrad_eg.expr import Variable
>>> A, x = Variable("A", ["i", "k"]), Variable("x", ["k"])
>>> (A @ x) is (A @ x), (A @ x).edges
(True, ('i',))
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from fractions import Fraction
from numbers import Rational, Real
from threading import RLock
from types import MappingProxyType
from typing import TYPE_CHECKING, Never, Protocol, Self, TypeVar
from weakref import WeakValueDictionary

from tensorgrad_eg.errors import (
    DuplicateEdgeError,
    NameFormatError,
    NumberError,
    OperandError,
)

if TYPE_CHECKING:
    from tensorgrad_eg.diagram.display import Diagram
    from tensorgrad_eg.expr import Derivative, Variable

Size = int | str
Edges = str | Iterable[str]
Numeric = int | float | Fraction
_TABLE: WeakValueDictionary[tuple[object, ...], Tensor] = WeakValueDictionary()
_LOCK = RLock()
T = TypeVar("T", bound="Tensor")


def check_name(kind: str, name: object) -> str:
    """Return a name that is an identifier, or say what is wrong with it."""
    if not (isinstance(name, str) and name.isidentifier()):
        raise NameFormatError.of(kind, name)
    return name


def check_size(size: object) -> Size:
    """Return an edge size: a symbol, or an integer that is not negative."""
    if isinstance(size, str):
        return check_name("size", size)
    try:
        number = operator.index(size)  # type: ignore[arg-type]
    except TypeError:
        raise NumberError(
            f"the size of an edge is a symbol or an integer, 0 or more, not {size!r}."
        ) from None
    if number < 0 or isinstance(size, bool):
        raise NumberError(f"the size of an edge is a symbol or an integer, 0 or more, not {size!r}.")
    return number


def flatten(edges: Iterable[Edges]) -> tuple[str, ...]:
    """Edge arguments, given as one name, several, or lists of names, as distinct names in their order."""
    names: dict[str, None] = {}
    for item in edges:
        names.update(dict.fromkeys([item] if isinstance(item, str) else item))
    return tuple(check_name("edge", name) for name in names)


def distinct(edges: Collection[str], what: str) -> None:
    """Raise an error if a name occurs twice; `what` is the tensor to which the edges would belong."""
    seen = set()
    for edge in edges:
        if edge in seen:
            raise DuplicateEdgeError.of(edge, what)
        seen.add(edge)


def fresh(name: str, taken: Container[str]) -> str:
    """Return the name with as many underscores appended as make it differ from the names taken.

    >>> fresh("k", {"i"}), fresh("i", {"i"})
    ('k', 'i_')
    """
    while name in taken:
        name += "_"
    return name


def derivative_names(
    edges: Collection[str], wanted: Iterable[str], given: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    """Name the new edges of a derivative: as given, or as in the variable with "_" appended until free.

    >>> derivative_names(["i", "k"], ["i", "j"])
    ('i_', 'j')
    >>> derivative_names(["i", "i_"], ["i"], {"i": "p"})
    ('p',)
    """
    given = given or {}
    wanted = tuple(wanted)
    # An edge whose own name is free keeps it, whatever another edge turns into.
    names = {edge: given.get(edge, edge) for edge in wanted if edge in given or edge not in edges}
    taken = {*edges, *names.values()}
    for edge in wanted:
        if edge not in names:
            names[edge] = fresh(edge, taken)
            taken.add(names[edge])
    return tuple(names[edge] for edge in wanted)


def rational(value: object) -> Fraction:
    """Return a number exactly as it is written, so that 0.1 is one tenth.

    >>> rational(3), rational(2.5), rational(1e-5)
    (Fraction(3, 1), Fraction(5, 2), Fraction(1, 100000))
    """
    if isinstance(value, Rational):
        return Fraction(int(value.numerator), int(value.denominator))
    if not isinstance(value, Real):
        raise OperandError.of(type(value).__name__)
    try:
        # str and not repr: NumPy's numbers print as np.float64(0.1) in their repr.
        return Fraction(str(value))
    except ValueError:
        raise NumberError(f"{value} is not a finite number; expressions hold exact numbers.") from None


class Building(Protocol):
    """What operators and methods build: see `tensorgrad_eg.expr.build`."""

    def as_tensor(self, value: Tensor | Numeric) -> Tensor:
        """An expression, or a number as one."""

    def add(self, *terms: Tensor) -> Tensor:
        """The sum."""

    def scale(self, factor: Numeric, arg: Tensor) -> Tensor:
        """A multiple."""

    def multiply(self, left: Tensor, right: Tensor) -> Tensor:
        """The pointwise product."""

    def matmul(self, left: Tensor, right: Tensor) -> Tensor:
        """The product, summed over shared edges."""

    def divide(self, left: Tensor, right: Tensor) -> Tensor:
        """The quotient."""

    def power(self, arg: Tensor, exponent: Numeric | Tensor) -> Tensor:
        """A power."""

    def compared(self, how: str, left: Tensor, right: Tensor) -> Tensor:
        """A comparison, by the name of its operation."""

    def rename(self, arg: Tensor, mapping: Mapping[str, str]) -> Tensor:
        """Other names for edges."""

    def transpose(self, arg: Tensor, *edges: Edges) -> Tensor:
        """Another order of the edges."""


class Methods:
    """What the methods of a tensor do. They are defined further up, of tensors, and put here by `expr` (those
    of the language) and by the package (what needs the e-graph or pictures): a module knows only what is
    before it.
    """

    build: Building
    sum: Callable[..., Tensor]
    mean: Callable[..., Tensor]
    derivative: Callable[..., Derivative]
    text: Callable[[Tensor], str]
    source: Callable[[Tensor], str]
    rows: Callable[[Tensor], tuple[object, ...]]
    unpickle: Callable[..., Tensor]
    simplify: Callable[[Tensor], Tensor]
    draw: Callable[[Tensor], Diagram]


METHODS = Methods()


class Tensor:
    """An expression with named edges. `edges` are their names in order, `shape` maps each to its size.

    >>> from tensorgrad_eg.expr import Variable
    >>> dict(Variable("A", i="n", k=5).shape)
    {'i': 'n', 'k': 5}
    """

    __slots__ = ("__weakref__", "edges", "shape")
    # NumPy must not spread an operator over the entries of an array: the operators below refuse arrays.
    __array_ufunc__ = None

    edges: tuple[str, ...]
    shape: Mapping[str, Size]

    def __setattr__(self, name: str, value: object) -> Never:
        """Refuse: expressions never change."""
        raise AttributeError(f"expressions are immutable: cannot set '{name}'.")

    def __delattr__(self, name: str) -> Never:
        """Refuse: expressions never change."""
        raise AttributeError(f"expressions are immutable: cannot delete '{name}'.")

    def __copy__(self) -> Self:
        """Return the expression itself: there is one of each structure."""
        return self

    def __deepcopy__(self, memo: object) -> Self:
        """Return the expression itself: there is one of each structure."""
        return self

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle as a list of nodes, so that depth and sharing cost nothing."""
        return METHODS.unpickle, (METHODS.rows(self),)

    def __str__(self) -> str:
        """Return the expression as one writes it on the blackboard."""
        return METHODS.text(self)

    def __repr__(self) -> str:
        """Return Python that builds the expression, given `from tensorgrad_eg.expr import *`."""
        return METHODS.source(self)

    def __matmul__(self, other: Tensor | Numeric) -> Tensor:
        """Multiply and sum over every edge the two share."""
        return METHODS.build.matmul(self, METHODS.build.as_tensor(other))

    def __rmatmul__(self, other: Numeric) -> Tensor:
        """Multiply by a number."""
        return self * other

    def __mul__(self, other: Tensor | Numeric) -> Tensor:
        """Multiply pointwise: shared edges are matched, the others broadcast."""
        return METHODS.build.multiply(self, METHODS.build.as_tensor(other))

    def __rmul__(self, other: Numeric) -> Tensor:
        """Multiply by a number."""
        return self * other

    def __add__(self, other: Tensor | Numeric) -> Tensor:
        """Add: edges are matched by name, missing ones broadcast."""
        return METHODS.build.add(self, METHODS.build.as_tensor(other))

    def __radd__(self, other: Numeric) -> Tensor:
        """Add a number."""
        return METHODS.build.add(METHODS.build.as_tensor(other), self)

    def __sub__(self, other: Tensor | Numeric) -> Tensor:
        """Subtract: edges are matched by name, missing ones broadcast."""
        return METHODS.build.add(self, METHODS.build.scale(-1, METHODS.build.as_tensor(other)))

    def __rsub__(self, other: Numeric) -> Tensor:
        """Subtract from a number."""
        return METHODS.build.add(METHODS.build.as_tensor(other), -self)

    def __truediv__(self, other: Tensor | Numeric) -> Tensor:
        """Divide pointwise."""
        return METHODS.build.divide(self, METHODS.build.as_tensor(other))

    def __rtruediv__(self, other: Numeric) -> Tensor:
        """Divide a number by the tensor, pointwise."""
        return METHODS.build.divide(METHODS.build.as_tensor(other), self)

    def __pow__(self, exponent: Numeric | Tensor) -> Tensor:
        """Raise every entry to a power: a number, or another for each entry."""
        return METHODS.build.power(self, exponent)

    def __rpow__(self, base: Numeric) -> Tensor:
        """Raise a number to the power of every entry."""
        return METHODS.build.power(METHODS.build.as_tensor(base), self)

    def __gt__(self, other: Tensor | Numeric) -> Tensor:
        """Return 1 where an entry is larger, else 0."""
        return METHODS.build.compared("greater", self, METHODS.build.as_tensor(other))

    def __ge__(self, other: Tensor | Numeric) -> Tensor:
        """Return 1 where an entry is larger or equal, else 0."""
        return METHODS.build.compared("greater_equal", self, METHODS.build.as_tensor(other))

    def __lt__(self, other: Tensor | Numeric) -> Tensor:
        """Return 1 where an entry is smaller, else 0."""
        return METHODS.build.compared("greater", METHODS.build.as_tensor(other), self)

    def __le__(self, other: Tensor | Numeric) -> Tensor:
        """Return 1 where an entry is smaller or equal, else 0."""
        return METHODS.build.compared("greater_equal", METHODS.build.as_tensor(other), self)

    def __neg__(self) -> Tensor:
        """Change the sign."""
        return METHODS.build.scale(-1, self)

    def __pos__(self) -> Tensor:
        """Return the tensor itself."""
        return self

    def rename(self, mapping: Mapping[str, str] | None = None, /, **names: str) -> Tensor:
        """Give edges other names; two edges may swap theirs.

        >>> from tensorgrad_eg.expr import Variable
        >>> Variable("A", ["i", "k"]).rename(i="k", k="i").edges
        ('k', 'i')
        """
        return METHODS.build.rename(self, {**(mapping or {}), **names})

    def transpose(self, *edges: Edges) -> Tensor:
        """Put the edges in this order: the order of the axes of the array that a plan returns.

        >>> from tensorgrad_eg.expr import Variable
        >>> Variable("A", ["i", "k"]).transpose("k", "i").edges
        ('k', 'i')
        """
        return METHODS.build.transpose(self, *edges)

    def sum(self, *edges: Edges) -> Tensor:
        """Sum over these edges, or over all.

        >>> from tensorgrad_eg.expr import Variable
        >>> Variable("A", ["i", "k"]).sum("k").edges
        ('i',)
        """
        return METHODS.sum(self, *edges)

    def mean(self, *edges: Edges) -> Tensor:
        """Average over these edges, or over all."""
        return METHODS.mean(self, *edges)

    def grad(self, x: Variable, names: Mapping[str, str] | Sequence[str] | None = None) -> Derivative:
        """Return the derivative with respect to a variable: edges of this tensor, then of the variable.

        >>> from tensorgrad_eg.expr import Variable
        >>> x = Variable("x", ["k"])
        >>> (x * x).grad(x).edges
        ('k', 'k_')
        """
        return METHODS.derivative(self, x, names)

    def simplify(self) -> Tensor:
        """Return the normal form of the expression."""
        return METHODS.simplify(self)

    def draw(self) -> Diagram:
        """Return the picture of the expression as a tensor network; it displays itself in a notebook."""
        return METHODS.draw(self)


def intern(cls: type[T], shape: Mapping[str, Size], fields: Mapping[str, object]) -> T:
    """Return the one node of this class, these fields and these edges.

    >>> from tensorgrad_eg.expr import Constant
    >>> intern(Constant, {}, {"name": "pi"}) is Constant("pi")
    True
    """
    key = (cls, tuple(shape.items()), *fields.values())
    with _LOCK:
        node = _TABLE.get(key)
        if node is None:
            node = object.__new__(cls)
            put = object.__setattr__
            put(node, "edges", tuple(shape))
            put(node, "shape", MappingProxyType(dict(shape)))
            for name, value in fields.items():
                if name not in ("edges", "shape"):
                    put(node, name, value)
            _TABLE[key] = node
    assert isinstance(node, cls)
    return node

"""Edge names, edge sizes and numbers: the checks that every node makes before it exists.

>>> fresh("i", {"i", "i_"})
'i__'
>>> rational(0.1)
Fraction(1, 10)
"""

from __future__ import annotations

import operator
from collections.abc import Collection, Container, Iterable, Mapping
from fractions import Fraction
from numbers import Rational, Real

from tensorgrad_eg.errors import (
    DuplicateEdgeError,
    NameFormatError,
    NumberError,
    OperandError,
)

Size = int | str
Edges = str | Iterable[str]
Numeric = int | float | Fraction


def check_name(kind: str, name: object) -> str:
    """Return a name that is an identifier, or say what is wrong with it.

    >>> check_name("edge", "i2")
    'i2'
    """
    if not (isinstance(name, str) and name.isidentifier()):
        raise NameFormatError.of(kind, name)
    return name


def check_size(size: object) -> Size:
    """Return an edge size: a symbol, or an integer that is not negative.

    >>> check_size("n"), check_size(5)
    ('n', 5)
    """
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
    """Return edge arguments, given as one name, several, or lists of names, as distinct names in their order.

    >>> flatten(("i",)), flatten((["i", "k"], "i"))
    (('i',), ('i', 'k'))
    """
    names: dict[str, None] = {}
    for item in edges:
        names.update(dict.fromkeys([item] if isinstance(item, str) else item))
    return tuple(check_name("edge", name) for name in names)


def distinct(edges: Collection[str], what: str) -> None:
    """Raise an error if a name occurs twice; `what` is the tensor to which the edges would belong.

    >>> distinct(["i", "k"], "A[i,k]")
    """
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

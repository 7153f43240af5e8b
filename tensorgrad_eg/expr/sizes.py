"""The sizes of edges: which symbols expressions have, and a number for each.

>>> from tensorgrad_eg.expr.leaves import Variable
>>> numbers([Variable("A", i="n", k="m")], {"n": 3, "k": 4})
{'n': 3, 'm': 4}
"""

from __future__ import annotations

import operator
from collections.abc import Collection, Iterable, Mapping, Sequence

from tensorgrad_eg.errors import MissingSizeError, NumberError, SizeError, UnknownEdgeError
from tensorgrad_eg.expr.leaves import Delta, Extent
from tensorgrad_eg.expr.tensor import Tensor
from tensorgrad_eg.expr.walk import postorder

#: What libraries can count to.
_LARGEST = 2**63 - 1


def symbols(roots: Iterable[Tensor]) -> list[str]:
    """Every size symbol in expressions, also where only an identity or a mean has it, in order of appearance.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> symbols([Variable("A", i="n", k=2)])
    ['n']
    """
    found: dict[str, None] = {}
    for e in postorder(roots):
        sizes = (*e.shape.values(), *([e.size] if isinstance(e, Delta | Extent) else []))
        found |= dict.fromkeys(size for size in sizes if isinstance(size, str))
    return list(found)


def numbers(roots: Sequence[Tensor], given: Mapping[str, int]) -> dict[str, int]:
    """A number for every size symbol, in order of appearance.

    A size may be given by the name of an edge where all edges of that name have one symbol.

    Raises:
        NumberError: if a size is no integer, or negative.
        UnknownEdgeError: if a name is no symbol, and no edge with a symbol of its own.
        SizeError: if one symbol is given two sizes.
        MissingSizeError: if a symbol has none.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> numbers([Variable("x", k="n")], {"n": -1})
    Traceback (most recent call last):
    tensorgrad_eg.errors.NumberError: size n=-1: a size is an integer, 0 or more. Write the number of \
entries, as in sizes={'n': 10}.
    """
    found = by_symbol(roots, given)
    known = symbols(roots)
    missing = [symbol for symbol in known if symbol not in found]
    if missing:
        raise MissingSizeError.of(missing, found)
    return {symbol: found[symbol] for symbol in known}


def by_symbol(
    roots: Sequence[Tensor], given: Mapping[str, int], known: Collection[str] | None = None
) -> dict[str, int]:
    """The sizes that are given, by size symbol (those of `roots`, or `known`); errors as in `numbers`.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> by_symbol([Variable("A", i="n", k="m")], {"i": 3})
    {'n': 3}
    """
    known = symbols(roots) if known is None else known
    found: dict[str, int] = {}
    origin: dict[str, str] = {}
    for name, size in _items(given):
        number = _check_number(name, size)
        symbol = name if name in known else _symbol_of(name, roots, known)
        if found.setdefault(symbol, number) != number:
            raise SizeError(
                f"'{origin[symbol]}' has size {found[symbol]} but '{name}' has size {number}, and both are "
                f"the size symbol '{symbol}'. Give it one size: {{'{symbol}': {found[symbol]}}}."
            )
        origin.setdefault(symbol, name)
    return found


def empty(sizes: Mapping[str, int]) -> frozenset[str]:
    """The symbols whose number is zero: what is equal because sizes are positive is not, for these.

    >>> empty({"n": 0, "k": 3})
    frozenset({'n'})
    """
    return frozenset(symbol for symbol, size in sizes.items() if size == 0)


def _check_number(name: str, size: object) -> int:
    """The size as an integer, or an error that says what it is instead."""
    try:
        number = operator.index(size)  # type: ignore[arg-type]
    except TypeError:
        raise NumberError(_message(name, size)) from None
    if number < 0 or isinstance(size, bool):
        raise NumberError(_message(name, size))
    if number > _LARGEST:
        raise NumberError(f"size {name}={number}: no array has more than {_LARGEST} entries along an edge.")
    return number


def _message(name: str, size: object) -> str:
    example = 10
    if isinstance(size, str | bytes):
        text = size.decode("ascii", "replace") if isinstance(size, bytes) else size
        example = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else example
    elif isinstance(size, float) and 0 <= size < 2**53 and size == int(size):
        example = int(size)
    return (
        f"size {name}={size!r}: a size is an integer, 0 or more. "
        f"Write the number of entries, as in sizes={{{name!r}: {example}}}."
    )


def _items(given: Mapping[str, int]) -> Iterable[tuple[str, int]]:
    if not isinstance(given, Mapping):
        raise NumberError(
            f"sizes={given!r}: sizes are a dict with a number for every size symbol, as in sizes={{'n': 10}}."
        )
    return given.items()


def _symbol_of(name: str, roots: Iterable[Tensor], known: Collection[str]) -> str:
    """The size symbol that all edges of this name have."""
    found = dict.fromkeys(e.shape[name] for e in postorder(roots) if name in e.shape)
    only = next(iter(found), None)
    if len(found) == 1 and isinstance(only, str):
        return only
    if not found:
        raise UnknownEdgeError.of(name, "the set of size symbols", known)
    if len(found) == 1:
        raise UnknownEdgeError(f"edge '{name}' has the size {only} already; leave it out of sizes.")
    listed = ", ".join(map(str, found))
    raise UnknownEdgeError(
        f"edges named '{name}' have different sizes: {listed}. "
        f"Give sizes by these symbols, as in sizes={{'{listed.split(', ')[0]}': 10}}."
    )

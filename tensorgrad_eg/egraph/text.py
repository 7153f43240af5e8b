"""E-nodes as egglog text, and egglog rows as e-nodes."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, TypeVar, cast

from tensorgrad_eg.expr.operations import OPERATIONS, ENode, Payload

T = TypeVar("T")

if TYPE_CHECKING:
    from egglog.bindings import EGraph, Value


def quote(text: str) -> str:
    """An egglog string literal.

    Example:
        >>> quote('a"b')
        '"a\\\\"b"'
    """
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def edges(names: frozenset[str]) -> str:
    """A set of edges, sorted so that the text does not depend on hash order.

    Example:
        >>> edges(frozenset("ki")), edges(frozenset())
        ('(set-of "i" "k")', '(set-empty)')
    """
    return f"(set-of {' '.join(quote(name) for name in sorted(names))})" if names else "(set-empty)"


def axes(names: tuple[str, ...]) -> str:
    """A list of axes.

    Example:
        >>> axes(("i", "k"))
        '(vec-of "i" "k")'
    """
    return f"(vec-of {' '.join(quote(name) for name in names)})" if names else "(vec-empty)"


def rational(value: Fraction) -> str:
    """An exact rational.

    Example:
        >>> rational(Fraction(-1, 2))
        '(bigrat (bigint -1) (bigint 2))'
    """
    return f"(bigrat {_integer(value.numerator)} {_integer(value.denominator)})"


def _integer(value: int) -> str:
    small = abs(value) < 2**62
    return f"(bigint {value})" if small else f'(from-string "{value}")'


def term(node: ENode, free: frozenset[str], child: Callable[[int], str]) -> str:
    """The egglog term of a node, given the text of its children.

    Example:
        >>> term(ENode("scale", Fraction(2), (7,)), frozenset(), lambda c: f"t{c}")
        '(scale (bigrat (bigint 2) (bigint 1)) t7)'
    """
    sorts = OPERATIONS[node.op].sorts
    if "Terms" in sorts:
        return f"({node.op} {edges(free)} (multiset-of {' '.join(map(child, node.children))}))"
    given = iter(node.payload) if isinstance(node.payload, tuple) else iter([node.payload])
    kids = map(child, node.children)
    columns = [next(kids) if sort == "Tensor" else _written(next(given)) for sort in sorts]
    return f"({node.op} {' '.join(columns)})"


def _written(value: Payload) -> str:
    match value:
        case Fraction():
            return rational(value)
        case frozenset():
            return edges(value)
        case tuple():
            return axes(tuple(map(str, value)))
    return quote(str(value))


class Reader:
    """Reads the rows of an e-graph; sets, lists and strings are converted once each."""

    def __init__(self, egraph: EGraph) -> None:
        """Reads from this e-graph."""
        self.egraph = egraph
        self._seen: dict[tuple[str, Value], object] = {}
        self._sets: dict[Value, frozenset[str]] = {}

    def _once(self, kind: str, value: Value, read: Callable[[Value], T]) -> T:
        key = (kind, value)
        if key not in self._seen:
            self._seen[key] = read(value)
        return self._seen[key]  # type: ignore[return-value]

    def string(self, value: Value) -> str:
        """A string."""
        return self._once("string", value, self.egraph.value_to_string)

    def names(self, value: Value) -> tuple[str, ...]:
        """A list of axes."""
        return self._once("axes", value, lambda v: tuple(self.string(x) for x in self.egraph.value_to_vec(v)))

    def set(self, value: Value) -> frozenset[str]:
        """A set of edges."""
        found = self._sets.get(value)
        if found is None:  # read for most rows of an e-graph, so without the detour of `_once`
            found = frozenset(self.string(x) for x in self.egraph.value_to_set(value))
            self._sets[value] = found
        return found

    def rational(self, value: Value) -> Fraction:
        """An exact rational."""
        return self._once("rational", value, self.egraph.value_to_bigrat)

    def row(self, op: str, inputs: list[Value]) -> tuple[Payload, list[Value]]:
        """The payload and the child classes of one row of a constructor."""
        sorts = OPERATIONS[op].sorts
        if "Terms" in sorts:
            return None, list(self.egraph.value_to_multiset(inputs[-1]))
        read = {"String": self.string, "Axes": self.names, "Edges": self.set, "BigRat": self.rational}
        given = tuple(read[sort](value) for sort, value in zip(sorts, inputs, strict=True) if sort in read)
        kids = [value for sort, value in zip(sorts, inputs, strict=True) if sort == "Tensor"]
        payload = given if len(given) > 1 else next(iter(given), None)
        return cast(Payload, payload), kids

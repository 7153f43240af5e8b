"""Terms: programs as directed acyclic graphs of e-nodes, each stored once; their edges, numbers and names."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

import numpy as np

from tensorgrad_eg.expr import POINTWISE
from tensorgrad_eg.expr.operations import OPERATIONS, ENode, Payload

#: Powers up to this one are worked out exactly.
_EXACT = 64


class Dag:
    """A program of e-nodes in which equal nodes are one; children come before parents.

    Example:
        >>> dag = Dag()
        >>> x = dag.put("variable", ("x", ("i",)))
        >>> dag.put("variable", ("x", ("i",))) == x, dag.free[x]
        (True, frozenset({'i'}))
    """

    def __init__(self) -> None:
        """An empty program."""
        self.nodes: list[ENode] = []
        self.free: list[frozenset[str]] = []
        self.roots: dict[str, int] = {}
        self._ids: dict[ENode, int] = {}

    def put(
        self, op: str, payload: Payload = None, *children: int, free: frozenset[str] | None = None
    ) -> int:
        """The number of the node, new or known.

        `free` may tighten the bound on the edges it depends on.

        Example:
            >>> from fractions import Fraction
            >>> Dag().put("number", Fraction(1))
            0
        """
        node = ENode(op, payload, tuple(sorted(children)) if op == "add" else children)
        if node not in self._ids:
            self._ids[node] = len(self.nodes)
            self.nodes.append(node)
            self.free.append(
                free_edges(node, [self.free[c] for c in node.children]) if free is None else free
            )
        return self._ids[node]

    def copy(self) -> Dag:
        """The same program, which may grow and have other roots.

        Example:
            >>> dag = Dag()
            >>> dag.copy().put("extent", "n"), dag.nodes
            (0, [])
        """
        other = Dag()
        other.nodes, other.free = list(self.nodes), list(self.free)
        other.roots, other._ids = dict(self.roots), dict(self._ids)
        return other

    def reachable(self, roots: Iterable[int]) -> list[int]:
        """The nodes that the roots read, in order (children first).

        Example:
            >>> from fractions import Fraction
            >>> dag = Dag()
            >>> one = dag.put("number", Fraction(1))
            >>> dag.reachable([dag.put("scale", Fraction(2), one)])
            [0, 1]
        """
        seen: set[int] = set()
        stack = list(roots)
        while stack:
            at = stack.pop()
            if at not in seen:
                seen.add(at)
                stack.extend(self.nodes[at].children)
        return sorted(seen)

    def part(self, roots: Mapping[str, int]) -> Dag:
        """The program of these roots alone.

        Example:
            >>> from fractions import Fraction
            >>> dag = Dag()
            >>> one, two = (dag.put("number", Fraction(n)) for n in (1, 2))
            >>> dag.part({"e": two}).nodes
            [ENode(op='number', payload=Fraction(2, 1), children=())]
        """
        found = Dag()
        moved = found.include(self, roots.values())
        found.roots = {name: moved[at] for name, at in roots.items()}
        return found

    def include(self, other: Dag, roots: Iterable[int]) -> dict[int, int]:
        """Takes over what these nodes of another program read, and them; the new number of each node.

        Example:
            >>> from fractions import Fraction
            >>> dag, other = Dag(), Dag()
            >>> dag.include(other, [other.put("number", Fraction(1))])
            {0: 0}
        """
        moved: dict[int, int] = {}
        for at in other.reachable(roots):
            node = other.nodes[at]
            kids = (moved[c] for c in node.children)
            moved[at] = self.put(node.op, node.payload, *kids, free=other.free[at])
        return moved


def _extent(size: str, sizes: Mapping[str, int]) -> int:
    """The number of a size that an e-node has as text: a symbol, or the number itself."""
    return int(size) if size.isdigit() else sizes[size]


def constant_value(
    node: ENode, parts: Sequence[Fraction | float], sizes: Mapping[str, int]
) -> Fraction | float:
    """The value of an e-node of numbers, given those that it reads: exact as long as it can be.

    Example:
        >>> constant_value(ENode("power", Fraction(-1), (0,)), [Fraction(4)], {})
        Fraction(1, 4)
    """
    match node.op:
        case "number":
            return node.number
        case "constant":
            return math.pi
        case "extent":
            return Fraction(_extent(node.name, sizes))
        case "power" if node.number.denominator == 1 and parts[0] and abs(node.number) <= _EXACT:
            return parts[0] ** int(node.number)
        case "power":
            with np.errstate(all="ignore"):
                return float(np.float64(parts[0]) ** float(node.number))
        case "apply":
            with np.errstate(all="ignore"):
                return float(POINTWISE[node.name].evaluate(np.float64(parts[0])))
        case "add":
            return sum(parts, start=Fraction(0))
        case _:
            return math.prod(parts, start=node.number if node.op == "scale" else Fraction(1))


def free_edges(node: ENode, children: list[frozenset[str]]) -> frozenset[str]:
    """The free edges of a node whose children have these.

    Example:
        >>> node = ENode("contract", frozenset("k"), (0, 1))
        >>> sorted(free_edges(node, [frozenset("ik"), frozenset("kj")]))
        ['i', 'j']
    """
    return OPERATIONS[node.op].free(node.payload, children)


#: The size of every edge: a symbol or a number.
Symbols = dict[str, str | int]


def renamed(dag: Dag, at: int, names: Mapping[str, str], symbols: Symbols) -> int:
    """The node under other names, exchanged all at once; those in the way step aside first.

    >>> dag = Dag()
    >>> a = dag.put("variable", ("A", ("i", "j")))
    >>> end = renamed(dag, a, {"i": "j", "j": "i"}, {"i": "n", "j": "n"})
    >>> [node.payload for node in dag.nodes[1:]]
    [('i', "i'"), ('j', "j'"), ("i'", 'j'), ("j'", 'i')]
    """
    pairs = {old: new for old, new in sorted(names.items()) if old != new}
    for old in sorted(set(pairs) & set(pairs.values())):
        aside = old + "'"
        while aside in symbols or aside in pairs or aside in pairs.values():
            aside += "'"
        symbols[aside] = symbols[old]
        at = dag.put("rename", (old, aside), at)
        pairs[aside] = pairs.pop(old)
    for old, new in pairs.items():
        at = dag.put("rename", (old, new), at)
    return at

"""What the classes of an e-graph are worth: every one by its smallest term, on random data.

>>> from fractions import Fraction
>>> x, two = ENode("variable", ("x", ("i",))), ENode("scale", Fraction(2), (0,))
>>> s = Snapshot({0: [x], 1: [two]}, {0: frozenset("i"), 1: frozenset("i")}, {}, {"i": "n"})
>>> values = ClassValues(s, Draw(seed=1))
>>> bool((values[1].array == 2 * values[0].array).all())
True
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tensorgrad_eg.assume import Fact
from tensorgrad_eg.egraph.snapshot import Snapshot, smallest
from tensorgrad_eg.expr import arrays as op
from tensorgrad_eg.expr.arrays import Labelled, Numpy
from tensorgrad_eg.expr.operations import OPERATIONS, ENode
from tensorgrad_eg.verify.facts import conform

#: Sizes of edges, one symbol after the other: different ones, so that exchanged edges show.
_SIZES = (2, 3, 4, 5)
#: A tensor with more elements than this is not computed.
_LARGEST = 1 << 21


@dataclass(frozen=True)
class Draw:
    """How data are drawn: signed numbers around zero, or positive ones, at which logarithms and roots exist.

    They are then moved to where the facts are true of them.

    >>> Draw(seed=3, positive=True).array("x", (2,)).min() > 0
    np.True_
    """

    seed: int
    positive: bool = False
    facts: tuple[Fact, ...] = ()

    def array(self, name: str, shape: tuple[int, ...]) -> Any:
        """The array of a variable; it depends on nothing but the draw, the name and the shape."""
        return conform(name, op.drawn(name, shape, self.seed, self.positive), self.facts)


@dataclass
class ClassValues:
    """The value of every class of a snapshot that stands for something, on one draw of data."""

    snapshot: Snapshot
    draw: Draw
    sizes: dict[str, int] = field(default_factory=dict)
    values: dict[int, Labelled] = field(default_factory=dict)
    skipped: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Evaluate the smallest term of every class."""
        self.library = Numpy(np.float64)
        self.choice = smallest(self.snapshot)
        self.sizes = self.sizes or edge_sizes(self.snapshot)
        with np.errstate(all="ignore"):
            for at in sorted(self.choice):
                self._evaluate(at)

    def __getitem__(self, at: int) -> Labelled:
        """The value of a class."""
        return self.values[at]

    def node(self, node: ENode) -> Labelled | None:
        """The value of one e-node, or nothing where it is too large to compute."""
        if any(c not in self.values for c in node.children) or self._elements(node) > _LARGEST:
            return None
        with np.errstate(all="ignore"):
            return self._operation(node, [self.values[c] for c in node.children])

    def _evaluate(self, root: int) -> None:
        stack = [root]
        while stack:
            at = stack[-1]
            node = self.choice[at]
            missing = [c for c in node.children if c not in self.values and c not in self.skipped]
            if missing and at not in self.values:
                stack.extend(missing)
                continue
            stack.pop()
            if at not in self.values and at not in self.skipped:
                value = self.node(node)
                if value is None:
                    self.skipped.add(at)
                else:
                    self.values[at] = value

    def _elements(self, node: ENode) -> int:
        edges = {edge for c in node.children for edge in self.values[c].edges}
        return math.prod(self.sizes[edge] for edge in edges)

    def _operation(self, node: ENode, kids: list[Labelled]) -> Labelled:
        if node.op == "variable":
            shape = tuple(self.sizes[axis] for axis in node.axes)
            return op.read(self.library, self.draw.array(node.name, shape), node.axes)
        if node.op == "extent":
            return Labelled((), self.library.number(float(self._extent(node.name))))
        return OPERATIONS[node.op].value(self.library, node, kids, self.sizes)

    def _extent(self, symbol: str) -> int:
        if symbol.isdigit():
            return int(symbol)
        return next(self.sizes[e] for e, s in sorted(self.snapshot.symbols.items()) if s == symbol)


def edge_sizes(snapshot: Snapshot) -> dict[str, int]:
    """A small size for every edge, different for different symbols as long as the tensors stay small.

    >>> edge_sizes(Snapshot({}, {}, {}, {"i": "n", "j": "n", "k": "m", "l": 7}))
    {'i': 3, 'j': 3, 'k': 2, 'l': 7}
    """
    names = sorted({symbol for symbol in snapshot.symbols.values() if isinstance(symbol, str)})
    widest = _unions(snapshot)
    for count in (len(_SIZES), 2, 1):
        number = {name: _SIZES[n % count] for n, name in enumerate(names)}
        sizes = {e: s if isinstance(s, int) else number[s] for e, s in sorted(snapshot.symbols.items())}
        if all(math.prod(sizes[edge] for edge in union) <= _LARGEST >> 6 for union in widest):
            break
    return sizes


def _unions(snapshot: Snapshot) -> Iterable[frozenset[str]]:
    free = snapshot.free
    return {
        frozenset[str]().union(*(free[c] for c in node.children))
        for nodes in snapshot.nodes.values()
        for node in nodes
        if node.children
    }

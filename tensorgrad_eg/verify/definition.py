"""What expressions mean, recorded on a tape: by their definition, derivatives included, and by no rule.

>>> x = Variable("x", ["k"])
>>> meaning = Meaning({"k": 2}, {"x": np.array([1.0, 2.0])})
>>> (value,) = meaning.tape.values([meaning.node((x @ x).grad(x))])
>>> value
array([2., 4.])
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tensorgrad_eg.expr import (
    Derivative,
    Extent,
    Rename,
    Size,
    Tangent,
    Tensor,
    Variable,
    children,
    operation,
    postorder,
)
from tensorgrad_eg.expr.operations import ENode
from tensorgrad_eg.verify.slopes import gradients, jacobian, tangent
from tensorgrad_eg.verify.tape import Node, Tape

Array = NDArray[Any]
#: What right programs differ by, relative to the largest entry; where it is more, rounding is measured.
CLOSE = 1e-9
#: … and where a derivative is measured by differences.
_MEASURED = 1e-5


class Meaning:
    """Expressions at one assignment of arrays to variables."""

    def __init__(self, sizes: Mapping[str, int], arrays: Mapping[str, NDArray[np.float64]]) -> None:
        """Sizes by symbol, arrays by variable name."""
        self.sizes, self.arrays = sizes, arrays
        self.tape = Tape()
        self.known: dict[Tensor, Node] = {}
        self._gradients: dict[int, dict[str, Node]] = {}

    def node(self, e: Tensor) -> Node:
        """The node of an expression, with its edges in their order."""
        for part in postorder([e]):
            if part not in self.known:
                self.known[part] = self.tape.spread(self._node(part), self._shape(part))
        return self.known[e]

    def _size(self, size: Size) -> int:
        return size if isinstance(size, int) else self.sizes[size]

    def _shape(self, e: Tensor) -> dict[str, int]:
        return {edge: self._size(size) for edge, size in e.shape.items()}

    def _node(self, e: Tensor) -> Node:
        tape, known = self.tape, self.known
        match e:
            case Variable(name):
                return tape.array(self._shape(e), self.arrays[name], name)
            case Extent(size):
                return tape.array({}, np.array(float(self._size(size))))
            case Rename(arg, mapping):
                return tape.relabel(dict(mapping), known[arg])
            case Derivative():
                return self._derivative(e)
            case Tangent(arg, wrt, direction):
                along = tape.spread(known[direction], known[wrt].shape)
                moved = tangent(tape, known[arg], {known[wrt].number: along})
                return self._zeros(e) if moved is None else moved
        return tape.operation(ENode(*operation(e)), [known[part] for part in children(e)], self._shape(e))

    def _derivative(self, e: Derivative) -> Node:
        target, leaf = self.known[e.arg], self.known[e.wrt]
        if e.arg.edges:
            found = jacobian(self.tape, target, leaf, e.names)
        else:
            if target.number not in self._gradients:
                self._gradients[target.number] = gradients(self.tape, target)
            found = self._gradients[target.number].get(e.wrt.name)
            if found is not None:
                found = self.tape.relabel(dict(zip(e.wrt.edges, e.names, strict=True)), found)
        return self._zeros(e) if found is None else found

    def _zeros(self, e: Tensor) -> Node:
        return self.tape.spread(self.tape.array({}, np.array(0.0)), self._shape(e))


class Point:
    """Expressions at arrays: their values by definition, and by how much rounding may move each entry.

    >>> x = Variable("x", ["k"])
    >>> point = Point([x - x + 1], {"k": 2}, {"x": np.array([1.0, 2.0])})
    >>> point.differs(0, np.array([1.0, 1.0])), point.differs(0, np.array([1.0, 1.5]))
    (0.0, 0.5)
    """

    def __init__(
        self, expressions: Sequence[Tensor], sizes: Mapping[str, int], arrays: Mapping[str, Array]
    ) -> None:
        """Record what the expressions mean; nothing is computed yet."""
        self.meaning = Meaning(sizes, arrays)
        self.nodes = [self.meaning.node(e) for e in expressions]

    @property
    def work(self) -> float:
        """About how many multiplications the values take."""
        return self.meaning.tape.work(self.nodes)

    @property
    def values(self) -> list[Array]:
        """The value of each expression."""
        return self.meaning.tape.values(self.nodes)

    @cached_property
    def inside(self) -> bool:
        """Whether everything on the way is finite: the data are in the domain of every function."""
        return all(
            bool(np.isfinite(value).all()) for value in self.meaning.tape.computed(self.nodes).values()
        )

    @cached_property
    def rounding(self) -> list[Array]:
        """How far rounding may move each entry."""
        return self.meaning.tape.rounding(self.nodes)

    @cached_property
    def measured(self) -> bool:
        """Whether a derivative was taken by differences, of a function whose slope is not known here."""
        return any(node.op == "slope" for node in self.meaning.tape.below(self.nodes))

    def comparable(self, output: int) -> bool:
        """Whether an expression has a finite value anywhere, or no entry at all."""
        value = self.values[output]
        return not value.size or bool(np.isfinite(value).any())

    def differs(self, output: int, found: Array, close: float = CLOSE) -> float:
        """By how much a result is wrong, relative to the largest entry: by nothing, if rounding explains it.

        Entries count where the definition is finite; outside the domain of a function, where both are.
        """
        wanted = self.values[output]
        close = max(close, _MEASURED) if self.measured else close
        if found.shape != wanted.shape:
            return math.inf
        counts = np.isfinite(wanted) if self.inside else np.isfinite(wanted) & np.isfinite(found)
        if not counts.any():
            return 0.0
        with np.errstate(all="ignore"):
            gap = np.abs(found - wanted)
        gap = np.where(np.isnan(gap), math.inf, gap)[counts]
        unit = float(np.abs(wanted[counts]).max())
        if float(gap.max()) <= close * unit:
            return 0.0
        beyond = gap > close * unit + self.rounding[output][counts]
        return float(gap[beyond].max()) / unit if unit and beyond.any() else math.inf if beyond.any() else 0.0

"""What expressions mean, recorded on a tape: by their definition, derivatives included, and by no rule.

>>> x = Variable("x", ["k"])
>>> meaning = Meaning({"k": 2}, {"x": np.array([1.0, 2.0])})
>>> (value,) = meaning.tape.values([meaning.node((x @ x).grad(x))])
>>> value
array([2., 4.])
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tensorgrad_eg.expr import (
    Add,
    Constant,
    Delta,
    Derivative,
    Extent,
    Number,
    Reduce,
    Rename,
    Size,
    Tangent,
    Tensor,
    Variable,
    children,
    operation,
    postorder,
)
from tensorgrad_eg.verify.slopes import gradients, tangent
from tensorgrad_eg.verify.tape import Node, Tape


class Meaning:
    """Expressions at one assignment of arrays to variables."""

    def __init__(self, sizes: Mapping[str, int], arrays: Mapping[str, NDArray[np.float64]]) -> None:
        """Sizes by symbol, arrays by variable name."""
        self.sizes, self.arrays = sizes, arrays
        self.tape = Tape()
        self.known: dict[Tensor, Node] = {}
        self._gradients: dict[int, dict[str, Node]] = {}
        self._marks = 0

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
            case Number(value):
                return tape.array({}, np.array(float(value)))
            case Constant():
                return tape.array({}, np.array(math.pi))
            case Extent(size):
                return tape.array({}, np.array(float(self._size(size))))
            case Delta(_, _, size):
                return tape.array(self._shape(e), np.eye(self._size(size)))
            case Derivative():
                return self._derivative(e)
            case Tangent(arg, wrt, direction):
                moved = tangent(tape, known[arg], known[wrt], tape.spread(known[direction], known[wrt].shape))
                return self._zeros(e) if moved is None else moved
            case Rename(arg, mapping):
                return tape.relabel(dict(mapping), known[arg])
            case Add(terms):
                return tape.add([known[term] for term in terms])
            case Reduce(over, arg):
                return tape.reduce(over, known[arg])
        return tape.apply(*operation(e), *[known[part] for part in children(e)])

    def _derivative(self, e: Derivative) -> Node:
        target, leaf = self.known[e.arg], self.known[e.wrt]
        if not leaf.leaves <= target.leaves:
            return self._zeros(e)
        if not e.arg.edges:
            if target.number not in self._gradients:
                self._gradients[target.number] = gradients(self.tape, target)
            found = self._gradients[target.number].get(e.wrt.name)
            return self._zeros(e) if found is None else self.tape.relabel(self._new(e, e.wrt.edges), found)
        self._marks += 1
        marks = [f"{edge}#{self._marks}" for edge in e.wrt.edges]  # no edge is called so
        moved = tangent(self.tape, target, leaf, self._identity(leaf, marks))
        return self._zeros(e) if moved is None else self.tape.relabel(self._new(e, marks), moved)

    def _new(self, e: Derivative, edges: list[str] | tuple[str, ...]) -> dict[str, str]:
        return dict(zip(edges, e.names, strict=True))

    def _identity(self, leaf: Node, marks: list[str]) -> Node:
        sizes = list(leaf.shape.values())
        shape = {**leaf.shape, **dict(zip(marks, sizes, strict=True))}
        return self.tape.array(shape, np.eye(math.prod(sizes)))

    def _zeros(self, e: Tensor) -> Node:
        return self.tape.spread(self.tape.array({}, np.array(0.0)), self._shape(e))

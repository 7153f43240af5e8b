"""What expressions mean, derivatives included, recorded on a tape: by their definition, and by no rule.

Derivatives of what a tape has recorded go forward along a direction, or backward from a number.

>>> tape = Tape()
>>> x = tape.array({"k": 2}, np.array([1.0, 2.0]), "x")
>>> (value,) = tape.values([gradients(tape, tape.contract(["k"], x, x))["x"]])
>>> value
array([2., 4.])
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
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
from tensorgrad_eg.verify.known import PARTIALS, SLOPES, WEIGHTS, matrix_edges, product_of_others
from tensorgrad_eg.verify.tape import Node, Tape

Array = NDArray[Any]
#: What right programs differ by, relative to the largest entry; where it is more, rounding is measured.
CLOSE = 1e-9
#: … and where a derivative is measured by differences.
_MEASURED = 1e-5


def tangent(tape: Tape, target: Node, moves: Mapping[int, Node], still: Collection[int] = ()) -> Node | None:
    """How the target changes as nodes, given by their numbers, move; edges that only the moves have stay.

    Nodes that stand `still` do not change. Nothing, if the target does not depend on what moves.
    """
    known = dict(moves)
    for node in tape.below([target], known):
        moved = [known.get(a.number) for a in node.args]
        change = None if node.number in still else _tangent(tape, node, moved)
        if change is not None:
            missing = {edge: size for edge, size in node.shape.items() if edge not in change.shape}
            known[node.number] = tape.spread(change, {**change.shape, **missing}) if missing else change
    return known.get(target.number)


def jacobian(
    tape: Tape, target: Node, by: Node, names: Iterable[str], still: Collection[int] = ()
) -> Node | None:
    """The derivative of every entry by every entry of another node, whose edges get new names.

    >>> tape = Tape()
    >>> x = tape.array({"k": 2}, np.array([1.0, 2.0]), "x")
    >>> found = jacobian(tape, tape.contract([], x, x), x, ["j"])
    >>> tape.values([found])
    [array([[2., 0.],
           [0., 4.]])]
    """
    sizes, marks = list(by.shape.values()), [f"{edge}#{target.number}" for edge in by.shape]  # no edge's name
    shape = {**by.shape, **dict(zip(marks, sizes, strict=True))}
    move = tape.array(shape, np.eye(math.prod(sizes)))
    moved = tangent(tape, target, {by.number: move}, still)
    return None if moved is None else tape.relabel(dict(zip(marks, names, strict=True)), moved)


def _tangent(tape: Tape, node: Node, moved: Sequence[Node | None]) -> Node | None:
    if all(one is None for one in moved):
        return None
    if node.op == "contract":
        (a, b), (da, db) = node.args, moved
        terms = [
            *([] if da is None else [tape.contract(node.made.over, da, b)]),
            *([] if db is None else [tape.contract(node.made.over, a, db)]),
        ]
        return tape.add(terms)
    if len(node.args) > 1 and node.op != "add":
        each = [(slope(tape, node, n), da) for n, da in enumerate(moved) if da is not None]
        parts = [tape.contract([], entry, da) for entry, da in each if entry is not None]
        return tape.add(parts) if parts else None
    present = [one for one in moved if one is not None]
    (da,) = present if len(present) == 1 else [tape.add(present)]
    match node.op:
        case "add":
            return da
        case "reduce":
            return tape.reduce(node.made.over, da)
        case "spread":
            extra = {edge: size for edge, size in da.shape.items() if edge not in node.shape}
            return tape.spread(da, {**node.shape, **extra})
        case "relabel":
            return tape.relabel(dict(zip(node.args[0].shape, node.shape, strict=True)), da)
        case name if name in WEIGHTS:
            return tape.contract(node.made.over, WEIGHTS[node.op](tape, node), da)
        case "inverse":
            i, j, s, t = matrix_edges(node)
            factors = ({j: s}, node), ({i: s, j: t}, da), ({i: t}, node)
            return _sandwiched(tape, s, t, *(tape.relabel(names, a) for names, a in factors))
    return _through(tape, node, da)


def _through(tape: Tape, node: Node, change: Node) -> Node | None:
    """The change of a result for that of its argument, or the other way round, which is the same here."""
    match node.op:
        case "scale":
            return tape.scale(node.made.number, change)
        case "softmax":
            weighted = tape.contract([], node, change)
            total = tape.contract([], node, tape.reduce(node.made.over, weighted))
            return tape.add([weighted, tape.scale(-1.0, total)])
        case "prod_others":
            return product_of_others(tape, node, change)
    entry = slope(tape, node, 0)
    return None if entry is None else tape.contract([], entry, change)


def slope(tape: Tape, node: Node, place: int) -> Node | None:
    """The derivative, entry by entry, of an operation that works so by what stands in a place; or it is zero.

    >>> from fractions import Fraction
    >>> tape = Tape()
    >>> x = tape.array({"k": 2}, np.array([1.0, 2.0]), "x")
    >>> tape.values([slope(tape, tape.apply("power", Fraction(2), x), 0)])
    [array([2., 4.])]
    """
    match node.op:
        case "power" if not node.made.number:
            return None
        case "power":
            raised = tape.apply("power", node.made.number - 1, node.args[0])
            return tape.scale(node.made.number, raised)
        case "apply" if node.made.name in SLOPES:
            return SLOPES[node.made.name](tape, node.args[0])
        case name if name in PARTIALS:
            return PARTIALS[name](tape, node, place)
    # Somebody has added it, and nobody says what its slope is: by differences.
    return tape.slope(node, place)


def _sandwiched(tape: Tape, s: str, t: str, left: Node, middle: Node, right: Node) -> Node:
    """-Σ_st left·middle·right: the derivative of an inverse, or what it hands back."""
    return tape.scale(-1, tape.contract([t], tape.contract([s], left, middle), right))


def gradients(tape: Tape, target: Node) -> dict[str, Node]:
    """The gradient of a number by every leaf that it depends on, with the edges of the leaf."""
    found: dict[str, Node] = {}
    parts: dict[int, list[Node]] = {target.number: [tape.array({}, np.array(1.0))]}
    for node in reversed(tape.below([target])):
        if node.number not in parts or not node.leaves:
            continue
        cotangent = tape.spread(tape.add(parts.pop(node.number)), node.shape)
        if node.op == "array":
            (name,) = node.leaves
            found[name] = cotangent
        for a, part in zip(node.args, _pulled(tape, node, cotangent), strict=True):
            if part is not None and a.leaves:
                parts.setdefault(a.number, []).append(part)
    return found


def _pulled(tape: Tape, node: Node, cotangent: Node) -> list[Node | None]:
    """What a cotangent contributes to each argument."""
    match node.op:
        case "contract":
            a, b = node.args
            return [_factor(tape, cotangent, b, a), _factor(tape, cotangent, a, b)]
        case "add" | "spread":
            return [tape.reduce([e for e in node.shape if e not in a.shape], cotangent) for a in node.args]
        case "reduce":
            return [tape.spread(cotangent, node.args[0].shape)]
        case "relabel":
            return [tape.relabel(dict(zip(node.shape, node.args[0].shape, strict=True)), cotangent)]
        case name if name in WEIGHTS:
            return [tape.contract([], cotangent, WEIGHTS[node.op](tape, node))]
        case "inverse":
            i, j, s, t = matrix_edges(node)
            factors = ({i: s, j: i}, node), ({i: s, j: t}, cotangent), ({i: j, j: t}, node)
            return [_sandwiched(tape, s, t, *(tape.relabel(names, a) for names, a in factors))]
        case "array":
            return []
    if len(node.args) > 1:
        entries = [slope(tape, node, n) for n in range(len(node.args))]
        return [
            None if entry is None else _factor(tape, cotangent, entry, a)
            for entry, a in zip(entries, node.args, strict=True)
        ]
    return [_through(tape, node, cotangent)]


def _factor(tape: Tape, cotangent: Node, other: Node, a: Node) -> Node:
    """What reaches a factor of a product: the cotangent times the other, summed over what it lacks."""
    over = [edge for edge in {**cotangent.shape, **other.shape} if edge not in a.shape]
    return tape.spread(tape.contract(over, cotangent, other), a.shape)


class _Meaning:
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
    """Expressions at arrays: their values by definition, and by how much rounding may move each entry."""

    def __init__(
        self, expressions: Sequence[Tensor], sizes: Mapping[str, int], arrays: Mapping[str, Array]
    ) -> None:
        """Record what the expressions mean; nothing is computed yet."""
        self.meaning = _Meaning(sizes, arrays)
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

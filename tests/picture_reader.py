"""Read a picture back: what the diagram means as arrays, from its nodes, wires and boxes alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from itertools import count
from typing import Any

import numpy as np
from expr_reference import FUNCTIONS
from programs import SEVERAL

from tensorgrad_eg.diagram.picture import Box, End, Node, Picture

Array = np.ndarray[Any, Any]
Factor = tuple[Array, list[int]]


class Reader:
    """The value of every panel, axes in the order of its legs."""

    def __init__(
        self,
        picture: Picture,
        arrays: Mapping[str, Array],
        axes: Mapping[str, Iterable[str]],
        sizes: Mapping[str, int],
    ) -> None:
        self.picture, self.arrays, self.sizes = picture, arrays, sizes
        self.axes = {name: list(edges) for name, edges in axes.items()}
        self.things: dict[str, Node | Box] = {t.key: t for t in (*picture.nodes, *picture.boxes)}
        self.rows = dict(picture.rows)
        self.fresh = count(len(picture.wires))

    def panels(self) -> dict[str, tuple[Array, list[str]]]:
        """Every panel by its name, with the names of its legs."""
        return {box.label: self.panel(box) for box in self.picture.boxes if box.kind == "panel"}

    def panel(self, box: Box) -> tuple[Array, list[str]]:
        """One panel."""
        names = [node.label for node in self.picture.nodes if node.kind == "leg" and node.box == box.key]
        return self.inside(box.key, names), names

    def inside(self, box: str, legs: list[str], crossing: Iterable[int] = ()) -> Array:
        """The product of what is in a box, axes in the order of these legs and then of these wires."""
        out: dict[str, int] = {}
        factors: list[Factor] = []
        for node in self.picture.nodes:
            if node.kind == "leg" and node.box == box:
                (wire,) = (at for at, w in enumerate(self.picture.wires) if node.key in w.targets)
                if wire in out.values():  # a wire with two free ends is the identity
                    out[node.label] = next(self.fresh)
                    eye = np.eye(self.sizes[node.label])
                    factors.append((eye, [wire, out[node.label]]))
                else:
                    out[node.label] = wire
        factors += [self.factor(key) for key in self.rows.get(box, ())]
        return einsum(factors, [*(out[leg] for leg in legs), *crossing])

    def factor(self, key: str) -> Factor:
        """One thing on a line: its value, and the wire of each of its axes."""
        thing = self.things[key]
        ends = [(at, end) for at, end in self.ends() if end.target == key]
        if isinstance(thing, Box):
            if thing.kind == "loop":
                return self.derivative(thing, {end.axis: at for at, end in ends if end.dot})
            if thing.label in SEVERAL:
                return self.several(thing, ends)
            return self.sum(thing, ends) if thing.kind == "sum" else self.function(thing)
        if thing.kind == "text":
            return np.asarray(self.number(thing.label)), []
        if thing.kind == "copy":
            return self.dot([at for at, _ in ends])
        where = {end.axis: at for at, end in ends}
        if thing.kind == "result":
            panel = next(b for b in self.picture.boxes if b.kind == "panel" and b.label == thing.label)
            array, names = self.panel(panel)
        else:
            array, names = self.arrays[thing.label], self.axes[thing.label]
        assert sorted(where) == sorted(names)
        return array, [where[name] for name in names]

    def ends(self) -> list[tuple[int, End]]:
        """Both ends of every wire."""
        return [(at, end) for at, wire in enumerate(self.picture.wires) for end in (wire.first, wire.second)]

    def dot(self, wires: list[int]) -> Factor:
        """A dot: one where all of its indices are equal."""
        size = self.sizes[self.picture.wires[wires[0]].label.rstrip("'")]
        array = np.zeros([size] * len(wires))
        array[tuple([np.arange(size)] * len(wires))] = 1
        return array, wires

    def sum(self, box: Box, ends: list[tuple[int, End]]) -> Factor:
        """A box with terms and the signs between them."""
        names = [end.axis for _, end in ends]
        total: Array | float = 0.0
        factor = Fraction(1)
        for key in self.rows[box.key]:
            thing = self.things[key]
            if isinstance(thing, Node):
                sign, _, number = thing.label.partition(" ")
                factor = Fraction(number or 1) * (-1 if sign == "−" else 1)
                if sign not in "+−":
                    factor = Fraction(sign)
            else:
                total = total + float(factor) * self.inside(key, names)
                factor = Fraction(1)
        return np.asarray(total), [at for at, _ in ends]

    def several(self, box: Box, ends: list[tuple[int, End]]) -> Factor:
        """A box with the two tensors that an operation is of."""
        names = [end.axis for _, end in ends]
        parts = [key for key in self.rows[box.key] if isinstance(self.things[key], Box)]
        values = [self.inside(key, names) for key in parts]
        return np.vectorize(SEVERAL[box.label], otypes=[float])(*values), [at for at, _ in ends]

    def function(self, box: Box) -> Factor:
        """A box around an argument, whose wires lead through the frame."""
        crossing = []
        for at, wire in enumerate(self.picture.wires):
            first, second = (self.within(key, box.key) for key in wire.targets)
            if first != second:
                crossing.append(at)
        legs = [node.label for node in self.picture.nodes if node.kind == "leg" and node.box == box.key]
        value = self.inside(box.key, legs, crossing)
        name, _, over = box.label.partition(" over ")
        if name in _ALONG:
            assert sorted(legs) == sorted(over.split(", "))
            return _ALONG[name](value, tuple(range(len(legs)))), crossing
        if name in ("pack", "unpack"):
            made = [(end.axis, at) for at, end in self.ends() if end.target == box.key]
            return self.packing(name, value, legs, dict(made)), [*(at for _, at in made), *crossing]
        assert not legs
        if name in _SPANNING:
            labels = [self.picture.wires[at].label for at in crossing]
            return _SPANNING[name](value, tuple(labels.index(edge) for edge in over.split(", "))), crossing
        return apply(box.label, value), crossing

    def packing(self, name: str, value: Array, legs: list[str], made: Mapping[str, int]) -> Array:
        """The entries i <= j of a symmetric pair of axes, row by row, or the pair of axes from those."""
        (size,) = {self.sizes[edge] for edge in (legs if name == "pack" else made)}
        first, second = np.triu_indices(size)
        if name == "pack":
            return np.asarray(value[first, second])
        full = np.zeros((size, size, *value.shape[1:]))
        full[first, second] = full[second, first] = value
        return full

    def derivative(self, box: Box, new: Mapping[str, int]) -> Factor:
        """A loop: the derivative of what is inside, by differences; the new axes come last."""
        crossing = [
            at
            for at, wire in enumerate(self.picture.wires)
            if len({self.within(key, box.key) for key in wire.targets}) == 2
        ]
        name = box.label.removeprefix("d / d")
        value = differences(lambda: self.inside(box.key, [], crossing), self.arrays[name])
        return value, [*crossing, *(new[axis] for axis in self.axes[name])]

    def within(self, key: str, box: str) -> bool:
        """Whether a node or box is inside of a box."""
        while key:
            thing = self.things[key]
            key = thing.box if isinstance(thing, Node) else thing.parent
            if key == box:
                return True
        return False

    def number(self, text: str) -> float:
        """A number as it is written: 2, -1/3, π, |n|, 1/|n|."""
        if "|" in text:
            size = self.sizes[text.split("|")[1].rstrip("'")]
            return 1 / size if text.startswith("1/") else float(size) ** float(text.partition("^")[2] or 1)
        if "π" in text:
            return 1 / np.pi if text.startswith("1/") else np.pi ** float(text.partition("^")[2] or 1)
        return float(Fraction(text))


def _softmax(value: Array, axes: tuple[int, ...]) -> Array:
    powers = np.exp(value)
    return np.asarray(powers / powers.sum(axis=axes, keepdims=True))


def _others(value: Array, axes: tuple[int, ...]) -> Array:
    """For each entry the product of the others."""
    (axis,) = axes
    moved = np.moveaxis(value, axis, 0)
    found = [np.delete(moved, n, axis=0).prod(axis=0) for n in range(len(moved))]
    return np.moveaxis(np.array(found).reshape(moved.shape), 0, axis)


#: What sums edges away, and what keeps those that it is worked out along.
_ALONG: dict[str, Callable[[Array, tuple[int, ...]], Array]] = {
    "logsumexp": lambda value, axes: np.asarray(np.log(np.exp(value).sum(axis=axes))),
    "amax": lambda value, axes: np.asarray(value.max(axis=axes)),
    "det": lambda value, axes: np.asarray(np.linalg.det(np.moveaxis(value, axes, (-2, -1)))),
    "prod": lambda value, axes: np.asarray(value.prod(axis=axes)),
}
_SPANNING = {"softmax": _softmax, "prod_others": _others}


def differences(value: Callable[[], Array], variable: Array, step: float = 1e-4) -> Array:
    """The derivative of a value by an array that it is computed from."""
    columns = []
    for place in np.ndindex(variable.shape):
        kept = variable[place]
        sides = []
        for at in (kept + step, kept - step):
            variable[place] = at
            sides.append(value().copy())
        variable[place] = kept
        columns.append((sides[0] - sides[1]) / (2 * step))
    return np.stack(columns, axis=-1).reshape((*columns[0].shape, *variable.shape))


def einsum(factors: list[Factor], out: list[int]) -> Array:
    """The product of arrays with numbered indices, summed over those that are not wanted."""
    names = {at: n for n, at in enumerate(dict.fromkeys([*out, *(i for _, ix in factors for i in ix)]))}
    operands: list[Any] = [np.asarray(1.0), []]
    for array, indices in factors:
        operands += [array, [names[i] for i in indices]]
    return np.asarray(np.einsum(*operands, [names[i] for i in out]))


def apply(label: str, value: Array) -> Array:
    """What the label of a box says."""
    powers = {"square": 2.0, "reciprocal": -1.0, "square root": 0.5, "1 / square root": -0.5}
    if label in powers:
        return np.asarray(value ** powers[label])
    if label.startswith("power "):
        return np.asarray(value ** float(Fraction(label.removeprefix("power "))))
    return np.asarray(FUNCTIONS[label](value))

"""The second half of the layout: how high everything is, and the way of the wires.

>>> from tensorgrad_eg.diagram.picture import Box, Node, Picture
>>> picture = Picture((Node("A", "variable", "A"),), (Box("p", "panel", ""),), (), (("p", ("A",)),))
>>> structure = Structure.of(picture)
>>> line = Line(structure); _ = line.place("p", 0.0)
>>> Routing(structure, line).routed("p").points["A"].y
0.0
"""

from __future__ import annotations

from itertools import groupby

from tensorgrad_eg.diagram.geometry import NOWHERE, Curve, Frame, Layout, Point, Text, arc, straight
from tensorgrad_eg.diagram.line import Line
from tensorgrad_eg.diagram.measure import LINE, PADDING, RADIUS, SMALL_FONT, node_size, text_width
from tensorgrad_eg.diagram.picture import End
from tensorgrad_eg.diagram.structure import Structure

WORD = 7.0  # from a wire to the middle of its name
CLEAR = 9.0  # between an arc and what it passes
LOOP = 30.0  # how high the wire from a tensor to itself rises


class Routing:
    """Works from the inside out: the wires of a box are drawn when the size of all that is in it is known.

    >>> from tensorgrad_eg.diagram.picture import Picture
    >>> structure = Structure.of(Picture((), (), ()))
    >>> Routing(structure, Line(structure)).layout.curves
    {}
    """

    def __init__(self, structure: Structure, line: Line) -> None:
        self.structure, self.line = structure, line
        self.layout = Layout()
        self.wires: dict[str, list[int]] = {}
        for at, wire in enumerate(structure.wires):
            first, second = wire.targets
            if first in line.xs or first in line.spans:
                self.wires.setdefault(structure.common(first, second), []).append(at)

    def routed(self, box: str) -> Layout:
        """The layout of a panel, its line at height 0."""
        self._frame(box)
        return self.layout

    def _frame(self, box: str) -> None:
        frame = self.structure.boxes[box]
        left, right = self.line.spans[box]
        for key in self.structure.rows.get(box, ()):
            if key in self.structure.boxes:
                self._frame(key)
            else:
                self.layout.points[key] = Point(self.line.xs[key], 0.0)
        self._legs(box)
        up, down = self._height(box)
        self.layout.frames[box] = Frame(left, -down, right, up)
        up, down = self._wires(box, up, down)
        down = self._hang(box, down)
        pad = PADDING[frame.kind][1]
        label = LINE - 2 if frame.label and frame.kind != "panel" else 0.0
        self.layout.frames[box] = Frame(left, -down - pad, right, up + pad + label)

    def _legs(self, box: str) -> None:
        for side in ("left", "right"):
            keys = [key for key in self.structure.legs.get(box, ()) if self.structure.sides[key] == side]
            for at, key in enumerate(keys):
                self.layout.points[key] = Point(self.line.xs[key], ((len(keys) - 1) / 2 - at) * LINE)

    def _height(self, box: str) -> tuple[float, float]:
        """How far all that is in a box goes up and down, before its wires."""
        ups, downs = [0.0], [0.0]
        for key in (*self.structure.rows.get(box, ()), *self.structure.legs.get(box, ())):
            if key in self.layout.frames:
                ups.append(self.layout.frames[key].up)
                downs.append(-self.layout.frames[key].down)
            elif key in self.layout.points:
                half, y = node_size(self.structure.nodes[key])[1] / 2, self.layout.points[key].y
                ups.append(y + half)
                downs.append(half - y)
        return max(ups), max(downs)

    def _wires(self, box: str, up: float, down: float) -> tuple[float, float]:
        """Draw the wires between things in a box, and return how far they go up and down."""
        arcs: list[tuple[float, float, float]] = []
        numbers = [at for at in self.wires.get(box, ()) if not self._hangs(at)]
        for _, together in groupby(sorted(numbers, key=self._between), key=self._between):
            group = list(together)
            if self._direct(group[0], box):
                height = self._straight(group)
                up, down = max(up, height), max(down, height)
            else:
                for at in group:
                    height = self._arc(at, box, arcs)
                    up, down = max(up, height), max(down, -height)
        return up, down

    def _hangs(self, at: int) -> bool:
        return any(self.structure.sides.get(key) == "down" for key in self.structure.wires[at].targets)

    def _between(self, at: int) -> tuple[float, float, str, str]:
        """Short wires first; those between the same two things together."""
        keys = sorted(self.structure.wires[at].targets, key=lambda key: (self.line.middle(key), key))
        left, right = (self.line.middle(key) for key in keys)
        legs = [key for key in keys if self.structure.kind(key) == "leg"]
        return right - left, left, *(keys if legs else sorted(keys))  # type: ignore[return-value]

    def _ordered(self, at: int) -> tuple[End, End]:
        wire = self.structure.wires[at]
        first, second = sorted((wire.first, wire.second), key=lambda end: self.line.middle(end.target))
        return first, second

    def _direct(self, at: int, box: str) -> bool:
        left, right = self._ordered(at)
        if left.target == right.target:
            return False
        return self._has_leg(left, right) or self.structure.adjacent(box, left.target, right.target)

    def _has_leg(self, *ends: End) -> bool:
        return any(self.structure.kind(end.target) == "leg" for end in ends)

    def _straight(self, group: list[int]) -> float:
        """Draw wires between neighbours, and return how far they and their names go up and down."""
        height = 0.0
        for number, at in enumerate(group):
            left, right = self._ordered(at)
            bow = ((len(group) - 1) / 2 - number) * (LINE + 3)
            bow = bow if len(group) > 1 else 0.0
            start, end = self._side(left, right, bow), self._side(right, left, bow)
            level = {left.target, right.target} <= {*self.layout.frames} or self._has_leg(left, right)
            rise = 0.0 if level else bow
            curve = straight(start, end, rise - (start.y + end.y) / 2 if rise else 0.0)
            above = bow >= 0
            y = (rise or (start.y + end.y) / 2) + (WORD if above else -WORD)
            self._draw(at, curve, y, visible=self._visible(left, right))
            height = max(height, abs(y) + WORD if self.structure.words(at) else abs(bow))
        return height

    def _visible(self, left: End, right: End) -> tuple[float, float]:
        """From where to where one sees a wire between two things."""
        return self._edge(left.target, right=True), self._edge(right.target, right=False)

    def _edge(self, key: str, *, right: bool) -> float:
        if key in self.line.spans:
            return self.line.spans[key][right]
        half = node_size(self.structure.nodes[key])[0] / 2
        return self.line.xs[key] + (half if right else -half)

    def _side(self, end: End, other: End, bow: float) -> Point:
        """Where a straight wire touches a node (its middle, which the node covers), a leg or a frame."""
        key = end.target
        right = self.line.middle(other.target) > self.line.middle(key)
        if key in self.layout.frames:
            leg = self.layout.points.get(other.target) if self.structure.kind(other.target) == "leg" else None
            place = Point(self.line.spans[key][right], leg.y if leg else bow)
            if end.dot:
                self.layout.dots.append(place)
            return place
        point = self.layout.points[key]
        if self.structure.kind(key) == "leg":
            return Point(self._edge(key, right=right) + (3 if right else -3), point.y)
        return point

    def _arc(self, at: int, box: str, arcs: list[tuple[float, float, float]]) -> float:
        """Draw a wire over or under what is in its way, and return how far it and its name go."""
        left, right = self._ordered(at)
        if left.target == right.target and left.target in self.layout.points:
            return self._self_loop(at, left, arcs)
        span = self.line.middle(left.target), self.line.middle(right.target)
        ends = [self.layout.frames.get(end.target, NOWHERE) for end in (left, right)]
        above = max(self._room(box, span, 1, arcs), *(frame.up + CLEAR for frame in ends))
        below = max(self._room(box, span, -1, arcs), *(CLEAR - frame.down for frame in ends))
        sign, height = (1, above) if above <= below else (-1, below)
        arcs.append((*span, sign * height))
        curve = arc(self._top(left, sign), self._top(right, sign), sign * height)
        self._draw(at, curve, sign * (height + WORD), visible=span)
        return sign * (height + (2 * WORD if self.structure.words(at) else 0.0))

    def _self_loop(self, at: int, end: End, arcs: list[tuple[float, float, float]]) -> float:
        x = self.line.xs[end.target]
        height = LOOP + LINE * sum(known[:2] == (x, x) for known in arcs)
        arcs.append((x, x, height))
        curve: Curve = (
            Point(x, 0.0),
            Point(x - height, height / 0.75),
            Point(x + height, height / 0.75),
            Point(x, 0.0),
        )
        self._draw(at, curve, height + WORD, visible=(x, x))
        return height + 2 * WORD

    def _room(
        self, box: str, span: tuple[float, float], sign: int, arcs: list[tuple[float, float, float]]
    ) -> float:
        """How far from the line an arc must go, above (sign 1) or below (sign -1)."""
        needed = RADIUS
        for key in self.structure.line(box):
            if span[0] < self.line.middle(key) < span[1]:
                needed = max(needed, self._far(key, box, sign))
        for start, end, height in arcs:
            if height * sign > 0 and start < span[1] and end > span[0]:
                needed = max(needed, height * sign + WORD)
        return needed + CLEAR

    def _far(self, key: str, box: str, sign: int) -> float:
        """How far what is in the way goes from the line: the outermost frame around it within this box."""
        outer = self.structure.around(key)
        top = outer[outer.index(box) - 1]
        if top in self.layout.frames:
            return self.layout.frames[top].up if sign > 0 else -self.layout.frames[top].down
        return node_size(self.structure.nodes[top])[1] / 2

    def _top(self, end: End, sign: int) -> Point:
        """Where an arc touches a node (its middle) or a frame (its upper or lower side)."""
        if end.target not in self.layout.frames:
            return self.layout.points[end.target]
        frame = self.layout.frames[end.target]
        place = Point(self.line.middle(end.target), frame.up if sign > 0 else frame.down)
        if end.dot:
            self.layout.dots.append(place)
        return place

    def _hang(self, box: str, down: float) -> float:
        """Draw the legs that leave downwards, and return how far they go."""
        numbers = [at for at in self.wires.get(box, ()) if self._hangs(at)]
        for at in numbers:
            wire = self.structure.wires[at]
            leg = next(key for key in wire.targets if self.structure.sides.get(key) == "down")
            end = self.structure.other(leg)
            x = self.line.xs[leg]
            self.layout.points[leg] = Point(x, -down - LINE)
            start = Point(x, self._top(end, -1).y)
            self.layout.curves[at] = straight(start, Point(x, -down - LINE + 7))
        return down + LINE + 6 if numbers else down

    def _draw(self, at: int, curve: Curve, height: float, visible: tuple[float, float]) -> None:
        """Keep a curve, and the words on it side by side in the middle of what one sees of it."""
        self.layout.curves[at] = curve
        words = self.structure.words(at)
        widths = [text_width(word, SMALL_FONT) + 3 for word in words]
        x = sum(visible) / 2 - sum(widths) / 2
        for word, width in zip(words, widths, strict=True):
            self.layout.texts.append(Text(word, Point(x + width / 2, height)))
            x += width

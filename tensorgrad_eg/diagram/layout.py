"""Where everything goes: what a panel shows stands on one line, and boxes are frames around parts of it.

A wire between neighbours is straight; one that has to pass something is an arc above or below it. A leg
leaves to the left from the first thing on the line, to the right from the last, and downwards from what is in
between. Places are in points; x grows to the right and y upwards.

>>> from tensorgrad_eg.diagram.picture import Node, Wire
>>> picture = Picture((Node("A", "variable", "A"), Node("x", "variable", "x")), (Box("p", "panel", ""),),
...     (Wire("k", End("A"), End("x")),), (("", ("p",)), ("p", ("A", "x"))))
>>> points = lay_out(picture).points
>>> points["A"].y == points["x"].y, points["A"].x < points["x"].x
(True, True)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import NamedTuple

from tensorgrad_eg.diagram.picture import Box, End, Node, Picture

RADIUS = 13.0
LEG = 17.0  # from a tensor, or a frame, to the name of its leg
LINE = 15.0  # from one line of a text, or of wires, to the next
MARK = 6.0  # beside a sign
APART = 13.0  # between neighbours that no wire connects
SMALL_FONT, FONT_SIZE = 11, 13
_WORD = 7.0  # from a wire to the middle of its name
_CLEAR = 9.0  # between an arc and what it passes
_LOOP = 30.0  # how high the wire from a tensor to itself rises

#: Inside of a frame: to the sides, above and below.
PADDING = {
    "panel": (0.0, 3.0),
    "sum": (9.0, 6.0),
    "term": (0.0, 0.0),
    "function": (10.0, 6.0),
    "loop": (12.0, 8.0),
}

_NARROW, _WIDE = "iljtfrI.,'|()[]/ -", "mwMW@"


def text_width(text: str, size: float) -> float:
    """About how wide a text is."""
    return size * float(sum(0.33 if c in _NARROW else 0.86 if c in _WIDE else 0.58 for c in text))


def node_size(node: Node) -> tuple[float, float]:
    """Width and height of a node. Short names share one circle."""
    match node.kind:
        case "copy":
            return 6.5, 6.5
        case "leg":
            return text_width(node.label, SMALL_FONT), float(SMALL_FONT)
        case "text" | "elided":
            return text_width(node.label, 15), 15.0
    width = text_width(node.label, FONT_SIZE)
    if width <= 2 * RADIUS - 7:
        return 2 * RADIUS, 2 * RADIUS
    return width + (10 if node.kind == "result" else 18), 2 * RADIUS


class _Line:
    """The x of nodes, and the left and right side of boxes."""

    def __init__(self, picture: Picture) -> None:
        self.picture = picture
        self.xs: dict[str, float] = {}
        self.spans: dict[str, tuple[float, float]] = {}

    def place(self, box: str, start: float) -> float:
        """Place a box and all that is in it from `start` on, and return where it ends."""
        frame = self.picture.box[box]
        pad = PADDING[frame.kind][0]
        words = 0.0 if frame.kind == "panel" else text_width(frame.label, SMALL_FONT)
        end = self._inside(box, start + pad) + pad
        spare = start + words + 2 * pad - end
        if spare > 0:
            end = self._inside(box, start + pad + spare / 2) + pad + spare / 2
        self.spans[box] = start, end
        return end

    def _inside(self, box: str, x: float) -> float:
        """Place what is in a box from x on, and return where it ends."""
        frame = self.picture.box[box]
        parts = self.picture.row.get(box, ())
        before = [key for key in parts if self.picture.kind(key) == "text"] if frame.kind != "sum" else []
        rest = [key for key in parts if key not in before]
        for key in before:
            x = self._put(key, x) + MARK
        x = self._legs(self._on(box, "left"), x, 1.0, bool(rest))
        x = self._parts(rest, x)
        x = self._legs(self._on(box, "right"), x, 0.0, bool(rest))
        if before and not rest and not self.picture.legs.get(box):
            x -= MARK
        for key in self._on(box, "down"):
            self.xs[key] = self.middle(self.picture.other(key).target)
        return x

    def middle(self, key: str) -> float:
        """The x of the middle of a node or a box."""
        return self.xs[key] if key in self.xs else sum(self.spans[key]) / 2

    def _on(self, box: str, side: str) -> list[str]:
        return [key for key in self.picture.legs.get(box, ()) if self.picture.sides[key] == side]

    def _parts(self, parts: list[str], x: float) -> float:
        for before, key in pairwise(["", *parts]):
            x += self._gap(before, key) if before else 0.0
            x = self.place(key, x) if key in self.picture.box else self._put(key, x)
        return x

    def _put(self, key: str, x: float) -> float:
        width = node_size(self.picture.node[key])[0]
        self.xs[key] = x + width / 2
        return x + width

    def _legs(self, keys: list[str], x: float, align: float, attached: bool) -> float:
        """Place names of legs above each other, left of their wires (align 1) or right of them (align 0)."""
        if not keys:
            return x
        wire = LEG if attached or align else 2 * LEG
        wire = max([wire, *(self._words(self.picture.wire(key)) + 8 for key in keys)])
        widths = [node_size(self.picture.node[key])[0] for key in keys]
        x += 0.0 if align else wire
        for key, width in zip(keys, widths, strict=True):
            self.xs[key] = x + align * (max(widths) - width) + width / 2
        return x + max(widths) + (wire if align and attached else 0.0)

    def _words(self, at: int) -> float:
        return sum(text_width(word, SMALL_FONT) + 3 for word in self.picture.words(at))

    def _gap(self, left: str, right: str) -> float:
        if "text" in (self.picture.kind(left), self.picture.kind(right)):
            return MARK
        words = [
            self._words(at)
            for at, wire in enumerate(self.picture.wires)
            if self.picture.joins(wire, left, right)
        ]
        return max(18.0, max(words) + 10) if words else APART


class Point(NamedTuple):
    """A place."""

    x: float
    y: float


class _Frame(NamedTuple):
    """The outline of a box."""

    left: float
    down: float
    right: float
    up: float


NOWHERE = _Frame(0.0, 0.0, 0.0, 0.0)


class _Text(NamedTuple):
    """A word on a wire: its name, or the name that an axis has at its end."""

    text: str
    place: Point


Curve = tuple[Point, Point, Point, Point]


def _straight(start: Point, end: Point, bow: float = 0.0) -> Curve:
    """A line, or a curve that is `bow` above the line in its middle."""
    dx, dy, lift = (end.x - start.x) / 3, (end.y - start.y) / 3, bow * 4 / 3
    return start, Point(start.x + dx, start.y + dy + lift), Point(end.x - dx, end.y - dy + lift), end


def _arc(start: Point, end: Point, height: float) -> Curve:
    """A curve that leaves upwards (or downwards) and has its top at `height`."""
    return start, Point(start.x, _control(start.y, height)), Point(end.x, _control(end.y, height)), end


def _control(start: float, height: float) -> float:
    return (height - start / 4) / 0.75


@dataclass
class Layout:
    """Places of nodes, outlines of boxes, curves of wires by their number, words on wires, dots on loops."""

    points: dict[str, Point] = field(default_factory=dict)
    frames: dict[str, _Frame] = field(default_factory=dict)
    curves: dict[int, Curve] = field(default_factory=dict)
    texts: list[_Text] = field(default_factory=list)
    dots: list[Point] = field(default_factory=list)
    titles: list[_Text] = field(default_factory=list)
    bounds: _Frame = NOWHERE

    def take(self, part: Layout, dy: float) -> None:
        """Take in another layout, moved upwards."""

        def up(place: Point) -> Point:
            return Point(place.x, place.y + dy)

        self.points.update({key: up(point) for key, point in part.points.items()})
        for key, frame in part.frames.items():
            self.frames[key] = _Frame(frame.left, frame.down + dy, frame.right, frame.up + dy)
        self.curves.update({at: (up(a), up(b), up(c), up(d)) for at, (a, b, c, d) in part.curves.items()})
        self.texts += [_Text(text.text, up(text.place)) for text in part.texts]
        self.dots += map(up, part.dots)


def lay_out(picture: Picture) -> Layout:
    """Find the place of everything in a picture: its panels below each other."""
    layout = Layout()
    panels = [picture.box[key] for key in picture.row.get("", ()) if key in picture.box]
    indent = max((text_width(_title(box), FONT_SIZE) + 8 for box in panels if box.label), default=0.0)
    top = right = 0.0
    for panel in panels:
        line = _Line(picture)
        right = max(right, line.place(panel.key, indent))
        part = _Routing(picture, line).routed(panel.key)
        frame = part.frames[panel.key]
        layout.take(part, top - frame.up)
        if panel.label:
            words = _title(panel)
            place = Point(indent - 8 - text_width(words, FONT_SIZE) / 2, top - frame.up)
            layout.titles.append(_Text(words, place))
        top -= frame.up - frame.down + LINE
    if picture.note:
        width = text_width(picture.note, FONT_SIZE)
        layout.titles.append(_Text(picture.note, Point(width / 2, top)))
        right, top = max(right, width), top - 2 * LINE
    layout.bounds = _Frame(0.0, min(0.0, top + LINE), right, 0.0)
    return layout


def _title(box: Box) -> str:
    """What stands before the line of a panel."""
    return f"{box.label} =" if box.label else ""


class _Routing:
    """Works from the inside out: the wires of a box are drawn when the size of all that is in it is known."""

    def __init__(self, picture: Picture, line: _Line) -> None:
        self.picture, self.line = picture, line
        self.layout = Layout()
        self.wires: dict[str, list[int]] = {}
        self.ends: dict[int, list[End]] = {}  # the left and the right end of each wire
        for at, wire in enumerate(picture.wires):
            first, second = wire.targets
            if first in line.xs or first in line.spans:
                self.wires.setdefault(picture.common(first, second), []).append(at)
                ends = (wire.first, wire.second)
                self.ends[at] = sorted(ends, key=lambda end: line.middle(end.target))

    def routed(self, box: str) -> Layout:
        """The layout of a box, its line at height 0."""
        frame = self.picture.box[box]
        left, right = self.line.spans[box]
        for key in self.picture.row.get(box, ()):
            if key in self.picture.box:
                self.routed(key)
            else:
                self.layout.points[key] = Point(self.line.xs[key], 0.0)
        self._legs(box)
        up, down = self._height(box)
        self.layout.frames[box] = _Frame(left, -down, right, up)
        up, down = self._wires(box, up, down)
        down = self._hang(box, down)
        pad = PADDING[frame.kind][1]
        label = LINE - 2 if frame.label and frame.kind != "panel" else 0.0
        self.layout.frames[box] = _Frame(left, -down - pad, right, up + pad + label)
        return self.layout

    def _legs(self, box: str) -> None:
        for side in ("left", "right"):
            keys = [key for key in self.picture.legs.get(box, ()) if self.picture.sides[key] == side]
            for at, key in enumerate(keys):
                self.layout.points[key] = Point(self.line.xs[key], ((len(keys) - 1) / 2 - at) * LINE)

    def _height(self, box: str) -> tuple[float, float]:
        """How far all that is in a box goes up and down, before its wires."""
        ups, downs = [0.0], [0.0]
        for key in (*self.picture.row.get(box, ()), *self.picture.legs.get(box, ())):
            if key in self.layout.frames:
                ups.append(self.layout.frames[key].up)
                downs.append(-self.layout.frames[key].down)
            elif key in self.layout.points:
                half, y = node_size(self.picture.node[key])[1] / 2, self.layout.points[key].y
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
        return any(self.picture.sides.get(key) == "down" for key in self.picture.wires[at].targets)

    def _between(self, at: int) -> tuple[float, float, list[str]]:
        """Short wires first; those between the same two things together."""
        left, right = (end.target for end in self.ends[at])
        start, end = self.line.middle(left), self.line.middle(right)
        return end - start, start, [left, right] if self._has_leg(at) else sorted([left, right])

    def _direct(self, at: int, box: str) -> bool:
        left, right = (end.target for end in self.ends[at])
        return left != right and (self._has_leg(at) or self.picture.adjacent(box, left, right))

    def _has_leg(self, at: int) -> bool:
        return "leg" in map(self.picture.kind, self.picture.wires[at].targets)

    def _straight(self, group: list[int]) -> float:
        """Draw wires between neighbours, and return how far they and their names go up and down."""
        height = 0.0
        for number, at in enumerate(group):
            left, right = self.ends[at]
            bow = ((len(group) - 1) / 2 - number) * (LINE + 3)
            start, end = self._side(left, right, bow), self._side(right, left, bow)
            level = {left.target, right.target} <= {*self.layout.frames} or self._has_leg(at)
            rise = 0.0 if level else bow
            curve = _straight(start, end, rise - (start.y + end.y) / 2 if rise else 0.0)
            y = (rise or (start.y + end.y) / 2) + (_WORD if bow >= 0 else -_WORD)
            visible = self._edge(left.target, right=True), self._edge(right.target, right=False)
            self._draw(at, curve, y, visible)
            height = max(height, abs(y) + _WORD if self.picture.words(at) else abs(bow))
        return height

    def _edge(self, key: str, *, right: bool) -> float:
        if key in self.line.spans:
            return self.line.spans[key][right]
        half = node_size(self.picture.node[key])[0] / 2
        return self.line.xs[key] + (half if right else -half)

    def _side(self, end: End, other: End, bow: float) -> Point:
        """Where a straight wire touches a node (its middle, which the node covers), a leg or a frame."""
        key = end.target
        right = self.line.middle(other.target) > self.line.middle(key)
        if key in self.layout.frames:
            leg = self.layout.points.get(other.target) if self.picture.kind(other.target) == "leg" else None
            place = Point(self.line.spans[key][right], leg.y if leg else bow)
            if end.dot:
                self.layout.dots.append(place)
            return place
        point = self.layout.points[key]
        if self.picture.kind(key) == "leg":
            return Point(self._edge(key, right=right) + (3 if right else -3), point.y)
        return point

    def _arc(self, at: int, box: str, arcs: list[tuple[float, float, float]]) -> float:
        """Draw a wire over or under what is in its way, and return how far it and its name go."""
        left, right = self.ends[at]
        if left.target == right.target and left.target in self.layout.points:
            return self._self_loop(at, left, arcs)
        span = self.line.middle(left.target), self.line.middle(right.target)
        ends = [self.layout.frames.get(end.target, NOWHERE) for end in (left, right)]
        above = max(self._room(box, span, 1, arcs), *(frame.up + _CLEAR for frame in ends))
        below = max(self._room(box, span, -1, arcs), *(_CLEAR - frame.down for frame in ends))
        sign, height = (1, above) if above <= below else (-1, below)
        arcs.append((*span, sign * height))
        curve = _arc(self._top(left, sign), self._top(right, sign), sign * height)
        self._draw(at, curve, sign * (height + _WORD), span)
        return sign * (height + (2 * _WORD if self.picture.words(at) else 0.0))

    def _self_loop(self, at: int, end: End, arcs: list[tuple[float, float, float]]) -> float:
        x = self.line.xs[end.target]
        height = _LOOP + LINE * sum(known[:2] == (x, x) for known in arcs)
        arcs.append((x, x, height))
        middle, rise = Point(x, 0.0), height / 0.75
        curve = middle, Point(x - height, rise), Point(x + height, rise), middle
        self._draw(at, curve, height + _WORD, (x, x))
        return height + 2 * _WORD

    def _room(
        self, box: str, span: tuple[float, float], sign: int, arcs: list[tuple[float, float, float]]
    ) -> float:
        """How far from the line an arc must go, above (sign 1) or below (sign -1)."""
        needed = RADIUS
        for key in self.picture.line(box):
            if span[0] < self.line.middle(key) < span[1]:
                needed = max(needed, self._far(key, box, sign))
        for start, end, height in arcs:
            if height * sign > 0 and start < span[1] and end > span[0]:
                needed = max(needed, height * sign + _WORD)
        return needed + _CLEAR

    def _far(self, key: str, box: str, sign: int) -> float:
        """How far what is in the way goes from the line: the outermost frame around it within this box."""
        outer = self.picture.around(key)
        top = outer[outer.index(box) - 1]
        if top in self.layout.frames:
            return self.layout.frames[top].up if sign > 0 else -self.layout.frames[top].down
        return node_size(self.picture.node[top])[1] / 2

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
            wire = self.picture.wires[at]
            leg = next(key for key in wire.targets if self.picture.sides.get(key) == "down")
            end = self.picture.other(leg)
            x = self.line.xs[leg]
            self.layout.points[leg] = Point(x, -down - LINE)
            start = Point(x, self._top(end, -1).y)
            self.layout.curves[at] = _straight(start, Point(x, -down - LINE + 7))
        return down + LINE + 6 if numbers else down

    def _draw(self, at: int, curve: Curve, height: float, visible: tuple[float, float]) -> None:
        """Keep a curve, and the words on it side by side in the middle of what one sees of it."""
        self.layout.curves[at] = curve
        words = self.picture.words(at)
        widths = [text_width(word, SMALL_FONT) + 3 for word in words]
        x = sum(visible) / 2 - sum(widths) / 2
        for word, width in zip(words, widths, strict=True):
            self.layout.texts.append(_Text(word, Point(x + width / 2, height)))
            x += width

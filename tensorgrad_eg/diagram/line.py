"""The first half of the layout: how large things are, and what is how far to the right, in points.

>>> from tensorgrad_eg.diagram.picture import Box
>>> picture = Picture((Node("A", "variable", "A"),), (Box("p", "panel", ""),), (), (("p", ("A",)),))
>>> line = Line(picture); end = line.place("p", 0.0)
>>> line.xs["A"] == end / 2
True
"""

from __future__ import annotations

from itertools import pairwise

from tensorgrad_eg.diagram.picture import Node, Picture

RADIUS = 13.0
LEG = 17.0  # from a tensor, or a frame, to the name of its leg
LINE = 15.0  # from one line of a text, or of wires, to the next
MARK = 6.0  # beside a sign
APART = 13.0  # between neighbours that no wire connects
SMALL_FONT, FONT_SIZE = 11, 13

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
    """About how wide a text is.

    >>> text_width("", 12)
    0.0
    """
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


class Line:
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

"""The first half of the layout: what is how far to the right.

>>> from tensorgrad_eg.diagram.picture import Box, Node, Picture
>>> picture = Picture((Node("A", "variable", "A"),), (Box("p", "panel", ""),), (), (("p", ("A",)),))
>>> line = Line(Structure.of(picture)); end = line.place("p", 0.0)
>>> line.xs["A"] == end / 2
True
"""

from __future__ import annotations

from itertools import pairwise

from tensorgrad_eg.diagram.measure import APART, LEG, PADDING, SMALL_FONT, node_size, text_width
from tensorgrad_eg.diagram.structure import Structure

MARK = 6.0  # beside a sign


class Line:
    """The x of nodes, and the left and right side of boxes.

    >>> from tensorgrad_eg.diagram.picture import Picture
    >>> Line(Structure.of(Picture((), (), ()))).xs
    {}
    """

    def __init__(self, structure: Structure) -> None:
        self.structure = structure
        self.xs: dict[str, float] = {}
        self.spans: dict[str, tuple[float, float]] = {}

    def place(self, box: str, start: float) -> float:
        """Place a box and all that is in it from `start` on, and return where it ends."""
        frame = self.structure.boxes[box]
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
        frame = self.structure.boxes[box]
        parts = self.structure.rows.get(box, ())
        before = [key for key in parts if self.structure.kind(key) == "text"] if frame.kind != "sum" else []
        rest = [key for key in parts if key not in before]
        for key in before:
            x = self._put(key, x) + MARK
        x = self._legs(self._on(box, "left"), x, 1.0, bool(rest))
        x = self._parts(rest, x)
        x = self._legs(self._on(box, "right"), x, 0.0, bool(rest))
        if before and not rest and not self.structure.legs.get(box):
            x -= MARK
        for key in self._on(box, "down"):
            self.xs[key] = self.middle(self.structure.other(key).target)
        return x

    def middle(self, key: str) -> float:
        """The x of the middle of a node or a box."""
        return self.xs[key] if key in self.xs else sum(self.spans[key]) / 2

    def _on(self, box: str, side: str) -> list[str]:
        return [key for key in self.structure.legs.get(box, ()) if self.structure.sides[key] == side]

    def _parts(self, parts: list[str], x: float) -> float:
        for before, key in pairwise(["", *parts]):
            x += self._gap(before, key) if before else 0.0
            x = self.place(key, x) if key in self.structure.boxes else self._put(key, x)
        return x

    def _put(self, key: str, x: float) -> float:
        width = node_size(self.structure.nodes[key])[0]
        self.xs[key] = x + width / 2
        return x + width

    def _legs(self, keys: list[str], x: float, align: float, attached: bool) -> float:
        """Place names of legs above each other, left of their wires (align 1) or right of them (align 0)."""
        if not keys:
            return x
        wire = LEG if attached or align else 2 * LEG
        wire = max([wire, *(self._words(self.structure.wire(key)) + 8 for key in keys)])
        widths = [node_size(self.structure.nodes[key])[0] for key in keys]
        x += 0.0 if align else wire
        for key, width in zip(keys, widths, strict=True):
            self.xs[key] = x + align * (max(widths) - width) + width / 2
        return x + max(widths) + (wire if align and attached else 0.0)

    def _words(self, at: int) -> float:
        return sum(text_width(word, SMALL_FONT) + 3 for word in self.structure.words(at))

    def _gap(self, left: str, right: str) -> float:
        if "text" in (self.structure.kind(left), self.structure.kind(right)):
            return MARK
        words = [
            self._words(at)
            for at, wire in enumerate(self.structure.wires)
            if self.structure.joins(wire, left, right)
        ]
        return max(18.0, max(words) + 10) if words else APART

"""Whole diagrams below each other, each with its name, and the marks that all of them are made of.

>>> page = Page()
>>> box, wires = page.panel("t1", ["i"])
>>> page.place("variable", "x", [(wires["i"], "i")], box)
'x'
>>> [node.kind for node in page.sketch.finish().nodes]
['leg', 'variable']
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

from tensorgrad_eg.diagram.sketch import Sketch, Wires

#: More marks than this make no picture; the rest is left out, and the picture says so.
MOST_NODES = 240

_POWERS = {
    Fraction(2): "square",
    Fraction(-1): "reciprocal",
    Fraction(1, 2): "square root",
    Fraction(-1, 2): "1 / square root",
}


def power_label(exponent: Fraction) -> str:
    """What a box around something that is raised to a power says.

    >>> power_label(Fraction(2)), power_label(Fraction(3))
    ('square', 'power 3')
    """
    return _POWERS.get(exponent, f"power {exponent}")


def sign(factor: Fraction, first: bool) -> str:
    """What stands before a term of a sum.

    >>> sign(Fraction(1), True), sign(Fraction(1), False), sign(Fraction(-1, 2), False)
    ('', '+', '− 1/2')
    """
    number = "" if abs(factor) == 1 else str(abs(factor))
    mark = "−" if factor < 0 else "" if first else "+"
    return f"{mark} {number}".strip()


class Page:
    """A sketch that is filled panel by panel, within a limit.

    >>> Page().full
    False
    """

    def __init__(self, most: int = MOST_NODES) -> None:
        self.sketch = Sketch()
        self.most = most
        self.left_out = 0

    @property
    def full(self) -> bool:
        """Whether the limit is reached.

        >>> Page(most=0).full
        True
        """
        return len(self.sketch.nodes) >= self.most

    def panel(self, name: str, edges: Iterable[str]) -> tuple[str, dict[str, int]]:
        """Begin a panel: its box, and a wire with a leg for each edge.

        >>> Page().panel("loss", [])
        ('loss', {})
        """
        box = self.sketch.box("panel", name)
        self.sketch.row("", [box])
        return box, self.stubs(edges, box)

    def stubs(self, edges: Iterable[str], box: str) -> dict[str, int]:
        """Wires that end in a leg each, inside of a box.

        >>> Page().stubs(["i", "k"], "")
        {'i': 0, 'k': 1}
        """
        wires = self.sketch.wires(edges, box)
        for edge, wire in wires.items():
            self.sketch.leg(wire, edge, box)
        return wires

    def inner(self, edges: Iterable[str], outer: Wires, frame: str) -> dict[str, int]:
        """Wires inside of a frame, called as they are outside.

        >>> page = Page()
        >>> page.sketch.label(page.inner(["i"], {"i": page.sketch.wire("row")}, "")["i"])
        'row'
        """
        found: dict[str, int] = {}
        for edge in edges:
            name = self.sketch.label(outer[edge])
            while name in map(self.sketch.label, found.values()):
                name += "'"
            found[edge] = self.sketch.wire(name, frame)
        return found

    def place(self, kind: str, label: str, axes: Sequence[tuple[int, str]], box: str) -> str:
        """Add a node with its wires, given with the name of the axis at which each arrives.

        >>> Page().place("text", "2", [], "")
        '2'
        """
        key = self.sketch.node(kind, label, box)
        for wire, axis in axes:
            self.sketch.attach(wire, key, axis)
        return key

    def omit(self, axes: Sequence[tuple[int, str]], box: str) -> str:
        """Put an ellipsis in the place of something.

        >>> Page().omit([], "")
        '…'
        """
        self.left_out += 1
        return self.place("elided", "…", axes, box)

    def row(self, parts: Sequence[str], factor: Fraction, box: str) -> None:
        """Put the parts of a product side by side, its numbers first."""
        if factor != 1 or not parts:
            parts = (self.place("text", str(factor), [], box), *parts)
        self.sketch.row(box, sorted(parts, key=lambda key: not self._is_text(key)))

    def _is_text(self, key: str) -> bool:
        return key in self.sketch.nodes and self.sketch.nodes[key].kind == "text"

    def note(self) -> str:
        """Say how much was left out, if anything was.

        >>> Page().note()
        ''
        """
        parts = f"{self.left_out} part{'s' if self.left_out > 1 else ''}"
        return f"{len(self.sketch.nodes)} marks are shown, {parts} left out (…)" if self.left_out else ""

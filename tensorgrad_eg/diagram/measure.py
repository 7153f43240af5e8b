"""Lengths, in points: how large marks and texts are, and how much room they want.

>>> text_width("ab", 10) > text_width("a", 10)
True
"""

from __future__ import annotations

from tensorgrad_eg.diagram.picture import Node

RADIUS = 13.0
LEG = 17.0  # from a tensor, or a frame, to the name of its leg
LINE = 15.0  # from one line of a text, or of wires, to the next
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
    """Width and height of a node. Short names share one circle.

    >>> node_size(Node("x", "variable", "x")) == (2 * RADIUS, 2 * RADIUS)
    True
    """
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

"""Where everything goes: what a panel shows stands on one line, and boxes are frames around parts of it.

A wire between neighbours is straight; one that has to pass something is an arc above or below it. A leg
leaves to the left from the first thing on the line, to the right from the last, and downwards from what is in
between.

>>> from tensorgrad_eg.diagram.picture import End, Node, Wire
>>> picture = Picture((Node("A", "variable", "A"), Node("x", "variable", "x")), (Box("p", "panel", ""),),
...     (Wire("k", End("A"), End("x")),), (("", ("p",)), ("p", ("A", "x"))))
>>> points = lay_out(picture).points
>>> points["A"].y == points["x"].y, points["A"].x < points["x"].x
(True, True)
"""

from __future__ import annotations

from tensorgrad_eg.diagram.geometry import Frame, Layout, Point, Text
from tensorgrad_eg.diagram.line import Line
from tensorgrad_eg.diagram.measure import FONT_SIZE, LINE, text_width
from tensorgrad_eg.diagram.picture import Box, Picture
from tensorgrad_eg.diagram.routing import Routing
from tensorgrad_eg.diagram.structure import Structure


def lay_out(picture: Picture) -> Layout:
    """Find the place of everything in a picture: its panels below each other.

    >>> lay_out(Picture((), (), ())).frames
    {}
    """
    layout, structure = Layout(), Structure.of(picture)
    panels = [structure.boxes[key] for key in structure.rows.get("", ()) if key in structure.boxes]
    indent = max((text_width(title(box), FONT_SIZE) + 8 for box in panels if box.label), default=0.0)
    top = right = 0.0
    for panel in panels:
        line = Line(structure)
        right = max(right, line.place(panel.key, indent))
        part = Routing(structure, line).routed(panel.key)
        frame = part.frames[panel.key]
        layout.take(part, top - frame.up)
        if panel.label:
            words = title(panel)
            place = Point(indent - 8 - text_width(words, FONT_SIZE) / 2, top - frame.up)
            layout.titles.append(Text(words, place))
        top -= frame.up - frame.down + LINE
    if picture.note:
        width = text_width(picture.note, FONT_SIZE)
        layout.titles.append(Text(picture.note, Point(width / 2, top)))
        right, top = max(right, width), top - 2 * LINE
    layout.bounds = Frame(0.0, min(0.0, top + LINE), right, 0.0)
    return layout


def title(box: Box) -> str:
    """What stands before the line of a panel.

    >>> title(Box("p", "panel", "loss"))
    'loss ='
    """
    return f"{box.label} =" if box.label else ""

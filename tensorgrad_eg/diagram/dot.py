"""The picture in DOT, the language of Graphviz, with every place filled in: ``neato -n2`` draws it.

How each mark looks is in tables. The colours, of Okabe and Ito, are told apart by all; the shape says the
same again. The same picture is the same text, to the byte.

>>> from tensorgrad_eg.diagram.picture import End
>>> nodes = (Node("A", "variable", "A", "p"), Node("i", "leg", "i", "p"))
>>> wires = (Wire("i", End("i"), End("A", "i")),)
>>> print(to_dot(Picture(nodes, (Box("p", "panel", ""),), wires, (("", ("p",)), ("p", ("A",))))))
// neato -n2 -Tsvg
digraph {
    graph [bb=... ...]
    ...
        A [label=A ...]
        i [label=i ...]
    }
    i -> A [pos="..."]
}
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tensorgrad_eg.diagram.layout import Point, lay_out
from tensorgrad_eg.diagram.line import FONT_SIZE, LINE, SMALL_FONT, node_size, text_width
from tensorgrad_eg.diagram.picture import Box, Node, Picture, Wire

if TYPE_CHECKING:
    from graphviz import Digraph

_SKY, _GREEN, _YELLOW, _ORANGE, _VERMILION, _BLUE = (
    *("#56B4E9", "#009E73", "#F0E442", "#E69F00"),
    *("#D55E00", "#0072B2"),
)
_INK = "#1A1A1A"  # what is written on a colour; all other ink takes the colour of the text around the picture
_FONT = "Helvetica"

Look = dict[str, str]

_TEXT: Look = {"shape": "plaintext", "fixedsize": "false", "margin": "0"}
_COLOURED: Look = {"style": "filled", "color": _INK, "fontcolor": _INK}

NODES: dict[str, Look] = {
    "variable": {**_COLOURED, "shape": "circle", "fillcolor": _SKY},
    "wanted": {**_COLOURED, "shape": "circle", "fillcolor": _YELLOW, "penwidth": "2.5"},
    "result": {**_COLOURED, "shape": "box", "style": "filled,rounded", "fillcolor": _ORANGE},
    "copy": {"shape": "point"},
    "leg": {**_TEXT, "fontsize": "11"},
    "text": {**_TEXT, "fontsize": "15"},
    "elided": {**_TEXT, "fontsize": "15"},
}
BOXES: dict[str, Look] = {
    "panel": {"color": "none", "penwidth": "0"},
    "sum": {"color": _BLUE, "style": "solid", "penwidth": "1.2"},
    "term": {"color": "none", "penwidth": "0"},
    "function": {"color": _GREEN, "style": "rounded,dashed", "penwidth": "1.2", "fontcolor": _GREEN},
    "loop": {"color": _VERMILION, "style": "rounded", "penwidth": "3", "fontcolor": _VERMILION},
}
#: Names on wires, names of panels, and the dot where a leg starts on a loop.
_WORD: Look = {**_TEXT, "fontsize": "11", "width": "0.1", "height": "0.1"}
_TITLE: Look = {**_TEXT, "width": "0.1", "height": "0.1"}
_DOT: Look = {"shape": "point", "width": "0.1", "height": "0.1", "color": _VERMILION}


def to_dot(picture: Picture) -> str:
    """Write a picture as a directed graph whose directions mean nothing."""
    from graphviz import Digraph

    writer = _Writer(picture)
    graph = Digraph(
        comment="neato -n2 -Tsvg",
        graph_attr={
            "bb": _numbers(*writer.layout.bounds),
            "bgcolor": "transparent",
            "outputorder": "edgesfirst",  # wires reach to the middle of the nodes, which are drawn over them
            "pad": "0.1",
            "fontname": _FONT,
            "fontsize": str(SMALL_FONT),
        },
        node_attr={"fontname": _FONT, "fontsize": str(FONT_SIZE), "fixedsize": "true"},
        edge_attr={"dir": "none"},
    )
    writer.write(graph)
    return str(graph.source)


class _Writer:
    def __init__(self, picture: Picture) -> None:
        self.picture, self.layout = picture, lay_out(picture)

    def write(self, graph: Digraph) -> None:
        for box in self.picture.boxes:
            if not box.parent:
                self._box(graph, box)
        for at, wire in enumerate(self.picture.wires):
            if at in self.layout.curves:
                self._wire(graph, wire, " ".join(_numbers(*point) for point in self.layout.curves[at]))
        # Words on wires, dots on loops and titles of panels: marks with a place and nothing else.
        for at, text in enumerate(self.layout.texts):
            _mark(graph, f"word {at}", text.text, text.place, _WORD)
        for at, dot in enumerate(self.layout.dots):
            _mark(graph, f"dot {at}", "", dot, _DOT)
        for at, text in enumerate(self.layout.titles):
            _mark(graph, f"title {at}", text.text, text.place, _TITLE)

    def _box(self, graph: Digraph, box: Box) -> None:
        frame = self.layout.frames[box.key]
        look = {"label": "", "bb": _numbers(*frame), **BOXES[box.kind]}
        if box.label and box.kind != "panel":
            width = text_width(box.label, SMALL_FONT)
            look["label"] = _escaped(box.label)
            look["lp"] = _numbers(frame.left + 7 + width / 2, frame.up - LINE / 2 - 1)
        with graph.subgraph(name=f"cluster {_key(box.key)}") as inside:
            inside.attr(**look)
            for node in self.picture.nodes:
                if node.box == box.key and node.key in self.layout.points:
                    self._node(inside, node)
            for inner in self.picture.boxes:
                if inner.parent == box.key:
                    self._box(inside, inner)

    def _node(self, graph: Digraph, node: Node) -> None:
        width, height = node_size(node)
        look = {**NODES[node.kind], "width": _numbers(width / 72), "height": _numbers(height / 72)}
        if node.kind in ("variable", "wanted") and width > height:
            look["shape"] = "ellipse"
        _mark(graph, node.key, node.label, self.layout.points[node.key], look)

    def _wire(self, graph: Digraph, wire: Wire, curve: str) -> None:
        """A wire to a frame is one to a node within, for Graphviz: what counts is its curve."""
        first, second = (_key(self._anchor(key)) for key in wire.targets)
        graph.edge(first, second, pos=curve)

    def _anchor(self, key: str) -> str:
        boxes = [key]
        boxes += [box.key for box in self.picture.boxes if key in self.picture.around(box.key)]
        return next((node.key for node in self.picture.nodes if node.key == key or node.box in boxes), key)


def _mark(graph: Digraph, key: str, label: str, place: Point, look: Look) -> None:
    graph.node(_key(key), _escaped(label), pos=_numbers(*place), **look)


def _numbers(*values: float) -> str:
    return ",".join(f"{round(value, 2) + 0.0:g}" for value in values)


def _key(text: str) -> str:
    """A key as DOT reads it back: after a colon it would name a side of the node."""
    return _escaped(text.replace("%", "%25").replace(":", "%3A"))


def _escaped(text: str) -> str:
    from graphviz import escape

    return str(escape(text.replace("\n", " ")))

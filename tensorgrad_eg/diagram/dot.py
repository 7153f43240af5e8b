"""The picture in DOT, the language of Graphviz, with every place filled in: ``neato -n2`` draws it.

The same picture is the same text, to the byte.

>>> from tensorgrad_eg.diagram.picture import Box, End, Node, Wire
>>> nodes = (Node("A", "variable", "A", "p"), Node("i", "leg", "i", "p"))
>>> wires = (Wire("i", End("i"), End("A", "i")),)
>>> print(to_dot(Picture(nodes, (Box("p", "panel", ""),), wires, (("", ("p",)), ("p", ("A",))))))
// neato -n2 -Tsvg
digraph {
  graph [bb=..., ...]
  ...
    "A" [label="A", ...]
    "i" [label="i", ...]
  }
  "i" -> "A" [pos="..."]
}
"""

from __future__ import annotations

from collections.abc import Iterator

from tensorgrad_eg.diagram.geometry import Frame, Layout, Point
from tensorgrad_eg.diagram.layout import lay_out
from tensorgrad_eg.diagram.measure import FONT_SIZE, LINE, SMALL_FONT, node_size, text_width
from tensorgrad_eg.diagram.palette import BOXES, DOT, FONT, NODES, TITLE, WORD, Attributes
from tensorgrad_eg.diagram.picture import Box, Node, Picture, Wire


def to_dot(picture: Picture) -> str:
    """Write a picture as a directed graph whose directions mean nothing.

    >>> to_dot(Picture((), (), ())).splitlines()[0]
    '// neato -n2 -Tsvg'
    """
    return "\n".join(_Writer(picture, lay_out(picture)).lines()) + "\n"


class _Writer:
    def __init__(self, picture: Picture, layout: Layout) -> None:
        self.picture, self.layout = picture, layout
        self.panels = [box for box in picture.boxes if not box.parent]

    def lines(self) -> Iterator[str]:
        # Wires reach to the middle of the nodes, which are drawn over them.
        graph = {
            "bb": ",".join(map(_number, self.layout.bounds)),
            "bgcolor": "transparent",
            "outputorder": "edgesfirst",
            "pad": "0.1",
        }
        yield "// neato -n2 -Tsvg"
        yield "digraph {"
        yield f"  graph {_attributes({**graph, 'fontname': FONT, 'fontsize': str(SMALL_FONT)})}"
        yield f"  node {_attributes({'fontname': FONT, 'fontsize': str(FONT_SIZE), 'fixedsize': 'true'})}"
        yield f"  edge {_attributes({'dir': 'none'})}"
        for box in self.panels:
            yield from self._box(box, 1)
        for at, wire in enumerate(self.picture.wires):
            if at in self.layout.curves:
                yield f"  {self._wire(at, wire)}"
        yield from self._extras()
        yield "}"

    def _box(self, box: Box, depth: int) -> Iterator[str]:
        indent = "  " * depth
        frame = self.layout.frames[box.key]
        yield f"{indent}subgraph {_quote(f'cluster {box.key}')} {{"
        yield from (f"{indent}  {name}={_quote(value)}" for name, value in self._frame(box, frame).items())
        for node in self.picture.nodes:
            if node.box == box.key and node.key in self.layout.points:
                yield f"{indent}  {self._node(node)}"
        for inner in self.picture.boxes:
            if inner.parent == box.key:
                yield from self._box(inner, depth + 1)
        yield f"{indent}}}"

    def _frame(self, box: Box, frame: Frame) -> Attributes:
        look = {"label": "", "bb": ",".join(map(_number, frame)), **BOXES[box.kind]}
        if box.label and box.kind != "panel":
            width = text_width(box.label, SMALL_FONT)
            look["label"] = box.label
            look["lp"] = _place(Point(frame.left + 7 + width / 2, frame.up - LINE / 2 - 1))
        return look

    def _node(self, node: Node) -> str:
        width, height = node_size(node)
        look = {"label": node.label, "pos": _place(self.layout.points[node.key]), **NODES[node.kind]}
        if node.kind in ("variable", "wanted") and width > height:
            look["shape"] = "ellipse"
        return f"{_quote(node.key)} {_attributes({**look, **_inches(width, height)})}"

    def _wire(self, at: int, wire: Wire) -> str:
        """A wire to a frame is one to a node within, for Graphviz: what counts is its curve."""
        ends = (_quote(self._anchor(key)) for key in wire.targets)
        curve = " ".join(map(_place, self.layout.curves[at]))
        return f"{' -> '.join(ends)} {_attributes({'pos': curve})}"

    def _anchor(self, key: str) -> str:
        boxes = [key]
        for box in self.picture.boxes:
            if box.parent in boxes:
                boxes.append(box.key)
        return next((node.key for node in self.picture.nodes if node.key == key or node.box in boxes), key)

    def _extras(self) -> Iterator[str]:
        """Words on wires, dots on loops and titles of panels: marks with a place and nothing else."""
        for at, text in enumerate(self.layout.texts):
            look = {"label": text.text, "pos": _place(text.place), **WORD}
            yield f"  {_quote(f'word {at}')} {_attributes(look)}"
        for at, dot in enumerate(self.layout.dots):
            yield f"  {_quote(f'dot {at}')} {_attributes({'label': '', 'pos': _place(dot), **DOT})}"
        for at, text in enumerate(self.layout.titles):
            look = {"label": text.text, "pos": _place(text.place), **TITLE}
            yield f"  {_quote(f'title {at}')} {_attributes(look)}"


def _place(point: Point) -> str:
    return f"{_number(point.x)},{_number(point.y)}"


def _number(value: float) -> str:
    return f"{round(value, 2) + 0.0:g}"


def _inches(width: float, height: float) -> Attributes:
    return {"width": _number(width / 72), "height": _number(height / 72)}


def _attributes(values: Attributes) -> str:
    return f"[{', '.join(f'{name}={_quote(value)}' for name, value in values.items())}]"


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    return f'"{escaped}"'

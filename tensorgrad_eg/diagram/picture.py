"""A picture as a value, before anything knows how it will be drawn: nodes, wires between them, boxes around.

The notation is Penrose's. A tensor is a node and each of its edges a wire; a wire that joins two tensors is
summed over, a wire that ends in a leg is free. Wires have two ends: where more meet, or only one, there
is a copy node, the black dot. What is done to a whole subdiagram (a function, a sum, a derivative) is a box
around it.

>>> A, leg = Node("A", "variable", "A"), Node("i", "leg", "i")
>>> picture = Picture((A, leg), (), (Wire("i", End("i"), End("A")),))
>>> picture.kind("A")
'variable'
"""

from __future__ import annotations

from dataclasses import dataclass

#: variable: a given tensor. result: a tensor that another panel defines. leg: where a free wire ends.
#: copy: the black dot. text: a number or a sign. elided: what was left out.
NODE_KINDS = ("variable", "wanted", "result", "leg", "copy", "text", "elided")
#: panel: one whole diagram of several. loop: Penrose's derivative.
BOX_KINDS = ("panel", "sum", "term", "function", "loop")


@dataclass(frozen=True)
class Node:
    """A mark with a label, inside the box of that key (or outside of all boxes).

    A `wanted` node is a variable inside a loop that differentiates by it.

    >>> Node("A", "variable", "A").box
    ''
    """

    key: str
    kind: str
    label: str
    box: str = ""


@dataclass(frozen=True)
class Box:
    """A frame around nodes and other boxes, inside the box `parent`.

    >>> Box("tanh", "function", "tanh").parent
    ''
    """

    key: str
    kind: str
    label: str
    parent: str = ""


@dataclass(frozen=True)
class End:
    """Where a wire ends: at a node, or at the frame of a box; `axis` is the name the edge has there.

    `dot` marks a leg that a derivative adds: it starts on the loop with a filled dot.

    >>> End("A", "i")
    End(target='A', axis='i', dot=False)
    """

    target: str
    axis: str = ""
    dot: bool = False


@dataclass(frozen=True)
class Wire:
    """An edge, with its two ends.

    >>> Wire("k", End("A"), End("x")).label
    'k'
    """

    label: str
    first: End
    second: End

    @property
    def targets(self) -> tuple[str, str]:
        """The nodes or boxes at its ends.

        >>> Wire("k", End("A"), End("x")).targets
        ('A', 'x')
        """
        return self.first.target, self.second.target


@dataclass(frozen=True)
class Picture:
    """Everything there is to draw. `rows` has a pair for each box: its key, and what is in it, left to right.

    The key of the outermost row is "". Legs are in no row: they leave where there is room. `note` tells what
    is not shown, and `description` is the picture in words.

    >>> Picture((Node("x", "variable", "x"),), (), (), (("", ("x",)),)).row("")
    ('x',)
    """

    nodes: tuple[Node, ...]
    boxes: tuple[Box, ...]
    wires: tuple[Wire, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...] = ()
    description: str = ""
    note: str = ""

    def row(self, box: str) -> tuple[str, ...]:
        """What is in a box, from left to right.

        >>> Picture((), (), ()).row("")
        ()
        """
        return dict(self.rows).get(box, ())

    def kind(self, key: str) -> str:
        """The kind of the node or of the box of this key.

        >>> Picture((Node("x", "variable", "x"),), (), ()).kind("x")
        'variable'
        """
        kinds = {node.key: node.kind for node in self.nodes} | {box.key: box.kind for box in self.boxes}
        return kinds[key]

"""A picture as a value, before anything knows how it will be drawn: nodes, wires between them, boxes around.

The notation is Penrose's. A tensor is a node and each of its edges a wire; a wire that joins two tensors is
summed over, a wire that ends in a leg is free. Wires have two ends: where more meet, or only one, there
is a copy node, the black dot. What is done to a whole subdiagram (a function, a sum, a derivative) is a box
around it.

>>> A, leg = Node("A", "variable", "A"), Node("i", "leg", "i")
>>> picture = Picture((A, leg), (), (Wire("i", End("i"), End("A")),), (("", ("A",)),))
>>> picture.kind("A"), picture.sides
('variable', {'i': 'left'})
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

#: variable: a given tensor. result: a tensor that another panel defines. leg: where a free wire ends.
#: copy: the black dot. text: a number or a sign. elided: what was left out.
NODE_KINDS = ("variable", "wanted", "result", "leg", "copy", "text", "elided")
#: panel: one whole diagram of several. loop: Penrose's derivative.
BOX_KINDS = ("panel", "sum", "term", "function", "loop")


@dataclass(frozen=True)
class Node:
    """A mark with a label, inside the box of that key (or outside of all boxes).

    A `wanted` node is a variable inside a loop that differentiates by it.
    """

    key: str
    kind: str
    label: str
    box: str = ""


@dataclass(frozen=True)
class Box:
    """A frame around nodes and other boxes, inside the box `parent`."""

    key: str
    kind: str
    label: str
    parent: str = ""


@dataclass(frozen=True)
class End:
    """Where a wire ends: at a node, or at the frame of a box; `axis` is the name the edge has there.

    `dot` marks a leg that a derivative adds: it starts on the loop with a filled dot.
    """

    target: str
    axis: str = ""
    dot: bool = False


@dataclass(frozen=True)
class Wire:
    """An edge, with its two ends."""

    label: str
    first: End
    second: End

    @property
    def targets(self) -> tuple[str, str]:
        """The nodes or boxes at its ends."""
        return self.first.target, self.second.target


@dataclass(frozen=True)
class Picture:
    """Everything there is to draw. `rows` has a pair for each box: its key, and what is in it, left to right.

    The key of the outermost row is "". Legs are in no row: they leave where there is room. `note` tells what
    is not shown, and `description` is the picture in words.
    """

    nodes: tuple[Node, ...]
    boxes: tuple[Box, ...]
    wires: tuple[Wire, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...] = ()
    description: str = ""
    note: str = ""

    @cached_property
    def node(self) -> dict[str, Node]:
        """The nodes by key."""
        return {node.key: node for node in self.nodes}

    @cached_property
    def box(self) -> dict[str, Box]:
        """The boxes by key."""
        return {box.key: box for box in self.boxes}

    @cached_property
    def row(self) -> dict[str, tuple[str, ...]]:
        """What is in each box, from left to right."""
        return dict(self.rows)

    @cached_property
    def legs(self) -> dict[str, list[str]]:
        """The legs in each box."""
        legs: dict[str, list[str]] = {}
        for node in self.nodes:
            if node.kind == "leg":
                legs.setdefault(node.box, []).append(node.key)
        return legs

    @cached_property
    def sides(self) -> dict[str, str]:
        """On which side each leg leaves: left, right or down."""
        sides = {}
        for box, keys in self.legs.items():
            line = [key for key in self.line(box) if self.kind(key) != "text"]
            ended = box in self.box and self.kind(box) == "function"
            for at, key in enumerate(keys):
                sides[key] = self._side(key, line, 2 * at < len(keys) and not ended)
        return sides

    def kind(self, key: str) -> str:
        """The kind of a node or of a box."""
        return self.node[key].kind if key in self.node else self.box[key].kind

    def _parent(self, key: str) -> str:
        """The box around a node or around a box."""
        return self.node[key].box if key in self.node else self.box[key].parent

    def around(self, key: str) -> list[str]:
        """The thing itself, the box around it, the one around that, and so on to the outermost row."""
        found = [key]
        while found[-1]:
            found.append(self._parent(found[-1]))
        return found

    def common(self, first: str, second: str) -> str:
        """The innermost box around both; neither of them is that box itself."""
        outer = set(self.around(second)[1:])
        return next(key for key in self.around(first)[1:] if key in outer)

    def line(self, box: str) -> list[str]:
        """What stands on the line inside of a box: nodes, and of a sum the whole frame."""
        found: list[str] = []
        for key in self.row.get(box, ()):
            found += [key] if key in self.node or self.box[key].kind == "sum" else self.line(key)
        return found

    def wire(self, leg: str) -> int:
        """The number of the wire of a leg."""
        return next(at for at, wire in enumerate(self.wires) if leg in wire.targets)

    def other(self, key: str) -> End:
        """The other end of the wire of a leg."""
        wire = self.wires[self.wire(key)]
        return wire.second if wire.first.target == key else wire.first

    def joins(self, wire: Wire, left: str, right: str) -> bool:
        """Whether a wire goes from within (or from) the one thing to the other."""
        first, second = (self.around(key) for key in wire.targets)
        return (left in first and right in second) or (left in second and right in first)

    def adjacent(self, box: str, left: str, right: str) -> bool:
        """Whether nothing stands between two things on the line of a box."""
        line = self.line(box)
        first, second = ([line.index(key) for key in self._own(end)] for end in (left, right))
        return max(first) + 1 == min(second)

    def words(self, at: int) -> list[str]:
        """What is written on a wire: its name, between the names of its axes where they differ."""
        wire = self.wires[at]
        kinds = [self.kind(key) for key in wire.targets]
        name = [] if "leg" in kinds or self._named_at_dot(at) else [wire.label]
        tags = [self._tag(wire, end) for end in (wire.first, wire.second)]
        return [*tags[0], *name, *tags[1]]

    def _named_at_dot(self, at: int) -> bool:
        """Whether another wire of the same dot shows the name."""
        for key in self.wires[at].targets:
            if self.kind(key) == "copy":
                spokes = [number for number, wire in enumerate(self.wires) if key in wire.targets]
                legs = any("leg" in map(self.kind, self.wires[number].targets) for number in spokes)
                return legs or at != spokes[0]
        return False

    def _tag(self, wire: Wire, end: End) -> list[str]:
        tensor = self.kind(end.target) in ("variable", "wanted", "result")
        return [f"({end.axis})"] if tensor and end.axis not in ("", wire.label.rstrip("'")) else []

    def _own(self, key: str) -> list[str]:
        """What of the line belongs to a thing: all that is in a loop, else itself."""
        return self.line(key) if self.kind(key) in ("loop", "function") else [key]

    def _side(self, leg: str, line: list[str], early: bool) -> str:
        end = self.other(leg)
        if self.kind(end.target) == "leg":
            return "left" if early else "right"
        own = self._own(end.target)
        first, last = line[:1] == own[:1], line[-1:] == own[-1:]
        if end.dot:
            return "right" if last else "down"
        if first and last:
            return "left" if early else "right"
        return "left" if first else "right" if last else "down"

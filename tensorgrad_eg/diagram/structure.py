"""What lies in what, and on which side a leg leaves.

>>> nodes = (Node("A", "variable", "A"), Node("i", "leg", "i"))
>>> picture = Picture(nodes, (), (Wire("i", End("A"), End("i")),), (("", ("A",)),))
>>> Structure.of(picture).sides["i"]
'left'
"""

from __future__ import annotations

from dataclasses import dataclass

from tensorgrad_eg.diagram.picture import Box, End, Node, Picture, Wire


@dataclass(frozen=True)
class Structure:
    """A picture with its look-ups: nodes and boxes by key, rows, what each box holds, the sides of the legs.

    >>> Structure.of(Picture((), (), ())).nodes
    {}
    """

    nodes: dict[str, Node]
    boxes: dict[str, Box]
    rows: dict[str, tuple[str, ...]]
    wires: tuple[Wire, ...]
    legs: dict[str, list[str]]
    sides: dict[str, str]

    @classmethod
    def of(cls, picture: Picture) -> Structure:
        """Look everything up once."""
        nodes = {node.key: node for node in picture.nodes}
        legs: dict[str, list[str]] = {}
        for node in picture.nodes:
            if node.kind == "leg":
                legs.setdefault(node.box, []).append(node.key)
        structure = cls(
            nodes, {box.key: box for box in picture.boxes}, dict(picture.rows), picture.wires, legs, {}
        )
        for box, keys in legs.items():
            line = [key for key in structure.line(box) if structure.kind(key) != "text"]
            ended = box in structure.boxes and structure.kind(box) == "function"
            for at, key in enumerate(keys):
                structure.sides[key] = structure._side(key, line, 2 * at < len(keys) and not ended)
        return structure

    def kind(self, key: str) -> str:
        """The kind of a node or of a box."""
        return self.nodes[key].kind if key in self.nodes else self.boxes[key].kind

    def parent(self, key: str) -> str:
        """The box around a node or around a box."""
        return self.nodes[key].box if key in self.nodes else self.boxes[key].parent

    def around(self, key: str) -> list[str]:
        """The thing itself, the box around it, the one around that, and so on to the outermost row.

        >>> structure = Structure.of(Picture((Node("x", "variable", "x", "b"),), (Box("b", "sum", ""),), ()))
        >>> structure.around("x")
        ['x', 'b', '']
        """
        found = [key]
        while found[-1]:
            found.append(self.parent(found[-1]))
        return found

    def common(self, first: str, second: str) -> str:
        """The innermost box around both; neither of them is that box itself."""
        outer = set(self.around(second)[1:])
        return next(key for key in self.around(first)[1:] if key in outer)

    def line(self, box: str) -> list[str]:
        """What stands on the line inside of a box: nodes, and of a sum the whole frame."""
        found: list[str] = []
        for key in self.rows.get(box, ()):
            found += [key] if key in self.nodes or self.boxes[key].kind == "sum" else self.line(key)
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
        """Whether nothing stands between two things on the line of a box.

        >>> nodes = tuple(Node(key, "variable", key) for key in "abc")
        >>> structure = Structure.of(Picture(nodes, (), (), (("", ("a", "b", "c")),)))
        >>> structure.adjacent("", "a", "b"), structure.adjacent("", "a", "c")
        (True, False)
        """
        line = self.line(box)
        first, second = ([line.index(key) for key in self._own(end)] for end in (left, right))
        return max(first) + 1 == min(second)

    def words(self, at: int) -> list[str]:
        """What is written on a wire: the name of the edge, between the names of its axes where they differ.

        >>> wire = Wire("k", End("A", "i"), End("x", "k"))
        >>> nodes = (Node("A", "variable", "A"), Node("x", "variable", "x"))
        >>> Structure.of(Picture(nodes, (), (wire,), (("", ("A", "x")),))).words(0)
        ['(i)', 'k']
        """
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

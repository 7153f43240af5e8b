"""A picture in the making: wires that do not yet know all of their ends.

Whoever draws a tensor is handed one wire an edge and attaches the tensor to them; an identity joins two.
Only when everything is there does `finish` see which wires need a black dot.

>>> sketch = Sketch()
>>> k = sketch.wire("k")
>>> sketch.attach(k, sketch.node("variable", "A")); sketch.attach(k, sketch.node("variable", "x"))
>>> [wire.targets for wire in sketch.finish().wires]
[('A', 'x')]
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tensorgrad_eg.diagram.picture import Box, End, Node, Picture, Wire

Wires = Mapping[str, int]  # edge name -> wire


class Sketch:
    """The nodes, boxes and wires so far.

    >>> Sketch().finish().nodes
    ()
    """

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.boxes: dict[str, Box] = {}
        self.rows: dict[str, list[str]] = {}  # what is in each box, from left to right
        self._labels: list[str] = []
        self._homes: list[str] = []  # the box in which a wire belongs
        self._ends: list[list[End]] = []
        self._joined: list[int] = []  # a wire that became part of another one
        self._done: set[int] = set()  # wires that have their dot

    def node(self, kind: str, label: str, box: str = "") -> str:
        """Add a node and return its key.

        >>> sketch = Sketch()
        >>> sketch.node("variable", "A"), sketch.node("variable", "A")
        ('A', 'A 2')
        """
        key = self._key(label or kind)
        self.nodes[key] = Node(key, kind, label, box)
        return key

    def box(self, kind: str, label: str, parent: str = "") -> str:
        """Add a box and return its key.

        >>> Sketch().box("function", "tanh")
        'tanh'
        """
        key = self._key(label or kind)
        self.boxes[key] = Box(key, kind, label, parent)
        return key

    def wire(self, label: str, box: str = "") -> int:
        """Add a wire without ends that belongs in a box.

        >>> Sketch().wire("i")
        0
        """
        self._labels.append(label)
        self._homes.append(box)
        self._ends.append([])
        self._joined.append(len(self._joined))
        return len(self._joined) - 1

    def wires(self, edges: Iterable[str], box: str = "") -> dict[str, int]:
        """Add one wire an edge.

        >>> Sketch().wires(["i", "k"])
        {'i': 0, 'k': 1}
        """
        return {edge: self.wire(edge, box) for edge in edges}

    def attach(self, wire: int, target: str, axis: str = "", *, dot: bool = False) -> None:
        """Let a wire end at a node or at the frame of a box."""
        wire = self._root(wire)
        self._ends[wire].append(End(target, axis or self._labels[wire], dot))

    def join(self, first: int, second: int) -> None:
        """Make one wire of two: what the identity does. It belongs where the outer one does."""
        first, second = self._root(first), self._root(second)
        if first == second:
            return
        if self._depth(second) < self._depth(first):
            first, second = second, first
        self._joined[second] = first
        self._ends[first] += self._ends[second]

    def leg(self, wire: int, label: str, box: str) -> None:
        """Let a wire end free, under a name."""
        self.attach(wire, self.node("leg", label, box))

    def seal(self, inner: Wires, outer: Wires, box: str) -> None:
        """Lead the wires inside a box, whose row is complete, through its frame; dots stay inside."""
        groups: dict[int, list[int]] = {}
        for edge, wire in inner.items():
            groups.setdefault(self._root(wire), []).append(outer[edge])
        for root, outside in groups.items():
            if len(self._ends[root]) == 1 and len(outside) == 1:
                self.join(outside[0], root)
                continue
            copy = self._copy(root, box)
            for wire in outside:
                self.attach(wire, copy)

    def finish(self, description: str = "", note: str = "") -> Picture:
        """The picture: every wire with two ends, and what is right of what."""
        for wire in self._roots():
            if len(self._ends[wire]) != 2:
                self._copy(wire, self._homes[wire])
        wires = tuple(Wire(self._labels[root], *self._ends[root]) for root in self._roots())
        rows = tuple((box, tuple(parts)) for box, parts in self.rows.items())
        return Picture(tuple(self.nodes.values()), tuple(self.boxes.values()), wires, rows, description, note)

    def row(self, box: str, parts: Iterable[str]) -> None:
        """Put these things side by side in a box, right of what is in it already."""
        self.rows.setdefault(box, []).extend(parts)

    def _stand(self, copy: str, box: str, ends: Sequence[End]) -> None:
        """Put a dot right of the first thing that it is tied to, or left where its wire is shorter so."""
        row = self.rows.setdefault(box, [])
        tied = [part for part in (self._part(end.target, row) for end in ends) if part]
        place = min(map(row.index, tied)) if tied else len(row)
        lone = ends[0].target if len(ends) == 1 and tied else ""
        left = lone and self._outer(tied[0], 0) == lone != self._outer(tied[0], -1)
        row.insert(place if left else place + 1, copy)

    def _outer(self, key: str, side: int) -> str:
        """The first (side 0) or the last (side -1) thing on the line inside of something."""
        while key in self.boxes and self.boxes[key].kind != "sum" and self.rows.get(key):
            key = self.rows[key][side]
        return key

    def _part(self, key: str, row: Sequence[str]) -> str:
        """The member of a row in which something lies, if it does."""
        while key and key not in row:
            key = self.boxes[key].parent if key in self.boxes else self.nodes[key].box
        return key

    def _copy(self, wire: int, box: str) -> str:
        """Put a dot where the ends of a wire meet, and a wire of its own from there to each end."""
        copy = self._key("copy")
        self.nodes[copy] = Node(copy, "copy", "", box)
        self._done.add(wire)
        for end in self._ends[wire]:
            spoke = self.wire(self._labels[wire], box)
            self._ends[spoke] = [end, End(copy, self._labels[wire])]
        self._stand(copy, box, self._ends[wire])
        return copy

    def _roots(self) -> list[int]:
        every = range(len(self._joined))
        return [wire for wire in every if self._joined[wire] == wire and wire not in self._done]

    def _root(self, wire: int) -> int:
        while self._joined[wire] != wire:
            wire = self._joined[wire]
        return wire

    def _depth(self, wire: int) -> int:
        depth, box = 0, self._homes[wire]
        while box:
            depth, box = depth + 1, self.boxes[box].parent
        return depth

    def _key(self, label: str) -> str:
        key, count = label, 1
        while key in self.nodes or key in self.boxes:
            count += 1
            key = f"{label} {count}"
        return key

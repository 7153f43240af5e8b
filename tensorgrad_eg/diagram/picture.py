"""A picture as a value, before anything knows how it will be drawn: nodes, wires between them, boxes around.

The notation is Penrose's. A tensor is a node and each of its edges a wire; a wire that joins two tensors is
summed over, a wire that ends in a leg is free. Wires have two ends: where more meet, or only one, there
is a copy node, the black dot. What is done to a whole subdiagram (a function, a sum, a derivative) is a box
around it.

In a picture in the making, wires do not yet know all of their ends. Whoever draws a tensor is handed one wire
an edge and attaches the tensor to them; an identity joins two. Only `finish` sees which need a black dot.

>>> sketch = Sketch()
>>> k = sketch.wire("k")
>>> ends = [sketch.attach(k, sketch.place("variable", name)) for name in ("A", "x")]
>>> [wire.targets for wire in sketch.finish().wires]
[('A', 'x')]
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

#: variable: a given tensor. result: a tensor that another panel defines. leg: where a free wire ends.
#: copy: the black dot. text: a number or a sign. elided: what was left out.
NODE_KINDS = ("variable", "wanted", "result", "leg", "copy", "text", "elided")
#: panel: one whole diagram of several. loop: Penrose's derivative.
BOX_KINDS = ("panel", "sum", "term", "function", "loop")
Wires = Mapping[str, int]  # edge name -> wire
#: More marks than this make no picture; the rest is left out, and the picture says so.
MOST_NODES = 240


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


class Sketch:
    """The nodes, boxes and wires so far."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.boxes: dict[str, Box] = {}
        self.rows: dict[str, list[str]] = {}  # what is in each box, from left to right
        self._labels: list[str] = []
        self._homes: list[str] = []  # the box in which a wire belongs
        self._ends: list[list[End]] = []
        self._over: dict[str, list[End]] = {}  # what a function sums over: where that leads through its frame
        self._joined: list[int] = []  # a wire that became part of another one
        self._done: set[int] = set()  # wires that have their dot
        self.left_out = 0  # parts that are not shown

    def place(self, kind: str, label: str, box: str = "", axes: Iterable[tuple[int, str]] = ()) -> str:
        """Add a node, and let wires end there, each at the axis of a name; return its key."""
        key = self._key(label or kind)
        self.nodes[key] = Node(key, kind, label, box)
        for wire, axis in axes:
            self.attach(wire, key, axis)
        return key

    def box(self, kind: str, label: str, parent: str = "") -> str:
        """Add a box and return its key."""
        key = self._key(label or kind)
        self.boxes[key] = Box(key, kind, label, parent)
        return key

    def wire(self, label: str, box: str = "") -> int:
        """Add a wire without ends that belongs in a box."""
        self._labels.append(label)
        self._homes.append(box)
        self._ends.append([])
        self._joined.append(len(self._joined))
        return len(self._joined) - 1

    def wires(self, edges: Iterable[str], box: str = "") -> dict[str, int]:
        """Add one wire an edge."""
        return {edge: self.wire(edge, box) for edge in edges}

    def summed(self, edges: Iterable[str], around: Wires, box: str = "") -> dict[str, int]:
        """Add one wire an edge, called differently from the wires that are there already."""
        return self._apart({edge: edge for edge in edges}, map(self._label, around.values()), box)

    def inner(self, edges: Iterable[str], outer: Wires, frame: str) -> dict[str, int]:
        """Wires inside of a frame, called as they are outside."""
        return self._apart({edge: self._label(outer[edge]) for edge in edges}, (), frame)

    def _apart(self, names: Mapping[str, str], taken: Iterable[str], box: str) -> dict[str, int]:
        used, found = set(taken), {}
        for edge, name in names.items():
            while name in used:
                name += "'"
            used.add(name)
            found[edge] = self.wire(name, box)
        return found

    def _label(self, wire: int) -> str:
        return self._labels[self._root(wire)]

    def attach(self, wire: int, target: str, axis: str = "", *, dot: bool = False) -> End:
        """Let a wire end at a node or at the frame of a box, and return its end."""
        wire = self._root(wire)
        end = End(target, axis or self._labels[wire], dot)
        self._ends[wire].append(end)
        return end

    def join(self, first: int, second: int) -> None:
        """Make one wire of two: what the identity does. It belongs where the outer one does."""
        first, second = self._root(first), self._root(second)
        if first == second:
            return
        if self._depth(second) < self._depth(first):
            first, second = second, first
        self._joined[second] = first
        self._ends[first] += self._ends[second]

    def seal(self, inner: Wires, outer: Wires, box: str, over: Iterable[str] = ()) -> None:
        """Lead the wires inside a box, whose row is complete, through its frame; dots stay inside.

        The label of the box will name the wires `over`.
        """
        ends: dict[str, End] = {}
        groups: dict[int, list[str]] = {}
        for edge, wire in inner.items():
            groups.setdefault(self._root(wire), []).append(edge)
        for root, edges in groups.items():
            if len(self._ends[root]) == 1 and len(edges) == 1:
                ends[edges[0]] = self._ends[root][0]
                self.join(outer[edges[0]], root)
                continue
            copy = self._copy(root, box)
            for edge in edges:
                ends[edge] = self.attach(outer[edge], copy)
        self._over[box] = [ends[edge] for edge in over]

    @property
    def full(self) -> bool:
        """Whether the limit is reached."""
        return len(self.nodes) >= MOST_NODES

    def panel(self, name: str, edges: Iterable[str]) -> tuple[str, dict[str, int]]:
        """Begin a panel: its box, and a wire with a leg for each edge."""
        box = self.box("panel", name)
        self.row("", [box])
        return box, self.stubs(edges, box)

    def stubs(self, edges: Iterable[str], box: str) -> dict[str, int]:
        """Wires that end in a leg each, inside of a box."""
        wires = self.wires(edges, box)
        for edge, wire in wires.items():
            self.attach(wire, self.place("leg", edge, box))
        return wires

    def omit(self, box: str, axes: Iterable[tuple[int, str]]) -> str:
        """Put an ellipsis in the place of something."""
        self.left_out += 1
        return self.place("elided", "…", box, axes)

    def product(self, parts: Sequence[str], factor: Fraction, box: str) -> None:
        """Put the parts of a product side by side, its numbers first."""
        if factor != 1 or not parts:
            parts = (self.place("text", str(factor), box), *parts)
        self.row(box, sorted(parts, key=lambda key: not self._is_text(key)))

    def _is_text(self, key: str) -> bool:
        return key in self.nodes and self.nodes[key].kind == "text"

    def _note(self) -> str:
        """Say how much was left out, if anything was."""
        parts = f"{self.left_out} part{'s' if self.left_out > 1 else ''}"
        return f"{len(self.nodes)} marks are shown, {parts} left out (…)" if self.left_out else ""

    def finish(self, description: str = "") -> Picture:
        """The picture: every wire with two ends, and what is right of what."""
        note = self._note()
        for wire in self._roots():
            if not self._ends[wire]:
                self._count(wire, self._homes[wire])
            elif len(self._ends[wire]) != 2 or self._turns_back(wire):
                self._copy(wire, self._homes[wire])
        wires = tuple(Wire(self._labels[root], *self._ends[root]) for root in self._roots())
        rows = tuple((box, tuple(parts)) for box, parts in self.rows.items())
        boxes = tuple(self._labelled(box, wires) for box in self.boxes.values())
        return Picture(tuple(self.nodes.values()), boxes, wires, rows, description, note)

    def _labelled(self, box: Box, wires: Iterable[Wire]) -> Box:
        over = {id(end) for end in self._over.get(box.key, ())}
        names = sorted(wire.label for wire in wires if {id(wire.first), id(wire.second)} & over)
        return replace(box, label=f"{box.label} over {', '.join(names)}") if names else box

    def _turns_back(self, wire: int) -> bool:
        """Whether a wire belongs outside of a frame, but would stay inside without a dot to keep it out."""
        row, targets = self.rows.get(self._homes[wire], ()), [end.target for end in self._ends[wire]]
        first, second = (self._part(target, row) for target in targets)
        return first == second and first in self.boxes and {*targets} != {first}

    def row(self, box: str, parts: Iterable[str]) -> None:
        """Put these things side by side in a box, right of what is in it already."""
        self.rows.setdefault(box, []).extend(parts)

    def _count(self, wire: int, box: str) -> None:
        """An edge that nothing has is summed by counting: write its size."""
        self._done.add(wire)
        self.rows.setdefault(box, []).insert(0, self.place("text", f"|{self._labels[wire]}|", box))

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

    def _part(self, key: str, row: Collection[str]) -> str:
        """The member of a row in which something lies, if it does."""
        while key and key not in row:
            key = self.boxes[key].parent if key in self.boxes else self.nodes[key].box
        return key

    def _copy(self, wire: int, box: str) -> str:
        """Put a dot where the ends of a wire meet, and a wire of its own from there to each end."""
        copy = self._key("copy")
        self.nodes[copy] = Node(copy, "copy", "", box)
        self._done.add(wire)
        parts: list[str] = []
        for end in self._ends[wire]:
            # Two that lead into one frame have different names there.
            part = self._part(end.target, self.rows.get(box, ()))
            spoke = self.wire(self._labels[wire] + "'" * parts.count(part), box)
            parts += [part] if part in self.boxes else []
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

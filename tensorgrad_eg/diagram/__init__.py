"""Pictures of expressions and of plans, in Penrose's notation, that show themselves.

In a notebook, in a file, or as text where nothing can draw. A product is drawn flat: all of its tensors side
by side, whatever the order of the contractions. A function, a sum or a derivative is a box around what it is
of. Of a program, what is read once is drawn where it is read, so that it looks like the formula that it
computes.

>>> from tensorgrad_eg import Variable
>>> A, x = Variable("A", ["i", "k"]), Variable("x", ["k"])
>>> print(draw(A @ x))
Σ_k A[i,k] x[k]
>>> draw(A @ x).dot.splitlines()[1], draw(A @ x).svg()[:4]
('digraph {', '<svg')
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Generic, NamedTuple, TypeVar

from tensorgrad_eg.diagram.display import Diagram
from tensorgrad_eg.diagram.picture import Picture, Sketch
from tensorgrad_eg.emit import Compiled
from tensorgrad_eg.errors import OperandError
from tensorgrad_eg.expr import (
    Add,
    Apply,
    Constant,
    Derivative,
    Extent,
    Power,
    Rename,
    Scale,
    Tangent,
    Tensor,
    Variable,
    brief,
    children,
    operation,
    postorder,
)
from tensorgrad_eg.expr.operations import OPERATIONS
from tensorgrad_eg.program import PACKING, Operand, Output, Program

Env = Mapping[str, int]  # edge -> wire
Drawable = Tensor | Compiled | Program | Mapping[str, Tensor] | Sequence[Tensor]
T = TypeVar("T")

#: An expression of at most this many nodes is drawn in full; in a larger one, what is shared gets a panel.
SMALL = 60
#: So many boxes within boxes are drawn; of a program, what is deeper than the other number gets a panel.
_DEEPEST, _DEEPEST_OF_PROGRAMS = 40, 3
#: What is drawn as part of a product.
_FLAT = ("contract", "reduce", "scale", "number", "rename")
_PLAIN = ("constant", "delta")

_POWERS = {
    Fraction(2): "square",
    Fraction(-1): "reciprocal",
    Fraction(1, 2): "square root",
    Fraction(-1, 2): "1 / square root",
}


class _Mark(NamedTuple):
    """A given tensor, or one that has a panel of its own: its kind and label, and the names of its axes."""

    kind: str
    label: str
    axes: tuple[str, ...]


class _Reading(NamedTuple, Generic[T]):
    """What an operation reads, and what its axes are called there; `factor` counts in a sum."""

    thing: T
    edges: tuple[str, ...]
    factor: Fraction = Fraction(1)


class _Look(NamedTuple, Generic[T]):
    """An operation to be drawn: its edges, what it reads, and what its box says."""

    operation: str
    edges: tuple[str, ...]
    reads: tuple[_Reading[T], ...]
    over: tuple[str, ...] = ()
    number: Fraction = Fraction(1)
    label: str = ""


class _Drawing(ABC, Generic[T]):
    """A walk from results to what they are made of, for expressions (T: tensors) and programs (T: names)."""

    def __init__(self) -> None:
        self.sketch = Sketch()
        self.depth = 0

    @abstractmethod
    def edges(self, thing: T) -> tuple[str, ...]:
        """The edges of something, in order."""

    @abstractmethod
    def mark(self, thing: T, defining: bool) -> _Mark | None:
        """How something is drawn as a single node; what a panel is `defining` is drawn in full there."""

    @abstractmethod
    def look(self, thing: T) -> _Look[T]:
        """The operation that something is."""

    def product(self, thing: T, env: Env, box: str, *, defining: bool = False) -> None:
        """Draw a product flat."""
        sketch, parts, factor = self.sketch, list[str](), Fraction(1)
        todo = [(thing, env, defining)]
        while todo:
            at, wires, defined = todo.pop()
            if mark := self.mark(at, defined):
                ends = [(wires[edge], axis) for edge, axis in zip(self.edges(at), mark.axes, strict=True)]
                parts.append(sketch.place(mark.kind, mark.label, box, ends))
                continue
            look = self.look(at)
            if look.operation == "delta":
                sketch.join(*(wires[edge] for edge in look.edges))
            elif look.operation in _FLAT:
                factor *= look.number
                inner = {**wires, **sketch.summed(look.over, wires, box)}
                todo += [(each.thing, self.env(each, inner), False) for each in reversed(look.reads)]
            else:
                parts.append(self._part(at, look, wires, box))
        if parts or factor != 1 or not env:
            sketch.product(parts, factor, box)

    def env(self, reading: _Reading[T], wires: Env) -> dict[str, int]:
        """The wires of what is read, by its own edges."""
        read = [wires[edge] for edge in reading.edges]
        return dict(zip(self.edges(reading.thing), read, strict=True))

    def _part(self, thing: T, look: _Look[T], env: Env, box: str) -> str:
        if look.operation == "constant":
            return self.sketch.place("text", look.label, box)
        if self.sketch.full or self.depth > _DEEPEST:
            return self.sketch.omit(box, [(env[edge], edge) for edge in look.edges])
        self.depth += 1
        key = self.box(thing, look, env, box)
        self.depth -= 1
        return key

    def box(self, thing: T, look: _Look[T], env: Env, box: str) -> str:
        """Draw an operation that is no product."""
        if look.operation == "add" or len(look.reads) > 1:
            return self._sum(look, env, box)
        entry = OPERATIONS.get(look.operation)
        spans = look.over if entry and entry.spans else ()
        gone = f" over {', '.join(look.over)}" if look.over and not spans else ""
        frame = self.sketch.box("function", look.label or look.operation + gone, box)
        self.through(look.reads[0], env, frame, spans)
        return frame

    def _sum(self, look: _Look[T], env: Env, box: str) -> str:
        """Draw a sum, or what another operation is of, side by side."""
        name = "" if look.operation == "add" else look.operation
        frame = self.sketch.box("function" if name else "sum", name, box)
        for edge, wire in env.items():
            self.sketch.attach(wire, frame, edge)
        parts: list[str] = []
        for at, term in enumerate(look.reads):
            mark = "," if name and at else _sign(term.factor, at == 0)
            parts += [self.sketch.place("text", mark, frame)] if mark else []
            inner = self.sketch.box("term", "", frame)
            parts.append(inner)
            ended = [edge for edge in term.edges if edge not in env]  # what is summed: it ends in the box
            self.product(term.thing, self.env(term, self.sketch.stubs([*env, *ended], inner)), inner)
        self.sketch.row(frame, parts)
        return frame

    def through(self, reading: _Reading[T], env: Env, frame: str, over: Sequence[str] = ()) -> None:
        """Draw inside a box whose wires lead through its frame.

        What it sums or packs ends there in a leg, what comes of that begins at the frame.
        """
        labels = list(dict.fromkeys(reading.edges))
        for label in [label for label in env if label not in labels]:
            self.sketch.attach(env[label], frame, label)
        inner = self.sketch.inner([label for label in labels if label in env], env, frame)
        ended = self.sketch.stubs([label for label in labels if label not in env], frame)
        self.product(reading.thing, self.env(reading, {**inner, **ended}), frame)
        self.sketch.seal(inner, env, frame, over)


def _power(exponent: Fraction) -> str:
    return _POWERS.get(exponent, f"power {exponent}")


def _sign(factor: Fraction, first: bool) -> str:
    """What stands before a term of a sum."""
    number = "" if abs(factor) == 1 else str(abs(factor))
    mark = "−" if factor < 0 else "" if first else "+"
    return f"{mark} {number}".strip()


def from_expressions(named: Mapping[str, Tensor]) -> Picture:
    """Draw expressions below each other, each under its name; an empty name is not shown."""
    shared = _shared(named)
    drawing = _Expressions(shared)
    for name, tensor in {**named, **{name: node for node, name in shared.items()}}.items():
        if drawing.sketch.full:
            drawing.sketch.left_out += 1
            continue
        box, wires = drawing.sketch.panel(name, tensor.edges)
        drawing.product(tensor, wires, box, defining=True)
    texts = [(name, brief(tensor, 200)) for name, tensor in named.items()]
    return drawing.sketch.finish("; ".join(f"{name} = {text}" if name else text for name, text in texts))


def _shared(named: Mapping[str, Tensor]) -> dict[Tensor, str]:
    """What gets a panel of its own, with its name: in a large expression, everything that is used twice."""
    order = postorder(named.values())
    size: dict[Tensor, int] = {}
    for node in order:
        size[node] = 1 + sum(size[part] for part in children(node))
    if sum(size[tensor] for tensor in named.values()) <= SMALL:
        return {}
    uses = Counter(part for node in order for part in children(node))
    often = [node for node in order if uses[node] > 1 and size[node] > 3 and node not in named.values()]
    taken = {node.name for node in order if isinstance(node, Variable)} | set(named)
    names = (f"t{at}" for at in range(1, len(often) + len(taken) + 1) if f"t{at}" not in taken)
    return dict(zip(often, names, strict=False))


class _Expressions(_Drawing[Tensor]):
    def __init__(self, shared: Mapping[Tensor, str]) -> None:
        super().__init__()
        self.shared = shared
        self.wanted: tuple[str, ...] = ()  # variables of the derivatives around

    def edges(self, thing: Tensor) -> tuple[str, ...]:
        return thing.edges

    def mark(self, thing: Tensor, defining: bool) -> _Mark | None:
        if thing in self.shared and not defining:
            return _Mark("result", self.shared[thing], thing.edges)
        if isinstance(thing, Variable):
            return _Mark("wanted" if thing.name in self.wanted else "variable", thing.name, thing.edges)
        return None

    def look(self, thing: Tensor) -> _Look[Tensor]:
        name, payload = operation(thing)
        reads = tuple(_Reading(part, part.edges) for part in children(thing))
        label = ""
        match thing:
            case Constant() | Extent():
                return _Look("constant", (), (), label=str(thing))
            case Power(Constant() | Extent() as arg, exponent):
                return _Look("constant", (), (), label=f"1/{arg}" if exponent == -1 else str(thing))
            case Add():
                reads = tuple(_term(each.thing) for each in reads)
            case Rename(arg, mapping):
                new = dict(mapping)
                reads = (_Reading(arg, tuple(new.get(edge, edge) for edge in arg.edges)),)
            case Apply(function):
                label = function
            case Power(_, exponent):
                label = _power(exponent)
        over = tuple(sorted(payload)) if isinstance(payload, frozenset) else ()
        number = payload if isinstance(payload, Fraction) else Fraction(1)
        return _Look(name, thing.edges, reads, over, number, label)

    def box(self, thing: Tensor, look: _Look[Tensor], env: Env, box: str) -> str:
        match thing:
            case Derivative(_, wrt, names):
                return self._loop(look, wrt, [env[name] for name in names], env, box)
            case Tangent(_, wrt):
                wires = self.sketch.wires(wrt.edges, box)
                key = self._loop(look, wrt, list(wires.values()), env, box)
                direction = look.reads[2]
                self.product(direction.thing, self.env(direction, wires), box)
                return key
        return super().box(thing, look, env, box)

    def _loop(self, look: _Look[Tensor], wrt: Variable, new: list[int], env: Env, box: str) -> str:
        frame = self.sketch.box("loop", f"d / d{wrt.name}", box)
        for edge, wire in zip(wrt.edges, new, strict=True):
            self.sketch.attach(wire, frame, edge, dot=True)
        before, self.wanted = self.wanted, (*self.wanted, wrt.name)
        arg = look.reads[0]
        self.through(arg, {edge: env[edge] for edge in arg.edges}, frame)
        self.wanted = before
        return frame


def _term(term: Tensor) -> _Reading[Tensor]:
    if isinstance(term, Scale):
        return _Reading(term.arg, term.arg.edges, term.factor)
    return _Reading(term, term.edges)


def from_program(program: Program, names: Sequence[str] = ()) -> Picture:
    """Draw a program: a panel for each result, and for each step that is read more than once.

    `names` are the names of its outputs.

    >>> from tensorgrad_eg.program import Input
    >>> program = Program((Input("x", (), ()),), (), (Output(Operand("x", ()), (), ()),), {})
    >>> from_program(program).boxes[0].label
    'result'
    """
    results = dict(zip(names or _result_names(len(program.outputs)), program.outputs, strict=True))
    panels = _panels(program, results)
    drawing = _Steps(program, panels)
    for name, panel in panels.items():
        if drawing.sketch.full and panel[0] not in results:
            drawing.sketch.left_out += 1
        else:
            drawing.panel(*panel, name)
    for title, out in results.items():
        if title not in {panel[0] for panel in panels.values()}:
            drawing.panel(title, out)
    given, count = ", ".join(given.name for given in program.inputs), len(program.steps)
    text = f"{', '.join(results)} from {given or 'nothing'} in {count} step{'' if count == 1 else 's'}"
    return drawing.sketch.finish(text)


def _result_names(count: int) -> list[str]:
    return ["result"] if count == 1 else [f"result {at}" for at in range(1, count + 1)]


def _panels(program: Program, results: Mapping[str, Output]) -> dict[str, tuple[str, Output]]:
    """The steps that get a panel: what it is called there, and the names of its legs."""
    reads = Counter(operand.tensor for step in program.steps for operand in step.operands)
    titles: dict[str, str] = {}
    for title, out in results.items():
        if len(set(out.operand.edges)) == len(out.operand.edges) == len(out.edges):
            titles.setdefault(out.operand.tensor, title)
    panels: dict[str, tuple[str, Output]] = {}
    depth: dict[str, int] = {}
    for step in program.steps:
        below = max((depth.get(operand.tensor, 0) for operand in step.operands), default=0)
        depth[step.name] = below + (step.kind not in (*_FLAT, *_PLAIN, *PACKING))
        deep = reads[step.name] > 1 or depth[step.name] >= _DEEPEST_OF_PROGRAMS
        if step.name in titles:
            panels[step.name] = titles[step.name], results[titles[step.name]]
        elif step.kind not in _PLAIN and reads[step.name] and deep:
            panels[step.name] = step.name, Output(Operand(step.name, step.edges), step.edges, step.edges)
        if step.name in panels:
            depth[step.name] = 0
    return panels


class _Steps(_Drawing[str]):
    def __init__(self, program: Program, panels: Mapping[str, tuple[str, Output]]) -> None:
        super().__init__()
        self.panels = panels
        self.steps = {step.name: step for step in program.steps}
        self.inputs = {given.name: given for given in program.inputs}

    def panel(self, title: str, out: Output, name: str = "") -> None:
        """Draw a panel: the step of this name, or what an output reads from another panel."""
        box, legs = self.sketch.panel(title, out.names)
        wires = {label: legs[name] for label, name in zip(out.edges, out.names, strict=True)}
        read = _Reading(out.operand.tensor, out.operand.edges)
        self.product(read.thing, self.env(read, wires), box, defining=bool(name))

    def edges(self, thing: str) -> tuple[str, ...]:
        return self.inputs[thing].edges if thing in self.inputs else self.steps[thing].edges

    def mark(self, thing: str, defining: bool) -> _Mark | None:
        if thing in self.inputs:
            return _Mark("variable", thing, self.inputs[thing].edges)
        if thing not in self.panels or defining:
            return None
        label, out = self.panels[thing]
        names = dict(zip(out.edges, out.names, strict=True))
        return _Mark("result", label, tuple(names[edge] for edge in out.operand.edges))

    def look(self, thing: str) -> _Look[str]:
        step = self.steps[thing]
        reads = tuple(_Reading(each.tensor, each.edges, each.factor) for each in step.operands)
        number = Fraction(1) if step.number is None else step.number
        label = _power(number) if step.kind == "power" else step.function
        if step.kind == "constant":
            label = re.sub(r"^(\|\w+\|)\^-1$", r"1/\1", step.label) or f"{step.value:g}"
        return _Look(step.kind, step.edges, reads, step.over, number, label)


def draw(thing: Drawable) -> Diagram:
    """Draw a tensor, several of them below each other, or a plan.

    >>> from tensorgrad_eg import Variable
    >>> x = Variable("x", ["k"])
    >>> print(draw({"f": x, "g": x @ x}))
    f = x[k]; g = Σ_k x[k] x[k]
    """
    if isinstance(thing, Tensor):
        return Diagram(from_expressions({"": thing}))
    if isinstance(thing, Compiled):
        return Diagram(from_program(thing.program, thing.names))
    if isinstance(thing, Program):
        return Diagram(from_program(thing))
    if isinstance(thing, Mapping):
        return Diagram(from_expressions(thing))
    if isinstance(thing, Sequence) and all(isinstance(each, Tensor) for each in thing):
        return Diagram(from_expressions({str(at): tensor for at, tensor in enumerate(thing, 1)}))
    raise OperandError(
        f"a {type(thing).__name__} cannot be drawn: draw a tensor, a list or a dict of tensors, or a plan."
    )

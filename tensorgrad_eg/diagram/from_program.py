"""Draw programs: a panel for each result and for each intermediate value that is read more than once.

What is read once is drawn where it is read, so that a program looks like the formula it computes.

>>> from tensorgrad_eg.program.program import Input
>>> A, x = Input("A", ("i", "k"), ("i", "k")), Input("x", ("k",), ("k",))
>>> step = Step("t1", "contract", (Operand("A", ("i", "k")), Operand("x", ("k",))), ("i",), ("k",))
>>> result = Output(Operand("t1", ("i",)), ("i",), ("row",))
>>> picture = from_program(Program((A, x), (step,), (result,), {"i": 3, "k": 4}), ["Ax"])
>>> [wire.targets for wire in picture.wires]
[('row', 'A'), ('A', 'x')]
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction

from tensorgrad_eg.diagram.panels import Page, power_label, sign
from tensorgrad_eg.diagram.picture import Picture
from tensorgrad_eg.program.program import PACKING, Operand, Output, Program, Step

Env = Mapping[str, int]  # label -> wire

#: Boxes within boxes are read up to here; what is deeper gets a panel of its own.
DEEPEST = 3
_FLAT = ("contract", "reduce", "scale")
_PLAIN = ("constant", "delta")


def from_program(program: Program, names: Sequence[str] = ()) -> Picture:
    """Draw a program; `names` are the names of its outputs.

    >>> from tensorgrad_eg.program.program import Input
    >>> program = Program((Input("x", (), ()),), (), (Output(Operand("x", ()), (), ()),), {})
    >>> from_program(program).boxes[0].label
    'result'
    """
    results = dict(zip(names or _result_names(len(program.outputs)), program.outputs, strict=True))
    panels = _panels(program, results)
    drawing = _Drawing(program, panels)
    for name, panel in panels.items():
        if drawing.page.full and panel[0] not in results:
            drawing.page.left_out += 1
        else:
            drawing.panel(*panel, drawing.steps[name])
    for title, out in results.items():
        if title not in {panel[0] for panel in panels.values()}:
            drawing.panel(title, out, None)
    given, count = ", ".join(given.name for given in program.inputs), len(program.steps)
    text = f"{', '.join(results)} from {given or 'nothing'} in {count} step{'' if count == 1 else 's'}"
    return drawing.page.sketch.finish(text, drawing.page.note())


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
        plain = step.kind in _PLAIN
        if step.name in titles:
            panels[step.name] = titles[step.name], results[titles[step.name]]
        elif not plain and reads[step.name] and (reads[step.name] > 1 or depth[step.name] >= DEEPEST):
            panels[step.name] = step.name, Output(Operand(step.name, step.edges), step.edges, step.edges)
        if step.name in panels:
            depth[step.name] = 0
    return panels


class _Drawing:
    def __init__(self, program: Program, panels: Mapping[str, tuple[str, Output]]) -> None:
        self.page = Page()
        self.panels = panels
        self.steps = {step.name: step for step in program.steps}
        self.inputs = {given.name: given for given in program.inputs}

    def panel(self, title: str, out: Output, step: Step | None) -> None:
        """Draw a panel: a step, or what an output reads from another panel."""
        box, legs = self.page.panel(title, out.names)
        env = {label: legs[name] for label, name in zip(out.edges, out.names, strict=True)}
        if step:
            wires = (env[label] for label in out.operand.edges)
            self._product(step, dict(zip(step.edges, wires, strict=True)), box)
        else:
            self._operand(out.operand, env, box)

    def _product(self, step: Step, env: Env, box: str) -> None:
        """Draw a step, and flat with it the products that it alone reads."""
        parts: list[str] = []
        factor = Fraction(1)
        todo: list[tuple[Step | Operand, Env]] = [(step, env)]
        while todo:
            at, wires = todo.pop()
            if isinstance(at, Operand):
                below = self._inlined(at)
                if below:
                    ends = [wires[label] for label in at.edges]
                    todo.append((below, dict(zip(below.edges, ends, strict=True))))
                else:
                    parts.append(self._read(at, wires, box))
            elif at.kind == "delta":
                self.page.sketch.join(*(wires[label] for label in at.edges))
            elif at.kind in _FLAT:
                factor *= Fraction(1) if at.number is None else at.number
                inner = {**wires, **self.page.sketch.summed(at.over, wires, box)}
                todo += [(operand, inner) for operand in reversed(at.operands)]
            else:
                parts.append(self._box(at, wires, box))
        self.page.row(parts, factor, box) if parts or factor != 1 or not env else None

    def _inlined(self, operand: Operand) -> Step | None:
        return None if operand.tensor in self.panels else self.steps.get(operand.tensor)

    def _read(self, operand: Operand, env: Env, box: str) -> str:
        """Draw a variable, or a tensor that another panel defines."""
        if operand.tensor in self.inputs:
            kind, label, axes = "variable", operand.tensor, self.inputs[operand.tensor].edges
        else:
            (label, out), kind = self.panels[operand.tensor], "result"
            names = dict(zip(out.edges, out.names, strict=True))
            axes = tuple(names[edge] for edge in out.operand.edges)
        ends = [(env[edge], axis) for edge, axis in zip(operand.edges, axes, strict=True)]
        return self.page.place(kind, label, ends, box)

    def _box(self, step: Step, env: Env, box: str) -> str:
        if self.page.full:
            return self.page.omit([(wire, label) for label, wire in env.items()], box)
        match step.kind:
            case "constant":
                label = re.sub(r"^(\|\w+\|)\^-1$", r"1/\1", step.label) or f"{step.value:g}"
                return self.page.place("text", label, [], box)
            case "add":
                return self._sum(step, env, box)
            case "power":
                label = power_label(Fraction(1) if step.number is None else step.number)
            case "apply":
                label = step.function
            case kind if len(step.operands) > 1:
                return self._sum(step, env, box, kind)
            case kind if step.kind != "softmax" and step.over:
                label = f"{kind} over {', '.join(step.over)}"
            case kind:
                label = kind
        frame = self.page.sketch.box("function", label, box)
        self._through(step, env, frame)
        return frame

    def _sum(self, step: Step, env: Env, box: str, operation: str = "") -> str:
        """Draw a sum, or what another operation is of, side by side."""
        frame = self.page.sketch.box("function" if operation else "sum", operation, box)
        for label, wire in env.items():
            self.page.sketch.attach(wire, frame, label)
        parts: list[str] = []
        for at, operand in enumerate(step.operands):
            mark = "," if operation and at else sign(operand.factor, at == 0)
            if mark:
                parts.append(self.page.place("text", mark, [], frame))
            inner = self.page.sketch.box("term", "", frame)
            parts.append(inner)
            self._operand(operand, self.page.stubs(env, inner), inner)
        self.page.sketch.row(frame, parts)
        return frame

    def _through(self, step: Step, env: Env, frame: str) -> None:
        """Draw a function: what it sums or packs ends inside its frame, what comes of that begins there."""
        (operand,) = step.operands
        labels = list(dict.fromkeys(operand.edges))
        for label in [label for label in env if label not in labels]:
            self.page.sketch.attach(env[label], frame, label)
        inner = self.page.inner([label for label in labels if label in env], env, frame)
        ended = self.page.stubs([label for label in labels if label not in env], frame)
        self._operand(operand, {**inner, **ended}, frame)
        self.page.sketch.seal(inner, env, frame, step.over if step.kind == "softmax" else ())

    def _operand(self, operand: Operand, env: Env, box: str) -> None:
        below = self._inlined(operand)
        if below:
            wires = (env[label] for label in operand.edges)
            self._product(below, dict(zip(below.edges, wires, strict=True)), box)
        else:
            self.page.sketch.row(box, [self._read(operand, env, box)])

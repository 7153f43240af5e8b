"""Draw programs: a panel for each result and for each intermediate value that is read more than once.

What is read once is drawn where it is read, so that a program looks like the formula it computes.

>>> from tensorgrad_eg.plan.program import Input
>>> A, x = Input("A", ("i", "k"), ("i", "k")), Input("x", ("k",), ("k",))
>>> step = Step("t1", "contract", (Operand("A", ("i", "k")), Operand("x", ("k",))), ("i",), ("k",))
>>> result = Output(Operand("t1", ("i",)), ("i",), ("row",))
>>> picture = from_program(Program((A, x), (step,), (result,), {"i": 3, "k": 4}), ["Ax"])
>>> [wire.targets for wire in picture.wires]
[('row', 'A'), ('A', 'x')]
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction

from tensorgrad_eg.diagram.panels import Page, power_label, sign
from tensorgrad_eg.diagram.picture import Picture
from tensorgrad_eg.plan.program import Operand, Output, Program, Step

Env = Mapping[str, int]  # label -> wire

#: Boxes within boxes are read up to here; what is deeper gets a panel of its own.
DEEPEST = 3
_FLAT = ("contract", "reduce", "scale")
_BOXED = ("add", "apply", "power", "softmax", "logsumexp")


def from_program(program: Program, names: Sequence[str] = ()) -> Picture:
    """Draw a program; `names` are the names of its outputs.

    >>> from tensorgrad_eg.plan.program import Input
    >>> program = Program((Input("x", (), ()),), (), (Output(Operand("x", ()), (), ()),), {})
    >>> from_program(program).boxes[0].label
    'result'
    """
    names = names or _result_names(len(program.outputs))
    drawing = _Drawing(program, _named(program, names))
    drawing.draw(names)
    given, count = ", ".join(given.name for given in program.inputs), len(program.steps)
    text = f"{', '.join(names)} from {given or 'nothing'} in {count} step{'' if count == 1 else 's'}"
    return drawing.page.sketch.finish(text, drawing.page.note())


def _result_names(count: int) -> list[str]:
    return ["result"] if count == 1 else [f"result {at}" for at in range(1, count + 1)]


def _named(program: Program, names: Sequence[str]) -> dict[str, str]:
    """The steps that get a panel, with what they are called there."""
    reads = Counter(operand.tensor for step in program.steps for operand in step.operands)
    titles = {out.operand.tensor: name for name, out in reversed([*zip(names, program.outputs, strict=True)])}
    named: dict[str, str] = {}
    depth: dict[str, int] = {}
    for step in program.steps:
        below = max((depth.get(operand.tensor, 0) for operand in step.operands), default=0)
        depth[step.name] = below + (step.kind in _BOXED)
        plain = step.kind in ("constant", "delta")
        if step.name in titles or (not plain and (reads[step.name] > 1 or depth[step.name] >= DEEPEST)):
            named[step.name] = titles.get(step.name, step.name)
            depth[step.name] = 0
    return named


class _Drawing:
    def __init__(self, program: Program, named: Mapping[str, str]) -> None:
        self.page = Page()
        self.program = program
        self.named = named
        self.steps = {step.name: step for step in program.steps}
        self.inputs = {given.name: given for given in program.inputs}

    def draw(self, names: Sequence[str]) -> None:
        """Draw the panels in the order of the steps, results where they are computed."""
        results = dict(zip(names, self.program.outputs, strict=True))
        done = set()
        for step in self.program.steps:
            if step.name not in self.named:
                continue
            title = self.named[step.name]
            if title in results and results[title].operand.tensor == step.name:
                done.add(title)
            self._panel(title, results[title] if title in done else _as_output(step), step)
        for name, out in results.items():
            if name not in done:
                self._panel(name, out, None)

    def _panel(self, title: str, out: Output, step: Step | None) -> None:
        if self.page.full:
            self.page.left_out += 1
            return
        box, legs = self.page.panel(title, out.names)
        env = {label: legs[name] for label, name in zip(out.edges, out.names, strict=True)}
        if step:
            wires = (env[label] for label in out.operand.edges)
            self._product(step, dict(zip(step.edges, wires, strict=True)), box)
        else:
            self.page.sketch.row(box, [self._read(out.operand, env, box)])

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
                factor *= at.number or 1
                inner = {**wires, **self.page.sketch.wires(at.over, box)}
                todo += [(operand, inner) for operand in reversed(at.operands)]
            else:
                parts.append(self._box(at, wires, box))
        self.page.row(parts, factor, box) if parts or factor != 1 or not env else None

    def _inlined(self, operand: Operand) -> Step | None:
        return None if operand.tensor in self.named else self.steps.get(operand.tensor)

    def _read(self, operand: Operand, env: Env, box: str) -> str:
        """Draw a variable, or a tensor that another panel defines."""
        given = self.inputs.get(operand.tensor)
        axes = given.edges if given else self.steps[operand.tensor].edges
        label = operand.tensor if given else self.named[operand.tensor]
        ends = [(env[label], axis) for label, axis in zip(operand.edges, axes, strict=True)]
        return self.page.place("variable" if given else "result", label, ends, box)

    def _box(self, step: Step, env: Env, box: str) -> str:
        if self.page.full:
            return self.page.omit([(wire, label) for label, wire in env.items()], box)
        match step.kind:
            case "constant":
                return self.page.place("text", step.label or f"{step.value:g}", [], box)
            case "add":
                return self._sum(step, env, box)
            case "power":
                label = power_label(step.number or Fraction(1))
            case "apply":
                label = step.function
            case kind:
                label = f"{kind} over {', '.join(step.over)}"
        frame = self.page.sketch.box("function", label, box)
        self._through(step, env, frame)
        return frame

    def _sum(self, step: Step, env: Env, box: str) -> str:
        frame = self.page.sketch.box("sum", "", box)
        for label, wire in env.items():
            self.page.sketch.attach(wire, frame, label)
        parts: list[str] = []
        for at, operand in enumerate(step.operands):
            mark = sign(operand.factor, at == 0)
            if mark:
                parts.append(self.page.place("text", mark, [], frame))
            inner = self.page.sketch.box("term", "", frame)
            parts.append(inner)
            self._operand(operand, self.page.stubs(env, inner), inner)
        self.page.sketch.row(frame, parts)
        return frame

    def _through(self, step: Step, env: Env, frame: str) -> None:
        (operand,) = step.operands
        labels = list(dict.fromkeys(operand.edges))
        inner = self.page.sketch.wires([label for label in labels if label in env], frame)
        ended = self.page.stubs([label for label in labels if label not in env], frame)
        self._operand(operand, {**inner, **ended}, frame)
        self.page.sketch.seal(inner, env, frame)

    def _operand(self, operand: Operand, env: Env, box: str) -> None:
        below = self._inlined(operand)
        if below:
            wires = (env[label] for label in operand.edges)
            self._product(below, dict(zip(below.edges, wires, strict=True)), box)
        else:
            self.page.sketch.row(box, [self._read(operand, env, box)])


def _as_output(step: Step) -> Output:
    return Output(Operand(step.name, step.edges), step.edges, step.edges)

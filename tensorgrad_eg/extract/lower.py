"""From a solution of the extraction to a straight-line program."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import prod

from tensorgrad_eg.egraph import constant_value
from tensorgrad_eg.expr import fresh
from tensorgrad_eg.extract import Priced, Way
from tensorgrad_eg.extract.readings import Reading
from tensorgrad_eg.extract.search import Solution
from tensorgrad_eg.program import Input, Operand, Output, Program, Step


def _lower(
    priced: Priced,
    solution: Solution,
    inputs: Sequence[Input],
    outputs: Sequence[tuple[str, tuple[str, ...], tuple[str, ...]]],
    symbols: dict[str, int],
) -> Program:
    """The program of a solution. `outputs` are root name, labels in the wanted order, and edge names.

    Example: see `tensorgrad_eg.api`, which is where all the parts meet.
    """
    return with_classes(priced, solution, inputs, outputs, symbols)[0]


def with_classes(
    priced: Priced,
    solution: Solution,
    inputs: Sequence[Input],
    outputs: Sequence[tuple[str, tuple[str, ...], tuple[str, ...]]],
    symbols: dict[str, int],
) -> tuple[Program, dict[str, int]]:
    """The same, and the class whose tensor a step is, under the names of its edges there.

    What puts a term of a sum on a diagonal is not looked up: it is no tensor that anyone computes.

    Example: see `tensorgrad_eg.api`, which is where all the parts meet.
    """
    work = _Lowering(priced, solution, symbols, frozenset(given.name for given in inputs))
    results = []
    for root, labels, names in outputs:
        at = priced.snapshot.roots[root]
        work.need(priced.alias[at].group)
        results.append(Output(work.read(at), labels, names))
    program = Program(tuple(inputs), tuple(work.steps), tuple(results), work.label_sizes(results), symbols)
    classes = {name: work.way(group).at for group, name in work.names.items()}
    return program, {step.name: classes[step.name] for step in program.steps if step.name in classes}


@dataclass
class _Lowering:
    priced: Priced
    solution: Solution
    symbols: dict[str, int]
    taken: frozenset[str]
    steps: list[Step] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)
    deltas: dict[int, str] = field(default_factory=dict)

    def way(self, group: int) -> Way:
        return self.priced.ways[self.solution.choice[group]]

    def need(self, root: int) -> None:
        """Writes the steps of a group, after those of what it reads."""
        stack = [root]
        while stack:
            at = stack[-1]
            missing = [] if self._leaf(at) else [c for c in self.way(at).children if c not in self.names]
            if at in self.names or not missing:
                stack.pop()
                if at not in self.names:
                    self._write(at)
            else:
                stack.extend(reversed(missing))

    def read(self, at: int) -> Operand:
        """A class as an operand: its group's tensor under this class's labels."""
        alias = self.priced.alias[at]
        way = self.way(alias.group)
        if way.node.op == "variable":
            labels = dict(zip(self.priced.alias[way.at].axes, alias.axes, strict=True))
            return Operand(self.names[alias.group], tuple([labels[a] for a in way.node.axes]))
        return Operand(self.names[alias.group], alias.axes)

    def label_sizes(self, outputs: Sequence[Output]) -> dict[str, int]:
        used = {edge for step in self.steps for edge in step.labels}
        used |= {edge for out in outputs for edge in (*out.edges, *out.operand.edges)}
        return {edge: self.priced.sizes[edge] for edge in sorted(used)}

    def _leaf(self, group: int) -> bool:
        way = self.way(group)
        return way.at in self.priced.constant or not way.children

    def _write(self, group: int) -> None:
        way = self.way(group)
        node = way.node
        if node.op == "variable":
            self.names[group] = node.name
            return
        name = self.names[group] = fresh(f"t{len(self.steps)}", self.taken)
        axes = self.priced.alias[way.at].axes
        if way.at in self.priced.constant:
            value, label = self._constant(group)
            self.steps.append(Step(name, "constant", (), (), value=_float(value), label=label))
        elif node.op == "delta":
            self.steps.append(Step(name, "delta", (), axes))
        elif node.op == "rename":
            inner = self.read(node.children[0])
            old, new = node.pair
            edges = tuple(new if edge == old else edge for edge in inner.edges)
            self.steps.append(Step(name, "contract", (Operand(inner.tensor, edges),), axes))
        else:
            self.steps.append(self._step(name, way, axes))

    def _step(self, name: str, way: Way, axes: tuple[str, ...]) -> Step:
        node, payload = way.node, way.node.payload
        operands = tuple([self._term(reading) for reading in way.readings])
        idle = node.over - {edge for operand in operands for edge in operand.edges}
        over = tuple(sorted(node.over - idle))
        if idle and node.op in ("contract", "reduce"):
            # What has turned out to be constant along an edge is summed over it: as often as that is long.
            several = over or len(operands) > 1
            inner = self._private(node.op, operands, axes, over) if several else operands[0]
            times = Fraction(prod(self.priced.sizes[edge] for edge in idle))
            return Step(name, "scale", (inner,), axes, number=times)
        return Step(
            name,
            node.op,
            operands,
            axes,
            over=tuple(sorted(node.pair if node.op == "solve" else node.over)),
            function=payload if isinstance(payload, str) else "",
            number=payload if isinstance(payload, Fraction) else None,
        )

    def _term(self, reading: Reading) -> Operand:
        """A term as it is read; what puts it on diagonals are steps that no one else reads."""
        found = None if reading.at is None else self.read(reading.at)
        for pair in reversed(reading.pairs):
            delta = self._delta(pair)
            edges = (*found.edges, *(edge for edge in pair if edge not in found.edges)) if found else ()
            found = self._private("contract", (delta, found), edges) if found else delta
        assert found is not None
        return replace(found, factor=reading.factor)

    def _delta(self, pair: tuple[str, str]) -> Operand:
        """The identity of a size, the same for all sums."""
        size = self.priced.sizes[pair[0]]
        if size not in self.deltas:
            self.deltas[size] = self._private("delta", (), pair).tensor
        return Operand(self.deltas[size], pair)

    def _private(
        self, kind: str, operands: tuple[Operand, ...], edges: tuple[str, ...], over: tuple[str, ...] = ()
    ) -> Operand:
        """A step that is no class of its own."""
        name = fresh(f"d{len(self.steps)}", self.taken)
        self.steps.append(Step(name, kind, operands, tuple(dict.fromkeys(edges)), over=over))
        return Operand(name, self.steps[-1].edges)

    def _constant(self, group: int) -> tuple[Fraction | float, str]:
        """The value of a number made of numbers, and how it is written."""
        node = self.way(group).node
        parts = [self._constant(self.priced.alias[c].group) for c in node.children]
        value = constant_value(node, [part for part, _ in parts], self.symbols)
        texts = [text for _, text in parts]
        match node.op:
            case "number":
                return value, str(node.number)
            case "constant":
                return value, "π"
            case "extent":
                return value, f"|{node.name}|"
            case "scale":
                return value, f"{node.number}·{texts[0]}"
            case "power":
                return value, f"{texts[0]}^{node.number}"
            case "apply":
                return value, f"{node.name}({texts[0]})"
            case "contract":
                return value, "·".join(texts)
            case _:
                return value, f"({' + '.join(texts)})"


def _float(value: Fraction | float) -> float:
    try:
        return float(value)
    except OverflowError:  # as arrays have it
        return math.copysign(math.inf, value)

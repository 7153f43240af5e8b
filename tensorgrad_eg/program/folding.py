"""Arithmetic on constants, done once instead of in every run; multiples become factors of their sums.

>>> from fractions import Fraction
>>> from tensorgrad_eg.program.program import Operand, Output, Program, Step
>>> four = Step("c", "constant", (), (), value=4.0)
>>> root = Step("r", "power", (Operand("c", ()),), (), number=Fraction(1, 2))
>>> fold(Program((), (four, root), (Output(Operand("r", ()), (), ()),), {})).steps[-1].value
2.0
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from tensorgrad_eg.expr.arrays import Labelled, Numpy
from tensorgrad_eg.expr.operations import OPERATIONS
from tensorgrad_eg.program.program import Operand, Program, Step


def fold(program: Program) -> Program:
    """The program with every step that reads only constants made a constant, and steps that nobody reads left
    out.

    >>> from tensorgrad_eg.program.program import Program, Step
    >>> fold(Program((), (Step("unused", "constant", (), (), value=1.0),), (), {})).steps
    ()
    """
    values: dict[str, float] = {}
    steps = []
    for step in program.steps:
        known = [values.get(operand.tensor) for operand in step.operands]
        if step.kind == "constant":
            values[step.name] = step.value or 0.0
        elif known and None not in known:
            values[step.name] = _evaluate(step, [value for value in known if value is not None])
            step = Step(step.name, "constant", (), (), value=values[step.name])
        steps.append(step)
    return _needed(_absorbed(replace(program, steps=tuple(steps))))


def _absorbed(program: Program) -> Program:
    """A multiple that only one sum reads becomes a term of that sum with a factor; the cost is the same."""
    scales = {
        step.name: step
        for step in program.steps
        if step.kind == "scale" and len(program.readers(step.name)) == 1
    }
    results = {out.operand.tensor for out in program.outputs}
    steps = []
    for step in program.steps:
        if step.kind == "add":
            step = replace(step, operands=tuple(_term(operand, scales, results) for operand in step.operands))
        steps.append(step)
    return replace(program, steps=tuple(steps))


def _term(operand: Operand, scales: Mapping[str, Step], results: Collection[str]) -> Operand:
    while (step := scales.get(operand.tensor)) and operand.tensor not in results and step.number:
        inner = dict(zip(step.edges, operand.edges, strict=True))
        read = step.operands[0]
        operand = Operand(
            read.tensor, tuple(inner[edge] for edge in read.edges), operand.factor * step.number
        )
    return operand


def _evaluate(step: Step, values: Sequence[float]) -> float:
    if step.kind == "contract":
        return math.prod(values)
    with np.errstate(all="ignore"):
        read = zip(step.operands, values, strict=True)
        args = [Labelled((), np.asarray(value * float(operand.factor))) for operand, value in read]
        return float(OPERATIONS[step.kind].value(Numpy(np.float64), step.node, args, {}).array)


def _needed(program: Program) -> Program:
    wanted = {out.operand.tensor for out in program.outputs}
    kept: list[Step] = []
    for step in reversed(program.steps):
        if step.name in wanted:
            kept.append(step)
            wanted.update(operand.tensor for operand in step.operands)
    return replace(program, steps=tuple(reversed(kept)))

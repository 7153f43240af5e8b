"""Which intermediates are alive when, and how much they hold.

>>> from tensorgrad_eg.program.program import Input, Operand, Output, Program, Step
>>> one = Step("t1", "scale", (Operand("a", ("i",)),), ("i",), number=2)
>>> two = Step("t2", "reduce", (Operand("t1", ("i",)),), (), ("i",))
>>> result = Output(Operand("t2", ()), (), ())
>>> peak_elements(Program((Input("a", ("i",), ("i",)),), (one, two), (result,), {"i": 5}))
6
"""

from __future__ import annotations

from tensorgrad_eg.program.cost import elements
from tensorgrad_eg.program.program import Program


def _last_uses(program: Program) -> dict[str, int]:
    """For each step that is read, the number of the last step that reads it; outputs are read after the last
    step.
    """
    names = {step.name for step in program.steps}
    found: dict[str, int] = {}
    for number, step in enumerate(program.steps):
        found.update({operand.tensor: number for operand in step.operands if operand.tensor in names})
    after = len(program.steps)
    found.update({out.operand.tensor: after for out in program.outputs if out.operand.tensor in names})
    return found


def peak_elements(program: Program) -> int:
    """The most elements that intermediates hold at one moment: while a step runs, what it reads and writes
    counts.

    >>> peak_elements(Program((), (), (), {}))
    0
    """
    uses = _last_uses(program)
    volume = {step.name: elements(step.edges, program.sizes) for step in program.steps}
    freed: dict[int, list[str]] = {}
    for number, step in enumerate(program.steps):
        freed.setdefault(uses.get(step.name, number), []).append(step.name)
    alive = peak = 0
    for number, step in enumerate(program.steps):
        alive += volume[step.name]
        peak = max(peak, alive)
        alive -= sum(volume[name] for name in freed.get(number, ()))
    return peak

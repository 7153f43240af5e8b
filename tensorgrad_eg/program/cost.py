"""What a step costs, in opt_einsum's unit, and what is held at once. Extraction prices with
`flops`, plans report with `step_flops`.

A contraction costs the product of all its sizes, twice that if something is summed; additions, reductions and
functions count per element, and so does packing a symmetric pair or unpacking it; renaming, reading (a
diagonal, too) and constants are free. So are identities, and identities that are put on the diagonal of
another one: they are written down, and no number in them has to be computed. For the same reason a tensor
that is put on several diagonals is paid once, at its full size.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from math import prod
from typing import Self

from tensorgrad_eg.expr.operations import OPERATIONS, Work
from tensorgrad_eg.program.program import PACKING, Program, Step


class Baseline(int):
    """The cost of the best ordinary way, in flops; `modes` has the cost of each way that was considered.

    >>> Baseline(60, {"forward": 90, "reverse": 60}).modes["forward"]
    90
    """

    modes: dict[str, int]

    def __new__(cls, value: int, modes: Mapping[str, int] | None = None) -> Self:
        """Make an integer that knows where it comes from."""
        self = super().__new__(cls, value)
        self.modes = dict(modes or {})
        return self

    def __reduce__(self) -> tuple[type[Baseline], tuple[int, dict[str, int]]]:
        """Let copies keep the modes."""
        return Baseline, (int(self), self.modes)


def elements(edges: Iterable[str], sizes: Mapping[str, int]) -> int:
    """How many elements a tensor over these edges has; an edge that is named twice counts once (a diagonal).

    >>> elements("iik", {"i": 3, "k": 4})
    12
    """
    return prod([sizes[edge] for edge in dict.fromkeys(edges)])


def flops(
    kind: str,
    operand_edges: Sequence[Collection[str]],
    out_edges: Collection[str],
    over: Collection[str],
    sizes: Mapping[str, int],
    factors: Sequence[Fraction | int] = (),
) -> int:
    """The cost of one operation; `factors` are those of the operands of an addition.

    >>> sizes = {"i": 3, "k": 4}
    >>> flops("contract", ["ik", "k"], "i", "k", sizes), flops("contract", ["ik", "k"], "ik", "", sizes)
    (24, 12)
    >>> flops("add", ["i", "i"], "i", "", sizes, (1, -1)), flops("add", ["i", "i"], "i", "", sizes, (1, 2))
    (3, 6)
    """
    out = elements(out_edges, sizes)
    if kind in PACKING:
        return out
    if kind not in OPERATIONS:
        raise ValueError(f"no cost is known for a step of kind {kind!r}")
    read = elements((edge for edges in operand_edges for edge in edges), sizes)
    scaled = [edges for edges, factor in zip(operand_edges, factors, strict=False) if abs(factor) != 1]
    factored = sum(elements(edges, sizes) for edges in scaled)
    return OPERATIONS[kind].price(Work(read, out, len(operand_edges), bool(over), factored))


def step_flops(step: Step, sizes: Mapping[str, int]) -> int:
    """The cost of one step of a program.

    >>> from tensorgrad_eg.program.program import Operand
    >>> step_flops(Step("t", "reduce", (Operand("A", ("i", "k")),), ("i",), ("k",)), {"i": 3, "k": 4})
    12
    """
    factors = [operand.factor for operand in step.operands]
    return flops(step.kind, [o.edges for o in step.operands], step.edges, step.over, sizes, factors)


def costs(program: Program) -> dict[str, int]:
    """The cost of every step.

    >>> from tensorgrad_eg.program.program import Operand
    >>> one, two = Step("d", "delta", (), ("i", "j")), Step("e", "delta", (), ("k", "l"))
    >>> operands = Operand("d", ("i", "j")), Operand("e", ("k", "l"))
    >>> both = Step("de", "contract", operands, ("i", "j", "k", "l"))
    >>> costs(Program((), (one, two, both), (), dict.fromkeys("ijkl", 3)))
    {'d': 0, 'e': 0, 'de': 0}
    """
    deltas: set[str] = set()
    identities: set[str] = set()
    diagonals: dict[str, str] = {}  # what is put on a diagonal, by the step that does it
    found: dict[str, int] = {}
    for step in program.steps:
        product = step.kind == "contract" and not step.over
        view = product and len(step.operands) == 1  # a diagonal that is read
        if step.kind == "delta":
            deltas.add(step.name)
        placed = _on_diagonal(step, deltas) if product else None
        if step.kind == "delta" or (product and _all_in(step, identities) and (view or placed)):
            identities.add(step.name)
        elif placed:
            diagonals[step.name] = placed
        free = view or step.name in identities
        found[step.name] = 0 if free else step_flops(step, program.sizes)
    return {**found, **dict.fromkeys(_in_passing(program, diagonals), 0)}


def _in_passing(program: Program, diagonals: Mapping[str, str]) -> Iterator[str]:
    """What is put on a diagonal only to be put on another one: all of that is written down once."""
    elsewhere = {out.operand.tensor for out in program.outputs}
    for step in program.steps:
        elsewhere.update(o.tensor for o in step.operands if o.tensor != diagonals.get(step.name))
    for name in diagonals:
        if name not in elsewhere and name in diagonals.values():
            yield name


def _all_in(step: Step, names: Collection[str]) -> bool:
    return all(operand.tensor in names for operand in step.operands)


def _on_diagonal(step: Step, deltas: Collection[str]) -> str | None:
    """The tensor that a product of two puts on the diagonal of a delta, as it is written in code.

    What has both edges of the delta is multiplied by zeros and ones instead.
    """
    if len(step.operands) != 2:
        return None
    for one, other in (step.operands, step.operands[::-1]):
        if one.tensor in deltas and len(set(one.edges)) == 2 and not set(one.edges) <= set(other.edges):
            return other.tensor
    return None


def total_flops(program: Program) -> int:
    """The cost of all steps.

    >>> total_flops(Program((), (), (), {}))
    0
    """
    return sum(costs(program).values())


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

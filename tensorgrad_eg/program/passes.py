"""Programs made better to run and to read: constants worked out once, diagonals read once, names, layout.

A name reminds of what a step holds: `Ax`, `tanh`, `r` for a difference, else `t1`, `t2`, …

The order of a step's axes is free: readers label axes by position. A few sweeps over the program move one
step at a time to the order in which the step and its readers together copy least. Same program in, same
program out.

>>> from tensorgrad_eg.program import Input, Operand, Output, Program, Step
>>> X, R = Input("X", ("b", "i"), ("b", "i")), Input("R", ("b", "j"), ("b", "j"))
>>> step = Step("t", "contract", (Operand("X", ("b", "i")), Operand("R", ("b", "j"))), ("i", "j"), ("b",))
>>> result = Output(Operand("t", ("i", "j")), ("j", "i"), ("j", "i"))
>>> program = Program((X, R), (step,), (result,), {"b": 9, "i": 2, "j": 3})
>>> rename(program).steps[0].name, arrange(program).steps[0].edges
('XR', ('j', 'i'))
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from keyword import iskeyword

import numpy as np

from tensorgrad_eg.expr.arrays import Labelled, Numpy
from tensorgrad_eg.expr.operations import OPERATIONS
from tensorgrad_eg.program import Operand, Output, Program, Step, cost
from tensorgrad_eg.program.cost import elements
from tensorgrad_eg.program.diagonals import Edges, on_diagonal

LONGEST = 8
# Names that the emitted source uses itself, or that would puzzle a reader.
RESERVED = frozenset(
    {"torch", "np", "jax", "jnp", "math", "plan", "contract", "softmax", "logsumexp", "float", "lambda"}
    | {"lru_cache", "upper", "mirrored", "logdet", "factors_det", "factors_logdet"}
    | {"scipy", "polygamma", "prod_others", "huber"}
)

SWEEPS = 4
FACTORS = frozenset(name for name, entry in OPERATIONS.items() if entry.factors)


def rename(program: Program) -> Program:
    """The program with readable, distinct step names that clash with no input.

    >>> rename(Program((), (Step("s", "constant", (), (), value=2.0),), (), {})).steps[0].name
    'c'
    """
    joined: dict[str, str] = {given.name: given.name for given in program.inputs}
    stems = [_stem(step, joined) for step in program.steps]
    names = _distinct(stems, {given.name for given in program.inputs} | RESERVED)
    new = {step.name: name for step, name in zip(program.steps, names, strict=True)}
    steps = tuple(_renamed(step, new) for step in program.steps)
    outputs = tuple(replace(out, operand=_reading(out.operand, new)) for out in program.outputs)
    return replace(program, steps=steps, outputs=outputs)


def _stem(step: Step, joined: dict[str, str]) -> str:
    """What to call a step, before numbers make it distinct; `joined`: what lends its name to products."""
    read = [joined.get(operand.tensor, "") for operand in step.operands]
    if step.kind == "contract" and len(read) == 2 and all(read) and len("".join(read)) <= LONGEST:
        joined[step.name] = "".join(read)
        return joined[step.name]
    if step.kind == "apply":
        return step.function
    if step.kind == "power":
        return {Fraction(-1): "inv", Fraction(2): "sq"}.get(step.number or Fraction(0), "pow")
    signs = [operand.factor < 0 for operand in step.operands]
    if step.kind == "add" and sorted(signs) == [False, True]:
        joined[step.name] = "r"
        return "r"
    packing = {"pack": "half", "unpack": "whole"}
    return packing[step.kind] if step.kind in packing else OPERATIONS[step.kind].stem


def _distinct(stems: list[str], taken: set[str]) -> list[str]:
    """Numbers for stems that occur more than once, or that are taken; `t` is always numbered."""
    count = Counter(stems)
    used = set(taken)
    following: Counter[str] = Counter()
    names = []
    for stem in stems:
        name = stem
        if stem == "t" or count[stem] > 1 or stem in taken or iskeyword(stem) or not stem.isidentifier():
            name = _numbered(stem, following, used)
        used.add(name)
        names.append(name)
    return names


def _numbered(stem: str, following: Counter[str], used: set[str]) -> str:
    separator = "_" if stem[-1:].isdigit() else ""
    while True:
        following[stem] += 1
        name = f"{stem}{separator}{following[stem]}"
        if name not in used:
            return name


def _renamed(step: Step, new: dict[str, str]) -> Step:
    return replace(step, name=new[step.name], operands=tuple([_reading(o, new) for o in step.operands]))


def _reading(operand: Operand, new: dict[str, str]) -> Operand:
    name = new.get(operand.tensor)
    return operand if name is None else Operand(name, operand.edges, operand.factor)


def fold(program: Program) -> Program:
    """The program with every step that reads only constants made a constant, and steps that nobody reads left
    out.

    >>> from tensorgrad_eg.program import Program, Step
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


def arrange(program: Program) -> Program:
    """The program with the axes of its steps ordered so that little is copied.

    >>> from tensorgrad_eg.program import Program
    >>> arrange(Program((), (), (), {})).steps
    ()
    """
    chooser = _Chooser(program)
    for sweep in range(SWEEPS):
        # Forward first: steps follow what they read; then backward: steps follow who reads them.
        ordered = program.steps if sweep % 2 == 0 else program.steps[::-1]
        if not any([chooser.improve(step) for step in ordered]) and sweep:
            break
    steps = tuple(chooser.step(step) for step in program.steps)
    outputs = tuple(replace(out, operand=chooser.operand(out.operand)) for out in program.outputs)
    return replace(program, steps=steps, outputs=outputs)


class _Chooser:
    """The current order of every step, as positions in the order the program came with."""

    def __init__(self, program: Program) -> None:
        self.sizes = program.sizes
        self.orders = {step.name: _matrix_last(step) for step in program.steps}
        self.kinds = {step.name: step.kind for step in program.steps}
        steps = {step.name: step for step in program.steps}
        # Whatever order they have, terms on diagonals are views of what is there.
        self.diagonal = {
            name for name, step in steps.items() if on_diagonal(steps, Operand(name, step.edges))
        }
        self.readers: dict[str, list[Step | Output]] = {step.name: [] for step in program.steps}
        everyone: list[Step | Output] = [*program.steps, *program.outputs]
        for reader in everyone:
            operands = (reader.operand,) if isinstance(reader, Output) else reader.operands
            for name in dict.fromkeys(operand.tensor for operand in operands):
                if name in self.readers:
                    self.readers[name].append(reader)

    def operand(self, operand: Operand) -> Operand:
        """The operand with its labels in the current order of what it reads."""
        edges = self.labels(operand)
        return operand if edges == operand.edges else replace(operand, edges=edges)

    def labels(self, operand: Operand) -> Edges:
        order = self.orders.get(operand.tensor)
        return operand.edges if order is None else tuple([operand.edges[place] for place in order])

    def step(self, step: Step) -> Step:
        """The step with all axes in their current order, and factors as a matrix product has them."""
        operands = tuple([self.operand(operand) for operand in step.operands])
        if step.kind == "contract" and len(operands) == 2 and self.recipe(step).swap:
            operands = operands[::-1]
        edges = self.edges(step)
        same = edges == step.edges and operands == step.operands
        return step if same else replace(step, operands=operands, edges=edges)

    def edges(self, step: Step) -> Edges:
        return tuple([step.edges[place] for place in self.orders[step.name]])

    def improve(self, step: Step) -> bool:
        """Move a step to the best of the orders worth a look; the present one wins ties."""
        if len(step.edges) < 2 or step.kind in FACTORS:
            return False
        present = self.orders[step.name]
        prices: dict[Edges, int] = {}
        for edges in dict.fromkeys((self.edges(step), *self.candidates(step))):
            self.orders[step.name] = tuple(step.edges.index(edge) for edge in edges)
            prices[edges] = self.price(step) + sum(self.price(reader) for reader in self.readers[step.name])
        chosen = min(prices, key=prices.__getitem__)
        self.orders[step.name] = tuple(step.edges.index(edge) for edge in chosen)
        return self.orders[step.name] != present

    def candidates(self, step: Step) -> Iterable[Edges]:
        """The orders that suit what the step reads, then those that suit its readers."""
        operands = [cost.distinct(self.labels(operand)) for operand in step.operands]
        if step.kind == "contract" and len(operands) == 2:
            left, right = (self.stripped(step, operands, place) for place in (0, 1))
            over = tuple(edge for edge in step.over if edge in left and edge in right)
            yield from cost.natural(left, right, over)
        else:
            yield from (_sorted_by(step.edges, edges) for edges in operands)
        for reader in self.readers[step.name]:
            yield from self.wishes(step, reader)

    def wishes(self, step: Step, reader: Step | Output) -> Iterable[Edges]:
        """What a reader would like: the order of its result, or of its other operands."""
        operands = (reader.operand,) if isinstance(reader, Output) else reader.operands
        tastes = [reader.edges if isinstance(reader, Output) else self.edges(reader)]
        tastes += [self.labels(operand) for operand in operands if operand.tensor != step.name]
        for operand in operands:
            if operand.tensor == step.name and len(set(operand.edges)) == len(operand.edges):
                names = dict(zip(operand.edges, step.edges, strict=True))
                for taste in tastes:
                    wanted = tuple(names[edge] for edge in dict.fromkeys(taste) if edge in names)
                    present = self.edges(step)
                    rest = tuple(edge for edge in present if edge not in wanted)
                    yield (*wanted, *rest)
                    yield (*rest, *wanted)

    def stripped(self, step: Step, operands: Sequence[Edges], place: int) -> Edges:
        """The axes of an operand of a contraction when those it sums alone are gone."""
        alone = cost.lone(operands[place], operands[1 - place], step.over)
        return tuple(edge for edge in operands[place] if edge not in alone)

    def price(self, reader: Step | Output) -> int:
        """What the present orders make a step, or an output, copy."""
        if isinstance(reader, Output):
            wanted = [edge for edge in reader.edges if edge in reader.operand.edges]
            present = cost.distinct(self.labels(reader.operand))
            return 1 + elements(present, self.sizes) // 4 if list(present) != wanted else 0
        operands = [cost.distinct(self.labels(operand)) for operand in reader.operands]
        edges = self.edges(reader)
        if reader.kind == "contract" and len(operands) == 2:
            if any(self.kinds.get(operand.tensor) in ("constant", "delta") for operand in reader.operands):
                return 0
            return self.recipe(reader).price
        if reader.kind == "add":
            operands = [
                labels
                for labels, operand in zip(operands, reader.operands, strict=True)
                if operand.tensor not in self.diagonal
            ]
        copied = sum(cost.misorder(operand, edges, self.sizes) for operand in operands)
        return copied + self.scattered(reader, operands[0]) if reader.kind in ("pack", "unpack") else copied

    def scattered(self, step: Step, read: Edges) -> int:
        """What packing copies to bring a pair together, or unpacking where it moves elements and not rows.

        An unpacked pair stands where the packed one stood; any other order is a view, which readers pay for.
        """
        pair, packed = step.packing
        if step.kind == "unpack":
            place = read.index(packed[0])
            viewed = self.edges(step) != (*read[:place], *pair, *read[place + 1 :])
            return cost.SCATTERED * elements(step.edges, self.sizes) * ((place > 0) + 2 * viewed)
        apart = abs(read.index(pair[0]) - read.index(pair[1])) > 1
        return cost.SCATTERED * elements(read, self.sizes) if apart else 0

    def recipe(self, step: Step) -> cost.Recipe:
        """How a product would be computed in the present orders."""
        operands = [cost.distinct(self.labels(operand)) for operand in step.operands]
        left, right = (self.stripped(step, operands, place) for place in (0, 1))
        over = tuple(edge for edge in step.over if edge in left and edge in right)
        return cost.best(left, right, over, self.edges(step), self.sizes)


def _matrix_last(step: Step) -> tuple[int, ...]:
    """The places of the axes, rows and columns of factors behind the others."""
    places = range(len(step.edges))
    return tuple(sorted(places, key=lambda n: step.kind in FACTORS and step.edges[n] in step.over))


def _sorted_by(edges: Edges, taste: Sequence[str]) -> Edges:
    """The labels in the order of `taste`, those it lacks first, as broadcasting puts them."""
    return (*(edge for edge in edges if edge not in taste), *(edge for edge in taste if edge in edges))

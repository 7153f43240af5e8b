"""In which order each step writes its axes, so that its readers can take them as they are.

The order of a step's axes is free: readers label axes by position. A few sweeps over the program move one
step at a time to the order in which the step and its readers together copy least. Same program in, same
program out.

>>> from tensorgrad_eg.program.program import Input, Operand, Output, Program, Step
>>> X, R = Input("X", ("b", "i"), ("b", "i")), Input("R", ("b", "j"), ("b", "j"))
>>> step = Step("t", "contract", (Operand("X", ("b", "i")), Operand("R", ("b", "j"))), ("i", "j"), ("b",))
>>> result = Output(Operand("t", ("i", "j")), ("j", "i"), ("j", "i"))
>>> arrange(Program((X, R), (step,), (result,), {"b": 9, "i": 2, "j": 3})).steps[0].edges
('j', 'i')
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from tensorgrad_eg.program import products
from tensorgrad_eg.program.cost import elements
from tensorgrad_eg.program.passes import on_diagonal
from tensorgrad_eg.program.products import Edges
from tensorgrad_eg.program.program import Operand, Output, Program, Step

SWEEPS = 4


def arrange(program: Program) -> Program:
    """The program with the axes of its steps ordered so that little is copied.

    >>> from tensorgrad_eg.program.program import Program
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
        self.orders = {step.name: tuple(range(len(step.edges))) for step in program.steps}
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
        if len(step.edges) < 2:
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
        operands = [products.distinct(self.labels(operand)) for operand in step.operands]
        if step.kind == "contract" and len(operands) == 2:
            left, right = (self.stripped(step, operands, place) for place in (0, 1))
            over = tuple(edge for edge in step.over if edge in left and edge in right)
            yield from products.natural(left, right, over)
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
        alone = products.lone(operands[place], operands[1 - place], step.over)
        return tuple(edge for edge in operands[place] if edge not in alone)

    def price(self, reader: Step | Output) -> int:
        """What the present orders make a step, or an output, copy."""
        if isinstance(reader, Output):
            wanted = [edge for edge in reader.edges if edge in reader.operand.edges]
            present = products.distinct(self.labels(reader.operand))
            return 1 + elements(present, self.sizes) // 4 if list(present) != wanted else 0
        operands = [products.distinct(self.labels(operand)) for operand in reader.operands]
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
        copied = sum(products.misorder(operand, edges, self.sizes) for operand in operands)
        return copied + self.scattered(reader, operands[0]) if reader.kind in ("pack", "unpack") else copied

    def scattered(self, step: Step, read: Edges) -> int:
        """What packing copies to bring a pair together, or unpacking where it moves elements and not rows.

        An unpacked pair stands where the packed one stood; any other order is a view, which readers pay for.
        """
        pair, packed = step.packing
        if step.kind == "unpack":
            place = read.index(packed[0])
            viewed = self.edges(step) != (*read[:place], *pair, *read[place + 1 :])
            return products.SCATTERED * elements(step.edges, self.sizes) * ((place > 0) + 2 * viewed)
        apart = abs(read.index(pair[0]) - read.index(pair[1])) > 1
        return products.SCATTERED * elements(read, self.sizes) if apart else 0

    def recipe(self, step: Step) -> products.Recipe:
        """How a product would be computed in the present orders."""
        operands = [products.distinct(self.labels(operand)) for operand in step.operands]
        left, right = (self.stripped(step, operands, place) for place in (0, 1))
        over = tuple(edge for edge in step.over if edge in left and edge in right)
        return products.best(left, right, over, self.edges(step), self.sizes)


def _sorted_by(edges: Edges, taste: Sequence[str]) -> Edges:
    """The labels in the order of `taste`, those it lacks first, as broadcasting puts them."""
    return (*(edge for edge in edges if edge not in taste), *(edge for edge in taste if edge in edges))

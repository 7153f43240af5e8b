"""The straight-line program: what extraction writes, and everything after it reads.

A program is a list of steps in the order in which they run. Every axis of every tensor in a step carries a
*label*; labels are local to a step, so a tensor may be read under other labels than it was written with, at
no cost. A label that repeats in one operand reads a diagonal.

>>> from tensorgrad_eg.program import Input, Operand, Output, Program, Step
>>> A, x = Input("A", ("i", "k"), ("i", "k")), Input("x", ("k",), ("k",))
>>> step = Step("t1", "contract", (Operand("A", ("i", "k")), Operand("x", ("k",))), ("i",), ("k",))
>>> program = Program((A, x), (step,), (Output(Operand("t1", ("i",)), ("i",), ("i",)),), {"i": 3, "k": 4})
>>> program.validate()
>>> program.shape("t1"), program.shape("A")
((3,), (3, 4))
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Literal

from tensorgrad_eg.errors import ProgramError
from tensorgrad_eg.expr.operations import OPERATIONS, ENode

# What was asked for: one tensor, a list, or a dict with these keys.
Structure = Literal["tensor", "list"] | tuple[str, ...]

#: What steps do beside the operations of the table: symmetric pairs of axes are stored as halves.
PACKING = ("pack", "unpack")
#: Operations that are no steps: inputs, numbers (which are constants), and renames (which are readings).
_UNWRITTEN = ("variable", "number", "extent", "rename")


def kinds() -> tuple[str, ...]:
    """What a step may do."""
    return (*(name for name in OPERATIONS if name not in _UNWRITTEN), *PACKING)


@dataclass(frozen=True)
class Input:
    """A variable: its name, its edges in axis order, and the size (a symbol or a number) of each.

    >>> Input("A", ("i", "k"), ("n", 5))
    Input(name='A', edges=('i', 'k'), sizes=('n', 5))
    """

    name: str
    edges: tuple[str, ...]
    sizes: tuple[int | str, ...]


@dataclass(frozen=True)
class Operand:
    """A step or an input that is read by name, its axes labelled `edges`; `factor` counts in an addition
    only.

    >>> Operand("A", ("i", "i"))
    Operand(tensor='A', edges=('i', 'i'), factor=Fraction(1, 1))
    """

    tensor: str
    edges: tuple[str, ...]
    factor: Fraction = Fraction(1)


@dataclass(frozen=True)
class Step:
    """One operation. Its axes, in order, are `edges`: the labels of its operands without those summed,
    `over`.

    >>> Step("t1", "power", (Operand("a", ("i",)),), ("i",), number=Fraction(1, 2)).labels
    ('i',)
    """

    name: str
    kind: str
    operands: tuple[Operand, ...]
    edges: tuple[str, ...]
    over: tuple[str, ...] = ()
    function: str = ""
    number: Fraction | None = None
    value: float | None = None
    label: str = ""

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label of the step, in order of appearance: operands first, then its own.

        >>> Step("t", "delta", (), ("i", "j")).labels
        ('i', 'j')
        """
        names = [edge for operand in self.operands for edge in operand.edges]
        return tuple(dict.fromkeys([*names, *self.edges]))

    @property
    def node(self) -> ENode:
        """The operation, its payload in the labels of the step.

        >>> Step("t", "reduce", (Operand("a", ("i", "k")),), ("i",), ("k",)).node
        ENode(op='reduce', payload=frozenset({'k'}), children=())
        """
        if self.kind == "delta":
            return ENode("delta", self.edges)
        if self.kind == "solve":  # the edge of the right side is gone, that of the solution stands for it
            return ENode("solve", tuple(sorted(self.over, key=lambda edge: edge not in self.edges)))
        if OPERATIONS[self.kind].edged:
            return ENode(self.kind, frozenset(self.over))
        return ENode(self.kind, self.number if self.number is not None else self.function or None)

    @property
    def packing(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Of a step that packs or unpacks: the labels of a symmetric pair, and the one label in their place.

        A packed label runs over the entries i <= j, row by row.

        >>> Step("t", "pack", (Operand("A", ("b", "i", "j")),), ("b", "i≤j")).packing
        (('i', 'j'), ('i≤j',))
        """
        read = self.operands[0].edges
        gone = tuple(edge for edge in read if edge not in self.edges)
        new = tuple(edge for edge in self.edges if edge not in read)
        return (gone, new) if self.kind == "pack" else (new, gone)


@dataclass(frozen=True)
class Output:
    """A result: the operand read, the wanted order of its labels, and the user's names of them.

    A label in `edges` that the operand lacks is broadcast to full size.

    >>> Output(Operand("t1", ("i",)), ("j", "i"), ("row", "column")).names
    ('row', 'column')
    """

    operand: Operand
    edges: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(frozen=True)
class Program:
    """Inputs, steps in order, outputs; `sizes` of every label, and `symbols`: the sizes by the user's
    symbols.

    An input that no step reads stays listed: callers may pass it, and it is not looked at.

    >>> Program((), (), (), {}).steps
    ()
    """

    inputs: tuple[Input, ...]
    steps: tuple[Step, ...]
    outputs: tuple[Output, ...]
    sizes: Mapping[str, int]
    symbols: Mapping[str, int] = field(default_factory=dict)

    def shape(self, name: str) -> tuple[int, ...]:
        """The sizes of the axes of an input or of a step.

        >>> Program((Input("A", ("i", "k"), (2, "n")),), (), (), {}, {"n": 5}).shape("A")
        (2, 5)
        """
        found = self._tensors.get(name)
        if isinstance(found, Step):
            return tuple(self.sizes[edge] for edge in found.edges)
        if found is None:
            raise ProgramError(f"no input and no step is called {name!r}")
        return tuple(self._extent(found, axis) for axis in range(len(found.edges)))

    def readers(self, name: str) -> tuple[Operand, ...]:
        """Every operand that reads `name`, steps first, then outputs.

        >>> Program((), (), (Output(Operand("A", ()), (), ()),), {}).readers("A")
        (Operand(tensor='A', edges=(), factor=Fraction(1, 1)),)
        """
        return tuple(self._readers.get(name, ()))

    @cached_property
    def _tensors(self) -> dict[str, Input | Step]:
        inputs: dict[str, Input | Step] = {given.name: given for given in self.inputs}
        return {**inputs, **{step.name: step for step in self.steps}}

    @cached_property
    def _readers(self) -> dict[str, list[Operand]]:
        found: dict[str, list[Operand]] = {}
        operands = [operand for step in self.steps for operand in step.operands]
        for operand in (*operands, *(out.operand for out in self.outputs)):
            found.setdefault(operand.tensor, []).append(operand)
        return found

    def _extent(self, given: Input, axis: int) -> int:
        size = given.sizes[axis]
        if isinstance(size, int):
            return size
        if size in self.symbols:
            return self.symbols[size]
        for operand in self.readers(given.name):
            if axis < len(operand.edges) and operand.edges[axis] in self.sizes:
                return self.sizes[operand.edges[axis]]
        for label in (given.edges[axis], size):
            if label in self.sizes:
                return self.sizes[label]
        raise ProgramError(f"the size {size!r} of edge {given.edges[axis]!r} of {given.name!r} is not known")

    def validate(self) -> None:
        """Raise ProgramError unless every step reads what is there, with the axes and sizes it has.

        >>> Program((), (Step("t", "scale", (Operand("a", ()),), (), number=Fraction(2)),), (), {}).validate()
        Traceback (most recent call last):
        ...
        tensorgrad_eg.errors.ProgramError: step t reads 'a', which is neither an input nor an earlier
        step
        """
        shapes: dict[str, tuple[int, ...]] = {}
        names = {given.name for given in self.inputs}
        _require(
            len(names) == len(self.inputs),
            f"two inputs have one name: {[given.name for given in self.inputs]}",
        )
        for given in self.inputs:
            _require(
                len(given.edges) == len(given.sizes),
                f"input {given.name}: {given.edges} and {given.sizes} differ",
            )
            if self.readers(given.name):
                shapes[given.name] = self.shape(given.name)
        for step in self.steps:
            _require(
                step.name not in shapes and step.name not in names, f"two tensors are called {step.name!r}"
            )
            where = f"step {step.name}"
            self._check_labels(where, step.labels)
            for operand in step.operands:
                self._check_operand(where, operand, shapes)
            _check_step(step)
            if step.kind == "delta":
                extents = [self.sizes[edge] for edge in step.edges]
                _require(extents[0] == extents[1], f"step {step.name}: a delta has one size, not {extents}")
            if step.kind in PACKING:
                _check_packing(step, self.sizes)
            elif OPERATIONS[step.kind].matrix:
                extents = [self.sizes[edge] for edge in step.over]
                square = len(extents) == 2 and extents[0] == extents[1]
                _require(square, f"{where}: {step.kind} is of square matrices, not of sizes {extents}")
            shapes[step.name] = tuple(self.sizes[edge] for edge in step.edges)
        for number, out in enumerate(self.outputs):
            where = f"output {number}"
            self._check_labels(where, (*out.operand.edges, *out.edges))
            self._check_operand(where, out.operand, shapes)
            _require(
                len(out.edges) == len(out.names),
                f"{where}: {out.edges} and names {out.names} differ in length",
            )
            _require(len(set(out.edges)) == len(out.edges), f"{where} has a label twice: {out.edges}")
            _require(set(out.operand.edges) <= set(out.edges), f"{where} drops a label of {out.operand}")

    def _check_labels(self, where: str, labels: tuple[str, ...]) -> None:
        for label in labels:
            if label not in self.sizes:
                raise ProgramError(f"{where}: the size of label {label!r} is not known")

    def _check_operand(self, where: str, operand: Operand, shapes: Mapping[str, tuple[int, ...]]) -> None:
        name = operand.tensor
        if name not in shapes:
            raise ProgramError(f"{where} reads {name!r}, which is neither an input nor an earlier step")
        sizes = tuple([self.sizes[edge] for edge in operand.edges])
        if sizes != shapes[name]:
            raise ProgramError(f"{where} reads {name!r} with sizes {sizes}, but it has {shapes[name]}")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ProgramError(message)


def _check_step(step: Step) -> None:
    where, count = f"step {step.name}", len(step.operands)
    _require(step.kind in kinds(), f"{where} has the unknown kind {step.kind!r}")
    most = 1 if step.kind in PACKING else OPERATIONS[step.kind].arity
    least = 2 if most is None else 1 if step.kind == "contract" else most
    fits = least <= count and (most is None or count <= most)
    _require(fits, f"{where} ({step.kind}) has {count} operands")
    _require(len(set(step.edges)) == len(step.edges), f"{where} writes a label twice: {step.edges}")
    _require(
        list(step.over) == sorted(set(step.over)), f"{where}: over is not sorted and distinct: {step.over}"
    )
    labels = {edge for operand in step.operands for edge in operand.edges}
    _require(set(step.over) <= labels, f"{where} sums {step.over}, which its operands do not all have")
    if step.kind == "delta":
        _require(len(step.edges) == 2, f"{where}: a delta has two edges, not {step.edges}")
    elif step.kind not in PACKING:
        gone = step.node.over if step.kind == "solve" else set(step.over)
        kept = labels if OPERATIONS[step.kind].spans else labels - gone
        _require(
            set(step.edges) == kept, f"{where} writes {step.edges}, but its operands leave {sorted(kept)}"
        )
    _check_parameters(step, where)


def _check_packing(step: Step, sizes: Mapping[str, int]) -> None:
    where, read = f"step {step.name}", step.operands[0].edges
    pair, packed = step.packing
    _require(
        len(pair) == 2 and len(packed) == 1 and len(set(read)) == len(read) and not step.over,
        f"{where} has to {step.kind} two labels, but reads {read} and writes {step.edges}",
    )
    size, other, half = (sizes[edge] for edge in (*pair, *packed))
    _require(
        size == other and half == size * (size + 1) // 2,
        f"{where} has sizes {size}, {other} and {half}: not those of a symmetric pair and its half",
    )


def _check_parameters(step: Step, where: str) -> None:
    kind = step.kind
    _require(kind != "constant" or step.value is not None, f"{where}: a constant needs a value")
    sorts = () if kind in PACKING else OPERATIONS[kind].sorts
    numbered, named = "BigRat" in sorts, kind == "apply"
    sums = kind == "solve" or ("Edges" in sorts and kind != "add")
    _require(not numbered or step.number is not None, f"{where}: {kind} needs a number")
    _require(not named or bool(step.function), f"{where}: apply needs the name of a function")
    _require(sums or not step.over, f"{where}: {kind} sums nothing, but over is {step.over}")
    _require(not sums or kind == "contract" or bool(step.over), f"{where}: {kind} over no label")
    plain = all(operand.factor == 1 for operand in step.operands)
    _require(kind == "add" or plain, f"{where}: only an addition has factors")

"""opt_einsum source: every run of contractions whose intermediates nobody else reads is one `contract` with
the plan's path.

>>> from tensorgrad_eg.program.program import Input, Operand, Output, Program, Step
>>> axes = {"A": ("a", "b"), "B": ("b", "c"), "C": ("c", "d")}
>>> inputs = tuple(Input(name, edges, edges) for name, edges in axes.items())
>>> first = Step("s", "contract", (Operand("B", ("b", "c")), Operand("C", ("c", "d"))), ("b", "d"), ("c",))
>>> second = Step("t", "contract", (Operand("A", ("a", "b")), Operand("s", ("b", "d"))), ("a", "d"), ("b",))
>>> result = Output(Operand("t", ("a", "d")), ("a", "d"), ("a", "d"))
>>> program = Program(inputs, (first, second), (result,), dict(a=2, b=2, c=2, d=2))
>>> source = OptEinsumWriter(program, "tensor").write()
>>> print(source.splitlines()[-1].split("  #")[0].strip())
return contract("ab,bc,cd->ad", A, B, C, optimize=[(1, 2), (0, 1)])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tensorgrad_eg.emit.code import Code, bracketed, letters
from tensorgrad_eg.emit.library import Library
from tensorgrad_eg.emit.tensors import Value
from tensorgrad_eg.emit.writer import Writer, unused
from tensorgrad_eg.program.notation import SIGMA, Formula, indexed, subscript
from tensorgrad_eg.program.program import Operand, Program, Step, Structure


class _OptEinsum(Library):
    imports = ("import numpy as np", "from opt_einsum import contract")


class OptEinsumWriter(Writer):
    """Writes contractions in groups; everything else as NumPy source."""

    def __init__(self, program: Program, structure: Structure, comments: bool = True) -> None:
        """Take a program, and find the groups."""
        super().__init__(program, _OptEinsum(), structure, comments)
        self.groups = self._groups()
        self.members = {name for group in self.groups.values() for name in group[:-1]}

    def take(self, step: Step) -> None:
        """Write a step, unless it is inside a group that a later step ends."""
        if step.name not in self.members:
            super().take(step)

    def _groups(self) -> dict[str, list[str]]:
        """For the last step of every group, which sums something, the group's steps in order."""
        places = {step.name: place for place, step in enumerate(self.program.steps)}
        owner: dict[str, str] = {}
        groups: dict[str, list[str]] = {}
        for step in reversed(self.program.steps):
            if not self._is_product(step) or not (step.over or step.name in owner):
                continue
            root = owner.get(step.name, step.name)
            groups.setdefault(root, []).append(step.name)
            for operand in step.operands:
                whole = len(set(operand.edges)) == len(operand.edges)
                if self.readers[operand.tensor] == 1 and whole and operand.tensor in self.steps:
                    owner[operand.tensor] = root
        return {root: sorted(group, key=places.__getitem__) for root, group in groups.items()}

    def _is_product(self, step: Step) -> bool:
        kinds = [self.steps[o.tensor].kind for o in step.operands if o.tensor in self.steps]
        return step.kind == "contract" and len(step.operands) == 2 and "constant" not in kinds

    def built(self, step: Step) -> tuple[Value, str]:
        """The value of a step; a group takes named tensors only, so that its call stays readable."""
        if step.name not in self.groups:
            return super().built(step)
        leaves, path, labels = self._flattened(step)
        for leaf in leaves:
            if leaf.tensor in self.inlined:
                self.assign_inlined(leaf.tensor)
        names = letters(labels)
        subscripts = ",".join("".join(names[edge] for edge in leaf.edges) for leaf in leaves)
        equation = f'"{subscripts}->{"".join(names[edge] for edge in step.edges)}"'
        arguments = [equation, *(self.names[leaf.tensor] for leaf in leaves)]
        if len(path) > 1:
            arguments.append(f"optimize=[{', '.join(map(str, path))}]")
        code = Code(bracketed("contract(", arguments, ")", 4, len(self.names[step.name]) + 7))
        return Value(code, step.edges, fresh=True), self.comment(step.name, step.edges)

    def formula(self, name: str, edges: tuple[str, ...], taken: frozenset[str], top: bool = False) -> Formula:
        """As for every writer, with a group as one product of all that it reads."""
        if name not in self.groups or not (top or name in self.inlined):
            return super().formula(name, edges, taken, top)
        leaves, _, labels = self._flattened(self.steps[name])
        new = dict(zip(self.steps[name].edges, edges, strict=True))
        for label in labels:
            if label not in new:
                new[label] = unused(label, taken | frozenset(new.values()))
        product = " ".join(
            indexed(self.names[leaf.tensor], [new[edge] for edge in leaf.edges]) for leaf in leaves
        )
        sums = [new[label] for label in labels if label not in self.steps[name].edges]
        return Formula(f"Σ_{subscript(sums)} {product}", SIGMA)

    def _flattened(self, root: Step) -> tuple[list[Operand], list[tuple[int, int]], list[str]]:
        """The tensors that a group reads, under labels of the group; the path through them; all labels."""
        group = self.groups[root.name]
        axes: dict[str, tuple[str, ...]] = {root.name: root.edges}
        labels = list(root.edges)
        reading: dict[str, list[Operand]] = {}
        for name in reversed(group):
            step = self.steps[name]
            new = dict(zip(step.edges, axes[name], strict=True))
            for edge in step.over:
                new[edge] = unused(edge, frozenset(labels))
                labels.append(new[edge])
            reading[name] = [Operand(o.tensor, tuple(new[edge] for edge in o.edges)) for o in step.operands]
            axes.update(
                (operand.tensor, operand.edges) for operand in reading[name] if operand.tensor in group
            )
        return *_path(group, reading), labels


def _path(
    group: Sequence[str], reading: Mapping[str, Sequence[Operand]]
) -> tuple[list[Operand], list[tuple[int, int]]]:
    """The leaves from left to right, and the path: two positions go out, their product joins at the end."""
    leaves: dict[str, Operand] = {}
    stack = [(group[-1], Operand(group[-1], ()))]
    while stack:
        key, operand = stack.pop()
        if operand.tensor in reading:
            stack += [(f"{operand.tensor} {place}", o) for place, o in enumerate(reading[operand.tensor])][
                ::-1
            ]
        else:
            leaves[key] = operand
    present = list(leaves)
    path = []
    for name in group:
        keys = [
            o.tensor if o.tensor in reading else f"{name} {place}" for place, o in enumerate(reading[name])
        ]
        first, second = sorted(present.index(key) for key in keys)
        path.append((first, second))
        del present[second], present[first]
        present.append(name)
    return list(leaves.values()), path

"""A program as the source of one function.

Steps that are read once go into the expression of their reader while the line stays short; every line says as
a comment what it computes. The function takes the variables that are read, in the order of the program's
inputs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from functools import reduce

from tensorgrad_eg.emit.code import (
    LINE,
    Code,
    bracketed,
    identifiers,
    letters,
    literal,
    plain,
    product,
    scaled,
)
from tensorgrad_eg.emit.library import LIBRARIES, Library
from tensorgrad_eg.emit.matrices import factorised, shared
from tensorgrad_eg.emit.steps import (
    build,
    complemented,
    complements,
    contraction_path,
    embed,
    joined,
    on_view,
    reads,
)
from tensorgrad_eg.emit.tensors import (
    Line,
    Value,
    arranged,
    deleting,
    function,
    gathered,
    header,
    permuted,
    read_lines,
    whole,
    without_repeats,
)
from tensorgrad_eg.errors import BackendError
from tensorgrad_eg.expr import fresh
from tensorgrad_eg.expr.printing import Look, Text, indexed, subscript
from tensorgrad_eg.program import Operand, Output, Program, Step, Structure
from tensorgrad_eg.program.diagonals import Diagonal, Edges, added, on_diagonal, passing, taken_over
from tensorgrad_eg.program.passes import FACTORS, fold
from tensorgrad_eg.program.table import formula

INLINE = 50
RETURNED = 76
CROWD = 4


BACKENDS = (*LIBRARIES, "opt_einsum")


def emit(program: Program, backend: str, structure: Structure | None = None, comments: bool = True) -> str:
    """A program as source that runs when it is pasted into an empty file: a function `plan` of the arrays it
    reads.

    `structure` says how results are returned: "tensor", "list", or the keys of a dict; by default one tensor
    alone, several as a list. A result that is an argument unchanged is copied; results may share memory with
    one another, and a result that does not depend on one of its edges is broadcast without a copy (in NumPy
    such an array cannot be written to). Without `comments` no line says what it computes.

    >>> print(emit(Program((), (), (), {}), "numpy"))
    import numpy as np
    <BLANKLINE>
    <BLANKLINE>
    def plan(dtype=None):
        \"\"\"Return an empty list.\"\"\"
        return []
    <BLANKLINE>
    """
    wanted: Structure = structure or ("tensor" if len(program.outputs) == 1 else "list")
    if backend == "opt_einsum":
        return _OptEinsumWriter(program, wanted, comments).write()
    if backend not in LIBRARIES:
        raise BackendError.of(backend, BACKENDS)
    return _Writer(program, LIBRARIES[backend](), wanted, comments).write()


class _Writer:
    """Writes one program for one library; `lines` grows as the steps are taken in order."""

    def __init__(self, program: Program, library: Library, structure: Structure, comments: bool) -> None:
        self.program = complemented(fold(program))
        self.structure, self.comments = structure, comments
        self.steps = {step.name: step for step in self.program.steps}
        operands = [operand for step in self.program.steps for operand in step.operands]
        operands += [out.operand for out in self.program.outputs]
        self.readers = Counter(operand.tensor for operand in operands)
        self.inputs = [given for given in self.program.inputs if self.readers[given.name]]
        results = [out.operand.tensor for out in self.program.outputs]
        # Many results that wait for the return statement would keep all they need in memory until then.
        self.crowd = frozenset(results if len(results) > CROWD else ())
        self.names = identifiers([*(given.name for given in self.inputs), *self.steps])
        library.like = self.names[self.inputs[0].name] if self.inputs else None
        self.library = library
        self.sums = added(self.program)
        self.unheld = passing(self.program, self.sums)
        self.taken = taken_over(self.program, self.sums)
        self.complements = complements(self.program, self.sums)
        self.readers.update(found.p.tensor for found in self.complements.values())
        self.shared = shared(library, self.program)
        self.lines: list[Line] = []
        self.inlined: dict[str, Value] = {}
        self.named: dict[str, Value] = {
            given.name: Value(Code(self.names[given.name]), given.edges, alias=True) for given in self.inputs
        }

    def write(self) -> str:
        """The whole source: imports, helper functions, the function."""
        for step in self.program.steps:
            self.take(step)
        results = self._results()
        lines = deleting(self.program, read_lines(self.lines, results), results)
        last = Line("", f"return {results}", self._returned())
        parameters = [self.names[given.name] for given in self.inputs]
        parameters = parameters or [f"{option}=None" for option in self.library.options]
        about = header(self.program, self.inputs, self.names, self.structure)
        return whole(self.library, function("plan", parameters, about, [*lines, last]))

    def take(self, step: Step) -> None:
        """Write a step, or keep its expression for its only reader."""
        diagonal = on_diagonal(self.steps, Operand(step.name, step.edges))
        if step.kind != "delta" and self._on_diagonals(step, diagonal):
            return
        value, comment = self.built(step)
        if step.kind in FACTORS and not value.factors and value.code.text.isidentifier():
            self.names[step.name] = value.code.text  # a matrix that is factorised where it is read
            self.named[step.name] = replace(value, fresh=False)
            return
        alone = self.structure == "tensor" and self.program.outputs[0].operand.tensor == step.name
        longest = RETURNED if alone else 0 if step.name in self.crowd else INLINE
        once = self.readers[step.name] == 1 and len(value.code.text) <= longest
        if once or step.kind in ("constant", "delta"):
            self.inlined[step.name] = value
        else:
            self.assign(step.name, value, comment)

    def _on_diagonals(self, step: Step, diagonal: Diagonal | None) -> bool:
        """Write a step whose diagonals get lines of their own, or that nobody needs as an array."""
        if step.name in self.sums:
            self._accumulated(step)
        elif step.name not in self.unheld:
            if diagonal is None or len(diagonal.pairs) < 2 or step.kind == "scale":
                return False
            zero = self.library.full([self.program.sizes[edge] for edge in step.edges], 0.0)
            self.assign(step.name, Value(zero, step.edges, fresh=True), "")
            self._write_diagonal(step, Operand(step.name, step.edges), diagonal, put=True)
        return True

    def _accumulated(self, step: Step) -> None:
        """Write a sum whose terms on diagonals are added there."""
        seen = list(zip(step.operands, self.sums[step.name], strict=True))
        rest = tuple(operand for operand, diagonal in seen if diagonal is None)
        self._start(step, rest)
        for operand, diagonal in seen:
            if diagonal:
                self._write_diagonal(step, operand, diagonal)

    def _start(self, step: Step, rest: tuple[Operand, ...]) -> None:
        """Give a name to the sum of the terms that are arrays, in memory that may be written to."""
        name = rest[0].tensor
        there = self.named.get(name) if step.name in self.taken and rest[0].edges == step.edges else None
        if there and there.fresh and not there.alias:
            # The name it has already will do.
            self.names[step.name] = self.names[name]
            self.named[step.name] = replace(there, edges=step.edges)
            return
        edges = tuple(edge for edge in step.edges if any(edge in operand.edges for operand in rest))
        self.steps[step.name] = replace(step, operands=rest, edges=edges)
        value, _ = self.built(self.steps[step.name])
        if len(rest) == 1 and rest[0].factor == 1:
            value = permuted(self.library, without_repeats(self.library, self.read(rest[0])), edges)
            own = step.name in self.taken or not self.library.in_place
            value = value if own else replace(value, alias=True)
        self.steps[step.name] = replace(step, operands=rest)
        self.assign(step.name, self._own(value, rest, step.edges), self.comment(step.name, step.edges))

    def _own(self, value: Value, rest: tuple[Operand, ...], edges: Edges) -> Value:
        """A value with all these axes, and memory of its own where arrays change."""
        shape = [self.program.sizes[edge] for edge in edges]
        constant = self.inlined[rest[0].tensor].constant if rest[0].tensor in self.inlined else None
        if len(rest) == 1 and constant is not None:
            return Value(self.library.full(shape, constant * float(rest[0].factor)), edges, fresh=True)
        code, own = value.code, value.fresh and not value.alias
        if value.edges != edges:
            inserted = self.library.insert(code, [edge not in value.edges for edge in edges])
            code, own = self.library.expand(inserted, shape), False
        if self.library.changing and not own:
            code = self.library.method(code, "copy")
        return Value(code, edges, fresh=True)

    def _write_diagonal(self, step: Step, operand: Operand, diagonal: Diagonal, put: bool = False) -> None:
        """Write the line that adds to diagonals of a tensor that has a name, or says what stands there."""
        if operand.tensor != step.name:
            self.steps[step.name] = replace(step, operands=(operand,))
        name = self.names[step.name]
        view, axes = self.library.view(name, step.edges, diagonal.pairs)
        while True:
            code, number = self._entries(step, diagonal, axes)
            if put or step.name in self.complements:
                plain = diagonal.tensor is None or self.read(diagonal.tensor).constant is not None
                plain = plain and step.name not in self.complements
                text = self.library.put_into(name, view, scaled(code, number), plain)
            else:
                text = self.library.add_to(name, view, code, number)
            if len(text) <= LINE - 4 or not diagonal.tensor or not self._splittable(diagonal.tensor.tensor):
                break
            self.assign_inlined(diagonal.tensor.tensor)
        said = self.comment(step.name, step.edges)
        self.lines.append(Line("", text, said if put else said.replace("] = ", "] += ", 1)))

    def _entries(self, step: Step, diagonal: Diagonal, axes: Edges) -> tuple[Code, Fraction]:
        """What a view with these axes gets, and how many times."""
        found = self.complements.get(step.name)
        parts = [self.read(diagonal.tensor)] if diagonal.tensor else []
        if found:
            p = self.read(found.p)
            places = [place for place, edge in enumerate(p.edges) if edge in found.over]
            parts.append(Value(self.library.complement(p.code, places), p.edges))
        if not parts:
            return literal(abs(diagonal.number)), Fraction(1 if diagonal.number > 0 else -1)
        codes = [on_view(self.library, part, step.edges, diagonal, axes) for part in parts]
        return reduce(product, codes), diagonal.number

    def built(self, step: Step) -> tuple[Value, str]:
        """The value of a step; operands that make its line too long, or are read twice, get their own."""
        for operand in step.operands:
            twice = step.kind == "apply" and reads(self.library, step.function) > 1
            twice |= step.kind == "power" and step.number == -1 and self.readers[step.name] > 1
            if operand.tensor in self.inlined and twice:
                self.assign_inlined(operand.tensor)
        while True:
            value = self.expression(step)
            waiting = dict.fromkeys(o.tensor for o in step.operands if self._splittable(o.tensor))
            if not waiting or len(value.code.text) + len(self.names[step.name]) + 7 <= LINE:
                return value, self.comment(step.name, step.edges)
            longest = sorted(waiting, key=lambda name: -len(self.inlined[name].code.text))
            # So many terms need more than a line, whatever they are called: all of them at once.
            for name in longest if len(step.operands) > LINE else longest[:1]:
                self.assign_inlined(name)

    def expression(self, step: Step) -> Value:
        """The value of a step in the order of its axes, with what it reads as it stands."""
        if embedded := self._embedded(step):
            return embedded
        operands = [self.read(operand) for operand in step.operands]
        if step.kind in FACTORS:
            return factorised(self.library, step, operands[0], step.name in self.shared)
        step, operands = joined(self.library, self.steps, step, operands)
        value = build(self.library, step, operands, self.program.sizes)
        return permuted(self.library, value, step.edges)

    def _embedded(self, step: Step) -> Value | None:
        """The value of a step that puts a tensor on a diagonal, or None if the step does something else."""
        found = on_diagonal(self.steps, Operand(step.name, step.edges)) if step.kind == "contract" else None
        if found is None or found.tensor is None or len(found.pairs) > 1:
            return None
        value = self.read(found.tensor)
        fresh = value.fresh or found.number != 1
        value = replace(value, code=scaled(value.code, found.number), fresh=fresh)
        return embed(self.library, found.pairs[0], value, step.edges, self.program.sizes)

    def read(self, operand: Operand) -> Value:
        """What an operand reads, its axes under the operand's labels."""
        name = operand.tensor
        if name in self.inlined and self.steps[name].kind == "delta" and self.readers[name] > 1:
            self.assign_inlined(name)
        value = self.inlined.get(name) or self.named[name]
        return value if value.edges == operand.edges else replace(value, edges=operand.edges)

    def _splittable(self, name: str) -> bool:
        """Whether an expression that waits for its reader could have a line of its own instead."""
        return name in self.inlined and self.steps[name].kind != "constant"

    def assign_inlined(self, name: str) -> None:
        """Give a name to an expression that waited for its reader."""
        self.assign(name, self.inlined[name], self.comment(name, self.steps[name].edges))
        del self.inlined[name]

    def assign(self, name: str, value: Value, comment: str) -> None:
        """Write a line."""
        self.lines.append(Line(self.names[name], value.code.text, comment))
        fresh = value.fresh and self.readers[name] == 1
        # What has a name itself can still be divided by: a/b is 1 where a = b, a·(1/b) is not always.
        below = value.below if value.below and value.below.text.isidentifier() else None
        self.named[name] = replace(value, code=Code(self.names[name]), fresh=fresh, below=below)

    def comment(self, name: str, edges: Sequence[str]) -> str:
        """`name[labels] = formula`, with what is inlined written out; nothing if nobody is to read it."""
        if not self.comments:
            return ""
        text = self.formula(name, tuple(edges), frozenset(edges), top=True).text
        return plain(f"{indexed(self.names[name], edges)} = {text}")

    def formula(self, name: str, edges: tuple[str, ...], taken: frozenset[str], top: bool = False) -> Text:
        """A tensor under these labels: a name, or what it is made of where its expression is inlined."""
        if not top and name not in self.inlined and name not in self.unheld:
            return Text(indexed(self.names[name], edges))
        step = self.steps[name]
        labels = dict(zip(step.edges, edges, strict=True))
        for label in step.labels:
            if label not in labels:
                labels[label] = fresh(label, taken | frozenset(labels.values()))
        inside = taken | frozenset(labels.values())
        operands = [
            self.formula(operand.tensor, tuple(labels[edge] for edge in operand.edges), inside)
            for operand in step.operands
        ]
        return formula(step, operands or None, labels)

    def _results(self) -> str:
        """What is returned, as one expression; the longest parts get names first, until it fits on a line."""
        outputs = self.program.outputs
        codes = [self._result(out) for out in outputs]
        waiting = {
            out.operand.tensor: place
            for place, out in enumerate(outputs)
            if self._splittable(out.operand.tensor)
        }
        shown = list(codes)
        named = []
        for name in sorted(waiting, key=lambda name: -len(codes[waiting[name]].text)):
            if "\n" in gathered(shown, self.structure):
                named.append(name)
                shown[waiting[name]] = Code(self.names[name])
        for name in sorted(named, key=waiting.__getitem__):
            self.assign_inlined(name)
            codes[waiting[name]] = self._result(outputs[waiting[name]])
        return gathered(codes, self.structure)

    def _returned(self) -> str:
        """The formula of a single result whose expression is in the return statement."""
        alone = self.structure == "tensor" and self.program.outputs[0].operand.tensor in self.inlined
        if not alone or not self.comments:
            return ""
        out = self.program.outputs[0]
        edges = tuple(dict.fromkeys(out.operand.edges))
        return plain(self.formula(out.operand.tensor, out.operand.edges, frozenset(edges)).text)

    def _result(self, out: Output) -> Code:
        """An output in the order the user wants."""
        return arranged(self.library, self.read(out.operand), out, self.program.sizes)


class _OptEinsum(Library):
    imports = (*Library.imports, "from opt_einsum import contract")


class _OptEinsumWriter(_Writer):
    """Every run of contractions whose intermediates nobody else reads is one `contract` with its path."""

    def __init__(self, program: Program, structure: Structure, comments: bool) -> None:
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

    def formula(self, name: str, edges: tuple[str, ...], taken: frozenset[str], top: bool = False) -> Text:
        """As for every writer, with a group as one product of all that it reads."""
        if name not in self.groups or not (top or name in self.inlined):
            return super().formula(name, edges, taken, top)
        leaves, _, labels = self._flattened(self.steps[name])
        new = dict(zip(self.steps[name].edges, edges, strict=True))
        for label in labels:
            if label not in new:
                new[label] = fresh(label, taken | frozenset(new.values()))
        factors = (indexed(self.names[o.tensor], [new[edge] for edge in o.edges]) for o in leaves)
        sums = [new[label] for label in labels if label not in self.steps[name].edges]
        return Text(f"Σ_{subscript(sums)} {' '.join(factors)}", Look.SIGMA | Look.PRODUCT)

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
                new[edge] = fresh(edge, frozenset(labels))
                labels.append(new[edge])
            reading[name] = [Operand(o.tensor, tuple(new[edge] for edge in o.edges)) for o in step.operands]
            axes.update((o.tensor, o.edges) for o in reading[name] if o.tensor in group)
        return *contraction_path(group, reading), labels

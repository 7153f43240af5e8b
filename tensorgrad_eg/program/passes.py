"""Programs made better to run and to read: constants worked out once, diagonals read once, and names.

A name reminds of what a step holds: `Ax`, `tanh`, `r` for a difference, else `t1`, `t2`, …


>>> from tensorgrad_eg.program.program import Input, Operand, Program, Step
>>> product = Step("s0", "contract", (Operand("A", ("i", "k")), Operand("x", ("k",))), ("i",), ("k",))
>>> tanh = Step("s1", "apply", (Operand("s0", ("i",)),), ("i",), function="tanh")
>>> inputs = (Input("A", ("i", "k"), ("i", "k")), Input("x", ("k",), ("k",)))
>>> [step.name for step in rename(Program(inputs, (product, tanh), (), {"i": 2, "k": 3})).steps]
['Ax', 'tanh']
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from keyword import iskeyword

import numpy as np

from tensorgrad_eg.expr import fresh
from tensorgrad_eg.expr.arrays import Labelled, Numpy
from tensorgrad_eg.expr.operations import OPERATIONS
from tensorgrad_eg.program.products import Edges
from tensorgrad_eg.program.program import Operand, Program, Step

LONGEST = 8
# Names that the emitted source uses itself, or that would puzzle a reader.
RESERVED = frozenset(
    {"torch", "np", "jax", "jnp", "math", "plan", "contract", "softmax", "logsumexp", "float", "lambda"}
    | {"lru_cache", "upper", "mirrored"}
)


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


@dataclass(frozen=True)
class Diagonal:
    """`number · δ[pair] · tensor`; the tensor has at most one of the pair, and without one it is a number.

    >>> Diagonal(("i", "j"), Fraction(1), None).tensor is None
    True
    """

    pair: tuple[str, str]
    number: Fraction
    tensor: Operand | None


def multiple(steps: Mapping[str, Step], operand: Operand) -> Fraction | None:
    """The number on the diagonal, if the operand is a multiple of the identity.

    >>> steps = {"eye": Step("eye", "delta", (), ("i", "j"))}
    >>> multiple(steps, Operand("eye", ("a", "b"))), multiple(steps, Operand("x", ("a", "b")))
    (Fraction(1, 1), None)
    """
    step = steps.get(operand.tensor)
    if step is None or len(set(operand.edges)) < 2:
        return None
    if step.kind == "scale" and step.number:
        inner = multiple(steps, step.operands[0])
        return None if inner is None else inner * step.number
    return Fraction(1) if step.kind == "delta" else None


def on_diagonal(steps: Mapping[str, Step], operand: Operand) -> Diagonal | None:
    """What an operand has on its diagonal, under the operand's labels; None if it is no such tensor.

    >>> steps = {"eye": Step("eye", "delta", (), ("i", "j"))}
    >>> steps["t"] = Step("t", "contract", (Operand("eye", ("i", "j")), Operand("x", ("i",))), ("i", "j"))
    >>> found = on_diagonal(steps, Operand("t", ("a", "b"), Fraction(-1)))
    >>> found.pair, found.number, found.tensor.edges
    (('a', 'b'), Fraction(-1, 1), ('a',))
    """
    step = steps.get(operand.tensor)
    if step is None or len(set(operand.edges)) < len(operand.edges):
        return None
    number = multiple(steps, operand)
    if number is not None:
        first, second = operand.edges
        return Diagonal((first, second), number * operand.factor, None)
    if step.kind != "contract" or len(step.operands) != 2 or step.over:
        return None
    outer = dict(zip(step.edges, operand.edges, strict=True))
    for one, other in (step.operands, step.operands[::-1]):
        number = multiple(steps, one)
        if number is not None and not set(one.edges) <= set(other.edges):
            first, second = (outer[edge] for edge in one.edges)
            tensor = replace(other, edges=tuple(outer[edge] for edge in other.edges))
            return Diagonal((first, second), number * operand.factor, tensor)
    return None


def nested(program: Program) -> Program:
    """The program in which what is multiplied by several deltas is put on one diagonal after another.

    So code writes it there: a product with the zeros of an identity would be NaN where the tensor is.

    >>> from tensorgrad_eg.program.program import Input
    >>> d, e = (Operand(name, tuple(edges)) for name, edges in (("d", "ij"), ("e", "kl")))
    >>> p, x = Operand("p", tuple("ijkl")), Operand("x", ("i", "k"))
    >>> steps = [Step(delta.tensor, "delta", (), delta.edges) for delta in (d, e)]
    >>> steps += [Step(name, "contract", reads, p.edges) for name, reads in (("p", (d, e)), ("t", (p, x)))]
    >>> found = nested(Program((Input("x", x.edges, (3, 3)),), tuple(steps), (), dict.fromkeys("ijkl", 3)))
    >>> [[operand.tensor for operand in step.operands] for step in found.steps[3:]]
    [['e', 'x'], ['d', 't_']]
    """
    chains: dict[str, tuple[Edges, tuple[Operand, ...]]] = {}
    taken = {given.name for given in program.inputs} | {step.name for step in program.steps}
    steps: list[Step] = []
    for step in program.steps:
        product = step.kind == "contract" and not step.over and len(step.operands) == 2
        parts = [_chain(chains, operand) for operand in step.operands] if product else []
        if step.kind == "delta" or (parts and all(parts)):
            own = parts[0] + parts[1] if parts else (Operand(step.name, step.edges),)
            chains[step.name] = step.edges, own
        if product and sum(len(part) > 1 for part in parts) == 1 and not all(parts):
            first = bool(parts[0])
            steps += _placed(step, parts[not first], step.operands[first], taken)
        else:
            steps.append(step)
    return replace(program, steps=tuple(steps))


def _chain(chains: Mapping[str, tuple[Edges, tuple[Operand, ...]]], operand: Operand) -> tuple[Operand, ...]:
    """The deltas that a product of identities is made of, under the labels of who reads it."""
    edges, own = chains.get(operand.tensor, ((), ()))
    names = dict(zip(edges, operand.edges, strict=True)) if own else {}
    return tuple(replace(one, edges=tuple(names[edge] for edge in one.edges)) for one in own)


def _placed(step: Step, deltas: Sequence[Operand], inner: Operand, taken: set[str]) -> list[Step]:
    """A step for each delta, the last of them first; the step itself where one of them would be a mask."""
    steps: list[Step] = []
    for delta in reversed(deltas):
        if len(set(delta.edges)) < 2 or set(delta.edges) <= set(inner.edges):
            return [step]
        name = fresh(step.name, taken) if delta is not deltas[0] else step.name
        edges = tuple(dict.fromkeys((*inner.edges, *delta.edges))) if delta is not deltas[0] else step.edges
        steps.append(Step(name, "contract", (delta, inner), edges))
        inner = Operand(name, edges)
        taken.add(name)
    return steps

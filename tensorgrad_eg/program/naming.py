"""Names for steps that remind of what they hold: `Ax`, `tanh`, `r` for a difference, else `t1`, `t2`, …

>>> from tensorgrad_eg.program.program import Input, Operand, Program, Step
>>> product = Step("s0", "contract", (Operand("A", ("i", "k")), Operand("x", ("k",))), ("i",), ("k",))
>>> tanh = Step("s1", "apply", (Operand("s0", ("i",)),), ("i",), function="tanh")
>>> inputs = (Input("A", ("i", "k"), ("i", "k")), Input("x", ("k",), ("k",)))
>>> [step.name for step in rename(Program(inputs, (product, tanh), (), {"i": 2, "k": 3})).steps]
['Ax', 'tanh']
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from keyword import iskeyword

from tensorgrad_eg.expr.operations import OPERATIONS
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

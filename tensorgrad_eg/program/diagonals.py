"""Terms of sums that stand on a diagonal, `2 δ[i,j] T[…]`: the zeros beside it need not be added.

>>> from tensorgrad_eg.program.program import Input, Output, Program
>>> delta = Step("eye", "delta", (), ("i", "j"))
>>> steps = {"eye": delta}
>>> on_diagonal(steps, Operand("eye", ("a", "b"), Fraction(3)))
Diagonal(pair=('a', 'b'), number=Fraction(3, 1), tensor=None)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from tensorgrad_eg.expr import fresh
from tensorgrad_eg.program.products import Edges
from tensorgrad_eg.program.program import Operand, Program, Step


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

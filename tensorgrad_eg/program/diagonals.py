"""Terms of sums that stand on diagonals: δ_ij a_i + R is an addition into the diagonal of R, no dense sum.

In a program deltas, and what they put on diagonals, are steps of their own. Here it is said which sums read
such a step by what it has on its diagonals; a step that is read in this way alone is never an array.

>>> from tensorgrad_eg.program import Input
>>> d, x, R = Operand("d", ("i", "j")), Operand("x", ("i",)), Operand("R", ("i", "j"))
>>> steps = [Step("d", "delta", (), d.edges), Step("t", "contract", (d, x), d.edges)]
>>> steps += [Step("r", "add", (R, Operand("t", d.edges)), d.edges)]
>>> inputs = Input("R", R.edges, (3, 3)), Input("x", x.edges, (3,))
>>> program = Program(inputs, tuple(steps), (), {"i": 3, "j": 3})
>>> added(program)["r"][1].tensor == x, sorted(passing(program, added(program)))
(True, ['d', 't'])
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from tensorgrad_eg.program import Operand, Program, Step

Edges = tuple[str, ...]
Pair = tuple[str, str]
#: How each operand of a sum is read: by what is on its diagonals, or as the array that it is.
Readings = tuple["Diagonal | None", ...]


@dataclass(frozen=True)
class Diagonal:
    """`number · δ[pair] ··· tensor`, where each delta has an edge that nothing behind it has; no tensor is 1.

    >>> Diagonal((("i", "j"),), Fraction(1), None).tensor is None
    True
    """

    pairs: tuple[Pair, ...]
    number: Fraction
    tensor: Operand | None

    def renamed(self, names: Mapping[str, str], factor: Fraction = Fraction(1)) -> Diagonal:
        """A multiple of it under other labels."""
        pairs = tuple([(names[first], names[second]) for first, second in self.pairs])
        tensor = self.tensor and replace(self.tensor, edges=tuple(names[edge] for edge in self.tensor.edges))
        return Diagonal(pairs, self.number * factor, tensor)


def merged(edges: Iterable[str], pairs: Iterable[Pair]) -> dict[str, str]:
    """For each edge the first of those that are equal to it on these diagonals.

    >>> merged("ijkl", [("k", "j"), ("i", "j")])
    {'i': 'i', 'j': 'i', 'k': 'i', 'l': 'l'}
    """
    found = {edge: edge for edge in edges}
    order = list(found)
    for pair in pairs:
        first, second = sorted((found[edge] for edge in pair), key=order.index)
        found = {edge: first if name == second else name for edge, name in found.items()}
    return found


def on_diagonal(steps: Mapping[str, Step], operand: Operand) -> Diagonal | None:
    """What an operand has on its diagonals, under the operand's labels; None if it is no such tensor.

    >>> steps = {"eye": Step("eye", "delta", (), ("i", "j"))}
    >>> steps["t"] = Step("t", "contract", (Operand("eye", ("i", "j")), Operand("x", ("i",))), ("i", "j"))
    >>> found = on_diagonal(steps, Operand("t", ("a", "b"), Fraction(-1)))
    >>> found.pairs, found.number, found.tensor.edges
    ((('a', 'b'),), Fraction(-1, 1), ('a',))
    """
    step = steps.get(operand.tensor)
    if step is None or len(set(operand.edges)) < len(operand.edges):
        return None
    found = _diagonal(steps, step)
    return found and found.renamed(dict(zip(step.edges, operand.edges, strict=True)), operand.factor)


def _diagonal(steps: Mapping[str, Step], step: Step) -> Diagonal | None:
    if step.kind == "delta":
        first, second = step.edges
        return Diagonal(((first, second),), Fraction(1), None)
    if step.kind == "scale" and step.number:
        found = on_diagonal(steps, step.operands[0])
        return found and replace(found, number=found.number * step.number)
    if step.kind != "contract" or step.over:
        return None
    if len(step.operands) == 1:
        return on_diagonal(steps, step.operands[0])
    for one, other in (step.operands, step.operands[::-1]):
        outer = on_diagonal(steps, one)
        if outer and outer.tensor is None and larger(outer.pairs, other.edges):
            inner = on_diagonal(steps, other) or Diagonal((), Fraction(1), other)
            return Diagonal(outer.pairs + inner.pairs, outer.number * inner.number, inner.tensor)
    return None


def larger(pairs: Sequence[Pair], edges: Iterable[str]) -> bool:
    """Whether each delta, the last first, has an edge that what it is multiplied with lacks: it is no mask.

    >>> larger([("i", "j"), ("j", "k")], "k"), larger([("i", "j"), ("j", "k")], "ki")
    (True, False)
    """
    there = set(edges)
    for pair in reversed(pairs):
        if len(set(pair)) < 2 or set(pair) <= there:
            return False
        there.update(pair)
    return True


def added(program: Program) -> dict[str, Readings]:
    """For each sum with terms on diagonals, how it reads its operands.

    Where all terms are on diagonals, the first is an array to which the others are added.
    """
    steps: dict[str, Step] = {}
    found: dict[str, Readings] = {}
    for step in program.steps:
        steps[step.name] = step
        if step.kind == "add":
            terms = [on_diagonal(steps, operand) for operand in step.operands]
            if all(terms):
                terms[0] = None
            if any(terms):
                found[step.name] = tuple(terms)
    return found


def passing(program: Program, sums: Mapping[str, Readings]) -> set[str]:
    """The steps that are never arrays: what is on diagonals, and is only added, or put on more diagonals."""
    steps = {step.name: step for step in program.steps}
    held = {out.operand.tensor for out in program.outputs}
    found: set[str] = set()
    for step in reversed(program.steps):
        placed = on_diagonal(steps, Operand(step.name, step.edges))
        if placed and step.name not in held:
            found.add(step.name)
        # A multiple that is an array is made of one.
        through = placed is not None and (step.name in found or step.kind == "contract")
        readings = sums.get(step.name)
        for place, operand in enumerate(step.operands):
            seen = readings[place] is not None if readings else through
            if not seen or on_diagonal(steps, operand) is None:
                held.add(operand.tensor)
    return found


def taken_over(program: Program, sums: Mapping[str, Readings]) -> dict[str, str]:
    """The sums that are written into the memory of the one term that is an array, and that term.

    Nobody else reads it, and it is no function's value: torch keeps that for its derivative.
    """
    steps = {step.name: step for step in program.steps}
    found: dict[str, str] = {}
    for name, readings in sums.items():
        dense = [o for o, seen in zip(steps[name].operands, readings, strict=True) if seen is None]
        step = steps.get(dense[0].tensor)
        if len(dense) > 1 or step is None or len(program.readers(step.name)) > 1:
            continue
        same = dense[0].factor == 1 and sorted(dense[0].edges) == sorted(steps[name].edges)
        made = step.kind in ("add", "scale") or (step.kind == "contract" and len(step.operands) > 1)
        if same and made:
            found[name] = step.name
    return found

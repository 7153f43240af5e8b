"""Tensors on a diagonal: `δ[i,j] T[…]` without multiplying by zeros.

>>> from tensorgrad_eg.emit.code import Code
>>> from tensorgrad_eg.emit.torch import Torch
>>> d = Value(Code("d"), ("i",))
>>> embed(Torch(), ("i", "j"), d, ("i", "j"), {"i": 3, "j": 3}).code.text
'torch.diag_embed(d)'
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from tensorgrad_eg.emit.code import literal
from tensorgrad_eg.emit.complement import complement
from tensorgrad_eg.emit.library import Library
from tensorgrad_eg.emit.tensors import Value, aligned, permuted, without_repeats
from tensorgrad_eg.program.cost import elements
from tensorgrad_eg.program.diagonals import Diagonal, on_diagonal
from tensorgrad_eg.program.products import Edges
from tensorgrad_eg.program.program import Operand, Program, Step

# Below this many elements nothing is gained by a line of its own for a diagonal.
SMALL = 2**12


@dataclass(frozen=True)
class Accumulation:
    """A sum as terms that are on diagonals, each with what it has there, and the others.

    >>> Accumulation((Operand("a", ("i", "j")),), ()).diagonals
    ()
    """

    rest: tuple[Operand, ...]
    diagonals: tuple[tuple[Operand, Diagonal], ...]


def accumulations(program: Program, readers: Mapping[str, int]) -> dict[str, Accumulation]:
    """The sums that can be written as an addition to diagonals, by name, as far as the program tells.

    >>> A, s, eye = (Operand(name, ("i", "j")) for name in ("A", "s", "eye"))
    >>> steps = [Step("eye", "delta", (), A.edges), Step("s", "scale", (A,), A.edges)]
    >>> steps += [Step("t", "add", (s, eye), A.edges)]
    >>> list(accumulations(Program((), tuple(steps), (), {"i": 64, "j": 64}), {"s": 1, "eye": 1}))
    ['t']
    """
    steps = {step.name: step for step in program.steps}
    found: dict[str, Accumulation] = {}
    for step in program.steps:
        large = step.kind == "add" and elements(step.edges, program.sizes) >= SMALL
        if large and complement(steps, step) is None:
            terms = [(operand, on_diagonal(steps, operand)) for operand in step.operands]
            diagonals = [
                (operand, diagonal)
                for operand, diagonal in terms
                if diagonal and (readers[operand.tensor] == 1 or diagonal.tensor is None)
            ]
            if len(diagonals) == len(terms):
                diagonals.pop(0)  # the first is what the others are added to
            rest = tuple(operand for operand in step.operands if operand not in [one for one, _ in diagonals])
            if diagonals and _whole(steps, step, rest, readers):
                found[step.name] = Accumulation(rest, tuple(diagonals))
    return found


def _whole(
    steps: Mapping[str, Step], step: Step, rest: tuple[Operand, ...], readers: Mapping[str, int]
) -> bool:
    """Whether terms sum to a tensor with all axes, that may be written to.

    A function's value may not: torch keeps it for its derivative.
    """
    if not set(step.edges) <= {edge for operand in rest for edge in operand.edges}:
        return False
    (first, *others) = rest
    source = steps.get(first.tensor)
    plain = first.factor == 1 and len(set(first.edges)) == len(first.edges)
    alone = source is not None and plain and readers[first.tensor] == 1
    return bool(others) or (alone and source is not None and source.kind in ("contract", "add", "scale"))


def added_on_diagonal(
    library: Library, name: str, edges: Edges, diagonal: Diagonal, value: Value | None
) -> str:
    """The statement that adds to a diagonal of a named tensor with these axes.

    >>> from tensorgrad_eg.emit.code import Code
    >>> from tensorgrad_eg.emit.torch import Torch
    >>> twice = Diagonal(("i", "j"), Fraction(2), Operand("d", ("i",)))
    >>> added_on_diagonal(Torch(), "t", ("i", "j"), twice, Value(Code("d"), ("i",)))
    't.diagonal().add_(d, alpha=2)'
    >>> added_on_diagonal(Library(), "t", ("i", "j"), twice, Value(Code("d"), ("i",)))
    'np.einsum("jj->j", t)[...] += 2 * d'
    """
    if value is None:
        return library.add_on_diagonal(name, edges, diagonal.pair, literal(diagonal.number), Fraction(1))
    value = without_repeats(library, value)
    last = diagonal.pair[1] if diagonal.pair[1] in value.edges else diagonal.pair[0]
    rest = tuple(edge for edge in edges if edge not in diagonal.pair)
    code = aligned(library, value, (*rest, last))
    return library.add_on_diagonal(name, edges, diagonal.pair, code, diagonal.number)


def embed(library: Library, delta: Edges, value: Value, out: Edges, sizes: Mapping[str, int]) -> Value | None:
    """`δ` times a tensor that has one of its labels, or none; None where it has both, which is a mask.

    What is beside the diagonal is written as 0: a product with zeros would be NaN where the tensor is.

    >>> from tensorgrad_eg.emit.code import Code
    >>> from tensorgrad_eg.emit.torch import Torch
    >>> M = Value(Code("M"), ("a", "b"))
    >>> embed(Torch(), ("i", "j"), M, ("i", "a", "j", "b"), dict(i=3, j=3, a=2, b=2)).code.text
    'torch.diag_embed(M.unsqueeze(2).expand(2, 2, 3), dim1=0, dim2=2)'
    >>> embed(Library(), ("i", "j"), M, ("i", "a", "j", "b"), dict(i=3, j=3, a=2, b=2)).code.text
    'diag_embed(np.broadcast_to(M[:, :, None], (2, 2, 3)), 0, 2)'
    """
    if len(set(delta)) < 2 or set(delta) <= set(value.edges):
        return None
    value = without_repeats(library, value)
    rest = tuple(edge for edge in out if edge not in delta)
    if shared := tuple(edge for edge in delta if edge in value.edges):
        code = permuted(library, value, (*rest, *shared)).code
    else:
        shape = [sizes[edge] for edge in (*rest, delta[0])]
        # A leading new axis is left to broadcasting: it is the only one of a scalar.
        code = library.insert(permuted(library, value, rest).code, [*(False for _ in rest), True])
        code = library.expand(code, shape)
    first, second = sorted(out.index(edge) for edge in delta)
    return Value(library.embed(code, first, second, len(out)), out, fresh=True)

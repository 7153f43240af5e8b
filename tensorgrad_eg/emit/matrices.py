"""Functions of matrices as expressions of the library, of a matrix or of its factors.

>>> from tensorgrad_eg.program import Operand
>>> step = Step("y", "solve", (Operand("a", ("i", "j")), Operand("b", ("j",))), ("i",), over=("i", "j"))
>>> values = [Value(Code("a"), ("i", "j")), Value(Code("b"), ("j",))]
>>> matrix(Library(), step, values, {"i": 3, "j": 3}).code.text
'np.linalg.solve(a, b)'
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tensorgrad_eg.emit.code import Code, call, parsed
from tensorgrad_eg.emit.library import Library
from tensorgrad_eg.emit.tensors import Value, aligned, permuted, without_repeats
from tensorgrad_eg.expr.operations import OPERATIONS
from tensorgrad_eg.program import Program, Step


def matrix(library: Library, step: Step, values: Sequence[Value], sizes: Mapping[str, int]) -> Value:
    """A function of matrices, whose rows and columns are the last two axes."""
    if step.kind == "solve":
        return _solved(library, step, values, sizes)
    (value,) = values
    spans = OPERATIONS[step.kind].spans
    if value.factors:
        code = _of_factors(library, step.kind, value, sizes)
        return Value(code, value.edges if spans else value.edges[:-2], fresh=True)
    batch = tuple(edge for edge in value.edges if edge not in step.over)
    rows = tuple(edge for edge in value.edges if edge in step.over)
    code = permuted(library, value, (*batch, *rows)).code
    edges = (*batch, *rows) if spans else batch
    return Value(parsed(OPERATIONS[step.kind].code[library.name].format(code.text)), edges, fresh=True)


def shared(library: Library, program: Program) -> frozenset[str]:
    """The matrices that are factorised for their readers, and not by each of them.

    LU factors are worth a name where several steps read them, and one of these ends on a singular matrix.
    """
    kinds: dict[str, list[str]] = {step.name: [] for step in program.steps}
    for step in program.steps:
        for operand in step.operands:
            kinds.setdefault(operand.tensor, []).append(step.kind)
    return frozenset(
        step.name
        for step in program.steps
        if step.kind in library.factorise
        and {*step.edges[-2:]} == {*step.over}
        and (step.kind == "cholesky" or len(kinds[step.name]) > 1)
        and (step.kind == "cholesky" or not {"solve", "inverse"}.isdisjoint(kinds[step.name]))
    )


def factorised(library: Library, step: Step, value: Value, apart: bool) -> Value:
    """The factors of a matrix, or the matrix itself where its readers factorise it."""
    value = permuted(library, without_repeats(library, value), step.edges)
    if not apart:
        return value
    return Value(call(library.factorise[step.kind], value.code.text), step.edges, factors=step.kind)


def _of_factors(library: Library, kind: str, value: Value, sizes: Mapping[str, int]) -> Code:
    """An inverse, or the product of a diagonal or its logarithm, from the factors of a matrix."""
    if value.factors == "cholesky":
        if kind == "inverse":
            return call("torch.cholesky_inverse", value.code.text)
        diagonal = f"{value.code.atom}.diagonal(0, -2, -1)"
        logdet, det = f"2 * {diagonal}.log().sum(-1)", f"{diagonal}.square().prod(-1)"
        return parsed(logdet if kind == "logdet" else det)
    if kind == "inverse":
        eye = library.eye(sizes[value.edges[-1]])
        return call("torch.linalg.lu_solve", f"*{value.code.atom}", eye.text)
    return call(f"factors_{kind}", f"*{value.code.atom}")


def _solved(library: Library, step: Step, values: Sequence[Value], sizes: Mapping[str, int]) -> Value:
    """The solutions for all right sides at once: they are the columns of one matrix for each of a batch."""
    left, right = values
    own, other = step.node.pair
    batch = tuple(edge for edge in left.edges if edge not in step.over)
    columns = tuple(edge for edge in right.edges if edge not in (*batch, other))
    given = aligned(library, right, (*batch, other, *columns))
    shape = [sizes[edge] if edge in right.edges else 1 for edge in batch]
    if len(columns) > 1:
        given = library.method(given, "reshape", *shape, sizes[other], -1)
    alone = bool(batch or left.factors) and not columns
    if alone:
        given = Code(f"{given.atom}[..., None]")
    if left.factors == "cholesky":
        code = call("torch.cholesky_solve", given.text, left.code.text)
    elif left.factors:
        turned = [] if left.edges[-1] == other else ["adjoint=True"]
        code = call("torch.linalg.lu_solve", f"*{left.code.text}", given.text, *turned)
    else:
        first = permuted(library, left, (*batch, own, other)).code
        code = parsed(OPERATIONS["solve"].code[library.name].format(first.text, given.text))
    if alone:
        code = Code(f"{code.atom}[..., 0]")
    if len(columns) > 1:
        code = library.method(code, "reshape", *(sizes[edge] for edge in (*batch, own, *columns)))
    return Value(code, (*batch, own, *columns), fresh=True)

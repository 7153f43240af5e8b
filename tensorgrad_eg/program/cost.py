"""What a step costs, in opt_einsum's unit, what is held at once, and how two tensors are best multiplied.

Extraction prices with `flops`, plans report with `step_flops`.
A contraction costs the product of all its sizes, twice that if something is summed; additions, reductions and
functions count per element, and so does packing a symmetric pair or unpacking it; renaming, reading (a
diagonal, too) and constants are free. So are identities, and identities that are put on the diagonal of
another one: they are written down, and no number in them has to be computed. For the same reason a tensor
that is put on several diagonals is paid once, at its full size. A term of a sum that is on diagonals is added
there: it costs as many additions as it has entries there, and is no array.

A product of two arrays, given the order of their axes, has a price of its own, by which layouts are chosen
and source is written: in elements moved (about half a nanosecond each), without what every form shares, the
multiplications. The figures were measured on one CPU core: a batch of matrix-vector products is ten times
faster written as row times matrix, an elementwise operation on differently ordered tensors costs up to six
times one on equally ordered ones, `einsum` takes 10 µs more to start.

>>> best(("i", "k"), ("k",), ("k",), ("i",), {"i": 100, "k": 50}).form
'matmul'
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import prod
from typing import Self

from tensorgrad_eg.expr.operations import OPERATIONS, Work
from tensorgrad_eg.program import PACKING, Operand, Program, Step
from tensorgrad_eg.program import diagonals as on
from tensorgrad_eg.program.diagonals import Edges, Pair, Readings, merged, on_diagonal

START = {
    "elementwise": 4_000,
    "matmul": 4_000,
    "sum": 8_000,
    "row": 12_000,
    "einsum": 24_000,
    "dot": 50_000,
    "reshape": 6_000,
}
# A transposed factor costs a view, and a little legibility.
FLIP = 200
COPY = 3
SCATTERED = 6


class Baseline(int):
    """The cost of the best ordinary way, in flops; `modes` has the cost of each way that was considered.

    >>> Baseline(60, {"forward": 90, "reverse": 60}).modes["forward"]
    90
    """

    modes: dict[str, int]

    def __new__(cls, value: int, modes: Mapping[str, int] | None = None) -> Self:
        """Make an integer that knows where it comes from."""
        self = super().__new__(cls, value)
        self.modes = dict(modes or {})
        return self

    def __reduce__(self) -> tuple[type[Baseline], tuple[int, dict[str, int]]]:
        """Let copies keep the modes."""
        return Baseline, (int(self), self.modes)


def elements(edges: Iterable[str], sizes: Mapping[str, int]) -> int:
    """How many elements a tensor over these edges has; an edge that is named twice counts once (a diagonal).

    >>> elements("iik", {"i": 3, "k": 4})
    12
    """
    return prod([sizes[edge] for edge in dict.fromkeys(edges)])


def flops(
    kind: str,
    operand_edges: Sequence[Collection[str]],
    out_edges: Collection[str],
    over: Collection[str],
    sizes: Mapping[str, int],
    factors: Sequence[Fraction | int] = (),
    diagonals: Sequence[Sequence[Pair]] = (),
) -> int:
    """The cost of one operation; `factors` are those of the operands of an addition.

    `diagonals` are the deltas of its operands: what has some is added there, and only the others as arrays.

    >>> sizes = {"i": 3, "j": 3, "k": 4}
    >>> flops("contract", ["ik", "k"], "i", "k", sizes), flops("contract", ["ik", "k"], "ik", "", sizes)
    (24, 12)
    >>> flops("add", ["i", "i"], "i", "", sizes, (1, -1)), flops("add", ["i", "i"], "i", "", sizes, (1, 2))
    (3, 6)
    >>> flops("add", ["ij", "ij"], "ij", "", sizes, (1, 1), [[], [("i", "j")]])
    3
    """
    out = elements(out_edges, sizes)
    if kind in PACKING:
        return out
    if kind not in OPERATIONS:
        raise ValueError(f"no cost is known for a step of kind {kind!r}")
    pairs = diagonals or [()] * len(operand_edges)
    dense = [edges for edges, own in zip(operand_edges, pairs, strict=True) if not own]
    read = elements((edge for edges in dense for edge in edges), sizes)
    scaled = factored = 0
    for edges, factor, own in zip(operand_edges, factors, pairs, strict=False):
        entries = elements(merged(out_edges, own).values() if own else edges, sizes)
        scaled += entries * bool(own)
        factored += entries * (abs(factor) != 1)
    work = Work(read, out, len(dense), bool(over), factored, elements(over, sizes))
    return OPERATIONS[kind].price(work) + scaled


def step_flops(step: Step, sizes: Mapping[str, int], readings: Readings = ()) -> int:
    """The cost of one step of a program; `readings` say which terms of a sum are added on diagonals."""
    seen = readings or [None] * len(step.operands)
    # A multiple of the identity is a number.
    factors = [
        Fraction(1)
        if diagonal and diagonal.tensor is None
        else diagonal.number
        if diagonal
        else operand.factor
        for operand, diagonal in zip(step.operands, seen, strict=True)
    ]
    pairs = [diagonal.pairs if diagonal else () for diagonal in seen]
    return flops(step.kind, [o.edges for o in step.operands], step.edges, step.over, sizes, factors, pairs)


def costs(program: Program) -> dict[str, int]:
    """The cost of every step.

    >>> from tensorgrad_eg.program import Operand
    >>> one, two = Step("d", "delta", (), ("i", "j")), Step("e", "delta", (), ("k", "l"))
    >>> operands = Operand("d", ("i", "j")), Operand("e", ("k", "l"))
    >>> both = Step("de", "contract", operands, ("i", "j", "k", "l"))
    >>> costs(Program((), (one, two, both), (), dict.fromkeys("ijkl", 3)))
    {'d': 0, 'e': 0, 'de': 0}
    """
    sums = on.added(program)
    unheld = on.passing(program, sums)
    steps: dict[str, Step] = {}
    found: dict[str, int] = {}
    for step in program.steps:
        steps[step.name] = step
        own = on_diagonal(steps, Operand(step.name, step.edges)) if step.kind == "contract" else None
        # A diagonal that is read, or an identity that is written down.
        view = step.kind == "contract" and not step.over and len(step.operands) == 1
        free = view or step.name in unheld or (own is not None and own.tensor is None and own.number == 1)
        found[step.name] = 0 if free else step_flops(step, program.sizes, sums.get(step.name, ()))
    return found


def total_flops(program: Program) -> int:
    """The cost of all steps.

    >>> total_flops(Program((), (), (), {}))
    0
    """
    return sum(costs(program).values())


def held(program: Program) -> dict[str, int]:
    """How many elements each step holds that it did not find in memory.

    >>> held(Program((), (Step("d", "delta", (), ("i", "j")),), (), {"i": 3, "j": 3}))
    {'d': 0}
    """
    sums = on.added(program)
    free = on.passing(program, sums) | set(on.taken_over(program, sums))
    return {
        step.name: 0 if step.name in free else elements(step.edges, program.sizes) for step in program.steps
    }


def _last_uses(program: Program) -> dict[str, int]:
    """For each step the number of the last step that reads it; outputs are read after the last step.

    What is on a diagonal is read when that is, and memory that is taken over lives on.
    """
    sums = on.added(program)
    views, same = on.passing(program, sums), on.taken_over(program, sums)
    found: dict[str, int] = {step.name: number for number, step in enumerate(program.steps)}
    found.update(
        {out.operand.tensor: len(program.steps) for out in program.outputs if out.operand.tensor in found}
    )
    for number, step in reversed(list(enumerate(program.steps))):
        for operand in step.operands:
            if operand.tensor in found:
                later = step.name in views or same.get(step.name) == operand.tensor
                found[operand.tensor] = max(found[operand.tensor], found[step.name] if later else number)
    return found


def peak_elements(program: Program) -> int:
    """The most elements that intermediates hold at one moment: while a step runs, what it reads and writes
    counts.

    >>> peak_elements(Program((), (), (), {}))
    0
    """
    uses, volume = _last_uses(program), held(program)
    freed: dict[int, list[str]] = {}
    for step in program.steps:
        freed.setdefault(uses[step.name], []).append(step.name)
    alive = peak = 0
    for number, step in enumerate(program.steps):
        alive += volume[step.name]
        peak = max(peak, alive)
        alive -= sum(volume[name] for name in freed.get(number, ()))
    return peak


@dataclass(frozen=True)
class Recipe:
    """One way to multiply two operands.

    `form` is elementwise, matmul, row (batched vector times matrix), sum (elementwise, then sum), dot (both
    flattened) or einsum. `swap` exchanges the operands, `flip` transposes the last two axes of the first, of
    the second; `base` is the order of the axes of an elementwise product; `groups` are labels to make one
    axis of before a matmul.

    >>> Recipe("matmul", 0, flip=(True, False)).swap
    False
    """

    form: str
    price: int
    swap: bool = False
    flip: tuple[bool, bool] = (False, False)
    base: Edges = ()
    groups: tuple[Edges, ...] = ()


def distinct(edges: Sequence[str]) -> Edges:
    """The axes after diagonals are taken: a label that repeats moves to the end."""
    once = [edge for edge in edges if edges.count(edge) == 1]
    return tuple(dict.fromkeys([*once, *edges]))


def lone(edges: Edges, other: Sequence[str], over: Sequence[str]) -> Edges:
    """The summed labels that only this operand has: they are summed before anything is multiplied.

    >>> lone(("b", "i", "k"), ("k", "j"), ("b", "k"))
    ('b',)
    """
    return tuple(edge for edge in edges if edge in over and edge not in other)


def misorder(edges: Sequence[str], base: Sequence[str], sizes: Mapping[str, int]) -> int:
    """What it costs to read a tensor elementwise in the order of `base`."""
    wanted = [edge for edge in base if edge in edges]
    here = [edge for edge in edges if edge in base]
    if here == wanted:
        return 0
    return elements(edges, sizes) * (1 if here[-1] == wanted[-1] else SCATTERED)


def best(left: Edges, right: Edges, over: Sequence[str], out: Edges, sizes: Mapping[str, int]) -> Recipe:
    """The cheapest recipe for operands without repeated labels and without lone summed ones; ties go to the
    first.

    >>> sizes = {"b": 8, "i": 4, "k": 4}
    >>> best(("b", "i", "k"), ("b", "k"), ("k",), ("b", "i"), sizes).form
    'sum'
    >>> best(("b", "k"), ("b", "i"), ("b",), ("k", "i"), sizes).flip
    (True, False)
    """
    return min(recipes(left, right, over, out, sizes), key=lambda recipe: recipe.price)


def recipes(
    left: Edges, right: Edges, over: Sequence[str], out: Edges, sizes: Mapping[str, int]
) -> Iterator[Recipe]:
    """Every recipe that gives `out`, simplest first."""
    if not over:
        price = START["elementwise"] + misorder(left, out, sizes) + misorder(right, out, sizes)
        yield Recipe("elementwise", price, base=out)
        return
    yield from _matmuls(left, right, over, out, sizes)
    yield from _collapsed(left, right, over, out, sizes)
    yield from _rows(left, right, over, out, sizes)
    yield from _sums(left, right, over, out, sizes)
    yield _einsum(left, right, over, out, sizes)


def flipped(edges: Edges, flip: bool) -> Edges:
    """The axes with the last two exchanged, if `flip`.

    >>> flipped(("b", "i", "k"), True)
    ('b', 'k', 'i')
    """
    return (*edges[:-2], edges[-1], edges[-2]) if flip else edges


def _matmuls(
    left: Edges, right: Edges, over: Sequence[str], out: Edges, sizes: Mapping[str, int]
) -> Iterator[Recipe]:
    if len(over) != 1:
        return
    for swap in (False, True):
        first, second = (right, left) if swap else (left, right)
        for flip_first in (False, True)[: len(first)]:
            for flip_second in (False, True)[: len(second)]:
                x, y = flipped(first, flip_first), flipped(second, flip_second)
                if _matmul_edges(x, y, over[0]) == out:
                    flip = (flip_first, flip_second)
                    price = START["matmul"] + sum(flip) * FLIP + _matmul_copies(x, y, flip, sizes)
                    yield Recipe("matmul", price, swap, flip)


def _matmul_edges(x: Edges, y: Edges, over: str) -> Edges | None:
    """The axes of `x @ y`, or None where that is not the contraction wanted."""
    if not x or x[-1] != over:
        return None
    if len(y) == 1:
        return x[:-1] if y == (over,) else None
    if len(x) == 1 or len(y) == 0 or y[-2] != over:
        return None
    if len(y) == 2 or x[:-2] == y[:-2]:
        return None if y[-1] in x else (*x[:-1], y[-1])
    if len(x) == 2 and x[0] not in y:
        return (*y[:-2], x[0], y[-1])
    return None


def _matmul_copies(x: Edges, y: Edges, flip: tuple[bool, bool], sizes: Mapping[str, int]) -> int:
    if len(x) > 2 and len(y) <= 2:
        return COPY * elements(x, sizes) if flip[0] else 0
    if len(x) == 2 and len(y) > 2:
        return elements(y, sizes)
    # Of two factors whose rows meet the smaller one is better transposed: a sixth faster, all else equal.
    return int(flip[0] and len(x) == len(y) == 2 and elements(x, sizes) > elements(y, sizes))


def _rows(
    left: Edges, right: Edges, over: Sequence[str], out: Edges, sizes: Mapping[str, int]
) -> Iterator[Recipe]:
    """Batched vector (left, unless swapped) times batched matrix, as rows times matrices."""
    for swap in (False, True):
        vector, matrix = (right, left) if swap else (left, right)
        if len(vector) < 2 or len(matrix) != len(vector) + 1 or (vector[-1],) != tuple(over):
            continue
        for flip in (False, True):
            y = flipped(matrix, flip)
            if y[:-2] == vector[:-1] and y[-2] == vector[-1] and out == (*vector[:-1], y[-1]):
                yield Recipe("row", START["row"] + elements(matrix, sizes) // 2, swap, (False, flip))


def _sums(
    left: Edges, right: Edges, over: Sequence[str], out: Edges, sizes: Mapping[str, int]
) -> Iterator[Recipe]:
    """Multiply elementwise, then sum: for a product that has no more axes than one of its operands."""
    for big, small in ((left, right), (right, left)):
        if set(small) <= set(big):
            volume = elements(big, sizes)
            price = START["sum"] + 2 * volume + misorder(small, big, sizes)
            kept = tuple(edge for edge in big if edge not in over)
            yield Recipe("sum", price + misorder(kept, out, sizes), base=big)
    if not out:
        yield Recipe("dot", START["dot"] + elements(left, sizes) + _copied(right, [left], sizes), base=left)


def _roles(left: Edges, right: Edges, over: Sequence[str], out: Edges) -> tuple[Edges, Edges, Edges, Edges]:
    """The labels of a batch, of rows, of columns, and those summed."""
    batch = tuple(edge for edge in out if edge in left and edge in right)
    rows = tuple(edge for edge in out if edge in left and edge not in right)
    columns = tuple(edge for edge in out if edge in right and edge not in left)
    return batch, rows, columns, tuple(edge for edge in left if edge in over)


def collapsed(edges: Edges, groups: Sequence[Edges]) -> Edges | None:
    """The axes with every group, which must stand together and in order, made one axis; None where one does
    not.

    >>> collapsed(("b", "p", "q"), [("p", "q")]), collapsed(("p", "b", "q"), [("p", "q")])
    (('b', 'p.q'), None)
    """
    for group in groups:
        places = [edges.index(edge) for edge in group if edge in edges]
        if not places:
            continue
        if len(places) != len(group) or places != list(range(places[0], places[0] + len(group))):
            return None
        edges = (*edges[: places[0]], ".".join(group), *edges[places[-1] + 1 :])
    return edges


def _collapsed(
    left: Edges, right: Edges, over: Sequence[str], out: Edges, sizes: Mapping[str, int]
) -> Iterator[Recipe]:
    """Matrix products after several axes are made one, which copies nothing."""
    groups = tuple(group for group in _roles(left, right, over, out) if len(group) > 1)
    x, y, z = (collapsed(edges, groups) for edges in (left, right, out))
    if not groups or x is None or y is None or z is None:
        return
    extents = {**sizes, **{".".join(group): elements(group, sizes) for group in groups}}
    summed = [edge for edge in x if edge in y and edge not in z]
    for recipe in _matmuls(x, y, summed, z, extents):
        yield replace(recipe, price=recipe.price + START["reshape"], groups=groups)


def _einsum(left: Edges, right: Edges, over: Sequence[str], out: Edges, sizes: Mapping[str, int]) -> Recipe:
    """What einsum copies: it permutes to batch, rows, columns, and makes matrices of that."""
    batch, rows, columns, summed = _roles(left, right, over, out)
    price = (
        START["einsum"]
        + _copied(left, [batch, rows, summed], sizes)
        + _copied(right, [batch, summed, columns], sizes)
    )
    if batch and not (rows and columns):
        price += 4 * elements((*left, *right), sizes)
    if out not in ((*batch, *rows, *columns), (*batch, *columns, *rows)):
        price += COPY * elements(out, sizes)
    return Recipe("einsum", price)


def _copied(edges: Edges, groups: Sequence[Edges], sizes: Mapping[str, int]) -> int:
    """What it costs to make one axis of each group, the first of which must not be innermost."""
    text = "\0".join(("", *edges, ""))
    apart = any("\0".join(("", *group, "")) not in text for group in groups if group)
    innermost = len(groups) > 1 and bool(groups[0]) and edges[-1] in groups[0] and len(edges) > len(groups[0])
    return COPY * elements(edges, sizes) if apart or innermost else 0


def natural(left: Edges, right: Edges, over: Sequence[str]) -> list[Edges]:
    """The orders in which a product comes out without a copy."""
    rows = tuple(edge for edge in left if edge not in right and edge not in over)
    columns = tuple(edge for edge in right if edge not in left and edge not in over)
    found: list[Edges] = []
    for one, other in ((left, right), (right, left)):
        batch = tuple(edge for edge in one if edge in other and edge not in over)
        found += [(*batch, *rows, *columns), (*batch, *columns, *rows)]
    found += [_replace(left, over, columns), _replace(right, over, rows)]
    found += [_union(left, right, over), _union(right, left, over)]
    return [edges for edges in dict.fromkeys(found) if len(edges) == len(found[0])]


def _replace(edges: Edges, over: Sequence[str], new: Edges) -> Edges:
    """The axes with the summed ones gone and the other operand's in the place of the last of them."""
    summed = [place for place, edge in enumerate(edges) if edge in over]
    place = summed[-1] if summed else len(edges)
    return tuple(edge for edge in (*edges[:place], *new, *edges[place:]) if edge not in over)


def _union(left: Edges, right: Edges, over: Sequence[str]) -> Edges:
    return tuple(dict.fromkeys(edge for edge in (*left, *right) if edge not in over))

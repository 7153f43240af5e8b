"""A product of two tensors as source, after the recipe that `tensorgrad_eg.program.products` finds cheapest.

>>> A, x = Value(Code("A"), ("i", "k")), Value(Code("x"), ("i",))
>>> contract(Library(), A, x, ("i",), ("k",), {"i": 3, "k": 4}).code.text
'A.T @ x'
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from tensorgrad_eg.emit.code import Code, matmul, quotient
from tensorgrad_eg.emit.code import product as multiply
from tensorgrad_eg.emit.identifiers import letters
from tensorgrad_eg.emit.library import Library
from tensorgrad_eg.emit.tensors import Value, aligned, divisor, permuted, summed, without_repeats
from tensorgrad_eg.program.cost import elements
from tensorgrad_eg.program.products import Edges, Recipe, best, collapsed, flipped, lone

# Below this many elements a temporary comes from the allocator's cache, and writing in place gains nothing.
LARGE = 2**18


def contract(
    library: Library, left: Value, right: Value, over: Edges, out: Edges, sizes: Mapping[str, int]
) -> Value:
    """The product summed over `over`; axes may come in an order other than `out`.

    >>> u, v = Value(Code("u"), ("i",)), Value(Code("v"), ("j",))
    >>> contract(Library(), u, v, (), ("i", "j"), {"i": 3, "j": 4}).code.text
    'u[:, None] * v'
    """
    left, right = without_repeats(library, left), without_repeats(library, right)
    left, right = (
        summed(library, left, lone(left.edges, right.edges, over)),
        summed(library, right, lone(right.edges, left.edges, over)),
    )
    shared = tuple(edge for edge in over if edge in left.edges and edge in right.edges)
    recipe = best(left.edges, right.edges, shared, out, sizes)
    if recipe.swap:
        left, right = right, left
    match recipe.form:
        case "elementwise":
            return elementwise(library, left, right, out, sizes)
        case "matmul":
            return _matmul(library, left, right, recipe, out, sizes)
        case "row":
            vector, matrix = _flipped(library, left, right, recipe)
            return Value(library.row_times(vector, matrix, len(left.edges)), out, fresh=True)
        case "sum":
            return summed(library, elementwise(library, left, right, recipe.base, sizes), shared)
        case "dot":
            flat = [library.flatten(permuted(library, value, recipe.base).code) for value in (left, right)]
            return Value(matmul(*flat), out, fresh=True)
    return _einsum(library, left, right, shared, out)


def _matmul(
    library: Library, left: Value, right: Value, recipe: Recipe, out: Edges, sizes: Mapping[str, int]
) -> Value:
    left, right = (joined(library, value, recipe.groups, sizes) for value in (left, right))
    code = matmul(*_flipped(library, left, right, recipe))
    if collapsed(out, recipe.groups) != out:
        code = library.reshape(code, [sizes[edge] for edge in out])
    return Value(code, out, fresh=True)


def joined(library: Library, value: Value, groups: Sequence[Edges], sizes: Mapping[str, int]) -> Value:
    """The value with every group of its axes made one axis.

    >>> value = Value(Code("T"), ("b", "p", "q"))
    >>> joined(Library(), value, [("p", "q")], {"b": 2, "p": 3, "q": 4}).code.text
    'T.reshape(2, 12)'
    """
    edges = collapsed(value.edges, groups)
    if edges is None or edges == value.edges:
        return value
    extents = {**sizes, **{".".join(group): elements(group, sizes) for group in groups}}
    return replace(value, code=library.join(value.code, value.edges, edges, extents), edges=edges, below=None)


def _flipped(library: Library, left: Value, right: Value, recipe: Recipe) -> tuple[Code, Code]:
    first, second = (
        permuted(library, value, flipped(value.edges, flip)).code
        for value, flip in zip((left, right), recipe.flip, strict=True)
    )
    return first, second


def elementwise(library: Library, left: Value, right: Value, out: Edges, sizes: Mapping[str, int]) -> Value:
    """The product of two tensors without a sum, a quotient where one of them is one over something.

    >>> a, b = Value(Code("a"), ("i",)), Value(Code("1 / b"), ("i",), below=Code("b"))
    >>> elementwise(Library(), b, a, ("i",), {"i": 3}).code.text
    'a / b'
    """
    if _rank(right) < _rank(left):
        left, right = right, left
    if left.below and not right.below and right.constant is None:
        left, right = right, left
    below = divisor(
        library, right, out
    )  # also where 1 / b has a name: it may be no number where a / b is one
    if below and not left.below:
        return Value(quotient(aligned(library, left, out), below), out, fresh=True)
    for one, other in ((left, right), (right, left)):
        if writable(library, one, out, sizes):
            return Value(
                library.multiply(one.code, aligned(library, other, out), fresh=True), out, fresh=True
            )
    return Value(multiply(aligned(library, left, out), aligned(library, right, out)), out, fresh=True)


def _rank(value: Value) -> int:
    """Numbers stand first in a product, then scalars, then tensors."""
    return 0 if value.constant is not None else 2 if value.edges else 1


def writable(library: Library, value: Value, out: Edges, sizes: Mapping[str, int]) -> bool:
    """Whether a result with these axes may be written into the memory of this value, and it is worth it.

    >>> writable(Library(), Value(Code("a"), ("i",), fresh=True), ("i",), {"i": 10**6})
    False
    """
    return library.in_place and value.fresh and value.edges == out and elements(out, sizes) >= LARGE


def _einsum(library: Library, left: Value, right: Value, over: Edges, out: Edges) -> Value:
    labels = tuple(dict.fromkeys((*left.edges, *right.edges)))
    names = letters(labels, ascending=[edge for edge in left.edges if edge in over])
    subscripts = ["".join(names[edge] for edge in edges) for edges in (left.edges, right.edges, out)]
    equation = f"{subscripts[0]},{subscripts[1]}->{subscripts[2]}"
    return Value(library.einsum(equation, [left.code, right.code]), out, fresh=True)

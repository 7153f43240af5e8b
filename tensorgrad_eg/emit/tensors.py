"""Values in the source: expressions whose axes have labels, views, products and halves of them; its lines.

>>> A, x = Value(Code("A"), ("i", "k")), Value(Code("x"), ("i",))
>>> contract(Library(), A, x, ("i",), ("k",), {"i": 3, "k": 4}).code.text
'A.T @ x'
>>> aligned(Library(), Value(Code("A"), ("k", "i")), ("i", "j", "k")).text
'A.T[:, None, :]'
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from tensorgrad_eg.emit.code import Code, bracketed, letters, matmul, plain, quotient
from tensorgrad_eg.emit.code import product as multiply
from tensorgrad_eg.emit.library import Library, shape_text
from tensorgrad_eg.program import Input, Output, Program, Step, Structure
from tensorgrad_eg.program.cost import Recipe, best, collapsed, elements, flipped, held, lone, peak_elements
from tensorgrad_eg.program.diagonals import Edges

_COMMENTED = 110
# Above this many elements, and twice what must be alive at once, names are deleted after their last use.
_DELETE = 2**22
# Below this many elements a temporary comes from the allocator's cache, and writing in place gains nothing.
LARGE = 2**18


class Line(NamedTuple):
    """A line of the body: the name it assigns, its source, its comment."""

    name: str
    code: str
    comment: str = ""

    def text(self) -> str:
        """The line, its comment behind it or, when that is too long, above it."""
        body = f"    {self.name} = {self.code}" if self.name else f"    {self.code}"
        joined = f"{body}  # {self.comment}" if self.comment else body
        return joined if joined == body or len(joined) <= _COMMENTED else f"    # {self.comment}\n{body}"


def gathered(codes: Sequence[Code], structure: Structure) -> str:
    """The results as was asked for: one tensor, a list or a dict."""
    if structure == "tensor":
        return codes[0].text
    texts = [code.text for code in codes]
    if isinstance(structure, tuple):
        texts = [f"{_quoted(key)}: {text}" for key, text in zip(structure, texts, strict=True)]
        return bracketed("{", texts, "}", 4, len("    return "))
    return bracketed("[", texts, "]", 4, len("    return "))


def _quoted(key: str) -> str:
    """A string literal in double quotes, where that is possible without escapes."""
    return f'"{key}"' if key.isprintable() and not set(key) & {'"', "\\"} else repr(key)


def read_lines(lines: Sequence[Line], results: str) -> list[Line]:
    """The lines less those whose names nobody reads."""
    words = set(re.findall(r"\w+", results))
    kept: list[Line] = []
    for line in reversed(lines):
        if not line.name or line.name in words:
            kept.append(line)
            words.update(re.findall(r"\w+", line.code))
    return kept[::-1]


def deleting(program: Program, lines: list[Line], results: str) -> list[Line]:
    """The lines, with `del` after the last use of names, where that spares much memory."""
    together = sum(held(program).values())
    if together < _DELETE or together < 2 * peak_elements(program):
        return lines
    last = {word: at for at, line in enumerate(lines) for word in re.findall(r"\w+", line.code)}
    kept = set(re.findall(r"\w+", results))
    found: list[Line] = []
    for number, line in enumerate(lines):
        found.append(line)
        before = [one.name for one in lines[:number] if last.get(one.name) == number]
        if gone := [name for name in before if name not in kept]:
            found.append(Line("", f"del {', '.join(gone)}"))
    return found


def function(name: str, parameters: Sequence[str], about: Sequence[str], body: Sequence[Line]) -> str:
    """A function: its docstring from lines of text, and its lines."""
    first, *rest = about
    quotes = '"""'
    doc = [f"    {quotes}{first}", *(f"    {line}".rstrip() for line in rest), f"    {quotes}"]
    doc = doc if rest else [f"{doc[0]}{quotes}"]
    head = bracketed(f"def {name}(", parameters, "):", 0)
    return "\n".join([head, *doc, *(line.text() for line in body)]) + "\n"


def whole(library: Library, text: str) -> str:
    """A function, with the imports and the helpers that it needs."""
    helpers = [helper for helper in library.helpers if _called(helper, text)]
    source = "\n\n".join([*helpers, text])
    lines = [line for line in library.imports if re.search(rf"\b{line.split()[-1]}[.(]", source)]
    lines = lines or [library.imports[0]]
    lines = (["from functools import lru_cache"] if "lru_cache(" in source else []) + lines
    lines = (["import math"] if "math." in source else []) + lines
    return "\n".join(lines) + "\n\n\n" + source


def _called(helper: str, text: str) -> bool:
    name = helper.partition("def ")[2].partition("(")[0]
    return re.search(rf"(?<![\w.]){name}\(", text) is not None


def header(
    program: Program, inputs: Sequence[Input], names: Mapping[str, str], structure: Structure
) -> list[str]:
    """The lines of the docstring: what is returned, and every argument with its axes and their sizes."""
    results = [_result(program, out) for out in program.outputs]
    container = "dict" if isinstance(structure, tuple) else "list"
    arguments = [_argument(program, given, names) for given in inputs]
    if not results:
        return [f"Return an empty {container}."]
    if structure == "tensor":
        returned = results[0] if program.outputs[0].edges == () else f"a tensor with {results[0]}"
        return [f"Return {returned}.", *([""] if arguments else []), *arguments]
    if isinstance(structure, tuple):
        results = [f"{plain(key)}: {text}" for key, text in zip(structure, results, strict=True)]
    return [f"Return a {container} of", *(f"- {text}" for text in results), "", *arguments]


def _result(program: Program, out: Output) -> str:
    sizes = tuple(program.sizes[edge] for edge in out.edges)
    return plain(f"axes ({', '.join(out.names)}), shape {shape_text(sizes)}") if out.edges else "a scalar"


def _argument(program: Program, given: Input, names: Mapping[str, str]) -> str:
    name, shape = names[given.name], shape_text(program.shape(given.name))
    axes = f"axes ({', '.join(given.edges)}), shape {shape}" if given.edges else "a scalar"
    return plain(f"{name}: {axes}" if name == given.name else f"{name} (the variable {given.name}): {axes}")


@dataclass(frozen=True)
class Value:
    """An expression and the labels of its axes.

    `fresh`: its memory is read by nobody else, so it may be written over. `alias`: its memory is an
    argument's. `constant`: it is a Python number. `factors`: it is the factors of a matrix, of this
    kind, whose rows and columns are the last two axes. `below`: it is one over this expression, so that a
    product with it can be written as a division.
    """

    code: Code
    edges: Edges
    fresh: bool = False
    alias: bool = False
    constant: float | None = None
    factors: str = ""
    below: Code | None = None


def permuted(library: Library, value: Value, edges: Edges) -> Value:
    """The value with its axes in this order."""
    if value.edges == edges:
        return value
    order = [value.edges.index(edge) for edge in edges]
    below = library.permute(value.below, order) if value.below else None
    return replace(value, code=library.permute(value.code, order), edges=edges, below=below)


def aligned(library: Library, value: Value, edges: Edges) -> Code:
    """The value as it broadcasts against a tensor with these axes."""
    kept = permuted(library, value, tuple(edge for edge in edges if edge in value.edges))
    return library.insert(kept.code, [edge not in value.edges for edge in edges])


def without_repeats(library: Library, value: Value) -> Value:
    """The value with a diagonal taken for every label that repeats."""
    for label in dict.fromkeys(value.edges):
        while value.edges.count(label) > 1:
            first = value.edges.index(label)
            second = value.edges.index(label, first + 1)
            rest = tuple(edge for place, edge in enumerate(value.edges) if place not in (first, second))
            code = library.method(value.code, "diagonal", 0, first, second)
            value = replace(value, code=code, edges=(*rest, label), fresh=False, below=None)
    return value


def summed(library: Library, value: Value, over: Edges) -> Value:
    """The value summed over some of its labels."""
    if not over:
        return value
    axes = [place for place, edge in enumerate(value.edges) if edge in over]
    kept = tuple(edge for edge in value.edges if edge not in over)
    return Value(library.sum(value.code, axes, len(value.edges)), kept, fresh=True)


def writable(library: Library, value: Value, out: Edges, sizes: Mapping[str, int]) -> bool:
    """Whether a result with these axes may be written into the memory of this value, and it is worth it."""
    return library.in_place and value.fresh and value.edges == out and elements(out, sizes) >= LARGE


def contract(
    library: Library, left: Value, right: Value, over: Edges, out: Edges, sizes: Mapping[str, int]
) -> Value:
    """The product summed over `over`, after the cheapest recipe; its axes come in any order."""
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
            return _elementwise(library, left, right, out, sizes)
        case "matmul":
            return _matmul(library, left, right, recipe, out, sizes)
        case "row":
            vector, matrix = _flipped(library, left, right, recipe)
            return Value(library.row_times(vector, matrix, len(left.edges)), out, fresh=True)
        case "sum":
            return summed(library, _elementwise(library, left, right, recipe.base, sizes), shared)
        case "dot":
            values = (permuted(library, value, recipe.base) for value in (left, right))
            return Value(matmul(*(library.method(each.code, "ravel") for each in values)), out, fresh=True)
    return _einsum(library, left, right, shared, out)


def _matmul(
    library: Library, left: Value, right: Value, recipe: Recipe, out: Edges, sizes: Mapping[str, int]
) -> Value:
    left, right = (_joined(library, value, recipe.groups, sizes) for value in (left, right))
    code = matmul(*_flipped(library, left, right, recipe))
    if collapsed(out, recipe.groups) != out:
        code = library.method(code, "reshape", *(sizes[edge] for edge in out))
    return Value(code, out, fresh=True)


def _joined(library: Library, value: Value, groups: Sequence[Edges], sizes: Mapping[str, int]) -> Value:
    """The value with every group of its axes made one axis."""
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


def _elementwise(library: Library, left: Value, right: Value, out: Edges, sizes: Mapping[str, int]) -> Value:
    """The product of two tensors without a sum, a quotient where one of them is one over something."""
    if _rank(right) < _rank(left):
        left, right = right, left
    if left.below and not right.below and right.constant is None:
        left, right = right, left
    if right.below and not left.below:
        # Also where 1 / b has a name: it may be no number where a / b is one.
        below = aligned(library, replace(right, code=right.below, below=None), out)
        return Value(quotient(aligned(library, left, out), below), out, fresh=True)
    for one, other in ((left, right), (right, left)):
        if writable(library, one, out, sizes):
            return Value(library.multiply(one.code, aligned(library, other, out)), out, fresh=True)
    return Value(multiply(aligned(library, left, out), aligned(library, right, out)), out, fresh=True)


def _rank(value: Value) -> int:
    """Numbers stand first in a product, then scalars, then tensors."""
    return 0 if value.constant is not None else 2 if value.edges else 1


def _einsum(library: Library, left: Value, right: Value, over: Edges, out: Edges) -> Value:
    labels = tuple(dict.fromkeys((*left.edges, *right.edges)))
    names = letters(labels, ascending=[edge for edge in left.edges if edge in over])
    first, second, result = ("".join(names[e] for e in edges) for edges in (left.edges, right.edges, out))
    code = library.einsum(f"{first},{second}->{result}", left.code, right.code)
    return Value(code, out, fresh=True)


def packed(library: Library, step: Step, value: Value, sizes: Mapping[str, int]) -> Value:
    """The entries i <= j of a symmetric pair of axes, along one axis, which stands where the pair stood."""
    (i, j), (label,) = step.packing
    first = min(value.edges.index(i), value.edges.index(j))
    neighbours = value.edges[first : first + 2]
    if (j, i) == neighbours:
        i, j = j, i  # the tensor is symmetric in the two
    elif (i, j) != neighbours:
        rest = (edge for edge in value.edges if edge not in (i, j))
        value = permuted(library, value, (*rest, i, j))
    axis = value.edges.index(i)
    code = _joined(library, value, [(i, j)], sizes).code
    edges = (*value.edges[:axis], label, *value.edges[axis + 2 :])
    shape = [sizes[i] ** 2 if edge == label else sizes[edge] for edge in edges]
    return Value(library.take(code, "upper", sizes[i], axis, shape), edges, fresh=True)


def unpacked(library: Library, step: Step, value: Value, sizes: Mapping[str, int]) -> Value:
    """A packed axis as the two axes that it stands for."""
    (i, j), (label,) = step.packing
    axis = value.edges.index(label)
    shape = [sizes[edge] for edge in value.edges]
    code = library.take(value.code, "mirrored", sizes[i], axis, shape)
    edges = (*value.edges[:axis], i, j, *value.edges[axis + 1 :])
    return Value(library.split(code, axis, shape, sizes[i]), edges, fresh=True)


def arranged(library: Library, value: Value, out: Output, sizes: Mapping[str, int]) -> Code:
    """A result with its axes in the user's order, those it lacks broadcast, in memory of its own."""
    shape = [sizes[edge] for edge in out.edges]
    if value.constant is not None:
        return library.full(shape, value.constant)
    value = without_repeats(library, value)
    kept = permuted(library, value, tuple(edge for edge in out.edges if edge in value.edges))
    code = kept.code
    if kept.edges != out.edges:
        code = library.expand(library.insert(code, [edge not in kept.edges for edge in out.edges]), shape)
    return library.method(code, "copy") if value.alias else code

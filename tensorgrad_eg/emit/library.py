"""How an array library writes the operations; NumPy's way here, what others write differently in their own
modules.

>>> Library().permute(Code("A"), (1, 0)).text, Library().permute(Code("T"), (2, 0, 1)).text
('A.T', 'T.transpose(2, 0, 1)')
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from tensorgrad_eg.emit.code import POWER, UNARY, Code, call, literal, quotient, scaled
from tensorgrad_eg.emit.code import product as multiply
from tensorgrad_eg.emit.identifiers import letters
from tensorgrad_eg.program.products import Edges

SOFTMAX = """def softmax(z, axis):
    e = {np}.exp(z - z.max(axis, keepdims=True, initial=-{np}.inf))
    return e / e.sum(axis, keepdims=True)
"""
LOGSUMEXP = """def logsumexp(z, axis):
    m = z.max(axis, keepdims=True, initial=-{np}.inf)
    m = {np}.where({np}.isfinite(m), m, 0)
    return {np}.log({np}.exp(z - m).sum(axis)) + m.squeeze(axis)
"""
LOG_SOFTMAX = """def log_softmax(z, axis):
    if not z.size:
        return z.copy()
    d = z - z.max(axis, keepdims=True)
    return d - {np}.log({np}.exp(d).sum(axis, keepdims=True))
"""
MINUS_IDENTITY = """def minus_identity(p):
    # p[..., k] - δ[i,k]; p sums to one, so that on the diagonal stand minus the others.
    eye = {np}.eye(p.shape[-1], dtype=p.dtype)
    others = p[..., None, :] * (1 - eye)
    return others - others.sum(-1, keepdims=True) * eye
"""
DIAG_EMBED = """def diag_embed(a, first, second):
    # The last axis of a on the diagonal of two axes, zeros beside it.
    places = np.arange(a.shape[-1])
    full = np.zeros((*a.shape, a.shape[-1]), a.dtype)
    full[..., places, places] = a
    return np.moveaxis(full, (-2, -1), (first, second))
"""
UPPER = """@lru_cache(maxsize=None)
def upper(n):
    # Where the entries i <= j of an n x n matrix stand.
    rows, columns = np.triu_indices(n)
    return rows * n + columns
"""
MIRRORED = """@lru_cache(maxsize=None)
def mirrored(n):
    # Where each entry of a symmetric n x n matrix stands among its entries i <= j.
    low, high = np.sort(np.indices((n, n)), axis=0)
    return (low * (2 * n - low - 1) // 2 + high).ravel()
"""


class Library:
    """Writes NumPy source; `like` is a tensor whose dtype and device new tensors take.

    >>> Library().power(Code("x"), Fraction(-1, 2)).text
    '1 / np.sqrt(x)'
    """

    name = "numpy"
    module = "np"
    imports: tuple[str, ...] = ("import numpy as np",)
    options: tuple[str, ...] = ("dtype",)
    in_place = False
    #: Whether terms on diagonals are added there: not where arrays do not change.
    diagonals = True
    einsum_options: tuple[str, ...] = ("optimize=True",)

    def __init__(self, like: str | None = None) -> None:
        """Write new tensors like this one."""
        self.like = like

    def permute(self, code: Code, order: Sequence[int]) -> Code:
        """The axes in another order: `.T`, `.mT` (last two) or in full."""
        rank = len(order)
        if tuple(order) == tuple(range(rank)):
            return code
        if rank == 2:
            return Code(f"{code.atom}.T")
        if tuple(order) == (*range(rank - 2), rank - 1, rank - 2):
            return Code(f"{code.atom}.mT")
        return self.reorder(code, order)

    def reorder(self, code: Code, order: Sequence[int]) -> Code:
        """The axes in another order, in full."""
        return Code(f"{code.atom}.transpose({_list(order)})")

    def insert(self, code: Code, new: Sequence[bool]) -> Code:
        """New axes of size one where `new` says so; those in front come by themselves, by broadcasting."""
        places = list(new)
        while places and places[0]:
            places.pop(0)
        if not any(places):
            return code
        return Code(f"{code.atom}[{', '.join('None' if place else ':' for place in places)}]")

    def sum(self, code: Code, axes: Sequence[int], rank: int) -> Code:
        """The sum over some axes."""
        return Code(f"{code.atom}.sum({'' if len(axes) == rank else axes_text(axes)})")

    def einsum(self, equation: str, operands: Sequence[Code]) -> Code:
        """An einsum of any number of operands."""
        texts = [operand.text for operand in operands]
        return call(f"{self.module}.einsum", f'"{equation}"', *texts, *self.einsum_options)

    def diagonal(self, code: Code, first: int, second: int) -> Code:
        """The diagonal of two axes, which becomes the last axis."""
        return Code(f"{code.atom}.diagonal(0, {first}, {second})")

    def add_on_diagonal(
        self, name: str, edges: Edges, pair: tuple[str, str], code: Code, number: Fraction
    ) -> str:
        """The statement that adds a multiple to a diagonal, whose axes are the other edges, then the pair."""
        labels = (*(edge for edge in edges if edge not in pair), pair[1])
        names = letters(labels)
        names[pair[0]] = names[pair[1]]
        before, after = ("".join(names[edge] for edge in part) for part in (edges, labels))
        sign = "-" if number < 0 else "+"
        view = call(f"{self.module}.einsum", f'"{before}->{after}"', name)
        return f"{view.text}[...] {sign}= {scaled(code, abs(number)).text}"

    def embed(self, code: Code, first: int, second: int, rank: int) -> Code:
        """The last axis on the diagonal of two axes of a tensor of this rank."""
        return call("diag_embed", code.text, str(first), str(second))

    def row_times(self, vector: Code, matrix: Code, rank: int) -> Code:
        """A batch of vectors, with `rank` axes, each times its matrix."""
        colons = ", ".join([":"] * (rank - 1))
        rows = Code(f"{vector.atom}[{colons}, None, :]")
        return Code(f"({rows.text} @ {matrix.at(UNARY)})[{colons}, 0]")

    def reshape(self, code: Code, shape: Sequence[int]) -> Code:
        """The same elements in another shape."""
        return Code(f"{code.atom}.reshape({_list(shape)})")

    def join(self, code: Code, edges: Edges, joined: Edges, sizes: Mapping[str, int]) -> Code:
        """Axes `edges` as fewer axes, `joined`."""
        return self.reshape(code, [sizes[edge] for edge in joined])

    def flatten(self, code: Code) -> Code:
        """All elements in one axis."""
        return Code(f"{code.atom}.ravel()")

    def take(self, code: Code, places: str, size: int, axis: int, shape: Sequence[int]) -> Code:
        """Entries along an axis of a tensor of this shape, where `upper` or `mirrored` of a size says."""
        return Code(f"{code.atom}.take({places}({size}), {axis})")

    def split(self, code: Code, axis: int, shape: Sequence[int], size: int) -> Code:
        """An axis of a tensor of this shape, made two of this size."""
        return self.reshape(code, [*shape[:axis], size, size, *shape[axis + 1 :]])

    def eye(self, size: int) -> Code:
        """The identity matrix."""
        return call(f"{self.module}.eye", str(size), *self.typed())

    def full(self, shape: Sequence[int], value: float) -> Code:
        """A tensor of one number."""
        return call(f"{self.module}.full", shape_text(shape), _whole(value), *self.typed())

    def typed(self) -> list[str]:
        """The arguments that give a new tensor the dtype (and the device) of the inputs."""
        return [f"{option}={f'{self.like}.{option}' if self.like else option}" for option in self.options]

    def expand(self, code: Code, shape: Sequence[int]) -> Code:
        """Broadcast to a shape, without a copy."""
        return call(f"{self.module}.broadcast_to", code.text, shape_text(shape))

    def copy(self, code: Code) -> Code:
        """A copy, for a result that would otherwise share its memory with an argument."""
        return Code(f"{code.atom}.copy()")

    def power(self, code: Code, exponent: Fraction) -> Code:
        """A power; square roots and reciprocals by their names."""
        if exponent == Fraction(1, 2):
            return call(f"{self.module}.sqrt", code.text)
        if exponent == Fraction(-1, 2):
            return self.rsqrt(code)
        if exponent < 0:
            return self.reciprocal(code, -exponent)
        if exponent == 1:
            return code
        text = literal(exponent)
        return Code(f"{code.atom}**{text.atom}", POWER)

    def reciprocal(self, code: Code, exponent: Fraction) -> Code:
        """A power of the reciprocal: 1/x is a number for longer than x² is."""
        return self.power(quotient(Code("1"), code), exponent)

    def rsqrt(self, code: Code) -> Code:
        """One over the square root."""
        return quotient(Code("1"), call(f"{self.module}.sqrt", code.text))

    def softmax(self, code: Code, axes: Sequence[int], rank: int) -> Code:
        """A softmax over some axes, that never overflows."""
        return call("softmax", code.text, axes_text(axes))

    def logsumexp(self, code: Code, axes: Sequence[int], rank: int) -> Code:
        """The logarithm of a sum of exponentials, that never overflows."""
        return call("logsumexp", code.text, axes_text(axes))

    def log_softmax(self, code: Code, axes: Sequence[int], rank: int) -> Code:
        """`z - logsumexp(z)`, with the digits that the difference would lose where z is large."""
        return call("log_softmax", code.text, axes_text(axes))

    def minus_identity(self, code: Code) -> Code:
        """What sums to one along its last axis, minus the identity of that axis and a new one before it."""
        return call("minus_identity", code.text)

    def helpers(self) -> dict[str, str]:
        """Functions that the source may need, by name."""
        units = {
            "softmax": SOFTMAX,
            "logsumexp": LOGSUMEXP,
            "log_softmax": LOG_SOFTMAX,
            "minus_identity": MINUS_IDENTITY,
        }
        own = {name: text.format(np=self.module) for name, text in units.items()}
        return {**own, "diag_embed": DIAG_EMBED, "upper": UPPER, "mirrored": MIRRORED}

    def multiply(self, left: Code, right: Code, fresh: bool) -> Code:
        """A product; `fresh`: the left operand is nobody else's, and may be written over."""
        return multiply(left, right)


def shape_text(shape: Sequence[int]) -> str:
    """A shape as a tuple.

    >>> shape_text([3]), shape_text([])
    ('(3,)', '()')
    """
    return f"({_list(shape)}{',' if len(shape) == 1 else ''})"


def axes_text(axes: Sequence[int]) -> str:
    """One axis as a number, several as a tuple.

    >>> axes_text([1]), axes_text([0, 2])
    ('1', '(0, 2)')
    """
    return str(axes[0]) if len(axes) == 1 else f"({_list(axes)})"


def _list(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _whole(value: float) -> str:
    """A float that stays one: an integer would decide the dtype."""
    text = literal(value).text
    return f"{text}.0" if text.lstrip("-").isdecimal() else text

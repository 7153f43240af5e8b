"""PyTorch source, for eager execution: few kernels, and large temporaries are written over instead of
allocated anew.

>>> from tensorgrad_eg.emit.code import Code
>>> Torch().reorder(Code("T"), (2, 0, 1)).text
'T.permute(2, 0, 1)'
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from tensorgrad_eg.emit.code import POWER, UNARY, Code, call, literal, product
from tensorgrad_eg.emit.library import Library, axes_text
from tensorgrad_eg.program.products import Edges

SOFTMAX = """def softmax(z, dim):
    e = torch.exp(z - z.amax(dim, keepdim=True)) if z.numel() else z
    return e / e.sum(dim, keepdim=True)
"""
LOG_SOFTMAX = """def log_softmax(z, dim):
    d = z - z.amax(dim, keepdim=True) if z.numel() else z
    return d - torch.log(torch.exp(d).sum(dim, keepdim=True))
"""
MINUS_IDENTITY = """def minus_identity(p):
    # p[..., k] - δ[i,k]; p sums to one, so that on the diagonal stand minus the others.
    eye = torch.eye(p.shape[-1], dtype=p.dtype, device=p.device)
    others = p.unsqueeze(-2) * (1 - eye)
    return others - others.sum(-1, keepdim=True) * eye
"""


UPPER = """@lru_cache(maxsize=None)
def upper(n, device):
    # Where the entries i <= j of an n x n matrix stand.
    rows, columns = torch.triu_indices(n, n, device=device)
    return rows * n + columns
"""
MIRRORED = """@lru_cache(maxsize=None)
def mirrored(n, device):
    # Where each entry of a symmetric n x n matrix stands among its entries i <= j.
    i = torch.arange(n, device=device)
    low, high = torch.minimum(i[:, None], i), torch.maximum(i[:, None], i)
    return (low * (2 * n - low - 1) // 2 + high).flatten()
"""


class Torch(Library):
    """PyTorch.

    >>> Torch("A").eye(3).text
    'torch.eye(3, dtype=A.dtype, device=A.device)'
    """

    name = "torch"
    module = "torch"
    imports = ("import torch",)
    options = ("dtype", "device")
    in_place = True
    einsum_options = ()

    def reorder(self, code: Code, order: Sequence[int]) -> Code:
        """The axes in another order, in full."""
        return Code(f"{code.atom}.permute({', '.join(map(str, order))})")

    def insert(self, code: Code, new: Sequence[bool]) -> Code:
        """New axes of size one; a single one by `unsqueeze`, which takes less time than indexing."""
        places = list(new)
        while places and places[0]:
            places.pop(0)
        if sum(places) == 1:
            return Code(f"{code.atom}.unsqueeze({places.index(True)})")
        return super().insert(code, new)

    def add_on_diagonal(
        self, name: str, edges: Edges, pair: tuple[str, str], code: Code, number: Fraction
    ) -> str:
        """The statement that adds a multiple to a diagonal."""
        first, second = sorted(edges.index(edge) for edge in pair)
        places = f"dim1={first}, dim2={second}" if (first, second) != (0, 1) else ""
        alpha = f", alpha={literal(abs(number)).text}" if abs(number) != 1 else ""
        return f"{name}.diagonal({places}).{'sub_' if number < 0 else 'add_'}({code.text}{alpha})"

    def embed(self, code: Code, first: int, second: int, rank: int) -> Code:
        """The last axis on the diagonal of two axes of a tensor of this rank."""
        places = [] if (first, second) == (rank - 2, rank - 1) else [f"dim1={first}", f"dim2={second}"]
        return call("torch.diag_embed", code.text, *places)

    def row_times(self, vector: Code, matrix: Code, rank: int) -> Code:
        """A batch of vectors, each times its matrix."""
        return Code(f"({vector.atom}.unsqueeze({rank - 1}) @ {matrix.at(UNARY)}).squeeze({rank - 1})")

    def join(self, code: Code, edges: Edges, joined: Edges, sizes: Mapping[str, int]) -> Code:
        """Axes as fewer axes; one group by `flatten`."""
        new = [place for place, edge in enumerate(joined) if edge not in edges]
        if len(new) > 1:
            return super().join(code, edges, joined, sizes)
        last = new[0] + len(edges) - len(joined)
        places = [str(new[0])] if new[0] or last < len(edges) - 1 else []
        places += [str(last)] if last < len(edges) - 1 else []
        return Code(f"{code.atom}.flatten({', '.join(places)})")

    def flatten(self, code: Code) -> Code:
        """All elements in one axis."""
        return Code(f"{code.atom}.flatten()")

    def take(self, code: Code, places: str, size: int, axis: int, shape: Sequence[int]) -> Code:
        """Entries along an axis; along the last one `gather` is up to four times as fast."""
        where = f"{places}({size}, {self.like}.device)"
        if axis and axis == len(shape) - 1:
            where = f"{where}.expand({', '.join(map(str, shape[:-1]))}, -1)"
            return Code(f"{code.atom}.gather({axis}, {where})")
        return Code(f"{code.atom}.index_select({axis}, {where})")

    def split(self, code: Code, axis: int, shape: Sequence[int], size: int) -> Code:
        """An axis made two."""
        return Code(f"{code.atom}.unflatten({axis}, ({size}, {size}))")

    def expand(self, code: Code, shape: Sequence[int]) -> Code:
        """Broadcast to a shape, without a copy."""
        return Code(f"{code.atom}.expand({', '.join(map(str, shape))})")

    def copy(self, code: Code) -> Code:
        """A copy, for a result that would otherwise share its memory with an argument."""
        return Code(f"{code.atom}.clone()")

    def reciprocal(self, code: Code, exponent: Fraction) -> Code:
        """One over a power: `1 / x` would run two kernels."""
        if exponent == 1:
            return call("torch.reciprocal", code.text)
        return Code(f"{code.atom}**{literal(-exponent).at(UNARY)}", POWER)

    def rsqrt(self, code: Code) -> Code:
        """One over the square root."""
        return call("torch.rsqrt", code.text)

    def softmax(self, code: Code, axes: Sequence[int], rank: int) -> Code:
        """A softmax; torch has it for one axis."""
        return call("torch.softmax" if len(axes) == 1 else "softmax", code.text, axes_text(axes))

    def logsumexp(self, code: Code, axes: Sequence[int], rank: int) -> Code:
        """The logarithm of a sum of exponentials."""
        return call("torch.logsumexp", code.text, axes_text(axes))

    def log_softmax(self, code: Code, axes: Sequence[int], rank: int) -> Code:
        """`z - logsumexp(z)`; torch has it for one axis."""
        return call("torch.log_softmax" if len(axes) == 1 else "log_softmax", code.text, axes_text(axes))

    def helpers(self) -> dict[str, str]:
        """The softmax over several axes, and the places of packed entries."""
        units = {"softmax": SOFTMAX, "log_softmax": LOG_SOFTMAX, "minus_identity": MINUS_IDENTITY}
        return {**units, "upper": UPPER, "mirrored": MIRRORED}

    def multiply(self, left: Code, right: Code, fresh: bool) -> Code:
        """A product, in place where the left operand is fresh."""
        return Code(f"{left.atom}.mul_({right.text})") if fresh else product(left, right)

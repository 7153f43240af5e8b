"""How array libraries write the operations: NumPy's way, and what torch and JAX write differently.

Most differences are names, in tables; `tensorgrad_eg.expr.arrays` has those of functions of one tensor.

>>> [library("A").eye(3).text for library in LIBRARIES.values()]
['torch.eye(3, dtype=A.dtype, device=A.device)', 'np.eye(3, dtype=A.dtype)', 'jnp.eye(3, dtype=A.dtype)']
>>> [library().unit("softmax", Code("z"), [1]).text for library in LIBRARIES.values()]
['torch.softmax(z, 1)', 'softmax(z, 1)', 'jax.nn.softmax(z, axis=1)']
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from tensorgrad_eg.emit.code import POWER, UNARY, Code, call, letters, literal, quotient, scaled
from tensorgrad_eg.emit.code import product as multiply
from tensorgrad_eg.program.diagonals import Edges, Pair, merged

# Functions that the source may need; `xp` is the library.
_SOFTMAX = """def softmax(z, axis):
    e = xp.exp(z - z.max(axis, keepdims=True, initial=-xp.inf))
    return e / e.sum(axis, keepdims=True)
"""
_LOGSUMEXP = """def logsumexp(z, axis):
    m = z.max(axis, keepdims=True, initial=-xp.inf)
    m = xp.where(xp.isfinite(m), m, 0)
    return xp.log(xp.exp(z - m).sum(axis)) + m.squeeze(axis)
"""
_LOG_SOFTMAX = """def log_softmax(z, axis):
    if not z.size:
        return z.copy()
    d = z - z.max(axis, keepdims=True)
    return d - xp.log(xp.exp(d).sum(axis, keepdims=True))
"""
_LOGDET = """def logdet(a):
    sign, size = xp.linalg.slogdet(a)
    return xp.where(sign < 0, xp.nan, size)
"""
_COMPLEMENT = """def complement(p, axis):
    # 1 - p where p sums to one: next to one that is what the others sum to.
    large = p > 0.5
    others = xp.where(large, 0, p).sum(axis, keepdims=True)
    return xp.where(large, others, 1 - p)
"""
_DIAG_EMBED = """def diag_embed(a, first, second):
    # The last axis of a on the diagonal of two axes, zeros beside it.
    places = np.arange(a.shape[-1])
    full = np.zeros((*a.shape, a.shape[-1]), a.dtype)
    full[..., places, places] = a
    return np.moveaxis(full, (-2, -1), (first, second))
"""
_UPPER = """@lru_cache(maxsize=None)
def upper(n):
    # Where the entries i <= j of an n x n matrix stand.
    rows, columns = np.triu_indices(n)
    return rows * n + columns
"""
_MIRRORED = """@lru_cache(maxsize=None)
def mirrored(n):
    # Where each entry of a symmetric n x n matrix stands among its entries i <= j.
    low, high = np.sort(np.indices((n, n)), axis=0)
    return (low * (2 * n - low - 1) // 2 + high).ravel()
"""
_POLYGAMMA = """def polygamma(order, x):
    return scipy.special.polygamma(order, x).astype(x.dtype)
"""
_PROD_OTHERS = """def prod_others(a, axis):
    # For each entry the product of those before it and those behind it.
    a = xp.moveaxis(a, axis, -1)
    one = xp.ones_like(a[..., :1])
    before = xp.concatenate([one, xp.cumprod(a, -1)[..., :-1]], -1)
    behind = xp.concatenate([one, xp.cumprod(a[..., ::-1], -1)[..., :-1]], -1)[..., ::-1]
    return xp.moveaxis(before * behind, -1, axis)
"""
_HUBER = """def huber(x, bound):
    size = xp.abs(x)
    return xp.where(size <= bound, x * x / 2, bound * (size - bound / 2))
"""
_UNITS = (_SOFTMAX, _LOGSUMEXP, _LOG_SOFTMAX, _LOGDET, _COMPLEMENT, _PROD_OTHERS, _HUBER)
_TORCH = (
    """def softmax(z, dim):
    e = torch.exp(z - z.amax(dim, keepdim=True)) if z.numel() else z
    return e / e.sum(dim, keepdim=True)
""",
    """def log_softmax(z, dim):
    d = z - z.amax(dim, keepdim=True) if z.numel() else z
    return d - torch.log(torch.exp(d).sum(dim, keepdim=True))
""",
    """def complement(p, dim):
    # 1 - p where p sums to one: next to one that is what the others sum to.
    large = p > 0.5
    others = torch.where(large, 0, p).sum(dim, keepdim=True)
    return torch.where(large, others, 1 - p)
""",
    """def factors_det(lu, pivots):
    # The product of the diagonal, with a sign for each exchange of rows.
    here = torch.arange(1, 1 + pivots.shape[-1], device=pivots.device)
    return lu.diagonal(0, -2, -1).prod(-1) * (1 - 2 * ((pivots != here).sum(-1) % 2))
""",
    """def factors_logdet(lu, pivots):
    # NaN where the determinant is negative, -inf where it is zero; none of the products overflows.
    here = torch.arange(1, 1 + pivots.shape[-1], device=pivots.device)
    diagonal = lu.diagonal(0, -2, -1)
    sign = diagonal.sign().prod(-1) * (1 - 2 * ((pivots != here).sum(-1) % 2))
    return torch.where(sign < 0, torch.nan, diagonal.abs().log().sum(-1))
""",
    """def prod_others(a, dim):
    # For each entry the product of those before it and those behind it.
    one = torch.ones_like(a.narrow(dim, 0, 1))
    less = a.shape[dim] - 1
    before = torch.cat([one, torch.cumprod(a, dim).narrow(dim, 0, less)], dim)
    behind = torch.cat([one, torch.cumprod(a.flip(dim), dim).narrow(dim, 0, less)], dim).flip(dim)
    return before * behind
""",
    _HUBER.replace("xp.", "torch."),
    """def polygamma(order, x):
    # torch.special.polygamma(1, x) has nine digits.
    return torch.special.zeta(2, x) if order == 1 else torch.special.polygamma(order, x)
""",
    """@lru_cache(maxsize=None)
def upper(n, device):
    # Where the entries i <= j of an n x n matrix stand.
    rows, columns = torch.triu_indices(n, n, device=device)
    return rows * n + columns
""",
    """@lru_cache(maxsize=None)
def mirrored(n, device):
    # Where each entry of a symmetric n x n matrix stands among its entries i <= j.
    i = torch.arange(n, device=device)
    low, high = torch.minimum(i[:, None], i), torch.maximum(i[:, None], i)
    return (low * (2 * n - low - 1) // 2 + high).flatten()
""",
)


class Library:
    """Writes NumPy source; `like` is a tensor whose dtype and device new tensors take."""

    name = "numpy"
    module = "np"
    imports: tuple[str, ...] = ("import numpy as np", "import scipy.special")
    options: tuple[str, ...] = ("dtype",)
    in_place = False
    #: Whether arrays change: where they do not, a statement makes another one.
    changing = True
    einsum_options: tuple[str, ...] = ("optimize=True",)
    #: What factorises a matrix so that several steps can read the factors; NumPy cannot solve with those that
    #: it has, and in JAX the compiler finds that two steps factorise one matrix.
    factorise: Mapping[str, str] = {}
    #: What the library calls a method or function, where that is not NumPy's name.
    names: Mapping[str, str] = {}
    _units: Mapping[str, str] = {"amax": "np.max", "prod": "np.prod"}
    helpers = tuple(
        text.replace("xp.", "np.") for text in (*_UNITS, _DIAG_EMBED, _UPPER, _MIRRORED, _POLYGAMMA)
    )

    def __init__(self, like: str | None = None) -> None:
        self.like = like

    @property
    def dtype(self) -> str:
        """The type of the inputs."""
        return f"{self.like}.dtype" if self.like else "dtype"

    def method(self, code: Code, name: str, *arguments: int | str) -> Code:
        """A method of a tensor."""
        return Code(f"{code.atom}.{self.names.get(name, name)}({', '.join(map(str, arguments))})")

    def permute(self, code: Code, order: Sequence[int]) -> Code:
        """The axes in another order: `.T`, `.mT` (last two) or in full."""
        rank = len(order)
        if tuple(order) == tuple(range(rank)):
            return code
        if rank == 2:
            return Code(f"{code.atom}.T")
        if tuple(order) == (*range(rank - 2), rank - 1, rank - 2):
            return Code(f"{code.atom}.mT")
        return self.method(code, "transpose", *order)

    def insert(self, code: Code, new: Sequence[bool]) -> Code:
        """New axes of size one where `new` says so; those in front come by themselves, by broadcasting."""
        places = list(new)
        while places and places[0]:
            places.pop(0)
        return self._inserted(code, places) if any(places) else code

    def _inserted(self, code: Code, places: list[bool]) -> Code:
        return Code(f"{code.atom}[{', '.join('None' if place else ':' for place in places)}]")

    def sum(self, code: Code, axes: Sequence[int], rank: int) -> Code:
        """The sum over some axes."""
        return self.method(code, "sum", *([] if len(axes) == rank else [_axes(axes)]))

    def einsum(self, equation: str, *operands: Code) -> Code:
        """An einsum of any number of operands."""
        texts = [operand.text for operand in operands]
        return call(f"{self.module}.einsum", f'"{equation}"', *texts, *self.einsum_options)

    def view(self, name: str, edges: Edges, pairs: Sequence[Pair]) -> tuple[Code, Edges]:
        """The entries of a named tensor at which the edges of each pair are equal, as a view, and its axes.

        Of edges that are equal the first is the axis.
        """
        same = merged(edges, pairs)
        axes = tuple(edge for edge in edges if same[edge] == edge)
        names = letters(axes)
        before, after = ("".join(names[same[edge]] for edge in part) for part in (edges, axes))
        return self._viewed(name, f'"{before}->{after}"'), axes

    def _viewed(self, name: str, equation: str) -> Code:
        return call(f"{self.module}.einsum", equation, name)

    def add_to(self, name: str, view: Code, code: Code, number: Fraction) -> str:
        """The statement that adds a multiple to the view of a named tensor."""
        return f"{view.text}[...] {'-' if number < 0 else '+'}= {scaled(code, abs(number)).text}"

    def put_into(self, name: str, view: Code, code: Code, number: bool = False) -> str:
        """The statement that writes what the view of a named tensor shows."""
        return f"{view.text}[...] = {code.text}"

    def embed(self, code: Code, first: int, second: int, rank: int) -> Code:
        """The last axis on the diagonal of two axes of a tensor of this rank."""
        return call("diag_embed", code.text, str(first), str(second))

    def row_times(self, vector: Code, matrix: Code, rank: int) -> Code:
        """A batch of vectors, with `rank` axes, each times its matrix."""
        colons = ", ".join([":"] * (rank - 1))
        return Code(f"({vector.atom}[{colons}, None, :] @ {matrix.at(UNARY)})[{colons}, 0]")

    def join(self, code: Code, edges: Edges, joined: Edges, sizes: Mapping[str, int]) -> Code:
        """Axes `edges` as fewer axes, `joined`."""
        return self.method(code, "reshape", *(sizes[edge] for edge in joined))

    def take(self, code: Code, places: str, size: int, axis: int, shape: Sequence[int]) -> Code:
        """Entries along an axis of a tensor of this shape, where `upper` or `mirrored` of a size says."""
        return self.method(code, "take", f"{places}({size})", axis)

    def split(self, code: Code, axis: int, shape: Sequence[int], size: int) -> Code:
        """An axis of a tensor of this shape, made two of this size."""
        return self.method(code, "reshape", *shape[:axis], size, size, *shape[axis + 1 :])

    def eye(self, size: int) -> Code:
        """The identity matrix."""
        return call(f"{self.module}.eye", str(size), *self._typed())

    def full(self, shape: Sequence[int], value: float) -> Code:
        """A tensor of one number, which is written as a float: an integer would decide the dtype."""
        text = literal(value).text
        text = f"{text}.0" if text.lstrip("-").isdecimal() else text
        return call(f"{self.module}.full", shape_text(shape), text, *self._typed())

    def _typed(self) -> list[str]:
        """The arguments that give a new tensor the dtype (and the device) of the inputs."""
        return [f"{option}={f'{self.like}.{option}' if self.like else option}" for option in self.options]

    def expand(self, code: Code, shape: Sequence[int]) -> Code:
        """Broadcast to a shape, without a copy."""
        return call(f"{self.module}.broadcast_to", code.text, shape_text(shape))

    def power(self, code: Code, exponent: Fraction) -> Code:
        """A power; square roots and reciprocals by their names."""
        if exponent == Fraction(1, 2):
            return call(f"{self.module}.sqrt", code.text)
        if exponent == Fraction(-1, 2):
            return self._rsqrt(code)
        if exponent < 0:
            return self._reciprocal(code, -exponent)
        return code if exponent == 1 else Code(f"{code.atom}**{literal(exponent).atom}", POWER)

    def _reciprocal(self, code: Code, exponent: Fraction) -> Code:
        """A power of the reciprocal: 1/x is a number for longer than x² is."""
        return self.power(quotient(Code("1"), code), exponent)

    def _rsqrt(self, code: Code) -> Code:
        if "rsqrt" in self.names:
            return call(self.names["rsqrt"], code.text)
        return quotient(Code("1"), call(f"{self.module}.sqrt", code.text))

    def unit(self, name: str, code: Code, axes: Sequence[int]) -> Code:
        """A softmax, its logarithm, a log-sum-exp, a maximum or a product over some axes."""
        return call(self._units.get(name, name), code.text, _axes(axes))

    def complement(self, code: Code, axes: Sequence[int]) -> Code:
        """What is left to 1 of a tensor that sums to 1 over some axes."""
        return call("complement", code.text, _axes(axes))

    def multiply(self, left: Code, right: Code) -> Code:
        """A product where the left operand is nobody else's, and may be written over."""
        return multiply(left, right)


class _Torch(Library):
    """PyTorch, for eager execution: few kernels; large temporaries are written over, not allocated anew."""

    name = module = "torch"
    imports = ("import torch",)
    options = ("dtype", "device")
    in_place = True
    factorise: Mapping[str, str] = {"lu": "torch.linalg.lu_factor", "cholesky": "torch.linalg.cholesky"}
    einsum_options = ()
    names: Mapping[str, str] = {
        "transpose": "permute",
        "ravel": "flatten",
        "copy": "clone",
        "rsqrt": "torch.rsqrt",
    }
    helpers = _TORCH

    def _inserted(self, code: Code, places: list[bool]) -> Code:
        """A single one by `unsqueeze`, which takes less time than indexing."""
        if sum(places) == 1:
            return self.method(code, "unsqueeze", places.index(True))
        return super()._inserted(code, places)

    def view(self, name: str, edges: Edges, pairs: Sequence[Pair]) -> tuple[Code, Edges]:
        """The entries at which edges are equal: one diagonal after another."""
        same = merged(edges, pairs)
        axes, code = edges, Code(name)
        for pair in pairs:
            found = {same[edge] for edge in pair}
            first, second = [place for place, edge in enumerate(axes) if same[edge] in found][:2]
            places = [f"dim1={first}", f"dim2={second}"] if (first, second) != (0, 1) else []
            code = self.method(code, "diagonal", *places)
            axes = (*(edge for place, edge in enumerate(axes) if place not in (first, second)), axes[first])
        return code, tuple(same[edge] for edge in axes)

    def add_to(self, name: str, view: Code, code: Code, number: Fraction) -> str:
        """The statement that adds a multiple to a view."""
        alpha = f", alpha={literal(abs(number)).text}" if abs(number) != 1 else ""
        return f"{view.text}.{'sub_' if number < 0 else 'add_'}({code.text}{alpha})"

    def put_into(self, name: str, view: Code, code: Code, number: bool = False) -> str:
        """The statement that writes what a view shows; a number is no tensor to copy."""
        return f"{view.text}.{'fill' if number else 'copy'}_({code.text})"

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
        places = [new[0]] if new[0] or last < len(edges) - 1 else []
        return self.method(code, "flatten", *places, *([last] if last < len(edges) - 1 else []))

    def take(self, code: Code, places: str, size: int, axis: int, shape: Sequence[int]) -> Code:
        """Entries along an axis; along the last one `gather` is up to four times as fast."""
        where = f"{places}({size}, {self.like}.device)"
        if axis and axis == len(shape) - 1:
            return self.method(code, "gather", axis, f"{where}.expand({', '.join(map(str, shape[:-1]))}, -1)")
        return self.method(code, "index_select", axis, where)

    def split(self, code: Code, axis: int, shape: Sequence[int], size: int) -> Code:
        """An axis made two."""
        return self.method(code, "unflatten", axis, f"({size}, {size})")

    def expand(self, code: Code, shape: Sequence[int]) -> Code:
        """Broadcast to a shape, without a copy."""
        return self.method(code, "expand", *shape)

    def _reciprocal(self, code: Code, exponent: Fraction) -> Code:
        """One over a power: `1 / x` would run two kernels."""
        if exponent == 1:
            return call("torch.reciprocal", code.text)
        return Code(f"{code.atom}**{literal(-exponent).at(UNARY)}", POWER)

    def unit(self, name: str, code: Code, axes: Sequence[int]) -> Code:
        """What torch has for one axis only is a helper for several, and what it has not for any."""
        own = any(text.startswith(f"def {name}(") for text in self.helpers)
        helper = own and (len(axes) > 1 or name == "prod_others")
        return call(name if helper else f"torch.{name}", code.text, _axes(axes))

    def multiply(self, left: Code, right: Code) -> Code:
        """A product, in place."""
        return Code(f"{left.atom}.mul_({right.text})")


class _Jax(Library):
    """JAX; the source can be given to `jax.jit` as it is."""

    name = "jax"
    module = "jnp"
    # Places are NumPy's: they are known when the function is compiled.
    imports = ("import jax", "import jax.numpy as jnp", "import jax.scipy.special", "import numpy as np")
    einsum_options = ()
    changing = False
    names: Mapping[str, str] = {"rsqrt": "jax.lax.rsqrt"}
    _units: Mapping[str, str] = {"amax": "jnp.max", "prod": "jnp.prod", "prod_others": "prod_others"}
    helpers = (
        *(text.replace("xp.", "jnp.") for text in _UNITS),
        """def diag_embed(a, first, second):
    # The last axis of a on the diagonal of two axes, zeros beside it.
    places = jnp.arange(a.shape[-1])
    full = jnp.zeros((*a.shape, a.shape[-1]), a.dtype).at[..., places, places].set(a)
    return jnp.moveaxis(full, (-2, -1), (first, second))
""",
        """def on_diagonal(a, equation):
    # The entries of a at which axes with one letter are equal, to be added to, or set.
    axes, kept = equation.split("->")
    places = {e: jnp.arange(n).reshape([-1 if k == e else 1 for k in kept]) for e, n in zip(axes, a.shape)}
    return a.at[tuple(places[e] for e in axes)]
""",
        *(_UPPER, _MIRRORED),
    )

    def _viewed(self, name: str, equation: str) -> Code:
        return call("on_diagonal", name, equation)

    def add_to(self, name: str, view: Code, code: Code, number: Fraction) -> str:
        """The statement that makes a tensor with a multiple added to the view."""
        return f"{name} = {view.text}.add({scaled(code, number).text})"

    def put_into(self, name: str, view: Code, code: Code, number: bool = False) -> str:
        """The statement that makes a tensor with another view."""
        return f"{name} = {view.text}.set({code.text})"

    def unit(self, name: str, code: Code, axes: Sequence[int]) -> Code:
        """A softmax, its logarithm, a log-sum-exp, a maximum or a product over some axes."""
        return call(self._units.get(name, f"jax.nn.{name}"), code.text, f"axis={_axes(axes)}")


#: The libraries that source is written for, by name.
LIBRARIES: dict[str, type[Library]] = {"torch": _Torch, "numpy": Library, "jax": _Jax}


def shape_text(shape: Sequence[int]) -> str:
    """A shape as a tuple."""
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def _axes(axes: Sequence[int]) -> str:
    """One axis as a number, several as a tuple."""
    return str(axes[0]) if len(axes) == 1 else shape_text(axes)

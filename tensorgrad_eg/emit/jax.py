"""JAX source: NumPy's names under `jnp`, softmax and log-sum-exp from `jax.nn`.

>>> from tensorgrad_eg.emit.code import Code
>>> Jax().softmax(Code("z"), [1], 2).text
'jax.nn.softmax(z, axis=1)'
"""

from __future__ import annotations

from collections.abc import Sequence

from tensorgrad_eg.emit.code import Code, call
from tensorgrad_eg.emit.library import Library, axes_text

DIAG_EMBED = """def diag_embed(a, first, second):
    # The last axis of a on the diagonal of two axes, zeros beside it.
    places = jnp.arange(a.shape[-1])
    full = jnp.zeros((*a.shape, a.shape[-1]), a.dtype).at[..., places, places].set(a)
    return jnp.moveaxis(full, (-2, -1), (first, second))
"""


class Jax(Library):
    """JAX; the source can be given to `jax.jit` as it is.

    >>> Jax("A").eye(3).text
    'jnp.eye(3, dtype=A.dtype)'
    """

    name = "jax"
    module = "jnp"
    # Places are NumPy's: they are known when the function is compiled.
    imports = ("import jax", "import jax.numpy as jnp", "import numpy as np")
    einsum_options = ()
    diagonals = False

    def rsqrt(self, code: Code) -> Code:
        """One over the square root."""
        return call("jax.lax.rsqrt", code.text)

    def softmax(self, code: Code, axes: Sequence[int], rank: int) -> Code:
        """A softmax over some axes."""
        return call("jax.nn.softmax", code.text, f"axis={axes_text(axes)}")

    def logsumexp(self, code: Code, axes: Sequence[int], rank: int) -> Code:
        """The logarithm of a sum of exponentials."""
        return call("jax.nn.logsumexp", code.text, f"axis={axes_text(axes)}")

    def log_softmax(self, code: Code, axes: Sequence[int], rank: int) -> Code:
        """`z - logsumexp(z)`, with all digits."""
        return call("jax.nn.log_softmax", code.text, f"axis={axes_text(axes)}")

    def helpers(self) -> dict[str, str]:
        """Functions that the source may need, by name."""
        return {**super().helpers(), "diag_embed": DIAG_EMBED}

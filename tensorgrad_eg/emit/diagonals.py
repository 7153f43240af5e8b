"""Tensors on a diagonal: `δ[i,j] T[…]` without multiplying by zeros.

>>> from tensorgrad_eg.emit.torch import Torch
>>> d = Value(Code("d"), ("i",))
>>> embed(Torch(), ("i", "j"), d, ("i", "j"), {"i": 3, "j": 3}).code.text
'torch.diag_embed(d)'
"""

from __future__ import annotations

from collections.abc import Mapping

from tensorgrad_eg.emit.code import Code, call
from tensorgrad_eg.emit.library import Library
from tensorgrad_eg.emit.tensors import Value, permuted, without_repeats
from tensorgrad_eg.plan.products import Edges


def embed(library: Library, delta: Edges, value: Value, out: Edges, sizes: Mapping[str, int]) -> Value | None:
    """`δ` times a tensor that has one of its labels, or none; None where it has both, which is a mask.

    >>> from tensorgrad_eg.emit.torch import Torch
    >>> M = Value(Code("M"), ("a", "b"))
    >>> embed(Torch(), ("i", "j"), M, ("i", "a", "j", "b"), dict(i=3, j=3, a=2, b=2)).code.text
    'torch.diag_embed(M.unsqueeze(2).expand(2, 2, 3), dim1=0, dim2=2)'
    """
    if len(set(delta)) < 2 or set(delta) <= set(value.edges):
        return None
    value = without_repeats(library, value)
    rest = tuple(edge for edge in out if edge not in delta)
    if shared := tuple(edge for edge in delta if edge in value.edges):
        code = permuted(library, value, (*rest, *shared)).code
    else:
        shape = [sizes[edge] for edge in (*rest, delta[0])]
        code = permuted(library, value, rest).code
        # A leading new axis would be left to broadcasting, but here it is the only one of a scalar.
        code = library.expand(Code(f"{code.atom}.unsqueeze({len(rest)})") if rest else code, shape)
    first, second = sorted(out.index(edge) for edge in delta)
    places = [] if (first, second) == (len(rest), len(rest) + 1) else [f"dim1={first}", f"dim2={second}"]
    return Value(call("torch.diag_embed", code.text, *places), out, fresh=True)

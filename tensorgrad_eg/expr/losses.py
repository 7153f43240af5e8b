"""Norms and moments, losses, layers, and products that keep or repeat edges: all put together from functions.

Edges are given by name. Layers never normalise over an edge that is not named.

>>> from tensorgrad_eg import functions as F
>>> from tensorgrad_eg.expr import Variable
>>> x = Variable("x", ["b", "k"])
>>> F.norm(x, "k").edges, F.rms_norm(x, "k").edges
(('b',), ('b', 'k'))
"""

from __future__ import annotations

import math
from fractions import Fraction

from tensorgrad_eg.errors import DuplicateEdgeError, NumberError, UnknownEdgeError
from tensorgrad_eg.expr import build
from tensorgrad_eg.expr.choices import amax, amin, equal, huber, maximum, where
from tensorgrad_eg.expr.elementary import abs, log, log1p, power, sign, softplus, sqrt
from tensorgrad_eg.expr.functions import divided, dot, mean, softmax, sum
from tensorgrad_eg.expr.leaves import Delta, Number, brief, check_tensor, extent, require
from tensorgrad_eg.expr.tensor import Edges, Numeric, Tensor, flatten, rational

__all__ = [
    "attention",
    "batch_norm",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cosine_similarity",
    "diag",
    "dropout",
    "group_norm",
    "hadamard",
    "huber_loss",
    "khatri_rao",
    "kl_div",
    "kron",
    "layer_norm",
    "mse",
    "norm",
    "outer",
    "rms_norm",
    "std",
    "var",
]
#: What is not attended to: its exponential is 0 beside any other, in every type.
_MASKED = Number(-(10**30))
#: What torch adds to the mean square in float64.
_TINY = Fraction(1, 2**52)


def norm(a: Tensor, *edges: Edges, p: Numeric | str = 2) -> Tensor:
    """Return (Σ |a|^p)^(1/p) over these edges, or over all: for p = 2 the Frobenius norm.

    Where everything is 0 the derivative is 0, as in torch. `p` may be `math.inf` too, or "fro".

    >>> from tensorgrad_eg.expr import Variable
    >>> x = Variable("x", ["k"])
    >>> print(norm(x, p=1))
    Σ_k abs(x[k])
    >>> print(norm(x))
    sqrt(Σ_k x[k]^2 + equal(Σ_k x[k]^2, 0)) - equal(Σ_k x[k]^2, 0)

    Raises:
        NumberError: if p is no number that a norm has.
    """
    over = flatten(edges or check_tensor(a).edges)
    if p == "fro":
        p = 2
    if isinstance(p, str):
        raise NumberError(
            f"there is no norm '{p}'; p is a number, math.inf, or 'fro' for the Frobenius norm."
        )
    if isinstance(p, float) and math.isinf(p):
        return (amax if p > 0 else amin)(abs(a), *over)
    exponent = rational(p)
    if exponent == 0:
        return sum(1 - equal(a, 0), *over) if over else 1 - equal(a, 0)
    if exponent == 1:
        return sum(abs(a), *over)
    even = exponent.denominator == 1 and exponent.numerator % 2 == 0
    total = sum(power(a if even else abs(a), exponent), *over)
    root = _rooted(total, 1 / exponent)
    return root if exponent > 1 else sign(total) * root


def var(a: Tensor, *edges: Edges, correction: Numeric = 1) -> Tensor:
    """Return the variance over these edges, or over all; `correction` is taken from the number of entries.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(var(Variable("x", k=5), correction=0))
    0.2 Σ_k (x[k] - 0.2 Σ_k_ x[k_])^2
    """
    over = flatten(edges or check_tensor(a).edges)
    squares = sum(power(check_tensor(a) - mean(a, *over), 2), *over)
    sizes = [extent(a, edge) for edge in over]
    less = rational(correction)
    if not less:
        return divided(squares, sizes)
    count: Tensor = Number(1)
    for size in sizes:
        count = count * size
    return build.divide(squares, count - less)


def std(a: Tensor, *edges: Edges, correction: Numeric = 1) -> Tensor:
    """Return the root of the variance; where all entries are equal its derivative is 0, as in torch.

    >>> from tensorgrad_eg.expr import Variable
    >>> std(Variable("x", ["b", "k"]), "k").edges
    ('b',)
    """
    return _rooted(var(a, *edges, correction=correction), Fraction(1, 2))


def _rooted(total: Tensor, exponent: Fraction) -> Tensor:
    """A root. Where all is 0 it is taken of 1, so that its slope is a number, and so is 0 times that."""
    none = equal(total, 0)
    return power(total + none, exponent) - none


def mse(prediction: Tensor, target: Tensor) -> Tensor:
    """Return the mean of the squared differences.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(mse(Variable("x", k=2), Variable("y", k=2)))
    1/2 Σ_k (x[k] - y[k])^2
    """
    return mean(power(check_tensor(prediction) - target, 2))


def huber_loss(prediction: Tensor, target: Tensor, delta: Tensor | Numeric = 1, mean: bool = False) -> Tensor:
    """Return the sum of the Huber losses of the differences, or their mean.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(huber_loss(Variable("x", ["k"]), Variable("y", ["k"])))
    Σ_k huber(x[k] - y[k], 1)
    """
    return _total(huber(check_tensor(prediction) - target, delta), mean)


def binary_cross_entropy(probabilities: Tensor, target: Tensor, mean: bool = False) -> Tensor:
    """Return -Σ t log p + (1 - t) log(1 - p), or its mean; as in torch no logarithm is below -100.

    >>> from tensorgrad_eg.expr import Variable
    >>> binary_cross_entropy(Variable("p", ["k"]), Variable("t", ["k"])).edges
    ()
    """
    p, t = check_tensor(probabilities), check_tensor(target)
    none, all_of_it = equal(p, 0), equal(p, 1)
    # At 0 and 1 the logarithm is taken of 1, so that its derivative is a number.
    here = log(p + none) - 100 * none
    rest = log1p(all_of_it - p) - 100 * all_of_it
    return _total(-(t * here + (1 - t) * rest), mean)


def binary_cross_entropy_with_logits(logits: Tensor, target: Tensor, mean: bool = False) -> Tensor:
    """Return the binary cross-entropy of σ(logits), of which no digit is lost, or its mean.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(binary_cross_entropy_with_logits(Variable("z", ["k"]), Variable("t", ["k"])))
    Σ_k (t[k] softplus(-z[k]) + (1 - t[k]) softplus(z[k]))
    """
    z, t = check_tensor(logits), check_tensor(target)
    return _total(t * softplus(-z) + (1 - t) * softplus(z), mean)


def kl_div(logs: Tensor, target: Tensor, mean: bool = False) -> Tensor:
    """Return Σ t (log t - logs), of logarithms and of probabilities, as torch takes them; or its mean.

    Where a probability is 0 its term is 0.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(kl_div(Variable("z", ["k"]), Variable("t", ["k"])))
    Σ_k t[k] (log(t[k] + equal(t[k], 0)) - z[k])
    """
    t = check_tensor(target)
    return _total(t * (log(t + equal(t, 0)) - logs), mean)


def cosine_similarity(a: Tensor, b: Tensor, *edges: Edges, eps: Numeric = Fraction("1e-8")) -> Tensor:
    """Return Σ a·b over these edges, divided by both norms, which are at least `eps`.

    >>> from tensorgrad_eg.expr import Variable
    >>> cosine_similarity(Variable("a", ["b", "k"]), Variable("c", ["b", "k"]), "k").edges
    ('b',)
    """
    over = _named("cosine_similarity", a, edges)
    least = rational(eps)
    return dot(a, b, *over) / maximum(norm(a, *over), least) / maximum(norm(b, *over), least)


def layer_norm(
    x: Tensor, *edges: Edges, weight: Tensor | None = None, bias: Tensor | None = None, eps: Numeric = 1e-5
) -> Tensor:
    """Shift and scale to mean 0 and variance 1 over the edges, then apply a weight and a bias if given.

    >>> from tensorgrad_eg.expr import Variable
    >>> layer_norm(Variable("x", ["b", "k"]), "k").edges
    ('b', 'k')
    """
    return _normal("layer_norm", x, edges, weight, bias, eps)


def group_norm(
    x: Tensor, *edges: Edges, weight: Tensor | None = None, bias: Tensor | None = None, eps: Numeric = 1e-5
) -> Tensor:
    """Normalise over the channels of each group, and over places: the edges to name. Groups are an edge.

    >>> from tensorgrad_eg.expr import Variable
    >>> group_norm(Variable("x", ["b", "group", "c", "place"]), "c", "place").edges
    ('b', 'group', 'c', 'place')
    """
    return _normal("group_norm", x, edges, weight, bias, eps)


def batch_norm(
    x: Tensor, *edges: Edges, weight: Tensor | None = None, bias: Tensor | None = None, eps: Numeric = 1e-5
) -> Tensor:
    """Normalise every channel over the batch, and over places: the edges to name.

    >>> from tensorgrad_eg.expr import Variable
    >>> batch_norm(Variable("x", ["b", "c", "place"]), "b", "place").edges
    ('b', 'c', 'place')
    """
    return _normal("batch_norm", x, edges, weight, bias, eps)


def rms_norm(x: Tensor, *edges: Edges, weight: Tensor | None = None, eps: Numeric = _TINY) -> Tensor:
    """Divide by the root of the mean square over the edges, then apply a weight if given.

    >>> from tensorgrad_eg.expr import Variable
    >>> rms_norm(Variable("x", ["b", "k"]), "k").edges
    ('b', 'k')
    """
    over = _named("rms_norm", x, edges)
    result = check_tensor(x) / sqrt(mean(power(x, 2), *over) + rational(eps))
    return result if weight is None else result * weight


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    over: Edges,
    keys: Edges,
    mask: Tensor | None = None,
    scale: Numeric | Tensor | None = None,
) -> Tensor:
    """Return softmax(query·key / √size)·value, of products `over` edges, with the softmax along `keys`.

    A mask is 1 where a key may be attended to, else 0: causal, or for padding; masks are multiplied. Where
    all keys are masked each gets the same weight. `scale` stands for 1/√size.

    >>> from tensorgrad_eg.expr import Variable
    >>> q, k, v = Variable("q", ["s", "d"]), Variable("k", ["t", "d"]), Variable("v", ["t", "e"])
    >>> attention(q, k, v, over="d", keys="t", mask=Variable("mask", ["s", "t"])).edges
    ('s', 'e')
    """
    names = flatten((over,))
    scores = dot(query, key, *names)
    if scale is None:
        size: Tensor = Number(1)
        for edge in names:
            size = size * extent(key, edge)
        scores = scores / sqrt(size)
    else:
        scores = scores * scale
    if mask is not None:
        scores = where(mask, scores, _MASKED)
    return dot(softmax(scores, keys), value, keys)


def dropout(a: Tensor, mask: Tensor, p: Numeric = 0.5) -> Tensor:
    """Return the entries where the mask is 1, divided by 1 - p, and 0 where it is 0.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(dropout(Variable("x", ["k"]), Variable("mask", ["k"])))
    2 x[k] mask[k]
    """
    rate = rational(p)
    if not 0 <= rate < 1:
        raise NumberError(f"dropout drops a share of at least 0 and less than 1, not {rate}.")
    return 1 / (1 - rate) * (check_tensor(a) * mask)


def outer(a: Tensor, b: Tensor) -> Tensor:
    """Return all products of an entry of one with an entry of the other; the two share no edge.

    >>> from tensorgrad_eg.expr import Variable
    >>> outer(Variable("x", ["i"]), Variable("y", ["j"])).edges
    ('i', 'j')
    """
    return _apart("an outer product", a, b)


def kron(a: Tensor, b: Tensor) -> Tensor:
    """Return the Kronecker product, with an edge for each index: those of one, then those of the other.

    >>> from tensorgrad_eg.expr import Variable
    >>> kron(Variable("A", ["i", "j"]), Variable("B", ["k", "l"])).edges
    ('i', 'j', 'k', 'l')
    """
    return _apart("a Kronecker product", a, b)


def khatri_rao(a: Tensor, b: Tensor, *edges: Edges) -> Tensor:
    """Return the Kronecker product of matching columns: the shared edges number the columns.

    >>> from tensorgrad_eg.expr import Variable
    >>> khatri_rao(Variable("A", ["i", "r"]), Variable("B", ["j", "r"]), "r").edges
    ('i', 'r', 'j')
    """
    shared = [edge for edge in check_tensor(a).edges if edge in check_tensor(b).edges]
    wanted = list(flatten(edges)) or shared
    require(a, wanted)
    require(b, wanted)
    if set(wanted) != set(shared) or not shared:
        raise DuplicateEdgeError(
            f"a Khatri-Rao product of {brief(a)} and {brief(b)} goes over the edges they share, which are "
            f"{', '.join(shared) or 'none'}, not {', '.join(wanted) or 'none'}. Rename the others."
        )
    return a * b


def hadamard(a: Tensor, b: Tensor) -> Tensor:
    """Return the product entry by entry, of two tensors with the same edges.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(hadamard(Variable("x", ["i"]), Variable("y", ["i"])))
    x[i] y[i]
    """
    if set(check_tensor(a).edges) != set(check_tensor(b).edges):
        raise UnknownEdgeError(
            f"a Hadamard product is of two tensors with the same edges, but {brief(a)} and {brief(b)} have "
            "others. A product that broadcasts is written a * b."
        )
    return a * b


def diag(a: Tensor, i: str | None = None, j: str | None = None) -> Tensor:
    """Return a tensor with its one edge on the diagonal of i and j, or the diagonal of i and j, at i.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(diag(Variable("x", ["i"]), "i", "j"), "and", diag(Variable("A", i="n", j="n")))
    x[i] δ[i,j] and A[i,i]
    """
    edges = check_tensor(a).edges
    if i is None and j is None and len(edges) == 2:
        i, j = edges
    if i is None or j is None:
        raise UnknownEdgeError(
            f"a diagonal has two edges, but of {brief(a)} it got: "
            f"{', '.join(e for e in (i, j) if e) or 'none'}. Name both: F.diag(a, 'i', 'j')."
        )
    if i in edges and j in edges:
        return dot(a, Delta(i, j, a.shape[i]), j)
    require(a, [i] if j not in edges else [j])
    own = i if i in edges else j
    return a * Delta(i, j, a.shape[own])


def _total(entries: Tensor, average: bool) -> Tensor:
    return mean(entries) if average else sum(entries)


def _named(function: str, a: Tensor, edges: tuple[Edges, ...]) -> tuple[str, ...]:
    over = flatten(edges)
    require(check_tensor(a), over)
    if not over:
        raise NumberError(
            f"{function} of {brief(a)} needs the edges that it goes over, and takes none by itself: the "
            f"batch may be one. Write F.{function}(…, '{('k', *a.edges)[-1]}')."
        )
    return over


def _normal(
    function: str,
    x: Tensor,
    edges: tuple[Edges, ...],
    weight: Tensor | None,
    bias: Tensor | None,
    eps: Numeric,
) -> Tensor:
    over = _named(function, x, edges)
    centred = check_tensor(x) - mean(x, *over)
    result = centred / sqrt(mean(centred * centred, *over) + rational(eps))
    if weight is not None:
        result = result * weight
    return result if bias is None else result + bias


def _apart(what: str, a: Tensor, b: Tensor) -> Tensor:
    for edge in check_tensor(a).edges:
        if edge in check_tensor(b).edges:
            raise DuplicateEdgeError(
                f"{what} is of tensors without a common edge, but {brief(a)} and {brief(b)} both have "
                f"'{edge}'. Rename one of them: b.rename({edge}='{edge}2')."
            )
    return a * b

"""The functions that sum and multiply tensors, and what is made of these.

Edges are given by name: one, several, or a list. Functions that sum take all edges when none is named.

>>> from tensorgrad_eg import functions as F
>>> from tensorgrad_eg.expr import Variable
>>> A, x, y = Variable("A", ["x", "y"]), Variable("x", ["x"]), Variable("y", ["y"])
>>> print(F.frobenius2(A @ x - y))
Σ_y (Σ_x A[x,y] x[x] - y[y]) (Σ_x A[x,y] x[x] - y[y])
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from tensorgrad_eg.errors import DuplicateEdgeError, SizeError, SumEdgeError, UnknownEdgeError
from tensorgrad_eg.expr import build
from tensorgrad_eg.expr.compound import Contract, LogSumExp, MatrixFunction, Softmax
from tensorgrad_eg.expr.leaves import Delta, Extent, Number, brief, check_tensor, extent, require
from tensorgrad_eg.expr.tensor import Edges, Tensor, flatten

__all__ = [
    "cross_entropy",
    "det",
    "dot",
    "frobenius2",
    "inverse",
    "l2_loss",
    "log_softmax",
    "logdet",
    "logsumexp",
    "mean",
    "softmax",
    "sum",
    "trace",
]


def sum(a: Tensor, *edges: Edges) -> Tensor:
    """Sum over these edges, or over all.

    >>> from tensorgrad_eg.expr import Variable
    >>> A = Variable("A", ["i", "k"])
    >>> print(sum(A, "k"), "and", sum(A))
    Σ_k A[i,k] and Σ_{i,k} A[i,k]
    """
    return build.reduce(check_tensor(a), *(edges or a.edges))


def mean(a: Tensor, *edges: Edges) -> Tensor:
    """Average over these edges, or over all.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(mean(Variable("A", i=2, k="n")))
    1/2 (Σ_{i,k} A[i,k]) / |n|
    """
    return divided(sum(a, *edges), [extent(a, edge) for edge in flatten(edges or a.edges)])


def dot(a: Tensor, b: Tensor, *edges: Edges) -> Tensor:
    """Multiply and sum over these edges only: other shared edges are batch edges. Without edges it is a @ b.

    >>> from tensorgrad_eg.expr import Variable
    >>> A, B = Variable("A", ["b", "k"]), Variable("B", ["b", "k"])
    >>> print(dot(A, B, "k"))
    Σ_k A[b,k] B[b,k]
    """
    a, b = check_tensor(a), check_tensor(b)
    return Contract(flatten(edges), a, b) if flatten(edges) else build.matmul(a, b)


def trace(a: Tensor, i: str | None = None, j: str | None = None) -> Tensor:
    """Sum the diagonal of two edges; a matrix has only two, and they need no naming.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(trace(Variable("A", i="n", j="n")))
    Σ_{i,j} A[i,j] δ[i,j]
    """
    given = [edge for edge in (i, j) if edge is not None] or list(check_tensor(a).edges)
    if len(given) != 2:
        raise UnknownEdgeError(
            f"a trace takes two edges, but of {brief(a)} it got: {', '.join(given) or 'none'}. "
            "Name both: F.trace(a, 'i', 'j')."
        )
    first, second = given
    require(a, given, SumEdgeError)
    if a.shape[first] != a.shape[second]:
        raise SizeError(
            f"a trace sums the diagonal of a square, but in {brief(a)} edge '{first}' has size "
            f"{a.shape[first]} and edge '{second}' has size {a.shape[second]}. Give both edges one size "
            f"where the variable is made: {first}='n', {second}='n'. In text a trace is a sum over "
            f"an edge that is written twice, as in sum_i A[i,i]."
        )
    return Contract((first, second), a, Delta(first, second, a.shape[first]))


def inverse(a: Tensor, *edges: Edges) -> Tensor:
    """Return the inverse of the matrices that two edges hold; a matrix has only two, and they need no naming.

    The inverse has the edges of `a`, with rows and columns as in NumPy: Σ_j A[i,j] inverse(A)[j,k] is δ[i,k],
    where the second factor is `F.inverse(A).rename(i="j", j="k")`. Other edges are batch edges. A product
    with a vector or a matrix is computed by solving, not from the inverse; see also `solve`.

    Raises:
        SquareError: if the two edges have different sizes.
        UnknownEdgeError: if an edge is not there, or not two are given.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(inverse(Variable("A", b="b", i="n", j="n"), "i", "j"))
    inverse(A[b,i,j], i, j)
    """
    return MatrixFunction("inverse", flatten(edges) or check_tensor(a).edges, a)


def det(a: Tensor, *edges: Edges) -> Tensor:
    """Return the determinants of the matrices that two edges hold; errors as for `inverse`.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(det(Variable("A", i="n", j="n")))
    det(A[i,j], i, j)
    """
    return MatrixFunction("det", flatten(edges) or check_tensor(a).edges, a)


def logdet(a: Tensor, *edges: Edges) -> Tensor:
    """Return the logarithms of determinants, NaN where one is negative; errors as for `inverse`.

    It neither overflows nor vanishes where the determinant does; `log(det(a))` is computed in this way, too.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(logdet(Variable("A", i="n", j="n")))
    logdet(A[i,j], i, j)
    """
    return MatrixFunction("logdet", flatten(edges) or check_tensor(a).edges, a)


def solve(a: Tensor, b: Tensor, rows: str, columns: str) -> Tensor:
    """Return the x with Σ_columns a·x = b; b has the edge `rows`, x has `columns` in its place.

    Further edges of `b` are further right sides; those that `a` has too are batch edges. It is the product of
    `b` with the inverse: however often one matrix is solved with, it is factorised once.

    Raises:
        SquareError: if the two edges have different sizes.
        UnknownEdgeError: if `a` lacks one of them, or `b` lacks `rows`.
        DuplicateEdgeError: if `b` has `columns` as well.

    >>> from tensorgrad_eg.expr import Variable
    >>> A, b = Variable("A", i="n", j="n"), Variable("b", i="n")
    >>> print(solve(A, b, "i", "j"))
    Σ_i inverse(A[j,i], j, i) b[i]
    """
    require(check_tensor(b), [rows])
    if columns in b.edges:
        raise DuplicateEdgeError.of(columns, f"the solution for {brief(b)}")
    y = inverse(a, rows, columns)
    return Contract(rows, y.rename({rows: columns, columns: rows}), b)


def frobenius2(a: Tensor) -> Tensor:
    """Sum the squares of all entries: the squared Frobenius norm.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(frobenius2(Variable("A", ["i", "k"])))
    Σ_{i,k} A[i,k] A[i,k]
    """
    return Contract(check_tensor(a).edges, a, a)


def l2_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """Sum the squared differences.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(l2_loss(Variable("x", ["k"]), Variable("y", ["k"])))
    Σ_k (x[k] - y[k]) (x[k] - y[k])
    """
    return frobenius2(check_tensor(prediction) - target)


def softmax(a: Tensor, *edges: Edges) -> Tensor:
    """Return exp(a) divided by its sum over the edges.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(softmax(Variable("z", ["b", "k"]), "k"))
    softmax(z[b,k], k)
    """
    return Softmax(flatten(edges), a)


def logsumexp(a: Tensor, *edges: Edges) -> Tensor:
    """Return the logarithm of the sum of exp(a) over the edges.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(logsumexp(Variable("z", ["b", "k"]), "k"))
    logsumexp(z[b,k], k)
    """
    return LogSumExp(flatten(edges), a)


def log_softmax(a: Tensor, *edges: Edges) -> Tensor:
    """Return the logarithm of the softmax, computed without overflow.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(log_softmax(Variable("z", ["k"]), "k"))
    z[k] - logsumexp(z[k], k)
    """
    return check_tensor(a) - logsumexp(a, *edges)


def cross_entropy(logits: Tensor, target: Tensor, *edges: Edges, mean: bool = False) -> Tensor:
    """Return -Σ target·log_softmax(logits) over all edges; `mean` averages over the other edges.

    The target has probabilities, along the edges of the classes too.

    >>> from tensorgrad_eg.expr import Variable
    >>> z, t = Variable("z", ["b", "k"]), Variable("t", ["b", "k"])
    >>> print(cross_entropy(z, t, "k"))
    -Σ_{b,k} t[b,k] (z[b,k] - logsumexp(z[b,k], k))
    """
    logs = log_softmax(logits, *edges)
    for edge in flatten(edges):
        if edge not in check_tensor(target).shape:
            raise UnknownEdgeError(
                f"the target {brief(target)} of a cross-entropy has no edge '{edge}', so that it has no "
                "probability for each class. Class indices are written as one-hot rows: a target with edge "
                f"'{edge}' that is 1 at the class, else 0."
            )
    every = dict.fromkeys((*check_tensor(target).edges, *logs.edges))
    loss = -Contract(every, target, logs)
    batch = [edge for edge in every if mean and edge not in flatten(edges)]
    return divided(loss, [extent(target if edge in target.shape else logs, edge) for edge in batch])


def divided(a: Tensor, sizes: Iterable[Number | Extent]) -> Tensor:
    """Return a tensor divided by sizes; those that are numbers make one.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(divided(Variable("x", ["k"]), [Number(2), Number(3)]))
    1/6 x[k]
    """
    known = Fraction(1)
    for size in sizes:
        if isinstance(size, Number):
            known /= size.value
        else:
            a = build.divide(a, size)
    return build.scale(known, a)

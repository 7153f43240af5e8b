"""The value of an expression, by its definition: what every plan and every rule is compared with.

Derivatives are torch's (`torch.func`, in float64) where torch is installed, at any order; else those of the
operations that the expression is made of, recorded on a tape, which are as exact.

>>> from tensorgrad_eg.expr import Derivative, Variable
>>> A, x = Variable("A", ["i", "k"]), Variable("x", ["k"])
>>> evaluate(Derivative(A @ x, x), {"A": np.eye(2), "x": np.ones(2)})
array([[1., 0.],
       [0., 1.]])
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tensorgrad_eg.errors import ArrayNameError, ArrayShapeError, MissingSizeError, SizeError
from tensorgrad_eg.expr import Derivative, Tangent, Tensor, Variable, postorder, variables
from tensorgrad_eg.expr.arrays import Labelled, Numpy, Torch, aligned
from tensorgrad_eg.expr.sizes import symbols
from tensorgrad_eg.verify.evaluation import Evaluation
from tensorgrad_eg.verify.points import Point

Array = NDArray[Any]
#: The names of references, as reports and errors call them.
AUTOGRAD, EXACT, DIRECT = "torch autograd", "exact derivatives", "the expression itself"


def evaluate(
    e: Tensor, arrays: Mapping[str, Any], dtype: Any = np.float64, sizes: Mapping[str, int] | None = None
) -> Array:
    """The value of one expression at arrays by variable name, axes in the order of `e.edges`.

    Sizes are those of the arrays; `sizes` gives those that no array has.

    Raises:
        ArrayNameError: if an array is missing.
        ArrayShapeError: if an array does not fit its variable.
        MissingSizeError: if a size follows from no array.

    >>> from tensorgrad_eg.expr import Variable
    >>> x = Variable("x", ["k"])
    >>> evaluate(x @ x, {"x": [3.0, 4.0]})
    array(25.)
    """
    return evaluate_all([e], arrays, dtype, sizes)[0]


def evaluate_all(
    roots: Sequence[Tensor],
    arrays: Mapping[str, Any],
    dtype: Any = np.float64,
    sizes: Mapping[str, int] | None = None,
    autograd: bool | None = None,
) -> list[Array]:
    """The values of several expressions, what they share computed once.

    `autograd` False does without torch even where it is installed.

    >>> from tensorgrad_eg.expr import Variable
    >>> x = Variable("x")
    >>> evaluate_all([(x * x * x).grad(x)], {"x": 2.0}, autograd=False)[0].round(12).item()
    12.0
    """
    given = {name: np.asarray(array) for name, array in arrays.items()}
    known = sizes_of(roots, given, sizes)
    how = reference(roots, autograd)
    if how == EXACT:
        return [np.array(value, dtype=dtype) for value in Point(roots, known, given).values]
    library: Torch | Numpy = Torch() if how == AUTOGRAD else Numpy(dtype)
    bound = {v: library.array(given[v.name]) for v in variables(roots).values()}
    labelled = {v.name: Labelled(v.edges, array) for v, array in bound.items()}
    evaluation = Evaluation(library, known, labelled)
    with np.errstate(all="ignore"):
        values = zip(roots, evaluation.values(roots), strict=True)
        found = [aligned(library, value, e.edges, evaluation.edge_sizes(e)) for e, value in values]
        return [np.array(library.plain(value), dtype=dtype) for value in found]


def reference(roots: Iterable[Tensor], autograd: bool | None = None) -> str:
    """What the values of these expressions will come from.

    >>> from tensorgrad_eg.expr import Variable
    >>> reference([Variable("x")])
    'the expression itself'
    """
    if not any(isinstance(e, Derivative | Tangent) for e in postorder(roots)):
        return DIRECT
    return AUTOGRAD if autograd is not False and find_spec("torch") else EXACT


def sizes_of(
    roots: Sequence[Tensor], arrays: Mapping[str, Array], sizes: Mapping[str, int] | None = None
) -> dict[str, int]:
    """The number of every size symbol, from the shapes of the arrays.

    >>> from tensorgrad_eg.expr import Variable
    >>> sizes_of([Variable("A", i="n", k=2)], {"A": np.zeros((3, 2))})
    {'n': 3}
    """
    known = dict(sizes or {})
    owner = dict.fromkeys(known, "sizes")
    read = variables(roots)
    missing = [name for name in read if name not in arrays]
    if missing:
        raise ArrayNameError.missing(missing, read)
    for name, variable in read.items():
        _match(variable, arrays[name].shape, known, owner)
    unknown = [symbol for symbol in symbols(roots) if symbol not in known]
    if unknown:
        raise MissingSizeError.of(unknown, known)
    return known


def _match(variable: Variable, shape: tuple[int, ...], known: dict[str, int], owner: dict[str, str]) -> None:
    """Learns sizes from the shape of an array, which must agree with what is known."""
    expected = tuple(s if isinstance(s, int) else known.get(s, 0) for s in variable.shape.values())
    if len(shape) != len(expected):
        raise ArrayShapeError.of(variable.name, variable.edges, expected, shape)
    for (edge, symbol), length in zip(variable.shape.items(), shape, strict=True):
        if isinstance(symbol, int):
            if symbol != length:
                raise ArrayShapeError.of(variable.name, variable.edges, expected, shape)
        elif known.setdefault(symbol, length) != length:
            raise SizeError.of(edge, owner[symbol], known[symbol], variable.name, length)
        else:
            owner.setdefault(symbol, variable.name)

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

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tensorgrad_eg.errors import ArrayNameError, ArrayShapeError, MissingSizeError, SizeError
from tensorgrad_eg.expr import (
    Derivative,
    Extent,
    Rename,
    Size,
    Tangent,
    Tensor,
    Variable,
    children,
    operation,
    postorder,
    variables,
)
from tensorgrad_eg.expr.arrays import Labelled, Torch, aligned
from tensorgrad_eg.expr.operations import OPERATIONS, ENode
from tensorgrad_eg.expr.sizes import symbols
from tensorgrad_eg.expr.walk import parts_first
from tensorgrad_eg.verify.definition import Point

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
    if reference(roots, autograd) != AUTOGRAD:
        return [np.array(value, dtype=dtype) for value in Point(roots, known, given).values]
    library = Torch()
    bound = {v.name: Labelled(v.edges, library.array(given[v.name])) for v in variables(roots).values()}
    found = _Evaluation(library, known, bound).values(roots)
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


class _Evaluation:
    """Expressions at one assignment of tensors of torch to variables; what is computed is kept."""

    def __init__(self, library: Torch, sizes: Mapping[str, int], bound: Mapping[str, Labelled]) -> None:
        self.library, self.sizes, self.bound = library, sizes, bound
        self.known: dict[Tensor, Labelled] = {}
        self.together: dict[Tensor, list[Derivative]] = {}

    def values(self, roots: Sequence[Tensor]) -> list[Any]:
        """The values of expressions, with their edges in their order."""
        order = parts_first(roots, _parts, self.known)
        for e in order:
            if isinstance(e, Derivative) and not e.arg.edges:
                self.together.setdefault(e.arg, []).append(e)
        for e in order:
            if e not in self.known:
                self.known[e] = self._value(e)
        return [aligned(self.library, self.known[e], e.edges, self._edge_sizes(e)) for e in roots]

    def _value(self, e: Tensor) -> Labelled:
        match e:
            case Variable(name):
                return self.bound[name]
            case Extent(size):
                return Labelled((), self.library.number(float(self._number(size))))
            case Rename(arg, mapping):
                new = dict(mapping)
                inner = self.known[arg]
                return Labelled(tuple(new.get(edge, edge) for edge in inner.edges), inner.array)
            case Derivative():
                return self._derivative(e)
            case Tangent():
                return self._tangent(e)
        parts = children(e)
        sizes = {edge: n for part in (e, *parts) for edge, n in self._edge_sizes(part).items()}
        node = ENode(*operation(e))
        return OPERATIONS[node.op].value(self.library, node, [self.known[part] for part in parts], sizes)

    def _number(self, size: Size) -> int:
        return size if isinstance(size, int) else self.sizes[size]

    def _edge_sizes(self, e: Tensor) -> dict[str, int]:
        return {edge: self._number(size) for edge, size in e.shape.items()}

    def _derivative(self, e: Derivative) -> Labelled:
        """The Jacobian, worked out along with those of the same number by other variables."""
        torch, siblings = self.library.torch, self.together.get(e.arg, [e])
        read = set(variables([e.arg]).values())
        wrt = list(dict.fromkeys(s.wrt for s in siblings if s.wrt in read))
        jacobian = torch.func.jacrev(self._function(e.arg, wrt), argnums=tuple(range(len(wrt))))
        found = dict(zip(wrt, jacobian(*(self.bound[v.name].array for v in wrt)) if wrt else (), strict=True))
        for s in siblings:
            zeros = torch.zeros(tuple(self._edge_sizes(s).values()), dtype=torch.float64)
            self.known[s] = Labelled(s.edges, found.get(s.wrt, zeros))
        return self.known[e]

    def _function(self, arg: Tensor, wrt: Sequence[Variable]) -> Callable[..., Any]:
        """The expression as a function of the arrays of variables."""

        def value(*arrays: Any) -> Any:
            moved = {v.name: Labelled(v.edges, array) for v, array in zip(wrt, arrays, strict=True)}
            (found,) = _Evaluation(self.library, self.sizes, {**self.bound, **moved}).values([arg])
            return found

        return value

    def _tangent(self, e: Tangent) -> Labelled:
        along = aligned(self.library, self.known[e.direction], e.wrt.edges, self._edge_sizes(e.wrt))
        # The pullback is linear: its own pullback is the tangent. Torch's forward mode lacks some functions.
        func, at = self.library.torch.func, self.bound[e.wrt.name].array
        out, pull = func.vjp(self._function(e.arg, [e.wrt]), at)
        _, push = func.vjp(lambda cotangent: pull(cotangent)[0], self.library.torch.zeros_like(out))
        return Labelled(e.arg.edges, push(along)[0])


def _parts(e: Tensor) -> tuple[Tensor, ...]:
    """What is evaluated at the same arrays: not what stands below a derivative."""
    match e:
        case Derivative():
            return ()
        case Tangent(_, _, direction):
            return (direction,)
    return children(e)

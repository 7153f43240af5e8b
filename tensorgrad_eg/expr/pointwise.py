"""The table of pointwise functions: how to compute each, and how each library writes it.

Every form in it is safe: no overflow, and full relative accuracy in both tails.

>>> POINTWISE["sigmoid"].evaluate(np.float32([-1e4, 0, 1e4])).tolist()
[0.0, 0.5, 1.0]
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from tensorgrad_eg.errors import MissingExtraError

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Pointwise:
    """A function of numbers: `evaluate` works on NumPy arrays of any float type; the rest are templates.

    A template takes the argument by `template.format(name)`; it may read it more than once.

    >>> POINTWISE["step"].torch.format("x")
    '(x > 0).to(x.dtype)'
    """

    name: str
    evaluate: Callable[[Any], Any]
    torch: str
    numpy: str
    jax: str


def _sigmoid(x: Array) -> Array:
    # Both exponents are at most 0. The textbook form 1/(1 + exp(-x)) overflows on the left.
    return np.asarray(np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x))))


def _erf(x: Array) -> Array:
    return np.asarray(np.vectorize(math.erf, otypes=[float])(x)).astype(np.asarray(x).dtype)


def special(name: str, *args: Any) -> Any:
    """A function of `scipy.special` of these arguments; NumPy has none of them.

    Raises:
        MissingExtraError: if SciPy is not installed.

    >>> float(special("digamma", 1.0))
    -0.5772156649015329
    """
    try:
        found = getattr(import_module("scipy.special"), name)
    except ModuleNotFoundError:
        raise MissingExtraError.of(f"{name} is computed with NumPy", "scipy", "scipy") from None
    return found(*args)


def polygamma(order: int) -> Callable[[Any, Any], Any]:
    """The derivative of this order of the digamma function, as a function of an array module and an array.

    >>> float(polygamma(1)(np, np.float64(1.0)))
    1.6449340668482266
    """

    def value(xp: Any, x: Any) -> Any:
        if xp is not np:
            # That of torch has nine digits where the order is 1.
            return xp.special.zeta(2, x) if order == 1 else xp.special.polygamma(order, x)
        return np.asarray(special("polygamma", order, np.asarray(x, float))).astype(np.asarray(x).dtype)

    return value


def typed(xp: Any, mask: Any, like: Any) -> Any:
    """A mask as ones and zeros of the type of an array, for NumPy or torch.

    >>> typed(np, np.array([True]), np.float32([2]))
    array([1.], dtype=float32)
    """
    return np.asarray(mask).astype(like.dtype) if xp is np else mask.to(like.dtype)


def raised(xp: Any, base: Any, exponent: Any) -> Any:
    """The power of two arrays, for NumPy or torch."""
    return np.power(base, exponent) if xp is np else xp.pow(base, exponent)


def huber(xp: Any, x: Any, bound: Any) -> Any:
    """x²/2 up to the bound, and from there on the straight line that goes on from it.

    >>> huber(np, np.array([0.5, -3.0]), 1.0)
    array([0.125, 2.5  ])
    """
    size = xp.abs(x)
    return xp.where(size <= bound, x * x / 2, bound * (size - bound / 2))


def _plain(name: str) -> Pointwise:
    """A function that all libraries have under one name."""
    return Pointwise(
        name, getattr(np, name), *(f"{library}.{name}({{}})" for library in ("torch", "np", "jnp"))
    )


def _special(name: str, scipy: str) -> Pointwise:
    """A function that torch has, and SciPy under a name of its own."""
    source = f"scipy.special.{scipy}({{}})"
    return Pointwise(name, lambda x: special(scipy, x), f"torch.{name}({{}})", source, f"jax.{source}")


_ENTRIES = (
    Pointwise(
        "erf",
        _erf,
        "torch.erf({})",
        "np.vectorize(math.erf, otypes=[float])({0}).astype({0}.dtype)",
        "jax.scipy.special.erf({})",
    ),
    Pointwise("relu", lambda x: np.maximum(x, 0), "torch.relu({})", "np.maximum({}, 0)", "jax.nn.relu({})"),
    Pointwise(
        "sigmoid",
        _sigmoid,
        # torch.sigmoid is 0 below -88.7, where exp(-x) overflows.
        "torch.exp(torch.nn.functional.logsigmoid({}))",
        "np.exp(np.minimum({0}, 0)) / (1 + np.exp(-np.abs({0})))",
        "jax.nn.sigmoid({})",
    ),
    Pointwise(
        "softplus",
        lambda x: np.logaddexp(x, 0),
        # Above its default threshold of 20 torch returns x, which is wrong by 2e-9 there.
        "torch.nn.functional.softplus({}, threshold=50)",
        "np.logaddexp({}, 0)",
        "jnp.logaddexp({}, 0)",
    ),
    Pointwise(
        "nonzero",
        lambda x: np.asarray((np.asarray(x) != 0).astype(np.asarray(x).dtype)),
        "({0} != 0).to({0}.dtype)",
        "np.asarray({0} != 0).astype({0}.dtype)",
        "({0} != 0).astype({0}.dtype)",
    ),
    Pointwise(
        "step",
        lambda x: np.heaviside(x, 0),
        "({0} > 0).to({0}.dtype)",
        "np.heaviside({}, 0)",
        "jnp.heaviside({}, 0)",
    ),
    *map(_plain, ("abs", "cos", "exp", "log", "sign", "sin", "tanh")),
    *map(_plain, ("arccos", "arcsin", "arctan", "cosh", "expm1", "log1p", "sinh", "tan")),
    *(_special(name, scipy) for name, scipy in (("digamma", "digamma"), ("lgamma", "gammaln"))),
)

POINTWISE: dict[str, Pointwise] = {entry.name: entry for entry in _ENTRIES}

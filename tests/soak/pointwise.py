"""Pointwise functions and their derivatives of any order, written down from textbooks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
from numpy.polynomial import Polynomial
from numpy.polynomial.hermite import Hermite
from numpy.typing import NDArray
from scipy import special

Array = NDArray[np.float64]


def derivatives(function: str, x: Array, order: int) -> Array:
    """The derivative of this order of a function, where it has one; by convention 0 in a kink."""
    return np.asarray(_FUNCTIONS[function](np.asarray(x), order), dtype=float)


def falling(x: Array, exponent: Fraction, order: int) -> Array:
    """The derivative of this order of a power: q (q - 1) … x^(q - order)."""
    factor = Fraction(1)
    for k in range(order):
        factor *= exponent - k
    if factor == 0:
        return np.zeros_like(x)
    left = exponent - order
    power = np.sqrt(x) if left == Fraction(1, 2) else np.power(x, float(left))
    return np.asarray(float(factor) * power)


def _sigmoid(x: Array) -> Array:
    """Exact in both tails: no exponential overflows, nothing is taken from 1."""
    small = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1.0, small) / (1 + small))


def _sigmoids(x: Array, order: int) -> Array:
    """Derivatives of the logistic function s: s' = s (1 - s), and polynomials in s times that."""
    if order == 0:
        return _sigmoid(x)
    s = Polynomial([0.0, 1.0])
    factor = Polynomial([1.0])
    for _ in range(order - 1):
        factor = (1 - 2 * s) * factor + s * (1 - s) * factor.deriv()
    return np.asarray(_sigmoid(x) * _sigmoid(-x) * factor(_sigmoid(x)))


def _tanh(x: Array, order: int) -> Array:
    """tanh x = 2 s(2x) - 1, so its derivatives are those of the logistic function."""
    return np.tanh(x) if order == 0 else 2.0 ** (order + 1) * _sigmoids(2 * x, order)


def from_tanh(t: Array, order: int) -> Array:
    """The derivatives of tanh as libraries have them, from its value: 1 - t², and what that becomes.

    In saturation, where t is close to 1, these have no digits left.
    """
    return _polynomial([1.0, 0.0, -1.0], t, order)


def _erf(x: Array, order: int) -> Array:
    if order == 0:
        return np.asarray(np.vectorize(math.erf, otypes=[float])(x))
    hermite = Hermite.basis(order - 1)
    return np.asarray((-1) ** (order - 1) * 2 / math.sqrt(math.pi) * np.exp(-(x**2)) * hermite(x))


def _log(x: Array, order: int) -> Array:
    if order == 0:
        return np.log(x)
    derivative = falling(x, Fraction(-1), order - 1)
    return np.asarray(np.where(x < 0, np.nan, derivative))


def _circular(x: Array, order: int) -> Array:
    """The sine, differentiated so many times."""
    return np.asarray((np.sin, np.cos)[order % 2](x) * (1, 1, -1, -1)[order % 4])


def _softplus(x: Array, order: int) -> Array:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))) if order == 0 else _sigmoids(x, order - 1)


def _pieces(*steps: Callable[[Array], Array]) -> Callable[[Array, int], Array]:
    """A function made of straight pieces: itself, its slope, and then zero."""
    return lambda x, order: steps[order](x) if order < len(steps) else np.zeros_like(x)


def _step(x: Array) -> Array:
    return np.asarray(np.where(x > 0, 1.0, np.where(x <= 0, 0.0, np.nan)))


def _sign(x: Array) -> Array:
    return np.asarray(np.where(x > 0, 1.0, np.where(x < 0, -1.0, np.where(x == 0, 0.0, np.nan))))


def _polynomial(slope: Sequence[float], value: Array, order: int) -> Array:
    """The derivative of this order of a function whose slope is a polynomial in its value."""
    factor = Polynomial([0.0, 1.0])
    for _ in range(order):
        factor = factor.deriv() * Polynomial(slope)
    return np.asarray(factor(value))


def _arctan(x: Array, order: int) -> Array:
    y = np.arctan(x)
    if order == 0:
        return np.asarray(y)
    return np.asarray(math.factorial(order - 1) * np.cos(y) ** order * np.sin(order * (y + math.pi / 2)))


def _arcsin(x: Array, order: int) -> Array:
    """A polynomial over an odd power of √(1 - x²)."""
    if order == 0:
        return np.arcsin(x)
    inside, factor = Polynomial([1.0, 0.0, -1.0]), Polynomial([1.0])
    for n in range(1, order):
        factor = factor.deriv() * inside + (2 * n - 1) * Polynomial([0.0, 1.0]) * factor
    return np.asarray(factor(x) * np.power(1 - x * x, 0.5 - order))


def _gammas(x: Array, order: int) -> Array:
    """The logarithm of |Γ|, and its derivatives."""
    return np.asarray(special.polygamma(order - 1, x) if order else special.gammaln(x))


_FUNCTIONS: dict[str, Callable[[Array, int], Array]] = {
    "exp": lambda x, order: np.exp(x),
    "log": _log,
    "tanh": _tanh,
    "sigmoid": _sigmoids,
    "relu": _pieces(lambda x: np.asarray(np.where(x > 0, x, np.where(x <= 0, 0.0, np.nan))), _step),
    "step": _pieces(_step),
    "softplus": _softplus,
    "sin": lambda x, order: _circular(x, order),
    "cos": lambda x, order: _circular(x, order + 1),
    "erf": _erf,
    "abs": _pieces(lambda x: np.asarray(np.where(x < 0, -x, x)), _sign),
    "sign": _pieces(_sign),
    "nonzero": _pieces(lambda x: np.asarray(np.where(np.isnan(x), x, (x != 0).astype(float)))),
    "tan": lambda x, order: _polynomial([1.0, 0.0, 1.0], np.tan(x), order),
    "arcsin": _arcsin,
    "arccos": lambda x, order: -_arcsin(x, order) if order else np.arccos(x),
    "arctan": _arctan,
    "sinh": lambda x, order: np.cosh(x) if order % 2 else np.sinh(x),
    "cosh": lambda x, order: np.sinh(x) if order % 2 else np.cosh(x),
    "expm1": lambda x, order: np.exp(x) if order else np.expm1(x),
    "log1p": lambda x, order: _log(1 + x, order) if order else np.log1p(x),
    "lgamma": _gammas,
    "digamma": lambda x, order: _gammas(x, order + 1),
}

"""Numbers of 150 digits with their first and second derivatives: the reference of the float32 suite."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import mpmath as mp
import numpy as np
from numpy.typing import NDArray

mp.mp.dps = 150
Numbers = NDArray[Any]
Real = Any  # mpmath has no types
_BEYOND = mp.mpf(10) ** 60


class Jet:
    """A value, its gradient and its Hessian by n variables.

    >>> x = Jet.variable(3, 0, 1)
    >>> y = x * x + 1 / x
    >>> float(y.value), float(y.first[0]), float(y.second[0, 0])
    (9.333333333333334, 5.888888888888889, 2.074074074074074)
    """

    __array_priority__ = 1000  # arrays of Jets, not Jets of arrays

    def __init__(self, value: Real, first: Numbers, second: Numbers) -> None:
        self.value, self.first, self.second = value, first, second

    @classmethod
    def variable(cls, value: float, place: int, count: int) -> Jet:
        """Variable number `place` of so many."""
        zero = mp.mpf(0)
        first = np.full(count, zero, object)
        first[place] = mp.mpf(1)
        return cls(mp.mpf(float(value)), first, np.full((count, count), zero, object))

    def along(self, value: Real, slope: Real, bend: Real) -> Jet:
        """A function of this number, by its value, its slope and its second derivative here."""
        outer = np.outer(self.first, self.first)
        return Jet(value, slope * self.first, slope * self.second + bend * outer)

    def __add__(self, other: Any) -> Jet:
        if not isinstance(other, Jet):
            return Jet(self.value + _number(other), self.first, self.second)
        return Jet(self.value + other.value, self.first + other.first, self.second + other.second)

    def __mul__(self, other: Any) -> Jet:
        if not isinstance(other, Jet):
            number = _number(other)
            return Jet(self.value * number, self.first * number, self.second * number)
        mixed = np.outer(self.first, other.first)
        second = self.second * other.value + other.second * self.value + mixed + mixed.T
        first = self.first * other.value + other.first * self.value
        return Jet(self.value * other.value, first, second)

    def __pow__(self, exponent: Any) -> Jet:
        p = _number(exponent)
        x = self.value
        if x < 0 and p != int(p):
            raise ValueError("no real power")
        slopes = [mp.mpf(1), p, p * (p - 1)]
        # 0⁰ = 1, and what stands before it may be 0: then x = 0 is no pole.
        return self.along(*(c * x ** (p - n) if c else mp.mpf(0) for n, c in enumerate(slopes)))

    def __neg__(self) -> Jet:
        return self * -1

    def __sub__(self, other: Any) -> Jet:
        return self + -other

    def __rsub__(self, other: Any) -> Jet:
        return -self + other

    def __truediv__(self, other: Any) -> Jet:
        return self * (other**-1 if isinstance(other, Jet) else 1 / _number(other))

    def __rtruediv__(self, other: Any) -> Jet:
        return self**-1 * other

    __radd__, __rmul__ = __add__, __mul__


def _number(value: Any) -> Real:
    if isinstance(value, Fraction):
        return mp.mpf(value.numerator) / value.denominator
    return mp.mpf(float(value))


def _exp(x: Real) -> tuple[Real, Real, Real]:
    # exp(-exp(1e20)) would take more digits than there is memory for, and is nothing beside any number here.
    value = mp.mpf(0) if x < -_BEYOND else mp.exp(x)
    return value, value, value


def _log(x: Real) -> tuple[Real, Real, Real]:
    if x <= 0:
        raise ValueError("no real logarithm")
    return mp.log(x), 1 / x, -1 / x**2


def _tanh(x: Real) -> tuple[Real, Real, Real]:
    t = mp.tanh(x)
    slope = mp.sech(x) ** 2
    return t, slope, -2 * t * slope


def _sigmoid(x: Real) -> tuple[Real, Real, Real]:
    s, r = 1 / (1 + mp.exp(-x)), 1 / (1 + mp.exp(x))
    return s, s * r, s * r * (r - s)


def _softplus(x: Real) -> tuple[Real, Real, Real]:
    s, slope, _ = _sigmoid(x)
    return mp.log1p(mp.exp(x)), s, slope


def _erf(x: Real) -> tuple[Real, Real, Real]:
    slope = 2 / mp.sqrt(mp.pi) * mp.exp(-(x**2))
    return mp.erf(x), slope, -2 * x * slope


def _arcsin(x: Real) -> tuple[Real, Real, Real]:
    if not -1 < x < 1:
        raise ValueError("no real angle")
    root = mp.sqrt(1 - x**2)
    return mp.asin(x), 1 / root, x / root**3


# As everywhere, the slope of |x| and of relu at 0 is 0.
_FUNCTIONS: dict[str, Callable[[Real], tuple[Real, Real, Real]]] = {
    "exp": _exp,
    "log": _log,
    "tanh": _tanh,
    "sigmoid": _sigmoid,
    "softplus": _softplus,
    "erf": _erf,
    "sin": lambda x: (mp.sin(x), mp.cos(x), -mp.sin(x)),
    "cos": lambda x: (mp.cos(x), -mp.sin(x), -mp.cos(x)),
    "abs": lambda x: (abs(x), mp.sign(x), mp.mpf(0)),
    "sign": lambda x: (mp.sign(x), mp.mpf(0), mp.mpf(0)),
    "tan": lambda x: (mp.tan(x), mp.sec(x) ** 2, 2 * mp.tan(x) * mp.sec(x) ** 2),
    "arcsin": _arcsin,
    "arccos": lambda x: (mp.acos(x), *(-part for part in _arcsin(x)[1:])),
    "arctan": lambda x: (mp.atan(x), 1 / (1 + x**2), -2 * x / (1 + x**2) ** 2),
    "sinh": lambda x: (mp.sinh(x), mp.cosh(x), mp.sinh(x)),
    "cosh": lambda x: (mp.cosh(x), mp.sinh(x), mp.cosh(x)),
    "expm1": lambda x: (mp.expm1(x), *_exp(x)[1:]),
    "log1p": lambda x: (_log(1 + x)[0], *_log(1 + x)[1:]),
    "lgamma": lambda x: (
        mp.log(abs(mp.gamma(x))) if x < 1e6 else mp.loggamma(x).real,
        mp.psi(0, x),
        mp.psi(1, x),
    ),
    "digamma": lambda x: (mp.psi(0, x), mp.psi(1, x), mp.psi(2, x)),
    "elu": lambda x: (x, mp.mpf(1), mp.mpf(0)) if x > 0 else (mp.expm1(x), *_exp(x)[1:]),
    "huber": lambda x: (
        (x**2 / 2, x, mp.mpf(1)) if abs(x) <= 1 else (abs(x) - mp.mpf(1) / 2, mp.sign(x), mp.mpf(0))
    ),
    "clip": lambda x: (min(max(x, mp.mpf(-1)), mp.mpf(1)), mp.mpf(abs(x) <= 1), mp.mpf(0)),
    "relu": lambda x: (max(x, mp.mpf(0)), mp.mpf(x > 0), mp.mpf(0)),
}


def function(name: str, jets: Any) -> Any:
    """A pointwise function of a Jet, or of an array of them.

    >>> float(function("exp", Jet.variable(0, 0, 1)).second[0, 0])
    1.0
    """
    at = _FUNCTIONS[name]
    one: Callable[[Jet], Jet] = lambda jet: jet.along(*at(jet.value))  # noqa: E731
    return one(jets) if isinstance(jets, Jet) else np.vectorize(one, otypes=[object])(jets)

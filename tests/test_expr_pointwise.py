"""The table of pointwise functions: right everywhere, in every backend's words."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.special

from tensorgrad_eg.expr import POINTWISE

POINTS = [
    -1e4,
    -200.0,
    -88.0,
    -30.0,
    -5.0,
    -1.0,
    -0.3,
    -1e-3,
    0.0,
    1e-3,
    0.3,
    1.0,
    5.0,
    30.0,
    88.0,
    200.0,
    1e4,
]


def _logistic(x: float) -> float:
    return math.exp(x) / (1 + math.exp(x)) if x < 0 else 1 / (1 + math.exp(-x))


def _softplus(x: float) -> float:
    return max(x, 0) + math.log1p(math.exp(-abs(x)))


EXACT: dict[str, Callable[[float], float]] = {
    "exp": math.exp,
    "log": math.log,
    "tanh": math.tanh,
    "sigmoid": _logistic,
    "relu": lambda x: max(x, 0.0),
    "step": lambda x: float(x > 0),
    "nonzero": lambda x: float(x != 0),
    "softplus": _softplus,
    "sin": math.sin,
    "cos": math.cos,
    "erf": math.erf,
    "abs": abs,
    "sign": lambda x: float((x > 0) - (x < 0)),
    "tan": math.tan,
    "arcsin": math.asin,
    "arccos": math.acos,
    "arctan": math.atan,
    "sinh": math.sinh,
    "cosh": math.cosh,
    "expm1": math.expm1,
    "log1p": math.log1p,
    "lgamma": math.lgamma,
    "digamma": lambda x: float(mpmath.digamma(x)),
}
#: Where each function is compared; the others are everywhere.
INSIDE: dict[str, Callable[[float], bool]] = {
    **dict.fromkeys(("exp", "sinh", "cosh", "expm1"), lambda x: abs(x) < 80),
    **dict.fromkeys(("log", "lgamma", "digamma"), lambda x: x > 0),
    **dict.fromkeys(("arcsin", "arccos"), lambda x: abs(x) <= 1),
    "log1p": lambda x: x > -1,
}


def _points(name: str) -> list[float]:
    return [x for x in POINTS if INSIDE.get(name, lambda x: True)(x)]


def test_table_is_complete() -> None:
    """The table has the functions that the documentation lists, under their own names."""
    assert sorted(POINTWISE) == sorted(EXACT)
    assert all(entry.name == name for name, entry in POINTWISE.items())


@pytest.mark.parametrize("name", sorted(EXACT))
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_values_in_both_tails(name: str, kind: Any) -> None:
    """Each function keeps the type, and full relative accuracy from -1e4 to 1e4, without a warning."""
    x = np.array(_points(name), kind)
    with np.errstate(all="raise", under="ignore"):
        found = POINTWISE[name].evaluate(x)
    assert found.dtype == kind
    expected = np.array([EXACT[name](float(value)) for value in x])
    tiny = float(np.finfo(kind).tiny)
    np.testing.assert_allclose(found, expected, rtol=4 * float(np.finfo(kind).eps), atol=tiny)


@pytest.mark.parametrize("name", sorted(EXACT))
def test_numpy_source_is_the_function(name: str) -> None:
    """The NumPy source computes what `evaluate` computes, also on an array without axes."""
    entry = POINTWISE[name]
    for x in (np.array(_points(name)), np.array(0.5), np.array(_points(name), np.float32)):
        found = eval(entry.numpy.format("x"), {"np": np, "math": math, "scipy": scipy, "x": x})
        np.testing.assert_array_equal(found, entry.evaluate(x))
        assert np.asarray(found).dtype == x.dtype


@pytest.mark.parametrize("name", sorted(EXACT))
def test_torch_source_is_the_function(name: str) -> None:
    """The torch source computes the same, in float64 to the last bits and in float32 without overflow."""
    torch = pytest.importorskip("torch")
    entry = POINTWISE[name]
    x = np.array(_points(name))
    found = eval(entry.torch.format("x"), {"torch": torch, "x": torch.from_numpy(x)})
    np.testing.assert_allclose(found.numpy(), entry.evaluate(x), rtol=1e-14, atol=1e-300)
    single = eval(entry.torch.format("x"), {"torch": torch, "x": torch.from_numpy(x.astype(np.float32))})
    assert single.dtype == torch.float32
    assert torch.isfinite(single).all()


@pytest.mark.parametrize("name", sorted(EXACT))
def test_jax_source_is_the_function(name: str) -> None:
    """The jax source computes the same in float32."""
    jax = pytest.importorskip("jax")
    entry = POINTWISE[name]
    x = np.array(_points(name), np.float32)
    names = {"jax": jax, "jnp": jax.numpy, "x": jax.numpy.asarray(x)}
    np.testing.assert_allclose(eval(entry.jax.format("x"), names), entry.evaluate(x), rtol=1e-5, atol=1e-30)

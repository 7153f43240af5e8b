"""The table of pointwise functions: how to compute each, and how each backend writes it.

Every form is safe: no overflow, and full relative accuracy in both tails.

>>> import numpy as np
>>> POINTWISE["sigmoid"].evaluate(np.float32([-1e4, 0, 1e4])).tolist()
[0.0, 0.5, 1.0]
>>> POINTWISE["tanh"].torch.format("x")
'torch.tanh(x)'
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

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


_ENTRIES = (
    Pointwise("abs", np.abs, "torch.abs({})", "np.abs({})", "jnp.abs({})"),
    Pointwise("cos", np.cos, "torch.cos({})", "np.cos({})", "jnp.cos({})"),
    Pointwise(
        "erf",
        _erf,
        "torch.erf({})",
        "np.vectorize(math.erf, otypes=[float])({0}).astype({0}.dtype)",
        "jax.scipy.special.erf({})",
    ),
    Pointwise("exp", np.exp, "torch.exp({})", "np.exp({})", "jnp.exp({})"),
    Pointwise("log", np.log, "torch.log({})", "np.log({})", "jnp.log({})"),
    Pointwise("relu", lambda x: np.maximum(x, 0), "torch.relu({})", "np.maximum({}, 0)", "jax.nn.relu({})"),
    Pointwise(
        "sigmoid",
        _sigmoid,
        # torch.sigmoid is 0 below -88.7, where exp(-x) overflows.
        "torch.exp(torch.nn.functional.logsigmoid({}))",
        "np.exp(np.minimum({0}, 0)) / (1 + np.exp(-np.abs({0})))",
        "jax.nn.sigmoid({})",
    ),
    Pointwise("sign", np.sign, "torch.sign({})", "np.sign({})", "jnp.sign({})"),
    Pointwise("sin", np.sin, "torch.sin({})", "np.sin({})", "jnp.sin({})"),
    Pointwise(
        "softplus",
        lambda x: np.logaddexp(x, 0),
        # Above its default threshold of 20 torch returns x, which is wrong by 2e-9 there.
        "torch.nn.functional.softplus({}, threshold=50)",
        "np.logaddexp({}, 0)",
        "jnp.logaddexp({}, 0)",
    ),
    Pointwise(
        "step",
        lambda x: np.heaviside(x, 0),
        "({0} > 0).to({0}.dtype)",
        "np.heaviside({}, 0)",
        "jnp.heaviside({}, 0)",
    ),
    Pointwise("tanh", np.tanh, "torch.tanh({})", "np.tanh({})", "jnp.tanh({})"),
)

POINTWISE: dict[str, Pointwise] = {entry.name: entry for entry in _ENTRIES}

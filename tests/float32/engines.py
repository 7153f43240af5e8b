"""Three ways to read a formula: as an expression to plan, as eager torch, and as exact arithmetic.

A formula is a function of one of these and of its arguments. Its tensors have the edges b (a batch) and k, of
which `sum` takes k away, and `total` both.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import torch

import tensorgrad_eg as tg
from tensorgrad_eg import functions as F
from tests.float32 import jets

_POINTWISE = (
    *("exp", "log", "tanh", "sigmoid", "softplus", "erf", "sin", "cos", "abs", "sign", "relu", "tan"),
    *("elu", "huber", "arcsin", "arccos", "arctan", "sinh", "cosh", "expm1", "log1p", "lgamma", "digamma"),
)


_LAYERS = ("softplus", "gelu", "silu", "logsigmoid", "leaky_relu", "elu")


class Planned:
    """Expressions with named edges."""

    root_of_two = F.sqrt(tg.expr.Number(2))

    def __getattr__(self, name: str) -> Any:
        """A pointwise function."""
        return getattr(F, name)

    def power(self, x: Any, p: Fraction) -> Any:
        """A fractional power."""
        return x**p

    def sum(self, x: Any) -> Any:
        """The sum over k."""
        return F.sum(x, "k")

    def mean(self, x: Any) -> Any:
        """The mean over k."""
        return F.mean(x, "k")

    def total(self, x: Any) -> Any:
        """The sum of all entries."""
        return F.sum(x)

    def clip(self, x: Any) -> Any:
        """x between -1 and 1."""
        return F.clip(x, -1, 1)

    def norm(self, x: Any) -> Any:
        """The norm over k."""
        return F.norm(x, "k")

    def prod(self, x: Any) -> Any:
        """The product over k."""
        return F.prod(x, "k")

    def amax(self, x: Any) -> Any:
        """The largest along k."""
        return F.amax(x, "k")

    def cosine(self, x: Any, y: Any) -> Any:
        """The cosine of the angle between x and y."""
        return F.cosine_similarity(x, y, "k")

    def softmax(self, x: Any) -> Any:
        """The softmax over k."""
        return F.softmax(x, "k")

    def log_softmax(self, x: Any) -> Any:
        """Its logarithm."""
        return F.log_softmax(x, "k")

    def logsumexp(self, x: Any) -> Any:
        """log Σ_k exp."""
        return F.logsumexp(x, "k")


class Eager:
    """torch in float32, one operation after the other."""

    root_of_two = math.sqrt(2)

    def __getattr__(self, name: str) -> Any:
        """A pointwise function."""
        return getattr(torch.nn.functional if name in _LAYERS else torch, name)

    def power(self, x: Any, p: Fraction) -> Any:
        """A fractional power."""
        return x ** float(p)

    def sum(self, x: Any) -> Any:
        """The sum over k."""
        return x.sum(-1, keepdim=True)

    def mean(self, x: Any) -> Any:
        """The mean over k."""
        return x.mean(-1, keepdim=True)

    def total(self, x: Any) -> Any:
        """The sum of all entries."""
        return x.sum()

    def clip(self, x: Any) -> Any:
        """x between -1 and 1."""
        return x.clamp(-1, 1)

    def huber(self, x: Any) -> Any:
        """The Huber loss of x."""
        return torch.nn.functional.huber_loss(x, torch.zeros_like(x), reduction="none")

    def norm(self, x: Any) -> Any:
        """The norm over k."""
        return torch.linalg.vector_norm(x, dim=-1, keepdim=True)

    def prod(self, x: Any) -> Any:
        """The product over k."""
        return x.prod(-1, keepdim=True)

    def amax(self, x: Any) -> Any:
        """The largest along k."""
        return x.amax(-1, keepdim=True)

    def cosine(self, x: Any, y: Any) -> Any:
        """The cosine of the angle between x and y."""
        return torch.nn.functional.cosine_similarity(x, y, dim=-1).unsqueeze(-1)

    def softmax(self, x: Any) -> Any:
        """The softmax over k."""
        return torch.softmax(x, -1)

    def log_softmax(self, x: Any) -> Any:
        """Its logarithm."""
        return torch.log_softmax(x, -1)

    def logsumexp(self, x: Any) -> Any:
        """log Σ_k exp."""
        return torch.logsumexp(x, -1, keepdim=True)


class Exact:
    """150 digits: every form is a safe one."""

    root_of_two = math.sqrt(2)

    def __getattr__(self, name: str) -> Any:
        """A pointwise function."""
        if name not in _POINTWISE:
            raise AttributeError(name)
        return lambda x: jets.function(name, x)

    def silu(self, x: Any) -> Any:
        """x σ(x)."""
        return x * self.sigmoid(x)

    def logsigmoid(self, x: Any) -> Any:
        """log σ(x)."""
        return -self.softplus(-x)

    def leaky_relu(self, x: Any, slope: float) -> Any:
        """x, times the slope where it is negative."""
        return self.relu(x) - self.relu(-x) * slope

    def gelu(self, x: Any, approximate: str) -> Any:
        """What torch calls the tanh form."""
        assert approximate == "tanh"
        inner = (x + x**3 * Fraction("0.044715")) * math.sqrt(2 / math.pi)
        return x * (1 + self.tanh(inner)) * 0.5

    def sqrt(self, x: Any) -> Any:
        """The square root."""
        return self.power(x, Fraction(1, 2))

    def power(self, x: Any, p: Fraction) -> Any:
        """A fractional power."""
        return x**p if isinstance(x, jets.Jet) else np.vectorize(lambda a: a**p, otypes=[object])(x)

    def sum(self, x: Any) -> Any:
        """The sum over k."""
        return x.sum(-1, keepdims=True)

    def mean(self, x: Any) -> Any:
        """The mean over k."""
        return x.sum(-1, keepdims=True) / x.shape[-1]

    def total(self, x: Any) -> Any:
        """The sum of all entries."""
        return x.sum()

    def clip(self, x: Any) -> Any:
        """x between -1 and 1."""
        return jets.function("clip", x)

    def norm(self, x: Any) -> Any:
        """The norm over k."""
        return self.sqrt(self.sum(x**2))

    def prod(self, x: Any) -> Any:
        """The product over k."""
        return x.prod(-1, keepdims=True)

    def amax(self, x: Any) -> Any:
        """The largest along k."""
        places = [max(range(len(row)), key=lambda n: row[n].value) for row in x]
        return x[np.arange(len(x)), places][:, None]

    def cosine(self, x: Any, y: Any) -> Any:
        """The cosine of the angle between x and y, with norms of at least 1e-8."""
        return self.sum(x * y) / (self._least(self.norm(x)) * self._least(self.norm(y)))

    def _least(self, x: Any) -> Any:
        least = x * 0 + Fraction("1e-8")
        return np.vectorize(lambda a, b: a if _value(a) > _value(b) else b, otypes=[object])(x, least)

    def softmax(self, x: Any) -> Any:
        """The softmax over k."""
        e = self.exp(x)
        return e / self.sum(e)

    def log_softmax(self, x: Any) -> Any:
        """Its logarithm."""
        return x - self.logsumexp(x)

    def logsumexp(self, x: Any) -> Any:
        """log Σ_k exp."""
        return self.log(self.sum(self.exp(x)))


def _value(x: Any) -> Any:
    return x.value if isinstance(x, jets.Jet) else x

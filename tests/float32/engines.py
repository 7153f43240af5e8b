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

_POINTWISE = ("exp", "log", "tanh", "sigmoid", "softplus", "erf", "sin", "cos", "abs", "sign", "relu")


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
        return {"softplus": torch.nn.functional.softplus}.get(name) or getattr(torch, name)

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

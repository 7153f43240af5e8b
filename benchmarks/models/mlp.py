"""Multi-layer perceptrons: any depth, activation and loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from benchmarks.case import Array, Tensors, standard_normal
from tensorgrad_eg import Tensor, Variable
from tensorgrad_eg import functions as F

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": F.tanh,
    "sigmoid": F.sigmoid,
    "softplus": F.softplus,
    "gelu": F.gelu,
    "relu": F.relu,
}
_TORCH: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "softplus": torch.nn.functional.softplus,
    "gelu": torch.nn.functional.gelu,
    "relu": torch.relu,
}


@dataclass(frozen=True)
class Mlp:
    """A network: `batch` rows, `depth` weights between `inputs`, `width` (all hidden layers) and `outputs`.

    The loss is "cross-entropy" (the mean over the batch) or "l2" (the sum of squares).

    >>> Mlp(3, 64, 32, 32, 10).shapes["W3"]
    [32, 10]
    """

    depth: int
    batch: int
    inputs: int
    width: int
    outputs: int
    activation: str = "tanh"
    loss: str = "cross-entropy"
    residual: bool = False

    @property
    def weights(self) -> list[str]:
        """The names of the weights, first layer first."""
        return [f"W{n}" for n in range(1, self.depth + 1)]

    @property
    def shapes(self) -> dict[str, list[int]]:
        """The shape of every variable."""
        widths = [self.inputs, *[self.width] * (self.depth - 1), self.outputs]
        weights = {name: [widths[n], widths[n + 1]] for n, name in enumerate(self.weights)}
        return {"X": [self.batch, self.inputs], "Y": [self.batch, self.outputs], **weights}

    def variables(self) -> dict[str, Variable]:
        """The variables by name: X[b,p], Y[b,k], W1[p,h1], W2[h1,h2] and so on; all hidden edges have the
        size w.
        """
        edges = ["p", *[f"h{n}" for n in range(1, self.depth)], "k"]
        size = {"b": "b", "k": "k", "p": "w" if self.residual else "p"}
        named = {"X": ["b", "p"], "Y": ["b", "k"]}
        named |= {name: [edges[n], edges[n + 1]] for n, name in enumerate(self.weights)}
        return {name: Variable(name, {e: size.get(e, "w") for e in edges}) for name, edges in named.items()}

    def expression(self, variables: dict[str, Variable]) -> Tensor:
        """The loss."""
        z: Tensor = variables["X"]
        for name in self.weights[:-1]:
            s = z @ variables[name]
            z = self._layer(z, _ACTIVATIONS[self.activation](s))
        logits = z @ variables[self.weights[-1]]
        if self.loss == "l2":
            return F.frobenius2(logits - variables["Y"])
        return F.cross_entropy(logits, variables["Y"], "k", mean=True)

    def _layer(self, z: Tensor, out: Tensor) -> Tensor:
        (old,) = set(z.edges) - {"b"}
        (new,) = set(out.edges) - {"b"}
        return out + z.rename({old: new}) if self.residual else out

    def torch(self, t: Tensors) -> torch.Tensor:
        """The loss in torch."""
        z = t["X"]
        for name in self.weights[:-1]:
            out = _TORCH[self.activation](z @ t[name])
            z = out + z if self.residual else out
        logits = z @ t[self.weights[-1]]
        if self.loss == "l2":
            return ((logits - t["Y"]) ** 2).sum()
        return -(t["Y"] * torch.log_softmax(logits, 1)).sum(1).mean()

    def data(self) -> dict[str, Array]:
        """Standard normal inputs, weights divided by the root of their height, targets one-hot or normal."""
        data = standard_normal(self.shapes)
        for name in self.weights:
            data[name] /= np.sqrt(data[name].shape[0])
        if self.loss != "l2":
            data["Y"] = np.eye(self.outputs)[data["Y"].argmax(1)]
        return data

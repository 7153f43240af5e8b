"""GPT-style blocks: LayerNorm, multi-head attention, LayerNorm, GELU perceptron, residual connections;
squared error.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import sqrt

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.case import Array, Tensors, standard_normal
from benchmarks.hand.reference import gradients_of
from tensorgrad_eg import Tensor, Variable
from tensorgrad_eg import functions as F
from tensorgrad_eg.expr import Number

# Every weight of a block: its edges. x and y are columns of the stream, m the perceptron's, g the heads, a
# and v their columns.
_ATTENTION = {
    "Wq": ("x", "g", "a"),
    "Wk": ("x", "g", "a"),
    "Wv": ("x", "g", "v"),
    "Wo": ("g", "v", "x"),
    "s1": ("x",),
    "o1": ("x",),
}
_FEED_FORWARD = {"W1": ("x", "m"), "W2": ("m", "x"), "b1": ("m",), "b2": ("x",), "s2": ("x",), "o2": ("x",)}
_SYMBOLS = {"x": "d", "g": "h", "a": "c", "v": "c", "m": "m", "i": "n"}


@dataclass(frozen=True)
class Transformer:
    """`blocks` blocks over n tokens of d columns with h heads; without `feed_forward` they are attention
    layers.

    >>> Transformer(1, 8, 6, 2, feed_forward=False).weights
    ['Wq1', 'Wk1', 'Wv1', 'Wo1', 's11', 'o11']
    """

    blocks: int
    n: int
    d: int
    h: int
    feed_forward: bool = True

    @property
    def weights(self) -> list[str]:
        """The names of the weights, first block first."""
        return [name for name in self._edges() if name not in "XY"]

    def _edges(self) -> dict[str, tuple[str, ...]]:
        kinds = {**_ATTENTION, **(_FEED_FORWARD if self.feed_forward else {})}
        weights = {f"{kind}{n}": edges for n in range(1, self.blocks + 1) for kind, edges in kinds.items()}
        return {"X": ("i", "x"), "Y": ("i", "x"), **weights}

    def variables(self) -> dict[str, Variable]:
        """The variables by name."""
        return {
            name: Variable(name, {edge: _SYMBOLS[edge] for edge in edges})
            for name, edges in self._edges().items()
        }

    def expression(self, v: dict[str, Variable]) -> Tensor:
        """The loss."""
        stream: Tensor = v["X"]
        for n in range(1, self.blocks + 1):
            stream = stream + self._attention(stream, v, n)
            if self.feed_forward:
                stream = stream + self._feed_forward(stream, v, n)
        return F.frobenius2(stream - v["Y"])

    def _attention(self, stream: Tensor, v: dict[str, Variable], n: int) -> Tensor:
        x = F.layer_norm(stream, "x", weight=v[f"s1{n}"], bias=v[f"o1{n}"])
        rows = x.rename(i="j")
        scores = F.dot(x @ v[f"Wq{n}"], rows @ v[f"Wk{n}"], "a") / F.sqrt(Number(self.d // self.h))
        mixed = F.dot(F.softmax(scores, "j"), rows @ v[f"Wv{n}"], "j")
        return mixed @ v[f"Wo{n}"]

    def _feed_forward(self, stream: Tensor, v: dict[str, Variable], n: int) -> Tensor:
        x = F.layer_norm(stream, "x", weight=v[f"s2{n}"], bias=v[f"o2{n}"])
        return F.gelu(x @ v[f"W1{n}"] + v[f"b1{n}"]) @ v[f"W2{n}"] + v[f"b2{n}"]

    def torch(self, t: Tensors) -> torch.Tensor:
        """The loss in torch, as one writes it."""
        stream = t["X"]
        norm = partial(torch.nn.functional.layer_norm, normalized_shape=(self.d,))
        for n in range(1, self.blocks + 1):
            x = norm(stream, weight=t[f"s1{n}"], bias=t[f"o1{n}"])
            q, k, value = (torch.einsum("ix,xga->gia", x, t[f"{kind}{n}"]) for kind in ("Wq", "Wk", "Wv"))
            p = torch.softmax(q @ k.transpose(1, 2) / sqrt(self.d // self.h), 2)
            stream = stream + torch.einsum("giv,gvx->ix", p @ value, t[f"Wo{n}"])
            if self.feed_forward:
                x = norm(stream, weight=t[f"s2{n}"], bias=t[f"o2{n}"])
                hidden = torch.nn.functional.gelu(x @ t[f"W1{n}"] + t[f"b1{n}"])
                stream = stream + hidden @ t[f"W2{n}"] + t[f"b2{n}"]
        return ((stream - t["Y"]) ** 2).sum()

    def data(self) -> dict[str, Array]:
        """Standard normal, the matrices divided by the root of their height."""
        sizes = {
            "x": self.d,
            "g": self.h,
            "a": self.d // self.h,
            "v": self.d // self.h,
            "m": 4 * self.d,
            "i": self.n,
        }
        shapes = {name: [sizes[edge] for edge in edges] for name, edges in self._edges().items()}
        data = standard_normal(shapes)
        return {
            name: a / np.sqrt(4 * self.d if name[:2] == "W2" else self.d) if name[0] == "W" else a
            for name, a in data.items()
        }

    def autograd_flops(self) -> dict[str, int]:
        """What torch's own counter finds in forward and backward: matrix products only, in the same unit."""
        t = {name: torch.from_numpy(array) for name, array in self.data().items()}
        with FlopCounterMode(display=False) as counter:
            gradients_of(self.torch, self.weights)(t)
        return {"products of autograd": int(counter.get_total_flops())}

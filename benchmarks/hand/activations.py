"""Activations by hand: value, slope φ′ and curvature φ″, each as torch code and as priced steps over batch
and unit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import pi, sqrt

import torch

Three = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class Activation:
    """How to compute one activation; the steps are for labels b and i.

    >>> ACTIVATIONS["tanh"].value
    ['apply bi->bi']
    """

    three: Callable[[torch.Tensor], Three]
    plain: Callable[[torch.Tensor], torch.Tensor]
    value: Sequence[str]
    slope: Sequence[str]
    curvature: Sequence[str]

    def torch(self, s: torch.Tensor, derivatives: bool = True) -> Three:
        """Value, slope and curvature at s; only the value (three times) if nobody asks for derivatives."""
        if derivatives:
            return self.three(s)
        z = self.plain(s)
        return z, z, z


def _tanh(s: torch.Tensor) -> Three:
    z = torch.tanh(s)
    slope = 1 - z * z
    return z, slope, -2 * z * slope


def _sigmoid(s: torch.Tensor) -> Three:
    z = torch.sigmoid(s)
    slope = z * (1 - z)
    return z, slope, slope * (1 - 2 * z)


def _softplus(s: torch.Tensor) -> Three:
    slope = torch.sigmoid(s)
    return torch.nn.functional.softplus(s), slope, slope * (1 - slope)


def _gelu(s: torch.Tensor) -> Three:
    below = 0.5 * (1 + torch.erf(s / sqrt(2)))
    square = s * s
    density = torch.exp(-0.5 * square) / sqrt(2 * pi)
    return s * below, below + s * density, density * (2 - square)


_APPLY, _ADD, _TIMES, _SCALE = "apply bi->bi", "add bi,bi->bi", "contract bi,bi->bi", "scale bi->bi"
_GELU = [_SCALE, _APPLY, _ADD, _SCALE, _TIMES]

ACTIVATIONS = {
    "tanh": Activation(_tanh, torch.tanh, [_APPLY], [_TIMES, _ADD], [_SCALE, _TIMES]),
    "sigmoid": Activation(_sigmoid, torch.sigmoid, [_APPLY], [_ADD, _TIMES], ["add bi,2bi->bi", _TIMES]),
    "softplus": Activation(_softplus, torch.nn.functional.softplus, [_APPLY], [_APPLY], [_ADD, _TIMES]),
    "gelu": Activation(
        _gelu, torch.nn.functional.gelu, _GELU, [_TIMES, _SCALE, _APPLY, _SCALE, _TIMES, _ADD], [_ADD, _TIMES]
    ),
}

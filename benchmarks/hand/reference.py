"""References: derivatives by torch.func and by autograd."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from benchmarks.case import Function, Tensors

Loss = Callable[[Tensors], torch.Tensor]


def hessian_of(loss: Loss, x: str, y: str | None = None) -> Function:
    """The second derivatives of a loss by one argument, or by two: their axes are those of x, then those of
    y.
    """

    def run(t: Tensors) -> Any:
        def gradient(value: torch.Tensor, other: torch.Tensor) -> Any:
            return torch.func.grad(lambda v, o: _at(loss, t, {x: v, (y or x): o} if y else {x: v}))(
                value, other
            )

        if y is None:
            return torch.func.hessian(lambda value: _at(loss, t, {x: value}))(t[x])
        return torch.func.jacfwd(gradient, argnums=1)(t[x], t[y])

    return run


def gradients_of(loss: Loss, names: Sequence[str]) -> Function:
    """The gradients of a loss by these arguments, by torch autograd."""

    def run(t: Tensors) -> dict[str, torch.Tensor]:
        with torch.enable_grad():
            leaves = {name: t[name].detach().requires_grad_() for name in names}
            found = torch.autograd.grad(_at(loss, t, leaves), list(leaves.values()))
        return dict(zip(names, found, strict=True))

    return run


def _at(loss: Loss, t: Tensors, replaced: Tensors) -> torch.Tensor:
    return loss({**t, **replaced})

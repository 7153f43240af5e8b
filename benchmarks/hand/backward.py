"""All weight gradients of a perceptron by hand: reverse mode, as torch code and as priced steps."""

from __future__ import annotations

import torch

from benchmarks.case import Tensors
from benchmarks.hand.activations import ACTIVATIONS
from benchmarks.models.mlp import Mlp

_CROSS_ENTROPY = ["softmax bk->bk", "reduce bk->b", "contract bk,b->bk"]


def mlp_gradients(net: Mlp, t: Tensors) -> dict[str, torch.Tensor]:
    """The gradient of the loss by every weight."""
    rule, inputs, slopes = ACTIVATIONS[net.activation], [t["X"]], []
    for name in net.weights[:-1]:
        z, slope, _ = rule.torch(inputs[-1] @ t[name])
        inputs.append(inputs[-1] + z if net.residual else z)
        slopes.append(slope)
    logits = inputs[-1] @ t[net.weights[-1]]
    g = 2 * (logits - t["Y"]) if net.loss == "l2" else _of_cross_entropy(logits, t["Y"])
    found = {net.weights[-1]: inputs[-1].T @ g}
    u = g @ t[net.weights[-1]].T
    for number in range(net.depth - 2, -1, -1):
        name = net.weights[number]
        g = u * slopes[number]
        found[name] = inputs[number].T @ g
        if number:
            u = u + g @ t[name].T if net.residual else g @ t[name].T
    return found


def _of_cross_entropy(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """As reverse mode does it, which does not know that a target sums to one."""
    return (torch.softmax(logits, 1) * target.sum(1, keepdim=True) - target) / len(target)


def mlp_gradient_steps(net: Mlp) -> list[str]:
    """What `mlp_gradients` does; x labels the inputs, i and j hidden units, k the outputs."""
    rule, add = ACTIVATIONS[net.activation], ["add bi,bi->bi"] if net.residual else []
    steps: list[str] = []
    for number in range(1, net.depth):
        steps += [
            "contract bx,xi->bi" if number == 1 else "contract bi,ij->bj",
            *rule.value,
            *rule.slope,
            *add,
        ]
    last = "x" if net.depth == 1 else "i"
    steps += [f"contract b{last},{last}k->bk", *([] if net.loss == "l2" else _CROSS_ENTROPY)]
    steps += ["add bk,bk->bk", "scale bk->bk", f"contract b{last},bk->{last}k"]
    for number in range(net.depth - 1, 0, -1):
        above, below = "k" if number == net.depth - 1 else "j", "x" if number == 1 else "j"
        steps += [f"contract b{above},i{above}->bi", "contract bi,bi->bi", f"contract b{below},bi->{below}i"]
        steps += add if number < net.depth - 1 else []
    return steps

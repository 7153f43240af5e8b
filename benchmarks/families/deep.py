"""H4 and its relatives: Hessians of multi-layer perceptrons by one weight, shallow to deep."""

from __future__ import annotations

from benchmarks.case import Hand, Problem, Sizes, case
from benchmarks.hand.mlp import mlp_hessian
from benchmarks.hand.mlp_steps import hand_sizes, mlp_hessian_steps
from benchmarks.hand.reference import hessian_of
from benchmarks.models.mlp import Mlp
from tensorgrad_eg import hessian

_H4 = {"depth": 3, "layer": 1, "B": 64, "w": 32, "k": 10}
_SMOKE = {"depth": 3, "layer": 1, "B": 6, "w": 5, "k": 3}


def hessian_problem(net: Mlp, layer: int) -> Problem:
    """The Hessian of a network's loss by one weight, with the form by hand."""
    variables, name = net.variables(), f"W{layer}"
    return Problem(
        hessian(net.expression(variables), variables[name]),
        net.data(),
        hessian_of(net.torch, name),
        Hand(lambda t: mlp_hessian(net, layer, t), mlp_hessian_steps(net, layer), hand_sizes(net)),
    )


def _network(sizes: Sizes) -> Mlp:
    return Mlp(sizes["depth"], sizes["B"], sizes["w"], sizes["w"], sizes["k"])


@case("H", "H4", [_H4], smoke=_SMOKE, target=2.0)
def three_layers(sizes: Sizes) -> Problem:
    """Softmax cross-entropy of a three-layer tanh perceptron, by its first weight."""
    return hessian_problem(_network(sizes), sizes["layer"])


@case(
    "H",
    "H-deep",
    [
        {"depth": depth, "layer": layer, "B": 64, "w": 32, "k": 10}
        for depth in (3, 4, 6, 8)
        for layer in (1, depth // 2 + 1, depth)
        if (depth, layer) != (3, 1)
    ],
    target=10.0,
)
def deep(sizes: Sizes) -> Problem:
    """The same for other depths, by the first, a middle and the last weight."""
    return hessian_problem(_network(sizes), sizes["layer"])

"""Variations on H: other depths, activations, losses, blocks and weights, so that nothing is tuned to five
problems.
"""

from __future__ import annotations

from benchmarks.case import Hand, Problem, Sizes, case
from benchmarks.families.deep import hessian_problem
from benchmarks.hand.attention import (
    attention_hessian_k,
    attention_hessian_v,
    attention_loss,
    attention_sizes,
    attention_steps_k,
    attention_steps_v,
)
from benchmarks.hand.mixed import mixed_block, mixed_block_steps
from benchmarks.hand.mlp_steps import hand_sizes
from benchmarks.hand.reference import hessian_of
from benchmarks.models.attention import attention_expression
from benchmarks.models.mlp import Mlp
from tensorgrad_eg import hessian

_BLOCK = {"B": 48, "p": 20, "w": 24, "k": 7}


def _shape(sizes: Sizes) -> tuple[int, int, int, int]:
    return sizes["B"], sizes["p"], sizes["w"], sizes["k"]


@case("H", "softmax regression", [{"B": 200, "p": 30, "k": 10}], smoke={"B": 7, "p": 4, "k": 3}, target=0.5)
def softmax_regression(sizes: Sizes) -> Problem:
    """One layer: Σ_b x xᵀ ⊗ (diag p − ppᵀ)."""
    return hessian_problem(Mlp(1, sizes["B"], sizes["p"], 1, sizes["k"]), 1)


@case("H", "two layers", [{"layer": n, **_BLOCK} for n in (1, 2)], target=2.0)
def two_layers(sizes: Sizes) -> Problem:
    """Depth 2, sizes all different."""
    return hessian_problem(Mlp(2, *_shape(sizes)), sizes["layer"])


@case("H", "five layers", [{"layer": n, **_BLOCK} for n in (2, 4)], target=5.0)
def five_layers(sizes: Sizes) -> Problem:
    """Depth 5, inner weights."""
    return hessian_problem(Mlp(5, *_shape(sizes)), sizes["layer"])


@case("H", "sigmoid", [_BLOCK], target=2.0)
def sigmoid(sizes: Sizes) -> Problem:
    """Another activation, depth 3."""
    return hessian_problem(Mlp(3, *_shape(sizes), activation="sigmoid"), 1)


@case("H", "softplus", [_BLOCK], target=2.0)
def softplus(sizes: Sizes) -> Problem:
    """Another activation, depth 3."""
    return hessian_problem(Mlp(3, *_shape(sizes), activation="softplus"), 1)


@case("H", "gelu", [_BLOCK], target=2.0)
def gelu(sizes: Sizes) -> Problem:
    """An activation that is itself a product, depth 3."""
    return hessian_problem(Mlp(3, *_shape(sizes), activation="gelu"), 1)


@case("H", "L2 loss", [_BLOCK], target=2.0)
def squares(sizes: Sizes) -> Problem:
    """Another loss, depth 3, tanh."""
    return hessian_problem(Mlp(3, *_shape(sizes), loss="l2"), 1)


@case("H", "L2 softplus", [{"depth": depth, **_BLOCK} for depth in (2, 4)], target=5.0)
def squares_softplus(sizes: Sizes) -> Problem:
    """Another loss and activation, shallow and deeper."""
    return hessian_problem(Mlp(sizes["depth"], *_shape(sizes), activation="softplus", loss="l2"), 1)


@case("H", "mixed block", [_BLOCK, {"B": 64, "p": 32, "w": 32, "k": 10}], target=2.0)
def mixed(sizes: Sizes) -> Problem:
    """The block d²/dW1dW2 of a three-layer tanh perceptron."""
    net = Mlp(3, *_shape(sizes))
    variables = net.variables()
    return Problem(
        hessian(net.expression(variables), variables["W1"], variables["W2"]),
        net.data(),
        hessian_of(net.torch, "W1", "W2"),
        Hand(lambda t: mixed_block(net, t), mixed_block_steps(net), hand_sizes(net)),
    )


@case("H", "attention by Wk", [{"n": 32, "d": 32, "k": 16}], smoke={"n": 6, "d": 5, "k": 4}, target=2.0)
def attention_keys(sizes: Sizes) -> Problem:
    """H5's loss by the other weight of the scores."""
    loss, weights, data = attention_expression(sizes)
    hand = Hand(attention_hessian_k, attention_steps_k(), attention_sizes(sizes))
    return Problem(hessian(loss, weights["Wk"]), data, hessian_of(attention_loss, "Wk"), hand)


@case("H", "attention by Wv", [{"n": 32, "d": 32, "k": 16}], smoke={"n": 6, "d": 5, "k": 4}, target=2.0)
def attention_values(sizes: Sizes) -> Problem:
    """H5's loss by the weight in which it is quadratic: (pX)ᵀ(pX) ⊗ identity."""
    loss, weights, data = attention_expression(sizes)
    hand = Hand(attention_hessian_v, attention_steps_v(), attention_sizes(sizes))
    return Problem(hessian(loss, weights["Wv"]), data, hessian_of(attention_loss, "Wv"), hand)

"""G4: all weight gradients of networks together. Reverse mode is what they have to cost."""

from __future__ import annotations

from benchmarks.case import Hand, Problem, Sizes, case
from benchmarks.hand.backward import mlp_gradient_steps, mlp_gradients
from benchmarks.hand.mlp_steps import hand_sizes
from benchmarks.hand.reference import gradients_of
from benchmarks.models.mlp import Mlp
from benchmarks.models.transformer import Transformer

_DEPTHS = (2, 4, 8, 16, 32, 48)


def _gradients(net: Mlp) -> Problem:
    variables = net.variables()
    loss = net.expression(variables)
    return Problem(
        {name: loss.grad(variables[name]) for name in net.weights},
        net.data(),
        gradients_of(net.torch, net.weights),
        Hand(lambda t: mlp_gradients(net, t), mlp_gradient_steps(net), hand_sizes(net)),
    )


@case(
    "G",
    "MLP",
    [{"depth": depth, "B": 64, "w": 64, "k": 10} for depth in _DEPTHS],
    smoke={"depth": 4, "B": 6, "w": 5, "k": 3},
    target=5.0,
)
def mlp(sizes: Sizes) -> Problem:
    """Softmax cross-entropy of a tanh perceptron."""
    return _gradients(Mlp(sizes["depth"], sizes["B"], sizes["w"], sizes["w"], sizes["k"]))


@case(
    "G",
    "residual",
    [{"depth": depth, "B": 64, "w": 64, "k": 10} for depth in _DEPTHS[1:]],
    smoke={"depth": 4, "B": 6, "w": 5, "k": 3},
    target=5.0,
)
def residual(sizes: Sizes) -> Problem:
    """The same with residual connections: every layer adds tanh(xW) to x."""
    return _gradients(Mlp(sizes["depth"], sizes["B"], sizes["w"], sizes["w"], sizes["k"], residual=True))


def _transformer(net: Transformer) -> Problem:
    variables = net.variables()
    loss = net.expression(variables)
    return Problem(
        {name: loss.grad(variables[name]) for name in net.weights},
        net.data(),
        gradients_of(net.torch, net.weights),
        rival=gradients_of(net.torch, net.weights),
        anchors=net.autograd_flops(),
    )


@case("G", "attention", [{"n": 32, "d": 64, "h": 4}], smoke={"n": 5, "d": 6, "h": 2}, target=5.0)
def attention_layer(sizes: Sizes) -> Problem:
    """LayerNorm, multi-head attention and the residual, squared error; every weight."""
    return _transformer(Transformer(1, sizes["n"], sizes["d"], sizes["h"], feed_forward=False))


@case(
    "G",
    "GPT",
    [{"blocks": blocks, "n": 32, "d": 64, "h": 4} for blocks in (1, 3, 12)],
    slow=lambda sizes: sizes["blocks"] > 3,
    target=5.0,
)
def gpt(sizes: Sizes) -> Problem:
    """Blocks of LayerNorm, multi-head attention, LayerNorm and a GELU perceptron of four times the width;
    every weight.
    """
    return _transformer(Transformer(sizes["blocks"], sizes["n"], sizes["d"], sizes["h"]))

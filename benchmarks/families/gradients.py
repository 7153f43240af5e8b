"""G: all weight gradients of networks together. Reverse mode is what they have to cost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import opt_einsum
import torch

from benchmarks.case import Hand, Problem, Sizes, Tensors, case, standard_normal
from benchmarks.count import total
from benchmarks.hand import multilinear as hand
from benchmarks.hand.backward import mlp_gradient_steps, mlp_gradients
from benchmarks.hand.mlp_steps import hand_sizes
from benchmarks.hand.reference import gradients_of
from benchmarks.models import multilinear
from benchmarks.models.environments import gradient_cost
from benchmarks.models.mlp import Mlp
from benchmarks.models.networks import mps_overlap
from benchmarks.models.transformer import Transformer

_CHAINS = [{"B": 64, "d": 64, "L": 20}, {"B": 256, "d": 256, "L": 8}]


@case("G", "G1 chain", _CHAINS, smoke={"B": 5, "d": 6, "L": 4}, target=2.0)
def linear_chain(sizes: Sizes) -> Problem:
    """½‖XW₁…W_L − Y‖²: the loss and all gradients."""
    length = sizes["L"]
    loss, weights = multilinear.chain_loss(length)

    def reference(t: Tensors) -> dict[str, torch.Tensor]:
        def value(u: Tensors) -> torch.Tensor:
            return multilinear.chain_torch(length, u)

        return {"loss": value(t), **gradients_of(value, list(weights))(t)}

    return Problem(
        {"loss": loss, **{name: loss.grad(weight) for name, weight in weights.items()}},
        multilinear.chain_data(sizes["B"], sizes["d"], length),
        reference,
        Hand(
            lambda t: hand.chain_gradients(length, t),
            hand.chain_steps(length),
            {"b": sizes["B"], "i": sizes["d"], "j": sizes["d"]},
        ),
    )


@case(
    "G",
    "ring",
    [{"n": 22, "low": 64, "high": 64}, {"n": 22, "low": 8, "high": 96}],
    smoke={"n": 6, "low": 3, "high": 9},
    target=5.0,
)
def ring(sizes: Sizes) -> Problem:
    """All gradients of tr(A₀A₁…), with edges of random sizes: 3 (F − root) on the best tree."""
    random = np.random.default_rng(0)
    edges = random.integers(sizes["low"], sizes["high"] + 1, sizes["n"]).tolist()
    trace, matrices = multilinear.ring(edges)
    shapes = {matrix.name: [edges[n], edges[(n + 1) % len(edges)]] for n, matrix in enumerate(matrices)}
    data = {name: a / np.sqrt(len(a)) for name, a in standard_normal(shapes).items()}
    named = {f"e{n}": size for n, size in enumerate(edges)}
    return Problem(
        {matrix.name: trace.grad(matrix) for matrix in matrices},
        data,
        gradients_of(multilinear.ring_torch, list(data)),
        rival=gradients_of(multilinear.ring_torch, list(data)),
        bound=_law([matrix.edges for matrix in matrices], named, [True] * len(matrices)),
    )


def _mps(sizes: Sizes, lower: str) -> Problem:
    sites, D = sizes["n"], sizes["D"]
    ket = multilinear.mps("a", sites)
    overlap = multilinear.mps_overlap(ket, ket if lower == "A" else multilinear.mps("b", sites))
    names = [core.name for core in ket]
    labels = {"p": sizes["p"], "a": D, "b": D, "c": D, "d": D}
    return Problem(
        {core.name: overlap.grad(core) for core in ket},
        multilinear.mps_data(sites, sizes["p"], D, "a" if lower == "A" else "ab"),
        gradients_of(lambda t: multilinear.mps_torch(sites, lower, t), names),
        Hand(lambda t: hand.mps_gradients(sites, lower, t), hand.mps_steps(sites, lower), labels),
        bound=_environments(sizes),
        anchors={"the sweep by hand": total(hand.mps_steps(sites, lower), labels)},
    )


def _environments(sizes: Sizes) -> int:
    """The ket's part of 3 (F − root) on the tree that opt_einsum's exact search finds for the overlap."""
    network = mps_overlap(sizes["n"], sizes["p"], sizes["D"])
    ket = [n < sizes["n"] for n in range(len(network.factors))]
    return _law(network.factors, network.sizes, ket)


def _law(factors: Sequence[Sequence[str]], sizes: Sizes, wanted: Sequence[bool]) -> int:
    """3 (F − root), or its part for the wanted factors, on the tree of opt_einsum's exact search."""
    letters = {edge: opt_einsum.get_symbol(n) for n, edge in enumerate(sizes)}
    formula = ",".join("".join(letters[edge] for edge in factor) for factor in factors) + "->"
    shapes = [tuple(sizes[edge] for edge in factor) for factor in factors]
    path, _ = opt_einsum.contract_path(formula, *shapes, shapes=True, optimize="dp")
    return gradient_cost(factors, sizes, path, wanted)


_STATES = [{"n": 20, "p": 2, "D": 32}, {"n": 20, "p": 4, "D": 32}, {"n": 20, "p": 2, "D": 64}]


@case("G", "G2 overlap", _STATES, smoke={"n": 4, "p": 2, "D": 3}, target=5.0)
def overlap(sizes: Sizes) -> Problem:
    """⟨B|A⟩ of two matrix product states by all cores of A: the ket's part of 3 (F − root)."""
    return _mps(sizes, "B")


@case("G", "G2 norm", _STATES, smoke={"n": 4, "p": 2, "D": 3}, target=5.0)
def norm(sizes: Sizes) -> Problem:
    """⟨A|A⟩ by all cores of A: the ket's environments, doubled, and not the bra's too."""
    return _mps(sizes, "A")


@case("G", "G3 CP", [{"n": 64, "r": 64}, {"n": 150, "r": 150}], smoke={"n": 6, "r": 4}, target=2.0)
def cp(sizes: Sizes) -> Problem:
    """½‖X − [[A, B, C]]‖² by the three factors: two passes over X instead of three."""
    loss, factors = multilinear.cp_loss()
    n, r = sizes["n"], sizes["r"]
    return Problem(
        {name: loss.grad(factor) for name, factor in factors.items()},
        standard_normal({"X": [n, n, n], "A": [n, r], "B": [n, r], "C": [n, r]}),
        gradients_of(multilinear.cp_torch, list(factors)),
        Hand(hand.cp_gradients, hand.CP_STEPS, {"i": n, "j": n, "k": n, "r": r, "s": r}),
    )


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

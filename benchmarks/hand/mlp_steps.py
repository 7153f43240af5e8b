"""The steps of `benchmarks.hand.mlp`, priced. Labels: b rows; p and q inputs of the layer; i, j, I hidden
units; k logits.
"""

from __future__ import annotations

from benchmarks.hand.activations import ACTIVATIONS
from benchmarks.models.mlp import Mlp

_THROUGH = ["contract bi,ij->bij", "contract bij,bjJ->biJ", "contract biJ,bIJ->biI"]
THROUGH_CROSS_ENTROPY = [
    "contract bi,ik->bik",
    "contract bik,bk->bi",
    "add bik,bi->bik",
    "scale bk->bk",
    "contract bik,bk->bik",
    "contract bik,bIk->biI",
]
_OF_LOSS = ["scale bk->bk", "contract bk,bl->bkl", "add bk,bk->bk"]


def mlp_hessian_steps(net: Mlp, layer: int) -> list[str]:
    """What `mlp_hessian` does, step by step."""
    steps = forward_steps(net, layer)
    if net.loss != "l2":
        steps += ["softmax bk->bk"]
    if layer == net.depth:
        return [*steps, *_OF_LOSS, *_pairs(net, layer), _product(net, layer, "k", "l")]
    steps += ["add bk,bk->bk", "scale bk->bk"]
    for number in range(net.depth - 1, layer - 1, -1):
        above = "k" if number == net.depth - 1 else "j"
        steps += [f"contract b{above},i{above}->bi"]
        steps += _through_loss(net) if above == "k" else _THROUGH
        steps += ["contract bi,bi->bi", "add bi,bi->bi"]
        steps += ["contract bi,bi->bi"] if number > layer else []
    return [*steps, *_pairs(net, layer), _product(net, layer, "i", "j")]


def forward_steps(net: Mlp, layer: int) -> list[str]:
    """All activations, with slope and curvature from the layer on."""
    rule, steps = ACTIVATIONS[net.activation], []
    for number in range(1, net.depth):
        steps += ["contract bx,xi->bi" if number == 1 else "contract bj,ji->bi", *rule.value]
        steps += [*rule.slope, *rule.curvature] if number >= layer else []
    return [*steps, "contract bx,xk->bk" if net.depth == 1 else "contract bi,ik->bk"]


def hand_sizes(net: Mlp) -> dict[str, int]:
    """The size of every label; x and y are the inputs of the network."""
    hidden = dict.fromkeys("ijIJpq", net.width)
    return {"b": net.batch, "x": net.inputs, "y": net.inputs, "k": net.outputs, "l": net.outputs, **hidden}


def _through_loss(net: Mlp) -> list[str]:
    if net.loss == "l2":
        return ["scale ik->ik", "contract ik,Ik->iI", "contract bI,iI->biI", "contract bi,biI->biI"]
    return THROUGH_CROSS_ENTROPY


def _pairs(net: Mlp, layer: int) -> list[str]:
    return ["contract bx,by->bxy"] if layer == 1 else ["contract bp,bq->bpq"]


def _product(net: Mlp, layer: int, i: str, j: str) -> str:
    x, y = "xy" if layer == 1 else "pq"
    return f"contract b{x}{y},b{i}{j}->{x}{i}{y}{j}"

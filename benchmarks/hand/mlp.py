"""Hessian blocks of a multi-layer perceptron by one weight, by hand: T built layer by layer, from the loss
down.

H[p,i,q,j] = Σ_b z_bp z_bq T_b,ij, with z what enters the layer and T the Hessian by what leaves it, of each
row: T ← diag(φ′) W T Wᵀ diag(φ′) + diag(φ″ u), where u is the cotangent of the layer's result. The first T
is that of the loss.
"""

from __future__ import annotations

import torch

from benchmarks.case import Tensors
from benchmarks.hand.activations import ACTIVATIONS
from benchmarks.hand.attention import outer_rows
from benchmarks.models.mlp import Mlp


def mlp_hessian(net: Mlp, layer: int, t: Tensors) -> torch.Tensor:
    """The second derivatives by weight number `layer`, counted from 1."""
    rule = ACTIVATIONS[net.activation]
    inputs, slopes, curvatures = [t["X"]], [], []
    for number, name in enumerate(net.weights[:-1], 1):
        z, slope, curvature = rule.torch(inputs[-1] @ t[name], number >= layer)
        inputs.append(z)
        slopes.append(slope)
        curvatures.append(curvature)
    logits = inputs[-1] @ t[net.weights[-1]]
    if layer == net.depth:
        return outer_rows(inputs[-1], _of_loss(net.batch, logits))
    T, u = None, cotangent(net, logits, t["Y"])
    for number in range(net.depth - 1, layer - 1, -1):
        W = t[net.weights[number]]
        u = u @ W.T
        slope, curvature = slopes[number - 1], curvatures[number - 1]
        T = through_loss(net, W, slope, logits) if T is None else _through(W, slope, T)
        T.diagonal(dim1=1, dim2=2).add_(curvature * u)
        u = u * slope if number > layer else u
    assert T is not None
    return outer_rows(inputs[layer - 1], T)


def cotangent(net: Mlp, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """The cotangent of the logits."""
    if net.loss == "l2":
        return 2 * (logits - target)
    return (torch.softmax(logits, 1) - target) / net.batch


def _of_loss(batch: int, logits: torch.Tensor) -> torch.Tensor:
    """The Hessian of the cross-entropy of each row by its logits: diag p − ppᵀ."""
    p = torch.softmax(logits, 1)
    T = p[:, :, None] * (p / -batch)[:, None, :]
    T.diagonal(dim1=1, dim2=2).add_(p / batch)
    return T


def _through(W: torch.Tensor, slope: torch.Tensor, T: torch.Tensor) -> torch.Tensor:
    V = slope[:, :, None] * W
    return V @ T @ V.transpose(1, 2)


def through_loss(net: Mlp, W: torch.Tensor, slope: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """V T Vᵀ for the T of the loss, V = diag(φ′) W: for cross-entropy V (diag p − ppᵀ) = p ∘ (V − Vp)."""
    if net.loss == "l2":
        return slope[:, :, None] * (slope[:, None, :] * (2 * W @ W.T))
    V = slope[:, :, None] * W
    p = torch.softmax(logits, 1)[:, None, :]
    return ((V - (V * p).sum(2, keepdim=True)) * (p / net.batch)) @ V.transpose(1, 2)

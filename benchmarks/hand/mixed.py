"""The block d²/dW1dW2 of a three-layer tanh perceptron with cross-entropy, by hand.

H[p,i,h,j] = Σ_b x_bp (z_bh (diag(φ′₁) W₂ T₂)_b,ij + δᵢₕ φ′₁_bi ũ_bj), with T₂ and ũ the Hessian and the
cotangent by what enters the second activation. The identity's part is added on the diagonal only.
"""

from __future__ import annotations

import torch

from benchmarks.case import Tensors
from benchmarks.hand.activations import ACTIVATIONS
from benchmarks.hand.mlp import cotangent, through_loss
from benchmarks.hand.mlp_steps import THROUGH_CROSS_ENTROPY
from benchmarks.models.mlp import Mlp


def mixed_block(net: Mlp, t: Tensors) -> torch.Tensor:
    """The second derivatives by W1 and W2, axes of both in turn."""
    tanh, X, W2, W3 = ACTIVATIONS["tanh"].torch, t["X"], t["W2"], t["W3"]
    z1, d1, _ = tanh(X @ t["W1"])
    z2, d2, e2 = tanh(z1 @ W2)
    logits = z2 @ W3
    u = cotangent(net, logits, t["Y"]) @ W3.T
    T = through_loss(net, W3, d2, logits)
    T.diagonal(dim1=1, dim2=2).add_(e2 * u)
    C = (d1[:, :, None] * W2) @ T
    (B, p), w = X.shape, z1.shape[1]
    H = ((X[:, :, None] * z1[:, None, :]).view(B, -1).T @ C.view(B, -1)).view(p, w, w, w).transpose(1, 2)
    direct = (X.T @ (d1[:, :, None] * (d2 * u)[:, None, :]).view(B, -1)).view(p, w, w)
    H.diagonal(dim1=1, dim2=2).add_(direct.transpose(1, 2))
    return H


def mixed_block_steps(net: Mlp) -> list[str]:
    """What `mixed_block` does; h and i are units of the first layer, j and J of the second."""
    tanh = ACTIVATIONS["tanh"]
    return [
        *["contract bx,xi->bi", *tanh.value, *tanh.slope],
        *["contract bi,ij->bj", *tanh.value, *tanh.slope, *tanh.curvature],
        *["contract bi,ik->bk", "softmax bk->bk", "add bk,bk->bk", "scale bk->bk", "contract bk,jk->bj"],
        *THROUGH_CROSS_ENTROPY,
        *["contract bj,bj->bj", "add bj,bj->bj"],
        *["contract bi,ij->bij", "contract bij,bjJ->biJ"],
        *["contract bx,bp->bxp", "contract bxp,bij->xipj"],
        *["contract bj,bj->bj", "contract bi,bj->bij", "contract bx,bij->xij", "add xij,xij->xij"],
    ]

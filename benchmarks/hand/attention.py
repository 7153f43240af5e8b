"""Hessians of one attention head, by hand.

Written with the rows of K relative to their mean under p, K̄ⱼ = Kⱼ − Σ p K, every correction term of the
softmax disappears: Jᵢ = Σⱼ pᵢⱼ K̄ᵢⱼVⱼᵀ and Mᵢ = JᵢJᵢᵀ + Σⱼ gᵢⱼ K̄ᵢⱼK̄ᵢⱼᵀ, since Σⱼ gᵢⱼ = 0.
"""

from __future__ import annotations

from math import sqrt

import torch

from benchmarks.case import Sizes, Tensors

# p; 1/√k goes into K or Q, the cheapest place.
_SOFTMAX = [
    "contract ip,pa->ia",
    "contract ip,pa->ia",
    "scale ia->ia",
    "contract ia,ja->ij",
    "softmax ij->ij",
]
# p, V, O, c and g.
_FORWARD = [
    *_SOFTMAX,
    "contract ip,pv->iv",
    "contract ij,jv->iv",
    "add iv,-iv->iv",
    "contract iv,jv->ij",
    "contract ij,ij->i",
    "add ij,-i->ij",
    "contract ij,ij->ij",
]


def attention_loss(t: Tensors) -> torch.Tensor:
    """The loss in torch."""
    scores = (t["X"] @ t["Wq"]) @ (t["X"] @ t["Wk"]).T / sqrt(t["Wk"].shape[1])
    return 0.5 * ((torch.softmax(scores, 1) @ (t["X"] @ t["Wv"]) - t["Y"]) ** 2).sum()


def _forward(t: Tensors) -> tuple[torch.Tensor, ...]:
    """Q, K/√k, V, p and g."""
    Q, V = t["X"] @ t["Wq"], t["X"] @ t["Wv"]
    K = (t["X"] @ t["Wk"]) / sqrt(t["Wk"].shape[1])
    p = torch.softmax(Q @ K.T, 1)
    c = (p @ V - t["Y"]) @ V.T
    return Q, K, V, p, p * (c - (p * c).sum(1, keepdim=True))


def attention_steps_q() -> list[str]:
    """The steps of `attention_hessian_q`; i and j are rows, p and q columns of X, a and b those of K, v
    those of V.
    """
    return [
        *_FORWARD,
        "contract ij,ja->ia",
        "add ja,-ia->ija",
        "contract ij,ija->ija",
        "contract ija,jv->iav",
        "contract iav,ibv->iab",
        "contract ij,ija->ija",
        "contract ija,ijb->iab",
        "add iab,iab->iab",
        "contract ip,iq->ipq",
        "contract ipq,iab->paqb",
    ]


def attention_hessian_q(t: Tensors) -> torch.Tensor:
    """The second derivatives by Wq, axes (p, a, q, b)."""
    X = t["X"]
    _, K, V, p, g = _forward(t)
    centred = K[None] - (p @ K)[:, None]
    J = (p[:, :, None] * centred).transpose(1, 2) @ V
    M = torch.baddbmm(J @ J.transpose(1, 2), (g[:, :, None] * centred).transpose(1, 2), centred)
    return outer_rows(X, M)


def attention_steps_k() -> list[str]:
    """The steps of `attention_hessian_k`, labels as above."""
    return [
        *_FORWARD,
        "contract ij,jp->ip",
        "add jp,-ip->ijp",
        "contract ij,ijp->ijp",
        "contract ijp,jv->ipv",
        "contract ipv,iqv->ipq",
        "contract ij,ijp->ijp",
        "contract ijp,ijq->ipq",
        "add ipq,ipq->ipq",
        "contract ia,ib->iab",
        "contract ipq,iab->paqb",
    ]


def attention_hessian_k(t: Tensors) -> torch.Tensor:
    """The second derivatives by Wk, axes (p, a, q, b): as by Wq, with X in the place of K and Q in that of
    X.
    """
    X = t["X"]
    Q, _, V, p, g = _forward(t)
    centred = X[None] - (p @ X)[:, None]
    J = (p[:, :, None] * centred).transpose(1, 2) @ V
    M = torch.baddbmm(J @ J.transpose(1, 2), (g[:, :, None] * centred).transpose(1, 2), centred)
    return outer_rows(Q / sqrt(Q.shape[1]), M).permute(1, 0, 3, 2)


def attention_steps_v() -> list[str]:
    """The steps of `attention_hessian_v`; the zeros of the identity are written, and counted."""
    return [*_SOFTMAX, "contract ij,jp->ip", "contract ip,iq->pq", "contract vw,pq->pvqw"]


def attention_hessian_v(t: Tensors) -> torch.Tensor:
    """The second derivatives by Wv, axes (p, v, q, w)."""
    (d, k), X = t["Wv"].shape, t["X"]
    mixed = torch.softmax((X @ t["Wq"]) @ (X @ t["Wk"] / sqrt(t["Wk"].shape[1])).T, 1) @ X
    result = torch.zeros(d, k, d, k, dtype=X.dtype)
    result.diagonal(dim1=1, dim2=3).copy_((mixed.T @ mixed)[:, :, None])
    return result


def attention_sizes(sizes: Sizes) -> dict[str, int]:
    """The size of every label."""
    n, d, k = sizes["n"], sizes["d"], sizes["k"]
    return {**dict.fromkeys("ij", n), **dict.fromkeys("pq", d), **dict.fromkeys("abvw", k)}


def outer_rows(X: torch.Tensor, M: torch.Tensor) -> torch.Tensor:
    """Σᵢ X[i,p] X[i,q] M[i,a,b], axes (p, a, q, b): one matrix product."""
    n, d = X.shape
    pairs = (X[:, :, None] * X[:, None, :]).view(n, d * d)
    product = pairs.T @ M.reshape(n, -1)
    return product.view(d, d, *M.shape[1:]).permute(0, 2, 1, 3)

"""Gradients of polynomials by hand: one sweep forwards, one backwards, and no environment computed twice."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks.case import Tensors
from benchmarks.models.multilinear import chain_names


def chain_gradients(length: int, t: Tensors) -> dict[str, torch.Tensor]:
    """The loss ½‖X W1 … WL − Y‖² and the gradient by every weight."""
    names, products = chain_names(length), [t["X"]]
    for name in names:
        products.append(products[-1] @ t[name])
    g = products[-1] - t["Y"]
    found = {"loss": 0.5 * torch.dot(g.flatten(), g.flatten())}
    for number in range(length - 1, -1, -1):
        found[names[number]] = products[number].T @ g
        g = g @ t[names[number]].T if number else g
    return found


def chain_steps(length: int) -> list[str]:
    """What `chain_gradients` does: i and j are columns."""
    return [
        *["contract bi,ij->bj"] * length,
        *["add bi,bi->bi", "contract bi,bi->", "scale ->"],
        *["contract bi,bj->ij"] * length,
        *["contract bj,ij->bi"] * (length - 1),
    ]


def mps_gradients(sites: int, lower: str, t: Tensors) -> dict[str, torch.Tensor]:
    """The overlap's gradient by every core of A; of the norm, where both states are one, it is twice that."""
    factor = 2 if lower == "A" else 1
    right: Any = factor * torch.einsum("pa,pb->ab", t[f"A{sites}"].T, t[f"{lower}{sites}"].T)
    halves: dict[int, torch.Tensor] = {}
    for n in range(sites - 1, 0, -1):
        halves[n] = t[f"{lower}{n}"] @ right.T
        if n > 1:
            a, b = t[f"A{n}"], halves[n]
            right = a.flatten(1) @ b.flatten(1).T
    found, left = {"A1": halves[1]}, t["A1"].T @ t[f"{lower}1"]
    for n in range(2, sites):
        found[f"A{n}"] = (left @ halves[n].flatten(1)).view(halves[n].shape)
        half = (left.T @ t[f"A{n}"].flatten(1)).view_as(halves[n])
        left = half.flatten(0, 1).T @ t[f"{lower}{n}"].flatten(0, 1)
    found[f"A{sites}"] = factor * (left @ t[f"{lower}{sites}"])
    return found


def mps_steps(sites: int, lower: str) -> list[str]:
    """What `mps_gradients` does: five products an inner site; a and b bonds of the two states, c and d the
    next.
    """
    doubled = ["scale ab->ab", "scale ap->ap"] if lower == "A" else []
    site = ["contract bpd,cd->bpc", "contract apc,bpc->ab", "contract ab,bpc->apc"]
    return [
        *["contract ap,bp->ab", *doubled, "contract pa,pb->ab"],
        *[*site, "contract ab,apc->bpc", "contract bpc,bpd->cd"] * (sites - 2),
        *["contract pd,cd->pc", "contract ab,bp->ap"],
    ]


def cp_gradients(t: Tensors) -> dict[str, torch.Tensor]:
    """The three gradients of ½‖X − [[A, B, C]]‖²: two passes over X, and Gram matrices instead of the
    residual.
    """
    X, A, B, C = (t[name] for name in "XABC")
    n, r = A.shape
    grams = {name: t[name].T @ t[name] for name in "ABC"}
    first = X @ C
    last = (A.T @ X.view(n, n * n)).view(r, n, n)
    by_a = (first * B).sum(1)
    by_b = (first * A[:, None, :]).sum(0)
    by_c = torch.bmm(B.T[:, None, :], last)[:, 0].T
    return {
        "A": A @ (grams["B"] * grams["C"]) - by_a,
        "B": B @ (grams["A"] * grams["C"]) - by_b,
        "C": C @ (grams["A"] * grams["B"]) - by_c,
    }


CP_STEPS = [
    *["contract ir,is->rs"] * 3,
    *["contract rs,rs->rs"] * 3,
    *["contract ir,rs->is"] * 3,
    *["add ir,-ir->ir"] * 3,
    *["contract ijk,kr->ijr", "contract ijk,ir->jkr"],
    *["contract ijr,jr->ir", "contract ijr,ir->jr", "contract jkr,jr->kr"],
]

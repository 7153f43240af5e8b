"""Losses that are polynomials: matrix chains, matrix product states, the CP decomposition."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.case import Array, Tensors, standard_normal
from tensorgrad_eg import Tensor, Variable
from tensorgrad_eg import functions as F


def chain_names(length: int) -> list[str]:
    """W1, W2 and so on.

    >>> chain_names(2)
    ['W1', 'W2']
    """
    return [f"W{n}" for n in range(1, length + 1)]


def chain_loss(length: int) -> tuple[Tensor, dict[str, Variable]]:
    """½‖X W1 … WL − Y‖² and its weights."""
    edges = {name: {f"e{n}": "d", f"e{n + 1}": "d"} for n, name in enumerate(chain_names(length))}
    weights = {name: Variable(name, edges[name]) for name in edges}
    product: Tensor = Variable("X", b="b", e0="d")
    for weight in weights.values():
        product = product @ weight
    return F.frobenius2(product - Variable("Y", {"b": "b", f"e{length}": "d"})) / 2, weights


def chain_torch(length: int, t: Tensors) -> torch.Tensor:
    """The same in torch."""
    product = t["X"]
    for name in chain_names(length):
        product = product @ t[name]
    return 0.5 * ((product - t["Y"]) ** 2).sum()


def chain_data(batch: int, width: int, length: int) -> dict[str, Array]:
    """Weights that keep the length of a row."""
    weights = {name: [width, width] for name in chain_names(length)}
    data = standard_normal({"X": [batch, width], "Y": [batch, width], **weights})
    return {name: a / np.sqrt(width) if name in weights else a for name, a in data.items()}


def ring(sizes: list[int]) -> tuple[Tensor, list[Variable]]:
    """The trace of a product of matrices, the first edge of each of these sizes, and the matrices.

    >>> ring([2, 3])[1]
    [Variable('A0', e0=2, e1=3), Variable('A1', e1=3, e0=2)]
    """
    count = len(sizes)
    edges = [f"e{n}" for n in range(count)] + ["e0"]
    matrices = [
        Variable(f"A{n}", {edges[n]: sizes[n], edges[n + 1]: sizes[(n + 1) % count]}) for n in range(count)
    ]
    product: Tensor = matrices[0]
    for matrix in matrices[1:]:
        product = product @ matrix
    return product, matrices


def ring_torch(t: Tensors) -> torch.Tensor:
    """The same in torch."""
    product = t["A0"]
    for n in range(1, len(t)):
        product = product @ t[f"A{n}"]
    return torch.trace(product)


def core_edges(layer: str, site: int, sites: int) -> tuple[str, ...]:
    """The edges of one core of a matrix product state, bonds named after the layer.

    >>> core_edges("a", 1, 3), core_edges("a", 2, 3)
    (('p1', 'a1'), ('a1', 'p2', 'a2'))
    """
    left = (f"{layer}{site - 1}",) if site > 1 else ()
    return (*left, f"p{site}", *((f"{layer}{site}",) if site < sites else ()))


def mps(layer: str, sites: int) -> list[Variable]:
    """The cores of one state: A1, A2 and so on for layer a."""
    return [
        Variable(f"{layer.upper()}{n}", {e: "p" if e[0] == "p" else "D" for e in core_edges(layer, n, sites)})
        for n in range(1, sites + 1)
    ]


def mps_overlap(ket: list[Variable], bra: list[Variable]) -> Tensor:
    """Contract two states site by site; the norm if both are the same."""
    sites = len(ket)
    environment: Tensor | None = None
    for n, (upper, lower) in enumerate(zip(ket, bra, strict=True), 1):
        bonds = {f"a{m}": f"b{m}" for m in (n - 1, n) if 0 < m < sites}
        under = lower.rename(bonds) if upper is lower else lower
        environment = upper @ under if environment is None else environment @ upper @ under
    assert environment is not None
    return environment


def mps_torch(sites: int, lower: str, t: Tensors) -> torch.Tensor:
    """The overlap in torch, site by site."""
    environment = torch.einsum("pa,pb->ab", t["A1"], t[f"{lower}1"])
    for n in range(2, sites):
        environment = torch.einsum("ab,apc,bpd->cd", environment, t[f"A{n}"], t[f"{lower}{n}"])
    return torch.einsum("ab,ap,bp->", environment, t[f"A{sites}"], t[f"{lower}{sites}"])


def mps_data(sites: int, physical: int, bond: int, layers: str) -> dict[str, Array]:
    """Cores scaled so that the overlap stays near one."""
    shapes = {
        f"{layer.upper()}{n}": [physical if e[0] == "p" else bond for e in core_edges(layer, n, sites)]
        for layer in layers
        for n in range(1, sites + 1)
    }
    return {name: a / np.sqrt(np.sqrt(a.size * physical)) for name, a in standard_normal(shapes).items()}


def cp_loss() -> tuple[Tensor, dict[str, Variable]]:
    """½‖X − [[A, B, C]]‖² and its factors."""
    factors = {name: Variable(name, {edge: "n", "r": "r"}) for name, edge in zip("ABC", "ijk", strict=True)}
    A, B, C = factors.values()
    return F.frobenius2(Variable("X", i="n", j="n", k="n") - F.dot(A * B, C, "r")) / 2, factors


def cp_torch(t: Tensors) -> torch.Tensor:
    """The same in torch."""
    n, r = t["A"].shape
    product = ((t["A"][:, None, :] * t["B"]).view(-1, r) @ t["C"].T).view(n, n, n)
    return 0.5 * ((t["X"] - product) ** 2).sum()

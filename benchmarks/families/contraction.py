"""C: contraction order on generated networks, against opt_einsum's exact search."""

from __future__ import annotations

import opt_einsum
import torch

from benchmarks.case import Hand, Problem, Sizes, Tensors, case, standard_normal
from benchmarks.models import networks
from benchmarks.models.networks import Network
from tensorgrad_eg import Variable
from tensorgrad_eg import functions as F


def _problem(network: Network) -> Problem:
    """The exact optimum of opt_einsum is the cost to reach, its greedy choice one to compare with."""
    letters = {edge: opt_einsum.get_symbol(n) for n, edge in enumerate(network.sizes)}
    terms = ["".join(letters[edge] for edge in factor) for factor in network.factors]
    formula = ",".join(terms) + "->" + "".join(letters[edge] for edge in network.free)
    shapes = [tuple(network.sizes[edge] for edge in factor) for factor in network.factors]

    def found(optimizer: str) -> tuple[list[tuple[int, ...]], int]:
        path, info = opt_einsum.contract_path(formula, *shapes, shapes=True, optimize=optimizer)
        return path, int(info.opt_cost)

    path, best = found("dp")
    expression = opt_einsum.contract_expression(formula, *shapes, optimize=path)

    def contract(t: Tensors) -> torch.Tensor:
        result: torch.Tensor = expression(*(t[name] for name in network.names), backend="torch")
        return result

    return Problem(
        network.expression(),
        network.data(),
        contract,
        rival=contract,
        bound=best,
        anchors={"opt_einsum auto": found("auto")[1]},
    )


@case("C", "chain", [{"n": 10}, {"n": 30}], smoke={"n": 5})
def chain(sizes: Sizes) -> Problem:
    """A matrix chain, written from left to right."""
    return _problem(networks.matrix_chain(sizes["n"]))


@case("C", "random regular", [{"n": n, "degree": 3} for n in (8, 12, 20, 30)], smoke={"n": 6, "degree": 3})
def random_regular(sizes: Sizes) -> Problem:
    """A random graph, factors in random order."""
    return _problem(networks.random_regular(sizes["n"], sizes["degree"]))


@case("C", "lattice", [{"rows": 3, "columns": 3, "D": 4}, {"rows": 4, "columns": 5, "D": 3}])
def lattice(sizes: Sizes) -> Problem:
    """A square lattice, row by row."""
    return _problem(networks.lattice(sizes["rows"], sizes["columns"], sizes["D"]))


@case(
    "C", "MPS overlap", [{"n": 6, "p": 2, "D": 8}, {"n": 10, "p": 2, "D": 16}], smoke={"n": 3, "p": 2, "D": 3}
)
def mps(sizes: Sizes) -> Problem:
    """Two matrix product states, one written after the other."""
    return _problem(networks.mps_overlap(sizes["n"], sizes["p"], sizes["D"]))


@case("C", "PEPS norm", [{"rows": 2, "columns": 3, "D": 3}, {"rows": 3, "columns": 3, "D": 3}])
def peps(sizes: Sizes) -> Problem:
    """Two layers of a lattice, one written after the other."""
    return _problem(networks.peps_norm(sizes["rows"], sizes["columns"], sizes["D"]))


@case("C", "lone edges", [{"n": 100}], smoke={"n": 5})
def lone(sizes: Sizes) -> Problem:
    """`nlp,nlq->l` with one array twice: the square of a sum, 200 times fewer operations than the product."""
    n, B = sizes["n"], Variable("B", n="n", l="n", p="n")
    steps = ["reduce nlp->nl", "contract nl,nl->l"]
    return Problem(
        F.dot(B, B.rename(p="q"), "n").sum("p", "q"),
        standard_normal({"B": [n, n, n]}),
        lambda t: (t["B"].sum(2) ** 2).sum(0),
        Hand(lambda t: (t["B"].sum(2) ** 2).sum(0), steps, dict.fromkeys("nlp", n)),
    )

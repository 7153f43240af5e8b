"""L: linear algebra that mainstream frameworks compute as it is written."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from benchmarks.case import Function, Hand, Problem, Sizes, case, standard_normal
from tensorgrad_eg import Tensor, Variable
from tensorgrad_eg import functions as F

_FULL = [{"n": 1024}]
_SMOKE = {"n": 24}


def _square(name: str, row: str, column: str) -> Variable:
    return Variable(name, {row: "n", column: "n"})


def _problem(
    sizes: Sizes,
    wanted: Tensor,
    shapes: dict[str, int],
    eager: Function,
    hand: Function,
    steps: Sequence[str],
) -> Problem:
    """`shapes` gives the second size of every variable, 0 for a vector. In steps, i, j, k are long and r, s
    short.
    """
    n = sizes["n"]
    data = standard_normal({name: [n, second] if second else [n] for name, second in shapes.items()})
    labels = {**dict.fromkeys("ijk", n), "r": 8, "s": 8}
    return Problem(wanted, data, eager, Hand(hand, steps, labels))


@case("L", "AᵀB + AᵀB", _FULL, smoke=_SMOKE)
def common_term(sizes: Sizes) -> Problem:
    """The same product twice is twice the product."""
    n, A, B = sizes["n"], _square("A", "k", "i"), _square("B", "k", "j")
    return _problem(
        sizes,
        A @ B + A @ B,
        {"A": n, "B": n},
        lambda t: t["A"].T @ t["B"] + t["A"].T @ t["B"],
        lambda t: 2 * (t["A"].T @ t["B"]),
        ["contract ki,kj->ij", "scale ij->ij"],
    )


@case("L", "HᵀHx", _FULL, smoke=_SMOKE)
def chain(sizes: Sizes) -> Problem:
    """Right to left it is two products with a vector."""
    n, H, x = sizes["n"], _square("H", "k", "i"), Variable("x", j="n")
    return _problem(
        sizes,
        F.dot(H, H.rename(i="j"), "k") @ x,
        {"H": n, "x": 0},
        lambda t: t["H"].T @ t["H"] @ t["x"],
        lambda t: t["H"].T @ (t["H"] @ t["x"]),
        ["contract kj,j->k", "contract ki,k->i"],
    )


@case("L", "AB + AC", _FULL, smoke=_SMOKE)
def distributive(sizes: Sizes) -> Problem:
    """A common factor leaves a sum."""
    n, A, B, C = sizes["n"], _square("A", "i", "k"), _square("B", "k", "j"), _square("C", "k", "j")
    return _problem(
        sizes,
        A @ B + A @ C,
        {"A": n, "B": n, "C": n},
        lambda t: t["A"] @ t["B"] + t["A"] @ t["C"],
        lambda t: t["A"] @ (t["B"] + t["C"]),
        ["add kj,kj->kj", "contract ik,kj->ij"],
    )


@case("L", "(A − HᵀH)x", _FULL, smoke=_SMOKE)
def distribute_vector(sizes: Sizes) -> Problem:
    """Here the product has to be distributed over the difference."""
    n, A, H, x = sizes["n"], _square("A", "i", "j"), _square("H", "k", "i"), Variable("x", j="n")
    return _problem(
        sizes,
        (A - F.dot(H, H.rename(i="j"), "k")) @ x,
        {"A": n, "H": n, "x": 0},
        lambda t: (t["A"] - t["H"].T @ t["H"]) @ t["x"],
        lambda t: t["A"] @ t["x"] - t["H"].T @ (t["H"] @ t["x"]),
        ["contract ij,j->i", "contract kj,j->k", "contract ki,k->i", "add i,i->i"],
    )


@case("L", "tr(AB)", _FULL, smoke=_SMOKE)
def trace(sizes: Sizes) -> Problem:
    """Only the diagonal of the product is needed."""
    n, A, B = sizes["n"], _square("A", "i", "k"), _square("B", "k", "j")
    return _problem(
        sizes,
        F.trace(A @ B, "i", "j"),
        {"A": n, "B": n},
        lambda t: torch.trace(t["A"] @ t["B"]),
        lambda t: (t["A"] * t["B"].T).sum(),
        ["contract ik,ki->"],
    )


@case("L", "sum(AB)", _FULL, smoke=_SMOKE)
def total(sizes: Sizes) -> Problem:
    """Sums over the outer edges go into the factors."""
    n, A, B = sizes["n"], _square("A", "i", "k"), _square("B", "k", "j")
    return _problem(
        sizes,
        F.sum(A @ B),
        {"A": n, "B": n},
        lambda t: (t["A"] @ t["B"]).sum(),
        lambda t: t["A"].sum(0) @ t["B"].sum(1),
        ["reduce ik->k", "reduce kj->k", "contract k,k->"],
    )


@case("L", "(A + UVᵀ)x", _FULL, smoke=_SMOKE)
def low_rank(sizes: Sizes) -> Problem:
    """A correction of rank 8 is never made a matrix."""
    n, A, x = sizes["n"], _square("A", "i", "j"), Variable("x", j="n")
    U, V = Variable("U", i="n", r=8), Variable("V", j="n", r=8)
    return _problem(
        sizes,
        (A + U @ V) @ x,
        {"A": n, "U": 8, "V": 8, "x": 0},
        lambda t: (t["A"] + t["U"] @ t["V"].T) @ t["x"],
        lambda t: t["A"] @ t["x"] + t["U"] @ (t["V"].T @ t["x"]),
        ["contract ij,j->i", "contract jr,j->r", "contract ir,r->i", "add i,i->i"],
    )


@case("L", "‖UVᵀ‖²", _FULL, smoke=_SMOKE)
def norm(sizes: Sizes) -> Problem:
    """Two small Gram matrices, rank 8, instead of a large product."""
    U, V = Variable("U", i="n", r=8), Variable("V", j="n", r=8)
    return _problem(
        sizes,
        F.frobenius2(U @ V),
        {"U": 8, "V": 8},
        lambda t: ((t["U"] @ t["V"].T) ** 2).sum(),
        lambda t: ((t["U"].T @ t["U"]) * (t["V"].T @ t["V"])).sum(),
        ["contract ir,is->rs", "contract jr,js->rs", "contract rs,rs->"],
    )


@case("L", "(AᵀB)ᵀAᵀBy", _FULL, smoke=_SMOKE)
def long_chain(sizes: Sizes) -> Problem:
    """BᵀA·AᵀB·y is four products with a vector."""
    n, A, B, y = sizes["n"], _square("A", "k", "i"), _square("B", "k", "j"), Variable("y", l="n")
    return _problem(
        sizes,
        F.dot(A @ B, A @ B.rename(j="l"), "i") @ y,
        {"A": n, "B": n, "y": 0},
        lambda t: (t["A"].T @ t["B"]).T @ t["A"].T @ t["B"] @ t["y"],
        lambda t: t["B"].T @ (t["A"] @ (t["A"].T @ (t["B"] @ t["y"]))),
        ["contract kj,j->k", "contract ki,k->i", "contract ki,i->k", "contract kj,k->j"],
    )

"""Functions of matrices: their values, derivatives, rules, text, files, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import tensorgrad_eg as tg
from tensorgrad_eg import functions as F
from tensorgrad_eg.expr import Tensor, Variable
from tensorgrad_eg.verify import inspect_snapshot, snapshots

A, B = Variable("A", i="n", j="n"), Variable("B", b="b", i="n", j="n")
x, S = Variable("x", i="n"), Variable("S", i="n", k="k")
GRAM = S @ S.rename(i="j") + tg.delta("i", "j", size="n")
SIZES = {"n": 4, "b": 3, "k": 5}
_random = np.random.default_rng(5)
ARRAYS = {
    "A": _random.normal(size=(4, 4)) + 3 * np.eye(4),
    "B": _random.normal(size=(3, 4, 4)) + 3 * np.eye(4),
    "x": _random.normal(size=4),
    "S": _random.normal(size=(4, 5)),
}


def _sizes(e: Tensor) -> dict[str, int]:
    return {symbol: SIZES[symbol] for symbol in tg.expr.walk.symbols([e])}


def _arrays(e: Tensor) -> dict[str, np.ndarray]:
    return {name: ARRAYS[name] for name in tg.expr.variables([e])}


def _gram(S: torch.Tensor) -> torch.Tensor:
    return S @ S.T + torch.eye(4, dtype=S.dtype)


VALUES: dict[str, tuple[Tensor, Variable, Callable[[torch.Tensor], torch.Tensor]]] = {
    "logdet": (F.logdet(A), A, torch.logdet),
    "log of a determinant": (F.log(F.det(A)), A, torch.logdet),
    "det": (F.det(A), A, torch.linalg.det),
    "inverse": (F.inverse(A), A, torch.linalg.inv),
    "inverse, other edges": (F.inverse(A).rename(i="j", j="i").transpose("j", "i"), A, torch.linalg.inv),
    "trace of an inverse": (F.trace(F.inverse(A)), A, lambda a: torch.linalg.inv(a).trace()),
    "batch of inverses": (F.inverse(B, "i", "j"), B, torch.linalg.inv),
    "batch of determinants": (F.det(B, "i", "j"), B, torch.linalg.det),
    "sum over a batch of log-determinants": (
        F.logdet(B, "j", "i").sum(),
        B,
        lambda b: torch.logdet(b).sum(),
    ),
    "quadratic form": (
        F.solve(A, x, "i", "j") @ x.rename(i="j"),
        A,
        lambda a: torch.as_tensor(ARRAYS["x"]) @ torch.linalg.solve(a, torch.as_tensor(ARRAYS["x"])),
    ),
    "log-determinant of a Gram matrix": (F.logdet(GRAM, "i", "j"), S, lambda s: torch.logdet(_gram(s))),
    "inverse of a sum with an inverse": (
        F.inverse(F.inverse(A) + A).sum(),
        A,
        lambda a: torch.linalg.inv(torch.linalg.inv(a) + a).sum(),
    ),
}  # fmt: skip


def _derivative(f: Callable[[torch.Tensor], torch.Tensor], order: int, at: np.ndarray) -> np.ndarray:
    for _ in range(order):
        f = torch.func.jacrev(f)
    return f(torch.as_tensor(at)).numpy()


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("name", list(VALUES))
def test_value_gradient_and_hessian_are_those_of_torch(name: str, order: int) -> None:
    """Values, first and second derivatives are those that torch works out by itself."""
    e, by, f = VALUES[name]
    for _ in range(order):
        e = e.grad(by)
    plan = tg.optimize(e, _sizes(e))
    np.testing.assert_allclose(
        plan(**_arrays(e)), _derivative(f, order, ARRAYS[by.name]), rtol=1e-8, atol=1e-9
    )
    assert plan.flops <= plan.baseline


def test_third_derivative_is_that_of_torch() -> None:
    """Derivatives of derivatives need no rule of their own."""
    e = F.logdet(A).grad(A).grad(A).grad(A)
    plan = tg.optimize(e, {"n": 4})
    np.testing.assert_allclose(
        plan(A=ARRAYS["A"]), _derivative(torch.logdet, 3, ARRAYS["A"]), rtol=1e-9, atol=1e-10
    )


TEXTBOOK = [
    (F.logdet(A).grad(A), "inverse(A[j,i], j, i)"),
    (F.det(A).grad(A), "det(A[i,j], i, j) inverse(A[j,i], j, i)"),
    (F.log(F.det(A)), "logdet(A[i,j], i, j)"),
    (F.inverse(F.inverse(A)), "A[i,j]"),
    (F.inverse(2 * A), "1/2 inverse(A[i,j], i, j)"),
    (F.inverse(Variable("c") * A), "(1 / c) inverse(A[i,j], i, j)"),
    (F.det(2 * Variable("D", i=3, j=3)), "2^3 det(D[i,j], i, j)"),
    (F.logdet(3 * A), "|n| log(3) + logdet(A[i,j], i, j)"),
    (F.logdet(-3 * A), "logdet(-3 A[i,j], i, j)"),  # of an odd number of rows it is no number, else it is
    (F.logdet(F.inverse(A)), "-logdet(A[i,j], i, j)"),
    (F.det(F.inverse(A)), "1 / det(A[i,j], i, j)"),
    (F.inverse(tg.delta("i", "j", size="n")), "δ[i,j]"),
    (F.det(tg.delta("i", "j", size="n")), "1"),
    (F.logdet(tg.delta("i", "j", size="n")), "0"),
    (F.inverse(A.rename(i="j", j="i")) - F.inverse(A).rename(i="j", j="i"), "0[j,i]"),
]


@pytest.mark.parametrize(("e", "text"), TEXTBOOK, ids=[text for _, text in TEXTBOOK])
def test_normal_forms_are_those_of_textbooks(e: Tensor, text: str) -> None:
    """What is simple is printed as one would write it, and is what the expression was."""
    assert str(e.simplify()) == text
    pair = tg.optimize([e, e.simplify()], _sizes(e), verify=False)
    drawn = {
        name: ARRAYS.get(name, _random.normal(size=[3] * len(v.edges)))
        for name, v in tg.expr.variables([e]).items()
    }
    one, other = pair(**drawn)
    np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


def test_every_node_of_the_search_equals_its_class() -> None:
    """Rules that change nothing of the plan are right as well: all terms of an e-graph are evaluated."""
    e = [
        F.logdet(GRAM, "i", "j").grad(S),
        F.inverse(A).sum().grad(A),
        F.det(2 * A),
        F.logdet(A).grad(A).grad(A),
    ]
    plan = tg.optimize(e, _sizes(e[0]))
    assert plan.search
    for _, snapshot in snapshots(plan.search.derived, plan.search.searched):
        found = inspect_snapshot(snapshot)
        assert found.ok, [str(one) for one in found.mismatches[:3]]
        assert found.compared


@pytest.mark.parametrize("backend", ["torch", "numpy", "opt_einsum"])
def test_code_runs_when_pasted(backend: str) -> None:
    """The source for a library computes what the plan does, with the functions that the library has."""
    e = F.logdet(B, "i", "j").sum() + F.det(A) + F.inverse(A).sum()
    plan = tg.optimize(e, {"n": 4, "b": 3})
    source = plan.code(backend)
    assert "linalg" in source
    space: dict[str, object] = {}
    exec(source, space)
    run = space["plan"]
    assert callable(run)
    given = [
        torch.as_tensor(ARRAYS[i.name]) if backend == "torch" else ARRAYS[i.name] for i in plan.program.inputs
    ]
    np.testing.assert_allclose(float(run(*given)), float(plan(**_arrays(e))), rtol=1e-12)


def test_what_is_made_of_one_matrix_is_factorised_once() -> None:
    """A log-determinant, an inverse and a determinant of one matrix share its factors: 2/3 n³ once."""
    n = 30
    plan = tg.optimize([F.logdet(A), F.det(A), F.inverse(A)], {"n": n})
    assert plan.flops == 2 * n**3 // 3 + 4 * n**3 // 3 + 2 * 2 * n
    alone = tg.optimize(F.logdet(A), {"n": n})
    assert alone.flops == 2 * n**3 // 3 + 2 * n


def test_everything_that_people_look_at_shows_them(tmp_path: Path) -> None:
    """Derivations are confirmed step by step, pictures have the function, files give the same plan back."""
    e = (F.solve(A, x, "i", "j") ** 2).sum().grad(A)
    plan = tg.optimize(e, {"n": 4})
    derivation = str(plan.explain())
    assert "an inverse" in derivation
    assert "NOT CONFIRMED" not in derivation
    assert "inverse" in e.arg.draw().dot
    assert "lu" in plan.draw().dot
    plan.save(tmp_path / "plan.json")
    np.testing.assert_array_equal(tg.load(tmp_path / "plan.json")(**_arrays(e)), plan(**_arrays(e)))


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("log(det(A[i,j]))", "log(det(A[i,j], i, j))"),
        ("trace(inv(A[i,j]))", "Σ_{i,j} inverse(A[i,j], i, j) δ[i,j]"),
        ("inverse(A[b,i,j], i, j)", "inverse(A[b,i,j], i, j)"),
        ("logdet(sum_k A[i,k] A[j,k] + δ[i,j])", "logdet(Σ_k A[i,k] A[j,k] + δ[i,j], i, j)"),
        ("det(sum_{k,l} A[i,k] B[k,l] C[l,j])", "det(Σ_l (Σ_k A[i,k] B[k,l]) C[l,j], i, j)"),
    ],
)
def test_text_is_read_and_printed(text: str, printed: str) -> None:
    """In text the two edges of a matrix are the two that are not summed; what is printed is read back."""
    e = tg.parse(text)
    assert str(e) == printed
    assert str(tg.parse(printed)) == printed
    assert eval(repr(e), vars(tg.expr)) is e


R = Variable("R", i="n", j="m", b="b")
REFUSED: list[tuple[Callable[[], object], type[Exception], str]] = [
    (
        lambda: F.inverse(R, "i", "j"),
        ValueError,
        "in R\\[i,j,b\\] edge 'i' has size n and edge 'j' has size m",
    ),
    (lambda: F.det(R, "i", "jj"), KeyError, "has no edge 'jj'.*Did you mean 'j'"),
    (lambda: F.logdet(B), ValueError, "it got: b, i, j. Name two: F.logdet\\(a, 'i', 'j'\\)"),
    (lambda: F.inverse(A, "i"), ValueError, "it got: i. Name two"),
    (lambda: F.solve(A, B, "i", "j"), ValueError, "two edges named 'j'"),
    (lambda: F.solve(A, x.rename(i="q"), "i", "j"), KeyError, "has no edge 'i'"),
    (lambda: tg.expr.MatrixFunction("pfaffian", {"i", "j"}, A), ValueError, "no matrix function 'pfaffian'"),
]


@pytest.mark.parametrize(("make", "error", "message"), REFUSED, ids=[message for *_, message in REFUSED])
def test_what_is_no_matrix_is_refused(
    make: Callable[[], object], error: type[Exception], message: str
) -> None:
    """Matrices that are not square and edges that are not there are named, with what to write instead."""
    with pytest.raises(error, match=message) as raised:
        make()
    assert isinstance(raised.value, tg.errors.TensorgradError)


def test_singular_and_negative_matrices_have_the_value_of_the_library() -> None:
    """A log-determinant is -inf where the determinant is 0, no number where it is negative, as in torch."""
    plan = tg.optimize(F.logdet(B, "i", "j"), {"b": 3, "n": 2})
    arrays = np.array([[[1.0, 2.0], [2.0, 4.0]], [[0.0, 1.0], [1.0, 0.0]], [[2.0, 0.0], [0.0, 3.0]]])
    expected = torch.logdet(torch.as_tensor(arrays)).numpy()
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(plan(B=arrays), expected)
    assert np.isneginf(expected[0])
    assert np.isnan(expected[1])
    singular = tg.optimize(F.inverse(A), {"n": 2})
    with pytest.raises(np.linalg.LinAlgError):
        singular(A=arrays[0])

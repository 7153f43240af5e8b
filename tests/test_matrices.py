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


# ---- the Matrix Cookbook (Petersen and Pedersen, 2012): sections 1.2, 2.1, 2.2, 3.2, 8.1
X, C, D = Variable("X", i="n", j="n"), Variable("C", i="n", j="n"), Variable("D", i="n", j="n")
a, b, m = Variable("a", i="n"), Variable("b", i="n"), Variable("m", i="n")
W, w = Variable("W", k="k", i="n"), Variable("w", k="k")
DEFINITE = tg.assume.positive_definite(X)


def _product(*factors: Tensor) -> Tensor:
    total = factors[0]
    for factor in factors[1:]:
        total = F.dot(total.rename(j="l"), factor.rename(i="l"), "l")
    return total


WEIGHTED = F.dot(W * w, W.rename(i="j"), "k")
RESIDUAL = a - m
LIKELIHOOD = -0.5 * (F.solve(X, RESIDUAL, "i", "j") @ RESIDUAL.rename(i="j")) - 0.5 * F.logdet(X)
T = dict[str, torch.Tensor]


def _likelihood(t: T) -> torch.Tensor:
    r = t["a"] - t["m"]
    return -0.5 * r @ torch.linalg.solve(t["X"], r) - 0.5 * torch.logdet(t["X"])


def _weighted(t: T) -> torch.Tensor:
    return torch.logdet(t["W"].T @ torch.diag(t["w"]) @ t["W"])


COOKBOOK: list[tuple[Tensor, str, Variable | None, Callable[[T], torch.Tensor]]] = [
    (F.logdet(X), "inverse(X[j,i], j, i)", X, lambda t: torch.logdet(t["X"])),
    (F.det(X), "det(X[i,j], i, j) inverse(X[j,i], j, i)", X, lambda t: torch.linalg.det(t["X"])),
    (
        F.det(_product(C, X, D)),
        "det(C[i_,i], i_, i) det(D[j,i], j, i) det(X[i,j], i, j) inverse(X[j,i], j, i)",
        X,
        lambda t: torch.linalg.det(t["C"] @ t["X"] @ t["D"]),
    ),
    (
        F.trace(F.inverse(X)),
        "-Σ_i4 inverse(X[i4,i], i4, i) inverse(X[j,i4], j, i4)",
        X,
        lambda t: torch.linalg.inv(t["X"]).trace(),
    ),
    (
        F.trace(_product(C, F.inverse(X))),
        "-Σ_i4 (Σ_i3 inverse(X[i3,i], i3, i) C[i4,i3]) inverse(X[j,i4], j, i4)",
        X,
        lambda t: (t["C"] @ torch.linalg.inv(t["X"])).trace(),
    ),
    (
        F.trace(F.inverse(X + C)),
        "-Σ_i4 inverse(C[i4,i] + X[i4,i], i4, i) inverse(C[j,i4] + X[j,i4], j, i4)",
        X,
        lambda t: torch.linalg.inv(t["X"] + t["C"]).trace(),
    ),
    (
        a @ F.inverse(X) @ b.rename(i="j"),
        "-Σ_i4 (Σ_i3 inverse(X[i3,i], i3, i) a[i3] b[i4]) inverse(X[j,i4], j, i4)",
        X,
        lambda t: t["a"] @ torch.linalg.inv(t["X"]) @ t["b"],
    ),
    (F.logdet(F.inverse(X)), "-inverse(X[j,i], j, i)", X, lambda t: -torch.logdet(t["X"])),
    (F.logdet(3 * X), "inverse(X[j,i], j, i)", X, lambda t: torch.logdet(3 * t["X"])),
    (
        F.logdet(X) ** 2,
        "2 inverse(X[j,i], j, i) logdet(X[i,j], i, j)",
        X,
        lambda t: torch.logdet(t["X"]) ** 2,
    ),
    (F.logdet(X).grad(X), "-inverse(X[j_,i], j_, i) inverse(X[j,i_], j, i_)", X,
     lambda t: torch.linalg.inv(t["X"]).T),
    (F.inverse(X), "-inverse(X[i,i_], i, i_) inverse(X[j_,j], j_, j)", X, lambda t: torch.linalg.inv(t["X"])),
    (F.solve(X, b, "i", "j"), "inverse(X[j,i], j, i)", b, lambda t: torch.linalg.solve(t["X"], t["b"])),
    (
        F.det(X).grad(X),
        "det(X[i,j], i, j) inverse(X[j,i], j, i) inverse(X[j_,i_], j_, i_)"
        " - det(X[i,j], i, j) inverse(X[j_,i], j_, i) inverse(X[j,i_], j, i_)",
        X,
        lambda t: torch.linalg.det(t["X"]) * torch.linalg.inv(t["X"]).T,
    ),
    (
        F.logdet(WEIGHTED, "i", "j"),
        "Σ_i (Σ_j inverse(Σ_k_ W[k_,j] w[k_] W[k_,i], j, i) W[k,j]) W[k,i]",
        w,
        _weighted,
    ),
    (
        LIKELIHOOD,
        "1/2 (Σ_i4 (Σ_i3 inverse(X[i3,i], i3, i) (a[i3] - m[i3]) (a[i4] - m[i4])) inverse(X[j,i4], j, i4)"
        " - inverse(X[i,j], i, j))",
        X,
        _likelihood,
    ),
    (_product(X, F.inverse(X)), "δ[i,j]", None, lambda t: t["X"] @ torch.linalg.inv(t["X"])),
    (_product(F.inverse(X), X), "δ[i,j]", None, lambda t: torch.linalg.inv(t["X"]) @ t["X"]),
    (_product(F.inverse(X), X) @ b.rename(i="j"), "b[i]", None, lambda t: t["b"]),
    (X @ F.dot(F.inverse(X).rename(i="j", j="l"), b.rename(i="l"), "l"), "b[i]", None, lambda t: t["b"]),
    (F.trace(_product(F.inverse(X), X)), "|n|", None, lambda t: torch.tensor(4.0)),
    (
        F.det(_product(C, D)),
        "det(C[i,j], i, j) det(D[j,j1], j, j1)",
        None,
        lambda t: torch.linalg.det(t["C"] @ t["D"]),
    ),
    (F.det(F.inverse(X)), "1 / det(X[i,j], i, j)", None, lambda t: 1 / torch.linalg.det(t["X"])),
]  # fmt: skip


def _drawn() -> dict[str, np.ndarray]:
    random = np.random.default_rng(11)
    square = random.normal(size=(4, 4))
    return {
        "X": square @ square.T / 4 + np.eye(4),
        "C": random.normal(size=(4, 4)) + 3 * np.eye(4),
        "D": random.normal(size=(4, 4)) - 3 * np.eye(4),
        "W": random.normal(size=(5, 4)),
        "w": random.uniform(0.5, 1.5, size=5),
        **{name: random.normal(size=4) for name in "abm"},
    }


@pytest.mark.parametrize(("e", "text", "by", "f"), COOKBOOK, ids=[str(n) for n in range(len(COOKBOOK))])
def test_matrix_cookbook(e: Tensor, text: str, by: Variable | None, f: Callable[[T], torch.Tensor]) -> None:
    """Identities and derivatives print in their textbook form, and are what torch's autograd finds."""
    wanted = e if by is None else e.grad(by)
    facts = [DEFINITE] if e is LIKELIHOOD else []
    assert str(tg.simplify(wanted, assume=facts)) == text
    plan = tg.optimize(wanted, _sizes(wanted), assume=facts)
    arrays = _drawn()
    given = {name: torch.as_tensor(array) for name, array in arrays.items()}
    expected = (
        f(given) if by is None else torch.func.jacrev(lambda at: f({**given, by.name: at}))(given[by.name])
    )
    found = plan(**{name: arrays[name] for name in tg.expr.variables([wanted])})
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-9, atol=1e-10)


# ---- what things cost
def test_an_inverse_is_not_multiplied() -> None:
    """A product with an inverse is a solution by factors: 2/3 n³ and 2 n² for each right side, once."""
    n, k = 50, 7
    right = Variable("right", i="n", r="r")
    plan = tg.optimize([F.solve(A, x, "i", "j"), F.solve(A, right, "i", "j")], {"n": n, "r": k})
    assert plan.flops == 2 * n**3 // 3 + (2 * n**2 - n) * (k + 1)
    assert [step.kind for step in plan.program.steps].count("lu") == 1
    assert "torch.linalg.lu_factor" in plan.code("torch")
    product = tg.optimize(
        F.dot(F.inverse(A @ F.inverse(A + A.rename(i="j", j="i")).rename(i="j", j="k"), "i", "k"), x, "i"),
        {"n": n},
    )
    assert "inverse" not in [step.kind for step in product.program.steps]


def test_marginal_likelihood_factorises_once() -> None:
    """A Gaussian log-likelihood costs n³/3 + 2 n² and what is linear, by vectors a multiple of n² more."""
    n = 60
    value = tg.optimize(LIKELIHOOD, {"n": n}, assume=[DEFINITE])
    assert n**3 // 3 + 2 * n**2 <= value.flops <= n**3 // 3 + 2 * n**2 + 8 * n
    every = [LIKELIHOOD, LIKELIHOOD.grad(m), LIKELIHOOD.grad(a)]
    plan = tg.optimize(every, {"n": n}, assume=[DEFINITE])
    assert plan.flops <= n**3 // 3 + 2 * n**2 + 12 * n
    assert "torch.linalg.cholesky" in plan.code("torch")


def test_rank_decides_what_is_inverted() -> None:
    """Beside a multiple of the identity a matrix of low rank is inverted in its small form."""
    n, k = 100, 4
    loss = F.solve(GRAM, x, "i", "j") @ x.rename(i="j") + F.logdet(GRAM, "i", "j")
    plan = tg.optimize(loss, {"n": n, "k": k})
    assert plan.flops < 2 * n * k * k + 10 * n * k
    other = tg.optimize(loss, {"n": k, "k": n})
    assert other.flops < 2 * n * k * k + 10 * n * k
    random = np.random.default_rng(2)
    given = {"S": random.normal(size=(n, k)), "x": random.normal(size=n)}
    matrix = given["S"] @ given["S"].T + np.eye(n)
    expected = given["x"] @ np.linalg.solve(matrix, given["x"]) + np.linalg.slogdet(matrix)[1]
    np.testing.assert_allclose(plan(**given), expected, rtol=1e-10)


@pytest.mark.parametrize("backend", ["torch", "numpy", "opt_einsum"])
def test_batches_and_right_sides_are_solved_by_every_library(backend: str) -> None:
    """Vectors, matrices and tensors of right sides, with and without a batch, transposed or not."""
    right = Variable("right", b="b", i="n", p="k", q="n")
    turned = B.rename(i="j", j="i")
    wanted = [
        F.solve(B, x, "i", "j"),
        F.solve(turned, right, "i", "j"),
        F.solve(A, right, "i", "j"),
        F.solve(A, x, "i", "j"),
    ]
    plan = tg.optimize([*wanted, F.logdet(B, "i", "j"), F.inverse(B, "i", "j")], {"n": 4, "b": 3, "k": 5})
    space: dict[str, object] = {}
    exec(plan.code(backend), space)
    run = space["plan"]
    assert callable(run)
    arrays = {**ARRAYS, "right": _random.normal(size=(3, 4, 5, 4))}
    given = [
        torch.as_tensor(arrays[i.name]) if backend == "torch" else arrays[i.name] for i in plan.program.inputs
    ]
    found = [np.asarray(each) for each in run(*given)]
    inverses, one = np.linalg.inv(ARRAYS["B"]), np.linalg.inv(ARRAYS["A"])
    expected = [
        (np.einsum("bij,j->bi", inverses, arrays["x"]), wanted[0], "bj"),
        (np.einsum("bij,bipq->bjpq", inverses, arrays["right"]), wanted[1], "bjpq"),
        (np.einsum("ij,bjpq->bipq", one, arrays["right"]), wanted[2], "bjpq"),
        (one @ arrays["x"], wanted[3], "j"),
        (np.linalg.slogdet(arrays["B"])[1], None, ""),
        (inverses, None, ""),
    ]
    for here, (there, e, order) in zip(found, expected, strict=True):
        turned_back = here if e is None else here.transpose([e.edges.index(edge) for edge in order])
        np.testing.assert_allclose(turned_back, there, rtol=1e-8, atol=1e-10)

"""Terms of sums that stand on diagonals: what they cost, what code does with them, and what it computes."""

from __future__ import annotations

import sys
from functools import partial
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

import tensorgrad_eg as tg
from tensorgrad_eg import functions as F

SIZES = {"b": 3, "n": 10, "m": 7}
_R, _a, _x = tg.Variable("R", b="b", i="n", j="n"), tg.Variable("a", b="b", i="n"), tg.Variable("x", i="n")
_T, _P = tg.Variable("T", i="n", j="n", k="m", l="m"), tg.Variable("P", i="n", j="n", k="n")
_A, _B, _C = (
    tg.Variable("A", i="n", k="m", l="m"),
    tg.Variable("B", i="n", k="m"),
    tg.Variable("C", k="m", l="m"),
)
_M, _N = tg.Variable("M", i="n", k="m"), tg.Variable("N", k="m", j="n")


def _delta(i: str, j: str, size: str = "n") -> tg.Tensor:
    return tg.delta(i, j, size=size)


# A sum, what it costs, how many elements it holds, and the same in NumPy.
CASES: dict[str, tuple[tg.Tensor, int, int, str]] = {
    "batch edges": (_R + _delta("i", "j") * _a, 30, 300, "R + eye(10) * a[:, :, None]"),
    "minus": (_R - _delta("i", "j") * _a, 30, 300, "R - eye(10) * a[:, :, None]"),
    "a multiple": (3 * _a * _delta("i", "j") - _R, 60, 300, "3 * eye(10) * a[:, :, None] - R"),
    "the identity": (_R + _delta("i", "j"), 30, 300, "R + eye(10)"),
    "a number of identities": (_R - 2 * _delta("i", "j"), 30, 300, "R - 2 * eye(10)"),
    "two terms": (_R + _delta("i", "j") * (_a + 2), 60, 330, "R + eye(10) * (a[:, :, None] + 2)"),
    "blocks": (_T + _delta("i", "j") * _A, 490, 4900, "T + einsum('ij,ikl->ijkl', eye(10), A)"),
    "one block": (_T + _delta("i", "j") * _C, 490, 4900, "T + einsum('ij,kl->ijkl', eye(10), C)"),
    "two deltas": (
        _T - 2 * _delta("i", "j") * _delta("k", "l", "m") * _B,
        140,
        4900,
        "T - 2 * einsum('ij,kl,ik->ijkl', eye(10), eye(7), B)",
    ),
    "nothing but deltas": (
        _T + _delta("i", "j") * _delta("k", "l", "m"),
        70,
        4900,
        "T + einsum('ij,kl->ijkl', eye(10), eye(7))",
    ),
    "three equal edges": (
        _P + _delta("i", "j") * _delta("j", "k") * _x,
        10,
        1000,
        "P + einsum('ij,jk,i->ijk', eye(10), eye(10), x)",
    ),
    "different deltas": (
        _T + _delta("i", "j") * _A + _delta("k", "l", "m") * tg.Variable("E", i="n", j="n", k="m"),
        490 + 700,
        4900,
        "T + einsum('ij,ikl->ijkl', eye(10), A) + einsum('kl,ijk->ijkl', eye(7), E)",
    ),
    "a product": (F.dot(_M, _N, "k") + _delta("i", "j") * _x, 1400 + 10, 100, "M @ N + eye(10) * x"),
    "a function": (
        F.exp(_T) + _delta("i", "j") * _A,
        4900 + 490,
        9800,
        "exp(T) + einsum('ij,ikl->ijkl', eye(10), A)",
    ),
    "the diagonal itself": (_R * _delta("i", "j") + _R, 30, 300, "R * eye(10) + R"),
    "a broadcast term": (_a + _delta("i", "j") * _x, 30, 300, "a[:, :, None] + eye(10) * x"),
}


def _plan(e: tg.Tensor) -> tg.Plan:
    return tg.optimize(e, {symbol: n for symbol, n in SIZES.items() if f"='{symbol}'" in repr(e)})


PLANS: dict[str, tg.Plan] = {}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[tg.Plan, int, int, str]:
    """A sum, planned once for all tests."""
    name = request.param
    if name not in PLANS:
        PLANS[name] = _plan(CASES[name][0])
    return PLANS[name], *CASES[name][1:]


def _arrays(plan: tg.Plan) -> dict[str, Any]:
    random = np.random.default_rng(0)
    return {v.name: random.standard_normal(plan.program.shape(v.name)) for v in plan.inputs}


class _Changed(np.ndarray[Any, Any]):
    """An array with the part of JAX's interface that NumPy lacks: `a.at[places].add(b)`."""

    @property
    def at(self) -> Any:
        def view(places: Any) -> Any:
            def made(change: Any) -> Any:
                new = self.copy()
                change(new)
                return new

            return SimpleNamespace(
                add=lambda b: made(lambda new: np.add.at(new, places, b)),
                set=lambda b: made(lambda new: new.__setitem__(places, b)),
            )

        return type("At", (), {"__getitem__": lambda _, places: view(places)})()


def _jax(source: str, arrays: dict[str, Any]) -> Any:
    """What source for JAX computes, with NumPy in the place of `jax.numpy`."""
    namespace: dict[str, Any] = {}
    numpy = SimpleNamespace(**{**vars(np), "broadcast_to": partial(np.broadcast_to, subok=True)})
    with patch.dict(sys.modules, {"jax": SimpleNamespace(numpy=numpy), "jax.numpy": numpy}):
        exec(source, namespace)
    return namespace["plan"](**{name: array.view(_Changed) for name, array in arrays.items()})


def test_a_term_on_a_diagonal_costs_the_entries_there(case: tuple[tg.Plan, int, int, str]) -> None:
    """A sum costs that of its dense terms and an addition for each entry on diagonals (and its multiple)."""
    plan, flops, _, _ = case
    assert plan.flops == flops


def test_a_term_on_a_diagonal_is_never_an_array(case: tuple[tg.Plan, int, int, str]) -> None:
    """A sum holds itself and what its dense terms hold; no identity and no dense product is in any source."""
    plan, _, peak, _ = case
    assert plan.peak_elements == peak
    for backend in ("torch", "numpy", "jax", "opt_einsum"):
        source = plan.code(backend, comments=False)
        assert "eye" not in source
        assert "diag_embed" not in source


@pytest.mark.parametrize("backend", ["torch", "numpy", "opt_einsum", "jax"])
def test_sums_are_what_numpy_says(case: tuple[tg.Plan, int, int, str], backend: str) -> None:
    """Each library's source gives what the formula gives multiplied out, and leaves arguments alone."""
    plan, *_, formula = case
    arrays = _arrays(plan)
    wanted = eval(formula, {"eye": np.eye, "einsum": np.einsum, "exp": np.exp, **arrays})
    given = {name: array.copy() for name, array in arrays.items()}
    if backend == "torch":
        torch = pytest.importorskip("torch")
        found = plan(**{name: torch.from_numpy(array) for name, array in given.items()}).numpy()
    elif backend == "jax":
        found = _jax(plan.code("jax"), given)
    else:
        found = plan.function(backend)(*(given[v.name] for v in plan.inputs if plan.program.readers(v.name)))
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)
    for name, array in arrays.items():
        np.testing.assert_array_equal(given[name], array)


def test_derivations_lead_to_the_sum_on_the_diagonal(case: tuple[tg.Plan, int, int, str]) -> None:
    """The account of a plan ends with what it costs, each step confirmed."""
    plan, flops, _, _ = case
    found = plan.explain()
    assert found.flops == flops
    assert "NOT CONFIRMED" not in str(found)


def test_files_keep_the_price() -> None:
    """A plan that was saved costs what it cost, and computes the same."""
    plan = _plan(CASES["two deltas"][0])
    again = tg.Plan.from_json(plan.to_json())
    arrays = _arrays(plan)
    assert (again.flops, again.peak_elements) == (plan.flops, plan.peak_elements)
    np.testing.assert_array_equal(again(**arrays), plan(**arrays))


def test_the_hessian_of_cross_entropy_is_one_outer_product() -> None:
    """Softmax cross-entropy of n logits has a Hessian for n² flops and a few n; sums of it too."""
    z, t = tg.Variable("z", ["i"]), tg.Variable("t", ["i"])
    loss = F.cross_entropy(z, t, "i")
    n = 200
    for e, extra in ((loss, 6), (loss + F.sum(t * z**3), 12)):
        plan = tg.optimize(tg.hessian(e, z), {"i": n})
        assert n * n < plan.flops <= n * n + extra * n
        plan.check()


@pytest.mark.parametrize("scale", [1.0, 30.0, 80.0])
def test_what_is_left_to_one_keeps_its_digits(scale: float) -> None:
    """Next to p = 1 the diagonal p (1 - p) of a softmax has as many digits as the other entries."""
    z, t = tg.Variable("z", b="b", i="i"), tg.Variable("t", b="b", i="i")
    arrays = {"z": np.random.default_rng(1).standard_normal((4, 6)) * scale, "t": np.full((4, 6), 0.5)}
    e = np.exp(arrays["z"] - arrays["z"].max(1, keepdims=True))
    p = e / e.sum(1, keepdims=True)
    others = (e[:, None, :] * (1 - np.eye(6))).sum(2) / e.sum(1, keepdims=True)
    one = 3.0 * (
        np.einsum("bi,ij->bij", p * others, np.eye(6)) - np.einsum("bi,bj,ij->bij", p, p, 1 - np.eye(6))
    )
    wanted = np.einsum("bij,bc->bicj", one, np.eye(4))
    plan = tg.optimize(tg.hessian(F.cross_entropy(z, t, "i"), z), {"b": 4, "i": 6})
    found = plan(**{name: array.astype(np.float32) for name, array in arrays.items()})
    sound = np.abs(wanted) > 1e-30
    np.testing.assert_allclose(found[sound], wanted[sound], rtol=2e-5)


def test_nothing_spreads_from_a_diagonal() -> None:
    """What is no number on a diagonal is none there, and the rest is as it was."""
    x, R = tg.Variable("x", i="n"), tg.Variable("R", i="n", j="n")
    plan = tg.optimize(R + _delta("i", "j") * F.log(x), {"n": 3})
    with np.errstate(divide="ignore"):
        found = plan(R=np.ones((3, 3)), x=np.array([0.0, 1.0, 2.0]))
    np.testing.assert_array_equal(found, np.ones((3, 3)) + np.diag([-np.inf, 0.0, np.log(2.0)]))

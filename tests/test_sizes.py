"""Sizes: numbers, symbols, names of edges; what is no size; zero and one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import tensorgrad_eg as tg
from tensorgrad_eg import functions as F
from tensorgrad_eg.errors import MissingSizeError, NumberError, SizeError, UnknownEdgeError
from tensorgrad_eg.verify import evaluate

x, W = tg.Variable("x", ["n"]), tg.Variable("W", ["n", "k"])


@pytest.mark.parametrize(
    ("e", "value"),
    [
        (F.sum(F.sum(tg.Variable("B", k=4)).grad(tg.Variable("B", k=4))), 4.0),
        (F.sum(tg.Variable("B", k=4) ** 0), 4.0),
        (F.logsumexp(tg.Variable("B", k=4) ** 0, "k"), np.log(4) + 1),
        (F.mean(tg.Variable("B", k=4) ** 0 + F.sum(tg.Variable("B", k=4)), "k"), 11.0),
    ],
)
def test_an_edge_whose_size_is_a_number(e: tg.Tensor, value: float) -> None:
    """What an edge of size 4 contributes is 4: in plans, in structured ones, in what simplify returns."""
    arrays = {"B": np.array([1.0, 2.0, 3.0, 4.0])}
    assert float(tg.optimize(e)(**arrays)) == pytest.approx(value, rel=1e-12)
    assert float(tg.optimize(e, structured=True)(**arrays).dense()) == pytest.approx(value, rel=1e-12)
    assert float(evaluate(e.simplify(), arrays)) == pytest.approx(value, rel=1e-12)


def test_a_size_that_only_an_identity_has() -> None:
    """A size symbol that occurs on no variable can be given, must be given, and counts."""
    e = F.trace(x * tg.delta("i", "j", size="m"), "i", "j")
    assert tg.optimize(e, {"n": 3, "m": 2})(x=np.ones(3)).tolist() == [2.0, 2.0, 2.0]
    with pytest.raises(MissingSizeError, match="no size is given for: m"):
        tg.optimize(e, {"n": 3})


def test_a_size_by_the_name_of_an_edge() -> None:
    """The name of an edge stands for its size symbol, unless edges of that name have different ones."""
    A = tg.Variable("A", i="n", k="m")
    assert tg.optimize(A.sum(), {"i": 3, "k": 4}).sizes == {"n": 3, "m": 4}
    assert tg.optimize(A.sum(), {"i": 3, "m": 4}).resize({"i": 5}).sizes == {"n": 5, "m": 4}
    with pytest.raises(
        SizeError, match="'i' has size 3 but 'n' has size 4, and both are the size symbol 'n'"
    ):
        tg.optimize(A.sum(), {"i": 3, "n": 4, "m": 2})
    with pytest.raises(UnknownEdgeError, match="edges named 'i' have different sizes: n, q"):
        tg.optimize(A.sum() + tg.Variable("y", i="q").sum(), {"i": 3})
    with pytest.raises(UnknownEdgeError, match="edge 'k' has the size 4 already"):
        tg.optimize(tg.Variable("B", k=4).sum(), {"k": 4})


@pytest.mark.parametrize(
    ("size", "fix"),
    [
        (-1, 10), (1.5, 10), ("3", 3), (b"3", 3), (True, 10), (None, 10), (float("nan"), 10),
        (float("inf"), 10), (1j, 10), ([3], 10), (3.0, 3), (np.float64(2), 2), (np.array([1, 2]), 10),
    ],
)  # fmt: skip
def test_what_is_no_size_is_refused_by_name(size: Any, fix: int) -> None:
    """A size that is no count is named with what to write, by optimize and by resize."""
    plan = tg.optimize(x.sum(), {"n": 3})
    for call in (lambda: tg.optimize(x.sum(), {"n": size}), lambda: plan.resize({"n": size})):
        with pytest.raises(NumberError) as caught:
            call()
        assert str(caught.value) == (
            f"size n={size!r}: a size is an integer, 0 or more. "
            f"Write the number of entries, as in sizes={{'n': {fix}}}."
        )


def test_integers_of_numpy_are_sizes() -> None:
    """An integer is a size whatever its type."""
    assert tg.optimize(x.sum(), {"n": np.int32(3)}).sizes == {"n": 3}
    with pytest.raises(NumberError, match="sizes=5: sizes are a dict"):
        tg.optimize(x.sum(), 5)  # type: ignore[arg-type]
    with pytest.raises(NumberError, match="no array has more than"):
        tg.optimize(x.sum(), {"n": 10**30})


_EDGE = {
    "sum": x.sum(),
    "mean": F.mean(x, "n"),
    "mean of a sum": F.mean(F.sum(W, "k"), "n"),
    "gradient of a mean": (F.mean(W, "n") ** 2).sum().grad(W),
    "softmax": F.softmax(W, "n"),
    "softmax of all": F.softmax(W, "n", "k"),
    "sum of a softmax": F.sum(F.softmax(W, "n"), "n"),
    "log-sum-exp": F.logsumexp(W, "n"),
    "gradient of a log-sum-exp": (F.logsumexp(W, "n") ** 2).sum().grad(W),
    "Hessian": tg.hessian((x**3).sum(), x),
    "cross entropy": F.cross_entropy(W, tg.Variable("Y", ["n", "k"]), "k"),
}


@pytest.mark.parametrize("name", _EDGE)
@pytest.mark.parametrize("n", [0, 1])
def test_sizes_zero_and_one(name: str, n: int) -> None:
    """With no entry, or one, along an edge results are what torch makes of the same formula."""
    torch = pytest.importorskip("torch")
    e = _EDGE[name]
    sizes = {symbol: size for symbol, size in {"n": n, "k": 2}.items() if symbol in str(e)}
    plan = tg.optimize(e, sizes)
    random = np.random.default_rng(0)
    arrays = {
        v.name: random.uniform(0.5, 1.5, plan.program.shape(v.name)) for v in plan.inputs if v.name in str(e)
    }
    X, Y = (torch.tensor(arrays[k], requires_grad=True) if k in arrays else None for k in "WY")
    v = torch.tensor(arrays["x"], requires_grad=True) if "x" in arrays else None

    def grad(value: Any) -> Any:
        return torch.autograd.grad(value, X)[0]

    right = {
        "sum": lambda: v.sum(),
        "mean": lambda: v.mean(),
        "mean of a sum": lambda: X.sum(1).mean(),
        "gradient of a mean": lambda: grad((X.mean(0) ** 2).sum()),
        "softmax": lambda: torch.softmax(X, 0),
        "softmax of all": lambda: torch.softmax(X.flatten(), 0).reshape(X.shape),
        "sum of a softmax": lambda: torch.softmax(X, 0).sum(0),
        "log-sum-exp": lambda: torch.logsumexp(X, 0),
        "gradient of a log-sum-exp": lambda: grad((torch.logsumexp(X, 0) ** 2).sum()),
        "Hessian": lambda: torch.diag(6 * v),
        "cross entropy": lambda: -(Y * torch.log_softmax(X, 1)).sum(1),
    }[name]()
    if isinstance(right, torch.Tensor):
        right = right.detach().numpy()
    with np.errstate(all="ignore"):  # a mean of nothing is 0/0, and says so
        found = [plan(**arrays), plan(**{k: torch.tensor(a) for k, a in arrays.items()}).numpy()]
    for value in found:
        if name == "cross entropy":
            value, right = np.sum(value), np.sum(right)
        np.testing.assert_allclose(value, right, rtol=1e-12)


def test_a_plan_for_no_entries_resizes_to_some() -> None:
    """What holds for positive sizes alone is not used where a size is zero, before a resize and after."""
    e = F.sum(F.softmax(W, "n"), "n")
    plan = tg.optimize(e, {"n": 3, "k": 2})
    assert plan(W=np.ones((3, 2))).tolist() == [1.0, 1.0]
    none = plan.resize({"n": 0})
    assert none(W=np.ones((0, 2))).tolist() == [0.0, 0.0]
    assert none.resize({"n": 2})(W=np.ones((2, 2))).tolist() == [1.0, 1.0]


def test_softmax_and_log_sum_exp_along_an_edge_without_change() -> None:
    """Along an edge of size n that nothing depends on a softmax is 1/n, and a log-sum-exp adds log n."""
    y, B = tg.Variable("y", ["n"]), tg.Variable("B", i="n", k="n")
    assert np.allclose(tg.optimize(F.softmax(y - y, "n"), {"n": 3})(), np.full(3, 1 / 3), rtol=1e-15)
    assert float(tg.optimize(F.logsumexp(F.sum(y).grad(y), "n"), {"n": 3})()) == pytest.approx(np.log(3) + 1)
    e, hot = F.logsumexp(F.sum(B, "i"), "k"), [tg.assume.one_hot(B, "i")]
    assert float(tg.optimize(e, {"n": 3}, assume=hot)()) == pytest.approx(np.log(3) + 1)
    assert float(tg.optimize(e.grad(B).sum(), {"n": 3})(B=np.eye(3))) == pytest.approx(3.0)


def test_softmax_along_an_edge_of_size_one_or_none() -> None:
    """A softmax along an edge of size one is one; along an edge of size zero it has no entries."""
    z = tg.Variable("z", j="m", i="n")
    wanted = [F.softmax(z, "j"), F.softmax(z, "j").grad(z), z - F.logsumexp(z, "j")]
    plan = tg.optimize(wanted, {"m": 1, "n": 1})
    one, slope, log = plan(z=np.array([[3.0]]))
    assert (one.item(), slope.item(), log.item()) == (1.0, 0.0, 0.0)
    empty = tg.optimize(z - F.logsumexp(z, "j"), {"m": 0, "n": 2})
    assert empty(z=np.zeros((0, 2))).shape == (0, 2)
    assert empty.function("torch")(torch.zeros((0, 2))).shape == (0, 2)


@pytest.mark.parametrize("effort", [float("inf"), float("nan"), -1, "1", None, True])
def test_what_is_no_effort_is_refused(effort: Any) -> None:
    """An effort is a finite number from 0 on; the message says so."""
    with pytest.raises(NumberError, match=f"effort={effort!r} is no effort: write a finite number"):
        tg.optimize(x.sum(), {"n": 3}, effort=effort)
    with pytest.raises(NumberError, match="seed=-1 is no seed"):
        tg.optimize(x.sum(), {"n": 3}, seed=-1)

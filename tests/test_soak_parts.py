"""The soak run itself: its reference is right, its problems are the same everywhere, and it finds faults."""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from soak import pool, trial
from soak.__main__ import main
from soak.judge import Failure, wrong
from soak.pointwise import derivatives, from_tanh
from soak.problems import Problem, problem
from soak.reference import expected
from soak.report import script
from soak.shrink import shrunk

import tensorgrad_eg as tg
from tensorgrad_eg import functions as F
from tensorgrad_eg.expr import Scale, postorder

A, x, v = tg.Variable("A", i="n", j="n"), tg.Variable("x", ["n"]), tg.Variable("v", ["n"])
_RANDOM = np.random.default_rng(0)
ARRAYS = {
    "A": _RANDOM.uniform(-1, 1, (3, 3)),
    "x": _RANDOM.uniform(0.5, 1, 3),
    "v": _RANDOM.uniform(-1, 1, 3),
}


def value(e: tg.Tensor) -> Any:
    """What the reference says."""
    return expected([e], ARRAYS, {"n": 3}).values[0]


def test_derivatives_are_those_of_autograd() -> None:
    """Hessians, third derivatives and products with vectors equal what torch makes of the same formula."""
    torch = pytest.importorskip("torch")
    a, w, along = (torch.from_numpy(ARRAYS[name]) for name in "Axv")

    def f(w: Any) -> Any:
        scores = torch.softmax(a * torch.sin(w)[None, :], 0) * torch.erf(w)[:, None]
        return (scores.sum(1) * torch.tanh(w)).sum() + torch.logsumexp(w**-1.5, 0)

    scores = F.softmax(A * F.sin(x.rename(n="j")), "i") * F.erf(x.rename(n="i"))
    e = F.sum(F.sum(scores, "j") * F.tanh(x.rename(n="i"))) + F.logsumexp(x ** (-1.5), "n")
    hessian = torch.func.hessian(f)
    assert value(e) == pytest.approx(f(w).item(), rel=1e-13)
    assert value(tg.hessian(e, x)) == pytest.approx(hessian(w).numpy(), rel=1e-11)
    assert value(tg.hessian(e, x).grad(x)) == pytest.approx(torch.func.jacrev(hessian)(w).numpy(), rel=1e-10)
    assert value(tg.hvp(e, x, v)) == pytest.approx((hessian(w) @ along).numpy(), rel=1e-11)


SMOOTH = (
    *("exp", "log", "tanh", "sigmoid", "softplus", "sin", "cos", "erf", "tan", "arctan", "sinh", "cosh"),
    *("expm1", "log1p", "lgamma", "digamma", "arcsin", "arccos"),
)


@pytest.mark.parametrize("function", SMOOTH)
def test_slopes_are_slopes(function: str) -> None:
    """Each derivative in the table is the difference quotient of the one before it."""
    at, h = np.linspace(0.2, 0.6 if function.startswith("arc") else 1.4, 7), 1e-5
    for order in range(4):
        up, down = derivatives(function, at + h, order), derivatives(function, at - h, order)
        assert derivatives(function, at, order + 1) == pytest.approx(
            (up - down) / (2 * h), rel=1e-6, abs=1e-6
        )


def test_a_true_zero_may_be_as_far_off_as_its_terms_are_rounded() -> None:
    """The gradient of a sum that is one by definition is zero give or take rounding, and no more."""
    e = expected([F.sum(F.softmax(100 * x, "n")).grad(x)], ARRAYS, {"n": 3})
    assert np.abs(e.values[0]).max() <= 1e-12
    assert wrong([np.array([4e-13, -4e-13, 0.0])], e) == ""
    assert "right" in wrong([np.full(3, 1e-10)], e)


@pytest.mark.parametrize(("found", "fine"), [(np.inf, True), (np.nan, True), (0.0, False), (1.0, False)])
def test_a_pole_is_no_ordinary_number(found: float, fine: bool) -> None:
    """Where the definition divides by zero, zero is a wrong answer."""
    e = expected([1 / (x - x)], ARRAYS, {"n": 3})
    assert (wrong([np.full(3, found)], e) == "") is fine


def test_a_product_of_zeros_may_be_as_far_off_as_the_terms_are_rounded() -> None:
    """What is left of a mean adds up to zero, and so does its slope: rounding is that of their terms."""
    left = x - F.mean(x)
    e = expected([F.sum(left * left.rename(n="m")).grad(x)], ARRAYS, {"n": 3})
    assert wrong([np.zeros(3)], e) == wrong([np.full(3, 2e-16)], e) == ""
    assert "right" in wrong([np.full(3, 1e-10)], e)


def test_what_is_zero_but_for_rounding_has_no_logarithm_to_compare() -> None:
    """log(A/A - (A/A)ᵀ) is that of a rounding error, or -∞; where terms do not cancel it is compared."""
    ratio = A / A
    zero = ratio - ratio.rename(i="j", j="i")
    assert wrong([np.full((3, 3), -36.0)], expected([F.log(zero)], ARRAYS, {"n": 3})) == ""
    assert wrong([np.full((3, 3), 9e15)], expected([1 / (zero + 1e-17 * A)], ARRAYS, {"n": 3})) == ""
    assert "right" in wrong([np.zeros(3)], expected([F.log(1e-17 * x)], ARRAYS, {"n": 3}))


def test_saturated_slopes_may_be_as_far_off_as_libraries_have_them() -> None:
    """At x = 12 the slope of tanh made of 1 - tanh² has six digits, which is fine; half of it is not."""
    arrays = {"x": np.array([12.0, 1.0, 0.5])}
    e = expected([F.sum(F.tanh(x)).grad(x)], arrays, {"n": 3})
    assert e.values[0][0] == pytest.approx(np.cosh(12.0) ** -2, rel=1e-12)
    assert wrong([1 - np.tanh(arrays["x"]) ** 2], e) == ""
    assert "right" in wrong([np.array([0.0, 0.5, 0.5]) * e.values[0] + 1e-11], e)
    for order in range(4):
        at = np.linspace(-1, 1, 5)
        assert from_tanh(np.tanh(at), order) == pytest.approx(derivatives("tanh", at, order), abs=1e-14)


def test_what_is_infinite_has_no_derivative() -> None:
    """1/relu(x) is infinite for x < 0, so the data are no test of it; of relu(x) the slope there is 0."""
    arrays = {"x": np.array([-1.0, 1.0, 2.0])}
    inverse, plain = (
        expected([e.grad(x)], arrays, {"n": 3}) for e in (F.sum(1 / F.relu(x)), F.sum(F.relu(x)))
    )
    assert not inverse.finite
    assert wrong([np.array([np.nan, -1.0, -0.25])], inverse) == ""
    assert plain.values[0].tolist() == [0.0, 1.0, 1.0]
    assert "right" in wrong([np.array([7.0, 1.0, 1.0])], plain)


def test_source_that_reads_no_array_is_told_the_dtype() -> None:
    """The Hessian of x·x / 3 reads nothing: its torch source makes float32 unless told, and is told."""
    p = Problem(
        (tg.hessian(x @ x / 3, x),), "tensor", {"n": 2}, {"effort": 0}, ("torch", "opt_einsum"), seed=(0, 1)
    )
    assert trial.trial(p).failures == []


def test_what_is_simplified_is_compared_at_the_same_data() -> None:
    """The slope of log x is 1/x, which has values where log x has none: that is no failure."""
    p = Problem((F.sum(F.log(x)).grad(x),), "tensor", {"n": 3}, {"effort": 0}, ("simplify",))
    assert trial.trial(p).failures == []


def test_problems_are_the_same_everywhere() -> None:
    """The first problems of a seed are these, on every machine and in every version of Python."""
    text = "\n".join(repr(problem(0, n)) for n in range(40))
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "45395f1c7b99a788"


def test_problems_are_of_every_kind() -> None:
    """A few hundred problems have every function, node, option, fact and extra in them."""
    found = [problem(0, n) for n in range(400)]
    nodes = {type(node).__name__ for p in found for node in postorder(p.wanted)}
    assert nodes >= {"Delta", "Extent", "LogSumExp", "Softmax", "Power", "Tangent", "Derivative", "Rename"}
    functions = {getattr(node, "function", None) for p in found for node in postorder(p.wanted)}
    assert functions >= {"exp", "log", "tanh", "sigmoid", "relu", "step", "softplus", "sin", "erf", "sign"}
    assert {option for p in found for option in p.options} >= {"effort", "structured", "symmetric", "extract"}
    assert {fact.kind for p in found for fact in p.facts} >= {
        "symmetric",
        "positive",
        "one_hot",
        "sums_to_one",
    }
    assert {extra for p in found for extra in p.extras} == set(trial._EXTRAS)
    assert {0, 1, 2, 3, 4} == {size for p in found for size in p.sizes.values()}


def test_a_wrong_plan_is_found_and_made_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planner that forgets a factor is caught, and what is printed is little more than that factor."""
    honest = trial.planned

    def forgetful(p: Problem) -> tg.Plan:
        wanted = tuple(e.arg if isinstance(e, Scale) else e for e in p.wanted)
        return honest(replace(p, wanted=wanted))

    monkeypatch.setattr(trial, "planned", forgetful)
    e = 3 * F.sum(F.tanh(A) @ F.sin(x).rename(n="j"))
    found = trial.trial(Problem((e,), "tensor", {"n": 3}, {"effort": 0}, ()))
    assert [failure.kind for failure in found.failures] == ["wrong"]

    def fails(p: Problem) -> bool:
        return any(failure.kind == "wrong" for failure in trial.trial(p).failures)

    small = shrunk(Problem((e,), "tensor", {"n": 3}, {"effort": 0}, ()), fails)
    assert str(small.wanted[0]) in ("3 1", "3 w")
    assert "# right: " in script(small, found.failures[0])


def test_scripts_run() -> None:
    """What is printed for a failure runs as it is, in an empty file."""
    p = problem(0, 3)
    for stage in ("call", "print", "explain", "check", "resize", "save"):
        exec(script(p, Failure("wrong", stage, "…")), {})


def test_errors_warnings_and_losses_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """A raw error, an error of the package, and a plan that costs too much: each is its own kind."""
    p = Problem((x * x,), "tensor", {"n": 2}, {"effort": 0}, ())

    def kinds(act: Any) -> list[str]:
        monkeypatch.setattr(trial, "planned", act)
        return [failure.kind for failure in trial.trial(p).failures]

    def raw(_: Problem) -> Any:
        raise KeyError("n")

    def slow(_: Problem) -> Any:
        end = time.process_time() + 0.8
        while time.process_time() < end:
            pass
        return dear(p)

    def dear(_: Problem) -> tg.Plan:
        plan = tg.optimize(x * x, {"n": 2}, effort=0)
        plan._baseline = 1
        return plan

    monkeypatch.setattr(trial, "SECONDS", 0.1)
    assert kinds(raw) == ["raw error"]
    assert kinds(lambda _: tg.optimize(x * x, {})) == ["refused"]
    assert kinds(dear) == ["above baseline"]
    assert kinds(slow) == ["over time", "above baseline"]


def test_a_problem_that_hangs_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that gives no answer is ended and reported, and the next problem gets another process."""
    monkeypatch.setattr(pool, "wait", lambda *_, **__: [])  # nobody waits for the answer
    with pool.Pool(1, hang=-1.0) as hasty:
        (_, outcome), *_ = hasty.outcomes([(0, (0, 0))])
    assert [failure.kind for failure in outcome.failures] == ["hang"]


def test_it_runs_as_a_program(capsys: pytest.CaptureFixture[str]) -> None:
    """One problem, in a process of its own: the table says that nothing failed, and so does the status."""
    assert main(["--only", "3", "--jobs", "1"]) == 0
    assert "1 problems, 0 failures" in capsys.readouterr().out

"""A plan is compared with its expressions before it is returned: wrong ones are refused, right ones never."""

from __future__ import annotations

import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import tensorgrad_eg as tg
from tensorgrad_eg import functions as F
from tensorgrad_eg.errors import CheckError, WrongPlanError
from tensorgrad_eg.expr import POINTWISE
from tensorgrad_eg.expr.walk import symbols
from tensorgrad_eg.verify.evaluate import small_sizes
from tensorgrad_eg.verify.known import SLOPES

x, y, A = tg.Variable("x", ["n"]), tg.Variable("y", ["n"]), tg.Variable("A", ["b", "k"])
X, W = tg.Variable("X", ["b", "i"]), tg.Variable("W", ["i", "h"])


def unsound(tmp_path: Path, text: str) -> list[str]:
    """A rule file with one wrong rule."""
    path = tmp_path / "wrong.egg"
    path.write_text(text, encoding="utf-8")
    return [str(path)]


def test_an_unsound_rule_of_the_search_is_refused_and_named(tmp_path: Path) -> None:
    """The error names the rule, the smallest part that it spoils, and has the right program, which runs."""
    rules = unsound(
        tmp_path, '(rewrite (apply "tanh" a) (scale $2 a) :ruleset search :name "tanh is twice its argument")'
    )
    e = F.sum(y * (F.tanh(x) + F.exp(x)))
    with pytest.raises(WrongPlanError) as caught:
        tg.optimize({"value": e}, {"n": 1000}, rules=rules)
    error = caught.value
    assert "the plan for value is wrong: it differs by" in str(error)
    assert error.where == "tanh(x[n])"
    assert error.rules == ('wrong.egg:1 "tanh is twice its argument"',)
    assert isinstance(error.fallback, tg.Plan)
    assert isinstance(error, CheckError | AssertionError)
    data = np.random.default_rng(0).standard_normal((2, 1000))
    right = np.sum(data[1] * (np.tanh(data[0]) + np.exp(data[0])))
    np.testing.assert_allclose(error.fallback(x=data[0], y=data[1])["value"], right, rtol=1e-12)


def test_an_unsound_rule_of_differentiation_leaves_no_program(tmp_path: Path) -> None:
    """Where the start is wrong as well nothing is offered, and the error says so."""
    rules = unsound(
        tmp_path,
        '(rewrite (power a (bigrat (bigint 5) (bigint 1))) (scale $2 a) :ruleset recognise :name "fifth")',
    )
    with pytest.raises(
        WrongPlanError, match=r'rules involved are: wrong\.egg:1 "fifth".*no program is right'
    ) as caught:
        tg.optimize(F.sum(x**5).grad(x), {"n": 7}, rules=rules)
    assert caught.value.fallback is None


CONTRADICTORY = (
    '(rule ((= a (apply f b)) (= c (apply g d))) ((union (apply f d) a)) :ruleset search :name "pairs")'
)


@pytest.mark.parametrize("verify", [True, False])
def test_tensors_of_different_edges_that_are_made_one(verify: bool, tmp_path: Path) -> None:
    """Where a rule leaves no program at all the error names it, whether plans are verified or not."""
    rules = unsound(tmp_path, CONTRADICTORY)
    W = tg.Variable("W", n="n", m="n")
    e = F.tanh(F.tanh(F.tanh(x @ W).rename(m="n") @ W).rename(m="n") @ W)
    with pytest.raises(WrongPlanError, match=r'edges were made one.* involved are: wrong\.egg:1 "pairs"'):
        tg.optimize(F.sum(e + F.sin(x).rename(n="m")).grad(W), {"n": 5}, rules=rules, verify=verify)


def test_who_it_was_is_looked_for_while_there_is_time(tmp_path: Path) -> None:
    """Rules that go in circles and are wrong end in the time for the plan, a fifth more and half a second."""
    rules = unsound(
        tmp_path,
        '(rewrite (apply "sin" a) (apply "cos" a) :ruleset substitute :name "there")\n'
        '(rewrite (apply "cos" a) (apply "sin" a) :ruleset substitute :name "back")',
    )
    W = tg.Variable("W", n="n", m="n")
    e = F.sum(F.sin(x @ W) * F.cos(x.rename(n="m"))).grad(x)
    tg.optimize(e, {"n": 5})  # what is loaded once is no time of this plan
    begun = time.process_time()
    with pytest.raises(WrongPlanError, match=r'wrong\.egg:\d "(there|back)"'):
        tg.optimize(e, {"n": 5}, rules=rules, seconds=2)
    assert time.process_time() - begun < 2 * 1.2 + 0.5


def test_verify_false_returns_what_was_found(tmp_path: Path) -> None:
    """Without the check the wrong plan is returned; `check()` refuses it."""
    rules = unsound(tmp_path, '(rewrite (apply "tanh" a) a :ruleset search :name "no tanh")')
    plan = tg.optimize(F.tanh(x), {"n": 3}, rules=rules, verify=False)
    with pytest.raises(CheckError):
        plan.check()


def test_a_rule_that_is_wrong_for_other_sizes_only(tmp_path: Path) -> None:
    """The check is made at sizes of its own, different for every symbol: n = 3 by chance is found."""
    rules = unsound(
        tmp_path,
        '(rewrite (extent "n") (number (bigrat (bigint 3) (bigint 1))) :ruleset search :name "n is 3")',
    )
    with pytest.raises(WrongPlanError, match="n is 3"):
        tg.optimize(F.sum(F.sum(x).grad(x)) * y.sum(), {"n": 3}, rules=rules)


FINE = {
    "zero by cancellation": F.sum(F.softmax(F.exp(3 * x) * x, "n")).grad(x),
    "zero": (x - y) + (y - x),
    "logarithm of what is negative": F.log(x - 10).sum().grad(x),
    "logarithm of some": F.sum(x * F.log(x)).grad(x),
    "root of a negative number": F.sqrt(x - 3),
    "nothing finite": F.log(x - x - 1),
    "a jump at the point": F.sign(x * y - y * x) + F.step(x - x),
    "a kink at the point": F.sum(F.abs(x + y - x - y)).grad(x),
    "one over nothing": (x - x) ** -1,
    "large powers": F.sum(x**40 * y**-30).grad(x),
    "a fractional power": (x**2) ** Fraction(1, 3),
    "overflow": F.exp(F.exp(F.exp(3 * x + 4))),
    "a number": F.sqrt(tg.parse("0 - 1")) * x,
    "a norm's Hessian": tg.hessian(F.sqrt(F.frobenius2(x)), x),
    "second derivatives": tg.hessian(F.sum(F.softplus(F.erf(x) * F.gelu(x))), x),
    "a softmax's Hessian": tg.hessian(F.sum(F.log_softmax(A, "k") * A), A),
    "a Jacobian": tg.jacobian(F.layer_norm(X, "i"), X),
    "a tangent": tg.jvp(F.tanh(X @ W), X, X * X),
    "no variable": F.sum(x).grad(x),
    "many edges": tg.Variable("T", {f"e{i}": "d" for i in range(16)}) * 2,
    "sixty edges": tg.Variable("T", {f"e{i}": "d" for i in range(60)}) ** 2,
    "more edges than axes": tg.Variable("T", {f"e{i}": "d" for i in range(70)}) * 2,
    "a large integer size": F.sum(tg.Variable("B", k=10**9)),
}


@pytest.mark.parametrize("name", FINE)
def test_right_plans_are_never_refused(name: str) -> None:
    """Where results cancel, jump, overflow, or leave the domain of a function nothing is said to be wrong."""
    sizes = dict.fromkeys(symbols([FINE[name]]), 6)
    plan = tg.optimize(FINE[name], sizes)
    assert "wrong" not in plan.report.verified


@pytest.mark.parametrize(
    "option", [{"structured": True}, {"symmetric": True}, {"effort": 0}, {"assume": True}]
)
def test_every_kind_of_plan_is_compared(option: dict[str, object]) -> None:
    """Structured results, halves of symmetric ones, and facts: all are compared."""
    B = tg.Variable("B", i="n", j="n")
    if option.pop("assume", False):
        option["assume"] = [tg.assume.symmetric(B)]
    e = tg.hessian(F.frobenius2(B @ B.rename(i="j", j="k") - B.rename(j="k")), B)
    plan = tg.optimize(e, {"n": 3}, **option)  # type: ignore[arg-type]
    assert plan.report.verified.startswith("agrees with its expressions at ")


def test_small_sizes_are_all_different() -> None:
    """Two symbols never have one size where that is affordable, nor one symbol the same twice."""
    first, second = (next(small_sizes(dict.fromkeys("abcdefg", 100), number)) for number in (0, 1))
    assert len(set(first.values())) == len(set(second.values())) == 7
    assert all(first[symbol] != second[symbol] for symbol in first)


@pytest.mark.parametrize("function", sorted(POINTWISE))
def test_slopes_of_the_reference(function: str) -> None:
    """The derivative that plans are compared with is the limit of differences of the function itself."""
    assert set(SLOPES) == set(POINTWISE)
    t = tg.Variable("t", ["n"])
    from tensorgrad_eg.verify.slopes import Point

    at = np.array([0.3, 0.7, 0.9 if function in ("arcsin", "arccos") else 1.9])
    point = Point([F.sum(tg.expr.Apply(function, t)).grad(t)], {"n": 3}, {"t": at})
    f, h = POINTWISE[function].evaluate, 1e-5
    np.testing.assert_allclose(point.values[0], (f(at + h) - f(at - h)) / (2 * h), rtol=1e-7, atol=1e-9)

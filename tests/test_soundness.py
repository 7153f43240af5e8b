"""Checks that find what is wrong: unsound rules are named, wrong plans refused, wrong input explained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import tensorgrad_eg as tg
from tensorgrad_eg import Plan, Tensor, Variable
from tensorgrad_eg import functions as F
from tensorgrad_eg.egraph.derive import derive
from tensorgrad_eg.errors import (
    ArrayNameError,
    ArrayShapeError,
    CheckError,
    MissingSizeError,
    SizeError,
)
from tensorgrad_eg.rules import rule_files
from tensorgrad_eg.verify import (
    check_snapshot,
    evaluate,
    evaluate_all,
    inspect_snapshot,
    normal_forms,
    offending_rules,
    snapshots,
)

A, x, y = Variable("A", ["i", "k"]), Variable("x", ["k"]), Variable("y", ["i"])
SIZES = {"i": 3, "k": 4}

# ---- unsound rules

UNSOUND = {
    "exp of a sum": (
        '(rewrite (reduce m (apply "exp" a)) (apply "exp" (reduce m a))'
        ' :ruleset search :name "exp of a sum")',
        [F.exp(A).sum("k")],
        SIZES,
    ),
    "associativity without a look at captured names": (
        "(rewrite (contract m (contract k a b) c) (contract (set-union m k) a (contract $none b c))"
        ' :ruleset search :name "associativity without a look at captured names")',
        [(A @ x) * F.sin(x).rename(k="i").rename(i="k")],
        SIZES,
    ),
    "tanh is even": (
        '(rewrite (apply "tanh" (scale $-1 a)) (apply "tanh" a) :ruleset normalise :name "tanh is even")',
        [F.tanh(-x) * 2 + x],
        {"k": 4},
    ),
    "twice the cosine": (
        '(rewrite (slope "sin" a) (scale $2 (apply "cos" a))'
        ' :ruleset differentiate :name "twice the cosine")',
        [F.sum(F.sin(A @ x)).grad(x)],
        SIZES,
    ),
    "every number is its double": (
        '(rewrite (scale q a) (scale (* q $2) a) :ruleset sink :name "every number is its double")',
        [3 * (A @ x) + y],
        SIZES,
    ),
}


@pytest.fixture
def rule_file(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A file with one unsound rule and, around it, two sound ones."""
    path = tmp_path / "mine.egg"
    sound = (
        '(rewrite (apply "abs" (apply "abs" a)) (apply "abs" a) :ruleset search :name "abs of abs")',
        '(rewrite (apply "sin" (scale $-1 a)) (scale $-1 (apply "sin" a))'
        ' :ruleset search :name "sin is odd")',
    )
    path.write_text("\n".join([sound[0], UNSOUND[request.param][0], sound[1]]), encoding="utf-8")
    return path


def _everything_sound(expressions: list[Tensor], sizes: dict[str, int], rules: tuple[Path, ...]) -> bool:
    plan = tg.optimize(expressions, sizes, rules=rules, verify=False)
    every = snapshots(plan.search.derived, plan.search.searched)  # type: ignore[union-attr]
    return not any(check_snapshot(snapshot) for _, snapshot in every)


@pytest.mark.parametrize(("rule_file", "name"), [(n, n) for n in UNSOUND], indirect=["rule_file"])
def test_an_unsound_rule_is_named_with_a_counterexample(rule_file: Path, name: str) -> None:
    """The rule that is wrong is named, with its place and two numbers that differ; its neighbours are not."""
    _, expressions, sizes = UNSOUND[name]
    offences = offending_rules(expressions, sizes, [rule_file])
    assert [offence.rule.name for offence in offences] == [name]
    assert str(offences[0]).startswith(f'mine.egg:2: the rule "{name}" is unsound: ')
    assert "is wrong" in str(offences[0])


@pytest.mark.parametrize("rule_file", ["exp of a sum", "every number is its double"], indirect=True)
def test_an_unsound_rule_breaks_the_egraph(rule_file: Path, request: pytest.FixtureRequest) -> None:
    """An e-node that does not equal its class is found in the e-graph that the unsound rule made."""
    name = request.node.callspec.params["rule_file"]
    _, expressions, sizes = UNSOUND[name]
    assert _everything_sound(expressions, sizes, ())
    assert not _everything_sound(expressions, sizes, (rule_file,))


def test_a_plan_of_an_unsound_rule_is_refused(tmp_path: Path) -> None:
    """The check of a plan that an unsound rule made cheaper fails, and says by how much it is off."""
    path = tmp_path / "mine.egg"
    path.write_text(UNSOUND["exp of a sum"][0], encoding="utf-8")
    plan = tg.optimize(F.exp(A).sum("k"), {"i": 300, "k": 400}, rules=[path], verify=False)
    with pytest.raises(CheckError, match=r"result differs from the expression itself by .* \(relative\)"):
        plan.check()


def test_rules_of_the_project_offend_nobody() -> None:
    """Where nothing is wrong, no rule is named."""
    loss = F.frobenius2(F.tanh(A @ x) - y)
    assert offending_rules([loss.grad(x), loss.grad(x).grad(A)], SIZES) == []


def test_an_unsound_rule_of_the_project_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no further files, all rules that matched are tried: the wrong one is found among the rest."""
    for file in rule_files():
        text = file.text
        right = '(rewrite (scale $1 a) a :ruleset recognise :name "once")'
        if right in text:
            text = text.replace(right, right.replace("(scale $1 a)", "(scale $2 a)"))
        (tmp_path / file.name).write_text(text, encoding="utf-8")
    monkeypatch.setattr("tensorgrad_eg.rules.rule_folder", lambda: tmp_path)
    offences = offending_rules([2 * (A @ x) + y], SIZES)
    assert [offence.rule.name for offence in offences] == ["once"]


# ---- wrong plans


def _tampered(plan: Plan) -> Plan:
    """The plan with one number changed."""
    steps = tuple(
        replace(step, number=step.number + 1) if step.kind == "scale" and step.number is not None else step
        for step in plan.program.steps
    )
    return Plan(replace(plan.program, steps=steps), plan.structure, plan.baseline, search=plan.search)


def test_a_wrong_plan_is_refused() -> None:
    """A plan with a wrong factor in it fails its check, with the output and the reference named."""
    plan = tg.optimize({"loss": (A @ x).sum(), "gradient": F.frobenius2(A @ x).grad(x)}, SIZES)
    plan.check()
    with pytest.raises(CheckError, match=r"gradient differs from (torch autograd|exact derivatives)"):
        _tampered(plan).check()


def test_the_check_says_what_was_compared() -> None:
    """The report of a check tells the number of outputs, the reference, the error and the sizes."""
    text = str(tg.optimize([(A @ x).sum(), A @ x], SIZES).check())
    assert text.startswith("2 outputs agree with the expression itself to ")
    assert text.endswith("(relative) on random data, i=3, k=4")


def test_a_large_plan_is_checked_at_smaller_sizes() -> None:
    """Where the reference would take long, the plan is resized, and the report says so."""
    check = tg.optimize(F.frobenius2(A @ x).grad(A), {"i": 30_000, "k": 20_000}).check()
    assert check.resized
    assert "would take too long" in str(check)


def test_data_are_drawn_where_the_expression_is_finite() -> None:
    """Logarithms and roots of what can be negative are checked on positive data."""
    plan = tg.optimize([F.log(x).grad(x), F.sum(F.sqrt(x - 1)).grad(x)], {"k": 3})
    assert plan.check().error < 1e-12


def test_nothing_finite_cannot_be_checked() -> None:
    """An expression that is finite nowhere is not called right."""
    with pytest.raises(CheckError, match="no finite value on random data"):
        tg.optimize(F.log(-(x * x) - 1), {"k": 3}).check()


# ---- e-graphs


def test_what_is_not_finite_is_told_apart() -> None:
    """E-nodes without a finite value on any data are listed, and are no mismatch."""
    plan = tg.optimize(F.log(-F.exp(x)) + x, {"k": 3})
    check = inspect_snapshot(plan.search.egraph)  # type: ignore[union-attr]
    assert check.ok
    assert check.not_finite
    assert check.compared > 2


def test_normal_forms_equal_their_expressions() -> None:
    """The program that the derivation ends with is worth what the expressions are."""
    loss = F.logsumexp(A @ x, "i") + F.sum(F.gelu(x) / 3)
    wanted = [loss, loss.grad(x), tg.hessian(loss, x), tg.jvp(A @ x, x, x), tg.hvp(loss, x, x + 1)]
    for found, right in normal_forms(derive(wanted, SIZES), wanted):
        np.testing.assert_allclose(found, right, rtol=1e-10, atol=1e-12)


# ---- the reference itself


def _derivatives() -> list[Tensor]:
    z = F.tanh(A @ x) - y
    loss = F.sum(F.exp(z) * F.softmax(z, "i")) + F.logsumexp(x, "k") + F.sum(F.gelu(y)) + F.mean(F.erf(y))
    first = [loss.grad(x), z.grad(A), tg.jvp(z, x, x), tg.vjp(z, A, y)]
    second = [loss.grad(x).grad(A), tg.hvp(loss, x, x + 1), loss.grad(x).grad(x)]
    return [*first, *second, loss.grad(x).grad(A).grad(y)]


def _data() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {"A": random.normal(size=(3, 4)), "x": random.normal(size=4), "y": random.normal(size=3)}


def test_derivatives_without_torch_agree_with_autograd() -> None:
    """Without torch derivatives are our own: the two agree to rounding, up to the third order."""
    pytest.importorskip("torch")
    expressions = _derivatives()
    torchs = evaluate_all(expressions, _data())
    own = evaluate_all(expressions, _data(), autograd=False)
    for one, other in zip(torchs, own, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-11, atol=1e-12)


def test_plans_are_checked_without_torch() -> None:
    """The check does without torch where that is not wanted, or not there."""
    check = tg.optimize(_derivatives()[:5], SIZES).check(autograd=False)
    assert check.reference == "exact derivatives"
    assert check.error < 1e-12


def test_kinks_are_not_straddled() -> None:
    """Close to a kink a derivative is the one of its side."""
    found = evaluate_all([F.sum(F.relu(x) * F.abs(x)).grad(x)], {"x": [0.5, -0.3, 2.0]}, autograd=False)[0]
    np.testing.assert_allclose(found, [1.0, 0.0, 4.0], atol=1e-15)


def test_closed_forms() -> None:
    """The reference agrees with what can be worked out by hand."""
    data = _data()
    residual = data["A"] @ data["x"] - data["y"]
    loss = F.frobenius2(A @ x - y)
    np.testing.assert_allclose(evaluate(loss, data), residual @ residual)
    np.testing.assert_allclose(evaluate(loss.grad(x), data), 2 * data["A"].T @ residual)
    np.testing.assert_allclose(evaluate(tg.hessian(loss, x), data), 2 * data["A"].T @ data["A"])
    np.testing.assert_allclose(evaluate(F.mean(A), data), data["A"].mean())
    np.testing.assert_allclose(
        evaluate(F.log_softmax(x, "k").grad(x).sum("k_"), data), np.zeros(4), atol=1e-15
    )


def test_diagonals_renames_and_constants() -> None:
    """Traces, swapped edges, sizes as numbers and constant derivatives are evaluated by their definition."""
    B = Variable("B", i="n", j="n")
    b = np.arange(9.0).reshape(3, 3)
    assert evaluate(F.trace(B), {"B": b}) == 12.0
    np.testing.assert_array_equal(evaluate(B.rename(i="j", j="i"), {"B": b}), b)
    assert B.rename(i="j", j="i").edges == ("j", "i")
    np.testing.assert_array_equal(evaluate(F.trace(B).grad(B), {"B": b}), np.eye(3))
    np.testing.assert_array_equal(evaluate(x.grad(B), {"B": b, "x": np.ones(2)}), np.zeros((2, 3, 3)))
    assert evaluate(tg.delta("i", "j", size="n").sum(), {}, sizes={"n": 7}) == 7.0


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble])
def test_the_type_is_kept(dtype: type) -> None:
    """Values come in the floating type that was asked for."""
    assert evaluate(F.softmax(x, "k"), {"x": [1, 2]}, dtype).dtype == dtype
    assert evaluate((x @ x).grad(x), {"x": [1, 2]}, dtype).dtype == dtype


def test_wrong_arrays_are_explained() -> None:
    """Missing arrays, wrong shapes and sizes that disagree are named, with what to do."""
    with pytest.raises(ArrayNameError, match=r"missing array: x\. The call needs: A=array, x=array\."):
        evaluate(A @ x, {"A": np.ones((2, 3))})
    with pytest.raises(ArrayShapeError, match=r"array x has shape \(2, 2\)"):
        evaluate(A @ x, {"A": np.ones((2, 3)), "x": np.ones((2, 2))})
    with pytest.raises(SizeError, match="edge 'k' has size 3 in A but size 4 in x"):
        evaluate(A @ x, {"A": np.ones((2, 3)), "x": np.ones(4)})
    with pytest.raises(MissingSizeError, match="no size is given for: n"):
        evaluate(tg.delta("i", "j", size="n"), {})
    with pytest.raises(ArrayShapeError, match=r"array C has shape \(4,\)"):
        evaluate(Variable("C", i=5), {"C": np.ones(4)})


@pytest.mark.parametrize(
    ("e", "sizes"),
    [
        (F.sum(F.softmax(F.exp(3 * tg.Variable("a", ["n"])) * tg.Variable("a", ["n"]), "n")), {"n": 3}),
        (F.logsumexp(F.sin(tg.Variable("B", ["p", "j"])), "p"), {"p": 0, "j": 2}),
        (F.sum(tg.Variable("E", {f"e{n}": "d" for n in range(16)}) ** 2), {"d": 1}),
        (F.sum(tg.Variable("a", ["n"]) * F.log(tg.Variable("a", ["n"]))), {"n": 3}),
        (F.sqrt(tg.Variable("a", ["n"]) - 1) * F.log(tg.Variable("a", ["n"])), {"n": 3}),
    ],
    ids=["zero by cancellation", "no entries", "many edges", "logarithm", "two domains"],
)
def test_the_check_of_a_right_plan_never_fails(e: Tensor, sizes: dict[str, int]) -> None:
    """Results that cancel to zero, empty ones, and data outside a domain are no reason to refuse a plan."""
    by = next(v for v in tg.expr.variables([e]).values())
    tg.optimize([e, F.sum(e).grad(by)], sizes).check()

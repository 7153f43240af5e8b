from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from explain_problems import PROBLEMS, l2, mlp, quadratic
from random_derivations import unaccounted

import tensorgrad_eg as tg
from tensorgrad_eg.explain import SHARED, Derivation, DetailError, Step
from tensorgrad_eg.explain.derivation import JOINT, PLACES
from tensorgrad_eg.expr import Derivative, Rename, Tangent, postorder
from tensorgrad_eg.rules import rule_files, rule_folder, rules_of
from tensorgrad_eg.verify import evaluate

M = tg.Variable("M", i="i", c="m")
RULES = {rule.name: rule for rule in rules_of(rule_files())}


@cache
def plan_of(name: str) -> tg.Plan:
    """Plan a problem once for all tests."""
    expressions, sizes = PROBLEMS[name]()
    return tg.optimize(expressions, sizes)


@cache
def derivation_of(name: str) -> Derivation:
    """Explain a problem once for all tests."""
    found: Derivation = plan_of(name).explain()
    return found


def located(rule: str) -> str:
    """Say where a rule is, as derivations do."""
    return f"rules/{RULES[rule].file}:{RULES[rule].line}"


def test_the_steps_of_a_squared_error_read_like_a_derivation() -> None:
    """The gradient of a squared error is derived in the few steps one would write down."""
    shown = str(derivation_of("l2")).splitlines()
    assert shown[0].startswith("6 steps, checked on numbers: largest difference ")
    assert (
        "\n".join(shown[1:])
        == f"""
Differentiate: ∂L/∂W[x,y]
    where t1[b,y] = Σ_x X[b,x] W[x,y]
          t2[b,y] = t1[b,y] - Y[b,y]
          t3[b,y] = t2[b,y]^2
          L = Σ_{{b,y}} t3[b,y]
  1. pullback of a contraction, right   {located("pullback of a contraction, right")}   ✓
       ∂L/∂W[x,y] = Σ_b ∂L/∂t1[b,y] X[b,x]
  2. pullback of a sum over edges   {located("pullback of a sum over edges")}   ✓
       ∂L/∂t3[b,y] = ∂L/∂L
  3. pullback of a sum of terms: {RULES["pullback of a sum of terms"].comment}   \
{located("pullback of a sum of terms")}   ✓
       ∂L/∂t1[b,y] = ∂L/∂t2[b,y]
  4. pullback of a power: g·q a^(q-1)   {located("pullback of a power")}   ✓
       ∂L/∂t2[b,y] = 2 ∂L/∂t3[b,y] t2[b,y]
  5. the root's own cotangent   {located("the root's own cotangent")}   ✓
       ∂L/∂L = 1
    ⇒ ∂L/∂W[x,y] = Σ_b 2 t2[b,y] X[b,x]

Search: 2,572,800 → 2,571,400 flops
  6. multiple out of a contraction: Σ_m (q a)·b = q Σ_m a·b   \
{located("multiple out of a contraction")}   2,572,800 → 2,571,400 flops   ✓
       Σ_b (2 t2[b,y]) X[b,x] = 2 Σ_b t2[b,y] X[b,x]"""
    )


def test_forward_mode_shows_how_the_identity_is_eaten() -> None:
    """The Hessian of a quadratic form ends as A + Aᵀ, by the rule that a sum over δ renames."""
    phase = derivation_of("quadratic").phases[-1]
    assert str(phase.results[0].right) in ("A[n,n_] + A[n_,n]", "A[n_,n] + A[n,n_]")
    assert phase.steps[-1].rule == "sum over the first edge of a delta"
    assert "Σ_j δ[j,n_] A[n,j] = A[n,n_]" in map(str, phase.steps[-1].places)


def test_readings_of_one_variable_are_told_apart() -> None:
    """Where a variable is read twice, its gradient is the sum of what each reading contributes."""
    shown = str(derivation_of("quadratic"))
    assert re.search(r"x1\[(\w+)\] = x\[\1\]", shown)
    assert re.search(r"∂L/∂x\[n\] = ∂L/∂x[12]\[n\] \+ ∂L/∂x[12]\[n\]", shown)


@pytest.mark.parametrize("name", PROBLEMS)
def test_every_step_is_true(name: str) -> None:
    """The two sides of every place of every step are worth the same."""
    for step in derivation_of(name):
        for place in step.places:
            assert place.error is not None
            assert place.error < 1e-9, f"{step.rule}: {place}"


@pytest.mark.parametrize("name", PROBLEMS)
def test_every_step_names_a_rule_of_the_files(name: str) -> None:
    """A step's rule is in its file, at its line, with the equation that is shown."""
    for step in derivation_of(name):
        if step.rule in (JOINT, SHARED):
            assert (step.file, step.line) == ("", 0)
            assert step.rule == SHARED or step is derivation_of(name).steps[-1]
            continue
        rule = RULES[step.rule]
        assert (step.file, step.line, step.equation) == (f"rules/{rule.file}", rule.line, rule.comment)
        assert step.ruleset == rule.ruleset
        source = (rule_folder() / rule.file).read_text(encoding="utf-8").splitlines()
        assert source[step.line - 1].startswith(("(rule ", "(rewrite "))
        assert any(f'"{step.rule}"' in line for line in source[step.line - 1 : step.line + 5])


@pytest.mark.parametrize("name", PROBLEMS)
def test_costs_fall_from_the_normal_form_to_the_plan(name: str) -> None:
    """Every step of the search saves something, and the last one ends with the plan's flops."""
    search = [step for step in derivation_of(name) if step.phase == "search"]
    for step, after in pairwise(search):
        assert step.cost_after == after.cost_before
    for step in search:
        assert step.cost_before is not None
        assert step.cost_after is not None
        assert step.cost_after < step.cost_before
    if search:
        assert search[-1].cost_after == plan_of(name).flops == derivation_of(name).flops
        joint = [step for step in search if step.rule == JOINT]
        assert all(set(step.also) <= set(RULES) for step in joint)


@pytest.mark.parametrize("name", PROBLEMS)
def test_every_saving_is_a_step(name: str) -> None:
    """From the program that is written down to the plan, each saving is a step, and the savings add up."""
    plan, derivation = plan_of(name), derivation_of(name)
    assert unaccounted(plan, derivation) == []
    shared = [step.cost_after for step in derivation if step.rule == SHARED]
    assert (shared or [derivation.start])[0] == plan.search.extracted(plan.sizes).start_cost


@pytest.mark.parametrize("name", PROBLEMS)
def test_both_sides_of_search_steps_evaluate_to_the_same(name: str) -> None:
    """What is printed is what was compared: the reference evaluator agrees, all names put in."""
    derivation, plan = derivation_of(name), plan_of(name)
    sizes = {symbol: 2 + n % 2 for n, symbol in enumerate(plan.sizes)}
    random = np.random.default_rng(5)
    arrays = {
        given.name: random.uniform(0.4, 1.3, [sizes.get(str(s), s) for s in given.sizes])
        for given in plan.inputs
    }
    named = dict(arrays)
    for phase in derivation.phases:
        for equation in phase.definitions:
            if not any(isinstance(node, Derivative | Tangent) for node in postorder([equation.right])):
                array = evaluate(equation.right.transpose(*equation.left.edges), named, sizes=sizes)
                named[equation.left.name] = array  # type: ignore[attr-defined]
        for step in phase.steps if phase.name == "search" else ():
            for place in step.places:
                left = evaluate(place.left, named, sizes=sizes)
                right = evaluate(Rename(place.right, {}, place.left.edges), named, sizes=sizes)
                np.testing.assert_allclose(left, right, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("name", ["l2", "mlp", "cross_entropy", "attention"])
def test_the_first_phase_ends_with_the_gradient(name: str) -> None:
    """What differentiation ends with is the derivative itself, evaluated in another way."""
    plan = plan_of(name)
    phase = next(phase for phase in derivation_of(name).phases if phase.name == "differentiate")
    sizes = {symbol: 2 + n % 2 for n, symbol in enumerate(plan.sizes)}
    random = np.random.default_rng(6)
    arrays = {
        given.name: random.uniform(0.4, 1.3, [sizes.get(str(s), s) for s in given.sizes])
        for given in plan.inputs
    }
    named = dict(arrays)
    for equation in phase.definitions:
        named[equation.left.name] = evaluate(  # type: ignore[attr-defined]
            equation.right.transpose(*equation.left.edges), named, sizes=sizes
        )
    wanted = [
        node for e in plan.search.expressions for node in postorder([e]) if isinstance(node, Derivative)
    ]
    gradients = [node for node in dict.fromkeys(wanted) if not node.arg.edges]
    assert len(gradients) == len(phase.results)
    for gradient, result in zip(gradients, phase.results, strict=True):
        left = result.left
        assert isinstance(left, Derivative)
        assert left.wrt == gradient.wrt
        expected = evaluate(gradient, arrays, sizes=sizes)
        found = evaluate(result.right.transpose(*left.edges), named, sizes=sizes)
        np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)


def test_explaining_twice_says_the_same() -> None:
    """A derivation is determined by its problem: text and data, to the byte."""
    again = plan_of("ridge").explain()
    assert str(again) == str(derivation_of("ridge"))
    assert again.to_json() == derivation_of("ridge").to_json()


def test_hash_seeds_do_not_matter() -> None:
    """Two processes with different hash seeds print the same derivation."""
    code = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "import tensorgrad_eg as tg; from explain_problems import PROBLEMS\n"
        "e, sizes = PROBLEMS['cross_entropy'](); print(tg.optimize(e, sizes).explain().to_json())"
    )
    shown = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "77")
    }
    assert len(shown) == 1


def test_a_wrong_rule_is_named(tmp_path: Path) -> None:
    """A rule that is not true shows up with its name, its file and how far the two sides are apart."""
    path = tmp_path / "wrong.egg"
    path.write_text('(rewrite (apply "sin" a) a :ruleset normalise :name "small angles") ; sin a = a\n')
    x = tg.Variable("x", ["k"])
    plan = tg.optimize(tg.functions.sin(x) * x, {"k": 4}, rules=[path], verify=False)
    derivation = plan.explain()
    step = next(step for step in derivation if step.rule == "small angles")
    assert (step.file, step.line, step.equation) == ("wrong.egg", 1, "sin a = a")
    assert step.error is not None
    assert step.error > 0.01
    assert str(derivation).startswith("1 step; NOT CONFIRMED on numbers: small angles")
    assert "✗ the sides differ by" in str(derivation)


def test_a_deep_network_is_explained_in_few_steps() -> None:
    """What one rule does in many layers is one step; the text says how many places it leaves out."""
    derivation = tg.optimize(*mlp(12)).explain()
    assert len(derivation) < 12
    assert derivation.error is not None
    assert derivation.error < 1e-6
    step = next(step for step in derivation if step.rule == "pullback of a contraction, right")
    assert step.count == 12
    assert f"… and {12 - PLACES} more" in str(derivation)


def test_details() -> None:
    """Phases show where each phase ends, steps are the default, and all adds what is not written down."""
    plan = plan_of("l2")
    phases, steps, everything = (str(plan.explain(detail=d)) for d in ("phases", "steps", "all"))
    assert steps == str(derivation_of("l2"))
    assert "pullback" not in phases
    assert "⇒ ∂L/∂W[x,y] = Σ_b 2 t2[b,y] X[b,x]" in phases
    assert "not written down: " in everything
    assert "gradient of a variable" in everything
    with pytest.raises(
        DetailError, match=r"detail is 'phases', 'steps' or 'all', not 'step'\. Did you mean 'steps'\?"
    ):
        plan.explain(detail="step")


def test_without_checking() -> None:
    """Nothing is compared when nobody asks for it, and the text says so."""
    derivation = plan_of("l2").explain(check=False)
    assert derivation.error is None
    assert all(step.error is None for step in derivation)
    assert str(derivation).startswith("6 steps, not checked")
    assert [step.rule for step in derivation] == [step.rule for step in derivation_of("l2")]


def test_nothing_to_do() -> None:
    """An expression that is the plan already has no steps."""
    A, x = tg.Variable("A", ["i", "k"]), tg.Variable("x", ["k"])
    derivation = tg.optimize(A @ x, {"i": 3, "k": 4}).explain()
    assert len(derivation) == 0
    assert str(derivation) == "Nothing had to be done."


def test_the_plan_for_other_sizes() -> None:
    """A plan for other sizes is explained with the costs of these."""
    expressions, _ = l2()
    plan = tg.optimize(expressions, {"b": 8, "x": 4, "y": 2}).resize({"b": 16})
    last: Step = plan.explain().steps[-1]
    assert last.cost_after in (None, plan.flops)


def test_data() -> None:
    """The JSON form has every step with its places, as text."""
    found = json.loads(derivation_of("l2").to_json())
    steps = [step for phase in found["phases"] for step in phase["steps"]]
    assert [step["rule"] for step in steps] == [step.rule for step in derivation_of("l2")]
    assert steps[0]["before"] == "∂L/∂W[x,y]"
    assert steps[0]["after"] == "Σ_b ∂L/∂t1[b,y] X[b,x]"
    assert steps[-1]["cost_after"] == found["flops"] == 2_571_400
    assert found["phases"][0]["definitions"][0] == "t1[b,y] = Σ_x X[b,x] W[x,y]"


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_notebooks_get_cards() -> None:
    """The HTML form is well formed, needs nothing from elsewhere, and names every rule."""
    bundle = derivation_of("ridge")._repr_mimebundle_()
    assert bundle["text/plain"] == str(derivation_of("ridge"))
    tags = _Tags()
    tags.feed(bundle["text/html"])
    assert (tags.open, tags.links) == ([], [])
    for step in derivation_of("ridge"):
        assert step.rule.replace("'", "&#x27;") in bundle["text/html"]
    assert set(derivation_of("ridge")._repr_mimebundle_(include={"text/html"})) == {"text/html"}


def test_outputs_have_the_names_that_were_given() -> None:
    """Steps say which result they belong to, by the key under which it was asked for."""
    expression, sizes = quadratic()
    assert isinstance(expression, tg.Tensor)
    derivation = tg.optimize({"curvature": expression}, sizes).explain()
    assert derivation.steps[-1].output == "curvature"


def test_derivatives_that_vanish() -> None:
    """A derivative by what an expression does not depend on is zero, and the derivation says so."""
    x, y, v = tg.Variable("x", ["k"]), tg.Variable("y", ["k"]), tg.Variable("v", ["k"])
    wanted = [(y * y).grad(x), tg.jvp(y * y, x, v), (y @ y).grad(x), tg.hessian(x @ y, x)]
    derivation = tg.optimize(wanted, {"k": 3}).explain()
    assert derivation.error is not None
    assert derivation.error < 1e-12
    shown = str(derivation)
    assert "∂t1[k]/∂x[k_] = 0" in shown
    assert "∂t1[k]/∂x · (v[k]) = 0" in shown


def test_a_rule_that_holds_for_positive_numbers_only_is_named(tmp_path: Path) -> None:
    """|a| = a is refuted, although it is true of half of all numbers."""
    path = tmp_path / "half.egg"
    path.write_text('(rewrite (apply "abs" a) a :ruleset normalise :name "no sign")\n')
    x = tg.Variable("x", ["k"])
    derivation = tg.optimize(tg.functions.abs(x) * x, {"k": 4}, rules=[path], verify=False).explain()
    assert str(derivation).startswith("1 step; NOT CONFIRMED on numbers: no sign")


def test_a_derivative_without_entries() -> None:
    """A derivative by a tensor of no entries has steps like any other, and none is refuted."""
    B = tg.Variable("B", c="m", j="n")
    text = str(tg.optimize(tg.functions.sum(tg.functions.sin(B)).grad(B), {"m": 2, "n": 0}).explain())
    assert "cos" in text
    assert "NOT CONFIRMED" not in text


@pytest.mark.parametrize(
    ("e", "sizes"),
    [
        (tg.functions.sum(tg.functions.relu(M * tg.delta("c", "b", size="m"))).grad(M), {"m": 3, "i": 2}),
        (tg.functions.sum(tg.functions.abs(M * tg.delta("c", "b", size="m"))).grad(M), {"m": 3, "i": 2}),
        (M * tg.delta("c", "b", size="m"), {"m": 0, "i": 2}),
        (tg.functions.mean(M).grad(M), {"m": 0, "i": 2}),
    ],
)
def test_kinks_and_sizes_of_zero_are_explained(e: tg.Tensor, sizes: dict[str, int]) -> None:
    """Where differences see half a slope, no entry or 0/0, no right step is refuted, and each is written."""
    derivation = tg.optimize(e, sizes).explain()
    assert "NOT CONFIRMED" not in str(derivation)
    assert list(derivation)


def test_what_is_symmetric_is_not_varied_as_if_it_were_not() -> None:
    """Of a tensor that turns out to be symmetric no independent entries are varied: every step is true."""
    y = tg.Variable("y", q="n", b="m")
    product = y.rename(q="p") @ y
    both = product + product.rename(p="q", q="p")
    derivation = tg.optimize(tg.hessian(tg.functions.sum(both * both), y), {"n": 3, "m": 3}).explain()
    assert "NOT CONFIRMED" not in str(derivation)
    assert max(place.error for step in derivation for place in step.places if place.error is not None) < 1e-6

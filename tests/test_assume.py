from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tensorgrad_eg as tg
from tensorgrad_eg import Plan, Tensor, Variable, assume
from tensorgrad_eg import functions as F
from tensorgrad_eg.assume import Fact, diagonal, one_hot, orthogonal, positive, sums_to_one, symmetric
from tensorgrad_eg.cli import main
from tensorgrad_eg.errors import (
    AssumptionError,
    CheckError,
    NotAVariableError,
    OperandError,
    SizeError,
    UnknownEdgeError,
    VariableClashError,
)
from tensorgrad_eg.rules import rule_files, rules_of
from tensorgrad_eg.verify import check_snapshot
from tensorgrad_eg.verify.evaluate import conform, holds
from tests.facts_corpus import CORPUS, CUBIC, FULLY, LOSS, SIZES, A, Case, D, Q, S, Y, x, xi, xj, yi, z

ENERGY = xi @ A @ xj


def sizes(*expressions: Tensor) -> dict[str, int]:
    """A number for each size symbol."""
    symbols = {s for v in tg.expr.variables(expressions).values() for s in v.shape.values()}
    return {symbol: number for symbol, number in SIZES.items() if symbol in symbols}


def planned(e: Tensor, *facts: Fact, **options: Any) -> Plan:
    """The plan of an expression under assumptions, checked."""
    plan = tg.optimize(e, sizes(e), assume=facts, **options)
    plan.check()
    return plan


@cache
def solved(case: Case) -> Plan:
    """The plan of a case."""
    return tg.optimize(case.expression, sizes(case.expression), assume=case.facts)


def reads(plan: Plan) -> set[str]:
    """The variables that a plan reads."""
    return {v.name for v in plan.inputs if plan.program.readers(v.name)}


# ---- what is written


@pytest.mark.parametrize(
    "fact",
    [symmetric(A), diagonal(A), orthogonal(Q), positive(x), one_hot(Y, "c"), sums_to_one(Y, "b"), FULLY[0]],
    ids=str,
)
def test_repr_rebuilds_a_fact(fact: Fact) -> None:
    """The repr of a fact is the call that makes it, and equal facts are equal."""
    names = {**vars(assume), "Variable": Variable}
    assert eval(repr(fact), names) == fact
    assert hash(eval(repr(fact), names)) == hash(fact)


@pytest.mark.parametrize("fact", [symmetric(A), positive(x), one_hot(Y, "c"), FULLY[1]], ids=str)
def test_a_fact_is_read_as_it_is_printed(fact: Fact) -> None:
    """What str shows is what the command line takes."""
    assert assume.read(str(fact), {fact.variable.name: fact.variable}) == fact


def test_edges_may_be_left_out_where_only_one_choice_is_possible() -> None:
    """A matrix needs no edges for a fact about two, nor a vector for a fact about one."""
    assert symmetric(A) == symmetric(A, "i", "j")
    assert one_hot(x) == one_hot(x, "n")


def test_an_unknown_edge_is_named_with_the_one_that_was_meant() -> None:
    """A wrong edge is an error that lists the edges of the variable."""
    T = Variable("T", ["batch", "class"])
    with pytest.raises(UnknownEdgeError) as error:
        one_hot(T, "clas")
    assert str(error.value) == (
        "T[batch,class] has no edge 'clas'; its edges are: batch, class. Did you mean 'class'?"
    )


def test_the_number_of_edges_has_to_fit() -> None:
    """A fact that needs edges says how many, and gives an example that works."""
    with pytest.raises(AssumptionError) as error:
        one_hot(Y)
    assert str(error.value) == (
        "one_hot is a fact about one edge, but of Y[b,c] it was given none. Name it, as in one_hot(Y, 'c')."
    )
    with pytest.raises(AssumptionError, match=r"two edges, but of S\[i,j,k\] it was given i, i\. Name them"):
        symmetric(S, "i", "i")


def test_edges_of_different_sizes_are_refused() -> None:
    """A matrix that is no square cannot be symmetric, and the error says which edges and sizes."""
    with pytest.raises(SizeError) as error:
        symmetric(Variable("X", ["i", "k"]))
    assert str(error.value) == (
        "symmetric(X, i, k): edge 'i' of X has size i but edge 'k' size k, and both need the same one. "
        "Give them one size: Variable('X', i='i', k='i')."
    )


def test_a_fact_is_about_a_variable() -> None:
    """A fact about a composite expression, or a renamed variable, is refused."""
    with pytest.raises(
        NotAVariableError, match=r"positive is a fact about a variable, not about exp\(x\[n\]\)"
    ):
        positive(F.exp(x))  # type: ignore[arg-type]


def test_a_fact_about_an_absent_variable_is_refused() -> None:
    """A fact that no expression can use is an error that lists the variables."""
    target = Variable("z_", ["b", "c"])
    for act in (tg.optimize, lambda e, s, assume: tg.simplify(e, assume=assume)):
        with pytest.raises(AssumptionError) as error:
            act(z * Y, {"b": 2, "c": 2}, assume=[positive(target)])
        assert str(error.value) == (
            "positive(z_) is about a variable that the expressions do not contain; "
            "their variables are: z, Y. Did you mean 'z'?"
        )


def test_a_fact_about_another_variable_of_the_same_name_is_refused() -> None:
    """The variable of a fact is the one of the expression, with the same edges and sizes."""
    with pytest.raises(VariableClashError, match="two different variables are named 'x'"):
        tg.simplify(x.sum(), assume=[positive(Variable("x", ["m"]))])


def test_what_is_no_fact_is_refused() -> None:
    """assume takes facts, one or several, not texts."""
    with pytest.raises(OperandError, match=r"such as tg\.assume\.symmetric\(A\), not a str"):
        tg.simplify(x.sum(), assume=["positive(x)"])  # type: ignore[list-item]
    assert str(tg.simplify(F.abs(x), assume=positive(x))) == "x[n]"


# ---- the rules


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: str(case.expression)[:60])
def test_normal_form_plan_and_terms(case: Case) -> None:
    """The normal form is as written, the plan is right, and so is every e-node, for data with the facts."""
    assert str(tg.simplify(case.expression, assume=case.facts)) == case.normal
    plan = solved(case)
    plan.check()
    assert plan.flops <= plan.baseline
    for snapshot in (plan.search.start, plan.search.egraph):
        assert not check_snapshot(snapshot, facts=case.facts)


def test_every_rule_is_used() -> None:
    """No rule about facts is dead: one of the cases above needs it."""
    used = Counter[str]()
    for case in CORPUS:
        used.update(solved(case).report.matches)
    own = [rule.name for rule in rules_of(rule_files()) if rule.file in ("80_facts.egg", "81_definite.egg")]
    assert [name for name in own if not used[name]] == []


def test_every_rule_about_facts_waits_for_facts() -> None:
    """Without facts, none of these rules is loaded."""
    plan = tg.optimize(F.abs(F.exp(x)), sizes(x))
    own = {rule.name for rule in rules_of(rule_files()) if rule.ruleset == "facts"}
    assert not own & set(plan.report.matches)


# ---- what it is good for


def test_hessian_of_cross_entropy_is_diag_p_minus_p_p() -> None:
    """With targets that sum to one, the Hessian by the logits is diag(p) - ppᵀ, and no target is read."""
    H = tg.hessian(LOSS, z)
    assert reads(planned(H)) == {"z", "Y"}
    for fact in (sums_to_one(Y, "c"), one_hot(Y, "c")):
        plan = planned(H, fact)
        assert reads(plan) == {"z"}
        logits = np.random.default_rng(0).standard_normal((3, 4))
        p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        blocks = np.einsum("bc,cd->bcd", p, np.eye(4)) - np.einsum("bc,bd->bcd", p, p)
        np.testing.assert_allclose(plan(z=logits), np.einsum("bcd,be->bced", blocks, np.eye(3)), atol=1e-15)


def test_gradient_of_a_quadratic_form_is_one_product() -> None:
    """With A symmetric, the gradient of xᵀAx is 2Ax: one product of a matrix and a vector, and a multiple."""
    plan = planned(ENERGY.grad(x), symmetric(A))
    assert [step.kind for step in plan.steps] == ["contract", "scale"]
    assert plan.flops == 2 * 5 * 5 + 5


def test_orthogonal_matrices_are_not_multiplied() -> None:
    """(QᵀQ)x and Qᵀ(Qx) are x: nothing is computed, and Q is not read."""
    for e in (Q.rename(j="k") @ Q @ x.rename(n="k"), Q.rename(j="k") @ (Q @ xj)):
        plan = planned(e, orthogonal(Q))
        assert plan.flops == 0
        assert reads(plan) == {"x"}


def test_a_diagonal_matrix_costs_its_diagonal() -> None:
    """A product with a diagonal matrix is pointwise."""
    assert planned(D @ xj, diagonal(D)).flops == 5
    assert planned(D @ A.rename(i="j", j="k"), diagonal(D)).flops == 25


def test_norm_of_one_hot_rows_is_their_number() -> None:
    """The squares of a one-hot matrix sum to the number of its rows, whatever it holds."""
    plan = planned(F.frobenius2(Y), one_hot(Y, "c"))
    assert plan.flops == 0
    assert plan() == 3


def test_overlaps_of_one_hot_columns_are_their_own_squares() -> None:
    """Rules that lead in a circle end: Y is one-hot along c, and each of Y[b,c] Y[b,d] is its own square."""
    overlap = tg.einsum("bc,bd->cd", Y, Y)
    assert planned(overlap**2, one_hot(Y, "b")).flops == planned(overlap, one_hot(Y, "b")).flops


def test_residuals_of_an_orthogonal_design() -> None:
    """The gradient of |y - Qx|² needs one product with Q instead of two."""
    e = F.frobenius2(yi - Q @ xj).grad(x)
    assert planned(e, orthogonal(Q)).flops == 2 * 25 + 2 * 5
    assert planned(e).flops >= 4 * 25


def test_smoothed_labels_are_found_to_sum_to_one() -> None:
    """A mixture of one-hot and uniform targets sums to one, which the search finds out."""
    smooth = 0.9 * Y + 0.1 / tg.expr.Extent("c")
    plan = planned(tg.hessian(F.cross_entropy(z, smooth, "c"), z), one_hot(Y, "c"))
    assert reads(plan) == {"z"}


def test_facts_meet_structure() -> None:
    """Structured results use facts as well: the Hessian of cross-entropy has a δ and no target."""
    plan = tg.optimize(tg.hessian(LOSS, z), sizes(z), assume=[one_hot(Y, "c")], structured=True)
    assert plan.forms is not None
    assert reads(plan) == {"z"}
    assert plan.assumptions == ("one_hot(Y, c)",)
    plan.check()


def test_symmetry_in_all_axes_shares_everything() -> None:
    """The three ways to contract a symmetric tensor with x twice are one tensor, computed once."""
    assert planned(CUBIC.grad(x), *FULLY).flops <= 2 * 5**3 + 2 * 5**2 + 2 * 5


# ---- what facts are not


def test_derivatives_are_those_of_all_entries() -> None:
    """The gradient by a symmetric matrix is the one of a function of all its entries, here x xᵀ."""
    plan = planned(ENERGY.grad(A), symmetric(A))
    vector = np.arange(1.0, 6.0)
    np.testing.assert_array_equal(plan(x=vector), np.outer(vector, vector))


def test_derivatives_by_what_is_constrained_are_not_zero() -> None:
    """The gradient of Σ_c Y by Y is one everywhere, though the sum is one for every Y that is allowed."""
    assert str(tg.simplify(Y.sum().grad(Y), assume=[one_hot(Y, "c")])) == "1[b,c]"
    assert str(tg.simplify(F.frobenius2(Q).grad(Q), assume=[orthogonal(Q)])) == "2 Q[i,j]"
    assert str(tg.simplify(F.abs(x).sum().grad(x), assume=[positive(x)])) == "1[n]"


def test_a_plan_is_not_right_where_the_facts_are_not_true() -> None:
    """The check of a plan draws data with the facts: on other data it would fail."""
    from tensorgrad_eg.verify import check_plan

    plan = planned(ENERGY.grad(x), symmetric(A))
    with pytest.raises(CheckError, match="output result differs"):
        check_plan(plan, [ENERGY.grad(x)])


@pytest.mark.parametrize("seed", range(3))
def test_a_plan_with_facts_is_never_dearer(seed: int) -> None:
    """Where facts do not help, the plan costs no more than without them: D is read as it is."""
    e = (D * A, 2 * D, F.relu(D) * A)[seed]
    assert planned(e, diagonal(D)).flops <= planned(e).baseline


# ---- plans


def test_a_plan_names_what_it_assumes(tmp_path: Any) -> None:
    """The table, the source and the file of a plan say what it assumes; one without facts says nothing."""
    plan = planned(ENERGY.grad(x), symmetric(A))
    assert plan.assumptions == ("symmetric(A, i, j)",)
    assert "\nAssumes    symmetric(A, i, j)\n" in str(plan)
    assert plan.code("numpy").startswith("# Right for arrays of which this is true: symmetric(A, i, j)\n")
    plan.save(tmp_path / "plan.json")
    loaded = tg.load(tmp_path / "plan.json")
    assert loaded.assumptions == plan.assumptions
    assert str(loaded).splitlines()[:4] == str(plan).splitlines()[:4]
    bare = planned(ENERGY.grad(x))
    assert "Assumes" not in str(bare)
    assert "assumptions" not in json.loads(bare.to_json())


def test_resized_plans_keep_the_facts() -> None:
    """A plan for other sizes is made from the same e-graph, facts included."""
    plan = planned(tg.hessian(LOSS, z), one_hot(Y, "c")).resize({"b": 7})
    assert reads(plan) == {"z"}
    plan.check()


def test_the_baseline_knows_no_facts() -> None:
    """Automatic differentiation pays the same, whatever is declared."""
    e = ENERGY.grad(x)
    assert planned(e, symmetric(A)).baseline == planned(e).baseline


def test_the_same_facts_give_the_same_plan() -> None:
    """Planning twice gives the same file, to the byte."""
    first, second = (planned(CUBIC.grad(x), *FULLY).to_json() for _ in range(2))
    strip = [{**json.loads(text), "report": None} for text in (first, second)]
    assert strip[0] == strip[1]


def test_derivations_say_where_facts_are_used() -> None:
    """A derivation has a phase for facts, with the rules and equations, checked on data with the facts."""
    for e, fact, rule in (
        (ENERGY.grad(x), symmetric(A), "symmetry"),
        (tg.hessian(LOSS, z), one_hot(Y, "c"), "sum to the total"),
        (D @ xj, diagonal(D), "only the diagonal is there"),
    ):
        derivation = planned(e, fact).explain()
        assert "Use what is assumed" in str(derivation)
        assert rule in [step.rule for step in derivation]
        assert all((place.error or 0) < 1e-6 for step in derivation for place in step.places)


# ---- random data with facts


@pytest.mark.parametrize(
    "facts",
    [
        [symmetric(A)],
        [diagonal(A)],
        [orthogonal(A)],
        [positive(A)],
        [one_hot(A, "j")],
        [sums_to_one(A, "i")],
        [symmetric(A), positive(A)],
        [symmetric(A), orthogonal(A)],
        [diagonal(A), orthogonal(A)],
        [sums_to_one(A, "i"), sums_to_one(A, "j"), positive(A)],
        [one_hot(A, "i"), orthogonal(A)],
        [one_hot(A, "j"), symmetric(A)],
        [symmetric(A), diagonal(A), orthogonal(A), one_hot(A, "j")],
    ],
    ids=lambda facts: " ".join(map(str, facts)),
)
def test_data_have_all_facts(facts: list[Fact]) -> None:
    """Random arrays are moved to where every fact is true of them, several at once."""
    array = np.random.default_rng(1).uniform(-1, 1, (4, 4))
    found = conform("A", array, facts)
    assert all(holds(fact, found) for fact in facts)
    assert conform("B", array, facts) is array


def test_facts_that_contradict_each_other_cannot_be_checked() -> None:
    """Where no array has all facts, the check says which facts these are."""
    with pytest.raises(CheckError, match=r"all of this is true: positive\(A\), diagonal\(A, i, j\)\."):
        conform("A", np.ones((3, 3)), [positive(A), diagonal(A)])


@pytest.mark.parametrize("fact", [one_hot, sums_to_one])
def test_nothing_stands_along_an_edge_of_size_zero(fact: Callable[[Variable, str], Fact]) -> None:
    """There is no array of size zero with a one in it: the plan is not compared, and a check says why."""
    z = Variable("z", ["n"])
    plan = tg.optimize((z * z).sum().grad(z), {"n": 0}, assume=[fact(z, "n")])
    assert plan.report is not None
    assert plan.report.verified.startswith("not compared")
    with pytest.raises(CheckError, match=rf"all of this is true: {fact.__name__}\(z, n\)\."):
        plan.check()


def test_batches_have_facts_one_by_one() -> None:
    """A fact about two edges holds for every matrix along the others."""
    T = Variable("T", i="n", b="b", j="n")
    found = conform("T", np.random.default_rng(0).standard_normal((3, 2, 3)), [orthogonal(T, "i", "j")])
    for n in range(2):
        np.testing.assert_allclose(found[:, n] @ found[:, n].T, np.eye(3), atol=1e-14)


# ---- the command line


def test_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    """--assume takes a fact as one writes it, and a wrong one is a message."""
    words = ["sum(x[i] A[i,j] x[j])", "--wrt", "x", "--sizes", "i=5"]
    assert main(["optimize", *words, "--assume", "symmetric(A)", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["flops"] == 55
    assert main(["optimize", *words, "--assume", "symetric(A)"]) == 2
    assert "Did you mean 'symmetric' or 'antisymmetric'?" in capsys.readouterr().err
    assert main(["optimize", *words, "--assume", "symmetric A"]) == 2
    assert "'symmetric A' is no fact: write one like one_hot(Y, c)" in capsys.readouterr().err


def test_command_line_with_several_results(capsys: pytest.CaptureFixture[str]) -> None:
    """A fact need not be about every one of several expressions."""
    words = ["f = abs(x[i])", "g = abs(x[i] y[i])", "--wrt", "x", "--sizes", "i=5"]
    assert main(["grad", *words, "--assume", "positive(y)"]) == 0
    assert "dg_dx[i,i_] = δ[i,i_] y[i] sign(x[i] y[i])" in capsys.readouterr().out


# ---- random expressions

MATRICES = {name: Variable(name, p="n", q="n") for name in "ADQSYM"}
T = Variable("T", p="n", q="n", r="n")
v, w = Variable("v", p="n"), Variable("w", p="n")
LEAVES = [*MATRICES.values(), T, v, w]
FACTS = [
    symmetric(MATRICES["A"]),
    diagonal(MATRICES["D"]),
    orthogonal(MATRICES["Q"]),
    sums_to_one(MATRICES["S"], "q"),
    one_hot(MATRICES["Y"], "q"),
    orthogonal(T, "p", "r"),
    positive(v),
]


@st.composite
def terms(draw: st.DrawFn, depth: int = 3) -> Tensor:
    """Products, sums and functions of variables of which something is declared, of at most three edges."""
    kind = draw(st.integers(0, 5)) if depth else 0
    if kind == 0:
        leaf = draw(st.sampled_from(LEAVES))
        names = draw(st.permutations("ijkl"))
        return leaf.rename(dict(zip(leaf.edges, names, strict=False)))
    one = draw(terms(depth - 1))
    if kind <= 2:
        other = draw(terms(depth - 1))
        shared = [edge for edge in one.edges if edge in other.edges]
        found = F.dot(one, other, draw(st.lists(st.sampled_from(shared), unique=True)) if shared else [])
    elif kind == 3:
        found = one + draw(st.sampled_from([1, -1, 2])) * draw(terms(depth - 1))
    elif kind == 4:
        found = draw(st.sampled_from([F.exp, F.tanh, F.abs, F.relu, F.sign, lambda a: a**2]))(one)
    else:
        found = draw(st.sampled_from([2, -1])) * one.sum(*one.edges[: draw(st.integers(0, 2))])
    return found.sum(*found.edges[3:]) if len(found.edges) > 3 else found


@given(terms(), st.data())
@settings(max_examples=25)
def test_random_expressions(e: Tensor, data: st.DataObject) -> None:
    """Whatever the expression and the facts, the plan is right, and every e-node equals its class."""
    names = sorted(tg.expr.variables([e]))
    facts = tuple(fact for fact in FACTS if fact.variable.name in names)
    if data.draw(st.booleans()) and not any(f in str(e) for f in ("abs", "relu", "sign")):
        e = e.sum().grad(tg.expr.variables([e])[data.draw(st.sampled_from(names))])
    plan = tg.optimize(e, {"n": 3}, assume=facts)
    plan.check(rtol=1e-7)
    for snapshot in (plan.search.start, plan.search.egraph):
        assert not check_snapshot(snapshot, facts=facts)

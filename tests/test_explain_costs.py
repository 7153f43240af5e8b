from __future__ import annotations

import pytest
import random_derivations

import benchmarks.families  # noqa: F401  (declares the cases)
import tensorgrad_eg as tg
from benchmarks.case import Case, select
from benchmarks.measure import symbols
from tensorgrad_eg import functions as F
from tensorgrad_eg.explain import Derivation

#: As many random problems as continuous integration has time for; `random_derivations` takes any number.
SAMPLE = list(random_derivations.problems(12, start=3))


@pytest.mark.parametrize("case", select(smoke=True), ids=lambda case: case.key)
def test_no_saving_of_a_benchmark_is_without_a_step(case: Case) -> None:
    """What plans of the benchmarks save is accounted for, step by step."""
    problem = case.build(case.sizes)
    plan = tg.optimize(problem.wanted, symbols(problem))
    assert random_derivations.unaccounted(plan, plan.explain(check=False)) == []


@pytest.mark.parametrize("number", range(len(SAMPLE)))
def test_random_problems_are_explained(number: int) -> None:
    """Random plans are explained: no error, no doubt about a right step, no saving without one."""
    plan = SAMPLE[number].plan()
    derivation: Derivation = plan.explain()
    assert random_derivations.faults(plan, derivation) == []


def test_one_tensor_under_two_names_is_a_step() -> None:
    """That a sum written with other edges is computed once is said, with what it saves."""
    x = tg.Variable("x", i="n")
    plan = tg.optimize((x * x.rename(i="k")).sum(), {"n": 10})
    step = plan.explain().steps[-1]
    assert step.rule == "one tensor under several names"
    assert (step.cost_before, step.cost_after) == (10 + 10 + 1, 10 + 1)
    assert str(step.places[0]) == "Σ_i x[i] = t1"
    assert step.error == 0.0


def test_facts_say_what_they_save() -> None:
    """The saving by a declared fact belongs to the phase in which the fact is used."""
    A, x = tg.Variable("A", i="n", j="n"), tg.Variable("x", ["n"])
    energy = x.rename(n="i") @ A @ x.rename(n="j")
    plan = tg.optimize(energy.grad(x), {"n": 50}, assume=[tg.assume.symmetric(A)])
    derivation = plan.explain()
    assert random_derivations.unaccounted(plan, derivation) == []
    facts = [step for step in derivation if step.phase in ("facts", "assumed") and step.cost_before]
    assert [(step.cost_before, step.cost_after) for step in facts] == [(10_050, 5_050)]


def test_symmetric_halves_are_a_step() -> None:
    """The work that symmetry saves is a step that says which tensor is symmetric."""
    X, w = tg.Variable("X", b="b", p="p"), tg.Variable("w", b="b", c="c")
    weighted = F.dot(X * X.rename(p="q"), w, "b")
    plan = tg.optimize(weighted, {"b": 60, "p": 6, "c": 20}, symmetric=True)
    derivation = plan.explain()
    assert random_derivations.unaccounted(plan, derivation) == []
    last = derivation.steps[-1]
    assert last.rule == "halves of symmetric tensors"
    assert [str(place) for place in last.places] == ["t1[p,q,c] = t1[q,p,c]"]


def test_structured_results_are_explained() -> None:
    """A plan whose results stay in pieces says what that saves, and which result a step belongs to."""
    x, A = tg.Variable("x", i="n"), tg.Variable("A", i="n", j="n")
    wanted = {
        "zero": (x - x.rename(i="j")).sum().grad(x),
        "H": tg.hessian(F.exp(A @ x.rename(i="j")).sum(), A),
    }
    plan = tg.optimize(wanted, {"n": 6}, structured=True)
    derivation = plan.explain()
    assert random_derivations.unaccounted(plan, derivation) == []
    assert "results stay sums of products" in [step.rule for step in derivation]
    assert derivation.error is not None
    assert derivation.error < 1e-6
    assert {step.output for step in derivation} <= {"", *wanted}


def test_a_diagonal_of_a_softmax_is_no_softmax_of_a_diagonal() -> None:
    """Where a softmax over i is read at i = k, the name i stays the one that is summed over."""
    B = tg.Variable("B", i="n", k="n")
    diagonal = F.dot(F.softmax(B, "i"), tg.delta("i", "k", size="n"), "k")
    assert str(diagonal) == "Σ_k softmax(B[i,k], i) δ[i,k]"
    derivation = tg.optimize([diagonal, diagonal.sum().grad(B)], {"n": 3}).explain()
    assert derivation.error is not None
    assert derivation.error < 1e-9
    assert "softmax(B[i,i]" not in str(derivation)


def test_a_variable_read_on_its_diagonal_under_the_names_of_its_gradient() -> None:
    """A gradient over i, j of what reads C[i,i,b] has no δ with two edges of one name."""
    C = tg.Variable("C", i="n", j="n", b="m")
    diagonal = F.dot(C, tg.delta("i", "j", size="n"), "j")
    loss = F.sum(diagonal * C) / 3
    derivation = tg.optimize(tg.hessian(loss, C), {"n": 3, "m": 2}).explain()
    assert derivation.error is not None
    assert derivation.error < 1e-6


def test_a_gradient_that_is_zero_by_cancellation_is_confirmed() -> None:
    """The gradient of Σ softmax is zero; what differences leave of it is no doubt about a step."""
    a = tg.Variable("a", ["n"])
    loss = F.sum(F.softmax(F.exp(3 * a) * a, "n"))
    plan = tg.optimize(loss.grad(a), {"n": 3})
    assert random_derivations.faults(plan, plan.explain()) == []


@pytest.mark.parametrize("text", ["y[n]^2 y[n]^(-1)", "(y[n] - z[n]) (y[n] + z[n]) - y[n]^2 + z[n]^2"])
def test_nothing_is_saved_without_a_word(text: str) -> None:
    """Where a plan costs less than what is written down, a step says why, whatever made it equal."""
    plan = tg.optimize(tg.parse(text), {"n": 4})
    derivation = plan.explain()
    assert random_derivations.unaccounted(plan, derivation) == []
    assert (derivation.start == plan.flops) == all(step.cost_before is None for step in derivation)

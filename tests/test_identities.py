"""Identities that a search has to find: what the plan costs, and how much had to be looked at."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import tensorgrad_eg as tg
from tensorgrad_eg import Tensor, Variable
from tensorgrad_eg import functions as F
from tensorgrad_eg.egraph import Dag
from tensorgrad_eg.egraph.derive import derive
from tensorgrad_eg.egraph.engine import Engine, Engines
from tensorgrad_eg.egraph.saturate import Budget, Report
from tensorgrad_eg.extract.extract import search
from tensorgrad_eg.rules.forms import NORMAL
from tensorgrad_eg.verify import check_snapshot

benchmarks = pytest.importorskip("benchmarks.case")
pytest.importorskip("benchmarks.families")


def benchmark(name: str, **sizes: int) -> Any:
    """The problem of a benchmark."""
    case = next(
        c
        for c in benchmarks.select(names=(name,), slow=True)
        if all(c.sizes.get(k) == n for k, n in sizes.items())
    )
    return case.build(case.sizes)


def planned(name: str, **sizes: int) -> tg.Plan:
    """The plan for it."""
    problem = benchmark(name, **sizes)
    shapes = {n: array.shape for n, array in problem.data.items()}
    symbols = {
        symbol: size
        for v in tg.expr.variables(_tensors(problem.wanted)).values()
        for symbol, size in zip(v.shape.values(), shapes[v.name], strict=True)
        if isinstance(symbol, str)
    }
    return tg.optimize(problem.wanted, symbols)


def ratio(name: str, **sizes: int) -> float:
    """What the plan costs, relative to the closed form by hand."""
    return float(planned(name, **sizes).flops / benchmark(name, **sizes).hand.flops)


def _tensors(wanted: Tensor | dict[str, Tensor]) -> list[Tensor]:
    return list(wanted.values()) if isinstance(wanted, dict) else [wanted]


def perceptron(depth: int) -> tuple[Tensor, list[Variable]]:
    """Softmax cross-entropy, a mean over the batch, of tanh layers of one width."""
    weights = [Variable(f"W{n}", i="n", j="n") for n in range(depth)]
    h: Tensor = Variable("X", b="b", i="n")
    for number, W in enumerate(weights):
        z = F.dot(h, W, "i").rename(j="i")
        h = F.tanh(z) if number < depth - 1 else z
    return F.cross_entropy(h, Variable("Y", b="b", i="n"), "i", mean=True), weights


def searched(depth: int) -> int:
    """How many e-nodes the search for all gradients of a perceptron has looked at."""
    loss, weights = perceptron(depth)
    plan = tg.optimize([loss.grad(W) for W in weights], {"b": 64, "n": 64})
    return int(plan.report.nodes)  # type: ignore[attr-defined]


def test_the_size_of_a_batch_does_not_multiply_what_a_deep_network_is_searched_for() -> None:
    """Twice the layers are at most four times the e-nodes: 1/B before a product is kept in one form."""
    assert searched(16) <= 4 * searched(8)


@pytest.mark.parametrize("twice", ["scale", "size"])
def test_what_is_equal_after_it_was_multiplied_was_equal_before(twice: str) -> None:
    """From 3 x = 3 y, or |n| x = |n| y, follows x = y: they are one class."""
    dag = Dag()
    x, y = (dag.put("variable", (name, ("i",)), free=frozenset("i")) for name in "xy")
    if twice == "scale":
        a, b = (dag.put("scale", Fraction(3), v, free=frozenset("i")) for v in (x, y))
    else:
        n = dag.put("extent", "n")
        a, b = (dag.put("contract", frozenset(), n, v, free=frozenset("i")) for v in (x, y))
    dag.roots = {"x": x, "y": y}
    engine = Engine(rulesets=NORMAL)
    engine.load(dag, {"i": "n"})
    engine.facts(f"(union t{a} t{b})", [a, b])
    engine.normalise()
    roots = engine.snapshot(["x", "y"]).roots
    assert roots["x"] == roots["y"]


def test_the_hessian_of_attention_by_its_keys_has_one_product_of_the_full_size() -> None:
    """Σ_ij X_i X_j Q_i Q_j T_ij is not summed over i at the size of the Hessian, and then over j again."""
    assert ratio("attention by Wk", n=32) < 1.005


def test_the_hessian_of_attention_by_its_queries_is_a_product_of_a_jacobian_with_itself() -> None:
    """What a softmax centres is found: the plan costs what the form by hand does, to half a percent."""
    assert ratio("H5", n=32) < 1.005


def test_the_gradients_of_cp_pass_twice_over_the_data_and_never_make_the_residual() -> None:
    """Each gradient alone would do with one pass of its own; together they do with two for the three."""
    assert ratio("G3 CP", n=64) <= 1


def test_of_a_deep_network_with_many_multiples_not_every_place_of_each_is_listed() -> None:
    """The Hessian of a perceptron with GELU, five multiples a layer, is found among 15,000 e-nodes."""
    case = next(c for c in benchmarks.select(names=("gelu",)))
    plan = tg.optimize(case.build(case.sizes).wanted, {"b": 48, "p": 20, "w": 24, "k": 7})
    assert int(plan.report.nodes) < 15_000  # type: ignore[attr-defined]


FIRED = {
    "a term without the summed edge leaves the sum": F.dot(
        Variable("x", ["j"]) + Variable("t", ["i"]), Variable("c", ["j"]), "j"
    )
    * Variable("c", ["j"]).sum("j"),
    "common factor, summed in one term": Variable("a", ["j", "i"]) @ Variable("b", ["j"])
    + Variable("a", ["j", "i"]).sum("j") * Variable("t", ["i"]),
    "what is centred does not see a constant": F.dot(
        F.softmax(Variable("z", ["i", "j"]), "j")
        * (
            Variable("x", ["j"]) - F.dot(F.softmax(Variable("z", ["i", "j"]), "j"), Variable("x", ["j"]), "j")
        ),
        Variable("c", ["j"]),
        "j",
    )
    * F.exp(Variable("c", ["j"]) + Variable("t", ["i"])).sum("j"),
}


@pytest.mark.parametrize("rule", FIRED)
def test_sums_over_edges_that_are_there_are_used_and_what_follows_is_true(rule: str) -> None:
    """The rule is used, and every e-node of the e-graph is what its class is."""
    sizes = {"i": 3, "j": 4}
    report = Report()
    found = search(derive([FIRED[rule]], sizes), sizes, Budget(), report, Engines(matches=report.matches))
    assert report.matches[rule]
    assert not check_snapshot(found.final)


def variance() -> tuple[Tensor, Variable]:
    """The variance of every row, summed."""
    X = Variable("X", b="b", i="n")
    return F.mean((X - F.mean(X, "i")) ** 2, "i").sum(), X


def test_the_variance_is_not_computed_from_the_mean_of_squares() -> None:
    """Around a large mean float32 keeps its digits: what is left of X without its mean is not taken apart."""
    total, X = variance()
    plan = tg.optimize([total, F.log(total).grad(X)], {"b": 8, "n": 64})
    data = np.random.default_rng(0).standard_normal((8, 64)) + 1e4
    rounded = data.astype(np.float32)
    found = plan(X=rounded)
    for value, wanted in zip(found, plan(X=rounded.astype(np.float64)), strict=True):
        assert value.dtype == np.float32
        np.testing.assert_allclose(value, wanted, atol=1e-3 * np.abs(wanted).max())


def test_a_search_through_means_loses_no_result() -> None:
    """The gradient keeps the second mean, zero on paper, for it is what the rounding of the first leaves."""
    total, X = variance()
    plan = tg.optimize([total, total.grad(X)], {"b": 8, "n": 64})
    plan.check()
    assert plan.flops < 0.9 * plan.baseline
    rounded = (np.random.default_rng(0).standard_normal((8, 64)) + 1e6).astype(np.float32)
    exact = rounded.astype(np.float64)
    right = 2 / 64 * (exact - exact.mean(axis=1, keepdims=True))
    gradient = plan(X=rounded)[1]
    assert np.abs(gradient - right).max() < 2e-3 * np.abs(right).max()


@pytest.mark.parametrize(("name", "sizes"), [("two layers", {"layer": 1}), ("mixed block", {"B": 48})])
def test_sums_whose_terms_have_more_edges_than_they(name: str, sizes: dict[str, int]) -> None:
    """What is left of a sum without a term may have edges that the sum has not: every e-node is right."""
    source = planned(name, **sizes).search
    assert check_snapshot(source.searched.final) == []  # type: ignore[union-attr]

"""Problems that are long, deep, wide, or have many edges: time and memory grow as they do."""

from __future__ import annotations

import cProfile
import gc
import threading

import numpy as np
import pytest
from clocks import Clock

import tensorgrad_eg as tg
from tensorgrad_eg import functions as F
from tensorgrad_eg.egraph.derive import derive
from tensorgrad_eg.egraph.engine import Engine, Engines
from tensorgrad_eg.egraph.saturate import Budget, Report
from tensorgrad_eg.errors import TimeLimitError
from tensorgrad_eg.extract.alias import aliases, closed
from tensorgrad_eg.extract.extract import search
from tensorgrad_eg.rules.forms import NORMAL
from tensorgrad_eg.running import Deadline, patient
from tensorgrad_eg.verify import check_snapshot


def cube(edges: int) -> tg.Variable:
    """A tensor of many edges, all of one size."""
    return tg.Variable("C", dict.fromkeys((f"e{n}" for n in range(edges)), "d"))


def tower(height: int) -> tg.Tensor:
    """Sines of sines of x."""
    e: tg.Tensor = tg.Variable("x", ["i"])
    for _ in range(height):
        e = F.sin(e)
    return e


def test_the_jacobian_of_a_square_is_twice_the_tensor_on_the_diagonal_whatever_the_number_of_edges() -> None:
    """Entry C_ab… of ∂(C·C)/∂C is 2 C where all pairs of edges agree, else 0."""
    C = cube(5)
    data = np.random.default_rng(0).standard_normal((2,) * 5)
    found = tg.optimize((C * C).grad(C), {"d": 2})(C=data)
    np.testing.assert_allclose(found.reshape(32, 32), np.diag(2 * data.ravel()), rtol=1e-12)


def test_products_of_some_deltas_are_not_written_out() -> None:
    """Of nine deltas there are 512 products of some, in many orders: of each there is one node, or two."""
    C = cube(9)
    plan = tg.optimize((C * C).grad(C), {"d": 1})
    assert plan.report.nodes < 1024  # type: ignore[attr-defined]
    np.testing.assert_allclose(plan(C=np.full((1,) * 9, 3.0)).ravel(), [6.0])


def test_a_plan_is_compared_at_sizes_at_which_every_identity_is_small() -> None:
    """At size three the identity by ten edges would have 3^20 entries, 26 GB: smaller sizes are taken."""
    C = cube(10)
    plan = tg.optimize((C * C).grad(C), {"d": 3})
    assert plan.report.verified.startswith("agrees")  # type: ignore[attr-defined]


def test_what_would_not_be_loaded_in_time_is_given_up_early() -> None:
    """With time for ten looks at the clock, loading a thousand terms ends before half of them are there."""
    derived = derive([tower(1000)], {})
    engine, clock = Engine(rulesets=NORMAL), Clock()
    within = Deadline(10.0, clock)
    with pytest.raises(TimeLimitError):
        engine.load(derived.dag, derived.symbols, within)
    assert clock.now < 8


def test_where_there_is_no_time_to_search_the_program_itself_is_the_answer() -> None:
    """It is a snapshot of what differentiation gives, which is right, and the report says what stopped it."""
    X, W = tg.Variable("X", ["b", "i"]), tg.Variable("W", ["i", "k"])
    derived = derive([F.sum(F.softmax(X @ W, "k") ** 2).grad(W)], {})
    report = Report()
    found = search(derived, {"b": 3, "i": 3, "k": 3}, Budget(), report, Engines(deadline=Deadline(0.0)))
    assert found.final is found.start
    assert report.stopped == "seconds (0)"
    assert check_snapshot(found.final) == []


def test_aliases_that_there_is_no_time_for_stay_apart() -> None:
    """x[i] and x[j] are one tensor; with the time up before they are looked at, they are two."""
    x = tg.Variable("x", ["i"])
    derived = derive([x * x.rename(i="j")], {})
    snapshot = search(derived, {"i": 3}, Budget(), Report(), Engines(deadline=Deadline(0.0))).start
    whole = {alias.group for alias in aliases(snapshot).values()}
    apart = {alias.group for alias in aliases(snapshot, closed(snapshot, Deadline(0.0))).values()}
    assert len(whole) < len(apart) == len(snapshot.nodes)


def test_a_sum_of_many_terms_is_written_in_time_in_proportion_to_them() -> None:
    """Four times the terms take less than five times as many calls (in quadratic time sixteen)."""
    calls = []
    for terms in (100, 400):
        x = tg.Variable("x", i="n")
        total = sum(
            (tg.Variable(f"A{n}", i="n", j="n") @ tg.Variable(f"y{n}", j="n") for n in range(terms)), x
        )
        plan = tg.optimize(total, {"n": 2}, effort=0, verify=False)
        plan.code("numpy")
        with cProfile.Profile() as profile:
            plan.code("numpy")
        calls.append(sum(entry.callcount for entry in profile.getstats()))
    assert calls[1] < 5 * calls[0]


@pytest.mark.parametrize("backend", ["numpy", "torch", "jax", "opt_einsum"])
def test_source_without_comments_differs_by_these_alone(backend: str) -> None:
    """Less what stands behind #, and lines of nothing else, the two are the same."""
    A, x = tg.Variable("A", ["i", "k"]), tg.Variable("x", ["k"])
    plan = tg.optimize(F.sum(F.tanh(A @ x) ** 2).grad(x), {"i": 3, "k": 4})
    lines = (line.partition("#")[0].rstrip() for line in plan.code(backend).splitlines())
    bare = plan.code(backend, comments=False)
    assert "#" in plan.code(backend)
    assert "#" not in bare
    assert [line for line in lines if line] == [line for line in bare.splitlines() if line]


def test_the_garbage_collector_is_left_as_it_was_found_by_the_last_of_several_threads() -> None:
    """Two threads that overlap: between them the collector is patient, afterwards it is as before."""
    before, first, second = gc.get_threshold(), threading.Event(), threading.Event()

    def other() -> None:
        with patient():
            first.set()
            second.wait(10)

    thread = threading.Thread(target=other)
    with patient():
        thread.start()
        first.wait(10)
    assert gc.get_threshold() != before
    second.set()
    thread.join()
    assert gc.get_threshold() == before

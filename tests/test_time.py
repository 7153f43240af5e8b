"""Time is a limit, Ctrl-C is heard, and a fork is refused, not waited for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from fractions import Fraction
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from clocks import Clock

import tensorgrad_eg as tg
from tensorgrad_eg import Tensor, Variable
from tensorgrad_eg import functions as F
from tensorgrad_eg.egraph import Dag
from tensorgrad_eg.egraph.derive import derive
from tensorgrad_eg.egraph.engine import Engine, Engines
from tensorgrad_eg.egraph.paths import pairs
from tensorgrad_eg.egraph.saturate import Budget, Report, saturate
from tensorgrad_eg.errors import EndlessRuleError, ForkedProcessError, OptionError, TimeLimitError
from tensorgrad_eg.rules.forms import NORMAL
from tensorgrad_eg.running import Deadline


def tower(height: int) -> tuple[Tensor, Variable]:
    """Functions of functions of x, summed."""
    x = e = Variable("x", ["i"])
    for _ in range(height):
        e = F.tanh(e)
    return e.sum(), x


def test_a_derivative_that_is_not_finished_is_a_timeout_that_says_what_helps() -> None:
    """With no time at all there is no program, and the error names the phase, the progress and the remedy."""
    loss, x = tower(3)
    with pytest.raises(
        TimeoutError, match=r"did not end in 0 seconds: \d+ terms.*seconds=10, or ask for fewer"
    ):
        tg.optimize(loss.grad(x), {"i": 3}, seconds=0)


@pytest.mark.parametrize("seconds", [8.0, 40.0, 100.0, 200.0, 400.0])
def test_whenever_the_time_is_up_the_answer_is_a_right_program_or_a_timeout(seconds: float) -> None:
    """The clock stops after another number of readings each time, so in another phase."""
    X, W = Variable("X", ["b", "i"]), Variable("W", ["i", "k"])
    loss = F.sum(F.softmax(X @ W, "k") ** 2)
    deadline = Deadline(seconds, Clock())
    engines = Engines(deadline=deadline)
    try:
        derived = derive([loss.grad(W)], {}, engines)
    except TimeLimitError:
        assert seconds < 200
        return
    from tensorgrad_eg.egraph.saturate import Budget, Report
    from tensorgrad_eg.extract.extract import search
    from tensorgrad_eg.verify import check_snapshot

    report = Report()
    found = search(derived, {"b": 3, "i": 3, "k": 3}, Budget(), report, engines)
    assert "out0" in found.final.roots
    assert check_snapshot(found.final) == []


@pytest.mark.parametrize("seconds", ["2", None, True, -1, float("nan")])
def test_what_is_no_number_of_seconds_is_refused_by_name(seconds: object) -> None:
    """The message names the option and shows how it is written."""
    x = Variable("x", ["n"])
    with pytest.raises(OptionError, match=r"seconds=.* is no time limit: give a number, as in seconds=10"):
        tg.optimize(x @ x, {"n": 3}, seconds=seconds)  # type: ignore[arg-type]


def test_a_part_of_a_deadline_is_a_part_of_what_is_left() -> None:
    """After three seconds of ten, half of the rest is three and a half, and never more than is allowed."""
    now = [0.0]
    deadline = Deadline(10.0, lambda: now[0])
    now[0] = 3.0
    assert (deadline.left, deadline.part(0.5).left, deadline.part(0.5, 2.0).left) == (7.0, 3.5, 2.0)


GROWING = '(rewrite (apply "sin" a) (scale $2 (apply "sin" (scale $half a))) :ruleset {} :name "ex")'
COUNTING = """(relation count (i64))
(rule ((= e (apply "sin" a))) ((count 0)) :ruleset {0} :name "begin")
(rule ((count n)) ((count (+ n 1))) :ruleset {0} :name "ex")"""
EXPLODING = {"recognise": GROWING, "normalise": GROWING, "analysis": COUNTING, "prospect": COUNTING}


@pytest.mark.parametrize("ruleset", EXPLODING)
def test_rules_without_end_are_an_error_that_names_them(ruleset: str, tmp_path: Path) -> None:
    """Whatever ruleset they are in, in seconds of processor time."""
    file = tmp_path / "mine.egg"
    file.write_text(EXPLODING[ruleset].format(ruleset))
    x = Variable("x", ["i"])
    started = time.process_time()
    with pytest.raises(EndlessRuleError, match=r"do not come to an end.*ex ×\d+"):
        tg.optimize(F.sin(x).sum(), {"i": 3}, rules=[file])
    assert time.process_time() - started < 5


def test_long_lists_of_terms_are_put_together_from_parts() -> None:
    """A sum of a hundred variables is loaded as it is: the engine has one sum of a hundred terms."""
    dag = Dag()
    dag.roots["e"] = dag.put("add", None, *(dag.put("variable", (f"v{n}", ("i",))) for n in range(100)))
    engine = Engine(rulesets=NORMAL)
    engine.load(dag, {"i": "n"})
    snapshot = engine.snapshot(["e"])
    (node,) = snapshot.nodes[snapshot.roots["e"]]
    terms = {snapshot.nodes[c][0].payload[0] for c in node.children}  # type: ignore[index]
    assert len(node.children) == 100
    assert terms == {f"v{n}" for n in range(100)}


def test_the_gradient_of_a_variable_that_many_terms_read_is_right() -> None:
    """Of Σ_n sum(A_n x), sixty terms, it is the sum of the columns, as NumPy adds them."""
    x = Variable("x", j="n")
    total = sum((Variable(f"A{n}", i="n", j="n") @ x for n in range(60)), start=tg.parse("0"))
    plan = tg.optimize(F.sum(total).grad(x), {"n": 2})
    random = np.random.default_rng(0)
    arrays = {f"A{n}": random.standard_normal((2, 2)) for n in range(60)}
    assert np.allclose(plan(**arrays), sum(a.sum(axis=0) for a in arrays.values()))


@pytest.mark.parametrize(("factors", "many"), [(6, 45), (17, 20_000_000)])
def test_where_every_part_is_connected_the_exact_order_is_not_looked_for(factors: int, many: int) -> None:
    """Six factors with an edge in common have 6·5/2 … pairs, seventeen too many to look at."""
    size = dict.fromkeys(range(factors + 1), 2)
    found = pairs([{0, n + 1} for n in range(factors)], set(range(1, factors + 1)), size, 2**40)
    assert found > many


def test_parts_that_no_cheap_order_has_do_not_count() -> None:
    """Of a chain of matrices with one wide edge, parts that keep it open are none if all may take less."""
    chain = [{n, n + 1} for n in range(8)]
    wide = {n: 100 if n == 4 else 2 for n in range(9)}
    assert pairs(chain, {0, 8}, wide, 10**9) > pairs(chain, {0, 8}, wide, 399) > 0


ORDERED = """
import random
from tensorgrad_eg.egraph.paths import Factor, best
generator = random.Random(1)
inputs = [frozenset() for _ in range(24)]
for n in range(36):
    for at in generator.sample(range(24), 2):
        inputs[at] |= {f"edge {n}"}
before = random.getstate()
factors = [Factor(str(n), tuple(sorted(own))) for n, own in enumerate(inputs) if own]
print(best(factors, frozenset(), {f"edge {n}": 16 for n in range(36)}))
assert random.getstate() == before
"""


def test_the_order_of_a_long_product_depends_on_no_hash_and_changes_no_random_numbers() -> None:
    """Processes with other hashes of text give a network of 24 tensors one order; `random` is as it was."""
    orders = {
        subprocess.run(
            [sys.executable, "-c", ORDERED], env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True, timeout=60,
        ).stdout
        for seed in ("0", "1", "2")
    }  # fmt: skip
    assert len(orders) == 1
    assert "(" in orders.pop()


def test_engines_are_lent_empty_and_not_again_after_a_failure() -> None:
    """What was put into one is gone when it is lent again; one in which something failed is not."""
    dag = Dag()
    dag.roots["e"] = dag.put("constant", "pi")
    engines = Engines()
    with engines.lend(NORMAL) as first:
        first.load(dag)
        with engines.lend(NORMAL) as other:
            assert other is not first
    with engines.lend(NORMAL) as again:
        assert again in (first, other)
        assert again.count() == 0
    with pytest.raises(ZeroDivisionError), engines.lend(NORMAL) as failed:
        raise ZeroDivisionError
    with engines.lend(NORMAL) as one, engines.lend(NORMAL) as two:
        assert failed not in (one, two)


INTERRUPTED = """
import sys, threading, time, signal, os
import numpy as np
import tensorgrad_eg as tg
from tensorgrad_eg import functions as F
x = tg.Variable("x", ["i"])
tg.optimize(x @ x, {"i": 3})
X, W, V = tg.Variable("X", ["b", "i"]), tg.Variable("W", ["i", "h"]), tg.Variable("V", ["h", "k"])
loss = F.sum(F.softmax(F.tanh(X @ W) @ V, "k") ** 2)
threading.Timer(float(sys.argv[1]), lambda: os.kill(os.getpid(), signal.SIGINT)).start()
try:
    wanted = {"H": tg.hessian(loss, W), "g": loss.grad(V)}
    plan = tg.optimize(wanted, {"b": 3, "i": 3, "h": 3, "k": 3}, seconds=100)
    print("plan", plan.check().error < 1e-9, plan.report.stopped)
except KeyboardInterrupt:
    print("interrupt")
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
assert tg.optimize(x @ x, {"i": 3})(x=np.ones(3)) == 3
"""


@pytest.mark.parametrize("after", [0.05, 0.6, 2.5])
def test_ctrl_c_gives_the_best_plan_so_far_or_a_clean_interrupt(after: float) -> None:
    """At several moments; in both cases the library works afterwards, and Ctrl-C is what it was."""
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, str(after)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(("plan True", "interrupt"))


def test_ctrl_c_is_as_if_the_time_were_up() -> None:
    """The first one sets the deadline to now, and a phase without an answer raises KeyboardInterrupt."""
    deadline = Deadline(100.0)
    with deadline.heard():
        os.kill(os.getpid(), signal.SIGINT)
        assert deadline.over
        assert deadline.part(0.5).over
        with pytest.raises(KeyboardInterrupt):
            deadline.check("differentiation")
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


FORKED = """
import os
import tensorgrad_eg as tg
x = tg.Variable("x", ["n"])
tg.optimize(x @ x, {"n": 3})
if os.fork() == 0:
    try:
        tg.optimize(x @ x, {"n": 4})
    except tg.TensorgradError as error:
        print(type(error).__name__, error, flush=True)
    os._exit(0)
os.wait()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_plan_in_a_forked_process_is_refused_with_the_remedy() -> None:
    """A child that was forked after a plan says at once that processes are to be spawned."""
    done = subprocess.run(
        [sys.executable, "-c", FORKED], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.startswith(ForkedProcessError.__name__)
    assert 'get_context("spawn")' in done.stdout


def test_the_page_about_processes_is_a_program_that_runs(tmp_path: Path) -> None:
    """Its file plans two problems in two processes, and prints both."""
    page = (Path(__file__).parent.parent / "docs" / "how-to" / "processes.md").read_text(encoding="utf-8")
    (tmp_path / "plans.py").write_text(page.split("```py\n")[1].split("```")[0], encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "plans.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True
    )
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["20", "40"]


def test_terms_that_are_undone_are_gone() -> None:
    """An engine goes back to its last mark; lent again it is empty, whatever was marked in it."""
    dag, more, engines = Dag(), Dag(), Engines()
    dag.roots["e"] = dag.put("constant", "pi")
    more.roots["f"] = more.put("scale", Fraction(3), more.put("variable", ("x", ("i",))))
    for _ in range(2):
        with engines.lend(frozenset({"analysis"})) as engine:
            assert engine.count() == 0
            engine.mark()
            engine.load(dag)
            engine.mark()
            engine.undo()
            assert engine.count() == 1
            engine.undo()
            assert engine.count() == 0
            engine.mark()
            engine.load(more, {"i": "n"})
            assert engine.count() == 2


def test_a_search_that_is_cut_short_leaves_no_duplicates() -> None:
    """The last round on a Hessian is too long; what it would leave, in no normal form, is not priced."""
    X, V, W, Y = (Variable(n, list(e)) for n, e in (("X", "bi"), ("V", "ih"), ("W", "hk"), ("Y", "bk")))
    loss = F.cross_entropy(F.tanh(X @ V) @ W, Y, "k")
    plan = tg.optimize(tg.hessian(loss, V), {"b": 64, "i": 32, "h": 100, "k": 10}, seconds=60)
    assert plan.report.stopped == "matches (60000)"
    assert plan.report.nodes < 4_000
    assert plan.flops <= 1_326_526_976  # what the same search found when it went on for as long as it liked


@pytest.mark.parametrize("seconds", [0.0, 10.0])
def test_a_search_that_is_cut_short_leaves_no_sum_of_one_term(seconds: float) -> None:
    """Where the round that would have removed it was not run, be there time for another or not."""
    dag = Dag()
    x = dag.put("variable", ("x", ("i",)))
    dag.roots["e"] = dag.put("apply", "exp", dag.put("add", None, x))
    engine = Engine(deadline=Deadline(seconds))
    engine.load(dag, {"i": "n"})
    saturate(engine, {"n": 3}, Budget(matches=0), Report())
    snapshot = engine.snapshot(["e"])
    assert [node.op for nodes in snapshot.nodes.values() for node in nodes] == ["variable", "apply"]


def test_rules_of_the_project_without_end_end_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is a program by then, which is the answer; the report says what ended the search."""
    run = Engine.run

    def endless(self: Engine, ruleset: str, saturate: bool = False) -> bool:
        if ruleset == "orders":
            raise EndlessRuleError.of(ruleset, self.matches)
        return run(self, ruleset, saturate)

    monkeypatch.setattr(Engine, "run", endless)
    x = Variable("x", ["i"])
    plan = tg.optimize(F.sum(F.sin(x) * x).grad(x), {"i": 3})
    assert plan.report.stopped == "rules without an end"
    given = np.array([0.1, -0.2, 0.3])
    np.testing.assert_allclose(plan(x=given), np.cos(given) * given + np.sin(given))


def test_like_terms_meet_one_pair_at_a_time() -> None:
    """The six orders of a product of three are put together in five steps, not in all orders of the six."""
    x, y, z = (Variable(name, ["i"]) for name in "xyz")
    orders = [(a * b) * c for a, b, c in permutations((F.sin(x), F.exp(y), F.tanh(z)))]
    plan = tg.optimize(sum(orders[1:], orders[0]) + 1 / (1 + x), {"i": 4})
    assert 1 <= plan.report.matches["like terms, in another order"] <= 5

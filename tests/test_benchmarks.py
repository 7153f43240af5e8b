from __future__ import annotations

import doctest
import importlib
import json
import pkgutil
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import opt_einsum
import pytest
import torch
from click.testing import CliRunner

import benchmarks
import benchmarks.families  # declares the cases
from benchmarks import gate, report
from benchmarks.__main__ import main
from benchmarks.case import CASES, Case, select
from benchmarks.count import price, total
from benchmarks.measure import Result, difference, measure
from benchmarks.models.environments import gradient_cost
from benchmarks.models.networks import mps_overlap
from benchmarks.models.scalar_graph import robot_arm
from benchmarks.timing import Timed

SMOKE = select(smoke=True)


def _modules() -> list[ModuleType]:
    found = pkgutil.walk_packages(benchmarks.__path__, "benchmarks.")
    return [importlib.import_module(module.name) for module in found if not module.name.endswith("__main__")]


@pytest.mark.parametrize("module", _modules(), ids=lambda module: module.__name__)
def test_examples_run(module: ModuleType) -> None:
    """The examples in the docstrings of the benchmarks say what happens."""
    outcome = doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert outcome.failed == 0


@pytest.mark.parametrize("case", [c for c in SMOKE if c.build(c.sizes).hand], ids=lambda case: case.key)
def test_closed_forms_are_right(case: Case) -> None:
    """Every form written by hand equals automatic differentiation by torch."""
    problem = case.build(case.sizes)
    assert problem.hand is not None
    data = {name: torch.from_numpy(array) for name, array in problem.data.items()}
    assert difference(problem.hand.torch(data), problem.reference(data)) < 1e-12
    assert problem.hand.flops > 0


def test_every_case_has_a_name_of_its_own() -> None:
    """No two cases share a key, and every family has a smoke case."""
    keys = [case.key for case in CASES]
    assert len(set(keys)) == len(keys)
    assert {case.family for case in SMOKE} == {case.family for case in CASES}


def test_a_measured_case_is_correct_and_not_dearer_than_by_hand() -> None:
    """The Hessian of a quadratic form is planned, checked and timed."""
    (case,) = select(names=["H/H1/n=50"])
    result, plan = measure(case, repeats=1, turns=3)
    assert result.error == 0
    assert result.flop_ratio == 1
    assert result.flops == plan.flops == 2500
    assert result.rival == "hand"
    assert result.time_ratio is not None
    assert set(result.phases) >= {"differentiate", "search", "extract"}


def test_prices_are_in_the_unit_of_opt_einsum() -> None:
    """A product that sums costs two for each index combination, one that does not costs one."""
    sizes = {"i": 3, "j": 4, "k": 5}
    assert price("contract ij,jk->ik", sizes) == 2 * 60
    assert price("contract ij,jk->ijk", sizes) == 60
    assert total(["reduce ij->i", "apply i->i", "add i,-2i->i"], sizes) == 12 + 3 + 6


@pytest.mark.parametrize(
    ("step", "message"),
    [("contract ij,jk", "no arrow"), ("add i,j?->i", "is no operand"), ("guess i->i", "no cost is known")],
)
def test_a_step_that_makes_no_sense_is_refused(step: str, message: str) -> None:
    """A mistake in a closed form is told, not priced."""
    with pytest.raises(ValueError, match=message):
        price(step, {"i": 2, "j": 2, "k": 2})


def test_ratios_are_taken_pair_by_pair() -> None:
    """A slow spell that hits both programs of a pair does not change the ratio."""
    assert Timed.of([(1.0, 2.0), (10.0, 20.0), (1.0, 2.0), (1.0, 2.0)]).ratio == 0.5


@pytest.fixture
def result() -> Result:
    """A result as it is measured."""
    anchors, phases = {"greedy": 90}, {"search": 0.5}
    return Result("H", "H1", {"n": 2}, 100, 80, 200, anchors, 0.5, 1.0, phases, 7, "saturated", 0.0, 0.0)


def test_more_flops_than_the_baseline_fail_the_gate(result: Result, tmp_path: Path) -> None:
    """Flops must not grow; fewer are news, and planning time is told only."""
    path = tmp_path / "baseline.json"
    gate.write([result], path)
    known = gate.load(path)
    assert gate.failures([replace(result, planning=99.0)], known) == []
    assert gate.failures([replace(result, flops=101)], known) == ["H/H1/n=2: 101 flops, the baseline has 100"]
    assert "fewer than the 100" in gate.news([replace(result, flops=99)], known)[0]


def test_a_wrong_plan_fails_the_gate(result: Result) -> None:
    """A result that differs from the reference fails, also when nothing is known about its cost."""
    (sentence,) = gate.failures([replace(result, error=float("nan"))], {})
    assert "relative error" in sentence


def test_the_baseline_has_every_case_at_every_size() -> None:
    """What anybody runs is compared with committed numbers, and no number is left of a case that is gone."""
    assert {case.key for case in select(slow=True)} == set(gate.load())


def test_each_case_of_the_baseline_fails_the_gate_where_it_costs_one_flop_more(result: Result) -> None:
    """Whatever its size, a case that is dearer than its number is named with both."""
    known = gate.load()
    for case in select(slow=True):
        flops = known[case.key]["flops"]
        same = replace(result, family=case.family, case=case.name, sizes=dict(case.sizes), flops=flops)
        assert gate.failures([same], known) == []
        (sentence,) = gate.failures([replace(same, flops=flops + 1)], known)
        assert sentence == f"{case.key}: {flops + 1:,} flops, the baseline has {flops:,}"


def test_the_table_has_a_row_for_a_result(result: Result) -> None:
    """The table is Markdown: ratio to the closed form, planning time with its target, dashes."""
    lines = report.table([result]).splitlines()
    assert len(lines) == 3
    assert "1.2500" in lines[2]
    assert "0.50 (≤ 1)" in lines[2]
    assert "–" in lines[2]
    assert report.notes([result]) == ["H/H1/n=2: greedy 90, ours is 1.111 of it"]


def test_json_holds_all_that_was_measured(result: Result) -> None:
    """The JSON has the versions and every field."""
    (entry,) = json.loads(report.as_json([result]))["results"]
    assert entry["key"] == "H/H1/n=2"
    assert entry["flop_ratio"] == 1.25


def test_the_command_measures_compares_and_writes(tmp_path: Path) -> None:
    """One case from the command line: table, JSON, and a baseline that it then agrees with."""
    path, target = tmp_path / "baseline.json", tmp_path / "out.json"
    options = ["--case", "H/H1/n=50", "--turns", "0", "--repeats", "1", "--baseline", str(path)]
    first = CliRunner().invoke(main, [*options, "--update", "--json", str(target)])
    assert first.exit_code == 0, first.output
    assert "| H1" in first.output
    assert json.loads(target.read_text())["results"][0]["flops"] == 2500
    second = CliRunner().invoke(main, options)
    assert second.exit_code == 0
    assert "new:" not in second.output
    path.write_text(path.read_text().replace("2500", "2499"))
    assert CliRunner().invoke(main, options).exit_code == 1


@pytest.mark.parametrize(("order", "published"), [("forward", 397), ("reverse", 301), ("Markowitz", 288)])
def test_the_robot_arm_is_the_published_graph(order: str, published: int) -> None:
    """Elimination in three orders costs what others have published for this function."""
    assert robot_arm().multiplications(order) == published


def test_gradients_of_a_tree_cost_three_times_what_is_below_its_root() -> None:
    """All environments of an overlap cost 3 (F − root), and those of one factor less."""
    network = mps_overlap(5, 2, 3)
    letters = {edge: opt_einsum.get_symbol(n) for n, edge in enumerate(network.sizes)}
    formula = ",".join("".join(letters[edge] for edge in factor) for factor in network.factors) + "->"
    shapes = [tuple(network.sizes[edge] for edge in factor) for factor in network.factors]
    path, info = opt_einsum.contract_path(formula, *shapes, shapes=True, optimize="dp")
    every = [True] * len(shapes)
    root = int(info.opt_cost) - gradient_cost(network.factors, network.sizes, path, every) // 3
    assert root > 0
    assert root in {2 * 3**n * 2**m for n in range(4) for m in range(4)}
    assert gradient_cost(network.factors, network.sizes, path, [True, *every[1:]]) > gradient_cost(
        network.factors, network.sizes, path, [True, *[False] * (len(shapes) - 1)]
    )


def test_no_such_case() -> None:
    """A name that fits no case is an error that says how to list them."""
    outcome = CliRunner().invoke(main, ["--case", "H99"])
    assert outcome.exit_code == 2
    assert "--list" in outcome.output

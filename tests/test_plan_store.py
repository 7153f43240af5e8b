from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import Builder, arrays_for, programs

from tensorgrad_eg.plan.plan import Baseline, DetachedPlanError, Plan
from tensorgrad_eg.plan.program import Program
from tensorgrad_eg.plan.store import PlanFileError, load


def some_plan() -> Plan:
    """A plan with fractions, constants and functions in it."""
    b = Builder(i=3, k=2)
    A, x = b.variable("A", "ik"), b.variable("x", "k")
    Ax = b.apply("tanh", b.mul(A, x, "k"))
    total = b.add(Ax, b.constant(float("inf"), "∞"), b.power(Ax, "2/3"), factors=[1, -1, "-1/3"])
    return Plan(
        b.program(b.step("softmax", total, over="i"), Ax),
        ("soft", "hidden"),
        Baseline(9, {"reverse": 9}),
        "ran",
    )


@given(program=programs())
def test_every_plan_survives_the_round_trip(program: Program) -> None:
    """A plan that was written and read again has the same program, source and text."""
    plan = Plan(program, "list", Baseline(5, {"reverse": 5}), {"rounds": 3})
    again = Plan.from_json(plan.to_json())
    assert again.program == plan.program
    assert again.to_json() == plan.to_json()
    assert again.code("torch") == plan.code("torch")
    assert str(again) == str(plan)


def test_a_saved_plan_runs_and_emits(tmp_path: Path) -> None:
    """A plan from a file runs, emits and prints; only its expressions are gone."""
    b = Builder(i=3, k=2)
    plan = Plan(b.program(b.mul(b.variable("A", "ik"), b.variable("x", "k"), "k")), "tensor", 12)
    plan.save(tmp_path / "plan.json")
    again = load(tmp_path / "plan.json")
    arrays = arrays_for(plan.program)
    np.testing.assert_array_equal(again(**arrays), plan(**arrays))
    with pytest.raises(DetachedPlanError, match=r"loaded from a file"):
        again.resize({"i": 4})


def test_every_field_is_kept() -> None:
    """Structure, baseline with its modes, infinite constants, labels and factors are all in the file."""
    again = Plan.from_json(some_plan().to_json())
    assert (again.structure, again.baseline, again.baseline.modes) == (("soft", "hidden"), 9, {"reverse": 9})
    assert again.report == "ran"
    assert again.program == some_plan().program


def damaged(change: Any) -> str:
    """The text of a plan after a change to its data."""
    data = json.loads(some_plan().to_json())
    change(data)
    return json.dumps(data)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[1]", "should be a JSON object, not a list"),
        ("{}", "its format is None, not 'tensorgrad_eg plan'"),
        (
            damaged(lambda d: d.update(version=2)),
            r"version 2; this release reads version 1\. Make the plan again",
        ),
        (damaged(lambda d: d.pop("steps")), "'steps' is missing"),
        (damaged(lambda d: d.update(steps={})), "'steps' should be of type list"),
        (damaged(lambda d: d["steps"][0].update(kind="explode")), "unknown kind 'explode'"),
        (damaged(lambda d: d["steps"][0].update(edges=["i\nimport os"])), "should be a list of names"),
        (damaged(lambda d: d["steps"][0].update(name=3)), "'name' should be of type str, but is 3"),
        (damaged(lambda d: d["steps"][1].update(function="os.system")), "there is no function 'os.system'"),
        (damaged(lambda d: d["steps"][2].update(value="x")), "'value' should be a number"),
        (damaged(lambda d: d["steps"][3].update(number="1/0")), "'number' should be a fraction"),
        (damaged(lambda d: d["sizes"].update(i=0)), "'sizes' should give numbers by name"),
        (damaged(lambda d: d["sizes"].update(i=True)), "'sizes' should give numbers by name"),
        (damaged(lambda d: d["inputs"][0].update(sizes=[1.5, 2])), "are not sizes"),
        (damaged(lambda d: d.update(structure="heap")), "its structure is 'heap'"),
        (damaged(lambda d: d.update(structure=["one"])), "it has 2 results, not 1"),
        (
            damaged(lambda d: d["outputs"][0]["reads"].update(tensor="nobody")),
            "reads 'nobody', which is neither",
        ),
    ],
)
def test_bad_files_are_refused_with_a_reason(text: str, message: str) -> None:
    """Whatever is wrong with a file, the error says what, and nothing of it runs."""
    with pytest.raises(PlanFileError, match=message):
        Plan.from_json(text)


def test_files_that_are_not_there_or_no_text(tmp_path: Path) -> None:
    """A missing file, a folder and binary data are named by path."""
    with pytest.raises(PlanFileError, match="there is no plan file"):
        load(tmp_path / "missing.json")
    with pytest.raises(PlanFileError, match="cannot be read as a plan"):
        load(tmp_path)
    (tmp_path / "binary").write_bytes(os.urandom(20) + b"\xff\xfe")
    with pytest.raises(PlanFileError, match="binary"):
        load(tmp_path / "binary")
    (tmp_path / "short.json").write_text("{}", encoding="utf-8")
    with pytest.raises(PlanFileError, match=r"short\.json': this is not a plan"):
        load(tmp_path / "short.json")


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=400)
@given(path=st.lists(st.integers(0, 9), min_size=1, max_size=5), junk=JUNK)
def test_a_damaged_file_never_ends_in_another_error(path: list[int], junk: Any) -> None:
    """Replacing any part of a file by anything gives a plan, or the error that says the file is damaged."""
    data: Any = json.loads(some_plan().to_json())
    here = data
    for number in path:
        keys = (
            list(here) if isinstance(here, dict) else list(range(len(here))) if isinstance(here, list) else []
        )
        if not keys:
            break
        key = keys[number % len(keys)]
        parent, here = here, here[key]
    parent[key] = junk
    with suppress(PlanFileError):
        Plan.from_json(json.dumps(data)).code("numpy")

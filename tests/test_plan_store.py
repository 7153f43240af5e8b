from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import Builder, arrays_for, programs

from tensorgrad_eg.errors import DetachedPlanError, PlanFileError, PlanFileNotFoundError, WriteError
from tensorgrad_eg.plan import Plan, load
from tensorgrad_eg.program import Program, store
from tensorgrad_eg.program.cost import Baseline
from tests.mutate_plan_files import run


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
        ("[" * 100_000, "should be a JSON object, not a list"),
        ('{"format": ' + "[" * 100_000, "not JSON"),
        ("[1]", "should be a JSON object, not a list"),
        ("{}", "its format is None, not 'tensorgrad_eg plan'"),
        (
            damaged(lambda d: d.update(version=2)),
            r"version 2; this release reads version 1\. Make the plan again",
        ),
        (damaged(lambda d: d.pop("steps")), "missing required field `steps`"),
        (damaged(lambda d: d.update(steps={})), r"steps: Expected `array`, got `object`"),
        (damaged(lambda d: d["steps"][0].update(kind="explode")), "unknown kind 'explode'"),
        (
            damaged(lambda d: d["steps"][0].update(edges=["i\nimport os"])),
            r"steps\[0\]\.edges\[0\]: Expected a name, in characters that can be printed",
        ),
        (damaged(lambda d: d["steps"][0].update(name=3)), r"steps\[0\]\.name: Expected `str`, got `int`"),
        (damaged(lambda d: d["steps"][1].update(function="os.system")), "there is no function 'os.system'"),
        (
            damaged(lambda d: d["steps"][2].update(value="x")),
            r"value: Expected a number, such as '0\.5' or 'inf'",
        ),
        (
            damaged(lambda d: d["steps"][3].update(number="1/0")),
            r"number: Expected a fraction, such as '-2/3'",
        ),
        (damaged(lambda d: d["sizes"].update(i=-1)), r"sizes\[\.\.\.\]: Expected `int` >= 0"),
        (damaged(lambda d: d["sizes"].update(i=True)), "Expected `int`, got `bool`"),
        (
            damaged(lambda d: d["inputs"][0].update(sizes=[1.5, 2])),
            r"inputs\[0\]\.sizes\[0\]: Expected `int \| str`, got `float`",
        ),
        (damaged(lambda d: d.update(structure="heap")), "structure: Invalid enum value 'heap'"),
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
    with pytest.raises(PlanFileNotFoundError, match="there is no plan file"):
        load(tmp_path / "missing.json")
    with pytest.raises(PlanFileError, match="cannot be read as a plan"):
        load(tmp_path)
    (tmp_path / "binary").write_bytes(os.urandom(20) + b"\xff\xfe")
    with pytest.raises(PlanFileError, match="binary"):
        load(tmp_path / "binary")
    (tmp_path / "short.json").write_text("{}", encoding="utf-8")
    with pytest.raises(PlanFileError, match=r"short\.json': this is not a plan"):
        load(tmp_path / "short.json")


@pytest.mark.parametrize("version", [1.0, True, "1", None, [1], 0, -1, 10**30])
def test_the_version_is_a_whole_number(version: object) -> None:
    """What is no 1 is no version 1: neither 1.0 nor true."""
    text = damaged(lambda d: d.update(version=version))
    with pytest.raises(PlanFileError, match=r"this plan has version .*; this release reads version 1"):
        Plan.from_json(text)


HUGE = ["1e99999999", "1e9999999", "9" * 50_000, "1/" + "9" * 50_000, "1/0", "1.5", " 1", "٣", "-", ""]


@pytest.mark.parametrize("field", ["number", "factor"])
@pytest.mark.parametrize("number", HUGE, ids=range(len(HUGE)))
def test_numbers_are_written_out_and_of_a_size(field: str, number: str) -> None:
    """A number in a few letters that would take a minute to write out is refused at once."""
    where = (lambda d: d["steps"][4]["operands"][2]) if field == "factor" else lambda d: d["steps"][3]
    started = time.process_time()
    with pytest.raises(PlanFileError, match=rf"{field}: Expected a fraction, such as '-2/3'"):
        Plan.from_json(damaged(lambda d: where(d).update({field: number})))
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["sizes"].update(i=2**63),
        lambda d: d["baseline"].update(flops=float(2**63)),
        lambda d: d["steps"][2].update(value="1e99999999"),
        lambda d: d.update(report="x" * 2_000_000),
        lambda d: d["steps"][0].update(name="t" * 20_000),
        lambda d: d.update(comment="a field that no plan has"),
        lambda d: d["steps"][0].update(kernel="a field that no step has"),
        lambda d: d.update(structure=["same", "same"]),
    ],
    ids=["size", "float", "value", "report", "name", "field", "step field", "two names"],
)
def test_fields_are_known_and_bounded(change: Any) -> None:
    """Sizes, texts and names have limits, and a field that this release does not know is not passed over."""
    with pytest.raises(PlanFileError, match="this plan is damaged"):
        Plan.from_json(damaged(change))


def test_a_file_is_not_read_beyond_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is longer than any plan is refused by its length."""
    monkeypatch.setattr(store, "LONGEST", 100)
    some_plan().save(tmp_path / "plan.json")
    with pytest.raises(PlanFileError, match=r"plan\.json': this is not a plan: it has more than 100 bytes"):
        load(tmp_path / "plan.json")


def test_steps_that_nothing_reads_do_not_matter() -> None:
    """A program with a step whose value nobody wants runs without the array that this step would read."""
    b = Builder(i=3)
    b.apply("tanh", b.variable("x", "i"))
    plan = Plan(b.program(b.constant(2.0)), "tensor", 0, arranged=True)
    again = Plan.from_json(plan.to_json())
    assert again() == 2
    assert again(x=np.ones(3)) == 2


def test_empty_tensors_are_kept() -> None:
    """A plan for an edge of size 0 survives the file."""
    b = Builder(i=0, k=2)
    plan = Plan(b.program(b.mul(b.variable("A", "ik"), b.variable("x", "k"), "k")), "tensor", 12)
    assert Plan.from_json(plan.to_json())(**arrays_for(plan.program)).shape == (0,)


def test_a_file_of_the_first_release_is_read() -> None:
    """A file of version 1 as it was first written, structured results included, means what it meant."""
    text = (Path(__file__).parent / "plan_version_1.json").read_text(encoding="utf-8")
    plan = Plan.from_json(text)
    assert str(plan).startswith("Form       result[p,h,p_,h_] = 2 δ[h,h_] XX[p,p_]")
    assert plan.to_json() == text


# ---- writing


def test_what_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder, a folder that is not there, and a folder in which nothing may be written are named."""
    with pytest.raises(WriteError, match=r"cannot be written: it is a folder\. Name a file in it\."):
        some_plan().save(tmp_path)
    with pytest.raises(
        WriteError, match=r"cannot be written: there is no folder '.*missing'\. Make it first"
    ):
        some_plan().save(tmp_path / "missing" / "plan.json")
    with pytest.raises(WriteError, match="File name too long"):
        some_plan().save(tmp_path / ("x" * 300))
    assert list(tmp_path.iterdir()) == []

    def refused(*_: object, **__: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refused)
    with pytest.raises(WriteError, match=r"plan\.json' cannot be written: Permission denied\."):
        some_plan().save(tmp_path / "plan.json")


def test_a_save_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the disk is full, the file is what it was, and nothing else is there."""
    path = tmp_path / "plan.json"
    some_plan().save(path)
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WriteError, match=r"plan\.json' cannot be written: No space left on device\."):
        Plan(Program((), (), (), {}), "list", 0).save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_without_nameless_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has no files without names, saving works as well, and leaves nothing behind."""
    monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    some_plan().save(tmp_path / "plan.json")
    assert load(tmp_path / "plan.json").program == some_plan().program
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


def test_links_and_permissions_stay(tmp_path: Path) -> None:
    """A link is written through, and a file keeps the permissions that it had."""
    path, link = tmp_path / "plan.json", tmp_path / "link.json"
    some_plan().save(path)
    path.chmod(0o640)
    link.symlink_to(path)
    Plan(Program((), (), (), {}), "list", 0).save(link)
    assert link.is_symlink()
    assert load(path).steps == ()
    assert path.stat().st_mode & 0o777 == 0o640


def test_kills_and_races() -> None:
    """Processes that are killed while they save, and two that save to one path, damage nothing."""
    command = [sys.executable, "-m", "tests.kill_saves", "--count", "12", "--loads", "25"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=Path(__file__).parent.parent
    )
    assert done.stdout == "12 kills: 0 damaged, 0 left behind; 25 loads: 0 failed\n", done.stderr


def test_mutated_files_are_refused_or_right() -> None:
    """Files with random changes are refused by name, or load and compute what their steps say."""
    ends, failures = run(400, seed=0)
    assert failures == []
    assert ends["refused"] > 200
    assert ends["right"] > 20


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

"""What is installed: the rules come along, in a wheel as in an editable installation."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
RULES = sorted(path.name for path in (ROOT / "rules").glob("*.egg"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def build(kind: str, folder: Path) -> Path:
    """Build a distribution of the project with its own build backend."""
    code = f"import sys; from hatchling.build import build_{kind} as build; build(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, str(folder)], cwd=ROOT, check=True, capture_output=True)
    (path,) = (path for path in folder.iterdir() if path.suffix in (".whl", ".gz"))
    return path


def found_rules(folder: Path) -> list[str]:
    """Where a process that has nothing but this folder to import from finds the rules."""
    code = (
        "import site, sys; site.addsitedir(sys.argv[1]);"
        "from tensorgrad_eg.rules import rule_files;"
        "print(*(file.path for file in rule_files() if file.path.exists()), sep='\\n')"
    )
    elsewhere = folder.parent / "elsewhere"
    elsewhere.mkdir()
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    # The folder comes before the environment, in which the project may be installed as well.
    environment["PYTHONPATH"] = str(folder)
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        cwd=elsewhere, env=environment, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout.split()


def test_wheel(tmp_path: Path) -> None:
    """A wheel holds every rule file and the mark of a typed package, and finds its own rules."""
    wheel = build("wheel", tmp_path)
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path / "site")
    assert {f"tensorgrad_eg/_rules/{name}" for name in RULES} <= names
    assert "tensorgrad_eg/py.typed" in names
    assert not {name for name in names if name.startswith(("tests/", "benchmarks/", "rules/"))}
    found = found_rules(tmp_path / "site")
    assert found == [str(tmp_path / "site" / "tensorgrad_eg" / "_rules" / name) for name in RULES]


def test_editable(tmp_path: Path) -> None:
    """An editable installation finds the rules of the repository, where one edits them."""
    wheel = build("editable", tmp_path)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    assert found_rules(tmp_path / "site") == [str(ROOT / "rules" / name) for name in RULES]


def test_source_distribution(tmp_path: Path) -> None:
    """A source distribution has what is needed to build a wheel and to run the tests."""
    with tarfile.open(build("sdist", tmp_path)) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {f"rules/{name}" for name in RULES} <= names
    assert {"pyproject.toml", "LICENSE", "README.md", "constraints.txt", "tests/conftest.py"} <= names


def test_command() -> None:
    """The command of the project is a function that exists."""
    module, name = PROJECT["scripts"]["tensorgrad-eg"].split(":")
    assert callable(getattr(__import__(module, fromlist=[name]), name))


def test_python_m() -> None:
    """`python -m tensorgrad_eg` is the same command."""
    done = subprocess.run(
        [sys.executable, "-m", "tensorgrad_eg", "--help"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith("Usage: tensorgrad-eg")


def test_constraints_pin_what_is_required() -> None:
    """constraints.txt has one exact version of everything that the tests install."""
    pins = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and line[0] != "#"]
    pinned = {pin.partition("==")[0] for pin in pins}
    assert all("==" in pin for pin in pins)
    extras = PROJECT["optional-dependencies"]
    wanted = [
        *PROJECT["dependencies"],
        *extras["test"][1:],
        *extras["torch"],
        *extras["exact"],
        *extras["large"],
    ]
    for requirement in wanted:
        name = requirement.partition(">")[0].partition("=")[0]
        assert name in pinned, f"constraints.txt does not pin {name}"


@pytest.mark.parametrize("name", ["LICENSE", "STYLE.md", "CONTRIBUTING.md", "CHANGELOG.md", "README.md"])
def test_papers(name: str) -> None:
    """The papers of the project are there."""
    assert (ROOT / name).stat().st_size > 500


def test_ci_is_strict() -> None:
    """.ci/run stops at the first thing that fails, and runs what the README says."""
    script = (ROOT / ".ci" / "run").read_text()
    assert "set -euo pipefail" in script
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    commands = [line for line in script.splitlines() if line.startswith(("ruff", "mypy", "python"))]
    assert not [line for line in commands if "|" in line]
    assert "python -m benchmarks --smoke" in commands


STEPS = [
    "pip install",
    "ruff check",
    "ruff format",
    "mypy --strict",
    "python -m pytest",
    "python -m benchmarks",
]


@pytest.mark.parametrize("broken", ["nothing", *STEPS])
def test_ci_fails_with_each_of_its_steps(broken: str, tmp_path: Path) -> None:
    """.ci/run succeeds when all of its steps do, and fails when any of them does."""
    stub = f'#!/bin/bash\ncase "$(basename "$0") $*" in "{broken}"*) exit 3;; esac\n'
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("pip", "ruff", "mypy", "python"):
        (tools / name).write_text(stub)
    # In place of a virtual environment: one whose tools do nothing, and fail where they are told to.
    (tools / "activate").write_text(f'PATH="{tools}:$PATH"\n')
    (tools / "python3").write_text(f'#!/bin/bash\nmkdir -p "$3/bin" && cp "{tools}/activate" "$3/bin/"\n')
    for tool in tools.iterdir():
        tool.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", ".ci/run"], cwd=ROOT, env=environment, capture_output=True, check=False)
    assert (done.returncode == 0) == (broken == "nothing"), done.stderr.decode()

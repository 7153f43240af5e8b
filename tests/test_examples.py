"""Every example of the repository runs, and shows a plan and its code."""

from __future__ import annotations

import runpy
from contextlib import redirect_stdout
from functools import lru_cache
from io import StringIO
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

EXAMPLES = sorted(path.stem for path in (ROOT / "examples").glob("*.py"))


@lru_cache
def shown(name: str) -> str:
    """What an example prints when it is run as a script."""
    printed = StringIO()
    with redirect_stdout(printed):
        runpy.run_path(str(ROOT / "examples" / f"{name}.py"), run_name="__main__")
    return printed.getvalue()


@pytest.mark.parametrize("example", EXAMPLES)
def test_example(example: str) -> None:
    """An example runs from top to bottom, and prints a cost table and a function."""
    out = shown(example)
    assert "flops" in out
    assert "\ndef plan(" in out


def test_l2_loss() -> None:
    """The gradient of ‖Ax - y‖² is written as one would by hand."""
    out = shown("l2_loss")
    assert "2 * (A.T @ (A @ x - y))" in out
    assert "gradient = 2 Σ_i" in out


def test_mlp_hessian() -> None:
    """Both orders of differentiation cost at least twice what the plan of the Hessian costs."""
    lines = shown("mlp_hessian").splitlines()
    ratios = [float(line.split()[-7]) for line in lines if line.endswith("times the flops of the plan")]
    assert len(ratios) == 2
    assert min(ratios) > 2


def test_attention() -> None:
    """Gradients through a softmax stay finite where its exponentials would overflow."""
    assert "finite where logits are large: True" in shown("attention")


def test_mps_norm() -> None:
    """All gradients of a norm together cost less than one more norm a tensor would."""
    last = shown("mps_norm").splitlines()[-1]
    assert float(last.split(":")[-1].split()[0]) < 5

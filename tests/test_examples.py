"""Every example of the repository runs, and shows a plan and its code."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def shown(example: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What an example prints when it is run as a script."""
    runpy.run_path(str(example), run_name="__main__")
    return capsys.readouterr().out


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An example runs from top to bottom, and prints a cost table and a function."""
    out = shown(example, capsys)
    assert "flops" in out
    assert "\ndef plan(" in out


def test_l2_loss(capsys: pytest.CaptureFixture[str]) -> None:
    """The gradient of ‖Ax - y‖² is written as one would by hand."""
    out = shown(ROOT / "examples" / "l2_loss.py", capsys)
    assert "2 * (A.T @ (A @ x - y))" in out
    assert "gradient = 2 Σ_i" in out


def test_mlp_hessian(capsys: pytest.CaptureFixture[str]) -> None:
    """Both orders of differentiation cost at least twice what the plan of the Hessian costs."""
    lines = shown(ROOT / "examples" / "mlp_hessian.py", capsys).splitlines()
    ratios = [float(line.split()[-7]) for line in lines if line.endswith("times the flops of the plan")]
    assert len(ratios) == 2
    assert min(ratios) > 2


def test_attention(capsys: pytest.CaptureFixture[str]) -> None:
    """Gradients through a softmax stay finite where its exponentials would overflow."""
    assert "finite where logits are large: True" in shown(ROOT / "examples" / "attention.py", capsys)


def test_mps_norm(capsys: pytest.CaptureFixture[str]) -> None:
    """All gradients of a norm together cost less than one more norm a tensor would."""
    last = shown(ROOT / "examples" / "mps_norm.py", capsys).splitlines()[-1]
    assert float(last.split(":")[-1].split()[0]) < 5

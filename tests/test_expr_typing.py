"""The type-checked file runs as well; mypy itself checks it in continuous integration."""

from __future__ import annotations

import runpy
from pathlib import Path


def test_typed_program_runs() -> None:
    """What the type checker believes about expressions is what happens."""
    runpy.run_path(str(Path(__file__).parent / "typing" / "expressions.py"))

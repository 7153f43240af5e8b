"""Results as a table in Markdown and as JSON."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from pathlib import Path

import torch
from prettytable import PrettyTable, TableStyle

from benchmarks.measure import Result

_COLUMNS = (
    "case",
    "sizes",
    "flops",
    "÷ closed form",
    "÷ baseline",
    "planning s",
    "of it differentiate, search, extract",
    "e-nodes",
    "time ÷ rival",
    "quartiles",
    "error",
)


def table(results: Sequence[Result]) -> str:
    """One row a case; what there is nothing to compare with is a dash.

    >>> print(table([]).splitlines()[0][:20])
    | case | sizes | flo
    """
    grid = PrettyTable(_COLUMNS)
    grid.set_style(TableStyle.MARKDOWN)
    grid.align = "r"
    grid.align["case"] = grid.align["sizes"] = "l"
    for result in results:
        grid.add_row(_row(result))
    return grid.get_string()


def _row(r: Result) -> list[str]:
    sizes = " ".join(f"{name}={size}" for name, size in r.sizes.items())
    phases = ", ".join(f"{r.phases.get(name, 0):.2f}" for name in ("differentiate", "search", "extract"))
    target = f" (≤ {r.target:g})" if r.target else ""
    times = f"{r.time_ratio:.2f} {r.rival}" if r.time_ratio else "–"
    quartiles = f"{r.quartiles[0]:.2f}–{r.quartiles[1]:.2f}" if r.quartiles else "–"
    return [
        r.case,
        sizes,
        f"{r.flops:,}",
        f"{r.flop_ratio:.4f}" if r.flop_ratio else "–",
        f"{r.flops / r.baseline:.3f}" if r.baseline else "–",
        f"{r.planning:.2f}{target}",
        phases,
        f"{r.nodes:,}",
        times,
        quartiles,
        f"{r.error:.0e}",
    ]


def notes(results: Sequence[Result]) -> list[str]:
    """What a reader has to know about single cases, each said once.

    >>> notes([])
    []
    """
    found = [f"{r.case}: {r.note}" for r in results if r.note]
    for r in results:
        found += [
            f"{r.key}: {name} {flops:,}, ours is {r.flops / flops:.3f} of it"
            for name, flops in r.anchors.items()
        ]
    return list(dict.fromkeys(found))


def as_json(results: Sequence[Result]) -> str:
    """All that was measured, with what it was measured on."""
    versions = {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "machine": platform.machine(),
    }
    return json.dumps(
        {"versions": versions, "results": [r.as_json() for r in results]}, indent=1, ensure_ascii=False
    )


def write_json(results: Sequence[Result], path: Path) -> None:
    """Write `as_json` to a file."""
    path.write_text(as_json(results) + "\n", encoding="utf-8")

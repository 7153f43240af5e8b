"""The regression gate: no plan may cost more flops than the committed baseline says. Times are told, never
judged.

The baseline holds every case at every size, and only what is the same on every machine: flops, and those of
the closed form.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import Result

BASELINE = Path(__file__).with_name("baseline.json")

#: A plan that is wrong is no plan, whatever it costs.
ERROR = 1e-10

Entry = Mapping[str, Any]


def failures(results: Sequence[Result], baseline: Mapping[str, Entry]) -> list[str]:
    """What got worse, or is wrong, in sentences.

    >>> failures([], {})
    []
    """
    found = []
    for r in results:
        if not r.error <= ERROR:
            found.append(f"{r.key}: the relative error is {r.error:.1e}, above {ERROR:.0e}")
        known = baseline.get(r.key)
        if known and r.flops > known["flops"]:
            found.append(f"{r.key}: {r.flops:,} flops, the baseline has {known['flops']:,}")
    return found


def news(results: Sequence[Result], baseline: Mapping[str, Entry]) -> list[str]:
    """What is better than the baseline or not in it: a reason to write a new one.

    >>> news([], {})
    []
    """
    found = []
    for r in results:
        known = baseline.get(r.key)
        if known is None:
            found.append(f"{r.key} is not in the baseline")
        elif r.flops < known["flops"]:
            found.append(f"{r.key}: {r.flops:,} flops, fewer than the {known['flops']:,} of the baseline")
    return found


def load(path: Path = BASELINE) -> dict[str, Entry]:
    """The baseline by key; empty if there is none.

    >>> load(Path("nothing here"))
    {}
    """
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def write(results: Sequence[Result], path: Path = BASELINE) -> None:
    """Write these results into the baseline; other cases stay as they are."""
    entries = {**load(path), **{r.key: _entry(r) for r in results}}
    path.write_text(
        json.dumps(dict(sorted(entries.items())), indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def _entry(r: Result) -> dict[str, Any]:
    return {"flops": r.flops, "closed_form": r.closed_form}

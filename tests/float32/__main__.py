"""Run the suite, `python -m tests.float32`, or some of it: `python -m tests.float32 "x/|x|" norm`."""

from __future__ import annotations

import sys
from collections import Counter

from tests.float32.compare import Comparison, compared
from tests.float32.formulas import POINTWISE, POSITIVE, VECTORS


def main(names: list[str]) -> int:
    """Compare; print what is worse, formula by formula, and the totals."""
    counts: Counter[str] = Counter()
    for name in [n for n in (*POINTWISE, *POSITIVE, *VECTORS) if not names or n in names]:
        found = list(compared(name))
        kind = "vectors" if name in VECTORS else "numbers"
        counts.update({kind: len(found)})
        counts.update(f"{kind} {one}" for c in found for one in ("worse", "better") if getattr(c, one))
        _print([c for c in found if c.worse], len(found), name)
    for kind in ("numbers", "vectors"):
        worse, better = counts[f"{kind} worse"], counts[f"{kind} better"]
        print(f"{kind}: {counts[kind]} comparisons, worse in {worse}, better in {better}")
    return min(1, counts["numbers worse"] + counts["vectors worse"])


def _print(worse: list[Comparison], of: int, name: str) -> None:
    if worse:
        print(f"{name}: {len(worse)} of {of}", flush=True)
        for comparison in worse[:8]:
            print("   ", comparison, flush=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

"""Run the suite, `python -m tests.float32`, or some of it: `python -m tests.float32 "x/|x|" norm`."""

from __future__ import annotations

import sys
from collections import Counter

from tests.float32.compare import PLANS, QUANTITIES, Comparison, compared
from tests.float32.formulas import POINTWISE, POSITIVE, VECTORS


def main(names: list[str]) -> int:
    """Compare; print what is worse, formula by formula, and a table of how many there are of each kind."""
    counts: Counter[tuple[str, ...]] = Counter()
    for name in [n for n in (*POINTWISE, *POSITIVE, *VECTORS) if not names or n in names]:
        found = list(compared(name))
        of = "vectors" if name in VECTORS else "numbers"
        for one in found:
            kind = (of, one.quantity, one.plan)
            counts.update(
                {(*kind, "all"): 1, (*kind, "worse"): int(one.worse), (*kind, "better"): int(one.better)}
            )
        _print([one for one in found if one.worse], len(found), name)
    return min(1, _table(counts))


def _print(worse: list[Comparison], of: int, name: str) -> None:
    if worse:
        print(f"{name}: {len(worse)} of {of}", flush=True)
        for comparison in worse[:8]:
            print("   ", comparison, flush=True)


def _table(counts: Counter[tuple[str, ...]]) -> int:
    """Print the table; the number of comparisons in which a plan is worse."""
    columns = ("all", "worse", "better")
    kinds = [(of, q, p) for of in ("numbers", "vectors") for q in QUANTITIES for p in PLANS]
    rows = [(f"{q} of {of}, {p}", *(counts[of, q, p, c] for c in columns)) for of, q, p in kinds]
    rows.append(("all", *(sum(row[place] for row in rows) for place in (1, 2, 3))))
    print(f"| {'quantity, planned':32} | comparisons |  worse | better |")
    print(f"| {'-' * 32} | ----------: | -----: | -----: |")
    for name, *numbers in rows:
        total, worse, better = (f"{number:,}" for number in numbers)
        print(f"| {name:32} | {total:>11} | {worse:>6} | {better:>6} |")
    return rows[-1][2]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

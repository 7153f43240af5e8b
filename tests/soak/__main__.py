"""Run the soak: `python -m tests.soak --problems 200`; see docs/how-to/soak.md."""

from __future__ import annotations

import argparse
import sys
import time

from .judge import Failure
from .pool import HANG, Pool, Worker, tester
from .problems import problem
from .report import Tally, script
from .shrink import shrunk

#: Every kind of failure, in the order of the table.
KINDS = (
    "wrong",
    "raw error",
    "refused",
    "accepted",
    "over time",
    "above baseline",
    "not confirmed",
    "warning",
    "hang",
    "crash",
)
#: A cause is made small this often; after that only the number of the problem is printed.
_SHOWN = 2


def main(arguments: list[str] | None = None) -> int:
    """Try problems, print what fails, and return how many kinds of failure there were, at most 1."""
    options = _options(arguments)
    numbers = (
        [options.only] if options.only is not None else range(options.start, options.start + options.problems)
    )
    tally, started, shown = Tally(), time.monotonic(), Worker(min(options.hang, 30.0))
    with Pool(options.jobs, options.hang) as pool:
        for number, outcome in pool.outcomes((n, (options.seed, n)) for n in numbers):
            tally.add(number, problem(options.seed, number).kind, outcome)
            for failure in outcome.failures:
                seen = len(tally.causes[failure.signature])
                _show(options, number, failure, shown if seen <= options.shrink else None)
            if tally.problems % options.every == 0:
                _progress(tally, started)
    shown.stop()
    _progress(tally, started)
    print(tally.table(KINDS))
    return int(bool(tally.failed))


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--problems", type=int, default=200, help="how many problems")
    parser.add_argument("--start", type=int, default=0, help="the number of the first")
    parser.add_argument("--only", type=int, help="this problem only")
    parser.add_argument("--seed", type=int, default=0, help="which series of problems")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--shrink", type=int, default=_SHOWN, help="failures of a cause that are made small")
    parser.add_argument("--hang", type=float, default=HANG, help="seconds after which a problem is killed")
    parser.add_argument("--every", type=int, default=500, help="problems between two lines of progress")
    return parser.parse_args(arguments)


def _show(options: argparse.Namespace, number: int, failure: Failure, worker: Worker | None) -> None:
    print(
        f"\n--- seed {options.seed}, problem {number}: {failure.kind}, {failure.stage}: "
        f"{failure.message[:300]}"
    )
    if worker is not None:
        found = problem(options.seed, number)
        small = shrunk(found, tester(worker, failure)) if options.shrink else found
        print(script(small, failure))
    sys.stdout.flush()


def _progress(tally: Tally, started: float) -> None:
    spent = time.monotonic() - started
    print(
        f"{tally.problems} problems, {sum(tally.failed.values())} failures, {spent:.0f} s, "
        f"{tally.problems / max(spent, 1e-9):.1f} problems/s, {tally.seconds / max(tally.problems, 1):.2f} s "
        f"of the processor each, slowest plan {tally.slowest[0]:.1f} s (problem {tally.slowest[1]})",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())

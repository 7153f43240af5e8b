"""Run the metamorphic test: `python -m tests.metamorphic --problems 150 --rewritings 10`."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    """Plan problems and rewritings of them, print what differs, and return whether anything did."""
    # Problems are those of modules of tests, which find each other as they do under pytest.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from metamorphic.compare import EQUAL, Compared, compared, table
    from metamorphic.problems import sample

    options = _options(arguments)
    names = options.only or [name for name, _ in sample(options.problems, options.seed)]
    rewritings = [options.rewriting] if options.rewriting is not None else range(options.rewritings)
    found: list[Compared] = []
    if options.show:
        _show(names, list(rewritings), options.seed)
    # Processes are spawned, not forked: the engine does not live through a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.jobs, context) as pool:
        running = {pool.submit(compared, name, list(rewritings), options.seed): name for name in names}
        for done in as_completed(running):
            if error := done.exception():
                print(f"{running[done]}: {type(error).__name__}: {str(error)[:300]}", flush=True)
                continue
            one = done.result()
            found.append(one)
            if one.worst > 1 + EQUAL:
                print(f"{len(found)}/{len(names)} {one.name}: {one.worst:.4f}", flush=True)
    print(table(found))
    return int(len(found) < len(names) or any(one.worst > 1 + EQUAL for one in found))


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.metamorphic", description=__doc__)
    parser.add_argument("--problems", type=int, default=150, help="how many problems")
    parser.add_argument("--rewritings", type=int, default=10, help="in how many ways each is written")
    parser.add_argument("--seed", type=int, default=0, help="which problems and rewritings")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--only", action="append", help="the problem of this name only (may be repeated)")
    parser.add_argument("--rewriting", type=int, help="the rewriting of this number only")
    parser.add_argument("--show", action="store_true", help="print what is planned")
    return parser.parse_args(arguments)


def _show(names: list[str], rewritings: list[int], seed: int) -> None:
    from random import Random

    from metamorphic.problems import find
    from metamorphic.rewriting import kinds, rewritten

    for name in names:
        problem = find(name)
        print(f"{name}, sizes {dict(problem.sizes)}:", *problem.wanted, sep="\n  ")
        for number in rewritings:
            other = rewritten(problem, kinds(number), Random(f"{seed}:{name}:{number}")).problem
            print(f"rewriting {number}, sizes {dict(other.sizes)}:", *other.wanted, sep="\n  ")


if __name__ == "__main__":
    sys.exit(main())

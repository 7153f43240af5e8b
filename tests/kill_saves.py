"""Kill processes while they save a plan: the file is the old one or the new one, and no other is left behind.

`python -m tests.kill_saves --count 150` prints how many files were damaged, and how many were left behind.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tensorgrad_eg.errors import PlanFileError
from tensorgrad_eg.plan import Plan, load
from tests.programs import Builder


def plan(steps: int) -> Plan:
    """A plan of some tens of thousands of letters."""
    b = Builder(i=3)
    name = b.variable("x", "i")
    for number in range(steps):
        name = b.apply("tanh", name) if number % 2 else b.add(name, name, factors=[1, "2/3"])
    return Plan(b.program(name), "tensor", steps)


def writer(path: Path, plans: list[Plan]) -> int:
    """A process that saves one plan after the other, until it is killed."""
    child = os.fork()
    if child == 0:
        while True:
            for each in plans:
                each.save(path)
    return child


def kill(child: int) -> None:
    """End a process at once."""
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def kills(count: int, seed: int = 0) -> tuple[int, int]:
    """How many of so many kills damaged the file, and how many other files were left behind."""
    plans, dice, damaged = [plan(200), plan(260)], random.Random(seed), 0
    with TemporaryDirectory() as folder:
        path = Path(folder, "plan.json")
        for _ in range(count):
            plans[0].save(path)
            child = writer(path, plans)
            time.sleep(dice.uniform(0.001, 0.03))
            kill(child)
            damaged += path.read_text(encoding="utf-8") not in [each.to_json() for each in plans]
        return damaged, len(os.listdir(folder)) - 1


def race(loads: int, writers: int = 2) -> int:
    """How many of so many loads failed, while several processes save to the same path."""
    plans, failed = [plan(200), plan(260)], 0
    with TemporaryDirectory() as folder:
        path = Path(folder, "plan.json")
        plans[0].save(path)
        children = [writer(path, plans) for _ in range(writers)]
        try:
            for _ in range(loads):
                try:
                    failed += load(path).program not in [each.program for each in plans]
                except PlanFileError:
                    failed += 1
        finally:
            for child in children:
                kill(child)
    return failed


def main() -> int:
    """Print what was damaged; 1 if anything was."""
    parser = argparse.ArgumentParser(prog="python -m tests.kill_saves", description=__doc__)
    parser.add_argument("--count", type=int, default=150)
    parser.add_argument("--loads", type=int, default=200)
    options = parser.parse_args()
    damaged, left = kills(options.count)
    failed = race(options.loads)
    print(f"{options.count} kills: {damaged} damaged, {left} left behind", end="; ")
    print(f"{options.loads} loads: {failed} failed")
    return int(bool(damaged or failed))


if __name__ == "__main__":
    sys.exit(main())

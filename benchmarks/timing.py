"""Run times, always as a ratio of two programs that take turns in one process.

Machines are noisy and slow down with heat and company: an absolute time is no result. Each turn runs a
program often enough to last for some milliseconds of processor time, the turns of the two alternate, and what
counts is the median over pairs of neighbouring turns, which a slow spell hits alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median, quantiles

import torch

Thunk = Callable[[], object]

#: How long one turn should take at least, in seconds: far above the clock's grain and a context switch.
_TURN = 0.004


@dataclass(frozen=True)
class Timed:
    """How two programs compare: the median ratio, its quartiles, and the seconds of the first.

    >>> Timed.of([(1.0, 2.0), (3.0, 2.0), (2.0, 2.0)]).ratio
    1.0
    """

    ratio: float
    quartiles: tuple[float, float]
    seconds: float

    @classmethod
    def of(cls, turns: list[tuple[float, float]]) -> Timed:
        """From the seconds of both in each pair of turns."""
        ratios = [ours / theirs for ours, theirs in turns]
        low, _, high = quantiles(ratios, n=4, method="inclusive")
        return cls(median(ratios), (low, high), median(ours for ours, _ in turns))


def compare(ours: Thunk, theirs: Thunk, turns: int = 15) -> Timed:
    """The time of ours over that of theirs, on one thread.

    >>> 0.01 < compare(lambda: sum(range(2000)), lambda: sum(range(2000)), turns=3).ratio < 100
    True
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.no_grad():
            calls = _calls(ours), _calls(theirs)
            return Timed.of([(_turn(ours, calls[0]), _turn(theirs, calls[1])) for _ in range(turns)])
    finally:
        torch.set_num_threads(threads)


def _calls(thunk: Thunk) -> int:
    """How many calls make a turn; finding out also warms up."""
    thunk()
    calls = 1
    while _turn(thunk, calls) * calls < _TURN and calls < 10_000:
        calls *= 2
    return calls


def _turn(thunk: Thunk, calls: int) -> float:
    """Seconds per call."""
    started = time.process_time()
    for _ in range(calls):
        thunk()
    return (time.process_time() - started) / calls

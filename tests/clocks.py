"""Clocks for tests of what ends with the time: the same on every machine."""

from __future__ import annotations


class Clock:
    """A clock that goes on by one second whenever it is read."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """The time, one second later."""
        self.now += 1.0
        return self.now

"""How long a plan may take: one clock for everything from the call to the answer."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tensorgrad_eg.errors import OptionError, TimeLimitError


@dataclass(frozen=True)
class Deadline:
    """A number of seconds, and when they began. The clock is the last limit: ordinary problems end by counts.

    Example:
        >>> Deadline().over, Deadline(0.0).over
        (False, True)
    """

    seconds: float = math.inf
    clock: Callable[[], float] = time.monotonic
    started: float = field(default=math.nan)

    def __post_init__(self) -> None:
        if math.isnan(self.started):
            object.__setattr__(self, "started", self.clock())

    @classmethod
    def of(cls, seconds: object) -> Deadline:
        """The deadline that a caller asked for, from now.

        Raises:
            OptionError: if this is no number of seconds.

        Example:
            >>> Deadline.of(2).seconds
            2.0
        """
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds >= 0:
            raise OptionError(f"seconds={seconds!r} is no time limit: give a number, as in seconds=10")
        return cls(float(seconds))

    @property
    def left(self) -> float:
        """The seconds that are left; never less than none."""
        return max(0.0, self.started + self.seconds - self.clock())

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return self.left <= 0

    def part(self, share: float) -> Deadline:
        """A deadline for one phase: from now, a share of the seconds that are left.

        Example:
            >>> Deadline(8.0, clock=lambda: 0.0).part(0.5).seconds
            4.0
        """
        return Deadline(share * self.left, self.clock)

    def check(self, phase: str, progress: str = "", advice: str = "") -> None:
        """Ends a phase without which there is no answer, once the time is up.

        Raises:
            TimeLimitError: if it is.

        Example:
            >>> Deadline(0.0).check("differentiation", "3 of 5 levels are done")
            Traceback (most recent call last):
            tensorgrad_eg.errors.TimeLimitError: differentiation did not end in 0 seconds: \
3 of 5 levels are done. There is no program without it: give it more time, as in seconds=10.
        """
        if self.over:
            raise TimeLimitError.of(phase, self.seconds, progress, advice)

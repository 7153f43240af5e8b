"""How long a plan may take: one clock for everything from the call to the answer."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

from tensorgrad_eg.errors import OptionError, TimeLimitError

#: On a busy machine, which gives a process a part of a processor only, a second of work may last so long.
_BUSY = 3.0


class Stopwatch:
    """Seconds of work since it was made: processor time of this thread, or a part of the time on the wall.

    So a plan does not depend on what else the machine has to do, unless that is a lot.

    Example:
        >>> 0 <= Stopwatch()() < 1
        True
    """

    def __init__(self) -> None:
        self._work, self._wall = time.thread_time(), time.monotonic()

    def __call__(self) -> float:
        """The seconds until now."""
        return max(time.thread_time() - self._work, (time.monotonic() - self._wall) / _BUSY)


@dataclass(frozen=True)
class Deadline:
    """A number of seconds, and when they began. The clock is the last limit: ordinary problems end by counts.

    Example:
        >>> Deadline().over, Deadline(0.0).over
        (False, True)
    """

    seconds: float = math.inf
    clock: Callable[[], float] = field(default_factory=Stopwatch)
    started: float = field(default=math.nan)
    _interrupted: threading.Event = field(default_factory=threading.Event)

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
        """The seconds that are left; never less than none, and none once it was interrupted."""
        return 0.0 if self.interrupted else max(0.0, self.started + self.seconds - self.clock())

    @property
    def over(self) -> bool:
        """Whether the time is up, or Ctrl-C was pressed."""
        return self.left <= 0

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C was pressed."""
        return self._interrupted.is_set()

    @contextmanager
    def heard(self) -> Iterator[None]:
        """While this lasts, the first Ctrl-C is as if the time were up; the second ends what runs at once.

        A phase that has something to show ends with that, one without raises KeyboardInterrupt: see `check`.
        Other threads, and programs that treat Ctrl-C in a way of their own, are left as they are.
        """
        main = threading.current_thread() is threading.main_thread()
        if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            yield
            return

        def heard(number: int, frame: FrameType | None) -> None:
            if self.interrupted:
                signal.default_int_handler(number, frame)
            self._interrupted.set()

        signal.signal(signal.SIGINT, heard)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def at_least(self, share: float) -> Deadline:
        """The same, or one from now if less than this share of the seconds is left.

        Example:
            >>> Deadline(8.0, clock=lambda: 9.0, started=1.0).at_least(0.5).left
            4.0
        """
        least = share * self.seconds
        return self if self.left >= least else Deadline(least, self.clock, _interrupted=self._interrupted)

    def part(self, share: float, most: float = math.inf) -> Deadline:
        """A deadline for one phase: from now, a share of the seconds that are left, and no more than `most`.

        Example:
            >>> Deadline(8.0, clock=lambda: 0.0).part(0.5).seconds
            4.0
        """
        return Deadline(min(share * self.left, most), self.clock, _interrupted=self._interrupted)

    def check(self, phase: str, progress: str = "", advice: str = "") -> None:
        """Ends a phase without which there is no answer, once the time is up.

        Raises:
            TimeLimitError: if it is.
            KeyboardInterrupt: if Ctrl-C was pressed.

        Example:
            >>> Deadline(0.0).check("differentiation", "3 of 5 levels are done")
            Traceback (most recent call last):
            tensorgrad_eg.errors.TimeLimitError: differentiation did not end in 0 seconds: \
3 of 5 levels are done. There is no program without it: give it more time, as in seconds=10.
        """
        if self.interrupted:
            raise KeyboardInterrupt
        if self.over:
            raise TimeLimitError.of(phase, self.seconds, progress, advice)

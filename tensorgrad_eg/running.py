"""While a plan is made, and when it is saved: one clock for everything from the call to the answer, a line of
progress for who watches, a garbage collector that is patient, and files that are written whole or not at all.
"""

from __future__ import annotations

import errno
import gc
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from secrets import token_hex
from types import FrameType
from typing import Any

from tensorgrad_eg.errors import OptionError, TimeLimitError, WriteError

#: On a busy machine, which gives a process a part of a processor only, a second of work may last so long.
_BUSY = 3.0
#: Shorter searches show nothing.
_QUIET = 1.0
#: So many new objects, not 700, before the collector looks. Planning makes a million that stay and hardly a
#: cycle: a third of the time of large plans went into looking at them again and again.
_PATIENCE = 50_000
_lock = threading.Lock()
_waiting = 0
_before = gc.get_threshold()
_NEW = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)


class Stopwatch:
    """Seconds of work since it was made: processor time of this thread, or a part of the time on the wall.

    So a plan does not depend on what else the machine has to do, unless that is a lot.

    Example:
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


@dataclass
class Progress:
    """One line that is written over: rounds and e-nodes, then the best cost so far."""

    bar: Any = None
    started: float = field(default_factory=time.monotonic)

    def round(self, number: int, nodes: int) -> None:
        """A round of the search has ended."""
        self._show(f"search: round {number}, {nodes:,} e-nodes")

    def cost(self, flops: float) -> None:
        """A program has been looked at; the best costs this much."""
        self._show(f"extract: best {flops:,.0f} flops")

    def _show(self, text: str) -> None:
        if self.bar is not None and time.monotonic() - self.started > _QUIET:
            self.bar.set_description_str(text)


@contextmanager
def shown() -> Iterator[Progress]:
    """Progress for the time of a search; silent unless stderr is a terminal.

    Example:
    """
    if not sys.stderr.isatty():
        yield Progress()
        return
    from tqdm import tqdm

    with tqdm(total=None, bar_format="{desc} [{elapsed}]", leave=False, delay=_QUIET, file=sys.stderr) as bar:
        yield Progress(bar)


@contextmanager
def patient() -> Iterator[None]:
    """While this lasts the collector of the process is called less often; afterwards it is as it was.

    A collector that is off, or that is more patient already, is left alone. Plans may be made in several
    threads: the last one to end restores what the first one found.

    Example:
    """
    global _waiting, _before
    with _lock:
        _waiting += 1
        if _waiting == 1:
            _before = gc.get_threshold()
            if 0 < _before[0] < _PATIENCE:
                gc.set_threshold(_PATIENCE, *_before[1:])
    try:
        yield
    finally:
        with _lock:
            _waiting -= 1
            if not _waiting:
                gc.set_threshold(*_before)


def write_file(path: str | PathLike[str], data: str | bytes) -> None:
    """Write a file in one step: whoever reads it, whenever, finds the old file or the new one.

    The data is on the disk, in a file without a name or with a hidden one, before it takes the place of the
    old file. So a process that is killed does no harm, nor does a second one that writes the same file. A
    link stays a link, and what is no file (a terminal, a pipe) is written to.

    Raises:
        WriteError: if there is no such folder, if the path is one, or if writing is not permitted.
    """
    content = data.encode("utf-8") if isinstance(data, str) else data
    try:
        target = Path(os.path.realpath(path))
        if target.is_dir():
            raise IsADirectoryError
        if target.exists() and not target.is_file():
            target.write_bytes(content)
        else:
            _replace(target, content)
    except (OSError, ValueError) as error:
        raise WriteError.of(path, error) from None


def check_writable(path: str | PathLike[str]) -> None:
    """Refuse a path that `write_file` would refuse, as far as that can be known without writing.

    Raises:
        WriteError: if there is no such folder, if the path is one, or if writing is not permitted.

    >>> check_writable("no-such-folder/plan.json")
    Traceback (most recent call last):
    tensorgrad_eg.errors.WriteError: 'no-such-folder/plan.json' cannot be written: there is no folder \
'no-such-folder'. Make it first.
    """
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise WriteError.of(path, IsADirectoryError())
    if not target.parent.is_dir():
        raise WriteError.of(path, FileNotFoundError())
    if not os.access(target.parent, os.W_OK):
        raise WriteError.of(path, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))


def _replace(target: Path, content: bytes) -> None:
    hidden = target.with_name(f".{target.name[:50]}.{os.getpid()}.{token_hex(4)}")
    mode = target.stat().st_mode & 0o777 if target.exists() else None
    try:
        if not _written_without_a_name(hidden, content, mode):
            _fill(os.open(hidden, _NEW, 0o666), content, mode)
        os.replace(hidden, target)
    except BaseException:
        with suppress(OSError):
            hidden.unlink(missing_ok=True)
        raise
    _settle(target.parent)


def _written_without_a_name(hidden: Path, content: bytes, mode: int | None) -> bool:
    """Write a file that gets its name when it is complete; not every system can do that.

    If the process is killed before, nothing is left of it.
    """
    if not hasattr(os, "O_TMPFILE"):
        return False
    with suppress(OSError):
        file = os.open(hidden.parent, os.O_TMPFILE | os.O_WRONLY, 0o666)
        kept = os.dup(file)
        try:
            _fill(file, content, mode)
            os.link(f"/proc/self/fd/{kept}", hidden, src_dir_fd=kept)  # with a src_dir_fd links are followed
            return True
        finally:
            os.close(kept)
    return False


def _fill(file: int, content: bytes, mode: int | None) -> None:
    """Write to an open file, see it through to the disk, and close it."""
    with os.fdopen(file, "wb") as stream:
        if mode is not None and hasattr(os, "fchmod"):
            os.fchmod(file, mode)
        stream.write(content)
        stream.flush()
        os.fsync(file)


def _settle(folder: Path) -> None:
    """See the new name through to the disk, where a folder can be opened."""
    with suppress(OSError):
        file = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)

"""While a plan is made: a line of progress for who watches, and a garbage collector that is patient."""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

#: Shorter searches show nothing.
_QUIET = 1.0
#: So many new objects, not 700, before the collector looks. Planning makes a million that stay and hardly a
#: cycle: a third of the time of large plans went into looking at them again and again.
_PATIENCE = 50_000

_lock = threading.Lock()
_waiting = 0
_before = gc.get_threshold()


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
        >>> with shown() as progress:
        ...     progress.round(1, 100)
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
        >>> before = gc.get_threshold()
        >>> with patient():
        ...     gc.get_threshold()[0] >= _PATIENCE
        True
        >>> gc.get_threshold() == before
        True
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

"""Python's garbage collector while a plan is made: it waits longer before it looks at everything again."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: So many new objects, not 700, before the collector looks. Planning makes a million that stay and hardly a
#: cycle: a third of the time of large plans went into looking at them again and again.
_PATIENCE = 50_000

_lock = threading.Lock()
_waiting = 0
_before = gc.get_threshold()


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

"""Processes: what is copied by a fork has no threads, and egglog waits for its own."""

from __future__ import annotations

import os
import sys

from tensorgrad_eg.errors import ForkedProcessError

_forked = False


def _notice() -> None:
    global _forked
    _forked = "egglog.bindings" in sys.modules


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_notice)


def import_engine() -> None:
    """Imports egglog, which takes half a second once a process, and more where the machine is busy."""
    refuse_if_forked()
    import egglog.bindings  # noqa: F401


def refuse_if_forked() -> None:
    """Ends at once what would wait for ever.

    egglog works in threads that start when it is imported, which is when the first plan is made. A process
    that is forked after that has none of them.

    Raises:
        ForkedProcessError: if this process was forked after a plan was made.
    """
    if _forked:
        raise ForkedProcessError.of()

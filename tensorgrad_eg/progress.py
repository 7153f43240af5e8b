"""Progress of a search, on stderr, and only where somebody sees it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

#: Shorter searches show nothing.
_PATIENCE = 1.0


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
        if self.bar is not None and time.monotonic() - self.started > _PATIENCE:
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

    with tqdm(
        total=None, bar_format="{desc} [{elapsed}]", leave=False, delay=_PATIENCE, file=sys.stderr
    ) as bar:
        yield Progress(bar)

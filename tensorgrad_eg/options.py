"""The options of `optimize`, checked before anything long is begun.

>>> check_options(extract="greedy", effort=1.0, seed=0)
"""

from __future__ import annotations

import math
from numbers import Real

from tensorgrad_eg.errors import NumberError, OptionError

_EXTRACT = ("greedy", "exact")


def check_options(*, extract: str, effort: float, seed: int) -> None:
    """Say which option has a value that it does not take.

    Raises:
        OptionError: if `extract` is no way to extract.
        NumberError: if a number is none, or out of range.

    >>> check_options(extract="greedy", effort="2", seed=0)
    Traceback (most recent call last):
    tensorgrad_eg.errors.NumberError: effort='2' is no effort: write a finite number, 0 for no search, 1 for \
the usual one, 2 for twice as much.
    """
    if extract not in _EXTRACT:
        raise OptionError.of("extract", extract, _EXTRACT)
    if not _amount(effort):
        raise NumberError(
            f"effort={effort!r} is no effort: write a finite number, 0 for no search, 1 for the usual one, "
            "2 for twice as much."
        )
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise NumberError(f"seed={seed!r} is no seed: write an integer, 0 or more, such as seed=0.")


def _amount(value: object) -> bool:
    return type(value) is not bool and isinstance(value, Real) and 0 <= float(value) < math.inf

"""Derivatives by central differences, for where torch is not installed.

Eight evaluations a direction in extended precision (80 bits on most machines): good to about 1e-10 for smooth
functions, to 1e-7 for third derivatives where a function has a kink.

>>> weights, offsets = stencil(smooth=True)
>>> bool(abs(weights @ np.sin(1 + offsets) - np.cos(1)) < 1e-15)
True
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tensorgrad_eg.expr import Apply, Tensor, postorder

#: Functions with a kink or a jump: differences have to be so narrow that they hardly ever straddle it.
_KINKED = frozenset({"abs", "relu", "sign", "step"})
_WEIGHTS = (4 / 5, -1 / 5, 4 / 105, -1 / 280)

Extended = NDArray[np.longdouble]


def stencil(smooth: bool) -> tuple[Extended, Extended]:
    """Weights and offsets: f'(x) is about Σ weight·f(x + offset), with an error of eighth order.

    >>> weights, offsets = stencil(smooth=True)
    >>> len(weights), bool(abs((weights * offsets).sum() - 1) < 1e-15)
    (8, True)
    """
    width = np.longdouble(4e-3 if smooth else 2e-4)
    half = np.array([np.longdouble(round(w * 840)) / 840 for w in _WEIGHTS])
    steps = np.arange(1, 5).astype(np.longdouble) * width
    return np.concatenate([half, -half]) / width, np.concatenate([steps, -steps])


def smooth(roots: Iterable[Tensor]) -> bool:
    """Whether the expressions are built of smooth functions alone.

    >>> from tensorgrad_eg.expr import Variable
    >>> smooth([Variable("x")]), smooth([Apply("relu", Variable("x"))])
    (True, False)
    """
    return not any(isinstance(e, Apply) and e.function in _KINKED for e in postorder(roots))


def shifted(array: Any, directions: Iterable[Any], offsets: Extended) -> Iterable[Any]:
    """For each direction, the array moved along it by every offset; the offsets are the first axis.

    >>> [moved.shape for moved in shifted(np.zeros(3), np.eye(3), np.zeros(8))]
    [(8, 3), (8, 3), (8, 3)]
    """
    for direction in directions:
        yield array + offsets.reshape(-1, *[1] * array.ndim) * direction

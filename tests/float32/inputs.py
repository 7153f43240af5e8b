"""The inputs of the float32 suite, all from one seed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
_MAGNITUDES = (1e-20, 1e-15, 1e-10, 1e-8, 1e-4, 1e-2, 0.1, 0.5, 1, 2, 5, 10, 17, 30, 50, 60, 88, 100, 1e3)
_LARGE = (1e4, 1e6, 1e8, 1e10, 1e15, 1e20)

POSITIVE: Array = np.float32([*_MAGNITUDES, *_LARGE])
SIGNED: Array = np.float32([*POSITIVE, 0, *-POSITIVE])

#: A batch of vectors, x = scale · normal + offset: from tiny to huge, and far from zero.
SCALES = (
    *((scale, 0.0) for scale in (1e-20, 1e-15, 1e-8, 1e-4, 1, 5, 30, 100, 1e4, 1e6, 1e8, 1e10, 1e15, 1e20)),
    *((1.0, offset) for offset in (30, -100, 1e3, 1e4, -1e4, 1e6, -1e6)),
)
SHAPE = (2, 4)


def vectors(scale: float, offset: float) -> dict[str, Any]:
    """x of this scale and offset; t, w and y are always the same."""
    random = np.random.default_rng(6)
    x = random.standard_normal(SHAPE)
    t = random.dirichlet(np.ones(SHAPE[1]), SHAPE[0])
    w = random.uniform(0.5, 1.5, SHAPE)
    y = random.standard_normal(SHAPE)
    return {"x": np.float32(scale * x + offset), "t": np.float32(t), "w": np.float32(w), "y": np.float32(y)}

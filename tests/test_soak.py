"""Two hundred problems of the soak run; `python -m tests.soak` runs as many as one likes."""

from __future__ import annotations

import pytest
from soak.problems import problem
from soak.trial import trial


@pytest.mark.parametrize("first", range(0, 200, 25))
def test_random_problems(first: int) -> None:
    """Nothing is wrong, raw, refused, late, above its baseline or not confirmed in 25 problems of seed 3."""
    failed = {n: trial(problem(3, n)).failures for n in range(first, first + 25)}
    assert {n: failures for n, failures in failed.items() if failures} == {}

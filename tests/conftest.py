"""What every test runs under: no network, no colours, and the same random examples each time."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tensorgrad_eg.expr.arrays import POINTWISE
from tensorgrad_eg.expr.operations import OPERATIONS

# Deadlines measure the machine, and a slow generator is a choice: neither is a failure of the package.
_COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}
settings.register_profile("ci", derandomize=True, database=None, print_blob=True, **_COMMON)
settings.register_profile("explore", max_examples=1000, print_blob=True, **_COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a developer's own settings out of the tests."""
    for name in ("TENSORGRAD_EG_DOT", "TENSORGRAD_EG_DEBUG", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.fixture(autouse=True)
def _tables_as_they_were() -> Iterator[None]:
    """Functions and operations that a page or a test adds are gone after it."""
    functions, operations = dict(POINTWISE), dict(OPERATIONS)
    yield
    for name in POINTWISE.keys() - functions:
        del POINTWISE[name]
    for name in OPERATIONS.keys() - operations:
        del OPERATIONS[name]

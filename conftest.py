"""Examples in docstrings and pages run in a folder of their own: nothing is left in the checkout."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _own_folder(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs a doctest, of a module or of a page, elsewhere; a test asks for `tmp_path` where it writes."""
    if isinstance(request.node, pytest.DoctestItem):
        monkeypatch.chdir(tmp_path_factory.mktemp("doctest", numbered=True))

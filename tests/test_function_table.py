"""The table of functions in the documentation is what comes out when each is compared with torch."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

import tensorgrad_eg as tg
from tensorgrad_eg import functions as F
from tests.function_table import PAGE, POINTWISE, QUANTITIES, VECTORS, Entry, Rows, differences, ours, rows

#: Points where the two differ, and rightly: see the page.
KNOWN = {"F.digamma", "F.polygamma(1, x)", "F.softplus", "F.elu", "F.huber(x)", "F.huber_loss", "x ** x"}
KNOWN |= {"F.norm, p=2", "F.norm, p=3", "F.std", "F.cosine_similarity"}


@pytest.mark.parametrize("entry", [*POINTWISE, *VECTORS], ids=lambda entry: entry.name)
def test_each_function_is_that_of_torch(entry: Entry) -> None:
    """Value, gradient and Hessian are torch's at random points, and at edge points but for those told."""
    first = 2 if isinstance(entry, Rows) else 4
    apart = differences(entry)
    assert [n for quantity in QUANTITIES for n in apart[quantity] if n < first] == []
    assert apart["value"] == []
    assert entry.name in KNOWN or not any(apart.values())


def test_the_page_has_the_table() -> None:
    """The table on the page is the one that is worked out; write it with python -m tests.function_table."""
    written = PAGE.read_text(encoding="utf-8").partition("<!-- table -->\n")[2].splitlines()[2:]
    assert written == [f"| {' | '.join(row)} |" for row in rows()]


def test_the_page_names_every_function() -> None:
    """Every public function of F stands on the page, and every name on the page in code is one."""
    page = PAGE.read_text(encoding="utf-8").partition("## Compared")[0]
    named = set(re.findall(r"`(\w+)`", page)) | {"where", "gelu", "power"}
    public = {name for name in vars(F) if not name.startswith("_") and callable(getattr(F, name))}
    assert public - named - {"less", "less_equal", "greater", "greater_equal", "pi"} == set()


def test_the_table_can_fail() -> None:
    """A function that is compared with another one is found to differ everywhere."""
    wrong = Entry("sin", F.sin, POINTWISE[1].theirs)
    assert len(differences(wrong)["value"]) > 4
    assert np.isfinite(ours(wrong)["value"][:4]).all()


@pytest.mark.parametrize("order", [1, 2, 3])
def test_polygamma_functions_have_all_digits_in_torch(order: int) -> None:
    """The derivatives of lgamma from torch are those of SciPy to 13 digits, also left of 0."""
    special = pytest.importorskip("scipy.special")
    given = np.array([-2.5, -0.3, 0.04, 0.7, 2.5, 30.0])
    plan = tg.optimize(F.polygamma(order, tg.Variable("x", ["n"])), {"n": 6})
    exact = special.polygamma(order, given)
    np.testing.assert_allclose(plan(x=torch.from_numpy(given)).numpy(), exact, rtol=1e-13)

"""Arrays of every kind: a plan computes with them as it does with plain ones, or says what they should be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tensorgrad_eg as tg
from tensorgrad_eg import functions as F
from tensorgrad_eg.errors import ArrayKindError

A, x = tg.Variable("A", i="n", j="n"), tg.Variable("x", j="n")
PLAN = tg.optimize({"y": F.sin(A) @ x, "t": A.transpose("j", "i") * 2}, {"n": 3})
RANDOM = np.random.default_rng(0)
a, v = RANDOM.uniform(-1, 1, (3, 3)), RANDOM.uniform(-1, 1, 3)


class Loud(np.ndarray):
    """An array that multiplies in a way of its own, as np.matrix does."""

    def __mul__(self, other: Any) -> Any:
        """Refuse."""
        raise NotImplementedError("louder")

    __rmul__ = __array_ufunc__ = __mul__  # type: ignore[assignment]


@pytest.mark.parametrize(
    "given",
    [
        a.view(np.matrix),
        a.view(Loud),
        np.ma.masked_array(a, mask=np.zeros((3, 3), bool)),
        a.tolist(),
        a.astype(">f8"),
        np.asfortranarray(a),
        a[::-1][::-1],
    ],
    ids=["matrix", "subclass", "nothing masked", "list", "byte order", "order", "view"],
)
def test_arrays_of_other_kinds_are_arrays(given: Any) -> None:
    """What holds the same numbers gives the same results, as plain arrays."""
    found = PLAN(A=given, x=v)
    assert type(found["y"]) is type(found["t"]) is np.ndarray
    np.testing.assert_allclose(found["y"], np.sin(a) @ v, rtol=1e-14)
    np.testing.assert_allclose(found["t"], 2 * a.T, rtol=1e-14)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.ma.masked_array(a, mask=a > 0), r"A has masked entries, .* A\.filled\(0\)"),
        ([[1, 2, 3], [1, 2], [3]], "A cannot be made an array: .* as many entries"),
        (a.astype(object), "A has dtype object; plans compute with real numbers"),
        (a + 1j, "A has dtype complex128"),
        ([["a"] * 3] * 3, "A has dtype <U1"),
        (np.zeros((3, 3), "V4"), r"A has dtype \|V4"),
        (np.zeros((3, 3), [("a", float)]), "A has dtype .*'a'"),
        (np.zeros((3, 3), "M8[s]"), "A has dtype datetime64"),
    ],
)
def test_what_is_no_array_of_numbers_is_refused_by_name(given: Any, message: str) -> None:
    """An array that no plan can compute with is named, with what it is and what to do."""
    with pytest.raises(ArrayKindError, match=message):
        PLAN(A=given, x=v)


def test_tensors_of_torch_are_dense_and_in_one_place() -> None:
    """Sparse and quantized tensors are refused by name, and so are tensors on two devices."""
    torch = pytest.importorskip("torch")
    one = torch.ones(3, dtype=torch.float64)
    for sparse in (torch.eye(3).to_sparse(), torch.eye(3).double().to_sparse()):
        with pytest.raises(ArrayKindError, match=r"A is torch.sparse_coo; .* A\.to_dense\(\)"):
            PLAN(A=sparse, x=one)
    with pytest.raises(ArrayKindError, match="A is on meta, x is on cpu"):
        PLAN(A=torch.empty(3, 3, dtype=torch.float64, device="meta"), x=one)
    meta = PLAN(A=torch.empty(3, 3, device="meta"), x=torch.empty(3, device="meta"))
    assert meta["y"].device.type == "meta"
    assert meta["y"].shape == (3,)

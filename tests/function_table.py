"""The table of functions in docs/functions.md: values, gradients and Hessians against torch in float64.

Write it with `python -m tests.function_table`; a test compares it with what stands there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as T

import tensorgrad_eg as tg
from tensorgrad_eg import functions as F

Made = Callable[[Any], Any]
PAGE = Path(__file__).resolve().parent.parent / "docs" / "functions.md"
QUANTITIES = ("value", "gradient", "Hessian")
INF = math.inf


@dataclass(frozen=True)
class Entry:
    """A function, what torch calls it, where it is compared, and what is not differentiable there."""

    name: str
    ours: Made
    theirs: Made
    random: tuple[float, float] = (-3.0, 3.0)
    edges: tuple[float, ...] = (0.0, 1.0, -1.0, 30.0, -30.0, 1e8, -1e8, INF, -INF)
    note: str = ""


def _same(name: str, note: str = "", **where: Any) -> Entry:
    return Entry(
        f"F.{name}", getattr(F, name), getattr(torch, name, None) or getattr(T, name), note=note, **where
    )


POSITIVE: dict[str, Any] = {"random": (0.1, 5.0), "edges": (0.0, 1.0, 30.0, 1e8, INF)}
UNIT: dict[str, Any] = {"random": (-0.9, 0.9), "edges": (0.0, 1.0, -1.0, 2.0)}
#: Functions of every entry by itself.
POINTWISE = (
    *map(_same, ("sin", "cos", "tan", "arctan", "sinh", "cosh", "tanh", "exp", "expm1", "erf")),
    *(_same(name, **UNIT) for name in ("arcsin", "arccos")),
    *(_same(name, **POSITIVE) for name in ("log", "log1p", "sqrt", "lgamma", "digamma")),
    Entry("F.polygamma(1, x)", lambda x: F.polygamma(1, x), lambda x: torch.polygamma(1, x), **POSITIVE),
    _same("abs", "slope 0 at 0"),
    _same("sign", "slope 0"),
    *map(_same, ("sigmoid", "softplus", "logsigmoid", "silu", "gelu")),
    Entry(
        'F.gelu(x, approximate="tanh")',
        lambda x: F.gelu(x, approximate="tanh"),
        lambda x: T.gelu(x, approximate="tanh"),
    ),
    _same("relu", "slope 0 at 0"),
    _same("leaky_relu", "slope 0.01 at 0"),
    _same("elu", "second derivative at 0"),
    Entry(
        "F.clip(x, -1, 1)", lambda x: F.clip(x, -1, 1), lambda x: torch.clamp(x, -1, 1), note="slope 1 at ±1"
    ),
    Entry(
        "F.maximum(x, 1)",
        lambda x: F.maximum(x, 1),
        lambda x: torch.maximum(x, torch.ones_like(x)),
        note="slope 1/2 at ties",
    ),
    Entry(
        "F.minimum(x, 1)",
        lambda x: F.minimum(x, 1),
        lambda x: torch.minimum(x, torch.ones_like(x)),
        note="slope 1/2 at ties",
    ),
    Entry(
        "F.where(x > 0, x², -x)",
        lambda x: F.where(x > 0, x**2, -x),
        lambda x: torch.where(x > 0, x**2, -x),
        note="at 0 that of -x",
    ),
    Entry(
        "F.huber(x)",
        F.huber,
        lambda x: T.huber_loss(x, torch.zeros_like(x), reduction="none"),
        note="second derivative at ±1",
    ),
    *(
        Entry(f"x ** {exponent:g}", lambda x, e=exponent: x**e, lambda x, e=exponent: x**e, **POSITIVE)
        for exponent in (0.5, 1.5, -0.5)
    ),
    *(Entry(f"x ** {n}", lambda x, n=n: x**n, lambda x, n=n: x**n) for n in (2, 3, -1)),
    Entry("2 ** x", lambda x: 2**x, lambda x: 2**x),
    Entry("x ** x", lambda x: x**x, lambda x: x**x, **POSITIVE),
)
#: Rows of four entries: random, then zeros, ties, large ones, and large ones among small ones.
ROWS = ((0.0, 0.0, 0.0, 0.0), (2.0, 2.0, -1.0, 2.0), (1e8, -1e8, 3e7, 0.0), (-30.0, 30.0, 1.0, 1.0))


@dataclass(frozen=True)
class Rows(Entry):
    """A function of rows, along the edge k."""

    edges: tuple[float, ...] = ()
    rows: tuple[tuple[float, ...], ...] = ROWS


_K = torch.tensor([0.5, 0.2, 0.2, 0.1], dtype=torch.float64)
_T = tg.Variable("t", ["k"])
VECTORS = (
    Rows("F.sum", lambda x: F.sum(x, "k"), lambda x: x.sum(-1)),
    Rows("F.mean", lambda x: F.mean(x, "k"), lambda x: x.mean(-1)),
    Rows("F.prod", lambda x: F.prod(x, "k"), lambda x: x.prod(-1)),
    Rows("F.amax", lambda x: F.amax(x, "k"), lambda x: x.amax(-1), note="ties share evenly"),
    Rows("F.amin", lambda x: F.amin(x, "k"), lambda x: x.amin(-1), note="ties share evenly"),
    *(
        Rows(
            f"F.norm, p={p}",
            lambda x, p=p: F.norm(x, "k", p=p),
            lambda x, p=p: torch.linalg.vector_norm(x, p, -1),
            note=note,
        )
        for p, note in (
            (2, "slope 0 at 0"),
            (1, "slope 0 at 0"),
            (3, "slope 0 at 0"),
            (INF, "ties share evenly"),
        )
    ),
    Rows("F.var", lambda x: F.var(x, "k"), lambda x: x.var(-1)),
    Rows("F.std", lambda x: F.std(x, "k"), lambda x: x.std(-1), note="slope 0 where all are equal"),
    Rows("F.softmax", lambda x: F.softmax(x, "k"), lambda x: torch.softmax(x, -1)),
    Rows("F.log_softmax", lambda x: F.log_softmax(x, "k"), lambda x: torch.log_softmax(x, -1)),
    Rows("F.logsumexp", lambda x: F.logsumexp(x, "k"), lambda x: torch.logsumexp(x, -1)),
    Rows("F.layer_norm", lambda x: F.layer_norm(x, "k"), lambda x: T.layer_norm(x, (4,))),
    Rows("F.rms_norm", lambda x: F.rms_norm(x, "k"), lambda x: T.rms_norm(x, (4,))),
    Rows(
        "F.cross_entropy",
        lambda x: F.cross_entropy(x, _T, "k"),
        lambda x: T.cross_entropy(x, _K.expand(len(x), 4), reduction="sum"),
    ),
    Rows(
        "F.binary_cross_entropy_with_logits",
        lambda x: F.binary_cross_entropy_with_logits(x, _T),
        lambda x: T.binary_cross_entropy_with_logits(x, _K.expand(len(x), 4), reduction="sum"),
    ),
    Rows(
        "F.kl_div",
        lambda x: F.kl_div(F.log_softmax(x, "k"), _T),
        lambda x: T.kl_div(torch.log_softmax(x, -1), _K.expand(len(x), 4), reduction="sum"),
    ),
    Rows("F.mse", lambda x: F.mse(x, _T), lambda x: T.mse_loss(x, _K.expand(len(x), 4))),
    Rows(
        "F.huber_loss",
        lambda x: F.huber_loss(x, _T),
        lambda x: T.huber_loss(x, _K.expand(len(x), 4), reduction="sum"),
        note="second derivative at ±1",
    ),
    Rows(
        "F.cosine_similarity",
        lambda x: F.cosine_similarity(x, _T, "k"),
        lambda x: T.cosine_similarity(x, _K.expand(len(x), 4), dim=-1),
        note="slope at 0: see below",
    ),
)


def points(entry: Entry) -> np.ndarray[Any, Any]:
    """Where a function is compared: random points first, then the edge points."""
    random = np.random.default_rng(1)
    if isinstance(entry, Rows):
        return np.concatenate([random.uniform(-3, 3, (2, 4)), np.array(entry.rows)])
    return np.concatenate([random.uniform(*entry.random, 4), np.array(entry.edges)])


def ours(entry: Entry) -> dict[str, np.ndarray[Any, Any]]:
    """Value, gradient of the sum, and the second derivatives, from one plan in NumPy."""
    given = points(entry)
    if isinstance(entry, Rows):
        x = tg.Variable("x", ["b", "k"])
        value = entry.ours(x)
        total = F.sum(value * tg.Variable("w", ["k"])) if "k" in value.edges else F.sum(value)
        second = tg.einsum("bkbl->bkl", tg.hessian(total, x))
        arrays = {"x": given, "t": _K.numpy(), "w": np.arange(1.0, 5.0)}
    else:
        x = tg.Variable("x", ["n"])
        value, arrays = entry.ours(x), {"x": given}
        total = F.sum(value)
        second = tg.einsum("nn->n", tg.hessian(total, x))
    wanted = {"value": value, "gradient": total.grad(x), "Hessian": second}
    plan = tg.optimize(wanted, {e: n for e, n in zip(x.edges, given.shape, strict=True)}, effort=0)
    names = [each.name for each in plan.program.inputs]
    with np.errstate(all="ignore"):
        return dict(plan(**{name: array for name, array in arrays.items() if name in names}))


def theirs(entry: Entry) -> dict[str, np.ndarray[Any, Any]]:
    """The same by torch's autograd."""
    x = torch.tensor(points(entry), requires_grad=True)
    value = entry.theirs(x)
    weights = torch.arange(1.0, 5.0, dtype=torch.float64)
    total = (value * weights if isinstance(entry, Rows) and value.shape == x.shape else value).sum()
    (gradient,) = torch.autograd.grad(total, x, create_graph=True)
    rows = gradient.unbind(-1) if isinstance(entry, Rows) else [gradient]
    second = [
        torch.autograd.grad(row.sum(), x, retain_graph=True)[0] if row.requires_grad else torch.zeros_like(x)
        for row in rows
    ]
    hessian = torch.stack(second, -2) if isinstance(entry, Rows) else second[0]
    found = {"value": value, "gradient": gradient, "Hessian": hessian}
    return {name: array.detach().numpy(force=True) for name, array in found.items()}


@cache
def differences(entry: Entry) -> dict[str, list[int]]:
    """For each quantity the numbers of the points where the two differ."""
    mine, rival = ours(entry), theirs(entry)
    found = {}
    for quantity in QUANTITIES:
        a, b = mine[quantity], rival[quantity]
        with np.errstate(all="ignore"):
            size = (
                np.abs(b).max(axis=tuple(range(1, b.ndim)), keepdims=True, initial=0.0)
                if b.ndim
                else np.abs(b)
            )
            same = (np.abs(a - b) <= 1e-9 * size + 1e-14) | (a == b) | (np.isnan(a) & np.isnan(b))
        apart = ~same.reshape(len(same), -1).all(1) if same.ndim else np.array([not same])
        found[quantity] = [int(n) for n in np.flatnonzero(apart)]
    return found


def rows() -> Iterator[list[str]]:
    """The rows of the table."""
    for entry in (*POINTWISE, *VECTORS):
        apart = differences(entry)
        given = points(entry)
        cells = []
        for quantity in QUANTITIES:
            for edge in (False, True):
                first = 2 if isinstance(entry, Rows) else 4
                places = [n for n in apart[quantity] if (n >= first) == edge]
                cells.append(", ".join(_place(entry, given, n) for n in places) or "=")
        yield [f"`{entry.name}`", *cells, entry.note]


def _place(entry: Entry, given: np.ndarray[Any, Any], number: int) -> str:
    if isinstance(entry, Rows):
        return f"row {number - 1}" if number >= 2 else "random"
    return f"{given[number]:g}"


def text() -> str:
    """The table in Markdown."""
    head = [
        "function",
        *(f"{quantity}, {where}" for quantity in QUANTITIES for where in ("random", "edge")),
        "stated",
    ]
    lines = [head, ["---"] * len(head), *rows()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


if __name__ == "__main__":
    page = PAGE.read_text(encoding="utf-8")
    before, mark, _ = page.partition("<!-- table -->\n")
    PAGE.write_text(before + mark + text(), encoding="utf-8")

"""Plans and eager torch, both in float32, against exact values; and what "worse" means."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import mpmath as mp
import numpy as np
import torch
from numpy.typing import NDArray

import tensorgrad_eg as tg
from tensorgrad_eg import functions as F
from tests.float32 import inputs
from tests.float32.engines import Eager, Exact, Planned
from tests.float32.formulas import POINTWISE, POSITIVE, VECTORS, Formula
from tests.float32.jets import Jet

Array = NDArray[Any]
PLANS = ("alone", "together")
QUANTITIES = ("value", "gradient", "second")
#: From this error on it counts, relative to the exact value; of vectors, to the largest entry.
POINTWISE_ERROR, VECTOR_ERROR = 1e-4, 1e-3
#: … if it is more than so many times the error of eager torch.
FACTOR = 10
_TINY = float(np.finfo(np.float32).tiny)
_HUGE = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Comparison:
    """One quantity of one formula at one input: the errors of a plan and of eager torch."""

    formula: str
    quantity: str
    at: str
    plan: str
    backend: str
    ours: float
    eager: float
    limit: float
    shown: str

    @property
    def worse(self) -> bool:
        """Whether the plan lost digits that eager torch has."""
        return np.isfinite(self.eager) and not (self.ours <= max(self.limit, FACTOR * self.eager))

    @property
    def better(self) -> bool:
        """Whether eager torch lost digits that the plan has."""
        return np.isfinite(self.ours) and not (self.eager <= max(self.limit, FACTOR * self.ours))

    def __str__(self) -> str:
        """One line."""
        where = f"{self.quantity} at {self.at} ({self.plan}, {self.backend})"
        return f"{self.formula}: {where}: error {self.ours:.1e}, eager {self.eager:.1e}; {self.shown}"


def compared(name: str, plans: Collection[str] = PLANS) -> Iterator[Comparison]:
    """All comparisons of a formula: of each quantity planned alone, and of all planned together."""
    return (
        vectors(name, plans) if name in VECTORS else pointwise(name, {**POINTWISE, **POSITIVE}[name], plans)
    )


def pointwise(name: str, formula: Formula, plans: Collection[str]) -> Iterator[Comparison]:
    """All comparisons of a formula of one number."""
    at = inputs.POSITIVE if name in POSITIVE else inputs.SIGNED
    exact = [_exact_number(formula, x) for x in at]
    eager = _eager(formula, {"x": at})
    eager["second"] = np.diagonal(eager["second"])  # beside it may be NaN: 0 times infinity
    x = tg.Variable("x", ["n"])
    total = F.sum(formula(Planned(), x))
    second = tg.einsum("nn->n", tg.hessian(total, x))
    wanted = {"value": formula(Planned(), x), "gradient": total.grad(x), "second": second}
    for plan, backend, found in _planned(wanted, {"n": len(at)}, [{"x": at}], plans):
        for quantity, values in found[0].items():
            for place, reference in enumerate(exact):
                if reference is None:
                    continue
                one = reference[quantity]
                ours, rival = (_error(a[quantity][place], one) for a in (found[0], eager))
                shown = f"{values[place]:.6g}, eager {eager[quantity][place]:.6g}, exact {float(one):.6g}"
                where = (name, quantity, f"{at[place]:g}", plan, backend)
                yield Comparison(*where, ours, rival, POINTWISE_ERROR, shown)


def vectors(name: str, plans: Collection[str]) -> Iterator[Comparison]:
    """All comparisons of a formula of vectors."""
    formula = VECTORS[name]
    arrays = [inputs.vectors(*scale) for scale in inputs.SCALES]
    exact = [_exact_vectors(formula, given) for given in arrays]
    eager = [_eager(formula, given) for given in arrays]
    x, t, w, y = (tg.Variable(n, ["b", "k"]) for n in "xtwy")
    value = formula(Planned(), x, t, w, y)
    total = F.sum(w * value if value.edges == ("b", "k") else value)
    wanted = {"value": value, "gradient": total.grad(x), "second": tg.hessian(total, x)}
    sizes = dict(zip("bk", inputs.SHAPE, strict=True))
    for plan, backend, found in _planned(wanted, sizes, arrays, plans):
        for values, reference, rival, scale in zip(found, exact, eager, inputs.SCALES, strict=True):
            if reference is None:
                continue
            for quantity, value in values.items():
                one = reference[quantity].reshape(value.shape)
                errors = [_error(a.reshape(value.shape), one) for a in (value, rival[quantity])]
                at = f"{scale[0]:g} normal + {scale[1]:g}"
                shown = f"{value.ravel()[:3]}, eager {rival[quantity].ravel()[:3]}, exact {one.ravel()[:3]}"
                yield Comparison(name, quantity, at, plan, backend, *errors, VECTOR_ERROR, shown)


def _error(found: Any, exact: Any) -> float:
    """The error relative to the largest entry; inf where something is not finite that should be."""
    found, exact = np.asarray(found, np.float64), np.asarray(exact, np.float64)
    exact = np.where(np.abs(exact) > _HUGE, np.sign(exact) * np.inf, exact)
    right = found == exact  # also infinities
    if not np.all(right | (np.isfinite(found) & np.isfinite(exact))):
        return float("inf")
    with np.errstate(all="ignore"):
        wrong = np.where(right, 0, np.abs(found - exact))
    largest = np.max(np.abs(exact), initial=0, where=np.isfinite(exact))
    return float(np.max(wrong) / max(largest, _TINY))


def _planned(
    wanted: Mapping[str, tg.Tensor],
    sizes: Mapping[str, int],
    arrays: list[dict[str, Any]],
    plans: Collection[str],
) -> Iterator[tuple[str, str, list[dict[str, Array]]]]:
    """What plans give: each quantity planned alone, then all together; in NumPy, then in torch."""
    alone = {quantity: tg.optimize(e, sizes) for quantity, e in wanted.items() if "alone" in plans}
    together = tg.optimize(dict(wanted), sizes) if "together" in plans else None
    for backend in ("numpy", "torch"):
        given = [_read(a, backend) for a in arrays]
        with np.errstate(all="ignore"):
            if alone:
                yield (
                    "alone",
                    backend,
                    [{q: np.asarray(_call(p, a)) for q, p in alone.items()} for a in given],
                )
            if together:
                results = [_call(together, a) for a in given]
                yield "together", backend, [{q: np.asarray(v) for q, v in r.items()} for r in results]


def _call(plan: tg.Plan, arrays: Mapping[str, Any]) -> Any:
    return plan(**{given.name: arrays[given.name] for given in plan.inputs})


def _read(arrays: Mapping[str, Array], backend: str) -> dict[str, Any]:
    return {n: torch.from_numpy(a.copy()) if backend == "torch" else a for n, a in arrays.items()}


def _eager(formula: Formula, given: Mapping[str, Array]) -> dict[str, Array]:
    """Eager torch: the formula as it is written, differentiated twice by autograd."""
    x, *others = _read(given, "torch").values()
    x.requires_grad_()
    value = formula(Eager(), x, *others)
    total = (others[1] * value if others and value.shape == x.shape else value).sum()
    gradient = _slope(total, x)
    rows = torch.stack([_slope(g, x) for g in gradient.flatten()])
    return {q: v.detach().numpy() for q, v in zip(QUANTITIES, (value, gradient, rows), strict=True)}


def _slope(a: Any, x: Any) -> Any:
    if not a.requires_grad:
        return torch.zeros_like(x)
    (found,) = torch.autograd.grad(a, x, create_graph=True, retain_graph=True, allow_unused=True)
    return torch.zeros_like(x) if found is None else found


def _exact_number(formula: Formula, x: Any) -> dict[str, Any] | None:
    try:
        jet = formula(Exact(), Jet.variable(x, 0, 1))
    except (ValueError, ZeroDivisionError):  # no such number
        return None
    return dict(zip(QUANTITIES, map(_float, (jet.value, jet.first[0], jet.second[0, 0])), strict=True))


def _exact_vectors(formula: Formula, given: Mapping[str, Array]) -> dict[str, Array] | None:
    x, *others = (_jets(a, name == "x") for name, a in given.items())
    try:
        value = np.asarray(formula(Exact(), x, *others), object)
    except (ValueError, ZeroDivisionError):
        return None
    total = (others[1] * value if value.shape == x.shape else value).sum()
    values = np.array([jet.value for jet in value.ravel()], object)
    return {q: _float(a) for q, a in zip(QUANTITIES, (values, total.first, total.second), strict=True)}


def _jets(array: Array, varies: bool) -> Array:
    count = array.size
    found = [Jet.variable(value, place, count) for place, value in enumerate(array.ravel())]
    if not varies:
        found = [jet * 0 + float(value) for jet, value in zip(found, array.ravel(), strict=True)]
    return np.array(found, object).reshape(array.shape)


def _float(numbers: Any) -> Any:
    """The nearest float64 of numbers of any size."""
    with np.errstate(all="ignore"):
        return np.vectorize(lambda a: float(mp.mpf(a)), otypes=[np.float64])(numbers)

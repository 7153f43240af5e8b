"""One case, measured: cost, planning, correctness, run time."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from benchmarks.case import Case, Function, Problem, Tensors
from benchmarks.planning import planned
from benchmarks.timing import compare
from tensorgrad_eg import Plan


@dataclass(frozen=True)
class Result:
    """What was found; what was not measured or has nothing to be compared with is None."""

    family: str
    case: str
    sizes: dict[str, int]
    flops: int
    closed_form: int | None
    baseline: int
    anchors: dict[str, int]
    planning: float
    target: float | None
    phases: dict[str, float]
    nodes: int
    stopped: str
    error: float
    hand_error: float | None
    rival: str = ""
    time_ratio: float | None = None
    quartiles: tuple[float, float] | None = None
    seconds: float | None = None
    note: str = ""

    @property
    def key(self) -> str:
        """The key of the case."""
        return f"{self.family}/{self.case}/" + ",".join(f"{name}={size}" for name, size in self.sizes.items())

    @property
    def flop_ratio(self) -> float | None:
        """Our cost over that of the closed form, or over the best known."""
        return self.flops / self.closed_form if self.closed_form else None

    def as_json(self) -> dict[str, Any]:
        """The fields, and the ratio."""
        return {"key": self.key, **asdict(self), "flop_ratio": self.flop_ratio}


def measure(case: Case, repeats: int = 3, turns: int = 15) -> tuple[Result, Plan]:
    """Plan the case, compare with the reference, and take turns with its rival; no turns without a rival or
    if none are wanted.
    """
    problem = case.build(case.sizes)
    found = planned(case.build, case.sizes, symbols(problem), repeats)
    error, hand_error = errors(problem, found.plan)
    rival = problem.hand.torch if problem.hand else problem.rival
    result = Result(
        case.family,
        case.name,
        dict(case.sizes),
        problem.cost(found.plan),
        problem.bound or (problem.hand.flops if problem.hand else None),
        int(found.plan.baseline),
        dict(problem.anchors),
        found.seconds,
        case.target,
        found.phases,
        found.nodes,
        found.plan.report.stopped,  # type: ignore[attr-defined]
        error,
        hand_error,
        note=problem.note,
    )
    if rival is None or not turns:
        return result, found.plan
    timed = compare(*_thunks(problem, found.plan, rival), turns)
    name = "hand" if problem.hand else "autograd"
    times = {"time_ratio": timed.ratio, "quartiles": timed.quartiles, "seconds": timed.seconds}
    return replace(result, rival=name, **times), found.plan  # type: ignore[arg-type]


def errors(problem: Problem, plan: Plan) -> tuple[float, float | None]:
    """The largest relative error of the plan, and of the form by hand, in float64."""
    data = {name: torch.from_numpy(array) for name, array in problem.data.items()}
    reference = problem.reference(data)
    ours = difference(call(plan, data)(), reference)
    return ours, difference(problem.hand.torch(data), reference) if problem.hand else None


def difference(found: Any, reference: Any) -> float:
    """The largest difference of two results of one structure, over the largest entry of each part.

    >>> difference({"a": torch.tensor([1.0, 2.0])}, {"a": torch.tensor([1.0, 4.0])})
    0.5
    """
    if isinstance(reference, Mapping):
        return max(difference(found[name], reference[name]) for name in reference)
    scale = max(float(reference.abs().max()), 1e-300)
    if found.shape != reference.shape:
        raise ValueError(f"a result has shape {tuple(found.shape)}, the reference {tuple(reference.shape)}")
    return float((found - reference).abs().max()) / scale


def call(plan: Plan, data: Tensors) -> Callable[[], Any]:
    """The emitted torch function on this data, without the checks of a plan's call."""
    function = plan.function("torch")
    names = list(inspect.signature(function).parameters)
    arguments = [data[name] for name in names if name in data]
    rest = {"dtype": next(iter(data.values())).dtype, "device": torch.device("cpu")}
    options = {name: rest[name] for name in names if name in rest and name not in data}
    return lambda: function(*arguments, **options)


def _thunks(problem: Problem, plan: Plan, rival: Function) -> tuple[Callable[[], Any], Callable[[], Any]]:
    data = {name: torch.from_numpy(array).float() for name, array in problem.data.items()}
    return call(plan, data), lambda: rival(data)


def symbols(problem: Problem) -> dict[str, int]:
    """The size of every symbol, read off the data."""
    from tensorgrad_eg.expr import variables

    wanted = problem.wanted
    tensors = list(wanted.values()) if isinstance(wanted, Mapping) else [wanted]
    found: dict[str, int] = {}
    for name, variable in variables(tensors).items():
        for (edge, symbol), size in zip(variable.shape.items(), problem.data[name].shape, strict=True):
            if isinstance(symbol, str) and found.setdefault(symbol, size) != size:
                raise ValueError(f"edge {edge} of {name} has size {size}, but {symbol} is {found[symbol]}")
    return found

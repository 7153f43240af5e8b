"""Random problems for derivations: `python tests/random_derivations.py --problems 500 --seed 1`.

Each is planned and explained; what a derivation has to keep is asked of it by `faults`. A problem that fails
is printed as code that builds it.
"""

from __future__ import annotations

import argparse
import json
import random
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import strategies
from hypothesis import HealthCheck, Phase, given, seed, settings

import tensorgrad_eg as tg
from tensorgrad_eg.explain import Derivation
from tensorgrad_eg.explain.values import TOLERANCE

_KINDS = (
    "value",
    "gradient",
    "second",
    "several",
    "structured",
    "symmetric",
    "exact",
    "assume",
    "diagonal",
    "twice",
)


@dataclass(frozen=True)
class Random:
    """What is asked of `optimize`."""

    kind: str
    wanted: list[tg.Tensor]
    sizes: dict[str, int]
    options: dict[str, Any] = field(default_factory=dict)

    def plan(self) -> tg.Plan:
        """The plan, with a small search: what is to be explained is not less strange for it."""
        return tg.optimize(self.wanted, self.sizes, effort=0.4, seconds=20, **self.options)

    def __str__(self) -> str:
        """As code, but for the imports."""
        options = "".join(f", {name}={value!r}" for name, value in self.options.items())
        return f"tg.optimize({self.wanted!r}, {self.sizes!r}, effort=0.4{options})"


def problems(number: int, start: int = 0) -> Iterator[Random]:
    """So many different problems, the same for the same start."""
    cases: dict[tg.Tensor, strategies.Case] = {}

    @seed(start)
    @settings(
        max_examples=20 + 12 * number,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategies.cases(7))
    def collect(case: strategies.Case) -> None:
        cases.setdefault(case.loss, case)

    collect()
    dice = random.Random(start)
    for n, case in enumerate([*cases.values()][-number:]):
        yield _problem(case, _KINDS[n % len(_KINDS)], dice)


def _problem(case: strategies.Case, kind: str, dice: random.Random) -> Random:
    sizes = {symbol: dice.choice([1, 2, 3, 4, 7]) for symbol in ("n", "m")}
    gradient = case.loss.grad(case.first)
    wanted = {
        "value": [case.tensor],
        "gradient": [case.loss, gradient],
        "second": [gradient.grad(case.second)],
        "several": [case.tensor, case.tensor * case.tensor, gradient, case.loss.grad(case.second)],
        "structured": [case.tensor.grad(case.first), gradient],
        "symmetric": [gradient.grad(case.first)],
        "exact": [gradient],
        "assume": [gradient, case.loss.grad(case.second)],
        "diagonal": [_diagonal(case.tensor), _diagonal(case.tensor).sum().grad(case.first)],
        "twice": [tg.functions.sum(tg.functions.sin(gradient)).grad(case.second)],
    }[kind]
    read = tg.expr.variables(wanted)
    symbols = {str(size) for e in wanted for size in e.shape.values()}
    symbols |= {str(size) for v in read.values() for size in v.shape.values()}
    options: dict[str, Any] = {}
    if kind in ("structured", "symmetric"):
        options = {kind: True}
    elif kind == "exact":
        options = {"extract": "exact"}
    elif kind == "assume":
        facts = [tg.assume.positive(v) for v in read.values() if v.name in "xs"]
        facts += [tg.assume.symmetric(v) for v in read.values() if v.name == "A"]
        facts += [tg.assume.symmetric(v, "i", "j") for v in read.values() if v.name == "C"]
        facts += [tg.assume.one_hot(v, "i") for v in read.values() if v.name == "B"]
        facts += [tg.assume.sums_to_one(v, "j") for v in read.values() if v.name == "y"]
        options = {"assume": facts}
    return Random(kind, wanted, {s: n for s, n in sizes.items() if s in symbols}, options)


def _diagonal(a: tg.Tensor) -> tg.Tensor:
    """Of two edges of one size, if there are two: names that a sum inside may have, too."""
    F = tg.functions
    own = [edge for edge in a.edges if a.shape[edge] == "n"]
    if len(own) < 2:
        return a
    return F.dot(F.softmax(a, own[0]), tg.delta(own[0], own[1], size="n"), own[1])


def unaccounted(plan: tg.Plan, derivation: Derivation) -> list[str]:
    """Where the costs of the steps do not lead from what is written down to the plan."""
    found = []
    now = derivation.start
    for step in derivation:
        if (step.cost_before is None) != (step.cost_after is None):
            found.append(f"{step.rule} has one cost of two")
        if step.cost_before is None or step.cost_after is None:
            continue
        if step.cost_before != now or step.cost_after == now:
            found.append(f"{step.rule}: {step.cost_before} to {step.cost_after} follows {now}")
        now = step.cost_after
    if not now == plan.flops == derivation.flops:
        found.append(f"ends with {now}, the plan costs {plan.flops}")
    saved = sum((step.cost_before or 0) - (step.cost_after or 0) for step in derivation)
    if derivation.start - plan.flops != saved:
        found.append(f"{derivation.start} - {plan.flops} was saved, the steps say {saved}")
    written = json.loads(derivation.to_json())
    shown = [step["cost_after"] for phase in written["phases"] for step in phase["steps"]]
    if shown != [step.cost_after for step in derivation] or written["start"] != derivation.start:
        found.append("the JSON form has other costs")
    return found


def faults(plan: tg.Plan, derivation: Derivation) -> list[str]:
    """What a derivation says that is not so."""
    found = [
        f"not confirmed: {step.rule}: {place} ({place.error})"
        for step in derivation
        for place in step.places
        if step.phase != "program" and (place.error is None or not place.error < TOLERANCE)
    ]
    if "NOT CONFIRMED" in str(derivation):
        found.append("the text says so")
    derivation._repr_mimebundle_()
    return found + unaccounted(plan, derivation)


def main() -> None:
    """Plan and explain random problems, and print those that fail."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, default=-1, help="the number of one problem")
    given_ = parser.parse_args()
    failed = joint = unplanned = 0
    for n, problem in enumerate(problems(given_.problems, given_.seed)):
        if given_.only not in (-1, n):
            continue
        try:
            plan = problem.plan()
        except Exception as error:
            unplanned += 1
            print(f"-- {n} ({problem.kind}) no plan: {type(error).__name__} {str(error)[:100]}", flush=True)
            continue
        try:
            derivation: Derivation = plan.explain()
            wrong = faults(plan, derivation)
            joint += any(step.rule == "joint search" for step in derivation)
            if given_.only == n:
                print(derivation)
        except Exception:
            wrong = [traceback.format_exc(limit=-6)]
        if wrong:
            failed += 1
            print(f"== {n} ({problem.kind}) {problem}", *wrong, sep="\n   ", flush=True)
    print(f"{failed} of {given_.problems} fail; {unplanned} have no plan; {joint} have a step without a rule")


if __name__ == "__main__":
    main()

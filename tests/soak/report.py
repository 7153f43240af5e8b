"""What a run says: a runnable script for each failure, and a table at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pprint import pformat
from typing import Any

from .judge import Failure, point
from .mistakes import mistake
from .problems import SECONDS, Problem
from .trial import Outcome

#: How each stage is seen, given the plan as `plan` and the data as `arrays`.
_SHOWN = {
    "optimize": "",
    "baseline": "print(plan.flops, plan.baseline)",
    "print": "print(plan)",
    "torch": "import torch; print(plan(**{k: torch.from_numpy(v) for k, v in arrays.items()}))",
    "opt_einsum": "print(plan.code('opt_einsum'))",
    "jax": "print(plan.code('jax'))",
    "save": "print(tg.Plan.from_json(plan.to_json())(**arrays))",
    "explain": "print(plan.explain())",
    "draw": "plan.draw().svg(); [e.draw().dot for e in wanted]",
    "check": "print(plan.check())",
    "simplify": "print(tg.simplify(wanted[0]))",
    "again": "print(plan.code('numpy'))",
}


def script(problem: Problem, failure: Failure) -> str:
    """A script that shows a failure, with the right values where values are wrong."""
    said = failure.message.splitlines()[0][:250] if failure.message else ""
    lines = [
        f"# {failure.kind} ({failure.stage}): {said}",
        "import numpy as np",
        "import tensorgrad_eg as tg",
        "from tensorgrad_eg.expr import *",
        f"wanted = [{', '.join(map(repr, problem.wanted))}]",
    ]
    lines += [f"# {line}" for e in problem.wanted for line in str(e).splitlines()]
    lines.append(f"plan = tg.optimize({_question(problem)}, {dict(problem.sizes)}{_options(problem)})")
    if failure.stage.startswith("mistake"):
        return "\n".join([*lines, *_mistaken(problem)])
    if failure.stage == "resize":
        lines.append(f"plan = plan.resize({dict(problem.other_sizes)})")
    if failure.kind == "above baseline":
        return "\n".join([*lines, _SHOWN["baseline"]])
    if failure.stage in ("call", "torch", "resize", "save") or failure.kind == "wrong":
        sizes = {**problem.sizes, **problem.other_sizes} if failure.stage == "resize" else problem.sizes
        lines += _data(problem, sizes)
    lines.append(_SHOWN.get(failure.stage, "print(plan(**arrays))" if lines[-1].startswith("#") else ""))
    return "\n".join(line for line in lines if line)


def _mistaken(problem: Problem) -> list[str]:
    sizes = dict(problem.sizes)
    return [
        f"wanted, sizes, symbol = {_question(problem)}, {sizes}, {min(sizes, default='')!r}",
        *_data(problem, problem.sizes)[:1],
        "read = [name for name in arrays if plan.program.readers(name)]",
        mistake(problem).source,
    ]


def _question(problem: Problem) -> str:
    if problem.names == "tensor":
        return "wanted[0]"
    return "wanted" if problem.names == "list" else f"dict(zip({list(problem.names)}, wanted))"


def _options(problem: Problem) -> str:
    given: dict[str, Any] = {"seconds": SECONDS, **problem.options}
    text = "".join(f", {name}={value!r}" for name, value in given.items())
    if problem.facts:
        text += f", assume=[{', '.join(f'tg.assume.{fact!r}' for fact in problem.facts)}]"
    return text


def _data(problem: Problem, sizes: Mapping[str, int]) -> list[str]:
    at = point(problem, sizes)
    arrays = ", ".join(
        f"{name}=np.reshape({array.ravel().tolist()}, {array.shape})" for name, array in at.arrays.items()
    )
    right = [pformat(value.tolist(), width=100, compact=True) for value in at.expected.values]
    return [
        f"arrays = dict({arrays})",
        *(f"# right: {line}" for text in right for line in text.splitlines()[:6]),
    ]


@dataclass
class Tally:
    """Counts over a run."""

    problems: int = 0
    seconds: float = 0.0
    slowest: tuple[float, int] = (0.0, -1)
    failed: Counter[str] = field(default_factory=Counter)
    causes: dict[tuple[str, str, str], list[int]] = field(default_factory=dict)
    tried: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)

    def add(self, number: int, kind: str, outcome: Outcome) -> None:
        """One more problem."""
        self.problems += 1
        self.kinds[kind] += 1
        self.seconds += outcome.seconds
        self.slowest = max(self.slowest, (outcome.planning, number))
        self.tried.update(outcome.counts)
        for failure in outcome.failures:
            self.failed[failure.kind] += 1
            self.causes.setdefault(failure.signature, []).append(number)

    def table(self, kinds: tuple[str, ...]) -> str:
        """What was tried how often, and how often it failed."""
        lines = ["", "problems by kind:  " + _row(self.kinds), "tried:             " + _row(self.tried), ""]
        lines += [f"{kind:16} {self.failed[kind]:6}" for kind in kinds]
        if self.causes:
            lines += ["", "causes (kind, where, what: problems):"]
        for (kind, stage, cause), numbers in sorted(self.causes.items(), key=lambda item: -len(item[1])):
            some = " ".join(map(str, sorted(numbers)[:8])) + (" …" if len(numbers) > 8 else "")
            lines.append(f"  {len(numbers):4} {kind}, {stage}, {cause or '-'}: {some}")
        return "\n".join(lines)


def _row(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))

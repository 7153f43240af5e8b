"""One problem: planned, run in every way that it asks for, and judged."""

from __future__ import annotations

import inspect
import pickle
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

import tensorgrad_eg as tg
from tensorgrad_eg import Plan, TensorgradError
from tensorgrad_eg.errors import CheckError, TimeLimitError
from tensorgrad_eg.expr import variables

from .judge import Failure, Point, cause, point, wrong
from .mistakes import mistake
from .problems import SECONDS, Problem
from .reference import expected

#: What `seconds` may be overrun by, in processor time.
SHARE, GRACE = 1.2, 0.5
#: So many times the seconds are given on a machine that is busy; what counts is the processor.
_PATIENT = 30


@dataclass
class Outcome:
    """What became of a problem: failures, seconds of the processor, and counts of what was tried."""

    failures: list[Failure] = field(default_factory=list)
    seconds: float = 0.0
    planning: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)

    def count(self, what: str) -> None:
        """One more of something."""
        self.counts[what] = self.counts.get(what, 0) + 1


def trial(problem: Problem) -> Outcome:
    """Plan a problem and judge all that comes of it."""
    return _Trial(problem).run()


def planned(problem: Problem) -> Plan:
    """The plan of a problem."""
    options = dict(problem.options)
    if problem.facts:
        options["assume"] = list(problem.facts)
    started = time.process_time()
    try:
        return tg.optimize(problem.question, dict(problem.sizes), seconds=SECONDS, **options)
    except TimeLimitError:
        if time.process_time() - started >= SECONDS:
            raise
    # The machine was busy with something else, and the clock on the wall ended what had hardly begun.
    return tg.optimize(problem.question, dict(problem.sizes), seconds=_PATIENT * SECONDS, **options)


class _Trial:
    def __init__(self, problem: Problem) -> None:
        self.problem, self.outcome = problem, Outcome()

    def run(self) -> Outcome:
        started = time.process_time()
        plan = self._planned()
        if plan is not None:
            self._judged(plan)
        self.outcome.seconds = time.process_time() - started
        return self.outcome

    def _fail(self, kind: str, stage: str, message: str, cause: str = "") -> None:
        self.outcome.failures.append(Failure(kind, stage, message, cause))

    @contextmanager
    def _stage(self, stage: str, *, silent: bool = True) -> Iterator[None]:
        """A part of the trial in which no error and, if it is silent, no warning may occur."""
        self.outcome.count(stage)
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            try:
                yield
            except KeyboardInterrupt:
                raise
            except TensorgradError as error:
                self._fail("refused", stage, f"{type(error).__name__}: {error}", cause(error))
            except BaseException as error:  # a panic of the engine is no Exception
                self._fail("raw error", stage, f"{type(error).__name__}: {error}", cause(error))
        for warning in warned if silent else ():
            where = f"{Path(warning.filename).name}: {warning.message}"
            self._fail(
                "warning", stage, where, f"{warning.category.__name__} in {Path(warning.filename).name}"
            )

    def _planned(self) -> Plan | None:
        plan = None
        started = time.process_time()
        with self._stage("optimize"):
            plan = planned(self.problem)
        self.outcome.planning = time.process_time() - started
        limit = SHARE * SECONDS * (2 if "extract" in self.problem.options else 1) + GRACE
        if self.outcome.planning > limit:
            phases = getattr(getattr(plan, "report", None), "phases", {})
            slowest = max(phases, key=phases.__getitem__, default="")
            self._fail("over time", "optimize", f"{self.outcome.planning:.1f} s, limit {limit:g} s", slowest)
        return plan

    def _judged(self, plan: Plan) -> None:
        right = point(self.problem, self.problem.sizes)
        if right.expected.kink:
            self.outcome.count("(not compared: at a kink)")
        with self._stage("call", silent=right.silent):
            self._compare("call", plan(**right.arrays), right)
        self._affordable("optimize", plan)
        for extra in self.problem.extras:
            with self._stage(extra, silent=right.silent or extra not in _CALLING):
                _EXTRAS[extra](self, plan, right)

    def _affordable(self, stage: str, plan: Plan) -> None:
        with self._stage("baseline"):
            if plan.flops > plan.baseline:
                self._fail("above baseline", stage, f"{plan.flops} flops, baseline {int(plan.baseline)}")

    def _compare(self, stage: str, results: Any, right: Point) -> None:
        message = wrong(self._flat(results), right.expected)
        if message:
            self._fail("wrong", stage, message)

    def _flat(self, results: Any) -> list[Any]:
        names = self.problem.names
        if names == "tensor":
            return [results]
        return list(results) if names == "list" else [results[name] for name in names]

    def _print(self, plan: Plan, right: Point) -> None:
        for text in (str(plan), repr(plan), *map(str, self.problem.wanted)):
            if not text:
                self._fail("wrong", "print", "an empty text")

    def _torch(self, plan: Plan, right: Point) -> None:
        import torch

        results = plan(**{name: torch.from_numpy(array) for name, array in right.arrays.items()})
        self._compare("torch", results, right)
        if self.problem.number % 2:
            self._pasted("torch", plan, {n: torch.from_numpy(a) for n, a in right.arrays.items()}, right)

    def _opt_einsum(self, plan: Plan, right: Point) -> None:
        self._pasted("opt_einsum", plan, right.arrays, right)

    def _jax(self, plan: Plan, right: Point) -> None:
        compile(plan.code("jax"), "plan", "exec")
        if find_spec("jax"):
            self._pasted("jax", plan, right.arrays, right)

    def _pasted(self, backend: str, plan: Plan, arrays: Mapping[str, Any], right: Point) -> None:
        """Runs the printed source in an empty namespace, as one would paste it into a file."""
        namespace: dict[str, Any] = {"__name__": "pasted"}
        exec(compile(plan.code(backend), f"<pasted {backend}>", "exec"), namespace)
        function: Callable[..., Any] = namespace["plan"]
        parameters = inspect.signature(function).parameters
        read = [name for name in parameters if name in arrays]
        given = {}
        if "dtype" in parameters:
            # Source that reads no array has none to take a dtype from: it has the library's default, which is
            # float32 for torch, as whatever makes a tensor there, unless it is told.
            given["dtype"] = import_module("torch" if backend == "torch" else "numpy").float64
        results = function(*(arrays[name] for name in read), **given)
        if "structured" not in self.problem.options:  # whose code computes the pieces
            self._compare(backend, results, right)

    def _resize(self, plan: Plan, right: Point) -> None:
        sizes = {symbol: n for symbol, n in self.problem.other_sizes.items() if symbol in plan.sizes}
        other = plan.resize(sizes)
        at = point(self.problem, {**self.problem.sizes, **sizes})
        with np.errstate(all="ignore"):
            self._compare("resize", other(**at.arrays), at)
        self._affordable("resize", other)

    def _save(self, plan: Plan, right: Point) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "plan.json"
            plan.save(path)
            loaded = tg.load(path)
        self._same("save", plan, loaded, right)
        self._same("save", plan, pickle.loads(pickle.dumps(tg.Plan.from_json(plan.to_json()))), right)

    def _same(self, stage: str, plan: Plan, other: Plan, right: Point) -> None:
        pairs = zip(self._flat(plan(**right.arrays)), self._flat(other(**right.arrays)), strict=True)
        if not all(np.array_equal(np.asarray(a), np.asarray(b), equal_nan=True) for a, b in pairs):
            self._fail("wrong", stage, "another plan that should be the same returns other values")
        if plan.code("numpy") != other.code("numpy") or str(plan) != str(other):
            self._fail("wrong", stage, "another plan that should be the same reads differently")

    def _explain(self, plan: Plan, right: Point) -> None:
        derivation = plan.explain()
        text = str(derivation)
        derivation.to_json()
        derivation._repr_mimebundle_()
        if "NOT CONFIRMED" in text:
            line = next(line for line in text.splitlines() if "NOT CONFIRMED" in line)
            self._fail("not confirmed", "explain", line, line.split("NOT CONFIRMED")[1])

    def _draw(self, plan: Plan, right: Point) -> None:
        plan.draw().svg()
        for e in self.problem.wanted:
            str(e.draw()), e.draw().dot

    def _check(self, plan: Plan, right: Point) -> None:
        try:
            str(plan.check())
        except CheckError as error:
            if right.clean or "cannot be checked" not in str(error):
                self._fail("refused", "check", str(error), "CheckError")

    def _simplify(self, plan: Plan, right: Point) -> None:
        e = self.problem.wanted[0]
        known = variables([e])  # facts may be about variables of another result
        facts = [fact for fact in self.problem.facts if fact.variable.name in known]
        simple = tg.simplify(e, assume=facts)
        if simple.edges != e.edges:
            self._fail("wrong", "simplify", f"edges {simple.edges}, right: {e.edges}")
            return
        at = point(self.problem, self.problem.sizes, [e])
        # At the same data: 1/x has values where log x, of which it is the derivative, has none.
        got = Point(at.arrays, expected([simple], at.arrays, self.problem.sizes))
        if at.clean and got.clean:
            message = wrong(got.expected.values, at.expected)
            if message and wrong(at.expected.values, got.expected):
                self._fail("wrong", "simplify", message)

    def _repr(self, plan: Plan, right: Point) -> None:
        names = vars(tg.expr)
        for e in self.problem.wanted:
            if eval(repr(e), dict(names)) is not e or pickle.loads(pickle.dumps(e)) is not e:
                self._fail("wrong", "repr", "an expression made again from its repr or a pickle is another")

    def _again(self, plan: Plan, right: Point) -> None:
        other = planned(self.problem)
        by_clock = any("stopped: seconds" in str(one.report) for one in (plan, other))
        if not by_clock and other.code("numpy") != plan.code("numpy"):
            self._fail("wrong", "again", "the same problem has two different plans")

    def _mistake(self, plan: Plan, right: Point) -> None:
        """Something that nobody can mean must be refused, by a named error."""
        made = mistake(self.problem)
        stage = f"mistake: {made.name}"
        try:
            if made.made(self.problem, plan, right.arrays):
                self._fail("accepted", stage, "a mistake passed without a word")
        except TensorgradError as error:
            if len(str(error)) < 20:
                self._fail("wrong", stage, f"the message says nothing: {error}")
        except BaseException as error:  # a panic of the engine is no Exception
            self._fail("raw error", stage, f"{type(error).__name__}: {error}", cause(error))


_EXTRAS: Mapping[str, Callable[[_Trial, Plan, Point], None]] = {
    "print": _Trial._print,
    "torch": _Trial._torch,
    "opt_einsum": _Trial._opt_einsum,
    "jax": _Trial._jax,
    "resize": _Trial._resize,
    "save": _Trial._save,
    "explain": _Trial._explain,
    "draw": _Trial._draw,
    "check": _Trial._check,
    "simplify": _Trial._simplify,
    "repr": _Trial._repr,
    "again": _Trial._again,
    "mistake": _Trial._mistake,
}
#: Extras that run a plan on the data of the problem, where NumPy may warn of what is undefined there.
_CALLING = ("torch", "opt_einsum", "jax", "save", "resize")

"""Whether a plan computes what was asked for: it is run on random data and compared with the expressions.

>>> import tensorgrad_eg as tg
>>> x = tg.Variable("x", ["k"])
>>> print(tg.optimize(x @ x, {"k": 3}).check())
1 output agrees with the expression itself to 1e-16 (relative) on random data, k=3
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tensorgrad_eg.assume import Fact
from tensorgrad_eg.emit import Compiled
from tensorgrad_eg.errors import CheckError, ProgramError, TensorgradError
from tensorgrad_eg.expr import Derivative, Size, Tangent, Tensor, children, postorder, variables
from tensorgrad_eg.verify.evaluate import RANGES, Draw, evaluate_all, reference, small_sizes
from tensorgrad_eg.verify.slopes import Point

Array = NDArray[Any]
#: More multiplications than this take too long: the plan is checked at smaller sizes.
_CHEAP = 2e8
_SMALL = (3, 4, 2, 5)
#: How many points a plan is compared at, and at most how many are tried.
_POINTS, _TRIED = 2, 4
#: An array has no more axes than this.
_AXES = 64
#: More multiplications than this at one point are too many.
_WORK = 3e6


@dataclass(frozen=True)
class PlanCheck:
    """What a check found: the largest relative error of an output, what it was compared with, at which sizes.

    >>> print(PlanCheck(2e-16, "torch autograd", 1, {"k": 3}))
    1 output agrees with torch autograd to 2e-16 (relative) on random data, k=3
    """

    error: float
    reference: str
    outputs: int
    sizes: Mapping[str, int]
    resized: bool = False

    def __str__(self) -> str:
        """One sentence."""
        which = f"{self.outputs} output{' agrees' if self.outputs == 1 else 's agree'}"
        sizes = f", {shown(self.sizes)}" if self.sizes else ""
        smaller = " (its own sizes would take too long)" if self.resized else ""
        error = f"to {max(self.error, 1e-16):.0e}"
        return f"{which} with {self.reference} {error} (relative) on random data{sizes}{smaller}"


def check_plan(
    plan: Compiled,
    expressions: Sequence[Tensor],
    rtol: float = 1e-9,
    seed: int = 0,
    backend: str = "numpy",
    autograd: bool | None = None,
    facts: Sequence[Fact] = (),
    smaller: Callable[[Mapping[str, int]], Compiled] | None = None,
) -> PlanCheck:
    """Runs a plan on random data, of which the facts are true, and compares every output with its expression.

    Derivatives are compared with torch's where torch is installed, else with exact ones of our own
    (`autograd` False takes these in any case). At sizes that would take long, one for `smaller` sizes is
    checked.

    Raises:
        CheckError: if an output differs by more than `rtol` times its largest entry, or is finite nowhere.

    >>> import tensorgrad_eg as tg
    >>> x = tg.Variable("x", ["k"])
    >>> check_plan(tg.optimize(x * x, {"k": 3}), [x * x]).error < 1e-15
    True
    """
    resized = smaller is not None and _cost(expressions, plan.sizes) > _CHEAP
    if smaller is not None and resized:
        plan = smaller({symbol: min(n, _SMALL[k % 4]) for k, (symbol, n) in enumerate(plan.sizes.items())})
    how = reference(expressions, autograd)
    for kind in range(len(RANGES)):
        arrays = Draw(seed, kind, tuple(facts)).arrays(variables(expressions).values(), plan.sizes)
        wanted = _wanted(expressions, arrays, plan.sizes, autograd)
        if all(np.isfinite(value).all() for value in wanted):
            break
    else:
        if all(value.size and np.isnan(value).all() for value in wanted):
            raise CheckError(
                "this plan cannot be checked: its expressions have no finite value on random data."
            )
    with np.errstate(all="ignore"):
        found = _flat(plan, run(plan, arrays, backend))
    largest = max((float(np.abs(array).max(initial=1.0)) for array in arrays.values()), default=1.0)
    names = plan.names if len(plan.names) == len(expressions) else [str(n) for n in range(len(expressions))]
    worst = 0.0
    for n, (name, value, right) in enumerate(zip(names, found, wanted, strict=True)):
        error = _difference(value, right, largest)
        if not error <= rtol and not _excused(expressions, plan.sizes, arrays, n, value, rtol):
            raise CheckError.of(f"output {name}", how, error, rtol)
        worst = max(worst, min(error, rtol))
    return PlanCheck(worst, how, len(found), plan.sizes, resized)


def _wanted(
    expressions: Sequence[Tensor],
    arrays: Mapping[str, Array],
    sizes: Mapping[str, int],
    autograd: bool | None,
) -> list[Array]:
    """What the results should be; where torch gives up, as over many edges, by the definition itself."""
    try:
        return evaluate_all(expressions, arrays, np.float64, sizes, autograd)
    except TensorgradError:
        raise
    except Exception:
        return Point(expressions, sizes, arrays).values


def _excused(
    expressions: Sequence[Tensor],
    sizes: Mapping[str, int],
    arrays: Mapping[str, Array],
    output: int,
    found: Array,
    tolerance: float,
) -> bool:
    """Whether rounding explains a difference: by how much it moves an entry is measured, with noise.

    So it does where terms cancel to zero, or where the data are outside the domain of a function.
    """
    point = Point([expressions[output]], sizes, arrays)
    return point.work <= _CHEAP and not point.differs(0, found, tolerance)


def _difference(found: Array, wanted: Array, largest: float = 1.0) -> float:
    """The largest difference in units of the largest entry; entries count where the reference is finite.

    Where the reference is nothing but rounding noise of data of size `largest`, that is the unit instead.
    """
    if found.shape != wanted.shape:
        return math.inf
    finite = np.isfinite(wanted)
    if not finite.any():
        return 0.0
    gap = np.abs(found[finite] - wanted[finite])
    unit = max(float(np.abs(wanted[finite]).max()), 1e-6 * largest)
    return float(np.where(np.isnan(gap), math.inf, gap).max()) / unit


def run(plan: Compiled, arrays: Mapping[str, Array], backend: str) -> Any:
    """Calls a plan with the arrays that it reads, as arrays of a backend."""
    if backend == "torch":
        from importlib import import_module

        torch: Any = import_module("torch")
        return plan(**{name: torch.as_tensor(array) for name, array in arrays.items()})
    return plan(**arrays)


def _flat(plan: Compiled, results: Any) -> list[Array]:
    """The outputs of a plan as a list of NumPy arrays."""
    if plan.structure == "tensor":
        results = [results]
    elif isinstance(plan.structure, tuple):
        results = list(results.values())
    return [np.asarray(result) for result in results]


def _cost(expressions: Sequence[Tensor], sizes: Mapping[str, int]) -> float:
    """About how many multiplications the reference needs: a derivative costs one evaluation an entry."""
    total: dict[Tensor, float] = {}
    for e in postorder(expressions):
        total[e] = _elements({k: size for part in (e, *children(e)) for k, size in part.shape.items()}, sizes)
        if isinstance(e, Derivative | Tangent):
            passes = 3 if isinstance(e, Tangent) else 2 * _elements(e.arg.shape, sizes)
            total[e] = passes * sum(total[part] for part in postorder([e.arg]))
    return sum(total.values())


def _elements(shape: Mapping[str, Size], sizes: Mapping[str, int]) -> int:
    return math.prod(size if isinstance(size, int) else sizes[size] for size in shape.values())


@dataclass(frozen=True)
class Broken:
    """An output that is wrong: by how much, relative to its largest entry, and at which sizes."""

    output: int
    error: float
    sizes: Mapping[str, int]
    #: What the program raised instead of a result.
    raised: str = ""

    @classmethod
    def contradiction(cls, error: Exception) -> Broken:
        """No program at all: of an e-graph where tensors of different edges are one, there may be none.

        >>> Broken.contradiction(KeyError(3)).raised
        'a contradiction: tensors of different edges were made one'
        """
        more = f" ({error})" if isinstance(error, ProgramError) else ""
        return cls(0, math.inf, {}, f"a contradiction: tensors of different edges were made one{more}")


@dataclass(frozen=True)
class Promise:
    """At how many points a plan was compared with what it stands for, and what is wrong, if anything is."""

    points: int
    broken: Broken | None = None

    def __str__(self) -> str:
        """One phrase for a report."""
        if self.broken is not None:
            return f"wrong at {shown(self.broken.sizes) or 'any sizes'}"
        if not self.points:
            return (
                "not compared: too large, with the sizes that are numbers, too many edges, or nowhere finite"
            )
        return f"agrees with its expressions at {self.points} random point{'s' if self.points > 1 else ''}"


def kept(
    expressions: Sequence[Tensor],
    plan: Callable[[Mapping[str, int]], Compiled],
    sizes: Mapping[str, int],
    facts: Sequence[Fact] = (),
    seconds: float = 1.0,
) -> Promise:
    """Compares a plan, made anew for small sizes, with its expressions, evaluated by definition.

    After `seconds` of work no further point is begun.
    """
    begun = time.thread_time()
    points, useful = 0, [False] * len(expressions)
    for number in range(_TRIED):
        if (points >= _POINTS and all(useful)) or (points and time.thread_time() - begun > seconds):
            break
        found = _point(expressions, sizes, facts, number)
        if found is None:
            break
        point, small, arrays = found
        broken = _compared(point, plan, small, arrays)
        if broken is not None:
            return Promise(points, broken)
        useful = [known or point.comparable(n) for n, known in enumerate(useful)]
        points += 1
    return Promise(points if any(useful) or not expressions else 0)


def _point(
    expressions: Sequence[Tensor], sizes: Mapping[str, int], facts: Sequence[Fact], number: int
) -> tuple[Point, dict[str, int], dict[str, Array]] | None:
    """The point of this number, at the largest of the small sizes that are cheap enough; or none is."""
    if max((len(e.edges) for e in postorder(expressions)), default=0) > _AXES:
        return None  # there is no array to compare
    for small in small_sizes(sizes, number):
        given = variables(expressions).values()
        if sum(_elements(v.shape, small) for v in given) > _WORK or _largest(expressions, small) > _WORK:
            continue
        try:
            arrays = Draw(number, number, tuple(facts)).arrays(given, small)
        except CheckError:
            return None  # facts that contradict each other: there is no such array
        point = Point(expressions, small, arrays)
        if point.work <= _WORK:
            return point, small, arrays
    return None


def _largest(expressions: Sequence[Tensor], small: Mapping[str, int]) -> int:
    """How many numbers the largest array on the way has: for a Jacobian that is an identity."""
    order = postorder(expressions)
    identities = [e.wrt.shape for e in order if isinstance(e, Derivative) and e.arg.edges]
    sizes = [_elements(e.shape, small) for e in order]
    return max([*sizes, *(_elements(shape, small) ** 2 for shape in identities)], default=0)


def _compared(
    point: Point,
    plan: Callable[[Mapping[str, int]], Compiled],
    sizes: dict[str, int],
    arrays: Mapping[str, Array],
) -> Broken | None:
    try:
        with np.errstate(all="ignore"):
            small = plan(sizes)
            small.function("numpy", comments=False)  # nobody reads its source
            results = _flat(small, small(**arrays))
    except Exception as error:
        return Broken(0, float("inf"), sizes, f"{type(error).__name__}: {error}")
    for n, found in enumerate(results):
        error_ = point.differs(n, found)
        if error_:
            return Broken(n, error_, sizes)
    return None


def shown(sizes: Mapping[str, int]) -> str:
    """Sizes as text."""
    return ", ".join(f"{symbol}={size}" for symbol, size in sizes.items())

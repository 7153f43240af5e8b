"""Whether a plan computes what was asked for: it is run on random data and compared with the expressions.

>>> import tensorgrad_eg as tg
>>> x = tg.Variable("x", ["k"])
>>> print(tg.optimize(x @ x, {"k": 3}).check())
1 output agrees with the expression itself to 1e-16 (relative) on random data, k=3
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tensorgrad_eg.assume import Fact
from tensorgrad_eg.emit.compiled import Compiled
from tensorgrad_eg.errors import CheckError, TensorgradError
from tensorgrad_eg.expr import Derivative, Tangent, Tensor, Variable, children, postorder, variables
from tensorgrad_eg.verify.evaluate import evaluate_all, reference
from tensorgrad_eg.verify.facts import conform
from tensorgrad_eg.verify.points import Point

Array = NDArray[Any]
#: More multiplications than this take too long: the plan is checked at smaller sizes.
_CHEAP = 2e8
_SMALL = (3, 4, 2, 5)


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
        sizes = "".join(f", {symbol}={size}" for symbol, size in self.sizes.items())
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
    resized = smaller is not None and cost(expressions, plan.sizes) > _CHEAP
    if smaller is not None and resized:
        plan = smaller({symbol: min(n, _SMALL[k % 4]) for k, (symbol, n) in enumerate(plan.sizes.items())})
    how = reference(expressions, autograd)
    for free in draws(variables(expressions).values(), plan.sizes, seed):
        arrays = {name: conform(name, array, facts) for name, array in free.items()}
        wanted = _wanted(expressions, arrays, plan.sizes, autograd)
        if all(np.isfinite(value).all() for value in wanted):
            break
    else:
        if all(value.size and np.isnan(value).all() for value in wanted):
            raise CheckError(
                "this plan cannot be checked: its expressions have no finite value on random data."
            )
    with np.errstate(all="ignore"):
        found = flat(plan, run(plan, arrays, backend))
    largest = max((float(np.abs(array).max(initial=1.0)) for array in arrays.values()), default=1.0)
    names = plan.names if len(plan.names) == len(expressions) else [str(n) for n in range(len(expressions))]
    worst = 0.0
    for n, (name, value, right) in enumerate(zip(names, found, wanted, strict=True)):
        error = difference(value, right, largest)
        if not error <= rtol and not excused(expressions, plan.sizes, arrays, n, value, rtol):
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


def excused(
    expressions: Sequence[Tensor],
    sizes: Mapping[str, int],
    arrays: Mapping[str, Array],
    output: int,
    found: Array,
    tolerance: float,
) -> bool:
    """Whether rounding explains a difference: by how much it moves an entry is measured, with noise.

    So it does where terms cancel to zero, or where the data are outside the domain of a function.

    >>> x = Variable("x", ["k"])
    >>> e = (x + 1e9) - x - 1e9
    >>> excused([e], {"k": 1}, {"x": np.array([0.1])}, 0, np.array([1e-7]), 1e-9)
    True
    >>> excused([e], {"k": 1}, {"x": np.array([0.1])}, 0, np.array([1.0]), 1e-9)
    False
    """
    point = Point([expressions[output]], sizes, arrays)
    return point.work <= _CHEAP and not point.differs(0, found, tolerance)


def difference(found: Array, wanted: Array, largest: float = 1.0) -> float:
    """The largest difference in units of the largest entry; entries count where the reference is finite.

    Where the reference is nothing but rounding noise of data of size `largest`, that is the unit instead.

    >>> difference(np.array([1.0, 2.5]), np.array([1.0, 2.0]))
    0.25
    """
    if found.shape != wanted.shape:
        return math.inf
    finite = np.isfinite(wanted)
    if not finite.any():
        return 0.0
    gap = np.abs(found[finite] - wanted[finite])
    unit = max(float(np.abs(wanted[finite]).max()), 1e-6 * largest)
    return float(np.where(np.isnan(gap), math.inf, gap).max()) / unit


def draws(given: Iterable[Variable], sizes: Mapping[str, int], seed: int) -> Iterator[dict[str, Array]]:
    """Data for variables: numbers of both signs first, then positive ones, then ones that are smaller still.

    A tensor of several edges is scaled so that products with it keep their size.

    >>> [sorted(data) for data in draws([Variable("x", ["k"])], {"k": 2}, 0)]
    [['x'], ['x'], ['x'], ['x']]
    """
    ranges = ((-1.7, 1.7), (0.3, 1.3), (0.05, 0.4), (1.05, 1.9))
    for attempt, (low, high) in enumerate(ranges):
        random = np.random.default_rng([seed, attempt])
        arrays = {}
        for v in given:
            shape = tuple(size if isinstance(size, int) else sizes[size] for size in v.shape.values())
            unit = 1.0 if len(shape) < 2 or attempt == 3 else 1 / math.sqrt(max(1.0, max(shape) / 4))
            arrays[v.name] = random.uniform(low, high, shape) * unit
        yield arrays


def run(plan: Compiled, arrays: Mapping[str, Array], backend: str) -> Any:
    """Calls a plan with the arrays that it reads, as arrays of a backend."""
    if backend == "torch":
        from importlib import import_module

        torch: Any = import_module("torch")
        return plan(**{name: torch.as_tensor(array) for name, array in arrays.items()})
    return plan(**arrays)


def flat(plan: Compiled, results: Any) -> list[Array]:
    """The outputs of a plan as a list of NumPy arrays."""
    if plan.structure == "tensor":
        results = [results]
    elif isinstance(plan.structure, tuple):
        results = list(results.values())
    return [np.asarray(result) for result in results]


def cost(expressions: Sequence[Tensor], sizes: Mapping[str, int]) -> float:
    """About how many multiplications the reference needs: a derivative costs one evaluation an entry.

    >>> x = Variable("x", ["k"])
    >>> cost([x * x], {"k": 10}), cost([(x * x).grad(x)], {"k": 10})
    (20, 420)
    """
    total: dict[Tensor, float] = {}
    for e in postorder(expressions):
        edges = {edge: size for part in (e, *children(e)) for edge, size in part.shape.items()}
        total[e] = math.prod(size if isinstance(size, int) else sizes[size] for size in edges.values())
        if isinstance(e, Tangent):
            total[e] = 3 * sum(total[part] for part in postorder([e.arg]))
        elif isinstance(e, Derivative):
            own = math.prod(size if isinstance(size, int) else sizes[size] for size in e.arg.shape.values())
            total[e] = 2 * own * sum(total[part] for part in postorder([e.arg]))
    return sum(total.values())

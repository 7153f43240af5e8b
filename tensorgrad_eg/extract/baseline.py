"""What automatic differentiation would pay: the cost of its modes, in the same unit as plans."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from tensorgrad_eg.egraph.derive import derive
from tensorgrad_eg.egraph.engines import Engines
from tensorgrad_eg.expr import Contract, Derivative, Rename, Size, Tangent, Tensor, Variable, fresh, variables
from tensorgrad_eg.extract.modes import normal
from tensorgrad_eg.extract.priced import price
from tensorgrad_eg.extract.search import Extractor


def modes(
    expressions: Sequence[Tensor], sizes: Mapping[str, int], engines: Engines | None = None
) -> tuple[int, dict[str, int]]:
    """What automatic differentiation pays for all expressions together, and by which mode.

    Where a tensor with edges is differentiated once more, that is forward or reverse mode with one pass for
    each entry of what it is differentiated by, or of the tensor. Passes share what does not depend on the
    direction, as they do when they are vectorised; so do all expressions. The first number takes the cheaper
    mode for every derivative by itself. Without such a derivative there is nothing to choose and no mode:
    then reverse mode is what the search starts from.

    Example:
        >>> x, A = Variable("x", ["n"]), Variable("A", i="n", j="n")
        >>> quadratic = x.rename(n="i") @ A @ x.rename(n="j")
        >>> modes([Derivative(Derivative(quadratic, x), x)], {"n": 10})
        (4510, {'forward over reverse': 4510, 'reverse over reverse': 4510})
    """
    wanted = [(e, _derivative(e)) for e in dict.fromkeys(expressions)]
    again = list(dict.fromkeys(e for _, e in wanted if e is not None))
    if not again:
        return 0, {}
    engines = engines or Engines()
    shared = [e for e, derivative in wanted if derivative is None]
    once = _cost([*shared, *(e.arg for e in again)], sizes, engines)
    passes = [_passes(e, sizes, engines) for e in again]
    kind = " over reverse" if all(isinstance(_named(e.arg), Derivative) for e in again) else ""
    forward, reverse = (once + sum(costs) for costs in zip(*passes, strict=True))
    return once + sum(map(min, passes)), {f"forward{kind}": forward, f"reverse{kind}": reverse}


def _passes(e: Derivative, sizes: Mapping[str, int], engines: Engines) -> tuple[int, int]:
    """The cost of all passes of forward mode, and of reverse mode, beyond what they differentiate."""
    inner, names = e.arg, set(variables([e]))
    v = Variable(fresh("v", names), dict(e.wrt.shape))
    u = Variable(fresh("u", names), dict(inner.shape))
    once = _cost([inner], sizes, engines)
    forward = _cost([inner, Tangent(inner, e.wrt, v)], sizes, engines) - once
    reverse = _cost([inner, Derivative(Contract(inner.edges, inner, u), e.wrt)], sizes, engines) - once
    # What is differentiated may be cheaper together with its derivative, which shows that it is constant: no
    # pass costs less than nothing, nevertheless.
    forward, reverse = max(forward, 0), max(reverse, 0)
    return forward * _entries(e.wrt.shape, sizes), reverse * _entries(inner.shape, sizes)


def _named(e: Tensor) -> Tensor:
    """An expression without the names it is given."""
    while isinstance(e, Rename):
        e = e.arg
    return e


def _derivative(e: Tensor) -> Derivative | None:
    """The derivative of a tensor with edges that an expression is, under whatever names."""
    e = _named(e)
    return e if isinstance(e, Derivative) and e.arg.edges else None


def _entries(shape: Mapping[str, Size], sizes: Mapping[str, int]) -> int:
    return math.prod(size if isinstance(size, int) else sizes[size] for size in shape.values())


def _cost(expressions: list[Tensor], sizes: Mapping[str, int], engines: Engines) -> int:
    """The flops of the normal form, each tensor computed once, without any search."""
    snapshot = normal(derive(expressions, sizes, engines), engines)
    priced = price(snapshot, sizes)
    solution = Extractor(priced, [priced.root(name) for name in snapshot.roots]).tree_choice()
    return priced.flops(solution.choice.values())

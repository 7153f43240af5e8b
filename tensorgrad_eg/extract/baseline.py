"""What automatic differentiation would pay: the cost of its modes, in the same unit as plans."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from tensorgrad_eg.egraph.derive import NORMAL, derive
from tensorgrad_eg.egraph.engine import Engine
from tensorgrad_eg.expr import Contract, Derivative, Rename, Size, Tangent, Tensor, Variable, fresh, variables
from tensorgrad_eg.extract.alias import aliases
from tensorgrad_eg.extract.priced import price
from tensorgrad_eg.extract.search import Extractor


def modes(
    expressions: Sequence[Tensor], sizes: Mapping[str, int], files: tuple[Path, ...] | None = None
) -> dict[str, int]:
    """The cost of differentiating a tensor with edges once more: forward or reverse, one pass for each entry.

    Passes share what does not depend on the direction, as they do when they are vectorised. Empty if no
    expression is such a derivative: then reverse mode is what the search starts from.

    Example:
        >>> x, A = Variable("x", ["n"]), Variable("A", i="n", j="n")
        >>> quadratic = x.rename(n="i") @ A @ x.rename(n="j")
        >>> modes([Derivative(Derivative(quadratic, x), x)], {"n": 10})
        {'forward over reverse': 4510, 'reverse over reverse': 4510}
    """
    found: dict[str, int] = {}
    for e in dict.fromkeys(map(_derivative, expressions)):
        if e is None:
            continue
        inner = e.arg
        kind = " over reverse" if _derivative(inner) is not None or isinstance(inner, Derivative) else ""
        names = set(variables([e]))
        v = Variable(fresh("v", names), dict(e.wrt.shape))
        u = Variable(fresh("u", names), dict(inner.shape))
        once = _cost([inner], sizes, files)
        forward = _cost([inner, Tangent(inner, e.wrt, v)], sizes, files) - once
        reverse = _cost([inner, Derivative(Contract(inner.edges, inner, u), e.wrt)], sizes, files) - once
        for mode, each, count in (("forward", forward, e.wrt.shape), ("reverse", reverse, inner.shape)):
            found[mode + kind] = found.get(mode + kind, 0) + once + each * _entries(count, sizes)
    return found


def _derivative(e: Tensor) -> Derivative | None:
    """The derivative of a tensor with edges that an expression is, under whatever names."""
    while isinstance(e, Rename):
        e = e.arg
    return e if isinstance(e, Derivative) and e.arg.edges else None


def _entries(shape: Mapping[str, Size], sizes: Mapping[str, int]) -> int:
    return math.prod(size if isinstance(size, int) else sizes[size] for size in shape.values())


def _cost(expressions: list[Tensor], sizes: Mapping[str, int], files: tuple[Path, ...] | None) -> int:
    """The flops of the normal form, each tensor computed once, without any search."""
    derived = derive(expressions, sizes, files=files)
    engine = Engine(files, NORMAL)
    engine.load(derived.dag, derived.symbols)
    engine.normalise()
    snapshot = engine.snapshot(list(derived.dag.roots))
    priced = price(snapshot, sizes, aliases(snapshot))
    solution = Extractor(priced, [priced.root(r) for r in derived.dag.roots]).tree_choice()
    return sum(int(priced.prices[way]) for way in solution.choice.values())

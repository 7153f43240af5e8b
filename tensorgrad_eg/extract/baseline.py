"""What automatic differentiation would pay: the cost of its modes, in the same unit as plans."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tensorgrad_eg.egraph import Dag, Snapshot
from tensorgrad_eg.egraph.derive import Derived
from tensorgrad_eg.egraph.engine import Engines
from tensorgrad_eg.expr import Derivative, Rename, Tensor
from tensorgrad_eg.extract import Priced, price
from tensorgrad_eg.extract.alias import Alias, aliases
from tensorgrad_eg.extract.extract import Extracted
from tensorgrad_eg.extract.search import Extractor
from tensorgrad_eg.extract.starts import again, before, passes
from tensorgrad_eg.program.cost import Baseline


@dataclass(frozen=True)
class Modes:
    """What automatic differentiation pays for all expressions together, and the program that pays it.

    Where a tensor with edges is differentiated once more, that is forward or reverse mode with one pass for
    each entry of what it is differentiated by, or of the tensor. Passes share what does not depend on the
    direction, as they do when they are vectorised; so do all expressions. What is differentiated is
    computed, too. Every derivative takes the cheaper mode, by itself or with the others. Without such a
    derivative there is nothing to choose and no mode: then reverse mode is what the search starts from.

    Example:
        >>> from tensorgrad_eg.egraph.derive import derive
        >>> from tensorgrad_eg.expr import Variable
        >>> x, A = Variable("x", ["n"]), Variable("A", i="n", j="n")
        >>> quadratic = x.rename(n="i") @ A @ x.rename(n="j")
        >>> hessian = Derivative(Derivative(quadratic, x), x)
        >>> Modes.of([hessian], derive([hessian], {}), {}, {}, Engines()).at({"n": 10})[0].modes
        {'forward over reverse': 4510, 'reverse over reverse': 4510}
    """

    snapshot: Snapshot
    kind: str
    alias: dict[int, Alias] = field(repr=False)

    @classmethod
    def of(
        cls,
        expressions: Sequence[Tensor],
        derived: Derived,
        symbols: Mapping[str, str | int],
        sizes: Mapping[str, int],
        engines: Engines,
    ) -> Modes:
        """The passes of both modes; the program has the roots and labels of what was derived.

        Raises:
            TimeLimitError: if they are not worked out when the time is up.
        """
        snapshot = passes(expressions, derived, symbols, sizes, engines)
        found = [found[0].arg for found in map(again, expressions) if found]
        kind = " over reverse" if all(isinstance(_named(arg), Derivative) for arg in found) else ""
        return cls(snapshot, kind, aliases(snapshot))

    def at(self, sizes: Mapping[str, int]) -> tuple[Baseline, Extracted]:
        """What is paid for these sizes, with the cost of both modes, and the program."""
        priced = price(self.snapshot, sizes, self.alias)
        roots = self.snapshot.roots
        once = [root for root in roots if root.startswith(("out", "inner"))]
        plain = {root: root for root in once if root.startswith("out")}
        ways: dict[str, dict[str, str]] = {
            mode: {f"out{root[7:]}": root for root in roots if root.startswith(mode)}
            for mode in ("forward", "reverse")
        }
        modes = {f"{mode}{self.kind}": _cost(priced, [*once, *way.values()]) for mode, way in ways.items()}
        ways["each"] = {
            out: min((way[out] for way in ways.values()), key=lambda root: _cost(priced, [*once, root]))
            for out in ways["forward"]
        }
        best = min(ways.values(), key=lambda way: _cost(priced, [*once, *way.values()]))
        cost = _cost(priced, [*once, *best.values()])
        return Baseline(cost, modes), _program(priced, {**plain, **best}, cost)


def least(expressions: Sequence[Tensor], derived: Derived, sizes: Mapping[str, int]) -> int:
    """What automatic differentiation pays at least, as far as that is known without the passes.

    That is what is computed once, and a number for every entry of each result, unless that is an identity,
    or a sum over an edge of size zero. Where a result is constant it has one entry.

    Example:
        >>> from tensorgrad_eg.egraph.derive import derive
        >>> from tensorgrad_eg.expr import Variable
        >>> x = Variable("x", ["n"])
        >>> wanted = [Derivative(x * x, x)]
        >>> least(wanted, derive(wanted, {}), {"n": 3})
        12
    """
    priced = _priced(derived.dag, derived.symbols, sizes)
    if 0 in priced.sizes.values():
        return 0
    found: dict[int, int] = {}
    snapshot = priced.snapshot
    for n, e in enumerate(expressions):
        at, group = snapshot.roots[f"out{n}"], priced.root(f"out{n}")
        zero = any(node.op == "number" for node in snapshot.nodes[at])
        written = any(priced.terms.identity(at, node) for node in snapshot.nodes[at])
        if again(e) and not written and not zero:
            sizes_of = [priced.sizes[label] for label in snapshot.free[at]]
            operations = {derived.dag.nodes[part].op for part in derived.dag.reachable([at])}
            # What is added on a diagonal may be all that is computed: one entry for edges of one size.
            found[group] = math.prod(set(sizes_of) if operations >= {"add", "delta"} else sizes_of)
    return sum(found.values()) + _once(expressions, derived, sizes)


def _once(expressions: Sequence[Tensor], derived: Derived, sizes: Mapping[str, int]) -> int:
    """The cost of what is differentiated once more, if that is known."""
    found = before(expressions, derived)
    if found is None:
        return 0
    stage, roots = found
    dag = stage.after.part({root: stage.after.roots[root] for root in roots})
    return _cost(_priced(dag, derived.symbols, sizes), roots)


def _priced(dag: Dag, symbols: Mapping[str, int | str], sizes: Mapping[str, int]) -> Priced:
    return price(Snapshot.of(dag, symbols), sizes)


def _program(priced: Priced, roots: Mapping[str, str], cost: int) -> Extracted:
    """The program of these passes, under the names of what they compute."""
    named = {out: priced.snapshot.roots[roots[out]] for out in sorted(roots)}
    priced = replace(priced, snapshot=replace(priced.snapshot, roots=named))
    solution = Extractor(priced, [priced.root(out) for out in named]).tree_choice()
    return Extracted(priced, solution, cost, passes=True)


def _cost(priced: Priced, roots: Iterable[str]) -> int:
    """The flops of the program of these roots, each tensor computed once."""
    solution = Extractor(priced, [priced.root(root) for root in roots]).tree_choice()
    return priced.flops(solution.choice.values())


def _named(e: Tensor) -> Tensor:
    """An expression without the names it is given."""
    while isinstance(e, Rename):
        e = e.arg
    return e

"""A failure made small: parts of the problem are left out while it still fails in the same way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from tensorgrad_eg import Tensor, TensorgradError, Variable
from tensorgrad_eg.expr import Number, Reduce, children, postorder, variables
from tensorgrad_eg.expr.walk import arguments

from .problems import Problem

#: Fails in the same way?
Test = Callable[[Problem], bool]


def shrunk(problem: Problem, fails: Test, tries: int = 400) -> Problem:
    """The smallest problem found that still fails, after so many tries at most."""
    left = tries
    changed = True
    while changed:
        changed = False
        for smaller in _smaller(problem):
            if left <= 0:
                return problem
            left -= 1
            if fails(smaller):
                problem, changed = smaller, True
                break
    return problem


def _smaller(problem: Problem) -> Iterator[Problem]:
    """Problems with something left out, those that leave out most first."""
    count = len(problem.wanted)
    for keep in range(count if count > 1 else 0):
        yield replace(problem, wanted=(problem.wanted[keep],), names="tensor")
    for drop in range(count if count > 2 else 0):
        kept = problem.wanted[:drop] + problem.wanted[drop + 1 :]
        yield replace(problem, wanted=kept, names="list")
    for name in problem.options:
        yield replace(problem, options={k: v for k, v in problem.options.items() if k != name})
    if problem.facts:
        yield from (
            replace(problem, facts=tuple(f for f in problem.facts if f is not g)) for g in problem.facts
        )
    if len(problem.extras) > 1:
        yield from (replace(problem, extras=(extra,)) for extra in problem.extras)
    for number, root in enumerate(problem.wanted):
        for other in _smaller_tensors(root):
            wanted = (*problem.wanted[:number], other, *problem.wanted[number + 1 :])
            yield _settled(replace(problem, wanted=wanted))
    for symbol, n in problem.sizes.items():
        for less in {2, n - 1} if n > 2 else ():
            yield replace(problem, sizes={**problem.sizes, symbol: less})
    if problem.names != "tensor" and count == 1:
        yield replace(problem, names="tensor")


def _settled(problem: Problem) -> Problem:
    """The problem without sizes and facts that nothing in it has any more."""
    used = {
        size
        for node in postorder(problem.wanted)
        for size in (*node.shape.values(), getattr(node, "size", None))
    }
    read = variables(problem.wanted)
    return replace(
        problem,
        sizes={symbol: n for symbol, n in problem.sizes.items() if symbol in used},
        other_sizes={symbol: n for symbol, n in problem.other_sizes.items() if symbol in used},
        facts=tuple(fact for fact in problem.facts if read.get(fact.variable.name) is fact.variable),
    )


def _smaller_tensors(root: Tensor) -> Iterator[Tensor]:
    """Expressions with one node replaced by one of its parts, by a variable, or by a number."""
    order = postorder([root])
    for node in reversed(order):
        for part in (*children(node), *_leaves(node)):
            if part is node or (isinstance(part, Variable) and isinstance(node, Variable)):
                continue
            try:
                other = _replaced(order, node, part)
                variables([other])
            except TensorgradError:
                continue
            if other is not root:
                yield other


def _leaves(node: Tensor) -> list[Tensor]:
    if not children(node):
        return [] if isinstance(node, Number) else [Number(1)]
    return [Variable("w", dict(node.shape)), Number(1), Number(2)]


def _replaced(order: list[Tensor], old: Tensor, new: Tensor) -> Tensor:
    """The last of these nodes with one of them replaced; sums and renames forget edges that are gone."""
    made: dict[Tensor, Tensor] = {}
    for node in order:
        if node is old:
            made[node] = new
        elif any(made[part] is not part for part in children(node)):
            made[node] = _again(node, made)
        else:
            made[node] = node
    return made[order[-1]]


def _again(node: Tensor, made: dict[Tensor, Tensor]) -> Tensor:
    values = [_value(value, made) for value in arguments(node)]
    names = getattr(type(node), "__match_args__", ())
    known = {edge for part in children(node) for edge in made[part].edges}
    given: dict[str, Any] = dict(zip(names, values, strict=True))
    if "over" in given:
        given["over"] = frozenset(edge for edge in given["over"] if edge in known)
        if isinstance(node, Reduce) and not given["over"]:
            return made[node.arg]
    if "mapping" in given:
        mapping = {old: name for old, name in given["mapping"] if old in known}
        kept = [mapping.get(edge, edge) for edge in given["arg"].edges]
        order = [edge for edge in given["edges"] if edge in kept]
        given["mapping"], given["edges"] = mapping, [*order, *(e for e in kept if e not in order)]
    if "names" in given and len(given["names"]) != len(given["wrt"].edges):
        given["names"] = None
    return type(node)(*given.values())


def _value(value: object, made: dict[Tensor, Tensor]) -> object:
    if isinstance(value, Tensor):
        return made[value]
    if isinstance(value, tuple):
        return tuple(_value(item, made) for item in value)
    return value

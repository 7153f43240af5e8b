"""One operation at a time: each operation of an expression on variables of its own, to differentiate it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from tensorgrad_eg.expr import (
    Contract,
    Derivative,
    Rename,
    Tangent,
    Tensor,
    Variable,
    children,
    made,
    operation,
    postorder,
)


def single_operations(expressions: Iterable[Tensor]) -> Iterator[Tensor]:
    """Derivatives of every operation: in reverse mode (of a weighted sum) and in forward mode (the Jacobian).

    >>> from tensorgrad_eg.expr import Apply, Variable
    >>> [str(e) for e in single_operations([Apply("exp", Variable("x", ["i"]))])]
    ['∂(Σ_i_ exp(a1[i_]) g[i_])/∂a1[i]', '∂exp(a1[i])/∂a1[i_]']
    """
    seen: dict[Tensor, None] = {}
    for e in postorder(expressions):
        if isinstance(e, Derivative | Tangent) or not children(e):
            continue
        parts = dict.fromkeys(children(e))
        own = {part: Variable(f"a{n}", dict(part.shape)) for n, part in enumerate(parts, 1)}
        alone = _rebuilt(e, own)
        if alone in seen:
            continue
        seen[alone] = None
        weighted = Contract(alone.edges, alone, Variable("g", dict(alone.shape)))
        for variable in own.values():
            yield weighted.grad(variable)
            yield alone.grad(variable)


def _rebuilt(e: Tensor, own: Mapping[Tensor, Variable]) -> Tensor:
    parts = [own[part] for part in children(e)]
    return Rename(parts[0], e.mapping, e.edges) if isinstance(e, Rename) else made(*operation(e), parts)

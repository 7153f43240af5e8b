"""One operation at a time: each operation of an expression on variables of its own, to differentiate it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from tensorgrad_eg.expr import (
    Add,
    Apply,
    Contract,
    Derivative,
    LogSumExp,
    Power,
    Reduce,
    Rename,
    Scale,
    Softmax,
    Tangent,
    Tensor,
    Variable,
    children,
    postorder,
)


def single_operations(expressions: Iterable[Tensor]) -> Iterator[Tensor]:
    """Derivatives of every operation: in reverse mode (of a weighted sum) and in forward mode (the Jacobian).

    >>> from tensorgrad_eg.expr import Variable
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
    match e:
        case Contract(over, left, right):
            return Contract(over, own[left], own[right])
        case Add(terms):
            return Add(tuple(own[term] for term in terms))
        case Reduce(over, arg):
            return Reduce(over, own[arg])
        case Scale(factor, arg):
            return Scale(factor, own[arg])
        case Rename(arg, mapping):
            return Rename(own[arg], mapping, e.edges)
        case Apply(function, arg):
            return Apply(function, own[arg])
        case Power(arg, exponent):
            return Power(own[arg], exponent)
        case Softmax(over, arg):
            return Softmax(over, own[arg])
        case LogSumExp(over, arg):
            return LogSumExp(over, own[arg])
    raise TypeError(f"{type(e).__name__} is no operation on tensors")

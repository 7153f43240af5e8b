"""Walking over expressions without recursion, so that depth is no limit, in an order that is always the same.

>>> from tensorgrad_eg.expr.leaves import Variable
>>> A, x = Variable("A", ["i", "k"]), Variable("x", ["k"])
>>> [str(node) for node in postorder([A @ x])]
['A[i,k]', 'x[k]', 'Σ_k A[i,k] x[k]']
"""

from __future__ import annotations

from collections.abc import Iterable

from tensorgrad_eg.errors import VariableClashError
from tensorgrad_eg.expr.calculus import Derivative, Tangent
from tensorgrad_eg.expr.leaves import Variable
from tensorgrad_eg.expr.linear import Add, Contract, Reduce, Rename, Scale
from tensorgrad_eg.expr.nonlinear import Apply, LogSumExp, Power, Softmax
from tensorgrad_eg.expr.tensor import Tensor


def children(node: Tensor) -> tuple[Tensor, ...]:
    """Return the parts of a node from left to right; the variable of a derivative is one of them.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> x = Variable("x", ["k"])
    >>> [str(part) for part in children(x + 1)]
    ['x[k]', '1']
    """
    match node:
        case Contract(_, left, right):
            return left, right
        case Add(terms):
            return terms
        case (
            Reduce(arg=arg)
            | Scale(arg=arg)
            | Rename(arg=arg)
            | Apply(arg=arg)
            | Power(arg=arg)
            | Softmax(arg=arg)
            | LogSumExp(arg=arg)
        ):
            return (arg,)
        case Derivative(arg, wrt):
            return arg, wrt
        case Tangent(arg, wrt, direction):
            return arg, wrt, direction
    return ()


def postorder(roots: Iterable[Tensor]) -> list[Tensor]:
    """Return every distinct node below the roots, and the roots, each after its parts.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> x = Variable("x", ["k"])
    >>> len(postorder([x * x, x]))
    2
    """
    order: dict[Tensor, None] = {}
    for root in roots:
        stack = [(root, False)]
        while stack:
            node, opened = stack.pop()
            if node in order:
                continue
            if opened:
                order[node] = None
            else:
                stack.append((node, True))
                stack.extend((part, False) for part in reversed(children(node)) if part not in order)
    return list(order)


def variables(roots: Iterable[Tensor]) -> dict[str, Variable]:
    """Return the variables of expressions by name, in order of appearance; two of one name must be the same.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> A, x = Variable("A", ["i", "k"]), Variable("x", ["k"])
    >>> list(variables([A @ x]))
    ['A', 'x']
    """
    found: dict[str, Variable] = {}
    for node in postorder(roots):
        if isinstance(node, Variable) and found.setdefault(node.name, node) is not node:
            raise VariableClashError.of(node.name, repr(found[node.name]), repr(node))
    return found

"""Expressions as one writes them on the blackboard: their `str`.

A sum extends over the product that follows it, juxtaposition is the product, and products and quotients are
read from left to right. What is printed can be read again with `parse`, but for derivatives and named parts.

>>> from tensorgrad_eg.expr.leaves import Variable
>>> A, x, y = Variable("A", ["i", "k"]), Variable("x", ["k"]), Variable("y", ["i"])
>>> print((A @ x - y) ** 2 / 2)
1/2 (Σ_k A[i,k] x[k] - y[i])^2
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import NamedTuple

from tensorgrad_eg.expr.build import edges_of_ones
from tensorgrad_eg.expr.compound import Add, Contract, Derivative, Reduce, Rename, Scale, Softmax, Tangent
from tensorgrad_eg.expr.leaves import Delta, Variable
from tensorgrad_eg.expr.names import fresh
from tensorgrad_eg.expr.notation import Form, Text, indexed, written
from tensorgrad_eg.expr.operations import OPERATIONS, ENode
from tensorgrad_eg.expr.tensor import Tensor
from tensorgrad_eg.expr.walk import children, operation, postorder

# Expressions of up to this many written symbols are written in full; larger ones get names for shared parts.
LARGE = 80
DEEPEST = 30


class _Scope(NamedTuple):
    """How edges are called here: `names`, beside the names `taken` further out, and the named parts.

    With `order`, brackets show in which order products are taken.
    """

    names: Mapping[str, str]
    taken: frozenset[str]
    parts: Mapping[Tensor, str]
    order: bool = False

    def bind(self, node: Tensor, over: Iterable[str]) -> _Scope:
        """Return the scope inside a sum, whose edges are called by names that nothing further out has."""
        names = {edge: self.names[edge] for edge in node.edges}
        taken = set(self.taken)
        for edge in sorted(over):
            names[edge] = fresh(edge, taken)
            taken.add(names[edge])
        return self._replace(names=names, taken=frozenset(taken))

    def under(self, node: Rename) -> _Scope:
        """Return the scope below a renaming."""
        new = dict(node.mapping)
        return self._replace(names={edge: self.names[new.get(edge, edge)] for edge in node.arg.edges})


def blackboard(root: Tensor, order: bool = False) -> str:
    """Return the expression in index notation; in a large one, parts that are used twice are named.

    With `order`, brackets show in which order products are taken: to compute, a (b c) is not a b c.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> x = Variable("x", ["i"])
    >>> for _ in range(6):
    ...     x = x * x + 1
    >>> print(blackboard(x))
    t5[i] t5[i] + 1
      where t1[i] = x[i] x[i] + 1
            t2[i] = t1[i] t1[i] + 1
            t3[i] = t2[i] t2[i] + 1
            t4[i] = t3[i] t3[i] + 1
            t5[i] = t4[i] t4[i] + 1
    >>> a, b, c = (Variable(name, ["i"]) for name in "abc")
    >>> print(blackboard(a * (b * c), order=True))
    a[i] (b[i] c[i])
    """
    parts = _named_parts(root)
    lines = [
        f"{indexed(name, node.edges)} = {_open(node, _scope(node, parts, order)).text}"
        for node, name in parts.items()
    ]
    first = _open(root, _scope(root, parts, order)).text
    return "\n".join([first, *(f"  {'where' if i == 0 else '     '} {line}" for i, line in enumerate(lines))])


def _scope(node: Tensor, parts: Mapping[Tensor, str], order: bool) -> _Scope:
    return _Scope({edge: edge for edge in node.edges}, frozenset(node.edges), parts, order)


def _named_parts(root: Tensor) -> dict[Tensor, str]:
    """Choose the parts that get a line of their own: shared ones where all is large, and very deep ones."""
    order = postorder([root])
    uses = dict.fromkeys(order, 0)
    symbols: dict[Tensor, int] = {}
    for node in order:
        symbols[node] = 1 + sum(symbols[part] for part in children(node))
        for part in children(node):
            uses[part] += 1
    taken = {node.name for node in order if isinstance(node, Variable)}
    large = symbols[root] > LARGE
    depth: dict[Tensor, int] = {}
    named: dict[Tensor, str] = {}
    for node in order:
        # A sum within a sum is written without brackets, and without recursion.
        nested = (
            depth[part] + (not isinstance(node, Add) or not isinstance(part, Add)) for part in children(node)
        )
        depth[node] = max(nested, default=1)
        shared = large and uses[node] > 1 and symbols[node] > 4
        if node is not root and (shared or depth[node] > DEEPEST):
            named[node] = fresh(f"t{len(named) + 1}", taken)
            depth[node] = 0
    return named


def _write(node: Tensor, scope: _Scope) -> Text:
    if node in scope.parts:
        return Text(indexed(scope.parts[node], [scope.names[edge] for edge in node.edges]))
    return _open(node, scope)


def _open(node: Tensor, scope: _Scope) -> Text:
    """Write a node itself, even if it is a named part."""
    same = _constant(node, scope)
    return _opened(node, scope) if same is None else same


def _constant(node: Tensor, scope: _Scope) -> Text | None:
    """Write a whole number that is the same along edges: the number with these edges, 1[i]."""
    factor, arg = (node.factor, node.arg) if isinstance(node, Scale) else (Fraction(1), node)
    edges = edges_of_ones(arg) if factor >= 0 and factor.denominator == 1 else None
    names = [scope.names[edge] for edge in node.edges]
    return None if edges is None else Text(indexed(str(factor), names))


def _opened(node: Tensor, scope: _Scope) -> Text:
    match node:
        case Contract(over, left, Delta(i, j)) if over in ({i}, {j}) and _has_diagonal(left, i, j):
            inner = scope.bind(node, over)  # a diagonal: the two edges have one name
            name = inner.names[j if i in over else i]
            return _write(left, inner._replace(names={**inner.names, i: name, j: name}))
        case Rename(arg):
            return _write(arg, scope.under(node))
        case Derivative(arg, wrt, new):
            by = indexed(wrt.name, [scope.names[edge] for edge in new])
            return Text(f"∂{_write(arg, scope).bracketed(~Form.ATOM).text}/∂{by}", Form.PRODUCT)
        case Tangent(arg, wrt, direction):
            along = _write(direction, _scope(direction, scope.parts, scope.order)).text
            above = _write(arg, scope).bracketed(~Form.ATOM).text
            return Text(f"∂{above}/∂{wrt.name} · ({along})", Form.PRODUCT)
    return _operation(node, ENode(*operation(node)), scope)


def _operation(node: Tensor, made: ENode, scope: _Scope) -> Text:
    """Write an operation, its parts in the scope of what it binds."""
    parts = _terms(node, scope.parts) if isinstance(node, Add) else children(node)
    edges: Iterable[str] = dict.fromkeys(edge for part in parts for edge in part.edges if edge in made.over)
    if made.over and OPERATIONS[made.op].binds:
        # The brackets of a function show where its edges end: they may be called as others further out.
        own = frozenset(scope.names[edge] for edge in node.edges)
        sums = isinstance(node, Contract | Reduce)
        scope = (scope if sums else scope._replace(taken=own)).bind(node, made.over)
    names = [scope.names[edge] for edge in (edges if parts else node.edges)]
    return written(made, [_write(part, scope) for part in parts], names, scope.order)


def _has_diagonal(root: Tensor, i: str, j: str) -> bool:
    """Whether both edges can have one name all the way down: a softmax over one of them keeps them apart."""
    stack = [(root, i, j)]
    seen = {*stack}
    while stack:
        node, one, other = stack.pop()
        if isinstance(node, Softmax) and node.over & {one, other}:
            return False
        if isinstance(node, Rename):
            back = {new: old for old, new in node.mapping}
            one, other = back.get(one, one), back.get(other, other)
        parts = {(part, one, other) for part in children(node) if {one, other} <= {*part.edges}} - seen
        seen |= parts
        stack.extend(parts)
    return {i, j} <= {*root.edges}


def _terms(node: Add, parts: Mapping[Tensor, str]) -> list[Tensor]:
    found: list[Tensor] = []
    ahead = [*reversed(node.terms)]
    while ahead:
        term = ahead.pop()
        if isinstance(term, Add) and term not in parts:
            ahead.extend(reversed(term.terms))
        else:
            found.append(term)
    return found

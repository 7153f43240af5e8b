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
from enum import Flag, auto
from fractions import Fraction
from typing import NamedTuple

from tensorgrad_eg.expr.build import edges_of_ones
from tensorgrad_eg.expr.compound import (
    Add,
    Apply,
    Contract,
    Derivative,
    Entrywise,
    LogSumExp,
    Power,
    Reduce,
    Rename,
    Scale,
    Softmax,
    Tangent,
)
from tensorgrad_eg.expr.leaves import Constant, Delta, Extent, Number, Variable
from tensorgrad_eg.expr.names import fresh
from tensorgrad_eg.expr.tensor import Tensor
from tensorgrad_eg.expr.walk import children, postorder

# Expressions of up to this many written symbols are written in full; larger ones get names for shared parts.
LARGE = 80
DEEPEST = 30


class _Form(Flag):
    """What a text looks like from outside, to know where it needs brackets."""

    ATOM = 0
    SUM = auto()  # a + b
    SIGMA = auto()  # ends in a sum that would swallow a factor to its right
    QUOTIENT = auto()  # ends in a division
    SIGNED = auto()  # starts with a sign or a number
    PRODUCT = auto()  # a b
    POWER = auto()  # a^2


class _Text(NamedTuple):
    """A written expression and its form."""

    text: str
    form: _Form

    def bracketed(self, unless: _Form) -> _Text:
        """Return the text, in brackets if it has one of these forms."""
        return _Text(f"({self.text})", _Form.ATOM) if self.form & unless else self


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

    def subscript(self, edges: Iterable[str]) -> str:
        """Return the names of edges in brackets."""
        return _subscript(self.names[edge] for edge in edges)


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
        f"{name}{_subscript(node.edges)} = {_open(node, _scope(node, parts, order)).text}"
        for node, name in parts.items()
    ]
    first = _open(root, _scope(root, parts, order)).text
    return "\n".join([first, *(f"  {'where' if i == 0 else '     '} {line}" for i, line in enumerate(lines))])


def _number_text(value: Fraction) -> str:
    """Return a number as a fraction, or as a decimal where that is how one would write it."""
    decimal = repr(float(value)) if value.denominator % 5 == 0 else ""
    return decimal if decimal and Fraction(decimal) == value else str(value)


def _scope(node: Tensor, parts: Mapping[Tensor, str], order: bool) -> _Scope:
    return _Scope({edge: edge for edge in node.edges}, frozenset(node.edges), parts, order)


def _subscript(edges: Iterable[str]) -> str:
    text = ",".join(edges)
    return f"[{text}]" if text else ""


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


def _write(node: Tensor, scope: _Scope) -> _Text:
    if node in scope.parts:
        return _Text(scope.parts[node] + scope.subscript(node.edges), _Form.ATOM)
    return _open(node, scope)


def _open(node: Tensor, scope: _Scope) -> _Text:
    """Write a node itself, even if it is a named part."""
    same = _constant(node, scope)
    return _opened(node, scope) if same is None else same


def _constant(node: Tensor, scope: _Scope) -> _Text | None:
    """Write a whole number that is the same along edges: the number with these edges, 1[i]."""
    factor, arg = (node.factor, node.arg) if isinstance(node, Scale) else (Fraction(1), node)
    edges = edges_of_ones(arg) if factor >= 0 and factor.denominator == 1 else None
    return None if edges is None else _Text(f"{factor}{scope.subscript(node.edges)}", _Form.ATOM)


def _opened(node: Tensor, scope: _Scope) -> _Text:
    match node:
        case Contract(over, left, Delta(i, j)) if over in ({i}, {j}) and _has_diagonal(left, i, j):
            inner = scope.bind(node, over)  # a diagonal: the two edges have one name
            name = inner.names[j if i in over else i]
            return _write(left, inner._replace(names={**inner.names, i: name, j: name}))
        case Contract(over, left, right):
            inner = scope.bind(node, over)
            edges = dict.fromkeys((*left.edges, *right.edges))
            return _sigma([inner.names[edge] for edge in edges if edge in over], _product(left, right, inner))
        case Reduce(over, arg):
            inner = scope.bind(node, over)
            return _sigma([inner.names[edge] for edge in arg.edges if edge in over], _write(arg, inner))
        case Add():
            return _sum([_write(term, scope) for term in _terms(node, scope.parts)])
        case Scale(factor, arg):
            return _multiple(factor, _factor(_write(arg, scope), scope))
        case Power(arg, exponent):
            return _power(_write(arg, scope), exponent)
        case Rename(arg):
            return _write(arg, scope.under(node))
        case Apply(function, arg):
            return _Text(f"{function}({_write(arg, scope).text})", _Form.ATOM)
        case Softmax(over, arg):
            return _fibre("softmax", arg, over, scope)
        case Entrywise(operation, args):
            texts = [_write(arg, scope).text for arg in args]
            return _Text(f"{operation}({', '.join(texts)})", _Form.ATOM)
        case LogSumExp(over, arg):
            # The brackets of the function show where its edges end: they may be called as others further out.
            own = frozenset(scope.names[edge] for edge in node.edges)
            return _fibre("logsumexp", arg, over, scope._replace(taken=own).bind(node, over))
        case Derivative(arg, wrt, new):
            by = wrt.name + scope.subscript(new)
            return _Text(f"∂{_write(arg, scope).bracketed(~_Form.ATOM).text}/∂{by}", _Form.PRODUCT)
        case Tangent(arg, wrt, direction):
            along = _write(direction, _scope(direction, scope.parts, scope.order)).text
            above = _write(arg, scope).bracketed(~_Form.ATOM).text
            return _Text(f"∂{above}/∂{wrt.name} · ({along})", _Form.PRODUCT)
    return _leaf(node, scope)


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


def _leaf(node: Tensor, scope: _Scope) -> _Text:
    match node:
        case Variable(name, edges):
            return _Text(name + scope.subscript(edges), _Form.ATOM)
        case Number(value):
            return _Text(
                _number_text(value), _Form.SIGNED if value < 0 or value.denominator > 1 else _Form.ATOM
            )
        case Delta(i, j):
            return _Text("δ" + scope.subscript((i, j)), _Form.ATOM)
        case Extent(size):
            return _Text(f"|{size}|", _Form.ATOM)
        case Constant("pi"):
            return _Text("π", _Form.ATOM)
    raise TypeError(f"no notation for {type(node).__name__}")


def _product(left: Tensor, right: Tensor, scope: _Scope) -> _Text:
    first = _write(left, scope)
    if isinstance(right, Power) and right.exponent < 0 and right not in scope.parts:
        return _quotient(first, _power(_write(right.arg, scope), -right.exponent))
    head = _factor(first, scope).bracketed(_Form.SUM | _Form.SIGMA | _Form.QUOTIENT)
    tail = _factor(_write(right, scope), scope).bracketed(_Form.SUM | _Form.SIGNED)
    form = _Form.PRODUCT | (head.form & _Form.SIGNED) | (tail.form & (_Form.SIGMA | _Form.QUOTIENT))
    return _Text(f"{head.text} {tail.text}", form)


def _factor(text: _Text, scope: _Scope) -> _Text:
    """Put a product in brackets where the order of products is to be seen; a sum shows it by its sign."""
    return text.bracketed(_Form.PRODUCT) if scope.order and not text.text.startswith("Σ") else text


def _quotient(above: _Text, below: _Text) -> _Text:
    above = above.bracketed(_Form.SUM | _Form.SIGMA)
    below = below.bracketed(~_Form.POWER)
    return _Text(f"{above.text} / {below.text}", _Form.PRODUCT | _Form.QUOTIENT | (above.form & _Form.SIGNED))


def _sigma(edges: list[str], body: _Text) -> _Text:
    if not edges:
        return body
    under = edges[0] if len(edges) == 1 else f"{{{','.join(edges)}}}"
    inner = body.bracketed(~_Form.ATOM if body.text.startswith("-") else _Form.SUM)
    return _Text(f"Σ_{under} {inner.text}", _Form.SIGMA | _Form.PRODUCT)


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


def _sum(terms: list[_Text]) -> _Text:
    text = terms[0].text
    for term in terms[1:]:
        text += f" - {term.text[1:]}" if term.text.startswith("-") else f" + {term.text}"
    return _Text(text, _Form.SUM | (terms[0].form & _Form.SIGNED))


def _multiple(factor: Fraction, arg: _Text) -> _Text:
    inner = arg.bracketed(_Form.SUM | _Form.SIGNED)
    sign = "-" if factor == -1 else f"{_number_text(factor)} "
    return _Text(sign + inner.text, _Form.SIGNED | _Form.PRODUCT | inner.form)


def _power(base: _Text, exponent: Fraction) -> _Text:
    if exponent < 0:
        return _quotient(_Text("1", _Form.SIGNED), _power(base, -exponent))
    if exponent == 1:
        return base
    if exponent == Fraction(1, 2):
        return _Text(f"sqrt({base.text})", _Form.ATOM)
    raised = str(exponent) if exponent.denominator == 1 else f"({exponent})"
    return _Text(f"{base.bracketed(~_Form.ATOM).text}^{raised}", _Form.POWER)


def _fibre(function: str, arg: Tensor, over: frozenset[str], scope: _Scope) -> _Text:
    edges = ", ".join(scope.names[edge] for edge in arg.edges if edge in over)
    return _Text(f"{function}({_write(arg, scope).text}, {edges})", _Form.ATOM)

"""Index notation: how operations are written, whatever reads them: expressions, e-nodes, steps of programs.

A sum extends over the product that follows it, juxtaposition is the product, and products and quotients are
read from left to right. What is printed can be read again with `parse`, but for derivatives and named parts.

>>> from tensorgrad_eg.expr.leaves import Variable
>>> A, x, y = Variable("A", ["i", "k"]), Variable("x", ["k"]), Variable("y", ["i"])
>>> print((A @ x - y) ** 2 / 2)
1/2 (Σ_k A[i,k] x[k] - y[i])^2
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import Flag, auto
from fractions import Fraction
from functools import partial, reduce
from typing import NamedTuple

from tensorgrad_eg.expr.build import edges_of_ones
from tensorgrad_eg.expr.compound import Add, Contract, Derivative, Reduce, Rename, Scale, Softmax, Tangent
from tensorgrad_eg.expr.leaves import Delta, Variable
from tensorgrad_eg.expr.operations import OPERATIONS, ENode
from tensorgrad_eg.expr.tensor import Tensor, fresh
from tensorgrad_eg.expr.walk import children, operation, postorder

# Expressions of up to this many written symbols are written in full; larger ones get names for shared parts.
LARGE = 80
DEEPEST = 30


class Look(Flag):
    """What a text looks like from outside, to know where it needs brackets.

    >>> Look.SUM in Look.PRODUCT | Look.SIGMA
    False
    """

    ATOM = 0
    SUM = auto()  # a + b
    SIGMA = auto()  # ends in a sum that would swallow a factor to its right
    QUOTIENT = auto()  # ends in a division
    SIGNED = auto()  # starts with a sign or a number
    PRODUCT = auto()  # a b
    POWER = auto()  # a^2


class Text(NamedTuple):
    """Something written, its form and, of a quotient 1 / a, the text of what is below.

    >>> Text("a + b", Look.SUM).bracketed(Look.SUM).text
    '(a + b)'
    """

    text: str
    form: Look = Look.ATOM
    below: str = ""

    def bracketed(self, unless: Look) -> Text:
        """Return the text, in brackets if it has one of these forms."""
        return Text(f"({self.text})") if self.form & unless else self


def written(node: ENode, parts: Sequence[Text], edges: Sequence[str], order: bool = False) -> Text:
    """Return the text of an operation on parts; `edges` are the names of those of a leaf, or of its payload.

    With `order`, brackets show in which order products are taken.

    >>> written(ENode("softmax", frozenset("k")), [Text("x[k]")], ["k"]).text
    'softmax(x[k], k)'
    >>> written(ENode("variable", ("x", ("i",))), [], ["j"]).text
    'x[j]'
    """
    match node.op:
        case "variable":
            return Text(indexed(node.name, edges))
        case "delta":
            return Text(indexed("δ", edges))
        case "number":
            return _number(node.number)
        case "constant":
            return Text("π" if node.name == "pi" else node.name)
        case "extent":
            return Text(f"|{node.name}|")
        case "contract" | "reduce":
            return _sigma(edges, reduce(partial(_times, order=order), parts))
        case "add":
            return _sum(parts)
        case "scale":
            return multiple(node.number, _factor(parts[0], order))
        case "power":
            return _power(parts[0], node.number)
        case "raised":
            base, exponent = (part.bracketed(~Look.ATOM).text for part in parts)
            return Text(f"{base}^{exponent}", Look.POWER)
        case "polygamma":
            return Text(f"polygamma({node.number}, {parts[0].text})")
        case "solve":
            inverse = Text(f"{parts[0].bracketed(~Look.ATOM).text}^-1", Look.POWER)
            return _sigma(edges, _times(inverse, parts[1], order))
    name = node.name if node.op == "apply" else node.op
    return Text(f"{name}({', '.join([*(part.text for part in parts), *edges])})")


def indexed(name: str, edges: Sequence[str]) -> str:
    """Return a tensor with its edges.

    >>> indexed("A", ("i", "k")), indexed("loss", ())
    ('A[i,k]', 'loss')
    """
    return f"{name}[{','.join(edges)}]" if edges else name


def subscript(edges: Sequence[str]) -> str:
    """Return what stands below a sum sign: braces where there are several.

    >>> subscript(["i"]), subscript(["i", "k"])
    ('i', '{i,k}')
    """
    return f"{{{','.join(edges)}}}" if len(edges) > 1 else "".join(edges)


def number_text(value: Fraction) -> str:
    """Return a number as a fraction, or as a decimal where that is how one would write it.

    >>> number_text(Fraction(1, 2)), number_text(Fraction("1e-5")), number_text(Fraction(1, 30))
    ('1/2', '1e-05', '1/30')
    """
    decimal = repr(float(value)) if value.denominator % 5 == 0 else ""
    return decimal if decimal and Fraction(decimal) == value else str(value)


def _number(value: Fraction) -> Text:
    """Return a number and its form."""
    return Text(number_text(value), Look.SIGNED if value < 0 or value.denominator > 1 else Look.ATOM)


def multiple(factor: Fraction, arg: Text) -> Text:
    """Return a multiple of what is written.

    >>> multiple(Fraction(-1), Text("x[i]")).text, multiple(Fraction(2), Text("a + b", Look.SUM)).text
    ('-x[i]', '2 (a + b)')
    """
    inner = arg.bracketed(Look.SUM | Look.SIGNED)
    sign = "-" if factor == -1 else f"{number_text(factor)} "
    return Text(sign + inner.text, Look.SIGNED | Look.PRODUCT | inner.form)


def _times(left: Text, right: Text, order: bool) -> Text:
    if right.below:
        return _quotient(left, right.below)
    head = _factor(left, order).bracketed(Look.SUM | Look.SIGMA | Look.QUOTIENT)
    tail = _factor(right, order).bracketed(Look.SUM | Look.SIGNED)
    form = Look.PRODUCT | (head.form & Look.SIGNED) | (tail.form & (Look.SIGMA | Look.QUOTIENT))
    return Text(f"{head.text} {tail.text}", form)


def _factor(text: Text, order: bool) -> Text:
    """Put a product in brackets where the order of products is to be seen; a sum shows it by its sign."""
    return text.bracketed(Look.PRODUCT) if order and not text.text.startswith("Σ") else text


def _quotient(above: Text, below: str) -> Text:
    above = above.bracketed(Look.SUM | Look.SIGMA)
    return Text(f"{above.text} / {below}", Look.PRODUCT | Look.QUOTIENT | (above.form & Look.SIGNED))


def _sigma(edges: Sequence[str], body: Text) -> Text:
    if not edges:
        return body
    inner = body.bracketed(~Look.ATOM if body.text.startswith("-") else Look.SUM)
    return Text(f"Σ_{subscript(edges)} {inner.text}", Look.SIGMA | Look.PRODUCT)


def _sum(terms: Sequence[Text]) -> Text:
    text = terms[0].text
    for term in terms[1:]:
        text += f" - {term.text[1:]}" if term.text.startswith("-") else f" + {term.text}"
    return Text(text, Look.SUM | (terms[0].form & Look.SIGNED))


def _power(base: Text, exponent: Fraction) -> Text:
    if exponent < 0:
        below = _power(base, -exponent).bracketed(~Look.POWER).text
        return _quotient(Text("1", Look.SIGNED), below)._replace(below=below)
    if exponent == 1:
        return base
    if exponent == Fraction(1, 2):
        return Text(f"sqrt({base.text})")
    raised = str(exponent) if exponent.denominator == 1 else f"({exponent})"
    return Text(f"{base.bracketed(~Look.ATOM).text}^{raised}", Look.POWER)


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
            return Text(f"∂{_write(arg, scope).bracketed(~Look.ATOM).text}/∂{by}", Look.PRODUCT)
        case Tangent(arg, wrt, direction):
            along = _write(direction, _scope(direction, scope.parts, scope.order)).text
            above = _write(arg, scope).bracketed(~Look.ATOM).text
            return Text(f"∂{above}/∂{wrt.name} · ({along})", Look.PRODUCT)
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

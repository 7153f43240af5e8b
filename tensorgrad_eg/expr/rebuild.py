"""Expressions as data: the Python source that builds one (its `repr`), and the rows that pickle stores.

Neither recurses, and a part that is used several times is written once.

>>> from tensorgrad_eg.expr.leaves import Variable
>>> x = Variable("x", ["k"])
>>> print(source(x @ x))
Contract({'k'}, Variable('x', ['k']), Variable('x', ['k']))
>>> unpickle(rows(x @ x)) is x @ x
True
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from keyword import iskeyword
from typing import NamedTuple

from tensorgrad_eg.expr.compound import Derivative, Rename
from tensorgrad_eg.expr.leaves import Variable
from tensorgrad_eg.expr.names import derivative_names
from tensorgrad_eg.expr.tensor import Tensor
from tensorgrad_eg.expr.walk import children, postorder

# Python's parser allows 200 nested brackets; a nesting of 40 is past reading anyway.
DEEPEST = 40


class _Reference(NamedTuple):
    """A row that stands for a part of a later row."""

    row: int


Row = tuple[type[Tensor], tuple[object, ...]]


def rows(root: Tensor) -> tuple[Row, ...]:
    """Return each distinct node as its class and arguments, parts before what uses them.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> rows(Variable("x", k="n"))
    ((<class 'tensorgrad_eg.expr.leaves.Variable'>, ('x', {'k': 'n'})),)
    """
    number: dict[Tensor, _Reference] = {}
    table: list[Row] = []
    for node in postorder([root]):
        table.append((type(node), tuple(_replace(value, number) for value in arguments(node))))
        number[node] = _Reference(len(number))
    return tuple(table)


def unpickle(table: Iterable[Row]) -> Tensor:
    """Return the expression that rows describe: that of the last row.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> unpickle([(Variable, ("x", {"k": "n"}))])
    Variable('x', k='n')
    """
    nodes: list[Tensor] = []
    for kind, values in table:
        make: Callable[..., Tensor] = kind
        nodes.append(make(*(_restore(value, nodes) for value in values)))
    return nodes[-1]


def arguments(node: Tensor) -> tuple[object, ...]:
    """Return what the class of a node is called with to make the node.

    >>> from tensorgrad_eg.expr.leaves import Number
    >>> arguments(Number(2))
    (Fraction(2, 1),)
    """
    if isinstance(node, Variable):
        return node.name, dict(node.shape)
    names: tuple[str, ...] = getattr(type(node), "__match_args__", ())
    return tuple(getattr(node, name) for name in names)


def source(root: Tensor) -> str:
    """Return Python that builds the expression; parts used twice, and very deep ones, get a name first.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> x = Variable("x", ["k"])
    >>> print(source((x + 1) @ (x + 1)))
    (t1 := Add([Variable('x', ['k']), Number(1)]), Contract({'k'}, t1, t1))[-1]
    """
    order = postorder([root])
    uses = dict.fromkeys(order, 0)
    for node in order:
        for part in children(node):
            uses[part] += 1
    text: dict[Tensor, str] = {}
    depth: dict[Tensor, int] = {}
    named: list[str] = []
    for node in order:
        text[node] = _call(node, text)
        depth[node] = 1 + max((depth[part] for part in children(node)), default=0)
        if node is not root and children(node) and (uses[node] > 1 or depth[node] > DEEPEST):
            named.append(f"t{len(named) + 1} := {text[node]}")
            text[node], depth[node] = f"t{len(named)}", 0
    return f"({', '.join(named)}, {text[root]})[-1]" if named else text[root]


def _replace(value: object, number: dict[Tensor, _Reference]) -> object:
    if isinstance(value, Tensor):
        return number[value]
    if isinstance(value, tuple):
        return tuple(_replace(item, number) for item in value)
    return value


def _restore(value: object, nodes: list[Tensor]) -> object:
    if isinstance(value, _Reference):
        return nodes[value.row]
    if isinstance(value, tuple):
        return tuple(_restore(item, nodes) for item in value)
    return value


def _call(node: Tensor, text: dict[Tensor, str]) -> str:
    if isinstance(node, Variable):
        return f"Variable({node.name!r}{_edges(node)})"
    values = list(arguments(node))
    if isinstance(node, Rename):
        renamed = dict(node.mapping)
        values[1] = renamed
        if node.edges == tuple(renamed.get(edge, edge) for edge in node.arg.edges):
            del values[2]
    elif isinstance(node, Derivative) and node.names == derivative_names(node.arg.edges, node.wrt.edges):
        del values[2]
    return f"{type(node).__name__}({', '.join(_value(value, text) for value in values)})"


def _edges(node: Variable) -> str:
    if not node.edges:
        return ""
    if all(edge == size for edge, size in node.shape.items()):
        return f", {list(node.edges)}"
    if any(map(iskeyword, node.edges)):
        return f", {dict(node.shape)}"
    return "".join(f", {edge}={size!r}" for edge, size in node.shape.items())


def _value(value: object, text: dict[Tensor, str]) -> str:
    match value:
        case Tensor():
            return text[value]
        case Fraction():
            return str(value) if value.denominator == 1 else repr(str(value))
        case frozenset():
            return f"{{{', '.join(repr(edge) for edge in sorted(value))}}}"
        case tuple():
            return f"[{', '.join(_value(item, text) for item in value)}]"
    return repr(value)

"""Walking over expressions without recursion, in an order that is always the same; expressions as data.

>>> from tensorgrad_eg.expr.leaves import Variable
>>> A, x = Variable("A", ["i", "k"]), Variable("x", ["k"])
>>> [str(node) for node in postorder([A @ x])]
['A[i,k]', 'x[k]', 'Σ_k A[i,k] x[k]']
"""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Iterable, Sequence
from fractions import Fraction
from keyword import iskeyword
from typing import NamedTuple, TypeVar

from tensorgrad_eg.errors import VariableClashError
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
from tensorgrad_eg.expr.names import derivative_names
from tensorgrad_eg.expr.operations import Payload
from tensorgrad_eg.expr.tensor import Tensor

T = TypeVar("T", bound=Hashable)


class _Fields(NamedTuple):
    """Where a class of expressions keeps the payload of its operation, and the tensors that this reads."""

    operation: str
    payload: str = ""
    parts: tuple[str, ...] = ()


#: The operation of each class; derivatives are no operations, but have parts.
FIELDS: dict[type[Tensor], _Fields] = {
    Variable: _Fields("variable", "name"),
    Number: _Fields("number", "value"),
    Constant: _Fields("constant", "name"),
    Extent: _Fields("extent", "size"),
    Delta: _Fields("delta"),
    Contract: _Fields("contract", "over", ("left", "right")),
    Reduce: _Fields("reduce", "over", ("arg",)),
    Add: _Fields("add", "", ("terms",)),
    Scale: _Fields("scale", "factor", ("arg",)),
    Rename: _Fields("rename", "", ("arg",)),
    Apply: _Fields("apply", "function", ("arg",)),
    Power: _Fields("power", "exponent", ("arg",)),
    Softmax: _Fields("softmax", "over", ("arg",)),
    LogSumExp: _Fields("logsumexp", "over", ("arg",)),
    Entrywise: _Fields("", "", ("args",)),
    Derivative: _Fields("", "", ("arg", "wrt")),
    Tangent: _Fields("", "", ("arg", "wrt", "direction")),
}
_CLASSES = {fields.operation: node for node, fields in FIELDS.items()}


def operation(node: Tensor) -> tuple[str, Payload]:
    """Return the operation of a node and its payload; of a derivative there is none.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> operation(Variable("x", ["k"]).sum())
    ('reduce', frozenset({'k'}))
    """
    match node:
        case Variable():
            return "variable", (node.name, node.edges)
        case Delta(i, j):
            return "delta", (i, j)
        case Extent(size):
            return "extent", str(size)
        case Entrywise(name):
            return name, None
    fields = FIELDS[type(node)]
    return fields.operation, getattr(node, fields.payload) if fields.payload else None


def made(name: str, payload: Payload, parts: Sequence[Tensor]) -> Tensor:
    """Return the expression of an operation on tensors; leaves and renames are made by their classes.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> print(made("softmax", frozenset("k"), [Variable("x", ["k"])]))
    softmax(x[k], k)
    """
    if name not in _CLASSES:
        return Entrywise(name, parts)
    kind = _CLASSES[name]
    fields = FIELDS[kind]
    given: dict[str, object] = {fields.payload: payload}
    given |= {"terms": tuple(parts)} if kind is Add else dict(zip(fields.parts, parts, strict=True))
    names: tuple[str, ...] = getattr(kind, "__match_args__", ())
    build: Callable[..., Tensor] = kind
    return build(*(given[field] for field in names))


def children(node: Tensor) -> tuple[Tensor, ...]:
    """Return the parts of a node from left to right; the variable of a derivative is one of them.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> x = Variable("x", ["k"])
    >>> [str(part) for part in children(x + 1)]
    ['x[k]', '1']
    """
    match node:
        case Add(terms) | Entrywise(_, terms):
            return terms
    return tuple([getattr(node, field) for field in FIELDS[type(node)].parts])


def postorder(roots: Iterable[Tensor], whole: Container[Tensor] = ()) -> list[Tensor]:
    """Return every distinct node below the roots, and the roots, each after its parts.

    Nodes that are `whole` are not looked into.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> x = Variable("x", ["k"])
    >>> len(postorder([x * x, x]))
    2
    """
    return parts_first(roots, lambda node: () if node in whole else reversed(children(node)))


def parts_first(roots: Iterable[T], parts: Callable[[T], Iterable[T]], done: Container[T] = ()) -> list[T]:
    """Return all that is below the roots, and the roots, each after its parts; not what is `done`.

    Of several parts the last comes first; of parts that are made of each other one comes before the others.

    >>> parts_first([4], {1: [], 2: [1], 3: [], 4: [2, 3]}.__getitem__)
    [3, 1, 2, 4]
    """
    order: dict[T, None] = {}
    opened: set[T] = set()
    for root in roots:
        stack = [(root, False)]
        while stack:
            one, closing = stack.pop()
            if closing:
                order[one] = None
            elif one not in opened and one not in done:
                opened.add(one)
                stack.append((one, True))
                stack.extend((part, False) for part in parts(one) if part not in opened)
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

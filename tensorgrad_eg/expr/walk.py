"""Walking over expressions without recursion, in an order that is always the same; as data; their sizes.

>>> from tensorgrad_eg.expr.leaves import Variable
>>> A, x = Variable("A", ["i", "k"]), Variable("x", ["k"])
>>> [str(node) for node in postorder([A @ x])]
['A[i,k]', 'x[k]', 'Σ_k A[i,k] x[k]']
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Container, Hashable, Iterable, Mapping, Sequence
from fractions import Fraction
from keyword import iskeyword
from typing import NamedTuple, TypeVar

from tensorgrad_eg.errors import (
    MissingSizeError,
    NumberError,
    SizeError,
    UnknownEdgeError,
    VariableClashError,
)
from tensorgrad_eg.expr.compound import (
    FIBRES,
    Add,
    Apply,
    Contract,
    Derivative,
    Entrywise,
    Fibre,
    LogSumExp,
    MatrixFunction,
    Polygamma,
    Power,
    Reduce,
    Rename,
    Scale,
    Softmax,
    Tangent,
)
from tensorgrad_eg.expr.leaves import Constant, Delta, Extent, Number, Variable
from tensorgrad_eg.expr.operations import Payload
from tensorgrad_eg.expr.tensor import Tensor, derivative_names

T = TypeVar("T", bound=Hashable)
# Python's parser allows 200 nested brackets; a nesting of 40 is past reading anyway.
DEEPEST = 40
Row = tuple[type[Tensor], tuple[object, ...]]
#: What libraries can count to.
_LARGEST = 2**63 - 1


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
    Polygamma: _Fields("polygamma", "order", ("arg",)),
    Softmax: _Fields("softmax", "over", ("arg",)),
    LogSumExp: _Fields("logsumexp", "over", ("arg",)),
    Fibre: _Fields("", "", ("arg",)),
    Entrywise: _Fields("", "", ("args",)),
    MatrixFunction: _Fields("", "", ("arg",)),
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
        case MatrixFunction(name, over) | Fibre(name, over):
            return name, over
    fields = FIELDS[type(node)]
    return fields.operation, getattr(node, fields.payload) if fields.payload else None


def words(roots: Iterable[Tensor]) -> frozenset[str]:
    """Return the names of the operations in expressions, and of the functions that are applied there.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> sorted(words([Apply("sin", Variable("x", ["k"]))]))
    ['apply', 'sin', 'variable']
    """
    nodes = postorder(roots)
    functions = {node.function for node in nodes if isinstance(node, Apply)}
    return frozenset(functions | {operation(node)[0] for node in nodes})


def made(name: str, payload: Payload, parts: Sequence[Tensor]) -> Tensor:
    """Return the expression of an operation on tensors; leaves and renames are made by their classes.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> print(made("softmax", frozenset("k"), [Variable("x", ["k"])]))
    softmax(x[k], k)
    """
    if isinstance(payload, frozenset) and name not in _CLASSES:
        return (Fibre if name in FIBRES else MatrixFunction)(name, payload, *parts)
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


class _Reference(NamedTuple):
    """A row that stands for a part of a later row."""

    row: int


def rows(root: Tensor) -> tuple[Row, ...]:
    """Return each distinct node as its class and arguments, parts before what uses them."""
    number: dict[Tensor, _Reference] = {}
    table: list[Row] = []
    for node in postorder([root]):
        table.append((type(node), tuple(_replace(value, number) for value in arguments(node))))
        number[node] = _Reference(len(number))
    return tuple(table)


def unpickle(table: Iterable[Row]) -> Tensor:
    """Return the expression that rows describe: that of the last row."""
    nodes: list[Tensor] = []
    for kind, values in table:
        make: Callable[..., Tensor] = kind
        nodes.append(make(*(_restore(value, nodes) for value in values)))
    return nodes[-1]


def arguments(node: Tensor) -> tuple[object, ...]:
    """Return what the class of a node is called with to make the node."""
    if isinstance(node, Variable):
        return node.name, dict(node.shape)
    names: tuple[str, ...] = getattr(type(node), "__match_args__", ())
    return tuple(getattr(node, name) for name in names)


def source(root: Tensor) -> str:
    """Return Python that builds the expression; parts used twice, and very deep ones, get a name first."""
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


def symbols(roots: Iterable[Tensor]) -> list[str]:
    """Every size symbol in expressions, also where only an identity or a mean has it, in order of appearance.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> symbols([Variable("A", i="n", k=2)])
    ['n']
    """
    found: dict[str, None] = {}
    for e in postorder(roots):
        sizes = (*e.shape.values(), *([e.size] if isinstance(e, Delta | Extent) else []))
        found |= dict.fromkeys(size for size in sizes if isinstance(size, str))
    return list(found)


def numbers(roots: Sequence[Tensor], given: Mapping[str, int]) -> dict[str, int]:
    """A number for every size symbol, in order of appearance.

    A size may be given by the name of an edge where all edges of that name have one symbol.

    Raises:
        NumberError: if a size is no integer, or negative.
        UnknownEdgeError: if a name is no symbol, and no edge with a symbol of its own.
        SizeError: if one symbol is given two sizes.
        MissingSizeError: if a symbol has none.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> numbers([Variable("x", k="n")], {"n": -1})
    Traceback (most recent call last):
    tensorgrad_eg.errors.NumberError: size n=-1: a size is an integer, 0 or more. Write the number of \
entries, as in sizes={'n': 10}.
    """
    found = by_symbol(roots, given)
    known = symbols(roots)
    missing = [symbol for symbol in known if symbol not in found]
    if missing:
        raise MissingSizeError.of(missing, found)
    return {symbol: found[symbol] for symbol in known}


def by_symbol(
    roots: Sequence[Tensor], given: Mapping[str, int], known: Collection[str] | None = None
) -> dict[str, int]:
    """The sizes that are given, by size symbol (those of `roots`, or `known`); errors as in `numbers`.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> by_symbol([Variable("A", i="n", k="m")], {"i": 3})
    {'n': 3}
    """
    known = symbols(roots) if known is None else known
    found: dict[str, int] = {}
    origin: dict[str, str] = {}
    for name, size in _items(given):
        number = _check_number(name, size)
        symbol = name if name in known else _symbol_of(name, roots, known)
        if found.setdefault(symbol, number) != number:
            raise SizeError(
                f"'{origin[symbol]}' has size {found[symbol]} but '{name}' has size {number}, and both are "
                f"the size symbol '{symbol}'. Give it one size: {{'{symbol}': {found[symbol]}}}."
            )
        origin.setdefault(symbol, name)
    return found


def empty(sizes: Mapping[str, int]) -> frozenset[str]:
    """The symbols whose number is zero: what is equal because sizes are positive is not, for these.

    >>> empty({"n": 0, "k": 3})
    frozenset({'n'})
    """
    return frozenset(symbol for symbol, size in sizes.items() if size == 0)


def _check_number(name: str, size: object) -> int:
    """The size as an integer, or an error that says what it is instead."""
    try:
        number = operator.index(size)  # type: ignore[arg-type]
    except TypeError:
        raise NumberError(_message(name, size)) from None
    if number < 0 or isinstance(size, bool):
        raise NumberError(_message(name, size))
    if number > _LARGEST:
        raise NumberError(f"size {name}={number}: no array has more than {_LARGEST} entries along an edge.")
    return number


def _message(name: str, size: object) -> str:
    example = 10
    if isinstance(size, str | bytes):
        text = size.decode("ascii", "replace") if isinstance(size, bytes) else size
        example = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else example
    elif isinstance(size, float) and 0 <= size < 2**53 and size == int(size):
        example = int(size)
    return (
        f"size {name}={size!r}: a size is an integer, 0 or more. "
        f"Write the number of entries, as in sizes={{{name!r}: {example}}}."
    )


def _items(given: Mapping[str, int]) -> Iterable[tuple[str, int]]:
    if not isinstance(given, Mapping):
        raise NumberError(
            f"sizes={given!r}: sizes are a dict with a number for every size symbol, as in sizes={{'n': 10}}."
        )
    return given.items()


def _symbol_of(name: str, roots: Iterable[Tensor], known: Collection[str]) -> str:
    """The size symbol that all edges of this name have."""
    found = dict.fromkeys(e.shape[name] for e in postorder(roots) if name in e.shape)
    only = next(iter(found), None)
    if len(found) == 1 and isinstance(only, str):
        return only
    if not found:
        raise UnknownEdgeError.of(name, "the set of size symbols", known)
    if len(found) == 1:
        raise UnknownEdgeError(f"edge '{name}' has the size {only} already; leave it out of sizes.")
    listed = ", ".join(map(str, found))
    raise UnknownEdgeError(
        f"edges named '{name}' have different sizes: {listed}. "
        f"Give sizes by these symbols, as in sizes={{'{listed.split(', ')[0]}': 10}}."
    )

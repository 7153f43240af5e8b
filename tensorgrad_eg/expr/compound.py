"""What is made of other expressions: products, sums, renamed edges, functions, and derivatives as asked for.

>>> from tensorgrad_eg.expr.leaves import Variable
>>> A, x = Variable("A", ["i", "k"]), Variable("x", ["k"])
>>> print(Contract({"k"}, A, x))
Σ_k A[i,k] x[k]
>>> print(Contract({}, A, x))
A[i,k] x[k]
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

from tensorgrad_eg.errors import (
    DuplicateEdgeError,
    MatrixEdgesError,
    NotAVariableError,
    NumberError,
    SquareError,
    SubscriptsError,
    SumEdgeError,
    UnknownEdgeError,
    UnknownFunctionError,
)
from tensorgrad_eg.expr.arrays import POINTWISE
from tensorgrad_eg.expr.leaves import Variable, brief, merge, require
from tensorgrad_eg.expr.operations import OPERATIONS, on_several
from tensorgrad_eg.expr.tensor import (
    Edges,
    Numeric,
    Tensor,
    check_name,
    derivative_names,
    distinct,
    flatten,
    intern,
    rational,
)

Names = Mapping[str, str] | Sequence[str]
#: What is made of all entries along edges, besides sums and softmaxes.
FIBRES = ("amax", "prod", "prod_others")


class Contract(Tensor):
    """The product of two tensors, summed over the edges `over`; with none it is the pointwise product.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> Contract({"k"}, Variable("A", ["i", "k"]), Variable("B", ["k", "j"])).edges
    ('i', 'j')
    """

    __slots__ = ("left", "over", "right")
    __match_args__ = ("over", "left", "right")
    over: frozenset[str]
    left: Tensor
    right: Tensor

    def __new__(cls, over: Edges, left: Tensor, right: Tensor) -> Contract:
        """Make the product; every edge of `over` must be in one of the two."""
        shape = merge((left, right))
        names = flatten((over,))
        for edge in names:
            if edge not in shape:
                raise SumEdgeError.of(edge, f"the product of {brief(left)} and {brief(right)}", shape)
        kept = {edge: size for edge, size in shape.items() if edge not in names}
        return intern(cls, kept, {"over": frozenset(names), "left": left, "right": right})


class Reduce(Tensor):
    """The sum of a tensor over the edges `over`.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> Reduce({"k"}, Variable("A", ["i", "k"])).edges
    ('i',)
    """

    __slots__ = ("arg", "over")
    __match_args__ = ("over", "arg")
    over: frozenset[str]
    arg: Tensor

    def __new__(cls, over: Edges, arg: Tensor) -> Reduce:
        """Make the sum; the tensor must have every edge of `over`."""
        shape = merge((arg,))
        names = flatten((over,))
        require(arg, names, SumEdgeError)
        kept = {edge: size for edge, size in shape.items() if edge not in names}
        return intern(cls, kept, {"over": frozenset(names), "arg": arg})


class Add(Tensor):
    """The sum of several tensors; edges are matched by name, missing ones broadcast.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> Add((Variable("X", ["b", "i"]), Variable("bias", ["i"]))).edges
    ('b', 'i')
    """

    __slots__ = ("terms",)
    __match_args__ = ("terms",)
    terms: tuple[Tensor, ...]

    def __new__(cls, terms: Iterable[Tensor]) -> Add:
        """Make the sum of at least one term."""
        terms = tuple(terms)
        if not terms:
            raise NumberError("a sum needs at least one term; the empty sum is Number(0).")
        return intern(cls, merge(terms), {"terms": terms})


class Scale(Tensor):
    """A tensor times an exact number.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> print(Scale(0.5, Variable("x", ["k"])))
    1/2 x[k]
    """

    __slots__ = ("arg", "factor")
    __match_args__ = ("factor", "arg")
    factor: Fraction
    arg: Tensor

    def __new__(cls, factor: Numeric | str, arg: Tensor) -> Scale:
        """Make the multiple."""
        number = Fraction(factor) if isinstance(factor, str) else rational(factor)
        return intern(cls, merge((arg,)), {"factor": number, "arg": arg})


class Rename(Tensor):
    """A tensor with other names for its edges, and perhaps another order of them.

    `mapping` has a pair (old, new) for every edge whose name changes, in the order of the edges of `arg`.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> A = Variable("A", ["i", "k"])
    >>> Rename(A, {"i": "j"}).edges, Rename(A, {"i": "j"}).mapping
    (('j', 'k'), (('i', 'j'),))
    >>> Rename(A, {}, ["k", "i"]).edges
    ('k', 'i')
    """

    __slots__ = ("arg", "mapping")
    __match_args__ = ("arg", "mapping", "edges")
    arg: Tensor
    mapping: tuple[tuple[str, str], ...]

    def __new__(
        cls,
        arg: Tensor,
        mapping: Mapping[str, str] | Iterable[tuple[str, str]],
        edges: Edges | None = None,
    ) -> Rename:
        """Make the tensor with these new names, in the order `edges` of new names if it is given."""
        shape = merge((arg,))
        new = dict(mapping)
        require(arg, new)
        named = {edge: check_name("edge", new.get(edge, edge)) for edge in shape}
        distinct(named.values(), f"{brief(arg)} with edges renamed to ({', '.join(named.values())})")
        sizes = {named[edge]: size for edge, size in shape.items()}
        order = tuple(sizes) if edges is None else flatten((edges,))
        _check_order(arg, order, sizes)
        pairs = tuple((old, name) for old, name in named.items() if old != name)
        return intern(cls, {edge: sizes[edge] for edge in order}, {"arg": arg, "mapping": pairs})


def _check_order(arg: Tensor, order: tuple[str, ...], edges: Iterable[str]) -> None:
    known = list(edges)
    for edge in order:
        if edge not in known:
            raise UnknownEdgeError.of(edge, brief(arg), known)
    for edge in known:
        if edge not in order:
            raise UnknownEdgeError(
                f"the new order ({', '.join(order)}) of the edges of {brief(arg)} misses edge '{edge}'; "
                f"name all of them: {', '.join(known)}."
            )


class Apply(Tensor):
    """A function of the table of pointwise functions, applied to every entry.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> print(Apply("tanh", Variable("x", ["k"])))
    tanh(x[k])
    """

    __slots__ = ("arg", "function")
    __match_args__ = ("function", "arg")
    function: str
    arg: Tensor

    def __new__(cls, function: str, arg: Tensor) -> Apply:
        """Make the application of a known function."""
        if function not in POINTWISE:
            raise UnknownFunctionError.of(function, POINTWISE)
        return intern(cls, merge((arg,)), {"function": function, "arg": arg})


class Power(Tensor):
    """Every entry to a rational power: 1/x is Power(x, -1), the square root is Power(x, 1/2).

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> print(Power(Variable("x", ["k"]), 2))
    x[k]^2
    """

    __slots__ = ("arg", "exponent")
    __match_args__ = ("arg", "exponent")
    arg: Tensor
    exponent: Fraction

    def __new__(cls, arg: Tensor, exponent: Numeric | str) -> Power:
        """Make the power."""
        number = Fraction(exponent) if isinstance(exponent, str) else rational(exponent)
        return intern(cls, merge((arg,)), {"arg": arg, "exponent": number})


class Polygamma(Tensor):
    """The derivative of a whole order of the digamma function, of every entry.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> print(Polygamma(1, Variable("x", ["k"])))
    polygamma(1, x[k])
    """

    __slots__ = ("arg", "order")
    __match_args__ = ("order", "arg")
    order: Fraction
    arg: Tensor

    def __new__(cls, order: Numeric | str, arg: Tensor) -> Polygamma:
        """Make the function; orders begin at 0, which is digamma itself."""
        number = Fraction(order) if isinstance(order, str) else rational(order)
        if number < 0 or number.denominator > 1:
            raise NumberError(f"a polygamma function has an order such as 0, 1 or 2, not {number}.")
        return intern(cls, merge((arg,)), {"order": number, "arg": arg})


class Softmax(Tensor):
    """exp(arg) divided by its sum over the edges `over`; it keeps all edges.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> print(Softmax({"k"}, Variable("z", ["k"])))
    softmax(z[k], k)
    """

    __slots__ = ("arg", "over")
    __match_args__ = ("over", "arg")
    over: frozenset[str]
    arg: Tensor

    def __new__(cls, over: Edges, arg: Tensor) -> Softmax:
        """Make the softmax over at least one edge."""
        shape = merge((arg,))
        return intern(cls, shape, {"over": _fibre("softmax", over, arg), "arg": arg})


class LogSumExp(Tensor):
    """The logarithm of the sum of exp(arg) over the edges `over`, which it drops.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> print(LogSumExp({"k"}, Variable("z", ["b", "k"])))
    logsumexp(z[b,k], k)
    """

    __slots__ = ("arg", "over")
    __match_args__ = ("over", "arg")
    over: frozenset[str]
    arg: Tensor

    def __new__(cls, over: Edges, arg: Tensor) -> LogSumExp:
        """Make the log-sum-exp over at least one edge."""
        shape = merge((arg,))
        names = _fibre("logsumexp", over, arg)
        kept = {edge: size for edge, size in shape.items() if edge not in names}
        return intern(cls, kept, {"over": names, "arg": arg})


class Fibre(Tensor):
    """The largest entry along edges, the product of the entries along one, or for each that of the others.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> z = Variable("z", ["b", "k"])
    >>> [Fibre(name, {"k"}, z).edges for name in ("amax", "prod", "prod_others")]
    [('b',), ('b',), ('b', 'k')]
    """

    __slots__ = ("arg", "function", "over")
    __match_args__ = ("function", "over", "arg")
    function: str
    over: frozenset[str]
    arg: Tensor

    def __new__(cls, function: str, over: Edges, arg: Tensor) -> Fibre:
        """Make the function along at least one edge, or along just one."""
        if function not in FIBRES:
            raise UnknownFunctionError.of(function, FIBRES)
        shape = merge((arg,))
        names = _fibre(function, over, arg)
        if len(names) > 1 and function != "amax":
            raise NumberError(
                f"{function} goes along one edge, not {len(names)}: {', '.join(sorted(names))}. "
                "Over several edges it is taken one after the other: F.prod(a, 'i', 'j')."
            )
        kept = shape if OPERATIONS[function].spans else {e: n for e, n in shape.items() if e not in names}
        return intern(cls, kept, {"function": function, "over": names, "arg": arg})


class Entrywise(Tensor):
    """An operation of the table on several tensors, entry by entry; edges are matched by name.

    An operation that the table gets at run time is written so: Entrywise("maximum", (x, y)).
    """

    __slots__ = ("args", "operation")
    __match_args__ = ("operation", "args")
    operation: str
    args: tuple[Tensor, ...]

    def __new__(cls, operation: str, args: Iterable[Tensor]) -> Entrywise:
        """Make the application of a known operation to as many tensors as it takes."""
        known = on_several()
        if operation not in known:
            raise UnknownFunctionError.of(operation, known, "operation")
        args = tuple(args)
        wanted = known[operation].arity
        if len(args) != wanted:
            raise NumberError(f"{operation} takes {wanted} tensors, not {len(args)}.")
        return intern(cls, merge(args), {"operation": operation, "args": args})


class MatrixFunction(Tensor):
    """A function of the square matrices that two edges hold, for each entry of the other edges.

    The inverse has both edges: what is in row i and column j of the inverse is at i, j, as in NumPy.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> A = Variable("A", b="b", i="n", j="n")
    >>> MatrixFunction("inverse", {"i", "j"}, A).edges, MatrixFunction("det", {"i", "j"}, A).edges
    (('b', 'i', 'j'), ('b',))
    """

    __slots__ = ("arg", "function", "over")
    __match_args__ = ("function", "over", "arg")
    function: str
    over: frozenset[str]
    arg: Tensor

    def __new__(cls, function: str, over: Edges, arg: Tensor) -> MatrixFunction:
        """Make the function of a tensor that has both edges, of one size."""
        known = [name for name, one in OPERATIONS.items() if one.matrix and one.edged and not one.factors]
        if function not in known:
            raise UnknownFunctionError.of(function, known, "matrix function")
        shape = merge((arg,))
        names = flatten((over,))
        require(arg, names)
        if len(names) != 2:
            raise MatrixEdgesError.of(function, brief(arg), names)
        rows, columns = (edge for edge in shape if edge in names)
        if shape[rows] != shape[columns]:
            raise SquareError.of(function, brief(arg), {rows: shape[rows], columns: shape[columns]})
        kept = shape if OPERATIONS[function].spans else {e: n for e, n in shape.items() if e not in names}
        return intern(cls, kept, {"function": function, "over": frozenset(names), "arg": arg})


def _fibre(function: str, over: Edges, arg: Tensor) -> frozenset[str]:
    names = flatten((over,))
    require(arg, names)
    if not names:
        raise NumberError(
            f"{function} of {brief(arg)} needs an edge: {function}(…, '{('k', *arg.edges)[-1]}')."
        )
    return frozenset(names)


class Derivative(Tensor):
    """All partial derivatives of a tensor by the entries of a variable, whose edges come after its own.

    An edge of the variable that the tensor has too gets "_" appended until it is free, unless `names` has a
    name for it: a mapping from edges of the variable, or one name for each of them.

    >>> x = Variable("x", ["k"])
    >>> Derivative(x * x, x).edges
    ('k', 'k_')
    >>> Derivative(x * x, x, {"k": "p"}).edges
    ('k', 'p')
    """

    __slots__ = ("arg", "names", "wrt")
    __match_args__ = ("arg", "wrt", "names")
    arg: Tensor
    wrt: Variable
    names: tuple[str, ...]

    def __new__(cls, arg: Tensor, wrt: Variable, names: Names | None = None) -> Derivative:
        """Make the derivative of `arg` with respect to the variable `wrt`."""
        shape = merge((arg,))
        new = _new_names(arg, check_variable(wrt), names)
        shape.update(zip(new, wrt.shape.values(), strict=True))
        return intern(cls, shape, {"arg": arg, "wrt": wrt, "names": new})


class Tangent(Tensor):
    """The derivative of a tensor in one direction: how it moves when the variable moves along `direction`.

    >>> x, v = Variable("x", ["k"]), Variable("v", ["k"])
    >>> Tangent(x * x, x, v).edges
    ('k',)
    """

    __slots__ = ("arg", "direction", "wrt")
    __match_args__ = ("arg", "wrt", "direction")
    arg: Tensor
    wrt: Variable
    direction: Tensor

    def __new__(cls, arg: Tensor, wrt: Variable, direction: Tensor) -> Tangent:
        """Make the derivative; the direction broadcasts along edges of the variable that it lacks."""
        require(check_variable(wrt), merge((direction,)))
        merge((wrt, direction))
        return intern(cls, merge((arg,)), {"arg": arg, "wrt": wrt, "direction": direction})


def check_variable(wrt: object) -> Variable:
    """Return a variable, or say that what was given is none."""
    if not isinstance(wrt, Variable):
        raise NotAVariableError.of(brief(wrt) if isinstance(wrt, Tensor) else repr(wrt))
    return wrt


def _new_names(arg: Tensor, wrt: Variable, names: Names | None) -> tuple[str, ...]:
    if names is not None and not isinstance(names, Mapping):
        listed = [names] if isinstance(names, str) else list(names)
        if len(listed) != len(wrt.edges):
            raise SubscriptsError(
                f"{brief(wrt)} has {len(wrt.edges)} edges, but {len(listed)} new names: {', '.join(listed)}."
            )
        names = dict(zip(wrt.edges, listed, strict=True))
    given = {edge: check_name("edge", name) for edge, name in (names or {}).items()}
    require(wrt, given)
    new = derivative_names(arg.edges, wrt.edges, given)
    for position, name in enumerate(new):
        if name in arg.shape or name in new[:position]:
            raise DuplicateEdgeError.of(name, f"the derivative of {brief(arg)} with respect to {brief(wrt)}")
    return new

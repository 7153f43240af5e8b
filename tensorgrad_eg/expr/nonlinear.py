"""Functions of the entries of a tensor, and the two functions of whole fibres that are kept as units.

Softmax and log-sum-exp are nodes of their own, not exponentials and sums: only as units can they be computed,
and differentiated, without overflow.

>>> from tensorgrad_eg.expr.leaves import Variable
>>> z = Variable("z", ["b", "k"])
>>> Softmax({"k"}, z).edges, LogSumExp({"k"}, z).edges
(('b', 'k'), ('b',))
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from tensorgrad_eg.errors import NumberError, UnknownFunctionError
from tensorgrad_eg.expr.names import Edges, Numeric, flatten, rational
from tensorgrad_eg.expr.operations import on_several
from tensorgrad_eg.expr.pointwise import POINTWISE
from tensorgrad_eg.expr.shapes import brief, merge, require
from tensorgrad_eg.expr.tensor import Tensor, intern


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


def _fibre(function: str, over: Edges, arg: Tensor) -> frozenset[str]:
    names = flatten((over,))
    require(arg, names)
    if not names:
        raise NumberError(
            f"{function} of {brief(arg)} needs an edge: {function}(…, '{(*arg.edges, 'k')[0]}')."
        )
    return frozenset(names)

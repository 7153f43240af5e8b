"""Derivatives that are not worked out yet: the rules do that.

>>> from tensorgrad_eg.expr.leaves import Variable
>>> A, x = Variable("A", ["i", "k"]), Variable("x", ["k"])
>>> Derivative(A @ x, x).edges
('i', 'k')
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tensorgrad_eg.errors import DuplicateEdgeError, NotAVariableError, SubscriptsError
from tensorgrad_eg.expr.leaves import Variable
from tensorgrad_eg.expr.names import check_name, derivative_names
from tensorgrad_eg.expr.shapes import brief, merge, require
from tensorgrad_eg.expr.tensor import Tensor, intern

Names = Mapping[str, str] | Sequence[str]


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
    """Return a variable, or say that what was given is none.

    >>> check_variable(Variable("x")).name
    'x'
    """
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

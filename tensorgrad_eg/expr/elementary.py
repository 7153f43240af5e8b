"""Functions of every entry by itself: each a primitive of the table, or put together from primitives.

>>> from tensorgrad_eg import functions as F
>>> from tensorgrad_eg.expr import Variable
>>> print(F.silu(Variable("x", ["k"])))
x[k] sigmoid(x[k])
"""

from __future__ import annotations

from fractions import Fraction

from tensorgrad_eg.errors import NumberError, OptionError
from tensorgrad_eg.expr import build
from tensorgrad_eg.expr.compound import Apply, Polygamma
from tensorgrad_eg.expr.leaves import Constant, Number, brief, check_tensor
from tensorgrad_eg.expr.tensor import Numeric, Tensor, rational

__all__ = [
    "abs",
    "arccos",
    "arcsin",
    "arctan",
    "cos",
    "cosh",
    "digamma",
    "erf",
    "exp",
    "expm1",
    "gelu",
    "leaky_relu",
    "lgamma",
    "log",
    "log1p",
    "logsigmoid",
    "polygamma",
    "relu",
    "sigmoid",
    "sign",
    "silu",
    "sin",
    "sinh",
    "softplus",
    "sqrt",
    "step",
    "tan",
    "tanh",
]

pi = Constant("pi")


def exp(a: Tensor) -> Tensor:
    """Return e to the power of every entry.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(exp(Variable("x", ["k"])))
    exp(x[k])
    """
    return Apply("exp", a)


def log(a: Tensor) -> Tensor:
    """Return the natural logarithm of every entry.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(log(Variable("x", ["k"])))
    log(x[k])
    """
    return Apply("log", a)


def power(a: Tensor, exponent: Numeric | Tensor) -> Tensor:
    """Return every entry to a power: a rational number, or another for each entry.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(power(Variable("x", ["k"]), 3))
    x[k]^3
    """
    return build.power(check_tensor(a), exponent)


def sqrt(a: Tensor) -> Tensor:
    """Return the square root of every entry.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(sqrt(Variable("x", ["k"])))
    sqrt(x[k])
    """
    return power(a, Fraction(1, 2))


def tanh(a: Tensor) -> Tensor:
    """Return the hyperbolic tangent of every entry.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(tanh(Variable("x", ["k"])))
    tanh(x[k])
    """
    return Apply("tanh", a)


def sigmoid(a: Tensor) -> Tensor:
    """Return the logistic function 1 / (1 + exp(-x)) of every entry.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(sigmoid(Variable("x", ["k"])))
    sigmoid(x[k])
    """
    return Apply("sigmoid", a)


def relu(a: Tensor) -> Tensor:
    """Return every entry, or 0 where it is negative.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(relu(Variable("x", ["k"])))
    relu(x[k])
    """
    return Apply("relu", a)


def step(a: Tensor) -> Tensor:
    """Return 1 where an entry is positive, else 0: the derivative of relu.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(step(Variable("x", ["k"])))
    step(x[k])
    """
    return Apply("step", a)


def softplus(a: Tensor) -> Tensor:
    """Return log(1 + exp(x)) of every entry.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(softplus(Variable("x", ["k"])))
    softplus(x[k])
    """
    return Apply("softplus", a)


def sin(a: Tensor) -> Tensor:
    """Return the sine of every entry.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(sin(Variable("x", ["k"])))
    sin(x[k])
    """
    return Apply("sin", a)


def cos(a: Tensor) -> Tensor:
    """Return the cosine of every entry.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(cos(Variable("x", ["k"])))
    cos(x[k])
    """
    return Apply("cos", a)


def erf(a: Tensor) -> Tensor:
    """Return the error function of every entry.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(erf(Variable("x", ["k"])))
    erf(x[k])
    """
    return Apply("erf", a)


def abs(a: Tensor) -> Tensor:
    """Return the absolute value of every entry.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(abs(Variable("x", ["k"])))
    abs(x[k])
    """
    return Apply("abs", a)


def sign(a: Tensor) -> Tensor:
    """Return -1, 0 or 1: the sign of every entry.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(sign(Variable("x", ["k"])))
    sign(x[k])
    """
    return Apply("sign", a)


def tan(a: Tensor) -> Tensor:
    """Return the tangent of every entry.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(tan(Variable("x", ["k"])))
    tan(x[k])
    """
    return Apply("tan", a)


def arcsin(a: Tensor) -> Tensor:
    """Return the angle from -π/2 to π/2 whose sine is the entry; NaN outside of [-1, 1].

    >>> from tensorgrad_eg.expr import Variable
    >>> print(arcsin(Variable("x", ["k"])))
    arcsin(x[k])
    """
    return Apply("arcsin", a)


def arccos(a: Tensor) -> Tensor:
    """Return the angle from 0 to π whose cosine is the entry; NaN outside of [-1, 1].

    >>> from tensorgrad_eg.expr import Variable
    >>> print(arccos(Variable("x", ["k"])))
    arccos(x[k])
    """
    return Apply("arccos", a)


def arctan(a: Tensor) -> Tensor:
    """Return the angle from -π/2 to π/2 whose tangent is the entry.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(arctan(Variable("x", ["k"])))
    arctan(x[k])
    """
    return Apply("arctan", a)


def sinh(a: Tensor) -> Tensor:
    """Return the hyperbolic sine of every entry.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(sinh(Variable("x", ["k"])))
    sinh(x[k])
    """
    return Apply("sinh", a)


def cosh(a: Tensor) -> Tensor:
    """Return the hyperbolic cosine of every entry.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(cosh(Variable("x", ["k"])))
    cosh(x[k])
    """
    return Apply("cosh", a)


def expm1(a: Tensor) -> Tensor:
    """Return exp(x) - 1 of every entry, with all digits where x is small.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(expm1(Variable("x", ["k"])))
    expm1(x[k])
    """
    return Apply("expm1", a)


def log1p(a: Tensor) -> Tensor:
    """Return log(1 + x) of every entry, with all digits where x is small.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(log1p(Variable("x", ["k"])))
    log1p(x[k])
    """
    return Apply("log1p", a)


def lgamma(a: Tensor) -> Tensor:
    """Return the logarithm of |Γ(x)| of every entry. With NumPy it needs the package scipy.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(lgamma(Variable("x", ["k"])))
    lgamma(x[k])
    """
    return Apply("lgamma", a)


def digamma(a: Tensor) -> Tensor:
    """Return the derivative of lgamma of every entry. With NumPy it needs the package scipy.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(digamma(Variable("x", ["k"])))
    digamma(x[k])
    """
    return Apply("digamma", a)


def polygamma(order: int | Tensor, a: Tensor) -> Tensor:
    """Return the derivative of this order of digamma, of every entry. With NumPy it needs the package scipy.

    >>> from tensorgrad_eg.expr import Variable
    >>> x = Variable("x", ["k"])
    >>> print(polygamma(1, x), "and", polygamma(0, x))
    polygamma(1, x[k]) and digamma(x[k])
    """
    if isinstance(order, Tensor):
        if not isinstance(order, Number):
            raise NumberError(f"the order of a polygamma function is a number, not {brief(order)}.")
        return polygamma(int(order.value), a) if order.value.denominator == 1 else Polygamma(order.value, a)
    return Polygamma(order, a) if order else digamma(a)


def logsigmoid(a: Tensor) -> Tensor:
    """Return log σ(x) of every entry.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(logsigmoid(Variable("x", ["k"])))
    -softplus(-x[k])
    """
    return -softplus(-check_tensor(a))


def silu(a: Tensor) -> Tensor:
    """Return x·σ(x) of every entry.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(silu(Variable("x", ["k"])))
    x[k] sigmoid(x[k])
    """
    return check_tensor(a) * sigmoid(a)


def leaky_relu(a: Tensor, slope: Numeric = Fraction(1, 100)) -> Tensor:
    """Return every entry, times `slope` where it is negative; at 0 the derivative is the slope, as in torch.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(leaky_relu(Variable("x", ["k"]), 0.1))
    0.1 x[k] + 0.9 relu(x[k])
    """
    low = rational(slope)
    return low * check_tensor(a) + (1 - low) * relu(a)


def gelu(a: Tensor, approximate: str = "none") -> Tensor:
    """Return x·Φ(x) of every entry, Φ being the normal distribution function.

    With `approximate="tanh"` it is what torch calls so, written with the logistic function: that is the same,
    and keeps its digits where x is negative.

    >>> from tensorgrad_eg.expr import Variable
    >>> print(gelu(Variable("x", ["k"])))
    1/2 x[k] (erf(x[k] / sqrt(2)) + 1)
    """
    if approximate not in ("none", "tanh"):
        raise OptionError(
            f"gelu has no form '{approximate}'. Write approximate='none', which is exact, or 'tanh'."
        )
    if approximate == "none":
        return Fraction(1, 2) * (check_tensor(a) * (erf(a / sqrt(Number(2))) + 1))
    root = 2 * sqrt(Number(2) / pi)
    # Two terms, not a multiple of a sum: so no factor overflows beside a sigmoid that is 0.
    return a * sigmoid(root * a + root * Fraction("0.044715") * power(a, 3))

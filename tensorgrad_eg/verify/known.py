"""The derivatives of functions and operations, written down again: what rules make is compared with them.

>>> tape = Tape()
>>> x = tape.array({"k": 2}, np.array([0.0, 1.0]), "x")
>>> tape.values([SLOPES["expm1"](tape, x)])[0].round(3)
array([1.   , 2.718])
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction

import numpy as np

from tensorgrad_eg.verify.tape import Node, Tape

Slope = Callable[[Tape, Node], Node | None]
Partial = Callable[[Tape, Node, int], Node | None]


def _number(tape: Tape, value: float) -> Node:
    return tape.array({}, np.array(float(value)))


def _tanh(tape: Tape, a: Node) -> Node:
    square = tape.apply("power", Fraction(2), tape.apply("apply", "tanh", a))
    return tape.add([_number(tape, 1), tape.scale(-1.0, square)])


def _sigmoid(tape: Tape, a: Node) -> Node:
    mirrored = tape.apply("apply", "sigmoid", tape.scale(-1.0, a))
    return tape.contract([], tape.apply("apply", "sigmoid", a), mirrored)


def _erf(tape: Tape, a: Node) -> Node:
    bell = tape.apply("apply", "exp", tape.scale(-1.0, tape.apply("power", Fraction(2), a)))
    return tape.scale(2 / math.sqrt(math.pi), bell)


def _one_plus(tape: Tape, a: Node, factor: float = 1.0) -> Node:
    """1 + factor·a²."""
    square = tape.scale(factor, tape.apply("power", Fraction(2), a))
    return tape.add([_number(tape, 1), square])


def _powered(a: Node, tape: Tape, exponent: Fraction, factor: float = 1.0) -> Node:
    return tape.scale(factor, tape.apply("power", exponent, a))


def _named(function: str) -> Slope:
    return lambda tape, a: tape.apply("apply", function, a)


#: The derivative of every function, written down here again: rules are compared with it.
SLOPES: Mapping[str, Slope] = {
    "exp": _named("exp"),
    "log": lambda tape, a: tape.apply("power", Fraction(-1), a),
    "tanh": _tanh,
    "sigmoid": _sigmoid,
    "softplus": _named("sigmoid"),
    "relu": _named("step"),
    "step": lambda tape, a: None,
    "nonzero": lambda tape, a: None,
    "abs": _named("sign"),
    "sign": lambda tape, a: None,
    "sin": _named("cos"),
    "cos": lambda tape, a: tape.scale(-1.0, tape.apply("apply", "sin", a)),
    "erf": _erf,
    "tan": lambda tape, a: _one_plus(tape, tape.apply("apply", "tan", a)),
    "sinh": _named("cosh"),
    "cosh": _named("sinh"),
    "expm1": _named("exp"),
    "log1p": lambda tape, a: _powered(tape.add([_number(tape, 1), a]), tape, Fraction(-1)),
    "arctan": lambda tape, a: _powered(_one_plus(tape, a), tape, Fraction(-1)),
    "arcsin": lambda tape, a: _powered(_one_plus(tape, a, -1.0), tape, Fraction(-1, 2)),
    "arccos": lambda tape, a: _powered(_one_plus(tape, a, -1.0), tape, Fraction(-1, 2), -1.0),
    "lgamma": _named("digamma"),
    "digamma": lambda tape, a: tape.apply("polygamma", Fraction(1), a),
}


def _polygamma(tape: Tape, node: Node, place: int) -> Node:
    return tape.apply("polygamma", node.made.number + 1, node.args[0])


def _compared(tape: Tape, name: str, a: Node, b: Node) -> Node:
    return tape.apply(name, None, a, b)


def _ahead(tape: Tape, a: Node, b: Node) -> Node:
    """1 where a > b, and a half where they are equal."""
    return tape.add([_compared(tape, "greater", a, b), tape.scale(0.5, _compared(tape, "equal", a, b))])


def _largest(tape: Tape, node: Node, place: int) -> Node:
    return _ahead(tape, *(node.args if place == 0 else node.args[::-1]))


def _smallest(tape: Tape, node: Node, place: int) -> Node:
    return _ahead(tape, *(node.args[::-1] if place == 0 else node.args))


def _chosen(tape: Tape, node: Node, place: int) -> Node | None:
    holds = tape.apply("apply", "nonzero", node.args[0])
    other = tape.add([_number(tape, 1), tape.scale(-1.0, holds)])
    return (None, holds, other)[place]


def _pow(tape: Tape, node: Node, place: int) -> Node:
    base, exponent = node.args
    zero = _number(tape, 0)
    if place == 0:
        less = tape.add([exponent, _number(tape, -1)])
        slope = tape.contract([], exponent, tape.apply("raised", None, base, less))
        return tape.apply("where", None, base, slope, tape.apply("where", None, exponent, slope, zero))
    slope = tape.contract([], node, tape.apply("apply", "log", base))
    at_zero = tape.apply("where", None, _compared(tape, "greater_equal", exponent, zero), zero, slope)
    return tape.apply("where", None, base, slope, at_zero)


def _huber(tape: Tape, node: Node, place: int) -> Node:
    a, bound = node.args
    low = tape.scale(-1.0, bound)
    if place == 0:
        return tape.apply("minimum", None, tape.apply("maximum", None, a, low), bound)
    return tape.apply("apply", "relu", tape.add([tape.apply("apply", "abs", a), low]))


def _largest_entries(tape: Tape, node: Node) -> Node:
    """An equal share for each entry that is the largest of its fibre."""
    largest = _compared(tape, "equal", node.args[0], node)
    count = tape.reduce(node.made.over, largest)
    return tape.contract([], largest, tape.apply("power", Fraction(-1), count))


def matrix_edges(node: Node) -> tuple[str, str, str, str]:
    """The two edges of the matrices that an operation is of, and two names for them that no edge has."""
    i, j = sorted(node.made.over)
    return i, j, f"{i}:{node.number}", f"{j}:{node.number}"


def _turned_inverse(tape: Tape, node: Node) -> Node:
    i, j, *_ = matrix_edges(node)
    return tape.relabel({i: j, j: i}, tape.apply("inverse", node.made.over, node.args[0]))


def product_of_others(tape: Tape, node: Node, change: Node) -> Node:
    """How products of the others change: for each pair of entries the product of all but these two."""
    (a,), (edge,) = node.args, node.made.over
    second, size = f"{edge}|{node.number}", a.shape.get(edge, 1)  # no edge's name, nor that of a jacobian
    eye = tape.array({edge: size, second: size}, np.eye(size))
    apart = tape.add([_number(tape, 1), tape.scale(-1.0, eye)])
    left = tape.add([tape.contract([], a, apart), eye])
    pairs = tape.contract([], tape.apply("prod_others", frozenset([edge]), left), apart)
    return tape.relabel({second: edge}, tape.contract([edge], pairs, change))


def _still(tape: Tape, node: Node, place: int) -> None:
    return None


#: The derivative of an operation by what stands in a place, entry by entry.
PARTIALS: Mapping[str, Partial] = {
    "polygamma": _polygamma,
    **dict.fromkeys(("greater", "greater_equal", "equal"), _still),
    "maximum": _largest,
    "minimum": _smallest,
    "where": _chosen,
    "raised": _pow,
    "huber": _huber,
}
#: The derivative of an operation that ends edges by each entry of what it reads.
WEIGHTS: Mapping[str, Callable[[Tape, Node], Node]] = {
    "logsumexp": lambda tape, node: tape.apply("softmax", node.made.over, node.args[0]),
    "det": lambda tape, node: tape.contract([], node, _turned_inverse(tape, node)),
    "logdet": _turned_inverse,
    "amax": _largest_entries,
    "prod": lambda tape, node: tape.apply("prod_others", node.made.over, node.args[0]),
}

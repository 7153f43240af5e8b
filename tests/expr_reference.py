"""A plain evaluator of expressions, and random expressions: what the tests of this layer compare with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import mpmath
import numpy as np
from hypothesis import strategies as st

from tensorgrad_eg import functions as F
from tensorgrad_eg.expr import (
    Add,
    Apply,
    Constant,
    Contract,
    Delta,
    Entrywise,
    Extent,
    Fibre,
    LogSumExp,
    Number,
    Polygamma,
    Power,
    Reduce,
    Rename,
    Scale,
    Softmax,
    Tensor,
    Variable,
    delta,
    postorder,
    variables,
)

Array = np.ndarray[Any, Any]

# Written here once more, without the table of the package.
FUNCTIONS = {
    "exp": np.exp,
    "log": np.log,
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "relu": lambda x: np.where(x > 0, x, 0),
    "step": lambda x: np.where(x > 0, 1.0, 0.0),
    "softplus": lambda x: np.log(1 + np.exp(x)),
    "sin": np.sin,
    "cos": np.cos,
    "erf": np.vectorize(math.erf, otypes=[float]),
    "nonzero": lambda x: np.where(x == 0, 0.0, 1.0),
    "abs": lambda x: np.where(x < 0, -x, x),
    "sign": lambda x: np.where(x > 0, 1.0, np.where(x < 0, -1.0, 0.0)),
    "tan": lambda x: np.sin(x) / np.cos(x),
    "arcsin": np.vectorize(math.asin, otypes=[float]),
    "arccos": np.vectorize(math.acos, otypes=[float]),
    "arctan": np.vectorize(math.atan, otypes=[float]),
    "sinh": lambda x: (np.exp(x) - np.exp(-x)) / 2,
    "cosh": lambda x: (np.exp(x) + np.exp(-x)) / 2,
    "expm1": np.vectorize(math.expm1, otypes=[float]),
    "log1p": np.vectorize(math.log1p, otypes=[float]),
    "lgamma": np.vectorize(math.lgamma, otypes=[float]),
    "digamma": np.vectorize(lambda x: float(mpmath.digamma(x)), otypes=[float]),
}


SEVERAL = {
    "greater": lambda a, b: a > b,
    "greater_equal": lambda a, b: a >= b,
    "equal": lambda a, b: a == b,
    "maximum": lambda a, b: (a + b + np.abs(a - b)) / 2,
    "minimum": lambda a, b: (a + b - np.abs(a - b)) / 2,
    "where": lambda c, a, b: a * (c != 0) + b * (c == 0),
    "raised": lambda a, b: np.exp(b * np.log(a)),
    "huber": lambda a, b: np.minimum(np.abs(a), b) * (np.abs(a) - np.minimum(np.abs(a), b) / 2),
}


def evaluate(root: Tensor, arrays: Mapping[str, Array], sizes: Mapping[str, int]) -> Array:
    """Return the value of an expression without derivatives, axes in the order of its edges."""
    value: dict[Tensor, Array] = {}
    for node in postorder([root]):
        value[node] = _value(node, value, arrays, sizes)
    return value[root]


def random_arrays(root: Tensor, sizes: Mapping[str, int]) -> dict[str, Array]:
    """Return an array of positive numbers for each variable, the same for the same name and shape."""
    return {
        name: np.random.default_rng(sum(map(ord, name))).uniform(
            0.5, 1.5, [size if isinstance(size, int) else sizes[size] for size in variable.shape.values()]
        )
        for name, variable in variables([root]).items()
    }


def _value(
    node: Tensor, value: dict[Tensor, Array], arrays: Mapping[str, Array], sizes: Mapping[str, int]
) -> Array:
    def spread(part: Tensor, edges: list[str]) -> Array:
        """Return the value of a part with its axes ordered as `edges`, and axes of length 1 for others."""
        array = value[part].transpose([part.edges.index(edge) for edge in edges if edge in part.edges])
        return np.expand_dims(array, [place for place, edge in enumerate(edges) if edge not in part.edges])

    def number(size: int | str) -> int:
        return size if isinstance(size, int) else sizes[size]

    match node:
        case Variable(name):
            return np.asarray(arrays[name])
        case Number(number_value):
            return np.asarray(float(number_value))
        case Constant():
            return np.asarray(math.pi)
        case Extent(size):
            return np.asarray(float(number(size)))
        case Delta(_, _, size):
            return np.eye(number(size))
        case Contract(over, left, right):
            edges = list(dict.fromkeys([*left.edges, *right.edges]))
            product = spread(left, edges) * spread(right, edges)
            product = np.broadcast_to(
                product, [number((left.shape | dict(right.shape))[edge]) for edge in edges]
            )
            return product.sum(axis=tuple(edges.index(edge) for edge in over))
        case Add(terms):
            return sum((spread(term, list(node.edges)) for term in terms), np.zeros(()))
        case Reduce(over, arg):
            return value[arg].sum(axis=tuple(arg.edges.index(edge) for edge in over))
        case Scale(factor, arg):
            return float(factor) * value[arg]
        case Rename(arg, mapping):
            names = [dict(mapping).get(edge, edge) for edge in arg.edges]
            return value[arg].transpose([names.index(edge) for edge in node.edges])
        case Polygamma(order, arg):
            return np.asarray(np.vectorize(lambda x: float(mpmath.psi(int(order), x)))(value[arg]))
        case Fibre("prod_others", over, arg):
            axis = arg.edges.index(*over)
            parts = [np.prod(np.delete(value[arg], n, axis), axis) for n in range(value[arg].shape[axis])]
            return np.stack(parts, axis)
        case Fibre(name, over, arg):
            axes = tuple(arg.edges.index(edge) for edge in over)
            return np.asarray((np.max if name == "amax" else np.prod)(value[arg], axis=axes))
        case Entrywise(name, args):
            return np.asarray(SEVERAL[name](*(spread(arg, list(node.edges)) for arg in args)), float)
        case Apply(function, arg):
            return FUNCTIONS[function](value[arg])
        case Power(arg, exponent):
            return value[arg] ** float(exponent)
        case Softmax(over, arg) | LogSumExp(over, arg):
            axes = tuple(arg.edges.index(edge) for edge in over)
            powers = np.exp(value[arg])
            if isinstance(node, Softmax):
                return powers / powers.sum(axis=axes, keepdims=True)
            return np.log(powers.sum(axis=axes))
    raise TypeError(type(node).__name__)


# Edges i and i2 have the size of i, and so on: renaming never meets another size.
SIZES = {"i": 2, "j": 3, "k": 4, "i2": 2, "j2": 3, "k2": 4}
LEAVES = [
    Variable("A", ["i", "k"]),
    Variable("B", ["k", "j"]),
    Variable("C", i="i", i2="i"),
    Variable("x", ["k"]),
    Variable("y", ["i"]),
    Variable("s"),
    Number(2),
    Number(-3),
    Number(0.1),
    Constant("pi"),
    Extent("i"),
    delta("k", "k2", "k"),
]


def _extended(parts: st.SearchStrategy[Tensor]) -> st.SearchStrategy[Tensor]:
    """Return expressions one operation larger."""
    pair = st.tuples(parts, parts)
    return st.one_of(
        pair.map(lambda p: p[0] @ p[1]),
        pair.map(lambda p: p[0] * p[1]),
        pair.map(lambda p: p[0] + p[1]),
        pair.map(lambda p: p[0] - p[1]),
        pair.map(lambda p: p[0] / F.exp(F.sin(p[1]))),
        parts.map(lambda e: F.sin(e) ** 2),
        parts.map(lambda e: F.exp(F.sin(e)) ** -1),
        parts.map(lambda e: F.sqrt(F.exp(F.sin(e)))),
        parts.map(lambda e: -e / 3),
        parts.map(lambda e: e.sum()),
        parts.map(lambda e: e.sum(*e.edges[:1]) if e.edges else e),
        parts.map(lambda e: F.mean(e, *e.edges[-1:]) if e.edges else e),
        parts.map(lambda e: F.softmax(F.sin(e), e.edges[0]) if e.edges else e),
        parts.map(lambda e: F.logsumexp(F.sin(e), e.edges[-1]) if e.edges else e),
        parts.map(lambda e: e.rename({edge: _other(edge) for edge in e.edges})),
        parts.map(lambda e: e.rename({e.edges[0]: _other(e.edges[0])}) if _can_move(e) else e),
        parts.map(lambda e: e.transpose(*sorted(e.edges))),
    )


def _other(edge: str) -> str:
    return edge[:-1] if edge.endswith("2") else f"{edge}2"


def _can_move(e: Tensor) -> bool:
    return bool(e.edges) and _other(e.edges[0]) not in e.edges


EXPRESSIONS = st.recursive(st.sampled_from(LEAVES), _extended, max_leaves=8)

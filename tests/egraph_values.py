"""What the classes of an e-graph are worth, worked out with arrays alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from tensorgrad_eg.egraph import Snapshot, smallest
from tensorgrad_eg.expr.operations import ENode

FUNCTIONS = {"exp": np.exp, "tanh": np.tanh, "sin": np.sin, "abs": np.abs}


class Values:
    """What the classes of an e-graph are worth: arrays with an axis for every name, sorted, by hand."""

    def __init__(self, snapshot: Snapshot, sizes: dict[str, int]) -> None:
        self.snapshot, self.choice = snapshot, smallest(snapshot)
        self.sizes = {e: s if isinstance(s, int) else sizes[s] for e, s in snapshot.symbols.items()}
        self.extents = sizes
        self.random = np.random.default_rng(5)
        self.variables: dict[str, Any] = {}
        self.known: dict[int, Any] = {}

    def of(self, at: int) -> Any:
        """The value of a class over its names."""
        if at not in self.known:
            self.known[at] = self._over(self._node(self.choice[at]), sorted(self.snapshot.free[at]))
        return self.known[at]

    def _over(self, value: tuple[list[str], Any], names: list[str]) -> Any:
        """A value over other names: constant along those it lacks, its first entry along those not wanted."""
        own, array = value
        array = array[tuple(slice(None) if name in names else 0 for name in own)]
        own = [name for name in own if name in names]
        array = array.transpose([own.index(name) for name in names if name in own])
        shape = [self.sizes[name] if name in own else 1 for name in names]
        return np.broadcast_to(array.reshape(shape), [self.sizes[name] for name in names])

    def _node(self, node: ENode) -> tuple[list[str], Any]:
        payload: Any = node.payload
        own = [sorted(self.snapshot.free[c]) for c in node.children]
        over: frozenset[str] = payload if isinstance(payload, frozenset) else frozenset()
        names = sorted(over.union(*own))
        kids = [self._over((n, self.of(c)), names) for n, c in zip(own, node.children, strict=True)]
        axes = tuple(names.index(name) for name in sorted(over))
        left = [name for name in names if name not in over]
        match node.op:
            case "variable":
                return self._variable(*payload)
            case "delta":
                return list(payload), np.eye(self.sizes[payload[0]])
            case "number" | "extent" | "constant":
                number = {"number": lambda: float(payload), "extent": lambda: self.extents[payload]}
                return [], np.array(number.get(node.op, lambda: np.pi)())
            case "contract":
                return left, (kids[0] * kids[1]).sum(axis=axes)
            case "reduce":
                return left, kids[0].sum(axis=axes)
            case "add":
                return names, sum(kids)
            case "scale":
                return names, float(payload) * kids[0]
            case "power":
                return names, kids[0] ** float(payload)
            case "apply":
                return names, _function(payload)(kids[0])
            case "softmax":
                return names, np.exp(kids[0]) / np.exp(kids[0]).sum(axis=axes, keepdims=True)
            case "logsumexp":
                return left, np.log(np.exp(kids[0]).sum(axis=axes))
            case _:
                return self._renamed(*payload, names, kids[0])

    def _variable(self, name: str, axes: tuple[str, ...]) -> tuple[list[str], Any]:
        if name not in self.variables:
            self.variables[name] = self.random.uniform(0.5, 1.5, [self.sizes[axis] for axis in axes])
        array, names = self.variables[name], list(axes)
        for n in reversed(range(len(names))):
            if names[n] in names[:n]:
                first = names.index(names[n])
                array = np.moveaxis(np.diagonal(array, axis1=first, axis2=n), -1, first)
                del names[n]
        return names, array

    def _renamed(self, old: str, new: str, names: list[str], array: Any) -> tuple[list[str], Any]:
        if old in names and new in names:
            first, second = names.index(old), names.index(new)
            return [n for n in names if n not in (old, new)] + [new], np.diagonal(array, 0, first, second)
        return [new if name == old else name for name in names], array


def _function(name: str) -> Any:
    """The function of a name."""
    others = {"log": np.log, "cos": np.cos, "sign": np.sign, "step": lambda x: (x > 0) * 1.0}
    others["relu"] = lambda x: np.maximum(x, 0)
    others["sigmoid"] = lambda x: 1 / (1 + np.exp(-x))
    others["softplus"] = lambda x: np.log1p(np.exp(x))
    return {**FUNCTIONS, **others}[name]

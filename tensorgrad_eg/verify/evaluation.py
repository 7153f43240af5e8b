"""Walking over an expression at given arrays: each operation once, derivatives by torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tensorgrad_eg.expr import (
    Derivative,
    Extent,
    Rename,
    Size,
    Tangent,
    Tensor,
    Variable,
    children,
    operation,
    variables,
)
from tensorgrad_eg.expr import arrays as op
from tensorgrad_eg.expr.arrays import Labelled, Library, Torch
from tensorgrad_eg.expr.operations import OPERATIONS, ENode


class Evaluation:
    """One assignment of arrays to variables; what is computed is kept."""

    def __init__(
        self,
        library: Library,
        sizes: Mapping[str, int],
        bound: Mapping[str, Labelled],
    ) -> None:
        """Sizes by symbol, arrays by variable name."""
        self.library, self.sizes, self.bound = library, sizes, bound
        self.known: dict[Tensor, Labelled] = {}

    def values(self, roots: Sequence[Tensor]) -> list[Labelled]:
        """The values of expressions."""
        order = _here(roots)
        together: dict[Tensor, list[Derivative]] = {}
        for e in order:
            if isinstance(e, Derivative):
                together.setdefault(e.arg, []).append(e)
        for e in order:
            if e not in self.known:
                value = self._derivative(e, together[e.arg]) if isinstance(e, Derivative) else self._value(e)
                self.known[e] = value
        return [self.known[root] for root in roots]

    def _value(self, e: Tensor) -> Labelled:
        library, known = self.library, self.known
        match e:
            case Variable(name):
                return self.bound[name]
            case Extent(size):
                return Labelled((), library.number(float(self._number(size))))
            case Rename(arg, mapping):
                new = dict(mapping)
                return Labelled(tuple(new.get(edge, edge) for edge in known[arg].edges), known[arg].array)
            case Tangent():
                return self._tangent(e)
        parts = children(e)
        sizes = {edge: n for part in (e, *parts) for edge, n in self.edge_sizes(part).items()}
        node = ENode(*operation(e))
        return OPERATIONS[node.op].value(library, node, [known[part] for part in parts], sizes)

    def _number(self, size: Size) -> int:
        return size if isinstance(size, int) else self.sizes[size]

    def edge_sizes(self, e: Tensor) -> dict[str, int]:
        """How long each edge of an expression is."""
        return {edge: self._number(size) for edge, size in e.shape.items()}

    def _moved(self, arg: Tensor, names: Sequence[str], arrays: Sequence[Labelled]) -> Labelled:
        """The value of `arg` with other arrays for some variables."""
        bound = {**self.bound, **dict(zip(names, arrays, strict=True))}
        inner = Evaluation(self.library, self.sizes, bound)
        return inner.values([arg])[0]

    def _derivative(self, e: Derivative, siblings: Sequence[Derivative]) -> Labelled:
        if e.arg.edges:
            siblings = [e]
        wrt = list(dict.fromkeys(s.wrt for s in siblings))
        found = dict(zip(wrt, self._autograd(e.arg, wrt), strict=True))
        for sibling in siblings:
            self.known[sibling] = Labelled((*e.arg.edges, *sibling.names), found[sibling.wrt])
        return self.known[e]

    def _autograd(self, arg: Tensor, wrt: Sequence[Variable]) -> Sequence[Any]:
        """The Jacobians by several variables at once."""
        bound = [self.bound[v.name].array for v in wrt]
        if not set(wrt) & set(variables([arg]).values()):
            sizes = tuple(self.edge_sizes(arg).values())
            return [self._torch.zeros((*sizes, *array.shape), dtype=array.dtype) for array in bound]
        jacobian = self._torch.func.jacrev(self._function(arg, wrt), argnums=tuple(range(len(wrt))))
        found: Sequence[Any] = jacobian(*bound)
        return found

    def _function(self, arg: Tensor, wrt: Sequence[Variable]) -> Callable[..., Any]:
        """The expression as a function of the arrays of some variables."""
        names, sizes = [v.name for v in wrt], self.edge_sizes(arg)

        def value(*arrays: Any) -> Any:
            moved = self._moved(arg, names, [Labelled(v.edges, a) for v, a in zip(wrt, arrays, strict=True)])
            return op.aligned(self.library, moved, arg.edges, sizes)

        return value

    @property
    def _torch(self) -> Any:
        assert isinstance(self.library, Torch)
        return self.library.torch

    def _tangent(self, e: Tangent) -> Labelled:
        along = op.aligned(self.library, self.known[e.direction], e.wrt.edges, self.edge_sizes(e.wrt))
        # The pullback is linear: its own pullback is the tangent. Torch's forward mode lacks some functions.
        func, at = self._torch.func, self.bound[e.wrt.name].array
        out, pull = func.vjp(self._function(e.arg, [e.wrt]), at)
        _, push = func.vjp(lambda cotangent: pull(cotangent)[0], self._torch.zeros_like(out))
        return Labelled(e.arg.edges, push(along)[0])


def _here(roots: Iterable[Tensor]) -> list[Tensor]:
    """What is evaluated at the same arrays as the roots, parts first: not what stands below a derivative."""
    order: dict[Tensor, None] = {}
    for root in roots:
        stack: list[tuple[Tensor, bool]] = [(root, False)]
        while stack:
            e, opened = stack.pop()
            if e in order:
                continue
            if opened:
                order[e] = None
                continue
            stack.append((e, True))
            stack.extend((part, False) for part in reversed(_parts(e)))
    return list(order)


def _parts(e: Tensor) -> tuple[Tensor, ...]:
    match e:
        case Derivative():
            return ()
        case Tangent(_, _, direction):
            return (direction,)
    return children(e)

"""Expressions as e-graph terms: every edge gets a label, and derivatives are worked out innermost first.

A label is an edge name inside the e-graph. It is the user's name wherever it can be; where one name has two
sizes, or a renamed tensor meets itself, one of them gets another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tensorgrad_eg.egraph import Dag
from tensorgrad_eg.egraph.differentiate import Labels, Request
from tensorgrad_eg.expr import (
    Constant,
    Delta,
    Derivative,
    Extent,
    Number,
    Rename,
    Tangent,
    Tensor,
    Variable,
    children,
    operation,
)
from tensorgrad_eg.expr.operations import OPERATIONS


@dataclass(frozen=True)
class Encoded:
    """A node, and the label of each edge of the expression it stands for."""

    node: int
    labels: tuple[tuple[str, str], ...]

    def __getitem__(self, edge: str) -> str:
        """The label of an edge."""
        return dict(self.labels)[edge]


@dataclass
class Encoder:
    """Writes expressions into a program, one at a time, parts first.

    Example:
        >>> A, x = Variable("A", ["i", "k"]), Variable("x", ["k"])
        >>> encoder = Encoder()
        >>> for e in (A, x, A @ x):
        ...     encoder.put(e)
        >>> encoder.dag.nodes[encoder.done[A @ x].node].op
        'contract'
    """

    dag: Dag = field(default_factory=Dag)
    labels: Labels = field(default_factory=Labels)
    done: dict[Tensor, Encoded] = field(default_factory=dict)
    #: Size symbols whose number is zero: sums over their edges have no terms, whatever else is true of them.
    empty: frozenset[str] = frozenset()

    def put(self, e: Tensor) -> None:
        """Encodes an expression whose parts are encoded; derivatives are not, see `request`."""
        put = self.dag.put
        match e:
            case Variable():
                own = {edge: self._label(edge, size) for edge, size in e.shape.items()}
                self._store(e, put("variable", (e.name, tuple(own.values()))), own)
            case Number(value):
                self._store(e, put("number", value), {})
            case Constant(name):
                self._store(e, put("constant", name), {})
            case Extent(size):
                self._store(e, put("extent", str(self._size(size))), {})
            case Delta(i, j, size):
                own = {edge: self._label(edge, size) for edge in (i, j)}
                self._store(e, put("delta", (own[i], own[j])), own)
            case Rename(arg, mapping):
                new = dict(mapping)
                inner = self.done[arg]
                self._store(e, inner.node, {new.get(edge, edge): label for edge, label in inner.labels})
            case Derivative() | Tangent():
                raise TypeError(f"no encoding for {type(e).__name__}")
            case _:
                self._operation(e)

    def _operation(self, e: Tensor) -> None:
        nodes, own = self._aligned(children(e))
        name, payload = operation(e)
        if isinstance(payload, frozenset):
            payload = frozenset(own[edge] for edge in payload)
        if OPERATIONS[name].matrix:
            nodes = [self.dag.put("lu", payload, *nodes)]
        self._store(e, self.dag.put(name, payload, *nodes), own)

    def request(self, e: Derivative | Tangent, name: str) -> tuple[Request, dict[str, str]]:
        """What is to be differentiated, and the labels that the result will have."""
        inner = self.done[e.arg]
        leaves = self._leaves(inner.node, e.wrt.name)
        own = dict(inner.labels)
        if isinstance(e, Tangent):
            return Request(name, inner.node, e.wrt.name, (), self._direction(e, leaves)), own
        axes = self._new_axes(e, inner, leaves)
        return Request(name, inner.node, e.wrt.name, axes), own | dict(zip(e.names, axes, strict=True))

    def _new_axes(self, e: Derivative, inner: Encoded, leaves: list[int]) -> tuple[str, ...]:
        """A gradient takes the labels of the variable where it is read first; a Jacobian needs new ones."""
        if leaves and not self.dag.free[inner.node]:
            own = self.dag.nodes[leaves[0]].axes
            if len(set(own)) == len(own) and not set(own) & {label for _, label in inner.labels}:
                return own
        sizes = e.wrt.shape.values()
        return tuple(self._unused(name, size) for name, size in zip(e.names, sizes, strict=True))

    def _direction(self, e: Tangent, leaves: list[int]) -> tuple[tuple[int, int], ...]:
        along = self.done[e.direction]
        seeds = []
        for leaf in leaves:
            place = dict(zip(e.wrt.edges, self.dag.nodes[leaf].axes, strict=True))
            seeds.append(
                (leaf, self._renamed(along.node, {label: place[edge] for edge, label in along.labels}))
            )
        return tuple(seeds)

    def _leaves(self, root: int, name: str) -> list[int]:
        nodes = self.dag.nodes
        return [n for n in self.dag.reachable([root]) if nodes[n].op == "variable" and nodes[n].name == name]

    def _store(self, e: Tensor, node: int, labels: Mapping[str, str]) -> None:
        self.done[e] = Encoded(node, tuple((edge, labels[edge]) for edge in e.edges))

    def _label(self, edge: str, size: int | str) -> str:
        """The edge's own name, unless that has another size already."""
        size = self._size(size)
        if self.labels.symbols.setdefault(edge, size) == size:
            return edge
        return next(
            (
                label
                for label, symbol in self.labels.symbols.items()
                if symbol == size and label.rstrip("0123456789") == edge
            ),
            None,
        ) or self.labels.fresh(edge, size)

    def _size(self, size: int | str) -> int | str:
        return 0 if size in self.empty else size

    def _unused(self, edge: str, size: int | str) -> str:
        size = self._size(size)
        if edge in self.labels.symbols:
            return self.labels.fresh(edge, size)
        self.labels.symbols[edge] = size
        return edge

    def _aligned(self, parts: Iterable[Tensor]) -> tuple[list[int], dict[str, str]]:
        """Nodes in which equal edges have equal labels and different edges different ones."""
        own: dict[str, str] = {}
        nodes = []
        for part in parts:
            inner = self.done[part]
            for edge, label in inner.labels:
                if edge not in own:
                    own[edge] = (
                        label if label not in own.values() else self._other(edge, part.shape[edge], own)
                    )
            nodes.append(self._renamed(inner.node, {label: own[edge] for edge, label in inner.labels}))
        return nodes, own

    def _other(self, edge: str, size: int | str, taken: Mapping[str, str]) -> str:
        label = self._label(edge, size)
        while label in taken.values():
            label = self.labels.fresh(label, self._size(size))
        return label

    def _renamed(self, node: int, names: Mapping[str, str]) -> int:
        """The node with labels exchanged all at once; those in the way step aside first."""
        pairs = {old: new for old, new in names.items() if old != new}
        if self.dag.nodes[node].op == "variable":
            own = tuple(pairs.get(axis, axis) for axis in self.dag.nodes[node].axes)
            return self.dag.put("variable", (self.dag.nodes[node].name, own))
        for old in sorted(set(pairs) & (set(pairs.values()) | (set(names) & set(pairs.values())))):
            aside = self.labels.fresh(old)
            node = self.dag.put("rename", (old, aside), node)
            pairs[aside] = pairs.pop(old)
        for old, new in pairs.items():
            node = self.dag.put("rename", (old, new), node)
        return node

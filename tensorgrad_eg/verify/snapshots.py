"""Whether every e-node of an e-graph equals its class, on random data: what an unsound rule breaks.

>>> from fractions import Fraction
>>> x, two = ENode("variable", ("x", ("i",))), ENode("scale", Fraction(2), (0,))
>>> free = {0: frozenset("i"), 1: frozenset("i")}
>>> check_snapshot(Snapshot({0: [x], 1: [two]}, free, {}, {"i": "n"}))
[]
>>> print(check_snapshot(Snapshot({0: [x, ENode("scale", Fraction(3), (0,))]}, free, {}, {"i": "n"}))[0])
x[i] = 3 x[i] is wrong: -0.892572 and -2.67772 at i=1, where i has size 2
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tensorgrad_eg.assume import Fact
from tensorgrad_eg.egraph import Snapshot, smallest
from tensorgrad_eg.egraph.derive import Derived, Stage
from tensorgrad_eg.expr import Size, Tensor, variables
from tensorgrad_eg.expr import arrays as op
from tensorgrad_eg.expr.arrays import Labelled, Numpy, aligned, spread
from tensorgrad_eg.expr.operations import OPERATIONS, ENode
from tensorgrad_eg.expr.printing import Look, Text, indexed, written
from tensorgrad_eg.expr.walk import parts_first, symbols
from tensorgrad_eg.extract.extract import Searched
from tensorgrad_eg.verify.evaluate import Draw, edge_sizes, evaluate_all

#: A tensor with more elements than this is not computed.
_LARGEST = 1 << 21
#: How deep a term is written out.
_DEEPEST = 6
#: What two forms may differ by: rules that are wrong are wrong by more.
_RELATIVE, _ABSOLUTE = 1e-6, 1e-10


@dataclass
class ClassValues:
    """The value of every class of a snapshot that stands for something: that of its smallest term."""

    snapshot: Snapshot
    draw: Draw
    values: dict[int, Labelled] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Evaluate the smallest term of every class."""
        self.library = Numpy(np.float64)
        self.choice = smallest(self.snapshot)
        self.sizes = edge_sizes(self.snapshot.symbols, _unions(self.snapshot), _LARGEST >> 6)
        for at in parts_first(sorted(self.choice), lambda at: self.choice[at].children):
            value = self.node(self.choice[at])
            if value is not None:
                self.values[at] = value

    def __getitem__(self, at: int) -> Labelled:
        """The value of a class."""
        return self.values[at]

    def node(self, node: ENode) -> Labelled | None:
        """The value of one e-node, or nothing where it is too large to compute."""
        if any(c not in self.values for c in node.children) or self._elements(node) > _LARGEST:
            return None
        with np.errstate(all="ignore"):
            return self._operation(node, [self.values[c] for c in node.children])

    def _elements(self, node: ENode) -> int:
        edges = {edge for c in node.children for edge in self.values[c].edges}
        return math.prod(self.sizes[edge] for edge in edges)

    def _operation(self, node: ENode, kids: list[Labelled]) -> Labelled:
        if node.op == "variable":
            shape = tuple(self.sizes[axis] for axis in node.axes)
            return op.read(self.library, self.draw.array(node.name, shape), node.axes)
        if node.op == "extent":
            return Labelled((), self.library.number(float(self._extent(node.name))))
        return OPERATIONS[node.op].value(self.library, node, kids, self.sizes)

    def _extent(self, symbol: str) -> int:
        if symbol.isdigit():
            return int(symbol)
        return next(self.sizes[e] for e, s in sorted(self.snapshot.symbols.items()) if s == symbol)


def _unions(snapshot: Snapshot) -> Iterable[frozenset[str]]:
    free = snapshot.free
    return {
        frozenset[str]().union(*(free[c] for c in node.children))
        for nodes in snapshot.nodes.values()
        for node in nodes
        if node.children
    }


@dataclass(frozen=True)
class Mismatch:
    """An e-node that does not equal its class, with a point where it differs.

    >>> Mismatch(0, ENode("extent", "n"), "2", "|n|", 2.0, 3.0, {}, {"i": 3}).found
    3.0
    """

    at: int
    node: ENode
    expected_term: str
    found_term: str
    expected: float
    found: float
    where: Mapping[str, int]
    sizes: Mapping[str, int]

    def __str__(self) -> str:
        """The two forms, and what each is worth where they differ most."""
        point = ", ".join(f"{edge}={index}" for edge, index in self.where.items())
        sizes = ", ".join(f"{edge} has size {size}" for edge, size in self.sizes.items())
        context = f" at {point}" * bool(point) + f", where {sizes}" * bool(sizes)
        return (
            f"{self.expected_term} = {self.found_term} is wrong: "
            f"{self.expected:.6g} and {self.found:.6g}{context}"
        )


@dataclass
class SnapshotCheck:
    """What was found: e-nodes that differ, those without a finite value, and how many were compared.

    What is `skipped` is too large to compute at the smallest sizes.
    """

    mismatches: list[Mismatch] = field(default_factory=list)
    not_finite: list[str] = field(default_factory=list)
    compared: int = 0
    skipped: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing differs."""
        return not self.mismatches


def check_snapshot(snapshot: Snapshot, seed: int = 0, facts: tuple[Fact, ...] = ()) -> list[Mismatch]:
    """Every e-node that does not equal its class, on data of which the facts are true.

    >>> check_snapshot(Snapshot({}, {}, {}))
    []
    """
    return inspect_snapshot(snapshot, seed, facts).mismatches


def inspect_snapshot(snapshot: Snapshot, seed: int = 0, facts: tuple[Fact, ...] = ()) -> SnapshotCheck:
    """Compares every e-node with its class, on data of both signs and on positive data.

    >>> inspect_snapshot(Snapshot({}, {}, {})).compared
    0
    """
    check = SnapshotCheck()
    draws = [ClassValues(snapshot, Draw(seed, kind, facts)) for kind in (0, 1)]
    for at, nodes in sorted(snapshot.nodes.items()):
        for node in nodes:
            # Some classes have lost all of their terms to simpler ones: no program can contain those.
            if draws[0].choice.keys() >= {at, *node.children}:
                _compare(check, draws, at, node)
    return check


def _compare(check: SnapshotCheck, draws: list[ClassValues], at: int, node: ENode) -> None:
    finite = False
    known = False
    for values in draws:
        found = values.node(node) if at in values.values else None
        if found is None:
            continue
        known = True
        different, some = _differ(values, at, node, found)
        finite |= some
        if different is not None:
            check.mismatches.append(different)
            break
    check.compared += known
    check.skipped += not known
    if known and not finite:
        check.not_finite.append(_show(draws[0].snapshot, draws[0].choice, node).text)


def _differ(values: ClassValues, at: int, node: ENode, found: Labelled) -> tuple[Mismatch | None, bool]:
    """Where the e-node differs most from its class, if it does; and whether any entry could be compared."""
    expected = values[at]
    union = tuple(dict.fromkeys((*expected.edges, *found.edges)))
    left, right = (spread(values.library, one, union) for one in (expected, found))
    left, right = np.broadcast_arrays(left, right)
    finite = np.isfinite(left) & np.isfinite(right)
    if not finite.any():
        return None, False
    with np.errstate(all="ignore"):
        gap = np.where(finite, np.abs(left - right), 0.0)
        size = max(float(np.abs(side[finite]).max()) for side in (left, right))
    if gap.max() > _RELATIVE * size + _ABSOLUTE * max(1.0, _magnitude(values, node)):
        return _mismatch(values, at, node, union, (left, right), gap), True
    return _unbounded(values, at, node, found), True


def _unbounded(values: ClassValues, at: int, node: ENode, found: Labelled) -> Mismatch | None:
    """A class may not depend on an edge that is not among its free edges."""
    for axis, edge in enumerate(found.edges):
        if edge not in values.snapshot.free[at]:
            first = np.broadcast_to(np.take(found.array, [0], axis), found.array.shape)
            gap = np.nan_to_num(np.abs(found.array - first))
            size = np.nan_to_num(np.abs(found.array)).max()
            if gap.max() > _RELATIVE * size + _ABSOLUTE * max(1.0, _magnitude(values, node)):
                return _mismatch(values, at, node, found.edges, (first, found.array), gap)
    return None


def _magnitude(values: ClassValues, node: ENode) -> float:
    arrays = [values[c].array for c in node.children]
    tops = [float(np.nan_to_num(np.abs(a), posinf=0.0).max(initial=0.0)) for a in arrays]
    return float(np.prod(tops)) if node.op == "contract" else max(tops, default=1.0)


def _mismatch(
    values: ClassValues,
    at: int,
    node: ENode,
    edges: tuple[str, ...],
    sides: Iterable[NDArray[Any]],
    gap: NDArray[Any],
) -> Mismatch:
    place = np.unravel_index(int(gap.argmax()), gap.shape)
    where = {edge: int(index) for edge, index in zip(edges, place, strict=True)}
    expected, found = (float(side[place]) for side in sides)
    snapshot, choice = values.snapshot, values.choice
    expected_term, found_term = (_show(snapshot, choice, one).text for one in (choice[at], node))
    return Mismatch(
        at,
        node,
        expected_term,
        found_term,
        expected,
        found,
        where,
        {edge: values.sizes[edge] for edge in edges},
    )


def snapshots(derived: Derived, searched: Searched | None = None) -> Iterator[tuple[str, Snapshot]]:
    """The e-graphs by name: a phase holds the programs before and after it, results of one name in one class.

    >>> from tensorgrad_eg.egraph.derive import derive
    >>> from tensorgrad_eg.expr import Variable
    >>> x = Variable("x", ["k"])
    >>> [name for name, _ in snapshots(derive([(x @ x).grad(x)], {"k": 3}))]
    ['1 normalise', '2 differentiate']
    """
    for number, stage in enumerate(derived.stages, 1):
        yield f"{number} {stage.phase}", _joined(stage, derived.symbols)
    if searched is not None:
        yield "start", searched.start
        yield "final", searched.final


def _joined(stage: Stage, symbols: dict[str, Size]) -> Snapshot:
    """The programs before and after a phase in one snapshot: what one result was and became is one class."""
    nodes = {at: [node] for at, node in enumerate(stage.before.nodes)}
    free = dict(enumerate(stage.before.free))
    first = len(nodes)
    same = {
        at: stage.before.roots[name] for name, at in stage.after.roots.items() if name in stage.before.roots
    }
    place = {at: same.get(at, first + at) for at in range(len(stage.after.nodes))}
    for at, node in enumerate(stage.after.nodes):
        nodes.setdefault(place[at], []).append(
            ENode(node.op, node.payload, tuple(place[c] for c in node.children))
        )
        free.setdefault(place[at], stage.after.free[at])
    roots = {name: place[at] for name, at in stage.after.roots.items()}
    return Snapshot(nodes, free, roots, dict(symbols))


def normal_forms(
    derived: Derived, expressions: Sequence[Tensor], seed: int = 0
) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """What each normal form is worth, and what its expression is, on random positive data.

    >>> from tensorgrad_eg.egraph.derive import derive
    >>> from tensorgrad_eg.expr import Variable
    >>> x = Variable("x", ["k"])
    >>> ((found, wanted),) = normal_forms(derive([(x @ x).grad(x)], {"k": 3}), [(x @ x).grad(x)])
    >>> bool(np.allclose(found, wanted))
    True
    """
    dag = derived.dag
    snapshot = Snapshot({n: [node] for n, node in enumerate(dag.nodes)}, dict(enumerate(dag.free)), {})
    snapshot.symbols = dict(derived.symbols)
    draw = Draw(seed, kind=1)
    values = ClassValues(snapshot, draw)
    number = {s: values.sizes[edge] for edge, s in derived.symbols.items() if isinstance(s, str)}
    number |= dict.fromkeys([s for s in symbols(expressions) if s not in number], 2)
    arrays = draw.arrays(variables(expressions).values(), number)
    found = []
    for n, (e, out) in enumerate(zip(expressions, derived.outputs, strict=True)):
        value = values[dag.roots[f"out{n}"]]
        names = {label: edge for edge, label in out.labels}
        own = Labelled(tuple(names[edge] for edge in value.edges), value.array)
        sizes = {edge: s if isinstance(s, int) else number[s] for edge, s in e.shape.items()}
        found.append(aligned(values.library, own, e.edges, sizes))
    return list(zip(found, evaluate_all(expressions, arrays, np.float64, number), strict=True))


def _show(snapshot: Snapshot, choice: Mapping[int, ENode], node: ENode, depth: int = _DEEPEST) -> Text:
    """One e-node as one writes it; what lies deeper than `depth` is shown as its class."""
    parts = [
        _show(snapshot, choice, choice[at], depth - 1)
        if depth and at in choice
        else Text(indexed(f"#{at}", sorted(snapshot.free[at])))
        for at in node.children
    ]
    if node.op == "rename":
        return Text(f"{parts[0].bracketed(~Look.ATOM).text}{{{'→'.join(node.pair)}}}")
    edges = node.axes if node.op == "variable" else node.pair if node.op == "delta" else sorted(node.over)
    return written(node, parts, edges)

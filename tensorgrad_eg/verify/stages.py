"""Every e-graph that a plan came from: around each phase of the derivation, and around the search."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tensorgrad_eg.egraph.derive import Derived, Stage
from tensorgrad_eg.egraph.snapshot import Snapshot
from tensorgrad_eg.expr import Size, Tensor, variables
from tensorgrad_eg.expr.arrays import Labelled, aligned
from tensorgrad_eg.expr.operations import ENode
from tensorgrad_eg.expr.sizes import symbols
from tensorgrad_eg.extract.extract import Searched
from tensorgrad_eg.verify.classes import ClassValues, Draw
from tensorgrad_eg.verify.evaluate import evaluate_all


def snapshots(derived: Derived, searched: Searched | None = None) -> Iterator[tuple[str, Snapshot]]:
    """The e-graphs by name: a phase holds the programs before and after it, results of one name in one class.

    >>> from tensorgrad_eg.egraph.derive import derive
    >>> from tensorgrad_eg.expr import Variable
    >>> x = Variable("x", ["k"])
    >>> [name for name, _ in snapshots(derive([(x @ x).grad(x)], {"k": 3}))]
    ['1 normalise', '2 differentiate']
    """
    for number, stage in enumerate(derived.stages, 1):
        yield f"{number} {stage.phase}", joined(stage, derived.symbols)
    if searched is not None:
        yield "start", searched.start
        yield "final", searched.final


def joined(stage: Stage, symbols: dict[str, Size]) -> Snapshot:
    """The programs before and after a phase in one snapshot: what one result was and became is one class.

    >>> from tensorgrad_eg.egraph.term import Dag
    >>> before, after = Dag(), Dag()
    >>> before.roots = {"e": before.put("extent", "n")}
    >>> after.roots = {"e": after.put("constant", "pi")}
    >>> joined(Stage("wrong", before, after), {}).nodes[0]
    [ENode(op='extent', payload='n', children=()), ENode(op='constant', payload='pi', children=())]
    """
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
    draw = Draw(seed, positive=True)
    values = ClassValues(snapshot, draw)
    number = {s: values.sizes[edge] for edge, s in derived.symbols.items() if isinstance(s, str)}
    number |= dict.fromkeys([s for s in symbols(expressions) if s not in number], 2)
    arrays = {
        v.name: draw.array(v.name, tuple(s if isinstance(s, int) else number[s] for s in v.shape.values()))
        for v in variables(expressions).values()
    }
    found = []
    for n, (e, out) in enumerate(zip(expressions, derived.outputs, strict=True)):
        value = values[dag.roots[f"out{n}"]]
        names = {label: edge for edge, label in out.labels}
        own = Labelled(tuple(names[edge] for edge in value.edges), value.array)
        sizes = {edge: s if isinstance(s, int) else number[s] for edge, s in e.shape.items()}
        found.append(aligned(values.library, own, e.edges, sizes))
    return list(zip(found, evaluate_all(expressions, arrays, np.float64, number), strict=True))

"""Normal-form programs, tidied for print, as expressions again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from tensorgrad_eg.egraph import Dag, dag_of, smallest
from tensorgrad_eg.egraph.derive import Derived
from tensorgrad_eg.egraph.engine import Engine, Engines
from tensorgrad_eg.errors import LostTermError
from tensorgrad_eg.expr import (
    Contract,
    Delta,
    Extent,
    Number,
    Size,
    Tensor,
    Variable,
    fresh,
    made,
    variables,
)
from tensorgrad_eg.expr.build import spread
from tensorgrad_eg.expr.operations import ENode
from tensorgrad_eg.rules import RuleFile
from tensorgrad_eg.rules.forms import DERIVE, DIRECTED, PRINT

#: How often factors are put in order: what is a factor of a factor may change its place in the first round.
_TURNS = 2
#: Where a node stands among the nodes of a program: how high, and where in its storey.
Rank = tuple[int, int]


def for_print(files: tuple[RuleFile, ...] | None = None) -> Engines:
    """Engines in which multiples are moved outward, and leave no term behind where they were.

    Example:
        >>> "hoist" in for_print().directed
        True
    """
    return Engines(files, rulesets=DERIVE | PRINT, directed=DIRECTED | {"hoist"})


def tidied(derived: Derived, engines: Engines | None = None) -> Derived:
    """The same for print: like terms have met, multiples stand in front, and factors are in order.

    Example:
        >>> from tensorgrad_eg.egraph.derive import derive
        >>> from tensorgrad_eg.expr import Derivative, Variable
        >>> A, x = Variable("A", ["i", "k"]), Variable("x", ["k"])
        >>> derived = tidied(derive([Derivative(((A @ x) ** 2).sum(), x)], {}))
        >>> derived.dag.nodes[derived.dag.roots["out0"]].op
        'scale'
    """
    engines = engines or for_print()
    try:
        derived = _gathered(derived, engines)
    except LostTermError:  # terms turned out to be parts of themselves: then like terms stay apart
        with derived.engine(engines, PRINT) as engine:
            engine.normalise("hoist", descend=True)
            return _read(derived, engine)
    for _ in range(_TURNS):
        with replace(derived, dag=_sorted(derived.dag)).engine(engines, PRINT) as engine:
            while engine.run("weigh", saturate=True) | engine.run("turn"):
                engine.run("analysis", saturate=True)
            derived = _read(derived, engine)
    return derived


def _gathered(derived: Derived, engines: Engines) -> Derived:
    """The program in which like terms have met, wherever they stood."""
    with derived.engine(engines, PRINT) as engine:
        engine.normalise("hoist", "expand", descend=True)
        while engine.run("weigh", saturate=True) | engine.run("flatten"):
            engine.normalise("hoist", "expand", descend=True)
        while engine.run("weigh", saturate=True) | engine.run("gather"):
            engine.normalise("hoist", descend=True)
        return _read(derived, engine)


def _read(derived: Derived, engine: Engine) -> Derived:
    snapshot = engine.snapshot(list(derived.dag.roots))
    dag = dag_of(snapshot, smallest(snapshot), snapshot.roots)
    return replace(derived, dag=dag, symbols=snapshot.symbols)


def _sorted(dag: Dag) -> Dag:
    """The same program, its nodes in an order that does not depend on how it was written."""
    place, _ = ranked(dag, dag.reachable(dag.roots.values()))
    new, ids = Dag(), dict[int, int]()
    for at in sorted(place, key=place.__getitem__):
        node = dag.nodes[at]
        ids[at] = new.put(node.op, node.payload, *(ids[c] for c in node.children), free=dag.free[at])
    new.roots = {name: ids[at] for name, at in dag.roots.items()}
    return new


def ranked(dag: Dag, nodes: Sequence[int]) -> tuple[dict[int, Rank], dict[int, tuple[int, ...]]]:
    """The ranks of nodes, and the terms of sums in an order that does not depend on how they were written.

    Terms that are taken away come last, and else what is made of less comes first. Nodes are ranked storey by
    storey: no term is written out.

    Example:
        >>> dag = Dag()
        >>> y, x = dag.put("variable", ("y", ())), dag.put("variable", ("x", ()))
        >>> ranked(dag, [y, x, dag.put("add", None, y, x)])[1]
        {2: (1, 0)}
    """
    height: dict[int, int] = {}
    storeys: dict[int, list[int]] = {}
    for at in nodes:
        height[at] = 1 + max((height[c] for c in dag.nodes[at].children), default=-1)
        storeys.setdefault(height[at], []).append(at)
    rank: dict[int, Rank] = {}
    terms: dict[int, tuple[int, ...]] = {}

    def place(at: int) -> tuple[bool, Rank, Fraction]:
        node = dag.nodes[at]
        number = node.number if node.op in ("scale", "number") else Fraction(1)
        return number < 0, rank[node.children[0] if node.op == "scale" else at], number

    def key(at: int) -> tuple[str, str, list[Rank]]:
        node = dag.nodes[at]
        payload = ",".join(sorted(node.over)) if node.over else str(node.payload)
        return node.op, payload, [rank[c] for c in terms.get(at, node.children)]

    for level, storey in sorted(storeys.items()):
        sums = [at for at in storey if dag.nodes[at].op == "add"]
        terms |= {at: tuple(sorted(dag.nodes[at].children, key=place)) for at in sums}
        rank |= {at: (level, n) for n, at in enumerate(sorted(storey, key=key))}
    return rank, terms


def decode(derived: Derived, output: int, like: Tensor) -> Tensor:
    """The expression of one output, its edges named and ordered as those of `like`.

    Example: see `tensorgrad_eg.simplify`.
    """
    given = variables([like])
    names = _edge_names(derived, output)
    done: dict[int, Tensor] = {}
    root = derived.dag.roots[f"out{output}"]
    _, terms = ranked(derived.dag, derived.dag.reachable([root]))
    for at in derived.dag.reachable([root]):
        node = derived.dag.nodes[at]
        kids = [done[c] for c in (terms[at] if node.op == "add" else node.children)]
        done[at] = node_expression(node, kids, names, derived.symbols, given)
    result = done[root]
    labels = {edge: names[label] for edge, label in derived.outputs[output].labels}
    back = {name: edge for edge, name in labels.items()}
    # A normal form has no edge along which it is constant; an expression has those that it was given.
    return spread(result.rename({name: back[name] for name in result.edges}), like.shape).transpose(
        *like.edges
    )


def _edge_names(derived: Derived, output: int) -> Mapping[str, str]:
    """Labels as edge names: the user's where a label is free in the output, and identifiers for the rest."""
    free = {label: edge for edge, label in derived.outputs[output].labels}
    names: dict[str, str] = {}
    taken = set(free.values())
    for label in sorted(derived.symbols):
        if label in free:
            names[label] = free[label]
            continue
        names[label] = fresh(label.replace("'", "_"), taken)
        taken.add(names[label])
    return names


def node_expression(
    node: ENode,
    kids: list[Tensor],
    names: Mapping[str, str],
    symbols: Mapping[str, Size],
    given: Mapping[str, Variable],
) -> Tensor:
    """One node as an expression: `names` has the edge of every label, `kids` are the parts as expressions.

    Example:
        >>> from fractions import Fraction
        >>> print(node_expression(ENode("scale", Fraction(2), (0,)), [Variable("x", ["k"])], {}, {}, {}))
        2 x[k]
    """
    over = [names[edge] for edge in sorted(node.over)]
    if over and (absent := set(over).difference(*(kid.edges for kid in kids))):
        sizes = {names[edge]: symbols[edge] for edge in sorted(node.over) if names[edge] in absent}
        kids = [*kids[:-1], spread(kids[-1], sizes)]
    match node.op:
        case "variable":
            return _renamed(given[node.name], [names[axis] for axis in node.axes])
        case "delta":
            i, j = node.pair
            return Delta(names[i], names[j], symbols[i])
        case "extent":
            return Number(int(node.name)) if node.name.isdigit() else Extent(node.name)
        case "lu" | "cholesky":
            return kids[0]
        case "solve":
            pair = frozenset(names[edge] for edge in node.pair)
            return Contract(over, made("inverse", pair, kids[:1]), kids[1])
        case "rename":
            old, new = (names[label] for label in node.pair)
            if {old, new} <= set(kids[0].edges):  # read on a diagonal
                return Contract([old], kids[0], Delta(old, new, kids[0].shape[old]))
            return kids[0].rename({old: new})
    return made(node.op, frozenset(over) if over else node.payload, kids)


def _renamed(variable: Variable, axes: list[str]) -> Tensor:
    """The variable at these edges; an edge that repeats reads a diagonal."""
    if len(set(axes)) == len(axes):
        return variable.rename(
            {edge: axis for edge, axis in zip(variable.edges, axes, strict=True) if edge != axis}
        )
    aside: list[str] = []
    for axis in axes:
        aside.append(fresh(axis, {*axes, *aside}) if axis in aside else axis)
    result = variable.rename(
        {edge: axis for edge, axis in zip(variable.edges, aside, strict=True) if edge != axis}
    )
    for axis, other in zip(axes, aside, strict=True):
        if axis != other:
            result = Contract([other], result, Delta(other, axis, result.shape[other]))
    return result

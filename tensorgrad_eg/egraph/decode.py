"""Normal-form programs as expressions again."""

from __future__ import annotations

from collections.abc import Mapping

from tensorgrad_eg.egraph.derive import Derived
from tensorgrad_eg.egraph.tidy import ranked
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
            return _read(given[node.name], [names[axis] for axis in node.axes])
        case "delta":
            i, j = node.pair
            return Delta(names[i], names[j], symbols[i])
        case "extent":
            return Number(int(node.name)) if node.name.isdigit() else Extent(node.name)
        case "rename":
            old, new = (names[label] for label in node.pair)
            if {old, new} <= set(kids[0].edges):  # read on a diagonal
                return Contract([old], kids[0], Delta(old, new, kids[0].shape[old]))
            return kids[0].rename({old: new})
    return made(node.op, frozenset(over) if over else node.payload, kids)


def _read(variable: Variable, axes: list[str]) -> Tensor:
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

"""What rules of users have made: terms of the problem's own edges, sizes, variables and known functions.

>>> made = Snapshot({0: [ENode("apply", "tan", (1,))], 1: [ENode("extent", "n")]}, {}, {}, {"i": "n"})
>>> check_made(made, {}, ['mine.egg:3 "tangent"'])
Traceback (most recent call last):
tensorgrad_eg.errors.RuleError: there is no function 'tan'; the functions are: abs, cos, erf, exp, log, relu,
sigmoid, sign, sin, softplus, step, tanh. Did you mean 'tanh'? A rule has made it, one of: mine.egg:3
"tangent".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from tensorgrad_eg.egraph.snapshot import Snapshot
from tensorgrad_eg.errors import RuleError, UnknownFunctionError, listing, suggestion
from tensorgrad_eg.expr import Constant
from tensorgrad_eg.expr.operations import ENode
from tensorgrad_eg.expr.pointwise import POINTWISE


def ranks(nodes: Iterable[ENode]) -> dict[str, int]:
    """How many axes the variables among these nodes have.

    >>> ranks([ENode("variable", ("x", ("i",))), ENode("constant", "pi")])
    {'x': 1}
    """
    found = {}
    for node in nodes:
        match node.op, node.payload:
            case "variable", (str(name), axes):
                found[name] = len(axes)
    return found


def check_made(snapshot: Snapshot, variables: Mapping[str, int], rules: Iterable[str]) -> None:
    """Refuse an e-graph with a term that no program could compute.

    `variables` has the number of axes of each; `rules` are those that may have made such a term.

    Raises:
        RuleError: that says what is not known, and what is.
    """
    sizes = {str(size) for size in snapshot.symbols.values()}
    for node in (node for own in snapshot.nodes.values() for node in own):
        problem = _unknown(node, variables, snapshot.symbols, sizes)
        if problem:
            raise RuleError(f"{problem} A rule has made it, one of: {listing(rules)}.")


def _unknown(
    node: ENode, variables: Mapping[str, int], edges: Collection[str], sizes: Collection[str]
) -> str | None:
    match node.op, node.payload:
        case "apply", str(name) if name not in POINTWISE:
            return str(UnknownFunctionError.of(name, POINTWISE))
        case "constant", str(name) if name not in Constant.known:
            return str(UnknownFunctionError.of(name, Constant.known, "constant"))
        case "extent", str(size) if not size.isdigit() and size not in sizes:
            return _missing("size", size, sizes)
        case "variable", (str(name), axes):
            if name not in variables:
                return _missing("variable", name, variables)
            if len(axes) != variables[name]:
                return f"variable {name} has {variables[name]} axes here, not {len(axes)}."
            return _edge(axes, edges)
        case "delta" | "rename", tuple(named):
            return _edge(map(str, named), edges)
        case _, frozenset(named):
            return _edge(named, edges)
    return None


def _edge(named: Iterable[str], edges: Collection[str]) -> str | None:
    return next((_missing("edge", edge, edges) for edge in sorted(named) if edge not in edges), None)


def _missing(what: str, name: str, known: Iterable[str]) -> str:
    choices = sorted(known)
    hint = suggestion(name, choices)
    return f"there is no {what} '{name}' in this problem; there are: {listing(choices)}.{hint}"

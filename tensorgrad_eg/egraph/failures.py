"""What the engine cannot do, and what rules of users must not have made, said as errors of this package.

egglog raises errors of two kinds, and one of them, a panic, is no `Exception`: it would pass by whoever
catches those.

>>> with translated("mine.egg:3", "(rule)"):
...     raise KeyError("nothing of the engine's")
Traceback (most recent call last):
KeyError: "nothing of the engine's"
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager

from tensorgrad_eg.egraph import Snapshot
from tensorgrad_eg.errors import (
    ForkedProcessError,
    RuleError,
    UnknownFunctionError,
    ended,
    listing,
    suggestion,
)
from tensorgrad_eg.expr import Constant
from tensorgrad_eg.expr.arrays import POINTWISE
from tensorgrad_eg.expr.operations import ENode

#: How much of a form is shown.
_SHOWN = 300
_UNKNOWN = re.compile(r"Variable (\S+) is ungrounded")
_NO_VALUE = re.compile(r"(\(.*\)): call of primitive \S+ failed")


@contextmanager
def translated(where: str, text: str) -> Iterator[None]:
    """Turn an error of the engine, met while it takes in or runs a text, into a RuleError."""
    try:
        yield
    except BaseException as error:
        if not _of_engine(error):
            raise
        raise RuleError(f"{where}: this cannot be used: {text[:_SHOWN]}\n{_reason(error)}") from None


def _of_engine(error: BaseException) -> bool:
    """Whether an error is egglog's, or a panic in it."""
    return type(error).__name__ in ("EggSmolError", "PanicException")


def _reason(error: BaseException) -> str:
    r"""The last line of what the engine said, which says what is wrong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or ["the engine failed"]
    failed, unknown = _NO_VALUE.search(lines[-1]), _UNKNOWN.search(lines[-1])
    if unknown and not unknown[1].startswith("@"):
        return f"{unknown[1]} is computed or compared with, and no term that is looked for has it."
    return f"{failed[1]} has no value, and a rule computes it." if failed else ended(lines[-1])


_forked = False


def _notice() -> None:
    global _forked
    _forked = "egglog.bindings" in sys.modules


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_notice)


def import_engine() -> None:
    """Imports egglog, which takes half a second once a process, and more where the machine is busy."""
    refuse_if_forked()
    import egglog.bindings  # noqa: F401


def refuse_if_forked() -> None:
    """Ends at once what would wait for ever.

    egglog works in threads that start when it is imported, which is when the first plan is made. A process
    that is forked after that has none of them.

    Raises:
        ForkedProcessError: if this process was forked after a plan was made.
    """
    if _forked:
        raise ForkedProcessError.of()


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

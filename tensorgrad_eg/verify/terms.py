"""E-nodes as one writes them, with the smallest term of each class they read."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from tensorgrad_eg.egraph.snapshot import Snapshot
from tensorgrad_eg.expr.operations import ENode

_DEEPEST = 6
_LOOSE, _FACTOR, _TIGHT = 0, 1, 2


def show(snapshot: Snapshot, choice: Mapping[int, ENode], node: ENode, depth: int = _DEEPEST) -> str:
    """One e-node as text; what lies deeper than `depth` is shown as its class.

    >>> x = ENode("variable", ("x", ("i",)))
    >>> s = Snapshot({0: [x]}, {0: frozenset("i")}, {})
    >>> show(s, {0: x}, ENode("contract", frozenset("i"), (0, 0)))
    'Σ_i x[i] x[i]'
    """
    return _text(snapshot, choice, node, depth)[0]


def _text(snapshot: Snapshot, choice: Mapping[int, ENode], node: ENode, depth: int) -> tuple[str, int]:
    """The text, and how tightly it holds together."""
    payload: Any = node.payload

    def child(n: int, tight: int = _LOOSE) -> str:
        at = node.children[n]
        if depth == 0 or at not in choice:
            return f"#{at}[{','.join(sorted(snapshot.free[at]))}]"
        text, holds = _text(snapshot, choice, choice[at], depth - 1)
        return text if holds >= tight else f"({text})"

    match node.op:
        case "variable":
            return f"{payload[0]}[{','.join(payload[1])}]" if payload[1] else str(payload[0]), _TIGHT
        case "delta":
            return f"δ[{','.join(payload)}]", _TIGHT
        case "number":
            return str(payload), _TIGHT if payload >= 0 and payload.denominator == 1 else _LOOSE
        case "constant":
            return "π" if payload == "pi" else str(payload), _TIGHT
        case "extent":
            return f"|{payload}|", _TIGHT
        case "contract":
            return f"{_sum(payload)}{child(0, _FACTOR)} {child(1, _TIGHT)}", _LOOSE if payload else _FACTOR
        case "reduce":
            return f"{_sum(payload)}{child(0, _FACTOR)}", _LOOSE
        case "add":
            return " + ".join(child(n) for n in range(len(node.children))), _LOOSE
        case "scale":
            return f"{_factor(payload)}{child(0, _FACTOR)}", _LOOSE if payload < 0 else _FACTOR
        case "power":
            return f"{child(0, _TIGHT)}^{_exponent(payload)}", _TIGHT
        case "softmax" | "logsumexp":
            return f"{node.op}({child(0)}, {','.join(sorted(payload))})", _TIGHT
        case "rename":
            return f"{child(0, _TIGHT)}{{{payload[0]}→{payload[1]}}}", _TIGHT
    return f"{payload}({child(0)})", _TIGHT


def _sum(over: frozenset[str]) -> str:
    names = ",".join(sorted(over))
    return "" if not over else f"Σ_{names} " if len(over) == 1 else f"Σ_{{{names}}} "


def _factor(factor: Fraction) -> str:
    return "-" if factor == -1 else f"{factor} "


def _exponent(exponent: Fraction) -> str:
    return str(exponent) if exponent.denominator == 1 and exponent >= 0 else f"({exponent})"

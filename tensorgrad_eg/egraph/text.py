"""E-nodes, programs and facts as egglog text, and egglog rows as e-nodes.

Programs are given to the engine in pieces, since it compiles a rule in quadratic time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, TypeVar, cast

from tensorgrad_eg.assume import Fact
from tensorgrad_eg.egraph import Dag
from tensorgrad_eg.expr.operations import OPERATIONS, ENode, Payload

if TYPE_CHECKING:
    from egglog.bindings import EGraph, Value

T = TypeVar("T")

if TYPE_CHECKING:
    from egglog.bindings import EGraph, Value


def quote(text: str) -> str:
    """An egglog string literal.

    Example:
        >>> quote('a"b')
        '"a\\\\"b"'
    """
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def edges(names: frozenset[str]) -> str:
    """A set of edges, sorted so that the text does not depend on hash order.

    Example:
        >>> edges(frozenset("ki")), edges(frozenset())
        ('(set-of "i" "k")', '(set-empty)')
    """
    return f"(set-of {' '.join(quote(name) for name in sorted(names))})" if names else "(set-empty)"


def axes(names: tuple[str, ...]) -> str:
    """A list of axes.

    Example:
        >>> axes(("i", "k"))
        '(vec-of "i" "k")'
    """
    return f"(vec-of {' '.join(quote(name) for name in names)})" if names else "(vec-empty)"


def _rational(value: Fraction) -> str:
    """An exact rational."""
    return f"(bigrat {_integer(value.numerator)} {_integer(value.denominator)})"


def _integer(value: int) -> str:
    small = abs(value) < 2**62
    return f"(bigint {value})" if small else f'(from-string "{value}")'


def term(node: ENode, free: frozenset[str], child: Callable[[int], str]) -> str:
    """The egglog term of a node, given the text of its children.

    Example:
        >>> term(ENode("scale", Fraction(2), (7,)), frozenset(), lambda c: f"t{c}")
        '(scale (bigrat (bigint 2) (bigint 1)) t7)'
    """
    sorts = OPERATIONS[node.op].sorts
    if "Terms" in sorts:
        return f"({node.op} {edges(free)} (multiset-of {' '.join(map(child, node.children))}))"
    given = iter(node.payload) if isinstance(node.payload, tuple) else iter([node.payload])
    kids = map(child, node.children)
    columns = [next(kids) if sort == "Tensor" else _written(next(given)) for sort in sorts]
    return f"({node.op} {' '.join(columns)})"


def _written(value: Payload) -> str:
    match value:
        case Fraction():
            return _rational(value)
        case frozenset():
            return edges(value)
        case tuple():
            return axes(tuple(map(str, value)))
    return quote(str(value))


class Reader:
    """Reads the rows of an e-graph; sets, lists and strings are converted once each."""

    def __init__(self, egraph: EGraph) -> None:
        """Reads from this e-graph."""
        self.egraph = egraph
        self._seen: dict[tuple[str, Value], object] = {}
        self._sets: dict[Value, frozenset[str]] = {}

    def _once(self, kind: str, value: Value, read: Callable[[Value], T]) -> T:
        key = (kind, value)
        if key not in self._seen:
            self._seen[key] = read(value)
        return self._seen[key]  # type: ignore[return-value]

    def string(self, value: Value) -> str:
        """A string."""
        return self._once("string", value, self.egraph.value_to_string)

    def names(self, value: Value) -> tuple[str, ...]:
        """A list of axes."""
        return self._once("axes", value, lambda v: tuple(self.string(x) for x in self.egraph.value_to_vec(v)))

    def set(self, value: Value) -> frozenset[str]:
        """A set of edges."""
        found = self._sets.get(value)
        if found is None:  # read for most rows of an e-graph, so without the detour of `_once`
            found = frozenset(self.string(x) for x in self.egraph.value_to_set(value))
            self._sets[value] = found
        return found

    def rational(self, value: Value) -> Fraction:
        """An exact rational."""
        return self._once("rational", value, self.egraph.value_to_bigrat)

    def row(self, op: str, inputs: list[Value]) -> tuple[Payload, list[Value]]:
        """The payload and the child classes of one row of a constructor."""
        sorts = OPERATIONS[op].sorts
        if "Terms" in sorts:
            return None, list(self.egraph.value_to_multiset(inputs[-1]))
        read = {"String": self.string, "Axes": self.names, "Edges": self.set, "BigRat": self.rational}
        given = tuple(read[sort](value) for sort, value in zip(sorts, inputs, strict=True) if sort in read)
        kids = [value for sort, value in zip(sorts, inputs, strict=True) if sort == "Tensor"]
        payload = given if len(given) > 1 else next(iter(given), None)
        return cast(Payload, payload), kids


def statements(facts: Iterable[Fact]) -> str:
    """The facts by the name of the variable and the positions of its axes.

    Example:
        >>> from tensorgrad_eg.assume import one_hot
        >>> from tensorgrad_eg.expr import Variable
        >>> statements([one_hot(Variable("Y", ["b", "c"]), "c")])
        '(one-hot "Y" 1)'
        >>> from tensorgrad_eg.assume import antisymmetric
        >>> statements([antisymmetric(Variable("A", i="n", j="n"))])
        '(exchange "A" $-1 (vec-of 0 1))'
    """
    return " ".join(map(_statement, facts))


def _statement(fact: Fact) -> str:
    if fact.kind == "antisymmetric" or (fact.kind == "symmetric" and len(fact.axes) > 2):
        sign = "$1" if fact.kind == "symmetric" else "$-1"
        places = " ".join(f"{min(pair)} {max(pair)}" for pair in fact.exchanged)
        return f"(exchange {quote(fact.variable.name)} {sign} (vec-of {places}))"
    axes = "".join(f" {axis}" for axis in fact.axes)
    return f"({fact.kind.replace('_', '-')} {quote(fact.variable.name)}{axes})"


#: How many terms one rule builds, and how many it may name.
_TERMS, _NAMED = 40, 120
#: A longer list of terms is put together from parts.
_WIDE = 40
_LIST = re.compile(rf"\(multiset-of((?: t\d+){{{_WIDE + 1},}})\)")
_NAME = re.compile(r"\bt(\d+)\b")


def chunks(weights: Sequence[int]) -> Iterator[range]:
    """Runs of neighbours, none of which has too many terms, nor weighs too much.

    Example:
        >>> list(chunks([100, 30, 1]))
        [range(0, 1), range(1, 3)]
    """
    start, total = 0, 0
    for at, weight in enumerate(weights):
        if at > start and (at - start >= _TERMS or total + weight > _NAMED):
            yield range(start, at)
            start, total = at, 0
        total += weight
    if weights:
        yield range(start, len(weights))


def builders(dag: Dag, first: int = 0) -> Iterator[tuple[set[int], str, int]]:
    """What makes a program, in order: the nodes needed, the actions, and how many nodes there are then.

    Its nodes before the `first` are there.
    """
    for part in chunks([1 + len(node.children) for node in dag.nodes[first:]]):
        chunk = range(first + part.start, first + part.stop)
        needed = {c for at in chunk for c in dag.nodes[at].children} - set(chunk)
        yield needed, " ".join(_action(dag, at) for at in chunk), chunk.stop


def _action(dag: Dag, at: int) -> str:
    made = f"(let t{at} {term(dag.nodes[at], dag.free[at], 't{}'.format)}) (set (node {at}) t{at})"
    if dag.nodes[at].op == "variable":
        made += f" (set (free t{at}) {edges(dag.free[at])})"
    return made


def in_parts(text: str, first: int) -> tuple[str, list[tuple[set[int], str]]]:
    """A text whose long lists of terms are named p1, p2, … instead, and what makes these lists.

    A list is `(pile n k)`, n counted from `first`, with the part k at its end. The text is to be read with
    `(= pn (pile n k))` for each.

    Example:
        >>> in_parts("(f (multiset-of t1 t2))", 1)
        ('(f (multiset-of t1 t2))', [])
    """
    parts: list[tuple[set[int], str]] = []
    names: dict[str, str] = {}

    def named(found: re.Match[str]) -> str:
        if found[1] not in names:
            number = first + len(names)
            names[found[1]] = f"(pile {number} {_listed(number, found[1].split(), parts)})"
        return names[found[1]]

    return _LIST.sub(named, text), parts


def _listed(number: int, terms: list[str], parts: list[tuple[set[int], str]]) -> int:
    """States a list in parts; the number of the last."""
    for n, start in enumerate(range(0, len(terms), _WIDE)):
        some = terms[start : start + _WIDE]
        made = f"(multiset-of {' '.join(some)})"
        if n:
            made = f"(multiset-sum (pile {number} {n - 1}) {made})"
        parts.append(({int(t[1:]) for t in some}, f"(set (pile {number} {n}) {made})"))
    return (len(terms) - 1) // _WIDE


_PILE = re.compile(r"\(pile (\d+) (\d+)\)")


def rule(name: str, nodes: Iterable[int], actions: str) -> str:
    """A rule that is run once: the nodes it names are looked up, and so are the lists it reads.

    Example:
        >>> rule("load-1", [3], "(set (root \\"e\\") t3)")[:62]
        '(ruleset load-1) (rule ((= t3 (node 3))) ((set (root "e") t3))'
    """
    named = {int(n) for n in _NAME.findall(actions)}
    query = [f"(= t{at} (node {at}))" for at in sorted(set(nodes) & named)]
    read = {found.group(): f"p{found[1]}" for found in _PILE.finditer(actions)}
    for pile, variable in read.items():
        if f"(set {pile}" not in actions:
            query.append(f"(= {variable} {pile})")
            actions = actions.replace(pile, variable)
    return (
        f"(ruleset {name}) (rule ({' '.join(query)}) ({actions}) :ruleset {name} :name {quote(name)})"
        f" (run-schedule (run {name}))"
    )

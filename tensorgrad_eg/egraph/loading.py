"""Programs and facts as rules of the engine: in pieces, since a rule is compiled in quadratic time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from tensorgrad_eg.egraph.term import Dag
from tensorgrad_eg.egraph.text import edges, quote, term

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


def builders(dag: Dag) -> Iterator[tuple[set[int], str, int]]:
    """What makes a program, in order: the nodes needed, the actions, and how many nodes there are then."""
    for chunk in chunks([1 + len(node.children) for node in dag.nodes]):
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

"""The variables of a text: which edges each has, and of which sizes.

>>> from tensorgrad_eg.expr.lexer import tokens
>>> sizes(tokens("A[i,k] A[j,k]"))
{'i': 'i', 'k': 'k', 'j': 'i'}
"""

from __future__ import annotations

from itertools import pairwise

from tensorgrad_eg.expr.leaves import Variable
from tensorgrad_eg.expr.lexer import Token
from tensorgrad_eg.expr.names import fresh

IDENTITY = ("δ", "delta")


def sizes(words: list[Token]) -> dict[str, str]:
    """Return the size symbol of every edge; edges at one place of one variable share the first name.

    >>> from tensorgrad_eg.expr.lexer import tokens
    >>> sizes(tokens("x[i] δ[j,i]"))
    {'i': 'i', 'j': 'i'}
    """
    symbol: dict[str, str] = {}
    first: dict[str, list[str]] = {}
    for name, edges in _subscripts(words):
        for edge in edges:
            symbol.setdefault(edge, edge)
        same = edges[:1] * len(edges) if name in IDENTITY else first.setdefault(name, edges)
        if not name.isidentifier():
            continue  # a number: it has the edges that it has here
        for edge, other in zip(edges, same, strict=False):
            old, new = sorted((symbol[edge], symbol[other]), key=list(symbol).index, reverse=True)
            symbol = {key: new if value == old else value for key, value in symbol.items()}
    return symbol


def declare(name: str, edges: tuple[str, ...], symbols: dict[str, str]) -> Variable:
    """Return the variable that appears first with these edges; one that repeats is told apart by underscores.

    >>> declare("A", ("i", "i"), {"i": "i"})
    Variable('A', i='i', i_='i')
    """
    shape: dict[str, str] = {}
    for edge in edges:
        shape[fresh(edge, {*shape, *(edges if edge in shape else ())})] = symbols[edge]
    return Variable(name, shape)


def _subscripts(words: list[Token]) -> list[tuple[str, list[str]]]:
    """Return every name with brackets behind it, and the names in the brackets."""
    found: list[tuple[str, list[str]]] = []
    inside = False
    for before, word in pairwise(words):
        if word.text == "[" and before.kind in ("name", "number"):
            found.append((before.text, []))
            inside = True
        elif inside and word.kind == "name":
            found[-1][1].append(word.text)
        elif word.text not in ("[", ","):
            inside = False
    return found

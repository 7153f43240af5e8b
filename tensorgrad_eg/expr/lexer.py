"""The tokens of index notation, a cursor over them, and the sizes that a text declares.

>>> [token.text for token in tokens("Σ_k A[i,k] x[k]^2")]
['Σ_k', 'A', '[', 'i', ',', 'k', ']', 'x', '[', 'k', ']', '^', '2', '']
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import NamedTuple

from tensorgrad_eg.errors import ParseError, TensorgradError, pointed
from tensorgrad_eg.expr.leaves import Variable
from tensorgrad_eg.expr.names import fresh

# What people type or copy from a page, one character for one, so that positions stay.
_SAME = str.maketrans({"∑": "Σ", "−": "-", "·": "*", "×": "*", "⋅": "*"})
_TOKEN = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<number>(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?)"
    r"|(?P<name>[^\W\d]\w*)"
    r"|(?P<sign>\*\*|[-+*/^()\[\]{},|])"
)


class Token(NamedTuple):
    """A piece of text: its kind ("number", "name", "sign" or "end"), the text, and where it starts and stops.

    >>> tokens("2")[0]
    Token(kind='number', text='2', start=0, stop=1)
    """

    kind: str
    text: str
    start: int
    stop: int


def tokens(text: str) -> list[Token]:
    """Split a text into tokens; the last one is the end.

    >>> [token.kind for token in tokens("2 x")]
    ['number', 'name', 'end']
    """
    found: list[Token] = []
    plain, position = text.translate(_SAME), 0
    while position < len(plain):
        match = _TOKEN.match(plain, position)
        if match is None or match.lastgroup is None:
            raise ParseError.at(text, position, f"'{text[position]}' has no meaning here")
        kind, word = str(match.lastgroup), match.group()
        if kind == "name" and not word.isidentifier():
            raise ParseError.at(text, position, f"'{word}' is no name; write powers as in x^2")
        if kind != "space":
            found.append(Token(kind, word, position, match.end()))
        position = match.end()
    return [*found, Token("end", "", len(plain), len(plain))]


DEEPEST = 60


class Cursor:
    """A text, its tokens, and the place that has been reached.

    >>> Cursor("x").word.text
    'x'
    """

    def __init__(self, text: str) -> None:
        """Start at the first token."""
        self.text = text
        self.words = tokens(text)
        self.place = 0
        self.depth = 0

    @property
    def word(self) -> Token:
        """The next token."""
        return self.words[self.place]

    def take(self, *signs: str) -> Token | None:
        """Step over the next token if it is one of these signs.

        >>> Cursor("x").take("+") is None
        True
        """
        word = self.word
        if word.kind != "sign" or word.text not in signs:
            return None
        self.place += 1
        return word

    def expect(self, sign: str, also: str = "") -> Token:
        """Step over this sign, or raise an error; `also` says what else could stand here.

        >>> Cursor("(").expect("(").text
        '('
        """
        word = self.take(sign)
        if word is None:
            raise self.error(f"expected {also}'{sign}'")
        return word

    def name(self, what: str) -> Token:
        """Step over a name, or say what should be named.

        >>> Cursor("x").name("a tensor").text
        'x'
        """
        word = self.word
        if word.kind != "name":
            raise self.error(f"expected the name of {what}")
        self.place += 1
        return word

    def edges(self, opening: str, closing: str) -> tuple[str, ...]:
        """Step over names in brackets, with commas between.

        >>> Cursor("{i, k}").edges("{", "}")
        ('i', 'k')
        """
        self.expect(opening)
        names: list[str] = []
        while not self.take(closing):
            if names and not self.take(","):
                raise self.error(f"expected ',' or '{closing}'")
            names.append(self.name("an edge").text)
        return tuple(names)

    def error(self, problem: str, word: Token | None = None) -> ParseError:
        """Return an error that points at a token, or at the next one.

        >>> print(Cursor("x").error("no good"))
        no good (position 1)
          x
          ^
        """
        return ParseError.at(self.text, (word or self.word).start, problem)

    @contextmanager
    def at(self, word: Token) -> Iterator[None]:
        """Let errors of what is built here keep their class, and point at this token."""
        try:
            yield
        except ParseError:
            raise
        except TensorgradError as error:
            raise type(error)(pointed(self.text, word.start, str(error))) from None

    @contextmanager
    def nested(self) -> Iterator[None]:
        """Refuse what is nested too deeply for the stack."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.error(f"brackets and sums are nested more than {DEEPEST} deep; build this in Python")
        yield
        self.depth -= 1


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

"""The tokens of index notation.

>>> [token.text for token in tokens("Σ_k A[i,k] x[k]^2")]
['Σ_k', 'A', '[', 'i', ',', 'k', ']', 'x', '[', 'k', ']', '^', '2', '']
"""

from __future__ import annotations

import re
from typing import NamedTuple

from tensorgrad_eg.errors import ParseError

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

"""Text as tokens, and a cursor over them that knows where it is: what the parser reads.

>>> [token.text for token in tokens("x[k]^2")]
['x', '[', 'k', ']', '^', '2', '']
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from tensorgrad_eg.errors import ParseError, TensorgradError, pointed

# What people type or copy from a page, one character for one, so that positions stay.
_SAME = str.maketrans({"∑": "Σ", "−": "-", "·": "*", "×": "*", "⋅": "*"})
_TOKEN = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<number>(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?)"
    r"|(?P<name>[^\W\d]\w*)"
    r"|(?P<sign>\*\*|[<>=!]=|[-+*/^()\[\]{},|<>])"
)


DEEPEST = 60


class Token(NamedTuple):
    """A piece of text: its kind ("number", "name", "sign" or "end"), and where it starts and stops."""

    kind: str
    text: str
    start: int
    stop: int


def tokens(text: str) -> list[Token]:
    """Split a text into tokens; the last one is the end."""
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


class Cursor:
    """A text, its tokens, and the place that has been reached."""

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
        """Step over the next token if it is one of these signs."""
        word = self.word
        if word.kind != "sign" or word.text not in signs:
            return None
        self.place += 1
        return word

    def expect(self, sign: str, also: str = "") -> Token:
        """Step over this sign, or raise an error; `also` says what else could stand here."""
        word = self.take(sign)
        if word is None:
            raise self.error(f"expected {also}'{sign}'")
        return word

    def name(self, what: str) -> Token:
        """Step over a name, or say what should be named."""
        word = self.word
        if word.kind != "name":
            raise self.error(f"expected the name of {what}")
        self.place += 1
        return word

    def edges(self, opening: str, closing: str) -> tuple[str, ...]:
        """Step over names in brackets, with commas between."""
        self.expect(opening)
        names: list[str] = []
        while not self.take(closing):
            if names and not self.take(","):
                raise self.error(f"expected ',' or '{closing}'")
            names.append(self.name("an edge").text)
        return tuple(names)

    def error(self, problem: str, word: Token | None = None) -> ParseError:
        """Return an error that points at a token, or at the next one."""
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

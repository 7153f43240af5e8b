"""A place in a text of index notation: stepping over tokens, and errors that point at them.

>>> cursor = Cursor("A[i]")
>>> cursor.name("a tensor").text, cursor.edges("[", "]")
('A', ('i',))
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tensorgrad_eg.errors import ParseError, TensorgradError, pointed
from tensorgrad_eg.expr.lexer import Token, tokens

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

"""The base of all errors, and how their messages are put together."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def suggestion(word: str, choices: Iterable[str]) -> str:
    """Return " Did you mean …?" for the choices closest to a word, or nothing when none is near.

    >>> suggestion("sofmax", ["softmax", "tanh"])
    " Did you mean 'softmax'?"
    >>> suggestion("q", ["softmax"])
    ''
    """
    known = sorted(set(choices))
    lowered = {choice.lower(): choice for choice in reversed(known)}
    near = get_close_matches(word.lower(), sorted(lowered), n=2, cutoff=0.6)
    return f" Did you mean {' or '.join(repr(lowered[match]) for match in near)}?" if near else ""


def listing(names: Iterable[object]) -> str:
    """Return names separated by commas, or "none".

    >>> listing(["i", "k"]), listing([])
    ('i, k', 'none')
    """
    return ", ".join(map(str, names)) or "none"


def ended(text: str) -> str:
    """Return a text as a sentence.

    >>> ended("a rule has a name"), ended("Did you mean 'sin'?")
    ('a rule has a name.', "Did you mean 'sin'?")
    """
    return text if text.endswith((".", "?")) else f"{text}."


def a(noun: str) -> str:
    """Return a noun with its article.

    >>> a("edge"), a("list")
    ('an edge', 'a list')
    """
    return f"{'an' if noun[:1] in 'aeiou' else 'a'} {noun}"


def pointed(text: str, index: int, problem: str) -> str:
    """Return a message with the line of the text that it is about, and a caret under the place.

    >>> print(pointed("x[k] + y[k", 10, "expected ']'"))
    expected ']' (position 11)
      x[k] + y[k
                ^
    """
    start = text.rfind("\n", 0, index) + 1
    line = text[start:].split("\n")[0].replace("\t", " ")
    return f"{problem} (position {index + 1})\n  {line}\n  {' ' * (index - start)}^"


class TensorgradError(Exception):
    """The base of all errors of this package.

    >>> str(TensorgradError("what happened. What to do."))
    'what happened. What to do.'
    """

    def __init_subclass__(cls) -> None:
        """Show every error where users find it, in `tensorgrad_eg.errors`."""
        super().__init_subclass__()
        if cls.__module__.startswith("tensorgrad_eg.errors."):
            cls.__module__ = "tensorgrad_eg.errors"

    def __str__(self) -> str:
        """Return the message itself; KeyError, for one, would quote it."""
        return str(self.args[0]) if self.args else ""

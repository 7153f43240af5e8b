"""Names and texts that are safe to put into source, whatever they were called.

>>> identifiers(["A", "W 1", "lambda", "np"])
{'A': 'A', 'W 1': 'W_1', 'lambda': 'lambda_', 'np': 'np_'}
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from keyword import iskeyword
from string import ascii_letters
from unicodedata import normalize

from tensorgrad_eg.program.naming import RESERVED


def identifiers(names: Iterable[str]) -> dict[str, str]:
    """A distinct identifier for every name, the name itself where it is one.

    >>> identifiers(["a-b", "a_b"])
    {'a-b': 'a_b_1', 'a_b': 'a_b'}
    """
    wanted = list(dict.fromkeys(names))
    used = {name for name in wanted if _usable(name)}
    found: dict[str, str] = {}
    for name in wanted:
        found[name] = name if _usable(name) else _invented(name, used)
        used.add(found[name])
    return found


def _usable(name: str) -> bool:
    return (
        name.isidentifier()
        and normalize("NFKC", name) == name
        and not iskeyword(name)
        and name not in RESERVED
    )


def _invented(name: str, used: set[str]) -> str:
    stem = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in name) or "v"
    stem = f"v{stem}" if stem[0].isdigit() else f"{stem}_" if iskeyword(stem) or stem in RESERVED else stem
    choices = (stem if number == 0 else f"{stem}_{number}" for number in range(len(used) + 2))
    return next(choice for choice in choices if choice not in used and _usable(choice))


def plain(text: str) -> str:
    r"""A text that can stand in a comment or in a docstring: printable, without backslashes and double
    quotes.

    >>> plain('a\n"b"')
    "a?'b'"
    """
    shown = "".join(letter if letter.isprintable() else "?" for letter in text)
    return shown.replace("\\", "/").replace('"', "'")


def letters(labels: Sequence[str], ascending: Sequence[str] = ()) -> dict[str, str]:
    """A letter for every label, as einsum wants them: its own if it is one letter, else one of its letters,
    else any.

    The labels `ascending` get letters in alphabetical order: torch sums in that order, and copies when the
    memory is in another.

    >>> letters(["i", "k", "batch", "k_1"])
    {'i': 'i', 'k': 'k', 'batch': 'b', 'k_1': 'K'}
    >>> letters(["z", "a"], ascending=["z", "a"])
    {'z': 'a', 'a': 'b'}
    """
    found: dict[str, str] = {}
    single = [label for label in labels if len(label) == 1 and label in ascii_letters]
    for label in [*single, *labels]:
        if label not in found:
            found[label] = _letter(label, set(found.values()))
    present = [found[label] for label in ascending]
    if present != sorted(present):
        free = [
            letter
            for letter in "abcdefghijklmnopqrstuvwxyz"
            if letter not in found.values() or letter in present
        ]
        found.update(zip(ascending, free, strict=False))
    return found


def _letter(label: str, used: set[str]) -> str:
    own = [letter for letter in label if letter in ascii_letters]
    choices = [*own, *(letter.swapcase() for letter in own), *ascii_letters, *map(chr, range(192, 1000))]
    free: Iterator[str] = (letter for letter in choices if letter not in used)
    return next(free)

"""The text of rule files as nested forms, each with the line it begins in.

>>> [form] = parse('(rewrite (f a) a :name "one")  ; f a = a', "mine.egg")
>>> form[0], form.line, form.comment
('rewrite', 1, 'f a = a')
>>> show(form)
'(rewrite (f a) a :name "one")'
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Self

from tensorgrad_eg.errors import RuleSyntaxError

#: How deep forms may be nested: rules need a dozen levels.
DEPTH = 100
_TOKEN = re.compile(r';[^\n]*|"[^"\n]*"|[()\n]|[^\s()";]+|"')


class Form(tuple["SExpr", ...]):
    """A pair of parentheses and what stands in it: words and further forms.

    >>> Form(["number", "q"], line=3).line
    3
    """

    line: int
    comment: str

    def __new__(cls, items: Iterable[SExpr] = (), line: int = 0, comment: str = "") -> Self:
        """Make a tuple that knows its line, and the comment that trails it."""
        self = super().__new__(cls, items)
        self.line, self.comment = line, comment
        return self

    def having(self, items: Iterable[SExpr]) -> Form:
        """Return other items in the same place.

        >>> Form(["f", "a"], 3).having(["f", "b"])
        ('f', 'b')
        """
        return Form(items, self.line, self.comment)


SExpr = str | Form


def show(form: SExpr) -> str:
    """Return a form as text, on one line.

    >>> show(Form(["f", Form(["g", "a"])]))
    '(f (g a))'
    """
    return form if isinstance(form, str) else f"({' '.join(map(show, form))})"


def head(form: SExpr) -> str:
    """Return the first word of a form, or nothing if it has none.

    >>> head(Form(["f", "a"])), head("a"), head(Form())
    ('f', '', '')
    """
    return form[0] if isinstance(form, Form) and form and isinstance(form[0], str) else ""


def option(form: Form, key: str) -> SExpr | None:
    """Return what follows a keyword in a form.

    >>> option(Form(["rule", ":name", '"one"']), ":name")
    '"one"'
    """
    return next((form[at + 1] for at, item in enumerate(form[:-1]) if item == key), None)


def forms_in(term: SExpr) -> list[Form]:
    """Return a form and every form within it.

    >>> forms_in(Form(["f", Form(["g", "a"])]))
    [('f', ('g', 'a')), ('g', 'a')]
    """
    return [] if isinstance(term, str) else [term, *(inner for item in term for inner in forms_in(item))]


def words_in(term: SExpr) -> list[str]:
    """Return every word of a term, in order.

    >>> words_in(Form(["f", Form(["g", "a"])]))
    ['f', 'g', 'a']
    """
    return [term] if isinstance(term, str) else [word for item in term for word in words_in(item)]


def leaves(term: SExpr) -> list[str]:
    """Return the words of a term without the names that begin its forms.

    >>> leaves(Form(["f", Form(["g", "a"]), "b"]))
    ['a', 'b']
    """
    if isinstance(term, str):
        return [term]
    return [word for item in (term[1:] if head(term) else term) for word in leaves(item)]


def parse(text: str, file: str) -> list[Form]:
    """Return the top-level forms of a text.

    Raises:
        RuleSyntaxError: if parentheses or quotation marks do not match, if something stands outside a
            form, or if forms are nested beyond all need.
    """
    reader = _Reader(file)
    for token in _TOKEN.finditer(text):
        reader.take(token.group())
    return reader.end()


class _Reader:
    """Takes one word after the other; without recursion, however deep the text."""

    def __init__(self, file: str) -> None:
        self.file, self.line = file, 1
        self.found: list[Form] = []
        self.open: list[tuple[list[SExpr], int]] = []
        self.closed_in = 0

    def take(self, word: str) -> None:
        if word == "\n":
            self.line += 1
        elif word.startswith(";"):
            self._comment(word)
        elif word == "(":
            if len(self.open) == DEPTH:
                raise self._error(f"forms are nested more than {DEPTH} deep here. Give the parts names")
            self.open.append(([], self.line))
        elif word == ")":
            self._close()
        elif word == '"':
            raise self._error("a quotation mark is never closed on its line")
        elif not self.open:
            raise self._error(f"{word[:40]!r} stands outside a form")
        elif not word.isprintable() or "\\" in word:
            raise self._error(f"{word[:40]!r} has a backslash, or characters that cannot be printed")
        else:
            self.open[-1][0].append(word)

    def _comment(self, text: str) -> None:
        if self.found and not self.open and self.closed_in == self.line:
            self.found[-1].comment = text.lstrip("; ").rstrip()

    def _close(self) -> None:
        if not self.open:
            raise self._error("a closing parenthesis too many")
        items, line = self.open.pop()
        form = Form(items, line)
        if self.open:
            self.open[-1][0].append(form)
        else:
            self.found.append(form)
            self.closed_in = self.line

    def _error(self, problem: str, line: int = 0) -> RuleSyntaxError:
        return RuleSyntaxError.at(self.file, line or self.line, problem)

    def end(self) -> list[Form]:
        if self.open:
            raise self._error("this form is never closed", self.open[0][1])
        return self.found

"""The text of rule files as nested forms, and their words: what is declared, which rulesets run when.

>>> [form] = parse('(rewrite (f a) a :name "one")  ; f a = a', "mine.egg")
>>> form[0], form.line, form.comment
('rewrite', 1, 'f a = a')
>>> show(form)
'(rewrite (f a) a :name "one")'
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

from tensorgrad_eg.errors import RuleSyntaxError

#: How deep forms may be nested: rules need a dozen levels.
DEPTH = 100
_TOKEN = re.compile(r';[^\n]*|"[^"\n]*"|[()\n]|[^\s()";]+|"')
#: What may be computed, with the least and the greatest number of operands. None of these has an effect, and
#: none of them ends the process.
COMPUTED: dict[str, tuple[int, int]] = {
    **dict.fromkeys(
        ("+", "-", "*", "/", "%", "min", "max", "bigrat", "ordering-min", "ordering-max"), (2, 2)
    ),
    **dict.fromkeys(("neg", "abs", "bigint", "numer", "denom", "to-f64"), (1, 1)),
    **dict.fromkeys(("set-empty", "vec-empty"), (0, 0)),
    **dict.fromkeys(("set-of", "vec-of", "multiset-of"), (0, 1000)),
    **dict.fromkeys(("set-length", "vec-length", "multiset-length", "vec-pop"), (1, 1)),
    **dict.fromkeys(("multiset-pick", "multiset-pick-max"), (1, 1)),
    **dict.fromkeys(
        ("set-insert", "set-remove", "set-union", "set-intersect", "set-diff", "set-get"), (2, 2)
    ),
    **dict.fromkeys(("vec-push", "vec-get"), (2, 2)),
    **dict.fromkeys(("multiset-insert", "multiset-remove", "multiset-count", "multiset-sum"), (2, 2)),
    **dict.fromkeys(("multiset-subtract",), (2, 2)),
}
#: What may be asked of computed values, in conditions.
ASKED: dict[str, tuple[int, int]] = {
    **dict.fromkeys(("=", "!=", "<", ">", "<=", ">="), (2, 2)),
    **dict.fromkeys(("set-contains", "set-not-contains", "vec-contains", "vec-not-contains"), (2, 2)),
    **dict.fromkeys(("multiset-contains", "multiset-not-contains"), (2, 2)),
}
#: Computations that may have no value: a condition then does not hold, but no term can be built of them.
PARTIAL = frozenset(
    {"+", "-", "*", "/", "%", "abs", "set-get", "vec-get", "vec-pop"}
    | {"multiset-remove", "multiset-subtract", "multiset-pick", "multiset-pick-max"}
)
#: How the values that a function of one's own is given twice may be made one.
MERGES = frozenset({"old", "new", "min", "max", "set-union", "set-intersect", "ordering-min", "ordering-max"})
#: Functions of the project that a rule may set, and relations that it may state: facts of mathematics.
SETTABLE = frozenset({"least", "kept"})
STATABLE = frozenset(
    {
        "symmetric",
        "diagonal",
        "orthogonal",
        "positive",
        "positive-definite",
        "one-hot",
        "sums-to-one",
        "total",
        "cancels",
    }
    | {"exclusive", "zero-or-one", "sizelike", "summed", "centred"}
)
#: Names that this package gives to what it puts into an e-graph.
RESERVED = re.compile(r"node|root|load-.*|only-.*|t\d+")
#: Sorts that the engine brings along.
_BUILTIN = ("String", "i64", "f64", "BigRat", "BigInt")
#: Rulesets that gather facts, and run until there are no more: new terms in them might never end.
GATHERING = frozenset({"analysis", "prospect", "orders", "pairs", "volumes", "judge", "weigh"})
#: Those whose matches are not counted: what a search may do is no less for what they note.
UNCOUNTED = frozenset({"pairs"})
#: Rulesets whose rewrites replace: the left side is deleted once the right side is there.
DIRECTED = frozenset(
    {"recognise", "normalise", "substitute", "descend", "differentiate", "facts"}
    | {"expand", "flatten", "gather", "turn"}
)
#: Rulesets of equalities that keep both sides. Print and the last step of a search have some of their own.
EQUALITIES = frozenset({"accumulate", "search", "hoist", "distribute", "sink", "sunk", "meet", "written"})
#: The phase that brings a program to its normal form, …
NORMAL = frozenset({"analysis", "recognise", "normalise", "substitute", "descend"})
#: … that works out derivatives, …
DERIVE = NORMAL | {"differentiate"}
#: … that writes polynomials in one way for print, …
PRINT = NORMAL | {"hoist", "expand", "flatten", "weigh", "gather", "turn"}
#: … and that searches.
SEARCH = NORMAL | GATHERING - {"weigh"} | EQUALITIES


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
    """Return a form as text, on one line."""
    return form if isinstance(form, str) else f"({' '.join(map(show, form))})"


def head(form: SExpr) -> str:
    """Return the first word of a form, or nothing if it has none.

    >>> head(Form(["f", "a"])), head("a"), head(Form())
    ('f', '', '')
    """
    return form[0] if isinstance(form, Form) and form and isinstance(form[0], str) else ""


def option(form: Form, key: str) -> SExpr | None:
    """Return what follows a keyword in a form."""
    return next((form[at + 1] for at, item in enumerate(form[:-1]) if item == key), None)


def forms_in(term: SExpr) -> list[Form]:
    """Return a form and every form within it."""
    return [] if isinstance(term, str) else [term, *(inner for item in term for inner in forms_in(item))]


def words_in(term: SExpr) -> list[str]:
    """Return every word of a term, in order.

    >>> words_in(Form(["f", Form(["g", "a"])]))
    ['f', 'g', 'a']
    """
    return [term] if isinstance(term, str) else [word for item in term for word in words_in(item)]


def leaves(term: SExpr) -> list[str]:
    """Return the words of a term without the names that begin its forms."""
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


@dataclass(frozen=True)
class _Declared:
    """A constructor, a function or a relation: what it takes, what it gives, where it is declared."""

    kind: str
    inputs: tuple[str, ...]
    output: str
    where: str
    own: bool = False


@dataclass
class Vocabulary:
    """What has been declared so far: names with their sorts, numbers, rulesets, and the names of rules."""

    declared: dict[str, _Declared] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    rulesets: list[str] = field(default_factory=list)
    rules: dict[str, str] = field(default_factory=dict)
    sorts: dict[str, str] = field(default_factory=lambda: {sort: sort for sort in _BUILTIN})

    def copy(self) -> Vocabulary:
        """Return the same words, to be added to."""
        return Vocabulary(
            dict(self.declared), dict(self.values), list(self.rulesets), dict(self.rules), dict(self.sorts)
        )

    def declare(self, form: Form, where: str, own: bool = False) -> None:
        """Take in what a form declares; a rule declares its name."""
        match form:
            case ["constructor" | "function" as kind, str(name), Form() as inputs, str(output), *_]:
                self.declared[name] = _Declared(kind, _words(inputs), output, where, own)
            case ["relation", str(name), Form() as inputs]:
                self.declared[name] = _Declared("relation", _words(inputs), "", where, own)
            case ["sort", str(name), *rest]:
                self.sorts[name] = head(rest[0]) if rest else name
            case ["let", str(name), value]:
                self.values[name] = self.sort_of(value)
            case ["ruleset", str(name)]:
                self.rulesets.append(name)
            case ["rule" | "rewrite" | "birewrite", *_]:
                self.rules[str(option(form, ":name") or "").strip('"')] = where

    def sort_of(self, value: SExpr) -> str:
        """The sort of a number or of a value that a `let` gives a name; nothing where it is not plain."""
        if isinstance(value, str):
            return self.values.get(value, "") if value.startswith("$") else literal(value)
        first = head(value)
        if first in ("bigint", "bigrat", "numer", "denom"):
            return "BigRat" if first == "bigrat" else "BigInt"
        if first in ("set-empty", "set-of"):
            return "Edges"
        same = (
            {self.sort_of(item) for item in value[1:]} if first in ("+", "-", "*", "/", "neg", "abs") else ()
        )
        return next(iter(same)) if len(same) == 1 else ""


def literal(word: str) -> str:
    """Return the sort of a word that is a number or a text, nothing if it is a name."""
    if word.startswith('"'):
        return "String"
    number = word.removeprefix("-")
    if number.isascii() and number.isdigit():
        return "i64"
    whole, dot, rest = number.partition(".")
    return "f64" if dot and (whole + rest).isascii() and (whole + rest).isdigit() else ""


def variables(term: SExpr) -> list[str]:
    """Return the words of a term that stand for something it has to match."""
    return [word for word in leaves(term) if not literal(word) and not word.startswith("$")]


def alone(name: str) -> str:
    """The ruleset that holds one rule only, and is run by itself.

    >>> alone("sum of one term")
    'only-sum-of-one-term'
    """
    return "only-" + re.sub(r"\W+", "-", name)


def _words(form: Form) -> tuple[str, ...]:
    return tuple(word for word in form if isinstance(word, str))

"""The words of rule files: what is declared, and what a rule of a user may compute, state and delete.

>>> words = Vocabulary()
>>> words.declare(Form(["constructor", "scale", Form(["BigRat", "Tensor"]), "Tensor"]), "mine.egg:1")
>>> words.declared["scale"].inputs
('BigRat', 'Tensor')
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from tensorgrad_eg.rules.forms import Form, SExpr, head, leaves, option

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
    {"symmetric", "diagonal", "orthogonal", "positive", "one-hot", "sums-to-one", "total", "cancels"}
    | {"exclusive", "zero-or-one", "sizelike", "summed", "centred"}
)
#: Names that this package gives to what it puts into an e-graph.
RESERVED = re.compile(r"node|root|load-.*|only-.*|t\d+")
#: Sorts that the engine brings along.
_BUILTIN = ("String", "i64", "f64", "BigRat", "BigInt")


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
    """What has been declared so far: names with their sorts, numbers, rulesets, and the names of rules.

    >>> Vocabulary().sorts["i64"]
    'i64'
    """

    declared: dict[str, _Declared] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    rulesets: list[str] = field(default_factory=list)
    rules: dict[str, str] = field(default_factory=dict)
    sorts: dict[str, str] = field(default_factory=lambda: {sort: sort for sort in _BUILTIN})

    def copy(self) -> Vocabulary:
        """Return the same words, to be added to.

        >>> Vocabulary(values={"$1": "BigRat"}).copy().values
        {'$1': 'BigRat'}
        """
        return Vocabulary(
            dict(self.declared), dict(self.values), list(self.rulesets), dict(self.rules), dict(self.sorts)
        )

    def declare(self, form: Form, where: str, own: bool = False) -> None:
        """Take in what a form declares; a rule declares its name.

        >>> words = Vocabulary()
        >>> words.declare(Form(["let", "$1", Form(["bigint", "1"])]), "mine.egg:1")
        >>> words.values
        {'$1': 'BigInt'}
        """
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
        """Return the sort of a number or of a value that a `let` gives a name; nothing where it is not plain.

        >>> [Vocabulary().sort_of(text) for text in ("3", "0.5", '"a"', "$q")]
        ['i64', 'f64', 'String', '']
        """
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
    """Return the sort of a word that is a number or a text, nothing if it is a name.

    >>> literal("-2"), literal("2.5"), literal("a")
    ('i64', 'f64', '')
    """
    if word.startswith('"'):
        return "String"
    number = word.removeprefix("-")
    if number.isascii() and number.isdigit():
        return "i64"
    whole, dot, rest = number.partition(".")
    return "f64" if dot and (whole + rest).isascii() and (whole + rest).isdigit() else ""


def variables(term: SExpr) -> list[str]:
    """Return the words of a term that stand for something it has to match.

    >>> variables(Form(["scale", "$2", Form(["power", "a", "q"])]))
    ['a', 'q']
    """
    return [word for word in leaves(term) if not literal(word) and not word.startswith("$")]


def alone(name: str) -> str:
    """The ruleset that holds one rule only, and is run by itself.

    >>> alone("sum of one term")
    'only-sum-of-one-term'
    """
    return "only-" + re.sub(r"\W+", "-", name)


def _words(form: Form) -> tuple[str, ...]:
    return tuple(word for word in form if isinstance(word, str))

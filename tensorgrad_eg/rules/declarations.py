"""Declarations in a rule file of a user: relations, functions, constructors and values of its own."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tensorgrad_eg.errors import RuleSyntaxError, listing, suggestion
from tensorgrad_eg.rules.forms import Form, SExpr, forms_in, head, show, words_in
from tensorgrad_eg.rules.terms import Terms, doing
from tensorgrad_eg.rules.vocabulary import ASKED, COMPUTED, MERGES, RESERVED, Vocabulary, variables

_NAME = re.compile(r"[^\W\d][\w'-]*")


class Declarations:
    """Checks what a file declares.

    >>> words = Vocabulary()
    >>> Declarations("mine.egg", words).relation(Form(["relation", "even", Form(["Tensor"])], 3))
    Traceback (most recent call last):
    tensorgrad_eg.errors.RuleSyntaxError: mine.egg:3: there is no sort Tensor; there are: String, i64, f64,
    BigRat, BigInt.
    """

    def __init__(self, file: str, words: Vocabulary) -> None:
        """Check a file of this name, which may use and must not repeat these words."""
        self.file, self.words = file, words

    def relation(self, form: Form) -> None:
        """Check `(relation …)`."""
        match form:
            case ["relation", str(name), Form() as inputs]:
                self._declares(form, name)
                self._sorts(form, inputs)
            case _:
                raise self._error(form, "a relation is declared as (relation name (Sort …))")

    def constructor(self, form: Form) -> None:
        """Check `(constructor …)`."""
        match form:
            case ["constructor", str(name), Form() as inputs, "Tensor"]:
                self._declares(form, name)
                self._sorts(form, inputs)
            case _:
                raise self._error(form, "a constructor is declared as (constructor name (Sort …) Tensor)")

    def function(self, form: Form) -> None:
        """Check `(function …)`."""
        match form:
            case ["function", str(name), Form() as inputs, str(output), ":merge", merge]:
                self._declares(form, name)
                self._sorts(form, [*inputs, output])
                self._merge(form, merge)
            case _:
                raise self._error(
                    form,
                    "a function is declared as (function name (Sort …) Sort :merge M), where M says which of "
                    "two values is kept: old, new, (min old new) or (max old new)",
                )

    def _merge(self, form: Form, merge: SExpr) -> None:
        for word in words_in(merge):
            if word not in MERGES:
                raise self._error(
                    form, f"{show(merge)} merges nothing: it may use {listing(sorted(MERGES))} only"
                )

    def let(self, form: Form) -> None:
        """Check `(let …)`."""
        match form:
            case ["let", str(name), value] if name.startswith("$") and name not in self.words.values:
                if not {head(part) for part in forms_in(value)} <= COMPUTED.keys() - {""}:
                    raise self._error(form, f"{name} can be a number or a set of edges, and no term")
                Terms(self.words, self.file).check(value, line=form.line)
                if variables(value):
                    raise self._error(form, f"{show(value)} has variables, which only rules have")
            case ["let", str(name), _] if name in self.words.values:
                raise self._error(form, f"{name} has a value already; choose another name")
            case _:
                raise self._error(form, "a value is named as (let $name value)")

    def _declares(self, form: Form, name: str) -> None:
        known = self.words.declared.get(name)
        if known:
            raise self._error(form, f"'{name}' is already declared in {known.where}; choose another name")
        engine = name in COMPUTED or name in ASKED or name in self.words.sorts or doing(name)
        if engine or RESERVED.fullmatch(name) or not _NAME.fullmatch(name):
            raise self._error(
                form, f"'{name}' cannot be declared: the engine uses it, or it is not a name of letters"
            )

    def _sorts(self, form: Form, sorts: Iterable[SExpr]) -> None:
        for sort in sorts:
            known = self.words.sorts
            if not isinstance(sort, str) or sort not in known:
                text = show(sort)
                raise self._error(
                    form, f"there is no sort {text}; there are: {listing(known)}.{suggestion(text, known)}"
                )

    def _error(self, form: Form, problem: str) -> RuleSyntaxError:
        return RuleSyntaxError.at(self.file, form.line, problem)

"""What a rule file of a user may contain: rules, and declarations of what they need. All else is refused.

The list is of what is allowed, not of what is forbidden: a form that the engine learns tomorrow
is refused too.
Nothing is run, and nothing is given to the engine, before the whole file has been checked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tensorgrad_eg.errors import ForbiddenRuleError, RuleSyntaxError, listing, suggestion
from tensorgrad_eg.rules.declarations import Declarations
from tensorgrad_eg.rules.forms import Form, head, show, words_in
from tensorgrad_eg.rules.statements import Statements
from tensorgrad_eg.rules.terms import doing
from tensorgrad_eg.rules.vocabulary import Vocabulary

#: The most forms in a file, and the most words in a form: what takes the engine seconds to read is no rule.
FORMS, WORDS = 2_000, 2_000


def check_file(forms: Iterable[Form], file: str, words: Vocabulary) -> None:
    """Check the forms of a user's file one after the other; what they declare is added to the words.

    Raises:
        ForbiddenRuleError: if a form does more than state a rule.
        RuleSyntaxError: if a form is not what it should be; each message says what it should be.
    """
    judge = _File(file, words)
    for number, form in enumerate(forms):
        if number == FORMS:
            raise RuleSyntaxError.at(file, form.line, f"there are more than {FORMS} forms; split the file")
        judge.form(form)


class _File:
    def __init__(self, file: str, words: Vocabulary) -> None:
        self.file, self.words = file, words
        declared, stated = Declarations(file, words), Statements(file, words)
        self.kinds: dict[str, Callable[[Form], None]] = {
            "rewrite": stated.rewrite,
            "birewrite": stated.rewrite,
            "rule": stated.rule,
            "relation": declared.relation,
            "constructor": declared.constructor,
            "function": declared.function,
            "let": declared.let,
        }

    def form(self, form: Form) -> None:
        """Check one top-level form, then take in what it declares."""
        name = head(form)
        if len(words_in(form)) > WORDS:
            raise RuleSyntaxError.at(self.file, form.line, f"this form has more than {WORDS} words")
        if name not in self.kinds:
            raise self._refused(form, name)
        self.kinds[name](form)
        self.words.declare(form, f"{self.file}:{form.line}", own=True)

    def _refused(self, form: Form, name: str) -> RuleSyntaxError | ForbiddenRuleError:
        if not name:
            return RuleSyntaxError.at(
                self.file, form.line, f"{show(form)[:60]} is empty, or does not begin with a name"
            )
        own = {
            "ruleset": "makes a ruleset, which nothing would run. "
            f"The rulesets are: {listing(self.words.rulesets)}",
            "sort": "makes a sort. Those there are: "
            + listing(s for s in self.words.sorts if s not in ("Map", "Index")),
            "datatype": "makes a sort. Declare a constructor with the result Tensor",
            "union": "makes two terms equal outside of any rule",
            "set": "states a value outside of any rule",
            "delete": "deletes terms outside of any rule",
        }
        if name in own or doing(name):
            return ForbiddenRuleError.at(self.file, form.line, f"'{name}' {own.get(name) or doing(name)}")
        if name in self.words.declared:
            return ForbiddenRuleError.at(
                self.file, form.line, f"'{name}' states a fact outside of any rule; use assume=[…]"
            )
        hint = suggestion(name, self.kinds)
        return ForbiddenRuleError.at(
            self.file, form.line, f"'{name}' begins no rule; {listing(self.kinds)} do.{hint}".rstrip(".")
        )

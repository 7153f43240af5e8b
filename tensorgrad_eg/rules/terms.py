"""Declarations and terms in rules, checked: names are declared, and have the operands and sorts they take.

>>> words = Vocabulary()
>>> words.declare(Form(["constructor", "scale", Form(["BigRat", "Tensor"]), "Tensor"]), "language:1")
>>> Terms(words, "mine.egg").check(Form(["scale", "q"], 7))
Traceback (most recent call last):
tensorgrad_eg.errors.RuleSyntaxError: mine.egg:7: (scale q) has 1 operand, but scale takes 2: BigRat Tensor.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from tensorgrad_eg.errors import ForbiddenRuleError, RuleSyntaxError, listing, suggestion
from tensorgrad_eg.rules.forms import (
    ASKED,
    COMPUTED,
    MERGES,
    RESERVED,
    Form,
    SExpr,
    Vocabulary,
    forms_in,
    head,
    literal,
    show,
    variables,
    words_in,
)

#: Computations whose result, and whose operands, are all of one sort.
_ALIKE = frozenset({"+", "-", "*", "/", "%", "min", "max", "neg", "abs", "ordering-min", "ordering-max"})
#: Words of the engine that do things instead of stating them, and what they do.
_DOING = {
    "py-": "runs Python",
    "output": "writes a file",
    "input": "reads a file",
    "include": "reads a file",
    "print-": "prints, or writes a file",
    "extract": "prints a term",
    "panic": "ends the search",
    "check": "is a question, and no rule",
    "prove": "is a question, and no rule",
    "query": "is a question, and no rule",
    "fail": "is a question, and no rule",
    "run": "runs rules, which is done by the search",
    "saturate": "runs rules, which is done by the search",
    "repeat": "runs rules, which is done by the search",
    "seq": "runs rules, which is done by the search",
    "push": "changes the state of the engine",
    "pop": "changes the state of the engine",
    "set-option": "changes the state of the engine",
    "simplify": "changes the state of the engine",
    "subsume": "hides terms that other rules need",
    "unstable-": "is an instrument of the engine",
}

_NAME = re.compile(r"[^\W\d][\w'-]*")


@dataclass
class Terms:
    """Checks the terms of one rule; the sorts of its variables are learnt from where they stand."""

    words: Vocabulary
    file: str
    sorts: dict[str, str] = field(default_factory=dict)

    def check(self, term: SExpr, wanted: str = "", line: int = 0) -> str:
        """Check a term that should be of a sort, and return the sort that it has, if that is known.

        Raises:
            RuleSyntaxError: if a name is not declared, or has other operands than it takes.
            ForbiddenRuleError: if a name stands for something that a rule may not do.
        """
        found = self._word(term, wanted, line) if isinstance(term, str) else self._call(term, wanted)
        if wanted and found and wanted != found:
            at = term.line if isinstance(term, Form) else line
            raise self._error(at, f"{show(term)} is a {found} where a {wanted} is needed")
        return found or wanted

    def fact(self, form: SExpr, line: int) -> None:
        """Check a condition: an equation, a comparison, a relation, or a term that has to be there."""
        if not isinstance(form, Form):
            raise self._error(line, f"{form} is no condition; write it in parentheses")
        name = head(form)
        if name not in ASKED:
            self.check(form)
            return
        least, most = ASKED[name]
        self._count(form, least, most, str(least))
        if "contains" in name:
            for item in form[1:]:
                self.check(item, line=form.line)
            return
        sort = ""
        for _ in range(2):  # what one side teaches is true of the other
            for item in form[1:]:
                sort = self.check(item, sort, form.line)

    def _word(self, word: str, wanted: str, line: int) -> str:
        if word.startswith("$"):
            if word not in self.words.values:
                known = self.words.values
                raise self._error(
                    line, f"there is no value {word!r}; there are: {listing(known)}.{suggestion(word, known)}"
                )
            return self.words.values[word]
        if literal(word):
            return literal(word)
        if word.startswith((":", "@")):
            raise self._error(line, f"{word!r} cannot stand here")
        if word in self.words.declared or word in self.words.rulesets:
            raise self._error(line, f"'{word}' is a name of the rule files; call the variable otherwise")
        if wanted and word != "_" and not self.sorts.get(word):
            self.sorts[word] = wanted
        return self.sorts.get(word, "")

    def _call(self, form: Form, wanted: str) -> str:
        name = head(form)
        if not name:
            what = f"{show(form)[:60]} does not begin with a name" if form else "() is empty"
            raise self._error(form.line, what)
        if name in self.words.declared:
            return self._declared(form, wanted)
        if name == "unstable-multiset-map":
            return self._mapped(form)
        if name not in COMPUTED:
            raise self._unknown(form)
        least, most = COMPUTED[name]
        self._count(form, least, most, str(least))
        if name == "bigrat":
            self._fraction(form)
        sort = wanted if name in _ALIKE else ""
        inner = {"bigrat": "BigInt", "bigint": "i64", "numer": "BigRat", "denom": "BigRat"}.get(name, "")
        for item in form[1:]:
            found = self.check(item, inner or sort, form.line)
            sort = sort or (found if name in _ALIKE else "")
        if name == "+" and sort == "String":
            raise self._error(
                form.line, f"{show(form)[:60]} puts texts together, which would soon be endless"
            )
        self._divided(form)
        return sort if name in _ALIKE else {"bigrat": "BigRat"}.get(name, "BigInt" if inner else "")

    def _declared(self, form: Form, wanted: str) -> str:
        declared = self.words.declared[form[0]]  # type: ignore[index]
        takes = " ".join(declared.inputs) or "nothing"
        self._count(form, len(declared.inputs), len(declared.inputs), f"{len(declared.inputs)}: {takes}")
        for item, sort in zip(form[1:], declared.inputs, strict=True):
            self.check(item, sort, form.line)
        if wanted and not declared.output:
            raise self._error(form.line, f"{show(form)[:60]} is a condition, and no term")
        return declared.output

    def _mapped(self, form: Form) -> str:
        """(unstable-multiset-map (unstable-fn "name" …) terms): a constructor over the terms of a sum."""
        match form[1:]:
            case [["unstable-fn", str(name), *given], terms] if name.strip('"') in self.words.declared:
                declared = self.words.declared[name.strip('"')]
                if declared.kind != "constructor" or (*declared.inputs[-1:], declared.output) != (
                    "Tensor",
                    "Tensor",
                ):
                    raise self._error(form.line, f"{name} does not make a tensor of a tensor")
                self.check(form.having([name.strip('"'), *given, "_"]))
                self.check(terms, "Terms", form.line)
                return "Terms"
        raise self._error(form.line, '(unstable-multiset-map (unstable-fn "constructor" …) terms) is needed')

    def _fraction(self, form: Form) -> None:
        match form[2]:
            case ["bigint", str(below)] if literal(below) == "i64":
                if int(below) == 0:
                    raise self._error(form.line, f"{show(form)} divides by zero")
            case _:
                raise self._error(
                    form.line,
                    f"in {show(form)} the denominator has to be a number, as in (bigint 2). To divide, "
                    "write (/ p q)",
                )

    def _divided(self, form: Form) -> None:
        zeros = ("0", "0.0", "$0", "(bigint 0)", "(bigrat (bigint 0) (bigint 1))")
        if head(form) in ("/", "%") and show(form[2]) in zeros:
            raise self._error(form.line, f"{show(form)} divides by zero")

    def _count(self, form: Form, least: int, most: int, takes: str) -> None:
        count = len(form) - 1
        if not least <= count <= most:
            raise self._error(
                form.line,
                f"{show(form)[:80]} has {count} operand{'' if count == 1 else 's'}, "
                f"but {form[0]} takes {takes}",
            )

    def _unknown(self, form: Form) -> RuleSyntaxError | ForbiddenRuleError:
        name = head(form)
        if name in ASKED:
            return self._error(form.line, f"{show(form)[:60]} is a condition, and no term")
        does = doing(name)
        if does:
            return ForbiddenRuleError.at(self.file, form.line, f"'{name}' {does}")
        known = [*self.words.declared, *COMPUTED]
        return self._error(
            form.line,
            f"there is no constructor, function or relation {name!r} before this line."
            f"{suggestion(name, known)}",
        )

    def _error(self, line: int, problem: str) -> RuleSyntaxError:
        return RuleSyntaxError.at(self.file, line, problem)


def doing(name: str) -> str:
    """Return what a word of the engine does that is no rule, or nothing."""
    exact = _DOING.get(name) or next(
        (v for k, v in _DOING.items() if k[-1] == "-" and name.startswith(k)), ""
    )
    return exact or ("runs rules, which is done by the search" if name.startswith("run-") else "")


class Declarations:
    """Checks what a file declares."""

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

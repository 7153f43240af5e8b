"""The rules: each with its name, its ruleset and its place, and all of them as the engine reads them.

The mathematics of the project lives in ``rules/*.egg``. Directed rewrites become rules that delete their left
side.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from tensorgrad_eg.errors import RuleError
from tensorgrad_eg.rules.files import RuleFile
from tensorgrad_eg.rules.forms import Form, SExpr, head, option, show, words_in
from tensorgrad_eg.rules.phases import DIRECTED
from tensorgrad_eg.rules.vocabulary import alone


@dataclass(frozen=True)
class Rule:
    """One named rule of a rule file.

    Example:
        >>> from tensorgrad_eg.rules.files import rule_files
        >>> [r.ruleset for r in rules_of(rule_files()) if r.name == "commutativity"]
        ['search']
    """

    name: str
    ruleset: str
    file: str
    line: int
    form: Form
    comment: str = ""


@dataclass(frozen=True)
class Written:
    """A form as the engine reads it, and the place it comes from.

    >>> Written("(ruleset search)", "00_language.egg:59").where
    '00_language.egg:59'
    """

    text: str
    where: str


@lru_cache(maxsize=64)
def programs(
    files: tuple[RuleFile, ...],
    rulesets: frozenset[str] | None = None,
    apart: frozenset[str] = frozenset(),
    directed: frozenset[str] = DIRECTED,
) -> tuple[Written, ...]:
    """The forms of the rule files as the e-graph engine reads them, directed rewrites written out.

    With `rulesets`, only the rules of those; declarations are always there. Each rule of the rulesets in
    `apart` is also a ruleset of its own, named by `alone`, so that it can be run by itself.

    Example:
        >>> from tensorgrad_eg.rules.files import rule_files
        >>> any("(delete (contract m (number q) b))" in form.text for form in programs(rule_files()))
        True
        >>> apart = programs(rule_files(), apart=frozenset({"recognise"}))
        >>> "(ruleset only-once)" in [form.text for form in apart]
        True
    """
    found: list[Written] = []
    members: dict[str, list[str]] = {ruleset: [] for ruleset in sorted(apart)}
    for file in files:
        for form in file.forms:
            where = f"{file.name}:{form.line}"
            ruleset = _ruleset(form)
            if form[0] == "ruleset" and form[1] in members:
                continue  # the ruleset is put together of its rules, below
            if ruleset and rulesets is not None and ruleset not in rulesets:
                continue
            if ruleset in members:
                own = alone(_name(form))
                members[ruleset].append(own)
                found.append(Written(f"(ruleset {own})", where))
                found.append(Written(show(in_ruleset(_written_out(form, directed), own)), where))
            else:
                found.append(Written(show(_written_out(form, directed)), where))
    together = [f"(unstable-combined-ruleset {ruleset} {' '.join(own)})" for ruleset, own in members.items()]
    return (*found, *(Written(text, "the rulesets") for text in together))


def rules_of(files: Iterable[RuleFile]) -> list[Rule]:
    """Every rule of the files, in order; a rule without a name is an error.

    Raises:
        RuleError: if a rule has no name, or two rules share one.

    Example:
        >>> from tensorgrad_eg.rules.files import rule_files
        >>> any(rule.name == "associativity" for rule in rules_of(rule_files()))
        True
    """
    found: dict[str, Rule] = {}
    for file, form in ((each, form) for each in files for form in each.forms):
        if form[0] not in ("rewrite", "rule"):
            continue
        name = _name(form)
        if not name:
            raise RuleError(f'{file.name}:{form.line}: this rule has no name; add :name "what it says"')
        if name in found:
            raise RuleError(
                f'{file.name}:{form.line}: a rule named "{name}" is already in {found[name].file}; '
                "choose another name"
            )
        found[name] = Rule(name, _ruleset(form), file.name, form.line, form, form.comment)
    return list(found.values())


def named(forms: Iterable[Form], name: str) -> Iterator[Form]:
    """The forms that are the rule of this name.

    >>> list(named([Form(["rule", ":name", '"one"'])], "two"))
    []
    """
    return (form for form in forms if form[0] in ("rewrite", "rule") and _name(form) == name)


def in_ruleset(form: Form, ruleset: str) -> Form:
    """The same rule in another ruleset.

    >>> show(in_ruleset(Form(["rule", ":ruleset", "search"]), "judge"))
    '(rule :ruleset judge)'
    """
    before: list[SExpr] = ["", *form]
    return form.having(
        ruleset if key == ":ruleset" else item for key, item in zip(before, form, strict=False)
    )


def _written_out(form: Form, directed: frozenset[str] = DIRECTED) -> Form:
    """A rule as it stands, or, of a directed rewrite, the rule that deletes its left side."""
    if form[0] != "rewrite" or _ruleset(form) not in directed:
        return form
    _, left, right, *_ = form
    when = option(form, ":when")
    result = "result"
    while result in words_in(form):
        result += "'"
    facts: list[SExpr] = [Form(["=", result, left]), *(when if isinstance(when, Form) else ())]
    if isinstance(right, str) and right not in left:
        # The left side stays where it is what it would become: n (1/n a) = a may be all that a class has.
        # A term that has itself as an operand, a = Σ_∅ a, never is: a program cannot begin with it.
        facts.append(Form(["!=", result, right]))
    actions = Form([Form(["union", result, right]), Form(["delete", left])])
    options: list[SExpr] = [":ruleset", _ruleset(form), ":name", option(form, ":name") or ""]
    return form.having(["rule", Form(facts), actions, *options])


def _ruleset(form: Form) -> str:
    ruleset = option(form, ":ruleset") if head(form) in ("rewrite", "rule") else None
    return ruleset if isinstance(ruleset, str) else ""


def _name(form: Form) -> str:
    return show(option(form, ":name") or "").strip('"')

"""Rule files: where they are, and what they state.

The mathematics of the project lives in ``rules/*.egg``. This module finds the files, reads the rules with
their names and turns directed rewrites into rules that delete their left side.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tensorgrad_eg.errors import RuleError, RuleFileNotFoundError

#: Rulesets whose rewrites replace: the left side is deleted once the right side is there.
DIRECTED = frozenset({"recognise", "normalise", "substitute", "descend", "differentiate", "facts"})

SExpr = str | list["SExpr"]
_TOKEN = re.compile(r';[^\n]*|"(?:[^"\\]|\\.)*"|[()]|[^\s()";]+')


@dataclass(frozen=True)
class Rule:
    """One named rule of a rule file.

    Example:
        >>> [r.ruleset for r in rules_of(rule_files()) if r.name == "commutativity"]
        ['search']
    """

    name: str
    ruleset: str
    file: str
    line: int
    text: str
    comment: str = ""


def rule_folder() -> Path:
    """The folder of the rule files: inside an installed wheel, or the repository's own.

    Raises:
        RuleFileNotFoundError: if neither is there.

    Example:
        >>> (rule_folder() / "00_language.egg").exists()
        True
    """
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "_rules", package.parent / "rules"):
        if (folder / "00_language.egg").is_file():
            return folder
    raise RuleFileNotFoundError.of(str(package / "_rules"))


def rule_files(extra: Iterable[str | Path] = ()) -> tuple[Path, ...]:
    """The project's rule files in order, then the caller's own.

    Raises:
        RuleFileNotFoundError: if one of the caller's files does not exist.

    Example:
        >>> rule_files()[0].name
        '00_language.egg'
    """
    own = sorted(rule_folder().glob("*.egg"))
    more = [Path(path) for path in extra]
    for path in more:
        if not path.is_file():
            raise RuleFileNotFoundError.of(str(path), [str(p) for p in sorted(path.parent.glob("*.egg"))])
    return (*own, *more)


@lru_cache(maxsize=64)
def programs(
    files: tuple[Path, ...],
    rulesets: frozenset[str] | None = None,
    apart: frozenset[str] = frozenset(),
    directed: frozenset[str] = DIRECTED,
) -> tuple[str, ...]:
    """The forms of the rule files as the e-graph engine reads them, directed rewrites written out.

    With `rulesets`, only the rules of those; declarations are always there. Each rule of the rulesets in
    `apart` is also a ruleset of its own, named by `alone`, so that it can be run by itself.

    Example:
        >>> any("(delete (contract m (number q) b))" in form for form in programs(rule_files()))
        True
        >>> "(ruleset only-once)" in programs(rule_files(), apart=frozenset({"recognise"}))
        True
    """
    found: list[str] = []
    members: dict[str, list[str]] = {ruleset: [] for ruleset in sorted(apart)}
    for form in (form for path in files for form, _, _ in _forms(path)):
        ruleset = _option(form, ":ruleset") if form[0] in ("rewrite", "rule") else None
        if form[0] == "ruleset" and form[1] in members:
            continue  # the ruleset is put together of its rules, below
        if ruleset is None or rulesets is None or ruleset in rulesets:
            text = _written_out(form, directed)
            if ruleset in members:
                own = alone((_option(form, ":name") or "").strip('"'))
                members[ruleset].append(own)
                found.append(f"(ruleset {own})")
                text = re.sub(r" :ruleset [^\s()]+", f" :ruleset {own}", text)
            found.append(text)
    found += [f"(unstable-combined-ruleset {ruleset} {' '.join(own)})" for ruleset, own in members.items()]
    return tuple(found)


def alone(name: str) -> str:
    """The ruleset that holds one rule only, see `programs`.

    Example:
        >>> alone("sum of one term")
        'only-sum-of-one-term'
    """
    return "only-" + re.sub(r"\W+", "-", name)


def rules_of(files: Iterable[Path]) -> list[Rule]:
    """Every rule of the files, in order; a rule without a name is an error.

    Raises:
        RuleError: if a rule has no name, or two rules share one.

    Example:
        >>> any(rule.name == "associativity" for rule in rules_of(rule_files()))
        True
    """
    found: dict[str, Rule] = {}
    for path in files:
        for form, line, comment in _forms(path):
            if form[0] not in ("rewrite", "rule"):
                continue
            name = (_option(form, ":name") or "").strip('"')
            if not name:
                raise RuleError(f'{path.name}:{line}: this rule has no name; add :name "what it says"')
            if name in found:
                raise RuleError(
                    f'{path.name}:{line}: a rule named "{name}" is already in {found[name].file}; '
                    "choose another name"
                )
            found[name] = Rule(name, _option(form, ":ruleset") or "", path.name, line, _show(form), comment)
    return list(found.values())


def _forms(path: Path) -> Iterator[tuple[list[SExpr], int, str]]:
    """The top-level forms of a file with their line and the comment that trails them."""
    source = path.read_text(encoding="utf-8")
    stack: list[list[SExpr]] = []
    pending: tuple[list[SExpr], int] | None = None
    start = 0
    for token in _TOKEN.finditer(source):
        text, line = token.group(), source.count("\n", 0, token.start()) + 1
        if text.startswith(";"):
            if pending and not stack and source.count("\n", pending[1], token.start()) == 0:
                yield pending[0], start, text.lstrip("; ")
                pending = None
            continue
        if pending and not stack:
            yield pending[0], start, ""
            pending = None
        if text == "(":
            if not stack:
                start = line
            stack.append([])
        elif text == ")":
            if not stack:
                raise RuleError(f"{path.name}:{line}: a closing parenthesis too many")
            done = stack.pop()
            if stack:
                stack[-1].append(done)
            else:
                pending = (done, token.end())
        elif stack:
            stack[-1].append(text)
        else:
            raise RuleError(f"{path.name}:{line}: {text!r} stands outside a form")
    if stack:
        raise RuleError(f"{path.name}:{start}: this form is never closed")
    if pending:
        yield pending[0], start, ""


def _option(form: list[SExpr], key: str) -> str | None:
    for at, item in enumerate(form[:-1]):
        if item == key:
            value = form[at + 1]
            return value if isinstance(value, str) else _show(value)
    return None


def _written_out(form: list[SExpr], directed: frozenset[str]) -> str:
    ruleset = _option(form, ":ruleset")
    if form[0] != "rewrite" or ruleset not in directed:
        return _show(form)
    left, right = _show(form[1]), _show(form[2])
    when = next((form[at + 1] for at, item in enumerate(form[:-1]) if item == ":when"), [])
    facts = " ".join(_show(fact) for fact in when)
    if isinstance(form[2], str):
        # The left side stays where it is what it would become: n (1/n a) = a may be all that a class has.
        facts += f" (!= result {right})"
    return (
        f"(rule ((= result {left}) {facts}) ((union result {right}) (delete {left}))"
        f" :ruleset {ruleset} :name {_option(form, ':name')})"
    )


def _show(form: SExpr) -> str:
    return form if isinstance(form, str) else "(" + " ".join(_show(item) for item in form) + ")"

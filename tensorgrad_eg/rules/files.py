"""Rule files, and the rules in them. A file of a user is checked as it is read.

What has been checked is what is used: a file is read once, and its forms go on from here, not its path.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from tensorgrad_eg.errors import RuleError, RuleFileError, RuleFileNotFoundError
from tensorgrad_eg.expr.operations import OPERATIONS
from tensorgrad_eg.rules.computed import prepared
from tensorgrad_eg.rules.forms import Form, SExpr, head, option, parse, show, words_in
from tensorgrad_eg.rules.generated import declarations, derivative_rules, edge_rules
from tensorgrad_eg.rules.phases import DIRECTED
from tensorgrad_eg.rules.statements import check_file
from tensorgrad_eg.rules.vocabulary import Vocabulary, alone

#: What follows from the table of operations stands between the files, as if it were written there.
_EDGES, _DERIVATIVES = "11_operations", "65_operations"
#: The longest file of a user, in bytes: five hundred pages of rules.
LONGEST = 1_000_000


@dataclass(frozen=True)
class RuleFile:
    """The forms of a rule file; two files with one path and one text are the same.

    >>> rule_files()[0].name
    '00_language.egg'
    """

    path: Path
    text: str = field(repr=False)
    forms: tuple[Form, ...] = field(compare=False, repr=False)

    @property
    def name(self) -> str:
        """The name of the file, without its folder."""
        return self.path.name

    def having(self, forms: Iterable[Form]) -> RuleFile:
        """Return other forms under the same name.

        >>> rule_files()[0].having([Form(["ruleset", "mine"])]).text
        '(ruleset mine)'
        """
        new = tuple(forms)
        return RuleFile(self.path, "\n".join(map(show, new)), new)


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


def rule_files(extra: str | Path | Iterable[str | Path] = ()) -> tuple[RuleFile, ...]:
    """The project's rule files in order, then the caller's own, which are checked.

    Raises:
        RuleFileNotFoundError: if one of the caller's files does not exist.
        RuleFileError: if one of them cannot be read.
        RuleSyntaxError: if one of them has a mistake; the message has the line.
        ForbiddenRuleError: if one of them does something else than state rules.

    Example:
        >>> rule_files()[-1].name
        '80_facts.egg'
    """
    own = _project(rule_folder(), tuple(OPERATIONS))
    paths = [extra] if isinstance(extra, str | Path) else extra
    texts = {path.resolve(): (path, _read(path)) for path in map(_path, paths)}
    return (*own, *_checked(own, tuple(texts.values())))


@lru_cache(maxsize=4)
def _project(folder: Path, operations: tuple[str, ...]) -> tuple[RuleFile, ...]:
    texts = {path: path.read_text(encoding="utf-8") for path in folder.glob("*.egg")}
    texts[folder / _EDGES] = "\n".join([*declarations(), *edge_rules()])
    texts[folder / _DERIVATIVES] = "\n".join(derivative_rules())
    return tuple(RuleFile(path, texts[path], tuple(parse(texts[path], path.name))) for path in sorted(texts))


@lru_cache(maxsize=16)
def _checked(own: tuple[RuleFile, ...], texts: tuple[tuple[Path, str], ...]) -> tuple[RuleFile, ...]:
    """Files of users, whole files before any of them is used."""
    words = vocabulary(own)
    found = []
    for path, text in texts:
        forms = parse(text, path.name)
        check_file(forms, path.name, words)
        ready = [rule for form in forms for rule in prepared(form, path.name, words)]
        found.append(RuleFile(path, text, tuple(ready)))
    return tuple(found)


def vocabulary(files: Iterable[RuleFile]) -> Vocabulary:
    """What the files declare.

    >>> vocabulary(rule_files()).declared["scale"].inputs
    ('BigRat', 'Tensor')
    """
    words = Vocabulary()
    for file in files:
        for form in file.forms:
            words.declare(form, f"{file.name}:{form.line}")
    return words


def _path(path: object) -> Path:
    if not isinstance(path, str | Path):
        raise RuleFileError.of(path, f"it is a value of type {type(path).__name__}. Give the path of a file")
    return Path(path)


def _read(path: Path) -> str:
    """The text of a file, its line ends made plain."""
    if path.is_dir():
        raise RuleFileError.of(path, "it is a folder. Name the files in it one by one")
    if not path.is_file():
        raise RuleFileNotFoundError.of(str(path), [str(p) for p in sorted(path.parent.glob("*.egg"))])
    try:
        with path.open("rb") as file:
            data = file.read(LONGEST + 1)
    except OSError as error:
        raise RuleFileError.of(path, f"{error.strerror or error}") from None
    if len(data) > LONGEST:
        raise RuleFileError.of(path, f"it has more than {LONGEST:,} bytes. Split it, and keep what is used")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise RuleFileError.of(path, f"line {line} is not UTF-8. Save it as UTF-8 text") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


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

"""Rule files, and the rules in them. A file of a user is checked as it is read.

What has been checked is what is used: a file is read once, and its forms go on from here, not its path. Rules
that are the same for each operation follow from the table of operations: which edges a term has, that it is
no identity, that renames go through it and, of operations that work entry by entry, how derivatives do. What
operations are equal to stands in ``rules/*.egg``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, reduce
from itertools import combinations
from pathlib import Path

from tensorgrad_eg.errors import RuleError, RuleFileError, RuleFileNotFoundError
from tensorgrad_eg.expr.operations import OPERATIONS, Operation, on_several
from tensorgrad_eg.rules.demand import ON_DEMAND, needed, reach, scarce
from tensorgrad_eg.rules.forms import (
    DIRECTED,
    Form,
    SExpr,
    Vocabulary,
    alone,
    head,
    option,
    parse,
    show,
    words_in,
)
from tensorgrad_eg.rules.statements import check_file, prepared

#: What stands in a rule for each part of an operation.
_TENSORS, _BOUND, _OTHERS = "abcd", "m", {"BigRat": "q", "Terms": "ts", "Axes": "v"}
#: What follows from the table of operations stands between the files, as if it were written there.
_EDGES, _DERIVATIVES = "11_operations", "65_operations"
#: The longest file of a user, in bytes: five hundred pages of rules.
LONGEST = 1_000_000


def _declarations() -> list[str]:
    """The constructors of operations that were added to the table, which no rule file declares."""
    return [f"(constructor {entry.name} ({' '.join(entry.sorts)}) Tensor)" for entry in on_several().values()]


def _edge_rules() -> list[str]:
    """The free edges of every operation, that it is no identity, and that renames go through it."""
    every = list(OPERATIONS.values())
    plain = [one for one in every if one.arity and one.name not in ("rename", "cholesky")]  # that is a fact's
    other = [one for one in every if one.name not in ("delta", "number", "scale") and not one.factors]
    return [*map(_free, plain), *map(_standing, other), *(rule for one in plain for rule in _renames(one))]


def _derivative_rules() -> list[str]:
    """How derivatives go through operations on several tensors that work entry by entry.

    ``(partial i e)`` is the derivative of e by what it reads in the place i; a rule has to say what it is.
    """
    entries = on_several().values()
    return [rule for entry in entries for rule in (_degree(entry), _tangent(entry), *_pullbacks(entry))]


def _term(entry: Operation, kids: Sequence[str] = _TENSORS, over: str = _BOUND) -> str:
    tensors, strings = iter(kids), iter("fg")
    words = []
    for sort in entry.sorts:
        pool = {"Tensor": tensors, "String": strings}.get(sort)
        words.append(next(pool) if pool else over if sort == "Edges" else _OTHERS[sort])
    return f"({' '.join([entry.name, *words])})"


def _kids(entry: Operation) -> str:
    return _TENSORS[: entry.arity]


def _named(name: str, ruleset: str) -> str:
    return f':ruleset {ruleset} :name "{name}")'


def _union(sets: Sequence[str]) -> str:
    return reduce(lambda left, right: f"(set-union {left} {right})", sets)


def _frees(kids: Sequence[str]) -> str:
    return " ".join(f"(= f{kid} (free {kid}))" for kid in kids)


def _free(entry: Operation) -> str:
    kids = _kids(entry)
    union = _union([f"f{kid}" for kid in kids])
    free = f"(set-diff {union} m)" if entry.binds else f"(set-union {union} m)" if entry.spans else union
    if entry.name == "solve":
        free = f"(set-remove {union} g)"
    name = _named(f"free of {entry.noun}", "analysis")
    return f"(rule ((= e {_term(entry)}) {_frees(kids)}) ((set (free e) {free})) {name}"


def _standing(entry: Operation) -> str:
    name = _named(f"{entry.noun} is no delta", "analysis")
    return f"(rule ((wants-side e) (= e {_term(entry)})) ((set (standing e) 1)) {name}"


def _renames(entry: Operation) -> Iterator[str]:
    """A rename goes through; a bound edge of its new name steps aside."""
    if entry.name == "solve":
        return  # it is there in a search only, where it is read under other names
    kids = _kids(entry)
    left = f"(rename i j {_term(entry)})"
    right = _term(entry, [f"(rename i j {kid})" for kid in kids])
    apart = " (set-not-contains m i) (set-not-contains m j)" if entry.edged else ""
    name = _named(f"rename of {entry.noun}", "descend")
    yield f"(rewrite {left} {right} :when ((!= i j){apart}) {name}"
    if entry.spans:
        inner = _term(entry, [f"(rename i j {kid})" for kid in kids], "(set-insert (set-remove m i) j)")
        taken = " ".join(f"(set-not-contains f{kid} j)" for kid in kids)
        name = _named(f"rename of the edge of {entry.noun}", "descend")
        yield f"(rewrite {left} {inner} :when ((!= i j) (set-contains m i) {_frees(kids)} {taken}) {name}"
    if entry.binds:
        inner = _term(
            entry, [f"(rename i j (rename j f {kid}))" for kid in kids], "(set-insert (set-remove m j) f)"
        )
        fresh = " ".join(f"(set-not-contains f{kid} f)" for kid in kids)
        name = _named(f"rename past a bound edge of {entry.noun}", "descend")
        yield (
            f'(rule ((= e {left}) (!= i j) (set-not-contains m i) (set-contains m j) (= f (+ j "\'"))'
            f" {_frees(kids)} {fresh} (set-not-contains m f) (!= i f) (= s (symbol j)))"
            f" ((set (symbol f) s) (union e {inner}) (delete {left})) {name}"
        )


def _degree(entry: Operation) -> str:
    kids = _kids(entry)
    facts = " ".join(f"(= d{kid} (degree {kid}))" for kid in kids)
    most = reduce(lambda left, right: f"(max {left} {right})", [f"d{kid}" for kid in kids])
    name = _named(f"degree of {entry.noun}", "prospect")
    return f"(rule ((= e {_term(entry)}) {facts}) ((set (degree e) {most})) {name}"


def _tangent(entry: Operation) -> str:
    """Σ_i ∂e/∂aᵢ·daᵢ, entry by entry."""
    terms = " ".join(
        f"(contract $none (partial {n} e) (tangent d {kid}))" for n, kid in enumerate(_kids(entry), 1)
    )
    return (
        f"(rule ((= t (tangent d e)) (opens d e) (= e {_term(entry)}) (= fe (free e)) (= w (tips d)))"
        f" ((union t (add (set-union fe w) (multiset-of {terms}))) (delete (opens d e)))"
        f" {_named(f'tangent of {entry.noun}', 'differentiate')}"
    )


def _pullbacks(entry: Operation) -> Iterator[str]:
    """What is handed back to the tensor that stands in some places: g·∂e/∂aᵢ, summed over what it lacks.

    A consumer counts as often as it reads a tensor; so of several places each time the mean is handed back.
    """
    kids = _kids(entry)
    for count in range(1, len(kids) + 1):
        for places in combinations(range(len(kids)), count):
            named = [kids[places[0]] if n in places else kid for n, kid in enumerate(kids)]
            one = named[places[0]]
            apart = " ".join(f"(!= {one} {kid})" for n, kid in enumerate(named) if n not in places)
            over = f"(set-diff fe f{one})"
            parts = [f"(contract {over} (cotangent r e) (partial {n + 1} e))" for n in places]
            mean = f"(scale (bigrat (bigint 1) (bigint {count})) (add fp (multiset-of {' '.join(parts)})))"
            where = " and ".join(str(n + 1) for n in places)
            facts = (
                f"(= e {_term(entry, named)}) (= fe (free e)) (= f{one} (free {one})) (= w (tips r)) {apart}"
            )
            yield (
                f"(rule ((= p (pullback r {one} e)) {facts} (= fp (set-union f{one} w)))"
                f" ((union p {parts[0] if count == 1 else mean}) (delete (pullback r {one} e)))"
                f" {_named(f'pullback of {entry.noun}, place {where}', 'differentiate')}"
            )


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
        >>> rule_files()[0].name
        '00_language.egg'
    """
    own = _project(rule_folder(), tuple(OPERATIONS))
    paths = [extra] if isinstance(extra, str | Path) else extra
    texts = {path.resolve(): (path, _read(path)) for path in map(_path, paths)}
    return (*own, *_checked(own, tuple(texts.values())))


@lru_cache(maxsize=4)
def _project(folder: Path, operations: tuple[str, ...]) -> tuple[RuleFile, ...]:
    texts = {path: path.read_text(encoding="utf-8") for path in folder.glob("*.egg")}
    texts[folder / _EDGES] = "\n".join([*_declarations(), *_edge_rules()])
    texts[folder / _DERIVATIVES] = "\n".join(_derivative_rules())
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
    """What the files declare."""
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
        >>> from tensorgrad_eg.rules import rule_files
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
    words: frozenset[str] | None = None,
) -> tuple[Written, ...]:
    """The forms of the rule files as the e-graph engine reads them, directed rewrites written out.

    With `rulesets`, only the rules of those; declarations are always there. Each rule of the rulesets in
    `apart` is also a ruleset of its own, named by `alone`, so that it can be run by itself. With `words`, the
    functions and operations of a problem, rules that are loaded on demand are there only if they can match.

    Example:
        >>> from tensorgrad_eg.rules import rule_files
        >>> any("(delete (contract m (number q) b))" in form.text for form in programs(rule_files()))
        True
        >>> apart = programs(rule_files(), apart=frozenset({"recognise"}))
        >>> "(ruleset only-once)" in [form.text for form in apart]
        True
    """
    found: list[Written] = []
    met = None if words is None else reach(files, words)
    members: dict[str, list[str]] = {ruleset: [] for ruleset in sorted(apart)}
    for file in files:
        for form in file.forms:
            where = f"{file.name}:{form.line}"
            ruleset = _ruleset(form)
            if form[0] == "ruleset" and form[1] in members:
                continue  # the ruleset is put together of its rules, below
            if ruleset and rulesets is not None and ruleset not in rulesets:
                continue
            if met is not None and file.name in ON_DEMAND and not needed(form, met, scarce(files)):
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
        >>> from tensorgrad_eg.rules import rule_files
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

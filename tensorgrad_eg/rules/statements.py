"""Rules of users: that they can run and take nothing away that others need, and how the engine runs them.

A computation that has no value (1/0, the third edge of two) ends the engine where a term is built, but in a
condition it only means that the rule does not apply. So what a right side computes becomes a condition.

>>> rule = Form(["rewrite", Form(["even", "n"]), Form(["even", Form(["-", "n", "2"])]), ":name", '"two"'])
>>> words = Vocabulary()
>>> words.declare(Form(["constructor", "even", Form(["i64"]), "Tensor"]), "mine.egg:1")
>>> for form in prepared(rule, "mine.egg", words):
...     print(show(form))
(rewrite (even n) (even value1) :name "two" :when ((= value1 (- n 2))))
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from tensorgrad_eg.errors import ForbiddenRuleError, RuleSyntaxError, listing, suggestion
from tensorgrad_eg.rules.forms import (
    COMPUTED,
    DIRECTED,
    GATHERING,
    PARTIAL,
    RESERVED,
    SETTABLE,
    STATABLE,
    Form,
    SExpr,
    Vocabulary,
    alone,
    forms_in,
    head,
    leaves,
    literal,
    option,
    show,
    variables,
    words_in,
)
from tensorgrad_eg.rules.terms import Declarations, Terms, doing

#: The most forms in a file, and the most words in a form: what takes the engine seconds to read is no rule.
FORMS, WORDS = 2_000, 2_000
#: Numbers that a rule of a user makes are smaller: a rule that squares them would soon fill the memory.
_LARGE, _SMALL = Form(["bigint", str(10**18)]), Form(["bigint", str(-(10**18))])
#: … and so are sums: one that is added to itself doubles.
_LONG = 10_000


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
        declared, stated = Declarations(file, words), _Statements(file, words)
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


class _Statements:
    """Checks the rules of a file."""

    def __init__(self, file: str, words: Vocabulary) -> None:
        """Check a file of this name, which uses these words."""
        self.file, self.words = file, words

    def rewrite(self, form: Form) -> None:
        """Check `(rewrite …)` or `(birewrite …)`."""
        match form:
            case [_, Form() as left, right, *options]:
                given = self._options(form, options, (":when", ":ruleset", ":name"))
            case _:
                raise self._error(
                    form,
                    f"a rule is written as ({form[0]} (left side) (right side) :ruleset search :name "
                    '"…"), its left side a term in parentheses',
                )
        ruleset = self._stated(form, given)
        if ruleset in GATHERING:
            raise self._error(form, f"{ruleset} gathers facts; rewrites stand in search or normalise")
        if form[0] == "birewrite" and ruleset in DIRECTED:
            raise self._error(form, f"{ruleset} replaces the left side; birewrite stands in search")
        if show(left) == show(right):
            raise self._error(form, "the two sides of this rule are the same")
        when = given.get(":when", Form())
        if not isinstance(when, Form):
            raise self._error(form, "conditions are written as :when ((…) (…))")
        terms = Terms(self.words, self.file)
        sides = [left, right] if form[0] == "birewrite" else [left]
        for side in sides:
            declared = self.words.declared.get(head(side))
            if not declared or declared.kind != "constructor":
                terms.check(side)
                raise self._error(form, f"{show(side)[:80]} is no term that a rule could look for")
        terms.check(left, "Tensor")
        for fact in when:
            terms.fact(fact, form.line)
        terms.check(right, "Tensor", form.line)
        self._reads_nothing(right)
        for side in sides:
            self._bound(form, [*forms_in(side), *leaves(when)], [left, right])

    def rule(self, form: Form) -> None:
        """Check `(rule …)`."""
        match form:
            case ["rule", Form() as facts, Form() as actions, *options]:
                given = self._options(form, options, (":ruleset", ":name"))
            case _:
                raise self._error(
                    form, 'a rule is written as (rule (conditions) (actions) :ruleset search :name "…")'
                )
        ruleset = self._stated(form, given)
        if not facts or not actions:
            raise self._error(form, "a rule has conditions and actions")
        terms = Terms(self.words, self.file)
        for fact in facts:
            terms.fact(fact, form.line)
        known: list[SExpr] = list(leaves(facts))
        for action in actions:
            if not isinstance(action, Form):
                raise self._error(form, f"{action} is no action; write it in parentheses")
            self._action(action, ruleset, facts, actions, terms)
            self._reads_nothing(action)
            match action:
                case ["let", str(name), value]:
                    self._bound(form, known, [value])
                    known.append(name)
                case _:
                    self._bound(form, known, [action.having(action[1:])])

    def _action(self, action: Form, ruleset: str, facts: Form, actions: Form, terms: Terms) -> None:
        declared = self.words.declared.get(head(action))
        match action:
            case ["union", left, right]:
                self._equates(action, ruleset)
                terms.check(left, "Tensor", action.line)
                terms.check(right, "Tensor", action.line)
            case ["set", Form() as what, value]:
                self._sets(what)
                terms.check(value, terms.check(what), action.line)
            case ["let", str(name), value] if not literal(name) and not name.startswith("$"):
                terms.sorts[name] = terms.check(value, line=action.line)
            case ["delete", Form() as what]:
                terms.check(what)
                self._deletes(what, ruleset, facts, actions)
            case [str(name), *_] if declared and declared.kind == "relation":
                terms.check(action)
                if not declared.own and name not in STATABLE:
                    raise self._forbidden(action, f"'{name}' is what the project's own rules tell each other")
            case _:
                if declared is None:
                    terms.check(action)
                raise self._no_action(action)
        if ruleset in GATHERING and any(self._builds(part) for part in action[1:]):
            raise self._error(action, f"{ruleset} gathers facts, and builds no terms: {show(action)[:60]}")

    def _reads_nothing(self, built: SExpr) -> None:
        """What a rule builds must not read functions: that is for its conditions."""
        set_here = built[1] if isinstance(built, Form) and built[0] == "set" else None
        for term in forms_in(built):
            declared = self.words.declared.get(head(term))
            if declared and declared.kind == "function" and term is not set_here:
                raise self._error(
                    term,
                    f"{show(term)} cannot be read where terms are built; read it in the conditions, as in "
                    f"(= v {show(term)})",
                )

    def _equates(self, action: Form, ruleset: str) -> None:
        if ruleset in GATHERING:
            raise self._error(action, f"{ruleset} gathers facts; equations stand in search or normalise")

    def _builds(self, part: SExpr) -> bool:
        kinds = [self.words.declared.get(head(term)) for term in forms_in(part)]
        return any(kind is not None and kind.kind == "constructor" for kind in kinds)

    def _sets(self, what: Form) -> None:
        declared = self.words.declared.get(head(what))
        if declared is None or declared.kind != "function":
            raise self._error(what, f"{show(what)[:60]} is no function that could be set")
        if not declared.own and what[0] not in SETTABLE:
            raise self._forbidden(
                what, f"'{what[0]}' is set by the project's own rules only, which rely on its values"
            )

    def _deletes(self, what: Form, ruleset: str, facts: Form, actions: Form) -> None:
        """A term may go where the rule has put another one in its place; facts of one's own anywhere."""
        declared = self.words.declared.get(head(what))
        if declared and declared.own and declared.kind != "constructor":
            return
        names = set(_equals(what, facts))
        replaced = any(head(act) == "union" and names & set(act[1:3]) for act in actions)
        if ruleset not in DIRECTED or not replaced or not declared or declared.kind != "constructor":
            raise self._forbidden(
                what,
                f"(delete {show(what)[:60]}) takes away what other rules need. A rule may delete the term it "
                f"has replaced, (= e {what[0]}…) with (union e …), in {listing(sorted(DIRECTED))}",
            )

    def _no_action(self, action: Form) -> RuleSyntaxError | ForbiddenRuleError:
        name = head(action)
        if doing(name):
            return self._forbidden(action, f"'{name}' {doing(name)}")
        return self._error(
            action,
            f"{show(action)[:60]} is no action; a rule may union, set, let, delete or state a relation",
        )

    def _options(self, form: Form, options: list[SExpr], allowed: tuple[str, ...]) -> dict[str, SExpr]:
        found: dict[str, SExpr] = {}
        for key, value in zip(options[::2], [*options[1::2], ""], strict=False):
            if not isinstance(key, str) or key not in allowed:
                what = "'subsume' hides terms that other rules need" if key == ":subsume" else None
                if what:
                    raise self._forbidden(form, what)
                raise self._error(
                    form, f"{show(key)[:60]} is no option of a {form[0]}: {listing(allowed)} are"
                )
            if key in found or value == "":
                raise self._error(form, f"{key} is there twice, or has no value")
            found[key] = value
        return found

    def _stated(self, form: Form, given: dict[str, SExpr]) -> str:
        """The ruleset of a rule, which has to be one of the project's; its name has to be a new one."""
        ruleset, name = given.get(":ruleset"), given.get(":name")
        known = self.words.rulesets
        if not isinstance(ruleset, str):
            raise self._error(
                form,
                f"this rule has no ruleset, and would never run; add :ruleset and one of: {listing(known)}",
            )
        if ruleset not in known:
            raise self._error(
                form,
                f"there is no ruleset '{ruleset}', the rule would never run; the rulesets are: "
                f"{listing(known)}.{suggestion(ruleset, known)}",
            )
        if not isinstance(name, str) or not name.startswith('"') or not alone(name.strip('"'))[5:].strip("-"):
            raise self._error(form, 'this rule has no name; add :name "what it says"')
        plain = name.strip('"')
        if RESERVED.fullmatch(plain):
            raise self._error(form, f'the engine uses the name "{plain}" itself; choose another name')
        for other, where in self.words.rules.items():
            if alone(other) == alone(plain):
                raise self._error(
                    form,
                    f'a rule named "{other}" is already in {where.rpartition(":")[0]}; choose another name',
                )
        return ruleset

    def _bound(self, form: Form, known: Iterable[SExpr], parts: Iterable[SExpr]) -> None:
        """Each variable of the parts has to occur in what is known."""
        there = {word for item in known for word in variables(item)}
        for word in (word for part in parts for word in variables(part)):
            if word not in there:
                raise self._error(
                    form,
                    f"{word} stands for nothing: it is in what the rule makes, and not in what it looks for."
                    f"{suggestion(word, there)}",
                )

    def _error(self, form: Form, problem: str) -> RuleSyntaxError:
        return RuleSyntaxError.at(self.file, form.line, problem)

    def _forbidden(self, form: Form, problem: str) -> ForbiddenRuleError:
        return ForbiddenRuleError.at(self.file, form.line, problem)


def _equals(term: Form, facts: Form) -> list[SExpr]:
    """What the conditions say is equal to a term; a sum also equals what `addend` lists the terms of."""
    found: list[SExpr] = []
    for fact in facts:
        match fact:
            case ["=", one, other] if term in (one, other):
                found.append(other if one == term else one)
            case ["addend", sum_, edges, terms, _] if tuple(term) == ("add", edges, terms):
                found.append(sum_)
    return found


def prepared(form: Form, file: str, words: Vocabulary) -> list[Form]:
    """Return a checked form of a user's file as the rules that the engine runs; a `birewrite` is two.

    Raises:
        RuleSyntaxError: if something that may have no value is computed of terms that the rule builds.
    """
    match form:
        case ["rewrite", _, _, *_]:
            return [_rewrite(form, file, words)]
        case ["birewrite", left, right, *options]:
            back = [_backwards(item) if key == ":name" else item for key, item in _keyed(options)]
            there: list[SExpr] = ["rewrite", left, right, *options]
            return [
                _rewrite(form.having(way), file, words) for way in (there, ["rewrite", right, left, *back])
            ]
        case ["rule", Form() as facts, Form() as actions, *options]:
            work = _Conditions(form, file, words, facts)
            made = [action.having(map(work.moved, action)) for action in actions if isinstance(action, Form)]
            guards = list(_kept(facts, actions))
            conditions = facts.having([*facts, *work.found, *work.bounds(facts), *guards])
            return [form.having(["rule", conditions, actions.having(made), *options])]
        case _:
            return [form]


def _rewrite(form: Form, file: str, words: Vocabulary) -> Form:
    name, left, right, *options = form
    when = option(form, ":when")
    facts = when if isinstance(when, Form) else Form((), form.line)
    work = _Conditions(form, file, words, [Form(["=", "_", left]), *facts])
    moved = work.moved(right)
    others = [item for key, item in _keyed(options) if key != ":when" and item != ":when"]
    conditions = facts.having([*facts, *work.found, *work.bounds(facts)])
    condition: list[SExpr] = [":when", conditions] if conditions else []
    return form.having([name, left, moved, *others, *condition])


def _keyed(options: Sequence[SExpr]) -> Iterator[tuple[SExpr, SExpr]]:
    """Each item of the options with the keyword before it."""
    return zip(["", *options], options, strict=False)


def _backwards(name: SExpr) -> SExpr:
    return f'"{show(name).strip(chr(34))}, backwards"'


def _kept(facts: Form, actions: Form) -> Iterator[Form]:
    """A term that equals what takes its place must not be deleted: its class would have nothing left."""
    deleted = [action[1] for action in actions if head(action) == "delete"]
    gone = [name for term in deleted if isinstance(term, Form) for name in _equals(term, facts)]
    for action in actions:
        match action:
            case ["union", str(one), str(other)] if one in gone or other in gone:
                yield Form(["!=", one, other], action.line)


class _Conditions:
    """Moves computations out of what a rule makes, into conditions that give their values names."""

    def __init__(self, form: Form, file: str, words: Vocabulary, facts: Iterable[SExpr]) -> None:
        self.file = file
        self.taken = set(words_in(form))
        self.made = {let[1] for let in forms_in(form) if head(let) == "let"}
        self.terms = Terms(words, file)
        for fact in facts:
            self.terms.fact(fact, form.line)
        self.found: list[Form] = []
        self.names: dict[str, str] = {}

    def moved(self, term: SExpr) -> SExpr:
        """Return the term with names in the place of what is computed."""
        if isinstance(term, str):
            return term
        if head(term) in COMPUTED and len(term) > 1 and self._plain(term):
            return self._name(term)
        if head(term) in PARTIAL:
            raise RuleSyntaxError.at(
                self.file,
                term.line,
                f"{show(term)[:80]} may have no value, and cannot be computed of terms that the rule builds. "
                "Compute it in the conditions, as in (= v (…))",
            )
        return term.having(map(self.moved, term))

    def _plain(self, term: SExpr) -> bool:
        if isinstance(term, str):
            return term not in self.made
        return head(term) in COMPUTED and all(map(self._plain, term[1:]))

    def _name(self, term: Form) -> str:
        text = show(term)
        if text not in self.names:
            name = f"value{len(self.names) + 1}"
            while name in self.taken:
                name += "'"
            self.names[text] = name
            self.found += [Form(["=", name, term], term.line), *self._bounded(name, term)]
        return self.names[text]

    def bounds(self, facts: Iterable[SExpr]) -> Iterator[Form]:
        """What is computed in conditions, and given a name there, stays of a size as well."""
        for fact in facts:
            match fact:
                case ["=", str(name), Form() as term] | ["=", Form() as term, str(name)]:
                    if head(term) in COMPUTED:
                        yield from self._bounded(name, term)

    def _bounded(self, name: str, term: Form) -> list[Form]:
        if head(term) == "multiset-sum":
            return [Form(["<", Form(["multiset-length", name]), str(_LONG)], term.line)]
        sort = self.terms.check(term)
        parts: list[SExpr] = [Form(["numer", name]), Form(["denom", name])] if sort == "BigRat" else []
        parts += [name] if sort == "BigInt" else []
        return [Form([sign, part, end]) for part in parts for sign, end in (("<", _LARGE), (">", _SMALL))]

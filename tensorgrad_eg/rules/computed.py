"""Rules of users as the engine runs them: what is computed for the right side becomes a condition.

A computation that has no value (1/0, the third edge of two) ends the engine where a term is built, but in a
condition it only means that the rule does not apply. So it is made there.

>>> rule = Form(["rewrite", Form(["even", "n"]), Form(["even", Form(["-", "n", "2"])]), ":name", '"two"'])
>>> words = Vocabulary()
>>> words.declare(Form(["constructor", "even", Form(["i64"]), "Tensor"]), "mine.egg:1")
>>> for form in prepared(rule, "mine.egg", words):
...     print(show(form))
(rewrite (even n) (even value1) :name "two" :when ((= value1 (- n 2))))
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tensorgrad_eg.errors import RuleSyntaxError
from tensorgrad_eg.rules.forms import Form, SExpr, forms_in, head, option, show, words_in
from tensorgrad_eg.rules.statements import equals
from tensorgrad_eg.rules.terms import Terms
from tensorgrad_eg.rules.vocabulary import COMPUTED, PARTIAL, Vocabulary

#: Numbers that a rule of a user makes are smaller: a rule that squares them would soon fill the memory.
_LARGE, _SMALL = Form(["bigint", str(10**18)]), Form(["bigint", str(-(10**18))])
#: … and so are sums: one that is added to itself doubles.
_LONG = 10_000


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
    gone = [name for term in deleted if isinstance(term, Form) for name in equals(term, facts)]
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

"""Rule files of users: what they may contain, and that nothing of what is refused was run."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from refused_rules import DOING, HARMFUL, MISTAKEN

import tensorgrad_eg as tg
from tensorgrad_eg import functions as F
from tensorgrad_eg.egraph.engine import Engine
from tensorgrad_eg.errors import (
    LostTermError,
    RuleError,
    RuleFileError,
    RuleFileNotFoundError,
    RuleSyntaxError,
)
from tensorgrad_eg.rules import LONGEST, rule_files, vocabulary
from tensorgrad_eg.rules.forms import DIRECTED, GATHERING, SETTABLE, STATABLE
from tensorgrad_eg.rules.statements import check_file, prepared

x = tg.Variable("x", ["n"])
REFUSED = {**DOING, **HARMFUL, **MISTAKEN}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is refused with file, line and reason, before the engine has seen a word of it."""
    text, message = REFUSED[name]
    canary = tmp_path / "canary"
    path = tmp_path / "mine.egg"
    path.write_text(text.replace("CANARY", str(canary)), encoding="utf-8")

    def run(*texts: object) -> None:
        raise AssertionError("the engine was asked to run something")

    monkeypatch.setattr("egglog.bindings.EGraph.parse_program", run)
    monkeypatch.setattr("egglog.bindings.EGraph.run_program", run)
    kind = RuleSyntaxError if name in MISTAKEN else RuleError
    with pytest.raises(kind, match=message) as caught:
        tg.optimize(F.sin(x).sum(), {"n": 3}, rules=[path], effort=0)
    assert re.match(r"mine\.egg:\d+: ", str(caught.value))
    assert not canary.exists()
    assert [each.name for each in tmp_path.iterdir()] == ["mine.egg"]
    assert not tg.check_rules(path).ok
    assert str(tg.check_rules(path)) == str(caught.value)


def test_there_are_sixty() -> None:
    """The table is as long as it has to be."""
    assert len(REFUSED) >= 60


def write(folder: Path, text: str, name: str = "mine.egg") -> Path:
    """A rule file with this text."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda path: path.mkdir(), RuleFileError, "it is a folder"),
        (lambda path: None, RuleFileNotFoundError, "there is no rule file"),
        (lambda path: os.mkfifo(path), RuleFileNotFoundError, "there is no rule file"),
        (lambda path: path.write_bytes(b"; gr\xfc\xdfe\n"), RuleFileError, "line 1 is not UTF-8"),
        (
            lambda path: path.write_bytes(b"; " + b"x" * LONGEST),
            RuleFileError,
            "it has more than 1,000,000 bytes",
        ),
        (
            lambda path: path.write_text("(relation even (i64))\n" * 3000),
            RuleSyntaxError,
            "'even' is already declared in mine.egg:1",
        ),
        (
            lambda path: path.write_text("\n".join(f"(relation even{n} (i64))" for n in range(2001))),
            RuleSyntaxError,
            "mine.egg:2001: there are more than 2000 forms",
        ),
        (
            lambda path: path.write_text(f"(relation even ({'i64 ' * 3000}))"),
            RuleSyntaxError,
            "this form has more than 2000 words",
        ),
    ],
    ids=["folder", "missing", "pipe", "latin", "long", "twice", "forms", "words"],
)
def test_files_that_cannot_be_read(
    make: Callable[[Path], object], error: type[RuleError], message: str, tmp_path: Path
) -> None:
    """What is no file of rules is refused by name, with the reason and without reading on."""
    path = tmp_path / "mine.egg"
    make(path)
    with pytest.raises(error, match=message):
        rule_files([path])


def test_a_file_that_must_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file without permission is named, with what the system says."""
    path = write(tmp_path, "")

    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(RuleFileError, match=r"mine\.egg' cannot be read as a rule file: Permission denied\."):
        rule_files([path])


def test_rules_that_are_no_paths() -> None:
    """A number in the place of a path is named; one path needs no list around it."""
    with pytest.raises(RuleFileError, match="'3' cannot be read as a rule file: it is a value of type int"):
        tg.optimize(x.sum(), {"n": 3}, rules=[3])  # type: ignore[list-item]
    with pytest.raises(RuleFileNotFoundError, match=r"there is no rule file 'mine\.egg'"):
        tg.optimize(x.sum(), {"n": 3}, rules="mine.egg")


ACCEPTED = """; all that a rule file may contain
(let $third (/ $1 (bigrat (bigint 3) (bigint 1))))
(relation even (Tensor))
(function height (Tensor) i64 :merge (max old new))
(constructor cube-root (Tensor) Tensor)
(rule ((= e (apply "cos" a))) ((even e) (set (height e) 0)) :ruleset analysis :name "cos is even")
(rule ((= e (apply "sin" a)) (= n (height a)) (< n 3)) ((set (height e) (+ n 1)))
      :ruleset prospect :name "heights")
(rewrite (power a $third) (cube-root a) :ruleset recognise :name "cube roots")
(rewrite (cube-root a) (power a $third) :ruleset normalise :name "cube roots again")
(birewrite (apply "sin" (scale $2 a)) (scale $2 (contract $none (apply "sin" a) (apply "cos" a)))
           :ruleset search :name "double angle")
(rule ((addend s es ts t) (= t (power (apply "sin" a) $2)) (addend s es ts u) (= u (power (apply "cos" a) $2))
       (multiset-contains ts t) (multiset-contains ts u))
      ((union s (add es (multiset-insert (multiset-remove (multiset-remove ts t) u) (number $1))))
       (delete (add es ts))) :ruleset normalise :name "Pythagoras")  ; sin² a + cos² a = 1
"""


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"], ids=["unix", "windows", "old"])
def test_what_a_file_may_contain(newline: str, tmp_path: Path) -> None:
    """Rules with declarations are used, whatever the line ends: Σ (sin² + cos² + 3) x is 4 Σ x."""
    path = tmp_path / "mine.egg"
    path.write_bytes(b"\xef\xbb\xbf" + ACCEPTED.replace("\n", newline).encode())
    assert [rule.line for rule in tg.load_rules(path)] == [6, 7, 9, 10, 11, 11, 13]
    assert tg.load_rules(path)[-1].comment == "sin² a + cos² a = 1"
    e = ((F.sin(x) ** 2 + F.cos(x) ** 2 + 3) * x).sum()
    plan = tg.optimize(e, {"n": 100}, rules=[path])
    assert plan.flops <= 101
    assert plan.check().error < 1e-12
    assert plan.report.matches["Pythagoras"]


def test_an_empty_file(tmp_path: Path) -> None:
    """A file without rules, or of nothing but remarks, changes nothing."""
    path = write(tmp_path, "; nothing\n")
    assert tg.check_rules(path).ok
    assert str(tg.check_rules(path)) == "mine.egg: 0 rules, no mistake"
    plain = tg.optimize(F.sin(x).sum(), {"n": 3})
    assert str(tg.optimize(F.sin(x).sum(), {"n": 3}, rules=[path])) == str(plain)


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    """What a file says now counts, not what it said when it was first read."""
    path = write(tmp_path, '(rewrite (apply "sin" a) (number $0) :ruleset recognise :name "mine")')
    assert tg.optimize(F.sin(x).sum(), {"n": 3}, rules=[path], verify=False).flops == 0
    write(tmp_path, '(rewrite (apply "cos" a) (number $0) :ruleset recognise :name "mine")')
    assert tg.optimize(F.sin(x).sum(), {"n": 3}, rules=[path]).flops > 0


def test_files_know_each_other(tmp_path: Path) -> None:
    """A second file may use what the first declares, and not declare it again; one file twice is one file."""
    first = write(tmp_path, "(relation even (Tensor))", "first.egg")
    second = write(
        tmp_path, '(rule ((= e (apply "cos" a))) ((even e)) :ruleset prospect :name "mine")', "second.egg"
    )
    assert [file.name for file in rule_files([first, second, first])[-2:]] == ["first.egg", "second.egg"]
    with pytest.raises(
        RuleSyntaxError, match=r"second\.egg:1: .* no constructor, function or relation 'even'"
    ):
        rule_files([second, first])
    third = write(tmp_path, "(relation even (i64))", "third.egg")
    with pytest.raises(RuleSyntaxError, match=r"'even' is already declared in first\.egg:1"):
        rule_files([first, third])


COMPUTING = {
    "a division by what is zero": "(scale (/ $1 (- q q)) a)",
    "an edge that a set does not have": '(reduce (set-of (set-get (set-of "u") 5)) a)',
    "numbers that are squared without end": "(scale (* q q) a)",
}


@pytest.mark.parametrize("ruleset", ["search", "normalise"])
@pytest.mark.parametrize("name", COMPUTING)
def test_what_has_no_value_is_not_applied(name: str, ruleset: str, tmp_path: Path) -> None:
    """A right side that cannot be computed means that the rule does not apply, and numbers stay of a size."""
    rule = f'(rewrite (scale q (apply "sin" a)) {COMPUTING[name]} :ruleset {ruleset} :name "mine")'
    plan = tg.optimize(3 * F.sin(x), {"n": 3}, rules=[write(tmp_path, rule)], verify=False)
    numbers = [step.number for step in plan.steps if step.number]
    assert all(abs(number.numerator) < 10**40 for number in numbers)
    if "without end" in name:
        assert plan.report.matches["mine"]
    else:
        assert plan.check().error < 1e-12


DOUBLING = {
    "sums, in what is made": (
        "(relation bag (Terms))",
        "(rule ((= e (add es ts))) ((bag ts))",
        "(rule ((bag n)) ((bag (multiset-sum n n)))",
    ),
    "sums, in a condition": (
        "(relation bag (Terms))",
        "(rule ((= e (add es ts))) ((bag ts))",
        "(rule ((bag n) (= m (multiset-sum n n))) ((bag m))",
    ),
    "numbers, in a condition": (
        "(relation square (BigRat))",
        "(rule ((= e (scale q a))) ((square q))",
        "(rule ((square n) (= k (* n n)) (= m (* k k))) ((square m))",
    ),
    "numbers of a function": (
        "(function square (i64) BigRat :merge new)",
        "(rule ((= e (scale q a))) ((set (square 0) q))",
        "(rule ((= n (square k)) (< k 100)) ((set (square (+ k 1)) (* n n)))",
    ),
}


@pytest.mark.parametrize("name", DOUBLING)
def test_what_doubles_comes_to_an_end(name: str, tmp_path: Path) -> None:
    """Numbers and sums that a rule makes ever larger stop at a size, in its conditions as in its actions."""
    declared, begin, grow = DOUBLING[name]
    ends = (f' :ruleset analysis :name "{rule}")' for rule in ("begin", "twice"))
    rules = "\n".join([declared, *(rule + end for rule, end in zip((begin, grow), ends, strict=True))])
    plan = tg.optimize((3 * F.sin(x) + x).sum(), {"n": 3}, rules=[write(tmp_path, rules)])
    assert 0 < plan.report.matches["twice"] < 100
    assert plan.check().error < 1e-12


def test_a_variable_may_have_any_name(tmp_path: Path) -> None:
    """Names that the loader uses itself do not get mixed up with those of a rule."""
    rule = (
        '(rewrite (scale value1 (apply "sin" result)) (apply "sin" result) :ruleset normalise :name "mine")'
    )
    plan = tg.optimize(3 * F.sin(x), {"n": 3}, rules=[write(tmp_path, rule)], verify=False)
    assert plan.flops == tg.optimize(F.sin(x), {"n": 3}).flops


def test_a_rule_that_brings_a_term_back_keeps_it(tmp_path: Path) -> None:
    """A directed rule whose right side may be its own left side (a·a the other way round) loses no term."""
    rule = '(rewrite (contract m a b) (contract m b a) :ruleset normalise :name "mine")'
    plan = tg.optimize((F.sin(x) * F.sin(x)).sum(), {"n": 3}, rules=[write(tmp_path, rule)])
    assert plan.check().error < 1e-12


MAKING = {
    "a size": ('(extent "zz")', "there is no size 'zz' in this problem; there are: n"),
    "a variable": ('(variable "zz" (vec-of "n"))', "there is no variable 'zz' in this problem; there are: x"),
    "an edge": ('(rename "n" "zz" a)', "there is no edge 'zz' in this problem; there are: n"),
    "an edge of a variable": ('(variable "x" (vec-of "zz"))', "there is no edge 'zz' in this problem"),
    "an axis": ('(variable "x" (vec-of "n" "n"))', "variable x has 1 axes here, not 2"),
    "a function": ('(apply "tanhh" a)', r"there is no function 'tanhh'; .* Did you mean 'tanh'"),
    "a constant": ('(constant "tau")', "there is no constant 'tau'; the constants are: pi"),
}


@pytest.mark.parametrize("name", MAKING)
def test_what_no_program_could_compute(name: str, tmp_path: Path) -> None:
    """A rule that makes an edge, a size, a variable or a function that is not there is named with it."""
    made, message = MAKING[name]
    path = write(tmp_path, f'(rewrite (apply "sin" a) {made} :ruleset search :name "mine")')
    with pytest.raises(RuleError, match=rf'{message}.* A rule has made it, one of: mine\.egg:1 "mine"'):
        tg.optimize(F.sin(x).sum(), {"n": 3}, rules=[path])


@pytest.mark.parametrize("right", ['(apply "sin" (apply "sin" a))', "(mine a)"])
def test_a_rule_that_leaves_nothing(right: str, tmp_path: Path) -> None:
    """A directed rule after which a term stands for nothing is refused by name, with a likely reason."""
    own = "(constructor mine (Tensor) Tensor)\n"
    rule = f'(rewrite (apply "sin" a) {right} :ruleset normalise :name "mine")'
    message = r'its right side must not contain its left side.* Of yours mine\.egg:\d "mine" have matched'
    with pytest.raises(LostTermError, match=message):
        tg.optimize(F.sin(x).sum(), {"n": 3}, rules=[write(tmp_path, own + rule)])


def test_what_the_engine_refuses_is_an_error_of_this_package(tmp_path: Path) -> None:
    """What only the engine can find is told with the line, not as its own error, nor as a panic of it."""
    rule = '(rule ((= e (apply "sin" a)) (= k (vec-get v 0))) ((union e a)) :ruleset search :name "mine")'
    with pytest.raises(RuleError, match=r"mine\.egg:1: this cannot be used: \(rule"):
        tg.optimize(F.sin(x).sum(), {"n": 3}, rules=[write(tmp_path, rule)])
    engine = Engine()
    with pytest.raises(RuleError, match=r"(?s)cannot be used: .*denominator == 0"):
        engine.command("(let $x (bigrat (bigint 1) (bigint 0)))")


def test_the_rewrites_of_the_project_are_such_as_users_write() -> None:
    """The grammar is wide enough for every rewrite of the project, and for a third of its other rules."""
    files = rule_files()
    passed = dict.fromkeys(("rewrite", "rule"), 0)
    rules = [(file, form) for file in files for form in file.forms if form[0] in passed]
    for file, form in rules:
        words = replace(vocabulary(files), rules={})
        with suppress(RuleError):
            check_file([form], file.name, words)
            prepared(form, file.name, words)
            passed[str(form[0])] += 1
    assert passed["rewrite"] == sum(form[0] == "rewrite" for _, form in rules)
    assert passed["rule"] > sum(form[0] == "rule" for _, form in rules) / 3


def test_the_words_of_the_grammar_are_there() -> None:
    """What users may state and set, and the rulesets that replace and gather, are declared."""
    words = vocabulary(rule_files())
    assert {words.declared[name].kind for name in SETTABLE} == {"function"}
    assert {words.declared[name].kind for name in STATABLE} == {"relation"}
    assert set(words.rulesets) >= DIRECTED | GATHERING

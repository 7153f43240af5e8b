"""Rule files of one's own, looked at before anything is planned with them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tensorgrad_eg.egraph.engine import Engine
from tensorgrad_eg.errors import RuleError
from tensorgrad_eg.rules.catalogue import Rule, rules_of
from tensorgrad_eg.rules.files import rule_files


@dataclass(frozen=True)
class RuleReport:
    """What a check of a rule file found: its rules or, if it cannot be used, the first mistake in it.

    >>> print(RuleReport("mine.egg", (), "mine.egg:3: a closing parenthesis too many."))
    mine.egg:3: a closing parenthesis too many.
    """

    file: str
    rules: tuple[Rule, ...]
    problem: str = ""

    @property
    def ok(self) -> bool:
        """Whether the file can be used."""
        return not self.problem

    def __str__(self) -> str:
        """The mistake, or a line for each rule."""
        lines = [f"{self.file}: {len(self.rules)} rule{'' if len(self.rules) == 1 else 's'}, no mistake"]
        lines += [f"  {rule.line:4}  {rule.ruleset:14}  {rule.name}" for rule in self.rules]
        return self.problem or "\n".join(lines)


def load_rules(path: str | Path) -> tuple[Rule, ...]:
    """The rules of a file, each with its name, ruleset, line and comment. It is checked, and nothing is run.

    Raises:
        RuleFileNotFoundError: if there is no such file.
        RuleFileError: if it cannot be read: a folder, no UTF-8, too long.
        ForbiddenRuleError: if it does something else than state rules.
        RuleSyntaxError: if there is a mistake in it.
        RuleError: if the engine cannot use one of its rules.

    Example:
        >>> from tempfile import mkdtemp
        >>> path = Path(mkdtemp(), "mine.egg")
        >>> text = '(rewrite (apply "sin" (apply "asin" a)) a :ruleset normalise :name "sin of asin")'
        >>> _ = path.write_text(text)
        >>> [(rule.name, rule.ruleset, rule.line) for rule in load_rules(path)]
        [('sin of asin', 'normalise', 1)]
    """
    files = rule_files([path])
    Engine(files)
    own = set(rule_files())
    return tuple(rules_of(file for file in files if file not in own))


def check_rules(path: str | Path) -> RuleReport:
    """Whether a rule file can be used, and what is wrong with it if it cannot. Nothing is planned or run.

    The report has the rules, `ok`, and as text the first mistake. That a rule can be used does not say that
    it is true: a plan made with it is checked for that.

    Raises:
        RuleFileNotFoundError: if there is no such file.

    Example:
        >>> from tempfile import mkdtemp
        >>> path = Path(mkdtemp(), "mine.egg")
        >>> _ = path.write_text('(output "out.txt" "text")')
        >>> report = check_rules(path)
        >>> report.ok
        False
        >>> print(report)
        mine.egg:1: 'output' writes a file. A rule file states rules and nothing else; nothing of it was run.
    """
    name = Path(path).name
    try:
        return RuleReport(name, load_rules(path))
    except RuleError as error:
        return RuleReport(name, (), str(error))

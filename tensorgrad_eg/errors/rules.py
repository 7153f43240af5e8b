"""Mistakes in rules, and what rules must not do."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Self

from tensorgrad_eg.errors.base import TensorgradError, ended, listing, suggestion


class RuleFileNotFoundError(TensorgradError, FileNotFoundError):
    """A rule file that does not exist.

    >>> print(RuleFileNotFoundError.of("my_rule.egg", ["my_rules.egg"]))
    there is no rule file 'my_rule.egg'. Did you mean 'my_rules.egg'?
    """

    @classmethod
    def of(cls, path: str, near: Iterable[str] = ()) -> Self:
        """Say which file was not found; `near` are the rule files that are there."""
        return cls(f"there is no rule file '{path}'.{suggestion(path, near)}")


class RuleError(TensorgradError, ValueError):
    """A rule, or a rule file, that cannot be used.

    >>> print(RuleError("my_rules.egg: the rule 'fuse' has no name."))
    my_rules.egg: the rule 'fuse' has no name.
    """


class RuleFileError(RuleError):
    """A rule file that cannot be read.

    >>> print(RuleFileError.of("rules", "it is a folder. Name the files in it"))
    'rules' cannot be read as a rule file: it is a folder. Name the files in it.
    """

    @classmethod
    def of(cls, path: object, problem: str) -> Self:
        """Say which file cannot be read, and why."""
        return cls(f"{str(path)!r} cannot be read as a rule file: {ended(problem)}")


class RuleSyntaxError(RuleError):
    """A mistake in the writing of a rule file: parentheses, names, sorts, unknown words.

    >>> print(RuleSyntaxError.at("mine.egg", 3, "a closing parenthesis too many"))
    mine.egg:3: a closing parenthesis too many.
    """

    @classmethod
    def at(cls, file: str, line: int, problem: str) -> Self:
        """Say in which line of which file the mistake is."""
        return cls(f"{file}:{line}: {ended(problem)}")


class ForbiddenRuleError(RuleError):
    """A rule file that does more than state rules. Nothing of it has been run.

    >>> print(ForbiddenRuleError.at("mine.egg", 3, "'output' writes a file"))
    mine.egg:3: 'output' writes a file. A rule file states rules and nothing else; nothing of it was run.
    """

    @classmethod
    def at(cls, file: str, line: int, problem: str) -> Self:
        """Say what stands in which line of which file."""
        return cls(
            f"{file}:{line}: {problem}. A rule file states rules and nothing else; nothing of it was run."
        )


class EndlessRuleError(RuleError):
    """Rules that go on and on: each makes what they match again.

    >>> issubclass(EndlessRuleError, RuleError)
    True
    """

    @classmethod
    def of(cls, ruleset: str, matches: Mapping[str, int]) -> Self:
        """Say in which ruleset, and which rules matched most.

        >>> print(EndlessRuleError.of("recognise", {"double": 70000, "once": 3}))
        the rules of recognise do not come to an end. Most often matched: double ×70000, once ×3. A rule \
that makes what it matches again belongs into the ruleset search, which has a budget.
        """
        most = sorted(matches.items(), key=lambda item: (-item[1], item[0]))[:3]
        counts = ", ".join(f"{name} ×{count}" for name, count in most)
        return cls(
            f"the rules of {ruleset} do not come to an end. Most often matched: {counts}. A rule that makes "
            "what it matches again belongs into the ruleset search, which has a budget."
        )


class LostTermError(RuleError):
    """A program of which the rules have left nothing.

    >>> print(LostTermError.of())
    the rules leave nothing of a term that is needed. A directed rule replaces what it matches: its right side
    must not contain its left side, nor be turned back by another rule. Try it without your rule files, or
    with their rules in search.
    """

    @classmethod
    def of(cls, fired: Collection[str] = ()) -> Self:
        """Say what rules of a user can do that has this effect, and which of them have matched.

        >>> "Of yours mine.egg:1 have matched." in str(LostTermError.of(["mine.egg:1"]))
        True
        """
        yours = f" Of yours {listing(fired)} have matched." if fired else ""
        return cls(
            "the rules leave nothing of a term that is needed. A directed rule replaces what it matches: its "
            f"right side must not contain its left side, nor be turned back by another rule.{yours} Try it "
            "without your rule files, or with their rules in search."
        )

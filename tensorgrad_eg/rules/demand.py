"""Rules that are loaded where a problem can use them: to load a rule takes a seventh of a millisecond.

Rules of functions and operations that are rarely met have files of their own. One of these rules is loaded
only if all that it looks for is in the problem, or may be made there by rules that are loaded.

>>> from tensorgrad_eg.rules import rule_files
>>> sorted(reach(rule_files(), frozenset({"lgamma"})) & {"lgamma", "digamma", "sinh"})
['digamma', 'lgamma']
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from tensorgrad_eg.expr.operations import OPERATIONS
from tensorgrad_eg.rules.forms import Form, SExpr, forms_in, head, option, show

if TYPE_CHECKING:
    from tensorgrad_eg.rules import RuleFile

#: Files of rules that are loaded on demand; the last two follow from the table of operations.
ON_DEMAND = (
    *("66_elementary.egg", "66_matrices.egg", "67_choices.egg", "68_reductions.egg", "81_definite.egg"),
    *("11_operations", "65_operations"),
)
#: What stands before the name of a function.
_NAMED = ("apply", "slope")
#: What declares a relation or a function of a file.
_DECLARING = ("relation", "function")


@lru_cache(maxsize=64)
def reach(files: tuple[RuleFile, ...], words: frozenset[str]) -> frozenset[str]:
    """The functions and operations that these become, and those that rules make which are always there."""
    rare = scarce(files)
    forms = [(file.name in ON_DEMAND, form) for file in files for form in file.forms]
    always = [form for demanded, form in forms if not demanded and head(form) in ("rewrite", "rule")]
    found = words.union(*(_mentioned(form, rare) for form in always))
    if any(OPERATIONS[word].matrix for word in found & OPERATIONS.keys()):
        found |= {"lu"}  # functions of matrices are encoded as functions of the factors
    rest = [
        (_looked_for(form, rare), _mentioned(form, rare))
        for demanded, form in forms
        if demanded and head(form) in ("rewrite", "rule")
    ]
    while more := [made for needed, made in rest if needed <= found and not made <= found]:
        found = found.union(*more)
    return found


@lru_cache(maxsize=16)
def scarce(files: tuple[RuleFile, ...]) -> frozenset[str]:
    """The operations that are rarely met, and the relations between them that rules of such files find.

    >>> from tensorgrad_eg.rules import rule_files
    >>> sorted(scarce(rule_files()) & {"contract", "factored", "inverse"})
    ['factored', 'inverse']
    """
    rare = frozenset(name for name, entry in OPERATIONS.items() if entry.rare)
    forms = [form for file in files if file.name in ON_DEMAND for form in file.forms]
    declared = frozenset(show(form[1]) for form in forms if head(form) in _DECLARING)
    # What no rule finds is said from outside.
    return rare.union(*(declared & _mentioned(form[2], declared) for form in forms if head(form) == "rule"))


def needed(form: Form, words: frozenset[str], rare: frozenset[str]) -> bool:
    """Whether a form that is loaded on demand says something of these functions and operations.

    >>> rule = Form(["rewrite", Form(["slope", '"cosh"', "a"]), Form(["apply", '"sinh"', "a"])])
    >>> needed(rule, frozenset({"cosh"}), frozenset()), needed(rule, frozenset({"sinh"}), frozenset())
    (True, False)
    """
    return head(form) not in ("rewrite", "rule") or _looked_for(form, rare) <= words


def _looked_for(form: Form, rare: frozenset[str]) -> frozenset[str]:
    """What has to be there before the rule can match."""
    conditions = option(form, ":when")
    return _mentioned(form[1], rare) | (_mentioned(conditions, rare) if conditions else frozenset())


def _mentioned(term: SExpr, rare: frozenset[str]) -> frozenset[str]:
    found = set()
    for part in forms_in(term):
        if head(part) in rare:
            found.add(head(part))
        elif head(part) in _NAMED and isinstance(part[1], str) and part[1].startswith('"'):
            found.add(part[1].strip('"'))
    return frozenset(found)

"""The rulesets, by what their rules do and by the phase in which they run.

>>> sorted(GATHERING & SEARCH) == sorted(GATHERING)
True
"""

#: Rulesets that gather facts, and run until there are no more: new terms in them might never end.
GATHERING = frozenset({"analysis", "prospect", "orders", "volumes", "judge"})
#: Rulesets whose rewrites replace: the left side is deleted once the right side is there.
DIRECTED = frozenset({"recognise", "normalise", "substitute", "descend", "differentiate", "facts"})
#: Rulesets of equalities that keep both sides. Print and the last step of a search have some of their own.
EQUALITIES = frozenset({"accumulate", "search", "hoist", "distribute", "sink", "sunk", "meet", "written"})

#: The phase that brings a program to its normal form, …
NORMAL = frozenset({"analysis", "recognise", "normalise", "substitute", "descend"})
#: … that works out derivatives, …
DERIVE = NORMAL | {"differentiate"}
#: … that takes multiples outward for print, …
PRINT = NORMAL | {"hoist"}
#: … and that searches.
SEARCH = NORMAL | GATHERING | EQUALITIES

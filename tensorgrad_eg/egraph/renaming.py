"""Terms under other names of their edges."""

from __future__ import annotations

from collections.abc import Mapping

from tensorgrad_eg.egraph.term import Dag

#: The size of every edge: a symbol or a number.
Symbols = dict[str, str | int]


def renamed(dag: Dag, at: int, names: Mapping[str, str], symbols: Symbols) -> int:
    """The node under other names, exchanged all at once; those in the way step aside first.

    >>> dag = Dag()
    >>> a = dag.put("variable", ("A", ("i", "j")))
    >>> end = renamed(dag, a, {"i": "j", "j": "i"}, {"i": "n", "j": "n"})
    >>> [node.payload for node in dag.nodes[1:]]
    [('i', "i'"), ('j', "j'"), ("i'", 'j'), ("j'", 'i')]
    """
    pairs = {old: new for old, new in sorted(names.items()) if old != new}
    for old in sorted(set(pairs) & set(pairs.values())):
        aside = old + "'"
        while aside in symbols or aside in pairs or aside in pairs.values():
            aside += "'"
        symbols[aside] = symbols[old]
        at = dag.put("rename", (old, aside), at)
        pairs[aside] = pairs.pop(old)
    for old, new in pairs.items():
        at = dag.put("rename", (old, new), at)
    return at

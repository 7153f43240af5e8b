"""What a node is but for the names of its edges, as a key that two nodes share if they differ by these alone.

A node reads tensors under names. Its key numbers the names in an order that does not depend on them, as
graphs are put into a canonical form: names are told apart by what they are and by where they are read
(colour refinement), and where that leaves several alike each of them is tried as the first (McKay and
Piperno, J. Symb. Comput. 60, 2014). Orders with one key show symmetries of the node.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

#: An order of axes: entry n says which axis is read as the n-th.
Order = tuple[int, ...]
#: A tensor, by its number, and the names under which its axes are read.
Read = tuple[int, tuple[str, ...]]
#: What each numbered name is, and the tensors with the numbers under which they are read.
Key = tuple[tuple[str, ...], tuple[tuple[int, Order], ...]]
Symmetries = Mapping[int, Sequence[Order]]
#: How many orders of one node are looked at; where that is too few, less is found to be equal.
_TRIES = 60
#: The tensor that names stand for which no tensor has.
_NAME = -2


def canonical(
    reads: Sequence[Read], kinds: Mapping[str, str], symmetries: Symmetries
) -> tuple[Key, list[tuple[str, ...]]]:
    """The key of a node and the orders of its names that lead to it; from one to another is a symmetry.

    The order of the tensors read does not matter. `kinds` says of each name whether it is summed, free or
    something else, and its size: names are exchanged only for names of the same kind. `symmetries` are
    orders in which a tensor may be read and is the same; they have to be a group.

    Example:
        >>> key, orders = canonical([(7, ("i",)), (7, ("j",))], {"i": "free n", "j": "free n"}, {})
        >>> orders
        [('i', 'j'), ('j', 'i')]
        >>> key == canonical([(7, ("b",)), (7, ("a",))], {"a": "free n", "b": "free n"}, {})[0]
        True
    """
    read = {name for _, names in reads for name in names}
    reads = [*reads, *((_NAME, (name,)) for name in sorted(kinds) if name not in read)]
    reads.sort(key=lambda one: one[0])
    groups = [group for group, _ in reads]
    if len(set(groups)) == len(groups) and not any(group in symmetries for group in groups):
        order = tuple(dict.fromkeys(name for _, names in reads for name in names))
        return _key(reads, kinds, symmetries, order), [order]
    keys = [(_key(reads, kinds, symmetries, order), order) for order in _orders(reads, kinds, symmetries)]
    best = min(key for key, _ in keys)
    return best, [order for key, order in keys if key == best]


def _key(
    reads: Sequence[Read], kinds: Mapping[str, str], symmetries: Symmetries, order: Sequence[str]
) -> Key:
    """The node with numbers for names."""
    number = {name: n for n, name in enumerate(order)}
    numbered = sorted((group, _view(names, number, symmetries.get(group))) for group, names in reads)
    return tuple([kinds[name] for name in order]), tuple(numbered)


def _view(names: tuple[str, ...], number: Mapping[str, int], orders: Sequence[Order] | None) -> Order:
    """The numbers under which a tensor is read, the least of those that its symmetries allow."""
    plain = tuple([number[name] for name in names])
    if orders is None:
        return plain
    return min(tuple([plain[n] for n in order]) for order in orders)


def _orders(
    reads: Sequence[Read], kinds: Mapping[str, str], symmetries: Symmetries
) -> Iterator[tuple[str, ...]]:
    """Orders of the names: every one that what can be told apart leaves open, or some of these."""
    ranks = {kind: n for n, kind in enumerate(sorted(set(kinds.values())))}
    stack = [({name: ranks[kind] for name, kind in kinds.items()}, True)]
    for _ in range(_TRIES):
        if not stack:
            return
        colours, first = stack.pop()
        colours = _refined(colours, reads, symmetries)
        while alike := _alike(colours):
            if first:
                stack.extend((_before(colours, name), False) for name in alike[1:])
            colours = _refined(_before(colours, alike[0]), reads, symmetries)
        yield tuple(sorted(colours, key=lambda name: colours[name]))


def _alike(colours: Mapping[str, int]) -> list[str]:
    """The first names that have one colour, sorted; none if all differ."""
    cells: dict[int, list[str]] = {}
    for name, colour in colours.items():
        cells.setdefault(colour, []).append(name)
    many = [colour for colour, names in cells.items() if len(names) > 1]
    return sorted(cells[min(many)]) if many else []


def _before(colours: Mapping[str, int], name: str) -> dict[str, int]:
    """The colours with one name set before those that are like it."""
    return {other: 2 * colour + (other != name) for other, colour in colours.items()}


def _refined(colours: dict[str, int], reads: Sequence[Read], symmetries: Symmetries) -> dict[str, int]:
    """Tells names apart by the places where they are read, and by what is read beside them."""
    count = len(set(colours.values()))
    while count < len(colours):
        marks: dict[str, list[tuple[int, Order, int]]] = {name: [] for name in colours}
        for group, names in reads:
            view = _view(names, colours, symmetries.get(group))
            for order in symmetries.get(group, (tuple(range(len(names))),)):
                own = [names[n] for n in order]
                if all(colours[name] == colour for name, colour in zip(own, view, strict=True)):
                    for place, name in enumerate(own):
                        marks[name].append((group, view, place))
        told = {name: (colour, tuple(sorted(marks[name]))) for name, colour in colours.items()}
        ranks = {mark: n for n, mark in enumerate(sorted(set(told.values())))}
        colours = {name: ranks[mark] for name, mark in told.items()}
        if len(ranks) == count:
            break
        count = len(ranks)
    return colours

"""Congruence closure but for names: which tensors are one read under other names, and which are symmetric.

Tensors are stated by nodes: an operation on other tensors, read under names. Two nodes of one operation that
read the same tensors under corresponding names are the same tensor under those names, and tensors that read
them may be the same in turn. That is followed to a fixed point (Downey, Sethi and Tarjan, J. ACM 27, 1980;
with names: Schneider et al., PLDI 2025, "Slotted E-Graphs"). Nothing is evaluated: what is found equal is so
by the nodes alone.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from tensorgrad_eg.running import Deadline

#: An order of axes: entry n says which axis is read as the n-th.
Order = tuple[int, ...]
#: A tensor, by its number, and the names under which its axes are read.
Read = tuple[int, tuple[str, ...]]
#: What each numbered name is, and the tensors with the numbers under which they are read, and their signs.
Key = tuple[tuple[str, ...], tuple[tuple[int, Order, int], ...]]
#: For a symmetric tensor the orders in which it may be read, and the sign that it then has.
Symmetries = Mapping[int, Mapping[Order, int]]
#: What becomes of the signs of what is read: they are multiplied, they may all change at once, or they stay.
PRODUCT, SUM, FUNCTION = "product", "sum", "function"
#: How many orders of one node are looked at; where that is too few, less is found to be equal.
_TRIES = 60
#: The tensor that names stand for which no tensor has.
_NAME = -2
#: The tensors that stand for the places of what is read in an order: this one, and those below.
_PLACE = -3


def _canonical(
    reads: Sequence[Read], signs: Sequence[int], how: str, kinds: Mapping[str, str], symmetries: Symmetries
) -> tuple[Key, list[tuple[tuple[str, ...], int]]]:
    """The key of a node and the orders of its names that lead to it, each with the sign that it takes.

    From one to another is a symmetry. The order of the tensors read does not matter. `kinds` says of each
    name whether it is summed, free or something else, and its size: names are exchanged only for names of the
    same kind. `symmetries` are orders in which a tensor may be read and is the same, or its negative; they
    have to be a group.
    """
    read = {name for _, names in reads for name in names}
    more = [(_NAME, (name,)) for name in sorted(kinds) if name not in read]
    both = sorted(zip([*reads, *more], [*signs, *[1] * len(more)], strict=True), key=lambda one: one[0][0])
    reads, signs = [one for one, _ in both], [sign for _, sign in both]
    groups = [group for group, _ in reads]
    orders: Iterable[tuple[str, ...]] = _orders(reads, kinds, symmetries)
    if len(set(groups)) == len(groups) and not any(group in symmetries for group in groups):
        orders = [tuple(dict.fromkeys(name for _, names in reads for name in names))]
    keys = [(*key, order) for order in orders for key in _keys(reads, signs, how, kinds, symmetries, order)]
    best = min(key for key, _, _ in keys)
    return best, [(order, sign) for key, sign, order in keys if key == best]


def _keys(
    reads: Sequence[Read], signs: Sequence[int], how: str, kinds: Mapping[str, str],
    symmetries: Symmetries, order: Sequence[str],
) -> Iterator[tuple[Key, int]]:  # fmt: skip
    """The node with numbers for names, with each sign that it may take then, if there are several."""
    number = {name: n for n, name in enumerate(order)}
    whole, numbered, zero = 1, [], False
    for (group, names), sign in zip(reads, signs, strict=True):
        view, turned = _view(names, number, symmetries.get(group))
        zero |= how == PRODUCT and not turned
        whole *= sign * (turned or 1) if how == PRODUCT else 1
        numbered.append((group, view, 1 if how == PRODUCT else sign * (turned or 1)))
    names = tuple([kinds[name] for name in order])
    yield (names, tuple(sorted(numbered))), whole
    if zero:
        yield (names, tuple(sorted(numbered))), -whole
    if how == SUM:
        yield (names, tuple(sorted((group, view, -sign) for group, view, sign in numbered))), -1


def _view(
    names: tuple[str, ...], number: Mapping[str, int], orders: Mapping[Order, int] | None
) -> tuple[Order, int]:
    """The numbers under which a tensor is read, the least of those that its symmetries allow, and its sign.

    The sign is 0 where both are possible.
    """
    plain = tuple([number[name] for name in names])
    if orders is None:
        return plain, 1
    best, sign = plain, 1
    for order, turned in orders.items():
        view = tuple([plain[n] for n in order])
        if view < best:
            best, sign = view, turned
        elif view == best and turned != sign:
            sign = 0
    return best, sign


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
            view, _ = _view(names, colours, symmetries.get(group))
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


#: The most orders kept of a symmetric tensor; of larger groups a part, and less is found to be equal.
_ORDERS = 120
#: How many nodes are looked at between two looks at the clock.
_VISITS = 50
#: What stands in for a tensor where a node reads none, but has names.
LEAF = -1
#: What a name is to a node: summed or not, an axis of its tensor or not.
_ROLES = {(True, True): "both", (True, False): "over", (False, True): "free", (False, False): "constant"}


def kind(over: bool, free: bool, size: str | int) -> str:
    """What a name is to a node, and its size: only names of one kind may be exchanged.

    Example:
        >>> kind(True, False, "n")
        'over n'
    """
    return f"{_ROLES[over, free]} {size}"


@dataclass(frozen=True, slots=True)
class Node:
    """One way to state a tensor: `at`, whose axes are `names`, is the operation `tag` on what it `reads`.

    The order of what is read does not matter, unless it is `ordered`. `kinds` says of each name what it is,
    and its size. Names that are neither summed nor axes of `at` are those along which it is constant. The
    tensor is `sign` times the operation; `how` says what it does with the signs of what it reads.
    """

    at: int
    names: tuple[str, ...]
    tag: Hashable
    reads: tuple[Read, ...]
    kinds: Mapping[str, str]
    sign: int = 1
    how: str = FUNCTION
    ordered: bool = False


class Closure:
    """Groups of tensors that are one, or each other's negative.

    Example:
        >>> same = Closure()
        >>> for at, name in enumerate("ij"):
        ...     same.add(Node(at, (name,), "x", (), {name: "free n"}))
        >>> same.run()
        >>> same.place[0], same.place[1]
        ((0, (0,)), (0, (0,)))
    """

    def __init__(self) -> None:
        """Nothing is stated yet."""
        #: Of every tensor its group, and which of its own axes is the group's n-th.
        self.place: dict[int, tuple[int, Order]] = {}
        #: What is the negative of its group.
        self.signs: dict[int, int] = {}
        #: Of every symmetric group the orders in which its axes may be read.
        self.symmetries: dict[int, list[Order]] = {}
        #: … with those in which it is its negative; what may be read in one order with both signs is zero.
        self.turns: dict[int, dict[Order, int]] = {}
        self.zeros: set[int] = set()
        self._members: dict[int, list[int]] = {}
        self._readers: dict[int, list[int]] = {}
        self._nodes: list[Node] = []
        self._known: dict[tuple[Hashable, Key], tuple[int, Order, int]] = {}
        self._queue: list[int] = []
        self._waiting: set[int] = set()

    def tensor(self, at: int, axes: int) -> None:
        """Makes a tensor known by its number, and how many axes it has."""
        if at not in self.place:
            self.place[at] = at, tuple(range(axes))
            self._members[at] = [at]
            self._readers[at] = []

    def add(self, node: Node) -> None:
        """States what a tensor is; what it reads has to be known."""
        self.tensor(node.at, len(node.names))
        for child, _ in node.reads:
            if child >= 0:
                self._readers[self.place[child][0]].append(len(self._nodes))
        self._queue.append(len(self._nodes))  # the largest: a heap stays one
        self._waiting.add(len(self._nodes))
        self._nodes.append(node)

    def run(self, deadline: Deadline | None = None) -> None:
        """Follows what has been stated, until the time is up: then less is found to be equal."""
        for visits in count():
            if not self._queue or (deadline and visits % _VISITS == 0 and deadline.over):
                return
            number = heapq.heappop(self._queue)
            self._waiting.discard(number)
            self._visit(self._nodes[number])

    def same(self, one: int, axes: Sequence[int], two: int, others: Sequence[int], sign: int = 1) -> None:
        """States that two tensors are one, whose axes correspond one by one (not listed: to themselves).

        With the sign -1 they are each other's negative.
        """
        left, first = self.place[one]
        right, second = self.place[two]
        sign *= self.signs.get(one, 1) * self.signs.get(two, 1)
        to = {second.index(b): first.index(a) for a, b in zip(axes, others, strict=True)}
        order = tuple([to.get(n, n) for n in range(len(second))])
        if left == right:
            self._symmetric(left, {order: sign})
        elif len(self._readers[left]) + len(self._members[left]) > len(self._readers[right]) + len(
            self._members[right]
        ):
            self._join(right, left, _inverse(order), sign)
        else:
            self._join(left, right, order, sign)

    def pairs(self, at: int) -> list[tuple[int, int]]:
        """The pairs of its own axes in which a tensor is symmetric."""
        group, order = self.place[at]
        found = []
        for turn in self.symmetries.get(group, ()):
            moved = sorted((order[n], order[m]) for n, m in enumerate(turn) if n != m)
            if len(moved) == 2:
                found.append(moved[0])
        return sorted(found)

    def orders(self, at: int) -> list[Order]:
        """The orders in which a tensor may be read, of its own axes; none if it is not symmetric."""
        group, order = self.place[at]
        back = _inverse(order)
        return sorted(tuple([order[turn[n]] for n in back]) for turn in self.symmetries.get(group, ()))

    def readings(self, at: int, names: Sequence[str]) -> list[tuple[tuple[str, ...], int]]:
        """The names of its axes in all orders in which a tensor may be read, the first as its group has them.

        The sign is that of the tensor read so, as a multiple of what it is under its own names.
        """
        group, order = self.place[at]
        plain = [names[n] for n in order]
        turns = self.turns.get(group, {tuple(range(len(plain))): 1})
        return [(tuple([plain[n] for n in turn]), sign) for turn, sign in turns.items()]

    def _visit(self, node: Node) -> None:
        reads = [self._read(read) for read in node.reads]
        signs = [self.signs.get(at, 1) for at, _ in node.reads]
        if node.how == PRODUCT and any(group in self.zeros for group, _ in reads):
            self._zero(self.place[node.at][0])
            return
        tag = node.tag
        if node.ordered:
            tag = tag, tuple([(group, sign) for (group, _), sign in zip(reads, signs, strict=True)])
            reads += [(_PLACE - n, names) for n, (_, names) in enumerate(reads)]
            signs += [1] * len(signs)
        key, orders = _canonical(reads, signs, node.how, node.kinds, self.turns)
        own = {name: n for n, name in enumerate(node.names)}
        axes = [
            (tuple([own[name] for name in order if name in own]), sign * node.sign) for order, sign in orders
        ]
        known, others, turned = self._known.setdefault((tag, key), (node.at, *axes[0]))
        for order, sign in dict.fromkeys(axes):
            self.same(node.at, order, known, others, sign * turned)

    def _read(self, read: Read) -> Read:
        """The group that is read, and the names of its axes."""
        at, names = read
        if at < 0:
            return read
        group, order = self.place[at]
        return group, tuple([names[n] for n in order])

    def _join(self, left: int, right: int, order: Order, sign: int) -> None:
        """Puts one group into another, whose n-th axis is its order[n]-th, and which is `sign` times it."""
        for at in self._members[left]:
            _, own = self.place[at]
            self.place[at] = right, tuple([own[n] for n in order])
            if sign < 0:
                self.signs[at] = -self.signs.get(at, 1)
        self._members[right] += self._members.pop(left)
        readers = self._readers.pop(left)
        self._wake(readers)
        self._readers[right] += readers
        back = _inverse(order)
        self.symmetries.pop(left, None)
        turns = self.turns.pop(left, {})
        self._symmetric(
            right, {tuple([back[one[n]] for n in order]): turned for one, turned in turns.items()}
        )
        if left in self.zeros:
            self._zero(right)

    def _symmetric(self, group: int, orders: Mapping[Order, int]) -> None:
        """Takes note that a group may be read in these orders."""
        before = known = self.turns.get(group, {})
        for order, sign in orders.items():
            have = known.get(order, sign if order != tuple(range(len(order))) else 1)
            if have != sign:
                self._zero(group)
            elif order not in known and order != tuple(range(len(order))):
                known = self._generated(group, {**known, order: sign}) or known
        if known is not before:
            self.turns[group] = known
            self.symmetries.pop(group, None)
            plain = sorted(order for order, sign in known.items() if sign > 0)
            if len(plain) > 1:
                self.symmetries[group] = plain
            self._wake(self._readers[group])

    def _zero(self, group: int) -> None:
        """Takes note that a group is its own negative."""
        if group not in self.zeros:
            self.zeros.add(group)
            self._wake(self._readers[group])

    def _generated(self, group: int, orders: Mapping[Order, int]) -> dict[Order, int]:
        """All orders that come about by one after another, with their signs; none if there are too many."""
        start = tuple(range(len(next(iter(orders)))))
        signs = {start: 1}
        found = [start]
        for one in found:
            for order, sign in orders.items():
                both = tuple([one[n] for n in order])
                if both not in signs:
                    if len(found) == _ORDERS:
                        return {}
                    signs[both] = signs[one] * sign
                    found.append(both)
                elif signs[both] != signs[one] * sign:
                    self._zero(group)
        return dict(sorted(signs.items()))

    def _wake(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            if number not in self._waiting:
                self._waiting.add(number)
                heapq.heappush(self._queue, number)


def _inverse(order: Order) -> Order:
    return tuple(sorted(range(len(order)), key=order.__getitem__))

"""Half of the work where tensors are symmetric: a pass over a program.

A step whose result is symmetric in two labels, because each operand is symmetric in them or has neither, is
computed for the entries i <= j alone: its operands are packed, two labels becoming one, and the result is
unpacked where somebody needs it in full. Two pairs that are both symmetric leave a quarter of the work.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod

from tensorgrad_eg.expr.operations import OPERATIONS
from tensorgrad_eg.extract import UNIT, Priced, Way
from tensorgrad_eg.extract.closure import Order
from tensorgrad_eg.extract.symmetries import Axes, Orders, symmetries
from tensorgrad_eg.program import Operand, Program, Step
from tensorgrad_eg.program.cost import costs, elements, total_flops
from tensorgrad_eg.running import Deadline

#: An element that is packed or unpacked is a random access: it has to save this many flops.
MOVED = 16
#: Steps that cost less than this part of a program are left alone.
_SMALL = 1 / 500
_SWEEPS = 4
_Pairs = tuple[Axes, ...]
_Slot = int | Axes
_Labels = tuple[str, str]
#: For every symmetric class the orders in which its edges, sorted, may be read.
ClassOrders = Mapping[int, Sequence[tuple[str, ...]]]


def halved(
    program: Program,
    known: Iterable[tuple[str, Axes]] = (),
    given: Orders | None = None,
    deadline: Deadline | None = None,
) -> Program:
    """The program with symmetric work done once, where that saves more than packing and unpacking cost.

    `known` are pairs of axes in which inputs are symmetric, `given` orders in which axes of steps may be
    read: what the program's steps alone do not show. At the deadline no more proofs are looked for. A program
    that packs already is left as it is.

    Example:
        >>> from tensorgrad_eg.program import Input, Output
        >>> X, w = Input("X", ("b", "i"), ("b", "n")), Input("w", ("b", "c"), ("b", "c"))
        >>> one, two, XX = Operand("X", ("b", "i")), Operand("X", ("b", "j")), Operand("XX", ("b", "i", "j"))
        >>> outer = Step("XX", "contract", (one, two), XX.edges)
        >>> total = Step("S", "contract", (XX, Operand("w", ("b", "c"))), ("c", "i", "j"), ("b",))
        >>> result = Output(Operand("S", total.edges), total.edges, total.edges)
        >>> program = Program((X, w), (outer, total), (result,), {"b": 100, "i": 10, "j": 10, "c": 20})
        >>> [step.kind for step in halved(program).steps]
        ['contract', 'pack', 'contract', 'unpack']
    """
    if any(step.kind in ("pack", "unpack") for step in program.steps):
        return program
    found = symmetries(program, known, given, deadline)
    options = {step.name: list(_options(step, found)) for step in program.steps}
    least = total_flops(program) * _SMALL
    cost = costs(program)
    wanted = sorted((name for name in cost if cost[name] > least), key=lambda name: -cost[name])
    choice: dict[str, _Pairs] = {}
    best = _Writer(program, choice).written()
    for _ in range(_SWEEPS):
        before = best
        for name in wanted:
            for pairs in options[name]:
                if pairs == choice.get(name, ()):
                    continue
                tried = _Writer(program, {**choice, name: pairs}).written()
                if _price(tried) < _price(best):
                    best, choice = tried, {**choice, name: pairs}
        if best is before:
            break
    return best if total_flops(best) < total_flops(program) else program


def orders_of(program: Program, classes: Mapping[str, int], known: ClassOrders) -> Orders:
    """For every step the orders in which its axes may be read, from those of the class that it computes.

    Example: see `tensorgrad_eg.api`, which is where all the parts meet.
    """
    return {
        step.name: _axes(step.edges, known[classes[step.name]])
        for step in program.steps
        if classes.get(step.name) in known
    }


def _axes(edges: Sequence[str], orders: Sequence[tuple[str, ...]]) -> list[Order]:
    """Orders of names, sorted at first, as orders of the places at which these edges are."""
    found = []
    for order in orders:
        read = dict(zip(sorted(edges), order, strict=True))
        found.append(tuple([edges.index(read[edge]) for edge in edges]))
    return found


def _price(program: Program) -> int:
    moves = [step for step in program.steps if step.kind in ("pack", "unpack")]
    return total_flops(program) + (MOVED - 1) * sum(elements(step.edges, program.sizes) for step in moves)


def _options(step: Step, found: Mapping[str, Sequence[Axes]]) -> Iterator[_Pairs]:
    """The sets of disjoint pairs of a step's own axes that can be packed; none of them first."""
    yield ()
    if OPERATIONS[step.kind].matrix:
        return  # a half is no matrix
    pairs = [(a, b) for a, b in found[step.name] if _packable(step, (step.edges[a], step.edges[b]), found)]
    for n, pair in enumerate(pairs):
        yield (pair,)
        yield from ((pair, other) for other in pairs[n + 1 :] if not set(pair) & set(other))


def _packable(step: Step, labels: _Labels, found: Mapping[str, Sequence[Axes]]) -> bool:
    """Whether every operand is symmetric in both labels, or has neither. What it works along stays whole."""
    if not step.operands or set(labels) & set(step.over):
        return False
    for operand in step.operands:
        places = _places(operand, labels)
        both = sorted(operand.edges[n] for n in places) == sorted(labels)
        if places and not (both and places in found[operand.tensor]):
            return False
    return True


def _places(operand: Operand, labels: _Labels) -> tuple[int, ...]:
    return tuple(n for n, edge in enumerate(operand.edges) if edge in labels)


def discounted(priced: Priced, known: ClassOrders) -> Priced:
    """The e-graph with contractions at the price they have when one half is computed, where that is lower.

    An extraction with these prices prefers products of symmetric tensors: `known` has the orders in which
    the edges of symmetric classes may be read.
    """
    symmetric = {at: _exchanged(orders) for at, orders in known.items()}
    units = list(priced.units)
    for n, way in enumerate(priced.ways):
        if way.node.op == "contract" and way.node.payload:
            halves = _half_prices(priced, way, units[n] / UNIT, symmetric)
            units[n] = min([units[n], *(1 + round(UNIT * price) for price in halves)])
    return replace(priced, units=units)


def _exchanged(orders: Iterable[tuple[str, ...]]) -> frozenset[_Labels]:
    """The pairs of edges that one of the orders exchanges, and nothing else."""
    found = set()
    for order in orders:
        moved = [edge for edge, other in zip(order, sorted(order), strict=True) if edge != other]
        if len(moved) == 2:
            found.add((min(moved), max(moved)))
    return frozenset(found)


def _half_prices(
    priced: Priced, way: Way, full: float, symmetric: Mapping[int, Collection[_Labels]]
) -> Iterator[float]:
    free, sizes = priced.snapshot.free, priced.sizes
    kids = dict.fromkeys(way.node.children)
    pairs = sorted(
        (i, j)
        for (i, j) in {pair for c in kids for pair in symmetric.get(c, ())}
        if {i, j} <= free[way.at] and all((i, j) in symmetric.get(c, ()) for c in kids if free[c] & {i, j})
    )
    for n, pair in enumerate(pairs):
        for packed in ((pair,), *((pair, other) for other in pairs[n + 1 :] if not set(pair) & set(other))):
            moved = sum(elements(free[c], sizes) / 2 for c in kids if any(free[c] & {*p} for p in packed))
            moved += elements(free[way.at], sizes) * (1.5 if len(packed) == 2 else 1)
            part = prod((sizes[i] + 1) / (2 * sizes[i]) for i, _ in packed)
            yield full * part + MOVED * moved


@dataclass
class _Held:
    """A tensor as it is held: where in it each of its own axes is, or a pair of them in one."""

    name: str
    slots: tuple[_Slot, ...]


@dataclass
class _Writer:
    """Writes a program in which some steps compute packed results."""

    program: Program
    choice: Mapping[str, _Pairs]
    sizes: dict[str, int] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    #: A tensor in the form in which it was computed first, then in others.
    forms: dict[str, dict[frozenset[Axes], _Held]] = field(default_factory=dict)

    def written(self) -> Program:
        """The program; what is needed in another form than it is computed in is packed or unpacked once."""
        self.sizes.update(self.program.sizes)
        for given in self.program.inputs:
            self.forms[given.name] = {frozenset(): _Held(given.name, tuple(range(len(given.edges))))}
        for step in self.program.steps:
            self._step(step, self.choice.get(step.name, ()))
        outputs = [replace(out, operand=self._operand(out.operand, ())) for out in self.program.outputs]
        return replace(self.program, steps=tuple(self.steps), outputs=tuple(outputs), sizes=self.sizes)

    def _step(self, step: Step, pairs: _Pairs) -> None:
        labels = [(step.edges[a], step.edges[b]) for a, b in pairs]
        operands = tuple(self._operand(operand, labels) for operand in step.operands)
        slots = _merged(tuple(range(len(step.edges))), pairs)
        if step.over:
            slots = self._rows_first(slots, step)
        edges = tuple(self._label(slot, step.edges) for slot in slots)
        self.steps.append(replace(step, operands=operands, edges=edges))
        self.forms[step.name] = {frozenset(pairs): _Held(step.name, slots)}
        self.labels[step.name] = step.edges

    def _rows_first(self, slots: tuple[_Slot, ...], step: Step) -> tuple[_Slot, ...]:
        """Packed pairs in front, the largest first: the last to be unpacked then moves whole rows."""
        pairs = sorted(
            (s for s in slots if not isinstance(s, int)), key=lambda s: -self.sizes[step.edges[s[0]]]
        )
        return (*pairs, *(s for s in slots if isinstance(s, int)))

    def _operand(self, operand: Operand, labels: Sequence[_Labels]) -> Operand:
        """The operand, read in the form in which these pairs of labels are packed."""
        found = {_places(operand, pair): pair for pair in labels}
        wanted = frozenset((p[0], p[1]) for p in found if len(p) == 2)
        held = self._held(operand.tensor, wanted)
        edges = tuple(
            operand.edges[slot] if isinstance(slot, int) else self._packed(found[slot]) for slot in held.slots
        )
        return replace(operand, tensor=held.name, edges=edges)

    def _label(self, slot: _Slot, edges: Sequence[str]) -> str:
        return edges[slot] if isinstance(slot, int) else self._packed((edges[slot[0]], edges[slot[1]]))

    def _packed(self, pair: _Labels) -> str:
        """The label of a packed pair."""
        size = self.sizes[pair[0]]
        return self._free("≤".join(pair), size * (size + 1) // 2)

    def _held(self, name: str, wanted: frozenset[Axes]) -> _Held:
        """A tensor with exactly these pairs packed."""
        known = self.forms[name]
        if wanted in known:
            return known[wanted]
        have, held = next(iter(known.items()))
        shape = self.program.shape(name)
        # One pair at a time, the smallest first, so that what is in between stays small.
        for pair in sorted(have - wanted, key=lambda p: (shape[p[0]], -held.slots.index(p))):
            have -= {pair}
            held = known.get(have) or self._move(name, held, have, "unpack", pair)
        for pair in sorted(wanted - have, key=lambda p: (-shape[p[0]], p)):
            have |= {pair}
            held = known.get(have) or self._move(name, held, have, "pack", pair)
        return held

    def _move(self, name: str, held: _Held, have: frozenset[Axes], kind: str, pair: Axes) -> _Held:
        """Adds a step that packs or unpacks one pair."""
        own = self._own_labels(name)
        if kind == "pack":
            slots = _merged(held.slots, (pair,))
        else:
            slots = tuple(part for slot in held.slots for part in (slot if slot == pair else (slot,)))
        before, after = (tuple(self._label(slot, own) for slot in s) for s in (held.slots, slots))
        text = ", ".join(f"{a} {b}" for a, b in sorted(have))
        made = self.forms[name][have] = _Held(f"{name} packed {text or 'nowhere'}", slots)
        self.steps.append(Step(made.name, kind, (Operand(held.name, before),), after))
        return made

    def _own_labels(self, name: str) -> tuple[str, ...]:
        """Distinct labels for the axes of a tensor."""
        if name not in self.labels:
            self.labels[name] = tuple(
                self._free(f"{name}{n}", size) for n, size in enumerate(self.program.shape(name))
            )
        return self.labels[name]

    def _free(self, label: str, size: int) -> str:
        """The label, with primes until it has this size or none."""
        while self.sizes.setdefault(label, size) != size:
            label += "'"
        return label


def _merged(slots: tuple[_Slot, ...], pairs: _Pairs) -> tuple[_Slot, ...]:
    """The slots with each pair of axes in one, where the first of them was."""
    first, second = {a: (a, b) for a, b in pairs}, {b for _, b in pairs}
    return tuple(
        first.get(slot, slot) if isinstance(slot, int) else slot for slot in slots if slot not in second
    )

"""How a program is spelt before the search: the terms of a sum call edges alike that are alike.

The rules see a common factor where two terms read a tensor under the same names, and sums are scoped: in
Σ_k X[i,k] T[k,j] + Σ_l Y[i,l] T[l,j] the bound edges k and l mean the same and are called differently. So
bound edges are renamed here, and tensors that are one up to names become one node. No rule is stated, and
nothing is put in another order: what changes are names.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from tensorgrad_eg.egraph import Dag, Snapshot, Symbols, renamed
from tensorgrad_eg.egraph.derive import Derived
from tensorgrad_eg.expr.operations import ENode
from tensorgrad_eg.extract.alias import closed
from tensorgrad_eg.extract.closure import Closure
from tensorgrad_eg.running import Deadline

#: A tensor and the names under which its axes are read.
Reading = tuple[int, tuple[str, ...]]


def spelt(derived: Derived, deadline: Deadline | None = None) -> Derived:
    """The same program, in which alike edges are called alike, as far as there is time to find them.

    Example:
        >>> spelt(Derived(Dag(), [], {})).dag.nodes
        []
    """
    symbols = dict(derived.symbols)
    if not any(node.op == "add" for node in derived.dag.nodes):
        return derived
    work = Spelling(derived.dag, symbols, deadline)
    moved = work.run()
    dag = work.new.part({name: moved[at] for name, at in derived.dag.roots.items()})
    outputs = [replace(out, node=dag.roots[f"out{n}"]) for n, out in enumerate(derived.outputs)]
    return replace(derived, dag=dag, outputs=outputs, symbols=symbols)


@dataclass(frozen=True)
class Factor:
    """What a product reads: a node, and what the product calls its edges."""

    at: int
    names: Mapping[str, str]


@dataclass(frozen=True)
class Product:
    """A contraction of two parts over bound edges, each of which has a name of its own in the whole term."""

    over: tuple[str, ...]
    parts: tuple[Product | Factor, ...]


@dataclass
class Term:
    """A term of a sum, the node `top`: multiples of the `whole`, which may be a product and have `parts`.

    `bound` has the size of every bound edge. What others read as well is `fixed`: it keeps its names.
    """

    top: int
    free: frozenset[str]
    multiples: list[ENode]
    whole: Factor
    fixed: bool
    factors: list[Factor] = field(default_factory=list)
    bound: dict[str, str | int] = field(default_factory=dict)
    parts: Product | Factor | None = None


class Spelling:
    """A program with what its tensors are up to names, and a new one in which names are chosen."""

    def __init__(self, dag: Dag, symbols: Symbols, deadline: Deadline | None = None) -> None:
        self.dag, self.symbols, self.new = dag, symbols, Dag()
        snapshot = Snapshot.of(dag, symbols)
        self.free = snapshot.free
        self.closure: Closure = closed(snapshot, deadline)
        self.names = {at: tuple(sorted(free)) for at, free in snapshot.free.items()}
        self.readers: dict[int, int] = {}
        for node in dag.nodes:
            for child in node.children:
                self.readers[child] = self.readers.get(child, 0) + 1
        for at in dag.roots.values():
            self.readers[at] = self.readers.get(at, 0) + 2
        #: The new node of every tensor, by its reading.
        self.known: dict[Reading, int] = {}
        self.moved: dict[int, int] = {}

    def run(self) -> dict[int, int]:
        """The new number of every node."""
        for at, node in enumerate(self.dag.nodes):
            reading = self.readings(at)[0]
            if reading not in self.known:
                self.known[reading] = self._sum(at, node) if node.op == "add" else self._plain(at, node)
            self.moved[at] = self.known[reading]
        return self.moved

    def readings(self, at: int, names: Mapping[str, str] | None = None) -> list[Reading]:
        """The tensor that a node is, and the names it gives to its axes; all that are the same, sorted."""
        own = [(names or {}).get(name, name) for name in self.names[at]]
        if at not in self.closure.place:
            return [(-1 - at, tuple(own))]
        group, order = self.closure.place[at]
        plain = tuple([own[n] for n in order])
        turns = self.closure.symmetries.get(group)
        if turns is None:
            return [(group, plain)]
        return sorted((group, tuple([plain[n] for n in turn])) for turn in turns)

    def _plain(self, at: int, node: ENode) -> int:
        kids = [self.moved[c] for c in node.children]
        return self.new.put(node.op, node.payload, *kids, free=self.dag.free[at])

    def _sum(self, at: int, node: ENode) -> int:
        terms = [self.term(child) for child in node.children]
        pool = Pool(self)
        order = sorted(range(len(terms)), key=lambda n: (not terms[n].fixed, -len(terms[n].bound), n))
        new = {n: self._term(terms[n], pool) for n in order}
        return self.new.put("add", node.payload, *[new[n] for n in range(len(terms))], free=self.dag.free[at])

    def _term(self, term: Term, pool: Pool) -> int:
        """A term as the others of its sum call it; as it is, if a tensor had to be renamed as a whole."""
        names = pool.names(term)
        if not all(self._there(factor, names) for factor in term.factors):
            term.fixed = True
            names = dict(zip(term.bound, term.bound, strict=True))
        pool.read(term, names)
        return self._build(term, names)

    def _there(self, factor: Factor, names: Mapping[str, str]) -> bool:
        """Whether a factor is there under its new names, or can be at once."""
        here = after(factor.names, names)
        changed = any(here.get(edge, edge) != edge for edge in self.free[factor.at])
        known = not changed or self.readings(factor.at, here)[0] in self.known
        return known or self.dag.nodes[factor.at].op == "variable"

    def term(self, at: int) -> Term:
        """A term taken apart, as far as nobody else reads a part of it."""
        found = self.top(at)
        found.parts = self._parts(found.whole.at, found.whole.names, found, set(found.free))
        return found

    def top(self, top: int, names: Mapping[str, str] = MappingProxyType({})) -> Term:
        """A term, which is read under some names; multiples and further names are taken off."""
        at, multiples, shared = top, list[ENode](), self.readers[top] > 1
        free = frozenset([names.get(edge, edge) for edge in self.free[top]])
        while True:
            node = self.dag.nodes[at]
            below = self.below(node, names)
            if below is None and node.op != "scale":
                return Term(top, free, multiples, Factor(at, names), fixed=shared)
            if below is None:
                multiples.append(node)
            names = names if below is None else below
            at = node.children[0]
            shared |= self.readers[at] > 1

    def _parts(self, at: int, names: Mapping[str, str], term: Term, taken: set[str]) -> Product | Factor:
        node = self.dag.nodes[at]
        alone = at == term.whole.at or self.readers[at] == 1
        below = self.below(node, names) if alone else None
        if below is not None:
            return self._parts(node.children[0], below, term, taken)
        first = not term.bound and not term.factors
        if not alone or node.op != "contract" or (node.over & taken and not first):
            term.factors.append(Factor(at, names))
            taken |= {names.get(edge, edge) for edge in self.free[at]}
            return term.factors[-1]
        here = self.bind(node, names, term, taken)
        parts = tuple([self._parts(child, here, term, taken) for child in node.children])
        return Product(tuple([here[edge] for edge in sorted(node.over)]), parts)

    def below(self, node: ENode, names: Mapping[str, str]) -> dict[str, str] | None:
        """The names below a rename, given those above; none of another node, or one that reads a diagonal."""
        if node.op != "rename" or not isinstance(node.payload, tuple):
            return None
        old, new = map(str, node.payload)
        if new in self.free[node.children[0]]:
            return None
        return {**{edge: name for edge, name in names.items() if edge != new}, old: names.get(new, new)}

    def bind(self, node: ENode, names: Mapping[str, str], term: Term, taken: set[str]) -> dict[str, str]:
        """The names of edges inside a contraction: each that it sums has one of its own in the whole term."""
        here = {edge: name for edge, name in names.items() if edge not in node.over}
        for edge in sorted(node.over):
            here[edge] = _other(edge, taken)
            taken.add(here[edge])
            term.bound[here[edge]] = self.symbols.setdefault(here[edge], self.symbols[edge])
        return here

    def _build(self, term: Term, names: Mapping[str, str]) -> int:
        """A term with its bound edges under other names."""
        if term.fixed:
            return self.moved[term.top]
        at = self._made(term.parts or term.whole, names)
        for multiple in reversed(term.multiples):
            at = self.new.put(multiple.op, multiple.payload, at)
        return at

    def _made(self, part: Product | Factor, names: Mapping[str, str]) -> int:
        if isinstance(part, Product):
            over = frozenset([names[edge] for edge in part.over])
            return self.new.put("contract", over, *[self._made(one, names) for one in part.parts])
        return self.read(part.at, after(part.names, names))

    def read(self, at: int, names: Mapping[str, str]) -> int:
        """A tensor under other names: one that is there, if it is."""
        here = {old: new for old, new in names.items() if old in self.free[at] and old != new}
        if not here:
            return self.moved[at]
        reading = self.readings(at, here)[0]
        if reading not in self.known:
            self.known[reading] = self._renamed(at, here)
        return self.known[reading]

    def _renamed(self, at: int, names: Mapping[str, str]) -> int:
        node = self.dag.nodes[at]
        if node.op == "variable":
            axes = tuple([names.get(axis, axis) for axis in node.axes])
            return self.new.put("variable", (node.name, axes))
        return renamed(self.new, self.moved[at], names, self.symbols)


def after(first: Mapping[str, str], then: Mapping[str, str]) -> dict[str, str]:
    """One change of names after another."""
    return {**then, **{old: then.get(new, new) for old, new in first.items()}}


def _other(edge: str, taken: Container[str]) -> str:
    while edge in taken:
        edge += "'"
    return edge


class Pool:
    """The names of bound edges in the terms of one sum."""

    def __init__(self, work: Spelling) -> None:
        self.work, self.symbols = work, work.symbols
        self.pool: list[str] = []
        self.known: dict[int, list[tuple[str, ...]]] = {}

    def names(
        self, term: Term, first: int | None = None, given: Mapping[str, str] = MappingProxyType({})
    ) -> dict[str, str]:
        """New names for the bound edges of a term, such that it shares as many factors as can be.

        One of its factors may come first, and some names may be given.
        """
        found = dict(given)
        if not term.fixed:
            order = range(len(term.factors))
            for n in sorted(order, key=lambda n: (n != first, -len(self._inside(term.factors[n], term)))):
                factor = term.factors[n]
                if self._inside(factor, term):
                    found = self._alike(self._readings(factor), term, found)
        for edge, size in term.bound.items():
            if edge not in found:
                found[edge] = self._unused(edge, size, term, found.values())
        return found

    def read(self, term: Term, names: Mapping[str, str]) -> None:
        """Takes note of what a term reads under which names."""
        for factor in term.factors:
            group, own = self._readings(factor, names)[0]
            known = self.known.setdefault(group, [])
            if own not in known:
                known.append(own)
        self.pool += [name for name in names.values() if name not in self.pool]

    def _readings(self, factor: Factor, names: Mapping[str, str] = MappingProxyType({})) -> list[Reading]:
        return self.work.readings(factor.at, after(factor.names, names))

    def _inside(self, factor: Factor, term: Term) -> list[str]:
        """The edges of a factor that the term sums."""
        own = self.work.free[factor.at]
        return [edge for edge in sorted(own) if factor.names.get(edge, edge) in term.bound]

    def _alike(self, readings: Sequence[Reading], term: Term, found: dict[str, str]) -> dict[str, str]:
        """The names under which a factor is read as it is in another term, if that can be."""
        for other in self.known.get(readings[0][0], ()):
            for _, own in readings:
                more = _matched(own, other, term, found)
                if more is not None:
                    return more
        return found

    def _unused(self, edge: str, size: str | int, term: Term, used: Collection[str]) -> str:
        """A name from the pool that the term does not use yet, its own if it can be; or a new one."""
        taken = term.free.union(used)
        free = [name for name in self.pool if self.symbols[name] == size and name not in taken]
        if free and edge not in free and not term.fixed:
            return free[0]
        edge = edge if term.fixed else _other(edge, taken)
        self.symbols[edge] = size
        return edge


def _matched(
    own: Sequence[str], other: Sequence[str], term: Term, found: Mapping[str, str]
) -> dict[str, str] | None:
    """The names found so far with those that make `own` the `other`, unless that cannot be."""
    more = dict(found)
    for a, b in zip(own, other, strict=True):
        if a not in term.bound:
            if a != b:
                return None
        elif b in term.free or more.setdefault(a, b) != b:
            return None
    return more if len(set(more.values())) == len(more) else None

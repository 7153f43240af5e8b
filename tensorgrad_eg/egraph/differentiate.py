"""Differentiation: names the program to be differentiated as facts; the rules do the rest.

Which tensors depend on which variable, who reads whom and where a chain rule pays is bookkeeping about the
program, done here. What a derivative is stands in ``rules/50_reverse.egg`` and ``rules/51_forward.egg``
alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tensorgrad_eg.egraph import Dag
from tensorgrad_eg.egraph.engine import Engine
from tensorgrad_eg.egraph.text import axes, chunks, edges, quote
from tensorgrad_eg.expr.operations import OPERATIONS


@dataclass
class Flow:
    """The part of a program that depends on the sources, with immediate dominators.

    Example:
        >>> dag = Dag()
        >>> x = dag.put("variable", ("x", ("i",)))
        >>> y = dag.put("apply", "exp", x)
        >>> square = dag.put("contract", frozenset("i"), y, y)
        >>> Flow.of(dag, [x]).chain(square)
        [1, 0]
    """

    dag: Dag
    sources: frozenset[int]
    idom: dict[int, int]

    @classmethod
    def of(cls, dag: Dag, sources: Iterable[int]) -> Flow:
        """Nodes in order are children first, so one pass finds every immediate dominator."""
        starts = frozenset(sources)
        idom: dict[int, int] = dict.fromkeys(starts, -1)
        depth: dict[int, int] = {-1: 0} | dict.fromkeys(starts, 1)
        for at, node in enumerate(dag.nodes):
            moving = [c for c in node.children if c in idom]
            if at in starts or not moving:
                continue
            meet = moving[0]
            for other in moving[1:]:
                while meet != other:
                    if depth[meet] >= depth[other]:
                        meet = idom[meet]
                    else:
                        other = idom[other]
            idom[at] = meet
            depth[at] = depth[meet] + 1
        return cls(dag, starts, idom)

    def moves(self, at: int) -> bool:
        """Whether the node depends on a source."""
        return at in self.idom

    def chain(self, at: int) -> list[int]:
        """The strict dominators of a node, the closest first."""
        found = []
        while (at := self.idom.get(at, -1)) >= 0:
            found.append(at)
        return found


def _between(dag: Dag, low: int, high: int) -> list[int]:
    """The nodes on paths from `low` to `high`, without `low`."""
    above = {low}
    inside = []
    for at in [n for n in dag.reachable([high]) if n > low]:
        if any(c in above for c in dag.nodes[at].children):
            above.add(at)
            inside.append(at)
    return inside


def _batch_edges(dag: Dag, low: int, high: int) -> frozenset[str]:
    """The edges in which the Jacobian of `high` by `low` is diagonal: free and not mixed in between."""
    batch = dag.free[low]
    for at in _between(dag, low, high):
        batch &= dag.free[at]
        node = dag.nodes[at]
        if OPERATIONS[node.op].spans:
            batch -= node.over
    return batch


def _dense_volume(dag: Dag, low: int, high: int, sizes: Mapping[str, int]) -> int:
    """How many entries of `low` one entry of `high` depends on, batch edges apart."""
    return math.prod(sizes.get(edge, 2) for edge in dag.free[low] - _batch_edges(dag, low, high))


#: A fact, and the nodes of the program that it mentions.
Fact = tuple[str, tuple[int, ...]]


@dataclass(frozen=True)
class Request:
    """A derivative that is wanted: of node `of` with respect to a variable, under a name.

    `axes` are the labels of the new edges. With a `direction` (variable read -> node that gives its
    tangent) it is the directional derivative, and there are no new edges.
    """

    name: str
    of: int
    variable: str
    axes: tuple[str, ...]
    direction: tuple[tuple[int, int], ...] = ()


@dataclass
class Labels:
    """Hands out edge names that nothing uses yet, with their size symbols.

    Example:
        >>> labels = Labels({"i": "n"})
        >>> labels.fresh("i"), labels.symbols["i1"]
        ('i1', 'n')
    """

    symbols: dict[str, str | int] = field(default_factory=dict)

    def fresh(self, like: str, symbol: str | int | None = None) -> str:
        """A new name that resembles `like`, for an edge of its size (or of the given one)."""
        stem = like.rstrip("0123456789'") or like
        number = 1
        while f"{stem}{number}" in self.symbols:
            number += 1
        name = f"{stem}{number}"
        self.symbols[name] = self.symbols[like] if symbol is None else symbol
        return name


@dataclass(frozen=True)
class _Direction:
    """What is varied: a name, the edges of the varied tensor, and the new edges that stand for them."""

    name: str
    own: tuple[str, ...]
    tips: tuple[str, ...]


@dataclass
class Differentiation:
    """The facts for a set of requests on one program."""

    dag: Dag
    labels: Labels
    sizes: Mapping[str, int]
    requests: list[Request] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    terms: list[tuple[str, str, tuple[int, ...]]] = field(default_factory=list)
    _names: int = 0
    _cuts: dict[tuple[int, tuple[str, ...]], _Direction] = field(default_factory=dict)
    _asked: set[tuple[str, int]] = field(default_factory=set)
    _reverse: dict[int, tuple[str, set[int]]] = field(default_factory=dict)
    _read: dict[int, dict[int, list[int]]] = field(default_factory=dict)

    @property
    def tips(self) -> bool:
        """Whether some derivative brings new edges along: then there are deltas."""
        return self._names > 0

    @property
    def reverse(self) -> bool:
        """Whether there are cotangents to work out."""
        return bool(self._reverse)

    @property
    def cuts(self) -> bool:
        """Whether the chain rule is applied at a tensor in between: then that is varied by itself."""
        return bool(self._cuts)

    def size(self, edge: str) -> int:
        """The size of an edge as far as it is known (a guess guides as well as any)."""
        symbol = self.labels.symbols.get(edge, edge)
        return symbol if isinstance(symbol, int) else self.sizes.get(symbol, 16)

    def ask(self, requests: Iterable[Request]) -> None:
        """States everything that the requests need."""
        for request in requests:
            self.requests.append(request)
            self._spare(request.of)
            reads = leaves(self.dag, request.of, request.variable)
            if request.direction:
                self._directional(request, reads)
            elif not self.dag.free[request.of]:
                self._gradient(request, reads)
            else:
                self._jacobian(request, reads)

    def _spare(self, of: int) -> None:
        """States names for the rows and columns that are summed in derivatives of functions of matrices."""
        for at in self.dag.reachable([of]):
            node = self.dag.nodes[at]
            if OPERATIONS[node.op].matrix and ("spare", at) not in self._asked:
                self._asked.add(("spare", at))
                like = min(node.over)
                names = " ".join(quote(self.labels.fresh(like)) for _ in range(2))
                self._state(f"(spare t{at} {names})", at)

    # -- reverse mode
    def _gradient(self, request: Request, leaves: list[int]) -> None:
        root = self._root(request.of, leaves)
        for leaf in leaves:
            self._landing(leaf, request.axes)
        reads = " ".join(f"t{at}" for at in leaves)
        term = (
            f"(gradient {quote(root)} {axes(request.axes)} (multiset-of {reads}))"
            if leaves
            else "(number $0)"
        )
        self.terms.append((request.name, term, tuple(leaves)))

    def _landing(self, leaf: int, wanted: tuple[str, ...]) -> None:
        """States whether the axes of a leaf can be renamed one by one: no new name is one still in use."""
        payload = self.dag.nodes[leaf].payload
        own = tuple(payload[1]) if isinstance(payload, tuple) else ()
        distinct = len(set(own)) == len(own)
        taken = {new for old, new in zip(own, wanted, strict=True) if old != new or not distinct}
        if not taken & set(own):
            self._state(f"(lands {axes(own)} {axes(wanted)})")
            return
        names = tuple(self.labels.fresh(edge) for edge in wanted)
        self._state(f"(aside {axes(own)} {axes(wanted)} {axes(names)}) (lands {axes(own)} {axes(names)})")

    def _root(self, of: int, leaves: list[int]) -> str:
        if of not in self._reverse:
            name = f"root{of}"
            self._reverse[of] = (name, set())
            self._state(f"(set (tips {quote(name)}) (set-empty)) (seed {quote(name)} t{of} (number $1))", of)
        name, known = self._reverse[of]
        moving = Flow.of(self.dag, leaves)
        for at, readers in self._readers(of).items():
            if at not in known and at != of and moving.moves(at):
                known.add(at)
                listed = " ".join(f"t{e}" for e in readers)
                self._state(f"(consumers {quote(name)} t{at} (multiset-of {listed}))", at, *readers)
        return name

    def _readers(self, of: int) -> dict[int, list[int]]:
        """Who reads each node of the program of a root, one after another as often as it does."""
        if of not in self._read:
            found = self._read[of] = {}
            for at in self.dag.reachable([of]):
                for child in self.dag.nodes[at].children:
                    found.setdefault(child, []).append(at)
        return self._read[of]

    # -- forward mode
    def _new(self, kind: str) -> str:
        self._names += 1
        return f"{kind}{self._names}"

    def _directional(self, request: Request, leaves: list[int]) -> None:
        name = f"along{request.name}"
        self._state(f"(set (tips {quote(name)}) (set-empty))")
        seeds = dict(request.direction)
        for leaf in leaves:
            self._state(f"(seed {quote(name)} t{leaf} t{seeds[leaf]})", leaf, seeds[leaf])
        self._tangents(name, request.of, Flow.of(self.dag, leaves), volume=1)
        self.terms.append((request.name, f"(tangent {quote(name)} t{request.of})", (request.of,)))

    def _jacobian(self, request: Request, leaves: list[int]) -> None:
        name = self._identity("jacobian", leaves, request.axes)
        self._tangents(name, request.of, Flow.of(self.dag, leaves))
        self.terms.append((request.name, f"(tangent {quote(name)} t{request.of})", (request.of,)))

    def _identity(self, kind: str, leaves: list[int], tips: tuple[str, ...]) -> str:
        """The direction that varies each entry of a variable by itself, wherever it is read."""
        name = self._new(kind)
        self._state(f"(set (tips {quote(name)}) {edges(frozenset(tips))})")
        for leaf in leaves:
            payload = self.dag.nodes[leaf].payload
            own = payload[1] if isinstance(payload, tuple) else ()
            self._state(f"(seed {quote(name)} t{leaf} (deltas {axes(tuple(own))} {axes(tips)}))", leaf)
        return name

    def ask_forward(self, requests: Sequence[Request]) -> None:
        """States what gradients of several scalars need in forward mode: one direction for each variable."""
        for variable in dict.fromkeys(request.variable for request in requests):
            mine = [request for request in requests if request.variable == variable]
            reads = sorted({at for request in mine for at in leaves(self.dag, request.of, variable)})
            tips = tuple(self.labels.fresh(axis) for axis in mine[0].axes)
            name = self._identity("forward", reads, tips)
            flow = Flow.of(self.dag, reads)
            for request in mine:
                self._tangents(name, request.of, flow)
                term = f"(renames {axes(tips)} {axes(request.axes)} (tangent {quote(name)} t{request.of}))"
                self.terms.append((request.name, term, (request.of,)))

    def _at(self, z: int, batch: frozenset[str]) -> _Direction:
        """The direction that varies the entries of node z itself, each batch entry apart."""
        key = (z, tuple(sorted(batch)))
        if key not in self._cuts:
            own = tuple(sorted(self.dag.free[z] - batch))
            cut = _Direction(f"at{z}{''.join(key[1])}", own, tuple(self.labels.fresh(edge) for edge in own))
            self._cuts[key] = cut
            self._state(f"(set (tips {quote(cut.name)}) {edges(frozenset(cut.tips))})")
            self._state(f"(seed {quote(cut.name)} t{z} (deltas {axes(own)} {axes(cut.tips)}))", z)
        return self._cuts[key]

    def _tangents(self, name: str, of: int, flow: Flow, volume: int | None = None) -> None:
        """Decides for every tangent that is needed whether it is opened or split at a dominator."""
        stack = [of]
        while stack:
            at = stack.pop()
            if (name, at) in self._asked:
                continue
            self._asked.add((name, at))
            if at in flow.sources:
                continue
            if not flow.moves(at):
                self._state(f"(still {quote(name)} t{at})", at)
                continue
            z = self._split(at, flow) if volume is None else None
            if z is None:
                self._state(f"(opens {quote(name)} t{at})", at)
                stack.extend(self.dag.nodes[at].children)
                continue
            cut = self._at(z, _batch_edges(self.dag, z, at))
            renaming = f"{axes(cut.own)} {axes(cut.tips)}"
            self._state(f"(passes {quote(name)} t{at} {quote(cut.name)} t{z} {renaming})", at, z)
            self._tangents(cut.name, at, Flow.of(self.dag, [z]))
            stack.append(z)

    def _power_of_source(self, z: int, flow: Flow) -> bool:
        """Whether a node is a power of what is varied; the slope by it may leave the range of numbers.

        With z = x² the slope of z^(-3/2) by z is 1/x⁵, nothing in float32 at x = 1e10; that by x is 1/x⁴.
        """
        node = self.dag.nodes[z]
        return node.op == "power" and node.children[0] in flow.sources

    def _split(self, at: int, flow: Flow) -> int | None:
        """The closest dominator at which the Jacobian is narrowest; None if opening is as good."""
        sizes = {edge: self.size(edge) for n in self.dag.reachable([at]) for edge in self.dag.free[n]}
        own = min(_dense_volume(self.dag, source, at, sizes) for source in sorted(flow.sources))
        moving = {c for c in self.dag.nodes[at].children if flow.moves(c)}
        best: tuple[int, int] | None = None
        for z in flow.chain(at):
            if z in flow.sources or self._power_of_source(z, flow):
                continue
            volume = _dense_volume(self.dag, z, at, sizes)
            if volume <= own and (best is None or volume < best[0]):
                best = (volume, z)
        if best is None or moving == {best[1]}:
            return None  # the only child that moves: opening the node is the chain rule already
        return best[1]

    def _state(self, text: str, *nodes: int) -> None:
        self.facts.append((text, nodes))


def differentiate(engine: Engine, work: Differentiation) -> None:
    """Loads the facts and runs the differentiation rules until every derivative is written out."""
    engine.phase = "differentiation"
    state(engine, work)
    engine.normalise("differentiate", descend=work.tips)


def state(engine: Engine, work: Differentiation) -> None:
    """States what is to be differentiated, and binds the names under which the results are found."""
    tell(engine, work.facts)
    for name, text, nodes in work.terms:
        engine.bind(name, text, nodes)
    engine.symbols.update(work.labels.symbols)


def tell(engine: Engine, facts: Sequence[Fact]) -> None:
    """States facts, some at a time: a command of its own for each would take longer than it does."""
    for chunk in chunks([1 + len(nodes) for _, nodes in facts]):
        some = [facts[n] for n in chunk]
        engine.facts(" ".join(text for text, _ in some), [n for _, nodes in some for n in nodes])


def leaves(dag: Dag, of: int, variable: str) -> list[int]:
    """The places where a node reads a variable."""
    return [at for at in dag.reachable([of]) if dag.nodes[at].op == "variable" and _name(dag, at) == variable]


def _name(dag: Dag, at: int) -> str:
    payload = dag.nodes[at].payload
    return str(payload[0]) if isinstance(payload, tuple) else ""

"""The search end to end: an e-graph for a set of outputs, and the cheapest program in it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace

from tensorgrad_eg.egraph import Dag, Snapshot
from tensorgrad_eg.egraph.derive import Derived
from tensorgrad_eg.egraph.engine import Engine, Engines
from tensorgrad_eg.egraph.saturate import Budget, Report, saturate
from tensorgrad_eg.errors import LostTermError, TimeLimitError
from tensorgrad_eg.extract import Priced, edge_sizes, price
from tensorgrad_eg.extract.again import respell
from tensorgrad_eg.extract.alias import Alias, aliases, class_orders, closed
from tensorgrad_eg.extract.closure import Closure
from tensorgrad_eg.extract.search import Certificate, Extractor, Solution, solve_exactly
from tensorgrad_eg.extract.starts import Mode, join, normal
from tensorgrad_eg.rules.forms import SEARCH
from tensorgrad_eg.running import Deadline

#: Rip-up steps from each start, and how often: several short searches end in more places than a long one.
_STEPS, _RUNS = 120, 6
#: No more runs after so many that found nothing better.
_IDLE = 3
#: How many groups are then made to take another way.
_KICKS = 40
#: No search is begun if more than this part of the time left would be gone before.
_LOADING = 0.5
#: The part of the time left in which the program found may be spelt once more.
_AGAIN = 0.2
#: The part of the time left in which a program is chosen; the rest is for writing it down and comparing it.
_CHOOSING = 0.7
#: … and the part of that in which aliases are looked for in the program that the search started from.
_STARTING = 0.5
#: A start is improved if it costs at most so many times the best: it may lead to what all outputs share.
_CLOSE = 1.1
#: Bounds rip-up steps on large e-graphs: ways times outputs times steps.
_EFFORT = 1_000_000


@dataclass
class Searched:
    """A saturated e-graph and the program it started from: enough to price it for other sizes.

    Where facts were used, `plain` is the program without them. `mode` is another program it started from,
    if there is one.
    """

    dag: Dag
    start: Snapshot
    final: Snapshot
    _aliases: dict[int, dict[int, Alias]] = field(default_factory=dict)
    plain: Snapshot | None = None
    mode: Mode | None = None
    _closures: dict[int, Closure] = field(default_factory=dict)

    def alias(self, snapshot: Snapshot, deadline: Deadline | None = None) -> dict[int, Alias]:
        """The aliases of one of them, found once, as far as there is time."""
        key = id(snapshot)
        if key not in self._aliases:
            self._aliases[key] = aliases(snapshot, self._closed(snapshot, deadline))
        return self._aliases[key]

    def orders(self, snapshot: Snapshot) -> dict[int, list[tuple[str, ...]]]:
        """For the symmetric classes of one of them the orders in which their edges, sorted, may be read."""
        return class_orders(snapshot, self._closed(snapshot))

    def _closed(self, snapshot: Snapshot, deadline: Deadline | None = None) -> Closure:
        if id(snapshot) not in self._closures:
            self._closures[id(snapshot)] = closed(snapshot, deadline)
        return self._closures[id(snapshot)]

    @property
    def starts(self) -> list[Snapshot]:
        """The programs that the search started from: without facts, with them, and the other one."""
        other = self.mode.start if self.mode else None
        return [start for start in (self.plain, self.start, other) if start is not None]

    def programs(self) -> list[tuple[Dag, Sequence[int]]]:
        """The same with the nodes of each, children first, numbered as they were loaded."""
        found: list[tuple[Dag, Sequence[int]]] = [(self.dag, range(len(self.dag.nodes)))]
        if self.mode:
            found.append((self.mode.dag, self.mode.dag.reachable(self.mode.roots.values())))
        return found


@dataclass
class Extracted:
    """The best program found, priced; `passes` says that it is that of a mode of differentiation."""

    priced: Priced
    solution: Solution
    start_cost: int
    certificate: Certificate | None = None
    passes: bool = False

    def at(self, sizes: Mapping[str, int]) -> Extracted:
        """The same program for other sizes, for which it need not be the best."""
        numbers = edge_sizes(self.priced.snapshot, sizes)
        return replace(self, priced=replace(self.priced, sizes=numbers))


def search(
    derived: Derived,
    sizes: Mapping[str, int],
    budget: Budget,
    report: Report,
    engines: Engines,
    progress: Callable[[int, int], None] = lambda round_, nodes: None,
) -> Searched:
    """Saturates an e-graph that starts as the normal-form program."""
    roots = list(derived.dag.roots)
    plain = None
    if derived.plain is not None:
        with suppress(TimeLimitError):
            plain = normal(replace(derived, dag=derived.plain, facts=""), engines)
    with ExitStack() as stack:
        try:
            loaded = replace(derived, dag=derived.wide or derived.dag)
            engine = stack.enter_context(loaded.engine(engines, SEARCH, engines.deadline.part(_LOADING)))
        except (TimeLimitError, KeyboardInterrupt):
            return _unsearched(derived, report, engines)
        with suppress(TimeLimitError, KeyboardInterrupt):  # the program is there, in normal form or not
            engine.normalise()
        start, changes = engine.snapshot(roots), engine.changes
        mode = Mode.best(derived, start, sizes, engines)
        if mode:
            other = stack.enter_context(replace(derived, dag=mode.dag).engine(engines, SEARCH))
            engine = other if mode.joins(other) else engine
        elif derived.spellings:
            with suppress(TimeLimitError, KeyboardInterrupt):
                join(engine, derived.spellings)
        first = mode.dag if mode and engine is other else loaded.dag
        saturate(engine, sizes, budget, report, progress)
        final = engine.snapshot(roots) if mode or derived.spellings or engine.changes > changes else start
        searched = Searched(derived.dag, start, final, plain=plain, mode=mode)
        if report.finished and final is not start and _respelt(searched, engine, first, sizes):
            saturate(engine, sizes, budget, report, progress)
            searched = replace(searched, final=engine.snapshot(roots), _aliases={}, _closures={})
    report.nodes, report.classes = searched.final.size, len(searched.final.nodes)
    return searched


def _respelt(searched: Searched, engine: Engine, loaded: Dag, sizes: Mapping[str, int]) -> bool:
    """Adds to an e-graph, in which a program was `loaded`, other spellings of the best one in it, if any."""
    limit = engine.deadline.part(_AGAIN)
    with suppress(TimeLimitError, LostTermError, KeyboardInterrupt):
        alias = searched.alias(searched.final, limit)
        if limit.left > 0:
            return respell(engine, loaded, price(searched.final, sizes, alias), sizes, limit)
    return False


def _unsearched(derived: Derived, report: Report, engines: Engines) -> Searched:
    """The program as it is, where there is no time to put it into an e-graph, and to search that."""
    start = Snapshot.of(derived.dag, derived.symbols)
    report.stopped = (
        "interrupted" if engines.deadline.interrupted else f"seconds ({engines.deadline.seconds:g})"
    )
    report.nodes, report.classes = start.size, len(start.nodes)
    return Searched(derived.dag, start, start)


def extract(
    searched: Searched,
    roots: Sequence[str],
    sizes: Mapping[str, int],
    seed: int = 0,
    steps: int = _STEPS,
    exact: float | None = None,
    progress: Callable[[float], None] = lambda cost: None,
    reprice: Callable[[Priced], Priced] = lambda priced: priced,
    deadline: Deadline | None = None,
) -> Extracted:
    """The cheapest program found for all roots together; never dearer than the one the search started from.

    With `exact` seconds, a solver proves it optimal or bounds what is left. The search for a better one ends
    with the deadline. `reprice` may make some ways cheaper than they are by themselves.
    """
    limit = (deadline or Deadline()).part(_CHOOSING)
    begun = started(searched, roots, sizes, limit.part(_STARTING))
    if limit.left <= 0 or (searched.final is searched.start and begun.priced.settled and exact is None):
        return begun  # what the search has found may take long to price, or there is nothing to choose
    alias = searched.alias(searched.final, limit)
    if any(searched.final.roots[root] not in alias for root in roots):
        return begun  # the search has lost a root: what it started from is still there
    if limit.left <= 0:
        return begun
    priced = reprice(price(searched.final, sizes, alias))
    extractor = Extractor(priced, [priced.root(r) for r in roots], seed, limit)
    if limit.left <= 0:
        return begun
    starts = [extractor.seeded(_known(priced, *program)) for program in searched.programs()]
    starts.append(extractor.tree_choice())
    close = _promising([(start, extractor.polish(start)) for start in starts])
    found = close[0][1]
    effort = min(steps, _EFFORT // (1 + len(priced.ways) * len(extractor.roots) * len(close)))
    with suppress(KeyboardInterrupt):  # what is found so far is a complete program
        idle = 0
        for start in [start for start, _ in close] * (_RUNS if effort else 0):
            if limit.left <= 0 or idle == _IDLE:
                break
            better = extractor.polish(extractor.improve(start, effort, progress))
            idle = 0 if better.cost < found.cost else idle + 1
            found = min(found, better, key=lambda s: s.cost)
        found = extractor.kick(found, min(_KICKS, effort))
    certificate = None
    if exact is not None:
        found, certificate = solve_exactly(extractor, found, exact)
    if begun.solution.cost < found.cost:
        return begun
    return Extracted(priced, found, begun.start_cost, certificate)


def _promising(starts: Sequence[tuple[Solution, Solution]]) -> list[tuple[Solution, Solution]]:
    """Starts that are close to the best once polished, each with what became of it; the best first."""
    close: list[tuple[Solution, Solution]] = []
    best = min(polished.cost for _, polished in starts)
    for start, polished in sorted(starts, key=lambda pair: pair[1].cost):
        if polished.cost <= _CLOSE * best and all(start.choice != other.choice for other, _ in close):
            close.append((start, polished))
    return close


def started(
    searched: Searched, roots: Sequence[str], sizes: Mapping[str, int], deadline: Deadline | None = None
) -> Extracted:
    """The program that the search started from: ordinary differentiation, each tensor computed once.

    Facts may make it dearer by a step or two; then it is the one without them, whose cost is given anyway.
    """
    found = []
    for snapshot in searched.starts:
        priced = price(snapshot, sizes, searched.alias(snapshot, deadline))
        found.append((priced, Extractor(priced, [priced.root(r) for r in roots]).tree_choice()))
    first, solution = found[0]
    cost = first.flops(solution.choice.values())
    return Extracted(*min(found, key=lambda one: one[1].cost), cost)


def _known(priced: Priced, dag: Dag, nodes: Iterable[int]) -> dict[int, int]:
    """The ways of a program that the search started from, children first."""
    loaded = priced.snapshot.loaded
    ways: dict[tuple[int, tuple[int, ...]], int] = {}
    for n, way in enumerate(priced.ways):
        ways.setdefault((priced.alias[way.at].group, tuple(sorted(way.children))), n)
    known: dict[int, int] = {}
    for at in nodes:
        node = dag.nodes[at]
        if (
            at not in loaded
            or loaded[at] not in priced.alias
            or any(loaded.get(c) not in priced.alias for c in node.children)
        ):
            continue
        group = priced.alias[loaded[at]].group
        kids = tuple(sorted(priced.alias[loaded[c]].group for c in node.children))
        if group not in known and (group, kids) in ways:
            known[group] = ways[group, kids]
    return known


def timed(report: Report, phase: str, started: float) -> float:
    """Notes how long a phase took; returns the clock."""
    now = time.monotonic()
    report.phases[phase] = report.phases.get(phase, 0.0) + now - started
    return now

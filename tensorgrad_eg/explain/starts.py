"""What the search starts from, as a ledger: each program on the way to it with what it costs.

The first is the program of differentiation as it is written: every term is computed, once. Then tensors that
are one tensor under several names are computed once, facts are used, results stay in pieces, and another
order of differentiation takes the place of reverse mode.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from tensorgrad_eg.egraph.snapshot import Snapshot, dag_of, smallest
from tensorgrad_eg.egraph.term import Dag
from tensorgrad_eg.explain.bench import Bench
from tensorgrad_eg.explain.places import places
from tensorgrad_eg.explain.writer import Pair, Writer
from tensorgrad_eg.extract.alias import Alias, aliases
from tensorgrad_eg.extract.pieces import Summand
from tensorgrad_eg.extract.priced import Priced, price
from tensorgrad_eg.extract.search import Extractor
from tensorgrad_eg.rules.catalogue import Rule
from tensorgrad_eg.search import Search

#: What is done beside the rules: said of a step in the place of a rule.
SHARED = "one tensor under several names"
PIECES = "results stay sums of products"
PASSES = "all passes of forward or reverse mode at once"
#: The rule that makes programs equal that were differentiated in different orders.
_ORDER = "order of accumulation"


@dataclass(frozen=True)
class Program:
    """A program on the way to the plan: what it costs, what led to it, and what changed.

    What led to it are `rules` or, where no rule is needed, something with a `name`.
    """

    cost: int
    pairs: tuple[Pair, ...] = ()
    rules: tuple[Rule, ...] = ()
    name: str = ""
    phase: str = "search"
    place: int = 0


def starts(
    problem: Search, bench: Bench, writer: Writer, sizes: Mapping[str, int], goal: int
) -> Iterator[Program]:
    """The programs from the one that is written down to the one that the search begins with.

    Another order of differentiation is taken if it leads towards the `goal`.
    """
    derived = problem.derived
    written = derived.dag if derived.plain is None else derived.plain
    snapshot = normal(bench, written, derived.symbols, facts=False)
    yield Program(tree_cost(snapshot, sizes, _apart(snapshot)))
    known = aliases(snapshot)
    cost = tree_cost(snapshot, sizes, known)
    pairs = tuple(_shared(writer, price(snapshot, sizes, known)))
    yield Program(cost, pairs, name=SHARED, phase="sharing")
    if derived.plain is not None:
        cost = tree_cost(normal(bench, derived.dag, derived.symbols), sizes)
        before, after = (results(writer, dag) for dag in (written, derived.dag))
        yield Program(cost, changed(writer, before, after), phase="facts")
    if problem.pieces is not None:
        dag = problem.searched.dag
        cost = tree_cost(normal(bench, dag, derived.symbols), sizes)
        yield Program(cost, tuple(_in_pieces(problem, writer)), name=PIECES, phase="pieces")
    mode = problem.searched.mode
    other = tree_cost(normal(bench, mode.program, derived.symbols), sizes) if mode else cost
    if mode and goal <= other < cost:
        rules = tuple(rule for rule in bench.rules if rule.name == _ORDER)
        before, after = (results(writer, dag) for dag in (problem.searched.dag, mode.program))
        yield Program(other, changed(writer, before, after), rules, place=first_changed(before, after))


def normal(bench: Bench, dag: Dag, symbols: Mapping[str, str | int], facts: bool = True) -> Snapshot:
    """The normal form of a program, where every class has one term.

    >>> dag = Dag()
    >>> dag.roots["e"] = dag.put("constant", "pi")
    >>> normal(Bench(), dag, {}).size
    1
    """
    with bench.fresh(facts) as engine:
        engine.load(dag, dict(symbols))
        engine.normalise()
        return engine.snapshot(list(dag.roots))


def tree_cost(snapshot: Snapshot, sizes: Mapping[str, int], alias: dict[int, Alias] | None = None) -> int:
    """The flops of a program, each tensor by its own shortest way; without `alias`, one tensor is paid once.

    >>> tree_cost(Snapshot({}, {}, {}), {})
    0
    """
    priced = price(snapshot, sizes, alias)
    solution = Extractor(priced, [priced.root(name) for name in snapshot.roots]).tree_choice()
    return priced.flops(solution.choice.values())


def results(writer: Writer, program: Dag) -> tuple[int, ...]:
    """The results of a program as terms."""
    ids = writer.world.add(program)
    return tuple(writer.world.usual(ids[at]) for at in program.roots.values())


def changed(writer: Writer, before: Sequence[int], after: Sequence[int]) -> tuple[Pair, ...]:
    """The parts that changed; the results themselves where they are not other terms."""
    found: dict[Pair, None] = {}
    for one, other in zip(before, after, strict=True):
        found |= dict.fromkeys(places(writer.world, writer.values, one, other))
    place = first_changed(before, after)
    return tuple(found) or ((before[place], after[place]),)


def first_changed(before: Sequence[int], after: Sequence[int]) -> int:
    """The first result that is another term now.

    >>> first_changed([3, 4], [3, 5])
    1
    """
    return next((n for n, pair in enumerate(zip(before, after, strict=True)) if len(set(pair)) > 1), 0)


def _apart(snapshot: Snapshot) -> dict[int, Alias]:
    """Every class by itself."""
    return {at: Alias(at, tuple(sorted(snapshot.free[at]))) for at in smallest(snapshot)}


def _shared(writer: Writer, priced: Priced) -> Iterator[Pair]:
    """The largest tensors that are others under other names, and these."""
    snapshot, known = priced.snapshot, priced.alias
    choice = smallest(snapshot)
    dag = dag_of(snapshot, choice, {str(at): at for at in choice})
    ids = writer.world.add(dag)
    terms = {at: ids[dag.roots[str(at)]] for at in choice}
    first: dict[int, int] = {}
    stack = list(snapshot.roots.values())
    seen = set(stack)
    while stack:  # what a tensor is made of is one tensor, too, where it is one itself
        at = stack.pop()
        group = known[at].group
        one = first.setdefault(group, at)
        kids = choice[at].children
        if one != at and kids and group not in [known[c].group for c in kids]:
            names = dict(zip(known[one].axes, known[at].axes, strict=True))
            yield terms[at], writer.world.read_as(terms[one], names)
            continue
        parts = [c for c in kids if c not in seen]
        seen.update(parts)
        stack.extend(parts)


def _in_pieces(problem: Search, writer: Writer) -> Iterator[Pair]:
    """Every result, and the sum of products that it is of its pieces."""
    world, pieces, dense = writer.world, problem.pieces, problem.derived.dag
    assert pieces is not None
    ids = world.add(pieces.dag)
    terms = {name: ids[at] for name, at in pieces.dag.roots.items()}

    def product(summand: Summand) -> int:
        found = world.put("number", Fraction(1))
        parts = [world.put("delta", pair) for pair in summand.deltas]
        parts += [ids[at] for at in summand.constants]
        for name, axes in summand.factors:
            parts.append(world.rename(terms[name], dict(zip(pieces.axes[name], axes, strict=True))))
        for part in parts:
            found = world.put("contract", frozenset(), found, part)
        return world.put("scale", summand.coefficient, found)

    results_ = world.add(dense)
    for n, summands in enumerate(pieces.outputs):
        before = results_[dense.roots[f"out{n}"]]
        yield before, world.put("add", None, *map(product, summands))

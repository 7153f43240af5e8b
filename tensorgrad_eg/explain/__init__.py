"""From a problem and its plan to the derivation: phases are replayed, the search is walked down in cost.

It is a ledger of programs, each with what it costs. The first is the program of differentiation as it is
written: every term is computed, once. Then tensors that are one tensor under several names are computed once,
facts are used, results stay in pieces, and another order of differentiation takes the place of reverse mode.
The search follows, as a descent in cost, and what is done to a program when it is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from tensorgrad_eg.egraph import Dag, Snapshot, dag_of, smallest
from tensorgrad_eg.emit import Compiled
from tensorgrad_eg.errors import DetailError
from tensorgrad_eg.explain.derivation import JOINT
from tensorgrad_eg.explain.derivation import Derivation as Derivation
from tensorgrad_eg.explain.derivation import Equation as Equation
from tensorgrad_eg.explain.derivation import Phase as Phase
from tensorgrad_eg.explain.derivation import Place as Place
from tensorgrad_eg.explain.derivation import Step as Step
from tensorgrad_eg.explain.descent import Connecting, Runner, descend, flops, program_of
from tensorgrad_eg.explain.expressions import Notation
from tensorgrad_eg.explain.replay import Pair, Replay, Writer, directed_phase, places
from tensorgrad_eg.explain.terms import Terms
from tensorgrad_eg.expr import Rename, Tensor, Variable, variables
from tensorgrad_eg.expr.walk import empty
from tensorgrad_eg.extract import Priced, price
from tensorgrad_eg.extract.alias import Alias, aliases
from tensorgrad_eg.extract.pieces import Pieces, Summand
from tensorgrad_eg.extract.search import Extractor
from tensorgrad_eg.program.cost import total_flops
from tensorgrad_eg.rules import Rule
from tensorgrad_eg.rules.forms import DIRECTED
from tensorgrad_eg.search import Search

#: What is done beside the rules: said of a step in the place of a rule.
SHARED = "one tensor under several names"
PIECES = "results stay sums of products"
PASSES = "all passes of forward or reverse mode at once"
#: The rule that makes programs equal that were differentiated in different orders.
_ORDER = "order of accumulation"
#: What is done to a program when it is there, beside the rules.
_PASSES = ("reads of the program", "constants and multiples worked out once", "halves of symmetric tensors")
#: The phases in which something is saved.
_TITLES = {
    "sharing": "Compute every tensor once",
    "assumed": "Use what is assumed",
    "pieces": "Keep results in pieces",
    "search": "Search",
    "program": "Program",
}

Detail = Literal["phases", "steps", "all"]
_DETAILS = ("phases", "steps", "all")


@dataclass(frozen=True)
class _Program:
    """A program on the way to the plan: what it costs, what led to it, and what changed.

    What led to it are `rules` or, where no rule is needed, something with a `name`.
    """

    cost: int
    pairs: tuple[Pair, ...] = ()
    rules: tuple[Rule, ...] = ()
    name: str = ""
    phase: str = "search"
    place: int = 0


@dataclass
class _Ledger:
    """All programs from the one that is written down to the plan, each with its cost.

    Those of the search are found by single rules, as far as these lead to the plan.
    """

    search: Search
    plan: Compiled
    runner: Runner
    writer: Writer

    def __post_init__(self) -> None:
        """Go through the programs; what is done to one when it is there comes last."""
        self.found = list(self._starts())
        self.found += self._search()
        passes = zip(_PASSES, self.search.passes(self.plan.sizes), strict=True)
        self.found += [_Program(total_flops(program), name=name, phase="program") for name, program in passes]
        self.found.append(_Program(self.plan.flops, name="results as they are asked for", phase="program"))

    def _starts(self) -> Iterator[_Program]:
        """The programs from the one that is written down to the one that the search begins with."""
        derived, sizes = self.search.derived, self.plan.sizes
        written = derived.dag if derived.plain is None else derived.plain
        snapshot = self.runner.normal(written, derived.symbols, facts=False)
        apart = {at: Alias(at, tuple(sorted(snapshot.free[at]))) for at in smallest(snapshot)}
        yield _Program(tree_cost(snapshot, sizes, apart))
        known = aliases(snapshot)
        pairs = tuple(self._shared(price(snapshot, sizes, known)))
        yield _Program(tree_cost(snapshot, sizes, known), pairs, name=SHARED, phase="sharing")
        if derived.plain is not None:
            yield self._changed(self._cost(derived.dag), written, derived.dag, phase="facts")
        if self.search.pieces is not None:
            pairs = tuple(self._in_pieces(self.search.pieces))
            yield _Program(self._cost(self.search.searched.dag), pairs, name=PIECES, phase="pieces")

    def _search(self) -> Iterator[_Program]:
        """Another order of differentiation if it leads towards the plan, and the descent from there.

        Where that does not lead to the program that was found, this one follows.
        """
        extracted = self.search.extracted(self.plan.sizes)
        goal, cost = flops(extracted), self.found[-1].cost
        begun, mode = self.search.searched.dag, self.search.searched.mode
        if mode and goal <= (other := self._cost(mode.program)) < cost:
            rules = tuple(rule for rule in self.runner.rules if rule.name == _ORDER)
            yield self._changed(other, begun, mode.program, rules)
            begun, cost = mode.program, other
        for move in descend(self.runner, begun, self.search.derived.symbols, goal, cost):
            self.writer.terms.learn(move.symbols)
            yield self._changed(move.cost, begun, move.program, move.rules)
            begun, cost = move.program, move.cost
        if cost != goal:
            program, labels = program_of(extracted, list(begun.roots))
            self.writer.terms.learn(labels)
            last = self._changed(goal, begun, program)
            yield replace(last, name=PASSES) if extracted.passes else self._connected(last)

    def _connected(self, last: _Program) -> _Program:
        """The program with the rules that led to it, if they are found."""
        rules = Connecting(self.runner, self.writer.terms).rules(last.pairs)
        return replace(last, rules=rules or (), name=JOINT if rules is None else SHARED)

    def _cost(self, program: Dag) -> int:
        return tree_cost(self.runner.normal(program, self.search.derived.symbols), self.plan.sizes)

    def _changed(
        self, cost: int, before: Dag, after: Dag, rules: tuple[Rule, ...] = (), phase: str = "search"
    ) -> _Program:
        """A program, with the parts that changed; the results themselves where they are not other terms."""
        pairs = list(zip(self._results(before), self._results(after), strict=True))
        found: dict[Pair, None] = {}
        for pair in pairs:
            found |= dict.fromkeys(places(self.writer.terms, self.writer.values, *pair))
        place = next((n for n, (one, other) in enumerate(pairs) if one != other), 0)
        return _Program(cost, tuple(found) or (pairs[place],), rules, phase=phase, place=place)

    def _results(self, program: Dag) -> list[int]:
        """The results of a program as terms."""
        ids = self.writer.terms.add(program)
        return [self.writer.terms.usual(ids[at]) for at in program.roots.values()]

    def _shared(self, priced: Priced) -> Iterator[Pair]:
        """The largest tensors that are others under other names, and these."""
        terms, snapshot, known = self.writer.terms, priced.snapshot, priced.alias
        choice = smallest(snapshot)
        dag = dag_of(snapshot, choice, {str(at): at for at in choice})
        ids = terms.add(dag)
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
                yield ids[dag.roots[str(at)]], terms.read_as(ids[dag.roots[str(one)]], names)
                continue
            parts = [c for c in kids if c not in seen]
            seen.update(parts)
            stack.extend(parts)

    def _in_pieces(self, pieces: Pieces) -> Iterator[Pair]:
        """Every result, and the sum of products that it is of its pieces."""
        terms = self.writer.terms
        ids = terms.add(pieces.dag)

        def product(summand: Summand) -> int:
            parts = [terms.put("delta", pair) for pair in summand.deltas]
            parts += [ids[at] for at in summand.constants]
            for name, axes in summand.factors:
                names = dict(zip(pieces.axes[name], axes, strict=True))
                parts.append(terms.rename(ids[pieces.dag.roots[name]], names))
            return terms.put("scale", summand.coefficient, terms.product(parts))

        dense = terms.add(self.search.derived.dag)
        for n, summands in enumerate(pieces.outputs):
            before = dense[self.search.derived.dag.roots[f"out{n}"]]
            yield before, terms.put("add", None, *map(product, summands))

    # -- as phases of a derivation
    def phases(self, told: Iterable[Phase]) -> list[Phase]:
        """The phases that were told, and one for each kind of saving.

        In these there is a step for each program that costs something else than the one before. What facts
        save is said by the last step of their phase; if what they did is not seen there, by one of its own.
        """
        phases = list(told)
        moves = [(one.cost, other) for one, other in pairwise(self.found) if one.cost != other.cost]
        saved = next((n for n, (_, other) in enumerate(moves) if other.phase == "facts"), None)
        seen = [n for n, phase in enumerate(phases) if phase.name == "facts" and phase.steps]
        if saved is not None and not seen:
            cost, other = moves[saved]
            moves[saved] = cost, replace(self._connected(other), phase="assumed")
        self._name(other for _, other in moves)
        if saved is not None and seen:
            phase, (cost, other) = phases[seen[-1]], moves[saved]
            last = replace(phase.steps[-1], cost_before=cost, cost_after=other.cost)
            phases[seen[-1]] = replace(phase, steps=(*phase.steps[:-1], last))
        for name, title in _TITLES.items():
            own = [(cost, other) for cost, other in moves if other.phase == name]
            phases += [self._phase(name, title, own)] if own else []
        return phases

    def _name(self, programs: Iterable[_Program]) -> None:
        """Names tensors that are one under several names, and parts of long equations."""
        listed, writer = list(programs), self.writer
        for other in listed:
            for _, whole in other.pairs if other.phase == "sharing" else ():
                node = writer.terms.node(whole)
                writer.naming.name(node.children[0] if node.op == "rename" else whole)
        writer.naming.adopt()
        writer.shorten(other.pairs for other in listed)

    def _phase(self, name: str, title: str, moves: Sequence[tuple[int, _Program]]) -> Phase:
        notation = self.writer.notation
        steps = [self._step(cost, other, notation) for cost, other in moves]
        mentioned = [at for _, other in moves for pair in other.pairs for at in pair]
        title = f"{title}: {moves[0][0]:,} → {moves[-1][1].cost:,} flops"
        if steps[-1].rule == _PASSES[-1]:
            halves = [str(place.left).split("[")[0] for place in steps[-1].places]
            title = title.replace("Program", "Symmetry") + f", one half computed of {', '.join(halves)}"
        return Phase(name, title, self.writer.definitions(mentioned, notation, order=True), tuple(steps), ())

    def _step(self, cost: int, other: _Program, notation: Notation) -> Step:
        *also, last = other.rules or (None,)
        step = self.writer.step(last, other.phase, other.pairs, notation, self._output(other.place))
        if last is None:
            same = self._halves() if other.name == _PASSES[-1] else ()
            step = replace(step, rule=other.name, places=step.places or same or (self._unchanged(),))
        rules = self.runner.matched(DIRECTED) if other.name == JOINT else also
        names = tuple(rule.name for rule in rules if rule)
        return replace(step, cost_before=cost, cost_after=other.cost, also=names)

    def _output(self, place: int) -> str:
        """The name of the result that a root of the program belongs to."""
        results, roots, pieces = self.plan.results, list(self.search.searched.dag.roots), self.search.pieces
        if pieces is None or not roots:
            return results[place] if pieces is None else ""
        reads = [{name for term in terms for name, _ in term.factors} for terms in pieces.outputs]
        return next((name for name, own in zip(results, reads, strict=True) if roots[place] in own), "")

    def _unchanged(self) -> Place:
        """That a result is what it was: what is saved changes no formula."""
        sizes = self.plan.program.sizes
        edges = [
            dict(zip(out.names, map(sizes.__getitem__, out.edges), strict=True)) for out in self.plan.outputs
        ]
        result = Variable("result", edges[0] if edges else {})
        return Place(result, result)

    def _halves(self) -> tuple[Place, ...]:
        """That the tensors are symmetric of which the plan computes one half."""
        moves = [step for step in self.plan.steps if step.kind in ("pack", "unpack")]
        pairs = {packed: pair for pair, (packed,) in (step.packing for step in moves)}
        found = []
        for step in self.plan.steps:
            packed = [edge for edge in step.edges if edge in pairs and step not in moves]
            edges = [name for edge in step.edges for name in pairs.get(edge, (edge,))]
            for i, j in map(pairs.__getitem__, packed):
                tensor = Variable(step.name, {edge: self.plan.program.sizes[edge] for edge in edges})
                found.append(Place(tensor, Rename(tensor, {i: j, j: i}, tensor.edges)))
        return tuple(found)


def tree_cost(snapshot: Snapshot, sizes: Mapping[str, int], alias: dict[int, Alias] | None = None) -> int:
    """The flops of a program, each tensor by its shortest way; without `alias`, one tensor is paid once."""
    priced = price(snapshot, sizes, alias)
    solution = Extractor(priced, [priced.root(name) for name in snapshot.roots]).tree_choice()
    return priced.flops(solution.choice.values())


def explain(problem: Search, plan: Compiled, check: bool = True, detail: Detail = "steps") -> Derivation:
    """How the plan comes about: every rule that was used, what it did and where, and what that saved.

    With `check`, the two sides of every step are compared on random data. `detail` is what `str` shows: only
    where each phase ends, or its steps, or also the rules that do what is usually not written down.

    Raises:
        DetailError: if there is no such level of detail.

    Example:
        >>> import tensorgrad_eg as tg
        >>> x = tg.Variable("x", ["k"])
        >>> plan = tg.optimize(tg.Derivative((x * x).sum(), x), {"k": 3})
        >>> [step.rule for step in plan.explain()][-1]
        "the root's own cotangent"
    """
    if detail not in _DETAILS:
        raise DetailError.of(detail, _DETAILS)
    terms = Terms(problem.derived.symbols)
    derived = problem.derived
    runner = Runner(problem.files, derived.facts, plan.sizes, problem.report.matches, derived.numerics)
    writer = Writer(terms, _given(problem.expressions, plan.sizes), check, problem.facts)
    replays = []
    for number, stage in enumerate(problem.derived.stages):
        with runner.fresh(facts=stage.phase == "facts") as engine:
            replays.append(Replay.of(engine, stage, number, terms))
            replays[-1].run(runner.rules, runner.matches)
    ledger = _Ledger(problem, plan, runner, writer)
    outputs = dict(zip(problem.expressions, plan.results, strict=True))
    phases = ledger.phases([directed_phase(writer, replay, outputs) for replay in replays])
    start = ledger.found[0].cost
    return Derivation(tuple(phase for phase in phases if phase.steps), plan.flops, detail, start)


def _given(expressions: Sequence[Tensor], sizes: Mapping[str, int]) -> dict[str, Variable]:
    """The variables; where a size is zero it is a number in every term, and so it is in these."""
    zero = empty(sizes)
    return {
        name: Variable(name, {edge: 0 if size in zero else size for edge, size in v.shape.items()})
        for name, v in variables(expressions).items()
    }

"""The search as a phase of a derivation: a descent in cost from the normal form to the plan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from tensorgrad_eg.explain.bench import LISTING, Bench
from tensorgrad_eg.explain.derivation import Phase, Step
from tensorgrad_eg.explain.descent import cost_of, descend
from tensorgrad_eg.explain.notation import Notation
from tensorgrad_eg.explain.places import places
from tensorgrad_eg.explain.solution import program_of
from tensorgrad_eg.explain.writer import Pair, Writer
from tensorgrad_eg.rules.catalogue import Rule
from tensorgrad_eg.rules.vocabulary import DIRECTED

if TYPE_CHECKING:
    from tensorgrad_eg.api import Problem
    from tensorgrad_eg.egraph.term import Dag
    from tensorgrad_eg.plan.plan import Plan


#: The rule that makes programs equal that were differentiated in different orders.
_ORDER = "order of accumulation"


@dataclass(frozen=True)
class Program:
    """A program of the descent: the rules that led to it, its results as terms, and its cost."""

    rules: tuple[Rule, ...]
    results: tuple[int, ...]
    cost: int


def programs(problem: Problem, plan: Plan, bench: Bench, writer: Writer) -> Iterator[Program]:
    """The normal form, what single rules make of it, and the plan itself where these do not lead to it.

    If derivatives accumulated in another order are the cheaper start, that is the first step.
    """
    start, symbols = problem.searched.dag, problem.derived.symbols
    now = Program((), _results(writer, start), cost_of(bench, start, symbols, plan.sizes))
    yield now
    goal = problem.found_flops(plan)
    mode = problem.searched.mode
    other = cost_of(bench, mode.program, symbols, plan.sizes) if mode else now.cost
    if mode and goal <= other < now.cost:
        start = mode.program
        rules = tuple(rule for rule in bench.rules if rule.name == _ORDER)
        now = Program(rules, _results(writer, start), other)
        yield now
    for move in descend(bench, start, symbols, plan.sizes, goal, problem.report.matches):
        writer.world.learn(move.symbols)
        now = Program(move.rules, _results(writer, move.program), move.cost)
        yield now
    if now.cost != goal:
        program, labels = program_of(problem.extracted(plan.sizes), list(start.roots))
        writer.world.learn(labels)
        yield Program((), _results(writer, program), goal)


def search_phase(
    problem: Problem, plan: Plan, bench: Bench, writer: Writer, found: Sequence[Program]
) -> Phase:
    """The steps of the descent, each with what it saves."""
    moves = [_Move(one, other, writer) for one, other in pairwise(found)]
    writer.naming.adopt()
    writer.shorten(move.pairs for move in moves)
    notation = writer.notation
    matches = problem.report.matches
    together = tuple(
        r.name for r in bench.rules if r.ruleset not in DIRECTED | LISTING and matches.get(r.name)
    )
    steps = tuple(move.step(plan.names, notation, together) for move in moves)
    mentioned = [at for move in moves for pair in move.pairs for at in pair]
    title = f"Search: {found[0].cost:,} → {found[-1].cost:,} flops"
    return Phase("search", title, writer.definitions(mentioned, notation, order=True), steps, ())


def symmetry_phase(problem: Problem, plan: Plan) -> Phase:
    """What computing halves of symmetric tensors saves: one line, for it changes no formula."""
    packed = {label for step in plan.steps if step.kind == "pack" for label in step.packing[1]}
    halves = [s.name for s in plan.steps if s.kind not in ("pack", "unpack") and packed & set(s.edges)]
    title = f"Symmetry: {problem.found_flops(plan):,} → {plan.flops:,} flops"
    return Phase("symmetry", f"{title}, one half computed of {', '.join(halves)}", (), (), ())


class _Move:
    """From one program to the next."""

    def __init__(self, one: Program, other: Program, writer: Writer) -> None:
        self.one, self.other, self.writer = one, other, writer
        self.results = list(zip(one.results, other.results, strict=True))
        found: dict[Pair, None] = {}
        for before, after in self.results:
            found |= dict.fromkeys(places(writer.world, writer.values, before, after))
        self.pairs = list(found) or [self.results[self.changed]]

    @property
    def changed(self) -> int:
        """The first result that is another term now."""
        return next((n for n, (before, after) in enumerate(self.results) if before != after), 0)

    def step(self, names: Sequence[str], notation: Notation, together: tuple[str, ...]) -> Step:
        rules = self.other.rules
        step = self.writer.step(
            rules[-1] if rules else None, "search", self.pairs, notation, names[self.changed]
        )
        also = tuple(rule.name for rule in rules[:-1]) if rules else together
        return replace(step, cost_before=self.one.cost, cost_after=self.other.cost, also=also)


def _results(writer: Writer, program: Dag) -> tuple[int, ...]:
    ids = writer.world.add(program)
    return tuple(writer.world.usual(ids[at]) for at in program.roots.values())

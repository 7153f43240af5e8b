"""From what is written down to the plan, as a ledger of costs, and as phases of a derivation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from tensorgrad_eg.egraph.term import Dag
from tensorgrad_eg.emit.compiled import Compiled
from tensorgrad_eg.explain.bench import Bench
from tensorgrad_eg.explain.connecting import Connecting
from tensorgrad_eg.explain.descent import descend
from tensorgrad_eg.explain.solution import program_of
from tensorgrad_eg.explain.starts import PASSES, SHARED, Program, changed, first_changed, results, starts
from tensorgrad_eg.explain.steps import JOINT, Phase, Place, Step
from tensorgrad_eg.explain.writer import Writer
from tensorgrad_eg.expr import Rename, Variable
from tensorgrad_eg.program.cost import total_flops
from tensorgrad_eg.rules.phases import DIRECTED, GATHERING
from tensorgrad_eg.search import Search

#: What is done to a program when it is there, beside the rules.
_PASSES = ("reads of the program", "constants and multiples worked out once", "halves of symmetric tensors")


def ledger(problem: Search, plan: Compiled, bench: Bench, writer: Writer) -> list[Program]:
    """All programs from the one that is written down to the plan, each with its cost.

    Those of the search are found by single rules, as far as these lead to the plan.
    """
    extracted = problem.extracted(plan.sizes)
    goal = extracted.priced.flops(extracted.solution.choice.values())
    found = list(starts(problem, bench, writer, plan.sizes, goal))
    mode = problem.searched.mode
    begun = mode.program if mode and found[-1].phase == "search" and found[-1].rules else problem.searched.dag
    found += _walk(problem, plan.sizes, bench, writer, begun, found[-1].cost, goal)
    for name, program in zip(_PASSES, problem.passes(plan.sizes), strict=True):
        found.append(Program(total_flops(program), name=name, phase="program"))
    return [*found, Program(plan.flops, name="results as they are asked for", phase="program")]


def _walk(
    problem: Search,
    sizes: Mapping[str, int],
    bench: Bench,
    writer: Writer,
    begun: Dag,
    cost: int,
    goal: int,
) -> Iterator[Program]:
    """The programs of the descent, and the one that was found where that does not lead to it."""
    symbols, matches = problem.derived.symbols, problem.report.matches
    now = results(writer, begun)
    for move in descend(bench, begun, symbols, sizes, goal, cost, matches):
        writer.world.learn(move.symbols)
        before, now, cost = now, results(writer, move.program), move.cost
        yield Program(cost, changed(writer, before, now), move.rules, place=first_changed(before, now))
    if cost != goal:
        extracted = problem.extracted(sizes)
        program, labels = program_of(extracted, list(begun.roots))
        writer.world.learn(labels)
        after = results(writer, program)
        pairs = changed(writer, now, after)
        rules = () if extracted.passes else Connecting(bench, writer.world, sizes, matches).rules(pairs)
        name = PASSES if extracted.passes else JOINT if rules is None else SHARED
        yield Program(goal, pairs, rules or (), name, place=first_changed(now, after))


def costed_phases(
    problem: Search,
    plan: Compiled,
    writer: Writer,
    bench: Bench,
    found: Sequence[Program],
    told: Sequence[Phase],
) -> list[Phase]:
    """The phases that were told, and one for each kind of saving.

    In these there is a step for each program that costs something else than the one before. What facts save
    is said by the last step of their phase; if what they did is not seen there, by a step of its own.
    """
    moves = [(one.cost, other) for one, other in pairwise(found) if one.cost != other.cost]
    facts = next(((cost, other) for cost, other in moves if other.phase == "facts"), None)
    seen = any(phase.name == "facts" and phase.steps for phase in told)
    if facts is not None and not seen:
        rules = Connecting(bench, writer.world, plan.sizes, problem.report.matches).rules(facts[1].pairs)
        name = JOINT if rules is None else SHARED
        silent = replace(facts[1], rules=rules or (), name=name, phase="assumed")
        moves = [(cost, silent if other is facts[1] else other) for cost, other in moves]
    for _, other in moves:
        for _, whole in other.pairs if other.phase == "sharing" else ():
            node = writer.world.node(whole)
            writer.naming.name(node.children[0] if node.op == "rename" else whole)
    writer.naming.adopt()
    writer.shorten(other.pairs for _, other in moves)
    matches = problem.report.matches
    together = tuple(
        r.name for r in bench.rules if r.ruleset not in DIRECTED | GATHERING and matches.get(r.name)
    )
    return [
        *(_with_cost(phase, facts) if phase.name == "facts" else phase for phase in told),
        *(
            _phase(problem, plan, writer, name, title, own, together)
            for name, title in _TITLES.items()
            if (own := [(cost, other) for cost, other in moves if other.phase == name])
        ),
    ]


_TITLES = {
    "sharing": "Compute every tensor once",
    "assumed": "Use what is assumed",
    "pieces": "Keep results in pieces",
    "search": "Search",
    "program": "Program",
}


def _phase(
    problem: Search,
    plan: Compiled,
    writer: Writer,
    name: str,
    title: str,
    moves: Sequence[tuple[int, Program]],
    together: tuple[str, ...],
) -> Phase:
    notation = writer.notation
    steps = []
    for cost, other in moves:
        last, also = (other.rules[-1], other.rules[:-1]) if other.rules else (None, ())
        step = writer.step(last, name, other.pairs, notation, _output(problem, plan, other.place))
        if last is None:
            same = _halves(plan) if other.name == _PASSES[-1] else ()
            step = replace(step, rule=other.name, places=step.places or same or (_unchanged(plan),))
        names = together if other.name == JOINT else tuple(rule.name for rule in also)
        steps.append(replace(step, cost_before=cost, cost_after=other.cost, also=names))
    mentioned = [at for _, other in moves for pair in other.pairs for at in pair]
    title = f"{title}: {moves[0][0]:,} → {moves[-1][1].cost:,} flops"
    if steps[-1].rule == _PASSES[-1]:
        halves = [str(place.left).split("[")[0] for place in steps[-1].places]
        title = title.replace("Program", "Symmetry") + f", one half computed of {', '.join(halves)}"
    return Phase(name, title, writer.definitions(mentioned, notation, order=True), tuple(steps), ())


def _output(problem: Search, plan: Compiled, place: int) -> str:
    """The name of the result that a root of the program belongs to."""
    if problem.pieces is None:
        return plan.results[place]
    if not problem.searched.dag.roots:
        return ""
    root = list(problem.searched.dag.roots)[place]
    pieces = zip(plan.results, problem.pieces.outputs, strict=True)
    return next((name for name, terms in pieces if any(root in dict(term.factors) for term in terms)), "")


def _unchanged(plan: Compiled) -> Place:
    """That a result is what it was: what is saved changes no formula."""
    out = plan.outputs[0] if plan.outputs else None
    edges = (
        {}
        if out is None
        else {name: plan.program.sizes[e] for name, e in zip(out.names, out.edges, strict=True)}
    )
    result = Variable("result", edges)
    return Place(result, result)


def _halves(plan: Compiled) -> tuple[Place, ...]:
    """That the tensors are symmetric of which the plan computes one half."""
    moves = [step for step in plan.steps if step.kind in ("pack", "unpack")]
    pairs = {packed: pair for pair, (packed,) in (step.packing for step in moves)}
    found = []
    for step in plan.steps:
        packed = [edge for edge in step.edges if edge in pairs]
        if step in moves or not packed:
            continue
        edges = [name for edge in step.edges for name in pairs.get(edge, (edge,))]
        tensor = Variable(step.name, {edge: plan.program.sizes[edge] for edge in edges})
        for edge in packed:
            i, j = pairs[edge]
            found.append(Place(tensor, Rename(tensor, {i: j, j: i}, tensor.edges)))
    return tuple(found)


def _with_cost(phase: Phase, facts: tuple[int, Program] | None) -> Phase:
    """The phase in which facts are used; its last step says what that saves."""
    if facts is None or not phase.steps:
        return phase
    last: Step = replace(phase.steps[-1], cost_before=facts[0], cost_after=facts[1].cost)
    return replace(phase, steps=(*phase.steps[:-1], last))

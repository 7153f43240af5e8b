"""The parts of extraction, each against what is computed from scratch on random e-graphs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from tensorgrad_eg.egraph import Snapshot
from tensorgrad_eg.expr.operations import ENode
from tensorgrad_eg.extract import Priced, Way
from tensorgrad_eg.extract.polish import Program
from tensorgrad_eg.extract.search import Extractor, Solution, solve_exactly
from tensorgrad_eg.running import Deadline


@dataclass(frozen=True)
class Graph:
    """Ways of groups, and the groups wanted: the first way of each group reads only groups before it."""

    priced: Priced
    roots: tuple[int, ...]

    @property
    def first(self) -> dict[int, int]:
        """The first way of every group: together they have no cycle."""
        return {group: self.priced.group.index(group) for group in self.priced.group}


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Small e-graphs, most of them with cycles."""
    count = draw(st.integers(2, 8))
    priced = Priced(Snapshot({}, {}, {}), {}, {})
    for group in range(count):
        for number in range(draw(st.integers(1, 3))):
            others = [at for at in range(count if number else group) if at != group]
            children = draw(st.lists(st.sampled_from(others), max_size=3)) if others else []
            priced.ways.append(Way(group, ENode("add", None, ()), tuple(children), (1,) * len(children)))
            priced.group.append(group)
            priced.units.append(1 + draw(st.integers(0, 9)))
    roots = draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=3, unique=True))
    return Graph(priced, tuple(roots))


def needed(graph: Graph, choice: Mapping[int, int]) -> dict[int, int] | None:
    """What the roots need of a choice; none if it has a cycle there."""
    found: dict[int, int] = {}
    path: list[int] = []

    def visit(at: int) -> bool:
        if at in path:
            return False
        if at not in found:
            path.append(at)
            if not all([visit(child) for child in graph.priced.ways[choice[at]].children]):
                return False
            path.pop()
            found[at] = choice[at]
        return True

    return found if all([visit(root) for root in graph.roots]) else None


def cost(graph: Graph, choice: Mapping[int, int]) -> int:
    """What the ways cost together."""
    return sum(graph.priced.units[way] for way in choice.values())


def agrees(graph: Graph, program: Program) -> None:
    """A program keeps what follows from its choice."""
    assert program.choice == needed(graph, program.choice)
    assert program.cost == cost(graph, program.choice)
    reads = {at: set(graph.priced.ways[way].children) for at, way in program.choice.items()}
    for group in program.choice:
        readers = {at for at, children in reads.items() if group in children}
        assert set(program.readers.get(group, ())) == readers
        assert all(program.rank[at] > program.rank[group] for at in readers)
    assert program.rank.keys() == program.choice.keys()


@given(graph=graphs(), moves=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=8))
def test_totals_readers_and_order_are_kept_up_to_date(graph: Graph, moves: list[tuple[int, int]]) -> None:
    """After any moves a program has the total, the readers and an order as if it were made anew."""
    program = Program(graph.priced, graph.roots, graph.first)
    agrees(graph, program)
    for place, number in moves:
        group = sorted(program.choice)[place % len(program.choice)]
        own = [way for way, at in enumerate(graph.priced.group) if at == group]
        wanted = needed(graph, {**graph.first, **program.choice, group: own[number % len(own)]})
        if wanted is not None:
            before = dict(program.choice)
            new = {at: way for at, way in wanted.items() if at not in before}
            change = program.assign(new | {group: wanted[group]})
            agrees(graph, program)
            assert program.choice == wanted
            program.assign({at: way for at, way in change.items() if way is not None})
            agrees(graph, program)
            assert program.choice == before
            program.assign({at: wanted[at] for at in wanted if before.get(at) != wanted[at]})
            agrees(graph, program)


@given(graph=graphs())
def test_groups_are_reached_on_their_shortest_ways(graph: Graph) -> None:
    """Unshared, every root costs what repeated relaxation of all ways says."""
    length = dict.fromkeys(graph.priced.group, math.inf)
    for _ in length:
        for way, units, group in zip(graph.priced.ways, graph.priced.units, graph.priced.group, strict=True):
            reads = dict.fromkeys(way.children)
            length[group] = min(length[group], units + sum(length[child] for child in reads))
    for root in graph.roots:
        chosen = Extractor(graph.priced, [root]).tree_choice().choice

        def unshared(at: int, chosen: Mapping[int, int] = chosen) -> int:
            reads = dict.fromkeys(graph.priced.ways[chosen[at]].children)
            return graph.priced.units[chosen[at]] + sum(unshared(child) for child in reads)

        assert unshared(root) == length[root]


@given(graph=graphs())
def test_a_program_is_made_cheaper_not_cheaper_than_possible(graph: Graph) -> None:
    """Polished and rerouted programs are complete, cost no more than before and no less than the optimum."""
    extractor = Extractor(graph.priced, graph.roots)
    start = extractor.trimmed(graph.first)
    polished = extractor.polish(start)
    improved = extractor.improve(polished, 30)
    assert improved.cost <= polished.cost <= start.cost
    for found in (polished, improved):
        assert found == Solution(needed(graph, found.choice) or {}, cost(graph, found.choice))
    best, certificate = solve_exactly(extractor, improved, 1.0)
    assert certificate.optimal
    assert best.cost <= improved.cost


@given(graph=graphs())
def test_without_time_a_program_stays(graph: Graph) -> None:
    """When the time is up, what is there is what is found."""
    extractor = Extractor(graph.priced, graph.roots, deadline=Deadline(0.0))
    start = extractor.trimmed(graph.first)
    assert extractor.polish(start) == extractor.improve(start, 30) == start

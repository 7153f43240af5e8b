"""Problems by name: those of the benchmarks and of the tests, and random ones beyond."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random

import explain_problems
import facts_corpus
import rules_corpus
import test_networks
from soak.problems import problem as random_problem

import benchmarks.families as families
from benchmarks.case import CASES, Case
from benchmarks.measure import symbols
from tensorgrad_eg import Tensor, gradients
from tensorgrad_eg.assume import Fact
from tensorgrad_eg.expr import postorder

#: Larger sizes than those that the rules are tried with: there the order of a product hardly matters.
_LARGER = {symbol: 7 * size for symbol, size in rules_corpus.SIZES.items()}


@dataclass(frozen=True)
class Problem:
    """What is asked for, and the size of every symbol."""

    wanted: tuple[Tensor, ...]
    sizes: Mapping[str, int]
    facts: tuple[Fact, ...] = ()


def named() -> dict[str, Callable[[], Problem]]:
    """Every problem of the benchmarks that is not slow, and of the tests."""
    found: dict[str, Callable[[], Problem]] = {}
    assert families.__name__
    for case in CASES:
        if not case.slow:
            found[case.key] = lambda case=case: _benchmark(case)
    for name, build in explain_problems.PROBLEMS.items():
        found[f"explain/{name}"] = lambda build=build: _of(*build())
    for name, network in test_networks.SMALL.items():
        found[f"network/{name}"] = lambda network=network: _network(network())
    for name, wanted in rules_corpus.CORPUS.items():
        found[f"rules/{name}"] = lambda wanted=wanted: _of(wanted, _LARGER)
    for number, one in enumerate(facts_corpus.CORPUS):
        found[f"facts/{number}"] = lambda one=one: _of(one.expression, facts_corpus.SIZES, one.facts)
    return found


def sample(count: int, seed: int) -> Iterator[tuple[str, Callable[[], Problem]]]:
    """So many problems: a part of those with names, or all of them and random ones."""
    every = list(named().items())
    Random(seed).shuffle(every)
    yield from every[:count]
    for number in range(count - len(every)):
        yield f"random/{seed}/{number}", lambda number=number: _random(seed, number)


def find(name: str) -> Problem:
    """The problem of this name."""
    if name.startswith("random/"):
        seed, number = map(int, name.split("/")[1:])
        return _random(seed, number)
    return named()[name]()


def _benchmark(case: Case) -> Problem:
    problem = case.build(case.sizes)
    wanted = problem.wanted
    return _of(list(wanted.values()) if isinstance(wanted, Mapping) else wanted, symbols(problem))


def _network(network: test_networks.Network) -> Problem:
    loss, weights, sizes = network
    return _of(gradients(loss, weights), sizes)


def _random(seed: int, number: int) -> Problem:
    found = random_problem(seed, number)
    return Problem(found.wanted, found.sizes, found.facts)


def _of(wanted: Tensor | list[Tensor], sizes: Mapping[str, int], facts: tuple[Fact, ...] = ()) -> Problem:
    every = tuple(wanted) if isinstance(wanted, list) else (wanted,)
    used = [size for node in postorder(every) for size in (*node.shape.values(), getattr(node, "size", None))]
    return Problem(every, {symbol: size for symbol, size in sizes.items() if symbol in used}, facts)

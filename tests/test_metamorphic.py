"""A problem written in another way costs the same: a sample; `python -m tests.metamorphic` tries them all."""

from __future__ import annotations

from random import Random
from zlib import crc32

import numpy as np
import pytest
from metamorphic.compare import EQUAL, Compared, Cost, compared, table
from metamorphic.problems import Problem, find, named, sample
from metamorphic.rewriting import KINDS, kinds, rewritten
from soak.reference import expected

from tensorgrad_eg.expr import variables

#: Small problems in which derivatives, functions, names read twice, long products and several results occur.
_SMALL = (
    "explain/l2",
    "explain/mlp",
    "explain/attention",
    "network/softmax cross-entropy",
    "H/H3/m=9,n=8,k=3",
    "rules/products",
    "rules/deltas",
    "J/ladder/rungs=3",
    *(f"random/0/{number}" for number in range(24)),
)
#: A fourth of the problems that are planned fast, by their names, so that a sample takes seconds.
_FAST = ("L", "explain", "rules", "facts")
#: Problems of the sample that still cost more in another spelling, and why. None above this is allowed.
_OPEN = {
    "rules/log-sum-exps without means": "results that are one but for the order of factors end apart",
    "rules/layer_norm": "the search ends, by its number of e-nodes, before it is through",
    "L/AB + AC/n=1024": "terms whose bound edges have different names are not factored",
    "rules/deltas before a delta": "a diagonal is read before or after a product",
    "rules/standard deviation": "a multiple is in one of several places",
    "rules/variance": "a multiple keeps a centred sum from its square",
}


def _values(problem: Problem, arrays: dict[str, np.ndarray]) -> list[np.ndarray]:
    return expected(problem.wanted, arrays, problem.sizes).values


@pytest.mark.parametrize("name", _SMALL)
def test_a_rewriting_has_the_same_values(name: str) -> None:
    """What is written in another way, of every kind, is the same function, by its definition."""
    problem = find(name)
    sizes = {symbol: 2 + n % 2 for n, symbol in enumerate(problem.sizes)}
    problem = Problem(problem.wanted, sizes, problem.facts)
    random = np.random.default_rng(0)
    arrays = {
        v.name: random.uniform(0.3, 1.3, [sizes.get(str(n), n) for n in v.shape.values()])
        for v in variables(problem.wanted).values()
    }
    right = expected(problem.wanted, arrays, sizes)
    for number in range(len(KINDS) + 2):
        other = rewritten(problem, kinds(number), Random(f"{name}:{number}"))
        found = _values(other.problem, {other.variables[v].name: array for v, array in arrays.items()})
        for value, (old, axes) in zip(found, other.outputs, strict=True):
            wanted = np.transpose(right.values[old], axes)
            assert value.shape == wanted.shape
            np.testing.assert_allclose(value, wanted, rtol=1e-9, atol=1e-9)


def test_a_rewriting_costs_the_same() -> None:
    """A sample of the problems costs the same in each of two spellings, but for those that are listed."""
    names = [name for name in named() if name.split("/")[0] in _FAST and crc32(name.encode()) % 4 == 0]
    found = [compared(name, [number % len(KINDS), 8], seed=0) for number, name in enumerate(names)]
    differ = [one for one in found if one.worst > 1 + EQUAL and one.name not in _OPEN]
    assert not differ, table(differ)


def test_every_problem_has_a_name() -> None:
    """There are at least 150 problems of benchmarks and tests, and random ones beyond."""
    assert len(named()) >= 150
    assert [name for name, _ in sample(len(named()) + 2, 5)][-2:] == ["random/5/0", "random/5/1"]


def test_what_differs_is_told() -> None:
    """A table has a line for each way that costs over a thousandth more than another, the worst first."""
    small = Compared("small", Cost(1000), [(0, frozenset({"order"}), Cost(1001))])
    large = Compared("large", Cost(2000), [(4, frozenset({"brackets"}), Cost(1000))])
    nothing = Compared("nothing", Cost(0), [(1, frozenset({"names"}), Cost(3))])
    lines = table([small, large, nothing]).splitlines()
    assert [line.split()[0] for line in lines[1:-1]] == ["nothing", "large"]
    assert "as written" in lines[2]
    assert "2.0000" in lines[2]
    assert lines[-1].startswith("3 problems written in 6 ways: 2 problems and 2 ways cost more")

"""Products start in a good order, however they are written."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import opt_einsum
import pytest
from soak.reference import expected

import tensorgrad_eg as tg
from tensorgrad_eg import Tensor, Variable
from tensorgrad_eg import functions as F

pytest.importorskip("benchmarks.models")
from benchmarks.models.networks import lattice

#: The three diagrams of a ternary MERA: ρ and h with isometries w and disentanglers u, and their conjugates.
MERA = (
    "r:xyzw w:xabc w:ydef u:cdst h:bsBT v:CDTt q:zaBC q:wDef",
    "r:xyzw w:xabc w:ydef u:cdst h:stST v:CDST q:zabC q:wDef",
    "r:xyzw w:xabc w:ydef u:cdst h:teTE v:CDsT q:zabC q:wDEf",
)


def product(factors: Sequence[Tensor], order: object = None) -> Tensor:
    """The product of tensors from left to right, as they come or shuffled."""
    factors = list(factors)
    if order is not None:
        random.Random(str(order)).shuffle(factors)
    result = factors[0]
    for factor in factors[1:]:
        result = result @ factor
    return result


def diagram(text: str, order: object = None) -> Tensor:
    """One diagram; every edge has the same size."""
    factors = []
    for term in text.split():
        name, edges = term.split(":")
        own = Variable(name, dict.fromkeys("ijkl", "n"))
        factors.append(own.rename(dict(zip("ijkl", edges, strict=True))))
    return product(factors, order)


def three_passes(text: str, n: int) -> int:
    """What value and all gradients cost on the best tree: 3 (F - the last step)."""
    terms = [term.split(":")[1] for term in text.split()]
    shapes = [(n,) * len(term) for term in terms]
    path, _ = opt_einsum.contract_path(",".join(terms) + "->", *shapes, shapes=True, optimize="dp")
    open_, costs = [frozenset(term) for term in terms], []
    for pair in path:
        met = frozenset().union(*(open_.pop(at) for at in sorted(pair, reverse=True)))
        left = met & frozenset().union(*open_)
        costs.append(n ** len(met) * (1 if left == met else 2))
        open_.append(left)
    return 3 * sum(costs[:-1])


def peps(rows: int, columns: int, bond: int, order: object = None) -> tuple[Tensor, list[Variable]]:
    """The norm of a lattice of tensors, and these."""
    sites = list(enumerate(lattice(rows, columns, bond).factors))
    cores = [Variable(f"A{n}", {**dict.fromkeys(site, bond), f"p{n}": 2}) for n, site in sites]
    below = [core.rename({edge: edge + "_b" for edge in core.edges if edge[0] == "e"}) for core in cores]
    pairs = [tensor for pair in zip(cores, below, strict=True) for tensor in pair]
    return product(pairs, order), cores


def best_known(rows: int, columns: int, bond: int) -> int:
    """The cost of one contraction of the norm along the best path of opt_einsum."""
    sites = list(enumerate(lattice(rows, columns, bond).factors))
    names = {}
    terms = [
        "".join(names.setdefault(e + layer * (e[0] == "e"), opt_einsum.get_symbol(len(names))) for e in own)
        for n, site in sites
        for layer in ("", "_b")
        for own in [(*site, f"p{n}")]
    ]
    shapes = [tuple(2 if e[0] == "p" else bond for e in (*site, f"p{n}")) for n, site in sites for _ in "ab"]
    finder = opt_einsum.RandomGreedy(max_repeats=300, minimize="flops")
    return int(
        opt_einsum.contract_path(",".join(terms) + "->", *shapes, shapes=True, optimize=finder)[1].opt_cost
    )


@pytest.mark.parametrize("order", [None, 1, 2])
def test_the_norm_of_a_lattice_is_that_of_one_half(order: int | None) -> None:
    """Written site by site in any order, ⟨ψ|ψ⟩ costs half the best path that sees 32 different tensors."""
    norm, cores = peps(4, 4, 6, order)
    one = best_known(4, 4, 6)
    assert tg.optimize(norm, {}).flops <= 0.51 * one
    assert tg.optimize([norm, *(norm.grad(core) for core in cores)], {}).flops <= 1.51 * one


@pytest.mark.parametrize("order", [None, 1, 2])
def test_energy_and_gradients_of_a_mera_are_three_passes(order: int | None) -> None:
    """Three diagrams that share factors, with all gradients, cost at most 3 (F - root) of the best trees."""
    energy = sum((diagram(text, order) for text in MERA[1:]), diagram(MERA[0], order))
    wanted = [energy, *(energy.grad(Variable(name, dict.fromkeys("ijkl", "n"))) for name in "rwuhvq")]
    assert tg.optimize(wanted, {"n": 8}).flops <= sum(three_passes(text, 8) for text in MERA)


def test_the_names_of_bound_edges_do_not_hide_a_product() -> None:
    """A chain whose sums all go over k, each in brackets of its own, costs what it costs with other names."""
    sizes = {f"n{at}": 3 + 7 * at % 11 for at in range(12)}

    def chain(names: Sequence[str]) -> Tensor:
        result: Tensor = Variable("M0", {"i": "n0", names[0]: "n1"})
        for at in range(1, 11):
            factor = Variable(f"M{at}", {"p": f"n{at}", "q": f"n{at + 1}"}).rename(p=names[at - 1], q="j")
            result = F.dot(result, factor, names[at - 1]).rename(j=names[at] if at < 10 else "j")
        return result

    other = chain([f"k{at}" for at in range(10)])
    same = chain(["k"] * 10)
    assert tg.optimize(same, sizes).flops == tg.optimize(other, sizes).flops


def test_gradients_of_a_long_network_follow_the_best_order() -> None:
    """The loss of eighteen tensors, its nine gradients: at most three times the best forward order."""
    inputs = [Variable(f"x{n}", b="b", s="s") for n in range(9)]
    cores = [Variable("c0", s="s", r="D")]
    cores += [Variable(f"c{n}", l="D", s="s", r="D") for n in range(1, 8)] + [Variable("c8", l="D", s="s")]
    cores[4] = Variable("c4", l="D", s="s", z="z", r="D")
    network = "bc,bd,be,bf,bg,bh,bi,bj,bk,cm,mdn,neo,ofp,pgzq,qhr,ris,sjt,tk->bz"
    loss = F.frobenius2(tg.einsum(network, *inputs, *cores) - Variable("T", ["b", "z"]))
    plan = tg.optimize([loss.grad(core) for core in cores], {"b": 512, "s": 2, "D": 7, "z": 10})
    assert plan.flops <= 3_770_000


@pytest.mark.parametrize("seed", range(8))
def test_an_ordered_product_has_the_value_of_its_definition(seed: int) -> None:
    """Products in brackets, with numbers in them, and names that are used again, at random."""
    dice = random.Random(seed)
    letters = "abcde"
    parts: list[Tensor] = [
        Variable(f"T{n}", dict.fromkeys("xyz"[: dice.randrange(1, 4)], "n")) for n in range(4)
    ]
    for _ in range(9):
        one, two = (dice.choice(parts[-5:]) for _ in range(2))
        one, two = (
            p.rename(dict(zip(p.edges, dice.sample(letters, len(p.edges)), strict=True))) for p in (one, two)
        )
        edges = [*dict.fromkeys(one.edges + two.edges)]
        over = dice.sample(edges, max(len(edges) - 3, dice.randrange(len(edges))))
        parts.append(dice.choice((1, 1, 2)) * F.dot(one, two, over))
    arrays = {
        f"T{n}": np.random.default_rng([seed, n]).standard_normal((3,) * len(part.edges))
        for n, part in enumerate(parts[:4])
    }
    right = expected([parts[-1]], arrays, {"n": 3})
    for effort in (0, 1):
        found = tg.optimize(parts[-1], {"n": 3}, effort=effort)
        given = {v.name: arrays[v.name] for v in found.inputs}
        np.testing.assert_allclose(found(**given), right.values[0], rtol=1e-9, atol=1e-9)


def test_a_product_of_what_has_no_entries() -> None:
    """Where no order costs anything one is taken all the same, and the result has no entries."""
    x, y = Variable("x", i="empty", l="empty"), Variable("y", i="f", e="f")
    plan = tg.optimize(x * (y * y).sum(), {"empty": 0, "f": 2})
    assert plan(x=np.ones((0, 0)), y=np.ones((2, 2))).shape == (0, 0)

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tensorgrad_eg as tg
from tensorgrad_eg.egraph.term import Dag
from tensorgrad_eg.explain.bench import Bench
from tensorgrad_eg.explain.descent import descend
from tensorgrad_eg.explain.expansion import Expansion
from tensorgrad_eg.explain.naming import Naming
from tensorgrad_eg.explain.notation import Notation
from tensorgrad_eg.explain.places import places
from tensorgrad_eg.explain.starts import normal, tree_cost
from tensorgrad_eg.explain.symbols import Direction
from tensorgrad_eg.explain.values import Point, Values
from tensorgrad_eg.explain.world import World
from tensorgrad_eg.verify.classes import Draw

LABELS = {"i": "n", "j": "n", "k": "n", "i'": "n", "j'": "n"}
GIVEN = {
    "A": tg.Variable("A", i="n", j="n"),
    "x": tg.Variable("x", i="n"),
    "y": tg.Variable("y", i="n"),
}


def var(world: World, name: str, *axes: str) -> int:
    """Put a variable."""
    return world.put("variable", (name, axes))


def product(world: World, over: str, left: int, right: int) -> int:
    """Put a product, summed over some edges of one letter each."""
    return world.put("contract", frozenset(over), left, right)


def shown(world: World, at: int) -> str:
    """Write a term."""
    return str(Notation(world, GIVEN).expression(at))


def test_renaming_does_not_capture() -> None:
    """An edge that is renamed to a summed edge's name makes the summed edge step aside."""
    world = World(LABELS)
    term = product(world, "k", var(world, "A", "i", "k"), var(world, "x", "k"))
    assert shown(world, world.rename(term, {"i": "k"})) == "Σ_k_ A[k,k_] x[k_]"


@given(st.permutations(["i", "j", "k"]), st.permutations(["i", "j", "k"]))
def test_renamings_compose(first: list[str], second: list[str]) -> None:
    """Two renamings one after the other are the one renaming that they compose to."""
    world = World(LABELS)
    one, other = dict(zip("ijk", first, strict=True)), dict(zip("ijk", second, strict=True))
    both = {edge: other[one[edge]] for edge in "ijk"}
    inner = product(world, "j", var(world, "A", "i", "j"), var(world, "A", "j", "k"))
    term = world.put("add", None, inner, var(world, "A", "k", "i"))
    twice = world.rename(world.rename(term, one), other)
    assert world.form(twice) == world.form(world.rename(term, both))


def test_terms_count_as_one_up_to_order_and_bound_names() -> None:
    """Σ_k A_ik x_k and Σ_j x_j A_ij are one, under whatever names they are read; Σ_k A_ki x_k is another."""
    world = World(LABELS)
    one = product(world, "k", var(world, "A", "i", "k"), var(world, "x", "k"))
    two = product(world, "j", var(world, "x", "j"), var(world, "A", "i", "j"))
    three = world.read_as(world.rename(one, {"i": "j"}), {"j": "i"})
    other = product(world, "k", var(world, "A", "k", "i"), var(world, "x", "k"))
    assert one != two
    assert world.form(world.rename(one, {"k": "j"})) == world.form(one)
    assert world.form(three) == world.form(one)
    assert world.form(other) != world.form(one)
    assert world.usual(three) == world.usual(one)


def test_bound_edges_of_different_sizes_stay_apart() -> None:
    """A bound edge takes a shorter name only if that has the same size."""
    world = World({"i": "n", "i'": "m"})
    one = world.put("reduce", frozenset({"i"}), var(world, "x", "i"))
    other = world.put("reduce", frozenset({"i'"}), var(world, "x", "i'"))
    assert world.form(one) != world.form(other)


def test_numbers_are_worked_out() -> None:
    """0·a + a + a + 2·3 is 2a + 6, and a sum over zero is zero."""
    world = World(LABELS)
    x = var(world, "x", "i")
    six = world.put("scale", Fraction(2), world.put("number", Fraction(3)))
    total = world.put("add", None, world.put("scale", Fraction(0), x), x, x, six)
    assert shown(world, total) == "6 + 2 x[i]"
    assert world.number(world.put("reduce", frozenset("i"), world.put("number", Fraction(0)))) == 0


def test_an_edge_that_nothing_depends_on_is_counted() -> None:
    """A sum over an edge that the terms lack shows the size of the edge, and is worth that much."""
    world = World(LABELS)
    x = var(world, "x", "i")
    term = world.put("contract", frozenset({"i", "j"}), x, x)
    assert shown(world, term) == "|n| Σ_i x[i] x[i]"
    counted = world.put("contract", frozenset(), world.put("extent", "n"), product(world, "i", x, x))
    assert Values(world).differ(term, counted) < 1e-15


def test_new_edges_of_a_derivative_differ_however_many_underscores_the_old_ones_have() -> None:
    """∂t[i,k,i_]/∂w[i,k,i_] is a diagonal: its edges step aside to names that differ from one another."""
    shape = {"i": "n", "k": "n", "i_": "n"}
    t, w = tg.Variable("t", shape), tg.Variable("w", shape)
    diagonal = Notation(World(LABELS), GIVEN)._derivative(t, w, list(shape))
    assert set(diagonal.edges) == set(shape)
    assert str(diagonal) == "∂t[i,k,i_]/∂w[i,k,i_]"


def test_derivatives_by_differences() -> None:
    """A cotangent is worth the gradient: of Σ sin(x)² it is 2 sin x cos x."""
    world = World(LABELS)
    x = var(world, "x", "i")
    sine = world.put("apply", "sin", x)
    root = product(world, "i", sine, sine)
    world.directions["d"] = Direction(root, ((x, (sine,)), (sine, (root, root))))
    both = product(world, "", sine, world.put("apply", "cos", x))
    expected = world.put("scale", Fraction(2), both)
    values = Values(world)
    assert values.differ(world.put("cotangent", "d", x), expected) < 1e-10
    assert values.differ(world.put("gradient", ("d", ("j",)), x), world.rename(expected, {"i": "j"})) < 1e-10
    assert values.differ(world.put("cotangent", "d", sine), world.put("scale", Fraction(2), sine)) < 1e-10
    handed = world.put("pullback", "d", sine, root)
    assert values.differ(handed, world.put("scale", Fraction(2), sine)) < 1e-10


def test_a_pullback_is_what_one_reader_hands_back() -> None:
    """Of x · exp(x) the product hands back exp(x) directly; the rest comes by way of the exponential."""
    world = World(LABELS)
    x = var(world, "x", "i")
    power = world.put("apply", "exp", x)
    term = product(world, "", x, power)
    root = world.put("reduce", frozenset("i"), term)
    world.directions["d"] = Direction(root, ((x, (power, term)), (power, (term,)), (term, (root,))))
    values = Values(world)
    assert values.differ(world.put("pullback", "d", x, term), power) < 1e-10
    assert values.differ(world.put("pullback", "d", x, power), term) < 1e-10


def test_tangents_by_differences() -> None:
    """The tangent of A x by x is A itself, read at the new edge."""
    world = World(LABELS)
    x = var(world, "x", "j")
    term = product(world, "j", var(world, "A", "i", "j"), x)
    seed = world.put("deltas", (("j",), ("k",)))
    world.directions["d"] = Direction(seeds=((x, seed),), tips=frozenset("k"))
    tangent = world.put("tangent", "d", term)
    assert Values(world).differ(tangent, var(world, "A", "i", "k")) < 1e-10
    assert shown(world, tangent).startswith("∂t")
    naming = Naming(world, {"A", "x"})
    naming.derivatives([tangent])
    notation = Notation(world, GIVEN, naming.names, naming.reads)
    assert str(notation.expression(tangent)) == "∂t1[i]/∂x[k]"


def test_a_point_where_nothing_is_defined_is_not_the_last_word() -> None:
    """log x has no value at negative points; the next points are positive."""
    world = World(LABELS)
    x = var(world, "x", "i")
    again = world.put("apply", "log", world.put("apply", "exp", world.put("apply", "log", x)))
    values = Values(world)
    assert values.differ(again, world.put("apply", "log", x)) < 1e-12
    assert values.differ(world.put("apply", "log", x), x) > 0.1


def test_a_tensor_that_is_too_large_is_not_computed() -> None:
    """A difference that nobody can compute is unknown, not zero."""
    labels = {f"e{n}": "n" for n in range(30)}
    world = World(labels)
    wide = var(world, "x", *labels)
    one, other = world.put("scale", Fraction(2), wide), world.put("power", Fraction(2), wide)
    assert np.isnan(Values(world).differ(one, other))
    assert not Values(world).equal(one, other)


def test_what_is_true_of_one_size_only_is_refuted() -> None:
    """|n| x is 2 x, 3 x or 4 x for one n each; exchanged edges of different sizes show, too."""
    world = World({"i": "n", "j": "m", "k": "p"})
    x = var(world, "x", "i")
    for n in (2, 3, 4, 5):
        counted = world.put("contract", frozenset(), world.put("extent", "n"), x)
        assert Values(world).differ(counted, world.put("scale", Fraction(n), x)) > 0.1
    assert sorted(Point(world, Draw(0)).sizes.values()) == [2, 3, 4]
    assert Point(world, Draw(0)).sizes != Point(world, Draw(0), turn=1).sizes


def test_zero_by_cancellation_has_no_digits_to_compare() -> None:
    """Σ (p - p / 3 - 2/3 p) is a rounding error, and equal to 0; a small multiple of p is not."""
    world = World(LABELS)
    p = world.put("softmax", frozenset("i"), var(world, "x", "i"))
    third = world.put(
        "contract", frozenset(), p, world.put("power", Fraction(-1), world.put("number", Fraction(3)))
    )
    rest = world.put("scale", Fraction(-2, 3), p)
    nothing = world.put(
        "reduce", frozenset("i"), world.put("add", None, p, world.put("scale", Fraction(-1), third), rest)
    )
    zero = world.put("number", Fraction(0))
    assert Values(world).differ(nothing, zero) < 1e-6
    tiny = world.put("scale", Fraction(1, 10**9), p)
    assert Values(world).differ(tiny, zero) > 0.1
    assert Values(world).differ(tiny, world.put("scale", Fraction(2), tiny)) > 0.1


def test_what_is_finite_nowhere_is_neither_confirmed_nor_refuted() -> None:
    """log(-1 - x²) has no value: nothing can be said of it, but where the other side has one it is wrong."""
    world = World(LABELS)
    x = var(world, "x", "i")
    minus = world.put(
        "add",
        None,
        world.put("number", Fraction(-1)),
        world.put("scale", Fraction(-1), product(world, "", x, x)),
    )
    log = world.put("apply", "log", minus)
    assert np.isnan(Values(world).differ(log, world.put("scale", Fraction(2), log)))
    assert Values(world).differ(log, x) == np.inf


def test_places_are_the_smallest_parts() -> None:
    """Two changes far apart are two places, the same change twice is one, and equal parts are none."""
    world = World(LABELS)
    x, y = var(world, "x", "i"), var(world, "y", "i")
    squares = [world.put("power", Fraction(2), part) for part in (x, y)]
    products = [product(world, "", part, part) for part in (x, y)]

    def whole(parts: list[int]) -> int:
        outer = world.put("apply", "exp", parts[1])
        return world.put(
            "add", None, product(world, "", parts[0], outer), world.put("apply", "sin", parts[0])
        )

    values = Values(world)
    found = places(world, values, whole(squares), whole(products))
    assert sorted(found) == sorted(zip(squares, products, strict=True))
    assert places(world, values, whole(squares), whole(squares)) == []


def test_a_place_is_never_smaller_than_what_is_equal() -> None:
    """Where parts correspond but are not worth the same, the place is what contains them."""
    world = World(LABELS)
    x, y = var(world, "x", "i"), var(world, "y", "i")
    one = product(world, "", product(world, "", x, x), y)
    other = product(world, "", x, product(world, "", x, y))
    assert places(world, Values(world), one, other) == [(one, other)]


def test_equations_are_put_in_until_none_is_left() -> None:
    """An expansion follows equations through equations."""
    world = World(LABELS)
    x = var(world, "x", "i")
    d, e = world.put("slope", "exp", x), world.put("slope", "sin", x)
    expansion = Expansion(world, {d: world.put("scale", Fraction(3), e), e: x})
    assert shown(world, expansion.of(world.put("apply", "tanh", d))) == "tanh(3 x[i])"


def test_names_avoid_those_of_the_user() -> None:
    """Tensors of a derivation are never called like a variable."""
    t1, loss = tg.Variable("t1", ["i"]), tg.Variable("L", ["i"])
    derivation = tg.optimize((t1 * loss * t1).sum().grad(t1), {"i": 3}).explain()
    named = [equation.left for phase in derivation.phases for equation in phase.definitions]
    assert named
    assert not {"t1", "L"} & {tensor.name for tensor in named if isinstance(tensor, tg.Variable)}
    assert derivation.error is not None
    assert derivation.error < 1e-9


def test_long_terms_get_names() -> None:
    """An equation of long terms is written with names for what its sides share."""
    world = World(LABELS)
    x = var(world, "x", "i")
    long = x
    for _ in range(12):
        long = world.put("apply", "sin", world.put("add", None, long, x))
    before, after = world.put("power", Fraction(2), long), product(world, "", long, long)
    naming = Naming(world, {"x"})
    naming.shorten(before, after)
    notation = Notation(world, GIVEN, naming.names)
    assert str(notation.expression(before)) == "t1[i]^2"
    assert str(notation.expression(after)) == "t1[i] t1[i]"
    assert all(len(str(notation.definition(at))) < 120 for at in naming.names)


@pytest.fixture(scope="module")
def bench() -> Bench:
    """Load the rules once."""
    return Bench()


def test_a_descent_finds_the_order_of_a_chain(bench: Bench) -> None:
    """(A A) x costs n³; one use of associativity makes it n²."""
    dag = Dag()
    x = dag.put("variable", ("x", ("k",)))
    first, second = dag.put("variable", ("A", ("i", "j"))), dag.put("variable", ("A", ("j", "k")))
    square = dag.put("contract", frozenset("j"), first, second)
    dag.roots["out0"] = dag.put("contract", frozenset("k"), square, x)
    sizes = {"n": 10}
    assert tree_cost(normal(bench, dag, LABELS), sizes) == 2200
    moves = descend(bench, dag, LABELS, sizes, 400, 2200, {"associativity": 1})
    assert [([rule.name for rule in move.rules], move.cost) for move in moves] == [(["associativity"], 400)]


def test_a_descent_does_not_go_below_its_goal(bench: Bench) -> None:
    """A program that is cheaper than the plan is none of its derivation."""
    dag = Dag()
    x = dag.put("variable", ("x", ("i",)))
    doubled = dag.put("scale", Fraction(2), x)
    dag.roots["out0"] = dag.put("contract", frozenset("i"), doubled, x)
    cost = tree_cost(normal(bench, dag, LABELS), {"n": 10})
    assert descend(bench, dag, LABELS, {"n": 10}, cost, cost, {"multiple out of a contraction": 1}) == []


def test_the_bench_forgets(bench: Bench) -> None:
    """What was loaded once is not there the next time."""
    dag = Dag()
    dag.roots["out0"] = dag.put("apply", "exp", dag.put("variable", ("x", ("i",))))
    counts = []
    for _ in range(2):
        with bench.fresh() as engine:
            engine.load(dag, dict(LABELS))
            counts.append(engine.count())
    assert counts == [2, 2]

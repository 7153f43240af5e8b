from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tensorgrad_eg as tg
from tensorgrad_eg.egraph import Dag
from tensorgrad_eg.explain import tree_cost
from tensorgrad_eg.explain.descent import Runner, descend
from tensorgrad_eg.explain.equations import Expansion
from tensorgrad_eg.explain.expressions import Notation
from tensorgrad_eg.explain.replay import Naming, places
from tensorgrad_eg.explain.terms import Direction, Terms
from tensorgrad_eg.explain.values import Point, Values
from tensorgrad_eg.verify.evaluate import Draw

LABELS = {"i": "n", "j": "n", "k": "n", "i'": "n", "j'": "n"}
GIVEN = {
    "A": tg.Variable("A", i="n", j="n"),
    "x": tg.Variable("x", i="n"),
    "y": tg.Variable("y", i="n"),
}


def var(terms: Terms, name: str, *axes: str) -> int:
    """Put a variable."""
    return terms.put("variable", (name, axes))


def product(terms: Terms, over: str, left: int, right: int) -> int:
    """Put a product, summed over some edges of one letter each."""
    return terms.put("contract", frozenset(over), left, right)


def shown(terms: Terms, at: int) -> str:
    """Write a term."""
    return str(Notation(terms, GIVEN).expression(at))


def test_renaming_does_not_capture() -> None:
    """An edge that is renamed to a summed edge's name makes the summed edge step aside."""
    terms = Terms(LABELS)
    term = product(terms, "k", var(terms, "A", "i", "k"), var(terms, "x", "k"))
    assert shown(terms, terms.rename(term, {"i": "k"})) == "Σ_k_ A[k,k_] x[k_]"


@given(st.permutations(["i", "j", "k"]), st.permutations(["i", "j", "k"]))
def test_renamings_compose(first: list[str], second: list[str]) -> None:
    """Two renamings one after the other are the one renaming that they compose to."""
    terms = Terms(LABELS)
    one, other = dict(zip("ijk", first, strict=True)), dict(zip("ijk", second, strict=True))
    both = {edge: other[one[edge]] for edge in "ijk"}
    inner = product(terms, "j", var(terms, "A", "i", "j"), var(terms, "A", "j", "k"))
    term = terms.put("add", None, inner, var(terms, "A", "k", "i"))
    twice = terms.rename(terms.rename(term, one), other)
    assert terms.form(twice) == terms.form(terms.rename(term, both))


def test_terms_count_as_one_up_to_order_and_bound_names() -> None:
    """Σ_k A_ik x_k and Σ_j x_j A_ij are one, under whatever names they are read; Σ_k A_ki x_k is another."""
    terms = Terms(LABELS)
    one = product(terms, "k", var(terms, "A", "i", "k"), var(terms, "x", "k"))
    two = product(terms, "j", var(terms, "x", "j"), var(terms, "A", "i", "j"))
    three = terms.read_as(terms.rename(one, {"i": "j"}), {"j": "i"})
    other = product(terms, "k", var(terms, "A", "k", "i"), var(terms, "x", "k"))
    assert one != two
    assert terms.form(terms.rename(one, {"k": "j"})) == terms.form(one)
    assert terms.form(three) == terms.form(one)
    assert terms.form(other) != terms.form(one)
    assert terms.usual(three) == terms.usual(one)


def test_bound_edges_of_different_sizes_stay_apart() -> None:
    """A bound edge takes a shorter name only if that has the same size."""
    terms = Terms({"i": "n", "i'": "m"})
    one = terms.put("reduce", frozenset({"i"}), var(terms, "x", "i"))
    other = terms.put("reduce", frozenset({"i'"}), var(terms, "x", "i'"))
    assert terms.form(one) != terms.form(other)


def test_numbers_are_worked_out() -> None:
    """0·a + a + a + 2·3 is 2a + 6, and a sum over zero is zero."""
    terms = Terms(LABELS)
    x = var(terms, "x", "i")
    six = terms.put("scale", Fraction(2), terms.put("number", Fraction(3)))
    total = terms.put("add", None, terms.put("scale", Fraction(0), x), x, x, six)
    assert shown(terms, total) == "6 + 2 x[i]"
    assert terms.number(terms.put("reduce", frozenset("i"), terms.put("number", Fraction(0)))) == 0


def test_an_edge_that_nothing_depends_on_is_counted() -> None:
    """A sum over an edge that the terms lack shows the size of the edge, and is worth that much."""
    terms = Terms(LABELS)
    x = var(terms, "x", "i")
    term = terms.put("contract", frozenset({"i", "j"}), x, x)
    assert shown(terms, term) == "|n| Σ_i x[i] x[i]"
    counted = terms.put("contract", frozenset(), terms.put("extent", "n"), product(terms, "i", x, x))
    assert Values(terms).differ(term, counted) < 1e-15


def test_new_edges_of_a_derivative_differ_however_many_underscores_the_old_ones_have() -> None:
    """∂t[i,k,i_]/∂w[i,k,i_] is a diagonal: its edges step aside to names that differ from one another."""
    shape = {"i": "n", "k": "n", "i_": "n"}
    t, w = tg.Variable("t", shape), tg.Variable("w", shape)
    diagonal = Notation(Terms(LABELS), GIVEN)._derivative(t, w, list(shape))
    assert set(diagonal.edges) == set(shape)
    assert str(diagonal) == "∂t[i,k,i_]/∂w[i,k,i_]"


def test_derivatives_by_definition() -> None:
    """A cotangent is worth the gradient: of Σ sin(x)² it is 2 sin x cos x."""
    terms = Terms(LABELS)
    x = var(terms, "x", "i")
    sine = terms.put("apply", "sin", x)
    root = product(terms, "i", sine, sine)
    terms.directions["d"] = Direction(root, ((x, (sine,)), (sine, (root, root))))
    both = product(terms, "", sine, terms.put("apply", "cos", x))
    expected = terms.put("scale", Fraction(2), both)
    values = Values(terms)
    assert values.differ(terms.put("cotangent", "d", x), expected) < 1e-10
    assert values.differ(terms.put("gradient", ("d", ("j",)), x), terms.rename(expected, {"i": "j"})) < 1e-10
    assert values.differ(terms.put("cotangent", "d", sine), terms.put("scale", Fraction(2), sine)) < 1e-10
    handed = terms.put("pullback", "d", sine, root)
    assert values.differ(handed, terms.put("scale", Fraction(2), sine)) < 1e-10


def test_a_pullback_is_what_one_reader_hands_back() -> None:
    """Of x · exp(x) the product hands back exp(x) directly; the rest comes by way of the exponential."""
    terms = Terms(LABELS)
    x = var(terms, "x", "i")
    power = terms.put("apply", "exp", x)
    term = product(terms, "", x, power)
    root = terms.put("reduce", frozenset("i"), term)
    terms.directions["d"] = Direction(root, ((x, (power, term)), (power, (term,)), (term, (root,))))
    values = Values(terms)
    assert values.differ(terms.put("pullback", "d", x, term), power) < 1e-10
    assert values.differ(terms.put("pullback", "d", x, power), term) < 1e-10


def test_tangents_by_definition() -> None:
    """The tangent of A x by x is A itself, read at the new edge."""
    terms = Terms(LABELS)
    x = var(terms, "x", "j")
    term = product(terms, "j", var(terms, "A", "i", "j"), x)
    seed = terms.put("deltas", ("j", "k"))
    terms.directions["d"] = Direction(seeds=((x, seed),), tips=frozenset("k"))
    tangent = terms.put("tangent", "d", term)
    assert Values(terms).differ(tangent, var(terms, "A", "i", "k")) < 1e-10
    assert shown(terms, tangent).startswith("∂t")
    naming = Naming(terms, {"A", "x"})
    naming.derivatives([tangent])
    notation = Notation(terms, GIVEN, naming.names, naming.reads)
    assert str(notation.expression(tangent)) == "∂t1[i]/∂x[k]"


def test_a_point_where_nothing_is_defined_is_not_the_last_word() -> None:
    """log x has no value at negative points; the next points are positive."""
    terms = Terms(LABELS)
    x = var(terms, "x", "i")
    again = terms.put("apply", "log", terms.put("apply", "exp", terms.put("apply", "log", x)))
    values = Values(terms)
    assert values.differ(again, terms.put("apply", "log", x)) < 1e-12
    assert values.differ(terms.put("apply", "log", x), x) > 0.1


def test_a_tensor_that_is_too_large_is_not_computed() -> None:
    """A difference that nobody can compute is unknown, not zero."""
    labels = {f"e{n}": "n" for n in range(30)}
    terms = Terms(labels)
    wide = var(terms, "x", *labels)
    one, other = terms.put("scale", Fraction(2), wide), terms.put("power", Fraction(2), wide)
    assert np.isnan(Values(terms).differ(one, other))
    assert not Values(terms).equal(one, other)


def test_what_is_true_of_one_size_only_is_refuted() -> None:
    """|n| x is 2 x, 3 x or 4 x for one n each; exchanged edges of different sizes show, too."""
    terms = Terms({"i": "n", "j": "m", "k": "p"})
    x = var(terms, "x", "i")
    for n in (2, 3, 4, 5):
        counted = terms.put("contract", frozenset(), terms.put("extent", "n"), x)
        assert Values(terms).differ(counted, terms.put("scale", Fraction(n), x)) > 0.1
    assert sorted(Point(terms, Draw(0)).sizes.values()) == [2, 3, 4]
    assert Point(terms, Draw(0)).sizes != Point(terms, Draw(0), turn=1).sizes


def test_zero_by_cancellation_has_no_digits_to_compare() -> None:
    """Σ (p - p / 3 - 2/3 p) is a rounding error, and equal to 0; a small multiple of p is not."""
    terms = Terms(LABELS)
    p = terms.put("softmax", frozenset("i"), var(terms, "x", "i"))
    third = terms.put(
        "contract", frozenset(), p, terms.put("power", Fraction(-1), terms.put("number", Fraction(3)))
    )
    rest = terms.put("scale", Fraction(-2, 3), p)
    nothing = terms.put(
        "reduce", frozenset("i"), terms.put("add", None, p, terms.put("scale", Fraction(-1), third), rest)
    )
    zero = terms.put("number", Fraction(0))
    assert Values(terms).differ(nothing, zero) < 1e-6
    tiny = terms.put("scale", Fraction(1, 10**9), p)
    assert Values(terms).differ(tiny, zero) > 0.1
    assert Values(terms).differ(tiny, terms.put("scale", Fraction(2), tiny)) > 0.1


def test_what_is_finite_nowhere_is_neither_confirmed_nor_refuted() -> None:
    """log(-1 - x²) has no value: nothing can be said of it, but where the other side has one it is wrong."""
    terms = Terms(LABELS)
    x = var(terms, "x", "i")
    minus = terms.put(
        "add",
        None,
        terms.put("number", Fraction(-1)),
        terms.put("scale", Fraction(-1), product(terms, "", x, x)),
    )
    log = terms.put("apply", "log", minus)
    assert np.isnan(Values(terms).differ(log, terms.put("scale", Fraction(2), log)))
    assert Values(terms).differ(log, x) == np.inf


def test_what_a_zero_divides_is_compared_with_other_divisors() -> None:
    """(x_i - x_j)/(x_i - x_j) is no number at i = j: 1 in its place is right, not 2, nor 1 + x_i - x_j."""
    terms = Terms(LABELS)
    other = terms.put("scale", Fraction(-1), var(terms, "x", "j"))
    gap = terms.put("add", None, var(terms, "x", "i"), other)
    quotient = product(terms, "", gap, terms.put("power", Fraction(-1), gap))
    ones = terms.put("number", Fraction(1))
    whole = terms.put("reduce", frozenset("ij"), quotient)

    def said(each: int) -> float:
        return Values(terms).differ(whole, terms.put("reduce", frozenset("ij"), each))

    assert said(ones) < 1e-12
    assert said(terms.put("number", Fraction(2))) > 0.1
    assert said(terms.put("add", None, ones, gap)) > 0.01


def test_places_are_the_smallest_parts() -> None:
    """Two changes far apart are two places, the same change twice is one, and equal parts are none."""
    terms = Terms(LABELS)
    x, y = var(terms, "x", "i"), var(terms, "y", "i")
    squares = [terms.put("power", Fraction(2), part) for part in (x, y)]
    products = [product(terms, "", part, part) for part in (x, y)]

    def whole(parts: list[int]) -> int:
        outer = terms.put("apply", "exp", parts[1])
        return terms.put(
            "add", None, product(terms, "", parts[0], outer), terms.put("apply", "sin", parts[0])
        )

    values = Values(terms)
    found = places(terms, values, whole(squares), whole(products))
    assert sorted(found) == sorted(zip(squares, products, strict=True))
    assert places(terms, values, whole(squares), whole(squares)) == []


def test_a_place_is_never_smaller_than_what_is_equal() -> None:
    """Where parts correspond but are not worth the same, the place is what contains them."""
    terms = Terms(LABELS)
    x, y = var(terms, "x", "i"), var(terms, "y", "i")
    one = product(terms, "", product(terms, "", x, x), y)
    other = product(terms, "", x, product(terms, "", x, y))
    assert places(terms, Values(terms), one, other) == [(one, other)]


def test_equations_are_put_in_until_none_is_left() -> None:
    """An expansion follows equations through equations."""
    terms = Terms(LABELS)
    x = var(terms, "x", "i")
    d, e = terms.put("slope", "exp", x), terms.put("slope", "sin", x)
    expansion = Expansion(terms, {d: terms.put("scale", Fraction(3), e), e: x})
    assert shown(terms, expansion.of(terms.put("apply", "tanh", d))) == "tanh(3 x[i])"


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
    terms = Terms(LABELS)
    x = var(terms, "x", "i")
    long = x
    for _ in range(12):
        long = terms.put("apply", "sin", terms.put("add", None, long, x))
    before, after = terms.put("power", Fraction(2), long), product(terms, "", long, long)
    naming = Naming(terms, {"x"})
    naming.shorten(before, after)
    notation = Notation(terms, GIVEN, naming.names)
    assert str(notation.expression(before)) == "t1[i]^2"
    assert str(notation.expression(after)) == "t1[i] t1[i]"
    assert all(len(str(notation.definition(at))) < 120 for at in naming.names)


@pytest.fixture(scope="module")
def runner() -> Runner:
    """Load the rules once."""
    return Runner(sizes={"n": 10}, matches={"associativity": 1, "multiple out of a contraction": 1})


def test_a_descent_finds_the_order_of_a_chain(runner: Runner) -> None:
    """(A A) x costs n³; one use of associativity makes it n²."""
    dag = Dag()
    x = dag.put("variable", ("x", ("k",)))
    first, second = dag.put("variable", ("A", ("i", "j"))), dag.put("variable", ("A", ("j", "k")))
    square = dag.put("contract", frozenset("j"), first, second)
    dag.roots["out0"] = dag.put("contract", frozenset("k"), square, x)
    assert tree_cost(runner.normal(dag, LABELS), runner.sizes) == 2200
    moves = descend(runner, dag, LABELS, 400, 2200)
    assert [([rule.name for rule in move.rules], move.cost) for move in moves] == [(["associativity"], 400)]


def test_a_descent_does_not_go_below_its_goal(runner: Runner) -> None:
    """A program that is cheaper than the plan is none of its derivation."""
    dag = Dag()
    x = dag.put("variable", ("x", ("i",)))
    doubled = dag.put("scale", Fraction(2), x)
    dag.roots["out0"] = dag.put("contract", frozenset("i"), doubled, x)
    cost = tree_cost(runner.normal(dag, LABELS), runner.sizes)
    assert list(descend(runner, dag, LABELS, cost, cost)) == []


def test_the_runner_forgets(runner: Runner) -> None:
    """What was loaded once is not there the next time."""
    dag = Dag()
    dag.roots["out0"] = dag.put("apply", "exp", dag.put("variable", ("x", ("i",))))
    counts = []
    for _ in range(2):
        with runner.fresh() as engine:
            engine.load(dag, dict(LABELS))
            counts.append(engine.count())
    assert counts == [2, 2]

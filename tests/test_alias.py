"""Which tensors are taken to be one: those whose terms are the same but for names, and no others."""

from __future__ import annotations

import tracemalloc
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from egraph_values import Values
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import cases

import tensorgrad_eg as tg
from tensorgrad_eg import functions as F
from tensorgrad_eg.egraph import Dag, Snapshot, free_edges
from tensorgrad_eg.expr.operations import ENode
from tensorgrad_eg.expr.walk import postorder
from tensorgrad_eg.extract.alias import aliases, class_symmetries

V = tg.Variable
#: Names by size symbol; every symbol has another size.
SYMBOLS: dict[str, str | int] = {"i": "n", "j": "n", "k": "n", "b": "m", "c": "m"}
SIZES = {"n": 2, "m": 4}


def confirm(snapshot: Snapshot, sizes: dict[str, int]) -> int:
    """Asserts that every class is the reading of its group's tensor that it is said to be; how many are."""
    values = Values(snapshot, sizes)
    alias = aliases(snapshot)
    with np.errstate(all="ignore"):
        for at, one in alias.items():
            names = sorted(snapshot.free[at])
            read = values.of(at).transpose([names.index(axis) for axis in one.axes])
            whole = values.of(one.group)
            assert read.shape == whole.shape
            np.testing.assert_allclose(read, whole, rtol=1e-8, atol=1e-10)
        for at, pairs in class_symmetries(snapshot).items():
            names = sorted(snapshot.free[at])
            for a, b in pairs:
                turned = values.of(at).swapaxes(names.index(a), names.index(b))
                np.testing.assert_allclose(values.of(at), turned, rtol=1e-8, atol=1e-10)
    return sum(at != one.group for at, one in alias.items())


def graph(*nodes: ENode, symbols: dict[str, str | int] | None = None) -> Snapshot:
    """An e-graph with one node a class, numbered in order."""
    free: list[frozenset[str]] = []
    for node in nodes:
        free.append(free_edges(node, [free[c] for c in node.children]))
    return Snapshot(
        {n: [node] for n, node in enumerate(nodes)}, dict(enumerate(free)), {}, symbols or SYMBOLS
    )


def variable(name: str, axes: str) -> ENode:
    """A variable at these edges."""
    return ENode("variable", (name, tuple(axes)))


OPERATIONS = [
    "contract",
    "contract",
    "add",
    "reduce",
    "scale",
    "apply",
    "rename",
    "softmax",
    "logsumexp",
    "power",
]


@st.composite
def graphs(draw: st.DrawFn) -> Snapshot:
    """Random programs in which few names, variables and operations make for many tensors that are one."""
    dag = Dag()
    for name, options in (("x", "ijk"), ("z", "bc")):
        for edge in options:
            dag.put("variable", (name, (edge,)))
    for axes in ("ij", "ji", "jk", "ii", "ik"):
        dag.put("variable", ("A", tuple(axes)))
    dag.put("delta", ("i", "j"))
    dag.put("delta", ("j", "k"))
    for _ in range(draw(st.integers(4, 14))):
        one, two = (draw(st.integers(0, len(dag.nodes) - 1)) for _ in range(2))
        free = dag.free[one] | dag.free[two]
        over = frozenset(draw(st.sets(st.sampled_from(sorted(SYMBOLS)), max_size=2)))
        op = draw(st.sampled_from((*OPERATIONS, "contract")))
        if op in ("contract", "add"):
            if len(free) <= 4:
                dag.put(op, over if op == "contract" else None, one, two)
        elif op in ("reduce", "softmax", "logsumexp"):
            if over:
                dag.put(op, over, one)
        elif op == "rename":
            old, new = draw(st.sampled_from(["ij", "jk", "ki", "ik", "bc", "cb"]))
            dag.put(op, (old, new), one)
        else:
            payload = {
                "scale": Fraction(-2),
                "apply": draw(st.sampled_from(["tanh", "sin"])),
                "power": Fraction(2),
            }
            dag.put(op, payload[op], one)
    nodes = {n: [node] for n, node in enumerate(dag.nodes)}
    return Snapshot(nodes, dict(enumerate(dag.free)), {}, dict(SYMBOLS))


@settings(max_examples=150)
@given(graphs())
def test_every_alias_of_a_random_program_is_true(snapshot: Snapshot) -> None:
    """Evaluated at sizes that differ, every class is its group's tensor under the names that were found."""
    confirm(snapshot, SIZES)


@settings(max_examples=12)
@given(cases())
def test_every_alias_of_a_searched_e_graph_is_true(case: Any) -> None:
    """The same where classes have many nodes: after a search for a random expression and its gradient."""
    wanted = [case.tensor, case.loss.grad(case.first)]
    used = {symbol for e in postorder(wanted) for symbol in e.shape.values()}
    plan = tg.optimize(wanted, {symbol: size for symbol, size in (("n", 3), ("m", 2)) if symbol in used})
    confirm(plan.search.egraph, {"n": 3, "m": 2})  # type: ignore[union-attr]


def test_classes_that_agree_in_numbers_only_are_two() -> None:
    """Σ softmax is no 3, at size 3, and x² - y² is not (x - y)(x + y), where no rule has made them one."""
    whole = ENode("reduce", frozenset("k"), (1,))
    sums = graph(
        variable("x", "k"), ENode("softmax", frozenset("k"), (0,)), whole,
        ENode("number", Fraction(3)), ENode("number", Fraction(1)), ENode("extent", "n"),
    )  # fmt: skip
    assert len({one.group for one in aliases(sums).values()}) == 6
    two, minus = Fraction(2), Fraction(-1)
    squares = graph(
        variable("x", "i"), variable("y", "i"), ENode("scale", minus, (1,)),
        ENode("add", None, (0, 1)), ENode("add", None, (0, 2)), ENode("contract", frozenset(), (3, 4)),
        ENode("power", two, (0,)), ENode("power", two, (1,)), ENode("scale", minus, (7,)),
        ENode("add", None, (6, 8)),
    )  # fmt: skip
    assert len({one.group for one in aliases(squares).values()}) == 10


A, x, v = V("A", ["b", "k"]), V("x", ["i"]), V("v", ["b"])
Q = V("Q", ["q"])
SHIFTED = Q + Q.sum()
a0 = np.arange(8.0 * 5).reshape(8, 5) / 7
x0, v0 = np.array([0.5, -2.0]), np.linspace(1, 2, 8)


@pytest.mark.parametrize(
    ("tensor", "right"),
    [
        (x * F.sum(F.softmax(A, "k")) / 3, 8 * x0 / 3),
        (x * F.sum(F.softmax(A, "k")) / 2, 4 * x0),
        (F.sum(v / v) * x / 3, 8 * x0 / 3),
        (3 * F.sin(x) * F.sum(v**2 / v**2), 24 * np.sin(x0)),
        ((F.sum(x**2) * F.sum(F.softmax(A, "k")) / 2).grad(x), 8 * x0),
        (F.sum(F.exp(F.log_softmax(A, "k"))) * x / 3, 8 * x0 / 3),
    ],
    ids=["softmax/3", "softmax/2", "v/v", "v2/v2", "gradient", "log_softmax"],
)
def test_a_sum_is_not_a_number_that_it_is_at_another_size(tensor: tg.Tensor, right: Any) -> None:
    """A sum of what is one everywhere is the size of the edge, whatever stands beside it."""
    needed = {variable.name: variable for variable in (A, x, v) if variable in set(postorder([tensor]))}
    used = {edge for variable in needed.values() for edge in variable.edges}
    plan = tg.optimize(tensor, {edge: size for edge, size in (("b", 8), ("k", 5), ("i", 2)) if edge in used})
    given_ = {"A": a0, "x": x0, "v": v0}
    np.testing.assert_allclose(plan(**{name: given_[name] for name in needed}), right, rtol=1e-12)
    assert plan.check().error < 1e-9


def test_an_entropy_with_a_shift_has_the_right_gradient() -> None:
    """(n + 1) s is not 4 s: checked against finite differences at a size that is not three."""
    loss = F.sum((SHIFTED - F.logsumexp(SHIFTED, "q")) * SHIFTED)
    at = np.array([1.0, 2.0])

    def value(q: Any) -> float:
        z = q + q.sum()
        return float(((z - np.log(np.exp(z).sum())) * z).sum())

    slopes = [(value(at + h) - value(at - h)) / 2e-6 for h in 1e-6 * np.eye(2)]
    np.testing.assert_allclose(tg.optimize(loss.grad(Q), {"q": 2})(Q=at), slopes, rtol=1e-7)


def test_a_six_edged_neighbour_changes_nothing() -> None:
    """A wide tensor planned along does not change what a sum is worth."""
    W = V("W", ["p", "q", "r"])
    wanted = [x * F.sum(F.softmax(A, "k")) / 2, tg.hessian(F.frobenius2(W) ** 2, W)]
    plan = tg.optimize(wanted, {"b": 8, "k": 5, "i": 2, "p": 2, "q": 2, "r": 2})
    first, _ = plan(A=a0, x=x0, W=np.ones((2, 2, 2)))
    np.testing.assert_allclose(first, 4 * x0)


def test_two_results_lose_no_digits_to_each_other() -> None:
    """(x - y)(x + y) planned beside x², y² and x² - y² is not computed from the squares."""
    n, m = V("x", ["i"]), V("y", ["i"])
    wanted = {"stable": (n - m) * (n + m), "naive": n**2 - m**2, "x": n**2, "y": m**2}
    given_ = {"x": np.float32([10000.5]), "y": np.float32([10000.25])}
    assert tg.optimize(wanted, {"i": 1})(**given_)["stable"] == np.float32(5000.1875)


@pytest.mark.parametrize("edges", [24, 60])
def test_wide_tensors_cost_nothing(edges: int) -> None:
    """Aliases among tensors of 24 and 60 edges are found without an array of 2^edges numbers."""
    one, two = (tuple(f"{letter}{n}" for n in range(edges)) for letter in "ef")
    symbols: dict[str, str | int] = dict.fromkeys((*one, *two), "d")
    wide = graph(
        ENode("variable", ("A", one)), ENode("variable", ("A", two)),
        ENode("power", Fraction(2), (0,)), ENode("power", Fraction(2), (1,)),
        ENode("contract", frozenset(two), (2, 3)), ENode("contract", frozenset(one), (2, 3)), symbols=symbols,
    )  # fmt: skip
    tracemalloc.start()
    alias = aliases(wide)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [alias[at].group for at in range(6)] == [0, 0, 2, 2, 4, 4]
    assert alias[3].axes == tuple(sorted(two))
    assert peak < 4_000_000


def test_a_product_of_tensors_of_sixty_edges_is_planned() -> None:
    """What no library can hold in one array can still be planned."""
    wide = V("A", {f"e{n}": "d" for n in range(60)})
    assert tg.optimize(wide * wide, {"d": 1}).flops == 1


def test_a_network_under_other_names_is_one_network() -> None:
    """Every tensor of a network and of the same network with other names is one, to the last layer."""

    def network(b: str, h: str, k: str) -> list[ENode]:
        return [
            variable("X", b + "i"), variable("W", "i" + h), ENode("contract", frozenset("i"), (0, 1)),
            ENode("apply", "tanh", (2,)), variable("V", h + k), ENode("contract", frozenset(h), (4, 3)),
            ENode("softmax", frozenset(k), (5,)),
        ]  # fmt: skip

    def moved(node: ENode) -> ENode:
        return ENode(node.op, node.payload, tuple(c + 7 for c in node.children))

    symbols: dict[str, str | int] = {
        e: s for s, es in {"B": "bc", "I": "i", "H": "hg", "K": "kl"}.items() for e in es
    }
    both = graph(*network("b", "h", "k"), *map(moved, network("c", "g", "l")), symbols=symbols)
    alias = aliases(both)
    assert [alias[at + 7].group for at in range(7)] == list(range(7))
    assert alias[13].axes == ("c", "l")


def test_the_environments_of_a_norm_are_one() -> None:
    """The left and the right environment of a ring are one: each is made of the same two matrices."""
    E = [("a", "b"), ("b", "c")]
    symbols: dict[str, str | int] = dict.fromkeys("abcdp", "D")
    chain = graph(
        *(variable("T", x + y + "p") for x, y in E), ENode("contract", frozenset("bp"), (0, 1)),
        *(variable("T", x + y + "p") for x, y in (("c", "d"), ("d", "a"))),
        ENode("contract", frozenset("dp"), (4, 3)),
        symbols=symbols,
    )  # fmt: skip
    alias = aliases(chain)
    assert alias[5].group == 2
    assert alias[5].axes == ("c", "a")


def test_symmetry_comes_from_what_a_tensor_is_made_of() -> None:
    """XXᵀ is symmetric, its powers are, a sum with a transpose is; a product of different matrices is not."""
    symbols: dict[str, str | int] = dict.fromkeys("ijkl", "n")
    made = graph(
        variable("X", "ik"), variable("X", "jk"), ENode("contract", frozenset("k"), (0, 1)),   # XXᵀ
        variable("A", "ij"), variable("A", "ji"), ENode("add", None, (3, 4)),                  # A + Aᵀ
        ENode("contract", frozenset(), (2, 5)), ENode("apply", "tanh", (6,)),
        variable("B", "jk"), ENode("contract", frozenset("k"), (0, 8)),                        # XBᵀ
        symbols=symbols,
    )  # fmt: skip
    found = class_symmetries(made)
    assert sorted(found) == [2, 5, 6, 7]
    assert set(found.values()) == {frozenset({("i", "j")})}


def test_any_node_of_a_class_may_prove_that_it_is_another() -> None:
    """Classes of two nodes are one tensor if one node of each is the same: the others are equal by rules."""
    x, y, z = variable("x", "i"), variable("y", "i"), variable("z", "j")
    nodes = {0: [x], 1: [y], 2: [z], 3: [ENode("apply", "exp", (0,)), ENode("apply", "tanh", (1,))],
             4: [ENode("apply", "sin", (2,)), ENode("apply", "tanh", (5,))], 5: [variable("y", "j")],
             6: [ENode("apply", "cos", (3,))], 7: [ENode("apply", "cos", (4,))]}  # fmt: skip
    free = {n: frozenset("j" if n in (2, 4, 5, 7) else "i") for n in nodes}
    alias = aliases(Snapshot(nodes, free, {}, {"i": "n", "j": "n"}))
    assert (alias[4].group, alias[7].group) == (3, 6)


def test_edges_of_different_sizes_are_not_exchanged() -> None:
    """Σ_i 1 and Σ_b 1 are one number where i and b have one size symbol, and else two."""
    ones = [ENode("number", Fraction(1)), *(ENode("reduce", frozenset(e), (0,)) for e in "ib")]
    assert len({one.group for one in aliases(graph(*ones)).values()}) == 3
    assert aliases(graph(*ones, symbols={"i": "n", "b": "n"}))[2].group == 1


def test_no_class_is_twice_there_by_signs() -> None:
    """In the e-graph of a perceptron minus minus a tensor is the tensor, and one times it too."""
    X, Y, W1, W2 = V("X", ["b", "i"]), V("Y", ["b", "k"]), V("W1", ["i", "h"]), V("W2", ["h", "k"])
    loss = F.cross_entropy(F.tanh(X @ W1) @ W2, Y, "k")
    plan = tg.optimize([loss, loss.grad(W1), loss.grad(W2)], {"b": 64, "i": 32, "h": 100, "k": 10})
    nodes = plan.search.egraph.nodes  # type: ignore[union-attr]
    multiples = [(at, n.payload, n.children[0]) for at, own in nodes.items() for n in own if n.op == "scale"]
    of = {(base, factor): at for at, factor, base in multiples}
    assert len(multiples) > 10
    for at, factor, base in multiples:
        for n in nodes[base]:
            if n.op == "scale":
                product = factor * n.payload
                inner = n.children[0]
                assert at == (inner if product == 1 else of.get((inner, product), at))

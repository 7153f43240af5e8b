"""Expressions as values: made once, never changed, rebuilt by repr and pickle, as deep as one likes."""

from __future__ import annotations

import copy
import gc
import pickle
import subprocess
import sys
import threading
from fractions import Fraction

import numpy as np
import pytest
from expr_reference import EXPRESSIONS
from hypothesis import given

from tensorgrad_eg import functions as F
from tensorgrad_eg.errors import DuplicateEdgeError, NameFormatError, NumberError, VariableClashError
from tensorgrad_eg.expr import *  # noqa: F403 - repr promises to work with exactly this import
from tensorgrad_eg.expr import (
    Add,
    Contract,
    Delta,
    Derivative,
    Extent,
    Number,
    Power,
    Reduce,
    Rename,
    Scale,
    Tangent,
    Tensor,
    Variable,
    children,
    delta,
    postorder,
    variables,
)
from tensorgrad_eg.expr.tensor import _TABLE

A, x, y = Variable("A", ["i", "k"]), Variable("x", ["k"]), Variable("y", ["i"])


@given(EXPRESSIONS)
def test_repr_rebuilds(e: Tensor) -> None:
    """Evaluating the repr of an expression gives the very same object."""
    assert eval(repr(e)) is e


@given(EXPRESSIONS)
def test_pickle_and_copy_keep_identity(e: Tensor) -> None:
    """Pickling and copying give the very same object."""
    assert pickle.loads(pickle.dumps(e)) is e
    assert copy.deepcopy(e) is e
    assert copy.copy(e) is e


@pytest.mark.parametrize(
    "e",
    [
        Variable("C", i="n", j="n"),
        Variable("C", i="n", j=5),
        Variable("C", {"in": "n"}),
        Variable("C", {"name": "n", "edges": 2}),
        Variable("s"),
        Delta("i", "j", 3),
        Extent("n"),
        Extent(4),
        Number("1/3"),
        Contract((), A, x),
        Add((x,)),
        Rename(A, {"i": "j"}),
        Rename(A, {"i": "k", "k": "i"}),
        Rename(A, {"i": "j"}, ["k", "j"]),
        Rename(A, {}, ["k", "i"]),
        Derivative(A @ x, x),
        Derivative(A @ x, A),
        Derivative(A @ x, A, {"i": "p"}),
        Derivative(A @ x, x, ["q"]),
        Tangent(A @ x, x, Variable("v", ["k"])),
        Scale("1/3", x),
        Scale(1, Scale(0, x)),
        Power(x, "-1/2"),
        Reduce((), x),
    ],
    ids=str,
)
def test_repr_of_every_kind_of_node(e: Tensor) -> None:
    """Every class of node, in each of its forms, is rebuilt by its repr and by pickle."""
    assert eval(repr(e)) is e
    assert pickle.loads(pickle.dumps(e)) is e


def test_same_structure_is_same_object() -> None:
    """Equal structure is identity, so that == is structural equality and sharing needs no search."""
    again = Variable("A", i="i", k="k") @ Variable("x", ["k"])
    assert again is A @ x
    assert again == A @ x
    assert hash(again) == hash(A @ x)
    assert Variable("A", ["k", "i"]) is not A
    assert Contract({"k"}, A, x) is not Contract({"k"}, x, A)


def test_number_and_size_of_equal_value_stay_apart() -> None:
    """Nodes that differ only in a size, or in their class, are different; equal numbers are one."""
    assert Variable("x", i=1) is not Variable("x", i="one")
    assert Extent(2) is not Number(2)
    assert Number(2) is Number(2.0) is Number(Fraction(2)) is Number(np.float32(2))


def test_nodes_are_forgotten() -> None:
    """The table of nodes is weak: what nobody holds is freed."""
    gc.collect()
    before = len(_TABLE)
    e = F.sum(F.tanh(Variable("forgotten", ["k"])))
    assert len(_TABLE) == before + 3
    del e
    gc.collect()
    assert len(_TABLE) == before


def test_expressions_never_change() -> None:
    """Attributes cannot be set or deleted, and shapes cannot be written to."""
    with pytest.raises(AttributeError, match="immutable: cannot set 'edges'"):
        A.edges = ()
    with pytest.raises(AttributeError, match="immutable: cannot delete 'name'"):
        del A.name
    with pytest.raises(TypeError):
        A.shape["i"] = 3


def test_threads_make_one_object() -> None:
    """Threads that build the same expression at the same time get the same object."""
    made: list[list[Tensor]] = []

    def build() -> None:
        made.append([F.tanh(A @ x.rename(k="k") + n) for n in range(200)])

    threads = [threading.Thread(target=build) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(mine is first for other in made for mine, first in zip(other, made[0], strict=True))


def test_depth_is_no_limit() -> None:
    """A chain far deeper than the recursion limit is built, walked, printed, rebuilt, pickled and freed."""
    e: Tensor = x
    for _ in range(5000):
        e = F.tanh(e) + x
    assert len(postorder([e])) == 10001
    assert eval(repr(e)) is e
    assert pickle.loads(pickle.dumps(e)) is e
    assert str(e).count("tanh") == 5000
    assert list(variables([e])) == ["x"]


def test_sharing_does_not_explode() -> None:
    """An expression whose tree has 2^200 leaves is written in a few lines."""
    e: Tensor = x
    for _ in range(200):
        e = e * e + 1
    assert len(str(e)) < 10000
    assert len(repr(e)) < 20000
    assert eval(repr(e)) is e


def test_postorder_is_deterministic_and_complete() -> None:
    """Every node comes once, after its parts, from left to right."""
    e = (A @ x - y) * (A @ x)
    order = postorder([e, A @ x])
    assert [str(node) for node in order] == [
        "A[i,k]",
        "x[k]",
        "Σ_k A[i,k] x[k]",
        "y[i]",
        "-y[i]",
        "Σ_k A[i,k] x[k] - y[i]",
        "(Σ_k A[i,k] x[k] - y[i]) Σ_k A[i,k] x[k]",
    ]
    place = {node: number for number, node in enumerate(order)}
    assert all(place[part] < place[node] for node in order for part in children(node))


def test_variables_of_one_name_must_be_one() -> None:
    """Two different variables of one name are refused, with both shown and what to do."""
    other = Variable("A", ["k", "i"])
    with pytest.raises(VariableClashError, match="two different variables are named 'A'") as caught:
        variables([A @ x, other])
    assert "Variable('A', ['i', 'k']) and Variable('A', ['k', 'i'])" in str(caught.value)
    assert "A.rename(old='new')" in str(caught.value)
    # Also where the second one is only what a derivative is taken by, or its direction.
    with pytest.raises(VariableClashError):
        variables([Derivative(A @ x, other)])


def test_variable_in_all_its_forms() -> None:
    """Edges are given as a list, by keyword with sizes, as a mapping, or both."""
    assert Variable("A", ["i", "k"]) is Variable("A", i="i", k="k") is Variable("A", {"i": "i", "k": "k"})
    assert Variable("A", ["i", "k"], k=5).shape == {"i": "i", "k": 5}
    assert Variable("A", ["i"], j="n").edges == ("i", "j")
    assert Variable("x", "k") is x
    assert Variable("A", name="n").edges == ("name",)


@pytest.mark.parametrize("name", ["", "2x", "a b", "x-y", 3, None])
def test_bad_variable_names(name: object) -> None:
    """A variable is named by an identifier: emitted code and calls use the name."""
    with pytest.raises(NameFormatError, match=r"cannot name a variable: .* such as 'i2'"):
        Variable(name)  # type: ignore[arg-type]


def test_keyword_is_no_variable() -> None:
    """A keyword of Python cannot name a variable, and the message has a name that can."""
    with pytest.raises(NameFormatError, match="Call it 'lambda_'"):
        Variable("lambda", ["k"])


def test_bad_edge_names_and_sizes() -> None:
    """Edges are identifiers, different from each other, with a symbol or an integer, 0 or more as size."""
    with pytest.raises(NameFormatError, match="'a b' cannot name an edge"):
        Variable("A", ["a b"])
    with pytest.raises(DuplicateEdgeError, match=r"A\[i,i\] would have two edges named 'i'"):
        Variable("A", ["i", "i"])
    for size in (-1, 2.5, True, None):
        with pytest.raises(NumberError, match="a symbol or an integer, 0 or more, not"):
            Variable("A", i=size)  # type: ignore[arg-type]
    assert Variable("A", i=np.int64(3)).shape == {"i": 3}


def test_numbers_are_exact() -> None:
    """A float counts as the decimal it prints as, whoever made it."""
    assert (
        Number(0.1).value == Number(np.float64(0.1)).value == Number(np.float32(0.1)).value == Fraction(1, 10)
    )
    assert (1e-5 * x).factor == Fraction(1, 100000)  # type: ignore[attr-defined]
    for bad in (float("nan"), float("inf")):
        with pytest.raises(NumberError, match="is not a finite number"):
            x * bad


def test_delta_needs_two_edges() -> None:
    """The identity of an edge with itself is refused."""
    with pytest.raises(DuplicateEdgeError, match=r"δ\[i,i\]"):
        delta("i", "i")


def test_text_does_not_depend_on_the_hash_seed() -> None:
    """str and repr are the same whatever the order of sets is."""
    code = (
        "from tensorgrad_eg.expr import *; from tensorgrad_eg import functions as F\n"
        "A = Variable('A', ['a','b','c','d','e']); e = F.softmax(A, 'a', 'b', 'c').sum()\n"
        "e = e * F.logsumexp(A, 'b', 'e')\n"
        "B = A.rename(a='x1'); f = Contract(set('bcde'), A, B)\n"
        "print(e, repr(e), f, repr(f), f.edges)"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": str(seed), "PYTHONPATH": ":".join(sys.path), "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in range(3)
    }
    assert len(outputs) == 1

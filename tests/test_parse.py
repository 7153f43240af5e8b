"""parse: index notation as text, and errors that point into it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from expr_reference import evaluate
from hypothesis import given, settings
from hypothesis import strategies as st

from tensorgrad_eg import functions as F
from tensorgrad_eg.errors import (
    NameFormatError,
    NumberError,
    ParseError,
    SizeError,
    SumEdgeError,
    TensorgradError,
    UnknownEdgeError,
    UnknownFunctionError,
)
from tensorgrad_eg.expr import Contract, Extent, Number, Power, Tensor, Variable, delta, parse, variables

A, B = Variable("A", ["i", "k"]), Variable("B", ["k", "j"])
x, y = Variable("x", ["k"]), Variable("y", ["i"])
a, b, c = Variable("a"), Variable("b"), Variable("c")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sum_k A[i,k] x[k] - y[i]", A @ x - y),
        ("Σ_k A[i,k] x[k] - y[i]", A @ x - y),
        ("∑_k A[i,k]·x[k] − y[i]", A @ x - y),
        ("  sum_{k}A [ i , k ]x[k]-y[i]\n", A @ x - y),
        ("A[i,k] x[k]", A * x),
        ("A[i,k] * x[k]", A * x),
        ("sum((A[i,k] x[k] - y[i])^2)", ((A * x - y) ** 2).sum()),
        ("sum((sum_k A[i,k] x[k] - y[i])^2)", ((A @ x - y) ** 2).sum()),
        ("sum(A[i,k], k)", A.sum("k")),
        ("sum(A[i,k], k, i)", A.sum("k", "i")),
        ("Σ(A[i,k], k)", A.sum("k")),
        ("sum_{i,k} A[i,k]", A.sum()),
        ("sum_k A[i,k] sum_j B[k,j]", A @ B.sum("j")),
        ("sum_k A[i,k] B[k,j]", A @ B),
        ("(sum_k A[i,k] x[k]) a", (A @ x) * a),
        ("mean(A[i,k], k)", F.mean(A, "k")),
        ("softmax(A[i,k], k)", F.softmax(A, "k")),
        ("logsumexp(A[i,k], i, k)", F.logsumexp(A, "i", "k")),
        ("log_softmax(x[k], k)", F.log_softmax(x, "k")),
        ("cross_entropy(A[i,k], x[k], k)", F.cross_entropy(A, x, "k")),
        ("dot(A[i,k], x[k], k)", F.dot(A, x, "k")),
        ("dot(A[i,k], x[k])", A @ x),
        ("l2_loss(x[k], 2 x[k])", F.l2_loss(x, 2 * x)),
        ("frobenius2(A[i,k])", F.frobenius2(A)),
        ("layer_norm(A[i,k], k)", F.layer_norm(A, "k")),
        ("tanh (x[k])", F.tanh(x)),
        ("relu(sigmoid(x[k]))", F.relu(F.sigmoid(x))),
        ("gelu(x[k])", F.gelu(x)),
        ("-x[k]^2", -(x**2)),
        ("(-x[k])^2", (-x) ** 2),
        ("x[k]**2", x**2),
        ("x[k]^-1", 1 / x),
        ("x[k]^(1/2)", F.sqrt(x)),
        ("x[k]^(-1/2)", x ** Fraction(-1, 2)),
        ("x[k]^(2)", x**2),
        ("x[k]^0.5", F.sqrt(x)),
        ("sqrt(x[k])", F.sqrt(x)),
        ("a - b - c", parse("(a - b - c)")),
        ("a / b / c", (a / b) / c),
        ("a / b c", (a / b) * c),
        ("1/2 a", a / 2),
        ("2a", 2 * a),
        ("2 a / 4", a / 2),
        ("1e-5 + a", Number(1e-5) + a),
        (".5 a", a / 2),
        ("- - a", a),
        ("+a", a),
        ("a * -b", a * -b),
        ("a (b + c)", a * (b + c)),
        ("(a + b) (b + c)", (a + b) * (b + c)),
        ("π a", F.pi * a),
        ("pi a", F.pi * a),
        ("δ[i,j] y[i]", delta("i", "j", "i") * y),
        ("delta[i,j]", delta("i", "j", "i")),
        ("x[k] / |k|", x / Extent("k")),
        ("|k|", Extent("k")),
        ("x[]", Variable("x")),
        ("log[i]", Variable("log", ["i"])),
        ("3", Number(3)),
    ],
)
def test_reading(text: str, expected: Tensor) -> None:
    """Each notation gives the very expression that one would build in Python."""
    assert parse(text) is expected


def test_nothing_is_summed_implicitly() -> None:
    """Edges that a product repeats are not summed, unlike in Einstein's convention."""
    assert parse("A[i,k] x[k]").edges == ("i", "k")
    assert parse("sum_k A[i,k] x[k]").edges == ("i",)


def test_a_sum_extends_over_the_product_that_follows() -> None:
    """A sum takes in every factor to its right, and stops at + and -."""
    arrays = {"x": np.array([1.0, 2.0]), "y": np.array([3.0, 4.0])}
    assert evaluate(parse("sum_k x[k] y[k] / y[k] + 1"), arrays, {"k": 2}) == 4
    assert parse("sum_k x[k] a + c") is parse("(sum_k x[k] a) + c")
    assert parse("a sum_k x[k] x[k]") is a * (x @ x)


def test_products_of_several_factors_are_summed_when_they_can_be() -> None:
    """Under a sum each edge is summed as soon as the last factor that has it is in."""
    z = Variable("z", ["j"])
    assert parse("sum_{k,j} A[i,k] B[k,j] z[j]") is (A @ B) @ z
    assert parse("sum_k 2 A[i,k] x[k] a") is 2 * Contract((), A @ x, a)
    assert parse("sum_i A[i,k] x[k] x[k]") is Contract((), Contract({"i"}, A, x), x)


def test_one_variable_under_several_names() -> None:
    """A variable that appears with other edges is the same variable, renamed."""
    e = parse("sum_k A[i,k] A[j,k]")
    assert list(variables([e])) == ["A"]
    assert e is A @ A.rename(i="j")
    assert parse("A[i,k] A[k,i]") is Variable("A", i="i", k="i") * Variable("A", i="i", k="i").rename(
        i="k", k="i"
    )


def test_edges_at_one_place_share_a_size() -> None:
    """The size symbol is the edge's name; where a variable has several, the first one in the text."""
    assert dict(parse("sum_k A[i,k] A[j,k]").shape) == {"i": "i", "j": "i"}
    assert dict(parse("x[p] + A[i,p] + A[p,q] + y[q]").shape) == {"p": "p", "i": "p", "q": "p"}
    assert dict(parse("y[j] δ[i,j] x[i]").shape) == {"j": "j", "i": "j"}
    assert parse("|j| A[i,k] A[j,k]").edges == ("i", "k", "j")
    assert parse("sum_{i,j,k} |j| A[i,k] A[j,k] / |i|").shape == {}


def test_a_repeated_edge_is_a_diagonal() -> None:
    """A[i,i] is the diagonal, wherever it stands."""
    matrix = np.arange(9.0).reshape(3, 3)
    for text, expected in (
        ("A[i,i]", np.diag(matrix)),
        ("sum_i A[i,i]", np.trace(matrix)),
        ("A[i,j] + A[i,i]", matrix + np.diag(matrix)[:, None]),
        ("sum_i A[i,i] A[i,j]", np.diag(matrix) @ matrix),
        ("trace(A[i,j] + A[j,i])", 2 * np.trace(matrix)),
    ):
        e = parse(text)
        np.testing.assert_array_equal(evaluate(e, {"A": matrix}, {"i": 3, "j": 3}), expected)


def test_scopes_of_sums() -> None:
    """An inner sum may use the name of an outer one; each has its own."""
    arrays = {"x": np.array([1.0, 2.0]), "y": np.array([3.0, 4.0])}
    assert evaluate(parse("sum_k x[k] (sum_k y[k])"), arrays, {"k": 2}) == 21
    assert evaluate(parse("sum_k x[k] sum_k y[k] y[k]"), arrays, {"k": 2}) == 75


def test_long_texts() -> None:
    """A sum of thousands of terms is read, as one sum."""
    e = parse(" + ".join(f"x{n}[k]" for n in range(3000)))
    assert len(e.terms) == 3000  # type: ignore[attr-defined]


ERRORS = [
    ("", 1, ParseError, "expected a tensor"),
    ("A[i,k] +", 9, ParseError, "expected a tensor"),
    ("A[i,k", 6, ParseError, "expected ',' or ']'"),
    ("A[i k]", 5, ParseError, "expected ',' or ']'"),
    ("A[i,]", 5, ParseError, "expected the name of an edge"),
    ("A[2]", 3, ParseError, "expected the name of an edge"),
    ("(a + b", 7, ParseError, "expected ')'"),
    ("a + b)", 6, ParseError, "')' is not expected here"),
    ("a + * b", 5, ParseError, "expected a tensor, not '*'"),
    ("a & b", 3, ParseError, "'&' has no meaning here"),
    ("a @ b", 3, ParseError, "'@' has no meaning here"),
    ("a²", 1, ParseError, "'a²' is no name; write powers as in x^2"),
    ("a^-b", 4, ParseError, "an exponent is a number, such as 2, -1 or (1/2)"),
    ("a^2^3", 4, ParseError, "a power of a power needs brackets, as in (x^2)^3"),
    ("a^(1/0)", 6, ParseError, "division by zero"),
    ("a / 0", 5, NumberError, "division by the number zero"),
    ("a / (1 - 1)", 5, NumberError, "division by the number zero"),
    ("exp a", 1, ParseError, "exp is a function: exp(…)"),
    ("tahn(a)", 1, UnknownFunctionError, "Did you mean 'tan' or 'tanh'?"),
    ("a(b + c)", 1, UnknownFunctionError, "A product is written a * (…)"),
    ("dot(x[k])", 1, ParseError, "dot takes 2 tensors, not 1"),
    ("softmax(x[k], 2)", 15, ParseError, "expected the name of an edge"),
    ("softmax(x[k], j)", 1, UnknownEdgeError, "x[k] has no edge 'j'; its edges are: k."),
    ("softmax(x[k])", 1, NumberError, "softmax(…, 'k')"),
    ("a sum_q x[k]", 3, SumEdgeError, "cannot sum over edge 'q': x[k] does not have it"),
    ("sum_k 2", 1, SumEdgeError, "cannot sum over edge 'k': 2 does not have it; its edges are: none."),
    ("sum(x[k], q)", 1, SumEdgeError, "cannot sum over edge 'q'"),
    ("sum_{k x[k]", 8, ParseError, "expected ',' or '}'"),
    ("A[i,k] + A[i]", 10, ParseError, "A has 2 edges where it appears first, in A[i,k], but 1 here"),
    ("A[i,k] A", 8, ParseError, "A has 2 edges where it appears first, in A[i,k], but 0 here"),
    ("δ[i]", 1, ParseError, "the identity δ has two edges, not 1"),
    ("lambda[i]", 1, NameFormatError, "Call it 'lambda_'"),
    ("trace(A[i,k])", 1, SizeError, "edge 'i' has size i and edge 'k' has size k"),
    ("|2|", 2, ParseError, "expected the name of an edge"),
    ("|k", 3, ParseError, "expected '|'"),
    ("(" * 100 + "a" + ")" * 100, 61, ParseError, "nested more than 60 deep"),
    ("sum_k " * 100 + "x[k]", 361, ParseError, "nested more than 60 deep"),
]


@pytest.mark.parametrize(("text", "position", "kind", "words"), ERRORS)
def test_mistakes(text: str, position: int, kind: type[TensorgradError], words: str) -> None:
    """Each mistake is an error of its own class that says what is wrong and points at the place."""
    with pytest.raises(kind) as caught:
        parse(text)
    message, line, caret = str(caught.value).split("\n")
    assert type(caught.value) is kind
    assert words in message
    assert message.endswith(f" (position {position})")
    assert line == f"  {text}"
    assert caret == " " * (position + 1) + "^"


def test_mistake_in_a_text_of_several_lines() -> None:
    """Only the line with the mistake is shown."""
    with pytest.raises(ParseError) as caught:
        parse("sum_k A[i,k] x[k]\n  - y[i,\n  + z[i]")
    assert str(caught.value).split("\n")[1:] == ["    + z[i]", "    ^"]


@settings(max_examples=500)
@given(st.text(alphabet="Aik_[](),.{}+-*/^|2 0exΣδ\nsum²½", max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Whatever the text is, the answer is an expression or an error of this package that shows the place."""
    shown = None
    try:
        parse(text)
    except TensorgradError as error:
        shown = str(error)
    assert shown is None or "(position " in shown


def test_power_zero_is_kept() -> None:
    """A power 0 stays a node: that it is 1 is for the rules to say."""
    assert parse("x[k]^0") is Power(x, 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "sum(A^-1)",
            r"nothing here has an edge to sum over.*the inverse of a matrix is inverse\(A",
        ),
        ("|x[i]|", r"\|x\| is the size of an edge; the absolute value of a tensor is abs\(x\[…\]\)"),
        (
            "trace(A[i,j])",
            r"In text a trace is a sum over an edge that is written twice, as in sum_i A\[i,i\]",
        ),
    ],
)
def test_what_text_cannot_say_is_answered_with_what_it_can(text: str, message: str) -> None:
    """Notation that means something else on paper is refused with what to write here."""
    with pytest.raises(TensorgradError, match=message):
        parse(text)

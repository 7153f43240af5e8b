"""einsum: the positional notation of NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from expr_reference import evaluate
from hypothesis import given
from hypothesis import strategies as st

from tensorgrad_eg.errors import OperandError, SizeError, SubscriptsError
from tensorgrad_eg.expr import Variable, einsum

LETTERS = "abcd"
SIZES = dict(zip(LETTERS, (2, 3, 4, 2), strict=True))


@st.composite
def subscripts(draw: st.DrawFn) -> str:
    """Return einsum texts of one to four tensors, with repeated letters, with or without an output."""
    inputs = draw(st.lists(st.text(LETTERS, max_size=3), min_size=1, max_size=4))
    used = sorted(set("".join(inputs)))
    if draw(st.booleans()):
        return ",".join(inputs)
    output = draw(st.permutations(used))[: draw(st.integers(0, len(used)))]
    return f"{','.join(inputs)}->{''.join(output)}"


@given(subscripts())
def test_as_numpy(text: str) -> None:
    """Values and axes are those of numpy.einsum, with diagonals, implicit outputs and transpositions."""
    random = np.random.default_rng(0)
    inputs = text.partition("->")[0].split(",")
    arrays = {f"T{n}": random.normal(size=[SIZES[c] for c in letters]) for n, letters in enumerate(inputs)}
    tensors = [
        Variable(f"T{n}", {f"e{place}": letter for place, letter in enumerate(letters)})
        for n, letters in enumerate(inputs)
    ]
    e = einsum(text, *tensors)
    np.testing.assert_allclose(evaluate(e, arrays, SIZES), np.einsum(text, *arrays.values()), atol=1e-12)


def test_edges_are_the_letters_of_the_output() -> None:
    """The result has the letters as edges, in the order of the output, with the sizes of the tensors."""
    A, B = Variable("A", ["i", "k"]), Variable("B", k="k", j=5)
    e = einsum("ab, bc -> ca", A, B)
    assert e.edges == ("c", "a")
    assert dict(e.shape) == {"c": 5, "a": "i"}
    assert einsum("ij,jk->ik", A, B) is A.rename(k="j") @ B.rename(k="j", j="k")
    assert einsum("ik->ik", A) is A


def test_mistakes() -> None:
    """Texts that do not fit the tensors are refused, with both shown."""
    A, x = Variable("A", ["i", "k"]), Variable("x", ["k"])
    for text, tensors, words in (
        ("ij,jk->ik", (A,), "'ij,jk->ik' describes 2 tensors, but 1 was given."),
        ("ij", (A, x), "'ij' describes 1 tensor, but 2 were given."),
        ("ijk,k", (A, x), "'ijk' in 'ijk,k' has 3 letters, but A[i,k] has 2 edges: i, k."),
        ("ij,j->q", (A, x), "the output of 'ij,j->q' has 'q', which no tensor has; their letters are: i, j."),
        ("ij,j->ii", (A, x), "'i' occurs twice in the output of 'ij,j->ii'."),
        ("...j,j", (A, x), "'.' in '...j,j' is no letter. Edges that are not summed need no '...'"),
        ("i1,j", (A, x), "'1' in 'i1,j' is no letter."),
        ("ij->i->j", (A,), "'-' in 'ij->i->j' is no letter."),
    ):
        with pytest.raises(SubscriptsError) as caught:
            einsum(text, *tensors)
        assert words in str(caught.value)
    with pytest.raises(SizeError, match=r"edge 'j' has size k in A\[i,j\] but size 5 in v\[j\]"):
        einsum("ij,j", A, Variable("v", k=5))
    with pytest.raises(OperandError):
        einsum("i", np.ones(3))  # type: ignore[arg-type]

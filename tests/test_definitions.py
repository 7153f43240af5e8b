"""Plans compute what expressions mean, at every size: compared with the evaluation of the soak run."""

from __future__ import annotations

import time
from collections.abc import Mapping
from fractions import Fraction

import numpy as np
import pytest
from soak.judge import wrong
from soak.reference import expected

import tensorgrad_eg as tg
from tensorgrad_eg import functions as F
from tensorgrad_eg.expr import Number, variables
from tensorgrad_eg.verify.evaluate import symbols

A, B = tg.Variable("A", ["b", "k"]), tg.Variable("B", a="s", c="s", b="s")
W, X, a = tg.Variable("W", ["p", "q", "r"]), tg.Variable("X", ["i", "j"]), tg.Variable("a", ["q"])
x, y, v = tg.Variable("x", ["i"]), tg.Variable("y", ["i"]), tg.Variable("v", ["b"])
_SHIFTED, _TWICE = a + a.sum(), F.sum(B, "a", "b")

#: Sums over an edge of what does not depend on it: the size counts, whatever it is.
COUNTED = {
    "probabilities": [x * F.sum(F.softmax(A, "k")) / n for n in (2, 3, 4)],
    "quotients": [F.sum(v / v) * x / 3, 3 * F.sin(y) * F.sum(x**2 / x**2)],
    "logarithms": [x * F.sum(F.exp(F.log_softmax(A, "k"))) / 2],
    "beside six edges": [x * F.sum(F.softmax(A, "k")) / 2, tg.hessian(F.frobenius2(W) ** 2, W)],
    "a gradient beside another": [
        (F.sum(X**2) * F.sum(F.softmax(A, "k")) / 2).grad(X),
        F.sum(X**3).grad(X),
    ],
    "a cube root": [
        F.sum(F.sum(F.softplus(_TWICE) ** Fraction(1, 3), "c") * F.softmax(B, "a", "c")).grad(B),
    ],
    "an entropy with a shift": [F.sum((_SHIFTED - F.logsumexp(_SHIFTED, "q")) * _SHIFTED).grad(a)],
}


def data(wanted: list[tg.Tensor], sizes: Mapping[str, int]) -> dict[str, np.ndarray]:
    """Positive numbers for every variable."""
    random = np.random.default_rng(0)
    return {
        name: random.uniform(0.3, 1.3, [n if isinstance(n, int) else sizes[n] for n in given.shape.values()])
        for name, given in sorted(variables(wanted).items())
    }


@pytest.mark.parametrize("effort", [0, 1])
@pytest.mark.parametrize("name", COUNTED)
def test_sums_count_their_edge(name: str, effort: int) -> None:
    """A sum over an edge without change is its size times that: at size 2, and after a resize."""
    wanted = COUNTED[name]
    plan = None
    for size in (2, 4):
        sizes = {
            symbol: 2 if symbol in "pqr" and "p" in symbols(wanted) else size for symbol in symbols(wanted)
        }
        plan = plan.resize(sizes) if plan else tg.optimize(wanted, sizes, effort=effort)
        arrays = data(wanted, sizes)
        assert wrong(plan(**arrays), expected(wanted, arrays, sizes)) == ""


@pytest.mark.parametrize("effort", [0, 1])
def test_what_divides_by_zero_is_infinite(effort: int) -> None:
    """Where the definition has a pole, the plan has it too, in NumPy and in torch; 0/0 is no number."""
    torch = pytest.importorskip("torch")
    zero = x - x
    poles = {
        "inverse": (1 / zero, np.inf),
        "square": (zero**-2, np.inf),
        "of no times": (1 / (0 * y), np.inf),
        "times": (x * (0 * y) ** -1, np.inf),
        "log": (F.log(zero), -np.inf),
        "root": (F.sqrt(zero) + 1, 1.0),
        "twice": (1 / (1 / zero), 0.0),
        "quotient": (zero / zero, np.nan),
    }
    plan = tg.optimize({name: e for name, (e, _) in poles.items()}, {"i": 3}, effort=effort)
    given = {"x": np.full(3, 2.0), "y": np.full(3, 2.0)}
    with np.errstate(all="ignore"):
        arrays = plan(**given)
    tensors = plan(**{name: torch.from_numpy(array) for name, array in given.items()})
    for name, (_, right) in poles.items():
        for found in (arrays[name], tensors[name].numpy()):
            np.testing.assert_array_equal(found, np.full(3, right), err_msg=name)


def test_a_root_of_a_negative_number_is_no_number() -> None:
    """A power of a number that has no real value is NaN, as in every library."""
    plan = tg.optimize(F.sqrt(Number(-1)) * x, {"i": 2})
    with np.errstate(all="ignore"):
        assert np.isnan(plan(x=np.ones(2))).all()


def test_a_problem_with_hidden_sizes_ends_in_time() -> None:
    """Second derivatives by a vector that is read next to identities are planned within the seconds given."""
    u, d = tg.Variable("x", ["u"]), tg.delta("i", "j", size="n")
    t = F.dot(F.abs(u * d), tg.delta("j", "i", size="n"), "i", "j")
    e = F.sum(F.sin(F.dot(t, t, "u").grad(u))).grad(u)
    started = time.process_time()
    plan = tg.optimize(e, {"u": 3, "n": 2}, seconds=2)
    assert time.process_time() - started <= 2 * 1.2 + 0.5
    arrays = data([e], {"u": 3, "n": 2})
    assert wrong([plan(**arrays)], expected([e], arrays, {"u": 3, "n": 2})) == ""


def test_tensors_of_sixty_edges() -> None:
    """No array with an entry for every combination of edges is made: the square is one step and one flop."""
    wide = tg.Variable("wide", {f"e{n}": "d" for n in range(60)})
    plan = tg.optimize(wide * wide, {"d": 1})
    assert [step.kind for step in plan.steps] == ["contract"]
    assert plan.flops == 1
    assert plan(wide=np.full([1] * 60, 3.0)).item() == 9.0

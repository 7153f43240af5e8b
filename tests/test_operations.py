"""A new operation is one entry in the table of operations, and its rules: nothing else has to know of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import tensorgrad_eg as tg
from tensorgrad_eg.errors import RuleError
from tensorgrad_eg.expr import Entrywise, Tensor, Variable
from tensorgrad_eg.expr.operations import OPERATIONS, entrywise

# ---- one entry …
LARGER = entrywise(
    "larger",
    "the larger of two",
    arity=2,
    entry=lambda xp, a, b: xp.maximum(a, b),
    code={"torch": "torch.maximum({}, {})", "numpy": "np.maximum({}, {})", "jax": "jnp.maximum({}, {})"},
    commutes=True,
)

# ---- … and its rules
RULES = """\
; The larger of two numbers. Where they are equal, each slope is 1/2: (1 + sign(a - b))/2.
(rewrite (partial 1 (larger a b))
  (scale $half (add es (multiset-of (number $1) (apply "sign" (add es (multiset-of a (scale $-1 b)))))))
  :when ((= e (larger a b)) (= es (free e))) :ruleset differentiate :name "slope of the larger")
(rewrite (partial 2 (larger a b))
  (scale $half (add es (multiset-of (number $1) (apply "sign" (add es (multiset-of b (scale $-1 a)))))))
  :when ((= e (larger a b)) (= es (free e))) :ruleset differentiate :name "slope of the larger, second")
(rewrite (larger a a) a :ruleset normalise :name "the larger of equals")
"""

x, y, A = Variable("x", ["k"]), Variable("y", ["k"]), Variable("A", ["i", "k"])
SIZES = {"i": 3, "k": 4}
ARRAYS = {
    "x": np.array([1.0, -2.0, 3.0, 0.5]),
    "y": np.array([0.5, 1.5, -1.0, 2.0]),
    "A": np.random.default_rng(3).normal(size=(3, 4)),
}


@pytest.fixture
def rules(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Path]:
    """The table with the operation, and the file of its rules."""
    monkeypatch.setitem(OPERATIONS, "larger", LARGER)
    path = tmp_path / "larger.egg"
    path.write_text(RULES)
    return [path]


def larger(a: Tensor, b: Tensor) -> Tensor:
    """The larger of two tensors, entry by entry."""
    return Entrywise("larger", (a, b))


def loss() -> Tensor:
    """A loss in which both places vary, and one of them is broadcast."""
    return (larger(A * x, x * y) ** 3).sum()


def reference(order: int) -> np.ndarray:
    """The derivative of the loss by x, by torch alone."""

    def value(given: torch.Tensor) -> torch.Tensor:
        a, b = torch.as_tensor(ARRAYS["A"]) * given, given * torch.as_tensor(ARRAYS["y"])
        return (torch.maximum(a, b.expand(3, 4)) ** 3).sum()

    for _ in range(order):
        value = torch.func.jacrev(value)
    return value(torch.as_tensor(ARRAYS["x"])).numpy()


@pytest.mark.parametrize("order", [0, 1, 2])
def test_value_gradient_and_hessian_are_those_of_torch(rules: list[Path], order: int) -> None:
    """An operation of the test is planned, differentiated, verified and run like any other."""
    wanted = [loss(), loss().grad(x), tg.hessian(loss(), x)][order]
    plan = tg.optimize(wanted, SIZES, rules=rules)
    np.testing.assert_allclose(plan(**ARRAYS), reference(order), rtol=1e-12)
    plan.check()


def test_both_places_may_read_one_tensor(rules: list[Path]) -> None:
    """What is handed back to a tensor that an operation reads twice counts both places."""
    both = larger(2 * x, x) * y
    plan = tg.optimize(both.sum().grad(x), {"k": 4}, rules=rules)
    np.testing.assert_allclose(
        plan(x=ARRAYS["x"], y=ARRAYS["y"]), np.where(ARRAYS["x"] > 0, 2, 1) * ARRAYS["y"]
    )
    assert tg.optimize(larger(x, x), {"k": 4}, rules=rules).flops == 0


@pytest.mark.parametrize("backend", ["torch", "numpy", "jax", "opt_einsum"])
def test_code_calls_the_function_of_the_library(rules: list[Path], backend: str) -> None:
    """The template of the entry is what is written; what it writes for torch and NumPy gives the value."""
    plan = tg.optimize(loss(), SIZES, rules=rules)
    source = plan.code(backend)
    assert "maximum(" in source
    if backend in ("torch", "numpy"):
        space: dict[str, object] = {}
        exec(source, space)
        given = ARRAYS if backend == "numpy" else {n: torch.as_tensor(a) for n, a in ARRAYS.items()}
        run = space["plan"]
        assert callable(run)
        names = [given.name for given in plan.program.inputs]
        np.testing.assert_allclose(float(run(*(given[n] for n in names))), reference(0))


def test_its_price_is_one_flop_an_entry(rules: list[Path]) -> None:
    """An operation that works entry by entry costs the entries of its result."""
    plan = tg.optimize(larger(x, A), SIZES, rules=rules)
    assert plan.flops == 12


def test_pictures_derivations_and_tables_show_it(rules: list[Path]) -> None:
    """Everything that people look at names the operation, and every step of the derivation is confirmed."""
    gradient = loss().grad(x)
    plan = tg.optimize(gradient, SIZES, rules=rules)
    derivation = str(plan.explain())
    assert "slope of the larger" in derivation
    assert "NOT CONFIRMED" not in derivation
    assert "larger(" in str(plan)
    assert "larger" in plan.draw().dot
    assert "larger" in gradient.draw().dot


def test_text_is_read_back(rules: list[Path]) -> None:
    """What is printed can be typed, and repr rebuilds the expression."""
    e = larger(A * x, x)
    assert str(e) == "larger(A[i,k] x[k], x[k])"
    assert str(tg.parse(str(e))) == str(e)
    assert eval(repr(e), vars(tg.expr)) is e
    with pytest.raises(ValueError, match="larger takes 2 tensors, not 1"):
        Entrywise("larger", (x,))
    with pytest.raises(ValueError, match=r"there is no operation 'largre'.*Did you mean 'larger'"):
        Entrywise("largre", (x, y))


def test_plans_are_saved_and_loaded(rules: list[Path], tmp_path: Path) -> None:
    """A plan with the operation is a file like any other, where the table has the operation."""
    plan = tg.optimize(loss().grad(x), SIZES, rules=rules)
    plan.save(tmp_path / "plan.json")
    np.testing.assert_array_equal(tg.load(tmp_path / "plan.json")(**ARRAYS), plan(**ARRAYS))


def test_without_a_rule_for_its_slope_the_message_says_which(rules: list[Path]) -> None:
    """An operation without a derivative has values; who differentiates it is told what to add."""
    plan = tg.optimize(larger(x, y), {"k": 4})
    np.testing.assert_array_equal(plan(x=ARRAYS["x"], y=ARRAYS["y"]), [1.0, 1.5, 3.0, 2.0])
    with pytest.raises(RuleError, match=r"slope of .larger.\. Add .*\(partial 1 \(larger a b\)\)"):
        tg.optimize(larger(x, y).sum().grad(x), {"k": 4})

"""What `optimize` says to mistakes, and that nothing is lost when a search ends early."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tensorgrad_eg as tg
from tensorgrad_eg import functions as F
from tensorgrad_eg.egraph import saturate
from tensorgrad_eg.errors import (
    MissingSizeError,
    OperandError,
    OptionError,
    RuleError,
    RuleFileNotFoundError,
    UnknownEdgeError,
)
from tensorgrad_eg.expr import POINTWISE, Apply, Pointwise

A, X = tg.Variable("A", ["i", "k"]), tg.Variable("x", ["k"])


def test_missing_size_is_named() -> None:
    """A size symbol without a number is named, with the call that has it."""
    with pytest.raises(MissingSizeError, match=r"no size is given for: k\. Add it, as in sizes=\{'i': 3"):
        tg.optimize(A @ X, {"i": 3})


def test_unknown_size_gets_a_suggestion() -> None:
    """A size that no variable has is refused, with the names there are."""
    with pytest.raises(UnknownEdgeError, match="kk"):
        tg.optimize(A @ X, {"i": 3, "k": 4, "kk": 5})


def test_unknown_option_gets_a_suggestion() -> None:
    """A misspelt way of extraction is refused, with the one meant."""
    with pytest.raises(OptionError, match="Did you mean 'exact'"):
        tg.optimize(A @ X, {"i": 3, "k": 4}, extract="exakt")


def test_an_array_is_no_expression() -> None:
    """An array in the place of an expression is refused by its type."""
    with pytest.raises(OperandError, match="ndarray"):
        tg.optimize(np.ones(3), {})  # type: ignore[arg-type]


def test_rule_file_not_found(tmp_path: Path) -> None:
    """A rule file that is not there is named, with the one that is."""
    (tmp_path / "my_rules.egg").write_text("")
    with pytest.raises(RuleFileNotFoundError, match="Did you mean"):
        tg.optimize(A @ X, {"i": 3, "k": 4}, rules=[tmp_path / "my_rule.egg"])


def test_rule_that_cannot_be_used(tmp_path: Path) -> None:
    """A rule with an unbound variable is shown, with the reason."""
    rules = tmp_path / "bad.egg"
    rules.write_text('(rewrite (contract m a b) (contract m b zz) :ruleset search :name "bad")')
    with pytest.raises(RuleError, match=r"bad\.egg:1: zz stands for nothing"):
        tg.optimize(A @ X, {"i": 3, "k": 4}, rules=[rules])


def test_function_without_slope(monkeypatch: pytest.MonkeyPatch) -> None:
    """A function in the table whose slope no rule states gets an error that shows the rule to write."""
    entry = Pointwise("arctanh", np.arctanh, "torch.arctanh({})", "np.arctanh({})", "jnp.arctanh({})")
    monkeypatch.setitem(POINTWISE, "arctanh", entry)
    with pytest.raises(RuleError, match="slope of 'arctanh'"):
        tg.optimize(Apply("arctanh", X).sum().grad(X), {"k": 3})


def test_interrupted_search_gives_a_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in a search ends the search alone: the plan is right, and says what stopped it."""

    def interrupt(*_: object, **__: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(saturate, "_round", interrupt)
    plan = tg.optimize(F.frobenius2(A @ X).grad(X), {"i": 3, "k": 4})
    assert plan.report.stopped == "interrupted"  # type: ignore[attr-defined]
    a, x = np.arange(12.0).reshape(3, 4), np.arange(4.0)
    assert np.allclose(plan(A=a, x=x), 2 * a.T @ (a @ x))


def test_no_effort_gives_ordinary_differentiation() -> None:
    """With effort 0 the plan is the program that the search would start from, at the baseline's cost."""
    plan = tg.optimize(F.frobenius2(F.tanh(A @ X)).grad(A), {"i": 3, "k": 4}, effort=0)
    assert plan.flops <= plan.baseline


def test_results_come_as_they_were_asked_for() -> None:
    """One tensor, a list or a dict of them, planned together."""
    loss = F.frobenius2(A @ X)
    sizes = {"i": 3, "k": 4}
    arrays = {"A": np.ones((3, 4)), "x": np.ones(4)}
    assert tg.optimize(loss, sizes)(**arrays) == 48
    assert [r.shape for r in tg.optimize(tg.gradients(loss, [A, X]), sizes)(**arrays)] == [(3, 4), (4,)]
    assert set(tg.optimize({"loss": loss, "dx": loss.grad(X)}, sizes)(**arrays)) == {"loss", "dx"}

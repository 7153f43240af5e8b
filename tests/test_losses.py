"""Losses, layers, choices and products: against torch where it has them, and what is said of wrong input."""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as T

import tensorgrad_eg as tg
from tensorgrad_eg import functions as F
from tensorgrad_eg.errors import MissingExtraError, NumberError, UnknownEdgeError
from tensorgrad_eg.rules import programs, rule_files

RNG = np.random.default_rng(0)
x, y = tg.Variable("x", ["b", "g", "c"]), tg.Variable("y", ["b", "g", "c"])
w = tg.Variable("w", ["c"])
SIZES = {"b": 3, "g": 2, "c": 4, "s": 3, "t": 5, "d": 2, "e": 2}
ARRAYS = {
    "x": RNG.normal(size=(3, 2, 4)),
    "y": RNG.uniform(0.1, 0.9, size=(3, 2, 4)),
    "w": RNG.normal(size=4),
    "q": RNG.normal(size=(3, 2)),
    "k": RNG.normal(size=(5, 2)),
    "v": RNG.normal(size=(5, 2)),
    "mask": np.tri(3, 5),
}
q, k, v = tg.Variable("q", ["s", "d"]), tg.Variable("k", ["t", "d"]), tg.Variable("v", ["t", "e"])
mask = tg.Variable("mask", ["s", "t"])
Case = tuple[tg.Tensor, tg.Variable, Callable[..., torch.Tensor]]
CASES: dict[str, Case] = {
    "batch_norm": (
        F.batch_norm(x, "b", "g", weight=w, bias=2 * w), x,
        lambda w, x: T.batch_norm(x.movedim(2, 1), None, None, w, 2 * w, training=True).movedim(1, 2),
    ),
    "group_norm": (F.group_norm(x, "c"), x, lambda x: T.group_norm(x.reshape(3, 8), 2).reshape(3, 2, 4)),
    "layer_norm": (F.layer_norm(x, "g", "c"), x, lambda x: T.layer_norm(x, (2, 4))),
    "rms_norm": (F.rms_norm(x, "c", weight=w), x, lambda w, x: T.rms_norm(x, (4,), w)),
    "dropout": (F.dropout(x, F.step(y - 0.5), 0.2), x, lambda x, y: x * (y > 0.5) / 0.8),
    "kl_div": (F.kl_div(x, y), y, lambda x, y: T.kl_div(x, y, reduction="sum")),
    "binary_cross_entropy": (
        F.binary_cross_entropy(y, F.sigmoid(x)), y,
        lambda x, y: T.binary_cross_entropy(y, torch.sigmoid(x), reduction="sum"),
    ),
    "with logits": (
        F.binary_cross_entropy_with_logits(x, y, mean=True), x,
        lambda x, y: T.binary_cross_entropy_with_logits(x, y),
    ),
    "huber_loss": (F.huber_loss(x, y, 0.5, mean=True), x, lambda x, y: T.huber_loss(x, y, delta=0.5)),
    "cosine_similarity": (F.cosine_similarity(x, y, "c"), x, lambda x, y: T.cosine_similarity(x, y, -1)),
    "attention": (F.attention(q, k, v, "d", "t"), q, lambda k, q, v: T.scaled_dot_product_attention(q, k, v)),
    "masked attention": (
        F.attention(q, k, v, "d", "t", mask=mask), k,
        lambda k, mask, q, v: T.scaled_dot_product_attention(q, k, v, attn_mask=mask > 0),
    ),
    "khatri_rao": (F.khatri_rao(q, k), q, lambda k, q: torch.einsum("sd,td->sdt", q, k)),
    "kron": (F.kron(q, v), q, lambda q, v: torch.einsum("sd,te->sdte", q, v)),
    "std": (F.std(x, "b", "c"), x, lambda x: x.std((0, 2))),
    "norm": (F.norm(x, "b", "c", p=2.5), x, lambda x: torch.linalg.vector_norm(x, 2.5, (0, 2))),
    "count": (F.norm(F.relu(x), p=0) * F.sum(x), x, lambda x: (x > 0).sum() * x.sum()),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_value_and_gradient_are_those_of_torch(name: str) -> None:
    """Each function and its derivative by one of its arguments agree with torch."""
    e, by, rival = CASES[name]
    sizes = {symbol: n for symbol, n in SIZES.items() if symbol in _symbols(e)}
    plan = tg.optimize({"value": e, "gradient": F.sum(F.sin(e)).grad(by)}, sizes)
    names = sorted(each.name for each in plan.program.inputs)
    found = plan(**{n: ARRAYS[n] for n in names})
    given = {n: torch.tensor(ARRAYS[n], requires_grad=n == by.name) for n in names}
    value = rival(*given.values())
    (gradient,) = torch.autograd.grad(torch.sin(value).sum(), given[by.name])
    np.testing.assert_allclose(found["value"], value.detach(), rtol=1e-10)
    np.testing.assert_allclose(found["gradient"], gradient, rtol=1e-9, atol=1e-12)


def _symbols(e: tg.Tensor) -> set[str]:
    from tensorgrad_eg.expr.walk import symbols

    return set(symbols([e]))


def test_diagonals_and_products() -> None:
    """A vector is put on a diagonal, a diagonal is read, an outer product keeps all edges."""
    a, b, A = tg.Variable("a", ["i"]), tg.Variable("b", ["j"]), tg.Variable("A", i="i", k="i")
    assert F.diag(a, "i", "k") is a * tg.delta("i", "k", size="i")
    assert F.diag(A).edges == ("i",)
    assert F.outer(a, b) is a * b
    assert F.hadamard(a, a) is a * a


def test_what_is_asked_for_wrongly() -> None:
    """Each mistake says what was found, and what to write."""
    with pytest.raises(NumberError, match=r"of x\[b,g,c\] needs the edges .*F\.layer_norm\(…, 'c'\)"):
        F.layer_norm(x)
    with pytest.raises(UnknownEdgeError, match=r"has no edge 'cc'.*Did you mean 'c'"):
        F.rms_norm(x, "cc")
    with pytest.raises(UnknownEdgeError, match=r"target y\[b\] of a cross-entropy has no edge 'c'.*one-hot"):
        F.cross_entropy(x, tg.Variable("y", ["b"]), "c")
    with pytest.raises(ValueError, match=r"is of tensors without a common edge.*both have 'b'"):
        F.outer(x, y)
    with pytest.raises(UnknownEdgeError, match="a Hadamard product is of two tensors with the same"):
        F.hadamard(x, w)
    with pytest.raises(ValueError, match="goes over the edges they share, which are b, g, c, not b"):
        F.khatri_rao(x, y, "b")
    with pytest.raises(NumberError, match="there is no norm 'nuc'"):
        F.norm(x, p="nuc")
    with pytest.raises(NumberError, match="clip needs a bound"):
        F.clip(x)
    with pytest.raises(TypeError, match=r"the condition of where is True.*F\.equal\(x, y\)"):
        F.where(x == x, x, y)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="dropout drops a share of at least 0 and less than 1, not 1"):
        F.dropout(x, y, 1)
    with pytest.raises(ValueError, match="gelu has no form 'erf'"):
        F.gelu(x, approximate="erf")
    with pytest.raises(NumberError, match="prod goes along one edge, not 2: b, c"):
        tg.expr.Fibre("prod", ["b", "c"], x)
    with pytest.raises(NumberError, match=r"write F\.max\(F\.max\(a, b\), c\)"):
        F.max(x, y, w)
    with pytest.raises(NumberError, match="has an order such as 0, 1 or 2, not -1"):
        F.polygamma(-1, x)


def test_a_name_that_is_not_there() -> None:
    """A function that is missing says how to write it, or what is nearest; `hasattr` works."""
    with pytest.raises(AttributeError, match=r"there is no F\.cumsum; write F\.dot\(mask, x, 'k'\)"):
        F.cumsum  # noqa: B018
    with pytest.raises(AttributeError, match=r"there is no F\.layernorm\. Did you mean 'layer_norm'"):
        F.layernorm  # noqa: B018
    assert not hasattr(F, "flux")


def test_without_scipy_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Digamma with NumPy names the package that it needs."""
    plan = tg.optimize(F.digamma(w), {"c": 4})
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("scipy"):
            raise ModuleNotFoundError(f"No module named '{name}'", name="scipy")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"pip install 'tensorgrad_eg\[scipy\]'"):
        plan(w=ARRAYS["w"])


def test_the_order_of_what_is_compared_matters() -> None:
    """x > y and y > x are two tensors, and so are choices and powers with their parts exchanged."""
    a, b = tg.Variable("a", ["i"]), tg.Variable("b", ["i"])
    square = tg.Variable("A", i="n", j="n")
    turned = square.rename(i="j", j="i")
    wanted = [a > b, b > a, F.exp(a) ** b, F.exp(b) ** a]
    wanted += [square > turned, (turned > square).transpose("i", "j"), (square > turned).rename(i="j", j="i")]
    plan = tg.optimize(wanted, {"i": 3, "n": 3})
    p, s, m = np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 1.0]), RNG.normal(size=(3, 3))
    right = [p > s, s > p, np.exp(p) ** s, np.exp(s) ** p, m > m.T, m < m.T, m > m.T]
    for found, expected in zip(plan(a=p, b=s, A=m), right, strict=True):
        np.testing.assert_allclose(found, expected)


def test_norm_has_a_gradient_at_zero() -> None:
    """The gradient of a norm at 0 is 0, row by row, and that of a standard deviation where all are equal."""
    a = tg.Variable("a", ["b", "c"])
    given = np.array([[0.0, 0.0], [3.0, 4.0], [2.0, 2.0]])
    plan = tg.optimize([F.sum(F.norm(a, "c")).grad(a), F.sum(F.std(a, "c")).grad(a)], {"b": 3, "c": 2})
    norm, std = plan(a=given)
    root = math.sqrt(0.5)
    np.testing.assert_allclose(norm, [[0, 0], [0.6, 0.8], [root, root]])
    np.testing.assert_allclose(std, [[0, 0], [-root, root], [0, 0]])


def test_rules_are_loaded_on_demand() -> None:
    """Rules of rare functions are loaded for the problems that have them, with all that these lead to."""
    plain = {form.text for form in programs(rule_files(), words=frozenset({"tanh", "contract"}))}
    gamma = {form.text for form in programs(rule_files(), words=frozenset({"lgamma"}))}
    every = {form.text for form in programs(rule_files())}
    names = [f':name "slope of {name}"' for name in ("lgamma", "digamma", "tan", "a maximum")]
    found = [[any(name in text for text in texts) for name in names] for texts in (plain, gamma, every)]
    assert found == [[False] * 4, [True, True, False, False], [True] * 4]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("where(x[i] > 0, x[i], 0)", "where(greater(x[i], 0), x[i], 0)"),
        ("max(x[i], 0)", "maximum(x[i], 0)"),
        ("max(x[i], i)", "amax(x[i], i)"),
        ("x[i]^p + 2^(x[i]+1) - (x[i]^y[i])^(1/2)", "x[i]^p + 2^(x[i] + 1) - sqrt(x[i]^y[i])"),
        ("leaky_relu(x[i], 0.1)", "0.1 x[i] + 0.9 relu(x[i])"),
        ("polygamma(2, x[i]) (x[i] <= y[i])", "polygamma(2, x[i]) greater_equal(y[i], x[i])"),
        ("huber(x[i] - y[i], 1)", "huber(x[i] - y[i], 1)"),
    ],
)
def test_text(text: str, shown: str) -> None:
    """Comparisons, powers of tensors and options can be typed; what is printed is read back."""
    assert str(tg.parse(text)) == shown
    assert str(tg.parse(shown)) == shown


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_types_stay(backend: str) -> None:
    """In float32 everything that these functions return is float32, numbers in choices included."""
    a = tg.Variable("a", ["i"])
    parts = [a > 0, F.where(a > 0, F.pi, 2), F.maximum(a, 1), F.prod(a), F.huber(a), F.exp(a) ** a]
    parts += [F.polygamma(1, F.exp(a)), F.amax(a), F.prod_others(a, "i"), F.norm(a), F.clip(a, 0)]
    plan = tg.optimize(parts, {"i": 3})
    given = np.float32([0.5, -1.0, 2.0])
    found = plan(a=torch.tensor(given) if backend == "torch" else given)
    assert [str(one.dtype).removeprefix("torch.") for one in found] == ["float32"] * len(parts)

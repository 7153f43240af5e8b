"""Second derivatives: right, as cheap as the best hand-written form, and safe in float32."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

import tensorgrad_eg as tg
from tensorgrad_eg import functions as F
from tensorgrad_eg.program.cost import flops

V = tg.Variable


def arrays(plan: tg.Plan, seed: int = 0) -> dict[str, np.ndarray]:
    """Standard normal data for every variable of a plan."""
    random = np.random.default_rng(seed)
    return {v.name: random.standard_normal(plan.program.shape(v.name)) for v in plan.inputs}


def error(found: np.ndarray, wanted: torch.Tensor) -> float:
    """The largest difference, relative to the largest entry."""
    return float(np.abs(found - wanted.numpy()).max() / wanted.abs().max())


def mlp(depth: int) -> tuple[tg.Tensor, list[V], dict[str, int]]:
    """Softmax cross-entropy of a tanh MLP, its weights, and sizes."""
    h: tg.Tensor = V("X", ["b", "h0"])
    weights = [V(f"W{k}", [f"h{k - 1}", f"h{k}"]) for k in range(1, depth + 1)]
    for k, weight in enumerate(weights, 1):
        h = h @ weight if k == depth else F.tanh(h @ weight)
    out = f"h{depth}"
    sizes = {"b": 64, **{f"h{k}": 32 for k in range(depth)}, out: 10}
    return F.cross_entropy(h, V("Y", ["b", out]), out), weights, sizes


def torch_mlp(data: dict[str, np.ndarray], depth: int, at: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """The same loss in torch, as a function of one weight."""
    given = {name: torch.tensor(value) for name, value in data.items()}

    def loss(weight: torch.Tensor) -> torch.Tensor:
        h = given["X"]
        for k in range(1, depth + 1):
            h = h @ (weight if k == at else given[f"W{k}"])
            h = h if k == depth else torch.tanh(h)
        return -(given["Y"] * torch.log_softmax(h, 1)).sum()

    return loss


def hand(depth: int, batch: int = 64, width: int = 32, classes: int = 10) -> int:
    """Flops of H = Σ_b x_bp x_bq T_b,ij, T built layer by layer: its products alone."""
    sizes = {"b": batch, "i": width, "j": width, "k": width, "c": classes, "p": width, "q": width}
    layer = 2 * flops("contract", ["bik", "kj"], "bij", "k", sizes)
    top = 2 * flops("contract", ["bic", "jc"], "bij", "c", sizes)
    last = flops("contract", ["bpq", "bij"], "piqj", "b", sizes)
    return (depth - 2) * layer + top + last


@pytest.mark.parametrize("depth", [3, 5])
def test_mlp_hessian_is_as_cheap_as_by_hand(depth: int) -> None:
    """The Hessian by the first weight costs no more than the hand form, and a fraction of autodiff."""
    loss, weights, sizes = mlp(depth)
    plan = tg.optimize(tg.hessian(loss, weights[0]), sizes)
    assert plan.flops <= 1.01 * hand(depth)
    assert plan.baseline.modes.keys() == {"forward over reverse", "reverse over reverse"}
    assert 4 * plan.flops < plan.baseline


@pytest.mark.parametrize("at", [1, 2, 3])
def test_mlp_hessian_is_right(at: int) -> None:
    """The Hessian by any weight is torch.func's."""
    loss, weights, _ = mlp(3)
    plan = tg.optimize(tg.hessian(loss, weights[at - 1]), {"b": 5, "h0": 4, "h1": 3, "h2": 6, "h3": 2})
    data = arrays(plan)
    wanted = torch.func.hessian(torch_mlp(data, 3, at))(torch.tensor(data[f"W{at}"]))
    assert error(plan(**data), wanted) < 1e-10


def attention() -> tuple[tg.Tensor, V, dict[str, int]]:
    """Half the squared error of an attention head, its query weights, and sizes."""
    x = V("X", ["n", "d"])
    query, key, value = V("Wq", ["d", "k"]), V("Wk", ["d", "k"]), V("Wv", ["d", "v"])
    scores = (x @ query) @ (x @ key).rename(n="j") * 0.25
    out = F.softmax(scores, "j") @ (x @ value).rename(n="j")
    return F.frobenius2(out - V("Y", ["n", "v"])) * 0.5, query, {"n": 32, "d": 32, "k": 16, "v": 16}


def test_attention_hessian_is_below_the_closed_form() -> None:
    """The Hessian of an attention head costs less than the form derived by hand, 18.7 MFLOP, and is right."""
    loss, query, sizes = attention()
    wanted = tg.hessian(loss, query)
    assert tg.optimize(wanted, sizes).flops <= 18_700_000
    plan = tg.optimize(wanted, {"n": 4, "d": 3, "k": 2, "v": 5})
    data = arrays(plan)
    given = {name: torch.tensor(value) for name, value in data.items()}

    def reference(weight: torch.Tensor) -> torch.Tensor:
        x = given["X"]
        p = torch.softmax(0.25 * (x @ weight) @ (x @ given["Wk"]).T, 1)
        return 0.5 * ((p @ (x @ given["Wv"]) - given["Y"]) ** 2).sum()

    assert error(plan(**data), torch.func.hessian(reference)(given["Wq"])) < 1e-10


def test_matrix_factorisation_hessian_is_one_small_product() -> None:
    """d²/dUdU of ‖T - UVᵀ‖² is 2 δ VᵀV: a product of 2 n k² flops, a scaling of k², and the outer product."""
    u, v = V("U", ["m", "k"]), V("W", ["n", "k"])
    plan = tg.optimize(tg.hessian(F.frobenius2(V("T", ["m", "n"]) - u @ v), u), {"m": 50, "n": 50, "k": 5})
    assert plan.flops <= 2 * 50 * 25 + 25 + (50 * 5) ** 2
    assert [i.name for i in plan.inputs if plan.program.readers(i.name)] == ["W"]


def test_form_follows_the_sizes() -> None:
    """From one e-graph: the residual for a short batch, XᵀX for a long one."""
    x, w, y = V("X", ["b", "x"]), V("W", ["x", "y"]), V("Y", ["b", "y"])
    short = tg.optimize(F.frobenius2(x @ w - y).grad(w), {"b": 64, "x": 100, "y": 50})
    long = short.resize({"b": 100_000, "x": 50, "y": 200})
    assert "X.T @ X" not in short.code()
    assert "X.T @ X" in long.code()
    data = arrays(short.resize({"b": 30, "x": 4, "y": 5}))
    results = [plan.resize({"b": 30, "x": 4, "y": 5})(**data) for plan in (short, long)]
    assert np.allclose(results[0], 2 * data["X"].T @ (data["X"] @ data["W"] - data["Y"]))
    assert np.allclose(*results)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (lambda m: F.softplus(-m), lambda m: -F.log(F.sigmoid(m))),
        (lambda m: F.softplus(m), lambda m: F.log(1 + F.exp(m))),
        (lambda m: F.softmax(m, "b"), lambda m: F.exp(m) / F.exp(m).sum("b")),
        (lambda m: F.logsumexp(m, "b"), lambda m: F.log(F.exp(m).sum("b"))),
    ],
)
@pytest.mark.parametrize("order", [0, 1, 2])
def test_same_function_same_plan(
    one: Callable[[tg.Tensor], tg.Tensor], two: Callable[[tg.Tensor], tg.Tensor], order: int
) -> None:
    """A function and its definition get the same code, and so do their derivatives."""
    m, c = V("m", ["b"]), V("c", ["b"])
    codes = []
    for form in (one, two):
        e = (form(m) * c).sum()
        for _ in range(order):
            e = e.grad(m)
        codes.append(tg.optimize(e, {"b": 5}).code())
    assert codes[0] == codes[1]


@pytest.mark.parametrize("margin", [-100.0, -30.0, 0.0, 30.0, 80.0])
def test_logistic_hessian_keeps_its_digits(margin: float) -> None:
    """At margins where 1 - σ(m) cancels, float32 keeps the relative accuracy of σ(m) σ(-m)."""
    m = V("m", ["b"])
    plan = tg.optimize(tg.hessian(F.softplus(-m).sum(), m), {"b": 2})
    found = plan(m=np.full(2, margin, np.float32))
    exact = np.exp(-np.logaddexp(0, margin)) * np.exp(-np.logaddexp(0, -margin))
    assert found.dtype == np.float32
    assert np.isclose(found[0, 0], exact, rtol=1e-5, atol=1e-44)


def test_cross_entropy_hessian_at_extreme_logits() -> None:
    """At logits of ±600 in float32 the Hessian is diag(p) - ppᵀ of the stable softmax."""
    z, y = V("z", ["b", "c"]), V("Y", ["b", "c"])
    plan = tg.optimize(tg.hessian(F.cross_entropy(z, y, "c"), z), {"b": 3, "c": 3})
    logits = np.array([[600, -600, 599], [-600, -600, 0], [1, 2, 3]], np.float32)
    found = plan(z=logits, Y=np.eye(3, dtype=np.float32))
    p = torch.softmax(torch.tensor(logits, dtype=torch.float64), 1)
    wanted = torch.einsum(
        "bd,bce->bcde", torch.eye(3).double(), torch.diag_embed(p) - p[:, :, None] * p[:, None]
    )
    assert error(found.astype(np.float64), wanted) < 1e-6


def test_exact_extraction_proves_the_ring() -> None:
    """All gradients of a ring of matrices: the default plan is the optimum of the e-graph, with a proof."""
    matrices = [V(f"A{k}", [f"e{k}", f"e{(k + 1) % 6}"]) for k in range(6)]
    trace: tg.Tensor = matrices[0]
    for matrix in matrices[1:]:
        trace = trace @ matrix
    sizes = {f"e{k}": n for k, n in enumerate((13, 7, 29, 5, 17, 11))}
    default = tg.optimize(tg.gradients(trace, matrices), sizes)
    exact = tg.optimize(tg.gradients(trace, matrices), sizes, extract="exact")
    assert str(exact.certificate) == "optimal in this e-graph"
    assert "optimal in this e-graph" in str(exact)
    assert str(tg.Plan.from_json(exact.to_json())) == str(exact)
    assert exact.flops == default.flops


def test_third_and_mixed_derivatives() -> None:
    """Third derivatives, mixed blocks and products with vectors are torch's."""
    x, w, u = V("X", ["b", "p"]), V("W", ["p", "i"]), V("u", ["i"])
    loss = ((F.tanh(x @ w) @ u) ** 2).sum()
    v = V("v", ["p", "i"])
    wanted = {
        "third": tg.hessian(loss, w).grad(w),
        "mixed": tg.hessian(loss, w, u),
        "hvp": tg.hvp(loss, w, v),
    }
    plan = tg.optimize(wanted, {"b": 3, "p": 2, "i": 4})
    data = arrays(plan)
    t = {name: torch.tensor(value) for name, value in data.items()}

    def reference(weight: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        return ((torch.tanh(t["X"] @ weight) @ out) ** 2).sum()

    gradient = torch.func.grad(reference)
    second = torch.func.jacfwd(gradient)
    found = plan(**data)
    assert error(found["third"], torch.func.jacfwd(second)(t["W"], t["u"])) < 1e-10
    assert error(found["mixed"], torch.func.jacfwd(gradient, 1)(t["W"], t["u"])) < 1e-10
    product = torch.func.jvp(lambda weight: gradient(weight, t["u"]), (t["W"],), (t["v"],))[1]
    assert error(found["hvp"], product) < 1e-10

"""The Hessian of a two-layer perceptron by its first weight, with softmax cross-entropy.

The search finds the layered form Σ_b x_bp x_bq T_b,ij, which automatic differentiation does not.

Run it: python examples/mlp_hessian.py
"""

from __future__ import annotations

import tensorgrad_eg as tg
from tensorgrad_eg import functions as F


def main() -> None:
    """Print the plan, its code, and what autodiff pays for the same."""
    X = tg.Variable("X", ["b", "p"])
    W1 = tg.Variable("W1", ["p", "h"])
    W2 = tg.Variable("W2", ["h", "k"])
    Y = tg.Variable("Y", ["b", "k"])
    loss = F.cross_entropy(F.tanh(X @ W1) @ W2, Y, "k")

    plan = tg.optimize(tg.hessian(loss, W1), sizes={"b": 64, "p": 32, "h": 32, "k": 10})
    print(f"{plan}\n\n{plan.code('torch')}")
    for mode, flops in plan.baseline.modes.items():
        print(f"{mode}: {flops / plan.flops:.1f} times the flops of the plan")


if __name__ == "__main__":
    main()

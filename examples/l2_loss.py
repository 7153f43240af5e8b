"""The gradient of ‖Ax - y‖² by x: two products with A, whatever the sizes.

Run it: python examples/l2_loss.py
"""

from __future__ import annotations

import numpy as np

from tensorgrad_eg import Derivative, Variable, optimize
from tensorgrad_eg import functions as F


def main() -> None:
    """Print the expression, its gradient, the plan, the steps and the code, and run it."""
    A = Variable("A", ["i", "k"])
    x = Variable("x", ["k"])
    y = Variable("y", ["i"])
    loss = F.frobenius2(A @ x - y)
    gradient = Derivative(loss, x)
    print("loss     =", loss)
    print("gradient =", gradient.simplify())

    plan = optimize(gradient, sizes={"i": 100, "k": 50})
    print(f"\n{plan}\n\n{plan.explain()}\n\n{plan.code('torch')}")

    random = np.random.default_rng(0)
    a, b, c = random.standard_normal((100, 50)), random.standard_normal(50), random.standard_normal(100)
    error = np.abs(plan(A=a, x=b, y=c) - 2 * a.T @ (a @ b - c)).max()
    print(f"largest difference from 2 Aᵀ(Ax - y): {error:.0e}")


if __name__ == "__main__":
    main()

"""The gradients of an attention head by its three weights, planned together.

A softmax stays a softmax in its own derivative, so nothing overflows.

Run it: python examples/attention.py
"""

from __future__ import annotations

import numpy as np

import tensorgrad_eg as tg
from tensorgrad_eg import functions as F


def main() -> None:
    """Print the plan and the code for the loss and its gradients, and run it on logits that are large."""
    X = tg.Variable("X", i="n", p="d")  # n tokens of width d
    Wq, Wk, Wv = (tg.Variable(name, p="d", a="w") for name in ("Wq", "Wk", "Wv"))
    Y = tg.Variable("Y", i="n", a="w")
    others = X.rename(i="j")  # the same tokens, as what is attended to

    scores = F.dot(X @ Wq, others @ Wk, "a") / 16**0.5
    attended = F.softmax(scores, "j") @ (others @ Wv)
    loss = F.frobenius2(attended - Y)

    wanted = {"loss": loss} | {f"d{W.name}": loss.grad(W) for W in (Wq, Wk, Wv)}
    plan = tg.optimize(wanted, sizes={"n": 32, "d": 64, "w": 16})
    print(f"{plan}\n\n{plan.code('torch')}")

    random = np.random.default_rng(0)
    shapes = {"X": (32, 64), "Wq": (64, 16), "Wk": (64, 16), "Wv": (64, 16), "Y": (32, 16)}
    large = {name: 100 * random.standard_normal(shape, np.float32) for name, shape in shapes.items()}
    print("finite where logits are large:", all(np.isfinite(array).all() for array in plan(**large).values()))


if __name__ == "__main__":
    main()

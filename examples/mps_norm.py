"""The norm of a matrix product state and its gradients by every tensor.

The gradient by a tensor is what is left of the network without it. What stands on the left of a tensor is
shared by all the gradients further to the right, and what is computed for the ket serves for the bra.

Run it: python examples/mps_norm.py
"""

from __future__ import annotations

from functools import reduce
from operator import matmul

import tensorgrad_eg as tg
from tensorgrad_eg import functions as F

SITES, BOND, SPIN = 10, 16, 4


def main() -> None:
    """Print the plan and the code, and what the gradients cost, compared with the norm."""
    tensors = [
        tg.Variable(f"A{n}", {f"s{n}": SPIN, **bonds(n)})  # one spin, a bond to each neighbour
        for n in range(SITES)
    ]
    norm = F.frobenius2(reduce(matmul, tensors))

    plan = tg.optimize([norm.grad(A) for A in tensors])
    print(f"{plan}\n\n{plan.code('numpy')}")

    alone = tg.optimize(norm)
    times = plan.flops / alone.flops
    print(f"the norm alone: {alone.flops:,} flops; all its gradients: {times:.1f} times that")


def bonds(n: int) -> dict[str, int]:
    """The edges of site n to the left and to the right, where there is a neighbour."""
    return {f"v{m}": BOND for m in (n, n + 1) if 0 < m < SITES}


if __name__ == "__main__":
    main()

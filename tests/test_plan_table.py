from __future__ import annotations

import pytest
from programs import Builder

from tensorgrad_eg.plan import Plan
from tensorgrad_eg.program.cost import Baseline
from tensorgrad_eg.program.table import blas, step_text


def two_outputs() -> Plan:
    """The gradient of ‖Ax − y‖² and the loss."""
    b = Builder(i=100, k=50)
    A, x, y = b.variable("A", "ik"), b.variable("x", "k"), b.variable("y", "i")
    r = b.add(b.mul(A, x, "k"), y, factors=[1, -1])
    return Plan(
        b.program(b.scale(2, b.mul(A, r, "i")), b.mul(r, r, "i")),
        ("x", "loss"),
        Baseline(30350, {"reverse": 30350}),
    )


def test_the_table_is_exactly_this() -> None:
    """Results, sizes, cost and ratio, then a row a step with formula, kernel, flops, elements and outputs."""
    assert (
        str(two_outputs())
        == """\
Results    x[k] = t1[k]
           loss = rr
Sizes      i=100, k=50
Plan       20,350 flops in 5 steps
Baseline   30,350 flops (reverse: 30,350)
Ratio      0.671 of the baseline: 1.49 times fewer
Scaling    2 edges in the widest step
Largest    100 elements in one intermediate
Peak       200 elements of intermediates at once

step  formula                  scaling  kernel   flops  elements  for
----------------------------------------------------------------------
   1  Ax[i] = Σ_k A[i,k] x[k]        2  GEMV    10,000       100  all
   2  r[i] = Ax[i] - y[i]            1  EW         100       100  all
   3  Ar[k] = Σ_i A[i,k] r[i]        2  GEMV    10,000        50  x
   4  t1[k] = 2 Ar[k]                1  EW          50        50  x
   5  rr = Σ_i r[i] r[i]             1  DOT        200         1  loss
      total                                     20,350       301"""
    )


def test_many_outputs_are_shown_as_ranges() -> None:
    """Outputs in a row are shown as first … last; none is left out."""
    b = Builder(i=2)
    steps = [b.apply("tanh", b.variable("x", "i"))]
    for _ in range(5):
        steps.append(b.apply("sin", steps[-1]))
    rows = str(Plan(b.program(*steps), "list", 1)).splitlines()[-7:-1]
    assert rows[0].endswith("all")
    assert rows[1].endswith("result2 … result6")
    assert rows[3].endswith("result4, result5, result6")


@pytest.mark.parametrize(
    ("left", "right", "over", "kernel"),
    [
        ("ik", "kj", "k", "GEMM"),
        ("ik", "k", "k", "GEMV"),
        ("k", "k", "k", "DOT"),
        ("ik", "ik", "ik", "DOT"),
        ("bik", "bkj", "k", "BMM"),
        ("bik", "bk", "k", "BMV"),
        ("bk", "bk", "k", "BDOT"),
        ("bik", "kj", "k", "TDOT"),
        ("i", "j", "", "OUTER"),
        ("ij", "j", "", "EW"),
        ("ik", "j", "k", "OUTER"),
    ],
)
def test_kernels_have_their_names(left: str, right: str, over: str, kernel: str) -> None:
    """Every shape of a product is recognised as what a BLAS would call it."""
    b = Builder(**dict.fromkeys("bijk", 3))
    b.mul(b.variable("L", left), b.variable("R", right), over)
    assert blas(b.steps[0]) == kernel


def test_formulas_are_as_on_a_blackboard() -> None:
    """Every kind of step is written with labels, sums, signs and powers in their places."""
    b = Builder(i=2, j=2, k=3)
    A, x = b.variable("A", "ik"), b.variable("x", "k")
    b.mul(A, x, "ik")
    b.mul(A, x)
    b.add(x, x, x, factors=[-1, 2, "-1/3"])
    b.step("reduce", A, over="k")
    b.scale("-1/2", x)
    b.scale(-1, x)
    b.apply("tanh", x)
    b.power(x, 2)
    b.power(x, "-1/2")
    b.step("softmax", A, over="ik")
    b.step("logsumexp", A, over="k")
    b.constant(2.0)
    b.constant(0.1, "1/|b|")
    b.delta("ij")
    assert [step_text(step).split(" = ")[1] for step in b.steps] == [
        "Σ_{i,k} A[i,k] x[k]",
        "A[i,k] x[k]",
        "-x[k] + 2 x[k] - 1/3 x[k]",
        "Σ_k A[i,k]",
        "-1/2 x[k]",
        "-x[k]",
        "tanh(x[k])",
        "x[k]^2",
        "1 / sqrt(x[k])",
        "softmax(A[i,k], i, k)",
        "logsumexp(A[i,k], k)",
        "2",
        "1/|b|",
        "δ[i,j]",
    ]


def test_an_empty_plan_has_a_table() -> None:
    """A plan that only returns an argument has no steps and says so."""
    b = Builder(i=2)
    text = str(Plan(b.program(b.variable("x", "i")), "tensor", 0))
    assert text.splitlines()[:3] == [
        "Results    result[i] = x[i]",
        "Sizes      i=2",
        "Plan       0 flops in 0 steps",
    ]

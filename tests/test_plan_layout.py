from __future__ import annotations

from hypothesis import given
from programs import Builder, networks, programs

from tensorgrad_eg.plan import Plan
from tensorgrad_eg.program import Program
from tensorgrad_eg.program.cost import best, lone
from tensorgrad_eg.program.passes import arrange


def copied(program: Program) -> int:
    """What the products of a program copy, by the prices the layout goes by."""
    total = 0
    for step in program.steps:
        edges = [operand.edges for operand in step.operands]
        if step.kind == "contract" and all(len(set(labels)) == len(labels) for labels in edges):
            alone = [lone(edges[0], edges[1], step.over), lone(edges[1], edges[0], step.over)]
            left, right = (
                tuple(edge for edge in labels if edge not in gone)
                for labels, gone in zip(edges, alone, strict=True)
            )
            over = tuple(edge for edge in step.over if edge in left and edge in right)
            total += best(left, right, over, step.edges, program.sizes).price
    return total


@given(program=networks())
def test_arranging_a_network_never_copies_more(program: Program) -> None:
    """The order of axes that the layout chooses is no worse for the products than the one it was given."""
    assert copied(arrange(program)) <= copied(program)


@given(program=programs())
def test_arranging_is_deterministic_and_valid(program: Program) -> None:
    """The same program gives the same layout, and the layout is a program."""
    arrange(program).validate()
    assert arrange(program) == arrange(program)


def test_a_chain_of_products_needs_no_einsum() -> None:
    """Intermediates written in an unlucky order are turned so that every product is one of matrices."""
    b = Builder(b=32, i=8, j=8, k=8, l=8)
    X, W, V = b.variable("X", "bij"), b.variable("W", "jk"), b.variable("V", "il")
    first = b.step("contract", X, W, over="j", edges="kib")
    second = b.step("contract", first, V, over="i", edges="lbk")
    source = Plan(b.program((second, "blk")), "tensor", 1).code("torch")
    assert "einsum" not in source
    assert "permute" not in source


def test_the_order_of_a_gradient_is_the_one_wanted() -> None:
    """Of the two orders of a product of matrices the one that the caller wants is computed."""
    b = Builder(b=10, x=5, y=4)
    X, R = b.variable("X", "bx"), b.variable("R", "by")
    for wanted, code in (("xy", "return X.T @ R"), ("yx", "return R.T @ X")):
        plan = Plan(b.program((b.mul(X, R, "b"), wanted)), "tensor", 1)
        assert code in plan.code("torch")


def test_factors_stand_as_in_the_matrix_product() -> None:
    """A product that extraction wrote as W X reads X W in formulas where it is computed as X @ W."""
    b = Builder(b=10, x=5, y=4)
    W, X = b.variable("W", "xy"), b.variable("X", "bx")
    plan = Plan(b.program((b.mul(W, X, "x"), "by")), "tensor", 1)
    assert "XW[b,y] = Σ_x X[b,x] W[x,y]" in str(plan)


def test_of_two_factors_the_smaller_is_transposed() -> None:
    """Where either order of a product is permuted anyway, the smaller factor is the one transposed."""
    b = Builder(b=64, p=32, q=32, k=10, l=10)
    large, small = b.variable("Z", "bpq"), b.variable("T", "bkl")
    for pair in ((large, small), (small, large)):
        source = Plan(b.program((b.mul(*pair, "b"), "pkql")), "tensor", 1).code("torch")
        assert "T.flatten(1).T @ Z.flatten(1)" in source
        b.steps.clear()

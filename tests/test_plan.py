from __future__ import annotations

import copy
import pickle
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from programs import Builder, arrays_for, interpret, networks, programs

import tensorgrad_eg as tg
from tensorgrad_eg.errors import (
    ArrayKindError,
    ArrayNameError,
    ArrayShapeError,
    DetachedPlanError,
    ProgramError,
    TensorgradError,
    UnknownEdgeError,
)
from tensorgrad_eg.plan import Plan
from tensorgrad_eg.program import Input, Operand, Output, Program, Step
from tensorgrad_eg.program.cost import Baseline, flops


def residual_plan() -> Plan:
    """The loss ‖Ax − y‖² and its gradient, as a dict."""
    b = Builder(i=3, k=2)
    A, x, y = b.variable("A", "ik"), b.variable("x", "k"), b.variable("y", "i")
    r = b.add(b.mul(A, x, "k"), y, factors=[1, -1])
    program = b.program(b.scale(2, b.mul(A, r, "i")), b.mul(r, r, "i"))
    symbols = {"i": 3, "k": 2}
    named = Program(program.inputs, program.steps, program.outputs, program.sizes, symbols)
    return Plan(named, ("x", "loss"), Baseline(90, {"reverse": 90, "forward": 120}), "what ran")


ARRAYS: dict[str, Any] = {"A": np.arange(6.0).reshape(3, 2), "x": np.ones(2), "y": np.array([1.0, 2.0, 4.0])}


def test_a_plan_returns_what_was_asked_for() -> None:
    """One tensor, a list or a dict of outputs comes back as one tensor, a list or a dict."""
    plan = residual_plan()
    result = plan(**ARRAYS)
    assert list(result) == ["x", "loss"]
    assert result["x"].tolist() == [52.0, 68.0]
    assert float(result["loss"]) == 0.0 + 9.0 + 25.0
    for structure, kind in (("list", list), ("tensor", np.ndarray)):
        program = (
            plan.program
            if structure == "list"
            else Program(plan.inputs, plan.steps, plan.outputs[:1], plan.program.sizes, plan.program.symbols)
        )
        assert isinstance(Plan(program, structure, 1)(**ARRAYS), kind)  # type: ignore[arg-type]


def test_a_plan_knows_its_cost() -> None:
    """Flops, peak and ratio follow from the steps; the baseline is an integer that knows its modes."""
    plan = residual_plan()
    assert plan.flops == 12 + 3 + 12 + 2 + 6
    assert plan.peak_elements == 3 + 2 + 2
    assert plan.baseline == 90
    assert plan.baseline.modes == {"reverse": 90, "forward": 120}
    assert plan.ratio == pytest.approx(35 / 90)
    assert copy.copy(plan.baseline).modes == plan.baseline.modes
    assert (plan.sizes, [given.name for given in plan.inputs]) == ({"i": 3, "k": 2}, ["A", "x", "y"])


@pytest.mark.parametrize(
    ("kind", "operands", "out", "over", "factors", "expected"),
    [
        ("contract", ["ik", "kj"], "ij", "k", (), 2 * 2 * 3 * 5),
        ("contract", ["ik", "k"], "ik", "", (), 2 * 3),
        ("contract", ["", ""], "", "", (), 1),
        ("contract", ["ik", "j"], "j", "ik", (), 2 * 2 * 3 * 5),
        ("contract", ["ii", "i"], "i", "", (), 2),
        ("contract", ["ii"], "i", "", (), 2),
        ("reduce", ["ik"], "i", "k", (), 2 * 3),
        ("reduce", ["ii"], "", "i", (), 2),
        ("add", ["i", "ik"], "ik", "", (1, -1), 6),
        ("add", ["i", "ik", "k"], "ik", "", (2, 1, Fraction(1, 3)), 12 + 2 + 3),
        ("scale", ["ik"], "ik", "", (), 6),
        ("apply", ["ik"], "ik", "", (), 6),
        ("power", ["ik"], "ik", "", (), 6),
        ("softmax", ["ik"], "ik", "k", (), 18),
        ("logsumexp", ["ik"], "i", "k", (), 12 + 2),
        ("constant", [], "", "", (), 0),
        ("delta", [], "ij", "", (), 0),
    ],
)
def test_every_kind_of_step_has_its_price(
    kind: str, operands: list[str], out: str, over: str, factors: tuple[Any, ...], expected: int
) -> None:
    """Contractions cost as in opt_einsum, everything else per element."""
    assert flops(kind, operands, out, over, {"i": 2, "k": 3, "j": 5}, factors) == expected


def test_an_unknown_kind_has_no_price() -> None:
    """A kind that does not exist is an error, not free."""
    with pytest.raises(ValueError, match="no cost is known for a step of kind 'convolve'"):
        flops("convolve", ["i"], "i", "", {"i": 2})


@given(program=networks())
def test_opt_einsum_counts_the_same(program: Program) -> None:
    """The flops of a contracted network are those that opt_einsum reports for the same pairs."""
    import opt_einsum

    for step in program.steps:
        shapes = [tuple(program.sizes[edge] for edge in operand.edges) for operand in step.operands]
        subscripts = (
            ",".join("".join(operand.edges) for operand in step.operands) + "->" + "".join(step.edges)
        )
        _, info = opt_einsum.contract_path(subscripts, *shapes, shapes=True)
        edges = [operand.edges for operand in step.operands]
        assert flops("contract", edges, step.edges, step.over, program.sizes) == info.opt_cost


@given(program=programs())
def test_arranging_and_naming_change_no_cost_and_no_result(program: Program) -> None:
    """The program of a plan computes what it was given, and only folded constants make it cheaper."""
    plan = Plan(program, "list", 1)
    plan.program.validate()
    arrays = arrays_for(program)
    for one, other in zip(interpret(plan.program, arrays), interpret(program, arrays), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)
    names = [tensor.name for tensor in (*plan.inputs, *plan.steps)]
    assert len(set(names)) == len(names)


def test_a_missing_array_is_named_with_the_call() -> None:
    """A call without an array that is read says which, and what the call looks like."""
    with pytest.raises(
        ArrayNameError, match=r"missing array: y\. The call needs: A=array, x=array, y=array\."
    ):
        residual_plan()(A=ARRAYS["A"], x=ARRAYS["x"])


def test_a_misspelt_array_is_named_with_a_suggestion() -> None:
    """A name that is no variable's is an error that suggests one."""
    with pytest.raises(ArrayNameError, match=r"no variable is named 'X'.*Did you mean 'x'\?"):
        residual_plan()(X=1, **ARRAYS)


def test_a_wrong_size_names_edge_symbol_and_both_sizes() -> None:
    """An axis of another size says which edge, which symbol, what was expected, and suggests resize."""
    with pytest.raises(ArrayShapeError) as caught:
        residual_plan()(**{**ARRAYS, "x": np.ones(7)})
    message = str(caught.value)
    for part in ("array x has shape (7,)", "edge 'k' (size 'k') should be 2, not 7", "plan.resize(sizes)"):
        assert part in message


def test_transposed_and_flat_arrays_are_recognised() -> None:
    """Axes in the wrong order, and a wrong number of axes, have errors of their own."""
    with pytest.raises(ArrayShapeError, match="wrong order: transpose it"):
        residual_plan()(**{**ARRAYS, "A": ARRAYS["A"].T})
    with pytest.raises(ArrayShapeError, match="should have 2 axes, one an edge, not 1"):
        residual_plan()(**{**ARRAYS, "A": ARRAYS["A"].ravel()})


def test_a_variable_that_is_not_read_may_be_given_or_left_out() -> None:
    """The Hessian of xᵀAx never reads x: the call takes x, and does without it."""
    b = Builder(i=2, j=2)
    A = b.variable("A", "ij")
    b.variable("x", "i")
    plan = Plan(b.program(b.add(A, (A, "ji"))), "tensor", 1)
    array = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert plan(A=array).tolist() == plan(A=array, x=np.ones(2)).tolist() == [[2.0, 5.0], [5.0, 8.0]]
    with pytest.raises(ArrayShapeError, match="array x"):
        plan(A=array, x=np.ones(3))
    assert repr(plan) == "<Plan: result[i,j] from A; 1 step, 4 flops, 4 x baseline>"


def test_torch_tensors_give_torch_tensors() -> None:
    """Tensors in, tensors out, of the same dtype; numbers and lists go along."""
    torch = pytest.importorskip("torch")
    tensors = {name: torch.from_numpy(array).float() for name, array in ARRAYS.items()}
    result = residual_plan()(**{**tensors, "x": [1, 1]})
    assert result["x"].dtype == torch.float32
    assert result["x"].tolist() == [52.0, 68.0]
    parameter = torch.nn.Parameter(tensors["A"])
    assert residual_plan()(**{**tensors, "A": parameter})["loss"].requires_grad


def test_mixed_dtypes_take_the_widest_float() -> None:
    """float32 with float64 is float64, integers follow the floats, and integers alone become floats."""
    plan = residual_plan()
    half = {name: array.astype(np.float32) for name, array in ARRAYS.items()}
    assert plan(**half)["x"].dtype == np.float32
    assert plan(**{**half, "x": np.ones(2, int)})["x"].dtype == np.float32
    assert plan(**{**half, "x": np.ones(2)})["x"].dtype == np.float64
    assert plan(**{name: array.astype(int) for name, array in ARRAYS.items()})["x"].dtype == np.float64
    torch = pytest.importorskip("torch")
    mixed = {name: torch.from_numpy(array) for name, array in ARRAYS.items()}
    assert plan(**{**mixed, "x": torch.ones(2)})["x"].dtype == torch.float64
    assert plan(**{name: tensor.long() for name, tensor in mixed.items()})["x"].dtype == torch.float32


def test_mixed_libraries_are_refused() -> None:
    """A torch tensor beside a NumPy array is an error that names both."""
    torch = pytest.importorskip("torch")
    with pytest.raises(ArrayKindError, match=r"A is of numpy, x is of torch\. Convert one"):
        residual_plan()(A=ARRAYS["A"], x=torch.ones(2), y=[1, 2, 3])


@pytest.mark.parametrize("array", [np.ones(2, complex), np.array(["a", "b"])])
def test_arrays_that_are_no_real_numbers_are_refused(array: Any) -> None:
    """Complex numbers and texts are refused by name."""
    with pytest.raises(ArrayKindError, match="array x has dtype"):
        residual_plan()(**{**ARRAYS, "x": array})


def test_complex_tensors_are_refused() -> None:
    """Complex torch tensors are refused by name, too."""
    torch = pytest.importorskip("torch")
    tensors = {name: torch.from_numpy(array) for name, array in ARRAYS.items()}
    with pytest.raises(ArrayKindError, match=r"array x has dtype torch\.complex64"):
        residual_plan()(**{**tensors, "x": torch.ones(2, dtype=torch.complex64)})


def test_plans_can_be_copied_and_pickled() -> None:
    """A plan that has run survives pickle, without its compiled functions."""
    plan = residual_plan()
    expected = plan(**ARRAYS)
    again = pickle.loads(pickle.dumps(plan))
    assert again(**ARRAYS)["x"].tolist() == expected["x"].tolist()
    assert again.baseline.modes == plan.baseline.modes


def test_an_output_may_be_a_diagonal() -> None:
    """An output that reads two axes under one label is the diagonal, and not a view of the argument."""
    A = Input("A", ("i", "j"), ("n", "n"))
    result = Output(Operand("A", ("i", "i")), ("i",), ("i",))
    plan = Plan(Program((A,), (), (result,), {"i": 2}, {"n": 2}), "tensor", 1)
    array = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert plan(A=array).tolist() == [1.0, 4.0]
    assert not np.shares_memory(plan(A=array), array)


def test_scalars_go_in_and_come_out() -> None:
    """Variables without edges take numbers, and results without edges are numbers."""
    b = Builder()
    program = b.program(b.mul(b.variable("a", ""), b.apply("exp", b.variable("c", ""))))
    assert float(Plan(program, "tensor", 1)(a=2.0, c=0)) == 2.0


def test_a_plan_asks_what_it_was_found_in() -> None:
    """Checking, resizing and explaining need the expressions and the e-graph; sizes not given stay."""
    A, x = tg.Variable("A", ["i", "k"]), tg.Variable("x", ["k"])
    plan = tg.optimize((A @ x).sum(), {"i": 3, "k": 4})
    assert plan.check(rtol=1e-12, autograd=False).outputs == 1
    assert plan.explain().flops == plan.flops
    assert plan.resize({"k": 9}).sizes == {"i": 3, "k": 9}
    assert plan.resize({"k": 9}).search is plan.search
    assert plan.search is not None
    assert plan.search.egraph.size >= plan.search.start.size
    with pytest.raises(AttributeError):
        plan.search.structure = "list"  # type: ignore[misc]


def test_resizing_an_unknown_symbol_is_an_error() -> None:
    """A size symbol that the plan does not have is named, with those it has."""
    A, x = tg.Variable("A", ["i", "k"]), tg.Variable("x", ["k"])
    plan = tg.optimize(A @ x, {"i": 3, "k": 4})
    with pytest.raises(UnknownEdgeError, match=r"no edge 'n'; its edges are: i, k"):
        plan.resize({"n": 3})


@pytest.mark.parametrize("method", ["check", "explain", "resize"])
def test_a_plan_without_a_source_says_so(method: str) -> None:
    """What needs the expressions of a plan from a file says that they are not there, and what to do."""
    plan = residual_plan()
    with pytest.raises(
        DetachedPlanError, match=rf"{method}\(\) needs\. Make the plan again with optimize\(\)"
    ):
        getattr(plan, method)(*([{}] if method == "resize" else []))


def test_a_traceback_shows_the_line_of_the_source() -> None:
    """An error inside a plan points into its source."""
    import traceback

    function = residual_plan().function("numpy")
    with pytest.raises(ValueError, match="matmul") as caught:
        function(None, np.ones(2), np.ones(3))
    assert "r = A @ x - y" in "".join(traceback.format_exception(caught.value))


def broken(**changes: Any) -> Program:
    """A program with one step, changed."""
    fields: dict[str, Any] = {"name": "t", "kind": "reduce", "operands": (Operand("A", ("i", "k")),)}
    step = Step(**{**fields, "edges": ("i",), "over": ("k",), **changes})
    result = Output(Operand("t", ("i",)), ("i",), ("i",))
    return Program(
        (Input("A", ("i", "k"), ("i", "k")),), (step,), (result,), {"i": 2, "k": 3, "j": 2}, {"i": 2, "k": 3}
    )


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (
            broken(operands=(Operand("B", ("i", "k")),)),
            "reads 'B', which is neither an input nor an earlier step",
        ),
        (broken(operands=(Operand("A", ("k", "i")),)), r"reads 'A' with sizes \(3, 2\), but it has \(2, 3\)"),
        (broken(operands=(Operand("A", ("i", "q")),)), "the size of label 'q' is not known"),
        (broken(operands=(Operand("A", ("i", "k", "j")),)), "reads 'A' with sizes"),
        (broken(kind="convolve"), "the unknown kind 'convolve'"),
        (broken(over=()), "writes .* but its operands leave"),
        (broken(over=("j", "k")), "which its operands do not all have"),
        (broken(over=("k", "k")), "not sorted and distinct"),
        (broken(edges=("i", "i")), "writes a label twice"),
        (broken(kind="apply", over=(), edges=("i", "k")), "apply needs the name of a function"),
        (broken(kind="scale", over=(), edges=("i", "k")), "scale needs a number"),
        (broken(kind="constant", operands=(), edges=(), over=()), "a constant needs a value"),
        (broken(kind="delta", operands=(), edges=("i",), over=()), "a delta has two edges"),
        (broken(kind="add", over=(), edges=("i", "k")), r"\(add\) has 1 operands"),
        (broken(kind="softmax", over=(), edges=("i", "k")), "softmax over no label"),
        (broken(kind="power", over=("k",), number=Fraction(2)), "power sums nothing"),
        (broken(operands=(Operand("A", ("i", "k"), Fraction(2)),)), "only an addition has factors"),
        (broken(name="A"), "two tensors are called 'A'"),
    ],
)
def test_a_program_that_makes_no_sense_is_refused(program: Program, message: str) -> None:
    """Every fault of a program is found before it runs, and the step is named."""
    with pytest.raises(ProgramError, match=message) as caught:
        program.validate()
    assert isinstance(caught.value, TensorgradError)
    with pytest.raises(ProgramError):
        Plan(program, "tensor", 1)


def test_outputs_are_checked() -> None:
    """An output that drops a label, or repeats one, is refused."""
    A = Input("A", ("i", "k"), (2, 3))
    for edges, message in ((("i",), "drops a label"), (("i", "k", "i"), "has a label twice")):
        program = Program((A,), (), (Output(Operand("A", ("i", "k")), edges, edges),), {"i": 2, "k": 3})
        with pytest.raises(ProgramError, match=message):
            program.validate()

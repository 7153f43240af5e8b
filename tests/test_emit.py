from __future__ import annotations

import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from programs import Builder, arrays_for, interpret

from tensorgrad_eg.emit import BACKENDS, emit
from tensorgrad_eg.errors import BackendError, MissingExtraError, UnknownFunctionError
from tensorgrad_eg.plan import Plan
from tensorgrad_eg.program import Input, Operand, Output, Program, Step


def l2_gradient() -> Program:
    """The gradient of ‖Ax − y‖² with respect to x."""
    b = Builder(i=100, k=50)
    A, x, y = b.variable("A", "ik"), b.variable("x", "k"), b.variable("y", "i")
    residual = b.add(b.mul(A, x, "k"), y, factors=[1, -1])
    return b.program(b.scale(2, b.mul(A, residual, "i")))


def body(source: str) -> list[str]:
    """The statements of a source without comments."""
    text = source.split('"""')[2]
    lines = [line.split("  #")[0].strip() for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def test_the_gradient_of_the_l2_loss_reads_as_a_formula() -> None:
    """The emitted torch code is the formula one would write by hand, with its index form beside it."""
    source = Plan(l2_gradient(), "tensor", 1).code("torch")
    assert source.splitlines()[-1].strip() == (
        "return 2 * (A.T @ (A @ x - y))  # 2 Σ_i A[i,k] (Σ_k_ A[i,k_] x[k_] - y[i])"
    )


def test_the_source_says_which_arguments_with_which_axes() -> None:
    """The docstring of the function lists every argument and every result with axes and shape."""
    source = Plan(l2_gradient(), "tensor", 1).code("numpy")
    for line in (
        "Return a tensor with axes (k), shape (50,).",
        "A: axes (i, k), shape (100, 50)",
        "y: axes (i)",
    ):
        assert line in source


@pytest.mark.parametrize("backend", ["torch", "numpy", "opt_einsum"])
def test_the_source_runs_when_pasted_into_an_empty_file(backend: str, tmp_path: Path) -> None:
    """A file that holds the source and a call, and nothing else, prints what the interpreter computes."""
    if backend == "torch":
        pytest.importorskip("torch")
    program = l2_gradient()
    arrays = arrays_for(program)
    np.savez(tmp_path / "arrays.npz", **arrays)
    make = "torch.from_numpy(arrays[name])" if backend == "torch" else "arrays[name]"
    call = (
        "import numpy\narrays = numpy.load('arrays.npz')\n"
        f"numpy.save('result.npy', plan(*({make} for name in ('A', 'x', 'y'))))\n"
    )
    source = Plan(program, "tensor", 1).code(backend) + "\n\n" + call
    (tmp_path / "pasted.py").write_text(source, encoding="utf-8")
    subprocess.run([sys.executable, "-I", "pasted.py"], cwd=tmp_path, check=True)
    np.testing.assert_allclose(np.load(tmp_path / "result.npy"), interpret(program, arrays)[0], rtol=1e-12)


def logistic_hessian() -> Program:
    """Σ softplus(−y X·w), differentiated twice."""
    b = Builder(i=30, p=4, q=4)
    X, w, y = b.variable("X", "ip"), b.variable("w", "p"), b.variable("y", "i")
    s = b.apply("sigmoid", b.mul(b.mul(X, w, "p"), y))
    d = b.mul(s, b.add(b.constant(1.0), s, factors=[1, -1]))
    return b.program(b.mul(b.mul(d, X), (X, "iq"), "i"))


def test_a_batch_of_outer_products_is_one_matrix_product() -> None:
    """Xᵀ diag(s(1−s)) X is emitted as a scaled copy of X and one product of matrices."""
    assert body(Plan(logistic_hessian(), "tensor", 1).code("torch")) == [
        "sigmoid = torch.exp(torch.nn.functional.logsigmoid((X @ w) * y))",
        "return ((sigmoid * (1 - sigmoid)).unsqueeze(1) * X).T @ X",
    ]


def test_axes_are_joined_for_a_matrix_product() -> None:
    """Σ_b X[b,p] X[b,q] T[b,i,j] is one product of two matrices whose columns are pairs of axes."""
    b = Builder(b=64, p=8, q=8, i=8, j=8)
    X, T = b.variable("X", "bp"), b.variable("T", "bij")
    pairs = b.mul(X, (X, "bq"))
    program = b.program((b.mul(pairs, T, "b"), "piqj"))
    assert body(Plan(program, "tensor", 1).code("torch")) == [
        "XX = X.unsqueeze(2) * X.unsqueeze(1)",
        "return (XX.flatten(1).T @ T.flatten(1)).reshape(8, 8, 8, 8).permute(0, 2, 1, 3)",
    ]


def test_a_batch_of_vectors_is_a_row_times_a_matrix() -> None:
    """A large batched matrix-vector product takes the form that is fast on a CPU."""
    b = Builder(b=100, i=100, k=100)
    program = b.program(b.mul(b.variable("M", "bik"), b.variable("v", "bk"), "k"))
    assert body(Plan(program, "tensor", 1).code("torch")) == ["return (v.unsqueeze(1) @ M.mT).squeeze(1)"]


def test_what_is_no_matrix_product_is_an_einsum() -> None:
    """Where axes stand so that no matrix product fits without a copy, einsum says it in one line."""
    b = Builder(b=10, i=10, j=10, k=10)
    source = emit(b.program((b.mul(b.variable("L", "ibk"), b.variable("R", "kjb"), "k"), "ibj")), "torch")
    assert 'torch.einsum("ibk,kjb->ibj", L, R)' in source


def test_a_delta_puts_a_tensor_on_a_diagonal() -> None:
    """δ[i,j] M[a,b] is written by diag_embed: nothing is multiplied by zero."""
    b = Builder(i=5, j=5, a=2, b=2)
    program = b.program((b.mul(b.delta("ij"), b.variable("M", "ab")), "iajb"))
    assert body(Plan(program, "tensor", 1).code("torch")) == [
        "return torch.diag_embed(M.unsqueeze(2).expand(2, 2, 5), dim1=0, dim2=2)"
    ]


def test_a_term_on_a_diagonal_is_added_there() -> None:
    """A B + 2 δ[i,j] d[i] adds to the diagonal of the product in place, where arrays can change."""
    b = Builder(i=64, j=64, k=5)
    A, B, d = b.variable("A", "ik"), b.variable("B", "kj"), b.variable("d", "i")
    program = b.program(b.add(b.mul(A, B, "k"), b.mul(b.delta("ij"), d), factors=[1, 2]))
    torch = ["s3 = A @ B", "s3.diagonal().add_(d, alpha=2)", "return s3"]
    numpy = ["s3 = A @ B", 'np.einsum("ii->i", s3)[...] += 2 * d', "return s3"]
    assert body(emit(program, "torch")) == torch
    assert body(emit(program, "numpy")) == numpy
    jax = ["s3 = A @ B", 's3 = on_diagonal(s3, "ii->i").add(2 * d)', "return s3"]
    assert body(emit(program, "jax")) == jax


def test_what_others_read_is_not_written_to() -> None:
    """A term that is a result of its own, a function's value or an argument keeps what it holds."""
    b = Builder(i=64, j=64)
    A, d = b.variable("A", "ij"), b.variable("d", "i")
    diagonal, tanh = b.mul(b.delta("ij"), d), b.apply("tanh", A)
    double = b.scale(2, A)
    for terms in ((A, diagonal), (tanh, diagonal), (double, diagonal)):
        source = emit(b.program(b.add(*terms), double), "torch", "list")
        name = re.search(r"(\w+) = .*clone\(\)", source)
        assert name is not None
        assert source.count("add_(") == source.count(f"{name[1]}.diagonal().add_(d)") == 1
        del b.steps[-1]


def test_an_identity_that_is_not_needed_is_not_made() -> None:
    """A delta that a long line only puts a tensor on has no name."""
    b = Builder(i=200, j=200, a=5, b=5, k=50)
    V = b.variable("V_with_a_long_name", "ka")
    square = b.scale(2, b.mul(V, (V, "kb"), "k"))
    source = emit(b.program((b.mul(b.delta("ij"), square), "iajb")), "torch")
    assert "torch.eye" not in source


def test_division_is_written_as_division() -> None:
    """A product with a power −1 that is read once is a quotient."""
    b = Builder(i=5)
    program = b.program(b.mul(b.variable("a", "i"), b.power(b.variable("c", "i"), -1)))
    assert body(emit(program, "torch")) == ["return a / c"]
    assert body(emit(program, "numpy")) == ["return a / c"]


@pytest.mark.parametrize(
    ("exponent", "expected"),
    [
        (2, {"torch": "x**2", "numpy": "x**2"}),
        (-1, {"torch": "torch.reciprocal(x)", "numpy": "1 / x"}),
        (Fraction(1, 2), {"torch": "torch.sqrt(x)", "numpy": "np.sqrt(x)"}),
        (Fraction(-1, 2), {"torch": "torch.rsqrt(x)", "numpy": "1 / np.sqrt(x)"}),
        (-3, {"torch": "x**-3", "numpy": "(1 / x)**3"}),
        (Fraction(2, 3), {"torch": "x**(2 / 3)", "numpy": "x**(2 / 3)"}),
    ],
)
def test_powers_have_their_usual_names(exponent: Any, expected: dict[str, str]) -> None:
    """Roots and reciprocals are written by name, other powers with two stars."""
    b = Builder(i=5)
    program = b.program(b.power(b.variable("x", "i"), exponent))
    for backend, text in expected.items():
        assert body(emit(program, backend)) == [f"return {text}"]


def test_opt_einsum_takes_a_whole_chain_with_its_path() -> None:
    """A run of contractions that nobody else reads is one call, in the order the plan chose."""
    b = Builder(a=2, b=3, c=4, d=5)
    A, B, C = b.variable("A", "ab"), b.variable("B", "bc"), b.variable("C", "cd")
    program = b.program(b.mul(A, b.mul(B, C, "c"), "b"))
    assert body(emit(program, "opt_einsum")) == [
        'return contract("ab,bc,cd->ad", A, B, C, optimize=[(1, 2), (0, 1)])'
    ]


def test_opt_einsum_keeps_what_is_read_twice() -> None:
    """An intermediate that two products read is computed once, under a name."""
    b = Builder(i=3, k=4)
    A, x = b.variable("A", "ik"), b.variable("x", "k")
    product = b.mul(A, x, "k")
    lines = body(Plan(b.program(product, b.mul(product, product, "i")), "list", 1).code("opt_einsum"))
    assert lines == ['Ax = contract("ik,k->i", A, x)', 'return [Ax, contract("i,i->", Ax, Ax)]']


def test_opt_einsum_finds_the_plans_path_and_no_other() -> None:
    """The order of a long chain is that of the steps, however odd."""
    b = Builder(**dict.fromkeys("abcdef", 3))
    names = [
        b.variable(name, edges) for name, edges in zip("PQRST", ["ab", "bc", "cd", "de", "ef"], strict=True)
    ]
    middle = b.mul(names[1], names[2], "c")
    end = b.mul(names[3], names[4], "e")
    program = b.program(b.mul(names[0], b.mul(middle, end, "d"), "b"))
    arrays = arrays_for(program)
    source = " ".join(emit(program, "opt_einsum").split())
    assert '"ab,bc,cd,de,ef->af", P, Q, R, S, T, optimize=[(1, 2), (1, 2), (1, 2), (0, 1)]' in source
    result = Plan(program, "tensor", 1).function("opt_einsum")(*arrays.values())
    np.testing.assert_allclose(result, interpret(program, arrays)[0], rtol=1e-12)


def test_long_lists_break_between_items() -> None:
    """Arguments and results that do not fit on a line go on several, none longer than 88 columns."""
    b = Builder(i=3)
    names = [b.variable(f"variable_{n}", "i") for n in range(20)]
    source = Plan(b.program(*[b.apply("tanh", name) for name in names]), "list", 1).code("numpy")
    lines = [line.split("  #")[0] for line in source.splitlines()]
    assert max(map(len, lines)) <= 88
    assert (
        len(Plan(b.program(*[s.name for s in b.steps]), "list", 1)(**dict.fromkeys(names, np.ones(3)))) == 20
    )


def test_names_that_are_no_identifiers_are_replaced_and_explained() -> None:
    """Keywords, odd letters and names the source itself needs become other parameters."""
    names = ["lambda", "W 1", "np", "torch", "W_1"]
    inputs = tuple(Input(name, ("i",), ("i",)) for name in names)
    total = Step("t", "add", tuple(Operand(name, ("i",)) for name in names), ("i",))
    program = Program(inputs, (total,), (Output(Operand("t", ("i",)), ("i",), ("i",)),), {"i": 2})
    source = emit(program, "numpy")
    assert "def plan(lambda_, W_1_1, np_, torch_, W_1):" in source
    assert "W_1_1 (the variable W 1): axes (i), shape (2,)" in source
    arrays = {name: np.full(2, 2.0**n) for n, name in enumerate(names)}
    assert Plan(program, "tensor", 1)(**arrays).tolist() == [31.0, 31.0]


def test_texts_cannot_leave_comments_and_strings() -> None:
    """A label, a name or a key that holds source is only ever text."""
    evil = 'x\n"""\nraise SystemExit(1)\n"""'
    step = Step("t", "scale", (Operand(evil, (evil,)),), (evil,), number=Fraction(2), label=evil)
    inputs = (Input(evil, (evil,), ("n",)),)
    program = Program(
        inputs, (step,), (Output(Operand("t", (evil,)), (evil,), (evil,)),), {evil: 2}, {"n": 2}
    )
    for backend in ("numpy", "opt_einsum"):
        namespace: dict[str, Any] = {}
        exec(emit(program, backend, (evil,)), namespace)
        assert namespace["plan"](np.ones(2))[evil].tolist() == [2.0, 2.0]


def test_results_lack_an_edge_or_are_an_argument() -> None:
    """Results come in the wanted order, broadcast over edges they lack, apart from the arguments."""
    b = Builder(i=2, j=3)
    A = b.variable("A", "ij")
    program = b.program((A, "ji"), (b.step("reduce", A, over="i"), "ij"))
    array = np.arange(6.0).reshape(2, 3)
    transposed, sums = Plan(program, "list", 1)(A=array)
    assert transposed.tolist() == array.T.tolist()
    assert not np.shares_memory(transposed, array)
    assert sums.tolist() == [[3.0, 5.0, 7.0]] * 2


def test_a_result_that_reads_nothing_has_the_dtype_of_the_call() -> None:
    """The Hessian of x·x is 2δ: the source needs no array, and the call gives it the dtype of x."""
    b = Builder(i=2, j=2)
    b.variable("x", "i")
    plan = Plan(b.program(b.scale(2, b.delta("ij"))), "tensor", 1)
    assert "def plan(dtype=None):" in plan.code("numpy")
    assert plan().dtype == np.float64
    result = plan(x=np.ones(2, np.float32))
    assert (result.dtype, result.tolist()) == (np.float32, [[2.0, 0.0], [0.0, 2.0]])


def test_constants_are_worked_out_beforehand() -> None:
    """Arithmetic on constants is done once; the source has the number."""
    b = Builder(i=2)
    half = b.power(b.scale(2, b.constant(2.0)), Fraction(-1, 2))
    program = b.program(b.mul(half, b.variable("x", "i")), b.apply("exp", b.constant(0.0)))
    plan = Plan(program, "list", 1)
    assert body(plan.code("numpy")) == ["return [0.5 * x, np.full((), 1.0, dtype=x.dtype)]"]


@pytest.mark.parametrize("backend", ["torch", "numpy"])
@pytest.mark.parametrize("over", ["j", "ij"])
def test_softmax_and_logsumexp_never_overflow(backend: str, over: str) -> None:
    """At logits of ±1e4 in float32 both are exact, over one axis and over several."""
    b = Builder(i=2, j=3)
    z = b.variable("z", "ij")
    plan = Plan(b.program(b.step("softmax", z, over=over), b.step("logsumexp", z, over=over)), "list", 1)
    logits = np.array([[1e4, -1e4, 1e4], [-1e4, -1e4, -1e4]], np.float32)
    array: Any = pytest.importorskip("torch").from_numpy(logits) if backend == "torch" else logits
    soft, total = (np.asarray(result) for result in plan(z=array))
    assert soft.dtype == total.dtype == np.float32
    third = np.float32(1) / np.float32(3)
    below = [third] * 3 if over == "j" else [0.0] * 3
    np.testing.assert_allclose(soft, [[0.5, 0.0, 0.5], below], rtol=1e-6)
    top, bottom = 1e4 + np.log(2), -1e4 + np.log(3)
    np.testing.assert_allclose(total, top if over == "ij" else [top, bottom], rtol=1e-6)


@pytest.mark.parametrize("function", ["sigmoid", "softplus", "tanh", "erf", "relu", "step", "abs", "sign"])
@pytest.mark.parametrize("backend", ["torch", "numpy"])
def test_functions_keep_float32_and_are_finite_far_out(function: str, backend: str) -> None:
    """No function overflows at ±1e4 in float32, and none changes the dtype."""
    b = Builder(i=4)
    plan = Plan(b.program(b.scale(Fraction(1, 3), b.apply(function, b.variable("x", "i")))), "tensor", 1)
    x = np.array([-1e4, -1.0, 0.5, 1e4], np.float32)
    result = np.asarray(plan(x=pytest.importorskip("torch").from_numpy(x) if backend == "torch" else x))
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, interpret(b.program("s1"), {"x": x})[0], rtol=1e-5, atol=1e-30)


def test_jax_is_missing_with_instructions() -> None:
    """Without JAX its source is still written; running it says what to install."""
    plan = Plan(l2_gradient(), "tensor", 1)
    assert "def plan(A, x, y):" in plan.code("jax")
    try:
        import jax  # noqa: F401
    except ImportError:
        with pytest.raises(MissingExtraError, match=r"pip install 'tensorgrad_eg\[jax\]'"):
            plan.function("jax")


def test_jax_source_uses_its_own_functions() -> None:
    """Softmax, log-sum-exp and new arrays go through jax and jnp, and the imports bring in what is used."""
    b = Builder(i=2, j=3)
    z = b.variable("z", "ij")
    source = emit(b.program(b.step("softmax", z, over="j"), b.apply("tanh", z)), "jax")
    assert source.startswith("import jax\nimport jax.numpy as jnp\n")
    assert "jax.nn.softmax(z, axis=1)" in source
    assert "jnp.tanh(z)" in source


def test_unknown_backends_and_functions_are_named() -> None:
    """A misspelt backend, or a function that is in no table, is an error with a suggestion."""
    with pytest.raises(BackendError, match="Did you mean 'torch'"):
        emit(l2_gradient(), "troch")
    b = Builder(i=2)
    with pytest.raises(UnknownFunctionError, match="Did you mean 'tan' or 'tanh'"):
        emit(b.program(b.apply("tahn", b.variable("x", "i"))), "numpy")


def test_large_temporaries_are_written_over() -> None:
    """In torch, a large temporary that nobody else reads takes the next result; arguments never do."""
    b = Builder(i=1024, k=1024)
    A, B = b.variable("A", "ik"), b.variable("B", "ik")
    program = b.program(b.scale(2, b.add(b.apply("tanh", A), B, factors=[1, -1])))
    assert body(Plan(program, "tensor", 1).code("torch")) == ["return torch.tanh(A).sub_(B).mul_(2)"]
    assert body(Plan(program, "tensor", 1).code("numpy")) == ["return 2 * (np.tanh(A) - B)"]


def test_names_are_deleted_where_memory_is_short() -> None:
    """A long chain of large products does not keep what it no longer needs."""
    b = Builder(i=1500, j=1500)
    value = b.variable("A", "ij")
    for _ in range(6):
        value = b.mul(b.apply("tanh", value), b.apply("sin", value))
    plan = Plan(b.program(value), "tensor", 1)
    assert "    del " in plan.code("numpy")
    small = Builder(i=15, j=15)
    value = small.variable("A", "ij")
    for _ in range(6):
        value = small.mul(small.apply("tanh", value), small.apply("sin", value))
    assert "    del " not in Plan(small.program(value), "tensor", 1).code("numpy")


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_same_program_gives_the_same_text(backend: str) -> None:
    """Source depends on the program alone, not on the hash seed."""
    script = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "from test_emit import *\n"
        f"print(Plan(logistic_hessian(), 'tensor', 1).code({backend!r}))"
    )
    environment = {"PYTHONPATH": ".", "PYTHONIOENCODING": "utf-8"}
    texts = [
        subprocess.run(
            [sys.executable, "-c", script],
            env={**environment, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert texts[0] == texts[1]
    assert texts[0].decode().strip() == Plan(logistic_hessian(), "tensor", 1).code(backend).strip()

from __future__ import annotations

import re
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from programs import arrays_for, interpret, networks, programs, single_products, sums_with_diagonals

from tensorgrad_eg.emit import emit, tensors
from tensorgrad_eg.plan import Plan
from tensorgrad_eg.program import Program, cost


def run(program: Program, backend: str, arrays: dict[str, Any]) -> list[np.ndarray[Any, Any]]:
    """The results of the source of a plan, as NumPy arrays."""
    if backend == "torch":
        torch = pytest.importorskip("torch")
        return [
            t.numpy() for t in Plan(program, "list", 1)(**{k: torch.from_numpy(v) for k, v in arrays.items()})
        ]
    plan = Plan(program, "list", 1)
    read = [arrays[given.name] for given in plan.inputs if plan.program.readers(given.name)]
    return list(plan.function(backend)(*read))


def compare(program: Program, backend: str) -> None:
    """Assert that a plan agrees with the interpreter, up to rounding."""
    arrays = arrays_for(program)
    with np.errstate(all="ignore"):
        expected = interpret(program, arrays)
    for found, wanted in zip(run(program, backend, arrays), expected, strict=True):
        assert np.shape(found) == wanted.shape
        np.testing.assert_allclose(
            found, wanted, rtol=1e-9, atol=1e-9 * max(1.0, np.abs(wanted).max(initial=0))
        )


@pytest.mark.parametrize("backend", ["torch", "numpy", "opt_einsum"])
@given(program=programs() | single_products() | networks())
def test_every_backend_computes_what_the_program_says(backend: str, program: Program) -> None:
    """Random programs of all kinds give what an interpreter that knows only einsum gives."""
    compare(program, backend)


@given(program=programs())
def test_unarranged_programs_emit_correctly_too(program: Program) -> None:
    """Source is right for any order of axes, not only for the order the layout chooses."""
    arrays = arrays_for(program)
    namespace: dict[str, Any] = {}
    exec(emit(program, "numpy", "list"), namespace)
    code = namespace["plan"].__code__
    names = [name for name in code.co_varnames[: code.co_argcount] if name in arrays]
    found = namespace["plan"](*(arrays[name] for name in names))
    for one, other in zip(found, interpret(program, arrays), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9 * max(1.0, np.abs(other).max(initial=0)))


@given(program=programs())
def test_jax_source_is_python(program: Program) -> None:
    """The source for JAX compiles, whether or not JAX is installed."""
    compile(emit(program, "jax"), "plan", "exec")


@pytest.mark.parametrize("form", ["matmul", "reshape", "row", "sum", "dot", "einsum"])
@given(program=single_products() | programs())
def test_every_form_of_a_product_is_right(form: str, program: Program) -> None:
    """Whichever form of a product is made cheapest, and written in place, results stay right."""
    with patch.dict(cost.START, {form: -(10**9)}), patch.object(tensors, "LARGE", 0):
        compare(program, "torch")
        compare(program, "numpy")


@pytest.mark.parametrize("backend", ["torch", "numpy", "opt_einsum"])
@given(program=sums_with_diagonals() | programs())
def test_what_is_added_on_diagonals_is_right(backend: str, program: Program) -> None:
    """Terms that stand on a diagonal may be added in place, to sums of any size, whoever else reads them."""
    compare(program, backend)
    with patch.object(tensors, "LARGE", 0):
        compare(program, backend)


@given(program=sums_with_diagonals())
def test_no_line_is_written_in_vain(program: Program) -> None:
    """Whatever has a name in the source is read after that."""
    lines = emit(program, "torch", "list").split('"""')[2].splitlines()
    for number, line in enumerate(lines):
        if assigned := re.match(r" +(\w+) = ", line):
            code = [later.split("  #")[0] for later in lines[number + 1 :] if later.strip()[:1] != "#"]
            assert any(re.search(rf"\b{assigned[1]}\b", later) for later in code)

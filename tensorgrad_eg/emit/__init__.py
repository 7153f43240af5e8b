"""Source text, for each library behind `emit`.

>>> from tensorgrad_eg.program.program import Input, Operand, Output, Program, Step
>>> inputs = (Input("A", ("i", "k"), ("i", "k")), Input("x", ("k",), ("k",)))
>>> step = Step("t", "contract", (Operand("A", ("i", "k")), Operand("x", ("k",))), ("i",), ("k",))
>>> program = Program(inputs, (step,), (Output(Operand("t", ("i",)), ("i",), ("i",)),), {"i": 3, "k": 4})
>>> print(emit(program, "torch").splitlines()[-1].strip())
return A @ x  # Σ_k A[i,k] x[k]
"""

from __future__ import annotations

from tensorgrad_eg.emit.library import LIBRARIES
from tensorgrad_eg.emit.opt_einsum import OptEinsumWriter
from tensorgrad_eg.emit.writer import Writer
from tensorgrad_eg.errors import BackendError
from tensorgrad_eg.program.program import Program, Structure

BACKENDS = (*LIBRARIES, "opt_einsum")


def emit(program: Program, backend: str, structure: Structure | None = None, comments: bool = True) -> str:
    """A program as source that runs when it is pasted into an empty file: a function `plan` of the arrays it
    reads.

    `structure` says how results are returned: "tensor", "list", or the keys of a dict; by default one tensor
    alone, several as a list. A result that is an argument unchanged is copied; results may share memory with
    one another, and a result that does not depend on one of its edges is broadcast without a copy (in NumPy
    such an array cannot be written to). Without `comments` no line says what it computes.

    >>> print(emit(Program((), (), (), {}), "numpy"))
    import numpy as np
    <BLANKLINE>
    <BLANKLINE>
    def plan(dtype=None):
        \"\"\"Return an empty list.\"\"\"
        return []
    <BLANKLINE>
    """
    wanted: Structure = structure or ("tensor" if len(program.outputs) == 1 else "list")
    if backend == "opt_einsum":
        return OptEinsumWriter(program, wanted, comments).write()
    if backend not in LIBRARIES:
        raise BackendError.of(backend, BACKENDS)
    return Writer(program, LIBRARIES[backend](), wanted, comments).write()

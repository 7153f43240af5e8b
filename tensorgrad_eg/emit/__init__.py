"""Programs that run: the arrays they take, their source for each library, the function that it defines."""

from __future__ import annotations

import linecache
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from tensorgrad_eg.emit.code import plain
from tensorgrad_eg.emit.writer import BACKENDS as BACKENDS
from tensorgrad_eg.emit.writer import emit as emit
from tensorgrad_eg.errors import (
    ArrayKindError,
    ArrayNameError,
    ArrayShapeError,
    MissingExtraError,
    ProgramError,
)
from tensorgrad_eg.expr import fresh
from tensorgrad_eg.expr.printing import indexed
from tensorgrad_eg.program import Input, Output, Program, Step, Structure
from tensorgrad_eg.program.cost import peak_elements, total_flops
from tensorgrad_eg.program.forms import Form, Term, assembly
from tensorgrad_eg.program.passes import arrange, fold, rename

_KINDS: dict[type, str] = {}


def _kind(array: Any) -> str:
    """The library of an array: torch, jax or numpy; numbers and lists count as numpy."""
    found = _KINDS.get(type(array))
    if found is None:
        found = _KINDS[type(array)] = _kind_of(type(array))
    return found


def _kind_of(array_type: type) -> str:
    # A subclass of torch.Tensor may live anywhere: its bases tell.
    packages = {base.__module__.split(".")[0] for base in array_type.__mro__}
    return "torch" if "torch" in packages else "jax" if packages & {"jax", "jaxlib"} else "numpy"


class _Signature:
    """What a program wants to be given: computed once, compared with the arrays of every call."""

    def __init__(self, program: Program) -> None:
        """Look the shapes up, and which inputs are read."""
        self.inputs = {given.name: given for given in program.inputs}
        self.read = [name for name in self.inputs if program.readers(name)]
        self.shapes: dict[str, tuple[int, ...]] = {}
        for name in self.inputs:
            # The sizes of a variable that nobody reads need not be known.
            with suppress(ProgramError):
                self.shapes[name] = program.shape(name)

    def bind(self, arrays: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """The library to use, and the arrays by name: checked, with one floating dtype."""
        if self._fit(arrays):
            return _kind(next(iter(arrays.values()))), dict(arrays)
        for name in arrays:
            if name not in self.inputs:
                raise ArrayNameError.unknown(name, self.inputs)
        if missing := [name for name in self.read if name not in arrays]:
            raise ArrayNameError.missing(missing, self.read)
        backend = _backend(arrays)
        converted = {name: _plain(name, array) for name, array in arrays.items()}
        if backend == "torch":
            _check_torch(converted)
        for name, array in converted.items():
            if name in self.shapes and tuple(array.shape) != self.shapes[name]:
                raise _shape_error(self.inputs[name], self.shapes[name], tuple(array.shape))
        return backend, _unified(backend, converted)

    def _fit(self, arrays: Mapping[str, Any]) -> bool:
        """Whether the arrays can be used as they are: the common case, decided in a few microseconds."""
        if arrays.keys() != self.shapes.keys() or not arrays:
            return False
        first = next(iter(arrays.values()))
        if type(first) is not np.ndarray and _kind(first) == "numpy":
            return False
        same, dtype, torch = type(first), first.dtype, _kind(first) == "torch"
        floating = dtype.is_floating_point if torch else dtype.kind == "f"
        alike = bool(floating) and all(
            type(array) is same and array.dtype == dtype and array.shape == self.shapes[name]
            for name, array in arrays.items()
        )
        return alike and (
            not torch or (len({(a.device, a.layout) for a in arrays.values()}) == 1 and _dense(first))
        )


def _is_array(array: object) -> bool:
    return _kind(array) != "numpy" or isinstance(array, np.ndarray)


def _plain(name: str, array: Any) -> Any:
    """An array without the manners of a subclass: a matrix, for one, would multiply where others do not."""
    if _kind(array) != "numpy":
        return array
    if isinstance(array, np.ma.MaskedArray) and np.ma.is_masked(array):
        raise ArrayKindError(
            f"array {name} has masked entries, which plans do not know. Fill them in: {name}.filled(0)."
        )
    try:
        return np.asarray(array)
    except ValueError as error:
        raise ArrayKindError(
            f"{name} cannot be made an array: {error}. Give each row of a list as many entries as the others."
        ) from error


def _dense(tensor: Any) -> bool:
    """Whether a tensor of torch has all of its entries, one after the other."""
    return str(tensor.layout) == "torch.strided" and not tensor.is_quantized


def _check_torch(arrays: Mapping[str, Any]) -> None:
    """Tensors of torch are dense, and all on one device."""
    tensors = {name: array for name, array in arrays.items() if _kind(array) == "torch"}
    devices: dict[str, str] = {}
    for name, tensor in tensors.items():
        if not _dense(tensor):
            found, fix = ("quantized", "dequantize") if tensor.is_quantized else (tensor.layout, "to_dense")
            raise ArrayKindError(f"tensor {name} is {found}; plans compute with dense ones: {name}.{fix}().")
        devices.setdefault(str(tensor.device), name)
    if len(devices) > 1:
        found = ", ".join(f"{name} is on {device}" for device, name in devices.items())
        raise ArrayKindError(
            f"the tensors of one call are on one device, but {found}. Move one: x.to(device)."
        )


def _backend(arrays: Mapping[str, Any]) -> str:
    """The one library of all real arrays; plain numbers and lists go along with any."""
    kinds = {_kind(array): name for name, array in reversed(list(arrays.items())) if _is_array(array)}
    if len(kinds) > 1:
        found = ", ".join(f"{name} is of {library}" for library, name in sorted(kinds.items()))
        raise ArrayKindError(f"the arrays of one call are of one library, but {found}. Convert one of them.")
    return next(iter(kinds), "numpy")


def _shape_error(given: Input, expected: tuple[int, ...], found: tuple[int, ...]) -> ArrayShapeError:
    error = ArrayShapeError.of(given.name, given.edges, expected, found)
    if len(found) != len(expected) or sorted(found) == sorted(expected):
        return error
    wrong = [
        f"edge {edge!r} (size {symbol!r}) should be {size}, not {have}"
        for edge, symbol, size, have in zip(given.edges, given.sizes, expected, found, strict=True)
        if size != have
    ]
    return ArrayShapeError(f"{error} In detail: {'; '.join(wrong)}.")


def _unified(backend: str, arrays: Mapping[str, Any]) -> dict[str, Any]:
    """All arrays with the widest of their floating dtypes; integers become floats."""
    if backend == "torch":
        return _unified_torch(arrays)
    if not arrays:
        return {}
    for name, array in arrays.items():
        if array.dtype.kind not in "fiubV" or array.dtype.type is np.void:
            raise ArrayKindError(f"array {name} has dtype {array.dtype}; plans compute with real numbers.")
    floating = [array.dtype for array in arrays.values() if array.dtype.kind in "fV"]
    dtype = np.result_type(*floating) if floating else np.dtype(np.float64)
    return {name: array if array.dtype == dtype else array.astype(dtype) for name, array in arrays.items()}


def _unified_torch(arrays: Mapping[str, Any]) -> dict[str, Any]:
    import torch

    tensors = {name: array for name, array in arrays.items() if _kind(array) == "torch"}
    for name, tensor in tensors.items():
        if tensor.is_complex():
            raise ArrayKindError(f"array {name} has dtype {tensor.dtype}; plans compute with real numbers.")
    floating = [tensor.dtype for tensor in tensors.values() if tensor.is_floating_point()]
    dtype = floating[0] if floating else torch.get_default_dtype()
    for other in floating[1:]:
        dtype = torch.promote_types(dtype, other)
    device = next(iter(tensors.values())).device
    return {
        name: array.to(dtype) if name in tensors else torch.as_tensor(array, dtype=dtype, device=device)
        for name, array in arrays.items()
    }


def result_names(structure: Structure, count: int) -> list[str]:
    """What the results of a plan are called: the keys of a dict, or numbers.

    >>> result_names(("f", "g"), 2), result_names("tensor", 1), result_names("list", 2)
    (['f', 'g'], ['result'], ['result1', 'result2'])
    """
    if isinstance(structure, tuple):
        return list(structure)
    return ["result"] if structure == "tensor" else [f"result{n}" for n in range(1, count + 1)]


class Compiled:
    """A program and its results. Calling it runs `code(...)` of the library that the arrays are of.

    Results may share memory with one another, never with an argument; a result that does not depend on one of
    its edges is broadcast without a copy, and NumPy lets nobody write into such an array. With `forms` the
    program computes pieces, and results are `Structured`: sums of products of these, which `forms` describe.

    >>> from tensorgrad_eg.program import Operand
    >>> inputs = (Input("A", ("i", "k"), ("i", "k")), Input("x", ("k",), ("k",)))
    >>> step = Step("s", "contract", (Operand("A", ("i", "k")), Operand("x", ("k",))), ("i",), ("k",))
    >>> result = Output(Operand("s", ("i",)), ("i",), ("i",))
    >>> run = Compiled(Program(inputs, (step,), (result,), {"i": 2, "k": 3}), "tensor")
    >>> run(A=np.ones((2, 3)), x=np.ones(3)), run.flops
    (array([3., 3.]), 12)
    """

    def __init__(
        self,
        program: Program,
        structure: Structure,
        *,
        forms: Sequence[Form] | None = None,
        arranged: bool = False,
        assumptions: Iterable[str] = (),
    ) -> None:
        """Take a program; unless it is that of another plan (`arranged`), order its axes and name its steps.

        It is right for arrays of which the assumptions are true. Factors of forms name pieces by place,
        `"0"`, `"1"`; if `arranged`, by name.
        """
        program.validate()
        self.program = program if arranged else rename(arrange(fold(program)))
        self.structure: Structure = structure
        self.assumptions = tuple(assumptions)
        names = {} if arranged else {str(n): name for n, name in enumerate(self._pieces())}
        self.forms = None if forms is None else tuple(form.renamed(names) for form in forms)
        self._functions: dict[str, Callable[..., Any]] = {}

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps in the order in which they run."""
        return self.program.steps

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The variables; those that no step reads may be left out of a call."""
        return self.program.inputs

    @property
    def outputs(self) -> tuple[Output, ...]:
        """What the program computes: the results, or the pieces that these are made of."""
        return self.program.outputs

    @property
    def sizes(self) -> dict[str, int]:
        """The sizes the program was made for, by symbol."""
        return dict(self.program.symbols or self.program.sizes)

    @cached_property
    def flops(self) -> int:
        """The cost of all steps, in opt_einsum's unit."""
        return total_flops(self.program)

    @cached_property
    def peak_elements(self) -> int:
        """The most elements that intermediates and results hold at one moment; arguments are not counted."""
        return peak_elements(self.program)

    @cached_property
    def _signature(self) -> _Signature:
        return _Signature(self.program)

    @property
    def names(self) -> list[str]:
        """What each output is called: the keys of a dict, or numbers; a piece as the step that it is."""
        return result_names(self.structure, len(self.outputs)) if self.forms is None else self._pieces()

    @property
    def results(self) -> list[str]:
        """What each tensor asked for is called: the keys of a dict, or numbers."""
        return result_names(self.structure, len(self.outputs if self.forms is None else self.forms))

    def _pieces(self) -> list[str]:
        found: list[str] = []
        for out in self.outputs:
            whole = len(set(out.operand.edges)) == len(out.operand.edges)
            found.append(fresh(out.operand.tensor if whole else f"{out.operand.tensor}_diagonal", found))
        return found

    def __call__(self, /, **arrays: Any) -> Any:
        """Run it on arrays given by variable name, their axes in the order of the variable's edges."""
        backend, bound = self._signature.bind(arrays)
        function = self.function(backend)
        like = next(iter(bound.values()), None)
        if self._signature.read or like is None:
            found = function(*(bound[name] for name in self._signature.read))
        else:
            found = function(like.dtype, like.device) if backend == "torch" else function(like.dtype)
        return found if self.forms is None else self._structured(found, like)

    def _structured(self, pieces: Sequence[Any], like: Any) -> Any:
        tensors = dict(zip(self.names, pieces, strict=True))
        results = [
            Structured(form, {name: tensors[name] for name in form.factors}, None if tensors else like)
            for form in self.forms or ()
        ]
        if self.structure == "tensor":
            return results[0]
        named = isinstance(self.structure, tuple)
        return dict(zip(self.structure, results, strict=True)) if named else results

    def code(self, backend: str = "torch", *, comments: bool = True) -> str:
        """Source that runs when it is pasted into an empty file, for torch, numpy, jax or opt_einsum.

        Where it reads no array it takes a `dtype` (and for torch a `device`): the library's own unless given.
        With `forms` it has two functions: `plan` returns the pieces, `dense` makes the full results of them.
        Without `comments` no line says what it computes.

        Raises:
            BackendError: if no source is written for such a library.
        """
        premise = f"# Right for arrays of which this is true: {plain('; '.join(self.assumptions))}\n\n"
        if self.forms is None:
            text = emit(self.program, backend, self.structure, comments)
        else:
            text = self._two(backend, comments)
        return (premise if self.assumptions else "") + text

    def _two(self, backend: str, comments: bool) -> str:
        source = emit(self.program, backend, "list", comments)
        whole = Compiled(assembly(self.forms or ()), self.structure).code(backend, comments=comments)
        imports, _, body = whole.partition("\n\n\ndef plan(")
        missing = [line for line in imports.splitlines() if line not in source.splitlines()]
        pieces = ", ".join(self.names)
        returned = (
            f"plan returns [{pieces}], and dense(*plan(...)) is" if pieces else "nothing is left to compute:"
        )
        said = ["", f"# {returned}", *(f"# {plain(text)}" for text in self.formulas())]
        return "\n".join([*missing, source, *(said if comments else [""]), f"def dense({body}"])

    def formulas(self) -> list[str]:
        """How each structured result is made of its pieces.

        >>> Compiled(Program((), (), (), {}), "tensor", forms=[Form(("i",), (2,), ())]).formulas()
        ['result[i] = 0']
        """
        pairs = [] if self.forms is None else zip(self.results, self.forms, strict=True)
        return [f"{indexed(name, form.edges)} = {form}" for name, form in pairs]

    def function(self, backend: str, *, comments: bool = True) -> Callable[..., Any]:
        """The function that `code(backend)` defines, made once; with `comments` its tracebacks show these."""
        if backend not in self._functions:
            self._functions[backend] = _executed(self.code(backend, comments=comments), backend)
        return self._functions[backend]

    def __getstate__(self) -> dict[str, Any]:
        """Everything but compiled functions, which are made again where they are needed."""
        return {**self.__dict__, "_functions": {}}


@dataclass(frozen=True, repr=False)
class Structured:
    """A tensor as a sum of terms: each a coefficient, deltas, and factors that name `tensors`.

    >>> from fractions import Fraction
    >>> from tensorgrad_eg.program.forms import Factor
    >>> form = Form(("i", "j"), (2, 2), (Term(Fraction(3), (("i", "j"),), (Factor("d", ("i",)),)),))
    >>> result = Structured(form, {"d": np.array([1.0, 2.0])})
    >>> result
    <Structured: 3 δ[i,j] d[i]; shape (2, 2), 2 of 4 entries stored>
    >>> result.dense().tolist()
    [[3.0, 0.0], [0.0, 6.0]]
    """

    form: Form
    tensors: Mapping[str, Any]
    like: Any = field(default=None, compare=False)

    @property
    def edges(self) -> tuple[str, ...]:
        """The edges of the tensor, in the order of the axes of `dense()`."""
        return self.form.edges

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of the edges."""
        return self.form.shape

    @property
    def terms(self) -> tuple[Term, ...]:
        """The terms: `coefficient`, `deltas` (pairs of edges) and `factors` (a `name` and its `edges`)."""
        return self.form.terms

    def dense(self) -> Any:
        """The tensor itself, an array of the same library as the arrays it was computed from."""
        function = _assembler(self.form)
        names = [given.name for given in function.inputs]
        like = self.tensors[names[0]] if names else self.like
        backend = _kind(like)
        if names:
            return function.function(backend)(*(self.tensors[name] for name in names))
        options = (like.dtype, like.device) if backend == "torch" else () if like is None else (like.dtype,)
        return function.function(backend)(*options)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """The dense tensor for NumPy."""
        return np.asarray(self.dense(), dtype=dtype)

    def __str__(self) -> str:
        """As on the blackboard, such as `2 δ[i,j] T[a,b]`."""
        return str(self.form)

    def __repr__(self) -> str:
        """The terms and what they save."""
        stored = f"{self.form.entries:,} of {self.form.size:,} entries stored"
        return f"<Structured: {self}; shape {self.shape}, {stored}>"


@lru_cache(maxsize=256)
def _assembler(form: Form) -> Compiled:
    """The program that multiplies a form out."""
    return Compiled(assembly([form]), "tensor")


def _executed(source: str, backend: str) -> Callable[..., Any]:
    """The function `plan` of a source; tracebacks show its lines."""
    name = f"<plan {backend} {abs(hash(source)):x}>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    namespace: dict[str, Any] = {"__name__": name}
    try:
        exec(compile(source, name, "exec"), namespace)
    except ModuleNotFoundError as error:
        package = (error.name or backend).split(".")[0]
        raise MissingExtraError.of(package, package, f"plan.function({backend!r}) runs") from error
    function: Callable[..., Any] = namespace["plan"]
    return function

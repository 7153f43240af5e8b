"""Arrays given to a plan: which library they are of, and whether they are what the plan was made for.

>>> import numpy as np
>>> from tensorgrad_eg.program.program import Input, Program
>>> program = Program((Input("A", ("i", "k"), ("i", "k")),), (), (), {}, {"i": 2, "k": 3})
>>> Signature(program).bind({"A": np.zeros((3, 2))})
Traceback (most recent call last):
tensorgrad_eg.errors.ArrayShapeError: array A has shape (3, 2), but its edges (i, k) have sizes (2, 3). \
Its axes are in the wrong order: transpose it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from tensorgrad_eg.errors import (
    ArrayKindError,
    ArrayNameError,
    ArrayShapeError,
    ProgramError,
)
from tensorgrad_eg.program.program import Input, Program


def kind(array: Any) -> str:
    """The library of an array: torch, jax or numpy; numbers and lists count as numpy.

    >>> kind([1.0, 2.0])
    'numpy'
    """
    found = _KINDS.get(type(array))
    if found is None:
        found = _KINDS[type(array)] = _kind_of(type(array))
    return found


_KINDS: dict[type, str] = {}


def _kind_of(array_type: type) -> str:
    # A subclass of torch.Tensor may live anywhere: its bases tell.
    packages = {base.__module__.split(".")[0] for base in array_type.__mro__}
    return "torch" if "torch" in packages else "jax" if packages & {"jax", "jaxlib"} else "numpy"


class Signature:
    """What a program wants to be given: computed once, compared with the arrays of every call.

    >>> from tensorgrad_eg.program.program import Input, Program
    >>> signature = Signature(Program((Input("x", ("i",), (2,)),), (), (), {}))
    >>> backend, bound = signature.bind({"x": [1, 2]})
    >>> backend, bound["x"].dtype
    ('numpy', dtype('float64'))
    """

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
            return kind(next(iter(arrays.values()))), dict(arrays)
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
        if type(first) is not np.ndarray and kind(first) == "numpy":
            return False
        same, dtype, torch = type(first), first.dtype, kind(first) == "torch"
        floating = dtype.is_floating_point if torch else dtype.kind == "f"
        alike = bool(floating) and all(
            type(array) is same and array.dtype == dtype and array.shape == self.shapes[name]
            for name, array in arrays.items()
        )
        return alike and (
            not torch or (len({(a.device, a.layout) for a in arrays.values()}) == 1 and _dense(first))
        )


def _is_array(array: object) -> bool:
    return kind(array) != "numpy" or isinstance(array, np.ndarray)


def _plain(name: str, array: Any) -> Any:
    """An array without the manners of a subclass: a matrix, for one, would multiply where others do not."""
    if kind(array) != "numpy":
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
    tensors = {name: array for name, array in arrays.items() if kind(array) == "torch"}
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
    kinds = {kind(array): name for name, array in reversed(list(arrays.items())) if _is_array(array)}
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

    tensors = {name: array for name, array in arrays.items() if kind(array) == "torch"}
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

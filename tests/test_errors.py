"""Errors: one base, the builtins one would catch, and messages that are instructions."""

from __future__ import annotations

import inspect
import pickle

import pytest

from tensorgrad_eg import errors
from tensorgrad_eg.errors import (
    ArrayNameError,
    ArrayShapeError,
    BackendError,
    CheckError,
    MissingExtraError,
    MissingSizeError,
    RuleFileNotFoundError,
    SizeError,
    TensorgradError,
    UnknownEdgeError,
    suggestion,
)

CLASSES = [
    error
    for _, error in inspect.getmembers(errors, inspect.isclass)
    if issubclass(error, Exception) and error is not TensorgradError
]

BUILTINS = {
    "UnknownEdgeError": KeyError,
    "SumEdgeError": KeyError,
    "DuplicateEdgeError": ValueError,
    "NameFormatError": ValueError,
    "SizeError": ValueError,
    "MissingSizeError": ValueError,
    "NotAVariableError": TypeError,
    "VariableClashError": ValueError,
    "OperandError": TypeError,
    "NumberError": ValueError,
    "UnknownFunctionError": ValueError,
    "SubscriptsError": ValueError,
    "ParseError": ValueError,
    "ArrayShapeError": ValueError,
    "ArrayNameError": TypeError,
    "RuleFileNotFoundError": FileNotFoundError,
    "RuleError": ValueError,
    "MissingExtraError": ImportError,
    "BackendError": ValueError,
    "CheckError": AssertionError,
    "WrongPlanError": AssertionError,
    "RendererError": RuntimeError,
    "ForkedProcessError": RuntimeError,
    "TimeLimitError": TimeoutError,
    "WriteError": OSError,
    "DetachedPlanError": RuntimeError,
    "ArrayKindError": TypeError,
}


@pytest.mark.parametrize("error", CLASSES, ids=lambda error: error.__name__)
def test_class(error: type[TensorgradError]) -> None:
    """Each error is one of ours and a builtin, prints its message bare, and can be pickled."""
    assert issubclass(error, TensorgradError)
    assert issubclass(error, BUILTINS.get(error.__name__, ValueError))
    raised = error("what happened.")
    assert str(raised) == "what happened."
    again = pickle.loads(pickle.dumps(raised))
    assert type(again) is error
    assert str(again) == "what happened."


def test_suggestions() -> None:
    """Near names are suggested whatever their case, at most two, and always the same; far ones are not."""
    assert suggestion("Batch", ["batch", "features"]) == " Did you mean 'batch'?"
    assert suggestion("layer", ["layer_b", "layer_a"]) == " Did you mean 'layer_b' or 'layer_a'?"
    assert suggestion("sizes", ["tanh", "exp"]) == ""
    assert suggestion("a", []) == ""


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (UnknownEdgeError.of("j", "s", []), "s has no edge 'j'; its edges are: none."),
        (
            SizeError.of("k", "A[i,k]", 4, "x[k]", "n"),
            "edge 'k' has size 4 in A[i,k] but size n in x[k]. "
            "Rename one of the two, or give both one size: k=4.",
        ),
        (
            MissingSizeError.of(["k", "n"], {"i": 3}),
            "no size is given for: k, n. Add them, as in sizes={'i': 3, 'k': 10, 'n': 10}.",
        ),
        (
            ArrayShapeError.of("A", ["i", "k"], (3, 5), (3, 5, 1)),
            "array A has shape (3, 5, 1), but its edges (i, k) have sizes (3, 5). "
            "It should have 2 axes, one an edge, not 3.",
        ),
        (
            ArrayShapeError.of("A", ["i", "k"], (3, 5), (3, 6)),
            "array A has shape (3, 6), but its edges (i, k) have sizes (3, 5). "
            "Pass an array of these sizes, or plan for the other sizes with plan.resize(sizes).",
        ),
        (
            ArrayNameError.missing(["x", "y"], ["A", "x", "y"]),
            "missing arrays: x, y. The call needs: A=array, x=array, y=array.",
        ),
        (ArrayNameError.unknown("q", []), "no variable is named 'q'; the variables are: none."),
        (RuleFileNotFoundError.of("a.egg"), "there is no rule file 'a.egg'."),
        (
            BackendError.of("x", ["torch", "numpy"]),
            "there is no backend 'x'; the backends are: numpy, torch.",
        ),
        (
            MissingExtraError.of("ortools", "exact", "extract='exact' works"),
            "extract='exact' works only with the package ortools. "
            "Install it: pip install 'tensorgrad_eg[exact]'",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_message(error: TensorgradError, message: str) -> None:
    """Messages have the facts and the fix."""
    assert str(error) == message


def test_failed_check_is_short() -> None:
    """A failed check gives three digits of the error and says that it is not the user's fault."""
    message = str(CheckError.of("W", "autograd", 0.123456, 1e-9))
    assert "by 0.123 (relative), more than 1e-09" in message
    assert "please report" in message

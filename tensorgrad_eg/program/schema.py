"""What a plan file looks like: each object with its fields, their types, and how long or large they may be.

The library msgspec reads and writes JSON by these classes. A file that does not fit is refused, with the
place.

>>> msgspec.json.decode('{"name": "A", "edges": ["i"], "sizes": [1.5]}', type=InputData)
Traceback (most recent call last):
msgspec.ValidationError: Expected `int | str`, got `float` - at `$.sizes[0]`
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

FORMAT, VERSION = "tensorgrad_eg plan", 1

#: The longest file that is read, in bytes: a plan of a thousand steps has a few hundred thousand.
LONGEST = 50_000_000

_NAME = r"\A[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,10000}\Z"
#: An exact number, as `-2/3`: written out, for 1e99999999 is eleven letters and takes a minute to read.
_EXACT = r"\A-?[0-9]{1,4000}(/0*[1-9][0-9]{0,3999})?\Z"
#: A float as text, for JSON has no infinity.
_FLOAT = r"\A-?(inf|nan|[0-9]{1,30}(\.[0-9]{1,30})?(e[+-]?[0-9]{1,4})?)\Z"
#: What a text has to be that should match, in words.
PATTERNS = {
    _NAME: "a name, in characters that can be printed",
    _EXACT: "a fraction, such as '-2/3'",
    _FLOAT: "a number, such as '0.5' or 'inf'",
}
Name = Annotated[str, Meta(pattern=_NAME)]
Names = tuple[Name, ...]
Exact = Annotated[str, Meta(pattern=_EXACT)]
Float = Annotated[str, Meta(pattern=_FLOAT)]
Text = Annotated[str, Meta(max_length=1_000_000)]
Size = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class Data(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An object of a plan file: all of its fields are known."""


class InputData(Data, frozen=True, kw_only=True):
    """A variable."""

    name: Name
    edges: Names
    sizes: tuple[Size | Name, ...]


class OperandData(Data, frozen=True, kw_only=True):
    """A tensor as it is read."""

    tensor: Name
    edges: Names
    factor: Exact | None = None


class StepData(Data, frozen=True, kw_only=True):
    """An operation."""

    name: Name
    kind: Name
    edges: Names
    operands: tuple[OperandData, ...]
    over: Names = ()
    function: Text = ""
    label: Text = ""
    number: Exact | None = None
    value: Float | None = None


class OutputData(Data, frozen=True, kw_only=True):
    """A result."""

    reads: OperandData
    edges: Names
    names: Names


class FactorData(Data, frozen=True, kw_only=True):
    """A tensor in a term of a structured result."""

    name: Name
    edges: Names


class TermData(Data, frozen=True, kw_only=True):
    """A term of a structured result: its coefficient is exact, or a float, the `value`."""

    coefficient: Exact | None = None
    value: Float | None = None
    deltas: tuple[tuple[Name, Name], ...]
    factors: tuple[FactorData, ...]


class FormData(Data, frozen=True, kw_only=True):
    """A structured result."""

    edges: Names
    shape: tuple[Size, ...]
    terms: tuple[TermData, ...]


class BaselineData(Data, frozen=True, kw_only=True):
    """What ordinary ways cost."""

    flops: Annotated[int, Meta(ge=0)]
    modes: dict[Name, Annotated[int, Meta(ge=0)]]


class PlanData(Data, frozen=True, kw_only=True):
    """A plan."""

    format: Literal["tensorgrad_eg plan"]
    version: Literal[1]
    structure: Literal["tensor", "list"] | tuple[Text, ...]
    baseline: BaselineData
    report: Text | None
    sizes: dict[Name, Size]
    symbols: dict[Name, Size]
    inputs: tuple[InputData, ...]
    steps: tuple[StepData, ...]
    outputs: tuple[OutputData, ...]
    assumptions: tuple[Text, ...] = ()
    forms: tuple[FormData, ...] | None = None
    certificate: Text | None = None


class Header(msgspec.Struct, frozen=True):
    """What tells whether the rest can be read."""

    format: object = None
    version: object = None

"""Plans as files: JSON with a version, read strictly, written whole or not at all.

>>> parsed(written(Document(Program((), (), (), {}), "list", Baseline(7))).encode()).baseline
7
>>> parsed(b"[]")
Traceback (most recent call last):
tensorgrad_eg.errors.PlanFileError: this is not a plan: it should be a JSON object, not a list.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from os import PathLike
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from tensorgrad_eg.errors import PlanFileError, PlanFileNotFoundError, ProgramError
from tensorgrad_eg.expr.arrays import POINTWISE
from tensorgrad_eg.program import Input, Operand, Output, Program, Step, Structure
from tensorgrad_eg.program.cost import Baseline
from tensorgrad_eg.program.forms import Factor, Form, Term, assembly
from tensorgrad_eg.program.passes import fold

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


class _Data(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An object of a plan file: all of its fields are known."""


class _InputData(_Data, frozen=True, kw_only=True):
    """A variable."""

    name: Name
    edges: Names
    sizes: tuple[Size | Name, ...]


class _OperandData(_Data, frozen=True, kw_only=True):
    """A tensor as it is read."""

    tensor: Name
    edges: Names
    factor: Exact | None = None


class _StepData(_Data, frozen=True, kw_only=True):
    """An operation."""

    name: Name
    kind: Name
    edges: Names
    operands: tuple[_OperandData, ...]
    over: Names = ()
    function: Text = ""
    label: Text = ""
    number: Exact | None = None
    value: Float | None = None


class _OutputData(_Data, frozen=True, kw_only=True):
    """A result."""

    reads: _OperandData
    edges: Names
    names: Names


class _FactorData(_Data, frozen=True, kw_only=True):
    """A tensor in a term of a structured result."""

    name: Name
    edges: Names


class _TermData(_Data, frozen=True, kw_only=True):
    """A term of a structured result: its coefficient is exact, or a float, the `value`."""

    coefficient: Exact | None = None
    value: Float | None = None
    deltas: tuple[tuple[Name, Name], ...]
    factors: tuple[_FactorData, ...]


class _FormData(_Data, frozen=True, kw_only=True):
    """A structured result."""

    edges: Names
    shape: tuple[Size, ...]
    terms: tuple[_TermData, ...]


class _BaselineData(_Data, frozen=True, kw_only=True):
    """What ordinary ways cost."""

    flops: Annotated[int, Meta(ge=0)]
    modes: dict[Name, Annotated[int, Meta(ge=0)]]


class _PlanData(_Data, frozen=True, kw_only=True):
    """A plan."""

    format: Literal["tensorgrad_eg plan"]
    version: Literal[1]
    structure: Literal["tensor", "list"] | tuple[Text, ...]
    baseline: _BaselineData
    report: Text | None
    sizes: dict[Name, Size]
    symbols: dict[Name, Size]
    inputs: tuple[_InputData, ...]
    steps: tuple[_StepData, ...]
    outputs: tuple[_OutputData, ...]
    assumptions: tuple[Text, ...] = ()
    forms: tuple[_FormData, ...] | None = None
    certificate: Text | None = None


class _Header(msgspec.Struct, frozen=True):
    """What tells whether the rest can be read."""

    format: object = None
    version: object = None


@dataclass(frozen=True)
class Document:
    """What a file holds of a plan.

    >>> Document(Program((), (), (), {}), "list", Baseline(7)).forms is None
    True
    """

    program: Program
    structure: Structure
    baseline: Baseline
    report: str | None = None
    certificate: str | None = None
    assumptions: tuple[str, ...] = ()
    forms: tuple[Form, ...] | None = None


def content(path: str | PathLike[str]) -> bytes:
    """What a file contains, up to a length that no plan has.

    Raises:
        PlanFileNotFoundError: if there is no such file.
        PlanFileError: if it cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            return file.read(LONGEST + 1)
    except FileNotFoundError:
        near = sorted(str(other) for other in Path(path).parent.glob("*.json"))
        raise PlanFileNotFoundError.of(path, near) from None
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or error
        raise PlanFileError(f"{str(path)!r} cannot be read as a plan: {problem}.") from None


def written(plan: Document) -> str:
    """A plan as JSON text; the same plan gives the same text.

    >>> msgspec.json.decode(written(Document(Program((), (), (), {}), "list", Baseline(0))))["version"]
    1
    """
    program, baseline = plan.program, plan.baseline
    data = _PlanData(
        format="tensorgrad_eg plan",
        version=1,
        structure=plan.structure,
        baseline=_BaselineData(flops=int(baseline), modes=baseline.modes),
        report=plan.report,
        sizes=dict(program.sizes),
        symbols=dict(program.symbols),
        inputs=tuple(_InputData(name=i.name, edges=i.edges, sizes=i.sizes) for i in program.inputs),
        steps=tuple(map(_step_data, program.steps)),
        outputs=tuple(
            _OutputData(reads=_operand_data(o.operand), edges=o.edges, names=o.names) for o in program.outputs
        ),
        assumptions=plan.assumptions,
        forms=None if plan.forms is None else tuple(map(_form_data, plan.forms)),
        certificate=plan.certificate,
    )
    return msgspec.json.format(msgspec.json.encode(data), indent=1).decode() + "\n"


def parsed(data: bytes) -> Document:
    """What bytes describe, if that is a program that runs.

    Raises:
        PlanFileError: if it is no plan, or does not hold a program that runs.
    """
    if len(data) > LONGEST:
        raise PlanFileError(f"this is not a plan: it has more than {LONGEST:,} bytes.")
    try:
        header = msgspec.json.decode(data, type=_Header)
        _check_header(header)
        return _plan(msgspec.json.decode(data, type=_PlanData))
    except msgspec.ValidationError as error:
        raise _told(str(error)) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise PlanFileError(f"this is not a plan: it is not JSON ({error}).") from None
    except ProgramError as error:
        raise PlanFileError.damaged(str(error)) from None


def _check_header(header: _Header) -> None:
    if header.format != FORMAT:
        raise PlanFileError(f"this is not a plan: its format is {header.format!r}, not {FORMAT!r}.")
    if type(header.version) is not int or header.version != VERSION:
        raise PlanFileError(
            f"this plan has version {header.version}; this release reads version {VERSION}. "
            "Make the plan again, or update tensorgrad_eg."
        )


def _told(problem: str) -> PlanFileError:
    """What msgspec found, in the words of a reader: where, what, and what it should be."""
    found, _, place = problem.partition(" - at `$.")
    for pattern, words in PATTERNS.items():
        found = found.replace(f"`str` matching regex {pattern!r}", words)
    if found.startswith("Expected `object`") and not place:
        kind = found.split("`")[3].replace("array", "list")
        return PlanFileError(f"this is not a plan: it should be a JSON object, not a {kind}.")
    return PlanFileError.damaged(f"{place.strip('`')}: {found}" if place else found)


# ---- from a plan to data


def _operand_data(operand: Operand) -> _OperandData:
    factor = None if operand.factor == 1 else str(operand.factor)
    return _OperandData(tensor=operand.tensor, edges=operand.edges, factor=factor)


def _step_data(step: Step) -> _StepData:
    return _StepData(
        name=step.name,
        kind=step.kind,
        edges=step.edges,
        operands=tuple(map(_operand_data, step.operands)),
        over=step.over,
        function=step.function,
        label=step.label,
        number=None if step.number is None else str(step.number),
        value=None if step.value is None else repr(step.value),
    )


def _form_data(form: Form) -> _FormData:
    return _FormData(edges=form.edges, shape=form.shape, terms=tuple(map(_term_data, form.terms)))


def _term_data(term: Term) -> _TermData:
    number = term.coefficient
    exact = isinstance(number, Fraction)
    return _TermData(
        coefficient=str(number) if exact else None,
        value=None if exact else repr(number),
        deltas=term.deltas,
        factors=tuple(_FactorData(name=f.name, edges=f.edges) for f in term.factors),
    )


# ---- from data to a plan that runs


def _plan(data: _PlanData) -> Document:
    program = Program(
        tuple(Input(given.name, given.edges, given.sizes) for given in data.inputs),
        tuple(map(_step, data.steps)),
        tuple(Output(_operand(out.reads), out.edges, out.names) for out in data.outputs),
        data.sizes,
        data.symbols,
    )
    program.validate()
    for out in data.outputs:
        _distinct(out.names, "edges of a result")
    found = len(program.outputs if data.forms is None else data.forms)
    structure = data.structure
    count = 1 if structure == "tensor" else len(structure) if isinstance(structure, tuple) else found
    if count != found:
        raise PlanFileError.damaged(f"it has {found} results, not {count}")
    if isinstance(structure, tuple):
        _distinct(structure, "results")
    baseline = Baseline(data.baseline.flops, data.baseline.modes)
    forms = None if data.forms is None else tuple(map(_form, data.forms))
    about = (data.report, data.certificate, data.assumptions, forms)
    return Document(fold(program), structure, baseline, *about)


def _operand(data: _OperandData) -> Operand:
    return Operand(data.tensor, data.edges, Fraction(data.factor or 1))


def _step(data: _StepData) -> Step:
    if data.function and data.function not in POINTWISE:
        raise PlanFileError.damaged(f"there is no function {data.function!r}")
    return Step(
        data.name,
        data.kind,
        tuple(map(_operand, data.operands)),
        data.edges,
        data.over,
        data.function,
        None if data.number is None else Fraction(data.number),
        None if data.value is None else float(data.value),
        data.label,
    )


def _form(data: _FormData) -> Form:
    if len(data.edges) != len(data.shape):
        raise PlanFileError.damaged(f"{list(data.shape)} are no sizes of the edges {list(data.edges)}")
    _distinct(data.edges, "edges of a result")
    form = Form(data.edges, data.shape, tuple(map(_term, data.terms)))
    used = {edge for term in form.terms for pair in term.deltas for edge in pair}
    used |= {edge for term in form.terms for factor in term.factors for edge in factor.edges}
    if not used <= set(form.edges):
        raise PlanFileError.damaged(f"a term has other edges than {list(form.edges)}")
    return form


def _term(data: _TermData) -> Term:
    factors = tuple(Factor(factor.name, factor.edges) for factor in data.factors)
    if data.coefficient is not None and data.value is None:
        return Term(Fraction(data.coefficient), data.deltas, factors)
    if data.value is not None and data.coefficient is None:
        return Term(float(data.value), data.deltas, factors)
    raise PlanFileError.damaged("a term has one number, a coefficient or a value")


def check_pieces(program: Program, names: Sequence[str], forms: Sequence[Form]) -> None:
    """The results can be put together of what the program computes under these names.

    Raises:
        PlanFileError: if they cannot.
    """
    try:
        assembly(forms).validate()
    except ProgramError as error:
        raise PlanFileError.damaged(str(error)) from None
    shapes = {
        name: tuple(program.sizes[edge] for edge in out.edges)
        for name, out in zip(names, program.outputs, strict=True)
    }
    for form in forms:
        for factor in (factor for term in form.terms for factor in term.factors):
            if tuple(form.sizes[edge] for edge in factor.edges) != shapes.get(factor.name):
                raise PlanFileError.damaged(f"it computes no tensor like the factor {factor}")


def _distinct(names: Iterable[str], what: str) -> None:
    listed = list(names)
    if len(set(listed)) < len(listed):
        raise PlanFileError.damaged(f"two {what} have one name: {listed}")

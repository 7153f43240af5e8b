"""Plans as files: JSON with a version, read strictly, written whole or not at all.

>>> from tensorgrad_eg.plan.plan import Plan
>>> from tensorgrad_eg.plan.program import Program
>>> from_json(to_json(Plan(Program((), (), (), {}), "list", 7))).baseline
7
>>> from_json("[]")
Traceback (most recent call last):
tensorgrad_eg.errors.PlanFileError: this is not a plan: it should be a JSON object, not a list.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from os import PathLike
from pathlib import Path

import msgspec

from tensorgrad_eg.errors import PlanFileError, PlanFileNotFoundError
from tensorgrad_eg.expr.pointwise import POINTWISE
from tensorgrad_eg.plan import schema
from tensorgrad_eg.plan.folding import fold
from tensorgrad_eg.plan.forms import Factor, Form, Term, assembly
from tensorgrad_eg.plan.plan import Baseline, Plan
from tensorgrad_eg.plan.program import Input, Operand, Output, Program, ProgramError, Step
from tensorgrad_eg.plan.structured import StructuredPlan
from tensorgrad_eg.writing import write_file


def save(plan: Plan, path: str | PathLike[str]) -> None:
    """Write a plan to a file. A file that was there is replaced in one step: nobody ever sees half a plan.

    Raises:
        WriteError: if there is no such folder, if the path is one, or if writing is not permitted.

    Example:
        >>> from tempfile import mkdtemp
        >>> from tensorgrad_eg.plan.program import Program
        >>> path = Path(mkdtemp(), "plan.json")
        >>> save(Plan(Program((), (), (), {}), "list", 0), path)
        >>> load(path).steps
        ()
    """
    write_file(path, to_json(plan))


def load(path: str | PathLike[str]) -> Plan:
    """Read a plan from a file. It runs and emits; what needs its expressions says that it was loaded.

    Raises:
        PlanFileNotFoundError: if there is no such file.
        PlanFileError: if it cannot be read, is no plan, or does not hold a program that runs.

    Example:
        >>> load("no such file")
        Traceback (most recent call last):
        tensorgrad_eg.errors.PlanFileNotFoundError: there is no plan file 'no such file'.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(schema.LONGEST + 1)
    except FileNotFoundError:
        near = sorted(str(other) for other in Path(path).parent.glob("*.json"))
        raise PlanFileNotFoundError.of(path, near) from None
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or error
        raise PlanFileError(f"{str(path)!r} cannot be read as a plan: {problem}.") from None
    try:
        return _read(data)
    except PlanFileError as error:
        raise PlanFileError(f"{str(path)!r}: {error}") from None


def to_json(plan: Plan) -> str:
    """A plan as JSON text; the same plan gives the same text.

    >>> from tensorgrad_eg.plan.program import Program
    >>> msgspec.json.decode(to_json(Plan(Program((), (), (), {}), "list", 0)))["version"]
    1
    """
    program, baseline = plan.program, plan.baseline
    data = schema.PlanData(
        format="tensorgrad_eg plan",
        version=1,
        structure=plan.structure,
        baseline=schema.BaselineData(flops=int(baseline), modes=baseline.modes),
        report=None if plan.report is None else str(plan.report),
        sizes=dict(program.sizes),
        symbols=dict(program.symbols),
        inputs=tuple(schema.InputData(name=i.name, edges=i.edges, sizes=i.sizes) for i in program.inputs),
        steps=tuple(map(_step_data, program.steps)),
        outputs=tuple(
            schema.OutputData(reads=_operand_data(o.operand), edges=o.edges, names=o.names)
            for o in program.outputs
        ),
        assumptions=plan.assumptions,
        forms=tuple(map(_form_data, plan.forms)) if isinstance(plan, StructuredPlan) else None,
        certificate=None if plan.certificate is None else str(plan.certificate),
    )
    return msgspec.json.format(msgspec.json.encode(data), indent=1).decode() + "\n"


def from_json(text: str) -> Plan:
    """The plan that a text describes.

    Raises:
        PlanFileError: if it is no plan, or does not hold a program that runs.

    Example:
        >>> from_json('{"format": "tensorgrad_eg plan", "version": 99}')
        Traceback (most recent call last):
        tensorgrad_eg.errors.PlanFileError: this plan has version 99; this release reads version 1. Make the
        plan again, or update tensorgrad_eg.
    """
    return _read(text.encode("utf-8", "surrogatepass"))


def _read(data: bytes) -> Plan:
    if len(data) > schema.LONGEST:
        raise PlanFileError(f"this is not a plan: it has more than {schema.LONGEST:,} bytes.")
    try:
        header = msgspec.json.decode(data, type=schema.Header)
        _check_header(header)
        return _plan(msgspec.json.decode(data, type=schema.PlanData))
    except msgspec.ValidationError as error:
        raise _told(str(error)) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise PlanFileError(f"this is not a plan: it is not JSON ({error}).") from None
    except ProgramError as error:
        raise PlanFileError.damaged(str(error)) from None


def _check_header(header: schema.Header) -> None:
    if header.format != schema.FORMAT:
        raise PlanFileError(f"this is not a plan: its format is {header.format!r}, not {schema.FORMAT!r}.")
    if type(header.version) is not int or header.version != schema.VERSION:
        raise PlanFileError(
            f"this plan has version {header.version}; this release reads version {schema.VERSION}. "
            "Make the plan again, or update tensorgrad_eg."
        )


def _told(problem: str) -> PlanFileError:
    """What msgspec found, in the words of a reader: where, what, and what it should be."""
    found, _, place = problem.partition(" - at `$.")
    for pattern, words in schema.PATTERNS.items():
        found = found.replace(f"`str` matching regex {pattern!r}", words)
    if found.startswith("Expected `object`") and not place:
        kind = found.split("`")[3].replace("array", "list")
        return PlanFileError(f"this is not a plan: it should be a JSON object, not a {kind}.")
    return PlanFileError.damaged(f"{place.strip('`')}: {found}" if place else found)


# ---- from a plan to data


def _operand_data(operand: Operand) -> schema.OperandData:
    factor = None if operand.factor == 1 else str(operand.factor)
    return schema.OperandData(tensor=operand.tensor, edges=operand.edges, factor=factor)


def _step_data(step: Step) -> schema.StepData:
    return schema.StepData(
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


def _form_data(form: Form) -> schema.FormData:
    return schema.FormData(edges=form.edges, shape=form.shape, terms=tuple(map(_term_data, form.terms)))


def _term_data(term: Term) -> schema.TermData:
    number = term.coefficient
    exact = isinstance(number, Fraction)
    return schema.TermData(
        coefficient=str(number) if exact else None,
        value=None if exact else repr(number),
        deltas=term.deltas,
        factors=tuple(schema.FactorData(name=f.name, edges=f.edges) for f in term.factors),
    )


# ---- from data to a plan that runs


def _plan(data: schema.PlanData) -> Plan:
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
    about = (fold(program), structure, baseline, data.report, None, data.certificate)
    if data.forms is None:
        return Plan(*about, arranged=True, assumptions=data.assumptions)
    forms = [_form(form) for form in data.forms]
    plan = StructuredPlan(*about, arranged=True, assumptions=data.assumptions, forms=forms)
    _check_pieces(plan)
    return plan


def _operand(data: schema.OperandData) -> Operand:
    return Operand(data.tensor, data.edges, Fraction(data.factor or 1))


def _step(data: schema.StepData) -> Step:
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


def _form(data: schema.FormData) -> Form:
    if len(data.edges) != len(data.shape):
        raise PlanFileError.damaged(f"{list(data.shape)} are no sizes of the edges {list(data.edges)}")
    _distinct(data.edges, "edges of a result")
    form = Form(data.edges, data.shape, tuple(map(_term, data.terms)))
    used = {edge for term in form.terms for pair in term.deltas for edge in pair}
    used |= {edge for term in form.terms for factor in term.factors for edge in factor.edges}
    if not used <= set(form.edges):
        raise PlanFileError.damaged(f"a term has other edges than {list(form.edges)}")
    return form


def _term(data: schema.TermData) -> Term:
    factors = tuple(Factor(factor.name, factor.edges) for factor in data.factors)
    if data.coefficient is not None and data.value is None:
        return Term(Fraction(data.coefficient), data.deltas, factors)
    if data.value is not None and data.coefficient is None:
        return Term(float(data.value), data.deltas, factors)
    raise PlanFileError.damaged("a term has one number, a coefficient or a value")


def _check_pieces(plan: StructuredPlan) -> None:
    """The results can be put together of what the program computes."""
    assembly(plan.forms).validate()
    sizes = plan.program.sizes
    shapes = {
        name: tuple(sizes[edge] for edge in out.edges)
        for name, out in zip(plan.names, plan.outputs, strict=True)
    }
    for form in plan.forms:
        for factor in (factor for term in form.terms for factor in term.factors):
            if tuple(form.sizes[edge] for edge in factor.edges) != shapes.get(factor.name):
                raise PlanFileError.damaged(f"it computes no tensor like the factor {factor}")


def _distinct(names: Iterable[str], what: str) -> None:
    listed = list(names)
    if len(set(listed)) < len(listed):
        raise PlanFileError.damaged(f"two {what} have one name: {listed}")

"""Plans as files: JSON with a version, checked line by line when it is read.

>>> from tensorgrad_eg.plan.plan import Plan
>>> from tensorgrad_eg.plan.program import Program
>>> from_json(to_json(Plan(Program((), (), (), {}), "list", 7))).baseline
7
>>> from_json("[]")
Traceback (most recent call last):
tensorgrad_eg.plan.store.PlanFileError: this is not a plan: it should be a JSON object, not a list.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from fractions import Fraction
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar, cast

from tensorgrad_eg.errors import TensorgradError
from tensorgrad_eg.expr.pointwise import POINTWISE
from tensorgrad_eg.plan.forms import Factor, Form, Term, assembly
from tensorgrad_eg.plan.plan import Baseline, Plan
from tensorgrad_eg.plan.program import Input, Operand, Output, Program, ProgramError, Step, Structure
from tensorgrad_eg.plan.structured import StructuredPlan

FORMAT, VERSION = "tensorgrad_eg plan", 1
T = TypeVar("T")


class PlanFileError(TensorgradError, ValueError):
    """A file that holds no plan, or a damaged one.

    >>> raise PlanFileError("this is not a plan")
    Traceback (most recent call last):
    tensorgrad_eg.plan.store.PlanFileError: this is not a plan
    """


def save(plan: Plan, path: str | PathLike[str]) -> None:
    """Write a plan to a file.

    >>> from tempfile import mkdtemp
    >>> from tensorgrad_eg.plan.program import Program
    >>> path = Path(mkdtemp(), "plan.json")
    >>> save(Plan(Program((), (), (), {}), "list", 0), path)
    >>> load(path).steps
    ()
    """
    Path(path).write_text(to_json(plan), encoding="utf-8")


def load(path: str | PathLike[str]) -> Plan:
    """Read a plan from a file. It runs and emits; what needs its expressions says that it was loaded.

    >>> load("no such file")
    Traceback (most recent call last):
    tensorgrad_eg.plan.store.PlanFileError: there is no plan file 'no such file'.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise PlanFileError(f"there is no plan file '{path}'.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise PlanFileError(f"'{path}' cannot be read as a plan: {error}.") from None
    try:
        return from_json(text)
    except PlanFileError as error:
        raise PlanFileError(f"'{path}': {error}") from None


def to_json(plan: Plan) -> str:
    """A plan as JSON text; the same plan gives the same text.

    >>> from tensorgrad_eg.plan.program import Program
    >>> json.loads(to_json(Plan(Program((), (), (), {}), "list", 0)))["version"]
    1
    """
    program = plan.program
    data = {
        "format": FORMAT,
        "version": VERSION,
        "structure": plan.structure if isinstance(plan.structure, str) else list(plan.structure),
        "baseline": {"flops": int(plan.baseline), "modes": plan.baseline.modes},
        "report": str(plan.report) if plan.report is not None else None,
        "sizes": dict(program.sizes),
        "symbols": dict(program.symbols),
        "inputs": [{"name": i.name, "edges": i.edges, "sizes": i.sizes} for i in program.inputs],
        "steps": [_step_data(step) for step in program.steps],
        "outputs": [
            {"reads": _operand_data(o.operand), "edges": o.edges, "names": o.names} for o in program.outputs
        ],
    }
    if plan.assumptions:
        data["assumptions"] = plan.assumptions
    if isinstance(plan, StructuredPlan):
        data["forms"] = [_form_data(form) for form in plan.forms]
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


def _form_data(form: Form) -> dict[str, Any]:
    terms = [
        {
            "coefficient": str(term.coefficient) if isinstance(term.coefficient, Fraction) else None,
            "value": None if isinstance(term.coefficient, Fraction) else repr(term.coefficient),
            "deltas": term.deltas,
            "factors": [{"name": factor.name, "edges": factor.edges} for factor in term.factors],
        }
        for term in form.terms
    ]
    kept = [{key: value for key, value in term.items() if value is not None} for term in terms]
    return {"edges": form.edges, "shape": form.shape, "terms": kept}


def _operand_data(operand: Operand) -> dict[str, Any]:
    data: dict[str, Any] = {"tensor": operand.tensor, "edges": operand.edges}
    return data if operand.factor == 1 else {**data, "factor": str(operand.factor)}


def _step_data(step: Step) -> dict[str, Any]:
    data: dict[str, Any] = {"name": step.name, "kind": step.kind, "edges": step.edges}
    data["operands"] = [_operand_data(operand) for operand in step.operands]
    # A float as text, for JSON has no infinity.
    numbers = {"number": step.number, "value": None if step.value is None else repr(step.value)}
    optional = {"over": step.over, "function": step.function, "label": step.label}
    data |= {key: value for key, value in optional.items() if value}
    return data | {key: str(value) for key, value in numbers.items() if value is not None}


def from_json(text: str) -> Plan:
    """The plan that a text describes.

    >>> from_json('{"format": "tensorgrad_eg plan", "version": 99}')
    Traceback (most recent call last):
    tensorgrad_eg.plan.store.PlanFileError: this plan has version 99; this release reads version 1. Make the
    plan again, or update tensorgrad_eg.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PlanFileError(f"this is not a plan: it is not JSON ({error}).") from None
    if not isinstance(data, dict):
        raise PlanFileError(f"this is not a plan: it should be a JSON object, not a {type(data).__name__}.")
    if data.get("format") != FORMAT:
        raise PlanFileError(f"this is not a plan: its format is {data.get('format')!r}, not {FORMAT!r}.")
    if data.get("version") != VERSION:
        raise PlanFileError(
            f"this plan has version {data.get('version')}; this release reads version {VERSION}. "
            "Make the plan again, or update tensorgrad_eg."
        )
    try:
        return _plan(data)
    except ProgramError as error:
        raise PlanFileError(f"this plan is damaged: {error}.") from None


def _plan(data: Mapping[str, Any]) -> Plan:
    program = Program(
        tuple(_input(item) for item in _objects(data, "inputs")),
        tuple(_step(item) for item in _objects(data, "steps")),
        tuple(_output(item) for item in _objects(data, "outputs")),
        _sizes(data, "sizes"),
        _sizes(data, "symbols"),
    )
    structure = data.get("structure")
    if isinstance(structure, list):
        structure = _names(data, "structure")
    elif structure not in ("tensor", "list"):
        raise PlanFileError(f"this plan is damaged: its structure is {structure!r}.")
    forms = [_form(item) for item in _objects(data, "forms")] if "forms" in data else None
    found = len(program.outputs if forms is None else forms)
    count = 1 if structure == "tensor" else len(structure) if isinstance(structure, tuple) else found
    if count != found:
        raise PlanFileError(f"this plan is damaged: it has {found} results, not {count}.")
    baseline = _field(data, "baseline", dict)
    total, modes = _field(baseline, "flops", int), _sizes(baseline, "modes", least=0)
    about = (program, cast(Structure, structure), Baseline(total, modes), data.get("report"))
    assumptions = _names(data, "assumptions") if "assumptions" in data else ()
    if forms is None:
        return Plan(*about, arranged=True, assumptions=assumptions)
    plan = StructuredPlan(*about, arranged=True, assumptions=assumptions, forms=forms)
    assembly(plan.forms).validate()
    shapes = {
        n: tuple(map(program.sizes.get, o.edges)) for n, o in zip(plan.names, plan.outputs, strict=True)
    }
    for form in forms:
        for factor in (factor for term in form.terms for factor in term.factors):
            if tuple(form.sizes[edge] for edge in factor.edges) != shapes.get(factor.name):
                raise PlanFileError(f"this plan is damaged: it computes no tensor like the factor {factor}.")
    return plan


def _form(item: Any) -> Form:
    edges, sizes = _names(item, "edges"), _field(item, "shape", list)
    if len(sizes) != len(edges) or not all(_is_size(size) for size in sizes):
        raise PlanFileError(f"this plan is damaged: {sizes} are no sizes of the edges {edges}.")
    form = Form(edges, tuple(sizes), tuple(_term(term) for term in _objects(item, "terms")))
    used = {edge for term in form.terms for pair in term.deltas for edge in pair}
    used |= {edge for term in form.terms for factor in term.factors for edge in factor.edges}
    if len(set(edges)) < len(edges) or not used <= set(edges):
        raise PlanFileError(f"this plan is damaged: a term has other edges than {edges}.")
    return form


def _term(item: Any) -> Term:
    value = _float(item) if "value" in item else None
    coefficient = (
        _fraction({"coefficient": _field(item, "coefficient", str)}, "coefficient")
        if value is None
        else value
    )
    factors = tuple(Factor(_field(f, "name", str), _names(f, "edges")) for f in _objects(item, "factors"))
    deltas = [_names({"deltas": pair}, "deltas") for pair in _field(item, "deltas", list)]
    if not all(len(pair) == 2 for pair in deltas):
        raise PlanFileError(f"this plan is damaged: {deltas} are no pairs of edges.")
    return Term(cast(Fraction | float, coefficient), tuple((i, j) for i, j in deltas), factors)


def _input(item: Any) -> Input:
    sizes = _field(item, "sizes", list)
    if not all(isinstance(size, str) or _is_size(size) for size in sizes):
        raise PlanFileError(f"this plan is damaged: the sizes {sizes} of an input are not sizes.")
    return Input(_field(item, "name", str), _names(item, "edges"), tuple(sizes))


def _operand(item: Any) -> Operand:
    return Operand(
        _field(item, "tensor", str), _names(item, "edges"), _fraction(item, "factor") or Fraction(1)
    )


def _output(item: Any) -> Output:
    return Output(_operand(_field(item, "reads", dict)), _names(item, "edges"), _names(item, "names"))


def _step(item: Any) -> Step:
    over = _names(item, "over") if "over" in item else ()
    text = {key: _field(item, key, str) for key in ("function", "label") if key in item}
    if text.get("function", "exp") not in POINTWISE:
        raise PlanFileError(f"this plan is damaged: there is no function {text['function']!r}.")
    operands = tuple(_operand(operand) for operand in _objects(item, "operands"))
    value = _float(item) if "value" in item else None
    name, kind = _field(item, "name", str), _field(item, "kind", str)
    return Step(
        name,
        kind,
        operands,
        _names(item, "edges"),
        over,
        number=_fraction(item, "number"),
        value=value,
        **text,
    )


def _field(item: Any, key: str, kind: type[T]) -> T:
    """A field of an object, of the right type."""
    if not isinstance(item, Mapping) or key not in item:
        raise PlanFileError(f"this plan is damaged: {key!r} is missing.")
    value = item[key]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise PlanFileError(
            f"this plan is damaged: {key!r} should be of type {kind.__name__}, but is {value!r}."
        )
    return value


def _objects(item: Any, key: str) -> list[Mapping[str, Any]]:
    objects: list[Any] = _field(item, key, list)
    if not all(isinstance(one, Mapping) for one in objects):
        raise PlanFileError(f"this plan is damaged: {key!r} should be a list of objects, but is {objects!r}.")
    return objects


def _names(item: Any, key: str) -> tuple[str, ...]:
    names: Sequence[Any] = _field(item, key, list)
    if not all(isinstance(name, str) and name.isprintable() for name in names):
        raise PlanFileError(f"this plan is damaged: {key!r} should be a list of names, but is {names!r}.")
    return tuple(names)


def _is_size(size: object, least: int = 1) -> bool:
    return isinstance(size, int) and not isinstance(size, bool) and size >= least


def _sizes(item: Any, key: str, least: int = 1) -> dict[str, int]:
    sizes = _field(item, key, dict)
    if not all(isinstance(name, str) and _is_size(size, least) for name, size in sizes.items()):
        raise PlanFileError(f"this plan is damaged: {key!r} should give numbers by name, but is {sizes!r}.")
    return cast(dict[str, int], sizes)


def _fraction(item: Any, key: str) -> Fraction | None:
    if key not in item:
        return None
    try:
        return Fraction(_field(item, key, str))
    except (ValueError, ZeroDivisionError):
        raise PlanFileError(
            f"this plan is damaged: {key!r} should be a fraction, but is {item[key]!r}."
        ) from None


def _float(item: Any) -> float:
    try:
        return float(_field(item, "value", str))
    except ValueError:
        raise PlanFileError(
            f"this plan is damaged: 'value' should be a number, but is {item['value']!r}."
        ) from None

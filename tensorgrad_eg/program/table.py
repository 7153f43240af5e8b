"""A plan as a table: what opt_einsum's PathInfo says, and for every step the formula, the kernel and the
outputs it serves.

>>> print(columns([["step", "flops"], ["1", "1,000"]], "<>"))
step  flops
-----------
1     1,000
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tensorgrad_eg.expr.operations import OPERATIONS, ENode
from tensorgrad_eg.expr.printing import Look, Text, indexed, multiple, written
from tensorgrad_eg.program import PACKING, Output, Program, Step
from tensorgrad_eg.program.cost import costs, distinct, held, lone, total_flops
from tensorgrad_eg.program.diagonals import added, passing


def blas(step: Step) -> str:
    """Which kernel does a step: a product of matrices (GEMM, batched BMM), of a matrix and a vector, or
    something simpler.
    """
    if step.kind != "contract" or len(step.operands) != 2:
        if step.kind in PACKING:
            return step.kind.upper()
        view = step.kind == "contract" and not step.over
        return "VIEW" if view else OPERATIONS[step.kind].kernel
    left, right = (distinct(operand.edges) for operand in step.operands)
    first = set(left) - set(lone(left, right, step.over))
    second = set(right) - set(lone(right, left, step.over))
    if not first & second & set(step.over):
        return "EW" if first & second or not (first and second) else "OUTER"
    batch = first & second - set(step.over)
    rows, columns = first - second, second - first
    name = "GEMM" if rows and columns else "GEMV" if rows or columns else "DOT"
    if batch:
        return {"GEMM": "BMM", "GEMV": "BMV", "DOT": "BDOT"}[name]
    plain = max(len(first), len(second)) <= 2 or name == "DOT"
    return name if plain else "TDOT" if name == "GEMM" else name


def _served(program: Program, names: Sequence[str]) -> dict[str, list[str]]:
    """For every step, the outputs that need it."""
    found: dict[str, set[int]] = {step.name: set() for step in program.steps}
    for number, out in enumerate(program.outputs):
        found.setdefault(out.operand.tensor, set()).add(number)
    for step in reversed(program.steps):
        for operand in step.operands:
            found.setdefault(operand.tensor, set()).update(found[step.name])
    return {step.name: _runs(sorted(found[step.name]), names) for step in program.steps}


def _runs(numbers: Sequence[int], names: Sequence[str]) -> list[str]:
    """Names of outputs, four and more in a row as first … last."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    if len(numbers) == len(names) > 1:
        return ["all"]
    long = [f"{names[run[0]]} … {names[run[-1]]}" if len(run) > 3 else "" for run in runs]
    return [
        text
        for run, short in zip(runs, long, strict=True)
        for text in ([short] if short else [names[n] for n in run])
    ]


def columns(rows: Sequence[Sequence[str]], sides: str) -> str:
    """Rows below one another, the first underlined; `sides` says which side each column keeps to."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(sides))]
    lines = [
        "  ".join(
            f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths, strict=True)
        ).rstrip()
        for row in rows
    ]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def _result_text(program: Program, out: Output, name: str) -> str:
    """An output as a formula: its name and edges, and the step or input it is."""
    names = dict(zip(out.edges, out.names, strict=True))
    source = indexed(out.operand.tensor, [names[edge] for edge in out.operand.edges])
    return f"{indexed(name, out.names)} = {source}"


def _step_rows(program: Program, names: Sequence[str]) -> list[list[str]]:
    """The header and a row for every step."""
    needed, price, size = _served(program, names), costs(program), held(program)
    views = passing(program, added(program))
    rows = [["step", "formula", "scaling", "kernel", "flops", "elements", "for"]]
    for number, step in enumerate(program.steps, 1):
        cost = f"{price[step.name]:,}"
        uses = ", ".join(needed[step.name])
        kernel = "VIEW" if step.name in views and step.kind != "delta" else blas(step)
        cells = [str(number), step_text(step), str(len(step.labels)), kernel, cost, f"{size[step.name]:,}"]
        rows.append([*cells, uses])
    return rows


def _summary(program: Program, baseline: int, modes: Mapping[str, int], peak: int) -> list[tuple[str, str]]:
    """The lines above the table: a name and a value each."""
    flops = total_flops(program)
    volumes = held(program).values()
    scaling = max((len(step.labels) for step in program.steps), default=0)
    count = len(program.steps)
    lines = [("Plan", f"{flops:,} flops in {count} step{'' if count == 1 else 's'}")]
    if baseline:
        lines.append(("Baseline", f"{baseline:,} flops{_modes(modes)}"))
        lines.append(("Ratio", f"{flops / baseline:.3g} of the baseline{_speedup(flops, baseline)}"))
    lines.append(("Scaling", f"{scaling} edges in the widest step"))
    lines.append(("Largest", f"{max(volumes, default=0):,} elements in one intermediate"))
    lines.append(("Peak", f"{peak:,} elements of intermediates at once"))
    return lines


def _modes(modes: Mapping[str, int]) -> str:
    if not modes:
        return ""
    return f" ({'; '.join(f'{mode}: {cost:,}' for mode, cost in modes.items())})"


def _speedup(flops: int, baseline: int) -> str:
    if not flops or flops >= baseline:
        return ""
    return f": {baseline / flops:.3g} times fewer"


def _sizes_text(sizes: Mapping[str, int]) -> str:
    """Sizes as `i=3, k=4`."""
    return ", ".join(f"{name}={size}" for name, size in sizes.items())


def table(program: Program, names: Sequence[str], baseline: int, modes: Mapping[str, int], peak: int) -> str:
    """The whole text: results, sizes, cost, and a row for every step.

    >>> print(table(Program((), (), (), {}), [], 0, {}, 0).splitlines()[0])
    Results    none
    """
    results = [_result_text(program, out, name) for out, name in zip(program.outputs, names, strict=True)]
    about = [("Results", result) for result in results[:1] or ["none"]] + [
        ("", result) for result in results[1:]
    ]
    about.append(("Sizes", _sizes_text(program.symbols or program.sizes) or "none"))
    about += _summary(program, baseline, modes, peak)
    head = "\n".join(f"{name:10} {value}" for name, value in about)
    if not program.steps:
        return head
    rows = _step_rows(program, names)
    flops = total_flops(program)
    written = sum(held(program).values())
    rows.append(["", "total", "", "", f"{flops:,}", f"{written:,}", ""])
    return f"{head}\n\n{columns(rows, '><><>><')}"


def step_text(step: Step) -> str:
    """A step as `name[labels] = formula`."""
    return f"{indexed(step.name, step.edges)} = {formula(step).text}"


def formula(
    step: Step, operands: Sequence[Text] | None = None, labels: Mapping[str, str] | None = None
) -> Text:
    """The right-hand side of a step, its labels replaced by `labels`; `operands` are the texts to use for
    what it reads.

    >>> from fractions import Fraction
    >>> from tensorgrad_eg.program import Operand
    >>> step = Step("t", "add", (Operand("a", ("i",)), Operand("b", ("i",), Fraction(-2))), ("i",))
    >>> formula(step, labels={"i": "row"}).text
    'a[row] - 2 b[row]'
    """
    new = labels or {}
    texts = operands or [Text(indexed(o.tensor, [new.get(e, e) for e in o.edges])) for o in step.operands]
    if step.kind == "constant":
        negative = (step.value or 0) < 0
        text = step.label or repr(step.value).removesuffix(".0")
        return Text(text, Look.SIGNED if negative or "/" in text else Look.ATOM)
    parts = [
        text if operand.factor == 1 else multiple(operand.factor, text)
        for operand, text in zip(step.operands, texts, strict=True)
    ]
    over = tuple(step.node.over) if step.kind == "solve" else step.over
    edges = [new.get(edge, edge) for edge in (over if parts else step.edges)]
    return written(step.node if step.kind in OPERATIONS else ENode(step.kind), parts, edges)

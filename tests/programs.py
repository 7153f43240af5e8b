"""Programs for the tests of plans and of source: a builder, random ones, and an interpreter."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tensorgrad_eg.expr.operations import OPERATIONS
from tensorgrad_eg.program import Input, Operand, Output, Program, Step, kinds

Labels = str | Sequence[str]
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "abs": abs,
    "cos": math.cos,
    "erf": math.erf,
    "exp": math.exp,
    "arctan": math.atan,
    "relu": lambda x: max(x, 0.0),
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)) if x > 0 else math.exp(x) / (1 + math.exp(x)),
    "sign": lambda x: float((x > 0) - (x < 0)),
    "sin": math.sin,
    "softplus": lambda x: max(x, 0.0) + math.log1p(math.exp(-abs(x))),
    "step": lambda x: float(x > 0),
    "tanh": math.tanh,
}


#: Operations on two tensors, entry by entry.
SEVERAL: dict[str, Callable[[Any, Any], Any]] = {
    "maximum": max,
    "minimum": min,
    "huber": lambda x, bound: x * x / 2 if abs(x) <= bound else bound * (abs(x) - bound / 2),
}


class Builder:
    """Writes programs step by step; an operand is a name, or a name with other labels: ("A", "ji")."""

    def __init__(self, **sizes: int) -> None:
        self.sizes = sizes
        self.inputs: list[Input] = []
        self.steps: list[Step] = []
        self.edges: dict[str, tuple[str, ...]] = {}

    def variable(self, name: str, edges: Labels) -> str:
        """Add a variable whose size symbols are its edges."""
        self.inputs.append(Input(name, tuple(edges), tuple(edges)))
        self.edges[name] = tuple(edges)
        return name

    def step(
        self, kind: str, *operands: Any, over: Labels = (), factors: Sequence[Any] = (), **fields: Any
    ) -> str:
        """Add a step; its axes are the labels of its operands in order, unless `edges` says otherwise."""
        read = [o if isinstance(o, tuple) else (o, self.edges[o]) for o in operands]
        given = [*factors, *[1] * (len(read) - len(factors))]
        used = tuple(Operand(n, tuple(e), Fraction(f)) for (n, e), f in zip(read, given, strict=True))
        labels = tuple(dict.fromkeys(edge for operand in used for edge in operand.edges))
        kept = tuple(edge for edge in labels if kind in ("softmax", "prod_others") or edge not in over)
        name = f"s{len(self.steps)}"
        self.edges[name] = tuple(fields.pop("edges", kept))
        self.steps.append(Step(name, kind, used, self.edges[name], tuple(sorted(over)), **fields))
        return name

    def mul(self, left: Any, right: Any, over: Labels = ()) -> str:
        """Add a product, summed over `over`."""
        return self.step("contract", left, right, over=over)

    def add(self, *operands: Any, factors: Sequence[Any] = ()) -> str:
        """Add a sum."""
        return self.step("add", *operands, factors=factors)

    def apply(self, function: str, operand: Any) -> str:
        """Add a pointwise function."""
        return self.step("apply", operand, function=function)

    def power(self, operand: Any, exponent: Any) -> str:
        """Add a power."""
        return self.step("power", operand, number=Fraction(exponent))

    def scale(self, number: Any, operand: Any) -> str:
        """Add a multiple."""
        return self.step("scale", operand, number=Fraction(number))

    def constant(self, value: float, label: str = "") -> str:
        """Add a number."""
        return self.step("constant", value=value, label=label)

    def delta(self, edges: Labels) -> str:
        """Add an identity."""
        return self.step("delta", edges=tuple(edges))

    def program(self, *outputs: Any) -> Program:
        """The program; an output is a name, or a name with the wanted order of its labels."""
        wanted = [out if isinstance(out, tuple) else (out, self.edges[out]) for out in outputs]
        results = tuple(Output(Operand(n, self.edges[n]), tuple(e), tuple(e)) for n, e in wanted)
        program = Program(tuple(self.inputs), tuple(self.steps), results, dict(self.sizes))
        program.validate()
        return program


def interpret(program: Program, arrays: Mapping[str, Any]) -> list[Any]:
    """Every output, in float64 and by definition: one step at a time, every product an einsum."""
    values = {name: np.asarray(array, dtype=np.float64) for name, array in arrays.items()}
    for step in program.steps:
        values[step.name] = _value(program, step, [values[operand.tensor] for operand in step.operands])
    results = []
    for out in program.outputs:
        kept = [edge for edge in out.edges if edge in out.operand.edges]
        value = _einsum([values[out.operand.tensor]], [out.operand.edges], kept)
        shape = [program.sizes[edge] if edge in kept else 1 for edge in out.edges]
        results.append(np.broadcast_to(value.reshape(shape), [program.sizes[edge] for edge in out.edges]))
    return results


def _einsum(values: Sequence[Any], edges: Sequence[Sequence[str]], out: Sequence[str]) -> Any:
    labels = list(dict.fromkeys(edge for one in edges for edge in one))
    pairs: list[Any] = []
    for value, one in zip(values, edges, strict=True):
        pairs += [value, [labels.index(edge) for edge in one]]
    return np.asarray(np.einsum(*pairs, [labels.index(edge) for edge in out]))


def _value(program: Program, step: Step, values: Sequence[Any]) -> Any:
    edges = [operand.edges for operand in step.operands]
    shape = [program.sizes[edge] for edge in step.edges]
    if step.kind == "constant":
        return np.asarray(step.value)
    if step.kind == "delta":
        return np.eye(shape[0])
    if step.kind in ("contract", "reduce"):
        return _einsum(values, edges, step.edges)
    if step.kind == "add":
        ones = np.ones(shape)
        pairs = zip(values, edges, strict=True)
        terms = [_einsum([value, ones], [one, step.edges], step.edges) for value, one in pairs]
        return sum(float(operand.factor) * term for operand, term in zip(step.operands, terms, strict=True))
    if step.kind in ("pack", "unpack"):
        return _packed(step, values[0], edges[0])
    if step.kind == "det":
        rest = [edge for edge in dict.fromkeys(edges[0]) if edge not in step.over]
        return _einsum([np.linalg.det(_einsum(values, edges, [*rest, *step.over]))], [rest], step.edges)
    if step.kind in ("softmax", "logsumexp"):
        return _normalised(step, values[0], edges[0])
    if step.kind in ("amax", "prod", "prod_others"):
        return _fibre(step, values[0], edges[0])
    if step.kind in SEVERAL:
        ones = np.ones(shape)
        spread = [
            _einsum([value, ones], [one, step.edges], step.edges)
            for value, one in zip(values, edges, strict=True)
        ]
        return np.vectorize(SEVERAL[step.kind], otypes=[float])(*spread)
    value = _einsum(values, edges, step.edges)
    if step.kind == "scale":
        return float(step.number or 0) * value
    if step.kind == "power":
        return value ** float(step.number or 0)
    return np.vectorize(FUNCTIONS[step.function], otypes=[float])(value)


def _normalised(step: Step, value: Any, edges: Sequence[str]) -> Any:
    exponentials = np.exp(_einsum([value], [edges], list(dict.fromkeys(edges))))
    labels = list(dict.fromkeys(edges))
    rest = [edge for edge in labels if edge not in step.over]
    total = _einsum([exponentials], [labels], rest)
    if step.kind == "logsumexp":
        return _einsum([np.log(total)], [rest], step.edges)
    return _einsum([exponentials, 1 / total], [labels, rest], step.edges)


def _fibre(step: Step, value: Any, edges: Sequence[str]) -> Any:
    labels = list(dict.fromkeys(edges))
    full = _einsum([value], [edges], labels)
    axes = tuple(labels.index(edge) for edge in step.over)
    if step.kind != "prod_others":
        rest = [edge for edge in labels if edge not in step.over]
        ended = np.max(full, axis=axes) if step.kind == "amax" else np.prod(full, axis=axes)
        return _einsum([ended], [rest], step.edges)
    (axis,) = axes
    parts = [np.prod(np.delete(full, n, axis), axis) for n in range(full.shape[axis])]
    return _einsum([np.stack(parts, axis)], [labels], step.edges)


def _packed(step: Step, value: Any, edges: Sequence[str]) -> Any:
    (i, j), (packed,) = step.packing
    if step.kind == "pack":
        rest = [edge for edge in edges if edge not in (i, j)]
        full = _einsum([value], [edges], [i, j, *rest])
        rows = [full[a, b] for a in range(len(full)) for b in range(a, len(full))]
        return _einsum([np.stack(rows)], [[packed, *rest]], step.edges)
    rest = [edge for edge in edges if edge != packed]
    rows = list(_einsum([value], [edges], [packed, *rest]))
    size = round((2 * len(rows) + 0.25) ** 0.5 - 0.5)
    places = {pair: n for n, pair in enumerate((a, b) for a in range(size) for b in range(a, size))}
    full = [[rows[places[min(a, b), max(a, b)]] for b in range(size)] for a in range(size)]
    return _einsum([np.asarray(full)], [[i, j, *rest]], step.edges)


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """A random program of all kinds: operands read under other labels, diagonals, lone sums, broadcasting."""
    sizes = {label: draw(st.integers(1, 3)) for label in "ijk"}
    # A label and its capital have one size, so that a tensor can be read under two sets of names.
    sizes |= {label.upper(): size for label, size in sizes.items()}
    builder = Builder(**sizes)
    for name in ("A", "b", "C")[: draw(st.integers(1, 3))]:
        builder.variable(name, draw(st.permutations("ijkIJK"))[: draw(st.sampled_from([3, 2, 4, 1, 0]))])
    for _ in range(draw(st.integers(1, 7))):
        _random_step(draw, builder)
    last = builder.steps[-1].name
    others = draw(st.lists(st.sampled_from(sorted(builder.edges)), max_size=2))
    return builder.program(*[_random_output(draw, builder, name) for name in [last, *others]])


ROLES = {"batch": "lro", "row": "lo", "column": "ro", "summed": "lr", "lone left": "l", "lone right": "r"}


@st.composite
def single_products(draw: st.DrawFn) -> Program:
    """One product of two tensors, every label of which has a role, all axes in any order."""
    roles = ["batch", "row", "column", "summed"] * 2 + ["lone left", "lone right"]
    labels = dict(zip("abcdefg", draw(st.permutations(roles))[: draw(st.integers(1, 6))], strict=False))
    builder = Builder(**{label: draw(st.integers(1, 3)) for label in labels})
    axes = {side: [label for label, role in labels.items() if side in ROLES[role]] for side in "lro"}
    left, right, out = (draw(st.permutations(axes[side])) for side in "lro")
    over = [label for label in labels if label not in out]
    builder.step("contract", builder.variable("L", left), builder.variable("R", right), over=over, edges=out)
    return builder.program((builder.steps[0].name, draw(st.permutations(out))))


@st.composite
def networks(draw: st.DrawFn) -> Program:
    """A tensor network that is contracted pair by pair, every intermediate read once."""
    builder = Builder(**{label: draw(st.integers(1, 3)) for label in "ijklm"})
    for name in "ABCDE"[: draw(st.integers(2, 5))]:
        builder.variable(name, draw(st.permutations("ijklm"))[: draw(st.integers(1, 3))])
    waiting = [given.name for given in builder.inputs]
    free = draw(st.lists(st.sampled_from("ijklm"), unique=True, max_size=2))
    while len(waiting) > 1:
        left, right = (waiting.pop(draw(st.integers(0, len(waiting) - 1))) for _ in range(2))
        still = {label for name in waiting for label in builder.edges[name]} | set(free)
        over = sorted({*builder.edges[left], *builder.edges[right]} - still)
        waiting.append(builder.mul(left, right, over))
    return builder.program(waiting[0])


@st.composite
def sums_with_diagonals(draw: st.DrawFn) -> Program:
    """A sum of products and of tensors on diagonals, in any order and with any factors; read by a product."""
    builder = Builder(**dict.fromkeys("iI", draw(st.integers(1, 3))), a=2, b=3)
    axes = draw(st.sampled_from(["iI", "iIa", "iIab"]))
    terms = []
    for n in range(draw(st.integers(1, 3))):
        own = draw(st.permutations(axes))
        cut = draw(st.integers(0, len(own)))
        product = builder.mul(builder.variable(f"L{n}", own[:cut]), builder.variable(f"R{n}", own[cut:]))
        terms.append(product if draw(st.booleans()) else builder.scale(2, product))
    delta = builder.delta("iI")
    for n in range(draw(st.integers(1, 3))):
        part = builder.scale(3, delta) if draw(st.integers(0, 3)) == 0 else delta
        own = [draw(st.sampled_from(["", "i", "I"])), *axes[2 : draw(st.integers(2, 4))]]
        vector = builder.variable(f"d{n}", draw(st.permutations("".join(own))))
        pair = draw(st.permutations([part, vector]))
        terms.append(part if draw(st.integers(0, 4)) == 0 else builder.mul(*pair))
    terms = draw(st.permutations(terms))
    factors = [draw(st.sampled_from([1, 1, -1, 2, Fraction(-1, 3)])) for _ in terms]
    total = builder.add(*terms, factors=factors)
    if draw(st.booleans()):
        weight = builder.variable("w", draw(st.sampled_from(["i", "I"])))
        return builder.program(builder.mul(total, weight, builder.edges[weight]))
    others = draw(st.lists(st.sampled_from(terms), max_size=1))
    return builder.program((total, draw(st.permutations(builder.edges[total]))), *others)


def _random_output(draw: st.DrawFn, builder: Builder, name: str) -> tuple[str, list[str]]:
    missing = [label for label in "ijk" if label not in builder.edges[name]]
    extra = missing[: draw(st.integers(0, 1))]
    return name, draw(st.permutations([*builder.edges[name], *extra]))


def _random_operand(draw: st.DrawFn, builder: Builder) -> tuple[str, tuple[str, ...]]:
    name = draw(st.sampled_from(sorted(builder.edges)))
    # The letters of one size are i and I: two axes of one size may get one label, which reads a diagonal.
    edges = builder.edges[name]
    if draw(st.booleans()):
        edges = tuple(edge.swapcase() for edge in edges)  # the same sizes, other names
    if draw(st.integers(0, 4)) == 0:
        edges = tuple(draw(st.sampled_from([edge.lower(), edge.upper()])) for edge in edges)
    return name, edges


#: Operations that jump, have poles, or have no real value everywhere.
_JUMPING = ("greater", "greater_equal", "equal", "where", "raised", "polygamma")
_FIBRES = ("reduce", "softmax", "logsumexp", "amax", "prod", "prod_others")


def _random_step(draw: st.DrawFn, builder: Builder) -> None:
    kind = draw(st.sampled_from(["contract"] * 3 + [kind for kind in kinds() if kind not in _JUMPING]))
    if kind in ("pack", "unpack"):
        _random_half(draw, builder)
        return
    if kind == "constant":
        builder.constant(draw(st.sampled_from([0.5, -2.0, 3.0])), draw(st.sampled_from(["", "1/|b|"])))
        return
    if kind == "delta":
        builder.delta(draw(st.sampled_from(["iI", "jJ", "Kk"])))
        return
    pairs = ("contract", *SEVERAL)
    count = 2 if kind in pairs else draw(st.integers(2, 3)) if kind == "add" else 1
    operands = [_random_operand(draw, builder) for _ in range(count)]
    labels = sorted({label for _, edges in operands for label in edges})
    over: list[str] = []
    if kind in ("contract", *_FIBRES) and labels:
        shared = [label for label in labels if all(label in edges for _, edges in operands)] or labels
        pool = shared if draw(st.integers(0, 3)) else labels
        most = 1 if kind in ("prod", "prod_others") else 3
        over = draw(st.lists(st.sampled_from(pool), unique=True, max_size=most))
    if OPERATIONS[kind].matrix:
        # Only determinants: what else is made of a matrix is no number close to a singular one.
        over = draw(st.sampled_from([[*pair] for pair in ("Ii", "Jj", "Kk") if {*pair} <= {*labels}] or [[]]))
        kind = "det"
    if kind in (*_FIBRES, "det") and not over:
        kind = "scale"
    fields: dict[str, Any] = {}
    kept = [label for label in labels if kind in ("softmax", "prod_others") or label not in over]
    fields["edges"] = draw(st.permutations(kept))
    if kind == "add":
        fields["factors"] = [draw(st.sampled_from([1, -1, 2, Fraction(-1, 3)])) for _ in operands]
    if kind == "scale":
        fields["number"] = draw(st.sampled_from([Fraction(-1), Fraction(2), Fraction(1, 7), Fraction(-2, 3)]))
    if kind == "apply":
        # The others grow too fast, or jump.
        smooth = sorted(set(FUNCTIONS) - {"exp", "sign", "step"})
        fields["function"] = draw(st.sampled_from(smooth))
    if kind == "power":
        # Only even whole powers: what is negative has no root, and what is near zero no reciprocal.
        fields["number"] = Fraction(2)
    builder.step(kind, *operands, over=over, **fields)


def _random_half(draw: st.DrawFn, builder: Builder) -> None:
    """A product of a tensor with itself, computed on for one half of its entries."""
    letters = {name: "".join(edges).lower() for name, edges in builder.edges.items()}
    names = sorted(name for name, own in letters.items() if own and len(set(own)) == len(own))
    if not names:
        builder.constant(2.0)
        return
    name = draw(st.sampled_from(names))
    i, *rest = list(letters[name])
    square = builder.mul((name, (i, *rest)), (name, (i.upper(), *rest)))
    full = draw(st.permutations([i, i.upper(), *rest]))
    builder.sizes[f"{i}≤{i.upper()}"] = builder.sizes[i] * (builder.sizes[i] + 1) // 2
    packed = draw(st.permutations([f"{i}≤{i.upper()}", *rest]))
    # The product is read with its labels in their order or exchanged.
    read = tuple(builder.edges[square]) if draw(st.booleans()) else (i.upper(), *rest, i)
    half = builder.step("pack", (square, read), edges=packed)
    last = builder.apply("tanh", half) if draw(st.booleans()) else half
    builder.step("unpack", last, edges=full)
    # Other steps read under labels of one letter.
    for gone in dict.fromkeys((half, last)):
        del builder.edges[gone]


def arrays_for(program: Program, seed: int = 0) -> dict[str, Any]:
    """Standard normal arrays for a program's variables."""
    random = np.random.default_rng(seed)
    found = {}
    for given in program.inputs:
        found[given.name] = random.standard_normal(program.shape(given.name))
    return found

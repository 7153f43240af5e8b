"""The same problem, written in another way at random.

What a node of an expression becomes has edges of other names; `done` knows which, and what reads it gives
them the names that are wanted there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from random import Random
from string import ascii_lowercase
from typing import TypeVar

from tensorgrad_eg import Tensor, TensorgradError, parse
from tensorgrad_eg.assume import Fact
from tensorgrad_eg.expr import (
    Add,
    Constant,
    Contract,
    Delta,
    Derivative,
    Extent,
    Number,
    Power,
    Reduce,
    Rename,
    Scale,
    Tangent,
    Variable,
    postorder,
    variables,
)
from tensorgrad_eg.expr.walk import children, made, operation

from .problems import Problem

#: What may be written otherwise; `text` is for problems about one expression without derivatives in it.
KINDS = ("edges", "names", "order", "outputs", "brackets", "spelling", "text")
#: Names of edges; in each scope some are drawn, so that those of one are also those of others.
_LETTERS = [*ascii_lowercase, *(letter + "2" for letter in ascii_lowercase)]

Names = Mapping[str, str]
Size = int | str
T = TypeVar("T")


@dataclass(frozen=True)
class Rewritten:
    """A problem written in another way.

    `variables` has the new variable of every old name; `outputs` says for each new output which of the old
    ones it is, and where each of its axes was.
    """

    problem: Problem
    variables: Mapping[str, Variable]
    outputs: Sequence[tuple[int, tuple[int, ...]]]


def kinds(number: int) -> frozenset[str]:
    """What rewriting number n changes: one thing, then several, then everything."""
    if number < len(KINDS):
        return frozenset({KINDS[number]})
    return frozenset(KINDS) - {"text"}


def rewritten(problem: Problem, what: Iterable[str], random: Random) -> Rewritten:
    """The problem with some things written otherwise."""
    what = frozenset(what)
    if "text" in what:
        found = _as_text(problem)
        if found is not None:
            return found
    work = _Rewriting(problem, what, random)
    work.run()
    return work.result()


@dataclass
class _Rewriting:
    problem: Problem
    what: frozenset[str]
    random: Random
    #: Every node as it is now, with the new name of each of its edges.
    done: dict[Tensor, tuple[Tensor, Names]] = field(default_factory=dict)
    variables: dict[str, Variable] = field(default_factory=dict)
    readers: dict[Tensor, int] = field(default_factory=dict)
    symbols: dict[str, str] = field(default_factory=dict)

    def run(self) -> None:
        """Rewrites every node, parts first."""
        order = postorder(self.problem.wanted)
        for node in order:
            for part in children(node):
                self.readers[part] = self.readers.get(part, 0) + 1
        for root in self.problem.wanted:
            self.readers[root] = self.readers.get(root, 0) + 1
        self._declare()
        for node in order:
            if node not in self.done:
                self.done[node] = self._node(node)

    def result(self) -> Rewritten:
        """What was asked for, in its new form."""
        outputs = list(range(len(self.problem.wanted)))
        if "outputs" in self.what:
            self.random.shuffle(outputs)
        new, axes = [], []
        for number in outputs:
            old = self.problem.wanted[number]
            tensor, names = self.done[old]
            back = {name: edge for edge, name in names.items()}
            new.append(tensor)
            axes.append((number, tuple(old.edges.index(back[edge]) for edge in tensor.edges)))
        sizes = {self.symbols.get(symbol, symbol): size for symbol, size in self.problem.sizes.items()}
        facts = tuple(map(self._fact, self.problem.facts))
        return Rewritten(Problem(tuple(new), sizes, facts), self.variables, axes)

    def _declare(self) -> None:
        """Gives variables, sizes and the axes of variables their new names."""
        found = variables(self.problem.wanted)
        used = dict.fromkeys(symbol for symbol in self.problem.sizes)
        new_names: dict[str, str] = {name: name for name in found}
        self.symbols = {symbol: symbol for symbol in used}
        if "names" in self.what:
            new_names = dict(zip(found, self._drawn([f"v{n}" for n in range(len(found))]), strict=True))
            self.symbols = dict(zip(used, self._drawn([f"s{n}" for n in range(len(used))]), strict=True))
        for name, variable in found.items():
            names = self._names(variable.edges)
            shape = {names[edge]: self._size(size) for edge, size in variable.shape.items()}
            self.variables[name] = Variable(new_names[name], shape)
            self.done[variable] = self.variables[name], names

    def _node(self, node: Tensor) -> tuple[Tensor, Names]:
        match node:
            case Number() | Constant():
                return node, {}
            case Extent(size):
                return Extent(self._size(size)), {}
            case Delta(i, j, size):
                names = self._names(node.edges)
                one, two = self._pair(names[i], names[j])
                return Delta(one, two, self._size(size)), names
            case Rename(arg, mapping):
                new = dict(mapping)
                tensor, names = self.done[arg]
                return tensor, {new.get(edge, edge): names[edge] for edge in arg.edges}
            case Derivative(arg, wrt, new_edges):
                names = self._names(node.edges)
                by = self.variables[wrt.name]
                inner = self._read(arg, names)
                return Derivative(inner, by, [names[edge] for edge in new_edges]), names
            case Tangent(arg, wrt, direction):
                names = self._names(node.edges)
                by = self.variables[wrt.name]
                ends = dict(zip(wrt.edges, by.edges, strict=True))
                return Tangent(self._read(arg, names), by, self._read(direction, ends)), names
        return self._operation(node)

    def _operation(self, node: Tensor) -> tuple[Tensor, Names]:
        name, payload = operation(node)
        parts = list(children(node))
        bound = payload if isinstance(payload, frozenset) else frozenset()
        if isinstance(node, Contract) and "brackets" in self.what:
            factors, over = self._flat(node)
            if len(factors) > 2:
                return self._bracketed(node, factors, over)
        names = self._names(dict.fromkeys(edge for part in parts for edge in part.edges))
        read = [self._read(part, names) for part in parts]
        if isinstance(node, Contract | Add) and "order" in self.what:
            self.random.shuffle(read)
        if bound:
            payload = frozenset(names[edge] for edge in bound)
        plain = made(name, payload, read)
        if "spelling" in self.what and self.random.random() < 0.7:
            plain = spelt(plain, self.random)
        return plain, {edge: names[edge] for edge in node.edges}

    def _flat(self, node: Contract) -> tuple[list[Tensor], frozenset[str]]:
        """The factors of a whole product, where no name in it is summed twice."""
        factors: list[Tensor] = [node.left, node.right]
        over = node.over
        number = 0
        while number < len(factors):
            part = factors[number]
            others = frozenset(edge for other in factors if other is not part for edge in other.edges)
            alone = self.readers[part] == 1
            if isinstance(part, Contract) and alone and not part.over & (over | others | {*node.edges}):
                factors[number : number + 1] = [part.left, part.right]
                over |= part.over
            else:
                number += 1
        return factors, over

    def _bracketed(
        self, node: Tensor, factors: Sequence[Tensor], over: frozenset[str]
    ) -> tuple[Tensor, Names]:
        """A product, two neighbours at a time; an edge is summed as soon as nobody else has it."""
        names = self._names(dict.fromkeys(edge for factor in factors for edge in factor.edges))
        summed = {names[edge] for edge in over}
        open_ = [self._read(factor, names) for factor in factors]
        while len(open_) > 1:
            one = open_.pop(self.random.randrange(len(open_)))
            near = [n for n, other in enumerate(open_) if {*one.edges} & {*other.edges}]
            two = open_.pop(self.random.choice(near or list(range(len(open_)))))
            rest = frozenset(edge for other in open_ for edge in other.edges)
            here = ({*one.edges} | {*two.edges}) & summed - rest
            open_.append(Contract(here, *self._pair(one, two)))
        return open_[0], {edge: names[edge] for edge in node.edges}

    def _read(self, part: Tensor, names: Names) -> Tensor:
        """A part as it is now, its old edges called so."""
        tensor, own = self.done[part]
        return tensor.rename({own[edge]: names[edge] for edge in part.edges})

    def _names(self, edges: Iterable[str]) -> dict[str, str]:
        edges = list(edges)
        if "edges" not in self.what:
            return {edge: edge for edge in edges}
        pool = _LETTERS if len(edges) > 9 else _LETTERS[:12]
        pool = pool if len(edges) <= len(pool) else [f"e{n}" for n in range(len(edges))]
        return dict(zip(edges, self.random.sample(pool, len(edges)), strict=True))

    def _drawn(self, names: list[str]) -> list[str]:
        self.random.shuffle(names)
        return names

    def _pair(self, one: T, two: T) -> tuple[T, T]:
        return (two, one) if "order" in self.what and self.random.random() < 0.5 else (one, two)

    def _size(self, size: Size) -> Size:
        return self.symbols.setdefault(size, size) if isinstance(size, str) else size

    def _fact(self, fact: Fact) -> Fact:
        variable = self.variables[fact.variable.name]
        return replace(fact, variable=variable, edges=tuple(variable.edges[axis] for axis in fact.axes))


def spelt(node: Tensor, random: Random) -> Tensor:
    """The same written out, or put together: products that are summed, squares, multiples, long sums."""
    match node:
        case Contract(over, left, right) if over:
            return Reduce(over, Contract((), left, right))
        case Contract(_, left, right) if left is right:
            return Power(left, 2)
        case Reduce(over, Contract(inner, left, right)):
            return Contract(over | inner, left, right)
        case Reduce(over) if len(over) > 1:
            first = random.choice(sorted(over))
            return Reduce(over - {first}, Reduce({first}, node.arg))
        case Power(arg, exponent) if exponent == 2:
            return Contract((), arg, arg)
        case Scale(factor, arg):
            return _multiple(factor, arg, random)
        case Add(terms) if len(terms) > 2:
            at = random.randrange(1, len(terms) - 1)
            return Add((*terms[:at], Add(terms[at:])))
    return node


def _multiple(factor: Fraction, arg: Tensor, random: Random) -> Tensor:
    match arg:
        case Add(terms):
            return Add(tuple(Scale(factor, term) for term in terms))
        case Contract(over, left, right):
            return Contract(over, Scale(factor, left), right)
    if factor == 2:
        return Add((arg, arg))
    return Contract((), Number(factor), arg)


def _as_text(problem: Problem) -> Rewritten | None:
    """The problem with its one expression without derivatives read from its text, if it has just one."""
    plain: dict[Tensor, None] = {}
    inside: set[Tensor] = set()
    order = postorder(problem.wanted)
    differentiated = {node for node in order if isinstance(node, Derivative | Tangent)}
    for node in order:
        if any(part in differentiated for part in children(node)):
            differentiated.add(node)
    for node in order:
        if node not in differentiated:
            inside |= {*children(node)}
    outside = {part for node in differentiated for part in children(node)} | {*problem.wanted}
    for node in order:
        if node in outside and node not in differentiated and not isinstance(node, Variable):
            plain[node] = None
    if len(plain) != 1:
        return None
    (whole,) = plain
    with suppress(TensorgradError):
        return _read_again(problem, whole)
    return None


def _read_again(problem: Problem, whole: Tensor) -> Rewritten | None:
    read = parse(str(whole))
    new = variables([read])
    sizes: dict[str, int] = {}
    for name, old in variables(problem.wanted).items():
        if name not in new:
            return None
        for symbol, was in zip(new[name].shape.values(), old.shape.values(), strict=True):
            size = problem.sizes[was] if isinstance(was, str) else was
            if isinstance(symbol, str) and sizes.setdefault(symbol, size) != size:
                return None
    work = _Rewriting(problem, frozenset(), Random(0))
    work.symbols = {}
    work.variables = dict(new)
    for name, old in variables(problem.wanted).items():
        work.done[old] = new[name], dict(zip(old.edges, new[name].edges, strict=True))
    work.done[whole] = read, {edge: edge for edge in whole.edges}
    for node in postorder(problem.wanted):
        if node not in work.done and any(isinstance(p, Derivative | Tangent) for p in postorder([node])):
            work.done[node] = work._node(node)
    found = work.result()
    if not symbols(found.problem.wanted) <= sizes.keys():
        return None  # a size that no variable has has another name now
    return replace(found, problem=replace(found.problem, sizes=sizes))


def symbols(wanted: Sequence[Tensor]) -> set[Size]:
    """The size symbols in expressions."""
    nodes = postorder(wanted)
    found = {size for node in nodes for size in (*node.shape.values(), getattr(node, "size", None))}
    return {size for size in found if isinstance(size, str)}

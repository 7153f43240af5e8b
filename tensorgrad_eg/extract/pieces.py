"""Structured results: outputs as sums of products of pieces, and a program whose roots are the pieces.

The pieces of all outputs are planned together, so that what they share is computed once; pieces that differ
by the names of their edges are one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from tensorgrad_eg.egraph import Dag, Snapshot, constant_value
from tensorgrad_eg.egraph.derive import Derived
from tensorgrad_eg.expr import Tensor
from tensorgrad_eg.extract.alias import Alias, aliases
from tensorgrad_eg.program.forms import Factor, Form, Term

Pair = tuple[str, str]
#: A tensor in more terms than this is no simpler than the tensor.
_TERMS = 12


@dataclass(frozen=True)
class Product:
    """A coefficient, deltas as pairs of edges, and factors as nodes of a program.

    Example:
        >>> Product(Fraction(2), (("i", "j"),)).structured(Dag())
        True
    """

    coefficient: Fraction = Fraction(1)
    deltas: tuple[Pair, ...] = ()
    factors: tuple[int, ...] = ()

    def structured(self, dag: Dag) -> bool:
        """Whether multiplying it out would make something larger than its largest factor."""
        edges = [dag.free[f] for f in self.factors]
        return bool(self.deltas) or frozenset().union(*edges) not in (*edges, frozenset())


@dataclass
class Peeler:
    """Takes nodes of a program apart; new products and sums are added to the program.

    Example:
        >>> dag = Dag()
        >>> x, y = dag.put("variable", ("x", ("i",))), dag.put("variable", ("y", ("j",)))
        >>> Peeler(dag, {}).products(dag.put("scale", Fraction(3), dag.put("contract", frozenset(), x, y)))
        [Product(coefficient=Fraction(3, 1), deltas=(), factors=(0, 1))]
    """

    dag: Dag
    symbols: Mapping[str, int | str]
    _known: dict[int, list[Product]] = field(default_factory=dict)

    def products(self, root: int) -> list[Product]:
        """The node as a sum of products; a single factor if it cannot be taken apart."""
        for at in self._open(root):
            if at not in self._known:
                self._known[at] = self._node(at)
        return self._known[root]

    def _open(self, root: int) -> list[int]:
        """The nodes that a delta or an outer product may come up through, children first."""
        seen: set[int] = set()
        stack = [root]
        while stack:
            at = stack.pop()
            if at not in seen:
                seen.add(at)
                if self.dag.nodes[at].op in ("contract", "reduce", "scale", "add"):
                    stack.extend(self.dag.nodes[at].children)
        return sorted(seen)

    def _node(self, at: int) -> list[Product]:
        node = self.dag.nodes[at]
        kids = [self._known[c] for c in node.children if c in self._known]
        match node.op, node.payload:
            case "number", Fraction() as value:
                return [Product(value)]
            case "delta", _:
                return [Product(deltas=(node.pair,))]
            case "scale", Fraction() as factor:
                return [replace(p, coefficient=factor * p.coefficient) for p in kids[0]]
            case "contract", frozenset() as over:
                return self._contracted(at, over, *kids)
            case "reduce", frozenset() as over:
                return self._contracted(at, over, kids[0], [Product()])
            case "add", _:
                return self._gathered(at, [p for kid in kids for p in kid])
            case _:
                return self._whole(at)

    def _whole(self, at: int) -> list[Product]:
        return [Product(factors=(at,))]

    def _contracted(
        self, at: int, over: frozenset[str], left: Sequence[Product], right: Sequence[Product]
    ) -> list[Product]:
        if len(left) * len(right) > _TERMS:
            return self._whole(at)
        made = [self.multiplied(over, p, q) for p in left for q in right]
        # Below a sum over edges a split costs a product for each term: it has to leave none of the full
        # size.
        if over and len(made) > 1 and not all(p.structured(self.dag) for p in made):
            return self._whole(at)
        return self._gathered(at, made)

    def _gathered(self, at: int, terms: list[Product]) -> list[Product]:
        """The terms, those that have no structure as one of them; the node itself if none has any."""
        rich = [p for p in terms if p.structured(self.dag)]
        rest = [p for p in terms if p not in rich]
        made = frozenset().union(*(self.edges(p) for p in rest))
        # A product saves nothing where a tensor of all its edges is made anyway.
        rich = [p for p in rich if p.deltas or not self.edges(p) <= made]
        if len(rich) > _TERMS:
            rich = [p for p in rich if p.deltas]
        rest = [p for p in terms if p not in rich]
        if not rich or len(rich) > _TERMS:
            return self._whole(at)
        return rich if not rest else [*rich, rest[0] if len(rest) == 1 else self._sum(rest)]

    def edges(self, product: Product) -> frozenset[str]:
        """The edges of the factors."""
        return frozenset().union(*(self.dag.free[f] for f in product.factors))

    def _sum(self, terms: Iterable[Product]) -> Product:
        return Product(factors=(self.dag.put("add", None, *(self.node(p) for p in terms)),))

    def node(self, product: Product) -> int:
        """The product, which has no deltas, multiplied out."""
        result: int | None = None
        for factor in product.factors:
            result = factor if result is None else self.dag.put("contract", frozenset(), result, factor)
        if result is None:
            return self.dag.put("number", product.coefficient)
        return self.scaled(result, product.coefficient)

    def scaled(self, at: int, coefficient: Fraction) -> int:
        """A multiple of a node."""
        return at if coefficient == 1 else self.dag.put("scale", coefficient, at)

    def multiplied(self, over: frozenset[str], left: Product, right: Product) -> Product:
        """The product of two products, summed over some edges."""
        both = Product(
            left.coefficient * right.coefficient, left.deltas + right.deltas, left.factors + right.factors
        )
        both, over = self.identified(both, over)
        apart = [f for f in both.factors if not self.dag.free[f] & over]
        joined = [self._summed(group, over) for group in self._components(both.factors, over)]
        idle = over - self.edges(both)
        coefficient, extents = both.coefficient, []
        for edge in sorted(idle):
            size = self.symbols[edge]
            if isinstance(size, int):
                coefficient *= size
            else:
                extents.append(self.dag.put("extent", size))
        return Product(coefficient, both.deltas, (*apart, *joined, *extents))

    def identified(
        self, product: Product, over: frozenset[str] = frozenset(), order: Sequence[str] = ()
    ) -> tuple[Product, frozenset[str]]:
        """The product with one name for edges that deltas make equal, and the edges still to be summed.

        What is left of the deltas has the first edge of `order` (else of the alphabet) in front.
        """
        rank = {edge: n for n, edge in enumerate(order)}
        deltas, factors = [], list(product.factors)
        for equal in _classes(product.deltas):
            members = sorted(equal, key=lambda e: (e in over, rank.get(e, len(rank)), e))
            first = members[0]
            for other in members[1:]:
                factors = [self.renamed(f, other, first) for f in factors]
                if other not in over:
                    deltas.append((first, other))
            over -= frozenset(members[1:])
        return replace(product, deltas=tuple(sorted(deltas)), factors=tuple(factors)), over

    def renamed(self, at: int, old: str, new: str) -> int:
        """A node with one edge read under another name."""
        return self.dag.put("rename", (old, new), at) if old in self.dag.free[at] else at

    def _components(self, factors: Sequence[int], over: frozenset[str]) -> list[list[int]]:
        """The factors that share edges to be summed, directly or through others."""
        groups: list[tuple[frozenset[str], list[int]]] = []
        for factor in factors:
            edges = self.dag.free[factor] & over
            if not edges:
                continue
            touched = [g for g in groups if g[0] & edges]
            groups = [g for g in groups if not g[0] & edges]
            merged = edges.union(*(g[0] for g in touched))
            groups.append((merged, [*(f for g in touched for f in g[1]), factor]))
        return [members for _, members in groups]

    def _summed(self, factors: Sequence[int], over: frozenset[str]) -> int:
        """The factors multiplied from left to right, each edge summed as soon as nobody else has it."""
        put, free = self.dag.put, self.dag.free
        result = factors[0]
        if len(factors) == 1:
            return put("reduce", over & free[result], result)
        for place, factor in enumerate(factors[1:], 2):
            later = frozenset().union(*(free[f] for f in factors[place:]))
            result = put("contract", (free[result] | free[factor]) & over - later, result, factor)
        return result


def _classes(deltas: Iterable[Pair]) -> list[frozenset[str]]:
    """The sets of edges that deltas make equal."""
    classes: list[frozenset[str]] = []
    for pair in deltas:
        touched = [c for c in classes if c & frozenset(pair)]
        classes = [c for c in classes if not c & frozenset(pair)]
        classes.append(frozenset(pair).union(*touched))
    return sorted(classes, key=sorted)


_ARITHMETIC = ("number", "constant", "extent", "scale", "power", "add", "contract", "apply")


@dataclass(frozen=True)
class Summand:
    """One term of an output: its factors are roots with labels, its `constants` nodes that sizes decide."""

    coefficient: Fraction
    constants: tuple[int, ...]
    deltas: tuple[Pair, ...]
    factors: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass
class Pieces:
    """The terms of every output, a program with a root for every piece, the labels of each piece's axes."""

    dag: Dag
    outputs: list[list[Summand]]
    axes: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def roots(self, derived: Derived) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
        """Every piece: its root, the labels of its axes, and the user's names of these."""
        names = {label: edge for out in reversed(derived.outputs) for edge, label in out.labels}
        return [(root, axes, tuple(names[label] for label in axes)) for root, axes in self.axes.items()]

    def forms(self, derived: Derived, wanted: Sequence[Tensor], sizes: Mapping[str, int]) -> list[Form]:
        """How each output is made of pieces, which are named by their place."""
        places = {root: str(n) for n, root in enumerate(self.axes)}
        found = []
        for e, encoded, summands in zip(wanted, derived.outputs, self.outputs, strict=True):
            names = {label: edge for edge, label in encoded.labels}
            terms = []
            for summand in summands:
                deltas = tuple((names[i], names[j]) for i, j in summand.deltas)
                factors = [
                    Factor(places[root], tuple(names[a] for a in axes)) for root, axes in summand.factors
                ]
                terms.append(Term(self.coefficient(summand, sizes), deltas, tuple(factors)))
            shape = tuple(size if isinstance(size, int) else sizes[size] for size in e.shape.values())
            found.append(Form(e.edges, shape, tuple(terms)))
        return found

    def coefficient(self, summand: Summand, sizes: Mapping[str, int]) -> Fraction | float:
        """The coefficient of a term, exact where it is rational."""
        result: Fraction | float = summand.coefficient
        for at in summand.constants:
            result *= _constant(self.dag, at, sizes)
        return result


def pieces(derived: Derived) -> Pieces:
    """Takes the outputs of a normal-form program apart.

    Example:
        >>> from tensorgrad_eg.egraph.derive import derive
        >>> from tensorgrad_eg.expr import Variable, hessian
        >>> A, x = Variable("A", ["i", "k"]), Variable("x", ["i", "k"])
        >>> found = pieces(derive([hessian((A * x * x).sum(), x)], {}))
        >>> found.outputs[0][0].deltas, found.outputs[0][0].factors
        ((('i', 'i_'), ('k', 'k_')), (('piece0', ('i', 'k')),))
    """
    work = _Work(derived)
    outputs = [
        work.terms(f"out{n}", [label for _, label in out.labels]) for n, out in enumerate(derived.outputs)
    ]
    return work.finished(outputs)


class _Work:
    def __init__(self, derived: Derived) -> None:
        """Copies the program: products and sums are added to it."""
        self.symbols = derived.symbols
        self.dag = Dag()
        for node, free in zip(derived.dag.nodes, derived.dag.free, strict=True):
            self.dag.put(node.op, node.payload, *node.children, free=free)
        self.roots = derived.dag.roots
        self.peeler = Peeler(self.dag, derived.symbols)

    def terms(self, root: str, order: Sequence[str]) -> list[tuple[Product, tuple[int, ...]]]:
        """The terms of an output, each with the constants among its factors."""
        found = []
        for product in self.peeler.products(self.roots[root]):
            product, fixed = self._without_constants(product)
            named, _ = self.peeler.identified(product, order=order)
            found.append((self._merged(named), fixed))
        return found

    def _without_constants(self, product: Product) -> tuple[Product, tuple[int, ...]]:
        """The product with multiples of factors in its coefficient, and the constants among them."""
        coefficient, fixed, factors = product.coefficient, [], []
        stack = list(reversed(product.factors))
        while stack:
            at = stack.pop()
            node = self.dag.nodes[at]
            if _is_constant(self.dag, at):
                fixed.append(at)
            elif node.op == "scale" and isinstance(node.payload, Fraction):
                coefficient *= node.payload
                stack.append(node.children[0])
            elif node.op == "contract" and not node.payload and self._has_constant(at):
                stack.extend(reversed(node.children))
            else:
                factors.append(at)
        return replace(product, coefficient=coefficient, factors=tuple(factors)), tuple(sorted(fixed))

    def _has_constant(self, at: int) -> bool:
        return any(_is_constant(self.dag, c) for c in self.dag.nodes[at].children)

    def _merged(self, product: Product) -> Product:
        """Factors whose edges another one has are multiplied into it, into the smallest if there are many."""
        free = self.dag.free
        hosts: list[int] = []
        for factor in sorted(product.factors, key=lambda f: (-len(free[f]), f)):
            wider = [n for n, host in enumerate(hosts) if free[factor] <= free[host]]
            if wider:
                place = min(wider, key=lambda n: (len(free[hosts[n]]), n))
                hosts[place] = self.dag.put("contract", frozenset(), hosts[place], factor)
            else:
                hosts.append(factor)
        return replace(product, factors=tuple(hosts))

    def finished(self, outputs: list[list[tuple[Product, tuple[int, ...]]]]) -> Pieces:
        """Like terms become one; equal factors become one piece."""
        known = self._aliases(f for out in outputs for p, _ in out for f in p.factors)
        joined = [self._joined(out, known) for out in outputs]
        known = self._aliases(f for out in joined for p, _ in out for f in p.factors)
        result = Pieces(Dag(), [])
        moved = self._moved(
            result.dag, [at for out in joined for p, fixed in out for at in (*p.factors, *fixed)]
        )
        names: dict[int, str] = {}
        for out in joined:
            summands = []
            for p, fixed in out:
                factors = []
                for f in p.factors:
                    alias = known[f]
                    if alias.group not in names:
                        name = names[alias.group] = f"piece{len(names)}"
                        result.axes[name], result.dag.roots[name] = alias.axes, moved[f]
                    factors.append((names[alias.group], alias.axes))
                summands.append(
                    Summand(p.coefficient, tuple(moved[c] for c in fixed), p.deltas, tuple(factors))
                )
            result.outputs.append(summands)
        return result

    def _moved(self, dag: Dag, wanted: Iterable[int]) -> dict[int, int]:
        """Copies nodes, and what they read, to another program."""
        moved: dict[int, int] = {}
        for at in self.dag.reachable(wanted):
            node = self.dag.nodes[at]
            moved[at] = dag.put(
                node.op, node.payload, *(moved[c] for c in node.children), free=self.dag.free[at]
            )
        return moved

    def _aliases(self, wanted: Iterable[int]) -> dict[int, Alias]:
        reached = self.dag.reachable(wanted)
        nodes = {at: [self.dag.nodes[at]] for at in reached}
        return aliases(Snapshot(nodes, {at: self.dag.free[at] for at in reached}, {}, dict(self.symbols)))

    def _joined(
        self, terms: Sequence[tuple[Product, tuple[int, ...]]], known: Mapping[int, Alias]
    ) -> list[tuple[Product, tuple[int, ...]]]:
        """Terms that differ by a coefficient, or by one factor with the same edges, added up."""
        same: dict[Hashable, tuple[Product, tuple[int, ...]]] = {}
        for p, fixed in terms:
            key = (p.deltas, fixed, _counted(known[f] for f in p.factors))
            q = same[key][0] if key in same else replace(p, coefficient=Fraction(0))
            same[key] = (replace(q, coefficient=q.coefficient + p.coefficient), fixed)
        left = [(p, fixed) for p, fixed in same.values() if p.coefficient]
        result: list[tuple[Product, tuple[int, ...]]] = []
        for p, fixed in left:
            for n, (q, other) in enumerate(result):
                if p.deltas == q.deltas and fixed == other and (sum_ := self._added(q, p, known)):
                    result[n] = (sum_, fixed)
                    break
            else:
                result.append((p, fixed))
        return result

    def _added(self, one: Product, two: Product, known: Mapping[int, Alias]) -> Product | None:
        """Two products as one: with all factors but one in common, or a tensor and a product of its edges."""
        for tensor, other in ((one, two), (two, one)):
            if len(tensor.factors) == 1 and self.peeler.edges(other) <= self.dag.free[tensor.factors[0]]:
                terms = [self.peeler.node(replace(p, deltas=())) for p in (tensor, other)]
                return replace(one, coefficient=Fraction(1), factors=(self.dag.put("add", None, *terms),))
        mine, theirs = list(one.factors), list(two.factors)
        for f in one.factors:
            twin = next(
                (g for g in theirs if g == f or (f in known and g in known and known[f] == known[g])), None
            )
            if twin is not None:
                mine.remove(f)
                theirs.remove(twin)
        if len(mine) != 1 or len(theirs) != 1 or self.dag.free[mine[0]] != self.dag.free[theirs[0]]:
            return None
        multiple = self.peeler.scaled(theirs[0], two.coefficient / one.coefficient)
        added = self.dag.put("add", None, mine[0], multiple)
        return replace(one, factors=tuple(added if f == mine[0] else f for f in one.factors))


def _counted(items: Iterable[Hashable]) -> frozenset[tuple[Hashable, int]]:
    """The items, whatever their order, with how often each occurs."""
    return frozenset(Counter(items).items())


def _is_constant(dag: Dag, at: int) -> bool:
    """Whether a node is a number that follows from the sizes alone."""
    nodes = [(dag.nodes[n], dag.free[n]) for n in dag.reachable([at])]
    return all(
        not free and node.op in _ARITHMETIC and not (node.op == "contract" and node.payload)
        for node, free in nodes
    )


def _constant(dag: Dag, at: int, sizes: Mapping[str, int]) -> Fraction | float:
    """The value of such a node: a fraction as long as it is one."""
    values: dict[int, Fraction | float] = {}
    for n in dag.reachable([at]):
        values[n] = constant_value(dag.nodes[n], [values[c] for c in dag.nodes[n].children], sizes)
    return values[at]

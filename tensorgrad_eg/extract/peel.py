"""Taking a tensor apart: a sum of products whose deltas and factors are never multiplied out.

In normal form deltas stand outermost, so most of it is reading them off. Where a multiple or a sum stands
between a delta and the root, the sum is split, as long as that leaves no term of the full size. A product
is left apart where it would be larger than its factors: an outer or a Kronecker product, or `a[b,i]
c[b,j]`; a factor whose edges another has is multiplied into that one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from tensorgrad_eg.egraph.term import Dag

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

"""Products get the best order that is quickly found before anything else happens to them.

The rules find the best order of short products, together with all that shares them, from most orders in which
these may be written, but not from all, and of long ones only what is near. So each product is put into the
order that an existing optimiser (opt_einsum) finds for it, if that is cheaper than the one it was written in.
A product is all that is multiplied and summed without anybody else reading a part of it, whatever its parts
call their edges.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from tensorgrad_eg.egraph import Dag
from tensorgrad_eg.egraph.differentiate import Labels
from tensorgrad_eg.egraph.paths import Factor, Path, Steps, best, cost
from tensorgrad_eg.expr.operations import ENode

#: Products of more factors are put into another order whatever the factors are; shorter ones only if no
#: factor fades as the inputs grow: between such the rules know which orders stay in the range of numbers.
_SHORT = 8
#: What a product may be made of, besides its factors.
_INNER = ("contract", "reduce", "rename", "scale")
#: Products that are read by several others are opened in each as long as it has not so many parts.
_MOST = 200

Names = Mapping[str, str]


def ordered(
    dag: Dag, labels: Labels, sizes: Mapping[str, int], varied: Collection[str] = ()
) -> tuple[Dag, dict[int, int]]:
    """The program with its products reordered, and the new number of every node that others read.

    Bound edges of one name that come to be in one product get other names from `labels`. By the variables
    that are `varied` it will be differentiated.

    Example:
        >>> dag = Dag()
        >>> dag.roots["x"] = dag.put("variable", ("x", ("i",)))
        >>> ordered(dag, Labels({"i": "n"}), {"n": 3})[1]
        {0: 0}
    """
    work = _Ordering(dag, labels, sizes, varied)
    products = work.products()
    moved: dict[int, int] = {}
    for at in sorted(work.read(products)):
        moved[at] = work.build(at, products.get(at), moved)
    work.new.roots = {name: moved[at] for name, at in dag.roots.items()}
    return work.new, moved


@dataclass
class _Product:
    """A product that ends at a node: factors with the names of their edges in it, and what is summed."""

    at: int
    factors: list[tuple[int, Names]] = field(default_factory=list)
    over: set[str] = field(default_factory=set)
    number: Fraction = Fraction(1)
    #: The nodes within, the path along which they go, and what they cost as they were written.
    inner: list[int] = field(default_factory=list)
    path: Path = ()
    cost: int = 0
    edges: list[frozenset[str]] = field(default_factory=list)

    @property
    def leaves(self) -> list[int]:
        """The factors, without their names."""
        return [at for at, _ in self.factors]


class _Ordering:
    def __init__(self, dag: Dag, labels: Labels, sizes: Mapping[str, int], varied: Collection[str]) -> None:
        self.dag, self.labels, self.sizes, self.new = dag, labels, sizes, Dag()
        self.readers = [0] * len(dag.nodes)
        for at in dag.reachable(dag.roots.values()):
            for child in dag.nodes[at].children:
                self.readers[child] += 1
        for at in dag.roots.values():
            self.readers[at] += 2
        self.multiplied = self._multiplied()
        #: Whether a product was met that several others read.
        self.shared = False
        self.fading = _cones(dag, _fades)
        self.varying = _cones(dag, lambda node: node.op == "variable" and node.name in varied)

    def _multiplied(self) -> list[bool]:
        """For every node whether all that reads it is a product."""
        found = [True] * len(self.dag.nodes)
        for at in self.dag.reachable(self.dag.roots.values()):
            if self.dag.nodes[at].op not in _INNER:
                for child in self.dag.nodes[at].children:
                    found[child] = False
        for at in self.dag.roots.values():
            found[at] = False
        return found

    def products(self) -> dict[int, _Product]:
        """The products that are cheaper in another order, by the node at which they end.

        A product that several others read is one factor of each, or what it is made of is.
        """
        apart, costs = self._products(through=False)
        if not self.shared:
            return apart
        through, other = self._products(through=True)
        return through if other < costs else apart

    def _products(self, through: bool) -> tuple[dict[int, _Product], int]:
        found: dict[int, _Product] = {}
        steps, inner, needed = Steps(self._size), set[int](), {*self.dag.roots.values()}
        for at in reversed(range(len(self.dag.nodes))):
            if at not in needed:
                continue
            parts: Iterable[int] = self.dag.nodes[at].children
            if at not in inner and self.dag.nodes[at].op in ("contract", "reduce"):
                product = self._product(at, through)
                if self._worth(product, steps):
                    found[at], parts = product, product.leaves
                else:
                    inner.update(product.inner)
            needed.update(parts)
        return found, steps.total

    def read(self, products: Mapping[int, _Product]) -> set[int]:
        """The nodes that are read, if these products are built from their factors."""
        found: set[int] = set()
        stack = [*self.dag.roots.values()]
        while stack:
            at = stack.pop()
            if at not in found:
                found.add(at)
                stack += products[at].leaves if at in products else self.dag.nodes[at].children
        return found

    def _product(self, at: int, through: bool) -> _Product:
        """All that is multiplied to make a node; bound edges of one name are told apart."""
        product, taken = _Product(at), set(self.dag.free[at])
        #: Where a node is read: itself, the names of its edges there, and where its parts are read.
        places: list[tuple[int, Names, range]] = [(at, {}, range(0))]
        for place, (here, names, _) in enumerate(places):  # grows while it is read
            node = self.dag.nodes[here]
            if here != at and not self._opens(here, through and len(places) < _MOST):
                continue
            names = self._names(product, node, names, taken)
            if node.op in ("contract", "reduce"):
                read = frozenset[str]().union(*(self.dag.free[c] for c in node.children))
                product.cost += self._volume(read) * (2 if node.over and len(node.children) > 1 else 1)
            places[place] = here, names, range(len(places), len(places) + len(node.children))
            places += [
                (c, {old: new for old, new in names.items() if old in self.dag.free[c]}, range(0))
                for c in node.children
            ]
        product.inner = [here for here, _, parts in places[1:] if parts]
        product.factors = [(here, names) for here, names, parts in places if not parts]
        product.path = _path([parts for _, _, parts in places])
        return product

    def _opens(self, at: int, through: bool) -> bool:
        """Whether a node belongs to the product that reads it, or is a factor of it."""
        if self.dag.nodes[at].op not in _INNER or not self.dag.nodes[at].children:
            return False
        if self.readers[at] == 1:
            return True
        if self.multiplied[at] and not through:
            self.shared = True
        return self.multiplied[at] and through

    def _names(self, product: _Product, node: ENode, names: Names, taken: set[str]) -> Names:
        """What the edges of what a node of a product reads are called in it."""
        if node.op == "scale":
            product.number *= node.number
        if node.op == "rename":
            old, new = node.pair
            return {**names, old: names.get(new, new)}
        bound = {edge: self._bound(edge, taken) for edge in sorted(node.over)}
        product.over.update(bound.values())
        return {**names, **bound}

    def _bound(self, edge: str, taken: set[str]) -> str:
        """A name for a bound edge that nothing else in the product has: its own, if it can be."""
        if edge in taken:
            edge = self.labels.fresh(edge)
        taken.add(edge)
        return edge

    def _worth(self, product: _Product, steps: Steps) -> bool:
        """Whether a product is cheaper in the order of the optimiser, which it has then."""
        given = [self._factor(at, names) for at, names in product.factors]
        product.edges = [frozenset(factor.axes) for factor in given]
        out = self.dag.free[product.at]
        if out | product.over != frozenset[str]().union(*product.edges):
            return False  # what is known of its edges is more than its factors say
        sizes = {edge: self._size(edge) for edge in out.union(*product.edges)}
        worth = False
        if self._free_to_move(product):
            path, least = best(given, out, sizes)
            if least < cost(given, out, sizes, product.path):
                product.path, worth = path, True
            worth |= self._cost(product, sizes) < product.cost
        steps.take(given, out, product.path)
        return worth

    def _free_to_move(self, product: _Product) -> bool:
        """Whether there are several orders, all of which stay in the range of numbers."""
        if len(product.factors) > _SHORT:
            return True
        deltas = any(self.dag.nodes[at].op == "delta" for at in product.leaves)
        return len(product.factors) > 2 and not deltas and not any(self.fading[at] for at in product.leaves)

    def _factor(self, at: int, names: Names) -> Factor:
        """A factor as paths know it: a tensor, its edges in an order that belongs to it."""
        node, what = self.dag.nodes[at], str(at)
        axes = tuple(sorted(self.dag.free[at]))
        if node.op == "variable":
            what, axes = f"variable {node.name}", node.axes
        return Factor(what, tuple(names.get(axis, axis) for axis in axes), self.varying[at])

    def _cost(self, product: _Product, sizes: Mapping[str, int]) -> int:
        """What the path costs where no two steps are one."""
        apart = [Factor(str(n), tuple(sorted(edges))) for n, edges in enumerate(product.edges)]
        return cost(apart, self.dag.free[product.at], sizes, product.path)

    def build(self, at: int, product: _Product | None, moved: Mapping[int, int]) -> int:
        """A node of the new program: the same on what is new, or a product along its path."""
        out, node = self.dag.free[at], self.dag.nodes[at]
        if product is None:
            return self.new.put(node.op, node.payload, *(moved[c] for c in node.children), free=out)
        open_ = [self._read(moved[factor], names) for factor, names in product.factors]
        edges = list(product.edges)
        for pair in product.path:
            one, two = (open_.pop(n) for n in sorted(pair, reverse=True))
            here = frozenset[str]().union(*(edges.pop(n) for n in sorted(pair, reverse=True)))
            summed = here & product.over - out.union(*edges)
            open_.append(self.new.put("contract", summed, two, one))
            edges.append(here - summed)
        return open_[0] if product.number == 1 else self.new.put("scale", product.number, open_[0])

    def _read(self, at: int, names: Names) -> int:
        """A factor with the names that its edges have in the product."""
        node = self.new.nodes[at]
        if node.op == "variable":
            return self.new.put("variable", (node.name, tuple(names.get(axis, axis) for axis in node.axes)))
        pairs = {old: new for old, new in names.items() if old != new and old in self.new.free[at]}
        aside = {}
        for old in sorted(set(pairs) & set(pairs.values())):
            aside[old] = self.labels.fresh(old)
            at = self.new.put("rename", (old, aside[old]), at)
        for old, name in sorted(pairs.items()):
            at = self.new.put("rename", (aside.get(old, old), name), at)
        return at

    def _size(self, edge: str) -> int:
        symbol = self.labels.symbols.get(edge, edge)
        return symbol if isinstance(symbol, int) else self.sizes.get(symbol, 16)

    def _volume(self, edges: frozenset[str]) -> int:
        return math.prod(map(self._size, edges))


def _path(parts: Sequence[range]) -> Path:
    """The path of a tree, given where the parts of each node are; leaves are numbered as they come."""
    from opt_einsum.paths import ssa_to_linear

    leaves = [n for n, own in enumerate(parts) if not own]
    number = {at: n for n, at in enumerate(leaves)}
    steps: list[tuple[int, ...]] = []
    for at in reversed(range(len(parts))):
        if parts[at]:
            read = tuple(number[part] for part in parts[at])
            if len(read) > 1:
                steps.append(read)
            number[at] = len(leaves) + len(steps) - 1 if len(read) > 1 else read[0]
    return [tuple(pair) for pair in ssa_to_linear(steps)]


def _cones(dag: Dag, holds: Callable[[ENode], bool]) -> list[bool]:
    """For every node whether something holds of it, or of what it is made of."""
    found: list[bool] = []
    for node in dag.nodes:
        found.append(holds(node) or any(found[c] for c in node.children))
    return found


def _fades(node: ENode) -> bool:
    """Whether an operation may give what goes to zero as the inputs grow."""
    return node.number < 0 if node.op == "power" else node.op == "apply" and node.name == "exp"

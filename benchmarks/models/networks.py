"""Generated contraction networks: one factor a node, one edge name a bond, sizes drawn from a seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.case import Array
from tensorgrad_eg import Tensor, Variable


@dataclass(frozen=True)
class Network:
    """Factors with named edges; an edge of two factors is summed, an edge of one is free.

    >>> Network([("a", "b"), ("b", "c")], {"a": 2, "b": 3, "c": 4}).free
    ['a', 'c']
    """

    factors: Sequence[tuple[str, ...]]
    sizes: Mapping[str, int]

    @property
    def free(self) -> list[str]:
        """The edges that stay, in order of appearance."""
        every = [edge for factor in self.factors for edge in factor]
        return [edge for edge in dict.fromkeys(every) if every.count(edge) == 1]

    @property
    def names(self) -> list[str]:
        """The names of the factors."""
        return [f"T{n}" for n in range(len(self.factors))]

    def expression(self) -> Tensor:
        """The product, factor by factor, in the order in which they are listed."""
        variables = [
            Variable(name, {edge: self.sizes[edge] for edge in factor})
            for name, factor in zip(self.names, self.factors, strict=True)
        ]
        product: Tensor = variables[0]
        for variable in variables[1:]:
            product = product @ variable
        return product

    def data(self, seed: int = 0) -> dict[str, Array]:
        """Normal entries, scaled so that products neither grow nor vanish."""
        generator = np.random.default_rng(seed)
        found = {}
        for name, factor in zip(self.names, self.factors, strict=True):
            shape = [self.sizes[edge] for edge in factor]
            found[name] = generator.standard_normal(shape) / np.prod(shape) ** 0.25
        return found


def random_regular(nodes: int, degree: int, seed: int = 0, largest: int = 4) -> Network:
    """A random graph in which every node has the same degree; bonds of size 2 to `largest`."""
    generator = np.random.default_rng(seed)
    while True:
        ends = generator.permutation(np.repeat(np.arange(nodes), degree)).reshape(-1, 2)
        pairs = {(int(min(pair)), int(max(pair))) for pair in ends}
        if len(pairs) == len(ends) and all(a != b for a, b in pairs) and _connected(nodes, pairs):
            return _from_bonds(nodes, sorted(pairs), generator.integers(2, largest + 1, len(pairs)).tolist())


def lattice(rows: int, columns: int, size: int) -> Network:
    """A square lattice with open ends."""
    bonds = []
    for r in range(rows):
        for c in range(columns):
            here = r * columns + c
            bonds += [(here, here + 1)] if c + 1 < columns else []
            bonds += [(here, here + columns)] if r + 1 < rows else []
    return _from_bonds(rows * columns, bonds, [size] * len(bonds))


def matrix_chain(length: int, seed: int = 0) -> Network:
    """A product of matrices with sizes between 4 and 64."""
    sizes = np.random.default_rng(seed).integers(4, 65, length + 1).tolist()
    edges = [f"e{n}" for n in range(length + 1)]
    factors = [(edges[n], edges[n + 1]) for n in range(length)]
    return Network(factors, dict(zip(edges, sizes, strict=True)))


def mps_overlap(sites: int, physical: int, bond: int) -> Network:
    """The overlap of two matrix product states, all of one before the other: the worst order."""

    def core(layer: str, n: int) -> tuple[str, ...]:
        left = (f"{layer}{n}",) if n else ()
        return (*left, f"p{n}", *((f"{layer}{n + 1}",) if n + 1 < sites else ()))

    factors = [core(layer, n) for layer in "ab" for n in range(sites)]
    sizes = {edge: physical if edge[0] == "p" else bond for factor in factors for edge in factor}
    return Network(factors, sizes)


def peps_norm(rows: int, columns: int, bond: int, physical: int = 2) -> Network:
    """Two layers of a lattice, joined at every site."""
    sites = list(enumerate(lattice(rows, columns, bond).factors))
    factors = [(*(f"{edge}{layer}" for edge in site), f"p{n}") for layer in "ab" for n, site in sites]
    sizes = {edge: physical if edge[0] == "p" else bond for factor in factors for edge in factor}
    return Network(factors, sizes)


def _from_bonds(nodes: int, bonds: Sequence[tuple[int, int]], sizes: Sequence[int]) -> Network:
    names = [f"e{n}" for n in range(len(bonds))]
    ends = list(zip(names, bonds, strict=True))
    factors = [tuple(name for name, bond in ends if node in bond) for node in range(nodes)]
    return Network(factors, dict(zip(names, sizes, strict=True)))


def _connected(nodes: int, bonds: set[tuple[int, int]]) -> bool:
    reached, grown = {0}, True
    while grown:
        more = {b if a in reached else a for a, b in bonds if (a in reached) != (b in reached)}
        grown = bool(more)
        reached |= more
    return len(reached) == nodes

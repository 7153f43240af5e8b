"""What all gradients of a contracted network cost on one contraction tree: the oracle for matrix product
states.

An environment step sums over the same index space as the forward step it belongs to, so with respect to
every factor it is 3 (F − root): each forward step once, without the root, and twice that backwards. For some
factors only, a step counts where it is needed: forwards where a sibling's environment reads it, backwards
towards what is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod


@dataclass
class _Node:
    edges: frozenset[str]
    wanted: bool
    children: tuple[_Node, ...] = ()
    price: int = 0


def gradient_cost(
    factors: Sequence[Sequence[str]],
    sizes: Mapping[str, int],
    path: Sequence[Sequence[int]],
    wanted: Sequence[bool],
) -> int:
    """The cost of the gradients of a scalar network by the wanted factors, on the tree of a path.

    >>> ring = [("a", "b"), ("b", "c"), ("c", "a")]
    >>> gradient_cost(ring, dict.fromkeys("abc", 4), [(0, 1), (0, 1)], [True, True, True])  # 3 · 2 · 4³
    384
    """
    root = _tree(factors, sizes, path, wanted)
    return sum(_below(child, root.children[1 - n].wanted) for n, child in enumerate(root.children))


def _below(node: _Node, read: bool) -> int:
    """The steps at and below a node whose value is read, or not, and whose environment is there if it is
    wanted.
    """
    if not node.children:
        return 0
    cost = node.price if read else 0
    for n, child in enumerate(node.children):
        sibling = node.children[1 - n]
        towards = node.wanted and child.wanted
        cost += node.price if towards else 0
        cost += _below(child, read or (node.wanted and sibling.wanted))
    return cost


def _tree(
    factors: Sequence[Sequence[str]],
    sizes: Mapping[str, int],
    path: Sequence[Sequence[int]],
    wanted: Sequence[bool],
) -> _Node:
    nodes = [_Node(frozenset(edges), w) for edges, w in zip(factors, wanted, strict=True)]
    for pair in path:
        taken = tuple(nodes[n] for n in pair)
        nodes = [node for n, node in enumerate(nodes) if n not in pair]
        every = taken[0].edges | taken[1].edges
        kept = every & frozenset().union(*(node.edges for node in nodes))
        price = prod(sizes[edge] for edge in every) * (2 if kept != every else 1)
        nodes.append(_Node(kept, taken[0].wanted or taken[1].wanted, taken, price))
    (root,) = nodes
    return root

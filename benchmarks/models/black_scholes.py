"""The price of a European option (Black and Scholes 1973), and the graph of its first derivatives."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.models.scalar_graph import Graph, Vertex
from tensorgrad_eg import Tensor, Variable
from tensorgrad_eg import functions as F
from tensorgrad_eg.egraph.derive import derive
from tensorgrad_eg.egraph.dominators import Flow
from tensorgrad_eg.expr import Number

NAMES = ("S", "K", "r", "v", "T")


def option() -> tuple[Tensor, list[Variable]]:
    """The price of a call, and what it depends on: spot, strike, rate, volatility, time."""
    S, K, r, v, T = given = [Variable(name, []) for name in NAMES]
    root = v * F.sqrt(T)
    d1 = (F.log(F.exp(r * T) * S / K) + v * v / 2 * T) / root

    def normal(z: Tensor) -> Tensor:
        result: Tensor = (F.erf(z / F.sqrt(Number(2))) + 1) / 2
        return result

    return F.exp(-(r * T)) * (F.exp(r * T) * S * normal(d1) - K * normal(d1 - root)), given


def gradient_graph() -> Graph:
    """The program of the five first derivatives, by reverse mode and in normal form, as a graph.

    >>> len(gradient_graph().results)
    5
    """
    price, given = option()
    return graph_of([price.grad(x) for x in given])


def graph_of(results: Sequence[Tensor]) -> Graph:
    """The normal form of scalars as a graph: each operation a vertex, constants none.

    >>> x = Variable("x", [])
    >>> graph_of([F.exp(x) * x]).predecessors
    [(), (0,), (1, 0)]
    """
    dag = derive(results, {}).dag
    moving = Flow.of(dag, [at for at, node in enumerate(dag.nodes) if node.op == "variable"])
    graph = Graph()
    vertices: dict[int, Vertex] = {}
    for at in dag.reachable(dag.roots.values()):
        if moving.moves(at):
            arguments = (vertices[c] for c in dag.nodes[at].children if c in vertices)
            vertices[at] = graph.vertex(*arguments)
    graph.outputs(vertices[at] for at in dag.roots.values())
    if any(v in before for before in graph.predecessors for v in graph.results):
        graph.outputs([Vertex(graph, v).through() for v in graph.results])
    return graph

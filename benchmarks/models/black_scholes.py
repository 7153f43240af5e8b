"""The price of a European option (Black and Scholes 1973), and the graph of its first derivatives."""

from __future__ import annotations

from benchmarks.models.scalar_graph import Graph, Vertex
from tensorgrad_eg import Tensor, Variable
from tensorgrad_eg import functions as F
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


#: What each operation reads, in the program that reverse mode wrote for the five first derivatives when the
#: case was made; inputs read nothing. It is written down, since another program would have other counts.
_GRADIENT = """
- - - - - 0,1 5 6 5 8,2 3 9,10 11 4 13 14,1 12,15 1 4,17 18 16,19 20 21 22 23 9,24 18 20,26 27 28 29
30 3,31 32 25,33 7 35,3 36 28 38 39 40 37,41 42 7,9 44 21 46 47 48 45,49 50 43,51 52,19 11 53,54
55,10 7,24 56,57 58,8 55,9 3 60,61 62 35,31 63,64 34,7 66 58,2 68,8 67,69 70,1 52,16 18 72,73 74 43
75,76 77,17 53,1 79 80,4 81 78,82 70,0 53,14 77,4 1 86,87 88 84,85,89
"""
_RESULTS = (59, 65, 71, 83, 90)


def gradient_graph() -> Graph:
    """The program of the five first derivatives of the price, as a graph.

    >>> graph = gradient_graph()
    >>> [graph.multiplications(order) for order in ("forward", "reverse", "Markowitz")]
    [444, 389, 290]
    """
    graph = Graph()
    vertices: list[Vertex] = []
    for word in _GRADIENT.split():
        vertices.append(graph.vertex(*(vertices[int(n)] for n in word.split(",") if n != "-")))
    graph.outputs(vertices[n] for n in _RESULTS)
    return graph

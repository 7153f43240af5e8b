"""J: Jacobian accumulation of scalar graphs, in multiplications."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from benchmarks.case import Problem, Sizes, Tensors, case, standard_normal
from benchmarks.models.scalar_graph import Graph, edges, robot_arm
from tensorgrad_eg import Plan, Tensor, Variable
from tensorgrad_eg import functions as F
from tensorgrad_eg.expr import Number


def _accumulation(graph: Graph, best: int | None) -> Problem:
    """All entries of the Jacobian from local derivatives, a variable `c<from>_<to>` for every edge."""
    local = {(u, v): Variable(f"c{u}_{v}", []) for u, v in edges(graph)}
    inputs = {u: Variable(f"x{u}", []) for u in graph.sources}
    values: list[Tensor] = []
    for v, before in enumerate(graph.predecessors):
        terms = [local[u, v] * values[u] for u in before]
        total = inputs[v] if not before else terms[0]
        for term in terms[1:]:
            total = total + term
        values.append(total)
    entries = {f"J{v}_{u}": values[v].grad(inputs[u]) for v in graph.results for u in graph.reached_from(v)}
    shapes: dict[str, Sequence[int]] = {variable.name: () for variable in (*local.values(), *inputs.values())}
    orders = {f"multiplications, {o}": graph.multiplications(o) for o in ("forward", "reverse", "Markowitz")}
    return Problem(
        entries,
        standard_normal(shapes),
        lambda t: {name: _paths(graph, t)[name] for name in entries},
        bound=best,
        anchors=orders,
        cost=multiplications,
        note="counted are multiplications only",
    )


def multiplications(plan: Plan) -> int:
    """The products of a plan over scalars: what is counted in the literature on accumulation."""
    return sum(step.kind == "contract" for step in plan.steps)


def _paths(graph: Graph, t: Tensors) -> dict[str, torch.Tensor]:
    """Forward accumulation."""
    rows: list[dict[int, torch.Tensor]] = []
    for v, before in enumerate(graph.predecessors):
        row = {} if before else {v: torch.ones_like(t[f"x{v}"])}
        for u in before:
            for source, value in rows[u].items():
                row[source] = row.get(source, 0) + t[f"c{u}_{v}"] * value
        rows.append(row)
    return {f"J{v}_{u}": value for v in graph.results for u, value in rows[v].items()}


@case("J", "RobotArm", [{"joints": 6}], smoke=None, target=10.0)
def robot(sizes: Sizes) -> Problem:
    """Six results of six joints; 231 multiplications are the best known."""
    return _accumulation(robot_arm(), 231)


@case("J", "ladder", [{"rungs": 6}], smoke={"rungs": 3})
def ladder(sizes: Sizes) -> Problem:
    """Two inputs, crossing products, two results: elimination has to choose where to start."""
    graph = Graph()
    a, b = graph.inputs(2)
    for _ in range(sizes["rungs"]):
        middle = a * b
        a, b = middle.through(), middle.through()
    graph.outputs([a, b])
    best = min(graph.multiplications(order) for order in ("forward", "reverse", "Markowitz"))
    return _accumulation(graph, best)


@case("J", "BlackScholes", [{"order": 2}], target=10.0)
def black_scholes(sizes: Sizes) -> Problem:
    """The price of an option and all its first and second derivatives by S, K, r, σ and T.

    The published counts are for the graph that one program's own reverse mode writes for the first
    derivatives, so they are no anchor here.
    """
    S, K, r, v, T = given = [Variable(name, []) for name in ("S", "K", "r", "v", "T")]
    root = v * F.sqrt(T)
    d1 = (F.log(F.exp(r * T) * S / K) + v * v / 2 * T) / root

    def normal(z: Tensor) -> Tensor:
        result: Tensor = (F.erf(z / F.sqrt(Number(2))) + 1) / 2
        return result

    price = F.exp(-(r * T)) * (F.exp(r * T) * S * normal(d1) - K * normal(d1 - root))
    wanted = {"price": price}
    for n, x in enumerate(given):
        wanted[x.name] = price.grad(x)
        wanted |= {x.name + y.name: price.grad(x).grad(y) for y in given[n:]}
    normals = standard_normal({x.name: () for x in given})
    data = {name: np.asarray(abs(value) + 0.5) for name, value in normals.items()}
    return Problem(wanted, data, _greeks)


def _greeks(t: Tensors) -> dict[str, torch.Tensor]:
    names = ["S", "K", "r", "v", "T"]

    def price(x: torch.Tensor) -> torch.Tensor:
        S, K, r, v, T = x
        d1 = (torch.log(torch.exp(r * T) * S / K) + v * v / 2 * T) / (v * torch.sqrt(T))
        first, second = torch.special.ndtr(d1), torch.special.ndtr(d1 - v * torch.sqrt(T))
        result: torch.Tensor = torch.exp(-r * T) * (torch.exp(r * T) * S * first - K * second)
        return result

    x = torch.stack([t[name] for name in names])
    gradient, hessian = torch.func.grad(price)(x), torch.func.hessian(price)(x)
    found = {"price": price(x)}
    for n, name in enumerate(names):
        found[name] = gradient[n]
        found |= {name + other: hessian[n, m] for m, other in enumerate(names) if m >= n}
    return found

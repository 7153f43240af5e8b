"""J: Jacobian accumulation of scalar graphs, in multiplications."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from benchmarks.case import Problem, Sizes, Tensors, case, standard_normal
from benchmarks.models.black_scholes import NAMES, gradient_graph, option
from benchmarks.models.scalar_graph import ORDERS, Graph, edges, robot_arm
from tensorgrad_eg import Plan, Tensor, Variable


def accumulation(graph: Graph, best: int | None) -> Problem:
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
    orders = {f"multiplications, {o}": graph.multiplications(o) for o in ORDERS}
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
    return accumulation(robot_arm(), 231)


@case("J", "ladder", [{"rungs": 6}], smoke={"rungs": 3})
def ladder(sizes: Sizes) -> Problem:
    """Two inputs, crossing products, two results: elimination has to choose where to start."""
    graph = Graph()
    a, b = graph.inputs(2)
    for _ in range(sizes["rungs"]):
        middle = a * b
        a, b = middle.through(), middle.through()
    graph.outputs([a, b])
    return accumulation(graph, min(graph.multiplications(order) for order in ORDERS))


@case("J", "BlackScholes", [{"order": 2}], target=10.0)
def black_scholes(sizes: Sizes) -> Problem:
    """The price of an option and all its first and second derivatives by S, K, r, σ and T.

    The published counts are for the accumulation alone, in another graph: see the next case.
    """
    price, given = option()
    wanted = {"price": price}
    for n, x in enumerate(given):
        wanted[x.name] = price.grad(x)
        wanted |= {x.name + y.name: price.grad(x).grad(y) for y in given[n:]}
    normals = standard_normal({x.name: () for x in given})
    data = {name: np.asarray(abs(value) + 0.5) for name, value in normals.items()}
    return Problem(wanted, data, _greeks)


@case("J", "BlackScholes accumulation", [{"order": 2}], target=10.0)
def black_scholes_accumulation(sizes: Sizes) -> Problem:
    """The derivatives of the five first derivatives by the five inputs, accumulated from local derivatives.

    This is not the published graph. Published are 545 (forward), 572 (reverse) and 350 (Markowitz), best
    308, for a graph that a program of others wrote when it differentiated the price. Ours is a graph that
    our own reverse mode wrote, which is smaller; it is compared with its own counts alone.
    """
    graph = gradient_graph()
    return accumulation(graph, min(graph.multiplications(order) for order in ORDERS))


def _greeks(t: Tensors) -> dict[str, torch.Tensor]:
    def price(x: torch.Tensor) -> torch.Tensor:
        S, K, r, v, T = x
        d1 = (torch.log(torch.exp(r * T) * S / K) + v * v / 2 * T) / (v * torch.sqrt(T))
        first, second = torch.special.ndtr(d1), torch.special.ndtr(d1 - v * torch.sqrt(T))
        result: torch.Tensor = torch.exp(-r * T) * (torch.exp(r * T) * S * first - K * second)
        return result

    x = torch.stack([t[name] for name in NAMES])
    gradient, hessian = torch.func.grad(price)(x), torch.func.hessian(price)(x)
    found = {"price": price(x)}
    for n, name in enumerate(NAMES):
        found[name] = gradient[n]
        found |= {name + other: hessian[n, m] for m, other in enumerate(NAMES) if m >= n}
    return found

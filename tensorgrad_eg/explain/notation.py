"""Terms as expressions: what is not worked out becomes a derivative of named tensors, ∂L/∂t1[b,y]."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tensorgrad_eg.egraph.decode import node_expression
from tensorgrad_eg.explain.symbols import PLAIN, SYMBOLS
from tensorgrad_eg.explain.world import World
from tensorgrad_eg.expr import (
    Add,
    Apply,
    Contract,
    Delta,
    Derivative,
    Entrywise,
    Extent,
    Number,
    Power,
    Scale,
    Size,
    Tangent,
    Tensor,
    Variable,
    fresh,
)
from tensorgrad_eg.expr.operations import ENode
from tensorgrad_eg.expr.tensor import intern


class Notation:
    """Writes the terms of a world.

    `names` are those of intermediate tensors, `reads` those of single readings of a variable.

    >>> world = World({"i": "n"})
    >>> x = world.put("variable", ("x", ("i",)))
    >>> print(Notation(world, {"x": Variable("x", ["i"])}).expression(world.put("slope", "tanh", x)))
    tanh'(x[i])
    """

    def __init__(
        self,
        world: World,
        given: Mapping[str, Variable],
        names: Mapping[int, str] | None = None,
        reads: Mapping[int, str] | None = None,
    ) -> None:
        """The user's variables by name; the labels of the world become edge names."""
        self.world, self.given = world, given
        self.names, self.reads = dict(names or {}), dict(reads or {})
        self.edges: dict[str, str] = {}
        self.done: dict[int, Tensor] = {}

    def edge(self, label: str) -> str:
        """The edge name of a label: an identifier, another one for each label."""
        if label not in self.edges:
            self.edges[label] = label
            if not label.isidentifier():
                plain = label.replace("'", "_")
                self.edges[label] = fresh(plain, {*self.world.symbols, *self.edges.values()})
        return self.edges[label]

    def size(self, label: str) -> Size:
        """The size of the edge of a label."""
        return self.world.symbols.get(label, label)

    def expression(self, root: int) -> Tensor:
        """A term; named parts stand by their names."""
        for at in self._order(root):
            if at not in self.done:
                self.done[at] = self._named(at) if at in self.names else self.definition(at)
        return self.done[root]

    def definition(self, at: int) -> Tensor:
        """A term written out, even if it has a name itself."""
        node = self.world.node(at)
        if node.op in SYMBOLS:
            return self._symbol(at, node)
        kids = [self.expression(c) for c in node.children]
        if node.op == "rename":
            return _read(kids[0], {self.edge(old): self.edge(new) for old, new in _pairs(node)})
        return self._operation(node, kids)

    def variable(self, at: int) -> Variable:
        """The tensor that a term is called by when something is differentiated with respect to it."""
        node: Any = self.world.node(at)
        if at in self.names or at in self.reads:
            name = self.names.get(at) or self.reads[at]
            own = self.definition(at)
            return Variable(name, dict(own.shape))
        if node.op == "variable":
            return self.given[node.payload[0]]
        return Variable(f"t{at}", dict(self.expression(at).shape))

    def labels(self, at: int) -> list[str]:
        """The edges of `variable(at)`, by the names they have in the term."""
        node: Any = self.world.node(at)
        if node.op == "variable" and at not in self.names and at not in self.reads:
            return [self.edge(axis) for axis in node.payload[1]]
        return list(self.variable(at).edges)

    def _order(self, root: int) -> list[int]:
        """What has to be written before a term, itself included: not what stands below a name."""
        seen: set[int] = set()
        stack = [root]
        while stack:
            at = stack.pop()
            if at in seen or at in self.done:
                continue
            seen.add(at)
            if at not in self.names and self.world.node(at).op not in SYMBOLS:
                stack.extend(self.world.node(at).children)
        return sorted(seen)

    def _named(self, at: int) -> Tensor:
        return Variable(self.names[at], dict(self.definition(at).shape))

    def _operation(self, node: ENode, kids: list[Tensor]) -> Tensor:
        payload: Any = node.payload
        if node.op in ("reduce", "softmax", "logsumexp") and not payload:
            return Number(1) if node.op == "softmax" else kids[0]
        if node.op in ("contract", "reduce", "softmax", "logsumexp"):
            have = {edge for kid in kids for edge in kid.edges}
            idle = [label for label in sorted(payload) if self.edge(label) not in have]
            if idle:
                rest = payload.difference(idle)
                known = (
                    self._operation(ENode(node.op, rest, node.children), kids)
                    if rest or node.op == "contract"
                    else kids[0]
                )
                return self._idle(node.op, known, [Extent(self.size(label)) for label in idle], bool(rest))
        if node.op == "add":
            kids = [kid for kid in kids if not _negative(kid)] + [kid for kid in kids if _negative(kid)]
        if node.op == "extent":
            return Extent(int(payload)) if payload.isdigit() else Extent(payload)
        return node_expression(node, kids, _Edges(self), _Sizes(self), self.given)

    def _idle(self, op: str, known: Tensor, sizes: Iterable[Tensor], more: bool) -> Tensor:
        """A sum over edges that nothing depends on counts them."""
        if op == "softmax" and not more:
            known = Number(1)
        for size in sizes:
            match op:
                case "softmax":
                    known = Contract((), known, Power(size, -1))
                case "logsumexp":
                    known = Add((known, Apply("log", size)))
                case _:
                    known = Contract((), size, known)
        return known

    # -- derivatives
    def _symbol(self, at: int, node: ENode) -> Tensor:
        payload: Any = node.payload
        match node.op:
            case "cotangent":
                return self._cotangent(payload, node.children[0], self.labels(node.children[0]))
            case "tangent":
                return self._tangent(payload, node.children[0])
            case "pullback":
                return self._pullback(payload, *node.children)
            case "gradient":
                wrt = self.given[_payload(self.world.node(node.children[0]))[0]]
                root = self.variable(self.world.directions[payload[0]].root)
                return Derivative(root, wrt, [self.edge(axis) for axis in payload[1]])
            case "read-gradient":
                return self._read(payload, node.children[0])
            case "partial":
                return self._partial(node)
        arg = self.expression(node.children[0])
        return intern(Apply, dict(arg.shape), {"function": f"{payload}'", "arg": arg})

    def _partial(self, node: ENode) -> Tensor:
        """f'2(a, b): the derivative by what stands in the second place."""
        operation = self.world.node(node.children[0])
        args = tuple(self.expression(c) for c in operation.children)
        shape = {edge: size for arg in args for edge, size in arg.shape.items()}
        return intern(Entrywise, shape, {"operation": f"{operation.op}'{node.name}", "args": args})

    def _cotangent(self, direction: str, at: int, names: list[str]) -> Tensor:
        return Derivative(self.variable(self.world.directions[direction].root), self.variable(at), names)

    def _tangent(self, direction: str, at: int) -> Tensor:
        meaning = self.world.directions[direction]
        arg = self.expression(at) if self.world.node(at).op in PLAIN else self._as_tensor(at)
        if not meaning.seeds:  # nothing varies: the derivative is zero
            wrt = self.given[meaning.variable]
            if meaning.along is not None:
                return Tangent(arg, wrt, meaning.along)
            return self._derivative(arg, wrt, [self.edge(axis) for axis in meaning.axes])
        source, seed = meaning.seeds[0]
        node: Any = self.world.node(source)
        varied = node.op == "variable"
        wrt = self.given[node.payload[0]] if varied else self.variable(source)
        labels = list(node.payload[1]) if varied else [self._label(edge) for edge in wrt.edges]
        if not meaning.tips and varied:
            return Tangent(arg, wrt, self._direction(seed, dict(zip(labels, wrt.edges, strict=True))))
        if meaning.axes:
            return self._derivative(arg, wrt, [self.edge(axis) for axis in meaning.axes])
        tips = dict(
            _payload(n) for n in map(self.world.node, self.world.dag.reachable([seed])) if n.op == "delta"
        )
        return self._derivative(arg, wrt, [self.edge(tips.get(label, label)) for label in labels])

    def _direction(self, seed: int, edges: Mapping[str, str]) -> Tensor:
        """What the source moves along, over the edges of the variable itself."""
        along = self.expression(seed)
        names = {self.edge(label): edge for label, edge in edges.items()}
        return along.rename({old: new for old, new in names.items() if old != new and old in along.edges})

    def _derivative(self, arg: Tensor, wrt: Variable, names: list[str]) -> Tensor:
        """∂arg/∂wrt; an edge that both have stands for the diagonal."""
        taken = {*arg.edges, *names}
        aside: dict[str, str] = {}
        for name in names:
            if name in arg.edges:
                aside[name] = fresh(name, taken)
                taken.add(aside[name])
        return _diagonals(Derivative(arg, wrt, [aside.get(name, name) for name in names]), aside)

    def _pullback(self, direction: str, at: int, reader: int) -> Tensor:
        """∂L/∂e ∂e/∂a, summed over the edges of e."""
        own = self.labels(at)
        inner = self._as_tensor(reader)
        taken = {*own, *inner.edges}
        aside: dict[str, str] = {}
        for edge in inner.edges:
            aside[edge] = fresh(edge, taken) if edge in own else edge
            taken.add(aside[edge])
        inner = inner.rename({old: new for old, new in aside.items() if old != new})
        outer = self._cotangent(direction, reader, list(inner.edges))
        return Contract(inner.edges, outer, Derivative(inner, self.variable(at), own))

    def _read(self, payload: Any, at: int) -> Tensor:
        """What one place where a variable is read contributes, over the axes of the gradient."""
        names: dict[str, list[str]] = {}
        for label, axis in zip(_payload(self.world.node(at))[1], payload[1], strict=True):
            names.setdefault(self.edge(label), []).append(self.edge(axis))
        result = self._cotangent(payload[0], at, [names[edge][0] for edge in self.labels(at)])
        for first, *others in names.values():
            for axis in others:
                result = Contract((), Delta(first, axis, result.shape[first]), result)
        return result

    def _as_tensor(self, at: int) -> Tensor:
        return self.expression(at) if self.world.node(at).op in PLAIN else self.variable(at)

    def _label(self, edge: str) -> str:
        return next((label for label, name in self.edges.items() if name == edge), edge)


class _Edges(dict[str, str]):
    """Labels to edge names, for `node_expression`."""

    def __init__(self, notation: Notation) -> None:
        super().__init__()
        self.notation = notation

    def __missing__(self, label: str) -> str:
        return self.notation.edge(label)


class _Sizes(dict[str, Size]):
    """Labels to sizes, for `node_expression`."""

    def __init__(self, notation: Notation) -> None:
        super().__init__()
        self.notation = notation

    def __missing__(self, label: str) -> Size:
        return self.notation.size(label)


def _read(tensor: Tensor, names: Mapping[str, str]) -> Tensor:
    """The tensor under other names; where two edges get one name, its diagonal."""
    own = [names.get(edge, edge) for edge in tensor.edges]
    taken = {*own, *tensor.edges}
    back: dict[str, str] = {}
    new: dict[str, str] = {}
    for place, (edge, name) in enumerate(zip(tensor.edges, own, strict=True)):
        new[edge] = name
        if name in own[:place]:
            new[edge] = fresh(name, taken)
            taken.add(new[edge])
            back[name] = new[edge]
    return _diagonals(tensor.rename({old: name for old, name in new.items() if old != name}), back)


def _diagonals(tensor: Tensor, aside: Mapping[str, str]) -> Tensor:
    """The tensor with some edges read at the names of others."""
    for name, other in aside.items():
        tensor = Contract([other], tensor, Delta(other, name, tensor.shape[other]))
    return tensor


def _negative(term: Tensor) -> bool:
    return isinstance(term, Scale) and term.factor < 0


def _pairs(node: ENode) -> Iterable[tuple[str, str]]:
    payload: Any = node.payload
    return list(payload)


def _payload(node: ENode) -> Any:
    return node.payload

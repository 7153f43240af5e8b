"""Terms as expressions: what is not worked out becomes a derivative of named tensors, ∂L/∂t1[b,y]."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tensorgrad_eg.egraph.decode import node_expression
from tensorgrad_eg.explain.terms import PLAIN, SYMBOLS, Direction, Terms, pairs
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
from tensorgrad_eg.expr.operations import OPERATIONS, ENode
from tensorgrad_eg.expr.tensor import intern
from tensorgrad_eg.expr.walk import parts_first


class Notation:
    """Writes terms.

    `names` are those of intermediate tensors, `reads` those of single readings of a variable.
    """

    def __init__(
        self,
        terms: Terms,
        given: Mapping[str, Variable],
        names: Mapping[int, str] | None = None,
        reads: Mapping[int, str] | None = None,
    ) -> None:
        """The user's variables by name; labels become edge names."""
        self.terms, self.given = terms, given
        self.names, self.reads = dict(names or {}), dict(reads or {})
        self.edges: dict[str, str] = {}
        self.done: dict[int, Tensor] = {}

    def edge(self, label: str) -> str:
        """The edge name of a label: an identifier, another one for each label."""
        if label not in self.edges:
            self.edges[label] = label
            if not label.isidentifier():
                plain = label.replace("'", "_")
                self.edges[label] = fresh(plain, {*self.terms.symbols, *self.edges.values()})
        return self.edges[label]

    def size(self, label: str) -> Size:
        """The size of the edge of a label."""
        return self.terms.symbols.get(label, label)

    def expression(self, root: int) -> Tensor:
        """A term; named parts stand by their names."""
        for at in sorted(parts_first([root], self._parts, self.done)):
            if at not in self.done:
                whole = self.definition(at)
                self.done[at] = Variable(self.names[at], dict(whole.shape)) if at in self.names else whole
        return self.done[root]

    def definition(self, at: int) -> Tensor:
        """A term written out, even if it has a name itself."""
        node = self.terms.node(at)
        if node.op in SYMBOLS:
            return self._symbol(node)
        kids = [self.expression(c) for c in node.children]
        if node.op == "rename":
            return _read(kids[0], {self.edge(old): self.edge(new) for old, new in pairs(node.payload)})
        return self._operation(node, kids)

    def variable(self, at: int) -> Variable:
        """The tensor that a term is called by when something is differentiated with respect to it."""
        node = self.terms.node(at)
        name = self.names.get(at) or self.reads.get(at)
        if name is None and node.op == "variable":
            return self.given[node.name]
        return Variable(name or f"t{at}", dict(self.definition(at).shape))

    def labels(self, at: int) -> list[str]:
        """The edges of `variable(at)`, by the names they have in the term."""
        node = self.terms.node(at)
        if node.op == "variable" and at not in self.names and at not in self.reads:
            return [self.edge(axis) for axis in node.axes]
        return list(self.variable(at).edges)

    def _parts(self, at: int) -> Sequence[int]:
        """What has to be written before a term: not what stands below a name."""
        node = self.terms.node(at)
        return () if at in self.names or node.op in SYMBOLS else node.children

    def _operation(self, node: ENode, kids: list[Tensor]) -> Tensor:
        over, have = node.over, {edge for kid in kids for edge in kid.edges}
        if node.op in OPERATIONS and OPERATIONS[node.op].edged and not over and node.op != "contract":
            return Number(1) if OPERATIONS[node.op].spans else kids[0]
        idle = [label for label in sorted(over) if self.edge(label) not in have]
        if idle and not OPERATIONS[node.op].matrix:
            known = self._operation(ENode(node.op, over.difference(idle), node.children), kids)
            return self._idle(node, known, [Extent(self.size(label)) for label in idle])
        if node.op == "add":
            kids = [kid for kid in kids if not _negative(kid)] + [kid for kid in kids if _negative(kid)]
        if node.op == "extent":
            return Extent(int(node.name) if node.name.isdigit() else node.name)
        labels = node.pair if node.op == "solve" else over or OPERATIONS[node.op].free(node.payload, [])
        names = {label: self.edge(label) for label in labels}
        return node_expression(node, kids, names, self.terms.symbols, self.given)

    def _idle(self, node: ENode, known: Tensor, sizes: Iterable[Tensor]) -> Tensor:
        """What an operation over edges that nothing depends on comes to: a sum over them counts them."""
        for size in sizes:
            if OPERATIONS[node.op].kernel == "SUM":
                known = Contract((), size, known)
            elif OPERATIONS[node.op].spans:
                known = Contract((), known, Power(size, -1))
            else:
                known = Add((known, Apply("log", size)))
        return known

    # -- derivatives
    def _symbol(self, node: ENode) -> Tensor:
        at = node.children[0]
        match node.op:
            case "cotangent":
                return self._cotangent(node.name, at, self.labels(at))
            case "tangent":
                return self._tangent(self.terms.directions[node.name], at)
            case "pullback":
                return self._pullback(node.name, *node.children)
            case "gradient":
                wrt = self.given[self.terms.node(at).name]
                root = self.variable(self.terms.directions[node.name].root)
                return Derivative(root, wrt, [self.edge(axis) for axis in node.axes])
            case "read-gradient":
                return self._read(node, at)
            case "partial":
                return self._partial(node)
        arg = self.expression(at)
        return intern(Apply, dict(arg.shape), {"function": f"{node.name}'", "arg": arg})

    def _partial(self, node: ENode) -> Tensor:
        """f'2(a, b): the derivative by what stands in the second place."""
        operation = self.terms.node(node.children[0])
        args = tuple(self.expression(c) for c in operation.children)
        shape = {edge: size for arg in args for edge, size in arg.shape.items()}
        return intern(Entrywise, shape, {"operation": f"{operation.op}'{node.name}", "args": args})

    def _cotangent(self, direction: str, at: int, names: list[str]) -> Tensor:
        return Derivative(self.variable(self.terms.directions[direction].root), self.variable(at), names)

    def _tangent(self, meaning: Direction, at: int) -> Tensor:
        arg = self._as_tensor(at)
        axes = [self.edge(axis) for axis in meaning.axes]
        if not meaning.seeds:  # nothing varies: the derivative is zero
            wrt = self.given[meaning.variable]
            zero = None if meaning.along is None else Tangent(arg, wrt, meaning.along)
            return zero or self._derivative(arg, wrt, axes)
        source, seed = meaning.seeds[0]
        node = self.terms.node(source)
        varied = node.op == "variable"
        wrt = self.given[node.name] if varied else self.variable(source)
        labels = list(node.axes) if varied else [self._label(edge) for edge in wrt.edges]
        if not meaning.tips and varied:
            return Tangent(arg, wrt, self._direction(seed, dict(zip(labels, wrt.edges, strict=True))))
        if not axes:
            reached = map(self.terms.node, self.terms.dag.reachable([seed]))
            tips = dict(one.pair for one in reached if one.op == "delta")
            axes = [self.edge(tips.get(label, label)) for label in labels]
        return self._derivative(arg, wrt, axes)

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

    def _read(self, node: ENode, at: int) -> Tensor:
        """What one place where a variable is read contributes, over the axes of the gradient."""
        names: dict[str, list[str]] = {}
        for label, axis in zip(self.terms.node(at).axes, node.axes, strict=True):
            names.setdefault(self.edge(label), []).append(self.edge(axis))
        result = self._cotangent(node.name, at, [names[edge][0] for edge in self.labels(at)])
        for first, *others in names.values():
            for axis in others:
                result = Contract((), Delta(first, axis, result.shape[first]), result)
        return result

    def _as_tensor(self, at: int) -> Tensor:
        return self.expression(at) if self.terms.node(at).op in PLAIN else self.variable(at)

    def _label(self, edge: str) -> str:
        return next((label for label, name in self.edges.items() if name == edge), edge)


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

"""Draw expressions.

A product is drawn flat: all of its tensors side by side, whatever the order of the contractions. A function,
a sum or a derivative is a box around what it is of.

>>> from tensorgrad_eg.expr import Variable
>>> A, x = Variable("A", ["i", "k"]), Variable("x", ["k"])
>>> picture = from_expressions({"": A @ x})
>>> [wire.targets for wire in picture.wires]
[('i', 'A'), ('A', 'x')]
>>> picture.description
'Σ_k A[i,k] x[k]'
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from fractions import Fraction

from tensorgrad_eg.diagram.panels import Page, power_label, sign
from tensorgrad_eg.diagram.picture import Picture
from tensorgrad_eg.expr import (
    Add,
    Apply,
    Constant,
    Contract,
    Delta,
    Derivative,
    Entrywise,
    Extent,
    LogSumExp,
    Number,
    Power,
    Reduce,
    Rename,
    Scale,
    Softmax,
    Tangent,
    Tensor,
    Variable,
    brief,
    children,
    postorder,
)

Env = Mapping[str, int]  # edge -> wire

#: An expression of at most this many nodes is drawn in full; in a larger one, what is shared gets a panel.
SMALL = 60
DEEPEST = 40


def from_expressions(named: Mapping[str, Tensor]) -> Picture:
    """Draw expressions below each other, each under its name; an empty name is not shown.

    >>> from tensorgrad_eg.expr import Variable
    >>> x = Variable("x", ["k"])
    >>> [box.label for box in from_expressions({"f": x, "g": x + x}).boxes if box.kind == "panel"]
    ['f', 'g']
    """
    shared = _shared(named)
    drawing = _Drawing(shared)
    panels = {**named, **{name: node for node, name in shared.items()}}
    for name, tensor in panels.items():
        if drawing.page.full:
            drawing.page.left_out += 1
            continue
        box, wires = drawing.page.panel(name, tensor.edges)
        drawing.product(tensor, wires, box, inside=False)
    text = "; ".join(
        f"{name} = {brief(tensor, 200)}" if name else brief(tensor, 200) for name, tensor in named.items()
    )
    return drawing.page.sketch.finish(text, drawing.page.note())


def _shared(named: Mapping[str, Tensor]) -> dict[Tensor, str]:
    """What gets a panel of its own, with its name: in a large expression, everything that is used twice."""
    order = postorder(named.values())
    size: dict[Tensor, int] = {}
    for node in order:
        size[node] = 1 + sum(size[part] for part in children(node))
    if sum(size[tensor] for tensor in named.values()) <= SMALL:
        return {}
    uses = Counter(part for node in order for part in children(node))
    often = [node for node in order if uses[node] > 1 and size[node] > 3 and node not in named.values()]
    taken = {node.name for node in order if isinstance(node, Variable)} | set(named)
    names = (f"t{at}" for at in range(1, len(often) + len(taken) + 1) if f"t{at}" not in taken)
    return dict(zip(often, names, strict=False))


class _Drawing:
    def __init__(self, shared: Mapping[Tensor, str]) -> None:
        self.page = Page()
        self.shared = shared
        self.wanted: tuple[str, ...] = ()  # variables of the derivatives around
        self.depth = 0

    def product(self, tensor: Tensor, env: Env, box: str, *, inside: bool = True) -> None:
        """Draw a product flat; `inside` is False for what a panel defines: that is not drawn as a name."""
        parts: list[str] = []
        factor = Fraction(1)
        todo = [(tensor, env)]
        while todo:
            node, wires = todo.pop()
            if node in self.shared and (inside or node is not tensor):
                parts.append(self.page.place("result", self.shared[node], _axes(node, wires), box))
                continue
            match node:
                case Contract(over, left, right):
                    wires = {**wires, **self.page.sketch.summed(sorted(over), wires, box)}
                    todo += [(right, _only(right, wires)), (left, _only(left, wires))]
                case Reduce(over, arg):
                    todo.append((arg, {**wires, **self.page.sketch.summed(sorted(over), wires, box)}))
                case Scale(number, arg):
                    factor *= number
                    todo.append((arg, wires))
                case Rename(arg, mapping):
                    new = dict(mapping)
                    todo.append((arg, {edge: wires[new.get(edge, edge)] for edge in arg.edges}))
                case Number(value):
                    factor *= value
                case Delta(i, j):
                    self.page.sketch.join(wires[i], wires[j])
                case _:
                    parts.append(self._part(node, wires, box))
        self.page.row(parts, factor, box) if parts or factor != 1 or not env else None

    def _part(self, node: Tensor, env: Env, box: str) -> str:
        match node:
            case Variable(name):
                kind = "wanted" if name in self.wanted else "variable"
                return self.page.place(kind, name, _axes(node, env), box)
            case Constant() | Extent() | Power(Constant() | Extent()):
                return self.page.place("text", _number(node), [], box)
        if self.page.full or self.depth > DEEPEST:
            return self.page.omit(_axes(node, env), box)
        self.depth += 1
        key = self._box(node, env, box)
        self.depth -= 1
        return key

    def _box(self, node: Tensor, env: Env, box: str) -> str:
        match node:
            case Add(terms):
                return self._sum(terms, env, box)
            case Apply(function, arg):
                return self._function(function, arg, env, box)
            case Power(arg, exponent):
                return self._function(power_label(exponent), arg, env, box)
            case Softmax(over, arg):
                return self._function("softmax", arg, env, box, sorted(over))
            case LogSumExp(over, arg):
                return self._function(f"logsumexp over {', '.join(sorted(over))}", arg, env, box)
            case Entrywise(operation, args):
                return self._sum(args, env, box, operation)
            case Derivative(arg, wrt, names):
                return self._loop(arg, wrt, [env[name] for name in names], env, box)
            case Tangent(arg, wrt, direction):
                wires = self.page.sketch.wires(wrt.edges, box)
                key = self._loop(arg, wrt, list(wires.values()), env, box)
                self.product(direction, _only(direction, wires), box)
                return key
        raise TypeError(f"a {type(node).__name__} cannot be drawn")

    def _sum(self, terms: tuple[Tensor, ...], env: Env, box: str, operation: str = "") -> str:
        """Draw a sum, or what another operation is of, side by side."""
        frame = self.page.sketch.box("function" if operation else "sum", operation, box)
        for edge, wire in env.items():
            self.page.sketch.attach(wire, frame, edge)
        parts: list[str] = []
        for at, term in enumerate(terms):
            factor, body = Fraction(1), term
            if isinstance(term, Scale) and not operation:
                factor, body = term.factor, term.arg
            mark = "," if operation and at else sign(factor, at == 0)
            if mark:
                parts.append(self.page.place("text", mark, [], frame))
            inner = self.page.sketch.box("term", "", frame)
            parts.append(inner)
            self.product(body, _only(body, self.page.stubs(env, inner)), inner)
        self.page.sketch.row(frame, parts)
        return frame

    def _function(self, label: str, arg: Tensor, env: Env, box: str, over: Iterable[str] = ()) -> str:
        frame = self.page.sketch.box("function", label, box)
        self._through(arg, env, frame, over)
        return frame

    def _loop(self, arg: Tensor, wrt: Variable, new: list[int], env: Env, box: str) -> str:
        frame = self.page.sketch.box("loop", f"d / d{wrt.name}", box)
        for edge, wire in zip(wrt.edges, new, strict=True):
            self.page.sketch.attach(wire, frame, edge, dot=True)
        before, self.wanted = self.wanted, (*self.wanted, wrt.name)
        self._through(arg, env, frame)
        self.wanted = before
        return frame

    def _through(self, arg: Tensor, env: Env, frame: str, over: Iterable[str] = ()) -> None:
        """Draw inside a box whose wires lead through its frame; an edge that ends inside ends in a leg."""
        inner = self.page.inner([edge for edge in arg.edges if edge in env], env, frame)
        ended = self.page.stubs([edge for edge in arg.edges if edge not in env], frame)
        self.product(arg, {**inner, **ended}, frame)
        self.page.sketch.seal(inner, env, frame, over)


def _number(node: Tensor) -> str:
    return f"1/{node.arg}" if isinstance(node, Power) and node.exponent == -1 else str(node)


def _axes(tensor: Tensor, env: Env) -> list[tuple[int, str]]:
    return [(env[edge], edge) for edge in tensor.edges]


def _only(tensor: Tensor, env: Env) -> dict[str, int]:
    return {edge: env[edge] for edge in tensor.edges}

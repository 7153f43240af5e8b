"""The passes of forward and of reverse mode, all of a derivative at once, as a program.

Where a tensor with edges is differentiated once more, automatic differentiation has one pass for each entry
of what it is differentiated by, or of the tensor. They are one program, as they are when they are vectorised:
that of one pass whose direction is a row of an identity, for all rows. So they share what does not depend on
the direction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from tensorgrad_eg.egraph.derive import Derived, Stage, derive
from tensorgrad_eg.egraph.differentiate import Labels
from tensorgrad_eg.egraph.encode import Encoded, Encoder
from tensorgrad_eg.egraph.engines import Engines
from tensorgrad_eg.egraph.term import Dag, Snapshot, dag_of, renamed, smallest
from tensorgrad_eg.expr import Contract, Derivative, Rename, Tangent, Tensor, Variable, fresh, variables
from tensorgrad_eg.extract.starts import normal


def again(e: Tensor) -> tuple[Derivative, dict[str, str]] | None:
    """The derivative of a tensor with edges that an expression is, and what it calls its edges.

    Example:
        >>> x = Variable("x", ["n"])
        >>> again(Derivative(x, x).rename(n="m"))[1], again(Derivative(x @ x, x))
        ({'n': 'm', 'n_': 'n_'}, None)
    """
    names = {edge: edge for edge in e.edges}
    while isinstance(e, Rename):
        new = dict(e.mapping)
        names = {edge: names[new.get(edge, edge)] for edge in e.arg.edges}
        e = e.arg
    return (e, names) if isinstance(e, Derivative) and e.arg.edges else None


@dataclass
class _Root:
    """One root: what it is, its direction if it has one, and what the edges of both are called in the end."""

    name: str
    expression: Tensor
    names: Mapping[str, str] = field(default_factory=dict)
    direction: Variable | None = None
    ends: Mapping[str, str] = field(default_factory=dict)


def passes(
    expressions: Sequence[Tensor],
    derived: Derived,
    symbols: Mapping[str, str | int],
    sizes: Mapping[str, int],
    engines: Engines,
) -> Snapshot:
    """The program, whose roots have the labels of what was derived; `symbols` are the sizes of more labels.

    An expression has one root, as it is (`out0`); a derivative of a tensor with edges has three, what it
    differentiates (`inner0`) and itself in both modes (`forward0`, `reverse0`). No rule has looked at an
    identity: what a pass computes first stays first.

    Raises:
        TimeLimitError: if they are not worked out when the time is up.

    Example:
        >>> x = Variable("x", ["n"])
        >>> wanted = [Derivative(x * x, x)]
        >>> list(passes(wanted, derive(wanted, {}), {}, {}, Engines()).roots)
        ['inner0', 'forward0', 'reverse0']
    """
    labels = Labels({**derived.symbols, **symbols})
    roots = list(_roots(expressions, derived.outputs))
    found = derive([root.expression for root in roots], sizes, engines, _known(expressions, derived, labels))
    begun = normal(found, engines)
    labels.symbols |= begun.symbols
    program = _Vectorised(labels, [root.direction for root in roots if root.direction])
    moved = program.include(dag_of(begun, smallest(begun), begun.roots))
    for root, encoded, at in zip(roots, found.outputs, moved, strict=True):
        own = {label: root.names[edge] for edge, label in encoded.labels if edge in root.names}
        if root.direction:
            ends = program.ends[root.direction.name]
            own |= {ends[edge]: root.ends[edge] for edge in ends}
        names = {old: new for old, new in own.items() if old in program.dag.free[at]}
        program.dag.roots[root.name] = renamed(program.dag, at, names, labels.symbols)
    return Snapshot.of(program.dag, labels.symbols)


def before(expressions: Sequence[Tensor], derived: Derived) -> tuple[Stage, list[str]] | None:
    """The last stage that has all that is differentiated once more, and which of its roots these are.

    Facts were not used then.

    Example:
        >>> x = Variable("x", ["n"])
        >>> before([Derivative(x * x, x)], derive([Derivative(x * x, x)], {}))[0].phase
        'differentiate'
    """
    wanted = {found[0].arg for found in map(again, expressions) if found}
    for stage in reversed(derived.stages):
        roots = [root for root, (e, _) in stage.subjects.items() if e in wanted]
        if stage.phase != "facts" and len(roots) == len(wanted):
            return stage, roots
    return None


def _known(expressions: Sequence[Tensor], derived: Derived, labels: Labels) -> Encoder:
    """What is differentiated once more as it was worked out, if that is known."""
    found = before(expressions, derived)
    if found is None:
        return Encoder(labels=labels)
    stage, roots = found
    dag = stage.after.part({root: stage.after.roots[root] for root in roots})
    done = {stage.subjects[root][0]: Encoded(dag.roots[root], stage.subjects[root][1]) for root in roots}
    return Encoder(dag, labels, done)


def _roots(expressions: Sequence[Tensor], outputs: Sequence[Encoded]) -> Iterator[_Root]:
    taken = set(variables(expressions))
    for n, (e, encoded) in enumerate(zip(expressions, outputs, strict=True)):
        found, labels = again(e), dict(encoded.labels)
        if found is None:
            yield _Root(f"out{n}", e, labels)
            continue
        d, names = found
        inner = {edge: labels[names[edge]] for edge in d.arg.edges}
        new = {edge: labels[names[edge]] for edge in d.names}
        v = _direction(d.wrt, taken)
        u = _direction(d.arg, taken)
        pulled = Derivative(Contract(d.arg.edges, d.arg, u), d.wrt, d.names)
        yield _Root(f"inner{n}", d.arg)
        ends = dict(zip(d.wrt.edges, new.values(), strict=True))
        yield _Root(f"forward{n}", Tangent(d.arg, d.wrt, v), inner, v, ends)
        yield _Root(f"reverse{n}", pulled, new, u, inner)


def _direction(like: Tensor, taken: set[str]) -> Variable:
    name = fresh("v", taken)
    taken.add(name)
    return Variable(name, dict(like.shape))


class _Vectorised:
    """A program with an identity in the place of each direction: what depends on it has further edges."""

    def __init__(self, labels: Labels, directions: Iterable[Variable]) -> None:
        self.labels, self.dag = labels, Dag()
        self.edges = {v.name: v.edges for v in directions}
        #: The labels of the further edges of each direction, by its own.
        self.ends: dict[str, dict[str, str]] = {name: {} for name in self.edges}

    def include(self, begun: Dag) -> list[int]:
        """Takes over a program; where its roots are now."""
        moved: list[int] = []
        more: list[frozenset[str]] = []
        for at, node in enumerate(begun.nodes):
            if node.op == "variable" and node.name in self.edges:
                moved.append(self._identity(node.name, node.axes))
                more.append(frozenset(self.ends[node.name].values()))
                continue
            kids = [moved[c] for c in node.children]
            more.append(frozenset[str]().union(*(more[c] for c in node.children)))
            moved.append(self.dag.put(node.op, node.payload, *kids, free=begun.free[at] | more[at]))
        return [moved[at] for at in begun.roots.values()]

    def _identity(self, name: str, axes: Sequence[str]) -> int:
        found = None
        for edge, axis in zip(self.edges[name], axes, strict=True):
            if edge not in self.ends[name]:
                self.ends[name][edge] = self.labels.fresh(axis)
            delta = self.dag.put("delta", (axis, self.ends[name][edge]))
            found = delta if found is None else self.dag.put("contract", frozenset(), found, delta)
        return self.dag.put("number", Fraction(1)) if found is None else found

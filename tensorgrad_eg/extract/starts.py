"""Programs that a search starts from: with what is declared of arrays, and differentiated in other orders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from tensorgrad_eg.assume import Fact
from tensorgrad_eg.egraph import Dag, Snapshot, dag_of, renamed, smallest
from tensorgrad_eg.egraph.derive import Derived, Stage, derive
from tensorgrad_eg.egraph.differentiate import Labels
from tensorgrad_eg.egraph.encode import Encoded, Encoder
from tensorgrad_eg.egraph.engine import Engine, Engines
from tensorgrad_eg.egraph.text import statements
from tensorgrad_eg.errors import TimeLimitError
from tensorgrad_eg.expr import Contract, Derivative, Rename, Tangent, Tensor, Variable, fresh, variables
from tensorgrad_eg.expr.operations import ENode
from tensorgrad_eg.extract import price
from tensorgrad_eg.extract.alias import Alias, closed, exchanges, signed
from tensorgrad_eg.extract.search import Extractor
from tensorgrad_eg.rules.forms import NORMAL


@dataclass(frozen=True)
class Mode:
    """A program for all outputs, as part of one that begins with the program of reverse mode.

    `start` is its normal form, `cost` what it costs; `roots` are its outputs in `dag`.
    """

    program: Dag
    start: Snapshot
    cost: float
    dag: Dag
    roots: Mapping[str, int]

    @classmethod
    def best(
        cls, derived: Derived, start: Snapshot, sizes: Mapping[str, int], engines: Engines
    ) -> Mode | None:
        """The cheapest of the programs that were differentiated in another order, if it beats the first.

        Example:
            >>> Mode.best(Derived(Dag(), [], {}), Snapshot({}, {}, {}), {}, Engines()) is None
            True
        """
        if not derived.modes:
            return None
        try:
            found = [cls._of(derived, program, sizes, engines) for program in derived.modes]
        except (TimeLimitError, KeyboardInterrupt):
            return None  # there was no time for another
        best = min(found, key=lambda mode: mode.cost)
        return best if best.cost < _cost(start, sizes) else None

    @classmethod
    def _of(cls, derived: Derived, program: Dag, sizes: Mapping[str, int], engines: Engines) -> Mode:
        start = normal(replace(derived, dag=program), engines)
        dag = derived.dag.part(derived.dag.roots)
        moved = dag.include(program, program.roots.values())
        roots = {name: moved[at] for name, at in program.roots.items()}
        return cls(program, start, _cost(start, sizes), dag, roots)

    def joins(self, engine: Engine) -> bool:
        """Brings both programs to normal form, and says that outputs are one; whether there was time."""
        try:
            engine.normalise()
            self._join(engine)
        except (TimeLimitError, KeyboardInterrupt):
            return False
        return True

    def _join(self, engine: Engine) -> None:
        pairs = [(self.dag.roots[name], at) for name, at in self.roots.items()]
        join(engine, [("accumulates", pair) for pair in pairs])


def join(engine: Engine, facts: Iterable[tuple[str, tuple[int, ...]]]) -> None:
    """States of nodes that they are one tensor: by which relation, and which."""
    for relation, nodes in facts:
        engine.facts(f"({relation} {' '.join(f't{at}' for at in nodes)})", nodes)
    engine.run("accumulate")
    engine.normalise()


def normal(derived: Derived, engines: Engines) -> Snapshot:
    """The normal form of a program, in an e-graph of its own.

    Example:
        >>> normal(Derived(Dag(), [], {}), Engines()).size
        0
    """
    with derived.engine(engines, NORMAL) as engine:
        engine.normalise()
        return engine.snapshot(list(derived.dag.roots))


def _cost(start: Snapshot, sizes: Mapping[str, int]) -> float:
    priced = price(start, sizes)
    return Extractor(priced, [priced.root(r) for r in start.roots]).tree_choice().cost


#: In larger programs a renamed tensor stays one tensor: what is inside is not met by what is outside.
_SMALL = 1000
_MINUS = Fraction(-1)


def assumed(
    derived: Derived,
    expressions: Sequence[Tensor],
    facts: Sequence[Fact],
    engines: Engines | None = None,
) -> Derived:
    """The normal form in which the facts are used; derivatives have been worked out without them.

    Example:
        >>> from tensorgrad_eg.assume import sums_to_one
        >>> from tensorgrad_eg.egraph.derive import derive
        >>> from tensorgrad_eg.expr import Variable
        >>> Y = Variable("Y", ["c"])
        >>> after = assumed(derive([Y.sum()], {}), [Y.sum()], [sums_to_one(Y)])
        >>> after.dag.nodes[after.dag.roots["out0"]]
        ENode(op='number', payload=Fraction(1, 1), children=())
    """
    if not facts:
        return derived
    now = replace(derived, facts=statements(facts), plain=derived.dag)
    try:
        return _used(now, expressions, facts, engines or Engines())
    except (TimeLimitError, KeyboardInterrupt):
        return derived  # what is there is right without the facts


def _used(now: Derived, expressions: Sequence[Tensor], facts: Sequence[Fact], engines: Engines) -> Derived:
    derived, signs = now, any(fact.kind == "antisymmetric" for fact in facts)
    zeros: list[int] = []
    while True:
        with now.engine(engines, NORMAL) as engine:
            if zeros:
                engine.facts(" ".join(f"(mirrored t{at} t{at})" for at in zeros), zeros)
            engine.normalise(descend=len(now.dag.nodes) < _SMALL)
            snapshot = engine.snapshot(list(now.dag.roots))
        dag, zeros, again = _merged(snapshot, signs)
        now = replace(now, dag=dag, symbols=snapshot.symbols)
        if not again:
            break
    turns = exchanges(snapshot, closed(snapshot, signed=signs))
    outputs = [Encoded(dag.roots[f"out{n}"], was.labels) for n, was in enumerate(derived.outputs)]
    subjects = {
        f"out{n}": (e, was.labels) for n, (e, was) in enumerate(zip(expressions, outputs, strict=True))
    }
    stage = Stage("facts", derived.dag, dag, None, subjects)
    return replace(now, outputs=outputs, stages=[*derived.stages, stage], exchanges=turns)


def _merged(snapshot: Snapshot, signs: bool) -> tuple[Dag, list[int], bool]:
    """The program of smallest terms, tensors that differ by names of bound edges made one; whether any did.

    A symmetric A makes such tensors of A[n,j] x[j] and A[i,n] x[i], summed over j and over i. With an
    antisymmetric one they have other `signs`, or are their own negatives: these are told as well.
    """
    exact = {at: [n for n in nodes if snapshot.exact(at, n)] or nodes for at, nodes in snapshot.nodes.items()}
    choice = smallest(replace(snapshot, nodes=exact))
    alias = signed(snapshot, closed(snapshot, signed=signs))
    weight = _weights(choice)
    kept: dict[Alias, int] = {}
    for at in sorted(choice, key=lambda at: (weight[at], at)):
        kept.setdefault(alias[at][0], at)
    one = {at: kept[alias[at][0]] for at in choice}
    negative = {
        at: ENode("scale", _MINUS, (one[at],))
        for at, node in choice.items()
        if alias[at][1] * alias[one[at]][1] < 0 and node.children and node.op != "scale"
    }
    one.update((at, at) for at in choice if alias[at][1] != alias[one[at]][1])
    short = {
        at: ENode(node.op, node.payload, tuple(one[c] for c in node.children)) for at, node in choice.items()
    }
    short.update(negative)
    roots = {name: one[at] for name, at in snapshot.roots.items()}
    zeros = [at for at in _reached(short, roots.values()) if not alias[at][1] and choice[at].op != "number"]
    dag = dag_of(snapshot, short, {**roots, **{f"zero {at}": at for at in zeros}})
    again = len(dag.nodes) < len(dag_of(snapshot, choice, snapshot.roots).nodes)
    dag.roots, found = {name: dag.roots[name] for name in roots}, [dag.roots[f"zero {at}"] for at in zeros]
    return dag, found, again or bool(zeros)


def _reached(choice: Mapping[int, ENode], roots: Iterable[int]) -> list[int]:
    """What is read by the roots, the roots among them."""
    found = dict.fromkeys(roots)
    stack = list(found)
    while stack:
        new = [c for c in choice[stack.pop()].children if c not in found]
        found.update(dict.fromkeys(new))
        stack.extend(new)
    return list(found)


def _weights(choice: dict[int, ENode]) -> dict[int, int]:
    """The size of every chosen term, written out: a part weighs less than the whole."""
    weight: dict[int, int] = {}
    for root in choice:
        stack = [root]
        while stack:
            at = stack[-1]
            missing = [c for c in choice[at].children if c not in weight]
            if at in weight or not missing:
                stack.pop()
                weight[at] = 1 + sum(weight[c] for c in choice[at].children)
            else:
                stack.extend(missing)
    return weight


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

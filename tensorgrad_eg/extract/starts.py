"""Programs that a search starts from: with what is declared of arrays, and differentiated in other orders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from tensorgrad_eg.assume import Fact
from tensorgrad_eg.egraph.derive import Derived, Stage
from tensorgrad_eg.egraph.encode import Encoded
from tensorgrad_eg.egraph.engine import Engine
from tensorgrad_eg.egraph.engines import Engines
from tensorgrad_eg.egraph.term import Dag, Snapshot, dag_of, smallest
from tensorgrad_eg.egraph.text import statements
from tensorgrad_eg.errors import TimeLimitError
from tensorgrad_eg.expr import Tensor
from tensorgrad_eg.expr.operations import ENode
from tensorgrad_eg.extract.alias import aliases
from tensorgrad_eg.extract.priced import price
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
        join(engine, [(f"(accumulates t{first} t{at})", (first, at)) for first, at in pairs])


def join(engine: Engine, facts: Iterable[tuple[str, tuple[int, ...]]]) -> None:
    """States facts, each with its nodes: that these are one tensor, computed in another order."""
    for text, nodes in facts:
        engine.facts(text, nodes)
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
        return _used(now, expressions, engines or Engines())
    except (TimeLimitError, KeyboardInterrupt):
        return derived  # what is there is right without the facts


def _used(now: Derived, expressions: Sequence[Tensor], engines: Engines) -> Derived:
    derived = now
    while True:
        with now.engine(engines, NORMAL) as engine:
            engine.normalise(descend=len(now.dag.nodes) < _SMALL)
            snapshot = engine.snapshot(list(now.dag.roots))
        dag, again = _merged(snapshot)
        now = replace(now, dag=dag, symbols=snapshot.symbols)
        if not again:
            break
    outputs = [Encoded(dag.roots[f"out{n}"], was.labels) for n, was in enumerate(derived.outputs)]
    subjects = {
        f"out{n}": (e, was.labels) for n, (e, was) in enumerate(zip(expressions, outputs, strict=True))
    }
    stage = Stage("facts", derived.dag, dag, None, subjects)
    return replace(now, outputs=outputs, stages=[*derived.stages, stage])


def _merged(snapshot: Snapshot) -> tuple[Dag, bool]:
    """The program of smallest terms, tensors that differ by names of bound edges made one; whether any did.

    A symmetric A makes such tensors of A[n,j] x[j] and A[i,n] x[i], summed over j and over i.
    """
    exact = {at: [n for n in nodes if snapshot.exact(at, n)] or nodes for at, nodes in snapshot.nodes.items()}
    choice = smallest(replace(snapshot, nodes=exact))
    alias = aliases(snapshot)
    weight = _weights(choice)
    kept: dict[tuple[int, tuple[str, ...]], int] = {}
    for at in sorted(choice, key=lambda at: (weight[at], at)):
        kept.setdefault((alias[at].group, alias[at].axes), at)
    one = {at: kept[alias[at].group, alias[at].axes] for at in choice}
    short = {
        at: ENode(node.op, node.payload, tuple(one[c] for c in node.children)) for at, node in choice.items()
    }
    dag = dag_of(snapshot, short, {name: one[at] for name, at in snapshot.roots.items()})
    return dag, len(dag.nodes) < len(dag_of(snapshot, choice, snapshot.roots).nodes)


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

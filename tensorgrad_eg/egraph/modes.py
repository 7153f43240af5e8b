"""Further programs for the same derivatives: forward mode, and cheaper orders of elimination.

They are offered for the last derivatives of a problem, where several results are differentiated by several
variables: the gradient of one result is left to reverse mode, which nothing beats.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction

from tensorgrad_eg.egraph.derive import Derived, Stage
from tensorgrad_eg.egraph.differentiate import Differentiation, Labels, state, tell
from tensorgrad_eg.egraph.elimination import Accumulation, orders
from tensorgrad_eg.egraph.encode import Encoded, Encoder
from tensorgrad_eg.egraph.engine import Engine
from tensorgrad_eg.egraph.engines import Engines
from tensorgrad_eg.egraph.term import Dag, dag_of, smallest
from tensorgrad_eg.errors import TimeLimitError
from tensorgrad_eg.expr import Derivative, Tangent, Tensor, children
from tensorgrad_eg.rules.forms import DERIVE


def with_modes(
    derived: Derived,
    expressions: Sequence[Tensor],
    sizes: Mapping[str, int],
    engines: Engines | None = None,
) -> Derived:
    """The same with programs whose last derivatives were worked out in other orders, where that may pay.

    Example:
        >>> from tensorgrad_eg.egraph.derive import derive
        >>> from tensorgrad_eg.expr import Apply, Variable
        >>> x, y = Variable("x", []), Variable("y", [])
        >>> e = Apply("exp", Apply("sin", x * y))
        >>> jacobian = [f.grad(v) for f in (Apply("tanh", e), Apply("cos", e)) for v in (x, y)]
        >>> len(with_modes(derive(jacobian, {}), jacobian, {}).modes)
        1
    """
    stage = next((stage for stage in reversed(derived.stages) if stage.work), None)
    if stage is None or stage.work is None or any(request.direction for request in stage.work.requests):
        return derived
    offer = _Offer(derived, expressions, stage, stage.work, sizes, engines or Engines())
    try:
        programs = offer.eliminated() or offer.forward()
    except (TimeLimitError, KeyboardInterrupt):
        return derived  # a program is there: there was no time for another
    return replace(derived, modes=tuple(programs), symbols=offer.labels.symbols) if programs else derived


@dataclass
class _Offer:
    derived: Derived
    expressions: Sequence[Tensor]
    stage: Stage
    work: Differentiation
    sizes: Mapping[str, int]
    engines: Engines

    def __post_init__(self) -> None:
        self.labels = Labels(dict(self.derived.symbols))

    def eliminated(self) -> list[Dag]:
        """Programs of scalars in orders of elimination that cost less than reverse mode.

        Where tensors are computed entry by entry, less than forward mode, which is what there is for these.
        """
        found = Accumulation.of(self.work)
        linear = found.linear() if found else None
        known = "forward" if found and found.apart else "reverse"
        chosen = {f"order{n}": order for n, order in enumerate(orders(linear, known) if linear else ())}
        if found is None or linear is None or not chosen:
            return []
        found.operations(linear)
        for name, order in chosen.items():
            found.state(name, order, linear)
        named = {name: {r.name: f"{r.name} {name}" for r, _ in found.wanted} for name in chosen}
        with self._engine() as engine:
            tell(engine, found.facts)
            for name, names in named.items():
                for request, term, nodes in found.terms(name):
                    engine.bind(names[request], term, nodes)
            engine.normalise("differentiate", descend=found.apart)
            return self._programs(engine, list(named.values()))

    def forward(self) -> list[Dag]:
        """The program of forward mode, if there are more results than entries to differentiate by."""
        requests, free = self.work.requests, self.work.dag.free
        axes = {request.variable: request.axes for request in requests}
        entries = sum(math.prod(map(self.work.size, own)) for own in axes.values())
        if any(free[request.of] for request in requests) or entries >= len({r.of for r in requests}):
            return []
        work = Differentiation(self.work.dag, self.labels, self.sizes)
        work.ask_forward(requests)
        with self._engine() as engine:
            state(engine, work)
            engine.normalise("differentiate", descend=work.tips)
            return self._programs(engine, [{request.name: request.name for request in requests}])

    @contextmanager
    def _engine(self) -> Iterator[Engine]:
        with self.engines.lend(DERIVE) as engine:
            engine.load(self.stage.before, self.derived.symbols)
            yield engine

    def _programs(self, engine: Engine, named: list[dict[str, str]]) -> list[Dag]:
        """The programs of all outputs, given under which names the derivatives of each are bound."""
        if engine.merged():
            return []  # derivatives belong to tensors: two that turned out to be one would share theirs
        live = list(self.stage.before.roots)
        snapshot = engine.snapshot([*live, *(root for names in named for root in names.values())])
        choice = smallest(snapshot)
        if any(at not in choice for at in snapshot.roots.values()):
            return []  # a rule is missing
        self.labels.symbols.update(snapshot.symbols)
        dag = dag_of(snapshot, choice, snapshot.roots)
        found = [self._whole(dag, dict(zip(live, live, strict=True)) | names) for names in named]
        return [program for program in found if program is not None]

    def _whole(self, every: Dag, names: Mapping[str, str]) -> Dag | None:
        """The program of all outputs, given that of the last derivatives; None if labels would be others."""
        dag = every.part({root: every.roots[name] for root, name in names.items()})
        encoder = Encoder(dag, self.labels)
        for root, (e, labels) in self.stage.subjects.items():
            node = dag.roots[root] if root in dag.roots else dag.put("number", Fraction(0))
            encoder.done[e] = Encoded(node, labels)
        if not all(_put(encoder, e) for e in self.expressions):
            return None
        outputs = [encoder.done[e] for e in self.expressions]
        if [out.labels for out in outputs] != [out.labels for out in self.derived.outputs]:
            return None
        return encoder.dag.part({f"out{n}": out.node for n, out in enumerate(outputs)})


def _put(encoder: Encoder, root: Tensor) -> bool:
    """Encodes an expression of parts that are known; false if it has a derivative that is not."""
    stack = [root]
    while stack:
        e = stack[-1]
        missing = [part for part in children(e) if part not in encoder.done]
        if e in encoder.done or not missing:
            stack.pop()
            if e not in encoder.done:
                if isinstance(e, Derivative | Tangent):
                    return False
                encoder.put(e)
        else:
            stack.extend(missing)
    return True

"""From expressions to a normal-form program without derivatives, level by level."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction

from tensorgrad_eg.egraph import Dag, dag_of, smallest
from tensorgrad_eg.egraph.differentiate import Differentiation, Labels, Request, differentiate, state, tell
from tensorgrad_eg.egraph.elimination import Accumulation, orders
from tensorgrad_eg.egraph.encode import Encoded, Encoder
from tensorgrad_eg.egraph.engine import Engine, Engines
from tensorgrad_eg.egraph.order import ordered
from tensorgrad_eg.errors import LostTermError, RuleError, TimeLimitError
from tensorgrad_eg.expr import Derivative, Tangent, Tensor, children, postorder
from tensorgrad_eg.expr.walk import empty
from tensorgrad_eg.rules import rule_files
from tensorgrad_eg.rules.forms import DERIVE, NORMAL
from tensorgrad_eg.running import Deadline


@dataclass(frozen=True)
class Stage:
    """A program before and after one phase, for the derivation: `before` and `after` share root names.

    `subjects` has the expression that each root stands for, with the labels of its edges.
    """

    phase: str
    before: Dag
    after: Dag
    work: Differentiation | None = None
    subjects: Mapping[str, tuple[Tensor, tuple[tuple[str, str], ...]]] = field(default_factory=dict)


@dataclass
class Derived:
    """The normal form of some expressions: a program, with the labels of each expression's edges.

    `facts` is what is declared about variables, as the rule files read it, and `plain` the program before
    that was used. `modes` are further programs for the same outputs, differentiated in another order.
    `wide` is the program with tensors that are written in another way as well; `spellings` are facts that
    say which, each with the nodes that it speaks of.
    `numerics` is what the rules are told if digits may be lost. `exchanges` are the orders in which the axes
    of variables may be read, with the sign that this gives, as the rules found them.
    """

    dag: Dag
    outputs: list[Encoded]
    symbols: dict[str, int | str]
    stages: list[Stage] = field(default_factory=list)
    facts: str = ""
    numerics: str = ""
    exchanges: Mapping[str, Mapping[tuple[int, ...], int]] = field(default_factory=dict)
    plain: Dag | None = None
    modes: tuple[Dag, ...] = ()
    wide: Dag | None = None
    spellings: tuple[tuple[str, tuple[int, ...]], ...] = ()

    @contextmanager
    def engine(
        self, engines: Engines, rulesets: frozenset[str], within: Deadline | None = None
    ) -> Iterator[Engine]:
        """An e-graph that holds the program and the facts; `within` as for `Engine.load`."""
        with engines.lend(rulesets | {"facts"} if self.facts else rulesets) as engine:
            engine.load(self.dag, self.symbols, within)
            engine.assume(self.facts)
            if self.facts and "search" in rulesets:
                engine.command(_SEARCHING)
            engine.command(self.numerics)
            yield engine


#: What tells the rules that a program is in its normal form, and that others are looked for.
_SEARCHING = "(set (searching) 1)"
#: How often a program is put into normal form again before its derivatives are asked for.
_ATTEMPTS = 4
_MERGED = (
    "two tensors turned out to be one while their cotangents were worked out, so these cannot be trusted. "
    "Unless a rule file of your own changes what is differentiated this is a bug: please report the "
    "expression."
)


@dataclass
class _Derivation:
    sizes: Mapping[str, int]
    engines: Engines
    encoder: Encoder = field(default_factory=Encoder)
    stages: list[Stage] = field(default_factory=list)

    def run(self, roots: Sequence[Tensor]) -> None:
        known = frozenset(self.encoder.done)
        order = postorder(roots, known)
        level: dict[Tensor, int] = {}
        for e in order:
            below = 0 if e in known else max((level[c] for c in children(e)), default=0)
            level[e] = below + (e not in known and isinstance(e, Derivative | Tangent))
        for stage in range(max(level.values(), default=0) + 1):
            here = [e for e in order if level[e] == stage]
            later = {c for e in order if level[e] > stage for c in children(e)} | set(roots)
            wanted = [e for e in here if isinstance(e, Derivative | Tangent) and e not in known]
            if wanted:
                self._differentiate(
                    wanted, {c for e in order if level[e] >= stage for c in children(e)} | set(roots)
                )
            for e in here:
                if e not in self.encoder.done:
                    self.encoder.put(e)
            if len(wanted) < len(here):
                live = {e for e in later if e in self.encoder.done}
                above = [e for e in order if level[e] > stage]
                self._order(live, {e.wrt.name for e in above if isinstance(e, Derivative | Tangent)})
                self._normalise(live)

    def _normalise(self, live: set[Tensor], descend: bool = False) -> None:
        before = self._with_roots(live)
        with self.engines.lend(NORMAL) as engine:
            engine.load(before, self.encoder.labels.symbols)
            engine.normalise(descend=descend)
            self._adopt(engine, before, live, {}, "normalise", None)

    def _differentiate(self, wanted: Iterable[Derivative | Tangent], live: set[Tensor]) -> None:
        wanted = list(wanted)
        live = {e for e in live if e in self.encoder.done}
        for attempt in range(_ATTEMPTS):
            symbols = dict(self.encoder.labels.symbols)
            settled = self._attempt(wanted, live, last=attempt + 1 == _ATTEMPTS)
            if settled is None:
                return
            # Cotangents belong to tensors: two that turned out to be one have shared theirs, which is wrong.
            self.encoder.labels.symbols = symbols
            self._normalise(live, descend=settled)
        raise RuleError(_MERGED)

    def _attempt(self, wanted: Sequence[Derivative | Tangent], live: set[Tensor], last: bool) -> bool | None:
        """Differentiates and goes on with the result; else whether the program was in normal form before."""
        requests: dict[Tensor, tuple[Request, dict[str, str]]] = {}
        for number, e in enumerate(wanted):
            requests[e] = self.encoder.request(e, f"d{number}")
        before = self._with_roots(live)
        work = Differentiation(before, self.encoder.labels, self.sizes)
        work.ask(request for request, _ in requests.values())
        with self.engines.lend(DERIVE) as engine:
            engine.load(before, self.encoder.labels.symbols)
            # Derivatives are asked of terms as they are now, so these must be in normal form: bounds on their
            # edges that are tighter than when they were made may have let a rule in.
            engine.normalise()
            settled = not engine.changes or last
            if settled:
                differentiate(engine, work)
            # Nor may a tensor become another that is varied by itself: what is symmetric would be taken for
            # independent entries. That is no matter where the derivative by it meets its own.
            by_itself = work.reverse or (work.cuts and not last)
            if not settled or (by_itself and engine.merged()):
                return settled
            self._adopt(engine, before, live, requests, "differentiate", work)
        return None

    def _order(self, live: set[Tensor], varied: set[str]) -> None:
        """Puts products into a good order."""
        encoder = self.encoder
        encoder.dag, moved = ordered(self._with_roots(live), encoder.labels, self.sizes, varied)
        encoder.done = {
            e: Encoded(moved[was.node], was.labels) for e, was in encoder.done.items() if e in live
        }

    def _with_roots(self, live: set[Tensor]) -> Dag:
        """The encoder's program with a root for every expression that is still needed."""
        dag = self.encoder.dag
        dag.roots = {f"n{node}": node for node in sorted({self.encoder.done[e].node for e in live})}
        return dag

    def _adopt(
        self,
        engine: Engine,
        before: Dag,
        live: set[Tensor],
        requests: Mapping[Tensor, tuple[Request, dict[str, str]]],
        phase: str,
        work: Differentiation | None,
    ) -> None:
        """Goes on with the program that the phase has made."""
        names = [*before.roots, *(request.name for request, _ in requests.values())]
        snapshot = engine.snapshot(names)
        choice = smallest(snapshot)
        for request, _ in requests.values():
            if snapshot.roots[request.name] not in choice:
                raise _stuck(engine, request, len(self.engines.files or ()) > len(rule_files()))
        try:
            after = dag_of(snapshot, choice, snapshot.roots)
        except LostTermError as error:
            raise LostTermError.of(engine.fired()) from error
        encoder = self.encoder
        encoder.labels.symbols.update(snapshot.symbols)
        old = {e: encoder.done[e] for e in encoder.done if e in live}
        encoder.dag = after.copy()
        encoder.done = {e: Encoded(after.roots[f"n{was.node}"], was.labels) for e, was in old.items()}
        subjects = {f"n{was.node}": (e, was.labels) for e, was in reversed(old.items())}
        for e, (request, labels) in requests.items():
            own = tuple((edge, labels[edge]) for edge in e.edges)
            encoder.done[e] = Encoded(after.roots[request.name], own)
            subjects[request.name] = (e, own)
        self.stages.append(Stage(phase, before, after, work, subjects))


def _stuck(engine: Engine, request: Request, own: bool) -> RuleError:
    """A derivative that no rule could finish; `own` says whether there are rules of the caller's."""
    missing = engine.unsloped()
    if missing:
        names = ", ".join(f"'{name}'" for name in missing)
        example = f'(rewrite (slope "{missing[0]}" a) … :ruleset differentiate :name "slope of {missing[0]}")'
        return RuleError(f"no rule states the slope of {names}. Add one to a rule file: {example}")
    missing = engine.unopened()
    if missing:
        names = ", ".join(f"'{name}'" for name in missing)
        example = f"(rewrite (partial 1 ({missing[0]} a b)) … :ruleset differentiate :name …)"
        return RuleError(f"no rule states the slope of {names}. Add one to a rule file: {example}")
    what = f"the rules do not finish the derivative with respect to {request.variable}"
    if own:
        return RuleError(f"{what}. A rule file of your own may delete what others need; try without it.")
    return RuleError(
        f"{what}, whose edges in the result are {len(request.axes)}: with an identity for each of many edges "
        "there are more orders of them than are looked at. Differentiate by a tensor with fewer edges, in "
        "which one stands for several, or sum the result first: tg.jvp and tg.vjp need no Jacobian."
    )


def derive(
    roots: Sequence[Tensor],
    sizes: Mapping[str, int],
    engines: Engines | None = None,
    begun: Encoder | None = None,
) -> Derived:
    """The normal form of the expressions, derivatives worked out; its roots are out0, out1, …

    What has `begun` is gone on with: expressions whose normal form is known are not worked out again.

    Example:
        >>> from tensorgrad_eg.expr import Variable
        >>> x = Variable("x", ["k"])
        >>> derived = derive([Derivative(x @ x, x)], {"k": 3})
        >>> derived.dag.nodes[derived.dag.roots["out0"]].op
        'scale'
    """
    work = _Derivation(sizes, engines or Engines(), begun or Encoder())
    work.encoder.empty = empty(sizes)
    work.run(roots)
    encoder = work.encoder
    outputs = [encoder.done[root] for root in roots]
    dag = encoder.dag.part({f"out{n}": out.node for n, out in enumerate(outputs)})
    return Derived(dag, outputs, dict(encoder.labels.symbols), work.stages)


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

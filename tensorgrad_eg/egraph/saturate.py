"""The search: rounds of rules under a budget, with a report of what ran and what stopped it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from tensorgrad_eg.egraph.engine import Engine, SpentError
from tensorgrad_eg.egraph.text import quote
from tensorgrad_eg.errors import EndlessRuleError, TimeLimitError
from tensorgrad_eg.running import Deadline

#: Dearer detours are tried only after a search that used less than this part of its e-nodes.
_ROOM = 8
#: Sums are split, and renames pushed down, only while less than this part of the e-nodes is used.
_SPLITTING = 2
#: The part of the time left that the search may take, and then its last step: extraction has the rest.
_SEARCHING, _LAST = 0.7, 0.2
#: A round is left where it is at so many times the matches at which none is begun.
_OVER = 2
#: After a round that took more than this part of the matches, what there is is kept before the next.
_LONG = 16
#: How many products deep a multiple is taken in the last step.
_SINKS = 2
#: How often multiples of multiples are put together after it.
_SETTLING = 5
#: … as long as the e-graph has less than so many times the e-nodes of the search.
_SINKING = 2
#: Of how many deltas before a tensor one identity is made, at most.
_DIAGONALS = 6


@dataclass(frozen=True)
class Budget:
    """When the search ends: after so many rounds, new e-nodes, rule matches or seconds.

    Matches stand for time: unlike seconds they are the same on every machine, so that plans are, too.

    `slacks` is the schedule of the guide: first only orders that cost no more than what they replace, then,
    while there is room, dearer detours.

    Example:
        >>> Budget().rounds
        20
    """

    rounds: int = 20
    nodes: int = 4_000
    matches: int = 60_000
    seconds: float = 10.0
    slacks: tuple[float, ...] = (1.0, 32.0)

    @classmethod
    def of(cls, effort: float, seconds: float) -> Budget:
        """A budget for an effort; 1 is the usual one.

        Example:
            >>> Budget.of(2.0, 10.0).nodes
            8000
        """
        rounds, nodes, matches = (round(limit * effort) for limit in (cls.rounds, cls.nodes, cls.matches))
        return cls(rounds, nodes, matches, seconds)


@dataclass
class Report:
    """What a search did: phases with their time, matches of every rule, size, and what ended it."""

    phases: dict[str, float] = field(default_factory=dict)
    matches: Counter[str] = field(default_factory=Counter)
    rounds: int = 0
    nodes: int = 0
    classes: int = 0
    stopped: str = "saturated"
    #: What came of comparing the plan with its expressions.
    verified: str = ""

    @property
    def finished(self) -> bool:
        """Whether the search came to an end of its own: not that of the time, nor of rules without an end."""
        return not self.stopped.startswith(("seconds", "rules", "interrupted"))

    def __str__(self) -> str:
        """One paragraph for people."""
        times = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in self.phases.items())
        rules = ", ".join(f"{name} ×{count}" for name, count in self.matches.most_common(8))
        return (
            f"search: {self.rounds} rounds, {self.classes} e-classes, {self.nodes} e-nodes, "
            f"stopped: {self.stopped}\n"
            f"phases: {times}\nrules:  {rules}" + f"\nplan:   {self.verified}" * bool(self.verified)
        )


def saturate(
    engine: Engine,
    sizes: Mapping[str, int],
    budget: Budget,
    report: Report,
    progress: Callable[[int, int], None] = lambda round_, nodes: None,
) -> None:
    """Runs the search rules until nothing changes or the budget is spent.

    A round that takes too long is left where it is, since every term that is there then is equal to what it
    was made from, be it in normal form or not; where rounds have taken long before, it is undone.

    Raises:
        EndlessRuleError: if rules go on and on, and the caller's own are among them.
    """
    deadline = engine.deadline
    engine.deadline = deadline.part(_SEARCHING, budget.seconds)
    engine.ceiling = engine.done + _OVER * budget.matches
    try:
        engine.command("(set (searching) 1)")
        state_sizes(engine, sizes)
        report.stopped = _rounds(engine, budget, report, progress)
        engine.ceiling = None
        engine.deadline = deadline.part(_LAST)
        _sink(engine, _SINKING * budget.nodes)
    except SpentError:
        report.stopped = f"matches ({budget.matches})"
    except TimeLimitError:
        report.stopped = f"seconds ({deadline.seconds:g})"
    except EndlessRuleError:
        if engine.own():
            raise
        report.stopped = "rules without an end"
    except KeyboardInterrupt:
        report.stopped = "interrupted"
    engine.deadline, engine.ceiling = Deadline(), None
    engine.run("recognise", saturate=True)  # a round that was left where it is may have left sums of one term
    engine.deadline = deadline.part(_LAST)
    if report.stopped != "interrupted":
        with suppress(TimeLimitError, KeyboardInterrupt):
            _write(engine)
    report.nodes = engine.count()
    engine.deadline = deadline


def _rounds(engine: Engine, budget: Budget, report: Report, progress: Callable[[int, int], None]) -> str:
    """Runs rounds, first the narrow ones; what ended them."""
    base, begun = engine.count(), report.rounds
    report.nodes = base
    before = last = engine.done
    for number, slack in enumerate(budget.slacks):
        if number and report.nodes - base > budget.nodes // _ROOM:
            break
        limit = budget.nodes if not number else 2 * budget.nodes // _ROOM
        engine.command(f"(set (slack) {float(slack)!r})")
        changed = True
        while changed:
            if report.rounds - begun >= budget.rounds:
                return f"rounds ({budget.rounds})"
            if report.nodes - base >= limit:
                return f"e-nodes ({limit})"
            if engine.done - before >= budget.matches:
                return f"matches ({budget.matches})"
            small = max(base, report.nodes - base) < budget.nodes // _SPLITTING
            long, last = engine.done - last > budget.matches // _LONG, engine.done
            done = _whole(engine, small) if long else _round(engine, small)
            if done is None:
                return f"matches ({budget.matches})"
            changed = done
            report.rounds += 1
            report.nodes = engine.count()
            progress(report.rounds, report.nodes)
    return "saturated"


def _whole(engine: Engine, widely: bool) -> bool | None:
    """One round, or none of it: what is left of one that takes too long is not in normal form.

    Then each tensor is there many times over, and all of that would have to be priced.
    """
    engine.mark()
    try:
        return _round(engine, widely)
    except SpentError:
        engine.undo()
        return None
    except TimeLimitError:
        engine.undo()
        raise


def _round(engine: Engine, widely: bool) -> bool:
    """One round: what could be done is listed and judged, then done."""
    changed = _judged(engine, "prospect", "orders", *["pairs"] * widely, widely=widely)
    changed |= engine.run("search") | engine.run("hoist")
    if widely:
        changed |= engine.run("distribute")  # … and splits where that was judged to pay
        changed |= engine.run("descend")  # one level deeper
    engine.normalise()
    return changed


def _sink(engine: Engine, nodes: int) -> None:
    """The last step: takes multiples where the tensor is smallest, once more if there is room."""
    for number in range(_SINKS):
        if number and engine.count() > nodes:
            break
        _judged(engine, "prospect")  # no orders of products: none is added here
        engine.run("sink")
    for _ in range(_SETTLING):  # what was taken in may have been taken out before
        if not engine.run("sunk"):
            break
        engine.run("recognise", saturate=True)
    engine.run("analysis", saturate=True)


def _write(engine: Engine) -> None:
    """Says of what is on several diagonals that it is written down once, be there a search or not."""
    for _ in range(_DIAGONALS):
        if not engine.run("written"):
            break
        engine.run("analysis", saturate=True)


def _judged(engine: Engine, *listing: str, widely: bool = False) -> bool:
    """Lists what could be done, and judges it; whether distribution added anything, or terms met."""
    engine.run("analysis", saturate=True)
    changed = engine.run("meet")  # or everything made of the two would be there twice
    for ruleset in listing:
        engine.run(ruleset, saturate=True)
    if widely:
        changed |= engine.run("distribute")  # lists what meets what …
    engine.run("volumes", saturate=True)
    if "pairs" in listing:
        engine.run("pairs", saturate=True)  # has asked how large some tensors are
    engine.run("judge")
    return changed


def state_sizes(engine: Engine, sizes: Mapping[str, int]) -> None:
    """Tells the rules that judge costs how large each edge is."""
    for edge, symbol in sorted(engine.symbols.items()):
        size = symbol if isinstance(symbol, int) else sizes.get(symbol, 16)
        engine.command(f"(set (size {quote(edge)}) {float(size)!r})")

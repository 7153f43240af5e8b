"""Phases of directed rules as phases of a derivation."""

from __future__ import annotations

from collections.abc import Mapping

from tensorgrad_eg.egraph.derive import Stage
from tensorgrad_eg.explain.expansion import Expansion
from tensorgrad_eg.explain.notation import Notation
from tensorgrad_eg.explain.places import places
from tensorgrad_eg.explain.replay import Application, Change, Replayed
from tensorgrad_eg.explain.steps import Phase
from tensorgrad_eg.explain.writer import Pair, Writer
from tensorgrad_eg.expr import Number, Tensor

_SHOWN = 3


def directed_phase(writer: Writer, stage: Stage, done: Replayed, outputs: Mapping[Tensor, str]) -> Phase:
    """What the rules of a phase did; `outputs` are the names of the results, by expression."""
    found = writer.visible([_places(writer, stage, one) for one in done.applications])
    ends = _ends(writer, stage, done)
    mentioned = [at for pairs in [*found, ends] for pair in pairs for at in pair]
    if stage.work:
        writer.naming.derivatives(mentioned)
    writer.shorten(found)
    notation = writer.notation
    output = next((outputs[e] for e, _ in stage.subjects.values() if e in outputs), "")
    steps = tuple(
        writer.step(one.rule, stage.phase, pairs, notation, output)
        for one, pairs in zip(done.applications, found, strict=True)
        if pairs
    )
    return Phase(
        stage.phase,
        _title(stage, done, notation),
        writer.definitions(mentioned, notation) if steps else (),
        steps,
        writer.results(ends, notation),
        tuple(one.rule.name for one, pairs in zip(done.applications, found, strict=True) if not pairs),
    )


def _places(writer: Writer, stage: Stage, one: Application) -> list[Pair]:
    """Where a rule applied, equal places once."""
    form = writer.world.form
    found: dict[Pair, Pair] = {}
    for change in one.changes:
        for before, after in _narrowed(writer, stage, change):
            found.setdefault((form(before), form(after)), (before, after))
    return list(found.values())


def _narrowed(writer: Writer, stage: Stage, change: Change) -> list[Pair]:
    """The equation as a whole when it is new; else the parts of it that changed."""
    if stage.work and change.before == change.left:
        return [(change.before, change.after)]
    return places(writer.world, writer.values, change.before, change.after)


def _ends(writer: Writer, stage: Stage, done: Replayed) -> list[Pair]:
    """What every derivative that was asked for has become."""
    if not stage.work:
        return []
    expansion = Expansion(writer.world, done.equations)
    return [(left, writer.world.usual(expansion.of(left))) for left in dict.fromkeys(done.roots.values())]


def _title(stage: Stage, done: Replayed, notation: Notation) -> str:
    if not stage.work:
        return "Use what is assumed" if stage.phase == "facts" else "Simplify"
    asked = map(notation.expression, dict.fromkeys(done.roots.values()))
    wanted = [str(e) for e in asked if not isinstance(e, Number)]
    more = f" and {len(wanted) - _SHOWN} more" if len(wanted) > _SHOWN else ""
    return f"Differentiate: {', '.join(wanted[:_SHOWN])}{more}"

"""`python -m benchmarks`: measure cases, print a table, compare with the baseline."""

from __future__ import annotations

import sys
from pathlib import Path

import click

import benchmarks.families  # noqa: F401  (declares the cases)
from benchmarks import gate, report
from benchmarks.case import Case, select
from benchmarks.measure import Result, measure


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--family", default="", help="Families, comma separated: H, G, L, C, J.")
@click.option(
    "--case", "cases", multiple=True, help="A case by name, or a key or the start of one. May be repeated."
)
@click.option(
    "--smoke", is_flag=True, help="The smallest sizes only, planned once, without run times: for CI."
)
@click.option("--slow", is_flag=True, help="Also what takes minutes.")
@click.option(
    "--json",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write all that was measured to this file.",
)
@click.option(
    "--baseline",
    type=click.Path(dir_okay=False, path_type=Path),
    default=gate.BASELINE,
    help="The baseline to compare with; the committed one by default.",
)
@click.option("--update", is_flag=True, help="Write the results into the baseline.")
@click.option("--repeats", default=3, show_default=True, help="How often each case is planned.")
@click.option(
    "--turns", default=15, show_default=True, help="How often each program is timed; 0 for not at all."
)
@click.option("--code", is_flag=True, help="Also print the plan and its torch code.")
@click.option("--list", "listing", is_flag=True, help="Only list the cases.")
def main(
    family: str,
    cases: tuple[str, ...],
    smoke: bool,
    slow: bool,
    target: Path | None,
    baseline: Path,
    update: bool,
    repeats: int,
    turns: int,
    code: bool,
    listing: bool,
) -> None:
    """Measure what plans cost, how fast they run and how quickly they are found.

    Costs are in opt_einsum's unit. Planning time is a median and leaves out the first import of egglog. Run
    times are ratios against the closed form by hand, or torch autograd, in the same process, in float32 on
    one thread.
    """
    families = [name.strip().upper() for name in family.split(",") if name.strip()]
    chosen = select(families, cases, smoke, slow)
    if listing:
        click.echo("\n".join(case.key for case in chosen))
        return
    if not chosen:
        raise click.UsageError("no case fits. List them all with --list --slow.")
    results = [_run(case, 1 if smoke else repeats, 0 if smoke else turns, code) for case in chosen]
    click.echo(report.table(results))
    for note in report.notes(results):
        click.echo(f"- {note}")
    if target:
        report.write_json(results, target)
    known = gate.load(baseline)
    if update:
        gate.write(results, baseline)
    wrong = gate.failures(results, {} if update else known)
    for line in gate.news(results, known):
        click.echo(f"new: {line}")
    for line in wrong:
        click.echo(f"FAILED: {line}", err=True)
    sys.exit(1 if wrong else 0)


def _run(case: Case, repeats: int, turns: int, code: bool) -> Result:
    click.echo(f"{case.key} …", err=True)
    result, plan = measure(case, repeats, turns)
    if code:
        click.echo(f"{plan}\n{plan.code('torch')}")
    return result


if __name__ == "__main__":
    main()

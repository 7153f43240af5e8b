"""The command line: `tensorgrad-eg grad "sum((X[b,x] W[x,y] - Y[b,y])^2)" --wrt W --sizes b=128,x=100,y=50`.

Results go to the standard output, as text or with --json as one JSON object. A mistake is one message on the
standard error that says what to type instead, and exit code 2.

>>> main(["rules", "--help"])  # doctest: +ELLIPSIS
Usage: tensorgrad-eg rules ...
0
"""

from __future__ import annotations

import json
import os
import re
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NoReturn, TextIO, TypeVar

import click

from tensorgrad_eg.errors import TensorgradError, suggestion
from tensorgrad_eg.job import Answer, Job, check_outputs
from tensorgrad_eg.rules import rule_files, rule_folder, rules_of

PROGRAM = "tensorgrad-eg"
DEBUG = "TENSORGRAD_EG_DEBUG"
MISTAKE, INTERRUPTED = 2, 130

Words = tuple[str, ...]
F = TypeVar("F", bound=Callable[..., Any])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    >>> main(["grad"])
    2
    """
    for stream in (sys.stdout, sys.stderr):
        _forgive(stream)
    try:
        words = [_expression(word) for word in (sys.argv[1:] if arguments is None else arguments)]
        code = commands.main(args=words, prog_name=PROGRAM, standalone_mode=False)
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit):  # whoever read the output has seen enough; click leaves then
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except Exception as error:
        return _report(error)
    return code if isinstance(code, int) else 0


def run() -> NoReturn:
    """Run the command that the arguments of the process name, and leave with its exit code."""
    raise SystemExit(main())


def _expression(word: str) -> str:
    """An argument that is no option, though it starts with a minus: an expression, as in -sum(p[i]^2).

    >>> _expression("-sum(x[i])"), _expression("-o")
    (' -sum(x[i])', '-o')
    """
    return f" {word}" if re.match(r"-[^-=]*[\[(|]", word) else word


def _forgive(stream: TextIO) -> None:
    """A terminal that cannot show Σ shows a question mark."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure:
        reconfigure(errors="replace")


def _report(error: Exception) -> int:
    """Say what went wrong, in one message."""
    if os.environ.get(DEBUG, "0") not in ("", "0"):
        traceback.print_exception(error)
    match error:
        case click.ClickException():
            text = error.format_message()
        case TensorgradError():
            text = str(error)
        case OSError(filename=str(name), strerror=str(reason)):
            text = f"{name}: {reason}. Choose another file."
        case _:
            what = (str(error).splitlines() or [""])[0]
            text = f"{type(error).__name__}: {what} (this is a bug, please report it; {DEBUG}=1 shows where)"
    click.echo(f"error: {text}", err=True)
    return MISTAKE


def _version() -> str:
    try:
        return version("tensorgrad_eg")
    except PackageNotFoundError:
        return "from a folder of its source, not installed"


class _Commands(click.Group):
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Find a command, or name those that are like what was typed."""
        found = super().get_command(ctx, cmd_name)
        if found is None:
            known = self.list_commands(ctx)
            hint = suggestion(cmd_name, known)
            raise click.UsageError(
                f"there is no command '{cmd_name}'; the commands are: {', '.join(known)}.{hint}"
            )
        return found


@click.group(
    cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(_version(), prog_name=PROGRAM)
def commands() -> None:
    """Derivatives of tensor expressions, and the cheapest program for them.

    Expressions are in index notation: "sum((A[i,k] x[k] - y[i])^2)", with functions such as tanh(...) and
    softmax(..., k); sum_k sums over the product that follows, sum(...) over all edges.
    """
    if "NO_COLOR" in os.environ:
        click.get_current_context().color = False


def _options(*options: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_wrt = click.option(
    "--wrt", multiple=True, metavar="NAMES", help="Differentiate by these variables: W or W1,W2."
)
_sizes = click.option("--sizes", multiple=True, metavar="SIZES", help="The size of each edge: b=128,x=100.")
_rules = click.option("--rules", multiple=True, metavar="FILE", help="Use this rule file as well.")
_seconds = click.option("--seconds", default=10.0, help="Stop the search after this time (10).")
_code = click.option(
    "--code", default="torch", metavar="LIBRARY", help="Write torch, numpy, jax or opt_einsum."
)
_draw = click.option(
    "--draw", "drawing", metavar="FILE", help="Draw the plan: FILE.svg, FILE.png or FILE.dot."
)
_texts = click.argument("texts", nargs=-1, required=True, metavar="EXPRESSION...")
_effort = click.option("--effort", default=1.0, help="How far the search goes: 0 not at all, 2 twice as far.")
_extract = click.option(
    "--extract",
    type=click.Choice(["greedy", "exact"]),
    default="greedy",
    help="Prove the plan optimal: exact.",
)
_numerics = click.option(
    "--numerics",
    type=click.Choice(["safe", "fast"]),
    default="safe",
    help="Open sums over pairs even where digits cancel: fast.",
)
_assume = click.option(
    "--assume", multiple=True, metavar="FACT", help="Use a fact: 'symmetric(A)', 'one_hot(Y, c)'."
)
_search = _options(_texts, _wrt, _sizes, _assume, _rules, _seconds, _effort, _extract, _numerics, _json)


@commands.command()
@_options(_search, _code, _draw)
def grad(texts: Words, wrt: Words, code: str, drawing: str | None, as_json: bool, **rest: Any) -> None:
    """Differentiate: gradient, steps, cost and code."""
    if not wrt:
        raise click.UsageError("by which variable? Add it, as in --wrt W or --wrt W1,W2")
    check_outputs(code, drawing)
    job = Job.read(texts, wrt, **rest)
    _show(job, [job.result(), job.steps(), job.cost(), job.code(code)], drawing, as_json)


@commands.command()
@_options(_search, _code, _draw)
def optimize(texts: Words, wrt: Words, code: str, drawing: str | None, as_json: bool, **rest: Any) -> None:
    """Find the cheapest program: cost and code."""
    check_outputs(code, drawing)
    job = Job.read(texts, wrt, **rest)
    _show(job, [job.cost(), job.code(code)], drawing, as_json)


@commands.command()
@_search
def explain(texts: Words, wrt: Words, as_json: bool, **rest: Any) -> None:
    """Show the steps to the plan, and their rules."""
    job = Job.read(texts, wrt, **rest)
    _show(job, [job.result(), job.steps()], None, as_json)


@commands.command()
@_options(_texts, _wrt, _sizes, _json)
@click.option(
    "-o", "--output", metavar="FILE", help="FILE.svg, FILE.png or FILE.dot; without it DOT is printed."
)
@click.option(
    "--plan", is_flag=True, help="Draw the cheapest program (it needs --sizes), not the expression."
)
def draw(texts: Words, wrt: Words, sizes: Words, output: str | None, plan: bool, as_json: bool) -> None:
    """Draw an expression, or the program for it."""
    check_outputs(drawing=output)
    job = Job.read(texts, wrt, sizes)
    diagram = job.plan.draw() if plan else job.drawing()
    if output:
        diagram.save(output)
    if as_json:
        shown = {"drawing": output} if output else {"dot": diagram.dot}
        _emit({"command": "draw", **job.facts(), **shown})
    else:
        click.echo(f"drawn: {output}" if output else diagram.dot, nl=bool(output))


@commands.command()
@click.argument("files", nargs=-1, metavar="[FILE...]")
@_json
def rules(files: Words, as_json: bool) -> None:
    """List the rules, and those of further files."""
    found = rules_of(rule_files(files))
    if as_json:
        fields = ("name", "ruleset", "file", "line", "comment")
        _emit(
            {
                "command": "rules",
                "rules": [{field: getattr(rule, field) for field in fields} for rule in found],
            }
        )
        return
    for path in rule_files(files):
        mine = [rule for rule in found if rule.file == path.name]
        title = f"{path.name}: {len(mine)} rule{'' if len(mine) == 1 else 's'}"
        click.echo(click.style(title, bold=True))
        for rule in mine:
            click.echo(f"  {rule.line:4}  {rule.ruleset:14}  {rule.name}")


@commands.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def bench(arguments: Words) -> None:
    """Run the benchmarks of the repository."""
    import subprocess

    home = rule_folder().parent
    if not (home / "benchmarks" / "__main__.py").is_file():
        raise click.UsageError(
            "the benchmarks are not part of an installed package. Clone the repository, and there run: "
            "pip install -e '.[test]' && tensorgrad-eg bench"
        )
    sys.stdout.flush()
    done = subprocess.run([sys.executable, "-m", "benchmarks", *arguments], cwd=home, check=False)
    click.get_current_context().exit(done.returncode)


def _show(job: Job, answers: Sequence[Answer], drawing: str | None, as_json: bool) -> None:
    """Print answers below each other, or all of them as one object."""
    if drawing:
        job.plan.draw().save(drawing)
    if as_json:
        found = {name: value for answer in answers for name, value in answer.data.items()}
        extra = {"drawing": drawing} if drawing else {}
        _emit({"command": click.get_current_context().info_name, **job.facts(), **found, **extra})
        return
    click.echo("\n\n".join(f"{click.style(each.title, bold=True)}\n{each.text.strip()}" for each in answers))
    if drawing:
        click.echo(f"\ndrawn: {drawing}")


def _emit(data: Mapping[str, Any]) -> None:
    click.echo(json.dumps(data, ensure_ascii=False, indent=2))

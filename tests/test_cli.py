"""The command line: what it prints, and what it says to mistakes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tensorgrad_eg import cli, job
from tensorgrad_eg.cli import main

ROOT = Path(__file__).parent.parent
L2 = "sum((sum_x X[b,x] W[x,y] - Y[b,y])^2)"
SIZES = ["--sizes", "b=8,x=5,y=3"]
Capture = pytest.CaptureFixture[str]


def output(capsys: Capture, *arguments: str) -> str:
    """What a command that succeeds prints."""
    assert main(arguments) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def data(capsys: Capture, *arguments: str) -> dict[str, Any]:
    """The one JSON object that a command prints."""
    found: dict[str, Any] = json.loads(output(capsys, *arguments, "--json"))
    return found


def mistake(capsys: Capture, *arguments: str) -> str:
    """What a command says to a mistake: one message on the standard error, and nothing else."""
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert "Traceback" not in captured.err
    return captured.err


def test_grad(capsys: Capture) -> None:
    """`grad` prints the gradient, the steps with their rules, the cost table and code that runs."""
    out = output(capsys, "grad", L2, "--wrt", "W", *SIZES)
    titles = [line for line in out.splitlines() if line in ("Result", "Steps", "Cost", "Code for torch")]
    assert titles == ["Result", "Steps", "Cost", "Code for torch"]
    assert "dW[x,y] = 2 Σ_b" in out
    assert "rules/50_reverse.egg" in out
    assert "2 * (X.T @ (X @ W - Y))" in out


def test_grad_json(capsys: Capture) -> None:
    """With --json the same comes as one object, down to the rules of the steps."""
    found = data(capsys, "grad", L2, "--wrt", "W", *SIZES, "--code", "numpy")
    assert found["command"] == "grad"
    assert found["sizes"] == {"b": 8, "x": 5, "y": 3}
    assert [result["name"] for result in found["results"]] == ["dW"]
    assert found["results"][0]["edges"] == ["x", "y"]
    assert found["flops"] <= found["baseline_flops"]
    assert found["plan"]["steps"]
    assert found["derivation"]
    assert found["code"]["library"] == "numpy"
    assert "import numpy as np" in found["code"]["source"]


@pytest.mark.parametrize("wrt", [["--wrt", "W,X"], ["--wrt", "W", "--wrt", "X"], ["--wrt", "W X"]])
def test_several_variables(capsys: Capture, wrt: list[str]) -> None:
    """Several variables, in whichever way they are listed, are planned together."""
    found = data(capsys, "grad", L2, *wrt, *SIZES)
    assert [result["name"] for result in found["results"]] == ["dW", "dX"]
    assert len(found["plan"]["outputs"]) == 2


@pytest.mark.parametrize("library", ["torch", "numpy", "jax", "opt_einsum"])
def test_code(capsys: Capture, library: str) -> None:
    """--code chooses the library."""
    assert f"Code for {library}" in output(capsys, "optimize", L2, *SIZES, "--code", library)


def test_code_runs(capsys: Capture) -> None:
    """The code that is printed runs when it is pasted into an empty file."""
    source = data(capsys, "grad", L2, "--wrt", "W", *SIZES, "--code", "numpy")["code"]["source"]
    script = "\n".join(
        ["import numpy", source, "print(plan(numpy.ones((8, 5)), numpy.ones((5, 3)), numpy.ones((8, 3))))"]
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == "[[64."


@pytest.mark.parametrize("suffix", ["svg", "png", "dot"])
def test_grad_draw(capsys: Capture, tmp_path: Path, suffix: str) -> None:
    """--draw writes the picture of the plan and says so."""
    target = tmp_path / f"gradient.{suffix}"
    assert f"drawn: {target}" in output(capsys, "grad", L2, "--wrt", "W", *SIZES, "--draw", str(target))
    assert target.stat().st_size > 500


def test_optimize_several(capsys: Capture) -> None:
    """Expressions with names are planned together, each under its name."""
    found = data(capsys, "optimize", "h = tanh(x[k])", "f = sum(tanh(x[k]))", "--sizes", "k=5")
    assert found["plan"]["structure"] == ["h", "f"]
    assert sum(step["kind"] == "apply" for step in found["plan"]["steps"]) == 1


def test_optimize_einsum(capsys: Capture) -> None:
    """An einsum text is an expression too; a repeated letter reads a diagonal."""
    found = data(capsys, "optimize", "ij,jk,kk->i", "--sizes", "i=2,j=3,k=4")
    assert [given["name"] for given in found["plan"]["inputs"]] == ["A", "B", "C"]
    assert found["plan"]["inputs"][2]["edges"] == ["k", "kk"]


def test_options_of_the_search(capsys: Capture) -> None:
    """Options of the search reach it: without effort the plan is what differentiation gives."""
    found = data(
        capsys, "grad", L2, "--wrt", "W", *SIZES, "--effort", "0", "--extract", "exact", "--seconds", "3"
    )
    assert found["flops"] == found["baseline_flops"]


def test_assume(capsys: Capture) -> None:
    """A fact about a variable reaches the search and the result."""
    quadratic = "sum_{i,j} x[i] A[i,j] x[j]"
    plain, symmetric = (
        data(capsys, "grad", quadratic, "--wrt", "x", "--sizes", "i=5", *assume)
        for assume in ([], ["--assume", "symmetric(A)"])
    )
    assert symmetric["flops"] < plain["flops"]
    assert "+" in plain["results"][0]["expression"]
    assert "+" not in symmetric["results"][0]["expression"]


def test_explain(capsys: Capture) -> None:
    """`explain` prints the steps, and no code."""
    out = output(capsys, "explain", L2, "--wrt", "W", *SIZES)
    assert "rules/50_reverse.egg" in out
    assert "import torch" not in out


def test_draw_to_stdout(capsys: Capture) -> None:
    """`draw` without a file prints DOT, of the expression as it was asked for."""
    out = output(capsys, "draw", L2, "--wrt", "W")
    assert out.splitlines()[1] == "digraph {"
    assert '"d / dW"' in out


def test_draw_plan(capsys: Capture, tmp_path: Path) -> None:
    """`draw --plan` draws the program that was found, in which no derivative is left."""
    target = tmp_path / "plan.dot"
    assert (
        output(capsys, "draw", L2, "--wrt", "W", "--plan", *SIZES, "-o", str(target)) == f"drawn: {target}\n"
    )
    assert "d / dW" not in target.read_text(encoding="utf-8")


def test_draw_json(capsys: Capture) -> None:
    """`draw --json` has the DOT text in it, if there is no file."""
    assert data(capsys, "draw", "x[k]")["dot"].startswith("// neato")


def test_rules(capsys: Capture) -> None:
    """`rules` lists every file and every named rule with its line."""
    out = output(capsys, "rules")
    for path in sorted((ROOT / "rules").glob("*.egg")):
        assert path.name in out
    found = data(capsys, "rules")["rules"]
    assert len(found) > 50
    assert {"name", "ruleset", "file", "line", "comment"} == set(found[0])


def test_rules_of_a_file(capsys: Capture, tmp_path: Path) -> None:
    """`rules FILE` lists the rules of that file too."""
    mine = tmp_path / "mine.egg"
    mine.write_text('(rewrite (apply "abs" (scale $-1 a)) (apply "abs" a) :ruleset search :name "no sign")\n')
    assert "no sign" in output(capsys, "rules", str(mine))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gard"], "there is no command 'gard'; the commands are: bench, draw, .* Did you mean 'grad'"),
        (["grad", L2, "--wrt"], "Option '--wrt' requires an argument"),
        (["grad", L2, "--wtr", "W"], "No such option.*--wtr.*--wrt"),
        (["grad", "--wrt", "W"], "Missing argument 'EXPRESSION"),
        (["grad", L2, *SIZES], "by which variable. Add it, as in --wrt W"),
        (["grad", L2, "--wrt", "w", *SIZES], "no variable is named 'w'; the .* Did you mean"),
        (["grad", L2, "--wrt", "W", "--code", "pytorch"], "no backend 'pytorch'.* Did you mean 'torch'"),
        (["grad", L2, "--wrt", "W"], "for: b, x, y. Add them, as in --sizes b=10,x=10,y=10"),
        (["grad", L2, "--wrt", "W", "--sizes", "b=8,x=5"], "for: y. Add it, as in --sizes b=8,x=5,y=10"),
        (["grad", L2, "--wrt", "W", "--sizes", "b:8"], "'b:8' is no size: write edge=number, as in --sizes"),
        (["grad", L2, "--wrt", "W", "--sizes", "b=-1"], "'b=-1' is no size"),
        (["grad", L2, "--wrt", "W", "--sizes", "batch=8"], "has no edge 'batch'; its edges are: b, "),
        (["grad", L2, "--wrt", "W", "--sizes", "b=8,b=9"], "edge 'b' has size 8 but .* 9"),
        (["optimize", "A[i,k] A[j,k]", "--sizes", "i=2,j=3"], "edge 'i' has size 2 but edge 'j' .* j=2"),
        (["optimize", "f = x[k]", "f = y[k]", "--sizes", "k=2"], "two expressions are named 'f'"),
        (["grad", "sum(X[b,x", "--wrt", "X"], r"position 10\)"),
        (["grad", "tahn(X[b])", "--wrt", "X"], "tahn.* Did you mean 'tan' or 'tanh'"),
        (["optimize", "x[k]", "--sizes", "k=2", "--rules", "none.egg"], "there is no rule file 'none.egg'"),
        (["optimize", "x[k]", "--assume", "positve(x)"], "no fact 'positve'.* Did you mean 'positive'"),
        (["optimize", "x[k]", "--extract", "best"], "'best' is not one of 'greedy', 'exact'"),
        (["rules", "none.egg"], "there is no rule file 'none.egg'"),
        (["draw", "x[k]", "-o", "x.pdf"], "saved as .svg, .png, .dot, not as '.pdf'"),
        (["draw", "x[k]", "-o", "/nowhere/x.dot"], "'/nowhere/x.dot' cannot be written: there is no"),
        (["grad", L2, "--wrt", "W", "--seconds", "soon"], "'soon' is not a valid float"),
    ],
)  # fmt: skip
def test_mistakes(capsys: Capture, arguments: list[str], message: str) -> None:
    """A mistake is answered with what is wrong and what to type instead, and exit code 2."""
    assert re.search(message, mistake(capsys, *arguments))


def test_a_picture_that_cannot_be_saved_is_refused_before_the_search(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a folder that is not there nothing is planned."""
    monkeypatch.setattr(job.tg, "optimize", lambda *_, **__: pytest.fail("it was planned"))
    said = mistake(capsys, "optimize", "sum(x[k]^2)", "--sizes", "k=3", "--draw", "/nowhere/x.svg")
    assert "'/nowhere/x.svg' cannot be written: there is no folder '/nowhere'. Make it first." in said


def test_position_of_a_syntax_error(capsys: Capture) -> None:
    """A syntax error is shown under the text, with a caret."""
    lines = mistake(capsys, "grad", "sum(X[b,x", "--wrt", "X").splitlines()
    assert lines[1].strip() == "sum(X[b,x"
    assert lines[2].index("^") == lines[1].index("sum") + len("sum(X[b,x")


def test_bug(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """What should never happen is one line too, which says how to see more; then there is a traceback."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError("deep inside\nsecond line")

    monkeypatch.setattr(job.Job, "read", broken)
    said = mistake(capsys, "draw", "x[k]")
    what = "ZeroDivisionError: deep inside"
    assert said == f"error: {what} (this is a bug, please report it; TENSORGRAD_EG_DEBUG=1 shows where)\n"
    monkeypatch.setenv("TENSORGRAD_EG_DEBUG", "1")
    assert main(["draw", "x[k]"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_interrupt(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends a command with one word and the exit code of an interrupt."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(job.Job, "read", interrupted)
    assert main(["draw", "x[k]"]) == 130
    assert capsys.readouterr().err.strip() == "interrupted"


@pytest.mark.parametrize("command", ["grad", "optimize", "explain", "draw", "rules"])
def test_help(capsys: Capture, command: str) -> None:
    """Every command explains itself, and knows --json."""
    assert "--json" in output(capsys, command, "--help")


def test_bench_outside_of_a_repository(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where the benchmarks are not, `bench` says where they are."""
    monkeypatch.setattr("tensorgrad_eg.cli.rule_folder", lambda: tmp_path / "_rules")
    assert "Clone the repository" in mistake(capsys, "bench", "--smoke")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command as a process."""
    return subprocess.run(
        [sys.executable, "-m", "tensorgrad_eg", *arguments],
        cwd=ROOT, env={**os.environ, **environment}, capture_output=True, check=False,
    )  # fmt: skip


def test_exit_code_of_the_process() -> None:
    """The exit code reaches the shell, and messages go to the standard error."""
    done = run("grad", "sum(")
    assert done.returncode == 2
    assert done.stdout == b""
    assert done.stderr.startswith(b"error: ")


def test_terminal_without_unicode() -> None:
    """A terminal that cannot show Σ gets a question mark, and no error."""
    done = run(
        "explain", "sum(x[k]^2)", "--wrt", "x", "--sizes", "k=3", PYTHONIOENCODING="latin-1", PYTHONUTF8="0"
    )
    assert done.returncode == 0
    assert b"?" in done.stdout


def test_closed_pipe() -> None:
    """`tensorgrad-eg rules | head -1` is no error."""
    command = f"set -o pipefail; {sys.executable} -m tensorgrad_eg rules | head -1"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0
    assert done.stderr == b""


def test_no_colour(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """Headings are bold on a terminal, unless NO_COLOR is set."""
    import click

    monkeypatch.setattr(click.utils, "should_strip_ansi", lambda _, color=None: color is False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[1m" in output(capsys, "rules")
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in output(capsys, "rules")


def test_program_name() -> None:
    """The name in messages is the name of the command that is installed."""
    assert cli.PROGRAM == "tensorgrad-eg"


def test_an_expression_may_start_with_a_minus(capsys: Capture) -> None:
    """A minus in front of an expression is no option."""
    assert main(["grad", "-sum(p[i] p[i])", "--wrt", "p", "--sizes", "i=5"]) == 0
    assert "dp[i] = -2 p[i]" in capsys.readouterr().out

"""Problems that are hard to plan: `python -m benchmarks.adversarial`.

Each is planned in a process of its own, with two seconds and with the default of ten, and told with its
processor time, its peak memory and its outcome. What is asked for: an answer or a named error within 1.2
times the seconds and half a second, below 1 GB; with the default a plan.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from fractions import Fraction

import click
from prettytable import PrettyTable

import tensorgrad_eg as tg
from benchmarks.models.transformer import Transformer
from tensorgrad_eg import Tensor, Variable
from tensorgrad_eg import functions as F

Sizes = dict[str, int]
Hard = tuple[tg.api.Wanted, Sizes]
#: What a plan may take beyond its seconds: this part of them, and so much at least.
OVERRUN, START = 0.2, 0.5
#: Longer than any answer may take: then the process is ended.
PATIENCE = 300


def _product(factors: int, gradient: bool = False) -> Hard:
    """Factors in a ring, each with an edge to the next and one to the seventh after it."""
    edges: list[list[str]] = [[] for _ in range(factors)]
    for n in range(factors):
        for step in (1, 7):
            for end in (n, (n + step) % factors):
                edges[end].append(f"e{n}s{step}")
    tensors = [Variable(f"T{n}", dict.fromkeys(own, "d")) for n, own in enumerate(edges)]
    product: Tensor = tensors[0]
    for tensor in tensors[1:]:
        product = product @ tensor
    return (product.grad(tensors[0]) if gradient else product), {"d": 2}


def _chain(length: int, gradient: bool = False) -> Hard:
    x = vector = Variable("x", e0="n")
    for n in range(length):
        vector = vector @ Variable(f"A{n}", **{f"e{n}": "n", f"e{n + 1}": "n"})
    return (vector.sum().grad(x) if gradient else vector), {"n": 8}


def _tower(height: int, gradient: bool = True) -> Hard:
    x = e = Variable("x", ["i"])
    for _ in range(height):
        e = F.tanh(e)
    return (e.sum().grad(x) if gradient else e.sum()), {"i": 4}


def _sum(terms: int) -> Hard:
    x = Variable("x", i="n")
    total: Tensor | int = 0
    for n in range(terms):
        total = total + Variable(f"A{n}", i="n", j="n") @ Variable(f"y{n}", j="n") * x
    return F.sum(total).grad(x), {"n": 8}


def _derivative(order: int) -> Hard:
    x = Variable("x", ["i"])
    e: Tensor = F.sum(F.exp(x) * F.sin(x) * F.tanh(x))
    for n in range(order):
        e = tg.Derivative(e, x, {"i": f"i{n}"})
    return e, {"i": 3}


def _variables(count: int) -> Hard:
    given = [Variable(f"v{n}", ["i"]) for n in range(count)]
    loss = F.sum(F.tanh(tg.expr.Add(given)))
    return [loss.grad(given[0]), loss.grad(given[-1])], {"i": 4}


def _edges(count: int) -> Hard:
    A = Variable("A", dict.fromkeys((f"e{n}" for n in range(count)), "d"))
    return A * A, {"d": 1}


def _intermediate() -> Hard:
    """Three tensors of eight edges each, whose product has 24; half of these have size one."""
    symbols = {f"e{n}": "d" if n % 2 else "one" for n in range(24)}
    names = list(symbols)
    parts = [Variable(f"A{n}", {e: symbols[e] for e in names[8 * n : 8 * n + 8]}) for n in range(3)]
    whole = F.tanh(Variable("T", symbols))
    return F.sum(parts[0] * parts[1] * parts[2] * whole).grad(parts[0]), {"d": 2, "one": 1}


def _machine() -> Hard:
    """Factorisation machine of the third order, by its factors: value, gradient and Hessian by the input."""
    V, x = Variable("V", ["i", "f"]), Variable("x", ["i"])
    p1, p2, p3 = (F.sum((V * x) ** n, "i") for n in (1, 2, 3))
    loss = F.sum(p1**3 - 3 * p1 * p2 + 2 * p3) * Fraction(1, 6)
    return [loss, loss.grad(V), tg.hessian(loss, x)], {"i": 50, "f": 8}


def _seventeen() -> Hard:
    letters = "abcdefghijklmnop"
    inputs = [Variable(f"u{n}", q="q", r="r", s="s", p="p") for n in range(16)]
    core = Variable("core", **dict.fromkeys(letters, "p"), t="t")
    text = ",".join("qrs" + letter for letter in letters[::-1]) + f",{letters}t->qrst"
    return tg.einsum(text, *inputs, core), {"q": 8, "r": 25, "s": 25, "p": 2, "t": 2}


def _covariance() -> Hard:
    A = Variable("A", ["n", "i"])
    centred = A - F.mean(A, "n")
    return F.frobenius2(F.dot(centred, centred.rename(i="j"), "n")).grad(A), {"n": 100, "i": 10}


def _diagonals() -> Hard:
    x, d = Variable("x", ["u"]), tg.delta("i", "j", size="n")
    t = F.dot(F.abs(x * d), tg.delta("j", "i", size="n"), "i", "j")
    return F.sum(F.sin(F.dot(t, t, "u").grad(x))).grad(x), {"u": 3, "n": 2}


def _blocks(blocks: int) -> Hard:
    net = Transformer(blocks, n=1024, d=768, h=12)
    variables = net.variables()
    loss = net.expression(variables)
    wanted = {"loss": loss} | {name: loss.grad(variables[name]) for name in net.weights}
    return wanted, {"n": net.n, "d": net.d, "h": net.h, "c": net.d // net.h, "m": 4 * net.d}


HARD: dict[str, Callable[[], Hard]] = {
    "product of 20 dense tensors": lambda: _product(20),
    "product of 20 dense tensors, gradient": lambda: _product(20, gradient=True),
    "product of 40 dense tensors": lambda: _product(40),
    "chain of 500 matrices": lambda: _chain(500),
    "chain of 500 matrices, gradient": lambda: _chain(500, gradient=True),
    "chain of 2000 matrices": lambda: _chain(2000),
    "tower of 500 functions, gradient": lambda: _tower(500),
    "tower of 2000 functions": lambda: _tower(2000, gradient=False),
    "tower of 2000 functions, gradient": lambda: _tower(2000),
    "sum of 200 products, gradient": lambda: _sum(200),
    "sum of 1000 products, gradient": lambda: _sum(1000),
    "4th derivative": lambda: _derivative(4),
    "5th derivative": lambda: _derivative(5),
    "2000 variables": lambda: _variables(2000),
    "60 edges in one tensor": lambda: _edges(60),
    "24 edges in one intermediate": _intermediate,
    "third-order factorisation machine": _machine,
    "product of 17 tensors": _seventeen,
    "gradient of a squared covariance": _covariance,
    "diagonals of a product": _diagonals,
    "twelve transformer blocks": lambda: _blocks(12),
}


def measured(name: str, seconds: float) -> dict[str, object]:
    """Plans one problem here and now: what came out, the processor time and the peak memory."""
    x = Variable("x", ["k"])
    tg.optimize(x @ x, {"k": 2})  # no import is part of what is measured
    wanted, sizes = HARD[name]()
    started = time.process_time()
    report = ""
    try:
        plan = tg.optimize(wanted, sizes, seconds=seconds)
        outcome, report = f"{plan.flops:,} flops", str(plan.report)
    except tg.TensorgradError as error:
        outcome = f"{type(error).__name__}: {error}"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "cpu": time.process_time() - started,
        "peak": peak / (1 << 20),  # kB, as Linux counts
        "outcome": outcome,
        "report": report,
    }


def _in_a_process(name: str, seconds: float) -> dict[str, object]:
    command = [sys.executable, "-m", "benchmarks.adversarial", "--inside", name, "--seconds", str(seconds)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return {"cpu": float("inf"), "peak": 0.0, "outcome": f"nothing after {PATIENCE} s", "report": ""}
    if done.returncode:
        return {"cpu": 0.0, "peak": 0.0, "outcome": done.stderr.strip().split("\n")[-1], "report": ""}
    found: dict[str, object] = json.loads(done.stdout)
    return found


@click.command()
@click.option("--case", "cases", multiple=True, help="Only problems whose name has this in it.")
@click.option("--seconds", "times", type=float, multiple=True, help="Plan with these seconds [2 and 10].")
@click.option("--report", "reports", is_flag=True, help="Also print what each search reports.")
@click.option("--inside", hidden=True)
def main(cases: Sequence[str], times: Sequence[float], reports: bool, inside: str | None) -> None:
    """Plan what is hard to plan, each in a process of its own."""
    if inside:
        click.echo(json.dumps(measured(inside, times[0])))
        return
    table = PrettyTable(["problem", "seconds", "processor s", "peak GB", "outcome"], align="l")
    for name in (n for n in HARD if not cases or any(part in n for part in cases)):
        for seconds in times or (2.0, 10.0):
            found = _in_a_process(name, seconds)
            late = float(str(found["cpu"])) > seconds * (1 + OVERRUN) + START
            row = [name, f"{seconds:g}", f"{found['cpu']:.2f}{' LATE' if late else ''}"]
            table.add_row([*row, f"{found['peak']:.2f}", str(found["outcome"])[:100]])
            click.echo(f"{' | '.join(map(str, table.rows[-1]))}", err=True)
            if reports:
                click.echo(found["report"], err=True)
    click.echo(table)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()

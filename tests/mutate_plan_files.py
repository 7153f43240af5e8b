"""Damage plan files at random: each has to be refused by name, or to run and be what it says.

`python -m tests.mutate_plan_files --count 4000 --seed 0` prints what became of them, and each failure.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import traceback
from collections import Counter
from functools import cache
from typing import Any

import numpy as np
import torch

import tensorgrad_eg as tg
from tensorgrad_eg import functions as F
from tensorgrad_eg.errors import TensorgradError
from tests.programs import Builder, interpret

#: Values that have been trouble somewhere.
JUNK: list[Any] = [
    *(None, True, False, 0, 1, -1, 2, 3, 7, 1.0, 0.5, -0.0, 2**31, 2**63 - 1, 2**63, 10**50, 10**4000),
    *(1e308, float("nan"), float("inf"), [], {}, ["i"], ["i", "i"], [["i"]], {"i": 3}),
    *("", "a", "i", "A", "1", "-1", "0", "1/0", "0/1", "-2/3", "1e5", "1e99999999", "9" * 3000),
    *("1/" + "7" * 3000, "inf", "-inf", "nan", "1e400", "0x10", " 1", "1_000", "tensor", "list"),
    *("contract", "add", "apply", "exp", "pack", "unpack", "delta", "softmax", "i≤j", "\n", "\0", "\ud800"),
    *("Σ", "lambda", "np", "plan", "__import__('os')", '"""', "\\"),
]
#: Larger programs are checked, but not run.
LARGEST = 100_000


@cache
def originals() -> tuple[str, ...]:
    """Plans of every kind, as files."""
    b = Builder(i=3, k=2)
    A, x = b.variable("A", "ik"), b.variable("x", "k")
    Ax = b.apply("tanh", b.mul(A, x, "k"))
    total = b.add(Ax, b.constant(float("inf"), "∞"), b.power(Ax, "2/3"), factors=[1, -1, "-1/3"])
    soft = b.program(b.step("softmax", total, over="i"), Ax, total)
    X, W, Y = tg.Variable("X", ["b", "p"]), tg.Variable("W", ["p", "h"]), tg.Variable("Y", ["b", "h"])
    loss, sizes = F.frobenius2(F.tanh(X @ W) - Y), {"b": 4, "p": 3, "h": 2}
    square = F.frobenius2(X @ W - Y)
    G = tg.einsum("bp,bq->pq", X, X)
    plans = [
        tg.Plan(soft, ("soft", "hidden", "again"), 9),
        tg.optimize({"loss": loss, "dW": loss.grad(W)}, sizes),
        tg.optimize(tg.hessian(square, W), sizes, structured=True),
        tg.optimize(tg.hessian(square, W), sizes),
        tg.optimize([F.exp(G), G], {"b": 4, "p": 5}, symmetric=True),
        tg.optimize(F.logsumexp(X, "p") * 3, {"b": 4, "p": 3}, assume=[tg.assume.positive(X)]),
        tg.optimize(X.sum("p"), {"b": 0, "p": 3}),
    ]
    return tuple(plan.to_json() for plan in plans)


def mutated(dice: random.Random) -> bytes:
    """One of the plans with one to three changes."""
    text = dice.choice(originals())
    if dice.random() < 0.15:
        return _cut(text.encode(), dice)
    data = json.loads(text)
    for _ in range(dice.choice([1, 1, 1, 2, 3])):
        _change(data, dice)
    return json.dumps(data).encode("utf-8", "surrogatepass")


def _cut(text: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(text))
    match dice.randrange(4):
        case 0:
            return text[:at]
        case 1:
            return text[:at] + bytes([dice.randrange(256)]) + text[at + 1 :]
        case 2:
            return text[:at] + text[at + dice.randrange(1, 20) :]
        case _:
            return text[:at] + dice.choice([b"[", b"{", b'"', b",", b"9" * 5000, b"[" * 50_000]) + text[at:]


def _places(data: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    for key in list(data) if isinstance(data, dict) else range(len(data)):
        found.append((data, key))
        if isinstance(data[key], dict | list):
            _places(data[key], found)
    return found


def _change(data: Any, dice: random.Random) -> None:
    places = _places(data, [])
    if not places:
        return
    holder, key = dice.choice(places)
    value = holder[key]
    alike = [other[at] for other, at in places if type(other[at]) is type(value)]
    match dice.randrange(7):
        case 0:
            holder[key] = dice.choice(JUNK)
        case 1:
            del holder[key]
        case 2 | 3 | 4:  # what is there, but elsewhere: most likely to be read without a complaint
            holder[key] = json.loads(json.dumps(dice.choice(alike)))
        case 5 if isinstance(holder, list):
            holder.insert(key, json.loads(json.dumps(dice.choice(alike))))
        case 6 if isinstance(holder, list):
            other = dice.randrange(len(holder))
            holder[key], holder[other] = holder[other], holder[key]
        case _ if isinstance(value, int):
            holder[key] = value + dice.choice([-1, 1, 10**6])
        case _ if isinstance(holder, dict):
            holder[dice.choice(["edges", "factor", "over", "value", "number", "x", ""])] = value


def outcome(text: bytes) -> str:
    """What becomes of a file: "refused", "too large to run" or "right"; anything else is an exception."""
    try:
        plan = tg.Plan.from_json(text.decode("utf-8", "surrogatepass"))
    except TensorgradError:
        return "refused"
    except UnicodeDecodeError:
        return "no text"
    assert tg.Plan.from_json(plan.to_json()).program == plan.program
    assert repr(plan)
    assert str(plan)
    sources = [plan.code(backend) for backend in ("torch", "numpy", "jax", "opt_einsum")]
    for source in sources:
        compile(source, "plan", "exec")
    inputs = [given for given in plan.inputs if plan.program.readers(given.name)]
    shapes = {given.name: plan.program.shape(given.name) for given in inputs}
    elements = [plan.peak_elements, *(int(np.prod(shape, dtype=object)) for shape in shapes.values())]
    if plan.forms is not None:
        elements += [form.size for form in plan.forms]
    if max(elements) > LARGEST or plan.flops > 100 * LARGEST:
        return "too large to run"
    _run(plan, shapes)
    return "right"


def _run(plan: Any, shapes: dict[str, tuple[int, ...]]) -> None:
    """The plan computes what its own steps say."""
    chance = np.random.default_rng(0)
    arrays = {name: chance.standard_normal(shape) for name, shape in shapes.items()}
    with np.errstate(all="ignore"):
        found, right = plan(**arrays), interpret(plan.program, arrays)
        if plan.forms is not None:
            for result in _listed(found):
                assert result.dense().shape == result.shape
            return
        tensors = plan(**{name: torch.from_numpy(array) for name, array in arrays.items()})
    results = _listed(found)
    for one, other in zip(results, _listed(tensors), strict=True):
        np.testing.assert_allclose(np.asarray(one), np.asarray(other), rtol=1e-6, atol=1e-9)
    assert len(results) == len(right)
    for one, other, out in zip(results, right, plan.outputs, strict=True):
        assert np.shape(one) == tuple(plan.program.sizes[edge] for edge in out.edges)
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-9)


def _listed(found: Any) -> list[Any]:
    if isinstance(found, dict):
        return list(found.values())
    return list(found) if isinstance(found, list) else [found]


def run(count: int, seed: int) -> tuple[Counter[str], list[tuple[int, str]]]:
    """How many files came to which end, and the tracebacks of those that came to none."""
    ends: Counter[str] = Counter()
    failures = []
    for number in range(count):
        text = mutated(random.Random(f"{seed} {number}"))
        try:
            ends[outcome(text)] += 1
        except Exception:
            ends["FAILED"] += 1
            failures.append((number, traceback.format_exc(limit=-4)))
    return ends, failures


def main() -> int:
    """Print what became of the files; 1 if any failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutate_plan_files", description=__doc__)
    parser.add_argument("--count", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    ends, failures = run(options.count, options.seed)
    for number, text in failures:
        print(f"---- {number}\n{text}")
    print(", ".join(f"{end}: {count}" for end, count in sorted(ends.items())))
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())

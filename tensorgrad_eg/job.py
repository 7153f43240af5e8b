"""What the command line is asked for: read from its arguments, answered as text or as data.

>>> job = Job.read(["sum(x[k]^2)"], ["x"], ["k=4"])
>>> list(job.results), job.sizes
(['dx'], {'k': 4})
>>> print(job.result().text)
dx[k] = 2 x[k]
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import tensorgrad_eg as tg
from tensorgrad_eg.diagram import draw
from tensorgrad_eg.diagram.display import Diagram, check_picture
from tensorgrad_eg.emit import BACKENDS
from tensorgrad_eg.errors import (
    ArgumentError,
    ArrayNameError,
    BackendError,
    MissingSizeError,
    SizeError,
    UnknownEdgeError,
)
from tensorgrad_eg.expr import Tensor, variables
from tensorgrad_eg.expr.parser import size_symbols

_NAMED = re.compile(r"\s*([^\W\d]\w*)\s*=(.*)", re.DOTALL)
_EINSUM = re.compile(r"[\w\s,]*->[\w\s]*")


@dataclass(frozen=True)
class Answer:
    """One part of an answer: its title, what a person reads, and what a program reads."""

    title: str
    text: str
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Job:
    """What to compute: results by name, and sizes and options for the search."""

    expressions: Mapping[str, Tensor]
    results: Mapping[str, Tensor]
    edges: Mapping[str, str]
    given: Mapping[str, int]
    options: Mapping[str, Any]

    @classmethod
    def read(
        cls,
        texts: Sequence[str],
        wrt: Iterable[str] = (),
        sizes: Iterable[str] = (),
        assume: Iterable[str] = (),
        **options: Any,
    ) -> Job:
        """Read expressions, the variables to differentiate by, and sizes, each as it is typed.

        `options` are those of `optimize`.
        """
        expressions, edges = _read_texts(texts)
        results = _derivatives(expressions, _split(wrt)) or expressions
        known = variables(expressions.values())
        facts = [tg.assume.read(text, known) for text in assume]
        return cls(expressions, results, edges, _read_sizes(sizes, edges), {**options, "assume": facts})

    @property
    def sizes(self) -> dict[str, int]:
        """A number for every size symbol.

        Raises:
            MissingSizeError: if one has none.
        """
        missing = [symbol for symbol in dict.fromkeys(self.edges.values()) if symbol not in self.given]
        if missing:
            example = ",".join(
                f"{at}={size}" for at, size in {**self.given, **dict.fromkeys(missing, 10)}.items()
            )
            it = "it" if len(missing) == 1 else "them"
            raise MissingSizeError(
                f"no size is given for: {', '.join(missing)}. Add {it}, as in --sizes {example}"
            )
        return {symbol: self.given[symbol] for symbol in dict.fromkeys(self.edges.values())}

    @cached_property
    def plan(self) -> tg.Plan:
        """The cheapest program for the results."""
        wanted = self.results if len(self.results) > 1 else next(iter(self.results.values()))
        return tg.optimize(wanted, self.sizes, **self.options)

    @cached_property
    def simplified(self) -> dict[str, Tensor]:
        """The results with every derivative worked out."""
        facts = self.options["assume"]
        return {
            name: tg.simplify(e, assume=[f for f in facts if f.variable.name in variables([e])])
            for name, e in self.results.items()
        }

    def result(self) -> Answer:
        """The results as formulas."""
        lines = [f"{_label(name, tensor)} = {tensor}" for name, tensor in self.simplified.items()]
        found = [
            {"name": name, "edges": list(tensor.edges), "expression": str(tensor)}
            for name, tensor in self.simplified.items()
        ]
        return Answer("Result", "\n".join(lines), {"results": found})

    def steps(self) -> Answer:
        """The derivation of the plan."""
        derivation = self.plan.explain()
        return Answer("Steps", str(derivation), {"derivation": json.loads(derivation.to_json())})

    def cost(self) -> Answer:
        """The plan and what it costs."""
        plan = self.plan
        data = {
            "flops": plan.flops,
            "baseline_flops": int(plan.baseline),
            "peak_elements": plan.peak_elements,
            "plan": json.loads(plan.to_json()),
        }
        return Answer("Cost", str(plan), data)

    def code(self, library: str) -> Answer:
        """The plan as source code."""
        source = self.plan.code(library)
        return Answer(f"Code for {library}", source, {"code": {"library": library, "source": source}})

    def facts(self) -> dict[str, Any]:
        """What was asked, as data."""
        return {
            "expressions": {name: str(tensor) for name, tensor in self.expressions.items()},
            "sizes": dict(self.given),
        }

    def drawing(self) -> Diagram:
        """A picture of the results as they were asked for."""
        return draw(self.results if len(self.results) > 1 else next(iter(self.results.values())))


def check_outputs(library: str = "torch", drawing: str | None = None) -> None:
    """Refuse a library that no code is written for, or a picture that could not be saved.

    That is done before anything long is begun.
    """
    if library not in BACKENDS:
        raise BackendError.of(library, BACKENDS)
    if drawing is not None:
        check_picture(drawing)


def _label(name: str, tensor: Tensor) -> str:
    """A name with the edges of what it names."""
    return f"{name}[{','.join(tensor.edges)}]" if tensor.edges else name


def _split(words: Iterable[str]) -> list[str]:
    """Words, each of which may be several with commas between them."""
    return [word for text in words for word in re.split(r"[,\s]+", text) if word]


def _read_sizes(texts: Iterable[str], edges: Mapping[str, str]) -> dict[str, int]:
    """Sizes by symbol, from what is typed with the names of edges."""
    found: dict[str, int] = {}
    origin: dict[str, str] = {}
    for word in _split(texts):
        match = re.fullmatch(r"(\w+)=([0-9][0-9_]*)", word)
        if not match:
            raise ArgumentError(f"'{word}' is no size: write edge=number, as in --sizes b=128,x=100")
        edge, number = match[1], int(match[2])
        if edge not in edges:
            raise UnknownEdgeError.of(edge, "the expression", edges)
        symbol = edges[edge]
        if found.setdefault(symbol, number) != number:
            raise SizeError(
                f"edge '{origin[symbol]}' has size {found[symbol]} but edge '{edge}' size {number}: "
                f"one tensor has both at the same place. Give them one size: {edge}={found[symbol]}"
            )
        origin.setdefault(symbol, edge)
    return found


def _read_texts(texts: Sequence[str]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Expressions by name, and the size symbol of every edge."""
    found: dict[str, Tensor] = {}
    edges: dict[str, str] = {}
    for at, text in enumerate(texts, 1):
        named = _NAMED.fullmatch(text)
        name = named[1] if named else "result" if len(texts) == 1 else f"result{at}"
        if name in found:
            raise ArgumentError(f"two expressions are named '{name}'. Give one of them another name.")
        tensor, symbols = _read_text(named[2].strip() if named else text)
        found[name] = tensor
        edges.update(symbols)
    return found, edges


def _read_text(text: str) -> tuple[Tensor, dict[str, str]]:
    if _EINSUM.fullmatch(text):
        return _read_einsum(text)
    return tg.parse(text), size_symbols(text)


def _read_einsum(text: str) -> tuple[Tensor, dict[str, str]]:
    """An einsum text on its own: its tensors are called A, B, C and so on."""
    inputs = text.split("->")[0].replace(" ", "").split(",")
    names = [chr(ord("A") + at) if at < 26 else f"T{at}" for at in range(len(inputs))]
    tensors = [tg.Variable(name, _axes(letters)) for name, letters in zip(names, inputs, strict=True)]
    return tg.einsum(text, *tensors), {letter: letter for letters in inputs for letter in letters}


def _axes(letters: str) -> dict[str, str]:
    """An edge for each letter; one that repeats, to read a diagonal, is another edge of its size."""
    times = (letters[:at].count(letter) + 1 for at, letter in enumerate(letters))
    return {letter * count: letter for letter, count in zip(letters, times, strict=True)}


def _derivatives(expressions: Mapping[str, Tensor], wrt: Sequence[str]) -> dict[str, Tensor]:
    known = variables(expressions.values())
    for name in wrt:
        if name not in known:
            raise ArrayNameError.unknown(name, known)
    alone = len(expressions) == 1
    return {
        f"d{variable}" if alone else f"d{name}_d{variable}": tg.Derivative(tensor, known[variable])
        for name, tensor in expressions.items()
        for variable in wrt
    }

"""Problem n of a seed: what is wanted, sizes, options, and what else is tried with the plan."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np

import tensorgrad_eg as tg
from tensorgrad_eg import Tensor, TensorgradError, Variable
from tensorgrad_eg import functions as F
from tensorgrad_eg.assume import Fact
from tensorgrad_eg.expr import variables

from .expressions import World, narrowed, tensor
from .jets import Array

#: No result has more entries, all infinitesimals that its definition needs included.
_ENTRIES = 3000
#: Ranges of the data: both signs, then positive, small, and above one.
RANGES = ((-1.7, 1.7), (0.3, 1.3), (0.05, 0.4), (1.05, 1.9))
#: Seconds for the search, as they are given to `optimize`.
SECONDS = 2.0

#: What may be tried with a plan, and for how many problems in a hundred.
EXTRAS = {
    "print": 12,
    "torch": 6,
    "opt_einsum": 14,
    "jax": 6,
    "resize": 10,
    "save": 8,
    "explain": 5,
    "draw": 4,
    "check": 6,
    "simplify": 8,
    "repr": 12,
    "again": 2,
    "mistake": 6,
}


@dataclass(frozen=True)
class Problem:
    """A problem, all of it: the same arguments make the same plan."""

    wanted: tuple[Tensor, ...]
    names: tuple[str, ...] | str
    sizes: Mapping[str, int]
    options: Mapping[str, Any]
    extras: tuple[str, ...]
    facts: tuple[Fact, ...] = ()
    other_sizes: Mapping[str, int] = field(default_factory=dict)
    seed: tuple[int, int] = (0, 0)
    kind: str = "value"

    @property
    def number(self) -> int:
        """Which problem of the seed it is."""
        return self.seed[1]

    @property
    def question(self) -> Tensor | list[Tensor] | dict[str, Tensor]:
        """What `optimize` is asked for: a tensor, a list, or a dict."""
        if self.names == "tensor":
            return self.wanted[0]
        return list(self.wanted) if self.names == "list" else dict(zip(self.names, self.wanted, strict=True))

    def arrays(self, attempt: int, sizes: Mapping[str, int]) -> dict[str, Array]:
        """Data for the variables, of which the facts are true; later attempts are in other ranges."""
        random = np.random.default_rng([*self.seed, attempt])
        low, high = RANGES[attempt % len(RANGES)]
        facts = {fact.variable.name: fact for fact in self.facts}
        found = {}
        for name, v in sorted(variables(self.wanted).items()):
            shape = [n if isinstance(n, int) else sizes[n] for n in v.shape.values()]
            array = random.uniform(low, high, shape)
            found[name] = conform(array, facts[name]) if name in facts else array
        return found


def conform(array: Array, fact: Fact) -> Array:
    """An array of which a fact is true."""
    axes = fact.axes
    match fact.kind:
        case "positive":
            return np.asarray(np.abs(array) + 0.1)
        case "symmetric":
            return np.asarray((array + array.swapaxes(*axes)) / 2)
        case "diagonal":
            index = np.indices(array.shape)
            return np.asarray(np.where(index[axes[0]] == index[axes[1]], array, 0.0))
        case "orthogonal":
            return np.asarray(np.linalg.qr(array)[0]) if array.size else array
        case "one_hot":
            largest = array.max(axis=axes[0], keepdims=True)
            return np.asarray(array == largest, dtype=float)
        case "sums_to_one":
            positive = np.abs(array) + 0.1
            return np.asarray(positive / positive.sum(axis=axes[0], keepdims=True))
    raise ValueError(fact.kind)


def problem(seed: int, number: int) -> Problem:
    """Problem n of a seed, the same everywhere."""
    random = Random(f"{seed}:{number}")
    while True:
        try:
            found = _problem(random)
        except TensorgradError:
            continue  # what cannot be written down, such as 1/0, is no problem
        if _entries(found) <= _ENTRIES:
            return Problem(**{**found.__dict__, "seed": (seed, number)})


def _problem(random: Random) -> Problem:
    world = World.of(random)
    kind = random.choices(list(_KINDS), [weight for weight, _ in _KINDS.values()])[0]
    a = tensor(world, random.choices((1, 2, 3, 4, 5, 6), (8, 18, 26, 26, 14, 8))[0])
    wanted = _KINDS[kind][1](world, a)
    names: tuple[str, ...] | str = "tensor"
    if len(wanted) > 1 or random.random() < 0.1:
        names = "list" if random.random() < 0.5 else tuple(f"r{n}" for n in range(len(wanted)))
    sizes = {symbol: world.numbers[symbol] for symbol in _symbols(wanted)}
    facts = _facts(random, wanted, sizes)
    extras = tuple(extra for extra, share in EXTRAS.items() if random.random() * 100 < share)
    return Problem(
        tuple(wanted),
        names,
        sizes,
        _options(random, bool(facts)),
        extras,
        facts,
        {symbol: random.choice((1, 2, 3, 4)) for symbol in sizes},
        kind=kind,
    )


def _options(random: Random, facts: bool) -> dict[str, Any]:
    options: dict[str, Any] = {}
    effort = random.choices((1, 0, 2), (65, 27, 8))[0]
    if effort != 1:
        options["effort"] = effort
    if random.random() < 0.08:
        options["structured"] = True
    elif random.random() < (0.3 if facts else 0.06):
        options["symmetric"] = True
    if random.random() < 0.02:
        options["extract"] = "exact"
    if random.random() < 0.05:
        options["seed"] = random.randint(1, 9)
    return options


def _facts(random: Random, wanted: Sequence[Tensor], sizes: Mapping[str, int]) -> tuple[Fact, ...]:
    """True facts about some of the variables, for some of the problems."""
    if random.random() > 0.12 or 0 in sizes.values():
        return ()
    found = []
    for v in variables(wanted).values():
        pairs = [(i, j) for i in v.edges for j in v.edges if i < j and v.shape[i] == v.shape[j]]
        kinds = ["positive", *(["one_hot", "sums_to_one"] if v.edges else [])]
        kinds += ["symmetric", "symmetric", "diagonal"] if pairs else []
        kinds += ["orthogonal"] if pairs and len(v.edges) == 2 else []
        kind = random.choice(kinds)
        edges: tuple[str, ...] = (
            random.choice(pairs) if kind in ("symmetric", "diagonal", "orthogonal") else ()
        )
        if kind in ("one_hot", "sums_to_one"):
            edges = (random.choice(v.edges),)
        if random.random() < 0.7:
            found.append(getattr(tg.assume, kind)(v, *edges))
    return tuple(found)


def _read(w: World, a: Tensor) -> Variable:
    return w.random.choice(list(variables([a]).values()))


def _loss(w: World, a: Tensor) -> Tensor:
    if not a.edges:
        return a
    return w.random.choice((F.sum, F.sum, F.frobenius2, F.mean))(a)


def _gradients(w: World, a: Tensor) -> list[Tensor]:
    loss = _loss(w, a)
    read = list(variables([loss]).values())
    chosen = w.random.sample(read, w.random.randint(1, min(3, len(read))))
    found = list(tg.gradients(loss, chosen))
    return [loss, *found] if w.random.random() < 0.3 else found


def _jacobian(w: World, a: Tensor) -> list[Tensor]:
    v = _read(w, a)
    given = {edge: f"d{edge}" for edge in v.edges} if w.random.random() < 0.2 else None
    return [tg.jacobian(narrowed(w, a, 2), v, given)]


def _hessian(w: World, a: Tensor) -> list[Tensor]:
    loss = _loss(w, a)
    x = _read(w, loss)
    y = _read(w, loss) if w.random.random() < 0.3 else None
    found = tg.hessian(loss, x, y)
    return [found, loss.grad(x)] if w.random.random() < 0.2 else [found]


def _direction(w: World, like: Tensor, name: str) -> Tensor:
    """A direction: a variable of its own, or something that depends on other variables too."""
    kept = w.some(like.edges)
    direction: Tensor = Variable(name, {edge: like.shape[edge] for edge in (kept or like.edges)})
    return w.random.choice((direction, direction, F.sin(direction) * 2))


def _jvp(w: World, a: Tensor) -> list[Tensor]:
    v = _read(w, a)
    along: Tensor = v * v if w.random.random() < 0.2 else _direction(w, v, "along")
    return [tg.jvp(a, v, along)]


def _vjp(w: World, a: Tensor) -> list[Tensor]:
    v = _read(w, a)
    back: Tensor = a * 2 if w.random.random() < 0.2 else _direction(w, a, "back")
    return [tg.vjp(a, v, back)]


def _hvp(w: World, a: Tensor) -> list[Tensor]:
    loss = _loss(w, a)
    v = _read(w, loss)
    return [tg.hvp(loss, v, _direction(w, v, "along"))]


def _nested(w: World, a: Tensor) -> list[Tensor]:
    """A gradient of a function of a gradient."""
    loss = _loss(w, a)
    slope = loss.grad(_read(w, loss))
    inner = F.sum(w.random.choice((F.sin, F.tanh, lambda e: e * e))(slope))
    return [inner.grad(_read(w, inner))]


def _third(w: World, a: Tensor) -> list[Tensor]:
    loss = _loss(w, a)
    found = tg.hessian(loss, _read(w, loss)).grad(_read(w, loss))
    return [found.grad(_read(w, loss))] if w.random.random() < 0.1 else [found]


def _several(w: World, a: Tensor) -> list[Tensor]:
    return [a, *(tensor(w, 2) for _ in range(w.random.randint(1, 2)))]


#: Kinds of problems: how many in a hundred, and what is wanted of a random tensor.
_KINDS: dict[str, tuple[int, Callable[[World, Tensor], list[Tensor]]]] = {
    "value": (26, lambda w, a: [a]),
    "several": (8, _several),
    "gradients": (28, _gradients),
    "jacobian": (12, _jacobian),
    "hessian": (8, _hessian),
    "jvp": (5, _jvp),
    "vjp": (4, _vjp),
    "hvp": (4, _hvp),
    "nested": (3, _nested),
    "third": (2, _third),
}


def _symbols(wanted: Sequence[Tensor]) -> list[str]:
    """Every size symbol in what is wanted, wherever it stands."""
    found: dict[str, None] = {}
    for node in tg.expr.postorder(wanted):
        own = getattr(node, "size", None)
        found |= dict.fromkeys(n for n in (*node.shape.values(), own) if isinstance(n, str))
    return list(found)


def _entries(problem: Problem) -> int:
    """The entries of the largest array that any definition needs."""
    largest = 0
    for sizes in (problem.sizes, problem.other_sizes):
        for node in tg.expr.postorder(problem.wanted):
            edges = [sizes[n] if isinstance(n, str) else n for n in node.shape.values()]
            own = math.prod(max(n, 1) for n in edges)
            if isinstance(node, tg.Derivative):
                largest = max(largest, own * 4)
            largest = max(largest, own)
    return largest

"""Cases: a problem at given sizes, and what it is compared with.

A case is declared by decorating the function that builds its problem; the decorator gives the family, the
name and the sizes.

>>> @case("T", "square", [{"n": 3}, {"n": 5}])
... def square(sizes: Sizes) -> Problem:
...     raise NotImplementedError
>>> [c.key for c in CASES if c.family == "T"]
['T/square/n=3', 'T/square/n=5']
>>> CASES[:] = [c for c in CASES if c.family != "T"]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.count import total
from tensorgrad_eg import Plan, Tensor
from tensorgrad_eg.assume import Fact

Sizes = Mapping[str, int]
Array = npt.NDArray[np.float64]
Tensors = Mapping[str, torch.Tensor]
Function = Callable[[Tensors], Any]


@dataclass(frozen=True)
class Hand:
    """A closed form: its torch code, its steps (see `benchmarks.count`) and the size of every label in them.

    >>> Hand(lambda t: t["A"] + t["A"].T, ["add ij,ij->ij"], {"i": 3, "j": 3}).flops
    9
    """

    torch: Function
    steps: Sequence[str]
    sizes: Sizes

    @property
    def flops(self) -> int:
        """What the steps cost together."""
        return total(self.steps, self.sizes)


@dataclass(frozen=True)
class Problem:
    """What is asked for, data for it, what torch says it is, and the closed form where there is one.

    `rival` is another program for the same job whose time is compared where there is no closed form. `bound`
    is the best cost known, where it is not that of the closed form; `anchors` are other costs to look at.
    `cost` is what is counted: flops, if nothing else is said. `assume` are facts that are true of the data.
    """

    wanted: Tensor | Mapping[str, Tensor]
    data: Mapping[str, Array]
    reference: Function
    hand: Hand | None = None
    rival: Function | None = None
    bound: int | None = None
    anchors: Mapping[str, int] = field(default_factory=dict)
    cost: Callable[[Plan], int] = attrgetter("flops")
    assume: Sequence[Fact] = ()
    note: str = ""


@dataclass(frozen=True)
class Case:
    """A problem at given sizes. `smoke` cases run in continuous integration, `slow` ones only when they are
    named.

    >>> Case("H", "H1", {"n": 500}, lambda sizes: Problem({}, {}, dict)).key
    'H/H1/n=500'
    """

    family: str
    name: str
    sizes: Sizes
    build: Callable[[Sizes], Problem]
    smoke: bool = False
    slow: bool = False
    target: float | None = None

    @property
    def key(self) -> str:
        """What the case is called in tables and in the baseline."""
        return f"{self.family}/{self.name}/{self.shown}"

    @property
    def shown(self) -> str:
        """The sizes as text."""
        return ",".join(f"{name}={size}" for name, size in self.sizes.items())


CASES: list[Case] = []


def case(
    family: str,
    name: str,
    sizes: Iterable[Sizes],
    *,
    smoke: Sizes | None = None,
    slow: Callable[[Sizes], bool] = lambda sizes: False,
    target: float | None = None,
) -> Callable[[Callable[[Sizes], Problem]], Callable[[Sizes], Problem]]:
    """Declare a case at each of these sizes, and at those of `smoke` for continuous integration.

    `target` is the planning time to reach, in seconds.
    """

    def declare(build: Callable[[Sizes], Problem]) -> Callable[[Sizes], Problem]:
        every = list(sizes)
        CASES.extend(Case(family, name, s, build, s == smoke, slow(s), target) for s in every)
        if smoke is not None and smoke not in every:
            CASES.append(Case(family, name, smoke, build, True, False, target))
        return build

    return declare


def select(
    families: Sequence[str] = (), names: Sequence[str] = (), smoke: bool = False, slow: bool = False
) -> list[Case]:
    """The cases of these families and names, in the order of their declaration.

    A name is that of a case, a key, or the start of a key. Slow cases come only when asked for, or when
    they are named.
    """
    found = [c for c in CASES if not families or c.family in families]
    if names:
        exact = [n for n in names if any(n in (c.name, c.key) for c in found)]
        return [c for c in found if any(_named(c, n, n in exact) for n in names)]
    if smoke:
        return [c for c in found if c.smoke]
    return [c for c in found if slow or not c.slow]


def _named(found: Case, name: str, exact: bool) -> bool:
    return name in (found.name, found.key) if exact else found.key.startswith(name)


def standard_normal(shapes: Mapping[str, Sequence[int]], seed: int = 0) -> dict[str, Array]:
    """Data for variables of these shapes, the same each time.

    >>> standard_normal({"x": [2]})["x"].shape
    (2,)
    """
    generator = np.random.default_rng(seed)
    return {name: np.asarray(generator.standard_normal(tuple(shape))) for name, shape in shapes.items()}

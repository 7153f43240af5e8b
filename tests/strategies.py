"""Random expressions, built through the public interface as a user would write them.

An expression grows in steps from a pool of tensors. Every step reads tensors of the pool and puts one back,
so that parts are shared; edge names are few, so that sums reuse them, variables are read under several names,
and what a careless substitution would capture occurs all the time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from hypothesis import strategies as st

import tensorgrad_eg as tg
from tensorgrad_eg import Tensor, Variable
from tensorgrad_eg import functions as F

#: Edges of one size can take each other's names.
EDGES = {"i": "n", "j": "n", "k": "n", "b": "m", "c": "m"}
SIZES = {"n": 3, "m": 2}
VARIABLES = (
    Variable("x", i="n"),
    Variable("y", j="n"),
    Variable("z", b="m"),
    Variable("A", i="n", j="n"),
    Variable("B", b="m", i="n"),
    Variable("C", i="n", j="n", b="m"),
    Variable("s"),
)
_WIDEST = 3


@dataclass(frozen=True)
class Case:
    """A tensor, the number it sums to, and the variables it is differentiated by."""

    tensor: Tensor
    loss: Tensor
    first: Variable
    second: Variable

    def __repr__(self) -> str:
        """The expression as one writes it, for Hypothesis to show."""
        return f"Case({self.tensor}, by {self.first.name}, {self.second.name})\n  {self.tensor!r}"


Step = Callable[[st.DrawFn, list[Tensor]], Tensor | None]


def _others(a: Tensor, edge: str) -> list[str]:
    """The names that an edge of a tensor can be given."""
    return [name for name, size in EDGES.items() if size == EDGES[edge] and name not in a.edges]


def _renamed(draw: st.DrawFn, a: Tensor) -> Tensor:
    """The tensor under other edge names: one exchanged for a new one, or two swapped."""
    if not a.edges:
        return a
    edge = draw(st.sampled_from(a.edges))
    partners = [other for other in a.edges if other != edge and EDGES[other] == EDGES[edge]]
    choices = [*_others(a, edge), *partners]
    if not choices:
        return a
    other = draw(st.sampled_from(choices))
    return a.rename({edge: other, other: edge} if other in a.edges else {edge: other})


def leaves(draw: st.DrawFn) -> Tensor:
    """A variable, as it is or under other names."""
    a: Tensor = draw(st.sampled_from(VARIABLES))
    return _renamed(draw, a) if draw(st.booleans()) else a


def _pick(draw: st.DrawFn, pool: list[Tensor]) -> Tensor:
    return draw(st.sampled_from(pool[-5:])) if draw(st.integers(0, 3)) else leaves(draw)


def _product(draw: st.DrawFn, pool: list[Tensor]) -> Tensor | None:
    """A contraction over some shared edges, or over none of them."""
    a, b = _pick(draw, pool), _pick(draw, pool)
    if draw(st.booleans()):
        b = _renamed(draw, b)
    shared = [edge for edge in a.edges if edge in b.edges]
    over = [edge for edge in shared if draw(st.integers(0, 2))]
    return F.dot(a, b, over) if over else a * b


def _sum(draw: st.DrawFn, pool: list[Tensor]) -> Tensor | None:
    """Two tensors added, broadcast where their edges differ."""
    a, b = _pick(draw, pool), _pick(draw, pool)
    if draw(st.booleans()):
        return a - b
    return a + Fraction(draw(st.integers(1, 3)), 2) * b


def _number(draw: st.DrawFn, pool: list[Tensor]) -> Tensor | None:
    """A multiple, or a number added."""
    a = _pick(draw, pool)
    number = draw(st.sampled_from([2, -1, Fraction(1, 3), 0.5, 1]))
    return a * number if draw(st.booleans()) else a + number


_SMOOTH = (
    F.tanh,
    F.sigmoid,
    F.softplus,
    F.sin,
    F.cos,
    F.erf,
    F.gelu,
    F.relu,
    F.abs,
    lambda a: F.exp(F.tanh(a)),
    lambda a: F.exp(-(a**2)),
    lambda a: F.log(F.softplus(a)),
    lambda a: F.log(F.sigmoid(a)),
    lambda a: F.log(1 + F.exp(F.sin(a))),
    lambda a: F.sqrt(a**2 + 1),
    lambda a: 1 / (a**2 + 2),
    lambda a: 1 / (1 + F.exp(-F.tanh(a))),
    lambda a: 1 - F.sigmoid(a),
    lambda a: (a * a + 1) ** Fraction(-3, 2),
    lambda a: a**2,
    lambda a: a**3,
    lambda a: a * a,
)


def _function(draw: st.DrawFn, pool: list[Tensor]) -> Tensor | None:
    """A pointwise function, or a few of them composed, smooth where the data lie."""
    return draw(st.sampled_from(_SMOOTH))(_pick(draw, pool))


def _fibre(draw: st.DrawFn, pool: list[Tensor]) -> Tensor | None:
    """A function of whole fibres: softmax and its relatives, sums, means, norms."""
    a = _pick(draw, pool)
    if not a.edges:
        return None
    edge = draw(st.sampled_from(a.edges))
    function = draw(
        st.sampled_from(
            (F.softmax, F.logsumexp, F.log_softmax, F.mean, F.sum, F.layer_norm, _normalised, _explicit)
        )
    )
    over = a.edges if draw(st.integers(0, 4)) == 0 else (edge,)
    return function(a, *over)


def _normalised(a: Tensor, *edges: str) -> Tensor:
    return a / F.sqrt(F.sum(a * a, *edges) + 1)


def _explicit(a: Tensor, *edges: str) -> Tensor:
    """Softmax as it is defined."""
    powers = F.exp(F.tanh(a))
    return powers / F.sum(powers, *edges)


def _norm(draw: st.DrawFn, pool: list[Tensor]) -> Tensor | None:
    """‖a‖², or Σ a·aᵀ: the same bound names on both sides."""
    a = _pick(draw, pool)
    return F.frobenius2(a) if draw(st.booleans()) else F.dot(a, _renamed(draw, a), *a.edges[:1])


def _residual(draw: st.DrawFn, pool: list[Tensor]) -> Tensor | None:
    """h + tanh(h @ W), with the names of h's edges used again."""
    h = _pick(draw, pool)
    own = [edge for edge in h.edges if EDGES[edge] == "n"]
    if not own:
        return None
    edge = own[0]
    (new,) = _others(h, edge)[:1] or (None,)
    if new is None:
        return None
    weight = VARIABLES[3].rename(i=edge, j=new) if edge != "j" else VARIABLES[3].rename(i="j", j=new)
    for _ in range(draw(st.integers(1, 2))):
        h = h + F.tanh(F.dot(h, weight, edge).rename({new: edge}))
    return h


def _delta(draw: st.DrawFn, pool: list[Tensor]) -> Tensor | None:
    """A diagonal taken, a trace, or a tensor put on a diagonal."""
    a = _pick(draw, pool)
    own = [edge for edge in a.edges if EDGES[edge] == "n"]
    if len(own) >= 2 and draw(st.booleans()):
        i, j = own[:2]
        identity = tg.delta(i, j, size="n")
        return F.trace(a, i, j) if draw(st.booleans()) else F.dot(a, identity, j)
    if own and _others(a, own[0]):
        return a * tg.delta(own[0], _others(a, own[0])[0], size="n")
    return None


def _copied(draw: st.DrawFn, pool: list[Tensor]) -> Tensor | None:
    """A tensor beside itself under other names."""
    a = _pick(draw, pool)
    b = _renamed(draw, a)
    return a * b if draw(st.booleans()) else a + b


_STEPS: tuple[Step, ...] = (
    _product,
    _product,
    _sum,
    _number,
    _function,
    _function,
    _fibre,
    _norm,
    _residual,
    _delta,
    _copied,
)


def _narrow(draw: st.DrawFn, a: Tensor, widest: int) -> Tensor:
    """The tensor with some edges summed, if it has too many."""
    while len(a.edges) > widest:
        a = a.sum(draw(st.sampled_from(a.edges)))
    return a


@st.composite
def tensors(draw: st.DrawFn, steps: int = 5) -> Tensor:
    """A random tensor of at most three edges."""
    pool = [leaves(draw) for _ in range(draw(st.integers(1, 3)))]
    for _ in range(draw(st.integers(1, steps))):
        made = draw(st.sampled_from(_STEPS))(draw, pool)
        if made is not None and len(made.edges) <= _WIDEST + 1:
            pool.append(_narrow(draw, made, _WIDEST))
    if draw(st.integers(0, 2)) == 0 and len(pool) > 1:
        pool.append(_narrow(draw, pool[-1] * pool[-2], _WIDEST))
    return pool[-1]


@st.composite
def cases(draw: st.DrawFn, steps: int = 5) -> Case:
    """A random tensor with a loss made of it, and two of its variables."""
    a = draw(tensors(steps))
    read = [v for v in VARIABLES if v.name in tg.expr.variables([a])]
    first = draw(st.sampled_from(read or VARIABLES))
    second = draw(st.sampled_from([*read, first, first]))
    loss = draw(st.sampled_from((F.sum, F.sum, F.frobenius2, F.mean)))(a) if a.edges else a
    return Case(_narrow(draw, a, 2), loss, first, second)

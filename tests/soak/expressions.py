"""Random expressions: every node and function of the language, on few names, so that captures abound.

An expression grows in steps from a pool. Every step reads tensors of the pool and puts one back, so that
parts are shared; edges take each other's names, so that variables are read in many places and on diagonals.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from random import Random

import tensorgrad_eg as tg
from tensorgrad_eg import Tensor, Variable
from tensorgrad_eg import functions as F
from tensorgrad_eg.expr import Apply, Size, extent

#: Edges of one kind have one size and can take each other's names.
_KINDS = (("i", "j", "k", "l"), ("b", "c"), ("p", "q"))
_NAMES = (*"xyzABCW", "x1", "step", "s")
#: No tensor in between has more edges.
WIDEST = 4


@dataclass
class World:
    """What the expressions of one problem are made of: edges with their sizes, and variables."""

    random: Random
    sizes: dict[str, Size] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    variables: list[Variable] = field(default_factory=list)

    @classmethod
    def of(cls, random: Random) -> World:
        """A world with two or three kinds of edges, and variables of up to three edges."""
        world = cls(random)
        for kind, symbol in zip(_KINDS, "nmu", strict=True):
            world._size(kind, symbol)
        names = random.sample(_NAMES, random.randint(1, 4))
        world.variables = [Variable(name, world._edges()) for name in names]
        return world

    def _size(self, kind: Sequence[str], symbol: str) -> None:
        """A size for a kind of edges: a symbol of its own, the name of its first edge, or an integer."""
        number = self.random.choices((0, 1, 2, 3, 4), (1, 8, 40, 40, 11))[0]
        how = self.random.choices(("symbol", "edge", "integer"), (70, 20, 10))[0]
        choices: dict[str, Size] = {"symbol": symbol, "edge": kind[0], "integer": max(number, 1)}
        size = choices[how]
        if isinstance(size, str):
            self.numbers[size] = number
        self.sizes |= dict.fromkeys(kind, size)

    def _edges(self) -> dict[str, Size]:
        count = self.random.choices((0, 1, 2, 3), (12, 38, 38, 12))[0]
        first = self.random.choice((_KINDS[0], _KINDS[0], _KINDS[1], _KINDS[2]))
        pool = [*first, *(edge for kind in _KINDS[: self.random.randint(1, 3)] for edge in kind[:2])]
        return {edge: self.sizes[edge] for edge in self.random.sample(list(dict.fromkeys(pool)), count)}

    def others(self, a: Tensor, edge: str) -> list[str]:
        """The names that an edge of a tensor could have instead."""
        kind = next((kind for kind in _KINDS if edge in kind), ())
        return [name for name in kind if name not in a.edges]

    def pick(self, pool: Sequence[Tensor]) -> Tensor:
        """A tensor of the pool, sooner a late one, or a variable."""
        if pool and self.random.random() < 0.7:
            return self.random.choice(pool[-4:])
        return self.leaf()

    def leaf(self) -> Tensor:
        """A variable, perhaps under other names; rarely a number, a size, an identity."""
        choice = self.random.random()
        if choice < 0.9:
            variable: Tensor = self.random.choice(self.variables)
            return self.renamed(variable) if self.random.random() < 0.5 else variable
        if choice < 0.94:
            i, j = self.random.sample(self.random.choice(_KINDS)[:2], 2)
            return tg.delta(i, j, size=self.sizes[i])
        if choice < 0.97:
            of = self.random.choice(self.variables)
            return extent(of, self.random.choice(of.edges)) if of.edges else F.pi
        return tg.expr.Number(self.random.choice((2, -1, 0, 3, 1)))

    def renamed(self, a: Tensor) -> Tensor:
        """The tensor under other names: one edge moved, two swapped, or all in another order."""
        if not a.edges:
            return a
        edge = self.random.choice(a.edges)
        partners = [x for x in a.edges if x != edge and a.shape[x] == a.shape[edge]]
        choices = [*self.others(a, edge), *partners]
        if not choices:
            return a.transpose(*self.random.sample(a.edges, len(a.edges)))
        other = self.random.choice(choices)
        return a.rename({edge: other, other: edge} if other in a.edges else {edge: other})

    def some(self, edges: Sequence[str], least: int = 0) -> list[str]:
        """Some of these edges."""
        return self.random.sample(list(edges), self.random.randint(min(least, len(edges)), len(edges)))


Step = Callable[[World, Sequence[Tensor]], Tensor]


def _product(w: World, pool: Sequence[Tensor]) -> Tensor:
    a, b = w.pick(pool), w.pick(pool)
    if w.random.random() < 0.5:
        b = w.renamed(b)
    shared = [edge for edge in a.edges if edge in b.edges]
    if w.random.random() < 0.3:
        return a @ b
    over = w.some(shared or [*a.edges, *b.edges])
    return F.dot(a, b, over) if over else a * b


def _sum_of_terms(w: World, pool: Sequence[Tensor]) -> Tensor:
    a, b = w.pick(pool), w.pick(pool)
    match w.random.randint(0, 3):
        case 0:
            return a - b
        case 1:
            return a + Fraction(w.random.randint(1, 3), 2) * b
        case 2:
            return a + b + w.pick(pool)
    return a + b


def _number(w: World, pool: Sequence[Tensor]) -> Tensor:
    a = w.pick(pool)
    number = w.random.choice((2, -1, Fraction(1, 3), 0.5, 1, 0, 3))
    return w.random.choice((a * number, a + number, number - a, -a))


def _function(w: World, pool: Sequence[Tensor]) -> Tensor:
    return Apply(w.random.choice(_POINTWISE), w.pick(pool))


def _safe(w: World, pool: Sequence[Tensor]) -> Tensor:
    return w.random.choice(_SAFE)(w.pick(pool))


def _power(w: World, pool: Sequence[Tensor]) -> Tensor:
    a = w.pick(pool)
    exponents = (2, 2, 3, -1, -2, Fraction(1, 2), Fraction(-3, 2), Fraction(1, 3), 0, 4, Fraction(5, 2))
    return a ** w.random.choice(exponents) if w.random.random() < 0.8 else a / w.pick(pool)


def _fibre(w: World, pool: Sequence[Tensor]) -> Tensor:
    a = w.pick(pool)
    over = w.some(a.edges, 1)
    return w.random.choice(_FIBRES)(a, *over) if over else F.exp(a)


def _norm(w: World, pool: Sequence[Tensor]) -> Tensor:
    a = w.pick(pool)
    match w.random.randint(0, 3):
        case 0:
            return F.frobenius2(a)
        case 1:
            return F.l2_loss(a, w.pick(pool))
        case 2:
            over = w.some(a.edges, 1)
            return F.cross_entropy(a, w.renamed(w.leaf()), *over, mean=w.random.random() < 0.3) if over else a
    return F.dot(a, w.renamed(a), *w.some(a.edges, 1))


def _sum(w: World, pool: Sequence[Tensor]) -> Tensor:
    a = w.pick(pool)
    return a.sum(*w.some(a.edges, 1)) if a.edges else a


def _residual(w: World, pool: Sequence[Tensor]) -> Tensor:
    """h + f(h @ W) with the names of h's edges used again, once or twice."""
    h, weight = w.pick(pool), w.random.choice(w.variables)
    shared = [edge for edge in h.edges if edge in weight.edges and w.others(h, edge)]
    free = [edge for edge in weight.edges if edge not in shared]
    if not shared or len(free) != 1:
        return h
    edge, out = shared[0], free[0]
    if h.shape[edge] != weight.shape[out] or out in h.edges:
        return h
    for _ in range(w.random.randint(1, 2)):
        h = h + F.tanh(F.dot(h, weight, edge).rename({out: edge}))
    return h


def _diagonal(w: World, pool: Sequence[Tensor]) -> Tensor:
    """A diagonal taken, a trace, or a tensor put on a diagonal."""
    a = w.pick(pool)
    pairs = [(i, j) for i in a.edges for j in a.edges if i < j and a.shape[i] == a.shape[j]]
    if pairs and w.random.random() < 0.7:
        i, j = w.random.choice(pairs)
        return F.trace(a, i, j) if w.random.random() < 0.5 else F.dot(a, tg.delta(i, j, size=a.shape[i]), j)
    if a.edges:
        edge = w.random.choice(a.edges)
        for other in w.others(a, edge)[:1]:
            return a * tg.delta(edge, other, size=a.shape[edge])
    return a


def _hidden(w: World, pool: Sequence[Tensor]) -> Tensor:
    """A size that only an identity has; a sum over an edge that nothing depends on."""
    a = w.pick(pool)
    w.numbers.setdefault("h", w.random.choice((1, 2, 3)))
    identity = tg.delta("v", "w", size="h")
    match w.random.randint(0, 2):
        case 0:
            return F.trace(a * identity, "v", "w")
        case 1:
            return F.dot(F.tanh(a * identity), tg.delta("w", "v", size="h"), "v", "w")
    return a * tg.expr.Extent("h")


def _foreign(w: World, pool: Sequence[Tensor]) -> Tensor:
    """A sum whose edge has the name of another edge, with another size."""
    edge = w.random.choice(("i", "b"))
    other = Variable("foreign", {edge: "f", "e": "f"})
    w.numbers.setdefault("f", w.random.choice((2, 3)))
    return w.pick(pool) * F.sum(F.softmax(other, edge) * other)


def _copied(w: World, pool: Sequence[Tensor]) -> Tensor:
    """A tensor beside itself, under the same names or under others."""
    a = w.pick(pool)
    b = w.renamed(a)
    return w.random.choice((a * b, a + b, a - b, a @ b))


def _norm_layer(w: World, pool: Sequence[Tensor]) -> Tensor:
    a = w.pick(pool)
    over = w.some(a.edges, 1)[:1]
    return F.layer_norm(a, *over, eps=Fraction(1, 10)) if over else F.gelu(a)


def _slope(w: World, pool: Sequence[Tensor]) -> Tensor:
    """A derivative in the middle of an expression."""
    a = w.pick(pool)
    loss = F.sum(a) if a.edges else a
    return loss.grad(w.random.choice(w.variables))


def _several(w: World, pool: Sequence[Tensor]) -> Tensor:
    """A comparison, a choice, the larger or smaller of two, a power of tensors, a Huber loss."""
    a, b = w.pick(pool), w.pick(pool)
    match w.random.randint(0, 8):
        case 0:
            return F.where(a > b, a, w.pick(pool))
        case 1:
            return F.maximum(a, b)
        case 2:
            return F.minimum(a, w.random.choice((b, 1, 0)))
        case 3:
            return F.exp(F.sin(a)) ** b
        case 4:
            return F.huber(a, 1 + b**2)
        case 5:
            return a * F.greater_equal(b, w.random.choice((0, a)))
        case 6:
            return F.clip(a, -1, 1)
        case 7:
            return F.elu(a)
    return F.where(F.equal(a, b), b, a)


def _along(w: World, pool: Sequence[Tensor]) -> Tensor:
    """A maximum, a product, a norm or a spread along edges."""
    a = w.pick(pool)
    over = w.some(a.edges, 1)
    match w.random.randint(0, 5):
        case _ if not over:
            return F.abs(a)
        case 0:
            return F.amax(a, *over)
        case 1:
            return F.amin(a, *over)
        case 2:
            return F.prod(a, *over)
        case 3:
            return F.norm(a, *over, p=w.random.choice((1, 2, 3, Fraction(3, 2))))
        case 4:
            return F.prod_others(a, over[0])
    return F.std(a, *over, correction=0)


def _loss(w: World, pool: Sequence[Tensor]) -> Tensor:
    """A loss, or a layer, of two tensors."""
    a, b = w.pick(pool), w.pick(pool)
    shared = [edge for edge in a.edges if edge in b.edges]
    match w.random.randint(0, 5):
        case 0:
            return F.huber_loss(a, b)
        case 1:
            return F.mse(a, b)
        case 2:
            return F.binary_cross_entropy_with_logits(a, F.sigmoid(b))
        case 3:
            return F.binary_cross_entropy(F.sigmoid(a), F.sigmoid(b))
        case 4 if shared:
            return F.cosine_similarity(a, b, *shared)
    return F.rms_norm(a, a.edges[0], eps=Fraction(1, 10)) if a.edges else F.silu(a)


_POINTWISE = (
    *("exp", "log", "tanh", "sigmoid", "relu", "step", "softplus", "sin", "cos", "erf", "abs", "sign") * 2,
    *("tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "expm1", "log1p", "lgamma", "digamma"),
)
_SAFE: tuple[Callable[[Tensor], Tensor], ...] = (
    lambda a: F.exp(F.tanh(a)),
    lambda a: F.exp(-(a**2)),
    lambda a: F.log(F.softplus(a)),
    lambda a: F.log(1 + F.exp(F.sin(a))),
    lambda a: F.sqrt(a**2 + 1),
    lambda a: 1 / (a**2 + 2),
    lambda a: 1 / (1 + F.exp(-a)),
    lambda a: (a * a + 1) ** Fraction(-3, 2),
    lambda a: F.gelu(a),
    lambda a: F.gelu(a, approximate="tanh"),
    lambda a: F.arcsin(F.tanh(a)),
    lambda a: F.lgamma(a * a + 1),
    lambda a: F.digamma(F.softplus(a)),
    lambda a: F.polygamma(2, F.exp(F.sin(a))),
    lambda a: F.log1p(a * a),
    lambda a: F.expm1(F.sin(a)),
    lambda a: F.silu(F.arctan(a)),
    lambda a: F.leaky_relu(a, 0.1),
    F.logsigmoid,
    lambda a: a * a,
)


def _explicit(a: Tensor, *edges: str) -> Tensor:
    powers = F.exp(F.sin(a))
    return powers / F.sum(powers, *edges)


_FIBRES: tuple[Callable[..., Tensor], ...] = (
    F.softmax,
    F.softmax,
    F.logsumexp,
    F.log_softmax,
    F.mean,
    F.sum,
    _explicit,
    lambda a, *edges: a / F.sqrt(F.sum(a * a, *edges) + 1),
    lambda a, *edges: F.log(F.sum(F.exp(a), *edges)),
)
_STEPS: dict[Step, int] = {
    _product: 22,
    _sum_of_terms: 12,
    _number: 7,
    _function: 14,
    _safe: 9,
    _power: 6,
    _fibre: 10,
    _norm: 6,
    _sum: 6,
    _residual: 2,
    _diagonal: 6,
    _hidden: 1,
    _foreign: 1,
    _copied: 5,
    _norm_layer: 1,
    _slope: 2,
    _several: 6,
    _along: 4,
    _loss: 2,
}


def narrowed(w: World, a: Tensor, widest: int) -> Tensor:
    """The tensor with some edges summed, if it has too many."""
    spare = len(a.edges) - widest
    return a.sum(*w.random.sample(a.edges, spare)) if spare > 0 else a


def tensor(w: World, steps: int) -> Tensor:
    """A random tensor of at most three edges that reads a variable."""
    pool: list[Tensor] = [w.leaf()]
    for _ in range(steps):
        step = w.random.choices(list(_STEPS), list(_STEPS.values()))[0]
        pool.append(narrowed(w, step(w, pool), WIDEST))
    result = narrowed(w, pool[-1], 3)
    return result if tg.expr.variables([result]) else result + w.random.choice(w.variables)

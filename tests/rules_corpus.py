"""Expressions that, between them, use every rule but those about facts, which have a corpus of their own."""

from __future__ import annotations

from itertools import combinations

import tensorgrad_eg as tg
from tensorgrad_eg import Tensor, Variable
from tensorgrad_eg import functions as F
from tensorgrad_eg.expr import Apply, Constant, Entrywise, Number, build
from tensorgrad_eg.expr.operations import on_several

SIZES = {"n": 3, "m": 2, "N": 12, "K": 10}

x, y, z = Variable("x", i="n"), Variable("y", i="n"), Variable("z", b="m")
A, B, C = (Variable(name, i="n", j="n") for name in "ABC")
X, D = Variable("X", b="m", i="n"), Variable("D", i="n", b="m", j="n")
s = Variable("s")
ten = [Variable(f"V{n}", j="n", k="n") for n in range(10)]
xj = x.rename(i="j")
ONE, SIZE = Number(1), F.sum(x * 0 + 1)

logits = A @ xj
corner = tg.delta("i", "j", size="n") + s  # read at i = j it has no edge
chain = F.tanh((F.tanh(X @ A).rename(j="i") @ B).rename(j="i"))


def _hessian(e: Tensor, v: Variable) -> Tensor:
    return tg.hessian(F.sum(e) if e.edges else e, v)


ALGEBRA: dict[str, Tensor | list[Tensor]] = {
    "multiples": [2 * (3 * x) - x + Number(0) * y, 1 / (3 * x), (-2 * x) ** 2, (3 * x) ** 2 + 1 * y],
    "numbers": [x + 1 / (ONE + 2), x * (ONE + 2) ** 2, x * ONE**3, x**1, x**0 + x, (3 * ONE) * x],
    "powers": [1 / (1 / x), F.sqrt(y * y + 1) ** 2, 1 / (x**3), F.sqrt(x**2), x * x, F.frobenius2(x + y)],
    "quotients of squares": [
        F.sin(x) ** 2 / y**2,
        y**-1 / x**2,
        (1 / x**2) * F.sin(y) ** 2,
        1 / F.sqrt(1 / x),
    ],
    "divisors": [
        x / F.sqrt(x),
        (1 / x) * (x * y),
        x / (x * y),
        (x * F.sin(x)) / (x * y),
        x * (1 / x) ** 2,
        F.exp(x) * F.exp(-x),
        F.exp(x) * (F.exp(-x) * y),
        F.exp(-x) * (F.exp(x) * y),
    ],
    "shares": [
        F.sum(x**2 / (2 + x**2) + x / F.sqrt(1 + 3 * x**2)).grad(x),
        F.sum(F.exp(x) / (F.exp(x) + F.exp(2 * x))).grad(x),
        F.sum((F.exp(x) - 1) / (F.exp(x) + 1) + (1 - F.exp(-x)) / (1 + F.exp(-x))).grad(x),
        tg.jvp(x * (y + F.abs(x)) ** -1, y, x),
        _hessian(F.sqrt(1 + (x - y) ** 2), x),
    ],
    "sums of terms": [x + y - x, (x + y) + (x - y), 3 * x - 2 * x - x, x - x, F.sum(x + s), 2 * x + 3 * x],
    "sizes": [F.mean(A), F.mean(x) * SIZE, F.sum(x + 1), A.sum("i") * F.sum(z + 1), F.mean(F.mean(A, "i"))],
    "sizes cancel": [
        SIZE / SIZE,
        (1 / SIZE) * SIZE,
        SIZE * (x / SIZE),
        (1 / SIZE) * (SIZE * x),
        F.sum(F.mean(x) * (xj * 0 + 1)),
    ],
    "sizes given as numbers": F.sum(Variable("w", k=3) + s),
    "edges of sums": [F.sum(corner * corner), F.sum(corner), F.sum(x * (corner * corner), "i")],
    "long sums": build.add(*(F.sin(n * x) for n in range(1, 18))) * y,
    "lone edges": [
        F.dot(A, x, ("i", "j")),
        F.dot(x, A, ("i", "j")),
        F.dot(x, z, ("i", "b")),
        A.sum("i").sum(),
    ],
    "products": [
        A @ B.rename(i="j", j="k") @ C.rename(i="k", j="l"),
        A @ (B.rename(i="j", j="k") @ x.rename(i="k")),
        (F.exp(x) * A) @ B.rename(i="j", j="k"),
    ],
    "common factors, negative": [-(A @ B.rename(i="j", j="k")) - (A @ C.rename(i="j", j="k")) * 2],
    "a long sum": [
        sum((F.dot(A, V, "j") for V in ten[1:]), start=F.dot(A, ten[0], "j")) + F.sin(A.rename(j="k")),
        F.frobenius2(F.dot(A, A.rename(i="k"), "j") - B.rename(j="k")).grad(A),
    ],
    "common factors": [
        A @ xj + B @ xj,
        A @ xj - 2 * (B @ xj),
        A * x + B * x,
        (A - B @ C.rename(j="k").rename(i="j")) @ x.rename(i="k").rename(k="j"),
    ],
}
FUNCTIONS: dict[str, Tensor | list[Tensor]] = {
    "units": [F.exp(x) / F.sum(F.exp(x), "i"), F.log(F.sum(F.exp(A), "j")), F.log(F.softmax(x, "i"))],
    "units, the other way round": [(1 / F.sum(F.exp(x), "i")) * F.exp(x), F.exp(x - F.logsumexp(x, "i"))],
    "powers of exp": [F.sqrt(F.exp(x)), F.exp(x) ** 3 * y],
    "sigmoids": [1 / (1 + F.exp(-x)), F.log(1 + F.exp(x)), 1 - F.sigmoid(x), F.log(F.sigmoid(x))],
    "sigmoids of products": [F.exp(x) * F.sigmoid(-x), F.sigmoid(-x) * F.exp(x), F.exp(x) / (1 + F.exp(x))],
    "inverses": [F.log(F.exp(x)), F.exp(F.log(y)), F.exp(x - x), F.log(x - x + 1), F.sum(F.softmax(x, "i"))],
    "slopes": [
        _hessian(f(logits), x)
        for f in (
            F.exp,
            F.tanh,
            F.sigmoid,
            F.softplus,
            F.relu,
            F.abs,
            F.sign,
            F.step,
            F.sin,
            F.cos,
            F.erf,
            F.gelu,
            *(F.tan, F.sinh, F.cosh, F.expm1, F.arctan, F.log1p, F.lgamma, F.digamma),
            *(F.arcsin, F.arccos),
        )
    ],
    "log-sum-exps without means": [
        *(F.sum(F.logsumexp(A, "j") - F.sum(a, "j")) for a in (A * B, B * A)),
    ],
    "what stays whole": [F.sum(F.log_softmax(x, "i") * y), F.sum((1 - F.tanh(x) ** 2) * y)],
    "idle edges": [F.logsumexp(A - A + x, "j"), F.softmax(A - A + x, "j")],
    "an empty edge": F.sum(F.softmax(Variable("e", k=0), "k")),
    "slope of log": F.sum(F.log(F.softplus(x))).grad(x),
}
ij, jk, kl, ik, il = (tg.delta(*pair, size="n") for pair in ("ij", "jk", "kl", "ik", "il"))
whole = F.sum(F.softmax(x, "i"))
FIBRES = (F.logsumexp(A * x, "j"), F.softmax(A * x, "j"), F.tanh(A * x).sum("j"))
EDGES: dict[str, Tensor | list[Tensor]] = {
    "renames": [
        A.rename(i="j", j="i"),
        (A @ xj).rename(i="k"),
        F.softmax(A, "i").rename(i="k"),
        A.rename(i="k"),
    ],
    "traces": [F.trace(A @ B.rename(i="j", j="k"), "i", "k"), F.trace(A, "i", "j"), F.trace(A).grad(A)],
    "numbers that turn up": [1 / (whole + 1), (whole + 1) ** 2, F.sqrt(whole) * x],
    "means in products": [F.mean(A, "i") @ xj, xj @ F.mean(A, "i"), F.sum(F.sin(x) ** 2)],
    "sums of several deltas": [(F.sin(A) + F.exp(A)).grad(A)],
    "what stands before a delta": [
        F.softmax(x, "i") * ij,
        F.logsumexp(A, "j") * tg.delta("i", "k", size="n"),
        Constant("pi") * ij,
        (A @ xj).rename(i="k") * kl,
        ij * (kl * s),
        kl * (ij * s),
        ij * kl,
        kl * ij,
    ],
    "deltas before a delta": [
        ij * (kl * x),
        (ij * x) * (2 * kl),
        kl * (ij * x),
        ik * (il * x),
        il * (ik * x),
    ],
    "deltas in sums": [
        (ij * z).sum("b"),
        ij * A,
        F.trace(ij),
        ij.sum("i"),
        F.dot(A.rename(i="k"), ij * x, "j"),
        F.dot(xj, ij * x + A, "j"),
        F.dot(ij * x + A, xj, "j"),
    ],
    "renames in Jacobians": [
        *((f * f.rename(i=name)).grad(x) for f in FIBRES for name in "kj" if name not in f.edges),
        F.sum(F.tanh(X) * F.sin(X.rename(b="c")) * F.cos(X.rename(i="j"))).grad(X),
        F.sum(X * X.rename(b="c") * F.sin(x)).grad(X),
        tg.jvp(F.tanh(logits) * F.tanh(logits).rename(i="k"), x, y),
        ((A @ xj) * x).grad(x),
        ((A @ xj) * x + F.tanh(B @ xj)).grad(x),
    ],
    "deltas": [
        A @ jk,
        ij * x,
        (ij * x + ij * y).sum("j"),
        F.dot(ij, jk, "j"),
        ij.sum("i", "j"),
    ],
    "multiples of deltas": [
        F.dot(*pair, k) for d in [2 * (ij * x)] for pair in [(d, A), (A, d)] for k in "ij"
    ],
    "factors on diagonals": [
        ij * x - y * xj,
        ij * (2 * x) - y * xj,
        F.sum(F.softmax(D, *"ibj"), "j").grad(D),
    ],
}
same = A - A + x  # the same along j, which nobody sees before it is in normal form
CHOICES: dict[str, Tensor | list[Tensor]] = {
    "choices": [
        _hessian(F.where(x > y, x**3, F.where(x >= 0, x * y, F.where(F.equal(x, y), x, y))), x),
        F.where(x, y, y),
        F.sum(2**x).grad(x),
        F.where(x, 2, 3),
        F.clip(x, -1, 1).sum().grad(x),
        F.elu(x).sum().grad(x),
    ],
    "numbers that two tensors turn out to be": [F.maximum(x, x), F.minimum(x, x), y ** (x - x + 2)],
    "masks": [
        F.where(x > y, 1, 2) + F.where(x >= y, 1, 2) + F.where(F.equal(x, y), 1, 2),
        Apply("nonzero", F.sin(x)).grad(x),
    ],
    "largest": [
        _hessian(F.amax(x * y, "i") ** 2, x),
        tg.jvp(F.amax(A, "j"), A, B),
        F.amax(A * x, "j") @ F.amin(B, "j"),
        F.amax(same, "j"),
        F.amax(same, "i", "j"),
        F.amax(F.sum(same * 0, "i"), "j"),
        *((f * f.rename(i=k)).grad(x) for f in [F.amax(A * x, "j")] for k in "kj"),
        ij * (kl * F.amax(x, "i")),
    ],
    "products": [
        _hessian(F.prod(x * y, "i") * s, x),
        _hessian(F.prod(x, "i"), x).grad(x),
        tg.jvp(F.prod(A, "j"), A, B),
        tg.jvp(F.prod_others(A, "j"), A, B),
        F.sum(F.prod_others(x, "i") * y).grad(x),
        F.prod(same, "j"),
        F.prod_others(same, "j"),
        *((f * f.rename(i=k)).grad(x) for f in [F.prod(A * x, "j")] for k in "kj"),
        *((f * f.rename(i="k")).grad(x) for f in [F.prod_others(A * x, "j").sum("j")]),
        F.prod_others(A, "i").rename(i="k") @ F.prod(B.rename(i="k"), "k"),
        ij * (kl * F.prod(x, "i")),
        F.prod_others(x, "i") * ij,
    ],
}
DERIVATIVES: dict[str, Tensor | list[Tensor]] = {
    "polygamma functions": [
        tg.jvp(F.polygamma(1, F.exp(x)), x, y),
        F.sum(F.polygamma(1, F.exp(x))).grad(x),
        ij * (kl * F.polygamma(1, x).rename(i="k")),
        F.polygamma(1, F.exp(x)) * y * F.polygamma(2, y),
        *((f * f.rename(i="k")).grad(x) for f in [F.polygamma(1, F.exp(A * x)).sum("j")]),
    ],
    "quotients": [tg.jvp(F.sin(x) / (1 + x**2), x, y), tg.jvp((1 + x**2) ** -1 * F.sin(x), x, y)],
    "reciprocal roots": [F.sum(1 / F.sqrt(1 + x**2)).grad(x), tg.jvp(1 / F.sqrt(1 + x**2), x, y)],
    "softmax over a batch": [
        tg.jvp(F.sum(F.softmax(e, "i"), "b"), X, X * s) for e in (X, -X, F.sin(X), X**2)
    ],
    "standard deviation": _hessian(F.sqrt(F.mean((x - F.mean(x)) ** 2)), x),
    "reverse": tg.gradients(
        F.sum(F.softmax(F.tanh(X @ A), "j") * X.rename(i="j") ** 2) + F.logsumexp(X, "i").sum(), [A, X]
    ),
    "forward": [
        tg.jvp(F.softmax(A @ xj, "i"), x, y),
        tg.jvp(F.logsumexp(A, "j"), A, B),
        F.tanh(A @ xj).grad(x),
    ],
    "dominators": [chain.sum("b").grad(A), tg.hessian(F.frobenius2(chain), A)],
    "exchanged": [
        F.sum(A * B.rename(i="j", j="i")).grad(B),
        F.sum(F.tanh(A.rename(i="j", j="i")) * A).grad(A),
    ],
    "reciprocals": [
        *(tg.jvp(f, x, y) for f in (1 / (1 + x * x), x**-2, F.sqrt(x))),
        *(F.sum(f).grad(x) for f in (1 / (1 + x * x), x**-2, x / F.abs(x))),
        _hessian(x / F.abs(x), x),
        _hessian(F.sin(x) * F.exp(x) * y, x),
    ],
    "still": [x.grad(y), F.sum(x).grad(y), _hessian(F.sum(x * y), x)],
    "attention": tg.hessian(
        F.frobenius2(F.softmax(X @ A @ X.rename(b="c", i="j"), "c") @ X.rename(b="c")), A
    ),
}


def _everywhere(name: str, arity: int) -> list[Tensor]:
    """An operation on several tensors, with one tensor in each choice of places, renamed and with a delta."""
    own, other = F.exp(x), F.exp(y)
    choices = [places for count in range(1, arity + 1) for places in combinations(range(arity), count)]
    made = [Entrywise(name, [own if n in places else other for n in range(arity)]) for places in choices]
    rows = Entrywise(name, [F.exp(A * x), *[F.exp(A)] * (arity - 1)]).sum("j")
    moved = (rows * rows.rename(i="k")).grad(x)
    return [
        *(F.sum(e * y).grad(x) for e in made),
        tg.jvp(made[-1], x, y),
        ij * (kl * made[0].rename(i="k")),
        moved,
    ]


SEVERAL: dict[str, Tensor | list[Tensor]] = {
    name: _everywhere(name, entry.arity or 0) for name, entry in on_several().items()
}
u, v = Variable("u"), Variable("v")
stem = F.exp(F.sin(u * v) - v)
waist = F.tanh(stem * stem + 3 * u)
centred = x - F.mean(x)
MEANS: dict[str, Tensor | list[Tensor]] = {
    "variance": [F.mean(centred**2), F.mean(centred**2).grad(x), F.sum(centred * y) * F.mean(centred * y)],
    "layer_norm": [
        F.frobenius2(F.layer_norm(X, "i") * y).grad(X),
        (2 * centred) @ y,
        F.mean(y) * (centred @ y),
    ],
}
SCALARS: dict[str, Tensor | list[Tensor]] = {
    "elimination": [
        e.grad(by) for e in (waist, F.cos(waist) * waist, F.exp(waist) + v, F.sin(waist)) for by in (u, v)
    ],
}
# Sums over pairs: the points of P and Q, and numbers p and q for them.
P, Q = Variable("P", a="N", d="m"), Variable("Q", b="K", d="m")
W, U = Variable("W", a="N", b="K"), Variable("U", a="N", b="N")
p, q, g = Variable("p", a="N"), Variable("q", b="K"), Variable("g", d="m")
gap, own = P - Q, P - P.rename(a="b")
V, shares = Variable("V", a="N", c="N"), F.softmax(U, "b")
means, turned = F.dot(shares, p.rename(a="b"), "b"), F.dot(p.rename(a="b"), shares, "b")
PAIRS: dict[str, Tensor | list[Tensor]] = {
    "over pairs": [F.sum(p * q * (p + q)), F.sum((p * q + 1) ** 2), F.sum((p * q + 2 * (p + q)) ** 2)],
    "centred pairs": [
        F.dot(W, gap, "b"),
        F.dot(W, 2 * P - 2 * Q, "b"),
        F.dot(U * F.relu(P - P.rename(a="b")), own, "b"),
        F.sum(W * F.sum(gap * gap, "d")),
        F.sum(W * F.relu(-(p * q - 1)) * (p * q - p)),
        F.sum(F.sum(gap, "d") * W) + F.sum(F.sum(gap * gap, "d")),
        F.sum(W * F.dot(F.relu(gap), gap, "d") * F.sum(gap, "d")),
    ],
    "squares over pairs": [F.sum(gap * gap), F.sum(own * own), F.sum((p - p.rename(a="b")) ** 2)],
    "mapped pairs": [F.sum(F.tanh(P @ g) * (P @ g)), F.sum((P @ g - (P @ g).rename(a="b")) ** 2)],
    "summed pairs": [own.sum("b"), own.sum("a"), F.sum(own * g)],
    "exponentials over pairs": [F.sum(F.exp(p + q)), F.logsumexp(p - q, "a"), F.softmax(p + q, "b")],
    "averages by a softmax": [
        _hessian(F.softmax(P @ g, "a") @ P, g),
        *(F.dot(V, sign * (p.rename(a="c") - means), "c") for sign in (1, -1)),
        *(F.dot(V, sign * (p.rename(a="c") - turned), "c") for sign in (1, -1)),
    ],
}
#: The same where the caller has them opened, whatever cancels.
OPENED: dict[str, Tensor | list[Tensor]] = {
    "opened pairs": [
        F.sum(W * F.sum(gap * gap, "d")),
        F.sum((p * q - 1) ** 2),
        F.sum(p * q * F.exp(p + q)),
    ],
}
#: Nothing of these is finite, so that no check can be made of their values: see test_float32.py.
POLES: dict[str, Tensor | list[Tensor]] = {
    "poles": [(x - x) / (x - x), 0 * (y / (x - x)), 2 / (x - x), F.sum(1 / (x - x)), 0 * ((1 / (x - x)) * y)],
}
M, N, Mb = Variable("M", i="n", j="n"), Variable("N", j="n", k="n"), Variable("Mb", b="n", i="n", j="n")
thin, wide, ones = (
    Variable("thin", i="n", r="m"),
    Variable("wide", j="n", r="m"),
    tg.delta("i", "j", size="n"),
)
low, turned_low = F.dot(thin, wide, "r") + 2 * ones, F.dot(thin, wide, "r") + ones
gauge, rhs = F.dot(thin, wide, "r") + s * ones, Variable("rhs", i="n")
inverse, xb = F.inverse(M), x.rename(i="b")
MATRICES: dict[str, Tensor | list[Tensor]] = {
    "functions of matrices": [F.logdet(M), F.log(F.det(M)), F.inverse(M) @ xj],
    "derivatives of functions of matrices": [f(M).grad(M) for f in (F.logdet, F.det)]
    + [_hessian(f(M), M) for f in (F.logdet, F.det)]
    + [F.inverse(M).sum().grad(M), tg.jacobian(inverse, M)],
    "multiples of matrices": [f(3 * M) for f in (F.inverse, F.logdet)]
    + [F.inverse(s * M), F.det(2 * Variable("M4", i=4, j=4))],
    "identities and inverses": [f(ones, "i", "j") for f in (F.inverse, F.det, F.logdet)]
    + [f(inverse) for f in (F.inverse, F.det, F.logdet)],
    "matrices that cancel": [
        M @ inverse.rename(i="j", j="k"),
        inverse @ M.rename(i="j", j="k"),
        F.dot(inverse, F.dot(M.rename(i="j", j="k"), x.rename(i="k"), "k"), "j"),
        F.dot(inverse, F.dot(x.rename(i="k"), M.rename(i="j", j="k"), "k"), "j"),
        F.dot(F.dot(M.rename(i="j", j="k"), x.rename(i="k"), "k"), inverse, "j"),
        F.dot(F.dot(x.rename(i="k"), M.rename(i="j", j="k"), "k"), inverse, "j"),
        F.dot(M, F.dot(inverse.rename(i="j", j="k"), x.rename(i="k"), "k"), "j"),
        F.dot(M, F.dot(x.rename(i="k"), inverse.rename(i="j", j="k"), "k"), "j"),
    ],
    "products of matrices": [F.det(M @ N), F.dot(F.inverse(M @ N), x, "i")],
    "names of matrices": [
        *(
            _hessian(f(Mb * xb, "i", "j").rename(**to) * F.sin(x.rename(i=to["b"])), x)
            for f in (F.det, F.logdet)
            for to in ({"b": "c"}, {"b": "i"})
        ),
        *(
            _hessian(F.sin(f(Mb * xb, "i", "j").rename(**to)), x)
            for f in (F.det, F.logdet)
            for to in ({"b": "c"}, {"b": "i"})
        ),
        *(
            _hessian(F.inverse(Mb * xb, "i", "j").rename(**to) * F.sin(x.rename(i="c")), x)
            for to in ({"b": "c"}, {"i": "c"})
        ),
        *((f * f.rename(b="k")).grad(x) for f in (F.det(Mb * xb, "i", "j"), F.logdet(Mb * xb, "i", "j"))),
        F.logdet(Mb, "i", "j") * kl,
        F.solve(M, x, "i", "j") * kl,
    ],
    "matrices of low rank": [
        F.inverse(low),
        F.logdet(low),
        F.logdet(turned_low),
        F.inverse(gauge) @ xj,
        F.dot(F.inverse(low), rhs, "i"),
        F.dot(F.inverse(low), thin.rename(i="j"), "j"),
    ],
}
CORPUS = ALGEBRA | FUNCTIONS | SEVERAL | CHOICES | EDGES | DERIVATIVES | MEANS | SCALARS | PAIRS | OPENED
CORPUS |= MATRICES

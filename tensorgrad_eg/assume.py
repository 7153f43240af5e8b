"""Facts about variables, for `optimize(…, assume=[…])`: true of every array the plan will be called with.

>>> import tensorgrad_eg as tg
>>> A, x = tg.Variable("A", i="n", j="n"), tg.Variable("x", ["n"])
>>> energy = x.rename(n="i") @ A @ x.rename(n="j")
>>> print(tg.simplify(energy.grad(x), assume=[tg.assume.symmetric(A)]))
2 Σ_j x[j] A[j,n]

Facts hold for values; derivatives are those of the expression as it is written. The gradient by a symmetric A
is that of a function of all its entries. So facts are used after differentiation, never during it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tensorgrad_eg.errors import (
    AssumptionError,
    NotAVariableError,
    OperandError,
    SizeError,
    UnknownEdgeError,
    VariableClashError,
)
from tensorgrad_eg.expr import Variable

#: How each fact is written on the blackboard, and how many edges it is about.
_FACTS = {
    "symmetric": 2,
    "antisymmetric": 2,
    "diagonal": 2,
    "orthogonal": 2,
    "positive": 0,
    "positive_definite": 2,
    "one_hot": 1,
    "sums_to_one": 1,
}
#: Facts about exchanging two edges, or two groups of edges.
EXCHANGES = ("symmetric", "antisymmetric")
_CALL = re.compile(r"\s*(\w+)\s*\(([^()]*)\)\s*")


@dataclass(frozen=True)
class Fact:
    """One fact: its kind, the variable it is about, and the edges.

    >>> symmetric(Variable("A", i="n", j="n"))
    symmetric(Variable('A', i='n', j='n'), 'i', 'j')
    """

    kind: str
    variable: Variable
    edges: tuple[str | tuple[str, ...], ...] = ()

    @property
    def axes(self) -> tuple[int, ...]:
        """The positions of the edges in the variable, the first being 0; of groups one after the other.

        >>> one_hot(Variable("Y", ["b", "c"]), "c").axes
        (1,)
        >>> symmetric(Variable("T", a="n", b="m", c="m", d="n"), ("a", "b"), ("d", "c")).axes
        (0, 1, 3, 2)
        """
        return tuple(self.variable.edges.index(edge) for group in self.edges for edge in _group(group))

    @property
    def exchanged(self) -> tuple[tuple[int, int], ...]:
        """The pairs of positions that are exchanged at once, in a fact about that.

        >>> symmetric(Variable("T", a="n", b="m", c="m", d="n"), ("a", "b"), ("d", "c")).exchanged
        ((0, 3), (1, 2))
        """
        half = len(self.axes) // 2
        return tuple(zip(self.axes[:half], self.axes[half:], strict=True))

    def __repr__(self) -> str:
        """Return the call that makes the fact, given `from tensorgrad_eg.assume import *`."""
        return f"{self.kind}({', '.join([repr(self.variable), *map(repr, self.edges)])})"

    def __str__(self) -> str:
        """Return the fact as one types it on the command line."""
        return f"{self.kind}({', '.join([self.variable.name, *(' '.join(_group(g)) for g in self.edges)])})"


def symmetric(variable: Variable, *edges: str | tuple[str, ...]) -> Fact:
    """The variable does not change when two of its edges are exchanged: A[i,j] = A[j,i].

    A matrix needs no edges here, nor in any other fact about two edges. Two groups of edges are exchanged as
    a whole: with ("a", "b") and ("c", "d") G[a,b,c,d] = G[c,d,a,b].

    >>> print(symmetric(Variable("T", b="b", i="n", j="n"), "i", "j"))
    symmetric(T, i, j)
    >>> print(symmetric(Variable("G", a="n", b="n", c="n", d="n"), ("a", "b"), ("c", "d")))
    symmetric(G, a b, c d)
    """
    return _fact("symmetric", variable, edges)


def antisymmetric(variable: Variable, *edges: str | tuple[str, ...]) -> Fact:
    """The variable changes its sign when two of its edges, or groups of edges, are exchanged.

    So A[i,j] = -A[j,i], and A[i,i] = 0.

    >>> print(antisymmetric(Variable("T", a="v", b="v", i="o", j="o"), "i", "j"))
    antisymmetric(T, i, j)
    """
    return _fact("antisymmetric", variable, edges)


def diagonal(variable: Variable, *edges: str) -> Fact:
    """The variable is zero where the two edges differ: D[i,j] = δ[i,j] D[i,i].

    >>> print(diagonal(Variable("D", i="n", j="n")))
    diagonal(D, i, j)
    """
    return _fact("diagonal", variable, edges)


def orthogonal(variable: Variable, *edges: str) -> Fact:
    """The variable is an orthogonal matrix: Σ_k Q[k,i] Q[k,j] = δ[i,j] = Σ_k Q[i,k] Q[j,k].

    >>> orthogonal(Variable("Q", ["i", "k"]))
    Traceback (most recent call last):
    tensorgrad_eg.errors.SizeError: orthogonal(Q, i, k): edge 'i' of Q has size i but edge 'k' size k,
    and both need the same one. Give them one size: Variable('Q', i='i', k='i').
    """
    return _fact("orthogonal", variable, edges)


def positive(variable: Variable) -> Fact:
    """Every entry of the variable is above zero.

    >>> print(positive(Variable("x", ["k"])))
    positive(x)
    """
    return _fact("positive", variable, ())


def positive_definite(variable: Variable, *edges: str) -> Fact:
    """The variable is a symmetric matrix with positive eigenvalues, as a covariance or a kernel matrix.

    So are sums of it with Gram matrices and multiples of the identity: they are factorised in half the time.

    >>> print(positive_definite(Variable("K", i="n", j="n")))
    positive_definite(K, i, j)
    """
    return _fact("positive_definite", variable, edges)


def one_hot(variable: Variable, *edges: str) -> Fact:
    """Along the edge, one entry of the variable is 1 and the others are 0: Y² = Y and Σ_c Y[b,c] = 1.

    >>> print(one_hot(Variable("Y", ["b", "c"]), "c"))
    one_hot(Y, c)
    """
    return _fact("one_hot", variable, edges)


def sums_to_one(variable: Variable, *edges: str) -> Fact:
    """The entries of the variable along the edge sum to one: Σ_c Y[b,c] = 1.

    >>> sums_to_one(Variable("Y", ["batch", "class"]), "clas")
    Traceback (most recent call last):
    tensorgrad_eg.errors.UnknownEdgeError: Y[batch,class] has no edge 'clas'; its edges are: batch, class.
    Did you mean 'class'?
    """
    return _fact("sums_to_one", variable, edges)


def read(text: str, variables: Mapping[str, Variable]) -> Fact:
    """The fact that a text such as "one_hot(Y, c)" states about one of these variables.

    >>> read("positive(x)", {"x": Variable("x", ["k"])})
    positive(Variable('x', ['k']))
    >>> read("symetric(A)", {})
    Traceback (most recent call last):
    tensorgrad_eg.errors.AssumptionError: there is no fact 'symetric'; the facts are: antisymmetric,
    diagonal, one_hot, orthogonal, positive, positive_definite, sums_to_one, symmetric. Did you mean
    'symmetric' or 'antisymmetric'?
    """
    match = _CALL.fullmatch(text)
    words = [word.strip() for word in match[2].split(",")] if match else []
    if match is None or not all(words):
        raise AssumptionError(f"'{text}' is no fact: write one like one_hot(Y, c) or positive(x).")
    if match[1] not in _FACTS:
        raise AssumptionError.unknown(match[1], _FACTS)
    if words[0] not in variables:
        raise AssumptionError.absent(text.strip(), words[0], variables)
    groups = [tuple(word.split()) for word in words[1:]]
    return _fact(match[1], variables[words[0]], tuple(g if len(g) > 1 else g[0] for g in groups))


def checked(facts: Iterable[Fact] | Fact, variables: Mapping[str, Variable]) -> tuple[Fact, ...]:
    """The facts, each once and in their order, if they are about these variables.

    >>> x = Variable("x", ["k"])
    >>> checked([positive(x), positive(x)], {"x": x})
    (positive(Variable('x', ['k'])),)
    """
    found: dict[Fact, None] = {}
    for fact in [facts] if isinstance(facts, Fact) else facts:
        if not isinstance(fact, Fact):
            raise OperandError(
                f"assume takes facts such as tg.assume.symmetric(A), not a {type(fact).__name__}."
            )
        name = fact.variable.name
        if name not in variables:
            raise AssumptionError.absent(str(fact), name, variables)
        if variables[name] != fact.variable:
            raise VariableClashError.of(name, repr(variables[name]), repr(fact.variable))
        found[fact] = None
    return tuple(found)


def _fact(kind: str, variable: Variable, edges: tuple[str | tuple[str, ...], ...]) -> Fact:
    if not isinstance(variable, Variable):
        raise NotAVariableError(
            f"{kind} is a fact about a variable, not about {variable}. Put a Variable in its place, and pass "
            "its value when you call the plan."
        )
    flat = [edge for group in edges for edge in _group(group)]
    for edge in flat:
        if edge not in variable.edges:
            raise UnknownEdgeError.of(edge, str(variable), variable.edges)
    wanted = _FACTS[kind]
    if not edges and len(variable.edges) == wanted:
        edges, flat = variable.edges, list(variable.edges)
    grouped = kind in EXCHANGES and len({len(_group(group)) for group in edges}) == 1
    if len(edges) != wanted or len(set(flat)) != len(flat) or (len(flat) != wanted and not grouped):
        example = ", ".join([variable.name, *(repr(edge) for edge in variable.edges[-wanted:] if wanted)])
        raise AssumptionError.edges(kind, wanted, str(variable), flat, f"{kind}({example})")
    if grouped:
        edges = tuple(group if len(_group(group)) > 1 else _group(group)[0] for group in edges)
    fact = Fact(kind, variable, edges)
    for one, other in [(flat[0], edge) for edge in flat[1:]] if not grouped else _paired(flat):
        _same_size(fact, one, other)
    return fact


def _group(edges: str | tuple[str, ...]) -> tuple[str, ...]:
    """A group of edges, which may be one."""
    return (edges,) if isinstance(edges, str) else tuple(edges)


def _paired(flat: list[str]) -> list[tuple[str, str]]:
    half = len(flat) // 2
    return list(zip(flat[:half], flat[half:], strict=True))


def _same_size(fact: Fact, one: str, other: str) -> None:
    shape = fact.variable.shape
    if shape[one] != shape[other]:
        shape = {edge: shape[one] if edge == other else size for edge, size in shape.items()}
        raise SizeError(
            f"{fact}: edge '{one}' of {fact.variable.name} has size {fact.variable.shape[one]} but edge "
            f"'{other}' size {fact.variable.shape[other]}, and both need the same one. Give them one size: "
            f"{Variable(fact.variable.name, shape)!r}."
        )


__all__ = [
    "Fact",
    "antisymmetric",
    "diagonal",
    "one_hot",
    "orthogonal",
    "positive",
    "positive_definite",
    "sums_to_one",
    "symmetric",
]

"""The table of operations: for each operation of the language one entry, and all that is known of it.

Expressions, e-nodes and steps of programs are made of these operations. What reads them (the e-graph, prices,
evaluation, notation, pictures, code) asks the table; a new operation is an entry here, and its rules.

>>> sorted(OPERATIONS["contract"].free(frozenset("k"), [frozenset("ik"), frozenset("kj")]))
['i', 'j']
>>> OPERATIONS["logsumexp"].price(Work(read=12, out=3))
27
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from tensorgrad_eg.expr import arrays, pointwise
from tensorgrad_eg.expr.arrays import Labelled, Library, Sizes

#: What an operation has besides the tensors it reads: edges, a number, a name, two edges, or a name and axes.
Payload = None | str | Fraction | frozenset[str] | tuple[str, ...] | tuple[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class ENode:
    """One operation on classes: what it does, its payload, and the classes it reads.

    Example:
        >>> ENode("scale", Fraction(2), (0,)).op
        'scale'
    """

    op: str
    payload: Payload = None
    children: tuple[int, ...] = ()

    @property
    def over(self) -> frozenset[str]:
        """The edges that it sums, or normalises over; none for operations without.

        >>> ENode("reduce", frozenset("k"), (0,)).over
        frozenset({'k'})
        """
        if self.op == "solve":
            return frozenset(self.pair[1:])
        return self.payload if isinstance(self.payload, frozenset) else frozenset()

    @property
    def number(self) -> Fraction:
        """Its number: a factor, an exponent, or what it is.

        >>> ENode("power", Fraction(1, 2), (0,)).number
        Fraction(1, 2)
        """
        assert isinstance(self.payload, Fraction), self
        return self.payload

    @property
    def name(self) -> str:
        """The name of its variable, function, constant or size.

        >>> ENode("variable", ("x", ("i",))).name, ENode("apply", "exp", (0,)).name
        ('x', 'exp')
        """
        name = self.payload[0] if isinstance(self.payload, tuple) else self.payload
        assert isinstance(name, str), self
        return name

    @property
    def axes(self) -> tuple[str, ...]:
        """The edges at which a variable is read, in the order of its axes.

        >>> ENode("variable", ("A", ("i", "k"))).axes
        ('i', 'k')
        """
        assert isinstance(self.payload, tuple), self
        axes = self.payload[1]
        assert isinstance(axes, tuple), self
        return axes

    @property
    def pair(self) -> tuple[str, str]:
        """The two edges of a delta, the old and the new name of a rename, or what a solution has for what.

        >>> ENode("delta", ("i", "j")).pair
        ('i', 'j')
        """
        assert isinstance(self.payload, tuple), self
        one, other = self.payload
        assert isinstance(one, str), self
        assert isinstance(other, str), self
        return one, other


@dataclass(frozen=True)
class Work:
    """What one application of an operation reads and writes, in elements.

    `read` counts the assignments of all edges that are read, `out` the elements of the result, `scaled` the
    elements of operands that are read with a factor, `fibre` the assignments of the edges of the payload.
    """

    read: int
    out: int
    operands: int = 1
    summed: bool = False
    scaled: int = 0
    fibre: int = 1


Price = Callable[[Work], int]
Value = Callable[[Library, ENode, Sequence[Labelled], Sizes], Labelled]
Entry = Callable[..., Any]


@dataclass(frozen=True)
class Operation:
    """An operation of the language.

    `noun` is what rules and messages call it. `sorts` are the sorts of its constructor in rule files: those
    that are not `Tensor` or `Terms` make up its payload. It `binds` the edges of its payload if they are
    summed away, and `spans` them if the result has them all; it `commutes` if the order of what it reads
    does not matter. A function of matrices has their rows and columns, in any order, as its payload: it is a
    `matrix` function; one that gives `factors` has the value of the matrix. `stem` and `kernel` are how steps
    and tables call it. One that is computed entry by entry, of tensors that are broadcast, says so by
    `entry`, for any array module that has the functions of NumPy, and by `code`, a template for each library
    that source is written for. What is `rare` has rules that are loaded on demand; `scalars` says that torch
    takes numbers beside tensors.
    """

    name: str
    noun: str
    sorts: tuple[str, ...]
    price: Price
    value: Value
    binds: bool = False
    spans: bool = False
    commutes: bool = False
    matrix: bool = False
    factors: bool = False
    stem: str = "t"
    kernel: str = "EW"
    code: Mapping[str, str] = field(default_factory=dict)
    entry: Entry | None = None
    rare: bool = False
    scalars: bool = False

    @property
    def arity(self) -> int | None:
        """How many tensors it reads; nothing if any number.

        >>> OPERATIONS["contract"].arity, OPERATIONS["add"].arity
        (2, None)
        """
        return None if "Terms" in self.sorts else self.sorts.count("Tensor")

    @property
    def ordered(self) -> bool:
        """Whether it reads several tensors, and their order matters.

        >>> OPERATIONS["greater"].ordered, OPERATIONS["maximum"].ordered
        (True, False)
        """
        return (self.arity or 0) > 1 and not self.commutes

    @property
    def edged(self) -> bool:
        """Whether its payload is a set of edges.

        >>> OPERATIONS["softmax"].edged, OPERATIONS["add"].edged
        (True, False)
        """
        return "Edges" in self.sorts and self.arity is not None

    def free(self, payload: Payload, children: Sequence[frozenset[str]]) -> frozenset[str]:
        """The free edges of the result, given those of the tensors that are read.

        >>> sorted(OPERATIONS["rename"].free(("i", "j"), [frozenset("ik")]))
        ['j', 'k']
        """
        union = frozenset[str]().union(*children)
        if isinstance(payload, frozenset):
            return union - payload if self.binds else union | payload if self.spans else union
        if not isinstance(payload, tuple):
            return union
        if self.name == "solve":
            return union - set(map(str, payload[1:]))
        if self.name == "rename":
            old, new = payload
            return union - {str(old)} | {str(new)} if old in union else union
        return frozenset(str(edge) for edge in (payload if self.name == "delta" else payload[1]))


def _nothing(work: Work) -> int:
    return 0


def _each(work: Work) -> int:
    return work.out


def _factored_price(work: Work) -> int:
    return 2 * work.read * math.isqrt(work.fibre) // 3


def _inverse_price(work: Work) -> int:
    return 4 * work.read * math.isqrt(work.fibre) // 3


def _diagonal_price(work: Work) -> int:
    return 2 * work.out * math.isqrt(work.fibre)


def _contract_price(work: Work) -> int:
    return work.read * (2 if work.summed and work.operands > 1 else 1)


def _leaf(library: Library, node: ENode, args: Sequence[Labelled], sizes: Sizes) -> Labelled:
    raise TypeError(f"the value of {node.op} {node.payload} has to be given")


def _delta(library: Library, node: ENode, args: Sequence[Labelled], sizes: Sizes) -> Labelled:
    i, j = node.pair
    return Labelled((), library.number(1.0)) if i == j else Labelled((i, j), library.eye(sizes[i]))


def _rename(library: Library, node: ENode, args: Sequence[Labelled], sizes: Sizes) -> Labelled:
    old, new = node.pair
    return arrays.read(library, args[0].array, tuple(new if e == old else e for e in args[0].edges))


def entrywise(
    name: str,
    noun: str,
    arity: int,
    entry: Entry,
    code: Mapping[str, str],
    commutes: bool = False,
    scalars: bool = False,
) -> Operation:
    """Return an operation on several tensors, entry by entry."""

    def value(library: Library, node: ENode, args: Sequence[Labelled], sizes: Sizes) -> Labelled:
        union = tuple(dict.fromkeys(edge for arg in args for edge in arg.edges))
        return Labelled(union, library.entry(entry, [arrays.spread(library, arg, union) for arg in args]))

    return Operation(
        name,
        noun,
        ("Tensor",) * arity,
        _each,
        value,
        commutes=commutes,
        stem=f"{name}_",
        code=code,
        entry=entry,
        rare=True,
        scalars=scalars,
    )


#: How each library that code is written for is called there.
_MODULES = {"torch": "torch", "numpy": "np", "jax": "jnp"}


def _called(function: str, arity: int) -> dict[str, str]:
    """What calls a function that all libraries have."""
    arguments = ", ".join(["{}"] * arity)
    return {library: f"{module}.{function}({arguments})" for library, module in _MODULES.items()}


def _matrix(library: Library, node: ENode, args: Sequence[Labelled], sizes: Sizes) -> Labelled:
    return arrays.matrix(library, node.op, node.over, args[0], sizes)


def _solution(library: Library, node: ENode, args: Sequence[Labelled], sizes: Sizes) -> Labelled:
    inverse = arrays.matrix(library, "inverse", frozenset(node.pair), args[0], sizes)
    return arrays.contract(library, node.over, inverse, args[1], sizes)


#: Every operation by its name, in the order in which e-nodes are sorted.
OPERATIONS: dict[str, Operation] = {
    entry.name: entry
    for entry in (
        Operation("variable", "a variable", ("String", "Axes"), _nothing, _leaf),
        Operation("delta", "a delta", ("String", "String"), _nothing, _delta, stem="eye", kernel="DELTA"),
        Operation(
            "number", "a number", ("BigRat",), _nothing,
            lambda library, node, args, sizes: Labelled((), library.number(node.number)),
        ),
        Operation(
            "constant", "a constant", ("String",), _nothing,
            lambda library, node, args, sizes: Labelled((), library.number(math.pi)),
            stem="c", kernel="CONSTANT",
        ),
        Operation("extent", "a size", ("String",), _nothing, _leaf),
        Operation(
            "contract", "a contraction", ("Edges", "Tensor", "Tensor"), _contract_price,
            lambda library, node, args, sizes: arrays.contract(library, node.over, args[0], args[1], sizes),
            binds=True, commutes=True, kernel="SUM",
        ),
        Operation(
            "reduce", "a sum over edges", ("Edges", "Tensor"), lambda work: work.read,
            lambda library, node, args, sizes: arrays.reduce(library, node.over, args[0], sizes),
            binds=True, stem="s", kernel="SUM",
        ),
        Operation(
            "add", "a sum of terms", ("Edges", "Terms"),
            lambda work: (work.operands - 1) * work.out + work.scaled,
            lambda library, node, args, sizes: arrays.add(library, args),
            commutes=True,
        ),
        Operation(
            "scale", "a multiple", ("BigRat", "Tensor"), _each,
            lambda library, node, args, sizes: Labelled(
                args[0].edges, library.number(node.number) * args[0].array
            ),
        ),
        Operation(
            "apply", "a function", ("String", "Tensor"), _each,
            lambda library, node, args, sizes: Labelled(
                args[0].edges, library.apply(node.name, args[0].array)
            ),
        ),
        Operation(
            "power", "a power", ("Tensor", "BigRat"), _each,
            lambda library, node, args, sizes: Labelled(
                args[0].edges, library.power(args[0].array, node.number)
            ),
        ),
        Operation(
            "softmax", "a softmax", ("Edges", "Tensor"), lambda work: 3 * work.out,
            lambda library, node, args, sizes: arrays.softmax(library, node.over, args[0], sizes),
            spans=True, stem="p", kernel="SOFTMAX",
        ),
        Operation(
            "logsumexp", "a log-sum-exp", ("Edges", "Tensor"), lambda work: 2 * work.read + work.out,
            lambda library, node, args, sizes: arrays.logsumexp(library, node.over, args[0], sizes),
            binds=True, stem="lse", kernel="LOGSUMEXP",
        ),
        # Functions of matrices. They read the factors of a matrix, which have the value of the matrix: what
        # is made of one is worked out of the same factors, and they are paid once.
        Operation(
            "lu", "an LU factorisation", ("Edges", "Tensor"), _factored_price,
            lambda library, node, args, sizes: arrays.having(library, node.over, args[0], sizes),
            spans=True, matrix=True, factors=True, stem="lu", kernel="LU", rare=True,
        ),
        Operation(
            "cholesky", "a Cholesky factorisation", ("Edges", "Tensor"),
            lambda work: _factored_price(work) // 2,
            lambda library, node, args, sizes: arrays.having(library, node.over, args[0], sizes),
            spans=True, matrix=True, factors=True, stem="chol", kernel="CHOLESKY", rare=True,
        ),
        Operation(
            "inverse", "an inverse", ("Edges", "Tensor"), _inverse_price, _matrix,
            spans=True, matrix=True, stem="inv", kernel="INVERSE", rare=True,
            code=_called("linalg.inv", 1),
        ),
        Operation(
            "det", "a determinant", ("Edges", "Tensor"), _diagonal_price, _matrix,
            binds=True, matrix=True, stem="det", kernel="DET", code=_called("linalg.det", 1), rare=True,
        ),
        Operation(
            "logdet", "a log-determinant", ("Edges", "Tensor"), _diagonal_price, _matrix,
            binds=True, matrix=True, stem="logdet", kernel="LOGDET", rare=True,
            code={"torch": "torch.logdet({})", "numpy": "logdet({})", "jax": "logdet({})"},
        ),
        # (solve o c f b): Σ_c (inverse of f)·b by the factors f of a matrix with the edges o and c.
        Operation(
            "solve", "a solution", ("String", "String", "Tensor", "Tensor"),
            lambda work: 2 * work.read - work.out, _solution, binds=True, matrix=True, stem="solved",
            kernel="SOLVE", code=_called("linalg.solve", 2), rare=True,
        ),
        Operation("rename", "a rename", ("String", "String", "Tensor"), _nothing, _rename),
        Operation(
            "polygamma", "a polygamma function", ("BigRat", "Tensor"), _each,
            lambda library, node, args, sizes: Labelled(
                args[0].edges, library.entry(pointwise.polygamma(int(node.number)), [args[0].array])
            ),
            stem="psi",
            code={
                "torch": "polygamma({number}, {})",
                "numpy": "polygamma({number}, {})",
                "jax": "jax.scipy.special.polygamma({number}, {})",
            },
            rare=True,
        ),
        Operation(
            "amax", "a maximum over edges", ("Edges", "Tensor"), lambda work: work.read,
            lambda library, node, args, sizes: arrays.fibre(library, library.amax, node.over, args[0], sizes),
            binds=True, stem="top", kernel="MAX", rare=True,
        ),
        Operation(
            "prod", "a product over an edge", ("Edges", "Tensor"), lambda work: work.read,
            lambda library, node, args, sizes: arrays.fibre(library, library.prod, node.over, args[0], sizes),
            binds=True, stem="product", kernel="PROD", rare=True,
        ),
        Operation(
            "prod_others", "a product of the others", ("Edges", "Tensor"), lambda work: 3 * work.out,
            lambda library, node, args, sizes: arrays.others(library, node.over, args[0], sizes),
            spans=True, stem="others", kernel="PROD", rare=True,
        ),
        *(
            entrywise(
                name, noun, 2, entry,
                {"torch": f"({{}} {sign} {{}}).to({{dtype}})", **dict.fromkeys(
                    ("numpy", "jax"), f"({{}} {sign} {{}}).astype({{dtype}})"
                )},
                commutes=sign == "==", scalars=True,
            )
            for name, noun, sign, entry in (
                ("greater", "a comparison", ">", lambda xp, a, b: pointwise.typed(xp, a > b, a)),
                ("greater_equal", "a weak comparison", ">=", lambda xp, a, b: pointwise.typed(xp, a >= b, a)),
                ("equal", "an equality", "==", lambda xp, a, b: pointwise.typed(xp, a == b, a)),
            )
        ),
        entrywise(
            "maximum", "a maximum", 2, lambda xp, a, b: xp.maximum(a, b), _called("maximum", 2), commutes=True
        ),
        entrywise(
            "minimum", "a minimum", 2, lambda xp, a, b: xp.minimum(a, b), _called("minimum", 2), commutes=True
        ),
        entrywise(
            "where", "a choice", 3, lambda xp, c, a, b: xp.where(c != 0, a, b),
            {library: f"{module}.where({{}} != 0, {{}}, {{}})" for library, module in _MODULES.items()},
            scalars=True,
        ),
        entrywise(
            "raised", "a power of tensors", 2, pointwise.raised,
            _called("pow", 2) | {"numpy": "np.power({}, {})"}, scalars=True,
        ),
        entrywise(
            "huber", "a Huber loss", 2, pointwise.huber, dict.fromkeys(_MODULES, "huber({}, {})"),
            scalars=True,
        ),
    )
}  # fmt: skip


def on_several() -> dict[str, Operation]:
    """Return the operations on several tensors that work entry by entry, by name.

    >>> list(on_several())
    ['greater', 'greater_equal', 'equal', 'maximum', 'minimum', 'where', 'raised', 'huber']
    """
    return {name: entry for name, entry in OPERATIONS.items() if entry.entry}

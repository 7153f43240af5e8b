"""`parse`: expressions in index notation.

    expression = ["-"] product {("+" | "-") product}
    product    = factor {["*" | "/"] factor}         from left to right; side by side is a product
    factor     = ["-"] atom [("^" | "**") exponent]   an exponent is a number, a tensor, or stands in brackets
               | ("sum_k" | "sum_{i,k}") product     the sum extends over all of the product that follows
    atom       = number | name | (number | name) "[" edges "]"
               | function "(" … ")" | "(" expression [sign expression] ")" | "|" edge "|"

A comparison, with a sign such as > or <=, stands in brackets: those of a function, or its own.

Σ may stand for `sum`. Nothing is summed unless it says so: `A[i,k] x[k]` has the edges i and k, but
`sum_k A[i,k] x[k]` has i only; `sum(…)` sums over all edges, and `sum(…, k)` over k.

A variable has the edges with which it appears first, and may appear with others later: `A[i,k] A[j,k]`. The
size symbol of an edge is its name, wherever it appears; but edges at the same place of one variable have one
size, that of the name which comes first in the text: here i and j both have size i. `δ[i,j]` is the identity,
`|k|` the size of k, and `1[k]` is one along k. The two edges of a matrix whose inverse or
determinant is taken have one size as well.

>>> print(parse("sum((sum_k A[i,k] x[k] - y[i])^2)"))
Σ_i (Σ_k A[i,k] x[k] - y[i])^2
>>> parse("sum_k A[i,k] A[j,k]").shape == {"i": "i", "j": "i"}
True
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from itertools import pairwise

from tensorgrad_eg.errors import UnknownFunctionError
from tensorgrad_eg.expr import build
from tensorgrad_eg.expr.build import labelled, product, spread
from tensorgrad_eg.expr.calls import COMPARISONS, FUNCTIONS, OPTIONS, TENSORS
from tensorgrad_eg.expr.compound import Entrywise
from tensorgrad_eg.expr.elementary import pi
from tensorgrad_eg.expr.leaves import Extent, Number, Variable, delta
from tensorgrad_eg.expr.operations import on_several
from tensorgrad_eg.expr.tensor import Tensor, distinct, fresh
from tensorgrad_eg.expr.tokens import Cursor, Token, tokens
from tensorgrad_eg.expr.walk import postorder

#: A number in brackets, and what stands for its tokens.
_SHAPE = {"number": "#", "name": "a", "end": ""}
_FRACTION = re.compile(r"\(-?#(/#)?\)")

IDENTITY = ("δ", "delta")
MATRICES = ("inverse", "inv", "det", "logdet")
#: Names whose edges all have one size.
SQUARE = IDENTITY + MATRICES


def _sizes(words: list[Token]) -> dict[str, str]:
    """Return the size symbol of every edge; edges at one place of one variable share the first name."""
    symbol: dict[str, str] = {}
    first: dict[str, list[str]] = {}
    for name, edges in (*_subscripts(words), *_squares(words)):
        for edge in edges:
            symbol.setdefault(edge, edge)
        same = edges[:1] * len(edges) if name in SQUARE else first.setdefault(name, edges)
        if not name.isidentifier():
            continue  # a number: it has the edges that it has here
        for edge, other in zip(edges, same, strict=False):
            old, new = sorted((symbol[edge], symbol[other]), key=list(symbol).index, reverse=True)
            symbol = {key: new if value == old else value for key, value in symbol.items()}
    return symbol


def _declare(name: str, edges: tuple[str, ...], symbols: dict[str, str]) -> Variable:
    """The variable that appears first with these edges; one that repeats is told apart by underscores."""
    shape: dict[str, str] = {}
    for edge in edges:
        shape[fresh(edge, {*shape, *(edges if edge in shape else ())})] = symbols[edge]
    return Variable(name, shape)


def _subscripts(words: list[Token]) -> list[tuple[str, list[str]]]:
    """Return every name with brackets behind it, and the names in the brackets."""
    found: list[tuple[str, list[str]]] = []
    inside = False
    for before, word in pairwise(words):
        if word.text == "[" and before.kind in ("name", "number"):
            found.append((before.text, []))
            inside = True
        elif inside and word.kind == "name":
            found[-1][1].append(word.text)
        elif word.text not in ("[", ","):
            inside = False
    return found


def _squares(words: list[Token]) -> Iterator[tuple[str, list[str]]]:
    """Return the calls of functions of matrices, with the two edges that are named, or not summed."""
    for at, word in enumerate(words[:-1]):
        if word.text in MATRICES and words[at + 1].text == "(":
            inside = _bracketed(words[at + 1 :])
            texts = [one.text for one in inside]
            if len(texts) > 4 and texts[-4] == texts[-2] == "," and inside[-3].kind == "name":
                yield word.text, [texts[-3], texts[-1]]
                continue
            summed = {text.partition("_")[2] for text in texts if text.startswith(("sum_", "Σ_"))}
            for start, text in enumerate(texts):
                if text in ("sum_", "Σ_"):
                    summed |= set(texts[start + 1 : start + 1 + (*texts[start:], "}").index("}")])
            edges = dict.fromkeys(edge for _, own in _subscripts(inside) for edge in own)
            left = [edge for edge in edges if edge not in summed]
            if len(left) == 2:
                yield word.text, left


def _bracketed(words: list[Token]) -> list[Token]:
    """Return what stands between the first bracket and the one that closes it."""
    depth = 0
    for at, word in enumerate(words):
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(word.text, 0)
        if depth == 0:
            return words[1:at]
    return words[1:]


def parse(text: str) -> Tensor:
    """Return the expression that a text in index notation stands for.

    >>> print(parse("softmax(sum_k W[j,k] x[k], j)"))
    softmax(Σ_k W[j,k] x[k], j)
    >>> parse("sum_k A[i,k] x[k")
    Traceback (most recent call last):
    tensorgrad_eg.errors.ParseError: expected ',' or ']' (position 17)
      sum_k A[i,k] x[k
                      ^
    """
    parser = _Parser(text)
    result = parser.expression()
    if parser.word.kind != "end":
        raise parser.error(f"'{parser.word.text}' is not expected here")
    return result


def size_symbols(text: str) -> dict[str, str]:
    """Return the size symbol of every edge of a text, for those who give sizes by the names of edges.

    >>> size_symbols("sum_k A[i,k] A[j,k]")
    {'i': 'i', 'k': 'k', 'j': 'i'}
    """
    return _sizes(tokens(text))


def _known(function: str) -> bool:
    return function in FUNCTIONS or function in on_several()


def _applied(operation: str, *tensors: Tensor) -> Tensor:
    return Entrywise(operation, tensors)


class _Parser(Cursor):
    """A parser by recursive descent that builds as it goes: a method for each line of the grammar."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.symbols = _sizes(self.words)
        self.variables: dict[str, Variable] = {}

    def expression(self) -> Tensor:
        start = self.word
        with self.nested():
            terms = [self.term(self.take("-", "+"))]
            while sign := self.take("-", "+"):
                terms.append(self.term(sign))
        with self.at(start):
            return build.add(*terms)

    def term(self, sign: Token | None) -> Tensor:
        result = self.product(self.word)
        return -result if sign is not None and sign.text == "-" else result

    def product(self, start: Token, over: tuple[str, ...] = ()) -> Tensor:
        factors = [self.factor()]
        while True:
            if self.take("/"):
                factors.append(self.inverse())
            elif self.take("*") or self.word.kind in ("number", "name") or self.word.text in ("(", "|"):
                factors.append(self.factor())
            else:
                break
        with self.at(start):
            return product(factors, over)

    def inverse(self) -> Tensor:
        start = self.word
        divisor = self.factor()
        with self.at(start):
            return build.power(divisor, -1)

    def factor(self) -> Tensor:
        negative = False
        while self.take("-"):
            negative = not negative
        result = self.summation() if self.word.text.startswith(("sum_", "Σ_")) else self.power()
        return -result if negative else result

    def summation(self) -> Tensor:
        start = self.name("a sum")
        edge = start.text.partition("_")[2]
        edges = (edge,) if edge else self.edges("{", "}")
        with self.nested():
            return self.product(start, edges)

    def power(self) -> Tensor:
        base = self.atom()
        sign = self.take("^", "**")
        if sign is None:
            return base
        exponent = self.exponent()
        if self.word.text in ("^", "**"):
            raise self.error("a power of a power needs brackets, as in (x^2)^3")
        with self.at(sign):
            return build.power(base, exponent)

    def exponent(self) -> Fraction | Tensor:
        """Read 2, -1, (1/2) or (-1/2), or a tensor: y[k], (y[k] + 1)."""
        ahead = "".join(_SHAPE.get(word.kind, word.text) for word in self.words[self.place : self.place + 6])
        if ahead.startswith("a") or (ahead.startswith("(") and not _FRACTION.match(ahead)):
            return self.atom()
        bracket = self.take("(")
        sign = -1 if self.take("-") else 1
        value = self.number()
        if bracket and self.take("/"):
            word = self.word
            below = self.number()
            if below == 0:
                raise self.error("division by zero", word)
            value /= below
        if bracket:
            self.expect(")")
        return sign * value

    def number(self) -> Fraction:
        word = self.word
        if word.kind != "number":
            raise self.error(
                "expected a number: an exponent is a number, such as 2, -1 or (1/2), or a tensor in brackets"
            )
        self.place += 1
        return Fraction(word.text)

    def atom(self) -> Tensor:
        word = self.word
        if word.kind == "number":
            return self.constant(word, self.number())
        if word.kind == "name":
            return self.named()
        if self.take("("):
            result = self.comparison()
            self.expect(")")
            return result
        if self.take("|"):
            edge = self.name("an edge").text
            if self.word.text == "[":
                raise self.error(
                    f"|{edge}| is the size of an edge; the absolute value of a tensor is abs({edge}[…])"
                )
            self.expect("|")
            return Extent(self.symbols.get(edge, edge))
        raise self.error(
            "expected a tensor" if word.kind == "end" else f"expected a tensor, not '{word.text}'"
        )

    def constant(self, word: Token, value: Fraction) -> Tensor:
        """Read a number, or one that is the same along edges."""
        edges = self.edges("[", "]") if self.word.text == "[" else ()
        with self.at(word):
            distinct(edges, f"{word.text}[{','.join(edges)}]")
            return spread(Number(value), {edge: self.symbols[edge] for edge in edges})

    def named(self) -> Tensor:
        """Read what starts with a name: a function, the identity, pi, or a variable."""
        word = self.name("a tensor")
        function = "sum" if word.text == "Σ" else word.text
        # `a (b + c)` is a product if a is no function; `a(b + c)` looks like a call, and is one or a mistake.
        if self.word.text == "(" and (_known(function) or self.word.start == word.stop):
            return self.call(word, function)
        if self.word.text == "[":
            return self.subscripted(word, self.edges("[", "]"))
        if word.text in ("pi", "π"):
            return pi
        if _known(function):
            raise self.error(f"{word.text} is a function: {word.text}(…)", word)
        return self.subscripted(word, ())

    def call(self, word: Token, function: str) -> Tensor:
        if not _known(function):
            with self.at(word):
                unknown = UnknownFunctionError.of(function, {**FUNCTIONS, **on_several()})
                raise UnknownFunctionError(f"{unknown} A product is written {function} * (…).")
        own = on_several().get(function)
        count = own.arity if own and own.arity else TENSORS.get(function, 1)
        self.expect("(")
        tensors = [self.comparison()]
        while (len(tensors) < count or self.given(function)) and self.take(","):
            tensors.append(self.comparison())
        if len(tensors) < count:
            raise self.error(f"{function} takes {count} tensors, not {len(tensors)}", word)
        edges = []
        while self.take(","):
            edges.append(self.name("an edge").text)
        self.expect(")", "',' or ")
        if function == "sum" and not edges and not any(part.edges for part in postorder(tensors)):
            raise self.error(
                "nothing here has an edge to sum over: write the edges of a tensor, as in sum(A[i,j]^2); "
                "a power is one of every entry, and the inverse of a matrix is inverse(A[i,j])",
                word,
            )
        make: Callable[..., Tensor] = FUNCTIONS.get(function) or partial(_applied, function)
        with self.at(word):
            options = [each.value if isinstance(each, Number) else each for each in tensors[count:]]
            return make(*tensors[:count], *options, *edges)

    def given(self, function: str) -> bool:
        """Whether a comma is next and then not the name of an edge: a number, or a second tensor."""
        following, behind = (self.words[min(self.place + n, len(self.words) - 1)] for n in (1, 2))
        tensor = following.kind == "name" and behind.text in ("[", "(")
        return (
            function in OPTIONS
            and self.word.text == ","
            and (following.kind == "number" or following.text == "-" or tensor)
        )

    def comparison(self) -> Tensor:
        """Read an expression, or two and how they compare."""
        left = self.expression()
        sign = self.take(">", "<", ">=", "<=", "==", "!=")
        if sign is None:
            return left
        right = self.expression()
        with self.at(sign):
            return COMPARISONS[sign.text](left, right)

    def subscripted(self, word: Token, edges: tuple[str, ...]) -> Tensor:
        with self.at(word):
            if word.text in IDENTITY:
                return self.identity(word, edges)
            known = self.variables.setdefault(word.text, _declare(word.text, edges, self.symbols))
            if len(known.edges) != len(edges):
                raise self.error(
                    f"{word.text} has {len(known.edges)} edges where it appears first, in {known}, "
                    f"but {len(edges)} here",
                    word,
                )
            return labelled(known, edges)

    def identity(self, word: Token, edges: tuple[str, ...]) -> Tensor:
        if len(edges) != 2:
            raise self.error(f"the identity {word.text} has two edges, not {len(edges)}", word)
        return delta(edges[0], edges[1], self.symbols[edges[0]])

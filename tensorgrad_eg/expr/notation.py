"""Index notation: how operations are written, whatever reads them: expressions, e-nodes, steps of programs.

A sum extends over the product that follows it, juxtaposition is the product, and products and quotients are
read from left to right.

>>> a, b = Text("A[i,k]"), Text("x[k]")
>>> written(ENode("contract", frozenset("k")), [a, b], ["k"]).text
'Σ_k A[i,k] x[k]'
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Flag, auto
from fractions import Fraction
from functools import partial, reduce
from typing import NamedTuple

from tensorgrad_eg.expr.operations import ENode


class Form(Flag):
    """What a text looks like from outside, to know where it needs brackets.

    >>> Form.SUM in Form.PRODUCT | Form.SIGMA
    False
    """

    ATOM = 0
    SUM = auto()  # a + b
    SIGMA = auto()  # ends in a sum that would swallow a factor to its right
    QUOTIENT = auto()  # ends in a division
    SIGNED = auto()  # starts with a sign or a number
    PRODUCT = auto()  # a b
    POWER = auto()  # a^2


class Text(NamedTuple):
    """Something written, its form and, of a quotient 1 / a, the text of what is below.

    >>> Text("a + b", Form.SUM).bracketed(Form.SUM).text
    '(a + b)'
    """

    text: str
    form: Form = Form.ATOM
    below: str = ""

    def bracketed(self, unless: Form) -> Text:
        """Return the text, in brackets if it has one of these forms."""
        return Text(f"({self.text})") if self.form & unless else self


def written(node: ENode, parts: Sequence[Text], edges: Sequence[str], order: bool = False) -> Text:
    """Return the text of an operation on parts; `edges` are the names of those of a leaf, or of its payload.

    With `order`, brackets show in which order products are taken.

    >>> written(ENode("softmax", frozenset("k")), [Text("x[k]")], ["k"]).text
    'softmax(x[k], k)'
    >>> written(ENode("variable", ("x", ("i",))), [], ["j"]).text
    'x[j]'
    """
    match node.op:
        case "variable":
            return Text(indexed(node.name, edges))
        case "delta":
            return Text(indexed("δ", edges))
        case "number":
            return number(node.number)
        case "constant":
            return Text("π" if node.name == "pi" else node.name)
        case "extent":
            return Text(f"|{node.name}|")
        case "contract" | "reduce":
            return _sigma(edges, reduce(partial(_times, order=order), parts))
        case "add":
            return _sum(parts)
        case "scale":
            return multiple(node.number, _factor(parts[0], order))
        case "power":
            return _power(parts[0], node.number)
    name = node.name if node.op == "apply" else node.op
    return Text(f"{name}({', '.join([*(part.text for part in parts), *edges])})")


def indexed(name: str, edges: Sequence[str]) -> str:
    """Return a tensor with its edges.

    >>> indexed("A", ("i", "k")), indexed("loss", ())
    ('A[i,k]', 'loss')
    """
    return f"{name}[{','.join(edges)}]" if edges else name


def subscript(edges: Sequence[str]) -> str:
    """Return what stands below a sum sign: braces where there are several.

    >>> subscript(["i"]), subscript(["i", "k"])
    ('i', '{i,k}')
    """
    return f"{{{','.join(edges)}}}" if len(edges) > 1 else "".join(edges)


def number_text(value: Fraction) -> str:
    """Return a number as a fraction, or as a decimal where that is how one would write it.

    >>> number_text(Fraction(1, 2)), number_text(Fraction("1e-5")), number_text(Fraction(1, 30))
    ('1/2', '1e-05', '1/30')
    """
    decimal = repr(float(value)) if value.denominator % 5 == 0 else ""
    return decimal if decimal and Fraction(decimal) == value else str(value)


def number(value: Fraction) -> Text:
    """Return a number and its form.

    >>> number(Fraction(-1)).form
    <Form.SIGNED: 8>
    """
    return Text(number_text(value), Form.SIGNED if value < 0 or value.denominator > 1 else Form.ATOM)


def multiple(factor: Fraction, arg: Text) -> Text:
    """Return a multiple of what is written.

    >>> multiple(Fraction(-1), Text("x[i]")).text, multiple(Fraction(2), Text("a + b", Form.SUM)).text
    ('-x[i]', '2 (a + b)')
    """
    inner = arg.bracketed(Form.SUM | Form.SIGNED)
    sign = "-" if factor == -1 else f"{number_text(factor)} "
    return Text(sign + inner.text, Form.SIGNED | Form.PRODUCT | inner.form)


def _times(left: Text, right: Text, order: bool) -> Text:
    if right.below:
        return _quotient(left, right.below)
    head = _factor(left, order).bracketed(Form.SUM | Form.SIGMA | Form.QUOTIENT)
    tail = _factor(right, order).bracketed(Form.SUM | Form.SIGNED)
    form = Form.PRODUCT | (head.form & Form.SIGNED) | (tail.form & (Form.SIGMA | Form.QUOTIENT))
    return Text(f"{head.text} {tail.text}", form)


def _factor(text: Text, order: bool) -> Text:
    """Put a product in brackets where the order of products is to be seen; a sum shows it by its sign."""
    return text.bracketed(Form.PRODUCT) if order and not text.text.startswith("Σ") else text


def _quotient(above: Text, below: str) -> Text:
    above = above.bracketed(Form.SUM | Form.SIGMA)
    return Text(f"{above.text} / {below}", Form.PRODUCT | Form.QUOTIENT | (above.form & Form.SIGNED))


def _sigma(edges: Sequence[str], body: Text) -> Text:
    if not edges:
        return body
    inner = body.bracketed(~Form.ATOM if body.text.startswith("-") else Form.SUM)
    return Text(f"Σ_{subscript(edges)} {inner.text}", Form.SIGMA | Form.PRODUCT)


def _sum(terms: Sequence[Text]) -> Text:
    text = terms[0].text
    for term in terms[1:]:
        text += f" - {term.text[1:]}" if term.text.startswith("-") else f" + {term.text}"
    return Text(text, Form.SUM | (terms[0].form & Form.SIGNED))


def _power(base: Text, exponent: Fraction) -> Text:
    if exponent < 0:
        below = _power(base, -exponent).bracketed(~Form.POWER).text
        return _quotient(Text("1", Form.SIGNED), below)._replace(below=below)
    if exponent == 1:
        return base
    if exponent == Fraction(1, 2):
        return Text(f"sqrt({base.text})")
    raised = str(exponent) if exponent.denominator == 1 else f"({exponent})"
    return Text(f"{base.bracketed(~Form.ATOM).text}^{raised}", Form.POWER)

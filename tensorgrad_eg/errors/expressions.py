"""The base of all errors, how their messages are put together, and mistakes in expressions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from keyword import iskeyword
from typing import Self


def suggestion(word: str, choices: Iterable[str]) -> str:
    """Return " Did you mean …?" for the choices closest to a word, or nothing when none is near.

    >>> suggestion("sofmax", ["softmax", "tanh"])
    " Did you mean 'softmax'?"
    >>> suggestion("q", ["softmax"])
    ''
    """
    known = sorted(set(choices))
    lowered = {choice.lower(): choice for choice in reversed(known)}
    near = get_close_matches(word.lower(), sorted(lowered), n=2, cutoff=0.6)
    return f" Did you mean {' or '.join(repr(lowered[match]) for match in near)}?" if near else ""


def listing(names: Iterable[object]) -> str:
    """Return names separated by commas, or "none".

    >>> listing(["i", "k"]), listing([])
    ('i, k', 'none')
    """
    return ", ".join(map(str, names)) or "none"


def ended(text: str) -> str:
    """Return a text as a sentence.

    >>> ended("a rule has a name"), ended("Did you mean 'sin'?")
    ('a rule has a name.', "Did you mean 'sin'?")
    """
    return text if text.endswith((".", "?")) else f"{text}."


def a(noun: str) -> str:
    """Return a noun with its article.

    >>> a("edge"), a("list")
    ('an edge', 'a list')
    """
    return f"{'an' if noun[:1] in 'aeiou' else 'a'} {noun}"


def pointed(text: str, index: int, problem: str) -> str:
    """Return a message with the line of the text that it is about, and a caret under the place.

    >>> print(pointed("x[k] + y[k", 10, "expected ']'"))
    expected ']' (position 11)
      x[k] + y[k
                ^
    """
    start = text.rfind("\n", 0, index) + 1
    line = text[start:].split("\n")[0].replace("\t", " ")
    return f"{problem} (position {index + 1})\n  {line}\n  {' ' * (index - start)}^"


class TensorgradError(Exception):
    """The base of all errors of this package.

    >>> str(TensorgradError("what happened. What to do."))
    'what happened. What to do.'
    """

    def __init_subclass__(cls) -> None:
        """Show every error where users find it, in `tensorgrad_eg.errors`."""
        super().__init_subclass__()
        if cls.__module__.startswith("tensorgrad_eg.errors."):
            cls.__module__ = "tensorgrad_eg.errors"

    def __str__(self) -> str:
        """Return the message itself; KeyError, for one, would quote it."""
        return str(self.args[0]) if self.args else ""


class UnknownEdgeError(TensorgradError, KeyError):
    """An edge was named that the tensor does not have.

    >>> print(UnknownEdgeError.of("q", "x[i]", ["i"]))
    x[i] has no edge 'q'; its edges are: i.
    """

    @classmethod
    def of(cls, edge: str, tensor: str, edges: Iterable[str]) -> Self:
        """Say which edge is missing from which tensor."""
        known = list(edges)
        return cls(
            f"{tensor} has no edge '{edge}'; its edges are: {listing(known)}.{suggestion(edge, known)}"
        )


class SumEdgeError(UnknownEdgeError):
    """A sum over an edge that is not there.

    >>> print(SumEdgeError.of("j", "A[i,k]", ["i", "k"]))
    cannot sum over edge 'j': A[i,k] does not have it; its edges are: i, k.
    """

    @classmethod
    def of(cls, edge: str, tensor: str, edges: Iterable[str]) -> Self:
        """Say which edge cannot be summed in which tensor."""
        known = list(edges)
        return cls(
            f"cannot sum over edge '{edge}': {tensor} does not have it; "
            f"its edges are: {listing(known)}.{suggestion(edge, known)}"
        )


class DuplicateEdgeError(TensorgradError, ValueError):
    """Two edges of one tensor would have the same name.

    >>> print(DuplicateEdgeError.of("i", "A[i,i]"))
    A[i,i] would have two edges named 'i'; the edges of a tensor have different names. Rename one of the two.
    """

    @classmethod
    def of(cls, edge: str, tensor: str) -> Self:
        """Say which name two edges of a tensor would share."""
        return cls(
            f"{tensor} would have two edges named '{edge}'; the edges of a tensor have different names. "
            "Rename one of the two."
        )


class NameFormatError(TensorgradError, ValueError):
    """A name of a variable or an edge that is not an identifier.

    >>> print(NameFormatError.of("edge", "2i"))
    '2i' cannot name an edge: use a letter followed by letters, digits and underscores, such as 'i2'.
    >>> print(NameFormatError.of("variable", "lambda"))
    'lambda' cannot name a variable: it is a keyword of Python. Call it 'lambda_'.
    """

    @classmethod
    def of(cls, kind: str, name: object) -> Self:
        """Say what cannot be named so, with a name that would do."""
        if isinstance(name, str) and iskeyword(name):
            return cls(f"'{name}' cannot name {a(kind)}: it is a keyword of Python. Call it '{name}_'.")
        return cls(
            f"{name!r} cannot name {a(kind)}: "
            f"use a letter followed by letters, digits and underscores, such as 'i2'."
        )


class SizeError(TensorgradError, ValueError):
    """One edge with two sizes.

    >>> print(SizeError.of("k", "A[i,k]", "n", "x[k]", 5))
    edge 'k' has size n in A[i,k] but size 5 in x[k]. Rename one of the two, or give both one size: k='n'.
    """

    @classmethod
    def of(cls, edge: str, left: str, left_size: int | str, right: str, right_size: int | str) -> Self:
        """Say which edge has which two sizes in which two tensors."""
        return cls(
            f"edge '{edge}' has size {left_size} in {left} but size {right_size} in {right}. "
            f"Rename one of the two, or give both one size: {edge}={left_size!r}."
        )


class SquareError(SizeError):
    """A function of square matrices, of a matrix that is not square.

    >>> print(SquareError.of("inverse", "A[i,j]", {"i": "n", "j": "m"}))
    inverse is of square matrices, but in A[i,j] edge 'i' has size n and edge 'j' has size m. Give both one
    size where the variable is made, i='n', j='n', or name two edges that have one.
    """

    @classmethod
    def of(cls, function: str, tensor: str, sizes: Mapping[str, int | str]) -> Self:  # type: ignore[override]
        """Say which two edges of which tensor have different sizes."""
        (i, one), (j, other) = sizes.items()
        return cls(
            f"{function} is of square matrices, but in {tensor} edge '{i}' has size {one} and edge '{j}' has "
            f"size {other}. Give both one size where the variable is made, {i}={one!r}, {j}={one!r}, or name "
            "two edges that have one."
        )


class MatrixEdgesError(TensorgradError, ValueError):
    """A function of matrices, that was not told which two edges are rows and columns.

    >>> print(MatrixEdgesError.of("det", "A[b,i,j]", ["b", "i", "j"]))
    det takes the two edges of a matrix, but of A[b,i,j] it got: b, i, j. Name two: F.det(a, 'i', 'j').
    """

    @classmethod
    def of(cls, function: str, tensor: str, edges: Iterable[str]) -> Self:
        """Say which edges a function of which tensor was given."""
        given = list(edges)
        first, second = ("i", "j", *given)[-2:] if len(given) != 1 else (given[0], "j")
        return cls(
            f"{function} takes the two edges of a matrix, but of {tensor} it got: {listing(given)}. "
            f"Name two: F.{function}(a, {first!r}, {second!r})."
        )


class MissingSizeError(TensorgradError, ValueError):
    """A size symbol without a number, where numbers are needed.

    >>> print(MissingSizeError.of(["k"], {"i": 3}))
    no size is given for: k. Add it, as in sizes={'i': 3, 'k': 10}.
    """

    @classmethod
    def of(cls, symbols: Iterable[str], given: dict[str, int]) -> Self:
        """Say which size symbols lack a number."""
        missing = list(symbols)
        example = {**given, **dict.fromkeys(missing, 10)}
        it = "it" if len(missing) == 1 else "them"
        return cls(f"no size is given for: {listing(missing)}. Add {it}, as in sizes={example}.")


class NotAVariableError(TensorgradError, TypeError):
    """A derivative with respect to something that is not a variable.

    >>> print(NotAVariableError.of("A[i] x[i]"))
    cannot differentiate with respect to A[i] x[i]: it is not a Variable. Put a Variable in its place,
    build the expression from that, and differentiate with respect to it.
    """

    @classmethod
    def of(cls, found: str) -> Self:
        """Say what stood where a variable was needed."""
        return cls(
            f"cannot differentiate with respect to {found}: it is not a Variable. Put a Variable "
            "in its place, build the expression from that, and differentiate with respect to it."
        )


class VariableClashError(TensorgradError, ValueError):
    """Two different variables with one name.

    >>> first, second = "Variable('A', ['i'])", "Variable('A', ['k'])"
    >>> print(VariableClashError.of("A", first, second))
    two different variables are named 'A': Variable('A', ['i']) and Variable('A', ['k']). Give one of them
    another name, or use one variable for both and rename its edges: A.rename(old='new').
    """

    @classmethod
    def of(cls, name: str, first: str, second: str) -> Self:
        """Say which two variables share which name."""
        return cls(
            f"two different variables are named '{name}': {first} and {second}. Give one of "
            f"them another name, or use one variable for both and rename its edges: {name}.rename(old='new')."
        )


class OperandError(TensorgradError, TypeError):
    """Something that is no tensor expression, where one was needed.

    >>> print(OperandError.of("ndarray"))
    expected a tensor expression or a number, not a value of type ndarray. An array has no edge names:
    make a Variable for it, and pass the array when you call the plan.
    >>> print(OperandError.tensor("int"))
    expected a tensor expression, not a value of type int; a number is one as Number(…), anything else
    as a Variable.
    """

    @classmethod
    def of(cls, found: str) -> Self:
        """Say which type stood where a tensor or a number was needed."""
        return cls(
            f"expected a tensor expression or a number, not a value of type {found}. An array has "
            "no edge names: make a Variable for it, and pass the array when you call the plan."
        )

    @classmethod
    def tensor(cls, found: str) -> Self:
        """Say which type stood where only a tensor will do."""
        return cls(
            f"expected a tensor expression, not a value of type {found}; a number is one as Number(…), "
            "anything else as a Variable."
        )


class NumberError(TensorgradError, ValueError):
    """A number that is not finite, or an argument with a value out of range.

    >>> print(NumberError("nan is not a finite number"))
    nan is not a finite number
    """


class UnknownFunctionError(TensorgradError, ValueError):
    """A function, or a constant, that does not exist.

    >>> print(UnknownFunctionError.of("tahn", ["exp", "tanh"]))
    there is no function 'tahn'; the functions are: exp, tanh. Did you mean 'tanh'?
    """

    @classmethod
    def of(cls, name: str, known: Iterable[str], kind: str = "function") -> Self:
        """Say what does not exist, and what does."""
        choices = sorted(known)
        hint = suggestion(name, choices)
        return cls(f"there is no {kind} '{name}'; the {kind}s are: {listing(choices)}.{hint}")


class MissingFunctionError(UnknownFunctionError, AttributeError):
    """A function that is asked for by name, and is not there.

    >>> print(MissingFunctionError.missing("triu", ["tanh"], {"triu": "write A * mask"}))
    there is no F.triu; write A * mask.
    >>> print(MissingFunctionError.missing("softmx", ["softmax"], {}))
    there is no F.softmx. Did you mean 'softmax'?
    """

    @classmethod
    def missing(cls, name: str, known: Iterable[str], elsewhere: Mapping[str, str]) -> Self:
        """Say what to write instead, or what is nearest."""
        if name in elsewhere:
            return cls(f"there is no F.{name}; {elsewhere[name]}.")
        return cls(f"there is no F.{name}.{suggestion(name, sorted(known))}")


class SubscriptsError(TensorgradError, ValueError):
    """An einsum text that does not fit its tensors.

    >>> print(SubscriptsError("'ij,jk->ik' names two tensors, but one was given."))
    'ij,jk->ik' names two tensors, but one was given.
    """


class ParseError(TensorgradError, ValueError):
    """A mistake in the text form of an expression, shown with its position.

    >>> print(ParseError.at("A[i,k] +", 8, "expected a tensor"))
    expected a tensor (position 9)
      A[i,k] +
              ^
    """

    @classmethod
    def at(cls, text: str, index: int, problem: str) -> Self:
        """Show the text with a caret under the character of this index."""
        return cls(pointed(text, index, problem))


class AssumptionError(TensorgradError, ValueError):
    """A fact that does not fit the variable it is about, or that no expression can use.

    >>> print(AssumptionError.unknown("symetric", ["positive", "symmetric"]))
    there is no fact 'symetric'; the facts are: positive, symmetric. Did you mean 'symmetric'?
    >>> print(AssumptionError.absent("positive(X)", "X", ["A", "x"]))
    positive(X) is about a variable that the expressions do not contain; their variables are: A, x.
    Did you mean 'x'?
    """

    @classmethod
    def unknown(cls, kind: str, known: Iterable[str]) -> Self:
        """Say which fact does not exist, and which do."""
        choices = sorted(known)
        hint = suggestion(kind, choices)
        return cls(f"there is no fact '{kind}'; the facts are: {listing(choices)}.{hint}")

    @classmethod
    def absent(cls, fact: str, name: str, variables: Iterable[str]) -> Self:
        """Say which variable is in none of the expressions, and which are."""
        known = list(variables)
        hint = suggestion(name, known)
        return cls(
            f"{fact} is about a variable that the expressions do not contain; "
            f"their variables are: {listing(known)}.{hint}"
        )

    @classmethod
    def edges(cls, kind: str, count: int, tensor: str, given: Iterable[str], example: str) -> Self:
        """Say how many edges a fact is about, and how it is written.

        >>> print(AssumptionError.edges("one_hot", 1, "Y[b,c]", [], "one_hot(Y, 'c')"))
        one_hot is a fact about one edge, but of Y[b,c] it was given none. Name it, as in one_hot(Y, 'c').
        """
        many = ("no edge", "one edge", "two edges")[count]
        found = list(given)
        fix = f"Name {'it' if count == 1 else 'them'}, as in" if count else "Write"
        return cls(
            f"{kind} is a fact about {many}, but of {tensor} it was given {listing(found)}. {fix} {example}."
        )

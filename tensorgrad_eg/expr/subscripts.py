"""`einsum`: products and sums in the positional notation of NumPy.

>>> from tensorgrad_eg.expr.leaves import Variable
>>> A, B = Variable("A", ["i", "k"]), Variable("B", ["k", "j"])
>>> print(einsum("ab,bc->ac", A, B))
Σ_b A[a,b] B[b,c]
"""

from __future__ import annotations

from tensorgrad_eg.errors import SubscriptsError, listing, suggestion
from tensorgrad_eg.expr.products import labelled, product
from tensorgrad_eg.expr.shapes import brief, check_tensor
from tensorgrad_eg.expr.tensor import Tensor


def einsum(subscripts: str, *tensors: Tensor) -> Tensor:
    """Label the axes of the tensors by letters, multiply, and sum over the letters that the output lacks.

    The letters name the edges of the result. A letter that repeats within one tensor takes its diagonal.
    Without "->" the output has the letters that occur once, in alphabetical order, as in NumPy.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> A = Variable("A", i="n", k="n")
    >>> einsum("ij->ji", A).edges, einsum("ii->i", A).edges, einsum("ii", A).edges, einsum("ba", A).edges
    (('j', 'i'), ('i',), (), ('a', 'b'))
    """
    inputs, output = _split(subscripts)
    _check(subscripts, inputs, output, tensors)
    parts = [labelled(tensor, letters) for tensor, letters in zip(tensors, inputs, strict=True)]
    summed = [letter for letter in dict.fromkeys("".join(inputs)) if letter not in output]
    return product(parts, summed).transpose(*output)


def _split(subscripts: str) -> tuple[list[str], str]:
    text = "".join(subscripts.split())
    before, arrow, after = text.partition("->")
    if not arrow:
        after = "".join(sorted(letter for letter in set(before) - {","} if before.count(letter) == 1))
    for character in before.replace(",", "") + after:
        if not character.isidentifier():
            hint = (
                " Edges that are not summed need no '...': multiply with * or F.dot."
                if character == "."
                else ""
            )
            raise SubscriptsError(f"'{character}' in '{subscripts}' is no letter.{hint}")
    return before.split(","), after


def _check(subscripts: str, inputs: list[str], output: str, tensors: tuple[Tensor, ...]) -> None:
    if len(inputs) != len(tensors):
        raise SubscriptsError(
            f"'{subscripts}' describes {len(inputs)} tensor{'s' * (len(inputs) != 1)}, "
            f"but {len(tensors)} {'was' if len(tensors) == 1 else 'were'} given."
        )
    for letters, tensor in zip(inputs, tensors, strict=True):
        edges = check_tensor(tensor).edges
        if len(letters) != len(edges):
            raise SubscriptsError(
                f"'{letters}' in '{subscripts}' has {len(letters)} letters, but {brief(tensor)} has "
                f"{len(edges)} edges: {listing(edges)}."
            )
    known = dict.fromkeys("".join(inputs))
    for letter in output:
        if letter not in known:
            raise SubscriptsError(
                f"the output of '{subscripts}' has '{letter}', which no tensor has; "
                f"their letters are: {listing(known)}.{suggestion(letter, known)}"
            )
        if output.count(letter) > 1:
            raise SubscriptsError(
                f"'{letter}' occurs twice in the output of '{subscripts}'. For a diagonal matrix multiply "
                f"with the identity: einsum(…) * delta('{letter}', 'other')."
            )

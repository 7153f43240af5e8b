"""What operators, `einsum` and derivatives build. Only the trivial is simplified here, as x + 0 and 1·x:
rules do more.

>>> from tensorgrad_eg.expr.leaves import Variable
>>> A, x, v, g = Variable("A", ["i", "k"]), Variable("x", ["k"]), Variable("v", ["k"]), Variable("g", ["i"])
>>> add(x, Number(0)) is x, scale(1, x) is x
(True, True)
>>> jacobian(A @ x, x).edges, jvp(A @ x, x, v).edges, vjp(A @ x, x, g).edges
(('i', 'k'), ('i',), ('k',))
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

from tensorgrad_eg.errors import NumberError, SubscriptsError, SumEdgeError, listing, suggestion
from tensorgrad_eg.expr.compound import (
    Add,
    Contract,
    Derivative,
    Entrywise,
    Names,
    Power,
    Reduce,
    Rename,
    Scale,
    Tangent,
    check_variable,
)
from tensorgrad_eg.expr.leaves import Delta, Number, Variable, brief, check_tensor, merge, require
from tensorgrad_eg.expr.tensor import Edges, Numeric, Size, Tensor, derivative_names, flatten, fresh, rational
from tensorgrad_eg.expr.walk import postorder


def product(factors: Iterable[Tensor], over: Sequence[str] = ()) -> Tensor:
    """Multiply from left to right, and sum over each edge as soon as its last factor is in."""
    number, tensors = Fraction(1), []
    for factor in factors:
        if isinstance(factor, Number):
            number *= factor.value
        else:
            tensors.append(factor)
    shape = merge(tensors)
    for edge in over:
        if edge not in shape:
            what = " ".join(map(brief, tensors)) or str(number)
            raise SumEdgeError.of(edge, what, shape)
    return scale(number, _fold(tensors, over))


def labelled(tensor: Tensor, labels: Sequence[str]) -> Tensor:
    """Name the axes of a tensor, in order; a label that repeats takes the diagonal."""
    names: list[str] = []
    for label in labels:
        names.append(fresh(label, [*labels, *names]) if label in names else label)
    # All at once: the new name of one axis may be the old name of another.
    result = relabel(Rename(tensor, dict(zip(tensor.edges, names, strict=True))))
    for label, name in zip(labels, names, strict=True):
        if name != label:
            result = Contract([name], result, Delta(name, label, result.shape[name]))
    return result


def _fold(tensors: Sequence[Tensor], over: Sequence[str]) -> Tensor:
    if not tensors:
        return Number(1)
    if len(tensors) == 1:
        return reduce(tensors[0], over)
    last = {edge: place for place, tensor in enumerate(tensors) for edge in tensor.edges}
    result = tensors[0]
    for place, tensor in enumerate(tensors[1:], start=1):
        result = Contract([edge for edge in over if max(last[edge], 1) == place], result, tensor)
    return result


def ones(shape: Mapping[str, Size]) -> Tensor:
    """Return the tensor with these edges, of these sizes, that is 1 everywhere; without edges the number."""
    result: Tensor = Number(1)
    for edge, size in shape.items():
        other = fresh(edge, shape)
        one = Reduce([other], Delta(edge, other, size))
        result = one if isinstance(result, Number) else Contract([], result, one)
    return result


def spread(tensor: Tensor, shape: Mapping[str, Size]) -> Tensor:
    """Return a tensor with all of these edges: along those that it lacks it does not change.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> print(spread(Variable("x", ["k"]), {"i": "n", "k": "k"}), spread(Number(0), {"i": "n"}))
    1[i] x[k] 0[i]
    """
    missing = ones({edge: size for edge, size in shape.items() if edge not in tensor.shape})
    if isinstance(missing, Number):
        return tensor
    match tensor:
        case Number(value):
            return scale(value, missing)
        case Scale(factor, arg):
            return Scale(factor, Contract([], missing, arg))
    return Contract([], missing, tensor)


def edges_of_ones(tensor: Tensor) -> tuple[str, ...] | None:
    """Return the edges of a tensor that `ones` has made, or nothing for any other."""
    match tensor:
        case Reduce(over, Delta(i, j)) if over in ({i}, {j}):
            return tensor.edges
        case Contract(over, left, right) if not over:
            first, last = edges_of_ones(left), edges_of_ones(right)
            distinct = first is not None and last is not None and not {*first} & {*last}
            return tensor.edges if distinct else None
    return None


def as_tensor(value: Tensor | Numeric) -> Tensor:
    """Return a tensor as it is, and a number as a tensor without edges.

    >>> as_tensor(0.5)
    Number('1/2')
    """
    return value if isinstance(value, Tensor) else Number(rational(value))


def add(*terms: Tensor) -> Tensor:
    """Add tensors, leaving out zeros.

    A sum within the sum stays as it is: others may use it, and then to merge the two would undo the sharing.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> print(add(Variable("a"), Number(0), Variable("b"), Number(2)))
    a + b + 2
    """
    kept = [term for term in terms if not (isinstance(term, Number) and term.value == 0)]
    if len(kept) <= 1:
        return kept[0] if kept else Number(0)
    if all(isinstance(term, Number) for term in kept):
        return Number(sum((term.value for term in kept if isinstance(term, Number)), Fraction(0)))
    return Add(kept)


def scale(factor: Numeric, arg: Tensor) -> Tensor:
    """Multiply by a number, merging it with one that is there already.

    >>> from tensorgrad_eg.expr.leaves import Variable
    >>> print(scale(2, scale(3, Variable("x", ["k"]))))
    6 x[k]
    """
    number = rational(factor)
    match arg:
        case Number(value):
            return Number(number * value)
        case Scale(inner, below):
            return scale(number * inner, below)
    return arg if number == 1 else Scale(number, arg)


def multiply(left: Tensor, right: Tensor) -> Tensor:
    """Multiply pointwise; a number is a factor."""
    if isinstance(left, Number):
        return scale(left.value, right)
    if isinstance(right, Number):
        return scale(right.value, left)
    return Contract((), left, right)


def matmul(left: Tensor, right: Tensor) -> Tensor:
    """Multiply and sum over every edge the two share."""
    shared = [edge for edge in left.edges if edge in right.shape]
    return Contract(shared, left, right) if shared else multiply(left, right)


def divide(left: Tensor, right: Tensor) -> Tensor:
    """Divide pointwise."""
    return multiply(left, power(right, -1))


def power(arg: Tensor, exponent: Numeric | Tensor) -> Tensor:
    """Raise every entry to a power: a number, or another for each entry."""
    if isinstance(exponent, Tensor) and not isinstance(exponent, Number):
        return Entrywise("raised", (arg, exponent))
    number = exponent.value if isinstance(exponent, Number) else rational(exponent)
    if number == 1:
        return arg
    if isinstance(arg, Number) and number.denominator == 1:
        if arg.value == 0 and number < 0:
            raise NumberError("division by the number zero.")
        return Number(arg.value ** int(number))
    return Power(arg, number)


def compared(how: str, left: Tensor, right: Tensor) -> Tensor:
    """Return the comparison of this name: 1 where it holds, else 0."""
    return Entrywise(how, (left, right))


def reduce(arg: Tensor, *edges: Edges) -> Tensor:
    """Sum over these edges; over none it is the tensor itself."""
    names = flatten(edges)
    return Reduce(names, arg) if names else arg


def rename(arg: Tensor, mapping: Mapping[str, str]) -> Tensor:
    """Give edges other names, merging this with a renaming that is there already."""
    return relabel(Rename(arg, mapping))


def transpose(arg: Tensor, *edges: Edges) -> Tensor:
    """Put all edges in this order."""
    return relabel(Rename(arg, {}, edges=flatten(edges)))


def relabel(outer: Rename) -> Tensor:
    """Return a renaming merged with one below it, or the tensor itself if nothing is renamed."""
    inner = outer.arg
    if isinstance(inner, Rename):
        first, second = dict(inner.mapping), dict(outer.mapping)
        names = {edge: second.get(first.get(edge, edge), first.get(edge, edge)) for edge in inner.arg.edges}
        return relabel(Rename(inner.arg, names, outer.edges))
    return inner if not outer.mapping and outer.edges == inner.edges else outer


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


def gradients(loss: Tensor, variables: Iterable[Variable]) -> list[Tensor]:
    """Return the derivative of one tensor with respect to each of these variables.

    >>> A, x = Variable("A", ["k"]), Variable("x", ["k"])
    >>> [gradient.edges for gradient in gradients(A @ x, [A, x])]
    [('k',), ('k',)]
    """
    return [Derivative(loss, variable) for variable in variables]


def jacobian(e: Tensor, x: Variable, names: Names | None = None) -> Tensor:
    """Return all partial derivatives: the edges of e, then those of x.

    >>> x = Variable("x", ["k"])
    >>> jacobian(x * x, x).edges
    ('k', 'k_')
    """
    return Derivative(e, x, names)


def hessian(
    loss: Tensor,
    x: Variable,
    y: Variable | None = None,
    names: tuple[Names | None, Names | None] = (None, None),
) -> Tensor:
    """Return the second derivatives by x, then by x again or by y; `names` has names for each of the two.

    >>> A, x = Variable("A", i="n", j="n"), Variable("x", ["n"])
    >>> quadratic = x.rename(n="i") @ A @ x.rename(n="j")
    >>> hessian(quadratic, x).edges, hessian(quadratic, x, names=(["p"], ["q"])).edges
    (('n', 'n_'), ('p', 'q'))
    """
    return Derivative(Derivative(loss, x, names[0]), x if y is None else y, names[1])


def jvp(e: Tensor, x: Variable, v: Tensor) -> Tensor:
    """Return how e moves when x moves along v: forward mode.

    >>> x, v = Variable("x", ["k"]), Variable("v", ["k"])
    >>> print(jvp(x * x, x, v))
    ∂(x[k] x[k])/∂x · (v[k])
    """
    return Tangent(e, x, v)


def vjp(e: Tensor, x: Variable, g: Tensor) -> Tensor:
    """Return what a cotangent g of e contributes to the gradient by x: reverse mode. It has the edges of x.

    >>> A, x, g = Variable("A", ["i", "k"]), Variable("x", ["k"]), Variable("g", ["i"])
    >>> vjp(A @ x, x, g).edges
    ('k',)
    """
    require(e, merge((g,)), SumEdgeError)
    merge((e, g))
    if x not in postorder([g]):
        return Derivative(Contract(e.edges, e, g), check_variable(x))  # one reverse pass, and no Jacobian
    names = derivative_names(e.edges, check_variable(x).edges)
    product = Contract(e.edges, Derivative(e, x, names), g)
    return product.rename(dict(zip(names, x.edges, strict=True)))


def hvp(loss: Tensor, x: Variable, v: Tensor) -> Tensor:
    """Return the Hessian of a scalar times v, without the Hessian. It has the edges of x.

    >>> x, v = Variable("x", ["k"]), Variable("v", ["k"])
    >>> hvp(x @ x, x, v).edges
    ('k',)
    """
    if loss.edges:
        raise SumEdgeError(
            f"a Hessian-vector product is that of a number, but {brief(loss)} has edges: "
            f"{', '.join(loss.edges)}. Sum it first, as in F.sum(e), or use jvp(jacobian(e, x), x, v)."
        )
    return Tangent(Derivative(loss, x), x, v)

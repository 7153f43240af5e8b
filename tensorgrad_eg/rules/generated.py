"""Rules that follow from the table of operations: the same ones for each operation.

They say which edges a term has, that it is no identity, that renames go through it and, of operations that
work entry by entry, how derivatives go through them. What operations are equal to stands in ``rules/*.egg``.

>>> print(next(rule for rule in edge_rules() if "a softmax is" in rule))
(rule ((wants-side e) (= e (softmax m a))) ((set (standing e) 1)) :ruleset analysis :name "a softmax is no
delta")
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from itertools import combinations

from tensorgrad_eg.expr.operations import OPERATIONS, Operation, on_several

#: What stands in a rule for each part of an operation.
_TENSORS, _EDGES, _OTHERS = "abcd", "m", {"BigRat": "q", "Terms": "ts", "Axes": "v"}


def declarations() -> list[str]:
    """The constructors of operations that were added to the table, which no rule file declares.

    >>> declarations()
    []
    """
    return [f"(constructor {entry.name} ({' '.join(entry.sorts)}) Tensor)" for entry in on_several().values()]


def edge_rules() -> list[str]:
    """The free edges of every operation, that it is no identity, and that renames go through it.

    >>> [rule.split(":name ")[1] for rule in edge_rules() if "descend" in rule and "softmax" in rule]
    ['"rename of a softmax")', '"rename of the edge of a softmax")']
    """
    plain = [entry for entry in OPERATIONS.values() if entry.arity and entry.name != "rename"]
    other = [entry for entry in OPERATIONS.values() if entry.name not in ("delta", "number", "scale")]
    return [
        *map(_free, plain),
        *map(_standing, other),
        *(rule for entry in plain for rule in _renames(entry)),
    ]


def derivative_rules() -> list[str]:
    """How derivatives go through operations on several tensors that work entry by entry.

    ``(partial i e)`` is the derivative of e by what it reads in the place i; a rule has to say what it is.

    >>> derivative_rules()
    []
    """
    entries = on_several().values()
    return [rule for entry in entries for rule in (_degree(entry), _tangent(entry), *_pullbacks(entry))]


def _term(entry: Operation, kids: Sequence[str] = _TENSORS, over: str = _EDGES) -> str:
    tensors, strings = iter(kids), iter("fg")
    words = []
    for sort in entry.sorts:
        pool = {"Tensor": tensors, "String": strings}.get(sort)
        words.append(next(pool) if pool else over if sort == "Edges" else _OTHERS[sort])
    return f"({' '.join([entry.name, *words])})"


def _kids(entry: Operation) -> str:
    return _TENSORS[: entry.arity]


def _named(name: str, ruleset: str) -> str:
    return f':ruleset {ruleset} :name "{name}")'


def _union(sets: Sequence[str]) -> str:
    return reduce(lambda left, right: f"(set-union {left} {right})", sets)


def _frees(kids: Sequence[str]) -> str:
    return " ".join(f"(= f{kid} (free {kid}))" for kid in kids)


def _free(entry: Operation) -> str:
    kids = _kids(entry)
    union = _union([f"f{kid}" for kid in kids])
    free = f"(set-diff {union} m)" if entry.binds else f"(set-union {union} m)" if entry.spans else union
    name = _named(f"free of {entry.noun}", "analysis")
    return f"(rule ((= e {_term(entry)}) {_frees(kids)}) ((set (free e) {free})) {name}"


def _standing(entry: Operation) -> str:
    name = _named(f"{entry.noun} is no delta", "analysis")
    return f"(rule ((wants-side e) (= e {_term(entry)})) ((set (standing e) 1)) {name}"


def _renames(entry: Operation) -> Iterator[str]:
    """A rename goes through; a bound edge of its new name steps aside."""
    kids = _kids(entry)
    left = f"(rename i j {_term(entry)})"
    right = _term(entry, [f"(rename i j {kid})" for kid in kids])
    apart = " (set-not-contains m i) (set-not-contains m j)" if entry.edged else ""
    name = _named(f"rename of {entry.noun}", "descend")
    yield f"(rewrite {left} {right} :when ((!= i j){apart}) {name}"
    if entry.spans:
        inner = _term(entry, [f"(rename i j {kid})" for kid in kids], "(set-insert (set-remove m i) j)")
        taken = " ".join(f"(set-not-contains f{kid} j)" for kid in kids)
        name = _named(f"rename of the edge of {entry.noun}", "descend")
        yield f"(rewrite {left} {inner} :when ((!= i j) (set-contains m i) {_frees(kids)} {taken}) {name}"
    if entry.binds:
        inner = _term(
            entry, [f"(rename i j (rename j f {kid}))" for kid in kids], "(set-insert (set-remove m j) f)"
        )
        fresh = " ".join(f"(set-not-contains f{kid} f)" for kid in kids)
        name = _named(f"rename past a bound edge of {entry.noun}", "descend")
        yield (
            f'(rule ((= e {left}) (!= i j) (set-not-contains m i) (set-contains m j) (= f (+ j "\'"))'
            f" {_frees(kids)} {fresh} (set-not-contains m f) (!= i f) (= s (symbol j)))"
            f" ((set (symbol f) s) (union e {inner}) (delete {left})) {name}"
        )


def _degree(entry: Operation) -> str:
    kids = _kids(entry)
    facts = " ".join(f"(= d{kid} (degree {kid}))" for kid in kids)
    most = reduce(lambda left, right: f"(max {left} {right})", [f"d{kid}" for kid in kids])
    name = _named(f"degree of {entry.noun}", "prospect")
    return f"(rule ((= e {_term(entry)}) {facts}) ((set (degree e) {most})) {name}"


def _tangent(entry: Operation) -> str:
    """Σ_i ∂e/∂aᵢ·daᵢ, entry by entry."""
    terms = " ".join(
        f"(contract $none (partial {n} e) (tangent d {kid}))" for n, kid in enumerate(_kids(entry), 1)
    )
    return (
        f"(rule ((= t (tangent d e)) (opens d e) (= e {_term(entry)}) (= fe (free e)) (= w (tips d)))"
        f" ((union t (add (set-union fe w) (multiset-of {terms}))) (delete (opens d e)))"
        f" {_named(f'tangent of {entry.noun}', 'differentiate')}"
    )


def _pullbacks(entry: Operation) -> Iterator[str]:
    """What is handed back to the tensor that stands in some places: g·∂e/∂aᵢ, summed over what it lacks.

    A consumer counts as often as it reads a tensor; so of several places each time the mean is handed back.
    """
    kids = _kids(entry)
    for count in range(1, len(kids) + 1):
        for places in combinations(range(len(kids)), count):
            named = [kids[places[0]] if n in places else kid for n, kid in enumerate(kids)]
            one = named[places[0]]
            apart = " ".join(f"(!= {one} {kid})" for n, kid in enumerate(named) if n not in places)
            over = f"(set-diff fe f{one})"
            parts = [f"(contract {over} (cotangent r e) (partial {n + 1} e))" for n in places]
            mean = f"(scale (bigrat (bigint 1) (bigint {count})) (add fp (multiset-of {' '.join(parts)})))"
            where = " and ".join(str(n + 1) for n in places)
            facts = (
                f"(= e {_term(entry, named)}) (= fe (free e)) (= f{one} (free {one})) (= w (tips r)) {apart}"
            )
            yield (
                f"(rule ((= p (pullback r {one} e)) {facts} (= fp (set-union f{one} w)))"
                f" ((union p {parts[0] if count == 1 else mean}) (delete (pullback r {one} e)))"
                f" {_named(f'pullback of {entry.noun}, place {where}', 'differentiate')}"
            )

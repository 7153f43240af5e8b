from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import Builder, arrays_for, interpret, programs

import tensorgrad_eg as tg
from tensorgrad_eg import Tensor, Variable
from tensorgrad_eg import functions as F
from tensorgrad_eg.errors import PlanFileError, ProgramError
from tensorgrad_eg.extract.halves import _options, _Writer, halved
from tensorgrad_eg.extract.symmetries import symmetries
from tensorgrad_eg.program import Program
from tensorgrad_eg.program.cost import total_flops
from tensorgrad_eg.running import Deadline

X, W, Y = Variable("X", ["b", "p"]), Variable("W", ["p", "h"]), Variable("Y", ["b", "h"])
v, w, A = Variable("v", ["p"]), Variable("w", ["b", "c"]), Variable("A", i="n", j="n")
T = Variable("T", b="b", i="n", j="n")
MLP = {"b": 64, "p": 32, "h": 32, "k": 10}


def mlp(weights: tuple[str, ...] = ("U", "V", "W")) -> tuple[Tensor, dict[str, Variable]]:
    """The loss of a tanh network of three layers, and its variables: the Hessian of the benchmark H4."""
    shapes = {"X": "bp", "Y": "bk", "U": "ph", "V": "hg", "W": "gk"}
    sizes = {"g": "h"}
    given = {n: Variable(n, {e: sizes.get(e, e) for e in edges}) for n, edges in shapes.items()}
    z = F.tanh(F.tanh(given["X"] @ given["U"]) @ given["V"]) @ given["W"]
    return F.cross_entropy(z, given["Y"], "k", mean=True), given


def arrays(plan: tg.Plan) -> dict[str, Any]:
    """Random data for every variable."""
    random = np.random.default_rng(0)
    return {v.name: random.standard_normal(plan.program.shape(v.name)) for v in plan.inputs}


def test_the_hessian_of_a_network_costs_a_third() -> None:
    """Both pairs of the last product of H4 are packed: 142 MFLOP become less than 50, results stay."""
    loss, given_ = mlp()
    hessian = tg.hessian(loss, given_["U"])
    plain = tg.optimize(hessian, MLP)
    plan = tg.optimize(hessian, MLP, symmetric=True)
    assert plain.flops > 140e6
    assert plan.flops < 50e6
    data = arrays(plan)
    np.testing.assert_allclose(plan(**data), plain(**data), rtol=1e-9, atol=1e-12)
    tensors = {name: torch.as_tensor(array) for name, array in data.items()}
    torch.testing.assert_close(plan(**tensors), plain(**tensors))


CASES: dict[str, tuple[Callable[[], Tensor], dict[str, int]]] = {
    "a product with squares": (lambda: F.dot(X * X.rename(p="q"), w, "b"), {"b": 60, "p": 6, "c": 20}),
    "a function of squares": (lambda: F.dot(F.exp(X * X.rename(p="q")), w, "b"), {"b": 60, "p": 6, "c": 20}),
    "two pairs": (
        lambda: F.dot(X * X.rename(p="q"), Y * Y.rename(h="g"), "b"),
        {"b": 80, "p": 5, "h": 7},
    ),
    "an intermediate that a sum reads in full": (
        lambda: F.dot(F.dot(X * X.rename(p="q"), w, "b"), v, "p"),
        {"b": 60, "p": 6, "c": 20},
    ),
    "a Hessian": (
        lambda: tg.hessian(F.cross_entropy(F.tanh(X @ W), Y, "h", mean=True), W),
        {"b": 80, "p": 6, "h": 4},
    ),
    "a symmetric softmax": (
        lambda: F.dot(F.softmax(T + T.rename(i="j", j="i"), "b"), w, "b"),
        {"b": 40, "n": 6, "c": 30},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_half_the_work_gives_the_same_result(name: str) -> None:
    """Wherever halves are computed, the plan costs less and its results are those of the expression."""
    build, sizes = CASES[name]
    plain, plan = tg.optimize(build(), sizes), tg.optimize(build(), sizes, symmetric=True)
    if name != "an intermediate that a sum reads in full":
        assert plan.flops < plain.flops
        assert any(step.kind == "pack" for step in plan.steps)
    assert plan.check().error < 1e-12
    assert plan.check(backend="torch").error < 1e-12


@pytest.mark.parametrize("backend", ["torch", "numpy", "jax", "opt_einsum"])
@pytest.mark.parametrize("name", CASES)
def test_every_backend_packs_and_unpacks(name: str, backend: str) -> None:
    """The source of every backend gives the results of the plan that computes everything."""
    build, sizes = CASES[name]
    plan, plain = tg.optimize(build(), sizes, symmetric=True), tg.optimize(build(), sizes)
    data = arrays(plan)
    wanted = plain(**data)
    if backend == "torch":
        data = {key: torch.as_tensor(array) for key, array in data.items()}
    if backend == "jax":
        jax = pytest.importorskip("jax")
        data = {key: jax.numpy.asarray(array) for key, array in data.items()}
    names = [given.name for given in plan.inputs if plan.program.readers(given.name)]
    found = plan.function(backend)(*(data[key] for key in names))
    np.testing.assert_allclose(found, wanted, rtol=1e-5 if backend == "jax" else 1e-9, atol=1e-9)


def test_nothing_symmetric_changes_nothing() -> None:
    """Where no tensor is symmetric, or packing would cost more than it saves, the plan is the plain one."""
    for e, sizes in ((X @ W, {"b": 5, "p": 6, "h": 7}), (X * X.rename(p="q"), {"b": 5, "p": 6})):
        assert tg.optimize(e, sizes, symmetric=True).program == tg.optimize(e, sizes).program


def test_declared_symmetry_is_used() -> None:
    """A variable that is declared to be symmetric is packed; without the fact nothing is known of it."""
    e, sizes = F.dot(T, w, "b"), {"b": 40, "n": 8, "c": 30}
    known = tg.optimize(e, sizes, symmetric=True, assume=[tg.assume.symmetric(T, "i", "j")])
    assert known.flops < 0.7 * tg.optimize(e, sizes, symmetric=True).flops
    random = np.random.default_rng(0)
    t, other = random.standard_normal((40, 8, 8)), random.standard_normal((40, 30))
    t += t.swapaxes(1, 2)
    np.testing.assert_allclose(known(T=t, w=other), np.einsum("bij,bc->ijc", t, other), atol=1e-12)


def test_structured_results_have_symmetric_pieces() -> None:
    """Pieces of structured results are halved as whole results are."""
    e, sizes = tg.hessian((F.tanh(X @ W) ** 2).sum(), X), {"b": 50, "p": 12, "h": 40}
    plan = tg.optimize(e, sizes, structured=True, symmetric=True)
    assert plan.flops < 0.7 * tg.optimize(e, sizes, structured=True).flops
    assert plan.check().error < 1e-12


def test_plans_for_other_sizes_are_halved_too() -> None:
    """Resizing decides anew which tensors are packed."""
    e = F.dot(X * X.rename(p="q"), w, "b")
    plan = tg.optimize(e, {"b": 60, "p": 6, "c": 20}, symmetric=True)
    assert all(step.kind != "pack" for step in plan.resize({"p": 1}).steps)
    assert any(step.kind == "pack" for step in plan.resize({"p": 30}).steps)


def test_the_table_shows_what_is_packed() -> None:
    """Packing is a step with a formula, a kernel and a cost: an element written counts one."""
    plan = tg.optimize(F.dot(X * X.rename(p="q"), w, "b"), {"b": 60, "p": 6, "c": 20}, symmetric=True)
    rows = [line.split() for line in str(plan).splitlines() if "PACK" in line]
    assert [row[1:3] + row[-4:] for row in rows] == [
        ["half[p≤q,b]", "=", "PACK", "1,260", "1,260", "result"],
        ["whole[p,q,c]", "=", "UNPACK", "720", "720", "result"],
    ]
    assert "unpack" in plan.draw().svg()


def test_derivations_say_what_symmetry_saves() -> None:
    """The derivation goes down to the program that was found; a step says what symmetry saves after it."""
    e, sizes = F.dot(X * X.rename(p="q"), w, "b"), {"b": 60, "p": 6, "c": 20}
    plain, plan = tg.optimize(e, sizes), tg.optimize(e, sizes, symmetric=True)
    line = f"Symmetry: {plain.flops:,} → {plan.flops:,} flops, one half computed of t1"
    assert line in str(plan.explain()).splitlines()
    assert "Symmetry" not in str(plain.explain())


def test_symmetric_plans_survive_files() -> None:
    """A plan with packed steps is read back as it was written."""
    plan = tg.optimize(F.dot(X * X.rename(p="q"), w, "b"), {"b": 60, "p": 6, "c": 20}, symmetric=True)
    again = tg.Plan.from_json(plan.to_json())
    assert (again.program, str(again)) == (plan.program, str(plan))
    np.testing.assert_array_equal(again(**arrays(plan)), plan(**arrays(plan)))


def test_damaged_packing_is_refused() -> None:
    """A file whose packed edge has the wrong size, or replaces one edge only, is refused with the reason."""
    plan = tg.optimize(F.dot(X * X.rename(p="q"), w, "b"), {"b": 60, "p": 6, "c": 20}, symmetric=True)
    data = json.loads(plan.to_json())
    data["sizes"]["p≤q"] = 20
    with pytest.raises(PlanFileError, match=r"sizes 6, 6 and 20: not those of a symmetric pair"):
        tg.Plan.from_json(json.dumps(data))
    b = Builder(i=3, j=3)
    b.step("pack", b.variable("A", "ij"), edges=("i",))
    with pytest.raises(ProgramError, match=r"step s0 has to pack two labels, but reads \('i', 'j'\)"):
        b.program("s0")


def test_symmetries_are_proven() -> None:
    """Products of a tensor with itself, sums with a transpose and functions of these are symmetric."""
    b = Builder(i=3, j=3, k=4)
    A_, u = b.variable("A", "ij"), b.variable("u", "i")
    square = b.mul(u, (u, "j"))
    both = b.add(A_, (A_, "ji"))
    skew = b.add(A_, (A_, "ji"), factors=[1, -1])
    gram = b.mul((A_, ("i", "K")), (A_, ("j", "K")), "K")
    b.sizes["K"] = 3
    soft = b.step("softmax", both, over="ij")
    even, odd = b.power(skew, 2), b.apply("tanh", skew)
    found = symmetries(b.program(square, both, skew, gram, soft, even, odd))
    assert [name for name in (square, both, skew, gram, soft, even, odd) if found[name]] == [
        square, both, gram, soft, even,
    ]  # fmt: skip
    assert not found["A"]


def test_declared_pairs_that_share_an_axis_make_a_tensor_symmetric_in_all() -> None:
    """A tensor that is symmetric in its first two and in its last two axes is so in every pair."""
    b = Builder(i=3, j=3, k=3)
    program = b.program(b.scale(2, b.variable("A", "ijk")))
    assert symmetries(program, [("A", (0, 1)), ("A", (1, 2))])["s0"] == [(0, 1), (0, 2), (1, 2)]


def test_the_rules_prove_what_the_steps_do_not_show() -> None:
    """(W M) Wᵀ is symmetric since it is W (M Wᵀ): its steps alone do not say so, associativity does."""
    b = Builder(i=3, k=4)
    b.sizes |= {"j": 3, "K": 4, "L": 4}
    W_, Y_ = b.variable("W", "ik"), b.variable("Y", "ki")
    M_ = b.mul((Y_, ("K", "i")), (Y_, ("L", "i")), "i")
    left = b.mul((W_, ("i", "K")), (M_, ("K", "L")), "K")
    whole = b.mul((left, ("i", "L")), (W_, ("j", "L")), "L")
    other = b.mul((left, ("i", "L")), (Y_, ("L", "j")), "L")
    found = symmetries(b.program(whole, other))
    assert (found[left], found[whole], found[other]) == ([], [(0, 1)], [])
    assert symmetries(b.program(whole, other), deadline=Deadline(0.0))[whole] == []


def test_a_plan_looks_for_the_halves_of_a_program_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the programs that a plan may be each is halved once, and within the time of the plan."""
    asked: list[tuple[Program, Deadline]] = []

    def counted(program: Program, known: Any, given: Any, deadline: Deadline) -> Program:
        asked.append((program, deadline))
        return halved(program, known, given, deadline)

    monkeypatch.setattr("tensorgrad_eg.search.halved", counted)
    plan = tg.optimize(tg.hessian(F.sum(F.exp(X @ v)), v), {"b": 5, "p": 7}, symmetric=True, verify=False)
    assert all(sum(other == program for other, _ in asked) == 1 for program, _ in asked)
    assert len(asked) >= 2
    assert all(deadline.seconds == 10.0 for _, deadline in asked)
    assert plan.flops <= min(total_flops(program) for program, _ in asked)


def test_numbers_prove_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where evaluation takes every tensor for symmetric, those are found that the rules show to be so."""
    b = Builder(i=3, j=3)
    A_ = b.variable("A", "ij")
    both, skew = b.add(A_, (A_, "ji")), b.add(A_, (A_, "ji"), factors=[1, -1])
    lone = b.apply("tanh", A_)
    program = b.program(both, skew, b.power(skew, 2), lone)
    found = symmetries(program)
    asked = []

    def every(program: Program, known: object) -> dict[str, list[tuple[int, int]]]:
        asked.append(program)
        return {name: [(0, 1)] for name in found}

    monkeypatch.setattr("tensorgrad_eg.extract.symmetries.likely", every)
    assert symmetries(program) == found
    assert asked == [program]
    assert [bool(found[name]) for name in (both, skew, lone)] == [True, False, False]


def packs(program: Program) -> bool:
    """Whether a program packs something already."""
    return any(step.kind == "pack" for step in program.steps)


UNPACKED = programs().filter(lambda program: not packs(program))


@settings(max_examples=300)
@given(program=UNPACKED)
def test_what_is_proven_symmetric_is(program: Program) -> None:
    """Random arrays confirm every symmetry that was found."""
    found = symmetries(program)
    values = interpret(program, arrays_for(program))
    for out, value in zip(program.outputs, values, strict=True):
        if len(out.edges) == len(out.operand.edges) == len(set(out.operand.edges)):
            for a, b in found[out.operand.tensor]:
                one, two = (out.edges.index(out.operand.edges[axis]) for axis in (a, b))
                np.testing.assert_allclose(value, value.swapaxes(one, two), rtol=1e-6, atol=1e-6)


@settings(max_examples=300)
@given(program=UNPACKED, data=st.data())
def test_any_choice_of_halves_computes_the_same(program: Program, data: st.DataObject) -> None:
    """Whichever steps are computed packed, whether it pays or not, the results do not change."""
    found = symmetries(program)
    choice = {s.name: data.draw(st.sampled_from(list(_options(s, found)))) for s in program.steps}
    changed = _Writer(program, choice).written()
    changed.validate()
    given_ = arrays_for(program)
    for one, two in zip(interpret(program, given_), interpret(changed, given_), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-6, atol=1e-6)


@settings(max_examples=100)
@given(program=programs())
def test_halving_never_costs_more(program: Program) -> None:
    """The pass returns the program itself, or a cheaper one."""
    once = halved(program)
    assert once is program or total_flops(once) < total_flops(program)
    assert halved(once) is once


def test_what_is_worked_along_edges_is_whole() -> None:
    """A softmax over both edges of a symmetric matrix, and its inverse, are not computed from one half."""
    A = Variable("A", i="n", j="n")
    both = A + A.rename(i="j", j="i")
    wanted = [F.softmax(both, "i", "j"), F.inverse(both, "i", "j")]
    data = np.array([[2.0, 0.3, -0.1], [0.2, 1.5, 0.4], [0.1, -0.6, 3.0]])
    total = np.exp(data + data.T)
    for found, right in zip(
        tg.optimize(wanted, {"n": 3}, symmetric=True)(A=data),
        [total / total.sum(), np.linalg.inv(data + data.T)],
        strict=True,
    ):
        np.testing.assert_allclose(found, right, rtol=1e-12)

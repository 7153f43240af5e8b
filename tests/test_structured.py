from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from egraph_values import Values
from hypothesis import given, settings
from hypothesis import strategies as st

import tensorgrad_eg as tg
from tensorgrad_eg import Tensor, Variable
from tensorgrad_eg import functions as F
from tensorgrad_eg.egraph import Dag, Snapshot
from tensorgrad_eg.egraph.derive import Derived
from tensorgrad_eg.egraph.encode import Encoded
from tensorgrad_eg.errors import PlanFileError
from tensorgrad_eg.expr.operations import Payload
from tensorgrad_eg.extract.pieces import pieces
from tensorgrad_eg.plan import Plan
from tensorgrad_eg.program.cost import elements

T, U, V = Variable("T", i="m", j="n"), Variable("U", i="m", a="k"), Variable("V", j="n", a="k")
X, W, Y = Variable("X", ["b", "p"]), Variable("W", ["p", "h"]), Variable("Y", ["b", "h"])
x, A = Variable("x", ["n"]), Variable("A", i="n", j="n")
FACTORISATION = F.frobenius2(T - F.dot(U, V, "a"))
SIZES = {"m": 4, "n": 5, "k": 3, "b": 4, "p": 3, "h": 2}


def planned(wanted: Any, **options: Any) -> Plan:
    """The structured plan, for the sizes of this file as far as they occur."""
    tensors = [wanted] if isinstance(wanted, Tensor) else wanted
    parts = list(tensors.values()) if isinstance(tensors, dict) else tensors
    symbols = {s for e in parts for v in tg.expr.variables([e]).values() for s in v.shape.values()}
    symbols |= {s for e in parts for s in e.shape.values()}
    plan = tg.optimize(wanted, {s: n for s, n in SIZES.items() if s in symbols}, structured=True, **options)
    assert plan.forms is not None
    return plan


def arrays(plan: tg.Plan) -> dict[str, Any]:
    """Random data for every variable."""
    random = np.random.default_rng(0)
    return {v.name: random.standard_normal(tuple(plan.sizes[str(s)] for s in v.sizes)) for v in plan.inputs}


def shown(plan: Plan, n: int = 0) -> str:
    """A form with its tensors called T1, T2, …, unless they are variables."""
    given = {v.name for v in plan.inputs}
    made = [name for name in plan.forms[n].factors if name not in given]
    return str(plan.forms[n].renamed({name: f"T{n}" for n, name in enumerate(made, 1)}))


def test_the_identity_in_a_hessian_is_never_made() -> None:
    """The Hessian of a matrix factorisation is 2 δ VᵀV: one product is paid for, nothing larger is made."""
    plan = tg.optimize(tg.hessian(FACTORISATION, U), {"m": 50, "n": 40, "k": 5}, structured=True)
    assert plan.flops == 2 * 40 * 5 * 5
    assert max(elements(step.edges, plan.program.sizes) for step in plan.steps) == 5 * 5
    v = np.random.default_rng(0).standard_normal((40, 5))
    result = plan(V=v)
    assert str(result) == "2 δ[i,i_] VV[a,a_]"
    assert result.edges == ("i", "a", "i_", "a_")
    np.testing.assert_allclose(result.dense(), 2 * np.einsum("ij,ab->iajb", np.eye(50), v.T @ v))


CASES: dict[str, tuple[Callable[[], Tensor], str]] = {
    "a pointwise Jacobian is diagonal": (lambda: tg.jacobian(F.sin(x), x), "δ[n,n_] T1[n]"),
    "an identity needs no tensor": (lambda: tg.hessian(x @ x, x), "2 δ[n,n_]"),
    "terms that are equal but for names are counted": (
        lambda: tg.hessian(F.frobenius2(U @ U.rename(i="j")), U),
        "4 U[i_,a] U[i,a_] + 4 δ[a,a_] T1[i,i_] + 4 δ[i,i_] T2[a,a_]",
    ),
    "one tensor is read under two names": (
        lambda: tg.jacobian(F.softmax(x, "n"), x),
        "δ[n,n_] T1[n] - T1[n] T1[n_]",
    ),
    "a product with a common edge stays one": (
        lambda: tg.jacobian(F.softmax(X, "p"), X),
        "δ[b,b_] δ[p,p_] T1[b,p] - δ[b,b_] T1[b,p] T1[b,p_]",
    ),
    "a Jacobian of a layer is block-diagonal in the batch": (
        lambda: tg.jacobian(F.tanh(X @ W), X),
        "δ[b,b_] T1[b,h] W[p,h]",
    ),
    "a Hessian of a sum over samples is block-diagonal": (
        lambda: tg.hessian((F.tanh(X @ W) ** 2).sum(), X),
        "δ[b,b_] T1[b,p,p_]",
    ),
    "deltas below a sum over edges come out": (
        lambda: tg.hessian(F.frobenius2(X @ W - Y), W),
        "2 δ[h,h_] T1[p,p_]",
    ),
    "an outer product stays apart": (lambda: x * x.rename(n="k"), "x[n] x[k]"),
    "a sum with a number": (lambda: tg.delta("i", "j", size="n") + 1, "δ[i,j] + 1"),
    "a scalar stays a factor": (lambda: tg.hessian((x @ x) ** 2, x), "8 x[n] x[n_] + 4 δ[n,n_] T1"),
    "nothing peels off": (lambda: X @ W, "T1[b,h]"),
    "an outer product next to a full tensor saves nothing": (
        lambda: A + x.rename(n="i") * x.rename(n="j"),
        "T1[i,j]",
    ),
    "zero has no terms": (lambda: tg.hessian(F.sum(x), x), "0"),
}


@pytest.mark.parametrize("name", CASES)
def test_forms_are_found_and_equal_the_tensor(name: str) -> None:
    """Each kind of structure is found, and multiplied out it is the tensor that the expression means."""
    build, text = CASES[name]
    plan = planned(build())
    assert shown(plan) == text
    assert plan.check().error < 1e-12
    assert plan.check(backend="torch").error < 1e-12


@pytest.mark.parametrize("backend", ["torch", "numpy", "opt_einsum"])
@pytest.mark.parametrize("name", CASES)
def test_the_source_makes_pieces_and_puts_them_together(name: str, backend: str) -> None:
    """The source of a plan has a function for the pieces and one for the full tensor; both run."""
    plan = planned(CASES[name][0]())
    namespace: dict[str, Any] = {}
    exec(plan.code(backend), namespace)
    data = {key: torch.as_tensor(a) if backend == "torch" else a for key, a in arrays(plan).items()}
    found = namespace["plan"](*(data[v.name] for v in plan.inputs if plan.program.readers(v.name)))
    np.testing.assert_allclose(namespace["dense"](*found), plan(**data).dense(), rtol=1e-6)


def test_jax_arrays_give_jax_arrays() -> None:
    """Pieces and the full tensor are of the library of the arguments."""
    jax = pytest.importorskip("jax")
    plan = planned(tg.hessian(FACTORISATION, U))
    result = plan(V=jax.numpy.ones((5, 3)))
    assert isinstance(result.dense(), jax.Array)
    assert isinstance(result.tensors["VV"], jax.Array)


def test_pieces_of_several_results_are_planned_together() -> None:
    """Results come in the structure asked for, and a piece that two of them have is computed once."""
    both = {"U": tg.hessian(FACTORISATION, U), "twice": 2 * tg.hessian(FACTORISATION, U)}
    plan = planned(both)
    assert plan.flops == planned(both["U"]).flops
    results = plan(V=np.ones((5, 3)))
    assert [str(result) for result in results.values()] == ["2 δ[i,i_] VV[a,a_]", "4 δ[i,i_] VV[a,a_]"]
    assert results["U"].tensors["VV"] is results["twice"].tensors["VV"]
    listed = planned(list(both.values()))(V=np.ones((5, 3)))
    np.testing.assert_array_equal(listed[1].dense(), results["twice"].dense())


def test_results_with_the_same_edge_name_and_other_sizes_assemble_together() -> None:
    """An edge name may have another size in another result."""
    plan = planned([tg.hessian(x @ x, x), tg.hessian(FACTORISATION, V).rename(j="n", j_="n_")])
    other = planned([tg.hessian(x @ x, x), tg.hessian(X.sum("p") @ X.sum("p"), X).rename(b="n", b_="n_")])
    for one in (plan, other):
        namespace: dict[str, Any] = {}
        exec(one.code("numpy"), namespace)
        pieces_ = namespace["plan"](*(a for name, a in arrays(one).items() if one.program.readers(name)))
        for made, result in zip(namespace["dense"](*pieces_), one(**arrays(one)), strict=True):
            np.testing.assert_allclose(made, result.dense())


def test_coefficients_are_exact_and_follow_the_sizes() -> None:
    """A mean divides by the size of the batch: the coefficient is that fraction, also after a resize."""
    plan = planned(tg.jacobian(x.mean() * x, x))
    factors = [(term.coefficient, [f.name for f in term.factors]) for term in plan.forms[0].terms]
    assert factors == [(Fraction(1, 5), ["s"]), (Fraction(1, 5), ["x"])]
    again = plan.resize({"n": 3})
    assert again.forms is not None
    assert {term.coefficient for term in again.forms[0].terms} == {Fraction(1, 3)}
    assert again.check().error < 1e-12


def test_irrational_coefficients_are_floats() -> None:
    """A constant that is no fraction is a float in front."""
    plan = planned(tg.delta("i", "j", size="n") * tg.functions.sqrt(tg.expr.Number(Fraction(2))))
    assert plan.forms[0].terms[0].coefficient == 2**0.5
    assert str(plan.forms[0]) == f"{2**0.5!r} δ[i,j]"
    assert tg.Plan.from_json(plan.to_json()).to_json() == plan.to_json()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dense_has_the_dtype_of_the_arguments(dtype: str) -> None:
    """Also where no tensor is left but identities, the result has the arguments' dtype, and device."""
    plan = planned(tg.hessian(x @ x, x))
    assert plan(x=np.ones(5, dtype)).dense().dtype == dtype
    assert plan(x=torch.ones(5, dtype=getattr(torch, dtype))).dense().dtype == getattr(torch, dtype)
    assert plan().dense().tolist() == (2 * np.eye(5)).tolist()


def test_results_show_what_they_are() -> None:
    """A result prints as a formula, says what it stores, and converts to a NumPy array."""
    result = planned(tg.hessian(FACTORISATION, U))(V=torch.ones(5, 3))
    assert repr(result) == ("<Structured: 2 δ[i,i_] VV[a,a_]; shape (4, 3, 4, 3), 9 of 144 entries stored>")
    assert [(t.coefficient, t.deltas, str(t.factors[0])) for t in result.terms] == [
        (2, (("i", "i_"),), "VV[a,a_]")
    ]
    assert np.asarray(result).shape == result.shape == (4, 3, 4, 3)


def test_tables_and_pictures_show_the_pieces() -> None:
    """A structured plan prints its forms above the table of its pieces, and draws its pieces."""
    plan = planned(tg.hessian(FACTORISATION, U))
    assert str(plan).splitlines()[0] == "Form       result[i,a,i_,a_] = 2 δ[i,i_] VV[a,a_]"
    assert "VV" in str(plan.draw())
    assert repr(plan).startswith("<Plan: VV[a,a_] from V; 1 step")


def test_the_derivation_goes_down_to_the_pieces() -> None:
    """A structured plan is explained as far as its own cost."""
    plan = planned(tg.hessian((F.tanh(X @ W) ** 2).sum(), X))
    steps = [step for step in plan.explain() if step.cost_after is not None]
    assert steps[-1].cost_after == plan.flops


def test_a_piece_is_no_view_of_an_argument() -> None:
    """Changing a piece changes no argument."""
    plan = planned(x * x.rename(n="k"))
    data = np.ones(5)
    plan(x=data).tensors["x"][0] = 7
    assert data[0] == 1


def test_structured_plans_survive_files(tmp_path: Any) -> None:
    """A plan from a file gives the same results in the same form."""
    for build, _ in CASES.values():
        plan = planned(build())
        plan.save(tmp_path / "plan.json")
        again = tg.load(tmp_path / "plan.json")
        assert again.forms is not None
        assert (again.forms, again.names, str(again)) == (plan.forms, plan.names, str(plan))
        np.testing.assert_array_equal(again(**arrays(plan)).dense(), plan(**arrays(plan)).dense())


def _first(data: Any) -> Any:
    return data["forms"][0]["terms"][0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: _first(d).update(coefficient="1/0"), r"coefficient: Expected a fraction, such as '-2/3'"),
        (lambda d: _first(d).pop("coefficient"), "a term has one number, a coefficient or a value"),
        (
            lambda d: _first(d)["factors"][0].update(name="W"),
            r"it computes no tensor like the factor W\[a,a_\]",
        ),
        (lambda d: _first(d)["factors"][0].update(edges=["z", "a"]), "other edges than"),
        (lambda d: _first(d)["factors"][0].update(edges=["a"]), r"no tensor like the factor VV\[a\]"),
        (lambda d: _first(d).update(deltas=[["i"]]), r"deltas\[0\]: Expected `array` of length 2"),
        (lambda d: d["forms"][0].update(shape=[4, 3]), "no sizes of the edges"),
        (lambda d: d["forms"][0].update(terms={}), r"forms\[0\]\.terms: Expected `array`, got `object`"),
        (lambda d: d.update(forms=[]), "it has 0 results, not 1"),
    ],
)
def test_damaged_forms_are_refused_with_a_reason(change: Callable[[Any], Any], message: str) -> None:
    """Whatever is wrong with the form in a file, the error says what."""
    data = json.loads(planned(tg.hessian(FACTORISATION, U)).to_json())
    change(data)
    with pytest.raises(PlanFileError, match=message):
        tg.Plan.from_json(json.dumps(data))


EDGES = ("i", "j", "k", "l")


@st.composite
def programs(draw: st.DrawFn) -> Dag:
    """A program of products, sums and multiples of variables and deltas, all edges of one size."""
    dag = Dag()
    pool = [dag.put("variable", ("u", (e,))) for e in EDGES]
    pool += [dag.put("variable", ("M", pair)) for pair in (("i", "j"), ("k", "l"), ("j", "k"))]
    pool += [dag.put("delta", pair) for pair in (("i", "j"), ("j", "k"), ("i", "l"), ("k", "l"))]
    pool += [dag.put("number", Fraction(3))]
    for _ in range(draw(st.integers(1, 8))):
        one, two = (draw(st.sampled_from(pool[-8:] + pool[:4])) for _ in range(2))
        over = draw(st.frozensets(st.sampled_from(EDGES), max_size=2))
        kind = draw(st.sampled_from(["contract", "contract", "add", "scale", "reduce", "apply"]))
        payloads: dict[str, Payload] = {"scale": Fraction(-1, 2), "apply": "tanh", "add": None}
        pool.append(
            dag.put(kind, payloads.get(kind, over), *([one, two] if kind in ("contract", "add") else [one]))
        )
    dag.roots["out0"] = pool[-1]
    return dag


@settings(max_examples=400)
@given(dag=programs())
def test_every_program_is_the_sum_of_its_terms(dag: Dag) -> None:
    """Whatever is taken apart is, put together again, the same tensor, evaluated on random arrays."""
    symbols: dict[str, int | str] = dict.fromkeys((*EDGES, *map(str, range(4))), 3)
    root = dag.roots["out0"]
    labels = tuple((edge, edge) for edge in sorted(dag.free[root]))
    found = pieces(Derived(dag, [Encoded(root, labels)], symbols))
    whole = found.dag
    moved: dict[int, int] = {}
    for at in dag.reachable([root]):
        node = dag.nodes[at]
        moved[at] = whole.put(node.op, node.payload, *(moved[c] for c in node.children), free=dag.free[at])
    terms = []
    for summand in found.outputs[0]:
        total = whole.put("number", summand.coefficient)
        parts = list(summand.constants)
        for name, axes in summand.factors:
            part, old = whole.roots[name], found.axes[name]
            for n, edge in enumerate(old):
                part = whole.put("rename", (edge, f"{n}"), part)
            for n, edge in enumerate(axes):
                part = whole.put("rename", (f"{n}", edge), part)
            parts.append(part)
        for part in [*parts, *(whole.put("delta", pair) for pair in summand.deltas)]:
            total = whole.put("contract", frozenset(), total, part)
        terms.append(total)
    again = whole.put("add", None, whole.put("number", Fraction(0)), *terms)
    free = dict(enumerate(whole.free))
    free[again] = free[moved[root]]
    nodes = {at: [node] for at, node in enumerate(whole.nodes)}
    values = Values(Snapshot(nodes, free, {}, symbols), {"3": 3})
    np.testing.assert_allclose(values.of(again), values.of(moved[root]), rtol=1e-8, atol=1e-6)

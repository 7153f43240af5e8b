"""Q: coupled cluster residuals in spin orbitals, o occupied and v virtual orbitals."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.case import Hand, Problem, Sizes, case, standard_normal
from benchmarks.count import total
from benchmarks.hand.coupled_cluster import PRINTED, STEPS, energy_and_residuals
from benchmarks.models.coupled_cluster import known, residual, summed
from tensorgrad_eg import Tensor
from tensorgrad_eg.expr import variables
from tensorgrad_eg.verify.evaluate import conform

#: 1.652 GFLOP is what the optimiser of pdaggerq reaches at o = 10, v = 40: 1.37 times the factorised
#: form that is derived by hand and valid for plain arrays.
_KNOWN = {"o": 10, "v": 40}
_RIVAL = 1_652_000_000
_BY_HAND = round(_RIVAL / 1.37)


def _problem(sizes: Sizes, wanted: dict[str, Tensor], singles: bool) -> Problem:
    arrays = variables(wanted.values())
    data = standard_normal({name: [sizes[edge[0]] for edge in v.edges] for name, v in arrays.items()})
    known = singles and sizes == _KNOWN
    return Problem(
        wanted,
        data,
        lambda t: {name: summed(name, t, singles) for name in wanted},
        bound=_BY_HAND if known else None,
        anchors={"pdaggerq": _RIVAL} if known else {},
    )


@case("Q", "CCD", [_KNOWN], smoke={"o": 2, "v": 3})
def doubles(sizes: Sizes) -> Problem:
    """The doubles residual without single excitations: 20 terms with permutations."""
    return _problem(sizes, {"doubles": residual("doubles", singles=False)}, False)


@case("Q", "CCSD", [_KNOWN], smoke={"o": 2, "v": 3})
def singles_and_doubles(sizes: Sizes) -> Problem:
    """Energy and both residuals: 93 terms with permutations."""
    return _problem(sizes, {name: residual(name) for name in ("energy", "singles", "doubles")}, True)


@case("Q", "CCSD-antisymmetric", [_KNOWN], smoke={"o": 2, "v": 3})
def antisymmetric(sizes: Sizes) -> Problem:
    """The same for integrals and amplitudes that are antisymmetric, as they are for electrons.

    Compared with the form of Stanton and Gauss; as printed is what it costs with 1/4 τ⟨mn‖ef⟩ in two places.
    """
    plain = singles_and_doubles(sizes)
    facts = [fact for name in sorted(plain.data) for fact in known(name)]
    letters = {**dict.fromkeys("ijmn", sizes["o"]), **dict.fromkeys("abef", sizes["v"])}
    return replace(
        plain,
        data={name: conform(name, array, facts) for name, array in plain.data.items()},
        hand=Hand(energy_and_residuals, STEPS, letters),
        bound=None,
        anchors={"as printed": total([*STEPS, *PRINTED], letters)},
        assume=facts,
    )

"""Q: coupled cluster residuals in spin orbitals, o occupied and v virtual orbitals."""

from __future__ import annotations

from benchmarks.case import Problem, Sizes, case, standard_normal
from benchmarks.models.coupled_cluster import residual, summed
from tensorgrad_eg import Tensor
from tensorgrad_eg.expr import variables

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

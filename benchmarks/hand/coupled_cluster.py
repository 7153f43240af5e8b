"""The factorised equations of CCSD in spin orbitals, for integrals and amplitudes that are antisymmetric.

Source: J. F. Stanton, J. Gauss, J. D. Watts and R. J. Bartlett, "A direct product decomposition approach for
symmetry exploitation in many-body methods. I. Energy calculations", J. Chem. Phys. 94 (1991) 4334. There
1/4 τ⟨mn‖ef⟩ stands in W_mnij and in W_abef; here 1/2 stands in W_mnij alone: the same, and it costs less.
Permutations are additions. Letters: i, j, m, n are occupied, a, b, e, f virtual.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

#: The steps, in the words of `benchmarks.count`; a factor that is not 1 counts the same whatever it is.
STEPS = (
    "contract ai,bj->abij", "add abij,abij,-abij->abij", "add abij,2abij,-2abij->abij",  # τ and τ~
    "contract fn,mnef->me", "add me,me->me",
    "contract me,am->ae", "contract fm,mafe->ae", "contract afmn,mnef->ae", "add ae,-2ae,ae,-2ae->ae",
    "contract ei,me->mi", "contract en,mnei->mi", "contract efin,mnef->mi", "add mi,2mi,-mi,2mi->mi",
    "contract ej,mnei->mnij", "contract efij,mnef->mnij", "add mnij,-mnij,mnij,2mnij->mnij",
    "contract bm,maef->abef", "add abef,abef,-abef->abef",
    "contract fj,mbef->mbej", "contract bn,mnej->mbej", "add 2fbjn,fbjn->fbjn", "contract fbjn,mnef->mbej",
    "add mbej,mbej,-mbej,-mbej->mbej",
    # the energy
    "contract me,em->", "contract mnef,efmn->", "add ,2->",
    # singles
    "contract ei,ae->ai", "contract am,mi->ai", "contract aeim,me->ai", "contract fn,nafi->ai",
    "contract efim,maef->ai", "contract aemn,nmei->ai", "add ai,ai,-ai,ai,ai,-2ai,-2ai->ai",
    # doubles
    "contract bm,me->be", "add be,-2be->be", "contract aeij,be->abij",
    "contract ej,me->mj", "add mj,2mj->mj", "contract abim,mj->abij",
    "contract abmn,mnij->abij", "contract efij,abef->abij",
    "contract aeim,mbej->abij", "contract ei,mbej->mbij", "contract am,mbij->abij", "add abij,-abij->abij",
    "contract ei,abej->abij", "contract am,mbij->abij",
    "add abij,abij,-abij,-abij,abij,2abij,2abij,abij,-abij,-abij,abij,abij,-abij,-abij,abij->abij",
)  # fmt: skip
#: What 1/4 τ⟨mn‖ef⟩ in both W_mnij and W_abef costs more.
PRINTED = ("contract abmn,mnef->abef", "add abef,2abef->abef")

_e = torch.einsum


def energy_and_residuals(t: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The energy and both residuals, by these steps."""
    t1, t2, g = t["t_vo"], t["t_vvoo"], t["g_oovv"]
    tt = _e("ai,bj->abij", t1, t1)
    tau, tilde = t2 + _turned(tt, 0, 1), t2 + _turned(tt, 0, 1) / 2
    f_me = t["f_ov"] + _e("fn,mnef->me", t1, g)
    f_ae = t["f_vv"] - _e("me,am->ae", t["f_ov"], t1) / 2 + _e("fm,mafe->ae", t1, t["g_ovvv"])
    f_ae = f_ae - _e("afmn,mnef->ae", tilde, g) / 2
    f_mi = t["f_oo"] + _e("ei,me->mi", t1, t["f_ov"]) / 2 - _e("en,mnei->mi", t1, t["g_oovo"])
    f_mi = f_mi + _e("efin,mnef->mi", tilde, g) / 2
    w_mnij = t["g_oooo"] - _turned(_e("ej,mnei->mnij", t1, t["g_oovo"]), 2, 3)
    w_mnij = w_mnij + _e("efij,mnef->mnij", tau, g) / 2
    w_abef = t["g_vvvv"] + _turned(_e("bm,maef->abef", t1, t["g_ovvv"]), 0, 1)
    w_mbej = t["g_ovvo"] + _e("fj,mbef->mbej", t1, t["g_ovvv"]) - _e("bn,mnej->mbej", t1, t["g_oovo"])
    w_mbej = w_mbej - _e("fbjn,mnef->mbej", t2 / 2 + tt, g)
    singles = t["f_vo"] + _e("ei,ae->ai", t1, f_ae) - _e("am,mi->ai", t1, f_mi) + _e("aeim,me->ai", t2, f_me)
    singles = singles + _e("fn,nafi->ai", t1, t["g_ovvo"]) - _e("efim,maef->ai", t2, t["g_ovvv"]) / 2
    singles = singles - _e("aemn,nmei->ai", t2, t["g_oovo"]) / 2
    f_be, f_mj = f_ae - _e("bm,me->be", t1, f_me) / 2, f_mi + _e("ej,me->mj", t1, f_me) / 2
    ring = _e("aeim,mbej->abij", t2, w_mbej)
    ring = ring - _e("am,mbij->abij", t1, _e("ei,mbej->mbij", t1, t["g_ovvo"]))
    doubles = t["g_vvoo"] + _turned(_e("aeij,be->abij", t2, f_be), 0, 1)
    doubles = doubles - _turned(_e("abim,mj->abij", t2, f_mj), 2, 3)
    doubles = doubles + _e("abmn,mnij->abij", tau, w_mnij) / 2 + _e("efij,abef->abij", tau, w_abef) / 2
    doubles = doubles + _turned(_turned(ring, 0, 1), 2, 3)
    doubles = doubles + _turned(_e("ei,abej->abij", t1, t["g_vvvo"]), 2, 3)
    doubles = doubles - _turned(_e("am,mbij->abij", t1, t["g_ovoo"]), 0, 1)
    energy = _e("me,em->", t["f_ov"], t1) + _e("mnef,efmn->", g, tau) / 4
    return {"energy": energy, "singles": singles, "doubles": doubles}


def _turned(tensor: torch.Tensor, one: int, other: int) -> torch.Tensor:
    """A tensor less what it is with two axes exchanged."""
    return tensor - tensor.transpose(one, other)

"""The equations of coupled cluster theory in spin orbitals, every term of them.

Source: T. D. Crawford and H. F. Schaefer, "An introduction to coupled cluster theory for computational
chemists", Reviews in Computational Chemistry 14 (2000), equations 134, 152 and 153. Amplitudes are written
with their free edges first, which antisymmetry allows: else a reader of plain arrays sees different tensors
in terms that share one.

>>> len(terms("singles")), len(terms("doubles")), len(terms("doubles", singles=False))
(14, 76, 20)
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import torch

import tensorgrad_eg as tg
from tensorgrad_eg import Tensor, Variable
from tensorgrad_eg.assume import Fact, antisymmetric, symmetric

_OCCUPIED = "ijkl"
_ENERGY = "f[kc] t[ck]; 1/4 g[klcd] t[cdkl]; 1/2 g[klcd] t[ck] t[dl]"
_SINGLES = """
f[ai]; f[ac] t[ci]; -1 f[ki] t[ak]; g[kaci] t[ck]; f[kc] t[acik]; -1/2 g[kacd] t[cdik]; 1/2 g[klci] t[ackl];
-1 f[kc] t[ci] t[ak]; -1 g[klci] t[ck] t[al]; g[kacd] t[ck] t[di]; -1 g[klcd] t[ck] t[di] t[al];
g[klcd] t[ck] t[adil]; 1/2 g[klcd] t[cdik] t[al]; 1/2 g[klcd] t[ackl] t[di]
"""
#: P(ij) and P(ab) stand before what is antisymmetrised.
_DOUBLES = """
g[abij]; P(ab) f[bc] t[acij]; P(ij) -1 f[kj] t[abik]; 1/2 g[klij] t[abkl]; 1/2 g[abcd] t[cdij];
P(ij) P(ab) g[kbcj] t[acik]; P(ij) g[abcj] t[ci]; P(ab) -1 g[kbij] t[ak];
P(ij) P(ab) 1/2 g[klcd] t[acik] t[bdjl]; 1/4 g[klcd] t[cdij] t[abkl]; P(ab) -1/2 g[klcd] t[acij] t[bdkl];
P(ij) -1/2 g[klcd] t[abik] t[cdjl]; P(ab) 1/2 g[klij] t[ak] t[bl]; P(ij) 1/2 g[abcd] t[ci] t[dj];
P(ij) P(ab) g[kbci] t[ak] t[cj]; P(ab) f[kc] t[ak] t[bcij]; P(ij) f[kc] t[ci] t[abjk];
P(ij) g[klci] t[ck] t[abjl]; P(ab) -1 g[kacd] t[ck] t[bdij]; P(ij) P(ab) g[kacd] t[di] t[bcjk];
P(ij) P(ab) -1 g[klci] t[al] t[bcjk]; P(ij) 1/2 g[klcj] t[ci] t[abkl]; P(ab) -1/2 g[kbcd] t[ak] t[cdij];
P(ij) P(ab) -1/2 g[kbcd] t[ci] t[ak] t[dj]; P(ij) P(ab) 1/2 g[klcj] t[ci] t[ak] t[bl];
P(ij) g[klcd] t[ck] t[di] t[abjl]; P(ab) g[klcd] t[ck] t[al] t[bdij]; P(ij) 1/4 g[klcd] t[ci] t[dj] t[abkl];
P(ab) 1/4 g[klcd] t[ak] t[bl] t[cdij]; P(ij) P(ab) -1 g[klcd] t[ci] t[bl] t[adjk];
P(ij) P(ab) 1/4 g[klcd] t[ci] t[ak] t[dj] t[bl]
"""
_EQUATIONS = {"energy": (_ENERGY, ""), "singles": (_SINGLES, "ai"), "doubles": (_DOUBLES, "abij")}

#: A multiple of a product, as an einsum: factors by name, and the edges of each.
Term = tuple[Fraction, list[tuple[str, str]]]


def terms(equation: str, singles: bool = True) -> list[Term]:
    """The terms of an equation, permutations written out; without those of single excitations, if wanted."""
    found = []
    for text in _EQUATIONS[equation][0].split(";"):
        words = text.split()
        swaps = [word[2:4] for word in words if word.startswith("P(")]
        rest = [word for word in words if not word.startswith("P(")]
        number = Fraction(1) if "[" in rest[0] else Fraction(rest.pop(0))
        factors = [(word[0], word[2:-1]) for word in rest]
        if singles or not any(_name(*factor) == "t_vo" for factor in factors):
            found += _permuted([(number, factors)], swaps)
    return found


def _permuted(found: list[Term], swaps: list[str]) -> list[Term]:
    for pair in swaps:
        turn = str.maketrans(pair, pair[::-1])
        found += [(-q, [(name, edges.translate(turn)) for name, edges in factors]) for q, factors in found]
    return found


def _name(letter: str, edges: str) -> str:
    """An array for every kind of integral and amplitude: o are occupied orbitals and v virtual ones."""
    return letter + "_" + "".join("o" if edge in _OCCUPIED else "v" for edge in edges)


def variable(name: str) -> Variable:
    """The array of a name.

    >>> variable("t_vo")
    Variable('t_vo', v0='v', o1='o')
    """
    return Variable(name, {f"{size}{n}": size for n, size in enumerate(name.split("_")[1])})


def known(name: str) -> list[Fact]:
    """What is true of an array: antisymmetry in each pair of edges of a kind, and real integrals.

    >>> print(*known("g_oooo"), sep="; ")
    antisymmetric(g_oooo, o0, o1); antisymmetric(g_oooo, o2, o3); symmetric(g_oooo, o0 o1, o2 o3)
    >>> print(*known("g_ovvo"), *known("t_vo"), sep="; ")
    symmetric(g_ovvo, o0 v1, o3 v2)
    """
    array = variable(name)
    edges, (letter, kinds) = array.edges, name.split("_")
    if len(kinds) != 4:
        return []
    pairs = [pair for pair in ((0, 1), (2, 3)) if kinds[pair[0]] == kinds[pair[1]]]
    found = [antisymmetric(array, edges[one], edges[other]) for one, other in pairs]
    ket = edges[2:] if kinds[:2] == kinds[2:] else edges[:1:-1]
    if letter == "g" and kinds[:2] in (kinds[2:], kinds[:1:-1]):
        found.append(symmetric(array, edges[:2], ket))
    return found


def residual(equation: str, singles: bool = True) -> Tensor:
    """An equation as a sum of its terms, each written down for itself."""
    parts = [
        number * tg.einsum(_einsum(factors, equation), *(variable(_name(*factor)) for factor in factors))
        for number, factors in terms(equation, singles)
    ]
    return sum(parts[1:], start=parts[0])


def _einsum(factors: list[tuple[str, str]], equation: str) -> str:
    return ",".join(edges for _, edges in factors) + "->" + _EQUATIONS[equation][1]


def summed(equation: str, data: Mapping[str, torch.Tensor], singles: bool = True) -> torch.Tensor:
    """The same on arrays, term by term."""
    found = torch.zeros((), dtype=torch.float64)
    for number, factors in terms(equation, singles):
        arrays = [data[_name(*factor)] for factor in factors]
        found = found + float(number) * torch.einsum(_einsum(factors, equation), *arrays)
    return found

"""Arithmetic in a finite field, by which tensors are compared exactly.

Variables are random, functions are random functions: tensors that agree are equal as polynomials of equal
function values (Schwartz, J. ACM 27, 1980), but for a chance of about 2^-60.
"""

from __future__ import annotations

import hashlib
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.uint64]
P = np.uint64(2**31 - 1)
#: Each value is drawn twice, independently, along the first axis: together they have about 62 bits.
LANES = 2


def mix(value: Field, salt: str) -> Field:
    """A random function of the values, one for each salt (the finaliser of splitmix64).

    Example:
        >>> x = np.arange(2, dtype=np.uint64)
        >>> bool((mix(x, "tanh") == mix(x, "tanh")).all()), bool((mix(x, "tanh") == mix(x, "exp")).any())
        (True, False)
    """
    seed = int.from_bytes(hashlib.blake2b(salt.encode(), digest_size=8).digest(), "little")
    x = value + np.uint64(seed)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (x ^ (x >> np.uint64(31))) % P


def variable(name: str, shape: tuple[int, ...]) -> Field:
    """Random entries, the same each time for a name.

    Example:
        >>> variable("A", (3, 3)).shape
        (2, 3, 3)
    """
    count = LANES * int(np.prod(shape, dtype=np.int64))
    return mix(np.arange(count, dtype=np.uint64), f"variable {name}").reshape(LANES, *shape)


def number(value: Fraction) -> Field:
    """A rational number.

    Example:
        >>> int(number(Fraction(1, 2))[0]) * 2 % int(P)
        1
    """
    p = int(P)
    residue = value.numerator * pow(value.denominator, -1, p) % p
    return np.full(LANES, residue, dtype=np.uint64)


def power(value: Field, exponent: Fraction) -> Field:
    """A power, exact where the exponent is whole.

    Example:
        >>> int(power(number(Fraction(5)), Fraction(-1))[0]) * 5 % int(P)
        1
    """
    if exponent.denominator != 1:
        return mix(value, f"power {exponent}")
    result = np.ones_like(value)
    base, left = value, abs(exponent.numerator) * (1 if exponent > 0 else int(P) - 2)
    while left:
        if left & 1:
            result = result * base % P
        base = base * base % P
        left >>= 1
    return result

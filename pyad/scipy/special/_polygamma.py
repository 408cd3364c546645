"""The derivatives of the digamma function at complex numbers, which SciPy has at real ones only.

NIST Digital Library of Mathematical Functions, 5.15.1 and 5.15.6, and for the zeta function 25.11.5, the
Euler-Maclaurin formula.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.polynomial import Polynomial

__all__ = ["complex_polygamma"]

# From here on the asymptotic series below is accurate to rounding.
_FAR = 14
# Bernoulli's numbers B2, B4, ...
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330)


def _hurwitz(s: int, a: np.ndarray) -> np.ndarray:
    """sum((k + a) ** -s) over all k >= 0, for an integer s > 1 and a with a real part of at least 1/2."""
    terms = _FAR + s
    total = sum(((a + k) ** -s for k in range(terms)), np.zeros_like(a))
    far = a + terms
    total += far ** (1 - s) / (s - 1) + 0.5 * far**-s
    for j, b in enumerate(_BERNOULLI, 1):
        rising = math.prod(range(s, s + 2 * j - 1))
        total += b / math.factorial(2 * j) * rising * far ** (1 - s - 2 * j)
    return total


def _cotangent_derivative(n: int, z: np.ndarray) -> np.ndarray:
    """The n-th derivative of cot(pi z), a polynomial in the cotangent."""
    p = Polynomial([0.0, 1.0])
    for _ in range(n):
        p = p.deriv() * Polynomial([-math.pi, 0.0, -math.pi])
    # One period, where the tangent is accurate.
    return p(1.0 / np.tan(math.pi * (z - np.round(z.real))))


def _of_order(n: int, z: np.ndarray) -> np.ndarray:
    left = z.real < 0.5
    value = (-1) ** (n + 1) * math.factorial(n) * _hurwitz(n + 1, np.where(left, 1.0 - z, z))
    if not np.any(left):
        return value
    reflected = (-1) ** n * value - math.pi * _cotangent_derivative(n, np.where(left, z, 0.5))
    return np.where(left, reflected, value)


def complex_polygamma(n: Any, z: Any) -> Any:
    """The n-th derivatives, n > 0, of digamma at z, in the dtype of z."""
    n, wide = np.broadcast_arrays(n, np.asarray(z, complex))
    out = np.empty(wide.shape, complex)
    with np.errstate(all="ignore"):
        for order in np.unique(n):
            chosen = n == order
            out[chosen] = _of_order(int(order), wide[chosen])
    return out.astype(np.asarray(z).dtype)[()]

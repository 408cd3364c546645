"""Functions whose values are complex, of real numbers too: Hankel's and Faddeeva's.

Derivatives: NIST Digital Library of Mathematical Functions, 10.6.1 and 7.10.2.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special as sp

from pyad._ops._nested import operand
from pyad._ops._registry import implements
from pyad._ops.shape import asarray, astype
from pyad.scipy._elementwise import by_parts, shown_at


def _complex_valued(theirs: np.ufunc, shown: str, **partials: Any) -> Callable[..., Any]:
    """An element-wise function whose last argument, the one with a derivative, is made complex."""
    function = by_parts(f"scipy.special.{theirs.__name__}", theirs, **partials)

    def call(*given: Any) -> Any:
        *orders, z = given
        z = asarray(operand(theirs.__name__, z))
        return function(*orders, astype(z, np.result_type(z.dtype, np.complex64)))

    call.__name__ = call.__qualname__ = theirs.__name__
    return implements(theirs)(shown_at(shown, call, partials, complex_valued=True))


def _hankel(theirs: np.ufunc, shown: str, scale: complex) -> Callable[..., Any]:
    """One of Hankel's functions, times exp(scale z)."""

    def slope(y: Any, v: Any, z: Any) -> Any:
        half = 0.5 * (function(v - 1, z) - function(v + 1, z))
        return half + scale * y if scale else half

    function = _complex_valued(theirs, shown, v=None, z=slope)
    return function


hankel1 = _hankel(sp.hankel1, "1, 2.0 -> -0.064472; DLMF 10.6.1", 0)
hankel2 = _hankel(sp.hankel2, "1, 2.0 -> -0.064472; DLMF 10.6.1", 0)
hankel1e = _hankel(sp.hankel1e, "1, 2.0 -> 0.059702; DLMF 10.6.1", -1j)
hankel2e = _hankel(sp.hankel2e, "1, 2.0 -> 0.059702; DLMF 10.6.1", 1j)
wofz = _complex_valued(sp.wofz, "0.5 -> -0.778801; DLMF 7.10.2", z=lambda y, z: 2j / math.sqrt(math.pi) - 2.0 * z * y)

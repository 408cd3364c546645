"""Bessel functions and Airy functions, differentiable in the argument; the order is constant.

Derivatives: NIST Digital Library of Mathematical Functions, 10.6, 10.29, 10.51 and 9.2. Where a recurrence divides by
the argument, the other is taken, so that zero is no exception.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special as sp

from pyad._ops._registry import implements
from pyad._ops.arithmetic import sign
from pyad._ops.comparison import where
from pyad._ops.complex_parts import imag, real
from pyad._trace.array import is_traced
from pyad._trace.promotion import is_complex
from pyad.scipy._elementwise import behind, by_parts, refuse, shown_at, special

# ---- of any order ----


def _half_difference(family: Callable[[], Any]) -> Callable[..., Any]:
    return lambda y, v, x: 0.5 * (family()(v - 1, x) - family()(v + 1, x))


def _half_sum(family: Callable[[], Any]) -> Callable[..., Any]:
    return lambda y, v, x: 0.5 * (family()(v - 1, x) + family()(v + 1, x))


def _scaled(
    theirs: np.ufunc, shown: str, slope: Callable[..., Any], part: Callable[..., Any], **real: Any
) -> Callable[..., Any]:
    """A function times exp(-|part(z)|), which is not holomorphic.

    Of complex numbers it is taken as a function of z and of that part by itself, r; `slope` is the derivative by z
    where r stays. `real`: the partial derivatives of the function of real numbers.
    """
    name = f"scipy.special.{theirs.__name__}"
    of_real = by_parts(name, theirs, **real)
    of_complex = by_parts(name, lambda v, z, r: theirs(v, z), v=None, z=slope, r=lambda y, v, z, r: -sign(r) * y)

    def function(v: Any, z: Any) -> Any:
        return of_complex(v, z, part(z)) if is_complex(z) else of_real(v, z)

    function.__name__ = function.__qualname__ = theirs.__name__
    return implements(theirs)(shown_at(shown, function, real))


def _half_difference_scaled(family: Callable[[], Any]) -> Callable[..., Any]:
    return lambda y, v, z, r: 0.5 * (family()(v - 1, z) - family()(v + 1, z))


jv = special(sp.jv, "1, 2.0 -> -0.064472; DLMF 10.6.1", v=None, z=_half_difference(lambda: jv))
jve = _scaled(
    sp.jve,
    "1, 2.0 -> -0.064472; DLMF 10.6.1",
    _half_difference_scaled(lambda: jve),
    imag,
    v=None,
    z=_half_difference(lambda: jve),
)
yv = special(sp.yv, "1, 2.0 -> 0.563892; DLMF 10.6.1", v=None, z=_half_difference(lambda: yv))
yve = _scaled(
    sp.yve,
    "1, 2.0 -> 0.563892; DLMF 10.6.1",
    _half_difference_scaled(lambda: yve),
    imag,
    v=None,
    z=_half_difference(lambda: yve),
)
yn = special(sp.yn, "1, 2.0 -> 0.563892; DLMF 10.6.1", n=None, x=_half_difference(lambda: yv))
iv = special(sp.iv, "1, 2.0 -> 1.484267; DLMF 10.29.1", v=None, z=_half_sum(lambda: iv))
ive = _scaled(
    sp.ive,
    "1, 2.0 -> -0.014396; DLMF 10.29.1",
    lambda y, v, z, r: 0.5 * (ive(v - 1, z) + ive(v + 1, z)),
    real,
    v=None,
    z=lambda y, v, x: 0.5 * (ive(v - 1, x) + ive(v + 1, x)) - sign(x) * y,
)
kv = special(sp.kv, "1, 2.0 -> -0.183827; DLMF 10.29.1", v=None, z=lambda y, v, x: -0.5 * (kv(v - 1, x) + kv(v + 1, x)))
kve = special(
    sp.kve, "1, 2.0 -> -0.32483; DLMF 10.29.1", v=None, z=lambda y, v, x: y - 0.5 * (kve(v - 1, x) + kve(v + 1, x))
)
kn = special(sp.kn, "1, 2.0 -> -0.183827; DLMF 10.29.1", n=None, x=lambda y, v, x: -0.5 * (kv(v - 1, x) + kv(v + 1, x)))

# ---- of order 0 and 1 ----

j0 = special(sp.j0, "2.0 -> -0.576725; DLMF 10.6.3", x=lambda y, x: -j1(x))
j1 = special(sp.j1, "2.0 -> -0.064472; DLMF 10.6.1", x=lambda y, x: 0.5 * (j0(x) - jv(2, x)))
y0 = special(sp.y0, "2.0 -> 0.107032; DLMF 10.6.3", x=lambda y, x: -y1(x))
y1 = special(sp.y1, "2.0 -> 0.563892; DLMF 10.6.1", x=lambda y, x: 0.5 * (y0(x) - yv(2, x)))
i0 = special(sp.i0, "2.0 -> 1.590637; DLMF 10.29.3", x=lambda y, x: i1(x))
i1 = special(sp.i1, "2.0 -> 1.484267; DLMF 10.29.1", x=lambda y, x: 0.5 * (i0(x) + iv(2, x)))
i0e = special(sp.i0e, "2.0 -> -0.093239; DLMF 10.29.3", x=lambda y, x: i1e(x) - sign(x) * y)
i1e = special(sp.i1e, "2.0 -> -0.014396; DLMF 10.29.1", x=lambda y, x: 0.5 * (i0e(x) + ive(2, x)) - sign(x) * y)
k0 = special(sp.k0, "2.0 -> -0.139866; DLMF 10.29.3", x=lambda y, x: -k1(x))
k1 = special(sp.k1, "2.0 -> -0.183827; DLMF 10.29.1", x=lambda y, x: -0.5 * (k0(x) + kv(2, x)))
k0e = special(sp.k0e, "2.0 -> -0.191909; DLMF 10.29.3", x=lambda y, x: y - k1e(x))
k1e = special(sp.k1e, "2.0 -> -0.32483; DLMF 10.29.1", x=lambda y, x: y - 0.5 * (k0e(x) + kve(2, x)))

# ---- spherical ----


def _spherical(theirs: Callable[..., Any], shown: str, below: float, above: float) -> Callable[..., Any]:
    """One of the four, whose derivative is (below n f[n - 1] + above (n + 1) f[n + 1]) / (2 n + 1)."""
    name = f"scipy.special.{theirs.__name__}"

    def slope(y: Any, n: Any, x: Any) -> Any:
        n = np.asarray(n)
        first = below * n / (2 * n + 1)
        second = above * (n + 1) / (2 * n + 1)
        # Arrays of float64 would widen float32.
        dtype = x.dtype
        lower = f(np.maximum(n - 1, 0), x)
        term = where(n > 0, first.astype(dtype) * lower, 0.0)
        return term + second.astype(dtype) * f(n + 1, x)

    f = by_parts(name, theirs, n=None, z=slope)

    def function(n: Any, z: Any, derivative: bool = False) -> Any:
        if is_traced(n):
            raise refuse(name, "n")
        return slope(None, n, z) if derivative else f(n, z)

    behind(f"_{theirs.__name__}", f)
    behind(f"_{theirs.__name__}_d", lambda n, z: slope(None, n, z))
    function.__name__ = function.__qualname__ = theirs.__name__
    return implements(theirs)(shown_at(shown, function, {"n": None, "z": slope}))


spherical_jn = _spherical(sp.spherical_jn, "1, 2.0 -> 0.019251; DLMF 10.51.2", 1.0, -1.0)
spherical_yn = _spherical(sp.spherical_yn, "1, 2.0 -> 0.558685; DLMF 10.51.2", 1.0, -1.0)
spherical_in = _spherical(sp.spherical_in, "1, 2.0 -> 0.839047; DLMF 10.51.5", 1.0, 1.0)
spherical_kn = _spherical(sp.spherical_kn, "1, 2.0 -> -0.26573; DLMF 10.51.5", -1.0, -1.0)

# ---- Airy ----

_ai = by_parts("scipy.special.airy", lambda x: sp.airy(x)[0], z=lambda y, x: _ai_slope(x))
_ai_slope = by_parts("scipy.special.airy", lambda x: sp.airy(x)[1], z=lambda y, x: x * _ai(x))
_bi = by_parts("scipy.special.airy", lambda x: sp.airy(x)[2], z=lambda y, x: _bi_slope(x))
_bi_slope = by_parts("scipy.special.airy", lambda x: sp.airy(x)[3], z=lambda y, x: x * _bi(x))


@implements(sp.airy)
def airy(z: Any) -> tuple[Any, Any, Any, Any]:
    """Ai, Ai', Bi and Bi' (DLMF 9.2).

    >>> from pyad.scipy import special
    >>> pyad.grad(lambda x: special.airy(x)[0])(1.0).round(6)
    np.float64(-0.159147)
    """
    return _ai(z), _ai_slope(z), _bi(z), _bi_slope(z)

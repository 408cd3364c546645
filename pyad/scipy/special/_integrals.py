"""Exponential, trigonometric and Fresnel integrals: the derivative is the integrand. Elliptic integrals and
hypergeometric functions: the derivative has shifted parameters (NIST Digital Library of Mathematical Functions, 15.5,
13.3, 8.19, 19.5)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special as sp

from pyad._ops._registry import implements
from pyad._ops.comparison import where
from pyad._ops.explog_trig import cos, cosh, exp, sin
from pyad._trace.numpy_op import numpy_op
from pyad.scipy._elementwise import by_parts, special

expi = special(sp.expi, "1.0 -> 2.718282; DLMF 6.2.5", x=lambda y, x: exp(x) / x)
exp1 = special(sp.exp1, "1.0 -> -0.367879; DLMF 6.2.1", z=lambda y, x: -(exp(-x) / x))


def _expn_slope(y: Any, n: Any, x: Any) -> Any:
    n = np.asarray(n)
    zeroth = exp(-x) * ((1.0 + 1.0 / x) / x)
    return -where(n > 0, expn(np.maximum(n - 1, 0), x), zeroth)


expn = special(sp.expn, "2, 1.0 -> -0.219384; DLMF 8.19.13", n=None, x=_expn_slope)


def _over_argument(name: str, derivative: Any, sign: int) -> Any:
    """sin(x) / x, or sinh(x) / x, with derivatives of every order, also at 0.

    With f(x) = g(x) / x the derivatives of g are x f^(k) + k f^(k-1), from which f^(k) follows where x is not small;
    there the power series of f is differentiated term by term. `sign`: -1 where its terms alternate, else 1.
    """

    def reference(x: Any, order: int) -> Any:
        wide = np.asarray(x, complex if np.iscomplexobj(x) else float)
        small = np.abs(wide) < order + 1.0
        near, far = np.where(small, wide, 0.0), np.where(small, order + 1.0, wide)
        series = np.zeros_like(wide)
        for n in range((order + 1) // 2, 30 + order):
            power = 2 * n - order
            series += sign**n / ((2 * n + 1) * math.gamma(power + 1.0)) * near**power
        with np.errstate(over="ignore", invalid="ignore"):
            value = derivative(far, 0) / far
            for k in range(1, order + 1):
                value = (derivative(far, k) - k * value) / far
        return np.where(small, series, value).astype(np.asarray(x).dtype)[()]

    op = numpy_op(
        name,
        reference,
        lambda s, y, x, order: (s * op(x, order=order + 1),),
        lambda tangents, y, x, order: tangents[0] * op(x, order=order + 1),
    )
    return op


_sin_over = _over_argument("sin(x) / x", lambda x, k: np.sin(x + k * (np.pi / 2)), -1)
_sinh_over = _over_argument("sinh(x) / x", lambda x, k: np.cosh(x) if k % 2 else np.sinh(x), 1)


_si = by_parts("scipy.special.sici", lambda x: sp.sici(x)[0], x=lambda y, x: _sin_over(x, order=0))
_ci = by_parts("scipy.special.sici", lambda x: sp.sici(x)[1], x=lambda y, x: cos(x) / x)
_shi = by_parts("scipy.special.shichi", lambda x: sp.shichi(x)[0], x=lambda y, x: _sinh_over(x, order=0))
_chi = by_parts("scipy.special.shichi", lambda x: sp.shichi(x)[1], x=lambda y, x: cosh(x) / x)
_fresnel_s = by_parts("scipy.special.fresnel", lambda x: sp.fresnel(x)[0], z=lambda y, x: sin(0.5 * math.pi * (x * x)))
_fresnel_c = by_parts("scipy.special.fresnel", lambda x: sp.fresnel(x)[1], z=lambda y, x: cos(0.5 * math.pi * (x * x)))


@implements(sp.sici)
def sici(x: Any) -> tuple[Any, Any]:
    """The sine and the cosine integral (DLMF 6.2.9).

    >>> from pyad.scipy import special
    >>> pyad.grad(lambda x: special.sici(x)[0])(1.0).round(6)
    np.float64(0.841471)
    """
    return _si(x), _ci(x)


@implements(sp.shichi)
def shichi(x: Any) -> tuple[Any, Any]:
    """The hyperbolic sine and cosine integral (DLMF 6.2.15).

    >>> from pyad.scipy import special
    >>> pyad.grad(lambda x: special.shichi(x)[0])(1.0).round(6)
    np.float64(1.175201)
    """
    return _shi(x), _chi(x)


@implements(sp.fresnel)
def fresnel(z: Any) -> tuple[Any, Any]:
    """Fresnel's integrals S and C (DLMF 7.2.8).

    >>> from pyad.scipy import special
    >>> pyad.grad(lambda z: special.fresnel(z)[0])(1.0).round(6)
    np.float64(1.0)
    """
    return _fresnel_s(z), _fresnel_c(z)


hyp2f1 = special(
    sp.hyp2f1,
    "1, 1, 2, 0.5 -> 1.227411; DLMF 15.5.1",
    a=None,
    b=None,
    c=None,
    z=lambda y, a, b, c, z: (a * b / c) * hyp2f1(a + 1.0, b + 1.0, c + 1.0, z),
)
hyp1f1 = special(
    sp.hyp1f1,
    "1, 2, 0.5 -> 0.702557; DLMF 13.3.15",
    a=None,
    b=None,
    x=lambda y, a, b, x: (a / b) * hyp1f1(a + 1.0, b + 1.0, x),
)
hyp0f1 = special(sp.hyp0f1, "1, 0.5 -> 1.271723; DLMF 16.3.1", v=None, z=lambda y, v, z: hyp0f1(v + 1.0, z) / v)
hyperu = special(
    sp.hyperu,
    "1, 2, 0.5 -> -4.0; DLMF 13.3.22",
    a=None,
    b=None,
    x=lambda y, a, b, x: -a * hyperu(a + 1.0, b + 1.0, x),
)

# As K = (pi / 2) F(1/2, 1/2; 1; m) and E = (pi / 2) F(-1/2, 1/2; 1; m): no difference of K and E, so no loss near 0.
ellipk = special(sp.ellipk, "0.5 -> 0.847213; DLMF 19.4.1", m=lambda y, m: (math.pi / 8.0) * hyp2f1(1.5, 1.5, 2.0, m))
ellipe = special(sp.ellipe, "0.5 -> -0.503431; DLMF 19.4.2", m=lambda y, m: (-math.pi / 8.0) * hyp2f1(0.5, 1.5, 2.0, m))

"""The gamma function and its relatives. Derivatives: NIST Digital Library of Mathematical Functions, chapter 5."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special as sp

from pyad._ops._nested import operand
from pyad._ops._registry import implements
from pyad._ops.comparison import where
from pyad._ops.explog_trig import cos, sin
from pyad._trace.array import is_traced
from pyad._trace.promotion import is_complex
from pyad._trace.recorded_call import computed, detached
from pyad.scipy._elementwise import behind, by_parts, refuse, special
from pyad.scipy.special._polygamma import complex_polygamma


@implements(sp.gammasgn)
def gammasgn(x: Any) -> Any:
    """The sign of the gamma function, which is constant.

    >>> from pyad.scipy import special
    >>> pyad.grad(lambda x: x * special.gammasgn(x))(-0.5)
    np.float64(-1.0)
    """
    return computed(sp.gammasgn, x)


def _polygamma(n: Any, x: Any) -> Any:
    if np.iscomplexobj(x):
        return complex_polygamma(n, x)
    return np.asarray(sp.polygamma(n, x), getattr(x, "dtype", None))[()]


_polygamma_by_parts = by_parts(
    "scipy.special.polygamma", _polygamma, n=None, x=lambda y, n, x: _polygamma_by_parts(n + 1, x)
)
# float32 stays float32 here, where scipy.special.polygamma gives float64.
_trigamma = by_parts("trigamma", lambda x: _polygamma(1, x), x=lambda y, x: _polygamma_by_parts(2, x))

digamma = special(sp.psi, "2.0 -> 0.644934; DLMF 5.15", z=lambda y, x: _trigamma(x))
gammaln = special(sp.gammaln, "3.0 -> 0.922784; DLMF 5.2.2", x=lambda y, x: digamma(x))
loggamma = special(sp.loggamma, "3.0 -> 0.922784; DLMF 5.2.2", z=lambda y, x: digamma(x))
gamma = special(sp.gamma, "3.0 -> 1.845569; DLMF 5.2.2", z=lambda y, x: y * digamma(x))


def _rgamma_slope(y: Any, x: Any) -> Any:
    """By reflection below 1/2, where digamma has its poles and rgamma its zeros: 1 / gamma(x) = gamma(1 - x) sin(pi x)
    / pi."""
    left = where(detached(x) < 0.5, x, 0.0)
    right = where(detached(x) < 0.5, 1.0, x)
    angle = math.pi * left
    reflected = gamma(1.0 - left) * (cos(angle) - digamma(1.0 - left) * sin(angle) * (1.0 / math.pi))
    return where(detached(x) < 0.5, reflected, -rgamma(right) * digamma(right))


rgamma = special(sp.rgamma, "3.0 -> -0.461392; DLMF 5.2.2", z=_rgamma_slope)


@implements(sp.polygamma)
def polygamma(n: Any, x: Any) -> Any:
    """The n-th derivative of digamma; n is constant (DLMF 5.15).

    Raises:
        TypeError: x is complex.
        UnsupportedError: n is traced.

    >>> from pyad.scipy import special
    >>> pyad.grad(special.polygamma, 1)(1, 2.0).round(6)
    np.float64(-0.404114)
    """
    if is_traced(n):
        raise refuse("scipy.special.polygamma", "n")
    if is_complex(x):
        raise TypeError("polygamma: x is complex; as in SciPy it is defined for real numbers only")
    return digamma(x) if type(n) is int and n == 0 else _polygamma_by_parts(n, x)


@implements(sp.multigammaln)
def multigammaln(a: Any, d: Any) -> Any:
    """The logarithm of the gamma function of dimension d, an integer (DLMF 35.3.4).

    Raises:
        ValueError: a is not above (d - 1) / 2.

    >>> from pyad.scipy import special
    >>> pyad.grad(special.multigammaln)(3.0, 2).round(6)
    np.float64(1.625941)
    """
    if computed(lambda a: bool(np.any(a <= 0.5 * (d - 1))), a):
        raise ValueError(f"multigammaln: a must be larger than (d - 1) / 2 = {0.5 * (d - 1)}, and is not everywhere")
    total = d * (d - 1) * 0.25 * math.log(math.pi)
    for j in range(d):
        total = total + gammaln(a - 0.5 * j)
    return total


poch = special(
    sp.poch,
    "2.0, 1.5 -> 2.26111..., 3.66617...; DLMF 5.2.5",
    z=lambda y, z, m: y * (digamma(z + m) - digamma(z)),
    m=lambda y, z, m: y * digamma(z + m),
)
beta = special(
    sp.beta,
    "2.0, 3.0 -> -0.0902777..., -0.0486111...; DLMF 5.12.1",
    a=lambda y, a, b: y * (digamma(a) - digamma(a + b)),
    b=lambda y, a, b: y * (digamma(b) - digamma(a + b)),
)
betaln = special(
    sp.betaln,
    "2.0, 3.0 -> -1.08333..., -0.583333...; DLMF 5.12.1",
    a=lambda y, a, b: digamma(a) - digamma(a + b),
    b=lambda y, a, b: digamma(b) - digamma(a + b),
)
binom = special(
    sp.binom,
    "5.5, 2.5 -> 7.74995..., 2.20837...; DLMF 1.2.6",
    x=lambda y, n, k: y * (digamma(n + 1.0) - digamma(n - k + 1.0)),
    y=lambda y, n, k: y * (digamma(n - k + 1.0) - digamma(k + 1.0)),
)


@implements(sp.comb)
def comb(N: Any, k: Any, *, exact: bool = False, repetition: bool = False) -> Any:
    """The number of ways to choose k of N, for real arguments; 0 where k > N or one of them is negative.

    Raises:
        ValueError: `exact` with a traced argument.

    >>> from pyad.scipy import special
    >>> pyad.grad(special.comb)(5.0, 2.0).round(6)
    np.float64(4.5)
    """
    if exact:
        raise ValueError("comb: exact=True is for integers, and a traced value is real")
    N, k = operand("comb", N), operand("comb", k)
    if repetition:
        N = N + k - 1.0
        inside = np.full(np.broadcast_shapes(np.shape(N), np.shape(k)), True)
    else:
        inside = (detached(k) <= detached(N)) & (detached(N) >= 0) & (detached(k) >= 0)
    return where(inside, binom(where(inside, N, 1.0), where(inside, k, 1.0)), 0.0)


@implements(sp.factorial)
def factorial(n: Any, exact: bool = False, extend: str = "zero") -> Any:
    """gamma(n + 1) for real n >= 0; 0 below.

    Raises:
        ValueError: `exact`, or another `extend` than "zero", with a traced argument.

    >>> from pyad.scipy import special
    >>> pyad.grad(special.factorial)(3.0).round(6)
    np.float64(7.536706)
    """
    if exact or extend != "zero":
        raise ValueError("factorial: a traced value is real: exact must be False, and extend 'zero'")
    n = operand("factorial", n)
    inside = ~(detached(n) < 0)
    return where(inside, gamma(where(inside, n, 0.0) + 1.0), 0.0)


def _zeta_by_shift(y: Any, s: Any, q: Any) -> Any:
    return -s * _hurwitz(s + 1.0, q)


_hurwitz = by_parts("scipy.special.zeta", sp.zeta, x=None, q=_zeta_by_shift)


@implements(sp.zeta)
def zeta(x: Any, q: Any = None, out: Any = None) -> Any:
    """Hurwitz' zeta function sum((k + q) ** -x), differentiable in q (DLMF 25.11.17).

    Raises:
        UnsupportedError: x is traced.

    >>> from pyad.scipy import special
    >>> pyad.grad(special.zeta, 1)(2.0, 1.0).round(6)
    np.float64(-2.404114)
    """
    if out is not None:
        raise TypeError("zeta: out= with a traced value would write it into a plain array; use the returned array")
    if is_traced(x):
        raise refuse("scipy.special.zeta", "x")
    return _hurwitz(x, q)


behind("_zeta", _hurwitz)

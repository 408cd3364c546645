"""The gamma function and its relatives. Derivatives: NIST Digital Library of Mathematical Functions, chapter 5."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special as sp

from pyad._ops import arithmetic as el
from pyad._ops._calls import operand
from pyad._ops._registry import implements
from pyad._trace.array import is_traced
from pyad._trace.promotion import is_complex
from pyad._trace.recorded_call import computed, detached
from pyad.scipy._elementwise import behind, by_parts, refuse, special
from pyad.scipy.special._polygamma import complex_polygamma


@implements(sp.gammasgn)
def gammasgn(x: Any) -> Any:
    """The sign of the gamma function, which is constant."""
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

digamma = special(sp.psi, z=lambda y, x: _trigamma(x))
gammaln = special(sp.gammaln, x=lambda y, x: digamma(x))
loggamma = special(sp.loggamma, z=lambda y, x: digamma(x))
gamma = special(sp.gamma, z=lambda y, x: y * digamma(x))


def _rgamma_slope(y: Any, x: Any) -> Any:
    """By reflection below 1/2, where digamma has its poles and rgamma its zeros: 1 / gamma(x) = gamma(1 - x) sin(pi x)
    / pi."""
    left = el.where(detached(x) < 0.5, x, 0.0)
    right = el.where(detached(x) < 0.5, 1.0, x)
    angle = math.pi * left
    reflected = gamma(1.0 - left) * (el.cos(angle) - digamma(1.0 - left) * el.sin(angle) * (1.0 / math.pi))
    return el.where(detached(x) < 0.5, reflected, -rgamma(right) * digamma(right))


rgamma = special(sp.rgamma, z=_rgamma_slope)


@implements(sp.polygamma)
def polygamma(n: Any, x: Any) -> Any:
    """The n-th derivative of digamma; n is constant."""
    if is_traced(n):
        raise refuse("scipy.special.polygamma", "n")
    if is_complex(x):
        raise TypeError("polygamma: x is complex; as in SciPy it is defined for real numbers only")
    return digamma(x) if type(n) is int and n == 0 else _polygamma_by_parts(n, x)


@implements(sp.multigammaln)
def multigammaln(a: Any, d: Any) -> Any:
    """The logarithm of the gamma function of dimension d, an integer."""
    if computed(lambda a: bool(np.any(a <= 0.5 * (d - 1))), a):
        raise ValueError(f"multigammaln: a must be larger than (d - 1) / 2 = {0.5 * (d - 1)}, and is not everywhere")
    total = d * (d - 1) * 0.25 * math.log(math.pi)
    for j in range(d):
        total = total + gammaln(a - 0.5 * j)
    return total


poch = special(sp.poch, z=lambda y, z, m: y * (digamma(z + m) - digamma(z)), m=lambda y, z, m: y * digamma(z + m))
beta = special(
    sp.beta,
    a=lambda y, a, b: y * (digamma(a) - digamma(a + b)),
    b=lambda y, a, b: y * (digamma(b) - digamma(a + b)),
)
betaln = special(
    sp.betaln, a=lambda y, a, b: digamma(a) - digamma(a + b), b=lambda y, a, b: digamma(b) - digamma(a + b)
)
binom = special(
    sp.binom,
    x=lambda y, n, k: y * (digamma(n + 1.0) - digamma(n - k + 1.0)),
    y=lambda y, n, k: y * (digamma(n - k + 1.0) - digamma(k + 1.0)),
)


@implements(sp.comb)
def comb(N: Any, k: Any, *, exact: bool = False, repetition: bool = False) -> Any:
    """The number of ways to choose k of N, for real arguments; 0 where k > N or one of them is negative."""
    if exact:
        raise ValueError("comb: exact=True is for integers, and a traced value is real")
    N, k = operand("comb", N), operand("comb", k)
    if repetition:
        N = N + k - 1.0
        inside = np.full(np.broadcast_shapes(np.shape(N), np.shape(k)), True)
    else:
        inside = (detached(k) <= detached(N)) & (detached(N) >= 0) & (detached(k) >= 0)
    return el.where(inside, binom(el.where(inside, N, 1.0), el.where(inside, k, 1.0)), 0.0)


@implements(sp.factorial)
def factorial(n: Any, exact: bool = False, extend: str = "zero") -> Any:
    """gamma(n + 1) for real n >= 0; 0 below."""
    if exact or extend != "zero":
        raise ValueError("factorial: a traced value is real: exact must be False, and extend 'zero'")
    n = operand("factorial", n)
    inside = ~(detached(n) < 0)
    return el.where(inside, gamma(el.where(inside, n, 0.0) + 1.0), 0.0)


def _zeta_by_shift(y: Any, s: Any, q: Any) -> Any:
    return -s * _hurwitz(s + 1.0, q)


_hurwitz = by_parts("scipy.special.zeta", sp.zeta, x=None, q=_zeta_by_shift)


@implements(sp.zeta)
def zeta(x: Any, q: Any = None, out: Any = None) -> Any:
    """Hurwitz' zeta function sum((k + q) ** -x), differentiable in q."""
    if out is not None:
        raise TypeError("zeta: out= with a traced value would write it into a plain array; use the returned array")
    if is_traced(x):
        raise refuse("scipy.special.zeta", "x")
    return _hurwitz(x, q)


behind("_zeta", _hurwitz)

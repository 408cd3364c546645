"""Continuous distributions of location and scale.

Formulas: Johnson, Kotz and Balakrishnan, Continuous univariate distributions, 1994 and 1995.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyad._ops import arithmetic as el
from pyad._trace.recorded_call import detached, may_hold
from pyad.scipy import special as sp
from pyad.scipy.stats._distribution import Continuous

_EULER = float(np.euler_gamma)
_LOG_ROOT_TWO_PI = 0.5 * math.log(2.0 * math.pi)
_ROOT_HALF = math.sqrt(0.5)
_HALF_LINE = (0.0, np.inf)


def _normal_logpdf(z: Any) -> Any:
    return -0.5 * (z * z) - _LOG_ROOT_TWO_PI


# ---- without shape parameters ----

norm = Continuous(
    "norm",
    logpdf=_normal_logpdf,
    cdf=sp.ndtr,
    sf=lambda z: sp.ndtr(-z),
    logcdf=sp.log_ndtr,
    logsf=lambda z: sp.log_ndtr(-z),
    ppf=sp.ndtri,
    isf=lambda q: -sp.ndtri(q),
    entropy=lambda: 0.5 + _LOG_ROOT_TWO_PI,
)
halfnorm = Continuous(
    "halfnorm",
    support=_HALF_LINE,
    logpdf=lambda z: 0.5 * math.log(2.0 / math.pi) - 0.5 * (z * z),
    cdf=lambda z: sp.erf(z * _ROOT_HALF),
    sf=lambda z: sp.erfc(z * _ROOT_HALF),
    logsf=lambda z: math.log(2.0) + sp.log_ndtr(-z),
    ppf=lambda q: sp.ndtri(0.5 + 0.5 * q),
    isf=lambda q: -sp.ndtri(0.5 * q),
    entropy=lambda: 0.5 * math.log(0.5 * math.pi) + 0.5,
)
expon = Continuous(
    "expon",
    support=_HALF_LINE,
    logpdf=lambda z: -z,
    cdf=lambda z: -el.expm1(-z),
    sf=lambda z: el.exp(-z),
    logsf=lambda z: -z,
    ppf=lambda q: -el.log1p(-q),
    isf=lambda q: -el.log(q),
    entropy=lambda: 1.0,
)
uniform = Continuous(
    "uniform",
    support=(0.0, 1.0),
    logpdf=lambda z: 0.0 * z,
    cdf=lambda z: z,
    sf=lambda z: 1.0 - z,
    logsf=lambda z: el.log1p(-z),
    ppf=lambda q: q,
    entropy=lambda: 0.0,
)
rayleigh = Continuous(
    "rayleigh",
    support=_HALF_LINE,
    open_below=True,
    logpdf=lambda z: el.log(z) - 0.5 * (z * z),
    cdf=lambda z: -el.expm1(-0.5 * (z * z)),
    sf=lambda z: el.exp(-0.5 * (z * z)),
    logsf=lambda z: -0.5 * (z * z),
    ppf=lambda q: el.sqrt(-2.0 * el.log1p(-q)),
    isf=lambda q: el.sqrt(-2.0 * el.log(q)),
    entropy=lambda: 1.0 + 0.5 * _EULER - 0.5 * math.log(2.0),
)


def _laplace_logcdf(z: Any) -> Any:
    right = detached(z) > 0
    return el.where(right, el.log1p(-0.5 * el.exp(-el.absolute(z))), z - math.log(2.0))


def _laplace_cdf(z: Any) -> Any:
    half = 0.5 * el.exp(-el.absolute(z))
    return el.where(detached(z) > 0, 1.0 - half, half)


def _laplace_ppf(q: Any) -> Any:
    upper = detached(q) > 0.5
    return el.where(upper, -el.log(2.0 * (1.0 - q)), el.log(2.0 * q))


laplace = Continuous(
    "laplace",
    logpdf=lambda z: -math.log(2.0) - el.absolute(z),
    cdf=_laplace_cdf,
    sf=lambda z: _laplace_cdf(-z),
    logcdf=_laplace_logcdf,
    logsf=lambda z: _laplace_logcdf(-z),
    ppf=_laplace_ppf,
    isf=lambda q: -_laplace_ppf(q),
    entropy=lambda: 1.0 + math.log(2.0),
)
logistic = Continuous(
    "logistic",
    logpdf=lambda z: sp.log_expit(z) + sp.log_expit(-z),
    cdf=sp.expit,
    sf=lambda z: sp.expit(-z),
    logcdf=sp.log_expit,
    logsf=lambda z: sp.log_expit(-z),
    ppf=sp.logit,
    isf=lambda q: -sp.logit(q),
    entropy=lambda: 2.0,
)
cauchy = Continuous(
    "cauchy",
    logpdf=lambda z: -math.log(math.pi) - el.log1p(z * z),
    cdf=lambda z: el.arctan2(1.0, -z) * (1.0 / math.pi),
    sf=lambda z: el.arctan2(1.0, z) * (1.0 / math.pi),
    ppf=lambda q: -1.0 / el.tan(math.pi * q),
    isf=lambda q: 1.0 / el.tan(math.pi * q),
    entropy=lambda: math.log(4.0 * math.pi),
)
gumbel_r = Continuous(
    "gumbel_r",
    logpdf=lambda z: -z - el.exp(-z),
    cdf=lambda z: el.exp(-el.exp(-z)),
    sf=lambda z: -el.expm1(-el.exp(-z)),
    logcdf=lambda z: -el.exp(-z),
    ppf=lambda q: -el.log(-el.log(q)),
    isf=lambda q: -el.log(-el.log1p(-q)),
    entropy=lambda: _EULER + 1.0,
)
gumbel_l = Continuous(
    "gumbel_l",
    logpdf=lambda z: z - el.exp(z),
    cdf=lambda z: -el.expm1(-el.exp(z)),
    sf=lambda z: el.exp(-el.exp(z)),
    logsf=lambda z: -el.exp(z),
    ppf=lambda q: el.log(-el.log1p(-q)),
    isf=lambda q: el.log(-el.log(q)),
    entropy=lambda: _EULER + 1.0,
)

# ---- with shape parameters ----

lognorm = Continuous(
    "lognorm",
    ("s",),
    support=_HALF_LINE,
    open_below=True,
    logpdf=lambda z, s: _normal_logpdf(el.log(z) / s) - el.log(s * z),
    cdf=lambda z, s: sp.ndtr(el.log(z) / s),
    sf=lambda z, s: sp.ndtr(-el.log(z) / s),
    logcdf=lambda z, s: sp.log_ndtr(el.log(z) / s),
    logsf=lambda z, s: sp.log_ndtr(-el.log(z) / s),
    ppf=lambda q, s: el.exp(s * sp.ndtri(q)),
    isf=lambda q, s: el.exp(-s * sp.ndtri(q)),
    entropy=lambda s: 0.5 + _LOG_ROOT_TWO_PI + el.log(s),
)
weibull_min = Continuous(
    "weibull_min",
    ("c",),
    support=_HALF_LINE,
    logpdf=lambda z, c: el.log(c) + sp.xlogy(c - 1.0, z) - el.power(z, c),
    cdf=lambda z, c: -el.expm1(-el.power(z, c)),
    sf=lambda z, c: el.exp(-el.power(z, c)),
    logsf=lambda z, c: -el.power(z, c),
    ppf=lambda q, c: el.power(-el.log1p(-q), 1.0 / c),
    isf=lambda q, c: el.power(-el.log(q), 1.0 / c),
    entropy=lambda c: _EULER + 1.0 - _EULER / c - el.log(c),
)
pareto = Continuous(
    "pareto",
    ("b",),
    support=(1.0, np.inf),
    inner=2.0,
    logpdf=lambda z, b: el.log(b) - (b + 1.0) * el.log(z),
    cdf=lambda z, b: -el.expm1(-b * el.log(z)),
    sf=lambda z, b: el.exp(-b * el.log(z)),
    logsf=lambda z, b: -b * el.log(z),
    ppf=lambda q, b: el.exp(-el.log1p(-q) / b),
    isf=lambda q, b: el.exp(-el.log(q) / b),
    entropy=lambda b: 1.0 + 1.0 / b - el.log(b),
)
gamma = Continuous(
    "gamma",
    ("a",),
    support=_HALF_LINE,
    logpdf=lambda z, a: sp.xlogy(a - 1.0, z) - z - sp.gammaln(a),
    cdf=lambda z, a: sp.gammainc(a, z),
    sf=lambda z, a: sp.gammaincc(a, z),
    ppf=lambda q, a: sp.gammaincinv(a, q),
    isf=lambda q, a: sp.gammainccinv(a, q),
    entropy=lambda a: a + sp.gammaln(a) + (1.0 - a) * sp.digamma(a),
)
chi2 = Continuous(
    "chi2",
    ("df",),
    support=_HALF_LINE,
    logpdf=lambda z, df: sp.xlogy(0.5 * df - 1.0, z) - 0.5 * z - sp.gammaln(0.5 * df) - (0.5 * math.log(2.0)) * df,
    cdf=lambda z, df: sp.gammainc(0.5 * df, 0.5 * z),
    sf=lambda z, df: sp.gammaincc(0.5 * df, 0.5 * z),
    ppf=lambda q, df: 2.0 * sp.gammaincinv(0.5 * df, q),
    isf=lambda q, df: 2.0 * sp.gammainccinv(0.5 * df, q),
    entropy=lambda df: 0.5 * df + math.log(2.0) + sp.gammaln(0.5 * df) + (1.0 - 0.5 * df) * sp.digamma(0.5 * df),
)
invgamma = Continuous(
    "invgamma",
    ("a",),
    support=_HALF_LINE,
    open_below=True,
    logpdf=lambda z, a: -(a + 1.0) * el.log(z) - sp.gammaln(a) - 1.0 / z,
    cdf=lambda z, a: sp.gammaincc(a, 1.0 / z),
    sf=lambda z, a: sp.gammainc(a, 1.0 / z),
    ppf=lambda q, a: 1.0 / sp.gammainccinv(a, q),
    isf=lambda q, a: 1.0 / sp.gammaincinv(a, q),
    entropy=lambda a: a + sp.gammaln(a) - (1.0 + a) * sp.digamma(a),
)
beta = Continuous(
    "beta",
    ("a", "b"),
    support=(0.0, 1.0),
    logpdf=lambda z, a, b: sp.xlog1py(b - 1.0, -z) + sp.xlogy(a - 1.0, z) - sp.betaln(a, b),
    cdf=lambda z, a, b: sp.betainc(a, b, z),
    sf=lambda z, a, b: sp.betaincc(a, b, z),
    ppf=lambda q, a, b: sp.betaincinv(a, b, q),
    isf=lambda q, a, b: sp.betainccinv(a, b, q),
    entropy=lambda a, b: (
        sp.betaln(a, b) - (a - 1.0) * sp.digamma(a) - (b - 1.0) * sp.digamma(b) + (a + b - 2.0) * sp.digamma(a + b)
    ),
)


def _f_logpdf(z: Any, n: Any, d: Any) -> Any:
    # In the ratio r = n z / d, as a beta prime density.
    ratio = n * z / d
    return (
        el.log(n / d) + sp.xlogy(0.5 * n - 1.0, ratio) - 0.5 * (n + d) * el.log1p(ratio) - sp.betaln(0.5 * n, 0.5 * d)
    )


f = Continuous(
    "f",
    ("dfn", "dfd"),
    support=_HALF_LINE,
    logpdf=_f_logpdf,
    cdf=lambda z, n, d: sp.fdtr(n, d, z),
    sf=lambda z, n, d: sp.fdtrc(n, d, z),
)


def _t_logpdf(z: Any, df: Any) -> Any:
    """With infinitely many degrees of freedom it is the normal one."""
    infinite = np.isinf(detached(df))
    finite = el.where(infinite, 1.0, df) if may_hold(infinite) else df
    out = -sp.betaln(0.5 * finite, 0.5) - 0.5 * el.log(finite) - 0.5 * (finite + 1.0) * el.log1p(z * z / finite)
    return el.where(infinite, _normal_logpdf(z), out) if may_hold(infinite) else out


def _t_entropy(df: Any) -> Any:
    half = 0.5 * df
    return (half + 0.5) * (sp.digamma(half + 0.5) - sp.digamma(half)) + 0.5 * el.log(df) + sp.betaln(half, 0.5)


t = Continuous(
    "t",
    ("df",),
    logpdf=_t_logpdf,
    cdf=lambda z, df: sp.stdtr(df, z),
    sf=lambda z, df: sp.stdtr(df, -z),
    ppf=lambda q, df: sp.stdtrit(df, q),
    isf=lambda q, df: -sp.stdtrit(df, q),
    entropy=_t_entropy,
)


def _gennorm_cdf(z: Any, beta: Any) -> Any:
    tail = 0.5 * sp.gammaincc(1.0 / beta, el.power(el.absolute(z), beta))
    return el.where(detached(z) > 0, 1.0 - tail, tail)


gennorm = Continuous(
    "gennorm",
    ("beta",),
    logpdf=lambda z, beta: el.log(0.5 * beta) - sp.gammaln(1.0 / beta) - el.power(el.absolute(z), beta),
    cdf=_gennorm_cdf,
    sf=lambda z, beta: _gennorm_cdf(-z, beta),
    entropy=lambda beta: 1.0 / beta - el.log(0.5 * beta) + sp.gammaln(1.0 / beta),
)
wrapcauchy = Continuous(
    "wrapcauchy",
    ("c",),
    support=(0.0, 2.0 * math.pi),
    valid=lambda c: (c > 0) & (c < 1),
    logpdf=lambda z, c: el.log((1.0 - c * c) / (2.0 * math.pi * (1.0 + c * c - 2.0 * c * el.cos(z)))),
    entropy=lambda c: math.log(2.0 * math.pi) + el.log1p(-c * c),
)
vonmises = Continuous(
    "vonmises",
    ("kappa",),
    logpdf=lambda z, kappa: kappa * sp.cosm1(z) - math.log(2.0 * math.pi) - el.log(sp.i0e(kappa)),
    valid=lambda kappa: kappa >= 0,
)


def _log_mass(a: Any, b: Any) -> Any:
    """The logarithm of the normal probability between a and b, without cancellation in either tail."""
    right = detached(a) > 0
    low, high = el.where(right, -b, a), el.where(right, -a, b)
    tail = detached(high) <= 0
    # Both in the left tail: a difference of logarithms. Else: what is missing on both sides.
    upper = sp.log_ndtr(el.where(tail, high, -1.0))
    lower = sp.log_ndtr(el.where(tail, low, -2.0))
    inside = upper + el.log1p(-el.exp(lower - upper))
    around = el.log1p(-sp.ndtr(el.where(tail, -1.0, low)) - sp.ndtr(el.where(tail, -1.0, -high)))
    return el.where(tail, inside, around)


def _truncnorm_log(part: Any, rest: Any, whole: Any) -> Any:
    """The logarithm of the share that a part of the mass has; by the rest of the mass where that is little."""
    share = part - whole
    little = detached(share) > -0.1
    return el.where(little, el.log1p(-el.exp(el.where(little, rest - whole, -1.0))), share)


truncnorm = Continuous(
    "truncnorm",
    ("a", "b"),
    support=(lambda a, b: a, lambda a, b: b),
    inner=lambda a, b: np.clip(0.0, a, b),
    valid=lambda a, b: a < b,
    harmless=(-1.0, 1.0),
    logpdf=lambda z, a, b: _normal_logpdf(z) - _log_mass(a, b),
    cdf=lambda z, a, b: el.exp(_log_mass(a, z) - _log_mass(a, b)),
    sf=lambda z, a, b: el.exp(_log_mass(z, b) - _log_mass(a, b)),
    logcdf=lambda z, a, b: _truncnorm_log(_log_mass(a, z), _log_mass(z, b), _log_mass(a, b)),
    logsf=lambda z, a, b: _truncnorm_log(_log_mass(z, b), _log_mass(a, z), _log_mass(a, b)),
)

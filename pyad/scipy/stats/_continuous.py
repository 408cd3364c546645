"""Continuous distributions of location and scale.

Formulas: Johnson, Kotz and Balakrishnan, Continuous univariate distributions, 1994 and 1995.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyad._ops.arithmetic import absolute, sqrt
from pyad._ops.comparison import where
from pyad._ops.explog_trig import arctan2, cos, exp, expm1, log, log1p, power, tan
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
    "0.5 -> -0.5",
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
    "0.5 -> -0.5",
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
    "0.5 -> -1.0",
    support=_HALF_LINE,
    logpdf=lambda z: -z,
    cdf=lambda z: -expm1(-z),
    sf=lambda z: exp(-z),
    logsf=lambda z: -z,
    ppf=lambda q: -log1p(-q),
    isf=lambda q: -log(q),
    entropy=lambda: 1.0,
)
uniform = Continuous(
    "uniform",
    "0.5 -> 0.0",
    support=(0.0, 1.0),
    logpdf=lambda z: 0.0 * z,
    cdf=lambda z: z,
    sf=lambda z: 1.0 - z,
    logsf=lambda z: log1p(-z),
    ppf=lambda q: q,
    entropy=lambda: 0.0,
)
rayleigh = Continuous(
    "rayleigh",
    "0.5 -> 1.5",
    support=_HALF_LINE,
    open_below=True,
    logpdf=lambda z: log(z) - 0.5 * (z * z),
    cdf=lambda z: -expm1(-0.5 * (z * z)),
    sf=lambda z: exp(-0.5 * (z * z)),
    logsf=lambda z: -0.5 * (z * z),
    ppf=lambda q: sqrt(-2.0 * log1p(-q)),
    isf=lambda q: sqrt(-2.0 * log(q)),
    entropy=lambda: 1.0 + 0.5 * _EULER - 0.5 * math.log(2.0),
)


def _laplace_logcdf(z: Any) -> Any:
    right = detached(z) > 0
    return where(right, log1p(-0.5 * exp(-absolute(z))), z - math.log(2.0))


def _laplace_cdf(z: Any) -> Any:
    half = 0.5 * exp(-absolute(z))
    return where(detached(z) > 0, 1.0 - half, half)


def _laplace_ppf(q: Any) -> Any:
    upper = detached(q) > 0.5
    return where(upper, -log(2.0 * (1.0 - q)), log(2.0 * q))


laplace = Continuous(
    "laplace",
    "0.5 -> -1.0",
    logpdf=lambda z: -math.log(2.0) - absolute(z),
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
    "0.5 -> -0.244919",
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
    "0.5 -> -0.8",
    logpdf=lambda z: -math.log(math.pi) - log1p(z * z),
    cdf=lambda z: arctan2(1.0, -z) * (1.0 / math.pi),
    sf=lambda z: arctan2(1.0, z) * (1.0 / math.pi),
    ppf=lambda q: -1.0 / tan(math.pi * q),
    isf=lambda q: 1.0 / tan(math.pi * q),
    entropy=lambda: math.log(4.0 * math.pi),
)
gumbel_r = Continuous(
    "gumbel_r",
    "0.5 -> -0.393469",
    logpdf=lambda z: -z - exp(-z),
    cdf=lambda z: exp(-exp(-z)),
    sf=lambda z: -expm1(-exp(-z)),
    logcdf=lambda z: -exp(-z),
    ppf=lambda q: -log(-log(q)),
    isf=lambda q: -log(-log1p(-q)),
    entropy=lambda: _EULER + 1.0,
)
gumbel_l = Continuous(
    "gumbel_l",
    "0.5 -> -0.648721",
    logpdf=lambda z: z - exp(z),
    cdf=lambda z: -expm1(-exp(z)),
    sf=lambda z: exp(-exp(z)),
    logsf=lambda z: -exp(z),
    ppf=lambda q: log(-log1p(-q)),
    isf=lambda q: log(-log(q)),
    entropy=lambda: _EULER + 1.0,
)

# ---- with shape parameters ----

lognorm = Continuous(
    "lognorm",
    "0.5, 2.0 -> -1.65342..., -0.439943...",
    ("s",),
    support=_HALF_LINE,
    open_below=True,
    logpdf=lambda z, s: _normal_logpdf(log(z) / s) - log(s * z),
    cdf=lambda z, s: sp.ndtr(log(z) / s),
    sf=lambda z, s: sp.ndtr(-log(z) / s),
    logcdf=lambda z, s: sp.log_ndtr(log(z) / s),
    logsf=lambda z, s: sp.log_ndtr(-log(z) / s),
    ppf=lambda q, s: exp(s * sp.ndtri(q)),
    isf=lambda q, s: exp(-s * sp.ndtri(q)),
    entropy=lambda s: 0.5 + _LOG_ROOT_TWO_PI + log(s),
)
weibull_min = Continuous(
    "weibull_min",
    "0.5, 3.0 -> 3.25, -0.273170...",
    ("c",),
    support=_HALF_LINE,
    logpdf=lambda z, c: log(c) + sp.xlogy(c - 1.0, z) - power(z, c),
    cdf=lambda z, c: -expm1(-power(z, c)),
    sf=lambda z, c: exp(-power(z, c)),
    logsf=lambda z, c: -power(z, c),
    ppf=lambda q, c: power(-log1p(-q), 1.0 / c),
    isf=lambda q, c: power(-log(q), 1.0 / c),
    entropy=lambda c: _EULER + 1.0 - _EULER / c - log(c),
)
pareto = Continuous(
    "pareto",
    "2.0, 3.0 -> -2.0, -0.359813...",
    ("b",),
    support=(1.0, np.inf),
    inner=2.0,
    logpdf=lambda z, b: log(b) - (b + 1.0) * log(z),
    cdf=lambda z, b: -expm1(-b * log(z)),
    sf=lambda z, b: exp(-b * log(z)),
    logsf=lambda z, b: -b * log(z),
    ppf=lambda q, b: exp(-log1p(-q) / b),
    isf=lambda q, b: exp(-log(q) / b),
    entropy=lambda b: 1.0 + 1.0 / b - log(b),
)
gamma = Continuous(
    "gamma",
    "0.5, 2.0 -> 1.0, -1.11593...",
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
    "0.5, 3.0 -> 0.5, -0.711392...",
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
    "0.5, 2.0 -> -2.0, 0.270362...",
    ("a",),
    support=_HALF_LINE,
    open_below=True,
    logpdf=lambda z, a: -(a + 1.0) * log(z) - sp.gammaln(a) - 1.0 / z,
    cdf=lambda z, a: sp.gammaincc(a, 1.0 / z),
    sf=lambda z, a: sp.gammainc(a, 1.0 / z),
    ppf=lambda q, a: 1.0 / sp.gammainccinv(a, q),
    isf=lambda q, a: 1.0 / sp.gammaincinv(a, q),
    entropy=lambda a: a + sp.gammaln(a) - (1.0 + a) * sp.digamma(a),
)
beta = Continuous(
    "beta",
    "0.25, 2.0, 3.0 -> 1.33333..., -0.302961..., 0.295651...",
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
    return log(n / d) + sp.xlogy(0.5 * n - 1.0, ratio) - 0.5 * (n + d) * log1p(ratio) - sp.betaln(0.5 * n, 0.5 * d)


f = Continuous(
    "f",
    "0.5, 2.0, 3.0 -> -1.25, 0.134538..., 0.0644922...",
    ("dfn", "dfd"),
    support=_HALF_LINE,
    logpdf=_f_logpdf,
    cdf=lambda z, n, d: sp.fdtr(n, d, z),
    sf=lambda z, n, d: sp.fdtrc(n, d, z),
)


def _t_logpdf(z: Any, df: Any) -> Any:
    """With infinitely many degrees of freedom it is the normal one."""
    infinite = np.isinf(detached(df))
    finite = where(infinite, 1.0, df) if may_hold(infinite) else df
    out = -sp.betaln(0.5 * finite, 0.5) - 0.5 * log(finite) - 0.5 * (finite + 1.0) * log1p(z * z / finite)
    return where(infinite, _normal_logpdf(z), out) if may_hold(infinite) else out


def _t_entropy(df: Any) -> Any:
    half = 0.5 * df
    return (half + 0.5) * (sp.digamma(half + 0.5) - sp.digamma(half)) + 0.5 * log(df) + sp.betaln(half, 0.5)


t = Continuous(
    "t",
    "0.5, 3.0 -> -0.615384..., 0.0377412...",
    ("df",),
    logpdf=_t_logpdf,
    cdf=lambda z, df: sp.stdtr(df, z),
    sf=lambda z, df: sp.stdtr(df, -z),
    ppf=lambda q, df: sp.stdtrit(df, q),
    isf=lambda q, df: -sp.stdtrit(df, q),
    entropy=_t_entropy,
)


def _gennorm_cdf(z: Any, beta: Any) -> Any:
    tail = 0.5 * sp.gammaincc(1.0 / beta, power(absolute(z), beta))
    return where(detached(z) > 0, 1.0 - tail, tail)


gennorm = Continuous(
    "gennorm",
    "0.5, 3.0 -> -0.75, 0.0719729...",
    ("beta",),
    logpdf=lambda z, beta: log(0.5 * beta) - sp.gammaln(1.0 / beta) - power(absolute(z), beta),
    cdf=_gennorm_cdf,
    sf=lambda z, beta: _gennorm_cdf(-z, beta),
    entropy=lambda beta: 1.0 / beta - log(0.5 * beta) + sp.gammaln(1.0 / beta),
)
wrapcauchy = Continuous(
    "wrapcauchy",
    "0.5, 0.25 -> -0.384334..., 1.47908...",
    ("c",),
    support=(0.0, 2.0 * math.pi),
    valid=lambda c: (c > 0) & (c < 1),
    logpdf=lambda z, c: log((1.0 - c * c) / (2.0 * math.pi * (1.0 + c * c - 2.0 * c * cos(z)))),
    entropy=lambda c: math.log(2.0 * math.pi) + log1p(-c * c),
)
vonmises = Continuous(
    "vonmises",
    "0.5, 2.0 -> -0.958851..., 0.179807...",
    ("kappa",),
    logpdf=lambda z, kappa: kappa * sp.cosm1(z) - math.log(2.0 * math.pi) - log(sp.i0e(kappa)),
    valid=lambda kappa: kappa >= 0,
)


def _log_mass(a: Any, b: Any) -> Any:
    """The logarithm of the normal probability between a and b, without cancellation in either tail."""
    right = detached(a) > 0
    low, high = where(right, -b, a), where(right, -a, b)
    tail = detached(high) <= 0
    # Both in the left tail: a difference of logarithms. Else: what is missing on both sides.
    upper = sp.log_ndtr(where(tail, high, -1.0))
    lower = sp.log_ndtr(where(tail, low, -2.0))
    inside = upper + log1p(-exp(lower - upper))
    around = log1p(-sp.ndtr(where(tail, -1.0, low)) - sp.ndtr(where(tail, -1.0, -high)))
    return where(tail, inside, around)


def _truncnorm_log(part: Any, rest: Any, whole: Any) -> Any:
    """The logarithm of the share that a part of the mass has; by the rest of the mass where that is little."""
    share = part - whole
    little = detached(share) > -0.1
    return where(little, log1p(-exp(where(little, rest - whole, -1.0))), share)


truncnorm = Continuous(
    "truncnorm",
    "0.5, -1.0, 2.0 -> -0.5, 0.295592..., -0.0659556...",
    ("a", "b"),
    support=(lambda a, b: a, lambda a, b: b),
    inner=lambda a, b: np.clip(0.0, a, b),
    valid=lambda a, b: a < b,
    harmless=(-1.0, 1.0),
    logpdf=lambda z, a, b: _normal_logpdf(z) - _log_mass(a, b),
    cdf=lambda z, a, b: exp(_log_mass(a, z) - _log_mass(a, b)),
    sf=lambda z, a, b: exp(_log_mass(z, b) - _log_mass(a, b)),
    logcdf=lambda z, a, b: _truncnorm_log(_log_mass(a, z), _log_mass(z, b), _log_mass(a, b)),
    logsf=lambda z, a, b: _truncnorm_log(_log_mass(z, b), _log_mass(a, z), _log_mass(a, b)),
)

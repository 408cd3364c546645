"""Discrete distributions. Formulas: Johnson, Kemp and Kotz, Univariate discrete distributions, 2005."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyad._ops.explog_trig import exp, expm1, log
from pyad._trace.recorded_call import detached
from pyad.scipy import special as sp
from pyad.scipy.stats._distribution import Discrete


def _probability(p: Any) -> Any:
    return (p >= 0) & (p <= 1)


poisson = Discrete(
    "poisson",
    "2, 1.5 -> 0.333333",
    ("mu",),
    support=(0, np.inf),
    inner=0,
    valid=lambda mu: mu >= 0,
    logpmf=lambda k, mu: sp.xlogy(k, mu) - sp.gammaln(k + 1.0) - mu,
    cdf=sp.pdtr,
    sf=sp.pdtrc,
)
bernoulli = Discrete(
    "bernoulli",
    "1, 0.25 -> 4.0",
    ("p",),
    support=(0, 1),
    inner=0,
    valid=_probability,
    logpmf=lambda k, p: sp.xlogy(k, p) + sp.xlog1py(1.0 - k, -p),
    cdf=lambda k, p: 1.0 - p + 0.0 * k,
    sf=lambda k, p: p + 0.0 * k,
)


def _binom_logpmf(k: Any, n: Any, p: Any) -> Any:
    n = detached(n)
    ways = sp.gammaln(n + 1.0) - sp.gammaln(k + 1.0) - sp.gammaln(n - k + 1.0)
    return ways.astype(k.dtype) + sp.xlogy(k, p) + sp.xlog1py(n - k, -p)


binom = Discrete(
    "binom",
    "2, 5, 0.25 -> 4.0",
    ("n", "p"),
    support=(0, lambda n, p: n),
    inner=0,
    valid=lambda n, p: (n >= 0) & (n == np.floor(n)) & _probability(p),
    harmless=(1.0, 0.5),
    logpmf=_binom_logpmf,
    cdf=lambda k, n, p: sp.betaincc(k + 1.0, detached(n) - k, p),
    sf=lambda k, n, p: sp.betainc(k + 1.0, detached(n) - k, p),
)
nbinom = Discrete(
    "nbinom",
    "2, 3.0, 0.25 -> -0.802961..., 9.33333...",
    ("n", "p"),
    support=(0, np.inf),
    inner=0,
    valid=lambda n, p: (n > 0) & (p > 0) & (p <= 1),
    logpmf=lambda k, n, p: sp.gammaln(n + k) - sp.gammaln(k + 1.0) - sp.gammaln(n) + n * log(p) + sp.xlog1py(k, -p),
    cdf=lambda k, n, p: sp.betainc(n, k + 1.0, p),
    sf=lambda k, n, p: sp.betaincc(n, k + 1.0, p),
)
geom = Discrete(
    "geom",
    "2, 0.25 -> 2.666667",
    ("p",),
    support=(1, np.inf),
    inner=1,
    valid=lambda p: (p > 0) & (p <= 1),
    logpmf=lambda k, p: sp.xlog1py(k - 1.0, -p) + log(p),
    cdf=lambda k, p: -expm1(sp.xlog1py(k, -p)),
    sf=lambda k, p: exp(sp.xlog1py(k, -p)),
    logsf=lambda k, p: sp.xlog1py(k, -p),
)


def _betabinom_logpmf(k: Any, n: Any, a: Any, b: Any) -> Any:
    n = detached(n)
    ways = -np.log(n + 1.0) - sp.betaln(n - k + 1.0, k + 1.0)
    return ways.astype(k.dtype) + sp.betaln(k + a, n - k + b) - sp.betaln(a, b)


betabinom = Discrete(
    "betabinom",
    "2, 5, 2.0, 3.0 -> 0.0876984..., 0.0376984...",
    ("n", "a", "b"),
    support=(0, lambda n, a, b: n),
    inner=0,
    valid=lambda n, a, b: (n >= 0) & (n == np.floor(n)) & (a > 0) & (b > 0),
    harmless=(1.0, 1.0, 1.0),
    logpmf=_betabinom_logpmf,
)

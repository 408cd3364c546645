"""Discrete distributions. Formulas: Johnson, Kemp and Kotz, Univariate discrete distributions, 2005."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyad._ops import arithmetic as el
from pyad._trace.recorded_call import detached
from pyad.scipy import special as sp
from pyad.scipy.stats._distribution import Discrete


def _probability(p: Any) -> Any:
    return (p >= 0) & (p <= 1)


poisson = Discrete(
    "poisson",
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
    ("n", "p"),
    support=(0, np.inf),
    inner=0,
    valid=lambda n, p: (n > 0) & (p > 0) & (p <= 1),
    logpmf=lambda k, n, p: sp.gammaln(n + k) - sp.gammaln(k + 1.0) - sp.gammaln(n) + n * el.log(p) + sp.xlog1py(k, -p),
    cdf=lambda k, n, p: sp.betainc(n, k + 1.0, p),
    sf=lambda k, n, p: sp.betaincc(n, k + 1.0, p),
)
geom = Discrete(
    "geom",
    ("p",),
    support=(1, np.inf),
    inner=1,
    valid=lambda p: (p > 0) & (p <= 1),
    logpmf=lambda k, p: sp.xlog1py(k - 1.0, -p) + el.log(p),
    cdf=lambda k, p: -el.expm1(sp.xlog1py(k, -p)),
    sf=lambda k, p: el.exp(sp.xlog1py(k, -p)),
    logsf=lambda k, p: sp.xlog1py(k, -p),
)


def _betabinom_logpmf(k: Any, n: Any, a: Any, b: Any) -> Any:
    n = detached(n)
    ways = -np.log(n + 1.0) - sp.betaln(n - k + 1.0, k + 1.0)
    return ways.astype(k.dtype) + sp.betaln(k + a, n - k + b) - sp.betaln(a, b)


betabinom = Discrete(
    "betabinom",
    ("n", "a", "b"),
    support=(0, lambda n, a, b: n),
    inner=0,
    valid=lambda n, a, b: (n >= 0) & (n == np.floor(n)) & (a > 0) & (b > 0),
    harmless=(1.0, 1.0, 1.0),
    logpmf=_betabinom_logpmf,
)

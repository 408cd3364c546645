"""Derivatives of the incomplete gamma and beta functions by their parameters, for plain arrays.

Both are distribution functions F(x) whose density f depends on a parameter a by d log f / da = L(t), which grows with
t. So dF/da is the integral of f L from the left end to x, and since the integral over everything is zero, also minus
the one from x to the right end. On one of the two sides L has one sign: there nothing cancels, and the relative error
stays small, also for huge parameters. (Moore, Algorithm AS 187, 1982, and Boik and Robison-Cox, Derivatives of the
incomplete beta function, 1998, differentiate series and continued fractions, which lose digits where those do not
converge fast.) Second derivatives integrate f (L ** 2 - const) in the same way.

The variable of integration is v = log(t / a) for the gamma density, and for the beta density the logit, shifted to its
mode: in these both are log-concave with exponential or faster tails. The distance from x is w = length exp(s -
exp(-s)), after Takahasi and Mori, Double exponential formulas for numerical integration, 1974: what happens near x and
far from it is resolved equally well. In s stands Gauss' rule.

Against 50 digits, for parameters from 1e-6 to 1e7: errors below 1e-12 of the derivative for gamma, and 1e-9 for beta
unless a parameter is less than 1e-4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special as sp

__all__ = ["beta_by_a", "beta_by_aa", "beta_by_ab", "gamma_by_a", "gamma_by_aa"]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(100)
_LOWEST = -3.6  # exp(-exp(3.6)) is below the rounding error
_DROP = 60.0  # the density falls by exp(-60) over what is integrated
_FLAT = 40.0
_LAGUERRE_NODES, _LAGUERRE_WEIGHTS = np.polynomial.laguerre.laggauss(3)
_BLOCK = 2048


# Bernoulli numbers B[2 k] over 2 k (2 k - 1) and over 2 k: the Stirling series of log gamma and of digamma.
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)
_DIGAMMA = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12)


def _series(coefficients: tuple[float, ...], r: np.ndarray) -> np.ndarray:
    total = np.full_like(r, coefficients[-1])
    for c in coefficients[-2::-1]:
        total = total * r + c
    return total


def _stirling_rest(a: np.ndarray) -> np.ndarray:
    """log gamma(a) - ((a - 1/2) log a - a + log(2 pi) / 2), without the difference for large a."""
    large = np.maximum(a, 12.0)
    small = np.minimum(a, 12.0)
    direct = sp.gammaln(small) - (small - 0.5) * np.log(small) + small - 0.5 * np.log(2 * np.pi)
    return np.where(a > 12.0, _series(_STIRLING, 1 / large**2) / large, direct)


def _digamma_rest(a: np.ndarray) -> np.ndarray:
    """log a - digamma(a), without the difference for large a."""
    large = np.maximum(a, 12.0)
    small = np.minimum(a, 12.0)
    return np.where(
        a > 12.0, 0.5 / large + _series(_DIGAMMA, 1 / large**2) / large**2, np.log(small) - sp.digamma(small)
    )


def _trigamma(a: np.ndarray) -> np.ndarray:
    return sp.zeta(2.0, a)


def _tail(
    start: np.ndarray, side: np.ndarray, length: np.ndarray, reach: np.ndarray, integrand: Callable[..., np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """The integral of integrand(v) from start to about `reach` away from it, on the side +1 or -1, and how far it
    went; `length` is the scale near the start."""
    half = 0.5 * (np.log(np.maximum(reach / length, 10.0)) - _LOWEST)
    s = _LOWEST + half * (1 + _column(_NODES, start))
    w = length * np.exp(s - np.exp(-s))
    parts = _column(_WEIGHTS, start) * w * (1 + np.exp(-s)) * integrand(start + side * w)
    end = _LOWEST + 2 * half
    return half * np.sum(parts, axis=0), length * np.exp(end - np.exp(-end))


def _column(values: np.ndarray, like: np.ndarray) -> np.ndarray:
    return values.reshape((-1,) + (1,) * like.ndim)


def _in_blocks(function: Callable[..., np.ndarray], inside: np.ndarray, outside: Any, *args: Any) -> np.ndarray:
    """function(*args) where inside, block by block, and the other value elsewhere."""
    out = np.array(np.broadcast_to(outside, inside.shape), float)
    chosen = [np.broadcast_to(x, inside.shape)[inside].astype(float) for x in args]
    found = np.empty(chosen[0].shape)
    with np.errstate(all="ignore"):
        for k in range(0, len(found), _BLOCK):
            found[k : k + _BLOCK] = function(*(x[k : k + _BLOCK] for x in chosen))
    out[inside] = found
    return out


def _plain_result(out: np.ndarray, *args: Any) -> Any:
    """In the dtype SciPy would give."""
    return out.astype(np.result_type(*args))[()]


# ---- gamma: P(a, x) ----


def _gamma_domain(a: Any, x: Any) -> tuple[np.ndarray, np.ndarray]:
    a, x = np.broadcast_arrays(np.asarray(a, float), np.asarray(x, float))
    inside = (a > 0) & np.isfinite(a) & (x > 0) & np.isfinite(x)
    nan = np.isnan(a) | np.isnan(x) | (a < 0) | (x < 0)
    return inside, np.where(nan, np.nan, 0.0)


def _gamma_tail(a: np.ndarray, x: np.ndarray, side: np.ndarray, weight: Callable[..., np.ndarray]) -> np.ndarray:
    """The integral of the density times weight(L) from x to that side."""
    start = np.log(x / a)
    scale = np.sqrt(a / (2 * np.pi)) * np.exp(-_stirling_rest(a))
    rest = _digamma_rest(a)
    slope = a * np.abs(np.expm1(start))
    length = 1 / np.maximum(np.maximum(slope, np.sqrt(np.maximum(a, x))), 1.0)  # exp(v) itself has scale 1
    # Over a distance w the logarithm falls by about x (exp(w) - 1 - w) to the right, a (w - 1 + exp(-w)) to the left.
    right = np.where(x > _DROP, np.sqrt(2 * _DROP / x), np.log1p(2 * _DROP / x))
    left = _DROP / a + np.minimum(np.sqrt(2 * _DROP / a), 1.0)
    reach = np.where(side > 0, right, left)

    def integrand(v: np.ndarray) -> np.ndarray:
        return np.exp(-a * (np.expm1(v) - v)) * weight(v + rest)

    return scale * _tail(start, side, length, reach, integrand)[0]


def _gamma_first(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    # For small a the density is flat over 1 / a: P(a, x) = P(a + 1, x) + exp(-x) x ** a / gamma(a + 1) instead.
    raised = (a < 1) & (x < 1)
    b = np.where(raised, a + 1, a)
    side = np.where(np.log(x / b) + _digamma_rest(b) < 0, -1.0, 1.0)
    tail = -side * _gamma_tail(b, x, side, lambda ell: ell)
    ell = np.log(x) - sp.digamma(a + 1)
    term = np.exp(sp.xlogy(a, x) - x - sp.gammaln(a + 1))
    return np.where(raised, tail + term * ell, tail)


def _gamma_second(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    raised = (a < 1) & (x < 1)
    b = np.where(raised, a + 1, a)
    side = np.where(x < b, -1.0, 1.0)
    spread = _trigamma(b)
    tail = -side * _gamma_tail(b, x, side, lambda ell: ell * ell - spread)
    ell = np.log(x) - sp.digamma(a + 1)
    term = np.exp(sp.xlogy(a, x) - x - sp.gammaln(a + 1))
    return np.where(raised, tail + term * (ell * ell - _trigamma(a + 1)), tail)


def gamma_by_a(a: Any, x: Any) -> Any:
    """The derivative of gammainc(a, x) by a."""
    inside, outside = _gamma_domain(a, x)
    # P(a, x) = 1 - a E1(x) + ... for small a.
    with np.errstate(all="ignore"):
        outside = np.where((np.asarray(a) == 0) & (np.asarray(x) > 0), -sp.exp1(x), outside)
    return _plain_result(_in_blocks(_gamma_first, inside, outside, a, x), a, x)


def gamma_by_aa(a: Any, x: Any) -> Any:
    """The second derivative of gammainc(a, x) by a."""
    return _plain_result(_in_blocks(_gamma_second, *_gamma_domain(a, x), a, x), a, x)


# ---- beta: I(a, b, x) ----


def _beta_domain(a: Any, b: Any, x: Any) -> tuple[np.ndarray, np.ndarray]:
    a, b, x = np.broadcast_arrays(np.asarray(a, float), np.asarray(b, float), np.asarray(x, float))
    inside = (a > 0) & (b > 0) & np.isfinite(a) & np.isfinite(b) & (x > 0) & (x < 1)
    nan = np.isnan(a) | np.isnan(b) | np.isnan(x) | (a < 0) | (b < 0) | (x < 0) | (x > 1)
    return inside, np.where(nan, np.nan, 0.0)


class _Beta:
    """A beta density in the logit, shifted to its mode."""

    def __init__(self, a: np.ndarray, b: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
        self.a, self.b, self.x, self.y = a, b, x, y
        n = a + b
        self.p, self.q = a / n, b / n
        self.scale = np.sqrt(a * self.q / (2 * np.pi)) * np.exp(
            _stirling_rest(n) - _stirling_rest(a) - _stirling_rest(b)
        )
        self.start = np.log(x / y * (b / a))
        self.rest_a = _digamma_rest(a) - _digamma_rest(n)
        self.rest_b = _digamma_rest(b) - _digamma_rest(n)
        t = np.exp(self.log_t(self.start))
        slope = np.abs(a * self.q * np.exp(self.log_u(self.start)) - b * self.p * t) / np.maximum(self.p, self.q)
        self.length = 1 / np.maximum(np.maximum(slope, np.sqrt(a * self.q)), 1.0)  # the exponentials have scale 1

    def log_t(self, v: np.ndarray) -> np.ndarray:
        """log(t / p), which is linear in v far to the left, where the exponential would overflow."""
        return np.minimum(v + 500.0, 0.0) - np.log1p(self.q * np.expm1(-np.maximum(v, -500.0)))

    def log_u(self, v: np.ndarray) -> np.ndarray:
        """log((1 - t) / q), likewise far to the right."""
        return np.minimum(500.0 - v, 0.0) - np.log1p(self.p * np.expm1(np.minimum(v, 500.0)))

    def tail(self, side: np.ndarray, weight: Callable[..., np.ndarray]) -> np.ndarray:
        """The integral of the density times weight(L of a, L of b) from x to that side."""
        left = side < 0
        rate, other = np.where(left, self.a, self.b), np.where(left, self.b, self.a)
        x, y = np.where(left, self.x, self.y), np.where(left, self.y, self.x)
        # Where the power of t, which falls, has fallen so far that the other cannot make up for it.
        log_end = np.log(x) - (_DROP - other * np.log(y)) / rate
        certain = np.log(x / y) - log_end + np.log(-np.expm1(log_end))
        reach = np.minimum(certain, _DROP / rate + np.sqrt(2 * _DROP / (self.a * self.q)))
        # Beyond _FLAT the density is a pure exponential, over which Laguerre's rule is exact.
        reach = np.minimum(reach, _FLAT + np.maximum(-side * self.start, 0.0))

        def integrand(v: np.ndarray) -> np.ndarray:
            t, u = self.log_t(v), self.log_u(v)
            return np.exp(self.a * t + self.b * u) * weight(t + self.rest_a, u + self.rest_b)

        near, end = _tail(self.start, side, self.length, reach, integrand)
        beyond = end + _column(_LAGUERRE_NODES, rate) / rate
        factors = _column(_LAGUERRE_WEIGHTS * np.exp(_LAGUERRE_NODES), rate) / rate
        return self.scale * (near + np.sum(factors * integrand(self.start + side * beyond), axis=0))


def _raising_term(a: np.ndarray, b: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """I(a, b, x) - I(a + 1, b, x)."""
    return np.exp(sp.xlogy(a, x) + sp.xlogy(b, y) - np.log(a) - sp.betaln(a, b))


def _beta_first(a: np.ndarray, b: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    ell = np.log(x) - sp.digamma(a + 1) + sp.digamma(a + b)
    raised = (a < 1) & (ell < 0)
    density = _Beta(np.where(raised, a + 1, a), b, x, y)
    side = np.where(density.log_t(density.start) + density.rest_a < 0, -1.0, 1.0)
    tail = -side * density.tail(side, lambda la, lb: la)
    return np.where(raised, tail + _raising_term(a, b, x, y) * ell, tail)


def _beta_second(a: np.ndarray, b: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    ell = np.log(x) - sp.digamma(a + 1) + sp.digamma(a + b)
    raised = (a < 1) & (ell < 0)
    c = np.where(raised, a + 1, a)
    density = _Beta(c, b, x, y)
    side = np.where(density.start < 0, -1.0, 1.0)
    spread = _trigamma(c) - _trigamma(c + b)
    tail = -side * density.tail(side, lambda la, lb: la * la - spread)
    term = _raising_term(a, b, x, y) * (ell * ell - _trigamma(a + 1) + _trigamma(a + b))
    return np.where(raised, tail + term, tail)


def _beta_mixed(a: np.ndarray, b: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    ell_a = np.log(x) - sp.digamma(a + 1) + sp.digamma(a + b)
    ell_b = np.log(y) - sp.digamma(b) + sp.digamma(a + b)
    raised = (a < 1) & (ell_a < 0)
    c = np.where(raised, a + 1, a)
    density = _Beta(c, b, x, y)
    side = np.where(density.start < 0, -1.0, 1.0)
    spread = _trigamma(c + b)
    tail = -side * density.tail(side, lambda la, lb: la * lb + spread)
    return np.where(raised, tail + _raising_term(a, b, x, y) * (ell_a * ell_b + _trigamma(a + b)), tail)


def beta_by_a(a: Any, b: Any, x: Any, y: Any) -> Any:
    """The derivative of betainc(a, b, x) by a, with y = 1 - x. That by b is minus beta_by_a(b, a, y, x)."""
    return _plain_result(_in_blocks(_beta_first, *_beta_domain(a, b, x), a, b, x, y), a, b, x)


def beta_by_aa(a: Any, b: Any, x: Any, y: Any) -> Any:
    """The second derivative of betainc(a, b, x) by a."""
    return _plain_result(_in_blocks(_beta_second, *_beta_domain(a, b, x), a, b, x, y), a, b, x)


def beta_by_ab(a: Any, b: Any, x: Any, y: Any) -> Any:
    """The derivative of betainc(a, b, x) by a and b."""
    return _plain_result(_in_blocks(_beta_mixed, *_beta_domain(a, b, x), a, b, x, y), a, b, x)

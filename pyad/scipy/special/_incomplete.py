"""The incomplete gamma and beta functions, differentiable to any order in x and to second order in the parameters, and
the distribution functions that are these under other names."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.special as sp

from pyad._ops._nested import operand
from pyad._ops._registry import implements
from pyad._ops.arithmetic import sqrt, square
from pyad._ops.comparison import where
from pyad._ops.explog_trig import exp, log, log1p
from pyad._trace.array import is_constant, is_traced
from pyad._trace.recorded_call import detached
from pyad.scipy._elementwise import by_parts, refuse, special
from pyad.scipy.special import _incomplete_parameters
from pyad.scipy.special._elementary import xlog1py, xlogy
from pyad.scipy.special._gamma import betaln, digamma, gammaln, polygamma

# ---- gamma ----


def _gamma_density(a: Any, x: Any) -> Any:
    return exp(xlogy(a - 1.0, x) - x - gammaln(a))


def _gamma_score(a: Any, x: Any) -> Any:
    """The derivative of the logarithm of the density by a."""
    return log(x) - digamma(a)


_gamma_by_aa = by_parts(
    "scipy.special.gammainc, in its second derivative by a,",
    _incomplete_parameters.gamma_by_aa,
    a=None,
    x=lambda y, a, x: _gamma_density(a, x) * (square(_gamma_score(a, x)) - polygamma(1, a)),
)
_gamma_by_a = by_parts(
    "scipy.special.gammainc, in its derivative by a,",
    _incomplete_parameters.gamma_by_a,
    a=lambda y, a, x: _gamma_by_aa(a, x),
    x=lambda y, a, x: _gamma_density(a, x) * _gamma_score(a, x),
)

gammainc = special(
    sp.gammainc,
    "2.0, 1.0 -> -0.276196..., 0.367879...; DLMF 8.8.13",
    a=lambda y, a, x: _gamma_by_a(a, x),
    x=lambda y, a, x: _gamma_density(a, x),
)
gammaincc = special(
    sp.gammaincc,
    "2.0, 1.0 -> 0.276196..., -0.367879...; DLMF 8.8.13",
    a=lambda y, a, x: -_gamma_by_a(a, x),
    x=lambda y, a, x: -_gamma_density(a, x),
)
gammaincinv = special(
    sp.gammaincinv,
    "2.0, 0.5 -> 0.993294..., 3.19164...; DLMF 8.8.13",
    a=lambda x, a, y: -_gamma_by_a(a, x) / _gamma_density(a, x),
    y=lambda x, a, y: 1.0 / _gamma_density(a, x),
)
gammainccinv = special(
    sp.gammainccinv,
    "2.0, 0.5 -> 0.993294..., -3.19164...; DLMF 8.8.13",
    a=lambda x, a, y: -_gamma_by_a(a, x) / _gamma_density(a, x),
    y=lambda x, a, y: -1.0 / _gamma_density(a, x),
)

# ---- beta ----


def _beta_density(a: Any, b: Any, x: Any) -> Any:
    return exp(xlogy(a - 1.0, x) + xlog1py(b - 1.0, -x) - betaln(a, b))


def _score_a(a: Any, b: Any, x: Any) -> Any:
    return log(x) - digamma(a) + digamma(a + b)


def _score_b(a: Any, b: Any, x: Any) -> Any:
    return log1p(-x) - digamma(b) + digamma(a + b)


def _swapped(derivative: Any, sign: float) -> Any:
    """A derivative by b from that by a: I(a, b, x) = 1 - I(b, a, 1 - x)."""

    def reference(a: Any, b: Any, x: Any) -> Any:
        x = np.asarray(x, float)
        return sign * derivative(b, a, 1.0 - x, x)

    return reference


def _direct(derivative: Any) -> Any:
    def reference(a: Any, b: Any, x: Any) -> Any:
        x = np.asarray(x, float)
        return derivative(a, b, x, 1.0 - x)

    return reference


_SECOND = "scipy.special.betainc, in its second derivative by a and b,"
_beta_by_aa = by_parts(
    _SECOND,
    _direct(_incomplete_parameters.beta_by_aa),
    a=None,
    b=None,
    x=lambda y, a, b, x: _beta_density(a, b, x) * (square(_score_a(a, b, x)) - polygamma(1, a) + polygamma(1, a + b)),
)
_beta_by_bb = by_parts(
    _SECOND,
    _swapped(_incomplete_parameters.beta_by_aa, -1.0),
    a=None,
    b=None,
    x=lambda y, a, b, x: _beta_density(a, b, x) * (square(_score_b(a, b, x)) - polygamma(1, b) + polygamma(1, a + b)),
)
_beta_by_ab = by_parts(
    _SECOND,
    _direct(_incomplete_parameters.beta_by_ab),
    a=None,
    b=None,
    x=lambda y, a, b, x: _beta_density(a, b, x) * (_score_a(a, b, x) * _score_b(a, b, x) + polygamma(1, a + b)),
)
_beta_by_a = by_parts(
    "scipy.special.betainc, in its derivative by a,",
    _direct(_incomplete_parameters.beta_by_a),
    a=lambda y, a, b, x: _beta_by_aa(a, b, x),
    b=lambda y, a, b, x: _beta_by_ab(a, b, x),
    x=lambda y, a, b, x: _beta_density(a, b, x) * _score_a(a, b, x),
)
_beta_by_b = by_parts(
    "scipy.special.betainc, in its derivative by b,",
    _swapped(_incomplete_parameters.beta_by_a, -1.0),
    a=lambda y, a, b, x: _beta_by_ab(a, b, x),
    b=lambda y, a, b, x: _beta_by_bb(a, b, x),
    x=lambda y, a, b, x: _beta_density(a, b, x) * _score_b(a, b, x),
)

betainc = special(
    sp.betainc,
    "2.0, 3.0, 0.4 -> -0.240869..., 0.156344..., 1.728; DLMF 8.17.1",
    a=lambda y, a, b, x: _beta_by_a(a, b, x),
    b=lambda y, a, b, x: _beta_by_b(a, b, x),
    x=lambda y, a, b, x: _beta_density(a, b, x),
)
betaincc = special(
    sp.betaincc,
    "2.0, 3.0, 0.4 -> 0.240869..., -0.156344..., -1.728; DLMF 8.17.1",
    a=lambda y, a, b, x: -_beta_by_a(a, b, x),
    b=lambda y, a, b, x: -_beta_by_b(a, b, x),
    x=lambda y, a, b, x: -_beta_density(a, b, x),
)


def _inverse(theirs: np.ufunc, shown: str, sign: float) -> Any:
    """The inverse in x. By the parameters it is the same for betainc and betaincc."""
    return special(
        theirs,
        shown,
        a=lambda x, a, b, y: -_beta_by_a(a, b, x) / _beta_density(a, b, x),
        b=lambda x, a, b, y: -_beta_by_b(a, b, x) / _beta_density(a, b, x),
        y=lambda x, a, b, y: sign / _beta_density(a, b, x),
    )


betaincinv = _inverse(sp.betaincinv, "2.0, 3.0, 0.5 -> 0.140025..., -0.0883180..., 0.572553...; DLMF 8.17.1", 1.0)
betainccinv = _inverse(sp.betainccinv, "2.0, 3.0, 0.5 -> 0.140025..., -0.0883180..., -0.572553...; DLMF 8.17.1", -1.0)

# ---- distribution functions ----


def _t_density(df: Any, t: Any) -> Any:
    half = 0.5 * df
    return exp(-betaln(half, 0.5) - (half + 0.5) * log1p(t * t / df)) / sqrt(df)


def _t_by_df(y: Any, df: Any, t: Any) -> Any:
    """From the incomplete beta function of t ** 2 / (df + t ** 2), or of what that lacks to 1 where that is less."""
    zero = detached(t) == 0
    small = detached(t) ** 2 < detached(df)
    side = np.sign(detached(t))
    # At zero the function is odd in t: its slope there is that of the density by df.
    half = 0.5 * df
    at_zero = t * _t_density(df, 0.0) * (0.5 * (digamma(half + 0.5) - digamma(half)) - 0.5 / df)
    t = where(zero, 1.0, t)
    squared = t * t
    total = df + squared
    by_ratio = squared / (total * total)
    # Each on values that it is good for.
    near = where(small, squared / total, 0.5)
    far = where(small, 0.5, df / total)
    inner = 0.5 * _beta_by_b(0.5, half, near) - _beta_density(0.5, half, near) * by_ratio
    outer = -0.5 * _beta_by_a(half, 0.5, far) - _beta_density(half, 0.5, far) * by_ratio
    return where(zero, at_zero, 0.5 * side * where(small, inner, outer))


stdtr = special(
    sp.stdtr, "3.0, 1.0 -> 0.0111104..., 0.206748...; DLMF 8.17.1", df=_t_by_df, t=lambda y, df, t: _t_density(df, t)
)
stdtrit = special(
    sp.stdtrit,
    "3.0, 0.75 -> -0.0329662..., 3.88535...; DLMF 8.17.1",
    df=lambda t, df, p: -_t_by_df(None, df, t) / _t_density(df, t),
    p=lambda t, df, p: 1.0 / _t_density(df, t),
)


@implements(sp.chdtr)
def chdtr(v: Any, x: Any) -> Any:
    """The distribution function of chi squared with v degrees of freedom (DLMF 8.8.13).

    >>> from pyad.scipy import special
    >>> pyad.grad(special.chdtr, (0, 1))(2.0, 1.0)
    (np.float64(-0.244728...), np.float64(0.303265...))
    """
    v, x = operand("chdtr", v), operand("chdtr", x)
    return gammainc(0.5 * v, 0.5 * x)


@implements(sp.chdtrc)
def chdtrc(v: Any, x: Any) -> Any:
    """1 - chdtr(v, x).

    >>> from pyad.scipy import special
    >>> pyad.grad(special.chdtrc, 1)(2.0, 1.0).round(6)
    np.float64(-0.303265)
    """
    v, x = operand("chdtrc", v), operand("chdtrc", x)
    return gammaincc(0.5 * v, 0.5 * x)


@implements(sp.chdtri)
def chdtri(v: Any, p: Any) -> Any:
    """The inverse of chdtrc in x.

    >>> from pyad.scipy import special
    >>> pyad.grad(special.chdtri, 1)(2.0, 0.5).round(6)
    np.float64(-4.0)
    """
    v, p = operand("chdtri", v), operand("chdtri", p)
    return 2.0 * gammainccinv(0.5 * v, p)


@implements(sp.gdtr)
def gdtr(a: Any, b: Any, x: Any) -> Any:
    """The distribution function of the gamma distribution with rate a and shape b (DLMF 8.8.13).

    >>> from pyad.scipy import special
    >>> pyad.grad(special.gdtr, 2)(1.0, 2.0, 0.5).round(6)
    np.float64(0.303265)
    """
    a, b, x = operand("gdtr", a), operand("gdtr", b), operand("gdtr", x)
    return gammainc(b, a * x)


@implements(sp.gdtrc)
def gdtrc(a: Any, b: Any, x: Any) -> Any:
    """1 - gdtr(a, b, x).

    >>> from pyad.scipy import special
    >>> pyad.grad(special.gdtrc, 2)(1.0, 2.0, 0.5).round(6)
    np.float64(-0.303265)
    """
    a, b, x = operand("gdtrc", a), operand("gdtrc", b), operand("gdtrc", x)
    return gammaincc(b, a * x)


@implements(sp.fdtr)
def fdtr(dfn: Any, dfd: Any, x: Any) -> Any:
    """The distribution function of F (DLMF 8.17.1).

    >>> from pyad.scipy import special
    >>> pyad.grad(special.fdtr, 2)(2.0, 3.0, 1.0).round(6)
    np.float64(0.278855)
    """
    dfn, dfd, x = operand("fdtr", dfn), operand("fdtr", dfd), operand("fdtr", x)
    return betainc(0.5 * dfn, 0.5 * dfd, dfn * x / (dfd + dfn * x))


@implements(sp.fdtrc)
def fdtrc(dfn: Any, dfd: Any, x: Any) -> Any:
    """1 - fdtr(dfn, dfd, x).

    >>> from pyad.scipy import special
    >>> pyad.grad(special.fdtrc, 2)(2.0, 3.0, 1.0).round(6)
    np.float64(-0.278855)
    """
    dfn, dfd, x = operand("fdtrc", dfn), operand("fdtrc", dfd), operand("fdtrc", x)
    return betainc(0.5 * dfd, 0.5 * dfn, dfd / (dfd + dfn * x))


def _events(k: Any, m: Any) -> Any:
    """floor(k) + 1 in the dtype of m."""
    if is_traced(k):
        return np.floor(k) + 1.0
    return np.asarray(np.floor(k) + 1.0, getattr(m, "dtype", None))[()]


def _refuse_moving(name: str, k: Any) -> None:
    if is_traced(k) and not is_constant(k):
        raise refuse(name, "k")


@implements(sp.pdtr)
def pdtr(k: Any, m: Any) -> Any:
    """The distribution function of Poisson's distribution with mean m; the count k is constant (DLMF 8.8.13).

    Raises:
        UnsupportedError: A derivative by k is asked for.

    >>> from pyad.scipy import special
    >>> pyad.grad(special.pdtr, 1)(1, 2.0).round(6)
    np.float64(-0.270671)
    """
    _refuse_moving("scipy.special.pdtr", k)
    return gammaincc(_events(k, m), m)


@implements(sp.pdtrc)
def pdtrc(k: Any, m: Any) -> Any:
    """1 - pdtr(k, m).

    Raises:
        UnsupportedError: A derivative by k is asked for.

    >>> from pyad.scipy import special
    >>> pyad.grad(special.pdtrc, 1)(1, 2.0).round(6)
    np.float64(0.270671)
    """
    _refuse_moving("scipy.special.pdtrc", k)
    return gammainc(_events(k, m), m)

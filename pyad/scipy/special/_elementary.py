"""Elementary functions in forms that are accurate where the plain ones are not, and the error function's family."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special as sp

from pyad._ops import activations, explog_trig
from pyad._ops._registry import implements
from pyad._ops.activations import _erf, softplus
from pyad._ops.arithmetic import absolute, sqrt, square
from pyad._ops.comparison import where
from pyad._ops.explog_trig import exp, expm1, log, log1p, sigmoid, sin
from pyad._ops.extrema import maximum, minimum
from pyad._trace.array import is_traced
from pyad._trace.op import COMPLEX_FORMS
from pyad._trace.promotion import is_complex
from pyad._trace.recorded_call import computed, detached
from pyad.scipy._elementwise import behind, by_parts, refuse, special

# ---- what the engine has a kernel for ----

implements(sp.expm1)(expm1)
implements(sp.log1p)(log1p)
if hasattr(sp, "softplus"):
    implements(sp.softplus)(softplus)

# ---- exponentials, logarithms and powers ----

exp2 = special(sp.exp2, "3.0 -> 5.545177", x=lambda y, x: y * math.log(2.0))
exp10 = special(sp.exp10, "1.0 -> 23.025851", x=lambda y, x: y * math.log(10.0))
cbrt = special(sp.cbrt, "8.0 -> 0.083333", x=lambda y, x: 1.0 / (3.0 * (y * y)))
cosm1 = special(sp.cosm1, "1.0 -> -0.841471", x=lambda y, x: -sin(x))
xlogy = special(sp.xlogy, "2.0, 3.0 -> 1.09861..., 0.666666...", x=lambda y, x, z: log(z), y=lambda y, x, z: x / z)
xlog1py = special(
    sp.xlog1py, "2.0, 3.0 -> 1.38629..., 0.5", x=lambda y, x, z: log1p(z), y=lambda y, x, z: x / (1.0 + z)
)
powm1 = special(
    sp.powm1,
    "2.0, 3.0 -> 12.0, 5.54517...",
    x=lambda y, x, a: a * explog_trig.power(x, a - 1.0),
    y=lambda y, x, a: (1.0 + y) * log(x),
)
logit = special(sp.logit, "0.25 -> 5.333333", x=lambda y, x: 1.0 / (x * (1.0 - x)))
log_expit = special(sp.log_expit, "0.0 -> 0.5", x=lambda y, x: sigmoid(-x))
entr = special(sp.entr, "0.5 -> -0.306853", x=lambda y, x: -1.0 - log(x))


def _entropy_slopes(p: Any, q: Any) -> tuple[Any, Any]:
    """The derivatives of p log(p / q). Where it is constant or infinite, 0: as if it were cut off there."""
    outside = (detached(p) <= 0) | (detached(q) <= 0)
    ratio = where(outside, 1.0, p) / where(outside, 1.0, q)
    return where(outside, 0.0, log(ratio) + 1.0), where(outside, 0.0, -ratio)


rel_entr = special(
    sp.rel_entr,
    "2.0, 1.0 -> 1.69314..., -2.0",
    x=lambda y, p, q: _entropy_slopes(p, q)[0],
    y=lambda y, p, q: _entropy_slopes(p, q)[1],
)
kl_div = special(
    sp.kl_div,
    "2.0, 1.0 -> 0.693147..., -1.0",
    x=lambda y, p, q: _entropy_slopes(p, q)[0] - 1.0,
    y=lambda y, p, q: _entropy_slopes(p, q)[1] + 1.0,
)
wrightomega = special(sp.wrightomega, "1.0 -> 0.5; Corless and Jeffrey 2002", z=lambda y, x: y / (1.0 + y))
COMPLEX_FORMS[_erf.number] = by_parts(
    "scipy.special.erf", sp.erf, x=lambda y, x: 2.0 / math.sqrt(math.pi) * exp(-(x * x))
)
spence = special(sp.spence, "2.0 -> -0.693147; DLMF 25.12.2", z=lambda y, x: -_log_quotient(x - 1.0))


def _real_branch(z: Any, k: Any) -> Any:
    w = sp.lambertw(z, k)
    if np.iscomplexobj(z):
        return w
    return np.where(w.imag == 0, w.real, np.nan)


_lambertw = by_parts("scipy.special.lambertw", _real_branch, z=lambda w, z, k: exp(-w) / (1.0 + w), k=None)


@implements(sp.lambertw)
def lambertw(z: Any, k: Any = 0, tol: float = 1e-8) -> Any:
    """The w with w exp(w) = z; of real z real: NaN where it is not. The branch k is constant, for real z 0 or -1 (DLMF
    4.13.4).

    Raises:
        UnsupportedError: k is traced.

    >>> from pyad.scipy import special
    >>> pyad.grad(special.lambertw)(1.0).round(6)
    np.float64(0.361896)
    """
    if is_traced(k):
        raise refuse("scipy.special.lambertw", "k")
    return _lambertw(z, k)


behind("_lambertw", lambertw)


def _near_zero(z: Any, coefficients: list[float], formula: Any, radius: float) -> Any:
    """A Taylor polynomial (lowest order first) within the radius of 0, and the formula that loses digits there
    outside."""
    near = abs(detached(z)) < radius
    small = where(near, z, 0.0)
    total = coefficients[-1]
    for c in coefficients[-2::-1]:
        total = total * small + c
    return where(near, total, formula(where(near, 1.0, z)))


# The derivative of (exp(z) - 1) / z has the coefficients (k + 1) / (k + 2)!, and that of log(1 + z) / z those of the
# logarithm.
_EXPREL = [(k + 1) / math.factorial(k + 2) for k in range(19)]
_LOG = [(-1) ** k / (k + 1) for k in range(22)]
_LOG_SLOPE = [(-1) ** (k + 1) * (k + 1) / (k + 2) for k in range(22)]


def _exprel_slope(y: Any, z: Any) -> Any:
    return _near_zero(z, _EXPREL, lambda z: (exp(z) - exprel(z)) / z, 0.5)


exprel = special(sp.exprel, "1.0 -> 1.0", x=_exprel_slope)


def _log_quotient(z: Any) -> Any:
    """log(1 + z) / z."""
    return _near_zero(z, _LOG, lambda z: log1p(z) / z, 0.15)


def _log_quotient_slope(z: Any) -> Any:
    return _near_zero(z, _LOG_SLOPE, lambda z: (1.0 / (1.0 + z) - log1p(z) / z) / z, 0.15)


# ---- Box and Cox, An analysis of transformations, 1964: (x ** a - 1) / a = log(x) exprel(a log(x)) ----


def _boxcox_by_power(log_x: Any, power: Any) -> Any:
    return log_x * log_x * _exprel_slope(None, power * log_x)


boxcox = special(
    sp.boxcox,
    "2.0, 0.5 -> 0.707106..., 0.303662...; Box and Cox 1964",
    x=lambda y, x, a: explog_trig.power(x, a - 1.0),
    lmbda=lambda y, x, a: _boxcox_by_power(log(x), a),
)
boxcox1p = special(
    sp.boxcox1p,
    "2.0, 0.5 -> 0.577350..., 0.877501...; Box and Cox 1964",
    x=lambda y, x, a: exp((a - 1.0) * log1p(x)),
    lmbda=lambda y, x, a: _boxcox_by_power(log1p(x), a),
)
inv_boxcox = special(
    sp.inv_boxcox,
    "2.0, 0.5 -> 2.0, -3.09035...; Box and Cox 1964",
    y=lambda x, y, a: explog_trig.power(x, 1.0 - a),
    lmbda=lambda x, y, a: x * (y * y) * _log_quotient_slope(a * y),
)
inv_boxcox1p = special(
    sp.inv_boxcox1p,
    "2.0, 0.5 -> 2.0, -3.09035...; Box and Cox 1964",
    y=lambda x, y, a: exp((1.0 - a) * log1p(x)),
    lmbda=lambda x, y, a: (1.0 + x) * (y * y) * _log_quotient_slope(a * y),
)

# ---- Huber, Robust estimation of a location parameter, 1964 ----


def _huber_by_width(y: Any, delta: Any, r: Any) -> Any:
    return maximum(absolute(r) - delta, 0.0)


def _pseudo_huber_root(delta: Any, r: Any) -> Any:
    return sqrt(1.0 + square(r / delta))


def _pseudo_huber_by_width(y: Any, delta: Any, r: Any) -> Any:
    """(r / delta) ** 2 (2 / (1 + q) - 1 / q) delta, q being the root: no difference of numbers that are close."""
    q = _pseudo_huber_root(delta, r)
    return delta * square(r / delta) * ((q - 1.0) / (q * (1.0 + q)))


huber = special(
    sp.huber,
    "1.0, 3.0 -> 2.0, 1.0; Huber 1964",
    delta=_huber_by_width,
    r=lambda y, delta, r: maximum(minimum(r, delta), -delta),
)
pseudo_huber = special(
    sp.pseudo_huber,
    "1.0, 3.0 -> 1.47850..., 0.948683...; Huber 1964",
    delta=_pseudo_huber_by_width,
    r=lambda y, delta, r: r / _pseudo_huber_root(delta, r),
)

# ---- the error function and the normal distribution ----

_TWO_BY_ROOT_PI = 2.0 / math.sqrt(math.pi)
_ROOT_PI_BY_TWO = 0.5 * math.sqrt(math.pi)
_ROOT_TWO_PI = math.sqrt(2.0 * math.pi)

_complex_erf = by_parts("scipy.special.erf", sp.erf, z=lambda y, x: _TWO_BY_ROOT_PI * exp(-(x * x)))


@implements(sp.expit)
def expit(x: Any) -> Any:
    """1 / (1 + exp(-x)), without overflow; SciPy's error for complex numbers.

    Raises:
        TypeError: x is complex.

    >>> from pyad.scipy import special
    >>> pyad.grad(special.expit)(0.0)
    np.float64(0.25)
    """
    return computed(sp.expit, x) if is_complex(x) else sigmoid(x)


@implements(sp.erf)
def erf(z: Any) -> Any:
    """The error function, of complex numbers too (DLMF 7.2.1).

    >>> from pyad.scipy import special
    >>> pyad.grad(special.erf)(0.0).round(6)
    np.float64(1.128379)
    """
    return _complex_erf(z) if is_complex(z) else activations.erf(z)


erfc = special(sp.erfc, "0.5 -> -0.878783; DLMF 7.2.2", x=lambda y, x: -_TWO_BY_ROOT_PI * exp(-(x * x)))
erfcx = special(sp.erfcx, "0.5 -> -0.512689; DLMF 7.10", x=lambda y, x: 2.0 * x * y - _TWO_BY_ROOT_PI)
erfi = special(sp.erfi, "0.5 -> 1.448868; DLMF 7.2.2", z=lambda y, x: _TWO_BY_ROOT_PI * exp(x * x))
dawsn = special(sp.dawsn, "0.5 -> 0.575564; DLMF 7.2.5", x=lambda y, x: 1.0 - 2.0 * x * y)
erfinv = special(sp.erfinv, "0.5 -> 1.112585; DLMF 7.17", y=lambda y, x: _ROOT_PI_BY_TWO * exp(y * y))
erfcinv = special(sp.erfcinv, "0.5 -> -1.112585; DLMF 7.17", y=lambda y, x: -_ROOT_PI_BY_TWO * exp(y * y))
ndtr = special(sp.ndtr, "0.0 -> 0.398942; DLMF 7.2.2", x=lambda y, x: exp(-0.5 * (x * x)) * (1.0 / _ROOT_TWO_PI))
ndtri = special(sp.ndtri, "0.5 -> 2.506628; DLMF 7.17", y=lambda y, x: _ROOT_TWO_PI * exp(0.5 * (y * y)))
ndtri_exp = special(sp.ndtri_exp, "-1.0 -> 0.976172; DLMF 7.17", y=lambda y, x: 1.0 / _hazard(y))

# The normal density over its distribution function, without the quotient of two numbers that underflow.
_hazard = by_parts(
    "normal hazard",
    lambda x: math.sqrt(2.0 / math.pi) / sp.erfcx(x * -math.sqrt(0.5)),
    x=lambda y, x: -y * (x + y),
)
log_ndtr = special(sp.log_ndtr, "0.0 -> 0.797885; DLMF 7.2.2", x=lambda y, x: _hazard(x))
owens_t = special(
    sp.owens_t,
    "1.0, 2.0 -> -0.115480..., 0.00261284...; Owen 1956",
    h=lambda y, h, a: -0.5 / _ROOT_TWO_PI * exp(-0.5 * (h * h)) * activations.erf(a * h * math.sqrt(0.5)),
    a=lambda y, h, a: (0.5 / math.pi) * exp(-0.5 * (h * h) * (1.0 + a * a)) / (1.0 + a * a),
)


# Plain arrays run the engine's kernels too.
expit.kernel = sigmoid.kernel  # type: ignore[attr-defined]
erf.kernel = activations.erf.kernel  # type: ignore[attr-defined]

"""Elementary functions in forms that are accurate where the plain ones are not, and the error function's family."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special as sp

from pyad._ops import arithmetic as el
from pyad._ops._registry import implements
from pyad._trace.array import is_traced
from pyad._trace.op import COMPLEX_FORMS
from pyad._trace.promotion import is_complex
from pyad._trace.recorded_call import computed, detached
from pyad.scipy._elementwise import behind, by_parts, refuse, special

# ---- what the engine has a kernel for ----

implements(sp.expm1)(el.expm1)
implements(sp.log1p)(el.log1p)
if hasattr(sp, "softplus"):
    implements(sp.softplus)(el.softplus)

# ---- exponentials, logarithms and powers ----

exp2 = special(sp.exp2, x=lambda y, x: y * math.log(2.0))
exp10 = special(sp.exp10, x=lambda y, x: y * math.log(10.0))
cbrt = special(sp.cbrt, x=lambda y, x: 1.0 / (3.0 * (y * y)))
cosm1 = special(sp.cosm1, x=lambda y, x: -el.sin(x))
xlogy = special(sp.xlogy, x=lambda y, x, z: el.log(z), y=lambda y, x, z: x / z)
xlog1py = special(sp.xlog1py, x=lambda y, x, z: el.log1p(z), y=lambda y, x, z: x / (1.0 + z))
powm1 = special(sp.powm1, x=lambda y, x, a: a * el.power(x, a - 1.0), y=lambda y, x, a: (1.0 + y) * el.log(x))
logit = special(sp.logit, x=lambda y, x: 1.0 / (x * (1.0 - x)))
log_expit = special(sp.log_expit, x=lambda y, x: el.sigmoid(-x))
entr = special(sp.entr, x=lambda y, x: -1.0 - el.log(x))


def _entropy_slopes(p: Any, q: Any) -> tuple[Any, Any]:
    """The derivatives of p log(p / q). Where it is constant or infinite, 0: as if it were cut off there."""
    outside = (detached(p) <= 0) | (detached(q) <= 0)
    ratio = el.where(outside, 1.0, p) / el.where(outside, 1.0, q)
    return el.where(outside, 0.0, el.log(ratio) + 1.0), el.where(outside, 0.0, -ratio)


rel_entr = special(sp.rel_entr, x=lambda y, p, q: _entropy_slopes(p, q)[0], y=lambda y, p, q: _entropy_slopes(p, q)[1])
kl_div = special(
    sp.kl_div, x=lambda y, p, q: _entropy_slopes(p, q)[0] - 1.0, y=lambda y, p, q: _entropy_slopes(p, q)[1] + 1.0
)
wrightomega = special(sp.wrightomega, z=lambda y, x: y / (1.0 + y))
COMPLEX_FORMS[el._erf.number] = by_parts(
    "scipy.special.erf", sp.erf, x=lambda y, x: 2.0 / math.sqrt(math.pi) * el.exp(-(x * x))
)
spence = special(sp.spence, z=lambda y, x: -_log_quotient(x - 1.0))


def _real_branch(z: Any, k: Any) -> Any:
    w = sp.lambertw(z, k)
    if np.iscomplexobj(z):
        return w
    return np.where(w.imag == 0, w.real, np.nan)


_lambertw = by_parts("scipy.special.lambertw", _real_branch, z=lambda w, z, k: el.exp(-w) / (1.0 + w), k=None)


@implements(sp.lambertw)
def lambertw(z: Any, k: Any = 0, tol: float = 1e-8) -> Any:
    """The w with w exp(w) = z; of real z real: NaN where it is not. The branch k is constant, for real z 0 or -1."""
    if is_traced(k):
        raise refuse("scipy.special.lambertw", "k")
    return _lambertw(z, k)


behind("_lambertw", lambertw)


def _near_zero(z: Any, coefficients: list[float], formula: Any, radius: float) -> Any:
    """A Taylor polynomial (lowest order first) within the radius of 0, and the formula that loses digits there
    outside."""
    near = abs(detached(z)) < radius
    small = el.where(near, z, 0.0)
    total = coefficients[-1]
    for c in coefficients[-2::-1]:
        total = total * small + c
    return el.where(near, total, formula(el.where(near, 1.0, z)))


# The derivative of (exp(z) - 1) / z has the coefficients (k + 1) / (k + 2)!, and that of log(1 + z) / z those of the
# logarithm.
_EXPREL = [(k + 1) / math.factorial(k + 2) for k in range(19)]
_LOG = [(-1) ** k / (k + 1) for k in range(22)]
_LOG_SLOPE = [(-1) ** (k + 1) * (k + 1) / (k + 2) for k in range(22)]


def _exprel_slope(y: Any, z: Any) -> Any:
    return _near_zero(z, _EXPREL, lambda z: (el.exp(z) - exprel(z)) / z, 0.5)


exprel = special(sp.exprel, x=_exprel_slope)


def _log_quotient(z: Any) -> Any:
    """log(1 + z) / z."""
    return _near_zero(z, _LOG, lambda z: el.log1p(z) / z, 0.15)


def _log_quotient_slope(z: Any) -> Any:
    return _near_zero(z, _LOG_SLOPE, lambda z: (1.0 / (1.0 + z) - el.log1p(z) / z) / z, 0.15)


# ---- Box and Cox, An analysis of transformations, 1964: (x ** a - 1) / a = log(x) exprel(a log(x)) ----


def _boxcox_by_power(log_x: Any, power: Any) -> Any:
    return log_x * log_x * _exprel_slope(None, power * log_x)


boxcox = special(
    sp.boxcox,
    x=lambda y, x, a: el.power(x, a - 1.0),
    lmbda=lambda y, x, a: _boxcox_by_power(el.log(x), a),
)
boxcox1p = special(
    sp.boxcox1p,
    x=lambda y, x, a: el.exp((a - 1.0) * el.log1p(x)),
    lmbda=lambda y, x, a: _boxcox_by_power(el.log1p(x), a),
)
inv_boxcox = special(
    sp.inv_boxcox,
    y=lambda x, y, a: el.power(x, 1.0 - a),
    lmbda=lambda x, y, a: x * (y * y) * _log_quotient_slope(a * y),
)
inv_boxcox1p = special(
    sp.inv_boxcox1p,
    y=lambda x, y, a: el.exp((1.0 - a) * el.log1p(x)),
    lmbda=lambda x, y, a: (1.0 + x) * (y * y) * _log_quotient_slope(a * y),
)

# ---- Huber, Robust estimation of a location parameter, 1964 ----


def _huber_by_width(y: Any, delta: Any, r: Any) -> Any:
    return el.maximum(el.absolute(r) - delta, 0.0)


def _pseudo_huber_root(delta: Any, r: Any) -> Any:
    return el.sqrt(1.0 + el.square(r / delta))


def _pseudo_huber_by_width(y: Any, delta: Any, r: Any) -> Any:
    """(r / delta) ** 2 (2 / (1 + q) - 1 / q) delta, q being the root: no difference of numbers that are close."""
    q = _pseudo_huber_root(delta, r)
    return delta * el.square(r / delta) * ((q - 1.0) / (q * (1.0 + q)))


huber = special(sp.huber, delta=_huber_by_width, r=lambda y, delta, r: el.maximum(el.minimum(r, delta), -delta))
pseudo_huber = special(
    sp.pseudo_huber, delta=_pseudo_huber_by_width, r=lambda y, delta, r: r / _pseudo_huber_root(delta, r)
)

# ---- the error function and the normal distribution ----

_TWO_BY_ROOT_PI = 2.0 / math.sqrt(math.pi)
_ROOT_PI_BY_TWO = 0.5 * math.sqrt(math.pi)
_ROOT_TWO_PI = math.sqrt(2.0 * math.pi)

_complex_erf = by_parts("scipy.special.erf", sp.erf, z=lambda y, x: _TWO_BY_ROOT_PI * el.exp(-(x * x)))


@implements(sp.expit)
def expit(x: Any) -> Any:
    """1 / (1 + exp(-x)), without overflow; SciPy's error for complex numbers."""
    return computed(sp.expit, x) if is_complex(x) else el.sigmoid(x)


@implements(sp.erf)
def erf(z: Any) -> Any:
    """The error function, of complex numbers too."""
    return _complex_erf(z) if is_complex(z) else el.erf(z)


erfc = special(sp.erfc, x=lambda y, x: -_TWO_BY_ROOT_PI * el.exp(-(x * x)))
erfcx = special(sp.erfcx, x=lambda y, x: 2.0 * x * y - _TWO_BY_ROOT_PI)
erfi = special(sp.erfi, z=lambda y, x: _TWO_BY_ROOT_PI * el.exp(x * x))
dawsn = special(sp.dawsn, x=lambda y, x: 1.0 - 2.0 * x * y)
erfinv = special(sp.erfinv, y=lambda y, x: _ROOT_PI_BY_TWO * el.exp(y * y))
erfcinv = special(sp.erfcinv, y=lambda y, x: -_ROOT_PI_BY_TWO * el.exp(y * y))
ndtr = special(sp.ndtr, x=lambda y, x: el.exp(-0.5 * (x * x)) * (1.0 / _ROOT_TWO_PI))
ndtri = special(sp.ndtri, y=lambda y, x: _ROOT_TWO_PI * el.exp(0.5 * (y * y)))
ndtri_exp = special(sp.ndtri_exp, y=lambda y, x: 1.0 / _hazard(y))

# The normal density over its distribution function, without the quotient of two numbers that underflow.
_hazard = by_parts(
    "normal hazard",
    lambda x: math.sqrt(2.0 / math.pi) / sp.erfcx(x * -math.sqrt(0.5)),
    x=lambda y, x: -y * (x + y),
)
log_ndtr = special(sp.log_ndtr, x=lambda y, x: _hazard(x))
owens_t = special(
    sp.owens_t,
    h=lambda y, h, a: -0.5 / _ROOT_TWO_PI * el.exp(-0.5 * (h * h)) * el.erf(a * h * math.sqrt(0.5)),
    a=lambda y, h, a: (0.5 / math.pi) * el.exp(-0.5 * (h * h) * (1.0 + a * a)) / (1.0 + a * a),
)

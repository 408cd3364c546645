"""sinc and the Bessel function I0, with their derivatives of every order."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyad._ops._registry import implements
from pyad._ops.shape import asarray
from pyad._trace.numpy_op import numpy_op

# ---- sinc ----


def _reference_sinc(x: Any, order: int) -> Any:
    """The derivative of that order of sin(pi x) / (pi x).

    With u = pi x and f(u) = sin(u) / u, the derivatives of u f(u) = sin(u) are u f^(k) + k f^(k-1) = sin(u + k pi / 2),
    from which f^(k) follows where u is not small; there the power series of f is differentiated term by term.
    """
    if order == 0:
        return np.sinc(x)
    u = np.pi * np.asarray(x, complex if np.iscomplexobj(x) else float)
    small = np.abs(u) < order + 1.0
    near = np.where(small, u, 0.0)
    series = np.zeros_like(u)
    for n in range(60 + order):
        power_of_u = 2 * n - order
        if power_of_u >= 0:
            series += (-1.0) ** n / ((2 * n + 1) * math.gamma(power_of_u + 1.0)) * near**power_of_u
    far = np.where(small, order + 1.0, u)
    recurrence = np.sin(far) / far
    for k in range(1, order + 1):
        recurrence = (np.sin(far + k * (np.pi / 2)) - k * recurrence) / far
    return (np.pi**order * np.where(small, series, recurrence)).astype(np.asarray(x).dtype)[()]


_sinc = numpy_op(
    "sinc",
    _reference_sinc,
    lambda s, y, x, order: (s * _sinc(x, order=order + 1),),
    lambda tangents, y, x, order: tangents[0] * _sinc(x, order=order + 1),
)


@implements(np.sinc)
def sinc(x: Any) -> Any:
    """sin(pi x) / (pi x), 1 at 0, with derivatives of every order there.

    >>> pyad.grad(np.sinc)(0.5).round(6)
    np.float64(-1.27324)
    """
    return _sinc(asarray(x), order=0)


# ---- the Bessel function I0 ----

_ANGLES = 64


def _reference_i0(x: Any, order: int) -> Any:
    """The derivative of that order of I0(x), the mean of exp(x cos t) over the angles t.

    The trapezoidal rule converges exponentially for a periodic function (Trefethen and Weideman, The exponentially
    convergent trapezoidal rule, 2014). Opposite angles are added into a cosh or sinh, so nothing cancels.
    """
    if order == 0:
        return np.i0(x).astype(np.asarray(x).dtype)[()]
    wide = np.asarray(x, float)
    total = np.zeros_like(wide)
    for t in (np.arange(_ANGLES) + 0.5) * (np.pi / 2 / _ANGLES):
        c = np.cos(t)
        total += c**order * (np.sinh if order % 2 else np.cosh)(wide * c)
    return (total / _ANGLES).astype(np.asarray(x).dtype)[()]


_i0 = numpy_op(
    "i0",
    _reference_i0,
    lambda s, y, x, order: (s * _i0(x, order=order + 1),),
    lambda tangents, y, x, order: tangents[0] * _i0(x, order=order + 1),
)


@implements(np.i0)
def i0(x: Any) -> Any:
    """The modified Bessel function of the first kind, of order 0.

    >>> pyad.grad(np.i0)(1.0).round(6)
    np.float64(0.565159)
    """
    return _i0(asarray(x), order=0)

"""Exponentials, logarithms, powers with any exponent, and the trigonometric and hyperbolic functions.

The rules have the form of those of `pyad._ops.arithmetic`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyad._ops._calls import binary, unary
from pyad._ops._nested import operand
from pyad._ops._registry import implements
from pyad._ops.arithmetic import positive, reciprocal, sqrt, square
from pyad._ops.comparison import _compare, _eq, _ne, _select
from pyad._ops.shape import asarray, astype
from pyad._trace.array import is_traced
from pyad._trace.numpy_op import numpy_op_elementwise
from pyad._trace.op import elementwise
from pyad._trace.promotion import common_dtype, is_complex
from pyad._trace.recorded_call import computed

_ANY = ((-2.0, 2.0),)
_POSITIVE = ((0.1, 3.0),)
_UNIT = ((-0.9, 0.9),)

# ---- records: exponentials and logarithms ----

_LN2 = math.log(2.0)
_LOG2_E = 1.0 / math.log(2.0)
_LOG10_E = 1.0 / math.log(10.0)
_exp = elementwise("exp", np.exp, lambda s, y, x: (s * y,))
_exp2 = elementwise("exp2", np.exp2, lambda s, y, x: (s * (y * _LN2),))
_expm1 = elementwise("expm1", np.expm1, lambda s, y, x: (s * (y + 1.0),))
_log = elementwise("log", np.log, lambda s, y, x: (s / x,), _POSITIVE)
_log2 = elementwise("log2", np.log2, lambda s, y, x: (_LOG2_E * s / x,), _POSITIVE)
_log10 = elementwise("log10", np.log10, lambda s, y, x: (_LOG10_E * s / x,), _POSITIVE)
_log1p = elementwise("log1p", np.log1p, lambda s, y, x: (s / (1.0 + x),), ((-0.5, 3.0),))

# ---- records: trigonometric and hyperbolic functions ----

_sin = elementwise("sin", np.sin, lambda s, y, x: (s * cos(x),))
_cos = elementwise("cos", np.cos, lambda s, y, x: (-(s * sin(x)),))
_tan = elementwise("tan", np.tan, lambda s, y, x: (s * (1.0 + y * y),), ((-1.2, 1.2),))
_sinh = elementwise("sinh", np.sinh, lambda s, y, x: (s * cosh(x),))
_cosh = elementwise("cosh", np.cosh, lambda s, y, x: (s * sinh(x),))
_tanh = elementwise("tanh", np.tanh, lambda s, y, x: (s * (1.0 - y * y),))


def _circle_root(x: Any) -> Any:
    """sqrt(1 - x * x); of complex numbers the factors, whose signed zeros choose the side of the branch cuts."""
    if not is_complex(x):
        return sqrt(1.0 - x * x)
    return sqrt(-(x - 1.0)) * sqrt(x - -1.0)


_arcsin = elementwise("arcsin", np.arcsin, lambda s, y, x: (s / _circle_root(x),), _UNIT)
_arccos = elementwise("arccos", np.arccos, lambda s, y, x: (-s / _circle_root(x),), _UNIT)
_arctan = elementwise("arctan", np.arctan, lambda s, y, x: (s / (1.0 + x * x),))


def _arctan2_partials(s: Any, z: Any, x: Any, y: Any) -> tuple[Any, Any]:
    length = hypot(x, y)
    return s * (y / length) / length, -(s * (x / length) / length)


_arctan2 = elementwise("arctan2", np.arctan2, _arctan2_partials, _ANY + _POSITIVE)


def _unit_hyperbola_root(x: Any) -> Any:
    """sqrt(x * x + 1). x - -1 and not x + 1: signed zeros of complex numbers choose the side of the branch cut, and
    0 - -0 loses none."""
    return sqrt(x * x - -1.0) if is_complex(x) else hypot(x, 1.0)


_arcsinh = elementwise("arcsinh", np.arcsinh, lambda s, y, x: (s / _unit_hyperbola_root(x),))


def _hyperbola_root(x: Any) -> Any:
    """sqrt(x * x - 1) as the product of two roots, which does not cancel near 1 nor overflow, and has the sign that the
    branch of arccosh asks for."""
    return sqrt(x - 1.0) * sqrt(x - -1.0)


_arccosh = elementwise("arccosh", np.arccosh, lambda s, y, x: (s / _hyperbola_root(x),), ((1.2, 3.0),))
_arctanh = elementwise("arctanh", np.arctanh, lambda s, y, x: (s / ((1.0 - x) * (1.0 + x)),), ((-0.9, 0.9),))


def _hypot_partials(s: Any, z: Any, x: Any, y: Any) -> tuple[Any, Any]:
    length = _select(_compare(_eq, z, 0.0), 1.0, z)
    return s * (x / length), s * (y / length)


_hypot = elementwise("hypot", np.hypot, _hypot_partials, _POSITIVE + _ANY)

# ---- records: powers, and what probabilities need ----


def _power_partials(s: Any, z: Any, x: Any, y: Any) -> tuple[Any, Any]:
    flat = _compare(_eq, y, 0.0)
    by_base = _select(flat, 0.0, s * y * power(x, _select(flat, 1.0, y - 1.0)))
    # 0 ** y does not depend on y as long as y > 0, so log(0) must not appear.
    by_exponent = s * (log(_select(_compare(_eq, x, 0.0), 1.0, x)) * z)
    return by_base, by_exponent


_pow = elementwise("pow", np.power, _power_partials, _POSITIVE + _ANY)


def _reference_sigmoid(x: Any) -> Any:
    x = np.asarray(x)
    x = x if x.dtype.kind == "f" else x.astype(float)
    e = np.exp(-np.abs(x))
    out = np.where(x >= 0, 1 / (1 + e), e / (1 + e))
    return out[()]


_sigmoid = elementwise("sigmoid", _reference_sigmoid, lambda s, y, x: (s * (y * (1.0 - y)),))


def _difference(x: Any, y: Any) -> Any:
    """x - y, and 0 for equal infinities."""
    d = x - y
    return _select(_compare(_eq, x, y), _select(_compare(_ne, d, d), 0.0, d), d)


def _logaddexp_partials(s: Any, z: Any, x: Any, y: Any) -> tuple[Any, Any]:
    # Not exp(x - z): z is rounded, which for large x the exponential would magnify.
    d = _difference(x, y)
    return s * sigmoid(d), s * sigmoid(-d)


def _logaddexp2_partials(s: Any, z: Any, x: Any, y: Any) -> tuple[Any, Any]:
    d = _LN2 * _difference(x, y)
    return s * sigmoid(d), s * sigmoid(-d)


_logaddexp = elementwise("logaddexp", np.logaddexp, _logaddexp_partials, ((0.0, 2.0),) * 2)
_logaddexp2 = numpy_op_elementwise("logaddexp2", np.logaddexp2, _logaddexp2_partials)

# ---- the functions ----

exp = unary(_exp, "e to the x.", "0.0 -> 1.0")
exp2 = unary(_exp2, "2 to the x.", "1.0 -> 1.386294")
expm1 = unary(_expm1, "exp(x) - 1, accurate near 0.", "0.0 -> 1.0")
log = unary(_log, "The natural logarithm.", "2.0 -> 0.5")
log2 = unary(_log2, "The logarithm to base 2.", "2.0 -> 0.721348")
log10 = unary(_log10, "The logarithm to base 10.", "1.0 -> 0.434294")
log1p = unary(_log1p, "log(1 + x), accurate near 0.", "1.0 -> 0.5")
sin = unary(_sin, "The sine.", "0.0 -> 1.0")
cos = unary(_cos, "The cosine.", "1.0 -> -0.841471")
tan = unary(_tan, "The tangent.", "0.0 -> 1.0")
sinh = unary(_sinh, "The hyperbolic sine.", "0.0 -> 1.0")
cosh = unary(_cosh, "The hyperbolic cosine.", "0.0 -> 0.0")
tanh = unary(_tanh, "The hyperbolic tangent.", "0.0 -> 1.0")
arcsin = unary(_arcsin, "The inverse sine.", "0.0 -> 1.0")
arccos = unary(_arccos, "The inverse cosine.", "0.0 -> -1.0")
arctan = unary(_arctan, "The inverse tangent.", "1.0 -> 0.5")
arctan2 = binary(_arctan2, "The angle of the point (y, x), where x is the first argument.", "3.0, 4.0 -> 0.16, -0.12")
arcsinh = unary(_arcsinh, "The inverse hyperbolic sine.", "0.0 -> 1.0")
arccosh = unary(_arccosh, "The inverse hyperbolic cosine.", "2.0 -> 0.57735")
arctanh = unary(_arctanh, "The inverse hyperbolic tangent.", "0.0 -> 1.0")
hypot = binary(_hypot, "sqrt(x * x + y * y) without overflow; its derivative at 0 is 0.", "3.0, 4.0 -> 0.6, 0.8")
sigmoid = unary(_sigmoid, "1 / (1 + exp(-x)), without overflow.")
logaddexp = binary(_logaddexp, "log(exp(x) + exp(y)) without overflow.", "0.0, 0.0 -> 0.5, 0.5")
_power = binary(_pow, "x ** y.", registered=False)


@implements(np.power)
def power(x: Any, y: Any, /) -> Any:
    """x ** y, element by element; 0 ** y is constant in y for y > 0, and x ** 0 in x.

    >>> pyad.grad(np.power)(2.0, 3.0)
    np.float64(12.0)
    """
    if is_traced(x) and isinstance(y, int | float | np.integer | np.floating):
        # NumPy's short ways, which its numbers have for squares only.
        short = _SHORT_POWERS.get(y)
        if short is not None and (x.ndim or y > 0.5) and common_dtype("power", (x, y)) == x.dtype:
            return short(x)
    return _power(x, y)


_SHORT_POWERS: dict[Any, Any] = {0.5: sqrt, 1: positive, 2: square, -1: reciprocal}


@implements(np.float_power)
def float_power(x1: Any, x2: Any, /) -> Any:
    """x1 ** x2 in float64, or complex128.

    >>> pyad.grad(np.float_power)(2.0, 3)
    np.float64(12.0)
    """
    x1, x2 = asarray(x1), asarray(x2)
    dtype = np.result_type(x1.dtype, x2.dtype, float)
    return power(astype(x1, dtype), astype(x2, dtype))


@implements(np.logaddexp2)
def logaddexp2(x1: Any, x2: Any, /) -> Any:
    """log2(2 ** x1 + 2 ** x2) without overflow.

    >>> pyad.grad(np.logaddexp2)(0.0, 0.0)
    np.float64(0.5)
    """
    return _logaddexp2(operand("logaddexp2", x1), operand("logaddexp2", x2))


def _real_operand(ufunc: np.ufunc, x: Any) -> Any:
    """The operand as an array; NumPy's error where it is complex."""
    x = asarray(x)
    if x.dtype.kind == "c":
        computed(ufunc, x)
    return x


@implements(np.rad2deg, np.degrees)
def rad2deg(x: Any, /) -> Any:
    """x radians in degrees.

    >>> pyad.grad(np.rad2deg)(1.0).round(6)
    np.float64(57.29578)
    """
    return _real_operand(np.rad2deg, x) * (180.0 / math.pi)


@implements(np.deg2rad, np.radians)
def deg2rad(x: Any, /) -> Any:
    """x degrees in radians.

    >>> pyad.grad(np.deg2rad)(1.0).round(6)
    np.float64(0.017453)
    """
    return _real_operand(np.deg2rad, x) * (math.pi / 180.0)

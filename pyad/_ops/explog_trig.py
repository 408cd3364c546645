"""The rest of NumPy's element-wise functions: other logarithms and powers, division with remainder, parts of numbers.

The rules have the form of `pyad._ops.arithmetic`. Where the derivative is a choice it is JAX's, except that `hypot` is
flat at 0, a tie of `fmax` and `fmin` shares the derivative as one of `maximum` does, and equal infinities share that of
`logaddexp`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyad._ops._calls import binary, operand, unary
from pyad._ops._registry import implements, refuse_out
from pyad._ops.arithmetic import _compare, _eq, _ne, _select, _tie, maximum, minimum, power, sigmoid, sqrt, where
from pyad._ops.assignment import assign_all
from pyad._ops.shape import array, asarray, astype
from pyad._trace.array import copy_of, is_traced
from pyad._trace.numpy_op import numpy_op, numpy_op_elementwise, numpy_op_linear
from pyad._trace.op import elementwise
from pyad._trace.promotion import common_dtype, dtype_of, is_complex
from pyad._trace.recorded_call import computed, detached, may_hold
from pyad._trace.traced_integer import TracedInteger

_ANY = ((-2.0, 2.0),)
_POSITIVE = ((0.1, 3.0),)

# ---- records: constant wherever they are differentiable ----

_trunc = elementwise("trunc", np.trunc, lambda s, y, x: (None,))
_rint = elementwise("rint", np.rint, lambda s, y, x: (None,))
# Drawn so that no quotient of the tests is near an integer, where the remainder jumps.
_floor_divide = elementwise("floor_divide", np.floor_divide, lambda s, z, x, y: (None, None), ((1.1, 1.9), (4.1, 4.9)))

trunc = unary(_trunc, "x without its fraction; constant for derivatives.")
rint = unary(_rint, "The nearest integer, the even one of two; constant for derivatives.")
floor_divide = binary(_floor_divide, "The largest integer not above x / y; constant for derivatives.")

# ---- records: powers and logarithms of other bases, inverse hyperbolic functions ----

_LN2 = math.log(2.0)
_LOG2_E = 1.0 / math.log(2.0)
_LOG10_E = 1.0 / math.log(10.0)

_exp2 = elementwise("exp2", np.exp2, lambda s, y, x: (s * (y * _LN2),))
_log2 = elementwise("log2", np.log2, lambda s, y, x: (_LOG2_E * s / x,), _POSITIVE)
_log10 = elementwise("log10", np.log10, lambda s, y, x: (_LOG10_E * s / x,), _POSITIVE)
_cbrt = elementwise("cbrt", np.cbrt, lambda s, y, x: (s * (1.0 / 3.0) / (y * y),), _POSITIVE)
# x - -1 and not x + 1: signed zeros of complex numbers choose the side of the branch cut, and 0 - -0 loses none.
_arcsinh = elementwise("arcsinh", np.arcsinh, lambda s, y, x: (s / sqrt(x * x - -1.0),))


def _hyperbola_root(x: Any) -> Any:
    """sqrt(x * x - 1) by its factors, which do not cancel near 1; of complex numbers the product of their roots, which
    has the sign that the branch of arccosh asks for."""
    if not is_complex(x):
        return sqrt((x - 1.0) * (x + 1.0))
    return sqrt(x - 1.0) * sqrt(x - -1.0)


_arccosh = elementwise("arccosh", np.arccosh, lambda s, y, x: (s / _hyperbola_root(x),), ((1.2, 3.0),))
_arctanh = elementwise("arctanh", np.arctanh, lambda s, y, x: (s / ((1.0 - x) * (1.0 + x)),), ((-0.9, 0.9),))

exp2 = unary(_exp2, "2 to the x.")
log2 = unary(_log2, "The logarithm to base 2.")
log10 = unary(_log10, "The logarithm to base 10.")
cbrt = unary(_cbrt, "The cube root, of negative numbers too.")
arcsinh = unary(_arcsinh, "The inverse hyperbolic sine.")
arccosh = unary(_arccosh, "The inverse hyperbolic cosine.")
arctanh = unary(_arctanh, "The inverse hyperbolic tangent.")

# ---- records: two operands ----


def _hypot_partials(s: Any, z: Any, x: Any, y: Any) -> tuple[Any, Any]:
    length = _select(_compare(_eq, z, 0.0), 1.0, z)
    return s * (x / length), s * (y / length)


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


_hypot = elementwise("hypot", np.hypot, _hypot_partials, _POSITIVE + _ANY)
_logaddexp = elementwise("logaddexp", np.logaddexp, _logaddexp_partials, ((0.0, 2.0),) * 2)
_fmod = elementwise("fmod", np.fmod, lambda s, z, x, y: (s, -(s * rint((x - z) / y))), ((5.2, 5.8), (2.1, 2.4)))
_mod = elementwise("mod", np.mod, lambda s, z, x, y: (s, -(s * floor_divide(x, y))), ((-5.8, -5.2), (2.1, 2.4)))
_fmax = elementwise("fmax", np.fmax, lambda s, z, x, y: (_tie(s, z, x, y), _tie(s, z, y, x)), _ANY * 2)
_fmin = elementwise("fmin", np.fmin, lambda s, z, x, y: (_tie(s, z, x, y), _tie(s, z, y, x)), _ANY * 2)
_copysign = elementwise(
    "copysign",
    np.copysign,
    # Of 1 and not of x, so that zeros count with their signs.
    lambda s, z, x, y: (s * (copysign(1.0, x) * copysign(1.0, y)), None),
    _ANY * 2,
)
_logaddexp2 = numpy_op_elementwise("logaddexp2", np.logaddexp2, _logaddexp2_partials)

hypot = binary(_hypot, "sqrt(x * x + y * y) without overflow; its derivative at 0 is 0.")
logaddexp = binary(_logaddexp, "log(exp(x) + exp(y)) without overflow.")
fmod = binary(_fmod, "The remainder of x / y with the sign of x.")
mod = remainder = binary(_mod, "The remainder of x / y with the sign of y, as Python's x % y.")
fmax = binary(_fmax, "The larger of x and y, of which NaN is passed over; a tie shares the derivative.")
fmin = binary(_fmin, "The smaller of x and y, of which NaN is passed over; a tie shares the derivative.")
copysign = binary(_copysign, "x with the sign of y, which is constant for derivatives.")

# ---- ufuncs by those above ----


@implements(np.positive)
def positive(x: Any, /) -> Any:
    """A copy of x."""
    return copy_of(asarray(x))


@implements(np.logaddexp2)
def logaddexp2(x1: Any, x2: Any, /) -> Any:
    """log2(2 ** x1 + 2 ** x2) without overflow."""
    return _logaddexp2(operand("logaddexp2", x1), operand("logaddexp2", x2))


def _real_operand(ufunc: np.ufunc, x: Any) -> Any:
    """The operand as an array; NumPy's error where it is complex."""
    x = asarray(x)
    if x.dtype.kind == "c":
        computed(ufunc, x)
    return x


@implements(np.rad2deg, np.degrees)
def rad2deg(x: Any, /) -> Any:
    """x radians in degrees."""
    return _real_operand(np.rad2deg, x) * (180.0 / math.pi)


@implements(np.deg2rad, np.radians)
def deg2rad(x: Any, /) -> Any:
    """x degrees in radians."""
    return _real_operand(np.deg2rad, x) * (math.pi / 180.0)


@implements(np.divmod)
def divmod_(x1: Any, x2: Any, /) -> tuple[Any, Any]:
    """(x1 // x2, x1 % x2)."""
    return floor_divide(x1, x2), mod(x1, x2)


@implements(np.float_power)
def float_power(x1: Any, x2: Any, /) -> Any:
    """x1 ** x2 in float64, or complex128."""
    x1, x2 = asarray(x1), asarray(x2)
    dtype = np.result_type(x1.dtype, x2.dtype, float)
    return power(astype(x1, dtype), astype(x2, dtype))


@implements(np.heaviside)
def heaviside(x1: Any, x2: Any, /) -> Any:
    """0 below zero, 1 above it, and x2 at zero; constant in x1."""
    x1 = array(x1) if type(x1) in (list, tuple) else x1
    if not is_traced(x2):
        return computed(np.heaviside, x1, x2)
    steps = detached(x1)
    dtype = common_dtype("heaviside", (x1, x2))
    flat = computed(lambda s: np.heaviside(s, np.asarray(s, dtype)), steps)
    return where(np.equal(steps, 0), astype(x2, dtype), flat)


_fraction = numpy_op_elementwise("modf", lambda x: np.modf(x)[0], lambda s, y, x: (s,))


@implements(np.modf)
def modf(x: Any, /) -> tuple[Any, Any]:
    """(the fraction of x, its integer part), both with the sign of x."""
    return _fraction(asarray(x)), trunc(x)


_ldexp = numpy_op_linear(
    "ldexp", lambda x, exponent: np.ldexp(x, exponent), lambda s, x, exponent: (_ldexp(s, exponent=exponent),)
)


@implements(np.ldexp)
def ldexp(x1: Any, x2: Any, /) -> Any:
    """x1 * 2 ** x2 for integers x2."""
    exponent = asarray(x2) if not is_traced(x2) else None
    if exponent is None or exponent.dtype.kind not in "bui":
        raise TypeError(f"ldexp: the exponents must be integers, got {dtype_of(x2) if is_traced(x2) else x2!r}")
    return _scaled(asarray(x1), exponent)


@implements(np.frexp)
def frexp(x: Any, /) -> tuple[Any, Any]:
    """(mantissa, exponent) with x = mantissa * 2 ** exponent; the exponents are plain integers."""
    x = asarray(x)
    exponent = computed(lambda x: np.frexp(x)[1], x)
    return _scaled(x, -exponent), exponent


def _scaled(x: Any, exponent: Any) -> Any:
    """x * 2 ** exponent."""
    if type(exponent) is not TracedInteger:
        return _ldexp(x, exponent=exponent)
    # In two steps, each of which is a number even where the whole is none.
    one = x.dtype.type(1.0)
    half, rest = computed(lambda e: (np.ldexp(one, e // 2), np.ldexp(one, e - e // 2)), exponent)
    return x * half * rest


# ---- functions ----


@implements(np.fix)
def fix(x: Any, out: Any = None) -> Any:
    """x rounded towards zero; constant for derivatives."""
    refuse_out("numpy.fix", out)
    return trunc(x)


@implements(np.nan_to_num)
def nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """x with numbers in the places of NaN and infinities, where it is constant."""
    result = _finite(array(x), {"nan": nan, "posinf": posinf, "neginf": neginf})
    if copy or not is_traced(x) or not x.ndim:
        return result
    assign_all(x, result)
    return x


def _finite(x: Any, instead: dict[str, Any]) -> Any:
    value = detached(x)
    finite = np.isfinite(value)
    if x.dtype.kind == "c" and may_hold(~finite):
        # NumPy looks at the parts by themselves: that which is finite stays, with its derivative.
        return _finite(np.real(x), instead) + 1j * _finite(np.imag(x), instead)
    return where(finite, x, computed(lambda value: np.nan_to_num(value, **instead), value))


_NONE = np._NoValue  # type: ignore[attr-defined]


@implements(np.clip)
def clip(
    a: Any,
    a_min: Any = _NONE,
    a_max: Any = _NONE,
    out: Any = None,
    *,
    min: Any = _NONE,
    max: Any = _NONE,
    dtype: Any = None,
) -> Any:
    """a, but not below a_min nor above a_max, which may be arrays or None; at a bound half the derivative passes."""
    refuse_out("numpy.clip", out)
    if (a_min is not _NONE or a_max is not _NONE) and (min is not _NONE or max is not _NONE):
        raise ValueError("clip: give the bounds by a_min and a_max or by min and max, not by both")
    low, high = (a_min, a_max) if min is _NONE and max is _NONE else (min, max)
    result = array(a)
    if low is not None and low is not _NONE:
        result = maximum(result, low)
    if high is not None and high is not _NONE:
        result = minimum(result, high)
    return result if dtype is None else astype(result, dtype)


# ---- sinc and its derivatives ----


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
    """sin(pi x) / (pi x), 1 at 0, with derivatives of every order there."""
    return _sinc(asarray(x), order=0)


# ---- the Bessel function I0 and its derivatives ----

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
    """The modified Bessel function of the first kind, of order 0."""
    return _i0(asarray(x), order=0)

"""Rounding, division with remainder, and the mantissa and exponent of numbers; NaN and infinities replaced."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyad._ops._calls import binary, unary
from pyad._ops._registry import implements, refuse_out
from pyad._ops.assignment import assign_all
from pyad._ops.comparison import where
from pyad._ops.shape import array, asarray, astype
from pyad._trace.array import is_traced
from pyad._trace.numpy_op import numpy_op_elementwise, numpy_op_linear
from pyad._trace.op import elementwise
from pyad._trace.promotion import common_dtype, dtype_of
from pyad._trace.recorded_call import computed, detached, may_hold
from pyad._trace.traced_integer import TracedInteger

# ---- records ----

_floor = elementwise("floor", np.floor, lambda s, y, x: (None,))
_ceil = elementwise("ceil", np.ceil, lambda s, y, x: (None,))
_trunc = elementwise("trunc", np.trunc, lambda s, y, x: (None,))
_rint = elementwise("rint", np.rint, lambda s, y, x: (None,))
# Drawn so that no quotient of the tests is near an integer, where the remainder jumps.
_floor_divide = elementwise("floor_divide", np.floor_divide, lambda s, z, x, y: (None, None), ((1.1, 1.9), (4.1, 4.9)))
_fmod = elementwise("fmod", np.fmod, lambda s, z, x, y: (s, -(s * rint((x - z) / y))), ((5.2, 5.8), (2.1, 2.4)))
_mod = elementwise("mod", np.mod, lambda s, z, x, y: (s, -(s * floor_divide(x, y))), ((-5.8, -5.2), (2.1, 2.4)))

# ---- the functions ----

floor = unary(_floor, "The largest integer not above x; constant for derivatives.", "1.5 -> 0.0")
ceil = unary(_ceil, "The smallest integer not below x; constant for derivatives.", "1.5 -> 0.0")
trunc = unary(_trunc, "x without its fraction; constant for derivatives.", "1.5 -> 0.0")
rint = unary(_rint, "The nearest integer, the even one of two; constant for derivatives.", "1.5 -> 0.0")
floor_divide = binary(
    _floor_divide, "The largest integer not above x / y; constant for derivatives.", "7.5, 2.0 -> 0.0, 0.0"
)
fmod = binary(_fmod, "The remainder of x / y with the sign of x.", "7.5, 2.0 -> 1.0, -3.0")
mod = remainder = binary(_mod, "The remainder of x / y with the sign of y, as Python's x % y.", "-7.5, 2.0 -> 1.0, 4.0")


@implements(np.fix)
def fix(x: Any, out: Any = None) -> Any:
    """x rounded towards zero; constant for derivatives.

    >>> pyad.grad(np.fix)(2.5)
    np.float64(0.0)
    """
    refuse_out("numpy.fix", out)
    return trunc(x)


@implements(np.divmod)
def divmod_(x1: Any, x2: Any, /) -> tuple[Any, Any]:
    """(x1 // x2, x1 % x2).

    >>> pyad.jacobian(np.divmod)(7.5, 2.0)
    (np.float64(0.0), np.float64(1.0))
    """
    return floor_divide(x1, x2), mod(x1, x2)


@implements(np.heaviside)
def heaviside(x1: Any, x2: Any, /) -> Any:
    """0 below zero, 1 above it, and x2 at zero; constant in x1.

    >>> pyad.grad(np.heaviside, (0, 1))(0.0, 0.5)
    (np.float64(0.0), np.float64(1.0))
    """
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
    """(the fraction of x, its integer part), both with the sign of x.

    >>> pyad.jacobian(np.modf)(2.5)
    (np.float64(1.0), np.float64(0.0))
    """
    return _fraction(asarray(x)), trunc(x)


_ldexp = numpy_op_linear(
    "ldexp", lambda x, exponent: np.ldexp(x, exponent), lambda s, x, exponent: (_ldexp(s, exponent=exponent),)
)


@implements(np.ldexp)
def ldexp(x1: Any, x2: Any, /) -> Any:
    """x1 * 2 ** x2 for integers x2.

    >>> pyad.grad(lambda x: np.ldexp(x, 3))(1.0)
    np.float64(8.0)
    """
    exponent = asarray(x2) if not is_traced(x2) else None
    if exponent is None or exponent.dtype.kind not in "bui":
        raise TypeError(f"ldexp: the exponents must be integers, got {dtype_of(x2) if is_traced(x2) else x2!r}")
    return _scaled(asarray(x1), exponent)


@implements(np.frexp)
def frexp(x: Any, /) -> tuple[Any, Any]:
    """(mantissa, exponent) with x = mantissa * 2 ** exponent; the exponents are plain integers.

    >>> pyad.grad(lambda x: np.frexp(x)[0])(6.0)
    np.float64(0.125)
    """
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


@implements(np.nan_to_num)
def nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """x with numbers in the places of NaN and infinities, where it is constant.

    >>> pyad.grad(lambda x: np.sum(np.nan_to_num(x)))(np.array([1.0, np.nan]))
    array([1., 0.])
    """
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

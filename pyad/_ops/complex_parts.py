"""Parts, conjugates and magnitudes of complex numbers.

A derivative of a real number u by a complex z = x + iy is du/dx - i du/dy. With it, the cotangents of a holomorphic
function are multiplied by its derivative, and transposes of linear maps are plain ones, without a conjugate: the rules
of all other ops hold for complex numbers as they stand. Only the functions here are not holomorphic.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pyad._binding import dtypes
from pyad._binding.dtypes import DTYPES
from pyad._ops import activations, arithmetic, explog_trig, reductions
from pyad._ops._nested import plain
from pyad._ops._registry import implements
from pyad._ops.arithmetic import absolute, conjugate
from pyad._ops.comparison import where
from pyad._ops.explog_trig import arctan2
from pyad._ops.shape import recast
from pyad._trace import strided_view
from pyad._trace.array import Array, is_traced, wrap
from pyad._trace.op import COMPLEX_FORMS, Op, linear
from pyad._trace.promotion import is_complex
from pyad._trace.recorded_call import computed
from pyad._trace.view import take_component, view
from pyad.errors import DTypeError

__all__ = ["angle", "imag", "real", "real_if_close", "squared_magnitude", "with_component"]

_imag = linear("imag", np.imag, lambda s, y, x, p: (_minus_i(s),))
_unimag = linear("unimag", lambda x: np.conjugate(1j * np.asarray(x)), lambda s, y, x, p: (imag(s),))


def _minus_i(s: Any) -> Any:
    """-i times a real s, without a product that would make NaN of infinities."""
    return _unimag.record([s._h], None) if is_traced(s) else _unimag.reference(s)


@implements(np.real)
def real(val: Any) -> Any:
    """The real part; a real array as it is.

    >>> pyad.grad(np.real)(1 + 2j)
    np.complex128(1+0j)
    """
    val = plain("real", val)
    if not is_traced(val):
        return np.real(val)
    return _component(val, strided_view.REAL) if is_complex(val) else val


@implements(np.imag)
def imag(val: Any) -> Any:
    """The imaginary part; of a real array zeros, which are constant.

    >>> pyad.grad(np.imag)(1 + 2j)
    np.complex128(-1j)
    """
    val = plain("imag", val)
    if not is_traced(val):
        return np.imag(val)
    if is_complex(val):
        return _component(val, strided_view.IMAG)
    zeros = np.zeros(val.shape, val.dtype)
    zeros.flags.writeable = False
    return zeros[()]


def _component(z: Array, which: int) -> Array:
    """The parts of a complex array, as a view; of a number, as a number."""
    handle = take_component(z, which)
    return view(z, handle, (strided_view.component, which)) if z.ndim else wrap(handle)


def with_component(z: Array, which: int, value: Any) -> Any:
    """z with other real or imaginary parts, which broadcast to it."""
    dtype = _part(z.dtype)
    value = recast(value, dtype) if is_traced(value) else np.asarray(value, dtype)
    if which == strided_view.REAL:
        return _times_i(imag(z)) + recast(value, z.dtype)
    return recast(real(z), z.dtype) + _times_i(value)


def _times_i(x: Any) -> Any:
    """i times a real x."""
    return conjugate(_minus_i(x))


@implements(np.angle)
def angle(z: Any, deg: bool = False) -> Any:
    """The angle of a complex number with the positive real axis, in radians (or degrees); NaN derivative at 0.

    >>> pyad.grad(np.angle)(2j)
    np.complex128(-0.5+0j)
    """
    z = plain("angle", z)
    if not is_traced(z):
        return np.angle(z, deg)
    out = arctan2(imag(z), real(z)) if is_complex(z) else computed(np.angle, z)
    return out * (180 / np.pi) if deg else out


@implements(np.real_if_close)
def real_if_close(a: Any, tol: float = 100) -> Any:
    """The real part where all imaginary parts are small (see NumPy), else the array as it is.

    >>> pyad.grad(lambda z: np.real_if_close(z))(1 + 0j)
    np.complex128(1+0j)
    """
    a = plain("real_if_close", a)
    if not is_traced(a):
        return np.real_if_close(a, tol)
    closes = is_complex(a) and computed(lambda a, tol: not np.iscomplexobj(np.real_if_close(a, tol)), a, tol)
    return real(a) if closes else a


@implements(np.fabs)
def fabs(x: Any, /) -> Any:
    """|x| of real numbers; NumPy's error for complex ones.

    >>> pyad.grad(np.fabs)(-2.0)
    np.float64(-1.0)
    """
    x = plain("fabs", x)
    return computed(np.fabs, x) if is_complex(x) else absolute(x)


def squared_magnitude(z: Any) -> Any:
    """|z|^2 as a real array."""
    re, im = real(z), imag(z)
    return re * re + im * im


def _part(dtype: np.dtype) -> np.dtype:
    """The dtype of the parts of a complex dtype."""
    return DTYPES[dtypes.CODES[dtype] - 2]


# ---- what stands for ops where operands are complex ----


def _direction(z: Array) -> Any:
    """z / |z|, 0 at 0."""
    r = absolute(z)
    zero = r == 0
    return where(zero, 0.0, z / where(zero, 1.0, r))


def _refusal(op: Op) -> Callable[..., Any]:
    """Raises for an op whose reference would compute something else, or nothing, of complex numbers."""

    def refuse(*operands: Any) -> Any:
        raise DTypeError(f"{op.name}: operands are complex; it is defined for real numbers only")

    return refuse


COMPLEX_FORMS[arithmetic._sign.number] = _direction
for _op in (
    activations._erf,
    activations._relu,
    explog_trig._sigmoid,
    activations._softplus,
    reductions._logsumexp,
    reductions._softmax,
    reductions._log_softmax,
):
    COMPLEX_FORMS[_op.number] = _refusal(_op)

"""Sums, products, powers and roots, element by element, and the signs and magnitudes of numbers.

The rules of element-wise ops are `partials(s, y, *operands)`: s times each partial derivative; y is the result. At
points where the derivative does not exist or is ambiguous (ties, kinks, 0 ** y) the values are JAX's, except that
`hypot` is flat at 0, a tie of `fmax` and `fmin` shares the derivative as one of `maximum` does, and equal infinities
share that of `logaddexp`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pyad._ops._calls import binary, unary
from pyad._ops._nested import plain
from pyad._ops._registry import implements
from pyad._ops.comparison import _compare, _eq, _ge, _select
from pyad._ops.shape import asarray
from pyad._trace.array import copy_of, is_traced
from pyad._trace.op import elementwise, linear
from pyad._trace.promotion import is_complex

_ANY = ((-2.0, 2.0),)
_POSITIVE = ((0.1, 3.0),)

# ---- records ----

# Rules are written so that nothing between overflows or underflows where the result does not.


def _div_partials(s: Any, z: Any, y: Any) -> tuple[Any, Any]:
    by_x = s / y
    return by_x, -(by_x * z)


_add = elementwise("add", np.add, lambda s, z, x, y: (s, s), _ANY * 2)
_sub = elementwise("sub", np.subtract, lambda s, z, x, y: (s, -s), _ANY * 2)
_mul = elementwise("mul", np.multiply, lambda s, z, x, y: (s * y, s * x), _ANY * 2)
_div = elementwise("div", np.divide, lambda s, z, x, y: _div_partials(s, z, y), _ANY + _POSITIVE)
_neg = elementwise("neg", np.negative, lambda s, y, x: (-s,))
_square = elementwise("square", np.square, lambda s, y, x: (s * (2.0 * x),))
_reciprocal = elementwise("reciprocal", np.reciprocal, lambda s, y, x: (-(s * y) * y,), _POSITIVE)
_sqrt = elementwise("sqrt", np.sqrt, lambda s, y, x: (s * (0.5 / y),), _POSITIVE)
_cbrt = elementwise("cbrt", np.cbrt, lambda s, y, x: (s * (1.0 / 3.0) / (y * y),), _POSITIVE)
_sign = elementwise("sign", np.sign, lambda s, y, x: (None,))


def _abs_partial(s: Any, y: Any, x: Any) -> Any:
    if not is_complex(x):
        return _select(_compare(_ge, x, 0.0), s, -s)
    # 0 at 0. Going forward this is complex, of which a real result takes the real part.
    return s * (conjugate(x) / _select(_compare(_eq, y, 0.0), 1.0, y))


_abs = elementwise("abs", np.absolute, lambda s, y, x: (_abs_partial(s, y, x),))
_copysign = elementwise(
    "copysign",
    np.copysign,
    # Of 1 and not of x, so that zeros count with their signs.
    lambda s, z, x, y: (s * (copysign(1.0, x) * copysign(1.0, y)), None),
    _ANY * 2,
)
_conj = linear("conj", np.conjugate, lambda s, y, x, p: (conjugate(s),))

# ---- the functions ----

add = binary(_add, "x + y, element by element.", "1.0, 2.0 -> 1.0, 1.0")
subtract = binary(_sub, "x - y, element by element.", "1.0, 2.0 -> 1.0, -1.0")
multiply = binary(_mul, "x * y, element by element.", "2.0, 3.0 -> 3.0, 2.0")
divide = true_divide = binary(_div, "x / y, element by element.", "3.0, 2.0 -> 0.5, -0.75")
negative = unary(_neg, "-x.", "2.0 -> -1.0")
square = unary(_square, "x * x.", "3.0 -> 6.0")
reciprocal = unary(_reciprocal, "1 / x.", "2.0 -> -0.25")
sqrt = unary(_sqrt, "The square root.", "4.0 -> 0.25")
cbrt = unary(_cbrt, "The cube root, of negative numbers too.", "1.0 -> 0.333333")
sign = unary(_sign, "-1, 0 or 1; constant for derivatives.", "1.5 -> 0.0")
absolute = abs = unary(_abs, "|x|; its derivative at 0 is 1.", "-2.0 -> -1.0")
copysign = binary(_copysign, "x with the sign of y, which is constant for derivatives.", "2.0, -1.0 -> -1.0, 0.0")


@implements(np.positive)
def positive(x: Any, /) -> Any:
    """A copy of x.

    >>> pyad.grad(np.positive)(2.0)
    np.float64(1.0)
    """
    return copy_of(asarray(x))


@implements(np.conjugate)
def conjugate(x: Any, /) -> Any:
    """The complex conjugate; of a real array a copy.

    >>> pyad.jvp(np.conjugate, (1j,), (1j,))[1]
    np.complex128(-1j)
    """
    x = plain("conjugate", x)
    if not is_traced(x):
        return np.conjugate(x)
    return _conj.record([x._h], None) if is_complex(x) else copy_of(x)

"""Element-wise ops. The rules are `partials(s, y, *operands)`: s times each partial derivative; y is the result.

At points where the derivative does not exist or is ambiguous (ties, kinks, 0 ** y) the values are JAX's.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyad._ops._calls import binary, operand, unary
from pyad._ops._registry import implements
from pyad._trace.array import Array, is_traced
from pyad._trace.op import elementwise, handle_of, nondiff
from pyad._trace.promotion import common_dtype, constant, is_complex, refuse_subclass
from pyad._trace.recorded_call import call
from pyad._trace.traced_integer import TracedInteger

_ANY = ((-2.0, 2.0),)
_POSITIVE = ((0.1, 3.0),)
_UNIT = ((-0.9, 0.9),)


def _reference_sigmoid(x: Any) -> Any:
    x = np.asarray(x)
    x = x if x.dtype.kind == "f" else x.astype(float)
    e = np.exp(-np.abs(x))
    out = np.where(x >= 0, 1 / (1 + e), e / (1 + e))
    return out[()]


def _reference_erf(x: Any) -> Any:
    x = np.asarray(x)
    kind = x.dtype if x.dtype.kind == "f" else np.dtype(float)
    out = np.empty(x.shape, kind)
    for place, value in np.ndenumerate(x):
        out[place] = math.erf(value)
    return out[()]


def _reference_relu(x: Any) -> Any:
    return np.maximum(x, np.asarray(x).dtype.type(0))


def _reference_softplus(x: Any) -> Any:
    return np.logaddexp(x, np.asarray(x).dtype.type(0))


# ---- comparisons and logic: they give booleans, through which nothing is differentiated ----

_eq = nondiff("eq", np.equal, 2)
_ne = nondiff("ne", np.not_equal, 2)
_lt = nondiff("lt", np.less, 2)
_le = nondiff("le", np.less_equal, 2)
_gt = nondiff("gt", np.greater, 2)
_ge = nondiff("ge", np.greater_equal, 2)
_isnan = nondiff("isnan", np.isnan, 1)
_and = nondiff("and", np.logical_and, 2)
_or = nondiff("or", np.logical_or, 2)
_not = nondiff("not", np.logical_not, 1)
_floor = elementwise("floor", np.floor, lambda s, y, x: (None,))
_ceil = elementwise("ceil", np.ceil, lambda s, y, x: (None,))
_sign = elementwise("sign", np.sign, lambda s, y, x: (None,))

# ---- selection ----

_where = elementwise(
    "where",
    np.where,
    lambda s, z, c, x, y: (None, _select(c, s, 0.0), _select(c, 0.0, s)),
    domain=((0.0, 1.0), (-2.0, 2.0), (-2.0, 2.0)),
)


def _select(c: Any, x: Any, y: Any) -> Any:
    """where() for rules: the condition is traced too."""
    if not is_traced(c):
        return where(c, x, y)
    dtype = (x if is_traced(x) else y).dtype
    return _where.record([c._h, handle_of(x, dtype), handle_of(y, dtype)], None)


def _compare(op: Any, x: Any, y: Any) -> Any:
    """A comparison for rules: on placeholders its result is traced, on plain values NumPy's."""
    if not is_traced(x) and not is_traced(y):
        return op.reference(x, y)
    return op(x, y)


def _tie(s: Any, z: Any, x: Any, y: Any) -> Any:
    """s where x alone is the extremum z, s / 2 where y ties, else 0."""
    alone = _select(_compare(_eq, y, z), 0.5 * s, s)
    return _select(_compare(_eq, x, z), alone, 0.0)


def _abs_partial(s: Any, y: Any, x: Any) -> Any:
    if not is_complex(x):
        return _select(_compare(_ge, x, 0.0), s, -s)
    from pyad._ops.complex_parts import conjugate

    # 0 at 0. Going forward this is complex, of which a real result takes the real part.
    return s * (conjugate(x) / _select(_compare(_eq, y, 0.0), 1.0, y))


# ---- arithmetic ----

_add = elementwise("add", np.add, lambda s, z, x, y: (s, s), _ANY * 2)
_sub = elementwise("sub", np.subtract, lambda s, z, x, y: (s, -s), _ANY * 2)
_mul = elementwise("mul", np.multiply, lambda s, z, x, y: (s * y, s * x), _ANY * 2)
_div = elementwise("div", np.divide, lambda s, z, x, y: (s / y, -(s * z) / y), _ANY + _POSITIVE)
_neg = elementwise("neg", np.negative, lambda s, y, x: (-s,))
_maximum = elementwise("maximum", np.maximum, lambda s, z, x, y: (_tie(s, z, x, y), _tie(s, z, y, x)), _ANY * 2)
_minimum = elementwise("minimum", np.minimum, lambda s, z, x, y: (_tie(s, z, x, y), _tie(s, z, y, x)), _ANY * 2)
_abs = elementwise("abs", np.absolute, lambda s, y, x: (_abs_partial(s, y, x),))
_square = elementwise("square", np.square, lambda s, y, x: (s * (2.0 * x),))
_reciprocal = elementwise("reciprocal", np.reciprocal, lambda s, y, x: (-s * (y * y),), _POSITIVE)
_sqrt = elementwise("sqrt", np.sqrt, lambda s, y, x: (s * (0.5 / y),), _POSITIVE)


def _power_partials(s: Any, z: Any, x: Any, y: Any) -> tuple[Any, Any]:
    flat = _compare(_eq, y, 0.0)
    by_base = _select(flat, 0.0, s * y * power(x, _select(flat, 1.0, y - 1.0)))
    # 0 ** y does not depend on y as long as y > 0, so log(0) must not appear.
    by_exponent = s * (log(_select(_compare(_eq, x, 0.0), 1.0, x)) * z)
    return by_base, by_exponent


_pow = elementwise("pow", np.power, _power_partials, _POSITIVE + _ANY)

# ---- exponential, trigonometric, hyperbolic ----

_exp = elementwise("exp", np.exp, lambda s, y, x: (s * y,))
_expm1 = elementwise("expm1", np.expm1, lambda s, y, x: (s * (y + 1.0),))
_log = elementwise("log", np.log, lambda s, y, x: (s / x,), _POSITIVE)
_log1p = elementwise("log1p", np.log1p, lambda s, y, x: (s / (1.0 + x),), ((-0.5, 3.0),))
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
    scaled = s / (x * x + y * y)
    return scaled * y, -(scaled * x)


_arctan2 = elementwise("arctan2", np.arctan2, _arctan2_partials, _ANY + _POSITIVE)

# ---- what networks and probabilities need ----

_sigmoid = elementwise("sigmoid", _reference_sigmoid, lambda s, y, x: (s * (y * (1.0 - y)),))
_relu = elementwise("relu", _reference_relu, lambda s, y, x: (_select(_compare(_gt, y, 0.0), s, 0.0),))
_softplus = elementwise("softplus", _reference_softplus, lambda s, y, x: (s * sigmoid(x),))
_erf = elementwise("erf", _reference_erf, lambda s, y, x: (s * (2.0 / math.sqrt(math.pi) * exp(-(x * x))),))

# ---- the functions ----

add = binary(_add, "x + y, element by element.")
subtract = binary(_sub, "x - y, element by element.")
multiply = binary(_mul, "x * y, element by element.")
divide = true_divide = binary(_div, "x / y, element by element.")
negative = unary(_neg, "-x.")
maximum = binary(_maximum, "The larger of x and y; a tie shares the derivative; NaN wins.")
minimum = binary(_minimum, "The smaller of x and y; a tie shares the derivative; NaN wins.")
absolute = abs = unary(_abs, "|x|; its derivative at 0 is 1.")
square = unary(_square, "x * x.")
reciprocal = unary(_reciprocal, "1 / x.")
sqrt = unary(_sqrt, "The square root.")
exp = unary(_exp, "e to the x.")
expm1 = unary(_expm1, "exp(x) - 1, accurate near 0.")
log = unary(_log, "The natural logarithm.")
log1p = unary(_log1p, "log(1 + x), accurate near 0.")
sin = unary(_sin, "The sine.")
cos = unary(_cos, "The cosine.")
tan = unary(_tan, "The tangent.")
sinh = unary(_sinh, "The hyperbolic sine.")
cosh = unary(_cosh, "The hyperbolic cosine.")
tanh = unary(_tanh, "The hyperbolic tangent.")
arcsin = unary(_arcsin, "The inverse sine.")
arccos = unary(_arccos, "The inverse cosine.")
arctan = unary(_arctan, "The inverse tangent.")
arctan2 = binary(_arctan2, "The angle of the point (y, x), where x is the first argument.")
sigmoid = unary(_sigmoid, "1 / (1 + exp(-x)), without overflow.")
relu = unary(_relu, "max(x, 0); its derivative at 0 is 0.")
softplus = unary(_softplus, "log(1 + exp(x)), without overflow.")
erf = unary(_erf, "The error function.")
floor = unary(_floor, "The largest integer not above x; constant for derivatives.")
ceil = unary(_ceil, "The smallest integer not below x; constant for derivatives.")
sign = unary(_sign, "-1, 0 or 1; constant for derivatives.")


_power = binary(_pow, "x ** y.", registered=False)


@implements(np.power)
def power(x: Any, y: Any, /) -> Any:
    """x ** y, element by element; 0 ** y is constant in y for y > 0, and x ** 0 in x.

    >>> import pyad
    >>> float(pyad.grad(lambda x: power(x, 3))(2.0))
    12.0
    """
    if is_traced(x) and type(y) in (int, float):
        if y == 2:
            return square(x)
        if y == 1:
            return +x
    return _power(x, y)


def where(condition: Any, x: Any, y: Any, /) -> Any:
    """x where the condition holds, else y. The branch not taken gets no derivative, also where it is NaN.

    >>> import numpy as np
    >>> import pyad
    >>> pyad.grad(lambda x: np.sum(np.where(x > 0, 2.0 * x, 0.0)))(np.array([-1.0, 3.0]))
    array([0., 2.])
    """
    if is_traced(condition):
        condition = nonzero_mask(condition)
    if not is_traced(x) and not is_traced(y) and type(condition) is not TracedInteger:
        return np.where(condition, x, y)
    if type(condition) is TracedInteger and not is_traced(x) and not is_traced(y) and not _is_inexact(x, y):
        return call(np.where, (condition, x, y), {})
    x, y = operand("where", x), operand("where", y)
    dtype = common_dtype("where", (x, y))
    refuse_subclass("where", condition)
    return _where.record([_mask_handle(condition), handle_of(x, dtype), handle_of(y, dtype)], None)


def _is_inexact(*operands: Any) -> bool:
    kinds = (x.dtype.kind if type(x) is TracedInteger else np.result_type(x).kind for x in operands)
    return any(kind in "fc" for kind in kinds)


def _mask_handle(condition: Any) -> int:
    if type(condition) is TracedInteger:
        return (condition if condition.dtype == np.bool_ else condition.astype(bool))._h
    mask = np.asarray(condition)
    return constant(mask if mask.dtype == np.bool_ else mask.astype(bool), np.dtype(bool))


def nonzero_mask(x: Array) -> Any:
    """x != 0 as booleans."""
    return x != 0

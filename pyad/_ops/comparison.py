"""Comparisons, logic, and the choice of elements by them."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyad._ops._nested import operand
from pyad._trace.array import Array, is_traced
from pyad._trace.op import elementwise, handle_of, nondiff
from pyad._trace.promotion import common_dtype, constant, refuse_subclass
from pyad._trace.recorded_call import call
from pyad._trace.traced_integer import TracedInteger

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

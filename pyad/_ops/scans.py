"""Running sums and products along an axis, and the first-order recurrence that is behind their derivatives.

Parameters of the kernels are (axis, 1 where the scan begins at the end of the axis).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pyad._ops._axes import normalize_axes
from pyad._ops._registry import implements, refuse_out
from pyad._ops.shape import _broadcast, asarray, astype, concatenate, ravel
from pyad._trace.array import is_traced
from pyad._trace.op import general, linear, run
from pyad._trace.promotion import constant
from pyad._trace.recorded_call import computed

__all__ = ["cumprod", "cumsum", "recur"]

# ---- references ----


def _flipped(x: Any, axis: int, reverse: int) -> Any:
    return np.flip(x, axis) if reverse else x


def _reference_cumsum(x: Any, axis: int, reverse: int) -> Any:
    return _flipped(np.cumsum(_flipped(x, axis, reverse), axis), axis, reverse)


def _reference_cumprod(x: Any, axis: int, reverse: int) -> Any:
    return _flipped(np.cumprod(_flipped(x, axis, reverse), axis), axis, reverse)


def _reference_recur(terms: Any, factors: Any, axis: int, reverse: int) -> Any:
    b = np.moveaxis(_flipped(terms, axis, reverse), axis, 0)
    a = np.moveaxis(_flipped(factors, axis, reverse), axis, 0)
    out = np.array(b)
    for i in range(1, len(out)):
        out[i] = b[i] + a[i] * out[i - 1]
    return np.ascontiguousarray(_flipped(np.moveaxis(out, 0, axis), axis, reverse))


# ---- records ----

_cumsum = linear("cumsum", _reference_cumsum, lambda s, y, x, p: (run(_cumsum, [s], (p[0], 1 - p[1])),))


def _shifted(x: Any, axis: int, towards_end: bool, fill: float) -> Any:
    """x moved along the axis by one place, with `fill` where nothing moves to."""
    from pyad._ops.shape import slice_axis

    n = x.shape[axis]
    if n == 0:
        return x
    shape = (*x.shape[:axis], 1, *x.shape[axis + 1 :])
    start = 0 if towards_end else 1
    if is_traced(x):
        edge = _broadcast.record([constant(fill, x.dtype)], shape)
        kept = slice_axis(x, axis, start, n - 1)
    else:
        edge = np.full(shape, fill, x.dtype)
        kept = x[(slice(None),) * axis + (slice(start, start + n - 1),)]
    return concatenate([edge, kept] if towards_end else [kept, edge], axis)


def _before(y: Any, p: tuple[int, ...], fill: float) -> Any:
    """The results one step earlier in the scan."""
    return _shifted(y, p[0], not p[1], fill)


def _cotangents(s: Any, factors: Any, p: tuple[int, ...]) -> Any:
    """Those of the terms of a recurrence: the recurrence that runs backwards, over the factors of the step after."""
    after = _shifted(factors, p[0], bool(p[1]), 0.0)
    return run(_recur, [s, after], (p[0], 1 - p[1]))


def _recur_vjp(s: Any, y: Any, terms: Any, factors: Any, p: tuple[int, ...]) -> tuple[Any, Any]:
    cotangents = _cotangents(s, factors, p)
    return cotangents, cotangents * _before(y, p, 0.0)


_recur = general(
    "recur",
    _reference_recur,
    _recur_vjp,
    (
        lambda t, y, terms, factors, p: run(_recur, [t, factors], p),
        lambda t, y, terms, factors, p: run(_recur, [t * _before(y, p, 0.0), factors], p),
    ),
)

# y[i] = x[i] y[i-1]: the recurrence in whose terms x does not occur. Nothing is divided by x, which may be zero.
_cumprod = general(
    "cumprod",
    _reference_cumprod,
    lambda s, y, x, p: (_cotangents(s, x, p) * _before(y, p, 1.0),),
    (lambda t, y, x, p: run(_recur, [t * _before(y, p, 1.0), x], p),),
)

# ---- functions ----


def recur(terms: Any, factors: Any, axis: int = 0, reverse: bool = False) -> Any:
    """y[i] = terms[i] + factors[i] * y[i - 1] along an axis of arrays of one shape, with y[0] = terms[0].

    >>> import numpy as np
    >>> recur(np.array([1.0, 1.0, 1.0]), np.array([0.5, 0.5, 0.5]))
    array([1.  , 1.5 , 1.75])
    """
    if not is_traced(terms) and not is_traced(factors):
        terms, factors = np.asarray(terms), np.asarray(factors)
        (axis,) = normalize_axes("recur", axis, terms.ndim)
        return _reference_recur(terms, factors, axis, int(reverse))
    (axis,) = normalize_axes("recur", axis, (terms if is_traced(terms) else np.asarray(terms)).ndim)
    return _recur(terms, factors, params=(axis, int(reverse)))


def _scan(name: str, op: Any, a: Any, axis: int | None, dtype: Any, out: Any) -> Any:
    refuse_out(f"numpy.{name}", out)
    a = asarray(a)
    if dtype is not None:
        if np.dtype(dtype).kind not in "fc":
            return computed(lambda a: getattr(np, name)(a, axis, dtype), a)
        a = astype(a, dtype)
    if not is_traced(a):
        return getattr(np, name)(a, axis)
    if axis is None or a.ndim == 0:
        if axis is not None:
            normalize_axes(name, axis, 1)
        a, axis = ravel(a), 0
    (axis,) = normalize_axes(name, axis, a.ndim)
    return op.record([a._h], (axis, 0))


@implements(np.cumsum)
def cumsum(a: Any, axis: int | None = None, dtype: Any = None, out: Any = None) -> Any:
    """The running sum along the axis (of all elements in one row, by default).

    >>> pyad.jacobian(np.cumsum)(np.ones(2))
    array([[1., 0.],
           [1., 1.]])
    """
    return _scan("cumsum", _cumsum, a, axis, dtype, out)


@implements(np.cumprod)
def cumprod(a: Any, axis: int | None = None, dtype: Any = None, out: Any = None) -> Any:
    """The running product along the axis (of all elements in one row, by default); zeros are no exception.

    >>> pyad.jacobian(np.cumprod)(np.array([2.0, 3.0]))
    array([[1., 0.],
           [3., 2.]])
    """
    return _scan("cumprod", _cumprod, a, axis, dtype, out)


def _cumulative(name: str, scan: Any, first: float, x: Any, axis: Any, dtype: Any, out: Any, include: bool) -> Any:
    x = asarray(x)
    if x.ndim == 0:
        raise ValueError(f"{name}: the array must have at least one dimension")
    if axis is None:
        if x.ndim > 1:
            raise ValueError(f"{name}: for an array of shape {x.shape} an axis must be given")
        axis = 0
    result = scan(x, axis, dtype, out)
    if not include:
        return result
    (axis,) = normalize_axes(name, axis, x.ndim)
    shape = (*x.shape[:axis], 1, *x.shape[axis + 1 :])
    return concatenate([np.full(shape, first, result.dtype), result], axis)


if hasattr(np, "cumulative_sum"):

    @implements(np.cumulative_sum)
    def cumulative_sum(
        x: Any, /, *, axis: Any = None, dtype: Any = None, out: Any = None, include_initial: bool = False
    ) -> Any:
        """The running sum along the axis, from 0 on where `include_initial`.

        >>> pyad.jacobian(np.cumulative_sum)(np.ones(2))
        array([[1., 0.],
               [1., 1.]])
        """
        return _cumulative("cumulative_sum", cumsum, 0.0, x, axis, dtype, out, include_initial)

    @implements(np.cumulative_prod)
    def cumulative_prod(
        x: Any, /, *, axis: Any = None, dtype: Any = None, out: Any = None, include_initial: bool = False
    ) -> Any:
        """The running product along the axis, from 1 on where `include_initial`.

        >>> pyad.jacobian(np.cumulative_prod)(np.array([2.0, 3.0]))
        array([[1., 0.],
               [3., 2.]])
        """
        return _cumulative("cumulative_prod", cumprod, 1.0, x, axis, dtype, out, include_initial)

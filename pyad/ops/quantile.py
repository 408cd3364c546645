"""Median, quantiles and percentiles: positions among the sorted elements, and straight lines between neighbours."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from pyad.array import Array, Weak, is_traced, numpy_value
from pyad.ops.elementwise import where
from pyad.ops.protocol import implements, refuse_out
from pyad.ops.reduce import Axis, normalize_axes
from pyad.ops.shape import asarray, astype, moveaxis, ravel, reshape

# How fast the position of a quantile moves with q: count + what stands here. Not in the table: steps, which are flat.
_SPEED = {
    "linear": -1.0,
    "interpolated_inverted_cdf": 0.0,
    "hazen": 0.0,
    "weibull": 1.0,
    "median_unbiased": 1.0 / 3.0,
    "normal_unbiased": 0.25,
}

# So many positions are found one by one; for more, the rows are sorted.
_FEW = 3


class _Rows:
    """The reduced axes of an array as rows, and the order within each."""

    def __init__(self, name: str, a: Any, axis: Axis, skip_nan: bool) -> None:
        self.axes = normalize_axes(name, axis, a.ndim)
        self.shape = a.shape
        rest = tuple(d for d in range(a.ndim) if d not in self.axes)
        moved = moveaxis(a, rest, tuple(range(len(rest))))
        self.outer = moved.shape[: len(rest)]
        self.n = math.prod(moved.shape[len(rest) :])
        self.flat = ravel(moved)
        value = np.reshape(numpy_value(moved), (*self.outer, self.n))
        self.value = value
        missing = np.isnan(value)
        self.has_nan = bool(np.any(missing))
        self.counts = self.n - np.sum(missing, -1)
        self.spoilt = self.counts == 0 if skip_nan else np.any(missing, -1)
        if not skip_nan:
            self.counts = np.full(self.outer, self.n)

    @functools.cached_property
    def order(self) -> np.ndarray:
        """The places of the elements from the smallest to the largest, NaN last; equal ones as they stand."""
        return np.argsort(self.value, -1, kind="stable")

    def at(self, position: np.ndarray) -> Any:
        """The elements at integer positions of the order; position is of shape q's shape + outer."""
        position = np.clip(position, 0, np.maximum(self.counts - 1, 0)).astype(np.int64)
        rows = np.arange(math.prod(self.outer)).reshape(self.outer)
        lead = position.shape[: position.ndim - len(self.outer)]
        if self.has_nan or math.prod(lead) > _FEW:
            place = self.order.reshape(-1)[rows * self.n + position]
        else:
            place = np.empty(position.shape, np.int64)
            for k in np.ndindex(*lead):
                place[k] = self._selected(position[k])
        return self.flat[place + rows * self.n]

    def _selected(self, position: np.ndarray) -> np.ndarray:
        """The places of the elements at one position in each row, as `order` has them, without sorting."""
        found = np.partition(self.value, np.unique(position), -1)
        found = np.take_along_axis(found, position[..., None], -1)
        equal = self.value == found
        # Of equal elements, the one as many places behind the first as the position asks for.
        behind = position - np.sum(self.value < found, -1)
        return np.argmax(np.cumsum(equal, -1) > behind[..., None] if np.any(behind) else equal, -1)

    def finished(self, result: Any, lead: int, keepdims: bool) -> Any:
        """NaN where a NaN decides, and the reduced axes back if they are kept; `lead` axes stand before."""
        if np.any(self.spoilt):
            result = where(self.spoilt, np.nan, result)
        if not keepdims:
            return result
        kept = tuple(1 if d in self.axes else n for d, n in enumerate(self.shape))
        return reshape(result, (*result.shape[:lead], *kept))


def _float(a: Any) -> Any:
    a = asarray(a)
    return a if a.dtype.kind in "fc" else astype(a, float)


def _median(name: str, a: Any, axis: Axis, out: Any, keepdims: bool, skip_nan: bool) -> Any:
    refuse_out(f"numpy.{name}", out)
    rows = _Rows(name, _float(a), axis, skip_nan)
    if rows.n == 0:
        return getattr(np, name)(numpy_value(asarray(a)), axis, keepdims=keepdims)
    low, high = (rows.counts - 1) // 2, rows.counts // 2
    middle = rows.at(low)
    if np.any(low != high):
        # Half of each, so that the sum of two large ones does not overflow; infinities stay what they are.
        middle = where(low == high, middle, 0.5 * middle + 0.5 * rows.at(high))
    return rows.finished(middle, 0, keepdims)


@implements(np.median)
def median(a: Any, axis: Axis = None, out: Any = None, overwrite_input: bool = False, keepdims: bool = False) -> Any:
    """The middle element over the axes, or the mean of the two middle ones; NaN where there is a NaN."""
    return _median("median", a, axis, out, keepdims, False)


@implements(np.nanmedian)
def nanmedian(a: Any, axis: Axis = None, out: Any = None, overwrite_input: bool = False, keepdims: bool = False) -> Any:
    """The median of what is not NaN."""
    return _median("nanmedian", a, axis, out, keepdims, True)


# ---- quantiles ----


def _positions(rows: _Rows, q: np.ndarray, method: str, dtype: np.dtype) -> np.ndarray:
    """Where among the sorted elements the quantiles lie, of shape q's shape + outer.

    NumPy's own answer for the numbers 0, 1, 2, ..., which is the position itself, whatever the method.
    """
    out = np.empty((*q.shape, *rows.outer))
    for count in np.unique(rows.counts):
        ladder = np.arange(max(count, 1), dtype=dtype)
        place = np.asarray(np.quantile(ladder, q, method=method))
        chosen = rows.counts == count
        out[..., chosen] = place[..., None]
    return out


def _weighted_positions(rows: _Rows, q: np.ndarray, method: str, weights: np.ndarray) -> np.ndarray:
    out = np.empty((*q.shape, *rows.outer))
    for place in np.ndindex(*rows.outer):
        w = weights[place][rows.order[place]][: int(rows.counts[place])]
        ladder = np.arange(float(max(len(w), 1)))
        out[(..., *place)] = np.quantile(ladder, q, method=method, weights=w if len(w) else None)
    return out


def _row_weights(weights: Any, a: Any, rows: _Rows, axis: Axis) -> np.ndarray:
    """Plain weights in the shape of the rows."""
    w = np.asarray(numpy_value(weights), float)
    if w.shape != a.shape:
        if w.ndim != 1 or len(rows.axes) != 1 or axis is None or w.size != rows.n:
            raise ValueError(f"quantile: weights of shape {w.shape} for an array of shape {a.shape}, axis {axis}")
        w = np.broadcast_to(w, (*rows.outer, rows.n))
        return w
    rest = tuple(d for d in range(w.ndim) if d not in rows.axes)
    return np.moveaxis(w, rest, tuple(range(len(rest)))).reshape(*rows.outer, rows.n)


def _between(low: Any, high: Any, share: Any) -> Any:
    """From low to high, from the nearer end, so that both ends and equal neighbours are exact."""
    step = high - low
    near = numpy_value(share) < 0.5
    return where(near, low + step * share, high - step * (1.0 - share))


class _Call:
    """The arguments of one call; q between 0 and 1, traced or not."""

    def __init__(self, name: str, a: Any, q: Any, method: str, weights: Any) -> None:
        self.name = name
        self.weights = weights
        self.method = method
        self.a = _float(a)
        if self.a.dtype.kind == "c":
            raise TypeError(f"{name}: a must be an array of real numbers, got {self.a.dtype}")
        # NumPy's answer depends on the method and on whether q is a number, an array or a list.
        weights = {} if weights is None else {"weights": np.ones(1)}
        one = np.zeros(1, self.a.dtype)
        self.dtype = getattr(np, name)(one, numpy_value(q), method=method, **weights).dtype
        if name.endswith("percentile"):
            q = q / 100 if type(q) in (int, float, Array) else np.true_divide(q, 100)
        # A number takes the dtype of the array; what has a dtype has one.
        if type(q) is Weak:
            q = astype(q, self.a.dtype)
        self.q = q if is_traced(q) else np.asarray(q, self.a.dtype) if type(q) in (int, float) else np.asarray(q)

    def run(self, axis: Axis, keepdims: bool) -> Any:
        weights = self.weights
        q = np.asarray(numpy_value(self.q))
        rows = _Rows(self.name, self.a, axis, self.name.startswith("nan"))
        ladder_dtype = np.result_type(self.a.dtype, q.dtype) if q.dtype.kind == "f" else self.a.dtype
        if rows.n == 0:
            keywords = {"method": self.method, "keepdims": keepdims}
            return getattr(np, self.name.replace("percentile", "quantile"))(numpy_value(self.a), q, axis, **keywords)
        if weights is None:
            position = _positions(rows, q, self.method, ladder_dtype)
        else:
            position = _weighted_positions(rows, q, self.method, _row_weights(weights, self.a, rows, axis))
        below = np.floor(position)
        result = rows.at(below)
        if np.any(below != position) or is_traced(self.q):
            result = _between(result, rows.at(below + 1), self._share(rows, position, below, ladder_dtype))
        result = rows.finished(result, q.ndim, keepdims)
        return result if result.dtype == self.dtype else astype(result, self.dtype)

    def _share(self, rows: _Rows, position: np.ndarray, below: np.ndarray, dtype: np.dtype) -> Any:
        """How far from the element below to the one above; moves with q where that is traced."""
        share = (position - below).astype(dtype)
        if not is_traced(self.q) or self.method not in _SPEED:
            return share
        inside = (position > 0) & (position < rows.counts - 1) | (self.method == "linear")
        speed = np.where(inside, rows.counts + _SPEED[self.method], 0.0).astype(dtype)
        q = reshape(self.q, (*self.q.shape, *(1,) * len(rows.outer)))
        return share + speed * (q - numpy_value(q))


def _quantile(name: str, a: Any, q: Any, rest: tuple[Any, ...]) -> Any:
    axis, out, method, keepdims, weights = rest
    refuse_out(f"numpy.{name}", out)
    q = asarray(q) if type(q) in (list, tuple) else q
    return _Call(name, a, q, method, weights).run(axis, bool(keepdims))


@implements(np.quantile)
def quantile(
    a: Any,
    q: Any,
    axis: Axis = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Any = None,
) -> Any:
    """The quantiles q, between 0 and 1, over the axes; the axes of q come first. Differentiable in a and q.

    All methods of NumPy. Weights are constant.
    """
    return _quantile("quantile", a, q, (axis, out, method, keepdims, weights))


@implements(np.percentile)
def percentile(
    a: Any,
    q: Any,
    axis: Axis = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Any = None,
) -> Any:
    """As `quantile`, for q between 0 and 100."""
    return _quantile("percentile", a, q, (axis, out, method, keepdims, weights))


@implements(np.nanquantile)
def nanquantile(
    a: Any,
    q: Any,
    axis: Axis = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Any = None,
) -> Any:
    """The quantiles of what is not NaN."""
    return _quantile("nanquantile", a, q, (axis, out, method, keepdims, weights))


@implements(np.nanpercentile)
def nanpercentile(
    a: Any,
    q: Any,
    axis: Axis = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Any = None,
) -> Any:
    """As `nanquantile`, for q between 0 and 100."""
    return _quantile("nanpercentile", a, q, (axis, out, method, keepdims, weights))

"""Median, quantiles and percentiles: positions among the sorted elements, and straight lines between neighbours."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from pyad._ops._axes import Axis, normalize_axes
from pyad._ops._registry import implements, named, refuse_out
from pyad._ops.comparison import where
from pyad._ops.rearrange import gather
from pyad._ops.shape import asarray, astype, moveaxis, ravel, reshape
from pyad._trace.array import Array, WeakScalar, is_traced
from pyad._trace.recorded_call import computed, detached, may_hold
from pyad._trace.traced_integer import TracedInteger

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


class _Order:
    """The order of the elements within each row of a plain array."""

    def __init__(self, value: np.ndarray, skip_nan: bool) -> None:
        self.value = value
        self.outer, self.n = value.shape[:-1], value.shape[-1]
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

    def places(self, position: np.ndarray) -> np.ndarray:
        """Where in the flattened array the elements at integer positions of the order are; position is of shape q's
        shape + outer."""
        position = np.clip(position, 0, np.maximum(self.counts - 1, 0)).astype(np.int64)
        rows = np.arange(math.prod(self.outer)).reshape(self.outer)
        lead = position.shape[: position.ndim - len(self.outer)]
        if self.has_nan or math.prod(lead) > _FEW:
            place = self.order.reshape(-1)[rows * self.n + position]
        else:
            place = np.empty(position.shape, np.int64)
            for k in np.ndindex(*lead):
                place[k] = self._selected(position[k])
        return place + rows * self.n

    def _selected(self, position: np.ndarray) -> np.ndarray:
        """The places of the elements at one position in each row, as `order` has them, without sorting."""
        found = np.partition(self.value, np.unique(position), -1)
        found = np.take_along_axis(found, position[..., None], -1)
        equal = self.value == found
        # Of equal elements, the one as many places behind the first as the position asks for.
        behind = position - np.sum(self.value < found, -1)
        return np.argmax(np.cumsum(equal, -1) > behind[..., None] if np.any(behind) else equal, -1)


class _Rows:
    """The reduced axes of an array as rows."""

    def __init__(self, name: str, a: Any, axis: Axis, skip_nan: bool) -> None:
        self.axes = normalize_axes(name, axis, a.ndim)
        self.shape = a.shape
        self.skip_nan = skip_nan
        rest = tuple(d for d in range(a.ndim) if d not in self.axes)
        self.moved = moveaxis(a, rest, tuple(range(len(rest))))
        self.outer = self.moved.shape[: len(rest)]
        self.n = math.prod(self.moved.shape[len(rest) :])
        self.flat = ravel(self.moved)

    def found(self, search: Callable[..., Any], *args: Any) -> Any:
        """search(order, *args) on plain values."""

        shape, skip_nan = (*self.outer, self.n), self.skip_nan

        def run(value: Any, *args: Any) -> Any:
            return search(_Order(np.reshape(value, shape), skip_nan), *args)

        return computed(run, self.moved, *args)

    def finished(self, result: Any, spoilt: Any, lead: int, keepdims: bool) -> Any:
        """NaN where a NaN decides, and the reduced axes back if they are kept; `lead` axes stand before."""
        if may_hold(spoilt):
            result = where(spoilt, np.nan, result)
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
        return computed(lambda a: getattr(np, name)(a, axis, keepdims=keepdims), asarray(a))
    below, above, spoilt = rows.found(_middle)
    middle = gather(rows.flat, below)
    between = below != above
    if (skip_nan or rows.n % 2 == 0) and may_hold(between):
        # Half of each, so that the sum of two large ones does not overflow; infinities stay what they are.
        middle = where(between, 0.5 * middle + 0.5 * gather(rows.flat, above), middle)
    return rows.finished(middle, spoilt != 0, 0, keepdims)


def _middle(order: _Order) -> np.ndarray:
    """The places of the two middle elements, and 1 where the result is NaN."""
    low, high = (order.counts - 1) // 2, order.counts // 2
    below = order.places(low)
    above = order.places(high) if np.any(low != high) else below
    return np.stack([below, above, order.spoilt.astype(np.int64)])


def _median_function(theirs: Callable[..., Any], doc: str) -> Callable[..., Any]:
    name = theirs.__name__

    def function(
        a: Any, axis: Axis = None, out: Any = None, overwrite_input: bool = False, keepdims: bool = False
    ) -> Any:
        return _median(name, a, axis, out, keepdims, name.startswith("nan"))

    return implements(theirs)(named(function, name, doc))


median = _median_function(
    np.median,
    (
        "The middle element over the axes, or the mean of the two middle ones; NaN where there is a NaN."
        "\n\n>>> pyad.grad(np.median)(np.array([3.0, 1.0, 2.0]))\narray([0., 0., 1.])"
    ),
)
nanmedian = _median_function(
    np.nanmedian,
    (
        "The median of what is not NaN."
        "\n\n>>> pyad.grad(np.nanmedian)(np.array([3.0, np.nan, 1.0]))\narray([0.5, 0. , 0.5])"
    ),
)


# ---- quantiles ----


def _positions(order: _Order, q: np.ndarray, method: str, dtype: np.dtype) -> np.ndarray:
    """Where among the sorted elements the quantiles lie, of shape q's shape + outer.

    NumPy's own answer for the numbers 0, 1, 2, ..., which is the position itself, whatever the method.
    """
    out = np.empty((*q.shape, *order.outer))
    for count in np.unique(order.counts):
        ladder = np.arange(max(count, 1), dtype=dtype)
        place = np.asarray(np.quantile(ladder, q, method=method))
        chosen = order.counts == count
        out[..., chosen] = place[..., None]
    return out


def _weighted_positions(order: _Order, q: np.ndarray, method: str, weights: np.ndarray) -> np.ndarray:
    out = np.empty((*q.shape, *order.outer))
    for place in np.ndindex(*order.outer):
        w = weights[place][order.order[place]][: int(order.counts[place])]
        ladder = np.arange(float(max(len(w), 1)))
        out[(..., *place)] = np.quantile(ladder, q, method=method, weights=w if len(w) else None)
    return out


def _row_weights(weights: Any, order: _Order, layout: tuple[Any, Any, Axis]) -> np.ndarray:
    """Plain weights in the shape of the rows."""
    w = np.asarray(weights, float)
    shape, axes, axis = layout
    if w.shape != shape:
        if w.ndim != 1 or len(axes) != 1 or axis is None or w.size != order.n:
            raise ValueError(f"quantile: weights of shape {w.shape} for an array of shape {shape}, axis {axis}")
        return np.broadcast_to(w, (*order.outer, order.n))
    rest = tuple(d for d in range(w.ndim) if d not in axes)
    return np.moveaxis(w, rest, tuple(range(len(rest)))).reshape(*order.outer, order.n)


class _Search:
    """The search for the elements around quantiles, on plain values."""

    def __init__(self, method: str, dtype: np.dtype, layout: tuple[Any, Any, Axis], moves: bool) -> None:
        self.method = method
        self.dtype = dtype
        self.layout = layout
        self.moves = moves

    def __call__(self, order: _Order, q: Any, weights: Any) -> tuple[np.ndarray, np.ndarray]:
        """The places of the elements below and above, and 1 where the result is NaN; and how far it is from the one to
        the other, and how fast that moves with q."""
        q = np.asarray(q)
        if weights is None:
            position = _positions(order, q, self.method, self.dtype)
        else:
            position = _weighted_positions(order, q, self.method, _row_weights(weights, order, self.layout))
        floor = np.floor(position)
        below = order.places(floor)
        above = order.places(floor + 1) if self.moves or np.any(floor != position) else below
        shares = [(position - floor).astype(self.dtype)]
        if self.moves and self.method in _SPEED:
            inside = (position > 0) & (position < order.counts - 1) | (self.method == "linear")
            shares.append(np.where(inside, order.counts + _SPEED[self.method], 0.0).astype(self.dtype))
        spoilt = np.broadcast_to(order.spoilt, below.shape).astype(np.int64)
        return np.stack([below, above, spoilt]), np.stack(shares)


def _between(low: Any, high: Any, share: Any) -> Any:
    """From low to high, from the nearer end, so that both ends and equal neighbours are exact."""
    step = high - low
    near = detached(share) < 0.5
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
        self.dtype = computed(lambda q: getattr(np, name)(one, q, method=method, **weights).dtype, q)
        if name.endswith("percentile"):
            q = q / 100 if type(q) in (int, float, Array) else np.true_divide(q, 100)
        # A number takes the dtype of the array; what has a dtype has one.
        if type(q) is WeakScalar:
            q = astype(q, self.a.dtype)
        elif not is_traced(q) and type(q) is not TracedInteger:
            q = np.asarray(q, self.a.dtype) if type(q) in (int, float) else np.asarray(q)
        self.q = q

    def run(self, axis: Axis, keepdims: bool) -> Any:
        rows = _Rows(self.name, self.a, axis, self.name.startswith("nan"))
        if rows.n == 0:
            keywords = {"method": self.method, "keepdims": keepdims}
            name = self.name.replace("percentile", "quantile")
            return computed(lambda a, q: getattr(np, name)(a, q, axis, **keywords), self.a, self.q)
        dtype = self.a.dtype
        if self.q.dtype.kind == "f":
            dtype = np.result_type(dtype, self.q.dtype)
        # Where the elements of a row stand in the weights, which have the shape of the array, or of one row.
        layout = (rows.shape, rows.axes, axis)
        places, shares = rows.found(_Search(self.method, dtype, layout, is_traced(self.q)), self.q, self.weights)
        result = gather(rows.flat, places[0])
        if is_traced(self.q) or is_traced(shares) or np.any(shares[0]):
            result = _between(result, gather(rows.flat, places[1]), self._share(rows, shares))
        result = rows.finished(result, places[2] != 0, self.q.ndim, keepdims)
        return result if result.dtype == self.dtype else astype(result, self.dtype)

    def _share(self, rows: _Rows, shares: Any) -> Any:
        """How far from the element below to the one above; moves with q where that is traced."""
        if len(shares) == 1:
            return shares[0]
        q = reshape(self.q, (*self.q.shape, *(1,) * len(rows.outer)))
        return shares[0] + shares[1] * (q - detached(q))


def _quantile_function(theirs: Callable[..., Any], doc: str) -> Callable[..., Any]:
    """One of the four, which differ in the range of q and in what they make of NaN."""
    name = theirs.__name__

    def function(
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
        refuse_out(f"numpy.{name}", out)
        q = asarray(q) if type(q) in (list, tuple) else q
        return _Call(name, a, q, method, weights).run(axis, bool(keepdims))

    return implements(theirs)(named(function, name, doc))


quantile = _quantile_function(
    np.quantile,
    """The quantiles q, between 0 and 1, over the axes; the axes of q come first. Differentiable in a and q.

    All methods of NumPy. Weights are constant.

    >>> pyad.grad(lambda a: np.quantile(a, 0.75))(np.array([3.0, 1.0, 2.0]))
    array([0.5, 0. , 0.5])
    """,
)
percentile = _quantile_function(
    np.percentile,
    (
        "As `quantile`, for q between 0 and 100."
        "\n\n>>> pyad.grad(lambda a: np.percentile(a, 75))(np.array([3.0, 1.0, 2.0]))\narray([0.5, 0. , 0.5])"
    ),
)
nanquantile = _quantile_function(
    np.nanquantile,
    (
        "The quantiles of what is not NaN."
        "\n\n>>> pyad.grad(lambda a: np.nanquantile(a, 0.75))(np.array([3.0, np.nan, 1.0]))\narray([0.75, 0.  , 0.25])"
    ),
)
nanpercentile = _quantile_function(
    np.nanpercentile,
    (
        "As `nanquantile`, for q between 0 and 100."
        "\n\n>>> pyad.grad(lambda a: np.nanpercentile(a, 75))(np.array([3.0, np.nan, 1.0]))\narray([0.75, 0.  , 0.25])"
    ),
)

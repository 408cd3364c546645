"""np.pad: every mode but a few is a gather along each axis, or a join with blocks, one axis after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pyad._ops import reductions
from pyad._ops._registry import implements
from pyad._ops.rearrange import along, flip, take_axis
from pyad._ops.selection import take_along_axis
from pyad._ops.shape import _unslice, asarray, astype, broadcast_to, concatenate, moveaxis
from pyad._ops.triangles_grids import linspace
from pyad._trace.array import is_traced
from pyad._trace.recorded_call import detached

__all__ = ["pad"]

Widths = tuple[int, int]

_ARGUMENTS = {
    "constant": {"constant_values"},
    "edge": set(),
    "empty": set(),
    "linear_ramp": {"end_values"},
    "maximum": {"stat_length"},
    "mean": {"stat_length"},
    "median": {"stat_length"},
    "minimum": {"stat_length"},
    "reflect": {"reflect_type"},
    "symmetric": {"reflect_type"},
    "wrap": set(),
}


def _pairs(given: Any, ndim: int) -> list[tuple[Any, Any]]:
    """(before, after) for each axis from one value, one pair, or one pair for each axis, with traced values in it."""
    given = asarray(given)
    if is_traced(given):
        pairs = broadcast_to(given, (ndim, 2))
        return [(pairs[d, 0], pairs[d, 1]) for d in range(ndim)]
    return [tuple(pair) for pair in np.broadcast_to(given, (ndim, 2))]


def _widths(pad_width: Any, ndim: int) -> list[Widths]:
    if isinstance(pad_width, dict):
        listed: list[Any] = [(0, 0)] * ndim
        for axis, width in pad_width.items():
            listed[axis] = (width, width) if isinstance(width, int) else width
        pad_width = listed
    widths = np.asarray(pad_width)
    if widths.dtype.kind not in "ui":
        raise TypeError("`pad_width` must be of integral type.")
    if np.any(widths < 0):
        raise ValueError("index can't contain negative values")
    return [(int(a), int(b)) for a, b in np.broadcast_to(widths, (ndim, 2))]


@implements(np.pad)
def pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Any:
    """The array with a frame around it, which `mode` fills.

    >>> pyad.grad(lambda x: np.sum(np.pad(x, 1, 'edge')))(np.ones(3))
    array([2., 1., 2.])
    """
    x = asarray(array)
    widths = _widths(pad_width, x.ndim)
    if callable(mode):
        return _by_function(x, widths, mode, kwargs)
    if mode not in _ARGUMENTS:
        raise ValueError(f"mode '{mode}' is not supported")
    unknown = set(kwargs) - _ARGUMENTS[mode]
    if unknown:
        raise ValueError(f"unsupported keyword arguments for mode '{mode}': {unknown}")
    if mode in ("constant", "empty"):
        return _constant(x, widths, kwargs.get("constant_values", 0))
    for d, width in enumerate(widths):
        if x.shape[d] == 0 and any(width):
            raise ValueError(f"can't extend empty axis {d} using modes other than 'constant' or 'empty'")
    if mode in ("edge", "wrap", "reflect", "symmetric"):
        return _gathered(x, widths, mode, kwargs.get("reflect_type", "even"))
    if mode == "linear_ramp":
        return _ramps(x, widths, kwargs.get("end_values", 0))
    return _statistics(x, widths, mode, kwargs.get("stat_length"))


def _zeros_around(x: Any, widths: list[Widths]) -> Any:
    """One step of the engine: the array put into zeros."""
    if not any(map(any, widths)):
        return x.copy()
    shape = tuple(a + n + b for n, (a, b) in zip(x.shape, widths, strict=True))
    steps = [k for n, (a, _) in zip(x.shape, widths, strict=True) for k in (a if n else 0, 1, n)]
    return _unslice.record([x._h], (x.ndim, *shape, *steps))


def _joined(x: Any, axis: int, width: Widths, before: Any, after: Any) -> Any:
    """x between two blocks along an axis; what they hold is broadcast to their shape."""
    parts = [x]
    for n, value, place in ((width[0], before, 0), (width[1], after, len(parts) + 1)):
        if n:
            shape = tuple(n if d == axis else length for d, length in enumerate(x.shape))
            parts.insert(place, astype(broadcast_to(value, shape), x.dtype))
    return concatenate(parts, axis) if len(parts) > 1 else x


def _constant(x: Any, widths: list[Widths], values: Any) -> Any:
    values = asarray(values)
    if is_traced(x) and not is_traced(values) and not np.any(values):
        return _zeros_around(x, widths)
    for d, (width, pair) in enumerate(zip(widths, _pairs(values, x.ndim), strict=True)):
        x = _joined(x, d, width, asarray(pair[0]), asarray(pair[1]))
    return x


def _gathered(x: Any, widths: list[Widths], mode: str, reflect_type: str) -> Any:
    odd = mode in ("reflect", "symmetric") and reflect_type == "odd"
    if mode in ("reflect", "symmetric") and reflect_type not in ("even", "odd"):
        raise ValueError(f"pad: reflect_type must be 'even' or 'odd', got {reflect_type!r}")
    for d, width in enumerate(widths):
        if not any(width):
            continue
        places = np.pad(np.arange(x.shape[d]), width, mode)
        x = _odd(x, d, width, mode, places) if odd else take_axis(x, places, d)
    return x


def _odd(x: Any, axis: int, width: Widths, mode: str, places: np.ndarray) -> Any:
    """Reflection through the edges' values: each new entry is plus or minus an entry and multiples of the two edges,
    which NumPy tells from padding an edge of one. Together they make one."""
    n = x.shape[axis]
    first, last = np.zeros(n), np.zeros(n)
    first[0] = 1.0
    if n > 1:
        last[-1] = 1.0
    by_first, by_last = (np.pad(edge, width, mode, reflect_type="odd") for edge in (first, last))

    def part(where: slice) -> Any:
        column = (slice(where.start, where.stop), *(None,) * (x.ndim - axis - 1))
        a, b = (np.asarray(edge[column], x.dtype) for edge in (by_first, by_last))
        out = take_axis(x, places[where], axis) * (1 - a - b)
        for weight, edge in ((a, x[along(axis, slice(0, 1))]), (b, x[along(axis, slice(n - 1, n))])):
            if weight.any():
                out = out + edge * weight
        return out

    parts = [part(slice(0, width[0])), x, part(slice(width[0] + n, len(places)))]
    return concatenate(parts, axis)


def _ramps(x: Any, widths: list[Widths], end_values: Any) -> Any:
    for d, (width, ends) in enumerate(zip(widths, _pairs(end_values, x.ndim), strict=True)):
        if not any(width):
            continue
        edges = x[along(d, 0)], x[along(d, -1)]
        parts = [x]
        for side in (0, 1):
            if width[side]:
                end = astype(asarray(ends[side]), x.dtype)
                ramp = linspace(end, edges[side], width[side], endpoint=False, axis=d)
                parts.insert(2 * side, flip(ramp, d) if side else ramp)
        x = concatenate(parts, d)
    return x


def _median(x: Any, axis: int) -> Any:
    n = x.shape[axis]
    if n == 0:
        return reductions.mean(x, axis, keepdims=True)
    order = np.argsort(detached(x), axis=axis)
    low = order[along(axis, slice((n - 1) // 2, (n - 1) // 2 + 1))]
    high = order[along(axis, slice(n // 2, n // 2 + 1))]
    if n % 2:
        return take_along_axis(x, low, axis)
    return (take_along_axis(x, low, axis) + take_along_axis(x, high, axis)) * 0.5


_STATISTICS: dict[str, Callable[[Any, int], Any]] = {
    "maximum": lambda x, axis: reductions.max(x, axis, keepdims=True),
    "minimum": lambda x, axis: reductions.min(x, axis, keepdims=True),
    "mean": lambda x, axis: reductions.mean(x, axis, keepdims=True),
    "median": _median,
}


def _statistics(x: Any, widths: list[Widths], mode: str, stat_length: Any) -> Any:
    lengths = [(None, None)] * x.ndim if stat_length is None else _widths(stat_length, x.ndim)
    statistic = _STATISTICS[mode]
    for d, (width, (left, right)) in enumerate(zip(widths, lengths, strict=True)):
        n = x.shape[d]
        if mode in ("maximum", "minimum") and 0 in (left, right):
            raise ValueError("stat_length of 0 yields no value for padding")
        left, right = (n if k is None else min(k, n) for k in (left, right))
        if not any(width):
            continue
        before = statistic(x[along(d, slice(0, left))], d)
        after = before if left == right == n else statistic(x[along(d, slice(n - right, n))], d)
        x = _joined(x, d, width, before, after)
    return x


def _by_function(x: Any, widths: list[Widths], function: Callable[..., Any], kwargs: dict[str, Any]) -> Any:
    """The function writes into each line of the padded array, along one axis after the other."""
    padded = _zeros_around(x, widths) if is_traced(x) else np.pad(x, widths)
    for d, width in enumerate(widths):
        lines = moveaxis(padded, d, -1)
        for place in np.ndindex(lines.shape[:-1]):
            function(lines[(*place, Ellipsis)], width, d, kwargs)
    return padded

"""What a ufunc can be asked for besides its value: keyword arguments, and the methods reduce, accumulate, outer and
reduceat."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pyad._binding.dtypes import INEXACT, INT64
from pyad._ops import nan_reductions, reductions, scans, statistics
from pyad._ops._axes import normalize_axes
from pyad._ops._registry import implementation
from pyad._ops.explog_trig import logaddexp
from pyad._ops.indexing import _put
from pyad._ops.rearrange import along
from pyad._ops.selection import take_in_order
from pyad._ops.shape import asarray, astype, concatenate, expand_dims, moveaxis, reshape, slice_axis, stack
from pyad._trace.array import is_traced
from pyad._trace.promotion import common_dtype, constant, dtype_of
from pyad._trace.recorded_call import computed
from pyad.errors import DTypeError, UnsupportedError

# Memory layout and subclasses: nothing that a traced array has.
_WITHOUT_EFFECT = ("order", "subok")


def with_keywords(name: str, function: Callable[..., Any], inputs: Any, keywords: Any) -> Any:
    """A ufunc called with keyword arguments other than out=."""
    dtype = keywords.pop("dtype", None)
    casting = keywords.pop("casting", "same_kind")
    for alias in ("signature", "sig"):
        given = keywords.pop(alias, None)
        dtype = dtype if given is None else _dtype_of_signature(name, given)
    mask = keywords.pop("where", True)
    if mask is not True and not computed(lambda m: bool(np.all(m)), mask):
        raise UnsupportedError(
            f"{name}: where= leaves elements of the result undefined; write np.where(mask, {name}(x), other), or "
            f"np.where(mask, x, safe) for x where {name} is not to see all of x"
        )
    for argument in _WITHOUT_EFFECT:
        keywords.pop(argument, None)
    if keywords:
        listed = ", ".join(f"{key}=" for key in sorted(keywords))
        raise UnsupportedError(f"{name}: {listed} is not supported for traced values")
    if dtype is None:
        if casting != "same_kind":
            _check_casting(name, inputs, common_dtype(name, inputs), casting)
        return function(*inputs)
    dtype = np.dtype(dtype)
    if dtype not in INEXACT:
        raise DTypeError(
            f"{name}: dtype={dtype} with a traced operand; traced values are {', '.join(sorted(map(str, INEXACT)))}"
        )
    _check_casting(name, inputs, dtype, casting)
    return function(*(astype(asarray(x), dtype) for x in inputs))


def _dtype_of_signature(name: str, signature: Any) -> np.dtype:
    """The one float dtype of a ufunc's signature, such as 'dd->d'."""
    if isinstance(signature, str):
        parts = list(signature.replace("->", ""))
    else:
        parts = [part for part in (signature if isinstance(signature, tuple) else (signature,)) if part is not None]
    dtypes = {np.dtype(part) for part in parts}
    if len(dtypes) != 1:
        raise UnsupportedError(f"{name}: signature={signature!r} is not supported for traced values; give one dtype")
    return dtypes.pop()


def _check_casting(name: str, inputs: Any, dtype: np.dtype, casting: str) -> None:
    for x in inputs:
        given = dtype_of(x)
        if isinstance(given, np.dtype) and not np.can_cast(given, dtype, casting):
            raise DTypeError(f"{name}: cannot cast an operand from {given} to {dtype} with casting={casting!r}")


# ---- methods ----


def call_method(name: str, ufunc: np.ufunc, method: str, inputs: Any, keywords: Any) -> Any:
    """A method of a ufunc with a traced operand. None where there is no such method for traced values."""
    run = {"reduce": _reduce, "accumulate": _accumulate, "outer": _outer, "reduceat": _reduceat}.get(method)
    function = implementation(ufunc)
    if run is None or function is None:
        return NotImplemented
    if ufunc.nin != 2 or ufunc.nout != 1 or ufunc.signature is not None:
        raise ValueError(f"{name}.{method}: only for ufuncs of two operands and one result")
    return run(f"{name}.{method}", ufunc, function, *inputs, **keywords)


def _logsumexp(
    a: Any,
    axis: Any,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = True,
) -> Any:
    a = reductions.prepared("logaddexp.reduce", a, dtype, out)
    total = reductions.logsumexp(reductions.masked("logaddexp.reduce", a, where, -np.inf), axis, keepdims=keepdims)
    return total if initial is None else logaddexp(total, initial)


def _without_dtype(extremum: Callable[..., Any]) -> Callable[..., Any]:
    def run(a: Any, axis: Any, dtype: Any = None, out: Any = None, **rest: Any) -> Any:
        return extremum(reductions.prepared("extremum", a, dtype, out), axis, **rest)

    return run


_REDUCTIONS: dict[np.ufunc, Callable[..., Any]] = {
    np.add: reductions.sum,
    np.multiply: statistics.prod,
    np.maximum: _without_dtype(reductions.max),
    np.minimum: _without_dtype(reductions.min),
    np.fmax: _without_dtype(nan_reductions.nanmax),
    np.fmin: _without_dtype(nan_reductions.nanmin),
    np.logaddexp: _logsumexp,
}

_NOTHING = (None, np._NoValue)  # type: ignore[attr-defined]


def _reduce(
    name: str,
    ufunc: np.ufunc,
    function: Callable[..., Any],
    array: Any,
    axis: Any = 0,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = True,
) -> Any:
    ours = _REDUCTIONS.get(ufunc)
    array = asarray(array)
    rest = {"keepdims": bool(keepdims), "where": where}
    if initial not in _NOTHING if not is_traced(initial) else True:
        rest["initial"] = initial
    if ours is not None:
        return ours(array, axis, dtype=dtype, out=out, **rest)
    return _folded(name, function, reductions.prepared(name, array, dtype, out), axis, rest)


def _folded(name: str, function: Callable[..., Any], a: Any, axis: Any, rest: dict[str, Any]) -> Any:
    """From the first element along one axis to the last, one call after the other."""
    axes = normalize_axes(name, axis, a.ndim)
    if len(axes) != 1:
        raise ValueError(f"{name}: the order matters, so over one axis only, got {axis!r}")
    if rest["where"] is not True:
        raise UnsupportedError(f"{name}: where= is not supported for traced values")
    n = a.shape[axes[0]]
    steps = [a[along(axes[0], i)] for i in range(n)]
    if "initial" in rest:
        steps.insert(0, rest["initial"])
    if not steps:
        raise ValueError(f"{name}: axis {axes[0]} of shape {a.shape} is empty, and there is no initial=")
    total = steps[0]
    for step in steps[1:]:
        total = function(total, step)
    return expand_dims(total, axes[0]) if rest["keepdims"] else total


def _accumulate(
    name: str,
    ufunc: np.ufunc,
    function: Callable[..., Any],
    array: Any,
    axis: int = 0,
    dtype: Any = None,
    out: Any = None,
) -> Any:
    array = reductions.prepared(name, array, dtype, out)
    (axis,) = normalize_axes(name, axis, array.ndim)
    if not is_traced(array):
        return ufunc.accumulate(array, axis)
    if ufunc is np.add:
        return scans.cumsum(array, axis)
    if ufunc is np.multiply:
        return scans.cumprod(array, axis)
    if ufunc in (np.maximum, np.minimum):
        return take_in_order(array, lambda value: _places_of_extrema(ufunc, value, axis), axis)
    if array.shape[axis] == 0:
        return array
    steps = [array[along(axis, 0)]]
    for i in range(1, array.shape[axis]):
        steps.append(function(steps[-1], array[along(axis, i)]))
    return stack(steps, axis)


def _places_of_extrema(ufunc: np.ufunc, value: np.ndarray, axis: int) -> np.ndarray:
    """Where the extremum so far is, the first of several."""
    value = np.moveaxis(value, axis, -1)
    so_far = ufunc.accumulate(value, -1)
    new = np.ones(value.shape, bool)
    before, now = so_far[..., :-1], so_far[..., 1:]
    new[..., 1:] = (now != before) & ~np.isnan(before)
    places = np.maximum.accumulate(np.where(new, np.arange(value.shape[-1]), 0), -1)
    return np.moveaxis(places, -1, axis)


def _outer(name: str, ufunc: np.ufunc, function: Callable[..., Any], a: Any, b: Any, **keywords: Any) -> Any:
    a, b = asarray(a), asarray(b)
    spread = reshape(a, (*a.shape, *(1,) * b.ndim))
    return with_keywords(name, function, (spread, b), keywords) if keywords else function(spread, b)


def _reduceat(
    name: str,
    ufunc: np.ufunc,
    function: Callable[..., Any],
    array: Any,
    indices: Any,
    axis: int = 0,
    dtype: Any = None,
    out: Any = None,
) -> Any:
    array = reductions.prepared(name, array, dtype, out)
    (axis,) = normalize_axes(name, axis, array.ndim)
    starts = np.asarray(indices)
    n = array.shape[axis]
    if starts.ndim != 1 or starts.dtype.kind not in "iu":
        raise TypeError(f"{name}: the indices must be one-dimensional integers")
    if np.any((starts < 0) | (starts >= n)):
        raise IndexError(f"{name}: an index is out of bounds for axis {axis} of length {n}")
    if not is_traced(array):
        return ufunc.reduceat(array, starts, axis)
    if ufunc is np.add and len(starts) and np.all(starts[1:] > starts[:-1]):
        return _segment_sums(array, starts, axis)
    stops = [*starts[1:].tolist(), n]
    parts = []
    for start, stop in zip(starts.tolist(), stops, strict=True):
        segment = slice_axis(array, axis, start, max(stop - start, 1))
        parts.append(_reduce(name, ufunc, function, segment, axis, keepdims=True))
    return concatenate(parts, axis) if parts else slice_axis(array, axis, 0, 0)


def _segment_sums(array: Any, starts: np.ndarray, axis: int) -> Any:
    """Sums from each start up to the next, in one pass."""
    n = array.shape[axis]
    rows = moveaxis(slice_axis(array, axis, int(starts[0]), n - int(starts[0])), axis, 0)
    segment = np.searchsorted(starts, np.arange(int(starts[0]), n), side="right") - 1
    sums = _put.record([rows._h, constant(segment.astype(np.int64), INT64)], (len(starts),))
    return moveaxis(sums, 0, axis)

"""NumPy's functions and methods that change an array they are given, as writes into traced arrays.

Where the array is NumPy's own, only what has no derivative can be written into it; NumPy then does that itself.
"""

from __future__ import annotations

import functools
import operator
from typing import Any, Literal

import numpy as np

from pyad._ops import assignment
from pyad._ops._registry import implements
from pyad._ops.comparison import where as choose
from pyad._ops.indexing import take_rows
from pyad._ops.reductions import booleans
from pyad._ops.shape import asarray, ravel
from pyad._trace.array import Array, contains_traced, is_traced, plain_values
from pyad._trace.recorded_call import computed
from pyad.errors import DTypeError, ShapeError

__all__ = [
    "copyto",
    "fill_diagonal",
    "partition_method",
    "place",
    "put",
    "put_along_axis",
    "putmask",
    "set_flat",
    "sort_method",
]


def set_flat(x: Array, index: Any, value: Any) -> None:
    """x.flat[index] = value."""
    size = x.size
    assignment.set_flat(x, computed(lambda index: np.asarray(np.arange(size)[index]), index), value)


def _values(x: Any) -> Any:
    """The values to be written, in one dimension: a traced array or a plain one."""
    if type(x) in (list, tuple) and contains_traced(x):
        from pyad._ops.shape import array

        x = array(x)
    return ravel(x) if is_traced(x) else np.ravel(x)


def _repeated(values: Any, which: np.ndarray) -> Any:
    """values[which % len(values)]: NumPy begins again where there are too few."""
    if is_traced(values):
        return take_rows(values, which % values.size)
    return computed(lambda which: values[which % values.size], which)


@implements(np.copyto)
def copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    """Write src, broadcast, into dst where the condition holds.

    >>> def f(x):
    ...     y = np.zeros_like(x)
    ...     np.copyto(y, x * x)
    ...     return np.sum(y)
    ...
    >>> pyad.grad(f)(np.array([1.0, 2.0]))
    array([2., 4.])
    """
    if not assignment.need_traced("numpy.copyto", dst, src):
        return np.copyto(dst, plain_values(src), casting, plain_values(where))
    if casting != "unsafe" and type(src) not in (int, float):
        given = src.dtype if is_traced(src) else np.result_type(plain_values(src))
        if not np.can_cast(given, dst.dtype, casting):
            raise DTypeError(f"numpy.copyto: {given} cannot be cast to {dst.dtype} by the rule {casting!r}")
    if where is True:
        return assignment.assign_all(dst, src)
    mask = np.broadcast_to(booleans(where), dst.shape)
    return assignment.assign_all(dst, choose(mask, src, dst))


@implements(np.put)
def put(a: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    """Write values, repeated as needed, at places of the flattened array.

    >>> def f(x):
    ...     y = 1.0 * x
    ...     np.put(y, [0], 5.0)
    ...     return np.sum(y)
    ...
    >>> pyad.grad(f)(np.array([1.0, 2.0]))
    array([0., 1.])
    """
    if not assignment.need_traced("numpy.put", a, v):
        return np.put(a, plain_values(ind), plain_values(v), mode)
    places = computed(functools.partial(_in_range, a.size, mode), ind)
    values = _values(v)
    if places.size and values.size:
        set_flat(a, places, _repeated(values, np.arange(places.size)))
    return None


def _in_range(size: int, mode: str, ind: Any) -> np.ndarray:
    """Indices in one dimension, those out of range as the mode says."""
    places = np.ravel(np.asarray(ind)).astype(np.int64)
    if mode == "wrap" and size:
        return places % size
    return np.clip(places, 0, size - 1) if mode == "clip" else places


@implements(np.putmask)
def putmask(a: Any, mask: Any, values: Any) -> None:
    """Write values[k], repeated as needed, at those places k of the flattened array where the mask holds.

    >>> def f(x):
    ...     y = 1.0 * x
    ...     np.putmask(y, x > 1.5, 5.0)
    ...     return np.sum(y)
    ...
    >>> pyad.grad(f)(np.array([1.0, 2.0]))
    array([1., 0.])
    """
    if not assignment.need_traced("numpy.putmask", a, values):
        return np.putmask(a, plain_values(mask), plain_values(values))
    chosen = computed(np.flatnonzero, _same_size("putmask", a, mask))
    values = _values(values)
    if chosen.size and values.size:
        set_flat(a, chosen, _repeated(values, chosen))
    return None


@implements(np.place)
def place(arr: Any, mask: Any, vals: Any) -> None:
    """Write the values, one after the other and repeated as needed, where the mask holds.

    >>> def f(x):
    ...     y = 1.0 * x
    ...     np.place(y, x > 1.5, 5.0)
    ...     return np.sum(y)
    ...
    >>> pyad.grad(f)(np.array([1.0, 2.0]))
    array([1., 0.])
    """
    if not assignment.need_traced("numpy.place", arr, vals):
        return np.place(arr, plain_values(mask), plain_values(vals))
    chosen = computed(np.flatnonzero, _same_size("place", arr, mask))
    values = _values(vals)
    if chosen.size and not values.size:
        raise ValueError("Cannot insert from an empty array!")
    if chosen.size:
        set_flat(arr, chosen, _repeated(values, np.arange(chosen.size)))
    return None


def _same_size(name: str, a: Array, mask: Any) -> Any:
    mask = booleans(mask)
    if mask.size != a.size:
        raise ShapeError(f"{name}: the mask of shape {mask.shape} and the array of shape {a.shape} differ in size")
    return mask


@implements(np.put_along_axis)
def put_along_axis(arr: Any, indices: Any, values: Any, axis: int | None) -> None:
    """Write values at indices along one axis, as `take_along_axis` reads them.

    >>> def f(x):
    ...     y = 1.0 * x
    ...     np.put_along_axis(y, np.array([0]), 5.0, 0)
    ...     return np.sum(y)
    ...
    >>> pyad.grad(f)(np.array([1.0, 2.0]))
    array([0., 1.])
    """
    if not assignment.need_traced("numpy.put_along_axis", arr, values):
        return np.put_along_axis(arr, plain_values(indices), plain_values(values), axis)
    indices = asarray(indices)
    if axis is None:
        set_flat(arr, np.ravel(indices), _values(values))
        return None
    ndim = arr.ndim
    if not -ndim <= axis < ndim:
        raise np.exceptions.AxisError(axis, ndim)
    axis %= ndim
    if indices.ndim != ndim:
        raise ValueError("`indices` and `arr` must have the same number of dimensions")
    index = [
        indices if d == axis else np.arange(n).reshape((1,) * d + (-1,) + (1,) * (ndim - 1 - d))
        for d, n in enumerate(arr.shape)
    ]
    assignment.setitem(arr, tuple(index), values)
    return None


@implements(np.fill_diagonal)
def fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    """Write values, repeated as needed, on the main diagonal.

    >>> def f(x):
    ...     y = 1.0 * x
    ...     np.fill_diagonal(y, 5.0)
    ...     return np.sum(y)
    ...
    >>> pyad.grad(f)(np.ones((2, 2)))
    array([[0., 1.],
           [1., 0.]])
    """
    if not assignment.need_traced("numpy.fill_diagonal", a, val):
        return np.fill_diagonal(a, plain_values(val), wrap)
    shape = a.shape
    if len(shape) < 2:
        raise ValueError("array must be at least 2-d")
    if len(shape) > 2 and len(set(shape)) > 1:
        raise ValueError("All dimensions of input must be of equal length")
    end = None if wrap or len(shape) > 2 else shape[1] * shape[1]
    step = shape[1] + 1 if len(shape) == 2 else 1 + int(np.cumprod(shape[:-1]).sum())
    places = np.arange(a.size)[:end:step]
    values = _values(val)
    if places.size and values.size:
        set_flat(a, places, _repeated(values, np.arange(places.size)))
    return None


# An axis of None, which the functions take, the methods refuse: what is sorted has another shape then.


def sort_method(self: Array, axis: int = -1, kind: Any = None, **keywords: Any) -> None:
    """Sort in place."""
    assignment.assign_all(self, np.sort(self, operator.index(axis), kind, **keywords))


def partition_method(
    self: Array, kth: Any, axis: int = -1, kind: Literal["introselect"] = "introselect", order: Any = None
) -> None:
    """Put the kth where sorting would put it, smaller ones before it, larger behind, in place."""
    assignment.assign_all(self, np.partition(self, kth, operator.index(axis), kind, order))

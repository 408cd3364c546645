"""Functions that join arrays and take them apart: all are concatenations and slices."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from operator import index
from typing import Any

import numpy as np

from pyad._ops import assignment, shape
from pyad._ops._registry import implements
from pyad._ops.rearrange import along, atleast_1d, atleast_2d, atleast_3d, one_axis, take_axis
from pyad._ops.shape import asarray, astype, broadcast_to, moveaxis, ravel, reshape
from pyad._trace.array import is_traced
from pyad._trace.recorded_call import detached

__all__ = [
    "append",
    "array_split",
    "block",
    "column_stack",
    "concatenate",
    "delete",
    "dsplit",
    "dstack",
    "hsplit",
    "hstack",
    "insert",
    "split",
    "stack",
    "unstack",
    "vsplit",
    "vstack",
]

# ---- joining ----


def _cast_all(name: str, arrays: Any, dtype: Any, casting: str) -> list[Any]:
    """The arrays in `dtype`, as far as the rule of `casting` allows it."""
    out = []
    for x in map(asarray, arrays):
        if not np.can_cast(x.dtype, dtype, casting):
            raise TypeError(
                f"{name}: cannot cast array data from {x.dtype!r} to {np.dtype(dtype)!r} "
                f"according to the rule {casting!r}"
            )
        out.append(astype(x, dtype))
    return out


@implements(np.concatenate)
def concatenate(arrays: Any, /, axis: int | None = 0, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    """Join arrays along an axis (flattened first for None).

    >>> pyad.grad(lambda x: np.concatenate([x, x * x])[3])(np.array([1.0, 2.0]))
    array([0., 4.])
    """
    if dtype is not None:
        arrays = _cast_all("concatenate", arrays, dtype, casting)
    return shape.concatenate(arrays, axis)


@implements(np.stack)
def stack(arrays: Any, axis: int = 0, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    """Join arrays of one shape along a new axis.

    >>> pyad.grad(lambda x: np.stack([x, x * x])[1, 1])(np.array([1.0, 2.0]))
    array([0., 4.])
    """
    if dtype is not None:
        arrays = _cast_all("stack", arrays, dtype, casting)
    return shape.stack(arrays, axis)


def _all_of(expand: Callable[..., Any], arrays: Any) -> list[Any]:
    return [expand(x) for x in arrays]


@implements(np.vstack)
def vstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    """Join rows, or arrays along the first axis.

    >>> pyad.grad(lambda x: np.vstack([x, x * x])[1, 1])(np.array([1.0, 2.0]))
    array([0., 4.])
    """
    return concatenate(_all_of(atleast_2d, tup), 0, dtype=dtype, casting=casting)


@implements(np.hstack)
def hstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    """Join along the second axis; vectors along their only one.

    >>> pyad.grad(lambda x: np.hstack([x, x * x])[3])(np.array([1.0, 2.0]))
    array([0., 4.])
    """
    arrays = _all_of(atleast_1d, tup)
    return concatenate(arrays, 0 if arrays and arrays[0].ndim == 1 else 1, dtype=dtype, casting=casting)


@implements(np.dstack)
def dstack(tup: Any) -> Any:
    """Join along the third axis.

    >>> pyad.grad(lambda x: np.dstack([x, x * x])[0, 1, 1])(np.array([1.0, 2.0]))
    array([0., 4.])
    """
    return concatenate(_all_of(atleast_3d, tup), 2)


def _column(x: Any) -> Any:
    x = asarray(x)
    return reshape(x, (x.size, 1)) if x.ndim < 2 else x


@implements(np.column_stack)
def column_stack(tup: Any) -> Any:
    """Join columns: vectors stand upright.

    >>> pyad.grad(lambda x: np.column_stack([x, x * x])[1, 1])(np.array([1.0, 2.0]))
    array([0., 4.])
    """
    return concatenate(_all_of(_column, tup), 1)


@implements(np.append)
def append(arr: Any, values: Any, axis: int | None = None) -> Any:
    """Values joined to the end (both flattened first for no axis).

    >>> pyad.grad(lambda x: np.append(x, x * x)[3])(np.array([1.0, 2.0]))
    array([0., 4.])
    """
    return concatenate([asarray(arr), asarray(values)], axis)


def _depth(arrays: Any, place: str) -> int:
    """How deep the lists are nested, the same everywhere."""
    if type(arrays) is tuple:
        raise TypeError(f"block: {place} is a tuple. Only lists can be used to arrange blocks")
    if type(arrays) is not list:
        return 0
    if not arrays:
        raise ValueError(f"block: {place} is empty: a list of blocks cannot be")
    depths = [_depth(item, f"{place}[{k}]") for k, item in enumerate(arrays)]
    if len(set(depths)) > 1:
        raise ValueError(
            f"block: list depths are mismatched in {place}: its items are nested {', '.join(map(str, depths))} deep"
        )
    return depths[0] + 1


def _leaves(arrays: Any) -> list[Any]:
    return [leaf for item in arrays for leaf in _leaves(item)] if type(arrays) is list else [asarray(arrays)]


@implements(np.block)
def block(arrays: Any) -> Any:
    """An array of nested lists of blocks: the innermost are joined along the last axis, and so on outwards.

    >>> pyad.grad(lambda x: np.block([x, x * x])[3])(np.array([1.0, 2.0]))
    array([0., 4.])
    """
    depth = _depth(arrays, "arrays")
    ndim = max(depth, *(x.ndim for x in _leaves(arrays)))

    def build(part: Any, level: int) -> Any:
        if type(part) is list:
            return concatenate([build(item, level - 1) for item in part], ndim - level)
        x = asarray(part)
        return x if x.ndim == ndim else reshape(x, (1,) * (ndim - x.ndim) + x.shape)

    return build(arrays, depth)


# ---- taking apart ----


@implements(np.array_split)
def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """The parts between the given places, or so many nearly equal ones.

    >>> pyad.grad(lambda x: np.array_split(x, 2)[1][0])(np.ones(3))
    array([0., 0., 1.])
    """
    ary = asarray(ary)
    axis = one_axis("array_split", axis, ary.ndim)
    length = ary.shape[axis]
    if np.ndim(indices_or_sections):
        places = [0, *(index(n) for n in indices_or_sections), length]
    else:
        count = int(indices_or_sections)
        if count <= 0:
            raise ValueError("number sections must be larger than 0.")
        each, more = divmod(length, count)
        places = [k * each + min(k, more) for k in range(count + 1)]
    return [ary[along(axis, slice(a, b))] for a, b in itertools.pairwise(places)]


@implements(np.split)
def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """The parts between the given places, or so many equal ones.

    >>> pyad.grad(lambda x: np.split(x, 2)[1][0])(np.ones(2))
    array([0., 1.])
    """
    ary = asarray(ary)
    if not np.ndim(indices_or_sections):
        length = ary.shape[one_axis("split", axis, ary.ndim)]
        if length % indices_or_sections:
            raise ValueError(
                f"split: array split does not result in an equal division: {length} by {indices_or_sections}"
            )
    return array_split(ary, indices_or_sections, axis)


def _split_along(name: str, ary: Any, indices_or_sections: Any, axis: int, least: int) -> list[Any]:
    ary = asarray(ary)
    if ary.ndim < least:
        raise ValueError(f"{name} only works on arrays of {least} or more dimensions, not of shape {ary.shape}")
    return split(ary, indices_or_sections, axis)


@implements(np.hsplit)
def hsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """Split along the second axis; a vector along its only one.

    >>> pyad.grad(lambda x: np.hsplit(x, 2)[1][0])(np.ones(2))
    array([0., 1.])
    """
    return _split_along("hsplit", ary, indices_or_sections, 1 if ary.ndim > 1 else 0, 1)


@implements(np.vsplit)
def vsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """Split along the first axis.

    >>> pyad.grad(lambda x: np.vsplit(x, 2)[1][0, 0])(np.ones((2, 1)))
    array([[0.],
           [1.]])
    """
    return _split_along("vsplit", ary, indices_or_sections, 0, 2)


@implements(np.dsplit)
def dsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """Split along the third axis.

    >>> pyad.grad(lambda x: np.dsplit(x, 2)[1][0, 0, 0])(np.ones((1, 1, 2)))
    array([[[0., 1.]]])
    """
    return _split_along("dsplit", ary, indices_or_sections, 2, 3)


def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    """The entries along an axis, one by one.

    >>> pyad.grad(lambda x: np.unstack(x)[1])(np.ones(2))
    array([0., 1.])
    """
    if x.ndim == 0:
        raise ValueError("Input array must be at least 1-d.")
    x = moveaxis(x, axis, 0)
    return tuple(x[k] for k in range(len(x)))


if hasattr(np, "unstack"):
    implements(np.unstack)(unstack)

# ---- leaving out and putting in ----


def _flat_or_axis(name: str, arr: Any, axis: int | None) -> tuple[Any, int]:
    if axis is None:
        return ravel(arr), 0
    return arr, one_axis(name, axis, arr.ndim)


@implements(np.delete)
def delete(arr: Any, obj: Any, axis: int | None = None) -> Any:
    """Without the entries at the given places of an axis.

    >>> pyad.grad(lambda x: np.sum(np.delete(x, 1)))(np.ones(3))
    array([1., 0., 1.])
    """
    arr, axis = _flat_or_axis("delete", asarray(arr), axis)
    return take_axis(arr, np.delete(np.arange(arr.shape[axis]), detached(obj)), axis)


def _is_single(obj: Any, length: int) -> bool:
    """Whether np.insert takes `obj` as one place, before which any number of entries is put."""
    if isinstance(obj, slice):
        return len(range(*obj.indices(length))) == 1
    places = np.asarray(obj)
    return int(places.sum() if places.dtype == bool else places.size) == 1


@implements(np.insert)
def insert(arr: Any, obj: Any, values: Any, axis: int | None = None) -> Any:
    """With values put in before the given places of an axis.

    >>> pyad.grad(lambda v: np.sum(np.insert(np.ones(2), 1, v)))(3.0)
    np.float64(1.0)
    """
    arr = asarray(arr)
    if type(values) is complex:
        assignment.refuse_cast("insert", np.dtype(complex), arr.dtype)
    values = asarray(values)
    arr, axis = _flat_or_axis("insert", arr, axis)
    if not is_traced(arr) and arr.dtype.kind in "bui":
        return np.insert(arr, obj, detached(values), axis)
    length = arr.shape[axis]
    values = astype(values, arr.dtype)
    if values.ndim < arr.ndim:
        values = reshape(values, (1,) * (arr.ndim - values.ndim) + values.shape)
    extra = values.ndim - arr.ndim
    if extra > 0 and values.shape[:extra] == (1,) * extra:
        values = reshape(values, values.shape[extra:])
    if _is_single(obj, length):
        if np.ndim(obj) == 0 and not isinstance(obj, slice):
            values = moveaxis(values, 0, axis)
        count = values.shape[axis]
    else:
        count = len(np.insert(np.arange(length), obj, -1)) - length
    new = broadcast_to(values, tuple(count if d == axis else n for d, n in enumerate(arr.shape)))
    places = np.insert(np.arange(length), obj, length + np.arange(count))
    return take_axis(shape.concatenate([arr, new], axis), places, axis)

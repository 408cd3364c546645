"""Indexing. Basic indices are views; integer and boolean arrays gather rows. Going backward both add to the part
that was read, in O(part), never through an array of zeros for each read.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from pyad._engine import INT64
from pyad.array import Array, constant, is_traced, numpy_value
from pyad.op import linear
from pyad.ops.shape import reshape, transpose

__all__ = ["getitem", "slice_axis", "take_rows"]

# ---- records; (start, step, count) per dimension, count -1 for a single index ----


def _slice_reference(x: Any, *p: int) -> Any:
    index = []
    for start, step, count in zip(p[0::3], p[1::3], p[2::3], strict=True):
        index.append(start if count < 0 else start + step * np.arange(count))
    out = np.asarray(x)
    for axis in range(len(index) - 1, -1, -1):
        out = np.take(out, index[axis], axis)
    return out


def _unslice_reference(s: Any, *p: int) -> Any:
    ndim = p[0]
    out = np.zeros(p[1 : 1 + ndim], np.asarray(s).dtype)
    places = np.arange(out.size).reshape(out.shape)
    out.reshape(-1)[_slice_reference(places, *p[1 + ndim :])] = s
    return out


def _put_reference(s: Any, index: Any, rows: int) -> Any:
    s = np.asarray(s)
    out = np.zeros((rows, *s.shape[np.ndim(index) :]), s.dtype)
    np.add.at(out, index, s)
    return out


_slice = linear("slice", _slice_reference, lambda s, y, x, p: (_unslice.record([s._h], (x.ndim, *x.shape, *p)),))
_unslice = linear("unslice", _unslice_reference, lambda s, y, x, p: (_slice.record([s._h], p[1 + p[0] :]),))
_take = linear(
    "take",
    lambda x, index: np.take(x, index, axis=0),
    lambda s, y, x, index, p: (_put.record([s._h, index._h], (x.shape[0],)), None),
    arity=2,
)
_put = linear("put", _put_reference, lambda s, y, x, index, p: (_take.record([s._h, index._h], ()), None), arity=2)

_pick = linear(
    "pick",
    lambda x, index: np.take_along_axis(x, index[..., None], -1)[..., 0],
    lambda s, y, x, index, p: (_unpick.record([s._h, index._h], (x.shape[-1],)), None),
    arity=2,
)


def _unpick_reference(s: Any, index: Any, classes: int) -> Any:
    return np.where(np.arange(classes) == index[..., None], np.asarray(s)[..., None], 0)


_unpick = linear(
    "unpick", _unpick_reference, lambda s, y, x, index, p: (_pick.record([s._h, index._h], None), None), arity=2
)

# ---- functions ----


def pick_last(x: Any, index: Any) -> Any:
    """x[..., index[...]]: one entry along the last axis for each place before it. index is int64 of shape x.shape[:-1].

    Raises:
        ValueError: an index outside [0, x.shape[-1]).
    """
    if not is_traced(x):
        return _pick.reference(x, numpy_value(index))
    return _pick.record([x._h, _index_handle(index)], None)


def unpick_last(s: Any, index: Any, classes: int) -> Any:
    """The transpose of `pick_last`: s at the picked places of rows of `classes` entries, zeros elsewhere."""
    if not is_traced(s):
        return _unpick.reference(s, numpy_value(index), classes)
    return _unpick.record([s._h, _index_handle(index)], (classes,))


def _index_handle(index: Any) -> int:
    return index._h if is_traced(index) else constant(index, INT64)


def slice_axis(x: Any, axis: int, start: int, count: int) -> Any:
    """`count` entries along one axis, from `start`."""
    if not is_traced(x):
        return x[(slice(None),) * axis + (slice(start, start + count),)]
    p: list[int] = []
    for d, length in enumerate(x.shape):
        p += (start, 1, count) if d == axis else (0, 1, length)
    return _slice.record([x._h], tuple(p))


def take_rows(x: Array, index: np.ndarray) -> Any:
    """x[index] along the first axis for an int64 array with entries in [0, len(x))."""
    return _take.record([x._h, constant(index, INT64)], ())


def add_rows(x: Array, index: np.ndarray, rows: int) -> Any:
    """`rows` rows of zeros, to which those of x are added at `index`, an int64 array with entries in [0, rows)."""
    return _put.record([x._h, constant(index, INT64)], (rows,))


def _index_error(index: int, axis: int, length: int) -> IndexError:
    return IndexError(f"index {index} is out of bounds for axis {axis} with size {length}")


def getitem(x: Array, index: Any) -> Any:
    """x[index] with NumPy's rules: integers, slices, ellipsis, None, integer and boolean arrays."""
    if type(index) is int:
        shape = x.shape
        if shape:
            return _first_axis(x, shape, index)
    items = list(index) if type(index) is tuple else [index]
    items = _expand(items, x.ndim)
    if any(_is_array_index(item) for item in items):
        return _advanced(x, items)
    return _basic(x, [item for item in items if item is not Ellipsis])


def _first_axis(x: Array, shape: tuple[int, ...], index: int) -> Any:
    length = shape[0]
    if not -length <= index < length:
        raise _index_error(index, 0, length)
    p = [index if index >= 0 else index + length, 1, -1]
    for n in shape[1:]:
        p += (0, 1, n)
    return _slice.record([x._h], tuple(p))


def _is_array_index(item: Any) -> bool:
    return isinstance(item, np.ndarray | list)


def _check_item(item: Any) -> Any:
    """An index item in one of few forms: int, slice, None, Ellipsis, ndarray of int64 or bool."""
    if is_traced(item):
        raise TypeError(
            "an index must be an integer, but a traced floating value was given; take pyad.stop_gradient(i).astype(int)"
        )
    if item is None or item is Ellipsis or isinstance(item, slice):
        return item
    if isinstance(item, bool | np.bool_):
        return np.asarray(item)
    if isinstance(item, int | np.integer):
        return int(item)
    array = np.asarray(item)
    if array.size == 0 and not isinstance(item, np.ndarray):
        array = array.astype(np.int64)
    if array.dtype.kind not in "bui":
        raise IndexError(
            f"only integers, slices, ellipsis, None and integer or boolean arrays are indices, not {array.dtype} values"
        )
    if array.dtype.kind != "b":
        array = array.astype(np.int64, copy=False)
        return int(array) if array.ndim == 0 else array
    return array


def _expand(items: list[Any], ndim: int) -> list[Any]:
    """The items checked, booleans as integer arrays, the ellipsis written out, all dimensions named."""
    checked = [_check_item(item) for item in items]
    used = sum(
        item.ndim if isinstance(item, np.ndarray) and item.dtype == bool else 1
        for item in checked
        if item is not None and item is not Ellipsis
    )
    if sum(1 for item in checked if item is Ellipsis) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    if used > ndim:
        raise IndexError(f"too many indices for array: array is {ndim}-dimensional, but {used} were indexed")
    if not any(item is Ellipsis for item in checked):
        checked.append(Ellipsis)
    out: list[Any] = []
    for item in checked:
        if item is Ellipsis:
            # Also where it stands for no dimension, it keeps index arrays on its two sides apart.
            out += [slice(None)] * (ndim - used) or [Ellipsis]
        else:
            out.append(item)
    return out


def _basic_params(shape: tuple[int, ...], items: list[Any]) -> tuple[int, ...]:
    """(start, step, count) of each dimension for integers and slices."""
    p: list[int] = []
    for axis, (item, length) in enumerate(zip(items, shape, strict=True)):
        if isinstance(item, slice):
            start, stop, step = item.indices(length)
            count = len(range(start, stop, step))
            p += (start if count else 0, step, count)
        else:
            if not -length <= item < length:
                raise _index_error(item, axis, length)
            p += (item % length, 1, -1)
    return tuple(p)


def _basic(x: Array, items: list[Any]) -> Any:
    shape = x.shape
    named = [item for item in items if item is not None]
    p = _basic_params(shape, named)
    whole = all(p[3 * d : 3 * d + 3] == (0, 1, n) for d, n in enumerate(shape))
    out = x if whole else _slice.record([x._h], p)
    if len(named) == len(items):
        return out
    lengths = iter(out.shape)
    new = [1 if item is None else next(lengths) for item in items if item is None or isinstance(item, slice)]
    return reshape(out, tuple(new))


def _advanced(x: Array, items: list[Any]) -> Any:
    """Index arrays: the basic part first, as a view; then the indexed axes to the front, merged, and gathered."""
    shape = x.shape
    basic: list[Any] = []  # what the view does with each dimension of x
    arrays: list[np.ndarray] = []  # index arrays, one per indexed dimension
    bounds: list[tuple[int, int]] = []  # that dimension of x and its length
    axes: list[int] = []  # their dimension in the view
    places: list[int] = []  # positions of advanced items among all items, to see whether they are adjacent
    view_ndim = 0
    axis = 0
    for place, item in enumerate(items):
        if item is Ellipsis:
            continue
        if item is None:
            basic.append(None)
            view_ndim += 1
            continue
        if isinstance(item, slice):
            basic.append(item)
            view_ndim += 1
            axis += 1
            continue
        places.append(place)
        parts = _mask_indices(item, shape, axis) if isinstance(item, np.ndarray) and item.dtype == bool else [item]
        for part in parts:
            arrays.append(np.asarray(part))
            bounds.append((axis, shape[axis]))
            axes.append(view_ndim)
            basic.append(slice(None))
            view_ndim += 1
            axis += 1
        if isinstance(item, np.ndarray) and item.dtype == bool and item.ndim == 0:
            arrays.append(np.zeros(int(item), np.int64))
            bounds.append((axis, 1))
            axes.append(view_ndim)
            basic.append(None)
            view_ndim += 1
    view = _basic(x, basic)
    try:
        index = _checked_together(arrays, bounds)
    except ValueError:
        raise IndexError("index arrays do not broadcast: shapes " + ", ".join(str(a.shape) for a in arrays)) from None
    adjacent = places[-1] - places[0] == len(places) - 1
    return _gather(view, list(index), axes, adjacent)


def _mask_indices(mask: np.ndarray, shape: tuple[int, ...], axis: int) -> list[np.ndarray]:
    if mask.ndim == 0:
        return []
    covered = shape[axis : axis + mask.ndim]
    # As in NumPy, a length of zero fits everything.
    if any(m != n for m, n in zip(mask.shape, covered, strict=True) if m):
        raise IndexError(f"boolean index has shape {mask.shape}, but the dimensions it indexes have shape {covered}")
    return list(np.nonzero(mask))


def _checked_together(arrays: list[np.ndarray], bounds: list[tuple[int, int]]) -> Any:
    """Index arrays in bounds and broadcast. Where together they read nothing, NumPy looks only at the bounds of single
    integers."""
    index = np.broadcast_arrays(*arrays)
    checked = [
        _checked_indices(array, *bound) if index[0].size or not array.ndim else array
        for array, bound in zip(arrays, bounds, strict=True)
    ]
    return index if all(map(operator.is_, checked, arrays)) else np.broadcast_arrays(*checked)


def _checked_indices(index: np.ndarray, axis: int, length: int) -> np.ndarray:
    """Indices in [0, length), negative ones counted from the end."""
    if index.size:
        low, high = index.min(), index.max()
        if low < -length or high >= length:
            raise _index_error(int(low) if low < -length else int(high), axis, length)
        if low < 0:
            index = np.where(index < 0, index + length, index)
    return index


def _gather(view: Array, index: list[np.ndarray], axes: list[int], adjacent: bool) -> Any:
    shape = view.shape
    rest = [d for d in range(len(shape)) if d not in axes]
    front = transpose(view, [*axes, *rest]) if axes != list(range(len(axes))) else view
    merged = front
    rows = index[0]
    if len(axes) > 1:
        for a, part in zip(axes[1:], index[1:], strict=True):
            rows = rows * shape[a] + part
        count = 1
        for a in axes:
            count *= shape[a]
        merged = reshape(front, (count, *(shape[d] for d in rest)))
    out = take_rows(merged, np.ascontiguousarray(rows))
    # NumPy puts the indexed dimensions where the index arrays stood if these were side by side, else first.
    before = axes[0] if adjacent else 0
    if before == 0:
        return out
    k = rows.ndim
    order = [k + d for d in range(before)] + list(range(k)) + [k + d for d in range(before, len(rest))]
    return transpose(out, order)

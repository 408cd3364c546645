"""Indexing. Basic indices are views; integer and boolean arrays gather rows. Going backward both add to the part
that was read, in O(part), never through an array of zeros for each read.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from pyad._binding.dtypes import INT64
from pyad._binding.engine import FAILED, LARGE, error, lib
from pyad._ops._calls import evaluated
from pyad._ops.shape import _slice, reshape, transpose
from pyad._trace import strided_view
from pyad._trace.array import Array, View, is_traced, new_array, wrap
from pyad._trace.guards import unguarded
from pyad._trace.op import linear
from pyad._trace.promotion import constant
from pyad._trace.recorded_call import call, detached
from pyad._trace.traced_integer import TracedInteger
from pyad._trace.view import is_stale, read_strided_view, strided_view_of, view, view_of
from pyad.errors import ShapeError

__all__ = ["getitem", "take_rows"]

# ---- records ----


def _put_reference(s: Any, index: Any, rows: int) -> Any:
    s = np.asarray(s)
    out = np.zeros((rows, *s.shape[np.ndim(index) :]), s.dtype)
    np.add.at(out, index, s)
    return out


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
        return evaluated(_pick, (x,), index=detached(index))
    return _pick.record([x._h, index_handle(index)], None)


def unpick_last(s: Any, index: Any, classes: int) -> Any:
    """The transpose of `pick_last`: s at the picked places of rows of `classes` entries, zeros elsewhere."""
    if not is_traced(s):
        return evaluated(_unpick, (s,), (classes,), detached(index))
    return _unpick.record([s._h, index_handle(index)], (classes,))


def index_handle(index: Any) -> int:
    """The handle of an int64 array."""
    return index._h if is_traced(index) or type(index) is TracedInteger else constant(index, INT64)


def as_places(index: Any) -> Any:
    """Integers as the engine takes them: int64, contiguous."""
    if type(index) is not TracedInteger:
        return np.asarray(index, np.int64, order="C")
    return index if index.dtype == np.int64 else call(np.asarray, (index, np.int64), {})


def take_rows(x: Array, index: Any) -> Any:
    """x[index] along the first axis for an int64 array with entries in [0, len(x))."""
    return _take.record([x._h, index_handle(index)], ())


def add_rows(x: Array, index: Any, rows: int) -> Any:
    """`rows` rows of zeros, to which those of x are added at `index`, an int64 array with entries in [0, rows)."""
    return _put.record([x._h, index_handle(index)], (rows,))


def _index_error(index: int, axis: int, length: int) -> IndexError:
    return IndexError(f"index {index} is out of bounds for axis {axis} with size {length}")


def getitem(x: Array, index: Any) -> Any:
    """x[index] with NumPy's rules: integers, slices, ellipsis, None, integer and boolean arrays."""
    if type(x) is View and is_stale(x):
        return _stale_getitem(x, index)
    kind = type(index)
    try:
        if kind is int:
            handle = _item(x._h, 1, index, 0)
            place = (index,)
        elif kind is tuple and len(index) == 2 and type(index[0]) is int and type(index[1]) is int:
            handle = _item(x._h, 2, index[0], index[1])
            place = index
        elif kind is slice:
            handle = _slice_first(x, index)
            if handle < FAILED:
                return view(x, handle, (strided_view.first_axis, index))
        else:
            handle = FAILED
    except OverflowError:  # larger than 64 bits, and so out of bounds
        handle = FAILED
    if 0 <= handle < LARGE:
        out = new_array(Array)
        out._h = handle
        return out
    if handle < 0:
        return view(x, ~handle, (strided_view.rows, place))
    p = simple_index(x.shape, index)
    if p is not None:
        return _sliced(x, p)
    if has_values(index) and not _names_a_view(x, index):
        return _by_values(x, index)
    items = expand(index, x.ndim)
    if any(map(is_array_index, items)):
        return _advanced(x, items)
    return _basic(x, items, _keeps_view(index))


# ---- indices that a program computes anew each time ----


def has_values(index: Any) -> bool:
    """Whether there are TracedInteger values among the items of an index."""
    if type(index) is tuple:
        return any(type(item) is TracedInteger for item in index)
    return type(index) is TracedInteger


def _names_a_view(x: Array, index: Any) -> bool:
    """Whether an index is made of single integers, slices and None, but names no single element. Then the program must
    know the place, since writes into the view are writes into x."""
    items = index if type(index) is tuple else (index,)
    integers = 0
    for item in items:
        if isinstance(item, list) or (
            type(item) in (np.ndarray, TracedInteger) and (item.ndim or item.dtype == np.bool_)
        ):
            return False
        integers += item is not None and item is not Ellipsis and not isinstance(item, slice)
    return integers < x.ndim


def _by_values(x: Array, index: Any) -> Any:
    if type(index) is TracedInteger:
        return _rows_by_values(x, index)
    if _picks(x, index):
        return _pick.record([x._h, as_places(index[1])._h], None)
    places = call(places_of, (x.shape, index), {})
    return take_rows(reshape(x, (x.size,)), places)


def _rows_by_values(x: Array, index: TracedInteger) -> Any:
    if index.dtype == np.bool_:
        if not index.ndim or index.shape != x.shape[: index.ndim]:
            return x[np.asarray(index)]
        rows = reshape(x, (index.size, *x.shape[index.ndim :]))
        return take_rows(rows, call(np.flatnonzero, (index,), {}))
    if not x.ndim:
        return x[np.asarray(index)]
    return take_rows(x, call(_checked_places, (index, len(x)), {}))


def _picks(x: Array, index: tuple[Any, ...]) -> bool:
    """Whether x[index] is x[arange(rows), columns], for columns that need not be counted from the end."""
    if x.ndim != 2 or len(index) != 2 or type(index[1]) is not TracedInteger or type(index[0]) is not np.ndarray:
        return False
    rows, columns = index
    if columns.dtype.kind not in "iu" or rows.dtype.kind != "i" or not rows.shape == columns.shape == x.shape[:1]:
        return False
    now = unguarded(columns)
    return bool(np.array_equal(rows, np.arange(len(x))) and np.all(now >= 0) and np.all(now < x.shape[1]))


def _checked_places(index: Any, length: int) -> Any:
    """Indices of the first axis as the engine takes them."""
    return np.asarray(_checked_indices(np.asarray(index, np.int64), 0, length))


def places_of(shape: tuple[int, ...], index: Any) -> np.ndarray:
    """The places in C order of the elements that any index names."""
    items = expand(index, len(shape))
    if any(map(is_array_index, items)):
        return place_index(strided_view.whole(shape), items)[0]
    return np.asarray(np.arange(math.prod(shape)).reshape(shape)[index], np.int64)


_item = lib.pyad_item
_bounds = lib.pyad_slice
_ABSENT = -(1 << 63)


def _slice_first(x: Array, index: slice) -> int:
    """x[start:stop:step] for plain integers, in one call; a failure where it takes the long way."""
    start, stop, step = index.start, index.stop, index.step
    try:
        return _bounds(
            x._h,
            _ABSENT if start is None else start,
            _ABSENT if stop is None else stop,
            _ABSENT if step is None else step,
        )
    except (OverflowError, TypeError):  # larger than 64 bits, or no integer
        return FAILED


def _stale_getitem(x: View, index: Any) -> Any:
    """A part of a view whose array has been written into: read from the array, not by way of the whole view."""
    if has_values(index) and not _names_a_view(x, index):
        return _by_values(x, index)
    part = select(x, index)
    if part is None:
        return _advanced(x, expand(index, x.ndim))
    return view_of(x, part) if part.shape or _keeps_view(index) else wrap(read_strided_view(x._root, part))


def select(x: Array, index: Any) -> strided_view.StridedView | None:
    """Which part of the root of x an index names; None where it takes index arrays."""
    shape = x.shape
    p = simple_index(shape, index)
    if p is not None:
        return strided_view.sliced(strided_view_of(x), p)
    items = expand(index, len(shape))
    if any(map(is_array_index, items)):
        return None
    p, new = basic_index(shape, items)
    part = strided_view.sliced(strided_view_of(x), p)
    return part if len(part.shape) == len(new) else strided_view.reshaped(part, new)


def simple_index(shape: tuple[int, ...], index: Any) -> tuple[int, ...] | None:
    """(start, step, count) per dimension for an index of slices and integers in range; None for any other."""
    items = index if type(index) is tuple else (index,)
    if len(items) > len(shape):
        return None
    p: list[int] = []
    for item, length in zip(items, shape, strict=False):
        kind = type(item)
        if kind is slice:
            start, stop, step = item.indices(length)
            count = len(range(start, stop, step))
            p += (start if count else 0, step, count)
        elif kind is int and -length <= item < length:
            p += (item if item >= 0 else item + length, 1, -1)
        else:
            return None
    for length in shape[len(items) :]:
        p += (0, 1, length)
    return tuple(p)


def is_array_index(item: Any) -> bool:
    return isinstance(item, np.ndarray | list)


def _check_item(item: Any) -> Any:
    """An index item in one of few forms: int, slice, None, Ellipsis, ndarray of int64 or bool."""
    if type(item) is TracedInteger:
        item = np.asarray(item)
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


def expand(index: Any, ndim: int) -> list[Any]:
    """The items of an index checked, the ellipsis written out, all dimensions named."""
    checked = [_check_item(item) for item in (index if type(index) is tuple else (index,))]
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


def basic_index(shape: tuple[int, ...], items: list[Any]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What integers, slices and None select: (start, step, count) per dimension, and the shape of the result."""
    items = [item for item in items if item is not Ellipsis]
    p = _basic_params(shape, [item for item in items if item is not None])
    counts = iter(p[2::3])
    lengths = (1 if item is None else next(counts) for item in items)
    return p, tuple(n for n in lengths if n >= 0)


def _keeps_view(index: Any) -> bool:
    """Whether an index gives an array also where it names a single element: with None or an ellipsis in it."""
    return any(item is None or item is Ellipsis for item in (index if type(index) is tuple else (index,)))


def _basic(x: Array, items: list[Any], keeps_view: bool) -> Any:
    shape = x.shape
    p, new = basic_index(shape, items)
    if keeps_view and p and max(p[2::3]) < 0:
        return view_of(
            x,
            strided_view.reshaped(  # type: ignore[arg-type]
                strided_view.sliced(strided_view_of(x), p), new
            ),
        )
    whole = all(p[3 * d : 3 * d + 3] == (0, 1, n) for d, n in enumerate(shape))
    out = x if whole else _sliced(x, p)
    return out if out.shape == new else reshape(out, new)


def _sliced(x: Array, p: tuple[int, ...]) -> Array:
    handle = lib.pyad_op(_slice.number, 1, (x._h,), len(p), p)
    if handle >= FAILED:
        raise error(handle, (x._h,))
    return view(x, handle, (strided_view.sliced, p)) if any(n >= 0 for n in p[2::3]) else wrap(handle)


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
    view = _basic(x, basic, keeps_view=False)
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


# ---- where the elements that an index with arrays names lie ----


def place_index(part: strided_view.StridedView, items: list[Any]) -> tuple[np.ndarray, bool]:
    """The places (in the root's C order) of the elements that an index with arrays selects from a part, in the shape of
    the result, and whether they are known to be distinct. O(result), but for masks, which are looked through.
    """
    shape = part.shape
    arrays: list[np.ndarray] = []  # offsets by index arrays, which broadcast against each other
    axes: list[np.ndarray | None] = []  # the result's dimensions: offsets along a slice; None where the arrays come
    places: list[int] = []
    masks = 0
    axis = 0
    for place, item in enumerate(items):
        if item is Ellipsis:
            continue
        if item is None:
            axes.append(np.zeros(1, np.int64))
        elif isinstance(item, slice):
            axes.append(np.arange(*item.indices(shape[axis])) * part.strides[axis])
            axis += 1
        else:
            if not places:
                axes.append(None)
            places.append(place)
            mask = isinstance(item, np.ndarray) and item.dtype == bool
            masks += mask
            for index in _mask_indices(item, shape, axis) if mask else [np.asarray(item)]:
                arrays.append(_checked_indices(index, axis, shape[axis]) * part.strides[axis])
                axis += 1
            if mask and item.ndim == 0:
                arrays.append(np.zeros(int(item), np.int64))
    try:
        found = np.broadcast_arrays(*arrays)
    except ValueError:
        raise ShapeError("index arrays do not broadcast: shapes " + ", ".join(str(a.shape) for a in arrays)) from None
    total = sum(found[1:], found[0]) + part.offset
    at = next(d for d, offsets in enumerate(axes) if offsets is None)
    if places[-1] - places[0] != len(places) - 1:
        axes.insert(0, axes.pop(at))
        at = 0
    return _spread_places(total, axes, at), masks == len(places) == 1


def _spread_places(total: np.ndarray, axes: list[np.ndarray | None], at: int) -> np.ndarray:
    """`total` at axis `at` of the result, with the offsets of the other axes added."""
    after = len(axes) - 1 - at
    out = total.reshape(total.shape + (1,) * after)
    for d, offsets in enumerate(axes):
        if offsets is not None:
            behind = len(axes) - 1 - d + (total.ndim - 1 if d < at else 0)
            out = out + offsets.reshape((-1,) + (1,) * behind)
    return np.ascontiguousarray(out, np.int64)

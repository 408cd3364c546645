"""Functions that reorder and repeat elements: slices, views and joins of what is there, or one gather."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from operator import index
from typing import Any

import numpy as np

from pyad._binding import memory
from pyad._ops import shape as shape_ops
from pyad._ops._axes import normalize_axes
from pyad._ops._registry import implements
from pyad._ops.indexing import as_places, take_rows
from pyad._ops.shape import asarray, concatenate, slice_axis
from pyad._trace import strided_view
from pyad._trace.array import Array, is_traced
from pyad._trace.recorded_call import computed
from pyad._trace.traced_integer import TracedInteger
from pyad._trace.view import strided_view_of, view_of

__all__ = [
    "astype",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "broadcast_arrays",
    "broadcast_to",
    "expand_dims",
    "flip",
    "fliplr",
    "flipud",
    "gather",
    "layout",
    "matrix_transpose",
    "moveaxis",
    "moved",
    "ravel",
    "repeat",
    "reshape",
    "resize",
    "roll",
    "rollaxis",
    "rot90",
    "sliding_window_view",
    "squeeze",
    "swapaxes",
    "tile",
    "transpose",
    "trim_zeros",
]

# ---- helpers of this and the neighbouring families ----


def gather(x: Any, places: Any) -> Any:
    """The elements of x, counted in C order, at `places`: integers of any shape, each in [0, x.size)."""
    flat = shape_ops.ravel(x)
    if is_traced(flat):
        return take_rows(flat, as_places(places))
    return computed(lambda places: flat[places], places) if type(places) is TracedInteger else flat[places]


def moved(move: Callable[[np.ndarray], Any], x: Any) -> Any:
    """move(x) for a function that only moves, repeats and drops elements: NumPy runs it on their numbers."""
    return gather(x, move(np.arange(x.size).reshape(x.shape)))


def along(axis: int, item: Any) -> tuple[Any, ...]:
    """The index that applies `item` to one axis, counted from the front."""
    return (*(slice(None),) * axis, item)


def part(x: Any, axis: int, start: int, count: int) -> Any:
    """`count` entries along one axis, from `start`."""
    return slice_axis(x, axis, start, count) if is_traced(x) else x[along(axis, slice(start, start + count))]


def one_axis(name: str, axis: Any, ndim: int) -> int:
    """An axis in [0, ndim)."""
    return normalize_axes(name, index(axis), ndim)[0]


# ---- order ----


def layout(x: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shape and strides (in elements)."""
    if not is_traced(x):
        return x.shape, tuple(s // x.itemsize for s in x.strides)
    info = memory.node_info(x._h)
    return memory.shape_of(info), tuple(info.strides[d] for d in range(info.ndim))


def _is_fortran(x: Any) -> bool:
    """Whether the elements lie in Fortran order and not in C order too."""
    shape, strides = layout(x)
    return np.isfortran(np.lib.stride_tricks.as_strided(np.empty(1), shape, [8 * s for s in strides]))


def _in_memory_order(x: Any) -> Any:
    """x with the axes in the order of their strides, longest first."""
    shape, strides = layout(x)
    steps = [abs(s) if n != 1 else 0 for n, s in zip(shape, strides, strict=True)]
    order = sorted(range(x.ndim), key=lambda d: -steps[d])
    return x if order == list(range(x.ndim)) else shape_ops.transpose(x, order)


def _resolved(x: Any, order: str, allowed: str) -> str:
    """'C', 'F' or 'K' for an order as NumPy takes it."""
    if not isinstance(order, str) or order.upper() not in allowed:
        raise ValueError(f"order must be one of {', '.join(map(repr, allowed))} (got {order!r})")
    order = order.upper()
    return ("F" if _is_fortran(x) else "C") if order == "A" else order


@implements(np.reshape)
def reshape(
    a: Any, /, shape: Any = np._NoValue, order: str = "C", *, newshape: Any = np._NoValue, copy: bool | None = None
) -> Any:
    """The same elements in another shape, read and laid out in C or Fortran order; one length may be -1.

    >>> pyad.grad(lambda x: np.reshape(x, (2, 2))[1, 0])(np.ones(4))
    array([0., 0., 1., 0.])
    """
    if type(a) is Array and order == "C" and not copy and shape is not np._NoValue:
        return shape_ops.reshape(a, shape)
    if shape is np._NoValue:
        if newshape is np._NoValue:
            raise TypeError("reshape() missing 1 required positional argument: 'shape'")
        shape = newshape
    a = asarray(a)
    if order == "C" or _resolved(a, order, "CFA") == "C":
        out = shape_ops.reshape(a, shape)
    else:
        backwards = tuple(shape)[::-1] if isinstance(shape, Sequence | np.ndarray) else shape
        out = shape_ops.transpose(shape_ops.reshape(shape_ops.transpose(a), backwards))
    return out.copy() if copy else out


@implements(np.ravel)
def ravel(a: Any, order: str = "C") -> Any:
    """The elements in one dimension, in C, Fortran or memory order.

    >>> pyad.grad(lambda x: np.ravel(x)[1])(np.ones((2, 1)))
    array([[0.],
           [1.]])
    """
    a = asarray(a)
    if order == "C":
        return shape_ops.ravel(a)
    order = _resolved(a, order, "CFAK")
    if order == "K":
        return shape_ops.ravel(_in_memory_order(a))
    return shape_ops.ravel(shape_ops.transpose(a) if order == "F" else a)


def astype(x: Any, dtype: Any, order: str = "K", casting: str = "unsafe", subok: bool = True, copy: bool = True) -> Any:
    """x in another dtype; to integers and booleans it is constant."""
    if casting != "unsafe" and not np.can_cast(x.dtype, dtype, casting):  # type: ignore[arg-type]
        raise TypeError(
            f"astype: cannot cast array data from {x.dtype!r} to {np.dtype(dtype)!r} according to the rule {casting!r}"
        )
    return _converted(x, dtype, copy)


def _converted(x: Any, dtype: Any, copy: bool) -> Any:
    """x in another dtype; where it has that dtype already, a copy if one is asked for."""
    return x if not copy and x.dtype == dtype else shape_ops.astype(x, dtype)


def _function_astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
    """The elements in another dtype; a copy where one is asked for.

    >>> pyad.grad(lambda x: np.astype(x, np.float32)[1])(np.ones(2))
    array([0., 1.])
    """
    if device not in (None, "cpu"):
        raise ValueError(f"astype: device {device!r} is not supported, only 'cpu'")
    return _converted(x, dtype, copy)


if hasattr(np, "astype"):
    implements(np.astype)(_function_astype)

# ---- axes: NumPy's names of the arguments, and lists that hold traced values ----


@implements(np.transpose)
def transpose(a: Any, axes: Any = None) -> Any:
    """Permute the axes (reverse them by default).

    >>> pyad.grad(lambda x: np.transpose(x)[1, 0])(np.ones((1, 2)))
    array([[0., 1.]])
    """
    return shape_ops.transpose(asarray(a), axes)


@implements(np.swapaxes)
def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    """Exchange two axes.

    >>> pyad.grad(lambda x: np.swapaxes(x, 0, 1)[1, 0])(np.ones((1, 2)))
    array([[0., 1.]])
    """
    return shape_ops.swapaxes(asarray(a), axis1, axis2)


@implements(np.moveaxis)
def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    """Move axes to other positions; the others keep their order.

    >>> pyad.grad(lambda x: np.moveaxis(x, 0, 1)[1, 0])(np.ones((1, 2)))
    array([[0., 1.]])
    """
    return shape_ops.moveaxis(asarray(a), source, destination)


@implements(np.expand_dims)
def expand_dims(a: Any, axis: Any) -> Any:
    """New axes of length 1 at the given places of the result.

    >>> pyad.grad(lambda x: np.expand_dims(x, 0)[0, 1])(np.ones(2))
    array([0., 1.])
    """
    return shape_ops.expand_dims(asarray(a), axis)


@implements(np.squeeze)
def squeeze(a: Any, axis: Any = None) -> Any:
    """Drop axes of length 1 (all of them by default).

    >>> pyad.grad(lambda x: np.squeeze(x)[1])(np.ones((1, 2)))
    array([[0., 1.]])
    """
    a = asarray(a)
    # NumPy lets a number pass for a vector here.
    return a if a.ndim == 0 and axis in (0, -1) else shape_ops.squeeze(a, axis)


@implements(np.broadcast_to)
def broadcast_to(array: Any, shape: Any, subok: bool = False) -> Any:
    """An array repeated along new axes and axes of length 1, without copying.

    >>> pyad.grad(lambda x: np.sum(np.broadcast_to(x, (3, 2))))(np.ones(2))
    array([3., 3.])
    """
    return shape_ops.broadcast_to(asarray(array), shape)


@implements(np.matrix_transpose)
def matrix_transpose(x: Any, /) -> Any:
    """The last two axes exchanged.

    >>> pyad.grad(lambda x: np.matrix_transpose(x)[1, 0])(np.ones((1, 2)))
    array([[0., 1.]])
    """
    x = asarray(x)
    if x.ndim < 2:
        raise ValueError(f"matrix_transpose: the array must be at least 2-dimensional, but it is {x.ndim}-dimensional")
    return shape_ops.swapaxes(x, -1, -2)


@implements(np.rollaxis)
def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    """An axis moved to stand before another.

    >>> pyad.grad(lambda x: np.rollaxis(x, 1)[1, 0])(np.ones((1, 2)))
    array([[0., 1.]])
    """
    a = asarray(a)
    axis = one_axis("rollaxis", axis, a.ndim)
    if not -a.ndim <= start <= a.ndim:
        raise np.exceptions.AxisError(f"rollaxis: start {start} is out of bounds for an array of dimension {a.ndim}")
    start = start + a.ndim if start < 0 else start
    return shape_ops.moveaxis(a, axis, start - 1 if axis < start else start)


def _at_least(arrays: tuple[Any, ...], expand: Callable[[Any], Any]) -> Any:
    out = tuple(expand(asarray(x)) for x in arrays)
    return out[0] if len(out) == 1 else out


@implements(np.atleast_1d)
def atleast_1d(*arys: Any) -> Any:
    """Each with at least one dimension.

    >>> pyad.grad(lambda x: np.atleast_1d(x)[0])(2.0)
    np.float64(1.0)
    """
    return _at_least(arys, lambda x: x if x.ndim else shape_ops.reshape(x, (1,)))


@implements(np.atleast_2d)
def atleast_2d(*arys: Any) -> Any:
    """Each with at least two dimensions, new ones in front.

    >>> pyad.grad(lambda x: np.atleast_2d(x)[0, 1])(np.ones(2))
    array([0., 1.])
    """
    return _at_least(arys, lambda x: x if x.ndim > 1 else shape_ops.reshape(x, (1, x.size)))


def _three(x: Any) -> Any:
    if x.ndim >= 3:
        return x
    return shape_ops.reshape(x, (*x.shape, 1) if x.ndim == 2 else (1, x.size, 1))


@implements(np.atleast_3d)
def atleast_3d(*arys: Any) -> Any:
    """Each with at least three dimensions.

    >>> pyad.grad(lambda x: np.atleast_3d(x)[0, 1, 0])(np.ones(2))
    array([0., 1.])
    """
    return _at_least(arys, _three)


@implements(np.broadcast_arrays)
def broadcast_arrays(*args: Any, subok: bool = False) -> tuple[Any, ...]:
    """All in the shape that they broadcast to.

    >>> pyad.grad(lambda x: np.sum(np.broadcast_arrays(x, np.ones(3))[0]))(2.0)
    np.float64(3.0)
    """
    arrays = [asarray(x) for x in args]
    shape = np.broadcast_shapes(*(x.shape for x in arrays))
    return tuple(x if x.shape == shape else shape_ops.broadcast_to(x, shape) for x in arrays)


# ---- reversing and turning ----


@implements(np.flip)
def flip(m: Any, axis: Any = None) -> Any:
    """Reversed along the axes (all by default).

    >>> pyad.jacobian(np.flip)(np.ones(2))
    array([[0., 1.],
           [1., 0.]])
    """
    m = asarray(m)
    axes = normalize_axes("flip", axis, m.ndim)
    if not axes:
        return m
    return m[tuple(slice(None, None, -1) if d in axes else slice(None) for d in range(m.ndim))]


@implements(np.fliplr)
def fliplr(m: Any) -> Any:
    """Reversed along the second axis.

    >>> pyad.grad(lambda x: np.fliplr(x)[0, 0])(np.ones((1, 2)))
    array([[0., 1.]])
    """
    m = asarray(m)
    if m.ndim < 2:
        raise ValueError(f"fliplr: the input must be at least 2-d, but has shape {m.shape}")
    return m[:, ::-1]


@implements(np.flipud)
def flipud(m: Any) -> Any:
    """Reversed along the first axis.

    >>> pyad.grad(lambda x: np.flipud(x)[0, 0])(np.ones((2, 1)))
    array([[0.],
           [1.]])
    """
    m = asarray(m)
    if m.ndim < 1:
        raise ValueError(f"flipud: the input must be at least 1-d, but has shape {m.shape}")
    return m[::-1]


@implements(np.rot90)
def rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    """Turned by k right angles in the plane of two axes, from the first towards the second.

    >>> pyad.grad(lambda x: np.rot90(x)[0, 0])(np.ones((1, 2)))
    array([[0., 1.]])
    """
    m = asarray(m)
    axes = tuple(axes)
    if len(axes) != 2:
        raise ValueError(f"rot90: axes must be two, got {axes}")
    first, second = (one_axis("rot90", a, m.ndim) for a in axes)
    if first == second:
        raise ValueError(f"rot90: axes must be different, got {axes}")
    k %= 4
    if k == 0:
        return m[...]
    if k == 2:
        return flip(flip(m, first), second)
    if k == 1:
        return shape_ops.swapaxes(flip(m, second), first, second)
    return flip(shape_ops.swapaxes(m, first, second), second)


@implements(np.roll)
def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    """Elements moved along axes; those that leave at one end come in at the other.

    >>> pyad.jacobian(lambda x: np.roll(x, 1))(np.ones(2))
    array([[0., 1.],
           [1., 0.]])
    """
    a = asarray(a)
    if axis is None:
        return shape_ops.reshape(roll(shape_ops.ravel(a), shift, 0), a.shape)
    pairs = np.broadcast(shift, axis)
    if pairs.ndim > 1:
        raise ValueError("roll: 'shift' and 'axis' should be scalars or 1D sequences")
    total: dict[int, int] = {}
    for by, along_axis in pairs:
        d = one_axis("roll", along_axis, a.ndim)
        total[d] = total.get(d, 0) + int(by)
    if not any(by % (a.shape[d] or 1) for d, by in total.items()):
        return a.copy()
    for d, by in total.items():
        cut = by % (a.shape[d] or 1)
        if cut:
            a = concatenate([part(a, d, a.shape[d] - cut, cut), part(a, d, 0, a.shape[d] - cut)], d)
    return a


# ---- repeating ----


@implements(np.tile)
def tile(A: Any, reps: Any) -> Any:
    """The array repeated as a whole, so many times along each axis.

    >>> pyad.grad(lambda x: np.sum(np.tile(x, 3)))(np.ones(2))
    array([3., 3.])
    """
    x = asarray(A)
    times = (
        tuple(index(n) for n in reps) if isinstance(reps, Sequence | np.ndarray) and np.ndim(reps) else (index(reps),)
    )
    ndim = max(x.ndim, len(times))
    times = (1,) * (ndim - len(times)) + times
    shape = (1,) * (ndim - x.ndim) + x.shape
    if all(n == 1 for n in times):
        return shape_ops.reshape(x, shape).copy()
    split = tuple(n for length in shape for n in (1, length))
    spread = tuple(n for pair in zip(times, shape, strict=True) for n in pair)
    out = shape_ops.broadcast_to(shape_ops.reshape(x, split), spread)
    return shape_ops.reshape(out, tuple(n * r for n, r in zip(shape, times, strict=True))).copy()


@implements(np.repeat)
def repeat(a: Any, repeats: Any, axis: Any = None) -> Any:
    """Each element repeated, all as often, or each as often as `repeats` says for its place on the axis.

    >>> pyad.grad(lambda x: np.sum(np.repeat(x, [1, 3])))(np.ones(2))
    array([1., 3.])
    """
    a = asarray(a)
    if axis is None or a.ndim == 0:
        a = shape_ops.ravel(a)
        axis = 0 if axis is None else axis
    axis = one_axis("repeat", axis, a.ndim)
    length = a.shape[axis]
    if np.ndim(repeats) or not isinstance(repeats, int | np.integer) or repeats < 0:
        # NumPy checks and broadcasts the counts.
        return take_axis(a, np.repeat(np.arange(length), repeats), axis)
    if repeats == 1:
        return a.copy()
    before, after = a.shape[:axis], a.shape[axis + 1 :]
    out = shape_ops.broadcast_to(
        shape_ops.reshape(a, (*before, length, 1, *after)), (*before, length, int(repeats), *after)
    )
    return shape_ops.reshape(out, (*before, length * int(repeats), *after)).copy()


def take_axis(x: Any, places: Any, axis: int) -> Any:
    """The entries of one axis at `places`, integers of any shape in [0, its length), in that axis's stead."""
    if not is_traced(x):
        return np.take(x, places, axis)
    places = as_places(places)
    if axis == 0:
        return take_rows(x, places)
    rows = take_rows(shape_ops.moveaxis(x, axis, 0), places)
    k = places.ndim
    return shape_ops.moveaxis(rows, tuple(range(k)), tuple(range(axis, axis + k))) if k else rows


@implements(np.resize)
def resize(a: Any, new_shape: Any) -> Any:
    """The elements repeated or cut, in C order, until they fill the shape.

    >>> pyad.grad(lambda x: np.sum(np.resize(x, 3)))(np.ones(2))
    array([2., 1.])
    """
    a = asarray(a)
    shape = (index(new_shape),) if isinstance(new_shape, int | np.integer) else tuple(map(index, new_shape))
    if any(n < 0 for n in shape):
        raise ValueError(f"resize: all lengths of the new shape must be non-negative, got {shape}")
    size = math.prod(shape)
    if a.size == 0 or size == 0:
        return np.zeros(shape, a.dtype)
    return gather(a, np.arange(size).reshape(shape) % a.size)


@implements(np.lib.stride_tricks.sliding_window_view)
def sliding_window_view(
    x: Any, window_shape: Any, axis: Any = None, *, subok: bool = False, writeable: bool = False
) -> Any:
    """Every window of the shape, as new last axes: a view, which cannot be written into, since windows overlap.

    >>> pyad.grad(lambda x: np.sum(np.lib.stride_tricks.sliding_window_view(x, 2)))(np.ones(4))
    array([1., 2., 2., 1.])
    """
    x = asarray(x)
    # NumPy checks the arguments.
    shape = np.lib.stride_tricks.sliding_window_view(np.broadcast_to(0.0, x.shape), window_shape, axis).shape
    axes = range(x.ndim) if axis is None else normalize_axes("sliding_window_view", axis, x.ndim)
    return view_of(x, strided_view.windows(strided_view_of(x), tuple(zip(axes, shape[x.ndim :], strict=True))))


@implements(np.trim_zeros)
def trim_zeros(filt: Any, trim: str = "fb", axis: Any = None) -> Any:
    """Without the zeros at the front and back; where they end is constant.

    >>> pyad.grad(lambda x: np.sum(np.trim_zeros(x)))(np.array([0.0, 1.0, 0.0]))
    array([0., 1., 0.])
    """
    filt = asarray(filt)
    trim = trim.lower()
    if trim not in ("fb", "bf", "f", "b"):
        raise ValueError(f"unexpected character(s) in `trim`: {trim!r}")
    ends = filt.shape
    found = computed(functools.partial(_box_of_nonzeros, trim), filt)
    cut = []
    axes = normalize_axes("trim_zeros", axis, filt.ndim)
    for d in range(filt.ndim):
        first = found[2 * d] if "f" in trim and d in axes else 0
        last = found[2 * d + 1] if "b" in trim and d in axes else ends[d]
        cut.append(slice(first, last))
    return filt[tuple(cut)]


def _box_of_nonzeros(trim: str, filt: np.ndarray) -> list[int]:
    """Start and stop along each axis."""
    places = np.argwhere(filt)
    ends = np.array(np.shape(filt))
    if len(places):
        start, stop = places.min(axis=0), places.max(axis=0) + 1
    else:
        start, stop = ends, ends
        if trim == "b":
            stop = np.zeros_like(ends)
    return [int(n) for pair in zip(start, stop, strict=True) for n in pair]

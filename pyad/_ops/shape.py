"""Ops that move elements without changing them. Most are views in the engine: no copy."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from operator import index
from typing import Any

import numpy as np

from pyad._binding.dtypes import CODES, INEXACT
from pyad._binding.engine import FAILED, error, lib
from pyad._ops._axes import normalize_axes
from pyad._ops._nested import concatenated, nested_array, plain, stacked
from pyad._trace import strided_view
from pyad._trace.array import Array, View, contains_traced, copy_of, is_traced
from pyad._trace.op import linear
from pyad._trace.recorded_call import call, computed
from pyad._trace.traced_integer import TracedInteger
from pyad._trace.view import strided_view_of, view
from pyad.errors import DTypeError, ShapeError

__all__ = [
    "array",
    "asarray",
    "astype",
    "broadcast_to",
    "concatenate",
    "expand_dims",
    "moveaxis",
    "ravel",
    "reshape",
    "squeeze",
    "stack",
    "swapaxes",
    "transpose",
]

# ---- records ----

# Those of slices: (start, step, count) per dimension, count -1 for a single index.


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


_slice = linear("slice", _slice_reference, lambda s, y, x, p: (_unslice.record([s._h], (x.ndim, *x.shape, *p)),))
_unslice = linear("unslice", _unslice_reference, lambda s, y, x, p: (_slice.record([s._h], p[1 + p[0] :]),))


_reshape = linear("reshape", lambda x, *shape: np.reshape(x, shape), lambda s, y, x, p: (reshape(s, x.shape),))
_transpose = linear(
    "transpose",
    lambda x, *axes: np.transpose(x, axes),
    lambda s, y, x, p: (transpose(s, tuple(int(i) for i in np.argsort(p))),),
)
# The sum over the new axes is part of the accumulation.
_broadcast = linear("broadcast_to", lambda x, *shape: np.broadcast_to(x, shape), lambda s, y, x, p: (s,))
_astype = linear("astype", lambda x, code: recast(x, _dtypes()[code]), lambda s, y, x, p: (recast(s, x.dtype),))


def _dtypes() -> tuple[np.dtype, ...]:
    return tuple(CODES)


def _concatenate_transpose(s: Any, y: Any, *rest: Any) -> tuple[Any, ...]:
    *operands, p = rest
    parts = []
    start = 0
    for x in operands:
        length = x.shape[p[0]]
        parts.append(slice_axis(s, p[0], start, length))
        start += length
    return tuple(parts)


_concatenate = linear(
    "concatenate", lambda *rest: np.concatenate(rest[:-1], rest[-1]), _concatenate_transpose, arity=-1, joint=True
)

# ---- functions ----


def _integers(name: str, what: str, given: Any) -> tuple[int, ...]:
    """A shape or the like as a tuple of integers."""
    try:
        return tuple(map(index, given)) if isinstance(given, Sequence | np.ndarray) else (index(given),)
    except TypeError:
        raise TypeError(f"{name}: {what} must be an integer or a sequence of integers, got {given!r}") from None


def _resolve_shape(size: int, old: tuple[int, ...], new: Any) -> tuple[int, ...]:
    """The new shape with -1 filled in."""
    shape = _integers("reshape", "the shape", new)
    unknown = [d for d, n in enumerate(shape) if n < 0]
    if not unknown:
        if math.prod(shape) != size:
            raise ShapeError(f"reshape: array of shape {old} ({size} elements) does not fill shape {shape}")
        return shape
    known = math.prod(n for n in shape if n >= 0)
    if len(unknown) > 1 or shape[unknown[0]] != -1 or known == 0 or size % known:
        raise ShapeError(
            f"reshape: array of shape {old} cannot take shape {shape}; one length may be -1, and the number of "
            "elements "
            f"({size}) must stay"
        )
    return tuple(size // known if n < 0 else n for n in shape)


def reshape(x: Any, /, shape: Any) -> Any:
    """The same elements, in C order, in another shape; one length may be -1."""
    if not is_traced(x):
        return np.reshape(plain("reshape", x), shape)
    old = x.shape
    new = _resolve_shape(x.size, old, shape)
    if not old or not new:
        return _reshape.record([x._h], new)
    if (
        type(x) is View
        and not strided_view.same_but_ones(old, new)
        and strided_view.reshaped(strided_view_of(x), new) is None
    ):
        return copy_of(_reshape.record([x._h], new))
    return _view(_reshape, x, new, strided_view.reshaped)


def _view(op: Any, x: Array, params: tuple[int, ...], how: Any) -> Array:
    """The result of an op as a view of its operand."""
    handle = lib.pyad_op(op.number, 1, [x._h], len(params), params)
    if handle >= FAILED:
        raise error(handle, (x._h,))
    return view(x, handle, (how, params))


def _is_contiguous(part: strided_view.StridedView) -> bool:
    """Whether the elements of a part lie in C order without gaps."""
    pairs = zip(part.shape, part.strides, strided_view.contiguous_strides(part.shape), strict=True)
    return 0 in part.shape or (not part.component and all(n == 1 or a == b for n, a, b in pairs))


def ravel(x: Any, /) -> Any:
    """The elements in C order, in one dimension."""
    if not is_traced(x):
        return np.ravel(x)
    out = reshape(x, (x.size,))
    if type(x) is View and not _is_contiguous(strided_view_of(x)):
        return out.copy()  # as NumPy's, also where strides could say it
    return out


def transpose(x: Any, /, axes: Any = None) -> Any:
    """Permute the axes (reverse them by default)."""
    if not is_traced(x):
        return np.transpose(plain("transpose", x), axes)
    ndim = x.ndim
    if axes is None:
        order = tuple(range(ndim - 1, -1, -1))
    else:
        given = _integers("transpose", "the permutation", axes)
        order = tuple(a + ndim if -ndim <= a < 0 else a for a in given)
        if sorted(order) != list(range(ndim)):
            raise ValueError(f"transpose: axes {given} are no permutation of the {ndim} axes of shape {x.shape}")
    return _view(_transpose, x, order, strided_view.transposed) if ndim else x


def moveaxis(x: Any, /, source: Any, destination: Any) -> Any:
    """Move axes to other positions; the others keep their order."""
    if not is_traced(x):
        return np.moveaxis(x, source, destination)
    ndim = x.ndim
    pairs = []
    for name, given in (("source", source), ("destination", destination)):
        listed = list(given) if isinstance(given, Sequence) else [given]
        normalize_axes(f"moveaxis: {name}", listed, ndim)
        pairs.append([int(a) % ndim for a in listed])
    if len(pairs[0]) != len(pairs[1]):
        raise ValueError(f"moveaxis: {len(pairs[0])} source axes, {len(pairs[1])} destinations")
    order = [a for a in range(ndim) if a not in pairs[0]]
    for to, come in sorted(zip(pairs[1], pairs[0], strict=True)):
        order.insert(to, come)
    return transpose(x, order)


def swapaxes(x: Any, /, axis1: int, axis2: int) -> Any:
    """Exchange two axes."""
    if not is_traced(x):
        return np.swapaxes(x, axis1, axis2)
    order = list(range(x.ndim))
    (a,), (b,) = normalize_axes("swapaxes", axis1, x.ndim), normalize_axes("swapaxes", axis2, x.ndim)
    order[a], order[b] = order[b], order[a]
    return transpose(x, order)


def broadcast_to(x: Any, /, shape: Any) -> Any:
    """x repeated along new axes and axes of length 1, without copying."""
    if not is_traced(x):
        return np.broadcast_to(plain("broadcast_to", x), shape)
    shape = _integers("broadcast_to", "the shape", shape)
    if any(n < 0 for n in shape):
        raise ValueError(f"broadcast_to: shape {shape} has a negative length")
    return _view(_broadcast, x, shape, strided_view.broadcast) if shape else _broadcast.record([x._h], shape)


def slice_axis(x: Any, axis: int, start: int, count: int) -> Any:
    """`count` entries along one axis, from `start`."""
    if not is_traced(x):
        return x[(slice(None),) * axis + (slice(start, start + count),)]
    p: list[int] = []
    for d, length in enumerate(x.shape):
        p += (start, 1, count) if d == axis else (0, 1, length)
    return _slice.record([x._h], tuple(p))


def expand_dims(x: Any, /, axis: Any) -> Any:
    """New axes of length 1 at the given places of the result."""
    if not is_traced(x):
        return np.expand_dims(plain("expand_dims", x), axis)
    count = len(axis) if isinstance(axis, Sequence) else 1
    places = normalize_axes("expand_dims", axis, x.ndim + count)
    lengths = iter(x.shape)
    return reshape(x, tuple(1 if d in places else next(lengths) for d in range(x.ndim + count)))


def squeeze(x: Any, /, axis: Any = None) -> Any:
    """Drop axes of length 1 (all of them by default)."""
    if not is_traced(x):
        return np.squeeze(plain("squeeze", x), axis)
    shape = x.shape
    axes = tuple(d for d, n in enumerate(shape) if n == 1) if axis is None else normalize_axes("squeeze", axis, x.ndim)
    for a in axes:
        if shape[a] != 1:
            raise ValueError(f"squeeze: axis {a} of shape {shape} has length {shape[a]}, expected 1")
    return reshape(x, tuple(n for d, n in enumerate(shape) if d not in axes))


def recast(x: Any, dtype: np.dtype) -> Any:
    """x in another dtype that is differentiated, of a complex x for a real dtype the real part."""
    if is_traced(x):
        return x if x.dtype == dtype else _astype.record([x._h], (CODES[dtype],))
    return np.asarray(np.real(x) if dtype.kind != "c" else x).astype(dtype)[()]


def _as_dtype(value: Any, dtype: np.dtype) -> Any:
    return np.asarray(value).astype(dtype)[()]


def astype(x: Any, /, dtype: Any) -> Any:
    """x in another dtype. Among float and complex dtypes the derivative passes; integers and booleans are constant."""
    dtype = np.dtype(dtype)
    if not is_traced(x):
        if type(x) is TracedInteger:
            return call(_as_dtype, (x, dtype), {}) if dtype.kind in "bui" else recast(x.as_array(), dtype)
        return np.asarray(x).astype(dtype)
    if dtype.kind in "bui":
        return computed(lambda value: _as_dtype(value, dtype), x)
    if dtype not in INEXACT:
        raise DTypeError(f"astype: traced values are float32 or float64, complex64 or complex128, not {dtype}")
    if dtype.kind == "f" and x.dtype.kind == "c":
        warn_of_imaginary_part()
    return copy_of(x) if x.dtype == dtype else recast(x, dtype)


def warn_of_imaginary_part() -> None:
    """NumPy's warning where complex values are made real."""
    message = "Casting complex values to real discards the imaginary part"
    warnings.warn(message, np.exceptions.ComplexWarning, stacklevel=3)


def concatenate(arrays: Any, /, axis: int | None = 0) -> Any:
    """Join arrays along an axis (flattened first for None)."""
    arrays = list(arrays)
    if not any(is_traced(x) for x in arrays):
        return np.concatenate([plain("concatenate", x) for x in arrays], axis)
    if axis is None:
        arrays = [ravel(x.as_array() if type(x) is TracedInteger else x) for x in arrays]
        axis = 0
    return concatenated(arrays, axis)


def stack(arrays: Any, /, axis: int = 0) -> Any:
    """Join arrays of one shape along a new axis."""
    arrays = list(arrays)
    if not any(is_traced(x) for x in arrays):
        return np.stack([plain("stack", x) for x in arrays], axis)
    return stacked(arrays, axis)


def array(x: Any, dtype: Any = None) -> Any:
    """An array of numbers, arrays and traced values, nested in lists and tuples as for `numpy.array`.

    >>> import pyad
    >>> pyad.grad(lambda a: array([a, a * a]).sum())(3.0)
    np.float64(7.0)
    """
    if is_traced(x):
        return copy_of(x) if dtype is None else astype(x, dtype)
    if type(x) is TracedInteger:
        return x if dtype is None else astype(x, dtype)
    if not contains_traced(x):
        return np.array(x, dtype)
    built = nested_array(x)
    return built if dtype is None else astype(built, dtype)


def asarray(x: Any, dtype: Any = None) -> Any:
    """As `array`, without a copy of what is an array already."""
    if type(x) is np.ndarray and dtype is None:
        return x
    if (is_traced(x) or type(x) is TracedInteger) and (dtype is None or x.dtype == dtype):
        return x
    if type(x) is TracedInteger:
        return astype(x, dtype)
    if is_traced(x) or contains_traced(x):
        return array(x, dtype)
    return np.asarray(x, dtype)

"""What a function takes for an array: traced values, numbers, arrays, and lists and tuples that nest all of these.

It is the lowest module of this folder, since every function begins with it: it records by the engine's instructions,
whose rules stand in `pyad._ops.shape`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pyad._binding.engine import FAILED, error, ffi, kernel, lib
from pyad._ops._axes import normalize_axes
from pyad._trace.array import Array, bare, contains_traced, is_traced, wrap
from pyad._trace.op import handle_of
from pyad._trace.promotion import common_dtype, refuse_subclass
from pyad._trace.traced_integer import TracedInteger
from pyad.errors import ShapeError

__all__ = ["concatenated", "nested_array", "operand", "plain", "stacked"]

_CONCATENATE, _RESHAPE = kernel("concatenate"), kernel("reshape")


def plain(name: str, x: Any) -> Any:
    """A plain operand for NumPy; a list that holds traced values becomes a traced array."""
    return nested_array(x) if type(x) in (list, tuple) and contains_traced(x) else x


def operand(name: str, x: Any) -> Any:
    """An operand for the engine: traced, a number, or an ndarray of numbers."""
    if is_traced(x) or type(x) is np.ndarray:
        return x
    if type(x) is TracedInteger:
        return x.as_array()
    if isinstance(x, float | int | complex | np.ndarray | np.generic):
        refuse_subclass(name, x)
        return x
    if type(x) in (list, tuple) and contains_traced(x):
        return nested_array(x)
    converted = np.asarray(x)
    if converted.dtype.kind not in "biufc":
        raise TypeError(f"{name}: operand of type {type(x).__name__} is neither a number nor an array of numbers")
    return converted


def nested_array(x: Any) -> Array:
    """The array of a list or tuple of numbers, arrays and such lists, of which something is traced."""
    items, lengths = _leaves(x)
    shape = _common_shape(items)
    dtype = common_dtype("array", tuple(items))
    vectors = [_raveled(item, shape, dtype) for item in items]
    joined = wrap(lib.pyad_op(_CONCATENATE, len(vectors), [v._h for v in vectors], 1, (0,)))
    full = (*lengths, *shape)
    return joined if len(full) == 1 else wrap(lib.pyad_op(_RESHAPE, 1, [joined._h], len(full), full))


def _leaves(x: Any) -> tuple[list[Any], list[int]]:
    """What the lists hold, level by level until there is a number or an array, and the length of each level."""
    level, lengths = list(x), [len(x)]
    while all(type(item) in (list, tuple) for item in level):
        length = len(level[0])
        if any(len(item) != length for item in level):
            raise ShapeError(f"array: the lists at depth {len(lengths)} differ in length: {sorted(map(len, level))}")
        lengths.append(length)
        level = [inner for item in level for inner in item]
    return [_as_operand(item) for item in level], lengths


def _as_operand(item: Any) -> Any:
    """A traced value or an array; a list beside them is one more array."""
    if is_traced(item):
        return item
    if type(item) is TracedInteger:
        return item.as_array()
    if type(item) in (list, tuple):
        return nested_array(item) if contains_traced(item) else np.asarray(item)
    return np.asarray(item)


def _common_shape(items: list[Any]) -> tuple[int, ...]:
    shapes = {item.shape for item in items}
    if len(shapes) > 1:
        raise ShapeError(f"array: all items must have one shape, got {', '.join(map(str, sorted(shapes)))}")
    return shapes.pop()


def _raveled(item: Any, shape: tuple[int, ...], dtype: np.dtype) -> Array:
    """The elements in C order, as a traced vector of a dtype."""
    if not is_traced(item):
        return bare(handle_of(item.reshape(-1), dtype))
    given = bare(handle_of(item, dtype))
    return given if len(shape) == 1 else wrap(lib.pyad_op(_RESHAPE, 1, [given._h], 1, (item.size,)))


def stacked(arrays: list[Any], axis: int) -> Array:
    """Arrays of one shape, of which one is traced, along a new axis."""
    shapes = {x.shape if is_traced(x) else np.shape(x) for x in arrays}
    if len(shapes) > 1:
        raise ShapeError(f"stack: all arrays must have one shape, got {', '.join(map(str, sorted(shapes)))}")
    shape = shapes.pop()
    (axis,) = normalize_axes("stack", axis, len(shape) + 1)
    new = (*shape[:axis], 1, *shape[axis:])
    return concatenated([_reshaped(x, new) if is_traced(x) else np.reshape(x, new) for x in arrays], axis)


def _reshaped(x: Array, shape: tuple[int, ...]) -> Array:
    return wrap(lib.pyad_op(_RESHAPE, 1, [x._h], len(shape), shape))


def concatenated(arrays: list[Any], axis: int) -> Array:
    """Arrays of which one is traced, joined along an axis."""
    arrays = [x.as_array() if type(x) is TracedInteger else x for x in arrays]
    dtype = common_dtype("concatenate", tuple(arrays))
    handles = [handle_of(x if is_traced(x) else np.asarray(operand("concatenate", x)), dtype) for x in arrays]
    ndim = np.ndim(arrays[0]) if not is_traced(arrays[0]) else arrays[0].ndim
    if ndim == 0:
        raise ValueError("concatenate: zero-dimensional arrays cannot be concatenated; use stack")
    (axis,) = normalize_axes("concatenate", axis, ndim)
    handle = lib.pyad_op(_CONCATENATE, len(handles), ffi.new("int64_t[]", handles), 1, (axis,))
    if handle >= FAILED:
        raise error(handle, tuple(handles))
    return wrap(handle)

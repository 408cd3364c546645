"""What a function takes for an array: traced values, numbers, arrays, and lists and tuples that nest all of these.

It is the lowest module of this folder, since every function begins with it: it records by the engine's instructions,
whose rules stand in `pyad._ops.shape`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pyad._binding.engine import FAILED, error, ffi, kernel, lib
from pyad._ops._axes import normalize_axes
from pyad._trace.array import Array, common_dtype, contains_traced, is_traced, refuse_subclass, wrap
from pyad._trace.discrete import Discrete
from pyad._trace.op import handle_of
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
    if type(x) is Discrete:
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


def nested_array(x: Sequence[Any]) -> Array:
    """The array of a list or tuple that holds a traced value, nested as for `numpy.array`."""
    return stacked([nested_array(item) if _is_nested(item) else item for item in x], 0)


def _is_nested(item: Any) -> bool:
    return type(item) in (list, tuple) and contains_traced(item)


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
    arrays = [x.as_array() if type(x) is Discrete else x for x in arrays]
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

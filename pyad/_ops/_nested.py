"""Nested lists that hold traced values, as arrays. Below all operations, which take such lists for their operands."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyad._binding import engine
from pyad._binding.engine import lib
from pyad._trace.array import Array, bare, contains_traced, is_traced, wrap
from pyad._trace.op import handle_of
from pyad._trace.promotion import common_dtype
from pyad._trace.traced_integer import TracedInteger
from pyad.errors import ShapeError

__all__ = ["nested_array"]

_CONCATENATE, _RESHAPE = engine.kernel("concatenate"), engine.kernel("reshape")


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

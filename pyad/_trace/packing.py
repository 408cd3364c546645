"""Several arrays as one vector, which is how a node has several outputs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pyad._binding import engine
from pyad._binding.engine import lib
from pyad._trace.array import Array, bare, is_traced, wrap
from pyad._trace.op import cast, handle_of

_CONCATENATE, _RESHAPE, _SLICE = engine.kernel("concatenate"), engine.kernel("reshape"), engine.kernel("slice")


class Packing:
    """How several arrays lie in one vector."""

    __slots__ = ("dtype", "dtypes", "shapes")

    def __init__(self, shapes: Sequence[tuple[int, ...]], dtypes: Sequence[np.dtype]) -> None:
        self.shapes = shapes
        self.dtypes = dtypes
        self.dtype = np.result_type(*dtypes)

    def pack(self, arrays: Sequence[Any]) -> Any:
        """The vector, traced where one of the arrays is."""
        if not any(map(is_traced, arrays)):
            return np.concatenate([_recast(np.ravel(x), self.dtype) for x in arrays])
        vectors = [_vector(x, self.dtype) for x in arrays]
        return wrap(lib.pyad_op(_CONCATENATE, len(vectors), [x._h for x in vectors], 1, (0,)))

    def unpack(self, packed: Any) -> tuple[Any, ...]:
        """The arrays, each in its shape and dtype."""
        strided_view_of, recast = (_traced_part, cast) if is_traced(packed) else (_plain_part, _recast)
        mixed = len(set(self.dtypes)) > 1
        parts = []
        start = 0
        for shape, dtype in zip(self.shapes, self.dtypes, strict=True):
            size = math.prod(shape)
            part = strided_view_of(packed, start, size, shape)
            parts.append(recast(part, dtype) if mixed else part)
            start += size
        return tuple(parts)


def _vector(x: Any, dtype: np.dtype) -> Array:
    """The elements of an array in C order, as a traced value of a dtype."""
    given = bare(handle_of(x if is_traced(x) else np.asarray(x), dtype))
    return given if given.ndim == 1 else wrap(lib.pyad_op(_RESHAPE, 1, [given._h], 1, (given.size,)))


def _plain_part(packed: np.ndarray, start: int, size: int, shape: tuple[int, ...]) -> np.ndarray:
    return packed[start : start + size].reshape(shape)


def _recast(x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """x in another dtype; of a complex x for a real dtype the real part."""
    return (x if dtype.kind == "c" else np.real(x)).astype(dtype)[()]


def _traced_part(packed: Array, start: int, size: int, shape: tuple[int, ...]) -> Array:
    part = wrap(lib.pyad_op(_SLICE, 1, [packed._h], 3, (start, 1, size)))
    return part if len(shape) == 1 else wrap(lib.pyad_op(_RESHAPE, 1, [part._h], len(shape), shape))

"""Views of an array as NumPy's views see them: an offset, a shape and strides, in elements of the array's C order.

A view of a traced array is described so, lazily, when it or the array is written into. Nothing here knows of tapes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

__all__ = [
    "IMAG",
    "REAL",
    "StridedView",
    "broadcast",
    "component",
    "contiguous_strides",
    "diagonal",
    "first_axis",
    "reshaped",
    "rows",
    "same_but_ones",
    "sliced",
    "transposed",
    "whole",
    "windows",
]

Shape = tuple[int, ...]

# Of complex elements: all of each (0), or ...
REAL, IMAG = 1, 2


class StridedView(NamedTuple):
    offset: int
    shape: Shape
    strides: tuple[int, ...]
    writable: bool = True
    component: int = 0
    overlapping: bool = False  # an element may be in several places

    def places(self) -> np.ndarray:
        """Where in the array each element is, of the part's shape."""
        at = np.full(self.shape, self.offset, np.int64)
        for axis, (length, stride) in enumerate(zip(self.shape, self.strides, strict=True)):
            at += (np.arange(length) * stride).reshape((-1,) + (1,) * (len(self.shape) - axis - 1))
        return at

    @property
    def params(self) -> tuple[int, ...]:
        """As the engine takes it."""
        return (self.offset, len(self.shape), *self.shape, *self.strides)


def contiguous_strides(shape: Shape) -> tuple[int, ...]:
    """The strides of C order without gaps, in elements."""
    strides = []
    stride = 1
    for length in reversed(shape):
        strides.append(stride)
        stride *= length
    return tuple(reversed(strides))


@lru_cache(maxsize=256)
def whole(shape: Shape) -> StridedView:
    """All of an array."""
    return StridedView(0, shape, contiguous_strides(shape))


def rows(part: StridedView, index: tuple[int, ...]) -> StridedView:
    """part[i] or part[i, j], for indices that are in range."""
    offset = part.offset
    for i, length, stride in zip(index, part.shape, part.strides, strict=False):
        offset += (i if i >= 0 else i + length) * stride
    n = len(index)
    return StridedView(offset, part.shape[n:], part.strides[n:], part.writable, part.component, part.overlapping)


def sliced(part: StridedView, p: tuple[int, ...]) -> StridedView:
    """The part that (start, step, count) for each dimension give; count -1 for a single index."""
    offset = part.offset
    shape = []
    strides = []
    for start, step, count, stride in zip(p[0::3], p[1::3], p[2::3], part.strides, strict=True):
        offset += start * stride
        if count >= 0:
            shape.append(count)
            strides.append(step * stride)
    return StridedView(offset, tuple(shape), tuple(strides), part.writable, part.component, part.overlapping)


def first_axis(part: StridedView, index: slice) -> StridedView:
    """part[start:stop:step]."""
    start, stop, step = index.indices(part.shape[0])
    count = len(range(start, stop, step))
    offset = part.offset + (start * part.strides[0] if count else 0)
    return StridedView(
        offset, (count, *part.shape[1:]), (step * part.strides[0], *part.strides[1:]), part.writable, part.component
    )


def transposed(part: StridedView, order: tuple[int, ...]) -> StridedView:
    """The axes in another order."""
    shape = tuple(part.shape[d] for d in order)
    return StridedView(
        part.offset, shape, tuple(part.strides[d] for d in order), part.writable, part.component, part.overlapping
    )


def broadcast(part: StridedView, shape: Shape) -> StridedView:
    """Repeated to a shape; as in NumPy not to be written into, since one element stands in many places."""
    extra = len(shape) - len(part.shape)
    strides = [0] * extra
    for length, old, stride in zip(shape[extra:], part.shape, part.strides, strict=True):
        strides.append(stride if length == old else 0)
    return StridedView(part.offset, shape, tuple(strides), False, part.component, part.overlapping)


def diagonal(part: StridedView, where: tuple[int, int, int, int, int, bool]) -> StridedView:
    """The `count` elements on a diagonal of two axes, from [row, column] on, as a new last axis."""
    row_axis, column_axis, row, column, count, writable = where
    rest = [d for d in range(len(part.shape)) if d not in (row_axis, column_axis)]
    down, right = part.strides[row_axis], part.strides[column_axis]
    offset = part.offset + (row * down + column * right if count else 0)
    shape = (*(part.shape[d] for d in rest), count)
    strides = (*(part.strides[d] for d in rest), down + right)
    return StridedView(offset, shape, strides, part.writable and writable, part.component, part.overlapping)


def windows(part: StridedView, sizes: tuple[tuple[int, int], ...]) -> StridedView:
    """Windows of (axis, length) each, as new last axes; not to be written into, since windows overlap."""
    shape = list(part.shape)
    for axis, length in sizes:
        shape[axis] -= length - 1
    shape += [length for _, length in sizes]
    strides = (*part.strides, *(part.strides[axis] for axis, _ in sizes))
    return StridedView(part.offset, tuple(shape), strides, False, part.component, True)


def component(part: StridedView, which: int) -> StridedView:
    """The real or the imaginary parts of complex elements."""
    return part._replace(component=which)


def same_but_ones(old: Shape, new: Shape) -> bool:
    """Whether two shapes differ in lengths of one only: such a reshape never copies."""
    return [n for n in old if n != 1] == [n for n in new if n != 1]


def reshaped(part: StridedView, shape: Shape) -> StridedView | None:
    """The same elements in C order in another shape of that size; None where strides cannot say it (NumPy copies)."""
    if 0 in shape:
        return StridedView(
            part.offset, shape, contiguous_strides(shape), part.writable, part.component, part.overlapping
        )
    runs = _runs(part)
    strides = [0] * len(shape)
    length, stride = runs.pop() if runs else (1, 1)
    for d in range(len(shape) - 1, -1, -1):
        if shape[d] == 1:
            strides[d] = stride
            continue
        if length == 1 and runs:
            length, stride = runs.pop()
        if length % shape[d]:
            return None
        strides[d] = stride
        stride *= shape[d]
        length //= shape[d]
    return StridedView(part.offset, shape, tuple(strides), part.writable, part.component, part.overlapping)


def _runs(part: StridedView) -> list[tuple[int, int]]:
    """The dimensions with those merged that follow each other in memory, as pairs of length and stride."""
    runs: list[tuple[int, int]] = []
    for length, stride in zip(part.shape, part.strides, strict=True):
        if length == 1:
            continue
        if runs and runs[-1][1] == length * stride:
            runs[-1] = (runs[-1][0] * length, stride)
        else:
            runs.append((length, stride))
    return runs

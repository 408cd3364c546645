"""Axes as a user gives them, and as the engine takes them: numbers in [0, ndim), or bits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["Axis", "axes_of_bits", "bits_of_axes", "kept_shape", "normalize_axes", "reduced_axes"]

Axis = int | Sequence[int] | None


def normalize_axes(name: str, axis: Axis, ndim: int) -> tuple[int, ...]:
    """The axes as sorted numbers in [0, ndim), all of them for None.

    Raises:
        numpy.exceptions.AxisError: an axis out of range.
        ValueError: an axis given twice.
        TypeError: an axis that is not an integer.
    """
    if axis is None:
        return tuple(range(ndim))
    given = tuple(axis) if isinstance(axis, Sequence) else (axis,)
    axes = []
    for a in given:
        if not isinstance(a, int | np.integer):
            raise TypeError(f"{name}: axis {a!r} is not an integer")
        if not -ndim <= a < ndim:
            raise np.exceptions.AxisError(f"{name}: axis {a} is out of bounds for an array of dimension {ndim}")
        axes.append(int(a) % ndim)
    if len(set(axes)) != len(axes):
        raise ValueError(f"{name}: axis {axis} names a dimension twice")
    return tuple(sorted(axes))


def reduced_axes(name: str, axis: Axis, ndim: int) -> tuple[int, ...]:
    """The axes of a reduction: as `normalize_axes`, but a number may be reduced over its axis 0 or -1, as in NumPy."""
    if ndim == 0 and isinstance(axis, int | np.integer) and axis in (0, -1):
        return ()
    return normalize_axes(name, axis, ndim)


def bits_of_axes(axes: tuple[int, ...]) -> int:
    """The axes as the bits of one number."""
    return sum(1 << a for a in axes)


def axes_of_bits(bits: int, ndim: int) -> tuple[int, ...]:
    """The axes whose bits are set."""
    return tuple(d for d in range(ndim) if bits >> d & 1)


def kept_shape(shape: tuple[int, ...], bits: int) -> tuple[int, ...]:
    """The shape with the reduced axes of length 1."""
    return tuple(1 if bits >> d & 1 else n for d, n in enumerate(shape))

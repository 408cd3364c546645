"""What programs written for autograd import from here."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyad import numpy as _ours
from pyad._ops.shape import concatenate, expand_dims, swapaxes
from pyad.autograd._vspace import is_complex

__all__ = ["concatenate_args", "make_diagonal", "metadata", "numpy_version"]

numpy_version = np.__version__


def make_diagonal(D: Any, offset: int = 0, axis1: int = -1, axis2: int = -2) -> Any:
    """Matrices with the last axis of D on their diagonals.

    >>> make_diagonal(np.array([1.0, 2.0]))
    array([[1., 0.],
           [0., 2.]])
    """
    if offset != 0 or {axis1, axis2} != {-1, -2}:
        raise NotImplementedError("make_diagonal supports offset=0, axis1=-1, axis2=-2 only")
    return swapaxes(expand_dims(D, -1) * np.eye(np.shape(D)[-1], dtype=D.dtype), -1, -2)


def metadata(A: Any) -> tuple[tuple[int, ...], int, np.dtype, bool]:
    """Shape, number of dimensions, dtype, and whether that is complex."""
    return np.shape(A), np.ndim(A), np.result_type(A), is_complex(A)


def concatenate_args(axis: int, *args: Any) -> Any:
    """The arrays joined along an axis."""
    return concatenate(args, axis)


def __getattr__(name: str) -> Any:
    return getattr(_ours, name)

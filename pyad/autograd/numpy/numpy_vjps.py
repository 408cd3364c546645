"""Helpers for reverse rules."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from pyad._ops.comparison import where
from pyad._ops.reductions import sum as total
from pyad._ops.shape import broadcast_to, reshape
from pyad.autograd._vspace import is_complex
from pyad.autograd.numpy.numpy_wrapper import metadata

__all__ = ["balanced_eq", "match_complex", "repeat_to_match_shape", "replace_zero", "unbroadcast", "unbroadcast_f"]


def unbroadcast(x: Any, target_meta: Any, broadcast_idx: int = 0) -> Any:
    """x summed over the axes along which an array of this `metadata` was repeated."""
    shape, ndim, _, complex_target = target_meta
    while np.ndim(x) > ndim:
        x = total(x, axis=broadcast_idx)
    repeated = tuple(axis for axis, size in enumerate(shape) if size == 1 and np.shape(x)[axis] != 1)
    if repeated:
        x = total(x, axis=repeated, keepdims=True)
    return np.real(x) if is_complex(x) and not complex_target else x


def unbroadcast_f(target: Any, f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """f, with its result summed to the shape of `target`."""
    meta = metadata(target)
    return lambda g: unbroadcast(f(g), meta)


def match_complex(target: Any, x: Any) -> Any:
    """x made real or complex as `target` is."""
    if is_complex(x) == is_complex(target):
        return x
    return np.real(x) if is_complex(x) else x + 0j


def repeat_to_match_shape(g: Any, shape: tuple[int, ...], dtype: Any, axis: Any, keepdims: bool) -> tuple[Any, int]:
    """What a reduction of an array of this shape gave, repeated to the shape; with how many numbers each one was of."""
    axes = range(len(shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    axes = {a % len(shape) for a in axes} if shape else set()
    kept = tuple(1 if k in axes else n for k, n in enumerate(shape))
    return broadcast_to(reshape(g, kept), shape), math.prod(shape[a] for a in axes)


def balanced_eq(x: Any, z: Any, y: Any) -> Any:
    """One where x is z, and a half where y is as well."""
    return (x == z) / (1.0 + (x == y))


def replace_zero(x: Any, val: Any) -> Any:
    """x with `val` in the place of zeros."""
    return where(x != 0, x, val)

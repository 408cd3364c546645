"""autograd's convolution: over some axes, with sums over others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pyad._ops.linalg.matmul import matmul
from pyad._ops.shape import asarray, concatenate, reshape, transpose

__all__ = ["convolve"]

Axes = Sequence[Sequence[int]]


def convolve(A: Any, B: Any, axes: Axes | None = None, dot_axes: Axes = ((), ()), mode: str = "full") -> Any:
    """The convolution of two arrays over the pairs of `axes` (all by default), summed over the pairs of `dot_axes`.

    The axes of the result are those of A that are in neither, then those of B, then the convolved ones. `mode` is
    "full"; "valid", where the larger array covers the smaller one; or "same", of the size of A.

    Raises:
        ValueError: another mode; or, for "valid", neither array covers the other.
    """
    if mode not in ("full", "valid", "same"):
        raise ValueError(f"convolve: mode must be 'full', 'valid' or 'same', got {mode!r}")
    A, B = asarray(A), asarray(B)
    pairs = axes if axes is not None else (range(A.ndim), range(B.ndim))
    conv = tuple(tuple(a % x.ndim for a in given) for x, given in zip((A, B), pairs, strict=True))
    dot = tuple(tuple(a % x.ndim for a in given) for x, given in zip((A, B), dot_axes, strict=True))
    lengths = [(A.shape[a], B.shape[b]) for a, b in zip(*conv, strict=True)]
    count = len(lengths)
    if mode == "same":
        full = convolve(A, B, conv, dot, "full")
        middle = [slice((b - 1) // 2, (b - 1) // 2 + a) for a, b in lengths]
        return full[(..., *middle)]
    # The windows, which have the size of A, go over B: it is to be the larger one.
    if math.prod(a for a, _ in lengths) > math.prod(b for _, b in lengths):
        return _swapped(convolve(B, A, conv[::-1], dot[::-1], mode), B.ndim - count - len(dot[1]), count)
    if mode == "full":
        for (a, _), axis in zip(lengths, conv[1], strict=True):
            B = _padded(B, axis, a - 1)
    elif any(a > b for a, b in lengths):
        raise ValueError(
            "convolve: in mode 'valid' one array must be at least as large as the other along all convolved axes, got "
            f"the lengths {lengths}"
        )
    return _contract(A, B, conv, dot)


def _padded(x: Any, axis: int, count: int) -> Any:
    """x with so many zeros before and behind an axis."""
    zeros = np.zeros((*x.shape[:axis], count, *x.shape[axis + 1 :]), x.dtype)
    return concatenate([zeros, x, zeros], axis)


def _contract(A: Any, B: Any, conv: Any, dot: Any) -> Any:
    """Each window of B times the reversed A, as one product of matrices."""
    kept_a = [k for k in range(A.ndim) if k not in conv[0] and k not in dot[0]]
    kept_b = [k for k in range(B.ndim) if k not in conv[1] and k not in dot[1]]
    A = transpose(A, (*kept_a, *dot[0], *conv[0]))
    A = A[(..., *[slice(None, None, -1)] * len(conv[0]))]
    B = transpose(B, (*kept_b, *dot[1], *conv[1]))
    shapes = A.shape[: len(kept_a)], B.shape[: len(kept_b)]
    filters = A.shape[len(A.shape) - len(conv[0]) :]
    places = [n - m + 1 for n, m in zip(B.shape[len(B.shape) - len(conv[1]) :], filters, strict=True)]
    windows = _windows(B, filters, places)
    summed = math.prod(A.shape[len(kept_a) :])
    # (kept of B, dotted, window, place) to (dotted and window, kept of B and place)
    count = len(kept_b)
    inner = range(count, windows.ndim - len(places))
    order = (*inner, *range(count), *range(windows.ndim - len(places), windows.ndim))
    product = matmul(reshape(A, (math.prod(shapes[0]), summed)), reshape(transpose(windows, order), (summed, -1)))
    return reshape(product, (*shapes[0], *shapes[1], *places))


def _windows(x: Any, filters: Sequence[int], places: Sequence[int]) -> Any:
    """The windows over the last axes: (..., within the window, place of the window)."""
    count = len(filters)
    index = []
    for k, (size, number) in enumerate(zip(filters, places, strict=True)):
        shape = [1] * (2 * count)
        shape[k], shape[count + k] = size, number
        index.append((np.arange(size)[:, None] + np.arange(number)).reshape(shape))
    return x[(..., *index)]


def _swapped(x: Any, first: int, conv: int) -> Any:
    """x with its first axes behind those that follow, up to the convolved ones."""
    middle = x.ndim - conv
    return transpose(x, (*range(first, middle), *range(first), *range(middle, x.ndim)))


def __getattr__(name: str) -> Any:
    import importlib

    try:
        return getattr(importlib.import_module("pyad.scipy.signal"), name)
    except ModuleNotFoundError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None

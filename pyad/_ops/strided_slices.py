"""Parts of arrays by offset, shape and strides: reading them, and arrays with a part replaced.

The engine has the rules of these ops (and that of `slice`) built in, where they cost no more than the part; those given
here say the same, without writing over anything. See docs/developer/engine.md, "In place".
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from pyad._ops.indexing import take_rows
from pyad._ops.reductions import sum as add_up
from pyad._ops.shape import broadcast_to, ravel
from pyad._trace.op import handle_of, linear

__all__: list[str] = []


def _seen(flat: np.ndarray, p: tuple[int, ...]) -> np.ndarray:
    """The part of a contiguous vector that (offset, ndim, shape, strides) say."""
    offset, ndim = p[:2]
    shape = p[2 : 2 + ndim]
    size = flat.itemsize
    return as_strided(flat[offset:], shape, [n * size for n in p[2 + ndim :]])


def _window_reference(x: Any, *p: int) -> Any:
    return _seen(np.asarray(x).reshape(-1), p).copy()


def _assign_reference(old: Any, x: Any, *p: int) -> Any:
    out = np.array(old, order="C")
    _seen(out.reshape(-1), p)[...] = x
    return out


def _assign_at_reference(old: Any, x: Any, index: Any) -> Any:
    out = np.array(old, order="C")
    out.reshape(-1)[index] = x
    return out


def _window_transpose(s: Any, y: Any, x: Any, p: tuple[int, ...]) -> tuple[Any, ...]:
    ndim = p[1]
    repeats = [d for d in range(ndim) if p[2 + ndim + d] == 0]
    shape = [1 if d in repeats else n for d, n in enumerate(p[2 : 2 + ndim])]
    zeros = broadcast_to(0.0 * ravel(x)[:1], x.shape)
    summed = add_up(s, tuple(repeats), keepdims=True) if repeats else s
    return (_assign.record([zeros._h, summed._h], (p[0], ndim, *shape, *p[2 + ndim :])),)


def _assign_transpose(s: Any, y: Any, old: Any, x: Any, p: tuple[int, ...]) -> tuple[Any, ...]:
    return _assign.record([s._h, handle_of(0.0, s.dtype)], p), _window.record([s._h], p)


def _assign_at_transpose(s: Any, y: Any, old: Any, x: Any, index: Any, p: Any) -> tuple[Any, ...]:
    cleared = _assign_at.record([s._h, handle_of(0.0, s.dtype), index._h], None)
    return cleared, take_rows(ravel(s), index), None


_window = linear("strided_view", _window_reference, _window_transpose)
_assign = linear("assign", _assign_reference, _assign_transpose, arity=2, joint=True)
_assign_at = linear("assign_at", _assign_at_reference, _assign_at_transpose, arity=3, joint=True)

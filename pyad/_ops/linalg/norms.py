"""Norms and condition numbers, written with functions that have derivatives.

The derivative of a 2-norm is 0 where all that it is taken of is zero: a subgradient, where the formula gives NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple
from numpy.linalg import LinAlgError

from pyad._ops import reductions
from pyad._ops._registry import implements
from pyad._ops.arithmetic import absolute, sqrt, square
from pyad._ops.comparison import where
from pyad._ops.explog_trig import power
from pyad._ops.linalg._matrices import as_array, conj, is_complex, real
from pyad._ops.linalg.decompositions import svd
from pyad._ops.linalg.solve import inv_or_nan
from pyad._ops.shape import expand_dims, moveaxis, reshape, transpose
from pyad._trace.recorded_call import computed, detached, may_hold

__all__ = ["cond", "norm"]


def _from_zero(root: Callable[[Any], Any], x: Any) -> Any:
    """root(x) for a root whose derivative at 0 is infinite, with derivative 0 there."""
    zero = detached(x) == 0
    if not may_hold(zero):
        return root(x)
    return where(zero, 0.0, root(where(zero, 1.0, x)))


def _two_norm(x: Any, axis: Any, keepdims: bool) -> Any:
    squares = real(conj(x) * x) if is_complex(x) else square(x)
    return _from_zero(sqrt, reductions.sum(squares, axis, keepdims=keepdims))


def _largest(x: Any, axis: int, keepdims: bool = False) -> Any:
    """The largest of what is not negative: 0 of nothing."""
    reducer = reductions.max if x.shape[axis] else reductions.sum
    return reducer(x, axis, keepdims=keepdims)


def _smallest(x: Any, axis: int, keepdims: bool = False) -> Any:
    return reductions.min(x, axis, keepdims=keepdims)


def _vector_norm(x: Any, order: Any, axis: int, keepdims: bool) -> Any:
    if isinstance(order, str):
        raise ValueError(f"norm: ord={order!r} is no norm of vectors; expected a number or None")
    if order is None or order == 2:
        return _two_norm(x, axis, keepdims)
    if order == 0:
        return computed(lambda v: np.sum((v != 0).astype(v.real.dtype), axis, keepdims=keepdims), x)
    size = absolute(x)
    if order == np.inf:
        return _largest(size, axis, keepdims)
    if order == -np.inf:
        return _smallest(size, axis, keepdims)
    if order == 1:
        return reductions.sum(size, axis, keepdims=keepdims)
    powers = reductions.sum(power(size, float(order)), axis, keepdims=keepdims)
    return _from_zero(lambda total: power(total, 1.0 / order), powers)


# From the singular values, and from the sums along one axis of the moduli (0: rows, 1: columns).
_BY_SINGULAR_VALUES: dict[Any, Callable[..., Any]] = {2: _largest, -2: _smallest, "nuc": reductions.sum}
_BY_SUMS = {1: (0, _largest), -1: (0, _smallest), np.inf: (1, _largest), -np.inf: (1, _smallest)}


def _matrix_norm(x: Any, order: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    if axes[0] == axes[1]:
        raise ValueError(f"norm: axis names dimension {axes[0]} twice")
    if order in (None, "fro", "f"):
        return _two_norm(x, axes, keepdims)
    if order in _BY_SINGULAR_VALUES:
        values = svd(moveaxis(x, axes, (-2, -1)), full_matrices=False, compute_uv=False)
        out = _BY_SINGULAR_VALUES[order](values, -1)
        return expand_dims(out, axes) if keepdims else out
    if order not in _BY_SUMS:
        raise ValueError(
            f"norm: ord={order!r} is no norm of matrices; expected None, 'fro', 'nuc', 1, -1, 2, -2, inf or -inf"
        )
    summed, choose = _BY_SUMS[order]
    out = choose(reductions.sum(absolute(x), axes[summed], keepdims=True), axes[1 - summed], True)
    return out if keepdims else reshape(out, tuple(n for d, n in enumerate(x.shape) if d not in axes))


@implements(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """A norm of vectors (one axis) or matrices (two axes). The 2-norm and "fro" have derivative 0 at zero.

    >>> pyad.grad(np.linalg.norm)(np.array([3.0, 4.0]))
    array([0.6, 0.8])
    """
    x = as_array(x)
    if axis is None:
        if ord is None:
            return _two_norm(x, None, keepdims)
        axes = tuple(range(x.ndim))
    elif isinstance(axis, tuple):
        axes = tuple(normalize_axis_index(a, x.ndim) for a in axis)
    else:
        try:
            axes = (normalize_axis_index(int(axis), x.ndim),)
        except (TypeError, ValueError):
            if isinstance(axis, int | np.integer):
                raise
            raise TypeError(f"norm: axis must be None, an integer or a tuple of integers, got {axis!r}") from None
    if len(axes) == 1:
        return _vector_norm(x, ord, axes[0], keepdims)
    if len(axes) == 2:
        return _matrix_norm(x, ord, axes, keepdims)
    raise ValueError(f"norm: {len(axes)} axes; norms are of vectors (one axis) or matrices (two)")


def _array_api_vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """A norm of vectors, which may lie along several axes.

    >>> pyad.grad(np.linalg.vector_norm)(np.array([3.0, 4.0]))
    array([0.6, 0.8])
    """
    x = as_array(x)
    axes = normalize_axis_tuple(range(x.ndim) if axis is None else axis, x.ndim)
    rest = [d for d in range(x.ndim) if d not in axes]
    lengths = [x.shape[d] for d in rest]
    size = int(np.prod([x.shape[d] for d in axes], dtype=int))
    flat = reshape(transpose(x, [*axes, *rest]), (size, *lengths))
    out = _vector_norm(flat, ord, 0, False)
    return reshape(out, [1 if d in axes else n for d, n in enumerate(x.shape)]) if keepdims else out


def _array_api_matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """A norm of a stack of matrices.

    >>> pyad.grad(np.linalg.matrix_norm)(np.array([[3.0, 4.0]]))
    array([[0.6, 0.8]])
    """
    return norm(x, ord, (-2, -1), keepdims)


if hasattr(np.linalg, "vector_norm"):
    vector_norm = implements(np.linalg.vector_norm)(_array_api_vector_norm)
    matrix_norm = implements(np.linalg.matrix_norm)(_array_api_matrix_norm)


@implements(np.linalg.cond)
def cond(x: Any, p: Any = None) -> Any:
    """The condition numbers of a stack of matrices: inf, without a derivative, for singular ones.

    >>> pyad.grad(np.linalg.cond)(np.diag([4.0, 2.0])).round(9) + 0.0
    array([[ 0.5,  0. ],
           [ 0. , -1. ]])
    """
    x = as_array(x)
    if x.size == 0 and 0 in x.shape[-2:]:
        raise LinAlgError("cond: the condition number of an empty matrix is not defined")
    with np.errstate(all="ignore"):
        if p is None or p in (2, -2):
            s = svd(x, full_matrices=False, compute_uv=False)
            out = s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
        else:
            if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
                raise LinAlgError(f"cond: with p={p!r} the matrices must be square, got shape {x.shape}")
            out = norm(x, p, (-2, -1)) * norm(inv_or_nan(x), p, (-2, -1))
        plain = detached(x)
        lost = np.isnan(detached(out)) & ~np.isnan(plain).any(axis=(-2, -1))
        return where(lost, np.inf, out) if may_hold(lost) else out

"""Arrays built from values: diagonals, triangles, grids and sequences between two ends."""

from __future__ import annotations

from operator import index
from typing import Any

import numpy as np

from pyad._ops import comparison, reductions
from pyad._ops._registry import implements
from pyad._ops.arithmetic import sign
from pyad._ops.explog_trig import exp, log, power
from pyad._ops.rearrange import one_axis
from pyad._ops.shape import _unslice, asarray, astype, broadcast_to, moveaxis, ravel, reshape
from pyad._trace import strided_view
from pyad._trace.array import Array, is_traced
from pyad._trace.promotion import dtype_of
from pyad._trace.recorded_call import computed, detached
from pyad._trace.view import strided_view_of, view_of

__all__ = [
    "diag",
    "diagflat",
    "diagonal",
    "diagonal_view",
    "geomspace",
    "linspace",
    "logspace",
    "meshgrid",
    "trace",
    "tril",
    "triu",
    "vander",
]

# ---- diagonals: every (columns + 1)-th element of the matrix in one row ----


def _diagonal_steps(rows: int, columns: int, offset: int) -> tuple[int, int, int]:
    """(start, step, count) of a diagonal among the elements of a matrix."""
    count = min(rows, columns - offset) if offset >= 0 else min(rows + offset, columns)
    if count <= 0:
        return 0, 1, 0
    return (offset if offset >= 0 else -offset * columns), columns + 1, count


@implements(np.diagonal)
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The entries whose indices along two axes differ by `offset`, as a new last axis.

    >>> pyad.grad(lambda x: np.diagonal(x)[1])(np.ones((2, 2)))
    array([[0., 0.],
           [0., 1.]])
    """
    a = asarray(a)
    if a.ndim < 2:
        raise ValueError(f"diagonal: an array of at least two dimensions is needed, got shape {a.shape}")
    axis1, axis2 = one_axis("diagonal", axis1, a.ndim), one_axis("diagonal", axis2, a.ndim)
    if axis1 == axis2:
        raise ValueError(f"diagonal: axis1 and axis2 cannot be the same, both are {axis1}")
    if not is_traced(a):
        return np.diagonal(a, offset, axis1, axis2)
    return diagonal_view(a, index(offset), axis1, axis2, writable=False)


def diagonal_view(a: Array, offset: int, axis1: int, axis2: int, writable: bool) -> Array:
    """The diagonal of a traced array as a view; the axes are counted from the front."""
    rows, columns = a.shape[axis1], a.shape[axis2]
    count = _diagonal_steps(rows, columns, offset)[2]
    where = (axis1, axis2, max(-offset, 0), max(offset, 0), count, writable)
    return view_of(a, strided_view.diagonal(strided_view_of(a), where))


@implements(np.trace)
def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None) -> Any:
    """The sum along a diagonal.

    >>> pyad.grad(np.trace)(np.ones((2, 2)))
    array([[1., 0.],
           [0., 1.]])
    """
    entries = diagonal(a, offset, axis1, axis2)
    return reductions.sum(entries if dtype is None else astype(entries, dtype), -1)


@implements(np.diag)
def diag(v: Any, k: int = 0) -> Any:
    """The k-th diagonal of a matrix, or the matrix with a vector as its k-th diagonal.

    >>> pyad.grad(lambda x: np.diag(x)[1])(np.ones((2, 2)))
    array([[0., 0.],
           [0., 1.]])
    """
    v = asarray(v)
    if v.ndim == 2:
        return diagonal(v, k)
    if v.ndim != 1:
        raise ValueError(f"diag: the input must be 1- or 2-d, but has shape {v.shape}")
    n = len(v) + abs(k)
    steps = _diagonal_steps(n, n, index(k))
    return reshape(_unslice.record([v._h], (1, n * n, *steps)), (n, n))


@implements(np.diagflat)
def diagflat(v: Any, k: int = 0) -> Any:
    """The matrix with all elements, in C order, as its k-th diagonal.

    >>> pyad.grad(lambda x: np.diagflat(x)[1, 1])(np.ones(2))
    array([0., 1.])
    """
    return diag(ravel(asarray(v)), k)


@implements(np.tril)
def tril(m: Any, k: int = 0) -> Any:
    """The lower triangle of each matrix, zeros above the k-th diagonal.

    >>> pyad.grad(lambda x: np.sum(np.tril(x)))(np.ones((2, 2)))
    array([[1., 0.],
           [1., 1.]])
    """
    m = asarray(m)
    return comparison.where(np.tri(*m.shape[-2:], k=k, dtype=bool), m, 0.0)


@implements(np.triu)
def triu(m: Any, k: int = 0) -> Any:
    """The upper triangle of each matrix, zeros below the k-th diagonal.

    >>> pyad.grad(lambda x: np.sum(np.triu(x)))(np.ones((2, 2)))
    array([[1., 1.],
           [0., 1.]])
    """
    m = asarray(m)
    return comparison.where(np.tri(*m.shape[-2:], k=k - 1, dtype=bool), 0.0, m)


@implements(np.vander)
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """The powers of each element, as many as elements by default.

    >>> pyad.grad(lambda x: np.vander(x, 3)[0, 0])(np.array([3.0]))
    array([6.])
    """
    x = asarray(x)
    if x.ndim != 1:
        raise ValueError(f"vander: x must be a one-dimensional array, but has shape {x.shape}")
    count = len(x) if N is None else index(N)
    x = astype(x, np.promote_types(x.dtype, int))
    exponents = np.arange(count, dtype=x.dtype)
    return reshape(x, (-1, 1) if x.size else (0, 1)) ** (exponents if increasing else exponents[::-1])


# ---- grids and sequences ----


@implements(np.meshgrid)
def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Any:
    """Coordinate arrays of the grid that vectors span.

    >>> pyad.grad(lambda x: np.sum(np.meshgrid(x, np.ones(3))[0]))(np.ones(2))
    array([3., 3.])
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: valid values for `indexing` are 'xy' and 'ij', got {indexing!r}")
    arrays = [asarray(x) for x in xi]
    places = list(range(len(arrays)))
    if indexing == "xy" and len(arrays) > 1:
        places[:2] = [1, 0]
    lengths = [0] * len(arrays)
    for place, x in zip(places, arrays, strict=True):
        lengths[place] = x.size
    grids = []
    for place, x in zip(places, arrays, strict=True):
        grid = reshape(x, tuple(x.size if d == place else 1 for d in range(len(arrays))))
        grids.append(grid if sparse else broadcast_to(grid, tuple(lengths)))
    if copy:
        return tuple(grid.copy() for grid in grids)
    # As it is in NumPy.
    return grids if sparse else tuple(grids)


def _with_ends(y: Any, ends: dict[int, Any]) -> Any:
    """y with other entries at the given places along axis 0: the ends are exact."""
    for place, end in ends.items():
        mask = np.zeros(len(y), bool)
        mask[place] = True
        y = comparison.where(mask.reshape((-1,) + (1,) * (y.ndim - 1)), end, y)
    return y


def _checked_count(name: str, num: Any) -> int:
    num = index(num)
    if num < 0:
        raise ValueError(f"{name}: number of samples, {num}, must be non-negative.")
    return num


def _evenly(start: Any, stop: Any, num: int, endpoint: bool) -> tuple[Any, Any]:
    """Values from start to stop along axis 0, and their distance."""
    delta = stop - start
    intervals = num - 1 if endpoint else num
    steps = np.arange(num, dtype=delta.dtype).reshape((num,) + (1,) * delta.ndim)
    if intervals <= 0:
        return steps * delta + start, np.float64("nan")
    step = delta / intervals
    y = steps * step + start
    return (_with_ends(y, {-1: stop}) if endpoint and num > 1 else y), step


def _placed(y: Any, axis: int, dtype: Any) -> Any:
    if axis != 0:
        y = moveaxis(y, 0, axis)
    return y if dtype is None else astype(y, dtype)


def _ends(*ends: Any, least: Any = 0.0) -> list[Any]:
    """The ends as arrays of floats, in one dtype, which holds `least` too."""
    ends = tuple(asarray(x) if type(x) in (list, tuple) else x for x in ends)
    dtype = np.result_type(*map(dtype_of, ends), least)
    return [astype(asarray(x), dtype) for x in ends]


@implements(np.linspace)
def linspace(
    start: Any,
    stop: Any,
    num: Any = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
    *,
    device: Any = None,
) -> Any:
    """Evenly spaced numbers between two ends, either of which may be traced.

    >>> pyad.jacobian(lambda a: np.linspace(a, 4.0, 3))(0.0)
    array([1. , 0.5, 0. ])
    """
    num = _checked_count("linspace", num)
    if dtype is not None and np.dtype(dtype).kind in "bui":
        # Rounded down, so constant.
        return computed(lambda a, b: np.linspace(a, b, num, endpoint, retstep, dtype, axis), start, stop)
    start, stop = _ends(start, stop)
    y, step = _evenly(start, stop, num, endpoint)
    y = _placed(y, axis, dtype)
    return (y, step) if retstep else y


@implements(np.logspace)
def logspace(
    start: Any, stop: Any, num: Any = 50, endpoint: bool = True, base: Any = 10.0, dtype: Any = None, axis: int = 0
) -> Any:
    """Powers of the base, with exponents evenly spaced between two ends.

    >>> pyad.jacobian(lambda a: np.logspace(a, 0.0, 2))(0.0).round(6)
    array([2.302585, 0.      ])
    """
    num = _checked_count("logspace", num)
    if type(base) not in (int, float):
        base = asarray(base)
        if base.ndim:
            shape = np.broadcast_shapes(*(np.shape(x) for x in (start, stop, base)))
            start, stop, base = (broadcast_to(asarray(x), shape) for x in (start, stop, base))
    start, stop = _ends(start, stop)
    y, _ = _evenly(start, stop, num, endpoint)
    return _placed(power(base, y), axis, dtype)


@implements(np.geomspace)
def geomspace(start: Any, stop: Any, num: Any = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0) -> Any:
    """Numbers between two ends of one sign, each the same multiple of the one before.

    >>> pyad.jacobian(lambda a: np.geomspace(a, 4.0, 3))(1.0).round(6)
    array([1., 1., 0.])
    """
    num = _checked_count("geomspace", num)
    start, stop = _ends(start, stop, least=np.dtype(float if dtype is None else dtype))
    signs = [np.sign(detached(x)) for x in (start, stop)]
    if np.any(signs[0] == 0) or np.any(signs[1] == 0):
        raise ValueError("Geometric sequence cannot include zero")
    if start.dtype.kind == "c":
        # Turned so that it starts on the positive real axis, as in NumPy, which says by which of the ways it goes.
        turn = sign(start)
    elif np.any(signs[0] != signs[1]):
        raise ValueError("geomspace: both ends must have one sign for real numbers")
    else:
        turn = signs[0]
    logs, _ = _evenly(log(start / turn), log(stop / turn), num, endpoint)
    y = exp(logs) * turn
    if num:
        y = _with_ends(y, {0: start, -1: stop} if endpoint and num > 1 else {0: start})
    return _placed(y, axis, dtype)

"""Differences of neighbours: diff, gradient, and the trapezoidal rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pyad._ops._axes import normalize_axes
from pyad._ops._registry import implements
from pyad._ops.reductions import sum as total
from pyad._ops.shape import asarray, astype, broadcast_to, concatenate, ravel, reshape
from pyad._trace.array import is_traced
from pyad.errors import ShapeError

_NONE = np._NoValue  # type: ignore[attr-defined]


def _part(axis: int, start: int | None, stop: int | None) -> tuple[slice, ...]:
    """The index of a range along one axis."""
    return (slice(None),) * axis + (slice(start, stop),)


def _one_axis(name: str, axis: int, ndim: int) -> int:
    return normalize_axes(name, axis, ndim)[0]


@implements(np.diff)
def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = _NONE, append: Any = _NONE) -> Any:
    """The n-th differences along an axis, of the array with what is to be put before and behind it.

    >>> pyad.jacobian(np.diff)(np.ones(3))
    array([[-1.,  1.,  0.],
           [ 0., -1.,  1.]])
    """
    if n < 0:
        raise ValueError(f"diff: the order must not be negative, got {n}")
    a = asarray(a)
    if n == 0:
        return a
    if a.ndim == 0:
        raise ValueError("diff: the array must have at least one dimension")
    axis = _one_axis("diff", axis, a.ndim)
    parts = [a]
    edge = (*a.shape[:axis], 1, *a.shape[axis + 1 :])
    for given, place in ((prepend, 0), (append, len(parts) + 1)):
        if given is not _NONE and given is not None:
            given = asarray(given)
            parts.insert(place, broadcast_to(given, edge) if given.ndim == 0 else given)
    a = concatenate(parts, axis) if len(parts) > 1 else a
    for _ in range(min(n, a.shape[axis])):
        a = a[_part(axis, 1, None)] - a[_part(axis, None, -1)]
    return a


@implements(np.ediff1d)
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """The differences of neighbours of the flattened array, between what is to stand before and behind them.

    >>> pyad.jacobian(np.ediff1d)(np.ones(3))
    array([[-1.,  1.,  0.],
           [ 0., -1.,  1.]])
    """
    flat = ravel(asarray(ary))
    between = flat[1:] - flat[:-1]
    parts = [between]
    for given, place in ((to_begin, 0), (to_end, 2)):
        if given is not None:
            parts.insert(place, astype(ravel(asarray(given)), between.dtype))
    return concatenate(parts) if len(parts) > 1 else between


def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """The integral along an axis by the trapezoidal rule, over points x or points that are dx apart.

    >>> pyad.grad(np.trapezoid)(np.ones(3))
    array([0.5, 1. , 0.5])
    """
    y = asarray(y)
    axis = _one_axis("trapezoid", axis, y.ndim)
    step = dx
    if x is not None:
        x = asarray(x)
        if x.ndim == 1:
            step = reshape(x[1:] - x[:-1], (-1,) + (1,) * (y.ndim - 1 - axis)) if x.size > 1 else x[1:]
        else:
            step = diff(x, axis=axis)
    return total(step * (y[_part(axis, 1, None)] + y[_part(axis, None, -1)]) / 2.0, axis)


for _name in ("trapezoid", "trapz"):
    # The second is the first's old name, which later versions of NumPy have not.
    if _name in vars(np):
        implements(vars(np)[_name])(trapezoid)


# ---- gradient ----


def _spacings(f: Any, given: tuple[Any, ...], axes: tuple[int, ...]) -> list[Any]:
    """For each axis the step, a number, or the steps between its coordinates."""
    if not given:
        return [1.0] * len(axes)
    if len(given) == 1 and asarray(given[0]).ndim == 0:
        return [given[0]] * len(axes)
    if len(given) != len(axes):
        raise TypeError(f"gradient: {len(given)} spacings given for {len(axes)} axes")
    steps = []
    for one, axis in zip(given, axes, strict=True):
        one = asarray(one)
        if one.ndim == 0:
            steps.append(one)
            continue
        if one.ndim != 1:
            raise ValueError("gradient: distances must be numbers or one-dimensional arrays of coordinates")
        if one.shape[0] != f.shape[axis]:
            raise ShapeError(f"gradient: {one.shape[0]} coordinates for axis {axis} of shape {f.shape}")
        between = one[1:] - one[:-1]
        # As in NumPy, equal steps are one number, unless they are to be differentiated one by one.
        even = not is_traced(between) and between.size and np.all(between == between[0])
        steps.append(between[0] if even else between)
    return steps


def _even(f: Callable[[int, int | None], Any], h: Any, order: int) -> list[Any]:
    """First, inner and last derivatives for points that are h apart."""
    inner = (f(2, None) - f(0, -2)) / (2.0 * h)
    if order == 1:
        return [(f(1, 2) - f(0, 1)) / h, inner, (f(-1, None) - f(-2, -1)) / h]
    first = (-1.5 * f(0, 1) + 2.0 * f(1, 2) - 0.5 * f(2, 3)) / h
    last = (0.5 * f(-3, -2) - 2.0 * f(-2, -1) + 1.5 * f(-1, None)) / h
    return [first, inner, last]


def _uneven(f: Callable[[int, int | None], Any], h: Any, order: int, shaped: Callable[[Any], Any]) -> list[Any]:
    """The same for steps h: the parabola through three points, differentiated at each of them."""
    a, b = shaped(h[:-1]), shaped(h[1:])
    inner = f(0, -2) * (-b / (a * (a + b))) + f(1, -1) * ((b - a) / (a * b)) + f(2, None) * (a / (b * (a + b)))
    if order == 1:
        return [(f(1, 2) - f(0, 1)) / h[0], inner, (f(-1, None) - f(-2, -1)) / h[-1]]
    a, b = h[0], h[1]
    first = f(0, 1) * (-(2.0 * a + b) / (a * (a + b))) + f(1, 2) * ((a + b) / (a * b)) - f(2, 3) * (a / (b * (a + b)))
    a, b = h[-2], h[-1]
    last = f(-3, -2) * (b / (a * (a + b))) - f(-2, -1) * ((a + b) / (a * b))
    return [first, inner, last + f(-1, None) * ((2.0 * b + a) / (b * (a + b)))]


@implements(np.gradient)
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """The derivative of sampled values along each axis: central differences, one-sided ones at the edges.

    A tuple of arrays where there are several axes. Spacings are one number, or a number or an array of coordinates for
    each axis. Fornberg, Generation of finite difference formulas on arbitrarily spaced grids, 1988.

    >>> pyad.grad(lambda x: np.gradient(x)[1])(np.ones(3))
    array([-0.5,  0. ,  0.5])
    """
    f = asarray(f)
    if edge_order not in (1, 2):
        raise ValueError(f"gradient: edge_order must be 1 or 2, got {edge_order}")
    listed = range(f.ndim) if axis is None else [axis] if isinstance(axis, int | np.integer) else axis
    axes = tuple(_one_axis("gradient", one, f.ndim) for one in listed)
    steps = _spacings(f, varargs, axes)
    results = tuple(_along(f, one, h, edge_order) for one, h in zip(axes, steps, strict=True))
    return results[0] if len(axes) == 1 else results


def _along(f: Any, axis: int, h: Any, order: int) -> Any:
    if f.shape[axis] < order + 1:
        raise ValueError(
            f"gradient: edge_order {order} needs {order + 1} points, axis {axis} of shape {f.shape} has less"
        )

    def part(start: int, stop: int | None) -> Any:
        return f[_part(axis, start, stop)]

    def shaped(steps: Any) -> Any:
        return reshape(steps, (steps.shape[0],) + (1,) * (f.ndim - 1 - axis))

    if np.ndim(h) == 0:
        parts = _even(part, h, order)
    else:
        parts = _uneven(part, h, order, shaped)
    # NumPy's result has the dtype of f, whatever that of the coordinates.
    result = concatenate(parts, axis)
    return astype(result, f.dtype) if f.dtype.kind in "fc" else result

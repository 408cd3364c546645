"""Integrals of functions (quad) and of samples (trapezoid, simpson)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pyad import tree
from pyad._ops._registry import over
from pyad._ops.shape import asarray
from pyad._trace.array import is_traced, numpy_value
from pyad._trace.numpy_op import numpy_op
from pyad.errors import ShapeError
from pyad.scipy._namespace import describes, load, refuse
from pyad.scipy._user_function import Closed, guarded, packed, pull, push, split

_theirs = load("scipy.integrate")

# ---- of functions ----

# Leibniz' rule: d/dp of the integral of f from a to b is f(b) b' - f(a) a' plus the integral of df/dp, which is an
# integral again. f is a function f(x, *operands) of any shape.

_VECTOR_OPTIONS = ("epsabs", "epsrel", "limit", "points")


def _integral(
    f: Callable[..., Any], a: Any, b: Any, operands: list[Any], options: dict[str, Any], value: Any = None
) -> Any:
    if value is None:
        value = _computed(f, numpy_value(a), numpy_value(b), [numpy_value(x) for x in operands], options)
    moves = (is_traced(a), is_traced(b))
    return _quadrature(a, b, *operands, value=value, f=f, options=options, moves=moves)


def _computed(f: Callable[..., Any], a: Any, b: Any, operands: list[Any], options: dict[str, Any]) -> np.ndarray:
    shape = np.shape(f(_inside(a, b), *operands))
    if int(np.prod(shape)) == 1:
        value = _theirs.quad(lambda x: float(np.reshape(f(x, *operands), ())), a, b, **options)[0]
        return np.full(shape, value)
    allowed = {key: value for key, value in options.items() if key in _VECTOR_OPTIONS}
    return np.reshape(_theirs.quad_vec(lambda x: np.ravel(f(x, *operands)), a, b, norm="max", **allowed)[0], shape)


def _inside(a: float, b: float) -> float:
    """A point between the limits: at the limits themselves the function need not be finite."""
    if np.isfinite(a) and np.isfinite(b):
        return 0.5 * float(a) + 0.5 * float(b)
    return float(a) + 1.0 if np.isfinite(a) else float(b) - 1.0 if np.isfinite(b) else 0.0


def _at_limits(f: Callable[..., Any], a: Any, b: Any, operands: Any, moves: tuple[bool, bool]) -> list[Any]:
    """f at both ends; None where the end does not move or is infinite."""
    ends = zip((a, b), moves, strict=True)
    return [f(x, *operands) if moving and np.isfinite(numpy_value(x)) else None for x, moving in ends]


def _quadrature_vjp(s: Any, y: Any, a: Any, b: Any, *operands: Any, f: Any, options: Any, **p: Any) -> tuple[Any, ...]:
    def pulled(x: Any, s: Any, *inputs: Any) -> Any:
        return packed(pull(lambda *p: f(x, *p), inputs, s)[1])

    lower, upper = (None if end is None else np.sum(s * end) for end in _at_limits(f, a, b, operands, p["moves"]))
    parts = split(_integral(pulled, a, b, [s, *operands], options), operands) if operands else []
    return None if lower is None else -lower, upper, *parts


def _quadrature_jvp(tangents: list[Any], y: Any, a: Any, b: Any, *operands: Any, f: Any, options: Any, **p: Any) -> Any:
    da, db, *given = tangents
    lower, upper = _at_limits(f, a, b, operands, p["moves"])
    total = np.zeros(y.shape)
    if db is not None and upper is not None:
        total = total + db * upper
    if da is not None and lower is not None:
        total = total - da * lower
    dots = [dot for dot in given if dot is not None]
    if not dots:
        return total

    def along(x: Any, *inputs: Any) -> Any:
        moved = iter(inputs[len(operands) :])
        tangents = [None if dot is None else next(moved) for dot in given]
        return push(lambda *p: f(x, *p), inputs[: len(operands)], tangents)[1]

    return total + _integral(along, a, b, [*operands, *dots], options)


_quadrature = numpy_op("quad", lambda *operands, value, **_: value, _quadrature_vjp, _quadrature_jvp)


@describes(_theirs.quad)
def quad(
    func: Any,
    a: Any,
    b: Any,
    args: Any = (),
    full_output: Any = 0,
    epsabs: float = 1.49e-8,
    epsrel: float = 1.49e-8,
    limit: int = 50,
    points: Any = None,
    **options: Any,
) -> Any:
    """The integral of func(x, *args) from a to b, and an estimate of its error; see `scipy.integrate.quad`.

    Differentiable by a, b and the arrays in `args`, which may be containers, in both modes and to any order. The
    integral of several derivatives at once is taken by `scipy.integrate.quad_vec` with the same tolerances.

    Raises:
        ConcretizationError: func uses a traced value that is not among its arguments.
        ShapeError: func returns something that is no number.
        UnsupportedError: full_output, weight or complex_func with traced values.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.integrate import quad
    >>> pyad.grad(lambda k: quad(lambda x, k: np.exp(-k * x), 0.0, np.inf, (k,))[0])(2.0).round(6)
    np.float64(-0.25)
    """
    options.update(epsabs=epsabs, epsrel=epsrel, limit=limit, points=points)
    if not tree.any_traced(a, b, args):
        return _theirs.quad(guarded("quad", func), a, b, args, full_output, **options)
    for name, given in (("full_output", full_output), *((k, options.get(k)) for k in ("weight", "complex_func"))):
        if given:
            raise refuse("quad", name, "write it into func" if name == "weight" else "leave it out")
    f = Closed("quad", func, args)
    a, b = asarray(a), asarray(b)
    if a.ndim or b.ndim:
        raise ShapeError(f"quad: the limits have shapes {a.shape} and {b.shape}, expected numbers")
    values = f.plain_operands()

    def integrand(x: float) -> float:
        out = f(x, *values)
        if out.size != 1:
            raise ShapeError(f"quad: the function returned shape {out.shape}, expected a number")
        return float(np.reshape(out, ()))

    value, error, *_ = _theirs.quad(integrand, numpy_value(a), numpy_value(b), **options)
    # An integrand of shape (1,) has a number as its integral.
    scalar = lambda x, *operands: np.reshape(f(x, *operands), ())  # noqa: E731
    return _integral(scalar, a, b, f.operands, options, np.asarray(value)), error


# ---- of samples ----


def _steps(name: str, y: Any, x: Any, dx: Any, axis: int) -> tuple[Any, Any]:
    """y with the axis last, and the distances between the samples, which broadcast with all but the last of them."""
    y = asarray(y)
    if y.ndim == 0:
        raise ShapeError(f"{name}: y is 0-d, expected at least one axis")
    y = np.moveaxis(y, axis, -1)
    if x is None:
        # A Python number is weak: it leaves float32 what it is.
        h = np.asarray(dx, y.dtype) if isinstance(dx, int | float) else asarray(dx)
        return y, np.broadcast_to(h, (max(y.shape[-1] - 1, 0),)) if h.ndim == 0 else h
    x = asarray(x)
    x = x if x.ndim == 1 else np.moveaxis(x, axis, -1)
    if x.shape[-1] != y.shape[-1]:
        raise ShapeError(f"{name}: x has {x.shape[-1]} samples along the axis and y {y.shape[-1]}")
    return y, x[..., 1:] - x[..., :-1]


@over(_theirs.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """The integral of samples by the trapezoidal rule, differentiable in the samples and their places.

    Raises:
        ShapeError: x does not fit y.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.integrate import trapezoid
    >>> pyad.grad(trapezoid)(np.ones(3))
    array([0.5, 1. , 0.5])
    """
    y, h = _steps("trapezoid", y, x, dx, axis)
    return np.sum(0.5 * h * (y[..., 1:] + y[..., :-1]), axis=-1)


@over(_theirs.cumulative_trapezoid)
def cumulative_trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1, initial: Any = None) -> Any:
    """The running integral of samples by the trapezoidal rule, differentiable in the samples and their places.

    Raises:
        ShapeError: x does not fit y.
        ValueError: `initial` is neither None nor 0.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.integrate import cumulative_trapezoid
    >>> pyad.grad(lambda y: cumulative_trapezoid(y)[0])(np.ones(3))
    array([0.5, 0.5, 0. ])
    """
    y, h = _steps("cumulative_trapezoid", y, x, dx, axis)
    if initial not in (None, 0):
        raise ValueError(f"cumulative_trapezoid: initial must be None or 0, got {initial!r}")
    total = np.cumsum(0.5 * h * (y[..., 1:] + y[..., :-1]), axis=-1)
    if initial is not None:
        total = np.concatenate([np.zeros((*total.shape[:-1], 1), total.dtype), total], -1)
    return np.moveaxis(total, -1, axis)


@over(_theirs.simpson)
def simpson(y: Any, x: Any = None, *, dx: Any = 1.0, axis: int = -1) -> Any:
    """The integral of samples by Simpson's rule for any distances, differentiable in the samples and their places.

    For an even number of samples, the last interval is integrated by the parabola through the last three (K. V.
    Cartwright, "Simpson's rule cumulative integration with MS Excel and irregularly-spaced data", 2017).

    Raises:
        ShapeError: x does not fit y.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.integrate import simpson
    >>> (3 * pyad.grad(simpson)(np.ones(5))).round(12)
    array([1., 4., 2., 4., 1.])
    """
    y, h = _steps("simpson", y, x, dx, axis)
    n = y.shape[-1]
    if n < 3:
        return np.sum(0.5 * h * (y[..., 1:] + y[..., :-1]), axis=-1)
    odd = n if n % 2 else n - 1
    h0, h1 = h[..., 0 : odd - 2 : 2], h[..., 1 : odd - 1 : 2]
    both, ratio = h0 + h1, h0 / h1
    parts = (
        y[..., 0 : odd - 2 : 2] * (2.0 - 1.0 / ratio)
        + y[..., 1 : odd - 1 : 2] * (both * both / (h0 * h1))
        + y[..., 2:odd:2] * (2.0 - ratio)
    )
    total = np.sum(both / 6.0 * parts, axis=-1)
    if odd == n:
        return total
    h0, h1 = h[..., -2], h[..., -1]
    last = y[..., -1] * (2.0 * h1 * h1 + 3.0 * h0 * h1) / (6.0 * (h0 + h1))
    middle = y[..., -2] * (h1 * h1 + 3.0 * h0 * h1) / (6.0 * h0)
    return total + last + middle - y[..., -3] * h1 * h1 * h1 / (6.0 * h0 * (h0 + h1))

"""Products, spread, averages and covariances."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pyad._ops import reductions
from pyad._ops._axes import Axis, normalize_axes
from pyad._ops._registry import implements, named
from pyad._ops.arithmetic import conjugate, sqrt
from pyad._ops.complex_parts import imag, real, squared_magnitude
from pyad._ops.extrema import clip
from pyad._ops.linalg.matmul import matmul
from pyad._ops.reductions import count_of, masked, prepared
from pyad._ops.scans import _cumprod
from pyad._ops.shape import asarray, astype, broadcast_to, concatenate, reshape, swapaxes, transpose
from pyad._trace.array import is_traced
from pyad._trace.recorded_call import computed, detached
from pyad.errors import ShapeError

_NONE = np._NoValue  # type: ignore[attr-defined]

# ---- products ----


@implements(np.prod)
def prod(
    a: Any,
    axis: Axis = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = True,
) -> Any:
    """Product over the axes (all by default). Derivatives divide by nothing, so zeros are no exception.

    >>> pyad.grad(np.prod)(np.array([0.0, 2.0, 3.0]))
    array([6., 0., 0.])
    """
    a = prepared("prod", a, dtype, out)
    if is_traced(a):
        total = _product(masked("prod", a, where, 1.0), axis, keepdims)
    else:
        total = np.prod(a, axis, dtype, keepdims=keepdims, where=detached(where))
    return total if initial is None else total * initial


def _product(a: Any, axis: Axis, keepdims: bool) -> Any:
    """The last entry of the running product, whose derivatives are right at zeros."""
    shape = a.shape
    merged, one, axes, _ = reductions._single_axis("prod", a, axis)
    n = merged.shape[one]
    if n == 0:
        # The sum of nothing, of the right shape.
        product = reductions.sum(a, axes) + 1.0
    else:
        product = _cumprod.record([merged._h], (one, 0))[(slice(None),) * one + (n - 1,)]
    return reshape(product, tuple(1 if d in axes else m for d, m in enumerate(shape))) if keepdims else product


# ---- spread ----


def _divisor(count: Any, ddof: float) -> Any:
    if isinstance(count, np.ndarray) or is_traced(count):
        return np.maximum(count - ddof, 0).astype(count.dtype)
    return max(count - ddof, 0)


def _freedom(name: str, ddof: float, correction: Any) -> float:
    if correction is _NONE or correction is None:
        return ddof
    if ddof != 0:
        raise ValueError(f"{name}: ddof and correction are the same, give one of them")
    return correction


def variance(a: Any, axis: Axis, dtype: Any, out: Any, ddof: float, keepdims: bool, where: Any, mean: Any) -> Any:
    a = prepared("var", a, dtype, out)
    if not is_traced(a) and not is_traced(mean):
        given = {} if mean is None else {"mean": mean}
        return np.var(a, axis, ddof=ddof, keepdims=keepdims, where=detached(where), **given)
    # What is masked is taken out first: a NaN there would come back in the derivative, as zero times NaN.
    a = masked("var", a, where, 0.0)
    centred = a - (reductions.mean(a, axis, keepdims=True, where=where) if mean is None else mean)
    squares = squared_magnitude(centred) if centred.dtype.kind == "c" else centred * centred
    total = reductions.sum(squares, axis, keepdims=keepdims, where=where)
    return total / _divisor(count_of("var", a, axis, keepdims, where), ddof)


def spread_function(theirs: Callable[..., Any], spread: Callable[..., Any], doc: str) -> Callable[..., Any]:
    """A variance, or a standard deviation, which is its root."""
    name = theirs.__name__
    rooted = name.endswith("std")

    def function(
        a: Any,
        axis: Axis = None,
        dtype: Any = None,
        out: Any = None,
        ddof: float = 0,
        keepdims: bool = False,
        *,
        where: Any = True,
        mean: Any = None,
        correction: Any = None,
    ) -> Any:
        result = spread(a, axis, dtype, out, _freedom(name, ddof, correction), keepdims, where, mean)
        return sqrt(result) if rooted else result

    return implements(theirs)(named(function, name, doc))


var = spread_function(
    np.var,
    variance,
    (
        "Variance over the axes, with divisor count - ddof; `mean`, of the shape that keepdims gives, saves making it."
        "\n\n>>> pyad.grad(np.var)(np.array([1.0, 3.0]))\narray([-1.,  1.])"
    ),
)
std = spread_function(
    np.std,
    variance,
    (
        "Standard deviation over the axes, the root of `var`."
        "\n\n>>> pyad.grad(np.std)(np.array([1.0, 3.0]))\narray([-0.5,  0.5])"
    ),
)


@implements(np.ptp)
def ptp(a: Any, axis: Axis = None, out: Any = None, keepdims: bool = False) -> Any:
    """The largest less the smallest element over the axes.

    >>> pyad.grad(np.ptp)(np.array([3.0, 1.0, 2.0]))
    array([ 1., -1.,  0.])
    """
    a = prepared("ptp", a, None, out)
    return reductions.max(a, axis, keepdims=keepdims) - reductions.min(a, axis, keepdims=keepdims)


# ---- averages ----


def _aligned_weights(a: Any, weights: Any, axis: Axis) -> Any:
    """Weights for some axes in the shape of the array they weigh."""
    if axis is None:
        raise TypeError(
            f"average: an axis must be given where the shapes differ, {a.shape} of the array and {weights.shape} of "
            "the weights"
        )
    given = (axis,) if isinstance(axis, int | np.integer) else tuple(axis)
    normalize_axes("average", given, a.ndim)
    axes = [int(d) % a.ndim for d in given]
    wanted = tuple(a.shape[d] for d in axes)
    if weights.shape != wanted:
        raise ShapeError(f"average: weights of shape {weights.shape} for axes {axis} of shape {a.shape}; give {wanted}")
    turned = transpose(weights, tuple(int(k) for k in np.argsort(axes)))
    return reshape(turned, tuple(n if d in axes else 1 for d, n in enumerate(a.shape)))


@implements(np.average)
def average(a: Any, axis: Axis = None, weights: Any = None, returned: bool = False, *, keepdims: bool = False) -> Any:
    """The weighted mean over the axes; with `returned`, (mean, sum of the weights).

    >>> pyad.grad(lambda x: np.average(x, weights=[3, 1]))(np.ones(2))
    array([0.75, 0.25])
    """
    a = asarray(a)
    if weights is None:
        mean = reductions.mean(a, axis, keepdims=keepdims)
        scale = np.asarray(count_of("average", a, axis, keepdims, True), mean.dtype)
    else:
        weights = asarray(weights)
        if weights.shape != a.shape:
            weights = _aligned_weights(a, weights, axis)
        dtype = np.result_type(a.dtype, weights.dtype)
        scale = astype(reductions.sum(weights * np.ones(a.shape, bool), axis, keepdims=keepdims), dtype)
        if computed(lambda scale: bool(np.any(np.equal(scale, 0))), scale):
            raise ZeroDivisionError("average: the weights sum to zero")
        mean = reductions.sum(a * weights, axis, keepdims=keepdims) / scale
    if not returned:
        return mean
    return mean, scale if scale.shape == mean.shape else broadcast_to(scale, mean.shape)


def _observations(name: str, m: Any, rowvar: bool, dtype: Any) -> Any:
    m = asarray(m)
    if m.ndim > 2:
        raise ValueError(f"{name}: expected at most 2 dimensions, got {m.ndim}")
    m = reshape(m, (1, -1)) if m.ndim < 2 else m if rowvar else swapaxes(m, 0, 1)
    return astype(m, dtype)


def _weights_of(fweights: Any, aweights: Any, count: int) -> Any:
    """The product of the two kinds of weights of observations, or None."""
    w = None
    for name, given in (("fweights", fweights), ("aweights", aweights)):
        if given is None:
            continue
        given = asarray(given)
        if given.ndim != 1 or given.shape[0] != count:
            raise ShapeError(f"cov: {name} of shape {given.shape}, expected ({count},)")
        if computed(lambda value: bool(np.any(value < 0)), given):
            raise ValueError(f"cov: {name} must not be negative")
        if name == "fweights" and not computed(lambda value: bool(np.all(value == np.around(value))), given):
            raise TypeError("cov: fweights must be integers")
        w = given if w is None else w * given
    return w


@implements(np.cov)
def cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: Any = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Any:
    """The covariance matrix of variables that are the rows (or, without `rowvar`, the columns) of m and y.

    >>> pyad.grad(np.cov)(np.array([1.0, 3.0]))
    array([-2.,  2.])
    """
    if ddof is not None and ddof != int(ddof):
        raise ValueError("cov: ddof must be an integer")
    if dtype is None:
        dtype = np.result_type(*(x.dtype for x in map(asarray, (m, m if y is None else y))), float)
    x = _observations("cov", m, rowvar, dtype)
    if y is not None:
        x = concatenate([x, _observations("cov", y, rowvar, dtype)], 0)
    ddof = (0 if bias else 1) if ddof is None else ddof
    w = _weights_of(fweights, aweights, x.shape[1])
    total = x.shape[1] if w is None else reductions.sum(w)
    centred = x - average(x, 1, w, keepdims=True)
    freedom = total - ddof
    if aweights is not None and ddof != 0:
        freedom = total - ddof * reductions.sum(w * asarray(aweights)) / total
    if detached(freedom) <= 0:
        freedom = 0.0
    product = matmul(centred, conjugate(swapaxes(centred if w is None else centred * w, 0, 1)))
    scaled = product / freedom
    return reshape(scaled, tuple(n for n in scaled.shape if n != 1))


@implements(np.corrcoef)
def corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    """The matrix of correlation coefficients, the covariances scaled by the standard deviations.

    >>> pyad.grad(lambda x: np.corrcoef(x, [0.0, 1.0, 0.0])[0, 1])(np.array([1.0, 2.0, 3.0])).round(6)
    array([-0.288675,  0.57735 , -0.288675])
    """
    c = cov(x, y, rowvar, dtype=dtype)
    if c.ndim == 0:
        return c / c
    n = np.arange(c.shape[0])
    deviation = sqrt(real(c[n, n]))
    scaled = c / deviation[:, None] / deviation[None, :]
    if scaled.dtype.kind != "c":
        return clip(scaled, -1.0, 1.0)
    return clip(real(scaled), -1.0, 1.0) + 1j * clip(imag(scaled), -1.0, 1.0)

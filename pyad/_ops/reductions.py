"""Reductions and the softmax family. Parameters are (axes as bits, keepdims), or one axis where the kernel has one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyad._ops._axes import Axis, axes_of_bits, bits_of_axes, kept_shape, normalize_axes, reduced_axes
from pyad._ops._calls import evaluated
from pyad._ops._nested import plain
from pyad._ops._registry import implements, named, refuse_out
from pyad._ops.comparison import _compare, _eq, _select
from pyad._ops.comparison import where as select
from pyad._ops.explog_trig import exp
from pyad._ops.extrema import maximum, minimum
from pyad._ops.shape import asarray, astype, broadcast_to, moveaxis, reshape
from pyad._trace.array import Array, is_traced
from pyad._trace.op import Op, general, linear
from pyad._trace.recorded_call import computed, detached
from pyad._trace.traced_integer import TracedInteger
from pyad.errors import ShapeError

__all__ = ["amax", "amin", "log_softmax", "logsumexp", "max", "mean", "min", "softmax", "sum"]


def _expand(s: Any, x: Any, params: tuple[int, ...]) -> Any:
    """A result's cotangent with the reduced axes back, of length 1."""
    return reshape(s, kept_shape(x.shape, params[0]))


# ---- records ----

_sum = linear(
    "sum",
    lambda x, bits, keepdims: np.sum(x, axis=axes_of_bits(bits, np.ndim(x)), keepdims=bool(keepdims)),
    lambda s, y, x, p: (broadcast_to(_expand(s, x, p), x.shape),),
)


def _extremum_weights(y: Any, x: Any, p: tuple[int, ...]) -> Any:
    """1 / number of ties where x is the extremum, else 0."""
    hit = _select(_compare(_eq, x, _expand(y, x, p)), 1.0 + 0.0 * _finite_zero(x), 0.0)
    return hit / _sum(hit, params=(p[0], 1))


def _finite_zero(x: Any) -> Any:
    """Zeros like x, also where x is infinite; NaN where it is NaN."""
    return _select(_compare(_eq, x, x), 0.0, x)


def _extremum_vjp(s: Any, y: Any, x: Any, p: tuple[int, ...]) -> tuple[Any]:
    return (_expand(s, x, p) * _extremum_weights(y, x, p),)


def _extremum_jvp(t: Any, y: Any, x: Any, p: tuple[int, ...]) -> Any:
    return _sum(t * _extremum_weights(y, x, p), params=p)


_max = general(
    "max",
    lambda x, bits, keepdims: np.max(x, axis=axes_of_bits(bits, np.ndim(x)), keepdims=bool(keepdims)),
    _extremum_vjp,
    (_extremum_jvp,),
)
_min = general(
    "min",
    lambda x, bits, keepdims: np.min(x, axis=axes_of_bits(bits, np.ndim(x)), keepdims=bool(keepdims)),
    _extremum_vjp,
    (_extremum_jvp,),
)


def _reference_logsumexp(x: Any, axis: int, keepdims: bool) -> Any:
    shift = np.max(x, axis=axis, keepdims=True)
    shift = np.where(np.isfinite(shift), shift, 0)
    with np.errstate(divide="ignore"):
        out = np.log(np.sum(np.exp(x - shift), axis=axis, keepdims=True)) + shift
    return (out if keepdims else np.squeeze(out, axis)).astype(x.dtype)[()]


def _shifted(x: Any, axis: int) -> Any:
    shift = np.max(x, axis=axis, keepdims=True, initial=-np.inf)
    return x - np.where(np.isfinite(shift), shift, x.dtype.type(0))


def _reference_log_softmax(x: Any, axis: int) -> Any:
    shifted = _shifted(x, axis)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


def _reference_softmax(x: Any, axis: int) -> Any:
    e = np.exp(_shifted(x, axis))
    return e / np.sum(e, axis=axis, keepdims=True)


def _one_axis(params: tuple[int, ...]) -> tuple[int, int]:
    return 1 << params[0], params[1]


# The weights are softmax(x) and not exp(x - y): y is rounded, which for large x the exponential would magnify.
def _logsumexp_vjp(s: Any, y: Any, x: Any, p: tuple[int, ...]) -> tuple[Any]:
    return (_expand(s, x, _one_axis(p)) * _softmax(x, params=(p[0],)),)


def _logsumexp_jvp(t: Any, y: Any, x: Any, p: tuple[int, ...]) -> Any:
    return _sum(t * _softmax(x, params=(p[0],)), params=_one_axis(p))


_logsumexp = general("logsumexp", _reference_logsumexp, _logsumexp_vjp, (_logsumexp_jvp,))


# The Jacobians diag(y) - y y' (symmetric) and I - 1 y': Bridle, Probabilistic interpretation of feedforward
# classification network outputs, 1990.
def _softmax_map(s: Any, y: Any, x: Any, p: tuple[int, ...]) -> Any:
    return y * (s - _sum(s * y, params=(1 << p[0], 1)))


def _log_softmax_vjp(s: Any, y: Any, x: Any, p: tuple[int, ...]) -> tuple[Any]:
    return (s - exp(y) * _sum(s, params=(1 << p[0], 1)),)


def _log_softmax_jvp(t: Any, y: Any, x: Any, p: tuple[int, ...]) -> Any:
    return t - _sum(t * exp(y), params=(1 << p[0], 1))


_softmax = general("softmax", _reference_softmax, lambda s, y, x, p: (_softmax_map(s, y, x, p),), (_softmax_map,))
_log_softmax = general("log_softmax", _reference_log_softmax, _log_softmax_vjp, (_log_softmax_jvp,))


# ---- functions ----


def _reduce(op: Any, x: Array, axis: Axis, keepdims: bool) -> Any:
    ndim = x.ndim
    bits = (1 << ndim) - 1 if axis is None else bits_of_axes(reduced_axes(op.name, axis, ndim))
    return op.record([x._h], (bits, 1 if keepdims else 0))


def prepared(name: str, a: Any, dtype: Any, out: Any) -> Any:
    """The operand of a reduction as an array of the dtype it is to be computed in. Plain where that is no float."""
    refuse_out(f"numpy.{name}", out)
    a = asarray(a)
    return a if dtype is None else astype(a, dtype)


def booleans(mask: Any) -> Any:
    """A mask, or numbers that stand for one, as an array of booleans."""
    if type(mask) is TracedInteger and mask.dtype == np.bool_:
        return mask
    return computed(_booleans, mask) if is_traced(mask) or type(mask) is TracedInteger else _booleans(mask)


def _booleans(x: Any) -> np.ndarray:
    return np.asarray(x, bool)


def mask_for(name: str, a: Any, where: Any) -> Any:
    """A reduction's `where` as a plain boolean array of the operand's shape."""
    mask = booleans(where)
    if mask.shape == a.shape:
        return mask
    try:
        return np.broadcast_to(mask, a.shape)
    except ValueError:
        raise ShapeError(f"{name}: where= of shape {mask.shape} does not broadcast to shape {a.shape}") from None


def masked(name: str, a: Any, where: Any, fill: float) -> Any:
    """a with `fill` where the mask is false, so that nothing of these elements is left, in derivatives neither."""
    return a if where is True else select(mask_for(name, a, where), a, fill)


@implements(np.sum)
def sum(
    a: Any,
    axis: Axis = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = True,
) -> Any:
    """Sum over the axes (all by default); pairwise, so the error grows slowly.

    >>> pyad.grad(lambda x: np.sum(x * x))(np.array([1.0, 2.0]))
    array([2., 4.])
    """
    if is_traced(a) and dtype is None and out is None and initial is None and where is True:
        return _reduce(_sum, a, axis, keepdims)
    a = prepared("sum", a, dtype, out)
    if is_traced(a):
        total = _reduce(_sum, masked("sum", a, where, 0.0), axis, keepdims)
    else:
        total = np.sum(a, axis, keepdims=keepdims, where=detached(where))
    return total if initial is None else total + initial


@implements(np.mean)
def mean(
    a: Any, axis: Axis = None, dtype: Any = None, out: Any = None, keepdims: bool = False, *, where: Any = True
) -> Any:
    """Arithmetic mean over the axes; NaN over nothing, as in NumPy.

    >>> pyad.grad(np.mean)(np.ones(4))
    array([0.25, 0.25, 0.25, 0.25])
    """
    if not is_traced(a) or dtype is not None or out is not None or where is not True:
        a = prepared("mean", a, dtype, out)
        if not is_traced(a):
            return np.mean(a, axis, keepdims=keepdims, where=detached(where))
    count = count_of("mean", a, axis, keepdims, where)
    total = _reduce(_sum, masked("mean", a, where, 0.0), axis, keepdims)
    if isinstance(count, np.ndarray) or (is_traced(count) and count.ndim):
        return total / count
    return total * (1.0 / count) if is_traced(count) or count else total * float("nan")


def count_of(name: str, a: Any, axis: Axis, keepdims: bool, where: Any) -> Any:
    """How many elements are reduced to one: a number, or an array of the operand's dtype (that of the parts of complex
    numbers) where a mask is given."""
    if where is not True:
        dtype = np.finfo(a.dtype).dtype if a.dtype.kind == "c" else a.dtype
        return np.sum(mask_for(name, a, where), axis, dtype, keepdims=bool(keepdims))
    if axis is None:
        return a.size
    shape = a.shape
    count = 1
    for one in reduced_axes(name, axis, len(shape)):
        count *= shape[one]
    return count


def _extremum(op: Any, ufunc: Any, either: Any, a: Any, rest: tuple[Any, ...]) -> Any:
    """max or min with all arguments."""
    axis, out, keepdims, initial, where = rest
    name = op.name
    a = prepared(name, a, None, out)
    if initial is None and where is not True:
        raise ValueError(f"{name}: nothing has no {name}, so with where= an initial= must be given")
    if not is_traced(a):
        result = ufunc.reduce(a, axis, keepdims=keepdims, initial=detached(initial), where=detached(where))
        return either(result, initial) if is_traced(initial) else result
    if initial is None:
        return _reduce(op, a, axis, keepdims)
    if count_of(name, a, axis, keepdims, True) == 0:
        return _reduce(_sum, a, axis, keepdims) + initial
    a = masked(name, a, where, -np.inf if op is _max else np.inf)
    return either(_reduce(op, a, axis, keepdims), initial)


def _extremum_function(theirs: tuple[Any, Any], op: Op, ufunc: np.ufunc, either: Any, doc: str) -> Any:
    """max or min, for both of NumPy's names."""

    def function(
        a: Any, axis: Axis = None, out: Any = None, keepdims: bool = False, initial: Any = None, where: Any = True
    ) -> Any:
        if type(a) is Array and out is None and initial is None and where is True:
            return _reduce(op, a, axis, keepdims)
        return _extremum(op, ufunc, either, a, (axis, out, keepdims, initial, where))

    return implements(*theirs)(named(function, op.name, doc))


max = _extremum_function(
    (np.max, np.amax),
    _max,
    np.maximum,
    maximum,
    (
        "The largest element over the axes; ties share the derivative equally, NaN wins."
        "\n\n>>> pyad.grad(np.max)(np.array([1.0, 3.0, 3.0]))\narray([0. , 0.5, 0.5])"
    ),
)
min = _extremum_function(
    (np.min, np.amin),
    _min,
    np.minimum,
    minimum,
    (
        "The smallest element over the axes; ties share the derivative equally, NaN wins."
        "\n\n>>> pyad.grad(np.min)(np.array([1.0, 3.0, 3.0]))\narray([1., 0., 0.])"
    ),
)


amax, amin = max, min


def _float_array(x: Any) -> np.ndarray:
    x = np.asarray(x)
    return x if x.dtype.kind == "f" else x.astype(float)


def _single_axis(name: str, x: Any, axis: Axis) -> tuple[Any, int, tuple[int, ...], tuple[int, ...]]:
    """x with the axes moved last and merged into one: (array, its axis, the axes, the shape before the merge)."""
    axes = reduced_axes(name, axis, x.ndim)
    if len(axes) == 1:
        return x, axes[0], axes, x.shape
    rest = tuple(d for d in range(x.ndim) if d not in axes)
    moved = moveaxis(x, rest, tuple(range(len(rest))))
    shape = moved.shape
    return reshape(moved, (*shape[: len(rest)], math.prod(shape[len(rest) :]))), len(rest), axes, shape


def logsumexp(x: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """log(sum(exp(x))) over the axes, without overflow; -inf over nothing, as in SciPy.

    Shifted by the maximum: Blanchard, Higham and Higham, Accurately computing the log-sum-exp and softmax functions,
    2021.

    >>> import numpy as np
    >>> logsumexp(np.array([1000.0, 1000.0])) == 1000.0 + np.log(2.0)
    np.True_
    """
    x = plain("logsumexp", x)
    if not is_traced(x):
        x = _float_array(x)
        axes = normalize_axes("logsumexp", axis, x.ndim)
        merged, one, _, _ = _single_axis("logsumexp", x, axis) if x.ndim else (x.reshape(1), 0, axes, ())
        if merged.shape[one] == 0:
            return _nothing(x, axes, keepdims)
        out = evaluated(_logsumexp, (merged,), (one, 0))
        return np.reshape(out, kept_shape(x.shape, bits_of_axes(axes))) if keepdims else out
    shape = x.shape
    if not shape:
        return x
    merged, one, axes, _ = _single_axis("logsumexp", x, axis)
    if merged.shape[one] == 0:
        return _nothing(x, axes, keepdims)
    out = _logsumexp.record([merged._h], (one, 0))
    return reshape(out, kept_shape(shape, bits_of_axes(axes))) if keepdims else out


def _nothing(x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    """The logsumexp over axes without entries: the logarithm of an empty sum."""
    kept = kept_shape(x.shape, bits_of_axes(axes))
    shape = kept if keepdims else tuple(n for d, n in enumerate(kept) if d not in axes)
    return np.full(shape, -np.inf, x.dtype)[()]


def _softmax_like(name: str, op: Any, x: Any, axis: Axis) -> Any:
    x = plain(name, x)
    if not is_traced(x):
        x = _float_array(x)
    if x.ndim == 0:
        return x * 0.0 + (1.0 if op is _softmax else 0.0)
    merged, one, axes, before = _single_axis(name, x, axis)
    out = op.record([merged._h], (one,)) if is_traced(merged) else evaluated(op, (merged,), (one,))
    if len(axes) == 1:
        return out
    rest = tuple(d for d in range(len(before)) if d not in axes)
    return moveaxis(reshape(out, before), tuple(range(len(rest))), rest)


def softmax(x: Any, axis: Axis = -1) -> Any:
    """exp(x) / sum(exp(x)) along the axis, without overflow."""
    return _softmax_like("softmax", _softmax, x, axis)


def log_softmax(x: Any, axis: Axis = -1) -> Any:
    """log(softmax(x)) along the axis, accurate also where the softmax underflows."""
    return _softmax_like("log_softmax", _log_softmax, x, axis)

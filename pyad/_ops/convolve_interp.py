"""Functions of sampled signals: convolution, correlation, linear interpolation, phases."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyad._ops import comparison
from pyad._ops._registry import implements
from pyad._ops.rearrange import gather
from pyad._ops.shape import asarray, astype, concatenate, reshape
from pyad._trace.array import is_traced
from pyad._trace.numpy_op import numpy_op_linear
from pyad._trace.promotion import common_dtype
from pyad._trace.recorded_call import computed, detached, may_hold
from pyad.errors import DTypeError

__all__ = ["convolve", "correlate", "interp", "unwrap"]

# ---- convolution: two sums, of which each is the transpose of the other; a plain signal is no operand, so that its
# derivative, which nobody asks for, is not computed ----


def _sliding(a: Any, v: Any) -> Any:
    """sum_j a[k + j] v[j] for every k where v lies within a."""
    if is_traced(a):
        return _sliding_op(a, v) if is_traced(v) else _sliding_by_plain(a, v=v)
    return _plain_under_sliding(v, a=a) if is_traced(v) else np.convolve(a, v[::-1], "valid")


def _full(a: Any, v: Any) -> Any:
    """sum_j a[k - j] v[j] for every k where the two overlap."""
    if is_traced(a):
        return _full_op(a, v) if is_traced(v) else _full_by_plain(a, v=v)
    return _full_by_plain(v, v=a) if is_traced(v) else np.convolve(a, v)


_sliding_op = numpy_op_linear("sliding product", _sliding, lambda s, a, v: (_full(s, v), _sliding(a, s)))
_sliding_by_plain = numpy_op_linear("sliding product by an array", _sliding, lambda s, a, v: (_full(s, v),))
_plain_under_sliding = numpy_op_linear(
    "sliding product of an array", lambda v, a: _sliding(a, v), lambda s, v, a: (_sliding(a, s),)
)
_full_op = numpy_op_linear("convolution", _full, lambda s, a, v: (_sliding(s, v), _sliding(s, a)))
_full_by_plain = numpy_op_linear("convolution with an array", _full, lambda s, a, v: (_sliding(s, v),))


def _signals(name: str, a: Any, v: Any) -> tuple[Any, Any]:
    signals = []
    for which, x in (("a", asarray(a)), ("v", asarray(v))):
        if x.ndim > 1 or (x.ndim == 0 and name == "correlate"):
            raise ValueError(f"{name}: {which} must be one-dimensional, but has shape {x.shape}")
        if x.size == 0:
            raise ValueError(f"{name}: {which} cannot be empty")
        signals.append(reshape(x, (x.size,)))
    dtype = common_dtype(name, tuple(signals))
    return astype(signals[0], dtype), astype(signals[1], dtype)


def _mode(name: str, mode: Any) -> str:
    modes = {"valid": "valid", "same": "same", "full": "full", 0: "valid", 1: "same", 2: "full"}
    if mode not in modes:
        raise ValueError(f"{name}: mode must be 'valid', 'same' or 'full', got {mode!r}")
    return modes[mode]


def _correlation(long: Any, short: Any, mode: str) -> Any:
    """The correlation of a signal with one that is not longer."""
    if mode == "valid":
        return _sliding(long, short)
    full = _full(long, short[::-1])
    start = (len(short) - 1) // 2
    return full if mode == "full" else full[start : start + len(long)]


@implements(np.convolve)
def convolve(a: Any, v: Any, mode: Any = "full") -> Any:
    """The convolution of two signals.

    >>> pyad.grad(lambda x: np.convolve(x, np.array([1.0, 2.0]))[1])(np.ones(2))
    array([2., 1.])
    """
    a, v = _signals("convolve", a, v)
    mode = _mode("convolve", mode)
    if len(v) > len(a):
        a, v = v, a
    return _full(a, v) if mode == "full" else _correlation(a, v[::-1], mode)


@implements(np.correlate)
def correlate(a: Any, v: Any, mode: Any = "valid") -> Any:
    """The cross-correlation of two signals, the second conjugated.

    >>> pyad.grad(lambda x: np.correlate(x, np.array([1.0, 2.0]))[0])(np.ones(2))
    array([1., 2.])
    """
    a, v = _signals("correlate", a, v)
    mode = _mode("correlate", mode)
    v = v.conj()
    if len(v) > len(a):
        return _correlation(v, a, mode)[::-1]
    return _correlation(a, v, mode)


# ---- interpolation ----


def _periodic(x: Any, xp: Any, fp: Any, period: Any) -> tuple[Any, Any, Any]:
    """The points brought into one period, in order, with one more on either side."""
    if is_traced(period):
        raise TypeError("interp: period must be a plain number, it has no derivative; take pyad.stop_gradient(period)")
    period = abs(period)
    if period == 0:
        raise ValueError("period must be a non-zero value")
    x, xp = (v - computed(np.floor_divide, v, period) * period for v in (x, xp))
    order = computed(np.argsort, xp)
    xp, fp = xp[order], fp[order]
    return x, concatenate([xp[-1:] - period, xp, xp[:1] + period]), concatenate([fp[-1:], fp, fp[:1]])


@implements(np.interp)
def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    """Linear interpolation between points (xp, fp) with xp increasing; constant outside them. At a point the slope is
    the one to its right, at the last the one to its left.

    >>> pyad.grad(lambda x: np.interp(x, np.array([1.0, 2.0]), np.array([0.0, 3.0])))(1.5)
    np.float64(3.0)
    """
    x, xp, fp = map(asarray, (x, xp, fp))
    for name, v in (("x", x), ("xp", xp)):
        if v.dtype.kind == "c":
            raise DTypeError(f"interp: {name} must hold real numbers, got {v.dtype}")
    fp = astype(fp, np.complex128 if fp.dtype.kind == "c" else np.float64)
    x, xp = astype(x, np.float64), astype(xp, np.float64)
    if xp.ndim != 1 or fp.ndim != 1:
        raise ValueError(f"Data points must be 1-D sequences, got shapes {xp.shape} and {fp.shape}")
    if len(xp) == 0:
        raise ValueError("array of sample points is empty")
    if len(xp) != len(fp):
        raise ValueError(f"fp and xp are not of the same length: {len(fp)} and {len(xp)}")
    if period is not None:
        x, xp, fp = _periodic(x, xp, fp, period)
        left = right = None
    at, knots = detached(x), detached(xp)
    low, high = at < knots[0], at > knots[-1]
    if may_hold(low | high):
        # So that an infinite x has no part in the slopes' derivatives.
        x = comparison.where(low | high, knots[0], x)
        at = np.where(low | high, knots[0], at)
    if len(knots) == 1:
        y = fp[np.zeros(at.shape, np.int64)]
    else:
        y = _interpolated(x, xp, fp, *computed(_intervals, at, knots))
    for where, end, value in ((low, 0, left), (high, -1, right)):
        if may_hold(where):
            y = comparison.where(where, fp[end] if value is None else value, y)
    return y


def _intervals(at: Any, knots: Any) -> tuple[Any, ...]:
    """Of each place: the points below and above, whether these are at one place, and the point to start from."""
    at, knots = np.asarray(at), np.asarray(knots)
    below = np.clip(np.searchsorted(knots, at, "right") - 1, 0, len(knots) - 2)
    above = below + 1
    # From the nearer end of the last interval, so that the last point is exact.
    return below, above, knots[above] == knots[below], np.where(at == knots[-1], above, below)


def _interpolated(x: Any, xp: Any, fp: Any, below: Any, above: Any, same: Any, base: Any) -> Any:
    run = gather(xp, above) - gather(xp, below)
    # Between two points at one place there is no slope.
    rise = gather(fp, above) - gather(fp, below)
    slope = rise / (comparison.where(same, 1.0, run) if may_hold(same) else run)
    slope = comparison.where(same, 0.0, slope) if may_hold(same) else slope
    return slope * (x - gather(xp, base)) + gather(fp, base)


# ---- phases ----


@implements(np.unwrap)
def unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: Any = 2 * np.pi) -> Any:
    """Jumps of more than half a period taken out; what is added is constant.

    >>> pyad.grad(lambda x: np.unwrap(x)[1])(np.array([0.0, 6.0]))
    array([0., 1.])
    """
    p = asarray(p)

    def added(p: Any, discont: Any, period: Any) -> np.ndarray:
        return _added_periods(discont, axis, period, p)

    return p + computed(added, p, discont, period)


def _added_periods(discont: Any, axis: int, period: Any, p: Any) -> np.ndarray:
    plain = np.asarray(p)
    added = np.unwrap(plain, discont, axis, period=period) - plain
    return np.asarray(np.round(added / period) * period, added.dtype)

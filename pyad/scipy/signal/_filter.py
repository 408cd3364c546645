"""Linear filters along an axis, and the removal of trends."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from pyad._ops._registry import over
from pyad._ops.shape import asarray
from pyad._trace.numpy_op import numpy_op
from pyad.errors import ShapeError
from pyad.scipy._namespace import load, run_by
from pyad.scipy.signal._convolve import convolve

_theirs = load("scipy.signal")

# ---- lfilter ----

# y = b * x / a splits into a convolution by b and the recursion by a, a * y = u. With both along the last axis, the
# recursion's derivative is a * dy = du - da * y, and its transpose is the same recursion run from the end.


def _recursion_vjp(s: Any, y: Any, a: Any, u: Any) -> tuple[Any, ...]:
    w = _recursion(a, s[..., ::-1])[..., ::-1]
    rows = np.reshape(w, (-1, w.shape[-1]))
    past = np.reshape(y, rows.shape)
    n = rows.shape[-1]
    parts = [-np.sum(rows[:, k:] * past[:, : max(n - k, 0)]) for k in range(a.shape[0])]
    return np.stack(parts), w


def _recursion_jvp(tangents: list[Any], y: Any, a: Any, u: Any) -> Any:
    da, du = tangents
    if da is not None:
        part = _fir(da, y)
        du = -part if du is None else du - part
    return _recursion(a, du)


def _recursion_reference(a: Any, u: Any) -> Any:
    return _theirs.lfilter(np.ones(1, a.dtype), a, u)


_recursion = numpy_op("lfilter", run_by(_recursion_reference), _recursion_vjp, _recursion_jvp)


def _tail(b: Any, x: Any) -> Any:
    """b * x along the last axis, all of it."""
    rows = np.reshape(x, (int(np.prod(x.shape[:-1])), x.shape[-1]))
    out = convolve(rows, np.reshape(b, (1, -1)), method="direct")
    return np.reshape(out, (*x.shape[:-1], out.shape[-1]))


def _fir(b: Any, x: Any) -> Any:
    """b * x along the last axis, as long as x."""
    return _tail(b, x)[..., : x.shape[-1]]


@over(_theirs.lfilter)
def lfilter(b: Any, a: Any, x: Any, axis: int = -1, zi: Any = None) -> Any:
    """Filter x along an axis: a[0] y[n] = sum_k b[k] x[n-k] - sum_k>0 a[k] y[n-k]; see `scipy.signal.lfilter`.

    b and a are vectors, zi the state to begin with. Returns y, or (y, final state) where zi is given.

    Raises:
        ShapeError: b or a is no vector, or zi does not fit.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.signal import lfilter
    >>> pyad.grad(lambda a1: lfilter([1.0], [1.0, a1], [1.0, 0.0, 0.0])[2])(-0.5)
    np.float64(-1.0)
    """
    b, a, x = asarray(b), asarray(a), asarray(x)
    b, a = (np.reshape(v, (1,)) if v.ndim == 0 else v for v in (b, a))
    if b.ndim != 1 or a.ndim != 1 or x.ndim == 0:
        raise ShapeError(
            f"lfilter: b has shape {b.shape}, a {a.shape} and x {x.shape}; expected two vectors, and at least one axis"
        )
    x = np.moveaxis(x, axis, -1)
    u = _fir(b, x)
    if zi is None:
        return np.moveaxis(_recursion(a, u), -1, axis)
    state = np.moveaxis(asarray(zi), axis, -1)
    y, final = _from_state(b, a, x, u, state)
    return np.moveaxis(y, -1, axis), np.moveaxis(final, -1, axis)


def _from_state(b: Any, a: Any, x: Any, u: Any, state: Any) -> tuple[Any, Any]:
    """The output and the final state. What is left in the state is added to the first outputs."""
    length = max(a.shape[0], b.shape[0]) - 1
    n = x.shape[-1]
    if state.ndim != x.ndim or state.shape[-1] != length:
        raise ShapeError(
            f"lfilter: zi has {state.shape[-1]} entries along the axis, expected max(len(a), len(b)) - 1 = {length}"
        )
    state = np.broadcast_to(state, (*x.shape[:-1], length))
    later = _zeros_after(state, max(n - length, 0))
    y = _recursion(a, u + a[0] * later[..., :n])
    rest = (
        _zeros_after(_tail(b, x), length)[..., n : n + length] - _zeros_after(_tail(a, y), length)[..., n : n + length]
    )
    final = rest / a[0]
    return y, final + _zeros_after(state, n)[..., n : n + length]


def _zeros_after(x: Any, count: int) -> Any:
    return np.concatenate([x, np.zeros((*x.shape[:-1], count), x.dtype)], -1)


# ---- detrend ----


@over(_theirs.detrend)
def detrend(data: Any, axis: int = -1, type: str = "linear", bp: Any = 0, overwrite_data: bool = False) -> Any:
    """Subtract the mean or the line of best fit along an axis. `bp` are the places at which a new line begins.

    Raises:
        ValueError: An unknown type, or a breakpoint beyond the end.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.signal import detrend
    >>> pyad.grad(lambda x: detrend(x, type="constant")[0])(np.ones(4))
    array([ 0.75, -0.25, -0.25, -0.25])
    """
    x = np.moveaxis(asarray(data), axis, -1)
    if type in ("constant", "c"):
        return np.moveaxis(x - np.mean(x, axis=-1, keepdims=True), -1, axis)
    if type not in ("linear", "l"):
        raise ValueError(f"detrend: type must be 'linear' or 'constant', got {type!r}")
    n = x.shape[-1]
    breaks = np.unique([0, *np.atleast_1d(bp), n])
    if breaks[-1] > n:
        raise ValueError(f"detrend: the breakpoints {bp} must be less than the length, {n}")
    parts = []
    for start, stop in pairwise(breaks):
        line = np.stack([np.arange(1, stop - start + 1) / (stop - start), np.ones(stop - start)])
        # Orthonormal rows, so that the projection is a product with them and their transpose.
        basis = np.linalg.qr(line.T)[0].T[: stop - start].astype(x.dtype)
        part = x[..., start:stop]
        parts.append(part - (part @ basis.T) @ basis)
    return np.moveaxis(np.concatenate(parts, -1), -1, axis)

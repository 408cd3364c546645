"""Losses that end in one number, each one instruction of the engine."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyad._ops._calls import evaluated
from pyad._ops._nested import operand
from pyad._ops.arithmetic import multiply
from pyad._ops.indexing import index_handle, pick_last, unpick_last
from pyad._ops.reductions import _reference_logsumexp, _softmax, sum
from pyad._ops.shape import broadcast_to
from pyad._trace.array import is_traced
from pyad._trace.op import general, handle_of
from pyad._trace.promotion import common_dtype
from pyad._trace.recorded_call import computed

__all__ = ["cross_entropy", "sum_squares"]

# ---- records ----


def _cross_entropy_reference(x: Any, index: Any) -> Any:
    if index.size == 0:
        return x.dtype.type(np.nan)
    norms = _reference_logsumexp(x, -1, False)
    return np.mean(norms - np.take_along_axis(x, index[..., None], -1)[..., 0]).astype(x.dtype)


def _per_row(s: Any, index: Any) -> Any:
    rows = index.size
    return s * (1.0 / rows if rows else float("nan"))


def _probabilities(x: Any) -> Any:
    return _softmax(x, params=(x.ndim - 1,))


# The gradient of a row is softmax(x) - onehot(label): Bishop, Pattern Recognition and Machine Learning, 4.109.
def _cross_entropy_vjp(s: Any, y: Any, x: Any, index: Any, p: tuple[int, ...]) -> tuple[Any, None]:
    w = _per_row(s, index)
    return multiply(_probabilities(x), w) - unpick_last(broadcast_to(w, index.shape), index, x.shape[-1]), None


def _cross_entropy_jvp(t: Any, y: Any, x: Any, index: Any, p: tuple[int, ...]) -> Any:
    return _per_row(sum(t * _probabilities(x)) - sum(pick_last(t, index)), index)


_cross_entropy = general("cross_entropy", _cross_entropy_reference, _cross_entropy_vjp, (_cross_entropy_jvp, None))


def _sum_squares_reference(a: Any, b: Any, mean: int) -> Any:
    squares = np.square(a - b)
    if not mean:
        return np.sum(squares)
    return np.mean(squares) if squares.size else squares.dtype.type(np.nan)


def _slope(s: Any, a: Any, b: Any, p: tuple[int, ...]) -> Any:
    factor = 2.0 if not p[0] else 2.0 / a.size if a.size else float("nan")
    return (a - b) * (s * factor)


def _sum_squares_vjp(s: Any, y: Any, a: Any, b: Any, p: tuple[int, ...]) -> tuple[Any, Any]:
    d = _slope(s, a, b, p)
    return d, -d


_sum_squares = general(
    "sum_squares",
    _sum_squares_reference,
    _sum_squares_vjp,
    (
        lambda t, y, a, b, p: sum(_slope(t, a, b, p)),
        lambda t, y, a, b, p: -sum(_slope(t, a, b, p)),
    ),
)

# ---- functions ----


def cross_entropy(logits: Any, labels: Any) -> Any:
    """The mean over rows of logsumexp(row) - row[label], for int64 labels of shape logits.shape[:-1].

    Raises:
        ValueError: a label outside [0, logits.shape[-1]).
    """
    if not is_traced(logits):
        return computed(_plain_cross_entropy, logits, labels)
    return _cross_entropy.record([logits._h, index_handle(labels)], None)


def _plain_cross_entropy(logits: Any, labels: Any) -> Any:
    return evaluated(_cross_entropy, (logits,), index=labels)


def sum_squares(a: Any, b: Any, mean: bool) -> Any:
    """The sum (or the mean) of the squares of a - b, which have one shape."""
    if not is_traced(a) and not is_traced(b):
        return evaluated(_sum_squares, (a, b), (1 if mean else 0,))
    a, b = operand("sum_squares", a), operand("sum_squares", b)
    dtype = common_dtype("sum_squares", (a, b))
    return _sum_squares.record([handle_of(a, dtype), handle_of(b, dtype)], (1 if mean else 0,))

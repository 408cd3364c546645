"""Losses and what is measured beside them."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyad._ops import losses, reductions
from pyad._ops.indexing import as_places
from pyad._trace.array import is_traced
from pyad._trace.guards import is_recording_program
from pyad._trace.recorded_call import computed

__all__ = ["accuracy", "mse", "softmax_cross_entropy", "squared_error"]


def squared_error(prediction: Any, target: Any) -> Any:
    """The sum of squares of `prediction - target`.

    Args:
        prediction: Floating point array of any shape.
        target: Array of the same shape; the two are not broadcast, for (n, 1) against (n,) is nearly always a slip.

    Returns:
        A scalar of the common dtype.

    Raises:
        ValueError: The two differ in shape.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad import nn
    >>> pyad.value_and_grad(nn.squared_error)(np.array([1.0, 2.0]), np.zeros(2))
    (np.float64(5.0), array([2., 4.]))
    """
    _same_shape("squared_error", prediction, target)
    return losses.sum_squares(prediction, target, mean=False)


def mse(prediction: Any, target: Any) -> Any:
    """The mean of squares of `prediction - target` over all entries.

    Args:
        prediction: Floating point array of any shape.
        target: Array of the same shape.

    Returns:
        A scalar of the common dtype.

    Raises:
        ValueError: The two differ in shape.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad import nn
    >>> pyad.value_and_grad(nn.mse)(np.array([1.0, 3.0]), np.zeros(2))
    (np.float64(5.0), array([1., 3.]))
    """
    _same_shape("mse", prediction, target)
    return losses.sum_squares(prediction, target, mean=True)


def softmax_cross_entropy(logits: Any, labels: Any) -> Any:
    """The cross-entropy of `labels` with the softmax of `logits`, mean over the batch, computed from the logits so that
    nothing overflows or becomes log 0.

    Args:
        logits: Floating point array of shape (..., classes), usually (batch, classes).
        labels: Integer array of shape (...) with the class of each row; or floating point array of the shape of
            `logits` with a probability for each class (one-hot rows, say).

    Returns:
        A scalar of the dtype of the logits.

    Raises:
        ValueError: The shapes do not fit.
        IndexError: An integer label is not one of the classes.
        TypeError: Labels are neither integers nor floating point.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad import nn
    >>> pyad.grad(nn.softmax_cross_entropy)(np.zeros((2, 4)), np.array([0, 3]))
    array([[-0.375,  0.125,  0.125,  0.125],
           [ 0.125,  0.125,  0.125, -0.375]])
    """
    shape = _shape(logits)
    if not shape:
        raise ValueError("softmax_cross_entropy needs logits of shape (batch, classes), got a scalar")
    labels = labels if hasattr(labels, "dtype") else np.asarray(labels)
    if labels.dtype.kind not in "iuf":
        raise TypeError(f"labels must be integer classes or floating point probabilities, got dtype {labels.dtype}")
    if labels.dtype.kind == "f":
        if labels.shape != shape:
            raise ValueError(
                f"probabilities must have the shape of the logits, (batch, classes) = {shape}, got {labels.shape}"
            )
        # Rows of probabilities need not sum to exactly 1, and where they do not the normaliser counts as often.
        normaliser = reductions.logsumexp(logits, axis=-1, keepdims=True)
        return reductions.mean(reductions.sum(labels * (normaliser - logits), axis=-1))
    if labels.shape != shape[:-1]:
        raise ValueError(
            f"integer labels must have the shape of the logits without its last axis, (batch,) = {shape[:-1]} "
            f"for logits of shape (batch, classes) = {shape}, got {labels.shape}"
        )
    if not is_traced(logits):
        _check_classes(labels, shape[-1])
    try:
        return losses.cross_entropy(logits, as_places(labels))
    except ValueError:
        _check_classes(labels, shape[-1])
        raise


def accuracy(logits: Any, labels: Any) -> float:
    """The share of rows whose largest logit is that of the label; it has no derivative.

    Args:
        logits: Array of shape (..., classes).
        labels: Integer array of shape (...), or array of the shape of `logits` whose largest entry marks the class.

    Returns:
        A float from 0 to 1.

    Raises:
        ValueError: The shapes do not fit.

    >>> import numpy as np
    >>> from pyad import nn
    >>> nn.accuracy(np.array([[0.1, 0.9], [0.8, 0.2]]), np.array([1, 1]))
    0.5
    """
    if is_recording_program():
        return computed(_share_of_hits, logits, labels)  # which is another at each run of the program
    return float(_share_of_hits(np.asarray(logits), np.asarray(labels)))


def _share_of_hits(logits: np.ndarray, labels: np.ndarray) -> np.floating:
    if labels.dtype.kind == "f":
        _same_shape("accuracy", logits, labels)
        labels = labels.argmax(-1)
    if labels.shape != logits.shape[:-1]:
        raise ValueError(f"logits of shape {logits.shape} need labels of shape {logits.shape[:-1]}, got {labels.shape}")
    return np.mean(logits.argmax(-1) == labels)


def _shape(x: Any) -> tuple[int, ...]:
    shape = getattr(x, "shape", None)
    return np.shape(x) if shape is None else shape


def _same_shape(what: str, prediction: Any, target: Any) -> None:
    have, want = _shape(prediction), _shape(target)
    if have != want:
        raise ValueError(f"{what} needs prediction and target of one shape, got {have} and {want}")


def _check_classes(labels: Any, classes: int) -> None:
    # A negative label would silently count from the end, so both ends are checked.
    if labels.size and (labels.max() >= classes or labels.min() < 0):
        wrong = int(labels[(labels < 0) | (labels >= classes)][0])
        raise IndexError(f"label {wrong} is not one of the {classes} classes, 0 to {classes - 1}")

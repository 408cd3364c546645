"""Functions of `scipy.special` that the engine computes itself: they work without SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyad._ops import arithmetic, reductions
from pyad._ops._axes import normalize_axes
from pyad._ops._nested import plain
from pyad._ops.activations import erf
from pyad._ops.arithmetic import absolute
from pyad._ops.comparison import where
from pyad._ops.explog_trig import exp, log
from pyad._ops.explog_trig import sigmoid as expit
from pyad._trace.array import is_traced
from pyad._trace.promotion import is_complex
from pyad._trace.recorded_call import detached

__all__ = ["erf", "expit", "log_softmax", "logsumexp", "softmax"]


def logsumexp(a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False) -> Any:
    """log(sum(b * exp(a))) over the axes, without overflow. An entry with weight zero takes no part, also where it is
    infinite.

    Args:
        a: Array of any shape.
        axis: Axis or axes; all by default.
        b: Weights, which broadcast with a.
        keepdims: Whether the axes stay, with length 1.
        return_sign: Whether to return (the logarithm of the magnitude, the sign, which is constant).

    Returns:
        Array without these axes.

    Raises:
        AxisError: An axis that there is not.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy import special
    >>> pyad.grad(special.logsumexp)(np.zeros(2))
    array([0.5, 0.5])
    """
    a = plain("logsumexp", a)
    if b is None and not return_sign and not is_complex(a):
        return reductions.logsumexp(a, axis, keepdims=keepdims)
    a = a if is_traced(a) else np.asarray(a)
    b = 1.0 if b is None else plain("logsumexp", b)
    # The mask is plain: which entries take part does not change with small changes of the weights.
    mask = np.not_equal(detached(b), 0)
    a = where(mask, a, -np.inf)
    shift = np.max(np.real(detached(a)), axis=axis, keepdims=True, initial=-np.inf)
    # In the dtype of a: a scalar of float64 would widen.
    shift = np.where(np.isfinite(shift), shift, 0).astype(np.real(detached(a)).dtype)
    total = reductions.sum(b * exp(a - shift), axis, keepdims=True)
    sign = arithmetic.sign(total) if is_complex(total) else np.sign(detached(total))
    with np.errstate(divide="ignore", invalid="ignore"):
        out = log(absolute(total) if return_sign else total) + shift
    if not keepdims:
        axes = normalize_axes("logsumexp", axis, a.ndim)
        shape = tuple(n for d, n in enumerate(out.shape) if d not in axes)
        out, sign = out.reshape(shape), sign.reshape(shape)
    return (out[()], sign[()]) if return_sign else out[()]


def _shifted(x: Any, axis: Any) -> Any:
    """Complex x, shifted so that the exponentials do not overflow."""
    top = np.max(detached(x), axis=axis, keepdims=True)
    return x - np.where(np.isfinite(top), top, 0)


def softmax(x: Any, axis: Any = None) -> Any:
    """exp(x) / sum(exp(x)) over the axes.

    Args:
        x: Array of any shape.
        axis: Axis or axes; all by default, as in SciPy.

    Returns:
        Array of the shape of x.

    Raises:
        AxisError: An axis that there is not.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy import special
    >>> pyad.jacobian(special.softmax)(np.zeros(2))
    array([[ 0.25, -0.25],
           [-0.25,  0.25]])
    """
    x = plain("softmax", x)
    if not is_complex(x):
        return reductions.softmax(x, axis)
    powers = exp(_shifted(x, axis))
    return powers / reductions.sum(powers, axis, keepdims=True)


def log_softmax(x: Any, axis: Any = None) -> Any:
    """log(softmax(x)) over the axes.

    Args:
        x: Array of any shape.
        axis: Axis or axes; all by default, as in SciPy.

    Returns:
        Array of the shape of x.

    Raises:
        AxisError: An axis that there is not.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy import special
    >>> pyad.jacobian(special.log_softmax)(np.zeros(2))
    array([[ 0.5, -0.5],
           [-0.5,  0.5]])
    """
    x = plain("log_softmax", x)
    if not is_complex(x):
        return reductions.log_softmax(x, axis)
    x = _shifted(x, axis)
    return x - log(reductions.sum(exp(x), axis, keepdims=True))

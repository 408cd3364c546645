"""`scipy.special`'s names over pyad's ops. SciPy itself is not needed."""

from __future__ import annotations

from typing import Any

from pyad.ops import reduce
from pyad.ops.elementwise import erf, sigmoid

__all__ = ["erf", "expit", "log_softmax", "logsumexp", "softmax"]

expit = sigmoid


def logsumexp(a: Any, axis: Any = None, b: Any = None, keepdims: bool = False) -> Any:
    """log(sum(b * exp(a))) over the axes, without overflow; b, if given, is positive.

    >>> import numpy as np
    >>> logsumexp(np.array([0.0, 0.0]))
    np.float64(0.6931471805599453)
    """
    if b is not None:
        from pyad.ops.elementwise import log

        a = a + log(b)
    return reduce.logsumexp(a, axis, keepdims=keepdims)


def softmax(x: Any, axis: Any = None) -> Any:
    """exp(x) / sum(exp(x)) over the axes (all by default, as in SciPy).

    >>> import numpy as np
    >>> softmax(np.array([0.0, 0.0]))
    array([0.5, 0.5])
    """
    return reduce.softmax(x, axis)


def log_softmax(x: Any, axis: Any = None) -> Any:
    """log(softmax(x)) over the axes (all by default, as in SciPy).

    >>> import numpy as np
    >>> log_softmax(np.array([0.0, 0.0]))
    array([-0.69314718, -0.69314718])
    """
    return reduce.log_softmax(x, axis)

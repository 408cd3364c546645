"""The element-wise functions of networks and of the normal distribution."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyad._ops._calls import unary
from pyad._ops.comparison import _compare, _gt, _select
from pyad._ops.explog_trig import exp, sigmoid
from pyad._trace.op import elementwise


def _reference_relu(x: Any) -> Any:
    return np.maximum(x, np.asarray(x).dtype.type(0))


def _reference_softplus(x: Any) -> Any:
    return np.logaddexp(x, np.asarray(x).dtype.type(0))


def _reference_erf(x: Any) -> Any:
    x = np.asarray(x)
    kind = x.dtype if x.dtype.kind == "f" else np.dtype(float)
    out = np.empty(x.shape, kind)
    for place, value in np.ndenumerate(x):
        out[place] = math.erf(value)
    return out[()]


_relu = elementwise("relu", _reference_relu, lambda s, y, x: (_select(_compare(_gt, y, 0.0), s, 0.0),))
_softplus = elementwise("softplus", _reference_softplus, lambda s, y, x: (s * sigmoid(x),))
_erf = elementwise("erf", _reference_erf, lambda s, y, x: (s * (2.0 / math.sqrt(math.pi) * exp(-(x * x))),))
relu = unary(_relu, "max(x, 0); its derivative at 0 is 0.")
softplus = unary(
    _softplus,
    """log(1 + exp(x)), without overflow.

    >>> from pyad import nn
    >>> pyad.grad(nn.softplus)(0.0)
    np.float64(0.5)
    """,
)
erf = unary(_erf, "The error function.")

"""The larger and the smaller of two, and numbers kept within bounds."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyad._ops._calls import binary
from pyad._ops._registry import implements, refuse_out
from pyad._ops.comparison import _compare, _eq, _select
from pyad._ops.shape import array, astype
from pyad._trace.op import elementwise

_ANY = ((-2.0, 2.0),)


def _tie(s: Any, z: Any, x: Any, y: Any) -> Any:
    """s where x alone is the extremum z, s / 2 where y ties, else 0."""
    alone = _select(_compare(_eq, y, z), 0.5 * s, s)
    return _select(_compare(_eq, x, z), alone, 0.0)


_maximum = elementwise("maximum", np.maximum, lambda s, z, x, y: (_tie(s, z, x, y), _tie(s, z, y, x)), _ANY * 2)
_minimum = elementwise("minimum", np.minimum, lambda s, z, x, y: (_tie(s, z, x, y), _tie(s, z, y, x)), _ANY * 2)
_fmax = elementwise("fmax", np.fmax, lambda s, z, x, y: (_tie(s, z, x, y), _tie(s, z, y, x)), _ANY * 2)
_fmin = elementwise("fmin", np.fmin, lambda s, z, x, y: (_tie(s, z, x, y), _tie(s, z, y, x)), _ANY * 2)
maximum = binary(_maximum, "The larger of x and y; a tie shares the derivative; NaN wins.", "1.0, 2.0 -> 0.0, 1.0")
minimum = binary(_minimum, "The smaller of x and y; a tie shares the derivative; NaN wins.", "1.0, 2.0 -> 1.0, 0.0")
fmax = binary(
    _fmax, "The larger of x and y, of which NaN is passed over; a tie shares the derivative.", "1.0, 2.0 -> 0.0, 1.0"
)
fmin = binary(
    _fmin, "The smaller of x and y, of which NaN is passed over; a tie shares the derivative.", "1.0, 2.0 -> 1.0, 0.0"
)
_NONE = np._NoValue  # type: ignore[attr-defined]


@implements(np.clip)
def clip(
    a: Any,
    a_min: Any = _NONE,
    a_max: Any = _NONE,
    out: Any = None,
    *,
    min: Any = _NONE,
    max: Any = _NONE,
    dtype: Any = None,
) -> Any:
    """a, but not below a_min nor above a_max, which may be arrays or None; at a bound half the derivative passes.

    >>> pyad.grad(lambda x: np.sum(np.clip(x, 0.0, 2.0)))(np.array([1.0, 2.0, 3.0]))
    array([1. , 0.5, 0. ])
    """
    refuse_out("numpy.clip", out)
    if (a_min is not _NONE or a_max is not _NONE) and (min is not _NONE or max is not _NONE):
        raise ValueError("clip: give the bounds by a_min and a_max or by min and max, not by both")
    low, high = (a_min, a_max) if min is _NONE and max is _NONE else (min, max)
    result = array(a)
    if low is not None and low is not _NONE:
        result = maximum(result, low)
    if high is not None and high is not _NONE:
        result = minimum(result, high)
    return result if dtype is None else astype(result, dtype)

"""The functions of `numpy.emath`, which become complex where real numbers do not do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pyad._ops._registry import implements
from pyad._ops.shape import asarray, astype
from pyad._trace.recorded_call import detached

__all__ = ["logn", "power"]


def _below_zero(x: np.ndarray) -> bool:
    return bool(np.any(x < 0))


def _beyond_one(x: np.ndarray) -> bool:
    return bool(np.any(abs(x) > 1))


def _widened(x: Any, leaves_the_reals: Callable[[np.ndarray], bool]) -> Any:
    """x as it is, or complex where a function of one of its elements is."""
    x = asarray(x) + 0.0
    if x.dtype.kind == "c" or not leaves_the_reals(detached(x)):
        return x
    return astype(x, np.result_type(x.dtype, np.complex64))


def _define(name: str, leaves_the_reals: Callable[[np.ndarray], bool]) -> Callable[[Any], Any]:
    function = getattr(np, name)

    def widening(x: Any) -> Any:
        return function(_widened(x, leaves_the_reals))

    widening.__name__ = widening.__qualname__ = name
    widening.__doc__ = f"`numpy.{name}`, with complex values where the real ones are not defined."
    return implements(getattr(np.emath, name))(widening)


sqrt, log, log2, log10 = (_define(name, _below_zero) for name in ("sqrt", "log", "log2", "log10"))
arccos, arcsin, arctanh = (_define(name, _beyond_one) for name in ("arccos", "arcsin", "arctanh"))


@implements(np.emath.logn)
def logn(n: Any, x: Any) -> Any:
    """The logarithm of x to the base n."""
    return np.log(_widened(x, _below_zero)) / np.log(_widened(n, _below_zero))


@implements(np.emath.power)
def power(x: Any, p: Any) -> Any:
    """x ** p, complex where x has negative elements."""
    return np.power(_widened(x, _below_zero), p)

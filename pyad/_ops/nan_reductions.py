"""The reductions that pass NaN over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pyad._ops import reductions
from pyad._ops._axes import Axis
from pyad._ops._registry import implements, named
from pyad._ops.comparison import where as select
from pyad._ops.reductions import count_of, prepared
from pyad._ops.scans import cumprod, cumsum
from pyad._ops.shape import asarray
from pyad._ops.statistics import prod, spread_function, variance
from pyad._trace.recorded_call import detached, may_hold


def _valid(name: str, a: Any, where: Any) -> Any:
    """The mask of elements that are not NaN and are asked for."""
    valid = ~np.isnan(detached(a))
    return valid if where is True else valid & reductions.mask_for(name, a, where)


def _total_function(theirs: Callable[..., Any], total: Callable[..., Any], doc: str) -> Callable[..., Any]:
    """A sum or a product that passes NaN over."""
    name = theirs.__name__

    def function(
        a: Any,
        axis: Axis = None,
        dtype: Any = None,
        out: Any = None,
        keepdims: bool = False,
        initial: Any = None,
        where: Any = True,
    ) -> Any:
        a = asarray(a)
        return total(a, axis, dtype, out, keepdims, initial, _valid(name, a, where))

    return implements(theirs)(named(function, name, doc))


nansum = _total_function(
    np.nansum,
    reductions.sum,
    ("The sum of what is not NaN.\n\n>>> pyad.grad(np.nansum)(np.array([1.0, np.nan]))\narray([1., 0.])"),
)
nanprod = _total_function(
    np.nanprod,
    prod,
    ("The product of what is not NaN.\n\n>>> pyad.grad(np.nanprod)(np.array([2.0, np.nan, 3.0]))\narray([3., 0., 2.])"),
)


@implements(np.nanmean)
def nanmean(
    a: Any, axis: Axis = None, dtype: Any = None, out: Any = None, keepdims: bool = False, *, where: Any = True
) -> Any:
    """The mean of what is not NaN; NaN where that is nothing.

    >>> pyad.grad(np.nanmean)(np.array([1.0, np.nan, 3.0]))
    array([0.5, 0. , 0.5])
    """
    a = asarray(a)
    return reductions.mean(a, axis, dtype, out, keepdims, where=_valid("nanmean", a, where))


def _nan_extremum(name: str, extremum: Any, fill: float, a: Any, rest: tuple[Any, ...]) -> Any:
    axis, out, keepdims, initial, where = rest
    a = prepared(name, a, None, out)
    valid = _valid(name, a, where)
    if a.size == 0 and initial is None:
        return extremum(a, axis, None, keepdims)
    given = valid if where is True else valid | ~reductions.mask_for(name, a, where)
    start = fill if initial is None else initial
    result = extremum(
        select(given, a, fill), axis, None, keepdims, None if where is True and initial is None else start, where
    )
    found = np.any(valid, axis, keepdims=bool(keepdims))
    return result if initial is not None or not may_hold(~found) else select(found, result, np.nan)


def _extremum_function(theirs: Callable[..., Any], extremum: Any, fill: float, doc: str) -> Callable[..., Any]:
    name = theirs.__name__

    def function(
        a: Any, axis: Axis = None, out: Any = None, keepdims: bool = False, initial: Any = None, where: Any = True
    ) -> Any:
        return _nan_extremum(name, extremum, fill, a, (axis, out, keepdims, initial, where))

    return implements(theirs)(named(function, name, doc))


nanmax = _extremum_function(
    np.nanmax,
    reductions.max,
    -np.inf,
    (
        "The largest of what is not NaN; NaN where that is nothing."
        "\n\n>>> pyad.grad(np.nanmax)(np.array([1.0, np.nan, 3.0]))\narray([0., 0., 1.])"
    ),
)
nanmin = _extremum_function(
    np.nanmin,
    reductions.min,
    np.inf,
    (
        "The smallest of what is not NaN; NaN where that is nothing."
        "\n\n>>> pyad.grad(np.nanmin)(np.array([1.0, np.nan, 3.0]))\narray([1., 0., 0.])"
    ),
)


def _filled(a: Any, fill: float) -> Any:
    a = asarray(a)
    return select(_valid("", a, True), a, fill)


@implements(np.nancumsum)
def nancumsum(a: Any, axis: int | None = None, dtype: Any = None, out: Any = None) -> Any:
    """The running sum, in which NaN counts as 0.

    >>> pyad.grad(lambda x: np.nancumsum(x)[1])(np.array([np.nan, 2.0]))
    array([0., 1.])
    """
    return cumsum(_filled(a, 0.0), axis, dtype, out)


@implements(np.nancumprod)
def nancumprod(a: Any, axis: int | None = None, dtype: Any = None, out: Any = None) -> Any:
    """The running product, in which NaN counts as 1.

    >>> pyad.grad(lambda x: np.nancumprod(x)[1])(np.array([np.nan, 2.0]))
    array([0., 1.])
    """
    return cumprod(_filled(a, 1.0), axis, dtype, out)


def _nanvar(a: Any, axis: Axis, dtype: Any, out: Any, ddof: float, keepdims: bool, where: Any, mean: Any) -> Any:
    a = asarray(a)
    valid = _valid("nanvar", a, where)
    result = variance(a, axis, dtype, out, ddof, keepdims, valid, mean)
    freedom = count_of("nanvar", a, axis, keepdims, valid) - ddof
    enough = freedom > 0
    return select(enough, result, np.nan) if may_hold(~enough) else result


nanvar = spread_function(
    np.nanvar,
    _nanvar,
    (
        "The variance of what is not NaN."
        "\n\n>>> pyad.grad(np.nanvar)(np.array([1.0, np.nan, 3.0]))\narray([-1.,  0.,  1.])"
    ),
)
nanstd = spread_function(
    np.nanstd,
    _nanvar,
    (
        "The standard deviation of what is not NaN."
        "\n\n>>> pyad.grad(np.nanstd)(np.array([1.0, np.nan, 3.0]))\narray([-0.5,  0. ,  0.5])"
    ),
)

"""Functions that choose among elements or arrays by conditions and places; the choice itself is constant."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from pyad._ops import comparison
from pyad._ops._registry import implements, refuse_out
from pyad._ops.indexing import add_rows, as_places
from pyad._ops.rearrange import gather, one_axis, take_axis
from pyad._ops.shape import asarray, astype, broadcast_to, concatenate, ravel, reshape, stack
from pyad._trace.array import is_traced, numpy_value
from pyad._trace.promotion import dtype_of
from pyad._trace.recorded_call import computed, detached
from pyad._trace.traced_integer import TracedInteger
from pyad.errors import DTypeError

__all__ = ["bincount", "choose", "compress", "extract", "piecewise", "select", "take", "take_along_axis", "where"]


def _places(name: str, indices: Any) -> Any:
    """Indices as integers."""
    places = indices if is_traced(indices) or type(indices) is TracedInteger else np.asarray(indices)
    if places.dtype.kind not in "bui":
        raise TypeError(
            f"{name}: indices must be integers, got {places.dtype} values"
            + ("; use pyad.stop_gradient(x).astype(int)" if is_traced(indices) else "")
        )
    return places


@implements(np.take)
def take(a: Any, indices: Any, axis: int | None = None, out: Any = None, mode: str = "raise") -> Any:
    """Entries along an axis (of the flattened array for none); `mode` says what happens to an index out of range.

    >>> pyad.grad(lambda x: np.sum(np.take(x, [0, 0, 2])))(np.ones(3))
    array([2., 0., 1.])
    """
    refuse_out("numpy.take", out)
    a = asarray(a)
    if isinstance(indices, list | tuple) and not len(indices):
        indices = np.zeros(0, np.int64)
    places = _places("take", indices)
    if axis is None:
        a = ravel(a)
        axis = 0
    axis = one_axis("take", axis, a.ndim) if a.ndim else 0
    length = a.shape[axis] if a.ndim else 1
    a = a if a.ndim else reshape(a, (1,))
    if not length and places.size:
        # NumPy's own modes would not come to an end.
        raise IndexError("take: cannot do a non-empty take from an empty axis")
    # On the numbers of the entries, so that modes and errors are NumPy's.
    return take_axis(a, computed(lambda places: np.take(np.arange(length), places, mode=mode), places), axis)  # type: ignore[call-overload]


@implements(np.take_along_axis)
def take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Any:
    """Entries along an axis, other ones for each place on the other axes.

    >>> pyad.grad(lambda x: np.sum(np.take_along_axis(x, np.array([2, 2]), 0)))(np.ones(3))
    array([0., 0., 2.])
    """
    arr = asarray(arr)
    return gather(arr, computed(functools.partial(_along_axis, arr.shape, axis), indices))


def take_in_order(arr: Any, order: Callable[[Any], np.ndarray], axis: int) -> Any:
    """Entries along an axis at the places that `order` gives for the values."""
    shape = arr.shape
    return gather(arr, computed(lambda value: _along_axis(shape, axis, order(value)), arr))


def _along_axis(shape: tuple[int, ...], axis: int | None, indices: Any) -> np.ndarray:
    """The places of what np.take_along_axis reads from an array of a shape."""
    return np.take_along_axis(np.arange(math.prod(shape)).reshape(shape), np.asarray(indices), axis)


@implements(np.bincount)
def bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> Any:
    """The sums of the weights of equal integers, in the place of each integer.

    >>> pyad.jacobian(lambda w: np.bincount([1, 1], w))(np.ones(2))
    array([[0., 0.],
           [1., 1.]])
    """
    if is_traced(x) or weights is None:
        raise TypeError("bincount: x must be integers; a traced value may only be among the weights")
    places = asarray(x if len(x) else np.zeros(0, np.int64))
    weights = asarray(weights)
    if weights.dtype.kind == "c":
        raise DTypeError(f"bincount: the weights must be real numbers, got {weights.dtype}")
    weights = astype(weights, np.float64)
    if places.ndim != 1 or weights.shape != places.shape:
        raise ValueError(
            f"bincount: x and weights must be 1-d and as long, got shapes {places.shape} and {weights.shape}"
        )
    # Sizes and errors are NumPy's.
    count = computed(lambda places: len(np.bincount(places, minlength=minlength)), places)
    return add_rows(weights, as_places(places), count)


@implements(np.compress)
def compress(condition: Any, a: Any, axis: int | None = None) -> Any:
    """The entries along an axis (of the flattened array for none) where the condition holds.

    >>> pyad.grad(lambda x: np.sum(np.compress([True, False], x)))(np.ones(2))
    array([1., 0.])
    """
    condition = asarray(condition)
    if condition.ndim != 1:
        raise ValueError(f"compress: condition must be a 1-d array, but has shape {condition.shape}")
    return take(a, computed(np.flatnonzero, condition), axis)


@implements(np.extract)
def extract(condition: Any, arr: Any) -> Any:
    """The elements where the condition holds, in one dimension.

    >>> pyad.grad(lambda x: np.sum(np.extract([True, False], x)))(np.ones(2))
    array([1., 0.])
    """
    return take(arr, computed(np.flatnonzero, condition))


@implements(np.choose)
def choose(a: Any, choices: Any, mode: str = "raise") -> Any:
    """For each place, the element there of the choice that `a` numbers.

    >>> pyad.grad(lambda x: np.sum(np.choose([0, 1], [x, 2.0 * x])))(np.ones(2))
    array([1., 2.])
    """
    if is_traced(a):
        raise TypeError("choose: a must be an array of integers, but is a traced value; use x.astype(int)")
    arrays = [asarray(x) for x in choices]
    which = asarray(a)
    shape = np.broadcast_shapes(which.shape, *(x.shape for x in arrays))
    size = int(np.prod(shape, dtype=int))
    numbers = list(range(len(arrays)))

    def places(which: np.ndarray) -> np.ndarray:
        # Which of the choices, checked and wrapped by NumPy.
        chosen = np.choose(which, numbers, mode=mode)  # type: ignore[call-overload]
        return np.broadcast_to(chosen, shape) * size + np.arange(size).reshape(shape)

    return gather(stack([broadcast_to(x, shape) for x in arrays]), computed(places, which))


_ABSENT = object()


@implements(np.where)
def where(condition: Any, x: Any = _ABSENT, y: Any = _ABSENT) -> Any:
    """x where the condition holds, else y; the places where it holds, if it is given alone.

    >>> pyad.grad(lambda x: np.sum(np.where(x > 0, 2.0 * x, 0.0)))(np.array([-1.0, 3.0]))
    array([0., 2.])
    """
    if x is _ABSENT and y is _ABSENT:
        return computed(np.nonzero, asarray(condition))
    if x is _ABSENT or y is _ABSENT:
        raise ValueError("either both or neither of x and y should be given")
    return comparison.where(asarray(condition) if type(condition) in (list, tuple) else condition, x, y)


@implements(np.select)
def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    """For each place, the element there of the first choice whose condition holds.

    >>> pyad.grad(lambda x: np.sum(np.select([x < 0, x > 0], [-x, x * x])))(np.array([-1.0, 3.0]))
    array([-1.,  6.])
    """
    if len(condlist) != len(choicelist):
        raise ValueError("list of cases must be same length as list of conditions")
    if len(condlist) == 0:
        raise ValueError("select with an empty condition list is not possible")
    conditions = [asarray(detached(c)) for c in condlist]
    for k, condition in enumerate(conditions):
        if condition.dtype.type is not np.bool_:
            raise TypeError(f"invalid entry {k} in condlist: should be boolean ndarray")
    # Python's numbers are weak, also where they stand only among themselves.
    choices = [x if type(x) in (int, float, complex) else asarray(x) for x in (*choicelist, default)]
    dtype = np.result_type(*map(dtype_of, choices))
    *choices, out = (astype(x, dtype) for x in choices)
    for condition, choice in zip(reversed(conditions), reversed(choices), strict=True):
        out = comparison.where(condition, choice, out)
    return out


def _conditions(x: Any, condlist: Any, count: int) -> list[np.ndarray]:
    """One boolean array of x's shape for each of the `count` functions, the last one for the rest where it was left
    out."""
    single = np.isscalar(condlist) or (
        x.ndim != 0 and not isinstance(condlist[0], list | tuple | np.ndarray | TracedInteger)
    )
    conditions: Any = [condlist] if single else condlist
    conditions = np.asarray([np.asarray(numpy_value(c)) if type(c) is TracedInteger else c for c in conditions], bool)
    if len(conditions) == count - 1:
        conditions = np.concatenate([conditions, ~np.any(conditions, axis=0, keepdims=True)])
    if len(conditions) != count:
        raise ValueError(
            f"piecewise: with {len(conditions)} condition(s), either {len(conditions)} or {len(conditions) + 1} "
            f"functions are expected, got {count}"
        )
    return [np.reshape(c, x.shape) if x.ndim == 0 else c for c in conditions]


@implements(np.piecewise)
def piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Any:
    """Functions each of which is called on the elements where its condition holds; zero where none does.

    >>> pyad.grad(lambda x: np.sum(np.piecewise(x, [x > 0], [lambda x: x * x])))(np.array([-1.0, 3.0]))
    array([0., 6.])
    """
    x = asarray(x)
    pieces: list[Any] = [np.zeros(1, x.dtype)]
    places = np.zeros(x.shape, np.int64)
    start = 1
    for condition, function in zip(_conditions(x, condlist, len(funclist)), funclist, strict=True):
        count = int(np.count_nonzero(condition))
        if callable(function):
            if count == 0:
                continue
            function = function(x[condition], *args, **kw)
        pieces.append(broadcast_to(asarray(function), (count,)))
        places[condition] = np.arange(start, start + count)
        start += count
    out = gather(concatenate(pieces), places)
    return astype(out, x.dtype)

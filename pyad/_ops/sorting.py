"""Sorting and picking by order. The order comes from the values; the derivative flows to the elements picked."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyad._ops._axes import normalize_axes
from pyad._ops._registry import implements
from pyad._ops.selection import take, take_in_order
from pyad._ops.shape import asarray, astype, ravel
from pyad._trace.recorded_call import computed

__all__ = ["partition", "sort", "unique"]


def _sortable(name: str, a: Any, axis: int | None) -> tuple[Any, int]:
    """(the array, the axis as a number in range); flattened where the axis is None."""
    a = asarray(a)
    if axis is None:
        a, axis = ravel(a), 0
    if a.ndim == 0:
        raise np.exceptions.AxisError(f"{name}: axis {axis} is out of bounds for an array of dimension 0")
    (axis,) = normalize_axes(name, axis, a.ndim)
    return a, axis


@implements(np.sort)
def sort(a: Any, axis: int | None = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    """The elements along an axis from the smallest to the largest, NaN last.

    >>> pyad.jacobian(np.sort)(np.array([2.0, 1.0]))
    array([[0., 1.],
           [1., 0.]])
    """
    a, axis = _sortable("sort", a, axis)
    if order is not None:
        raise ValueError("sort: order= names fields, which arrays of numbers have not")
    # The order must not depend on the algorithm: of equal elements, each gets its own derivative.
    return take_in_order(a, lambda value: np.argsort(value, axis, kind="stable"), axis)


@implements(np.sort_complex)
def sort_complex(a: Any) -> Any:
    """The elements along the last axis sorted by their real parts, then by the imaginary ones; complex, as in NumPy.

    >>> pyad.grad(lambda x: np.sort_complex(x).real[0])(np.array([2.0, 1.0]))
    array([0., 1.])
    """
    ordered = sort(a)
    return ordered if ordered.dtype.kind == "c" else astype(ordered, complex)


@implements(np.partition)
def partition(a: Any, kth: Any, axis: int | None = -1, kind: str = "introselect", order: Any = None) -> Any:
    """The elements along an axis with the kth where sorting would put it, smaller ones before it, larger behind.

    >>> pyad.jacobian(lambda x: np.partition(x, 0))(np.array([2.0, 1.0]))
    array([[0., 1.],
           [1., 0.]])
    """
    a, axis = _sortable("partition", a, axis)
    return take_in_order(a, lambda value: np.argpartition(value, kth, axis, kind, order), axis)


@implements(np.unique)
def unique(
    ar: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    *,
    equal_nan: bool = True,
    sorted: bool = True,
) -> Any:
    """The different elements in order; of equal ones, the first gets the derivative. Indices and counts are plain.

    >>> pyad.jacobian(np.unique)(np.array([2.0, 1.0, 1.0]))
    array([[0., 1., 0.],
           [1., 0., 0.]])
    """
    ar = asarray(ar)
    _, first, *rest = computed(
        lambda value: np.unique(value, True, return_inverse, return_counts, axis, equal_nan=equal_nan), ar
    )
    values = ravel(ar)[first] if axis is None else take(ar, first, axis)
    rest = [first, *rest] if return_index else rest
    return (values, *rest) if rest else values


if hasattr(np, "unique_values"):

    @implements(np.unique_values)
    def unique_values(x: Any) -> Any:
        """The different elements, each NaN for itself; of equal ones, the first gets the derivative.

        >>> pyad.jacobian(np.unique_values)(np.array([2.0, 1.0, 1.0]))
        array([[0., 1., 0.],
               [1., 0., 0.]])
        """
        x = asarray(x)
        return ravel(x)[computed(_places_of_different, x)]

    def _places_of_different(value: Any) -> np.ndarray:
        """Where each of the values comes first, in the order that NumPy gives them."""
        values = np.asarray(np.unique_values(value))
        first = np.unique(value, return_index=True, equal_nan=False)[1]
        by_value = np.argsort(values, kind="stable")
        places = np.empty(len(values), np.int64)
        places[by_value] = first
        return places

    @implements(np.unique_counts)
    def unique_counts(x: Any) -> Any:
        """(values, counts), as a named tuple; see `unique`.

        >>> pyad.jacobian(lambda x: np.unique_counts(x).values)(np.array([2.0, 1.0, 1.0]))
        array([[0., 1., 0.],
               [1., 0., 0.]])
        """
        x = asarray(x)
        found = computed(np.unique_counts, x)
        return found._replace(values=unique(x, equal_nan=False))

    @implements(np.unique_inverse)
    def unique_inverse(x: Any) -> Any:
        """(values, inverse_indices), as a named tuple; see `unique`.

        >>> pyad.jacobian(lambda x: np.unique_inverse(x).values)(np.array([2.0, 1.0, 1.0]))
        array([[0., 1., 0.],
               [1., 0., 0.]])
        """
        x = asarray(x)
        found = computed(np.unique_inverse, x)
        return found._replace(values=unique(x, equal_nan=False))

    @implements(np.unique_all)
    def unique_all(x: Any) -> Any:
        """(values, indices, inverse_indices, counts), as a named tuple; see `unique`.

        >>> pyad.jacobian(lambda x: np.unique_all(x).values)(np.array([2.0, 1.0, 1.0]))
        array([[0., 1., 0.],
               [1., 0., 0.]])
        """
        x = asarray(x)
        found = computed(np.unique_all, x)
        return found._replace(values=unique(x, equal_nan=False))

"""Sets as sorted rows of different numbers, and counts of numbers by intervals. Which elements are in a set comes from
the values; each passes its derivative on to the element it was taken from."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyad._ops._registry import implements
from pyad._ops.selection import bincount
from pyad._ops.shape import asarray, astype, concatenate, ravel
from pyad._ops.sorting import sort, unique
from pyad._trace.recorded_call import computed, detached

__all__ = ["histogram", "histogram_bin_edges", "intersect1d", "setdiff1d", "setxor1d", "union1d"]


def _row(x: Any) -> Any:
    return ravel(asarray(x))


@implements(np.union1d)
def union1d(ar1: Any, ar2: Any) -> Any:
    """What is in one of two arrays; of equal elements, the first gets the derivative.

    >>> pyad.jacobian(lambda x: np.union1d(x, [1.0, 3.0]))(np.array([2.0]))
    array([[0.],
           [1.],
           [0.]])
    """
    return unique(concatenate([_row(ar1), _row(ar2)]))


@implements(np.intersect1d)
def intersect1d(ar1: Any, ar2: Any, assume_unique: bool = False, return_indices: bool = False) -> Any:
    """What is in both arrays; the derivative goes to the first.

    >>> pyad.jacobian(lambda x: np.intersect1d(x, [1.0, 3.0]))(np.array([2.0, 3.0]))
    array([[0., 1.]])
    """
    ar1, ar2 = _row(ar1), _row(ar2)
    values, *places = computed(lambda a, b: np.intersect1d(a, b, assume_unique, True), ar1, ar2)
    found = astype(ar1[places[0]], values.dtype)
    return (found, *places) if return_indices else found


@implements(np.setdiff1d)
def setdiff1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    """What is in the first array and not in the second; sorted, but for `assume_unique`.

    >>> pyad.jacobian(lambda x: np.setdiff1d(x, [1.0, 3.0]))(np.array([2.0, 3.0]))
    array([[1., 0.]])
    """
    ar1 = _row(ar1) if assume_unique else unique(ar1)
    return ar1[computed(lambda a, b: np.isin(a, b, invert=True), ar1, _row(ar2))]


@implements(np.setxor1d)
def setxor1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    """What is in one of two arrays and not in the other, sorted.

    >>> pyad.jacobian(lambda x: np.setxor1d(x, [1.0, 3.0]))(np.array([2.0, 3.0]))
    array([[0., 0.],
           [1., 0.]])
    """
    ar1, ar2 = (_row(x) if assume_unique else unique(x) for x in (ar1, ar2))
    both = sort(concatenate([ar1, ar2]))
    return both[computed(_stand_alone, both)]


def _stand_alone(value: np.ndarray) -> np.ndarray:
    """Which of sorted numbers have no equal."""
    differs = np.concatenate(([True], value[1:] != value[:-1], [True]))
    return differs[1:] & differs[:-1]


@implements(np.histogram_bin_edges)
def histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Any:
    """The edges of the bins, which move with the smallest and the largest element. Their number is constant.

    >>> pyad.jacobian(lambda x: np.histogram_bin_edges(x, 2))(np.array([0.0, 1.0]))
    array([[1. , 0. ],
           [0.5, 0.5],
           [0. , 1. ]])
    """
    a = asarray(a)
    # How many, and of what dtype, NumPy says.
    count, dtype = computed(_number_of_edges, a, bins, *((None, None) if range is None else range), weights)
    if np.ndim(bins) == 1:
        return asarray(bins)
    low, high = (np.min(a), np.max(a)) if range is None else range
    if detached(low) == detached(high):
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, count, dtype=dtype)


def _number_of_edges(a: Any, bins: Any, low: Any, high: Any, weights: Any) -> tuple[int, np.dtype]:
    edges = np.histogram_bin_edges(a, bins, None if low is None else (low, high), weights)
    return len(edges), edges.dtype


@implements(np.histogram)
def histogram(a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    """(counts, edges). The counts do not change with small changes of a; where they are sums of weights, they are
    differentiable in these, and densities in the edges.

    >>> pyad.jacobian(lambda w: np.histogram([0.0, 1.0], 2, weights=w)[0])(np.ones(2))
    array([[1., 0.],
           [0., 1.]])
    """
    a = asarray(a)
    w = None if weights is None else asarray(weights)
    if w is not None and w.shape != a.shape:
        raise ValueError(f"histogram: weights of shape {w.shape} for an array of shape {a.shape}")
    edges = histogram_bin_edges(a, bins, range, None if w is None else detached(w))
    if w is None:
        counts: Any = computed(lambda a, edges: np.histogram(a, edges)[0], a, edges)
    else:
        counts = _sums(computed(_bins, a, edges), ravel(w), len(edges))[:-1]
    return (counts / astype(np.diff(edges), float) / np.sum(counts) if density else counts), edges


def _sums(place: Any, w: Any, count: int) -> Any:
    """The sums of the weights at each place, in their dtype."""
    if w.dtype.kind == "c":
        return _sums(place, np.real(w), count) + 1j * _sums(place, np.imag(w), count)
    return astype(bincount(place, w, count), w.dtype)


def _bins(x: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The number of the bin of each element. The last edge is in the last bin, and what lies outside in one more."""
    x = np.ravel(x)
    last = len(edges) - 1
    place = np.searchsorted(edges, x, "right") - 1
    place[x == edges[-1]] = last - 1
    place[(place < 0) | (place >= last)] = last
    return place

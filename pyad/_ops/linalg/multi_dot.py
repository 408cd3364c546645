"""Products of `numpy.linalg`: chains and powers of matrices, and the names it shares with the main namespace."""

from __future__ import annotations

from collections.abc import Callable
from operator import index
from typing import Any

import numpy as np
from numpy.linalg import LinAlgError

from pyad._ops._registry import implementation, implements
from pyad._ops.linalg._matrices import as_array
from pyad._ops.linalg.matmul import matmul
from pyad._ops.linalg.solve import inv
from pyad._ops.linalg.tensordot import dot
from pyad._ops.shape import reshape
from pyad.errors import ShapeError

__all__ = ["matrix_power", "multi_dot"]


@implements(np.linalg.matrix_power)
def matrix_power(a: Any, n: Any) -> Any:
    """The n-th powers of a stack of matrices, of their inverses for negative n.

    >>> pyad.grad(lambda a: np.linalg.matrix_power(a, 3)[0, 0])(np.array([[2.0]]))
    array([[12.]])
    """
    a = as_array(a)
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise LinAlgError(f"matrix_power: the matrices must be square, got shape {a.shape}")
    try:
        n = index(n)
    except TypeError:
        raise TypeError(f"matrix_power: the exponent must be an integer, got {n!r}") from None
    if n == 0:
        return np.broadcast_to(np.eye(a.shape[-1], dtype=a.dtype), a.shape).copy()
    if n < 0:
        a, n = inv(a), -n
    result = None
    while True:
        n, odd = divmod(n, 2)
        if odd:
            result = a if result is None else matmul(result, a)
        if not n:
            return result
        a = matmul(a, a)


def _cheapest_splits(lengths: list[int]) -> dict[tuple[int, int], int]:
    """Where to cut each run of a chain whose k-th matrix is lengths[k] by lengths[k + 1]: Cormen et al., "Introduction
    to Algorithms", 15.2."""
    count = len(lengths) - 1
    cost = {(i, i): 0 for i in range(count)}
    cuts = {}
    for run in range(1, count):
        for i in range(count - run):
            j = i + run
            ways = {k: cost[i, k] + cost[k + 1, j] + lengths[i] * lengths[k + 1] * lengths[j + 1] for k in range(i, j)}
            cuts[i, j] = min(ways, key=ways.__getitem__)
            cost[i, j] = ways[cuts[i, j]]
    return cuts


@implements(np.linalg.multi_dot)
def multi_dot(arrays: Any, *, out: Any = None) -> Any:
    """The product of a chain of matrices in the order that takes the fewest multiplications.

    >>> pyad.grad(lambda x: np.linalg.multi_dot([x, np.eye(2), np.array([1.0, 2.0])]))(np.ones(2))
    array([1., 2.])
    """
    if out is not None:
        raise TypeError("multi_dot: out= is not supported for traced values; use the returned array")
    chain = [as_array(x) for x in arrays]
    if len(chain) < 2:
        raise ValueError(f"multi_dot: expected at least two arrays, got {len(chain)}")
    if len(chain) == 2:
        return dot(*chain)
    first, last = chain[0].ndim == 1, chain[-1].ndim == 1
    if first:
        chain[0] = reshape(chain[0], (1, chain[0].size))
    if last:
        chain[-1] = reshape(chain[-1], (chain[-1].size, 1))
    for k, x in enumerate(chain):
        if x.ndim != 2:
            raise LinAlgError(f"multi_dot: array {k} has {x.ndim} dimensions, expected a matrix")
        if k and chain[k - 1].shape[1] != x.shape[0]:
            raise ShapeError(f"multi_dot: shapes {chain[k - 1].shape} and {x.shape} do not contract")
    cuts = _cheapest_splits([chain[0].shape[0], *(x.shape[1] for x in chain)])

    def product(i: int, j: int) -> Any:
        return chain[i] if i == j else matmul(product(i, cuts[i, j]), product(cuts[i, j] + 1, j))

    result = product(0, len(chain) - 1)
    shape = result.shape[first : 2 - last]
    return reshape(result, shape)


# ---- names that numpy.linalg shares with numpy, with the rules of the array API ----


def _same(theirs: Callable[..., Any]) -> Callable[..., Any]:
    """The function of the main namespace of the same name, reached through its own protocol."""
    main = getattr(np, theirs.__name__)

    def function(*args: Any, **keywords: Any) -> Any:
        return main(*map(as_array, args), **keywords)

    function.__name__ = function.__qualname__ = theirs.__name__
    shown = (getattr(implementation(main), "__doc__", None) or "").partition(">>> ")[2]
    function.__doc__ = f"As `numpy.{theirs.__name__}`.\n\n    >>> {shown}"
    return function


def _outer(x1: Any, x2: Any, /) -> Any:
    """The outer product of two vectors.

    >>> pyad.grad(lambda x: np.sum(np.linalg.outer(x, np.array([1.0, 2.0]))))(np.ones(2))
    array([3., 3.])
    """
    x1, x2 = as_array(x1), as_array(x2)
    if x1.ndim != 1 or x2.ndim != 1:
        raise ValueError(f"outer: expected two 1-D arrays, got {x1.ndim} and {x2.ndim} dimensions")
    return np.outer(x1, x2)


def _cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """The cross product of vectors of length three.

    >>> pyad.grad(lambda x: np.linalg.cross(x, np.array([0.0, 0.0, 1.0]))[0])(np.ones(3)) + 0.0
    array([0., 1., 0.])
    """
    x1, x2 = as_array(x1), as_array(x2)
    if x1.shape[axis] != 3 or x2.shape[axis] != 3:
        raise ValueError(f"cross: expected vectors of length 3, got {x1.shape[axis]} and {x2.shape[axis]}")
    return np.cross(x1, x2, axis=axis)


def _diagonal(x: Any, /, *, offset: int = 0) -> Any:
    """The diagonals of a stack of matrices.

    >>> pyad.grad(lambda x: np.linalg.diagonal(x)[1])(np.ones((2, 2)))
    array([[0., 0.],
           [0., 1.]])
    """
    return np.diagonal(as_array(x), offset, -2, -1)


def _trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """The traces of a stack of matrices.

    >>> pyad.grad(np.linalg.trace)(np.ones((2, 2)))
    array([[1., 0.],
           [0., 1.]])
    """
    return np.trace(as_array(x), offset, -2, -1, dtype=dtype)


for _name, _ours in {"outer": _outer, "cross": _cross, "diagonal": _diagonal, "trace": _trace}.items():
    if hasattr(np.linalg, _name):
        implements(getattr(np.linalg, _name))(_ours)
for _name in ("matmul", "matrix_transpose", "tensordot", "vecdot"):
    # Where both are one function, the main namespace has it.
    if hasattr(np.linalg, _name) and getattr(np.linalg, _name) is not getattr(np, _name):
        implements(getattr(np.linalg, _name))(_same(getattr(np.linalg, _name)))

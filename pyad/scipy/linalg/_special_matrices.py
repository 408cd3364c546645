"""Matrices made of vectors and blocks."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyad._ops._registry import over
from pyad._ops.shape import asarray
from pyad.errors import ShapeError
from pyad.scipy._namespace import load

_theirs = load("scipy.linalg")


def _vector(name: str, x: Any) -> Any:
    x = asarray(x)
    if x.ndim > 1:
        raise ShapeError(f"{name}: shape {x.shape}, expected a vector (n,)")
    return np.reshape(x, (-1,))


@over(_theirs.toeplitz)
def toeplitz(c: Any, r: Any = None) -> Any:
    """The matrix with constant diagonals whose first column is c, and whose first row is r (by default c conjugated).

    Raises:
        ShapeError: c or r is no vector.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.linalg import toeplitz
    >>> pyad.grad(lambda c: np.sum(toeplitz(c)))(np.ones(3))
    array([3., 4., 2.])
    """
    c = _vector("toeplitz", c)
    r = c.conj() if r is None else _vector("toeplitz", r)
    entries = np.concatenate([c[::-1], r[1:]])
    return entries[c.shape[0] - 1 - np.arange(c.shape[0])[:, None] + np.arange(r.shape[0])]


@over(_theirs.hankel)
def hankel(c: Any, r: Any = None) -> Any:
    """The matrix with constant anti-diagonals whose first column is c, and whose last row is r (by default zeros).

    Raises:
        ShapeError: c or r is no vector.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.linalg import hankel
    >>> pyad.grad(lambda c: np.sum(hankel(c)))(np.ones(3))
    array([1., 2., 3.])
    """
    c = _vector("hankel", c)
    r = np.zeros(c.shape, c.dtype) if r is None else _vector("hankel", r)
    entries = np.concatenate([c, r[1:]])
    return entries[np.arange(c.shape[0])[:, None] + np.arange(r.shape[0])]


@over(_theirs.circulant)
def circulant(c: Any) -> Any:
    """The matrix whose columns are c, rotated down by one more place each. c is (..., n), the result (..., n, n).

    Raises:
        TypeError: c is no array of numbers.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.linalg import circulant
    >>> pyad.grad(lambda c: circulant(c)[0, 1])(np.ones(3))
    array([0., 0., 1.])
    """
    c = np.reshape(asarray(c), (1,)) if asarray(c).ndim == 0 else asarray(c)
    places = np.arange(c.shape[-1])
    index = (places[:, None] - places) % max(c.shape[-1], 1)
    return np.moveaxis(np.moveaxis(c, -1, 0)[index], (0, 1), (-2, -1))


@over(_theirs.block_diag)
def block_diag(*arrs: Any) -> Any:
    """The block diagonal matrix of the given matrices; a vector is a row, a number a matrix of one entry.

    Args:
        *arrs: Arrays of at most two axes, or stacks of matrices that broadcast.

    Raises:
        TypeError: One of them is no array of numbers.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.linalg import block_diag
    >>> pyad.grad(lambda x: np.sum(block_diag(x, [[2.0]])))(np.ones((1, 2)))
    array([[1., 1.]])
    """
    blocks = [asarray(x) for x in arrs]
    blocks = [np.reshape(x, (1, x.size)) if x.ndim < 2 else x for x in blocks]
    batch = np.broadcast_shapes(*(x.shape[:-2] for x in blocks))
    width = sum(x.shape[-1] for x in blocks)
    rows = []
    start = 0
    for block in blocks:
        m, n = block.shape[-2:]
        # Zeros of the block's own dtype, so that the dtype of the whole is that of the blocks.
        parts = [np.zeros((*batch, m, k), block.dtype) for k in (start, width - start - n)]
        rows.append(np.concatenate([parts[0], np.broadcast_to(block, (*batch, m, n)), parts[1]], -1))
        start += n
    return np.concatenate(rows, -2)

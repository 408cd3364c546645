"""Products of sparse matrices with traced arrays. A matrix object of SciPy is constant; in `coo_matmul` the entries are
differentiated too."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyad._ops.shape import asarray
from pyad._trace.array import is_traced
from pyad._trace.numpy_op import numpy_op_linear
from pyad.errors import DTypeError, ShapeError
from pyad.scipy._namespace import load

_theirs = load("scipy.sparse")

_product = numpy_op_linear(
    "sparse_matmul", lambda x, matrix: matrix @ x, lambda s, x, matrix: (_product(s, matrix=matrix.T),)
)


def check_matrix(name: str, matrix: Any) -> None:
    """Raise where a sparse operand is not a real matrix."""
    if matrix.ndim != 2:
        raise ShapeError(f"{name}: the sparse operand has shape {matrix.shape}, expected a matrix")
    if matrix.dtype.kind not in "biuf":
        raise DTypeError(f"{name}: a sparse operand of dtype {matrix.dtype} with a traced one, expected real numbers")


def matmul(a: Any, b: Any) -> Any:
    """a @ b, where one is a sparse matrix or array of SciPy (of any format) and the other a dense vector or matrix.

    The derivative is by the dense operand, and is a product with the transposed matrix; the sparse one is constant. The
    operators a @ b and the method a.dot(b) do the same.

    Args:
        a: Sparse, (m, n), or dense, (m,) or (k, m).
        b: Dense, (n,) or (n, k), or sparse.

    Returns:
        The dense product.

    Raises:
        ShapeError: Shapes that do not fit.
        TypeError: No operand is sparse.

    >>> import numpy as np
    >>> import pyad
    >>> import scipy.sparse
    >>> from pyad.scipy.sparse import matmul
    >>> a = scipy.sparse.csr_array([[1.0, 0.0], [2.0, 3.0]])
    >>> pyad.grad(lambda x: np.sum(matmul(a, x)))(np.ones(2))
    array([3., 3.])
    """
    left, right = _theirs.issparse(a), _theirs.issparse(b)
    if not left and not right:
        raise TypeError(
            f"matmul: operands of type {type(a).__name__} and {type(b).__name__}, expected a sparse matrix or array"
        )
    if left and right:
        return a @ b
    matrix, x = (a, asarray(b)) if left else (b, asarray(a))
    if not is_traced(x):
        return a @ b
    check_matrix("matmul", matrix)
    inner = matrix.shape[1] if left else matrix.shape[0]
    if x.ndim not in (1, 2) or x.shape[0 if left else -1] != inner:
        shapes = f"{matrix.shape} and {x.shape}" if left else f"{x.shape} and {matrix.shape}"
        raise ShapeError(f"matmul: shapes {shapes} do not contract; the dense operand is a vector or a matrix")
    if left:
        return _product(x, matrix=matrix)
    out = _product(x if x.ndim == 1 else np.transpose(x), matrix=matrix.T)
    return out if x.ndim == 1 else np.transpose(out)


# ---- matrices whose entries are differentiated ----


def entries_product(u: Any, v: Any, coords: tuple[np.ndarray, np.ndarray]) -> Any:
    """The entries of u v^T at some places."""
    out = u[coords[0]] * v[coords[1]]
    return out if out.ndim == 1 else np.sum(out, axis=1)


def _coo_reference(data: Any, x: Any, coords: tuple[np.ndarray, np.ndarray], shape: tuple[int, int]) -> Any:
    return _theirs.coo_array((data, coords), shape=shape).tocsr() @ x


def _coo_transpose(
    s: Any, data: Any, x: Any, coords: tuple[np.ndarray, np.ndarray], shape: tuple[int, int]
) -> tuple[Any, ...]:
    return entries_product(s, x, coords), coo_product(data, s, coords=coords[::-1], shape=shape[::-1])


coo_product = numpy_op_linear("coo_matmul", _coo_reference, _coo_transpose)


def checked_coords(name: str, data: Any, coords: Any, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the entries, as arrays of integers within the shape."""
    rows, columns = (np.asarray(places, np.int64) for places in coords)
    if data.ndim != 1 or rows.shape != data.shape or columns.shape != data.shape:
        raise ShapeError(
            f"{name}: data has shape {data.shape}, rows {rows.shape} and columns {columns.shape}; expected three "
            "vectors of one length"
        )
    for places, length in ((rows, shape[0]), (columns, shape[1])):
        if places.size and not 0 <= places.min() <= places.max() < length:
            raise IndexError(f"{name}: a place from {places.min()} to {places.max()} is outside of the shape {shape}")
    return rows, columns


def coo_matmul(data: Any, coords: Any, shape: tuple[int, int], x: Any) -> Any:
    """A @ x for a sparse matrix A by its entries, differentiable in these.

    It is `scipy.sparse.coo_array((data, coords), shape) @ x`, where entries at the same place add up. The derivative by
    data costs no more than a product, whatever the shape.

    Args:
        data: The entries, (m,).
        coords: Their places, a pair (rows, columns) of integer arrays, (m,) each.
        shape: The shape of A, (r, n).
        x: Dense, (n,) or (n, k).

    Returns:
        The product, (r,) or (r, k), of the common dtype.

    Raises:
        IndexError: A place outside of the shape.
        ShapeError: Shapes that do not fit.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.sparse import coo_matmul
    >>> pyad.grad(lambda data: np.sum(coo_matmul(data, ([0, 1], [1, 1]), (2, 2), np.array([1.0, 3.0]))))(np.ones(2))
    array([3., 3.])
    """
    data, x = asarray(data), asarray(x)
    rows, columns = int(shape[0]), int(shape[1])
    places = checked_coords("coo_matmul", data, coords, (rows, columns))
    if x.ndim not in (1, 2) or x.shape[0] != columns:
        raise ShapeError(f"coo_matmul: x has shape {x.shape} for a matrix of shape {(rows, columns)}")
    return coo_product(data, x, coords=places, shape=(rows, columns))

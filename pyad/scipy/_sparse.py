"""Products of sparse matrices, which are constant, with traced arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyad.array import is_traced
from pyad.errors import DTypeError, ShapeError
from pyad.ops.shape import asarray
from pyad.scipy._common import define_linear, load

_theirs = load("scipy.sparse")

_product = define_linear(
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

    Raises:
        ShapeError: shapes that do not fit.
        TypeError: no operand is sparse.

    >>> import numpy as np
    >>> import pyad
    >>> import scipy.sparse
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

"""What the rules of linear algebra are made of: transposes, triangles and diagonals of stacks of matrices.

All take plain arrays as well as traced ones. The rules follow one convention for complex numbers: a cotangent g of y
stands for the real function Re(sum(g * dy)), so that the rule of a holomorphic function has no conjugate in it. Where a
function is not holomorphic (its formula has `adjoint` or a real part) the rule is derived for `conj(g)` and its answer
is conjugated. For real arrays `conj` and `real` do nothing.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from pyad._ops.comparison import where
from pyad._ops.shape import array, astype, swapaxes, transpose
from pyad._trace.array import contains_traced, is_traced
from pyad._trace.recorded_call import detached, may_hold
from pyad._trace.traced_integer import TracedInteger
from pyad.errors import ShapeError

__all__ = [
    "adjoint",
    "as_array",
    "check_square",
    "column",
    "conj",
    "diagonal",
    "half_lower",
    "hermitian_from",
    "hermitian_onto",
    "hermitian_part",
    "is_complex",
    "masked",
    "on_diagonal",
    "over_gaps",
    "quotient",
    "real",
    "row",
    "transposed",
    "tril",
    "triu",
    "vanishes",
]


def as_array(x: Any) -> Any:
    """A list that holds traced values as a traced array, other lists as NumPy's, and arrays as they are."""
    if is_traced(x):
        return x
    if type(x) is TracedInteger:
        return astype(x, float)
    return array(x) if type(x) in (list, tuple) and contains_traced(x) else np.asarray(x)


def inexact(x: Any) -> Any:
    """An operand as `numpy.linalg` takes it: integers of any width are float64."""
    x = as_array(x)
    return x.astype(np.float64) if x.dtype.kind in "bui" else x


def is_complex(x: Any) -> bool:
    """Whether the dtype is complex."""
    return x.dtype.kind == "c"


def conj(x: Any) -> Any:
    """The conjugate; real arrays as they are."""
    return np.conj(x) if is_complex(x) else x


def real(x: Any) -> Any:
    """The real part; real arrays as they are."""
    return np.real(x) if is_complex(x) else x


def transposed(x: Any) -> Any:
    """The transposed matrices of a stack, not conjugated."""
    return transpose(x) if x.ndim == 2 else swapaxes(x, -1, -2)


def adjoint(x: Any) -> Any:
    """The conjugate transposed matrices of a stack."""
    return conj(transposed(x))


def hermitian_part(x: Any) -> Any:
    """The mean of x and its adjoint."""
    return 0.5 * (x + adjoint(x))


def check_square(name: str, x: Any, what: str = "a") -> None:
    """Raise where x is no (stack of) square matrices."""
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ShapeError(f"{name}: {what} has shape {x.shape}, expected square matrices (..., n, n)")


def row(v: Any) -> Any:
    """A stack of vectors as rows: v * row(w) scales the columns of v."""
    return v[..., None, :]


def column(v: Any) -> Any:
    """A stack of vectors as columns."""
    return v[..., :, None]


def diagonal(x: Any) -> Any:
    """The main diagonals of a stack."""
    if not is_traced(x):
        return np.diagonal(x, axis1=-2, axis2=-1)
    places = np.arange(min(x.shape[-2:]))
    return x[..., places, places]


def _mask(rows: int, columns: int, k: int) -> np.ndarray:
    """True on and below the k-th diagonal."""
    return _small_mask(rows, columns, k) if rows * columns <= _SMALL else np.tri(rows, columns, k, dtype=bool)


def _identity(n: int) -> np.ndarray:
    """True on the diagonal."""
    return _small_identity(n) if n * n <= _SMALL else np.eye(n, dtype=bool)


# Small masks are kept: to make one takes longer than to use it.
_SMALL = 1024


@functools.lru_cache(maxsize=64)
def _small_mask(rows: int, columns: int, k: int) -> np.ndarray:
    mask = np.tri(rows, columns, k, dtype=bool)
    mask.setflags(write=False)
    return mask


@functools.lru_cache(maxsize=64)
def _small_identity(n: int) -> np.ndarray:
    mask = np.eye(n, dtype=bool)
    mask.setflags(write=False)
    return mask


def on_diagonal(v: Any) -> Any:
    """The stack of diagonal matrices of a stack of vectors."""
    return where(_identity(v.shape[-1]), row(v), 0.0)


def masked(x: Any, keep: np.ndarray) -> Any:
    """x where `keep` holds, and zeros elsewhere."""
    return where(keep, x, 0.0)


def tril(x: Any, k: int = 0) -> Any:
    """The lower triangles of a stack."""
    return masked(x, _mask(*x.shape[-2:], k))


def triu(x: Any, k: int = 0) -> Any:
    """The upper triangles of a stack."""
    return where(_mask(*x.shape[-2:], k - 1), 0.0, x)


def half_lower(x: Any) -> Any:
    """The lower triangles with half the diagonal: the Φ of Murray 2016."""
    low = tril(x)
    return where(_identity(x.shape[-1]), 0.5 * low, low)


# Decompositions of Hermitian matrices read one triangle, and take the other to be its mirror image.


def hermitian_from(x: Any, uplo: str = "L") -> Any:
    """The Hermitian matrix that such a decomposition sees."""
    half = half_lower(x if uplo == "L" else adjoint(x))
    return half + adjoint(half)


def hermitian_onto(x: Any, uplo: str = "L") -> Any:
    """The transposed map: a cotangent of the Hermitian matrix, laid onto the triangle that is read."""
    half = half_lower(x + adjoint(x))
    return half if uplo == "L" else adjoint(half)


# ---- quotients that may be 0 / 0 ----


def vanishes(x: Any) -> bool:
    """Whether a plain cotangent is zero. A traced one never is: its derivative need not be."""
    return not is_traced(x) and not np.any(x)


def quotient(x: Any, d: Any) -> Any:
    """x / d; 0 where both are zero, and NaN where d alone is: there is no derivative."""
    closed = detached(d) == 0
    if not may_hold(closed):
        return x / d
    lost = closed & (detached(x) != 0)
    out = where(closed, 0.0, x / where(closed, 1.0, d))
    return where(lost, np.nan, out) if may_hold(lost) else out


def over_gaps(x: Any, gaps: Any) -> Any:
    """As `quotient`, off the diagonal; 0 on it."""
    return quotient(where(_identity(x.shape[-1]), 0.0, x), gaps)

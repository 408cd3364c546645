"""Linear systems, general, triangular, banded and factorised.

The derivatives are those of the equation, so each costs one more solve with the transposed matrices: from A x = b
follows A dx = db - dA x (Giles, Collected matrix derivative results for forward and reverse mode, 2008).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pyad._ops._registry import over
from pyad._ops.linalg._matrices import adjoint, check_square, hermitian_part, masked, transposed, tril, triu
from pyad._ops.shape import asarray
from pyad._trace.numpy_op import numpy_op
from pyad._trace.recorded_call import computed
from pyad.errors import ShapeError
from pyad.scipy._namespace import load, run_by

_theirs = load("scipy.linalg")

# ---- A x = b ----

_LONG_NAMES = {
    "gen": "general",
    "sym": "symmetric",
    "her": "hermitian",
    "pos": "positive definite",
}


def _structured(g: Any, kind: str | None) -> Any:
    """What of a derivative by the matrix remains where only matrices of this kind are meant."""
    if kind in ("symmetric", "hermitian", "positive definite"):
        return 0.5 * (g + transposed(g)) if kind == "symmetric" else hermitian_part(g)
    if kind == "upper triangular":
        return triu(g)
    if kind == "lower triangular":
        return tril(g)
    if kind == "diagonal":
        return masked(g, np.eye(g.shape[-1], dtype=bool))
    if kind == "tridiagonal":
        return triu(tril(g, 1), -1)
    return g


def _transposed(kind: str | None) -> str | None:
    swapped = {"upper triangular": "lower triangular", "lower triangular": "upper triangular"}
    return swapped.get(kind or "", kind)


def _solve_reference(a: Any, b: Any, kind: str | None, lower: bool) -> Any:
    # The short names are those that older versions of SciPy know as well.
    short = {long: name for name, long in _LONG_NAMES.items()}
    options = {} if kind is None else {"assume_a": short.get(kind, kind)}
    return _theirs.solve(a, b, lower=lower, **options)


def _solve_vjp(s: Any, y: Any, a: Any, b: Any, kind: str | None, lower: bool) -> tuple[Any, ...]:
    w = _solve(transposed(a), s, kind=_transposed(kind), lower=not lower)
    return _structured(-(w @ transposed(y)), kind), w


def _solve_jvp(tangents: list[Any], y: Any, a: Any, b: Any, kind: str | None, lower: bool) -> Any:
    da, db = tangents
    return _solve(a, right_side(None if da is None else _structured(da, kind), db, y), kind=kind, lower=lower)


def right_side(da: Any, db: Any, y: Any) -> Any:
    """db - da y, where either may be None."""
    if da is None:
        return db
    return -(da @ y) if db is None else db - da @ y


_solve = numpy_op("solve", run_by(_solve_reference), _solve_vjp, _solve_jvp)


def _with_columns(name: str, a: Any, b: Any, solver: Any) -> Any:
    """solver(b) for a matrix b; a vector is one column."""
    check_square(name, a)
    if b.ndim == 0 or b.shape[0 if b.ndim == 1 else -2] != a.shape[-1]:
        raise ShapeError(f"{name}: a has shape {a.shape} and b {b.shape}; expected b of shape (n,) or (..., n, k)")
    return solver(b[:, None])[..., 0] if b.ndim == 1 else solver(b)


@over(_theirs.solve)
def solve(
    a: Any,
    b: Any,
    lower: bool = False,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
    assume_a: str | None = None,
    transposed: bool = False,
) -> Any:
    """The solution x of a x = b; see `scipy.linalg.solve`.

    a is (..., n, n) and b is (n,) or (..., n, k). With `assume_a` of a kind of matrices, the derivative by a is one
    of that kind: symmetric for "sym" and "pos", zero outside of a band or triangle.

    Raises:
        numpy.linalg.LinAlgError: a is singular (or not positive definite for "pos").
        ShapeError: shapes that do not fit.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.linalg import solve
    >>> pyad.grad(lambda b: np.sum(solve([[2.0, 0.0], [0.0, 4.0]], b)))(np.ones(2))
    array([0.5 , 0.25])
    """
    a, b = asarray(a), asarray(b)
    kind = _LONG_NAMES.get(assume_a or "", assume_a)
    if transposed:
        a, kind, lower = a.mT, _transposed(kind), not lower
    return _with_columns("solve", a, b, lambda columns: _solve(a, columns, kind=kind, lower=lower))


# ---- triangular ----

_TRANS = {0: 0, 1: 1, 2: 2, "N": 0, "T": 1, "C": 2}


def _triangle(g: Any, lower: bool, unit_diagonal: bool) -> Any:
    return tril(g, -1 if unit_diagonal else 0) if lower else triu(g, 1 if unit_diagonal else 0)


def _triangular_vjp(s: Any, y: Any, a: Any, b: Any, trans: int, lower: bool, unit_diagonal: bool) -> tuple[Any, ...]:
    w = _solve_triangular(a, s, trans=1 - trans, lower=lower, unit_diagonal=unit_diagonal)
    g = y @ transposed(w) if trans else w @ transposed(y)
    return _triangle(-g, lower, unit_diagonal), w


def _triangular_jvp(tangents: list[Any], y: Any, a: Any, b: Any, trans: int, lower: bool, unit_diagonal: bool) -> Any:
    da, db = tangents
    if da is not None:
        da = _triangle(da, lower, unit_diagonal)
        da = transposed(da) if trans else da
    right = right_side(da, db, y)
    return _solve_triangular(a, right, trans=trans, lower=lower, unit_diagonal=unit_diagonal)


_solve_triangular = numpy_op("solve_triangular", run_by(_theirs.solve_triangular), _triangular_vjp, _triangular_jvp)


@over(_theirs.solve_triangular)
def solve_triangular(
    a: Any,
    b: Any,
    trans: Any = 0,
    lower: bool = False,
    unit_diagonal: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
) -> Any:
    """The solution x of a x = b for a triangular matrix; see `scipy.linalg.solve_triangular`.

    a is (..., n, n), of which one triangle is read, and b is (n,) or (..., n, k); `trans` solves with a^T (1, "T") or
    the adjoint (2, "C"). The derivative by what is not read is zero.

    Raises:
        numpy.linalg.LinAlgError: a is singular.
        ShapeError: shapes that do not fit.
        ValueError: an unknown `trans`.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.linalg import solve_triangular
    >>> a = np.array([[2.0, 0.0], [1.0, 4.0]])
    >>> pyad.grad(lambda b: solve_triangular(a, b, lower=True)[1])(np.ones(2))
    array([-0.125,  0.25 ])
    """
    a, b = asarray(a), asarray(b)
    if trans not in _TRANS:
        raise ValueError(f"solve_triangular: trans must be 0, 1, 2, 'N', 'T' or 'C', got {trans!r}")
    which = _TRANS[trans]
    if which == 2:
        a, which = a.conj(), 1
    return _with_columns(
        "solve_triangular",
        a,
        b,
        lambda columns: _solve_triangular(a, columns, trans=which, lower=lower, unit_diagonal=unit_diagonal),
    )


@over(_theirs.cho_solve)
def cho_solve(c_and_lower: Any, b: Any, overwrite_b: bool = False, check_finite: bool = True) -> Any:
    """The solution x of a x = b, given what `cho_factor(a)` returns.

    Args:
        c_and_lower: (c, lower), a triangular factor, (..., n, n), and whether it is the lower one.

    Raises:
        numpy.linalg.LinAlgError: The factor is singular.
        ShapeError: Shapes that do not fit.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.linalg import cho_solve
    >>> pyad.grad(lambda b: np.sum(cho_solve((2.0 * np.eye(2), True), b)))(np.ones(2))
    array([0.25, 0.25])
    """
    c, lower = c_and_lower
    half = solve_triangular(c, b, trans="N" if lower else "C", lower=lower)
    return solve_triangular(c, half, trans="C" if lower else "N", lower=lower)


@over(_theirs.lu_solve)
def lu_solve(lu_and_piv: Any, b: Any, trans: int = 0, overwrite_b: bool = False, check_finite: bool = True) -> Any:
    """The solution x of a x = b, given what `lu_factor(a)` returns. `trans` solves with a^T (1) or the adjoint (2).

    Args:
        lu_and_piv: (lu, pivots), the factors, (..., n, n), and integers, (..., n).

    Raises:
        numpy.linalg.LinAlgError: The factor is singular.
        ShapeError: Shapes that do not fit.
        ValueError: An unknown `trans`.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.linalg import lu_solve
    >>> pyad.grad(lambda b: np.sum(lu_solve((2.0 * np.eye(2), np.arange(2)), b)))(np.ones(2))
    array([0.5, 0.5])
    """
    lu, pivots = lu_and_piv
    b = asarray(b)
    n = np.shape(lu)[-1]
    if not b.ndim or b.shape[-2:][0] != n:
        raise ShapeError(
            f"lu_solve: lu has shape {np.shape(lu)} and b {b.shape}; expected b of shape ({n},) or (..., {n}, k)"
        )
    order = computed(_permutation, asarray(pivots))
    if b.ndim == 1 and order.ndim > 1:
        return lu_solve(lu_and_piv, b[:, None], trans)[..., 0]
    if trans == 0:
        half = solve_triangular(lu, _rows(b, order), lower=True, unit_diagonal=True)
        return solve_triangular(lu, half)
    half = solve_triangular(lu, b, trans=trans)
    out = solve_triangular(lu, half, trans=trans, lower=True, unit_diagonal=True)
    return _rows(out, computed(lambda order: np.argsort(order, -1), order))


def _permutation(pivots: np.ndarray) -> np.ndarray:
    """The order of rows that LAPACK's exchanges of rows lead to."""
    order = np.broadcast_to(np.arange(pivots.shape[-1]), pivots.shape).copy()
    for exchanges, rows in zip(pivots.reshape(-1, order.shape[-1]), order.reshape(-1, order.shape[-1]), strict=True):
        for k, other in enumerate(exchanges):
            rows[[k, other]] = rows[[other, k]]
    return order


def _rows(x: Any, order: np.ndarray) -> Any:
    """The rows of each matrix (or the entries of a vector) in the given order."""
    if order.ndim == 1:
        return x[order] if x.ndim <= 2 else np.swapaxes(np.swapaxes(x, 0, -2)[order], 0, -2)
    x = np.broadcast_to(x, (*order.shape[:-1], *x.shape[-2:]))
    return x[(*np.indices(order.shape, sparse=True)[:-1], order)]


# ---- banded ----


def _band_places(lower: int, upper: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """For each entry of the band storage its row in the matrix, and whether it is in the matrix."""
    rows = np.arange(lower + upper + 1)[:, None] - upper + np.arange(n)
    return np.clip(rows, 0, max(n - 1, 0)), (rows >= 0) & (rows < n)


def _transposed_band(ab: Any, lower: int, upper: int) -> Any:
    rows, inside = _band_places(upper, lower, ab.shape[-1])
    diagonals = np.broadcast_to(np.arange(lower + upper, -1, -1)[:, None], rows.shape)
    return masked(ab[diagonals, rows], inside)


def _band_product(u: Any, x: Any, lower: int, upper: int) -> Any:
    """The band of u x^T."""
    rows, inside = _band_places(lower, upper, x.shape[0])
    return masked(np.sum(u[rows] * x, axis=-1), inside)


def _banded_matrix(ab: Any, lower: int, upper: int) -> Any:
    """The matrix with a given band."""
    n = ab.shape[-1]
    diagonals = np.arange(n)[:, None] - np.arange(n) + upper
    inside = (diagonals >= 0) & (diagonals <= lower + upper)
    columns = np.broadcast_to(np.arange(n), (n, n))
    return masked(ab[np.clip(diagonals, 0, lower + upper), columns], inside)


def _banded_reference(ab: Any, b: Any, lower: int, upper: int) -> Any:
    return _theirs.solve_banded((lower, upper), ab, b)


def _banded_vjp(s: Any, y: Any, ab: Any, b: Any, lower: int, upper: int) -> tuple[Any, ...]:
    w = _solve_banded(_transposed_band(ab, lower, upper), s, lower=upper, upper=lower)
    return -_band_product(w, y, lower, upper), w


def _banded_jvp(tangents: list[Any], y: Any, ab: Any, b: Any, lower: int, upper: int) -> Any:
    da, db = tangents
    da = None if da is None else _banded_matrix(da, lower, upper)
    return _solve_banded(ab, right_side(da, db, y), lower=lower, upper=upper)


_solve_banded = numpy_op("solve_banded", run_by(_banded_reference), _banded_vjp, _banded_jvp)


@over(_theirs.solve_banded)
def solve_banded(
    l_and_u: Any, ab: Any, b: Any, overwrite_ab: bool = False, overwrite_b: bool = False, check_finite: bool = True
) -> Any:
    """The solution x of a x = b for a banded matrix.

    ab is (lower + upper + 1, n), one row per diagonal, and b is (n,) or (n, k). The derivative by entries of ab that
    are outside of the matrix is zero.

    Args:
        l_and_u: (lower, upper), the numbers of diagonals below and above the main one.

    Raises:
        numpy.linalg.LinAlgError: the matrix is singular.
        ShapeError: shapes that do not fit.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.linalg import solve_banded
    >>> pyad.grad(lambda b: np.sum(solve_banded((0, 0), [[2.0, 4.0]], b)))(np.ones(2))
    array([0.5 , 0.25])
    """
    lower, upper = map(int, l_and_u)
    ab, b = asarray(ab), asarray(b)
    if ab.ndim != 2 or b.ndim not in (1, 2) or ab.shape != (lower + upper + 1, b.shape[0]):
        raise ShapeError(
            f"solve_banded: ab has shape {ab.shape} and b {b.shape}; for {lower} lower and {upper} upper diagonals "
            f"expected ({lower + upper + 1}, n) and (n,) or (n, k)"
        )
    columns = b[:, None] if b.ndim == 1 else b
    out = _solve_banded(ab, columns, lower=lower, upper=upper)
    return out[:, 0] if b.ndim == 1 else out


def _half_diagonal(band: Any, lower: bool) -> Any:
    """The band of one triangle, its diagonal halved, so that with its adjoint it makes the whole matrix."""
    scale = np.ones((band.shape[0], 1), band.dtype)
    scale[0 if lower else -1] = 0.5
    return band * scale


def _symmetric_vjp(s: Any, y: Any, ab: Any, b: Any, lower: bool) -> tuple[Any, ...]:
    # Of complex numbers the matrix is Hermitian: its transpose is its conjugate.
    w = _solveh_banded(ab, s.conj(), lower=lower).conj()
    sides = (ab.shape[0] - 1, 0) if lower else (0, ab.shape[0] - 1)
    return -_half_diagonal(_band_product(w, y, *sides) + _band_product(y, w, *sides).conj(), lower), w


def _symmetric_jvp(tangents: list[Any], y: Any, ab: Any, b: Any, lower: bool) -> Any:
    da, db = tangents
    if da is not None:
        sides = (ab.shape[0] - 1, 0) if lower else (0, ab.shape[0] - 1)
        triangle = _banded_matrix(_half_diagonal(da, lower), *sides)
        da = triangle + adjoint(triangle)
    return _solveh_banded(ab, right_side(da, db, y), lower=lower)


_solveh_banded = numpy_op("solveh_banded", run_by(_theirs.solveh_banded), _symmetric_vjp, _symmetric_jvp)


@over(_theirs.solveh_banded)
def solveh_banded(
    ab: Any,
    b: Any,
    overwrite_ab: bool = False,
    overwrite_b: bool = False,
    lower: bool = False,
    check_finite: bool = True,
) -> Any:
    """The solution x of a x = b for a positive definite banded matrix; see `scipy.linalg.solveh_banded`.

    ab is (diagonals, n), of one triangle, and b is (n,) or (n, k).

    Raises:
        numpy.linalg.LinAlgError: the matrix is not positive definite.
        ShapeError: shapes that do not fit.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.linalg import solveh_banded
    >>> pyad.grad(lambda b: np.sum(solveh_banded([[2.0, 4.0]], b)))(np.ones(2))
    array([0.5 , 0.25])
    """
    ab, b = asarray(ab), asarray(b)
    if ab.ndim != 2 or b.ndim not in (1, 2) or ab.shape[1] != b.shape[0]:
        raise ShapeError(f"solveh_banded: shapes {ab.shape} and {b.shape}; expected (m, n) and (n,) or (n, k)")
    out = _solveh_banded(ab, b[:, None] if b.ndim == 1 else b, lower=lower)
    return out[:, 0] if b.ndim == 1 else out

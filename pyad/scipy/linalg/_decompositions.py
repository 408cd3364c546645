"""Factorisations with SciPy's names and defaults.

Where NumPy has the same, it is NumPy's function that is called, whose derivative `pyad._ops` knows. LU, which NumPy has
not, is here.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from pyad._ops._registry import over
from pyad._ops.linalg._matrices import adjoint, check_square, transposed, tril, triu
from pyad._ops.shape import asarray
from pyad._trace.guards import is_recording_program
from pyad._trace.numpy_op import numpy_op
from pyad._trace.recorded_call import computed
from pyad.errors import ShapeError
from pyad.scipy._namespace import load, plain, refuse
from pyad.scipy.linalg._solve import _permutation, _rows, solve_triangular

_theirs = load("scipy.linalg")

# ---- Cholesky ----


@over(_theirs.cholesky)
def cholesky(a: Any, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """The triangular factor of a positive definite matrix: a = U^H U, or L L^H with `lower`.

    a is (..., n, n); one triangle is read. Derivative: I. Murray, "Differentiation of the Cholesky decomposition",
    2016.

    Raises:
        numpy.linalg.LinAlgError: a is not square or not positive definite.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.linalg import cholesky
    >>> pyad.grad(lambda a: cholesky(a)[1, 1])(np.array([[1.0, 0.0], [0.0, 4.0]]))
    array([[0.  , 0.  ],
           [0.  , 0.25]])
    """
    a = asarray(a)
    return np.linalg.cholesky(a) if lower else transposed(np.linalg.cholesky(transposed(a)))


@over(_theirs.cho_factor)
def cho_factor(a: Any, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> tuple[Any, bool]:
    """What `cho_solve` takes: (c, lower). The triangle of c that is not used holds zeros.

    Raises:
        numpy.linalg.LinAlgError: a is not square or not positive definite.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.linalg import cho_factor, cho_solve
    >>> pyad.grad(lambda a: np.sum(cho_solve(cho_factor(a), np.ones(2))))(2.0 * np.eye(2))
    array([[-0.25, -0.5 ],
           [ 0.  , -0.25]])
    """
    return cholesky(a, lower), lower


# ---- LU ----

# The LU factorisation of a square matrix whose rows are in the order of the pivots already, as one matrix: U, and L
# without its diagonal of ones. With dM = L^-1 dA U^-1, dL = L tril(dM, -1) and dU = triu(dM) U (de Hoog, Anderssen and
# Lukas, Differentiation of matrix functionals using triangular factorization, 2011).


def _unit_lower(packed: Any) -> Any:
    return tril(packed, -1) + np.eye(packed.shape[-1], dtype=packed.dtype)


def _packed_vjp(s: Any, y: Any, a: Any, value: Any) -> tuple[Any, ...]:
    low, up = _unit_lower(y), triu(y)
    inner = tril(transposed(low) @ tril(s, -1), -1) + triu(triu(s) @ transposed(up))
    half = solve_triangular(y, inner, trans="T", lower=True, unit_diagonal=True)
    return (transposed(solve_triangular(y, transposed(half))),)


def _packed_jvp(tangents: list[Any], y: Any, a: Any, value: Any) -> Any:
    half = solve_triangular(y, tangents[0], lower=True, unit_diagonal=True)
    inner = transposed(solve_triangular(y, transposed(half), trans="T"))
    return _unit_lower(y) @ tril(inner, -1) + triu(inner) @ triu(y)


def _packed(a: Any, value: Any) -> Any:
    """The factors, which have been computed already, unless a program is to compute them anew."""
    return _theirs.lu_factor(a)[0] if value is None else value


_packed_lu = numpy_op("lu", _packed, _packed_vjp, _packed_jvp)


def _factor(name: str, a: Any) -> tuple[Any, np.ndarray]:
    """The packed factors of a, (..., m, n), and the pivots."""
    a = asarray(a)
    if a.ndim < 2:
        raise ShapeError(f"{name}: a has shape {a.shape}, expected matrices (..., m, n)")
    value, pivots = computed(_theirs.lu_factor, a)
    m, n = a.shape[-2:]
    k = min(m, n)
    a = _rows(a, computed(functools.partial(_row_order, m=m), pivots))
    square = _packed_lu(a[..., :k, :k], value=None if is_recording_program() else value[..., :k, :k])
    if m > n:
        below = transposed(solve_triangular(square, transposed(a[..., k:, :]), trans="T"))
        return np.concatenate([square, below], -2), pivots
    if n > m:
        right = solve_triangular(square, a[..., :, k:], lower=True, unit_diagonal=True)
        return np.concatenate([square, right], -1), pivots
    return square, pivots


def _row_order(pivots: np.ndarray, m: int) -> np.ndarray:
    """The order in which the m rows stand after the exchanges."""
    rest = np.broadcast_to(np.arange(pivots.shape[-1], m), (*pivots.shape[:-1], m - pivots.shape[-1]))
    return _permutation(np.concatenate([pivots, rest], -1))


def _permutation_matrix(dtype: np.dtype, places: np.ndarray) -> np.ndarray:
    return np.eye(places.shape[-1], dtype=dtype)[places]


@over(_theirs.lu_factor)
def lu_factor(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> tuple[Any, np.ndarray]:
    """What `lu_solve` takes: the factors in one matrix, and the pivots, which are constant.

    a is (..., m, n). Derivative: F. R. de Hoog, R. S. Anderssen and M. A. Lukas, "Differentiation of matrix functionals
    using triangular factorization", 2011.

    Raises:
        numpy.linalg.LinAlgError: (by the derivative) a is not of full rank.
        ShapeError: a has fewer than two axes.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.linalg import lu_factor
    >>> pyad.grad(lambda a: lu_factor(a)[0][1, 1])(np.array([[1.0, 2.0], [4.0, 3.0]]))
    array([[-0.75 ,  1.   ],
           [ 0.1875, -0.25 ]])
    """
    return _factor("lu_factor", a)


@over(_theirs.lu)
def lu(
    a: Any, permute_l: bool = False, overwrite_a: bool = False, check_finite: bool = True, p_indices: bool = False
) -> tuple[Any, ...]:
    """The factors p, l, u with a = p l u. The permutation is constant.

    a is (..., m, n), of full rank. With `permute_l`, (p l, u); with `p_indices`, p is an array of row numbers.
    Derivative: as `lu_factor`.

    Raises:
        numpy.linalg.LinAlgError: (by the derivative) a is not of full rank.
        ShapeError: a has fewer than two axes.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.linalg import lu
    >>> pyad.grad(lambda a: lu(a)[2][1, 1])(np.array([[1.0, 2.0], [4.0, 3.0]]))
    array([[-0.75 ,  1.   ],
           [ 0.1875, -0.25 ]])
    """
    packed, pivots = _factor("lu", a)
    m, n = packed.shape[-2:]
    k = min(m, n)
    low = tril(packed[..., :, :k], -1) + np.eye(m, k, dtype=packed.dtype)
    up = triu(packed[..., :k, :])
    places = computed(lambda pivots: np.argsort(_row_order(pivots, m), -1), pivots)
    if permute_l:
        return _rows(low, places), up
    return places if p_indices else computed(functools.partial(_permutation_matrix, packed.dtype), places), low, up


# ---- NumPy's functions under SciPy's names ----


@over(_theirs.det)
def det(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """The determinant of square matrices, (..., n, n); differentiable where it is 0, too.

    Derivative: the cofactors, in M. B. Giles, "Collected matrix derivative results for forward and reverse mode
    algorithmic differentiation", 2008.

    Raises:
        numpy.linalg.LinAlgError: a is not square.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.linalg import det
    >>> pyad.grad(det)(np.array([[2.0, 1.0], [1.0, 3.0]])).round(9)
    array([[ 3., -1.],
           [-1.,  2.]])
    """
    return np.linalg.det(asarray(a))


@over(_theirs.inv)
def inv(
    a: Any,
    overwrite_a: bool = False,
    check_finite: bool = True,
    *,
    assume_a: str | None = None,
    lower: bool = False,
) -> Any:
    """The inverse of square matrices, (..., n, n). With `assume_a`, the derivative is that of such a matrix, as in
    `solve`.

    Derivative: dX = -X dA X.

    Raises:
        numpy.linalg.LinAlgError: a is not square or singular.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.linalg import inv
    >>> pyad.grad(lambda a: inv(a)[0, 0])(np.array([[2.0, 0.0], [0.0, 4.0]])) + 0.0
    array([[-0.25,  0.  ],
           [ 0.  ,  0.  ]])
    """
    a = asarray(a)
    if assume_a in (None, "gen", "general"):
        return np.linalg.inv(a)
    from pyad.scipy.linalg._solve import solve

    check_square("inv", a)
    return solve(a, np.eye(a.shape[-1], dtype=a.dtype), lower, assume_a=assume_a)


@over(_theirs.pinv)
def pinv(
    a: Any,
    *,
    atol: float | None = None,
    rtol: float | None = None,
    return_rank: bool = False,
    check_finite: bool = True,
) -> Any:
    """The pseudo-inverse of matrices, (..., m, n), whose rank is constant.

    Singular values below atol + rtol * (the largest) count as zero. Derivative: G. H. Golub and V. Pereyra, "The
    differentiation of pseudo-inverses and nonlinear least squares problems whose variables separate", 1973, (4.12).

    Raises:
        numpy.linalg.LinAlgError: a has fewer than two axes, or the iteration of LAPACK did not converge.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.linalg import pinv
    >>> pyad.grad(lambda a: pinv(a)[0, 0])(np.array([[2.0], [0.0]])).round(9) + 0.0
    array([[-0.25],
           [ 0.  ]])
    """
    a = asarray(a)
    relative = max(a.shape[-2:]) * np.finfo(a.dtype).eps if rtol is None and not atol else (rtol or 0.0)
    cut = relative if not atol else relative + _share_of_largest(plain(a), atol)
    inverse = np.linalg.pinv(a, rcond=cut)
    return (inverse, computed(lambda a: _count_above(a, cut), a)) if return_rank else inverse


def _share_of_largest(a: np.ndarray, atol: float) -> np.ndarray:
    largest = np.linalg.svd(a, compute_uv=False).max(-1, initial=0.0)
    return np.divide(atol, largest, out=np.zeros_like(largest), where=largest > 0)


def _count_above(a: np.ndarray, cut: Any) -> Any:
    values = np.linalg.svd(a, compute_uv=False)
    largest = values.max(-1, initial=0.0)
    return np.sum(values > (cut * largest)[..., None], axis=-1)


@over(_theirs.norm)
def norm(a: Any, ord: Any = None, axis: Any = None, keepdims: bool = False, check_finite: bool = True) -> Any:
    """The norm of vectors or matrices; where it is 0 its derivative is 0.

    Raises:
        ValueError: An unknown `ord`, or one that does not fit the number of axes.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.linalg import norm
    >>> pyad.grad(norm)(np.array([3.0, 4.0]))
    array([0.6, 0.8])
    """
    return np.linalg.norm(asarray(a), ord, axis, keepdims)


@over(_theirs.svd)
def svd(
    a: Any,
    full_matrices: bool = True,
    compute_uv: bool = True,
    overwrite_a: bool = False,
    check_finite: bool = True,
    lapack_driver: str = "gesdd",
) -> Any:
    """The singular value decomposition a = U diag(s) V^H of matrices, (..., m, n): (U, s, V^H).

    Derivative: J. Townsend, "Differentiating the singular value decomposition", 2016; that of U and V is infinite where
    singular values are equal.

    Raises:
        numpy.linalg.LinAlgError: a has fewer than two axes, or the iteration of LAPACK did not converge.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.linalg import svd
    >>> pyad.grad(lambda a: svd(a)[1][0])(np.diag([3.0, 2.0])) + 0.0
    array([[1., 0.],
           [0., 0.]])
    """
    a = asarray(a)
    if compute_uv:
        return tuple(np.linalg.svd(a, full_matrices=full_matrices))
    return np.linalg.svd(a, compute_uv=False)


@over(_theirs.svdvals)
def svdvals(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """The singular values of matrices, (..., m, n), largest first.

    Derivative: M. B. Giles, "Collected matrix derivative results", 2008, 3.2.

    Raises:
        numpy.linalg.LinAlgError: a has fewer than two axes, or the iteration of LAPACK did not converge.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.linalg import svdvals
    >>> pyad.grad(lambda a: np.sum(svdvals(a)))(np.diag([3.0, 2.0])) + 0.0
    array([[1., 0.],
           [0., 1.]])
    """
    return np.linalg.svd(asarray(a), compute_uv=False)


@over(_theirs.qr)
def qr(
    a: Any,
    overwrite_a: bool = False,
    lwork: int | None = None,
    mode: str = "full",
    pivoting: bool = False,
    check_finite: bool = True,
) -> Any:
    """The QR decomposition of matrices, (..., m, n), with modes "full", "r" and "economic".

    Derivative: S. F. Walter and L. Lehmann, "Algorithmic differentiation of linear algebra functions with application
    in optimum experimental design", 2012.

    Raises:
        numpy.linalg.LinAlgError: (by the derivative) the first columns are not independent.
        UnsupportedError: `pivoting`, or mode "raw", with a traced a.
        ValueError: An unknown mode.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.linalg import qr
    >>> pyad.grad(lambda a: qr(a, mode="economic")[1][0, 0])(np.array([[-3.0], [-4.0]]))
    array([[-0.6],
           [-0.8]])
    """
    if pivoting or mode == "raw":
        raise refuse("qr", "pivoting=True" if pivoting else "mode='raw'", "use mode 'economic', 'full' or 'r'")
    a = asarray(a)
    if mode == "r":
        upper = np.linalg.qr(a, mode="r")
        missing = a.shape[-2] - upper.shape[-2]
        zeros = np.zeros((*a.shape[:-2], missing, a.shape[-1]), a.dtype)
        return (np.concatenate([upper, zeros], -2) if missing else upper,)
    numpy_mode = {"full": "complete", "economic": "reduced"}.get(mode)
    if numpy_mode is None:
        raise ValueError(f"qr: mode must be 'full', 'r', 'economic' or 'raw', got {mode!r}")
    return tuple(np.linalg.qr(a, mode=numpy_mode))


def _check_eigen(name: str, type: int, subset_by_index: Any, subset_by_value: Any) -> None:
    if type != 1:
        raise refuse(name, f"type={type}", "use type 1, a v = w b v")
    if subset_by_index is not None or subset_by_value is not None:
        raise refuse(name, "a subset of eigenvalues", "compute all and index the result")


@over(_theirs.eigh)
def eigh(
    a: Any,
    b: Any = None,
    *,
    lower: bool = True,
    eigvals_only: bool = False,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    type: int = 1,
    check_finite: bool = True,
    subset_by_index: Any = None,
    subset_by_value: Any = None,
    driver: str | None = None,
) -> Any:
    """Eigenvalues and eigenvectors of a Hermitian matrix, or of a v = w b v with b positive definite.

    a and b are (..., n, n); one triangle is read. The second problem is reduced to the first by the Cholesky factor of
    b (Golub and Van Loan, Matrix Computations, 8.7). Derivative: M. B. Giles, "Collected matrix derivative results",
    2008, 3.1; that of the vectors is infinite where eigenvalues are equal.

    Raises:
        numpy.linalg.LinAlgError: a is not square, or b not positive definite.
        UnsupportedError: A subset of eigenvalues, or another `type` than 1, with traced matrices.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.linalg import eigh
    >>> pyad.grad(lambda a: eigh(a)[0][1])(np.diag([1.0, 2.0]))
    array([[0., 0.],
           [0., 1.]])
    """
    _check_eigen("eigh", type, subset_by_index, subset_by_value)
    a = asarray(a)
    triangle = "L" if lower else "U"
    if b is None:
        return np.linalg.eigvalsh(a, triangle) if eigvals_only else tuple(np.linalg.eigh(a, triangle))
    factor = cholesky(b, lower=True) if lower else adjoint(cholesky(b))
    half = solve_triangular(factor, a if lower else adjoint(a), lower=True)
    reduced = adjoint(solve_triangular(factor, adjoint(half), lower=True))
    if eigvals_only:
        return np.linalg.eigvalsh(reduced)
    w, v = np.linalg.eigh(reduced)
    return w, solve_triangular(factor, v, trans="C", lower=True)


@over(_theirs.eigvalsh)
def eigvalsh(
    a: Any,
    b: Any = None,
    *,
    lower: bool = True,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    type: int = 1,
    check_finite: bool = True,
    subset_by_index: Any = None,
    subset_by_value: Any = None,
    driver: str | None = None,
) -> Any:
    """The eigenvalues that `eigh` gives, in ascending order.

    Raises:
        numpy.linalg.LinAlgError, UnsupportedError: As `eigh`.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.linalg import eigvalsh
    >>> pyad.grad(lambda a: np.sum(eigvalsh(a) ** 2))(np.diag([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    _check_eigen("eigvalsh", type, subset_by_index, subset_by_value)
    return eigh(a, b, lower=lower, eigvals_only=True)

"""Linear systems with sparse matrices. What is differentiated is the right side, by a solve with the transposed matrix,
and in `coo_solve` the entries of the matrix as well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pyad._ops._registry import over
from pyad._ops.shape import asarray
from pyad._trace.array import is_traced, numpy_value
from pyad._trace.numpy_op import numpy_op, numpy_op_linear
from pyad.errors import ShapeError
from pyad.scipy._namespace import describes, load, refuse
from pyad.scipy.sparse._products import check_matrix, checked_coords, coo_product, entries_product

_theirs = load("scipy.sparse.linalg")

# ---- factorisations ----

_FLIPPED = {"N": "T", "T": "N"}

_factor_solve = numpy_op_linear(
    "sparse_solve",
    lambda b, lu, trans: lu.solve(b, trans),
    lambda s, b, lu, trans: (_factor_solve(s, lu=lu, trans=_FLIPPED[trans]),),
)


class Factors:
    """What `splu` returns: SciPy's factors, with a `solve` that takes traced right sides."""

    __slots__ = ("_lu",)

    def __init__(self, lu: Any) -> None:
        self._lu = lu

    def solve(self, b: Any, trans: str = "N") -> Any:
        """The solution of A x = b, or with the transposed ("T") or adjoint ("H") matrix. b is (n,) or (n, k)."""
        b = asarray(b)
        if not is_traced(b):
            return self._lu.solve(b, trans)
        if trans not in ("N", "T", "H"):
            raise ValueError(f"solve: trans must be 'N', 'T' or 'H', got {trans!r}")
        if b.ndim not in (1, 2) or b.shape[0] != self._lu.shape[0]:
            raise ShapeError(f"solve: b has shape {b.shape} and the matrix {self._lu.shape}")
        # The factors are real, as check_matrix has seen to, so that the adjoint is the transposed matrix.
        return _factor_solve(b, lu=self._lu, trans="N" if trans == "N" else "T")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lu, name)


@describes(_theirs.splu)
def splu(A: Any, **options: Any) -> Factors:
    """The LU factorisation of a sparse matrix, which is constant. The result's `solve(b)` is differentiable by b.

    Raises:
        RuntimeError: A is singular.
        ShapeError: (by `solve`) b does not fit.
        ValueError: A is not square.

    >>> import numpy as np
    >>> import pyad
    >>> import scipy.sparse
    >>> from pyad.scipy.sparse.linalg import splu
    >>> lu = splu(scipy.sparse.csc_array([[2.0, 0.0], [0.0, 4.0]]))
    >>> pyad.grad(lambda b: np.sum(lu.solve(b)))(np.ones(2))
    array([0.5 , 0.25])
    """
    return Factors(_theirs.splu(A, **options))


@describes(_theirs.factorized)
def factorized(A: Any) -> Callable[[Any], Any]:
    """A function that solves A x = b for many b, by which it is differentiable; A is constant.

    Raises:
        RuntimeError: A is singular.
        ShapeError: (by the function) b does not fit.
        ValueError: A is not square.

    >>> import numpy as np
    >>> import pyad
    >>> import scipy.sparse
    >>> from pyad.scipy.sparse.linalg import factorized
    >>> solve = factorized(scipy.sparse.csc_array([[2.0, 0.0], [0.0, 4.0]]))
    >>> pyad.grad(lambda b: np.sum(solve(b)))(np.ones(2))
    array([0.5 , 0.25])
    """
    return splu(A.tocsc()).solve


@over(_theirs.spsolve)
def spsolve(A: Any, b: Any, permc_spec: str | None = None, use_umfpack: bool = True) -> Any:
    """The solution x of A x = b for a sparse matrix, which is constant; see `scipy.sparse.linalg.spsolve`.

    b is (n,) or (n, k); as in SciPy, b of shape (n, 1) gives a vector. The matrix is factorised once, for the solution
    and all its derivatives.

    Raises:
        ShapeError: shapes that do not fit.
        numpy.linalg.LinAlgError: the matrix is singular.

    >>> import numpy as np
    >>> import pyad
    >>> import scipy.sparse
    >>> from pyad.scipy.sparse.linalg import spsolve
    >>> a = scipy.sparse.csc_array([[2.0, 0.0], [0.0, 4.0]])
    >>> pyad.grad(lambda b: np.sum(spsolve(a, b)))(np.ones(2))
    array([0.5 , 0.25])
    """
    if is_traced(A):
        raise TypeError("spsolve: the matrix is traced; expected a sparse matrix, which is constant")
    check_matrix("spsolve", A)
    b = asarray(b)
    if A.shape[0] != A.shape[1] or b.ndim not in (1, 2) or b.shape[0] != A.shape[0]:
        raise ShapeError(f"spsolve: shapes {A.shape} and {b.shape}; expected (n, n) and (n,) or (n, k)")
    try:
        lu = splu(A.tocsc().astype(np.result_type(A.dtype, b.dtype)), permc_spec=permc_spec)
    except RuntimeError as error:
        raise np.linalg.LinAlgError(f"spsolve: {error}") from None
    x = lu.solve(b)
    return np.reshape(x, (-1,)) if b.ndim == 2 and b.shape[1] == 1 else x


# ---- a matrix whose entries are differentiated ----

# The factors belong to the value of the entries, which all derivatives share.


class _Factors:
    """The factors of a matrix by its entries: worked out once for the solution and its derivatives, and again in a
    compiled function that is called with other entries."""

    __slots__ = ("_known", "coords", "dtype", "shape")

    def __init__(self, coords: Any, shape: tuple[int, int], dtype: np.dtype) -> None:
        self.coords, self.shape, self.dtype = coords, shape, dtype
        self._known: tuple[np.ndarray, Any] | None = None

    def of(self, data: np.ndarray) -> Any:
        known = self._known
        if known is None or not np.array_equal(known[0], data):
            entries = data.astype(self.dtype)
            matrix = load("scipy.sparse").coo_array((entries, self.coords), shape=self.shape)
            try:
                known = self._known = (data.copy(), _theirs.splu(matrix.tocsc()))
            except RuntimeError as error:
                raise np.linalg.LinAlgError(f"coo_solve: {error}") from None
        return known[1]


def _coo_solve_vjp(s: Any, x: Any, data: Any, b: Any, coords: Any, factors: Any, trans: str) -> tuple[Any, ...]:
    w = _coo_solve(data, s, coords=coords, factors=factors, trans=_FLIPPED[trans])
    return -entries_product(w, x, coords if trans == "N" else coords[::-1]), w


def _coo_solve_jvp(tangents: list[Any], x: Any, data: Any, b: Any, coords: Any, factors: Any, trans: str) -> Any:
    moved, right = tangents
    if moved is not None:
        places = coords if trans == "N" else coords[::-1]
        part = coo_product(moved, x, coords=places, shape=factors.shape)
        right = -part if right is None else right - part
    return _coo_solve(data, right, coords=coords, factors=factors, trans=trans)


_coo_solve = numpy_op(
    "coo_solve",
    lambda data, b, coords, factors, trans: factors.of(data).solve(b, trans),
    _coo_solve_vjp,
    _coo_solve_jvp,
)


def coo_solve(data: Any, coords: Any, b: Any) -> Any:
    """The solution x of A x = b for a sparse matrix A by its entries, differentiable in these.

    Entries at the same place add up, as in `scipy.sparse.coo_array((data, coords))`. The matrix is factorised once, for
    the solution and all its derivatives.

    Args:
        data: The entries, (m,).
        coords: Their places, a pair (rows, columns) of integer arrays, (m,) each.
        b: Right side, (n,) or (n, k).

    Returns:
        x, of the shape of b and the common dtype.

    Raises:
        IndexError: A place outside of the matrix.
        ShapeError: Shapes that do not fit.
        numpy.linalg.LinAlgError: The matrix is singular.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.sparse.linalg import coo_solve
    >>> pyad.grad(lambda data: np.sum(coo_solve(data, ([0, 1], [0, 1]), np.ones(2))))(np.array([2.0, 4.0]))
    array([-0.25  , -0.0625])
    """
    data, b = asarray(data), asarray(b)
    if b.ndim not in (1, 2):
        raise ShapeError(f"coo_solve: b has shape {b.shape}, expected (n,) or (n, k)")
    n = b.shape[0]
    places = checked_coords("coo_solve", data, coords, (n, n))
    dtype = np.result_type(data.dtype, b.dtype)
    dtype = dtype if dtype.kind == "f" else np.dtype(np.float64)
    return _coo_solve(data, b, coords=places, factors=_Factors(places, (n, n), dtype), trans="N")


# ---- triangular ----


def _triangular_transpose(s: Any, b: Any, matrix: Any, lower: bool, unit_diagonal: bool) -> tuple[Any, ...]:
    return (_triangular(s, matrix=matrix.T.tocsr(), lower=not lower, unit_diagonal=unit_diagonal),)


def _triangular_reference(b: Any, matrix: Any, lower: bool, unit_diagonal: bool) -> Any:
    return _theirs.spsolve_triangular(matrix, b, lower, unit_diagonal=unit_diagonal)


_triangular = numpy_op_linear("spsolve_triangular", _triangular_reference, _triangular_transpose)


@over(_theirs.spsolve_triangular)
def spsolve_triangular(
    A: Any,
    b: Any,
    lower: bool = True,
    overwrite_A: bool = False,
    overwrite_b: bool = False,
    unit_diagonal: bool = False,
) -> Any:
    """The solution x of A x = b for a sparse triangular matrix, which is constant.

    Raises:
        numpy.linalg.LinAlgError: A is singular.
        ValueError: Shapes that do not fit.

    >>> import numpy as np
    >>> import pyad
    >>> import scipy.sparse
    >>> from pyad.scipy.sparse.linalg import spsolve_triangular
    >>> a = scipy.sparse.csr_array([[2.0, 0.0], [1.0, 4.0]])
    >>> pyad.grad(lambda b: spsolve_triangular(a, b)[1])(np.ones(2))
    array([-0.125,  0.25 ])
    """
    check_matrix("spsolve_triangular", A)
    return _triangular(asarray(b), matrix=A, lower=lower, unit_diagonal=unit_diagonal)


# ---- iterations ----


# What a solver is given besides the right side; b, a tangent and a cotangent have nothing else in common. A start, for
# one, that is near the solution for b says nothing of the others.
_ONLY_FIRST = ("x0", "callback", "callback_type")


def _again(b: Any, matrix: Any, method: Callable[..., Any], options: dict[str, Any]) -> Any:
    value, info = method(matrix, numpy_value(b), **options)
    if info:
        raise np.linalg.LinAlgError(
            f"{method.__name__}: the iteration for a derivative did not converge (info is {info}); give it a larger "
            "maxiter or rtol, or use spsolve"
        )
    return _iteration(b, value=value, matrix=matrix, method=method, options=options)


def _iteration_vjp(s: Any, x: Any, b: Any, value: Any, matrix: Any, method: Any, options: Any) -> tuple[Any, ...]:
    flipped = dict(options)
    if flipped.get("M") is not None:
        flipped["M"] = flipped["M"].T
    return (_again(s, matrix.T, method, flipped),)


def _iteration_jvp(tangents: list[Any], x: Any, b: Any, value: Any, matrix: Any, method: Any, options: Any) -> Any:
    return _again(tangents[0], matrix, method, options)


_iteration = numpy_op("sparse_iteration", lambda b, value, **_: value, _iteration_vjp, _iteration_jvp)


def _iterative(name: str, text: str) -> Callable[..., Any]:
    theirs = getattr(_theirs, name)

    def solve(A: Any, b: Any, x0: Any = None, **options: Any) -> Any:
        b = asarray(b)
        if x0 is not None:
            options["x0"] = numpy_value(x0)
        x, info = theirs(A, numpy_value(b), **options)
        if not is_traced(b):
            return x, info
        if b.ndim != 1:
            raise ShapeError(f"{name}: b has shape {b.shape}, expected a vector")
        kept = {key: value for key, value in options.items() if key not in _ONLY_FIRST}
        return _iteration(b, value=x, matrix=A, method=theirs, options=kept), info

    solve.__name__ = solve.__qualname__ = name
    solve.__doc__ = f"""The solution x of A x = b by {text}, and how it ended; see `scipy.sparse.linalg.{name}`.

    A is a sparse or dense matrix or a LinearOperator, and constant. The derivative by b is found by the same iteration
    with the same tolerances, with the transposed matrix (and preconditioner) in reverse mode. x0 has no derivative.

    Raises:
        numpy.linalg.LinAlgError: (by the derivative) the iteration did not converge.
        ShapeError: b is no vector.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.sparse.linalg import {name}
    >>> a = np.diag([2.0, 4.0])
    >>> pyad.grad(lambda b: np.sum({name}(a, b, rtol=1e-9)[0]))(np.ones(2)).round(6)
    array([0.5 , 0.25])
    """
    return describes(theirs)(solve)


bicg = _iterative("bicg", "biconjugate gradients")
bicgstab = _iterative("bicgstab", "stabilised biconjugate gradients")
cg = _iterative("cg", "conjugate gradients, for a positive definite matrix")
gmres = _iterative("gmres", "generalised minimal residuals")
minres = _iterative("minres", "minimal residuals, for a symmetric matrix")

# ---- the exponential ----

_exponential = numpy_op_linear(
    "expm_multiply",
    lambda x, matrix, trace: _theirs.expm_multiply(matrix, x, traceA=trace),
    lambda s, x, matrix, trace: (_exponential(s, matrix=matrix.T, trace=trace),),
)


@over(_theirs.expm_multiply)
def expm_multiply(
    A: Any,
    B: Any,
    start: Any = None,
    stop: Any = None,
    num: Any = None,
    endpoint: Any = None,
    traceA: Any = None,
) -> Any:
    """The exponential of a sparse matrix times B, without forming it; see `scipy.sparse.linalg.expm_multiply`.

    Differentiable by B, (n,) or (n, k); A is constant.

    Raises:
        UnsupportedError: a range of times with a traced B.

    >>> import numpy as np
    >>> import pyad
    >>> import scipy.sparse
    >>> from pyad.scipy.sparse.linalg import expm_multiply
    >>> a = scipy.sparse.csr_array([[0.0, 1.0], [0.0, 0.0]])
    >>> pyad.grad(lambda x: np.sum(expm_multiply(a, x)))(np.ones(2))
    array([1., 2.])
    """
    if any(x is not None for x in (start, stop, num, endpoint)):
        raise refuse("expm_multiply", "a range of times", "call it for each time t with t * A")
    return _exponential(asarray(B), matrix=A, trace=traceA)

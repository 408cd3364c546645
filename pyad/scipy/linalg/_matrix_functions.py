"""Functions of matrices: the exponential, the logarithm and the square root.

The derivative of f at A along E, L(A, E), is the upper right block of f([[A, E], [0, A]]) (Higham, Functions of
Matrices, 2008, theorem 3.6). Transposed it is L(A^T, .), so both modes need the same function.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pyad._ops._registry import over
from pyad._ops.linalg._matrices import check_square, transposed
from pyad._ops.shape import asarray
from pyad._trace.array import is_traced
from pyad._trace.numpy_op import numpy_op
from pyad.errors import DTypeError
from pyad.scipy._namespace import Function, load, run_by
from pyad.scipy.linalg._sylvester import _in_stacks, _solve_sylvester

_theirs = load("scipy.linalg")


def _blocks(a: Any, e: Any) -> Any:
    """[[a, e], [0, a]]."""
    a, e = np.broadcast_to(a, e.shape), np.broadcast_to(e, a.shape)
    below = np.concatenate([np.zeros(a.shape, a.dtype), a], -1)
    return np.concatenate([np.concatenate([a, e], -1), below], -2)


def _matrix_function(name: str, theirs: Function, along: Function | None = None) -> Function:
    """f from SciPy's, and `along`, its derivative for plain arrays, which is found from f itself if not given."""

    def derivative(a: Any, e: Any) -> Any:
        if along is not None and not is_traced(a) and not is_traced(e):
            return along(a, e)
        n = a.shape[-1]
        return f(_blocks(a, e))[..., :n, n:]

    f = numpy_op(
        name,
        run_by(_real(name, theirs)),
        lambda s, y, a: (derivative(transposed(a), s),),
        lambda tangents, y, a: derivative(a, tangents[0]),
    )
    return f


def _real(name: str, function: Function) -> Function:
    """Refuse a complex value of a real matrix, rather than take its derivative as if it were real."""

    def run(a: Any) -> Any:
        value = function(a)
        if np.iscomplexobj(value) and not np.iscomplexobj(a):
            raise DTypeError(
                f"{name}: the result for this real matrix is complex (it has eigenvalues that are not positive), "
                "which has no derivative as a real function; expected a matrix without negative real eigenvalues"
            )
        return value

    return run


def _expm_along(a: np.ndarray, e: np.ndarray) -> np.ndarray:
    """Al-Mohy and Higham, Computing the Frechet derivative of the matrix exponential, 2009."""
    return _in_stacks(lambda a, e: _theirs.expm_frechet(a, e, compute_expm=False))(a, e).astype(a.dtype, copy=False)


_expm = _matrix_function("expm", _theirs.expm, _expm_along)


def _logm_reference(a: np.ndarray) -> np.ndarray:
    """In double precision, since SciPy warns of what single precision leaves of the logarithm."""
    return _theirs.logm(a.astype(np.result_type(a.dtype, np.float64), copy=False))


_logm = _matrix_function("logm", _in_stacks(_logm_reference))

# X = sqrtm(A) solves X X = A, so X dX + dX X = dA.
_sqrtm = numpy_op(
    "sqrtm",
    run_by(_real("sqrtm", _in_stacks(_theirs.sqrtm))),
    lambda s, y, a: (_solve_sylvester(transposed(y), transposed(y), s),),
    lambda tangents, y, a: _solve_sylvester(y, y, tangents[0]),
)


def _square(name: str, a: Any) -> Any:
    a = asarray(a)
    check_square(name, a, "A")
    return a


@over(_theirs.expm)
def expm(A: Any) -> Any:
    """The exponential of square matrices, (..., n, n).

    Derivative: A. H. Al-Mohy and N. J. Higham, "Computing the Frechet derivative of the matrix exponential", 2009.

    Raises:
        ShapeError: A is not square.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.linalg import expm
    >>> pyad.grad(lambda t: expm(t * np.array([[0.0, 1.0], [0.0, 0.0]]))[0, 1])(2.0).round(9)
    np.float64(1.0)
    """
    return _expm(_square("expm", A))


@over(_theirs.expm_frechet)
def expm_frechet(
    A: Any,
    E: Any,
    method: str | None = None,
    compute_expm: bool = True,
    check_finite: bool = True,
) -> Any:
    """The exponential of A and its derivative along E.

    Both are blocks of the exponential of one matrix (N. J. Higham, Functions of Matrices, 2008, theorem 3.6).

    Raises:
        ShapeError: A or E is not square, or the two differ.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.linalg import expm_frechet
    >>> pyad.grad(lambda t: expm_frechet(t * np.eye(1), np.eye(1))[1][0, 0])(0.0)
    np.float64(1.0)
    """
    a, e = _square("expm_frechet", A), _square("expm_frechet", E)
    n = a.shape[-1]
    both = _expm(_blocks(a, e))
    along = both[..., :n, n:]
    return (both[..., :n, :n], along) if compute_expm else along


@over(_theirs.logm)
def logm(A: Any) -> Any:
    """The principal logarithm of square matrices; see `scipy.linalg.logm`.

    Raises:
        DTypeError: the logarithm of a real matrix is complex.
        ShapeError: A is not square.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.linalg import logm
    >>> pyad.grad(lambda t: logm(t * np.eye(2))[0, 0])(2.0).round(9)
    np.float64(0.5)
    """
    return _logm(_square("logm", A))


@over(_theirs.sqrtm)
def sqrtm(A: Any) -> Any:
    """The principal square root of square matrices; see `scipy.linalg.sqrtm`.

    Raises:
        DTypeError: the root of a real matrix is complex.
        ShapeError: A is not square.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.linalg import sqrtm
    >>> pyad.grad(lambda t: sqrtm(t * np.eye(2))[0, 0])(4.0)
    np.float64(0.25)
    """
    return _sqrtm(_square("sqrtm", A))

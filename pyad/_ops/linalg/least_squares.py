"""Pseudo-inverse and least squares, for matrices whose rank does not change.

Golub and Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares problems whose variables
separate", 1973, (4.12).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pyad._ops._registry import implements
from pyad._ops.linalg._matrices import adjoint, as_array, conj, hermitian_from, inexact, real, row, vanishes
from pyad._ops.linalg.decompositions import svd
from pyad._ops.linalg.matmul import matmul
from pyad._ops.reductions import sum as total
from pyad._ops.shape import reshape
from pyad._trace.array import is_traced
from pyad._trace.guards import is_recording_program
from pyad._trace.numpy_op import numpy_op
from pyad._trace.recorded_call import computed

__all__ = ["lstsq", "pinv"]


#
# Golub and Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares problems whose variables
# separate", 1973, (4.12).


def _pinv_vjp(s: Any, y: Any, a: Any, **cutoff: Any) -> tuple[Any]:
    g = adjoint(conj(s))
    py = adjoint(y)
    left = matmul(g, y)
    right = matmul(y, g)
    out = matmul(left - matmul(a, matmul(y, left)), py) - matmul(matmul(py, adjoint(g)), py)
    return (conj(out + matmul(py, right - matmul(matmul(right, y), a))),)


def _pinv_jvp(tangents: list[Any], y: Any, a: Any, **cutoff: Any) -> Any:
    t = tangents[0]
    ta = adjoint(t)
    py = adjoint(y)
    left = matmul(matmul(y, py), ta)
    right = matmul(ta, matmul(py, y))
    out = left - matmul(matmul(left, a), y) - matmul(matmul(y, t), y)
    return out + right - matmul(y, matmul(a, right))


_pinv = numpy_op("pinv", lambda a, **cutoff: np.linalg.pinv(a, **cutoff), _pinv_vjp, _pinv_jvp)


@implements(np.linalg.pinv)
def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = np._NoValue) -> Any:
    """The pseudo-inverses of a stack of matrices. What is below the cutoff is taken to stay there.

    >>> pyad.grad(lambda a: np.linalg.pinv(a)[0, 0])(np.array([[2.0]])).round(9)
    array([[-0.25]])
    """
    a = as_array(a)
    cutoff = {} if rtol is np._NoValue else {"rtol": rtol}
    if rcond is not None:
        cutoff["rcond"] = rcond
    if not is_traced(a):
        return np.linalg.pinv(a, hermitian=hermitian, **cutoff)
    return _pinv(hermitian_from(a) if hermitian else a, **cutoff)


def _lstsq_value(a: np.ndarray, b: np.ndarray, rcond: Any, seen: list[Any]) -> tuple[np.ndarray, np.ndarray]:
    x, residuals, rank, s = np.linalg.lstsq(a, b, rcond)
    seen[:] = residuals, rank
    return x, s


def _rank_of(a: np.ndarray, rcond: Any) -> int:
    return int(np.linalg.lstsq(a, np.zeros((a.shape[0], 1)), rcond)[2])


def _lstsq_pinv(a: Any, rcond: Any) -> Any:
    # NumPy computes in double precision whatever the dtype, and so is its default cutoff.
    return pinv(a, max(a.shape) * np.finfo(np.float64).eps if rcond is None or rcond < 0 else rcond)


def _lstsq_vjp(s: Any, y: Any, a: Any, b: Any, rcond: Any, seen: Any) -> tuple[Any, Any]:
    x, g = y[0], conj(s[0])
    p = _lstsq_pinv(a, rcond)
    by_b = matmul(adjoint(p), g)

    def by_a() -> Any:
        rest = b - matmul(a, x)
        out = matmul(rest, adjoint(matmul(p, by_b))) - matmul(by_b, adjoint(x))
        if a.shape[0] < a.shape[1] or seen[1] < a.shape[1]:
            out = out + matmul(matmul(adjoint(p), x), adjoint(g - matmul(p, matmul(a, g))))
        if not vanishes(s[1]):
            u, _, vh = svd(a, full_matrices=False)
            out = out + matmul(u * row(s[1]), vh)
        return conj(out)

    return by_a, conj(by_b)


def _lstsq_jvp(tangents: list[Any], y: Any, a: Any, b: Any, rcond: Any, seen: Any) -> tuple[Any, Any]:
    x, s = y
    ta, tb = tangents
    p = _lstsq_pinv(a, rcond)
    if ta is None:
        return matmul(p, tb), np.zeros(s.shape, s.dtype)
    moved = matmul(ta, x)
    across = adjoint(ta)
    back = matmul(across, matmul(adjoint(p), x))
    out = matmul(p, -moved if tb is None else tb - moved)
    out = out + matmul(p, matmul(adjoint(p), matmul(across, b - matmul(a, x)))) + back - matmul(p, matmul(a, back))
    u, _, vh = svd(a, full_matrices=False)
    return out, real(total(conj(u) * matmul(ta, adjoint(vh)), -2))


_lstsq = numpy_op("lstsq", _lstsq_value, _lstsq_vjp, _lstsq_jvp)


@implements(np.linalg.lstsq)
def lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    """The least squares solution (of least norm), the sums of squared residuals, the rank and the singular values.

    The rank is a constant, and the derivatives are those within the matrices of that rank.

    >>> pyad.grad(lambda b: np.linalg.lstsq(np.ones((2, 1)), b)[0][0])(np.ones(2)).round(9)
    array([0.5, 0.5])
    """
    a, b = inexact(a), inexact(b)
    if not is_traced(a) and not is_traced(b):
        return np.linalg.lstsq(a, b, rcond)
    flat = b.ndim == 1
    b = reshape(b, (b.size, 1)) if flat else b
    seen: list[Any] = []
    x, s = _lstsq(a, b, rcond=rcond, seen=seen)
    residuals, rank = seen
    if is_recording_program():
        computed(_rank_of, a, rcond)  # which decides what is recorded from here on
    if residuals.size:
        rest = b - matmul(a, x)
        residuals = total(real(conj(rest) * rest), 0)
    return reshape(x, (x.shape[0],)) if flat else x, residuals, rank, s

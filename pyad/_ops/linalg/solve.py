"""Inverses, linear systems and determinants.

Where nothing else is said the rules are those of Giles, "Collected matrix derivative results for forward and reverse
mode algorithmic differentiation", 2008.
"""

from __future__ import annotations

import math
from operator import index
from typing import Any

import numpy as np
from numpy.linalg import LinAlgError

from pyad._ops._registry import implements
from pyad._ops.linalg._matrices import adjoint, as_array, column, diagonal, inexact, is_complex, row, transposed
from pyad._ops.linalg.matmul import matmul
from pyad._ops.reductions import sum as total
from pyad._ops.shape import reshape, transpose
from pyad._trace.array import is_traced
from pyad._trace.guards import is_recording_program
from pyad._trace.numpy_op import numpy_op
from pyad._trace.recorded_call import computed

__all__ = ["det", "inv", "slogdet", "solve", "tensorinv", "tensorsolve"]


# ---- inverse and linear systems ----


def _inv_vjp(s: Any, y: Any, a: Any) -> tuple[Any]:
    across = transposed(y)
    return (-matmul(matmul(across, s), across),)


def _inv_jvp(tangents: list[Any], y: Any, a: Any) -> Any:
    return -matmul(matmul(y, tangents[0]), y)


_inv = numpy_op("inv", np.linalg.inv, _inv_vjp, _inv_jvp)


@implements(np.linalg.inv)
def inv(a: Any) -> Any:
    """The inverses of a stack of matrices.

    >>> pyad.grad(lambda a: np.linalg.inv(a)[0, 0])(2.0 * np.eye(2)) + 0.0
    array([[-0.25,  0.  ],
           [ 0.  ,  0.  ]])
    """
    if not is_traced(a):
        a = as_array(a)
        if not is_traced(a):
            return np.linalg.inv(a)
    return _inv(a)


def _solve_vjp(s: Any, y: Any, a: Any, b: Any) -> tuple[Any, Any]:
    by_b = solve(transposed(a), s)
    return lambda: -matmul(by_b, transposed(y)), by_b


def _solve_jvp(tangents: list[Any], y: Any, a: Any, b: Any) -> Any:
    by_a, by_b = tangents
    if by_a is None:
        return solve(a, by_b)
    moved = matmul(by_a, y)
    return solve(a, -moved if by_b is None else by_b - moved)


_solve = numpy_op("solve", np.linalg.solve, _solve_vjp, _solve_jvp)


@implements(np.linalg.solve)
def solve(a: Any, b: Any) -> Any:
    """The x of a @ x = b. A 1-D b is one vector, any other a stack of matrices.

    >>> pyad.grad(lambda b: np.sum(np.linalg.solve(2.0 * np.eye(2), b)))(np.ones(2))
    array([0.5, 0.5])
    """
    if not is_traced(a) and not is_traced(b):
        a, b = as_array(a), as_array(b)
        if not is_traced(a) and not is_traced(b):
            return np.linalg.solve(a, b)
    a, b = inexact(a), inexact(b)
    if b.ndim != 1:
        return _solve(a, b)
    x = _solve(a, reshape(b, (-1, 1)) if b.size else reshape(b, (0, 1)))
    return reshape(x, x.shape[:-1])


# ---- tensors as matrices ----


@implements(np.linalg.tensorsolve)
def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    """The x of tensordot(a, x, x.ndim) = b.

    >>> pyad.grad(lambda b: np.sum(np.linalg.tensorsolve(2.0 * np.eye(2), b)))(np.ones(2))
    array([0.5, 0.5])
    """
    a, b = as_array(a), as_array(b)
    if axes is not None:
        order = list(range(a.ndim))
        for k in axes:
            order.remove(k)
            order.append(k)
        a = transpose(a, order)
    shape = a.shape[-(a.ndim - b.ndim) :]
    size = math.prod(shape)
    if a.size != size**2:
        raise LinAlgError(
            f"tensorsolve: a of shape {a.shape} and b of shape {b.shape}: the lengths of a's first {b.ndim} axes and "
            "those of its other axes must have the same product"
        )
    return reshape(solve(reshape(a, (size, size)), reshape(b, (b.size,))), shape)


@implements(np.linalg.tensorinv)
def tensorinv(a: Any, ind: int = 2) -> Any:
    """The inverse of the map x -> tensordot(a, x, a.ndim - ind).

    >>> pyad.grad(lambda a: np.linalg.tensorinv(a, 1)[0, 0])(2.0 * np.eye(2)) + 0.0
    array([[-0.25,  0.  ],
           [ 0.  ,  0.  ]])
    """
    a = as_array(a)
    ind = index(ind)
    if ind <= 0:
        raise ValueError(f"tensorinv: ind must be positive, got {ind}")
    size = math.prod(a.shape[ind:])
    if math.prod(a.shape[:ind]) != size:
        raise LinAlgError(
            f"tensorinv: a of shape {a.shape}: the lengths of its first {ind} axes and those of the others must have "
            "the same product"
        )
    return reshape(inv(reshape(a, (size, size))), a.shape[ind:] + a.shape[:ind])


# ---- determinants ----
#
# The derivative of the determinant is the adjugate matrix, and that of the adjugate is made of the products of all
# singular values but two: both exist for singular matrices too, where det(a) inv(a) is 0 times infinity.


def _leave_one_out(x: np.ndarray) -> np.ndarray:
    """The products of all entries but one, along the last axis."""
    ones = np.ones((*x.shape[:-1], 1), x.dtype)
    before = np.cumprod(np.concatenate([ones, x[..., :-1]], -1), -1)
    after = np.cumprod(np.concatenate([ones, x[..., :0:-1]], -1), -1)
    return before * after[..., ::-1]


def _by_singular_values(a: np.ndarray) -> tuple[np.ndarray, ...]:
    """u, s, vh and det(u) det(vh), which is of modulus one."""
    u, s, vh = np.linalg.svd(a)
    return u, s, vh, (np.linalg.det(u) * np.linalg.det(vh))[..., None, None].astype(a.dtype)


def _adjugate_value(a: np.ndarray, d: Any = None) -> np.ndarray:
    """The adjugate matrices; d are the determinants, if they are known."""
    d = np.linalg.det(a) if d is None else d
    if a.size == 0:
        return np.zeros_like(a)
    if np.all(d != 0):
        try:
            # The same LU factors are in both: a pivot that is rounding error cancels.
            return (np.asarray(d)[..., None, None] * np.linalg.inv(a)).astype(a.dtype, copy=False)
        except LinAlgError:
            pass
    u, s, vh, sign = _by_singular_values(a)
    return sign * np.matmul(adjoint(vh) * row(_leave_one_out(s)), adjoint(u))


def _adjugate_move_value(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    if a.size == 0:
        return np.zeros_like(a)
    u, s, vh, sign = _by_singular_values(a)
    n = s.shape[-1]
    # pairs[i, j]: the product of all singular values but the i-th and the j-th.
    pairs = _leave_one_out(np.where(np.eye(n, dtype=bool), s.dtype.type(1), row(s)))
    pairs = np.where(np.eye(n, dtype=bool), s.dtype.type(0), pairs)
    inner = np.matmul(np.matmul(adjoint(u), x), adjoint(vh))
    moved = -pairs * inner
    moved[..., range(n), range(n)] = np.matmul(pairs, column(diagonal(inner)))[..., 0]
    return sign * np.matmul(np.matmul(adjoint(vh), moved), adjoint(u))


def _adjugate_move(a: Any, y: Any, x: Any) -> Any:
    """The derivative of the adjugate y of a along x."""
    if not any(map(is_traced, (a, y, x))):
        return _adjugate_move_value(a, x)
    # To be differentiated once more, to third order of the determinant; this takes a regular matrix.
    turn = matmul(inv(a), x)
    return y * total(diagonal(turn), -1)[..., None, None] - matmul(turn, y)


_adjugate = numpy_op(
    "adjugate",
    _adjugate_value,
    lambda s, y, a: (transposed(_adjugate_move(a, y, transposed(s))),),
    lambda tangents, y, a: _adjugate_move(a, y, tangents[0]),
)


def _cofactors(a: Any, d: Any) -> Any:
    return transposed(_adjugate(a) if is_traced(a) else _adjugate_value(a, d))


_det = numpy_op(
    "det",
    np.linalg.det,
    lambda s, y, a: (s[..., None, None] * _cofactors(a, y),),
    lambda tangents, y, a: total(tangents[0] * _cofactors(a, y), (-2, -1)),
)


@implements(np.linalg.det)
def det(a: Any) -> Any:
    """The determinants of a stack of matrices; to second order differentiable also where they are singular.

    >>> pyad.grad(np.linalg.det)(np.array([[2.0, 1.0], [1.0, 3.0]])).round(9)
    array([[ 3., -1.],
           [-1.,  2.]])
    """
    a = as_array(a)
    return _det(a) if is_traced(a) else np.linalg.det(a)


def _inv_or_nan_value(a: np.ndarray) -> np.ndarray:
    try:
        return np.linalg.inv(a)
    except LinAlgError:
        if a.ndim == 2:
            return np.full_like(a, np.nan)
        return np.stack([_inv_or_nan_value(x) for x in a])


_nan_inv = numpy_op("inv", _inv_or_nan_value, _inv_vjp, _inv_jvp)


def inv_or_nan(a: Any) -> Any:
    """The inverses of square matrices; NaN for the singular ones of the stack."""
    return _nan_inv(a) if is_traced(a) else _inv_or_nan_value(a)


_SlogdetResult = type(np.linalg.slogdet(np.eye(1)))


def _log_of(a: np.ndarray, seen: list[Any]) -> np.ndarray:
    sign, logarithm = np.linalg.slogdet(a)
    seen.append(sign)
    return logarithm


_logabsdet = numpy_op(
    "slogdet",
    _log_of,
    lambda s, y, a, seen: (s[..., None, None] * transposed(inv_or_nan(a)),),
    lambda tangents, y, a, seen: total(tangents[0] * transposed(inv_or_nan(a)), (-2, -1)),
)

# Of complex matrices, whose sign is not constant.


def _slogdet_vjp(s: Any, y: Any, a: Any) -> tuple[Any]:
    by_sign, by_log = s
    scale = by_log + 1j * np.imag(by_sign * y[0])
    return (scale[..., None, None] * transposed(inv_or_nan(a)),)


def _slogdet_jvp(tangents: list[Any], y: Any, a: Any) -> tuple[Any, Any]:
    rate = total(tangents[0] * transposed(inv_or_nan(a)), (-2, -1))
    return 1j * np.imag(rate) * y[0], np.real(rate)


_slogdet = numpy_op("slogdet", lambda a: tuple(map(np.asarray, np.linalg.slogdet(a))), _slogdet_vjp, _slogdet_jvp)


@implements(np.linalg.slogdet)
def slogdet(a: Any) -> Any:
    """Sign and logarithm of the modulus of the determinants; NaN is the derivative for a singular matrix.

    The sign of a real determinant is a constant.

    >>> pyad.grad(lambda a: np.linalg.slogdet(a)[1])(2.0 * np.eye(2))
    array([[0.5, 0. ],
           [0. , 0.5]])
    """
    a = as_array(a)
    if not is_traced(a):
        return np.linalg.slogdet(a)
    if is_complex(a):
        return _SlogdetResult(*_slogdet(a))
    seen: list[Any] = []
    logarithm = _logabsdet(a, seen=seen)
    # A program computes it anew, where it is used.
    sign = computed(_sign_of, a) if is_recording_program() else seen[0]
    return _SlogdetResult(sign, logarithm)


def _sign_of(a: np.ndarray) -> np.ndarray:
    return np.linalg.slogdet(a)[0]

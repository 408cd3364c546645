"""Decompositions: Cholesky, QR, eigenvalues, singular values.

Those of Hermitian matrices read one triangle, as NumPy says of them, and so do their derivatives: the gradient has
zeros in the triangle that is not read.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.linalg import LinAlgError

from pyad._ops._registry import implements
from pyad._ops.arithmetic import absolute
from pyad._ops.linalg._matrices import (
    adjoint,
    as_array,
    column,
    conj,
    diagonal,
    half_lower,
    hermitian_from,
    hermitian_onto,
    is_complex,
    on_diagonal,
    over_gaps,
    quotient,
    real,
    row,
    transposed,
    tril,
    triu,
    vanishes,
)
from pyad._ops.linalg.matmul import matmul
from pyad._ops.linalg.solve import solve
from pyad._ops.reductions import sum as total
from pyad._ops.shape import concatenate
from pyad._trace.array import is_traced
from pyad._trace.numpy_op import numpy_op
from pyad._trace.recorded_call import computed, detached
from pyad.errors import UnsupportedError

__all__ = ["cholesky", "eig", "eigh", "eigvals", "eigvalsh", "qr", "svd", "svdvals"]

# NumPy's named tuples, which have no public name.
_EighResult = type(np.linalg.eigh(np.eye(1)))
_EigResult = type(np.linalg.eig(np.eye(1)))
_SVDResult = type(np.linalg.svd(np.eye(1)))
_QRResult = type(np.linalg.qr(np.eye(1)))


def _need_matrices(name: str, a: Any) -> None:
    if a.ndim < 2:
        raise LinAlgError(f"{name}: the array has {a.ndim} dimensions, expected a matrix or a stack of matrices")


# ---- Cholesky: Murray, "Differentiation of the Cholesky decomposition", 2016, (8) and (10) ----


def _cholesky_vjp(s: Any, y: Any, a: Any) -> tuple[Any]:
    across = adjoint(y)
    half = solve(across, half_lower(matmul(across, conj(s))))
    return (conj(hermitian_onto(solve(across, adjoint(half)))),)


def _cholesky_jvp(tangents: list[Any], y: Any, a: Any) -> Any:
    half = solve(y, hermitian_from(tangents[0]))
    return matmul(y, half_lower(adjoint(solve(y, adjoint(half)))))


_cholesky = numpy_op("cholesky", np.linalg.cholesky, _cholesky_vjp, _cholesky_jvp)


@implements(np.linalg.cholesky)
def cholesky(a: Any, /, *, upper: bool = False) -> Any:
    """The triangular factors of a stack of positive definite matrices, of which one triangle is read.

    >>> pyad.grad(lambda a: np.linalg.cholesky(a)[0, 0])(np.array([[4.0]]))
    array([[0.25]])
    """
    a = as_array(a)
    if not is_traced(a):
        return np.linalg.cholesky(a, upper=upper)
    _need_matrices("cholesky", a)
    return adjoint(_cholesky(adjoint(a))) if upper else _cholesky(a)


# ---- QR: Walter and Lehmann, "Algorithmic differentiation of linear algebra functions with application in optimum
# experimental design", 2012. The columns that "complete" adds turn as little as they can: dq2 = -q1 (q2' dq1)'. ----


def _over(x: Any, r: Any) -> Any:
    """x r^-1 for an upper triangular r."""
    return transposed(solve(transposed(r), transposed(x)))


def _split(x: Any, k: int) -> tuple[Any, Any]:
    """The first k columns and the others, None where there are none."""
    return (x, None) if x.shape[-1] == k else (x[..., :k], x[..., k:])


def _upper_mirrored(m: Any) -> Any:
    """The Hermitian matrix of the upper triangle."""
    strict = triu(m, 1)
    return strict + adjoint(strict) + on_diagonal(real(diagonal(m)))


def _qr_vjp(g: Any, y: Any, a: Any, mode: str) -> tuple[Any]:
    n = a.shape[-1]
    q, q2 = _split(y[0], n)
    gq, gq2 = _split(conj(g[0]), n)
    r, gr = y[1][..., :n, :], conj(g[1])[..., :n, :]
    m = matmul(gr, adjoint(r)) - matmul(adjoint(q), gq)
    inner = gq + matmul(q, _upper_mirrored(m))
    if q2 is not None and not vanishes(gq2):
        inner = inner - matmul(q2, matmul(adjoint(gq2), q))
    return (conj(adjoint(solve(r, adjoint(inner)))),)


def _qr_jvp(tangents: list[Any], y: Any, a: Any, mode: str) -> tuple[Any, Any]:
    n = a.shape[-1]
    q, q2 = _split(y[0], n)
    r = y[1][..., :n, :]
    x = _over(tangents[0], r)
    p = matmul(adjoint(q), x)
    low = tril(p, -1)
    turn = low - adjoint(low)
    if is_complex(p):
        turn = turn + on_diagonal(1j * np.imag(diagonal(p)))
    dq = x + matmul(q, turn - p)
    dr = matmul(p - turn, r)
    if q2 is None:
        return dq, dr
    dq2 = -matmul(q, adjoint(matmul(adjoint(q2), x)))
    zeros = np.zeros((*dr.shape[:-2], q2.shape[-1], n), dr.dtype)
    return concatenate([dq, dq2], -1), concatenate([dr, zeros], -2)


_qr = numpy_op("qr", lambda a, mode: tuple(np.linalg.qr(a, mode)), _qr_vjp, _qr_jvp)


@implements(np.linalg.qr)
def qr(a: Any, mode: str = "reduced") -> Any:
    """q and r of a stack of matrices; r alone for mode "r". The first min(m, n) columns must be independent.

    >>> pyad.grad(lambda a: np.linalg.qr(a)[1][0, 0])(np.array([[-3.0], [-4.0]])).round(9)
    array([[-0.6],
           [-0.8]])
    """
    a = as_array(a)
    if not is_traced(a):
        return np.linalg.qr(a, mode)
    _need_matrices("qr", a)
    if mode not in ("reduced", "complete", "r"):
        if mode in ("raw", "full", "f", "economic", "e"):
            raise UnsupportedError(f"qr: mode={mode!r} is not supported for traced values; use 'reduced' or 'complete'")
        raise ValueError(f"qr: mode must be 'reduced', 'complete' or 'r', got {mode!r}")
    m, n = a.shape[-2:]
    inner_mode = "complete" if mode == "complete" else "reduced"
    if m >= n:
        q, r = _qr(a, mode=inner_mode)
    else:
        # The square block on the left decides about q, and the rest follows.
        q, left = _qr(a[..., :m], mode=inner_mode)
        r = concatenate([left, matmul(adjoint(q), a[..., m:])], -1)
    return r if mode == "r" else _QRResult(q, r)


# ---- Hermitian eigenvalues: Giles 2008, 3.1 ----


def _eigh_vjp(g: Any, y: Any, a: Any, UPLO: str) -> tuple[Any]:
    (gw, gv), (w, v) = g, y
    left = v * row(gw)
    if not vanishes(gv):
        left = left + matmul(v, over_gaps(matmul(adjoint(v), conj(gv)), row(w) - column(w)))
    return (conj(hermitian_onto(matmul(left, adjoint(v)), UPLO)),)


def _eigh_jvp(tangents: list[Any], y: Any, a: Any, UPLO: str) -> tuple[Any, Any]:
    w, v = y
    m = matmul(adjoint(v), matmul(hermitian_from(tangents[0], UPLO), v))
    return real(diagonal(m)), matmul(v, over_gaps(m, row(w) - column(w)))


_eigh = numpy_op("eigh", lambda a, UPLO: tuple(np.linalg.eigh(a, UPLO)), _eigh_vjp, _eigh_jvp)


@implements(np.linalg.eigh)
def eigh(a: Any, UPLO: str = "L") -> Any:
    """Eigenvalues, ascending, and eigenvectors of a stack of Hermitian matrices, of which one triangle is read.

    Where eigenvalues are equal, functions of the eigenvalues have their derivative, and those that depend on which
    vectors stand for the common space get NaN.

    >>> pyad.grad(lambda a: np.linalg.eigh(a)[0][1])(np.diag([1.0, 2.0]))
    array([[0., 0.],
           [0., 1.]])
    """
    a = as_array(a)
    if not is_traced(a):
        return np.linalg.eigh(a, UPLO)
    _need_matrices("eigh", a)
    return _EighResult(*_eigh(a, UPLO=UPLO.upper()))


# The values alone. What the rules need besides is left in the list `seen`, and computed anew where they are
# differentiated.


def _eigvalsh_value(a: np.ndarray, UPLO: str, seen: list[Any]) -> np.ndarray:
    w, v = np.linalg.eigh(a, UPLO)
    seen[:] = (v,)
    return w


def _eigvalsh_vjp(s: Any, y: Any, a: Any, UPLO: str, seen: list[Any]) -> tuple[Any]:
    v = eigh(a, UPLO)[1] if is_traced(a) else seen[0]
    return (conj(hermitian_onto(matmul(v * row(s), adjoint(v)), UPLO)),)


def _eigvalsh_jvp(tangents: list[Any], y: Any, a: Any, UPLO: str, seen: list[Any]) -> Any:
    v = eigh(a, UPLO)[1] if is_traced(a) else seen[0]
    return real(total(conj(v) * matmul(hermitian_from(tangents[0], UPLO), v), -2))


_eigvalsh = numpy_op("eigvalsh", _eigvalsh_value, _eigvalsh_vjp, _eigvalsh_jvp)


@implements(np.linalg.eigvalsh)
def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    """The eigenvalues of `eigh`.

    >>> pyad.grad(lambda a: np.linalg.eigvalsh(a)[1])(np.diag([1.0, 2.0]))
    array([[0., 0.],
           [0., 1.]])
    """
    a = as_array(a)
    if not is_traced(a):
        return np.linalg.eigvalsh(a, UPLO)
    _need_matrices("eigvalsh", a)
    return _eigvalsh(a, UPLO=UPLO.upper(), seen=[])


# ---- general eigenvalues: Giles 2008, 3.1, and columns that stay of length one: Boeddeker et al., "On the computation
# of complex-valued gradients with application to statistically optimum beamforming", 2017 ----


def _eig_vjp(g: Any, y: Any, a: Any) -> tuple[Any]:
    (gw, gv), (w, v) = g, y
    across = adjoint(v)
    middle = on_diagonal(conj(gw))
    if not vanishes(gv):
        m = matmul(across, conj(gv))
        m = m - matmul(across, v) * row(real(diagonal(m)))
        middle = middle + over_gaps(m, conj(row(w) - column(w)))
    out = conj(solve(across, matmul(middle, across)))
    return (out if is_complex(a) else real(out),)


def _eig_jvp(tangents: list[Any], y: Any, a: Any) -> tuple[Any, Any]:
    w, v = y
    m = solve(v, matmul(tangents[0], v))
    moved = matmul(v, over_gaps(m, row(w) - column(w)))
    return diagonal(m), moved - v * row(real(total(conj(v) * moved, -2)))


_eig = numpy_op("eig", lambda a: tuple(np.linalg.eig(a)), _eig_vjp, _eig_jvp)


@implements(np.linalg.eig)
def eig(a: Any) -> Any:
    """Eigenvalues and eigenvectors of a stack of matrices. Their phase is free.

    >>> pyad.grad(lambda a: np.linalg.eig(a)[0].real[1])(np.diag([1.0, 2.0]))
    array([[0., 0.],
           [0., 1.]])
    """
    a = as_array(a)
    if not is_traced(a):
        return np.linalg.eig(a)
    _need_matrices("eig", a)
    return _EigResult(*_eig(a))


@implements(np.linalg.eigvals)
def eigvals(a: Any) -> Any:
    """The eigenvalues of `eig`.

    >>> pyad.grad(lambda a: np.linalg.eigvals(a).real[1])(np.diag([1.0, 2.0]))
    array([[0., 0.],
           [0., 1.]])
    """
    return eig(a)[0]


# ---- singular values: Giles 2008, 3.2; Townsend, "Differentiating the singular value decomposition", 2016. The columns
# that full_matrices adds turn as little as they can: du2 = -u1 (u2' du1)'. ----


def _svd_gaps(s: Any) -> Any:
    return (row(s) - column(s)) * (row(s) + column(s))


def _svd_vjp(g: Any, y: Any, a: Any, full_matrices: bool) -> tuple[Any]:
    gu, gs, gvh = g
    u, s, vh = y
    k = s.shape[-1]
    u1, u2 = _split(u, k)
    if vanishes(gu) and vanishes(gvh):
        return (conj(matmul(u1 * row(gs), vh[..., :k, :])),)
    v1, v2 = _split(adjoint(vh), k)
    gu1, gu2 = _split(conj(gu), k)
    gv1, gv2 = _split(transposed(gvh), k)
    mu, mv = matmul(adjoint(u1), gu1), matmul(adjoint(v1), gv1)
    gaps = _svd_gaps(s)
    by_u, by_v = over_gaps(mu, gaps), over_gaps(mv, gaps)
    inner = (by_u + adjoint(by_u)) * row(s) + column(s) * (by_v + adjoint(by_v)) + on_diagonal(gs)
    if is_complex(a):
        inner = inner + on_diagonal(quotient(1j * np.imag(diagonal(mu)), s))
    left = matmul(u1, inner)
    if a.shape[-2] > k:
        left = left + quotient(gu1 - matmul(u1, mu), row(s))
    if u2 is not None and not vanishes(gu2):
        left = left - matmul(u2, quotient(matmul(adjoint(gu2), u1), row(s)))
    out = matmul(left, adjoint(v1))
    right = None
    if a.shape[-1] > k:
        right = quotient(gv1 - matmul(v1, mv), row(s))
    if v2 is not None and not vanishes(gv2):
        right = right - matmul(v2, quotient(matmul(adjoint(gv2), v1), row(s)))
    return (conj(out if right is None else out + matmul(u1, adjoint(right))),)


def _svd_jvp(tangents: list[Any], y: Any, a: Any, full_matrices: bool) -> tuple[Any, Any, Any]:
    t = tangents[0]
    u, s, vh = y
    k = s.shape[-1]
    u1, u2 = _split(u, k)
    v1, v2 = _split(adjoint(vh), k)
    tv, tu = matmul(t, v1), matmul(adjoint(t), u1)
    p = matmul(adjoint(u1), tv)
    gaps = _svd_gaps(s)
    by_u, by_v = p * row(s), column(s) * p
    inner = over_gaps(by_u + adjoint(by_u), gaps)
    if is_complex(a):
        inner = inner + on_diagonal(quotient(1j * np.imag(diagonal(p)), s))
    du = matmul(u1, inner)
    dv = matmul(v1, over_gaps(by_v + adjoint(by_v), gaps))
    if a.shape[-2] > k:
        du = du + quotient(tv - matmul(u1, p), row(s))
    if a.shape[-1] > k:
        dv = dv + quotient(tu - matmul(v1, adjoint(p)), row(s))
    if u2 is not None:
        du = concatenate([du, -matmul(u1, adjoint(quotient(matmul(adjoint(u2), tv), row(s))))], -1)
    if v2 is not None:
        dv = concatenate([dv, -matmul(v1, adjoint(quotient(matmul(adjoint(v2), tu), row(s))))], -1)
    return du, real(diagonal(p)), adjoint(dv)


_svd = numpy_op("svd", lambda a, full_matrices: tuple(np.linalg.svd(a, full_matrices)), _svd_vjp, _svd_jvp)


def _svdvals_value(a: np.ndarray, seen: list[Any]) -> np.ndarray:
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    seen[:] = u, vh
    return s


def _svdvals_vectors(a: Any, seen: list[Any]) -> Any:
    return svd(a, full_matrices=False)[::2] if is_traced(a) else seen


def _svdvals_vjp(s: Any, y: Any, a: Any, seen: list[Any]) -> tuple[Any]:
    u, vh = _svdvals_vectors(a, seen)
    return (conj(matmul(u * row(s), vh)),)


def _svdvals_jvp(tangents: list[Any], y: Any, a: Any, seen: list[Any]) -> Any:
    u, vh = _svdvals_vectors(a, seen)
    return real(total(conj(u) * matmul(tangents[0], adjoint(vh)), -2))


_svdvals = numpy_op("svdvals", _svdvals_value, _svdvals_vjp, _svdvals_jvp)


@implements(np.linalg.svd)
def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    """u, s, vh of a stack of matrices, or s alone.

    Where singular values are equal, functions of the singular values have their derivative, and those that depend on
    which vectors stand for the common space get NaN.

    >>> pyad.grad(lambda a: np.linalg.svd(a)[1][0])(np.diag([3.0, 2.0])) + 0.0
    array([[1., 0.],
           [0., 0.]])
    """
    a = as_array(a)
    if not is_traced(a):
        return np.linalg.svd(a, full_matrices, compute_uv, hermitian)
    _need_matrices("svd", a)
    if not compute_uv:
        return _svdvals_hermitian(a) if hermitian else _svdvals(a, seen=[])
    return _SVDResult(*(_svd_hermitian(a) if hermitian else _svd(a, full_matrices=bool(full_matrices))))


def _svdvals_hermitian(a: Any) -> Any:
    w = eigvalsh(a)
    return absolute(_take_last(w, computed(_descending, w)))


def _descending(w: np.ndarray) -> np.ndarray:
    return np.argsort(np.abs(w), -1)[..., ::-1]


def _svd_hermitian(a: Any) -> tuple[Any, Any, Any]:
    """By eigenvalues: their moduli, in descending order."""
    w, v = eigh(a)
    plain = detached(w)
    order = computed(_descending, w)
    w, v = _take_last(w, order), _take_last(v, order[..., None, :])
    sign = np.take_along_axis(np.sign(plain), order, -1)
    return v, absolute(w), adjoint(v * row(sign))


def _take_last(x: Any, order: np.ndarray) -> Any:
    """x reordered along its last axis."""
    places = list(np.indices(order.shape, sparse=True))
    if x.ndim > 1 and order.shape[-2] == 1 and x.shape[-2] != 1:
        places[-2] = np.arange(x.shape[-2])[:, None]
    places[-1] = order
    return x[tuple(places)]


if hasattr(np.linalg, "svdvals"):

    @implements(np.linalg.svdvals)
    def svdvals(x: Any, /) -> Any:
        """The singular values of a stack of matrices.

        >>> pyad.grad(lambda a: np.linalg.svdvals(a)[0])(np.diag([3.0, 2.0])) + 0.0
        array([[1., 0.],
               [0., 0.]])
        """
        return svd(x, full_matrices=False, compute_uv=False)

"""Polynomials by their coefficients, the highest power first, as `numpy.polyval` and its neighbours have them."""

from __future__ import annotations

from operator import index
from typing import Any

import numpy as np

from pyad._ops import reductions
from pyad._ops._registry import implements
from pyad._ops.arithmetic import sqrt
from pyad._ops.convolve_interp import convolve
from pyad._ops.linalg.least_squares import lstsq, pinv
from pyad._ops.linalg.matmul import matmul
from pyad._ops.linalg.solve import inv
from pyad._ops.linalg.tensordot import outer
from pyad._ops.rearrange import atleast_1d, trim_zeros
from pyad._ops.shape import asarray, broadcast_to, concatenate, stack
from pyad._ops.triangles_grids import vander
from pyad._trace.numpy_op import numpy_op
from pyad._trace.recorded_call import computed

__all__ = ["poly", "polyadd", "polyder", "polydiv", "polyfit", "polyint", "polymul", "polysub", "polyval", "roots"]


def _coefficients(p: Any) -> Any:
    return p.coeffs if isinstance(p, np.poly1d) else atleast_1d(p)


def _as_given(out: Any, *operands: Any) -> Any:
    """A polynomial object, if one of the operands is."""
    return np.poly1d(out) if any(isinstance(p, np.poly1d) for p in operands) else out


@implements(np.polyval)
def polyval(p: Any, x: Any) -> Any:
    """The polynomial at each element of x, by Horner's rule.

    >>> pyad.grad(lambda x: np.polyval([1.0, 0.0, 0.0], x))(3.0)
    np.float64(6.0)
    """
    p = p.coeffs if isinstance(p, np.poly1d) else asarray(p)
    if p.ndim == 0:
        raise TypeError("polyval: p must be the coefficients in an array, but is a single number")
    if isinstance(x, np.poly1d):
        y: Any = 0
    else:
        x = asarray(x)
        y = np.zeros(x.shape, x.dtype)
    for k in range(len(p)):
        y = y * x + p[k]
    return y


@implements(np.polyder)
def polyder(p: Any, m: int = 1) -> Any:
    """The coefficients of the m-th derivative.

    >>> pyad.jacobian(np.polyder)(np.ones(3))
    array([[2., 0., 0.],
           [0., 1., 0.]])
    """
    m = index(m)
    if m < 0:
        raise ValueError("Order of derivative must be positive (see polyint)")
    p = _coefficients(p)
    for _ in range(m):
        p = p[:-1] * np.arange(len(p) - 1, 0, -1, dtype=p.dtype)
    return p


@implements(np.polyint)
def polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    """The coefficients of the m-th antiderivative, with constants k.

    >>> pyad.jacobian(np.polyint)(np.ones(2))
    array([[0.5, 0. ],
           [0. , 1. ],
           [0. , 0. ]])
    """
    m = index(m)
    if m < 0:
        raise ValueError("Order of integral must be positive (see polyder)")
    p = _coefficients(p)
    if k is None:
        constants: Any = np.zeros(m, p.dtype)
    else:
        constants = atleast_1d(k)
        if len(constants) == 1 and m > 1:
            constants = broadcast_to(constants, (m,))
    if len(constants) < m:
        raise ValueError("k must be a scalar or a rank-1 array of length 1 or >m.")
    for j in range(m):
        dtype = p.dtype if p.dtype.kind not in "bui" else np.dtype(float)
        p = concatenate([p / np.arange(len(p), 0, -1, dtype=dtype), constants[j : j + 1]])
    return p


def _aligned(a1: Any, a2: Any) -> tuple[Any, Any]:
    """Both with as many coefficients."""
    both = [_coefficients(a1), _coefficients(a2)]
    n = max(map(len, both))
    return tuple(p if len(p) == n else concatenate([np.zeros(n - len(p), p.dtype), p]) for p in both)  # type: ignore[return-value]


@implements(np.polyadd)
def polyadd(a1: Any, a2: Any) -> Any:
    """The sum of two polynomials.

    >>> pyad.jacobian(lambda a: np.polyadd(a, [1.0, 2.0, 3.0]))(np.ones(1))
    array([[0.],
           [0.],
           [1.]])
    """
    p, q = _aligned(a1, a2)
    return _as_given(p + q, a1, a2)


@implements(np.polysub)
def polysub(a1: Any, a2: Any) -> Any:
    """The difference of two polynomials.

    >>> pyad.jacobian(lambda a: np.polysub(a, [1.0, 2.0]))(np.ones(2))
    array([[1., 0.],
           [0., 1.]])
    """
    p, q = _aligned(a1, a2)
    return _as_given(p - q, a1, a2)


@implements(np.polymul)
def polymul(a1: Any, a2: Any) -> Any:
    """The product of two polynomials, without leading zeros.

    >>> pyad.jacobian(lambda a: np.polymul(a, [1.0, 2.0]))(np.ones(1))
    array([[1.],
           [2.]])
    """
    return _as_given(convolve(*(_without_zeros(_coefficients(p)) for p in (a1, a2))), a1, a2)


def _without_zeros(p: Any) -> Any:
    """Without leading zeros, but at least one coefficient."""
    if p.ndim != 1:
        raise ValueError(f"a polynomial must be 1-d only, got shape {p.shape}")
    p = trim_zeros(p, "f")
    return p if len(p) else np.zeros(1, p.dtype)


@implements(np.polydiv)
def polydiv(u: Any, v: Any) -> tuple[Any, Any]:
    """Quotient and remainder of two polynomials.

    >>> pyad.jacobian(lambda a: np.polydiv(a, [1.0, 2.0])[1])(np.ones(2))
    array([[-2.,  1.]])
    """
    u, v = _coefficients(u) + 0.0, _coefficients(v) + 0.0
    if u.ndim != 1 or v.ndim != 1:
        raise ValueError(f"polydiv: polynomials must be 1-d only, got shapes {u.shape} and {v.shape}")
    count = max(len(u) - len(v) + 1, 1)
    if len(u) < len(v):
        return (u * 0.0)[:1], u
    quotient = []
    rest = u
    for k in range(count):
        d = rest[k] / v[0]
        quotient.append(d)
        rest = concatenate([rest[:k], rest[k : k + len(v)] - d * v, rest[k + len(v) :]])
    return stack(quotient), rest[computed(_count_of_zeros, rest) :]


def _count_of_zeros(rest: Any) -> int:
    """How many leading coefficients are as good as zero, the last one left out."""
    first = 0
    while np.allclose(rest[first], 0, rtol=1e-14) and first < len(rest) - 1:
        first += 1
    return first


@implements(np.poly)
def poly(seq_of_zeros: Any) -> Any:
    """The coefficients of the polynomial with these roots.

    >>> pyad.jacobian(np.poly)(np.array([3.0]))
    array([[ 0.],
           [-1.]])
    """
    roots = atleast_1d(seq_of_zeros)
    if roots.ndim != 1:
        raise ValueError(f"poly: of a matrix there is no derivative; give its eigenvalues, got shape {roots.shape}")
    out: Any = np.ones(1, roots.dtype)
    for k in range(len(roots)):
        out = concatenate([out, np.zeros(1, out.dtype)]) - concatenate([np.zeros(1, out.dtype), out * roots[k]])
    return out


# ---- fitting ----


def _checked_points(x: Any, y: Any, deg: Any, w: Any) -> None:
    if deg < 0:
        raise ValueError("expected deg >= 0")
    if x.ndim != 1:
        raise TypeError("expected 1D vector for x")
    if x.size == 0:
        raise TypeError("expected non-empty vector for x")
    if y.ndim < 1 or y.ndim > 2:
        raise TypeError("expected 1D or 2D array for y")
    if len(x) != len(y):
        raise TypeError("expected x and y to have same length")
    if w is not None and w.ndim != 1:
        raise TypeError("expected a 1-d array for weights")
    if w is not None and len(w) != len(y):
        raise TypeError("expected w and y to have the same length")


@implements(np.polyfit)
def polyfit(
    x: Any, y: Any, deg: int, rcond: float | None = None, full: bool = False, w: Any = None, cov: Any = False
) -> Any:
    """The polynomial that fits points best. Where they determine it, it has a derivative by all of x, y and w.

    >>> pyad.grad(lambda y: np.polyfit(np.arange(3.0), y, 1)[0])(np.ones(3)).round(9) + 0.0
    array([-0.5,  0. ,  0.5])
    """
    order = index(deg) + 1
    x, y = asarray(x) + 0.0, asarray(y) + 0.0
    w = None if w is None else asarray(w) + 0.0
    _checked_points(x, y, order - 1, w)
    left, right = vander(x, order), y
    if w is not None:
        left, right = left * w[:, None], right * (w[:, None] if y.ndim == 2 else w)
    scale = sqrt(reductions.sum(left * left, 0))
    left = left / scale
    columns = right if right.ndim == 2 else right[:, None]
    rcond = len(x) * np.finfo(x.dtype).eps if rcond is None else rcond
    scaled, residuals, rank, singular = lstsq(left, columns, rcond)
    if rank != order:
        raise ValueError(f"polyfit: the points do not determine a polynomial of degree {deg} (rank {rank} of {order})")
    out = scaled / scale[:, None]
    out = out if y.ndim == 2 else out[:, 0]
    if full:
        return out, residuals, rank, singular, rcond
    if not cov:
        return out
    if left.dtype.kind == "c":
        inverse = inv(matmul(left.T, left))  # NumPy's matrix has no conjugate in it
    else:
        across = pinv(left)
        inverse = matmul(across, across.T)
    base = inverse / outer(scale, scale)
    if cov == "unscaled":
        return out, base
    if len(x) <= order:
        raise ValueError("the number of data points must exceed order to scale the covariance matrix")
    factor = residuals / (len(x) - order)
    return out, base * factor[0] if y.ndim == 1 else base[:, :, None] * factor


# ---- roots ----


def _roots_jvp(tangents: list[Any], r: Any, p: Any) -> Any:
    # p(r) = 0 and what is added to p moves r by -dp(r) / p'(r).
    return -polyval(tangents[0], r) / polyval(polyder(p), r)


def _roots_vjp(s: Any, r: Any, p: Any) -> tuple[Any]:
    return (matmul(-s / polyval(polyder(p), r), vander(r, p.shape[0])),)


_roots = numpy_op("roots", np.roots, _roots_vjp, _roots_jvp)


@implements(np.roots)
def roots(p: Any) -> Any:
    """The roots of a polynomial from its coefficients; they move without bound where two of them meet.

    Leading zeros are constant: what is added there makes a root at infinity.

    >>> pyad.grad(lambda c: np.max(np.roots(c).real))(np.array([1.0, 0.0, -4.0]))
    array([-1.  , -0.5 , -0.25])
    """
    p = atleast_1d(p)
    if p.ndim != 1:
        raise ValueError(f"roots: the coefficients must be one row, got an array of shape {p.shape}")
    p = trim_zeros(p + 0.0, "f")
    if p.shape[0] < 2:
        return computed(np.roots, p)
    return _roots(p)

"""Matrix equations: Sylvester's, Stein's and Lyapunov's. The derivatives are those of the equation, as in `_solve`."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyad._ops._registry import over
from pyad._ops.linalg._matrices import adjoint, check_square, transposed
from pyad._ops.shape import asarray
from pyad._trace.numpy_op import numpy_op
from pyad.errors import ShapeError
from pyad.scipy._namespace import load, run_by
from pyad.scipy.linalg._solve import right_side

_theirs = load("scipy.linalg")


def _sylvester_vjp(s: Any, y: Any, a: Any, b: Any, q: Any) -> tuple[Any, ...]:
    w = _solve_sylvester(transposed(a), transposed(b), s)
    return -(w @ transposed(y)), -(transposed(y) @ w), w


def _sylvester_jvp(tangents: list[Any], y: Any, a: Any, b: Any, q: Any) -> Any:
    da, db, dq = tangents
    right = right_side(da, dq, y)
    if db is not None:
        right = -(y @ db) if right is None else right - y @ db
    return _solve_sylvester(a, b, right)


def _in_stacks(function: Any) -> Any:
    """A function of matrices, matrix by matrix where there are leading dimensions: versions of SciPy differ in that."""

    def run(*operands: Any) -> Any:
        batch = np.broadcast_shapes(*(x.shape[:-2] for x in operands))
        if not batch:
            return function(*operands)
        stacks = [np.broadcast_to(x, batch + x.shape[-2:]).reshape(-1, *x.shape[-2:]) for x in operands]
        parts = [function(*matrices) for matrices in zip(*stacks, strict=True)]
        return (
            np.reshape(np.stack(parts), batch + parts[0].shape) if parts else np.zeros(batch + operands[-1].shape[-2:])
        )

    return run


_solve_sylvester = numpy_op(
    "solve_sylvester", run_by(_in_stacks(_theirs.solve_sylvester)), _sylvester_vjp, _sylvester_jvp
)


@over(_theirs.solve_sylvester)
def solve_sylvester(a: Any, b: Any, q: Any) -> Any:
    """The solution X of a X + X b = q; see `scipy.linalg.solve_sylvester`.

    a is (n, n), b is (m, m), q is (n, m).

    Raises:
        ShapeError: shapes that do not fit.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.linalg import solve_sylvester
    >>> pyad.grad(lambda q: np.sum(solve_sylvester([[1.0]], [[3.0]], q)))(np.ones((1, 1)))
    array([[0.25]])
    """
    a, b, q = asarray(a), asarray(b), asarray(q)
    check_square("solve_sylvester", a)
    check_square("solve_sylvester", b, "b")
    if q.shape[-2:] != (a.shape[-1], b.shape[-1]):
        raise ShapeError(f"solve_sylvester: q has shape {q.shape}, expected ({a.shape[-1]}, {b.shape[-1]})")
    return _solve_sylvester(a, b, q)


@over(_theirs.solve_continuous_lyapunov)
def solve_continuous_lyapunov(a: Any, q: Any) -> Any:
    """The solution X of a X + X a^H = q; a and q are (n, n).

    Raises:
        ShapeError: Shapes that do not fit.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.linalg import solve_continuous_lyapunov
    >>> pyad.grad(lambda q: np.sum(solve_continuous_lyapunov([[2.0]], q)))(np.ones((1, 1)))
    array([[0.25]])
    """
    a, q = asarray(a), asarray(q)
    return solve_sylvester(a, adjoint(a), q)


# X = a X b + q (Stein's equation), of which Lyapunov's is the case b = a^H. As operands of their own, a and b have
# derivatives that hold for complex matrices too, where a^H is no holomorphic function of a.


def _stein_vjp(s: Any, y: Any, a: Any, b: Any, q: Any, **params: Any) -> tuple[Any, ...]:
    w = _stein(transposed(a), transposed(b), s, **params)
    return w @ transposed(y @ b), transposed(a @ y) @ w, w


def _stein_jvp(tangents: list[Any], y: Any, a: Any, b: Any, q: Any, **params: Any) -> Any:
    da, db, dq = tangents
    parts = [
        None if da is None else da @ (y @ b),
        None if db is None else (a @ y) @ db,
        dq,
    ]
    parts = [part for part in parts if part is not None]
    return _stein(a, b, sum(parts[1:], parts[0]), **params)


def _stein_reference(a: Any, b: Any, q: Any, method: str | None) -> Any:
    return _theirs.solve_discrete_lyapunov(a, q, method=method)


_stein = numpy_op("solve_discrete_lyapunov", run_by(_stein_reference), _stein_vjp, _stein_jvp)


@over(_theirs.solve_discrete_lyapunov)
def solve_discrete_lyapunov(a: Any, q: Any, method: str | None = None) -> Any:
    """The solution X of a X a^H - X + q = 0; a and q are (n, n).

    Raises:
        ShapeError: Shapes that do not fit.
        ValueError: An unknown method.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.linalg import solve_discrete_lyapunov
    >>> pyad.grad(lambda q: np.sum(solve_discrete_lyapunov([[0.5]], q)))(np.ones((1, 1)))
    array([[1.33333333]])
    """
    a, q = asarray(a), asarray(q)
    check_square("solve_discrete_lyapunov", a)
    if q.shape != a.shape:
        raise ShapeError(f"solve_discrete_lyapunov: q has shape {q.shape}, expected that of a, {a.shape}")
    return _stein(a, adjoint(a), q, method=method)

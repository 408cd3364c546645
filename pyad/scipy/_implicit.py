"""Solutions of equations, as functions of what the equations depend on.

Where F(x, p) = 0 defines x, the implicit function theorem gives F_x dx = -F_p dp: one linear solve, and nothing of the
iterations that found x (Blondel et al., Efficient and modular implicit differentiation, 2022). Backward it is the solve
with the transposed matrix. The rules are functions of x and p again, so derivatives of any order follow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pyad._ops.linalg._matrices import transposed
from pyad._trace.numpy_op import numpy_op
from pyad._transforms.derivatives import jacobian
from pyad.scipy._user_function import pull, push
from pyad.scipy.linalg._solve import solve

__all__ = ["columns", "implicit"]

Residual = Callable[..., Any]


def implicit(residual: Residual, x: np.ndarray, operands: Sequence[Any]) -> Any:
    """The known solution x, a vector, of residual(x, *operands) = 0, as a function of the operands, one of which at
    least is traced. Complex equations are solved as real ones for the parts, so they need not be holomorphic."""
    if not np.iscomplexobj(x):
        return _solution(*operands, value=np.asarray(x, np.float64), residual=residual)
    n = len(x)

    def parts(x: Any, *operands: Any) -> Any:
        out = residual(x[:n] + 1j * x[n:], *operands)
        return np.concatenate([np.real(out), np.imag(out)])

    both = _solution(*operands, value=np.concatenate([x.real, x.imag]).astype(np.float64), residual=parts)
    return both[:n] + 1j * both[n:]


def _matrix(residual: Residual, x: Any, operands: Sequence[Any]) -> Any:
    return jacobian(lambda x: residual(x, *operands))(x)


def _vjp(s: Any, x: Any, *operands: Any, residual: Residual, value: Any) -> tuple[Any, ...]:
    w = solve(transposed(_matrix(residual, x, operands)), s)
    return pull(lambda *p: residual(x, *p), operands, -w)[1]


def _jvp(tangents: list[Any], x: Any, *operands: Any, residual: Residual, value: Any) -> Any:
    moved = push(lambda *p: residual(x, *p), operands, tangents)[1]
    return -solve(_matrix(residual, x, operands), moved)


_solution = numpy_op("implicit", lambda *operands, value, **_: value, _vjp, _jvp)


def columns(f: Callable[[Any], Any], x: Any) -> Any:
    """The Jacobian of a function of a vector, column by column in forward mode: for functions with more results than
    arguments."""
    units = np.eye(x.shape[0])
    return np.stack([push(f, (x,), (unit,))[1] for unit in units], -1)

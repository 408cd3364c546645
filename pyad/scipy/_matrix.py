"""Small functions of stacks of matrices, for plain and for traced arrays, and for real and complex ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyad.errors import ShapeError

__all__ = ["adjoint", "check_square", "flip", "hermitian_part", "lower_part", "masked", "upper_part"]


def flip(x: Any) -> Any:
    """The transposed matrices, not conjugated."""
    return np.swapaxes(x, -1, -2)


def adjoint(x: Any) -> Any:
    """The conjugated transposed matrices."""
    return flip(x).conj()


def masked(x: Any, keep: np.ndarray) -> Any:
    """x where `keep` holds, and zeros elsewhere."""
    return np.where(keep, x, np.zeros((), x.dtype))


def lower_part(x: Any, k: int = 0) -> Any:
    """The entries on and below the k-th diagonal."""
    return masked(x, np.tri(*x.shape[-2:], k, dtype=bool))


def upper_part(x: Any, k: int = 0) -> Any:
    """The entries on and above the k-th diagonal."""
    return masked(x, ~np.tri(*x.shape[-2:], k - 1, dtype=bool))


def hermitian_part(x: Any) -> Any:
    """The mean of x and its adjoint."""
    return 0.5 * (x + adjoint(x))


def check_square(name: str, x: Any, what: str = "a") -> None:
    """Raise where x is no (stack of) square matrices."""
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ShapeError(f"{name}: {what} has shape {x.shape}, expected square matrices (..., n, n)")

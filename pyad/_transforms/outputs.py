"""What a function that is differentiated may return."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyad._binding import dtypes
from pyad._binding.dtypes import F64
from pyad._trace.array import Array, is_traced, wrap
from pyad._trace.promotion import constant
from pyad.errors import DTypeError, ShapeError


def check_output_kind(name: str, dtype: np.dtype, holomorphic: bool) -> None:
    """Raise where an output is complex and the function is not said to be holomorphic, or the other way round."""
    if holomorphic and dtype.kind != "c":
        raise DTypeError(f"{name}: with holomorphic=True the function must return complex values, got dtype {dtype}")
    if dtype.kind == "c" and not holomorphic:
        raise DTypeError(
            f"{name}: the function must return a real number, got dtype {dtype}; for a holomorphic function of complex "
            "inputs pass holomorphic=True, otherwise take np.real or np.imag of the output, or use pyad.vjp"
        )
    if dtype.kind not in "fiubc":
        raise DTypeError(f"{name}: the function must return a real number, got dtype {dtype}")


def check_holomorphic(name: str, leaves: list[Any]) -> None:
    for x in leaves:
        dtype = x.dtype if is_traced(x) else np.asarray(x).dtype
        if dtype.kind != "c":
            raise DTypeError(f"{name}: with holomorphic=True inputs must be complex, got dtype {dtype}")


def scalar_output(name: str, y: Any, holomorphic: bool) -> None:
    if is_traced(y):
        if y.ndim == 0:
            check_output_kind(name, y.dtype, holomorphic)
            return
        shape: Any = y.shape
    elif isinstance(y, float | int | complex | np.generic | np.ndarray) and np.ndim(y) == 0:
        check_output_kind(name, np.asarray(y).dtype, holomorphic)
        return
    elif isinstance(y, np.ndarray):
        shape = y.shape
    else:
        hint = "; with has_aux=True it may return (scalar, anything)" if type(y) is tuple and len(y) == 2 else ""
        raise TypeError(f"{name}: the function must return a scalar, got {type(y).__name__}{hint}")
    raise ShapeError(
        f"{name}: the function must return a scalar, got an array of shape {shape}; reduce it (np.sum, "
        "np.mean), or use "
        "pyad.vjp or pyad.jacobian"
    )


def check_outputs(name: str, leaves: list[Any]) -> None:
    for x in leaves:
        if is_traced(x):
            continue
        if not isinstance(x, float | int | complex | np.ndarray | np.generic):
            raise TypeError(
                f"{name}: the function must return numbers, arrays or containers of them, got {type(x).__name__}"
            )
        dtype = np.asarray(x).dtype
        if dtype.kind not in "fiubc":
            raise DTypeError(f"{name}: the function must return numbers and arrays of numbers, got dtype {dtype}")


def constant_leaf(x: Any) -> Array:
    array = np.asarray(x)
    dtype = array.dtype if array.dtype in dtypes.INEXACT else F64
    return wrap(constant(array, dtype))

"""Operands: the dtype that NumPy's promotion gives them, and plain ones as constants on the tape."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyad._binding import dtypes, engine, memory
from pyad._binding.dtypes import CODES, F64
from pyad._binding.engine import FAILED, lib
from pyad._trace.array import Array, View, WeakScalar, is_traced
from pyad.errors import DTypeError


def dtype_of(x: Any) -> Any:
    """The dtype of an operand as NumPy's promotion sees it: a dtype, or the Python number itself (weak)."""
    if is_traced(x):
        return 1.0 if type(x) is WeakScalar else x.dtype
    if type(x) in (float, int, bool, complex):
        return x
    if isinstance(x, np.generic | np.ndarray):
        return x.dtype
    dtype = getattr(x, "dtype", None)
    return dtype if isinstance(dtype, np.dtype) else np.asarray(x).dtype


def is_complex(x: Any) -> bool:
    """Whether an operand's dtype is complex."""
    return lib.pyad_dtype_of(x._h) > dtypes.CODE_F64 if type(x) is Array else np.iscomplexobj(x)


def refuse_subclass(name: str, x: Any) -> None:
    """Raise for ndarrays that compute otherwise than an ndarray: their mask or their products would be lost."""
    if isinstance(x, np.ma.MaskedArray | np.matrix):
        raise DTypeError(
            f"{name}: a {type(x).__name__} is not supported with traced values; pass a plain ndarray "
            "(np.asarray(x), or "
            "x.filled(value) for a masked array)"
        )


def _check_kind(kind: np.dtype, dtype: np.dtype) -> None:
    if kind.kind not in "biufc" or (kind.kind == "c" and dtype.kind != "c"):
        needed = "number or array" if dtype.kind == "c" else "real number or array"
        raise DTypeError(f"a constant of dtype {kind} was given where a {needed} is needed")


def constant(x: Any, dtype: np.dtype) -> int:
    """A handle for a plain operand, as a constant of `dtype`."""
    if type(x) is np.ndarray and x.dtype is dtype and x.shape:
        return memory.lend(x, 1)
    if type(x) is int and dtype.kind in "fc":
        x = float(x)
    if type(x) is not np.ndarray and type(x) is not float:
        refuse_subclass("a constant", x)
        kind = np.asarray(x).dtype
        _check_kind(kind, dtype)
    elif type(x) is np.ndarray:
        _check_kind(x.dtype, dtype)
    if type(x) is float or (isinstance(x, float | int | np.generic) and dtype.kind == "f"):
        handle = lib.pyad_const_number(float(x), CODES[dtype])
        if handle >= FAILED:
            raise engine.error(handle)
        return handle
    array = np.asarray(x, dtype)
    if array.ndim == 0 and dtype.kind == "f":
        return constant(float(array), dtype)
    return memory.lend(array, 1)


def _with_number(x: Any, y: Any) -> np.dtype | None:
    """The result type of a traced array and a Python int or float, which is weak: the array's; else None."""
    if is_traced(y):
        x, y = y, x
    if is_traced(x) and type(y) in (int, float):
        dtype = x.dtype
        return dtype if dtype in dtypes.INEXACT else None
    return None


def common_dtype(op: str, operands: tuple[Any, ...]) -> np.dtype:
    """NumPy's result type of the operands, which must be float32, float64, complex64 or complex128."""
    if len(operands) == 1 and is_traced(operands[0]):
        dtype = operands[0].dtype
        if dtype in dtypes.INEXACT:
            return dtype
    if len(operands) == 2:
        weak = _with_number(*operands)
        if weak is not None:
            return weak
        a, b = (x.dtype if type(x) in (Array, View, np.ndarray) else None for x in operands)
        if a is b and a in dtypes.INEXACT:
            return a
    try:
        dtype = np.result_type(*(dtype_of(x) for x in operands))
    except TypeError:
        raise DTypeError(
            f"{op}: operands of dtype {', '.join(str(dtype_of(x)) for x in operands)} have no common dtype; "
            "traced values are float32 or float64, complex64 or complex128"
        ) from None
    if dtype.kind in "bui":
        return F64
    if dtype not in dtypes.INEXACT:
        raise DTypeError(
            f"{op}: operands of dtype {', '.join(str(dtype_of(x)) for x in operands)} would give {dtype}; traced "
            "values are float32 or float64, complex64 or complex128"
        )
    return dtype

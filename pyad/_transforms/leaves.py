"""Fresh leaves over the inputs of a transform, and their shapes and dtypes."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyad._binding import dtypes, memory
from pyad._binding.dtypes import CODES, F64
from pyad._binding.engine import lib
from pyad._trace.array import Array, bare, is_traced, wrap
from pyad.errors import DTypeError

# ---- leaves ----


def make_leaf(name: str, x: Any) -> Array:
    """A fresh leaf over an input: an alias of an outer traced value, the memory of an array, or a number."""
    kind = type(x)
    if is_traced(x):
        return wrap(lib.pyad_alias(x._h))
    if kind is float:
        return wrap(lib.pyad_leaf_number(0, x, dtypes.CODE_F64))
    if not isinstance(x, np.ndarray | np.generic):
        if kind is complex:
            return wrap(memory.lend(np.array(x), 0))
        if isinstance(x, bool | int):
            raise _not_float(name, type(x).__name__)
        raise DTypeError(
            f"{name}: an input of type {kind.__name__} cannot be differentiated; expected floats, float arrays, or "
            "tuples, lists and dicts of them"
        )
    if isinstance(x, np.ma.MaskedArray | np.matrix):
        raise DTypeError(f"{name}: a {kind.__name__} is not supported; pass a plain ndarray")
    x = x if isinstance(x, np.generic) else np.asarray(x)
    code = CODES.get(x.dtype, -1)
    if code < dtypes.CODE_F32:
        raise _not_float(name, str(x.dtype))
    if isinstance(x, np.generic) or x.ndim == 0:
        if code > dtypes.CODE_F64:
            return wrap(memory.lend(np.array(x), 0))
        return wrap(lib.pyad_leaf_number(0, float(x), code))
    return wrap(memory.lend(x, 0))


def make_leaves(name: str, xs: list[Any]) -> list[Array]:
    """Fresh leaves over the inputs, in one call where all are plain arrays."""
    for x in xs:
        if type(x) is not np.ndarray:
            break
    else:
        handles = memory.lend_all(xs)
        if handles is not None:
            return [bare(h) for h in handles]
    return [make_leaf(name, x) for x in xs]


def _not_float(name: str, dtype: str) -> DTypeError:
    if dtype[0] in "<>" and dtype[1] in "fc":
        return DTypeError(
            f"{name}: an input of dtype {dtype} has foreign byte order; convert with x.astype(x.dtype.type)"
        )
    if dtype.startswith(("int", "uint", "bool")):
        return DTypeError(
            f"{name}: inputs must be float32 or float64, got {dtype}; convert with x.astype(float) or float(x)"
        )
    return DTypeError(
        f"{name}: inputs must be float32 or float64, or complex64 or complex128; dtype {dtype} is not supported"
    )


_NUMBERS: dict[Any, tuple[tuple[int, ...], np.dtype]] = {float: ((), F64), complex: ((), dtypes.C128)}


def input_avals(leaves: list[Any]) -> list[tuple[tuple[int, ...], np.dtype]]:
    return [(x.shape, x.dtype) if type(x) is np.ndarray else _NUMBERS.get(type(x)) or _aval(x) for x in leaves]


def _aval(x: Any) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and dtype; those of the memory for a class of array that may say anything of itself."""
    plain = np.asarray(x) if isinstance(x, np.ndarray) else x
    return plain.shape, plain.dtype


def checked_avals(name: str, leaves: list[Any]) -> list[tuple[tuple[int, ...], np.dtype]]:
    try:
        return input_avals(leaves)
    except AttributeError:
        for x in leaves:
            make_leaf(name, x)
        raise

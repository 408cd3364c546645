"""Fresh leaves over the inputs of a transform, and their shapes and dtypes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pyad._binding import dtypes, memory
from pyad._binding.dtypes import CODES, F64
from pyad._binding.engine import lib
from pyad._trace.array import Array, bare, is_traced, wrap
from pyad.errors import DTypeError

# How an input is reached, by its number, as words for a message; empty where it is an argument itself.
Place = Callable[[int], str]


def among_primals(structure: Any) -> Place:
    """The places of the leaves of a tuple of primals."""
    return lambda which: f"primals{structure.paths()[which]}"


def make_leaf(x: Any) -> Array | None:
    """A fresh leaf over an input: an alias of an outer traced value, the memory of an array, or a number. None where it
    cannot be one."""
    kind = type(x)
    if is_traced(x):
        return wrap(lib.pyad_alias(x._h))
    if kind is float:
        return wrap(lib.pyad_leaf_number(0, x, dtypes.CODE_F64))
    if kind is complex:
        return wrap(memory.lend(np.array(x), 0))
    if not isinstance(x, np.ndarray | np.generic) or isinstance(x, np.ma.MaskedArray | np.matrix):
        return None
    x = x if isinstance(x, np.generic) else np.asarray(x)
    code = CODES.get(_native(x.dtype), -1)
    if code < dtypes.CODE_F32:
        return None
    if isinstance(x, np.generic) or x.ndim == 0:
        if code > dtypes.CODE_F64:
            return wrap(memory.lend(np.array(x), 0))
        return wrap(lib.pyad_leaf_number(0, float(x), code))
    return wrap(memory.lend(x, 0))


def make_leaves(name: str, xs: list[Any], place: Place) -> list[Array]:
    """Fresh leaves over the inputs, in one call where all are plain arrays."""
    for x in xs:
        if type(x) is not np.ndarray:
            break
    else:
        handles = memory.lend_all(xs)
        if handles is not None:
            return [bare(h) for h in handles]
    made: list[Any] = [make_leaf(x) for x in xs]
    for leaf in made:
        if leaf is None:
            which = next(k for k, leaf in enumerate(made) if leaf is None)
            raise _unfit(name, xs[which], place(which))
    return made


def _unfit(name: str, x: Any, place: str) -> DTypeError:
    """The error for an input that cannot be differentiated."""
    at = f" at {place}" if place else ""
    if isinstance(x, np.ma.MaskedArray | np.matrix):
        return DTypeError(f"{name}: a {type(x).__name__} is not supported{at}; pass a plain ndarray")
    dtype = str(x.dtype) if isinstance(x, np.ndarray | np.generic) else type(x).__name__
    if dtype.startswith(("int", "uint", "bool")):
        apart = ""
        if place:
            whole = place.startswith("argument") and "[" not in place
            apart = ", or leave it out of argnums" if whole else ", or give what is not differentiated another argument"
        return DTypeError(
            f"{name}: inputs must be float32 or float64, got {dtype}{at}; convert with x.astype(float) or "
            f"float(x){apart}"
        )
    if isinstance(x, np.ndarray | np.generic):
        return DTypeError(
            f"{name}: inputs must be float32 or float64, or complex64 or complex128; dtype {dtype} is not supported{at}"
        )
    if hasattr(x, "to_numpy"):
        return DTypeError(
            f"{name}: an input of type {dtype} cannot be differentiated{at}; pass its numbers as an array, with "
            ".to_numpy()"
        )
    return DTypeError(
        f"{name}: an input of type {dtype} cannot be differentiated{at}; expected floats, float arrays, or tuples, "
        "lists and dicts of them"
    )


_NUMBERS: dict[Any, tuple[tuple[int, ...], np.dtype]] = {float: ((), F64), complex: ((), dtypes.C128)}


def input_avals(leaves: list[Any]) -> list[tuple[tuple[int, ...], np.dtype]]:
    """The shapes and dtypes of inputs of which leaves could be made."""
    return [(x.shape, _native(x.dtype)) if type(x) is np.ndarray else _NUMBERS.get(type(x)) or _aval(x) for x in leaves]


def _aval(x: Any) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and dtype; those of the memory for a class of array that may say anything of itself."""
    plain = np.asarray(x) if isinstance(x, np.ndarray) else x
    return plain.shape, _native(plain.dtype)


def _native(dtype: np.dtype) -> np.dtype:
    """The dtype in this machine's byte order, in which the engine computes."""
    return dtype if dtype.isnative else dtype.newbyteorder("=")

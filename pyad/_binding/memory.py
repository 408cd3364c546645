"""Memory in and out: arrays lent to the tape, values of nodes as arrays, gradients."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from weakref import ref

import numpy as np

from pyad._binding import engine
from pyad._binding.dtypes import CODE_F32, CODE_F64, CODES, DTYPES, F32, F64, INEXACT
from pyad._binding.engine import FAILED, NULL, _local, current, error, ffi, lib
from pyad.errors import DTypeError, NeedsPython, ShapeError

# Gradients from this size on leave without a copy; below it, copying is cheaper than sharing.
SHARE_BYTES = 1 << 17

# Values up to this size may lie in the tape's arena, which keeps nothing alive.
VIEW_BYTES = lib.PYAD_SMALL_BYTES
_WIDEST = max(dtype.itemsize for dtype in DTYPES)


# ---- memory in ----


# A flag of `lend`: an argument of the program that is being recorded.
ARGUMENT = -2


def lend(array: np.ndarray, flags: int) -> int:
    """A leaf over the memory of `array`; the engine's keep list holds the array."""
    if type(array) is not np.ndarray:
        array = np.asarray(array)  # a class of its own may say anything of its shape
    dtype = array.dtype
    if not dtype.isnative:
        return lend(array.astype(dtype.newbyteorder("=")), flags)
    code = CODE_F64 if dtype is F64 else CODE_F32 if dtype is F32 else CODES.get(dtype)
    if code is None:
        raise DTypeError(f"arrays of dtype {dtype} are not supported; convert to float32 or float64")
    most = 32 if code <= CODE_F64 else 31
    if engine.recording_threads and flags >= 0:
        array = as_it_is(array)
    flags &= 1
    if array.ndim > most:
        raise ShapeError(f"arrays of {array.ndim} dimensions are not supported, at most {most}")
    try:
        data = ffi.from_buffer(array)
    except ValueError:  # not C-contiguous
        return _lend_strided(array, flags, code)
    _hold(array)
    handle = lib.pyad_lend(flags, code, array.ndim, array.shape, NULL, data)
    if handle >= FAILED:
        if not array.flags.aligned:
            return lend(array.copy(), flags)
        raise error(handle)
    return handle


def _hold(array: np.ndarray) -> None:
    """Keep an array, and its memory where it is: NumPy resizes no array that has a weak reference."""
    keep = _local.engine.keep  # type: ignore[union-attr]
    keep.append(array)
    keep.append(ref(array))


def as_it_is(array: Any) -> Any:
    """While a program is being recorded: what the program reads in the place of a plain array, a copy, since the array
    may change later. One copy serves for as long as the array does not change."""
    if not isinstance(array, np.ndarray) or not current().is_recording_program:
        return array
    copies = _local.engine.copies  # type: ignore[union-attr]
    place = (array.__array_interface__["data"][0], array.shape, array.strides, array.dtype)
    copy = copies.get(place)
    if copy is None or copy.tobytes() != array.tobytes():
        copy = copies[place] = array.copy()
    return copy


def lend_all(arrays: list[np.ndarray]) -> list[int] | None:
    """Leaves over arrays in one call; None where one of them is not an aligned C-contiguous float array."""
    if engine.recording_threads:
        arrays = [as_it_is(array) for array in arrays]
    handles = ffi.new("int64_t[]", len(arrays))
    keep = _local.engine.keep  # type: ignore[union-attr]
    keep.extend(arrays)
    keep.extend(map(ref, arrays))
    status = lib.pyad_lend_list(id(arrays), handles)
    if status == lib.PYAD_ERR_MEMORY:
        raise error(status)
    if status:
        return None
    return ffi.unpack(handles, len(arrays))


def _lend_strided(array: np.ndarray, flags: int, code: int) -> int:
    item = array.dtype.itemsize
    if not array.flags.aligned or any(s % item for s in array.strides):
        return lend(array.copy("K"), flags)
    data = ffi.cast("void *", array.__array_interface__["data"][0])
    _hold(array)
    handle = lib.pyad_lend(flags, code, array.ndim, array.shape, [s // item for s in array.strides], data)
    if handle >= FAILED:
        raise error(handle)
    return handle


# ---- memory out ----


# Where the engine puts a buffer that it gives away. Whoever asks for one sees first to its being given back: there must
# be no moment at which Python has it and nobody would.
_cell = ffi.typeof("pyad_buffer *[1]")
_give_back = lib.pyad_buffer_drop


def shared(share: Callable[[int, Any], int], handle: int, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray | None:
    """An ndarray over a buffer that `share` gives for a handle, and which it keeps alive; None where it gives none."""
    cell = ffi.new(_cell)
    owner = ffi.gc(cell, partial(_give_back, cell))
    if not share(handle, cell):
        return None
    count = 1
    for length in shape:
        count *= length
    nbytes = count * dtype.itemsize
    data = ffi.gc(ffi.cast("char *", lib.pyad_buffer_data(cell[0])), partial(_give_back, owner), nbytes)
    return np.frombuffer(ffi.buffer(data, nbytes), dtype).reshape(shape)


_info = ffi.typeof("pyad_info *")


def node_info(handle: int) -> Any:
    """What the engine says of a node; valid until the tape changes."""
    info = ffi.new(_info)
    status = lib.pyad_look(handle, info)
    if status:
        raise error(status, (handle,))
    return info


def shape_of(info: Any) -> tuple[int, ...]:
    return tuple(ffi.unpack(info.shape, info.ndim)) if info.ndim else ()


def params_of(info: Any) -> tuple[int, ...]:
    if info.params == NULL:
        return ()
    count = info.params[0]
    return tuple(ffi.unpack(info.params + 1, count)) if count else ()


def read(handle: int, share: bool = True) -> Any:
    """The value of a node as a NumPy array (a scalar where it is 0-d) with memory of its own."""
    _need_values()
    ndim = lib.pyad_ndim_of(handle)
    if ndim < 0:
        raise error(lib.PYAD_ERR_STALE, (handle,))
    code = lib.pyad_dtype_of(handle)
    dtype = DTYPES[code]
    if ndim == 0:
        if code <= CODE_F64:
            return dtype.type(_number(handle))
        pair = np.empty((), dtype)
        _copy_out(handle, pair)
        return pair[()]
    shape = ffi.unpack(lib.pyad_shape_of(handle), ndim)
    if share and lib.pyad_size_of(handle) * dtype.itemsize >= SHARE_BYTES:
        over = shared(lib.pyad_share_out, handle, tuple(shape), dtype)
        if over is not None:
            return over
    out = np.empty(shape, dtype)
    _copy_out(handle, out)
    return out


def _copy_out(handle: int, out: np.ndarray) -> None:
    status = lib.pyad_copy_out(handle, ffi.from_buffer(out))
    if status:
        raise error(status, (handle,))


def _need_values() -> None:
    if _local.engine is not None and _local.engine.abstract:
        raise NeedsPython


def read_view(handle: int) -> Any:
    """The value of a node as a read-only NumPy array over its memory where that can be, for use before the mark is cut.

    Buffers of the engine are kept alive by the array; memory that was lent stays until then anyway; small values, which
    lie in the arena, are copied.
    """
    # Nothing that is this small takes more than the limit, and neither does a value that is stale (-1).
    if lib.pyad_size_of(handle) * _WIDEST <= VIEW_BYTES:
        return read(handle, share=False)
    info = _glance(handle)
    dtype = DTYPES[info.dtype]
    nbytes = info.size * dtype.itemsize
    if not nbytes or not info.is_contiguous or info.data == NULL:
        return read(handle, share=False)
    if nbytes <= VIEW_BYTES:
        return _over(info, nbytes, dtype).copy()[()]
    cell = ffi.new(_cell)
    data = ffi.gc(ffi.cast("char *", info.data), partial(_give_back, cell), nbytes)
    lib.pyad_borrow(handle, cell)
    out = np.frombuffer(ffi.buffer(data, nbytes), dtype).reshape(shape_of(info))
    out.flags.writeable = False
    return out


def _glance(handle: int) -> Any:
    """As `node_info` of a node with a value, but valid only until the next glance."""
    here = current()
    if here.abstract:
        raise NeedsPython
    status = lib.pyad_look(handle, here.info)
    if status:
        raise error(status, (handle,))
    return here.info


def _over(info: Any, nbytes: int, dtype: np.dtype) -> np.ndarray:
    """An array over the contiguous value of a node, which it does not keep alive."""
    out = np.frombuffer(ffi.buffer(info.data, nbytes), dtype)
    return out if info.ndim == 1 else out.reshape(shape_of(info))


def _number(handle: int) -> float:
    """The value of a 0-d node."""
    number = lib.pyad_read_number(handle)
    if number != number and node_info(handle).data == NULL:  # no value, or it is NaN
        raise error(7, (handle,))
    return number


def take_gradients(handles: list[int], avals: list[tuple[tuple[int, ...], np.dtype]]) -> list[Any]:
    """What has arrived at inputs of the sweep under way, as arrays of their shapes and dtypes; zeros for nothing."""
    out: list[Any] = [np.empty(shape, dtype) if shape else _ZERO_D for shape, dtype in avals]
    fill = out
    for k, array in enumerate(out):
        if array is _ZERO_D or array.nbytes >= SHARE_BYTES:
            # These do not come by copying, so the list of what is to be filled becomes another one.
            fill = list(out) if fill is out else fill
            fill[k] = None
    if fill is not out:
        _take_uncopied(handles, avals, out, fill)
    status = lib.pyad_sweep_copy_list(handles, id(fill))
    if status:
        raise error(status, tuple(handles))
    return out


_ZERO_D = np.empty(())


def _take_uncopied(handles: list[int], avals: list[Any], out: list[Any], fill: list[Any]) -> None:
    """Numbers by value, and large gradients over the engine's own memory where nobody else holds it."""
    for k, (handle, (shape, dtype)) in enumerate(zip(handles, avals, strict=True)):
        if fill[k] is not None:
            continue
        if not shape:
            out[k] = dtype.type(lib.pyad_sweep_number(handle)) if dtype.kind == "f" else _sweep_pair(handle, dtype)
            continue
        over = shared(lib.pyad_sweep_share, handle, shape, dtype)
        if over is None:
            fill[k] = out[k]
        else:
            out[k] = over


def _sweep_pair(handle: int, dtype: np.dtype) -> Any:
    """What has arrived at a 0-d complex input."""
    pair = np.empty((), dtype)
    status = lib.pyad_sweep_copy(handle, ffi.from_buffer(pair))
    if status:
        raise error(status, (handle,))
    return pair[()]


# ---- calls that take and return objects ----


def object_calls(array_type: type, view_type: type) -> dict[str, Any]:
    """The functions of csrc/python/op_calls.h, by name, for traced arrays of these classes."""
    floats = [dtype for dtype in DTYPES if dtype in INEXACT]
    context = (array_type, view_type, "_h", np.ndarray, np.empty, *floats, *(dtype.type for dtype in floats))
    functions: dict[str, Any] = {}
    if lib.pyad_make_op_calls(id(context), id(functions)):
        raise MemoryError("out of memory while binding the engine")
    return functions

"""The one importer of the compiled engine: handles, errors, one engine per thread, memory in and out."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from functools import partial
from types import CodeType, FrameType
from typing import Any

import numpy as np

from pyad import errors
from pyad._ext import ffi, lib

NULL = ffi.NULL
F32 = np.dtype(np.float32)
F64 = np.dtype(np.float64)
C64 = np.dtype(np.complex64)
C128 = np.dtype(np.complex128)
INT64 = np.dtype(np.int64)

# In the engine's order.
DTYPES = tuple(np.dtype(n) for n in ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8", "c8", "c16"])
CODES = {dtype: code for code, dtype in enumerate(DTYPES)}
CODE_F32 = CODES[F32]
CODE_F64 = CODES[F64]
# What can be differentiated.
INEXACT = frozenset((F32, F64, C64, C128))

# Handles from here on are errors or values with a buffer; see csrc/pyad.h.
LARGE = 1 << 62
FAILED = LARGE + (1 << 61)
INDEX_BITS = 28
CALL_PYTHON = 32
ERR_DTYPE = 3

KERNEL_COUNT = lib.pyad_kernel_count()

# Gradients from this size on leave without a copy; below it, copying is cheaper than sharing.
SHARE_BYTES = 1 << 17

# Values up to this size may lie in the tape's arena (csrc/array/array.h), which keeps nothing alive.
VIEW_BYTES = 1 << 10
_WIDEST = max(dtype.itemsize for dtype in DTYPES)

_ERRORS = {
    1: MemoryError,
    2: errors.ShapeError,
    3: errors.DTypeError,
    4: ValueError,
    5: errors.LeakError,
    6: errors.MutationError,
    7: errors.EngineError,
}

# Threads that are recording a program: 0 nearly always, and then nobody need look further.
staging_threads = 0
_counting = threading.Lock()

_generations = itertools.count(1)
next_generation = _generations.__next__
# Open transforms: generation -> thread. Tells a leaked value from one used on the wrong thread.
_open: dict[int, int] = {}
# The same for those whose tape a pullback has kept.
_saved: dict[int, int] = {}


def kernel(name: str) -> int:
    """The engine's number of a kernel."""
    number = lib.pyad_kernel_find(name.encode())
    if number < 0:
        raise errors.EngineError(f"the engine has no kernel {name!r}")
    return number


def error(status: int, handles: tuple[int, ...] = ()) -> Exception:
    """The exception for a status (or a failed handle); `handles` are the values that were used."""
    if status >= FAILED:
        status -= FAILED
    cls = _ERRORS.get(status, errors.EngineError)
    if cls is errors.LeakError:
        return errors.LeakError(_leak_words(handles))
    return cls(ffi.string(lib.pyad_last_message()).decode() or f"status {status}")


def _leak_words(handles: tuple[int, ...]) -> str:
    here = threading.get_ident()
    for handle in handles:
        generation = (handle & (LARGE - 1)) >> INDEX_BITS
        thread = _open.get(generation, _saved.get(generation))
        if thread is not None and thread != here:
            return (
                "a traced value was used on another thread than the one whose transform made it; call the transform "
                "(grad, vjp, ...) on the thread that runs the function"
            )
    return (
        "a traced value was used after its transform (grad, vjp, jvp, ...) had ended: it leaked out of the function, "
        "through a global, an attribute or a closure; return it, with has_aux=True where it is not the result"
    )


# The code of functions that hold a mark open while they call what is not pyad's.
_holders: set[CodeType] = set()


def holds_mark(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator for functions that hold a mark open: where one is being run, a transform is under way."""
    _holders.add(function.__code__)
    return function


def _is_held(frame: FrameType | None) -> bool:
    """Whether a frame or one that called it holds a mark open."""
    while frame is not None:
        if frame.f_code in _holders:
            return True
        frame = frame.f_back
    return False


class Engine:
    """A thread's engine and what Python keeps for its tape: arrays that lend it memory, objects of Python-run nodes.

    An interrupt may end a function of pyad at any point, also where it ends something itself. So what is under way is
    known from the engine and from what is being run, and never from notes that Python takes.
    """

    def __init__(self) -> None:
        pointer = lib.pyad_engine_new()
        if pointer == NULL:
            raise MemoryError("out of memory while making an engine")
        self.pointer = ffi.gc(pointer, lib.pyad_engine_free)
        lib.pyad_engine_enter(self.pointer)
        # What is needed as long as the tape has the nodes. Always put here before the engine is told of it.
        self.keep: Any = []
        self.info = ffi.new("pyad_info *")
        # What owns the memory of arrays outside a function that is being recorded, by id: programs read them in place.
        self.outside: set[int] = set()
        self.abstract = False  # a rule is being recorded on placeholders, which have no values
        self.dead: list[Any] = []  # cells of saved tapes whose owner is gone, freed by this thread

    @property
    def depth(self) -> int:
        """How many marks are open on this thread's tape."""
        return lib.pyad_depth()

    def is_idle(self, frame: FrameType | None) -> bool:
        """Whether no transform is under way where `frame` is run. What an interrupted one has left is cleared away."""
        left = lib.pyad_depth() > 0
        if left and _is_held(frame):
            return False
        if _open:
            here = threading.get_ident()
            for generation in [generation for generation, thread in list(_open.items()) if thread == here]:
                _open.pop(generation, None)
        if left:
            self.abstract = False
            lib.pyad_reset()
            self.stage(False)
            self.keep = []
        return True

    @property
    def staging(self) -> bool:
        """Whether a program is being recorded on this thread's tape."""
        return bool(lib.pyad_is_recording_program())

    def stage(self, on: bool) -> None:
        """Begin or end the recording of a program."""
        global staging_threads
        if self.staging != on:
            with _counting:
                staging_threads += 1 if on else -1
        lib.pyad_record_program(on)

    def bury(self) -> None:
        """Free saved tapes whose pullback is gone."""
        while self.dead:
            cell = self.dead[-1]
            if cell[0] != NULL:
                _saved.pop(lib.pyad_saved_tape_generation(cell[0]), None)
                lib.pyad_saved_tape_free(cell)
            self.dead.pop()


class _Local(threading.local):
    engine: Engine | None = None


_local = _Local()


def current() -> Engine:
    """The calling thread's engine, made on first use."""
    engine = _local.engine
    if engine is None:
        engine = _local.engine = Engine()
    return engine


# ---- memory in ----


def owner_of(array: Any) -> Any:
    """What owns an array's memory."""
    while isinstance(array, np.ndarray) and array.base is not None:
        array = array.base
    return array


def lend(array: np.ndarray, flags: int) -> int:
    """A leaf over the memory of `array`; the engine's keep list holds the array."""
    dtype = array.dtype
    code = CODE_F64 if dtype is F64 else CODE_F32 if dtype is F32 else CODES.get(dtype)
    if code is None or not dtype.isnative:
        raise errors.DTypeError(f"arrays of dtype {dtype} are not supported; convert to float32 or float64")
    most = 32 if code <= CODE_F64 else 31
    if staging_threads and flags and current().staging and id(owner_of(array)) not in _local.engine.outside:  # type: ignore[union-attr]
        array = array.copy()  # the function may go on to change it, but the program needs what it is now
    if array.ndim > most:
        raise errors.ShapeError(f"arrays of {array.ndim} dimensions are not supported, at most {most}")
    try:
        data = ffi.from_buffer(array)
    except ValueError:  # not C-contiguous
        return _lend_strided(array, flags, code)
    _local.engine.keep.append(array)  # type: ignore[union-attr]
    handle = lib.pyad_lend(flags, code, array.ndim, array.shape, NULL, data)
    if handle >= FAILED:
        if not array.flags.aligned:
            return lend(array.copy(), flags)
        raise error(handle)
    return handle


def lend_all(arrays: list[np.ndarray]) -> list[int] | None:
    """Leaves over arrays in one call; None where one of them is not an aligned C-contiguous float array."""
    handles = ffi.new("int64_t[]", len(arrays))
    _local.engine.keep.extend(arrays)  # type: ignore[union-attr]
    status = lib.pyad_lend_list(id(arrays), handles)
    if status == 1:
        raise error(status)
    if status:
        return None
    return ffi.unpack(handles, len(arrays))


def _lend_strided(array: np.ndarray, flags: int, code: int) -> int:
    item = array.dtype.itemsize
    if not array.flags.aligned or any(s % item for s in array.strides):
        return lend(array.copy(), flags)
    data = ffi.cast("void *", array.__array_interface__["data"][0])
    current().keep.append(array)
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


def look(handle: int) -> Any:
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


def materialize(handle: int, share: bool = True) -> Any:
    """The value of a node as a NumPy array (a scalar where it is 0-d) with memory of its own."""
    _need_values()
    ndim = lib.pyad_ndim_of(handle)
    if ndim < 0:
        raise error(5, (handle,))
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
        raise errors.NeedsPython


def view(handle: int) -> Any:
    """The value of a node as a read-only NumPy array over its memory where that can be, for use before the mark is cut.

    Buffers of the engine are kept alive by the array; memory that was lent stays until then anyway; small values, which
    lie in the arena, are copied.
    """
    # Nothing that is this small takes more than the limit, and neither does a value that is stale (-1).
    if lib.pyad_size_of(handle) * _WIDEST <= VIEW_BYTES:
        return materialize(handle, share=False)
    info = _glance(handle)
    dtype = DTYPES[info.dtype]
    nbytes = info.size * dtype.itemsize
    if not nbytes or not info.is_contiguous or info.data == NULL:
        return materialize(handle, share=False)
    if nbytes <= VIEW_BYTES:
        return _over(info, nbytes, dtype).copy()[()]
    cell = ffi.new(_cell)
    data = ffi.gc(ffi.cast("char *", info.data), partial(_give_back, cell), nbytes)
    lib.pyad_borrow(handle, cell)
    out = np.frombuffer(ffi.buffer(data, nbytes), dtype).reshape(shape_of(info))
    out.flags.writeable = False
    return out


def peek(handle: int) -> np.ndarray:
    """The value of a node, only to be read, and not to be kept beyond the call that it is fetched for."""
    info = _glance(handle)
    dtype = DTYPES[info.dtype]
    nbytes = info.size * dtype.itemsize
    if not nbytes or not info.is_contiguous or info.data == NULL:
        return np.asarray(materialize(handle, share=False))
    return _over(info, nbytes, dtype)


def _glance(handle: int) -> Any:
    """As `look` at a node with a value, but valid only until the next glance."""
    engine = current()
    if engine.abstract:
        raise errors.NeedsPython
    status = lib.pyad_look(handle, engine.info)
    if status:
        raise error(status, (handle,))
    return engine.info


def _over(info: Any, nbytes: int, dtype: np.dtype) -> np.ndarray:
    """An array over the contiguous value of a node, which it does not keep alive."""
    out = np.frombuffer(ffi.buffer(info.data, nbytes), dtype)
    return out if info.ndim == 1 else out.reshape(shape_of(info))


def _number(handle: int) -> float:
    """The value of a 0-d node."""
    number = lib.pyad_read_number(handle)
    if number != number and look(handle).data == NULL:  # no value, or it is NaN
        raise error(7, (handle,))
    return number


def take_gradients(handles: list[int], avals: list[tuple[tuple[int, ...], np.dtype]]) -> list[Any]:
    """What has arrived at inputs of the sweep under way, as arrays of their shapes and dtypes; zeros for nothing."""
    out = [np.empty(shape, dtype) if shape else _ZERO_D for shape, dtype in avals]
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


# ---- calls that take and answer objects ----


def object_calls(array_type: type, view_type: type) -> dict[str, Any]:
    """The functions of csrc/python/op_calls.h, by name, for traced arrays of these classes."""
    floats = [dtype for dtype in DTYPES if dtype in INEXACT]
    context = (array_type, view_type, "_h", np.ndarray, np.empty, *floats, *(dtype.type for dtype in floats))
    functions: dict[str, Any] = {}
    if lib.pyad_bridge_ops(id(context), id(functions)):
        raise MemoryError("out of memory while binding the engine")
    return functions


# ---- plain kernels ----


def axpy(a: float, xs: list[np.ndarray], ys: list[np.ndarray]) -> bool:
    """y += a * x for pairs of arrays, in one pass over memory.

    False, and nothing is changed, where a pair differs in shape or dtype, is not float32 or float64, is 0-d or not
    C-contiguous, or where a y is read-only.
    """
    return lib.pyad_axpy_lists(a, id(xs), id(ys)) == 0


def counters() -> dict[str, int]:
    """Figures of this thread's engine: nodes, bytes of the tape, of buffers and of copies that writes made, rules."""
    current()
    c = ffi.new("pyad_counters *")
    lib.pyad_count(c)
    return {
        name: getattr(c, name)
        for name in ("nodes", "tape_bytes", "live_bytes", "peak_bytes", "cached_bytes", "rules", "copied_bytes")
    }

"""The one importer of the compiled engine: handles, errors, one engine per thread, memory in and out."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any, TypeVar

import numpy as np

from pyad import errors
from pyad._ext import ffi, lib

Function = TypeVar("Function", bound=Callable[..., Any])

NULL = ffi.NULL

# Handles from here on are errors or values with a buffer; see csrc/pyad.h.
LARGE = lib.PYAD_HANDLE_LARGE
FAILED = lib.PYAD_FAILED
INDEX_BITS = lib.PYAD_INDEX_BITS
CALL_PYTHON = lib.PYAD_CALL_PYTHON

KERNEL_COUNT = lib.pyad_kernel_count()

_ERRORS = {
    lib.PYAD_ERR_MEMORY: MemoryError,
    lib.PYAD_ERR_SHAPE: errors.ShapeError,
    lib.PYAD_ERR_DTYPE: errors.DTypeError,
    lib.PYAD_ERR_VALUE: ValueError,
    lib.PYAD_ERR_STALE: errors.LeakError,
    lib.PYAD_ERR_MUTATED: errors.MutationError,
    lib.PYAD_ERR_STATE: errors.EngineError,
}

# Threads that are recording a program: none nearly always, and then nobody need look further.
recording_threads: set[int] = set()

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
        return errors.LeakError(_leak_words(handles) + describe_leak(handles))
    return cls(ffi.string(lib.pyad_last_message()).decode() or f"status {status}")


def describe_leak(handles: tuple[int, ...]) -> str:
    """Where the values of handles were left, as the end of a sentence; `_trace.left_behind`, which knows the objects
    that have them, puts its function in the place of this one."""
    return ""


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


def holds_mark(function: Function) -> Function:
    """Decorator for functions that hold a mark open: where one is being run, a transform is under way."""
    _holders.add(function.__code__)  # type: ignore[attr-defined]
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
        # While a program is being recorded: copies of the arrays that it reads, and who looks for random draws.
        self.copies: dict[Any, np.ndarray] = {}
        self.draws: Any = None
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
            self.record_program(False)
            self.keep = []
        return True

    @property
    def is_recording_program(self) -> bool:
        """Whether a program is being recorded on this thread's tape."""
        return bool(lib.pyad_is_recording_program())

    def record_program(self, on: bool) -> None:
        """Begin or end the recording of a program."""
        # Where an interrupt comes between the two, the thread is among those that record, and not the other way round.
        if on:
            recording_threads.add(threading.get_ident())
        lib.pyad_record_program(on)
        if not on:
            recording_threads.discard(threading.get_ident())

    def bury(self) -> None:
        """Free saved tapes whose pullback is gone."""
        while self.dead:
            cell = self.dead[-1]
            if cell[0] != NULL:
                _saved.pop(lib.pyad_saved_tape_generation(cell[0]), None)
                lib.pyad_saved_tape_free(cell)
            self.dead.pop()


def _forget_other_threads() -> None:
    """In the child of a fork, which has this thread alone."""
    here = threading.get_ident()
    recording_threads.intersection_update([here])
    for table in (_open, _saved):
        for generation in [generation for generation, thread in table.items() if thread != here]:
            del table[generation]


os.register_at_fork(after_in_child=_forget_other_threads)


class _Local(threading.local):
    engine: Engine | None = None


_local = _Local()


def current() -> Engine:
    """The calling thread's engine, made on first use."""
    engine = _local.engine
    if engine is None:
        engine = _local.engine = Engine()
    return engine


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

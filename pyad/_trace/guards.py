"""Whether a program is being recorded, and the values that decide what is recorded."""

from __future__ import annotations

from typing import Any

from pyad._binding import engine, memory
from pyad._binding.engine import FAILED, LARGE, lib
from pyad._trace.array import Weak

# ---- guards ----


def is_staged() -> bool:
    """Whether this thread is recording a program."""
    return engine.staging_threads > 0 and engine.current().staging


def peek(x: Any) -> Any:
    """The value of a traced array or integer, only to compute other values of the program with."""
    value = memory.materialize(x._h, share=False)
    return float(value) if type(x) is Weak else value


def guarded(x: Any) -> Any:
    """The value, on which what is recorded from here on may depend."""
    if lib.pyad_is_staged(x._h):
        status = lib.pyad_guard(x._h)
        if status:
            raise engine.error(status, (x._h,))
    return peek(x)


def _guard_shape(x: Any) -> None:
    """See to it that a value is computed, and its shape looked at, also where nobody needs more of it than that: by a
    guard on an empty part."""
    shape = x.shape
    nothing = lib.pyad_op(_SLICE, 1, [x._h], 3 * len(shape), (0, 1, 0) * len(shape))
    if nothing >= FAILED:
        raise engine.error(nothing)
    status = lib.pyad_guard(nothing & (LARGE - 1))
    if status:
        raise engine.error(status)


_SLICE = engine.kernel("slice")

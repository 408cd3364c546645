"""Reading the values of traced arrays and integers, outside of a recording and within.

There are four ways, and outside of a recording all of them give the plain value. While a program is being recorded:

- `numpy_value(x)` (`array`) is the value as a decision: what is recorded from here on is right for this value only, so
  it becomes a guard. `plain_values` is the same inside lists, tuples and dicts.
- `unguarded(x)` is the value for those who compute another value of the program with it, and record how.
- `detached(x)` (`recorded_call`) stays a value of the program, without its derivative.
- `computed(function, *args)` (`recorded_call`) is a call of NumPy on the values, which the program makes again.

Below these, `memory.read` copies the value of a node and `memory.read_view` shows it in place.
"""

from __future__ import annotations

from typing import Any

from pyad._binding import engine, memory
from pyad._binding.engine import FAILED, LARGE, lib
from pyad._trace.array import WeakScalar


def is_recording_program() -> bool:
    """Whether this thread is recording a program."""
    return bool(engine.recording_threads) and engine.current().is_recording_program


def unguarded(x: Any) -> Any:
    """The value of a traced array or integer, only to compute other values of the program with."""
    value = memory.read(x._h, share=False)
    return float(value) if type(x) is WeakScalar else value


def guard_shape(x: Any) -> None:
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

"""What every transform is made of: fresh leaves, the arguments that are chosen, one sweep, and a mark on the tape
that is closed on every way out.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

from pyad._binding import engine, memory
from pyad._binding.engine import ffi, lib
from pyad._trace.array import Array, bare, is_traced
from pyad._trace.traced_integer import TracedInteger
from pyad.errors import ConcretizationError


class TapeScope:
    """A mark on the tape. Results that depend on an enclosing transform stay on the tape.

    `open` is the first thing in a `try` whose `finally` has `close`, in a function that `holds_mark`. Where an
    interrupt comes in `close` or before it, the next transform finds that the mark is nobody's (`Engine.is_idle`), or
    the enclosing one closes it together with its own.
    """

    __slots__ = ("engine", "floor", "generation", "keep", "kept", "nested")

    def __init__(self) -> None:
        self.engine = engine.current()
        self.generation = engine.next_generation()
        # As `close` needs them where an interrupt comes before `open` is over.
        self.nested = False
        self.keep = self.engine.keep
        self.kept = len(self.keep)

    def is_nested(self, frame: Any) -> bool:
        """Whether another transform is under way where `frame` is run."""
        return bool(engine._open or lib.pyad_depth()) and not self.engine.is_idle(frame)

    def open(self, keep_all: bool = False, nested: bool | None = None) -> None:
        """Open the mark. `nested`: what `is_nested` says of the caller's caller, where that is known."""
        here = self.engine
        if nested is None:
            nested = bool(engine._open or lib.pyad_depth()) and not here.is_idle(sys._getframe(2))
        self.nested = nested
        keep = here.keep
        if nested:
            self.floor = lib.pyad_node_count()
        else:
            if here.dead:
                here.bury()
            if keep:
                keep = here.keep = []
        # Not as it was in `__init__`: what an interrupted transform left may have been cleared away since.
        self.keep = keep
        self.kept = len(keep)
        status = lib.pyad_mark_open(self.generation, keep_all)
        if status:
            raise engine.error(status)
        engine._open[self.generation] = threading.get_ident()

    def close(self) -> None:
        """Everything recorded since `open` is gone, unless the mark is closed already."""
        engine._open.pop(self.generation, None)
        if engine.recording_threads and self.nested and self.engine.is_recording_program:
            # What the transform found out may have decided what was recorded, so it belongs to the program.
            lib.pyad_mark_seal(self.generation, 0, ffi.NULL)
            self._restore()
            return
        if lib.pyad_mark_close(self.generation):
            return
        self._restore()
        del self.keep[self.kept :]

    def _restore(self) -> None:
        """What is Python's of the state at `open`, where an interrupt has left it otherwise."""
        here = self.engine
        if here.keep is not self.keep:
            here.keep = self.keep
        if here.abstract:
            here.abstract = bool(lib.pyad_in_rule())

    def is_outer(self, x: Any) -> bool:
        return self.nested and is_traced(x) and bool(lib.pyad_is_outer(x._h, self.floor))

    def finish(self, results: list[Any], share: bool = True) -> list[Any]:
        """Traced results become NumPy values, or stay traced, and the mark is closed, where they depend on an
        enclosing transform."""
        if not self.nested:
            return [memory.read(x._h, share) if is_traced(x) else x for x in results]
        kept = [k for k, x in enumerate(results) if self.is_outer(x) or type(x) is TracedInteger]
        out = list(results)
        for k, x in enumerate(results):
            if is_traced(x) and k not in kept:
                out[k] = memory.read(x._h, share)
        if kept:
            handles = self._seal([out[k]._h for k in kept])
            renewed: dict[int, Array] = {}
            for k, handle in zip(kept, handles, strict=True):
                # What was one array before is one array afterwards.
                out[k] = renewed.setdefault(id(results[k]), _renewed(results[k], handle))
        return out

    def _seal(self, handles: list[int]) -> list[int]:
        """Close, but keep what was recorded; returns the new handles of what is handed out."""
        cells = ffi.new("int64_t[]", handles)
        status = lib.pyad_mark_seal(self.generation, len(handles), cells)
        if status:
            raise engine.error(status, tuple(handles))
        self._restore()
        return list(cells)


def _renewed(x: Array, handle: int) -> Array:
    """The same value under its new handle."""
    array = TracedInteger(handle) if type(x) is TracedInteger else bare(handle)
    keep = getattr(x, "_keep", None)
    if keep is not None:
        keep.handle = handle
        array._keep = keep
    return array


# What flattening gives where there is no auxiliary output.
NO_AUX: tuple[list[Any], Any] = ([], None)


@engine.holds_mark
def call_user(
    function: Callable[..., Any], args: list[Any], keywords: dict[str, Any], has_aux: bool
) -> tuple[Any, Any]:
    try:
        result = function(*args, **keywords)
    except (TypeError, ValueError, AttributeError) as problem:
        _explain_assignment(problem)
        _explain_list(problem, args)
        raise
    if not has_aux:
        return result, None
    if not isinstance(result, tuple) or len(result) != 2:
        raise TypeError(
            f"has_aux=True: the function must return a pair (output, aux), got {type(result).__name__}"
            + (f" of length {len(result)}" if isinstance(result, tuple) else "")
        )
    return result


def _explain_list(problem: Exception, args: list[Any]) -> None:
    """Say that a list of numbers is a tree, where one was given to a function that may have expected an array."""
    for k, x in enumerate(args):
        if type(x) in (list, tuple) and x and all(is_traced(item) and item.ndim == 0 for item in x):
            words = (
                f"argument {k} is a {type(x).__name__} of numbers, which is a tree here: each number is an input of "
                f"its own, and the function gets a {type(x).__name__} of them. Pass an array, as np.array([1.0, 2.0]), "
                "or make one of it with np.stack"
            )
            if isinstance(problem, ConcretizationError):
                raise ConcretizationError(f"{words} ({problem})").with_traceback(problem.__traceback__) from None
            problem.add_note(words)
            return


def _explain_assignment(problem: Exception) -> None:
    """NumPy reports `a[i] = x` for a traced x as a sequence in the place of a number; say what it was."""
    if (
        type(problem) is ValueError
        and isinstance(problem.__cause__, ConcretizationError)
        and "sequence" in str(problem)
    ):
        raise ConcretizationError(
            "a traced value was assigned into an array of plain NumPy (a[i] = x), where its derivative would be lost; "
            "make the array inside the function with pyad.numpy.array, zeros, empty, ..., of a floating dtype, build "
            "it with np.stack or np.concatenate, or assign pyad.stop_gradient(x) if it is constant"
        ).with_traceback(problem.__traceback__) from None

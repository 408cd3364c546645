"""Compiled functions: recorded once, optimised, and from then on replayed by the engine without Python.

The first call of a compiled function with a new signature (containers, shapes, dtypes, arguments that are no arrays)
runs it on traced arguments, with all the gradients and updates in it, and turns the tape into a program. Later calls
run the program. Where the function branches on a value, the program has a guard: should the value decide otherwise, the
other path is recorded too.
"""

from __future__ import annotations

import functools
import os
import sys
import threading
import types
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from pyad import tree
from pyad._binding import engine as _engine
from pyad._compile.program import DONE, OVERLAP, Program
from pyad._compile.recording import Recording
from pyad._trace.array import is_traced
from pyad._trace.traced_integer import TracedInteger

__all__ = ["CompileWarning", "Compiled", "compile"]


# Held for moments, while the programs of a function are put in another order. A thread that has it may come here again:
# keys compare themselves, with code of the user's. A fork waits until nobody has it, so that the child has no lock that
# a thread has taken which it does not have.
_lock = threading.RLock()
os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)


class CompileWarning(UserWarning):
    """A compiled function is recorded again and again, or not compiled at all."""


def compile(function: Callable[..., Any], *, max_programs: int = 64) -> Compiled:
    """A function that records `function` when it is first called, and replays the recording afterwards.

    Arguments and results are numbers, arrays, and tuples, lists and dicts of them. The function may take derivatives
    (`pyad.value_and_grad`, `pyad.hvp`, ...), write into arrays, loop and branch; what it writes into its arguments is
    written into the caller's arrays. Arguments that are no floats or arrays (ints, strings, functions, ...) must be
    hashable, and belong to the signature: for another value another program is recorded. At most `max_programs` are
    kept, the least recently used goes first.

    What the function finds outside its arguments may change between calls: numbers, strings, arrays, lists, dicts and
    functions in the globals, closures, defaults and attributes that its code mentions, and the code of the Python
    functions and methods that it uses. Something else there leads to another recording, but an array whose elements
    meet traced values is read in place. This has limits: names are looked at in Python code only, not through
    getattr, globals() or the C code of other libraries, nor in modules of NumPy, SciPy and Python's own; lists and
    dicts of more than 1000 entries are compared by identity; and where elements of one array are read in place and
    others are copied or computed with by plain NumPy first, changes of the latter are not seen. Large arrays that are
    always the same are best passed as arguments or used as they are, since a copy of what is in them is compared
    otherwise. Side effects (prints, appended lists, arrays outside that plain NumPy writes into) happen when it is
    recorded only.

    Where arguments that are written into share memory with others, the function itself runs.

    A float that the function needs as a Python number, other than to compare it, cannot be replayed and raises.

    Raises (when called):
        ConcretizationError: a value is turned into a plain number or array.
        TypeError: an argument that is neither number, array nor hashable, or is an iterator; random numbers are drawn.
        ValueError: an array that is written into is read-only.

    >>> import numpy as np
    >>> import pyad
    >>> def step(weights, x, y):
    ...     value, gradient = pyad.value_and_grad(lambda w: np.mean((x @ w - y) ** 2))(weights)
    ...     weights -= 0.01 * gradient
    ...     return value
    >>> fast = pyad.compile(step)
    >>> weights = np.zeros(2)
    >>> x, y = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, 2.0])
    >>> [round(float(fast(weights, x, y)), 4) for _ in range(3)]
    [2.5, 1.2325, 0.609]
    """
    if not callable(function):
        raise TypeError(f"compile: the first argument must be a function, got {type(function).__name__}")
    if isinstance(function, Compiled):
        return function
    if not isinstance(max_programs, int) or max_programs < 1:
        raise ValueError(f"compile: max_programs must be a whole number of at least 1, got {max_programs!r}")
    return Compiled(function, max_programs)


class Compiled:
    """A compiled function. Made by `pyad.compile`; called as the function is."""

    def __init__(self, function: Callable[..., Any], max_programs: int) -> None:
        self.function = function
        self.max_programs = max_programs
        self.recorded = 0  # how many programs have been recorded so far
        self._programs: dict[Any, list[Program]] = {}
        self._last: Program | None = None
        # The program that ran last, by its short way.
        self._fast: tuple[Callable[[Any], Any], Program] | None = None
        functools.update_wrapper(self, function, updated=())

    def __repr__(self) -> str:
        return f"<compiled {getattr(self.function, '__name__', self.function)}, {len(self.programs)} programs>"

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    @property
    def programs(self) -> list[Program]:
        """The programs there are, the most recently used last."""
        with _lock:
            return [program for paths in self._programs.values() for program in reversed(paths)]

    @property
    def program(self) -> Program:
        """The program that ran last.

        Raises:
            RuntimeError: none has been recorded.
        """
        if self._last is None:
            raise RuntimeError("no program has been recorded yet; call the function first")
        return self._last

    def clear(self) -> None:
        """Forget all programs."""
        with _lock:
            self._programs.clear()
            self._last = self._fast = None

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        if self._fast is not None:
            call, program = self._fast
            computed = call((args, keywords)) if program.captured is None or program.captured.holds() else None
            if computed is not None:
                if program.simple is not None:
                    return computed if program.simple else computed[0]
                return program.results_of(computed, tree.flatten((args, keywords))[0])
        return self._slowly(args, keywords)

    def _slowly(self, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        leaves, structure = tree.flatten((args, keywords))
        key = _signature(structure, leaves)
        if key is None:  # inside a transform or another compiled function, whose recording this belongs to
            return self.function(*args, **keywords)
        for program in tuple(self._programs.get(key, ())):
            if program.captured is not None and not program.captured.holds():
                continue
            outcome, result = program.run(leaves)
            if outcome == DONE:
                if program is not self._last:
                    self._use(key, program)
                    self._shorten(program, structure, leaves)
                return result
            if outcome == OVERLAP:
                return self.function(*args, **keywords)
        return self._record(key, args, keywords, leaves, structure)

    def _record(self, key: Any, args: Any, keywords: Any, leaves: list[Any], structure: Any) -> Any:
        engine = _engine.current()
        if engine.depth and not engine.is_idle(sys._getframe()):
            # What is recorded must be the outermost thing on the tape.
            return self.function(*args, **keywords)
        recording = Recording(self.function, leaves, structure)
        outcome, result = recording.run()
        self._use(key, recording.program, new=True)
        self._shorten(recording.program, structure, leaves)
        # What has been recorded takes its arguments to be apart, and has not written into them yet.
        return result if outcome == DONE else self.function(*args, **keywords)

    def _shorten(self, program: Program, structure: Any, leaves: list[Any]) -> None:
        """Note the program that is tried first at the next call, if it can be called the short way."""
        call = program.caller(structure, leaves)
        self._fast = None if call is None else (call, program)

    def _use(self, key: Any, program: Program, new: bool = False) -> None:
        """Bring a program to the front of its paths, and these to the end of all."""
        with _lock:
            self._last = program
            paths = self._programs.pop(key, [])
            if new or program in paths:
                self._programs[key] = [program, *(p for p in paths if p is not program)]
            elif paths:
                self._programs[key] = paths
            if not new:
                return
            self.recorded += 1
            count = sum(map(len, self._programs.values()))
            while count > self.max_programs:
                oldest = next(iter(self._programs))
                self._programs[oldest].pop()
                if not self._programs[oldest]:
                    del self._programs[oldest]
                count -= 1
            thrashes = self.recorded == 4 * self.max_programs
        if thrashes:
            warnings.warn(
                f"{self!r} has been recorded {self.recorded} times: its arguments have ever other shapes or static "
                "values, it branches on values that are hardly ever the same, or a number that it finds outside its "
                "arguments keeps changing; pass numbers that change as floats or arrays, and see pyad.compile's "
                "max_programs",
                CompileWarning,
                stacklevel=5,
            )


# ---- signatures ----


def _signature(structure: Any, leaves: list[Any]) -> Any:
    """What decides which program is run; None where an argument is traced."""
    parts: list[Any] = []
    for x in leaves:
        kind = type(x)
        if kind is np.ndarray:
            parts.append((x.dtype, x.shape))
        elif kind is float:
            parts.append(float)
        elif kind is complex:
            parts.append(complex)
        elif is_traced(x) or kind is TracedInteger:
            return None
        elif isinstance(x, np.generic):
            parts.append((x.dtype,))
        elif isinstance(x, np.ndarray):
            plain = np.asarray(x)  # a class of its own may say anything of its shape
            parts.append((kind, plain.dtype, plain.shape))
        elif hasattr(kind, "__next__"):
            raise TypeError(
                f"compile: an argument of type {kind.__name__} is an iterator, which gives other things at every call; "
                "pass a list, a tuple or an array"
            )
        else:
            parts.append((kind, x))
    key = (structure, *parts)
    try:
        hash(key)
    except TypeError:
        _refuse_unhashable(leaves)
        raise
    return key


def _refuse_unhashable(leaves: list[Any]) -> None:
    for x in leaves:
        if isinstance(x, np.ndarray):
            continue
        try:
            hash(x)
        except TypeError:
            raise TypeError(
                f"compile: an argument of type {type(x).__name__} is neither a number, an array nor hashable; "
                "arguments that are no arrays are part of the signature of a program"
            ) from None

"""Compiled functions: recorded once, optimised, and from then on replayed by the engine without Python.

The first call of a compiled function with a new signature (containers, shapes, dtypes, arguments that are no arrays)
runs it on traced arguments, with all the gradients and updates in it, and turns the tape into a program. Later calls
run the program. Where the function branches on a value, the program has a guard: should the value decide otherwise, the
other path is recorded too.
"""

from __future__ import annotations

import functools
import sys
import threading
import types
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from pyad import tree
from pyad._binding import engine as _engine
from pyad._binding.engine import CODES, INEXACT, lib
from pyad._compile.captured_state import Closure, random_states
from pyad._compile.program import DONE, OVERLAP, Program
from pyad._trace.array import Cell, Weak, is_traced, wrap
from pyad._trace.discrete import Discrete
from pyad._transforms.scope import Scope
from pyad.errors import DTypeError

__all__ = ["CompileWarning", "Compiled", "compile"]


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
        self._lock = threading.Lock()
        functools.update_wrapper(self, function, updated=())

    def __repr__(self) -> str:
        return f"<compiled {getattr(self.function, '__name__', self.function)}, {len(self.programs)} programs>"

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    @property
    def programs(self) -> list[Program]:
        """The programs there are, the most recently used last."""
        with self._lock:
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
        with self._lock:
            self._programs.clear()
            self._last = self._fast = None

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        if self._fast is not None:
            call, program = self._fast
            computed = call((args, keywords)) if program.closure is None or program.closure.holds() else None
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
            if program.closure is not None and not program.closure.holds():
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
        with self._lock:
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
        elif is_traced(x) or kind is Discrete:
            return None
        elif isinstance(x, np.generic):
            parts.append((x.dtype,))
        elif isinstance(x, np.ndarray):
            parts.append((kind, x.dtype, x.shape))
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


# ---- recording ----

# What is no state: arguments that are computed with, or compared when the program is chosen.
_VALUES = (float, int, complex, str, bytes, type(None), np.ndarray, np.generic)


class Recording:
    """One run of a function on traced arguments, which becomes a program."""

    def __init__(self, function: Callable[..., Any], leaves: list[Any], structure: Any) -> None:
        self.function = function
        self.leaves = leaves
        self.structure = structure
        self.program: Program = None  # type: ignore[assignment]

    @_engine.holds_mark
    def run(self) -> tuple[int, Any]:
        """DONE and the result of this call, or OVERLAP where the function itself has to be run for that."""
        closure = Closure(self.function, [x for x in self.leaves if not isinstance(x, _VALUES)])
        scope = Scope()
        try:
            scope.open()
            scope.engine.stage(True)
            scope.engine.outside = closure.owners()
            return self._run(scope.engine, closure)
        finally:
            scope.engine.stage(False)
            scope.engine.outside = set()
            scope.close()

    def _run(self, engine: Any, closure: Closure) -> tuple[int, Any]:
        drawn = random_states(closure.generators)
        traced = [_trace(x) for x in self.leaves]
        inputs = [k for k, x in enumerate(traced) if is_traced(x) or type(x) is Discrete]
        handles = {k: traced[k]._h for k in inputs}
        kept = len(engine.keep)
        args, keywords = self.structure.unflatten(traced)
        result = self.function(*args, **keywords)
        _refuse_drawn(drawn, closure)
        self._refuse_replaced(traced, args, keywords)
        leaves, structure = tree.flatten(result)
        stores = [k for k in inputs if traced[k]._h != handles[k]]
        for k in stores:
            _check_writable(self.leaves[k])
        results = [_Result(x, traced, self.leaves) for x in leaves]
        computed = [r for r in results if r.handle is not None]
        self.program = Program(
            self.function,
            [(k, handles[k]) for k in inputs],
            [r.handle for r in computed],
            [(traced[k]._h, k) for k in stores],
            [None] * kept + engine.keep[kept:],
        )
        closure.forget_arrays(engine.keep[kept:], self.program.addresses())
        self.program.finish(results, structure, self.leaves, closure)
        self.program.settle(self.leaves)
        if self.program.overlaps(self.leaves):
            return OVERLAP, None
        out = structure.unflatten([r.now(self.leaves) for r in results])
        written = [(self.leaves[k], _engine.materialize(traced[k]._h, share=False)) for k in stores]
        for array, value in written:
            array[...] = value
        return DONE, out

    def _refuse_replaced(self, traced: list[Any], args: Any, keywords: Any) -> None:
        """Raise where the function put something else into the containers of its arguments."""
        after = tree.flatten((args, keywords))[0]
        if len(after) != len(traced) or any(a is not b for a, b in zip(after, traced, strict=True)):
            raise TypeError(
                "compile: the function changed a list or dict among its arguments; return what is new, or write into "
                "the arrays (a[...] = x)"
            )


def _trace(x: Any) -> Any:
    """What stands for an argument in the recording."""
    kind = type(x)
    if kind is float:
        array = Weak.__new__(Weak)
        array._h = lib.pyad_leaf_number(lib.PYAD_LEND_SYMBOLIC, x, _engine.CODE_F64)
        return array
    if kind is complex:
        x = np.array(x)
    elif not isinstance(x, np.ndarray | np.generic):
        return x
    if isinstance(x, np.ma.MaskedArray | np.matrix):
        raise DTypeError(f"compile: a {type(x).__name__} is not supported; pass a plain ndarray")
    if x.dtype not in CODES:
        raise DTypeError(
            f"compile: an array of dtype {x.dtype} is not supported; arrays are of floats, complex numbers, integers "
            "or booleans"
        )
    if x.dtype not in INEXACT:
        discrete = Discrete(_engine.lend(np.ascontiguousarray(x).reshape(x.shape), 1))
        discrete._own = isinstance(x, np.ndarray)
        return discrete
    if x.ndim == 0 and x.dtype.kind == "f":
        array = wrap(lib.pyad_leaf_number(lib.PYAD_LEND_SYMBOLIC, float(x), CODES[x.dtype]))
    else:
        array = wrap(_engine.lend(np.asarray(x), 0))
    if x.ndim == 0 and isinstance(x, np.ndarray):
        array.__class__ = Cell
    return array


def _check_writable(x: Any) -> None:
    if not isinstance(x, np.ndarray):
        raise TypeError(f"compile: the function writes into an argument that is a {type(x).__name__}, not an array")
    if not x.flags.writeable:
        raise ValueError("compile: the function writes into an argument that is a read-only array")


class _Result:
    """A leaf of the result: computed by the program, one of the arguments, or the same at every call."""

    __slots__ = ("argument", "constant", "dtype", "handle", "is_weak", "shape")

    def __init__(self, x: Any, traced: list[Any], leaves: list[Any]) -> None:
        self.handle = self.argument = self.constant = None
        self.is_weak = type(x) is Weak
        if is_traced(x) or type(x) is Discrete:
            for k, argument in enumerate(traced):
                if x is argument:
                    self.argument = k
                    return
            self.handle = x._h
            self.shape = x.shape
            self.dtype = x.dtype
        else:
            self.constant = x

    def now(self, leaves: list[Any]) -> Any:
        """The value in the call that was recorded."""
        if self.argument is not None:
            return leaves[self.argument]
        if self.handle is not None:
            return self.out(_engine.materialize(self.handle, share=False))
        return self.again()

    def out(self, value: Any) -> Any:
        """A computed value as the function returns it: scalars are no arrays, and what is weak is a Python float."""
        if value.ndim:
            return value
        return float(value) if self.is_weak else value[()]

    def again(self) -> Any:
        """What is the same at every call; of an array a copy, since the caller may write into it."""
        return self.constant.copy() if type(self.constant) is np.ndarray else self.constant


# ---- random numbers ----


def _refuse_drawn(before: Any, closure: Closure) -> None:
    if random_states(closure.generators) != before:
        raise TypeError(
            "compile: the function drew random numbers, which would be the same at every later call; draw them outside "
            "and pass them as an argument"
        )

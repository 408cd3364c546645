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
from collections.abc import Callable, Sequence
from typing import Any, Generic, Literal, ParamSpec, TypeVar, overload

import numpy as np

from pyad import tree
from pyad._binding import engine
from pyad._compile.discovery import Discovery
from pyad._compile.kinds import namespace_of
from pyad._compile.program import DONE, OVERLAP, Program
from pyad._compile.recording import Recording
from pyad._compile.signature import signature_of
from pyad._transforms.transformed import name_in_module

__all__ = ["CompileWarning", "Compiled", "compile"]

P = ParamSpec("P")
R = TypeVar("R")


# Held for moments, while the programs of a function are put in another order. A thread that has it may come here again:
# keys compare themselves, with code of the user's. A fork waits until nobody has it, so that the child has no lock that
# a thread has taken which it does not have.
_lock = threading.RLock()
os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)


class CompileWarning(UserWarning):
    """A compiled function is recorded again and again, or not compiled at all.

    >>> import warnings
    >>> import pyad
    >>> fast = pyad.compile(lambda x, n: x * n, max_programs=1)
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     _ = [fast(1.0, n) for n in range(4)]
    ...
    >>> caught[0].category.__name__
    'CompileWarning'
    """


@overload
def compile(
    function: np.ufunc, *, max_programs: int = 64, constants: Sequence[Any] | Literal["all"] = ()
) -> Compiled[..., Any]: ...


@overload
def compile(
    function: Callable[P, R], *, max_programs: int = 64, constants: Sequence[Any] | Literal["all"] = ()
) -> Compiled[P, R]: ...


def compile(
    function: Callable[..., Any], *, max_programs: int = 64, constants: Sequence[Any] | Literal["all"] = ()
) -> Compiled[..., Any]:
    """A function that records `function` when it is first called, and replays the recording afterwards.

    Arguments and results are numbers, arrays, and tuples, lists and dicts of them. The function may take derivatives
    (`pyad.value_and_grad`, `pyad.hvp`, ...), write into arrays, loop and branch; what it writes into its arguments is
    written into the caller's arrays. Arguments that are no floats or arrays (ints, strings, functions, ...) must be
    hashable, and belong to the signature: for another value another program is recorded.

    What the function finds outside its arguments (globals, closures, attributes, containers, arrays) is noted while it
    is recorded and compared before every replay: if anything is otherwise, the function is recorded again. What cannot
    be compared is warned of by name, once. `constants` are objects that are taken to stay as they are, and everything
    in them; with "all" nothing outside is looked at. Modules of NumPy, SciPy and Python's own never change. A value
    that depends on the arguments may not be left behind in an attribute, a list or a global. Side effects such as
    prints happen when the function is recorded only.

    Where arguments that are written into share memory with others, the function itself runs.

    A float that the function needs as a Python number, other than to compare it, cannot be replayed and raises.

    Args:
        function: Any function that does the same when it is called with the same arguments.
        max_programs: How many recordings are kept, at least 1; the least recently used goes first.
        constants: Objects outside the arguments that are not compared, or "all".

    Returns:
        A `Compiled` to be called in its place; the function itself where it is one already.

    Raises:
        TypeError: `function` is no function, `constants` no list; (when called) an argument that is neither number,
            array nor hashable, or is an iterator; random numbers are drawn, a clock is read, or an iterator from
            outside is used.
        ConcretizationError: (when called) a value is turned into a plain number or array.
        LeakError: (when called) a value that depends on the arguments is left behind.
        ValueError: `max_programs` is below 1; (when called) an array that is written into is read-only.

    >>> import numpy as np
    >>> import pyad
    >>> def step(weights, x, y):
    ...     value, gradient = pyad.value_and_grad(lambda w: np.mean((x @ w - y) ** 2))(weights)
    ...     weights -= 0.01 * gradient
    ...     return value
    ...
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
    if isinstance(constants, str):
        if constants != "all":
            raise ValueError(f"compile: constants must be a list of objects or 'all', got {constants!r}")
    elif not isinstance(constants, list | tuple):
        raise TypeError(f"compile: constants must be a list of objects or 'all', got {type(constants).__name__}")
    else:
        constants = tuple(constants)
    return Compiled(function, max_programs, constants)


class _OwnPrograms:
    """The compiled methods of one object, which it holds itself: they reach the object, and go when it goes."""

    __slots__ = ("methods",)

    def __init__(self) -> None:
        self.methods: dict[Compiled[..., Any], Compiled[..., Any]] = {}

    def __reduce__(self) -> Any:
        return (_OwnPrograms, ())  # a copy of the object has none yet


_OWN = "_pyad_compiled_methods"

# So many programs are tried, the most recently used first, before the arguments are looked at closely.
_MOST_FAST = 8
# Something outside that has changed this often is warned of.
_OFTEN = 8


class Compiled(Generic[P, R]):
    """A compiled function. Made by `pyad.compile`; called as the function is.

    `recorded` is the number of programs that have been recorded so far, `programs` those there are.

    Raises:
        ConcretizationError, TypeError, ValueError: As `pyad.compile` says.

    >>> import pyad
    >>> fast = pyad.compile(lambda x, n: x * n)
    >>> fast(2.0, 3), fast(4.0, 3), fast.recorded
    (6.0, 12.0, 1)
    """

    def __init__(
        self,
        function: Callable[..., Any],
        max_programs: int,
        constants: Any = (),
        method_of: Compiled[..., Any] | None = None,
    ) -> None:
        self.function = function
        self.max_programs = max_programs
        self.constants = constants
        self.recorded = 0  # how many programs have been recorded so far
        self._method_of = method_of  # what the class has, where this is the method of one object
        self._programs: dict[Any, list[Program]] = {}
        self._uses = 0  # how often another program than the last one was used
        self._last: Program | None = None
        # Programs that are tried first, by their short way.
        self._fast: tuple[tuple[Callable[[], bool] | None, Callable[[Any], Any], Program], ...] = ()
        self._changes: dict[str, int] = {}  # how often what lies outside was found otherwise, by name
        self._warned: set[str] = set()
        functools.update_wrapper(self, function, updated=())

    def __repr__(self) -> str:
        return f"<compiled {getattr(self.function, '__name__', self.function)}, {len(self.programs)} programs>"

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        namespace = namespace_of(instance)
        if namespace is None:
            return types.MethodType(self, instance)
        own = namespace.get(_OWN)
        if own is None:
            own = namespace.setdefault(_OWN, _OwnPrograms())
        method = own.methods.get(self)
        if method is None:
            method = own.methods.setdefault(self, Compiled(self.function, self.max_programs, self.constants, self))
        return types.MethodType(method, instance)

    def __reduce__(self) -> Any:
        """By name where it has one, as functions are; else by the function, to be recorded again."""
        name = name_in_module(self)
        if name is not None:
            return name
        return (Compiled, (self.function, self.max_programs, self.constants))

    @property
    def programs(self) -> list[Program]:
        """The programs there are, the most recently used last."""
        with _lock:
            return sorted((p for paths in self._programs.values() for p in paths), key=lambda p: p.used)

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
            self._last = None
            self._fast = ()

    def __call__(self, *args: P.args, **keywords: P.kwargs) -> R:
        for check, call, program in self._fast:
            computed = call((args, keywords)) if check is None or check() else None
            if computed is not None:
                if program is not self._last:
                    self._note_use(program)
                if program.simple is not None:
                    return computed if program.simple else computed[0]
                return program.results_of(computed, tree.flatten((args, keywords))[0])
        return self._slowly(args, keywords)

    def _slowly(self, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        leaves, structure = tree.flatten((args, keywords))
        key = signature_of(structure, leaves)
        if key is None:  # inside a transform or another compiled function, whose recording this belongs to
            return self.function(*args, **keywords)
        changed = None
        for program in sorted(self._programs.get(key, ()), key=lambda p: -p.used):
            otherwise = program.captured.changed()
            if otherwise is not None:
                changed = changed or otherwise
                continue
            outcome, result = program.run(leaves)
            if outcome == DONE:
                self._note_use(program)
                self._shorten(program, structure, leaves)
                return result
            if outcome == OVERLAP:
                return self.function(*args, **keywords)
        return self._record(key, args, keywords, leaves, structure, changed)

    def _record(
        self, key: Any, args: Any, keywords: Any, leaves: list[Any], structure: Any, changed: str | None
    ) -> Any:
        here = engine.current()
        if here.depth and not here.is_idle(sys._getframe()):
            # What is recorded must be the outermost thing on the tape.
            return self.function(*args, **keywords)
        recording = Recording(self.function, leaves, structure, self.constants)
        outcome, result = recording.run()
        self._add(key, recording.program)
        self._shorten(recording.program, structure, leaves)
        for words in (*self._too_often(changed), *self._unwatched(recording.discovery)):
            warnings.warn(words, CompileWarning, stacklevel=4)
        # What has been recorded takes its arguments to be apart, and has not written into them yet.
        return result if outcome == DONE else self.function(*args, **keywords)

    def _shorten(self, program: Program, structure: Any, leaves: list[Any]) -> None:
        """Note a program that can be called the short way, to be tried early at the next call."""
        call = program.caller(structure, leaves)
        if call is None:
            return
        with _lock:
            others = [entry for entry in self._fast if entry[2] is not program]
            self._fast = ((program.captured.check, call, program), *others[: _MOST_FAST - 1])

    def _note_use(self, program: Program) -> None:
        self._last = program
        self._uses += 1
        program.used = self._uses

    def _add(self, key: Any, program: Program) -> None:
        """A program that has just been recorded."""
        with _lock:
            self._note_use(program)
            self._programs.setdefault(key, []).insert(0, program)
            self.recorded += 1
            if self._method_of is not None:
                self._method_of.recorded += 1
            while sum(map(len, self._programs.values())) > self.max_programs:
                self._forget_oldest()

    def _forget_oldest(self) -> None:
        key, oldest = min(((key, p) for key, paths in self._programs.items() for p in paths), key=lambda x: x[1].used)
        self._fast = tuple(entry for entry in self._fast if entry[2] is not oldest)
        self._programs[key].remove(oldest)
        if not self._programs[key]:
            del self._programs[key]

    # ---- what is warned of ----

    def _too_often(self, changed: str | None) -> list[str]:
        """Words where the function is recorded again and again."""
        if changed is not None:
            self._changes[changed] = count = self._changes.get(changed, 0) + 1
            if count == _OFTEN:
                return [
                    f"{self!r} has been recorded {self.recorded} times since {changed}, which it finds outside its "
                    "arguments, keeps changing; pass it as an argument"
                ]
        if self.recorded == 4 * self.max_programs and max(self._changes.values(), default=0) < _OFTEN:
            return [
                f"{self!r} has been recorded {self.recorded} times: its arguments have ever other shapes or static "
                "values, it branches on values that are hardly ever the same, or a number that it finds outside its "
                "arguments keeps changing; pass numbers that change as floats or arrays, and see pyad.compile's "
                "max_programs"
            ]
        return []

    def _unwatched(self, discovery: Discovery | None) -> list[str]:
        """Words for what lies outside the arguments and is not watched, or takes long to."""
        if discovery is None:
            return []
        words = []
        hidden = {path: kind for path, kind in discovery.unwatched.items() if path not in self._warned}
        if hidden:
            shown = ", ".join(f"{path} ({kind})" for path, kind in list(hidden.items())[:4])
            words.append(
                f"{self!r} reads {shown}, where changes cannot be seen; pass what it takes from there as an argument, "
                "or say that it stays as it is: pyad.compile(f, constants=[...])"
            )
        large = [path for path in discovery.large if path not in self._warned]
        if large:
            words.append(
                f"{self!r} finds {', '.join(large[:4])} outside its arguments, which is large and compared at every "
                "call; pass it as an argument, or say that it stays as it is: pyad.compile(f, constants=[...])"
            )
        self._warned.update(hidden, large)
        return words

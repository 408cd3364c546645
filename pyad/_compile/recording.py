"""Recording: one run of a function on traced arguments, which becomes a program."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from pyad import tree
from pyad._binding import dtypes, engine, memory
from pyad._binding.dtypes import CODES, INEXACT
from pyad._binding.engine import lib
from pyad._compile.captured_state import CapturedState
from pyad._compile.discovery import Discovery
from pyad._compile.draws import Draws
from pyad._compile.observer import Observer, is_core, left_words, traced_inside
from pyad._compile.program import DONE, OVERLAP, Program
from pyad._trace.array import MutableScalar, WeakScalar, is_traced, wrap
from pyad._trace.traced_integer import TracedInteger
from pyad._transforms.scope import TapeScope
from pyad.errors import DTypeError, LeakError

__all__ = ["Recording"]

# What is no state: arguments that are computed with, or compared when the program is chosen.
_VALUES = (float, int, complex, str, bytes, type(None), np.ndarray, np.generic)


class Recording:
    """One run of a function on traced arguments, which becomes a program."""

    def __init__(self, function: Callable[..., Any], leaves: list[Any], structure: Any, constants: Any) -> None:
        self.function = function
        self.leaves = leaves
        self.structure = structure
        self.program: Program = None  # type: ignore[assignment]
        # None: nothing is watched.
        self.discovery = None if constants == "all" else Discovery(constants)

    @engine.holds_mark
    def run(self) -> tuple[int, Any]:
        """DONE and the result of this call, or OVERLAP where the function itself has to be run for that."""
        self._find_roots()
        scope = TapeScope()
        try:
            scope.open()
            scope.engine.record_program(True)
            return self._run(scope.engine)
        finally:
            scope.engine.record_program(False)
            scope.engine.draws = None
            scope.engine.copies.clear()
            scope.close()

    def _find_roots(self) -> None:
        """Note what the function and its static arguments reach, before anything runs."""
        if self.discovery is None:
            return
        self.discovery.root(self.function, getattr(self.function, "__name__", "the function"))
        for x in self.leaves:
            if not isinstance(x, _VALUES):
                self.discovery.root(x, f"an argument of type {type(x).__name__}")
        inner = self.function
        while isinstance(inner, types.MethodType | functools.partial):
            inner = inner.__func__ if isinstance(inner, types.MethodType) else inner.func
        if isinstance(inner, types.FunctionType) and not is_core(inner.__module__):
            self.discovery.code(inner.__code__, inner.__globals__)
        self._refuse_iterators()

    def _refuse_iterators(self) -> None:
        for x, path in self.discovery.iterators if self.discovery is not None else ():
            raise TypeError(
                f"compile: {path}, which the function finds outside its arguments, is an iterator "
                f"({type(x).__name__}), which gives other things at every call; pass what it gives as an argument, or "
                "make it a list"
            )

    def _run(self, here: Any) -> tuple[int, Any]:
        traced = [_trace(x) for x in self.leaves]
        inputs = [k for k, x in enumerate(traced) if is_traced(x) or type(x) is TracedInteger]
        handles = {k: traced[k]._h for k in inputs}
        kept = len(here.keep)
        args, keywords = self.structure.unflatten(traced)
        result = self._call(here, args, keywords)
        self._refuse_replaced(traced, args, keywords)
        leaves, structure = tree.flatten(result)
        _refuse_hidden(leaves)
        stores = [k for k in inputs if traced[k]._h != handles[k]]
        for k in stores:
            _check_writable(self.leaves[k])
        results = [_Result(x, traced, self.leaves) for x in leaves]
        computed = [r for r in results if r.handle is not None]
        self.program = Program(
            self.function,
            [(k, handles[k]) for k in inputs],
            [r.handle for r in computed if r.handle is not None],
            [(traced[k]._h, k) for k in stores],
            [None] * kept + here.keep[kept:],
        )
        state = CapturedState() if self.discovery is None else self.discovery.state
        state.finish()
        self.program.finish(results, structure, self.leaves, state)
        self.program.relax_guards(self.leaves)
        if self.program.overlaps(self.leaves):
            return OVERLAP, None
        out = structure.unflatten([r.now(self.leaves) for r in results])
        written = [(self.leaves[k], memory.read(traced[k]._h, share=False)) for k in stores]
        for array, value in written:
            array[...] = value
        return DONE, out

    def _call(self, here: Any, args: Any, keywords: Any) -> Any:
        """Run the function, and see to it that it does nothing which a replay would not do."""
        here.draws = Draws()
        if self.discovery is None:
            result = self.function(*args, **keywords)
            here.draws.refuse()
            return result
        observer = Observer(self.discovery)
        try:
            with observer:
                result = self.function(*args, **keywords)
        except BaseException:
            observer.left_behind()
            raise
        left = observer.left_behind()
        here.draws.refuse(self.discovery.generators)
        if observer.refused is not None:
            raise TypeError(
                f"compile: {observer.refused}, which would be the same at every later call; pass it as an argument"
            )
        self._refuse_iterators()
        if left is not None:
            raise left_words(left)
        return result

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
        array: Any = WeakScalar.__new__(WeakScalar)
        array._h = lib.pyad_leaf_number(lib.PYAD_LEND_SYMBOLIC, x, dtypes.CODE_F64)
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
        integer = TracedInteger(memory.lend(np.ascontiguousarray(x).reshape(x.shape), memory.ARGUMENT + 1))
        integer._own = isinstance(x, np.ndarray)
        return integer
    if x.ndim == 0 and x.dtype.kind == "f":
        array = wrap(lib.pyad_leaf_number(lib.PYAD_LEND_SYMBOLIC, float(x), CODES[x.dtype]))
    else:
        array = wrap(memory.lend(np.asarray(x), memory.ARGUMENT))
    if x.ndim == 0 and isinstance(x, np.ndarray):
        array.__class__ = MutableScalar
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
        self.is_weak = type(x) is WeakScalar
        if is_traced(x) or type(x) is TracedInteger:
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
            return self.out(memory.read(self.handle, share=False))
        return self.again()

    def out(self, value: Any) -> Any:
        """A computed value as the function returns it: scalars are no arrays, and what is weak is a Python float."""
        if value.ndim:
            return value
        return float(value) if self.is_weak else value[()]

    def again(self) -> Any:
        """What is the same at every call; of an array a copy, since the caller may write into it."""
        return self.constant.copy() if type(self.constant) is np.ndarray else self.constant


def _refuse_hidden(leaves: list[Any]) -> None:
    """Raise where the result has traced values in objects that are no containers."""
    for x in leaves:
        if is_traced(x) or isinstance(x, (*_VALUES, TracedInteger)):
            continue
        place = traced_inside(x)
        if place is not None:
            raise LeakError(
                f"compile: the result has an object of type {type(x).__name__} with a value that depends on the "
                f"arguments in {type(x).__name__}{place}; return it in a tuple, list, dict or named tuple, and make "
                "the object of it after the call"
            )

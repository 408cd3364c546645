"""NumPy's names and what implements them for traced arrays.

A function of `pyad._ops` says with `implements` which of NumPy's functions it stands for. From the tables filled so
come both ways to call it: plain NumPy code, through NumPy's protocols (`pyad._numpy_api.protocols`), and the namespaces
of `pyad.numpy`, which hand plain arrays to NumPy itself.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
from numpy import ufunc

from pyad._ops._docstrings import in_words_of
from pyad._ops._nested import plain
from pyad._trace.array import Array, contains_traced, is_traced
from pyad.errors import EngineError, UnsupportedError

__all__ = [
    "CONSTANT_FUNCTIONS",
    "CONSTANT_UFUNCS",
    "FUNCTIONS",
    "UFUNCS",
    "constant_in",
    "implementation",
    "implements",
    "module_of",
    "named",
    "namespace",
    "over",
    "product_of",
    "refuse_out",
]

# NumPy's ufuncs and functions -> ours. Ours are called where at least one argument is traced, or is a list that holds
# a traced value, with the arguments as the user gave them.
UFUNCS: dict[ufunc, Callable[..., Any]] = {}
FUNCTIONS: dict[Callable[..., Any], Callable[..., Any]] = {}
# Constant wherever they are differentiable: they run on the values and give plain results.
CONSTANT_UFUNCS: set[ufunc] = set()
CONSTANT_FUNCTIONS: set[Callable[..., Any]] = set()

# Modules that are imported when one of their functions first meets a traced value -> what implements them.
LATE = {
    "numpy.fft": "pyad._ops.fft",
    "scipy.special": "pyad.scipy.special",
    "scipy.special._ufuncs": "pyad.scipy.special",
}


def implements(*theirs: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: the function stands for these functions of NumPy, whose signature it has."""

    def register(ours: Callable[..., Any]) -> Callable[..., Any]:
        for function in theirs:
            table: dict[Any, Any] = UFUNCS if isinstance(function, ufunc) else FUNCTIONS
            if function in table:
                raise EngineError(f"{function.__name__} has two implementations, one of them in {ours.__module__}")
            table[function] = ours
        return ours

    return register


def named(function: Callable[..., Any], name: str, doc: str) -> Callable[..., Any]:
    """A function that another has made, with a name and a docstring as if it had been written out."""
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


def constant_in(*theirs: Callable[..., Any]) -> None:
    """These functions of NumPy are constant wherever they are differentiable."""
    for function in theirs:
        table: set[Any] = CONSTANT_UFUNCS if isinstance(function, ufunc) else CONSTANT_FUNCTIONS
        table.add(function)


def refuse_out(name: str, out: Any) -> None:
    """Raise where out= reaches a function itself: given by its name, the protocols take care of it before."""
    if out is not None:
        raise UnsupportedError(f"{name}: give the array to write into by its name, out=, where an operand is traced")


def implementation(theirs: Any) -> Callable[..., Any] | None:
    """What implements a function of NumPy or SciPy, or None."""
    table: dict[Any, Any] = UFUNCS if isinstance(theirs, ufunc) else FUNCTIONS
    found = table.get(theirs)
    if found is None:
        ours = LATE.get(module_of(theirs))
        if ours is not None and ours not in sys.modules:
            importlib.import_module(ours)
            found = table.get(theirs)
    return found


def module_of(function: Any) -> str:
    """The public module a function is from. A ufunc does not say itself."""
    if not isinstance(function, ufunc):
        return getattr(function, "__module__", None) or "numpy"
    for module in ("numpy", "scipy.special", "scipy.special._ufuncs"):
        if getattr(sys.modules.get(module), function.__name__, None) is function:
            return module
    return ""


def product_of(*operands: Any) -> Callable[..., Any] | None:
    """What multiplies matrices of another library with traced arrays, or None."""
    for x in operands:
        if type(x).__module__.startswith("scipy.sparse"):
            return importlib.import_module("pyad.scipy.sparse").matmul  # type: ignore[no-any-return]
    return None


def holds_traced(x: Any) -> bool:
    """Whether an argument is traced, or is a (nested) list or tuple that holds a traced value."""
    return is_traced(x) or (type(x) in (list, tuple) and contains_traced(x))


# What may hold arrays to be joined, besides lists and tuples.
_ONCE = frozenset(map(type, ((_ for _ in ()), map(abs, ()), filter(None, ()), zip(), {}.values(), iter([]), iter(()))))


def over(theirs: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: the function of NumPy or SciPy where all arguments are plain, the decorated one where one is traced or
    is a list or tuple that holds a traced value."""

    def decorate(ours: Callable[..., Any]) -> Callable[..., Any]:
        function = functools.wraps(ours)(_theirs_or_ours(theirs, ours))
        function.__doc__ = in_words_of(theirs, ours.__doc__) if ours.__doc__ else None
        return function

    return decorate


def _theirs_or_ours(theirs: Callable[..., Any], ours: Callable[..., Any]) -> Callable[..., Any]:
    def function(*args: Any, **keywords: Any) -> Any:
        if keywords and keywords.get("out") is not None:
            return theirs(*args, **keywords)  # which comes back through its protocol, where out= is written
        if args and type(args[0]) in _ONCE:
            args = (list(args[0]), *args[1:])
        for x in args:
            if holds_traced(x):
                return ours(*args, **keywords)
        for x in keywords.values():
            if holds_traced(x):
                return ours(*args, **keywords)
        return theirs(*args, **keywords)

    return function


def namespace(module: ModuleType) -> dict[str, Any]:
    """The functions of a NumPy module that are implemented here, by name: NumPy's own for plain arguments, ours where
    one is traced."""
    found = {}
    # Not dir(): what is not there yet is deprecated, or a submodule that takes its time to import.
    for name, theirs in vars(module).items():
        if name.startswith("_") or not callable(theirs) or isinstance(theirs, type):
            continue
        table: dict[Any, Any] = UFUNCS if isinstance(theirs, ufunc) else FUNCTIONS
        if theirs in table:
            found[name] = _either(theirs, table[theirs])
    return found


def _either(theirs: Callable[..., Any], ours: Callable[..., Any]) -> Callable[..., Any]:
    if isinstance(theirs, ufunc):
        return _dressed(_either_ufunc(theirs, ours), theirs, ours)
    return _dressed(_theirs_or_ours(theirs, ours), theirs, ours)


def _either_ufunc(theirs: ufunc, ours: Callable[..., Any]) -> Callable[..., Any]:
    """The short way for one or two traced operands without keywords, which is what loops call."""

    def either(*args: Any, **keywords: Any) -> Any:
        if not any(map(holds_traced, args)):
            return theirs(*args, **keywords)
        if not keywords and len(args) <= theirs.nin:
            return ours(*args)  # which says so where there are too few
        # NumPy sorts the arguments out and comes back through its protocol, for which a list must be an array.
        return theirs(*(plain(theirs.__name__, x) for x in args), **keywords)

    # Where the engine has a kernel of its own it is faster than the ufunc, also for plain arrays.
    kernel = getattr(ours, "kernel", None)

    def unary(x: Any, /, *rest: Any, **keywords: Any) -> Any:
        if not rest and not keywords:
            if type(x) is Array:
                return ours(x)
            if kernel is not None and _is_real(x):
                return kernel(x)
        return either(x, *rest, **keywords)

    def binary(*args: Any, **keywords: Any) -> Any:
        if len(args) == 2 and not keywords and (type(args[0]) is Array or type(args[1]) is Array):
            return ours(*args)
        return either(*args, **keywords)

    function = unary if theirs.nin == 1 else binary if theirs.nin == 2 else either
    # What NumPy's ufuncs have besides the call; their methods find traced operands by themselves.
    for name in (
        "accumulate",
        "at",
        "identity",
        "nargs",
        "nin",
        "nout",
        "outer",
        "reduce",
        "reduceat",
        "signature",
        "types",
    ):
        setattr(function, name, getattr(theirs, name))
    return function


_REAL = frozenset("fd?bhilqBHILQ")


def _is_real(x: Any) -> bool:
    """Whether a plain operand is of real numbers that the engine computes with."""
    if type(x) is np.ndarray:
        return x.dtype.char in _REAL
    if type(x) is float:
        return True
    if type(x) in (list, tuple):
        if contains_traced(x):
            return False
    elif not isinstance(x, float | int | np.ndarray | np.generic):
        return False
    return np.asarray(x).dtype.char in _REAL


def _dressed(function: Callable[..., Any], theirs: Callable[..., Any], ours: Callable[..., Any]) -> Callable[..., Any]:
    function.__name__ = function.__qualname__ = theirs.__name__
    function.__doc__ = in_words_of(theirs, ours.__doc__)
    function.__wrapped__ = theirs  # type: ignore[attr-defined]
    return function

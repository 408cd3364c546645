"""How a function of arrays becomes a call of the engine: the short way for traced operands, NumPy for plain ones.

A function made here stands for the ufunc that is its reference, where it is one, unless another is to (`registered`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pyad._binding.engine import FAILED, LARGE, current, error, lib
from pyad._binding.memory import lend
from pyad._ops._docstrings import example
from pyad._ops._nested import operand, plain
from pyad._ops._registry import implements, named
from pyad._trace.array import CALLS, Array, Held, View, is_traced, new_array
from pyad._trace.op import COMPLEX_FORMS, Op
from pyad._trace.promotion import common_dtype
from pyad._trace.traced_integer import TracedInteger

__all__ = ["binary", "binary_method", "evaluated", "unary"]

_evaluate = CALLS["evaluate"]


def evaluated(op: Op, operands: tuple[Any, ...], params: tuple[int, ...] = (), index: Any = None) -> Any:
    """The value of a native op for plain operands: what its kernel gives, run without a tape. `index`: an operand after
    these, an array of int64."""
    given = operands if index is None else (*operands, index)
    value = _evaluate(op.number, given, params)
    return _evaluated_slowly(op, operands, params, index) if value is None or type(value) is int else value


def _evaluated_slowly(op: Op, operands: tuple[Any, ...], params: tuple[int, ...], index: Any) -> Any:
    """The same for operands that are no arrays of one dtype, or the error that the engine has found."""
    current()  # a thread's first call makes its engine
    given = [operand(op.name, x) for x in operands]
    if any(np.asarray(x).dtype == np.float16 for x in given):
        wider = tuple(np.asarray(x, np.float32) for x in given)
        return np.asarray(evaluated(op, wider, params, index), np.float16)[()]
    dtype = common_dtype(op.name, tuple(given))
    if dtype.kind == "c" and op.number in COMPLEX_FORMS:
        return COMPLEX_FORMS[op.number](*given)
    same = [np.asarray(x, dtype) for x in given]
    same = [x if _is_readable(x) else x.copy() for x in same]
    value = _evaluate(op.number, tuple(same) if index is None else (*same, np.ascontiguousarray(index)), params)
    if type(value) is int:
        raise error(value)
    return value


def _is_readable(x: np.ndarray) -> bool:
    """Whether elements lie where the engine can read them."""
    return x.flags.aligned and not any(stride % x.itemsize for stride in x.strides)


def unary(op: Op, doc: str, shown: str = "") -> Callable[[Any], Any]:
    """A function of one array. Plain arrays are NumPy's where it has the function, else the kernel's."""
    number = op.number
    theirs = op.reference if isinstance(op.reference, np.ufunc) else None

    def kernel(x: Any) -> Any:
        value = _evaluate(number, (x,), ())
        return _evaluated_slowly(op, (x,), (), None) if value is None or type(value) is int else value

    def function(x: Any, /) -> Any:
        if type(x) is not Array and not is_traced(x):
            x = plain(op.name, x)
            if theirs is not None:
                return theirs(x)
            if not is_traced(x):
                return kernel(x)
        handle = lib.pyad_op1(number, x._h)
        result = new_array(Array)
        if handle >= LARGE:
            if handle >= FAILED:
                return op.refused(handle, [x._h], None)
            handle -= LARGE
            result._keep = Held(handle)
        result._h = handle
        return result

    if theirs is None:
        function.kernel = kernel  # type: ignore[attr-defined]
    return _named(function, op, doc, shown)


def _slow_binary(op: Op, x: Any, y: Any) -> Any:
    """Mixed dtypes, plain arrays, lists, or an error to be raised."""
    if not is_traced(x) and not is_traced(y):
        return op.reference(plain(op.name, x), plain(op.name, y))
    return op(operand(op.name, x), operand(op.name, y))


def binary(op: Op, doc: str, shown: str = "", registered: bool = True) -> Callable[[Any, Any], Any]:
    """A function of two arrays."""
    forward = binary_method(op)
    backward = binary_method(op, swapped=True)

    def function(x: Any, y: Any, /) -> Any:
        if type(x) is Array or type(x) is View:
            return forward(x, y)
        if type(y) is Array or type(y) is View:
            return backward(y, x)
        return _slow_binary(op, x, y)

    return _named(function, op, doc, shown, registered)


_NUMERIC = (int, float, complex, np.ndarray, np.generic, Array, list, tuple, str, bytes)


def claims_ufuncs(kind: type) -> bool:
    """Whether operands of a class have a hook for ufuncs of their own, to which ndarray defers too. What a pandas frame
    or series makes of an operand would be an array of objects."""
    hook = getattr(kind, "__array_ufunc__", np.ndarray.__array_ufunc__)
    return (
        hook is not np.ndarray.__array_ufunc__
        and not issubclass(kind, Array | TracedInteger | np.ndarray)
        and not hasattr(kind, "__pandas_priority__")
    )


def _is_foreign(kind: type, reflected: str) -> bool:
    """Whether an operand on the right is of a class that is no number or array but has an operator of its own."""
    return (
        not issubclass(kind, _NUMERIC)
        and (not hasattr(kind, "__array__") or claims_ufuncs(kind))
        and not kind.__module__.startswith("scipy.sparse")
        and hasattr(kind, reflected)
    )


def binary_method(op: Op, swapped: bool = False, reflected: str = "") -> Callable[[Array, Any], Any]:
    """An operator of the Array class: op(self, other), or op(other, self) for the reflected one.

    `reflected`: the method to which it leaves operands of classes that have it and are neither numbers nor arrays.
    """
    number = op.number
    op2 = lib.pyad_op2
    op2n = lib.pyad_op2n
    opn2 = lib.pyad_opn2

    def method(self: Array, other: Any) -> Any:
        kind = type(other)
        if kind is Array or kind is View:
            handle = op2(number, other._h, self._h) if swapped else op2(number, self._h, other._h)
        elif kind is float or kind is int:
            handle = opn2(number, other, self._h) if swapped else op2n(number, self._h, other)
        elif kind is np.ndarray and other.dtype.char in "fdFD" and lib.pyad_ndim_of(self._h) >= 0:
            # Only for a value that is still on the tape: nothing would drop what is lent after its transform ended.
            given = lend(other, 1)
            handle = op2(number, given, self._h) if swapped else op2(number, self._h, given)
        elif kind is complex:
            handle = lib.pyad_op2z(number, self._h, other.real, other.imag, swapped)
        elif reflected and _is_foreign(kind, reflected):
            return NotImplemented
        else:
            return _slow_binary(op, other, self) if swapped else _slow_binary(op, self, other)
        result = new_array(Array)
        if handle >= LARGE:
            if handle >= FAILED:
                return _slow_binary(op, other, self) if swapped else _slow_binary(op, self, other)
            handle -= LARGE
            result._keep = Held(handle)
        result._h = handle
        return result

    return method


def _named(function: Callable[..., Any], op: Op, doc: str, shown: str, registered: bool = True) -> Any:
    """The function with its name and docstring; `shown` is a point and the derivatives there, for its example."""
    named(function, op.name, f"{doc}\n\n{example(f'np.{op.reference.__name__}', shown)}" if shown else doc)
    if registered and isinstance(op.reference, np.ufunc):
        implements(op.reference)(function)
    return function

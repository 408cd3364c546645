"""Calls of NumPy's functions through which nothing is differentiated: made now, and again whenever the program runs."""

from __future__ import annotations

import functools
import operator
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from pyad._binding import dtypes, engine
from pyad._binding.dtypes import CODES
from pyad._binding.engine import FAILED, LARGE, lib
from pyad._trace.array import WeakScalar, is_traced, numpy_value, plain_values, wrap
from pyad._trace.guards import guard_shape, unguarded
from pyad._trace.op import kept_entry, python_op, record_ran
from pyad._trace.traced_integer import TracedInteger, owned
from pyad.errors import ConcretizationError


def _is_value(x: Any) -> bool:
    return is_traced(x) or type(x) is TracedInteger


def first_traced(*given: Any) -> Any:
    """The first traced array in arguments, also inside lists, tuples and dicts; None where there is none."""
    stack = list(given)
    while stack:
        x = stack.pop()
        if is_traced(x):
            return x
        if type(x) in (list, tuple):
            stack.extend(x)
        elif type(x) is dict:
            stack.extend(x.values())
    return None


def detached(x: Any) -> Any:
    """x without its derivative: a plain value, or while a program is being recorded, a value that it computes anew."""
    if not is_traced(x):
        return x
    if engine.recording_threads and lib.pyad_is_symbolic(x._h):
        return _as_value(lib.pyad_without_derivative(x._h))
    return numpy_value(x)


def computed(function: Callable[..., Any], /, *args: Any, **keywords: Any) -> Any:
    """A function of NumPy or SciPy on the plain values of arguments; while a program is being recorded, a call that it
    makes again. A Python number or bool that the function gives is a decision: another one, another recording."""
    if engine.recording_threads and engine.current().is_recording_program:
        return call(function, args, keywords)
    return function(*plain_values(args), **plain_values(keywords))


def may_hold(mask: Any) -> bool:
    """Whether a mask may hold somewhere. What a program computes anew may, so that it needs no decision."""
    return type(mask) is TracedInteger or bool(np.any(mask))


def _as_value(handle: int) -> Any:
    if handle >= FAILED:
        raise engine.error(handle)
    if lib.pyad_dtype_of(handle & (LARGE - 1)) < dtypes.CODE_F32:
        return TracedInteger(handle)
    return wrap(handle)


# ---- calls of NumPy's functions ----


class _Hole:
    """The place of a value in the arguments of a call."""

    __slots__ = ("is_weak", "number")

    def __init__(self, number: int, is_weak: bool) -> None:
        self.number = number
        self.is_weak = is_weak  # a Python float


def _take_out(x: Any, values: list[Any], copied: bool = False) -> Any:
    """The arguments with holes for values, which are appended to the list; `copied`: and with copies of plain arrays,
    which may be changed before the call is made again."""
    if _is_value(x):
        values.append(x)
        return _Hole(len(values) - 1, type(x) is WeakScalar)
    if type(x) in (list, tuple):
        return type(x)([_take_out(item, values, copied) for item in x])
    if type(x) is dict:
        return {key: _take_out(item, values, copied) for key, item in x.items()}
    if type(x) is slice:
        return slice(*(_take_out(item, values) for item in (x.start, x.stop, x.step)))
    return x.copy() if copied and type(x) is np.ndarray else x


def _put_in(x: Any, plain: list[Any]) -> Any:
    if type(x) is _Hole:
        return float(plain[x.number]) if x.is_weak else plain[x.number]
    if type(x) in (list, tuple):
        return type(x)([_put_in(item, plain) for item in x])
    if type(x) is dict:
        return {key: _put_in(item, plain) for key, item in x.items()}
    if type(x) is slice:
        return slice(*(_put_in(item, plain) for item in (x.start, x.stop, x.step)))
    return x


class _Call:
    """A call of a function that is run whenever the program is, and which of its results a node is."""

    __slots__ = ("args", "function", "keywords", "place")

    def __init__(self, function: Callable[..., Any], args: Any, keywords: Any, place: tuple[int, ...]) -> None:
        self.function = function
        self.args = args
        self.keywords = keywords
        self.place = place

    def run(self, plain: list[Any]) -> Any:
        result = self.function(*_put_in(self.args, plain), **_put_in(self.keywords, plain))
        for k in self.place:
            result = result[k]
        return result

    def part(self, k: int) -> _Call:
        return _Call(self.function, self.args, self.keywords, (*self.place, k))


def _refuse(*_: Any) -> Any:
    raise ConcretizationError("nothing is differentiated through a function of NumPy that is constant")


_CALLED = python_op(
    "numpy",
    _refuse,
    _refuse,
    _refuse,
    label=lambda params: getattr(kept_entry(params).function, "__name__", "a function of NumPy"),
    rerun=lambda entry, plain: entry.run(plain),
)


def call(function: Callable[..., Any], args: Any, keywords: dict[str, Any]) -> Any:
    """A function of NumPy through which nothing is differentiated, on values of the program: computed now, and again
    whenever the program runs. Numbers that are no arrays become guards."""
    values: list[Any] = []
    args, keywords = _take_out(args, values, True), _take_out(keywords, values, True)
    entry = _Call(_without_values(function), args, keywords, ())
    fresh = _is_ufunc(function) or function in _FRESH
    for x in values:
        if type(x) is TracedInteger and not fresh:
            x._own = False  # what is given may be a view of it
    try:
        result = entry.run([unguarded(x) for x in values])
    except Exception:
        for x in values:
            numpy_value(x)  # that it fails may decide what is recorded, if it is caught
        raise
    return _recorded(entry, values, result, fresh) if values else result


def _without_values(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with what values it holds as plain ones, which are then decisions: it is called after they have
    gone."""
    if isinstance(function, functools.partial):
        args, keywords = decided(function.args, True), decided(function.keywords, True)
        return functools.partial(_without_values(function.func), *args, **keywords)
    if type(function) is not types.FunctionType or not function.__closure__:
        return function
    held = [cell.cell_contents for cell in function.__closure__]
    plain = [_without_values(x) if callable(x) else decided(x, True) for x in held]
    if all(a is b for a, b in zip(plain, held, strict=True)):
        return function
    closure = tuple(map(types.CellType, plain))
    return types.FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, closure
    )


def decided(x: Any, copied: bool = False) -> Any:
    """The same with the plain values of traced arrays and TracedInteger values, on which the program then depends."""
    values: list[Any] = []
    holes = _take_out(x, values, copied)
    return _put_in(holes, [numpy_value(value) for value in values]) if values or copied else x


def _is_ufunc(function: Any) -> bool:
    return isinstance(function, np.ufunc) or isinstance(getattr(function, "__self__", None), np.ufunc)


def with_items(a: np.ndarray, index: Any, value: Any) -> np.ndarray:
    """A copy of an array with other elements in some places."""
    a = a.copy()
    a[index] = value
    return a


# Besides ufuncs: what gives arrays that share no memory with their operands.
_FRESH = {getattr(operator, name) for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and_", "or_")}
_FRESH |= {getattr(operator, name) for name in ("xor", "lshift", "rshift", "neg", "abs", "invert", "matmul")}
_FRESH |= {operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge, with_items, np.full_like}
_FRESH |= {np.argsort, np.argmax, np.argmin, np.count_nonzero, np.searchsorted, np.isclose}


def _recorded(entry: _Call, values: list[Any], value: Any, fresh: bool) -> Any:
    """A node for a value, in containers too; what is no number or array of numbers is handed out as it is."""
    if isinstance(value, list | tuple):
        parts = [_recorded(entry.part(k), values, part, fresh) for k, part in enumerate(value)]
        return type(value)._make(parts) if hasattr(value, "_make") else type(value)(parts)
    if not isinstance(value, bool | int | float | complex | str | np.ndarray | np.generic):
        return value
    handles = [x._h for x in values]
    array = np.ascontiguousarray(value).reshape(np.shape(value))
    code = CODES.get(array.dtype)
    if code is None:
        # There are no such values on the tape (half precision, strings), so it is the same for the same arguments only.
        for x in values:
            numpy_value(x)
        return value
    ran = record_ran(_CALLED, handles, entry, array, array.dtype)
    made = _as_value(lib.pyad_without_derivative(ran._h))
    if type(made) is TracedInteger:
        made._own = fresh and array.ndim > 0
    if array.ndim and not _has_fixed_shape(entry.function):
        guard_shape(made)
    return made if isinstance(value, np.ndarray | np.generic) else type(value)(numpy_value(made).item())


# What gives a shape that only those of its arguments decide.
_FIXED = {getattr, np.sort, np.take_along_axis, np.any, np.all, np.sum, np.mean}
_FIXED |= {np.asarray, np.ndarray.astype, np.ndarray.sum, np.ndarray.mean}


def _has_fixed_shape(function: Callable[..., Any]) -> bool:
    return _is_ufunc(function) or function in _FRESH or function in _FIXED


# ---- comparisons ----


def compare(op: Any, function: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    """A comparison, by the engine's kernel where both sides are real, else by NumPy."""
    sides = [x.as_array() if type(x) is TracedInteger else x for x in (a, b)]
    if all(_is_real(x) for x in sides):
        return owned(TracedInteger.of(op(*sides)))
    return call(function, (a, b), {})


def _is_real(x: Any) -> bool:
    if is_traced(x):
        return lib.pyad_dtype_of(x._h) in (dtypes.CODE_F32, dtypes.CODE_F64)
    return type(x) in (float, int) or (isinstance(x, np.ndarray | np.generic) and x.dtype.kind == "f")

"""What a function sees while a compiled program is being recorded, where it would see plain values otherwise.

Nothing is differentiated through integers and booleans, so a transform hands them out as plain NumPy values. In a
program they depend on its arguments, and have to be computed again whenever it runs. So they are `Discrete` here: they
compute what NumPy does, by nodes that the program runs. Where Python needs one as a number, to branch, to index or to
count, its value becomes a guard: the program is right for as long as the value is the same.
"""

from __future__ import annotations

import functools
import operator
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pyad._binding import engine
from pyad._binding.engine import CODES, DTYPES, FAILED, LARGE, ffi, lib
from pyad._trace.array import Array, Cell, Weak, _Held, is_traced, numpy_value, rebind, wrap
from pyad._trace.op import handle_of, python_op
from pyad.errors import ConcretizationError, ShapeError

__all__ = [
    "Discrete",
    "call",
    "compare",
    "computed",
    "detached",
    "guarded",
    "is_staged",
    "keep_weak",
    "make_writable",
    "may_hold",
    "peek",
    "without_derivative",
]

_new = Array.__new__


class Discrete:
    """Integers or booleans that depend on the arguments of the program that is being recorded."""

    __slots__ = ("_h", "_keep", "_own")
    __hash__ = None  # type: ignore[assignment]
    __array_priority__ = 1001.0

    def __init__(self, handle: int) -> None:
        if handle >= FAILED:
            raise engine.error(handle)
        if handle >= LARGE:
            handle -= LARGE
            self._keep = _Held(handle)
        self._h = handle
        self._own = False  # nothing else shares the memory that it stands for, so that it can be written into

    @property
    def shape(self) -> tuple[int, ...]:
        return engine.shape_of(engine.look(self._h))

    @property
    def dtype(self) -> np.dtype:
        return DTYPES[engine.look(self._h).dtype]

    @property
    def ndim(self) -> int:
        return engine.look(self._h).ndim

    @property
    def size(self) -> int:
        return engine.look(self._h).size

    def __len__(self) -> int:
        shape = self.shape
        if not shape:
            raise TypeError("len() of unsized object")
        return shape[0]

    def __repr__(self) -> str:
        return f"<{self.dtype}{list(self.shape)} of a program that is being recorded: {peek(self)}>"

    # ---- as a value that decides what is recorded ----

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.asarray(guarded(self), dtype)

    def __str__(self) -> str:
        return str(guarded(self))

    def __format__(self, spec: str) -> str:
        return format(guarded(self), spec)

    def __bool__(self) -> bool:
        return bool(guarded(self))

    def __int__(self) -> int:
        return int(guarded(self))

    def __float__(self) -> float:
        return float(guarded(self))

    def __index__(self) -> int:
        return operator.index(guarded(self))

    def item(self, *place: int) -> Any:
        return np.asarray(guarded(self)).item(*place)

    def tolist(self) -> Any:
        return guarded(self).tolist()

    def __iter__(self) -> Iterator[Any]:
        return iter([self[k] for k in range(len(self))])

    def __contains__(self, x: Any) -> bool:
        return bool((self == x).any())

    # ---- as an array ----

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        if _meets_traced(inputs, keywords):
            return Array.__array_ufunc__(_first_traced(inputs, keywords), ufunc, method, *inputs, **keywords)
        if method == "at":
            return _written_now(ufunc.at, inputs, keywords)
        return _without_out(getattr(ufunc, method), inputs, keywords)

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, keywords: Any) -> Any:
        if _meets_traced(args, keywords):
            return Array.__array_function__(_first_traced(args, keywords), function, types, args, keywords)
        if function in _WRITING:
            return _written_now(function, args, keywords)
        return _without_out(function, args, keywords)

    def __getitem__(self, index: Any) -> Any:
        return call(operator.getitem, (self, index), {})

    def __setitem__(self, index: Any, value: Any) -> None:
        self._write(call(_with_items, (self, index, value), {}))

    def _write(self, result: Any) -> Discrete:
        """Give the array other elements, where it is sure who sees them."""
        if not self._own:
            raise ConcretizationError(
                "a write into an array of integers or booleans that depends on the arguments of a compiled program and "
                "may be a view of another, or have one; write into a copy (x + 0) that nothing was taken from, or "
                "build it with np.where or np.concatenate"
            )
        if is_traced(result) or not np.can_cast(result.dtype, self.dtype, "same_kind"):
            raise engine.errors.DTypeError(
                f"an array of dtype {result.dtype} cannot be written into one of {self.dtype}"
            )
        if result.shape != self.shape:
            raise ShapeError(f"an array of shape {result.shape} cannot be written into one of {self.shape}")
        if type(result) is not Discrete or result.dtype != self.dtype:
            result = call(np.full_like, (self, result), {})
        self._h = result._h
        if hasattr(result, "_keep"):
            self._keep = result._keep
        self._own = True
        return self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or not hasattr(np.ndarray, name):
            raise AttributeError(f"'numpy.ndarray' object has no attribute {name!r}")
        if callable(getattr(np.ndarray, name)):
            return lambda *args, **keywords: call(getattr(np.ndarray, name), (self, *args), keywords)
        return call(getattr, (self, name), {})

    def as_array(self) -> Array:
        """The same value as a traced array, for operations with floats."""
        array = _new(Array)
        array._h = self._h
        if hasattr(self, "_keep"):
            array._keep = self._keep
        return array

    @classmethod
    def of(cls, array: Array) -> Discrete:
        """A traced array of integers or booleans, as what it is to the function."""
        made = cls(array._h)
        if hasattr(array, "_keep"):
            made._keep = array._keep
        return made


def _refuse_write(*_: Any) -> Any:
    raise ConcretizationError(
        "a write into an array of integers or booleans that depends on the arguments of a compiled program; build it "
        "with np.where or np.concatenate (a = a + b instead of a += b), or make it an array of floats"
    )


def _operators() -> None:
    def binary(function: Callable[[Any, Any], Any], swapped: bool) -> Callable[[Any, Any], Any]:
        def method(self: Discrete, other: Any) -> Any:
            pair = (other, self) if swapped else (self, other)
            if is_traced(other):
                return function(other, self.as_array()) if swapped else function(self.as_array(), other)
            native = _NATIVE.get(function)
            if native is not None and type(other) is Discrete and self.dtype == other.dtype == np.bool_:
                return _owned(Discrete(lib.pyad_op2(native, pair[0]._h, pair[1]._h)))
            return call(function, pair, {})

        return method

    def augmented(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        def method(self: Discrete, other: Any) -> Any:
            result = function(self, other)
            # A 0-d value is a number, unless it is an array among the arguments.
            return self._write(result) if self.shape or self._own else result

        return method

    def unary(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def method(self: Discrete) -> Any:
            if function is operator.invert and self.dtype == np.bool_:
                return _owned(Discrete(lib.pyad_op1(engine.kernel("not"), self._h)))
            return call(function, (self,), {})

        return method

    for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor", "lshift", "rshift"):
        function = getattr(operator, name + "_" if name in ("and", "or") else name)
        setattr(Discrete, f"__{name}__", binary(function, False))
        setattr(Discrete, f"__r{name}__", binary(function, True))
        setattr(Discrete, f"__i{name}__", augmented(function))
    Discrete.__matmul__ = binary(operator.matmul, False)
    Discrete.__rmatmul__ = binary(operator.matmul, True)
    for name in ("eq", "ne", "lt", "le", "gt", "ge"):
        setattr(Discrete, f"__{name}__", binary(getattr(operator, name), False))
    for name in ("neg", "pos", "abs", "invert"):
        setattr(Discrete, f"__{name}__", unary(getattr(operator, name)))


def _owned(made: Discrete) -> Discrete:
    """What an operation has just made."""
    made._own = bool(made.shape)
    return made


def _with_items(a: np.ndarray, index: Any, value: Any) -> np.ndarray:
    a = a.copy()
    a[index] = value
    return a


_NATIVE = {operator.and_: engine.kernel("and"), operator.or_: engine.kernel("or")}
_operators()


# Functions that write into their first argument.
_WRITING = {np.copyto, np.put, np.place, np.putmask, np.put_along_axis, np.fill_diagonal}


def _written_now(function: Callable[..., Any], args: Any, keywords: dict[str, Any]) -> Any:
    """A write into a plain array, of values on which what is recorded then depends."""
    if type(args[0]) is Discrete:
        _refuse_write()
    return function(*_decided(args), **_decided(keywords))


def _without_out(function: Callable[..., Any], args: Any, keywords: dict[str, Any]) -> Any:
    """A call whose result is written into out= afterwards, if that is given."""
    out = keywords.pop("out", None)
    out = out[0] if type(out) is tuple and len(out) == 1 else out
    if out is None:
        return call(function, args, keywords)
    if not isinstance(out, np.ndarray):
        _refuse_write()
    np.copyto(out, _decided(call(function, args, keywords)), casting="same_kind")
    return out


def _is_value(x: Any) -> bool:
    return is_traced(x) or type(x) is Discrete


def _meets_traced(args: Any, keywords: Any) -> bool:
    return _first_traced(args, keywords) is not None


def _first_traced(*given: Any) -> Any:
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


# ---- guards ----


def is_staged() -> bool:
    """Whether this thread is recording a program."""
    return engine.staging_threads > 0 and engine.current().staging


def peek(x: Any) -> Any:
    """The value of a traced array or Discrete, only to compute other values of the program with."""
    value = engine.materialize(x._h, share=False)
    return float(value) if type(x) is Weak else value


def guarded(x: Any) -> Any:
    """The value, on which what is recorded from here on may depend."""
    if lib.pyad_is_symbolic(x._h):
        status = lib.pyad_guard(x._h)
        if status:
            raise engine.error(status, (x._h,))
    return peek(x)


def without_derivative(x: Array) -> Any:
    """A value through which nothing is differentiated, which still depends on the program's arguments."""
    return _as_value(lib.pyad_without_derivative(x._h))


def detached(x: Any) -> Any:
    """x without its derivative: a plain value, or while a program is being recorded, a value that it computes anew."""
    if not is_traced(x):
        return x
    if engine.staging_threads and lib.pyad_is_symbolic(x._h):
        return without_derivative(x)
    return numpy_value(x)


def computed(function: Callable[..., Any], *args: Any) -> Any:
    """A function of NumPy or SciPy on the plain values of arguments; while a program is being recorded, a call that it
    makes again. A Python number or bool that the function gives is a decision: another one, another recording."""
    if engine.staging_threads and engine.current().staging:
        return call(function, args, {})
    return function(*map(numpy_value, args))


def may_hold(mask: Any) -> bool:
    """Whether a mask may hold somewhere. What a program computes anew may, so that it needs no decision."""
    return type(mask) is Discrete or bool(np.any(mask))


def _as_value(handle: int) -> Any:
    if handle >= FAILED:
        raise engine.error(handle)
    if lib.pyad_dtype_of(handle & (LARGE - 1)) < engine.CODE_F32:
        return Discrete(handle)
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
        return _Hole(len(values) - 1, type(x) is Weak)
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
    label=lambda params: getattr(engine.current().keep[params[0]].function, "__name__", "a function of NumPy"),
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
        if type(x) is Discrete and not fresh:
            x._own = False  # what is given may be a view of it
    try:
        result = entry.run([peek(x) for x in values])
    except Exception:
        for x in values:
            guarded(x)  # that it fails may decide what is recorded, if it is caught
        raise
    return _recorded(entry, values, result, fresh) if values else result


def _without_values(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with what values it holds as plain ones, which are then decisions: it is called after they have
    gone."""
    if isinstance(function, functools.partial):
        args, keywords = _decided(function.args, True), _decided(function.keywords, True)
        return functools.partial(_without_values(function.func), *args, **keywords)
    if type(function) is not types.FunctionType or not function.__closure__:
        return function
    held = [cell.cell_contents for cell in function.__closure__]
    plain = [_without_values(x) if callable(x) else _decided(x, True) for x in held]
    if all(a is b for a, b in zip(plain, held, strict=True)):
        return function
    closure = tuple(map(types.CellType, plain))
    return types.FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, closure
    )


def _decided(x: Any, copied: bool = False) -> Any:
    """The same with the plain values of traced arrays and Discrete values, on which the program then depends."""
    values: list[Any] = []
    holes = _take_out(x, values, copied)
    return _put_in(holes, [guarded(value) for value in values]) if values or copied else x


def _is_ufunc(function: Any) -> bool:
    return isinstance(function, np.ufunc) or isinstance(getattr(function, "__self__", None), np.ufunc)


# Besides ufuncs: what gives arrays that share no memory with their operands.
_FRESH = {getattr(operator, name) for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and_", "or_")}
_FRESH |= {getattr(operator, name) for name in ("xor", "lshift", "rshift", "neg", "abs", "invert", "matmul")}
_FRESH |= {operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge, _with_items, np.full_like}
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
            guarded(x)
        return value
    keep = engine.current().keep
    keep += (array, entry)
    data = ffi.from_buffer(array)
    ran = lib.pyad_op_ran(_CALLED.number, len(handles), handles, len(keep) - 1, code, array.ndim, array.shape, data)
    if ran >= FAILED:
        raise engine.error(ran, tuple(handles))
    made = _as_value(lib.pyad_without_derivative(ran & (LARGE - 1)))
    if type(made) is Discrete:
        made._own = fresh and array.ndim > 0
    if array.ndim and not _has_fixed_shape(entry.function):
        _guard_shape(made)
    return made if isinstance(value, np.ndarray | np.generic) else type(value)(guarded(made).item())


# What gives a shape that only those of its arguments decide.
_FIXED = {getattr, np.sort, np.take_along_axis, np.any, np.all, np.sum, np.mean}
_FIXED |= {np.asarray, np.ndarray.astype, np.ndarray.sum, np.ndarray.mean}


def _has_fixed_shape(function: Callable[..., Any]) -> bool:
    return _is_ufunc(function) or function in _FRESH or function in _FIXED


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


# ---- comparisons ----


def compare(op: Any, function: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    """A comparison, by the engine's kernel where both sides are real, else by NumPy."""
    sides = [x.as_array() if type(x) is Discrete else x for x in (a, b)]
    if all(_is_real(x) for x in sides):
        return _owned(Discrete.of(op(*sides)))
    return call(function, (a, b), {})


def _is_real(x: Any) -> bool:
    if is_traced(x):
        return lib.pyad_dtype_of(x._h) in (engine.CODE_F32, engine.CODE_F64)
    return type(x) in (float, int) or (isinstance(x, np.ndarray | np.generic) and x.dtype.kind == "f")


# ---- Python floats ----


def keep_weak() -> None:
    """What a Python float and a Python number give is as weak in NumPy's promotion as they are."""

    def keeping(base: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        def method(self: Weak, other: Any) -> Any:
            result = base(self, other)
            if type(other) in (int, float, bool, Weak) and type(result) is Array:
                result.__class__ = Weak
            return result

        return method

    for name in ("add", "sub", "mul", "truediv", "pow", "mod", "floordiv"):
        for side in ("", "r"):
            method = keeping(getattr(Array, f"__{side}{name}__"))
            setattr(Weak, f"__{side}{name}__", method)
            if not side:
                setattr(Weak, f"__i{name}__", method)  # it is a number, and no array that could be written into
    for name in ("neg", "abs"):
        base = getattr(Array, f"__{name}__")

        def unary(self: Weak, base: Callable[[Any], Any] = base) -> Any:
            result = base(self)
            result.__class__ = Weak
            return result

        setattr(Weak, f"__{name}__", unary)


# ---- 0-d arrays ----


def make_writable() -> None:
    """Operators such as +=, and assignments, of 0-d arrays among the arguments."""

    def set_to(x: Cell, value: Any) -> Cell:
        dtype = x.dtype
        value = value.as_array() if type(value) is Discrete else value
        shape = value.shape if is_traced(value) else np.shape(value)
        if any(n != 1 for n in shape):
            raise ShapeError(f"an array of shape {shape} does not fit into a 0-d array")
        # The dtype is what NumPy's own casting makes of it, or its error.
        np.empty((), dtype)[...] = np.zeros((), value.dtype if is_traced(value) else np.asarray(value).dtype)
        value = np.reshape(value, ()) if shape else value
        rebind(x, lib.pyad_same(handle_of(value, dtype)))
        return x

    def setitem(x: Cell, index: Any, value: Any) -> None:
        if index is not Ellipsis and index != ():
            raise IndexError("too many indices for array: array is 0-dimensional")
        set_to(x, value)

    def in_place(name: str) -> Callable[[Cell, Any], Cell]:
        function = getattr(Array, f"__{name}__")

        def method(self: Cell, other: Any) -> Cell:
            result = function(self, other)
            if not np.can_cast(result.dtype, self.dtype, "same_kind"):
                raise engine.errors.DTypeError(
                    f"the result of {name} has dtype {result.dtype} and does not fit into an array of {self.dtype}"
                )
            return set_to(self, result)

        return method

    for name in ("add", "sub", "mul", "truediv", "pow", "mod", "floordiv"):
        setattr(Cell, f"__i{name}__", in_place(name))
    Cell.__setitem__ = setitem  # type: ignore[method-assign]
